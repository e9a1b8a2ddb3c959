"""A way to do rounds in several lanes, whose states are averaged."""

import numpy as np

from fastsgd.gathered import Gathered
from fastsgd.lanes import local


class Averaged:
    """Each lane takes some of the rows of a round, from the state of its start; then their states become one.

    Parameters
    ----------
    n : int
        Lanes.
    run : callable
        As `map`: that of a pool of threads or processes, or `map` itself, one lane after the other.
    """

    def __init__(self, n, run=map):
        self.n, self.run = n, run

    def round(self, state, plan, part, order, sums, gathered, last):
        state.fold(plan)
        orders = order.split(self.n)
        tasks = [(fork, plan, part, some) for fork, some in zip(state.fork(len(orders)), orders, strict=True)]
        states, of_lanes = zip(*self.run(lane, tasks), strict=True)
        state.merge(states, plan)
        for one in of_lanes:
            sums += one


def lane(task):
    """(state, sums) after the rows of a lane."""
    state, plan, part, order = task
    state.prepare(plan, part.sparse)
    gathered = None if plan.plain else Gathered(state.W, len(state.b), min(plan.batch_size, order.n))
    sums = np.zeros((2, len(state.b)))
    local(state, plan, part, order, sums, gathered)
    return state, sums
