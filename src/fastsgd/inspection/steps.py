"""Step sizes beside each other: many values of eta0 over the same rows, each a real fit."""

from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.estimators.hints import Data

# Sizes go up to MOST_SHARE times the one that follows from the curvature; where the schedule lets them fall, by as much more as
# they fall in the first pass, up to MAX_FALL. They begin at LEAST_SHARE of it, or, where a pass has few steps, at the size whose
# steps together get FIRST_PASS of the way in the first pass.
LEAST_SHARE, MOST_SHARE, FIRST_PASS, MAX_FALL = 1e-5, 1e3, 0.1, 1e3
# The suggestion is at most 1 / SAFETY of the size at which fits diverge, if that costs no more than COST of the objective.
SAFETY, COST = 3.0, 0.01


@dataclass(frozen=True, eq=False, repr=False)
class StepSizes:
    """What `step_sizes` finds. An array has a value, or a row, for each size.

    Attributes
    ----------
    etas : ndarray of shape (n_etas,)
        The step sizes; they rise.
    objectives : ndarray of shape (n_etas, n_epochs)
        The objective at the end of each epoch; NaN after the last epoch of the fit.
    losses : ndarray of shape (n_etas, n_epochs)
        The mean loss of the rows of each epoch, each before its own step; NaN after the last epoch of the fit.
    final_objective : ndarray of shape (n_etas,)
        That of the model of each fit, be it of the last epoch or of the best; inf where numbers overflowed, or nearly.
    diverged : ndarray of shape (n_etas,), bool
        Whether the fit says so, by an error or its `stop_reason_`, or the final objective is more than a tenth above that of the
        start.
    n_iter : ndarray of shape (n_etas,), int
    stop_reason : ndarray of shape (n_etas,), str
        The `stop_reason_` of each fit; "diverged" of one that ends with an error.
    coefs : ndarray of shape (n_etas, \\*coef_.shape)
        The `coef_` of each fit. One that diverged holds the last finite model.
    intercepts : ndarray of shape (n_etas, n_intercepts)
        The `intercept_` of each fit; of `SGDOneClassSVM` its `offset_`.
    start_objective : float
        The objective before the first step.
    eta0 : float
        The estimator's own.
    name : str
        The estimator, in words, for titles.
    """

    etas: NDArray[np.float64]
    objectives: NDArray[np.float64]
    losses: NDArray[np.float64]
    final_objective: NDArray[np.float64]
    diverged: NDArray[np.bool_]
    n_iter: NDArray[np.int64]
    stop_reason: NDArray[np.str_]
    coefs: NDArray[Any]
    intercepts: NDArray[np.float64]
    start_objective: float
    eta0: float
    name: str

    @property
    def diverges_at_(self) -> float:
        """The least of the sizes from which on all diverged; NaN where the largest did not."""
        last = np.flatnonzero(~self.diverged)
        first = last[-1] + 1 if len(last) else 0
        return float(self.etas[first]) if first < len(self.etas) else float("nan")

    @property
    def best_(self) -> float:
        """The size of the least objective; NaN where all diverged."""
        return float("nan") if self.diverged.all() else float(self.etas[np.argmin(self._sound())])

    @property
    def suggestion_(self) -> float:
        """The size of the least objective among those up to a third of `diverges_at_`, if that costs little; else `best_`.

        Little is 1% of the objective, or of how far it fell from the start, whichever is less. NaN where all diverged.
        """
        objective = self._sound()
        best = float(objective.min())
        safe = ~(self.etas > self.diverges_at_ / SAFETY)  # All, where none diverged.
        if self.diverged.all() or not safe.any():
            return self.best_
        found = np.flatnonzero(safe)[np.argmin(objective[safe])]
        allowed = best + COST * min(abs(best), self.start_objective - best)
        return float(self.etas[found]) if objective[found] <= allowed else self.best_

    def _sound(self) -> NDArray[np.float64]:
        """`final_objective`, inf where the fit diverged."""
        return np.where(self.diverged, np.inf, self.final_objective)

    def __repr__(self) -> str:
        low, high = self.etas[[0, -1]]
        said = f"{len(self.etas)} values of eta0 from {low:.3g} to {high:.3g}, {self.name}: "
        if self.diverged.all():
            return f"StepSizes({said}all diverged, try smaller ones)"
        eta, ends = self.suggestion_, self.diverges_at_
        value = self.final_objective[self.etas == eta][0]
        said += f"suggestion_={eta:.3g} of objective {value:.5g}, "
        said += "the largest does not diverge" if np.isnan(ends) else f"diverges_at_={ends:.3g}"
        edge = {low: "smaller", high: "larger"}.get(eta) if low < high else None
        return f"StepSizes({said}{f'; try {edge} ones, too' if edge else ''})"


