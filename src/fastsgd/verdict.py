"""What a training came to: whether its steps were too long, or too short to be told from an end; and the eta0 that would do."""

import math
from dataclasses import replace

import numpy as np

from fastsgd import decide, engine, objective
from fastsgd.sources.arrays import Order
from fastsgd.state import State

# A training diverged if its objective ends above that of the start by more than a share of it. The share is NOISE_SHARE for steps
# along single rows or batches, which go up and down, and for gradient descent on a loss with kinks; ROUNDING_SHARE for gradient
# descent on a smooth loss, whose objective rises only where steps are too long; EXPLODED_SHARE where no rule keeps the best
# epoch, or the fit was cut short.
NOISE_SHARE, ROUNDING_SHARE, EXPLODED_SHARE = 0.1, 1e-6, 1000.0
# The objective falls at an even pace if its least fall in an epoch is more than this share of the largest.
MIN_FALL_SHARE = 0.15
# The losses before each step, which are those of the middle of an epoch, show a pace by this many falls.
MIN_LOSS_FALLS = 3
# One good step must gain this share of the objective, where nothing says how much of it matters.
MIN_OBJECTIVE_SHARE = 0.05
SIGN_TARGETS = 16  # Where y is far from 0, this many targets are all of one sign.
FAR_DEVIATIONS = 3  # From this many standard deviations from 0 on, y may be too far for the intercept to get there.
RESUMED_FACTOR = 10  # A fit that went on from another stopped too early if one good step gains this many times tol.
ZERO_LOSS_SHARE = 0.8  # An objective below this share of the estimate for zero weights is below that of zero weights.
# The power iteration ends when the norm grows by less than this share: the advice has one digit or two.
NORM_TOLERANCE = 1e-2
# An advice is tried on at most this many rows, of this many values in all, for this many epochs.
TRIAL_ROWS, TRIAL_VALUES, TRIAL_EPOCHS = 2000, 2e6, 3


def diverged(run, plan, table, epochs, steady, out_of_epochs, objective_at_start=None):
    """(objective at the end, where that is in words, that of the start, which it is) if steps were too long; else None.

    Gradient descent (`steady`) ends above its start only if they were. Steps along single rows or batches go up and down:
    where a rule keeps the best objective, that one is compared, and may be a little above. Where none does, or where the
    rule was not over yet, the objective must have exploded.

    objective_at_start : () -> what `start_objective` gives, of whoever has it from another fit of the same rows and start
    """
    rows, state = epochs.view(), run.state
    objectives, losses, kept = rows["objective"], rows["loss"], decide.keeping(run.rules)
    known, best = np.isfinite(objectives[-1]), kept is not None and kept.needs == "objective"
    end = losses[-1] if not known else objectives[-1] if steady or not best else np.nanmin(objectives)
    start = losses[0] if run.began is not None else run.zero
    if steady:
        share = ROUNDING_SHARE if plan.loss.smooth else NOISE_SHARE
    else:
        share = NOISE_SHARE if best and not out_of_epochs else EXPLODED_SHARE
    if end < ZERO_LOSS_SHARE * (1 + share) * start < np.inf:
        return None  # The estimate saves a pass over the rows.
    least = start_objective(run, plan, table) if objective_at_start is None else objective_at_start()
    if not known:
        end = objective.objective(table, plan, *state.model(plan))
    if least <= 0 and end < decide.BEYOND_RETURN:
        return None  # No model is better than zero weights, as with the perceptron's loss.
    if end <= least + share * abs(least):
        return None
    where = "at best" if best and not steady else "at the end"
    return float(end), where, least, "zero weights" if run.began is None else "the start"


def start_objective(run, plan, table):
    """The objective that the end is compared with: that of the start, or of zero weights where it began with these."""
    zeros = run.began is None
    return objective.loss_of_zeros(table, plan, run.state) if zeros else objective.objective(table, plan, *run.began)


