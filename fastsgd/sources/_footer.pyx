"""Where the row groups lie in the footer of a Parquet file, so that one can be had without all others.

The footer is a struct of Thrift's compact protocol (apache/parquet-format, parquet.thrift): FileMetaData, whose field 4 is
the list of row groups. pyarrow makes objects of all their columns, of 15 times its size.
"""
from libc.stdint cimport int64_t, uint8_t

import numpy as np

cdef enum:
    TRUE = 1, FALSE = 2, BYTE = 3, I16 = 4, I32 = 5, I64 = 6, DOUBLE = 7, BINARY = 8, LIST = 9, SET = 10, MAP = 11, STRUCT = 12
    DEPTH = 32  # of structs in structs: there are 6
    ROW_GROUPS = 4  # the field of FileMetaData
    NUM_ROWS = 3  # the field of RowGroup


cdef int64_t varint(const uint8_t[::1] text, int64_t* at) except -1:
    cdef int64_t value = 0
    cdef int shift
    for shift in range(0, 63, 7):
        if at[0] >= text.shape[0]:
            raise ValueError("it ends early")
        at[0] += 1
        value |= <int64_t> (text[at[0] - 1] & 127) << shift
        if text[at[0] - 1] < 128:
            return value
    # a negative number, which no length or count is
    if at[0] >= text.shape[0]:
        raise ValueError("it ends early")
    at[0] += 1
    return value


cdef int64_t forward(const uint8_t[::1] text, int64_t* at, int64_t n) except -1:
    """Go n bytes on, which must be there."""
    if n > text.shape[0] - at[0]:
        raise ValueError("it ends early")
    at[0] += n
    return 0


cdef int field(const uint8_t[::1] text, int64_t* at, int64_t* number) except -1:
    """The kind of the next field of a struct, 0 at its end; `number` becomes that of the field."""
    cdef int64_t given
    forward(text, at, 1)
    cdef int head = text[at[0] - 1]
    if head == 0:
        return 0
    if head >> 4:
        number[0] += head >> 4
    else:
        given = varint(text, at)
        number[0] = (given >> 1) ^ -(given & 1)
    return head & 15


cdef int64_t count_of(const uint8_t[::1] text, int64_t* at, int* kind) except -1:
    """How many values of which kind a list has."""
    forward(text, at, 1)
    cdef int head = text[at[0] - 1]
    kind[0] = head & 15
    return head >> 4 if head >> 4 < 15 else varint(text, at)


cdef int skip(const uint8_t[::1] text, int64_t* at, int kind, bint in_list, int depth) except -1:
    cdef int64_t number = 0, n, _i
    cdef int inner, second
    if depth > DEPTH:
        raise ValueError("its structs are too deep")
    if kind in (TRUE, FALSE):  # of a field the kind is the value
        forward(text, at, 1 if in_list else 0)
    elif kind == BYTE:
        forward(text, at, 1)
    elif kind in (I16, I32, I64):
        varint(text, at)
    elif kind == DOUBLE:
        forward(text, at, 8)
    elif kind == BINARY:
        forward(text, at, varint(text, at))
    elif kind in (LIST, SET):
        n = count_of(text, at, &inner)
        for _i in range(n):  # each has a byte at least
            skip(text, at, inner, True, depth + 1)
    elif kind == MAP:
        n = varint(text, at)
        if n:
            forward(text, at, 1)
            inner, second = text[at[0] - 1] >> 4, text[at[0] - 1] & 15
            for _i in range(n):
                skip(text, at, inner, True, depth + 1)
                skip(text, at, second, True, depth + 1)
    elif kind == STRUCT:
        inner = field(text, at, &number)
        while inner:
            skip(text, at, inner, False, depth + 1)
            inner = field(text, at, &number)
    else:
        raise ValueError(f"it has a value of kind {kind}")
    return 0


def row_groups(const uint8_t[::1] text):
    """Where the row groups of a footer are.

    Returns
    -------
    listed : int
        Where the list of them begins.
    starts : int64 array
        Where each begins, and, last, where the list ends.
    rows : int64 array
        Of each.

    Raises
    ------
    ValueError
        It is no footer.
    """
    cdef int64_t at = 0, number = 0, n, i, listed, inside, value
    cdef int kind, inner
    kind = field(text, &at, &number)
    while kind and not (number == ROW_GROUPS and kind == LIST):
        skip(text, &at, kind, False, 0)
        kind = field(text, &at, &number)
    if not kind:
        raise ValueError("it has no row groups")
    listed = at
    n = count_of(text, &at, &inner)
    if n > text.shape[0] - at or (n and inner != STRUCT):
        raise ValueError("it ends early")
    start, row = np.empty(n + 1, np.int64), np.zeros(n, np.int64)
    cdef int64_t[::1] starts = start
    cdef int64_t[::1] rows = row
    for i in range(n):
        starts[i] = at
        inside = 0
        inner = field(text, &at, &inside)
        while inner:
            if inside == NUM_ROWS and inner == I64:
                value = varint(text, &at)
                rows[i] = (value >> 1) ^ -(value & 1)
                if rows[i] < 0:
                    raise ValueError(f"row group {i} has {rows[i]} rows")
            else:
                skip(text, &at, inner, False, 0)
            inner = field(text, &at, &inside)
    starts[n] = at
    return listed, start, row
