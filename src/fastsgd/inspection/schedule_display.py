"""ScheduleDisplay: the step size against the number of the step."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsgd import losses, optimizers, schedules
from fastsgd.inspection import style
from fastsgd.inspection.models import model_of

POINTS = 600  # at which a schedule is worked out, along the steps and along their logarithm
LOG_ABOVE = 20.0  # The vertical axis is logarithmic where the largest steps of two schedules differ by more than this.
NOTES = {"adaptive": "before the first plateau", "pa1": "at most", "pa2": "at most"}
Curve = tuple[NDArray[Any], NDArray[Any]]


class ScheduleDisplay:
    """How the step size eta goes from step to step.

    Make it by `from_schedules` or `from_estimator`.

    Parameters
    ----------
    curves : dict of str to (steps, etas)
        The points of each line.
    points : dict of str to (steps, etas), default=None
        What `history_` has of some of them: the step size at the end of each epoch.

    Attributes
    ----------
    curves, points
        As given.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
    points_ : list of matplotlib Line2D
        Those of `history_`.

    See Also
    --------
    fastsgd.schedules : the schedules.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from fastsgd import schedules
    >>> from fastsgd.inspection import ScheduleDisplay
    >>> some = {"cosine": schedules.Cosine(warmup=0.1), "half a pass": schedules.Exponential(0.25)}
    >>> display = ScheduleDisplay.from_schedules(some, eta0=0.1, n_samples=1000, max_iter=5)
    >>> steps, etas = display.curves["cosine"]
    >>> print(steps[[0, -1]], etas.max().round(3), etas[-1].round(3))
    [1.e+00 5.e+03] 0.1 0.0
    """

    def __init__(self, curves: Mapping[str, Curve], *, points: Mapping[str, Curve] | None = None) -> None:
        self.curves, self.points = dict(curves), dict(points or {})

    @classmethod
    def from_schedules(
        cls,
        schedules: Any,
        *,
        eta0: float = 0.01,
        alpha: float = 1e-4,
        power_t: float = 0.5,
        loss: Any = "hinge",
        n_samples: int = 1000,
        max_iter: int = 10,
        batch_size: int | str = 1,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw schedules, as a fit with these parameters would bind them.

        Parameters
        ----------
        schedules : str, Schedule or callable; or a list of them, or a dict of str to one
            A name, such as "optimal" or "cosine"; an object of fastsgd.schedules, which, where it is bound, keeps its own
            numbers; or a function of the step t = 1, 2, ...
        eta0, alpha, power_t : float
            The estimator's. "optimal" takes alpha and the loss, and no eta0.
        loss : str or Loss, default="hinge"
        n_samples, max_iter : int
            Rows of a pass, and passes: how many steps there are, and over how many "cosine" and "one_cycle" go.
        batch_size : int or "full", default=1
            Rows of a step; "full" are all of a pass.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single schedule, for the legend.
        **kwargs
            Of `plot`: log_x, log_y, line_kw.

        Returns
        -------
        ScheduleDisplay
            Drawn.

        Raises
        ------
        ValueError
            No such schedule, or one that has no step size of its own ("auto").
        """
        batch = np.inf if batch_size == "full" else batch_size
        per_pass = _steps_of_a_pass(n_samples, batch, max_iter)
        numbers = {"eta0": eta0, "alpha": alpha, "power_t": power_t, "loss": losses.get(loss)}
        numbers |= {"pass_rows": n_samples, "passes": max_iter, "batch_size": batch}
        steps = _places(per_pass * max_iter)
        curves = {}
        for label, given in style.each_by_name(schedules, "schedules", "schedule", _label).items():
            schedule = _bound(given, numbers)
            note = NOTES.get(schedule.name or "")
            curves[f"{label} ({note})" if note else label] = steps, schedule(steps)
        return cls(curves).plot(ax, name=name, **kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        n_samples: int | None = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the step sizes of a fitted estimator, or those that an estimator would have.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor or SGDOneClassSVM, or dict of str to one
            Of a pipeline the last step. Fitted, it has the steps that it took, with a point for the end of each epoch of
            `history_`; with "adaptive" the line goes through these points.
        n_samples : int, default=None
            Rows of a pass, for an estimator that is not fitted, all `max_iter` passes of which are drawn.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single estimator, for the legend.
        **kwargs
            Of `plot`: log_x, log_y, line_kw.

        Returns
        -------
        ScheduleDisplay
            Drawn.

        Raises
        ------
        ValueError
            An estimator without step sizes, or one that is not fitted and no n_samples.
        """
        curves, points = {}, {}
        for label, given in style.by_name(estimator, "estimator", "estimator").items():
            argument = f"estimator[{label!r}]" if label else "estimator"
            curve, ends, usual = _of_estimator(model_of(given), argument, n_samples)
            label = label or usual
            curves[label] = curve
            if ends is not None:
                points[label] = ends
        return cls(curves, points=points).plot(ax, name=name, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        log_x: bool = False,
        log_y: bool | None = None,
        line_kw: Any = None,
    ) -> Self:
        """Draw the step sizes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single schedule, for the legend.
        log_x : bool, default=False
            Logarithmic horizontal axis.
        log_y : bool or None, default=None
            Logarithmic vertical axis; a step size of 0, as at the end of "cosine", has no place on it. None where the largest
            step sizes of the schedules differ by more than a factor of 20.
        line_kw : dict, or list of dict, default=None
            Keywords of the lines, each of which overrides one default; a list has a dict for each line.

        Returns
        -------
        self
        """
        names = style.labels(list(self.curves), name, "schedule")
        self.ax_ = ax = style.one_axes(ax, "ScheduleDisplay", "step size", size=(style.width(names), style.HEIGHT))
        self.figure_ = ax.figure
        looks = style.looks(len(names), ax)
        defaults = [{**look, "linewidth": 1.8, "label": label} for look, label in zip(looks, names, strict=True)]
        kws = style.merged_each("line_kw", line_kw, defaults)
        self.lines_ = [ax.plot(*curve, **kw)[0] for curve, kw in zip(self.curves.values(), kws, strict=True)]
        self.points_ = [
            ax.plot(*self.points[label], "o", markersize=4.0, color=line.get_color(), label="_child of the line")[0]
            for label, line in zip(self.curves, self.lines_, strict=True)
            if label in self.points
        ]
        style.dress(ax, "step", "step size")
        etas = [curve[1] for curve in self.curves.values()]
        if log_y is None:
            tops = [top for some in etas if (top := float(np.nanmax(some))) > 0]
            log_y = bool(tops) and max(tops) > LOG_ABOVE * min(tops)
        if log_x:
            style.logarithmic(ax, "x", f"log_x={log_x!r}", [curve[0] for curve in self.curves.values()])
        if log_y:
            style.logarithmic(ax, "y", f"log_y={log_y!r}", etas)
            # The last steps of "cosine" fall by many powers of ten, which would leave no room for all else.
            least = min(float(np.quantile(some[some > 0], 0.02)) for some in etas if (some > 0).any())
            ax.set_ylim(bottom=max(ax.get_ylim()[0], 0.5 * least))
        else:
            ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
        style.legend(ax, style.labelled(ax))
        return self


def _steps_of_a_pass(n_samples: int, batch_size: Any, max_iter: int) -> int:
    for argument, value in (("n_samples", n_samples), ("batch_size", batch_size), ("max_iter", max_iter)):
        if isinstance(value, str) or not value >= 1:
            raise ValueError(f"{argument} must be at least 1, got {value!r}.")
    return max(1, int(np.ceil(n_samples / batch_size)))


def _places(steps: float) -> NDArray[np.float64]:
    """Steps at which to work out a schedule, that show its form along the steps and along their logarithm."""
    steps = max(1.0, float(steps))
    return np.unique(np.r_[np.linspace(1.0, steps, POINTS), np.geomspace(1.0, steps, POINTS)].round())


def _label(given: Any) -> str:
    """A name for a legend: that of the function, or of the schedule with its numbers."""
    function = getattr(given, "function", given)
    return str(getattr(function, "__name__", given if isinstance(given, str) else repr(given)))


def _bound(given: Any, numbers: Mapping[str, Any]) -> schedules.Schedule:
    """The schedule, bound to these numbers if it is not to others."""
    try:
        schedule = schedules.get(given)
        if type(schedule) is schedules.Schedule:
            raise ValueError("fastsgd.schedules.Schedule is the base of schedules, and none itself; give one of these.")
    except (TypeError, ValueError) as error:
        raise ValueError(f"schedules: {error}") from None
    if schedule.auto:
        raise ValueError("schedules: 'auto' gives each weight a step size of its own, so that there is no curve of it.")
    try:
        schedule.numbers  # noqa: B018 - a schedule that is not bound raises
    except ValueError:
        schedule = schedule.bind(**numbers)
    return schedule


def _of_estimator(est: Any, argument: str, n_samples: int | None) -> tuple[Curve, Curve | None, str]:
    """(the curve, the points of history_ if there are any, a name)."""
    if not hasattr(est, "_schedule"):
        raise ValueError(
            f"{argument} must be one of fastsgd with step sizes, such as SGDClassifier; found {type(est).__name__}."
        )
    optimizer = optimizers.get(est.optimizer)
    schedule = est._schedule(optimizer)
    if schedule.auto or getattr(optimizer, "line_search", False):
        why = (
            "learning_rate='auto' gives each weight a step of its own"
            if schedule.auto
            else f"{optimizer!r} searches for its steps"
        )
        raise ValueError(f"{argument} has no curve of step sizes: {why}.")
    batch = np.inf if est.batch_size == "full" else est.batch_size
    history = getattr(est, "history_", None)
    if history is None:
        if n_samples is None:
            raise ValueError(f"{argument} is not fitted: give n_samples, the rows of a pass, or call fit first.")
        per_pass = _steps_of_a_pass(n_samples, batch, est._passes)
        total = float(per_pass * est._passes)
    else:
        total = max(1.0, est.t_ - 1.0)
        per_pass = max(1, round(total / max(1, len(history))))
    bound = schedule.bind(
        eta0=est.eta0,
        alpha=est._alpha,
        power_t=est.power_t,
        loss=est._loss(),
        pass_rows=per_pass if np.isinf(batch) else int(per_pass * batch),
        passes=est._passes,
        batch_size=batch,
    )
    steps = _places(total)
    label = _label(schedule) if hasattr(schedule, "function") else str(schedule.name)
    if history is None:
        return (steps, bound(steps)), None, label
    ends = total * np.arange(1, len(history) + 1) / max(1, len(history)), np.array(history["eta"])
    if schedule.feedback:
        return (np.r_[1.0, ends[0].repeat(2)[:-1]], ends[1].repeat(2)), ends, label
    return (steps, bound(steps)), ends, label
