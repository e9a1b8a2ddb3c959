"""What a hundred models cost in one pass: `python asv_benchmarks/many_models.py`.

20 alphas and 5 folds, float32, on one thread; beside one model on the same rows, in turn. Ratio: the time of an epoch of all
of them over that of one.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
from statistics import median

import numpy as np
import scipy.sparse as sp
from benchmarks.common import interleaved

from fastsgd import engine, losses, optimizers, penalties, schedules
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

ALPHAS, FOLDS = np.logspace(-6, -2, 20), 5


def rows(layout, n):
    """Rows of 50 numbers, or of 55 of 20,000 features, with targets that they say something of, and a fold for each."""
    rng = np.random.default_rng(0)
    if layout == "dense":
        X = rng.standard_normal((n, 50), np.float32)
    else:
        ends = np.concatenate([[0], np.cumsum(rng.binomial(20_000, 55 / 20_000, n))])
        of_rows = [np.sort(rng.choice(20_000, size, replace=False, shuffle=False)) for size in np.diff(ends)]
        data, features = rng.random(ends[-1], np.float32), np.concatenate(of_rows)
        X = sp.csr_matrix((data, features.astype(np.int32), ends.astype(np.int32)), (n, 20_000))
    y = np.where(X @ rng.standard_normal(X.shape[1]) + rng.standard_normal(n) > 0, 1.0, -1.0)
    return X, y[:, None], rng.integers(0, FOLDS, n).astype(np.int32)


def plans(name, penalty, n, optimizer=None):
    """A plan for each alpha and fold."""
    loss, found = losses.get(name), []
    for alpha in ALPHAS:
        schedule = schedules.get("optimal").bind(eta0=0.01, alpha=alpha, power_t=0.5, loss=loss, pass_rows=n, passes=1)
        l1, l2 = penalties.weights(penalty, alpha, 0.15)
        found += [Plan.of(loss, schedule, l1=l1, l2=l2, fold=fold, optimizer=optimizer) for fold in range(FOLDS)]
    return found


def epochs(table, plan, heads):
    """A function that trains one more epoch of so many heads."""
    state = State.zeros(table.X.shape[1], heads, table.X.dtype, 0)

    def epoch():
        for _ in engine.one_pass(engine.Run(state), plan, table, True):
            pass

    return epoch


def compare(layout, name, penalty, n, repeats, optimizer=None):
    """(seconds of an epoch of one model, that of all over it)"""
    X, y, fold = rows(layout, n)
    table, all_plans = Table(X, y=y, fold=fold), plans(name, penalty, n, optimizer)
    first = all_plans[0]
    alone = Plan.of(first.loss, first.schedule, l1=first.l1, l2=first.l2, optimizer=optimizer)
    one = epochs(table, alone, 1)
    many = epochs(table, Plan.stack(all_plans), len(all_plans))
    one(), many()
    pairs = [interleaved(1, one, many) for _ in range(repeats)]
    return median(a for a, _ in pairs), median(b / a for a, b in pairs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print("| rows | loss | penalty | optimizer | one model, s | 100 models: ratio |")
    print("| --- | --- | --- | --- | ---: | ---: |")
    for layout in ("dense", "CSR"):
        for name in ("hinge", "log_loss"):
            for penalty, optimizer in (("l2", None), ("elasticnet", None), ("l2", optimizers.AdaGrad())):
                seconds, ratio = compare(layout, name, penalty, args.rows, args.repeats, optimizer)
                by = "SGD" if optimizer is None else "AdaGrad"
                print(f"| {layout} | {name} | {penalty} | {by} | {seconds:.3g} | {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