def still_falling(run, plan, table, epochs, rule):
    """(fall of the objective in the last epoch, its fall by one step of gradient descent of a good length) where the objective
    fell all the time at the pace of the first epoch, and that step would make it fall by more than the tol of the rule that
    ended the fit; else None.

    Where no rule asked for the objective, the losses before each step stand for it, and the step must be worth a good part of
    what is left: the tol of such a rule is of something else.
    """
    rows, eta = epochs.view(), epochs.view()["eta"]
    known = bool(np.isfinite(rows["objective"]).all())
    falls = -np.diff(rows["objective" if known else "loss"]) / eta[1:]
    if (
        not (falls > 0).all()
        or (len(falls) and falls.min() < MIN_FALL_SHARE * falls.max())
        or (len(falls) < MIN_LOSS_FALLS and not known)
    ):
        return None
    last = falls[-1] * eta[-1] if len(falls) else None
    if known:
        W, b = (np.zeros_like(run.state.W), np.zeros_like(run.state.b)) if run.began is None else run.began
        first = (objective.objective(table, plan, W, b) - rows["objective"][0]) / eta[0]
        if not first > 0 or (len(falls) and not MIN_FALL_SHARE < falls.min() / first < 1 / MIN_FALL_SHARE):
            return None
        last = first * eta[0] if last is None else last
    fall, left = _long_step(plan, table, run.state)
    if rule.needs == "objective":
        # The last falls of a fit that went on may be of an even pace.
        share = 1 if run.began is None else RESUMED_FACTOR
        enough = fall > share * max(rule.tol, 2 * last)
    else:
        enough = fall > max(RESUMED_FACTOR * last, MIN_OBJECTIVE_SHARE * abs(left))
    return (float(last), fall) if enough else None


@np.errstate(all="ignore")
def _long_step(plan, table, state):
    """How far the objective falls by one step along its gradient, of the best of some lengths about 1 / L; and from where."""
    W, b = state.model(plan)
    _, G, g = objective.gradient(table, plan, W, b)
    start, size = objective.objective(table, plan, W, b), _curvature(plan, table, state, 1.0)
    ends = [
        objective.objective(table, plan, (W - e * G).astype(W.dtype), b - e * g) for e in np.logspace(-1, 1, 5) / size
    ]
    return float(start - np.nanmin(ends)), start


