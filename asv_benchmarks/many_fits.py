"""Many models by one call, beside as many fits: `python asv_benchmarks/many_fits.py`, the table of docs/many-models.md.

Processor seconds of one thread, and the memory that the call takes at its peak beside X. Five epochs each, float32.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import tracemalloc
import warnings
from statistics import median
from time import process_time

from many_models import rows
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastsgd import SGDClassifier
from fastsgd.inspection import step_sizes

STEPS = {"loss": "log_loss", "max_iter": 5, "tol": None, "learning_rate": "constant", "random_state": 0}


def seconds(function, *args):
    """(processor seconds, what it returns)"""
    start = process_time()
    found = function(*args)
    return process_time() - start, found


def peak(function, *args):
    """Megabytes that it takes at its peak."""
    tracemalloc.start()
    function(*args)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 1e6


def each(est, X, y, candidates):
    """A fit for each of these parameters."""
    for params in candidates:
        clone(est).set_params(**params).fit(X, y)


def cases():
    """(name, est, together, candidates): `together(est, X, y)` makes the models of all candidates."""
    yield "30 step sizes", SGDClassifier(**STEPS), lambda est, X, y: step_sizes(est, X, y, etas=30), _etas


def _etas(found):
    return [{"eta0": eta} for eta in found.etas]


def compare(name, est, together, candidates, X, y, repeats):
    """A row of the table."""
    _, found = seconds(together, est, X, y)
    pairs = [
        (seconds(together, est, X, y)[0], seconds(each, est, X, y, candidates(found))[0], seconds(est.fit, X, y)[0])
        for _ in range(repeats)
    ]
    all_of_them, apart, one = (median(times) for times in zip(*pairs, strict=True))
    memory = peak(together, est, X, y)
    return f"{name} | {one:.3g} | {all_of_them:.3g} | {apart:.3g} | {apart / all_of_them:.1f} | {memory:.0f}"


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
        for case in cases():
            print(
                f"| {layout} {X.shape[0]:,} x {X.shape[1]:,} | {compare(*case, X, y.ravel(), args.repeats)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
