"""What learning_rate="auto" keeps of classes that are learnt together, and the model that follows from it.

The steps are in _kernels/auto_softmax.pxi and auto_softmax_csr.pxi.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastsgd.auto import HEAD, LOST, MEAN_OF_Y, SPREAD, Auto

FIRST_REACH = 1.5  # It is also in _kernels/auto_softmax.pxi, as what is judged is in the first head alone.
SHARES = np.array([1.0, 0.75, 0.5, 0.25, 0.0])  # of a candidate, the rest being the best constant
CENTRED_AFTER = (
    64  # rows; then, and whenever they have doubled, features may join the centred ones. It is also in the kernel.
)
UNIT, SEEN, MEAN, NEXT = range(4)  # The columns of CSR: `Feature` in _kernels/auto_softmax_csr.pxi.


@dataclass
class SoftmaxAuto(Auto):
    """As `Auto`, but for this: scales, curvature and judgement are those of the model, and not of a class.

    On CSR `columns` is (n_features, 4): of each feature 1 / the root mean square of its values, the rows that have it, its mean
    and the next that is centred, see _kernels/auto_softmax_csr.pxi. W and A of the state are weights and average, in units of X.

    On dense rows two models learn at the same time, of steps of two lengths. The second has the state's m, v, mb and vb.
    """

    together: bool = True

    @classmethod
    def zeros(cls, W, K, sparse, curvature):
        """Before the first row."""
        new = Auto.zeros(W[:0], K, sparse, curvature)
        columns = np.zeros((len(W), 4) if sparse else (3, len(W)))
        new.heads[0, HEAD["far"]] = FIRST_REACH
        return cls(sparse, columns, new.heads, new.at)

    def _named(self, number, share):
        name = (("average", "average, L2 in full") if self.sparse else ("average", "average of long steps"))[number]
        return "constant" if share == 0 else name if share == 1 else f"{name}, times {share:g}"

    def of_features(self, features, n_last):
        """As `Auto.of_features`."""
        columns = self.columns.take(features, axis=0)
        columns[: len(features) - n_last, MEAN] = 0  # It is taken off once.
        return replace(self, columns=columns)

    def begin_again(self):
        """Before a second pass."""
        self.again = True

    @property
    def visits(self):
        """CSR: in how many rows each feature was, or since it is centred all, a row counting in each pass: (n_features,)."""
        return self.columns[:, SEEN] / self.at["grown"][0]

    @property
    def in_each_row(self):
        """CSR: the features that are centred: (n,) int."""
        found, at = [], self.at["last"][0]
        while at > 0:
            found.append(int(at) - 1)
            at = self.columns[found[-1], NEXT]
        return np.array(found, np.intp)

    def changes_all(self, n):
        """CSR: features that none of the rows has to have may join the centred ones."""
        t = int(self.at["t"][0])
        return t + n >= CENTRED_AFTER and (t + n).bit_length() > t.bit_length()

    @property
    def scales(self):
        """Of each feature the standard deviation; on CSR the root mean square over the rows, less the mean if it is centred."""
        if not self.sparse:
            return super().scales
        unit = self.columns[:, UNIT]
        share = np.sqrt(np.minimum(1.0, self.visits / max(1.0, self.at["recent"][0])))
        return np.where(unit > 0, share / np.where(unit > 0, unit, 1.0), 0.0)

    @property
    def unsquared(self):
        """As `Auto.unsquared`; on CSR scales are kept in place of squares, and no column is left out."""
        return (np.zeros(0, int), np.zeros(0, int)) if self.sparse else super().unsquared

    def best(self):
        """As `Auto.best`, the same for all classes; once rows come again the model is all of a candidate."""
        head, heads = self.heads[0], len(self.heads)
        lost = np.nan_to_num(head[LOST][: 2 * len(SHARES)], nan=np.inf)
        place = lost.argmin()
        candidate, share = place // len(SHARES), SHARES[place % len(SHARES)]
        if self.again:
            candidate, share = 0 if self.sparse else candidate, 1.0
        elif not lost[place] + head[SPREAD][place] < 0:
            share = 0.0
        return np.full(heads, candidate), np.full(heads, share)

    @property
    def lost(self):
        """As `Auto.lost`."""
        return float(min(np.nan_to_num(self.heads[0, LOST][: 2 * len(SHARES)], nan=np.inf).min(), 0.0))

    @property
    def frequencies(self):
        """The best constant: the logarithms of the classes' shares of the rows, each having 1 / K of a row more; or 0."""
        counts = self.heads[:, MEAN_OF_Y]
        one = counts.sum() / max(1.0, self.at["recent"][0])
        return np.log((counts + one / len(counts)) / (counts.sum() + one)) if one > 0 else np.zeros(len(counts))

    def model_of(self, state, plan, best=None):
        """The averaged weights and intercepts of a State, in units of X: (n_features, S) of W's dtype, and (K,) float64."""
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(state.W)
        if t == 0:
            return out, np.zeros(K)
        candidates, shares = self.best() if best is None else best
        candidate, share = candidates[0], shares[0]
        if self.sparse:
            coef, b = self._of_csr(state, plan, candidate)
            mean = self.columns[:, MEAN]
        else:
            coef, b = self._of_dense(state, plan, candidate)
            mean = self.columns[0]
        out[:, :K] = share * coef
        flat = self.frequencies if plan.intercept_decay > 0 else np.zeros(K)
        return out, share * (b - mean @ coef) + (1.0 - share) * flat

    def _of_csr(self, state, plan, candidate):
        K, n, unit, seen = len(self.heads), self.at["recent"][0], self.columns[:, UNIT], self.visits
        coef = state.A[:, :K].astype(np.float64)
        if plan.l1 > 0:  # The average of a weight that was once not 0 would never be 0.
            coef *= state.W[:, :K] != 0
        if candidate:  # The penalty that is not yet paid.
            prior = self.heads[0, HEAD["h"]] * self.at["values"][0] / n / self.heads[0, HEAD["far"]]
            H, l2 = self.heads[0, HEAD["curve"]] / n * seen + prior, np.minimum(plan.l2 * unit**2, 1e290)
            coef *= ((H + seen / n * seen * l2) / (H + seen * l2))[:, None]
        return coef, state.b_avg

    def _of_dense(self, state, plan, candidate):
        W, A, b = (state.m, state.v, state.vb) if candidate else (state.W, state.A, state.b_avg)
        K, n, r = len(self.heads), self.at["recent"][0], self.columns[2][:, None]
        owed, U = self.heads[candidate, HEAD["owed"]], W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * plan.l1) / (1.0 + owed * r**2 * plan.l2)
        return (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / n) ** 3)) * r, b
