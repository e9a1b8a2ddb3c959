"""The Hessian of a sample of the rows, or a diagonal: what a quasi-Newton method starts from, and what certifies its iterates."""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from fastsgd._kernels import solve
from fastsgd.solvers.row_blocks import RowBlocks

BLOCK_BYTES = 1 << 18  # The rows of a Hessian are weighted this many bytes at once, which stay in the cache.
# A block of rows has this many for each column, so that the sums of all take no more than a quarter of the room that the rows
# would take in float64; and about this time.
MIN_GRAM_ROWS, MIN_GRAM_SECONDS = 4, 5e-4
MIN_CURVED_ROWS = 4  # With fewer curved rows per column, the bound on the curvature is used instead of its values.
CALL_SECONDS = 2e-4  # What Python takes for a pass; no method is preferred for less.
LBFGS_HISTORY = 10  # L-BFGS remembers this many steps.
MIN_DIAGONAL_ROWS, MAX_DIAGONAL_ROWS = 200, 2000  # A diagonal is made from a tenth of the rows, within these.
# Rows whose dual would leave its domain lose their curvature, in this many rounds; more than this share of them ends it.
MAX_OUTSIDE_SHARE, MAX_ROUNDS = 0.01, 6


def curvature(problem, g):
    """Second derivative of each row's loss where its slope is g."""
    return np.ones(problem.n) if flat(problem, g) else problem.loss.second(g, problem.y)


def flat(problem, g):
    """Whether too few rows have any, so that a bound of it is taken."""
    loss = problem.loss
    return loss.scarce and np.count_nonzero(loss.second(g, problem.y)) < MIN_CURVED_ROWS * (problem.d + 1)


class Approximation:
    """A matrix near the Hessian, made better by the steps taken since: L-BFGS.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, algorithm 7.4.
    """

    close = 4.0  # The bound is worked out once the expected gap is within this factor of the target.
    known = True  # It is False where the bound on the curvature was used.

    def __init__(self, sample):
        self.sample, self.pairs = sample, []

    @classmethod
    def at(cls, sample, u, b):
        """Of the curvatures at (u, b)."""
        g = sample.slopes(u, b)[2]
        made = cls(sample, curvature(sample, g))
        made.known = not flat(sample, g)
        return made

    def change(self, r, g):
        """What is added to the sample's slopes g times its share, so that the gradient r becomes 0; and their conjugate then.

        Rows where that leaves the domain of the loss's conjugate get none, and another step is taken. None: in vain.
        """
        raise NotImplementedError

    def conjugate(self, g, change):
        """Of slopes so changed; infinite outside its domain."""
        return self.sample.conjugate(g + change / self.sample.share)

    def least(self, problem, u, b, loss, z, g, gradient):
        """A lower bound of min F from one pass, and what changes the negative slopes to its dual point: (rows, by how much).

        With a = -g - h t on the sample's rows, t the margins of the step there, and -g on the others, the mean of a x is
        what the penalty asks for, or near to it; what is left of that is paid for.
        """
        sample, l2, (G, g_b) = self.sample, problem.penalties[1], gradient
        g_s = g if sample is problem else g[sample.at]
        found = self.change(problem.full(gradient, u), g_s)
        if found is None:
            return -np.inf, None
        change, after = found
        more, more_b, _ = sample.pull(sample.weighted(change))
        v, v_b = G + more, (g_b + more_b) if problem.intercept else 0.0
        if abs(v_b) > 1e-10 * sample.mean(abs(g_s)):  # This is more than rounding.
            return -np.inf, None
        conjugate = sample.mean(after)
        if sample is not problem:  # Those of the other rows follow from Fenchel's equality.
            z_s = z[sample.at]
            known = sample.mean(g_s, z_s) - sample.mean_loss(z_s)
            conjugate = problem.mean(g, z) - loss + sample.share * (conjugate - known)
        quadratic = np.divide(0.5 * v**2, l2, out=np.where(v == 0, 0.0, np.inf), where=l2 > 0)
        return -conjugate - float(quadratic.sum()) - abs(v_b * b), (sample.at, -change / sample.share)

    def learn(self, s, q):
        """The gradient changed by q along the step s. Their common size changes nothing: at 1 for q, no product underflows."""
        size = abs(q).max(initial=0.0)
        if not 0 < size < np.inf:
            return
        s, q = s / size, q / size
        if 0 < float(s @ q) < np.inf:
            self.pairs = [*self.pairs, (s, q)][-LBFGS_HISTORY:]

    def direction(self, r):
        """The step towards where the gradient -r is zero."""
        taken = []
        for s, q in reversed(self.pairs):
            taken.append(float(s @ r) / float(s @ q))
            r = r - taken[-1] * q
        p = self.solve(r)
        for (s, q), share in zip(self.pairs, reversed(taken), strict=True):
            p = p + (share - float(q @ p) / float(s @ q)) * s
        return p


