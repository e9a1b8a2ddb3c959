"""Columns of numbers of which the logarithm is taken: counts, prices and sizes, of which a few are far larger than the others."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fastsgd.sources import encode
from fastsgd.sources.features.number import NUMBERS, Number, NumberColumn
from fastsgd.sources.features.part import Column


class LogColumn(NumberColumn):
    """A number in each cell, which counts as log(1 + x), or as -log(1 - x) where it is below 0.

    What stands for nulls is found of the logarithms; a number that is given for them is one of the column itself.
    """

    kind = "log1p"

    def cells(self, array: pa.Array, where: str, fill: float | None) -> NDArray[Any]:
        values = log1p(encode.numbers(array, where, None if fill is None else np.nan))
        if fill is not None and not np.isnan(fill) and (absent := np.isnan(values)).any():
            values[absent] = fill if self.word else self.value(fill)
        return values

    def value(self, cell: float) -> float:
        return math.copysign(math.log1p(abs(float(cell))), cell)


class Log1p(Number):
    """The logarithm."""

    columns: tuple[LogColumn]

    def __init__(self, *columns: Column) -> None:
        super().__init__(*columns)
        self.title = f"log1p({self.title})"

    def becomes(self) -> str:
        return f"a feature, {self.title}"

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        if isinstance(cell, NUMBERS) and cell - cell == 0:
            return self.at, self.columns[0].value(cell)
        return None


def log1p(values: NDArray[Any]) -> NDArray[Any]:
    """A new array of log(1 + x), or -log(1 - x) where x is below 0.

    >>> log1p(np.array([0, 3, -3])).round(3).tolist()
    [0.0, 1.386, -1.386]
    """
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    return np.copysign(np.log1p(abs(values)), values)
