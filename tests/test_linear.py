"""LinearClassifier and LinearRegressor: scikit-learn's conventions, its coefficients, and what is kept of a fit."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from reference import dual_objective
from sklearn import linear_model, svm
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels, rows

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, losses
from fastsgd._kernels import solve
from fastsgd.estimators.base_linear import readable
from fastsgd.solvers import choose, softmax
from fastsgd.solvers.dual import Anderson, dual
from fastsgd.solvers.hessian import Diagonal, Hessian, curvature, gram
from fastsgd.solvers.interior import interior
from fastsgd.solvers.newton import newton
from fastsgd.solvers.orthant import orthant
from fastsgd.solvers.polish import polished
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Report
from fastsgd.sources import arrays
from fastsgd.sources.arrays import Table

TIGHT = {"tol": 1e-10, "max_iter": 5000, "random_state": 0}
X, Y, S = rows(300, 6)
CODE = labels(Y)


@parametrize_with_checks([LinearClassifier(), LinearRegressor()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def close(ours, theirs, rtol=1e-4):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())


# ---------------------------------------------------------------- scikit-learn's coefficients
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, S])
def test_logistic_regression(layout, weights):
    n = len(X) if weights is None else weights.sum()
    ours = LinearClassifier(alpha=1e-2, **TIGHT).fit(LAYOUTS[layout](X), CODE, weights)
    theirs = linear_model.LogisticRegression(C=1 / (1e-2 * n), tol=1e-10, max_iter=10000).fit(X, CODE, weights)
    close(ours, theirs)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)


def test_logistic_regression_with_class_weights():
    weight = {0: 1.0, 1: 3.0}
    total = np.where(CODE == 1, 3.0, 1.0).sum()
    ours = LinearClassifier(alpha=1e-2, class_weight=weight, **TIGHT).fit(X, CODE)
    theirs = linear_model.LogisticRegression(C=1 / (1e-2 * total), class_weight=weight, tol=1e-10, max_iter=10000)
    close(ours, theirs.fit(X, CODE))


def test_softmax():
    code = labels(Y, 4)
    ours = LinearClassifier(alpha=1e-2, multi_class="multinomial", **TIGHT | {"tol": 1e-8}).fit(X, code)
    theirs = linear_model.LogisticRegression(C=1 / (1e-2 * len(X)), tol=1e-10, max_iter=10000).fit(X, code)
    assert ours.stop_reason_ == "certified"
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ridge(layout):
    ours = LinearRegressor(alpha=1e-2, **TIGHT).fit(LAYOUTS[layout](X), Y, S)
    close(ours, linear_model.Ridge(alpha=1e-2 * S.sum()).fit(X, Y, S), 1e-6)


def test_several_targets():
    both = np.column_stack([Y, Y**2])
    ours = LinearRegressor(alpha=1e-2, n_jobs=2, **TIGHT).fit(X, both)
    theirs = linear_model.Ridge(alpha=1e-2 * len(X)).fit(X, both)
    close(ours, theirs, 1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_elastic_net(layout, ratio):
    penalty = {"penalty": "l1"} if ratio == 1 else {"penalty": "elasticnet", "l1_ratio": ratio}
    ours = LinearRegressor(alpha=0.1, **penalty, **TIGHT).fit(LAYOUTS[layout](X), Y)
    theirs = linear_model.ElasticNet(alpha=0.1, l1_ratio=ratio, tol=1e-12, max_iter=100000).fit(X, Y)
    close(ours, theirs)
    np.testing.assert_array_equal(ours.coef_ == 0, theirs.coef_ == 0)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_linear_svc(loss):
    """Without an intercept, which LinearSVC penalises."""
    ours = LinearClassifier(loss, alpha=1e-2, fit_intercept=False, **TIGHT).fit(X, CODE)
    theirs = svm.LinearSVC(C=1 / (1e-2 * len(X)), loss=loss, fit_intercept=False, tol=1e-10, max_iter=1000000)
    np.testing.assert_allclose(ours.coef_, theirs.fit(X, CODE).coef_, atol=1e-3)


def test_huber():
    """HuberRegressor with its scale sigma: epsilon sigma is our epsilon, and its alpha is of other units."""
    theirs = linear_model.HuberRegressor(epsilon=1.5, alpha=1e-3, tol=1e-10, max_iter=10000).fit(X, Y)
    sigma = theirs.scale_
    ours = LinearRegressor(losses.Huber(1.5 * sigma), alpha=1e-3 * sigma / len(X), **TIGHT).fit(X, Y)
    close(ours, theirs, 1e-3)


def test_quantile():
    theirs = linear_model.QuantileRegressor(quantile=0.8, alpha=0.01).fit(X, Y)
    ours = LinearRegressor(losses.Quantile(0.8), penalty="l1", alpha=0.01, **TIGHT | {"tol": 1e-6}).fit(X, Y)
    close(ours, theirs, 2e-2)


# ---------------------------------------------------------------- both methods, one result
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "squared_error", "huber"])
def test_newton_and_dual_agree(layout, dtype, loss, monkeypatch):
    make = LinearClassifier if losses.get(loss).task == ("classifier",) else LinearRegressor
    y, A = CODE if make is LinearClassifier else Y, LAYOUTS[layout](X.astype(dtype))
    found = []
    for method in ("newton", "dual"):
        monkeypatch.setattr(choose, "fastest", lambda problem, method=method: method)
        est = make(loss, alpha=1e-2, tol=1e-8, random_state=0, max_iter=5000).fit(A, y, S)
        assert est.stop_reason_ == "certified" and est.coef_.dtype == dtype
        found.append(est.coef_)
    np.testing.assert_allclose(*found, atol=2e-4 * abs(found[0]).max())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "squared_error", "huber", "poisson"])
@pytest.mark.parametrize("ratio", [0.5, 1.0])
def test_both_methods_agree_with_l1(layout, loss, ratio):
    regression = losses.get(loss).task == ("regressor",)
    y = np.exp(np.clip(Y, -2, 2)) if loss == "poisson" else Y if regression else np.where(CODE == 1, 1.0, -1.0)
    y = np.where(CODE == 1, 1.0, 0.0) if loss == "log_loss" else y
    p = Problem(readable(LAYOUTS[layout](X + 0.0)), y, S, losses.get(loss), 0.03 * ratio, 0.03 * (1 - ratio), True)
    reports = [Report(0, 1e-7, 3000), Report(0, 1e-7, 3000)]
    assert orthant(p, np.zeros(6), 0.0, reports[0], 3000) is None
    dual(p, np.zeros(6), 0.0, reports[1])
    one, two = (p.outward(report.best.u, report.best.b)[0] for report in reports)
    assert {report.reason for report in reports} == {"certified"}
    np.testing.assert_allclose(one, two, atol=3e-3 * abs(two).max())
    np.testing.assert_array_equal(one == 0, two == 0)


def test_l1_on_text_is_certified_in_few_passes():
    """Dual ascent alone takes more than a thousand."""
    rng = np.random.default_rng(0)
    A = sp.random(2000, 3000, 0.01, "csr", rng=rng)
    y = A @ rng.standard_normal(3000) + 0.1 * rng.standard_normal(2000) > 0
    est = LinearClassifier(penalty="l1", alpha=1e-3, tol=1e-3, random_state=0).fit(A, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 200 and 0 < np.count_nonzero(est.coef_) < 3000


def test_hinge_on_raw_columns_is_certified():
    """The least residue of the dual point is dear where the penalty of a column of large numbers is next to none."""
    rng = np.random.default_rng(0)
    A = (rng.standard_normal((3000, 20)) + 3.0 * (np.arange(20) % 2)) * 10.0 ** rng.uniform(-3, 4, 20)
    y = (A / A.std(axis=0)) @ rng.standard_normal(20) + rng.logistic(size=3000) > 0
    est = LinearClassifier("hinge", alpha=1 / 3000, random_state=0).fit(A, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 100


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_huber_far_below_the_noise_is_certified(penalty):
    """Next to absolute errors: hardly a row has any curvature."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((300, 8)) * 10.0 ** rng.uniform(-2, 2, 8)
    y = 100.0 * (A / A.std(axis=0) @ rng.standard_normal(8) + rng.standard_normal(300))
    est = LinearRegressor(losses.Huber(0.5), penalty=penalty, alpha=1e-2, tol=1e-3, random_state=0).fit(A, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 200


@pytest.mark.parametrize("penalties", [(0.0, 1e-4), (0.01, 0.0), (0.01, 1e-4)])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "epsilon_insensitive"])
def test_a_polished_dual_point_is_feasible(loss, penalties):
    y = {"hinge": np.where(CODE == 1, 1.0, -1.0), "log_loss": np.where(CODE == 1, 1.0, 0.0)}.get(loss, Y)
    p = Problem(X, y, S, losses.get(loss), *penalties, True)
    report = Report(0, 1e-6, 3000)
    dual(p, np.zeros(6), 0.0, report)
    a = report.dual() * 0.95
    better = polished(p, a, report.best.u)
    assert np.isfinite(p.loss.conjugate(-better, y)).all() and abs(p.mean(better)) < 1e-3 * p.mean(abs(better))
    assert p.least(better)[0] <= report.best.objective
    left = [abs(p.pull(p.weighted(dual_point))[0] - p.penalties[1] * report.best.u) for dual_point in (a, better)]
    assert penalties[0] > 0 or left[1].max() < 0.5 * left[0].max()  # the mean of a x is what L2 asks for


