"""Newton's method along a path: smooth losses whose Hessian of all rows is cheap, with L1, L2 or both.

Neither the slopes at the last solution nor its Hessian ask for the penalty. So both are kept from one point of the path to the
next, which begins with a step, and often ends with the one pass that tells where that led. The Hessian is made anew where
steps are bad. The dual point is that of the quadratic model, -(slope + curvature * t), t the margins of the step; the same
pass gives them, and the mean of a x is known, as the step is exact.
"""

from dataclasses import dataclass, field

import numpy as np

from fastsgd.solvers.hessian import Hessian, curvature, gram, gram_seconds, pass_seconds
from fastsgd.solvers.newton import ARMIJO, smooth
from fastsgd.solvers.proximal import Effort, proximal
from fastsgd.solvers.report import Step

MAX_COLUMNS = 1000
# A Hessian may take the time of this many passes: with L1, where other methods need many; and with L2 alone, where squared error
# needs one Hessian for the whole path, and other losses have `newton.newton`.
MAX_PASSES_WITH_L1, MAX_PASSES = 100.0, 20.0
MAX_NUMBERS = 1 << 25  # What is kept has at most this many numbers in all.
MAX_STEPS = 15  # Another method goes on after this many.
SLOW = 0.3  # The Hessian is made anew where a step leaves more of the decrement,
OLD_STEPS = 3  # or after this many steps at one point of the path.
SLOPE_SHARE = 0.1  # A step with L1 is as exact as this share of tol times l1; what is missing widens the gap.
MIN_SIZE = 1e-3  # No shorter share of a step is tried.
ROUNDING = 1e-14  # A rise by less than this share of F may be rounding.
BALANCED = 1e-10  # A mean of a below this share of the mean size is rounding.


@dataclass
class Kept:
    """Of one head.

    Attributes
    ----------
    at : (u, b, loss, z, g, gradient) or None
        The last solution, and what `Problem.slopes` gives there.
    h, H : (n,) and (d + 1, d + 1), or None
        Curvatures, and the Hessian of the mean loss by them.
    free : float or None
        Mean conjugate of slopes that are all 0.
    effort : Effort
        Where nothing is left of it another method goes on.
    """

    at: tuple | None = None
    h: np.ndarray | None = None
    H: np.ndarray | None = None
    free: float | None = None
    effort: Effort = field(default_factory=Effort)

    def solve(self, problem, u, b, report):
        """As `Working.solve`."""
        left = newton(problem, u, b, report, self)
        if left is None:
            return None
        self.at = None
        return *left, None

    def renew(self, problem, g):
        """Make the Hessian of all rows, by their curvatures at these slopes."""
        self.h = curvature(problem, g)
        if problem.c is not None:
            self.h = np.where(problem.c > 0, self.h, 0.0)
        self.effort.left -= gram_seconds(problem, problem.n)
        self.H = hessian_of(problem, self.h)


def applies(problem, heads=1):
    """Whether this method serves these problems, of which so many are kept."""
    if not smooth(problem) or problem.loss.scarce or not (problem.l1 > 0 or problem.loss.quadratic):
        return False
    if problem.d > MAX_COLUMNS or 3 * heads * problem.n > MAX_NUMBERS:
        return False
    most = MAX_PASSES_WITH_L1 if problem.l1 > 0 else MAX_PASSES
    return gram_seconds(problem, problem.n) <= most * pass_seconds(problem) + 1e-3


