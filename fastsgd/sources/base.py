"""A source: rows that are read block by block, from wherever they are."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class Rows(NamedTuple):
    """Rows that have been read.

    Attributes
    ----------
    X : C-ordered ndarray or canonical CSR matrix of shape (n, n_features)
        float32 or float64, as `Source.dtype` says; CSR with int32 or int64 indices.
    y : (n,) or (n, n_targets) ndarray, or None
        Labels or targets, as they are in the data.
    weight : (n,) float64 ndarray, or None
    """

    X: np.ndarray | sp.csr_matrix
    y: np.ndarray | None = None
    weight: np.ndarray | None = None


class Source:
    """What every source has. A new one gives the attributes, and `read` or `blocks`.

    Attributes
    ----------
    sparse : bool
        Whether rows are CSR.
    dtype : dtype
        float32 or float64, of the values.
    n_rows, n_features : int or None
        None where the format does not say; `survey` finds out.
    feature_names : list of str, or None
    n_blocks : int or None
        How many blocks can be read in any order; None where rows only come one after another.
    """

    sparse = False
    dtype = np.dtype(np.float32)
    n_rows = n_features = n_blocks = feature_names = None

    def read(self, block):
        """The Rows of a block, 0 <= block < n_blocks: at most some MB of them. Several threads may call it at once."""
        raise NotImplementedError

    def blocks(self):
        """The Rows of all blocks in order; each call begins anew."""
        return map(self.read, range(self.n_blocks))

    def targets(self):
        """(y, weight) of all blocks in order; a source that can reads no more than these."""
        return ((rows.y, rows.weight) for rows in self.blocks())

    def describe(self):
        """What a checkpoint says of the data, to refuse others: a dict of str to JSON values, with what can differ named
        as a user would (the files and their sizes, the columns, the options)."""
        raise NotImplementedError
