"""How many passes: after each one, rows that were not learnt from have a loss, and when this no longer falls, passes end.

A pass is better than those before it only if that loss is lower by more than may be chance, since the lowest of ten losses is
lower by chance alone. The model is that after the last pass that was better.

The rows are those of a validation set. Without one they are rows that models beside the training leave out, each model a part of
the rows. These models follow the passes of the training, which itself learns from all rows and is the same as without them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsgd.gathered import Gathered
from fastsgd.lanes import Diverged, Round, Serial, local
from fastsgd.packs import Call, View, Without
from fastsgd.plan import Plan
from fastsgd.run import Moment
from fastsgd.sources import _order
from fastsgd.sources.arrays import Order, Table, stacked
from fastsgd.state import State
from fastsgd.stopping import Stopping
from fastsgd.sums import LossSums, total
from fastsgd.threads import ONE_THREAD, Threads

PATIENCE = 2  # So many passes in a row that are not better end the training: in the second pass the loss may rise, and then fall.
SURE = 1.5  # A loss is lower if it is so by this many standard errors of the difference.
# Up to so many rows in memory each row is left out by one of FOLDS models. Of more rows there is one model, which leaves out
# about LEFT_OUT_ROWS of them, but at most LEFT_OUT_SHARE.
ALL_LEFT_OUT_ROWS, FOLDS = 40_000, 4
LEFT_OUT_ROWS, LEFT_OUT_SHARE = 20_000, 0.1
# Where weights are many there are fewer models, so that all together take about so much memory; one there is always. The state of
# a model is counted as STATE_ARRAYS times its weights, as with "auto" on CSR, which keeps eight numbers of each weight.
MODELS_BYTES, STATE_ARRAYS = 1 << 29, 9
HELD_SHARE = 0.1  # Of a source as many rows that are left out are kept as this share of its `max_memory` has room for.
# Losses are summed in so many groups of rows: how much these differ says how sure a difference of losses is.
GROUPS = 32


class Folds(NamedTuple):
    """Rows are dealt out to `n` parts by their numbers, and each of the first `left_out` parts is left out by a model."""

    n: int
    left_out: int


def folds_of(n_rows: float, in_memory: bool, weights_bytes: int) -> Folds:
    """The Folds of so many rows, for a model whose weights take so many bytes."""
    if in_memory and n_rows <= ALL_LEFT_OUT_ROWS:
        return Folds(FOLDS, max(1, min(FOLDS, MODELS_BYTES // max(1, STATE_ARRAYS * weights_bytes))))
    return Folds(max(round(1 / LEFT_OUT_SHARE), round(n_rows / LEFT_OUT_ROWS)), 1)


@dataclass(eq=False)
class Judge:
    """What is known of the loss of rows that were not learnt from.

    Attributes
    ----------
    folds : Folds or None
        None where the rows are those of a validation set.
    states : list of State
        The models that leave rows out, from the first pass on.
    gathered : list of Gathered
        Of the step of each that is under way, where a step is not of one row.
    before : (groups, 2, K) float64, or None
        At the end of the best pass so far, the losses and weights of each group of rows.
    epoch : int
        The number of the pass that was last begun.
    diverged : bool
        Whether one of the models has diverged: then no later pass is judged.
    now : (groups, 2, K) float64, or None
        The same as `before`, of this pass. It is no part of a checkpoint, as it follows from the rest.
    better : bool
        Whether this pass is better than the best before.
    sums : callable
        (moment) -> `now` of that moment; `by_left_out`, `by_rows` or `by_score` sets it.
    """

    folds: Folds | None = None
    states: list[State] = field(default_factory=list)
    gathered: list[Gathered] = field(default_factory=list)
    before: NDArray[Any] | None = None
    epoch: int = -1
    diverged: bool = False
    now: NDArray[Any] | None = None
    better: bool = True
    sums: Callable[[Moment], NDArray[Any]] | None = None

    def go_on_from(self, other: "Judge") -> None:
        """Take over what is known from one that a checkpoint holds."""
        for name in ("states", "gathered", "before", "epoch", "diverged"):
            setattr(self, name, getattr(other, name))

    def by_left_out(self, table: Any, plan: Plan, state: State) -> None:
        """Judge by the rows of this table that the models leave out; `state` is that of the training."""
        folds, shape = self.folds, (1, 2, len(state.b))
        assert folds is not None
        groups: list[list[Table]] = []

        def sums(_: Moment) -> NDArray[Any]:
            if self.diverged:
                return np.full(shape, np.nan)
            if not self.states:  # No row has any weight.
                return np.zeros(shape)
            if not groups:
                groups.extend(
                    groups_of(part, GROUPS // len(self.states)) for part in rows_left_out(table, folds, state)
                )
            models = [other.model(plan) for other in self.states]
            return np.concatenate([losses_of(some, plan, *model) for some, model in zip(groups, models, strict=True)])

        self.sums = sums

    def by_rows(self, table: Any, plan: Plan) -> None:
        """Judge the model itself by the rows of another table."""
        groups: list[Table] = []

        def sums(moment: Moment) -> NDArray[Any]:
            if not isinstance(table, Table):
                each = table.each(lambda part: losses_of(groups_of(part, GROUPS), plan, *moment.model))
                return np.asarray(total(each))
            if not groups:  # Only now is it known how rows are scaled.
                groups.extend(groups_of(table, GROUPS))
            return losses_of(groups, plan, *moment.model)

        self.sums = sums

    def by_score(self, score: Callable[[Moment], float]) -> None:
        """Judge the model itself by a score: a single number, of which nobody knows how sure it is."""
        self.sums = lambda moment: np.array([[[-score(moment)], [1.0]]])

    def score(self, plan: Plan) -> Callable[[Moment], float]:
        """What `engine.train` asks for at the end of a pass: minus the mean loss, mean over the heads or their sum."""

        def of(moment: Moment) -> float:
            assert self.sums is not None
            self.now = self.sums(moment)
            self.better = self.before is None or falls(self.before, self.now)
            return -float(_mean(self.now).sum()) / (1 if plan.loss.coupled else self.now.shape[2])

        return of

    def begin(self, state: State, plan: Plan, sparse: bool, gathered: Gathered | None) -> None:
        """Have the models ready for the pass that this state is ready for."""
        if self.folds is not None and not self.states:
            self.states = [state.copy() for _ in range(self.folds.left_out)]
            for other in self.states:
                other.beside = other.contest = None
        if state.epoch != self.epoch:
            self.epoch = state.epoch
            self.gathered = [] if gathered is None else [gathered.copy() for _ in self.states]
            self.before = self.now if self.better and self.now is not None else self.before
        for other in self.states:
            other.prepare(plan, sparse)
            other.epoch = state.epoch
            if other.auto is not None and state.auto is not None and state.auto.again:
                other.begin_again()


class Judged(Stopping):
    """Passes end when the judge says of PATIENCE in a row that they were not better; the model is that after the best pass."""

    name, needs, keeps = "judged", "validation_score", True
    params = ()

    def __init__(self, judge: Judge) -> None:
        super().__init__(0.0, PATIENCE)
        self.judge = judge

    def holds(self, value: float) -> bool:
        """Whether this pass was not better."""
        self.improved = self.judge.better and -value < self.best
        self.best = -value if self.improved else self.best
        return not self.improved


class WithJudge(Serial):
    """A way to do rounds: that of the training, and then, each by one of the threads, the models that leave rows out.

    Parameters
    ----------
    way : Serial or other way to do a round
    judge : Judge
    sparse : bool
        Whether the rows are CSR.
    threads : Threads
    """

    def __init__(self, way: Serial, judge: Judge, sparse: bool, threads: Threads) -> None:
        self.given, self.way, self.judge, self.sparse, self.threads = way, way, judge, sparse, threads
        self.n, self.stepwise = way.n, way.stepwise
        self.views: list[View] = []
        self.scratch: list[NDArray[Any]] = []

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> "WithJudge":
        """Have all ready."""
        self.judge.begin(state, plan, self.sparse, gathered)
        self.views = [Without(number) for number in range(len(self.judge.states))]
        self.way = self.given.opened(state, plan, sums, gathered)
        return self

    def put_back(self) -> None:
        """As that of the training's own way."""
        self.way.put_back()

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """As that of the training's own way."""
        self.way.round(state, plan, rows)

    def stretches(self, plan: Plan, part: Table, order: Order, K: int, seen: int, n_rows: float) -> list[Order]:
        """As those of the training's own way."""
        return self.way.stretches(plan, part, order, K, seen, n_rows)

    def beside(self, state: State, plan: Plan, part: Table, order: Order, last: bool) -> None:
        """Have the models that leave rows out learn from a kernel call's rows."""
        judge = self.judge
        if judge.folds is None or judge.diverged:
            return
        call = Call(part, order, self.views, self.scratch, 0, judge.folds.n, state.seed)

        def train(number: int) -> None:
            other, own = judge.states[number], judge.gathered[number] if judge.gathered else None
            with call.seen(self.views[number], state.seed) as (rows, some):
                if some.n or last:
                    local(other, plan, Round(rows, some, np.zeros((2, len(other.b))), own, last))

        try:
            self.threads.map(train, range(len(judge.states)))
        except Diverged:
            judge.diverged = True


