"""Fits of one estimator with several values of eta0, over the same rows; each is what a fit of its own gives."""

from functools import cached_property
from time import perf_counter
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from fastsgd import decide, engine, optimizers, parallel, several, stopping, threads, verdict
from fastsgd.estimators import contested
from fastsgd.estimators.base import BaseSGD
from fastsgd.lanes import SERIAL
from fastsgd.packs import Pack
from fastsgd.plan import Plan
from fastsgd.state import State


def _check(estimator):
    """Refuse what has no fits of its own here."""
    name = type(estimator).__name__
    if not isinstance(estimator, BaseSGD):
        steps = (
            ", of a pipeline its last step, with X as the steps before it give it"
            if hasattr(estimator, "steps")
            else ""
        )
        raise ValueError(
            f"estimator must be an SGDClassifier, SGDRegressor or SGDOneClassSVM of fastsgd{steps}; found {name}."
        )
    if "client" in estimator.get_params(deep=False):
        raise ValueError(
            f"estimator must be one of this machine, found fastsgd.dask.{name}: give it rows that fit in memory."
        )
    if estimator.callbacks not in (None, [], ()) or getattr(estimator, "_skl_callbacks", None):
        raise ValueError(
            "estimator has callbacks, which would be told of many fits at once: give one without, such as "
            "clone(estimator).set_params(callbacks=None)."
        )


def _check_steps(est):
    """Refuse parameters with which eta0 says nothing of the fit, or a fit does not follow from them."""
    optimizer = optimizers.get(est.optimizer)
    rate, instead = est._schedule(optimizer), "estimator.set_params(learning_rate='invscaling')"
    if rate.name == "optimal":
        strength = f"{'nu' if est._nu else 'alpha'}={est._alpha:g}"
        raise ValueError(
            f"learning_rate='optimal' has no eta0: its step sizes follow from {strength} alone. Give {instead}, or one with "
            "learning_rate='constant' or another schedule that has eta0."
        )
    if rate.tabled:
        raise ValueError(
            f"learning_rate={est.learning_rate!r} gives the step sizes itself, and eta0 has no part in them. For a schedule "
            f"that has eta0 give {instead}."
        )
    if rate.auto:
        raise ValueError(
            f"learning_rate='auto' has no step size to choose. For a schedule that has one give {instead}."
        )
    if getattr(optimizer, "line_search", False):
        raise ValueError(f"optimizer={optimizer!r} searches for its step sizes: there is none to choose.")
    if (name := contested.auto_parameter(est)) is not None:
        raise ValueError(f"{name}='auto' would choose another {name} for each eta0: give {name} a number.")
    if est.max_iter == "auto":
        raise ValueError(
            "max_iter='auto' would make other passes of each eta0: set max_iter=5, or another number of passes."
        )
    if est.max_iter == 0:
        raise ValueError("max_iter=0 takes no step, whatever its size: set max_iter=5, or another number of passes.")
    if est.n_init != 1:
        raise ValueError(f"n_init={est.n_init} makes several fits of each eta0: set n_init=1.")
    if est.parallel == "hogwild":
        raise ValueError("parallel='hogwild' gives other weights in each fit: set parallel='deterministic'.")


class RecordObjective(stopping.Stopping):
    """Ends nothing and keeps nothing: it has the objective of each epoch worked out."""

    name, needs = "record_objective", "objective"

    def __init__(self):
        super().__init__(0.0, stopping.FOREVER)

    def holds(self, value):
        return False


class Fit(NamedTuple):
    """What a fit comes to.

    Attributes
    ----------
    values : dict
        The attributes of its model: `coef_`, and `intercept_` or `offset_`.
    epochs : structured array
        Its `history_`.
    reason : str
        Its `stop_reason_`; "diverged" also where the fit ends with an error.
    objective : float
        Of its model; inf where numbers overflowed, or nearly.
    diverged : bool
        Whether the fit says so, or its objective ends above that of the start by more than a share of it.
    """

    values: dict
    epochs: np.ndarray
    reason: str
    objective: float
    diverged: bool


