"""What is learnt of numbers in the pass before training: their mean, and a sample of them."""

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Of a column this many values are kept, of all columns together that many: beyond them, a random sample of as many.
MAX_VALUES, MAX_ALL = 1_000_000, 16_000_000
TINY = 2.0**-64  # Sums are kept multiplied by it, so that no sum of finite numbers is too large.


class Mean:
    """The mean of the numbers that are finite; of rows (n, k), that of each of k columns."""

    def __init__(self) -> None:
        self._sum, self._lost, self._n = np.float64(0.0), np.float64(0.0), np.int64(0)

    def see(self, values: NDArray[Any]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            more, n = values.sum(axis=0, dtype=np.float64) * TINY, np.int64(len(values))
        if not np.isfinite(more).all():
            finite = np.isfinite(values)
            more, n = (np.where(finite, values, 0.0) * TINY).sum(axis=0), finite.sum(axis=0)
        total = self._sum + more
        larger = np.abs(self._sum) >= np.abs(more)
        self._lost = self._lost + np.where(larger, (self._sum - total) + more, (more - total) + self._sum)
        self._sum, self._n = total, self._n + n

    @property
    def value(self) -> NDArray[np.float64]:
        """NaN where there were none."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self._sum + self._lost) / self._n / TINY


class Sample:
    """The numbers that are finite: all of them up to `most`, of more a random sample of as many, the same in each run."""

    def __init__(self, name: str, most: int) -> None:
        self.most, self._seen = most, 0
        self._random = np.random.default_rng(zlib.crc32(name.encode("utf-8", "surrogatepass")))
        self._parts: list[NDArray[Any]] = []

    def see(self, values: NDArray[Any]) -> None:
        values = values if values.dtype.kind == "f" else values.astype(np.float64)
        values = values[np.isfinite(values)]
        if room := max(0, self.most - self._seen):
            self._parts.append(values[:room])
        later = np.arange(self._seen + min(room, len(values)), self._seen + len(values))
        self._seen += len(values)
        if len(later):  # Number i, from 0, takes the place of one that is kept, with a chance of most in i + 1.
            places = (self._random.random(len(later)) * (later + 1)).astype(np.int64)
            chosen = places < self.most
            self.values[places[chosen]] = values[room:][chosen]

    @property
    def values(self) -> NDArray[Any]:
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts)] if self._parts else [np.zeros(0)]
        return self._parts[0]
