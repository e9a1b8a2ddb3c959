"""Smooth losses with L1 and many columns: the problem of a few columns at a time, and a certificate of all of them.

Most coefficients are 0, so most columns need not be gone over. The dual point of the problem of the working columns, brought
to where the dual objective of all columns is finite, is a certificate of all. It takes one pass over X, which tells which
columns are missing, too. Along a path the working columns and what the last pass told are kept.
"""

from functools import partial

import numpy as np

from fastsgd.solvers.hessian import pass_seconds
from fastsgd.solvers.kept import Kept, dual_bound
from fastsgd.solvers.newton import smooth
from fastsgd.solvers.problem import Measures, Problem
from fastsgd.solvers.proximal import Effort
from fastsgd.solvers.report import Report, Step
from fastsgd.solvers.squares import Squares

MIN_COLUMNS = 1000  # With fewer columns passes over all of them are cheap.
ADDED_COLUMNS = 50  # At most this many columns are added at once, or as many as there are coefficients other than 0.
# A new penalty begins with the columns whose coefficients are not 0, if there are this many times more.
SURPLUS = 2
# Another method goes on where more columns than MAX_COLUMNS are needed, or more than MAX_SHARE of all; or where, after
# TRIED_COLUMNS, so many are missing that it will come to that. It does not with fewer rows.
MAX_COLUMNS, MAX_SHARE = 1500, 0.5
TRIED_COLUMNS, MAX_MISSING = 300, 4000
# Another method goes on, too, where Newton's steps are to take this many seconds and the time of as many passes over all columns
# as the user allows, but no more than of MAX_PASSES.
SECONDS, MAX_PASSES = 0.2, 1000
INNER_SHARE = 0.3  # The problem of the working columns is solved to this share of tol.


def applies(problem):
    """Whether this method serves the problem."""
    if problem.l2 > problem.l1:  # So few coefficients are 0, and certificates are easy.
        return False
    return problem.l1 > 0 and smooth(problem) and not problem.loss.scarce and problem.d >= MIN_COLUMNS


class Working:
    """The working columns of one head.

    Attributes
    ----------
    columns : (k,) intp
        They rise.
    X : (n, k) ndarray or CSR
        The values there; None where the columns have changed.
    kept : Kept or Squares
        What Newton's method keeps of their problem.
    seen : (v, mean conjugate) or None
        What the last pass told of a dual point a: v the mean of a x, for all columns.
    free : float or None
        See `Kept`.
    over : bool
        Another method had to go on. Smaller penalties need more columns, so it does from the start at the next.

    References
    ----------
    Massias, Gramfort and Salmon (2018), Celer: a fast solver for the lasso with dual extrapolation. Tibshirani et al. (2012),
    Strong rules for discarding predictors in lasso-type problems.
    """

    def __init__(self):
        self.columns, self.X, self.kept = np.zeros(0, np.intp), None, None
        self.seen, self.free, self.over = None, None, False

    def solve(self, problem, u, b, report):
        """Minimise from (u, b) until `report` says stop, or Newton's method can't solve the problem of the columns.

        Returns
        -------
        None, or (u, b, a)
            From where another method should go on, with all columns; a is None where no dual point is known.
        """
        if self.over:
            return u, b, None
        a, anew = None, True
        effort = Effort(SECONDS + min(MAX_PASSES, report.max_iter) * pass_seconds(problem))
        if self.seen is None:
            self._look(problem, -problem.slopes(u, b)[2])
        while self._take(problem, u, anew):
            inner = Report(report.head, INNER_SHARE * report.tol, report.max_iter, least=report.least)
            part, left = self._part(problem), (u[self.columns], b)
            (self.kept.kept if problem.loss.quadratic else self.kept).effort = effort
            failed = self.kept.solve(part, *left, inner) is not None
            u, b, anew = np.zeros(problem.d), inner.best.b, False
            u[self.columns] = inner.best.u
            a = self._look(problem, inner.dual())
            bound = dual_bound(problem, self, *reversed(self.seen))
            if report(Step(u, b, inner.best.objective, bound, a=partial(np.asarray, a))):
                return None
            if failed:
                break
        self.over = True
        return u, b, a

    def _look(self, problem, a):
        """The dual point a with a mean of 0, of which a pass tells."""
        a = problem._balanced(a) if problem.intercept else a
        self.seen = problem.pull(problem.weighted(a))[0], problem.mean(problem.conjugate(-a))
        return a

    def _take(self, problem, u, anew):
        """Choose the columns; False where they are too many, or none is missing though they have been solved for."""
        excess, active = abs(self.seen[0]) / problem.penalties[0], np.flatnonzero(u)
        most, excess[self.columns] = max(ADDED_COLUMNS, len(active)), 0.0
        missing = np.flatnonzero(excess > (1.0 if len(self.columns) else min(1.0, 0.999 * excess.max())))
        if len(self.columns) >= TRIED_COLUMNS and min(len(missing), problem.n) > MAX_MISSING:
            return False
        if len(missing) > most:
            missing = missing[np.argpartition(-excess[missing], most)[:most]]
        stay = self.columns
        if anew and len(stay) > SURPLUS * (len(active) + ADDED_COLUMNS):
            stay = active
        columns = np.union1d(stay, np.append(missing, active))
        if len(columns) != len(self.columns) or self.kept is None:
            self.columns, self.X = columns, None
            self.kept = Squares() if problem.loss.quadratic else Kept()
        elif not anew:
            return False
        return len(columns) <= min(MAX_COLUMNS, MAX_SHARE * problem.d)

    def _part(self, problem):
        """The problem of the columns."""
        if self.X is None:
            X = problem.X[:, self.columns]
            self.X = X if problem.sparse else np.ascontiguousarray(X)
        p, frame = problem, _Frame(problem.measures, self.columns)
        return Problem(self.X, p.y, p.c, p.loss, p.l1, p.l2, p.intercept, frame, p.threads)


class _Frame:
    """Centre and scale of some columns."""

    def __init__(self, measures, at):
        self.measures = Measures(*(one[at] for one in measures[:-1]), measures.filled)
