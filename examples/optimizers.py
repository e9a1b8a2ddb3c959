"""Batch, mini-batch or stochastic? Which optimizer, step size, scaling, stopping rule? Measured on a year of flights.

Logistic regression: will the flight be more than 15 minutes late? The same flights in two layouts: dense (10 numbers, and
kinds) and sparse (kinds, pairs of kinds, tail numbers and days, in CSR). Prints tables in Markdown and saves curves.

- The objective is the mean log-loss of the training rows plus the penalty; the gap is how far it is above the best.
- Each eta0, and each batch size where the table names none, is the one of least objective after the passes of the table.
- The methods of newcomers.py are in NumPy, so that they are compared by passes, not by seconds.
- Seconds are of training alone: each run is made again without working out the objective. They are medians of several,
  the runs of a table in turn. Only the stopping rules count with what they cost.

    pip install ".[demo]" && python examples/optimizers.py --small
    python examples/optimizers.py --page docs/optimizers.md  # its tables and images anew; --parts, only some of them
"""

import argparse
import math
import time
import warnings
from itertools import product
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from flight_data import crossed, dense, load
from measure import ALPHA, WAYS, Page, choose, fit, least, tell, timed
from newer_methods import newer
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.inspection import plot_history
from fastsgd.optimizers import SGD, AdaGrad, Adam, RMSProp
from fastsgd.stopping import GradientNorm, Objective, ParameterChange, Validation

