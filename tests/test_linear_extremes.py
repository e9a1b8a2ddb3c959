"""LinearClassifier and LinearRegressor where numbers are large, small or cancel: the right model, or words that are true."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from support.cases import covering
from support.data import LAYOUTS

from fastsgd import LinearClassifier, LinearRegressor, losses, penalties, sources
from fastsgd.solvers.report import Report, Step

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 3))
Y = X @ [1.0, 2.0, 0.5] + 0.1 * RNG.standard_normal(400)
CODE = (Y + RNG.logistic(size=400) > 0).astype(int)
RESIDUAL = ["squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile"]
TIGHT = {"random_state": 0, "tol": 1e-7, "max_iter": 5000}


def value(est, X, y):
    """F of coef_ and intercept_, in float64 and from differences that lose nothing."""
    X, l1, l2 = np.asarray(X, float), *penalties.weights(est.penalty, est.alpha, est.l1_ratio)
    w, b = est.coef_.ravel().astype(float), float(est.intercept_[0])
    loss = losses.get(est.loss)
    if loss.residual:
        each = loss.value((X - X[0]) @ w + (X[0] @ w + b - y), 0.0)
    else:
        each = loss.value(X @ w + b, np.where(y == 1, 1.0, loss.negative))
    return each.mean() + penalties.value(w, l1, l2)


# ---------------------------------------------------------------- y
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("loss", RESIDUAL)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_offset_of_y_is_one_of_the_intercept(loss, penalty, layout):
    make = LinearRegressor(loss, penalty=penalty, alpha=1e-3, **TIGHT)
    A = LAYOUTS[layout](X)
    near = make.fit(A, Y)
    coef, intercept, score = near.coef_, near.intercept_, near.score(A, Y)
    far = make.fit(A, Y + 2.0**30)
    np.testing.assert_allclose(far.coef_, coef, atol=2e-3)
    np.testing.assert_allclose(far.intercept_ - 2.0**30, intercept, atol=2e-3)
    assert far.score(A, Y + 2.0**30) == pytest.approx(score, abs=1e-4)


def test_an_offset_of_y_is_not_lost_in_float32():
    y = 1e7 + np.column_stack([Y, -2.0 * Y])
    est = LinearRegressor(random_state=0).fit(X.astype(np.float32), y, np.linspace(0.5, 1.0, len(y)))
    assert est.stop_reason_ == "certified" and est.coef_.dtype == np.float32
    assert est.score(X.astype(np.float32), y) > 0.99
    table = sources.from_batches(
        lambda: [(X[:200].astype(np.float32), y[:200, 0]), (X[200:].astype(np.float32), y[200:, 0])]
    )
    assert LinearRegressor(random_state=0).fit(table).score(table) > 0.99


def test_an_offset_of_y_without_an_intercept_is_what_the_columns_make_of_it():
    A, y = np.column_stack([X, np.ones(400)]), 1e7 + X @ [1.0, 2.0, 0.5]
    est = LinearRegressor(fit_intercept=False, penalty=None, random_state=0).fit(A, y)
    np.testing.assert_allclose(est.coef_, [1.0, 2.0, 0.5, 1e7], rtol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("degree", [5, 10, 16])
def test_an_exact_fit_on_columns_that_are_nearly_dependent_ends_soon_and_without_a_warning(degree, intercept):
    A = np.vander(np.linspace(0.0, 1.0, 500), degree + 1)[:, :-1]
    est = LinearRegressor(penalty=None, fit_intercept=intercept, random_state=0).fit(A, A.sum(axis=1))
    assert est.stop_reason_ == "precision" and est.n_iter_ < 100
    np.testing.assert_allclose(est.predict(A), A.sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("size", [1e-100, 1e-9, 1e12, 1e100])
def test_the_unit_of_y_changes_nothing_but_units(size):
    est = LinearRegressor(alpha=1e-3, **TIGHT).fit(X, size * Y)
    one = LinearRegressor(alpha=1e-3, **TIGHT).fit(X, Y)
    np.testing.assert_allclose(est.coef_ / size, one.coef_, rtol=1e-4)
    assert est.stop_reason_ == "certified"


def test_a_y_beyond_all_squares_is_refused():
    for size, word in ((1e200, "large"), (1e-200, "small")):
        with pytest.raises(ValueError, match=f"y is too {word}"):
            LinearRegressor().fit(X, size * Y)
    assert LinearRegressor().fit(X, np.zeros(400)).coef_.max() == 0.0


# ---------------------------------------------------------------- columns
@pytest.mark.parametrize(
    "model, penalty, constant, dtype, layout",
    covering(
        3,
        [LinearRegressor(), LinearClassifier(), LinearClassifier("hinge")],
        ["l2", "l1", None],
        [1.0, 1e5, 123456.789, 1e12],
        ["f4", "f8"],
        LAYOUTS,
    ),
    ids=str,
)
def test_a_constant_column_beside_an_intercept_has_weight_zero(model, penalty, constant, dtype, layout):
    A = np.column_stack([X * (X > -1), np.full(400, constant)]).astype(dtype)
    A = LAYOUTS[layout](A)
    y = Y if isinstance(model, LinearRegressor) else CODE
    found = model.set_params(penalty=penalty, alpha=1e-3, random_state=0, tol=1e-6, max_iter=5000).fit(A, y)
    coef, intercept = found.coef_.ravel(), found.intercept_.copy()
    alone = model.fit(A[:, :3], y)
    assert coef[3] == 0.0
    np.testing.assert_allclose(coef[:3], alone.coef_.ravel(), atol=5e-3 * abs(coef).max())
    np.testing.assert_allclose(intercept, alone.intercept_, atol=5e-3 * abs(coef).max())


def test_a_constant_column_of_text_has_weight_zero():
    """CSR stays CSR there, where means of squares less squares of means are but rounding."""
    A = sp.random(400, 20, 0.05, "csr", rng=np.random.default_rng(0))
    y = A @ np.arange(20.0) + 0.01 * Y
    for constant in (1.0, 1e5):
        both = sp.csr_matrix(sp.hstack([A, sp.csr_matrix(np.full((400, 1), constant))]))
        est = LinearRegressor(penalty=None, random_state=0).fit(both, y)
        assert est.coef_[20] == 0.0 and abs(est.coef_[:20] - np.arange(20)).max() < 1.0


@pytest.mark.parametrize("penalty", ["l2", None])
def test_a_constant_column_costs_softmax_no_certificate(penalty):
    A, y = np.column_stack([X, np.full(400, 1e5)]), np.digitize(Y + RNG.logistic(size=400), [-1.0, 1.0])
    est = LinearClassifier(multi_class="multinomial", penalty=penalty, random_state=0).fit(A.astype(np.float32), y)
    assert not est.coef_[:, 3].any()
    assert est.stop_reason_ == ("certified" if penalty else "estimated")


@pytest.mark.parametrize("size", [1e-150, 1e-30, 1e5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_softmax_is_certified_whatever_the_unit_of_a_column(size, layout):
    A, y = np.column_stack([X[:, 0] * size, X[:, 1:]]), np.digitize(Y + RNG.logistic(size=400), [-1.0, 1.0])
    est = LinearClassifier(multi_class="multinomial", alpha=1e-3, random_state=0).fit(LAYOUTS[layout](A), y)
    assert est.stop_reason_ == "certified" and est.history_["objective"][-1] < 0.95 * np.log(3)


def test_softmax_of_separable_classes_ends_near_zero():
    y = np.digitize(X[:, 0], [-0.5, 0.5])
    A = X[abs(abs(X[:, 0]) - 0.5) > 0.1]
    y = y[abs(abs(X[:, 0]) - 0.5) > 0.1]
    est = LinearClassifier(multi_class="multinomial", penalty=None, random_state=0, max_iter=5000)
    with pytest.warns(ConvergenceWarning, match="classes can be separated"):
        est.fit(A, y)
    assert (
        est.stop_reason_ in ("precision", "estimated")
        and est.history_["objective"][-1] < 1e-6
        and est.score(A, y) == 1.0
    )


@pytest.mark.parametrize("size", [1e-200, 1e-150, 1e-30, 1e30, 1e150])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_column_in_any_unit_is_learnt(size, layout):
    A = np.column_stack([X[:, 0] * size, X[:, 1:]])
    est = LinearRegressor(penalty=None, random_state=0).fit(LAYOUTS[layout](A), Y)
    np.testing.assert_allclose(est.coef_[0] * size, 1.0, atol=0.05)


def test_a_penalty_beyond_all_numbers_is_a_weight_of_zero():
    A = np.column_stack([X[:, 0] * 1e-20, X[:, 1:]])
    for penalty in ("l1", "l2"):
        est = LinearRegressor(penalty=penalty, alpha=1e300, random_state=0).fit(A, Y)
        assert est.stop_reason_ == "certified" and abs(est.coef_).max() < 1e-290
    assert LinearRegressor(alpha=1e-300, random_state=0).fit(X, Y).score(X, Y) > 0.99


@pytest.mark.parametrize("weight", [1e-300, 1e300])
def test_the_unit_of_the_weights_changes_nothing(weight):
    s = np.linspace(0.5, 1.0, 400)
    one = LinearClassifier(random_state=0).fit(X, CODE, s)
    other = LinearClassifier(random_state=0).fit(X, CODE, s * weight)
    np.testing.assert_allclose(other.coef_, one.coef_, rtol=1e-6)


def test_one_row_and_rows_that_are_all_the_same():
    for A, y in ((X[:1], Y[:1]), (np.repeat(X[:1], 5, axis=0), Y[:5])):
        for penalty in ("l2", "l1", None):
            est = LinearRegressor(penalty=penalty, random_state=0).fit(A, y)
            np.testing.assert_allclose(est.predict(A), y.mean(), atol=1e-9)
            assert not est.coef_.any()


# ---------------------------------------------------------------- what is certified is what is returned
@pytest.mark.parametrize("alpha", [1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_what_is_certified_in_float32_is_the_model_that_is_returned(alpha, noise):
    A = (X + 1000.0).astype(np.float32)
    y = A.astype(float) @ [1.0, 2.0, 0.5] + noise * Y
    est = LinearRegressor(alpha=alpha, random_state=0).fit(A, y)
    exact = LinearRegressor(alpha=alpha, random_state=0, tol=1e-10).fit(A.astype(float), y)
    found, least = value(est, A, y), exact.history_["objective"][-1]
    assert est.stop_reason_ == "certified"
    assert found - least <= (est.dual_gap_ + 1e-9) * found
    assert est.history_["objective"][-1] == pytest.approx(found, rel=1e-6)


def test_a_model_that_rounding_spoils_is_not_certified():
    """Weights below the least number of float32, which are 0 there."""
    A = np.column_stack([X[:, 0] * 1e30, X[:, 1:]]).astype(np.float32)
    with pytest.warns(ConvergenceWarning, match=r"dual_gap_ is .* Pass X in float64"):
        est = LinearRegressor(alpha=1e-9, random_state=0).fit(A, 1e-18 * X[:, 0] + 1e-30 * Y)
    assert est.stop_reason_ == "precision" and est.dual_gap_ > est.tol


def test_a_model_beyond_float32_is_refused():
    with pytest.raises(ValueError, match="column 0 of X is beyond the largest number of float32"):
        LinearRegressor(penalty=None).fit((X * 1e-20).astype(np.float32), Y * 1e25)
    b = LinearRegressor(random_state=0).fit(X.astype(np.float32), Y + 1e45).intercept_
    assert b.dtype == np.float64 and np.isfinite(b).all()


def test_an_objective_that_is_no_number_is_no_convergence():
    report = Report(0, 1e-4, 100, bound=0.0)
    assert not report(Step(np.zeros(1), 0.0, np.nan, bound=np.nan))
    assert report.reason is None and report.gap == np.inf and report.relative_gap == np.inf
    assert not report(Step(np.ones(1), 0.0, 2.0)) and report.best.objective == 2.0
    assert (
        penalties.value(np.array([np.inf]), 0.0, 1.0) == np.inf and penalties.value(np.array([np.inf]), 0.0, 0.0) == 0.0
    )


# ---------------------------------------------------------------- alpha
@pytest.mark.parametrize("alpha", [1e155, 1e308, np.finfo(float).max])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_penalty_of_any_strength_gives_zeros_and_no_warning(penalty, layout, alpha):
    A, three = LAYOUTS[layout](X), np.arange(400) % 3
    for loss in (*RESIDUAL, "poisson", "gamma"):
        est = LinearRegressor(loss, penalty=penalty, alpha=alpha, random_state=0).fit(A, abs(Y) + 1)
        assert abs(est.coef_).max() < 1e-150 and est.stop_reason_ in ("certified", "estimated")
    for loss in ("log_loss", "hinge", "squared_hinge", "modified_huber"):
        assert (
            abs(LinearClassifier(loss, penalty=penalty, alpha=alpha, random_state=0).fit(A, CODE).coef_).max() < 1e-150
        )
    assert abs(LinearClassifier(alpha=alpha, multi_class="multinomial").fit(A, three).coef_).max() < 1e-150


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_penalty_that_is_hardly_there_warns_of_no_overflow(layout):
    for alpha in (1e-300, 5e-324):
        for loss in ("hinge", "squared_hinge"):
            assert LinearClassifier(loss, alpha=alpha, max_iter=50).fit(LAYOUTS[layout](X), CODE).score(X, CODE) > 0.7
        for loss in RESIDUAL:
            assert LinearRegressor(loss, alpha=alpha, max_iter=50).fit(LAYOUTS[layout](X), Y).score(X, Y) > 0.9


# ---------------------------------------------------------------- along a path
@pytest.mark.parametrize("seed", [1, 2, 3, 9, 18, 20, 23, 25])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_a_warm_start_along_alphas_of_separable_data_ends(seed, penalty):
    """Random cases of which nearly half divided by zero: slopes so small that their squares are 0."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((int(rng.integers(50, 600)), int(rng.integers(2, 20)))) * 10.0 ** rng.uniform(0, 3)
    y = (A @ rng.standard_normal(A.shape[1]) > 0).astype(int)
    for loss in ("squared_hinge", "modified_huber"):
        est = LinearClassifier(loss, penalty=penalty, random_state=0, warm_start=True, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for alpha in (1e-8, 1e-5):
                est.set_params(alpha=alpha).fit(A, y)
        assert est.score(A, y) > 0.98 and np.isfinite(est.history_["objective"]).all()
