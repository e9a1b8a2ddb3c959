"""Softmax as the problem of one vector, which Newton's method solves: all classes of a column, then those of the next."""

import numpy as np
import scipy.sparse as sp
from scipy.linalg import blas
from scipy.special import entr

from fastsgd.solvers.hessian import BLOCK_BYTES, CALL_SECONDS, MAX_OUTSIDE_SHARE, MAX_ROUNDS, Hessian

MAX_WEIGHTS = 2000  # With more weights there is no Hessian.


class SoftmaxProblem:
    """What `newton.descend` asks of a problem: margins, slopes and targets are (n, K), u is (d K,), b is (K,).

    Parameters
    ----------
    frame : Problem
        Its rows, weights and coordinates.
    y : (n, K)
    loss : Loss
    """

    def __init__(self, frame, y, loss):
        self.frame, self.y, self.loss, self.n, self.K = frame, y, loss, frame.n, y.shape[1]
        self.d, self.intercept, self.c = frame.d * self.K, frame.intercept, None
        self.penalties = 0.0, np.repeat(frame.penalties[1], self.K)

    def split(self, p):
        return p[: self.d], p[self.d :] if self.intercept else np.zeros(self.K)

    def full(self, gradient, u):
        G = gradient[0] + self.penalties[1] * u
        return np.append(G, gradient[1]) if self.intercept else G

    def penalty(self, u):
        return 0.5 * float((self.penalties[1] * u) @ u)

    def weighted(self, a):
        return a if self.frame.c is None else self.frame.c[:, None] * a

    def mean(self, values):
        return float(self.weighted(values).sum()) / self.n

    def margins(self, u, b):
        W, b = self.frame.outward(u.reshape(-1, self.K), b)
        return self.frame.X @ W + b

    def pull(self, a):
        """(mean of x a', mean of a)."""
        sums = a.sum(axis=0)
        G = (self.frame.X.T @ a - np.outer(self.frame.centre, sums)) * (self.frame.inverse[:, None] / self.n)
        return G.ravel(), sums / self.n if self.intercept else np.zeros(self.K)

    def slopes(self, u, b):
        z = self.margins(u, b)
        value, g = self.both(z)
        return self.mean(value), z, g, self.pull(self.weighted(g))

    def both(self, z):
        """(losses, slopes) of the rows at margins z."""
        return self.loss.both(z, self.y)

    def hessian(self, u, b):
        return Blocks(self, self.slopes(u, b)[2] + self.y)

    def hessian_seconds(self):
        """What `gram` takes, about, and to factorise it."""
        return self.n * (self.d**2 / 2e10 + self.d * 2e-9) + self.d**3 / 4e10

    def pass_seconds(self):
        values = self.frame.measures.filled * self.d if self.frame.sparse else self.d
        return self.n * (values * 0.5e-9 + self.K * 1e-8) + CALL_SECONDS


class Blocks(Hessian):
    """mean of (diag(q) - q q') times x x', q the distributions of the rows, plus diag(l2)."""

    def __init__(self, problem, q, H=None):
        super().__init__(problem, q, gram(problem, q) if H is None else H)

    def without(self, rows):
        q = self.h.copy()
        q[rows] = 0.0
        return Blocks(self.sample, q, self.H - gram(self.sample, self.h, rows))

    def better(self, problem, u, b, seed):
        return problem.hessian(u, b)

    def worth(self, problem):
        return 0.5 * problem.hessian_seconds() / problem.pass_seconds()

    def expected(self, decrement, r):
        return decrement, decrement

    def least(self, problem, u, b, loss, z, g, gradient):
        """From q less what brings the gradient to 0; rows where that would be negative get none."""
        less, q, r = self, g + problem.y, problem.full(gradient, u)
        for _ in range(1 + MAX_ROUNDS):
            t = problem.margins(*problem.split(less.solve(-r)))
            change = less.h * (t - (less.h * t).sum(axis=1, keepdims=True))
            bad = np.flatnonzero((q + change).min(axis=1) < 0.0)
            if not len(bad):
                more, more_b = problem.pull(problem.weighted(change))
                v, v_b = gradient[0] + more, gradient[1] + more_b
                if abs(v_b).sum() > 1e-10:  # This is more than rounding.
                    return -np.inf, None
                quadratic = float((0.5 * v**2 / problem.penalties[1]).sum())
                return problem.mean(entr(q + change)) - quadratic - float(abs(v_b) @ abs(b)), None
            if len(bad) > MAX_OUTSIDE_SHARE * problem.n + 1:
                break
            less = less.without(bad)
        return -np.inf, None


def gram(problem, q, rows=None):
    """That mean over all rows, or the part of some."""
    frame, K = problem.frame, problem.K
    at = np.arange(frame.n) if rows is None else rows
    D = frame.d + frame.intercept
    H, few = np.zeros((D * K, D * K), order="F"), max(64, BLOCK_BYTES // (8 * D * K))
    for lo in range(0, len(at), few):
        here = slice(lo, lo + few) if rows is None else at[lo : lo + few]
        X = frame.X[here].toarray() if sp.issparse(frame.X) else frame.X[here]
        X = (X - frame.centre) * frame.inverse
        X = np.column_stack([X, np.ones(len(X))]) if frame.intercept else X
        root = np.sqrt(1.0 if frame.c is None else frame.c[here, None])
        Q, X = q[here], X * root
        H = blas.dsyrk(
            -1.0 / frame.n, (X[:, :, None] * Q[:, None, :]).reshape(len(X), -1).T, beta=1.0, c=H, overwrite_c=1
        )
        for k in range(K):
            H[k::K, k::K] += (X * (Q[:, k : k + 1] / frame.n)).T @ X
    if frame.intercept:  # The same for all classes changes nothing; it is fixed there.
        H[-K:, -K:] += 1.0 if rows is None else 0.0
    return H
