"""The model in what users give, which may be a pipeline or a search: its loss, its coefficients, the names of its columns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def model_of(estimator: Any) -> Any:
    """The estimator itself; of a pipeline its last step, of a search its best estimator."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        else:
            return estimator


def loss_of(estimator: Any, argument: str) -> Any:
    """The loss of an estimator of fastsgd, fitted or not, as an object."""
    model = model_of(estimator)
    if not hasattr(model, "_loss"):
        raise ValueError(
            f"{argument} must be an estimator of fastsgd that has a loss, found {type(estimator).__name__}."
        )
    return model._loss()


def names_of_columns(estimator: Any, n: int) -> Any:
    """The names of the columns that the model sees, or None where they have none."""
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    names = getattr(model_of(estimator), "feature_names_in_", None)
    if names is None and hasattr(estimator, "steps"):
        try:
            names = estimator[:-1].get_feature_names_out()
        except (AttributeError, ValueError):  # A step has no names, or is no transformer of scikit-learn's.
            return None
    return names if names is not None and len(names) == n else None


def coefficients(estimator: Any, argument: str) -> NDArray[np.float64]:
    """`coef_` as a matrix, with a row for each class or target."""
    coef = getattr(estimator, "coef_", None)
    if coef is None:
        raise ValueError(
            f"{argument} must be a fitted linear model, found {type(estimator).__name__} without coef_: call fit first."
        )
    coef = coef.toarray() if hasattr(coef, "toarray") else coef
    return np.atleast_2d(np.asarray(coef, np.float64))
