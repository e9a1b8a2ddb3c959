"""A dual point made feasible: what a certificate lacks where a tiny L2 penalty makes the least residue of it dear."""

import numpy as np

from fastsgd.solvers.hessian import Hessian, gram_seconds

CORRECTIONS = 4  # One matrix serves for this many.
MAX_COLUMNS = 2000  # With more columns no matrix is made.
FAR_MARGIN = 1e300  # A slope there is what slopes tend to.
FIRST_PASSES = 8  # It is tried after this many.
PASSES_GROWTH = 1.5  # It is tried again once the passes are this many times what they were.


class Polish:
    """Tries it now and then, when the matrix takes no longer than half of all passes until now, by the models of their time."""

    def __init__(self, problem, one):
        self.problem, self.next = problem, FIRST_PASSES
        if problem.d <= MAX_COLUMNS:
            self.next = max(FIRST_PASSES, 2.0 * gram_seconds(problem, problem.n) / one)
        else:
            self.next = np.inf

    def __call__(self, passes, a, u, F, bound, tol):
        """A better (bound, a), or the same."""
        if passes < self.next or F - bound <= tol * abs(F):
            return bound, a
        self.next = PASSES_GROWTH * passes
        made = polished(self.problem, a, u)
        found = self.problem.least(made)[0]
        return (found, made) if found > bound else (bound, a)


@np.errstate(over="ignore", invalid="ignore")  # What overflows is no better.
def polished(problem, a, u):
    """The dual point a changed where it is inside its domain, so that the mean of a x is what the penalty at u asks for.

    The changes are the least in the metric of the rows' distances from the bounds of the domain, as of an interior point.
    """
    with np.errstate(all="ignore"):
        low, high = (-problem.loss.slope(np.full(problem.n, far), problem.y) for far in (FAR_MARGIN, -FAR_MARGIN))
    room = np.minimum(np.minimum(a - low, high - a), 1.0)
    hessian = Hessian(problem, np.maximum(room, 0.0) ** 2)
    l1, l2 = problem.penalties
    for _ in range(CORRECTIONS):
        v, v_b, _ = problem.pull(problem.weighted(a))
        wanted = np.where(u != 0, l2 * u + l1 * np.sign(u), np.clip(v, -l1, l1))
        left = wanted - v
        left = np.append(left, -v_b) if problem.intercept else left
        a = np.clip(a + hessian.h * problem.margins(*problem.split(hessian.solve(left))), low, high)
    return a
