"""Lanes that move the same weights at once, without locks (Niu, Recht, Re and Wright 2011, HOGWILD!).

Each lane has a clock of its own, which counts every row as many times as there are lanes, and so has every decay of the weights:
so the lanes agree about the step size and the scale, up to the few rows that one is ahead of another. Which of two writes to
a weight is lost depends on the moment: no two runs are the same.
"""

from typing import Any

import numpy as np

from fastsgd._kernels import kernels
from fastsgd.lanes import Diverged, Round, Serial, local, with_own_clock
from fastsgd.plan import Plan
from fastsgd.state import State
from fastsgd.threads import Threads

# A lane multiplies its scale into the weights where it gets small, and these are the weights of all lanes. So a scale below
# MIN_SCALE is multiplied in before a round, and a round in which weights shrink e-fold more than MAX_DECAY times has one lane.
MIN_SCALE, MAX_DECAY = 1e-2, 10.0
GAP_NUMBERS = (
    64  # This many lie between what two lanes write to again and again, which is then in different cache lines.
)


class Hogwild(Serial):
    """Plain SGD along single rows with L2 at most, without averages, in n lanes.

    Parameters
    ----------
    n : int
        Lanes, each of which is a thread.
    least : float
        A kernel call of fewer rows is done by one lane.
    """

    stepwise = False

    def __init__(self, n: int, least: float = 1.0) -> None:
        self.n, self.threads, self.least = n, Threads(n), least

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows, as `local`."""
        part, order = rows.part, rows.order
        if order.n < self.least or self._decay(state, plan, order.n) > MAX_DECAY:
            local(state, plan, rows)
            return
        if state.at["scale"][0] < MIN_SCALE:
            state.fold(plan)
        orders, K = order.split(self.n), len(state.b)
        compiled, target = plan.compiled.lane(len(orders)), part.target()
        forks = [with_own_clock(state) for _ in orders]
        losses = np.zeros((len(orders), 2 * K + GAP_NUMBERS))

        def lane(i: int) -> bool:
            own = losses[i, : 2 * K].reshape(2, K)
            return bool(kernels.sweep(part.X, orders[i], target, forks[i], compiled, own))

        def together() -> None:
            self._together(state, [fork.at for fork in forks])
            rows.sums[...] += losses[:, : 2 * K].sum(axis=0).reshape(2, K)

        lanes, begun = range(len(orders)), state.at["t"][0]
        try:
            fault = any(self.threads.map(lane, lanes))
        except KeyboardInterrupt:  # What a lane made of the weights goes with its clock, so all do their rows.
            if not any([lane(i) for i in lanes if forks[i].at["t"][0] == begun]):
                together()
            raise
        if fault:
            raise Diverged(state.epoch)
        together()

    def _decay(self, state: State, plan: Plan, rows: int) -> float:
        """About how often the weights shrink e times in so many rows."""
        t = state.at["t"][0] + np.linspace(0, rows, 9)
        return float(max(map(plan.eta, t)) * state.at["eta_factor"][0] * plan.l2 * rows)

    def _together(self, state: State, clocks: list[Any]) -> None:
        """One clock, that has gone on by the rows of all lanes; the scale is the mean of theirs, as a product."""
        at, n = state.at[0], len(clocks)
        at["t"] += sum(clock["t"][0] - at["t"] for clock in clocks) / n
        at["scale"] = np.exp(np.mean([np.log(clock["scale"][0]) for clock in clocks]))
