"""Why a model does not learn: a diagnosis in words and numbers."""

from typing import Any

from numpy.typing import ArrayLike

from fastsgd.diagnosis.finding import Diagnosis, Finding
from fastsgd.estimators.hints import Data

__all__ = ["Diagnosis", "Finding", "diagnose"]


def diagnose(
    est: Any,
    X: Data | None = None,
    y: ArrayLike | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    X_val: Data | None = None,
    y_val: ArrayLike | None = None,
) -> Diagnosis:
    """Say why a fitted model does not learn, or that it has, and what to do next.

    Parameters
    ----------
    est : SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier or LinearRegressor, or one of the CV classes
        Fitted, by `fit` or `partial_fit`; also after a fit that ended with an error. It is not changed.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source, default=None
        The rows of training. None: only what the estimator remembers is looked at.
    y : array-like, default=None
    sample_weight : array-like of shape (n_samples,), default=None
    X_val, y_val : default=None
        Rows that were not trained on. Without them, five models are trained on parts of the rows where these are few for the
        number of columns.

    Returns
    -------
    Diagnosis
        `verdict`, the name of the main finding; `findings`, all of them; `str()` says them in words.

    Raises
    ------
    ValueError
        An estimator that is none of these, or data that it does not take.
    NotFittedError
        An estimator that is not fitted.

    See Also
    --------
    inspection.step_sizes : many step sizes beside each other.
    inspection.plot_history : draws a training.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor, diagnose
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 4))
    >>> y = X @ [1.0, 2.0, 3.0, 4.0] + rng.standard_normal(500)
    >>> reg = SGDRegressor(learning_rate="constant", eta0=1e-6, max_iter=20, tol=None, random_state=0).fit(X, y)
    >>> found = diagnose(reg, X, y)
    >>> found.verdict
    'still_falling'
    >>> reg.set_params(eta0=found["still_falling"].numbers["eta0"]).fit(X, y).score(X, y) > 0.9
    True
    """
    from fastsgd.diagnosis.judging import judged

    return judged(est, X, y, sample_weight, X_val, y_val)
