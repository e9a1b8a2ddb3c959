"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi and auto_csr.pxi.
"""

from dataclasses import dataclass

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and of Head in _kernels/auto.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due")])
HEAD = {name: i for i, name in enumerate(("h", "total", "weight", "far", "owed", "rho", "curve", "spare"))}
B, LOST, HEAD_WIDTH = slice(8, 16), slice(16, 24), 24
LANE = 12
RULES = ("kappa=1, gamma=8", "kappa=0.5, gamma=4", "kappa=0.2, gamma=1", "falling kappa")


@dataclass
class Auto:
    """The statistics of the columns and heads, and on CSR the weights of four rules.

    Attributes
    ----------
    sparse : bool
        Of which layout it is.
    columns : (3, n_features) or, on CSR, (n_features, 4), float64
        Dense: mean, Q (sum of squared deviations) and 1 / sqrt(v) of each. CSR: Q (sum of squares), visits, the row of
        the last visit, 0.
    heads : (K, 24) float64
        See `Head` in _kernels/auto.pxi.
    at : (1,) record
        Rows t, their weight, the sum of their squared lengths rho (dense), the number of their values (CSR), the rows when
        the penalty was last paid, and when it is next due (dense).
    lanes : (n_features, K * 12) of the weights' dtype, or None
        CSR: of each weight the four rules, their averages, the sum of the curvatures, and padding.
    """

    sparse: bool
    columns: np.ndarray
    heads: np.ndarray
    at: np.ndarray
    lanes: np.ndarray | None = None

    @classmethod
    def zeros(cls, W, K, sparse, curvature):
        """Before the first row."""
        d = len(W)
        heads = np.zeros((K, HEAD_WIDTH))
        heads[:, HEAD["h"]] = curvature
        at = np.zeros(1, AT)
        at["due"] = 1
        if sparse:
            return cls(sparse, np.zeros((d, 4)), heads, at, np.zeros((d, K * LANE), W.dtype))
        return cls(sparse, np.zeros((3, d)), heads, at)

    def copy(self):
        """An independent copy."""
        return Auto(**{name: x.copy() if isinstance(x, np.ndarray) else x for name, x in vars(self).items()})

    @property
    def rules(self):
        """The rule that each head's model is of: (K,) of str."""
        if not self.sparse:
            return np.full(len(self.heads), "average")
        return np.array([RULES[best % 4] + (", averaged" if best >= 4 else "") for best in self._best()])

    def _best(self):
        """0 to 3, or 4 to 7 for the averages: the least loss on rows not yet learnt from."""
        return self.heads[:, LOST].argmin(axis=1)

    def model(self, W, A, b_avg, l1, l2):
        """The averaged weights and intercepts in units of X: (n_features, S) of W's dtype, and (K,) float64."""
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        if self.sparse:
            lanes, best = self.lanes.reshape(len(W), K, LANE), self._best()
            due = 1.0 - (np.maximum(self.columns[:, 2] - 1.0, 0.0) / t) ** 3
            for k, rule in enumerate(best):
                w, mean = lanes[:, k, rule % 4], lanes[:, k, 4 + rule % 4]
                out[:, k] = w if rule < 4 else mean + (w - mean) * due
            return out, self.heads[np.arange(K), B.start + best]
        mean, _, r = self.columns
        owed, r = self.heads[:, HEAD["owed"]], r[:, None]
        U = W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        coef = (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / t) ** 3)) * r
        out[:, :K] = coef
        return out, b_avg - mean @ coef
