"""Linear and logistic models by stochastic gradient descent, on data of any size, at compiled speed."""

from fastsgd import losses, optimizers, schedules
from fastsgd.estimators import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.persist import Checkpoint, load

__version__ = "0.1.0"
__all__ = [
    "Checkpoint",
    "LinearClassifier",
    "LinearRegressor",
    "SGDClassifier",
    "SGDOneClassSVM",
    "SGDRegressor",
    "load",
    "losses",
    "optimizers",
    "schedules",
]
