"""Standardised rows: (x - mean) / std, worked out as they are read, and the model in either units.

A state whose `std` is set is of the standardised rows z = (x - mean) / std, or, without centring, z = x / std. In the
user's units its model z.w + b is x.(w / std) + b - sum(w mean / std), the last sum with centring alone.
"""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import _scale
from fastsgd.sources.sparse import csr_arrays
from fastsgd.sums import Moments, total

BLOCK_BYTES, MIN_BLOCK_ROWS = 1 << 18, 64  # Moments are taken of this much at once, but of no fewer rows.


@dataclass
class Scaling:
    """How the rows of a Table are changed when they are read.

    Attributes
    ----------
    centre, inverse : (n_features,) float64
        A value x becomes (x - centre) * inverse; on CSR x * inverse.
    """

    centre: np.ndarray
    inverse: np.ndarray

    @classmethod
    def of(cls, state):
        """That of the rows on which this state is trained."""
        return cls(state.mean if state.centred else np.zeros(len(state.mean)), 1.0 / state.std)

    def outward(self, W, b):
        """Weights (n_features, S) and intercepts (K,) of standardised rows, in the user's units: the same model."""
        W = (W * self.inverse[:, None]).astype(W.dtype)
        return W, b - _shift(W, len(b), self.centre)

    def read(self, table, rows, dtype):
        """Those rows (int64 array) of a table without scaling, as one that a kernel can read."""
        rows = np.ascontiguousarray(rows)
        if not table.readable(dtype):
            table, rows = table.read(rows, dtype), np.arange(len(rows))
        if not table.sparse:
            return table.with_rows(rows, _scale.dense_rows(table.X, rows, self.centre, self.inverse))
        X = sp.csr_matrix((len(rows), table.X.shape[1]), dtype=dtype)
        X.data, X.indices, X.indptr = _scale.csr_rows(*csr_arrays(table.X), rows, self.inverse)
        return table.with_rows(rows, X)


def moments(table, dtype):
    """Mean and standard deviation of each column over the rows of a table: sqrt(sum s (x - mean)^2 / sum s), float64.

    A stream is read once. s is the weight of the row, with that of its own class. Where a column varies by no more than
    the rounding of the dtype, its standard deviation is given as 1.

    Returns
    -------
    (mean, std), or None if no row has a weight

    Raises
    ------
    ValueError
        They overflow, or the values are below 1e-150.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = total(table.each(moments_of, dtype))
    return None if not found.weight else statistics(found, table, dtype)


def statistics(found, table, dtype):
    """As `moments`, where the Moments of the rows of the table have been `found`."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = found.finish()
    if not (np.isfinite(mean).all() and np.isfinite(std).all()):
        worst = np.flatnonzero(~(np.isfinite(mean) & np.isfinite(std)))[:3].tolist()
        raise ValueError(
            f"standardize=True, but the standard deviation of columns {worst} of X overflows. Divide them by a constant."
        )
    number = np.finfo(dtype)
    least = max(1e-150, float(number.tiny))  # Squares of less underflow, or the dtype holds no 1 / std.
    lost = np.flatnonzero((std < least) & ((mean != 0) | (std > 0)) & (abs(mean) < least))
    if len(lost):
        low, high = (np.array(ends) for ends in zip(*table.each(_ends, lost), strict=True))
        lost = lost[low.min(axis=0) < high.max(axis=0)][:3].tolist()
    if len(lost):
        raise ValueError(
            f"standardize=True, but the values of columns {lost} of X are so small that "
            f"{'their squares underflow' if least == 1e-150 else f'{number.dtype} has no digits for their deviations'}. "
            "Multiply them by a constant."
        )
    std[std <= np.maximum(8 * number.eps * abs(mean), number.tiny)] = 1.0
    return mean, std


def moments_of(table, dtype):
    """The Moments of the columns of a table in memory."""
    table, s = _weighed(table)
    if not table.n_rows:
        return Moments(0.0, np.zeros(table.X.shape[1]), np.zeros(table.X.shape[1]))
    return (_csr_moments if table.sparse else _dense_moments)(table, s, dtype)


def moments_in_turn(tables):
    """The Moments of the rows of several tables, one of which is in memory at a time; None where none has a row of weight.

    On CSR a table takes time by its values, and not by its columns: deviations are counted from the means of the first one.
    """
    found = sums = None
    for table in tables:
        dtype = np.dtype(np.float32 if table.X.dtype == np.float32 else np.float64)
        if not table.sparse:
            one = moments_of(table, dtype)
            found = one if found is None else found + one
            continue
        table, s = _weighed(table)
        if table.n_rows:
            sums = sums or _CsrSums(table.X.shape[1])
            sums.add(table, s, dtype)
    found = found if sums is None else sums.finish()
    return found if found is not None and found.weight else None


