"""Words and n-grams of texts, counted in the features to which scikit-learn's HashingVectorizer hashes them.

What is a word character, a blank and the lower case of a character is asked of Python's own tables, so that the words are
those that `re` and `str.lower` find. A text is gone through once: what is hashed of it is written down compactly, with
one blank between words, so that an n-gram is a piece of that.
"""
from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

import numpy as np

from fastsgd.sources._murmur cimport MURMUR_READS, murmur3, place_of, sign_of

cdef enum:
    MIN_SLOTS = 1 << 10
    MIN_RANGES = 1 << 4
cdef int64_t MAX_GRAMS = 2**31  # of the texts of a call: fewer than 2^31 of one fit into a slot besides

ctypedef fused offset:
    int32_t
    int64_t

include "units.pxi"

cdef struct Names:
    # N-grams of the features that are wanted, one behind another, and where each ends.
    uint8_t* text
    int64_t* ends
    int64_t n
    int64_t room  # bytes of `text`; -1 where there was no memory
    int64_t n_room
    const uint8_t* wanted  # NULL: all

cdef struct Bag:
    # The distinct features of all rows up to now, and how often they occur, from 1 on: 0 is of no row.
    int32_t* index
    int32_t* number
    int64_t size
    int64_t room
    int64_t row  # where the row begins that is being filled
    # An open hash table of the row's features: their places in `index`. Those of earlier rows are below `row`, which makes
    # them empty slots.
    uint32_t* slots
    int64_t n_slots
    int64_t mask
    # To put a row in order: its features and numbers, and how many features are in each of some ranges.
    int32_t* spare
    int32_t* spare_number
    int32_t* ranges
    uint32_t n_features
    uint32_t shift
    bint signed
    Names* names  # NULL: they are not kept


# ------------------------------------------------------------ counts
cdef void keep_name(Names* names, const uint8_t* key, int64_t size, int32_t index) noexcept nogil:
    """Keep an n-gram of that feature, if it is wanted."""
    cdef int64_t at = names.ends[names.n] if names.n else 0
    if names.room < 0 or (names.wanted != NULL and not names.wanted[index]):
        return
    if at + size > names.room or names.n + 1 >= names.n_room:
        names.room, names.n_room = 2 * (at + size) + 1024, 2 * names.n + 1024
        if not grown(<void**> &names.text, names.room) or not grown(<void**> &names.ends, names.n_room * sizeof(int64_t)):
            names.room = -1
            return
        names.ends[0] = 0
    memcpy(names.text + at, key, size)
    names.n += 1
    names.ends[names.n] = at + size


cdef inline void count(Bag* bag, const uint8_t* key, int64_t size) noexcept nogil:
    cdef uint32_t h = murmur3(key, size), place = <uint32_t> place_of(h, bag.n_features) + bag.shift
    cdef int32_t index = <int32_t> (place - bag.n_features if place >= bag.n_features else place)
    cdef int64_t slot = index & bag.mask, at
    cdef bint new
    if bag.names != NULL:
        keep_name(bag.names, key, size, index)
    # Whether a word is new can't be foreseen, so that no branch depends on it; only that its slot is taken by another one.
    while True:
        at = bag.slots[slot]
        new = at < bag.row
        at = bag.size if new else at
        if (not new) & (bag.index[at] != index):
            slot = (slot + 1) & bag.mask
        else:
            break
    bag.slots[slot] = <uint32_t> at
    bag.index[at] = index
    bag.number[at] = (0 if new else bag.number[at]) + (sign_of(h) if bag.signed else 1)
    bag.size += new


cdef inline void count_grams(Bag* bag, Units* units, int64_t first, int64_t n, int64_t size, int gap) noexcept nogil:
    """Count the n-grams of that size of n units; `gap` bytes at the end of each are left out."""
    cdef int64_t i
    cdef int64_t* begins = units.begins + first
    for i in range(n - size + 1):
        count(bag, units.text + begins[i], begins[i + size] - begins[i] - gap)


cdef void count_all(Bag* bag, Units* units, int64_t n) noexcept nogil:
    """Count all n-grams of a text of n units."""
    cdef int64_t size, word, first, m
    if units.analyzer != CHAR_WB:
        for size in range(units.least, min(units.most, n) + 1):
            count_grams(bag, units, 0, n, size, units.analyzer == WORD)
        return
    for word in range(units.n_words):
        first = units.blanks[word]
        m = units.blanks[word + 1] - first + 1
        for size in range(units.least, units.most + 1):
            count_grams(bag, units, first, m, min(size, m), 0)
            if size >= m:  # The whole word is counted once.
                break


