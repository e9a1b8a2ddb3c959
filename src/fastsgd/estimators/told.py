"""In words, how a fit ended and what to do about it. Loaded when there is something to look at."""

import copy
from functools import partial

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastsgd import decide, losses, optimizers, penalties, verdict
from fastsgd.sources.arrays import Table
from fastsgd.sources.reading import first_names
from fastsgd.sources.telling import tell

MORE_PASSES = " With max_iter=2 or more the model is the average of the weights, whatever it is worth."
OTHER_MODELS = (
    " validation_score in history_ is that of models which left rows out, and not of this one: if theirs is much better, a few "
    "rows are far from the others, which `diagnose` tells."
)
SAMPLE_ROWS, FARTHEST = 200, 3  # So many rows, and which of their distances from the median is compared.
MAX_FAR_ROWS, MOST_SQUARES = 10, 0.9  # So few rows with so much of the variance rule the scales.
SOLVERS = {"classifier": "LinearClassifier", "regressor": "LinearRegressor"}  # They have no step size.


def warn(est, run, plan, table, epochs, ruled):
    """Say what the user should know of how the fit ended, at the line that called it."""
    if est.power_t < 0:
        tell(
            "Negative values for `power_t` are deprecated in version 1.8 and will raise an error in 1.10. "
            "Use values in the range [0.0, inf) instead.",
            FutureWarning,
        )
    if not est.max_iter:
        return
    out_of_epochs = ruled and est.stop_reason_ == "max_iter"
    found = _too_long(est, run, plan, table, epochs, out_of_epochs)
    if found is None:
        found = _far_off(est, run, plan, table, out_of_epochs) or _too_short(est, run, plan, table, epochs)
    # With tol=0 a training is to end where nothing falls any more, which seldom comes: its user has asked for all epochs.
    # With half_life and max_iter=1, as its errors advise, one pass is what was wanted.
    one_pass = plan.half_life and est.max_iter == 1
    if found is None and out_of_epochs and not one_pass and any(rule.ends and rule.tol > 0 for rule in run.rules):
        found = (
            "Maximum number of iteration reached before convergence. Consider increasing max_iter to improve the fit."
        )
    longest = _clamped(est, plan, float(epochs.view()["eta"].max())) if len(epochs) else None
    judge = getattr(run, "judge", None)
    unsure = _unsure(est, plan, table, MORE_PASSES if judge is None else OTHER_MODELS * bool(judge.states))
    for words in (found, longest, unsure, _far_rows(est, plan, table)):
        if words:
            tell(words, ConvergenceWarning)


def warn_of_rows(est, table):
    """As `warn`, of what learning_rate="auto" has learnt in `partial_fit`."""
    if words := _unsure(est, est._partial_plan(table), table):
        tell(words, ConvergenceWarning)


def warn_of_steps(est, plan):
    """As `warn`, of the first step of `partial_fit`."""
    if words := _clamped(est, plan):
        tell(words, ConvergenceWarning)


def _unsure(est, plan, table, more=""):
    """In words, which columns learning_rate="auto" could not use, or that it has learnt nothing, and `more`; or None."""
    auto = est._state.auto
    if auto is None:
        return None
    if plan.half_life:
        left = f"{round(auto.at['recent'][0]):,}"
        more += f" With half_life={plan.half_life:g} what was learnt is of what is left of the rows, {left}: it may be too short."
    elif getattr(est, "half_life", 0) is None:
        more += (
            " Where rows come in the order of time, and what is to be learnt changes, of which `diagnose` tells: set "
            "shuffle=False and half_life."
        )
    return _left_out(est, plan, table) or (auto.warning and auto.warning + more)


def _too_long(est, run, plan, table, epochs, out_of_epochs):
    """In words that the fit diverged, which is then its `stop_reason_`; None if it did not."""
    early = est.stop_reason_ == "diverged"
    if not early and (est.stop_reason_ in ("callback", "interrupted") or plan.line_search or not len(epochs)):
        return None
    steady = 1 < plan.batch_size >= table.n_rows and not est.gradient_noise
    found = None if early else verdict.diverged(run, plan, table, epochs, steady, out_of_epochs)
    if not early and found is None:
        return None
    est.stop_reason_ = "diverged"
    if early:
        said = "The fit diverged: its loss overflowed, or was more than a million times that of zero weights."
        kept = "The weights are those before it did."
    else:
        end, where, least, what = found
        more = f"{end / least:.3g} times the" if least > 0 and end > 2 * least else f"{end - least:.3g} more than the"
        said = f"The fit diverged: its objective is {end:.6g} {where}, {more} {least:.6g} of {what}."
        kept = "It holds the last weights."
    kind = decide.keeping(run.rules)
    if run.kept is not None:
        best = "least objective" if kind.needs == "objective" else "best validation score"
        kept = (
            f"The weights are those before it did, of the {best}." if early else f"It holds the weights of the {best}."
        )
    scaled = "If columns differ in scale, set standardize=True or scale X with StandardScaler. "
    helps = remedy(est, scaled, advice(est, run, plan, table, False))
    return f"{said} {kept} {helps}; {_largest(est, table)}."


