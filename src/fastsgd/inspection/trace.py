"""Plots of `history_`. matplotlib is imported inside the function, so that `import fastsgd` does not load it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.inspection import style

AXES = "epoch", "seconds"
STYLES: dict[str, dict[str, Any]] = {
    "loss": {"linestyle": (0, (4, 2)), "linewidth": 1.2},
    "objective": {"linewidth": 1.8},
}
COLUMNS = {
    "loss": "loss",
    "objective": "objective",
    "validation_score": "validation score",
    "eta": "step size",
    "gradient_norm": "norm of the gradient",
    "change": "relative change of the weights",
    "step_length": "length of the move of the weights",
}


def plot_history(
    estimators_or_history: Any,
    *,
    x: str = "epoch",
    y: str | None = None,
    minus: float | Mapping[Any, float] = 0.0,
    log: bool = False,
    ax: Any = None,
) -> NDArray[Any]:
    """Draw loss and objective, and beside them the validation score, of one training run or of several.

    Or, with `y`, one column of the history.

    Parameters
    ----------
    estimators_or_history : fitted estimator, `history_` array, or dict of str to either
        A dict draws several runs; its keys go to the legend.
    x : {"epoch", "seconds"}, default="epoch"
        The horizontal axis.
    y : None or str, default=None
        One column to draw instead: "loss", "objective", "validation_score", "eta", "gradient_norm", "change" or
        "step_length". None draws loss, objective and validation score.
    minus : float or dict of str to float, default=0.0
        With `y`: what is taken off it, such as the best objective known; a dict has it for each run.
    log : bool, default=False
        Logarithmic vertical axis (of the first panel). Values of 0 or less have no place on it, and leave gaps.
    ax : matplotlib Axes or sequence of Axes, default=None
        Where to draw: one for loss and objective or `y`, and a second one if there are validation scores and no `y`.
        None makes a new figure.

    Returns
    -------
    axes : ndarray of matplotlib Axes, of length 1 or 2
        The panel of loss and objective or `y`, then that of the validation score if there is one.

    Raises
    ------
    ValueError
        Not fitted, no epochs, no such x or y, y NaN in all epochs of all runs, no number in `minus` for a run, or
        another number of Axes than there are panels.
    ImportError
        matplotlib is not installed.

    Notes
    -----
    "loss" is of each row just before its step, averaged over the epoch. "objective" is of the model at the end of the
    epoch, on all rows, with the penalty; only a fit without a validation set works it out. What is NaN in every epoch
    is left out.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.inspection import plot_history
    >>> X = np.random.default_rng(0).standard_normal((200, 3))
    >>> reg = SGDRegressor(random_state=0).fit(X, X @ [1.0, 2.0, 3.0])
    >>> axes = plot_history(reg)
    >>> [line.get_label() for line in axes[0].lines]
    ['loss', 'objective']

    How far two runs are above the least objective that either has seen:

    >>> runs = {"eta0=0.01": reg, "eta0=0.001": SGDRegressor(eta0=0.001, random_state=0).fit(X, X @ [1.0, 2.0, 3.0])}
    >>> best = min(run.history_["objective"].min() for run in runs.values())
    >>> (panel,) = plot_history(runs, x="seconds", y="objective", minus=best, log=True)
    >>> [line.get_label() for line in panel.lines]
    ['eta0=0.01', 'eta0=0.001']
    """
    runs = _runs(estimators_or_history)
    if not isinstance(x, str) or x not in AXES:
        raise ValueError(f"x must be one of {list(AXES)}, got {x!r}.")
    if y is not None:
        return _one_column(runs, x, y, minus, log, ax)
    if not _zero(minus):
        raise ValueError(f"minus needs y, the column it is taken off; got minus={minus!r} and y=None.")
    panels = 1 + any(_drawn(history, "validation_score") for history in runs.values())
    what = "loss and objective" + (", and the validation score" if panels == 2 else "")
    axes = style.several_axes(ax, "plot_history", panels, what)
    for number, (name, history) in enumerate(runs.items()):
        look = {"color": style.COLOURS[number % len(style.COLOURS)], **style.markers(len(history))}
        for what, line in STYLES.items():
            if _drawn(history, what):
                axes[0].plot(history[x], history[what], label=f"{name}: {what}" if name else what, **look, **line)
        if _drawn(history, "validation_score"):
            axes[1].plot(
                history[x], history["validation_score"], label=name or "validation score", linewidth=1.8, **look
            )
    for panel, label in zip(axes, ("mean over the rows", "validation score"), strict=False):
        _dress(panel, x, label)
    if log:
        axes[0].set_yscale("log")
    return axes


def _one_column(
    runs: dict[str, NDArray[Any]], x: str, y: str, minus: float | Mapping[Any, float], log: bool, ax: Any
) -> NDArray[Any]:
    """One panel with the column y of each run, less `minus`."""
    if not isinstance(y, str) or y not in COLUMNS:
        raise ValueError(f"y must be None or one of {list(COLUMNS)}, got {y!r}.")
    missing = [name for name in runs if name not in minus] if isinstance(minus, Mapping) else []
    if missing:
        raise ValueError(f"minus must have a number for each run, found none for {missing}.")
    off = minus if isinstance(minus, Mapping) else dict.fromkeys(runs, minus)
    if not any(_drawn(history, y) for history in runs.values()):
        raise ValueError(f"y={y!r} is NaN in all epochs: nothing has asked for it while these runs were trained.")
    axes = style.several_axes(ax, "plot_history", 1, y)
    looks = style.looks(style.MAX_TOLD_APART)
    for number, (name, history) in enumerate(runs.items()):
        if _drawn(history, y):
            look = looks[number % len(looks)] | {"linewidth": 1.8} | style.markers(len(history))
            axes[0].plot(history[x], history[y] - off[name], label=name or COLUMNS[y], **look)
    _dress(axes[0], x, COLUMNS[y] if _zero(minus) else f"{COLUMNS[y]} above the best")
    if log:
        axes[0].set_yscale("log")
    return axes


def _zero(minus: float | Mapping[Any, float]) -> bool:
    return not isinstance(minus, Mapping) and minus == 0


def _runs(given: Any) -> dict[str, NDArray[Any]]:
    """{name: history} of what the user gave; the name of a single run is ''."""
    named = "estimators_or_history"
    runs = style.by_name(given, named, "run")
    return {name: _history(run, f"{named}[{name!r}]" if name else named) for name, run in runs.items()}


def _history(run: Any, name: str) -> NDArray[Any]:
    history: NDArray[Any] = getattr(run, "history_", run)
    fields = getattr(getattr(history, "dtype", None), "names", None) or ()
    missing = {*AXES, *COLUMNS} - set(fields)
    if missing:
        raise ValueError(
            f"{name} must be a fitted estimator of fastsgd or its history_, found {type(run).__name__} without "
            f"{'history_; call fit first' if not fields else 'the columns ' + ', '.join(sorted(missing))}."
        )
    if not history.size:
        raise ValueError(f"{name} has no epochs: there is nothing to draw.")
    return history


def _drawn(history: NDArray[Any], what: str) -> bool:
    return bool(np.isfinite(history[what]).any())


def _dress(panel: Any, x: str, y: str) -> None:
    style.dress(panel, x, y, grid="y")
    if x == "epoch":
        panel.xaxis.get_major_locator().set_params(integer=True)
    if panel.lines:
        panel.legend(frameon=False)
