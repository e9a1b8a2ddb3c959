"""Lanes: who takes the steps of a round, the rows of one kernel call.

A lane does `local`, which any thread or process can do: it is given all that it reads, and changes only the state and the sums
that it is given. A way to do a round has `round(state, plan, part, order, sums, gathered, last)`, as `local`. Here is the one
that every training takes; another gives each lane a `State.fork` and some of the rows (`Order.split`), and puts the states
together (`State.merge`).
"""

from typing import Any

from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.gathered import Gathered
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State


class Diverged(ArithmeticError):
    """A margin was not finite, in the epoch of the argument, from 1."""


def local(
    state: State,
    plan: Plan,
    part: Table,
    order: Order,
    sums: NDArray[Any],
    gathered: Gathered | None = None,
    last: bool = True,
) -> None:
    """Train on these rows, in place.

    Parameters
    ----------
    state : State
        Prepared for this plan.
    plan : Plan
    part : Table
    order : Order
    sums : (2, K) float64
        To these the losses before each step, and the weights, are added.
    gathered : Gathered or None
        Of a step that is not complete, where steps are of batches of rows.
    last : bool
        Whether a step is also taken of the rows at the end that are too few for a batch.

    Raises
    ------
    Diverged
        The state is then of no use.
    """
    given = part.X, order, part.target(), state, plan.compiled, sums
    if plan.separate:
        fault = kernels.many(*given)
    elif state.auto is not None:
        fault = kernels.auto(*given)
        state.at["t"] = state.auto.at["t"] + 1
    elif plan.plain:
        fault = kernels.sweep(*given)
    else:
        fault = kernels.batches(*given, gathered, False, last)
    if fault:
        raise Diverged(state.epoch)


class Serial:
    """One lane, which is the thread that asks."""

    round = staticmethod(local)
