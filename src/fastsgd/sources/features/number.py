"""Columns of numbers and of true and false, and products of two of them."""

from typing import Any

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.missing import FilledColumn
from fastsgd.sources.features.part import Batch, Part

NUMBERS = float, int, np.floating, np.integer  # True and False are of int.


class NumberColumn(FilledColumn):
    """A number in each cell, or true or false; or text that says one, where the column was one of numbers in training."""

    kind = "number"

    def cells(self, array: pa.Array, where: str, fill: float | None) -> np.ndarray:
        """An array (n,), of the type that the file has."""
        return encode.numbers(array, where, fill)


class Number(Part):
    """The number itself."""

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        if isinstance(cell, NUMBERS) and cell - cell == 0:  # it is finite
            return self.at, float(cell)
        return None

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        return [batch.read(self.columns[0])]


class Product(Part):
    """The product of two numbers."""

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        a, b = (batch.read(column).astype(column.options.dtype) for column in self.columns)
        return [a * b]
