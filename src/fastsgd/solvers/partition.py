"""What a task works out of one partition of the rows: sums, which are added in the order of the partitions.

A task is a pure function of a partition (`fastsgd.sources.arrays.Table`, whose X the kernels read) and of what pickles, and gives
little back. So it may run anywhere, and again; none of this knows an engine.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from fastsgd._kernels import solve
from fastsgd.blas import one_blas_thread
from fastsgd.losses import Loss
from fastsgd.solvers.hessian import BLOCK_BYTES
from fastsgd.solvers.problem import BLOCK_VALUES, MIN_MEAN_SQUARE, root_mean_square, stratified
from fastsgd.solvers.targets import head_targets
from fastsgd.sources import _scale
from fastsgd.sources.sparse import csr_arrays


# ---------------------------------------------------------------- the columns, and a sample
class Wanted(NamedTuple):
    """A sample: this share of the rows, or a smaller one that has on average no more than `values` values for each of these."""

    share: float
    values: float
    seed: int


@dataclass(frozen=True)
class Columns:
    """Moments of the columns, weights, targets, and samples.

    Attributes
    ----------
    n : int
    unit : float
        The largest weight of a row; `weight` and `root` are in this unit.
    weight : float
        Of all rows.
    mean : (d,)
    root : (d,)
        Of the sum of s (x - mean)^2: no square of a small number loses its digits on the way.
    by_head : (K,)
        Weights of the rows, those of the classes included.
    low, high : float
        The least and the largest target.
    free : (K,)
        Sum of c loss*(0, y), or a bound of it: the dual objective of slopes that are all 0.
    samples : tuple of Table
    parts : int
        Partitions.
    """

    n: int
    unit: float
    weight: float
    mean: np.ndarray
    root: np.ndarray
    by_head: np.ndarray
    low: float
    high: float
    free: np.ndarray
    samples: tuple
    parts: int = 1

    def __add__(self, other):
        """Chan, Golub and LeVeque (1983), eq. 2.1."""
        unit = max(self.unit, other.unit)
        mine, theirs = ((part.unit / unit if unit > 0 else 0.0) for part in (self, other))
        a, b = self.weight * mine, other.weight * theirs
        weight = a + b
        share = b / weight if weight > 0 else 0.0
        off = other.mean - self.mean
        root = np.hypot(self.root * np.sqrt(mine), other.root * np.sqrt(theirs))
        return Columns(
            self.n + other.n,
            unit,
            weight,
            self.mean + off * share if a > 0 else other.mean,
            np.hypot(root, abs(off) * np.sqrt(a * share)),
            self.by_head * mine + other.by_head * theirs,
            min(self.low, other.low),
            max(self.high, other.high),
            self.free * mine + other.free * theirs,
            self.samples + other.samples,
            self.parts + other.parts,
        )


def columns(part, K, loss, wanted):
    """The Columns of a partition."""
    n, d = part.X.shape
    s = part.s
    unit = (1.0 if n else 0.0) if s is None else float(s.max(initial=0.0))
    if unit == 0:
        none = np.zeros(d)
        return Columns(n, 0.0, 0.0, none, none, np.zeros(K), np.inf, -np.inf, np.zeros(K), ())
    s = None if s is None else s / unit
    rows = None if s is None or s.min() > 0 else np.flatnonzero(s)
    weight = float(n if s is None else s.sum())
    mean, root = (_sparse_moments if part.sparse else _dense_moments)(part.X, s, rows, weight)
    by_head, free, low, high = np.empty(K), np.zeros(K), np.inf, -np.inf
    for h in range(K):
        y, c = head_targets(part, h)
        c = np.ones(n) if c is None else c / unit
        by_head[h], low, high = c.sum(), min(low, y.min()), max(high, y.max())
        if not np.isfinite(loss.least_value):  # Else no loss is below that, and it is taken.
            free[h] = c @ loss.conjugate(np.zeros(n), y)
    if np.isfinite(loss.least_value):
        free = -loss.least_value * by_head
    sample = _sample(part, rows, wanted)
    return Columns(n, unit, weight, mean, root, by_head, low, high, free, (sample,))


def _sample(part, rows, wanted):
    """Rows spread over all of the partition, none twice and none without weight."""
    n = part.X.shape[0]
    most = n * wanted.share * min(1.0, wanted.values / max(1.0, part.row_values))
    at = stratified(n if rows is None else len(rows), int(np.ceil(most)), wanted.seed)
    at = at if rows is None else rows[at]
    return replace(part.with_rows(at, part.X[at] if part.sparse else part.X.take(at, axis=0)), number=None)


def _dense_moments(X, s, rows, weight):
    """(mean, root) of each column."""
    n, d = X.shape
    first = X[0 if rows is None else rows[0]].astype(np.float64)
    mean, squares = np.zeros(d), np.zeros(d)
    given = None if s is None else s if rows is None else s[rows]
    count = n if rows is None else len(rows)
    block = 1 + BLOCK_VALUES // (1 + d)
    with np.errstate(over="ignore", invalid="ignore"):
        _scale.dense_moments(X, rows, 0, count, given, block, first, np.zeros(1), mean, squares)
        mean, root = mean + first, np.sqrt(squares)
    for j in np.flatnonzero(squares < MIN_MEAN_SQUARE * weight):
        x = X[:, j] if rows is None else X[rows, j]
        root[j] = _root(x.astype(np.float64) - mean[j], given)
    return mean, root


def _sparse_moments(X, s, rows, weight):
    """The same; zeros count as what they are."""
    n, d = X.shape
    arrays, sums = csr_arrays(X), np.zeros((d, 2))
    none = np.zeros(d)
    with np.errstate(over="ignore", invalid="ignore"):
        _scale.csr_squares(*arrays, None, 0, n, s, none, sums)
        mean, square = sums[:, 1] / weight, sums[:, 0].copy()
        stored = np.bincount(X.indices, None if s is None else np.repeat(s, np.diff(X.indptr)), d)
        sums[:] = 0
        _scale.csr_squares(*arrays, None, 0, n, s, mean, sums)
        root = np.sqrt(sums[:, 0] + np.maximum(0.0, weight - stored) * mean**2)
    for j in np.flatnonzero((square < MIN_MEAN_SQUARE * weight) & (stored > 0)):
        at = X.indices == j
        root[j] = _root(X.data[at].astype(np.float64), None if s is None else np.repeat(s, np.diff(X.indptr))[at])
    return mean, root


def _root(values, weight):
    """Of the sum of the weighted squares."""
    values = values if weight is None else values * np.sqrt(weight)
    return root_mean_square(values) * np.sqrt(len(values))


# ---------------------------------------------------------------- losses, slopes and curvatures
@dataclass(frozen=True)
class Frame:
    """What the tasks must know of the problem.

    Attributes
    ----------
    loss : Loss
    intercept : bool
    unit : float
        That of the weights.
    inverse, centre : (d,), or None where no Hessian is asked for
        In its coordinates columns are x less centre times inverse.
    kept : (d,) or None
        Instead of centre, where zeros are to stay zeros; and None where a Hessian is not summed over the nonzero values.
    """

    loss: Loss
    intercept: bool
    unit: float
    inverse: np.ndarray | None = None
    centre: np.ndarray | None = None
    kept: np.ndarray | None = None


@dataclass(frozen=True)
class Job:
    """What is to be worked out for one head, at a point and on the way there.

    Attributes
    ----------
    head : int
    offset : float
        It is taken from y.
    w, b : (d,) float64, float
        The point, in the user's units.
    others : tuple of (w, b)
        Points whose loss is wanted, too.
    base : (w, b) or None
        Where the way begins.
    sizes : tuple of float
        The loss is wanted after these shares of the way, too.
    gradient, hessian, sides : bool
        Whether these are wanted at the point; sides with an intercept alone.
    """

    head: int
    offset: float
    w: np.ndarray
    b: float
    others: tuple = ()
    base: tuple | None = None
    sizes: tuple = ()
    gradient: bool = True
    hessian: bool = False
    sides: bool = False


@dataclass(frozen=True)
class Sums:
    """Over the rows x, each times its weight c; of slopes g, curvatures h, margins z.

    Attributes
    ----------
    losses : (1 + sizes + others,)
    G, total : (d,), float
        Of g x and g.
    conjugate : float
        Of loss*(g).
    size, bend : float
        Of |g| and h.
    curved : int
        Rows with h > 0.
    H : (k (k + 1) / 2,)
        Of h x x', the upper triangle row by row, x in the coordinates of the frame: where there is a `kept`, less that, else
        less the centre; 1 last for the intercept.
    sides : (d + 3,)
        Of a x, a, and loss*(a), where a are the slopes above 0 and for the others 0; and of loss*(a) the other way about.
    """

    losses: np.ndarray
    G: np.ndarray | None = None
    total: float = 0.0
    conjugate: float = 0.0
    size: float = 0.0
    bend: float = 0.0
    curved: int = 0
    H: np.ndarray | None = None
    sides: np.ndarray | None = None

    def __add__(self, other):
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Sums(*(None if a is None else a + b for a, b in pairs))


@dataclass(frozen=True)
class AllSums:
    """The Sums of each job."""

    of: list

    def __add__(self, other):
        return AllSums([a + b for a, b in zip(self.of, other.of, strict=True)])


@np.errstate(over="ignore", invalid="ignore")  # A point may be too far.
def evaluate(part, frame, jobs):
    """The Sums of a partition for each job."""
    with one_blas_thread():
        return AllSums([_Head(part, frame, job).sums() for job in jobs])


class _Head:
    """The rows of a partition, for one job."""

    def __init__(self, part, frame, job):
        self.X, self.frame, self.job = part.X, frame, job
        self.n, self.d = part.X.shape
        y, c = head_targets(part, job.head)
        self.y = y - job.offset if job.offset else y
        self.c = c if c is None or frame.unit == 0 else c / frame.unit

    def total(self, values):
        return float(values.sum() if self.c is None else self.c @ values)

    def margins(self, w, b):
        z = np.empty(self.n)
        solve.one_pass(self.X, w, b, z)
        return z

    def sums(self):
        job, loss = self.job, self.frame.loss
        z, g, G = np.empty(self.n), np.empty(self.n), np.zeros(self.d)
        given = (loss, self.y, self.c)
        value, total = solve.one_pass(self.X, job.w, job.b, z, 1, g, G if job.gradient else None, *given)
        losses, found = [value], {}
        if job.base is not None:
            z_0 = self.margins(*job.base)
            for size in job.sizes:
                losses.append(self.total(loss.both(z_0 + size * (z - z_0), self.y)[0]))
        losses += [self.total(loss.both(self.margins(*other), self.y)[0]) for other in job.others]
        if job.gradient:
            h = loss.second(g, self.y)
            found = {
                "G": G,
                "total": total,
                "conjugate": self.total(g * z) - value,
                "size": self.total(abs(g)),
                "bend": self.total(h),
                "curved": int(np.count_nonzero(h)),
            }
            if job.hessian:
                found["H"] = packed(self.squares(h))
            if job.sides:
                found["sides"] = self.sides(g)
        return Sums(np.array(losses), **found)

    def sides(self, g):
        up, V = np.maximum(g, 0.0), np.zeros(self.d)
        a = up if self.c is None else self.c * up
        _, left = solve.one_pass(self.X, None, 0.0, np.empty(self.n), 0, a, V)
        conjugates = [self.total(self.frame.loss.conjugate(side, self.y)) for side in (up, g - up)]
        return np.append(V, [left, *conjugates])

    def squares(self, h):
        """The sum of c h x x' (upper triangle)."""
        frame, k = self.frame, self.d + self.frame.intercept
        root = np.sqrt(h if self.c is None else h * self.c)
        if frame.kept is not None or sp.issparse(self.X):
            H = np.zeros((k, k))
            solve.squares(self.X, frame.centre if frame.kept is None else frame.kept, frame.inverse, root, H)
            return H
        H = np.zeros((k, k))
        solve.gram(self.X, frame.centre, frame.inverse, root, H, 1.0, max(64, BLOCK_BYTES // (8 * k)))
        return H.T


def packed(H):
    """The upper triangle of H, row by row."""
    return np.ascontiguousarray(H[np.triu_indices(len(H))])


def unpacked(values, k):
    H = np.zeros((k, k))
    H[np.triu_indices(k)] = values
    return H
