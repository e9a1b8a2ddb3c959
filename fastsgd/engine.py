"""The loop: epochs of blocks of rows, and between them the decisions. It knows nothing of scikit-learn."""

from collections import namedtuple
from time import perf_counter

import numpy as np

from fastsgd import penalties
from fastsgd.sources.arrays import chunks, mean_loss
from fastsgd.state import Gathered

# One row of `history_`. loss: mean loss of each row *before* its own step, over the epoch (free, and honest: the row had
# not been seen); objective: of the model at the end of the epoch, that would be returned; both a mean over heads.
Epoch = namedtuple("Epoch", "epoch loss objective validation_score eta seconds")
HISTORY = np.dtype([(name, "i8" if name == "epoch" else "f8") for name in Epoch._fields])


class Diverged(ArithmeticError):
    """A margin was not finite; the state is that of the last good epoch. Argument: the epoch, from 1."""


def objective(table, plan, W, b):
    """The mean loss plus the penalty at the true weights; mean over the heads, or their sum where the loss couples them."""
    penalty = penalties.value(W, plan.l1, plan.l2) + plan.nu * b.sum()
    return loss_of(table, plan, W, b) + float(penalty) / heads(plan, b)


def loss_of(table, plan, W, b):
    """The mean loss at the true weights, mean over the heads or their sum."""
    return float(mean_loss(table, plan, W, b).sum()) / heads(plan, b)


def heads(plan, b):
    """How many objectives there are: one for each head, or one for all."""
    return 1 if plan.loss.coupled else len(b)


def one_pass(state, plan, table, shuffle):
    """Train on each row of the table once, in place.

    Yields
    ------
    (rows, sums)
        After each kernel call: rows done so far, and the (2, K) sums of losses before each step and of weights.

    Raises
    ------
    Diverged
        The state is then what it was at the start of the pass.
    """
    state.prepare(plan, table.sparse)
    before, epoch = state.copy(), state.epoch
    state.epoch += 1
    sums, done = np.zeros((2, len(state.b))), 0
    gathered = None if plan.plain else Gathered(state.W, len(state.b))
    for part, order in chunks(table, state.W.dtype, len(state.b), shuffle, state.seed, epoch):
        done += order[3]
        given = order, part.target(), state, plan, sums
        if part.sweep(*given) if plan.plain else part.batches(*given, gathered, False, done == table.n_rows):
            state.restore(before)
            raise Diverged(epoch + 1)
        yield done, sums


def train(state, plan, table, *, passes, shuffle=True, rule=None, score=None, watch=False, max_seconds=None, each=None):
    """Train until a rule, a budget, a callback or the user says stop.

    Parameters
    ----------
    state : State
        Changed in place.
    plan : Plan
    table : Table
    passes : int
        Epochs at the most.
    shuffle : bool
    rule : Plateau or None
        Of the validation score where there is one, else of the objective.
    score : callable or None
        `score(state)`, the validation score of the model of a state; more is better.
    watch : bool
        Work out the objective of each epoch even if no rule asks for it.
    max_seconds : float or None
        Time budget, looked at between kernel calls.
    each : callable or None
        `each(state, epochs)` at the end of each epoch, with all its rows of history; True stops.

    Returns
    -------
    epochs : list of Epoch
    reason : str
        "max_iter", "objective", "validation", "callback", "max_seconds" or "interrupted".

    Raises
    ------
    Diverged
        With the last good state in place, and the history so far in its second argument.
    """
    started, epochs, best, reason = perf_counter(), [], None, "max_iter"
    if rule is not None and score is not None:
        best = state.copy()
    done = sums = 0  # rows of the pass that is under way
    try:
        while len(epochs) < passes:
            for done, sums in one_pass(state, plan, table, shuffle):  # noqa: B007, read after the loop
                if max_seconds is not None and perf_counter() - started > max_seconds and done < table.n_rows:
                    reason = "max_seconds"
                    break
            wanted = watch or (rule is not None and score is None)
            value = objective(table, plan, *state.model(plan)) if wanted else np.nan
            points = score(state) if score is not None else np.nan
            epochs.append(_epoch(state, plan, epochs, sums, value, points, started))
            done = 0
            stop = rule is not None and rule.over(-points if score is not None else value)
            if best is not None and rule.improved:
                best = state.copy()
            if each is not None and each(state, epochs):
                reason = "callback"
            elif reason == "max_iter" and max_seconds is not None and perf_counter() - started > max_seconds:
                reason = "max_seconds"
            elif reason == "max_iter" and stop and not _cut(state, plan, rule):
                reason = "objective" if score is None else "validation"
            if reason != "max_iter":
                break
    except KeyboardInterrupt:
        reason = "interrupted"
        if done:
            epochs.append(_epoch(state, plan, epochs, sums, np.nan, np.nan, started))
    except Diverged as error:
        raise Diverged(*error.args, epochs) from None
    if best is not None and any(np.isfinite(e.validation_score) for e in epochs):
        state.restore(best)
    return epochs, reason


def _epoch(state, plan, epochs, sums, value, points, started):
    loss = sum(lost / weight if weight > 0 else 0.0 for lost, weight in sums.T.tolist()) / heads(plan, state.b)
    now = state.at[0]
    eta = plan.eta(max(1.0, now["t"] - 1)) * now["eta_factor"]
    return Epoch(len(epochs) + 1, loss, value, points, float(eta), perf_counter() - started)


def _cut(state, plan, rule):
    """On a plateau the adaptive schedule takes a fifth of the step, and goes on, down to 1e-6."""
    if not plan.schedule.feedback or plan.eta(1.0) * state.at["eta_factor"][0] <= 1e-6:
        return False
    state.at["eta_factor"] /= 5
    rule.again()
    return True
