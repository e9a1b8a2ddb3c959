"""CoefficientDisplay: the largest coefficients, by the names of their columns."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.inspection import style
from fastsgd.inspection.models import coefficients, model_of, names_of_columns

MAX_BESIDE = 4  # series of which each has a line of its own within a row; more share it
ROW, WIDTH = 0.24, 4.2  # inches: a row, and the axes
MAX_HEIGHT = 40.0  # inches
FONT = 8.3  # points of a name, or less where rows are narrow
MARKERS = "os^Dv*"  # The first six series have the first, the next six the second, and so on.


class CoefficientDisplay:
    """Coefficients by the name of their column, the largest at the top, with their intervals where there are any.

    Make it by `from_estimator`.

    Parameters
    ----------
    coef : ndarray of shape (n_series, n_features)
        A series for each class, target or estimator.
    feature_names : list of str
    series : list of str
        Their names; that of a single one may be "".
    intervals : ndarray of shape (n_series, n_features, 2), default=None
        Lower and upper ends; NaN where there are none.
    top : int or None, default=20
        How many columns are drawn; None is all.
    x_label : str
        What the coefficients are.

    Attributes
    ----------
    coef, feature_names, series, intervals, top, x_label
        As given.
    shown_ : ndarray of int
        The columns that are drawn, from the top: by the largest size of their coefficients.
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : list of matplotlib Line2D
        The points of each series.
    interval_lines_ : list of matplotlib LineCollection
        The intervals of each series that has any.

    See Also
    --------
    PathDisplay : coefficients along the penalty, or along the training.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import LinearRegressor
    >>> from fastsgd.inspection import CoefficientDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X @ [1.0, 0.0, -2.0] + rng.standard_normal(1000)
    >>> reg = LinearRegressor(penalty=None).fit(X, y)
    >>> display = CoefficientDisplay.from_estimator(reg, feature_names=["age", "height", "weight"])
    >>> [display.feature_names[j] for j in display.shown_]
    ['weight', 'age', 'height']
    >>> display.intervals.shape
    (1, 3, 2)
    """

    def __init__(
        self,
        coef: NDArray[Any],
        feature_names: Sequence[str],
        series: Sequence[str] = ("",),
        *,
        intervals: NDArray[Any] | None = None,
        top: int | None = 20,
        x_label: str = "coefficient",
    ) -> None:
        self.coef, self.feature_names, self.series = coef, list(feature_names), list(series)
        self.intervals, self.top, self.x_label = intervals, top, x_label

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        top: int | None = 20,
        feature_names: Any = None,
        classes: Any = None,
        scale: ArrayLike | None = None,
        intervals: Any = None,
        ax: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Draw the coefficients of a fitted estimator, or of several.

        Parameters
        ----------
        estimator : fitted estimator, or dict of str to one
            With `coef_`; of a pipeline its last step, of a search the best estimator. Those of a dict have the same columns, and
            their keys go to the legend.
        top : int or None, default=20
            How many columns are drawn; None is all.
        feature_names : array-like of str of shape (n_features,), default=None
            None: those of `feature_names_in_`, or what the steps of a pipeline say, or x0, x1 and so on.
        classes : list of classes or of numbers of targets, default=None
            Those to draw, where there are several; None is all.
        scale : array-like of shape (n_features,), default=None
            What each coefficient is multiplied by, such as ``X.std(axis=0)``: coefficients of columns in different units can't be
            compared without.
        intervals : None, bool, or what coef_table() gives, default=None
            None: those of 95% of `coef_table()`, where the estimator has one, True: an error where not, False: none. For
            others, or those of `coef_table(robust=True)`, give the table. With a table from resampled models the intervals are
            around its own estimates, which may differ from `coef_`.
        ax : matplotlib Axes, default=None
            None makes a new figure, as high as the rows ask for.
        name : str, default=None
            The name of a single series, for the legend.
        **kwargs
            Of `plot`: line_kw, interval_kw.

        Returns
        -------
        CoefficientDisplay
            Drawn.

        Raises
        ------
        ValueError
            Not fitted, other columns, no such class, or no intervals with intervals=True.
        """
        some = style.by_name(estimator, "estimator", "estimator")
        top = style.largest(top)
        each = [_of(est, label, classes, intervals) for label, est in some.items()]
        widths = {one.coef.shape[1] for one in each}
        if len(widths) > 1:
            raise ValueError(
                f"estimator has models of different numbers of columns, {sorted(widths)}: draw them one by one."
            )
        first, n = next(iter(some.values())), widths.pop()
        names = style.column_names(names_of_columns(first, n) if feature_names is None else feature_names, n)
        coef, ends = np.concatenate([one.coef for one in each]), np.concatenate([one.ends for one in each])
        label = each[0].label if len(each) == 1 else "coefficient"
        if scale is not None:
            factor = np.asarray(scale, np.float64)
            if factor.shape != (n,) or not np.isfinite(factor).all():
                raise ValueError(f"scale must be {n} finite numbers, one for each column, found shape {factor.shape}.")
            coef, ends, label = coef * factor, np.sort(ends * factor[:, None], axis=2), f"{label} times scale"
        made = cls(
            coef,
            names,
            [series for one in each for series in one.series],
            intervals=ends if np.isfinite(ends).any() else None,
            top=top,
            x_label=label,
        )
        return made.plot(ax, name=name, **kwargs)

    def plot(self, ax: Any = None, *, name: str | None = None, line_kw: Any = None, interval_kw: Any = None) -> Self:
        """Draw the coefficients.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure, as high as the rows ask for.
        name : str, default=None
            The name of a single series, for the legend.
        line_kw, interval_kw : dict, or list of dict, default=None
            Keywords of the points, and of the lines of the intervals, each of which overrides one default; a list has a dict for
            each series.

        Returns
        -------
        self
        """
        series = style.labels(self.series, name, "series")
        if interval_kw is not None and self.intervals is None:
            raise ValueError("interval_kw is given, but there are no intervals to draw.")
        sizes = np.where(np.isfinite(self.coef), abs(self.coef), -1.0).max(axis=0)
        self.shown_ = np.argsort(-sizes, kind="stable")[: self.top]
        rows, n = len(self.shown_), len(series)
        beside = n if 1 < n <= MAX_BESIDE else 1
        height = 0.9 + rows * ROW * (1.0 + 0.25 * (beside - 1))
        labels = style.plain_names([self.feature_names[j] for j in self.shown_])
        size = style.width(series, WIDTH + style.LETTER * max(map(len, labels))), min(height, MAX_HEIGHT)
        self.ax_ = ax = style.one_axes(ax, "CoefficientDisplay", "coefficients", size=size)
        self.figure_ = ax.figure
        places = [np.arange(rows) + (0.22 * (k - (beside - 1) / 2) if beside > 1 else 0.0) for k in range(n)]
        ax.axvline(0.0, color=style.ink(ax), linewidth=0.8, label="_child: zero", zorder=1)
        self.lines_ = self._points(series, places, line_kw)
        self.interval_lines_ = [] if self.intervals is None else self._intervals(places, interval_kw)
        style.dress(ax, self.x_label, "", grid="both")
        row = 72.0 * ax.get_window_extent().height / ax.figure.dpi / rows  # points
        ax.set_yticks(np.arange(rows), labels, fontsize=min(FONT, 0.8 * row))
        ax.set_ylim(rows - 0.4, -0.6)
        if rows < len(self.feature_names):
            ax.set_title(f"the largest {rows} of {len(self.feature_names)}", fontsize="small", loc="left")
        if n > 1 or series[0]:
            style.legend(ax, self.lines_)
        return self

    def _points(self, series: list[str], places: list[NDArray[Any]], given: Any) -> list[Any]:
        look, n = {"linestyle": "none", "markersize": 5.0}, len(style.COLOURS)
        defaults = [
            {
                "color": style.COLOURS[k % n],
                "marker": MARKERS[k // n % len(MARKERS)],
                **look,
                "label": label or "coefficient",
            }
            for k, label in enumerate(series)
        ]
        kws = style.merged_each("line_kw", given, defaults)
        return [
            self.ax_.plot(coef[self.shown_], y, **kw)[0] for coef, y, kw in zip(self.coef, places, kws, strict=True)
        ]

    def _intervals(self, places: list[NDArray[Any]], given: Any) -> list[Any]:
        assert self.intervals is not None
        defaults = [{"color": line.get_color(), "linewidth": 1.5, "zorder": 1.5} for line in self.lines_]
        kws = style.merged_each("interval_kw", given, defaults, "collection")
        drawn = []
        for ends, y, kw in zip(self.intervals, places, kws, strict=True):
            low, high = ends[self.shown_].T
            known = np.isfinite(low) & np.isfinite(high)
            if known.any():
                drawn.append(self.ax_.hlines(y[known], low[known], high[known], **kw))
        return drawn


# ---------------------------------------------------------------- from estimators to numbers
class Part(NamedTuple):
    """The coefficients of an estimator: (K, d) and their ends (K, d, 2), NaN where there are none, and names for both."""

    coef: NDArray[np.float64]
    ends: NDArray[np.float64]
    series: list[str]
    label: str


def _of(given: Any, name: str, classes: Any, intervals: Any) -> Part:
    argument = f"estimator[{name!r}]" if name else "estimator"
    est = model_of(given)
    coef = coefficients(est, argument)
    ends, level = _ends(est, coef.shape, intervals, argument)
    heads, kind = _heads(est, len(coef))
    labels = [style.plain(str(head)) for head in heads]
    keep = list(range(len(coef)))
    if classes is not None:
        wanted = np.atleast_1d(np.asarray(classes)).tolist()
        missing = [one for one in wanted if one not in heads]
        if len(coef) < 2 or missing:
            there = f"has {heads}" if len(coef) > 1 else "has a single row of coefficients"
            raise ValueError(f"classes must be among those of {argument}, which {there}; got {classes!r}.")
        keep = [heads.index(one) for one in wanted]
    series = [name] if len(coef) == 1 else [f"{name}: {labels[k]}" if name else f"{kind} {labels[k]}" for k in keep]
    two = getattr(est, "classes_", None)
    towards = (
        f" (above 0: for class {style.plain(str(two[1]))})"
        if two is not None and len(two) == 2 and len(coef) == 1
        else ""
    )
    return Part(coef[keep], ends[keep], series, f"coefficient{towards}{level}")


def _heads(est: Any, n: int) -> tuple[list[Any], str]:
    """(what the rows of coef_ are, a word for them)."""
    classes = getattr(est, "classes_", None)
    if classes is not None and len(classes) == n:
        return np.asarray(classes).tolist(), "class"
    return list(range(n)), "target"


def _ends(est: Any, shape: tuple[int, ...], intervals: Any, argument: str) -> tuple[NDArray[np.float64], str]:
    """The ends of the intervals, (K, d, 2), NaN where there are none; and in words, what intervals these are."""
    nothing = np.full((*shape, 2), np.nan), ""
    if intervals is False:
        return nothing
    table = intervals
    if intervals is None or intervals is True:
        if not hasattr(est, "coef_table"):
            if intervals:
                raise ValueError(f"intervals=True: {argument} has no coef_table(), which those of fastsgd have.")
            return nothing
        try:
            table = est.coef_table()
        except ValueError as error:
            if intervals:
                raise ValueError(f"intervals=True: {error}") from None
            return nothing
    try:
        low, high = (np.asarray(table[column], np.float64).reshape(shape[0], -1) for column in ("ci_lower", "ci_upper"))
    except (TypeError, KeyError, ValueError, IndexError):
        low = high = np.empty((0, 0))
    if low.shape[1] not in (shape[1], shape[1] + 1):
        raise ValueError(
            f"intervals must be None, a bool, or what coef_table() of {argument} gives, found {type(table).__name__}."
        )
    level = getattr(table, "attrs", {}).get("confidence_level", 0.95 if table is not intervals else None)
    words = ", with intervals" if level is None else f", with {100 * level:g}% intervals"
    return np.stack([low, high], axis=2)[:, -shape[1] :], words  # The first row may be that of the intercept.
