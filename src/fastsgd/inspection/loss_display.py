"""LossDisplay: losses and their slopes against the margin, the residual or the prediction."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsgd import losses as all_losses
from fastsgd.inspection import style
from fastsgd.inspection.models import loss_of

AGAINST = {
    "margin": "margin y f(x)",
    "residual": "residual f(x) - y",
    "prediction": "raw prediction f(x), where y is {target:g}",
}
POINTS = 1201
HALF_WIDTH = 3.0  # of the horizontal axis; of losses that have a width themselves, at least WIDTHS of them
WIDTHS = 1.6
FAR = 2.0  # The vertical axis ends at this many times what half of the curves reach, or less.
TRIED = np.linspace(-2.7, 2.9, 15)  # at which it is found out what a loss depends on


class LossDisplay:
    """Losses with their slopes: for classification against the margin, for regression against the residual.

    Make it by `from_losses` or `from_estimator`.

    Parameters
    ----------
    x : ndarray of shape (n_points,)
        Margins, residuals or predictions.
    values, slopes : dict of str to ndarray of shape (n_points,)
        Of each loss, and its derivative along x.
    x_label : str
        What x is.

    Attributes
    ----------
    x, values, slopes, x_label
        As given.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_, slope_lines_ : list of matplotlib Line2D

    See Also
    --------
    fastsgd.losses : the losses.
    fastsgd.losses.check_loss : is the slope the derivative of the value?

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from fastsgd.inspection import LossDisplay
    >>> display = LossDisplay.from_losses(["hinge", "log_loss", "modified_huber"])
    >>> display.ax_.get_xlabel()
    'margin y f(x)'
    >>> LossDisplay.from_losses(["squared_error", "huber"], slopes=False).ax_.get_xlabel()
    'residual f(x) - y'
    """

    def __init__(
        self,
        x: NDArray[Any],
        values: Mapping[str, NDArray[Any]],
        slopes: Mapping[str, NDArray[Any]],
        *,
        x_label: str = "margin y f(x)",
    ) -> None:
        self.x, self.values, self.slopes, self.x_label = x, dict(values), dict(slopes), x_label

    @classmethod
    def from_losses(
        cls,
        losses: Any,
        *,
        against: str | None = None,
        low: float | None = None,
        high: float | None = None,
        target: float = 1.0,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw losses.

        Parameters
        ----------
        losses : str or Loss; or a list of them, or a dict of str to one
            Names, such as "hinge", or objects of fastsgd.losses, `Custom` among them.
        against : {"margin", "residual", "prediction"} or None, default=None
            The horizontal axis. "margin": y f(x), for classes -1 and 1; "residual": f(x) - y; "prediction": f(x) at a fixed
            target. None: the margin, if all are for classification and not all depend on the residual alone; else the residual,
            if all depend on it alone; else the prediction.
        low, high : float, default=None
            Ends of the horizontal axis; None: -3 and 3, or wider, as the losses ask for.
        target : float, default=1.0
            y, with "prediction".
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single loss, for the legend.
        **kwargs
            Of `plot`: slopes, line_kw, slope_kw.

        Returns
        -------
        LossDisplay
            Drawn.

        Raises
        ------
        ValueError
            No such loss, one of several margins at once (softmax), or losses that have no horizontal axis in common.
        """
        named = _named(losses)
        if against is not None and against not in AGAINST:
            raise ValueError(f"against must be None or one of {list(AGAINST)}, got {against!r}.")
        kind = _against(named) if against is None else against
        _check(named, kind, target)
        half = max([HALF_WIDTH, *(WIDTHS * width for loss in named.values() for width in _widths(loss))])
        low, high = -half if low is None else low, half if high is None else high
        if not low < high:
            raise ValueError(f"low must be less than high, got low={low!r} and high={high!r}.")
        x = np.linspace(low, high, POINTS)
        y = {"margin": 1.0, "residual": 0.0, "prediction": target}[kind]
        with np.errstate(over="ignore"):
            values, slopes = (
                {label: np.asarray(getattr(loss, what)(x, y), np.float64) for label, loss in named.items()}
                for what in ("value", "slope")
            )
        made = cls(x, values, slopes, x_label=AGAINST[kind].format(target=target))
        return made.plot(ax, name=name, **kwargs)

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, name: str | None = None, **kwargs: Any) -> Self:
        """Draw the loss of an estimator, fitted or not, with the epsilon that it has; or of several.

        Parameters
        ----------
        estimator : estimator of fastsgd, or dict of str to one
            Of a pipeline the last step.
        ax, name, **kwargs
            As in `from_losses`.

        Returns
        -------
        LossDisplay
            Drawn.
        """
        some = style.by_name(estimator, "estimator", "estimator")
        found = {label: loss_of(est, f"estimator[{label!r}]" if label else "estimator") for label, est in some.items()}
        return cls.from_losses(found if "" not in found else [found[""]], ax=ax, name=name, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        slopes: bool = True,
        line_kw: Any = None,
        slope_kw: Any = None,
    ) -> Self:
        """Draw the losses.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        name : str, default=None
            The name of a single loss, for the legend.
        slopes : bool, default=True
            Whether the slopes are drawn too, dashed.
        line_kw, slope_kw : dict, or list of dict, default=None
            Keywords of the lines, and of those of the slopes, each of which overrides one default; a list has a dict for each.

        Returns
        -------
        self
        """
        names = style.labels(list(self.values), name, "loss")
        if slope_kw is not None and not slopes:
            raise ValueError("slope_kw is given with slopes=False: there are no slopes to draw.")
        self.ax_ = ax = style.one_axes(ax, "LossDisplay", "losses", size=(style.width(names), style.HEIGHT))
        self.figure_ = ax.figure
        looks = style.looks(len(names), ax, dashes=not slopes)
        defaults = [{**look, "linewidth": 1.8, "label": label} for look, label in zip(looks, names, strict=True)]
        kws = style.merged_each("line_kw", line_kw, defaults)
        self.lines_ = [ax.plot(self.x, y, **kw)[0] for y, kw in zip(self.values.values(), kws, strict=True)]
        self.slope_lines_: list[Any] = []
        if slopes:
            defaults = [
                {
                    "color": line.get_color(),
                    "linestyle": style.DASHES[1],
                    "linewidth": 1.2,
                    "label": "_child of the loss",
                }
                for line in self.lines_
            ]
            kws = style.merged_each("slope_kw", slope_kw, defaults)
            self.slope_lines_ = [ax.plot(self.x, y, **kw)[0] for y, kw in zip(self.slopes.values(), kws, strict=True)]
        style.dress(ax, self.x_label, "loss, and its slope" if slopes else "loss")
        ax.margins(x=0.0)
        _limit(ax, list(self.values.values()), list(self.slopes.values()) if slopes else [])
        listed = style.labelled(ax)
        if slopes:
            from matplotlib.lines import Line2D

            listed.append(Line2D([], [], color=style.ink(ax), linestyle=style.DASHES[1], linewidth=1.2, label="slope"))
        style.legend(ax, listed)
        return self


