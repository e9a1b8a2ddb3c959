"""Several models in one pass: the rows are walked once for all, and each model is judged by itself."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsgd.decide import decide, keeping
from fastsgd.engine import can_cut, one_pass
from fastsgd.history import Epoch, History
from fastsgd.lanes import SERIAL, Serial
from fastsgd.objective import objective
from fastsgd.plan import Plan
from fastsgd.run import Moment, Run
from fastsgd.sources.arrays import Table
from fastsgd.state import State
from fastsgd.stopping import Stopping
from fastsgd.sums import LossSums


class Trained(NamedTuple):
    """A model whose training is over.

    Attributes
    ----------
    state, plan : State, Plan
        Of its heads alone; with a rule that keeps the best epoch, the state of that.
    epochs : History
    reason : str
        As `engine.train` gives it.
    """

    state: State
    plan: Plan
    epochs: History
    reason: str


class _Model:
    """A model under way: the places of its heads in the state, and what was decided of it so far."""

    def __init__(self, heads: NDArray[Any], rules: Sequence[Stopping], state: State, plan: Plan) -> None:
        self.heads, self.plan = heads, plan.pack(heads)
        self.rules: Sequence[Stopping] = [rule.fresh() for rule in rules]
        self.epochs = History()
        # The state of its best epoch by a rule that keeps the best one, or else of its last good epoch.
        self.good = state.pack(plan, heads)

    @property
    def kept(self) -> bool:
        """Whether `good` is of the best epoch by a rule."""
        rule = keeping(self.rules)
        return rule is not None and rule.best < np.inf

    def judge(self, moment: Moment, measured: "_Measured", seconds: float, late: bool, passes: int) -> str | None:
        """Take what was measured of one more epoch; the reason if it is the last, be it because time is over (`late`)."""
        epoch, finite = self._epoch(moment, measured, seconds), None
        if measured.objective is None:
            finite = self._finite(moment)
        decision = decide(epoch, self.epochs, self.rules, finite, lambda: np.mean(measured.loss_of_zeros()[self.heads]))
        factors, reason = moment.state.at["eta_factor"], None
        if decision.fate == "diverged":
            self.epochs = decision.epochs
            return "diverged"
        if late:
            reason = "max_seconds"
        elif decision.fired and not can_cut(self.plan, factors[self.heads[0]]):
            reason = decision.fired[0].name
        elif len(decision.epochs) >= passes:
            reason = "max_iter"
        elif decision.fired:
            factors[self.heads] /= 5
            for rule in decision.fired:
                rule.again()
        better = decision.better or (not self.kept and decision.fate == "good")
        self.epochs, self.rules = decision.epochs, decision.rules
        if better:
            self.good = moment.state.pack(moment.plan, self.heads)
        return reason

    def interrupt(self, run: Run, moment: Moment, passed: int, seconds: float) -> str:
        """The reason of its end in a pass that the user cuts short, which is in the history as far as it went."""
        if not np.isfinite(run.sums[0, self.heads]).all():
            return "diverged"
        if run.done and len(self.epochs) == passed:
            measured = _Measured(np.array(LossSums(run.sums).finish()), None, None, None)
            self.epochs = self.epochs.plus(self._epoch(moment, measured, seconds))
        return "interrupted"

    def _epoch(self, moment: Moment, measured: "_Measured", seconds: float) -> Epoch:
        clock = moment.state.at[self.heads[0]]
        loss, value, scored = (np.nan if x is None else float(np.mean(x[self.heads])) for x in measured[:3])
        eta = self.plan.eta(max(1.0, clock["t"] - 1)) * clock["eta_factor"]
        return Epoch(len(self.epochs) + 1, loss, value, scored, eta, np.nan, np.nan, seconds)

    def _finite(self, moment: Moment) -> Callable[[], bool]:
        W, b = moment.model
        return lambda: bool(np.isfinite(W[:, self.heads]).all() and np.isfinite(b[self.heads]).all())

    def end(self, moment: Moment, reason: str) -> Trained:
        """What is returned of it."""
        back = reason == "diverged" or self.kept
        if reason == "interrupted":  # As in a fit of its own, the best by a score is returned.
            rule = keeping(self.rules)
            back = self.kept and rule is not None and rule.needs == "validation_score"
        state = self.good if back else moment.state.pack(moment.plan, self.heads)
        return Trained(state, self.plan, self.epochs, reason)


class _Measured(NamedTuple):
    """What one epoch gave for each head: the mean loss before each step, objective and score or None, and () -> loss of zeros."""

    loss: NDArray[Any]
    objective: NDArray[Any] | None
    score: NDArray[Any] | None
    loss_of_zeros: Any


def train(
    state: State,
    plan: Plan,
    table: Table,
    rules: Sequence[Stopping],
    *,
    passes: int,
    shuffle: bool = True,
    score: Callable[[Moment], NDArray[Any]] | None = None,
    max_seconds: float | None = None,
    lanes: Serial = SERIAL,
) -> dict[int, Trained]:
    """Train the models of a plan until each has met a rule, or the passes or the time are over.

    Models that are done are left out of the passes that follow.

    Parameters
    ----------
    state : State
        Changed in place by the first pass.
    plan : Plan
        Whose heads are separate; `model` says which of them are one model.
    table : Table
    rules : list of Stopping
        For each model, which gets copies of its own; of the objective, or of the validation score.
    passes : int
        Epochs at most.
    shuffle : bool
    score : callable or None
        `score(moment)` -> (K,) float64, the validation score of each head; more is better.
    max_seconds : float or None
        Time budget, looked at between kernel calls; models that have not ended by then end with "max_seconds".
    lanes : Serial or other way to do a round

    Returns
    -------
    dict of int to Trained
        By the numbers of the models. A model diverges by itself: its state is then that of its last good epoch. Ctrl-C ends
        those under way, "interrupted".
    """
    started, needs = perf_counter(), {rule.needs for rule in rules}
    done: dict[int, Trained] = {}
    if not needs <= {"objective", "validation_score"} or ("validation_score" in needs and score is None):
        raise ValueError(f"several models are judged by their objective or a validation score, found rules={rules!r}")
    numbers = plan.heads["model"]

    def over() -> bool:
        return max_seconds is not None and perf_counter() - started > max_seconds

    models = {
        number: _Model(np.flatnonzero(numbers == number), rules, state, plan) for number in np.unique(numbers).tolist()
    }
    run, moment, passed = Run(state), Moment(state, plan), 0
    try:
        while models:
            run, moment = Run(state), Moment(state, plan)
            late = _walk(run, plan, table, shuffle, lanes, over)
            measured = _measure(run, moment, table, needs, score)
            late = late or over()
            for number, model in list(models.items()):
                reason = model.judge(moment, measured, perf_counter() - started, late, passes)
                if reason is not None:
                    done[number] = model.end(moment, reason)
                    del models[number]
            state, plan = _packed(models, moment)
            passed += 1
    except KeyboardInterrupt:
        run.put_back()
        for number, model in models.items():
            if number not in done:
                done[number] = model.end(moment, model.interrupt(run, moment, passed, perf_counter() - started))
    return done


def _packed(models: dict[int, _Model], moment: Moment) -> tuple[State, Plan]:
    """The state and the plan of the models that are left, whose heads then lie one after another."""
    state, plan = moment.state, moment.plan
    keep = np.concatenate([model.heads for model in models.values()]) if models else np.arange(len(state.b))
    if len(keep) == len(state.b):
        return state, plan
    first = 0
    for model in models.values():
        model.heads = np.arange(first, first + len(model.heads))
        first += len(model.heads)
    return state.pack(plan, keep), plan.pack(keep)


def _walk(run: Run, plan: Plan, table: Table, shuffle: bool, lanes: Serial, over: Callable[[], bool]) -> bool:
    """A pass; True where the time was over before its last row."""
    late = any(run.start is not None and over() for _ in one_pass(run, plan, table, shuffle, lanes))
    run.put_back()
    return late


def _measure(
    run: Run, moment: Moment, table: Table, needs: set[str], score: Callable[[Moment], NDArray[Any]] | None
) -> _Measured:
    plan, seed, (W, b) = moment.plan, moment.state.seed, moment.model
    return _Measured(
        np.array(LossSums(run.sums).finish()),
        objective(table, plan, W, b, seed=seed) if "objective" in needs else None,
        None if score is None else score(moment),
        lambda: np.array(LossSums.of(table, plan, np.zeros_like(W), np.zeros_like(b), seed=seed).finish()),
    )
