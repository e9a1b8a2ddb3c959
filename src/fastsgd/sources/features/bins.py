"""Columns of numbers that are cut into bins, each of which is a category."""

from bisect import bisect_left
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fastsgd.sources import encode
from fastsgd.sources.features.category import Categories, CategoryColumn, CodedWords
from fastsgd.sources.features.learning import Sample
from fastsgd.sources.features.number import NUMBERS
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Column

DIGITS = range(6, 18)  # Edges are spelled with the least number of digits that tells them apart.


class BinsColumn(CategoryColumn):
    """A number in each cell, which stands for the bin that it is in.

    Attributes
    ----------
    edges : list of float or None
        Where one bin ends, with that number in it, and the next begins; None before they are learnt.
    """

    kind, instead = "bins", "leave out bins"

    def __init__(self, field: pa.Field, options: Options) -> None:
        Column.__init__(self, field, options)
        self.n_bins, self.hashed, self.has_null = options.bins[self.name], False, True
        self.n_samples, self._sample = 1, None
        self.learns, self.edges = True, None
        if "edges" in self.known:
            self._cut(self.known["edges"])

    def _cut(self, edges: list[float]) -> None:
        self.learns, self.edges = False, edges
        self.categories = pa.array(bin_names(edges), pa.string())

    def _numbers(self, array: pa.Array, where: str) -> NDArray[Any]:
        """As features have them, so that a number is in the same bin in whichever format it comes; NaN for nulls."""
        return encode.numbers(array, where, np.nan).astype(self.options.dtype)

    def read(self, array: pa.Array, where: str) -> CodedWords:
        values = self._numbers(array, where)
        codes = np.searchsorted(np.asarray(self.edges), values).astype(np.int32)
        codes[np.isnan(values)] = len(self.categories)
        return CodedWords(pa.concat_arrays([self.categories, pa.nulls(1, pa.string())]), codes)

    def see(self, array: pa.Array) -> None:
        self._sample = Sample(self.name, self.most) if self._sample is None else self._sample
        self._sample.see(self._numbers(array, f"column {self.name!r}"))

    def finish(self) -> None:
        values = np.zeros(0) if self._sample is None else self._sample.values
        if not len(values):
            self.remark = f"column {self.name!r} has no number to be cut into bins. Leave it out (columns=)."
        self._cut(quantiles(values, self.n_bins))
        self._sample = None

    def learnt(self) -> dict[str, Any]:
        return {"edges": self.edges}


class Bins(Categories):
    """A feature for each bin, and one for nulls."""

    def of_cell(self, cell: Any) -> tuple[int, float] | None:
        if cell is not None and not isinstance(cell, NUMBERS):
            return None
        number = np.nan if cell is None else float(self.options.dtype.type(cell))
        return self.at + (bisect_left(self.words.edges, number) if number == number else self.width - 1), 1.0


def quantiles(values: NDArray[Any], n: int) -> list[float]:
    """Numbers that cut the values into n bins of about as many; into fewer where so many values are the same.

    Each is the upper end of a bin in which there is a value, and none is as large as the largest value.

    >>> quantiles(np.arange(1.0, 9.0), 4), quantiles(np.array([0.0, 0, 0, 0, 0, 1, 2]), 4)
    ([2.75, 4.5, 6.25], [0.0])
    """
    if not len(values):
        return []
    values = np.sort(values).astype(np.float64)
    edges = np.quantile(values, np.arange(1, n) / n)
    below, first = np.unique(np.searchsorted(values, edges, side="right"), return_index=True)
    return edges[first[below < len(values)]].tolist()


def bin_names(edges: list[float]) -> list[str]:
    """What the bins are called.

    >>> bin_names([20.5, 31.0]), bin_names([])
    (['(-inf, 20.5]', '(20.5, 31]', '(31, inf)'], ['(-inf, inf)'])
    """
    words: list[str] = []
    for digits in DIGITS:
        words = [str(int(x)) if x.is_integer() and abs(x) < 1e15 else f"{x:.{digits}g}" for x in edges]
        if len({*words}) == len(edges):
            break
    ends = [*(f"{word}]" for word in words), "inf)"]
    return [f"({low}, {high}" for low, high in zip(["-inf", *words], ends, strict=True)]
