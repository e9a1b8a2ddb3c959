"""Packs: models that are trained in one pass over the rows, each pack by kernel calls of its own, on the rows that it sees.

A pack is one state. If its heads have records of their own, they are many models, and each value of X is loaded once for all
of them; else it is one model of whatever kind. What a pack does not see is to it as rows of weight 0 are: not there.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd import penalties
from fastsgd.engine import begin_pass
from fastsgd.lanes import SERIAL, Diverged, Round, Serial
from fastsgd.objective import objective_count
from fastsgd.plan import Plan
from fastsgd.run import Moment, Run
from fastsgd.sources import _order
from fastsgd.sources.arrays import Order, Table
from fastsgd.sources.hints import Shuffle
from fastsgd.state import State
from fastsgd.sums import LossSums, losses_of_call
from fastsgd.threads import ONE_THREAD, Threads


# ---------------------------------------------------------------- which rows
@dataclass(frozen=True)
class EveryRow:
    """All rows of a table."""


@dataclass(frozen=True)
class Without:
    """The rows but those of one fold, by `Table.fold`."""

    fold: int


@dataclass(frozen=True)
class Only:
    """The rows of one fold, or of one segment, by `Table.fold`."""

    fold: int


@dataclass(frozen=True, eq=False)
class Among:
    """The rows for which a mask, by the row's number, is True."""

    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Resampled:
    """The rows as often as the bootstrap sample of that number, from 1, has them, by their numbers and the seed of the state."""

    number: int


View = EveryRow | Without | Only | Among | Resampled


class Call:
    """The rows of one kernel call, and which of them the views see.

    Parameters
    ----------
    part : Table
    order : Order
    views : iterable of View
        Those that will be asked for, maybe by several threads at once.
    scratch : list of arrays
        Arrays of float64 that no view is using, which all calls of a pass have in common.
    first : int
        The number of the first row of the data, where there were others before.
    n_folds, fold_seed : int
        Draw the folds by the numbers of the rows; with 0 they are those of the table.
    """

    def __init__(
        self,
        part: Table,
        order: Order,
        views: Iterable[View],
        scratch: list[NDArray[Any]],
        first: int = 0,
        n_folds: int = 0,
        fold_seed: int = 0,
    ) -> None:
        self.part, self.order, self.scratch, self.first = part, order, scratch, first
        kinds = {type(view) for view in views}
        if kinds <= {EveryRow}:
            return
        self._rows = order.numbers()
        if kinds & {Without, Only}:
            if n_folds:
                self._codes = _order.fold_numbers(self._numbers(), n_folds, fold_seed)
            elif part.fold is None:
                raise ValueError("views of folds need a table whose rows have folds.")
            else:
                self._codes = part.fold[self._rows]
        if Only in kinds:  # Each fold's rows lie together then, in the order of their visits.
            by_fold = np.argsort(self._codes, kind="stable")
            sorted_codes = self._codes[by_fold]
            starts = np.flatnonzero(np.append(True, sorted_codes[1:] != sorted_codes[:-1])) if len(by_fold) else []
            ends = [*starts[1:], len(by_fold)]
            self._by_fold = self._rows[by_fold]
            self._ends = {int(sorted_codes[lo]): (lo, hi) for lo, hi in zip(starts, ends, strict=True)}

    @contextmanager
    def seen(self, view: View, seed: int) -> Iterator[tuple[Table, Order]]:
        """(table, order) of the rows that a view sees, in their order."""
        if isinstance(view, EveryRow):
            yield self.part, self.order
        elif isinstance(view, Resampled):
            counts = _order.resample_counts(self._numbers(), view.number, seed)
            drawn = np.flatnonzero(counts)
            rows, counts = self._rows[drawn], counts[drawn]
            # Weights have the places of their rows, so the array is as long as the table; only these places are written.
            s = self._borrowed(self.part.X.shape[0])
            s[rows] = counts if self.part.s is None else counts * self.part.s[rows]
            try:
                yield replace(self.part, s=s), self._of(rows)
            finally:
                self.scratch.append(s)
        else:
            yield self.part, self._of(self._some(view))

    def _borrowed(self, n: int) -> NDArray[Any]:
        """An array of n numbers that no other view is using."""
        try:
            s = self.scratch.pop()
        except IndexError:
            return np.empty(n)
        return s if len(s) == n else np.empty(n)

    def _some(self, view: View) -> NDArray[Any]:
        if isinstance(view, Without):
            return self._rows[self._codes != view.fold]
        if isinstance(view, Only):
            lo, hi = self._ends.get(view.fold, (0, 0))
            return self._by_fold[lo:hi]
        return self._rows[view.mask[self._numbers()]]

    def _numbers(self) -> NDArray[Any]:
        numbers = self._rows if self.part.number is None else self.part.number[self._rows]
        return numbers + self.first if self.first else numbers

    def _of(self, rows: NDArray[Any]) -> Order:
        return Order(np.ascontiguousarray(rows), None, 0, len(rows), self.order.buffer_rows)


