"""Linear and logistic models by stochastic gradient descent, on data of any size, at compiled speed."""

from fastsgd import inspection, losses, optimizers, schedules, sources, stopping
from fastsgd._version import __version__ as __version__
from fastsgd.any_function import minimize
from fastsgd.diagnosis import diagnose
from fastsgd.estimators import (
    LinearClassifier,
    LinearClassifierCV,
    LinearRegressor,
    LinearRegressorCV,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    SGDRegressorCV,
)
from fastsgd.persist import Checkpoint, load

__all__ = [
    "Checkpoint",
    "LinearClassifier",
    "LinearClassifierCV",
    "LinearRegressor",
    "LinearRegressorCV",
    "SGDClassifier",
    "SGDClassifierCV",
    "SGDOneClassSVM",
    "SGDRegressor",
    "SGDRegressorCV",
    "diagnose",
    "inspection",
    "load",
    "losses",
    "minimize",
    "optimizers",
    "schedules",
    "sources",
    "stopping",
]
