"""`progressive_`: how the loss of rows went along a pass or along calls, each row's before it was learnt from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_STRETCHES = 256  # Of so many stretches neighbours are merged, which leaves about half as many.
# `rows` counts those up to the end of the stretch; `weight` and `loss` are of the rows of the stretch alone: the sum of their
# weights, and the mean of their losses by weight. Of several heads both are means, but of coupled ones the loss is that of all.
PROGRESSIVE = np.dtype([("rows", "i8"), ("weight", "f8"), ("loss", "f8")])
SUMS = np.dtype([("rows", "i8"), ("losses", "f8"), ("weight", "f8")])
NOTHING = 0, 0.0, 0.0


class Progressive:
    """Sums of the losses of rows, stretch by stretch. It does not change: `plus` gives another one.

    Copies share memory as long as they can. A stretch has at least `unit` rows, but for the last, which is under way.

    Parameters
    ----------
    stretches : list of (rows, losses, weight)
        Of each stretch its rows, the sum of their losses, each times its weight, and the sum of their weights.
    n : int
        How many of them there are; the list may go on with those of a copy.
    unit : int
    last : (rows, losses, weight)
        The same of the stretch that is under way.
    """

    __slots__ = "last", "n", "stretches", "unit"

    def __init__(self, stretches: list[Any] | None = None, n: int = 0, unit: int = 1, last: Any = NOTHING) -> None:
        self.stretches, self.n = [] if stretches is None else stretches, n
        self.unit, self.last = unit, last

    def plus(self, rows: int, losses: float, weight: float) -> "Progressive":
        """With some more rows."""
        before = self.last
        last, n, stretches = (before[0] + rows, before[1] + losses, before[2] + weight), self.n, self.stretches
        if last[0] < self.unit:
            return Progressive(stretches, n, self.unit, last)
        if len(stretches) != n:
            stretches = stretches[:n]
        stretches.append(last)
        return Progressive(stretches, n + 1, self.unit) if n + 1 < MAX_STRETCHES else _merged(stretches)

    def sums(self) -> NDArray[Any]:
        """Those of all stretches, of the dtype SUMS."""
        return np.array(self._all(), SUMS)

    def array(self) -> NDArray[Any]:
        """What users are given, of the dtype PROGRESSIVE."""
        sums = self.sums()
        out = np.empty(len(sums), PROGRESSIVE)
        out["rows"], out["weight"] = np.cumsum(sums["rows"]), sums["weight"]
        with np.errstate(divide="ignore", invalid="ignore"):
            out["loss"] = sums["losses"] / sums["weight"]
        return out

    @classmethod
    def of(cls, sums: NDArray[Any], unit: int) -> "Progressive":
        """What has these `sums` and this unit."""
        stretches = sums.tolist()
        last = stretches.pop() if stretches and stretches[-1][0] < unit else NOTHING
        return cls(stretches, len(stretches), unit, last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Progressive) and self.unit == other.unit and self._all() == other._all()

    def _all(self) -> list[Any]:
        return self.stretches[: self.n] + [self.last] * (self.last[0] > 0)

    def __reduce__(self) -> Any:
        return Progressive, (self.stretches[: self.n], self.n, self.unit, self.last)


def _merged(stretches: list[Any]) -> Progressive:
    """With neighbours merged into stretches of about the same number of rows, about half as many."""
    unit = -(-2 * sum(rows for rows, _, _ in stretches) // MAX_STRETCHES)
    found, (rows, losses, weight) = [], NOTHING
    for n, more, s in stretches:
        rows, losses, weight = rows + n, losses + more, weight + s
        if rows >= unit:
            found.append((rows, losses, weight))
            rows, losses, weight = NOTHING
    return Progressive(found, len(found), unit, (rows, losses, weight))
