"""The targets and weights of one head, as a solver takes them."""

import numpy as np

from fastsgd.solvers.row_blocks import RowBlocks
from fastsgd.threads import ONE_THREAD


def head_targets(table, h, threads=ONE_THREAD):
    """(targets of head h of a Table, weights of its rows or None)."""
    if table.code is None:
        y = np.ascontiguousarray(table.y[:, h])
    else:
        of_rows = RowBlocks(table.X, threads)
        y = of_rows.each(lambda rows: np.where(table.code[rows] == h, 1.0, table.negative))
    if table.s_pos is None:
        return y, table.s
    by_class = np.where(y > 0, table.s_pos[h], table.s_neg[h])
    return y, by_class if table.s is None else table.s * by_class
