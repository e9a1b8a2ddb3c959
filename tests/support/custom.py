"""Losses of the user's own."""

import math

import numba
import numpy as np
import pytest

from fastsgd import SGDClassifier, SGDRegressor, losses
from fastsgd.losses import LOSSES, Custom

from .data import LAYOUTS, labels, rows


def hinge(p, y):
    return max(0.0, 1.0 - y * p)


def hinge_slope(p, y):
    return -y if y * p <= 1.0 else 0.0


def logistic(p, y):
    z = y * p
    return math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z)) - z


def logistic_slope(p, y):
    z = y * p
    return -y * math.exp(-z) / (1.0 + math.exp(-z)) if z > 0 else -y / (1.0 + math.exp(z))


def squared(p, y):
    return 0.5 * (p - y) ** 2


def squared_slope(p, y):
    return p - y


def huber(p, y, epsilon):
    r = abs(p - y)
    return 0.5 * r * r if r <= epsilon else epsilon * (r - 0.5 * epsilon)


def huber_slope(p, y, epsilon):
    return min(max(p - y, -epsilon), epsilon)


def quantile(p, y, q):
    return q * (y - p) if y > p else (q - 1.0) * (y - p)


def quantile_slope(p, y, q):
    return 0.0 if p == y else (-q if y > p else 1.0 - q)


def welsch(p, y, c):
    return 0.5 * c * c * (1.0 - np.exp(-(((p - y) / c) ** 2)))


def welsch_slope(p, y, c):
    return (p - y) * np.exp(-(((p - y) / c) ** 2))


TWO = "float64(float64, float64)"
THREE = "float64(float64, float64, CPointer(float64))"


@pytest.fixture(scope="module", name="cfuncs")
def compiled_by_numba():
    def huber_at(p, y, par):
        return huber_in_c(p, y, par[0])

    def huber_slope_at(p, y, par):
        return min(max(p - y, -par[0]), par[0])

    huber_in_c = numba.njit(huber)
    pairs = {"two": (TWO, hinge, hinge_slope), "three": (THREE, huber_at, huber_slope_at)}
    return {name: [numba.cfunc(sig)(f) for f in both] for name, (sig, *both) in pairs.items()}


PAIRS = {
    "hinge": (losses.Hinge(), Custom(hinge, hinge_slope)),
    "log_loss": (losses.LogLoss(), Custom(logistic, logistic_slope)),
    "squared_error": (losses.SquaredError(), Custom(squared, squared_slope)),
    "huber": (losses.Huber(0.7), Custom(huber, huber_slope, (0.7,))),
    "quantile": (losses.Quantile(0.8), Custom(quantile, quantile_slope, [0.8])),
    "welsch": (losses.Welsch(2.0), Custom(welsch, welsch_slope, np.array([2]))),
}


def fit(loss, layout="dense", dtype="f8", heads=1, cls=SGDRegressor, **kwargs):
    X, y, s = rows()
    X, kwargs = LAYOUTS[layout](X.astype(dtype)), {"max_iter": 3, "tol": None, "random_state": 0, **kwargs}
    kwargs = {"learning_rate": "constant", "eta0": 0.01, **kwargs}  # "optimal" starts with steps that amplify rounding
    Y = y if heads == 1 else np.c_[y, -y, y + 1]
    if cls is SGDClassifier:
        Y = labels(y, 2 if heads == 1 else heads)
    return cls(loss, **kwargs).fit(X, Y, sample_weight=s)


BUILT_IN = [cls() for cls in LOSSES.values()] + [losses.Huber(2.0), losses.Quantile(0.9), losses.Cauchy(30.0)]
