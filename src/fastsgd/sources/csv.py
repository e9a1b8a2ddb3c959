"""CSV files, a piece at a time. It imports pyarrow, and so is imported in functions alone."""

import csv
from contextlib import contextmanager
from io import TextIOWrapper

import pyarrow as pa
import pyarrow.csv as pc

from fastsgd.sources import encode
from fastsgd.sources.columns import Columns
from fastsgd.sources.encode import named
from fastsgd.sources.files import files_of, from_row
from fastsgd.sources.tables import TabularSource

CSV = ".csv", ".csv.gz", ".csv.bz2", ".csv.zst"
TSV = ".tsv", ".tsv.gz", ".tsv.bz2", ".tsv.zst"
ADVICE = {  # by what pyarrow says
    "conversion error": ". The types of columns follow from the first block_bytes={}; give that of this one in column_types.",
    "straddl": ". A row must fit in block_bytes={}: raise it.",
    "columns, got": ". Is delimiter that of the file?",
}


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
        if not isinstance(block_bytes, int) or not 1 <= block_bytes < 2**31:
            raise ValueError(f"block_bytes must be an integer from 1 to 2**31 - 1, got {block_bytes!r}.")
        self.delimiter, self.names, self.block_bytes = delimiter, column_names, block_bytes
        self.given = {name: _type(name, dtype) for name, dtype in (column_types or {}).items()}
        types = {name: str(dtype) for name, dtype in self.given.items()} or None
        said = {"delimiter": own, "column_names": column_names and list(column_names), "column_types": types}
        self.reading = {name: value for name, value in said.items() if value is not None}

    @contextmanager
    def opened(self, file, types=None, columns=()):
        """A reader of record batches of those columns, all if there are none; errors, also from within, name the file."""
        with self._named(file.path):
            raw = pa.input_stream(file.unchanged(), compression="detect")
            with pc.open_csv(
                raw,
                pc.ReadOptions(use_threads=False, block_size=self.block_bytes, column_names=self.names),
                pc.ParseOptions(delimiter=self.delimiter),
                pc.ConvertOptions(column_types=types, include_columns=list(columns), strings_can_be_null=True),
            ) as reader:
                yield reader

    def schema(self, types):
        """That of the first file, by its first bytes and these types."""
        first = self.files[0]
        with open(first.path, "rb") as file:
            if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
                raise ValueError(f"{first.path} is UTF-16. Convert the file to UTF-8.")
        with self.opened(first, types | self.given) as reader:
            schema = reader.schema
            names = schema.names
        if len(names) == 1 and (other := next((mark for mark in ";\t|," if mark in names[0]), None)):
            raise ValueError(f"{first.path} has a single column, {names[0]!r}: is it delimiter={other!r}?")
        if unknown := set(self.given) - set(names):
            raise ValueError(f"column_types: there is no column {sorted(unknown)} in {first.path}.")
        return schema

    def header(self, file):
        """The names in its first row."""
        with self._named(file.path), pa.input_stream(file.unchanged(), compression="detect") as raw:
            text = TextIOWrapper(raw, "utf-8-sig", "replace", newline="")
            lines = iter(lambda: text.readline(self.block_bytes), "")
            try:
                return next(filter(None, csv.reader(lines, delimiter=self.delimiter)), [])
            except csv.Error as error:
                raise ValueError(f"{file.path} can't be read: {error}.") from error

    @contextmanager
    def _named(self, path):
        """As `encode.named`, with what to do about it."""
        try:
            with named(path):
                yield
        except ValueError as error:
            words = next((words for sign, words in ADVICE.items() if sign in str(error)), "")
            raise ValueError(f"{error}{words.format(self.block_bytes)}") from error


class CsvSource(TabularSource):
    """The rows of some files, one after another: see `from_csv`."""

    def __init__(self, text, options):
        self.text, first = text, text.files[0].path
        schema = text.schema(dict.fromkeys(options.get("categorical_features") or (), pa.string()))
        for field in schema:
            if pa.types.is_binary(field.type) and field.name in (options.get("columns") or schema.names):
                raise ValueError(
                    f"{first}: column {field.name!r} has text that is not UTF-8. Convert the file to UTF-8."
                )
        labels = options.get("target") or ()
        labels = [labels] if isinstance(labels, str) else labels
        value = pa.from_numpy_dtype(options.get("dtype", "f4"))
        for i, field in enumerate(schema):  # integers of the first piece need not be integers later
            plain = encode.kind_of(field.type) in ("number", "null") and not pa.types.is_boolean(field.type)
            if plain and field.name not in labels and field.name not in text.given:
                schema = schema.set(
                    i, pa.field(field.name, pa.float64() if field.name == options.get("weight") else value)
                )
        self.types = schema
        self.columns = Columns(schema, first, **options)
        for file in text.files[1:] if text.names is None else ():
            if lacks := sorted(set(self.columns.needed).difference(text.header(file))):
                raise ValueError(f"{file.path} has no column {lacks}. All files must have the columns of the first.")
        self._settle(first)
        self.reading |= text.reading

    def scan(self, names, block=None):
        types = {name: self.types.field(name).type for name in names}
        for file in self.text.files:
            row = 0
            with self.text.opened(file, types, names) as reader:
                for batch in reader:
                    if len(batch):
                        yield from_row(file.path, row), batch
                    row += len(batch)

    def describe(self):
        files = [file.describe() for file in self.text.files]
        return {"format": "csv", "files": files, "delimiter": self.text.delimiter, **self.columns.describe()}


def _type(name, dtype):
    try:
        return dtype if isinstance(dtype, pa.DataType) else pa.type_for_alias(dtype)
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"column_types: {dtype!r} for {name!r} is no Arrow type; 'float64' and 'string' are."
        ) from None