cdef void put_in_order(Bag* bag) noexcept nogil:
    """Let the features of the row rise. Hashes are spread evenly: a range of them has few, and it takes O(n)."""
    cdef int64_t n = bag.size - bag.row, i, j, at, ranges = MIN_RANGES
    cdef int32_t* index = bag.index + bag.row
    cdef int32_t* number = bag.number + bag.row
    cdef int32_t key
    cdef int bits = 0
    while ranges < n:
        ranges *= 2
    while (<int64_t> bag.n_features - 1) >> bits >= ranges:
        bits += 1
    memset(bag.ranges, 0, (ranges + 1) * sizeof(int32_t))
    for i in range(n):
        bag.ranges[(index[i] >> bits) + 1] += 1
    for i in range(1, ranges):
        bag.ranges[i] += bag.ranges[i - 1]
    for i in range(n):
        at = bag.ranges[index[i] >> bits]
        bag.ranges[index[i] >> bits] += 1
        bag.spare[at], bag.spare_number[at] = index[i], number[i]
    for i in range(n):
        key, j = bag.spare[i], i
        while j > 0 and index[j - 1] > key:
            index[j], number[j] = index[j - 1], number[j - 1]
            j -= 1
        index[j], number[j] = key, bag.spare_number[i]


cdef bint room_for_grams(Bag* bag, int64_t grams) noexcept nogil:
    """Whether there is room for so many more features."""
    cdef int64_t slots = MIN_SLOTS
    grams = min(grams, <int64_t> bag.n_features)
    while slots < 2 * grams:
        slots *= 2
    bag.mask = slots - 1
    if slots > bag.n_slots:
        free(bag.slots)
        bag.slots = <uint32_t*> calloc(slots, sizeof(uint32_t))
        bag.n_slots = slots if bag.slots != NULL else 0
        if bag.slots == NULL or not (
            grown(<void**> &bag.spare, slots * sizeof(int32_t))
            and grown(<void**> &bag.spare_number, slots * sizeof(int32_t))
            and grown(<void**> &bag.ranges, (slots + 1) * sizeof(int32_t))
        ):
            return False
    if bag.size + grams > bag.room:
        bag.room = bag.size + grams + bag.room // 2
        return (
            grown(<void**> &bag.index, bag.room * sizeof(int32_t))
            and grown(<void**> &bag.number, bag.room * sizeof(int32_t))
        )
    return True


cdef class _Counts:
    """The counts of some texts. The arguments are those of `count_words`."""

    cdef Units units
    cdef Bag bag
    cdef Names names

    def __cinit__(
        self,
        analyzer="word",
        ngram_range=(1, 1),
        bint lowercase=True,
        int64_t n_features=1 << 20,
        bint alternate_sign=True,
        int64_t shift=0,
    ):
        least, most = ngram_range
        if not 1 <= least <= most or not 0 < n_features < 2**31:
            raise ValueError(f"ngram_range must be 1 <= min <= max, and n_features below 2**31, got {ngram_range}, {n_features}")
        self.units.analyzer = ANALYZERS.index(analyzer)
        self.units.least, self.units.most, self.units.lower = least, min(most, 2**31), lowercase
        self.bag.n_features, self.bag.signed, self.bag.shift = n_features, alternate_sign, shift % n_features
        self.bag.size = self.bag.row = 1

    def __dealloc__(self):
        free(self.units.text)
        free(self.units.low)
        free(self.units.begins)
        free(self.units.blanks)
        free(self.bag.index)
        free(self.bag.number)
        free(self.bag.slots)
        free(self.bag.spare)
        free(self.bag.spare_number)
        free(self.bag.ranges)
        free(self.names.text)
        free(self.names.ends)

    cdef bint add(self, const uint8_t* text, int64_t size) except -1 nogil:
        """Count a text's n-grams. One that C does not lower is lowered by Python, as one that is no UTF-8 is decoded."""
        cdef Bag* bag = &self.bag
        cdef Units* units = &self.units
        cdef int64_t n
        cdef bint lower = units.lower
        cdef const uint8_t* p
        bag.row = bag.size
        if not room_for_text(units, size):
            raise MemoryError("no memory for a text")
        n = units_of(text, text + size, units)
        if n == UNKNOWN:
            with gil:
                decoded = (<const char*> text)[:size].decode("utf-8", "replace")
                mended = (decoded.lower() if lower else decoded).encode()
                if not room_for_text(units, len(mended)):
                    raise MemoryError("no memory for a text")
                p = mended
                units.lower = False
                n = units_of(p, p + len(mended), units)
                units.lower = lower
        if bag.size >= MAX_GRAMS:
            raise ValueError("texts have too many n-grams at once; write smaller row groups or batches")
        if not room_for_grams(bag, n * (min(units.most, max(n, units.least)) - units.least + 1) + 1):
            raise MemoryError("no memory for the n-grams of a text")
        count_all(bag, units, n)
        if bag.names != NULL and bag.names.room < 0:
            raise MemoryError("no memory for the names of n-grams")
        put_in_order(bag)
        return True

    cdef add_all(self, const offset[::1] ends, const uint8_t[::1] text):
        """Count the texts text[ends[i] : ends[i + 1]], and say where the features of each begin."""
        cdef Py_ssize_t i, n = ends.shape[0] - 1
        if n < 0 or ends[0] < 0 or ends[n] > text.shape[0]:
            raise ValueError(f"offsets of texts must be within their {text.shape[0]} bytes")
        for i in range(n):
            if ends[i + 1] < ends[i]:
                raise ValueError(f"offsets of texts must not decrease, they do after {i}")
        start = np.zeros(n + 1, np.int64)
        cdef int64_t[::1] starts = start
        cdef const uint8_t* first = &text[0] if text.shape[0] else NULL
        with nogil:
            for i in range(n):
                if ends[i + 1] > ends[i]:
                    self.add(first + ends[i], ends[i + 1] - ends[i])
                starts[i + 1] = self.bag.size - 1
        return start


