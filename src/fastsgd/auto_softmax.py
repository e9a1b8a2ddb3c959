"""What learning_rate="auto" keeps of classes that are learnt together, and the model that follows from it.

The steps are in _kernels/auto_softmax.pxi and auto_softmax_csr.pxi.
"""

from dataclasses import dataclass, replace

import numpy as np

from fastsgd.auto import HEAD, LOST, LOST_LESS, MEAN_OF_Y, SPREAD, SURE, Auto, combinations

FIRST_REACH = 1.5  # of steps at first, as in _kernels/auto_softmax.pxi; it is kept in `far` of the first head
SHARES = np.array([1.0, 0.85, 0.65, 0.4])  # of the leader, the rest being the best constant; as in the kernel
CANDIDATES = {  # on CSR, and of dense rows; the first two belong to the rules
    True: ("filter", "long steps", "average"),
    False: ("average", "average of long steps", "long steps"),
}
COMBINATIONS = combinations(3)
# Correlations of dense columns count where there are at most CORRELATED columns, and at most PER_CLASS for each class.
CORRELATED, PER_CLASS = 64, 16
# On CSR features may join the centred ones after so many rows, and each time that their number has doubled; as in the kernel.
CENTRED_AFTER = 64
UNIT, SEEN, MEAN, SLOPES, NEXT = range(5)  # On CSR, the fields of `Feature` in _kernels/auto_softmax_values.pxi.


def statistics(d, K, again=False):
    """How many numbers are kept of each of d dense columns, with K classes."""
    return 3 + 2 * d * (d <= CORRELATED and d <= PER_CLASS * K and not again)


@dataclass
class SoftmaxAuto(Auto):
    """As `Auto`, but scales, curvature and judgement are those of all classes together.

    On CSR `columns` is (n_features, 5), the fields of `Feature` in _kernels/auto_softmax_values.pxi: 1 / the root mean square of
    its values, the rows that have it, its mean, its squared slopes, and the next feature that is centred. W and A of the state
    are the weights of the filter and the average, in units of X; m and mb, in the first pass, are those of the long steps.

    On dense rows the second rule has m and mb of the state, and their averages v and vb. In the first pass over few columns
    `columns` is (3 + 2 n_features, n_features): P^-1 and the sums for the correlations of the columns follow those of `Auto`.
    """

    together: bool = True

    @classmethod
    def zeros(cls, W, K, sparse, loss):
        """Before the first row."""
        new = Auto.zeros(W[:0], K, sparse, loss)
        columns = np.zeros((len(W), 5) if sparse else (statistics(len(W), K), len(W)))
        new.heads[0, HEAD["far"]] = FIRST_REACH
        return cls(sparse, columns, new.heads, new.at)

    def _named(self, number, share):
        names, chosen = CANDIDATES[self.sparse], COMBINATIONS[number]
        if share == 0:
            return "constant"
        if self.again and self.sparse:
            return "average"
        name = "mean of " * (len(chosen) > 1) + " and ".join(names[i] for i in chosen)
        name = "mean of all" if len(chosen) > 2 else name
        return name if share == 1 else f"{name}, times {share:g}"

    def of_features(self, features, n_last):
        """As `Auto.of_features`."""
        columns = self.columns.take(features, axis=0)
        columns[: len(features) - n_last, MEAN] = 0  # The intercept takes each mean off only once.
        return replace(self, columns=columns)

    def begin_again(self):
        """Before a second pass; see `go_on`, too."""
        if not self.sparse:
            self.columns = self.columns[:3].copy()
        self.again = True

    def go_on(self, state):
        """Before a second pass over CSR rows: the filter of a State goes on from the model, which becomes its average, too."""
        if self.again or not self.sparse:
            return
        if self.at["t"][0] > 0:
            chosen = COMBINATIONS[self._leading()]
            weights, intercepts = (state.W, state.m, state.A), (state.b, state.mb, state.b_avg)
            W = sum(weights[i] for i in chosen) / len(chosen)
            b = sum(intercepts[i] for i in chosen) / len(chosen)
            state.W[:], state.A[:], state.b[:], state.b_avg[:] = W, W, b, b
        state.m = state.mb = None

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
        """CSR: the next n rows may have features join the centred ones, whether they have them or not."""
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

    def _leading(self):
        """The number of the combination that has lost least, which is the model; once rows come again, of a rule's average."""
        lost = np.nan_to_num(self.heads[0, LOST], nan=np.inf)
        if self.again:
            return int(not self.sparse and lost[1] < lost[0])
        return int(lost[: len(COMBINATIONS)].argmin())

    def best(self):
        """As `Auto.best`, the same for all classes; once rows come again the model is all of a candidate."""
        heads, number, share = len(self.heads), self._leading(), 1.0
        if not self.again:
            lost = np.nan_to_num(np.append(self.heads[0, LOST][number], self.heads[0, LOST_LESS]), nan=np.inf)
            part = lost.argmin()
            sure = lost[part] + SURE * self.heads[0, SPREAD][(part - 1) % len(SHARES)] < 0
            share = SHARES[part] if sure else 0.0
        return np.full(heads, number), np.full(heads, share)

    @property
    def lost(self):
        """As `Auto.lost`."""
        lost = np.append(self.heads[0, LOST][: len(COMBINATIONS)], self.heads[0, LOST_LESS])
        return float(min(np.nan_to_num(lost, nan=np.inf).min(), 0.0))

    @property
    def frequencies(self):
        """The best constant: the logarithms of the classes' shares of the rows, each having 1 / K of a row more; or 0."""
        counts = self.heads[:, MEAN_OF_Y]
        one = counts.sum() / max(1.0, self.at["recent"][0])
        return np.log((counts + one / len(counts)) / (counts.sum() + one)) if one > 0 else np.zeros(len(counts))

    def model_of(self, state, plan, best=None):
        """The model of a State, weights and intercepts, in units of X: (n_features, S) of W's dtype, and (K,) float64."""
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

    def _of_csr(self, state, plan, number):
        K, chosen = len(self.heads), (2,) if self.again else COMBINATIONS[number]
        weights, intercepts = (state.W, state.m, state.A), (state.b, state.mb, state.b_avg)
        coef, b = np.zeros((len(state.W), K)), np.zeros(K)
        for i in chosen:
            own = weights[i][:, :K].astype(np.float64)
            if i == 2 and plan.l1 > 0:  # The average of a weight that was once not 0 would never be 0.
                averaged = state.W if self.again or self.heads[0, LOST][0] <= self.heads[0, LOST][1] else state.m
                own *= averaged[:, :K] != 0
            coef += own / len(chosen)
            b += intercepts[i] / len(chosen)
        return coef, b

    def _of_dense(self, state, plan, number):
        K, n, r, chosen = len(self.heads), self.at["recent"][0], self.columns[2][:, None], COMBINATIONS[number]
        rules = (state.W, state.A, state.b, state.b_avg), (state.m, state.v, state.mb, state.vb)
        coef, b = np.zeros((len(r), K)), np.zeros(K)
        for i in chosen:
            W, A, b_now, b_avg = rules[min(i, 1)]
            owed, U = self.heads[min(i, 1), HEAD["owed"]], W[:, :K].astype(np.float64)
            U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * plan.l1) / (1.0 + owed * r**2 * plan.l2)
            own = U if i == 2 else A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / n) ** 3)
            coef += own * r / len(chosen)
            b += (b_now if i == 2 else b_avg) / len(chosen)
        return coef, b
