"""Which way of doing rounds a training takes: the one place where it is said from what size on threads pay.

What is said follows from the data, the plan and what was asked for, and never from the machine, so that it is the same on
every run.
"""

from typing import Any

import numpy as np

from fastsgd.hogwild import Hogwild
from fastsgd.lanes import SERIAL, Gradients, Merged, Serial
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.split import Split, cuts
from fastsgd.state import State
from fastsgd.threads import Threads
from fastsgd.threads import count as threads_of

# Work is counted in products x * w, of about a nanosecond, and a row is worth as much as some. To have threads begin and to wait
# for them takes 50 to 100 microseconds.
ROW = 16.0
ROUND = 1e6  # Work from which on a round is worth being parted.
PASS = 1e7  # Work of a pass for which heads are parted: the weights are copied twice.
MERGE = 64.0  # What it costs to fork and to merge a weight.
ROUNDS = 1
FEW_ROWS = 64
SAMPLE = 256  # Rows whose mean squared length is taken.


def lanes(n_jobs: int | None, how: str, plan: Plan, table: Any, state: State) -> Serial:
    """The way to do rounds.

    Parameters
    ----------
    n_jobs : int or None
        As of the estimators, and so is `how`, their `parallel`.
    how : str
    plan : Plan
    table : Table or Stream
    state : State
        That of the start.
    """
    if table.n_rows < FEW_ROWS or _pass(table, state) < ROUND or plan.line_search:
        return SERIAL  # Calls of few rows are not to wait for more than this.
    n = threads_of(n_jobs)
    if n == 1:
        return SERIAL
    heads = cuts(plan, len(state.b), state.W.dtype, table.sparse, n)
    if heads is not None:
        return Split(Threads(n)) if _pass(table, state) >= PASS else SERIAL
    if how == "hogwild":
        return Hogwild(n, ROUND / _of_row(table, state))
    if plan.batch_size > 1 and plan.batch_size * _of_row(table, state) >= ROUND and _gathers(plan, table.sparse):
        return Gradients(n)
    merges = plan.plain and not (plan.separate or (plan.auto and table.sparse))
    return Merged(n, rounds=_rounds, longer=_longer) if merges else SERIAL


def for_sums(n_jobs: int | None, table: Table, state: State) -> Threads:
    """Who works out sums over all rows."""
    return Threads(threads_of(n_jobs)) if _pass(table, state) >= PASS else Threads()


def _rounds(state: State, plan: Plan, part: Table, order: Order) -> int:
    """How many rounds of lanes these rows are."""
    arrays = sum(getattr(state, name) is not None for name in ("W", "A", "Q"))
    return int(min(ROUNDS, order.n * _of_row(part, state) / max(ROUND, MERGE * arrays * state.W.size)))


def _longer(state: State, plan: Plan, part: Table, order: Order, n: int) -> float:
    """The mean of n lanes has gone as far as one of them: on 1 / n of the rows. Steps n times as long make up for that.

    But none is to be longer than to where a row of mean length has no more slope; and those of "optimal" are long enough.
    """
    if plan.schedule.name == "optimal" or plan.schedule.pa or plan.auto:
        return 1.0
    at, some = state.at[0], order._replace(n=min(order.n, order.buffer_rows, SAMPLE))
    rows = some._replace(visit=None if some.visit is None else some.visit[: some.n]).flat()
    all_rows: Any = part.X
    X = all_rows[rows.first : rows.first + rows.n] if rows.rows is None else all_rows[rows.rows[: rows.n]]
    x = (X.data if part.sparse else X).ravel().astype(np.float64)
    whole = plan.eta(at["t"]) * at["eta_factor"] * plan.loss.curvature * (1.0 + x @ x / rows.n)
    return float(min(n, max(1.0, 1.0 / whole))) if whole > 0 else 1.0


def _of_row(table: Any, state: State) -> float:
    """The work of a row."""
    return float(getattr(table, "row_values", len(state.W)) * len(state.b) + ROW)


def _pass(table: Any, state: State) -> float:
    """The work of a pass."""
    return float(table.n_rows * _of_row(table, state))


def _gathers(plan: Plan, sparse: bool) -> bool:
    """Whether slopes can be gathered apart from the steps: not where a step also counts the features that its rows have."""
    name = "sgd" if plan.optimizer is None else plan.optimizer.name
    present = sparse and plan.compiled.lazy and not (plan.compiled.closed and name in ("sgd", "momentum"))
    return not (present or plan.plain or plan.noise)
