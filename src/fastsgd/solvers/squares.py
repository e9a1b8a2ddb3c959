"""Squared error along a path: sums of products tell all that is asked of the rows, so that no point needs a pass.

With x the columns of a row and 1, theta the coefficients and the intercept, H the mean of x x', q that of x y and s that of y y,

    loss(theta) = (s - 2 q.theta + theta.H theta) / 2,    its gradient is H theta - q,

and with it the mean of a x and the mean conjugate of a, the negative slopes: the certificate. What rounding may have taken from
these sums widens the gap; where that is too much, as where the loss is a tiny share of s, points have passes again.
"""

import numpy as np

from fastsgd.solvers.hessian import gram_seconds, pass_seconds
from fastsgd.solvers.kept import Kept, dual_bound, hessian_of, step
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Step

ROUNDING = 1e-12  # A sum of products may be off by this share of the sizes of its summands.
ROUNDING_SHARE = 0.01  # Rounding may take this share of the gap that tol allows.
EXACT = 1e-9  # The loss of rows held out is summed over them where rounding may take more than this share of it.
MAX_PASSES = 10.0  # Their sums of products take the time of this many passes at most.
BALANCED = 1e-10  # A mean slope below this share of the mean size is rounding.
MAX_STEPS = 5  # With passes it goes on after this many.


class SquareSums:
    """The sums of the rows of a problem.

    Parameters
    ----------
    problem : Problem
    H : (k, k)
        Mean of x x', the intercept last.

    Attributes
    ----------
    offset : float
        What is taken from y, so that its squares lose no digits; the intercept is less by that.
    """

    def __init__(self, problem, H):
        self.H, self.offset = H, problem.mean(problem.y) if problem.intercept else 0.0
        y = problem.y - self.offset
        q, q_b, _ = problem.pull(problem.weighted(y))
        self.q, self.square = np.append(q, q_b) if problem.intercept else q, problem.mean(y, y)
        # A column of zeros, mostly, is summed as it lies: digits are lost as its centre is taken off.
        away = (problem.centre - problem.measures.kept) * problem.inverse
        self.rounding = ROUNDING * (1.0 + float((away**2).max(initial=0.0)))

    def at(self, u, b):
        """(mean loss, its gradient, (u, b) as one, less the offset; how far the loss and its gradient may be off)."""
        theta = np.append(u, b - self.offset) if len(self.q) > len(u) else u
        product, size, root = self.H @ theta, abs(theta), np.sqrt(np.diag(self.H))
        loss = 0.5 * (self.square - 2.0 * float(self.q @ theta) + float(theta @ product))
        reach = float(root @ size)
        off = self.rounding * (self.square + float(abs(self.q) @ size) + reach**2)
        return loss, product - self.q, theta, off, self.rounding * (abs(self.q) + root * reach)


class Squares:
    """What is kept of one head.

    Attributes
    ----------
    kept : Kept
        It has the Hessian.
    sums : SquareSums or None
    free : float
        See `Kept`.
    """

    free = 0.0

    def __init__(self):
        self.kept, self.sums = Kept(), None

    def solve(self, problem, u, b, report):
        """As `Working.solve`."""
        p, kept = problem, self.kept
        if self.sums is None:
            kept.renew(p, np.zeros(p.n))
            self.sums = SquareSums(p, kept.H)
        for _ in range(MAX_STEPS):
            loss, gradient, theta, rounding, off = self.sums.at(u, b)
            F = loss + p.penalty(u)
            if not rounding <= ROUNDING_SHARE * report.tol * F:
                break
            bound = -np.inf
            if not p.intercept or abs(gradient[-1]) <= BALANCED * np.sqrt(2.0 * loss):
                v = np.copysign(abs(gradient) + off, -gradient)[: p.d]
                bound = dual_bound(p, self, float(theta @ gradient) - loss, v) - rounding
            if report(Step(u, b, F + rounding, bound, a=lambda u=u, b=b: p.y - p.margins(u, b))):
                return None
            if kept.effort.left <= 0:
                return u, b, None
            more, more_b = p.split(step(p, kept, u, p.full(p.split(gradient), u), report.tol)[0])
            u, b = u + more, b + more_b
        kept.at = None
        return kept.solve(p, u, b, report)


def mean_loss(X, y, weight, loss):
    """A function of (w, b), in the user's units, that gives the mean loss of some rows."""
    p = Problem(X, y, weight, loss, 0.0, 0.0, True)
    if not loss.quadratic or gram_seconds(p, p.n) > MAX_PASSES * pass_seconds(p):
        return p.value
    sums = SquareSums(p, hessian_of(p, np.ones(p.n)))

    def value(w, b):
        found, _, _, rounding, _ = sums.at(*p.inward(w, b))
        return found if rounding <= EXACT * found else p.value(w, b)

    return value
