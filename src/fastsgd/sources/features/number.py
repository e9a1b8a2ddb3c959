"""Columns of numbers and of true and false, and products of two of them."""

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.part import Batch, Column, Part


class NumberColumn(Column):
    """A number in each cell, or true or false; or text that says one, where the column was one of numbers in training."""

    kind = "number"

    def read(self, array: pa.Array, where: str) -> np.ndarray:
        """An array (n,), of the type that the file has."""
        return filled(encode.numbers, array, where, self.options.fill_null)


def filled(read, array, where, fill):
    """read(array, where, fill); an error about nulls says what to do."""
    try:
        return read(array, where, fill)
    except ValueError as error:
        if "null" not in str(error) or fill is not None:
            raise
        raise ValueError(f"{error} Set fill_null=0.0 (or the column's mean), or leave those rows out.") from None


class Number(Part):
    """The number itself."""

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        return [batch.read(self.columns[0])]


class Product(Part):
    """The product of two numbers."""

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        a, b = (batch.read(column).astype(column.options.dtype) for column in self.columns)
        return [a * b]
