"""Words and n-grams of texts, counted in the features to which scikit-learn's HashingVectorizer hashes them.

What is a word character, a blank and the lower case of a character is asked of Python's own tables, so that the words are
those that `re` and `str.lower` find. A text is gone through once: what is hashed of it is written down compactly, with
one blank between words, so that an n-gram is a piece of that.
"""
from cython cimport floating
from libc.math cimport sqrt
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy

import numpy as np

from fastsgd.sources._murmur cimport MURMUR_READS, murmur3, place_of, sign_of

cdef extern from "Python.h" nogil:  # These look into constant tables.
    int Py_UNICODE_ISALNUM(Py_UCS4 c) noexcept
    int Py_UNICODE_ISSPACE(Py_UCS4 c) noexcept
    Py_UCS4 Py_UNICODE_TOLOWER(Py_UCS4 c) noexcept

ctypedef fused offset:
    int32_t
    int64_t

cdef enum:
    WORD, CHAR, CHAR_WB  # the analyzers
cdef enum:
    # What is known of a character, beside its lower case in the bits below.
    LOWER = 0x1FFFFF
    IN_WORD = 1 << 21
    BLANK = 1 << 22
    RARE = 1 << 23  # Its lower case is two characters, or depends on those around it: left to `str.lower`.
    BMP = 1 << 16  # What is known of so many characters is in a table.
    MIN_SLOTS = 1 << 10
    WORD_BYTES = 16  # Words are copied so many bytes at once, which may be more than they have.
cdef int64_t UNKNOWN = -1  # in place of a number of units: the text is rare or no UTF-8, and Python must lower it first

cdef int64_t MAX_GRAMS = 2**31  # of the texts of a call: fewer than 2^31 of one fit into a slot besides

cdef uint32_t[BMP] KNOWN


cdef uint32_t ask(uint32_t c) noexcept nogil:
    cdef uint32_t known = Py_UNICODE_TOLOWER(c)
    if c == 0x130 or c == 0x3A3:
        known |= RARE
    if c == c"_" or Py_UNICODE_ISALNUM(c):
        known |= IN_WORD
    if Py_UNICODE_ISSPACE(c):
        known |= BLANK
    return known


cdef uint32_t _c
for _c in range(BMP):
    KNOWN[_c] = ask(_c)


cdef struct Units:
    # A text as it is hashed, where its units begin (words, or characters), and with CHAR_WB which units are the blanks
    # between its words.
    uint8_t* text
    uint8_t* low  # the text in lower case, if it is ASCII
    int64_t* begins
    int64_t* blanks
    int64_t n_words
    int64_t room  # for texts of so many bytes
    bint lower

cdef struct Bag:
    # The distinct features of all rows up to now, and how often they occur, from 1 on: 0 is of no row.
    int32_t* index
    int32_t* count
    int64_t size
    int64_t room
    int64_t row  # where the row begins that is being filled
    # An open hash table of the row's features: their places in `index`. Those of earlier rows are below `row`, which makes
    # them empty slots.
    uint32_t* slots
    int64_t n_slots
    int64_t mask
    uint32_t n_features
    bint signed


# ------------------------------------------------------------ characters
cdef inline int64_t decoded(const uint8_t** at, const uint8_t* end) noexcept nogil:
    """The character of two to four bytes at `at`, which is moved behind it; -1 if that is no UTF-8."""
    cdef const uint8_t* p = at[0]
    cdef int64_t size = 2 if p[0] < 0xE0 else 3 if p[0] < 0xF0 else 4, i
    cdef uint32_t c = p[0] & (0xFF >> (size + 1))
    if p[0] < 0xC2 or p[0] > 0xF4 or end - p < size:
        return -1
    for i in range(1, size):
        if p[i] & 0xC0 != 0x80:
            return -1
        c = c << 6 | (p[i] & 0x3F)
    if (size == 3 and (c < 0x800 or 0xD800 <= c < 0xE000)) or (size == 4 and (c < 0x10000 or c > 0x10FFFF)):
        return -1
    at[0] = p + size
    return c


