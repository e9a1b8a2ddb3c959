"""The text of CSV files as record batches. It imports pyarrow, and so is imported in functions alone."""

import copy
import json
import re
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.csv as pc

from fastsgd.sources.base import checked_integer
from fastsgd.sources.csv_head import NotUtf8, checked_encoding, decoded, head_of, not_utf8
from fastsgd.sources.encode import named
from fastsgd.sources.files import files_of
from fastsgd.sources.formats import Formats
from fastsgd.sources.rules import offer
from fastsgd.sources.text_columns import OddCell

CSV = ".csv", ".csv.gz", ".csv.bz2", ".csv.zst"
TSV = ".tsv", ".tsv.gz", ".tsv.bz2", ".tsv.zst"
TEXT = "delimiter", "column_names", "column_types", "block_bytes", "encoding"  # The keywords of CsvText.
ADVICE = {  # The keys are in what pyarrow says.
    "straddl": ". A row must fit in block_bytes={0}: raise it, or look for a quote that is never closed.",
    "columns, got": ". Is {1} that of the file? If so, mend that row, or leave it out.",
}
CELL = re.compile(
    r"In CSV column #(\d+): (?:Row #(\d+): )?CSV conversion error to (.*?): (?:invalid value '(.*)'|invalid UTF8)",
    re.DOTALL,
)


