"""A grid of alphas and folds in one pass, beside as many fits: `python -m asv_benchmarks.compare grid_search`.

20 alphas and 5 folds on one thread, float32, with the same settings: SGDClassifierCV; separate fits of SGDClassifier, of which
a share of the grid is timed; and scikit-learn's GridSearchCV(SGDClassifier, n_jobs=1). CPU time, in turn. With --tol
each model trains until its objective falls no more, as by default (scikit-learn's stops by the loss of the rows before their
steps); else for five epochs. Memory: the peak beside the data, and the weights of all models.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import tracemalloc
import warnings
from statistics import median
from time import process_time

import numpy as np
from many_models import ALPHAS, rows
from sklearn.linear_model import SGDClassifier as Peer
from sklearn.model_selection import GridSearchCV, KFold

from fastsgd import SGDClassifier, SGDClassifierCV

FOLDS = KFold(5)


def seconds(f):
    """(CPU seconds, what f gives)"""
    started = process_time()
    found = f()
    return process_time() - started, found


def together(X, y, how, **more):
    """The estimator under test."""
    return SGDClassifierCV(alphas=ALPHAS, cv=FOLDS, **how, **more).fit(X, y)


def one_by_one(X, y, how, every):
    """Fits of each candidate and fold, of one alpha in `every`; and the one of all rows."""
    for alpha in ALPHAS[::every]:
        for train, _ in FOLDS.split(X):
            weight = np.zeros(len(y))
            weight[train] = 1.0
            SGDClassifier(alpha=alpha, **how).fit(X, y, sample_weight=weight)


def peer(X, y, how):
    """scikit-learn's."""
    grid = {"alpha": ALPHAS}
    return GridSearchCV(Peer(**how), grid, cv=FOLDS, scoring="neg_log_loss", refit=False).fit(X, y)


def peak(f):
    """Bytes at most that f has taken."""
    tracemalloc.start()
    f()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def compare(layout, n, how, repeats, every):
    """A line of the table."""
    X, y, _ = rows(layout, n)
    y = (y[:, 0] > 0).astype(int)
    times = []
    for _ in range(repeats):
        own, est = seconds(lambda: together(X, y, how))
        halved, chosen = seconds(lambda: together(X, y, how, halving=3))
        separate = seconds(lambda: one_by_one(X, y, how, every))[0] * every
        times.append((own, halved, separate))
    theirs, search = seconds(lambda: peer(X, y, how))
    own, halved, separate = (median(part) for part in zip(*times, strict=True))
    scores = est.scores_.mean(axis=(0, 1))
    error = est.scores_[:, 0, scores.argmax()].std(ddof=1) / np.sqrt(len(est.scores_))
    mine, theirs_scored = (
        scores[list(est.alphas_).index(alpha)] for alpha in (chosen.alpha_, search.best_params_["alpha"])
    )
    MB, weights = 1e-6, est.coefs_paths_.nbytes
    print(
        f"| {layout} | {own:.2f} | {separate / own:.1f} | {theirs / own:.1f} | {est.alpha_:.2g} | "
        f"{search.best_params_['alpha']:.2g}, {(scores.max() - theirs_scored) / error:.2f} | {own / halved:.1f} | "
        f"{(scores.max() - mine) / abs(scores.max()):.1%} | {peak(lambda: together(X, y, how)) * MB:.1f} | {weights * MB:.1f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=5, help="Separate fits are of one alpha in so many.")
    parser.add_argument("--loss", default="log_loss")
    parser.add_argument("--tol", action="store_true", help="Train until the objective falls no more.")
    args = parser.parse_args()
    how = {"loss": args.loss, "random_state": 0, "max_iter": 5, "tol": None}
    if args.tol:
        how |= {"max_iter": 100, "tol": 1e-3}
    print(
        "| rows | in one pass, s | separate fits: ratio | scikit-learn: ratio | alpha | scikit-learn's alpha, below the best by "
        "standard errors | halving=3: times faster | its loss above the best | peak, MB | weights, MB |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for layout in ("dense", "CSR"):
            compare(layout, args.rows, how, args.repeats, args.every)


if __name__ == "__main__":
    main()
