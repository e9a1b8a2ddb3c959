"""Tokens hashed to columns as scikit-learn's FeatureHasher does, and rows of CSR put together from what columns give."""
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cython cimport floating
from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy

from fastsgd.sources._murmur cimport MURMUR_READS, murmur3, place_of, sign_of

import numpy as np

INT32, INT64 = np.dtype(np.int32), np.dtype(np.int64)
SPARE = 0.75  # Of arrays that are filled to less than this, the rest is given back.

ctypedef fused offset:
    int32_t
    int64_t

cdef extern from "rank.h":
    enum:
        FASTSGD_LANES
    bint fastsgd_ranks(const int32_t* key, int n, int32_t* rank) noexcept nogil

cdef enum:
    TILE = 64  # rows that are put together at once: their tokens stay in the first cache
    SORTED = 96  # tokens of a row that are sorted here; more of them in disorder are left to SciPy


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
    cdef uint8_t[::1] token = np.empty(first + longest + MURMUR_READS, np.uint8)
    with nogil:
        memcpy(&token[0], given, first)
        for i in range(n):
            size = ends[i + 1] - ends[i]
            if size:
                memcpy(&token[first], &text[ends[i]], size)
            h = murmur3(&token[0], first + size)
            signs[i] = sign_of(h)
            columns[i] = place_of(h, n_features)
    return column, sign


def hash_token(bytes prefix, bytes word, uint32_t n_features):
    """(column, sign) of one token, prefix + word, as `hash_tokens` has them."""
    cdef bytes token = prefix + word
    cdef uint32_t h = murmur3(token, len(token))
    return <int32_t> ((0 - h if h >> 31 else h) % n_features), -1 if h >> 31 else 1


cdef struct Piece:
    const int64_t* starts  # NULL: a token for each row
    const int32_t* codes  # NULL: token e has feature e
    const int32_t* features
    const void* values
    const void* factors  # NULL: 1
    uint32_t n_features


