"""What learning_rate="auto" keeps beside weights and intercepts, and the model that follows from it.

The steps are in _kernels/auto.pxi and auto_csr.pxi.
"""

import math
from dataclasses import dataclass

import numpy as np

# The fields of AutoScalars in _kernels/plan.pxd, and of Head in _kernels/auto.pxi, in their order.
AT = np.dtype([(name, "f8") for name in ("t", "weight", "rho", "values", "last", "due")])
HEAD = {name: i for i, name in enumerate(("h", "total", "weight", "far", "owed", "curve"))}
# The others of its columns: the intercept and its average, the mean of y, the best constant, and so on.
B, B_AVG, MEAN_OF_Y, FLAT, USUAL, LOST, SPREAD, HEAD_WIDTH = 6, 7, 8, 9, 10, slice(11, 21), slice(21, 31), 31
SHARES = np.array([1.0, 0.75, 0.5, 0.25, 0.0])
MIN_VARIANCE = 1e-300  # It is also in _kernels/auto.pxi: a smaller variance or weight counts as 0.
RECORD = 4  # A weight on CSR is kept in this many numbers, as in _kernels/auto_csr.pxi.
GAMMA = 1.5  # The width of the prior, in units of the margin, as in _kernels/auto_csr.pxi.
CENTRED = 256  # On CSR at most this many columns are centred, as in _kernels/auto_centred.pxi.
RULES = "average", "average, L2 in full"


def aligned(x):
    """x, or where it does not begin at a cache line, a copy that does: a record is then one line or half of one."""
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


def squares_of(records):
    """Sums of squares and numbers of rows, (n, 2) as in _kernels/auto.h: both float64, of X as it is, up to 1e250."""
    squares, visits = records.T.astype(np.float64)
    if not len(squares) or squares.min() >= 0:  # as of most data
        return np.minimum(squares, 1e250), visits
    bits = 42 if records.dtype == np.float32 else 340
    huge = (squares < 0) & (visits < 2.0**-bits)
    visits = np.where(huge, np.ldexp(visits, 2 * bits), visits)
    with np.errstate(over="ignore"):
        raw = np.ldexp(abs(squares), np.where(huge, 4 * bits, np.where(squares < 0, -4 * bits, 0)))
    return np.minimum(raw, 1e250), visits


