"""One pass of learning_rate="auto" is no worse than the best constant on rows not seen, however hopeless the columns are."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from support.cases import covering

from fastsgd import LinearRegressor, SGDClassifier, SGDRegressor, losses

AUTO = dict(learning_rate="auto", max_iter=1, tol=None, random_state=0)
sides = pytest.mark.parametrize("layout", ["dense", "csr"])
pytestmark = [
    pytest.mark.filterwarnings("ignore:The models? .* a constant:sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:Of .* columns, 90% of the variance:sklearn.exceptions.ConvergenceWarning"),
]
types = pytest.mark.parametrize("dtype", ["f4", "f8"])


def normal(rng, n, d):
    return 3 + rng.standard_normal((n, d))


COLUMNS = {
    "normal": normal,
    "lognormal": lambda rng, n, d: np.exp(3 * rng.standard_normal((n, d))),
    "student, 2 degrees": lambda rng, n, d: rng.standard_t(2, (n, d)),
    "rare": lambda rng, n, d: (rng.random((n, d)) < 0.01) * np.exp(2 * rng.standard_normal((n, d))),
    "a far mean": lambda rng, n, d: 1e5 + rng.standard_normal((n, d)),
    "outliers": lambda rng, n, d: rng.standard_normal((n, d)) * np.where(rng.random((n, 1)) < 0.02, 1e3, 1),
}
NOISE = {
    "squared_error": lambda rng, n: rng.standard_normal(n),
    "huber": lambda rng, n: 1e6 * rng.standard_normal(n),
    "quantile": lambda rng, n: np.exp(rng.standard_normal(n)),
    "epsilon_insensitive": lambda rng, n: rng.standard_t(3, n),
    "poisson": lambda rng, n: rng.poisson(5, n).astype(float),
    "gamma": lambda rng, n: rng.gamma(2, 1, n),
    "log_loss": lambda rng, n: (rng.random(n) < 0.2).astype(float),
    "hinge": lambda rng, n: (rng.random(n) < 0.2).astype(float),
}


def margins(est, X):
    return X @ est.coef_.ravel() + est.intercept_


def fitted(loss, X, y, **params):
    classes = loss in ("log_loss", "hinge")
    return (SGDClassifier if classes else SGDRegressor)(loss, **AUTO | params).fit(X, y.astype(int) if classes else y)


def excess(loss, z, y):
    """Mean loss over that of the best constant, less 1."""
    loss = losses.get(loss)
    y = np.where(y > 0, 1.0, -1.0) if loss.name == "hinge" else y
    each = np.quantile(y, np.linspace(0.01, 0.99, 99))
    if loss.name in ("log_loss", "poisson", "gamma", "squared_error"):
        mean = y.mean()
        each = [np.log(mean / (1 - mean)) if loss.name == "log_loss" else mean if loss.residual else np.log(mean)]
    best = min(loss.value(np.full(len(y), c), y).mean() for c in each)
    return (loss.value(z, y).mean() - best) / abs(best)


@pytest.mark.parametrize(
    "layout, columns, loss, shape", covering(3, ["dense", "csr"], COLUMNS, NOISE, [(300, 20), (200, 400)]), ids=str
)
def test_of_noise_there_is_nothing_to_learn(layout, columns, loss, shape):
    """As a rule: what so few rows say is not the truth each time."""
    found, (n, d) = [], shape
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, y = COLUMNS[columns](rng, n + 2000, d), NOISE[loss](rng, n + 2000)
        X = sp.csr_matrix(X) if layout == "csr" else X
        found.append(excess(loss, margins(fitted(loss, X[:n], y[:n]), X[n:]), y[n:]))
    assert np.isfinite(found).all() and np.median(found) < 0.03


@types
@sides
def test_one_target_far_off_is_not_learnt_by_heart(layout, dtype):
    rng = np.random.default_rng(1)
    X, y = normal(rng, 2300, 30).astype(dtype), rng.standard_normal(2300)
    X = sp.csr_matrix(X) if layout == "csr" else X
    for row in (0, 75):
        some = y[:300].copy()
        some[row] = 1e3
        z = margins(fitted("squared_error", X[:300], some), X[300:])
        assert np.mean((z - y[300:]) ** 2) < 1.01 * np.mean((some.mean() - y[300:]) ** 2)


@sides
def test_what_is_left_is_the_constant(layout):
    rng = np.random.default_rng(1)
    X = normal(rng, 200, 300)
    X = sp.csr_matrix(X) if layout == "csr" else X
    for loss, link in (("squared_error", float), ("log_loss", lambda p: np.log(p / (1 - p))), ("poisson", np.log)):
        y = NOISE[loss](rng, 200)
        est = fitted(loss, X, y)
        assert est.auto_rule_.tolist() == ["constant"] and not est.coef_.any()
        assert est.intercept_ == pytest.approx(link(y.mean()), abs=0.05 * y.std())
    without = fitted("squared_error", X, NOISE["squared_error"](rng, 200), fit_intercept=False)
    assert not without.coef_.any() and without.intercept_ == 0


@sides
def test_a_model_without_columns_is_said(layout):
    """By `fit`; not by `partial_fit`, which may have seen too little yet."""
    rng = np.random.default_rng(0)
    X, y = normal(rng, 200, 300), rng.standard_normal((200, 2))
    X = sp.csr_matrix(X) if layout == "csr" else X
    for targets, said in (
        (y[:, 0], "The model is a constant"),
        (y, "The models of 2 of 2 classes or targets are a constant"),
    ):
        with pytest.warns(ConvergenceWarning, match=said):
            SGDRegressor(**AUTO).fit(X, targets)
    assert SGDRegressor(**AUTO).partial_fit(X, y).auto_rule_.tolist() == ["constant"] * 2
    assert SGDRegressor(**AUTO | {"max_iter": 2}).fit(X, y).auto_rule_.tolist() == ["average"] * 2


@types
@sides
def test_a_model_that_is_good_is_left_as_it_is(layout, dtype):
    rng = np.random.default_rng(0)
    X = normal(rng, 2000, 8).astype(dtype)
    y = X @ rng.standard_normal(8) + 0.1 * rng.standard_normal(2000)
    X = sp.csr_matrix(X) if layout == "csr" else X
    rule = fitted("squared_error", X, y).auto_rule_[0]
    assert rule != "constant" and "times" not in rule


def test_each_head_has_a_judgement_of_its_own():
    rng = np.random.default_rng(0)
    X = normal(rng, 500, 40)
    est = SGDRegressor(**AUTO).fit(X, np.column_stack([X @ rng.standard_normal(40), rng.standard_normal(500)]))
    assert est.coef_[0].any() and not est.coef_[1].any()


def test_dense_columns_may_drift():
    """The means that the columns are centred by move on: a model that moved with them would be worse than the mean."""
    rng = np.random.default_rng(0)
    n, d = 5000, 10
    X = rng.standard_normal((n, d)) + np.linspace(-10, 10, n)[:, None]
    y = X @ rng.standard_normal(d) + rng.standard_normal(n)
    best = LinearRegressor().fit(X, y).score(X, y)
    for shuffle, least in ((True, 0.99), (False, 0.85)):
        assert SGDRegressor(**AUTO | {"shuffle": shuffle}).fit(X, y).score(X, y) > least * best


def test_scores_of_models_that_left_rows_out_are_not_those_of_a_constant():
    X, y = np.random.default_rng(0).standard_normal((2000, 3)), np.random.default_rng(1).integers(0, 2, 2000)
    est = SGDClassifier("log_loss", learning_rate="auto", max_iter="auto", random_state=0)
    with pytest.warns(ConvergenceWarning, match="validation_score in history_ is that of models which left rows out"):
        est.fit(X, y)
    with pytest.warns(ConvergenceWarning, match="The model is a constant") as told:
        est.fit(X[:1500], y[:1500], X_val=X[1500:], y_val=y[1500:])
    assert not any("left rows out" in str(one.message) for one in told)
