"""SGDRegressorCV: alpha, l1_ratio and eta0 by cross-validation, all candidates and folds in one pass."""

from collections.abc import Callable
from typing import Any, Self

from numpy.typing import ArrayLike

from fastsgd.estimators.base_sgd_cv import CONSTRAINTS, BaseSGDCV
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, RandomState, Shuffle
from fastsgd.estimators.parts import RegressorParts
from fastsgd.estimators.regressor import SGDRegressor
from fastsgd.losses import Loss
from fastsgd.optimizers import Optimizer
from fastsgd.persist import storable
from fastsgd.schedules import Schedule


@storable
class SGDRegressorCV(RegressorParts, BaseSGDCV):
    """`SGDRegressor` with alpha, l1_ratio and eta0 chosen by cross-validation, all candidates and folds trained in one pass.

    Each candidate is trained on the rows of each fold as ``SGDRegressor(alpha=alpha, ...)`` would be on all rows, with weight 0
    for those held out. The one of the best score is then trained on all rows. Several targets have one alpha.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="squared_error"
        As in `SGDRegressor`.
    alphas, eps, penalty, l1_ratios, eta0s, cv, scoring, refit, refit_rule, halving
        As in `SGDClassifierCV`.
    fit_intercept, max_iter, tol, shuffle, verbose, epsilon, n_jobs, random_state, n_iter_no_change, average, max_seconds, \
intercept_decay, optimizer, batch_size, standardize
        As in `SGDClassifierCV`.
    learning_rate : str, object of fastsgd.schedules or callable, default="invscaling"
        As in `SGDRegressor`.
    power_t : float, default=0.25

    Attributes
    ----------
    alpha_, l1_ratio_, eta0_, alphas_, l1_ratios_, eta0s_, scores_, coefs_paths_, intercepts_paths_, n_iter_, stop_reasons_, \
cv_results_
        As in `SGDClassifierCV`; targets stand for classes.
    coef_, intercept_, history_, stop_reason_, n_features_in_, feature_names_in_
        Those of `SGDRegressor`, of the model of all rows.

    See Also
    --------
    SGDClassifierCV : has the notes and references.
    SGDRegressor : has the objective.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 10))
    >>> y = X[:, 0] + 0.3 * rng.standard_normal(500)
    >>> reg = SGDRegressorCV(eta0s=[0.001, 0.01, 0.1], random_state=0).fit(X, y)
    >>> reg.scores_.shape, bool(reg.score(X, y) > 0.85)
    ((5, 1, 20, 3), True)
    """

    _estimator_class = SGDRegressor
    _parameter_constraints: dict = {**CONSTRAINTS, "loss": SGDRegressor._parameter_constraints["loss"]}

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        alphas: int | ArrayLike = 20,
        eps: float | None = None,
        penalty: str = "l2",
        l1_ratios: ArrayLike = (0.15,),
        eta0s: float | ArrayLike | None = None,
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        refit_rule: str = "best",
        halving: int | None = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: Shuffle = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        n_jobs: int | None = None,
        random_state: RandomState = None,
        learning_rate: str | Schedule | Callable[[int], float] = "invscaling",
        power_t: float = 0.25,
        n_iter_no_change: int = 5,
        average: bool | int = False,
        max_seconds: float | None = None,
        intercept_decay: float | str = "auto",
        optimizer: str | Optimizer = "sgd",
        batch_size: int | str = 1,
        standardize: bool = False,
    ) -> None:
        self.loss = loss
        self.alphas = alphas
        self.eps = eps
        self.penalty = penalty
        self.l1_ratios = l1_ratios
        self.eta0s = eta0s
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.refit_rule = refit_rule
        self.halving = halving
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.power_t = power_t
        self.n_iter_no_change = n_iter_no_change
        self.average = average
        self.max_seconds = max_seconds
        self.intercept_decay = intercept_decay
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.standardize = standardize

    @one_at_a_time
    def fit(
        self,
        X: Data,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Data | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        **params: Any,
    ) -> Self:
        """Train the candidates, choose one, and train it on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
            A source that is larger than its buffer is read anew in each epoch, once for all candidates.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows, in training and in scoring.
        X_val, y_val, sample_weight_val : as X, y, sample_weight
            Rows that score the candidates in place of folds.
        **params
            As in `SGDClassifierCV.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data; a fold that can't be trained on; or every candidate diverged.
        KeyboardInterrupt
            On Ctrl-C; the estimator is then what it was before.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), params)

    def score(
        self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, **params: Any
    ) -> float:
        """The score of `scoring`; where that is None, R^2, mean over the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            The true targets. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None
        **params
            What the scorer takes, as by scikit-learn's metadata routing.

        Returns
        -------
        float
        """
        return self._score(X, y, sample_weight, params, super().score)
