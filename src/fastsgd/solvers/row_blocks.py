"""Fixed blocks of rows: what is summed over all rows is summed in each block, and the blocks are added in their order.

The blocks follow from the data alone, so that a sum has the same bits however many threads work on them.
"""

import numpy as np
import scipy.sparse as sp

from fastsgd.solvers.lazily import cached_property
from fastsgd.sources.sparse import rows_between
from fastsgd.threads import ONE_THREAD

MAX_BLOCKS = 32  # More blocks would gain nothing on the cores of one machine, and each has sums of its own.
# A pass over a block takes far longer than handing it over, as it has at least MIN_BLOCK_VALUES values; and sums of a number a
# column cost little beside the pass, as it has at least MIN_COLUMN_VALUES values a column.
MIN_BLOCK_VALUES, MIN_COLUMN_VALUES = 1 << 19, 16
MULTIPLE_ROWS = 64  # A block has a multiple of this many rows, as kernels take several together.


class RowBlocks:
    """Blocks of the rows of X.

    Parameters
    ----------
    X : (n, d) C-ordered ndarray or CSR matrix
    threads : Threads
        Who works on them.
    most : int or None
        Blocks at most; None where the work is a pass over the values, and its sums are of a number a column.

    Attributes
    ----------
    slices : list of slice
    """

    def __init__(self, X, threads=ONE_THREAD, most=None):
        n, d = X.shape
        if most is None:
            most = (X.nnz if sp.issparse(X) else X.size) // max(MIN_BLOCK_VALUES, MIN_COLUMN_VALUES * d)
        self.X, self.threads, self.slices = X, threads, block_slices(n, min(most, MAX_BLOCKS))

    @cached_property
    def parts(self):
        """The rows of X of each block, its arrays shared."""
        if len(self.slices) == 1:
            return [self.X]
        if sp.issparse(self.X):
            return [rows_between(self.X, rows.start, rows.stop) for rows in self.slices]
        return [self.X[rows] for rows in self.slices]

    def map(self, function):
        """[function(X, rows) for each block], rows being the slice of its rows X."""
        return self.threads.map(lambda block: function(*block), list(zip(self.parts, self.slices, strict=True)))

    def sum(self, function):
        """The sums of what function(X, rows) returns, a tuple, over the blocks; None stays None."""
        first, *others = self.map(function)
        for part in others:
            first = tuple(None if a is None else a + b for a, b in zip(first, part, strict=True))
        return first

    def each(self, function):
        """(n,) numbers, of which function(rows) gives those of a slice of the rows; one call where there is one thread."""
        n = self.X.shape[0]
        if self.threads.n == 1 or len(self.slices) == 1:
            return function(slice(0, n))
        out = np.empty(n)

        def of_block(_, rows):
            out[rows] = function(rows)

        self.map(of_block)
        return out

    def dot(self, a, b=None):
        """The sum of a b, or of a, over the rows."""
        if len(self.slices) == 1:
            return float(a.sum() if b is None else a @ b)
        parts = self.map(lambda _, rows: a[rows].sum() if b is None else a[rows] @ b[rows])
        return float(np.sum(parts))  # So few are added in their order.


def block_slices(n, most):
    """The slices of n rows in at most that many blocks, at least one; all but the last have the same multiple of rows."""
    rows = -(-n // max(1, most))
    rows = max(1, -(-rows // MULTIPLE_ROWS) * MULTIPLE_ROWS if most > 1 else rows)
    return [slice(lo, min(lo + rows, n)) for lo in range(0, max(n, 1), rows)]
