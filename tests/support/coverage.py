"""How often intervals cover the truth: `python -m tests.support.coverage --runs 500` prints the table of docs/intervals.md.

With `--passes 1 5` it is the one of SGD, from models that are trained beside the model in that many passes.

The design is that of Chen, Lee, Tong and Zhang (2020), Statistical inference for model parameters in stochastic gradient descent:
true coefficients from 0 to 1 in equal steps, normal columns whose correlations are 0, 0.5^|i - j| (Toeplitz) or 0.2.
"""

import argparse
import time
import warnings
from itertools import product
from typing import NamedTuple

import numpy as np

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor

DESIGNS = "identity", "toeplitz", "equicorrelated"
LOSSES = "squared_error", "log_loss"


class Case(NamedTuple):
    loss: str
    design: str
    d: int
    n: int


def root(design, d):
    """A matrix by which independent columns become those of the design."""
    if design == "identity":
        return np.eye(d)
    away = abs(np.subtract.outer(np.arange(d), np.arange(d)))
    return np.linalg.cholesky(0.5**away if design == "toeplitz" else np.where(away == 0, 1.0, 0.2)).T


def draw(case, rng):
    """X, y and the true coefficients; the true intercept is 0."""
    theta = np.linspace(0.0, 1.0, case.d)
    X = rng.standard_normal((case.n, case.d)) @ root(case.design, case.d)
    margin = X @ theta
    if case.loss == "squared_error":
        return X, margin + rng.standard_normal(case.n), theta
    return X, (rng.random(case.n) < 1.0 / (1.0 + np.exp(-margin))).astype(int), theta


def covered(case, runs, seed=0, level=0.95, kinds=(False, True)):
    """(which coefficients were covered, (kinds, runs, d + 1), the intercept first; the share of runs with a warning)."""
    out, warned = np.empty((len(kinds), runs, case.d + 1), bool), 0
    for run in range(runs):
        X, y, theta = draw(case, np.random.default_rng([seed, run]))
        make = LinearClassifier if case.loss == "log_loss" else LinearRegressor
        truth = np.append(0.0, theta)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fitted = make(penalty=None, random_state=0).fit(X, y)
            for i, robust in enumerate(kinds):
                table = fitted.coef_table(level, robust)
                out[i, run] = (table["ci_lower"] <= truth) & (truth <= table["ci_upper"])
        warned += bool(caught)
    return out, warned / runs


def covered_by_sgd(case, passes, runs, n_splits=10, seed=0, level=0.95):
    """As `covered`, by "bootstrap" and "split"; the share of runs with a warning is that of each of these."""
    methods = ["bootstrap", *["split"] * bool(n_splits)]
    out, warned = np.empty((len(methods), runs, case.d + 1), bool), np.zeros(len(methods))
    how = {"learning_rate": "auto", "penalty": None, "max_iter": passes, "tol": None, "random_state": 0}
    how |= {"n_bootstrap": 20, "n_splits": n_splits}
    for run in range(runs):
        X, y, theta = draw(case, np.random.default_rng([seed, run]))
        est = SGDClassifier("log_loss", **how) if case.loss == "log_loss" else SGDRegressor(**how)
        truth = np.append(0.0, theta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            est.fit(X, y)
        for i, method in enumerate(methods):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                table = est.coef_table(level, method)
            out[i, run] = (table["ci_lower"] <= truth) & (truth <= table["ci_upper"])
            warned[i] += bool(caught)
    return out, warned / runs


def print_sgd(args):
    """The table of SGD."""
    cells = ["bootstrap: mean, least, warned", "split: mean, least, warned"]
    print("| loss | rows | columns | design | passes |", " | ".join(cells), "| seconds a run |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |", flush=True)
    for passes, n, d, loss, design in product(args.passes, args.rows, args.columns, args.losses, DESIGNS):
        start = time.perf_counter()
        found, warned = covered_by_sgd(Case(loss, design, d, n), passes, args.runs)
        cells = [
            f"{100 * one.mean():.1f}, {100 * one.mean(axis=0).min():.1f}, {100 * share:.0f}%"
            for one, share in zip(found, warned, strict=True)
        ]
        seconds = (time.perf_counter() - start) / args.runs
        print("|", " | ".join(map(str, [loss, f"{n:,}", d, design, passes, *cells, f"{seconds:.3f}"])), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--columns", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--passes", type=int, nargs="+", default=[])
    args = parser.parse_args()
    if args.passes:
        print_sgd(args)
        return
    print("| loss | rows | columns | design | model: mean, least | HC1: mean, least | warned | seconds a run |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |", flush=True)
    for n, d, loss, design in product(args.rows, args.columns, args.losses, DESIGNS):
        start = time.perf_counter()
        found, warned = covered(Case(loss, design, d, n), args.runs)
        cells = [f"{100 * one.mean():.1f}, {100 * one.mean(axis=0).min():.1f}" for one in found]
        seconds = (time.perf_counter() - start) / args.runs
        row = [loss, f"{n:,}", d, design, *cells, f"{100 * warned:.0f}%", f"{seconds:.3f}"]
        print("|", " | ".join(map(str, row)), "|", flush=True)


if __name__ == "__main__":
    main()
