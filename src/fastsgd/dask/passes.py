"""Training on partitions: in a round each makes a pass over its rows, from the same state, and their states become one."""

import numpy as np

from fastsgd.auto_merge import compact, whole
from fastsgd.gathered import Gathered
from fastsgd.lanes import Round, Serial, local
from fastsgd.sums import total


class Passes(Serial):
    """The lanes of a training on a Spread: one for each partition.

    Parameters
    ----------
    n : int
        Partitions.
    """

    stepwise = False

    def __init__(self, n):
        self.n = n

    def round(self, state, plan, rows):
        """A pass over all rows of a Spread."""
        spread = rows.part
        if not (plan.separate or (plan.auto and len(spread.parts) < 2)):  # One partition goes on as one machine would.
            state.fold(plan)
        merged, of_all = spread.run(one_pass, state, plan, spread.shuffled, then=merge)
        vars(state).update(vars(whole(merged, state) if plan.auto else merged))
        state.prepare(plan, spread.sparse)  # It is as after any other kernel call, of which checkpoints are made.
        rows.sums[...] += of_all


def one_pass(table, state, plan, shuffle):
    """(state, sums) after a pass over a partition; the order of its rows is by its number, and the state's seed and epoch.

    Raises
    ------
    Diverged
    """
    new, K = state.copy(), len(state.b)
    sums = np.zeros((2, K))
    if table.empty:
        return new, sums
    new.seed = state.seed + ((table.partition + 1) << 32)
    new.prepare(plan, table.sparse)
    alone = plan.plain or plan.auto or plan.separate
    gathered = None if alone else Gathered(new.W, K, min(plan.batch_size, table.n_rows))
    for part, order, then in table.chunks(new.W.dtype, K, shuffle, new.seed, new.epoch - 1):
        local(new, plan, Round(part, order, sums, gathered, then is None))
    if not plan.auto:
        new.fold(plan)
    new.seed = state.seed
    if plan.auto and table.sparse:
        compact(new, state)  # There may be many more features than the partition has.
    return new, sums


def merge(found, state, plan, shuffle):
    """(state, sums) of all partitions: a pass over their rows together."""
    new = state.copy()
    new.merge([one for one, _ in found], plan)
    if plan.auto and new.auto.sparse:
        compact(new, state)
    return new, total(sums for _, sums in found)
