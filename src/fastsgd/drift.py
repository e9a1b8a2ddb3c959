"""Whether what is to be learnt changes along the rows: by the losses of rows before they were learnt from."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

QUARTERS, MIN_STRETCHES, ENOUGH_STRETCHES = 4, 16, 40
# Each quarter of the stretches (of few stretches each half) is compared with each later one, by the test of Mann and Whitney.
# As models only get better, rows in a random order pass all of these with this probability at least.
ALARM = 0.001
MIN_ENDS = 4  # With fewer stretches the first and the last are too long to be called so.
LEAST_RISE = 0.01  # A rise of a smaller share of the loss is no matter.


class Rise(NamedTuple):
    """A quarter of the rows whose losses were higher than those of an earlier one.

    Attributes
    ----------
    before, after : float
        The mean losses of the two.
    rows : int
        How many rows had gone before the later one.
    """

    before: float
    after: float
    rows: int


def rise(progressive: NDArray[Any]) -> Rise | None:
    """The largest rise of the loss beyond chance, of a `progressive_`; None where there is none, or it is too short to tell."""
    found = progressive[(progressive["weight"] > 0) & np.isfinite(progressive["loss"])]
    if len(found) < MIN_STRETCHES:
        return None
    n = QUARTERS if len(found) >= ENOUGH_STRETCHES else 2
    parts = [found[lo:hi] for lo, hi in pairwise(np.arange(n + 1) * len(found) // n)]
    alarm = ALARM / (n * (n - 1) / 2)
    means = [mean_loss(part) for part in parts]
    rises = [
        Rise(means[i], means[j], int(parts[j - 1]["rows"][-1]))
        for j in range(n)
        for i in range(j)
        if means[j] - means[i] > LEAST_RISE * abs(means[i]) and _above(parts[i]["loss"], parts[j]["loss"]) < alarm
    ]
    return max(rises, key=lambda one: one.after - one.before, default=None)


def mean_loss(stretches: NDArray[Any]) -> float:
    """The mean loss of the rows of some records of a `progressive_`; NaN where they have no weight."""
    some = stretches[stretches["weight"] > 0]
    return float(np.average(some["loss"], weights=some["weight"])) if len(some) else float("nan")


class Ends(NamedTuple):
    """The mean losses of the first and the last tenth of the rows, or a little more, and how many rows these are."""

    first: float
    first_rows: int
    last: float
    last_rows: int


def ends(progressive: NDArray[Any]) -> Ends | None:
    """Those of a `progressive_`; None where they would have rows in common, or half of all."""
    rows = progressive["rows"]
    if len(rows) < MIN_ENDS:
        return None
    first = int(np.searchsorted(rows, 0.1 * rows[-1])) + 1
    last = max(first, int(np.searchsorted(rows, 0.9 * rows[-1], side="right")) - 1) + 1
    before = int(rows[last - 1])
    last_rows = int(rows[-1]) - before
    if last >= len(rows):
        return None
    return Ends(mean_loss(progressive[:first]), int(rows[first - 1]), mean_loss(progressive[last:]), last_rows)


def said(found: Rise, est: Any) -> str:
    """A rise in a training of this estimator, in words."""
    why = "what is to be learnt changes along the rows"
    if getattr(est, "learning_rate", None) != "auto":
        why += ", or steps are too long"
    before, after, rows = f"{found.before:.4g}", f"{found.after:.4g}", f"{found.rows:,}"
    return (
        f"the mean loss of rows before they were learnt from rose from {before} to {after}, from row {rows} on: {why}."
    )


def forgetting(est: Any) -> str:
    """What to do where rows that come in the order of time are learnt in that order, in words."""
    if not getattr(est, "half_life", True):
        return "To predict rows to come, have late rows count more: set half_life, a number of rows or 'auto'."
    return "To predict rows to come, see whether a model of late rows alone is better on the rows after them."


def _above(early: NDArray[Any], late: NDArray[Any]) -> float:
    """The probability that the values of `late` are by chance so far above those of `early`."""
    from scipy.stats import mannwhitneyu  # It takes long to import.

    method = "exact" if len(early) < QUARTERS * MIN_STRETCHES else "asymptotic"
    return float(mannwhitneyu(late, early, alternative="greater", method=method).pvalue)
