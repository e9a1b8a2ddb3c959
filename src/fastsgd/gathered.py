"""What is gathered of a step of several rows, until it is taken."""

import numpy as np

from fastsgd._kernels import kernels

CARRY_ROWS = kernels.CARRY_ROWS


class Gathered:
    """The rows of a step that is not complete: sums of their slopes, and the features they had.

    Attributes
    ----------
    G : like W
        Sum of x slope.
    carry : like W, float64; or None
        Of a large step in float32: what G held at some rows before, so that the sum of many keeps its digits.
    gb : (K,) float64
        Sum of the slopes.
    count : (2,) int64
        Rows, and features met (CSR).
    met, is_met : (n_features + 1,) int64 and (n_features,) int8
        The features met, and whether each was; the kernel writes one place ahead.
    """

    def __init__(self, W, heads, batch_size=1):
        self.G, self.gb = np.zeros(W.shape, W.dtype), np.zeros(heads)  # np.zeros_like would write to all of them.
        self.carry = np.zeros(W.shape) if W.dtype == np.float32 and batch_size > CARRY_ROWS else None
        self.count = np.zeros(2, np.int64)
        self.met, self.is_met = np.empty(len(W) + 1, np.int64), np.zeros(len(W), np.int8)

    def copy(self):
        """An independent copy."""
        new = Gathered.__new__(Gathered)
        vars(new).update({name: None if x is None else x.copy() for name, x in vars(self).items()})
        return new

    def add(self, other):
        """Add what was gathered of other rows."""
        if self.carry is None:
            self.G += other.G
        else:
            self.carry += other.G
            if other.carry is not None:
                self.carry += other.carry
        self.gb += other.gb
        self.count[0] += other.count[0]
