"""A model for each segment of the rows, beside that of all rows: trained in the same passes, and each judged by itself.

Segments are numbers in `Table.fold`; a row of which that is negative is in none.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import islice
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.banks import Groups, bank_of
from fastsgd.decide import BEYOND_RETURN, LASTING_EPOCHS, fate_far_off
from fastsgd.engine import can_cut
from fastsgd.objective import objective_count
from fastsgd.plan import Plan
from fastsgd.sources import _order
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.hints import Shuffle
from fastsgd.state import State
from fastsgd.stopping import Objective, Stopping
from fastsgd.sums import LossSums
from fastsgd.threads import ONE_THREAD, Threads

NO_WEIGHT = "no_weight"
OF_ALL = "callback", "max_seconds", "interrupted"  # These reasons end the training of all rows and of each segment.
RECORD = [
    ("live", "?"),
    ("rows", "i8"),
    ("reason", "U16"),
    ("epochs", "i8"),
    ("sound", "?"),
    (
        "best",
        "f8",
    ),  # What follows is of the rule: the least objective, epochs without a better one, and the last losses.
    ("waited", "i8"),
    ("losses", "f8", (LASTING_EPOCHS,)),
]


class Ended(NamedTuple):
    """The segments after their training, by their numbers.

    Attributes
    ----------
    W, b : (n, n_features, S) and (n, K) arrays
        Their models, in the user's units.
    rows : (n,) int64
        How many rows each has.
    reasons : (n,) array of str
        As `engine.train` gives them; or "no_weight" where no row had any weight.
    epochs : (n,) int64
    sound : (n,) bool
        Whether it has a model: not where the training diverged in the first epoch, nor without weight.
    """

    W: NDArray[Any]
    b: NDArray[Any]
    rows: NDArray[np.int64]
    reasons: NDArray[Any]
    epochs: NDArray[np.int64]
    sound: NDArray[np.bool_]


class Segments:
    """The training of the segments.

    Parameters
    ----------
    start : State
        That with which each begins.
    plan : Plan
        That of each.
    rules : list of Stopping
        None, or one `Objective`, by which each is judged.
    passes : int
        Epochs at most.
    sparse : bool
        Whether the rows are CSR.
    shuffle : bool or "replace"
    threads : Threads
    known : callable
        How many segments there are by now, as more may be met on the way.
    look : callable or None
        look(part), of the first rows that are trained on.
    """

    def __init__(
        self,
        start: State,
        plan: Plan,
        rules: Sequence[Stopping],
        *,
        passes: int,
        sparse: bool,
        shuffle: Shuffle = True,
        threads: Threads = ONE_THREAD,
        known: Callable[[], int] = lambda: 0,
        look: Callable[[Table], Any] | None = None,
    ) -> None:
        if len(rules) > 1 or not all(type(rule) is Objective for rule in rules):
            raise ValueError(f"segments are judged by one Objective, or not at all; found {rules!r}.")
        self.bank, self.plan, self.rule = bank_of(start, plan, sparse), plan, rules[0] if rules else None
        self.passes, self.shuffle, self.threads, self.known = passes, shuffle, threads, known
        self.dtype, self.heads, self.seed, self.first = start.W.dtype, len(start.b), start.seed, start.epoch
        self.models = np.zeros(0, RECORD)
        self.passed, self.due = 0, False  # Passes that are over; whether what the last one came to has not been judged.
        self.whole = False  # Whether the last one went to the last row.
        self._table: Any = None  # That of the pass under way.
        self.look = look

    def grow(self, n: int) -> None:
        """There are n segments by now."""
        before = len(self.models)
        if n <= before:
            return
        new = np.zeros(n - before, RECORD)
        new["live"], new["sound"], new["best"] = True, True, np.inf
        self.models = np.concatenate([self.models, new])
        self.bank.grow(n)
        if self._table is not None:
            self.bank.begin(self._table, np.arange(before, n))

    @property
    def live(self) -> NDArray[Any]:
        """The numbers of those under way."""
        return np.flatnonzero(self.models["live"])

    # ------------------------------------------------------------ passes
    def passing(self, table: Any, calls: Iterator[Any]) -> Iterator[Any]:
        """The same kernel calls, of a pass over the table; each is trained on before it is given."""
        if len(self.models) and not self.models["live"].any():
            yield from calls
            return
        self._table, self.whole = table, False
        self.bank.begin(table, self.live)
        try:
            for part, order, then in calls:
                self._round(part, order)
                self.whole = then is None
                yield part, order, then
        finally:
            self._table = None
            self.bank.end(self.live, self.whole)
            self.due = True
            self.passed += self.whole

    def _round(self, part: Table, order: Any) -> None:
        self.grow(self.known())
        if self.look is not None:
            self.look(part)
            self.look = None
        live = self.models["live"].astype(np.int8)
        if part.fold is not None:
            groups = Groups(*_order.by_model(order, part.fold, live))
            if not self.passed:
                self.models["rows"][groups.which] += np.diff(groups.ends, prepend=0)
            if len(groups.which):
                self.bank.round(part, groups, self.threads)

    def go_on(self, table: Any, over: Callable[[], bool]) -> None:
        """Train those under way until each has met the rule, the passes or the time (`over`) are over, or Ctrl-C."""
        try:
            self.judge(table)
            while self.models["live"].any():
                late = False
                calls = table.chunks(self.dtype, self.heads, self.shuffle, self.seed, self.first + self.passed)
                for _ in self.passing(table, calls):
                    late = over()
                    if late:
                        break
                self.judge(table)
                if late or over():
                    self.stop("max_seconds")
        except KeyboardInterrupt:
            self.stop("interrupted")

    def stop(self, reason: str) -> None:
        """End those under way."""
        self.models["reason"][self.live] = reason
        self.models["live"] = False

    # ------------------------------------------------------------ what a pass came to
    def measuring(self) -> "Measuring | None":
        """What takes the losses of those under way; None where nothing asks for them."""
        return Measuring(self) if self.rule is not None and self.due else None

    def judge(self, table: Any, measured: "Measuring | None" = None) -> None:
        """Decide on those under way, as `decide.decide`, after a pass; over the table where nothing was `measured` yet."""
        if not self.due:
            return
        if measured is None and (measured := self.measuring()) is not None:
            measured.add(table)
        self.due = False
        which = self.live
        now, sums = self.models[which], self.bank.losses(which)
        loss = _means(sums, self.plan)
        now["epochs"] += 1
        nothing = (sums[:, 1].sum(axis=1) == 0) & self.whole
        bad = self.bank.faults(which) | ~np.isfinite(loss)
        fired = better = np.zeros(len(which), bool)
        if measured is not None:
            value = measured.objective()
            bad |= ~np.isfinite(value)
            bad |= self._far_off(table, which, now, np.fmax(loss, value), bad)
            fired, better = self._ruled(now, value)
        else:
            bad |= ~_finite(self.bank.models(which))
        now["sound"] = ~nothing & (~bad | (now["epochs"] > 1))
        self._decide(which, now, bad, nothing, fired, better)
        self.models[which] = now

    def _ruled(self, now: NDArray[Any], value: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(whether the rule says stop, whether the epoch is the best so far), as `Objective.over` says of one."""
        assert self.rule is not None
        if self.rule.absolute:  # of the epoch before, and each counts as the best
            stays, better = abs(value - now["best"]) <= self.rule.tol, np.ones(len(value), bool)
        else:
            stays, better = ~(value <= now["best"] - self.rule.tol), value < now["best"]
        now["best"] = np.where(better, value, now["best"])
        now["waited"] = np.where(stays, now["waited"] + 1, 0)
        return now["waited"] >= self.rule.patience, better

    def _far_off(
        self, table: Any, which: NDArray[Any], now: NDArray[Any], top: NDArray[Any], bad: NDArray[Any]
    ) -> NDArray[Any]:
        """Which of them are beyond return, as `decide.decide` says."""
        assert self.rule is not None
        now["losses"] = np.column_stack([now["losses"][:, 1:], top])
        found = np.zeros(len(which), bool)
        far = np.flatnonzero((top >= BEYOND_RETURN) & ~bad) if self.rule.ends else []
        if len(far):
            zeros = Measuring(self, zeros=True)
            zeros.add(table)
            losses = _means(zeros.sums, self.plan)
            for i in far:
                recent = now["losses"][i][-now["epochs"][i] :].tolist()
                found[i] = fate_far_off(top[i], recent, losses[i]) == "diverged"
        return found

    def _decide(
        self,
        which: NDArray[Any],
        now: NDArray[Any],
        bad: NDArray[Any],
        nothing: NDArray[Any],
        fired: NDArray[Any],
        better: NDArray[Any],
    ) -> None:
        """End those that have come to an end, and remember or bring back states."""
        cut = np.zeros(len(which), bool)
        if self.plan.schedule.feedback and fired.any():
            factors = self.bank.clocks(which)["eta_factor"].tolist()
            cut = fired & np.array([can_cut(self.plan, factor) for factor in factors])
        late = now["epochs"] >= self.passes
        name = "" if self.rule is None else self.rule.name
        now["reason"] = np.select(
            [nothing, bad, fired & ~cut, late], [NO_WEIGHT, "diverged", name, "max_iter"], default=""
        )
        ended = now["reason"] != ""
        now["live"] = goes_on = ~ended
        worse = ~better if self.rule is not None else np.zeros(len(which), bool)
        self.bank.back(which[ended & (bad | worse) & (now["epochs"] > 1)])
        self.bank.keep(which[goes_on & ~worse])
        if (cut & goes_on).any():
            self.bank.cut(which[cut & goes_on])
            now["waited"][cut & goes_on] = 0

    def ended(self) -> Ended:
        """What there is of all of them, under way or not."""
        which = np.arange(len(self.models))
        W, b = self.bank.outward(which, *self.bank.models(which))
        sound = self.models["sound"] & _finite((W, b))
        return Ended(W, b, self.models["rows"], self.models["reason"], self.models["epochs"], sound)