cdef copied(const void* values, int64_t n, dtype):
    """An array of n values."""
    found = np.empty(n, dtype)
    cdef uint8_t[::1] room = found.view(np.uint8)
    if n:
        memcpy(&room[0], values, room.shape[0])
    return found


# ------------------------------------------------------------ what Python calls
def count_words(const offset[::1] ends, const uint8_t[::1] text, **how):
    """The n-grams of the texts text[ends[i] : ends[i + 1]], hashed and counted as by HashingVectorizer with norm=None.

    Parameters
    ----------
    ends : int32 or int64 array
        From Arrow.
    text : uint8 array
        UTF-8; what is none is read as U+FFFD.
    analyzer : {"word", "char", "char_wb"}, default="word"
    ngram_range : (int, int), default=(1, 1)
        Sizes of the shortest and the longest n-grams.
    lowercase : bool, default=True
    n_features : int, default=2**20
    alternate_sign : bool, default=True
        Whether half the words count downwards.
    shift : int, default=0
        Feature j is (j + shift) % n_features: several columns of texts may so share the features.

    Returns
    -------
    starts : int64 array
        Text i has index[starts[i] : starts[i + 1]].
    index : int32 array
        They rise within a text.
    numbers : int32 array
        How often; 0 where n-grams of one feature cancel.

    Raises
    ------
    ValueError
        `ends` decrease, or leave `text`.
    """
    cdef _Counts counts = _Counts(**how)
    starts = counts.add_all(ends, text)
    n = counts.bag.size - 1
    if not n:
        return starts, np.empty(0, np.int32), np.empty(0, np.int32)
    return starts, copied(counts.bag.index + 1, n, np.int32), copied(counts.bag.number + 1, n, np.int32)


def name_words(const offset[::1] ends, const uint8_t[::1] text, const uint8_t[::1] wanted=None, **how):
    """The n-grams of texts, as often as they occur, as strings of Arrow; of `wanted` features alone, if these are given.

    Parameters
    ----------
    ends, text, **how : as of `count_words`
    wanted : (n_features,) uint8 array or None

    Returns
    -------
    ends : int64 array
        String i is text[ends[i] : ends[i + 1]].
    text : uint8 array
    """
    cdef _Counts counts = _Counts(**how)
    if wanted is not None and wanted.shape[0] != counts.bag.n_features:
        raise ValueError("there must be a value of wanted for each feature")
    counts.names.wanted = &wanted[0] if wanted is not None else NULL
    counts.bag.names = &counts.names
    counts.add_all(ends, text)
    n = counts.names.n
    if not n:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    return copied(counts.names.ends, n + 1, np.int64), copied(counts.names.text, counts.names.ends[n], np.uint8)


def weigh(
    const int64_t[::1] starts,
    const int32_t[::1] index,
    const int32_t[::1] counts,
    const floating[::1] weights,
    bint unit,
    floating[::1] out,
):
    """Set `out` to the counts of rows times the weight of their feature; with `unit` to rows of length 1.

    Parameters
    ----------
    starts, index, counts : as from `count_words`
    weights : (n_features,) array, or (0,) for none
    unit : bool
    out : (len(index),) array
    """
    cdef Py_ssize_t i, k, n = starts.shape[0] - 1, m = index.shape[0]
    cdef double length, x
    if n < 0 or starts[0] != 0 or starts[n] != m or counts.shape[0] != m or out.shape[0] != m:
        raise ValueError("starts must go from 0 to the number of counts")
    for i in range(n):
        if starts[i + 1] < starts[i]:
            raise ValueError("starts must not decrease")
    if weights.shape[0]:
        for k in range(m):
            if not 0 <= index[k] < weights.shape[0]:
                raise ValueError("there must be a weight for each index")
    with nogil:
        for i in range(n):
            length = 0.0
            for k in range(starts[i], starts[i + 1]):
                x = counts[k] * (<double> weights[index[k]] if weights.shape[0] else 1.0)
                length += x * x
            length = sqrt(length) if unit and length > 0 else 1.0
            for k in range(starts[i], starts[i + 1]):
                x = counts[k] * (<double> weights[index[k]] if weights.shape[0] else 1.0)
                out[k] = <floating> (x / length)


def count_texts(const int32_t[::1] index, int64_t[::1] totals):
    """Add to totals[j] how often j is in `index`: in how many texts, if these are of `count_words`."""
    cdef Py_ssize_t k
    for k in range(index.shape[0]):
        if not 0 <= index[k] < totals.shape[0]:
            raise ValueError("there must be a total for each index")
    with nogil:
        for k in range(index.shape[0]):
            totals[index[k]] += 1