class Hessian(Approximation):
    """mean of h x x' over the rows of a sample, plus diag(l2); the intercept last.

    Attributes
    ----------
    sample : Problem
    h : (rows of the sample,)
        Curvatures.
    """

    def __init__(self, sample, h, H=None):
        super().__init__(sample)
        self.h = h if sample.c is None else np.where(sample.c > 0, h, 0.0)
        self.H = gram(sample, sample.weighted(self.h)) if H is None else H
        H = self.H.copy(order="F")
        diagonal = np.einsum("ii->i", H)
        diagonal[: sample.d] += sample.penalties[1]
        # Each column gets a share of its own: one that L2 makes huge says nothing of the others.
        little = 1e-14 * np.where(diagonal > 0, diagonal, max(float(diagonal.max(initial=0.0)), 1e-300))
        diagonal += little
        while True:
            try:
                self.factor = cho_factor(H, lower=False, check_finite=False)
                break
            except np.linalg.LinAlgError:
                little *= 100.0
                diagonal += little

    def solve(self, r):
        return cho_solve(self.factor, r, check_finite=False)

    def without(self, rows):
        """The same, but that those rows of the sample have no curvature."""
        less, h = self.sample.rows(rows), self.h.copy()
        h[rows] = 0.0
        return Hessian(self.sample, h, self.H - gram(less, less.weighted(self.h[rows])) * less.share)

    def _rows(self, problem):
        rows = 4 * self.sample.n
        return rows if 2 * rows <= problem.n else problem.n

    def better(self, problem, u, b, seed):
        """That of this iterate, and of four times the rows."""
        rows = self._rows(problem)
        return Hessian.at(problem if rows == problem.n else problem.sample(rows, seed), u, b)

    def worth(self, problem):
        """The number of passes that took half the time of a better one; 0 where that takes no time to speak of."""
        time = gram_seconds(problem, self._rows(problem))
        return 0.5 * time / pass_seconds(problem) if time > CALL_SECONDS else 0.0

    def expected(self, decrement, r):
        """(What F - min F, and what the gap is to be): of the latter half in F, and half in the dual, on fewer rows."""
        return decrement if self.known else np.inf, 0.5 * decrement * (1.0 + 1.0 / self.sample.share)

    def change(self, r, g):
        less = self
        for _ in range(1 + MAX_ROUNDS):
            change = less.h * self.sample.margins(*self.sample.split(less.solve(-r)))
            after = self.conjugate(g, change)
            bad = np.flatnonzero(~np.isfinite(after))
            if not len(bad):
                return change, after
            if len(bad) > MAX_OUTSIDE_SHARE * self.sample.n + 1:
                break
            less = less.without(bad)
        return None


