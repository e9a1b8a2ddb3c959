"""What each feature adds to the margin of a row: the shares of a row are its margin, for every estimator and layout."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import fastsgd
from fastsgd.sources import Source, from_batches, predict_batches

N, D = 120, 5
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7) * [1, 10, 0.1, 1, 100]
SUM = X @ [1.0, -0.1, 5.0, 0.0, 0.02] + 0.5
SGD = dict(max_iter=3, tol=None, random_state=0, standardize=True)
CV = dict(alphas=2, cv=2)
CASES = {
    "two classes": (fastsgd.SGDClassifier(**SGD), SUM > 0),
    "three classes": (fastsgd.SGDClassifier(**SGD), np.digitize(SUM, [-0.5, 1])),
    "softmax": (fastsgd.SGDClassifier(loss="log_loss", multi_class="multinomial", **SGD), np.digitize(SUM, [-0.5, 1])),
    "auto": (fastsgd.SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0), SUM > 0),
    "a number": (fastsgd.SGDRegressor(**SGD), SUM),
    "numbers": (fastsgd.SGDRegressor(**SGD), np.column_stack([SUM, -SUM])),
    "a log link": (fastsgd.SGDRegressor(loss="poisson", **SGD), np.exp(SUM / 10)),
    "one class": (fastsgd.SGDOneClassSVM(max_iter=3, tol=None, random_state=0), None),
    "solved": (fastsgd.LinearClassifier(tol=1e-2), SUM > 0),
    "solved, a log link": (fastsgd.LinearRegressor(loss="gamma", tol=1e-2), np.exp(SUM / 10)),
    "solved, no intercept": (fastsgd.LinearRegressor(fit_intercept=False, tol=1e-2), SUM),
    "classifier of CV": (
        fastsgd.SGDClassifierCV(max_iter=3, tol=None, random_state=0, **CV),
        np.digitize(SUM, [-0.5, 1]),
    ),
    "regressor of CV": (fastsgd.SGDRegressorCV(max_iter=3, tol=None, random_state=0, **CV), SUM),
    "solved by CV": (fastsgd.LinearClassifierCV(tol=1e-2, **CV), SUM > 0),
    "regressor solved by CV": (fastsgd.LinearRegressorCV(tol=1e-2, **CV), SUM),
}


class NoRows(Source):
    dtype, n_features, n_blocks = np.dtype(np.float64), D, 0


LAYOUTS = {
    "dense": np.ascontiguousarray,
    "columns first": np.asfortranarray,
    "csr": sp.csr_matrix,
    "csr array": sp.csr_array,
    "csc": sp.csc_matrix,
}


def fit(est, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(est).fit(X, y, **more)


@pytest.fixture(scope="module")
def fitted():
    def of(name):
        if name not in known:
            known[name] = fit(CASES[name][0], X, CASES[name][1])
        return known[name]

    known = {}
    return of


def margins(est, X):
    """The margins, (n, K)."""
    if hasattr(est, "decision_function"):
        found = est.decision_function(X)
    else:
        found = est.predict(X)
        found = np.log(found) if est._loss().offers("mean") else found
    return np.reshape(found, (X.shape[0], -1))


def summed(shares):
    """The sums of the shares of each row, (n, K)."""
    if isinstance(shares, list):
        return np.column_stack([np.asarray(of_class.sum(axis=1)).ravel() for of_class in shares])
    return np.asarray(shares.sum(axis=-1)).reshape(shares.shape[0], -1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CASES)
def test_the_shares_of_a_row_add_up_to_its_margin(name, layout, fitted):
    est, given = fitted(name), LAYOUTS[layout](X)
    shares = est.contributions(given)
    np.testing.assert_allclose(summed(shares), margins(est, given), rtol=1e-12, atol=1e-12)
    K = np.atleast_2d(est.coef_).shape[0]
    if not sp.issparse(given):
        assert shares.shape == ((N, D + 1) if K == 1 else (N, K, D + 1)) and shares.dtype == np.float64
    else:
        for of_class in shares if K > 1 else [shares]:
            kind = sp.csr_array if layout == "csr array" else sp.csr_matrix
            assert type(of_class) is kind and of_class.shape == (N, D + 1) and of_class.nnz == given.nnz + N
            of_class.check_format(full_check=True)


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["two classes", "three classes", "a number", "one class", "solved"])
def test_a_share_is_a_value_times_its_coefficient_and_the_last_one_the_intercept(name, layout, fitted):
    est = fitted(name)
    shares = est.contributions(LAYOUTS[layout](X))
    if sp.issparse(shares) or isinstance(shares, list):
        shares = np.stack([one.toarray() for one in (shares if isinstance(shares, list) else [shares])], axis=1)
    shares = shares.reshape(N, -1, D + 1)
    np.testing.assert_array_equal(shares[:, :, :D], X[:, None] * np.atleast_2d(est.coef_))
    intercept = est.intercept_ if hasattr(est, "intercept_") else -est.offset_
    np.testing.assert_array_equal(shares[:, :, D], np.tile(intercept, (N, 1)))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_shares_of_any_rows_and_coefficients_add_up(data):
    n, d, K = (data.draw(st.integers(lo, 4)) for lo in (1, 1, 1))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    numbers = st.floats(-1e6, 1e6, width=32)
    values = data.draw(st.lists(numbers, min_size=n * d, max_size=n * d))
    coef = data.draw(st.lists(numbers, min_size=K * d, max_size=K * d))
    rows, y = np.reshape(values, (n, d)).astype(dtype), np.zeros((n, K) if K > 1 else n)
    est = fastsgd.SGDRegressor(max_iter=1, tol=None).fit(np.zeros((n, d), dtype), y)
    est.coef_, est.intercept_ = np.reshape(coef, (K, d)).astype(dtype), np.arange(float(K))
    exact = rows.astype(np.float64) @ est.coef_.T.astype(np.float64) + est.intercept_
    scale = abs(rows.astype(np.float64)) @ abs(est.coef_.T.astype(np.float64)) + abs(est.intercept_) + 1
    for given_rows in (rows, sp.csr_matrix(rows)):
        assert (abs(summed(est.contributions(given_rows)) - exact) <= 1e-14 * scale).all()
        room = 8 * np.finfo(dtype).eps * scale
        assert (abs(summed(est.contributions(given_rows)) - margins(est, given_rows)) <= room).all()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", ["two classes", "three classes", "solved", "a log link", "one class"])
def test_a_source_gives_the_shares_of_its_rows_as_a_whole_or_block_by_block(name, sparse, fitted):
    est, rows = fitted(name), sp.csr_matrix(X) if sparse else X
    source = from_batches(lambda: (rows[lo : lo + 50] for lo in (0, 50, 100)))
    whole, expected = est.contributions(source), est.contributions(rows)
    for one, other in zip(*(x if isinstance(x, list) else [x] for x in (whole, expected)), strict=True):
        one, other = (x.toarray() if sp.issparse(x) else x for x in (one, other))
        np.testing.assert_array_equal(one, other)
    parts = list(predict_batches(est, source, "contributions"))
    np.testing.assert_array_equal(np.concatenate([summed(part) for part in parts]), summed(expected))
    assert len(parts) == 3


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["two classes", "three classes", "a number"])
def test_rows_of_segments_have_the_shares_of_their_own_models(name, layout):
    est, y = CASES[name]
    labels = np.array(["a", "b", "c"])[np.arange(N) % 3]
    est, rows = fit(est, X, y, segments=labels), LAYOUTS[layout](X)
    asked = np.where(np.arange(N) % 5 == 0, "unknown", labels)
    shares = summed(est.contributions(rows, segments=asked))
    found = (est.decision_function if hasattr(est, "decision_function") else est.predict)(rows, segments=asked)
    np.testing.assert_allclose(shares, found.reshape(N, -1), rtol=1e-12, atol=1e-12)
    of_all = summed(est.contributions(rows))
    np.testing.assert_allclose(shares[::5], of_all[::5], rtol=1e-12)
    assert not np.allclose(shares, of_all)


def test_a_sparse_coef_has_the_shares_of_a_dense_one(fitted):
    est = clone(CASES["three classes"][0]).fit(X, CASES["three classes"][1])
    expected = est.contributions(X)
    np.testing.assert_array_equal(est.sparsify().contributions(X), expected)


def test_matrices_of_classes_share_no_memory(fitted):
    backwards = sp.csr_matrix((np.arange(1.0, 4.0), np.array([4, 2, 0]), np.array([0, 3])), shape=(1, D))
    first, *others = fitted("three classes").contributions(backwards)
    before = [one.toarray() for one in others]
    first.sort_indices()
    assert all((one.toarray() == was).all() for one, was in zip(others, before, strict=True))


def test_rows_that_the_model_does_not_know_are_refused(fitted):
    with pytest.raises(NotFittedError):
        fastsgd.SGDClassifier().contributions(X)
    with pytest.raises(ValueError, match="4 features"):
        fitted("two classes").contributions(X[:, :4])
    with pytest.raises(ValueError, match="NaN"):
        fitted("two classes").contributions(np.full((1, D), np.nan))
    empty = NoRows()
    with pytest.raises(ValueError, match="no rows"):
        fitted("two classes").contributions(empty)
