"""Which method: the one that is to take less time, by a model of its seconds."""

import numpy as np

from fastsgd.solvers import dual, interior, newton
from fastsgd.solvers.hessian import Diagonal, pass_seconds
from fastsgd.solvers.orthant import orthant
from fastsgd.solvers.problem import stratified

NEWTON_SECONDS = 2e-2  # Newton's method may be slower by this: it is the surer one, and its result the closer.
MAX_HESSIAN_COLUMNS = 5000  # No larger Hessian is kept.
INTERCEPT_ROWS = 2000  # A first intercept is taken from this many rows.
MIN_TRIAL_PASSES = 12  # A trial without a Hessian has at least this many.
# A trial may use this share of the estimated time of the method that would follow: TRIAL_SHARE in general; on dense rows without
# L1, NEWTON_SHARE of Newton's estimate and DUAL_SHARE of dual ascent's, which is too low there.
TRIAL_SHARE, NEWTON_SHARE, DUAL_SHARE = 1.0, 0.35, 2.0
# On sparse data there is no trial where an epoch of dual ascent takes the time of fewer passes.
MIN_DUAL_EPOCH_PASSES = 8.0


def fastest(problem):
    """ "newton", "interior" or "dual"."""
    times = {"dual": dual.seconds(problem)} | _others(problem)
    if "newton" in times:
        times["newton"] -= NEWTON_SECONDS
    return min(times, key=times.get)


def trial(problem):
    """How many passes of the quasi-Newton method without a Hessian come first."""
    others = _others(problem)
    if not newton.smooth(problem) or ("newton" in others and newton.cheap(problem)):
        return 0
    one, strong = pass_seconds(problem), not problem.loss.quadratic and problem.l2 > 0
    if problem.sparse and strong and dual.seconds(problem) < dual.USUAL_PASSES * MIN_DUAL_EPOCH_PASSES * one:
        return 0
    by_newton, by_dual = (TRIAL_SHARE, TRIAL_SHARE) if problem.sparse or problem.l1 > 0 else (NEWTON_SHARE, DUAL_SHARE)
    time = min(by_dual * dual.seconds(problem), by_newton * others.get("newton", np.inf))
    return max(MIN_TRIAL_PASSES, int(time / one))


def _others(problem):
    """The seconds of the methods with a Hessian that this problem can be solved by."""
    methods = {"newton": newton, "interior": interior} if problem.d <= MAX_HESSIAN_COLUMNS else {}
    return {name: method.seconds(problem) for name, method in methods.items() if method.applies(problem)}


def solve(problem, report, w=None, b=0.0, a=None, seed=0, kept=None):
    """Minimise until `report` says stop, from w, b in the user's units (None: from zero) and the dual point a; or what is kept.

    Where a method has taken the time that another was to take, that one takes over.
    """
    cold, others = w is None, _others(problem)
    u, b = problem.inward(np.zeros(problem.d) if cold else w, constant(problem) if cold else b)
    if kept is not None:
        left = kept.solve(problem, u, b, report)
        if left is None:
            return
        cold, (u, b, a) = False, left
    if newton.smooth(problem) and problem.l1 > 0:
        left = _in_turns(problem, u, b, report, a, seed, others.get("interior", np.inf))
        if left is not None:
            interior.interior(problem, *left, report)
        return
    passes = trial(problem)
    if passes:
        u, b, dual_point, over = newton.descend(problem, u, b, report, Diagonal.of(problem, u, b, seed), passes)
        if over:
            return
        cold, a = False, dual_point()
    method = fastest(problem)
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


def _in_turns(problem, u, b, report, a, seed, time):
    """With L1: the quasi-Newton method and dual ascent alternately, each twice as long as the time before, for this many seconds.

    Returns None, or the (u, b) to go on from.
    """
    one, epoch = pass_seconds(problem), dual.seconds(problem) / dual.USUAL_PASSES
    left, passes, epochs = (u, b, a), trial(problem), dual.USUAL_PASSES
    if passes == 0:
        left, time = dual.dual(problem, *left[:2], report, a, seed, epochs), time - epochs * epoch
        passes = max(MIN_TRIAL_PASSES, int(dual.seconds(problem) / one))
    while left is not None and time > 0:
        left, time = orthant(problem, *left[:2], report, passes, seed), time - passes * one
        if left is not None and time > 0:
            left, time = dual.dual(problem, *left[:2], report, left[2], seed, epochs), time - epochs * epoch
        passes, epochs = 2 * passes, 2 * epochs
    return None if left is None else left[:2]


def constant(problem):
    """An intercept to start from, where that of zero may be far: as far as y is large."""
    if not problem.intercept or not problem.loss.offers("constant"):
        return 0.0
    at = stratified(problem.n, INTERCEPT_ROWS, 0)
    y = problem.y[at if problem.c is None else at[problem.c[at] > 0]]
    return problem.loss.constant(y) if len(y) else 0.0
