"""L1 and many columns: what a fit says of its model holds by formulas in NumPy, however small the penalty."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from fastsgd import LinearClassifier, LinearClassifierCV, LinearRegressor, LinearRegressorCV

N, D = 30, 1010


def _huber(z, y, epsilon=0.1):
    size = abs(z - y)
    return np.where(size <= epsilon, 0.5 * size**2, epsilon * size - 0.5 * epsilon**2), np.clip(
        z - y, -epsilon, epsilon
    )


def _insensitive(z, y, epsilon=0.1):
    over = np.maximum(abs(z - y) - epsilon, 0.0)
    return over**2, 2.0 * over * np.sign(z - y)


def _modified_huber(z, y):
    m = y * z
    value, slope = np.maximum(1.0 - m, 0.0) ** 2, -2.0 * np.maximum(1.0 - m, 0.0)
    return np.where(m < -1.0, -4.0 * m, value), y * np.where(m < -1.0, -4.0, slope)


# Value and slope, and the largest curvature.
LOSSES = {
    "log_loss": (lambda z, y: (np.logaddexp(0.0, -y * z), -y * np.exp(-np.logaddexp(0.0, y * z))), 0.25),
    "squared_hinge": (lambda z, y: (np.maximum(1.0 - y * z, 0.0) ** 2, -2.0 * y * np.maximum(1.0 - y * z, 0.0)), 2.0),
    "modified_huber": (_modified_huber, 2.0),
    "squared_error": (lambda z, y: (0.5 * (z - y) ** 2, z - y), 1.0),
    "huber": (_huber, 1.0),
    "squared_epsilon_insensitive": (_insensitive, 2.0),
}
CLASSIFIERS = ("log_loss", "squared_hinge", "modified_huber")


def columns(seed=0):
    """Columns as tables have them: constant, zero, the same, tiny, huge, far from 0, 0 or 1."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D)) * (rng.random((N, D)) < 0.6)
    X[:, 0], X[:, 1], X[:, 3] = 1.0, 0.0, X[:, 2]
    X[:, 4] *= 1e6
    X[:, 5] *= 1e-6
    X[:, 6] += 1e4
    X[:, 10:500] = X[:, 10:500] > 0.5
    return X


def gain(est, loss, X, y, s, l1, l2, head=0):
    """(objective, the most that a step along one number is sure to gain)."""
    of, bend = LOSSES[loss]
    w, b = np.atleast_2d(est.coef_)[head].astype(float), float(np.ravel(est.intercept_)[head])
    s = s / s.sum()
    value, slope = of(X @ w + b, y)
    F = s @ value + l1 * abs(w).sum() + 0.5 * l2 * w @ w
    g, L = X.T @ (s * slope) + l2 * w, bend * (s @ X**2) + l2
    L = np.maximum(L, 1e-300)
    to = w - g / L
    step = np.sign(to) * np.maximum(abs(to) - l1 / L, 0.0) - w
    gains = -(g * step + 0.5 * L * step**2 + l1 * (abs(w + step) - abs(w)))
    return F, max(float(gains.max()), 0.5 * (s @ slope) ** 2 / bend)


def fitted(est, X, y, **weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return est.fit(X, y, **weights)


def check(est, loss, X, y, s, l1, l2, rounding):
    history = est.history_
    heads = history["head"]
    for head in range(heads.max() + 1):
        last = np.flatnonzero(heads == head)[-1]
        F, more = gain(est, loss, X, y[head], s, l1, l2, head)
        objective, gap = history["objective"][last], history["gap"][last]
        assert objective == pytest.approx(F, rel=rounding, abs=1e-12)
        assert more <= gap + rounding * F
        if est.stop_reason_ == "certified":
            assert gap <= est.tol * objective * (1.0 + 1e-9)


def signs(code, n):
    return [np.where(code == k, 1.0, -1.0) for k in range(n)] if n > 2 else [np.where(code == 1, 1.0, -1.0)]


@pytest.mark.parametrize("layout", ["dense", "csr", "float32"])
@pytest.mark.parametrize("loss", list(LOSSES))
def test_no_step_gains_more_than_the_gap(loss, layout):
    rng = np.random.default_rng(1)
    X, s = columns(), rng.uniform(0.0, 2.0, N)
    s[:3] = 0.0
    if layout == "float32":
        X = X.astype(np.float32).astype(float)
    A = {"dense": X, "csr": sp.csr_matrix(X), "float32": X.astype(np.float32)}[layout]
    cls, code = (LinearClassifier if loss in CLASSIFIERS else LinearRegressor), np.arange(N) % 2
    y = code if loss in CLASSIFIERS else X[:, 20:25].sum(axis=1) + rng.normal(size=N)
    for alpha in (1e-2, 1e-4, 1e-6):
        for penalty, ratio in (("l1", 1.0), ("elasticnet", 0.9)):
            for weight in (None, s):
                est = cls(loss, penalty=penalty, l1_ratio=ratio, alpha=alpha, max_iter=100, random_state=0)
                fitted(est, A, y, sample_weight=weight)
                target = signs(y, 2) if loss in CLASSIFIERS else [y]
                s_all = np.ones(N) if weight is None else s
                numbers = alpha * ratio, alpha * (1.0 - ratio)
                check(est, loss, X, target, s_all, *numbers, 1e-4 if layout == "float32" else 1e-8)


@pytest.mark.parametrize("dtype", [bool, int])
def test_columns_of_whole_numbers(dtype):
    X = (columns() > 0.5).astype(dtype)
    for alpha in (1e-2, 1e-6):
        est = fitted(LinearClassifier(penalty="l1", alpha=alpha, max_iter=100, random_state=0), X, np.arange(N) % 2)
        check(est, "log_loss", X.astype(float), signs(np.arange(N) % 2, 2), np.ones(N), alpha, 0.0, 1e-8)


def test_several_classes_and_several_targets():
    X, code = columns(), np.arange(N) % 3
    Y = np.random.default_rng(2).normal(size=(N, 2))
    for alpha in (1e-2, 1e-5):
        for loss in CLASSIFIERS:
            est = LinearClassifier(loss, penalty="l1", alpha=alpha, max_iter=100, random_state=0, multi_class="ovr")
            check(fitted(est, X, code), loss, X, signs(code, 3), np.ones(N), alpha, 0.0, 1e-8)
        est = LinearRegressor("huber", penalty="l1", alpha=alpha, max_iter=100, random_state=0)
        check(fitted(est, X, Y), "huber", X, list(Y.T), np.ones(N), alpha, 0.0, 1e-8)


@pytest.mark.parametrize("loss", list(LOSSES))
def test_searches_go_on_where_working_columns_do_not(loss):
    """On noise, down to a penalty where every row is met."""
    X, code = columns(), np.arange(N) % 2
    cls = LinearClassifierCV if loss in CLASSIFIERS else LinearRegressorCV
    y = code if loss in CLASSIFIERS else np.random.default_rng(3).normal(size=N)
    est = cls(loss, penalty="l1", alphas=[1e-1, 1e-3, 1e-5], cv=2, max_iter=100, random_state=0)
    fitted(est, X, y)
    target = signs(code, 2) if loss in CLASSIFIERS else [y]
    check(est, loss, X, target, np.ones(N), est.alpha_, 0.0, 1e-8)
    assert np.isfinite(est.dual_gaps_).all()
