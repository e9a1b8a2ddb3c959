"""scikit-learn's conventions around the engine."""

from fastsgd.estimators.classifier import SGDClassifier
from fastsgd.estimators.linear import LinearClassifier, LinearRegressor
from fastsgd.estimators.one_class import SGDOneClassSVM
from fastsgd.estimators.regressor import SGDRegressor

__all__ = ["LinearClassifier", "LinearRegressor", "SGDClassifier", "SGDOneClassSVM", "SGDRegressor"]
