"""The Hessian of a sample where there are too many columns for a matrix: its products with vectors are passes over the sample."""

import numpy as np
import scipy.sparse as sp

from fastsgd.solvers.hessian import Approximation, curvature

MAX_PRODUCTS = 30  # Conjugate gradients end after so many products,
LEFT_SHARE = 0.1  # or once the residual is this share of the first.
# The curvature of a column in a sample is known to about the share FEW_VALUES / its values there; that much of the usual one,
# all columns being of one size, is added to it.
FEW_VALUES = 10
BLOCK_VALUES = 1 << 20  # Rows are squared so many values at once.


class Products(Approximation):
    """mean of h x x' over the rows of a sample, plus diag(l2) and diag(rare), the intercept last; solved by conjugate gradients.

    Attributes
    ----------
    h : (rows of the sample,)
        Curvatures.
    rare : (d,)
        What is added for columns that have few values in the sample.
    few : (d,) bool
        Those of which the sample says next to nothing.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, algorithm 5.3.
    """

    def __init__(self, sample, h):
        super().__init__(sample)
        self.h = sample.weighted(h)
        usual = sample.mean(h)
        own = _diagonal(sample, self.h)
        count = np.bincount(sample.X.indices, minlength=sample.d) if sample.sparse else np.full(sample.d, sample.n)
        self.few = count <= FEW_VALUES
        self.rare = usual * np.minimum(1.0, FEW_VALUES / np.maximum(count, 1))
        self.own = np.append(own + sample.penalties[1], usual if sample.intercept else [])
        self.diagonal = self.own + np.append(self.rare, [0.0] * sample.intercept)
        self.known = True

    @classmethod
    def at(cls, sample, u, b, least=0.0):
        """Of the curvatures at (u, b), raised to this mean at least: where a model fits the sample too well, they are less."""
        h = curvature(sample, sample.slopes(u, b)[2])
        return cls(sample, h + max(0.0, least - sample.mean(h)))

    def times(self, p, rare=True):
        """Its product with p."""
        sample, (u, b) = self.sample, self.sample.split(p)
        G, g, _ = sample.pull(self.h * sample.margins(u, b))
        G += sample.penalties[1] * u
        if rare:
            G += self.rare * u
        return np.append(G, g) if sample.intercept else G

    def solve(self, r, rare=True):
        diagonal = np.maximum(self.diagonal if rare else self.own, 1e-300)
        p, left = np.zeros(len(r)), r.copy()
        z = left / diagonal
        along, now = z, float(left @ z)
        first = now
        for _ in range(MAX_PRODUCTS):
            if not now > LEFT_SHARE**2 * first:
                break
            product = self.times(along, rare)
            bend = float(along @ product)
            if not bend > 0:
                break
            p, left = p + now / bend * along, left - now / bend * product
            z = left / diagonal
            now, before = float(left @ z), now
            along = z + now / before * along
        return p

    def learn(self, s, q):
        """As Hessian's; the curvature of columns with few values becomes what the step has shown of them."""
        super().learn(s, q)
        there = np.flatnonzero(self.few)
        s, q, usual = s[there], q[there], self.own[there] + self.rare[there]
        if float(s @ q) > 0:  # Nocedal and Wright, eq. 7.20
            more = self.rare[there] * float(q @ (q / usual)) / float(s @ q)
            self.diagonal[there] += more - self.rare[there]
            self.rare[there] = more

    def expected(self, decrement, r):
        """What F - min F is, about, and what the gap is to be."""
        return decrement, decrement

    def change(self, r, g):
        """As Hessian's, without what rows of the sample don't say; rows where that leaves the domain get none."""
        change = self.h * self.sample.margins(*self.sample.split(self.solve(-r, rare=False)))
        if self.sample.c is not None:
            change = np.divide(change, self.sample.c, out=np.zeros(len(change)), where=self.sample.c > 0)
        after = self.conjugate(g, change)
        bad = ~np.isfinite(after)
        change[bad] = 0.0
        after[bad] = self.sample.loss.conjugate(g[bad], self.sample.y[bad])
        return change, after


def _diagonal(sample, h):
    """mean of h x_j^2, x less the centre and of one size."""
    X, n = sample.X, sample.n
    square, first = np.zeros(sample.d), np.zeros(sample.d)
    rows = max(1, int(BLOCK_VALUES / max(1.0, (X.nnz if sp.issparse(X) else X.size) / n)))
    for lo in range(0, n, rows):
        part, weight = X[lo : lo + rows].astype(np.float64), h[lo : lo + rows]
        first += weight @ part
        if sp.issparse(part):
            part.data **= 2
        else:
            part **= 2
        square += weight @ part
    c = sample.centre
    return np.maximum(0.0, (square - 2.0 * c * first + c * c * h.sum()) / n) * sample.inverse**2
