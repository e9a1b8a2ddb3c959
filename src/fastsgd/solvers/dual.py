"""Proximal-point dual coordinate ascent in a diagonal metric: any convex loss, L1, L2 or both, wide and sparse data.

The problem plus kappa / 2 |(w, b) - centre|^2_M is strongly convex, whatever the penalty, so that its dual can be ascended a
coordinate (a row) at a time, exactly, without a step size. After each epoch the centre moves to where (w, b) is, or, by
Anderson's acceleration, to where it is heading.
"""

from functools import partial
from itertools import count

import numpy as np

from fastsgd._kernels import solve
from fastsgd.solvers.hessian import CALL_SECONDS
from fastsgd.solvers.polish import Polish
from fastsgd.solvers.report import Step
from fastsgd.sources.arrays import Table

# kappa is chosen so that the mean curvature of a row in its own dual is this, at first and within these bounds.
FIRST_ROW_CURVATURE, MIN_ROW_CURVATURE, MAX_ROW_CURVATURE = 0.3, 0.02, 10.0
# kappa changes where the centre moves, as a share of the gap that the epoch left, by more or by less than these.
MOVED_MUCH, MOVED_LITTLE = 1.0, 0.03
MAX_L2_CURVATURE = 25.0  # A sparse row whose curvature under L2 alone is at most this needs no help.
USUAL_PASSES = 12  # A usual problem takes this many, by which the time is estimated.
ANDERSON_HISTORY = 5  # Anderson's acceleration combines this many iterates.
MIN_METRIC = 1e-300  # kappa M is at least this, so that it is not 0 beside an L2 of 0.
CALLS = 8  # The rows of a kernel call of other trainings are visited in this many, so that an epoch is soon called off.
MAX_RISE = 0.1  # An objective above the best one by more than this share of it brings the best iterate back.


def dual(problem, u, b, report, a=None, seed=0, epochs=np.inf):
    """Minimise from (u, b) and the dual point a (None for zeros) until `report` says stop; at most this many epochs.

    Returns
    -------
    None, or (u, b, a)
        Where it was when the epochs were over.

    References
    ----------
    Shalev-Shwartz and Zhang (2014), Accelerated proximal stochastic dual coordinate ascent for regularized loss minimization.
    Walker and Ni (2011), Anderson acceleration for fixed-point iterations.
    """
    p, ascent = problem, Ascent(problem, u, b, a, seed)
    centre, polish = Centre(p, _size(p, u, b), ascent.now), Polish(p, seconds(p) / USUAL_PASSES)
    gap = ascent.epoch(centre)
    for epoch in count(1):
        a, (u, b), now = ascent.a.copy(), ascent.point(), ascent.now
        moved = centre.pull(now)
        estimate = gap + np.sqrt(2.0 * moved * centre.kappa * _square(centre.metric, now))
        centre.move(now, moved, gap, epoch)
        # The next epoch does not wait for the certificate of this one.
        with p.threads.ahead(partial(ascent.epoch, centre)) as ahead:
            bound, z = p.least(a, u, b)
            F = p.mean_loss(z) + p.penalty(u)
            bound, shown = polish(len(report.passes), a, u, F, bound, report.tol)
            if report(Step(u, b, F, bound, estimate, partial(np.asarray, shown))):
                return None
            if epoch >= epochs:
                return u, b, a
            gap = ahead.result()
        centre.compare(now, F)


