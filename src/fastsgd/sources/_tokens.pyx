"""Tokens hashed to columns as scikit-learn's FeatureHasher does, and rows of CSR put together from what columns give."""
from cython cimport floating
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uintptr_t
from libc.string cimport memcpy

import numpy as np

ctypedef fused offset:
    int32_t
    int64_t

cdef enum:
    SORTED = 64  # entries of a row that are kept in order as they come; more of them in disorder are left to SciPy


cdef inline uint32_t rotated(uint32_t x, int by) noexcept nogil:
    return (x << by) | (x >> (32 - by))


cdef uint32_t murmur3(const uint8_t* key, int64_t n) noexcept nogil:
    """MurmurHash3_x86_32 (A. Appleby, public domain) of n bytes, with seed 0."""
    cdef uint32_t h = 0, k
    cdef int64_t i, blocks = n // 4
    for i in range(blocks):
        k = key[4 * i] | <uint32_t> key[4 * i + 1] << 8 | <uint32_t> key[4 * i + 2] << 16 | <uint32_t> key[4 * i + 3] << 24
        h = rotated(h ^ rotated(k * <uint32_t> 0xCC9E2D51, 15) * <uint32_t> 0x1B873593, 13) * 5 + <uint32_t> 0xE6546B64
    k = 0
    for i in range(n - 1, 4 * blocks - 1, -1):
        k = k << 8 | key[i]
    h ^= rotated(k * <uint32_t> 0xCC9E2D51, 15) * <uint32_t> 0x1B873593
    h ^= <uint32_t> n
    h = (h ^ (h >> 16)) * <uint32_t> 0x85EBCA6B
    h = (h ^ (h >> 13)) * <uint32_t> 0xC2B2AE35
    return h ^ (h >> 16)


def hash_tokens(bytes prefix, const offset[::1] ends, const uint8_t[::1] text, uint32_t n_features):
    """The columns and signs of the tokens prefix + text[ends[i] : ends[i + 1]].

    Returns
    -------
    column : int32 array
        |h| % n_features of the signed 32-bit hash h.
    sign : int8 array
        1 where h >= 0, else -1.

    Raises
    ------
    ValueError
        `ends` decrease, or leave `text`.
    """
    cdef Py_ssize_t i, n = ends.shape[0] - 1, first = len(prefix)
    cdef int64_t size, longest = 0
    cdef uint32_t h
    cdef const uint8_t* given = prefix
    if n < 0 or ends[0] < 0 or ends[n] > text.shape[0]:
        raise ValueError(f"offsets of strings must be within their {text.shape[0]} bytes")
    column, sign = np.empty(n, np.int32), np.empty(n, np.int8)
    cdef int32_t[::1] columns = column
    cdef int8_t[::1] signs = sign
    for i in range(n):
        if ends[i + 1] < ends[i]:  # their difference may overflow
            raise ValueError(f"offsets of strings must not decrease, they do after {i}")
        longest = max(longest, <int64_t> (ends[i + 1] - ends[i]))
    cdef uint8_t[::1] token = np.empty(first + longest + 1, np.uint8)
    with nogil:
        memcpy(&token[0], given, first)
        for i in range(n):
            size = ends[i + 1] - ends[i]
            if size:
                memcpy(&token[first], &text[ends[i]], size)
            h = murmur3(&token[0], first + size)
            signs[i] = -1 if h >> 31 else 1
            columns[i] = <int32_t> ((0 - h if h >> 31 else h) % n_features)
    return column, sign


def csr_rows(const floating[:, ::1] dense, list pieces):
    """Rows of CSR from dense columns, which come first, and pieces of tokens. Zeros are not stored.

    Parameters
    ----------
    dense : (n, m) array
    pieces : list of (starts, columns, values)
        Row i has columns[starts[i] : starts[i + 1]], or columns[i] where `starts` is None; int64, int32, and the dtype
        of `dense`. Those below 0 are left out.

    Returns
    -------
    data, indices, indptr
        Not summed, and not sorted in rows that have many entries in disorder: `sum_duplicates` does both.
    """
    cdef Py_ssize_t n = dense.shape[0], m = dense.shape[1], k = len(pieces), i, j, p
    cdef int64_t e, lo, hi, at, put, tail, count = 0
    cdef const int64_t* starts
    cdef const int32_t* columns
    cdef const floating* values
    cdef floating x
    cdef int32_t c
    dtype = np.asarray(dense).dtype
    cdef uintptr_t[:, ::1] where = np.zeros((k, 3), np.uintp)
    kept = []  # so that the arrays outlive the loop
    for p in range(k):
        begins, token, value = pieces[p]
        token, value = np.require(token, np.int32, "CA"), np.require(value, dtype, "CA")  # Arrow's need not be aligned
        if begins is not None:
            begins = np.require(begins, np.int64, "CA")
            if len(begins) != n + 1 or begins[0] != 0 or (np.diff(begins) < 0).any() or begins[n] != len(token):
                raise ValueError("starts of a piece must go from 0 to its number of tokens")
        elif len(token) != n:
            raise ValueError(f"a piece without starts must have {n} tokens, found {len(token)}")
        if len(value) != len(token):
            raise ValueError(f"a piece has {len(token)} tokens and {len(value)} values")
        kept.append((begins, token, value))
        where[p, 0] = 0 if begins is None else begins.ctypes.data
        where[p, 1], where[p, 2] = token.ctypes.data, value.ctypes.data
        count += len(token)
    if count + n * m >= 2**31:
        raise ValueError(f"{n} rows of up to {count + n * m} values are too many at once; write smaller row groups or batches")
    # With room for all; what zeros leave over is given back.
    count += n * m
    out_data, out_indices, out_indptr = np.empty(count, dtype), np.empty(count, np.int32), np.zeros(n + 1, np.int32)
    cdef floating[::1] data = out_data
    cdef int32_t[::1] indices = out_indices
    cdef int32_t[::1] indptr = out_indptr
    at = 0
    with nogil:
        for i in range(n):
            for j in range(m):
                x = dense[i, j]
                if x != 0:
                    data[at], indices[at] = x, <int32_t> j
                    at += 1
            tail = at
            for p in range(k):
                starts = <const int64_t*> where[p, 0]
                columns = <const int32_t*> where[p, 1]
                values = <const floating*> where[p, 2]
                lo = starts[i] if starts != NULL else i
                hi = starts[i + 1] if starts != NULL else i + 1
                for e in range(lo, hi):
                    c, x = columns[e], values[e]
                    if c < 0 or x == 0:
                        continue
                    put = at
                    if at - tail < SORTED:
                        while put > tail and indices[put - 1] > c:
                            indices[put], data[put] = indices[put - 1], data[put - 1]
                            put -= 1
                    indices[put], data[put] = c, x
                    at += 1
            indptr[i + 1] = <int32_t> at
    return out_data[:at].copy(), out_indices[:at].copy(), out_indptr
