"""LinearRegressor(solver="normal"): the closed form of least squares and ridge, exact, with its certificate and its cost."""

import pickle

import numpy as np
import pytest
from reference import dual_objective
from sklearn.base import clone
from support.data import LAYOUTS, rows

from fastsgd import LinearRegressor, load, losses
from fastsgd import dask as on_dask
from fastsgd.solvers import normal


def closed_form(X, Y, alpha, intercept=True, s=None):
    """Weights and intercepts, by NumPy."""
    s = np.ones(len(X)) if s is None else s
    x, y = (s @ a / s.sum() if intercept else np.zeros(a.shape[1]) for a in (X, Y))
    Z, R = X - x, Y - y
    W = np.linalg.solve((Z.T * s) @ Z / s.sum() + alpha * np.eye(X.shape[1]), (Z.T * s) @ R / s.sum())
    return W, y - x @ W


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("penalty, alpha", [(None, 1.0), ("l2", 1e-6), ("l2", 0.7), ("elasticnet", 0.1)])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_closed_form(layout, penalty, alpha, intercept, targets, weighted):
    X, y, s = rows(n=300)
    X, s = X * [1, 10, 0.1, 1e3, 1, 1], np.where(np.arange(300) % 7, s, 0.0) if weighted else None
    Y = np.c_[y, 5 - y, y**2][:, :targets]
    est = LinearRegressor(penalty=penalty, alpha=alpha, l1_ratio=0.0, fit_intercept=intercept, solver="normal", tol=0.1)
    est.fit(LAYOUTS[layout](X), Y if targets > 1 else y, sample_weight=s)
    W, b = closed_form(X, Y, alpha if penalty else 0.0, intercept, s)
    np.testing.assert_allclose(np.atleast_2d(est.coef_).T, W, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(est.intercept_, b if intercept else 0, rtol=1e-10, atol=1e-12)
    assert est.stop_reason_ == ("certified" if penalty else "estimated") and est.n_iter_ == 1
    assert len(est.history_) == targets


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_certificate_is_that_of_the_dual(layout):
    X, y, s = rows()
    est = LinearRegressor(alpha=0.05, solver="normal").fit(LAYOUTS[layout](X), y, sample_weight=s)
    r = y - est.predict(X)
    bound = dual_objective(X, y, losses.SquaredError(), r, l1=0.0, l2=0.05, s=s)
    objective = est.history_["objective"][-1]
    assert objective == pytest.approx(s @ r**2 / 2 / s.sum() + 0.025 * est.coef_ @ est.coef_, rel=1e-12)
    assert bound == pytest.approx(objective, rel=1e-12) and est.dual_gap_ < 1e-12


@pytest.mark.parametrize("degree", [5, 9])
def test_columns_that_are_nearly_dependent_are_refined(degree):
    """By the normal equations alone the square of the condition would cost all digits."""
    x = np.linspace(0, 1, 200)
    X, y = np.vander(x, degree + 1)[:, :-1], np.sin(6 * x)
    est = LinearRegressor(penalty=None, solver="normal").fit(X, y)
    right = np.linalg.lstsq(np.c_[X, np.ones(200)], y, rcond=None)[0]
    np.testing.assert_allclose(est.predict(X), np.c_[X, np.ones(200)] @ right, atol=1e-7)
    np.testing.assert_allclose(est.coef_, right[:-1], rtol=1e-6 if degree == 5 else 1e-3)


@pytest.mark.parametrize("shape", [(20, 50), (200, 6)])
@pytest.mark.parametrize("penalty", [None, "l2"])
def test_where_there_is_more_than_one_solution_it_gives_one(shape, penalty):
    rng = np.random.default_rng(0)
    X = rng.standard_normal(shape)
    X[:, -1] = X[:, 0]
    y = X @ rng.standard_normal(shape[1])
    est = LinearRegressor(penalty=penalty, alpha=1e-9, solver="normal").fit(X, y)
    np.testing.assert_allclose(est.predict(X), y, atol=1e-5)
    assert abs(est.coef_).max() < 100


def test_float32_and_constant_columns_and_a_constant_y():
    X, y, _ = rows()
    single = LinearRegressor(alpha=0.1, solver="normal").fit(X.astype("f4"), y)
    assert single.coef_.dtype == np.float32 and single.stop_reason_ == "certified"
    np.testing.assert_allclose(single.coef_, closed_form(X, y[:, None], 0.1)[0][:, 0], rtol=1e-6)
    est = LinearRegressor(solver="normal").fit(np.c_[X, np.full(200, 7.0)], y)
    assert est.coef_[-1] == 0.0 and est.stop_reason_ == "certified"
    flat = LinearRegressor(solver="normal").fit(X, np.full(200, 3.0))
    assert not flat.coef_.round(12).any() and flat.intercept_ == pytest.approx([3.0])


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_that_a_fit_of_the_other_solver_has(jobs):
    X, y, s = rows()
    Y = np.c_[y, -2 * y]
    auto, ours = (
        LinearRegressor(penalty=None, solver=how, n_jobs=jobs, tol=1e-9).fit(X, Y, s) for how in ("auto", "normal")
    )
    np.testing.assert_allclose(ours.coef_, auto.coef_, rtol=1e-6)
    np.testing.assert_allclose(ours.coef_table(), auto.coef_table(), rtol=1e-5, atol=1e-12)
    again = clone(ours).set_params(warm_start=True, n_jobs=None).fit(X, Y, s)
    np.testing.assert_array_equal(again.fit(X, Y, s).coef_, ours.coef_)


def test_what_it_costs_beside_a_pass_of_descent():
    X, y, _ = rows()
    est = LinearRegressor(solver="normal").fit(X, y)
    assert est.cost_ == {"normal": 200 * 7**2 + 7**3 / 3, "pass": 2 * 200 * 7}
    est = LinearRegressor(solver="normal", fit_intercept=False).fit(X, np.c_[y, y, y])
    assert est.cost_ == {"normal": 200 * 6**2 + 6**3 / 3, "pass": 3 * 2 * 200 * 6}
    few = np.where(np.arange(6) == np.arange(200)[:, None] % 6, 1.0, 0.0)
    est = LinearRegressor(solver="normal", fit_intercept=False).fit(LAYOUTS["csr"](few), y)
    assert est.cost_ == {"normal": 200 + 6**3 / 3, "pass": 2 * 200}
    assert not hasattr(est.set_params(solver="auto").fit(X, y), "cost_")


def test_files_and_pickles(tmp_path):
    X, y, _ = rows()
    est = LinearRegressor(solver="normal").fit(X, y)
    est.save(tmp_path / "model")
    for other in (load(tmp_path / "model"), pickle.loads(pickle.dumps(est))):
        assert other.cost_ == est.cost_ and other.solver == "normal"
        np.testing.assert_array_equal(other.coef_, est.coef_)
    LinearRegressor().fit(X, y).save(tmp_path / "auto")
    assert not hasattr(load(tmp_path / "auto"), "cost_")


@pytest.mark.parametrize(
    "params, words",
    [
        ({"loss": "huber"}, "needs loss='squared_error', got loss='huber'. solver='auto' takes it"),
        ({"loss": losses.Quantile(0.9)}, "needs loss='squared_error', got loss='quantile'"),
        ({"penalty": "l1"}, "needs penalty='l2' or None, got penalty='l1'. solver='auto' takes it"),
        ({"penalty": "elasticnet"}, "needs penalty='l2' or None, got penalty='elasticnet'"),
        ({"solver": "cholesky"}, "'solver' parameter of LinearRegressor must be a name that is known"),
    ],
)
def test_what_has_no_closed_form(params, words):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=words):
        LinearRegressor(**{"solver": "normal"} | params).fit(X, y)


def test_so_many_columns_that_their_matrix_would_fill_memory_are_refused(monkeypatch):
    monkeypatch.setattr(normal, "MAX_COLUMNS", 5)
    X, y, _ = rows()
    with pytest.raises(ValueError, match=r"X has 6: at most 5 will do. solver='auto' needs none"):
        LinearRegressor(solver="normal").fit(X, y)


def test_not_on_a_cluster():
    with pytest.raises(ValueError, match="solver='normal' is not there on a cluster: take solver='auto'"):
        on_dask.LinearRegressor(solver="normal").fit(None)
