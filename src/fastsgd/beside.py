"""Models beside a model, by which it is known how sure it is: trained in its passes, on rows of their own or with other steps.

They are a part of its state, and so copied, saved, and gone on from with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.gathered import Gathered
from fastsgd.lanes import Serial, local
from fastsgd.packs import Call, EveryRow, Only, Resampled, View
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.threads import Threads

LONGER = 2.0  # The steps of one of the models are longer by this factor: it shows what the length of the steps does.


@dataclass(eq=False)
class Beside:
    """Models that learn from the rows of another model, all of learning_rate="auto".

    Attributes
    ----------
    longer : State
        Of all rows, with steps that are LONGER.
    resampled : list of State
        Each of a bootstrap sample of the rows, by the numbers of these.
    parts : list of State
        Each of the rows of one part of the data; the rows are dealt out at random, by their numbers.
    rows : int
        The number of the first row: how many rows there were in calls before, those of weight 0 too.
    seen : int
        How many rows there were of the pass that was last begun, those of weight 0 too.
    learnt, start : array or None
        As `counts`: of the rows of calls before; and of all passes before that one.
    epoch : int
        The number of that pass.
    """

    longer: State
    resampled: list[State]
    parts: list[State]
    rows: int = 0
    seen: int = 0
    learnt: NDArray[Any] | None = None
    start: NDArray[Any] | None = None
    epoch: int = 0

    @classmethod
    def of(cls, state: State, n_resampled: int, n_parts: int) -> "Beside":
        """Those of a state before its first step."""
        return cls(state.copy(), [state.copy() for _ in range(n_resampled)], [state.copy() for _ in range(n_parts)])

    def copy(self) -> "Beside":
        """An independent copy."""
        each = [state.copy() for state in self.resampled], [state.copy() for state in self.parts]
        return Beside(self.longer.copy(), *each, self.rows, self.seen, self.learnt, self.start, self.epoch)

    @property
    def n_rows(self) -> int:
        """Rows with weight of which the models know, each counted once."""
        return int(self.counts[0])

    @property
    def counts(self) -> NDArray[Any]:
        """That number, and on CSR how many of these rows have each feature: (1,) or (1 + n_features,)."""
        now = self._passed()
        return now if self.start is None or self.learnt is None else self.learnt + (now - self.start)

    def _passed(self) -> NDArray[Any]:
        """The same with each row counted in each pass."""
        auto = self.longer.auto
        if auto is None:
            return np.zeros(1)
        return np.append(auto.at["t"], auto.visits if auto.sparse else [])

    def go_on(self) -> None:
        """The rows of the next passes are others."""
        self.rows, self.seen = self.rows + self.seen, 0
        if self.start is not None:
            self.learnt, self.start = self.counts, self._passed()

    def begin(self, epoch: int) -> None:
        """Count the rows of this pass anew, unless it is gone on with."""
        if epoch != self.epoch:
            self.seen, self.start, self.epoch = 0, self._passed(), epoch
            if self.learnt is None:
                self.learnt = np.zeros_like(self.start)

    @property
    def states(self) -> list[State]:
        """All of them."""
        return [self.longer, *self.resampled, *self.parts]

    def views(self) -> Iterator[tuple[State, View]]:
        """Each, with the rows that it sees."""
        yield self.longer, EveryRow()
        for number, state in enumerate(self.resampled, 1):
            yield state, Resampled(number)
        for number, state in enumerate(self.parts):
            yield state, Only(number)


def with_longer_steps(plan: Plan) -> Plan:
    """The plan of `Beside.longer`."""
    heads = plan.heads.copy()
    heads["schedule"][:, 0] *= LONGER
    return replace(plan, heads=heads)


class WithOthers(Serial):
    """A way to do rounds: the model itself, and those beside it, each by one of the threads.

    The bits are the same for any number of threads, and those of the model are as without the others.

    Parameters
    ----------
    plan : Plan
    threads : Threads
    """

    def __init__(self, plan: Plan, threads: Threads) -> None:
        self.threads, self.longer = threads, with_longer_steps(plan)
        self.scratch: list[NDArray[Any]] = []

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> Serial:
        """Have the others ready for the pass that the model is ready for."""
        for other in state.beside.states:
            other.prepare(plan, state.auto.sparse)
            other.epoch, other.auto.again = state.epoch, state.auto.again
        state.beside.begin(state.epoch)
        return self

    def round(
        self,
        state: State,
        plan: Plan,
        part: Table,
        order: Order,
        sums: NDArray[Any],
        gathered: Gathered | None,
        last: bool,
    ) -> None:
        """A kernel call's rows."""
        beside = state.beside
        others = list(beside.views())
        call = Call(part, order, [view for _, view in others], self.scratch, beside.rows, len(beside.parts), state.seed)

        def train(number: int) -> None:
            if number == 0:
                local(state, plan, part, order, sums)
                return
            other, view = others[number - 1]
            with call.seen(view, state.seed) as (rows, some):
                if some.n:
                    local(
                        other, self.longer if other is beside.longer else plan, rows, some, np.zeros((2, len(other.b)))
                    )

        self.threads.map(train, range(1 + len(others)))
        beside.seen += order.n