class EtaFits:
    """What fits that differ in eta0 have in common: the rows, the start, and the rules.

    Parameters
    ----------
    estimator : SGDClassifier, SGDRegressor or SGDOneClassSVM
        It is not changed.
    X, y, sample_weight
        As its `fit` takes them.
    """

    def __init__(self, estimator, X, y, sample_weight):
        _check(estimator)
        est = clone(estimator)
        est._check_params()
        _check_steps(est)
        self.problem = problem = est._problem(X, y, sample_weight, random_state=est.random_state)
        self.est, self.table = problem.est, problem.table
        self.state = self.est._new_state(problem.X, problem.heads, *self.est._init(None, None))
        held_out = problem.held_out
        for rows in (self.table, held_out and held_out.table):
            self.est._share(rows, self.state)
        self.plan = self.plan_of(self.est.eta0)
        if self.est.standardize:
            self.est._standardise(self.table, self.state, self.plan)
            if held_out is not None:
                held_out.table.scaling = self.table.scaling
        self.score = None if held_out is None else self.est._score(held_out, self.plan)
        self.rules = [*self.est._rules(held_out, problem.split_off), RecordObjective()]
        self.start = engine.Run(self.state, self.rules)
        self.start.from_here(self.plan)

    def plan_of(self, eta0):
        """The plan of a fit with this eta0."""
        vars(self.est)["eta0"] = eta0
        return self.est._plan(self.table, self.est.max_iter, False)

    @cached_property
    def start_objective(self):
        """That with which the end of each fit is compared."""
        return float(verdict.start_objective(self.start, self.plan, self.table))

    def of(self, etas):
        """The Fit of each eta0.

        Raises
        ------
        KeyboardInterrupt
        """
        plans = [self.plan_of(eta) for eta in etas]
        together = {rule.needs for rule in self.rules} <= {"objective", "validation_score"}
        found = (self._together if together else self._one_by_one)(plans)
        if any(reason == "interrupted" for *_, reason in found):
            raise KeyboardInterrupt("step_sizes was interrupted; the estimator is as it was")
        return [self._judged(*one, plan) for one, plan in zip(found, plans, strict=True)]

    def _together(self, plans):
        """(moment, epochs, reason) of each plan, all trained in the same passes."""
        est, packs = self.est, self._packs(plans)
        plan, state = packs[0].plan, packs[0].state
        found = several.train(
            packs,
            self.table,
            self.rules,
            passes=est.max_iter,
            shuffle=est.shuffle,
            score=None if self.score is None else self._scores,
            max_seconds=est.max_seconds,
            lanes=parallel.lanes(est.n_jobs, "deterministic", plan, self.table, state) if plan.separate else SERIAL,
            threads=threads.Threads(threads.n_threads(est.n_jobs)),
        )
        return [
            (self._own(engine.Moment(one.state, one.plan)), one.epochs, one.reason) for _, one in sorted(found.items())
        ]

    def _packs(self, plans):
        """A pack of all where they can be heads of one; else a pack for each."""
        K, n = len(self.state.b), len(plans)
        if not plans[0].separable:
            return [Pack(self.state.copy(), plan.having(model=k)) for k, plan in enumerate(plans)]
        stack = Plan.of_models(plans, K, np.arange(n))
        return [Pack(self.state.pack(stack, np.tile(np.arange(K), n)), stack)]

    def _own(self, moment, heads=slice(None)):
        """That of a model of these heads alone, as a state that has no others has it."""
        W, b = moment.model
        W, b, whole = W[:, : len(b)][:, heads], b[heads], moment.state
        state = State.zeros(len(W), len(b), W.dtype, whole.seed)
        state.W[:, : len(b)], state.b[:] = W, b
        state.mean, state.std, state.centred = whole.mean, whole.std, whole.centred
        return engine.Moment(state, self.plan)

    def _scores(self, pack):
        """The validation score of each head of a pack, or of its one model."""
        if not pack.plan.separate:
            return self.score(pack.moment)
        scores = np.empty(len(pack.numbers))
        for number in np.unique(pack.numbers):
            heads = pack.heads(number)
            scores[heads] = self.score(self._own(pack.moment, heads))
        return scores

    def _one_by_one(self, plans):
        """As `_together`, one after another, for rules that look at something else."""
        est, started, found = self.est, perf_counter(), []
        for left, plan in zip(range(len(plans), 0, -1), plans, strict=True):
            run = engine.Run(self.state.copy(), [rule.fresh() for rule in self.rules])
            how = {"passes": est.max_iter, "shuffle": est.shuffle, "score": self.score}
            if est.max_seconds is not None:
                how["max_seconds"] = (started + est.max_seconds - perf_counter()) / left
            try:
                found.append(engine.train(run, plan, self.table, **how))
            except engine.Diverged as error:
                found.append((engine.Moment(run.state, plan), error.args[1], "diverged"))
            if found[-1][2] == "interrupted":
                break
        return found

    def _judged(self, moment, epochs, reason, plan):
        """The Fit that this training is: as its estimator would tell."""
        est, rows, value = self.est, epochs.copy(), np.inf
        if reason == "diverged" and len(rows) and not np.isfinite(rows["loss"][-1]):
            rows = rows[:-1]  # A fit of its own ends in the middle of it.
        if reason != "diverged":
            value = self._objective(rows)
            reason = "diverged" if len(rows) and self._too_long(moment, epochs, reason, plan) else reason
        try:
            values = est._publish(moment)
        except engine.Diverged:
            reason, values, value = "diverged", est._publish(engine.Moment(self.state, self.plan)), np.inf
        high = 0 < (1 + verdict.NOISE_SHARE) * self.start_objective < value
        return Fit(values, rows, reason, value, reason == "diverged" or high)

    def _too_long(self, moment, epochs, reason, plan):
        """Whether the fit, which has ended without an error, says that it diverged."""
        ruled = any(rule.ends for rule in self.rules)
        steady = 1 < plan.batch_size >= self.table.n_rows and not self.est.gradient_noise
        run = engine.Run(moment.state, self.rules, began=self.start.began)
        run.zero = self.start_objective
        late, start = ruled and reason == "max_iter", lambda: self.start_objective
        return verdict.diverged(run, plan, self.table, epochs, steady, late, start) is not None

    def _objective(self, rows):
        """The objective of the model that is kept of these epochs."""
        kept = decide.keeping(self.rules)
        if not len(rows):
            return self.start_objective
        if kept is None or np.isnan(rows[kept.needs]).all():
            return float(rows["objective"][-1])
        if kept.needs == "objective":
            return float(np.nanmin(rows["objective"]))
        return float(rows["objective"][np.nanargmax(rows["validation_score"])])
