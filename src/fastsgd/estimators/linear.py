"""LinearClassifier and LinearRegressor: the objective solved to a certificate."""

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from fastsgd import losses, penalties
from fastsgd.estimators.base_linear import BaseLinear
from fastsgd.estimators.functions import ObjectiveFunctions
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, RandomState
from fastsgd.estimators.parts import ClassifierParts, RegressorParts
from fastsgd.estimators.progress import with_callbacks
from fastsgd.losses import Loss
from fastsgd.persist import storable

SOLVED = {
    task: {name: cls for name, cls in losses.LOSSES.items() if task in cls.solved}
    for task in ("classifier", "regressor")
}
TOGETHER = {name: cls for name, cls in losses.MULTICLASS.items() if cls.solved}


def check_together(multi_class, penalty, l1):
    """ValueError where classes can't be solved together with that L1."""
    if l1 and multi_class != "ovr" and not TOGETHER[multi_class].solved_with_l1:
        raise ValueError(
            f"multi_class={multi_class!r} takes penalty='l2' or None, got {penalty!r}: use multi_class='ovr', or SGDClassifier."
        )


@storable
class LinearClassifier(ClassifierParts, ObjectiveFunctions, BaseLinear):
    """Logistic regression and linear support vector machines, solved to a certificate, with nothing to tune.

    Minimises::

        F(w, b) = sum_i s_i loss(x_i.w + b, y_i) / sum_i s_i + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2)

    There is no step size, and X need not be scaled. With more than two classes it is one against the rest, or softmax.

    Parameters
    ----------
    loss : {"log_loss", "hinge", "squared_hinge", "modified_huber"} or such an object of fastsgd.losses, default="log_loss"
        "log_loss" also takes soft labels: a float y in [0, 1] is then the probability of class 1.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
    alpha : float, default=1e-4
        Strength of the penalty. The C of scikit-learn's `LogisticRegression` is 1 / (alpha n_samples).
    l1_ratio : float or None, default=0.15
        Share of L1 in "elasticnet".
    fit_intercept : bool, default=True
        The intercept bears no penalty.
    tol : float, default=1e-4
        Training stops when the objective is proven to be within this share of the least one: a relative gap, which means
        the same on every data set.
    max_iter : int, default=1000
        Passes at most, for each head.
    class_weight : dict, "balanced" or None, default=None
    multi_class : {"ovr", "multinomial"}, default="ovr"
        One problem for each class, or one for all of them (softmax; with loss="log_loss" and penalty "l2" or None).
    random_state : int, RandomState or None, default=None
        Seeds the order of the rows and the samples. The result depends on it to within `tol`.
    n_jobs : int or None, default=None
        Threads (joblib's convention: None is one, -1 all cores), which take classes, and blocks of rows where there are enough:
        see `docs/threads.md`. The result has the same bits whatever their number.
    warm_start : bool, default=False
        `fit` starts from the last coefficients and dual points, if their shapes agree: along a path of alphas.
    callbacks : callable or list of callables, default=None
        Called after each pass with one argument (epoch, history, estimator); True stops the fit, any other value is
        ignored. Those of scikit-learn's protocol (`sklearn.callback`) go to `set_callbacks`.
    verbose : int, default=0
        1 prints a line a pass.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Of the dtype of X.
    intercept_ : float64 ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    dual_gap_ : float
        (F - D) / F, F the objective of the model that is returned, D a lower bound of the least one: of the class where it is
        largest.
    stop_reason_ : str
        "certified": ``dual_gap_ <= tol``. "estimated": by an estimate that proves nothing, where there is no bound.
        "precision": rounding allowed no more; a warning says so where that matters. "max_iter", "callback" or "interrupted".
    n_iter_ : int
        Passes of the class that took most.
    history_ : structured array
        One record a pass: epoch, head, objective, gap (F - D), seconds.
    n_features_in_, feature_names_in_

    See Also
    --------
    SGDClassifier : for data that come in pieces, and for losses that are not convex.

    Notes
    -----
    Smooth losses: a quasi-Newton method that starts from the Hessian of a sample of the rows, or from a diagonal; with L1 and
    many columns Newton's method on those that are needed. All else,
    and wide text: proximal-point dual coordinate ascent, and interior points where that takes long and there are not too many
    columns. Which is to be faster is estimated beforehand. Softmax: L-BFGS.

    References
    ----------
    Shalev-Shwartz and Zhang (2013), Stochastic dual coordinate ascent methods for regularized loss minimization. Nocedal
    and Wright (2006), Numerical optimization. Mehrotra (1992), On the implementation of a primal-dual interior point method.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3)) * [1.0, 1e-3, 1e4]
    >>> y = X @ [1.0, 1e3, 1e-4] + rng.standard_normal(1000) > 0
    >>> clf = LinearClassifier(random_state=0).fit(X, y)
    >>> clf.stop_reason_, clf.dual_gap_ <= 1e-4
    ('certified', True)
    """

    _parameter_constraints: dict = {
        **BaseLinear._parameter_constraints,
        "loss": [StrOptions(set(SOLVED["classifier"])), *SOLVED["classifier"].values()],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "multi_class": [StrOptions({"ovr", *TOGETHER})],
    }

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        tol: float | None = 1e-4,
        max_iter: int = 1000,
        class_weight: Mapping[Any, float] | str | None = None,
        multi_class: str = "ovr",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.multi_class = multi_class
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose

    def _check_params(self):
        super()._check_params()
        check_together(self.multi_class, self.penalty, penalties.weights(self.penalty, self.alpha, self.l1_ratio)[0])

    @one_at_a_time
    @with_callbacks
    def fit(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Solve it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Not copied where it is C-ordered float32 or float64, or CSR: it must not change during the call.
        y : array-like of shape (n_samples,)
            Labels; with loss="log_loss" also probabilities of class 1, with "multinomial" a distribution in each row.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data.
        KeyboardInterrupt
            On Ctrl-C, once the estimator is fitted to what was done by then.
        """
        return self._fit(X, y, sample_weight)


@storable
class LinearRegressor(RegressorParts, ObjectiveFunctions, BaseLinear):
    """Linear regression (least squares, robust, support vector, quantile, Poisson, gamma), solved to a certificate.

    Minimises::

        F(w, b) = sum_i s_i loss(x_i.w + b, y_i) / sum_i s_i + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2)

    There is no step size, and neither X nor y need be scaled. Several targets are solved one by one.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="squared_error"
        "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile" (the median;
        `losses.Quantile(0.9)` for another), "poisson", "gamma" (log link: `predict` gives the mean). `losses.Huber(1.0)`
        sets epsilon, in units of y.
    penalty, alpha, l1_ratio, fit_intercept, tol, max_iter, random_state, n_jobs, warm_start, callbacks, verbose
        As in `LinearClassifier`. The alpha of scikit-learn's `Ridge` is alpha n_samples; that of `ElasticNet` is alpha.
    solver : {"auto", "normal"}, default="auto"
        "normal" is the closed form of least squares, by the normal equations [1]_, ``(X' S X / s + alpha I) w = X' S y / s``
        with X and y less their means, S the weights of the rows and s their sum: exact to rounding, whatever `tol`. It needs
        the squared error and no L1, and takes n d^2 + d^3 / 3 multiplications, whereas a pass of gradient descent takes 2 n d.
        Where columns depend on each other, and there is no penalty, it is one of the solutions. "auto" ends when the model is
        certified to `tol`.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float64 ndarray of shape (1,) or (n_targets,)
    dual_gap_, stop_reason_, n_iter_, history_, n_features_in_, feature_names_in_
        As in `LinearClassifier`.
    cost_ : dict
        With solver="normal", the multiplications: "normal", of the normal equations, and "pass", of a pass of gradient descent
        over the same rows. Their ratio is how many passes cost as much.

    See Also
    --------
    LinearClassifier : has the notes and references.
    SGDRegressor : for data that come in pieces, and for losses that are not convex.

    References
    ----------
    .. [1] Hastie, Tibshirani and Friedman (2009), The elements of statistical learning, sections 3.2 and 3.4.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearRegressor, losses
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 4.0
    >>> reg = LinearRegressor(losses.Quantile(0.5), alpha=1e-3, random_state=0).fit(X, y)
    >>> print(np.round(reg.coef_, 1), np.round(reg.intercept_, 1), reg.stop_reason_)
    [1. 2. 3.] [4.] certified

    In closed form, which costs as much as two passes here:

    >>> ridge = LinearRegressor(alpha=0.5, solver="normal").fit(X, y)
    >>> A, r = X - X.mean(axis=0), y - y.mean()
    >>> right = np.linalg.solve(A.T @ A / 1000 + 0.5 * np.eye(3), A.T @ r / 1000)
    >>> print(np.allclose(ridge.coef_, right, rtol=1e-12), round(ridge.cost_["normal"] / ridge.cost_["pass"], 2))
    True 2.0
    """

    _parameter_constraints: dict = {
        **BaseLinear._parameter_constraints,
        "loss": [StrOptions(set(SOLVED["regressor"])), *SOLVED["regressor"].values()],
        "solver": [StrOptions({"auto", "normal"})],
    }
    _left = (*BaseLinear._left, "cost_")

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        tol: float | None = 1e-4,
        max_iter: int = 1000,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        warm_start: bool = False,
        callbacks: Any = None,
        verbose: int = 0,
        solver: str = "auto",
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.solver = solver

    def _check_params(self):
        super()._check_params()
        if self.solver == "normal":
            self._check_normal()

    def _check_normal(self):
        l1, _ = penalties.weights(self.penalty, self.alpha, self.l1_ratio)
        loss = self._loss()
        wrong = None if loss.quadratic else f"loss='squared_error', got loss={loss.name!r}"
        if wrong is None and l1:
            wrong = f"penalty='l2' or None, got penalty={self.penalty!r}"
        if wrong:
            raise ValueError(
                f"solver='normal' is the closed form of least squares: it needs {wrong}. solver='auto' takes it."
            )

    def _fit_to(self, heads):
        super()._fit_to(heads)
        if self.solver == "normal":
            from fastsgd.solvers.normal import multiplications

            self.cost_ = multiplications(heads.table.X, self.fit_intercept, heads.K)

    @one_at_a_time
    @with_callbacks
    def fit(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Solve it.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Not copied where it is C-ordered float32 or float64, or CSR: it must not change during the call.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data.
        KeyboardInterrupt
            On Ctrl-C, once the estimator is fitted to what was done by then.
        """
        return self._fit(X, y, sample_weight)
