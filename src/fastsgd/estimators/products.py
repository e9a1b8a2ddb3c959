"""X times the coefficients: margins of many rows, in blocks on threads."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import safe_sparse_dot

from fastsgd.threads import Threads, n_threads

MIN_WORK = 4e6  # Fewer products x * w are left to the calling thread.
BLOCK_ROWS = 1 << 14  # BLAS rounds by the rows of a block, so that blocks are the same for any number of threads.


def product(X, coef, n_jobs=None):
    """X coef', (n, K), or (n,) of coefficients (n_features,): the same bits for any n_jobs."""
    n, sparse = X.shape[0], sp.issparse(X)  # and then CSR
    if n <= BLOCK_ROWS or (X.nnz if sparse else X.size) * (coef.size // max(1, X.shape[1])) < MIN_WORK:
        return safe_sparse_dot(X, coef.T, dense_output=True)
    threads = Threads(n_threads(n_jobs))
    if sparse and threads.n == 1:
        return safe_sparse_dot(X, coef.T, dense_output=True)
    out = np.empty((n, *coef.shape[:-1]), np.result_type(X.dtype, coef.dtype))

    def block(lo):
        rows = rows_between(X, lo, min(lo + BLOCK_ROWS, n)) if sparse else X[lo : lo + BLOCK_ROWS]
        out[lo : lo + BLOCK_ROWS] = safe_sparse_dot(rows, coef.T, dense_output=True)

    threads.map(block, range(0, n, BLOCK_ROWS))
    return out


def rows_between(X, lo, hi):
    """The rows from lo to hi of a CSR matrix as one of SciPy, without a copy of their values."""
    starts, part = X.indptr[lo : hi + 1], sp.csr_matrix((hi - lo, X.shape[1]), dtype=X.dtype)
    values = slice(starts[0], starts[-1])
    part.data, part.indices, part.indptr = X.data[values], X.indices[values], starts - starts[0]
    return part