def _too_short(est, run, plan, table, epochs):
    """In words that the fit stopped though the objective still fell as at first; None if it did not."""
    needs = "objective", "validation_score", "change", "step_length"
    rules = [rule for rule in run.rules if rule.needs in needs and rule.name == est.stop_reason_]
    if not rules or plan.line_search or plan.auto:
        return None
    found = verdict.still_falling(run, plan, table, epochs, rules[0])
    if found is None:
        return None
    eta0 = advice(est, run, plan, table, True)
    how = _eta0(est)
    if not plan.schedule.has_eta0:
        how = f"the steps: learning_rate='invscaling' has {_name(est, 'eta0')} ({_without_eta0(est, plan.schedule)})"
    small, other = f", less than tol={rules[0].tol:g}", "lower tol"
    if rules[0].needs != "objective":
        small = f", by the rule {rules[0].name!r}"
        other = "lower its tol" if rules[0].name == "parameters" else "raise n_iter_no_change"
    what = "objective" if np.isfinite(epochs.view()["objective"]).all() else "loss"
    return (
        f"The fit stopped while its {what} still fell at the pace of the first epoch, by {found[0]:.3g} an epoch{small}: "
        f"one step of a good length makes the objective fall by {found[1]:.3g}. Raise {how}"
        f"{'' if eta0 is None else f', to about {eta0:g}'}, or {other}."
    )


def _far_off(est, run, plan, table, out_of_epochs):
    """In words that the fit ended far from y, whose mean is far from 0; None if it did not."""
    loss = est._loss()
    shifts = est.fit_intercept and loss.name in losses.LOSSES and loss.lower == -np.inf
    ended = out_of_epochs or any(rule.name == est.stop_reason_ for rule in run.rules)
    if est._task != "regressor" or not shifts or not ended or plan.auto or plan.line_search:
        return None
    found = verdict.far_off(partial(_replan, est, plan), plan, table, run, est.eta0)
    if found is None:
        return None
    mean, spread, off, eta0 = found
    said = "Maximum number of iteration reached before convergence" if out_of_epochs else "The fit stopped"
    raised = f"raise {_eta0(est)} to" if plan.schedule.has_eta0 else "take learning_rate='invscaling' and eta0 of"
    raised = "" if eta0 is None else f", or {raised} about {eta0:g}"
    return (
        f"{said}, far from y: its mean, {mean:.6g}, is {abs(mean) / spread:.3g} times its standard deviation, and it is "
        f"{off:.3g} more than what is predicted, on average. Subtract the mean from y, and add it to what is predicted"
        f"{raised}{_or_without_step_size(est) if loss.residual else ''}."  # others have no slope so far off
    )


def _replan(est, plan, eta0, table):
    """The plan of a fit to that table, as the one given but with this eta0."""
    est = copy.copy(est)
    est.eta0 = eta0
    est.learning_rate = est.learning_rate if plan.schedule.has_eta0 else "invscaling"
    return est._plan(table, est._passes, False)


def advice(est, run, plan, table, longer):
    """An eta0 that works, or None."""
    replan = partial(_replan, est, plan)
    found = None if plan.auto else verdict.advised(replan, plan, table, run, est.eta0, longer)
    same = plan.schedule.has_eta0 and found is not None and (found > est.eta0) != longer
    return None if same else found


