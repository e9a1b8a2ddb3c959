"""Numbers that are missing: what stands for them, and the feature that says that one was."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.learning import Mean, Sample
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Batch, Column, Part

FILLING = (
    "(or 'median', 'most_frequent', a number, or one of these for each column), with null_indicator=True where it may matter "
    "that they are missing; or leave those rows out."
)
MAX_NAMED = 5  # An error names this many other columns that have nulls.


class Missing(ValueError):
    """A column of numbers has nulls, and nothing that stands for them."""

    def __init__(self, column: "FilledColumn", text: str) -> None:
        super().__init__(text)
        self.column = column

    def told(self, batch: pa.RecordBatch, columns: Iterable[Column]) -> ValueError:
        """With the other columns of the batch of which this is true, and what to do."""
        column, text = self.column, str(self).rstrip(".")
        unfilled = (c for c in columns if isinstance(c, FilledColumn) and c.fill is None and c is not column)
        shares = {other.name: batch.column(other.name).null_count / max(1, len(batch)) for other in unfilled}
        others = [f"{name!r} ({100 * share:.3g}%)" for name, share in shares.items() if share]
        if others:
            more = f" and {len(others) - MAX_NAMED} others" * (len(others) > MAX_NAMED)
            text += f"; so are some of {', '.join(others[:MAX_NAMED])}{more}"
        said = column.options.fill_null
        own = repr({**said, column.name: "mean"} if isinstance(said, dict) else "mean")
        return ValueError(f"{text}. Set fill_null={own} {FILLING}")


class FilledColumn(Column):
    """A column of numbers, one or `width` of them in a cell.

    Attributes
    ----------
    fill : float, list of float, or None
        Stands for nulls and NaN; None makes nulls an error.
    """

    width: int | None = None

    def __init__(self, field: pa.Field, options: Options) -> None:
        super().__init__(field, options)
        said = self.asked()
        self.word = said if isinstance(said, str) else None
        self.fill = self.known.get("fill") if self.word else said
        if self.word and self.fill is not None and isinstance(self.fill, list) != (self.width is not None):
            raise ValueError(
                f"learnt: {self.fill!r} can't stand for nulls of column {self.name!r}, of type {self.type}."
            )
        self.indicated = options.null_indicator and bool(self.known.get("nulls"))
        self._asks = options.null_indicator and options.learnt is None
        self.learns = self._asks or (self.word is not None and self.fill is None)
        self.n_samples = (self.width or 1) * (self.word in ("median", "most_frequent") and self.fill is None)
        self._statistics: Any = None
        self.instead = "give numbers (fill_null={})" if self.word else "leave out null_indicator"

    def asked(self) -> float | str | None:
        """What is to stand for nulls: a number, or a word for what is found."""
        return self.options.fill_of(self.name)

    def cells(self, array: pa.Array, where: str, fill: Any) -> np.ndarray:
        """The numbers, with `fill` for what is missing."""
        raise NotImplementedError

    def read(self, array: pa.Array, where: str) -> np.ndarray:
        try:
            return self.cells(array, where, self.fill)
        except encode.Null as error:
            raise Missing(self, str(error)) from None

    def absent(self, array: pa.Array) -> np.ndarray:
        values = self.cells(array, f"column {self.name!r}", np.nan)
        if values.dtype.kind != "f":
            return np.zeros(len(values), bool)
        return np.isnan(values) if values.ndim == 1 else np.isnan(values).any(axis=1)

    # ------------------------------------------------------------ the pass before training
    def see(self, array: pa.Array) -> None:
        nulls, plain = array.null_count > 0, pa.types.is_primitive(array.type)
        array = array.drop_null() if plain and nulls and self.width is None else array
        values = self.cells(array, f"column {self.name!r}", np.nan)
        if self._asks and not self.indicated:
            self.indicated = nulls or (values.dtype.kind == "f" and bool(np.isnan(values).any()))
        if self.word is None or self.fill is not None:
            return
        if self._statistics is None:
            self._statistics = [Sample(self.name, self.most) for _ in range(self.n_samples)] or [Mean()]
        columns = values.T if self.n_samples and values.ndim == 2 else [values]
        for statistic, column in zip(self._statistics, columns, strict=True):
            statistic.see(column)

    def finish(self) -> None:
        super().finish()
        if self.word is None or self.fill is not None:
            return
        found = [self._value(statistic) for statistic in self._statistics or ()]
        found = np.concatenate(found) if found else np.full(self.width or 1, np.nan)
        if (empty := np.isnan(found)).any():
            self.remark = (
                f"column {self.name!r} has no number{'' if empty.all() else ' in some of its places'}: it is filled with 0. "
                "Leave it out (columns=)."
            )
        found = np.where(empty, 0.0, found).tolist()
        self.fill, self._statistics = found if self.width else found[0], None

    def _value(self, statistic: Mean | Sample) -> np.ndarray:
        """What the word says of the numbers that were seen; NaN where there were none."""
        if isinstance(statistic, Mean):
            return np.atleast_1d(statistic.value)
        values = statistic.values
        if not len(values):
            return np.array([np.nan])
        if self.word == "median":
            return np.array([np.median(values)])
        numbers, counts = np.unique(values, return_counts=True)
        return numbers[[np.argmax(counts)]]  # the least of those that are as frequent

    def learnt(self) -> dict[str, Any]:
        return ({"fill": self.fill} if self.word else {}) | ({"nulls": True} if self.indicated else {})


class Indicator(Part):
    """1 where the cell of a column is null, else 0."""

    def __init__(self, *columns: Column) -> None:
        super().__init__(*columns)
        self.title = f"{self.title} is null"

    def becomes(self) -> str:
        return "a feature says where it is null"

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        (column,) = self.columns
        return [column.absent(batch.array(column)).astype(np.float32)]

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        return (self.at, float(cell is None or cell != cell)) if isinstance(cell, float | int | date | None) else None
