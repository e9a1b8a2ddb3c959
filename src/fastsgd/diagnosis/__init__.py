"""What `fastsgd.diagnose` returns: why a model does not learn, in words and numbers."""

from typing import Any

from numpy.typing import ArrayLike

from fastsgd.diagnosis.finding import Diagnosis, Finding
from fastsgd.estimators.hints import Data

__all__ = ["Diagnosis", "Finding"]


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

    Notes
    -----
    The least objective is solved to a certificate where the loss can be (as `LinearClassifier` and `LinearRegressor` do), and
    training goes on from the model with steps 0.001 to 100 times as long, for a few passes: how far each gets says whether steps
    were too long, too short, or too few. Step sizes follow from the curvature of the objective, and are tried before they
    are named. docs/diagnosis.md has the rule of each verdict, and their order. At most 4 million values of X are looked at, but
    20 rows for each column.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, section 3. Bottou, Curtis and Nocedal (2018), Optimization methods for
    large-scale machine learning, section 4: what a constant step comes to.

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
