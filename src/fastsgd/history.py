"""What is kept of each epoch: one row of `history_`."""

from collections import namedtuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

# `loss` is the mean over the epoch of the loss of each row *before* its own step (free, and honest: the row had not been
# seen). `objective`, `gradient_norm`, and how far the parameters have moved in the epoch (`step_length`, and `change` as a
# share of their norm) are of the model at the end of the epoch, and NaN where nothing asked for them. With several heads
# losses, objectives and gradient norms are means.
Epoch = namedtuple("Epoch", "epoch loss objective validation_score eta gradient_norm change step_length seconds")
HISTORY = np.dtype([(name, "i8" if name == "epoch" else "f8") for name in Epoch._fields])


class History:
    """The epochs that are over. It does not change: `plus` gives another one, which shares its memory.

    Parameters
    ----------
    rows : structured array
        Of the dtype HISTORY, maybe with room at the end.
    n : int
        How many of them are epochs.
    """

    __slots__ = "n", "rows"

    def __init__(self, rows: NDArray[Any] | None = None, n: int = 0) -> None:
        self.rows, self.n = np.empty(16, HISTORY) if rows is None else rows, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Epoch:
        """The i-th, as an `Epoch`; from the end where i is negative."""
        if not -self.n <= i < self.n:
            raise IndexError(f"epoch {i} of {self.n}")
        return Epoch(*self.rows[i % self.n].item())

    def plus(self, epoch: Epoch) -> "History":
        """With one more. The room doubles when it is full, so that an epoch costs the same however many there are."""
        rows = self.rows
        if self.n == len(rows):
            rows = np.empty(2 * self.n, HISTORY)
            rows[: self.n] = self.rows
        rows[self.n] = epoch
        return History(rows, self.n + 1)

    def view(self) -> NDArray[Any]:
        """All rows, without a copy and read-only."""
        rows = self.rows[: self.n]
        rows.flags.writeable = False
        return rows

    def copy(self) -> NDArray[Any]:
        """All rows, in memory of their own."""
        return self.rows[: self.n].copy()