def _clamped(est, plan, eta=0.0):
    """In words that steps along single rows, the first one or of length `eta`, are so long that the penalty would turn the
    weights around; or None."""
    if not plan.plain or plan.auto:
        return None
    eta = max(plan.eta(1.0), eta)
    if not eta * plan.l2 > 1 + 1e-9:
        return None
    lower = f"Lower {'nu' if est._nu else _name(est, 'alpha')}"
    if est._alphas_follow and not est.standardize:
        lower = "Set standardize=True or scale X, as alphas follow from its largest columns; or give lower alphas"
    if plan.schedule.has_eta0:
        lower += f", or {_eta0(est)} below {1 / plan.l2:.3g}"
    elif plan.schedule.tabled:
        lower += f", or the steps of learning_rate below {1 / plan.l2:.3g}"
    return (
        f"Step sizes are up to {eta:.3g}, and times the L2 penalty of {_strength(est)} that is {eta * plan.l2:.3g}: a step of "
        f"more than 1 sets the weights to 0 before the row is added, as in scikit-learn. {lower}."
    )


def overflow(est, epoch, table):
    """In words that numbers overflowed, which columns are to blame, and what helps."""
    scaled = "Scaling input data with StandardScaler or MinMaxScaler might help, and so might standardize=True. "
    return (
        f"Floating-point under-/overflow occurred at epoch #{epoch}. {remedy(est, scaled)}; {_largest(est, table)}. "
        "The estimator holds the last finite model."
    )


def remedy(est, scaled, eta0=None):
    """What helps with this schedule where steps were too long; first of all to scale the columns, as `scaled` has it.

    On columns of very different sizes a step size that does not diverge learns next to nothing.
    """
    rate = est._schedule(optimizers.get(est.optimizer))
    if rate.auto:
        return (
            "Divide y, or columns of large values in X, by their size, and multiply columns of tiny values "
            "(learning_rate='auto' has no step size to lower)"
        )
    if not rate.has_eta0:
        said = (
            f"Take learning_rate='invscaling' and {'a low ' if eta0 is None else ''}{_name(est, 'eta0')}"
            f"{'' if eta0 is None else f'={eta0:g}'} ({_without_eta0(est, rate)})"
        )
    else:
        to = "" if eta0 is None else f" to {eta0:g}"
        said = f"Lower {_name(est, 'eta0')}{to} ({_is(est)} {est.eta0:g}, learning_rate={est.learning_rate!r})"
    return ("" if est.standardize else scaled) + said + _or_without_step_size(est)


def _or_without_step_size(est):
    """In words, what could be taken in place of this estimator's steps, if anything."""
    ways = _without_step_size(est)
    return f", or take {' or '.join(ways)}, which {'has' if len(ways) == 1 else 'have'} no step size" if ways else ""


def _without_step_size(est):
    """What could be taken, and goes with its loss and classes."""
    if est._task is None:
        return []
    ways = []
    if est.multi_class == "ovr":
        needs = {"optimizer='sgd'": True, "batch_size=1": True}
        needs |= {"average=False": est.average, "gradient_noise=0": est.gradient_noise}
        needs |= {"n_init=1": est.n_init != 1, "init='zeros'": not est._from_zeros}
        needs["intercept_decay='auto'"] = est.intercept_decay != "auto"
        *most, last = (need for need, is_needed in needs.items() if is_needed)
        ways.append(f"learning_rate='auto' (with {', '.join(most)} and {last})")
    l1, _ = penalties.weights(est.penalty, est._alpha, est.l1_ratio)
    loss = losses.MULTICLASS.get(est.multi_class) or est._loss()
    if est._task in loss.solved and (loss.solved_with_l1 or not l1):
        ways.append(SOLVERS[est._task] + "CV" * est._candidate)
    return ways


def _name(est, parameter):
    """What the user gave for a parameter of this estimator: a candidate of a search has one of several."""
    return parameter + "s" * est._candidate


def _is(est):
    return "here" if est._candidate else "it is"


def _eta0(est):
    return f"{_name(est, 'eta0')} ({_is(est)} {est.eta0:g})"


def _without_eta0(est, schedule):
    """In words, what the steps of a schedule follow from, if not from eta0."""
    if schedule.tabled:
        return "the step sizes are what the function given as learning_rate says"
    return f"the step sizes of 'optimal' follow from {_strength(est)} alone"


def _strength(est):
    """The strength of the penalty, as the user has it."""
    return f"{'nu' if est._nu else 'alpha'}={est._alpha:g}"


