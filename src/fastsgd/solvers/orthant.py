"""Smooth losses with L1: a quasi-Newton method that stays in one orthant at a time."""

from functools import partial

import numpy as np

from fastsgd.solvers.hessian import Diagonal
from fastsgd.solvers.newton import ARMIJO
from fastsgd.solvers.report import Step

MIN_STEP = 1e-10  # A shorter step may be rounding.
ROUNDING = 1e-14  # A rise by less than this share of F may be rounding.
BOUND_FACTOR = 4.0  # The bound, half a pass, is worked out once the expected gap is within this factor of the target.


def orthant(problem, u, b, report, most, seed=0):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop; at most this many passes.

    Returns
    -------
    None, or (u, b, a)
        Where it was then, or got stuck; a is the dual point.

    References
    ----------
    Andrew and Gao (2007), Scalable training of L1-regularized log-linear models.
    """
    hessian = Diagonal.of(problem, u, b, seed)
    loss, _, g, gradient = problem.slopes(u, b)
    F, passes = loss + problem.penalty(u), 1
    while True:
        r, gap, bound = descent(problem, u, gradient), expected(problem, u, g, gradient, F), -np.inf
        if gap <= BOUND_FACTOR * report.tol * abs(F):
            bound = problem.least(-g)[0]
        if report(Step(u, b, F, bound, gap, partial(np.negative, g))):
            return None
        if passes >= most:
            return u, b, -g
        p = hessian.direction(r)
        p[p * r <= 0] = 0.0
        (step, step_b), side, size = problem.split(p), np.where(u != 0, np.sign(u), np.sign(r[: problem.d])), 1.0
        while True:
            new = u + size * step
            new[new * side <= 0] = 0.0
            moved = np.append(new - u, size * step_b if problem.intercept else [])
            loss, _, g_new, gradient_new = problem.slopes(new, b + size * step_b)
            passes, there, slope = passes + 1, loss + problem.penalty(new), float(r @ moved)
            if there <= F - ARMIJO * slope + ROUNDING * abs(F):
                break
            bend = there - F + slope  # The step goes to the least of the parabola.
            size *= min(max(0.5 * slope / bend, 0.05), 0.5) if np.isfinite(bend) and bend > 0 else 0.05
            if size < MIN_STEP:
                bound = problem.least(-g)[0]
                stuck = report(Step(u, b, F, bound, gap, partial(np.negative, g), stuck=gap <= report.tol * abs(F)))
                return None if stuck else (u, b, -g)
        hessian.learn(moved, problem.full(gradient_new, new) - problem.full(gradient, u))
        u, b, F, g, gradient = new, b + size * step_b, there, g_new, gradient_new


def descent(problem, u, gradient):
    """Minus the subgradient of least size; the intercept last."""
    l1 = problem.penalties[0]
    r = -problem.full(gradient, u)
    there = r[: problem.d]
    at_zero = np.sign(there) * np.maximum(abs(there) - l1, 0.0)
    there[:] = np.where(u != 0, there - l1 * np.sign(u), at_zero)
    return r


@np.errstate(over="ignore", invalid="ignore")  # A point that is too far has no estimate.
def expected(problem, u, g, gradient, F):
    """About the gap of the negative slopes, once they are brought to where the dual objective is finite."""
    (l1, l2), v = problem.penalties, -gradient[0]
    over = np.maximum(abs(v) - l1, 0.0)
    free = (l2 == 0) & (over > 0)
    shrink = float((over[free] / abs(v[free])).max(initial=0.0))
    shrink += 2.0 * abs(gradient[1]) / max(problem.mean(abs(g)), 1e-300)
    quadratic = np.divide(0.5 * over**2, l2, out=np.zeros(problem.d), where=l2 > 0)
    return abs(problem.penalty(u) - float(v @ u) + float(quadratic.sum())) + shrink * abs(F)
