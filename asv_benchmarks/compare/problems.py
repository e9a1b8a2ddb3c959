"""The problems that solvers are compared on: data, loss and penalty, and the least objective."""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import scipy.sparse as sp
from benchmarks.common import dense, text
from benchmarks.linear import correlated, easy, heavy, rare, scales, wide, words
from sklearn.preprocessing import StandardScaler

from fastsgd import LinearClassifier, LinearRegressor, losses


@dataclass
class Problem:
    """F(w, b) = mean loss + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|^2), with an intercept that has no penalty.

    Attributes
    ----------
    X, y : the rows; y is 0 or 1 where the loss is one of classes
    loss : str
    alpha, l1_ratio : float
    """

    X: np.ndarray | sp.csr_matrix
    y: np.ndarray
    loss: str
    alpha: float
    l1_ratio: float

    @property
    def classifier(self) -> bool:
        return self.loss in ("log_loss", "hinge")

    def __call__(self, coef: np.ndarray, intercept: float) -> float:
        """F in float64."""
        coef = np.asarray(coef, np.float64).ravel()
        margins = np.asarray(self.X @ coef).ravel() + float(np.ravel(intercept)[0])
        loss = losses.get(self.loss)
        target = np.where(self.y > 0, 1.0, loss.negative) if self.classifier else self.y
        penalty = self.l1_ratio * abs(coef).sum() + (1 - self.l1_ratio) / 2 * (coef @ coef)
        return float(loss.both(margins, target)[0].mean() + self.alpha * penalty)

    def scaled(self) -> "Problem":
        """The same on standardised columns, which is a problem of its own; CSR as it is."""
        if sp.issparse(self.X):
            return self
        X = StandardScaler().fit_transform(self.X).astype(self.X.dtype)
        return Problem(X, self.y, self.loss, self.alpha, self.l1_ratio)

    def ours(self, tol: float, **more) -> LinearClassifier | LinearRegressor:
        """fastsgd's estimator of it, not fitted."""
        kind = LinearClassifier if self.classifier else LinearRegressor
        penalty = {0.0: "l2", 1.0: "l1"}.get(self.l1_ratio, "elasticnet")
        settings = {"penalty": penalty, "alpha": self.alpha, "l1_ratio": self.l1_ratio, "tol": tol, "random_state": 0}
        return kind(self.loss, **settings | more)


def lasso(n: int, d: int = 2_000) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns, of which twenty matter."""
    X, rng = dense(n, d)[0].astype(np.float64), np.random.default_rng(1)
    return X, X[:, :20] @ rng.standard_normal(20) + rng.standard_normal(n)


def text_values(n: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """CSR like tf-idf in float64, and a number to be predicted."""
    X, rng = text(n, 20_000, 2)[0].astype(np.float64), np.random.default_rng(1)
    return X, X @ (rng.standard_normal(20_000) * (rng.random(20_000) < 0.01)) + 0.1 * rng.standard_normal(n)


def single(maker: Callable) -> Callable:
    """The same rows in float32."""
    return lambda n: (lambda X, y: (X.astype(np.float32), y))(*maker(n))


# name: (maker, rows, loss, share of L1, alpha: a number over the rows, or with L1 a share of the least that gives zeros)
PROBLEMS = {
    "columns of scales 1e-3 to 1e4, logistic": (scales, 200_000, "log_loss", 0.0, 1.0),
    "correlation 0.97, logistic": (correlated, 200_000, "log_loss", 0.0, 1.0),
    "1% positive, logistic": (rare, 200_000, "log_loss", 0.0, 1.0),
    "well conditioned, logistic": (easy, 400_000, "log_loss", 0.0, 1.0),
    "well conditioned, logistic, float32": (single(easy), 400_000, "log_loss", 0.0, 1.0),
    "300 columns, logistic, float32": (wide, 40_000, "log_loss", 0.0, 1.0),
    "text, logistic": (words, 40_000, "log_loss", 0.0, 1.0),
    "text, hinge": (words, 40_000, "hinge", 0.0, 1.0),
    "text, logistic, elastic net": (words, 40_000, "log_loss", 0.5, 0.01),
    "text, logistic, L1": (words, 40_000, "log_loss", 1.0, 0.01),
    "heavy tails, squared error": (heavy, 200_000, "squared_error", 0.0, 1.0),
    "2,000 columns, squared error, L1": (lasso, 10_000, "squared_error", 1.0, 0.05),
    "text, squared error, L1": (text_values, 40_000, "squared_error", 1.0, 0.05),
}


def make(name: str, scale: int = 1) -> Problem:
    """The problem of that name, with its rows divided by scale; or of data of the user's, "name=DATA"."""
    if name not in PROBLEMS:
        X, y = load(name.split("=", 1)[-1])
        loss = "log_loss" if len(np.unique(y)) == 2 else "squared_error"
        return Problem(X, np.asarray(y, np.float64), loss, 1 / len(y), 0.0)
    maker, n, loss, l1_ratio, amount = PROBLEMS[name]
    X, y = maker(n // scale)
    alpha = amount / len(y)
    if l1_ratio:
        slopes = X.T @ (y - y.mean()) / len(y)
        alpha = amount * float(abs(slopes).max()) / l1_ratio
    return Problem(X, np.asarray(y, np.float64), loss, alpha, l1_ratio)


def load(data: str) -> tuple[np.ndarray | sp.csr_matrix, np.ndarray]:
    """X and y of a file or a function."""
    if not data.endswith(".npz"):
        module, function = data.split(":")
        return getattr(import_module(module), function)()
    z = np.load(data)
    X = z["X"] if "X" in z else sp.csr_matrix((z["data"], z["indices"], z["indptr"]), shape=tuple(z["shape"]))
    return X, z["y"]
