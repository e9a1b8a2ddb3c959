"""A contest: models that differ in one parameter learn side by side in one pass, and the rows say which of them is the model.

They are judged by rows before they learn from them. The model that leads is the State that has the contest; the others are a part
of that, and so copied, saved, and gone on with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.gathered import Gathered
from fastsgd.lanes import SERIAL, Diverged, Round, Serial, local
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.threads import Threads

# After so many rows the model that has lost most takes no further part, and one more whenever their number has doubled. With four
# models the contest takes 70,000 steps beside those of the model itself.
FIRST_ROWS = 10_000


@dataclass(eq=False)
class Contest:
    """The models beside the one that leads, and how all have done.

    Attributes
    ----------
    parameter : str
    values : (n,) float64
        Of that parameter, one for each model.
    leader : int
        The place in `values` of the model that leads.
    running : array of int
        The places of the others that are still in the contest.
    others : list of State
        These, from the first row on.
    lost : (n,) float64
        The sums of their losses before they learnt from the rows, each times the square of the number of rows until then; with
        learning_rate="auto" models say it themselves.
    rows : float
        How many rows there were.
    """

    parameter: str
    values: NDArray[Any]
    leader: int
    running: NDArray[np.int64]
    others: list[State] = field(default_factory=list)
    lost: NDArray[Any] = None  # type: ignore[assignment]  # of __post_init__
    rows: float = 0.0

    def __post_init__(self) -> None:
        if self.lost is None:
            self.lost = np.zeros(len(self.values))

    @classmethod
    def of(cls, parameter: str, values: Sequence[float], leader: int) -> "Contest":
        """One that begins, of models that are as the leader is."""
        return cls(parameter, np.array(values, float), leader, np.delete(np.arange(len(values)), leader))

    @property
    def value(self) -> float:
        """That of the model that leads."""
        return float(self.values[self.leader])

    def copy(self) -> "Contest":
        """An independent copy."""
        others = [state.copy() for state in self.others]
        return replace(self, running=self.running.copy(), others=others, lost=self.lost.copy())

    def end(self) -> None:
        """The model that leads goes on alone."""
        self.running, self.others = self.running[:0], []

    def begin(self, state: State) -> None:
        """Have the others as the leader is."""
        if len(self.others) < len(self.running):
            state.contest = None  # Those beside it have none.
            self.others = [state.copy() for _ in self.running]
            state.contest = self


class SideBySide(Serial):
    """A way to do rounds: all models of a contest learn from the rows of each, every model by one of the threads.

    The bits are the same for any number of threads.

    Parameters
    ----------
    plans : list of Plan
        One for each value; they have steps of single rows.
    sparse : bool
        Whether the rows are CSR.
    threads : Threads
    """

    def __init__(self, plans: Sequence[Plan], sparse: bool, threads: Threads) -> None:
        self.plans, self.sparse, self.threads = plans, sparse, threads
        self.gathered: list[Gathered | None] = []

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> Serial:
        """Have the others ready for the pass that the leader is ready for."""
        contest = state.contest
        contest.begin(state)
        for number, other in zip(contest.running, contest.others, strict=True):
            other.prepare(self.plans[number], self.sparse)
            other.epoch = state.epoch
        # A step is one row, so that nothing is gathered between two rounds: these are room for it.
        self.gathered = [None if gathered is None else gathered.copy() for _ in self.plans]
        return self

    def stretches(self, plan: Plan, part: Table, order: Order, K: int, seen: int, n_rows: float) -> list[Order]:
        """As those of one thread."""
        return SERIAL.stretches(plan, part, order, K, seen, n_rows)

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows; `sums` are of the model that leads at its end, and so is the state.

        What interrupts it is raised when all models have learnt from the rows that one of them has learnt from.
        """
        contest = state.contest
        if not len(contest.running):
            local(state, self.plans[contest.leader], rows)
            return
        n, sums = rows.order.n, rows.sums
        models, numbers = [state, *contest.others], [contest.leader, *contest.running.tolist()]
        found, clocks = np.zeros((len(models), *sums.shape)), [one.t for one in models]

        def train(i: int) -> None:
            try:
                own = rows._replace(sums=found[i], gathered=self.gathered[numbers[i]])
                local(models[i], self.plans[numbers[i]], own)
            except Diverged:
                found[i] = np.nan

        try:
            self.threads.map(train, range(len(models)))
        except BaseException:
            left = [i for i, one in enumerate(models) if one.t == clocks[i]]  # Kernels count the rows that have weight.
            if len(left) < len(models):
                self.threads.map(train, left)
                for one in models:
                    one.at["t"] = one.t  # `local` may have been left before that.
                self._judge(state, numbers, n, found, sums)
            raise
        self._judge(state, numbers, n, found, sums)

    def _judge(self, state: State, numbers: list[int], n: int, found: NDArray[Any], sums: NDArray[Any]) -> None:
        """Take what the models lost in this round: who leads now, and who takes no further part."""
        contest, models = state.contest, [state, *state.contest.others]
        contest.lost[numbers] += (contest.rows + n / 2) ** 2 * found[:, 0].sum(axis=1)
        contest.rows += n
        lost = np.array(
            [contest.lost[i] if one.auto is None else one.auto.lost for i, one in zip(numbers, models, strict=True)]
        )
        lost[~np.isfinite(found[:, 0]).all(axis=1)] = np.nan
        lost = np.where(np.isfinite(lost), lost, np.inf)
        if not (lost < np.inf).any():
            raise Diverged(state.epoch)
        best = int(lost.argmin())
        sums += found[best]
        order = np.argsort(lost, kind="stable")
        stay = len(contest.values) - (1 + int(log2(contest.rows / FIRST_ROWS)) if contest.rows >= FIRST_ROWS else 0)
        kept = [int(i) for i in sorted(order[: max(1, stay)]) if lost[i] < np.inf and i != best]
        if best:
            models[best] = _swapped(state, models[best])
        contest.leader, contest.running = numbers[best], np.array([numbers[i] for i in kept], np.int64)
        contest.others = [models[best] if i == 0 else models[i] for i in kept]


def _swapped(state: State, other: State) -> State:
    """Have two models change places: the second is in the State that has the contest then. Returned is the State of the first."""
    own, theirs = vars(state), vars(other)
    for name in own:
        if name != "contest":
            own[name], theirs[name] = theirs[name], own[name]
    return other
