"""Linear and logistic models by stochastic gradient descent, on data of any size, at compiled speed."""

from fastsgd import inspection, losses, optimizers, schedules, sources, stopping
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
    "inspection",
    "load",
    "losses",
    "optimizers",
    "schedules",
    "sources",
    "stopping",
]
