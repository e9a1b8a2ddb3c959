"""Runs that went wrong in a known way, and whether `diagnose` says so.

`python -m tests.support.diagnosis_runs` makes runs of the second kind of data, by which no rule was set, and prints how
many main verdicts are right. `--rules` makes those by which the rules were set. Labels follow from how a run was made; of steps
that are too long from its end: "diverging" if its objective, in NumPy, is above that of zero weights, else "oscillating".
"""

import argparse
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor, diagnose, losses

LOSSES = "log_loss", "squared_error", "huber", "hinge"
BEND = {"log_loss": 0.25, "squared_error": 1.0, "huber": 1.0, "hinge": 1.0}
RIGHT = 95  # of 100 main verdicts


@dataclass
class Run:
    """An estimator after its training, what it was trained on, and what a diagnosis is to say."""

    label: str
    est: Any
    X: Any
    y: Any
    how: str
    more: dict
    also: str = ""  # what else it is to find

    def right(self, found: Any) -> bool:
        """Whether the diagnosis says what it is to say."""
        return found.verdict == self.label and (not self.also or self.also in found)


class Maker:
    """Data of one of two kinds: `rules` those by which rules were set, else others."""

    def __init__(self, seed: int, rules: bool) -> None:
        self.rng, self.rules = np.random.default_rng([seed, int(rules), 20]), rules
        self.loss = str(self.rng.choice(LOSSES))
        self.sparse = bool(self.rng.random() < 0.4)
        self.regression = self.loss in ("squared_error", "huber")

    def rows(self, n: int, d: int, sparse: bool | None = None) -> Any:
        """Rows of a random scale."""
        rng = self.rng
        if self.rules:
            X = rng.standard_normal((n, d)) * 10 ** rng.uniform(-0.3, 0.3, d)
        else:
            kinds = rng.uniform(-1.7, 1.7, (n, d)), rng.laplace(0, 0.7, (n, d)), rng.standard_normal((n, d))
            X = np.choose(rng.integers(0, 3, d), kinds)
            X[:, 1:] += 0.4 * X[:, :-1]
        if self.sparse if sparse is None else sparse:
            X *= rng.random((n, d)) < 0.4
        return X * 10 ** rng.uniform(-1.5, 1.5)

    def targets(self, X: Any, noise: float = 0.5, shift: float = 0.0) -> Any:
        """Numbers about as large as 1, or two classes."""
        w = self.rng.standard_normal(X.shape[1]) / X.std(axis=0)
        margins = (X - X.mean(axis=0)) @ w
        margins /= margins.std()
        y = margins + noise * self.rng.standard_normal(len(X)) + shift
        return y if self.regression else np.where(y > 0, "yes", "no")

    def given(self, X: Any) -> Any:
        return sp.csr_matrix(X) if self.sparse else X

    def sgd(self, **params: Any) -> Any:
        cls = SGDRegressor if self.regression else SGDClassifier
        base = {
            "loss": self.loss,
            "alpha": 1e-4,
            "random_state": int(self.rng.integers(1 << 30)),
            "intercept_decay": 1.0,
        }
        if self.loss == "huber":
            base["epsilon"] = 0.5
        return cls(**(base | params))

    def solver(self, **params: Any) -> Any:
        loss = losses.Huber(0.5) if self.loss == "huber" else self.loss
        return (LinearRegressor if self.regression else LinearClassifier)(loss, **params)

    def step(self, X: Any, full: bool = False) -> float:
        """1 / L: of all rows by their largest eigenvalue, of single rows by the largest row."""
        A = np.column_stack([X, np.ones(len(X))])
        size = np.linalg.norm(A.T @ A, 2) / len(A) if full else (A * A).sum(axis=1).max()
        return float(1 / (BEND[self.loss] * size))


