"""Several models in one pass: the rows are walked once for all, and each model is judged by itself."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsgd.decide import decide, keeping
from fastsgd.engine import can_cut
from fastsgd.history import Epoch, History
from fastsgd.lanes import SERIAL, Serial
from fastsgd.packs import Pack, loss_sums, one_pass
from fastsgd.plan import Plan
from fastsgd.sources.hints import Shuffle
from fastsgd.state import State
from fastsgd.stopping import Stopping
from fastsgd.threads import ONE_THREAD, Threads


class KeptState(NamedTuple):
    """The state of a model at the end of some epoch, among others; nobody trains it any more.

    Attributes
    ----------
    whole, plan : State, Plan
        Of all heads that were kept together.
    heads : array of int
    """

    whole: State
    plan: Plan
    heads: NDArray[Any]

    @property
    def state(self) -> State:
        """That of the model alone."""
        return self.whole.pack(self.plan, self.heads) if self.plan.separate else self.whole

    def apart(self) -> "KeptState":
        """The same, and nothing of other models, whose states would be kept with it."""
        if not self.plan.separate or self.whole.W.shape[1] == len(self.heads):
            return self
        own = self.whole.pack(self.plan, self.heads, spare=False)
        return KeptState(own, self.plan.pack(self.heads), np.arange(len(self.heads)))


class Trained(NamedTuple):
    """A model whose training is over.

    Attributes
    ----------
    kept : KeptState
        With a rule that keeps the best epoch, of that.
    plan : Plan
        Of its heads alone, as is `state`.
    epochs : History
    reason : str
        As `engine.train` gives it, or "dropped".
    """

    kept: KeptState
    plan: Plan
    epochs: History
    reason: str

    @property
    def state(self) -> State:
        """The state of its heads alone; made when asked for, as those of all models take more memory apart."""
        return self.kept.state


class _Model:
    """A model under way: its heads in its pack, and what was decided of it so far."""

    def __init__(self, pack: Pack, number: int, rules: Sequence[Stopping], start: State) -> None:
        self.pack, self.heads = pack, pack.heads(number)
        self.plan = pack.plan.pack(self.heads) if pack.plan.separate else pack.plan
        self.rules: Sequence[Stopping] = [rule.fresh() for rule in rules]
        self.epochs = History()
        # The state of its best epoch by a rule that keeps the best one, or else of its last good epoch; and whether that is the
        # one that is judged.
        self.good, self.better = self.as_in(start), False

    def as_in(self, whole: State) -> KeptState:
        """Its part of a state of its pack."""
        return KeptState(whole, self.pack.plan, self.heads)

    def copied(self) -> KeptState:
        """A copy of its part of the state of its pack."""
        kept = self.as_in(self.pack.state).apart()
        return kept if kept.whole is not self.pack.state else self.as_in(self.pack.state.copy())

    @property
    def kept(self) -> bool:
        """Whether `good` is of the best epoch by a rule."""
        rule = keeping(self.rules)
        return rule is not None and rule.best < np.inf

    def judge(self, measured: "_Measured", seconds: float, late: bool, passes: int) -> str | None:
        """Take what was measured of one more epoch; the reason if it is the last, be it because time is over (`late`)."""
        self.better = False
        if self.pack.diverged:
            return "diverged"
        epoch, finite = self._epoch(measured, seconds), None
        if measured.objective is None:
            finite = lambda: bool(measured.finite()[self.heads].all())  # noqa: E731
        decision = decide(epoch, self.epochs, self.rules, finite, lambda: np.mean(measured.loss_of_zeros()[self.heads]))
        factors, reason = self.pack.state.at["eta_factor"], None
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
        self.better = decision.better or (not self.kept and decision.fate == "good")
        self.epochs, self.rules = decision.epochs, decision.rules
        return reason

    def interrupt(self, passed: int, seconds: float) -> str:
        """The reason of its end in a pass that the user cuts short, which is in the history as far as it went."""
        run = self.pack.run
        if self.pack.diverged or not np.isfinite(self.pack.mean(run.sums)[self.heads]).all():
            return "diverged"
        if run.done and len(self.epochs) == passed:
            measured = _Measured(self.pack.mean(run.sums), None, None, lambda: self.heads, lambda: self.heads)
            self.epochs = self.epochs.plus(self._epoch(measured, seconds))
        return "interrupted"

    def _epoch(self, measured: "_Measured", seconds: float) -> Epoch:
        clock = self.pack.state.at[self.heads[0]]
        loss, value, scored = (np.nan if x is None else float(np.mean(x[self.heads])) for x in measured[:3])
        eta = self.plan.eta(max(1.0, clock["t"] - 1)) * clock["eta_factor"]
        return Epoch(len(self.epochs) + 1, loss, value, scored, eta, np.nan, np.nan, np.nan, seconds)

    def end(self, reason: str, alone: bool) -> Trained:
        """What is returned of it; `alone`: whether no model of its pack goes on, so that its state stays as it is."""
        # A model that is dropped was scored as it is.
        back = reason == "diverged" or (self.kept and reason != "dropped")
        if reason == "interrupted":  # As in a fit of its own, the best by a score is returned.
            rule = keeping(self.rules)
            back = self.kept and rule is not None and rule.needs == "validation_score"
        kept = self.good if back else self.as_in(self.pack.state)
        return Trained(kept if alone else kept.apart(), self.plan, self.epochs, reason)


class _Measured(NamedTuple):
    """What one epoch gave for each head of a pack, or for its one model.

    That is the mean loss before each step, objective and score or None, () -> loss of zeros, which takes a pass once, and
    () -> whether all weights are finite.
    """

    loss: NDArray[Any]
    objective: NDArray[Any] | None
    score: NDArray[Any] | None
    loss_of_zeros: Callable[[], NDArray[Any]]
    finite: Callable[[], NDArray[Any]]

    @classmethod
    def of(
        cls, packs: Sequence[Pack], table: Any, needs: set[str], score: "Score | None", threads: Threads
    ) -> list[Any]:
        """Those of each pack; one more pass over the rows where the objective is asked for."""
        losses: list[Any] = [None] * len(packs)
        if "objective" in needs:
            sums = loss_sums(packs, table, threads=threads)
            losses = [pack.mean(values) + pack.penalty() for pack, values in zip(packs, sums, strict=True)]
        return [
            cls(
                pack.mean(pack.run.sums),
                objective,
                None if score is None else np.atleast_1d(score(pack)),
                cache(lambda pack=pack: pack.mean(loss_sums([pack], table, zeros=True)[0])),
                cache(pack.finite),
            )
            for pack, objective in zip(packs, losses, strict=True)
        ]


Score: TypeAlias = Callable[[Pack], NDArray[Any]]
Drop: TypeAlias = Callable[[int, dict[int, Pack], dict[int, Trained]], Iterable[int]]


def train(
    packs: Sequence[Pack],
    table: Any,
    rules: Sequence[Stopping],
    *,
    passes: int,
    shuffle: Shuffle = True,
    score: Score | None = None,
    max_seconds: float | None = None,
    drop: Drop | None = None,
    lanes: Serial = SERIAL,
    threads: Threads = ONE_THREAD,
    n_folds: int = 0,
) -> dict[int, Trained]:
    """Train the models of some packs until each has met a rule, or the passes or the time are over.

    Models that are done are left out of the passes that follow.

    Parameters
    ----------
    packs : list of Pack
        Their states are changed in place by the first pass. No two models have one number.
    table : Table or Stream
    rules : list of Stopping
        For each model, which gets copies of its own; of the objective, or of the validation score.
    passes : int
        Epochs at most.
    shuffle : bool or "replace"
    score : callable or None
        `score(pack)` -> the validation score of each of its heads, or of its one model; more is better.
    max_seconds : float or None
        Time budget, looked at between kernel calls; models that have not ended by then end with "max_seconds".
    drop : callable or None
        `drop(epochs, packs by the numbers of the models under way, those that have ended)` -> numbers of those to end here,
        which end with "dropped".
    lanes : Serial or other way to do a round
        Where there is a single pack.
    threads : Threads
        Who trains several packs.
    n_folds : int
        Views are of so many folds, drawn by the numbers of the rows; 0: those of the table.

    Returns
    -------
    dict of int to Trained
        By the numbers of the models. A model diverges by itself: its state is then that of its last good epoch. Ctrl-C ends
        those under way, "interrupted".

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, if each model had ended or diverges.
    """
    started, needs, packs = perf_counter(), {rule.needs for rule in rules}, list(packs)
    if not needs <= {"objective", "validation_score"} or ("validation_score" in needs and score is None):
        raise ValueError(f"several models are judged by their objective or a validation score, found rules={rules!r}")
    models: dict[int, _Model] = {}
    for pack in packs:
        start = pack.state.copy()
        models |= {n: _Model(pack, n, rules, start) for n in np.unique(pack.numbers).tolist()}
    done: dict[int, Trained] = {}
    passed = 0

    def over() -> bool:
        return max_seconds is not None and perf_counter() - started > max_seconds

    def end(reasons: dict[int, str]) -> None:
        going_on = {id(model.pack) for number, model in models.items() if number not in reasons}
        for number, reason in reasons.items():
            done[number] = models[number].end(reason, id(models[number].pack) not in going_on)
        for number in reasons:  # Ctrl-C between the two loops loses no model.
            del models[number]

    try:
        while models:
            late = False
            for _ in one_pass(packs, table, shuffle, lanes, threads, n_folds):
                late = late or over()
                if late:
                    break
            for pack in packs:
                pack.end()
            measured = dict(zip(map(id, packs), _Measured.of(packs, table, needs, score, threads), strict=True))
            late = late or over()
            reasons = {}
            for number, model in models.items():
                reason = model.judge(measured[id(model.pack)], perf_counter() - started, late, passes)
                if reason is not None:
                    reasons[number] = reason
            _keep([model for number, model in models.items() if reasons.get(number) != "max_iter" or model.kept])
            end(reasons)
            passed += 1
            if drop is not None and models:
                left = {number: model.pack for number, model in models.items()}
                end(dict.fromkeys(drop(passed, left, done), "dropped"))
            packs = _left(models)
    except KeyboardInterrupt:
        for pack in packs:
            pack.end()
        seconds, under_way = perf_counter() - started, {n: model for n, model in models.items() if n not in done}
        reasons = {number: model.interrupt(passed, seconds) for number, model in under_way.items()}
        end(reasons)
        if "interrupted" not in reasons.values():  # No reason that is returned would tell of Ctrl-C.
            raise
    return done


def _by_pack(models: Iterable[_Model]) -> list[list[_Model]]:
    """The models of each pack."""
    found: dict[int, list[_Model]] = {}
    for model in models:
        found.setdefault(id(model.pack), []).append(model)
    return list(found.values())


def _keep(models: Iterable[_Model]) -> None:
    """Keep the states of the models that are better: where all of a pack are, in one copy."""
    for some in _by_pack(models):
        state, whole = some[0].pack.state, some[0].good.whole
        if not all(model.better for model in some):
            for model in some:
                model.good = model.copied() if model.better else model.good
        elif len(whole.b) == len(state.b) and all(model.good.whole is whole for model in some):
            whole.restore(state)  # No other model keeps this state.
        else:
            whole = state.copy()
            for model in some:
                model.good = model.as_in(whole)


def _left(models: dict[int, _Model]) -> list[Pack]:
    """The packs of the models that are left, whose heads then lie one after another."""
    by_pack = _by_pack(models.values())
    for some in by_pack:
        if some[0].pack.only(np.concatenate([model.heads for model in some])):
            first = 0
            for model in some:
                model.heads = np.arange(first, first + len(model.heads))
                first += len(model.heads)
    return [some[0].pack for some in by_pack]
