"""scikit-learn's conventions around the engine."""

from fastsgd.estimators.classifier import SGDClassifier
from fastsgd.estimators.one_class import SGDOneClassSVM
from fastsgd.estimators.regressor import SGDRegressor

__all__ = ["SGDClassifier", "SGDOneClassSVM", "SGDRegressor"]
