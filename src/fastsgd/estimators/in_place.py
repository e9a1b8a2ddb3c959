"""Training the state where it is, on rows that have few of its features: without a copy, and with a way back."""

from typing import NamedTuple

import numpy as np

from fastsgd.gathered import CARRY_ROWS
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.arrays import Table

MAX_VALUES = 1 << 16  # of the rows of such a call, which is then a single kernel call: other threads wait for it
MIN_FEATURES = 4  # for each of these values; with fewer a copy of the state costs no more
# With half_life, rows grow the unit of the sums of all weights, which is renewed where it would be more than the 2^40 in
# _kernels/penalty.pxi. A call that comes near that is no call on few weights.
MOST_GROWN = 2.0**39
WEIGHTS = "W", "A", "Q", "m", "v"  # the arrays with a row for each feature
FINITE = "W", "A", "records"  # and those that must be finite
OTHERS = "b", "b_avg", "at", "mb", "vb"


class Ready(NamedTuple):
    """What a call on rows of a table needs beside a state that nobody else has, kept from the call before.

    Attributes
    ----------
    kind : tuple
        What `State.prepare` looks at: a state that was prepared for rows of one kind is ready for more of it.
    scaling : Scaling or None
        Of standardised rows.
    gathered : Gathered or None
        Room for the rows of a step, which holds none.
    """

    kind: tuple
    scaling: object = None
    gathered: object = None

    @classmethod
    def after(cls, plan, table, run):
        """What a run on these rows leaves, which has ended; None where the next call is to begin with a copy."""
        # The rows of a stream are not at hand; of rows without weight no state is prepared.
        if type(table) is not Table or table.empty:
            return None
        kind = _kind(plan, table, run.state)
        return None if kind is None else cls(kind, table.scaling, run.gathered)

    def goes_with(self, plan, table, state):
        """Whether the state is ready for these rows, and they change so few weights that these are to be kept, and not all."""
        if type(table) is not Table or self.kind != _kind(plan, table, state):
            return False
        values = table.X.nnz + table.X.shape[0]
        carries = min(plan.batch_size, table.n_rows) > CARRY_ROWS
        return values <= MAX_VALUES and MIN_FEATURES * values <= len(state.W) and not carries


def _kind(plan, table, state):
    """None where all weights change with each call, or with this one."""
    if not table.sparse or state.centred or plan.line_search or state.beside is not None or not _few(plan):
        return None
    if state.auto is not None and state.auto.changes_all(table.X.shape[0]):
        return None
    if plan.half_life:
        grown = (state.at if state.auto is None else state.auto.at)["grown"][0]
        if table.X.shape[0] / plan.half_life > np.log2(MOST_GROWN / grown):
            return None
    average = bool(plan.average), plan.half_life
    return plan.plain, plan.auto, type(plan.optimizer), plan.slots, plan.l1, plan.l2, *average


def _few(plan):
    """Whether a step on CSR changes the features that its rows have, and else only the clock."""
    if plan.plain or plan.auto:
        return True
    # Those with a closed form, but for AdaGrad without L1, bring all weights up to date at the end of each call.
    closed = plan.compiled.closed and (plan.l1 > 0 or plan.optimizer.name != "adagrad")
    return plan.compiled.lazy and not plan.average and not closed


class Undo:
    """What a call on rows of a table changes of a state, as it was before.

    The penalty on the other weights, and their average, are in the scalars of the clock.
    """

    def __init__(self, state, table):
        self.state, self.features, self.epoch = state, table.X.indices, state.epoch
        if state.auto is not None:
            self.features = np.union1d(self.features, state.auto.in_each_row)
        self.rows = {name: x[self.features] for name, x in self._weights()}
        self.rest = [(x, x.copy()) for x in self._others()]

    def _weights(self):
        state = self.state
        if state.auto is not None and not state.auto.together:
            return [("records", state.auto.records)]
        columns = [] if state.auto is None else [("columns", state.auto.columns)]
        return columns + [(name, getattr(state, name)) for name in WEIGHTS if getattr(state, name) is not None]

    def _others(self):
        found = [x for name in OTHERS if (x := getattr(self.state, name)) is not None]
        if (auto := self.state.auto) is None:
            return found
        return [*found, auto.heads, auto.at, *(x for x in (auto.centred, auto.atoms) if x is not None)]

    def finite(self):
        """Whether all that was changed is finite; what was not changed was so before."""
        changed = [x[self.features].ravel() for name, x in self._weights() if name in FINITE] + [self.state.b]
        return all(first_nonfinite(x) < 0 for x in changed)

    def back(self):
        """The state is what it was. (Where the scale was folded into all weights meanwhile, which is seldom, to rounding.)"""
        now, weights = self.state.at[0].copy(), dict(self._weights())
        self.state.epoch = self.epoch  # of which the order of the rows to come is a function
        for x, before in self.rest:
            x[...] = before
        rows, then = self.rows, self.state.at[0]
        if now["scale"] > then["scale"]:
            W = rows["W"] * (then["scale"] / now["scale"])
            if "A" in rows:
                rows["A"] = rows["A"] + then["avg_a"] * rows["W"] - now["avg_a"] * W
            rows["W"] = W
            then["scale"], then["avg_a"] = now["scale"], now["avg_a"]
        for name, before in rows.items():
            weights[name][self.features] = before
