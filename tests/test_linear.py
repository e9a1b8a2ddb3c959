"""LinearClassifier and LinearRegressor: scikit-learn's conventions, its coefficients, and what is kept of a fit."""

import numpy as np
import pytest
import scipy.sparse as sp
from reference import dual_objective
from sklearn import linear_model, svm
from sklearn.datasets import load_diabetes
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels
from support.linear import CODE, TIGHT, S, X, Y, close

from fastsgd import LinearClassifier, LinearRegressor, losses
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


@parametrize_with_checks([LinearClassifier(), LinearRegressor(), LinearRegressor(solver="normal")])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


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
        solve.one_pass(X, np.ones(6), 0.0, np.empty(300), 0, np.ones(2), np.zeros(6))
    with pytest.raises(ValueError, match="H has shape \\(5, 5\\)"):
        solve.gram(X, np.zeros(6), np.ones(6), np.ones(300), np.zeros((5, 5)), 1.0, 64)
    with pytest.raises(ValueError, match="targets; X has 300 rows"):
        solve.ascend(
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


@pytest.mark.parametrize("how", [{}, {"multi_class": "multinomial"}, {"loss": "hinge"}, {"penalty": "l1"}], ids=str)
def test_columns_without_values_change_no_bit_of_the_others(how):
    rng = np.random.default_rng(0)
    narrow = sp.random(300, 20, 0.2, format="csr", rng=rng)
    y = rng.integers(3, size=300)
    places = np.sort(rng.choice(5000, 20, replace=False))
    wide = sp.csr_matrix((narrow.data, places[narrow.indices], narrow.indptr), shape=(300, 5000))
    seen = []
    one = LinearClassifier(random_state=0, alpha=0.01, **how).fit(narrow, y)
    given = {"callbacks": lambda progress: seen.append(progress.estimator.coef_.shape), "warm_start": True}
    est = LinearClassifier(random_state=0, alpha=0.01, **how, **given).fit(wide, y)
    assert set(seen) == {(3, 5000)} and not np.delete(est.coef_, places, axis=1).any()
    assert (est.coef_[:, places] == one.coef_).all() and est.dual_gap_ == one.dual_gap_
    assert est.fit(wide, y).n_iter_ <= one.n_iter_


def test_an_error_names_the_column_among_many_without_values():
    wide = sp.csr_matrix((np.full(9, 1e200), (np.arange(9), np.full(9, 777))), shape=(9, 1000))
    with pytest.raises(ValueError, match="column 777"):
        LinearClassifier().fit(wide, np.arange(9) % 2)
