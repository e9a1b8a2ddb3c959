"""Arrow arrays to NumPy's: numbers, labels, strings, lists. It imports pyarrow, and so is imported in functions alone."""

from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources._tokens import usable
from fastsgd.sources.spelling import is_text, spelled, spelling_of

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # of a second
MAX_SHARED_LABEL = 256  # All labels of a block get the room of the longest, up to this many characters.


class Null(ValueError):
    """There are nulls where none may be."""


@contextmanager
def named(what):
    """Errors of pyarrow, and text that is no UTF-8, as ValueErrors that name the file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise ValueError(f"{what} can't be read: {error or type(error).__name__}") from error


def kind_of(dtype, category=False):
    """What becomes of a column of that Arrow type: "number", "vector", "category", "tokens", "pairs", "date", "null", or None.

    With `category`, numbers, booleans and dates are categories.
    """
    t = pa.types
    if is_text(dtype) or (category and spelling_of(dtype)):
        return "category"
    if t.is_dictionary(dtype):
        return "category" if spelling_of(dtype) or t.is_null(dtype.value_type) else None
    if t.is_null(dtype):
        return "null"
    if category:
        return None
    if (
        t.is_integer(dtype)
        or t.is_boolean(dtype)
        or t.is_floating(dtype)
        or t.is_decimal(dtype)
        or t.is_duration(dtype)
    ):
        return "number"
    if t.is_date(dtype) or t.is_timestamp(dtype) or t.is_time(dtype):
        return "date"
    if t.is_map(dtype):
        return "pairs" if t.is_integer(dtype.key_type) and kind_of(dtype.item_type) == "number" else None
    if t.is_fixed_size_list(dtype) and kind_of(dtype.value_type) == "number":
        return "vector"
    if is_list(dtype) or t.is_fixed_size_list(dtype):
        inner = dtype.value_type
        if t.is_struct(inner) and inner.num_fields == 2:
            index, value = inner.field(0).type, inner.field(1).type
            return "pairs" if t.is_integer(index) and kind_of(value) == "number" else None
        plain = inner.value_type if t.is_dictionary(inner) else inner
        return "tokens" if is_text(plain) or t.is_integer(plain) else None
    return None


def is_list(dtype):
    """Whether a value of that Arrow type is any number of values."""
    return pa.types.is_list(dtype) or pa.types.is_large_list(dtype)


def no_nulls(array, where, fill=None):
    """The array with `fill` for nulls; where that is None, an error if there are any."""
    if not array.null_count:
        return array
    if fill is None:
        first = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0]
        raise Null(f"{where}: {array.null_count} of {len(array)} values are null, the first at {first}.")
    return pc.fill_null(array, pa.scalar(fill).cast(array.type))


def absent(array):
    """Which values of a column are null or NaN, as an array of booleans; None where none is."""
    if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
        array = array.dictionary_decode()
    found = array.is_null(nan_is_null=True)
    return found.to_numpy(zero_copy_only=False) if found.true_count else None


def filtered(batch, there):
    """The rows of a batch that are `there`; Arrow can't choose among string views."""
    views = [pa.types.is_string_view(array.type) for array in batch.columns]
    columns = [c.cast(pa.large_string()) if view else c for c, view in zip(batch.columns, views, strict=True)]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names).filter(pa.array(there))


def numbers(array, where, fill=None):
    """A column of numbers or booleans as an array of shape (n,), without a copy where that is possible; also of their text,
    and of durations, in seconds."""
    if not pa.types.is_floating(array.type):
        array = _as_numbers(array, where, fill)
    found = no_nulls(array, where, fill).to_numpy(zero_copy_only=False)
    if fill is not None and not np.isnan(fill) and found.dtype.kind == "f" and (absent := np.isnan(found)).any():
        found = np.where(absent, found.dtype.type(fill), found)
    return found


