"""The objective of a model on all rows: its value, its slopes, and a step along them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd import penalties
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.sums import LossSums, SlopeSums

ZERO_ROWS = 2048  # The objective of zero weights is estimated from this many rows.
ARMIJO = 0.3  # A step is taken if the objective falls by this share of what its slope promises.


def objective(
    table: Table, plan: Plan, W: NDArray[Any], b: NDArray[Any], *, seed: int = 0, held_out: bool = False
) -> Any:
    """The mean loss plus the penalty at the true weights; mean over the heads, or their sum where the loss couples them.

    Of heads with records of their own a (K,) array: the objective of each, by its own penalty and on its own rows, which
    `seed` and `held_out` choose as in LossSums.of.
    """
    if plan.separate:
        losses = LossSums.of(table, plan, W, b, seed=seed, held_out=held_out).finish()
        of_weights = [penalties.value(W[:, h], *plan.heads[["l1", "l2"]][h].tolist()) for h in range(len(b))]
        return np.array(losses) + of_weights + plan.nu * b
    penalty = penalties.value(W, plan.l1, plan.l2)
    if plan.nu:
        penalty += plan.nu * sum(b.tolist())
    return loss_of(table, plan, W, b) + penalty / objective_count(plan, b)


def loss_of(table: Table, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> float:
    """The mean loss at the true weights, mean over the heads or their sum."""
    return mean_loss(table.summed(LossSums.of, plan, W, b), plan, b)


def mean_loss(losses: LossSums, plan: Plan, b: NDArray[Any]) -> float:
    """The mean loss of LossSums: mean over the heads, or their sum."""
    return sum(losses.finish()) / objective_count(plan, b)


def loss_of_zeros(table: Table, plan: Plan, state: State) -> float:
    """The mean loss of zero weights and intercepts, as `loss_of`."""
    return loss_of(table, plan, np.zeros_like(state.W), np.zeros_like(state.b))


def objective_count(plan: Plan, b: NDArray[Any]) -> int:
    """How many objectives there are: one for each head, or one for all."""
    return 1 if plan.loss.coupled else len(b)


def zero_objective(part: Table, order: Order, plan: Plan, state: State) -> float:
    """The objective of zero weights, estimated by some of the rows of a kernel call; inf where they have no weight."""
    places = np.arange(0, order.n, max(1, order.n // ZERO_ROWS))
    sample = part.without_features(order.first + places if order.rows is None else order.rows[places])
    S, K = state.W.shape[1], len(state.b)
    return np.inf if sample.empty else loss_of(sample, plan, np.zeros((0, S)), np.zeros(K))


def gradient(
    table: Table, plan: Plan, W: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """(mean loss of each head, gradient of the objective in W, in b); of a weight at zero under L1 the least subgradient."""
    loss, G, g = table.summed(SlopeSums.of, plan, W, b).finish()
    G += plan.l2 * W
    at_zero = np.sign(G) * np.maximum(abs(G) - plan.l1, 0.0)
    G = np.where(W != 0, G + plan.l1 * np.sign(W), at_zero)
    return loss, G, (g + plan.nu) * (plan.intercept_decay > 0)


@np.errstate(over="ignore", invalid="ignore")
def measure(table: Table, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> tuple[float, float]:
    """(objective, 2-norm of its gradient)"""
    loss, G, g = gradient(table, plan, W, b)
    penalty = penalties.value(W, plan.l1, plan.l2) + plan.nu * b.sum()
    count = objective_count(plan, b)
    return float(loss.sum() + penalty) / count, float(np.sqrt((G * G).sum() + g @ g)) / count


@np.errstate(over="ignore", invalid="ignore")
def descend(
    table: Table, plan: Plan, W: NDArray[Any], b: NDArray[Any], eta: float
) -> tuple[NDArray[Any], float, NDArray[Any], NDArray[Any]] | None:
    """A step of gradient descent: (mean losses before it, step size, W, b), or None where they are not finite.

    `eta` is halved until the objective falls enough for it (Armijo's rule), or until a fall could be rounding; else it is
    doubled as long as the objective falls further.
    """
    loss, G, g = table.summed(SlopeSums.of, plan, W, b).finish()
    G, g = G + plan.l2 * W, (g + plan.nu) * (plan.intercept_decay > 0)
    start = loss.sum() + penalties.value(W, 0.0, plan.l2) + plan.nu * b.sum()
    decrease = (G * G).sum() + g @ g
    if not np.isfinite(start + decrease):
        return None

    def step(eta: float) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """(fall of the objective, W, b) after a step of that size; -inf where it falls too little."""
        there = (W - eta * G).astype(W.dtype), b - eta * g
        value = loss_of(table, plan, *there) * objective_count(plan, b) + penalties.value(there[0], 0.0, plan.l2)
        fall = start - (value + plan.nu * there[1].sum())
        return fall if fall >= ARMIJO * eta * decrease else -np.inf, *there

    best = step(eta)
    while best[0] < 0 and eta * decrease > np.finfo(float).eps * abs(start):
        eta /= 2.0
        best = step(eta)
    while best[0] > 0 and (further := step(2.0 * eta))[0] > best[0]:
        eta, best = 2.0 * eta, further
    return loss, eta, *(best[1:] if best[0] > 0 else (W, b))