def _named(given: Any) -> dict[str, Any]:
    """{name: Loss}; those of a list go by their names."""
    found: dict[str, Any] = {}
    for label, one in style.each_by_name(given, "losses", "loss", _label).items():
        try:
            loss = (
                all_losses.MULTICLASS[one]()
                if isinstance(one, str) and one in all_losses.MULTICLASS
                else all_losses.get(one)
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"losses: {error}") from None
        if loss.coupled:
            raise ValueError(
                f"losses: {loss!r} is of the margins of all classes together, so that there is no curve of it."
            )
        found[label] = loss
    return found


def _label(loss: Any) -> str:
    """A name for a legend: that of the loss, with its numbers."""
    if isinstance(loss, str):
        return loss
    if not isinstance(loss, all_losses.Loss):
        return repr(loss)
    numbers = [f"{key}={value:g}" for key, value in loss.get_params().items() if isinstance(value, float)]
    return f"{loss.name or type(loss).__name__}{'(' + ', '.join(numbers) + ')' if numbers else ''}"


def _widths(loss: Any) -> list[float]:
    """The numbers of a loss that are lengths along the axis, such as epsilon."""
    return [value for key in ("epsilon", "c") if (value := getattr(loss, key, None)) is not None]


def _against(named: Mapping[str, Any]) -> str:
    residual = [_of_residual(loss) for loss in named.values()]
    if all(residual):
        return "residual"
    if all(_of_margin(loss) or "classifier" in loss.task for loss in named.values()):
        return "margin"
    return "prediction"


def _check(named: Mapping[str, Any], kind: str, target: float) -> None:
    """Refuse losses that mean nothing along this axis."""
    for label, loss in named.items():
        if kind == "residual" and not _of_residual(loss):
            raise ValueError(
                f"against='residual': {label!r} does not depend on the residual alone; take 'margin' or 'prediction'."
            )
        if kind == "margin" and not (_of_margin(loss) or _of_residual(loss)):
            raise ValueError(f"against='margin': {label!r} is not for classes -1 and 1; take against='prediction'.")
        if kind == "prediction":
            if loss.task == ("classifier",) and target not in (loss.negative, 1.0):
                raise ValueError(f"target must be {loss.negative:g} or 1, the classes of {label!r}, got {target!r}.")
            if not (target > loss.lower if loss.strict else target >= loss.lower):
                raise ValueError(
                    f"target must be {'above' if loss.strict else 'at least'} {loss.lower:g} for {label!r}, got {target!r}."
                )


def _of_residual(loss: Any) -> bool:
    return (
        "regressor" in loss.task
        and loss.lower == -np.inf
        and _same(loss.value(TRIED, 0.0), loss.value(TRIED + 1.0, 1.0))
    )


def _of_margin(loss: Any) -> bool:
    return "classifier" in loss.task and _same(loss.value(TRIED, 1.0), loss.value(-TRIED, loss.negative))


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return bool(np.allclose(a, b, rtol=1e-9, atol=1e-9, equal_nan=True))


def _limit(ax: Any, values: list[NDArray[Any]], slopes: list[NDArray[Any]]) -> None:
    """Let what is steep go out at top and bottom, where it would leave no room for what is not."""

    def ends(curves: list[NDArray[Any]]) -> tuple[float, float]:
        lows, tops = (
            [float(of(curve, where=np.isfinite(curve), initial=0.0)) for curve in curves] for of in (np.min, np.max)
        )
        return max(min(lows), FAR * float(np.median(lows))), min(max(tops), FAR * float(np.median(tops)))

    low, top = ends(values)
    if slopes:  # They have half the room below that the values have above.
        low = min(low, max(ends(slopes)[0], -0.5 * top))
    span = top - low or 1.0
    ax.set_ylim(low - 0.04 * span, top + 0.04 * span)
