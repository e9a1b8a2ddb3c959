"""How far learning_rate="auto" comes after its first pass, in products X @ w: `python -m asv_benchmarks.compare beyond`.

Of each problem and alpha: passes of SGD alone (to 1% and to 0.1% above the least objective, and what `tol` ends), the fit with
defaults, whose passes from the fourth on are the solver's, and the solver alone, from zero to a certificate of 0.1%. All is CPU
time, on one thread, over that of one product X @ w in the same process; a fit counts as a whole, with its checks of the input.
"never": not within 60 passes. The least objective is that of the solver at tol=1e-4, or the best that any of them found.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import platform
import warnings
from dataclasses import replace
from statistics import median
from time import process_time

import numpy as np

from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.stopping import Objective

from .problems import PROBLEMS, Problem, make

SGD_PASSES = 60  # of SGD alone, which are looked at
ALPHAS = 1e-4, 1e-6
SHARES = 0.01, 0.001
HEADER = "| problem | alpha | SGD alone, to 1% | to 0.1% | to `tol` | above | the fit | above | ended by | solver alone | above |"


def seconds(function, repeats: int = 3) -> float:
    """CPU seconds, the median."""
    taken = []
    for _ in range(repeats):
        start = process_time()
        function()
        taken.append(process_time() - start)
    return median(taken)


def product(problem: Problem) -> float:
    """CPU seconds of X @ w."""
    w = np.ones(problem.X.shape[1], problem.X.dtype)
    many = max(1, int(2e-3 / max(1e-6, seconds(lambda: problem.X @ w))))
    return seconds(lambda: [problem.X @ w for _ in range(many)], 7) / many


def fits(problem: Problem, **more):
    """The SGD estimator of a problem, not fitted."""
    kind = SGDClassifier if problem.classifier else SGDRegressor
    penalty = {0.0: "l2", 1.0: "l1"}.get(problem.l1_ratio, "elasticnet")
    given = {"penalty": penalty, "alpha": problem.alpha, "l1_ratio": problem.l1_ratio, "learning_rate": "auto"}
    return kind(problem.loss, **given | {"random_state": 0} | more)


def along(problem: Problem, **more) -> list[tuple[float, float]]:
    """(CPU seconds, objective) after each pass of SGD alone."""
    seen = []
    est = fits(problem, callbacks=lambda p: seen.append((process_time(), p.history["objective"][-1])), **more)
    start = process_time()
    est.fit(problem.X, problem.y)
    return [(at - start, value) for at, value in seen]


def row(problem: Problem, repeats: int) -> list[str]:
    """The cells of a problem."""
    X, y, one = problem.X, problem.y, product(problem)
    # Two rules are no reason to go on with the solver, and end when one does.
    alone, path = {"stopping": [Objective(1e-3), Objective(1e-3)]}, along(problem, max_iter=SGD_PASSES, tol=None)
    kinds = (lambda: fits(problem, **alone)), (lambda: fits(problem)), (lambda: problem.ours(1e-3))
    models = [kind().fit(X, y) for kind in kinds]
    found = [problem(est.coef_, est.intercept_) for est in models]
    best = problem.ours(1e-4, max_iter=300).fit(X, y)
    least = min(problem(best.coef_, best.intercept_), *found, *(value for _, value in path))
    cells = []
    for share in SHARES:
        there = [at for at, value in path if value <= least * (1 + share)]
        cells.append(f"{there[0] / one:.0f}" if there else "never")
    for kind, est, value in zip(kinds, models, found, strict=True):
        took = seconds(lambda kind=kind: kind().fit(X, y), repeats)
        cells += [f"{took / one:.0f} ({est.n_iter_})", f"{value / least - 1:.2%}"]
    return [*cells[:6], models[1].stop_reason_, *cells[6:]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="", help="only problems whose names hold this")
    parser.add_argument(
        "--data", nargs="*", default=[], metavar="NAME=DATA", help="data of your own, see solvers --help"
    )
    parser.add_argument("--losses", nargs="*", default=[], help="of your data, in place of the usual one")
    parser.add_argument("--alphas", nargs="*", type=float, default=ALPHAS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    names = [*(name for name in PROBLEMS if args.problems in name and not args.data), *args.data]
    if not names:
        parser.error(f"no problem holds {args.problems!r}; there are {', '.join(PROBLEMS)}")
    print(HEADER, "| --- |" + " ---: |" * (HEADER.count("|") - 2), sep="\n")
    for name in names:
        problem = make(name, 20 if args.small else 1)
        for loss in args.losses or [problem.loss]:
            one = replace(problem, loss=loss)
            for alpha in args.alphas if not problem.l1_ratio else [problem.alpha]:
                label = name.split("=")[0] + (f", {loss}" if args.losses else "")
                cells = label, f"{alpha:.0e}", *row(replace(one, alpha=alpha), args.repeats)
                print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\nPython {platform.python_version()}; medians of {args.repeats}.")


if __name__ == "__main__":
    main()