@dataclass
class Auto:
    """The statistics of the columns and heads, and on CSR the weights.

    Attributes
    ----------
    sparse : bool
        Whether the rows are CSR.
    columns : (3, n_features) float64; on CSR empty
        Mean, Q (sum of squared deviations) and 1 / sqrt(v) of each.
    heads : (K, 31) float64
        See `Head` in _kernels/auto.pxi.
    at : (1,) record
        Rows t, their weight, the sum of their squared lengths rho (dense), the number of their values (CSR), the rows when
        the penalty was last paid, and when it is next due (dense).
    records : (n_features, K * 4) of the weights' dtype, or None
        CSR: each weight, its average, and of the rows that have it the sum of the squared values and the number, as in
        _kernels/auto.h.
    centred : (4, 256) float64; of dense rows, and of a file from before there were such columns, None
        CSR: of the columns that most rows have 1 and the number, the weight of the rows since it joined, their mean, and the
        mean by which it is centred. Then zeros. See _kernels/auto_centred.pxi.
    again : bool
        Whether rows were learnt from a second time: then the loss before a step says nothing of rows not yet seen.
    together : bool
        Whether the classes are learnt together, see auto_softmax.py.
    """

    sparse: bool
    columns: np.ndarray
    heads: np.ndarray
    at: np.ndarray
    records: np.ndarray | None = None
    centred: np.ndarray | None = None
    again: bool = False
    together: bool = False

    @classmethod
    def zeros(cls, W, K, sparse, curvature):
        """Before the first row."""
        d = len(W)
        heads = np.zeros((K, HEAD_WIDTH))
        heads[:, HEAD["h"]] = curvature
        at = np.zeros(1, AT)
        at["due"] = 1
        if sparse:
            return cls(sparse, np.zeros((3, 0)), heads, at, np.zeros((d, K * RECORD), W.dtype), np.zeros((4, CENTRED)))
        return cls(sparse, np.zeros((3, d)), heads, at)

    def copy(self):
        """An independent copy."""
        new = {
            name: x.copy() if isinstance(x, np.ndarray) and name != "records" else x for name, x in vars(self).items()
        }
        return type(self)(**new | {"records": None if self.records is None else _aligned_copy(self.records)})

    @property
    def visits(self):
        """CSR: in how many rows each feature was, a row counting in each pass: (n_features,)."""
        return squares_of(self.records[:, 2:RECORD])[1]

    @property
    def centre(self):
        """CSR: the columns that are centred, and by what: (n,) int and (n,) float64."""
        if self.centred is None:
            return np.zeros(0, np.intp), np.zeros(0)
        n = np.count_nonzero(self.centred[0])
        return self.centred[0, :n].astype(np.intp) - 1, self.centred[3, :n]

    @property
    def scales(self):
        """Of each feature the standard deviation; on CSR the root mean square, but of the columns that are centred.

        It is 0 where its squares overflow.
        """
        if self.sparse:
            squares, visits = squares_of(self.records[:, 2:RECORD])
            rows, columns = np.full(len(squares), max(1.0, self.at["t"][0])), self.centre[0]
            rows[columns] = np.maximum(1.0, visits[columns])
            return np.sqrt(squares / rows)
        variance = self.columns[1] / max(self.at["weight"][0], MIN_VARIANCE)
        return np.sqrt(np.where(np.isfinite(variance), variance, 0.0))

    @property
    def rule_names(self):
        """What the candidates are called."""
        return RULES

    @property
    def rules(self):
        """What each head's model is: (K,) of str."""
        names, best = self.rule_names, zip(*self.best(), strict=True)
        return np.array(["constant" if s == 0 else names[r] if s == 1 else f"{names[r]}, times {s:g}" for r, s in best])

    @property
    def unsquared(self):
        """Dense: the columns whose squares overflow, and those whose squares are 0 or nearly, which may be constant."""
        variance = self.columns[1] / max(self.at["weight"][0], MIN_VARIANCE)
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
        """Candidate and share of each head, as judged by rows not yet learnt from: (K,) int, (K,) float64.

        Those of least loss; or the constant, where they were not better than it by more than the spread of the difference.
        """
        heads = np.arange(len(self.heads))
        if self.again:
            return 0 * heads, np.ones(len(heads))
        lost = np.nan_to_num(self.heads[:, LOST], nan=np.inf)
        best = lost.argmin(axis=1)
        share = np.where(
            lost[heads, best] + self.heads[heads, SPREAD.start + best] < 0, SHARES[best % len(SHARES)], 0.0
        )
        return best // len(SHARES), share

    def _rest(self, k, l2):
        """The factors by which the penalty that is not yet paid shrinks the weights of head k: see _kernels/auto_csr.pxi."""
        t, head, l2 = self.at["t"][0], self.heads[k], min(l2, 1e290)  # Times the visits this stays finite.
        squares, visits = squares_of(self.records[:, k * RECORD + 2 : (k + 1) * RECORD])
        share = visits / t
        prior = head[HEAD["h"]] * self.at["values"][0] / t**2 / GAMMA
        P = squares * (head[HEAD["curve"]] / t * share + prior) + np.finfo(np.float64).tiny
        return (P + l2 * share * visits) / (P + l2 * visits)

    def _shared(self, W, b, share):
        """That share of a model, the rest being the best constant."""
        W[:, : len(b)] *= share.astype(W.dtype)
        return W, share * b + (1.0 - share) * self.heads[:, FLAT]

    def model(self, W, A, b_avg, l1, l2, best=None):
        """The averaged weights and intercepts in units of X: (n_features, S) of W's dtype, and (K,) float64.

        best : candidate and share of each head, as those of `best`, which are taken where none are given.
        """
        K, t, out = len(self.heads), self.at["t"][0], np.zeros_like(W)
        if t == 0:
            return out, np.zeros(K)
        rest, share = self.best() if best is None else best
        if self.sparse:
            out[:, :K] = self.records[:, 1::RECORD]
            if l1 > 0:  # The average of a weight that was once not 0 would never be 0.
                out[:, :K] *= self.records[:, ::RECORD] != 0
            for k in np.flatnonzero(rest):
                out[:, k] *= self._rest(k, l2)
            W, b = self._shared(out, self.heads[:, B_AVG], share)
            columns, by = self.centre
            return W, b - by @ W[columns, :K].astype(float)
        mean, _, r = self.columns
        owed, r = self.heads[:, HEAD["owed"]], r[:, None]
        U = W[:, :K].astype(np.float64)
        U = np.sign(U) * np.maximum(0.0, abs(U) - owed * r * l1) / (1.0 + owed * r**2 * l2)
        coef = (A[:, :K] + (U - A[:, :K]) * (1.0 - (self.at["last"][0] / t) ** 3)) * r
        out[:, :K] = coef
        W, b = self._shared(out, b_avg, share)
        return W, b - mean @ W[:, :K].astype(float)
