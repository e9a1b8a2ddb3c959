"""A training between two kernel calls, and the model of a moment."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsgd.decide import Decision, keeping
from fastsgd.gathered import Gathered
from fastsgd.history import History
from fastsgd.lanes import Serial
from fastsgd.plan import Plan
from fastsgd.progressive import Progressive
from fastsgd.sources.arrays import START
from fastsgd.state import State
from fastsgd.stopping import Stopping

Weights: TypeAlias = tuple[NDArray[Any], NDArray[Any]]  # (n_features, S), and intercepts (K,)


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
    progressive : Progressive
        How the losses of the rows went in the first pass, and in calls before.
    noted : (float, float)
        What `sums` were, added up over the heads, when `progressive` last took note of them.
    whole : bool
        False while the state changes, when a training could not go on from it.
    parts : Serial or other way to do a round, or None
        That of the pass under way, which may have the state in parts: it is put together when it is asked for.
    recorder : record.Recorder or None
        What records the training.
    judge : judge.Judge or None
        What says by rows that were not learnt from whether further passes are of use.
    plans : list of Plan, or empty
        In a contest, the plan of each of its models.
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
    progressive: Progressive = field(default_factory=Progressive)
    noted: tuple[float, float] = (0.0, 0.0)
    whole: bool = True
    parts: Serial | None = None
    recorder: Any = None
    judge: Any = None
    plans: Sequence[Plan] = ()

    def __post_init__(self) -> None:
        if self.sums is None:
            self.sums = np.zeros((2, len(self.state.b)))
        else:
            self.noted = self._sums_of_heads()

    def _sums_of_heads(self) -> tuple[float, float]:
        """`sums`, added up over the heads."""
        losses, weights = self.sums.tolist()
        return (losses[0], weights[0]) if len(losses) == 1 else (sum(losses), sum(weights))

    def note(self, rows: int, plan: Plan) -> None:
        """Keep the losses of the rows that were done since the last time, by `progressive`."""
        before, heads = self.noted, self.sums.shape[1]
        self.noted = now = self._sums_of_heads()
        losses, weight = now[0] - before[0], now[1] - before[1]
        if heads > 1:
            losses, weight = losses if plan.loss.coupled else losses / heads, weight / heads
        self.progressive = self.progressive.plus(rows, losses, weight)

    def plan_of(self, plan: Plan, state: State | None = None) -> Plan:
        """The plan by which the state, or another one, is trained: this one, or in a contest that of the model that leads."""
        contest: Any = self._state.contest if state is None else state.contest
        return self.plans[contest.leader] if self.plans and contest is not None else plan

    def moment(self, plan: Plan) -> "Moment":
        """The state as it is now; the plan is as that of `plan_of`."""
        state = self.state
        return Moment(state, self.plan_of(plan))

    def put_back(self) -> None:
        """Make the state what it is after the rounds so far, where these have it in parts."""
        if self.parts is not None:
            self.parts.put_back()

    def _get_state(self) -> State:
        if self.parts is not None:
            self.parts.put_back()
        return self._state

    def _set_state(self, state: State) -> None:
        self._state, self.parts = state, None

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
        self.sums, self.noted = np.zeros(self.sums.shape), (0.0, 0.0)
        self.whole = True


Run.state = property(Run._get_state, Run._set_state)  # type: ignore[assignment]


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