def _left_out(est, plan, table):
    """In words, which columns learning_rate="auto" could not use, as no number holds their squares."""
    found, what = est._state.auto.unsquared, []
    X = next(table.tables()).X if any(map(len, found)) else None
    for columns, words, way in zip(found, ("large", "small"), ("overflow. Divide", "underflow. Multiply"), strict=True):
        values = X[:, columns] if len(columns) else np.zeros((1, 0))
        size = abs(values).max(axis=0)
        if words == "small":  # which a constant column is not, nor one that the penalty takes to 0
            lost = (size > 0) & (size < 1e-140) & (plan.l1 == plan.l2 == 0)
            lost &= (not est.fit_intercept) | (values.max(axis=0) > values.min(axis=0))
            columns, size = columns[lost], size[lost]
        if len(columns):
            many = f"{columns[:3].tolist()}{f' and {len(columns) - 3} others' if len(columns) > 3 else ''}"
            most = float(size.max())
            what.append(
                f"learning_rate='auto' has left out columns {many} of X: their values (up to {most:.3g}) are so {words} "
                f"that their squares {way} these columns by {max(most, 1 / max(most, 1e-300)):.0e}, or so."
            )
    return " ".join(what)


def _far_rows(est, plan, table):
    """In words, the few dense rows that make the scales which learning_rate="auto" has of most columns; or None."""
    auto = est._state.auto
    if auto is None or auto.sparse or plan.half_life or not isinstance(table, Table) or table.scaling is not None:
        return None
    n = table.X.shape[0] if table.rows is None else len(table.rows)
    rows = _with_weight(table, np.arange(0, n, max(1, n // SAMPLE_ROWS)))
    if len(rows) < SAMPLE_ROWS // 2:
        return None
    some, scales = np.asarray(table.X[rows], np.float64), auto.scales
    with np.errstate(over="ignore", invalid="ignore"):
        usual = np.partition(abs(some - np.median(some, axis=0)), -FARTHEST, axis=0)[-FARTHEST]
    # Of about 99 rows in 100 it is smaller, and so above the standard deviation, unless a few rows make the latter.
    far = np.flatnonzero((usual > 0) & (scales > usual))
    if 2 * len(far) <= np.count_nonzero(scales):
        return None
    found = _making(table, n, far, auto.columns[0][far], scales[far])
    if found is None:
        return None
    many = "row " if len(found) == 1 else "rows "
    said = many + ", ".join(map(str, found[:3])) + (f" and {len(found) - 3} others" if len(found) > 3 else "")
    return (
        f"Of {len(far)} columns, {MOST_SQUARES:.0%} of the variance is that of {said} of X, beside which the others hardly "
        "differ: learning_rate='auto' learns little of these. Correct such rows, or leave them out, if they are mistakes; else "
        "clip the columns, or take their logarithms."
    )


def _with_weight(table, rows):
    """The numbers in X of these rows of a table, those of weight 0 left out."""
    rows = rows if table.rows is None else table.rows[rows]
    return rows if table.s is None else rows[table.s[rows] > 0]


def _making(table, n, columns, means, scales):
    """The rows that have MOST_SQUARES of the squared deviations of these columns, if they are a few."""
    numbers, squares = [], []
    for lo in range(0, n, 8192):
        rows = _with_weight(table, np.arange(lo, min(lo + 8192, n)))
        numbers.append(rows)
        squares.append((((table.X[np.ix_(rows, columns)].astype(np.float64) - means) / scales) ** 2).sum(axis=1))
    numbers, squares = np.concatenate(numbers), np.concatenate(squares)
    order = np.argsort(-squares, kind="stable")[:MAX_FAR_ROWS]
    least = int(np.searchsorted(np.cumsum(squares[order]), MOST_SQUARES * squares.sum())) + 1
    return None if least > len(order) else np.sort(numbers[order[:least]])


def _largest(est, table):
    """The three columns of largest scale, in words; of the rows as they were trained on, of a stream its first ones."""
    table = next(table.tables())
    size = np.zeros(table.X.shape[1])
    for lo in range(0, table.X.shape[0], 8192):
        part = table.X[lo : lo + 8192]
        if table.scaling is not None:
            part = table.read(np.arange(lo, lo + part.shape[0]), est._state.W.dtype).X
        top = abs(part).max(axis=0)
        size = np.maximum(size, np.asarray(top.toarray() if hasattr(top, "toarray") else top, np.float64).ravel())
    names = list(getattr(est, "feature_names_in_", first_names(getattr(est, "reading_", {}))))
    names += range(len(names), len(size))
    top = np.argsort(-size, kind="stable")[:3]
    return "the columns of largest scale are " + ", ".join(f"{names[j]} (up to {size[j]:.3g})" for j in top)