class Diagonal(Approximation):
    """The diagonal of such a matrix: enough for columns that have little to do with one another, and free."""

    @classmethod
    def of(cls, problem, u, b, seed):
        """From a few rows."""
        return cls.at(problem.sample(min(MAX_DIAGONAL_ROWS, max(MIN_DIAGONAL_ROWS, problem.n // 10)), seed), u, b)

    def __init__(self, sample, h):
        super().__init__(sample)
        usual = max(sample.mean(h), 1e-300)
        self.l2 = sample.penalties[1]
        self.diagonal = np.append(usual + self.l2, usual if sample.intercept else [])

    def solve(self, r):
        """As long as the last step asks for (Nocedal and Wright, eq. 7.20)."""
        p = r / self.diagonal
        if not self.pairs:
            return p
        s, q = self.pairs[-1]
        return p * (float(s @ q) / float(q @ (q / self.diagonal)))

    def worth(self, problem):
        return np.inf

    def expected(self, decrement, r):
        """Both are the gap of the negative slopes, their mean being 0."""
        r = r[: len(self.l2)]
        gap = 0.5 * float(np.divide(r**2, self.l2, out=np.full(len(r), np.inf), where=self.l2 > 0).sum())
        return gap, gap

    def change(self, r, g):
        """That of the intercept alone."""
        h = curvature(self.sample, g)
        usual = self.sample.mean(h)
        change = h * (-r[-1] / usual if self.sample.intercept and usual > 0 else 0.0)
        after = self.conjugate(g, change)
        return (change, after) if np.isfinite(after).all() else None

    def least(self, problem, u, b, loss, z, g, gradient):
        bound, change = super().least(problem, u, b, loss, z, g, gradient)
        return (bound, change) if bound > -np.inf else (problem.least(-g)[0], None)


# ---------------------------------------------------------------- the matrix, and what it takes
def gram(problem, h):
    """Mean of h x x' over the rows (upper triangle), with the intercept as a last column of ones."""
    n, k = problem.n, problem.d + problem.intercept
    root, inverse, values = np.sqrt(h), problem.inverse, by_values(problem)
    tile = max(64, BLOCK_BYTES // (8 * k))

    def of_block(X, rows):
        H = np.zeros((k, k))
        if values:
            solve.squares(X, problem.measures.kept, inverse, root[rows], H)
        else:
            solve.gram(X, problem.centre, inverse, root[rows], H, 1.0 / n, tile)
        return (H,)

    most = min(n // (MIN_GRAM_ROWS * k), int(n * row_seconds(problem) / MIN_GRAM_SECONDS))
    (H,) = RowBlocks(problem.X, problem.threads, most).sum(of_block)
    if not values:
        return H.T  # Its upper triangle is the lower one of H, and cho_factor wants columns.
    H /= n
    if problem.intercept:  # The rows are less their centre.
        c, g, total = (problem.centre - problem.measures.kept) * inverse, H[:-1, -1].copy(), H[-1, -1]
        H[:-1, :-1] -= np.outer(c, g - 0.5 * total * c) + np.outer(g - 0.5 * total * c, c)
        H[:-1, -1] -= total * c
    return H


def by_values(problem):
    """Whether a Hessian is summed over the pairs of nonzero values, and not by BLAS."""
    return problem.sparse or 20.0 * problem.measures.filled**2 < 1.0


def row_seconds(problem):
    """What `gram` takes for a row, about."""
    d = problem.d + 1
    values = problem.measures.filled * d
    return 0.7e-9 * values**2 + d * 0.5e-9 if by_values(problem) else d**2 / 40e9 + d * 1e-9


def gram_seconds(problem, rows):
    """What `gram` takes for this many rows, about, and to factorise it."""
    return rows * row_seconds(problem) + problem.d**3 / 4e10


def pass_seconds(problem):
    """What a pass takes, about."""
    values = problem.d * (problem.measures.filled if problem.sparse else 1.0)
    return problem.n * (values * (1.2e-9 if problem.sparse else 0.25e-9) + 2e-9)
