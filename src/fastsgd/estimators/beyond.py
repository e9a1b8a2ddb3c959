"""learning_rate="auto" beyond its first passes: those of the solver that LinearClassifier and LinearRegressor have.

The average of SGD is near the optimum soon, but what is left falls as 1 / passes, or slower; the solver's falls by a factor.
"""

import threading
from dataclasses import replace
from time import perf_counter

import numpy as np

from fastsgd import auto_put, penalties, stopping, threads
from fastsgd.estimators.base_linear import readable
from fastsgd.history import Epoch
from fastsgd.run import Moment
from fastsgd.solvers.heads import Heads, Task
from fastsgd.solvers.report import Report
from fastsgd.sources.arrays import Table

SGD_PASSES = 3  # These are SGD's in any case.
TINY = 1e-140  # The squares of smaller numbers vanish; SGD leaves out such columns.


def follows(est, problem, plan, run):
    """Whether passes of the solver follow: the fit is to end by the objective, and the solver has the loss and the penalty."""
    table, rules = problem.table, run.rules
    by_objective = len(rules) == 1 and type(rules[0]) is stopping.Objective and not rules[0].absolute
    return (
        plan.auto
        and by_objective
        and problem.held_out is problem.segments is run.state.beside is None
        and type(table) is Table
        and table.rows is None
        and not table.empty
        and est._task in plan.loss.solved
        and (plan.loss.solved_with_l1 or not plan.l1)
        and _has_squares(table, plan.loss)
    )


@np.errstate(over="ignore")
def _has_squares(table, loss):
    """Whether the squares of X, and the losses of y, are numbers."""
    n, X = table.X.shape[0], table.X.data if table.sparse else table.X
    size = np.maximum(X.max(axis=0, initial=0.0), -X.min(axis=0, initial=0.0)).astype(np.float64)
    tops = (
        [size**2] if table.y is None else [size**2, loss.both(np.zeros(2), np.array([table.y.min(), table.y.max()]))[0]]
    )
    vanish = not table.sparse and ((size > 0) & (size < TINY)).any()
    return not vanish and all(np.isfinite(n * top).all() for top in tops)


def finish(est, table, plan, run, moment, epochs, each=None, struck=lambda: False):
    """Go on from the model of SGD; its State becomes that of the solution.

    Parameters
    ----------
    est : estimator
    table : Table
    plan : Plan
    run : Run
    moment : Moment
        Of the best of the passes so far.
    epochs : History
    each : callable or None
        As that of `engine.train`.
    struck : callable
        () -> whether Ctrl-C was pressed, where it comes as no exception.

    Returns
    -------
    moment, epochs, reason
        As those of `engine.train`; the reason may also be one of LinearClassifier's.
    """
    heads = Continued(est, table, plan, run, moment, epochs, each, struck)
    try:
        heads.run()
    except ValueError:  # It is beyond numbers, and SGD's model is not.
        heads.stopped = "precision"
    heads.tell(whole=True)
    moment = heads.moment(run.state)
    if run.recorder is not None:
        run.recorder.take(run.state, float(len(heads.epochs)), run.recorder.seconds())
    return moment, heads.epochs, heads.reason


