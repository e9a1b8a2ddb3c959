"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi, auto_newton.pxi and auto_csr.pxi.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and the first ones of Head in _kernels/auto_head.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due", "recent", "grown", "block")])
NUMBERS = "h", "total", "weight", "far", "owed", "owed_by_second", "curve", "square", "slopes", "gradient", "counted"
HEAD = {name: i for i, name in enumerate(NUMBERS)}
OWED, GRADIENT, COUNTED = HEAD["owed_by_second"], HEAD["gradient"], HEAD["counted"]
# The other fields of Head, as columns of `heads`: intercepts, the mean of y, the best constant and the one of
# the judgement, how many targets are kept, the curvature of the parabola, the usual loss, and which combination leads.
B, MEAN_OF_Y, FLAT, JUDGED, N_ATOMS, BEND, USUAL, LEADER = slice(11, 15), 15, 16, 17, 18, 19, 21, 22
MIDDLE = MEAN_OF_Y  # where the best constant does not follow from the mean of y: the middle of the parabola
# By how much more than the constant each combination has lost, and the leader in part; and the spreads of these differences.
LOST, LOST_LESS, SPREAD, HEAD_WIDTH = slice(23, 34), slice(34, 37), slice(37, 47), 47
ATOMS = 64  # Of each head at most so many targets are kept, as in _kernels/auto_constant.pxi.
SHARES = np.array([0.75, 0.5, 0.25])
SURE = 1.5  # A model must be better than the constant by this many spreads of the difference: the best of several is by chance.
MIN_VARIANCE = 1e-300  # It is also in _kernels/auto.pxi: a smaller variance or weight counts as 0.
# Numbers of a weight on CSR, see _kernels/auto.h: three weights, an average, sums over the rows of the feature, and the unit.
RECORD, AVERAGED, SQUARES, VISITS, SLOPES, UNIT = 8, 3, 4, 5, 6, 7
CENTRED = 256  # On CSR at most this many columns are centred, as in _kernels/auto_centred.pxi.
# Newton's steps are of so many columns at most, and of so many weights of all heads together.
NEWTON_COLUMNS, NEWTON_WEIGHTS = 128, 256
# As in _kernels/auto_newton.pxi: the rows of a block, at least, of many columns, and as a share of those so far; of how many
# weights this share is doubled; and what holds the weights back.
BLOCK, PER_ROW, BLOCKS, MANY_WEIGHTS, HELD, HELD_INTERCEPT = 8, 128, 16, 64, 8.0, 0.01
# The names of the candidates.
OF_SPARSE = "filter", "long steps", "short steps", "average"
OF_DENSE = "average", "average of long steps", "long steps"
OF_FEW_COLUMNS, OF_AGAIN = ("average of long steps", "Newton's steps", "long steps"), ("average", "Newton's steps")
# Once rows come again: of each combination of the three of few columns that of OF_AGAIN.
AGAIN = np.array([0, 1, 0, 2, 0, 2, 2])


def combinations(m):
    """The combinations of m candidates, each a tuple of their numbers, in the order of `combined` in _kernels/auto_head.pxi."""
    pairs = [(i, j) for i in range(m) for j in range(i + 1, m)]
    return [(i,) for i in range(m)] + pairs + [tuple(range(m))] * (m > 2)


