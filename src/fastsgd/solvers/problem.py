"""One head's problem, in the coordinates in which it is solved, and the certificate.

    F(w, b) = sum_i c_i loss(x_i.w + b, y_i) / n + l1 |w|_1 + l2 / 2 |w|_2^2,     sum_i c_i = n

Columns are centred, where there is an intercept to take that up, and all are brought to one size, without a copy of
X: u = w scale, and b counts from the centre. The penalty of u_j is then l1 / scale_j |u_j| + l2 / scale_j^2 / 2 u_j^2, so
the objective is the user's.
"""

from collections import namedtuple

import numpy as np
import scipy.sparse as sp

from fastsgd import penalties
from fastsgd._kernels import solve
from fastsgd.solvers.lazily import cached_property
from fastsgd.solvers.row_blocks import RowBlocks
from fastsgd.sources import _scale
from fastsgd.sources.sparse import csr_arrays
from fastsgd.threads import ONE_THREAD

# Of each column: `mean` and `variance` (on CSR 0 and the mean square), as dual ascent takes them; `centre` and `scale`, which are
# subtracted and divided by in u and b (a scale of 0: the column does not vary); `kept`, which is subtracted where zeros are to
# stay zeros. `filled` is the share of values that are to be worked on.
Measures = namedtuple("Measures", "mean variance centre scale kept filled")
# Centre and size of the columns are taken from this many rows, the share of zeros from this many.
SCALE_ROWS, ZERO_ROWS = 2048, 256
MIN_VARIANCE_SHARE = 1e-12  # A sparse column's variance below this share of its mean square may be rounding.
MIN_DEVIATION_SHARE = 1e-14  # A standard deviation below this share of the mean is rounding.
MIN_MEAN_SQUARE = 1e-290  # A smaller mean square may have lost digits, or all.
BLOCK_VALUES = 1 << 14  # This many values are taken at once, and stay in the cache.


