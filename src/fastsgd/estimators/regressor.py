"""SGDRegressor."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from fastsgd import losses
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.bootstrap import ResampledIntervals
from fastsgd.estimators.functions import ObjectiveFunctions
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, Labels, Path, RandomState, Shuffle
from fastsgd.estimators.parts import RegressorParts
from fastsgd.estimators.progress import with_callbacks
from fastsgd.estimators.published import Attribute
from fastsgd.estimators.segmented import RegressorBySegment
from fastsgd.losses import Loss
from fastsgd.optimizers import Optimizer
from fastsgd.persist import storable
from fastsgd.record import Asked
from fastsgd.schedules import Schedule
from fastsgd.stopping import Stopping

LOSSES = {name: cls for name, cls in losses.LOSSES.items() if "regressor" in cls.task}


@storable
class SGDRegressor(RegressorBySegment, RegressorParts, ObjectiveFunctions, ResampledIntervals, BaseSGD):
    """Linear regression (least squares, robust, quantile, Poisson, gamma) trained by stochastic gradient descent.

    Minimises ``sum_i s_i loss(x_i.w + b, y_i) / sum_i s_i + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2)``, one
    row or batch at a time; with several targets all of them in one pass over the data.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="squared_error"
        "squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive", "quantile" (the median;
        `losses.Quantile(0.9)` for another), "poisson" and "gamma" (log link: `predict` gives the mean); against outliers
        "tukey", "cauchy" and "welsch" (not convex); or an object, such as one of your own, ``losses.Custom(value, slope)``.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
    alpha : float or "auto", default=1e-4
        Strength of the penalty. With learning_rate="auto" on CSR the first pass may end with less of L2: see
        the notes of `SGDClassifier`. "auto": of 1e-6, 1e-5, 1e-4 and 1e-3 the one that does best on rows not learnt from, also
        in `partial_fit`; see there too.
    l1_ratio : float or None, default=0.15
        Share of L1 in "elasticnet".
    fit_intercept : bool, default=True
    max_iter : int or "auto", default=1000
        Epochs at most; 0 gives the model of the start. "auto": until the loss of rows that were not learnt from no longer falls,
        10 at most, and the model of the best one; see the notes of `SGDClassifier`.
    tol : float or None, default=1e-3
        Training stops when the objective (with a validation set: the score) has not improved by tol for
        n_iter_no_change epochs in a row, and the weights of the best epoch are returned. None: never, and the weights of
        the last epoch are returned, or of the best score on X_val. Unused by max_iter="auto".
    shuffle : bool or "replace", default=True
        A new order of the rows in each epoch. "replace": each step's row is drawn anew, every row as likely as another, so
        that of n draws, which are an epoch, a row gets none or several. `sources.visiting_order` gives the order.
    verbose : int, default=0
        1 prints a line an epoch.
    epsilon : float, default=0.1
        Of the huber and epsilon-insensitive losses.
    random_state : int, RandomState or None, default=None
        Seeds the order of the rows and the validation split.
    learning_rate : str, object of fastsgd.schedules or callable, default="invscaling"
        "invscaling", "constant", "optimal", "adaptive", "pa1", "pa2", "exponential", "step", "cosine", "one_cycle".
        "optimal" is made for plain SGD; with another optimizer it is the same as "constant". optimizer="ftrl" takes its
        step sizes from eta0 alone. Or a function t -> step size, t = 1, 2, ... the number of the step: `schedules.Custom`.
        "auto": nothing to choose, and no need to scale X; see the notes of `SGDClassifier`.
    eta0 : float, default=0.01
        First (for "cosine", "one_cycle" highest) step size. `inspection.step_sizes` finds one.
    power_t : float, default=0.25
        Exponent of "invscaling".
    early_stopping : bool, default=False
        Split off validation_fraction of the rows (copied, unlike the others), stop by the score on them, return the best
        weights. With `stopping` it is that which stops; the best weights are returned if "validation" is among it. Of a
        source that is not held in memory it is that share of each block.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=5
    warm_start : bool, default=False
        `fit` starts from the coefficients of the last one.
    average : bool or int, default=False
        Return the average of the weights over all steps, or from step `average` on. With an L1 penalty it is the
        gradient steps that are averaged; the penalty counts as it stands at the end (as in scikit-learn).
    validation_scoring : None, "loss", str or callable, default=None
        What scores the validation set: None the estimator's `score`; "loss" minus the mean loss; the name of a
        scikit-learn scorer; or a callable (estimator, X, y). With weights it is given sample_weight, and one that takes none
        is a ValueError. With max_iter="auto" None is "loss".
    max_seconds : float or None, default=None
        Time budget of `fit`, of all its starts together.
    callbacks : callable, Checkpoint, or list of these, default=None
        Called at the end of each epoch with one argument (epoch, history, estimator); True stops the fit,
        any other value is ignored. A
        `fastsgd.Checkpoint` writes to a file what is done so far.
    intercept_decay : float or "auto", default="auto"
        Factor of the intercept's step. "auto" is 0.01 on CSR for optimizer="sgd", batch_size=1 and standardize=False, as
        in scikit-learn; else 1.
    optimizer : str or object of fastsgd.optimizers, default="sgd"
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "ftrl". On CSR see `lazy` there.
    batch_size : int or "full", default=1
        Rows of a step, which is along the mean of their slopes (rows of weight zero are not counted). "full" is gradient
        descent. The last batch of a pass, or of a call of `partial_fit`, may be shorter.
    stopping : str, object of fastsgd.stopping, or list of them, default=None
        "objective", "gradient" (norm of the gradient of the objective), "parameters" (their relative change) or
        "validation", by the formulas in `fastsgd.stopping`: the first that is over ends the training. A name takes `tol`, and
        n_iter_no_change. None is "validation" with a validation set, else "objective".
    init : {"zeros", "normal"}, float, array-like of shape of `coef_` or None, default="zeros"
        Initial weights; "normal" has a standard deviation of 1 / sqrt(n_features), a number is one (of standardised columns
        with `standardize`), and an array has the weights, unless coef_init is given; None is "zeros". With max_iter=0 the
        model is that of the start, so that it can be scored.
    n_init : int, default=1
        Train so often, from other initial weights and in another order, and keep the model of least objective: for
        losses that are not convex.
    gradient_noise : float, default=0.0
        Variance of normal noise added to each slope in W, falling as 1 / (1 + t)^0.55 (Neelakantan et al. 2015); each step
        then costs O(n_features).
    standardize : bool, default=False
        Train on (x - mean) / std of each column, without a copy of X; y stays as it is. `coef_` and `intercept_` are in
        the units of X; the penalty is on the standardised coefficients. See the notes of `SGDClassifier`.
    n_jobs : int or None, default=None
        Threads, as joblib counts: None is 1, -1 all cores. 48 and more targets are shared out among them (with
        learning_rate="auto" on CSR 2 and more), and the result is bit for bit that of n_jobs=1. What else they do is said
        at `parallel`. Small data are trained on one thread.
    parallel : {"deterministic", "hogwild"}, default="deterministic"
        What n_jobs > 1 does to one model. "deterministic": each thread trains a copy on some rows of a block, and the mean of
        the copies is trained on: the same result on every run for a given n_jobs, and another than that of n_jobs=1. It is
        done of steps of plain SGD along single rows; of large batches the slopes are added up on threads; other
        optimizers, learning_rate="auto" on CSR and line searches take one thread. "hogwild": all threads move the same weights
        without locks, by plain SGD along single rows with no penalty but L2: no two runs are the same. See docs/threads.md.
    n_bootstrap : int, default=0
        With learning_rate="auto": train this many more models beside this one, each on the rows as often as a bootstrap
        sample has them, so that `coef_table`, `std_errors`, `summary` and `predict_interval` say how sure the model is; on a
        stream, too. 20 will do. Each takes the time of the model and its memory; `n_jobs` threads share them. `coef_` is that
        of n_jobs=1 without them, but on dense data, where averages alone may be the model then, and no rule takes Newton's
        steps. Each call of `partial_fit` begins with a copy of all the models: give it hundreds of rows at once rather than
        one. See docs/intervals.md.
    n_splits : int, default=0
        Not folds of a cross-validation: no row is held out and nothing is scored. It is in how many disjoint parts the rows
        are split, each of which trains a model of its own beside this one, for the same intervals (method="split"); with
        them a fit takes about three times as long. With learning_rate="auto"; each part should have 30 rows and more for
        each coefficient.
    half_life : float, "auto" or None, default=None
        Rows after which a row counts half, where what is to be learnt changes along the rows: 1 or more, in the order in which
        they are learnt, for which `fit` needs shuffle=False. With learning_rate="auto" all that is kept of the rows fades, also
        the sums by which steps, scales, averages and `auto_rule_` are found; with average=True, a step in the average. Rows of
        weight zero do not count. It is for optimizer="sgd", batch_size=1 and passes that no objective ends (max_iter=1, or
        tol=None). None: none fades. "auto": none, 1,000,000, 100,000 or 10,000, whichever does best on rows not yet learnt
        from, in `fit` with max_iter=1 and in `partial_fit`; see Notes of `SGDClassifier` and docs/large-data.md.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : ndarray of shape (1,) or (n_targets,)
    n_iter_ : int
        Epochs run.
    t_ : float
        Steps taken, plus one.
    history_ : structured array
        One record an epoch: see `SGDClassifier`.
    progressive_ : structured array
        How the loss went by rows, each row's before it was learnt from: see `SGDClassifier`. Of several targets, means.
    stop_reason_ : str
        "objective", "gradient", "parameters", "validation", "judged" (by max_iter="auto"), "max_iter", "max_seconds", "callback",
        "interrupted", "error" (of a source or callback, raised after some rows) or "diverged"; with learning_rate="auto" also
        "certified", "estimated" or "precision", by the solver of `LinearRegressor`: see `SGDClassifier`.
    record_ : structured array
        After fit(record=...) or partial_fit(record=...), and read-only: a row for the start and for each time that was
        recorded, with steps (from the first one of the model on), epoch (passes over the rows, with their fractions), seconds
        (of training, without those of recording), and objective, gradient_norm and step_length (the Euclidean length of the
        move of coefficients and intercepts since the row before), which are NaN where they were not asked for. Of several
        targets the objective is as in `history_`.
    restarts_ : list of restarts.Restart
        With n_init above 1, of each start in turn: start and end, and their intercepts, objective, history, reason, and whether
        it is the best, which is this model. Together the models take 64 MB at most, else they are None. Of the last `fit`.
    path_ : record.Path
        With record="coef": `steps`, `coef` and `intercept` along the training, in at most 64 MB or 16 models: see there.
    mean_, scale_ : ndarray of shape (n_features,)
        With standardize=True: mean and standard deviation of each column.
    optimizer_state_ : dict of str to ndarray
        What the optimizer keeps beside each weight, and its step size: see `SGDClassifier`.
    alpha_ : float
        With alpha="auto": the one of the model. In `partial_fit` the one that leads so far.
    half_life_ : float
        With half_life="auto": the one of the model, inf where no rows fade. In `partial_fit` the one that leads so far.
    auto_rule_ : ndarray of shape (n_heads,)
        With learning_rate="auto": what `coef_` is, of each target. On CSR "filter", "long steps", "short steps" or "average"
        (of the filter or of long steps); on dense rows "average of long steps", "Newton's steps" or "long steps" (up to 128
        columns, and 256 weights of all targets), or else "average", "average of long steps" or "long steps"; or "mean of ...
        and ..." of two of them, or "mean of all"; with ", times 0.75", 0.5 or 0.25 behind it; or "constant", of which `fit`
        warns. From the second pass on "average", or "Newton's steps" and means with them where they were chosen. Of the
        passes of SGD.
    segments_, segment_counts_, segment_n_iter_, segment_stop_reasons_ : ndarray of shape (n_segments,)
        Of a fit with segments: their sorted labels, their rows, and how each ended; "no_weight" where no row had a weight.
    segment_coefs_, segment_intercepts_ : ndarray of shape (n_segments, n_heads, n_features) and (n_segments, n_heads)
    n_features_in_, feature_names_in_

    Notes
    -----
    `partial_fit` keeps the contract described at `SGDClassifier`; what is said there of weights holds here too. Edited entries
    of `coef_` and `intercept_` are taken over by the next call: such a weight is its own average and owes no L1 penalty, and
    its slots of the optimizer stay. learning_rate="auto" refuses edited ones.

    With `segments` it is as described at `SGDClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((1000, 3))
    >>> y = X @ [1.0, 2.0, 3.0] + 4.0
    >>> reg = SGDRegressor(random_state=0).fit(X, y)
    >>> print(np.round(reg.coef_, 1), np.round(reg.intercept_, 1))
    [1. 2. 3.] [4.]
    """

    loss_functions = {name: (cls, *cls().get_params().values()) for name, cls in LOSSES.items()}
    intercept_ = Attribute()
    _parameter_constraints: dict = {
        **BaseSGD._parameter_constraints,
        **BaseSGD._common_constraints,
        **ResampledIntervals._constraints,
        "loss": [StrOptions(set(LOSSES)), *LOSSES.values(), losses.Custom],
    }

    def __init__(
        self,
        loss: str | Loss = "squared_error",
        *,
        penalty: str | None = "l2",
        alpha: float | str = 0.0001,
        l1_ratio: float | None = 0.15,
        fit_intercept: bool = True,
        max_iter: int | str = 1000,
        tol: float | None = 1e-3,
        shuffle: Shuffle = True,
        verbose: int = 0,
        epsilon: float = 0.1,
        random_state: RandomState = None,
        learning_rate: str | Schedule | Callable[[int], float] = "invscaling",
        eta0: float = 0.01,
        power_t: float = 0.25,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        warm_start: bool = False,
        average: bool | int = False,
        validation_scoring: str | Callable[..., float] | None = None,
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
        n_bootstrap: int = 0,
        n_splits: int = 0,
        half_life: float | str | None = None,
    ) -> None:
        self.loss = loss
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.shuffle = shuffle
        self.verbose = verbose
        self.epsilon = epsilon
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.average = average
        self.validation_scoring = validation_scoring
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
        self.n_bootstrap = n_bootstrap
        self.n_splits = n_splits
        self.half_life = half_life

    # ------------------------------------------------------------ training
    @one_at_a_time
    @with_callbacks
    def fit(
        self,
        X: Data,
        y: ArrayLike | None = None,
        coef_init: ArrayLike | None = None,
        intercept_init: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Data | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        resume_from: Path | None = None,
        segments: Labels = None,
        record: str | Sequence[str] | None = None,
        record_every: int | str = "epoch",
    ) -> Self:
        """Train from zero, or from the coefficients given.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
            Not copied where it is C-ordered float32 or float64, or CSR: it must not change during the call. A source
            (`fastsgd.sources`) has its own y and weights; one that a buffer does not hold is read anew in each epoch, and a
            second time where a stopping rule needs the objective (tol=None, or X_val, saves that), and its classes are counted
            before.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        coef_init : ndarray of shape (n_features,) or (n_targets, n_features), default=None
        intercept_init : ndarray of shape (1,) or (n_targets,), default=None
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val, sample_weight_val : as X, y, sample_weight
            Validation set, arrays or a source: training stops by its score, and the best weights are returned.
        resume_from : str or path-like, default=None
            File of a `Checkpoint`, with which this fit goes on. It must be of the same data and parameters (callbacks, verbose
            and max_seconds may be others, and max_iter larger where the step sizes don't depend on it); coefficients to
            start from do not count then. Where a `Checkpoint` of this path is in `callbacks`, the file need not be there
            yet.
        segments : array-like of shape (n_samples,), str or int, default=None
            Train a model for each segment, too: labels of the rows (words, whole numbers, bools); or the name or index of the
            column of X that holds them, then no feature. Rows without one (None, NaN) count in the model of all alone. See Notes.
        record : str or sequence of str, default=None
            What to record on the way, whatever ends the training: "objective" (with the penalty, on all rows),
            "gradient_norm", "coef" (into `path_`), "step_length"; the first two take a pass over the rows for each row of
            `record_`. The model is bit for bit that of a fit without. One that goes on from a checkpoint records from there
            on. See docs/records.md.
        record_every : "epoch" or int, default="epoch"
            Record each epoch, or whenever so many steps have been taken, and the end; always the start. A step is a row, or a
            batch. With several threads that share the rows of a model, it is the first moment after so many steps that there
            is.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Bad parameters or data, a checkpoint that is damaged or of another fit; or the weights overflowed, the estimator
            then holding the last finite model.
        FileNotFoundError
            There is no `resume_from`.
        KeyboardInterrupt
            On Ctrl-C, once the estimator is fitted to what was done by then.
        """
        init, validation = (coef_init, intercept_init), (X_val, y_val, sample_weight_val)
        asked = Asked.of(record, record_every)
        return self._fit(X, y, sample_weight, init, validation, resume_from, segments, asked)

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

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
        sample_weight : array-like of shape (n_samples,), default=None
            A batch of weights that are all zero changes nothing.
        record, record_every
            As in `fit`; `record_` and `path_` go on from call to call, and objectives are of the rows of the call. With
            "epoch" it ends with a row, with a number of steps it need not.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`; another number of targets than before.
        """
        return self._partial_fit(X, y, sample_weight, asked=Asked.of(record, record_every))
