"""LinearClassifierCV and LinearRegressorCV: alpha and l1_ratio by cross-validation, each point of each path with its proof."""

from collections.abc import Mapping
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from fastsgd.estimators.base_linear import Solved
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, RandomState
from fastsgd.estimators.linear import SOLVED, TOGETHER, check_together
from fastsgd.estimators.parts import ClassifierParts, RegressorParts
from fastsgd.estimators.paths import CONSTRAINTS, CrossValidated
from fastsgd.losses import Loss
from fastsgd.persist import storable


@storable
class LinearClassifierCV(CrossValidated, ClassifierParts, Solved):
    """`LinearClassifier` with alpha and l1_ratio chosen by cross-validation, each point of each path solved to a certificate.

    For each fold and l1_ratio the alphas fall, and each solution starts from the one before. The model of the alpha that is
    chosen is then solved on all rows.

    Parameters
    ----------
    loss : {"log_loss", "hinge", "squared_hinge", "modified_huber"} or such an object of fastsgd.losses, default="log_loss"
    alphas : int or array-like of shape (n_alphas,), default=30
        A number of them, on a logarithmic scale; or themselves. The largest follows from all rows. With L1 it is the least at
        which all coefficients are 0. With L2 alone it is one at which no model is better than a constant by more than 1% of
        its loss.
    eps : float or None, default=None
        The least alpha as a share of the largest, where `alphas` is a number; None is 1e-3 with L1, 1e-6 with L2 alone.
    penalty : {"l2", "l1", "elasticnet"}, default="l2"
    l1_ratios : array-like of shape (n_l1_ratios,), default=(0.15,)
        Shares of L1 in "elasticnet", each of which has a path.
    cv : int, splitter, iterable or None, default=None
        As in scikit-learn: a number of folds (None is 5), stratified for labels; a splitter; or pairs (train, test).
    scoring : str, callable or None, default=None
        None is minus the mean loss of the rows held out; where each class has a problem of its own, the mean of theirs. With
        "log_loss" and two classes, or "multinomial", that is scikit-learn's "neg_log_loss". Or a name of
        `sklearn.metrics.get_scorer_names()`, or a function (estimator, X, y): its estimator is a copy
        with scoring=None, and its rows are of a table if X is one.
    refit : bool, default=True
        Without, there is no model to predict with.
    refit_rule : {"best", "one_standard_error"}, default="best"
        The alpha and l1_ratio of the best mean score; or with that l1_ratio the largest alpha whose mean score is within one
        standard error, over the folds, of the best.
    fit_intercept, tol, max_iter, class_weight, multi_class, random_state
        As in `LinearClassifier`. class_weight="balanced" is that of all rows, and counts in training alone.
    n_jobs : int or None, default=None
        Threads, which take folds, l1_ratios, classes and blocks of rows. The result has the same bits whatever their number.
    verbose : int, default=0
        1 prints a line a path.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        What is chosen.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        They fall. Each l1_ratio has its own where `alphas` is a number and there are several.
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        (0.0,) with "l2", (1.0,) with "l1".
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_classes, n_features)
        With two classes there is one.
    intercepts_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_classes)
    dual_gaps_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        The `dual_gap_` of each point. A warning says how many of them are not proven to be within `tol`.
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Passes, or steps where none is needed (squared error); of the class that took most.
    cv_results_ : dict
        The scores by candidate, with the names that `GridSearchCV` has.
    coef_, intercept_, classes_, dual_gap_, stop_reason_, history_, n_features_in_, feature_names_in_
        Those of `LinearClassifier`, of the model of all rows.

    See Also
    --------
    LinearClassifier : has the objective, the notes and the references.

    Notes
    -----
    Each thread copies the rows of the fold that it is at. A scorer may be called by several threads at once; it is given the
    weights of the rows where it takes any.

    A fold may lack a class, if it has two: with one against the rest, the intercept of that class then says that it is never met.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent. Breiman,
    Friedman, Olshen and Stone (1984), Classification and regression trees: the rule of one standard error.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3)) * [1.0, 1e-3, 1e4]
    >>> y = X @ [1.0, 1e3, 1e-4] + rng.standard_normal(1000) > 0
    >>> clf = LinearClassifierCV(alphas=10, penalty="l1", random_state=0).fit(X, y)
    >>> clf.scores_.shape, bool(clf.dual_gaps_.max() <= 1e-4)
    ((5, 1, 10), True)
    """

    _parameter_constraints: dict = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(SOLVED["classifier"])), *SOLVED["classifier"].values()],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "multi_class": [StrOptions({"ovr", *TOGETHER})],
    }

    def __init__(
        self,
        loss: str | Loss = "log_loss",
        *,
        alphas: int | ArrayLike = 30,
        eps: float | None = None,
        penalty: str = "l2",
        l1_ratios: ArrayLike = (0.15,),
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        refit_rule: str = "best",
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 1000,
        class_weight: Mapping[Any, float] | str | None = None,
        multi_class: str = "ovr",
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.alphas = alphas
        self.eps = eps
        self.penalty = penalty
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.refit_rule = refit_rule
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.multi_class = multi_class
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _check_params(self):
        super()._check_params()
        check_together(self.multi_class, self.penalty, self._ratios().max())

    @one_at_a_time
    def fit(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, **params: Any) -> Self:
        """Solve the paths, choose, and solve the model of all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Labels; or probabilities, as in `LinearClassifier`, with scoring=None.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows, in training and in scoring.
        **params
            `groups`, which the splitter is given. With `sklearn.set_config(enable_metadata_routing=True)` whatever the
            splitter and the scorer have requested.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data; or a fold that can't be trained on.
        KeyboardInterrupt
            On Ctrl-C; the estimator is then what it was before.
        """
        return self._fit(X, y, sample_weight, params)

    def score(
        self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, **params: Any
    ) -> float:
        """The score of `scoring`; where that is None, the share of the rows, by weight, whose label is predicted.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,), default=None
            The true labels. A source as X has its own y and weights.
        sample_weight : array-like of shape (n_samples,), default=None
        **params
            What the scorer takes, as by scikit-learn's metadata routing.

        Returns
        -------
        float
        """
        return self._score(X, y, sample_weight, params, super().score)


@storable
class LinearRegressorCV(CrossValidated, RegressorParts, Solved):
    """`LinearRegressor` with alpha and l1_ratio chosen by cross-validation, each point of each path solved to a certificate.

    For each fold and l1_ratio the alphas fall, and each solution starts from the one before. The model of the alpha that is
    chosen is then solved on all rows. Several targets have one alpha.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="squared_error"
        As in `LinearRegressor`.
    alphas, eps, penalty, l1_ratios, cv, scoring, refit, refit_rule, fit_intercept, tol, max_iter, random_state, n_jobs, verbose
        As in `LinearClassifierCV`.

    Attributes
    ----------
    alpha_, l1_ratio_, alphas_, l1_ratios_, scores_, coefs_paths_, intercepts_paths_, dual_gaps_, n_iter_, cv_results_
        As in `LinearClassifierCV`; targets stand for classes.
    coef_, intercept_, dual_gap_, stop_reason_, history_, n_features_in_, feature_names_in_
        Those of `LinearRegressor`, of the model of all rows.

    See Also
    --------
    LinearClassifierCV : has the notes and references.
    LinearRegressor : has the objective.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import LinearRegressorCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 10))
    >>> y = X[:, 0] + 0.3 * rng.standard_normal(300)
    >>> reg = LinearRegressorCV(penalty="l1", refit_rule="one_standard_error", random_state=0).fit(X, y)
    >>> np.flatnonzero(reg.coef_)
    array([0])
    """

    _parameter_constraints: dict = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(SOLVED["regressor"])), *SOLVED["regressor"].values()],
    }

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        alphas: int | ArrayLike = 30,
        eps: float | None = None,
        penalty: str = "l2",
        l1_ratios: ArrayLike = (0.15,),
        cv: Any = None,
        scoring: Any = None,
        refit: bool = True,
        refit_rule: str = "best",
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 1000,
        random_state: RandomState = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.alphas = alphas
        self.eps = eps
        self.penalty = penalty
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring
        self.refit = refit
        self.refit_rule = refit_rule
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @one_at_a_time
    def fit(self, X: Data, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, **params: Any) -> Self:
        """Solve the paths, choose, and solve the model of all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows, in training and in scoring.
        **params
            As in `LinearClassifierCV.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data; or a fold that can't be trained on.
        KeyboardInterrupt
            On Ctrl-C; the estimator is then what it was before.
        """
        return self._fit(X, y, sample_weight, params)

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
