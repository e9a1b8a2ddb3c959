"""Rows standardised as they are read, and the sums from which mean and standard deviation come.

Compiled without -fassociative-math: x - shift must be taken first, so that it is exactly 0 in a constant column.
"""
from cython cimport floating
from libc.stdint cimport int32_t, int64_t

import numpy as np

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define fastsgd_fetch(p) __builtin_prefetch(p, 0, 3)
    #else
    #define fastsgd_fetch(p) ((void)(p))
    #endif
    """
    void fetch_line "fastsgd_fetch"(const void* p) noexcept nogil

ctypedef fused index:
    int32_t
    int64_t

cdef enum:
    AHEAD = 2048  # bytes that are fetched before they are needed: the next rows may lie anywhere


cdef inline void fetch(const char* p, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t k = 0
    while k < size:
        fetch_line(p + k)
        k += 64


def dense_rows(const floating[:, ::1] X, const int64_t[::1] rows, const double[::1] centre, const double[::1] inverse):
    """(X[rows] - centre) * inverse, worked out in float64: an array of X's dtype."""
    cdef Py_ssize_t i, j, n = rows.shape[0], d = X.shape[1], size = d * sizeof(floating), ahead = 1 + AHEAD // (1 + size)
    cdef const floating* x
    cdef floating* z
    out = np.empty((n, d), np.asarray(X).dtype)
    cdef floating[:, ::1] made = out
    with nogil:
        for i in range(n):
            if i + ahead < n:
                fetch(<const char*> &X[rows[i + ahead], 0], size)
            x, z = &X[rows[i], 0], &made[i, 0]
            for j in range(d):
                z[j] = <floating> ((x[j] - centre[j]) * inverse[j])
    return out


def dense_rows_each(const floating[:, ::1] X, const int64_t[::1] rows, const int64_t[::1] ends, const double[:, ::1] centre,
                    const double[:, ::1] inverse):
    """As `dense_rows`, by a centre and an inverse for each of some groups of rows, which end at `ends`."""
    cdef Py_ssize_t i, j, g = 0, n = rows.shape[0], d = X.shape[1]
    cdef const floating* x
    cdef floating* z
    out = np.empty((n, d), np.asarray(X).dtype)
    cdef floating[:, ::1] made = out
    with nogil:
        for i in range(n):
            while i >= ends[g]:
                g += 1
            x, z = &X[rows[i], 0], &made[i, 0]
            for j in range(d):
                z[j] = <floating> ((x[j] - centre[g, j]) * inverse[g, j])
    return out


def csr_rows_each(const floating[::1] data, const index[::1] indices, const index[::1] indptr, const int64_t[::1] rows,
                  const int64_t[::1] ends, const double[:, ::1] inverse):
    """As `csr_rows`, by inverses for each of some groups of rows, which end at `ends`."""
    cdef Py_ssize_t i, k, g = 0, n = rows.shape[0], to = 0
    of_index = np.asarray(indptr).dtype
    starts = np.zeros(n + 1, of_index)
    cdef index[::1] start = starts
    with nogil:
        for i in range(n):
            start[i + 1] = start[i] + (indptr[rows[i] + 1] - indptr[rows[i]])
    values, columns = np.empty(start[n], np.asarray(data).dtype), np.empty(start[n], of_index)
    cdef floating[::1] value = values
    cdef index[::1] column = columns
    with nogil:
        for i in range(n):
            while i >= ends[g]:
                g += 1
            for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
                column[to] = indices[k]
                value[to] = <floating> (data[k] * inverse[g, indices[k]])
                to += 1
    return values, columns, starts


