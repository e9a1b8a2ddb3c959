"""What the columns of CSV files are, and their rows as such. It imports pyarrow, and so is imported in functions alone."""

import copy
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute

from fastsgd.sources import encode
from fastsgd.sources.codes import Codes
from fastsgd.sources.csv_head import not_utf8
from fastsgd.sources.date_text import formats_of
from fastsgd.sources.features.names import by_names
from fastsgd.sources.features.options import SPELLINGS
from fastsgd.sources.formats import NumberText, strings
from fastsgd.sources.rules import is_rule
from fastsgd.sources.settling import Settling
from fastsgd.sources.spelling import SPELLING, is_text, spelling_of
from fastsgd.sources.text_columns import OddCell, TextColumns

TIMES = {
    pa.timestamp("s"): pa.timestamp("us"),
    pa.timestamp("s", "UTC"): pa.timestamp("us", "UTC"),
}


class CsvColumns:
    """The columns of CSV files: the types that pyarrow reads them as, and what is made of their text.

    Parameters
    ----------
    text : CsvText
    options : dict
        Keywords of a table; none takes all columns as features. With dtype=None columns of numbers keep their types.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of all columns as they are read.
    codes : Codes
    error : ValueError or None
        What is to be said where columns are read as words that are meant as numbers or dates.
    """

    def __init__(self, text, options):
        self.text, self.options, self.kinds = text, options, options.get("kinds")
        self.labels, self.asked, self.weight = _labels(options), _asked(options), options.get("weight")
        self.widens = self.options.get("dtype", "f4") is not None
        inferred, batch = text.schema()
        self.texts, self.codes, self.error = TextColumns(text.formats, options), Codes(text), None
        self.words = []  # columns of what pyarrow would take for numbers
        self._check_utf8(inferred)
        raw = (self._trained if isinstance(self.kinds, dict) else self._untrained)(inferred, batch)
        self.types = {field.name: field.type for field in raw}
        self.schema = self.texts.retyped(raw)

    def _check_utf8(self, schema):
        used = self.options.get("columns")
        used = schema.names if not isinstance(used, list | tuple) else [*used, *self.labels]
        if any(pa.types.is_binary(field.type) for field in schema if field.name in used):
            raise not_utf8(self.text.sample)

    # ------------------------------------------------------------ which types they have
    def _value(self, name):
        """The type of a number in a column."""
        is_label = name == self.weight or name in self.labels
        return (
            pa.float64()
            if is_label or not self.widens
            else pa.from_numpy_dtype(np.dtype(self.options.get("dtype", "f4")))
        )

    def _raw(self, schema, types):
        """The schema that pyarrow reads: other types of some columns, none of those that are given."""
        given = self.text.given
        fields = [f.with_type(types.get(f.name, f.type)) if f.name not in given else f for f in schema]
        return pa.schema(fields, schema.metadata)

    def first_rows(self, names):
        """The text of the first rows of those columns; None where there are no rows."""
        return self.text.first_rows(dict.fromkeys(names, pa.string()), names)[1]

    def _trained(self, schema, batch):
        """As what columns are read whose kinds are known: categories as text, and as numbers what was a number."""
        types, used = {}, self.options.get("columns")
        for field in schema:
            name, kind = field.name, self.kinds.get(field.name)
            if used is not None and name not in (*used, *self.labels, self.weight):
                continue
            if name in self.labels or name == self.weight:
                if is_text(field.type) and batch is not None:
                    self.texts.look(name, strings(batch.column(name)), self._value(name))
            elif kind in (*SPELLINGS, "words"):
                types[name] = pa.string()
            elif kind == "date":  # which is read from text in ISO 8601
                types[name] = pa.string()
                if self.text.formats.date(name) is not None:
                    self.texts.dates(name)
                elif is_text(field.type) and batch is not None:
                    self.texts.look(name, strings(batch.column(name)), self._value(name))
            elif kind is None and (is_text(field.type) or self.texts.formats.speaks_of(name)):
                types[name] = pa.string()
                self.texts.numbers(name, self._value(name))
            elif kind is None and not pa.types.is_boolean(field.type):
                types[name] = self._value(name)
        self.texts.odd = [one for one in self.texts.odd if one.what == "dates" and len(one.dates) > 1]
        self._look_for_error(schema)
        if self.error is not None:
            raise self.error
        return self._raw(schema, types)

    def _untrained(self, schema, batch):
        """As what columns are read by the first rows; those that are to be categories as text, so that none is lost."""
        is_new = self.kinds is None
        whole, written = self._look(schema, batch) if batch is not None and is_new else ([], None)
        self.options = by_names(self.texts.retyped(schema), self.text.files[0].path, self.options, self.first_rows)
        self.asked, texts = _asked(self.options), self.options.get("text_features")
        texts = texts if isinstance(texts, list | tuple) else ()
        self.texts.leave(lambda name: name in self._used(schema) and name not in {*self.asked, *texts})
        self.codes = Codes.of(self.text, [name for name in whole if name in self._used(schema)], written, self.asked)
        types, fields = {}, []
        for field in schema:
            name, dtype = field.name, field.type
            if name in self.texts.read_as:
                types[name] = pa.string()
            elif name in self.asked and name not in self.text.given:
                spelling = "text" if name in self.codes.codes else spelling_of(dtype) or "text"
                field = pa.field(name, pa.string(), metadata={SPELLING: spelling} if is_new else None)
            elif name in (*texts, *self.words):
                types[name] = pa.string()
            elif self.widens and self._is_number(field) and name not in self.labels:
                types[name] = self._value(name)
            fields.append(field)
        self._look_for_error(schema)
        return self._raw(pa.schema(fields, schema.metadata), {**types, **_of_times(fields)})

    def _is_number(self, field):
        return encode.kind_of(field.type) in ("number", "null") and not pa.types.is_boolean(field.type)

    def _used(self, schema):
        """The names of the columns that are features, targets and weights."""
        used = self.options.get("columns")
        return {*used, *self.labels, *self.asked, self.weight} if isinstance(used, list | tuple) else set(schema.names)

    def _look(self, schema, batch):
        """Find out what the text of the first rows is, of columns whose types are not given; (columns of whole numbers, their
        text)."""
        formats, rules = self.text.formats, self.options.get("columns") or ()
        used = set(schema.names) if any(is_rule(name, schema.names) for name in rules) else self._used(schema)
        free = [f for f in schema if f.name in used and f.name not in self.text.given]
        whole = [f.name for f in free if pa.types.is_integer(f.type) and f.name != self.weight]
        dates = set(whole) if formats.dates_all else set[str]()
        named = {f.name for f in free if self._is_number(f) and (formats.speaks_of(f.name) or f.name in dates)}
        others = [*whole, *(named - {*whole})]
        written = self.first_rows(others) if others else None
        for field in free:
            if field.name in self.asked or field.name == self.options.get("segment"):
                continue
            if field.name in whole and _any_hex(written.column(field.name)):
                self.words.append(field.name)
            elif field.name in named:
                self._look_at_numbers(field.name, written.column(field.name))
            elif is_text(field.type):
                self.texts.look(field.name, strings(batch.column(field.name)), self._value(field.name))
        self.texts.odd = [one for one in self.texts.odd if one.name not in whole or one.what == "dates"]
        return [name for name in whole if name not in (*self.texts.read_as, *self.words)], written

    def _look_at_numbers(self, name, cells):
        """As `look`, of a column of numbers that may be dates, or written otherwise than pyarrow reads them."""
        self.texts.look(name, cells, self._value(name))
        found = self.texts.read_as.get(name)
        if isinstance(found, NumberText) and found.numerals.plain and not self.text.formats.speaks_of(name):
            del self.texts.read_as[name]

    def _look_for_error(self, schema):
        """Set `error`: what is odd, and the keywords that settle it; None where nothing is."""
        sample, labels = self.text.sample, {*self.labels, self.weight}
        numbers = [f.name for f in schema if self._is_number(f) and f.name not in self.text.given]
        read = [name for name, cells in self.texts.read_as.items() if isinstance(cells, NumberText)]

        def settling(odd):
            return Settling(
                odd,
                self.text.formats,
                set(schema.names) - labels,
                set(self.labels),
                [*numbers, *read],
                [f.name for f in schema if f.name in numbers and pa.types.is_floating(f.type)],
                lambda names: dict(
                    zip(names, self.text.first_rows(dict.fromkeys(names, pa.string()), names)[1], strict=True)
                ),
                fills=self.options.get("fill_null") is None,
                drops=self.options.get("target_nulls", "error") == "error",
                commas=self.text.head(sample).delimiter == ";",
                counting=", counting the header" if self.text.names is None else "",
            )

        self.error = self.texts.error(settling, sample.path, lambda row: row + 1 + self.text.head(sample).skipped)

    @contextmanager
    def explaining(self):
        """A ValueError from within about a column that is odd says why it is."""
        try:
            yield
        except ValueError as error:
            if self.error is not None and any(repr(one.name) in str(error) for one in self.texts.odd):
                raise self.error from error
            raise

    # ------------------------------------------------------------ their rows
    def as_trained(self):
        """The same, of which it is known what they were in training."""
        new = copy.copy(self)
        new.kinds = {}
        return new

    def scan(self, names):
        """(file, first row, batch as pyarrow reads it) of all rows. Numbers some of which are written in other ways are read
        as text from the first of these on."""
        for file in self.text.files:
            done = 0
            while True:
                row, types = 0, {name: self.types[name] for name in names}
                try:
                    with self.text.opened(file, types, names, self.advice) as reader:
                        for number, batch in enumerate(reader):
                            if number >= done and len(batch):
                                self.codes.see(file, number, batch)
                                yield file, row, batch
                            row, done = row + len(batch), max(done, number + 1)
                    break
                except OddCell as odd:
                    if not self._is_written_otherwise(odd.column, odd.cell):
                        raise

    def _is_written_otherwise(self, name, cell):
        """Whether a cell that is no number as pyarrow reads them is one as it is said that they are written, or none; then the
        column is read as text from now on."""
        dtype = self.types.get(name, pa.null())
        whole = pa.types.is_integer(dtype)
        if not (pa.types.is_floating(dtype) or whole) or name in self.text.given or (whole and _is_number(cell)):
            return False
        formats = self.text.formats
        value = pa.float64() if whole or name in self.labels else dtype
        cells = NumberText(formats.absent(name), formats.numerals(name), value)
        if cells.read(pa.array([cell]))[1] is not None:
            return False
        self.texts.read_as[name] = cells
        self.types = {**self.types, name: pa.string()}
        return True

    def read(self, file, row, batch, words):
        """A batch with numbers and dates in place of their text; in the columns `words` NA is a word."""
        formats = self.text.formats

        def absent(name):
            return formats.words_absent(name) if name in words else formats.absent(name)

        try:
            return self.texts.read(batch, absent, lambda at: self.text.row(file, row + at))
        except OddCell as odd:
            raise ValueError(f"{file.path}: {odd} {self.advice(odd.column, odd.cell)}") from None

    def advice(self, name, cell):
        """In words, what to do about a cell that is of another type than its column."""
        if isinstance(self.kinds, dict) and name not in self.labels:
            return f"In training it was a {self._what(name)}: mend that row, or leave it out."
        if name == self.weight:
            return "Mend that row, or leave it out."
        if _is_number(cell) and not isinstance(self.texts.read_as.get(name), NumberText):
            first = f"The types of columns follow from the first block_bytes={self.text.block_bytes}"
            return f"{first}: set column_types={{{name!r}: 'float64'}}."
        if self.types.get(name) == pa.date32() and formats_of(pa.array([cell]))[0]:
            return f"Set column_types={{{name!r}: 'timestamp[us]'}}."
        is_feature = name not in self.labels
        flags = self.texts.advice(name, cell, is_feature)
        text = (
            ""
            if name in self.text.given
            else f"; or, if the column is one of text, set column_types={{{name!r}: 'string'}}"
        )
        if flags:
            return f"Set {flags}{text}."
        nothing = f"; or set na_values={[*self._na_values(name), cell.strip()]!r}" + ", fill_null='mean'" * (
            is_feature and self.options.get("fill_null") is None
        )
        return f"Mend that row, or leave it out{nothing}{text}."

    def _na_values(self, name):
        own = self.text.formats.words_absent(name)
        return own[1:]

    def _what(self, name):
        return self.texts.read_as[name].what if name in self.texts.read_as else "number"


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _any_hex(cells):
    """Whether a cell is a number to the base 16, which is a name."""
    return compute.any(compute.match_substring_regex(cells, "^[ +-]*0[xX]")).as_py()


def _of_times(fields):
    return {field.name: TIMES[field.type] for field in fields if field.type in TIMES}


def _labels(options):
    target = options.get("target") or ()
    found = [target] if isinstance(target, str) else list(target) if np.iterable(target) else []
    segment = options.get("segment")
    return found if segment is None else [*found, segment]


def _asked(options):
    """The columns that are to be categories."""
    asked = options.get("categorical_features") or ()
    return set(asked) if isinstance(asked, list | tuple | set) else set()
