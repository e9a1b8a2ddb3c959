"""scikit-learn's conventions around the engine."""

from fastsgd.estimators.classifier import SGDClassifier
from fastsgd.estimators.classifier_cv import SGDClassifierCV
from fastsgd.estimators.linear import LinearClassifier, LinearRegressor
from fastsgd.estimators.linear_cv import LinearClassifierCV, LinearRegressorCV
from fastsgd.estimators.one_class import SGDOneClassSVM
from fastsgd.estimators.regressor import SGDRegressor
from fastsgd.estimators.regressor_cv import SGDRegressorCV

__all__ = [
    "LinearClassifier",
    "LinearClassifierCV",
    "LinearRegressor",
    "LinearRegressorCV",
    "SGDClassifier",
    "SGDClassifierCV",
    "SGDOneClassSVM",
    "SGDRegressor",
    "SGDRegressorCV",
]
