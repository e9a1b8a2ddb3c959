"""One head's way to the least objective, a round at a time: what it asks of the partitions, and what it makes of the sums.

The objective, its gradient and its Hessian are sums over rows, so the iterates don't depend on how the rows are parted. A round
has the next iterate, and what is needed to go on from there or, if it was no better, to choose another.
"""

from dataclasses import dataclass

import numpy as np

from fastsgd.solvers.bundle import Bundle
from fastsgd.solvers.hessian import MIN_CURVED_ROWS, Diagonal, Hessian
from fastsgd.solvers.newton import ARMIJO
from fastsgd.solvers.orthant import descent
from fastsgd.solvers.partition import Job, unpacked
from fastsgd.solvers.products import Products
from fastsgd.solvers.proximal import proximal
from fastsgd.solvers.report import Step

FIRST_SIZES = 0.75, 0.5, 0.25, 0.1, 0.0  # Shares of the way from the best constant to the model of the sample.
SIZES = 0.6, 0.35, 0.15, 0.05, 0.01  # Shares of a step.
START_SHARE = 1e-3  # The sample's model is the start where it is no worse than this share of the best on the way there.
MIN_SIZE = 1e-9  # A shorter share of a step may be rounding.
LOST_ROUNDS = 2  # After this many rounds more where the decrement may be rounding, it is over.
NO_SLOPE = 1e-9  # A decrement below this share of F may be rounding, where no step is better.
ROUNDING = 1e-13  # A rise by less than this share of F may be rounding.
# The Hessian of the last iterate is not asked for where the decrement is below this share of the square root of tol, in F: the
# error of a Newton step falls with the square of the decrement.
LAST_STEP_SHARE = 0.03
SCARCE_SHARE = 0.01  # This share of the bound on the curvature is added where few rows have any.
# A column whose curvature in the sample is below this share of the usual one, all being of one size, has too few values there.
RARE_SHARE = 0.5
# A sample's Hessian gives way to that of all rows where SLOW_ROUNDS steps left more than the share SLOW of the decrement.
SLOW, SLOW_ROUNDS = 0.5, 2


@dataclass(frozen=True)
class Ask:
    """A point (u, b), others, and what is wanted: see `Job`."""

    point: tuple
    others: tuple = ()
    base: tuple | None = None
    sizes: tuple = ()
    hessian: bool = False
    sides: bool = False

    @property
    def points(self):
        """All at which the loss is worked out, in its order."""
        along = []
        if self.base is not None:
            (u, b), (u_1, b_1) = self.base, self.point
            along = [(u + size * (u_1 - u), b + size * (b_1 - b)) for size in self.sizes]
        return [self.point, *along, *self.others]


