"""The columns of text of a table, and what is made of them before they become features. It imports pyarrow, and so is imported in
functions alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from fastsgd.sources.formats import CellText, DateText, Formats, NumberText, of_column, with_nulls
from fastsgd.sources.odd_columns import Odd, look
from fastsgd.sources.settling import Settling, error_of
from fastsgd.sources.spelling import is_text


class OddCell(ValueError):
    """A cell is not of the type of its column.

    Attributes
    ----------
    column, cell : str
    """

    def __init__(self, column: str, cell: str, text: str) -> None:
        super().__init__(text)
        self.column, self.cell = column, cell


class TextColumns:
    """How columns of text are read.

    Parameters
    ----------
    formats : Formats
    options : dict
        The keywords of the table.

    Attributes
    ----------
    read_as : dict of str to CellText
        Columns that are numbers, dates, or true and false.
    odd : list of Odd
        Columns that are neither read nor taken for words in silence.
    """

    def __init__(self, formats: Formats, options: Mapping[str, Any]) -> None:
        self.formats, self.options = formats, options
        self.read_as: dict[str, CellText] = {}
        self.odd: list[Odd] = []

    def look(self, name: str, cells: pa.Array, dtype: pa.DataType) -> None:
        """Find out what the text of a column is, by its first cells; numbers are of that type."""
        found = look(name, cells, self.formats, dtype)
        if isinstance(found, Odd):
            self.odd.append(found)
        elif found is not None:
            self.read_as[name] = found

    def leave(self, wanted: Callable[[str], bool]) -> None:
        """Forget all columns but those."""
        self.read_as = {name: cells for name, cells in self.read_as.items() if wanted(name)}
        self.odd = [one for one in self.odd if wanted(one.name)]

    def numbers(self, name: str, dtype: pa.DataType) -> None:
        """Have the text of a column read as numbers."""
        self.read_as[name] = NumberText(self.formats.absent(name), self.formats.numerals(name), dtype)

    def dates(self, name: str) -> None:
        """Have the text of a column read as dates of the format that is given."""
        format = self.formats.date(name)
        if format is not None:
            self.read_as[name] = DateText(self.formats.absent(name), format)

    def retyped(self, schema: pa.Schema) -> pa.Schema:
        """A schema as it is after reading."""
        types = {name: cells.type for name, cells in self.read_as.items()}
        fields = [f.with_type(types[f.name]) if f.name in types and is_text(f.type) else f for f in schema]
        return pa.schema(fields, schema.metadata)

    def read(
        self, batch: pa.RecordBatch, absent: Callable[[str], Sequence[str]], row: Callable[[int], str]
    ) -> pa.RecordBatch:
        """A batch with numbers and dates in place of their text, and nulls for what stands for nothing.

        Parameters
        ----------
        batch : RecordBatch
        absent : function of a str
            The words that stand for nothing in a column of that name which stays text.
        row : function of an int
            In words, where that row of the batch is.
        """
        arrays, fields = [], []
        for field, array in zip(batch.schema, batch.columns, strict=True):
            name = field.name
            if is_text(field.type):
                if name in self.read_as:
                    array, odd = self.read_as[name].read(array)
                    if odd is not None:
                        raise OddCell(name, odd[1], self.in_words(name, odd[1], row(odd[0])))
                else:
                    array = with_nulls(array, absent(name))
            arrays.append(array)
            fields.append(field.with_type(array.type))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def in_words(self, name: str, cell: str, where: str) -> str:
        """In words, that a cell is not of the type of its column."""
        return f"column {name!r} is read as {self.read_as[name].what}, and has in {where}, the invalid value {cell!r}."

    def advice(self, name: str, cell: str, is_feature: bool) -> str:
        """In words, which keywords settle a cell that is not of the type of its column; empty if none does."""
        if isinstance(self.read_as.get(name), DateText):
            return ""
        found = look(name, pa.array([cell, cell]), self.formats, pa.float64())
        if isinstance(found, Odd) and found.what == "numbers":
            features = {name} if is_feature else set[str]()
            settling = Settling([found], self.formats, features, set(), [], [], lambda names: {})
            return ", ".join(f"{key}={value!r}" for key, value in settling.keywords().items())
        return ""

    def reading(self) -> dict[str, Any]:
        """What a model keeps of it: what was given, and the formats of dates that were found."""
        found = self.formats.reading()
        dates = {name: cells.format.format for name, cells in self.read_as.items() if isinstance(cells, DateText)}
        own = self.formats.date_format
        if isinstance(own, Mapping):
            found["date_format"] = {
                **own,
                **{name: text for name, text in dates.items() if of_column(own, name) is None},
            }
        elif dates and (own is None or set(dates.values()) != {own}):
            found["date_format"] = dates
        return found

    def error(
        self, settling: Callable[[list[Odd]], Settling], path: str, row: Callable[[int], int]
    ) -> ValueError | None:
        """What is to be said of the columns that are odd."""
        return error_of(settling(self.odd), path, row) if self.odd else None
