"""Smooth losses with L2: a quasi-Newton method whose first guess of the Hessian is that of a sample of the rows.

The sample gives the start, too. Each iteration is one pass over all rows: loss, slopes and gradient. The dual point comes
from the same pass: the negative slopes, but on the rows of the sample those of the quadratic model at its step, by which the
gradient is made up for, exactly.
"""

from functools import partial

import numpy as np

from fastsgd.solvers.hessian import CALL_SECONDS, Hessian, gram_seconds, pass_seconds, row_seconds
from fastsgd.solvers.report import Step

# A sample has at least MIN_SAMPLE_ROWS rows, and per column FIRST_ROWS_PER_COLUMN in the first and ROWS_PER_COLUMN in the last
# one; where that costs too much, MIN_ROWS_PER_COLUMN.
MIN_SAMPLE_ROWS, FIRST_ROWS_PER_COLUMN, ROWS_PER_COLUMN, MIN_ROWS_PER_COLUMN = 2000, 40, 100, 10
GAP_AFTER_A_PASS = 2.5e-3  # A sample need not be larger than brings the gap to this in one pass over all rows.
MAX_SAMPLE_SHARE = 0.25  # Of a sample that must be larger, all rows are taken.
FREE_HESSIAN_PASSES, MAX_HESSIAN_PASSES = 0.5, 4.0  # A sample's Hessian may take this time anyway, and at most.
MIN_SAMPLE_GROWTH = 3  # A sample has at least this many times the rows of the one before.
USUAL_PASSES = 15  # Another method may take over after this many.
MAX_SAMPLE_PASSES = 20
ARMIJO = 1e-4  # A step is taken if the objective falls by this share of what its slope promises.
MAX_DECREMENT_LEFT = 0.5  # The Hessian is made anew where a step leaves more of the decrement.
SHORT_STEP, SHORT_STEP_PASSES = 0.25, 5  # So short a step says that the Hessian is bad, and counts as this many passes.
ROUNDING = 1e-9  # A decrement below this share of F may be rounding.
UNTRIED_HESSIAN = 2, 5e-3  # A Hessian of this many passes, and seconds more, is made without a trial of a diagonal.


def smooth(problem):
    """Whether the loss has curvatures."""
    return problem.loss.offers("second")


def applies(problem):
    """Whether the problem has what Newton's method needs."""
    return problem.l1 == 0 and smooth(problem)


def sample_rows(problem):
    """How many rows give the Hessian."""
    n, d, affordable = problem.n, problem.d + 1, pass_seconds(problem) / row_seconds(problem)
    fewest = max(MIN_SAMPLE_ROWS, MIN_ROWS_PER_COLUMN * d)
    if MAX_SAMPLE_SHARE * n < fewest:
        return n
    cheap = MAX_HESSIAN_PASSES if problem.loss.quadratic else FREE_HESSIAN_PASSES  # No passes go over the sample then.
    rows = max(cheap * affordable, min(ROWS_PER_COLUMN * d, MAX_HESSIAN_PASSES * affordable))
    return int(max(fewest, min(rows, np.sqrt(d * n / GAP_AFTER_A_PASS), MAX_SAMPLE_SHARE * n)))


def seconds(problem):
    """What a certificate by Newton's method takes, about."""
    rows = sample_rows(problem)
    return 2.0 * gram_seconds(problem, rows) + (5 + 200 * problem.d / rows) * pass_seconds(problem)


def cheap(problem):
    """Whether its Hessian is."""
    passes, more = UNTRIED_HESSIAN
    return gram_seconds(problem, sample_rows(problem)) <= passes * pass_seconds(problem) + more


def worth(time, problem):
    """How many passes fit into this many seconds, about; at least a usual problem's."""
    return max(USUAL_PASSES, time / (pass_seconds(problem) + CALL_SECONDS))


def newton(problem, u, b, report, cold=True, seed=0, most=np.inf):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop, or for about this many passes.

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
    first = max(MIN_SAMPLE_ROWS, FIRST_ROWS_PER_COLUMN * problem.d)
    while cold and not quadratic and parts[0].n > MIN_SAMPLE_GROWTH * first:
        parts.insert(0, parts[0].sample(max(first, parts[0].n // 10), seed + len(parts)))
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
        return step.stuck or step.estimate <= self.enough * abs(step.objective) or self.passes > MAX_SAMPLE_PASSES


def descend(problem, u, b, report, hessian, most=np.inf):
    """Quasi-Newton on all rows of the problem, for this many passes.

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
        a = partial(dual_of, g, change)
        if report(Step(u, b, F, bound, estimate, a)):
            return u, b, a, True
        if passes >= (most if hessian.known else min(most, USUAL_PASSES)):
            return u, b, a, False
        worth = hessian.worth(problem)
        slow = decrement > MAX_DECREMENT_LEFT * before or failed > 1 or since > SHORT_STEP_PASSES
        if since >= worth and (slow or (not worth and passes > 1)):
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
        since += SHORT_STEP_PASSES * (size < SHORT_STEP)
        (s, s_b), (loss, g, gradient) = problem.split(size * p), new
        u, b = u + s, b + s_b
        hessian.learn(size * p, problem.full(gradient, u) + r)


def dual_of(g, change):
    """The negative slopes, but for (rows, what is added to them)."""
    a = -g
    if change is not None:
        a[change[0]] += change[1]
    return a


@np.errstate(over="ignore", invalid="ignore")  # A step that overflows brings no less, and so is not taken.
def _search(problem, u, b, p, z, F, slope, *_):
    """Backtracking along p: (size, F there, margins, (mean loss, slopes, gradient))."""
    size, (step, step_b) = 1.0, problem.split(p)
    loss, there, g, gradient = problem.slopes(u + step, b + step_b)
    new = loss + problem.penalty(u + step)
    if new <= F - ARMIJO * slope:
        return size, new, there, (loss, g, gradient)
    t = there - z
    while size > 1e-10:  # The step goes to the least of the parabola.
        bend = (new - F) / size + slope
        size *= min(max(0.5 * slope / bend, 0.05), 0.5) if np.isfinite(bend) else 0.05
        value, g = problem.both(z + size * t)
        loss = problem.mean(value)
        new = loss + problem.penalty(u + size * step)
        if new <= F - ARMIJO * size * slope:
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
