"""Is the gradient right? Differences of the objective beside it."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse

from fastsgd.estimators.hints import Data, RandomState
from fastsgd.random_states import generator

STEP = float(np.cbrt(np.finfo(float).eps))  # Central differences then lose to rounding what they lose to curvature.


@dataclass(frozen=True, eq=False, repr=False)
class GradientCheck:
    """What `check_gradient` finds.

    Attributes
    ----------
    places : ndarray of shape (n_checked,)
        Which numbers were checked, as places in ``coef_.ravel()`` followed by ``intercept_.ravel()``.
    analytic, numeric : ndarray of shape (n_checked,)
        The gradient there by the formula, and by differences of the objective.
    analytic_seconds, numeric_seconds : float
        What the whole gradient took by the formula, and what the differences took.
    """

    places: NDArray[np.int64]
    analytic: NDArray[np.float64]
    numeric: NDArray[np.float64]
    analytic_seconds: float
    numeric_seconds: float

    @property
    def largest_difference(self) -> float:
        """The largest distance of analytic and numeric."""
        return float(abs(self.analytic - self.numeric).max())

    def __repr__(self) -> str:
        return (
            f"GradientCheck({len(self.places)} numbers, largest difference {self.largest_difference:.2g} beside a largest "
            f"of {abs(self.analytic).max():.2g}; {self.analytic_seconds:.2g} s by the formula, {self.numeric_seconds:.2g} s by "
            "differences)"
        )


def check_gradient(
    estimator: Any,
    X: Data,
    y: ArrayLike | None = None,
    coef: ArrayLike | None = None,
    intercept: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    n_checked: int = 100,
    random_state: RandomState = 0,
) -> GradientCheck:
    """Compare the gradient of the objective with central differences of it: (f(w + h e_j) - f(w - h e_j)) / 2 h.

    Parameters
    ----------
    estimator : SGDClassifier, SGDRegressor, LinearClassifier or LinearRegressor
        Or anything with methods `objective` and `gradient` that take these arguments.
    X, y, coef, intercept, sample_weight
        As in `estimator.objective`.
    n_checked : int, default=100
        Numbers to check at most, drawn where there are more: each takes two passes over the rows.
    random_state : int, Generator or RandomState, default=0
        Of the draw.

    Returns
    -------
    GradientCheck
        Differences are of 1e-10 or so where the loss is smooth and numbers are about 1. Where a margin lies at a kink ("hinge", a
        coefficient of 0 under L1), the two need not agree.

    Raises
    ------
    ValueError, NotFittedError
        As `estimator.objective`; or n_checked < 1.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, section 8.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDClassifier
    >>> from fastsgd.inspection import check_gradient
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.standard_normal((50, 3)), rng.integers(0, 2, 50)
    >>> check_gradient(SGDClassifier("log_loss"), X, y, coef=[0.5, -1.0, 2.0]).largest_difference < 1e-9
    True
    """
    if n_checked < 1:
        raise ValueError(f"n_checked must be at least 1, got {n_checked}.")
    began = perf_counter()
    gradient = estimator.gradient(X, y, coef=coef, intercept=intercept, sample_weight=sample_weight)
    seconds = perf_counter() - began
    flat = np.append(np.ravel(gradient.coef), gradient.intercept)
    split = np.size(gradient.coef)
    w: Any = estimator.coef_ if coef is None else coef
    w = np.asarray(w.toarray() if issparse(w) else w, float).reshape(np.shape(gradient.coef))
    there = getattr(estimator, "intercept_", 0.0) if intercept is None else intercept
    b = np.broadcast_to(np.asarray(there, float), np.shape(gradient.intercept))
    point, has_intercept = np.append(w.ravel(), b.ravel()), getattr(estimator, "fit_intercept", True)
    places = np.arange(len(flat) if has_intercept else split)
    if len(places) > n_checked:
        places = np.sort(generator(random_state).choice(places, n_checked, replace=False))

    def objective(j: int, step: float) -> float:
        at = point.copy()
        at[j] += step
        there = {"coef": at[:split].reshape(w.shape), "intercept": at[split:].reshape(b.shape)}
        return float(estimator.objective(X, y, **there, sample_weight=sample_weight))

    began, numeric = perf_counter(), np.zeros(len(places))
    for i, j in enumerate(places.tolist()):
        step = STEP * max(1.0, abs(point[j]))
        numeric[i] = (objective(j, step) - objective(j, -step)) / (2 * step)
    return GradientCheck(places, flat[places], numeric, seconds, perf_counter() - began)