def _as_numbers(array, where, fill):
    """A column of another type that says numbers, as one of numbers or booleans, in which there is room for `fill`."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_text(array.type):
        array = _parsed(array, where)
    if pa.types.is_duration(array.type):
        array = pc.divide(array.cast(pa.int64()).cast(pa.float64(), safe=False), float(UNITS[array.type.unit]))
    if pa.types.is_decimal(array.type) or pa.types.is_null(array.type):
        array = array.cast(pa.float64())
    elif fill is not None and array.null_count and not pa.types.is_floating(array.type):
        array = array.cast(pa.float64(), safe=False)
    return array


def _parsed(array, where):
    """The numbers that strings say."""
    try:
        return array.cast(pa.large_string()).cast(pa.float64())
    except pa.ArrowInvalid:
        for row, cell in enumerate(array.to_pylist()):
            try:
                pa.array([cell], pa.large_string()).cast(pa.float64())
            except pa.ArrowInvalid:
                raise ValueError(
                    f"{where}: found {cell!r} in row {row}, and the column was one of numbers in training. Mend that row, or "
                    "leave it out."
                ) from None
        raise


def vectors(array, where, fill=None):
    """A column of lists of k numbers as an array of shape (n, k); `fill` may be a list of k."""
    k = array.type.list_size
    absent = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    if absent is not None and fill is None:
        no_nulls(array, where)
    values = array.values.slice(array.offset * k, len(array) * k)
    if absent is not None and values.null_count == 0:  # what lies under a null is not defined
        values = pa.array(numbers(values, where), mask=np.repeat(absent, k))
    each = isinstance(fill, list)
    found = numbers(values, where, np.nan if each else fill).reshape(len(array), k)
    if each and found.dtype.kind == "f" and (absent := np.isnan(found)).any():
        found = np.where(absent, np.array(fill, found.dtype), found)
    return found


def labels(array, where):
    """A column of targets as an array of shape (n,): strings, or numbers as they are."""
    if (missing := absent(array)) is not None:
        raise Null(
            f"{where}: {missing.sum()} of {len(array)} values are null, the first at {missing.argmax()}. Set "
            "target_nulls='drop' to leave out rows without a target, or give them one."
        )
    t = pa.types
    if kind_of(array.type) == "category":
        array = array if t.is_dictionary(array.type) else spelled(array).dictionary_encode()
        if array.dictionary.null_count:  # which no row has
            array = array.dictionary_decode().dictionary_encode()
        words = array.dictionary.to_pylist()
        codes = array.indices.to_numpy()
        short = all(len(word) <= MAX_SHARED_LABEL for word in words if isinstance(word, str))
        return np.array(words, dtype=object if not short else str if words and isinstance(words[0], str) else None)[
            codes
        ]
    if kind_of(array.type) not in ("number", "null"):
        raise ValueError(f"{where}: a target must be numbers, booleans or strings, found {array.type}.")
    return numbers(array, where)


def segments(array):
    """A column of segments as an array of labels: words, or numbers as they are; None or NaN where there is none."""
    if is_text(array.type):
        array = array.dictionary_encode()  # The rows of a label then share one string.
    if not pa.types.is_dictionary(array.type):
        return array.to_numpy(zero_copy_only=False)
    codes = pc.fill_null(array.indices.cast(pa.int64()), -1).to_numpy()
    return np.array([*array.dictionary.to_pylist(), None], dtype=object)[codes]


def words(array, spelling=None):
    """A column of categories as (strings, which of them each row has; None if row i has string i), spelled as that kind."""
    plain = is_text(array.type) and spelling in ("text", None)
    if not pa.types.is_dictionary(array.type):
        if plain:
            return spelled(array), None
        array = array.dictionary_encode()  # fewer are spelled
    codes = array.indices
    codes = codes if pa.types.is_int32(codes.type) else codes.cast(pa.int32())
    codes = (pc.fill_null(codes, -1) if codes.null_count else codes).to_numpy()
    plain = plain and pa.types.is_string(array.type.value_type)
    return array.dictionary if plain else spelled(array.dictionary, spelling), codes


def text_buffers(strings):
    """(offsets, bytes) of an array of strings; Arrow allows offsets that are not aligned."""
    size = np.int32 if pa.types.is_string(strings.type) else np.int64
    _, ends, text = strings.buffers()
    if not len(strings):
        return np.zeros(1, size), np.zeros(0, np.uint8)
    ends = np.frombuffer(ends, size)[strings.offset : strings.offset + len(strings) + 1]
    return usable(ends, ends.dtype), np.zeros(0, np.uint8) if text is None else np.frombuffer(text, np.uint8)


def lists(array):
    """A column of lists as (starts, what is in all of them): row i has values[starts[i] : starts[i + 1]]."""
    if pa.types.is_map(array.type):
        inner = pa.struct([("index", array.type.key_type), ("value", array.type.item_type)])
        array = array.cast(pa.list_(inner))
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    starts = np.zeros(len(array) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts, array.flatten()


def pairs(array, where, width):
    """A column of lists of (index, value) as (starts, indices, values)."""
    starts, both = lists(array)
    no_nulls(both, where)
    index, value = (numbers(part, where) for part in both.flatten())
    if len(index) and (index.min() < 0 or index.max() >= width):
        worst = index[(index < 0) | (index >= width)][0]
        raise ValueError(f"{where}: indices must be in [0, {width}), found {worst}. Give n_features.")
    return starts, index.astype(np.int32), value


def width_of(field):
    """How many features a column of lists of (index, value) says that it has, or None."""
    given = (field.metadata or {}).get(b"n_features")
    return int(given) if given and given.isdigit() and 0 < int(given) < 2**31 else None
