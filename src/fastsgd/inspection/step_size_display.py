"""StepSizeDisplay: how far fits with many step sizes get, and from which on they diverge."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.estimators.hints import Data
from fastsgd.inspection import style
from fastsgd.inspection.steps import StepSizes, step_sizes

# The vertical axis ends this much above the start, in ranges (or, on a logarithmic one, factors) from the least objective to it.
HEADROOM = 0.25
KINDS = "final", "epochs"


class StepSizeDisplay:
    """The objective against eta0, from fits with many of them: too small, right, or so large that they diverge.

    Make it by `from_estimator` or `from_step_sizes`.

    Parameters
    ----------
    step_sizes : StepSizes
        What `fastsgd.inspection.step_sizes` finds.

    Attributes
    ----------
    step_sizes : StepSizes
    suggestion_ : float
        Its suggestion; NaN where all sizes diverged.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        One with the final objectives, or one for each size with those by epoch.
    suggestion_line_ : matplotlib Line2D or None
        The mark of the suggestion; of curves by epoch that of the size suggested.
    diverged_ : matplotlib Line2D or None
        A cross at the top for each size that diverged.

    See Also
    --------
    step_sizes : the numbers, and how the suggestion is made.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.inspection import StepSizeDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 5))
    >>> y = X @ [1.0, 2.0, 3.0, 4.0, 5.0] + 0.1 * rng.standard_normal(1000)
    >>> reg = SGDRegressor(learning_rate="constant", max_iter=5, tol=None, random_state=0)
    >>> display = StepSizeDisplay.from_estimator(reg, X, y, etas=[1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    >>> display.suggestion_
    0.01
    >>> by_epoch = display.plot(kind="epochs")
    >>> len(by_epoch.lines_)
    4
    """

    def __init__(self, step_sizes: StepSizes) -> None:
        self.step_sizes = step_sizes

    @property
    def suggestion_(self) -> float:
        """The step size that is suggested; NaN where all sizes diverged."""
        return self.step_sizes.suggestion_

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data,
        y: ArrayLike | None = None,
        *,
        etas: int | ArrayLike = 30,
        sample_weight: Any = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Fit the estimator with each step size, all in one go where they can share the passes, and draw what comes of it.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor or SGDOneClassSVM
            It is not changed, and need not be fitted.
        X, y, etas, sample_weight
            As `step_sizes` takes them: by default thirty sizes, on a scale that follows from the rows.
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of the curve, for the legend.
        **kwargs
            Of `plot`: kind, log_y, line_kw, suggestion_kw, region_kw.

        Returns
        -------
        StepSizeDisplay
            Drawn; `step_sizes` has the numbers.
        """
        return cls(step_sizes(estimator, X, y, etas, sample_weight=sample_weight)).plot(ax, name=name, **kwargs)

    @classmethod
    def from_step_sizes(cls, step_sizes: StepSizes, *, ax: Any = None, name: str | None = None, **kwargs: Any) -> Self:
        """Draw what `step_sizes` found.

        Parameters
        ----------
        step_sizes : StepSizes
        ax, name, **kwargs
            As in `from_estimator`.

        Returns
        -------
        StepSizeDisplay
            Drawn.
        """
        if not isinstance(step_sizes, StepSizes):
            raise ValueError(
                "step_sizes must be what fastsgd.inspection.step_sizes(estimator, X, y) gives, found "
                f"{type(step_sizes).__name__}."
            )
        return cls(step_sizes).plot(ax, name=name, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        kind: str = "final",
        log_y: bool | None = None,
        line_kw: Any = None,
        suggestion_kw: Any = None,
        region_kw: Any = None,
    ) -> Self:
        """Draw the objectives.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of the curve, for the legend.
        kind : {"final", "epochs"}, default="final"
            The final objective against eta0; or for each eta0 that did not diverge the objective against the epochs.
        log_y : bool or None, default=None
            Logarithmic vertical axis; None where all objectives are above 0.
        line_kw : dict, or list of dict, default=None
            Keywords of the lines, each of which overrides one default.
        suggestion_kw : dict, default=None
            Keywords of the mark of the suggestion; of the line of the size suggested, with "epochs".
        region_kw : dict, default=None
            With "final", keywords of the shade over the sizes from which on all diverged.

        Returns
        -------
        self
        """
        name = style.one_name(name)
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
        if kind == "epochs" and region_kw is not None:
            raise ValueError("region_kw is of kind='final': there is no region of step sizes along epochs.")
        self.ax_ = ax = style.one_axes(ax, "StepSizeDisplay", "objective", size=(6.0, 3.8))
        self.figure_ = ax.figure
        self.suggestion_line_ = self.diverged_ = None
        if kind == "final":
            values = self._plot_final(name, line_kw, suggestion_kw, region_kw)
        else:
            values = self._plot_epochs(line_kw, suggestion_kw)
        values = np.append(values[np.isfinite(values)], self.step_sizes.start_objective)
        log_y = bool((values > 0).all()) if log_y is None else log_y
        if log_y:
            style.logarithmic(ax, "y", f"log_y={log_y!r}", [values])
        if kind == "epochs":
            _limit(ax, values, self.step_sizes.start_objective, log_y)
        if name is not None and kind == "epochs":
            ax.set_title(name, fontsize="medium")
        return self

    def _plot_final(self, name: str | None, line_kw: Any, suggestion_kw: Any, region_kw: Any) -> NDArray[Any]:
        """Against eta0. Sizes that diverged break the line, and are crosses at the top."""
        found, ax = self.step_sizes, self.ax_
        if len(found.etas) > 1:
            style.logarithmic(ax, "x", "etas", [found.etas])
        objective = style.drawable(np.where(found.diverged, np.nan, found.final_objective))
        n = int(found.n_iter.max())
        look = style.looks(1, ax)[0] | {"linewidth": 1.8, "marker": "o", "markersize": 3.5}
        look["label"] = (
            name or f"objective after {n} epoch{'s' if n > 1 else ''}{' or less' if (found.n_iter < n).any() else ''}"
        )
        line = ax.plot(found.etas, objective, **style.merged("line_kw", line_kw, **look))[0]
        colour, self.lines_ = line.get_color(), [line]
        style.dress(ax, "eta0", "objective")
        if not np.isnan(self.suggestion_):
            at = self.suggestion_, objective[found.etas == self.suggestion_][0]
            look = {
                "color": colour,
                "marker": "o",
                "markersize": 9.0,
                "markeredgecolor": style.ink(ax),
                "linestyle": "none",
            }
            look["label"] = f"suggestion: {self.suggestion_:.3g}"
            self.suggestion_line_ = ax.plot(*at, zorder=4, **style.merged("suggestion_kw", suggestion_kw, **look))[0]
        if found.diverged.any():
            etas = found.etas[found.diverged]
            look = {"color": colour, "marker": "x", "markersize": 5.0, "linestyle": "none", "label": "diverged"}
            self.diverged_ = ax.plot(etas, np.full(len(etas), 0.96), transform=ax.get_xaxis_transform(), **look)[0]
            self._shade(region_kw)
        start = ax.axhline(found.start_objective, color=style.ink(ax), linestyle=style.DASHES[2], linewidth=1.2)
        start.set_label("before the first step")
        style.legend(ax, style.labelled(ax), below=True)
        return objective

    def _shade(self, given: Any) -> None:
        """Over the sizes from which on all diverged; it begins between the last that did not and the first of them."""
        found = self.step_sizes
        if np.isnan(found.diverges_at_):
            return
        first = int(np.searchsorted(found.etas, found.diverges_at_))
        low = float(np.sqrt(found.etas[first - 1] * found.etas[first])) if first else found.etas[0] / 2
        high = self.ax_.get_xlim()[1]
        look = {"facecolor": style.COLOURS[1], "alpha": 0.25, "linewidth": 0.0}
        self.ax_.axvspan(low, max(high, found.etas[-1]), **style.merged("region_kw", given, "patch", **look))
        self.ax_.set_xlim(right=max(high, found.etas[-1]), auto=None)  # A curve that comes later may still widen it.

    def _plot_epochs(self, line_kw: Any, suggestion_kw: Any) -> NDArray[Any]:
        """Against the epochs, a line for each size that did not diverge, from the smallest in blue to the largest in orange."""
        found, ax = self.step_sizes, self.ax_
        sound = np.flatnonzero(~found.diverged)
        if not len(sound):
            raise ValueError(
                "kind='epochs': all step sizes diverged, so that there is no line to draw. Try smaller etas."
            )
        epochs = np.arange(found.objectives.shape[1] + 1)
        ys = style.drawable(np.column_stack([np.full(len(sound), found.start_objective), found.objectives[sound]]))
        suggested = found.etas[sound] == self.suggestion_
        defaults = [
            {
                "color": colour,
                "linewidth": 3.0 if chosen else 1.3,
                "label": f"{eta:.3g}" + (" (suggestion)" if chosen else ""),
                "zorder": 3 if chosen else 2,
                **style.markers(len(epochs), len(sound)),
            }
            for colour, eta, chosen in zip(style.ramp(len(sound)), found.etas[sound], suggested, strict=True)
        ]
        kws = style.merged_each("line_kw", line_kw, defaults)
        kws = [
            style.merged("suggestion_kw", suggestion_kw, **kw) if chosen else kw
            for kw, chosen in zip(kws, suggested, strict=True)
        ]
        self.lines_ = [ax.plot(epochs, y, **kw)[0] for y, kw in zip(ys, kws, strict=True)]
        self.suggestion_line_ = self.lines_[int(np.argmax(suggested))]
        style.dress(ax, "epochs", "objective")
        style.whole_numbers(ax)
        gone = int(found.diverged.sum())
        style.legend(
            ax, self.lines_, title="eta0" + (f" ({gone} diverged)" if gone else ""), keep=[self.suggestion_line_]
        )
        return ys


def _limit(ax: Any, values: NDArray[Any], start: float, log_y: bool) -> None:
    """End the vertical axis a little above the start: what is far above it, as before a model settles, goes out at the top."""
    low = float(values.min())
    top = max(start, float(np.median(values)))
    if log_y:
        low = float(values[values > 0].min())
        ratio = max(top / low, 1.1)
        ax.set_ylim(low / ratio**0.08, top * ratio**HEADROOM)
    else:
        span = max(top - low, 1e-12 * abs(top)) or 1.0
        ax.set_ylim(low - 0.08 * span, top + HEADROOM * span)
