"""SGDClassifier."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike
from sklearn.utils._param_validation import StrOptions

from fastsgd import losses
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.bootstrap import ResampledIntervals
from fastsgd.estimators.functions import ObjectiveFunctions
from fastsgd.estimators.guard import one_at_a_time
from fastsgd.estimators.hints import Data, Labels, Path, RandomState, Shuffle
from fastsgd.estimators.parts import ClassifierParts
from fastsgd.estimators.progress import with_callbacks
from fastsgd.estimators.published import Attribute
from fastsgd.estimators.segmented import ClassifierBySegment
from fastsgd.losses import Loss
from fastsgd.optimizers import Optimizer
from fastsgd.persist import storable
from fastsgd.record import Asked
from fastsgd.schedules import Schedule
from fastsgd.stopping import Stopping

LOSSES = {name: cls for name, cls in losses.LOSSES.items() if "classifier" in cls.task}


@storable
class SGDClassifier(ClassifierBySegment, ClassifierParts, ObjectiveFunctions, ResampledIntervals, BaseSGD):
    """Linear classifiers (SVM, logistic regression, ...) trained by stochastic gradient descent.

    Minimises ``sum_i s_i loss(x_i.w + b, y_i) / sum_i s_i + alpha (l1_ratio |w|_1 + (1 - l1_ratio) / 2 |w|_2^2)``, one
    row or batch at a time; with more than two classes one against the rest, or all together (`multi_class`), in one pass
    over the data.

    Parameters
    ----------
    loss : str or object of fastsgd.losses, default="hinge"
        "hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"; "sigmoid" (the number of errors, smoothed:
        not convex); or a regression loss on targets -1 and 1: "squared_error", "huber", "epsilon_insensitive",
        "squared_epsilon_insensitive"; or an object, such as one of your own, ``losses.Custom(value, slope)``. "log_loss"
        also takes soft labels: a float y in [0, 1] is then the probability of class 1.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
    alpha : float or "auto", default=1e-4
        Strength of the penalty. With learning_rate="auto" on CSR the first pass may end with less of L2: see Notes. "auto": of
        1e-6, 1e-5, 1e-4 and 1e-3 the one that does best on rows not learnt from; see Notes.
    l1_ratio : float or None, default=0.15
        Share of L1 in "elasticnet".
    fit_intercept : bool, default=True
    max_iter : int or "auto", default=1000
        Epochs at most; 0 gives the model of the start. "auto": until the loss of rows that were not learnt from no longer falls,
        10 at most, and the model of the best one; see Notes.
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
    n_jobs : int or None, default=None
        Threads, as joblib counts: None is 1, -1 all cores. 48 and more classes, one against the rest, are shared out among
        them (with learning_rate="auto" on CSR 3 and more), and the result is bit for bit that of n_jobs=1. What else they
        do is said at `parallel`. Small data are trained on one thread.
    random_state : int, RandomState or None, default=None
        Seeds the order of the rows and the validation split.
    learning_rate : str, object of fastsgd.schedules or callable, default="optimal"
        "optimal", "constant", "invscaling", "adaptive", "pa1", "pa2", "exponential", "step", "cosine", "one_cycle".
        "optimal" is made for plain SGD; with another optimizer it is the same as "constant". optimizer="ftrl" takes its
        step sizes from eta0 alone. Or a function t -> step size, t = 1, 2, ... the number of the step: `schedules.Custom`.
        "auto": nothing to choose, and no need to scale X; see Notes.
    eta0 : float, default=0.01
        First (for "cosine", "one_cycle" highest) step size; unused by "optimal". `inspection.step_sizes` finds one.
    power_t : float, default=0.5
        Exponent of "invscaling".
    early_stopping : bool, default=False
        Split off validation_fraction of the rows (copied, unlike the others), stop by the score on them, return the best
        weights. With `stopping` it is that which stops; the best weights are returned if "validation" is among it. Of a
        source that is not held in memory it is that share of each block.
    validation_fraction : float, default=0.1
    n_iter_no_change : int, default=5
    class_weight : dict, "balanced" or None, default=None
        Factors of the weights of the rows of each class; one against the rest (with more than two classes), in the fit of
        that class alone.
    warm_start : bool, default=False
        `fit` starts from the coefficients of the last one.
    average : bool or int, default=False
        Return the average of the weights over all steps, or from step `average` on. With an L1 penalty it is the
        gradient steps that are averaged; the penalty counts as it stands at the end (as in scikit-learn).
    validation_scoring : None, "loss", str or callable, default=None
        What scores the validation set: None the estimator's `score`; "loss" minus the mean loss; the name of a
        scikit-learn scorer; or a callable (estimator, X, y). With weights it must take sample_weight too. With
        max_iter="auto" None is "loss".
    max_seconds : float or None, default=None
        Time budget of `fit`, of all its starts together.
    callbacks : callable, Checkpoint, or list of these, default=None
        Called at the end of each epoch with one argument (epoch, history, estimator); True stops the fit, any
        other value is ignored. A `fastsgd.Checkpoint` writes to a file what is done so far. Those of `sklearn.callback` go
        to `set_callbacks`.
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
    multi_class : {"ovr", "multinomial", "crammer_singer"}, default="ovr"
        With more than two classes: one against the rest; or all together, "multinomial" (softmax, with loss="log_loss";
        a y of shape (n_samples, n_classes) then holds probabilities of the classes 0.0, 1.0, ...) or "crammer_singer" (the
        sum of the hinges against the other classes, with loss="hinge"). With two classes these are log_loss and hinge.
        learning_rate="auto" takes the first two; of "multinomial" after one pass probabilities are better on most data.
    standardize : bool, default=False
        Train on (x - mean) / std of each column, without a copy of X. `coef_` and `intercept_` are in the units of X;
        the penalty is on the standardised coefficients. See Notes.
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
        from, in `fit` with max_iter=1 and in `partial_fit`; see Notes and docs/large-data.md.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
    intercept_ : ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
        Epochs run.
    t_ : float
        Steps taken, plus one.
    history_ : structured array
        One record an epoch: epoch, loss (of each row before its step), objective (of the model at the end of the
        epoch), validation_score (with max_iter="auto" minus a loss: see Notes), eta, gradient_norm, change (of the parameters
        in the epoch, relative to their norm) and step_length (that change itself), seconds; NaN where nothing asked for it. Of
        several classes one against the rest, means.
    progressive_ : structured array
        How the loss went by rows, each row's before it was learnt from: of the first pass of `fit`, to which calls of
        `partial_fit` add theirs. A record for each stretch of rows: rows (up to its end), weight (of the rows of the stretch),
        and loss, their mean by weight. Of several classes one against the rest, means over the classes. At most 256
        stretches, neighbours being merged as rows come; a stretch is not shorter than what is learnt in one go: a call, a
        piece of a few milliseconds' work, or a round of several threads.
    stop_reason_ : str
        "objective", "gradient", "parameters", "validation", "judged" (by max_iter="auto"), "max_iter", "max_seconds", "callback",
        "interrupted", "error" (of a source or callback, raised after some rows) or "diverged". Where the solver had the last
        passes (learning_rate="auto", see Notes) also "certified", "estimated" or "precision", as in `LinearClassifier`.
    record_ : structured array
        After fit(record=...) or partial_fit(record=...), and read-only: a row for the start and for each time that was
        recorded, with steps (from the first one of the model on), epoch (passes over the rows, with their fractions), seconds
        (of training, without those of recording), and objective, gradient_norm and step_length (the Euclidean length of the
        move of coefficients and intercepts since the row before), which are NaN where they were not asked for. Of several
        classes one against the rest the objective is as in `history_`.
    restarts_ : list of restarts.Restart
        With n_init above 1, of each start in turn: start and end, and their intercepts, objective, history, reason, and whether
        it is the best, which is this model. Together the models take 64 MB at most, else they are None. Of the last `fit`.
    path_ : record.Path
        With record="coef": `steps`, `coef` and `intercept` along the training, in at most 64 MB or 16 models: see there.
    mean_, scale_ : ndarray of shape (n_features,)
        With standardize=True: mean and standard deviation (1 for a constant column), named as in StandardScaler.
    optimizer_state_ : dict of str to ndarray
        What the optimizer keeps beside each weight, under the letters of its formula (`fastsgd.optimizers`): "m", "v", or
        FTRL's "z" and "n", of the shape of `coef_`; "step", by what its gradient (or m) was multiplied in the last step; "t",
        steps since they were zeros; and with "_intercept" behind the name those of the intercept. Read-only copies, made when
        asked for. With standardize=True, of the weights of the standardised columns, ``coef_ * scale_``; with `average`, of those
        that are averaged. No "step" with "pa1", "pa2" and "auto", whose steps follow from the row. Not before the first step.
    alpha_ : float
        With alpha="auto": the one of the model. In `partial_fit` the one that leads so far.
    half_life_ : float
        With half_life="auto": the one of the model, inf where no rows fade. In `partial_fit` the one that leads so far.
    auto_rule_ : ndarray of shape (n_heads,)
        With learning_rate="auto": what `coef_` is, of each class or target. On CSR "filter", "long steps", "short steps" or
        "average" (of the filter or of long steps); on dense rows "average of long steps", "Newton's steps" or "long steps"
        (up to 128 columns, and 256 weights of all classes), or else "average", "average of long steps" or "long steps"; or
        "mean of ... and ..." of two of them, or "mean of all"; with ", times 0.75", 0.5 or 0.25 behind it; or "constant", of
        which `fit` warns. From the second pass on "average", or "Newton's steps" and means with them where they were chosen.
        Of the passes of SGD. With multi_class="multinomial" it is the same for all classes: on CSR "filter", "long steps" or
        "average", on dense rows "average", "average of long steps" or "long steps", or a mean of these, with ", times 0.85",
        0.65 or 0.4 behind it; or "constant".
    segments_, segment_counts_, segment_n_iter_, segment_stop_reasons_ : ndarray of shape (n_segments,)
        Of a fit with segments: their sorted labels, their rows, and how each ended; "no_weight" where no row had a weight.
    segment_coefs_, segment_intercepts_ : ndarray of shape (n_segments, n_heads, n_features) and (n_segments, n_heads)
    n_features_in_, feature_names_in_

    Notes
    -----
    `partial_fit` makes one pass over the rows it is given and goes on from the state (weights, step count, generator,
    averages): k calls with shuffle=False give what one epoch of `fit` over all their rows gives. Rows of weight zero change
    nothing. Stopping rules do not concern it. Another optimizer from some call on starts from the coefficients. Entries of
    `coef_` and `intercept_` that were edited since the last call are taken over: such a weight is its own average and owes no
    L1 penalty, and its slots of the optimizer stay. learning_rate="auto" refuses edited ones.

    A step is along weight times slope, not divided by the weights of the batch: rows of weight 2 take steps of twice the
    length. So with weights of mean c the penalty counts as alpha / c would in the objective; to minimise that as it is
    written, give weights of mean 1, or search along the line (`optimizers.SGD(line_search=True)`), which divides.

    With `standardize=True`, mean and std are of the rows that `fit`, or else the first `partial_fit`, trains on, each row
    weighted by sample_weight and the class_weight of its class; a validation set does not count. Later calls of
    `partial_fit` keep them. The objective in `history_` has the penalty of the standardised coefficients. With
    fit_intercept=False nothing is centred. CSR is not centred either, as that would fill in the zeros: the intercept,
    which bears no penalty, takes up the shift. So the objective has the same minimum as on dense data, but the steps on
    the way are not the same. There, columns that are nonzero in a small share p of the rows (their values become about
    p ** -0.5), or whose mean is many times their std, make rows long: lower eta0.

    With `learning_rate="auto"` there is no step size to choose and X need not be scaled; it is made for one pass
    (`max_iter=1, tol=None`) and for `partial_fit`, and improves with more; `max_iter="auto"` makes as many as pay. The steps
    are implicit: the slope is taken where the step leads to, so that none is too long. On dense data they are made in
    coordinates centred and scaled by the mean and variance of the columns so far; on CSR in units of the root mean square of
    each column, and columns that more than half of the rows have are centred. In the first pass several rules learn side by
    side, each with weights of its own: on dense data two, of which one takes long steps and is averaged, too, and the other
    takes Newton's, in blocks of rows (of more than 128 columns, or 256 weights of all classes, both are averaged); on CSR a
    filter, in which each weight has its own precision, and AdaGrad with long and with short steps, one of them averaged too.
    Without a penalty, multiplying a column by a number changes no prediction, but on dense data columns of 1e154 and more or
    1e-150 and less are left out, with a warning; the penalty is, as ever, on `coef_`. With an L1 penalty a coefficient on CSR
    is 0 where the weights are 0 from which it comes, of an average the one that was averaged last; on dense data few are
    exactly 0. It needs optimizer="sgd" and batch_size=1, starts from zero, and `eta` in `history_` is NaN. On CSR a value
    counts, after the first 16 of its column, as 300 times their root mean square at most (100 times with
    multi_class="multinomial"); on dense data a row whose values are some hundred times those of all others, in most columns,
    sets their scale, and the other rows are hardly seen: remove such rows, of which `fit` warns.

    After one pass, and in `partial_fit`, which takes its rows as new, the model is what was best on rows not yet learnt from,
    the later ones of which count more: the weights of a rule as they are or averaged, the mean of two of these, or of all; or
    3/4, 1/2 or 1/4 of that, the rest being the best constant, or only that. `auto_rule_` says which. So noise is not learnt
    by heart, as far as such rows can tell: they can't where later rows are unlike them, as when rows are sorted by target. On
    CSR alpha is then the most that L2 may be. A weight pays it for the rows that have its feature, so that rare features are
    held back less than by the objective. From the second pass of one `fit` on there are no such rows: on CSR one rule goes on
    from that model, on dense data the first from its own weights, and Newton's steps beside it where the model has them; the
    model is the average, or as it was chosen with Newton's steps; L2 is paid in full, and training converges to the objective
    with that alpha. L1, and everything on dense data, is paid in full from the start.

    With `max_iter="auto"` up to 40,000 rows are dealt out to four parts, and four more models, each of which leaves one part
    out, follow the passes; of more rows one model leaves out 20,000, or a tenth, and of many weights there are fewer models
    (512 MB). After each pass they are judged by the loss of the rows that they have left out, weighted and without the
    penalty: minus its mean is `validation_score` in `history_`. Training ends when two passes in a row have not lowered it by
    more than the standard error of the difference, or after ten. The model is that after the pass of the best score, which
    may be the first: as it learns from all rows, it is bit for bit that of max_iter with that number and tol=None. Rows given
    as X_val, or split off by early_stopping=True, judge in place of such models. A pass costs that of the models more, which
    are shared out among the threads of `n_jobs`, and no model file has them. From a million rows on it is one pass. Models
    start where the fit starts: coefficients that were learnt from these rows before (coef_init, warm_start) have the passes
    end early. It does not go with schedules that are laid out over the passes, `stopping`, `n_init`, segments, nor with a
    cluster; `partial_fit` makes one pass, as ever.

    With `alpha="auto"` and one pass, and in `partial_fit`, a model of each alpha learns from the rows. They are judged by the
    loss of rows before they learn from them, times the square of the number of rows until then, as late rows say more of the
    model that there is at the end; with learning_rate="auto" by what it judges its rules by. The model is the one that leads.
    After 10,000 rows the worst is left out, and another one after 20,000 and 40,000; calls of `partial_fit` count together.
    Where several passes follow, models that leave rows out, as those of max_iter="auto", choose before the training: the better
    half after one pass, and the best after another. (With learning_rate="auto" they begin after a pass that they have in
    common.) Either way the model is bit for bit that of a fit with the alpha chosen. The models take memory of their own, and are
    shared out among the threads of `n_jobs`. It needs a penalty and batch_size=1; it does not go with `n_init`,
    `n_bootstrap`, `n_splits`, segments, `record` of one pass, parallel="hogwild", a line search, nor with a cluster. alpha as a
    number, or another `coef_`, ends the contest.

    With `half_life="auto"` a model of each half-life learns from the rows. They are judged by the losses that the models, as
    they would be published, have on rows before they learn from them (from 20,000 rows on, on one in four), times the square
    of the number of rows until then; as rows fade in that with the longest half-life, the judgement too follows what changes.
    No model is left out on the way, as the one that is worst while nothing changes may be the best later: it takes four to
    eight times as long as one model, less on several threads (`n_jobs`), and four times the memory, also in files of a model
    that `partial_fit` has trained. After `fit` the chosen one is alone; in calls of `partial_fit` that follow, models of all
    half-lives go on from it. It goes with learning_rate="auto" and with average=True, and not with alpha="auto", as that
    would be sixteen models. What else alpha="auto" does not go with, it does not either, but for penalty=None.

    Where max_iter is 10 or more, passes from the fourth on are those of the solver that `LinearClassifier` has, from the average
    on: what SGD leaves falls as 1 / passes, or slower, and what the solver leaves by a factor. That is if rows are in memory, be
    it in the buffer of a source that holds them all; `LinearClassifier` takes the loss and the penalty; and the fit is to end by
    the objective alone: tol is a number, there is no validation set, and `stopping` names no other rule. It ends when the
    objective is proven to be within tol of the least one, or has not fallen by tol in n_iter_no_change passes; of an objective
    below 1, tol is a share. `history_` has a record of each pass (of several classes, one pass for each), without loss and eta,
    and `partial_fit` goes on from the solution. A checkpoint is of SGD's passes: the solver's are made again. All passes
    are SGD's with tol=None, max_iter="auto", segments, n_bootstrap or n_splits.

    With multi_class="multinomial", "auto" takes one implicit step for all classes of a row, and one decision for all: which
    of the weights and averages of two rules, or which mean of them, is the model, and what share of it, the rest being the
    frequencies of the classes. How long steps are follows from what the columns have said of the classes so far. On dense
    data the first rule takes the correlations of up to 64 columns (16 a class) into account, and the second takes long steps.
    On CSR columns that half the rows have, or more, are centred on the way. It takes one thread; n_bootstrap, n_splits and
    clusters are for one class against the rest.

    With `segments`, `coef_` is of all rows, and the same as without (with "auto", as of passes of SGD alone). The model of a
    segment is that of a fit with weight 0 for all other rows (class_weight="balanced" is of all rows), ends by its own
    objective, and is trained in the same passes, on one of `n_jobs` threads. One without weight, or that diverged in its first
    epoch, is the model of all rows. See
    docs/many-models.md.

    References
    ----------
    Bottou (2012), Stochastic gradient descent tricks. Tsuruoka, Tsujii and Ananiadou (2009), Stochastic gradient descent
    training for L1-regularized log-linear models with cumulative penalty.

    Examples
    --------
    >>> from fastsgd import SGDClassifier
    >>> X, y = [[-1.0, -1.0], [-2.0, -1.0], [1.0, 1.0], [2.0, 1.0]], ["no", "no", "yes", "yes"]
    >>> clf = SGDClassifier(loss="log_loss", random_state=0).fit(X, y)
    >>> print(clf.predict([[-0.8, -1]]))
    ['no']

    Columns that say nothing want a larger alpha:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 300))
    >>> y = X[:, 0] + rng.logistic(size=400) > 0
    >>> SGDClassifier("log_loss", learning_rate="auto", alpha="auto", max_iter=5, tol=None, random_state=0).fit(X, y).alpha_
    0.001
    """

    loss_functions = {name: (cls, *cls().get_params().values()) for name, cls in LOSSES.items()}
    intercept_ = Attribute()
    _parameter_constraints: dict = {
        **BaseSGD._parameter_constraints,
        **BaseSGD._common_constraints,
        **ResampledIntervals._constraints,
        "loss": [StrOptions(set(LOSSES)), *LOSSES.values(), losses.Custom],
        "class_weight": [StrOptions({"balanced"}), dict, None],
        "multi_class": [StrOptions({"ovr", *losses.MULTICLASS})],
    }

    def __init__(
        self,
        loss: str | Loss = "hinge",
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
        n_jobs: int | None = None,
        random_state: RandomState = None,
        learning_rate: str | Schedule | Callable[[int], float] = "optimal",
        eta0: float = 0.01,
        power_t: float = 0.5,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        class_weight: Mapping[Any, float] | str | None = None,
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
        multi_class: str = "ovr",
        standardize: bool = False,
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
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.class_weight = class_weight
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
        self.multi_class = multi_class
        self.standardize = standardize
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
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels; with loss="log_loss" also probabilities of class 1, and with multi_class="multinomial" of all classes.
        coef_init : ndarray of shape (n_classes, n_features), default=None
        intercept_init : ndarray of shape (n_classes,), default=None
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
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        record: str | Sequence[str] | None = None,
        record_every: int | str = "epoch",
    ) -> Self:
        """One pass over these rows, from where the last call stopped.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or Source
        y : array-like of shape (n_samples,)
            Labels, all of them among `classes`.
        classes : array-like of shape (n_classes,), default=None
            All labels there will be; needed in the first call.
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
            As `fit`; no classes in the first call; other classes later; class_weight="balanced".
        """
        return self._partial_fit(X, y, sample_weight, classes, Asked.of(record, record_every))
