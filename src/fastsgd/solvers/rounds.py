"""All heads of rows that lie in partitions, solved in rounds: in each, every partition is asked once, for all heads.

`run(function, *args, then=)` gives then([function(part, *args) for each partition], *args), the list in their order, wherever
it has that done; the rest of the work is done here. All is made of sums over the partitions, added in their order: the same
partitions give the same bits, whoever works them out, and when. Their number, and how the rows lie in them, change the result by
rounding, and by the sample that they give.
"""

import numpy as np
import scipy.sparse as sp

from fastsgd import penalties
from fastsgd.solvers.choose import constant, solve
from fastsgd.solvers.descent import Descent
from fastsgd.solvers.heads import Heads
from fastsgd.solvers.hessian import by_values, pass_seconds, row_seconds
from fastsgd.solvers.partition import Frame, Job, Wanted, columns, evaluate
from fastsgd.solvers.problem import MIN_DEVIATION_SHARE, Measures, Problem
from fastsgd.solvers.products import MAX_PRODUCTS
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
from fastsgd.solvers.targets import head_targets
from fastsgd.sources.arrays import Table, stacked
from fastsgd.sums import added
from fastsgd.threads import ONE_THREAD

# A sample has MIN_SAMPLE_ROWS rows; where that is not SAMPLE_SHARE of all, up to SAMPLE_ROWS, or SAMPLE_ROWS_PER_COLUMN for each
# column. It has at most SAMPLE_VALUES values: it is sent to where the fit is called, and solved there.
MIN_SAMPLE_ROWS, SAMPLE_ROWS, SAMPLE_ROWS_PER_COLUMN = 2000, 20000, 40
SAMPLE_SHARE, SAMPLE_VALUES = 1 / 4, 1.6e7
SAMPLE_PASSES = 50  # The sample's own problem is solved in at most this many passes,
SAMPLE_TOL = 0.1  # to this share of the error of having seen but a sample, which is about columns / rows.
MAX_HESSIAN_COLUMNS = 3000  # No larger Hessian is made.
# A head needs room for HEAD_VECTORS numbers a column, its steps and dual points, and as many heads are solved at once as have
# HEADS_BYTES.
HEAD_VECTORS, HEADS_BYTES = 40, 1 << 30
# A round takes ROUND_SECONDS beside the work, and the numbers of a Hessian SEND_SECONDS each to be sent. The methods are compared
# by the rounds that they need, about.
ROUND_SECONDS, SEND_SECONDS = 0.1, 1e-8
VECTORS_SECONDS = 3e-8  # What is done here for a number a column, in a round or a product.
ROUNDS = {"newton": 4, "sample": 10, "products": 12, "diagonal": 40}
ROUNDS_WITH_L1 = {"newton": 5, "diagonal": 150}


