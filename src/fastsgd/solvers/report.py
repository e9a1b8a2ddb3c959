"""What a solver tells after each pass, and when it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

MIN_CERTIFICATE_PASSES = 4  # A certificate has at least this many after the estimate is good.


@dataclass
class Step:
    """An iterate, in the coordinates of its problem.

    Attributes
    ----------
    u, b : (d,) and float
    objective : float
        F(u, b).
    bound : float
        A lower bound of min F; -inf where none was worked out.
    estimate : float
        What F - min F probably is.
    a : callable or None
        Makes the dual point (n,), to start from next time.
    stuck : bool
        Rounding lets it go no further.
    """

    u: np.ndarray
    b: float
    objective: float
    bound: float = -np.inf
    estimate: float = np.inf
    a: Callable | None = None
    stuck: bool = False


class Report:
    """Called by a solver with each Step; True says stop. Keeps the best iterate, and the best bound with its dual point.

    Attributes
    ----------
    head : int
    best : Step or None
    bound : float
    slack : float
        An absolute gap that a model in the user's precision may have without a word.
    witness : Step or None
        That whose dual point has this bound; None while that is not better than what was known.
    passes : list of (objective, gap, seconds)
        Of the best iterate after each pass; the gap is absolute.
    reason : str or None
        "certified": the gap is at most tol times the objective. "estimated": the estimate is a tenth of that, and in as
        many passes as that took, or until rounding ended it, there was no such gap. "precision": rounding ended it, or the
        gap is at most `least`, an absolute number, as where the least objective is 0. "max_iter", "callback".
    """

    def __init__(self, head, tol, max_iter, each=None, least=0.0, bound=-np.inf):
        self.head, self.least = head, least
        self.tol, self.max_iter, self.each = tol, max_iter, each
        self.best, self.bound, self.witness, self.passes, self.reason = None, bound, None, [], None
        self.slack = least
        self.started, self._small = perf_counter(), 0

    @property
    def gap(self):
        known = self.best is not None and self.best.objective < np.inf
        return max(0.0, self.best.objective - self.bound) if known else np.inf

    @property
    def lost(self):
        """Whether rounding ended it before the gap was what it was to be."""
        return self.reason == "precision" and self.gap > max(self.tol * abs(self.best.objective), self.slack)

    def dual(self):
        """The dual point (n,) of the best bound; where there is no bound, of the best iterate."""
        return (self.witness or self.best).a()

    @property
    def relative_gap(self):
        if self.gap == 0.0 or self.gap == np.inf:
            return self.gap
        return float(self.gap / abs(self.best.objective)) if self.best.objective else np.inf

    def __call__(self, step):
        if np.isnan(step.objective):
            step.objective = np.inf
        if self.best is None or step.objective <= self.best.objective:
            self.best = step
        if step.bound > self.bound:
            self.bound, self.witness = step.bound, step
        self.passes.append((self.best.objective, self.gap, perf_counter() - self.started))
        aim = self.tol * abs(self.best.objective)
        if step.estimate <= 0.1 * aim:
            self._small = self._small or len(self.passes)
        else:
            self._small = 0
        if self.gap <= aim < np.inf:
            self.reason = "certified"
        elif self._small and (step.stuck or len(self.passes) >= self._small + max(MIN_CERTIFICATE_PASSES, self._small)):
            self.reason = "estimated"
        elif step.stuck or self.gap <= self.least:
            self.reason = "precision"
        if self.each is not None and self.each(self) and self.reason is None:
            self.reason = "callback"
        if self.reason is None and len(self.passes) >= self.max_iter:
            self.reason = "max_iter"
        return self.reason is not None

    def returned(self, objective):
        """The objective of the best iterate once it is rounded to what the user gets: the gap and the reason are of that."""
        aim = self.tol * abs(objective)
        before, (_, _, seconds) = self.best.objective, self.passes[-1]
        self.best.objective = objective if np.isfinite(objective) else np.inf
        self.passes[-1] = (self.best.objective, self.gap, seconds)
        lost = {"certified": self.gap > aim, "estimated": objective - before > aim}
        if lost.get(self.reason):
            self.reason = "precision"
