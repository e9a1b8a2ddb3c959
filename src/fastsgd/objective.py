"""The objective of a model on all rows: its value, its slopes, and a step along them."""

import numpy as np

from fastsgd import penalties
from fastsgd.sources.arrays import loss_sums
from fastsgd.state import Gathered, State

ZERO_ROWS = 2048  # by which the objective of zero weights is estimated
SUFFICIENT = 0.3  # of the decrease that the slope promises (Armijo)


def objective(table, plan, W, b):
    """The mean loss plus the penalty at the true weights; mean over the heads, or their sum where the loss couples them."""
    penalty = penalties.value(W, plan.l1, plan.l2)
    if plan.nu:
        penalty += plan.nu * sum(b.tolist())
    return loss_of(table, plan, W, b) + penalty / heads(plan, b)


def loss_of(table, plan, W, b):
    """The mean loss at the true weights, mean over the heads or their sum."""
    return mean(loss_sums(table, plan, W, b), plan, b)


def mean(sums, plan, b):
    """The mean loss of sums (2, K) of losses and weights: mean over the heads, or their sum."""
    lost, weight = sums.tolist()
    return sum([x / w if w > 0 else 0.0 for x, w in zip(lost, weight, strict=True)]) / heads(plan, b)


def heads(plan, b):
    """How many objectives there are: one for each head, or one for all."""
    return 1 if plan.loss.coupled else len(b)


def zero_objective(part, order, plan, state):
    """The objective of zero weights, estimated by some of the rows of a kernel call; inf where they have no weight."""
    rows, _, first, n, _ = order
    places = np.arange(0, n, max(1, n // ZERO_ROWS))
    sample = part.without_features(first + places if rows is None else rows[places])
    S, K = state.W.shape[1], len(state.b)
    return np.inf if sample.empty else loss_of(sample, plan, np.zeros((0, S)), np.zeros(K))


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


def gradient(table, plan, W, b):
    """(mean loss of each head, gradient of the objective in W, in b); of a weight at zero under L1 the least subgradient."""
    loss, G, g = slopes(table, plan, W, b)
    G += plan.l2 * W
    at_zero = np.sign(G) * np.maximum(abs(G) - plan.l1, 0.0)
    G = np.where(W != 0, G + plan.l1 * np.sign(W), at_zero)
    return loss, G, (g + plan.nu) * (plan.intercept_decay > 0)


@np.errstate(over="ignore", invalid="ignore")
def measure(table, plan, W, b):
    """(objective, 2-norm of its gradient)"""
    loss, G, g = gradient(table, plan, W, b)
    penalty = penalties.value(W, plan.l1, plan.l2) + plan.nu * b.sum()
    count = heads(plan, b)
    return float(loss.sum() + penalty) / count, float(np.sqrt((G * G).sum() + g @ g)) / count


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
        value = loss_of(table, plan, *there) * heads(plan, b) + penalties.value(there[0], 0.0, plan.l2)
        fall = start - (value + plan.nu * there[1].sum())
        return fall if fall >= SUFFICIENT * eta * decrease else -np.inf, *there

    best = step(eta)
    while best[0] < 0 and eta * decrease > np.finfo(float).eps * abs(start):
        eta /= 2.0
        best = step(eta)
    while best[0] > 0 and (further := step(2.0 * eta))[0] > best[0]:
        eta, best = 2.0 * eta, further
    return loss, eta, *(best[1:] if best[0] > 0 else (W, b))
