"""Smooth losses with L2: a quasi-Newton method whose first guess of the Hessian is that of a sample of the rows.

The sample gives the start, too. Each iteration is one pass over all rows: loss, slopes and gradient. The dual point comes
from the same pass: minus the slopes, but on the rows of the sample those of the quadratic model at its step, by which the
gradient is made up for, exactly.
"""

from functools import partial

import numpy as np

from fastsgd.solvers.hessian import FREE, Hessian, gram_seconds, pass_seconds, row_seconds
from fastsgd.solvers.report import Step

FEWEST, COARSE, FINE = 2000, 40, 100  # rows of a sample, of the first and of the last for each column: at least,
LEAST = 10  # unless that costs too much: then for each column so many
NEAR = 2.5e-3  # what one pass is to bring the gap to: more rows are never needed
MOST = 0.25  # of the rows: a sample that must be larger might be all of them
CHEAP, DEAR = 0.5, 4.0  # passes that the sample's Hessian may take anyway, and at most
GROWTH = 3  # of a sample's rows to those of the next, at least
USUAL = 15  # passes, before another method may take over
PASSES = 20  # over a sample at most
SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
SLOW = 0.5  # of the decrement that is left after a step: then the Hessian is made anew
SHORT, LOST = 0.25, 5  # a step that short means that the Hessian is bad; it counts as so many passes
ROUNDING = 1e-9  # a decrement below it, as a share of F, may be rounding
CHEAPEST = 2, 5e-3  # passes, and seconds more, that a Hessian may take without a trial of a diagonal


def smooth(problem):
    """Whether the loss has curvatures."""
    return problem.loss.offers("second")


def applies(problem):
    """Whether the problem has what Newton's method needs."""
    return problem.l1 == 0 and smooth(problem)


def sample_rows(problem):
    """How many rows give the Hessian."""
    n, d, affordable = problem.n, problem.d + 1, pass_seconds(problem) / row_seconds(problem)
    fewest = max(FEWEST, LEAST * d)
    if MOST * n < fewest:
        return n
    cheap = DEAR if problem.loss.quadratic else CHEAP  # no passes over the sample then
    rows = max(cheap * affordable, min(FINE * d, DEAR * affordable))
    return int(max(fewest, min(rows, np.sqrt(d * n / NEAR), MOST * n)))


def seconds(problem):
    """What a certificate by Newton's method takes, about."""
    rows = sample_rows(problem)
    return 2.0 * gram_seconds(problem, rows) + (5 + 200 * problem.d / rows) * pass_seconds(problem)


def cheap(problem):
    """Whether its Hessian is."""
    passes, more = CHEAPEST
    return gram_seconds(problem, sample_rows(problem)) <= passes * pass_seconds(problem) + more


def worth(time, problem):
    """How many passes fit into so many seconds, about; at least a usual problem's."""
    return max(USUAL, time / (pass_seconds(problem) + FREE))


def newton(problem, u, b, report, cold=True, seed=0, most=np.inf):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop, or for about so many passes.

    Returns
    -------
    None, or (u, b, a)
        Where another method should go on; a is a function that makes the dual point.

    References
    ----------
    Byrd, Chin, Neveitt and Nocedal (2011), On the use of stochastic Hessian information in optimization methods for machine
    learning.
    """
    rows, quadratic = sample_rows(problem), problem.loss.quadratic
    sample = problem if rows == problem.n else problem.sample(rows, seed)
    parts, hessian = [sample], None
    while cold and not quadratic and parts[0].n > GROWTH * max(FEWEST, COARSE * problem.d):
        parts.insert(0, parts[0].sample(max(FEWEST, COARSE * problem.d, parts[0].n // 10), seed + len(parts)))
    for part in parts:
        if cold and part is not problem:
            u, b, *_ = descend(part, u, b, Quiet(part), hessian or Hessian.at(part, u, b))
        hessian = Hessian.at(part, u, b)
    *left, over = descend(problem, u, b, report, hessian, most)
    return None if over else left


class Quiet:
    """The report of a sample's problem: over when the error is far below that of having seen but a sample."""

    tol = 0.0

    def __init__(self, sample):
        self.enough, self.passes = 0.1 * (sample.d + 1) / sample.n, 0

    def __call__(self, step):
        self.passes += 1
        return step.stuck or step.estimate <= self.enough * abs(step.objective) or self.passes > PASSES


