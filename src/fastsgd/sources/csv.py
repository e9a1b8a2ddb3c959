"""CSV files, a piece at a time. It imports pyarrow, and so is imported in functions alone."""

import copy
import csv
import re
from contextlib import contextmanager
from io import TextIOWrapper

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pc

from fastsgd.sources import encode
from fastsgd.sources.base import checked_integer
from fastsgd.sources.cells import ABSENT, Cells, is_number
from fastsgd.sources.encode import named
from fastsgd.sources.features.columns import Columns
from fastsgd.sources.features.options import SPELLINGS
from fastsgd.sources.files import files_of, from_row
from fastsgd.sources.reading import offer
from fastsgd.sources.spelling import SPELLING, is_text, spelling_of
from fastsgd.sources.tables import TabularSource

CSV = ".csv", ".csv.gz", ".csv.bz2", ".csv.zst"
TSV = ".tsv", ".tsv.gz", ".tsv.bz2", ".tsv.zst"
ADVICE = {  # The keys are in what pyarrow says.
    "straddl": ". A row must fit in block_bytes={0}: raise it, or look for a quote that is never closed.",
    "or block: cannot infer": ". The header must fit in block_bytes={0}: raise it.",
    "columns, got": ". Is {1} that of the file?",
}
SMALL_BYTES = 1 << 14  # A smaller file is read at once.
TEXT = "delimiter", "column_names", "column_types", "block_bytes"  # keywords of Text
CELL = re.compile(
    r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (.*?): invalid value '(.*)'", re.DOTALL
)


