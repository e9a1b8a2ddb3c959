"""The table of the README, as Markdown: `python -m asv_benchmarks.compare sgd --many`.

Both libraries fit the same synthetic data in the same process, on one thread, in turn: five epochs, shuffled, no
stopping rule. Seconds are medians of a whole `fit` (of one call for partial_fit). Ratio: scikit-learn / fastsgd, so
below 1 we lose. Shuffled / stored: what the random order of the rows costs us. Epoch / limit: a fifth of our fit over
the time of `X.sum()` (dense) or `X @ W` (CSR). Data and sizes are in benchmarks/common.py.

With --defaults another table: all parameters but the loss (and one penalty) at their defaults, so that both libraries
stop by their own rules. Seconds are of the processor, ratio is the median of the ratios of fits that followed one
another. A fit that stops early is short but no better, therefore the epochs of each, the objective of each on the rows
that it was trained on (mean loss and penalty, mean over the classes, worked out here in the same way for both), and the
share of labels that each gets right on rows that neither has seen.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import platform
import warnings
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from time import process_time

import numpy as np
from benchmarks.common import DATA, dense, interleaved, limit, make, size, text, unsorted_text
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier as Theirs

from fastsgd import SGDClassifier as Ours

EPOCHS, CALLS = 5, 200
HEAD = "| data | loss | penalty | dtype | scikit-learn, s | fastsgd, s | ratio | shuffled / stored | epoch / limit |"
BOTH = "float64", "float32"
KIND = {
    "narrow": "dense",
    "wide": "dense",
    "text": "CSR",
    "images": "dense, half zeros,",
    "many": "CSR",
    "row": "partial_fit, a row of",
}
ROWS = [
    *((data, loss, "l2", dtype) for data in ("narrow", "wide") for loss in ("hinge", "log_loss") for dtype in BOTH),
    *((data, "hinge", "elasticnet", dtype) for data in ("narrow", "wide") for dtype in BOTH),
    *(("text", "hinge", penalty, dtype) for penalty in ("l2", "l1", "elasticnet") for dtype in BOTH),
    *(("text", "log_loss", "elasticnet", dtype) for dtype in BOTH),
    ("images", "log_loss", "l2", "float32"),
    ("many", "hinge", "l2", "float32"),
    ("many", "log_loss", "l2", "float32"),
    ("row", "hinge", "l2", "float64"),
]

# --defaults: name, maker, rows, columns, classes; and of those loss, penalty and dtype.
DEFAULTS_HEAD = (
    "| data | loss | penalty | dtype | scikit-learn, s | fastsgd, s | ratio | epochs | objective | right, unseen |"
)
DEFAULTS = [
    ("CSR, unsorted,", unsorted_text, 12_000, 8_000, 2, ("hinge l2 float64", "log_loss l2 float64")),
    ("CSR, unsorted,", unsorted_text, 12_000, 8_000, 20, ("hinge l2 float64", "log_loss l2 float64")),
    ("dense", dense, 200, 10, 2, ("hinge l2 float64", "log_loss l2 float64")),
    ("dense", dense, 200_000, 28, 2, ("hinge l2 float64", "log_loss l2 float64", "log_loss l2 float32")),
    ("CSR", text, 200_000, 47_000, 2, ("log_loss elasticnet float64", "log_loss elasticnet float32")),
]


def label(data, scale=1):
    """Words for the data: the first column."""
    if data == "row":
        return f"{KIND[data]} 100"
    n, d, classes = size(data, scale)
    return f"{KIND[data]} {n:,} x {d:,}" + (f", {classes} classes" if classes > 2 else "")


@lru_cache(1)
def load(data, scale):
    """Made once for the rows of the table that follow one another."""
    return make(data, scale=scale)


def compare_fit(data, loss, penalty, dtype, scale, repeats):
    """The last five columns, as numbers."""
    X, y = load(data, scale)
    X = X.astype(dtype, copy=False)
    params = {"loss": loss, "penalty": penalty, "max_iter": EPOCHS, "tol": None, "random_state": 0}
    theirs, ours, stored = Theirs(**params), Ours(**params), Ours(shuffle=False, **params)
    heads = len(np.unique(y))
    floor = limit(X, heads if heads > 2 else 1)
    a, b, c, least = interleaved(repeats, *((lambda est=est: est.fit(X, y)) for est in (theirs, ours, stored)), floor)
    return a, b, a / b, b / c, b / EPOCHS / least


def compare_one_row(loss, penalty, dtype, repeats):
    """As compare_fit; a single row has no order, and the limit is no aim for it."""
    X, y = np.random.default_rng(0).standard_normal((2, 100)).astype(dtype), np.array([0, 1])
    pair = [cls(loss, penalty=penalty, random_state=0).partial_fit(X, y, y) for cls in (Theirs, Ours)]

    def calls(est):
        for _ in range(CALLS):
            est.partial_fit(X[:1], y[:1])

    a, b = (seconds / CALLS for seconds in interleaved(repeats, *((lambda est=est: calls(est)) for est in pair)))
    return a, b, a / b, None, None


def objective(est, X, y):
    """The mean loss plus the penalty of a fitted SGDClassifier of either library, mean over the classes."""
    scores = est.decision_function(X).reshape(len(y), -1)
    columns = est.classes_[-1:] if scores.shape[1] == 1 else est.classes_
    z = scores * np.where(y[:, None] == columns, 1.0, -1.0)
    loss = np.maximum(0.0, 1.0 - z) if est.loss == "hinge" else np.logaddexp(0.0, -z)
    W, l1_ratio = est.coef_, est.l1_ratio if est.penalty == "elasticnet" else 0.0
    penalty = est.alpha * (l1_ratio * abs(W).sum() + 0.5 * (1.0 - l1_ratio) * (W * W).sum())
    return loss.mean() + penalty / len(W)


def compare_defaults(X, y, n, loss, penalty, repeats):
    """The last six columns, in words; a third of n more rows are there to be predicted."""
    pair = [cls(loss, penalty=penalty, random_state=0) for cls in (Theirs, Ours)]
    seconds, (known, labels) = [], (X[:n], y[:n])  # a slice of CSR is a copy, and none of the fit's time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter epochs were too few: the table says how many
        for _ in range(repeats):
            seconds.append(
                interleaved(1, *((lambda est=est: est.fit(known, labels)) for est in pair), clock=process_time)
            )
    a, b = (median(column) for column in zip(*seconds, strict=True))
    both = [[str(est.n_iter_) for est in pair]]
    both.append([f"{objective(est, known, labels):.4f}" for est in pair])
    both.append([f"{est.score(X[n:], y[n:]):.4f}" for est in pair])
    return [number(a), number(b), number(median(x / z for x, z in seconds)), *map(" / ".join, both)]


def defaults(rows, small, repeats):
    """Print the table of --defaults."""
    print(DEFAULTS_HEAD, line(["---"] * 4 + ["---:"] * 6), sep="\n", flush=True)
    for kind, maker, n, d, classes, cases in DEFAULTS:
        n = n // 20 if small and n > 1000 else n
        name = f"{kind} {n:,} x {d:,}" + (f", {classes} classes" if classes > 2 else "")
        cases = [case for case in cases if rows in f"{name} {case}"]
        X, y = maker(n + n // 3, d, classes) if cases else (None, None)
        for case in cases:
            loss, penalty, dtype = case.split()
            cells = compare_defaults(X.astype(dtype), y, n, loss, penalty, repeats)
            print(line([name, loss, penalty, dtype, *cells]), flush=True)


def line(cells):
    return f"| {' | '.join(cells)} |"


def number(value):
    return "" if value is None else f"{value:.3g}"


def installed(name):
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"{name} (source tree)"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", default="", help="only rows that hold this, as in 'dense 500,000 x 28 hinge' or 'images'"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    parser.add_argument("--many", action="store_true", help="also 527 classes, which takes scikit-learn minutes")
    parser.add_argument(
        "--defaults", action="store_true", help="the table of fits with default parameters, tol included"
    )
    args = parser.parse_args()
    if args.defaults:
        defaults(args.rows, args.small, args.repeats)
    else:
        without_stopping(args, parser)
    names = ", ".join(installed(name) for name in ("fastsgd", "scikit-learn", "numpy", "scipy"))
    print(f"\nPython {platform.python_version()}, {names}; medians of {args.repeats}, one thread.")


def without_stopping(args, parser):
    """Print the table of five epochs."""
    rows = [
        row
        for row in ROWS
        if args.rows in " ".join((row[0], label(row[0]), *row[1:])) and (args.many or row[0] != "many")
    ]
    if not rows:
        parser.error(f"no row holds {args.rows!r}; --many adds those of many classes")
    print(HEAD, line(["---"] * 4 + ["---:"] * 5), sep="\n", flush=True)
    for data, *how in rows:
        scale = 20 if args.small else 1
        numbers = compare_fit(data, *how, scale, args.repeats) if data in DATA else compare_one_row(*how, args.repeats)
        print(line([label(data, scale), *how, *map(number, numbers)]), flush=True)


if __name__ == "__main__":
    main()
