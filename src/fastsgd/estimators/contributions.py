"""What each feature adds to the margin of a row."""

import numpy as np
import scipy.sparse as sp

from fastsgd.estimators.segmented import Segmented
from fastsgd.estimators.validation import check_X


def of_rows(est, X):
    """The products of the values of rows with their coefficients, and behind them the intercept: see `contributions`."""
    if isinstance(X, Segmented):
        from fastsgd.estimators.by_segment import models_of

        coefs, intercepts, places = models_of(est, X)
        X = X.X
    else:
        X, places = check_X(est, X), None
        coefs, intercepts = (of_all[None] for of_all in model(est))
    if sp.issparse(X):
        found = _sparse(X, coefs, intercepts, places)
        return found[0] if len(found) == 1 else found
    found = _dense(X, coefs, intercepts, places)
    return found[:, 0] if found.shape[1] == 1 else found


def model(est):
    """Coefficients (K, n_features) and intercepts (K,) of the margin, of the model of all rows."""
    coef, intercept = est._weights()
    coef = np.atleast_2d(coef.toarray() if sp.issparse(coef) else coef)
    return coef, np.broadcast_to(est._at_zero(np.ravel(intercept)), len(coef))


def n_heads(est):
    """How many margins a row has."""
    return len(np.atleast_1d(est._weights()[1]))


def _dense(X, coefs, intercepts, places):
    (n, d), K = X.shape, coefs.shape[1]
    out = np.empty((n, K, d + 1))
    for k in range(K):
        of_rows = coefs[0, k] if places is None else coefs[places, k]
        np.multiply(X, of_rows, out=out[:, k, :d], dtype=np.float64)
    out[:, :, d] = intercepts[0 if places is None else places]
    return out


def _sparse(X, coefs, intercepts, places):
    """A CSR matrix for each head: the values that X stores, and the intercept at the end of each row."""
    (n, d), nnz = X.shape, int(X.indptr[-1])
    index = X.indices.dtype if nnz + n < np.iinfo(X.indices.dtype).max else np.int64
    indptr = X.indptr.astype(index) + np.arange(n + 1, dtype=index)
    own = np.ones(nnz + n, bool)
    own[indptr[1:] - 1] = False
    indices = np.full(nnz + n, d, index)
    indices[own] = X.indices[:nnz]
    rows = None if places is None else np.repeat(places, np.diff(X.indptr))
    make, out = sp.csr_array if isinstance(X, sp.sparray) else sp.csr_matrix, []
    for k in range(coefs.shape[1]):
        data = np.empty(nnz + n)
        data[own] = X.data[:nnz].astype(np.float64) * coefs[0 if rows is None else rows, k, X.indices[:nnz]]
        data[~own] = intercepts[0 if places is None else places, k]
        # Users may sort the indices of one matrix in place.
        out.append(make((data, indices, indptr), shape=(n, d + 1), copy=coefs.shape[1] > 1))
    return out


def joined(parts):
    """The contributions of blocks of rows as those of all these rows."""
    first = parts[0]
    if isinstance(first, list):
        return [joined(of_head) for of_head in zip(*parts, strict=True)]
    return sp.vstack(parts, format="csr") if sp.issparse(first) else np.concatenate(parts)