class Measuring:
    """The losses of the segments under way, at their models, or at zero weights."""

    def __init__(self, segments: Segments, zeros: bool = False) -> None:
        self.segments, bank, which = segments, segments.bank, segments.live
        self.W, self.b = bank.models(which)
        if zeros:
            self.W[:], self.b[:] = 0, 0
        self.penalty = _penalties(self.W, self.b, segments.plan)
        if not zeros:
            self.W, self.b = bank.outward(which, self.W, self.b)
        self.place = np.full(len(segments.models), -1, np.int32)
        self.place[which] = np.arange(len(which))
        self.sums = np.zeros((len(which), 2, segments.heads))

    def add(self, table: Any) -> None:
        """Take the losses of the rows of a table or a stream."""
        for some in table.tables():
            self._add(some if some.scaling is None else replace(some, scaling=None))

    def _add(self, table: Table) -> None:
        one = self.segments
        calls = table.chunks(one.dtype, one.heads, False, 0, 0)

        def of(call: Any) -> NDArray[Any]:
            (part, order, _), sums = call, np.zeros(self.sums.shape)
            if len(self.place) < one.known():  # Some have not been met in a pass that was cut short.
                self.place = np.append(self.place, np.full(one.known() - len(self.place), -1, np.int32))
            kernels.total_each(part.X, order, part.target(), self.W, self.b, one.plan.compiled, sums, self.place)
            return sums

        while some := list(islice(calls, one.threads.n)):
            self.sums += reduce(add, one.threads.map(of, some))

    def objective(self) -> NDArray[Any]:
        """The objective of each."""
        return _means(self.sums, self.segments.plan) + self.penalty


