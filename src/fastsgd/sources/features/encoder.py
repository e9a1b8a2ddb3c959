"""Rows one at a time, without tables: from the cells of a row to its features. For services that answer one question at once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.category import CategoryColumn
from fastsgd.sources.features.columns import Columns
from fastsgd.sources.features.dates import DateParts
from fastsgd.sources.features.options import OPTIONS
from fastsgd.sources.features.part import Batch, Column, Part
from fastsgd.sources.spelling import can_be

# What a column of each kind is where there is no table. A cell may be of any other type that such a column can be read from.
TYPES = {
    "number": pa.float64(),
    "tokens": pa.list_(pa.string()),
    "pairs": pa.list_(pa.struct([("index", pa.int32()), ("value", pa.float64())])),
    "date": pa.timestamp("us"),
}


class Encoder:
    """What a row of a table becomes: `source.encoder()`.

    It holds no rows and nothing of a training, and may be called by several threads at once.

    Parameters
    ----------
    columns : Columns
        Of which all is known that must be learnt.

    Attributes
    ----------
    names : list of str
        The columns that are features, in the order in which a tuple has them.
    n_features : int

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastsgd.sources import from_arrow
    >>> table = pa.table({"late": [1, 0], "miles": [2.0, 3.0], "from": ["JFK", "LGA"]})
    >>> encoder = from_arrow(table, target="late", categorical="one-hot").encoder()
    >>> features, values = encoder({"miles": 7, "from": "LGA"})
    >>> features.tolist(), values.tolist()
    ([0, 2], [7.0, 1.0])
    """

    def __init__(self, columns: Columns) -> None:
        self.names, self.n_features, self._columns = list(columns.features), columns.n_features, columns
        one = [part for part in columns.parts if len(part.columns) == 1 and not isinstance(part, DateParts)]
        self._centers = columns.centers if columns.sparse else None
        self._of_one = [(part, part.columns[0].name) for part in one]
        self._of_several = [part for part in columns.parts if part not in one]

    @classmethod
    def of(cls, reading: Mapping[str, Any], n_features: int) -> "Encoder":
        """That of a model, from its `reading_` and its number of features."""
        if "kinds" not in reading:
            raise ValueError(
                "the model is of a version that kept no kinds of columns: train it anew, or predict by a source."
            )
        kinds = reading["kinds"]
        columns = _columns(reading, kinds, 1)
        vectors = sum(kind == "vector" for kind in kinds.values())
        if vectors and columns.n_features < n_features:  # A reading does not say how wide they are.
            columns = _columns(reading, kinds, 1 + (n_features - columns.n_features) // vectors)
        if columns.n_features != n_features:
            raise ValueError(
                f"the model has {n_features} features, and its columns have {columns.n_features}: rows can't be read one at a "
                "time. Predict by a source of fastsgd.sources."
            )
        return cls(columns)

    def __call__(self, row: Mapping[str, Any] | Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        """The features of a row, and their values; those that are 0 may be left out.

        Parameters
        ----------
        row : dict of column to cell, or sequence of the cells in the order of `names`
            None and NaN are nulls. Of a dict other columns are not looked at.

        Returns
        -------
        features : (k,) int array
        values : (k,) float64 array

        Raises
        ------
        ValueError
            A column is missing, or its cell is not what it was in training; it is named.
        """
        features, values = self.lists(row)
        return np.array(features, np.intp), np.array(values, np.float64)

    def lists(self, row: Mapping[str, Any] | Sequence[Any]) -> tuple[list[int], list[float]]:
        """As a call, in lists."""
        cells = row if isinstance(row, dict) else self._as_dict(row)
        features: list[int] = []
        values: list[float] = []
        batch = None
        try:
            for part, name in self._of_one:
                found = part.of_cell(cells[name])
                if found is None:
                    batch = OneRow(cells) if batch is None else batch
                    _add(part, batch, features, values)
                elif found[0] >= 0:
                    features.append(found[0])
                    values.append(found[1])
            for part in self._of_several:
                several = part.of_row(cells)
                if several is None:
                    batch = OneRow(cells) if batch is None else batch
                    _add(part, batch, features, values)
                for feature, value in several or ():
                    if feature >= 0:
                        features.append(feature)
                        values.append(value)
        except KeyError as error:
            raise ValueError(
                f"the row has no column {error}; the model has {', '.join(map(repr, self.names))}."
            ) from None
        except OverflowError:  # A column of several parts is one of a part of its own, too.
            raise ValueError(f"column {name!r} is a number too large for float64.") from None
        if self._centers is not None:
            n_dense, centers = len(self._centers), self._centers
            values = [
                value - centers[at] if at < n_dense else value for at, value in zip(features, values, strict=True)
            ]
        return features, values

    def _as_dict(self, row: Any) -> dict[str, Any]:
        """The row of a tuple, or of any mapping, such as a pandas Series."""
        if isinstance(row, Mapping) or hasattr(row, "items"):
            return dict(row.items())
        if isinstance(row, str) or not hasattr(row, "__len__") or len(row) != len(self.names):
            what = f"{len(row)} cells" if hasattr(row, "__len__") and not isinstance(row, str) else repr(row)
            raise ValueError(
                f"a row must be a dict, or a sequence of {len(self.names)} cells in the order of the columns, got {what}."
            )
        return dict(zip(self.names, row, strict=True))


def _columns(reading: Mapping[str, Any], kinds: Mapping[str, str], width: int) -> Columns:
    """The columns of a model, where vectors have that many places."""
    types = TYPES | {"vector": pa.list_(pa.float64(), width)}
    fields = [pa.field(name, types.get(kinds.get(name, "number"), pa.string())) for name in reading["columns"]]
    options = {name: value for name, value in reading.items() if name in OPTIONS}
    columns = Columns(pa.schema(fields), "the model", **options)
    columns.assign_places("the model")
    return columns


class OneRow(Batch):
    """A batch of one row, whose cells become arrays when they are read."""

    def __init__(self, cells: Mapping[str, Any]) -> None:
        self.where, self.cells, self._cells, self._numbers = "the row", cells, {}, {}

    def __len__(self) -> int:
        return 1

    def array(self, column: Column) -> pa.Array:
        return _array(self.cells[column.name], column)

    def read(self, column: Column) -> Any:
        name = column.name
        if name not in self._cells:
            array = self.array(column)
            try:
                self._cells[name] = column.read(array, f"column {name!r}")
            except (ValueError, pa.ArrowException) as error:
                if not array.null_count:
                    raise ValueError(f"column {name!r} is {self.cells[name]!r}: {error}") from error
                raise ValueError(
                    f"column {name!r} has no value, and the model was trained without nulls: give one, or train with fill_null."
                ) from None
        return self._cells[name]


def _array(cell: Any, column: Column) -> pa.Array:
    """An array of a cell, of its own type where it has one that the column can be read from."""
    if cell is None or (isinstance(cell, float | np.floating) and cell != cell):
        return pa.array([None], column.type)
    try:
        nested = isinstance(cell, list | tuple | dict)
        array = pa.array([cell], column.type) if nested else pa.array([cell], from_pandas=True)  # NaT and NA are nulls
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"column {column.name!r} can't be {cell!r}: {error}") from None
    if not nested and array.null_count:
        return pa.array([None], column.type)
    if isinstance(column, CategoryColumn) and column.spelling and not can_be(column.spelling, array.type):
        raise ValueError(
            f"column {column.name!r} is {cell!r}, of type {array.type}; in training it was {column.spelling}."
        )
    if not column.spelling and column.kind != "date" and encode.kind_of(array.type) == "date":
        raise ValueError(f"column {column.name!r} is {cell!r}, of type {array.type}; in training it was no date.")
    return array


def _add(part: Part, row: OneRow, features: list[int], values: list[float]) -> None:
    """Append the features of a part, and their values."""
    if part.dense:
        found = [float(one) for column in part.numbers(row) for one in np.ravel(column)]
        for one in found:
            if one - one != 0.0:
                raise ValueError(f"column {part.title!r} is {one}: give a finite number.")
        features += range(part.at, part.at + part.width)
        values += found
        return
    tokens = part.tokens(row)
    codes = range(len(tokens.features)) if tokens.codes is None else tokens.codes.tolist()
    factors = [1.0] * len(codes) if tokens.factors is None else tokens.factors.tolist()
    for code, factor in zip(codes, factors, strict=True):
        if code >= 0 and tokens.features[code] >= 0:
            features.append(int(tokens.features[code]))
            values.append(float(tokens.values[code]) * factor)
