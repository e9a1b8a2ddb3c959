"""Fits that are measured alike, for optimizers.py: step sizes chosen by the objective, seconds of training alone."""

import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from fastsgd import SGDClassifier
from fastsgd.inspection import plot_history

ALPHA = 1e-5
COMMON = {
    "loss": "log_loss",
    "alpha": ALPHA,
    "tol": None,
    "random_state": 0,
    "intercept_decay": 1.0,
    "learning_rate": "constant",
    "power_t": 0.5,
}
WAYS = {
    "constant step": {"learning_rate": "constant"},
    "averaged": {"learning_rate": "constant", "average": True},
    "cosine": {"learning_rate": "cosine"},
}


class Data(NamedTuple):
    """One layout of the flights, and the least objective on it."""

    name: str
    X: object
    y: np.ndarray
    X_test: object
    y_test: np.ndarray
    best: float

    def held_out(self, model):
        """The log-loss of the flights that no fit has seen."""
        return log_loss(self.y_test, model.predict_proba(self.X_test)[:, 1])


class Run(NamedTuple):
    """A fit, and how far its objective is above the best at the end."""

    model: SGDClassifier
    gap: float

    @property
    def settings(self):
        """Batch size and eta0, in words."""
        model = self.model
        return f"{model.batch_size}, {'optimal' if model.learning_rate == 'optimal' else f'{model.eta0:g}'}"


def least(name, X, y, X_test, y_test):
    """Data, with the least objective: that of scikit-learn's LogisticRegression, to a small gradient."""
    solver = "lbfgs" if hasattr(X, "indptr") else "newton-cholesky"
    model = LogisticRegression(C=1 / (ALPHA * len(y)), solver=solver, tol=1e-7, max_iter=10_000)
    model.fit(X.astype(np.float64), y)
    w, b = model.coef_[0], model.intercept_[0]
    z, sign = X @ w + b, np.where(y, 1.0, -1.0)
    best = np.logaddexp(0, -sign * z).mean() + ALPHA / 2 * (w @ w)
    slope = -sign / (1 + np.exp(sign * z))
    norm = math.hypot(np.linalg.norm(slope @ X / len(y) + ALPHA * w), slope.mean())
    data = Data(name, X, y, X_test, y_test, best)
    row = [name, f"{X.shape[0]:,}", f"{X.shape[1]:,}", f"{best:.6f}", f"{solver}, to a gradient of norm {norm:.0e}"]
    return data, [*row, f"{data.held_out(model):.4f}"]


def watch(at):
    """A callback that does nothing. With one, the history has the objective of each epoch."""


def fit(data, **params):
    """A run, its objective worked out after each pass."""
    model = SGDClassifier(**COMMON | params, callbacks=watch)
    try:
        gap = model.fit(data.X, data.y).history_["objective"][-1] - data.best
    except ValueError:  # it diverged in the first pass
        gap = math.inf
    return Run(model, gap if math.isfinite(gap) else math.inf)


def choose(data, batches, etas, **params):
    """The run of least objective over batch_size and eta0.

    All pairs are tried; then, for each batch_size whose best eta0 is the smallest or largest, up to three decades
    beyond it; then 0.3 and 3 times the best.

    Returns
    -------
    Run, and {batch_size: {eta0: gap}} of all that was tried
    """
    tried, best = {batch: {} for batch in batches}, []
    if params.get("learning_rate") == "optimal":  # has no eta0
        return fit(data, batch_size=batches[0], **params), tried

    def go(*pairs):
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the kernels release the GIL
            runs = list(pool.map(lambda pair: fit(data, batch_size=pair[0], eta0=pair[1], **params), pairs))
        for (batch, eta), run in zip(pairs, runs, strict=True):
            tried[batch][eta] = run.gap
        best[:] = [min([*best, *runs], key=lambda run: run.gap)]

    go(*product(batches, etas))
    for _ in range(3):
        beyond = []
        for batch, gaps in tried.items():
            eta, ends = min(gaps, key=gaps.get), {min(gaps): 0.1, max(gaps): 10.0}
            if eta in ends:
                beyond.append((batch, float(f"{eta * ends[eta]:.0e}")))
        go(*beyond)
    best_batch, best_eta = best[0].model.batch_size, best[0].model.eta0
    go(*((best_batch, float(f"{best_eta * factor:.0e}")) for factor in (0.3, 3)))
    return best[0], tried


def timed(data, runs, repeats):
    """{name: history} of the runs, the seconds being medians of fits that do nothing but train, made in turn."""
    seconds = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            again = SGDClassifier(**run.model.get_params(deep=False) | {"callbacks": None}).fit(data.X, data.y)
            seconds[name].append(again.history_["seconds"])
    histories = {name: run.model.history_.copy() for name, run in runs.items()}
    for name, history in histories.items():
        history["seconds"] = np.median(seconds[name], axis=0)
    return histories


def tell(gap):
    """A gap in a cell of a table."""
    return f"{gap:.1e}" if math.isfinite(gap) else "diverged"


class Page:
    """Where tables and images go: to the screen and a folder, and from there to a page in Markdown."""

    def __init__(self, images):
        self.images, self.tables = images, {}
        images.mkdir(parents=True, exist_ok=True)

    def table(self, name, heads, rows):
        """Print a table in Markdown, and keep it for the page."""
        lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self.tables[name] = "\n".join(lines)
        print(f"\n{name}\n\n{self.tables[name]}\n", flush=True)

    def fill(self, path):
        """Put the tables into a page, each after its marker."""
        text = path.read_text("utf-8")
        for name, lines in self.tables.items():
            place = rf"(<!-- table {name} -->\n).*?(<!-- end -->)"
            text, found = re.subn(place, lambda at, new=lines: f"{at[1]}{new}\n{at[2]}", text, flags=re.S)
            if found != 1:
                raise SystemExit(f"{path} must have one place for the table {name!r}, found {found}.")
        path.write_text(text, "utf-8")

    def save(self, figure, name):
        """As a PNG."""
        figure.savefig(self.images / f"{name}.png", dpi=90)
        plt.close(figure)

    def curves(self, name, histories, best, title):
        """The gap against passes and against seconds, side by side. `best` is a number, or one for each run."""
        figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
        bests = best if isinstance(best, dict) else dict.fromkeys(histories, best)
        top = max(history["objective"][0] - bests[run] for run, history in histories.items())
        for x, label, axis in zip(("epoch", "seconds"), ("passes", "seconds of training"), axes, strict=True):
            plot_history(histories, x=x, y="objective", minus=best, log=True, ax=axis)
            axis.set(xscale="log", ylim=(None, min(1.0, 2 * top)), xlabel=label)
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.grid(color="0.9")
            axis.legend().remove()
        axes[1].set_ylabel("")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False, fontsize=9)
        self.save(figure, name)
