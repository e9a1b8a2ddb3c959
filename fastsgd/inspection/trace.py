"""Plots of `history_`. matplotlib is imported inside the function, so that `import fastsgd` does not load it."""

from collections.abc import Mapping

import numpy as np

AXES = {"epoch": "epoch", "seconds": "seconds"}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # told apart by the colour-blind too
STYLES = {"loss": {"linestyle": (0, (4, 2)), "linewidth": 1.2}, "objective": {"linewidth": 1.8}}


def plot_history(estimators_or_history, *, x="epoch", ax=None):
    """Draw loss and objective, and beside them the validation score, of one training run or of several.

    Parameters
    ----------
    estimators_or_history : fitted estimator, `history_` array, or dict of str to either
        A dict draws several runs; its keys go to the legend.
    x : {"epoch", "seconds"}, default="epoch"
        The horizontal axis.
    ax : matplotlib Axes or sequence of Axes, default=None
        Where to draw: one for loss and objective, and a second one if there are validation scores. None makes a
        new figure.

    Returns
    -------
    axes : ndarray of matplotlib Axes, of length 1 or 2
        The panel of loss and objective, then that of the validation score if there is one.

    Raises
    ------
    ValueError
        Not fitted, no epochs, no such x, or another number of Axes than there are panels.
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
    """
    runs = _runs(estimators_or_history)
    if not isinstance(x, str) or x not in AXES:
        raise ValueError(f"x must be one of {list(AXES)}, got {x!r}.")
    panels = 1 + any(_drawn(history, "validation_score") for history in runs.values())
    axes = _axes(ax, panels)
    for number, (name, history) in enumerate(runs.items()):
        look = {
            "color": COLOURS[number % len(COLOURS)],
            "marker": "o" if len(history) < 30 else None,
            "markersize": 3.5,
        }
        for what, style in STYLES.items():
            if _drawn(history, what):
                axes[0].plot(history[x], history[what], label=f"{name}: {what}" if name else what, **look, **style)
        if _drawn(history, "validation_score"):
            axes[1].plot(
                history[x], history["validation_score"], label=name or "validation score", linewidth=1.8, **look
            )
    for panel, label in zip(axes, ("mean over the rows", "validation score"), strict=False):
        _dress(panel, AXES[x], label)
    return axes


def _runs(given):
    """{name: history} of what the user gave; the name of a single run is ''."""
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("estimators_or_history is an empty dict: there is nothing to draw.")
        return {str(name): _history(run, f"estimators_or_history[{name!r}]") for name, run in given.items()}
    return {"": _history(given, "estimators_or_history")}


def _history(run, name):
    history = getattr(run, "history_", run)
    fields = getattr(getattr(history, "dtype", None), "names", None) or ()
    missing = {*AXES, *STYLES, "validation_score"} - set(fields)
    if missing:
        raise ValueError(
            f"{name} must be a fitted estimator of fastsgd or its history_, found {type(run).__name__} without "
            f"{'history_; call fit first' if not fields else 'the columns ' + ', '.join(sorted(missing))}."
        )
    if not history.size:
        raise ValueError(f"{name} has no epochs: there is nothing to draw.")
    return history


def _drawn(history, what):
    return bool(np.isfinite(history[what]).any())


def _axes(ax, panels):
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError('plot_history needs matplotlib: pip install "fastsgd[plot]"') from None
    if ax is None:
        _, axes = plt.subplots(1, panels, figsize=(1.0 + 4.5 * panels, 3.6), squeeze=False, layout="constrained")
        return axes[0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != panels or not all(hasattr(panel, "plot") for panel in axes):
        why = "loss and objective, and the validation score" if panels == 2 else "loss and objective"
        raise ValueError(f"ax must be {panels} matplotlib Axes (for {why}), found {ax!r}.")
    return axes


def _dress(panel, x, y):
    panel.set(xlabel=x, ylabel=y)
    if x == "epoch":
        panel.xaxis.get_major_locator().set_params(integer=True)
    panel.grid(axis="y", color="0.9")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    if panel.lines:
        panel.legend(frameon=False)
