"""What is kept of each of several trainings that differ in their start."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MODELS_BYTES = 1 << 26  # The models of all restarts of a fit take this much memory at most; else none of them is kept.


class Restart(NamedTuple):
    """One of several trainings: of `restarts_` of an estimator with n_init above 1, and of what `minimize` returns.

    Parameters
    ----------
    start, end : ndarray or None
        Where it began, and the model that it came to: of the shape of `coef_`, or of w0. Of a training that diverged at once
        the end is NaN. None where the models of all restarts together would take above 64 MB.
    start_intercept, end_intercept : ndarray or None
        The intercepts that go with them (of SGDOneClassSVM 1 - offset_); None of `minimize`.
    objective : float
        At the end, on all rows: by it the best is chosen. inf of a training that diverged at once.
    history : structured array
        As `history_`; of `minimize` a row for the start and for each step: steps, objective and gradient_norm.
    reason : str
        As `stop_reason_`; of `minimize` "max_iter" or "diverged".
    best : bool
        Whether it is the one that was returned.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> reg = SGDRegressor("tukey", init="normal", n_init=3, random_state=0).fit(X, X @ [1.0, 2.0])
    >>> len(reg.restarts_), sum(one.best for one in reg.restarts_)
    (3, 1)
    >>> best = min(reg.restarts_, key=lambda one: one.objective)
    >>> best.best, np.array_equal(best.end, reg.coef_), len(best.history) == reg.n_iter_
    (True, True, True)
    """

    start: NDArray[Any] | None
    end: NDArray[Any] | None
    start_intercept: NDArray[Any] | None
    end_intercept: NDArray[Any] | None
    objective: float
    history: NDArray[Any]
    reason: str
    best: bool = False


def with_best(restarts: list[Restart], best: int) -> list[Restart]:
    """The same, of which that one says that it is the best."""
    return [one._replace(best=i == best) for i, one in enumerate(restarts)]


def keeps_models(n: int, values: int, itemsize: int) -> bool:
    """Whether the models of n restarts are kept, of that many values each."""
    return 2 * n * values * itemsize <= MODELS_BYTES


STEPS = np.dtype([("steps", "i8"), ("objective", "f8"), ("gradient_norm", "f8")])


def trace(objective: NDArray[Any], gradient_norm: NDArray[Any]) -> NDArray[Any]:
    """The history of steps whose objective and gradient are all known: a row for the start and for each step."""
    rows = np.empty(len(objective), STEPS)
    rows["steps"], rows["objective"], rows["gradient_norm"] = np.arange(len(objective)), objective, gradient_norm
    return rows
