"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi and auto_csr.pxi.
"""

from dataclasses import dataclass

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and of Head in _kernels/auto.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due")])
HEAD = {name: i for i, name in enumerate(("h", "total", "weight", "far", "owed", "curve"))}
B_AVG, LOST, HEAD_WIDTH = 8, slice(10, 12), 12
RECORD, AVERAGES = 8, 2  # numbers of a weight on CSR, and where the averages of its two versions begin
RULES = np.array(["average", "average, L2 per visit"])


def aligned(x):
    """x, or where it does not begin at a cache line, a copy that does: a record is then one line or half of one."""
    if x.ctypes.data % 64 == 0:
        return x
    room = np.zeros(x.size + 64 // x.itemsize, x.dtype)
    start = -room.ctypes.data % 64 // x.itemsize
    out = room[start : start + x.size].reshape(x.shape)
    if x.any():
        out[...] = x
    return out


@dataclass
class Auto:
    """The statistics of the columns and heads, and on CSR two versions of the weights.

    Attributes
    ----------
    sparse : bool
        Of which layout it is.
    columns : (3, n_features) float64; on CSR empty
        Mean, Q (sum of squared deviations) and 1 / sqrt(v) of each.
    heads : (K, 12) float64
        See `Head` in _kernels/auto.pxi.
    at : (1,) record
        Rows t, their weight, the sum of their squared lengths rho (dense), the number of their values (CSR), the rows when
        the penalty was last paid, and when it is next due (dense).
    records : (n_features, K * 8) of the weights' dtype, or None
        CSR: of each weight the two versions, their averages, the sum of the curvatures, the mean of the last squared values,
        visits, and one of padding.
    again : bool
        Whether rows were learnt from a second time: then the loss before a step says nothing of rows not yet seen.
    """

    sparse: bool
    columns: np.ndarray
    heads: np.ndarray
    at: np.ndarray
    records: np.ndarray | None = None
    again: bool = False

    @classmethod
    def zeros(cls, W, K, sparse, curvature):
        """Before the first row."""
        d = len(W)
        heads = np.zeros((K, HEAD_WIDTH))
        heads[:, HEAD["h"]] = curvature
        at = np.zeros(1, AT)
        at["due"] = 1
        if sparse:
            return cls(sparse, np.zeros((3, 0)), heads, at, np.zeros((d, K * RECORD), W.dtype))
        return cls(sparse, np.zeros((3, d)), heads, at)

    def copy(self):
        """An independent copy."""
        return Auto(**{name: x.copy() if isinstance(x, np.ndarray) else x for name, x in vars(self).items()})

    @property
    def rules(self):
        """What each head's model is: (K,) of str."""
        return RULES[self._best()]

    def _best(self):
        """0, or on CSR in the first pass 1 where that had less loss on rows not yet learnt from."""
        if not self.sparse or self.again:
            return np.zeros(len(self.heads), int)
        return self.heads[:, LOST].argmin(axis=1)

    def model(self, W, A, b_avg, l1, l2):
        """The averaged weights and intercepts in units of X: (n_features, S) of W's dtype, and (K,) float64."""
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        if self.sparse:
            records, best = self.records.reshape(len(W), K, RECORD), self._best()
            out[:, :K] = records[:, np.arange(K), AVERAGES + best]
            return out, self.heads[np.arange(K), B_AVG + best]
        mean, _, r = self.columns
        owed, r = self.heads[:, HEAD["owed"]], r[:, None]
        U = W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        coef = (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / t) ** 3)) * r
        out[:, :K] = coef
        return out, b_avg - mean @ coef
