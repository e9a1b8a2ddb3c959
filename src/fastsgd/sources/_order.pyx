"""The order of the rows in an epoch, drawn from a counter-based generator.

Two levels: the blocks of the data in random order, and a random order of the rows of each buffer of blocks. Every draw is
Philox4x32-10 (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3) keyed by the seed, with the epoch and
the place of the draw in the counter. So the order is a pure function of (seed, epoch, buffer).
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from fastsgd._philox cimport DRAWS, FOLDS, LANES, RESAMPLES, philox, poisson_of

import numpy as np


ctypedef fused integer:
    int32_t
    int64_t


cdef void shuffle(integer* a, uint64_t n, uint64_t seed, uint64_t epoch, uint32_t place) noexcept nogil:
    """Fisher-Yates with n - 1 draws; a draw below m is a 32-bit word times m, shifted (bias below m / 2^32)."""
    cdef uint32_t word[4][LANES]
    cdef uint64_t i, j, at, counter = 0
    cdef integer held
    for i in range(n - 1 if n else 0):
        at = i % (4 * LANES)
        if at == 0:
            for j in range(LANES):
                word[0][j], word[1][j] = <uint32_t> (counter + j), <uint32_t> epoch
                word[2][j], word[3][j] = <uint32_t> (epoch >> 32), place
            philox(word[0], word[1], word[2], word[3], <uint32_t> seed, <uint32_t> (seed >> 32))
            counter += LANES
        j = i + ((word[at % 4][at // 4] * (n - i)) >> 32)
        held = a[i]
        a[i] = a[j]
        a[j] = held


def philox_words(counter, key):
    """Philox4x32-10 of one counter (4 words) under one key (2 words): 4 words. For tests against known answers."""
    cdef uint32_t a[LANES]
    cdef uint32_t b[LANES]
    cdef uint32_t c[LANES]
    cdef uint32_t d[LANES]
    cdef int i
    for i in range(LANES):
        a[i], b[i], c[i], d[i] = counter
    philox(a, b, c, d, key[0], key[1])
    return [a[0], b[0], c[0], d[0]]


def permutation(int64_t n, uint64_t seed, uint64_t epoch):
    """A random order of n things (blocks) in that epoch: int64 array."""
    if n >= 2**32:
        raise ValueError(f"at most 2**32 - 1 blocks can be put in order, got {n}")
    out = np.arange(n)
    cdef int64_t[::1] a = out
    if n:
        with nogil:
            shuffle(&a[0], n, seed, epoch, 0)
    return out


def strata(int64_t n, int64_t m, uint64_t seed, uint64_t epoch):
    """A random order of n blocks in which m at a time, from the first on, come from all over the data.

    The data are cut into m strata of equal length; each round takes one block of each, drawn without replacement. A buffer
    of m blocks so holds rows sorted by label in about the shares that they have in the data; drawn independently, the
    shares would be off by 1 / sqrt(m), and the last buffer of the epoch would pull the model its way.

    Returns
    -------
    int64 array
    """
    drawn, out = permutation(n, seed, epoch), np.empty(n, np.int64)
    next_places, strata_of = np.arange(m), np.empty(n, np.int32)
    cdef const int64_t[::1] a = drawn
    cdef int64_t[::1] b = out, place = next_places
    cdef int32_t[::1] stratum = strata_of  # looked up, as a division for each block takes three times as long
    cdef int64_t i, j, whole = n // m * m
    with nogil:
        for j in range(m):
            for i in range(j * n // m, (j + 1) * n // m):
                stratum[i] = <int32_t> j
        for i in range(n):
            j = stratum[a[i]]
            if place[j] < whole:
                b[place[j]] = a[i]
                place[j] += m
            else:  # the last round, of the strata that have one block more
                b[whole + (j + 1) * n // m - (j + 1) * (n // m) - 1] = a[i]
    return out


def visits(int64_t n_rows, int64_t buffer_rows, int64_t first_buffer, uint64_t seed, uint64_t epoch):
    """For n_rows rows in buffers of buffer_rows: a random order within each buffer.

    Parameters
    ----------
    n_rows, buffer_rows : int
        Rows in all, and in each buffer but the last.
    first_buffer : int
        Number of the first of these buffers in the epoch.
    seed, epoch : int

    Returns
    -------
    int32 array of n_rows
        Places counted from the start of each buffer.
    """
    out = np.empty(n_rows, np.int32)
    cdef int32_t[::1] a = out
    cdef int64_t lo = 0, m, i
    with nogil:
        while lo < n_rows:
            m = min(buffer_rows, n_rows - lo)
            for i in range(m):
                a[lo + i] = <int32_t> i
            shuffle(&a[lo], m, seed, epoch, <uint32_t> (1 + first_buffer))
            lo += m
            first_buffer += 1
    return out


def rows_of(const int64_t[::1] blocks, int64_t block_rows, int64_t n):
    """The row numbers of those blocks of block_rows rows each (the data's last block may be shorter): int64 array."""
    cdef int64_t total = 0, b, r, i = 0
    for b in range(blocks.shape[0]):
        total += min(block_rows, n - blocks[b] * block_rows)
    out = np.empty(total, np.int64)
    cdef int64_t[::1] a = out
    with nogil:
        for b in range(blocks.shape[0]):
            for r in range(blocks[b] * block_rows, min((blocks[b] + 1) * block_rows, n)):
                a[i] = r
                i += 1
    return out


def with_replacement(int64_t n, int64_t first, int64_t count, uint64_t seed, uint64_t epoch):
    """Rows drawn with replacement, each of n as likely as another: draws first, ..., first + count - 1 of that epoch.

    A draw is a 64-bit word times n, shifted, so that the shares of two rows differ by n / 2^64 at most. Which row it is
    depends on its number, the seed and the epoch alone, and not on the draws asked for with it.

    Returns
    -------
    int64 array
    """
    if n >= 2**32:
        raise ValueError(f"at most 2**32 - 1 rows can be drawn from with replacement, got {n}")
    out = np.empty(count, np.int64)
    cdef int64_t[::1] a = out
    cdef uint32_t word[4][LANES]
    cdef int64_t i, j, at, start = first // 2  # A counter gives four words, which are two draws.
    with nogil:
        for i in range(count):
            at = first + i - 2 * start
            if i == 0 or at == 2 * LANES:
                start += at // 2 if i else 0
                at = first + i - 2 * start
                for j in range(LANES):
                    word[0][j], word[1][j] = <uint32_t> (start + j), <uint32_t> epoch
                    word[2][j], word[3][j] = <uint32_t> (epoch >> 32), DRAWS
                philox(word[0], word[1], word[2], word[3], <uint32_t> seed, <uint32_t> (seed >> 32))
            j = 2 * (at % 2)
            a[i] = <int64_t> ((<uint64_t> word[j][at // 2] * <uint64_t> n
                               + ((<uint64_t> word[j + 1][at // 2] * <uint64_t> n) >> 32)) >> 32)
    return out


def resample_counts(const int64_t[::1] number, uint32_t resample, uint64_t seed):
    """How often the bootstrap sample of that number has each of these rows, by the numbers of these: int32 array.

    A Poisson draw of mean 1, a function of the seed, the row and the resample alone; the kernels draw the same.
    """
    out = np.empty(number.shape[0], np.int32)
    cdef int32_t[::1] counts = out
    cdef int64_t i
    draws(number, resample, RESAMPLES, seed, counts)
    with nogil:
        for i in range(number.shape[0]):
            counts[i] = poisson_of(<uint32_t> counts[i])
    return out


def fold_numbers(const int64_t[::1] number, uint32_t n_folds, uint64_t seed):
    """The fold from 0 to n_folds - 1 of each of these rows, drawn by the numbers of these: int32 array."""
    out = np.empty(number.shape[0], np.int32)
    cdef int32_t[::1] folds = out
    cdef int64_t i
    draws(number, 0, FOLDS, seed, folds)
    with nogil:
        for i in range(number.shape[0]):
            folds[i] = <int32_t> ((<uint64_t> <uint32_t> folds[i] * n_folds) >> 32)
    return out


cdef void draws(const int64_t[::1] number, uint32_t which, uint32_t place, uint64_t seed, int32_t[::1] out) noexcept nogil:
    """A 32-bit word for each row, whose number is in the counter."""
    cdef uint32_t word[4][LANES]
    cdef int64_t first = 0, i, j
    while first < number.shape[0]:
        for i in range(LANES):
            j = min(first + i, number.shape[0] - 1)
            word[0][i], word[1][i] = <uint32_t> number[j], <uint32_t> (<uint64_t> number[j] >> 32)
            word[2][i], word[3][i] = which, place
        philox(word[0], word[1], word[2], word[3], <uint32_t> seed, <uint32_t> (seed >> 32))
        for i in range(min(<int64_t> LANES, number.shape[0] - first)):
            out[first + i] = <int32_t> word[0][i]
        first += LANES


def by_model(order, const int32_t[::1] fold, const char[::1] live):
    """The rows that an order visits, those of each fold together, and these in the order of their visits.

    Parameters
    ----------
    order : Order
    fold : int32 array
        That of each row of the table; rows are left out where it is negative.
    live : int8 array
        For each fold, 0 where its rows are left out.

    Returns
    -------
    rows : int64 array
    which, ends : int64 arrays
        The folds that have rows, in rising order, and where in `rows` those of each end.
    joined : int8 array
        Whether each of `rows` is visited right after one of its fold, in the same buffer, and in an order of visits.
    """
    cdef const int64_t[::1] rows = order.rows
    cdef const int32_t[::1] visit = order.visit
    cdef int64_t n = order.n, first = order.first, buffer_rows = order.buffer_rows, n_folds = live.shape[0], i, r, lo = 0, m = 0, g
    cdef int32_t before
    cdef bint listed = rows is not None, visited = visit is not None
    flat, folds, starts = np.empty(n, np.int64), np.empty(n, np.int32), np.zeros(n_folds + 1, np.int64)
    cdef int64_t[::1] a = flat, at = starts
    cdef int32_t[::1] of = folds
    with nogil:
        for i in range(n):
            if visited and i - lo == buffer_rows:
                lo = i
            r = lo + visit[i] if visited else i
            a[i] = r = rows[r] if listed else first + r
            of[i] = fold[r] if fold[r] >= 0 and live[fold[r]] else -1
            at[of[i] + 1] += of[i] >= 0
        for g in range(n_folds):
            m += at[g + 1] > 0
            at[g + 1] += at[g]
    total = starts[n_folds]
    sorted_rows, joins = np.empty(total, np.int64), np.zeros(total, np.int8)
    which, ends = np.empty(m, np.int64), np.empty(m, np.int64)
    cdef int64_t[::1] out = sorted_rows, which_ = which, ends_ = ends
    cdef char[::1] joined = joins
    with nogil:
        m = 0
        for g in range(n_folds):
            if at[g + 1] > at[g]:
                which_[m], ends_[m] = g, at[g + 1]
                m += 1
        before, lo = -1, 0
        for i in range(n):
            if i - lo == buffer_rows:
                lo, before = i, -1
            g = of[i]
            if g >= 0:
                out[at[g]] = a[i]
                joined[at[g]] = visited and g == before
                at[g] += 1
            before = of[i]
    return sorted_rows, which, ends, joins
