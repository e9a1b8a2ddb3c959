"""objective, gradient, hessian_product and hessian at any coefficients: by their formulas in NumPy, and against each other."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor, losses, sources
from fastsgd.inspection import check_gradient

N, D = 40, 3
RNG = np.random.default_rng(4)
X = RNG.standard_normal((N, D)) * [1.0, 3.0, 0.2] + [0.0, 1.0, 0.0]
LABELS = RNG.integers(0, 2, N)
CLASSES = RNG.integers(0, 3, N)
Y = RNG.standard_normal(N)
TARGETS = RNG.standard_normal((N, 2))
WEIGHT = RNG.uniform(0.2, 2.0, N)
STEP = 1e-5

ESTIMATORS = {
    "log_loss": (SGDClassifier("log_loss", alpha=0.1), LABELS),
    "squared_hinge, elastic net": (
        SGDClassifier("squared_hinge", penalty="elasticnet", alpha=0.1, l1_ratio=0.4),
        LABELS,
    ),
    "modified_huber, weights of classes": (SGDClassifier("modified_huber", class_weight="balanced"), CLASSES),
    "multinomial": (SGDClassifier("log_loss", multi_class="multinomial", alpha=0.1), CLASSES),
    "standardised": (SGDClassifier("log_loss", standardize=True, alpha=0.1), CLASSES),
    "no intercept": (SGDRegressor("huber", epsilon=0.5, fit_intercept=False), Y),
    "poisson": (SGDRegressor("poisson"), abs(Y)),
    "targets": (SGDRegressor(alpha=0.2), TARGETS),
    "certified": (LinearClassifier(alpha=0.1), CLASSES),
    "certified, multinomial": (LinearClassifier(alpha=0.1, multi_class="multinomial"), CLASSES),
    "certified, targets": (LinearRegressor(alpha=0.1), TARGETS),
}


def fitted(name, layout="dense"):
    est, y = ESTIMATORS[name]
    X_ = X if layout == "dense" else sp.csr_matrix(X)
    if hasattr(est, "max_iter") and isinstance(est, (SGDClassifier, SGDRegressor)):
        est.set_params(max_iter=3, tol=None, random_state=0, learning_rate="constant", eta0=1e-3)
    return est.fit(X_, y), X_, y


def elsewhere(est):
    rng = np.random.default_rng(9)
    w = 0.3 * rng.standard_normal(np.shape(est.coef_))
    return w, 0.3 * rng.standard_normal(np.shape(est.intercept_)) * est.fit_intercept


def flat(derivatives):
    return np.append(np.ravel(derivatives.coef), derivatives.intercept)


def moved(est, w, b, by):
    """The coefficients and intercepts, moved by a flat array."""
    return w + by[: w.size].reshape(w.shape), b + by[w.size :].reshape(b.shape)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_derivatives_are_those_of_the_objective(name, layout, weighed):
    est, X_, y = fitted(name, layout)
    (w, b), s = elsewhere(est), WEIGHT if weighed else None
    n = w.size + b.size

    def objective(by):
        return est.objective(X_, y, *moved(est, w, b, by), s)

    gradient = flat(est.gradient(X_, y, w, b, s))
    numeric = np.array([(objective(STEP * e) - objective(-STEP * e)) / (2 * STEP) for e in np.eye(n)])
    if not est.fit_intercept:
        numeric[w.size :] = 0
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)
    v = RNG.standard_normal(n)
    ahead, back = (flat(est.gradient(X_, y, *moved(est, w, b, t * STEP * v), s)) for t in (1, -1))
    direction = v[: w.size].reshape(w.shape), v[w.size :].reshape(b.shape)
    product = flat(est.hessian_product(X_, y, direction[0], w, b, s, direction_intercept=direction[1]))
    np.testing.assert_allclose(product, (ahead - back) / (2 * STEP), rtol=1e-6, atol=1e-8)
    H = est.hessian(X_, y, w, b, s)
    along = v if est.fit_intercept else v[: w.size]
    if not est.fit_intercept:
        product = flat(est.hessian_product(X_, y, direction[0], w, b, s))[: w.size]
    np.testing.assert_allclose(H @ along, product, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(H, H.T, atol=1e-15)


def test_they_are_the_formulas_of_a_course():
    """Logistic regression with an L2 penalty, in NumPy, to the last digits."""
    est, (w, b) = SGDClassifier("log_loss", alpha=0.1), (np.array([0.2, -0.1, 0.5]), 0.3)
    z, t = X @ w + b, LABELS
    p = 1 / (1 + np.exp(-z))
    objective = np.mean(np.log(1 + np.exp(z)) - t * z) + 0.05 * w @ w
    assert est.objective(X, t, w, b) == pytest.approx(objective, rel=1e-13)
    found = est.gradient(X, t, w, b)
    np.testing.assert_allclose(found.coef[0], X.T @ (p - t) / N + 0.1 * w, rtol=1e-12)
    np.testing.assert_allclose(found.intercept, [np.mean(p - t)], rtol=1e-12)
    A = np.column_stack([X, np.ones(N)])
    H = A.T @ (A * (p * (1 - p))[:, None]) / N + np.diag([0.1, 0.1, 0.1, 0.0])
    np.testing.assert_allclose(est.hessian(X, t, w, b), H, rtol=1e-12)


def test_the_fitted_coefficients_are_the_default_and_certified_ones_have_no_gradient():
    est = SGDClassifier("log_loss", learning_rate="constant", random_state=0, max_iter=4, tol=None).fit(X, CLASSES)
    assert est.objective(X, CLASSES) == est.objective(X, CLASSES, est.coef_, est.intercept_)
    best = LinearClassifier(alpha=0.1, tol=1e-12).fit(X, CLASSES)
    assert max(abs(flat(best.gradient(X, CLASSES)))) < 1e-6
    assert best.objective(X, CLASSES) == pytest.approx(
        SGDClassifier("log_loss", alpha=0.1).objective(X, CLASSES, best.coef_, best.intercept_), rel=1e-12
    )


def test_float32_rows_have_the_objective_of_their_numbers():
    est, w = SGDClassifier("log_loss"), [0.3, 0.1, -0.2]
    X32 = X.astype(np.float32)
    assert est.objective(X32, LABELS, w) == pytest.approx(est.objective(X32.astype(float), LABELS, w), rel=1e-13)


def test_a_source_has_the_objective_of_its_rows():
    batches = [(X[lo : lo + 10], Y[lo : lo + 10]) for lo in range(0, N, 10)]
    source = sources.from_batches(lambda: iter(batches)).buffered(max_memory=4_000)
    est, w = SGDRegressor(), [0.3, 0.1, -0.2]
    assert est.objective(source, None, w) == pytest.approx(est.objective(X, Y, w), rel=1e-12)
    np.testing.assert_allclose(est.gradient(source, None, w).coef, est.gradient(X, Y, w).coef, rtol=1e-12)
    np.testing.assert_allclose(est.hessian(source, None, w), est.hessian(X, Y, w), rtol=1e-12)


def test_what_is_wrong_is_named():
    est = SGDClassifier()
    with pytest.raises(NotFittedError):
        est.objective(X, LABELS)
    with pytest.raises(ValueError, match=r"coef must have the shape \(3,\), found \(2,\)"):
        est.objective(X, LABELS, [1.0, 2.0])
    for call in (est.objective, est.gradient):
        with pytest.raises(ValueError, match=r"coef must be numbers, found \[1j"):
            call(X, LABELS, [1j, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"intercept must have the shape \(1,\), found \(3,\)"):
        est.objective(X, LABELS, [1.0, 2.0, 3.0], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="loss='hinge' has no second derivative"):
        est.hessian(X, LABELS, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="no second derivative"):
        SGDRegressor(losses.Quantile(0.3)).hessian_product(X, Y, [1.0, 0, 0], [1.0, 0, 0])
    with pytest.raises(ValueError, match="direction must have the shape"):
        SGDRegressor().hessian_product(X, Y, [1.0], [1.0, 0, 0])
    with pytest.raises(ValueError, match="hessian_product needs no more memory"):
        SGDRegressor().hessian(np.ones((2, 5000)), [0.0, 1.0], np.zeros(5000))
    with pytest.raises(ValueError, match="all zero"):
        SGDRegressor().objective(X, Y, [1.0, 0, 0], sample_weight=np.zeros(N))


@pytest.mark.parametrize("word", ["yes", "y", "no"])
@pytest.mark.parametrize("call", ["fit", "objective"])
def test_targets_that_are_words_are_said_to_be_y(call, word):
    est = SGDRegressor(max_iter=1, tol=None).fit(X, Y)
    with pytest.raises(ValueError, match=rf"y must hold numbers: could not convert string to float: .*'{word}'"):
        getattr(est, call)(X, [word] * N)


def test_asking_changes_nothing():
    est = SGDClassifier("log_loss", learning_rate="auto", random_state=0).fit(X, CLASSES)
    before, fresh = est.coef_.copy(), SGDClassifier("log_loss")
    est.gradient(X, CLASSES, np.ones((3, D)))
    np.testing.assert_array_equal(est.coef_, before)
    fresh.objective(X, CLASSES, np.zeros((3, D)))
    assert not hasattr(fresh, "classes_") and not hasattr(fresh, "n_features_in_")


# ---------------------------------------------------------------- check_gradient
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_gradient_agrees_with_differences(name):
    est, X_, y = fitted(name)
    w, b = elsewhere(est)
    found = check_gradient(est, X_, y, w, b, sample_weight=WEIGHT)
    assert found.largest_difference < 1e-8 and len(found.places) == w.size + est.fit_intercept * b.size
    assert "largest difference" in repr(found) and found.analytic_seconds > 0 < found.numeric_seconds
    at_fitted = check_gradient(est, X_, y, n_checked=2)
    at_kink = (np.append(est.coef_, est.intercept_)[at_fitted.places] == 0).any()  # Of L1.
    assert len(at_fitted.places) == 2 and (at_kink or at_fitted.largest_difference < 1e-7)
    assert not at_kink or name == "squared_hinge, elastic net"


def test_a_wrong_gradient_is_seen():
    class Wrong(SGDClassifier):
        def gradient(self, *given, **more):
            right = super().gradient(*given, **more)
            return right._replace(coef=1.01 * right.coef)

    found = check_gradient(Wrong("log_loss"), X, LABELS, [1.0, 2.0, -1.0])
    assert found.largest_difference > 1e-3
    with pytest.raises(ValueError, match="n_checked"):
        check_gradient(Wrong("log_loss"), X, LABELS, [1.0, 2.0, -1.0], n_checked=0)


def test_products_take_no_memory_for_pairs_of_classes():
    Z, c = RNG.standard_normal((4000, 3)), np.arange(4000) % 100
    est, w = SGDClassifier("log_loss", multi_class="multinomial"), np.zeros((100, 3))
    tracemalloc.start()
    est.hessian_product(Z, c, np.ones((100, 3)), w)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 4000 * 100 * 8, "a few numbers for each row and class"


def test_a_sparse_model_is_checked_too():
    est, X_, y = fitted("log_loss")
    assert check_gradient(est.sparsify(), X_, y).largest_difference < 1e-7


@pytest.mark.parametrize("schedule", ["exponential", "step", "cosine", "one_cycle"])
def test_functions_of_the_weights_do_not_ask_how_long_a_pass_is(schedule):
    X = np.random.default_rng(0).standard_normal((60, 3))
    y = X @ [1.0, 2.0, 3.0]
    est = SGDRegressor(learning_rate=schedule, max_iter=5, tol=None, random_state=0).fit(X, y)
    r = X @ est.coef_ + est.intercept_ - y
    assert est.objective(X, y) == pytest.approx((r @ r) / 120 + est.alpha / 2 * est.coef_ @ est.coef_, rel=1e-12)
    slope, _ = est.gradient(X, y)
    np.testing.assert_allclose(slope.ravel(), X.T @ r / 60 + est.alpha * est.coef_, rtol=1e-10)
