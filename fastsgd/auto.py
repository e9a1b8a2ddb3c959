"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi and auto_csr.pxi.
"""

from dataclasses import dataclass

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and of Head in _kernels/auto.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due")])
HEAD = {name: i for i, name in enumerate(("h", "total", "weight", "far", "owed", "curve"))}
B, LOST, HEAD_WIDTH = slice(6, 10), slice(10, 14), 14
RECORD = 8
RULES = ("kappa=0.7, gamma=8", "kappa=0.25, gamma=2")


@dataclass
class Auto:
    """The statistics of the columns and heads, and on CSR the weights of two rules.

    Attributes
    ----------
    sparse : bool
        Of which layout it is.
    columns : (3, n_features) float64; on CSR empty
        Mean, Q (sum of squared deviations) and 1 / sqrt(v) of each.
    heads : (K, 14) float64
        See `Head` in _kernels/auto.pxi.
    at : (1,) record
        Rows t, their weight, the sum of their squared lengths rho (dense), the number of their values (CSR), the rows when
        the penalty was last paid, and when it is next due (dense).
    records : (n_features, K * 8) of the weights' dtype, or None
        CSR: of each weight the two rules, their averages, the sum of the curvatures, the mean of the last squared values,
        visits, and one of padding.
    """

    sparse: bool
    columns: np.ndarray
    heads: np.ndarray
    at: np.ndarray
    records: np.ndarray | None = None

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
        """The rule that each head's model is of: (K,) of str."""
        if not self.sparse:
            return np.full(len(self.heads), "average")
        return np.array([RULES[best % 2] + (", averaged" if best >= 2 else "") for best in self._best()])

    def _best(self):
        """0 or 1, or 2 or 3 for the averages: the least loss on rows not yet learnt from."""
        return self.heads[:, LOST].argmin(axis=1)

    def model(self, W, A, b_avg, l1, l2):
        """The averaged weights and intercepts in units of X: (n_features, S) of W's dtype, and (K,) float64."""
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        if self.sparse:
            records, best = self.records.reshape(len(W), K, RECORD), self._best()
            out[:, :K] = records[:, np.arange(K), best]
            return out, self.heads[np.arange(K), B.start + best]
        mean, _, r = self.columns
        owed, r = self.heads[:, HEAD["owed"]], r[:, None]
        U = W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        coef = (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / t) ** 3)) * r
        out[:, :K] = coef
        return out, b_avg - mean @ coef
