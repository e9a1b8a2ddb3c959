"""Many models by one call, beside as many fits: `python asv_benchmarks/many_fits.py`, the table of docs/many-models.md.

Processor seconds of one thread, and the memory that the call takes at its peak beside X. Five epochs each, float32.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import tracemalloc
import warnings
from statistics import median
from time import process_time

import numpy as np
from many_models import rows
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold

from fastsgd import SGDClassifier, SGDClassifierCV
from fastsgd.inspection import step_sizes

STEPS = {"loss": "log_loss", "max_iter": 5, "tol": None, "learning_rate": "constant", "random_state": 0}
ALPHAS = np.logspace(-6, -2, 20)


def seconds(function, *args):
    """Processor seconds."""
    start = process_time()
    function(*args)
    return process_time() - start


def peak(function, *args):
    """Megabytes that it takes at its peak."""
    tracemalloc.start()
    function(*args)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def each(est, X, y, etas):
    """A fit for each of these step sizes."""
    for eta in etas:
        clone(est).set_params(eta0=eta).fit(X, y)


def sizes():
    """(30 step sizes by one call, a fit for each of them)"""
    est, found = SGDClassifier(**STEPS), {}

    def together(X, y):
        found["etas"] = step_sizes(est, X, y, etas=30).etas

    return together, lambda X, y: each(est, X, y, found["etas"])


def alphas():
    """(20 alphas and 5 folds by one call, a fit for each of them), without the refit."""
    how = {"cv": KFold(5, shuffle=True, random_state=0), "scoring": "neg_log_loss", "refit": False}
    grid = GridSearchCV(SGDClassifier(**STEPS), {"alpha": ALPHAS}, **how)
    return SGDClassifierCV(**STEPS, alphas=ALPHAS, **how).fit, grid.fit


AUTO = STEPS | {"learning_rate": "auto"}


def bootstrap():
    """(20 resampled models beside one, a fit for each)"""

    def apart(X, y):
        for seed in range(21):
            weight = np.random.default_rng(seed).poisson(1.0, len(y)) if seed else None
            SGDClassifier(**AUTO).fit(X, y, sample_weight=weight)

    return SGDClassifier(**AUTO, n_bootstrap=20).fit, apart


def splits():
    """(10 models of a tenth of the rows beside one, a fit for each)"""

    def apart(X, y):
        SGDClassifier(**AUTO).fit(X, y)
        for first in range(10):
            SGDClassifier(**AUTO).fit(X[first::10], y[first::10])

    return SGDClassifier(**AUTO, n_splits=10).fit, apart


def segments():
    """(a model for each of 200 segments, and one of all rows; a fit for each)"""
    est = SGDClassifier(**STEPS)

    def labels(y):
        return np.random.default_rng(0).integers(0, 200, len(y))

    def apart(X, y):
        est.fit(X, y)
        for label in range(200):
            some = np.flatnonzero(labels(y) == label)
            if len(np.unique(y[some])) > 1:
                est.fit(X[some], y[some])

    return lambda X, y: est.fit(X, y, segments=labels(y)), apart


CASES = {
    "30 step sizes": sizes,
    "20 alphas, 5 folds": alphas,
    '"auto", n_bootstrap=20': bootstrap,
    '"auto", n_splits=10': splits,
    "200 segments": segments,
}


def compare(case, X, y, repeats):
    """A row of the table."""
    together, apart = case()
    one = SGDClassifier(**AUTO if case in (bootstrap, splits) else STEPS).fit
    together(X, y)
    times = [[seconds(f, X, y) for f in (one, together, apart)] for _ in range(repeats)]
    alone, all_of_them, one_by_one = map(median, zip(*times, strict=True))
    ratio, memory = one_by_one / all_of_them, peak(together, X, y)
    return f"{alone:.3g} | {all_of_them:.3g} | {one_by_one:.3g} | {ratio:.1f} | {memory:.0f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| rows | models | one fit, s | all in one call, s | a fit for each, s | ratio | memory, MB |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for layout in ("dense", "CSR"):
        X, y, _ = rows(layout, args.rows)
        for name, case in CASES.items():
            found = compare(case, X, y.ravel(), args.repeats)
            print(f"| {layout} {X.shape[0]:,} x {X.shape[1]:,} | {name} | {found} |", flush=True)


if __name__ == "__main__":
    main()
