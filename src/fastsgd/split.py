"""The heads of a model on several threads: the same bits whatever their number.

Kernels read the weights of all heads of a state, one after another. So for a pass the state is taken apart, into one for each
group of heads, and each round is done on all of them. They are put back when the pass is over, or when somebody asks for the
state meanwhile (`engine.Run.state`).

What comes of a head must not depend on the heads beside it. Where the kernels take few heads together in another way than many
(`dots` in _kernels/rows.pxi, up to 32), a group of few has columns of zeros beside it; and where they take heads in blocks
(_kernels/models.h), groups are cut where these end.
"""

from dataclasses import replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsgd.auto import RECORD, aligned
from fastsgd.gathered import Gathered
from fastsgd.lanes import Diverged, Round, Serial, local
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State, padded
from fastsgd.threads import Threads

MIN_COLUMNS = 36  # Kernels take at least this many columns feature by feature, and fewer in another way.
BLOCK_BYTES = 64  # Kernels take the weights of separate heads in blocks of this size.
# The arrays of a state with a column for each head, and those with a number for each.
COLUMN_ARRAYS, HEAD_ARRAYS = ("W", "A", "Q", "m", "v"), ("b", "b_avg", "mb", "vb")


class Split(Serial):
    """A way to do rounds: groups of heads on threads.

    Parameters
    ----------
    threads : Threads
    """

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.last: Parts | None = None

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> Serial:
        """The parts of the state, where it is to be parted: those of the pass before, if it has been of this state."""
        if self.last is not None and self.last.are_of(state, plan):
            return self.last.again(sums, gathered)
        sparse = state.auto is not None and state.auto.sparse
        found = cuts(plan, len(state.b), state.W.dtype, sparse, self.threads.n)
        self.last = None if found is None else Parts(self.threads, found, state, plan, sums, gathered)
        return self if self.last is None else self.last