class Descent:
    """Newton's method with the Hessian of all rows or of a sample, or L-BFGS from a diagonal.

    Parameters
    ----------
    problem : Problem
        The sample, in the coordinates of all rows.
    head : int
    weight : float
        Of all rows of this head.
    offset : float
        What is taken from y.
    free : float
        Mean conjugate of slopes that are all 0.
    report : Report
    way : "newton", "sample", "products" or "diagonal"
    kept : (d,) or None
        See `partition.Frame`.
    start : (u, b)
    constant : float or None
        An intercept that with weights of 0 is another start; None where there is none.
    """

    def __init__(self, problem, head, weight, offset, free, report, way, kept, start, constant, seed):
        self.problem, self.head, self.weight, self.offset = problem, head, weight, offset
        self.report, self.way, self.kept, self.seed = report, way, kept, seed
        l1, l2 = problem.penalties
        self.l1, self.l2 = l1, l2
        self.bundle = Bundle(l1, l2, problem.intercept, free)
        self.bounded = problem.l1 > 0 or problem.l2 > 0
        self.at = self.hessian = None
        self.slow, self.lost, self.decrement = 0, 0, np.inf
        newton = {"hessian": way == "newton", "sides": self.bounded and problem.intercept}
        if constant is None:
            self.ask = Ask(start, **newton)
        else:
            self.ask = Ask(start, base=(np.zeros(problem.d), constant), sizes=FIRST_SIZES, **newton)

    # ------------------------------------------------------------ a round
    def job(self):
        """What the tasks are to do."""
        ask, out = self.ask, self.problem.outward
        base = None if ask.base is None else out(*ask.base)
        others = tuple(out(*point) for point in ask.others)
        sizes = ask.sizes if base is not None else ()
        w, b = out(*ask.point)
        return Job(self.head, self.offset, w, b, others, base, sizes, hessian=ask.hessian, sides=ask.sides)

    @np.errstate(over="ignore", invalid="ignore", divide="ignore")
    def take(self, sums):
        """Go on from the sums of what was asked; True when it is over."""
        ask, points = self.ask, self.ask.points
        losses = sums.losses / self.weight
        values = np.array([loss + self.problem.penalty(u) for loss, (u, _) in zip(losses, points, strict=True)])
        values[~np.isfinite(values)] = np.inf
        gradient, best = self._pulled(sums.G, sums.total), int(values.argmin())
        self._learn_duals(sums, gradient)
        if self._accepts(values):
            return self._arrive(ask.point, values[0], gradient, sums)
        if values[best] < (np.inf if self.at is None else self.at[2]):
            self.ask = Ask(points[best], hessian=self.way == "newton")
            return self._tell(points[best], values[best])
        return self._shorter(values)

    def _pulled(self, G, total):
        problem = self.problem
        return (
            (G - problem.centre * total) * problem.inverse / self.weight,
            total / self.weight if problem.intercept else 0.0,
        )

    def _learn_duals(self, sums, gradient):
        if self.bounded:
            n, at = self.weight, abs(self.ask.point[1])
            if sums.sides is not None:
                V, (left, up, down) = sums.sides[:-3], sums.sides[-3:]
                self.bundle.keep(up / n, *self._pulled(V, left), left / n)
                self.bundle.keep(down / n, *self._pulled(sums.G - V, sums.total - left), (left - sums.total) / n)
            self.bundle.add(sums.conjugate / n, gradient[0], gradient[1], sums.size / n, at)

    def _accepts(self, values):
        """Whether the point is taken."""
        if self.at is None:
            return values[0] < np.inf and values[0] <= values.min() + START_SHARE * abs(values.min())
        u, b, F, _, r = self.at
        new, new_b = self.ask.point
        moved = np.append(new - u, new_b - b) if self.problem.intercept else new - u
        slope = float(r @ moved)
        return values[0] <= F - ARMIJO * max(slope, 0.0) + ROUNDING * abs(F)

    def _arrive(self, point, F, gradient, sums):
        """Tell of the new iterate, and choose the next."""
        problem, (u, b) = self.problem, point
        before, self.at = self.at, (u, b, F, gradient, descent(problem, u, gradient))
        full = problem.full(gradient, u)
        if sums.H is not None:
            self.hessian, self.H = self._of_all(sums)
        elif self.hessian is None:
            self.hessian, self.H = self._of_sample(u, b, sums.bend / self.weight), None
        elif before is not None:
            moved = np.append(u - before[0], b - before[1]) if problem.intercept else u - before[0]
            self.hessian.learn(moved, full - problem.full(before[3], before[0]))
        r = self.at[4]
        p, decrement = self._step(u, r, full)
        if self.way != "diagonal" and self.bounded:
            self._dual_of_sample(u, b, sums, gradient, p, full)
        estimate = self._estimate(decrement, sums)
        self._watch(decrement)
        self.lost += decrement <= ROUNDING * abs(F)
        lost = self.lost > LOST_ROUNDS or (not self.bounded and estimate <= 0.1 * self.report.tol * abs(F))
        if self._tell(point, F, estimate, lost):
            return True
        new = u + p[: problem.d]
        if problem.l1 > 0 and self.way != "newton":
            new = self._projected(u, p, 1.0)
        new_b = b + (p[-1] if problem.intercept else 0.0)
        newton = self.way == "newton"
        last = problem.l1 == 0 and decrement <= LAST_STEP_SHARE * np.sqrt(self.report.tol) * abs(F)
        self.p, self.size = p, 1.0
        along = {"base": (u, b), "sizes": SIZES} if newton else {}
        self.ask = Ask((new, new_b), hessian=newton and not last, **along)
        return False

    def _tell(self, point, F, estimate=np.inf, stuck=False):
        return self.report(Step(*point, F, self.bundle.bound, estimate, stuck=stuck))

    def _shorter(self, values):
        """No point on the way was better: a shorter one is asked for, or none."""
        if self.at is None:  # The start is no number at all; the constant has to do.
            self.ask = Ask((np.zeros(self.problem.d), 0.0), hessian=self.way == "newton")
            return self._tell(self.ask.point, np.inf)
        u, b, F, _, r = self.at
        slope = float(r @ self.p)
        bend = (values[0] - F) / self.size + slope
        shrink = min(max(0.5 * slope / bend, 0.05), 0.5) if np.isfinite(bend) and bend > 0 else 0.05
        self.size *= (min(self.ask.sizes) if self.ask.sizes else 1.0) * shrink
        if self.size < MIN_SIZE:
            self._tell((u, b), F, 0.0 if slope <= NO_SLOPE * abs(F) else np.inf, True)
            return True
        sizes = self.size * np.array([1.0, 0.3, 0.1])
        problem = self.problem
        if problem.l1 > 0 and self.way != "newton":
            points = [(self._projected(u, self.p, size), b + self._of_b(size)) for size in sizes]
        else:
            points = [(u + size * self.p[: problem.d], b + self._of_b(size)) for size in sizes]
        self.ask = Ask(points[0], tuple(points[1:]), hessian=self.way == "newton")
        return self._tell((u, b), F)

    def _of_b(self, size):
        return size * float(self.p[-1]) if self.problem.intercept else 0.0

    # ------------------------------------------------------------ steps
    def _of_all(self, sums):
        """The Hessian of all rows, and the matrix itself."""
        problem, k = self.problem, self.problem.d + self.problem.intercept
        H = unpacked(sums.H, k) / self.weight
        if problem.intercept and self.kept is not None:  # The rows are less their centre.
            c, g, total = (problem.centre - self.kept) * problem.inverse, H[:-1, -1].copy(), H[-1, -1]
            H[:-1, :-1] -= np.outer(c, g - 0.5 * total * c) + np.outer(g - 0.5 * total * c, c)
            H[:-1, -1] -= total * c
        scarce = problem.loss.smooth and sums.curved < MIN_CURVED_ROWS * k
        if scarce:
            H[np.diag_indices(k)] += SCARCE_SHARE * problem.loss.curvature
        made = Hessian(problem, np.zeros(problem.n), H)
        made.known = not scarce
        H = np.triu(H) + np.triu(H, 1).T
        H[np.diag_indices(k)] += np.append(self.l2, np.zeros(k - problem.d))
        return made, H

    def _of_sample(self, u, b, bend):
        if self.way == "diagonal":
            return Diagonal.of(self.problem, u, b, self.seed)
        if self.way == "products":
            return Products.at(self.problem, u, b, bend)
        made = self.certifier = Hessian.at(self.problem, u, b)
        diagonal, usual = np.einsum("ii->i", made.H), self.problem.mean(made.h)
        missing = np.where(diagonal < RARE_SHARE * usual, usual - diagonal, 0.0)
        if not missing[: self.problem.d].any():
            return made
        missing[self.problem.d :] = 0.0
        more = Hessian(self.problem, made.h, made.H + np.diag(missing))
        more.known = made.known
        return more

    def _step(self, u, r, full):
        """(step, decrement)"""
        problem = self.problem
        if problem.l1 > 0 and self.way == "newton":
            l1 = np.append(self.l1, np.zeros(len(full) - problem.d))
            start = np.append(u, 0.0) if problem.intercept else u
            p = proximal(self.H, full, start, l1) - start
            there = float(self.l1 @ (abs(u) - abs(u + p[: problem.d])))
            return p, max(0.0, -float(full @ p) + there)
        p = self.hessian.direction(r)
        if problem.l1 > 0:
            p[p * r <= 0] = 0.0
        return p, float(r @ p)

    def _projected(self, u, p, size):
        """The point after this share of the step, within the orthant."""
        r = self.at[4]
        side = np.where(u != 0, np.sign(u), np.sign(r[: self.problem.d]))
        new = u + size * p[: self.problem.d]
        new[new * side <= 0] = 0.0
        return new

    def _estimate(self, decrement, sums):
        u, _, F, gradient, r = self.at
        if self.way == "diagonal" and self.problem.l1 == 0:
            return self.hessian.expected(decrement, r)[0]
        if self.way == "diagonal":
            return orthant_gap(self.problem, u, gradient, F, sums.size / self.weight)
        return decrement if self.hessian.known else np.inf

    def _watch(self, decrement):
        """Where a sample's Hessian is not good enough, that of all rows takes its place."""
        if self.way == "sample":
            self.slow += decrement > SLOW * self.decrement
            self.decrement = decrement
            if self.slow >= SLOW_ROUNDS:
                self.way = "newton"

    def _certifier(self, u, b):
        """The Hessian of the sample that gives dual points."""
        if self.way == "sample":
            return self.certifier
        return Products.at(self.problem, u, b) if self.way == "products" else Hessian.at(self.problem, u, b)

    def _dual_of_sample(self, u, b, sums, gradient, p, full):
        """The dual point whose slopes are changed on the rows of the sample alone, so that the gradient becomes 0."""
        problem = self.problem
        hessian = self._certifier(u, b)
        if problem.l1 > 0:
            full = -self.H @ p
        z, g = problem.slopes(u, b)[1:3]
        found = hessian.change(full, g)
        if found is None:
            return
        change, after = found
        more, more_b, _ = problem.pull(problem.weighted(change))
        known = problem.mean(g, z) - problem.mean(problem.loss.both(z, problem.y)[0])
        conjugate = sums.conjugate / self.weight + problem.share * (problem.mean(after) - known)
        left = gradient[1] + more_b if problem.intercept else 0.0
        self.bundle.add(conjugate, gradient[0] + more, left, sums.size / self.weight, abs(b))


@np.errstate(over="ignore", invalid="ignore")
def orthant_gap(problem, u, gradient, F, size):
    """As `orthant.expected`, from the mean size of the slopes."""
    (l1, l2), v = problem.penalties, -gradient[0]
    over = np.maximum(abs(v) - l1, 0.0)
    free = (l2 == 0) & (over > 0)
    shrink = float((over[free] / abs(v[free])).max(initial=0.0)) + 2.0 * abs(gradient[1]) / max(size, 1e-300)
    quadratic = np.divide(0.5 * over**2, l2, out=np.zeros(problem.d), where=l2 > 0)
    return abs(problem.penalty(u) - float(v @ u) + float(quadratic.sum())) + shrink * abs(F)