def falls(before: NDArray[Any], now: NDArray[Any]) -> bool:
    """Whether the mean loss is lower now by more than SURE standard errors of the difference, the rows being the same."""
    if before.shape != now.shape:
        return False
    groups = len(now)
    weights = now[:, 1].sum(axis=0)
    weights = np.where(weights > 0, weights, 1.0)
    each = ((now[:, 0] - before[:, 0]) / weights).sum(axis=1)
    share = (now[:, 1] / weights).mean(axis=1)
    off = each - each.sum() * share
    error = np.sqrt(groups / (groups - 1) * (off @ off)) if groups > 1 else 0.0
    return bool(-each.sum() > SURE * error)


def losses_of(groups: list[Table], plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """The `values` of LossSums of groups of rows, (groups, 2, K)."""
    nothing = np.zeros((2, len(b)))
    return np.array([LossSums.of(one, plan, W, b).values if one.n_rows else nothing for one in groups])


def groups_of(table: Table, n: int) -> list[Table]:
    """The rows of a table in n groups."""
    rows = _rows(table)
    return [replace(table, rows=np.ascontiguousarray(rows[i::n]), threads=ONE_THREAD) for i in range(n)]


def rows_left_out(table: Any, folds: Folds, state: State) -> list[Table]:
    """The rows of each part that is left out: those of a table stay where they are, those of a stream are copied."""
    if isinstance(table, Table):
        rows = _rows(table)
        codes = _codes(table, rows, folds.n, state)
        return [replace(table, rows=np.ascontiguousarray(rows[codes == i])) for i in range(folds.left_out)]
    found: list[Table] = []
    n, most = folds.n, HELD_SHARE * table.source.max_memory
    for part in table.tables():
        rows = _rows(part)
        some = np.ascontiguousarray(rows[_codes(part, rows, n, state) == 0])
        found.append(replace(part, scaling=None).read(some, state.W.dtype))
        while sum(map(_bytes, found)) > most and any(one.n_rows > 1 for one in found):
            n *= 2  # Part 0 of twice as many is a half of it.
            found = [
                one.read(np.flatnonzero(_codes(one, np.arange(one.n_rows), n, state) == 0), state.W.dtype)
                for one in found
            ]
    return [replace(stacked(found), scaling=table.scaling)]


def _rows(table: Any) -> NDArray[Any]:
    """The rows that are used of a table."""
    return np.arange(table.X.shape[0]) if table.rows is None else np.asarray(table.rows)


def _codes(table: Table, rows: NDArray[Any], n: int, state: State) -> NDArray[Any]:
    """Of each of these rows, which of n parts it is in."""
    numbers = rows if table.number is None else table.number[rows]
    return np.asarray(_order.fold_numbers(np.ascontiguousarray(numbers, np.int64), n, state.seed))


def _bytes(table: Table) -> int:
    X: Any = table.X
    return int(sum(part.nbytes for part in (X.data, X.indices, X.indptr)) if table.sparse else X.nbytes)


def _mean(sums: NDArray[Any]) -> NDArray[Any]:
    """The mean loss of each head, of the groups together."""
    losses, weights = sums.sum(axis=0)
    return np.asarray(losses / np.where(weights > 0, weights, 1.0))
