"""The loop: epochs of blocks of rows, and between them the decisions. It knows nothing of scikit-learn."""

from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsgd.decide import Decision, decide, keeping
from fastsgd.gathered import Gathered
from fastsgd.history import Epoch, History
from fastsgd.lanes import Diverged, Serial
from fastsgd.objective import descend, loss_of_zeros, mean_loss, measure, objective, zero_objective
from fastsgd.plan import Plan
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.arrays import START, Table
from fastsgd.state import State
from fastsgd.stopping import Stopping
from fastsgd.sums import LossSums

# A rule that needs one of these has the objective worked out, which is infinite or NaN where a weight is.
MEASURED = frozenset(("objective", "gradient_norm"))
NO_NEEDS: frozenset[str] = frozenset()
Weights: TypeAlias = tuple[NDArray[Any], NDArray[Any]]  # (n_features, S), and intercepts (K,)
Score: TypeAlias = Callable[["Moment"], float]


@dataclass
class Run:
    """A training between two kernel calls: all that it takes to go on from there, as if it had never stopped.

    Attributes
    ----------
    state : State
    rules : list of Stopping
        As they stand after the epochs that are over.
    epochs : History
        The epochs that are over.
    good : State or None
        The state that training goes back to: that of the epoch that was best by the rule that keeps the best one (`kept`);
        until there is one, or without such a rule, that of the last epoch that was not beyond return, or else of the start.
    began : ((n_features, S), (K,)) or None
        The model at the start, where it was not of zeros.
    before : ((n_features, S), (K,)) or None
        The model at the start of the pass, where a rule asks how far it moves.
    judged : bool
        Whether the end is compared with the start and with zero weights.
    zero : float
        The objective of zero weights, estimated from the first rows; inf until it is.
    seconds : float
        Seconds that the training has taken so far.
    start, done : (int, int, int) or None, int
        Where in the order of the table the pass goes on, None after its last row; and how many of its rows are done.
    sums : (2, K) float64
        Of the rows done, the sums of the losses before each step and of the weights.
    gathered : Gathered or None
        The sums of the step that is under way, where a step is not of one row.
    whole : bool
        False while the state changes, when a training could not go on from it.
    """

    state: State
    rules: Sequence[Stopping] = ()
    epochs: History = field(default_factory=History)
    good: State | None = None
    began: Weights | None = None
    before: Weights | None = None
    judged: bool = False
    zero: float = np.inf
    seconds: float = 0.0
    start: tuple[int, int, int] | None = START
    done: int = 0
    sums: NDArray[Any] = None  # type: ignore[assignment]  # of __post_init__
    gathered: Gathered | None = None
    whole: bool = True

    def __post_init__(self) -> None:
        if self.sums is None:
            self.sums = np.zeros((2, len(self.state.b)))

    def from_here(self, plan: Plan) -> None:
        """Keep what the end is compared with: the model of the start, and the objective of zero weights once it is known."""
        self.judged = True
        if self.good is None and (self.state.W.any() or self.state.b.any()):
            self.began = self.state.model(plan)

    @property
    def kept(self) -> Stopping | None:
        """The rule whose best epoch `good` is, if there is such a rule and an epoch."""
        rule = keeping(self.rules)
        return rule if rule is not None and rule.best < np.inf else None

    def back_to_best(self) -> bool:
        """At the end of an interrupted pass, go back to the state of the best validation score, if there is one.

        Returns whether it did.
        """
        back = self.kept is not None and self.kept.needs == "validation_score"
        if back:
            self.state.restore(self.good)
        return back

    @property
    def begun(self) -> bool:
        """Whether a kernel call of this pass has changed the state, be it a moment ago."""
        return bool(self.sums.any())

    def next_pass(self, decision: Decision, cut: bool) -> None:
        """Take over the decision at the end of a pass, and go to the first row of the next one.

        cut : whether the step is cut to a fifth
        """
        self.whole = False
        if cut:
            self.state.at["eta_factor"] /= 5
            for rule in decision.fired:
                rule.again()
        better = decision.better or (self.kept is None and decision.fate == "good")
        self.epochs, self.rules = decision.epochs, decision.rules
        if better:
            self.good.restore(self.state)  # type: ignore[union-attr]  # `train` has set it
        self.before, self.start, self.done, self.gathered = None, START, 0, None
        self.sums = np.zeros(self.sums.shape)
        self.whole = True


class Moment:
    """A state between two kernel calls, and its model, which is made once, when it is first asked for."""

    def __init__(self, state: State, plan: Plan) -> None:
        self.state, self.plan = state, plan

    @cached_property
    def model(self) -> Weights:
        """What `State.model` returns; nobody may write to it."""
        return self.state.model(self.plan)

    def copy(self) -> "Moment":
        """A moment that stays when training goes on."""
        new = Moment(self.state.copy(), self.plan)
        new.model = self.model
        return new


