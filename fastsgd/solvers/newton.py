"""Smooth losses with L2: a quasi-Newton method whose first guess of the Hessian is that of a sample of the rows.

The sample gives the start, too. Each iteration is one pass over all rows: loss, slopes and gradient. The dual point comes
from the same pass: minus the slopes, but on the rows of the sample those of the quadratic model at its step, by which the
gradient is made up for, exactly.
"""

from functools import partial

import numpy as np
from scipy.linalg import blas, cho_factor, cho_solve

from fastsgd._kernels import solve
from fastsgd.solvers.report import Step

ROWS_BYTES = 1 << 18  # rows of the Hessian that are weighted at once, to stay in the cache
COARSE, FINE = 40, 25  # rows of the first sample, and of the last, for each column: at least
FEWEST = 2000
NEAR = 2.5e-3  # the suboptimality of the sample's optimum that is aimed at, gap included
MOST = 0.25  # of the rows: a sample that must be larger might be all of them
GROWTH = 3  # of a sample's rows to those of the next, at least
MEMORY = 10  # of the quasi-Newton method
SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
SLOW = 0.5  # of the decrement that is left after a step: then the Hessian is made anew
ROUNDING = 1e-9  # a decrement below it, as a share of F, may be rounding
TRY, WORTH = 6, 5e-3  # passes, and seconds more, in which a Hessian's time is worth the trial of a diagonal one
EASY = 12  # passes of that trial
CLOSE = 4.0  # what is expected of a gap, over what it is to be: then it is worked out
HOPELESS = 0.01  # of the rows outside it: the step is too large
ROUNDS = 6  # in which rows whose dual would leave its domain are left out of the correction

# The curvature of a smooth loss from its slope g: without another exponential.
CURVATURE = {
    "log_loss": lambda g, y, par: (g + y) * (1.0 - g - y),
    "squared_error": lambda g, y, par: np.ones_like(g),
    "huber": lambda g, y, par: (abs(g) < par["epsilon"]) * 1.0,
    "squared_hinge": lambda g, y, par: (g != 0) * 2.0,
    "modified_huber": lambda g, y, par: ((g != 0) & (abs(g) < 4.0)) * 2.0,
    "squared_epsilon_insensitive": lambda g, y, par: (g != 0) * 2.0,
    "poisson": lambda g, y, par: g + y,
    "gamma": lambda g, y, par: 1.0 - g,
}


def applies(problem):
    """Whether the problem has what Newton's method needs."""
    return problem.l1 == 0 and problem.loss.name in CURVATURE


def curvature(problem, g):
    """Second derivative of each row's loss where its slope is g."""
    return CURVATURE[problem.loss.name](g, problem.y, problem.loss.get_params())


class Hessian:
    """mean of h x x' over the rows of a sample, plus diag(l2); the intercept last.

    Attributes
    ----------
    sample : Problem
    h : (rows of the sample,)
        Curvatures.
    """

    def __init__(self, sample, h, H=None):
        self.sample, self.h = sample, h if sample.c is None else np.where(sample.c > 0, h, 0.0)
        self.H = gram(sample, sample.weighted(self.h)) if H is None else H
        H, d = self.H.copy(order="F"), sample.d
        diagonal = np.einsum("ii->i", H)
        diagonal[:d] += sample.penalties[1]
        little = 1e-14 * max(float(diagonal.max(initial=0.0)), 1e-300)
        diagonal += little
        while True:
            try:
                self.factor = cho_factor(H, lower=False, overwrite_a=False, check_finite=False)
                break
            except np.linalg.LinAlgError:
                little *= 100.0
                diagonal += little

    @classmethod
    def at(cls, sample, u, b):
        """Of the curvatures at (u, b)."""
        return cls(sample, curvature(sample, sample.slopes(u, b)[2]))

    def solve(self, r):
        return cho_solve(self.factor, r, check_finite=False)

    def without(self, rows):
        """The same, but that those rows of the sample have no curvature."""
        less, h = self.sample.rows(rows), self.h.copy()
        h[rows] = 0.0
        return Hessian(self.sample, h, self.H - gram(less, less.weighted(self.h[rows])) * less.share)

    def gap(self, decrement, r):
        """What is to be expected of `least`: the decrement's half in F, and in the dual its half, spread over fewer rows."""
        return 0.5 * decrement * (1.0 + 1.0 / self.sample.share)

    def better(self, problem, u, b, g, seed):
        """That of this iterate, and of four times the rows."""
        rows = 4 * self.sample.n
        if self.sample is problem or 2 * rows > problem.n:
            return Hessian(problem, curvature(problem, g))
        return Hessian.at(problem.sample(rows, seed), u, b)

    def least(self, *args):
        return least(*args[:-1], self, args[-1])