def test_the_bound_of_softmax_holds_at_any_point():
    code, rng = labels(Y, 4), np.random.default_rng(0)
    table = Table(X, code=code, negative=0.0, s=S)
    best = LinearClassifier(alpha=1e-2, multi_class="multinomial", tol=1e-8, random_state=0).fit(X, code, S)
    least = best.history_["objective"][-1]
    F = softmax.Objective(table, 4, 1e-2, True)
    at = F.join(*F.frame.inward(best.coef_.T, best.intercept_))
    for size in (0.0, 1e-4, 1e-2, 1.0):
        value = F(at + size * rng.standard_normal(len(at)))[0]
        assert F.bound <= least * (1 + 1e-9) <= value * (1 + 2e-9)
    np.testing.assert_allclose(F(at)[0], least, rtol=1e-6)
    step = 1e-5 * rng.standard_normal(len(at))
    slope = (F(F.at + step)[0] - F(F.at - 2 * step)[0]) / 2
    assert F.bound > -np.inf and abs(slope - F(at)[1] @ step) < 1e-7


def test_it_needs_no_scaling():
    scale = 10.0 ** np.array([-6.0, 6, 0, 3, -3, 1])
    plain = LinearClassifier(penalty=None, **TIGHT | {"tol": 1e-6, "max_iter": 100}).fit(X, CODE)
    scaled = LinearClassifier(penalty=None, **TIGHT | {"tol": 1e-6, "max_iter": 100}).fit(X * scale + 3 * scale, CODE)
    np.testing.assert_allclose(scaled.coef_ * scale, plain.coef_, rtol=1e-4)
    assert plain.stop_reason_ == "estimated" and plain.dual_gap_ > 1e-6  # without a penalty there is no bound


