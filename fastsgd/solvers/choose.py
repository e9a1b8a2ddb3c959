"""Which method: the one that is to take less time, by a model of its seconds."""

import numpy as np

from fastsgd.solvers import dual, newton

HEAD_START = (
    2e-2  # seconds by which Newton's method may be the slower one: it is the surer one, and its result the closer
)
WIDEST = 5000  # columns of the largest Hessian that is kept


def fastest(problem):
    """ "newton" or "dual"."""
    if newton.applies(problem) and problem.d <= WIDEST and newton.seconds(problem) < dual.seconds(problem) + HEAD_START:
        return "newton"
    return "dual"


def solve(problem, report, w=None, b=0.0, a=None, seed=0):
    """Minimise until `report` says stop, from w, b in the user's units (None: from zero) and the dual point a.

    Where dual ascent was to be faster, and has taken the time that Newton's method was to take, it was not.
    """
    cold = w is None
    u, b = problem.inward(np.zeros(problem.d) if cold else w, b)
    if fastest(problem) == "dual":
        other = newton.applies(problem) and problem.d <= WIDEST
        left = dual.dual(
            problem, u, b, report, a, seed, dual.worth(newton.seconds(problem), problem) if other else np.inf
        )
        if left is None:
            return
        (u, b, a), cold = left, False
    left = newton.newton(problem, u, b, report, cold, seed)
    if left is not None:
        dual.dual(problem, *left[:2], report, left[2](), seed)
