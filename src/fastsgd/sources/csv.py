"""CSV files, a piece at a time. It imports pyarrow, and so is imported in functions alone."""

import copy

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from fastsgd.sources import encode
from fastsgd.sources.cells import ABSENT, Cells, first_blocks
from fastsgd.sources.csv_head import not_utf8
from fastsgd.sources.csv_text import TEXT, Text
from fastsgd.sources.features.columns import Columns
from fastsgd.sources.features.names import by_names
from fastsgd.sources.features.options import SPELLINGS
from fastsgd.sources.files import from_row
from fastsgd.sources.spelling import SPELLING, is_text, spelling_of
from fastsgd.sources.tables import TabularSource


class CsvSource(TabularSource):
    """The rows of some files, one after another: see `from_csv`."""

    def __init__(self, text, options):
        self.text, first = text, text.files[0].path
        schema, kinds, self._cells = text.schema({}), options.get("kinds"), Cells(text)
        options = by_names(schema, first, options, self._first_rows)
        if kinds is None:
            self._cells = _cells(schema, text, options)
        if isinstance(kinds, dict):
            schema = _trained(schema, text, options, kinds)
        else:
            schema = _untrained(schema, text, options, self._cells.codes)
        self._is_as_trained = isinstance(kinds, dict)
        for field in schema:
            if pa.types.is_binary(field.type) and field.name in (options.get("columns") or schema.names):
                raise ValueError(not_utf8(text.sample))
        self.types = schema
        with self._cells.explaining():
            self.columns = Columns(schema, first, self._first_rows, **options)
        text.check_names(self.columns.needed, self.columns.labels)
        self._finish(first, options)
        self.reading |= text.reading

    def _first_rows(self, names):
        """The first rows of those columns."""
        return next(first_blocks(self.text, names), None)

    def again(self, options):
        return CsvSource(self.text, options)

    def like(self, reading):
        new = super().like(reading)
        if new is self and isinstance(reading.get("kinds"), dict):
            new = copy.copy(self)
            new._is_as_trained = True
        return new

    def warn(self):
        super().warn()
        self._cells.tell(_labels(self.options), _asked(self.options))

    def warn_late(self):
        super().warn_late()
        self._cells.tell_late({*_labels(self.options), *_asked(self.options)})

    def _advice(self, name, cell):
        if self._is_as_trained:
            return "In training it was a number: mend that row, or leave it out."
        return "Mend that row, or leave it out." if name == self.columns.weight else self.text.advice(name, cell)

    def scan(self, names, block=None):
        return map(self._with_nulls, self._scan(names))

    def pieces(self):
        return self._in_turn(self._scan(self.columns.needed))

    def made(self, piece):
        return super().made(self._with_nulls(piece))

    def _with_nulls(self, piece):
        where, batch = piece
        words = [name for name, spelling in self.columns.spellings.items() if spelling == "text"]
        words += self.columns.options.text_features
        return where, with_nulls(batch, words)

    def _scan(self, names):
        types = {name: self.types.field(name).type for name in names}
        for file in self.text.files:
            row = 0
            with self.text.opened(file, types, names, self._advice) as reader:
                for number, batch in enumerate(reader):
                    if len(batch):
                        self._cells.see(file, number, batch)
                        yield from_row(file.path, row), batch
                    row += len(batch)

    def describe(self):
        files = [file.describe() for file in self.text.files]
        delimiter = self.text.head(self.text.sample).delimiter
        return {"format": "csv", "files": files, "delimiter": delimiter, **self.columns.describe()}


def with_nulls(batch, words):
    """The batch with nulls for empty text, and for words such as NA but in columns of `words`: there it is one, as in Parquet."""
    arrays = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        if is_text(array.type):
            text = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
            absent = compute.is_in(text, pa.array([""] if name in words else ABSENT, text.type))
            if absent.true_count and text is array:
                array = compute.if_else(absent, pa.scalar(None, array.type), array)
            elif absent.true_count:
                codes = compute.if_else(absent, pa.scalar(None, array.indices.type), array.indices)
                array = pa.DictionaryArray.from_arrays(codes, array.dictionary)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def _labels(options):
    target = options.get("target") or ()
    found = [target] if isinstance(target, str) else list(target) if np.iterable(target) else []
    segment = options.get("segment")
    return found if segment is None else [*found, segment]


def _wide(schema, text, options, numbers):
    """The schema, those columns of numbers as features are: integers of the first piece need not be integers later."""
    value = pa.from_numpy_dtype(options.get("dtype", "f4"))
    types = {name: pa.float64() if name == options.get("weight") else value for name in numbers}
    return _retyped(schema, {name: dtype for name, dtype in types.items() if name not in text.given})


def _retyped(schema, types):
    """The schema with other types of some columns."""
    return pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema], schema.metadata)


def _trained(schema, text, options, kinds):
    """How columns are read whose kinds are known: categories as text, and as numbers what was a number."""
    labels = _labels(options)
    features = [field for field in schema if field.name not in labels]
    as_text = *SPELLINGS, "date", "words"
    words = {f.name: pa.string() for f in features if kinds.get(f.name) in as_text and f.name not in text.given}
    numbers = [f.name for f in features if f.name not in kinds and not pa.types.is_boolean(f.type)]
    return _wide(_retyped(schema, words), text, options, numbers)


def _asked(options):
    """The columns that are to be categories."""
    asked = options.get("categorical_features") or ()
    return set(asked) if isinstance(asked, list | tuple | set) else set()


def _cells(schema, text, options):
    """The `Cells` of the columns that are used and whose types are not given."""
    used = options.get("columns")
    weight = options.get("weight")
    used = {*used, *_labels(options), *_asked(options), weight} if isinstance(used, list | tuple) else set(schema.names)
    used = [f for f in schema if f.name in used and f.name not in text.given]
    words = [f.name for f in used if is_text(f.type) and f.name not in _asked(options)]
    whole = [f.name for f in used if pa.types.is_integer(f.type) and f.name != weight]
    return Cells.of(text, whole, words, _asked(options))


def _untrained(schema, text, options, codes):
    """How columns are read by the types of the first piece; those that are to be categories as text, so that none is lost."""
    labels, asked, texts = _labels(options), _asked(options), options.get("text_features")
    texts = texts if isinstance(texts, list | tuple) else ()
    numbers = [
        field.name
        for field in schema
        if encode.kind_of(field.type) in ("number", "null")
        and not pa.types.is_boolean(field.type)
        and field.name not in asked
        and field.name not in texts
        and field.name not in labels
    ]
    known = options.get("kinds") is None
    fields = []
    for field in schema:
        if field.name in asked and field.name not in text.given:
            spelling = "text" if field.name in codes else spelling_of(field.type) or "text"
            field = pa.field(field.name, pa.string(), metadata={SPELLING: spelling} if known else None)
        elif field.name in texts and field.name not in text.given:
            field = field.with_type(pa.string())
        elif pa.types.is_timestamp(field.type) and field.type.unit == "s" and field.name not in text.given:
            field = field.with_type(pa.timestamp("us", field.type.tz))  # Later ones may have parts of seconds.
        fields.append(field)
    return _wide(pa.schema(fields, schema.metadata), text, options, numbers)


def raw_batches(paths, given):
    """(schema, batches) of the first file with rows, as it is read where nothing is asked of its columns."""
    text = Text(paths, **{name: given[name] for name in TEXT if name in given})
    schema = text.schema({})

    def batches():
        with text.opened(text.sample) as reader:
            yield from reader

    return schema, batches()