def test_many_rows_go_through_samples():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20000, 5)) * [1, 10, 100, 1, 1] * (rng.random((20000, 5)) < 0.5)
    y = A @ [1, 0.1, 0.01, 0, -1] + rng.standard_normal(20000) > 0.7
    est = LinearClassifier(random_state=0, tol=1e-6).fit(A, y)
    theirs = linear_model.LogisticRegression(C=1 / (1e-4 * 20000), solver="newton-cholesky", tol=1e-10).fit(A, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 6
    close(est, theirs, 2e-3)


LINES = ["huber", "quantile", "epsilon_insensitive"]


@pytest.mark.parametrize("loss", [*LINES, "squared_epsilon_insensitive"])
@pytest.mark.parametrize("size, far", [(1e-3, 0.0), (1.0, 1e3), (1e3, 1e6), (1e6, 0.0)])
def test_targets_need_no_scaling_either(loss, size, far):
    """Correlated raw columns (the diabetes data); what is far above is taken up by the intercept."""
    A, y = load_diabetes(return_X_y=True, scaled=False)
    est = LinearRegressor(loss, alpha=1e-4 / size, random_state=0).fit(A, y * size + far)
    assert est.stop_reason_ == "certified" and est.n_iter_ <= 60
    assert est.score(A, y * size + far) > 0.4


def test_an_estimate_is_not_small_because_nothing_moves_yet():
    """Huber's loss with an epsilon far below the noise is nearly flat to Newton's method."""
    A, y = load_diabetes(return_X_y=True, scaled=False)
    est = LinearRegressor("huber", penalty=None, random_state=0).fit(A, y * 1e6)
    exact = linear_model.QuantileRegressor(alpha=0).fit(A, y)
    loss = losses.Huber(0.1)
    assert est.stop_reason_ == "estimated"
    least = loss.value(1e6 * exact.predict(A), 1e6 * y).mean()
    assert loss.value(est.predict(A), 1e6 * y).mean() <= (1 + 1e-4) * least


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l1, l2", [(0.0, 1e-2), (1e-2, 0.0), (1e-2, 1e-3), (1e3, 0.0)])
@pytest.mark.parametrize(
    "name", [n for n, cls in losses.LOSSES.items() if cls().offers("pieces") or cls().offers("second")]
)
def test_interior_points_end_where_dual_ascent_does(name, l1, l2, intercept):
    loss = losses.get(name)
    y = np.where(CODE == 1, 1.0, loss.negative)
    if "regressor" in loss.task:
        y = np.exp(Y) if loss.span == 1 else Y
    p, reports = Problem(X, y, S, loss, l1, l2, intercept), [Report(0, 1e-7, 3000) for _ in range(2)]
    interior(p, np.zeros(6), 0.0, reports[0])
    dual(p, np.zeros(6), 0.0, reports[1])
    assert reports[0].reason == "certified" and len(reports[0].passes) < 40
    if reports[1].reason == "certified":
        np.testing.assert_allclose(reports[0].best.objective, reports[1].best.objective, rtol=2e-7)
        np.testing.assert_array_equal(reports[0].best.u == 0, reports[1].best.u == 0)
    a = reports[0].dual()
    np.testing.assert_allclose(p.least(a)[0], reports[0].bound)


# ---------------------------------------------------------------- parts
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("intercept", [True, False])
def test_passes_and_hessian(layout, intercept):
    """Against plain NumPy, in the standard coordinates."""
    y, loss = np.where(CODE == 1, 1.0, 0.0), losses.LogLoss()
    p = Problem(readable(LAYOUTS[layout](X + 0.0)), y, S, loss, 0.0, 0.1, intercept)
    Z, c = (X - p.centre) / p.scale, S * len(X) / S.sum()
    u, b = np.linspace(-1, 1, 6), 0.3 if intercept else 0.0
    z = Z @ u + b
    value, margins, g, (G, g_b) = p.slopes(u, b)
    np.testing.assert_allclose(margins, z)
    np.testing.assert_allclose(value, (c * loss.value(z, y)).mean())
    np.testing.assert_allclose(G, Z.T @ (c * g) / len(X), atol=1e-12)
    np.testing.assert_allclose(g_b, (c * g).mean() * intercept)
    h = p.weighted(curvature(p, g))
    np.testing.assert_allclose(h / c, 1 / (2 + 2 * np.cosh(z)))
    F = np.column_stack([Z, np.ones(len(Z))])[:, : 6 + intercept]
    np.testing.assert_allclose(np.triu(gram(p, h)), np.triu(F.T @ (h[:, None] * F)) / len(X), atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weights", [None, S])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_the_bound_of_a_sample_is_that_of_its_dual_point(layout, intercept, weights, loss):
    """Away from the optimum: below the least objective, feasible, and what plain NumPy makes of the dual point."""
    y = np.where(CODE == 1, 1.0, 0.0)
    p = Problem(readable(LAYOUTS[layout](X + 0.0)), y, weights, losses.get(loss), 0.0, 0.1, intercept)
    report = Report(0, 1e-10, 100)
    newton(p, np.zeros(6), 0.0, report)
    assert report.reason == "certified"
    u, b = 0.97 * report.best.u, report.best.b
    value, z, g, gradient = p.slopes(u, b)
    hessian = Hessian.at(p.sample(100, 0), u, b)
    bound, change = hessian.least(p, u, b, value, z, g, gradient)
    assert 0.9 * report.best.objective < bound <= report.best.objective
    a = -g
    a[change[0]] += change[1]
    assert abs(p.mean(a)) <= 1e-12 or not intercept
    dual = dual_objective(X, y, p.loss, a, l1=0.0, l2=0.1, s=weights, intercept=intercept)
    np.testing.assert_allclose(bound, dual, rtol=1e-9)


def test_a_row_out_of_its_domain_gets_no_curvature():
    """Row 7 of the sample is on the wrong side after any step: the bound holds without it."""
    y = np.where(CODE == 1, 1.0, -1.0)
    p = Problem(X, y, None, losses.get("squared_hinge"), 0.0, 0.1, True)
    u, b = np.zeros(6), 0.0
    value, z, g, _ = p.slopes(u, b)
    hessian = Hessian.at(p, u, b)
    g[7] = 0.0  # as if it were won already
    assert hessian.least(p, u, b, value, z, g, p.pull(g)[:2])[0] <= value
    less = hessian.without(np.array([7]))
    others = p.rows(np.delete(np.arange(300), 7))
    np.testing.assert_allclose(np.triu(less.H), np.triu(gram(others, np.full(299, 2.0))) * 299 / 300, atol=1e-12)


def test_quasi_newton_learns_a_matrix():
    """After as many steps as there are dimensions the direction is Newton's, on a quadratic."""
    A, r = np.diag([1.0, 2.0, 30.0]), np.array([1.0, -1.0, 3.0])
    guess = Diagonal(Problem(X[:, :3].copy(), Y, None, losses.get("squared_error"), 0.0, 0.0, False), np.ones(300))
    for e in np.eye(3):
        guess.learn(e, A @ e)
    np.testing.assert_allclose(guess.direction(r), np.linalg.solve(A, r))


def test_dual_ascent_gives_way_to_newton(monkeypatch):
    """Nearly separable, hardly any penalty: dual ascent would take thousands of passes."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((400, 60)) @ rng.standard_normal((60, 60))
    y = A @ rng.standard_normal(60) > 0
    monkeypatch.setattr(choose, "fastest", lambda problem: "dual")
    est = LinearClassifier(alpha=1e-6, tol=1e-4, random_state=0).fit(A, y)
    assert est.stop_reason_ == "certified" and est.n_iter_ < 200


def test_kernels_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="a has 2 entries"):
        solve.pass_dense(X, np.ones(6), 0.0, np.empty(300), 0, np.ones(2), np.zeros(6))
    with pytest.raises(ValueError, match="out has shape \\(300, 5\\)"):
        solve.weigh(X, np.zeros(6), np.ones(6), np.ones(300), np.zeros((300, 5)))
    with pytest.raises(ValueError, match="targets; X has 300 rows"):
        solve.ascend_dense(
            X,
            arrays.Order(None, None, 0, 300, 300),
            np.zeros((3, 6)),
            0,
            np.zeros(6),
            np.zeros(3),
            Y,
            None,
            losses.Hinge(),
            0.0,
            0.0,
        )


def test_anderson_solves_a_linear_map_in_as_many_steps_as_it_has_dimensions():
    A, x = np.diag([0.9, 0.5, -0.7]), np.zeros(3)
    step = Anderson(np.ones(3))
    for _ in range(6):
        x = step(x, A @ x + 1.0)
    np.testing.assert_allclose(x, np.linalg.solve(np.eye(3) - A, np.ones(3)), rtol=1e-3)


def test_the_dual_starts_where_it_stopped():
    y, loss = np.where(CODE == 1, 1.0, -1.0), losses.Hinge()
    p = Problem(X, y, None, loss, 0.0, 1e-2, True)
    first = Report(0, 1e-6, 500)
    dual(p, np.zeros(6), 0.0, first)
    again = Report(0, 1e-5, 500)
    dual(p, first.best.u, first.best.b, again, first.dual())
    assert first.reason == again.reason == "certified" and 4 * len(again.passes) <= len(first.passes)


# ---------------------------------------------------------------- conventions
def test_a_path_of_alphas_takes_fewer_passes_from_the_last_solution():
    A, y = sp.csr_matrix(X * (abs(X) > 1)), CODE
    passes = {}
    for warm in (False, True):
        est = LinearClassifier("hinge", random_state=0, tol=1e-3, warm_start=warm)
        passes[warm] = sum(est.set_params(alpha=a).fit(A, y).n_iter_ for a in 10.0 ** -np.linspace(1, 2.5, 10))
    assert passes[True] < 0.8 * passes[False]


def test_what_is_recorded():
    est = LinearClassifier("hinge", alpha=1e-2, random_state=0).fit(X, labels(Y, 3))
    h = est.history_
    assert set(h["head"]) == {0, 1, 2} and est.n_iter_ == h["epoch"].max()
    assert est.stop_reason_ == "certified" and 0 < est.dual_gap_ <= 1e-4
    for head in range(3):
        of = h[h["head"] == head]
        assert (np.diff(of["objective"]) <= 0).all() and (np.diff(of["gap"]) <= 0).all()
    assert est.dual_gap_ == max((h["gap"] / h["objective"])[h["head"] == k][-1] for k in range(3))


def test_max_iter_warns_and_says_so():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        est = LinearClassifier("hinge", max_iter=2, tol=1e-9).fit(X, CODE)
    assert est.stop_reason_ == "max_iter" and est.n_iter_ == 2


def test_callbacks_see_a_fitted_model_and_stop_it(capsys):
    seen = []

    def third(progress):
        seen.append((progress.epoch, len(progress.history), progress.estimator.score(X, CODE)))
        return progress.epoch == 3

    est = LinearClassifier("hinge", tol=1e-9, callbacks=third, verbose=1).fit(X, CODE)
    assert est.stop_reason_ == "callback" and [s[:2] for s in seen] == [(1, 1), (2, 2), (3, 3)]
    assert seen[-1][2] == est.score(X, CODE) and capsys.readouterr().out.count("objective") == 3


def test_ctrl_c_leaves_a_fitted_estimator():
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    est = LinearClassifier("hinge", tol=1e-9, callbacks=interrupt)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        est.fit(X, CODE)
    assert est.stop_reason_ == "interrupted" and est.score(X, CODE) > 0.7


def test_the_same_seed_gives_the_same_model():
    est = LinearClassifier("hinge", alpha=1e-2, random_state=3)
    np.testing.assert_array_equal(est.fit(X, CODE).coef_, clone(est).fit(X, CODE).coef_)


def test_threads_give_the_same_model():
    A, y = load_digits(return_X_y=True)
    one, two = (LinearClassifier(alpha=1e-2, random_state=0, n_jobs=jobs).fit(A, y) for jobs in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_soft_labels():
    p = 1 / (1 + np.exp(-Y))
    ours = LinearClassifier(alpha=1e-2, **TIGHT).fit(X, p)
    twice = LinearClassifier(alpha=1e-2, **TIGHT).fit(np.vstack([X, X]), np.repeat([1, 0], len(X)), np.append(p, 1 - p))
    close(ours, twice, 1e-5)


def test_data_are_not_copied_where_a_kernel_reads_them():
    for A in (X, X.astype("f4"), sp.csr_matrix(X * (X > 1)), sp.csr_array(X * (X > 1))):
        assert readable(A) is A
    assert type(readable(sp.csr_matrix(X))) is np.ndarray  # half full


@pytest.mark.parametrize(
    "params, y, words",
    [
        ({"loss": "sigmoid"}, CODE, "loss"),
        ({"multi_class": "multinomial", "loss": "hinge"}, CODE, "needs loss='log_loss'"),
        ({"multi_class": "multinomial", "penalty": "l1"}, CODE, "penalty='l2' or None"),
        ({"alpha": -1.0}, CODE, "alpha"),
        ({"callbacks": ["no"]}, CODE, "callables"),
        ({}, np.zeros(300), "number of classes"),
    ],
)
def test_bad_parameters(params, y, words):
    with pytest.raises(ValueError, match=words):
        LinearClassifier(**params).fit(X, y)


def test_all_weights_zero():
    with pytest.raises(ValueError, match="sample_weight must not be all zero"):
        LinearRegressor().fit(X, Y, np.zeros(300))


# ---------------------------------------------------------------- awkward data
def test_softmax_on_a_sparse_matrix_that_is_half_full():
    code, full = labels(Y, 3), sp.csr_matrix(X)
    sparse = LinearClassifier(multi_class="multinomial", random_state=0).fit(full, code)
    np.testing.assert_allclose(sparse.coef_, LinearClassifier(multi_class="multinomial").fit(X, code).coef_, rtol=1e-6)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_columns_that_the_penalty_rules_out_do_not_hold_back_the_intercept(loss):
    y = np.arange(300) % 3 == 0
    est = LinearClassifier(loss, random_state=0).fit(X * 1e-12, y)
    plain = LinearClassifier(loss, random_state=0).fit(np.zeros((300, 1)), y)
    np.testing.assert_allclose(est.intercept_, plain.intercept_, rtol=1e-3)
    assert est.stop_reason_ == "certified"


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("size", [1e-300, 1e305, 1e308])
def test_weights_of_any_size(loss, size):
    params = dict(alpha=1e-2, tol=1e-8, random_state=0)
    plain, sized = (LinearClassifier(loss, **params).fit(X, CODE, s) for s in (S, S * size / S.max()))
    np.testing.assert_allclose(sized.coef_, plain.coef_, rtol=1e-3)


@pytest.mark.parametrize("weights", [{0: -1.0}, {0: np.nan}, {0: 0, 1: 0}])
@pytest.mark.parametrize("make", [LinearClassifier, SGDClassifier])
def test_class_weights_that_are_none(make, weights):
    with pytest.raises(ValueError, match="class_weight must be finite, >= 0 and not all 0, found"):
        make(class_weight=weights).fit(X, CODE)


def test_no_row_has_weight():
    with pytest.raises(ValueError, match="must not be all zero"):
        LinearClassifier(class_weight={0: 0.0, 1: 1.0}).fit(X, CODE, CODE == 0)


def test_numbers_that_overflow():
    with pytest.raises(ValueError, match="y is too large"):
        LinearRegressor().fit(X, Y * 1e200)
    with pytest.raises(ValueError, match="X is too large in column 2"):
        LinearClassifier().fit(X * [1, 1, 1e200, 1, 1, 1], CODE)


# ---------------------------------------------------------------- scikit-learn's callbacks
class Seen:
    """What scikit-learn's protocol tells, in order: (hook, task, fitted copy)."""

    def __init__(self, last=None):
        self.calls, self.last = [], last

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name, None))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("begin", context.task_name, fitted_estimator))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("end", context.task_name, fitted_estimator))
        return context.task_name == "epoch" and context.task_id == self.last


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback")


