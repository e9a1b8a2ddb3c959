"""svmlight text to CSR, without the GIL and without an object for a token.

A text that is parsed ends in a newline. Every loop within a line stops there, so that none needs to ask where the text
ends; only the loop over the lines goes on.
"""
from cython cimport floating
from libc.math cimport INFINITY, isinf
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memchr
from libcpp.algorithm cimport sort
from libcpp.pair cimport pair
from libcpp.vector cimport vector

import numpy as np

cdef extern from "decimal.h" nogil:
    bint fastsgd_nearest(const char* first, const char* last, double* out) noexcept

ctypedef fused index:
    int32_t
    int64_t

# What is wrong with a line.
cdef enum:
    FINE, NO_LABEL, LABELS, NO_QID, NO_INDEX, LONG_INDEX, ZERO, BEYOND, NO_VALUE, TOO_LARGE, TWICE
FAULTS = (
    "", "no_label", "labels", "no_qid", "no_index", "long_index", "zero", "beyond", "no_value", "too_large", "twice"
)

cdef enum:
    MOST_DIGITS = 18  # of an index: less than 2^63
    EXACT_POWER = 22  # 10^22 is a double
cdef uint64_t EXACT = <uint64_t> 1 << 53  # as is any whole number up to here
cdef int64_t LARGE_EXPONENT = <int64_t> 1 << 40  # more than a text has digits
cdef double[EXACT_POWER + 1] POWER
for _k in range(EXACT_POWER + 1):
    POWER[_k] = 10.0 ** _k

cdef struct Line:
    int fault
    const uint8_t* at  # where, in the text
    int64_t place  # for TWICE, where in the row
    bint row  # whether there is one: not in an empty line or one with a comment alone
    double label
    int64_t values


cdef inline bint digit(uint8_t c) noexcept nogil:
    return <uint8_t> (c - 48) < 10


cdef inline const uint8_t* blanks(const uint8_t* p) noexcept nogil:
    while p[0] == b" " or p[0] == b"\t":
        p += 1
    return p


cdef inline bint ended(const uint8_t* p) noexcept nogil:
    """Whether the line, or what is read of it, ends here."""
    return p[0] == b"\n" or p[0] == b"#" or (p[0] == b"\r" and p[1] == b"\n")


cdef inline bint parted(const uint8_t* p) noexcept nogil:
    """Whether a token ends here."""
    return p[0] == b" " or p[0] == b"\t" or ended(p)


cdef bint beyond_one(const uint8_t* p, int64_t exponent) noexcept nogil:
    """Whether a decimal number without sign is 1 or more; it begins at p, its exponent is given."""
    cdef const uint8_t* first
    while p[0] == b"0":
        p += 1
    first = p
    if p[0] == b".":
        p += 1
        while p[0] == b"0":
            p += 1
            exponent -= 1
        return digit(p[0]) and exponent > 0
    while digit(p[0]):
        p += 1
    return p > first and exponent + (p - first) > 0


cdef inline const uint8_t* number(const uint8_t* p, double* value) noexcept nogil:
    """The end of the decimal number that begins at p, or NULL; the double nearest to it, infinity if that is too large."""
    cdef uint64_t m = 0
    cdef int64_t digits, e = 0, written = 0
    cdef bint negative = p[0] == b"-", lowers
    cdef const uint8_t* start
    cdef const uint8_t* part
    if negative or p[0] == b"+":
        p += 1
    start = p
    while digit(p[0]):
        m = 10 * m + (p[0] - 48)
        p += 1
    digits = p - start
    if p[0] == b".":
        p += 1
        part = p
        while digit(p[0]):
            m = 10 * m + (p[0] - 48)
            p += 1
        e = part - p
        digits -= e
    if digits == 0:
        return NULL
    if p[0] | 32 == b"e":
        p += 1
        lowers = p[0] == b"-"
        if lowers or p[0] == b"+":
            p += 1
        part = p
        while digit(p[0]):
            if written < LARGE_EXPONENT:
                written = 10 * written + (p[0] - 48)
            p += 1
        if p == part:
            return NULL
        written = -written if lowers else written
        e += written
    if digits <= 19 and m <= EXACT and -EXACT_POWER <= e <= EXACT_POWER:  # both exact, so that one rounding is all
        value[0] = m / POWER[-e] if e < 0 else m * POWER[e]
    elif not fastsgd_nearest(<const char*> start, <const char*> p, value):
        value[0] = INFINITY if beyond_one(start, written) else 0
    if negative:
        value[0] = -value[0]
    return p


cdef int64_t arrange(floating* data, index* indices, int64_t n) except -2 nogil:
    """Sort a row by index. Returns the first place with an index that was there before, or -1."""
    cdef vector[pair[int64_t, int64_t]] order
    cdef vector[floating] value
    cdef int64_t k, twice = -1
    order.resize(n)
    value.assign(data, data + n)
    for k in range(n):
        order[k].first, order[k].second = indices[k], k
    sort(order.begin(), order.end())
    for k in range(n):
        indices[k], data[k] = <index> order[k].first, value[order[k].second]
        if k and order[k].first == order[k - 1].first and (twice < 0 or order[k].second < twice):
            twice = order[k].second
    return twice


cdef inline void fail(Line* line, int fault, const uint8_t* at) noexcept nogil:
    line.fault, line.at = fault, at