def step_sizes(
    estimator: Any, X: Data, y: ArrayLike | None = None, etas: int | ArrayLike = 30, *, sample_weight: Any = None
) -> StepSizes:
    """Fit an estimator with many values of eta0 on the same rows, see how far each gets, and suggest one.

    Each is what ``clone(estimator).set_params(eta0=eta).fit(X, y, sample_weight=sample_weight)`` gives, to rounding, and
    ends by the estimator's own rules. Where models can share the steps of a pass (plain SGD and AdaGrad along single rows),
    each value of X is loaded once for all of them.

    Parameters
    ----------
    estimator : SGDClassifier, SGDRegressor or SGDOneClassSVM
        It is not changed. Its own `eta0` is not looked at. Its schedule may be any that has an eta0: with "pa1" and "pa2" that
        is the most a step may be, and steps never diverge. "optimal", "auto" and functions have none, and are refused, as are
        line search, `n_init`, "hogwild" and callbacks.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
    y : array-like, default=None
        As `fit` takes it; None for a source and for `SGDOneClassSVM`.
    etas : int or array-like of shape (n_etas,), default=30
        The step sizes; or a number of them, on a logarithmic scale that follows from the rows, see the notes.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    StepSizes
        The objectives by epoch, which fits diverged, the coefficients; `suggestion_`, and `diverges_at_`, the least size from
        which on all diverged.

    Raises
    ------
    ValueError
        Bad parameters or data, or an estimator that has no eta0.
    KeyboardInterrupt
        On Ctrl-C. To end earlier with what there is by then, set the estimator's `max_seconds`, which is the time of all fits
        together.

    See Also
    --------
    plot_history : draws the epochs of one fit.

    Notes
    -----
    With c the largest curvature of the loss, for a batch of one row the scale is
    ``eta_1 = (1 - momentum) / (c max_i s_i (|x_i|^2 + 1) + alpha (1 - l1_ratio))``: no step goes farther than to where its row
    has no more slope. For larger batches B, ``|x_i|^2`` counts by 1 / B, and the largest eigenvalue of the second moments of the
    rows by the rest. Where the loss has kinks, c is that with which a step takes off a tenth of it. With optimizers whose
    steps are about as long as eta0, whatever the slopes (Adam and its like), eta_1 is the size of the weights that are needed.
    The sizes go from max(1e-5, 0.1 / steps of a pass) to 1e3 times eta_1; where the schedule falls, the largest is larger by as
    much as it falls in the first pass, up to 1000 times.

    The suggestion is the size of the least objective among those up to a third of `diverges_at_`. If it costs more than 1% of
    the objective, or of its fall from the start, it is the size of the least objective of all. The objective is of the rows of
    training, after the epochs of the estimator: more epochs may ask for a smaller one.

    It takes the memory of three models for each size, and beside the passes of the fits one pass over the rows for each epoch,
    for the objectives. Few epochs (``max_iter=5, tol=None``) tell much at little cost. All random numbers are those of a fit
    with this `random_state`; without one, all fits have the same. `n_jobs` threads don't make lanes here: each fit is that of
    one thread. Warnings of single fits are not given; `stop_reason` says how they ended.

    References
    ----------
    Bottou (2012), Stochastic gradient descent tricks: the step sizes are tried on some of the rows, and the best is taken.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.inspection import step_sizes
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 5))
    >>> y = X @ [1.0, 2.0, 3.0, 4.0, 5.0] + 0.1 * rng.standard_normal(1000)
    >>> reg = SGDRegressor(learning_rate="constant", max_iter=5, tol=None, random_state=0)
    >>> found = step_sizes(reg, X, y, etas=[1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    >>> found.suggestion_, found.diverges_at_
    (0.01, 1.0)
    >>> print(found.objectives.shape, found.diverged)
    (5, 5) [False False False False  True]
    >>> reg.set_params(eta0=found.suggestion_).fit(X, y).score(X, y) > 0.99
    True
    """
    from fastsgd.estimators.eta_fits import EtaFits  # It loads what few fits need.

    given = _checked(etas)
    fits = EtaFits(estimator, X, y, sample_weight)
    sizes = given if isinstance(given, np.ndarray) else _scale(fits, given)
    found = fits.of(sizes)
    epochs = max((len(fit.epochs) for fit in found), default=0)
    by_epoch = np.full((2, len(found), epochs), np.nan)
    for k, fit in enumerate(found):
        by_epoch[:, k, : len(fit.epochs)] = fit.epochs["objective"], fit.epochs["loss"]
    coefs, intercepts = (np.array([list(fit.values.values())[i] for fit in found]) for i in (0, 1))
    return StepSizes(
        etas=sizes,
        objectives=by_epoch[0],
        losses=by_epoch[1],
        final_objective=np.array([fit.objective for fit in found]),
        diverged=np.array([fit.diverged for fit in found]),
        n_iter=np.array([max(1, len(fit.epochs)) for fit in found]),
        stop_reason=np.array([fit.reason for fit in found]),
        coefs=coefs,
        intercepts=intercepts,
        start_objective=fits.start_objective,
        eta0=float(estimator.eta0),
        name=f"{type(estimator).__name__}, learning_rate={fits.plan.schedule.name!r}",
    )


