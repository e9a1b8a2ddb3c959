"""The loop: epochs of blocks of rows, and between them the decisions. It knows nothing of scikit-learn."""

from collections import namedtuple
from itertools import pairwise, repeat
from time import perf_counter

import numpy as np

from fastsgd import penalties
from fastsgd.sources.arrays import mean_loss
from fastsgd.state import Gathered, State

# One row of `history_`. loss: mean loss of each row *before* its own step, over the epoch (free, and honest: the row had
# not been seen). Of the model at the end of the epoch, that would be returned: objective, gradient_norm, and change, how
# far the parameters moved, as a share of their norm; NaN where nothing asked for them. Of several heads, means.
Epoch = namedtuple("Epoch", "epoch loss objective validation_score eta gradient_norm change seconds")
HISTORY = np.dtype([(name, "i8" if name == "epoch" else "f8") for name in Epoch._fields])
BEYOND_RETURN, LASTING = 1e6, 3  # a loss of so many times that of zero weights, for so many epochs, may not come back
SUFFICIENT = 0.3  # of the decrease that the slope promises (Armijo)


class Diverged(ArithmeticError):
    """A margin was not finite, in the epoch of the argument, from 1."""


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


def slopes(table, plan, W, b):
    """Mean loss of each head, and its slopes, at the true weights W (n_features, S) and intercepts b (K).

    Returns
    -------
    loss : (K,) float64
    G, g : (n_features, S) and (K,) float64
        The slopes in W and in b, without the penalty.
    """
    K = len(b)
    still = State(np.ascontiguousarray(W), b, np.zeros(K), mb=np.zeros(K), vb=np.zeros(K))
    sums, G, gathered = np.zeros((2, K)), np.zeros(W.shape), Gathered(W, K)
    for part, order, _ in table.chunks(W.dtype, K, False, 0, 0):
        if part.batches(order, part.target(), still, plan, sums, gathered, True, False):
            return np.full(K, np.inf), np.full(W.shape, np.inf), np.full(K, np.inf)
        G += gathered.G  # in float64, whatever the dtype
        gathered.G[:] = 0
    weight = np.where(sums[1] > 0, sums[1], 1.0)
    G[:, :K] /= weight
    return sums[0] / weight, G, gathered.gb / weight


def measure(table, plan, W, b):
    """(objective, 2-norm of its gradient); of a weight at zero under L1 the least subgradient."""
    loss, G, g = slopes(table, plan, W, b)
    G += plan.l2 * W
    at_zero = np.sign(G) * np.maximum(abs(G) - plan.l1, 0.0)
    G = np.where(W != 0, G + plan.l1 * np.sign(W), at_zero)
    g = (g + plan.nu) * (plan.intercept_decay > 0)
    penalty = penalties.value(W, plan.l1, plan.l2) + plan.nu * b.sum()
    count = heads(plan, b)
    return float(loss.sum() + penalty) / count, float(np.sqrt((G * G).sum() + g @ g)) / count


def one_pass(state, plan, table, shuffle):
    """Train on each row of the table once, in place.

    Yields
    ------
    (rows, sums, then)
        After each kernel call: rows done so far, the (2, K) sums of losses before each step and of weights, and where the
        next call begins in the table's order, None after the last.

    Raises
    ------
    Diverged
        The state is then of no use.
    """
    epoch, sums, done = state.epoch, np.zeros((2, len(state.b))), 0
    if table.empty:
        yield table.n_rows, sums, None
        return
    state.prepare(plan, table.sparse)
    state.epoch += 1
    batch = min(plan.batch_size, table.n_rows)
    gathered = None if plan.plain or plan.auto else Gathered(state.W, len(state.b), batch)
    for part, order, then in table.chunks(state.W.dtype, len(state.b), shuffle, state.seed, epoch):
        done += order[3]
        given = order, part.target(), state, plan, sums
        if plan.auto:
            fault = part.auto(*given)
            state.at["t"] = state.auto.at["t"] + 1
        else:
            fault = part.sweep(*given) if plan.plain else part.batches(*given, gathered, False, then is None)
        if fault:
            raise Diverged(epoch + 1)
        yield done, sums, then


@np.errstate(over="ignore", invalid="ignore")
def descend(table, plan, W, b, eta):
    """A step of gradient descent: (mean losses before it, step size, W, b), or None where they are not finite.

    `eta` is halved until the objective falls enough for it (Armijo) or no longer to be told from rounding, or else doubled
    as long as the objective falls further.
    """
    loss, G, g = slopes(table, plan, W, b)
    G, g = G + plan.l2 * W, (g + plan.nu) * (plan.intercept_decay > 0)
    start = loss.sum() + penalties.value(W, 0.0, plan.l2) + plan.nu * b.sum()
    decrease = (G * G).sum() + g @ g
    if not np.isfinite(start + decrease):
        return None

    def step(eta):
        """(fall of the objective, W, b) after a step of that size; -inf where it falls too little."""
        there = (W - eta * G).astype(W.dtype), b - eta * g
        value = mean_loss(table, plan, *there).sum() + penalties.value(there[0], 0.0, plan.l2)
        fall = start - (value + plan.nu * there[1].sum())
        return fall if fall >= SUFFICIENT * eta * decrease else -np.inf, *there

    best = step(eta)
    while best[0] < 0 and eta * decrease > np.finfo(float).eps * abs(start):
        eta /= 2.0
        best = step(eta)
    while best[0] > 0 and (further := step(2.0 * eta))[0] > best[0]:
        eta, best = 2.0 * eta, further
    return loss, eta, *(best[1:] if best[0] > 0 else (W, b))