cdef inline int64_t encode(uint8_t* text, int64_t at, uint32_t c) noexcept nogil:
    """Write c as UTF-8 at text[at], and return where it ends."""
    if c < 0x80:
        text[at] = <uint8_t> c
        return at + 1
    if c < 0x800:
        text[at] = <uint8_t> (0xC0 | c >> 6)
    else:
        if c < 0x10000:
            text[at] = <uint8_t> (0xE0 | c >> 12)
        else:
            text[at] = <uint8_t> (0xF0 | c >> 18)
            at += 1
            text[at] = <uint8_t> (0x80 | (c >> 12 & 0x3F))
        at += 1
        text[at] = <uint8_t> (0x80 | (c >> 6 & 0x3F))
    text[at + 1] = <uint8_t> (0x80 | (c & 0x3F))
    return at + 2


cdef inline bint next_character(const uint8_t** at, const uint8_t* end, bint lower, uint32_t* known, uint32_t* c) noexcept nogil:
    """Whether there is one to be read: what is known of the character at `at`, and as what it is written."""
    cdef int64_t found = at[0][0]
    if found < 0x80:
        at[0] += 1
        known[0] = KNOWN[found]
    else:
        found = decoded(at, end)
        if found < 0:
            return False
        known[0] = KNOWN[found] if found < BMP else ask(<uint32_t> found)
        if lower and known[0] & RARE:
            return False
    c[0] = known[0] & LOWER if lower else <uint32_t> found
    return True


# ------------------------------------------------------------ units
cdef bint ascii_words(const uint8_t* p, int64_t size, Units* units, int64_t* n) noexcept nogil:
    """Whether the text is ASCII: then its n words, as of `units_of_words`.

    Where a word ends can't be foreseen, and no branch depends on it: this takes half the time.
    """
    cdef int64_t i, edges = 0, at = 0, begin, length
    cdef uint8_t all_bits = 0
    cdef uint32_t known, within = 0
    cdef int64_t* edge = units.blanks
    for i in range(size):
        known = KNOWN[p[i]]
        all_bits |= p[i]
        units.low[i] = <uint8_t> known if units.lower else p[i]
        edge[edges] = i
        edges += within ^ (known & IN_WORD) != 0
        within = known & IN_WORD
    if all_bits & 0x80:
        return False
    edge[edges] = size
    n[0] = 0
    for i in range(0, edges, 2):
        begin = edge[i]
        length = edge[i + 1] - begin
        units.begins[n[0]] = at
        memcpy(units.text + at, units.low + begin, WORD_BYTES)
        if length > WORD_BYTES:
            memcpy(units.text + at, units.low + begin, length)
        units.text[at + length] = c" "
        at = at + length + 1 if length > 1 else at
        n[0] += length > 1
    units.begins[n[0]] = at
    return True


cdef int64_t units_of_words(const uint8_t* p, const uint8_t* end, Units* units) noexcept nogil:
    """Runs of two or more word characters, a blank behind each."""
    cdef int64_t n = 0, at = 0, begin = 0, size = 0
    cdef uint32_t known, c
    if ascii_words(p, end - p, units, &n):
        return n
    n = 0
    while p < end:
        if not next_character(&p, end, units.lower, &known, &c):
            return UNKNOWN
        if known & IN_WORD:
            at = encode(units.text, at, c)
            size += 1
            if p < end:
                continue
        if size > 1:
            units.begins[n] = begin
            n += 1
            units.text[at] = c" "
            begin = at + 1
        at = begin
        size = 0
    units.begins[n] = begin
    return n


cdef int64_t units_of_characters(const uint8_t* p, const uint8_t* end, Units* units) noexcept nogil:
    """All characters, and one blank in place of several."""
    cdef int64_t n = 0, at = 0, run = 0
    cdef uint32_t known, c
    while p < end:
        if not next_character(&p, end, units.lower, &known, &c):
            return UNKNOWN
        if known & BLANK:
            run += 1
            if run > 1:
                n -= run == 2
                at = units.begins[n] if run == 2 else at
                if run > 2:
                    continue
                c = c" "
        else:
            run = 0
        units.begins[n] = at
        n += 1
        at = encode(units.text, at, c)
    units.begins[n] = at
    return n