class Ascent:
    """Where the ascent is: the dual point, and the weights and the intercept that follow from it.

    Attributes
    ----------
    a : (n,)
        The dual point.
    now : (d + 1,)
        The weights; the last is the intercept of the rows less their mean.
    epochs : int
        Begun so far.
    """

    def __init__(self, p, u, b, a, seed):
        self.problem, self.seed, self.epochs = p, seed, 0
        w, b = p.outward(u, b)
        self.now = np.append(w, b + p.measures.mean @ w)
        self.a, self.v, self.v_b = _start(p, a, p.measures.mean)
        self.table = np.zeros((p.d, 3) if p.sparse else (3, p.d))  # of `solve.ascend`
        self.rows = Table(p.X)

    def epoch(self, centre, wanted=lambda: True):
        """Visit each row once, pulled to the centre; returns the gap of this subproblem, about."""
        p, mean = self.problem, self.problem.measures.mean
        at, per, most = self.table.T if p.sparse else self.table
        K, per_b = np.maximum(centre.kappa * centre.M, MIN_METRIC), 1.0 / (centre.kappa * centre.M_b)
        at[:], per[:], most[:] = self.v + K * centre.at[:-1], 1.0 / (p.l2 + K), p.l1
        b, gap, seen = centre.at[-1] + self.v_b * per_b, 0.0, 0.0
        fixed = self.table, p.l1 > 0, mean, self.a, p.y, p.c, p.loss
        for part, whole, _ in self.rows.chunks(p.X.dtype, 1, True, self.seed, self.epochs):
            for order in whole.split(CALLS):
                if not wanted():
                    return np.inf
                b, more, weight = solve.ascend(part.X, order, *fixed, b, per_b)
                gap, seen = gap + more, seen + weight
        self.epochs += 1
        self.v, self.v_b = at - K * centre.at[:-1], (b - centre.at[-1]) / per_b if p.intercept else 0.0
        self.now = np.append(np.sign(at) * np.maximum(abs(at) - most, 0.0) * per, b)
        return max(gap / seen, 0.0) if seen > 0 else 0.0

    def point(self):
        """(u, b) of the problem."""
        w, b = self.now[:-1], self.now[-1]
        return self.problem.inward(w, b - self.problem.measures.mean @ w)


class RowCurvature:
    """The mean curvature that a row is to have in its own dual, by how far the centre moves.

    Attributes
    ----------
    value : float
    epochs : int
        Since it changed.
    """

    def __init__(self):
        self.value, self.epochs = FIRST_ROW_CURVATURE, 0

    def changes(self, moved, gap):
        """Whether it does, after an epoch that moved the centre that much and left that gap."""
        self.epochs, before = self.epochs + 1, self.value
        if self.epochs >= 2 and moved > MOVED_MUCH * gap:
            self.value = min(2.0 * before, MAX_ROW_CURVATURE)
        elif self.epochs >= 2 and moved < MOVED_LITTLE * gap:
            self.value = max(0.5 * before, MIN_ROW_CURVATURE)
        if self.value != before:
            self.epochs = 0
        return self.value != before


class Centre:
    """What the ascent is pulled to, kappa / 2 |(w, b) - centre|^2_M, and how it moves from epoch to epoch.

    Attributes
    ----------
    at : (d + 1,)
        The centre; the last is the intercept of the rows less their mean.
    M, M_b : (d,) and float
        The metric of the weights and of the intercept; `metric` has both.
    kappa : float
    """

    def __init__(self, p, size, start):
        variance = p.measures.variance
        self.problem, self.size, self.variance, self.at = p, size, variance, start
        self.M, self.M_b = np.where(variance > 0, size * variance + p.l2, 1.0), size if p.intercept else np.inf
        self.metric = np.append(self.M, self.M_b if p.intercept else 0.0)
        self.anderson = Anderson(self.metric)
        # L2 alone makes text strongly convex enough: the intercept alone needs a centre.
        if p.sparse and p.l2 > 0 and size * float(variance.sum()) / (p.l2 * p.n) <= MAX_L2_CURVATURE:
            self.metric[:-1] = self.M[:] = 0.0
        self.lowest, self.best, self.astray, self.curvature = np.inf, None, False, RowCurvature()
        self.recurve()

    def recurve(self):
        """Have rows of the mean curvature that is wanted in their own dual."""
        p = self.problem
        self.kappa = _kappa(self.curvature.value, self.size, self.variance, p.l2, self.M, p.n, p.intercept)

    def pull(self, now):
        return 0.5 * self.kappa * _square(self.metric, now - self.at)

    def compare(self, now, F):
        """The epoch before the last one has ended at `now` with the objective F."""
        if self.lowest > F:
            self.lowest, self.best = F, now
        self.astray = self.lowest + MAX_RISE * abs(self.lowest) < F

    def move(self, now, moved, gap, epoch):
        """After that epoch, which ended at `now` with the pull `moved` and the gap."""
        if self.astray and epoch > ANDERSON_HISTORY:  # So acceleration has led.
            self.anderson.forget()
            self.at, self.curvature.epochs = self.best, 0
        elif self.curvature.changes(moved, gap):
            self.recurve()
            self.anderson.forget()
            self.at = now
        else:
            self.at = self.anderson(self.at, now)