def cuts(plan: Plan, K: int, dtype: Any, sparse: bool, n: int) -> list[int] | None:
    """Where K heads are cut into at most n groups of about the same work; None where these heads are not to be parted."""
    if plan.loss.coupled or plan.noise or plan.line_search or (plan.auto and not sparse):
        return None  # With "auto", dense columns are scaled by the mean curvature of all heads.
    step, least = 4, (MIN_COLUMNS + 12) // 2
    if plan.auto:
        step = least = 1
    elif plan.separate:
        step = least = BLOCK_BYTES // np.dtype(dtype).itemsize
    n = min(n, K // least)
    if n < 2:
        return None
    found = [0, *(round(K * i / n / step) * step for i in range(1, n)), K]
    return found if not plan.separate or _drawn_alike(plan, found) else None


def _drawn_alike(plan: Plan, cuts: list[int]) -> bool:
    """Kernels work the losses out in another way where some head sees a resample: then each group must have one, or none."""
    drawn = [bool(group.any()) for group in np.split(plan.heads["resample"] > 0, cuts[1:-1])]
    return all(drawn) or not any(drawn)


class Parts(Serial):
    """The parts of a state in a pass.

    Attributes
    ----------
    current : bool
        Whether the state is what its parts are.
    """

    def __init__(
        self,
        threads: Threads,
        cuts: list[int],
        state: State,
        plan: Plan,
        sums: NDArray[Any],
        gathered: Gathered | None,
    ) -> None:
        self.threads, self.state, self.gathered, self.current = threads, state, gathered, True
        self.parts = threads.map(lambda cut: _Part.of(state, plan, sums, gathered, *cut), pairwise(cuts))
        self.plan, self.large, self.once = plan, _large_arrays(state), _in_first_pass(state)

    def are_of(self, state: State, plan: Plan) -> bool:
        """Whether these are the parts of that state, to whose large arrays nobody but `put_back` has written since."""
        same = self.current and self.state is state and self.plan is plan and self.once == _in_first_pass(state)
        return same and all(x is y for x, y in zip(self.large, _large_arrays(state), strict=True))

    def again(self, sums: NDArray[Any], gathered: Gathered | None) -> "Parts":
        """These, for one more pass over the rows."""
        self.gathered = gathered
        self.threads.map(lambda one: one.take(self.state, sums, gathered), self.parts)
        return self

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """As `lanes.local`, but that the state changes when it is asked for."""
        self.current = False
        try:
            self.threads.map(lambda one: one.round(rows), self.parts)
        except Diverged:
            self.current = True  # No part of it is of use.
            raise
        except BaseException:
            # On Ctrl-C those that have not done the round do it now, so that all heads have seen the same rows.
            done = max(one.clock for one in self.parts)
            for one in self.parts:
                if one.clock != done:
                    one.round(rows)
            raise
        finally:
            for one in self.parts:
                rows.sums[:, one.lo : one.hi] = one.sums

    def put_back(self) -> None:
        """Make the state what its parts are; these may go on."""
        if not self.current:
            self.threads.map(lambda one: one.put_back(self.state, self.gathered), self.parts)
            first: Any = self.parts[0].state
            if len(self.state.at) == 1:
                self.state.at[:] = first.at
            self.state.soft = any(one.state.soft for one in self.parts)
            auto: Any = self.state.auto
            if auto is not None:
                auto.at[:] = first.auto.at
                if first.auto.centred is not None:
                    auto.centred[:] = first.auto.centred
            if self.gathered is not None:
                mine, theirs = self.gathered, self.parts[0].gathered
                mine.count[:], mine.met[:], mine.is_met[:] = theirs.count, theirs.met, theirs.is_met
            self.current = True


def _large_arrays(state: State) -> list[Any]:
    """The arrays that cost much to copy."""
    return [*(getattr(state, name) for name in COLUMN_ARRAYS), None if state.auto is None else state.auto.records]


def _in_first_pass(state: State) -> bool:
    """Whether the state is of learning_rate="auto", which writes to its records before the second pass."""
    return state.auto is not None and not state.auto.again


def _columns(x: Any, heads: slice, width: int) -> Any:
    """Those columns, and zeros beside them."""
    out = np.zeros((len(x), width), x.dtype)
    out[:, : heads.stop - heads.start] = x[:, heads]
    return out


class _Part:
    """The heads from lo to hi, as a state of their own; their plan, sums and gathered rows."""

    def __init__(self, lo: int, hi: int, state: Any, plan: Plan, sums: Any, gathered: Any) -> None:
        self.lo, self.hi, self.state, self.plan, self.sums, self.gathered = lo, hi, state, plan, sums, gathered
        self.rows: tuple[Any, Any] = None, None

    @classmethod
    def of(cls, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None, lo: int, hi: int) -> Self:
        """Those of a state and of what belongs to it."""
        heads, new = slice(lo, hi), State.__new__(State)
        width = padded(hi - lo, True)
        if not plan.separate:
            width = max(width, min(MIN_COLUMNS, state.W.shape[1]))

        new.__dict__ = vars(state).copy()
        for name in COLUMN_ARRAYS:
            if (x := getattr(state, name)) is not None:
                setattr(new, name, _columns(x, heads, width))
        if state.auto is not None:
            all_records: Any = state.auto.records
            records = aligned(np.ascontiguousarray(all_records[:, lo * RECORD : hi * RECORD]))
            new.auto = replace(state.auto, records=records)
        part = cls(lo, hi, new, plan.pack(heads) if plan.separate else plan, sums, None)
        part.take(state, sums, gathered)
        return part

    def take(self, state: Any, sums: NDArray[Any], gathered: Gathered | None) -> None:
        """All that is not large, as it is now in the state of all heads."""
        heads, own, auto = slice(self.lo, self.hi), self.state, self.state.auto
        kept = {name: getattr(own, name) for name in COLUMN_ARRAYS}
        own.__dict__ = vars(state) | kept
        for name in HEAD_ARRAYS:
            if (x := getattr(state, name)) is not None:
                setattr(own, name, x[heads].copy())
        own.at = (state.at[heads] if self.plan.separate else state.at).copy()
        if auto is not None:
            small = {"heads": state.auto.heads[heads].copy(), "at": state.auto.at.copy()}
            if state.auto.centred is not None:
                small["centred"] = state.auto.centred.copy()
            if state.auto.atoms is not None:
                small["atoms"] = state.auto.atoms[heads].copy()
            own.auto = replace(state.auto, records=auto.records, **small)
        self.sums, self.gathered = sums[:, heads].copy(), None
        if gathered is not None:
            width = own.W.shape[1]
            mine = Gathered.__new__(Gathered)
            mine.G, mine.gb = _columns(gathered.G, heads, width), gathered.gb[heads].copy()
            mine.carry = None if gathered.carry is None else _columns(gathered.carry, heads, width)
            mine.count, mine.met, mine.is_met = gathered.count.copy(), gathered.met.copy(), gathered.is_met.copy()
            self.gathered = mine

    def put_back(self, state: Any, gathered: Gathered | None) -> None:
        """Into the state of all heads."""
        heads, own = slice(self.lo, self.hi), slice(0, self.hi - self.lo)
        for name in COLUMN_ARRAYS:
            if (x := getattr(state, name)) is not None:
                x[:, heads] = getattr(self.state, name)[:, own]
        for name in HEAD_ARRAYS:
            if (x := getattr(state, name)) is not None:
                x[heads] = getattr(self.state, name)
        if self.plan.separate:
            state.at[heads] = self.state.at
        if state.auto is not None:
            state.auto.heads[heads] = self.state.auto.heads
            if state.auto.atoms is not None:
                state.auto.atoms[heads] = self.state.auto.atoms
            state.auto.records[:, self.lo * RECORD : self.hi * RECORD] = self.state.auto.records
        if gathered is not None:
            gathered.G[:, heads], gathered.gb[heads] = self.gathered.G[:, own], self.gathered.gb
            if gathered.carry is not None:
                gathered.carry[:, heads] = self.gathered.carry[:, own]

    @property
    def clock(self) -> tuple[Any, ...]:
        """How far it is, to compare with other parts."""
        state = self.state
        rows = 0 if self.gathered is None else int(self.gathered.count[0])
        # Heads with clocks of their own need not be at the same row.
        return (0.0 if self.plan.separate else float(state.at["t"][0]), rows)

    def round(self, rows: Round) -> None:
        """As `lanes.local`."""
        if self.rows[0] is not rows.part:
            self.rows = rows.part, self._targets(rows.part)
        local(self.state, self.plan, Round(self.rows[1], rows.order, self.sums, self.gathered, rows.last))

    def _targets(self, part: Table) -> Table:
        """These rows with the targets of these heads; heads with records of their own say themselves which are theirs."""
        if self.plan.separate:
            return part
        heads = slice(self.lo, self.hi)
        y = None if part.y is None else np.ascontiguousarray(part.y[:, heads])
        code = None if part.code is None else part.code - np.int32(self.lo)
        s_pos, s_neg = (None if s is None else s[heads] for s in (part.s_pos, part.s_neg))
        return replace(part, y=y, code=code, s_pos=s_pos, s_neg=s_neg)
