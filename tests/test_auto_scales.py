"""learning_rate="auto" and values far from the others, or far from 1: a row, a column or a unit does not rule the model."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import roc_auc_score
from test_auto import AUTO, flat, problem, types

from fastsgd import SGDClassifier


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
    assert found.auto_rule_[0].startswith("average")
    scores = [roc_auc_score(truth, est.decision_function(held.astype(dtype))) for est in (good, found)]
    assert scores[1] > scores[0] - 0.01 and scores[1] > 0.75


@types
def test_one_row_does_not_ruin_the_scale_of_a_column(dtype):
    X, y, held, truth = clicks(lambda rng, n: rng.standard_normal(n), 20_000, 5000)
    z = np.concatenate([some[:, 300].toarray().ravel() for some in (X, held)])
    y = ((z > 1) | (np.concatenate([y, truth]) > 0)).astype(int)
    X.data[4 * 9000] = 1e6
    for seed in (0, 1):
        est = SGDClassifier("log_loss", **AUTO | {"random_state": seed}).fit(X.astype(dtype), y[: len(y) - 5000])
        assert est.coef_[0, 300] > 0.5 and est.auto_rule_[0].startswith("average")


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


@flat
@pytest.mark.parametrize("dtype, power", [("f4", -90), ("f8", -600)])
def test_with_a_penalty_columns_of_tiny_values_have_no_weight(dtype, power):
    X, y = problem("csr32", dtype, n=1500)
    X.data = np.ldexp(X.data, power)
    for penalty in ("l1", "l2"):
        for passes in (1, 2):
            assert not SGDClassifier(**AUTO | {"penalty": penalty, "max_iter": passes}).fit(X, y).coef_.any()


@pytest.mark.parametrize("layout", ["dense", "csr32"])
def test_standardize_says_which_columns_are_too_small_to_be_squared(layout):
    X, y = problem(layout, n=300)
    X = X.multiply(1e-200).tocsr() if layout != "dense" else X * 1e-200
    with pytest.raises(ValueError, match=r"columns \[0, 1, 2\] of X are so small .* Multiply them by a constant"):
        SGDClassifier(standardize=True).fit(X, y)
