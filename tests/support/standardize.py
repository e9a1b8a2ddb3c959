"""Fits with standardize=True, and what they should equal."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import StandardScaler

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor

from .data import LAYOUTS, labels, rows

BOTH = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
EVERY = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
FEW = dict(max_iter=3, tol=None, random_state=0, learning_rate="constant", eta0=0.01)


def data(cls=SGDRegressor, layout="dense", classes=2, n=200):
    """Columns of means and scales of their own; whole numbers times powers of two, so that float32 holds them."""
    X, y, s = rows(n)
    X = (X + np.array([0, 1.5, -2, 3, 0, 1])) * 2.0 ** np.array([0, 9, -7, 3, -1, 12])
    return LAYOUTS[layout](X), labels(y, classes) if cls is SGDClassifier else y, s


def make(cls, penalty="l2", **params):
    given = {} if cls is SGDOneClassSVM else {"penalty": penalty, "alpha": 0.01}
    return cls(**{**given, **FEW, "standardize": True, **params})


def scaled(X, s=None, centre=True):
    """The output of StandardScaler, and the scaler."""
    scaler = StandardScaler(with_mean=centre and not sp.issparse(X)).fit(X, sample_weight=s)
    return scaler.transform(X), scaler


def close(a, b, rtol=1e-9):
    """Equal but for rounding, against the largest."""
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(1.0, abs(b).max()))
