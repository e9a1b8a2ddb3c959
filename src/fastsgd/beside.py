"""Models beside a model, by which it is known how sure it is: trained in its passes, on rows of their own or with other steps.

They are a part of its state, and so copied, saved, and gone on from with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.gathered import Gathered
from fastsgd.lanes import Diverged, Round, Serial, local
from fastsgd.packs import Call, EveryRow, Only, Resampled, View
from fastsgd.plan import Plan
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
    most : int
        The same of the longest pass before that one.
    learnt, known, start : array or None
        As `counts`: of the rows of calls before; these and those known when that pass began; and of all passes before it.
    epoch : int
        The number of that pass.
    in_step : bool
        Whether all have been given the same kernel calls as the model itself.
    """

    longer: State
    resampled: list[State]
    parts: list[State]
    rows: int = 0
    seen: int = 0
    most: int = 0
    learnt: NDArray[Any] | None = None
    known: NDArray[Any] | None = None
    start: NDArray[Any] | None = None
    epoch: int = 0
    in_step: bool = True

    @classmethod
    def of(cls, state: State, n_resampled: int, n_parts: int) -> "Beside":
        """Those of a state before its first step."""
        return cls(state.copy(), [state.copy() for _ in range(n_resampled)], [state.copy() for _ in range(n_parts)])

    def copy(self) -> "Beside":
        """An independent copy."""
        resampled, parts = [state.copy() for state in self.resampled], [state.copy() for state in self.parts]
        return replace(self, longer=self.longer.copy(), resampled=resampled, parts=parts)

    @property
    def n_rows(self) -> int:
        """Rows with weight of which the models know, each counted once."""
        return int(self.counts[0])

    @property
    def counts(self) -> NDArray[Any]:
        """That number, and on CSR how many of these rows have each feature: (1,) or (1 + n_features,)."""
        now = self._passed()
        if self.start is None or self.learnt is None:
            return now
        now = self.learnt + (now - self.start)
        return now if self.known is None else np.maximum(now, self.known)  # The pass may have been interrupted.

    def _passed(self) -> NDArray[Any]:
        """The same with each row counted in each pass."""
        auto = self.longer.auto
        if auto is None:
            return np.zeros(1)
        return np.append(auto.at["t"], auto.visits if auto.sparse else [])

    def go_on(self) -> None:
        """The rows of the next passes are others."""
        self.rows, self.seen, self.most = self.rows + max(self.seen, self.most), 0, 0
        if self.start is not None:
            counts = self.counts
            self.learnt, self.known, self.start = counts, counts, self._passed()

    def begin(self, epoch: int) -> None:
        """Count the rows of this pass anew, unless it is gone on with."""
        if epoch != self.epoch:
            now, counts, most = self._passed(), self.counts, max(self.seen, self.most)
            learnt = np.zeros_like(now) if self.learnt is None else self.learnt
            self.seen, self.most, self.learnt, self.known, self.start = 0, most, learnt, counts, now
            self.epoch = epoch

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
            other.epoch = state.epoch
            if state.auto.again:
                other.begin_again()
        state.beside.begin(state.epoch)
        return self

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows.

        What interrupts it is raised when all models have learnt from the rows that one of them has learnt from.
        """
        beside = state.beside
        models: list[tuple[State, View]] = [(state, EveryRow()), *beside.views()]
        views = [view for _, view in models[1:]]
        order = rows.order
        call = Call(rows.part, order, views, self.scratch, beside.rows, len(beside.parts), state.seed)
        clocks, end = [model.auto.at["t"][0] for model, _ in models], beside.seen + order.n

        def train(number: int) -> None:
            if number == 0:
                local(state, plan, rows)
                return
            other, view = models[number]
            with call.seen(view, state.seed) as (part, some):
                if some.n:
                    how = self.longer if other is beside.longer else plan
                    local(other, how, Round(part, some, np.zeros((2, len(other.b)))))

        in_step = beside.in_step
        try:
            beside.in_step = False  # It stays so after a second Ctrl-C, or if there is no memory.
            self.threads.map(train, range(len(models)))
            beside.seen, beside.in_step = end, in_step
        except Diverged:
            raise
        except BaseException:
            # Kernels count their rows, so a model whose count is as it was has learnt nothing, or has no rows of weight here.
            left = [i for i, (model, _) in enumerate(models) if model.auto.at["t"][0] == clocks[i]]
            if len(left) < len(models):
                self.threads.map(train, left)
                for model, _ in models:
                    model.at["t"] = model.auto.at["t"] + 1  # as `local`, which may have been left before that
                beside.seen = end
            beside.in_step = in_step
            raise