def _weighed(table):
    """(the table, the weight of each row or None for ones) without the rows of weight 0: the bits are those without them."""
    s = _weights(table)
    if s is None or s.all():
        return table, s
    some = np.flatnonzero(s)
    return replace(table, rows=some if table.rows is None else table.rows[some]), s[some]


def _ends(table, columns):
    """The least and the largest value of those columns."""
    X = table.X[:, columns] if table.rows is None else table.X[table.rows][:, columns]
    if table.sparse:
        return X.min(axis=0).toarray().ravel(), X.max(axis=0).toarray().ravel()
    return X.min(axis=0), X.max(axis=0)


def _weights(table):
    """The weight of each row, or None for ones."""
    rows = slice(None) if table.rows is None else table.rows
    s = None if table.s is None else table.s[rows]
    if table.s_pos is None or table.code is None:
        return s
    by_code = (
        table.s_pos if len(table.s_pos) > 1 else np.append(table.s_pos, table.s_neg)
    )  # With one head, the other class is 1.
    by_code = by_code[table.code[rows]]
    return by_code if s is None else s * by_code


def _parts(table, s, dtype):
    """What the sums take, a kernel call at a time: (table, (rows, first, n, weights))."""
    done = 0
    for part, order, _ in table.chunks(dtype, 1, False, 0, 0):
        m = order.n
        yield part, (order.rows, order.first, m, None if s is None else s[done : done + m])
        done += m


def _dense_moments(table, s, dtype):
    """(weight weight, mean, sum of s (x - mean)^2)"""
    d = table.X.shape[1]
    shift, weight, mean, squares = None, np.zeros(1), np.zeros(d), np.zeros(d)
    block = max(MIN_BLOCK_ROWS, BLOCK_BYTES // (dtype.itemsize * d))
    for part, given in _parts(table, s, dtype):
        if shift is None:  # Any row would do; less this one, a constant column is exactly 0.
            shift = part.X[given[1] if given[0] is None else given[0][0]].astype(np.float64)
        _scale.dense_moments(part.X, *given, block, shift, weight, mean, squares)
    return Moments(float(weight[0]), shift + mean, squares)


def _csr_moments(table, s, dtype):
    """As of dense rows, in two passes."""
    sums = _CsrSums(table.X.shape[1])
    sums.add(table, s, dtype)
    return sums.finish()


class _CsrSums:
    """Sums over rows of CSR, from which their Moments follow; what is not stored has the deviation -mean."""

    def __init__(self, d):
        self.weight, self.sums, self.off, self.mean = np.zeros(1), np.zeros((d, 2)), np.zeros((d, 2)), None

    def add(self, table, s, dtype):
        """Those of more rows. Deviations are from the means of the first ones."""
        for part, given in _parts(table, s, dtype):
            _scale.csr_sums(*csr_arrays(part.X), *given, self.weight, self.sums)
        if self.mean is None:
            self.mean = self.sums[:, 0] / self.weight
        for part, given in _parts(table, s, dtype):
            _scale.csr_squares(*csr_arrays(part.X), *given, self.mean, self.off)

    def finish(self):
        """The Moments."""
        weight, mean, off = self.weight, self.mean, self.off
        absent = np.maximum(0.0, weight - self.sums[:, 1])
        error = (
            off[:, 1] - absent * mean
        ) / weight  # The means are off by this: from rounding, and of rows that came later.
        squares = np.maximum(0.0, off[:, 0] + absent * mean**2 - weight * error**2)
        return Moments(float(weight[0]), mean + error, squares)


# ---------------------------------------------------------------- a state in standard units
def inward(state, mean, std, centred):
    """Standardise a state that has weights and intercepts in the user's units, and nothing else yet, in place."""
    state.mean, state.std, state.centred = mean.copy(), std.copy(), centred
    if centred:
        state.b += _shift(state.W, len(state.b), mean)
    state.W *= std[:, None]


def recentre(state, centred):
    """The same model with or without centring, in place, when a batch is of another layout; no penalty may be owed."""
    if state.centred == centred:
        return
    K, now, by = len(state.b), state.at[0], state.mean / state.std * (1.0 if centred else -1.0)
    state.b += now["scale"] * _shift(state.W, K, by)
    if now["avg_n"] > 0:
        state.b_avg += (_shift(state.A, K, by) + now["avg_a"] * _shift(state.W, K, by)) / now["avg_n"]
    state.centred = centred
    if state.optimizer is not None and state.optimizer.name == "ftrl":
        state.mb = None  # Its weights are functions of its slots, which are made anew then.


def _shift(W, K, by):
    return by @ W[:, :K].astype(np.float64)
