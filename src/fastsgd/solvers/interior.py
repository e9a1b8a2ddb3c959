"""Primal-dual interior points, whatever the correlation and the scale of the data: for losses made of lines and parabolas, and
for L1 beside a smooth loss.

Such a loss is a sum of pieces, each the most that a number within bounds can make of z:

    loss(z, y) = sum of max over low <= a <= high of  a (t - z) - bend a^2 / 2

So is an L1 penalty: l1_j times the most of a (0 - u_j), -1 <= a <= 1. Each iteration is a Hessian of all rows, and a few passes;
there are some twenty of them.
"""

from operator import itemgetter

import numpy as np

from fastsgd.solvers.hessian import CALL_SECONDS, Hessian, curvature, gram, gram_seconds, pass_seconds
from fastsgd.solvers.report import Step

USUAL_ITERATIONS, PASSES_PER_ITERATION = 15, 8  # A usual problem takes these, by which the time is estimated.
ROW_SECONDS = 1e-7  # An iteration takes this long for a row, beside the passes and the Hessian.
BOUND_SHARE = 0.995  # A step goes at most this share of the way to the next bound.
MAX_MARGIN_STEP = 2.0  # A step on a smooth loss moves no margin further.
MIN_STEP = 1e-9  # A shorter step, as a share of Newton's, ends it.
ROUNDING = 1e-15  # Products below this share of the objective are rounding.


def applies(problem):
    """Whether the loss, or the penalty beside a smooth loss, is made of such pieces."""
    return problem.loss.offers("pieces") or (problem.l1 > 0 and problem.loss.offers("second"))


def seconds(problem):
    """What a certificate takes, about."""
    one = gram_seconds(problem, problem.n) + PASSES_PER_ITERATION * pass_seconds(problem)
    return USUAL_ITERATIONS * (one + problem.n * ROW_SECONDS + CALL_SECONDS)


class Pieces:
    """The numbers a, and what they press with against their bounds: (pieces, n) each.

    `down` belongs to a - low, `up` to high - a: on the way to the optimum their products fall to 0, all together.
    """

    def __init__(self, pieces, weight, z, size):
        shape = len(pieces), len(z)
        self.t, self.bend, self.low, self.high = (
            np.array([np.broadcast_to(piece[i], shape[1]) for piece in pieces], float).reshape(shape) for i in range(4)
        )
        self.weight, self.has_low, self.has_high = weight, np.isfinite(self.low), np.isfinite(self.high)
        width = self.high - self.low
        usual = np.where(np.isfinite(width), width, 2.0 * size)
        ends = np.where(self.has_low, self.low, self.high - usual) + 0.5 * usual
        self.a = np.where(self.has_low | self.has_high, ends, 0.0)
        # These are kept beside a, as a difference would be rounded to 0; they are 1 where there is no bound.
        self.below = np.where(self.has_low, self.a - self.low, 1.0)
        self.above = np.where(self.has_high, self.high - self.a, 1.0)
        left = self.left(z)
        self.down, self.up = (
            self.has_low * (np.maximum(-left, 0.0) + size),
            self.has_high * (np.maximum(left, 0.0) + size),
        )

    def left(self, z):
        """The slope in a, at z, of what is made the most of."""
        return self.t - z - self.bend * self.a

    def products(self, size=0.0, step=(0.0, 0.0, 0.0)):
        """The sum of the products, after such a step."""
        a, down, up = (size * change for change in step)
        sums = (self.down + down) * (self.below + a * self.has_low) + (self.up + up) * (self.above - a * self.has_high)
        return float((self.weight * sums).sum())

    def error(self, z):
        """How far the a are from being those of z, as a part of the objective."""
        return float((self.weight * abs((self.left(z) + self.down - self.up) * self.a)).sum())

    def most(self, F):
        """A number that no mean of a x, x of mean square 1, exceeds where the objective is at most F."""
        if np.isfinite(self.low).all() and np.isfinite(self.high).all():
            return 4.0 * np.maximum(-self.low, self.high).sum(axis=0).max()
        return 8.0 * np.sqrt(F)  # a^2 is at most 4 loss.

    def number(self):
        return float((self.weight * (self.has_low * 1.0 + self.has_high)).sum())

    def aim(self, z, mu, before):
        """For products of mu, less what the step `before` is to change in them: (1 / slope of a in z, a where z stays)."""
        a, down, up = before
        self.to = self.has_low * (mu - a * down), self.has_high * (mu + a * up)
        self.steep = self.bend + self.down / self.below + self.up / self.above
        self.pull = self.left(z) + self.to[0] / self.below - self.to[1] / self.above
        return (1.0 / self.steep).sum(axis=0), (self.a + self.pull / self.steep).sum(axis=0)

    def step(self, moved):
        """The step (a, down, up) that goes with the step `moved` of z."""
        a = (self.pull - moved) / self.steep
        down, up = (self.to[0] - self.down * a) / self.below, (self.to[1] + self.up * a) / self.above
        return a, down - self.down, up - self.up

    def furthest(self, step):
        """The size of the step that reaches the first bound."""
        changes = step[0] * self.has_low, -step[0] * self.has_high, step[1], step[2]
        values = self.below, self.above, self.down, self.up
        worst = max(
            np.max(-change / np.where(value > 0, value, 1.0), initial=0.0)
            for value, change in zip(values, changes, strict=True)
        )
        return 1.0 / worst if worst > 0 else np.inf

    def zero(self, size):
        """Which z are to be 0: a is nearer to the middle of its bounds than z, of that usual size, is to where it would be."""
        room = np.minimum(self.below, self.above) / (self.high - self.low)
        return (room * size > np.maximum(self.down, self.up)).all(axis=0)

    def advance(self, size, step):
        a, down, up = (size * change for change in step)
        self.a, self.down, self.up = self.a + a, self.down + down, self.up + up
        self.below, self.above = self.below + a * self.has_low, self.above - a * self.has_high


