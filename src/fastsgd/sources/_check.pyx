"""What must hold before a kernel sees the data: every index within bounds, every number finite."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cython cimport floating
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

ctypedef fused index:
    int32_t
    int64_t


cdef enum:
    CHUNK = 4096  # indices that are looked at together: they stay in the first cache


cdef inline bint twice_in(const index* row, Py_ssize_t n, uint64_t* marks) noexcept nogil:
    """Whether any index is in the row more than once. `marks` has a bit for each feature, all 0 before and after."""
    cdef Py_ssize_t k
    cdef uint64_t bit, twice = 0
    for k in range(n):
        bit = (<uint64_t> 1) << (row[k] & 63)
        twice |= marks[row[k] >> 6] & bit
        marks[row[k] >> 6] |= bit
    for k in range(n):
        marks[row[k] >> 6] = 0
    return twice != 0


cdef inline bint rising(const index* row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(1, n):
        if row[k] <= row[k - 1]:
            return 0
    return 1


cdef bint look(const index* indptr, const index* indices, Py_ssize_t n, int64_t n_features, bint* sorted_,
               bint* distinct) noexcept nogil:
    """Whether every index is a feature; and whether in every row they rise, and none is there twice."""
    cdef Py_ssize_t i = 0, first, k, a, b, falls
    cdef index rises
    cdef uint64_t* marks = NULL
    cdef uint32_t odd4, last4 = <uint32_t> min(n_features - 1, 2147483647)
    cdef uint64_t odd8, last8 = <uint64_t> (n_features - 1)
    while i < n:
        first, a = i, indptr[i]
        i += 1
        while i < n and indptr[i + 1] - a <= CHUNK:
            i += 1
        b = indptr[i]
        if a == b:
            continue
        # The sign of v | (last - v) is set where v is negative, or larger than the last.
        rises = 0
        if index is int32_t:
            odd4 = <uint32_t> indices[a] | (last4 - <uint32_t> indices[a])
            for k in range(a + 1, b):
                odd4 |= <uint32_t> indices[k] | (last4 - <uint32_t> indices[k])
                rises += indices[k] > indices[k - 1]
            if odd4 >> 31:
                break
        else:
            odd8 = <uint64_t> indices[a] | (last8 - <uint64_t> indices[a])
            for k in range(a + 1, b):
                odd8 |= <uint64_t> indices[k] | (last8 - <uint64_t> indices[k])
                rises += indices[k] > indices[k - 1]
            if odd8 >> 63:
                break
        falls = b - a - 1 - rises
        for k in range(first + 1, i):  # from a row to the next it may fall
            if indptr[k - 1] < indptr[k] < b:
                falls -= indices[indptr[k]] <= indices[indptr[k] - 1]
        if falls == 0:
            continue
        sorted_[0] = 0
        if distinct[0] and marks is NULL:
            marks = <uint64_t*> calloc(n_features // 64 + 1, 8)
            distinct[0] = marks is not NULL  # else whoever sums finds out
        for k in range(first, i if distinct[0] else first):
            if not rising(indices + indptr[k], indptr[k + 1] - indptr[k]):
                if twice_in(indices + indptr[k], indptr[k + 1] - indptr[k], marks):
                    distinct[0] = 0
                    break
    else:
        free(marks)
        return 1
    free(marks)
    return 0


def csr_look(const index[::1] indptr, const index[::1] indices, int64_t n_features, int64_t n_values):
    """What a CSR structure is like: what others have noted of it, such as SciPy's flags, may be out of date.

    Returns
    -------
    fault : str or None
        Why it is none.
    sorted : bool
        Whether the indices of every row rise.
    distinct : bool
        Whether no row has an index twice.
    """
    cdef int64_t n = indptr.shape[0] - 1, i, k, nnz = indices.shape[0]
    cdef bint is_sorted = True, distinct = True, within
    fault = None
    if n < 0:
        fault = "indptr is empty; it must have one entry more than there are rows"
    elif indptr[0] != 0:
        fault = f"indptr must start at 0, it starts at {indptr[0]}"
    elif indptr[n] > nnz or indptr[n] > n_values:
        fault = f"indptr ends at {indptr[n]}, but indices has {nnz} entries and data {n_values}"
    elif nnz != n_values:
        fault = f"indices and data differ in length, {nnz} and {n_values}"
    else:
        for i in range(n):
            if indptr[i + 1] < indptr[i]:
                fault = f"indptr must not decrease, it does after row {i} ({indptr[i]} to {indptr[i + 1]})"
                break
    if fault is None and nnz:
        with nogil:
            within = look(&indptr[0], &indices[0], n, n_features, &is_sorted, &distinct)
        if not within:
            for k in range(indptr[n]):
                if not 0 <= indices[k] < n_features:
                    fault = f"indices must be in [0, {n_features}), found {indices[k]} at position {k}"
                    break
    return fault, is_sorted, distinct


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


def same_bytes(a, b):
    """Whether two arrays in C order hold the same bytes."""
    cdef Py_buffer left, right
    PyObject_GetBuffer(a, &left, PyBUF_SIMPLE)
    try:
        PyObject_GetBuffer(b, &right, PyBUF_SIMPLE)
        try:
            return left.len == right.len and memcmp(left.buf, right.buf, left.len) == 0
        finally:
            PyBuffer_Release(&right)
    finally:
        PyBuffer_Release(&left)
