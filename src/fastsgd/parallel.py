"""Which way of doing rounds a training takes: the one place where it is said from what size on threads pay.

What is said follows from the data, the plan and what was asked for, and never from the machine, so that it is the same on
every run.
"""

from typing import Any

import numpy as np

from fastsgd.lanes import SERIAL, Gradients, Merged, Serial
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.threads import Threads, n_threads

# Work is counted in products x * w, each of about a nanosecond. Waking threads and waiting for them takes 50 to 100 microseconds.
ROW_WORK = 16.0  # A row costs this much beside its products.
MIN_ROUND_WORK = 1e6  # A round of less work is done by one thread.
MIN_PASS_WORK = 1e7  # Heads are split only in a pass of at least this work, as their weights are copied twice.
MERGE_WORK = 64.0  # Forking and merging a weight costs this much.
MIN_ROWS = 64  # Fewer rows, as in calls of partial_fit, should wait for nothing else than their own work.
LENGTH_ROWS = 256  # The mean squared length of a row is taken from this many.


def lanes(n_jobs: int | None, how: str, plan: Plan, table: Any, state: State) -> Serial:
    """The way to do rounds.

    Parameters
    ----------
    n_jobs : int or None
        As the parameter of the estimators.
    how : {"deterministic", "hogwild"}
        As their parameter `parallel`.
    plan : Plan
    table : Table or Stream
    state : State
        That of the start.
    """
    if table.n_rows < MIN_ROWS or _pass_work(table, state) < MIN_ROUND_WORK or plan.line_search:
        return SERIAL
    n = n_threads(n_jobs)
    if n == 1:
        return SERIAL
    from fastsgd.hogwild import Hogwild  # One thread, which most fits have, needs neither of these modules.
    from fastsgd.split import Split, cuts

    heads = cuts(plan, len(state.b), state.W.dtype, table.sparse, n)
    if heads is not None:
        return Split(Threads(n)) if _pass_work(table, state) >= MIN_PASS_WORK else SERIAL
    if how == "hogwild":
        return Hogwild(n, MIN_ROUND_WORK / _row_work(table, state))
    if (
        plan.batch_size > 1
        and plan.batch_size * _row_work(table, state) >= MIN_ROUND_WORK
        and _gathers(plan, table.sparse)
    ):
        return Gradients(n)
    one_lane = plan.separate or plan.half_life or (plan.auto and (table.sparse or plan.loss.coupled))
    merges = plan.plain and not one_lane  # Where rows fade it is in an order, and lanes take theirs at once.
    return Merged(n, rounds=_rounds, longer=_longer) if merges else SERIAL


def for_sums(n_jobs: int | None, table: Table, state: State) -> Threads:
    """Who works out sums over all rows."""
    return Threads(n_threads(n_jobs)) if _pass_work(table, state) >= MIN_PASS_WORK else Threads()


def _rounds(state: State, plan: Plan, part: Table, order: Order) -> int:
    """How many rounds of lanes these rows are: one, or none where a merge would take longer than it saves."""
    arrays = sum(getattr(state, name) is not None for name in ("W", "A", "Q"))
    return int(order.n * _row_work(part, state) >= max(MIN_ROUND_WORK, MERGE_WORK * arrays * state.W.size))


def _longer(state: State, plan: Plan, part: Table, order: Order, n: int) -> float:
    """The factor of the step sizes in n lanes: their mean has gone only as far as one of them, on 1 / n of the rows.

    Steps n times as long make up for that. But no step is made longer than to where a row of mean length has no more slope;
    and those of "optimal" are long enough.
    """
    if plan.schedule.name == "optimal" or plan.schedule.pa or plan.auto:
        return 1.0
    at, some = state.at[0], order._replace(n=min(order.n, order.buffer_rows, LENGTH_ROWS))
    rows = some._replace(visit=None if some.visit is None else some.visit[: some.n])
    all_rows: Any = part.X
    X = all_rows[rows.index()]
    x = (X.data if part.sparse else X).ravel().astype(np.float64)
    whole = plan.eta(at["t"]) * at["eta_factor"] * plan.loss.curvature * (1.0 + x @ x / rows.n)
    return float(min(n, max(1.0, 1.0 / whole))) if whole > 0 else 1.0


def _row_work(table: Any, state: State) -> float:
    """The work of one row."""
    return float(getattr(table, "row_values", len(state.W)) * len(state.b) + ROW_WORK)


def _pass_work(table: Any, state: State) -> float:
    """The work of a pass."""
    return float(table.n_rows * _row_work(table, state))


def _gathers(plan: Plan, sparse: bool) -> bool:
    """Whether slopes can be gathered apart from the steps: not where a step also counts the features that its rows have."""
    name = "sgd" if plan.optimizer is None else plan.optimizer.name
    present = sparse and plan.compiled.lazy and not (plan.compiled.closed and name in ("sgd", "momentum"))
    return not (present or plan.plain or plan.noise)
