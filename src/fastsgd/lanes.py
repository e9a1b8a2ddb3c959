"""Lanes: who takes the steps of a round, the rows of one kernel call.

A lane does `local`, which any thread or process can do: it is given all that it reads, and changes only the state and the sums
that it is given. A way to do rounds is `Serial`, or has what that has; those of several threads are below, in `split.py` and in
`hogwild.py`, and `parallel.py` chooses among them.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.gathered import Gathered
from fastsgd.plan import Plan
from fastsgd.progressive import MAX_STRETCHES
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.threads import Threads

# Of the first pass losses are summed by stretches of rows. A kernel call is cut where each part has so much work, in products
# x * w, of a nanosecond and more: one more call takes 7 microseconds. Where rows are shuffled it takes up to ten times as long,
# as it begins with rows that were not fetched meanwhile.
STRETCH_WORK, SHUFFLED_WORK = 2.5e5, 2e6
ROW_WORK, CSR_WORK = 16.0, 2.0  # A row beside its products, and a product on CSR.


class Diverged(ArithmeticError):
    """A margin was not finite, in the epoch of the argument, from 1."""


class Round(NamedTuple):
    """The rows of a kernel call, and what is kept of them beside the state.

    Attributes
    ----------
    part : Table
    order : Order
    sums : (2, K) float64
        To these the losses before each step, and the weights, are added.
    gathered : Gathered or None
        Of a step that is not complete, where steps are of batches of rows.
    last : bool
        Whether a step is also taken of the rows at the end that are too few for a batch.
    """

    part: Table
    order: Order
    sums: NDArray[Any]
    gathered: Gathered | None = None
    last: bool = True


def local(state: State, plan: Plan, rows: Round) -> None:
    """Train on these rows, in place.

    Parameters
    ----------
    state : State
        Prepared for this plan.
    plan : Plan
    rows : Round

    Raises
    ------
    Diverged
        The state is then of no use.
    """
    part, order, sums, gathered, last = rows
    given = part.X, order, part.target(), state, plan.compiled, sums
    if plan.separate:
        fault = kernels.many(*given)
    elif state.auto is not None:
        fault = (kernels.auto_softmax if state.auto.together else kernels.auto)(*given)
        state.at["t"] = state.auto.at["t"] + 1
    elif plan.plain:
        fault = kernels.sweep(*given)
    else:
        fault = kernels.batches(*given, gathered, False, last)
    if fault:
        raise Diverged(state.epoch)


class Serial:
    """One lane, which is the thread that asks.

    Attributes
    ----------
    n : int
        Lanes that have a part in what comes of it: 1 where that is the same for any number of threads.
    stepwise : bool
        Whether the steps of a round come one after another, each from where the last one led to.
    """

    n, stepwise = 1, True

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> "Serial":
        """What does the rounds of one pass, whose state is prepared."""
        return self

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows, as `local`."""
        local(state, plan, rows)

    def stretches(self, plan: Plan, part: Table, order: Order, K: int, seen: int, n_rows: float) -> list[Order]:
        """The rows of a kernel call in parts, in whole buffers, whose rounds one after another have the bits of the one round.

        Of a pass of n_rows, or inf, that has then `seen` so many, and of K heads. They are no more than are kept.
        """
        if type(self) is not Serial or order.n < 2 * order.buffer_rows or not (plan.plain or plan.auto):
            return [order]
        row_work = ROW_WORK + part.row_values * K * (CSR_WORK if part.sparse else 1.0)
        most = order.n * MAX_STRETCHES / (n_rows if seen < n_rows < float("inf") else seen)
        least = STRETCH_WORK if order.visit is None else SHUFFLED_WORK
        n = int(min(order.n * row_work / least, order.n // order.buffer_rows, most))
        return order.split(n) if n > 1 else [order]

    def beside(self, state: State, plan: Plan, part: Table, order: Order, last: bool) -> None:
        """What there is to do of a kernel call's rows after the rounds of its stretches."""

    def put_back(self) -> None:
        """Make the state of which `opened` was told what it is after the rounds so far."""


SERIAL = Serial()


class Merged(Serial):
    """A number of lanes, each of which takes some rows of a round from the state of its start; then their states become one.

    The result depends on the number of lanes, and not on who does their work.

    Parameters
    ----------
    n : int
        Lanes.
    run : callable
        As `Threads.map`, or `map` itself: one lane after the other.
    rounds : callable
        (state, plan, part, order) -> int, how many rounds the rows of a kernel call are; 0: they are not worth lanes.
    longer : callable
        (state, plan, part, order, n) -> float, the factor of the step sizes: the mean of n lanes is as far as one lane gets
        with its share of the rows.
    """

    stepwise = False

    def __init__(
        self,
        n: int,
        run: Callable[..., Iterable[Any]] | None = None,
        rounds: Callable[..., int] = lambda *_: 1,
        longer: Callable[..., float] = lambda *_: 1.0,
    ) -> None:
        self.n, self.run, self.rounds, self.longer = n, Threads(n).map if run is None else run, rounds, longer

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows; the steps of batches end with those of the lane."""
        rounds = self.rounds(state, plan, rows.part, rows.order)
        if not rounds:
            local(state, plan, rows)
        for some in rows.order.split(rounds) if rounds else ():
            self._merged(state, plan, rows.part, some, rows.sums)

    def _merged(self, state: State, plan: Plan, part: Table, order: Order, sums: NDArray[Any]) -> None:
        orders, longer = order.split(self.n), self.longer(state, plan, part, order, self.n)
        state.fold(plan)
        forks = state.fork(len(orders))
        for fork in forks:
            fork.at["eta_factor"] *= longer
        tasks = [(fork, plan, part, some) for fork, some in zip(forks, orders, strict=True)]
        states, of_lanes = zip(*self.run(lane, tasks), strict=True)
        state.merge(states, plan)
        state.prepare(plan, part.sparse)
        for one in of_lanes:
            sums += one


def lane(task: tuple[State, Plan, Table, Order]) -> tuple[State, NDArray[Any]]:
    """The state, which is changed in place, and the sums after the rows of a lane."""
    state, plan, part, order = task
    state.prepare(plan, part.sparse)
    alone = plan.plain or plan.auto or plan.separate
    gathered = None if alone else Gathered(state.W, len(state.b), min(plan.batch_size, order.n))
    sums = np.zeros((2, len(state.b)))
    local(state, plan, Round(part, order, sums, gathered))
    state.fold(plan)  # which here is done at once with other lanes
    return state, sums


def with_own_clock(state: State) -> State:
    """The same weights and all else that is large, with a copy of the clock, which a kernel writes to in any case."""
    own = State.__new__(State)
    own.__dict__ = vars(state) | {"at": state.at.copy()}
    return own


class Gradients(Serial):
    """Steps of large batches: the slopes of the rows of a step are added up on threads, in as many parts as there are lanes.

    Parameters
    ----------
    n : int
        Parts of a step.
    run : callable
        As that of `Merged`.
    """

    def __init__(self, n: int, run: Callable[..., Iterable[Any]] | None = None) -> None:
        self.n, self.run = n, Threads(n).map if run is None else run

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows, step by step."""
        part, order, sums, gathered, last = rows
        assert gathered is not None
        K, target, flat, done = len(state.b), part.target(), order.flat(), 0

        def slopes(some: Order) -> tuple[bool, Gathered, NDArray[Any]]:
            own, found, values = with_own_clock(state), Gathered(state.W, K, some.n), np.zeros((2, K))
            return bool(kernels.batches(part.X, some, target, own, plan.compiled, values, found, True)), found, values

        while done < order.n:
            end = int(min(order.n, done + plan.batch_size - gathered.count[0]))
            for fault, found, values in self.run(slopes, flat.between(done, end).split(self.n)):
                if fault:
                    raise Diverged(state.epoch)
                gathered.add(found)  # It counts the rows that have weight.
                sums += values
            done = end
            if gathered.count[0] == plan.batch_size or (last and done == order.n and gathered.count[0]):
                none = part.X, flat._replace(n=0), target, state, plan.compiled, sums
                kernels.batches(*none, gathered, False, True)