class CsvText:
    """CSV files, and how they are read.

    Attributes
    ----------
    files : list of File
    sample : File
        The first with rows, whose types all are read as.
    given : dict of str to Arrow type
    formats : Formats
    reading : dict
        What was given, for `Source.reading`.
    """

    def __init__(self, paths, delimiter=None, column_names=None, column_types=None, block_bytes=1 << 22, encoding=None):
        self.files = files_of(paths, CSV + TSV)
        if empty := [file.path for file in self.files if not file.size]:
            raise ValueError(f"{empty[0]} is empty, without even a header: remove it.")
        if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
            raise ValueError(f"delimiter must be one character or None, got {delimiter!r}.")
        self.sample, self._heads = self.files[0], {}
        self.delimiter, self.names, self.encoding = delimiter, column_names, checked_encoding(encoding)
        self.block_bytes = checked_integer("block_bytes", block_bytes)
        self.formats = Formats()
        self.given = {name: _type(name, dtype) for name, dtype in (column_types or {}).items()}
        types = {name: str(dtype) for name, dtype in self.given.items()} or None
        said = {"delimiter": delimiter, "column_names": column_names and list(column_names), "column_types": types}
        said["encoding"] = self.encoding
        self.reading = {name: value for name, value in said.items() if value is not None}

    def head(self, file):
        """The Head of a file."""
        if file not in self._heads:
            with self._named(file):
                self._heads[file] = head_of(file, self.encoding, self.delimiter, self.names, self.block_bytes)
        return self._heads[file]

    @contextmanager
    def opened(self, file, types=None, columns=(), advice=None):
        """A reader of record batches of those columns, all if there are none; errors, also from within, name the file, and
        say what to do about a cell that is of another type."""
        head = self.head(file)
        with self._named(file, advice), decoded(file, head.encoding) as stream:
            if head.empty:
                names = list(columns) or head.names
                schema = pa.schema([(name, (types or {}).get(name, pa.null())) for name in names])
                yield pa.RecordBatchReader.from_batches(schema, [])
                return
            stream.read(head.begins)
            with pc.open_csv(
                stream,
                pc.ReadOptions(use_threads=False, block_size=self.block_bytes, column_names=head.names),
                # Else a block ends at any newline; this is as fast with a single thread.
                pc.ParseOptions(delimiter=head.delimiter, newlines_in_values=True, invalid_row_handler=_unless_comment),
                pc.ConvertOptions(column_types=types, include_columns=list(columns), **self.formats.inferred),
            ) as reader:
                yield reader

    def written(self, formats):
        """The same text, whose numbers are written so."""
        new = copy.copy(self)
        new.formats = formats
        return new

    def first_rows(self, types=None, columns=()):
        """(schema, batch) of the first file with rows, by its first bytes and these types; no batch where there are no rows."""
        schema = batch = None
        for file in self.files if types is None else [self.sample]:
            with self.opened(file, self.given | (types or {}), columns) as reader:
                batch = next((batch for batch in reader if len(batch)), None)
                schema = schema or reader.schema
                if batch is not None:
                    schema, self.sample = reader.schema, file
                    break
        return schema, batch

    def schema(self):
        """(schema, batch) of the first rows, where nothing is asked of the columns."""
        schema, batch = self.first_rows()
        first, names = self.files[0], schema.names
        if len(names) == 1 and (other := next((mark for mark in ";\t|," if mark in names[0]), None)):
            raise ValueError(f"{first.path} has a single column, {names[0]!r}: is it delimiter={other!r}?")
        if unknown := [name for name in self.given if name not in names]:
            raise ValueError(
                f"column_types: there is no column {unknown[0]!r} in {first.path}; it has {offer(unknown[0], names)}"
            )
        if left_out := self.head(self.sample).left_out:
            # As pandas says of its index: such columns are no features, unless they are named.
            schema = schema.with_metadata({"pandas": json.dumps({"index_columns": left_out})})
        return schema, batch

    def check_names(self, needed, labels):
        """That each file has those columns, and one alone of each of `labels`."""
        for file in self.files:
            head = self.head(file)
            if lacks := [name for name in needed if name not in head.names]:
                raise ValueError(
                    f"{file.path} has no column {lacks[0]!r}, it has {offer(lacks[0], head.names)} All files must have the "
                    "columns of the first."
                )
            if several := [name for name in labels if name in head.renamed]:
                raise ValueError(
                    f"{file.path} has several columns {several[0]!r}, one of which is the target or a weight. Rename them in "
                    "its header."
                )

    @contextmanager
    def _named(self, file, advice=None):
        """As `encode.named`, with what to do about it; of a cell advice(name of the column, cell) says it."""
        try:
            with named(file.path):
                yield
        except NotUtf8:
            raise
        except ValueError as error:
            if cell := CELL.search(str(error)):
                if cell[4] is None:
                    raise not_utf8(file) from error
                name, said = self._cell(file, *cell.groups())
                advice = advice(name, cell[4]) if advice else "Mend that row, or leave it out."
                raise OddCell(name, cell[4], f"{said} {advice}") from error
            if isinstance(error.__cause__, UnicodeError) and self.encoding is not None:
                raise ValueError(f"{file.path} is not of encoding={self.encoding!r}: {error.__cause__}.") from error
            words = next((words for sign, words in ADVICE.items() if sign in str(error)), "")
            mark = f"delimiter={self.head(file).delimiter!r}" if words else ""
            raise ValueError(f"{error}{words.format(self.block_bytes, mark)}") from error

    def row(self, file, row):
        """In words, which row of a file that is, the first one being 0."""
        number = row + 1 + self.head(file).skipped
        return f"row {number}, counting the header" if self.names is None else f"row {number}"

    def _cell(self, file, column, row, dtype, cell):
        """The column of a cell, and in words, that it is not of the type of that."""
        names = self.head(file).names
        name = names[int(column)] if int(column) < len(names) else f"#{column}"
        where = self.row(file, int(row) - 1) if row else "a row"
        what = {"double": "number", "float": "number", "int64": "whole number", "bool": "true or false"}.get(
            dtype, dtype
        )
        return name, f"{file.path}: column {name!r} is read as {what}, and has in {where}, the invalid value {cell!r}."


def _unless_comment(row):
    """What to do about a row of another number of columns: what begins with # is a comment, and blanks are no row."""
    text = row.text.strip()
    return "skip" if not text or text.startswith("#") else "error"


def _type(name, dtype):
    try:
        return dtype if isinstance(dtype, pa.DataType) else pa.type_for_alias(dtype)
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"column_types: {dtype!r} for {name!r} is no Arrow type; 'float64' and 'string' are."
        ) from None
