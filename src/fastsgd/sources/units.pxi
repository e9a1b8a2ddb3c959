# The words and characters of a text, written down compactly: of what n-grams consist. Part of _words.pyx.

cdef extern from "Python.h" nogil:  # These look into constant tables.
    int Py_UNICODE_ISALNUM(Py_UCS4 c) noexcept
    int Py_UNICODE_ISSPACE(Py_UCS4 c) noexcept
    Py_UCS4 Py_UNICODE_TOLOWER(Py_UCS4 c) noexcept

cdef enum:
    WORD, CHAR, CHAR_WB
ANALYZERS = "word", "char", "char_wb"
cdef enum:
    # What is known of a character, beside its lower case in the bits below.
    LOWER = 0x1FFFFF
    IN_WORD = 1 << 21
    BLANK = 1 << 22
    RARE = 1 << 23  # Its lower case is two characters, or depends on those around it: left to `str.lower`.
    BMP = 1 << 16  # What is known of so many characters is in a table.
    WORD_BYTES = 16  # Words are copied so many bytes at once, which may be more than they have.
cdef int64_t UNKNOWN = -1  # in place of a number of units: the text is rare or no UTF-8, and Python must lower it first

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
    int analyzer
    bint lower
    # Sizes of the n-grams that are counted.
    int64_t least
    int64_t most


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
    elif 0xC2 <= found < 0xE0 and end - at[0] >= 2 and at[0][1] & 0xC0 == 0x80:  # as most letters of Cyrillic, Greek, Arabic
        found = (found & 0x1F) << 6 | (at[0][1] & 0x3F)
        at[0] += 2
        known[0] = KNOWN[found]
        if lower and known[0] & RARE:
            return False
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


cdef int64_t units_of(const uint8_t* p, const uint8_t* end, Units* units) noexcept nogil:
    if units.analyzer == WORD:
        return units_of_words(p, end, units)
    if units.analyzer == CHAR:
        return units_of_characters(p, end, units)
    return units_within_words(p, end, units)


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