cdef int64_t units_within_words(const uint8_t* p, const uint8_t* end, Units* units) noexcept nogil:
    """The characters of what is between blanks, one blank before the first and one behind each."""
    cdef int64_t n = 0, at = 0
    cdef bint between = True
    cdef uint32_t known, c
    units.n_words = 0
    while p < end:
        if not next_character(&p, end, units.lower, &known, &c):
            return UNKNOWN
        if known & BLANK:
            between = True
            continue
        if between:
            units.blanks[units.n_words] = n
            units.n_words += 1
            units.begins[n] = at
            at = encode(units.text, at, c" ")
            n += 1
            between = False
        units.begins[n] = at
        at = encode(units.text, at, c)
        n += 1
    units.blanks[units.n_words] = n
    units.begins[n] = at
    units.begins[n + 1] = encode(units.text, at, c" ")
    return n + 1


# ------------------------------------------------------------ counts
cdef inline void count(Bag* bag, const uint8_t* key, int64_t size) noexcept nogil:
    cdef uint32_t h = murmur3(key, size)
    cdef int32_t index = place_of(h, bag.n_features)
    cdef int64_t slot = index & bag.mask, at
    cdef bint new
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
    bag.count[at] = (0 if new else bag.count[at]) + (sign_of(h) if bag.signed else 1)
    bag.size += new


cdef inline void count_grams(Bag* bag, Units* units, int64_t first, int64_t n, int64_t size, int gap) noexcept nogil:
    """Count the n-grams of that size of n units; `gap` bytes at the end of each are left out."""
    cdef int64_t i
    cdef int64_t* begins = units.begins + first
    for i in range(n - size + 1):
        count(bag, units.text + begins[i], begins[i + size] - begins[i] - gap)


cdef void count_all(Bag* bag, Units* units, int64_t n, int analyzer, int64_t least, int64_t most) noexcept nogil:
    """Count all n-grams of a text of n units."""
    cdef int64_t size, word, first, m
    if analyzer != CHAR_WB:
        for size in range(least, min(most, n) + 1):
            count_grams(bag, units, 0, n, size, analyzer == WORD)
        return
    for word in range(units.n_words):
        first = units.blanks[word]
        m = units.blanks[word + 1] - first + 1
        for size in range(least, most + 1):
            count_grams(bag, units, first, m, min(size, m), 0)
            if size >= m:  # The whole word is counted once.
                break


cdef int64_t most_grams(int64_t n, int64_t least, int64_t most) noexcept nogil:
    """At least as many as a text of n units has n-grams, if it has one."""
    return n * (min(most, max(n, least)) - least + 1) + 1


# ------------------------------------------------------------ memory
cdef bint grown(void** memory, int64_t size) noexcept nogil:
    """Whether there is room for `size` bytes at `memory`."""
    cdef void* found = realloc(memory[0], max(<int64_t> 1, size))
    if found == NULL:
        return False
    memory[0] = found
    return True


cdef bint room_for_text(Units* units, int64_t size) noexcept nogil:
    """Whether there is room for a text of `size` bytes: the lower case of two bytes may be three, and blanks are added."""
    if size <= units.room and units.text != NULL:
        return True
    units.room = size + size // 4
    return (
        grown(<void**> &units.text, 2 * units.room + 4 + MURMUR_READS + WORD_BYTES)
        and grown(<void**> &units.low, units.room + WORD_BYTES)
        and grown(<void**> &units.begins, (2 * units.room + 4) * sizeof(int64_t))
        and grown(<void**> &units.blanks, (units.room + 2) * sizeof(int64_t))
    )


cdef bint room_for_grams(Bag* bag, int64_t grams) noexcept nogil:
    """Whether there is room for so many more features; empties the table."""
    cdef int64_t slots = MIN_SLOTS
    grams = min(grams, <int64_t> bag.n_features)
    while slots < 2 * grams:
        slots *= 2
    bag.mask = slots - 1
    if slots > bag.n_slots:
        free(bag.slots)
        bag.slots = <uint32_t*> calloc(slots, sizeof(uint32_t))
        bag.n_slots = slots if bag.slots != NULL else 0
        if bag.slots == NULL:
            return False
    if bag.size + grams > bag.room:
        bag.room = bag.size + grams + bag.room // 2
        return grown(<void**> &bag.index, bag.room * 4) and grown(<void**> &bag.count, bag.room * 4)
    return True


cdef int64_t units_of(const uint8_t* p, const uint8_t* end, Units* units, int analyzer) noexcept nogil:
    if analyzer == WORD:
        return units_of_words(p, end, units)
    if analyzer == CHAR:
        return units_of_characters(p, end, units)
    return units_within_words(p, end, units)


