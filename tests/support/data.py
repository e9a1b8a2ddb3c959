"""Small data sets for the tests of the estimators."""

import numpy as np
import scipy.sparse as sp

LAYOUTS = {"dense": np.ascontiguousarray, "csr": sp.csr_matrix}


def rows(n=200, d=6, seed=0):
    """X of small halves (exact in every dtype), a real target, and positive weights."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-4, 5, (n, d)) / 2.0 * (rng.random((n, d)) < 0.7)
    y = X @ rng.standard_normal(d) / 2 + 0.5 + 0.3 * rng.standard_normal(n)
    return X, y, rng.uniform(0.5, 1.5, n)


def labels(y, classes=2):
    """Classes 0, 1, ... by the size of y."""
    return np.searchsorted(np.quantile(y, np.linspace(0, 1, classes + 1)[1:-1]), y)
