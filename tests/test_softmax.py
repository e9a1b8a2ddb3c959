"""LinearClassifier(multi_class="multinomial"): what is certified is true, by each of its methods."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits

from fastsgd import LinearClassifier
from fastsgd._kernels import solve
from fastsgd.sources.arrays import Order

pytestmark = pytest.mark.filterwarnings("ignore:max_iter")


def problem(seed):
    """Random classes: layout, dtype, scales, weights, distributions as targets, intercept."""
    rng = np.random.default_rng(seed)
    n, d, K = int(rng.integers(30, 300)), int(rng.integers(1, 25)), int(rng.integers(3, 7))
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < rng.choice([0.2, 1.0]))
    Z = X @ rng.standard_normal((d, K)) + rng.choice([0.1, 2.0]) * rng.gumbel(size=(n, K)) + np.arange(K) * 0.3
    X *= 10.0 ** rng.uniform(-rng.choice([0, 2]), rng.choice([0, 2]), d)
    y = softmax(Z, axis=1) if rng.random() < 0.2 else Z.argmax(axis=1)
    y[:K] = np.arange(K) if y.ndim == 1 else y[:K]
    s = rng.choice([0.0, 0.5, 3.0], n) if rng.random() < 0.4 else None
    X = X.astype(rng.choice([np.float32, np.float64]))
    alpha, intercept = float(10.0 ** rng.uniform(-5, 0)), bool(rng.random() < 0.7)
    return sp.csr_matrix(X) if rng.random() < 0.6 else X, y, s, {"alpha": alpha, "fit_intercept": intercept}


def objective(X, y, s, model):
    """(value and gradient at (K, d + 1) numbers, K)."""
    X = (X.toarray() if sp.issparse(X) else X).astype(float)
    Y = y if y.ndim == 2 else (y[:, None] == np.unique(y)) * 1.0
    c, K = np.ones(len(X)) if s is None else s, Y.shape[1]

    def F(x):
        W, b = x.reshape(K, -1)[:, :-1], x.reshape(K, -1)[:, -1] * model["fit_intercept"]
        Z = X @ W.T + b
        G = (c[:, None] * (softmax(Z, axis=1) - Y)).T / c.sum()
        value = -float((c[:, None] * Y * log_softmax(Z, axis=1)).sum() / c.sum()) + model["alpha"] / 2 * float(
            (W**2).sum()
        )
        slope = np.column_stack([G @ X + model["alpha"] * W, G.sum(axis=1) * model["fit_intercept"]])
        return value, slope.ravel()

    return F, K


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("tol", [1e-1, 1e-4])
def test_what_is_certified_is_true(seed, tol):
    X, y, s, model = problem(seed)
    F, K = objective(X, y, s, model)
    est = LinearClassifier(multi_class="multinomial", tol=tol, random_state=0, **model).fit(X, y, s)
    x = np.column_stack([est.coef_, np.broadcast_to(est.intercept_, K)]).ravel().astype(float)
    least = minimize(F, x, jac=True, method="L-BFGS-B", options={"maxiter": 3000, "ftol": 0, "gtol": 1e-10}).fun
    assert est.stop_reason_ == "certified"
    assert F(x)[0] - least <= 1.001 * tol * F(x)[0] + 1e-7 * (X.dtype == np.float32)


def text(n=400, d=300, K=5):
    rng = np.random.default_rng(0)
    X = sp.random(n, d, 0.05, "csr", random_state=0)
    return X, np.asarray(X @ rng.standard_normal((d, K)) + 0.5 * rng.gumbel(size=(n, K))).argmax(axis=1)


def test_text_takes_few_passes_and_a_warm_start_fewer():
    X, y = text()
    est = LinearClassifier(multi_class="multinomial", alpha=1 / 400, tol=1e-3, random_state=0, warm_start=True).fit(
        X, y
    )
    assert est.stop_reason_ == "certified" and est.n_iter_ <= 12
    first = est.n_iter_
    assert est.fit(X, y).stop_reason_ == "certified" and est.n_iter_ < first
    assert np.all(np.diff(est.history_["objective"]) <= 0)


def test_nearly_separable_images_are_certified():
    X, y = load_digits(return_X_y=True)
    est = LinearClassifier(multi_class="multinomial", alpha=1 / len(y), random_state=0).fit(X, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 100


def test_the_kernels_check_shapes():
    X, y = text()
    W, b, P, sums = np.zeros((300, 8)), np.zeros(8), np.full((400, 5), 0.2), np.zeros(5)
    order = Order(None, None, 0, 400, 400)
    code = y.astype(np.int32)
    loss, entropy = solve.softmax_pass(X, W, b, code, None, None, P, np.zeros_like(W), sums)
    np.testing.assert_allclose([loss, entropy, *sums], [400 * np.log(5)] * 2 + [80] * 5)
    with pytest.raises(ValueError, match="W has shape"):
        solve.softmax_pass(X, W[:, :5].copy(), b[:5], code, None, None, P, np.zeros((300, 5)), sums)
    with pytest.raises(ValueError, match="code has shape"):
        solve.softmax_pass(X, W, b, code[:-1], None, None, P, np.zeros_like(W), sums)
    with pytest.raises(ValueError, match="one of code and y"):
        solve.softmax_pass(X, W, b, None, None, None, P, np.zeros_like(W), sums)
    with pytest.raises(ValueError, match="P has shape"):
        solve.softmax_ascend(X, order, W, b, None, P[:-1].copy(), 1.0, 1.0)
