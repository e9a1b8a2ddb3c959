"""The alphas that follow from the data: from how far the slopes of the loss, at the best constant, pull the coefficients.

What is worked out is `solvers.path.Constant`, here for any loss, layout and source, in one pass over the rows; where y are
numbers, the constant is found on some of them before.
"""

from contextlib import closing
from dataclasses import replace

import numpy as np

from fastsgd import losses
from fastsgd.plan import Plan
from fastsgd.sources.scaling import moments
from fastsgd.sums import SlopeSums, total

SAMPLE_ROWS = 1 << 16  # The best constant for numbers is found on this many rows, from all over the data.
MAX_CONSTANT = 40.0  # Where y are labels, no constant is farther from 0.
MAX_HALVINGS = 200  # An interval of doubles is halved to two neighbours in fewer steps.


def constant(table, K, loss, intercept, dtype, standardize=False):
    """The Constant of a Table or Stream; or None where it could not be told, as numbers overflow.

    Parameters
    ----------
    table : Table or Stream
    K : int
        Heads.
    loss : Loss
        Of the heads.
    intercept : bool
        Whether there is a constant; else it is 0.
    dtype : dtype
        Of the weights.
    standardize : bool
        Whether the slopes are of columns of standard deviation 1.
    """
    from fastsgd.solvers.path import Constant

    first = next(iter(table.tables()))
    with np.errstate(over="ignore", invalid="ignore"):
        if loss.coupled:
            b, values, V = _of_coupled(_class_sums(table, K, dtype), K, loss, intercept)
        elif first.y is None:
            b, values, V = _of_labels(_class_sums(table, max(K, 2), dtype), K, loss, intercept, first)
        else:
            b, values, V = _of_numbers(table, K, loss, intercept, dtype)
        if standardize and (found := moments(table, dtype)) is not None:
            V = V / found[1][:, None]
    return Constant(b, values, V)


# ---------------------------------------------------------------- labels
def _class_sums(table, classes, dtype):
    """(sum of s x, sum of s) of each class: (d, classes) and (classes,); of probabilities, as far as they are of it."""
    # From zero, the slopes of the squared error in targets of 1, in the rows of the class, and 0 are minus these sums.
    plan = Plan.of_loss(losses.SquaredError())
    sums = total(table.each(_sums_of_classes, plan, classes, dtype))
    return -sums.W[:, :classes], -sums.b


