"""Columns of text of Parquet and Arrow that are numbers or dates. It imports pyarrow, and so is imported in functions alone."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from fastsgd.sources.formats import DateText, Formats, NumberText, strings
from fastsgd.sources.odd_columns import FEW_NUMBERS
from fastsgd.sources.rules import fits
from fastsgd.sources.settling import Settling
from fastsgd.sources.spelling import is_text
from fastsgd.sources.text_columns import OddCell, TextColumns


class TypedTexts(TextColumns):
    """Those of a table whose columns have types: text is text there, unless it says numbers by the marks of `Formats`, or dates.

    Parameters
    ----------
    schema : pyarrow.Schema
    options : dict
        The keywords of the table.
    first_rows : function of a list of str
        The first rows of those columns; None where there are none.
    """

    def __init__(
        self, schema: pa.Schema, options: Mapping[str, Any], first_rows: Callable[[list[str]], pa.RecordBatch | None]
    ) -> None:
        super().__init__(Formats.of(options), options)
        self.given, self.kinds = bool(self.formats.reading()), options.get("kinds")
        self.value = pa.from_numpy_dtype(options.get("dtype", "f4"))
        self.fractions: list[str] = []
        words = [field.name for field in schema if is_text(field.type) and schema.names.count(field.name) == 1]
        if isinstance(self.kinds, dict):
            for name in words if self.given else ():
                self._as_trained(name)
        elif self.kinds is None:
            words = [name for name in words if not self._is_left(name)]
            rows = first_rows(words) if words else None
            for name in words if rows is not None and len(rows) else ():
                self._look_at(name, rows.column(name))

    def _is_left(self, name: str) -> bool:
        """Whether it is said that a column is text, or no feature."""
        options, left = self.options, [self.options.get("segment"), self.options.get("weight")]
        for argument in ("categorical_features", "text_features", "exclude"):
            given = options.get(argument)
            left += given if isinstance(given, list | tuple) else ()
        targets = options.get("target")
        left += [targets] if isinstance(targets, str) else list(targets or ()) if not self.given else ()
        return any(rule == name or fits(rule, name, {}) for rule in left if isinstance(rule, str))

    def _as_trained(self, name: str) -> None:
        kind = self.kinds.get(name)
        if kind == "date":
            self.dates(name)
        elif kind is None and name in (self.options.get("columns") or ()):
            self.numbers(name, self.value)

    def _look_at(self, name: str, array: Any) -> None:
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays([strings(chunk) for chunk in array.chunks])
        cells = strings(array)
        self.look(name, cells, self.value)
        found = self.read_as.get(name)
        plain = not isinstance(found, NumberText | DateText)
        if isinstance(found, DateText) and found.format.format.startswith("%Y-") and self.formats.date(name) is None:
            plain = True  # What is in ISO 8601 is text here, unless `dates` names it.
        if isinstance(found, NumberText):
            marks = found.numerals.marks(cells.filter(pa.compute.is_valid(found.parse(cells))))
            plain = marks.plain and not self.formats.speaks_of(name) and not self._has_na(cells)
            if plain and _are_fractions(cells):
                self.fractions.append(name)
        if found is not None and plain:
            del self.read_as[name]

    def _has_na(self, cells: pa.Array) -> bool:
        """Whether a cell is one of the words for nothing that were given."""
        words = self.formats.words_absent(None)[1:]
        return bool(words) and bool(pa.compute.any(pa.compute.is_in(cells, pa.array(words, cells.type))).as_py())

    def error_of_features(self, columns: Any, where: str, first_rows: Callable[[list[str]], Any]) -> ValueError | None:
        """What is to be said of features that are odd, where marks tell, or words that can only be for nothing."""
        self.odd = [
            one for one in self.odd if columns.kinds.get(one.name) == "category" and one.name in columns.features
        ]
        self.odd = [one for one in self.odd if one.tells and not one.is_words]
        numbers = [name for name, kind in columns.kinds.items() if kind == "number"]
        for name in self.fractions:
            if columns.kinds.get(name) == "category" and name in columns.features:
                columns.columns[name].remark = (
                    f"{where}: column {name!r} is text, and has numbers with fractions, each of which is a category. "
                    f"decimal={{{name!r}: '.'}} reads it as numbers, categorical_features=[{name!r}] says that they are names."
                )

        def settling(odd: list[Any]) -> Settling:
            fills, features = self.options.get("fill_null") is None, set(columns.features)
            return Settling(odd, self.formats, features, set(), numbers, [], lambda names: {}, fills=fills)

        return self.error(settling, where, lambda row: row)

    def read_typed(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """A batch with numbers and dates in place of their text."""
        if not self.read_as and not self.formats.na_values:
            return batch
        try:
            return self.read(
                batch, lambda name: self.formats.words_absent(name)[1:], lambda row: f"row {row} of {where}"
            )
        except OddCell as odd:
            raise OddCell(odd.column, odd.cell, f"{odd} {self._advice_on(odd.column, odd.cell)}") from None

    def _advice_on(self, name: str, cell: str) -> str:
        """In words, what to do about a cell that is of another type than its column."""
        if isinstance(self.kinds, dict):
            return f"In training it was a {self.read_as[name].what}: mend that row, or leave it out."
        nothing = [*self.formats.words_absent(name)[1:], cell.strip()]
        return (
            f"Mend that row, or leave it out; or set na_values={nothing!r}; or, if the column is one of words, "
            f"categorical_features=[{name!r}]."
        )


def _are_fractions(cells: pa.Array) -> bool:
    """Whether there are more different numbers with fractions than there are names such as 36.5."""
    fractions = cells.filter(pa.compute.match_substring(cells, "."))
    return len(pa.compute.unique(fractions.drop_null())) > FEW_NUMBERS