class Diagonal:
    """The diagonal of such a matrix: enough for columns that have little to do with one another, and free."""

    sample = None

    def __init__(self, problem, g):
        usual = max(problem.mean(curvature(problem, g)), 1e-300)
        self.l2 = problem.penalties[1]
        self.diagonal = np.append(usual + problem.penalties[1], usual if problem.intercept else [])

    def solve(self, r):
        return r / self.diagonal

    def gap(self, decrement, r):
        """The gap of minus the slopes, their sum being 0."""
        return float(np.divide(r[: len(self.l2)] ** 2, 2.0 * self.l2, out=np.full(len(self.l2), np.inf), where=self.l2 > 0).sum())

    def least(self, problem, u, b, z, g, gradient, loss, p):
        return problem.least(-g)[0], None


def gram(problem, h):
    """Mean of h x x' over the rows (upper triangle), with the intercept as a last column of ones."""
    n, d, k = problem.n, problem.d, problem.d + problem.intercept
    root, inverse = np.sqrt(h), 1.0 / problem.scale
    if by_values(problem):
        H = np.zeros((k, k))
        squares = solve.squares_csr if problem.sparse else solve.squares_dense
        squares(*problem.arrays, problem.centre, inverse, root, H)
        H /= n
        return H
    H, rows = np.zeros((k, k), order="F"), max(64, ROWS_BYTES // (8 * k))
    part = np.empty((min(rows, n), k))
    for lo in range(0, n, rows):
        X, m = problem.X[lo : lo + rows], min(rows, n - lo)
        solve.weigh(X, problem.centre, inverse, root[lo : lo + m], part)
        H = blas.dsyrk(1.0 / n, part[:m].T, beta=1.0, c=H, overwrite_c=1)
    return H


def by_values(problem):
    """Whether a Hessian is summed over the pairs of nonzero values, and not by BLAS."""
    return problem.sparse or 10.0 * problem.measures.filled**2 < 1.0


def gram_seconds(problem, rows):
    """What `gram` takes for so many rows, about."""
    d = problem.d + 1
    values = problem.measures.filled * d
    return rows * (0.7e-9 * values**2 + d * 0.5e-9 if by_values(problem) else d**2 / 18e9 + d * 1.5e-9)


def pass_seconds(problem):
    """What a pass takes, about."""
    values = problem.d * (problem.measures.filled if problem.sparse else 1.0)
    return problem.n * (values * (1.5e-9 if problem.sparse else 0.35e-9) + 2e-9)


def sample_rows(problem):
    """How many rows give the Hessian: all of them where that is no dearer than what the sample saves."""
    n, d = problem.n, problem.d + 1
    fewest = max(FEWEST, FINE * d)
    affordable = 2.0 * pass_seconds(problem) / gram_seconds(problem, 1)
    return n if MOST * n < fewest else int(max(fewest, min(np.sqrt(d * n / NEAR), affordable, MOST * n)))


def seconds(problem):
    """What a certificate by Newton's method takes, about."""
    rows = sample_rows(problem)
    hessian = gram_seconds(problem, rows) + problem.d**3 / 4e10
    trial = EASY if hessian > TRY * pass_seconds(problem) + WORTH else 0
    return 2.0 * hessian + (trial + 5) * pass_seconds(problem)


def newton(problem, u, b, tol, report, cold=True, seed=0):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop.

    Returns
    -------
    None, or (u, b, a)
        Where it got stuck and another method should go on.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, algorithm 7.4. Byrd, Chin, Neveitt and Nocedal (2011), On the use of
    stochastic Hessian information in optimization methods for machine learning.
    """
    rows = sample_rows(problem)
    if gram_seconds(problem, rows) > TRY * pass_seconds(problem) + WORTH:
        u, b, a, over = descend(problem, u, b, report, most=EASY)
        if over:
            return None
        cold = False
    parts, hessian = [problem] if rows == problem.n else [problem.sample(rows, seed), problem], None
    while cold and problem.loss.name != "squared_error" and parts[0].n > GROWTH * max(FEWEST, COARSE * problem.d):
        parts.insert(0, parts[0].sample(max(FEWEST, COARSE * problem.d, parts[0].n // 10), seed + len(parts)))
    for part in parts[:-1]:
        if cold:
            hessian = hessian or Hessian.at(part, u, b)
            u, b, *_ = descend(part, u, b, Quiet(part), hessian)
        hessian = Hessian.at(part, u, b)
    hessian = hessian or Hessian.at(problem, u, b)
    *left, over = descend(problem, u, b, report, hessian)
    return None if over else left


class Quiet:
    """The report of a sample's problem: over when the error is far below that of having seen but a sample."""

    tol = 0.0

    def __init__(self, sample):
        self.enough, self.passes = 0.1 * (sample.d + 1) / sample.n, 0

    def __call__(self, step):
        self.passes += 1
        return step.stuck or step.estimate <= self.enough * abs(step.objective) or self.passes > 20


def descend(problem, u, b, report, hessian=None, most=np.inf):
    """Quasi-Newton on all rows of the problem, from the Hessian of a sample or (None) a diagonal, for so many passes.

    Returns
    -------
    u, b, a, over
        Where it ended, its dual point, and whether `report` said so.
    """
    loss, z, g, gradient = problem.slopes(u, b)
    F, pairs, before, passes, failed = loss + problem.penalty(u), [], np.inf, 0, 0
    hessian = Diagonal(problem, g) if hessian is None else hessian
    while True:
        r = -_full(problem, u, gradient)
        p = hessian.solve(r)
        decrement, bound, a = float(r @ p), -np.inf, None
        if hessian.gap(decrement, r) <= CLOSE * report.tol * abs(F):
            bound, a = hessian.least(problem, u, b, z, g, gradient, loss, p)
            failed += bound == -np.inf
        a, passes = a or partial(_dual, g), passes + 1
        if report(Step(u, b, F, bound, decrement, a=a)):
            return u, b, a, True
        if passes >= most:
            return u, b, a, False
        if (decrement > SLOW * before or failed > 1) and hessian.sample is not None:
            failed = 0
            hessian, pairs, decrement = hessian.better(problem, u, b, g, passes), [], np.inf
            p = hessian.solve(r)
        before = decrement
        p = _two_loops(r, pairs, hessian) if pairs else p
        slope = float(r @ p)
        size, F, z, new = _search(problem, u, b, p, z, F, slope)
        if size == 0:
            stuck = slope <= ROUNDING * abs(F) and report(Step(u, b, F, bound, decrement, a=a, stuck=True))
            return u, b, a, stuck
        u, b = u + size * p[: problem.d], b + (size * p[-1] if problem.intercept else 0.0)
        loss, g, gradient = new
        s, q = size * p, _full(problem, u, gradient) + r
        if float(s @ q) > 0:
            pairs = [*pairs, (s, q)][-MEMORY:]


def _two_loops(r, pairs, hessian):
    """The direction of L-BFGS from steps s and the changes q of the gradient: those make up for what the Hessian misses."""
    r, taken = r.copy(), []
    for s, q in reversed(pairs):
        share = float(s @ r) / float(s @ q)
        taken.append(share)
        r = r - share * q
    p = hessian.solve(r)
    for (s, q), share in zip(pairs, reversed(taken), strict=True):
        p = p + (share - float(q @ p) / float(s @ q)) * s
    return p


def _search(problem, u, b, p, z, F, slope):
    """Backtracking along p: (size, F there, margins, (mean loss, slopes, gradient))."""
    size, d = 1.0, problem.d
    loss, there, g, gradient = problem.slopes(u + p[:d], b + (p[d] if problem.intercept else 0.0))
    new = loss + problem.penalty(u + p[:d])
    if new <= F - SUFFICIENT * slope:
        return size, new, there, (loss, g, gradient)
    t = there - z
    while size > 1e-10:
        size *= 0.5
        value, g = problem.loss.both(z + size * t, problem.y)
        loss = problem.mean(value)
        new = loss + problem.penalty(u + size * p[:d])
        if new <= F - SUFFICIENT * size * slope:
            return size, new, z + size * t, (loss, g, problem.pull(problem.weighted(g))[:2])
    return 0.0, F, z, None


def least(problem, u, b, z, g, gradient, loss, hessian, p):
    """A lower bound of min F from one pass and the rows of the Hessian, and its dual point.

    With a = -g - h t on the sample's rows, t the margins of the step p, and -g on the others, mean a x is what the penalty
    asks for; what rounding leaves of it is paid for. Where a leaves the domain of the loss's conjugate, the row's h is set
    to 0, and another step taken.
    """
    sample, l2 = hessian.sample, problem.penalties[1]
    g_s = g if sample is problem else g[sample.at]
    G, g_b = gradient
    for _ in range(ROUNDS):
        change = hessian.h * sample.margins(*_split(sample, p))
        after = sample.loss.conjugate(g_s + change / sample.share, sample.y)
        bad = np.flatnonzero(~np.isfinite(after))
        if not len(bad):
            break
        if len(bad) > HOPELESS * sample.n:
            return -np.inf, None
        hessian = hessian.without(bad)
        p = hessian.solve(-_full(problem, u, gradient))
    else:
        return -np.inf, None
    more, more_b, _ = sample.pull(sample.weighted(change))
    v, v_b = G + more, (g_b + more_b) if problem.intercept else 0.0
    if abs(v_b) > 1e-10 * sample.mean(abs(g_s)):  # more than rounding
        return -np.inf, None
    conjugate = sample.mean(after)
    if sample is not problem:  # of the other rows by Fenchel's equality
        z_s = z[sample.at]
        known = sample.mean(g_s, z_s) - sample.mean(sample.loss.both(z_s, sample.y)[0])
        conjugate = problem.mean(g, z) - loss + sample.share * (conjugate - known)
    quadratic = np.divide(v**2, 2.0 * l2, out=np.where(v == 0, 0.0, np.inf), where=l2 > 0)
    dual = partial(_dual, g, sample.at, change / sample.share)
    return -conjugate - float(quadratic.sum()) - abs(v_b * b), dual


def _dual(g, at=slice(0), change=0.0):
    a = -g
    a[at] -= change
    return a


def _full(problem, u, gradient):
    """A gradient of the mean loss with the L2 part: one vector, the intercept last."""
    G, g = gradient
    G = G + problem.penalties[1] * u
    return np.append(G, g) if problem.intercept else G


def _split(problem, p):
    return (p[:-1], float(p[-1])) if problem.intercept else (p, 0.0)