def line_search(state, plan, table, _shuffle):
    """As `one_pass`: one step of `descend`, from the step size of the last one."""
    if table.empty:
        yield table.n_rows, np.zeros((2, len(state.b))), None
        return
    state.prepare(plan, table.sparse)
    state.epoch += 1
    t = state.at["t"][0]
    found = descend(table, plan, state.W, state.b, plan.eta(t) * state.at["eta_factor"][0])
    if found is None:
        raise Diverged(state.epoch)
    loss, eta, state.W[...], state.b[...] = found
    state.at["eta_factor"], state.at["t"] = eta / plan.eta(t), t + 1
    yield table.n_rows, np.array([loss, np.ones(len(state.b))]), None


def train(state, plan, table, *, passes, shuffle=True, rules=(), score=None, watch=False, max_seconds=None, each=None):
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
    rules : list of Stopping
        The first one that is over ends the training, as does a loss beyond return; without any, neither does. With a
        `Validation` the weights of the best score are restored.
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
        The name of a rule, "max_iter", "callback", "max_seconds", "interrupted" or "diverged"; in the last case the
        state is that of the last epoch that was not beyond return.

    Raises
    ------
    Diverged
        In the first epoch; the state is what it was. The history so far is in its second argument.
    """
    started, epochs, reason = perf_counter(), [], "max_iter"
    good, best = state.copy(), None
    ranking = next((rule for rule in rules if rule.name == "validation"), None)
    walk = line_search if plan.line_search else one_pass
    done = sums = 0  # rows of the pass that is under way
    try:
        while len(epochs) < passes:
            model = state.model(plan) if any(rule.needs == "change" for rule in rules) else None
            for done, sums, then in walk(state, plan, table, shuffle):  # noqa: B007, read after the loop
                if max_seconds is not None and perf_counter() - started > max_seconds and then is not None:
                    reason = "max_seconds"
                    break
            measured = _measured(state, plan, table, rules, score, watch, model)
            epochs.append(_epoch(state, plan, epochs, sums, started, **measured))
            done = 0
            fate = _fate(epochs, plan, table, state) if rules else "good"
            if fate == "diverged":
                state.restore(good)
                reason = fate
                break
            fired = [rule for rule in rules if rule.over(epochs[-1])]
            if ranking is not None and ranking.improved:
                best = state.copy()
            if each is not None and each(state, epochs):
                reason = "callback"
            elif reason == "max_iter" and max_seconds is not None and perf_counter() - started > max_seconds:
                reason = "max_seconds"
            elif reason == "max_iter" and fired and not _cut(state, plan, fired):
                reason = fired[0].name
            if reason != "max_iter":
                break
            if fate == "good" and len(epochs) < passes:
                good = state.copy()
    except KeyboardInterrupt:
        reason = "interrupted"
        if done:
            epochs.append(_epoch(state, plan, epochs, sums, started))
    except Diverged as error:
        state.restore(good)
        if not epochs:
            raise Diverged(*error.args, epochs) from None
        reason = "diverged"
    if best is not None:
        state.restore(best)
    return epochs, reason


def _measured(state, plan, table, rules, score, watch, before):
    """What the rules, the user's eyes and the validation set ask for, by columns of the history."""
    needs, found = {rule.needs for rule in rules}, {}
    if "gradient_norm" in needs:
        found["objective"], found["gradient_norm"] = measure(table, plan, *state.model(plan))
    elif watch or "objective" in needs:
        found["objective"] = objective(table, plan, *state.model(plan))
    if before is not None:
        W, b = state.model(plan)
        moved = np.linalg.norm(W - before[0]) ** 2 + np.linalg.norm(b - before[1]) ** 2
        size = np.linalg.norm(W) ** 2 + np.linalg.norm(b) ** 2
        found["change"] = float(np.sqrt(moved / size)) if size > 0 else 0.0
    if score is not None:
        found["validation_score"] = score(state)
    return found


def _epoch(state, plan, epochs, sums, started, **measured):
    loss = sum(lost / weight if weight > 0 else 0.0 for lost, weight in sums.T.tolist()) / heads(plan, state.b)
    eta = float(plan.eta(max(1.0, state.at["t"][0] - 1)) * state.at["eta_factor"][0])
    columns = map(measured.get, ("objective", "validation_score", "gradient_norm", "change"), repeat(np.nan))
    objective, score, norm, change = columns
    return Epoch(len(epochs) + 1, loss, objective, score, eta, norm, change, perf_counter() - started)


def _fate(epochs, plan, table, state):
    """ "good"; "high" where the loss is far beyond that of zero weights; "diverged" where it stays there, and doubles in
    each epoch or is as far again. Losses of bounded slopes come back from there when the steps fall.
    """
    losses = [np.nanmax([epoch.loss, epoch.objective]) for epoch in epochs[-LASTING:]]
    if losses[-1] < BEYOND_RETURN:
        return "good"
    if not np.isfinite(losses[-1]):
        return "diverged"
    far = BEYOND_RETURN * (1.0 + abs(loss_of(table, plan, np.zeros_like(state.W), np.zeros_like(state.b))))
    if losses[-1] < far:
        return "good"
    if len(losses) < LASTING or min(losses) < far:
        return "high"
    doubling = all(2 * a < b for a, b in pairwise(losses))
    return "diverged" if doubling or losses[-1] > BEYOND_RETURN * far else "high"


def _cut(state, plan, fired):
    """On a plateau the adaptive schedule takes a fifth of the step, and goes on, down to 1e-6."""
    if plan.line_search or not plan.schedule.feedback or plan.eta(1.0) * state.at["eta_factor"][0] <= 1e-6:
        return False
    state.at["eta_factor"] /= 5
    for rule in fired:
        rule.again()
    return True