def one_pass(run: Run, plan: Plan, table: Table, shuffle: bool, lanes: Any = Serial) -> Iterator[None]:
    """Train in place on each row of the table, or on those that are left of the pass; yields after each round.

    Raises
    ------
    Diverged
        The state is then of no use.
    """
    state, K = run.state, len(run.state.b)
    if table.empty:
        run.start, run.done = None, table.n_rows
        yield
        return
    if run.start == START:
        run.whole = False
        state.prepare(plan, table.sparse)
        state.epoch += 1
        if state.auto is not None and run.epochs:
            state.auto.again = True
        alone = plan.plain or plan.auto or plan.separate
        if run.gathered is None and not alone:
            run.gathered = Gathered(state.W, K, min(plan.batch_size, table.n_rows))
    for part, order, then in table.chunks(state.W.dtype, K, shuffle, state.seed, state.epoch - 1, run.start):
        run.whole = False
        if run.judged and run.zero == np.inf:
            run.zero = zero_objective(part, order, plan, state)
        lanes.round(state, plan, part, order, run.sums, run.gathered, then is None)
        run.start, run.done, run.whole = then, run.done + order.n, True
        yield


def line_search(run: Run, plan: Plan, table: Table, _shuffle: bool) -> Iterator[None]:
    """As `one_pass`: one step of `descend`, from the step size of the last one."""
    state = run.state
    if not table.empty:
        run.whole = False
        state.prepare(plan, table.sparse)
        state.epoch += 1
        t = state.at["t"][0]
        found = descend(table, plan, state.W, state.b, plan.eta(t) * state.at["eta_factor"][0])
        if found is None:
            raise Diverged(state.epoch)
        loss, eta, state.W[...], state.b[...] = found
        state.at["eta_factor"], state.at["t"] = eta / plan.eta(t), t + 1
        run.sums = np.array([loss, np.ones(len(state.b))])
    run.start, run.done, run.whole = None, int(min(table.n_rows, 2**62)), True  # The number of rows may be inf.
    yield


def train(
    run: Run,
    plan: Plan,
    table: Table,
    *,
    passes: int,
    shuffle: bool = True,
    score: Score | None = None,
    watch: bool = False,
    max_seconds: float | None = None,
    each: Callable[[Moment, History], Any] | None = None,
    between: Callable[[Run, bool], Any] | None = None,
) -> tuple[Moment, History, str]:
    """Train until a rule, a budget, a callback or the user says stop.

    Parameters
    ----------
    run : Run
        A new one, `Run(state, rules)`, or one that goes on; its state is changed in place. The first of the rules that is
        over ends the training, as does a loss beyond return; without any, neither does. With a `Validation` the weights
        of the best score are restored.
    plan : Plan
    table : Table
    passes : int
        Epochs at most.
    shuffle : bool
    score : callable or None
        `score(moment)`, the validation score of its model; more is better.
    watch : bool
        Work out the objective of each epoch even if no rule asks for it.
    max_seconds : float or None
        Time budget, looked at between kernel calls.
    each : callable or None
        `each(moment, epochs)` at the end of each epoch, with all its rows of history; True stops.
    between : callable or None
        `between(run, ending)` after each kernel call, and when the training ends. Until the next kernel call, the training
        can go on from this run; it is not called with a run from which it can't.

    Returns
    -------
    moment : Moment
        Of the state as it is left.
    epochs : History
    reason : str
        The name of a rule, "max_iter", "callback", "max_seconds", "interrupted" or "diverged"; in the last case the
        state is that of the last epoch that was not beyond return.

    Raises
    ------
    Diverged
        In the first epoch; the state is what it was. The history so far is in its second argument.
    """
    state, started = run.state, perf_counter() - run.seconds
    run.good = state.copy() if run.good is None else run.good
    needs = {rule.needs for rule in run.rules} | ({"objective"} if watch else set())
    decision, reason, moment = Decision(run.epochs, run.rules, [], "good", False), None, None

    def over() -> bool:
        return max_seconds is not None and perf_counter() - started > max_seconds

    def after_a_call(ending: bool = False) -> None:
        if between is not None:
            run.seconds = perf_counter() - started
            between(run, ending)

    try:
        while reason is None:
            if "change" in needs and run.before is None:
                run.before = (moment or Moment(state, plan)).model
            decision, moment = decision._replace(better=False), None
            reason = _walk(run, plan, table, shuffle, over, after_a_call)
            moment = Moment(state, plan)
            epoch = _epoch(run, moment, table, score, needs, started)
            finite = (lambda: not overflowed(state)) if needs.isdisjoint(MEASURED) else None
            decision = decide(epoch, run.epochs, run.rules, finite, partial(loss_of_zeros, table, plan, state))
            if decision.fate == "diverged":
                raise Diverged(state.epoch, decision.epochs)
            cut = bool(decision.fired) and can_cut(plan, state.at["eta_factor"][0])
            if each is not None and each(moment, decision.epochs):
                reason = "callback"
            elif reason is None and over():
                reason = "max_seconds"
            elif reason is None and decision.fired and not cut:
                reason = decision.fired[0].name
            elif reason is None and len(decision.epochs) >= passes:
                reason = "max_iter"
            if reason is None:
                run.next_pass(decision, cut)
    except KeyboardInterrupt:
        reason = "interrupted"
        if run.done and len(decision.epochs) == len(run.epochs):
            epoch = _epoch(run, Moment(state, plan), table, None, NO_NEEDS, started)
            decision = decision._replace(epochs=run.epochs.plus(epoch))
    except Diverged as error:
        if not run.epochs:
            state.restore(run.good)
            raise Diverged(error.args[0], run.epochs) from None
        epochs = error.args[1] if len(error.args) > 1 else run.epochs
        decision, reason = decision._replace(epochs=epochs, better=False), "diverged"
    if run.whole:
        try:
            after_a_call(ending=True)
        except KeyboardInterrupt:
            reason = "interrupted"
    back = reason == "diverged" or (reason != "interrupted" and not decision.better and run.kept is not None)
    if back:
        state.restore(run.good)
    elif not decision.better:
        back = run.back_to_best()
    return Moment(state, plan) if back or moment is None else moment, decision.epochs, reason


