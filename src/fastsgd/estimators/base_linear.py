"""What LinearClassifier and LinearRegressor share: parameters to heads, heads to fitted attributes."""

import copy
import threading
from dataclasses import replace
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions

from fastsgd import losses, penalties, threads
from fastsgd.estimators.constraints import validate_params
from fastsgd.estimators.documented import Documented
from fastsgd.estimators.files import ModelFiles
from fastsgd.estimators.intervals import Intervals
from fastsgd.estimators.problem import Drafts
from fastsgd.estimators.progress import CallbackSupportMixin, Progress, announced, listed, stops
from fastsgd.estimators.validation import drawn_seed
from fastsgd.estimators.weak import FitData
from fastsgd.plan import Plan
from fastsgd.sources.telling import tell

# One row of `history_`: after a pass over the data for one head, the objective of the best model so far, and a bound of how
# far that is above the least one.
COLUMNS = np.dtype([("epoch", "i8"), ("head", "i8"), ("objective", "f8"), ("gap", "f8"), ("seconds", "f8")])
SEPARATED = 1e-3  # What factors of classes may come to beside weights of rows.
FULL = 0.5  # share of values from which on a sparse matrix is made an array


class Solved(Drafts, ModelFiles, Documented, BaseEstimator):
    """What all have that are solved to a certificate: the loss, and solved heads to fitted attributes."""

    _streams, _passes = False, "passes"
    _outcome, _columns_of_history = "dual_gap_", COLUMNS
    _left = "coef_", "intercept_", "_duals", "dual_gap_", "history_", "n_iter_", "stop_reason_", "_fit_data"

    _parameter_constraints: dict = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "fit_intercept": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def _check_params(self):
        validate_params(self)

    @property
    def _alpha(self):
        """alpha as a number, as the SGD estimators have it."""
        return self.alpha

    def _loss(self):
        return losses.get(self.loss)

    def _dense(self):
        return self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_

    def _fit_to(self, heads):
        """The fitted attributes."""
        for name, value in self._model(heads).items():
            setattr(self, name, value)
        self._duals = heads.duals
        self.dual_gap_, self.history_ = heads.gap, np.array(heads.history, COLUMNS)
        self.n_iter_ = max([1, *(len(report.passes) for report in heads.reports)])
        self.stop_reason_ = heads.reason

    def _model(self, heads):
        dtype = heads.table.X.dtype
        return self._attributes(np.ascontiguousarray(heads.W.T.astype(dtype)), heads.b.copy())

    def _warn(self, heads):
        """Say where the gap is not what it was to be."""
        words = None
        if self.stop_reason_ == "max_iter":
            words = (
                f"max_iter={self.max_iter} {self._passes} were not enough for tol={self.tol:g}: dual_gap_ is "
                f"{self.dual_gap_:.3g}. Raise max_iter or tol."
            )
        elif any(report.lost for report in heads.reports):
            words = (
                f"Rounding allowed no more: dual_gap_ is {self.dual_gap_:.3g}, which is above tol={self.tol:g}. "
                f"{'Pass X in float64, or s' if heads.table.X.dtype == np.float32 else 'S'}tandardise the columns of X."
            )
        elif self._separates(heads):
            words = (
                "The classes can be separated, and there is no penalty: the loss falls towards 0 as coefficients grow, so that "
                f"there is no best model, and probabilities come to 0 and 1. The fit ended by {self.stop_reason_!r}. Set "
                "penalty='l2' and an alpha above 0, such as 1e-4."
            )
        if words:
            tell(words, ConvergenceWarning)

    def _separates(self, heads):
        """Whether coefficients would grow for ever: the losses of all rows together are far less than that of a single one at a
        margin of 0, so that none has a margin below it."""
        task, table = heads.task, heads.table
        if task.l1 or task.l2 or not (task.loss.coupled or task.loss.log_odds) or self._task != "classifier":
            return False
        n = getattr(heads, "shape", table.X.shape)[0]  # On a cluster the table is a sample.
        least = 1.0 if table.s is None else np.min(table.s, where=table.s > 0, initial=np.inf) / table.s.max()
        reached = [report.best.objective for report in heads.reports if report.best is not None]
        hard = table.y is None or np.isin(table.y, (0.0, 1.0)).all()
        return bool(hard and reached and min(reached) * n < SEPARATED * np.log(2) * least)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class BaseLinear(Intervals, CallbackSupportMixin, Solved):
    """Parameters to heads, and back to fitted attributes."""

    solver = "auto"
    _parameter_constraints: dict = {
        **Solved._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "warm_start": ["boolean"],
        "callbacks": "no_validation",  # by `listed`
    }

    def _fit(self, X, y, sample_weight):
        """Solve it, and be fitted to what comes of it, in one step."""
        from fastsgd.solvers.heads import Heads

        self._check_params()
        problem = self._problem(X, y, sample_weight)
        est = problem.est
        table = self._solver_table(problem.table)
        if table.s is not None and not table.s.any():  # with the weights of the classes
            raise ValueError("sample_weight must not be all zero: there is nothing to train on.")
        theirs = None

        def between(heads):
            return theirs is not None and stops(theirs[0](lambda: est._for_callbacks(heads)))

        task = est._solver_task(seed=drawn_seed(self.random_state), keep_duals=self.warm_start)
        heads = Heads(table, problem.heads, task, est._listener(between), self._start(table.X.shape, problem.heads))
        theirs = announced(self, None, problem.X, problem.y, problem.metadata, lambda: est._for_callbacks(heads))
        est._fit_to(heads.run())
        est._fit_data = FitData(X, y, sample_weight)
        self.__dict__ = self._as_drafted(est)
        if theirs is not None:
            theirs[1]()
        if self.stop_reason_ == "interrupted":
            raise KeyboardInterrupt("fit was interrupted; the estimator holds the model of that moment")
        self._warn(heads)
        return self

    @staticmethod
    def _solver_table(table):
        return replace(table, X=readable(table.X))

    def _solver_task(self, **more):
        from fastsgd.solvers.heads import Task

        weights = penalties.weights(self.penalty, self.alpha, self.l1_ratio)
        numbers = self.fit_intercept, self.tol, self.max_iter
        more |= {"n_jobs": threads.n_threads(self.n_jobs), "normal": self.solver == "normal"}
        return Task(self._heads_loss(), *weights, *numbers, **more)

    def _plan_of_objective(self, table):
        """The objective as the engine works it out."""
        l1, l2 = penalties.weights(self.penalty, self.alpha, self.l1_ratio)
        return Plan.of_loss(self._heads_loss(), l1=l1, l2=l2, intercept_decay=float(self.fit_intercept))

    def _listener(self, between):
        """What the solver calls after each pass, (heads, report) -> stop, or None; `between` is for scikit-learn's callbacks."""
        hooks = listed(self.callbacks, between=False)
        if not (hooks or self.verbose or getattr(self, "_skl_callbacks", None)):
            return None
        one = threading.Lock()  # with n_jobs, several heads end a pass at once

        def each(heads, report):
            with one:
                if self.verbose:
                    self._print(heads, report)
                history = heads.history
                progress = Progress(lambda: self._fitted_copy(heads), len(history), lambda: np.array(history, COLUMNS))
                stop = [stops(hook(progress)) for hook in hooks]
                return any([*stop, between(heads)])

        return each

    def _start(self, shape, K):
        """W, b and duals to start from, or None."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return None
        W, b = np.atleast_2d(np.asarray(self._dense(), np.float64)).T, np.atleast_1d(np.asarray(self.intercept_, float))
        if W.shape != (shape[1], K) or b.shape != (K,):
            return None
        duals = getattr(self, "_duals", None)
        return W.copy(), b.copy(), duals if duals is not None and duals.shape == (K, shape[0]) else None

    def _for_callbacks(self, heads):
        """All the fitted attributes, of which scikit-learn makes a copy for its callbacks."""
        return {name: x for name, x in vars(self).items() if name in self._learnt} | self._model(heads)

    def _fitted_copy(self, heads):
        est = copy.copy(self)
        est._fit_to(heads)
        return est

    def _print(self, heads, report):
        of = f", head {report.head + 1} of {heads.K}" if heads.K > 1 else ""
        objective, gap, seconds = report.passes[-1]
        print(f"pass {len(report.passes)}{of}: objective {objective:.6g}, gap {gap:.3g}, {seconds:.2f} s")

    def __getstate__(self):
        return {name: x for name, x in super().__getstate__().items() if name != "_fit_data"}


def readable(X):
    """X as the kernels read it; itself where it is C-ordered float32 or float64, or CSR of one index type, rows in order.

    A sparse matrix that is half full takes less room as an array, and less time.
    """
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if not sp.issparse(X):
        return np.require(X, dtype, ["C", "A"])
    if X.nnz >= FULL * X.shape[0] * X.shape[1]:
        return np.ascontiguousarray(X.toarray(), dtype)
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    index = X.indices.dtype if X.indices.dtype == X.indptr.dtype else np.int64
    index = index if index in (np.int32, np.int64) else np.int64
    parts = [np.require(a, t, ["C", "A"]) for a, t in ((X.data, dtype), (X.indices, index), (X.indptr, index))]
    if all(new is old for new, old in zip(parts, (X.data, X.indices, X.indptr), strict=True)):
        return X
    out = sp.csr_matrix(X.shape, dtype=dtype)
    out.data, out.indices, out.indptr = parts
    return out
