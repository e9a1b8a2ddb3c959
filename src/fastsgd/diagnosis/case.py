"""What is looked at: a model, some of the rows, the objective there, and the best that any model does."""

import copy
from functools import cached_property
from typing import Any

import numpy as np
from scipy.optimize import minimize, minimize_scalar

from fastsgd import engine, objective, optimizers
from fastsgd.estimators.base import BaseSGD
from fastsgd.estimators.functions import ObjectiveFunctions
from fastsgd.state import State, padded

# At most this many values of X are looked at, of rows spread evenly over the data; but ROWS_PER_COLUMN rows for each column.
SAMPLE_VALUES, ROWS_PER_COLUMN, MAX_SAMPLE_VALUES = 4e6, 20, 4e7
SOLVER_TOL, SOLVER_PASSES, LBFGS_PASSES = 1e-4, 500, 500


class Case:
    """Objectives are those of the rows looked at, by the estimator's own formula, in the units in which it is trained.

    Attributes
    ----------
    est : SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier or LinearRegressor
    table : Table
        The sample, as it is trained on, in float64.
    plan : Plan
        Of the objective.
    W, b : the model; here : its objective; start : that of zero weights.
    n_rows : int
        Of all data.
    """

    def __init__(self, est: Any, X: Any, y: Any, sample_weight: Any = None) -> None:
        offset = getattr(est, "offset_", None)  # The intercept of SGDOneClassSVM is 1 less that.
        at = ObjectiveFunctions._point(est, X, y, None, None if offset is None else 1.0 - offset, sample_weight)
        self.est, self.of_steps, self.plan, self.W, self.b = est, at.est, at.plan, at.W, at.b
        self.at = at
        whole = next(at.table.tables())
        self.n_rows = at.table.n_rows
        self.raw = whole.X
        wanted = min(max(SAMPLE_VALUES, ROWS_PER_COLUMN * len(self.W) * whole.row_values), MAX_SAMPLE_VALUES)
        step = max(1, int(whole.n_rows * whole.row_values // wanted))
        self.rows = np.arange(0, whole.n_rows, step) if whole.rows is None else whole.rows[::step]
        self.table = whole.read(self.rows, np.float64)
        if not self.table.sparse:
            self.table.X = np.ascontiguousarray(self.table.X)
        with np.errstate(all="ignore"):
            self.here = self.value(self.W, self.b)
        self.start = self.value(*self.zeros())

    @property
    def sgd(self) -> bool:
        """Whether it is trained by steps."""
        return isinstance(self.est, BaseSGD)

    @property
    def any_scale(self) -> bool:
        """Whether its training comes as far whatever the scales of the columns: it has no step size, or one by its curvature."""
        return not self.sgd or bool(self.plan.auto)

    @property
    def whole(self) -> bool:
        """Whether all rows are looked at."""
        return self.table.n_rows == self.n_rows

    @cached_property
    def columns(self) -> int:
        """How many columns have any value."""
        return int(np.count_nonzero(np.asarray(abs(self.table.X).sum(axis=0))))

    def zeros(self) -> tuple[Any, Any]:
        """Zero weights and intercepts."""
        return np.zeros((len(self.W), padded(len(self.b)))), np.zeros(len(self.b))

    def value(self, W: Any, b: Any, table: Any = None) -> float:
        """The objective."""
        with np.errstate(all="ignore"):
            return float(objective.objective(self.table if table is None else table, self.plan, W, b))

    def loss(self, W: Any, b: Any, table: Any = None) -> float:
        """The mean loss, without the penalty."""
        return float(objective.loss_of(self.table if table is None else table, self.plan, W, b))

    def gradient_norm(self, W: Any, b: Any) -> float:
        """The 2-norm of the objective's gradient, the least of its subgradients where there are several."""
        with np.errstate(all="ignore"):
            return objective.measure(self.table, self.plan, W, b)[1]

    # ------------------------------------------------------------ the best model
    @cached_property
    def best(self) -> tuple[float, Any, Any]:
        """(objective, W, b) of the best model that was found: solved to a certificate where the loss can be."""
        found = [self.solved(self.table)]
        if not self.plan.loss.convex:
            found += self.other_minima()
        return min([(self.here, self.W, self.b), *found], key=lambda one: one[0] if np.isfinite(one[0]) else np.inf)

    def solved(self, table: Any, l1: float | None = None, l2: float | None = None) -> tuple[float, Any, Any]:
        """(objective, W, b) of the best model of a table with these penalties, or the estimator's."""
        from fastsgd.solvers.heads import Heads, Task

        loss = self.plan.loss
        l1, l2 = (self.plan.l1 if l1 is None else l1), (self.plan.l2 if l2 is None else l2)
        shape = self.zeros()[0].shape[1]
        if loss.solved and loss.convex and not self.plan.nu and (loss.solved_with_l1 or not l1):
            task = Task(loss, l1, l2, bool(self.plan.intercept_decay), SOLVER_TOL, SOLVER_PASSES)
            heads = Heads(table, len(self.b), task).run()
            W = np.zeros((heads.W.shape[0], shape))
            W[:, : len(self.b)] = heads.W
            return self.value(W, heads.b, table), W, heads.b
        d = table.X.shape[1]
        starts = [(np.zeros((d, shape)), np.zeros(len(self.b)))]
        if np.isfinite(self.here) and table is self.table:
            starts.append((self.W, self.b))
        return min((self.descended(table, *at) for at in starts), key=lambda one: one[0])

    def descended(self, table: Any, W: Any, b: Any, loss: Any = None) -> tuple[float, Any, Any]:
        """(objective, W, b) where L-BFGS ends that starts there; of another loss, its model, and the value of the estimator's."""
        K, d = len(self.b), W.shape[0]
        plan = self.plan if loss is None else type(self.plan).of_loss(loss, l2=self.plan.l2)
        squares = table.X.multiply(table.X) if table.sparse else table.X * table.X
        size = np.sqrt(np.asarray(squares.mean(axis=0)).ravel())
        size[size == 0] = 1.0
        count = objective.objective_count(plan, b)

        def split(v):
            full = np.zeros((d, W.shape[1]))
            full[:, :K] = v[: d * K].reshape(d, K) / size[:, None]
            return full, v[d * K :].copy()

        def both(v):
            at = split(v)
            with np.errstate(all="ignore"):
                _, G, g = objective.gradient(table, plan, *at)
                value = float(objective.objective(table, plan, *at))
            slopes = np.append((G[:, :K] / size[:, None]).ravel(), g) / count
            good = np.isfinite(value) and np.isfinite(slopes).all()
            return (value, slopes) if good else (1e300, np.zeros(len(v)))

        v = np.append((W[:, :K] * size[:, None]).ravel(), b)
        found = split(minimize(both, v, jac=True, method="L-BFGS-B", options={"maxiter": LBFGS_PASSES}).x)
        return self.value(*found, table), *found

    def other_minima(self) -> list[tuple[float, Any, Any]]:
        """Of losses that are not convex: where descent ends that starts from the model of a convex one."""
        from fastsgd import losses

        found = []
        for loss in (losses.LogLoss(),) if self.plan.loss.name == "sigmoid" else (losses.SquaredError(),):
            if loss.negative != self.table.negative and self.table.code is None:
                loss = losses.SquaredHinge() if self.est._task == "classifier" else loss
            _, W, b = self.descended(self.table, *self.zeros(), loss)
            found.append(self.descended(self.table, W, b))
        return found

    @cached_property
    def constant(self) -> tuple[Any, Any]:
        """The model without weights whose loss is least."""
        bare = self.table.without_features(np.arange(self.table.n_rows))
        W, b = np.zeros((0, padded(len(self.b)))), np.zeros(len(self.b))
        if self.plan.intercept_decay:
            _, _, b = self.descended(bare, W, b)
            if len(b) == 1 and not self.plan.loss.smooth:
                b = np.array([_least(lambda c: self.loss(W, np.array([c]), bare), b[0])])
        return self.zeros()[0], b

    # ------------------------------------------------------------ steps
    @cached_property
    def eta(self) -> float:
        """The length of the last step; with schedules that count in passes, whose last steps may be next to 0, of a usual one."""
        taken = self.steps_taken
        if len(taken):
            return float(np.median(taken) if "pass_rows" in self.plan.schedule.params else taken[-1])
        return float(self.plan.eta(self.steps))

    @property
    def steps_taken(self) -> Any:
        """Lengths of steps at the ends of epochs, as far as known, without those that are 0."""
        history = vars(self.est).get("history_")
        taken = np.empty(0) if history is None or not len(history) else history["eta"]
        return taken[taken > 0]

    @property
    def steps(self) -> float:
        """How many steps the model has had."""
        return float(getattr(self.est, "t_", 1.0))

    def trained(
        self, eta: float | None, passes: int, table: Any = None, start: Any = None, **parameters: Any
    ) -> tuple[Any, Any, Any]:
        """(objectives by epoch, W, b) of a training of the sample; inf where it overflows.

        eta : the length of all steps; None: they follow the estimator's schedule, from where it stands
        table : the sample, if not given
        start : (W, b), or those of the model
        parameters : what is to be otherwise than in the estimator
        """
        from fastsgd.estimators.eta_fits import RecordObjective

        table, (W, b) = self.table if table is None else table, (self.W, self.b) if start is None else start
        est = copy.copy(self.of_steps)
        est.average = bool(est.average)
        if eta is not None:
            rate = est._schedule(optimizers.get(est.optimizer))
            est.eta0, est.learning_rate = eta, est.learning_rate if rate.pa else "constant"
        vars(est).update(parameters)
        plan = est._plan(table, passes, False)
        state = State.zeros(len(W), len(b), np.float64, 0)
        state.W[:], state.b[:] = W, b
        if eta is None and start is None and not plan.slots:
            state.at["t"] = max(1.0, self.steps)
        with np.errstate(all="ignore"):
            try:
                run = engine.Run(state, [RecordObjective()])
                moment, epochs, _ = engine.train(run, plan, table, passes=passes, shuffle=self.est.shuffle)
            except engine.Diverged:
                return np.full(passes, np.inf), *self.zeros()
        values = epochs.view()["objective"]
        return np.where(np.isfinite(values), values, np.inf), *moment.model


def _least(f: Any, near: float) -> float:
    return float(minimize_scalar(f, bracket=(near - 1.0, near + 1.0)).x)
