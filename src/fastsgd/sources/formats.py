"""How numbers, dates and what is missing are written in text. It imports pyarrow, and so is imported in functions alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from fastsgd.sources.date_text import DateFormat, format_of
from fastsgd.sources.numerals import DECIMALS, THOUSANDS, Numerals
from fastsgd.sources.reading import FORMATS
from fastsgd.sources.rules import fits
from fastsgd.sources.spelling import is_text

ABSENT = csv.ConvertOptions().null_values  # These words stand for nothing, such as NA.


@dataclass(frozen=True)
class Formats:
    """What users say of the spelling of cells: see `from_csv`. A dict is by column."""

    na_values: Sequence[str] | Mapping[str, Sequence[str]] = ()
    thousands: str | Mapping[str, str] | None = None
    decimal: str | Mapping[str, str] | None = None
    percent: bool = False
    currency: bool = False
    date_format: str | Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        given = self.na_values
        for words in given.values() if isinstance(given, Mapping) else [given]:
            if isinstance(words, str) or not all(isinstance(word, str) for word in words):
                raise ValueError(
                    f"na_values must be a list of words, or a dict of columns to such lists, got {given!r}."
                )
        for name, known in (("thousands", THOUSANDS), ("decimal", DECIMALS)):
            value = getattr(self, name)
            for mark in value.values() if isinstance(value, Mapping) else [value]:
                if mark is not None and mark not in known:
                    marks = ", ".join(map(repr, known))
                    raise ValueError(f"{name} must be one of {marks}, or a dict of columns to one, got {value!r}.")
        for name in ("percent", "currency"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}.")
        dates = self.date_format
        for text in dates.values() if isinstance(dates, Mapping) else [dates]:
            if text is not None and not isinstance(text, str):
                raise ValueError(
                    f"date_format must be a format of strptime, or a dict of columns to one, got {dates!r}."
                )
            if text is not None:
                format_of(text)
        for name in {None, *self._named("thousands"), *self._named("decimal")}:
            if self.numerals(name).thousands == self.numerals(name).decimal:
                raise ValueError(
                    f"thousands and decimal are both {self.numerals(name).decimal!r}: set decimal to the other of '.' and ','."
                )

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Formats":
        """Those among the keywords of a table."""
        return cls(**{name: options[name] for name in FORMATS if options.get(name) is not None})

    @property
    def inferred(self) -> dict[str, Any]:
        """What pyarrow is told of them, where it finds out types: what holds for all columns."""
        words = [] if isinstance(self.na_values, Mapping) else self.na_values
        return {"null_values": [*ABSENT, *words], "decimal_point": self.numerals(None).decimal}

    def reading(self) -> dict[str, Any]:
        """Those that were given, for `reading_`."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        found = {name: dict(v) if isinstance(v, Mapping) else v for name, v in found.items() if v}
        if isinstance(found.get("na_values"), tuple | list):
            found["na_values"] = list(found["na_values"])
        return found

    def _named(self, name: str) -> Sequence[str]:
        """The columns of which a keyword speaks alone."""
        value = getattr(self, name)
        return list(value) if isinstance(value, Mapping) else []

    def _of(self, name: str, column: str | None) -> Any:
        value = getattr(self, name)
        return (None if column is None else of_column(value, column)) if isinstance(value, Mapping) else value

    def speaks_of(self, column: str) -> bool:
        """Whether a keyword names the column."""
        names = "na_values", "thousands", "decimal", "date_format"
        return any(self._of(name, column) is not None for name in names if isinstance(getattr(self, name), Mapping))

    def numerals(self, column: str | None) -> Numerals:
        """How numbers are written in a column. Where points separate thousands, a comma is the decimal mark."""
        thousands, decimal = self._of("thousands", column), self._of("decimal", column)
        return Numerals(thousands, decimal or ("," if thousands == "." else "."), self.percent, self.currency)

    def date(self, column: str) -> DateFormat | None:
        """The format of dates in a column that was given."""
        text = self._of("date_format", column)
        return None if text is None else format_of(text)

    @property
    def dates_all(self) -> bool:
        """Whether a format of dates holds for all columns, and whole numbers may be such dates."""
        return isinstance(self.date_format, str) and {"%m", "%d"} <= set(format_of(self.date_format).parts)

    def absent(self, column: str | None = None) -> list[str]:
        """The words that stand for nothing where they are cells of a column that is not one of words."""
        return [*ABSENT, *self.words_absent(column)]

    def words_absent(self, column: str | None = None) -> list[str]:
        """As `absent`, in columns of words: there NA is one, as in Parquet."""
        return ["", *(self._of("na_values", column) or ())]