@np.errstate(over="ignore", invalid="ignore")  # A step that overflows brings no less, and so is not taken.
def newton(problem, u, b, report, kept):
    """Minimise from what is kept, else from (u, b), until `report` says stop; keeps where it ends.

    Returns
    -------
    None, or (u, b)
        From where another method should go on.
    """
    if kept.at is None:
        kept.at = u, b, *problem.slopes(u, b)
    u, b, loss, z, g, gradient = kept.at
    F, before, old, told = loss + problem.penalty(u), np.inf, 0, False
    for steps in range(MAX_STEPS):
        full = problem.full(gradient, u)
        if kept.H is None:
            kept.renew(problem, g)
            old = 0
        p, decrement = step(problem, kept, u, full, report.tol)
        if old and (decrement > SLOW * before or old >= OLD_STEPS):
            kept.renew(problem, g)
            old, (p, decrement) = 0, step(problem, kept, u, full, report.tol)
        before, old = decrement, old + 1
        if not told or not decrement > ROUNDING * abs(F):
            # The start has its own certificate, and that may do: where the penalty hardly matters, or nothing is left to gain.
            bound, a = _first(problem, kept, u, b, loss, z, g, gradient)
            stuck = told and not decrement > ROUNDING * abs(F)
            told = True
            if report(Step(u, b, F, bound, decrement, a, stuck=stuck)):
                return None
            if stuck:
                break
        if kept.effort.left <= 0:
            break
        size = 1.0
        while size >= MIN_SIZE:
            s, s_b = problem.split(size * p)
            new = u + s, b + s_b, *problem.slopes(u + s, b + s_b)
            there = new[2] + problem.penalty(new[0])
            if there <= F - ARMIJO * size * decrement + ROUNDING * abs(F):
                break
            size *= 0.3
        else:
            break
        bound, a = _certificate(problem, kept, z, g, gradient, new, p if size == 1.0 else None)
        kept.at, F = new, there
        u, b, loss, z, g, gradient = new
        if report(Step(u, b, F, bound, decrement if steps else np.inf, a)):
            return None
    return u, b


def hessian_of(problem, h):
    """The mean of h x x', all of it."""
    H = gram(problem, problem.weighted(h))
    return np.triu(H) + np.triu(H, 1).T


def step(problem, kept, u, full, tol):
    """(step, what it promises): the least of the quadratic model with the penalty."""
    l1, l2 = problem.penalties
    if problem.l1 == 0:
        p = -Hessian(problem, kept.h, kept.H).solve(full)
        return p, -0.5 * float(full @ p)
    H, more = kept.H.copy(), np.zeros(len(full) - problem.d)
    H[np.diag_indices(len(H))] += np.append(l2, more)
    start = np.append(u, more)
    p = proximal(H, full, start, np.append(l1, more), SLOPE_SHARE * tol, kept.effort) - start
    fall = float(l1 @ (abs(u) - abs(u + p[: problem.d])) - full @ p)
    return p, max(0.0, 0.5 * fall)


def _first(problem, kept, u, b, loss, z, g, gradient):
    """(bound, dual point) of the negative slopes, from what is known of them."""
    if problem.intercept and abs(gradient[1]) > BALANCED * problem.mean(abs(g)):
        return -np.inf, lambda: -g
    return dual_bound(problem, kept, problem.mean(g, z) - loss, -gradient[0]), lambda: -g


def _certificate(problem, kept, z, g, gradient, new, p):
    """(bound, dual point) after a step p to `new`, None if it was shortened; dual points of the model there, or of its slopes."""
    bound, a = _first(problem, kept, *new)
    if bound > -np.inf or p is None or problem.loss.quadratic:
        return bound, a
    model, moved = g + kept.h * (new[3] - z), kept.H @ p
    each = problem.conjugate(model)
    left = abs(gradient[1] + moved[-1]) if problem.intercept else 0.0
    if not np.isfinite(each).all() or left > BALANCED * problem.mean(abs(model)):
        model = np.where(np.isfinite(each), model, new[4])  # The slopes at the new point are in the domain.
        return problem.least(-model)[0], lambda: -model
    return dual_bound(problem, kept, problem.mean(each), -(gradient[0] + moved[: problem.d])), lambda: -model


def dual_bound(problem, kept, conjugate, v):
    """The dual objective where the mean conjugate and v, the mean of a x, are known; brought to |v| <= l1 where l2 is 0.

    A share t of a has a conjugate of at most t times that of a and 1 - t times that of 0, as it is convex.
    """
    l1, l2 = problem.penalties
    free = (l2 == 0) & (abs(v) > l1)
    if free.any():
        by = float((l1[free] / abs(v[free])).min())
        if kept.free is None:
            kept.free = problem.mean(problem.conjugate(np.zeros(problem.n)))
        v, conjugate = v * by, by * conjugate + (1.0 - by) * kept.free
    over = np.maximum(abs(v) - l1, 0.0)
    return -conjugate - float(np.divide(0.5 * over**2, l2, out=np.zeros(problem.d), where=l2 > 0).sum())
