"""Random problems of LinearClassifier and LinearRegressor."""

import numpy as np
import scipy.sparse as sp

from fastsgd import losses

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