@pytest.mark.parametrize("params", [{}, {"n_jobs": 3}, {"multi_class": "multinomial"}], ids=str)
def test_scikit_learns_callbacks_see_every_pass(params, callback):
    seen, y = Seen(), labels(Y, 3)
    est = LinearClassifier(random_state=0, **params).set_callbacks(seen).fit(X, y)
    hooks = [name for name, *_ in seen.calls]
    assert hooks == ["setup", "begin", *["begin", "end"] * len(est.history_), "end", "teardown"]
    np.testing.assert_array_equal(seen.calls[-2][2].predict_proba(X), est.predict_proba(X))
    plain = LinearClassifier(random_state=0, **params).fit(X, y)
    np.testing.assert_array_equal(plain.coef_, est.coef_)


def test_scikit_learns_callbacks_may_stop_the_fit_and_are_torn_down(callback):
    est = LinearRegressor("huber", tol=1e-12).set_callbacks(Seen(last=1)).fit(X, Y)
    assert est.stop_reason_ == "callback" and est.n_iter_ == 2
    for error in (KeyboardInterrupt, ZeroDivisionError):

        def fails(progress, error=error):
            raise error

        seen = Seen()
        with pytest.raises(error):
            LinearRegressor(callbacks=fails).set_callbacks(seen).fit(X, Y)
        assert seen.calls[-1][0] == "teardown"
    assert LinearRegressor().set_callbacks(Seen()).set_callbacks().fit(X, Y).stop_reason_ == "certified"


