"""Wherever a fit says "certified", the objective is within tol of the least one: 200 random problems."""

import numpy as np
import pytest
import scipy.sparse as sp
from reference import dual_objective, objective

from fastsgd import LinearClassifier, LinearRegressor, losses

CLASSIFIER = ["log_loss", "hinge", "squared_hinge", "modified_huber"]
REGRESSOR = [
    "squared_error",
    losses.Huber(0.7),
    losses.EpsilonInsensitive(0.3),
    losses.SquaredEpsilonInsensitive(0.2),
    losses.Quantile(0.8),
    "poisson",
    "gamma",
]
pytestmark = pytest.mark.filterwarnings("ignore:max_iter")


def problem(seed):
    """A random problem: loss, penalty, weights, layout, dtype, scales and correlation of the columns, intercept."""
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(20, 400)), int(rng.integers(1, 15))
    loss = losses.get((CLASSIFIER + REGRESSOR)[seed % (len(CLASSIFIER) + len(REGRESSOR))])
    X = rng.standard_normal((n, d)) + rng.choice([0.0, 0.9]) * rng.standard_normal((n, 1)) * rng.choice([0, 1, 3])
    X *= rng.random((n, d)) < rng.choice([0.3, 1.0])
    score = X @ rng.standard_normal(d) / np.sqrt(d) + rng.choice([0.5, 2.0]) * rng.standard_normal(n) + 0.3
    X *= 10.0 ** rng.uniform(-rng.choice([0, 3]), rng.choice([0, 3]), d)
    X += rng.choice([0.0, 5.0]) * abs(X).max(axis=0)
    if "classifier" in loss.task and "regressor" not in loss.task:
        y = (score > np.quantile(score, rng.choice([0.1, 0.5]))).astype(int)
    else:
        y = np.exp(np.clip(score, -3, 3)) if loss.name in ("poisson", "gamma") else score * rng.choice([1.0, 100.0])
    s = rng.choice([0.0, 0.5, 3.0], n) if rng.random() < 0.5 else None
    X = X.astype(rng.choice([np.float32, np.float64]))
    model = {
        "loss": loss,
        "penalty": str(rng.choice(["l2", "l1", "elasticnet"])),
        "alpha": float(10.0 ** rng.uniform(-4, 0)),
        "l1_ratio": float(rng.uniform(0.1, 0.9)),
        "fit_intercept": bool(rng.random() < 0.8),
        "random_state": seed,
    }
    return sp.csr_matrix(X) if rng.random() < 0.4 else X, y, s, model


def numbers(X, y, model):
    """Dense X, targets as the loss takes them, l1 and l2."""
    loss = model["loss"]
    share = {"l2": 0.0, "l1": 1.0}.get(model["penalty"], model["l1_ratio"])
    X = (X.toarray() if sp.issparse(X) else X).astype(float)
    y = np.where(y == 1, 1.0, loss.negative) if y.dtype.kind == "i" else y
    return X, y, model["alpha"] * share, model["alpha"] * (1 - share)


def value(est, X, y, s, model):
    X, y, l1, l2 = numbers(X, y, model)
    W, b = est.coef_.reshape(1, -1).T.astype(float), est.intercept_.astype(float)
    return objective(X, y[:, None], model["loss"], W, b, l1=l1, l2=l2, s=s)[0]


def least(est, X, y, s, model):
    """A lower bound of the least objective from the fit's dual point, in plain NumPy."""
    X, y, l1, l2 = numbers(X, y, model)
    return dual_objective(X, y, model["loss"], est._duals[0], l1=l1, l2=l2, s=s, intercept=model["fit_intercept"])


@pytest.mark.parametrize("seed", range(200))
def test_certified_is_true(seed):
    X, y, s, model = problem(seed)
    make = LinearClassifier if y.dtype.kind == "i" else LinearRegressor
    tol = [1e-1, 1e-2, 1e-4][seed % 3]
    est = make(**model, tol=tol, max_iter=300, warm_start=True).fit(X, y, s)
    exact = make(**model, tol=1e-10, max_iter=2000, warm_start=True).fit(X.astype(float), y, s)
    best, found = value(exact, X, y, s, model), value(est, X, y, s, model)
    rounding = 1e-6 if X.dtype == np.float32 else 1e-12
    if est.stop_reason_ == "certified":
        assert est.dual_gap_ <= tol
        assert found - best <= (tol + rounding) * abs(found)
        assert found - best <= (est.dual_gap_ + rounding) * abs(found)
        assert found - least(est, X, y, s, model) <= (est.dual_gap_ + max(rounding, 1e-8)) * abs(found)
    if exact.stop_reason_ == "certified":  # by the reference's own arithmetic too
        assert best - least(exact, X, y, s, model) <= 1e-8 * abs(best)