def _curvature(plan, table, state, share):
    """A bound of the objective's curvature as steps see it: `share` is that of single rows in it, 1 / (rows of a step)."""
    table = next(table.tables())
    dtype, loss = state.W.dtype, plan.loss
    n, d = table.n_rows, max(1.0, table.row_values)
    every = np.arange(n) if table.rows is None else table.rows
    zero = objective.zero_objective(table, Order(every, None, 0, n, n), plan, state)
    # A loss that is not smooth gets the curvature with which a step moves the objective by a tenth of it.
    bend = loss.curvature if loss.smooth or not 0 < zero < np.inf else 5.0 / zero
    weights = max(1.0, *(float(a.max()) for a in (table.s_pos, table.s_neg, table.s) if a is not None), 1.0)
    widest, step = 0.0, max(1, int(TRIAL_VALUES // d))
    for lo in range(0, n, step):
        X = table.read(every[lo : lo + step], dtype).X
        widest = max(widest, float((X.multiply(X) if table.sparse else X * X).sum(axis=1).max()))
    one = min(1.0, plan.intercept_decay)
    if share == 1:
        return bend * weights * (widest + one) + plan.l2
    X = table.read(every[:: max(1, n // step)], dtype).X
    v = np.random.default_rng(0).standard_normal(X.shape[1])
    norm = before = 1.0
    for _ in range(20):  # The norm rises to the largest eigenvalue.
        v = X.T @ (X @ v)
        before, norm = norm, math.sqrt(v @ v) / X.shape[0] or 1.0
        v /= norm * X.shape[0]
        if abs(norm - before) < NORM_TOLERANCE * norm:
            break
    return bend * weights * ((1 - share) * (norm + one) + share * (widest + one)) + plan.l2


def longest_along_rows(plan, table, state):
    """The length from which on steps along single rows go beyond where most of these have no more slope, 2 / (curvature times
    mean squared length of a row); None where the optimizer's steps are of another kind.
    """
    if not _along_slopes(plan) or plan.schedule.pa or plan.batch_size > 1:
        return None
    places = (np.arange(table.X.shape[0]) if table.rows is None else table.rows)[:: max(1, table.n_rows // TRIAL_ROWS)]
    X = table.X[places]
    squares = (
        X.shape[1] if state.std is not None else float((X.multiply(X) if table.sparse else X * X).sum()) / len(places)
    )
    zero = objective.zero_objective(table, Order(places, None, 0, len(places), len(places)), plan, state)
    bend = plan.loss.curvature if plan.loss.smooth else 1.0 / zero
    return 2.0 / (bend * (squares + min(1.0, plan.intercept_decay)))


def _along_slopes(plan):
    """Whether a step is eta0 times slopes, or a mean of them; else it is about as long as eta0, whatever the slopes."""
    return plan.slots in ((), ("m",))


@np.errstate(all="ignore")
def eta0_by_curvature(plan, table, state, zero):
    """The step size that follows from curvature and rows: no step goes farther than to where its rows have no more slope.

    With optimizers whose steps are about as long as eta0, it is the size of the weights that are needed.

    Parameters
    ----------
    plan : Plan
    table : Table
        In memory.
    state : State
    zero : float
        The objective of zero weights.
    """
    if _along_slopes(plan):
        momentum = plan.optimizer.numbers()[0] if plan.slots == ("m",) else 0.0
        size = plan.batch_size if plan.batch_size < table.n_rows else np.inf
        return (1.0 - momentum) / _curvature(plan, table, state, 1.0 / size if size < np.inf else 0.0)
    return np.sqrt((zero if 0 < zero < np.inf else 1.0) / _curvature(plan, table, state, 0.0))


@np.errstate(all="ignore")
def advised(replan, plan, table, run, eta0, longer):
    """A step size that works, tried on some of the rows: the objective falls with it.

    Parameters
    ----------
    replan : callable
        replan(eta0, table) -> Plan, as that of the fit but with this eta0.
    plan : Plan
        Of the fit.
    table : Table or Stream
    run : Run
    eta0 : float
        That of the fit.
    longer : bool
        Whether steps were too short.
    """
    state, first = run.state, next(table.tables())
    found = eta0_by_curvature(plan, first, state, run.zero)
    if not (longer or _along_slopes(plan)):
        found = min(found, 0.3 * eta0)
    every = np.arange(first.n_rows) if first.rows is None else first.rows
    few = int(min(TRIAL_ROWS, max(50, TRIAL_VALUES // max(1.0, first.row_values))))
    sample = replace(first, rows=every[:: max(1, len(every) // few)])
    for _ in range(40):
        found = float(f"{found:.1e}")
        if _trial(replan(found, sample), sample, state) < np.inf:
            return found
        found *= 0.3
    return None


def _trial(plan, table, state):
    """The objective after a few epochs with that plan, from zero weights; inf where it did not fall."""
    fresh = State.zeros(len(state.W), len(state.b), state.W.dtype, 0)
    start = objective.objective(table, plan, *fresh.model(plan))
    try:
        engine.train(engine.Run(fresh), plan, table, passes=TRIAL_EPOCHS)
    except engine.Diverged:
        return np.inf
    end = objective.objective(table, plan, *fresh.model(plan))
    return end if end < start else np.inf


@np.errstate(all="ignore")
def far_off(replan, plan, table, run, eta0):
    """(mean of y, its standard deviation, mean of y less what is predicted, an eta0 that is of use or None) where y is far from
    0, predictions are far from y, and a few epochs on centred targets end far below that; else None.

    Parameters are as those of `advised`.
    """
    first = next(table.tables())
    some = [] if first.y is None else first.y[:: -(-len(first.y) // SIGN_TARGETS)].T.tolist()
    if not any(min(y) > 0 or max(y) < 0 for y in some):
        return None  # It ends here most often, which takes less time than a variance.
    every = np.arange(first.n_rows) if first.rows is None else first.rows
    every = every[:: max(1, len(every) // TRIAL_ROWS)]
    y = first.y[every]
    mean, spread = y.mean(axis=0), y.std(axis=0)
    far = (abs(mean) > FAR_DEVIATIONS * spread) & (spread > 0)
    if not far.any():
        return None
    W, b = run.state.model(plan)
    sample = replace(first, rows=every)
    X = sample.read(every, run.state.W.dtype).X
    off = (y - (X @ W[:, : len(b)] + b)).mean(axis=0)
    far &= abs(off) > spread
    if not far.any():
        return None
    end = objective.objective(sample, plan, W, b)
    centred = replace(first, y=first.y - mean, rows=every)
    if not _trial(replan(eta0, centred), centred, run.state) < end / 2:
        return None
    longer = advised(replan, plan, table, run, eta0, True)
    if longer is not None and not (longer > eta0 and _trial(replan(longer, sample), sample, run.state) < end / 2):
        longer = None
    head = int(np.argmax(np.where(far, abs(off) / spread, 0)))
    return float(mean[head]), float(spread[head]), float(off[head]), longer