class Continued(Heads):
    """Heads that go on from the model of SGD. A pass is a row of history once each head that needs it has made it.

    A head ends where the gap is proven to be at most `tol`, or that share of the objective where that is less; or where the
    objective has not fallen by as much in `patience` passes.

    Attributes
    ----------
    before : dict of int to float
        The objective of each head where it began.
    flat : set of int
        The heads whose objective has not fallen.
    epochs : History
    """

    RANK = ("certified", "estimated", "precision", "objective", "max_iter", "callback", "max_seconds", "interrupted")

    def __init__(self, est, table, plan, run, moment, epochs, each, struck):
        K, (W, b), rule = len(run.state.b), moment.model, run.rules[0]
        self.rule, self.plan, self.state, self.hook, self.struck = rule, plan, run.state, each, struck
        self.epochs, self.done = epochs, len(epochs)
        self.started, self.max_seconds = perf_counter() - epochs[-1].seconds, est.max_seconds
        self.before, self.flat, self.lock = {}, set(), threading.Lock()
        numbers = est.fit_intercept, rule.tol, est.max_iter - len(epochs)
        how = {"seed": run.state.seed, "n_jobs": threads.n_threads(est.n_jobs)}
        if table.scaling is not None:
            table = table.read(np.arange(table.n_rows), run.state.W.dtype)
        table, start = replace(table, X=readable(table.X)), (W[:, :K].astype(np.float64), b.astype(np.float64), {})
        super().__init__(table, K, Task(plan.loss, plan.l1, plan.l2, *numbers, **how), start=start)
        self.first, self.n = start[:2], 1 if plan.loss.coupled else K

    # ------------------------------------------------------------ one head
    def problem(self, h):
        """As that of Heads, with what is known where it begins: the objective, and the dual point of the slopes."""
        problem, w = super().problem(h), self.V[:, h].copy()
        lost, slopes = problem.both(problem.margins(*problem.inward(w, self.b[h] - self.offsets[h])))
        self.before[h] = float(problem.mean(lost)) + penalties.value(w, self.task.l1, self.task.l2)
        self.start[2][h] = -slopes
        return problem

    def _report(self, h, least=0.0, bound=-np.inf):
        if self.plan.loss.coupled:
            self.before[h] = self._objective_of_sgd
        tol = self.rule.tol / max(1.0, abs(self.before[h]))
        self._reports[h] = Report(h, tol, self.task.max_iter, self._each, least, bound)
        return self._reports[h]

    def _is_flat(self, report):
        """Whether the objective of a head has not fallen by `tol` of late."""
        if len(report.passes) <= self.rule.patience:
            return False
        before, now = report.passes[-1 - self.rule.patience][0], report.passes[-1][0]
        return before - now < report.tol * abs(self.before[report.head])

    def _each(self, report):
        with self.lock:
            if report.reason is None and self._is_flat(report):
                self.flat.add(report.head)
            if self.hook is not None:
                self.keep(report)
            self.tell()
            if self.struck():
                self.stopped = "interrupted"
            elif self.stopped is None and self.late():
                self.stopped = "max_seconds"
            return report.head in self.flat or self.stopped is not None

    def late(self):
        """Whether the time is over."""
        return self.max_seconds is not None and perf_counter() - self.started > self.max_seconds

    # ------------------------------------------------------------ all of them
    @property
    def _objective_of_sgd(self):
        """That of the model of SGD: the mean over the heads, or of softmax the one."""
        return float(np.nanmin(self.epochs.view()["objective"][: self.done]))

    @property
    def reason(self):
        of_heads = ["objective" if h in self.flat else report.reason for h, report in self._reports.items()]
        return max((reason for reason in (self.stopped, *of_heads) if reason), key=self.RANK.index)

    def tell(self, whole=False):
        """Add the rows of history that are known by now, or all, and tell the callbacks."""
        known = [len(self._reports[h].passes) if h in self._reports else 0 for h in range(self.n)]
        most, running = max(known), [n for h, n in enumerate(known) if not self._is_over(h)]
        for i in range(len(self.epochs) - self.done, most if whole else min([most, *running])):
            self.epochs = self.epochs.plus(self._row(i))
            if self.hook is not None and not whole and self.hook(self.moment(self.state.copy()), self.epochs):
                self.stopped = "callback"

    def _is_over(self, h):
        report = self._reports.get(h)
        return report is not None and (h in self.flat or report.reason or len(report.passes) >= self.task.max_iter)

    def _row(self, i):
        """The row of history of pass i of all heads: what is not known is NaN."""
        total, seconds = 0.0, self.epochs[self.done - 1].seconds
        for h, report in self._reports.items():
            value, _, took = report.passes[: i + 1][-1] if report.passes else (np.inf, None, 0.0)
            total, seconds = total + min(self.before[h], value), seconds + took
        if len(self._reports) < self.n:  # The others are still as SGD has left them.
            total += self._objective_of_sgd * self.n - sum(self.before[h] for h in self._reports)
        row = dict.fromkeys(Epoch._fields, np.nan) | {"epoch": len(self.epochs) + 1}
        return Epoch(**row | {"objective": total / self.n, "seconds": min(seconds, perf_counter() - self.started)})

    def moment(self, state):
        """That of the better of the two models of each head, SGD's and the solver's; `state` becomes its state."""
        (W, b), heads = (x.copy() for x in self.first), self._reports.items()
        better = [h for h, report in heads if report.best is not None and report.best.objective < self.before[h]]
        if better:
            of = slice(None) if self.plan.loss.coupled else better
            W[:, of], b[of] = self.W[:, of], self.b[of]
            auto_put.put(state, W, b)
        return Moment(state, self.plan)
