"""With shuffle=False the coefficients are scikit-learn's; on CSR where scikit-learn is right."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import linear_model
from support.cases import covering

import fastsgd

pytestmark = [pytest.mark.sklearn19, pytest.mark.filterwarnings("ignore:The fit diverged")]
CLASSIFICATION = ["hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"]
REGRESSION = ["squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"]
SCHEDULES = ["constant", "optimal", "invscaling", "adaptive"]
PENALTIES = [None, "l2", "l1", "elasticnet"]


def data(n=120, d=7, seed=0):
    rng = np.random.default_rng(seed)
    # small enough for every schedule: where the first steps blow up, rounding errors do too
    X = 0.2 * rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.6)
    y = 5 * X @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)
    return X, y, rng.uniform(0.5, 2, n)


def agree(ours, theirs, rtol=1e-9):
    coef = [np.asarray(e.coef_).ravel() for e in (ours, theirs)]
    np.testing.assert_allclose(*coef, rtol=rtol, atol=rtol * np.abs(coef[1]).max())
    b = [e.offset_ if hasattr(e, "offset_") else e.intercept_ for e in (ours, theirs)]
    np.testing.assert_allclose(*b, rtol=rtol, atol=1e-12)


def right_there(layout, penalty, loss, schedule, average):
    """L1 on CSR is left to test_kernels.py: scikit-learn predicts a row before its weights are caught up."""
    return layout == "dense" or penalty in (None, "l2")


@pytest.mark.parametrize(
    "layout, penalty, loss, schedule, average",
    covering(
        3, ["dense", "csr"], PENALTIES, CLASSIFICATION + REGRESSION, SCHEDULES, [False, True, 50], allowed=right_there
    ),
)
def test_coefficients_equal(layout, penalty, loss, schedule, average):
    X, y, s = data()
    X = sp.csr_matrix(X) if layout == "csr" else X
    kwargs = dict(loss=loss, penalty=penalty, alpha=0.01, l1_ratio=0.3, learning_rate=schedule, eta0=0.02, power_t=0.3)
    kwargs |= dict(average=average, shuffle=False, max_iter=3, tol=None, random_state=0)
    if loss in CLASSIFICATION:
        y = y > 0
        kwargs["class_weight"] = {False: 0.7, True: 1.6}
    name = "SGDClassifier" if loss in CLASSIFICATION else "SGDRegressor"
    ours = getattr(fastsgd, name)(**kwargs).fit(X, y, sample_weight=s)
    theirs = getattr(linear_model, name)(**kwargs).fit(X, y, sample_weight=s)
    agree(ours, theirs)
    assert ours.t_ == theirs.t_ and ours.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("pa", ["pa1", "pa2"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name, loss", [("SGDClassifier", "hinge"), ("SGDRegressor", "epsilon_insensitive")])
def test_passive_aggressive(name, loss, penalty, pa, average):
    X, y, s = data()
    X[5] = 0
    kwargs = dict(loss=loss, penalty=penalty, alpha=0.01, learning_rate=pa, eta0=0.1, average=average)
    kwargs |= dict(shuffle=False, max_iter=3, tol=None)
    y = y > 0 if loss == "hinge" else y
    ours, theirs = (getattr(lib, name)(**kwargs).fit(X, y, sample_weight=s) for lib in (fastsgd, linear_model))
    agree(ours, theirs)


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("loss", CLASSIFICATION)
@pytest.mark.parametrize("average", [False, True])
def test_one_against_the_rest(loss, average, layout):
    X, y, _ = data()
    y = np.digitize(y, [-1, 0, 1])
    kwargs = dict(loss=loss, average=average, shuffle=False, max_iter=3, tol=None, class_weight="balanced", alpha=0.01)
    ours, theirs = (lib.SGDClassifier(**kwargs).fit(layout(X), y) for lib in (fastsgd, linear_model))
    agree(ours, theirs)


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_one_class(schedule, average, layout):
    X, _, s = data()
    kwargs = dict(nu=0.3, learning_rate=schedule, average=average, shuffle=False, max_iter=3, tol=None)
    ours, theirs = (lib.SGDOneClassSVM(**kwargs).fit(layout(X), sample_weight=s) for lib in (fastsgd, linear_model))
    agree(ours, theirs)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities(loss, classes):
    X, y, _ = data()
    y = np.digitize(y, [-1, 0, 1]) if classes == 4 else y > 0
    kwargs = dict(loss=loss, alpha=0.01, shuffle=False, max_iter=3, tol=None)
    ours, theirs = (lib.SGDClassifier(**kwargs).fit(X, y) for lib in (fastsgd, linear_model))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-7, atol=1e-9)