OPTIMIZERS = {name: name for name in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl")}
NOT_LAZY = {f"{one.name}, lazy=False": one for one in (AdaGrad(lazy=False), RMSProp(lazy=False), Adam(lazy=False))}
SCHEDULES = ("constant", "invscaling", "exponential", "step", "cosine", "one_cycle", "optimal")
FULL = {
    "batches": [1, 32, 256, 1024],
    "etas": [1e-3, 1e-2, 1e-1, 1.0],
    "passes": 10,
    "long": 50,
    "repeats": 3,
    "marks": (1, 5, 20),
}
SMALL = {"batches": [1, 32], "etas": [1e-2, 1e-1], "passes": 2, "long": 3, "repeats": 1, "marks": (1, 2, 3)}


def batches(page, data, size):
    """Batch, mini-batch and stochastic gradient descent."""
    passes = size["long"]
    search = fit(data, optimizer=SGD(line_search=True), batch_size="full", eta0=1.0, max_iter=passes)
    runs = {"full, line search": search}
    for batch in ("full", 256, 32, 1):
        runs[str(batch)], _ = choose(data, [batch], size["etas"], max_iter=passes)
    runs["1, averaged"], _ = choose(data, [1], size["etas"], max_iter=passes, average=True)
    histories = timed(data, runs, size["repeats"])
    rows = []
    for name, run in runs.items():
        gaps, rows_a_step = histories[name]["objective"] - data.best, run.model.batch_size
        steps = 1 if rows_a_step == "full" else math.ceil(len(data.y) / rows_a_step)
        after = [tell(gaps[min(n, passes) - 1]) for n in (1, 5, passes)]
        milliseconds = histories[name]["seconds"][-1] / passes * 1000
        eta0 = "searched for" if run is search else f"{run.model.eta0:g}"
        rows.append([name, eta0, f"{steps:,}", *after, f"{milliseconds:.0f}"])
    heads = [
        "batch_size",
        "eta0",
        "steps a pass",
        "gap after 1 pass",
        f"after {min(5, passes)}",
        f"after {passes}",
        "ms a pass",
    ]
    page.table("batches", heads, rows)
    page.curves("batches", histories, data.best, "Plain SGD by batch_size: objective above the best")


def optimizers(page, data, size, target):
    """Each optimizer in each way, at the batch size and eta0 that suit it."""
    every, runs = OPTIMIZERS | (NOT_LAZY if hasattr(data.X, "indptr") else {}), {}
    print(f"{data.name} data: the least gap of each batch size, and the eta0 it was found at")
    for (name, optimizer), (way, params) in product(every.items(), WAYS.items()):
        if (name, way) == ("ftrl", "cosine"):  # it has step sizes of its own
            continue
        sizes = size["batches"][1:] if name in NOT_LAZY else size["batches"]
        runs[name, way], tried = choose(
            data, sizes, size["etas"], optimizer=optimizer, max_iter=size["passes"], **params
        )
        found = (f"{batch}: {tell(min(gaps.values()))} at {min(gaps, key=gaps.get):g}" for batch, gaps in tried.items())
        print(f"  {name}, {way}: {'; '.join(found)}", flush=True)
    histories = timed(data, runs, size["repeats"])

    def cell(key):
        return (
            f"{tell(runs[key].gap)} in {histories[key]['seconds'][-1]:.2f} s ({runs[key].settings})"
            if key in runs
            else ""
        )

    rows = [[name, *(cell((name, way)) for way in WAYS)] for name in every]
    page.table(f"optimizers-{data.name}", ["optimizer", *WAYS], rows)
    drawn = {name: histories[name, "constant step"] for name in every}
    drawn |= {f"{name}, averaged": histories[name, "averaged"] for name in ("sgd", "adam")}
    title = f"Each optimizer at a constant step, and two averaged ones, {data.name} data: objective above the best"
    page.curves(f"optimizers-{data.name}", drawn, data.best, title)
    duel(page, data, runs, histories, target)


def duel(page, data, runs, histories, target):
    """Averaged SGD beside what Adam can do."""

    def best_of(word):
        return min((key for key in runs if word in key[0]), key=lambda key: runs[key].gap)

    lines = {
        "plain SGD, averaged": ("sgd", "averaged"),
        "Adam, constant step": ("adam", "constant step"),
        "Adam, averaged": ("adam", "averaged"),
        "the best of Adam and AdamW": best_of("adam"),
        "the best of plain SGD": best_of("sgd"),
        "the best of all": best_of(""),
    }
    rows = []
    for words, key in lines.items():
        gaps, seconds = histories[key]["objective"] - data.best, histories[key]["seconds"]
        there = np.flatnonzero(gaps <= target)
        reached = f"{seconds[there[0]]:.2f}" if len(there) else "not reached"
        words += f": {key[0]}, {key[1]}" if words.startswith("the best") else ""
        score = data.held_out(runs[key].model)
        rows.append([words, runs[key].settings, tell(gaps[-1]), f"{seconds[-1]:.2f}", reached, f"{score:.4f}"])
    heads = ["", "batch_size, eta0", "gap at the end", "seconds", f"seconds to {target:g}", "held-out log-loss"]
    page.table(f"duel-{data.name}", heads, rows)


def scaling(page, standardised, raw, size):
    """The same optimizers on numbers as they are and on standardised ones."""
    ways = {name: {"optimizer": name} for name in ("sgd", "momentum", "adagrad", "adam", "ftrl")}
    ways |= {"sgd, averaged": {"optimizer": "sgd", "average": True}}  # six, as there are colours: raw is dashed
    etas = [eta * 1e-3 for eta in size["etas"][:-1]] + size["etas"]  # raw numbers need small steps
    rows, histories, bests = [], {}, {}
    for data in (standardised, raw):
        label = "raw" if data is raw else "standardised"
        runs = {
            way: choose(data, size["batches"][:3], etas, max_iter=size["passes"], **params)[0]
            for way, params in ways.items()
        }
        for way, history in timed(data, runs, size["repeats"]).items():
            histories[f"{way}, {label}"], bests[f"{way}, {label}"] = history, data.best
        rows.append([label, *(f"{tell(run.gap)} ({run.settings})" for run in runs.values())])
    page.table("scaling", ["numbers", *ways], rows)
    page.curves("scaling", histories, bests, "Numbers standardised or raw: objective above the best")


def step_sizes(page, data, delays, size):
    """Gradient descent with steps below and above 2 / L; where SGD stalls, by its step; and the schedules."""
    ones = np.ones((len(data.y), 1))
    both, hours = np.hstack([data.X, ones]).astype(np.float64), delays / 60
    ridge = ALPHA * np.diag(np.append(np.ones(data.X.shape[1]), 0.0))
    curvature = both.T @ both / len(both) + ridge  # of half the squared error
    solved = np.linalg.lstsq(curvature, both.T @ hours / len(both))[0]
    best = ((both @ solved - hours) ** 2).mean() / 2 + solved @ ridge @ solved / 2
    steepest = np.linalg.eigvalsh(curvature)[-1]  # L
    rows, descents = [], {}
    for share in (0.01, 0.1, 1.0, 1.9, 3.0):
        model = SGDRegressor(
            alpha=ALPHA,
            batch_size="full",
            learning_rate="constant",
            eta0=share / steepest,
            max_iter=size["long"],
            tol=0.0,
            n_iter_no_change=size["long"],
        ).fit(data.X, hours)
        last, reason = model.history_[-1], model.stop_reason_
        rows.append(
            [f"{share:g} / L = {share / steepest:.2g}", last["epoch"], tell(last["objective"] - best), f'"{reason}"']
        )
        descents[f"{share:g} / L"] = model
    page.table("descent", ["eta0", "passes", "gap at the end", "stop_reason_"], rows)

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    plot_history(descents, y="objective", minus=best, log=True, ax=axes[0])
    axes[0].set(ylim=(None, 10), xlabel="passes", title="Gradient descent, squared error")
    stalls = {f"eta0={eta:g}": fit(data, eta0=eta, max_iter=size["long"]).model for eta in (1e-1, 1e-2, 1e-3, 1e-4)}
    plot_history(stalls, y="objective", minus=data.best, log=True, ax=axes[1])
    axes[1].set(xscale="log", xlabel="passes", title="SGD of one row a step, log-loss")
    page.save(figure, "step-sizes")

    rows = []
    for rate in SCHEDULES:
        options = {"learning_rate": rate, "max_iter": size["passes"]}
        found = [choose(data, [1], size["etas"], average=average, **options)[0] for average in (False, True)]
        rows.append([rate, *(f"{tell(run.gap)} ({run.settings.split(', ')[1]})" for run in found)])
    page.table("schedules", ["learning_rate", "last weights: gap (eta0)", "averaged: gap (eta0)"], rows)


def stopping(page, data, validation, size):
    """Where each rule stops the same run: averaged SGD of one row, with falling steps."""
    falling = {"learning_rate": "invscaling", "average": True}
    chosen, _ = choose(data, [1], size["etas"], max_iter=size["passes"], **falling)
    params = chosen.model.get_params() | {"callbacks": None, "max_iter": 4 * size["long"]}
    rules = {
        "the default": {"tol": 1e-3},
        "Objective(tol=1e-4)": {"stopping": Objective(1e-4)},
        "Objective(tol=1e-5)": {"stopping": Objective(1e-5)},
        "GradientNorm(tol=2e-3)": {"stopping": GradientNorm(2e-3)},
        "GradientNorm(tol=1e-3)": {"stopping": GradientNorm(1e-3)},
        "ParameterChange(tol=1e-2)": {"stopping": ParameterChange(1e-2)},
        "ParameterChange(tol=3e-3)": {"stopping": ParameterChange(3e-3)},
        "Validation(tol=1e-3), by the accuracy": {"stopping": Validation(1e-3)},
        "Validation(tol=1e-4), by the log-loss": {"stopping": Validation(1e-4), "validation_scoring": "loss"},
    }
    rows = []
    for name, changes in rules.items():
        held = {"X_val": validation[0], "y_val": validation[1]} if "Validation" in name else {}
        seconds = []
        for _ in range(size["repeats"]):
            start = time.perf_counter()
            model = SGDClassifier(**params | changes).fit(data.X, data.y, **held)
            seconds.append(time.perf_counter() - start)
        margins = model.decision_function(data.X).astype(np.float64) * np.where(data.y, 1, -1)
        gap = np.logaddexp(0, -margins).mean() + ALPHA / 2 * (model.coef_**2).sum() - data.best
        cost = f"{np.median(seconds):.2f}"
        rows.append([name, f'"{model.stop_reason_}"', model.n_iter_, cost, tell(gap), f"{data.held_out(model):.4f}"])
    page.table("stopping", ["stopping", "stop_reason_", "epochs", "seconds", "gap", "held-out log-loss"], rows)

    everything = [Objective(0.0, 4 * size["long"]), GradientNorm(0.0), ParameterChange(0.0)]
    trace = SGDClassifier(**params | {"stopping": everything, "max_iter": size["long"]}).fit(data.X, data.y)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
    for axis, column in zip(axes, ("objective", "gradient_norm", "change"), strict=True):
        plot_history(trace, y=column, minus=data.best if column == "objective" else 0.0, log=True, ax=axis)
        axis.set(xlabel="passes")
        axis.legend().remove()
    page.save(figure, "stopping")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("."), help="where to save the images (default: here)")
    parser.add_argument(
        "--page", type=Path, help="put the tables into this page, and the images into images/ beside it"
    )
    parser.add_argument("--small", action="store_true", help="few flights, passes and step sizes")
    parser.add_argument("--parts", nargs="+", help="only these, as in 'scaling newer'")
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # runs that diverge, or are not done, are among those shown
    start = time.perf_counter()
    page, size = Page(args.page.parent / "images" if args.page else args.out), SMALL if args.small else FULL

    flights, late = (part[::50] if args.small else part for part in load())
    train, rest, y, y_rest = train_test_split(flights, late, test_size=0.25, random_state=0, stratify=late)
    val, test, y_val, y_test = train_test_split(rest, y_rest, test_size=0.5, random_state=0, stratify=y_rest)
    X, X_val, X_test = dense(train, val, test)
    raw = dense(train, test, scaled=False)
    sparse = crossed(train, test)
    data, numbers = zip(
        least("dense", X, y, X_test, y_test),
        least("dense, raw", raw[0], y, raw[1], y_test),
        least("sparse", sparse[0], y, sparse[1], y_test),
        strict=True,
    )
    page.table("data", ["data", "rows", "columns", "least objective", "found by", "held-out log-loss there"], numbers)

    parts = {
        "batches": lambda: batches(page, data[0], size),
        "dense": lambda: optimizers(page, data[0], size, target=1e-3),
        "sparse": lambda: optimizers(page, data[2], size, target=3e-3),
        "scaling": lambda: scaling(page, data[0], data[1], size),
        "step_sizes": lambda: step_sizes(page, data[0], train["arr_delay"].to_numpy(), size),
        "stopping": lambda: stopping(page, data[0], (X_val, y_val), size),
        "newer": lambda: [newer(page, one, size) for one in data],
    }
    for name in args.parts or parts:
        parts[name]()
    if args.page:
        page.fill(args.page)
    print(f"{time.perf_counter() - start:.0f} s; the images are in {page.images}")


if __name__ == "__main__":
    main()
