"""learning_rate="auto" and values far from the others, or far from 1: a row, a column or a unit does not rule the model."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from support.auto import AUTO, flat, problem, types

from fastsgd import SGDClassifier, SGDRegressor


def clicks(column, n, held, seed=0):
    """Three columns of categories, which rule the clicks, and one of numbers, which says nothing: fit on n rows, and others."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 100, (n + held, 3)) + np.array([0, 100, 200])
    z = rng.normal(0, 1, 300)[ids].sum(axis=1) - 2.5
    y = (rng.random(n + held) < 1 / (1 + np.exp(-z))).astype(int)
    values = np.column_stack([column(rng, n + held), np.ones((n + held, 3))])
    indices = np.column_stack([np.full(n + held, 300), ids])
    X = sp.csr_matrix((values.ravel(), indices.ravel(), np.arange(0, 4 * (n + held) + 1, 4)), (n + held, 301))
    return X[:n], y[:n], X[n:], y[n:]


TAILS = {
    "pareto": lambda rng, n: rng.pareto(0.7, n) + 1,
    "pareto, heavier": lambda rng, n: rng.pareto(0.4, n) + 1,
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "lognormal": lambda rng, n: np.exp(3 * rng.standard_normal(n)),
    "one value": lambda rng, n: np.where(np.arange(n) == 9000, 1e6, rng.standard_normal(n)),
    "the first value": lambda rng, n: np.where(np.arange(n) == 0, 1e6, rng.standard_normal(n)),
}


@types
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tail", TAILS)
def test_a_column_of_heavy_tail_does_not_cost_the_others(tail, seed, dtype):
    X, y, held, truth = clicks(TAILS[tail], 20_000, 5000, seed)
    without = X.copy()
    without.data[::4] = 0
    good, found = (SGDClassifier("log_loss", **AUTO).fit(some.astype(dtype), y) for some in (without, X))
    assert found.auto_rule_[0] != "constant"
    scores = [roc_auc_score(truth, est.decision_function(held.astype(dtype))) for est in (good, found)]
    assert scores[1] > scores[0] - 0.01 and scores[1] > 0.75


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_column_of_heavy_tail_beside_categories_of_a_thousand_leaves_the_model(seed):
    rng = np.random.default_rng(seed)
    x, n, m = rng.pareto(0.7, 200_000) + 1, 200_000, 150_000
    ids = rng.integers(0, 1000, (n, 3)) + np.array([0, 1000, 2000])
    y = (rng.random(n) < 1 / (1 + np.exp(4.1 - rng.normal(0, 0.75, 3000)[ids].sum(axis=1)))).astype(int)
    indices = np.column_stack([ids, np.full(n, 3000)]).ravel()
    X = sp.csr_matrix((np.column_stack([np.ones((n, 3)), x]).ravel(), indices, np.arange(0, 4 * n + 1, 4)), (n, 3001))
    est = SGDClassifier("log_loss", **AUTO).fit(X[:m], y[:m])
    assert 0.02 < y.mean() < 0.05 and roc_auc_score(y[m:], est.decision_function(X[m:])) > 0.75


@types
@pytest.mark.parametrize("tail", TAILS)
def test_on_dense_rows_a_column_of_heavy_tail_does_not_cost_the_others(tail, dtype):
    rng = np.random.default_rng(0)
    X, n = np.zeros((40_000, 21)), 30_000
    X[:, :20] = rng.standard_normal((len(X), 20))
    y = (rng.random(len(X)) < 1 / (1 + np.exp(3 - X[:, :20] @ rng.normal(0, 0.25, 20)))).astype(int)
    scores = []
    for column in (np.zeros(len(X)), TAILS[tail](rng, len(X))):
        X[:, 20] = column
        est = SGDClassifier("log_loss", **AUTO).fit(X[:n].astype(dtype), y[:n])
        scores.append(roc_auc_score(y[n:], est.decision_function(X[n:].astype(dtype))))
    assert scores[1] > scores[0] - 0.005 and scores[1] > 0.7