def _size(p, u, b):
    """What the slope's slope is, about: the unit of the metric. Where the loss has one in units of y, it is measured."""
    loss = p.loss
    if loss.span == 0:
        return loss.usual_curvature
    z = p.margins(u, b)
    r, at = (p.mean(abs(p.y - z)), p.y) if loss.span == np.inf else (loss.span, z)
    rise = p.mean(loss.both(at + r, p.y)[1] - loss.both(at - r, p.y)[1]) if r > 0 else 0.0
    return rise / (2.0 * r) if rise > 0 else loss.curvature


def seconds(problem):
    """What a certificate by dual ascent takes, about."""
    values = problem.measures.filled * problem.d if problem.sparse else problem.d
    row = values * 5e-9 + 1.6e-7 if problem.sparse else values * 1e-9 + 8e-8
    return USUAL_PASSES * (problem.n * row + CALL_SECONDS)


def worth(time, problem):
    """How many fit into this many seconds, about; at least a usual problem's."""
    return USUAL_PASSES * max(1.0, time / seconds(problem))


def _start(p, a, mean):
    """The dual point, and its means of a (x - mean) and of a."""
    if a is None:
        return np.zeros(p.n), np.zeros(p.d), 0.0
    _, total, G = p.pass_of(None, 0.0, np.empty(p.n), p.weighted(a))
    return a.copy(), (G - mean * total) / p.n, total / p.n


@np.errstate(over="ignore", invalid="ignore")  # A point that is too far has no estimate.
def _square(metric, x):
    """The squared length of x."""
    return float(metric @ x**2)


@np.errstate(divide="ignore")  # A kappa that is too small divides by 0.
def _kappa(c, size, e, l2, M, n, intercept):
    """kappa for which the mean curvature of a row, size (sum e_j / (l2 + kappa M_j) + 1 / (kappa M_b)) / n, is c."""
    if not M.any():
        return 1.0 / (n * c)
    low, high = 1.0 / (n * c), (1.0 + np.count_nonzero(e)) / (n * c)
    if not intercept:
        low *= 1e-3
    while high > 1.05 * low:
        kappa = np.sqrt(low * high)
        found = (size * float((e / (l2 + kappa * M)).sum()) + (1.0 / kappa if intercept else 0.0)) / n
        low, high = (kappa, high) if found > c else (low, kappa)
    return np.sqrt(low * high)


class Anderson:
    """x_next from the last iterates x of a map and their images g: sum of w_k g_k, |sum of w_k (g_k - x_k)| least, sum w = 1."""

    def __init__(self, metric):
        self.metric = metric
        self.forget()

    def forget(self):
        self.images, self.moves = [], []

    def __call__(self, x, image):
        self.images, self.moves = (
            [*self.images, image][-ANDERSON_HISTORY:],
            [*self.moves, image - x][-ANDERSON_HISTORY:],
        )
        R = np.array(self.moves)
        G = (R * self.metric) @ R.T
        m = len(G)
        trace = float(np.trace(G))
        if m == 1 or not trace > 0 or not np.isfinite(trace):
            return image
        weight = np.linalg.solve(G + 1e-8 * trace * np.eye(m), np.ones(m))
        return (weight / weight.sum()) @ np.array(self.images)
