"""CSV files, a piece at a time. It imports pyarrow, and so is imported in functions alone."""

import copy

from fastsgd.sources.csv_columns import CsvColumns
from fastsgd.sources.csv_head import NotUtf8
from fastsgd.sources.csv_text import TEXT, CsvText
from fastsgd.sources.features.columns import Columns
from fastsgd.sources.files import from_row
from fastsgd.sources.formats import Formats
from fastsgd.sources.tables import TabularSource


def source_of(paths, given, options):
    """The source of what `from_csv` was given: keywords of Text, and of a table."""
    try:
        return CsvSource(CsvText(paths, **given), options)
    except NotUtf8 as error:
        raise _with_columns(error, paths, given, options) from None


def _with_columns(error, paths, given, options):
    """An error about text that is not UTF-8; with what else is to be set once it is read, where that can be told."""
    try:
        odd = CsvSource(CsvText(paths, **given | {"encoding": error.guess}), options).odd
    except ValueError as other:
        odd = other
    if odd is None or f"{error.path}: " not in str(odd) or " Set " not in str(odd):
        return error
    said = str(odd).replace(f"{error.path}: ", f"{error.where}; ", 1)
    return ValueError(said.replace(" Set ", f" Set encoding={error.guess!r}, ", 1))


class CsvSource(TabularSource):
    """The rows of some files, one after another: see `from_csv`."""

    def __init__(self, text, options):
        self.text = text.written(Formats.of(options))
        first, self.table = text.files[0].path, CsvColumns(self.text, options)
        options = self.table.options
        with self.table.explaining():
            self.columns = Columns(self.table.schema, first, self.table.first_rows, **options)
        self.text.check_names(self.columns.needed, self.columns.labels)
        self.odd, self.texts = self.table.error, self.table.texts
        if self.columns.learnable:
            self.check_sense()
        self._finish(first, options)
        self.reading |= self.text.reading

    def again(self, options):
        return CsvSource(self.text, options)

    def like(self, reading):
        new = super().like(reading)
        if new is self and isinstance(reading.get("kinds"), dict):
            new = copy.copy(self)
            new.table = self.table.as_trained()
        return new

    def warn(self):
        super().warn()
        self.table.codes.tell(self.table.labels, self.table.asked)

    def warn_late(self):
        super().warn_late()
        self.table.codes.tell_late({*self.table.labels, *self.table.asked})

    def scan(self, names, block=None):
        return ((piece[0], self._read(*piece[1])) for piece in self._scan(names))

    def pieces(self):
        self.check_sense()
        return self._in_turn(self._scan(self.columns.needed))

    def targets(self):
        self.check_sense()
        return super().targets()

    def made(self, piece, hands=1):
        where, raw = piece
        return super().made((where, self._read(*raw)), hands)

    def _read(self, file, row, batch):
        words = [name for name, spelling in self.columns.spellings.items() if spelling == "text"]
        words += self.columns.options.text_features
        return self.table.read(file, row, batch, words)

    def _scan(self, names):
        """(where, (file, first row, batch as pyarrow reads it)) of all rows."""
        for file, row, batch in self.table.scan(names):
            yield from_row(file.path, row), (file, row, batch)

    def describe(self):
        files = [file.describe() for file in self.text.files]
        delimiter = self.text.head(self.text.sample).delimiter
        return {"format": "csv", "files": files, "delimiter": delimiter, **self.columns.describe()}


def raw_batches(paths, given):
    """(schema, batches) of the first file with rows, as it is read where nothing is asked of its columns."""
    text = CsvText(paths, **{name: given[name] for name in TEXT if name in given})
    schema, _ = text.schema()

    def batches():
        with text.opened(text.sample) as reader:
            yield from reader

    return schema, batches()