def descend(problem, u, b, report, hessian, most=np.inf):
    """Quasi-Newton on all rows of the problem, for so many passes.

    Returns
    -------
    u, b, a, over
        Where it ended, a function that makes its dual point, and whether `report` said so.
    """
    loss, z, g, gradient = problem.slopes(u, b)
    F, before, passes, since, failed = loss + problem.penalty(u), np.inf, 0, 0, 0
    while True:
        r, passes, since = -problem.full(gradient, u), passes + 1, since + 1
        decrement, bound, change = float(r @ hessian.solve(r)), -np.inf, None
        estimate, gap = hessian.expected(decrement, r)
        if gap <= hessian.close * report.tol * abs(F):
            bound, change = hessian.least(problem, u, b, loss, z, g, gradient)
            failed += bound == -np.inf
        a = partial(_dual, g, change)
        if report(Step(u, b, F, bound, estimate, a)):
            return u, b, a, True
        if passes >= (most if hessian.known else min(most, USUAL)):
            return u, b, a, False
        worth = hessian.worth(problem)
        if since >= worth and (decrement > SLOW * before or failed > 1 or since > LOST or (not worth and passes > 1)):
            hessian, since, failed, decrement = hessian.better(problem, u, b, passes), 0, 0, np.inf
        p, before = hessian.direction(r), decrement
        search = _exact if problem.loss.quadratic else _search
        size, F, z, new = search(problem, u, b, p, z, F, float(r @ p), g, gradient)
        if size == 0:
            stuck = (
                hessian.known
                and float(r @ p) <= ROUNDING * abs(F)
                and report(Step(u, b, F, bound, estimate, a, stuck=True))
            )
            return u, b, a, stuck
        since += LOST * (size < SHORT)
        (s, s_b), (loss, g, gradient) = problem.split(size * p), new
        u, b = u + s, b + s_b
        hessian.learn(size * p, problem.full(gradient, u) + r)


def _dual(g, change):
    """Minus the slopes, but for (rows, what is added to them)."""
    a = -g
    if change is not None:
        a[change[0]] += change[1]
    return a


@np.errstate(over="ignore", invalid="ignore")  # too far: not less, and so not taken
def _search(problem, u, b, p, z, F, slope, *_):
    """Backtracking along p: (size, F there, margins, (mean loss, slopes, gradient))."""
    size, (step, step_b) = 1.0, problem.split(p)
    loss, there, g, gradient = problem.slopes(u + step, b + step_b)
    new = loss + problem.penalty(u + step)
    if new <= F - SUFFICIENT * slope:
        return size, new, there, (loss, g, gradient)
    t = there - z
    while size > 1e-10:  # to the least of the parabola
        bend = (new - F) / size + slope
        size *= min(max(0.5 * slope / bend, 0.05), 0.5) if np.isfinite(bend) else 0.05
        value, g = problem.loss.both(z + size * t, problem.y)
        loss = problem.mean(value)
        new = loss + problem.penalty(u + size * step)
        if new <= F - SUFFICIENT * size * slope:
            return size, new, z + size * t, (loss, g, problem.pull(problem.weighted(g))[:2])
    return 0.0, F, z, None


def _exact(problem, u, b, p, z, F, slope, g, gradient):
    """The least along p of a parabola, from the pass at its end: slopes and gradient change in proportion."""
    step, step_b = problem.split(p)
    loss, there, g_1, gradient_1 = problem.slopes(u + step, b + step_b)
    bend = float(problem.full(gradient_1, u + step) @ p) + slope
    size = slope / bend if bend > 0 else 0.0
    g, z = g + size * (g_1 - g), z + size * (there - z)
    loss = 0.5 * problem.mean(g, g)
    new = loss + problem.penalty(u + size * step)
    if not new < F:
        return 0.0, F, z, None
    gradient = tuple(old + size * (one - old) for old, one in zip(gradient, gradient_1, strict=True))
    return size, new, z, (loss, g, gradient)