cdef bint count_text(
    const uint8_t* text, int64_t size, Bag* bag, Units* units, int analyzer, int64_t least, int64_t most
) except -1 nogil:
    """Count a text's n-grams. One that C does not lower is lowered by Python, as one that is no UTF-8 is decoded."""
    cdef int64_t n
    cdef bint lower = units.lower
    cdef const uint8_t* p
    bag.row = bag.size
    if not room_for_text(units, size):
        raise MemoryError("no memory for a text")
    n = units_of(text, text + size, units, analyzer)
    if n == UNKNOWN:
        with gil:
            decoded = (<const char*> text)[:size].decode("utf-8", "replace")
            mended = (decoded.lower() if lower else decoded).encode()
            if not room_for_text(units, len(mended)):
                raise MemoryError("no memory for a text")
            p = mended
            units.lower = False
            n = units_of(p, p + len(mended), units, analyzer)
            units.lower = lower
    if bag.size >= MAX_GRAMS:
        raise ValueError("texts have too many n-grams at once; write smaller row groups or batches")
    if not room_for_grams(bag, most_grams(n, least, most)):
        raise MemoryError("no memory for the n-grams of a text")
    count_all(bag, units, n, analyzer, least, most)
    return True


# ------------------------------------------------------------ what Python calls
def count_words(
    const offset[::1] ends,
    const uint8_t[::1] text,
    analyzer="word",
    ngram_range=(1, 1),
    bint lowercase=True,
    uint32_t n_features=1 << 20,
    bint alternate_sign=True,
):
    """The n-grams of the texts text[ends[i] : ends[i + 1]], hashed and counted as by HashingVectorizer with norm=None.

    Parameters
    ----------
    ends : int32 or int64 array
        From Arrow.
    text : uint8 array
        UTF-8; what is none is read as U+FFFD.
    analyzer : {"word", "char", "char_wb"}
    ngram_range : (int, int)
        Sizes of the shortest and the longest n-grams.
    lowercase : bool
    n_features : int
    alternate_sign : bool
        Whether half the features count downwards.

    Returns
    -------
    starts : int64 array
        Text i has index[starts[i] : starts[i + 1]].
    index : int32 array
        No two of a text are equal; they are not in order.
    count : int32 array
        0 where n-grams of one feature cancel.

    Raises
    ------
    ValueError
        `ends` decrease, or leave `text`.
    """
    cdef Py_ssize_t i, n = ends.shape[0] - 1
    cdef int how = ("word", "char", "char_wb").index(analyzer)
    cdef int64_t least, most
    least, most = ngram_range
    if not 1 <= least <= most or not 0 < n_features < 2**31:
        raise ValueError(f"ngram_range must be 1 <= min <= max, and n_features below 2**31, got {ngram_range}, {n_features}")
    if n < 0 or ends[0] < 0 or ends[n] > text.shape[0]:
        raise ValueError(f"offsets of texts must be within their {text.shape[0]} bytes")
    for i in range(n):
        if ends[i + 1] < ends[i]:
            raise ValueError(f"offsets of texts must not decrease, they do after {i}")
    start = np.zeros(n + 1, np.int64)
    cdef int64_t[::1] starts = start
    cdef const uint8_t* first = &text[0] if text.shape[0] else NULL
    cdef Units units = Units(NULL, NULL, NULL, NULL, 0, 0, lowercase)
    cdef Bag bag = Bag(NULL, NULL, 1, 0, 1, NULL, 0, 0, n_features, alternate_sign)
    try:
        with nogil:
            for i in range(n):
                if ends[i + 1] > ends[i]:
                    count_text(first + ends[i], ends[i + 1] - ends[i], &bag, &units, how, least, most)
                starts[i + 1] = bag.size - 1
        return start, copied(bag.index, bag.size), copied(bag.count, bag.size)
    finally:
        for memory in (<size_t> units.text, <size_t> units.low, <size_t> units.begins, <size_t> units.blanks):
            free(<void*> <size_t> memory)
        for memory in (<size_t> bag.index, <size_t> bag.count, <size_t> bag.slots):
            free(<void*> <size_t> memory)


cdef copied(const int32_t* values, int64_t size):
    """values[1:size]"""
    found = np.empty(size - 1, np.int32)
    cdef int32_t[::1] room = found
    if size > 1:
        memcpy(&room[0], values + 1, (size - 1) * sizeof(int32_t))
    return found


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
