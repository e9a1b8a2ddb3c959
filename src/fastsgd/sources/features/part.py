"""What each kind of column, and each kind of feature, must say of itself."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from fastsgd.sources.features.learning import MAX_VALUES
from fastsgd.sources.features.options import Options

MAX_NAMED = 8  # A part of at most this many features names them, where it is described.


class Column:
    """A column of the table: how its cells are read, and what must be known of all of them before.

    Parameters
    ----------
    field : pyarrow.Field
        Its name and type, and what is said of it beside.
    options : Options
        Of the table, with the names of columns in place of rules.

    Attributes
    ----------
    kind : str
        What it is called in `kinds` of `Source.reading`, but for categories, which are called as they are spelled.
    learns : bool
        Whether it must be read once before its features have places.
    n_samples, most : int
        How many samples of its numbers are taken then, and how many numbers are in one.
    instead : str
        What to do so that it need not learn; {} stands for a dict of the columns of which that is so.
    indicated : bool
        Whether a feature says where its cells are null.
    remark : str or None
        What was found in that pass that whoever trains should know.
    """

    kind = ""
    spelling: str | None = None
    n_samples, most = 0, MAX_VALUES
    instead = ""
    indicated = False
    remark: str | None = None

    def __init__(self, field: pa.Field, options: Options) -> None:
        self.name, self.type, self.options = field.name, field.type, options
        self.known = (options.learnt or {}).get(self.name, {})  # What the pass before training has learnt.
        self.learns = False

    def typed(self, array: pa.Array) -> pa.Array:
        """An array of the column; of the type of the schema where there are nulls alone."""
        return array.cast(self.type) if pa.types.is_null(array.type) else array

    def read(self, array: pa.Array, where: str) -> Any:
        """The cells of a batch, as the parts of this kind of column take them."""
        raise NotImplementedError

    def see(self, array: pa.Array) -> None:
        """Take note of the cells of a batch, in the pass before the first training."""

    def finish(self) -> None:
        """That pass is over: `learns` is False from here on."""
        self.learns = False

    def learnt(self) -> dict[str, Any]:
        """What was learnt then that other data must be read with, in JSON values: `options.learnt` has it."""
        return {}

    def absent(self, array: pa.Array) -> np.ndarray:
        """Which cells are null."""
        return array.is_null().to_numpy(zero_copy_only=False)


class Batch:
    """A record batch, each of whose columns is read once, however many features it becomes."""

    def __init__(self, where: str, batch: pa.RecordBatch) -> None:
        self.where, self.batch, self._cells, self._numbers = where, batch, {}, {}

    def __len__(self) -> int:
        return len(self.batch)

    def array(self, column: Column) -> pa.Array:
        """A column as Arrow has it."""
        return column.typed(self.batch.column(column.name))

    def read(self, column: Column) -> Any:
        """The cells of a column."""
        if column.name not in self._cells:
            self._cells[column.name] = column.read(self.array(column), f"column {column.name!r} of {self.where}")
        return self._cells[column.name]

    def numbers(self, column: Column) -> np.ndarray:
        """The cells of a column of numbers, of the type that features have."""
        if column.name not in self._numbers:
            self._numbers[column.name] = self.read(column).astype(column.options.dtype, copy=False)
        return self._numbers[column.name]


class Tokens(NamedTuple):
    """Features of rows, some for each: what `csr_rows` takes.

    Attributes
    ----------
    starts : (n + 1,) int64 array or None
        Row i has the tokens from starts[i] to starts[i + 1]; None: token i.
    features : int32 array
        That of each token, or of each code; -1 is none.
    values : array
        Likewise.
    codes : int32 array or None
        Which of the features and values each token has; -1 is none. None: token i has features[i] and values[i].
    factors : array or None
        By which the value of each token is multiplied.
    """

    starts: np.ndarray | None
    features: np.ndarray
    values: np.ndarray
    codes: np.ndarray | None = None
    factors: np.ndarray | None = None


class Named(NamedTuple):
    """Names of features: names[i] is that of features[i], where it counts with the sign of values[i].

    Several words may share a hashed feature: each has its name, and its sign.
    """

    names: list[str]
    features: np.ndarray
    values: np.ndarray


class Part:
    """The features that one column, or several together, become.

    Attributes
    ----------
    title : str
        With which the names of the features begin.
    dense : bool
        Whether all of its values are stored: then `numbers` gives them, else `tokens`.
    hashed : bool
        Whether it has no features of its own, but shares those of hashed tokens.
    order : int
        Features of lower order come first.
    at, width : int
        The first feature, and how many there are; set when all columns have learnt.
    """

    dense, hashed, order = True, False, 0

    def __init__(self, *columns: Column) -> None:
        self.columns = columns
        self.pairs: list[Sequence[Column]] = [columns] if len(columns) > 1 else []  # Those whose products it has.
        self.title = ":".join(column.name for column in columns)
        self.at = 0

    @property
    def width(self) -> int:
        return 1

    def names(self) -> list[str] | None:
        """Those of its features; None where they have none."""
        return [self.title]

    def becomes(self) -> str:
        """What it is, in words for users."""
        if self.hashed:
            return "hashed"
        names = self.names()
        if names is None or len(names) > MAX_NAMED:
            return f"{self.width:,} features"
        if names == [self.title]:
            return "a feature"
        return f"{len(names)} feature{'s' * (len(names) > 1)}: {', '.join(names)}"

    def numbers(self, batch: Batch) -> list[Any] | np.ndarray:
        """Of a dense part an array (n,) for each feature, or what gives it by slices; or one array (n, width)."""
        raise NotImplementedError

    def tokens(self, batch: Batch) -> Tokens:
        """Of a part that is not dense."""
        raise NotImplementedError

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        """The feature and value of one cell, -1 where it has none; None where that takes a batch of one row to say."""
        return None

    def of_row(self, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
        """As `of_cell`, of the cells of a row by column: for a part of several columns, or that has several features."""
        return None

    def named(self, batch: Batch, wanted: np.ndarray | None = None) -> Named:
        """The features that rows of a batch have, by name; with `wanted`, a bool for each feature of the table, of those alone.

        Strings are made of the wanted ones alone: a pass over data for the names of some features is to be cheap.
        """
        index = np.arange(self.at, self.at + self.width)
        index = index if wanted is None else index[wanted[index]]
        known = self.names()
        names = [f"{self.title}[{j}]" if known is None else known[j] for j in index - self.at]
        return Named(names, index, np.ones(len(index)))