class Smooth:
    """Rows of a smooth loss, as `Pieces`: a is minus the slope, and Newton's step is taken in z."""

    number, products, error = staticmethod(lambda: 0.0), staticmethod(lambda *step: 0.0), staticmethod(lambda z: 0.0)

    def __init__(self, problem, z):
        self.problem = problem
        self.advance(0.0, z)

    def advance(self, size, step):
        self.z = step if size == 0 else self.z + size * step
        self.g = self.problem.both(self.z)[1]
        self.a = -self.g[None]

    def aim(self, z, mu, before):
        return curvature(self.problem, self.g), self.a[0]

    def step(self, moved):
        return moved

    def furthest(self, step):
        """Beyond that z the curvature may be another: in a change of 1 it grows e times at most."""
        worst = abs(step).max(initial=0.0)
        return MAX_MARGIN_STEP / worst if worst > 0 else np.inf

    def most(self, F):
        return 4.0 * self.problem.loss.steepest


def interior(problem, u, b, report):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop.

    References
    ----------
    Mehrotra (1992), On the implementation of a primal-dual interior point method.
    """
    p, z = problem, problem.margins(u, b)
    F, size = p.mean_loss(z) + p.penalty(u), 1.0
    if p.loss.offers("pieces"):
        size, weight = p.mean(abs(p.y - z)) or 1.0, (np.ones(p.n) if p.c is None else p.c) / p.n
        rows = Pieces(p.loss.pieces(p.y), weight, z, size)
    else:
        rows = Smooth(p, z)
    l1 = np.minimum(p.penalties[0], rows.most(F))
    sides = Pieces([(0.0, 0.0, -1.0, 1.0)] if p.l1 > 0 else [], l1, u, size)
    number, done, least = rows.number() + sides.number(), False, np.inf
    exact = number == 0 and p.loss.quadratic  # A step then goes to the least; rounding alone brings more.
    while True:
        a, F, at = rows.a.sum(axis=0), p.mean_loss(z) + p.penalty(u), u
        if p.l1 > 0:  # Zeros are only neared; they are taken where that is better.
            sparse = np.where(sides.zero(size), 0.0, u)
            F_sparse = p.mean_loss(p.margins(sparse, b)) + p.penalty(sparse)
            F, at = min((F_sparse, sparse), (F, u), key=itemgetter(0))
        done, least = done or (exact and least <= F), min(F, least)
        force = _force(p, a, l1 * sides.a.sum(axis=0), u)
        products = rows.products() + sides.products()
        estimate = products + rows.error(z) + float(abs(force) @ abs(np.append(u, b)[: len(force)]))
        if report(Step(at, b, F, p.least(a)[0], estimate, lambda a=a: a, stuck=done)):
            return
        (s, s_b, moved), steps, length = _step(p, rows, sides, u, z, products, number)
        length = min(1.0, BOUND_SHARE * length) if number else 1.0
        u, b, z = u + length * s, b + length * s_b, z + length * moved
        rows.advance(length, steps[0])
        sides.advance(length, steps[1])
        done = not length > MIN_STEP or (number > 0 and products <= ROUNDING * abs(F))


def _step(p, rows, sides, u, z, products, number):
    """Mehrotra's predictor and corrector, by the sum of the products and their number; without any, one step of Newton's method.

    Returns
    -------
    (u, b, z), (rows, sides), float
        By how much they change, and the size of the step that reaches the first bound.
    """
    mu, steps, hessian = 0.0, [(0.0, 0.0, 0.0)] * 2, None
    while True:
        h, a_rows = rows.aim(z, mu, steps[0])
        h_sides, a_sides = sides.aim(u, mu, steps[1])
        predicts = hessian is None
        if predicts:
            H = gram(p, p.weighted(h))
            np.einsum("ii->i", H)[: p.d] += sides.weight * h_sides
            hessian = Hessian(p, h, H)
        s, s_b = p.split(hessian.solve(_force(p, a_rows, sides.weight * a_sides, u)))
        moved = p.margins(s, s_b)
        steps = rows.step(moved), sides.step(s)
        length = min(rows.furthest(steps[0]), sides.furthest(steps[1]))
        if not predicts or not number:
            return (s, s_b, moved), steps, length
        after = rows.products(length, steps[0]) + sides.products(length, steps[1])
        mu = products / number * (max(after, 0.0) / products) ** 3


def _force(p, a_rows, a_sides, u):
    """Mean of a x, less what the penalty asks for: 0 at the optimum."""
    G, g_b, _ = p.pull(p.weighted(a_rows))
    return np.append(G + a_sides - p.penalties[1] * u, [g_b] * p.intercept)
