"""What threads are worth to the SGD estimators, as Markdown: `python asv_benchmarks/sgd_threads.py`.

Fits of a few epochs with the objective after each, and predictions, with n_jobs=1 and more in turn, in one process; the least
seconds of the repeats. "objective": at the end, over that of n_jobs=1. On a machine that others use, ratios are too small:
"waited" is the share of time for which our threads were ready and had no core, in the fastest run (Linux).
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import os
import warnings
from pathlib import Path
from time import perf_counter

import numpy as np
from benchmarks.common import SCALE, make

from fastsgd import SGDClassifier, engine
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.split import Split
from fastsgd.state import State
from fastsgd.threads import Threads

EPOCHS = 5
# name: (data, classes or None, parameters)
FITS = {
    "500,000 x 28, hinge": ("narrow", None, {}),
    "500,000 x 28, log_loss": ("narrow", None, {"loss": "log_loss"}),
    "500,000 x 28, log_loss, auto": ("narrow", None, {"loss": "log_loss", "learning_rate": "auto", "max_iter": 1}),
    "text, log_loss, constant": ("text", None, {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.5}),
    "text, hinge": ("text", None, {"alpha": 1e-5}),
    "text, hinge, hogwild": ("text", None, {"alpha": 1e-5, "parallel": "hogwild"}),
    "60,000 x 784, batches of 4,096": ("images", None, {"batch_size": 4096, "optimizer": "adam", "eta0": 0.001}),
    "text of many classes, hinge": ("many", "all", {"alpha": 1e-5, "max_iter": 5}),
    "text of many classes, auto": ("many", "all", {"loss": "log_loss", "learning_rate": "auto", "max_iter": 1}),
}


def waited():
    """Seconds for which threads of this process were ready to run and had no core."""
    tasks = Path("/proc/self/task")
    try:
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks.iterdir()) / 1e9
    except OSError:
        return np.nan


def race(repeats, *functions):
    """(least seconds, share waited) of each, called in turn."""
    found = [[] for _ in functions]
    for _ in range(repeats):
        for function, mine in zip(functions, found, strict=True):
            before, start = waited(), perf_counter()
            function()
            seconds = perf_counter() - start
            mine.append((seconds, (waited() - before) / seconds))
    return [min(mine) for mine in found]


def row(name, times, objective=""):
    (alone, a), (threads, b) = times
    print(f"| {name} | {alone:.3g} | {alone / threads:.2f} | {objective} | {max(a, b):.0%} |", flush=True)


def fits(name, n, repeats):
    data, classes, params = FITS[name]
    X, y = make(data)
    y = y if classes else (y > np.median(y)).astype(int)
    ends = {}

    def fit(n_jobs):
        est = SGDClassifier(**{"max_iter": EPOCHS, "tol": None, "random_state": 0, "n_jobs": n_jobs} | params)
        est.set_params(callbacks=lambda _: None).fit(X, y)
        ends[n_jobs] = est.history_["objective"][-1]
        return est

    model = fit(n).set_params(callbacks=None)
    times = race(repeats, lambda: fit(1), lambda: fit(n))
    row(name, times, f"{ends[n] / ends[1]:.4f}")
    if name in ("text, hinge", "500,000 x 28, hinge", "text of many classes, hinge"):
        times = race(repeats, *(lambda n=n: model.set_params(n_jobs=n).decision_function(X) for n in (1, n)))
        row(f"{name}: decision_function", times)


def grid(layout, n, repeats):
    from many_models import plans, rows

    n_rows = 100_000 // SCALE
    X, y, fold = rows(layout, n_rows)
    table, plan = Table(X, y=y, fold=fold), Plan.stack(plans("log_loss", "l2", n_rows))
    state = State.zeros(X.shape[1], len(plan.heads), X.dtype, 0, True)

    def epoch(lanes):
        for _ in engine.one_pass(engine.Run(state), plan, table, True, lanes):
            pass

    row(f"grid of 100 models, {layout}", race(repeats, lambda: epoch(engine.SERIAL), lambda: epoch(Split(Threads(n)))))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--rows", default="", help="only those with this in their name")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # of epochs that are few on purpose
    print(f"| on {os.cpu_count()} cores | n_jobs=1, s | n_jobs={args.n_jobs}: ratio | objective | waited |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in FITS:
        if args.rows in name:
            fits(name, args.n_jobs, args.repeats)
    for layout in ("dense", "CSR"):
        if args.rows in f"grid of 100 models, {layout}":
            grid(layout, args.n_jobs, args.repeats)


if __name__ == "__main__":
    main()