def _sums_of_classes(table, plan, classes, dtype):
    table = replace(table, negative=0.0, s_pos=None, s_neg=None)
    return SlopeSums.of(table, plan, np.zeros((table.X.shape[1], -(-classes // 4) * 4), dtype), np.zeros(classes))


def _of_labels(sums, K, loss, intercept, first):
    """(b, loss, V) of one class against the rest: each head has two targets, and all follows from the sums of the classes."""
    X, mass = sums
    up, down = X[:, :K], X.sum(axis=1, keepdims=True) - X[:, :K]
    weight = np.array([mass[:K], mass.sum() - mass[:K]])
    if first.s_pos is not None:
        factor = np.array([first.s_pos, first.s_neg])
        up, down, weight = up * factor[0], down * factor[1], weight * factor
    targets, of_all = np.array([[1.0], [first.negative]]), np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
    b = np.zeros(K)
    if intercept and loss.convex:  # A loss that is not convex may be least where its slope is 0.
        ends = np.full(K, MAX_CONSTANT)
        b = _root(lambda b: (weight * loss.slope(np.broadcast_to(b, (2, K)), targets)).sum(axis=0), -ends, ends)
    at = np.broadcast_to(b, (2, K))
    pull = -loss.slope(at, targets)
    if intercept:
        pull = pull * _balancing(weight * pull)
    return b, (weight * loss.value(at, targets)).sum(axis=0) / of_all, (pull[0] * up + pull[1] * down) / of_all


def _of_coupled(sums, K, loss, intercept):
    X, mass = sums
    share = mass / mass.sum() if intercept else np.full(K, 1.0 / K)
    V = (X - X.sum(axis=1, keepdims=True) * share) / mass.sum()
    if loss.binary == "hinge":  # The slopes of the sum of the hinges against the other classes are K times as steep.
        return np.zeros(K), np.array([K - 1.0]), K * V
    log_share = np.log(np.maximum(share, np.exp(-MAX_CONSTANT)))
    return log_share, np.array([-(mass / mass.sum()) @ log_share]), V


# ---------------------------------------------------------------- numbers
def _of_numbers(table, K, loss, intercept, dtype):
    y, s = _sample(table, K, dtype)
    b = _best_constants(y, s, loss) if intercept else np.zeros(K)
    up, down, values = total(
        _Pull.of(part, order, b, loss) for part, order, _ in table.chunks(dtype, K, False, 0, 0)
    ).parts
    rise, fall = _balancing(np.array([up[-1], -down[-1]])) if intercept else np.ones((2, K))
    of_all = max(values[-1], np.finfo(float).tiny)
    return b, values[:K] / of_all, (rise * up[:-1] - fall * down[:-1]) / of_all


def _sample(table, K, dtype):
    """(y, weights) of about SAMPLE_ROWS rows, or of all if there are fewer."""
    ys, weights, n = [], [], 0
    with closing(table.chunks(dtype, K, True, 0, 0)) as calls:
        for part, order, _ in calls:
            rows = order.index()
            ys.append(part.y[rows])
            weights.append(np.ones(order.n) if part.s is None else part.s[rows])
            n += order.n
            if n >= SAMPLE_ROWS:
                break
    return np.concatenate(ys), np.concatenate(weights)


def _best_constants(y, s, loss):
    """b of the least mean loss, of each column of y."""
    some = s > 0
    if not some.any():
        return np.zeros(y.shape[1])
    y, s = y[some], s[some, None]
    low, high = y.min(axis=0), y.max(axis=0)
    if loss.offers("mean"):  # Its link is the logarithm.
        low, high = np.log(np.maximum(low, 1e-300)), np.log(np.maximum(high, 1e-300))
    elif not loss.residual:
        low, high = np.minimum(low, -MAX_CONSTANT), np.maximum(high, MAX_CONSTANT)
    if loss.quadratic:
        return (s * y).sum(axis=0) / s.sum()
    return _root(lambda b: (s * loss.slope(np.broadcast_to(b, y.shape), y)).sum(axis=0), low, high)


class _Pull:
    """Sums over rows of s max(a, 0) (x, 1), of s max(-a, 0) (x, 1), and of s (losses, 1); a are the negative slopes."""

    def __init__(self, parts):
        self.parts = parts

    @classmethod
    def of(cls, part, order, b, loss):
        """Those of the rows of a kernel call."""
        rows = order.index()
        X, y = part.X[rows], part.y[rows]
        s = np.ones((len(y), 1)) if part.s is None else part.s[rows, None]
        at = np.broadcast_to(b, y.shape)
        pull = -s * loss.slope(at, y)
        both = np.hstack([np.maximum(pull, 0.0), np.maximum(-pull, 0.0)])
        sums = np.vstack([X.T @ both.astype(X.dtype), both.sum(axis=0)]).astype(np.float64)
        values = np.append((s * loss.value(at, y)).sum(axis=0), s.sum())
        return cls((sums[:, : len(b)], sums[:, len(b) :], values))

    def __add__(self, other):
        return _Pull(tuple(a + b for a, b in zip(self.parts, other.parts, strict=True)))


# ---------------------------------------------------------------- of both
def _root(slope, low, high):
    """Where the rising function `slope` of each head crosses 0, by bisection."""
    for _ in range(MAX_HALVINGS):
        b = 0.5 * (low + high)
        if not ((low < b) & (b < high)).any():
            break
        falls = slope(b) > 0
        low, high = np.where(falls, low, b), np.where(falls, b, high)
    return 0.5 * (low + high)


def _balancing(sums):
    """Factors for parts of which these are the sums, (parts, K), with which the positive and the negative ones add up to 0."""
    up, down = np.maximum(sums, 0.0).sum(axis=0), np.maximum(-sums, 0.0).sum(axis=0)
    rise = np.minimum(1.0, np.divide(down, up, out=np.ones_like(up), where=up > 0))
    fall = np.minimum(1.0, np.divide(up, down, out=np.ones_like(up), where=down > 0))
    return np.where(sums > 0, rise, fall)