def train_once(run: Run, plan: Plan, table: Table, shuffle: bool) -> tuple[History, str]:
    """As `train` of one pass without rules, scores and callbacks, so that a row costs little beside its own step.

    Raises
    ------
    Diverged
        The state is then of no use. The caller must see whether weights overflowed in the last step.
    """
    started, state = perf_counter(), run.state
    try:
        for _ in (line_search if plan.line_search else one_pass)(run, plan, table, shuffle):
            pass
        epoch = _epoch(run, Moment(state, plan), table, None, NO_NEEDS, started)
    except KeyboardInterrupt:
        if not run.done:
            return run.epochs, "interrupted"
        return run.epochs.plus(_epoch(run, Moment(state, plan), table, None, NO_NEEDS, started)), "interrupted"
    if not isfinite(epoch.loss):
        raise Diverged(state.epoch)
    return run.epochs.plus(epoch), "max_iter"


def _walk(
    run: Run,
    plan: Plan,
    table: Table,
    shuffle: bool,
    over: Callable[[], bool],
    after_a_call: Callable[[], None],
) -> str | None:
    """The rest of the pass; "max_seconds" where the time is over before its last row."""

    def late() -> bool:
        return run.start is not None and run.start != START and over()

    if run.start is not None and not late():
        for _ in (line_search if plan.line_search else one_pass)(run, plan, table, shuffle):
            after_a_call()
            if late():
                return "max_seconds"
        if run.start is not None:
            raise ValueError(
                f"the data end before {run.start}, where a pass was to go on: they are not what they were."
            )
    return None if run.start is None else "max_seconds"


def progressive(run: Run, plan: Plan) -> float:
    """The mean loss of the rows of the pass so far, each before its own step; mean over the heads or their sum."""
    return mean_loss(LossSums(run.sums), plan, run.state.b)


def _epoch(run: Run, moment: Moment, table: Table, score: Score | None, needs: Set[str], started: float) -> Epoch:
    """The row of history of the pass: of what costs a pass over the rows, only what the rules or the user ask for."""
    state, plan, objective_, norm, change = moment.state, moment.plan, np.nan, np.nan, np.nan
    if needs and not needs.isdisjoint((*MEASURED, "change")):
        W, b = moment.model
        if "gradient_norm" in needs:
            objective_, norm = measure(table, plan, W, b)
        elif "objective" in needs:
            objective_ = objective(table, plan, W, b)
        if run.before is not None:
            moved = np.linalg.norm(W - run.before[0]) ** 2 + np.linalg.norm(b - run.before[1]) ** 2
            size = np.linalg.norm(W) ** 2 + np.linalg.norm(b) ** 2
            change = float(np.sqrt(moved / size)) if size > 0 else 0.0
    scored = np.nan if score is None else score(moment)
    t, factor = state.at["t"].item(), state.at["eta_factor"].item()
    eta, number = plan.eta(max(1.0, t - 1)) * factor, len(run.epochs) + 1
    return Epoch(number, progressive(run, plan), objective_, scored, eta, norm, change, perf_counter() - started)


def overflowed(state: State) -> bool:
    """Whether a weight or an intercept is not finite."""
    return first_nonfinite(state.W.ravel()) >= 0 or first_nonfinite(state.b) >= 0


def can_cut(plan: Plan, factor: float) -> bool:
    """Whether on a plateau the schedule takes a smaller step and goes on: the adaptive one, down to 1e-6."""
    return not plan.line_search and plan.schedule.feedback and plan.eta(1.0) * factor > 1e-6