@pytest.mark.parametrize("weight", [None, np.linspace(0.0, 1.0, len(Y))], ids=["", "weights"])
def test_scoring_monitor_and_progress_bar(weight, callback, capsys):
    pytest.importorskip("rich")
    monitor = callback.ScoringMonitor(scoring="r2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rich's own
        est = LinearRegressor().set_callbacks(monitor, callback.ProgressBar()).fit(X, Y, weight)
    log = monitor.get_logs()
    scores = [row["r2"] for row in (log[0] if isinstance(log, list) else log).data if row["task_name"] == "epoch"]
    assert len(scores) == len(est.history_) and scores[-1] == pytest.approx(est.score(X, Y, weight))
    assert "LinearRegressor" in capsys.readouterr().out


def test_a_warning_is_of_the_users_line():
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        LinearRegressor("huber", max_iter=1, tol=1e-12).fit(X, Y)
    assert caught[0].filename == __file__


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    est = LinearClassifier(random_state=0).fit(X, labels(Y, 3))
    before = est.predict(X)
    for how in ({"X": X[:, :2], "y": CODE, "sample_weight": np.zeros(len(X))}, {"X": X * 1e200, "y": CODE}):
        with pytest.raises(ValueError, match=r"all zero|too large"):
            est.fit(**how)
        np.testing.assert_array_equal(est.predict(X), before)
