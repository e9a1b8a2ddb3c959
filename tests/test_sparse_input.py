"""Sparse matrices as users have them: rows in any order, duplicates, flags that are out of date, other formats."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from support.cases import covering

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, sources
from fastsgd.estimators.validation import check_X

rng = np.random.default_rng(0)
N, D = 70, 12
SORTED = sp.random(N, D, 0.2, format="csr", random_state=0)
Y = (SORTED @ rng.standard_normal(D) > 0).astype(int)

ESTIMATORS = {
    "hinge": lambda: SGDClassifier(random_state=0, max_iter=5, tol=None),
    "elastic net": lambda: SGDClassifier("log_loss", penalty="elasticnet", random_state=0, max_iter=5, tol=None),
    "passive-aggressive": lambda: SGDClassifier(learning_rate="pa1", random_state=0, max_iter=5, tol=None),
    "auto": lambda: SGDRegressor(learning_rate="auto", random_state=0, max_iter=5, tol=None),
    "one class": lambda: SGDOneClassSVM(random_state=0, max_iter=5, tol=None),
    "standardised": lambda: SGDRegressor(standardize=True, random_state=0, max_iter=5, tol=None),
    "solved": lambda: LinearClassifier(alpha=1e-3, tol=1e-8, random_state=0),
    "least squares": lambda: LinearRegressor(alpha=1e-3, tol=1e-8, random_state=0),
    "lasso": lambda: LinearRegressor(penalty="l1", alpha=1e-3, tol=1e-8, random_state=0),
} | {
    f"{name} {size}": lambda name=name, size=size: SGDClassifier(
        optimizer=name, batch_size=size, learning_rate="constant", random_state=0, max_iter=3, tol=None
    )
    for name in ("momentum", "adagrad", "adam", "ftrl")
    for size in (1, 8)
}
every = pytest.mark.parametrize("name", ESTIMATORS)
index_types = pytest.mark.parametrize("index", [np.int32, np.int64])


def csr_of(data, indices, indptr, shape=(N, D), cls=sp.csr_matrix):
    """As the arrays are, past SciPy's look at them."""
    X = cls(shape, dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def in_disorder(X, index=np.int32):
    """The same matrix, the values of each row in another order."""
    order = np.concatenate([lo + rng.permutation(hi - lo) for lo, hi in zip(X.indptr, X.indptr[1:], strict=False)])
    return csr_of(X.data[order], X.indices[order].astype(index), X.indptr.astype(index), X.shape)


def split_up(X, dtype):
    """Whole numbers, and a matrix that holds each in two parts, [200, 100] being one of 300."""
    whole = X.copy()
    whole.data = rng.integers(128, 400, X.nnz).astype(float) if dtype is not bool else np.full(X.nnz, 2.0)
    top = 1 if dtype is bool else min(200, np.iinfo(dtype).max)
    first = np.minimum(whole.data, top)
    if dtype is not bool:
        whole.data = first + np.minimum(whole.data - first, top)
    parts = np.stack([first, whole.data - first], axis=1).ravel().astype(dtype)
    return whole, csr_of(parts, np.repeat(X.indices, 2), 2 * X.indptr, X.shape)


def same(a, b, rtol=1e-6):
    for name in ("coef_", "intercept_", "offset_"):
        if hasattr(a, name):
            old = getattr(a, name)
            np.testing.assert_allclose(getattr(b, name), old, rtol=rtol, atol=rtol * abs(old).max())


@every
@index_types
def test_the_order_within_a_row_does_not_matter(name, index):
    X = in_disorder(SORTED, index)
    before = [a.copy() for a in (X.data, X.indices, X.indptr)]
    same(ESTIMATORS[name]().fit(SORTED, Y), ESTIMATORS[name]().fit(X, Y))
    for a, b in zip(before, (X.data, X.indices, X.indptr), strict=True):
        np.testing.assert_array_equal(a, b)


@index_types
@pytest.mark.parametrize("cls", [sp.csr_matrix, sp.csr_array])
def test_rows_in_any_order_are_not_copied(index, cls):
    X = cls(in_disorder(SORTED, index))
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    flags = dict(vars(X))
    seen = check_X(SGDClassifier(), X, reset=True)
    assert all(np.shares_memory(getattr(seen, part), getattr(X, part)) for part in ("data", "indices", "indptr"))
    assert vars(X) == flags and not seen.has_sorted_indices


@every
@index_types
def test_flags_of_scipy_that_are_out_of_date(name, index):
    X = in_disorder(SORTED, index)
    long = csr_of(
        np.concatenate([X.data / X.nnz, X.data]),
        np.concatenate([X.indices, X.indices]),
        np.r_[0, X.nnz + X.indptr].astype(index),
        (N + 1, D),
    )
    for bad in (X, long):  # the first row of which has more entries than there are features
        right = sp.csr_matrix(bad.toarray())
        bad.has_sorted_indices = bad.has_canonical_format = True
        y = np.arange(bad.shape[0]) % 2 if bad is long else Y
        same(ESTIMATORS[name]().fit(right, y), ESTIMATORS[name]().fit(bad, y), rtol=1e-5)
        assert bad.has_canonical_format


@pytest.mark.parametrize(
    "name, dtype, format", covering(2, ESTIMATORS, [bool, np.int8, np.uint8, np.int16], ["csr", "csc", "coo", "bsr"])
)
def test_duplicates_add_up_to_what_their_dtype_does_not_hold(name, dtype, format):
    whole, parts = split_up(SORTED, dtype)
    if format == "coo":
        parts = sp.coo_matrix((parts.data, (np.repeat(np.arange(N), np.diff(parts.indptr)), parts.indices)), (N, D))
    elif format == "bsr":
        parts = sp.bsr_matrix((parts.data[:, None, None], parts.indices, parts.indptr), shape=(N, D), blocksize=(1, 1))
    elif format == "csc":  # whose conversion keeps them apart
        parts = parts.tocsc()
    assert parts.dtype == dtype and len(parts.data) == 2 * whole.nnz
    est = ESTIMATORS[name]
    y, before = np.arange(N) % 2, parts.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, other = est().fit(whole, y), est().fit(parts, y)
        same(one, other)
        np.testing.assert_array_equal(one.predict(whole), one.predict(parts))
    np.testing.assert_array_equal(before.data, parts.data)


def test_duplicates_in_a_small_dtype_from_batches():
    whole, parts = split_up(SORTED, np.uint8)
    for part in (parts, parts.tocoo()):
        rows = next(iter(sources.from_batches(lambda part=part: iter([(part, Y)])).blocks()))
        assert rows.X.dtype == np.float64
        np.testing.assert_array_equal(rows.X.toarray(), whole.toarray())


@every
@pytest.mark.parametrize("format", ["csc", "coo", "bsr", "dia", "dok", "lil", "csr_array", "coo_array", "pandas"])
def test_every_format_is_the_same_data(name, format):
    X = SORTED
    if format == "pandas":
        pd = pytest.importorskip("pandas")
        X = pd.DataFrame.sparse.from_spmatrix(SORTED)
    else:
        X = getattr(sp, format)(SORTED) if format.endswith("array") else SORTED.asformat(format)
    same(ESTIMATORS[name]().fit(SORTED, Y), ESTIMATORS[name]().fit(X, Y))


@every
def test_values_behind_the_end_of_the_last_row_do_not_count(name):
    X = csr_of(np.r_[SORTED.data, np.nan, np.inf], np.r_[SORTED.indices, 3, 5].astype(np.int32), SORTED.indptr)
    clean = ESTIMATORS[name]().fit(SORTED, Y)
    for data in ((X, Y), (sources.from_batches(lambda: iter([(X, Y)])),)):
        est = ESTIMATORS[name]().fit(*data)
        same(clean, est)
        np.testing.assert_array_equal(est.predict(data[0]), clean.predict(SORTED))


@pytest.mark.parametrize(
    "name, method",
    [("hinge", method) for method in ("partial_fit", "predict", "decision_function", "score")]
    + [("one class", method) for method in ("partial_fit", "predict", "score_samples")]
    + [("lasso", method) for method in ("fit", "predict", "score")],
)
def test_rows_that_a_user_makes_are_checked_as_X_is(name, method):
    est = ESTIMATORS[name]().fit(SORTED, Y)
    args = (Y,) if method in ("fit", "partial_fit", "score") else ()
    bad = csr_of(SORTED.data, np.r_[SORTED.indices[:-1], 2**30].astype(np.int32), SORTED.indptr)
    with pytest.raises(ValueError, match="malformed CSR"):
        getattr(est, method)(sources.Rows(bad, Y), *args)
    if method != "fit":
        with pytest.raises(ValueError, match=f"{2 * D} features"):
            getattr(est, method)(sources.Rows(sp.hstack([SORTED, SORTED]).tocsr(), Y), *args)
    X = SORTED.copy()
    X.data[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        getattr(est, method)(sources.Rows(X, Y), *args)
    getattr(est, method)(sources.Rows(SORTED, Y), *args)
