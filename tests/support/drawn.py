"""Figures without a screen, closed after each test; and what is drawn."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

from fastsgd import SGDClassifier

X, Y = load_iris(return_X_y=True)
IRIS = StandardScaler().fit_transform(X), Y
TWO = IRIS[0], Y > 1  # classes


def sgd(**params):
    return SGDClassifier(**{"loss": "log_loss", "max_iter": 8, "tol": None, "random_state": 0} | params)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")