def _means(sums: NDArray[Any], plan: Plan) -> NDArray[Any]:
    """The mean losses of sums (n, 2, K), as `objective.mean_loss`: (n,)."""
    loss, weight = sums[:, 0], sums[:, 1]
    return np.where(weight > 0, loss / np.where(weight > 0, weight, 1), 0).sum(axis=1) / _count(sums.shape[2], plan)


def _count(K: int, plan: Plan) -> int:
    return objective_count(plan, np.zeros(K))


def _penalties(W: NDArray[Any], b: NDArray[Any], plan: Plan) -> NDArray[Any]:
    """What the objective of each has beside its loss."""
    found = plan.nu * b.sum(axis=1)
    flat = W.reshape(len(W), -1)
    if plan.l1:
        found = found + plan.l1 * np.abs(flat).sum(axis=1, dtype=np.float64)
    if plan.l2:
        found = found + plan.l2 / 2 * np.einsum("ij,ij->i", flat, flat, dtype=np.float64)
    return found / _count(b.shape[1], plan)


def _finite(models: tuple[NDArray[Any], NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether all numbers of each model are finite."""
    W, b = models
    return np.isfinite(W).all(axis=(1, 2)) & np.isfinite(b).all(axis=1)


class Along:
    """A table, or a stream, whose passes train segments, too, and of whose losses those of the segments are taken.

    It is to `engine.train` what the table is.
    """

    scaling = None

    def __init__(self, table: Any, segments: Segments) -> None:
        self.table, self.segments = table, segments
        self.sparse, self.n_rows, self.empty = table.sparse, table.n_rows, table.empty

    def chunks(
        self, dtype: Any, heads: int, shuffle: Shuffle, seed: int, epoch: int, start: tuple[int, int, int] = START
    ) -> Iterator[Any]:
        """As that of the table."""
        self.segments.judge(self.table)  # of the pass before, if nothing has asked for its losses
        yield from self.segments.passing(self.table, self.table.chunks(dtype, heads, shuffle, seed, epoch, start))

    def summed(self, of: Callable[..., Any], *args: Any) -> Any:
        """As that of the table; the losses of the segments are taken from the same rows."""
        measured = self.segments.measuring() if of == LossSums.of else None
        if measured is None:
            return self.table.summed(of, *args)

        def both(table: Any, *args: Any) -> Any:
            measured.add(table)
            return of(table, *args)

        found = self.table.summed(both, *args)
        self.segments.judge(self.table, measured)
        return found
