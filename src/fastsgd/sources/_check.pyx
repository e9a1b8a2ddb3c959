"""What must hold before a kernel sees the data: every index within bounds, every number finite."""
from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint64_t

ctypedef fused index:
    int32_t
    int64_t


def csr_fault(const index[::1] indptr, const index[::1] indices, int64_t n_features, int64_t n_values):
    """Why this is not a CSR structure, or None.

    One pass; negative indices are caught as huge unsigned ones.
    """
    cdef int64_t n = indptr.shape[0] - 1, i, k, nnz = indices.shape[0]
    cdef uint64_t limit = n_features
    cdef bint bad = False
    if n < 0:
        return "indptr is empty; it must have one entry more than there are rows"
    if indptr[0] != 0:
        return f"indptr must start at 0, it starts at {indptr[0]}"
    if indptr[n] > nnz or indptr[n] > n_values:
        return f"indptr ends at {indptr[n]}, but indices has {nnz} entries and data {n_values}"
    if nnz != n_values:
        return f"indices and data differ in length, {nnz} and {n_values}"
    for i in range(n):
        if indptr[i + 1] < indptr[i]:
            return f"indptr must not decrease, it does after row {i} ({indptr[i]} to {indptr[i + 1]})"
    nnz = indptr[n]
    with nogil:
        for k in range(nnz):
            bad |= <uint64_t> <int64_t> indices[k] >= limit
    if bad:
        for k in range(nnz):
            if <uint64_t> <int64_t> indices[k] >= limit:
                return f"indices must be in [0, {n_features}), found {indices[k]} at position {k}"
    return None


def first_nonfinite(const floating[::1] x):
    """Position of the first NaN or infinite number, or -1."""
    cdef Py_ssize_t i, n = x.shape[0]
    cdef floating total = 0
    with nogil:
        for i in range(n):
            total += x[i]
    if total - total == 0:
        return -1
    for i in range(n):
        if x[i] - x[i] != 0:
            return i
    return -1
