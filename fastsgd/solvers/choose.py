"""Which method: the one that is to take less time, by a model of its seconds."""

import numpy as np

from fastsgd.solvers import dual, interior, newton
from fastsgd.solvers.problem import spread

# Seconds by which Newton's method may be the slower one: it is the surer one, and its result the closer
HEAD_START = 2e-2
WIDEST = 5000  # columns of the largest Hessian that is kept
LOOK = 2000  # rows of which a first intercept is taken


def fastest(problem):
    """ "newton", "interior" or "dual"."""
    times = {"dual": dual.seconds(problem)} | _others(problem)
    if "newton" in times:
        times["newton"] -= HEAD_START
    return min(times, key=times.get)


def _others(problem):
    """The seconds of the methods with a Hessian that this problem can be solved by."""
    methods = {"newton": newton, "interior": interior} if problem.d <= WIDEST else {}
    return {name: method.seconds(problem) for name, method in methods.items() if method.applies(problem)}


def solve(problem, report, w=None, b=0.0, a=None, seed=0):
    """Minimise until `report` says stop, from w, b in the user's units (None: from zero) and the dual point a.

    Where a method has taken the time that another was to take, that one takes over.
    """
    cold, others, method = w is None, _others(problem), fastest(problem)
    u, b = problem.inward(np.zeros(problem.d) if cold else w, constant(problem) if cold else b)
    if method == "dual":
        time = min(others.values(), default=np.inf)
        left = dual.dual(problem, u, b, report, a, seed, dual.worth(time, problem))
        if left is None:
            return
        (u, b, a), cold, method = left, False, min(others, key=others.get)
    if method == "newton":
        left = newton.newton(problem, u, b, report, cold, seed, newton.worth(others.get("interior", np.inf), problem))
        if left is None:
            return
        u, b, a = *left[:2], left[2]()
    if "interior" in others:
        interior.interior(problem, u, b, report)
    else:
        dual.dual(problem, u, b, report, a, seed)


def constant(problem):
    """An intercept to start from, where that of zero may be far: as far as y is large."""
    loss = problem.loss
    if not problem.intercept or loss.span == 0:
        return 0.0
    at = spread(problem.n, LOOK, 0)
    y = problem.y[at if problem.c is None else at[problem.c[at] > 0]]
    if not len(y):
        return 0.0
    if loss.span < np.inf:  # a log link
        return float(np.log(y.mean())) if y.mean() > 0 else 0.0
    return float(np.quantile(y, loss.get_params().get("quantile", 0.5)))
