"""Columns of numbers put side by side as rows."""
from cython cimport floating
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef enum:
    TILE = 64  # rows that all columns fill before the next: they stay in the cache
    ABREAST = 4  # columns whose numbers are written at once


cdef void fill_tile(floating* out, Py_ssize_t width, Py_ssize_t m, const floating** columns, Py_ssize_t* at,
                    Py_ssize_t count, Py_ssize_t lo) noexcept nogil:
    cdef const floating *a
    cdef const floating *b
    cdef const floating *c
    cdef const floating *d
    cdef floating four[ABREAST]
    cdef Py_ssize_t i, j = 0
    while j < count:
        a = columns[j] + lo
        if j + ABREAST <= count and at[j + ABREAST - 1] == at[j] + ABREAST - 1:
            b, c, d = columns[j + 1] + lo, columns[j + 2] + lo, columns[j + 3] + lo
            for i in range(m):
                four[0], four[1], four[2], four[3] = a[i], b[i], c[i], d[i]
                memcpy(out + i * width + at[j], four, sizeof(four))
            j += ABREAST
        else:
            for i in range(m):
                out[i * width + at[j]] = a[i]
            j += 1


def fill(floating[:, ::1] out, list columns, list places):
    """out[:, places[j]] = columns[j], for columns of as many numbers as `out` has rows, of its type.

    Raises
    ------
    ValueError
        A column is of another length or type; places do not ascend, or are outside of `out`.
    """
    cdef Py_ssize_t n = out.shape[0], width = out.shape[1], count = len(columns), last = -1, j, k
    cdef const floating[::1] column
    if count != len(places):
        raise ValueError(f"{count} columns can't fill {len(places)} places")
    if not n or not count:
        return
    cdef const floating** start = <const floating**> malloc(count * sizeof(void*))
    cdef Py_ssize_t* at = <Py_ssize_t*> malloc(count * sizeof(Py_ssize_t))
    try:
        if start == NULL or at == NULL:
            raise MemoryError()
        for j in range(count):
            column, at[j] = columns[j], places[j]
            if column.shape[0] != n or not last < at[j] < width:
                raise ValueError(f"{column.shape[0]} numbers do not fit in column {at[j]} of {n} x {width}")
            start[j], last = &column[0], at[j]
        with nogil:
            for k in range((n + TILE - 1) // TILE):
                fill_tile(&out[k * TILE, 0], width, min(TILE, n - k * TILE), start, at, count, k * TILE)
    finally:
        free(start)
        free(at)