class Text:
    """CSV files, and how they are read.

    Attributes
    ----------
    files : list of File
    delimiter : str
    given : dict of str to Arrow type
    reading : dict
        What was given, for `Source.reading`.
    """

    def __init__(self, paths, delimiter=None, column_names=None, column_types=None, block_bytes=1 << 22):
        self.files, own = files_of(paths, CSV + TSV), delimiter
        if empty := [file.path for file in self.files if not file.size]:
            raise ValueError(f"{empty[0]} is empty, without even a header: remove it.")
        if delimiter is None:
            delimiter = "\t" if self.files[0].path.endswith(TSV) else ","
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise ValueError(f"delimiter must be one character or None, got {delimiter!r}.")
        self.sample = self.files[0]  # whose types all are read as
        self.delimiter, self.names = delimiter, column_names
        self.block_bytes = checked_integer("block_bytes", block_bytes)
        self.given = {name: _type(name, dtype) for name, dtype in (column_types or {}).items()}
        types = {name: str(dtype) for name, dtype in self.given.items()} or None
        said = {"delimiter": own, "column_names": column_names and list(column_names), "column_types": types}
        self.reading = {name: value for name, value in said.items() if value is not None}

    @contextmanager
    def opened(self, file, types=None, columns=(), advice=None):
        """A reader of record batches of those columns, all if there are none; errors, also from within, name the file, and
        say what to do about a cell that is of another type."""
        with self._named(file, advice):
            raw = pa.input_stream(file.unchanged(), compression="detect")
            if file.size < SMALL_BYTES:  # it may be a header alone, which pyarrow sees if its line ends
                text = raw.read()
                raw = pa.BufferReader(text if re.search(rb"[\r\n]", text) else text + b"\n")
            with pc.open_csv(
                raw,
                pc.ReadOptions(use_threads=False, block_size=self.block_bytes, column_names=self.names),
                # Else a block ends at any newline; this is as fast with a single thread.
                pc.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
                pc.ConvertOptions(column_types=types, include_columns=list(columns)),
            ) as reader:
                yield reader

    def schema(self, types):
        """That of the first file with rows, by its first bytes and these types."""
        first = self.files[0]
        with open(first.path, "rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                raise ValueError(f"{first.path} is UTF-16. Convert the file to UTF-8.")
        schema = None
        for file in self.files:
            with self.opened(file, types | self.given) as reader:
                schema = schema or reader.schema
                if any(len(batch) for batch in reader):
                    schema, self.sample = reader.schema, file
                    break
        with named(self.sample.path):
            names = schema.names
        if len(names) == 1 and (other := next((mark for mark in ";\t|," if mark in names[0]), None)):
            raise ValueError(f"{first.path} has a single column, {names[0]!r}: is it delimiter={other!r}?")
        if unknown := [name for name in self.given if name not in names]:
            raise ValueError(
                f"column_types: there is no column {unknown[0]!r} in {first.path}; it has {offer(unknown[0], names)}"
            )
        return schema

    def advice(self, name, cell):
        """In words, what to do about a cell that is of another type than the first block of its column."""
        if is_number(cell):
            first = f"The types of columns follow from the first block_bytes={self.block_bytes}"
            return f"{first}: set column_types={{{name!r}: 'float64'}}."
        other = f"; or, if the column is one of text, set column_types={{{name!r}: 'string'}}" * (
            name not in self.given
        )
        return f"Mend that row, or leave it out{other}."

    def header(self, file):
        """The names in its first row."""
        with self._named(file), pa.input_stream(file.unchanged(), compression="detect") as raw:
            text = TextIOWrapper(raw, "utf-8-sig", "replace", newline="")
            lines = iter(lambda: text.readline(self.block_bytes), "")
            try:
                return next(filter(None, csv.reader(lines, delimiter=self.delimiter)), [])
            except csv.Error as error:
                raise ValueError(f"{file.path} can't be read: {error}.") from error

    @contextmanager
    def _named(self, file, advice=None):
        """As `encode.named`, with what to do about it; of a cell advice(name of the column, cell) says it."""
        try:
            with named(file.path):
                yield
        except ValueError as error:
            if cell := CELL.search(str(error)):
                name, said = self._cell(file, *cell.groups())
                raise ValueError(f"{said} {(advice or self.advice)(name, cell[4])}") from error
            words = next((words for sign, words in ADVICE.items() if sign in str(error)), "")
            raise ValueError(f"{error}{words.format(self.block_bytes, f'delimiter={self.delimiter!r}')}") from error

    def _cell(self, file, column, row, dtype, cell):
        """The column of a cell, and in words, that it is not of the type of that."""
        names = self.names or self.header(file)
        name = names[int(column)] if int(column) < len(names) else f"#{column}"
        where = f"row {row}" + (", counting the header" if self.names is None else "") if row else "a row"
        what = {"double": "number", "float": "number", "int64": "whole number", "bool": "true or false"}.get(
            dtype, dtype
        )
        return name, f"{file.path}: column {name!r} is read as {what}, and has in {where}, the invalid value {cell!r}."


class CsvSource(TabularSource):
    """The rows of some files, one after another: see `from_csv`."""

    def __init__(self, text, options):
        self.text, first = text, text.files[0].path
        schema, kinds, self._cells = text.schema({}), options.get("kinds"), Cells(text)
        if kinds is None:
            self._cells = _cells(schema, text, options)
        if isinstance(kinds, dict):
            schema = _trained(schema, text, options, kinds)
        else:
            schema = _untrained(schema, text, options, self._cells.codes)
        self._is_as_trained = isinstance(kinds, dict)
        for field in schema:
            if pa.types.is_binary(field.type) and field.name in (options.get("columns") or schema.names):
                raise ValueError(
                    f"{first}: column {field.name!r} has text that is not UTF-8. Convert the file to UTF-8."
                )
        self.types = schema
        with self._cells.explaining():
            self.columns = Columns(schema, first, **options)
        for file in text.files if text.names is None else ():
            names = schema.names if file is text.sample else text.header(file)
            if lacks := [name for name in self.columns.needed if name not in names]:
                raise ValueError(
                    f"{file.path} has no column {lacks[0]!r}, it has {offer(lacks[0], names)} All files must have the "
                    "columns of the first."
                )
        self._finish(first, options)
        self.reading |= text.reading

    def again(self, options):
        return CsvSource(self.text, options)

    def like(self, reading):
        new = super().like(reading)
        if new is self and isinstance(reading.get("kinds"), dict):
            new = copy.copy(self)
            new._is_as_trained = True
        return new

    def warn(self):
        self._cells.tell(_labels(self.options), _asked(self.options))

    def warn_late(self):
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
        return {"format": "csv", "files": files, "delimiter": self.text.delimiter, **self.columns.describe()}


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
    return pa.schema([field.with_type(types.get(field.name, field.type)) for field in schema])


def _trained(schema, text, options, kinds):
    """How columns are read whose kinds are known: categories as text, and as numbers what was a number."""
    labels = _labels(options)
    features = [field for field in schema if field.name not in labels]
    words = {f.name: pa.string() for f in features if kinds.get(f.name) in SPELLINGS and f.name not in text.given}
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
    if len(set(schema.names)) < len(schema):
        return Cells(text)
    words = [f.name for f in used if is_text(f.type) and f.name not in _asked(options)]
    whole = [f.name for f in used if pa.types.is_integer(f.type) and f.name != weight]
    return Cells.of(text, whole, words, _asked(options))


def _untrained(schema, text, options, codes):
    """How columns are read by the types of the first piece; those that are to be categories as text, so that none is lost."""
    labels, asked = _labels(options), _asked(options)
    numbers = [
        field.name
        for field in schema
        if encode.kind_of(field.type) in ("number", "null")
        and not pa.types.is_boolean(field.type)
        and field.name not in asked
        and field.name not in labels
    ]
    known = options.get("kinds") is None
    fields = []
    for field in schema:
        if field.name in asked and field.name not in text.given:
            spelling = "text" if field.name in codes else spelling_of(field.type) or "text"
            field = pa.field(field.name, pa.string(), metadata={SPELLING: spelling} if known else None)
        fields.append(field)
    return _wide(pa.schema(fields), text, options, numbers)


def _type(name, dtype):
    try:
        return dtype if isinstance(dtype, pa.DataType) else pa.type_for_alias(dtype)
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"column_types: {dtype!r} for {name!r} is no Arrow type; 'float64' and 'string' are."
        ) from None


def raw_batches(paths, given):
    """(schema, batches) of the first file with rows, as it is read where nothing is asked of its columns."""
    text = Text(paths, **{name: given[name] for name in TEXT if name in given})
    schema = text.schema({})

    def batches():
        with text.opened(text.sample) as reader:
            yield from reader

    return schema, batches()
