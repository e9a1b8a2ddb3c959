"""The models that estimators find are right: separable classes, known coefficients, weights, heads."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge
from support.data import LAYOUTS, labels, rows
from support.estimators import EVERY, FEW, STEPS_ASIDE, same

from fastsgd import (
    LinearClassifier,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    sources,
)

# ---------------------------------------------------------------- right models


def optimum(X, y, loss, l2, s=None):
    """Weights, then intercept, that minimise the objective."""
    s = np.ones(len(y)) if s is None else s

    def value(w):
        p = X @ w[:-1] + w[-1]
        g = s * loss.slope(p, y) / s.sum()
        f = (s * loss.value(p, y)).sum() / s.sum() + 0.5 * l2 * w[:-1] @ w[:-1]
        return f, np.r_[X.T @ g + l2 * w[:-1], g.sum()]

    return minimize(value, np.zeros(X.shape[1] + 1), jac=True, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "squared_epsilon_insensitive", "poisson", "gamma"])
def test_regression_reaches_the_optimum(loss, layout):
    X, y, s = rows()
    y = {"poisson": np.floor(np.exp(y / 3)), "gamma": np.exp(y / 3)}.get(loss, y)
    est = SGDRegressor(
        loss=loss, alpha=0.1, max_iter=300, tol=None, random_state=0, average=40_000, intercept_decay=1.0
    )
    est.set_params(learning_rate="invscaling", eta0=0.05, power_t=0.4).fit(LAYOUTS[layout](X), y, sample_weight=s)
    right = optimum(X, y, losses.get(loss, 0.1), 0.1, s)
    np.testing.assert_allclose(np.r_[est.coef_, est.intercept_], right, atol=0.01)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "modified_huber"])
def test_classification_reaches_the_optimum(loss):
    X, y, s = rows()
    y = labels(y)
    est = SGDClassifier(loss=loss, alpha=0.1, max_iter=300, tol=None, random_state=0, average=2000)
    if loss == "squared_hinge":  # for which the first steps of "optimal" are too long: its average holds them for long
        est.set_params(learning_rate="invscaling", eta0=0.05, power_t=0.4)
    est.fit(X, y, sample_weight=s)
    loss = losses.get(loss)
    right = optimum(X, np.where(y, 1.0, loss.negative), loss, 0.1, s)
    np.testing.assert_allclose(np.r_[est.coef_[0], est.intercept_], right, atol=0.01)


@pytest.mark.sklearn19
def test_same_models_as_scikit_learns_solvers():
    X, y, _ = rows()
    sgd = dict(alpha=0.1, max_iter=300, tol=None, random_state=0, average=2000)
    counts = np.floor(np.exp(y / 3))
    pairs = [
        (SGDRegressor(loss="poisson", eta0=0.05, **sgd), PoissonRegressor(alpha=0.1), counts),
        (SGDRegressor(loss="gamma", eta0=0.05, **sgd), GammaRegressor(alpha=0.1), counts + 1),
        (SGDRegressor(eta0=0.05, **sgd), Ridge(alpha=0.1 * len(y)), y),
        (SGDClassifier(loss="log_loss", **sgd), LogisticRegression(C=1 / (0.1 * len(y))), labels(y)),
    ]
    for ours, theirs, target in pairs:
        ours.fit(X, target), theirs.fit(X, target)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=0.01)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0.03, atol=0.03)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_covers_its_share(quantile):
    X, y, _ = rows(1000)
    est = SGDRegressor(
        loss=losses.Quantile(quantile), eta0=0.1, max_iter=60, tol=None, average=True, random_state=0
    ).fit(X, y)
    assert (y <= est.predict(X)).mean() == pytest.approx(quantile, abs=0.03)


def test_one_class_minimises_its_objective():
    X = rows()[0][:, :3] + 1.0

    def value(w):
        return np.maximum(0, 1 - X @ w[:-1] - w[-1]).mean() + 0.25 * w[:-1] @ w[:-1] + 0.5 * w[-1]

    best = value(
        minimize(value, np.zeros(4), method="Powell", options={"xtol": 1e-8, "ftol": 1e-12, "maxiter": 10**5}).x
    )
    for seed in range(3):
        est = SGDOneClassSVM(nu=0.5, max_iter=500, tol=None, random_state=seed, average=True).fit(X)
        assert value(np.r_[est.coef_, 1 - est.offset_]) < best + 5e-3
        assert (est.predict(X) == 1).mean() == pytest.approx(0.5, abs=0.08)


@STEPS_ASIDE
def test_a_small_class_weight_moves_the_boundary_away_from_the_other_class():
    X, y, _ = rows()
    y = labels(y)
    params = {"max_iter": 50, "tol": None, "average": True, "random_state": 0}
    models = [SGDClassifier("log_loss", class_weight={1: w}, **params).fit(X, y) for w in (0.01, 1.0, 100.0)]
    shares = [(clf.predict(X) == 1).mean() for clf in models]
    assert shares[0] < 0.4 < shares[1] < 0.6 < shares[2]


def test_class_weight_is_a_sample_weight():
    X, y, s = rows()
    for classes in (2, 4):
        code = labels(y, classes)
        weight = np.linspace(0.5, 2, classes)
        if classes == 2:  # with more, a class weight concerns the head of its own class alone, as in scikit-learn
            by_row = SGDClassifier(**FEW).fit(X, code, sample_weight=s * weight[code])
            same(by_row, SGDClassifier(**FEW, class_weight=dict(enumerate(weight))).fit(X, code, sample_weight=s))
        balanced = len(code) / (classes * np.bincount(code))
        by_hand = SGDClassifier(**FEW, class_weight=dict(enumerate(balanced))).fit(X, code)
        same(by_hand, SGDClassifier(**FEW, class_weight="balanced").fit(X, code))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_classes_are_separate_binary_fits(layout, penalty, average):
    X, y, s = rows()
    code, params = labels(y, 5), dict(loss="log_loss", alpha=0.01, penalty=penalty, average=average, **FEW)
    X = LAYOUTS[layout](X)
    many = SGDClassifier(**params).fit(X, code, sample_weight=s)
    for c in range(5):
        one = SGDClassifier(**params).fit(X, code == c, sample_weight=s)
        np.testing.assert_allclose(many.coef_[c], one.coef_[0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(many.intercept_[c], one.intercept_[0], rtol=1e-9)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_outputs_are_separate_fits(layout, loss, penalty):
    X, y, s = rows()
    Y = np.exp(np.c_[y, -y, y / 2] / 3)
    params = dict(loss=loss, alpha=0.01, penalty=penalty, **FEW)
    data = LAYOUTS[layout](X)
    many = SGDRegressor(**params).fit(data, Y, sample_weight=s)
    ones = [SGDRegressor(**params).fit(data, Y[:, k], sample_weight=s) for k in range(3)]
    np.testing.assert_allclose(many.coef_, [e.coef_ for e in ones], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(many.predict(data), np.transpose([e.predict(data) for e in ones]), rtol=1e-9)
    assert many.coef_.shape == (3, 6) and ones[0].coef_.shape == (6,)


def test_soft_labels():
    X, _, s = rows(2000)
    p = 1 / (1 + np.exp(-(X @ [1, -1, 0.5, 0, 0, 0] + 0.5)))
    est = SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0, average=10_000, max_iter=30, tol=None).fit(
        X, p, sample_weight=s
    )
    assert est.classes_.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(est.predict_proba(X)[:, 1], p, atol=0.03)
    weighted = SGDClassifier(
        loss="log_loss", alpha=0.1, class_weight={1: 3.0}, average=10_000, max_iter=50, tol=None, random_state=0
    )
    q = 3 * p / (3 * p + 1 - p)  # what the class weight makes of the labels
    pull = s * (3 * p + 1 - p)  # a step is weight times slope: the penalty counts by the mean weight
    right = optimum(X, q, losses.LogLoss(), 0.1 / pull.mean(), pull)
    weighted.fit(X, p, sample_weight=s)
    np.testing.assert_allclose(np.r_[weighted.coef_[0], weighted.intercept_], right, atol=0.01)
    again = SGDClassifier(loss="log_loss").partial_fit(X, p, classes=[0.0, 1.0])
    assert again.predict_proba(X).shape == (2000, 2)


@STEPS_ASIDE
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_sum_to_one(loss, classes):
    X, y, _ = rows()
    est = SGDClassifier(loss=loss, random_state=0).fit(X, labels(y, classes))
    p = est.predict_proba(X)
    assert p.shape == (200, classes) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(est.predict_log_proba(X), np.log(p), rtol=1e-12, atol=1e-15)
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(SGDClassifier(loss="hinge"), name)
        with pytest.raises(AttributeError, match=f"{name}.*loss='hinge'.*CalibratedClassifierCV"):
            getattr(SGDClassifier(loss="hinge"), name)
        assert getattr(SGDClassifier, name).__doc__  # of the class it is a function like any other


FAR = np.array([-1000.0, -100.0, -40.0, -17.0, -1.0, 0.0, 1.0, 17.0, 40.0, 100.0, 1000.0])


def with_margins(cls, loss, classes, dtype):
    """A classifier whose margins are those of its one column, each class one less than the class before it; and rows."""
    X, y, _ = rows()
    est = cls(loss).fit(X[:, :1].astype(dtype), labels(y, classes))
    est.coef_ = np.ones(est.coef_.shape, dtype)
    est.intercept_ = -np.arange(len(est.coef_)).astype(dtype)
    return est, FAR[:, None].astype(dtype)


@STEPS_ASIDE
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_probabilities_of_two_classes_keep_their_digits_far_from_the_border(cls, dtype):
    est, far = with_margins(cls, "log_loss", 2, dtype)
    logs = np.column_stack([-np.logaddexp(0, FAR), -np.logaddexp(0, -FAR)])
    p = est.predict_proba(far)
    assert p.dtype == np.float64
    np.testing.assert_allclose(est.predict_log_proba(far), logs, rtol=1e-13)
    np.testing.assert_allclose(p, np.exp(logs), rtol=1e-12)
    np.testing.assert_array_equal(est.predict_proba(sources.from_batches(lambda: iter([far[:4], far[4:]]))), p)
    np.testing.assert_array_equal(est.predict_proba(sp.csr_matrix(far)), p)


@STEPS_ASIDE
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_probabilities_of_several_classes_do_not_become_uniform_far_from_all_of_them(cls, dtype):
    est, far = with_margins(cls, "log_loss", 3, dtype)
    each = -np.logaddexp(0, -(FAR[:, None] - np.arange(3)))
    logs = each - logsumexp(each, axis=1, keepdims=True)
    np.testing.assert_allclose(est.predict_log_proba(far), logs, rtol=1e-12)
    np.testing.assert_allclose(est.predict_proba(far), np.exp(logs), rtol=1e-12)
    assert est.predict_proba(far)[0].max() > 0.6


@STEPS_ASIDE
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_modified_huber_gives_probabilities_of_0_and_1_and_uniform_ones_where_all_are_0(cls):
    est, far = with_margins(cls, "modified_huber", 2, "f4")
    np.testing.assert_array_equal(est.predict_proba(far)[:4], np.tile([1.0, 0.0], (4, 1)))
    assert est.predict_log_proba(far)[0].tolist() == [0.0, -np.inf]
    several, far = with_margins(cls, "modified_huber", 3, "f4")
    np.testing.assert_array_equal(several.predict_proba(far)[0], np.full(3, 1 / 3))


@EVERY
def test_a_scalar_sample_weight_is_that_of_each_row(cls):
    X, y, _ = rows()
    y = labels(y) if cls is SGDClassifier else y
    for two in (2, 2.0, np.array(2.0)):
        same(cls(**FEW).fit(X, y, sample_weight=two), cls(**FEW).fit(X, y, sample_weight=np.full(200, 2.0)))


def test_random_state():
    X, y, _ = rows()
    fits = [SGDRegressor(max_iter=2, tol=None, random_state=seed).fit(X, y).coef_ for seed in (0, 0, 1)]
    assert (fits[0] == fits[1]).all() and (fits[0] != fits[2]).any()
    shared = np.random.RandomState(0)
    fits = [SGDRegressor(max_iter=2, tol=None, random_state=shared).fit(X, y).coef_ for _ in range(2)]
    assert (fits[0] != fits[1]).any()
