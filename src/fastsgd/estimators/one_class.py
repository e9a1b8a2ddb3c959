"""SGDOneClassSVM."""

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from fastsgd import losses
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, Path, RandomState, Shuffle
from fastsgd.estimators.parts import Parts
from fastsgd.estimators.progress import with_callbacks
from fastsgd.estimators.published import Attribute
from fastsgd.estimators.streams import by_blocks
from fastsgd.estimators.targets import Targets
from fastsgd.optimizers import Optimizer
from fastsgd.persist import storable
from fastsgd.record import Asked
from fastsgd.schedules import Schedule
from fastsgd.stopping import Stopping


@storable
class SGDOneClassSVM(OutlierMixin, Parts, BaseSGD):
    """Linear one-class SVM by stochastic gradient descent.

    Minimises ``mean_i max(0, 1 - (x_i.w + b)) + nu b + nu / 2 |w|_2^2``; the offset is 1 - b (Schoelkopf et al. 2001, in
    the form of scikit-learn's SGDOneClassSVM). Put a kernel approximation (sklearn.kernel_approximation) before it.

    Parameters
    ----------
    nu : float in (0, 1], default=0.5
        Bounds the share of training errors from above and that of support vectors from below.
    fit_intercept : bool, default=True
    max_iter : int, default=1000
    tol : float or None, default=1e-3
    shuffle : bool or "replace", default=True
    verbose : int, default=0
    random_state : int, RandomState or None, default=None
    learning_rate : str, object of fastsgd.schedules or callable, default="optimal"
        As in `SGDClassifier`, but for "pa1" and "pa2".
    eta0 : float, default=0.01
    power_t : float, default=0.5
    warm_start : bool, default=False
    average : bool or int, default=False
    max_seconds, callbacks, intercept_decay, optimizer, batch_size, stopping, init, n_init, gradient_noise
        As in `SGDClassifier`; there is no validation set, and no line search, for which the loss is not smooth enough.
    standardize : bool, default=False
        Train on x / std of each column, as in `SGDClassifier` but never centred: this model separates the rows from the
        origin, which must stay where it is.
    n_jobs, parallel
        As in `SGDRegressor`.
    half_life : float, "auto" or None, default=None
        As in `SGDRegressor`, of the average.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    offset_ : ndarray of shape (1,)
        ``decision_function = score_samples - offset_``.
    n_iter_, t_, history_, progressive_, stop_reason_, record_, path_, optimizer_state_, mean_, scale_, half_life_
        As in `SGDClassifier`.
    n_features_in_, feature_names_in_
        As in `SGDClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDOneClassSVM
    >>> X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
    >>> clf = SGDOneClassSVM(random_state=42, tol=None).fit(X)
    >>> print(clf.predict([[4, 4]]))
    [1]
    """

    loss_functions = {"hinge": (losses.Hinge,)}
    _of_y, _sizes = (), {"K": 1, "ndim": 1}
    _parameter_constraints: dict = {
        **BaseSGD._parameter_constraints,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        nu: float = 0.5,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float | None = 1e-3,
        shuffle: Shuffle = True,
        verbose: int = 0,
        random_state: RandomState = None,
        learning_rate: str | Schedule | Callable[[int], float] = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        warm_start: bool = False,
        average: bool | int = False,
        *,
        max_seconds: float | None = None,
        callbacks: Any = None,
        intercept_decay: float | str = "auto",
        optimizer: str | Optimizer = "sgd",
        batch_size: int | str = 1,
        stopping: str | Stopping | Sequence[str | Stopping] | None = None,
        init: str | float | ArrayLike | None = "zeros",
        n_init: int = 1,
        gradient_noise: float = 0.0,
        standardize: bool = False,
        n_jobs: int | None = None,
        parallel: str = "deterministic",
        half_life: float | str | None = None,
    ) -> None:
        self.nu = nu
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.warm_start = warm_start
        self.average = average
        self.max_seconds = max_seconds
        self.callbacks = callbacks
        self.intercept_decay = intercept_decay
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.stopping = stopping
        self.init = init
        self.n_init = n_init
        self.gradient_noise = gradient_noise
        self.standardize = standardize
        self.n_jobs = n_jobs
        self.parallel = parallel
        self.half_life = half_life

    @property
    def _alpha(self):
        return self.nu

    @property
    def _nu(self):
        return self.nu

    @one_at_a_time
    @with_callbacks
    def fit(
        self,
        X: Data,
        y: ArrayLike | None = None,
        coef_init: ArrayLike | None = None,
        offset_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        resume_from: Path | None = None,
        record: str | Sequence[str] | None = None,
        record_every: int | str = "epoch",
    ) -> Self:
        """Train from zero, or from the coefficients given.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : ignored
        coef_init : ndarray of shape (n_features,), default=None
        offset_init : ndarray of shape (1,), default=None
        sample_weight : array-like of shape (n_samples,), default=None
        resume_from : str or path-like, default=None
            File of a `Checkpoint`, with which this fit goes on.
        record, record_every
            As in `SGDClassifier.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError, FileNotFoundError, KeyboardInterrupt
            As `SGDClassifier.fit`.
        """
        init, asked = (coef_init, offset_init), Asked.of(record, record_every)
        return self._fit(X, None, sample_weight, init, resume_from=resume_from, asked=asked)

    def _init(self, coef_init, offset_init):
        if offset_init is not None:
            offset_init = 1.0 - self._intercept(1, offset_init, "offset_init")
        return super()._init(coef_init, offset_init)

    @one_at_a_time
    def partial_fit(
        self,
        X: Data,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        record: str | Sequence[str] | None = None,
        record_every: int | str = "epoch",
    ) -> Self:
        """One pass over these rows, from where the last call stopped.

        Entries of `coef_` and `offset_` that were edited since are taken over: such a weight is its own average and owes no
        L1 penalty, and its slots of the optimizer stay.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : ignored
        sample_weight : array-like of shape (n_samples,), default=None
        record, record_every
            As in `fit`.

        Returns
        -------
        SGDOneClassSVM
            This estimator.
        """
        return self._partial_fit(X, None, sample_weight, asked=Asked.of(record, record_every))

    def _targets(self):
        return Targets()

    def _columns(self):
        return ()

    def _attributes(self, coef, intercept):
        return {"coef_": coef[0], "offset_": 1 - intercept}

    _names, _initial_intercept = ("coef_", "offset_"), 1.0
    offset_ = Attribute()

    def _as_exported(self, offset):
        return {"kind": "outliers", "intercept": -offset}

    def _at_zero(self, offset):
        return -super()._at_zero(offset)

    def _raw_intercept(self):
        return 1.0 - np.asarray(self.offset_, np.float64)

    @by_blocks
    def decision_function(self, X: Data) -> NDArray[Any]:
        """Signed distance to the hyperplane, positive inside.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        products, offset = self._products(X)
        return products.ravel() - np.ravel(offset)

    @by_blocks
    def score_samples(self, X: Data) -> NDArray[Any]:
        """x.w, the score before the offset.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self._products(X)[0].ravel()

    @by_blocks
    def predict(self, X: Data) -> NDArray[Any]:
        """1 for rows inside, -1 for those outside.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source

        Returns
        -------
        int32 ndarray of shape (n_samples,)
        """
        return np.where(self.decision_function(X) >= 0, 1, -1).astype(np.int32)
