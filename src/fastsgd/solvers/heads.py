"""All heads of a table: one problem after another, or a few at a time; softmax takes them together."""

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from fastsgd.blas import one_blas_thread
from fastsgd.losses import Loss
from fastsgd.solvers import kept, normal, softmax, working
from fastsgd.solvers.choose import constant, solve
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Report
from fastsgd.solvers.rounding import (
    CHECKED_SHARE,
    MODEL_ROUNDING,
    RESIDUAL_ROUNDING,
    ROUNDING,
    check_sizes,
    moved_by_rounding,
    negligible,
)
from fastsgd.solvers.squares import Squares
from fastsgd.solvers.targets import head_targets
from fastsgd.threads import Threads

FEW_VALUES = 4  # Where CSR has fewer values a column, most columns may have none, as of hashed features.


@dataclass(frozen=True)
class Task:
    """What is to be solved, for each head, and how far.

    Attributes
    ----------
    loss : Loss
    l1, l2 : float
        Factors of |w|_1 and of |w|_2^2 / 2.
    intercept : bool
    tol : float
        The relative gap at which a solver ends.
    max_iter : int
        Passes of a solver at most.
    seed : int
    n_jobs : int
        Threads: heads are solved at once, and blocks of rows are passed over at once. No bit depends on it.
    keep_duals : bool
        Whether the dual points are wanted, to start from next time.
    normal : bool
        Solve the normal equations: of squared error without L1.
    """

    loss: Loss
    l1: float
    l2: float
    intercept: bool
    tol: float
    max_iter: int
    seed: int = 0
    n_jobs: int = 1
    keep_duals: bool = False
    normal: bool = False


class Path:
    """What is kept from one penalty to the next.

    Attributes
    ----------
    frames : dict of int to Problem
        That of each head whose centre and scale of the columns the others take.
    kept : dict of int to Kept, Squares or Working
    """

    def __init__(self):
        self.frames, self.kept = {}, {}