class Problem:
    """Rows, targets, weights, loss and penalty of one head.

    Parameters
    ----------
    X : (n, d) C-ordered ndarray or CSR, float32 or float64
    y : (n,) float64
    weight : (n,) float64 or None
        Weights of the rows, not all 0.
    loss : Loss
    l1, l2 : float
    intercept : bool
    frame : Problem or None
        One with the same columns, whose centre and scale are taken.
    threads : Threads
        Who makes the passes; it changes no bit of what comes out.
    """

    def __init__(self, X, y, weight, loss, l1, l2, intercept, frame=None, threads=ONE_THREAD):
        self.X, self.y, self.loss, self.l1, self.l2, self.intercept = X, y, loss, l1, l2, intercept
        self.threads = threads
        self.total = float(len(y))  # of the weights as they were given
        if weight is not None:
            largest = weight.max()
            weight = weight / largest  # Their sum may be too large.
            self.total = float(weight.sum()) * float(largest)
            weight = weight * (len(y) / weight.sum())
        self.c = weight
        self.n, self.d = X.shape
        self.sparse = sp.issparse(X)
        self.frame, self.at, self.share = frame, slice(None), 1.0

    # ------------------------------------------------------------ coordinates
    @cached_property
    def measures(self):
        """What is known of the columns. It changes nothing but the speed, so a sample's will do.

        A column that does not vary there is read in whole. Centring costs no zeros: margins and gradients are those of the
        rows as they lie, put right afterwards.
        """
        if self.frame is not None:
            return self.frame.measures
        if self.sparse:
            return self._sparse_measures(*np.ascontiguousarray(self._squares(np.zeros(self.d)).T / self.n))
        rows = stratified(self.n, SCALE_ROWS, 0)
        zeros = (self.X[rows[:: len(rows) // ZERO_ROWS + 1]] == 0).mean(axis=0)
        shift = self.X[0].astype(np.float64) if self.intercept else np.zeros(self.d)
        mean, variance = np.zeros(self.d), np.zeros(self.d)
        _scale.dense_moments(
            self.X, rows, 0, len(rows), None, 1 + BLOCK_VALUES // (1 + self.d), shift, np.zeros(1), mean, variance
        )
        variance /= len(rows)
        if self.intercept:
            mean += shift
        else:
            variance, mean = variance + mean**2, np.zeros(self.d)
        scale = np.sqrt(variance)
        for j in np.flatnonzero((scale <= 1e-12 * abs(mean)) | (variance < MIN_MEAN_SQUARE)):
            column = self.X[:, j].astype(np.float64)
            mean[j] = column.mean() if self.intercept else 0.0
            scale[j], zeros[j] = root_mean_square(column - mean[j]), (column == 0).mean()
            if scale[j] <= MIN_DEVIATION_SHARE * abs(mean[j]):
                scale[j] = 0.0
            variance[j] = scale[j] ** 2
        filled = 1.0 - (zeros * (zeros > 0.5)).mean()
        return Measures(mean, variance, mean, scale, np.where(zeros > 0.5, 0.0, mean), float(filled))

    def _sparse_measures(self, square, mean):
        filled = np.diff(self.X.indptr).mean() / max(1, self.d)
        none, centre = np.zeros(self.d), mean if self.intercept else np.zeros(self.d)
        variance = square - centre**2
        scale = np.sqrt(np.where(variance > MIN_VARIANCE_SHARE * square, variance, square))
        if self.intercept and (variance <= MIN_VARIANCE_SHARE * square).any():  # Such columns have hardly a zero.
            sums = self._squares(centre)
            scale[
                (variance <= MIN_VARIANCE_SHARE * square) & (sums[:, 0] <= MIN_DEVIATION_SHARE**2 * square * self.n)
            ] = 0.0
        for j in self._tiny(square):
            scale[j] = root_mean_square(self.X.data[self.X.indices == j], self.n)
        return Measures(none, square, centre, scale, none, float(filled))

    def _squares(self, centre):
        """Sums over the rows of CSR of (x - centre)^2 and of x, zeros left out: (d, 2)."""

        def of_block(_, rows):
            sums = np.zeros((self.d, 2))
            _scale.csr_squares(*csr_arrays(self.X), None, rows.start, rows.stop - rows.start, self.c, centre, sums)
            return (sums,)

        return self.blocks.sum(of_block)[0]

    def _tiny(self, square):
        """The columns of CSR whose squares have lost digits, or all."""
        if (square >= MIN_MEAN_SQUARE).all():
            return ()
        return np.unique(self.X.indices[(self.X.data != 0) & (square < MIN_MEAN_SQUARE)[self.X.indices]])

    @property
    def centre(self):
        return self.measures.centre

    @cached_property
    def scale(self):
        """What w is multiplied by to give u: 1 where `inverse` is 0."""
        return np.divide(1.0, self.inverse, out=np.ones(self.d), where=self.inverse > 0)

    @cached_property
    def inverse(self):
        """What u is multiplied by to give w; 0 where w is 0.

        It is where the column says nothing that the intercept does not, and where its penalty, in the units of u, is
        beyond the largest number.
        """
        scale = self.measures.scale
        inverse = np.divide(1.0, scale, out=np.zeros(self.d), where=scale > 0)
        with np.errstate(over="ignore", invalid="ignore"):
            inverse[~np.isfinite(self.l1 * inverse + self.l2 * inverse * inverse)] = 0.0
        return inverse

    @cached_property
    def penalties(self):
        """(l1, l2) of each u_j."""
        each = np.where(self.inverse > 0, self.inverse, 1.0)
        return self.l1 * each, self.l2 * each * each

    def inward(self, w, b):
        """(u, b) of the user's w and b."""
        return (np.where(self.inverse > 0, w.T * self.scale, 0.0)).T, b + self.centre @ w

    def outward(self, u, b):
        """(w, b) in the user's units."""
        w = (u.T * self.inverse).T
        return w, b - self.centre @ w

    def rounded(self, u, b):
        """(w, b) in the user's units, w in float64 but rounded to the dtype of X; the intercept takes up what that shifts."""
        with np.errstate(over="ignore", invalid="ignore"):
            w = (u.T * self.inverse).T.astype(self.X.dtype).astype(np.float64)
            return w, b - self.centre @ w

    def sample(self, m, seed):
        """About m rows spread over all, as a problem in the same coordinates."""
        rows = stratified(self.n, m, seed)
        return self.rows(rows if self.c is None else rows[self.c[rows] > 0])

    def rows(self, at):
        """Those rows, as a problem in the same coordinates; `share` is theirs of all weight."""
        c = None if self.c is None else self.c[at]
        X = self.X[at] if self.sparse else self._taken(at)
        part = Problem(X, self.y[at], c, self.loss, self.l1, self.l2, self.intercept, self, self.threads)
        part.at, part.share = at, (len(at) if c is None else float(c.sum())) / self.n
        return part

    def _taken(self, at):
        if self.threads.n == 1:
            return self.X.take(at, axis=0)
        X = np.empty((len(at), self.d), self.X.dtype)

        def of_block(part, rows):
            part[...] = self.X.take(at[rows], axis=0)

        RowBlocks(X, self.threads).map(of_block)
        return X

    # ------------------------------------------------------------ passes
    @cached_property
    def blocks(self):
        return RowBlocks(self.X, self.threads)

    def pass_of(self, w, b, z, a=None, slopes=False, gather=True):
        """One pass over all rows, as `solve.one_pass`: (sum of the losses, sum of what multiplied the rows, G or None)."""
        y, c, loss = (self.y, self.c, self.loss) if slopes else (None, None, None)

        def of_block(X, rows):
            G = np.zeros(self.d) if gather else None
            part = (None if array is None else array[rows] for array in (a, y, c))
            a_, y_, c_ = part
            return *solve.one_pass(X, w, b, z[rows], int(slopes), a_, G, loss, y_, c_), G

        return self.blocks.sum(of_block)

    def _pulled(self, G, total):
        return (G - self.centre * total) * self.inverse / self.n, (total / self.n if self.intercept else 0.0)

    def margins(self, u, b):
        """z = x.w + b of each row."""
        z = np.empty(self.n)
        self.pass_of(*self.outward(u, b), z, gather=False)
        return z

    def slopes(self, u, b):
        """One pass: (mean loss, margins, slopes, (gradient of the mean loss in u, in b))."""
        z, a = np.empty(self.n), np.empty(self.n)
        loss, total, G = self.pass_of(*self.outward(u, b), z, a, slopes=True)
        return loss / self.n, z, a, self._pulled(G, total)

    def both(self, z):
        """(losses, slopes) of the rows at margins z."""
        values, slopes = np.empty(self.n), np.empty(self.n)

        def of_block(_, rows):
            values[rows], slopes[rows] = self.loss.both(z[rows], self.y[rows])

        self.blocks.map(of_block)
        return values, slopes

    def mean_loss(self, z):
        """The mean loss at margins z."""
        return self.mean(self.both(z)[0])

    def conjugate(self, g):
        """That of the loss of each row at the slope g."""
        return self.blocks.each(lambda rows: self.loss.conjugate(g[rows], self.y[rows]))

    def full(self, gradient, u):
        """A gradient of the mean loss with the L2 part: one vector, the intercept last."""
        G = gradient[0] + self.penalties[1] * u
        return np.append(G, gradient[1]) if self.intercept else G

    def split(self, p):
        """Such a vector as (u, b)."""
        return (p[:-1], float(p[-1])) if self.intercept else (p, 0.0)

    def pull(self, a, u=None, b=0.0):
        """One pass: (mean of a x, mean of a, margins of (u, b) if asked for)."""
        z = np.empty(self.n)
        w, b = (None, 0.0) if u is None else self.outward(u, b)
        _, total, G = self.pass_of(w, b, z, a)
        return *self._pulled(G, total), z

    # ------------------------------------------------------------ the objective and its dual
    def value(self, w, b):
        """F of the user's w and b, from a pass of its own."""
        z, a = np.empty(self.n), np.empty(self.n)
        with np.errstate(over="ignore", invalid="ignore"):
            loss, *_ = self.pass_of(np.ascontiguousarray(w), b, z, a, slopes=True, gather=False)
            return loss / self.n + penalties.value(w, self.l1, self.l2)

    def weighted(self, a):
        return a if self.c is None else self.c * a

    def mean(self, values, times=None):
        """sum c values / n, or sum c values times / n."""
        if times is not None:
            return self.blocks.dot(self.weighted(values), times) / self.n
        return (self.blocks.dot(values) if self.c is None else self.blocks.dot(self.c, values)) / self.n

    @np.errstate(over="ignore", invalid="ignore")  # A point may be too far.
    def penalty(self, u):
        l1, l2 = self.penalties
        return float(l1 @ abs(u) + 0.5 * (l2 * u) @ u)

    def least(self, a, u=None, b=0.0):
        """A lower bound of F from a guess a of the negative slopes: the dual objective.

            D(a) = -sum_i c_i loss*(-a_i, y_i) / n - sum_j max(|v_j| - l1_j, 0)^2 / (2 l2_j),   v = sum_i c_i a_i x_i / n

        It holds for every a of finite loss* with sum c a = 0 (if there is an intercept) and |v_j| <= l1_j where l2_j = 0;
        `a` is brought there: the heavier side is shrunk, and then all of a. Where some loss* is infinite, D is -inf.

        Returns
        -------
        D : float
        z : (n,), or None
            Margins of (u, b) where that is given, from the same pass.

        References
        ----------
        Shalev-Shwartz and Zhang (2013), Stochastic dual coordinate ascent methods for regularized loss minimization.
        """
        if self.intercept:
            a = self._balanced(a)
        conjugate = self.conjugate(-a)
        if u is None and not np.isfinite(conjugate).all():
            return -np.inf, None
        v, _, z = self.pull(self.weighted(a), u, b)
        l1, l2 = self.penalties
        free = (l2 == 0) & (abs(v) > l1)
        if free.any():
            by = (l1[free] / abs(v[free])).min()
            a, v = a * by, v * by
            conjugate = self.conjugate(-a)
        over = np.maximum(abs(v) - l1, 0.0)
        quadratic = np.divide(0.5 * over**2, l2, out=np.zeros(self.d), where=l2 > 0)
        return -self.mean(conjugate) - float(quadratic.sum()), z

    def _balanced(self, a):
        """a with the positive or the negative ones shrunk, so that the weighted sum is 0."""

        def of_block(_, rows):
            up = np.maximum(a[rows], 0.0)
            weight = np.ones(len(up)) if self.c is None else self.c[rows]
            return weight @ up, weight @ (up - a[rows])

        up, down = self.blocks.sum(of_block)
        if up == down:
            return a
        rise, fall = min(1.0, down / up) if up > 0 else 1.0, min(1.0, up / down) if down > 0 else 1.0
        return self.blocks.each(lambda rows: a[rows] * np.where(a[rows] > 0, rise, fall))


def root_mean_square(values, n=None):
    """Of n values, of which the others are 0; where squares have lost their digits, too."""
    size = abs(values).max(initial=0.0)
    if size == 0:
        return 0.0
    return float(size * np.sqrt(((values / size) ** 2).sum() / (n or len(values))))


def stratified(n, m, seed):
    """About m of n rows, one from each of m strides at random, none twice: rows in any order are well represented."""
    if m >= n:
        return np.arange(n)
    at = (np.arange(m) + np.random.default_rng(seed).random(m)) * (n / m)
    return np.unique(np.minimum(at.astype(np.int64), n - 1))
