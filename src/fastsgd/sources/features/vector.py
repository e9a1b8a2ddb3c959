"""Columns of lists of as many numbers in each row."""

from typing import Any

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.features.missing import FilledColumn
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Batch, Part


class VectorColumn(FilledColumn):
    """A list of k numbers in each cell."""

    kind = "vector"

    def __init__(self, field: pa.Field, options: Options) -> None:
        self.width = field.type.list_size
        super().__init__(field, options)

    def cells(self, array: pa.Array, where: str, fill: Any) -> np.ndarray:
        """An array (n, k), without a copy where that is possible."""
        return encode.vectors(array, where, fill)


class Vector(Part):
    """A feature for each place of the list."""

    @property
    def width(self) -> int:
        return self.columns[0].type.list_size

    def names(self) -> list[str]:
        return [f"{self.title}[{i}]" for i in range(self.width)]

    def numbers(self, batch: Batch) -> np.ndarray:
        return batch.read(self.columns[0])
