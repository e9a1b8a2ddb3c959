"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi and auto_csr.pxi.
"""

from dataclasses import dataclass

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and of Head in _kernels/auto.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due")])
HEAD = {name: i for i, name in enumerate(("h", "total", "weight", "far", "owed", "curve"))}
B_AVG, LOST, HEAD_WIDTH = 7, slice(8, 10), 10
RECORD, GAMMA = 4, 1.5  # as in _kernels/auto_csr.pxi
RULES = np.array(["average", "average, L2 in full"])


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
    """The statistics of the columns and heads, and on CSR the weights.

    Attributes
    ----------
    sparse : bool
        Of which layout it is.
    columns : (3, n_features) float64; on CSR empty
        Mean, Q (sum of squared deviations) and 1 / sqrt(v) of each.
    heads : (K, 10) float64
        See `Head` in _kernels/auto.pxi.
    at : (1,) record
        Rows t, their weight, the sum of their squared lengths rho (dense), the number of their values (CSR), the rows when
        the penalty was last paid, and when it is next due (dense).
    records : (n_features, K * 4) of the weights' dtype, or None
        CSR: each weight, its average, and of the rows that have it the sum of the squared values and the number.
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

    def _rest(self, k, l2):
        """By what the penalty that was not paid yet shrinks the weights of head k: see _kernels/auto_csr.pxi."""
        t, head, (squares, visits) = (
            self.at["t"][0],
            self.heads[k],
            self.records[:, k * RECORD + 2 : (k + 1) * RECORD].T,
        )
        share = visits.astype(np.float64) / t
        prior = head[HEAD["h"]] * self.at["values"][0] / t**2 / GAMMA
        P = squares * (head[HEAD["curve"]] / t * share + prior) + np.finfo(np.float64).tiny
        return (P + l2 * share * visits) / (P + l2 * visits)

    def model(self, W, A, b_avg, l1, l2):
        """The averaged weights and intercepts in units of X: (n_features, S) of W's dtype, and (K,) float64."""
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        if self.sparse:
            out[:, :K] = self.records[:, 1::RECORD]
            if l1 > 0:  # an average of weights that were not 0 once would never be
                out[:, :K] *= self.records[:, ::RECORD] != 0
            for k in np.flatnonzero(self._best()):
                out[:, k] *= self._rest(k, l2)
            return out, self.heads[:, B_AVG].copy()
        mean, _, r = self.columns
        owed, r = self.heads[:, HEAD["owed"]], r[:, None]
        U = W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        coef = (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / t) ** 3)) * r
        out[:, :K] = coef
        return out, b_avg - mean @ coef
