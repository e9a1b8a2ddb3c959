"""SGDClassifierCV: alpha, l1_ratio and eta0 by cross-validation, all candidates and folds in one pass."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from numpy.typing import ArrayLike

from fastsgd.estimators.base_sgd_cv import CONSTRAINTS, BaseSGDCV
from fastsgd.estimators.classifier import SGDClassifier
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, RandomState, Shuffle
from fastsgd.estimators.parts import ClassifierParts
from fastsgd.losses import Loss
from fastsgd.optimizers import Optimizer
from fastsgd.persist import storable
from fastsgd.schedules import Schedule


@storable
class SGDClassifierCV(ClassifierParts, BaseSGDCV):
    """`SGDClassifier` with alpha, l1_ratio and eta0 chosen by cross-validation, all candidates and folds trained in one pass.

    Each candidate is trained on the rows of each fold as ``SGDClassifier(alpha=alpha, ...)`` would be on all rows, with weight 0
    for those held out: it takes the steps ``w -= eta (s slope(x.w + b, y) x + alpha w)`` (with L2) along the others, in their
    order. A value of X is loaded once for all of them. The one of the best score is then trained on all rows.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="hinge"
        As in `SGDClassifier`.
    alphas : int or array-like of shape (n_alphas,), default=20
        A number of them, on a logarithmic scale; or themselves. The largest follows from all rows. With L1 it is the least at
        which all coefficients of the least objective are 0. With L2 alone it is one at which no model is better than a constant
        by more than 1% of its loss.
    eps : float or None, default=None
        The least alpha as a share of the largest, where `alphas` is a number; None is 1e-3 with L1, 1e-5 with L2 alone.
    penalty : {"l2", "l1", "elasticnet"}, default="l2"
    l1_ratios : array-like of shape (n_l1_ratios,), default=(0.15,)
        Shares of L1 in "elasticnet".
    eta0s : float, array-like of shape (n_eta0s,) or None, default=None
        Step sizes, as `eta0` of `SGDClassifier`: one, or several to choose from; None is 0.01. Unused by "optimal".
    cv : int, splitter, iterable or None, default=None
        As in scikit-learn: a number of folds (None is 5), stratified for labels; a splitter; or pairs (train, test). Of a source
        that is larger than memory a number alone: each row then goes to a fold that is drawn by its number. With X_val None.
    scoring : str, callable or None, default=None
        None is minus the mean loss of the rows held out; where each class has a problem of its own, the mean of theirs. Or a
        name of `sklearn.metrics.get_scorer_names()`, or a function (estimator, X, y): its estimator is a copy
        with scoring=None, and its rows are of a table if X is one.
    refit : bool, default=True
        Without, there is no model to predict with.
    refit_rule : {"best", "one_standard_error"}, default="best"
        The candidate of the best mean score; or with its l1_ratio and eta0 the largest alpha whose mean score is within one
        standard error, over the folds, of the best.
    halving : int or None, default=None
        Successive halving, with this as the `factor` of `HalvingGridSearchCV`, and epochs as the resource: after 1 epoch,
        `halving`, its square, and so on, one in `halving` candidates goes on, those of the best mean scores so far; the others
        are left out, and never chosen.
    fit_intercept, shuffle, epsilon, learning_rate, power_t, class_weight, average, intercept_decay, optimizer, batch_size, \