def aligned(x):
    """x if it begins at a cache line, else a copy that does: a record is then one line or half of one."""
    if x.ctypes.data % 64 == 0:
        return x
    return _aligned_copy(x) if x.any() else _at_line(np.zeros(x.size + 64 // x.itemsize, x.dtype), x.shape)


def _aligned_copy(x):
    out = _at_line(np.empty(x.size + 64 // x.itemsize, x.dtype), x.shape)
    out[...] = x
    return out


def _at_line(room, shape):
    """An array of that shape in the room, which has 64 bytes more than that takes."""
    start = -room.ctypes.data % 64 // room.itemsize
    return room[start : start + math.prod(shape)].reshape(shape)


@dataclass
class Auto:
    """The statistics of the columns and heads, and on CSR the weights.

    Attributes
    ----------
    sparse : bool
        Whether the rows are CSR.
    columns : (3, n_features) float64; on CSR empty
        Mean, Q (sum of squared deviations) and 1 / sqrt(v) of each.
    heads : (K, 47) float64
        See `Head` in _kernels/auto_head.pxi.
    at : (1,) record
        t, the number of rows; weight, theirs; rho, the sum of their squared lengths (dense); values, the number of their values
        (CSR). recent: what is left of the rows where older ones fade, which is t where none do; grown: the unit of the columns'
        sums. Dense: last, `recent` when the penalty was last paid; due and block, t when it is next due, and Newton's next step.
        CSR: last, in how many rows columns could join the centred ones; due, t when these are centred anew.
    records : (n_features, K * 8) of the weights' dtype, or None
        CSR: of each weight the numbers in _kernels/auto.h.
    centred : (4, 256) float64; of dense rows, and of a file from before there were such columns, None
        CSR: a column for each feature that most rows have: its number, plus 1; the weight of the rows since it joined; its mean
        over these; and the mean by which it is centred. The rest is zeros. See _kernels/auto_centred.pxi.
    second : (2, n_features, S) of the weights' dtype, or None
        Dense, in the first pass: the weights of the second rule, in standard units, and their average. Of few columns that rule
        takes Newton's steps, and may in later passes; in place of the average is the sum of the slopes since the last step.
    curvatures : (K, n_features + 1, n_features + 1) float64, or None
        Where there are Newton's steps: of each head the upper triangle of the sum over the rows of their curvatures times
        (x - origin, 1) (x - origin, 1)'.
    origin : (n_features,) float64, or None
        The origin of `curvatures`: the means of the columns when the last block of rows ended.
    atoms : (K, 2, 64) float64, or None
        In the first pass, where the best constant does not follow from the mean of y: targets, and the weights of their rows. See
        _kernels/auto_constant.pxi.
    again : bool
        Whether rows were learnt from a second time: then the loss before a step says nothing of rows not yet seen.
    together : bool
        Whether the classes are learnt together, see auto_softmax.py.
    averages : bool
        Dense: whether averages alone may be the model, as where models beside it are to say how sure it is.
    """

    sparse: bool
    columns: np.ndarray
    heads: np.ndarray
    at: np.ndarray
    records: np.ndarray | None = None
    centred: np.ndarray | None = None
    second: np.ndarray | None = None
    curvatures: np.ndarray | None = None
    origin: np.ndarray | None = None
    atoms: np.ndarray | None = None
    again: bool = False
    together: bool = False
    averages: bool = False

    @classmethod
    def zeros(cls, W, K, sparse, loss):
        """Before the first row."""
        d = len(W)
        heads = np.zeros((K, HEAD_WIDTH))
        heads[:, HEAD["h"]] = loss.curvature
        atoms = None if loss.by_mean or loss.coupled else np.zeros((K, 2, ATOMS))
        at = np.zeros(1, AT)
        at["due"] = at["grown"] = 1
        if sparse:
            records, centred = np.zeros((d, K * RECORD), W.dtype), np.zeros((4, CENTRED))
            return cls(sparse, np.zeros((3, 0)), heads, at, records, centred, atoms=atoms)
        second, at["block"] = np.zeros((2, *W.shape), W.dtype), BLOCK
        auto = cls(sparse, np.zeros((3, d)), heads, at, second=second, atoms=atoms)
        # With an exponential, curvatures far from the optimum have no bound.
        bounded = loss.convex and loss.span != 1
        if bounded and d <= NEWTON_COLUMNS and d * K <= NEWTON_WEIGHTS:
            auto.curvatures, auto.origin = np.zeros((K, d + 1, d + 1)), np.zeros(d)
        return auto

    def copy(self):
        """An independent copy."""
        new = {
            name: x.copy() if isinstance(x, np.ndarray) and name != "records" else x for name, x in vars(self).items()
        }
        return type(self)(**new | {"records": None if self.records is None else _aligned_copy(self.records)})

    def of_features(self, features, n_last):
        """CSR: the same with these features alone, which may come several times, so that a model of them can be made.

        The last n are there for those that are centred, all of which are among them.
        """
        centred, n = self.centred, len(self.centre[0])
        if n:
            centred, first = centred.copy(), len(features) - n_last
            centred[0, :n] = first + np.searchsorted(features[first:], self.centre[0]) + 1
        return replace(self, records=self.records.take(features, axis=0), centred=centred)

    @property
    def candidates(self):
        """The names of the candidates."""
        if self.sparse or self.curvatures is None:
            return OF_SPARSE if self.sparse else OF_DENSE[: 2 if self.averages else 3]
        return OF_AGAIN if self.again else OF_FEW_COLUMNS

    @property
    def visits(self):
        """CSR: in how many rows each feature was, or what is left of these, a row counting in each pass: (n_features,)."""
        return self.records[:, VISITS].astype(np.float64) / self.at["grown"][0]

    @property
    def centre(self):
        """CSR: the columns that are centred, and by what: (n,) int and (n,) float64."""
        if self.centred is None:
            return np.zeros(0, np.intp), np.zeros(0)
        n = np.count_nonzero(self.centred[0])
        return self.centred[0, :n].astype(np.intp) - 1, self.centred[3, :n]

    @property
    def in_each_row(self):
        """CSR: the features whose numbers change with each row, whether it has them or not: (n,) int."""
        return self.centre[0]

    def changes_all(self, n):
        """CSR: whether one of the next n rows may change numbers of any feature, without half_life."""
        return False

    @property
    def scales(self):
        """Of each feature the standard deviation; on CSR the root mean square, but of the columns that are centred.

        It is 0 where its squares overflow.
        """
        if self.sparse:
            squares, unit = self.records[:, [SQUARES, UNIT]].astype(np.float64).T
            rows, columns = np.full(len(unit), max(1.0, self.at["recent"][0])), self.centre[0]
            rows[columns] = np.maximum(1.0, self.visits[columns])
            return np.sqrt(squares / self.at["grown"][0] / rows) / np.where(unit > 0, unit, 1.0)
        variance = self._variance
        return np.sqrt(np.where(np.isfinite(variance), variance, 0.0))

    @property
    def _variance(self):
        """Dense: that of each column; inf where its squares overflow."""
        return self.columns[1] / max(self.at["weight"][0] * self.at["grown"][0], MIN_VARIANCE)

    @property
    def rules(self):
        """What each head's model is: (K,) of str."""
        return np.array([self._named(number, share) for number, share in zip(*self.best(), strict=True)])

    def _named(self, number, share):
        names = self.candidates
        if share == 0:
            return "constant"
        if self.again and self.curvatures is None:
            return "average"
        chosen = combinations(len(names))[number]
        name = "mean of " * (len(chosen) > 1) + " and ".join(names[i] for i in chosen)
        name = "mean of all" if len(chosen) > 2 else name
        return name if share == 1 else f"{name}, times {share:g}"

    @property
    def unsquared(self):
        """Dense: which columns have squares that overflow, and which have squares near 0, which may be constant."""
        variance = self._variance
        return np.flatnonzero(~np.isfinite(variance)), np.flatnonzero(variance < MIN_VARIANCE)

    @property
    def warning(self):
        """In words for the user, which heads have learnt nothing but a constant; None if all have."""
        flat, heads = np.flatnonzero(self.rules == "constant"), len(self.heads)
        if not len(flat):
            return None
        which = "The model is" if heads == 1 else f"The models of {len(flat)} of {heads} classes or targets are"
        return (
            f"{which} a constant (auto_rule_): on rows not yet learnt from, the columns were of no use to learning_rate='auto'. "
            "If they should be: give more rows; with columns of small values, whose coefficients are large, lower alpha or "
            "set standardize=True; take the logarithm of columns of which a few values are far larger than the others."
        )

    def best(self):
        """Combination and share of each head, as judged by rows not yet learnt from: (K,) int, (K,) float64.

        Those of least loss; or the constant, where they were not better than it by more than the spread of the difference.
        """
        heads = np.arange(len(self.heads))
        if self.again and self.curvatures is None:
            return 0 * heads, np.ones(len(heads))
        combined = len(combinations(len(self.candidates)))
        lost = np.nan_to_num(self.heads[:, LOST][:, :combined], nan=np.inf)
        best = lost.argmin(axis=1)
        if self.again:
            return best, np.ones(len(heads))
        parts = np.column_stack([lost[heads, best], np.nan_to_num(self.heads[:, LOST_LESS], nan=np.inf)])
        part = parts.argmin(axis=1)
        sure = parts[heads, part] + SURE * self.heads[:, SPREAD][heads, (part - 1) % (len(SHARES) + 1)] < 0
        return best, np.where(sure, np.append(1.0, SHARES)[part], 0.0)

    @property
    def lost(self):
        """By how much more the model has lost than the best constant, of all heads together; at most 0, as it may be that."""
        combined = len(combinations(len(self.candidates)))
        lost = np.column_stack([self.heads[:, LOST][:, :combined], self.heads[:, LOST_LESS]])
        return float(np.minimum(np.nan_to_num(lost, nan=np.inf).min(axis=1), 0.0).sum())

    def _shared(self, W, b, share):
        """That share of a model, the rest being the best constant."""
        W[:, : len(b)] *= share.astype(W.dtype)
        return W, share * b + (1.0 - share) * self.heads[:, FLAT]

    def _averaged(self, k):
        """CSR: which rule is averaged: of the first two that which has lost less so far, and after the first pass the first."""
        lost = self.heads[k, LOST]
        return 0 if self.again or lost[0] < lost[1] else 1

    def _sparse_model(self, out, best):
        """The combination of each head, in units of X, put into `out`; and its intercepts."""
        b = np.zeros(len(self.heads))
        for k, number in enumerate(best[0]):
            chosen = (AVERAGED,) if self.again else combinations(len(OF_SPARSE))[number]
            at = k * RECORD
            for i in chosen:
                weights = self.records[:, at + i]
                if i == AVERAGED:  # The average of a weight that was once not 0 would never be 0.
                    weights = weights * (self.records[:, at + self._averaged(k)] != 0)
                out[:, k] += weights / len(chosen)
            out[:, k] *= self.records[:, at + UNIT]
            b[k] = self.heads[k, B][list(chosen)].mean()
        return out, b

    def settled(self, W, A, rule, l1, l2):
        """Dense: the weights of a rule, without what it owes of the penalty, and their average up to now: in standard units."""
        owed, r, n = self.heads[:, HEAD["owed"] + rule], self.columns[2][:, None], self.at["recent"][0]
        U, A = W[:, : len(owed)].astype(np.float64), A[:, : len(owed)]
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        return U, A + (U - A) * (1.0 - (self.at["last"][0] / n) ** 3)

    def _dense_model(self, W, A, b, b_avg, l1, l2, best):
        """The combination of each head, in units of X, its intercepts being those where the columns are at their means."""
        U, A = self.settled(W, A, 0, l1, l2)
        candidates, intercepts = [A], [b_avg]
        if self.curvatures is not None:
            candidates.append(self.second[0, :, : len(b_avg)].astype(np.float64))
            intercepts.append(self.heads[:, B][:, 1])
            if not self.again:
                candidates.append(U)
                intercepts.append(b)
        elif not self.again:
            U, A = self.settled(*self.second, 1, l1, l2)
            candidates += [A, U]
            intercepts += [self.heads[:, B][:, 2], self.heads[:, B][:, 1]]
        candidates = candidates[: len(self.candidates)]
        out, b = np.zeros_like(candidates[0]), np.zeros(len(b_avg))
        for k, number in enumerate(best[0]):
            chosen = combinations(len(candidates))[number]
            out[:, k] = sum(candidates[i][:, k] for i in chosen) / len(chosen)
            b[k] = sum(intercepts[i][k] for i in chosen) / len(chosen)
        return out * self.columns[2][:, None], b

    def go_on_from(self, W, b):
        """CSR: weights (n_features, K) in units of X and intercepts become those of the first rule, and their own average."""
        for k, at in enumerate(range(0, self.records.shape[1], RECORD)):
            unit = self.records[:, at + UNIT]
            self.records[:, at] = np.divide(W[:, k], unit, out=np.zeros_like(unit), where=unit > 0)
            self.records[:, at + AVERAGED] = self.records[:, at]
        self.heads[:, B.start] = self.heads[:, B.start + AVERAGED] = b

    def begin_again(self):
        """Before a second pass: CSR goes on from the model with the first rule alone, and its average.

        Dense rows go on with the first rule, from its own weights, and with Newton's steps where the model of a head has them;
        which combination that is stays, but that of the first rule it is the average.
        """
        if self.again:
            return
        if self.sparse and self.at["t"][0] > 0:
            best, share = self.best()
            out = np.zeros((len(self.records), len(self.heads)), self.records.dtype)
            self.go_on_from(*self._sparse_model(out, (best, share)))
        stays = [0] if self.curvatures is None else AGAIN[self.best()[0]]
        self.again, self.atoms = True, None
        if not np.any(stays):  # Newton's steps are of no model.
            self.second = self.curvatures = self.origin = None
            return
        heads, lost = np.arange(len(self.heads)), self.heads[:, LOST]
        lost[:] = 0.0
        lost[heads, stays] = -1.0
        self.heads[:, LEADER] = stays

    def model(self, W, A, b, b_avg, l1, l2, best=None):
        """The model of weights, intercepts and their averages, in units of X: (n_features, S) of W's dtype, and (K,) float64.

        best : combination and share of each head, in place of those that the method `best` finds.
        """
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        best = self.best() if best is None else best
        share = best[1]
        if self.sparse:
            W, b = self._sparse_model(out, best)
            W, b = self._shared(W, b, share)
            columns, by = self.centre
            return W, b - by @ W[columns, :K].astype(float)
        W, b = self._dense_model(W, A, b, b_avg, l1, l2, best)
        out[:, :K] = W
        W, b = self._shared(out, b, share)
        return W, b - self.columns[0] @ W[:, :K].astype(float)
