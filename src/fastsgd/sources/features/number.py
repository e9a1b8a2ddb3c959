"""Columns of numbers and of true and false, and products of two of them."""

from collections.abc import Iterable, Mapping
from itertools import combinations_with_replacement
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

    def value(self, cell: float) -> float:
        """What one cell becomes."""
        return float(cell)


class Number(Part):
    """The number itself."""

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        if isinstance(cell, NUMBERS) and cell - cell == 0:  # it is finite
            return self.at, float(cell)
        return None

    def numbers(self, batch: Batch) -> list[np.ndarray]:
        return [batch.read(self.columns[0])]


class Times:
    """The products of two arrays, which are made where they are asked for: of many columns there are very many."""

    def __init__(self, a: np.ndarray, b: np.ndarray) -> None:
        self.a, self.b = a, b

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.a[rows] * self.b[rows]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.a * self.b, dtype)


class Product(Part):
    """The product of two numbers."""

    def numbers(self, batch: Batch) -> list[Times]:
        return [Times(*map(batch.numbers, self.columns))]

    def of_row(self, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
        return _products(self, cells)


class Polynomial(Part):
    """The squares of numbers, and the products of each with each; but for the products that others have made."""

    def __init__(self, columns: list[NumberColumn], made: Iterable[Iterable[str]]) -> None:
        super().__init__(*columns)
        self.title, known = "polynomial", {frozenset(pair) for pair in made}
        pairs = combinations_with_replacement(columns, 2)
        self.pairs = [pair for pair in pairs if frozenset(column.name for column in pair) not in known]

    @property
    def width(self) -> int:
        return len(self.pairs)

    def names(self) -> list[str]:
        return [f"{a.name}^2" if a is b else f"{a.name}:{b.name}" for a, b in self.pairs]

    def numbers(self, batch: Batch) -> list[Times]:
        return [Times(*map(batch.numbers, pair)) for pair in self.pairs]

    def of_row(self, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
        return _products(self, cells)


def _products(part: Part, cells: Mapping[str, Any]) -> list[tuple[int, float]] | None:
    """The products of a row, by `Part.pairs`, where all of its numbers are finite."""
    own = {column.name: cells[column.name] for column in part.columns}
    if not all(isinstance(cell, NUMBERS) and cell - cell == 0 for cell in own.values()):
        return None
    products = (a.value(own[a.name]) * b.value(own[b.name]) for a, b in part.pairs)
    return list(enumerate(products, part.at))