class Heads:
    """The heads of a table, solved.

    Parameters
    ----------
    table : Table
        Its X as a kernel reads it.
    K : int
    task : Task
    each : callable or None
        `each(heads, report)` after each pass; True stops all.
    start : (W, b, duals or None), or None
    path : Path or None
        What is kept of heads of the same table with other penalties.

    Attributes
    ----------
    W, b : (n_features, K) and (K,) float64
        In the user's units.
    V, in_use : (n_columns, K) float64, and slice or (n_columns,) of int
        The weights of the columns that are solved for, and which they are.
    duals : (K, n) float64, or None
        With `task.keep_duals`: the dual points of the best bounds, or the negative slopes, to start from next time.
    offsets : (K,)
        What is taken from y before it is solved, and put on the intercept: losses of y - p lose no digits to it then.
    reports : list of Report
        Of each head; of softmax one for all.
    reason : str
        Of the head that came least far; "unfinished" while none has ended.
    """

    path, in_use = None, slice(None)
    RANK = ("certified", "estimated", "precision", "callback", "max_iter", "interrupted")

    def __init__(self, table, K, task, each=None, start=None, path=None):
        self.table, self.task, self.each, self.threads = table, task, each, Threads(task.n_jobs)
        n, d = table.X.shape
        self.K, self.start, self.path = K, start, path
        self.V, self.b = (np.zeros((d, K)), np.zeros(K)) if start is None else start[:2]
        self.V, self.b = self.V.copy(), self.b.copy()
        self.n_features = d
        self.duals = np.zeros((K, n)) if task.keep_duals else None
        self.offsets = np.zeros(K)
        self.problems, self.stopped, self._reports, self._frame = {}, None, {}, None
        self._equations = None  # Those that all heads have in common.

    @property
    def W(self):
        """The weights of all columns; those without values have none."""
        if isinstance(self.in_use, slice):
            return self.V
        W = np.zeros((self.n_features, self.K))
        W[self.in_use] = self.V
        return W

    def _leave_out_empty_columns(self):
        """Of CSR most of whose columns have no values: passes, which go over all columns, took up to thirty times as long."""
        X = self.table.X
        if not sp.issparse(X) or X.nnz > FEW_VALUES * X.shape[1]:
            return
        columns, places = np.unique(X.indices, return_inverse=True)
        if len(columns) > X.shape[1] // 2:
            return
        narrow = X.data, places.reshape(-1).astype(X.indices.dtype), X.indptr
        self.table = replace(self.table, X=sp.csr_matrix(narrow, shape=(X.shape[0], len(columns))))
        self.in_use, self.V = columns, self.V[columns]

    def run(self):
        """Solve them all; Ctrl-C ends it with what there is."""
        self._leave_out_empty_columns()
        try:
            with one_blas_thread():
                self._run()
        except KeyboardInterrupt:
            self.stopped = "interrupted"
        return self

    @np.errstate(over="ignore")  # Penalties near the largest number overflow; what is infinite is looked at.
    def _run(self):
        if self.task.loss.coupled:
            usual = np.log(self.K)  # This is the loss of zero weights; none is negative.
            report = self._report(0, ROUNDING * usual, 0.0)
            report.slack = MODEL_ROUNDING[self.table.X.dtype.itemsize] * usual
            try:
                softmax.softmax(self, report)
                self.end(report)
            finally:
                self.keep(report)
        else:
            if self.K > 1 and self.table.s_pos is None:  # All heads have the same columns and weights.
                self._frame = self._problem(*head_targets(self.table, 0, self.threads))
                self._equations = normal.equations(self._frame) if self.task.normal else None
            self.threads.map(self._solve, range(self.K), self._call_off)

    def _problem(self, y, weight, h=0):
        task, frame = self.task, self._frame
        if frame is None and self.path is not None:
            frame = self.path.frames.get(h)
        numbers = task.l1, task.l2, task.intercept
        problem = Problem(self.table.X, y, weight, task.loss, *numbers, frame, self.threads)
        if frame is None and self.path is not None:
            self.path.frames[h] = problem
        return problem

    def _kept(self, problem, h):
        """What is kept of a head along a path, or the working columns, where that pays."""
        if self.path is not None and kept.applies(problem, self.K):
            return self.path.kept.setdefault(h, Squares() if problem.loss.quadratic else kept.Kept())
        if not working.applies(problem):
            return None
        return working.Working() if self.path is None else self.path.kept.setdefault(h, working.Working())

    def _report(self, h, least=0.0, bound=-np.inf):
        self._reports[h] = Report(h, self.task.tol, self.task.max_iter, self._each, least, bound)
        return self._reports[h]

    @property
    def reports(self):
        return [self._reports[h] for h in sorted(self._reports)]

    def _each(self, report):
        if self.each is not None:
            self.keep(report)
            if self.each(self, report):
                self.stopped = "callback"
        return self.stopped is not None

    def _call_off(self):
        """Heads that other threads are at end with their pass: there was an error, or Ctrl-C."""
        self.stopped = self.stopped or "interrupted"

    def keep(self, report):
        """The best iterate of a head, in the user's units."""
        h, best = report.head, report.best
        if best is not None and h in self.problems:
            of = slice(None) if self.task.loss.coupled else h
            self.V[:, of], b = self.problems[h].rounded(best.u, best.b)
            self.b[of] = b + self.offsets[of]
            along = self.path is not None and h in self.path.kept  # No dual point is asked for there.
            if self.duals is not None and not self.task.loss.coupled and not along:
                self.duals[h] = report.dual()

    def end(self, report):
        """Look at the model that the user gets: rounded to the dtype of X."""
        self.keep(report)
        of = slice(None) if self.task.loss.coupled else report.head
        W, b = self.V[:, of], self.b[of]
        self.check_finite(W, b)
        problem, best = self.problems[report.head], report.best
        moved = np.inf if self.task.loss.coupled else moved_by_rounding(problem, best, W, b)
        if moved > CHECKED_SHARE * self.task.tol * abs(best.objective):
            report.returned(problem.value(W, b - self.offsets[of]))

    def check_finite(self, W, b):
        """ValueError where a number of a model is beyond the largest one."""
        if not (np.isfinite(W).all() and np.isfinite(b).all()):
            column = np.flatnonzero(~np.isfinite(W.reshape(len(W), -1)).all(axis=1))
            name = column if isinstance(self.in_use, slice) else self.in_use[column]
            where = f"The coefficient of column {name[0]} of X" if len(name) else "The intercept"
            raise ValueError(
                f"{where} is beyond the largest number of {self.table.X.dtype}. Bring y and that column to a size near 1"
                f"{', or pass X in float64' if self.table.X.dtype == np.float32 else ''}."
            )

    def problem(self, h):
        """That of a head; y less its offset."""
        y, weight = head_targets(self.table, h, self.threads)
        check_some(weight)
        problem = self._problem(y, weight, h)
        check_sizes(problem, self.in_use)
        if self.task.intercept and self.task.loss.residual:
            self.offsets[h] = constant(problem)
            problem.y = y - self.offsets[h]
        return problem

    def _solve(self, h):
        if self.stopped is not None:
            return
        task, problem = self.task, self.problem(h)
        report = self._report(h, negligible(problem, ROUNDING, RESIDUAL_ROUNDING, 0.0), task.loss.least_value)
        slack = MODEL_ROUNDING[self.table.X.dtype.itemsize]
        report.slack = negligible(problem, slack, slack, abs(self.offsets[h]))
        self.problems[h] = problem
        begin = {} if self.start is None else {"w": self.V[:, h], "b": self.b[h] - self.offsets[h]}
        if self.start is not None and self.start[2] is not None:
            begin["a"] = self.start[2][h]
        try:
            if task.normal:
                normal.normal(problem, report, self._equations)
            else:
                solve(problem, report, **begin, seed=task.seed, kept=self._kept(problem, h))
            self.end(report)
        finally:
            self.keep(report)

    @property
    def reason(self):
        reasons = [self.stopped] if self.stopped else []
        reasons += [report.reason for report in self.reports if report.reason is not None]
        return max(reasons, key=self.RANK.index, default="unfinished")

    @property
    def gap(self):
        """The largest relative gap of a head."""
        return max((report.relative_gap for report in self.reports), default=np.inf)

    @property
    def history(self):
        """A row for each pass: (epoch, head, objective, gap, seconds)."""
        return [
            (epoch, report.head, *values) for report in self.reports for epoch, values in enumerate(report.passes, 1)
        ]


def check_some(weight):
    """ValueError where all rows have a weight of 0."""
    if weight is not None and not weight.any():
        raise ValueError("sample_weight times class_weight must not be all zero: there is nothing to train on.")