@types
def test_one_row_does_not_ruin_the_scale_of_a_column(dtype):
    X, y, held, truth = clicks(lambda rng, n: rng.standard_normal(n), 20_000, 5000)
    z = np.concatenate([some[:, 300].toarray().ravel() for some in (X, held)])
    y = ((z > 1) | (np.concatenate([y, truth]) > 0)).astype(int)
    X.data[4 * 9000] = 1e6
    for seed in (0, 1):
        est = SGDClassifier("log_loss", **AUTO | {"random_state": seed}).fit(X.astype(dtype), y[: len(y) - 5000])
        assert est.coef_[0, 300] > 0.5 and est.auto_rule_[0] != "constant"


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "epsilon_insensitive"])
@pytest.mark.parametrize("far", [1e3, -1e6])
@pytest.mark.parametrize("layout", ["dense", "csr32"])
def test_a_first_target_far_from_the_others_is_not_learnt_by_heart(layout, far, loss):
    """The intercept begins at the median of three targets, and weights move from the third row on."""
    X, y = problem(layout, n=3000, task="regression")
    y = y / y.std()
    for row in (0, 1):
        odd = y.copy()
        odd[row] += far
        params = AUTO | {"loss": loss, "shuffle": False}
        good, found = SGDRegressor(**params).fit(X, y), SGDRegressor(**params).fit(X, odd)
        assert found.score(X[3:], y[3:]) > good.score(X[3:], y[3:]) - 0.02


@types
def test_a_first_value_of_1e6_does_not_spoil_a_column_that_most_rows_have(dtype):
    X, y, held, truth = clicks(lambda rng, n: rng.standard_normal(n), 20_000, 5000)
    z = np.concatenate([some[:, 300].toarray().ravel() for some in (X, held)])
    y = ((z > 1) | (np.concatenate([y, truth]) > 0)).astype(int)
    X.data[0] = 1e6
    est = SGDClassifier("log_loss", **AUTO | {"shuffle": False}).fit(X.astype(dtype), y[: len(y) - 5000])
    assert est.coef_[0, 300] > 0.5 and est.auto_rule_[0] != "constant"


@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "hinge"])
@pytest.mark.parametrize(
    "dtype, power", [("f4", -90), ("f4", 90), ("f4", -110), ("f8", -900), ("f8", 900), ("f8", -600), ("f8", 500)]
)
def test_on_csr_a_column_of_any_size_is_learnt_from(dtype, power, loss):
    """Whose squares no number can hold, beside columns as they are; without a penalty the predictions are the same."""
    X, y = problem("csr32", dtype, n=1500)
    for penalty in (None, "l1", "l2"):
        params = AUTO | {"loss": loss, "penalty": penalty, "alpha": 0.0 if penalty else 1e-4}
        for some in (slice(None), slice(0, 5)):
            powers = np.ones(X.shape[1])
            powers[some] = np.ldexp(1.0, power)
            scaled = sp.csr_matrix((X.data * powers[X.indices].astype(dtype), X.indices, X.indptr), X.shape)
            before, after = SGDClassifier(**params).fit(X, y), SGDClassifier(**params).fit(scaled, y)
            z = before.decision_function(X)
            tiny = 1e-3 if dtype == "f4" else 1e-9
            np.testing.assert_allclose(after.decision_function(scaled), z, atol=tiny * abs(z).max())
            np.testing.assert_array_equal(after.auto_rule_, before.auto_rule_)


@pytest.mark.parametrize(
    "size, way", [(1e-160, "Multiply"), (1e-200, "Multiply"), (1e160, "Divide"), (1e200, "Divide")]
)
@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_dense_columns_that_cannot_be_squared_are_left_out_and_named(size, way, loss):
    """With what to do about it; the others are learnt from as if those were 0."""
    X, y = problem("dense", n=1500)
    some, powers, zeros = [1, 3], np.ones(X.shape[1]), np.ones(X.shape[1])
    powers[some], zeros[some] = size, 0
    params = AUTO | {"loss": loss, "penalty": None}
    with pytest.warns(
        ConvergenceWarning, match=rf"left out columns \[1, 3\] of X.*{way} these columns by \de\+\d+, or so"
    ):
        found = SGDClassifier(**params).fit(X * powers, y)
    good = SGDClassifier(**params).fit(X * zeros, y)
    np.testing.assert_array_equal(found.coef_, good.coef_)
    np.testing.assert_array_equal(found.intercept_, good.intercept_)
    with pytest.warns(ConvergenceWarning, match=r"columns \[0, 1, 2\] and \d+ others"):
        SGDClassifier(**params).fit(X * size, y)


def test_a_constant_column_is_not_too_small():
    X, y = problem("dense", n=1500)
    X[:, 2] = 1e-200
    for more in ({"standardize": True}, {}):
        assert SGDClassifier(**AUTO | more | {"penalty": None}).fit(X, y).coef_[0, 2] == 0


@flat
@pytest.mark.parametrize("dtype, power", [("f4", -90), ("f8", -600)])
def test_with_a_penalty_columns_of_tiny_values_have_no_weight(dtype, power):
    X, y = problem("csr32", dtype, n=1500)
    X.data = np.ldexp(X.data, power)
    for penalty in ("l1", "l2"):
        for passes in (1, 2):
            est = SGDClassifier(**AUTO | {"penalty": penalty, "max_iter": passes}).fit(X, y)
            assert abs(X @ est.coef_.T).max() < 1e-30