def of_column(said: Mapping[str, Any], name: str) -> Any:
    """What a dict by names or patterns says of a column: its name, or else the first pattern; None if nothing does."""
    return said.get(name, next((value for rule, value in said.items() if fits(rule, name, {})), None))


class CellText:
    """How the text of a column is read. A kind of them gives `type`, `what`, and `parse`.

    Attributes
    ----------
    type : pyarrow type
    absent : list of str
        These stand for nothing.
    """

    type: pa.DataType
    what: str

    def __init__(self, absent: Sequence[str]) -> None:
        self.absent = absent

    def parse(self, cells: pa.Array) -> pa.Array:
        """What strings say; null where they say none."""
        raise NotImplementedError

    def read(self, cells: pa.Array) -> tuple[pa.Array, tuple[int, str] | None]:
        """(what strings say, the place of the first that says nothing and is not absent, and itself; None if there is none)."""
        if pa.types.is_dictionary(cells.type):
            words, odd = self.read(cells.dictionary)
            return (words.take(cells.indices), None) if odd is None else self.read(strings(cells))
        cells = strings(cells)
        found = self.parse(cells)
        if found.null_count > cells.null_count:
            odd_cells = pc.and_(pc.is_valid(cells), pc.is_null(found))
            odd_cells = pc.and_not(odd_cells, is_absent(cells, self.absent))
            if (at := pc.index(odd_cells, True).as_py()) >= 0:
                return found, (at, cells[at].as_py())
        return found, None


class NumberText(CellText):
    """Numbers."""

    what = "number"

    def __init__(self, absent: Sequence[str], numerals: Numerals, dtype: pa.DataType) -> None:
        super().__init__(absent)
        self.numerals, self.type = numerals, dtype

    def parse(self, cells: pa.Array) -> pa.Array:
        absent = is_absent(cells, self.absent)  # an absent -999 is a number too
        if pc.any(absent).as_py():
            cells = pc.if_else(absent, pa.scalar(None, cells.type), cells)
        return self.numerals.read(cells, self.type)


class DateText(CellText):
    """Dates, or times."""

    what = "date"

    def __init__(self, absent: Sequence[str], format: DateFormat) -> None:
        super().__init__(absent)
        self.format, self.type = format, format.type

    def parse(self, cells: pa.Array) -> pa.Array:
        return self.format.read(cells)


class BooleanText(CellText):
    """True and false, in any case and with blanks around."""

    type, what = pa.bool_(), "true or false"

    def parse(self, cells: pa.Array) -> pa.Array:
        small = pc.utf8_lower(pc.utf8_trim_whitespace(cells))
        codes = pc.index_in(small, pa.array(["false", "true"], small.type))
        return pc.equal(codes, 1)


def strings(array: pa.Array) -> pa.Array:
    """Text as an array of strings."""
    if pa.types.is_dictionary(array.type):
        return array.dictionary.cast(pa.string()).take(array.indices)
    return array.cast(pa.string())


def is_absent(cells: pa.Array, words: Sequence[str]) -> pa.Array:
    """Which strings are one of these words, but for blanks around."""
    return pc.is_in(pc.utf8_trim_whitespace(cells), pa.array(words, cells.type))


def with_nulls(array: pa.Array, words: Sequence[str]) -> pa.Array:
    """Text with nulls for these words."""
    if not words or not is_text(array.type):
        return array
    absent = pc.is_in(strings(array), pa.array(words, pa.string()))
    if not absent.true_count:
        return array
    if not pa.types.is_dictionary(array.type):
        return pc.if_else(absent, pa.scalar(None, array.type), array)
    codes = pc.if_else(absent, pa.scalar(None, array.indices.type), array.indices)
    return pa.DictionaryArray.from_arrays(codes, array.dictionary)