cdef inline bint rising(const int32_t* key, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t e
    for e in range(1, n):
        if key[e] <= key[e - 1]:
            return 0
    return 1


cdef bint gather(const Piece* piece, Py_ssize_t lo, Py_ssize_t n, Py_ssize_t* ends, int32_t* keys,
                 floating* values) noexcept nogil:
    """Append the tokens that a piece has in n rows, from row lo on, to those that each row has; whether all codes are within
    bounds."""
    cdef const floating* given = <const floating*> piece.values
    cdef const floating* factors = <const floating*> piece.factors
    cdef Py_ssize_t r, e, first, last, at
    cdef int32_t code, c
    cdef floating x
    cdef bint within = 1
    for r in range(n):
        first = lo + r if piece.starts == NULL else piece.starts[lo + r]
        last = first + 1 if piece.starts == NULL else piece.starts[lo + r + 1]
        at = ends[r]
        for e in range(first, last):
            code = <int32_t> e if piece.codes == NULL else piece.codes[e]
            if <uint32_t> code >= piece.n_features:
                within = within and code < 0
                continue
            c, x = piece.features[code], given[code]
            if piece.factors != NULL:
                x *= factors[e]
            keys[at], values[at] = c, x
            at += c >= 0 and x != 0
        ends[r] = at
    return within


cdef Py_ssize_t in_order(const int32_t* keys, const floating* values, Py_ssize_t n, int32_t* to_keys,
                         floating* to_values, bint* is_sorted) noexcept nogil:
    """Write the tokens of a row in the order of their features, the values of equal ones added up; returns how many are left."""
    cdef int32_t[SORTED + FASTSGD_LANES] rank
    cdef Py_ssize_t e, put, left
    if n > SORTED or rising(keys, n):
        is_sorted[0] &= n <= SORTED or rising(keys, n)
        memcpy(to_keys, keys, n * sizeof(int32_t))
        memcpy(to_values, values, n * sizeof(floating))
        return n
    if not fastsgd_ranks(keys, <int> n, rank):
        for e in range(n):
            to_keys[rank[e]], to_values[rank[e]] = keys[e], values[e]
        return n
    for e in range(n):  # in the order of the pieces among equal ones, so that sums are the same everywhere
        put = e
        while put > 0 and to_keys[put - 1] > keys[e]:
            to_keys[put], to_values[put] = to_keys[put - 1], to_values[put - 1]
            put -= 1
        to_keys[put], to_values[put] = keys[e], values[e]
    left = 0
    for e in range(1, n):
        if to_keys[e] == to_keys[left]:
            to_values[left] += to_values[e]
        else:
            left += 1
            to_keys[left], to_values[left] = to_keys[e], to_values[e]
    return left + 1


def usable(a, dtype):
    """The array as np.require(a, dtype, "CA") gives it, which takes many times as long where there is nothing to do."""
    if type(a) is np.ndarray and a.dtype is dtype:
        flags = a.flags
        if flags.c_contiguous and flags.aligned:
            return a
    return np.require(a, dtype, "CA")


cdef const void* place(a) except? NULL:
    """Where the values of a contiguous array are, as long as it lives; NULL of None."""
    cdef Py_buffer view
    if a is None:
        return NULL
    PyObject_GetBuffer(a, &view, PyBUF_SIMPLE)
    PyBuffer_Release(&view)  # NumPy never moves them.
    return view.buf


cdef object checked(tuple given, Py_ssize_t n, object dtype, Piece* piece):
    """The arrays of a piece of n rows, to which `piece` then points."""
    starts, features, values, codes, factors = (*given, None, None)[:5]
    # Arrow's need not be aligned.
    features, values = usable(features, INT32), usable(values, dtype)
    codes = None if codes is None else usable(codes, INT32)
    factors = None if factors is None else usable(factors, dtype)
    tokens = features if codes is None else codes
    if starts is not None:
        starts = usable(starts, INT64)
        if len(starts) != n + 1 or starts[0] != 0 or (np.diff(starts) < 0).any() or starts[n] != len(tokens):
            raise ValueError("starts of a piece must go from 0 to its number of tokens")
    elif len(tokens) != n:
        raise ValueError(f"a piece without starts must have {n} tokens, found {len(tokens)}")
    if len(values) != len(features):
        raise ValueError(f"a piece has {len(features)} tokens and {len(values)} values")
    if factors is not None and len(factors) != len(tokens):
        raise ValueError(f"a piece has {len(tokens)} tokens and {len(factors)} factors")
    if len(features) >= 2**31 or len(tokens) >= 2**31:
        raise ValueError(f"{len(tokens)} tokens are too many at once; write smaller row groups or batches")
    piece.starts = <const int64_t*> place(starts)
    piece.codes = <const int32_t*> place(codes)
    piece.features = <const int32_t*> place(features)
    piece.values, piece.factors = place(values), place(factors)
    piece.n_features = <uint32_t> len(features)
    return len(tokens), (starts, codes, features, values, factors)


cdef Py_ssize_t most_in_a_tile(const Piece* pieces, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    """Tokens of a tile, at most."""
    cdef Py_ssize_t tile, lo, hi, p, most = 0, here
    for tile in range((n + TILE - 1) // TILE):
        lo, here = tile * TILE, 0
        hi = min(lo + TILE, n)
        for p in range(k):
            here += hi - lo if pieces[p].starts == NULL else pieces[p].starts[hi] - pieces[p].starts[lo]
        most = max(most, here)
    return most


def csr_rows(const floating[:, ::1] dense, list pieces, empty=np.empty):
    """Rows of CSR from dense columns, which come first, and pieces of tokens. Zeros are not stored.

    Parameters
    ----------
    dense : (n, m) array
    pieces : list of (starts, features, values, codes, factors), the last two of which may be left out
        Row i has the tokens starts[i] to starts[i + 1], or token i where `starts` is None. Token e has features[e] and
        values[e]; where there are `codes`, features[codes[e]] and values[codes[e]]. Where there are `factors`, its value is
        multiplied by factors[e]. Features and codes below 0 are none. int64, int32, the dtype of `dense`, int32, that dtype.
    empty : callable
        What gives the memory for the result: empty(n, dtype).

    Returns
    -------
    data, indices, indptr
    canonical : bool
        Whether the features of every row rise. False: rows that have many in disorder are as they came, and
        `sum_duplicates` is needed.

    Raises
    ------
    ValueError
        Arrays that do not fit together, or codes beyond the features.
    """
    cdef Py_ssize_t n = dense.shape[0], m = dense.shape[1], k = len(pieces), tile, lo, size, r, j, p, at = 0, most
    cdef Py_ssize_t[TILE] firsts
    cdef Py_ssize_t[TILE] ends
    cdef bint within = 1, canonical = 1
    cdef floating x
    dtype = np.asarray(dense).dtype
    room = np.zeros(max(1, k) * sizeof(Piece), np.uint8)
    cdef uint8_t[::1] of_pieces = room
    cdef Piece* found = <Piece*> &of_pieces[0]
    kept = [checked(tuple(pieces[p]), n, dtype, &found[p]) for p in range(k)]  # The arrays outlive the loop.
    count = sum(size for size, _ in kept) + n * m
    if count >= 2**31:
        raise ValueError(f"{n} rows of up to {count} values are too many at once; write smaller row groups or batches")
    most = most_in_a_tile(found, k, n) + FASTSGD_LANES
    # With room for all; and one more, as what is not kept is written, too.
    out_data, out_indices, out_indptr = empty(count + 1, dtype), empty(count + 1, INT32), np.zeros(n + 1, np.int32)
    cdef floating[::1] data = out_data, values = np.empty(most, dtype)
    cdef int32_t[::1] indices = out_indices, indptr = out_indptr, keys = np.zeros(most, np.int32)
    with nogil:
        for tile in range((n + TILE - 1) // TILE):
            lo, j = tile * TILE, 0
            size = min(<Py_ssize_t> TILE, n - lo)
            for r in range(size):
                firsts[r] = ends[r] = j
                for p in range(k):
                    j += 1 if found[p].starts == NULL else found[p].starts[lo + r + 1] - found[p].starts[lo + r]
            for p in range(k):
                within &= gather(&found[p], lo, size, ends, &keys[0], &values[0])
            for r in range(size):
                for j in range(m):
                    x = dense[lo + r, j]
                    data[at], indices[at] = x, <int32_t> j
                    at += x != 0
                j = firsts[r]
                at += in_order(&keys[j], &values[j], ends[r] - j, &indices[at], &data[at], &canonical)
                indptr[lo + r + 1] = <int32_t> at
    if not within:
        raise ValueError("codes of a piece are beyond its features")
    if at < SPARE * count:
        return out_data[:at].copy(), out_indices[:at].copy(), out_indptr, bool(canonical)
    return out_data[:at], out_indices[:at], out_indptr, bool(canonical)