class Seen:
    """The rows that a view sees of a table or a stream, as rows of weight: what sums over all rows ask of a table.

    Parameters
    ----------
    table : Table or Stream
    view : View
    seed : int
        That of the state.
    """

    scaling = None

    def __init__(self, table: Any, view: View, seed: int) -> None:
        self.table, self.view, self.seed, self.sparse = table, view, seed, table.sparse

    def tables(self) -> Iterator[Table]:
        """The rows as Tables in memory."""
        for table in self.table.tables():
            call = Call(table, Order(table.rows, None, 0, table.n_rows, table.n_rows), [self.view], [])
            with call.seen(self.view, self.seed) as (part, order):
                yield part if order is call.order else replace(part, rows=order.rows)

    summed, each = Table.summed, Table.each


# ---------------------------------------------------------------- packs
@dataclass
class Pack:
    """Models that one kernel call trains.

    Attributes
    ----------
    state : State
    plan : Plan
        Whose heads are separate, many models by the numbers in `heads["model"]`; or are one model, by the one number.
    view : View
    scaling : Scaling or None
        That of the rows, where the state is of standardised ones.
    passes : int
        Passes begun in this training.
    """

    state: State
    plan: Plan
    view: View = EveryRow()
    scaling: Any = None
    passes: int = 0
    run: Run = field(init=False, repr=False)
    moment: Moment = field(init=False, repr=False)
    diverged: bool = field(default=False, init=False)
    way: Serial = field(default=SERIAL, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.plan.line_search:
            raise ValueError("models beside others can't search along a line: that takes passes of its own.")
        self.run, self.moment = Run(self.state), Moment(self.state, self.plan)

    @property
    def numbers(self) -> NDArray[Any]:
        """The number of the model of each head; of heads without records of their own a single one."""
        return self.plan.heads["model"]  # type: ignore[no-any-return]

    def begin(self, table: Any, lanes: Serial) -> None:
        """Begin a pass."""
        self.run, self.diverged = Run(self.state), False
        begin_pass(self.run, self.plan, table, again=self.passes > 0)
        self.passes += 1
        self.run.parts = self.way = lanes.opened(self.state, self.plan, self.run.sums, self.run.gathered)

    def round(self, part: Table, order: Order, last: bool) -> None:
        """Train on the rows of a kernel call, unless the pass has diverged."""
        if self.diverged:
            return
        if self.scaling is not None:
            part = self.scaling.read(part, order.numbers(), self.state.W.dtype)
            order = Order(None, None, 0, order.n, order.buffer_rows)
        run = self.run
        try:
            if order.n or last:
                self.way.round(self.state, self.plan, Round(part, order, run.sums, run.gathered, last))
        except Diverged:
            self.diverged = True
        run.done += order.n

    def end(self) -> None:
        """Have the state what it is after the rounds so far, whose model is then that of `moment`."""
        self.run.put_back()
        self.moment = Moment(self.state, self.plan)

    def heads(self, number: int) -> NDArray[Any]:
        """The heads of a model."""
        return np.flatnonzero(self.numbers == number)

    def finite(self) -> NDArray[Any]:
        """Whether all weights of each head are finite, or all of the one model."""
        W, b = self.moment.model
        found = np.isfinite(W).all(axis=0)[: len(b)] & np.isfinite(b)
        return found if self.plan.separate else found.all(keepdims=True)

    def only(self, heads: NDArray[Any]) -> bool:
        """Leave out the other heads, if there are any; whether it did, and these lie one after another now."""
        if not self.plan.separate or len(heads) == len(self.numbers):
            return False
        self.state, self.plan = self.state.pack(self.plan, heads), self.plan.pack(heads)
        self.moment = Moment(self.state, self.plan)
        return True

    def mean(self, sums: NDArray[Any]) -> NDArray[Any]:
        """The mean loss of each head by the sums (2, K) of `LossSums`, or of the one model, which is of all heads."""
        means = LossSums(sums).finish()
        return np.array(means if self.plan.separate else [sum(means) / objective_count(self.plan, self.state.b)])

    def penalty(self) -> NDArray[Any]:
        """What the objective of each head, or of the one model, has beside the loss."""
        (W, b), plan = self.moment.model, self.plan
        if plan.separate:
            of_weights = [penalties.value(W[:, h], *plan.heads[["l1", "l2"]][h].tolist()) for h in range(len(b))]
            return of_weights + plan.nu * b
        return np.array([(penalties.value(W, plan.l1, plan.l2) + plan.nu * b.sum()) / objective_count(plan, b)])


def tasks(packs: Sequence[Pack], n: int) -> list[list[Pack]]:
    """The packs in groups of the same view; there are about n of them, or as many as there are views."""
    by_view: dict[tuple[View, int], list[Pack]] = {}
    for pack in packs:
        by_view.setdefault((pack.view, pack.state.seed), []).append(pack)
    pieces = -(-n // len(by_view))
    return [group[i::pieces] for group in by_view.values() for i in range(min(pieces, len(group)))]


def one_pass(
    packs: Sequence[Pack],
    table: Any,
    shuffle: Shuffle,
    lanes: Serial = SERIAL,
    threads: Threads = ONE_THREAD,
    n_folds: int = 0,
) -> Iterator[None]:
    """Train all packs on the rows that they see, in the order of one of their states; yields after each round.

    Their states are only whole again after `Pack.end`. `n_folds` is as that of `Call`.
    """
    first = packs[0].state
    for pack in packs:
        pack.begin(table, lanes if len(packs) == 1 else SERIAL)
    heads = max(len(pack.state.b) for pack in packs)
    work, views = tasks(packs, threads.n), [pack.view for pack in packs]
    if table.empty:
        for pack in packs:
            pack.run.done = table.n_rows
        yield
        return
    scratch: list[NDArray[Any]] = []
    for part, order, then in table.chunks(first.W.dtype, heads, shuffle, first.seed, first.epoch - 1):
        call = Call(part, order, views, scratch, 0, n_folds, first.seed)

        def train(group: list[Pack], call: Call = call, last: bool = then is None) -> None:
            with call.seen(group[0].view, group[0].state.seed) as (part, order):
                for pack in group:
                    pack.round(part, order, last)

        threads.map(train, work)
        yield


def loss_sums(
    packs: Sequence[Pack], table: Any, *, zeros: bool = False, threads: Threads = ONE_THREAD
) -> list[NDArray[Any]]:
    """Sums of s loss and of s of each head, (2, K) of each pack, at its model, of the rows that it sees, in one pass.

    Parameters
    ----------
    packs : list of Pack
    table : Table or Stream
    zeros : bool
        At zero weights and intercepts.
    threads : Threads
    """
    models = [_zeros(pack) if zeros else _in_units_of_rows(pack) for pack in packs]
    found, views = [np.zeros((2, len(b))) for _, b in models], [pack.view for pack in packs]
    place = {id(pack): i for i, pack in enumerate(packs)}
    work, heads = tasks(packs, threads.n), max(len(b) for _, b in models)
    scratch: list[NDArray[Any]] = []

    for part, order, _ in table.chunks(packs[0].state.W.dtype, heads, False, 0, 0):
        call = Call(part, order, views, scratch)

        def add(group: list[Pack], call: Call = call) -> None:
            with call.seen(group[0].view, group[0].state.seed) as (part, order):
                for pack in group:
                    i = place[id(pack)]
                    found[i] += losses_of_call(pack.plan, *models[i], pack.state.seed, False, (part, order, None))

        threads.map(add, work)
    return found


def _zeros(pack: Pack) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.zeros_like(pack.state.W), np.zeros_like(pack.state.b)


def _in_units_of_rows(pack: Pack) -> tuple[NDArray[Any], NDArray[Any]]:
    W, b = pack.moment.model
    return (W, b) if pack.scaling is None else pack.scaling.outward(W, b)
