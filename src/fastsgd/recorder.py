"""What records a training at its steps, whatever ends it: objective, gradient, moves and coefficients.

A training that is recorded has the same bits as one that is not. Its kernel calls are what they are; a copy of the state goes
over the rows of a call once more, as far as the steps to be recorded. The two agree to rounding, and the copy begins anew
with each call.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.gathered import Gathered
from fastsgd.lanes import Diverged, Round, Serial, local
from fastsgd.objective import measure, objective
from fastsgd.plan import Plan
from fastsgd.record import OF_MODEL, OF_ROWS, Asked, Grown, Kept, Model, Record
from fastsgd.run import Run
from fastsgd.sources.arrays import START, Order, Table
from fastsgd.state import State


class Recorder:
    """Records one training.

    Parameters
    ----------
    asked : Asked
    table : Table or Stream
        The rows of the objective.
    plan : Plan
    published : callable
        (state, (W, b)) -> (coefficients, intercepts) as users have them, in arrays of their own.
    record : Record or None
        The one that it goes on with.
    """

    def __init__(
        self,
        asked: Asked,
        table: Any,
        plan: Plan,
        published: Callable[[State, Model], Model],
        record: Record | None = None,
    ) -> None:
        self.asked, self.table, self.plan, self.published = asked, table, plan, published
        self.record = Record() if record is None else record
        self.n_rows, self.first, self.passes_before, self.rows_before = float(table.n_rows), 0, 0, 0
        self.measured: dict[str, Any] = {}
        self.started = perf_counter() - self.record.seconds

    def anew(self) -> "Recorder":
        """One of a training that begins again."""
        return Recorder(self.asked, self.table, self.plan, self.published)

    def begin(self, run: Run) -> None:
        """Record the start, unless the record is up to it."""
        state, record = run.state, self.record
        self.first = steps_of(state)
        self.rows_before = len(record.rows)
        self.passes_before = state.epoch - len(run.epochs) - (run.start not in (None, START))
        if not len(record.rows):
            self.started = perf_counter() - run.seconds
        if self.first not in (record.steps, record.until):
            self.take(state, self.epoch(run, 0), self.seconds())
        elif self.asked.what & OF_MODEL and (record.last is None or (self.of_path and record.kept is None)):
            model = self.published(state, state.model(self.plan))
            self.record = Record(record.rows, self.kept(self.first, model), model)

    def opened(self, run: Run, way: Serial) -> "Serial":
        """A way to do the rounds of the pass that begins, or goes on, which is recorded."""
        return RecordedLane(self, run, way)

    def so_far(self, state: State) -> Record:
        """The record, where a call ends with this state."""
        return Record(self.record.rows, self.record.kept, self.record.last, steps_of(state))

    def fill(self, history: NDArray[Any]) -> None:
        """Put into the rows of `history_` what was recorded at the ends of their epochs, and is not there: that was asked for."""
        rows = self.record.rows.array()[self.rows_before :]
        ends = {epoch: number for number, epoch in enumerate(rows["epoch"].tolist())}
        for i, epoch in enumerate((history["epoch"] + self.passes_before).tolist()):
            for name in OF_ROWS if epoch in ends else ():
                if np.isnan(history[name][i]):
                    history[name][i] = rows[name][ends[epoch]]

    def stepped(self, run: Run) -> None:
        """Record where a pass of one step has led, if that is to be recorded."""
        if self.asked.every is None or steps_of(run.state) >= self.due():
            self.end(run)

    def end(self, run: Run) -> None:
        """Record the end, unless it is there."""
        if steps_of(run.state) > self.record.steps:
            self.take(run.state, self.epoch(run, 0), self.seconds())

    @property
    def of_path(self) -> bool:
        """Whether coefficients are to be kept."""
        return "coef" in self.asked.what

    def kept(self, steps: int, model: Model) -> Kept | None:
        """Those that are kept, with one more where they are asked for."""
        kept = self.record.kept
        return (Kept(Grown([], 0)) if kept is None else kept).plus(steps, *model) if self.of_path else kept

    def seconds(self) -> float:
        """Seconds of training so far, without those of recording."""
        return perf_counter() - self.started

    def epoch(self, run: Run, more: int) -> float:
        """Passes over the rows, as far as `more` rows beyond those that are done; NaN in a pass of unknown length."""
        passes = run.state.epoch
        done = run.done + more
        if run.start is None or not done:  # between two passes
            return float(passes)
        return float(passes - 1 + min(1.0, done / self.n_rows)) if np.isfinite(self.n_rows) else np.nan

    def known(self, state: State, table: Any) -> dict[str, Any]:
        """What was measured of this very moment, to the bits that `measure` or `objective` would give again."""
        return self.measured if self.record.steps == steps_of(state) and table is self.table else {}

    def due(self) -> int:
        """The number of steps of the next row."""
        assert self.asked.every is not None
        return (max(self.record.steps, self.first) // self.asked.every + 1) * self.asked.every

    @np.errstate(over="ignore", invalid="ignore")
    def take(self, state: State, epoch: float, seconds: float) -> None:
        """Add the row of this state."""
        began, what, record = perf_counter(), self.asked.what, self.record
        value, norm, length, model = np.nan, np.nan, np.nan, None
        W, b = state.model(self.plan)
        self.measured = {}
        if "gradient_norm" in what:
            value, norm = self.measured["gradient_norm"] = measure(self.table, self.plan, W, b)
        elif "objective" in what:
            value = self.measured["objective"] = objective(self.table, self.plan, W, b)
        if what & OF_MODEL:
            model = self.published(state, (W, b))
            if "step_length" in what:
                length = 0.0 if not len(record.rows) else length_of(record.last, model)
        steps, value = steps_of(state), value if "objective" in what else np.nan
        kept = self.kept(steps, model) if model is not None else record.kept
        self.record = Record(record.rows.plus((steps, epoch, seconds, value, norm, length)), kept, model)
        self.started += perf_counter() - began


class RecordedLane(Serial):
    """A lane that has another one take the steps of each round, and records them.

    Parameters
    ----------
    recorder : Recorder
    run : Run
    way : Serial or other way to do a round
    """

    def __init__(self, recorder: Recorder, run: Run, way: Serial) -> None:
        self.recorder, self.run, self.way, self.n = recorder, run, way, way.n

    def put_back(self) -> None:
        """As that of the way."""
        self.way.put_back()

    def stretches(self, plan: Plan, part: Table, order: Order, K: int, seen: int, n_rows: float) -> list[Order]:
        """As those of the way."""
        return self.way.stretches(plan, part, order, K, seen, n_rows)

    def beside(self, state: State, plan: Plan, part: Table, order: Order, last: bool) -> None:
        """As that of the way."""
        self.way.beside(state, plan, part, order, last)

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows, and then what is recorded of them."""
        recorder, fork, gathered = self.recorder, None, rows.gathered
        if recorder.asked.every is not None:
            self.way.put_back()
            if self.way.stepwise and steps_of(state) + _most(plan, rows.order, gathered) > recorder.due():
                fork = _alone(state), plan, rows._replace(gathered=None if gathered is None else gathered.copy())
        began = recorder.seconds()

        def replay(until: float) -> None:
            if fork is not None and recorder.due() < until:
                self._replay(*fork, until, began, recorder.seconds() - began)

        try:
            self.way.round(state, plan, rows)
        except Diverged:
            replay(np.inf)
            raise
        if recorder.asked.every is not None:
            self.way.put_back()
            replay(steps_of(state))
            here = steps_of(state) >= recorder.due()
        else:
            here = rows.last
            if here:
                self.way.put_back()
        if here:
            epoch = float(state.epoch) if rows.last else recorder.epoch(self.run, rows.order.n)
            recorder.take(state, epoch, recorder.seconds())

    def _replay(
        self,
        state: State,
        plan: Plan,
        rows: Round,
        until: float,
        began: float,
        took: float,
    ) -> None:
        """Record the steps before `until` of a call, which went from this state over these rows and took that long."""
        part, order, _, gathered, last = rows
        recorder, flat, sums, lo = self.recorder, order.flat(), np.zeros((2, len(state.b))), 0
        live = np.arange(order.n) if part.s is None else np.flatnonzero(part.s[flat.numbers()])
        while lo < order.n and recorder.due() < until:
            hi = _after(recorder.due() - steps_of(state), plan, live, lo, gathered, order.n)
            try:
                local(state, plan, Round(part, flat.between(lo, hi), sums, gathered, last and hi == order.n))
            except Diverged:
                return
            lo = hi
            if steps_of(state) >= recorder.due():
                recorder.take(state, recorder.epoch(self.run, lo), began + took * lo / order.n)


def steps_of(state: State) -> int:
    """Steps that were taken."""
    return int(state.t) - 1


def _alone(state: State) -> State:
    """A copy, without the models beside it."""
    new = State.__new__(State)
    new.__dict__ = vars(state) | {"beside": None}
    copied: State = new.copy()
    return copied


def length_of(before: Model | None, after: Model) -> float:
    """How far apart two models are; NaN where the first is not known."""
    if before is None:
        return np.nan
    moved = sum(float(np.sum((y.astype(float) - x) ** 2)) for x, y in zip(before, after, strict=True))
    return float(np.sqrt(moved))


def _most(plan: Plan, order: Order, gathered: Gathered | None) -> float:
    """How many steps these rows are at most."""
    return order.n if gathered is None else (order.n + int(gathered.count[0])) / plan.batch_size + 1


def _after(steps: int, plan: Plan, live: NDArray[Any], lo: int, gathered: Gathered | None, n: int) -> int:
    """The place after the row with which that many more steps are taken, from place lo; `live` are those of rows of weight."""
    rows = steps if gathered is None else steps * plan.batch_size - int(gathered.count[0])
    last = np.searchsorted(live, lo) + rows - 1
    return int(live[int(last)]) + 1 if last < len(live) else n
