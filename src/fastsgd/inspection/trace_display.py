"""TraceDisplay: how objective, loss and the like fell while models were trained."""

from collections.abc import Mapping
from typing import Any, Self

from fastsgd.inspection import style
from fastsgd.inspection.runs import Y_LABELS, Trace, points

RIGHT_AXIS = 0.75  # Inches that ticks and label of the axis at the right take.


class TraceDisplay:
    """How the objective, or another column of `history_` or `record_`, went in one training or in several.

    Make it by `from_estimator` or `from_history`.

    Parameters
    ----------
    traces : dict of str to (x, y)
        The points of each line; the name of a single one may be "".
    validation : dict of str to (x, y), default=None
        Likewise the validation scores of those that have any.
    x_label, y_label : str
        What x and y are.

    Attributes
    ----------
    traces, validation, x_label, y_label
        As given.
    ax_ : matplotlib Axes
    validation_ax_ : matplotlib Axes or None
        The axis at the right, of the validation scores.
    figure_ : matplotlib Figure
    lines_, validation_lines_ : list of matplotlib Line2D

    See Also
    --------
    plot_history : loss and objective of a run, with the validation score beside them in a panel of its own.
    StepSizeDisplay : the objective against the step size.

    Notes
    -----
    Validation scores (accuracy, or R^2) rise where the objective falls, and have another unit: they are dashed lines in the same
    panel, with an axis of their own at the right.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.inspection import TraceDisplay
    >>> X = np.random.default_rng(0).standard_normal((200, 3))
    >>> y = X @ [1.0, 2.0, 3.0]
    >>> runs = {f"eta0={eta0}": SGDRegressor(eta0=eta0, random_state=0).fit(X, y) for eta0 in (0.001, 0.01)}
    >>> display = TraceDisplay.from_estimator(runs, x="seconds", minus="best", log_y=True)
    >>> [line.get_label() for line in display.lines_]
    ['eta0=0.001', 'eta0=0.01']
    """

    def __init__(
        self,
        traces: Mapping[str, Trace],
        *,
        validation: Mapping[str, Trace] | None = None,
        x_label: str = "epochs",
        y_label: str = "objective",
    ) -> None:
        self.traces, self.validation = dict(traces), dict(validation or {})
        self.x_label, self.y_label = x_label, y_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        y: str | None = None,
        x: str = "epochs",
        minus: float | str | Mapping[Any, float] = 0.0,
        validation: bool = True,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the training of a fitted estimator, or of several.

        Parameters
        ----------
        estimator : fitted estimator, or dict of str to fitted estimator
            Any of fastsgd; of a pipeline its last step counts, of a search the best estimator, and of the CV classes the model
            of all rows. Of `LinearClassifier` and `LinearRegressor` each class or target has a line, as each is a problem of its
            own. A dict draws several; its keys go to the legend.
        y : None or str, default=None
            "objective", "gradient_norm" or "step_length", of `record_` where it has them, else of `history_`; "loss",
            "validation_score", "eta" or "change" of `history_`; "gap" of that of `LinearClassifier` and `LinearRegressor`.
            None is "objective", or "loss" where a fit with a validation set has not worked out the objective.
        x : {"epochs", "steps", "seconds", "rows"}, default="epochs"
            "steps" are updates of the weights, and are in `record_` alone: fit with ``record="objective"``. "rows" are those of
            `progressive_`: the loss of the rows of each stretch of a stream, before they were learnt from.
        minus : float, "best" or dict of str to float, default=0.0
            What is taken off y, such as the least objective there is; a dict has it for each run. "best" is the least that any of
            the runs has seen.
        validation : bool, default=True
            Whether validation scores, where there are any, are drawn too.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single run, for the legend.
        **kwargs
            Of `plot`: log_x, log_y, line_kw, validation_kw.

        Returns
        -------
        TraceDisplay
            Drawn.

        Raises
        ------
        ValueError
            Not fitted, no such x or y, or nothing to draw.
        """
        made = cls(**points(estimator, "estimator", x, y, minus, validation))
        return made.plot(ax, name=name, **kwargs)

    @classmethod
    def from_history(
        cls,
        history: Any,
        *,
        y: str | None = None,
        x: str = "epochs",
        minus: float | str | Mapping[Any, float] = 0.0,
        validation: bool = True,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw a `history_`, a `record_`, a `progressive_`, or what `fastsgd.minimize` gives; all else is as in `from_estimator`.

        Parameters
        ----------
        history : structured array or result of minimize, or dict of str to one
            Results of `minimize` have the objective and the norm of the gradient by steps: take ``x="steps"``.
        y, x, minus, validation, ax, name, **kwargs
            As in `from_estimator`.

        Returns
        -------
        TraceDisplay
            Drawn.
        """
        made = cls(**points(history, "history", x, y, minus, validation))
        return made.plot(ax, name=name, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        log_x: bool = False,
        log_y: bool = False,
        line_kw: Any = None,
        validation_kw: Any = None,
    ) -> Self:
        """Draw the traces.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single run, for the legend.
        log_x, log_y : bool, default=False
            Logarithmic axes. Values of 0 or less have no place on them, and leave gaps.
        line_kw : dict, or list of dict, default=None
            Keywords of the lines, each of which overrides one default; a list has a dict for each line.
        validation_kw : dict, or list of dict, default=None
            Likewise of the lines of the validation scores.

        Returns
        -------
        self
        """
        traces, scores = (
            dict(zip(style.labels(list(some), name, "run"), some.values(), strict=True))
            for some in (self.traces, self.validation)
        )
        ax = style.one_axes(ax, "TraceDisplay", self.y_label, size=(style.width(list(traces), 6.2), 3.8))
        looks = style.looks(len(traces), ax, dashes=not scores)
        defaults = [
            {**look, **style.markers(len(xs), len(traces)), "linewidth": 1.8, "label": run or self.y_label}
            for look, (run, (xs, _)) in zip(looks, traces.items(), strict=True)
        ]
        kws = style.merged_each("line_kw", line_kw, defaults)
        self.ax_, self.figure_, self.validation_ax_ = ax, ax.figure, None
        self.lines_ = [
            ax.plot(xs, style.drawable(ys), **kw)[0] for (xs, ys), kw in zip(traces.values(), kws, strict=True)
        ]
        self.validation_lines_: list[Any] = []
        style.dress(ax, self.x_label, self.y_label)
        if scores:
            self._plot_validation(scores, dict(zip(traces, self.lines_, strict=True)), validation_kw)
        elif validation_kw is not None:
            raise ValueError("validation_kw is given, but there are no validation scores to draw.")
        for axis, wanted in (("x", log_x), ("y", log_y)):
            if wanted:
                values = [trace["xy".index(axis)] for trace in traces.values()]
                style.logarithmic(ax, axis, f"log_{axis}={wanted!r}", values)
        if self.x_label == "epochs" and not log_x:
            style.whole_numbers(ax)
        self._legend(bool(name) or len(traces) > 1)
        return self

    def _plot_validation(self, scores: Mapping[str, Trace], lines: Mapping[str, Any], given: Any) -> None:
        self.validation_ax_ = twin = _twin(self.ax_)
        alone = len(lines) == 1
        defaults = [
            {
                "color": style.looks(1, self.ax_)[0]["color"] if alone else lines[run].get_color(),
                "label": f"{run}, validation" if run else "validation score",
                **style.markers(len(xs), len(lines)),
                **{"linewidth": 1.5, "linestyle": style.DASHES[1], "markerfacecolor": "none"},
            }
            for run, (xs, _) in scores.items()
        ]
        kws = style.merged_each("validation_kw", given, defaults)
        self.validation_lines_ = [twin.plot(*trace, **kw)[0] for trace, kw in zip(scores.values(), kws, strict=True)]

    def _legend(self, named: bool) -> None:
        """Of all lines in these axes; where there are several runs, one entry says what dashes are."""
        lines, scores = style.labelled(self.ax_), self.validation_lines_
        if not scores:
            if named or len(lines) > 1:
                style.legend(self.ax_, lines)
            return
        if len(lines) > 1:
            from matplotlib.lines import Line2D

            look = {"linestyle": style.DASHES[1], "linewidth": 1.5, "color": style.ink(self.ax_)}
            scores = [Line2D([], [], label="validation score (right)", **look)]
        below = len(lines) <= 2 * style.MAX_INSIDE
        style.legend(self.ax_, [*lines, *scores], keep=scores, below=below, right=RIGHT_AXIS)


def _twin(ax: Any) -> Any:
    """The axis at the right, of validation scores: that which is there, or a new one."""
    for other in ax.get_shared_x_axes().get_siblings(ax):
        if other is not ax and other.get_ylabel() == Y_LABELS["validation_score"]:
            return other
    twin = ax.twinx()
    twin.set_ylabel(Y_LABELS["validation_score"])
    twin.spines[["top", "left"]].set_visible(False)
    # These axes may have been made by another style than the one that holds now.
    tick = ax.yaxis.get_major_ticks()[0]
    twin.tick_params(axis="y", color=tick.tick1line.get_color(), labelcolor=tick.label1.get_color())
    twin.yaxis.label.set_color(ax.yaxis.label.get_color())
    twin.spines["right"].set_edgecolor(ax.spines["left"].get_edgecolor())
    # The other axes are in front, so that their legend is legible over the lines of these.
    twin.patch.set(visible=True, facecolor=ax.get_facecolor())
    ax.patch.set_visible(False)
    ax.set_zorder(twin.get_zorder() + 1)
    return twin
