"""A contest: models that differ in one parameter learn side by side in one pass, and the rows say which of them is the model.

They are judged by rows before they learn from them. The State that has the contest is the model that leads; the other models are
part of the contest, and so they are copied and saved with that State, and learn on with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil, expm1, floor, log, log2
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.gathered import Gathered
from fastsgd.lanes import SERIAL, Diverged, Round, Serial, local
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State
from fastsgd.threads import Threads

# After so many rows the model that has lost most leaves the contest, and one more each time that the number of rows has doubled.
# With four models the contest takes 70,000 steps beside those of the model itself.
FIRST_ROWS = 10_000
# While the number of rows doubles, models are judged so often, after fixed numbers of rows, however many come in a call.
# FIRST_ROWS and its multiples are among them; up to FIRST_ROWS / 64, and from FIRST_ROWS on, they are evenly apart.
JUDGEMENTS = 4
LEAST_DOUBLINGS, MOST_DOUBLINGS = -6, 0
# To work out a model, where that is needed to judge it, takes as long as some hundred rows. So from 2 * FIRST_ROWS rows on only
# the rows before one judgement in JUDGEMENTS count, each JUDGEMENTS times.


@dataclass(eq=False)
class Contest:
    """The models beside the one that leads, and what all have lost.

    Attributes
    ----------
    parameter : str
    values : (n,) float64
        Of that parameter, one for each model.
    first : int
        The place in `values` of the model that leads where none has lost less.
    half_life : float
        Of the judgement: rows after which a row counts half, as in that of learning_rate="auto". No model leaves such a contest,
        as one that is behind may lead later. 0: no row fades.
    leader : int
        The place of the model that leads.
    running : array of int
        The places of the others that are still in the contest.
    others : list of State
        These, from the first row on.
    lost : (n,) float64
        The sums of their losses before they learnt from the rows, each times the square of the number of rows until then.
    now : (n, 2, K) float64, or None before the first row
        The losses and weights that are not yet in `lost`.
    rows, rows_now : float
        How many rows that have weight there were, and how many of them are in `now`.
    judged_W, judged_b : (n, n_features, S) of the weights' dtype and (n, K) float64, or None
        With a half-life: the models at the last judgement, by which rows up to the next one are judged, while some of these
        are still to come. They are never changed, so that copies share them.
    """

    parameter: str
    values: NDArray[Any]
    first: int
    half_life: float
    leader: int
    running: NDArray[np.int64]
    others: list[State] = field(default_factory=list)
    lost: NDArray[Any] = None  # type: ignore[assignment]  # of __post_init__
    now: NDArray[Any] | None = None
    rows: float = 0.0
    rows_now: float = 0.0
    judged_W: NDArray[Any] | None = None
    judged_b: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        if self.lost is None:
            self.lost = np.zeros(len(self.values))

    @classmethod
    def of(cls, parameter: str, values: Sequence[float], leader: int, half_life: float = 0.0) -> "Contest":
        """One that begins, of models that are as the leader is."""
        running = np.delete(np.arange(len(values)), leader)
        return cls(parameter, np.array(values, float), leader, half_life, leader, running)

    @property
    def value(self) -> float:
        """That of the model that leads."""
        return float(self.values[self.leader])

    def copy(self) -> "Contest":
        """An independent copy."""
        others, now = [state.copy() for state in self.others], None if self.now is None else self.now.copy()
        return replace(self, running=self.running.copy(), others=others, lost=self.lost.copy(), now=now)

    def end(self) -> None:
        """Have the model that leads go on alone."""
        self.running, self.others = self.running[:0], []
        self.forget_judged()

    def begin(self, state: State) -> None:
        """Make the others, before the first row, as copies of the leader."""
        if len(self.others) < len(self.running):
            state.contest = None  # Those beside it have none.
            self.others = [state.copy() for _ in self.running]
            state.contest = self

    @property
    def next_judgement(self) -> int:
        """The number of rows after which models are judged next."""
        return judgement_after(self.rows - self.rows_now)

    @property
    def times(self) -> float:
        """How often rows up to the next judgement count; models have to be worked out only where there is a half-life."""
        done = self.rows - self.rows_now
        if done < 2 * FIRST_ROWS or not self.half_life:
            return 1.0
        return JUDGEMENTS if done % FIRST_ROWS < FIRST_ROWS / JUDGEMENTS else 0.0

    @property
    def scores(self) -> NDArray[Any]:
        """`lost` with the losses of `now`."""
        if self.now is None:
            return self.lost
        weight = self.times * self._left(self.rows - self.rows_now / 2) ** 2 * self._fade(self.rows_now / 2)
        return np.asarray(self._fade(self.rows_now) * self.lost + weight * self.now[:, 0].sum(axis=1))

    def judge(self) -> None:
        """Take what there is in `now` into `lost`."""
        self.lost, self.rows_now = self.scores, 0.0
        self.now = np.zeros_like(self.now)
        self.forget_judged()

    def forget_judged(self) -> None:
        """Forget the models at the last judgement: the next rows are judged by those that there are before them."""
        self.judged_W = self.judged_b = None

    def _fade(self, n: float) -> float:
        """The factor by which a loss fades in n rows: its own weight fades, and the square of the number of rows before it."""
        return float(2 ** (-3 * n / self.half_life)) if self.half_life else 1.0

    def _left(self, n: float) -> float:
        """What is left of n rows."""
        return self.half_life / log(2) * -expm1(-log(2) * n / self.half_life) if self.half_life else n


# A function of the place of a model and of sums, (2, K), to which it adds the losses and weights of some rows at that model.
Losses = Callable[[int, NDArray[Any]], None]


def judgement_after(rows: float) -> int:
    """The number of rows after which models are judged next, if there were so many."""
    doublings = (
        LEAST_DOUBLINGS if rows < 1 else min(max(floor(log2(rows / FIRST_ROWS)), LEAST_DOUBLINGS), MOST_DOUBLINGS)
    )
    each = FIRST_ROWS * 2.0**doublings / JUDGEMENTS
    return max(ceil((rows // each + 1) * each), int(rows) + 1)


class SideBySide(Serial):
    """A way to do rounds: all models of a contest learn from the rows of each, every model by one of the threads.

    The bits are the same for any number of threads.

    Parameters
    ----------
    plans : list of Plan
        One for each value; they have steps of single rows.
    sparse : bool
        Whether the rows are CSR.
    threads : Threads
    """

    def __init__(self, plans: Sequence[Plan], sparse: bool, threads: Threads) -> None:
        self.plans, self.sparse, self.threads = plans, sparse, threads
        self.contest: Contest
        self.gathered: list[Gathered | None] = []

    def opened(self, state: State, plan: Plan, sums: NDArray[Any], gathered: Gathered | None) -> Serial:
        """Have the others ready for the pass that the leader is ready for."""
        self.contest = contest = state.contest
        contest.begin(state)
        for number, other in zip(contest.running, contest.others, strict=True):
            other.prepare(self.plans[number], self.sparse)
            other.epoch = state.epoch
        # A step is one row, so that nothing is gathered between two rounds: these are room for it.
        self.gathered = [None if gathered is None else gathered.copy() for _ in self.plans]
        return self

    def stretches(self, plan: Plan, part: Table, order: Order, K: int, seen: int, n_rows: float) -> list[Order]:
        """As those of one thread; where a model is kept until it has judged all its rows, they end where models are judged."""
        found = SERIAL.stretches(plan, part, order, K, seen, n_rows)
        if order.visit is not None or not self.contest.half_life:
            return found
        rows = int(self.contest.rows)
        ends = np.cumsum([some.n for some in found])
        ends = np.unique([min(order.n, judgement_after(rows + end - 1) - rows) for end in ends.tolist()])
        return [order.between(lo, hi) for lo, hi in pairwise([0, *ends.tolist()])]

    def round(self, state: State, plan: Plan, rows: Round) -> None:
        """A kernel call's rows; `sums` are of the models that lead at the time, and the state is that of the last one.

        What interrupts it is raised when all models have learnt from the rows that one of them has learnt from.
        """
        contest, order, done = state.contest, rows.order, 0
        while len(contest.running) and done < order.n:
            n = self._rows_until_judged(contest, plan, rows, done)
            self._learn(state, rows._replace(order=order.between(done, done + n)) if n < order.n else rows)
            done += n
        if done < order.n:
            rest = rows._replace(order=order.between(done, order.n)) if done else rows
            local(state, self.plans[contest.leader], rest)

    def _rows_until_judged(self, contest: Contest, plan: Plan, rows: Round, done: int) -> int:
        """How many rows of a round the models learn from before they are judged, if so many are done of it."""
        order, left = rows.order, rows.order.n - done
        if not (plan.plain or plan.auto):  # Others bring all weights up to date at the end of a kernel call.
            return left
        n = contest.next_judgement - int(contest.rows)
        if rows.part.s is not None:
            ends = np.flatnonzero(rows.part.s[order.index()][done:])[n - 1 : n] + 1
            n = int(ends[0]) if len(ends) else left
        if order.visit is not None:
            n = -(-n // order.buffer_rows) * order.buffer_rows
        return min(left, n)

    def _learn(self, state: State, rows: Round) -> None:
        """Have all models learn from some rows, and see who leads."""
        contest, n, sums = state.contest, _n_weighed(rows), rows.sums
        models, numbers = [state, *contest.others], [contest.leader, *contest.running.tolist()]
        if contest.now is None:
            contest.now = np.zeros((len(contest.values), *sums.shape))
        before, clocks = contest.now[numbers], [one.t for one in models]
        # Kernels add to what there is, so that sums are of the same bits in whatever calls rows come.
        found = before.copy()
        # These may be of weights that are not averaged, whose steps are the longer the sooner rows fade.
        of_models = before.copy() if contest.half_life else None
        judging = self._judging(state, models, numbers, rows) if contest.half_life and contest.times > 0 else None

        def train(i: int) -> None:
            if of_models is not None and judging is not None:
                of_models[i] = before[i]  # It may be interrupted, and then begin again.
                judging(i, of_models[i])
            try:
                own = rows._replace(sums=found[i], gathered=self.gathered[numbers[i]])
                local(models[i], self.plans[numbers[i]], own)
            except Diverged:
                found[i] = np.nan

        def end() -> None:
            contest.now[numbers] = found if of_models is None else np.where(np.isfinite(found), of_models, np.nan)
            best = self._lead(state, numbers, n)
            sums[...] += found[best] - before[best]

        try:
            self.threads.map(train, range(len(models)))
        except BaseException:
            left = [i for i, one in enumerate(models) if one.t == clocks[i]]  # Kernels count the rows that have weight.
            if len(left) < len(models):
                self.threads.map(train, left)
                for one in models:
                    one.at["t"] = one.t  # `local` may have been left before that.
                end()
            raise
        end()

    def _judging(self, state: State, models: list[State], numbers: list[int], rows: Round) -> Losses:
        """What adds to sums the losses of some rows at one of these models, as it was at the last judgement.

        So it does not matter in how many calls rows come. A model is worked out in full, and kept, only where the last of
        the rows that it judges are still to come; else on CSR it is of the features of these rows, as there may be millions.
        """
        contest, plans = state.contest, [self.plans[number] for number in numbers]
        features, centred, n_values = None, _centred(models) if self.sparse else None, len(contest.values)
        if contest.judged_W is None and contest.rows + _n_weighed(rows) < contest.next_judgement:
            found = self.threads.map(lambda i: _model(models[i], plans[i], None, centred), range(len(models)))
            kept_W, kept_b = np.zeros((n_values, *state.W.shape), state.W.dtype), np.zeros((n_values, len(state.b)))
            for number, model in zip(numbers, found, strict=True):
                kept_W[number], kept_b[number] = model
            contest.judged_W, contest.judged_b = kept_W, kept_b
        if contest.judged_W is not None:
            W, b = contest.judged_W, contest.judged_b
            return lambda i, sums: _add_losses(sums, rows, plans[i], W[numbers[i]], b[numbers[i]])
        if self.sparse:
            rows, features = _each_value_alone(rows, state.W.dtype)
        return lambda i, sums: _add_losses(sums, rows, plans[i], *_model(models[i], plans[i], features, centred))

    def _lead(self, state: State, numbers: list[int], n: int) -> int:
        """See who leads after n more rows, and who leaves; returned is the place of the new leader among the models so far."""
        contest, models = state.contest, [state, *state.contest.others]
        next_judgement, diverged = contest.next_judgement, ~np.isfinite(contest.now[numbers, 0]).all(axis=1)
        contest.rows, contest.rows_now = contest.rows + n, contest.rows_now + n
        lost = contest.scores[numbers]
        for i, one in enumerate(models):
            if one.auto is not None and not contest.half_life:
                lost[i] = one.auto.lost
        lost = np.where(np.isfinite(lost) & ~diverged, lost, np.inf)
        if not (lost < np.inf).any():
            raise Diverged(state.epoch)
        if contest.rows >= next_judgement:
            contest.judge()
        # Of models that have lost the same it does not matter which of them led before: that depends on the calls.
        by_loss = np.lexsort((numbers, np.array(numbers) != contest.first, lost))
        best, stay = int(by_loss[0]), len(contest.values)
        if contest.rows >= FIRST_ROWS and not contest.half_life:
            stay -= 1 + int(log2(contest.rows / FIRST_ROWS))
        kept = [int(i) for i in sorted(by_loss[: max(1, stay)]) if lost[i] < np.inf and i != best]
        if best:
            models[best] = _swapped(state, models[best])
        contest.leader, contest.running = numbers[best], np.array([numbers[i] for i in kept], np.int64)
        contest.others = [models[best] if i == 0 else models[i] for i in kept]
        return best


def _n_weighed(rows: Round) -> int:
    """How many rows of a round have weight."""
    s = rows.part.s
    return rows.order.n if s is None else int(np.count_nonzero(s[rows.order.index()]))


def _each_value_alone(rows: Round, dtype: Any) -> tuple[Round, NDArray[Any]]:
    """A round on CSR in which each value has a feature of its own, and of each value the number of the feature that it had."""
    part = rows.part.read(rows.order.numbers(), dtype)
    X: Any = part.X
    own = sp.csr_matrix((X.data, np.arange(X.nnz, dtype=X.indices.dtype), X.indptr), (X.shape[0], X.nnz))
    return Round(replace(part, X=own), Order(None, None, 0, X.shape[0], X.shape[0]), rows.sums), X.indices


def _centred(models: list[State]) -> NDArray[Any]:
    """On CSR the features that are centred in any of the models."""
    return np.unique(np.concatenate([np.zeros(0, np.intp), *(one.auto.in_each_row for one in models if one.auto)]))


def _model(state: State, plan: Plan, features: Any, centred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Weights and intercepts of the model of a state; `features`: on CSR those whose weights are wanted, None: of all.

    On CSR intercepts are worked out of the centred features alone, and so are of the same bits whatever features are wanted.
    """
    if centred is None:
        return state.model(plan)
    _, b = state.of_features(centred[:0], centred).model(plan)
    if features is None:
        return state.model(plan)[0], b
    return state.of_features(features, centred).model(plan)[0][: len(features)], b


def _add_losses(sums: NDArray[Any], rows: Round, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> None:
    """Add the losses and weights of a round at a model to sums, (2, K)."""
    kernels.total(rows.part.X, rows.order, rows.part.target(), W, b, plan.compiled, sums)


def _swapped(state: State, other: State) -> State:
    """Have two models change places: the second is in the State that has the contest then. Returned is the State of the first."""
    own, theirs = vars(state), vars(other)
    for name in own:
        if name != "contest":
            own[name], theirs[name] = theirs[name], own[name]
    return other