def _checked(etas: int | ArrayLike) -> int | NDArray[np.float64]:
    """A number of sizes, or the sizes themselves, which rise."""
    if isinstance(etas, Integral) and not isinstance(etas, bool):
        if etas < 2:
            raise ValueError(f"etas must be at least 2 where it is a number of step sizes, got {etas!r}.")
        return int(etas)
    try:
        sizes = np.unique(np.asarray(etas, np.float64))
    except (TypeError, ValueError) as error:
        raise ValueError(f"etas must be a number of step sizes, or an array of them, got {etas!r}.") from error
    if isinstance(etas, bool) or np.ndim(etas) != 1 or not len(sizes) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise ValueError(f"etas must be a whole number, or a list of step sizes, finite and above 0; got {etas!r}.")
    return sizes


def _scale(fits: Any, n: int) -> NDArray[np.float64]:
    """That many sizes, on a logarithmic scale that follows from the rows."""
    from fastsgd import verdict

    plan, table = fits.plan, fits.table
    middle = verdict.eta0_by_curvature(plan, next(table.tables()), fits.state, fits.start_objective)
    steps = max(1.0, table.n_rows / plan.batch_size)
    fall = float(np.clip(plan.eta(1.0) / plan.eta(steps), 1.0, MAX_FALL))
    low, high = max(LEAST_SHARE, FIRST_PASS / steps) * middle, MOST_SHARE * fall * middle
    if not 0 < low < high < np.inf:
        raise ValueError(
            f"etas={n}: no step sizes follow from X, whose squares overflow or underflow. Give the step sizes themselves, scale "
            "X, or set standardize=True."
        )
    return np.geomspace(low, high, n)