class Rounds(Heads):
    """The heads of partitioned rows, solved.

    Parameters
    ----------
    run : callable
    shape, dtype
        Those of X, all rows together.
    K : int
        Heads.
    task : Task
    each, start
        As in `Heads`, without dual points.
    """

    def __init__(self, run, shape, dtype, K, task, each=None, start=None):
        self.run_tasks, self.shape, self.K, self.task, self.each, self.start = run, shape, K, task, each, start
        self.table, self.duals, self.offsets = Table(np.zeros((0, shape[1]), dtype)), None, np.zeros(K)
        self.V, self.b = (np.zeros((shape[1], K)), np.zeros(K)) if start is None else (start[0].copy(), start[1].copy())
        self.problems, self.stopped, self._reports, self._frame, self.rounds = {}, None, {}, None, 0
        self.threads = ONE_THREAD

    @np.errstate(over="ignore")
    def _run(self):
        self.columns = self._sums_of_columns()
        if not (self.columns.by_head > 0).all():
            raise ValueError("sample_weight times class_weight must not be all zero: there is nothing to train on.")
        self.table = stacked(self.columns.samples)
        at_once = max(1, int(HEADS_BYTES / (8 * HEAD_VECTORS * max(1, self.shape[1]))))
        for lo in range(0, self.K, at_once):
            if self.stopped is None:
                self._solve_all([self._descent(h, self.columns) for h in range(lo, min(lo + at_once, self.K))])
        self._look(self.columns)

    def _sum(self, function, *args):
        """The sum of what the function gives of each partition."""
        self.rounds += 1
        return self.run_tasks(function, *args, then=added)

    def _sums_of_columns(self):
        n, d = self.shape
        rows = max(MIN_SAMPLE_ROWS, min(SAMPLE_SHARE * n, max(SAMPLE_ROWS, SAMPLE_ROWS_PER_COLUMN * (d + 1))))
        wanted = Wanted(min(1.0, rows / max(1, n)), SAMPLE_VALUES / max(1.0, rows), self.task.seed)
        return self._sum(columns, self.K, self.task.loss, wanted)

    def _measures(self, found):
        """Those of all rows."""
        X, none = self.table.X, np.zeros(self.table.X.shape[1])
        with np.errstate(over="ignore", invalid="ignore"):
            deviation = found.root / np.sqrt(found.weight)
            if not self.task.intercept:
                return Measures(none, deviation**2, none, np.hypot(deviation, found.mean), none, _filled(X)[0])
            scale = np.where(deviation <= MIN_DEVIATION_SHARE * abs(found.mean), 0.0, deviation)
        filled, zeros = _filled(X)
        kept = np.where(zeros > 0.5, 0.0, found.mean)
        return Measures(found.mean, scale**2, found.mean, scale, kept, filled)

    @property
    def history(self):
        """As that of Heads, by the number of the round; the first one has no model."""
        return [(epoch + 1, *more) for epoch, *more in super().history]

    # ------------------------------------------------------------ heads
    def _descent(self, h, found):
        """One head's problem on the sample, and what comes of it."""
        task = self.task
        y, weight = head_targets(self.table, h)
        if weight is not None and not weight.any():  # The sample has no row of it.
            weight = None
        problem = self._problem(y, weight)
        if self._frame is None:
            self._frame = problem
            problem.__dict__["measures"] = self._measures(found)
            ends = Problem(self.table.X, np.array([found.low, found.high]), None, task.loss, 0.0, 0.0, False)
            ends.__dict__["measures"] = problem.measures
            check_sizes(ends)
        problem.share = float(problem.n if weight is None else weight.sum() / found.unit) / found.by_head[h]
        if task.intercept and task.loss.residual:
            self.offsets[h] = constant(problem)
            problem.y = y - self.offsets[h]
        report = self._report(h, negligible(problem, ROUNDING, RESIDUAL_ROUNDING, 0.0), task.loss.least_value)
        slack = MODEL_ROUNDING[self.table.X.dtype.itemsize]
        report.slack = negligible(problem, slack, slack, abs(self.offsets[h]))
        self.problems[h] = problem
        if h == 0:
            self.way = self._way(problem, found.parts)
            dense = not by_values(problem)
            self.kept = None if dense else np.zeros(problem.d) if problem.sparse else problem.measures.kept
        if self.start is None:
            start, b = self._pilot(problem, h), constant(problem)
        else:
            start, b = problem.inward(self.V[:, h], self.b[h] - self.offsets[h]), None
        free = found.free[h] / found.by_head[h]
        return Descent(
            problem, h, found.by_head[h], self.offsets[h], free, report, self.way, self.kept, start, b, task.seed
        )

    def _pilot(self, problem, h):
        """The sample's own solution, about."""
        tol = max(1e-6, SAMPLE_TOL * (problem.d + 1) / problem.n)
        report = Report(h, min(tol, 0.1), SAMPLE_PASSES, least=self.reports[h].least, bound=self.task.loss.least_value)
        solve(problem, report, seed=self.task.seed)
        return report.best.u, report.best.b

    def _way(self, problem, n_parts):
        """The method that is to take least time."""
        share, k, K = self.shape[0] / n_parts, problem.d + 1, self.K
        rounds, one = ROUNDS if problem.l1 == 0 else ROUNDS_WITH_L1, K * share / problem.n * pass_seconds(problem)
        times = {"diagonal": rounds["diagonal"] * (ROUND_SECONDS + one + K * k * VECTORS_SECONDS)}
        if "products" in rounds:
            here = 2 * MAX_PRODUCTS * K * (pass_seconds(problem) + k * VECTORS_SECONDS)
            times["products"] = rounds["products"] * (ROUND_SECONDS + one + here)
        if k <= MAX_HESSIAN_COLUMNS:
            solving = K * k**3 / 4e10
            gram = K * (row_seconds(problem) * share + n_parts * SEND_SECONDS * k * k / 2) + solving
            times["newton"] = rounds["newton"] * (ROUND_SECONDS + 2 * one + gram)
            if "sample" in rounds:
                here = K * (row_seconds(problem) * problem.n + rounds["sample"] * pass_seconds(problem)) + solving
                times["sample"] = rounds["sample"] * (ROUND_SECONDS + one) + here
        return min(times, key=times.get)

    # ------------------------------------------------------------ rounds
    def _solve_all(self, active):
        while active:
            hessian = any(descent.ask.hessian for descent in active)
            sums = self._sum(evaluate, self._frame_of_tasks(hessian), [descent.job() for descent in active])
            left = []
            for descent, found in zip(active, sums.of, strict=True):
                try:
                    over = descent.take(found)
                finally:
                    self.keep(descent.report)
                if not over:
                    left.append(descent)
            active = [] if self.stopped else left

    def _frame_of_tasks(self, hessian):
        problem, unit = self.problems[0], self.columns.unit
        if not hessian:
            return Frame(self.task.loss, self.task.intercept, unit)
        return Frame(self.task.loss, self.task.intercept, unit, problem.inverse, problem.centre, self.kept)

    def _look(self, found):
        """At the models that the user gets, rounded to the dtype of X; where that may matter, in a round more."""
        jobs = []
        for report in self.reports:
            h, problem = report.head, self.problems[report.head]
            self.keep(report)
            w, b = self.V[:, h], self.b[h]
            self.check_finite(w, b)
            if moved_by_rounding(problem, report.best, w, b) > CHECKED_SHARE * self.task.tol * abs(
                report.best.objective
            ):
                jobs.append(Job(h, self.offsets[h], np.ascontiguousarray(w), b - self.offsets[h], gradient=False))
        if not jobs:
            return
        sums = self._sum(evaluate, self._frame_of_tasks(False), jobs)
        for job, of_job in zip(jobs, sums.of, strict=True):
            loss = of_job.losses[0] / found.by_head[job.head]
            self.reports[job.head].returned(loss + penalties.value(job.w, self.task.l1, self.task.l2))


def _filled(X):
    """(share of the values that are to be worked on, of each column the share of zeros), in a sample."""
    n, d = X.shape
    if sp.issparse(X):
        return X.nnz / max(1, n * d), np.ones(d)
    zeros = (X[:: n // 256 + 1] == 0).mean(axis=0)
    return 1.0 - float((zeros * (zeros > 0.5)).mean()), zeros
