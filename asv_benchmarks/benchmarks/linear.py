"""LinearClassifier and LinearRegressor: what a certificate takes, beside scikit-learn's solvers to the same objective."""

import warnings

import numpy as np
import scipy.sparse as sp
from sklearn import linear_model, svm
from sklearn.preprocessing import StandardScaler

from fastsgd import LinearClassifier, LinearRegressor, losses

from .common import SCALE, interleaved, text

# ---------------------------------------------------------------- data
rng = np.random.default_rng


def _labels(z, noise, share=0.5, seed=1):
    z = z / z.std() + noise * rng(seed).logistic(size=len(z))
    return (z > np.quantile(z, 1 - share)).astype(float)


def scales(n, d=30):
    """Columns of scales from 1e-3 to 1e4, some far from 0."""
    X = rng(0).standard_normal((n, d))
    y = _labels(X @ rng(2).standard_normal(d), 0.5)
    return (X + 2.0 * (np.arange(d) % 3 == 0)) * 10.0 ** np.linspace(-3, 4, d), y


def correlated(n, d=30):
    """Any two columns have a correlation of 0.97."""
    X = rng(0).standard_normal((n, d)) * np.sqrt(0.03) + np.sqrt(0.97) * rng(3).standard_normal((n, 1))
    return X, _labels(X @ rng(2).standard_normal(d), 0.5)


def rare(n, d=30):
    """One row of a hundred is positive."""
    X = rng(0).standard_normal((n, d))
    return X, _labels(X @ rng(2).standard_normal(d), 0.5, 0.01)


def easy(n, d=28):
    """Independent columns of one scale."""
    X = rng(0).standard_normal((n, d))
    return X, _labels(X @ rng(2).standard_normal(d), 0.5)


def wide(n, d=300):
    """Three hundred columns in float32."""
    X = rng(0).standard_normal((n, d)).astype(np.float32)
    return X, _labels(X @ rng(2).standard_normal(d), 0.5)


def heavy(n, d=20):
    """Columns of Student's t with two degrees of freedom, a target with such noise."""
    X = rng(0).standard_t(2, (n, d))
    return X, X @ rng(2).standard_normal(d) + rng(1).standard_t(2, n)


def words(n):
    """CSR like tf-idf, rows of length 1."""
    X, y = text(n, 20_000, 2)
    return X, y.astype(float)


SETS = {  # name: (maker, rows, loss, penalty)
    "column scales 1e-3 to 1e4": (scales, 200_000, "log_loss", "l2"),
    "correlation 0.97": (correlated, 200_000, "log_loss", "l2"),
    "1% positive": (rare, 200_000, "log_loss", "l2"),
    "well conditioned": (easy, 400_000, "log_loss", "l2"),
    "300 columns": (wide, 40_000, "log_loss", "l2"),
    "heavy tails": (heavy, 200_000, "squared_error", "l2"),
    "text": (words, 40_000, "log_loss", "l2"),
    "text, hinge": (words, 40_000, "hinge", "l2"),
    "text, elastic net": (words, 40_000, "log_loss", "elasticnet"),
}


def make(name, scale=SCALE):
    """(X, y, loss, penalty); y is 0 or 1 for a classifier."""
    maker, n, loss, penalty = SETS[name]
    return *maker(n // scale), loss, penalty


# ---------------------------------------------------------------- the objective
class Objective:
    """F of a model, in the user's units; alpha = 1 / n, and half of it L1 in an elastic net."""

    def __init__(self, X, y, loss, penalty):
        self.X, self.y, self.loss, self.penalty = X, y, losses.get(loss), penalty
        self.alpha, self.ratio = 1.0 / len(y), {"l2": 0.0, "l1": 1.0}.get(penalty, 0.5)
        self.classifier = "regressor" not in self.loss.task
        self.target = np.where(y > 0, 1.0, self.loss.negative) if self.classifier else y

    def __call__(self, coef, intercept):
        coef = np.asarray(coef, np.float64).ravel()
        z = np.asarray(self.X @ coef).ravel() + float(np.ravel(intercept)[0])
        penalty = self.ratio * abs(coef).sum() + 0.5 * (1 - self.ratio) * (coef @ coef)
        return self.loss.both(z, self.target)[0].mean() + self.alpha * penalty

    def ours(self, tol, **more):
        kind = LinearClassifier if self.classifier else LinearRegressor
        return kind(
            self.loss, penalty=self.penalty, alpha=self.alpha, l1_ratio=self.ratio, tol=tol, random_state=0, **more
        )


class Scaled:
    """The same problem on standardised columns (CSR: as it is), for peers: the penalty is of theirs, and near to it."""

    def __init__(self, objective):
        X = objective.X
        self.scaler = None if sp.issparse(X) else StandardScaler().fit(X)
        Z = X if self.scaler is None else self.scaler.transform(X)
        self.F = Objective(Z, objective.y, objective.loss, objective.penalty)

    def fit(self, model):
        return model.fit(self.F.X, self.F.y if not self.F.classifier else self.F.y.astype(int))


def peers(F):
    """name: (make(effort), efforts): scikit-learn's solvers of this objective, from little to much work."""
    n, budget = len(F.y), [1, 2, 3, 4, 6, 8, 11, 15, 20, 30, 40, 60, 80, 120, 200, 300, 500, 1000]
    if F.loss.name == "squared_error":
        return {
            "Ridge cholesky": (lambda k: linear_model.Ridge(alpha=1.0, solver="cholesky"), [1]),
            "Ridge lsqr": (lambda k: linear_model.Ridge(alpha=1.0, solver="lsqr", tol=0, max_iter=k), budget),
            "Ridge saga": (lambda k: linear_model.Ridge(alpha=1.0, solver="saga", tol=0, max_iter=k), budget),
        }
    if F.loss.name == "hinge":
        return {
            "LinearSVC": (lambda k: svm.LinearSVC(loss="hinge", tol=1e-12, max_iter=k), budget),
            "SGDClassifier": (lambda k: linear_model.SGDClassifier(alpha=1 / n, tol=None, max_iter=k), budget),
        }

    def logistic(solver, **more):
        return lambda k: linear_model.LogisticRegression(
            C=1.0, solver=solver, tol=1e-14, max_iter=k, random_state=0, **more
        )

    if F.penalty == "elasticnet":
        return {"saga": (logistic("saga", l1_ratio=0.5), budget)}
    found = {
        "lbfgs": (logistic("lbfgs"), budget),
        "saga": (logistic("saga"), budget),
        "liblinear": (logistic("liblinear"), budget[:11]),
    }
    if F.X.shape[1] <= 2000:
        found["newton-cholesky"] = logistic("newton-cholesky"), budget[:11]
    return found


class Certificate:
    """Seconds to a certificate, over those of `X @ w`."""

    params = [list(SETS), [1e-2, 1e-3]]
    param_names = ["data", "tol"]
    unit = "products"

    def setup(self, data, tol):
        self.F = Objective(*make(data))
        self.w = np.ones(self.F.X.shape[1], self.F.X.dtype)

    def track_products(self, data, tol):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours, product = interleaved(3, lambda: self.F.ours(tol).fit(self.F.X, self.F.y), lambda: self.F.X @ self.w)
        return ours / product