def csr_rows(const floating[::1] data, const index[::1] indices, const index[::1] indptr, const int64_t[::1] rows,
             const double[::1] inverse):
    """Those rows, each value times its column's inverse: (data, indices, indptr)."""
    cdef Py_ssize_t i, k, r, size, n = rows.shape[0], to = 0, ahead
    of_index = np.asarray(indptr).dtype
    ends = np.zeros(n + 1, of_index)
    cdef index[::1] end = ends
    with nogil:
        for i in range(n):
            end[i + 1] = end[i] + (indptr[rows[i] + 1] - indptr[rows[i]])
    values, columns = np.empty(end[n], np.asarray(data).dtype), np.empty(end[n], of_index)
    cdef floating[::1] value = values
    cdef index[::1] column = columns
    ahead = 1 + AHEAD * n // (1 + len(values) * <Py_ssize_t> sizeof(floating))
    with nogil:
        for i in range(n):
            if i + ahead < n:
                r = rows[i + ahead]
                size = indptr[r + 1] - indptr[r]
                fetch(<const char*> (&data[0] + indptr[r]), size * sizeof(floating))
                fetch(<const char*> (&indices[0] + indptr[r]), size * sizeof(index))
            for k in range(indptr[rows[i]], indptr[rows[i] + 1]):
                column[to] = indices[k]
                value[to] = <floating> (data[k] * inverse[indices[k]])
                to += 1
    return values, columns, ends


def dense_moments(const floating[:, ::1] X, const int64_t[::1] rows, Py_ssize_t first, Py_ssize_t n, const double[::1] s,
                  Py_ssize_t block, const double[::1] shift, double[::1] total, double[::1] mean, double[::1] squares):
    """Take n rows into the moments of x - shift: total weight, means, sums of squared deviations from the means.

    Blocks that stay in the cache, in two passes each, joined by the formula of Chan, Golub and LeVeque (1983, Algorithms
    for computing the sample variance, eq. 2.1).

    Parameters
    ----------
    rows : int64 array or None
        None: first, first + 1, ...
    s : (n,) or None
        Their weights, above 0.
    block : int
        Rows of a block.
    shift : (n_features,)
    total : (1,), changed in place
    mean, squares : (n_features,), changed in place
    """
    cdef Py_ssize_t lo = 0, hi, i, j, d = X.shape[1]
    cdef double weight, held, change, v
    cdef const floating* x
    cdef double[::1] part = np.empty(d), off = np.empty(d)
    with nogil:
        while lo < n:
            hi = min(lo + block, n)
            held = 0
            for j in range(d):
                part[j] = off[j] = 0
            for i in range(lo, hi):
                x = &X[rows[i] if rows is not None else first + i, 0]
                weight = s[i] if s is not None else 1
                held += weight
                for j in range(d):
                    part[j] += weight * (x[j] - shift[j])
            for j in range(d):
                part[j] /= held
            for i in range(lo, hi):
                x = &X[rows[i] if rows is not None else first + i, 0]
                weight = s[i] if s is not None else 1
                for j in range(d):
                    v = x[j] - shift[j] - part[j]
                    off[j] += weight * (v * v)
            for j in range(d):
                change = part[j] - mean[j]
                squares[j] += off[j] + change * change * (total[0] / (total[0] + held) * held)
                mean[j] += change * (held / (total[0] + held))
            total[0] += held
            lo = hi


def csr_sums(const floating[::1] data, const index[::1] indices, const index[::1] indptr, const int64_t[::1] rows,
             Py_ssize_t first, Py_ssize_t n, const double[::1] s, double[::1] total, double[:, ::1] sums):
    """Add to total (1,) the weights of n rows, and to each column's (sum of s x, sum of s) what is stored of it."""
    cdef Py_ssize_t i, k, r
    cdef double weight
    with nogil:
        for i in range(n):
            r = rows[i] if rows is not None else first + i
            weight = s[i] if s is not None else 1
            total[0] += weight
            for k in range(indptr[r], indptr[r + 1]):
                sums[indices[k], 0] += weight * data[k]
                sums[indices[k], 1] += weight


def csr_squares(const floating[::1] data, const index[::1] indices, const index[::1] indptr, const int64_t[::1] rows,
                Py_ssize_t first, Py_ssize_t n, const double[::1] s, const double[::1] mean, double[:, ::1] sums):
    """Add to each column's (sum of s (x - mean)^2, sum of s (x - mean)) what is stored of it."""
    cdef Py_ssize_t i, k, r
    cdef double weight, v
    with nogil:
        for i in range(n):
            r = rows[i] if rows is not None else first + i
            weight = s[i] if s is not None else 1
            for k in range(indptr[r], indptr[r + 1]):
                v = data[k] - mean[indices[k]]
                sums[indices[k], 0] += weight * (v * v)
                sums[indices[k], 1] += weight * v
