"""Fits of few epochs, for the tests of training."""

import pytest

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor

from .data import LAYOUTS, labels, rows

EVERY = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
BOTH = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])


def split(cls, layout="dense", classes=2, n=300):
    """X, y, and a validation part of them."""
    X, y, _ = rows(n)
    y = labels(y, classes) if cls is SGDClassifier else y
    X, cut = LAYOUTS[layout](X), n * 2 // 3
    return X[:cut], y[:cut], X[cut:], y[cut:]


@pytest.fixture(name="callback")
def callbacks_of_sklearn():
    return pytest.importorskip("sklearn.callback")