multi_class, standardize
        As in `SGDClassifier`. class_weight="balanced" is that of all rows, and counts in training alone. standardize=True takes
        mean and standard deviation of the rows of each fold.
    max_iter, tol, n_iter_no_change
        As in `SGDClassifier`, for each model by itself.
    max_seconds : float or None, default=None
        Time budget of `fit`. Candidates are trained for three quarters of it at most; those that are under way then are scored as
        they are.
    random_state : int, RandomState or None, default=None
        Seeds the order of the rows, which is one for all candidates, and folds that are drawn.
    n_jobs : int or None, default=None
        Threads, which share out the models, in training and in scoring by the loss. Scorers, and the model of all rows, take
        one. The result has the same bits whatever their number.
    verbose : int, default=0
        1 prints a line an epoch.

    Attributes
    ----------
    alpha_, l1_ratio_, eta0_ : float
        What is chosen; `eta0_` is 0.01 where `eta0s` is None, and "optimal" and "auto" do without it.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratios, n_alphas)
        They fall. Each l1_ratio has its own where `alphas` is a number and there are several.
    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        (0.0,) with "l2", (1.0,) with "l1".
    eta0s_ : ndarray of shape (n_eta0s,)
        They rise.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Where `eta0s` is an array, be it of one, a last axis follows, of n_eta0s; likewise below (in paths it comes after
        n_alphas), and `cv_results_` has "param_eta0". NaN where a model diverged: its candidate is not chosen, and a warning
        says which. Another tells of a choice whose loss is more than ten times that of zero weights.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_classes, n_features)
        With two classes there is one.
    intercepts_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_classes)
    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Epochs.
    stop_reasons_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        "objective", "max_iter", "max_seconds", "diverged" or "dropped".
    cv_results_ : dict
        The scores by candidate, with the names that `GridSearchCV` has, and "dropped_at": the epoch after which a candidate was
        left out, or 0. Its score is that of this epoch.
    coef_, intercept_, classes_, history_, stop_reason_, n_features_in_, feature_names_in_
        Those of `SGDClassifier`, of the model of all rows.

    See Also
    --------
    SGDClassifier : has the objective, the notes on training, and the references.
    LinearClassifierCV : solves each point to a certificate.

    Notes
    -----
    With plain SGD or AdaGrad along single rows, and classes one against the rest, all models are columns of one matrix of
    weights; with standardize=True, or where folds overlap, those of each fold are. Other optimizers, batches,
    learning_rate="auto" and classes together are trained beside each other on rows that are read once, which takes about as
    long as one after another.

    Training takes memory for up to eight times the weights of all models (with averages or L1 twelve), of which `coefs_paths_`
    are kept; nothing else grows with their number. The model of all rows is trained last, as by `SGDClassifier` itself on one
    thread, and has the same bits.

    With `halving`, candidates are compared after few epochs, when the effect of a small alpha may be yet to come. With 20 alphas
    and halving=3, on samples of four sets of real data, it took a third to a sixth of the time where models stop by `tol`, and
    two thirds of it in 5 epochs; the loss of the alpha that was chosen was the best one's, or up to 2.5% above it (on one made
    set 3.7%, in 5 epochs).

    References
    ----------
    Jamieson and Talwalkar (2016), Non-stochastic best arm identification and hyperparameter optimization: successive halving.
    Breiman, Friedman, Olshen and Stone (1984), Classification and regression trees: the rule of one standard error.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDClassifierCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 5))
    >>> y = X @ [1.0, -1.0, 0.5, 0.0, 0.0] + rng.standard_normal(1000) > 0
    >>> clf = SGDClassifierCV("log_loss", alphas=10, max_iter=5, tol=None, random_state=0).fit(X, y)
    >>> clf.scores_.shape, clf.coefs_paths_.shape
    ((5, 1, 10), (5, 1, 10, 1, 5))
    >>> bool(clf.alpha_ == clf.alphas_[clf.scores_.mean(axis=(0, 1)).argmax()])
    True
    """

    _estimator_class = SGDClassifier
    _parameter_constraints: dict = {
        **CONSTRAINTS,
        **{name: SGDClassifier._parameter_constraints[name] for name in ("loss", "class_weight", "multi_class")},
    }

    def __init__(
        self,
        loss: str | Loss = "hinge",
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
        learning_rate: str | Schedule | Callable[[int], float] = "optimal",
        power_t: float = 0.5,
        n_iter_no_change: int = 5,
        class_weight: Mapping[Any, float] | str | None = None,
        average: bool | int = False,
        max_seconds: float | None = None,
        intercept_decay: float | str = "auto",
        optimizer: str | Optimizer = "sgd",
        batch_size: int | str = 1,
        multi_class: str = "ovr",
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
        self.class_weight = class_weight
        self.average = average
        self.max_seconds = max_seconds
        self.intercept_decay = intercept_decay
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.multi_class = multi_class
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
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels; or probabilities, as in `SGDClassifier`, with scoring=None.
        sample_weight : array-like of shape (n_samples,), default=None
            Of the rows, in training and in scoring.
        X_val, y_val, sample_weight_val : as X, y, sample_weight
            Rows that score the candidates in place of folds: then each is trained on all of X, and the scores are those of a
            single fold.
        **params
            `groups`, which the splitter is given. With `sklearn.set_config(enable_metadata_routing=True)` whatever the
            splitter and the scorer have requested.

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