@pytest.mark.parametrize("layout", ["dense", "csr32"])
def test_standardize_says_which_columns_are_too_small_to_be_squared(layout):
    X, y = problem(layout, n=300)
    X = X.multiply(1e-200).tocsr() if layout != "dense" else X * 1e-200
    with pytest.raises(ValueError, match=r"columns \[0, 1, 2\] of X are so small .* Multiply them by a constant"):
        SGDClassifier(standardize=True).fit(X, y)


@pytest.mark.parametrize("first", [1e-19, 1e-30, 1e-38])
def test_a_first_value_that_is_next_to_nothing_does_not_end_a_fit_in_float32(first):
    """Noise in place of 0: in the unit that it sets, the square of another value is no number."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 3)).astype(np.float32)
    y = X @ np.array([2.0, -1.0, 0.5]) + 0.1 * rng.standard_normal(400)
    good = SGDRegressor(**AUTO).fit(sp.csr_matrix(X[1:]), y[1:])
    X[0, 0] = first
    found = SGDRegressor(**AUTO).fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(found.coef_, good.coef_, atol=0.1)


@flat
def test_rows_whose_weights_are_next_to_nothing_do_not_end_a_fit_in_float32():
    rng = np.random.default_rng(0)
    X = sp.random(500, 40, 0.1, format="csr", dtype=np.float32, random_state=0)
    y = X @ rng.standard_normal(40)
    est = SGDRegressor(**AUTO).fit(X, y, sample_weight=np.exp(-np.arange(500) / 4))
    assert np.isfinite(est.coef_).all() and np.isfinite(est.predict(X)).all()


@flat
def test_explicit_zeros_beside_slopes_whose_squares_are_no_numbers_do_not_end_a_fit_in_float32():
    X = sp.csr_matrix(np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32))
    X.data[::3] = 0
    y = np.where(np.arange(200) % 2, 1e20, -1e20)
    est = SGDRegressor(**AUTO).fit(X, y)
    assert np.isfinite(est.coef_).all()


def warned_of_rows(X, y, weights=None, **params):
    """The words of the warnings of a fit on dense rows that tell of a few rows far from the others."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        SGDClassifier("log_loss", **AUTO | params).fit(X, y, sample_weight=weights)
    return [str(one.message) for one in told if "of the variance is that of row" in str(one.message)]


@types
def test_dense_rows_far_from_the_others_are_told(dtype):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 4)).astype(dtype)
    X[:, 3] = rng.random(5000) < 0.002  # Seldom 1, which is no outlier.
    y = X[:, 0] > rng.logistic(size=5000)
    assert warned_of_rows(X, y) == []
    X[3001, :1] = 1e4
    assert warned_of_rows(X, y) == []  # It costs that column, and not the others.
    X[3001, :3] = 1e4
    assert ["Of 3 columns, 90% of the variance is that of row 3001 of X" in one for one in warned_of_rows(X, y)] == [
        True
    ]
    X[[17, 4000], :3] = -1e4
    assert ["that of rows 17, 3001, 4000 of X" in one for one in warned_of_rows(X, y)] == [True]
    usual = ~np.isin(np.arange(5000), [17, 3001, 4000])
    assert warned_of_rows(X, y, usual) == warned_of_rows(X, y, standardize=True) == []
    assert warned_of_rows(sp.csr_matrix(X), y) == []
    assert warned_of_rows(rng.standard_cauchy((5000, 4)).astype(dtype), y) == []


@flat
@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_column_of_heavy_tail_that_is_centred_does_not_throw_the_intercept(seed, classes):
    """A value far off among the first that are centred moves the mean, and the intercept by a weight that then shrinks."""
    rng, n = np.random.default_rng(seed), 30_000
    ids, weights = rng.zipf(1.3, n) % 2000, rng.normal(0, 0.8, (2000, classes))
    counts = np.minimum(rng.zipf(1.6, n).astype(float), 1e8)
    y = (
        weights[ids] + np.log1p(counts)[:, None] * np.linspace(-0.2, 0.2, classes) + rng.gumbel(size=(n, classes))
    ).argmax(1)
    words = sp.csr_matrix((np.ones(n), (np.arange(n), ids)), (n, 2000))
    X = sp.hstack([sp.csr_matrix(counts[:, None]), words]).tocsr()
    train, held = slice(20_000), slice(20_000, n)
    for order in range(6):
        both = [
            SGDClassifier("log_loss", **AUTO | {"random_state": order}, multi_class="multinomial").fit(
                one[train], y[train]
            )
            for one in (X, words)
        ]
        lost, without = (log_loss(y[held], one.predict_proba(Z[held])) for one, Z in zip(both, (X, words), strict=True))
        assert lost < without + 0.01
