"""partial_fit on sparse rows: features that no row has had for long are what one fit makes of them."""

import numpy as np
import pytest
import scipy.sparse as sp
from support.cases import covering
from support.data import labels, rows
from support.partial_fit import feed, make

from fastsgd import SGDClassifier, SGDRegressor, optimizers

# ---------------------------------------------------------------- sparse rows


def test_wide_sparse_rows_that_never_come_back_are_penalised():
    """A feature met once is owed the penalty of all the steps since."""
    X = sp.csr_matrix((np.ones(100), np.r_[0, np.ones(99, int)], np.arange(101)), shape=(100, 2))
    y = np.ones(100)
    est = make(SGDRegressor, "l1", learning_rate="constant", eta0=0.1, fit_intercept=False)
    est.set_params(alpha=0.005).fit(X[:1], y[:1])
    once = est.coef_[0]
    est.partial_fit(X[1:], y[1:])
    assert est.coef_[0] == pytest.approx(once - 0.1 * 0.005 * 99) and est.coef_[1] > 0.9


@pytest.mark.parametrize("alpha", [1e-8, 4e-6, 1e-5])
def test_a_weak_elastic_net_of_several_classes_keeps_its_digits_in_float32(alpha):
    """Between two visits 1 / scale grows by less than the last digit of float32."""
    X, y, _ = rows(400, 12)
    X, y = X * (np.random.default_rng(1).random(X.shape) < 0.3), labels(y, 4)
    params = dict(alpha=alpha, l1_ratio=0.2, eta0=0.08, learning_rate="invscaling")
    single, double = (
        feed(make(SGDClassifier, "elasticnet").set_params(**params), sp.csr_matrix(X, dtype=dtype), y)
        for dtype in ("f4", "f8")
    )
    np.testing.assert_allclose(single.coef_, double.coef_, rtol=1e-3, atol=1e-4)


EVERY_OPTIMIZER = [*optimizers.OPTIMIZERS, optimizers.FTRL(lambda1=0.5, lambda2=2.0), optimizers.AdaGrad(lazy=False)]


@pytest.mark.parametrize(
    "optimizer, penalty, average, dtype",
    covering(3, EVERY_OPTIMIZER, [None, "l2", "l1", "elasticnet"], [False, 1, 60], ["f8", "f4"]),
    ids=str,
)
def test_where_calls_begin_changes_nothing_on_sparse_rows(optimizer, penalty, average, dtype):
    """With every optimizer; features that few rows have are behind for most of the time."""
    X = sp.random(300, 40, 0.03, "csr", random_state=0, data_rvs=np.random.default_rng(0).standard_normal).astype(dtype)
    y = np.random.default_rng(1).integers(2, size=300)
    for classes, cuts in ((2, [0, 1, 7, 100, 101, 299, 300]), (3, range(0, 301, 20))):
        label = (y + np.arange(300)) % classes
        params = dict(average=average, optimizer=optimizer, learning_rate="constant", eta0=0.1, l1_ratio=0.4)
        whole = make(SGDClassifier, penalty, **params).fit(X, label)
        parts = feed(make(SGDClassifier, penalty, **params), X, label, cuts=cuts)
        size = abs(whole.coef_).max()
        np.testing.assert_allclose(parts.coef_, whole.coef_, rtol=0, atol=(1e-11 if dtype == "f8" else 3e-5) * size)


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 0.999, 1.0])
@pytest.mark.parametrize("alpha", [1e-5, 1e-2, 1.0])
def test_averages_of_ftrl_on_sparse_rows_are_those_of_dense_rows(alpha, l1_ratio, batch_size):
    X = sp.random(2000, 30, 0.02, "csr", random_state=0, data_rvs=np.random.default_rng(0).standard_normal).toarray()
    X[:, 3] = 5.0 * (np.arange(2000) == 1)  # a feature that one row has
    y = np.random.default_rng(1).standard_normal(2000)
    how = dict(optimizer="ftrl", eta0=0.5, average=20, l1_ratio=l1_ratio, batch_size=batch_size)
    sparse, dense = (
        make(SGDRegressor, "elasticnet", **how).set_params(alpha=alpha).fit(A, y) for A in (sp.csr_matrix(X), X)
    )
    np.testing.assert_allclose(sparse.coef_, dense.coef_, rtol=1e-9, atol=1e-12 * abs(dense.coef_).max())
    np.testing.assert_allclose(sparse.intercept_, dense.intercept_, rtol=1e-9)