def fitted(est: Any, X: Any, y: Any, **how: Any) -> Any:
    """After `fit`, also one that ended with an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return est.fit(X, y, **how)
        except ValueError:
            return est


def distance(est: Any, X: Any, y: Any) -> float:
    """How far its objective is above the least one, as a share of that, by LinearClassifier or LinearRegressor."""
    m = {"alpha": est.alpha, "tol": 1e-6}
    best = LinearClassifier(est.loss, **m) if est.loss in ("log_loss", "hinge") else LinearRegressor(est._loss(), **m)
    least = objective(est, X, y, fitted(best, X, y))
    return objective(est, X, y) / least - 1


def objective(est: Any, X: Any, y: Any, model: Any = None, zero: bool = False) -> float:
    """In NumPy, that of the estimator at the weights of the model, or at zero weights."""
    at = est if model is None else model
    w, b = (0 * at.coef_.ravel(), 0.0) if zero else (at.coef_.ravel(), at.intercept_[0])
    with np.errstate(all="ignore"):
        m = X @ w + b
        if est.loss in ("log_loss", "hinge"):
            t = np.where(y == est.classes_[1], 1.0, -1.0)
            value = np.logaddexp(0, -t * m) if est.loss == "log_loss" else np.maximum(0, 1 - t * m)
        elif est.loss == "squared_error":
            value = 0.5 * (m - y) ** 2
        else:
            r = abs(m - y)
            value = np.where(r <= est.epsilon, 0.5 * r**2, est.epsilon * r - 0.5 * est.epsilon**2)
        return float(value.mean() + est.alpha / 2 * w @ w)


def converged(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1500)), int(m.rng.integers(3, 15)))
    y, way = m.targets(X), int(m.rng.integers(4))
    G = m.given(X)
    if way == 0:
        return Run("converged", fitted(m.solver(), G, y), G, y, "solver", {})
    if way == 1:
        est = m.sgd(learning_rate="constant", eta0=0.1 * m.step(X), average=True, max_iter=300, tol=None)
        while distance(fitted(est, G, y), X, y) > 0.01:
            est.set_params(max_iter=2 * est.max_iter)
        return Run("converged", est, G, y, "averaged", {})
    if way == 2 and m.loss != "hinge":
        est = m.sgd(learning_rate="constant", batch_size="full", eta0=m.step(X, True), max_iter=3000, tol=1e-9)
        return Run("converged", fitted(est, G, y), G, y, "full batch", {})
    est = m.sgd(learning_rate="invscaling", power_t=0.5, eta0=2 * m.step(X), max_iter=300, tol=None)
    while distance(fitted(est, G, y), X, y) > 0.01:
        est.set_params(max_iter=2 * est.max_iter, eta0=est.eta0 * (1 if m.rng.random() < 0.5 else 2))
    return Run("converged", est, G, y, "falling steps", {})


def too_short(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(200, 1000)), int(m.rng.integers(3, 20)))
    y, full = m.targets(X), bool(m.rng.random() < 0.3)
    factor = 10 ** -m.rng.uniform(2, 5)
    est = m.sgd(
        learning_rate="constant",
        eta0=factor * m.step(X, full),
        max_iter=20 if m.rng.random() < 0.5 else 1000,
        batch_size="full" if full else 1,
    )
    if not full:
        est.set_params(eta0=est.eta0 / 10, max_iter=20)
    return Run("still_falling", fitted(est, m.given(X), y), m.given(X), y, f"steps {factor:.0e}", {})


def too_early(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(200, 1000)), int(m.rng.integers(5, 20)))
    y = m.targets(X)
    est = m.sgd(
        learning_rate="constant", batch_size="full", eta0=m.step(X, True), max_iter=int(m.rng.integers(1, 4)), tol=None
    )
    return Run("still_falling", fitted(est, m.given(X), y), m.given(X), y, "few epochs", {})


def too_long(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(200, 1000)), int(m.rng.integers(3, 20)))
    y, full = m.targets(X), bool(m.rng.random() < 0.5)
    est = m.sgd(
        learning_rate="constant",
        eta0=m.rng.uniform(20, 50) * m.step(X, full),
        batch_size="full" if full else 1,
        max_iter=int(m.rng.integers(10, 60)),
        tol=None if m.rng.random() < 0.5 else 1e-3,
    )
    fitted(est, m.given(X), y)
    above = not objective(est, X, y) < 1.1 * objective(est, X, y, zero=True)
    label = "diverging" if above or est.stop_reason_ == "diverged" else "oscillating"
    return Run(label, est, m.given(X), y, "full batch" if full else "single rows", {})


def noise_ball(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(400, 1500)), int(m.rng.integers(5, 20)))
    y = m.targets(X, noise=1.0)
    est = m.sgd(learning_rate="constant", eta0=m.rng.uniform(0.2, 0.5) * m.step(X), max_iter=60, tol=None)
    while distance(fitted(est, m.given(X), y), X, y) < 0.05:
        est.eta0 *= 1.4
    return Run("noise_ball", est, m.given(X), y, "constant steps", {})


def flat(m: Maker) -> Run:
    m.regression = bool(m.rng.random() < 0.5)
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(3, 8)))
    X /= X.std()
    if m.regression:
        y = m.targets(X, noise=0.1, shift=m.rng.uniform(30, 100))
        est = SGDRegressor(
            str(m.rng.choice(["tukey", "welsch"])), random_state=0, learning_rate="constant", eta0=0.01, max_iter=100
        )
        return Run("flat", fitted(est, m.given(X), y), m.given(X), y, "residuals beyond reach", {})
    y = m.targets(X, noise=0.1)
    est = SGDClassifier("sigmoid", random_state=0, learning_rate="constant", eta0=0.01, max_iter=100, alpha=1e-9)
    start = 300 * m.rng.standard_normal((1, X.shape[1]))
    return Run("flat", fitted(est, m.given(X), y, coef_init=start), m.given(X), y, "saturated", {})


def good(m: Maker, X: Any) -> Any:
    """A training with which nothing is wrong."""
    if m.rng.random() < 0.5:
        return m.solver()
    return m.sgd(learning_rate="invscaling", power_t=0.25, eta0=3 * m.step(X), max_iter=300, tol=None, average=True)


def underfitting(m: Maker) -> Run:
    way = int(m.rng.integers(3))
    X = m.rows(int(m.rng.integers(500, 1500)), int(m.rng.integers(2, 6)), sparse=False)
    m.sparse = False
    if way == 0:
        y = m.targets(X)
        est = m.sgd(learning_rate="invscaling", eta0=m.step(X), max_iter=100, tol=None)
        S = (X * X).mean()
        est.set_params(alpha=float(30 * S), eta0=0.1 / (30 * S + 1 / m.step(X)))
        return Run("underfitting", fitted(est, X, y), X, y, "penalty", {})
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    v = Z[:, 0] * Z[:, 1] if way == 1 else (Z[:, :2] ** 2).sum(axis=1)
    v = v - np.median(v)
    v = v + 0.1 * m.rng.standard_normal(len(v))
    y = v if m.regression else np.where(v > 0, "yes", "no")
    return Run("underfitting", fitted(good(m, X), X, y), X, y, "product" if way == 1 else "circle", {})


def overfitting(m: Maker) -> Run:
    n, d = int(m.rng.integers(30, 80)), int(m.rng.integers(60, 200))
    X = m.rows(2 * n, d)
    y = m.targets(X[:, :5], noise=1.0)
    est = (
        m.solver(alpha=1e-6)
        if m.rng.random() < 0.5
        else m.sgd(learning_rate="constant", eta0=0.3 * m.step(X), max_iter=400, tol=None, alpha=1e-7)
    )
    with_others = m.rng.random() < 0.5
    more = {"X_val": m.given(X[n:]), "y_val": y[n:]} if with_others else {}
    return Run(
        "overfitting", fitted(est, m.given(X[:n]), y[:n]), m.given(X[:n]), y[:n], "held out" if more else "folds", more
    )


def badly_scaled(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(4, 12)))
    y = m.targets(X)
    X = (
        X
        / np.sqrt((X * X).mean(axis=0))
        * 10 ** m.rng.permutation(np.linspace(-1.5, m.rng.uniform(1.5, 3), X.shape[1]))
    )
    est = m.sgd(learning_rate="invscaling" if m.rng.random() < 0.5 else "constant", eta0=0.01, max_iter=50)
    return Run("badly_scaled", fitted(est, m.given(X), y), m.given(X), y, "columns", {})


def constant_columns(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(4, 12)))
    y = m.targets(X)
    X = np.insert(X, 2, float(m.rng.uniform(0.5, 2) * X.std()), axis=1)
    return Run(
        "converged", fitted(good(m, X), m.given(X), y), m.given(X), y, "a constant column", {}, "constant_columns"
    )


def duplicate_columns(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(4, 12)))
    y = m.targets(X)
    X = np.column_stack([X, X[:, 1] * m.rng.choice([1.0, 1.0, -2.0])])
    return Run("converged", fitted(good(m, X), m.given(X), y), m.given(X), y, "the same twice", {}, "duplicate_columns")


def changing(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(3000, 6000)), int(m.rng.integers(4, 12)))
    y, half = m.targets(X), len(X) // 2
    y[half:] = m.targets(X)[half:]
    return Run("converged", fitted(good(m, X), m.given(X), y), m.given(X), y, "other targets later", {}, "changing")


def outliers(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(4, 12)))
    y = m.targets(X)
    X[int(m.rng.integers(0, len(X))), 1] = 1e4 * X.std()
    return Run("converged", fitted(m.solver(), m.given(X), y), m.given(X), y, "a far value", {}, "outliers")


def leaking_columns(m: Maker) -> Run:
    X = m.rows(int(m.rng.integers(300, 1000)), int(m.rng.integers(4, 12)))
    y = m.targets(X, noise=1.0)
    v = y if m.regression else (y == "yes").astype(float)
    X = np.column_stack([X, (v + 0.05 * m.rng.standard_normal(len(X))) * X.std()])
    return Run("leaking_columns", fitted(good(m, X), m.given(X), y), m.given(X), y, "a column", {})


def rare_classes(m: Maker) -> Run:
    m.loss, m.regression = str(m.rng.choice(["log_loss", "hinge"])), True
    X = m.rows(int(m.rng.integers(1000, 4000)), int(m.rng.integers(4, 12)))
    v = m.targets(X, noise=1.0)
    m.regression = False
    y = np.where(v > np.quantile(v, 1 - m.rng.uniform(0.005, 0.03)), "yes", "no")
    return Run("rare_classes", fitted(good(m, X), m.given(X), y), m.given(X), y, "one class", {})


KINDS = (
    *(converged, converged, too_short, too_early, too_long, too_long, noise_ball, flat, underfitting, overfitting),
    *(badly_scaled, constant_columns, duplicate_columns, leaking_columns, rare_classes, changing, outliers),
)


def runs(n: int, rules: bool = False, first: int = 0):
    """That many runs, of all kinds in turn."""
    for number in range(first, first + n):
        yield number, KINDS[number % len(KINDS)](Maker(number, rules))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rules", action="store_true")
    given = parser.parse_args()
    right, of, wrong = Counter(), Counter(), []
    for number, run in runs(given.runs, given.rules, given.first):
        found = diagnose(run.est, run.X, run.y, **run.more)
        of[run.also or run.label] += 1
        right[run.also or run.label] += run.right(found)
        if not run.right(found):
            layout = "CSR" if sp.issparse(run.X) else "dense"
            wrong.append(f"{number}: {run.label} ({run.how}, {run.est.loss}, {layout}): {found.names}")
    for label in of:
        print(f"{label:18} {right[label]:4} of {of[label]:4}")
    print(f"{'all':18} {sum(right.values()):4} of {sum(of.values()):4}: {sum(right.values()) / sum(of.values()):.1%}")
    print("\n".join(wrong))
    return int(100 * sum(right.values()) < RIGHT * sum(of.values()))


if __name__ == "__main__":
    raise SystemExit(main())