cdef inline int read_line(const uint8_t* p, int64_t base, int64_t limit, floating* data, index* indices, Line* line,
                          ) except -1 nogil:
    """One line. What it has, or what is wrong with it, is in `line`; where it ends is the caller's to find."""
    cdef const uint8_t* token
    cdef const uint8_t* first
    cdef int64_t column, last = -1, n = 0
    cdef double value
    cdef bint ascending = True
    line.fault, line.row, line.at = FINE, False, p
    p = blanks(p)
    if ended(p):
        line.at = p
        return 0
    token = p
    p = number(p, &line.label)
    if p == NULL or not parted(p):
        fail(line, LABELS if p != NULL and p[0] == b"," else NO_LABEL, token)
        return 0
    if isinf(line.label):
        fail(line, TOO_LARGE, token)
        return 0
    p = blanks(p)
    if p[0] == b"q":
        token = p
        if not (p[1] == b"i" and p[2] == b"d" and p[3] == b":"):
            fail(line, NO_INDEX, token)
            return 0
        p += 4
        if p[0] == b"-" or p[0] == b"+":
            p += 1
        first = p
        while digit(p[0]):
            p += 1
        if p == first or not parted(p):
            fail(line, NO_QID, token)
            return 0
        p = blanks(p)
    while not ended(p):
        token = p
        column = 0
        while digit(p[0]):
            column = <int64_t> (10 * <uint64_t> column + (p[0] - 48))
            p += 1
        if p == token or p[0] != b":":
            fail(line, NO_INDEX, token)
            return 0
        if p - token > MOST_DIGITS:
            fail(line, LONG_INDEX, token)
            return 0
        column -= base
        if column < 0 or column >= limit:
            fail(line, ZERO if column < 0 else BEYOND, token)
            return 0
        first = p + 1
        p = number(first, &value)
        if p == NULL or not parted(p):
            fail(line, NO_VALUE, first)
            return 0
        data[n], indices[n] = <floating> value, <index> column
        if isinf(data[n]):
            fail(line, TOO_LARGE, first)
            return 0
        ascending &= column > last
        last = column
        n += 1
        p = blanks(p)
    if not ascending:
        line.place = arrange(data, indices, n)
        if line.place >= 0:
            line.fault = TWICE
            return 0
    line.row, line.values, line.at = True, n, p
    return 0


def newlines(const uint8_t[::1] text not None):
    """How many there are."""
    cdef int64_t k, n = 0
    with nogil:
        for k in range(text.shape[0]):
            n += text[k] == b"\n"
    return n


def fill(const uint8_t[::1] text not None, int64_t base, int64_t limit, bint skip, floating[::1] data not None,
         index[::1] indices not None, index[::1] indptr not None, double[::1] y not None):
    """See `parse`, which makes these arrays. Returns (rows, values, least index, largest, left out, fault)."""
    cdef const uint8_t* p
    cdef const uint8_t* end
    cdef const uint8_t* start
    cdef int64_t n = 0, values = 0, number_of = 0, left_out = 0, least = -1, largest = -1, k
    cdef Line line, first
    cdef int64_t at_line = 0, line_start = 0, at_byte = 0
    first.fault, first.place, line.place = FINE, 0, 0
    if not text.shape[0]:
        return 0, 0, least, largest, 0, None
    room = min(data.shape[0], indices.shape[0]) >= text.shape[0] // 4 and indptr.shape[0] > 0
    if not room or text[text.shape[0] - 1] != b"\n":
        raise ValueError("the text must end in a newline, and there must be room for its values")
    p, end = &text[0], &text[0] + text.shape[0]
    indptr[0] = 0
    with nogil:
        while p < end:
            start = p
            if n == y.shape[0] or n + 1 == indptr.shape[0]:  # no more than there are newlines
                break
            read_line(p, base, limit, &data[0] + values, &indices[0] + values, &line)
            if line.fault:
                left_out += 1
                if first.fault == FINE:
                    first, at_line, line_start, at_byte = line, number_of, start - &text[0], line.at - start
                if not skip:
                    break
            elif line.row:
                if line.values:
                    k = indices[values]
                    least = k if least < 0 or k < least else least
                    values += line.values
                    k = indices[values - 1]
                    largest = k if k > largest else largest
                y[n] = line.label
                n += 1
                indptr[n] = <index> values
            p = <const uint8_t*> memchr(line.at, b"\n", end - line.at) + 1
            number_of += 1
    fault = (FAULTS[first.fault], at_line, line_start, at_byte, first.place) if first.fault else None
    return n, values, least, largest, left_out, fault


def parse(text, base, limit, skip, dtype, index_dtype):
    """The rows of a text.

    Parameters
    ----------
    text : bytes or memoryview, empty or with a newline at its end
    base : int
        What is taken off an index.
    limit : int
        Indices, less base, must be below it. It must fit index_dtype.
    skip : bool
        Leave out lines that are malformed; else stop at the first.
    dtype, index_dtype : dtype
        float32 or float64; int32 or int64.

    Returns
    -------
    y : (n,) float64 array
    (data, indices, indptr) : arrays
        CSR, sorted.
    least, largest : int
        Of the indices, less base; -1 if there are none.
    left_out : int
    fault : None, or (name, line, byte where it starts, byte in the line, for "twice" the place in the row); from 0
        The first.
    """
    rows, most = newlines(text), len(text) // 4  # a value has four bytes at least, with the blank
    if limit > np.iinfo(index_dtype).max or most > np.iinfo(index_dtype).max:
        raise ValueError(f"indices below {limit}, {most} values: they do not fit {index_dtype}")
    data, indices = np.empty(most + 1, dtype), np.empty(most + 1, index_dtype)
    indptr, y = np.zeros(rows + 1, index_dtype), np.empty(rows)
    n, values, least, largest, left_out, fault = fill(text, base, limit, skip, data, indices, indptr, y)
    for a, size in (data, values), (indices, values), (indptr, n + 1), (y, n):
        a.resize(size, refcheck=False)  # no view of them is left
    return y, (data, indices, indptr), least, largest, left_out, fault
