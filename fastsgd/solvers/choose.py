"""Which method: the one that is to take less time, by a model of its seconds."""

import numpy as np

from fastsgd.solvers import dual, newton
from fastsgd.solvers.hessian import Diagonal, pass_seconds
from fastsgd.solvers.orthant import orthant

HEAD_START = (
    2e-2  # seconds by which Newton's method may be the slower one: it is the surer one, and its result the closer
)
WIDEST = 5000  # columns of the largest Hessian that is kept
EASY = 12  # passes that a trial without a Hessian has at least
SHARES = {
    True: 1.0,
    False: 0.35,
}  # of the time of what would come after it, which it has: on sparse data or with L1, on dense
DEAR = 8.0  # passes that an epoch of dual ascent takes at least for a trial to be worthwhile on sparse data


def fastest(problem):
    """ "newton" or "dual"."""
    if _hessian(problem) and newton.seconds(problem) < dual.seconds(problem) + HEAD_START:
        return "newton"
    return "dual"


def trial(problem):
    """How many passes of the quasi-Newton method without a Hessian come first."""
    if not newton.smooth(problem) or (_hessian(problem) and newton.cheap(problem)):
        return 0
    one, strong = pass_seconds(problem), problem.loss.name != "squared_error" and problem.l2 > 0
    if problem.sparse and strong and dual.seconds(problem) < dual.PASSES * DEAR * one:
        return 0
    other = min(dual.seconds(problem), newton.seconds(problem) if _hessian(problem) else np.inf)
    return max(EASY, int(SHARES[problem.sparse or problem.l1 > 0] * other / one))


def _hessian(problem):
    return newton.applies(problem) and problem.d <= WIDEST


def solve(problem, report, w=None, b=0.0, a=None, seed=0):
    """Minimise until `report` says stop, from w, b in the user's units (None: from zero) and the dual point a."""
    cold = w is None
    u, b = problem.inward(np.zeros(problem.d) if cold else w, b)
    if newton.smooth(problem) and problem.l1 > 0:
        return _in_turns(problem, u, b, report, a, seed)
    passes = trial(problem)
    if passes:
        first = Diagonal.of(problem, u, b, seed)
        u, b, dual_point, over = newton.descend(problem, u, b, report, first, passes)
        if over:
            return
        cold, a = False, dual_point()
    if fastest(problem) == "dual":
        time = newton.seconds(problem) if _hessian(problem) else np.inf
        left = dual.dual(problem, u, b, report, a, seed, dual.worth(time, problem))
        if left is None:
            return
        (u, b, a), cold = left, False
    left = newton.newton(problem, u, b, report, cold, seed)
    if left is not None:
        dual.dual(problem, *left[:2], report, left[2](), seed)


def _in_turns(problem, u, b, report, a, seed):
    """With L1: the quasi-Newton method and dual ascent in turns, each twice as long as the last time."""
    left, passes, epochs = (u, b, a), trial(problem), dual.PASSES
    if passes == 0:
        left = dual.dual(problem, *left[:2], report, a, seed, epochs)
        passes = max(EASY, int(dual.seconds(problem) / pass_seconds(problem)))
    while left is not None:
        left = orthant(problem, *left[:2], report, passes, seed)
        if left is not None:
            left = dual.dual(problem, *left[:2], report, left[2], seed, epochs)
        passes, epochs = 2 * passes, 2 * epochs
