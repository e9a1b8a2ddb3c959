"""Columns of lists of as many numbers in each row."""

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.number import filled
from fastsgd.sources.features.part import Batch, Column, Part


class VectorColumn(Column):
    """A list of k numbers in each cell."""

    kind = "vector"

    def read(self, array: pa.Array, where: str) -> np.ndarray:
        """An array (n, k), without a copy where that is possible."""
        return filled(encode.vectors, array, where, self.options.fill_null)


class Vector(Part):
    """A feature for each place of the list."""

    @property
    def width(self) -> int:
        return self.columns[0].type.list_size

    def names(self) -> list[str]:
        return [f"{self.title}[{i}]" for i in range(self.width)]

    def numbers(self, batch: Batch) -> np.ndarray:
        return batch.read(self.columns[0])
