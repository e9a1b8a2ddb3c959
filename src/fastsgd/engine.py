"""The loop: epochs of blocks of rows, and between them the decisions. It knows nothing of scikit-learn."""

from collections.abc import Callable, Iterator, Set
from functools import partial
from math import isfinite
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from fastsgd.decide import Decision, decide
from fastsgd.gathered import Gathered
from fastsgd.history import Epoch, History
from fastsgd.lanes import SERIAL, Diverged, Round, Serial
from fastsgd.objective import descend, loss_of_zeros, mean_loss, measure, objective, zero_objective
from fastsgd.plan import Plan
from fastsgd.run import Moment, Run
from fastsgd.sources._check import first_nonfinite
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.hints import Shuffle
from fastsgd.state import State
from fastsgd.sums import LossSums

# A rule that needs one of these has the objective worked out, which is infinite or NaN where a weight is.
MEASURED = frozenset(("objective", "gradient_norm"))
MOVED = frozenset(("change", "step_length"))  # of the parameters since the epoch before
NO_NEEDS: frozenset[str] = frozenset()
Score: TypeAlias = Callable[["Moment"], float]


def one_pass(run: Run, plan: Plan, table: Table, shuffle: Shuffle, lanes: Serial = SERIAL) -> Iterator[None]:
    """Train in place on each row of the table, or on those that are left of the pass; yields after each round.

    Raises
    ------
    Diverged
        The state is then of no use.
    """
    state, K = run.state, len(run.state.b)
    if table.empty:
        run.start, run.done = None, table.n_rows
        if not run.epochs:
            run.note(table.n_rows, plan)
        yield
        return
    if run.start == START:
        begin_pass(run, plan, table, again=bool(run.epochs))
    first = not run.epochs
    way = lanes.opened(state, plan, run.sums, run.gathered)
    run.parts = way = way if run.recorder is None else run.recorder.opened(run, way)
    for part, order, then in table.chunks(state.W.dtype, K, shuffle, state.seed, state.epoch - 1, run.start):
        run.whole = False
        if run.judged and run.zero == np.inf:
            run.zero = zero_objective(part, order, plan, state)
        seen = run.done + order.n
        for some in way.stretches(plan, part, order, K, seen, table.n_rows) if first and order.n > 1 else (order,):
            done = run.done + some.n
            way.round(state, plan, Round(part, some, run.sums, run.gathered, then is None and done == seen))
            run.done = done
            if first:
                run.note(some.n, plan)
        way.beside(state, plan, part, order, then is None)
        run.start, run.whole = then, True
        yield
    way.put_back()
    run.parts = None


def begin_pass(run: Run, plan: Plan, table: Table, again: bool) -> None:
    """Have all that a pass over the table needs; `again` says that the rows have been walked before."""
    state = run.state
    run.whole = False
    state.prepare(run.plan_of(plan), table.sparse)
    state.epoch += 1
    if state.auto is not None and again:
        state.begin_again()
    alone = plan.plain or plan.auto or plan.separate
    if run.gathered is None and not alone:
        run.gathered = Gathered(state.W, len(state.b), min(plan.batch_size, table.n_rows))


def line_search(run: Run, plan: Plan, table: Table, _shuffle: Shuffle, _lanes: Serial = SERIAL) -> Iterator[None]:
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
        if not run.epochs:
            run.note(int(min(table.n_rows, 2**62)), plan)
    run.start, run.done, run.whole = None, int(min(table.n_rows, 2**62)), True  # The number of rows may be inf.
    if run.recorder is not None:
        run.recorder.stepped(run)
    yield


def train(
    run: Run,
    plan: Plan,
    table: Table,
    *,
    passes: int,
    shuffle: Shuffle = True,
    score: Score | None = None,
    watch: bool = False,
    max_seconds: float | None = None,
    each: Callable[[Moment, History], Any] | None = None,
    between: Callable[[Run, bool], Any] | None = None,
    lanes: Serial = SERIAL,
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
        Epochs at most; 0 leaves the state as it is.
    shuffle : bool or "replace"
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
    lanes : Serial or other way to do a round

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
        if run.recorder is not None:
            run.recorder.begin(run)
        reason = None if passes else "max_iter"
        while reason is None:
            if not needs.isdisjoint(MOVED) and run.before is None:
                run.before = (moment or run.moment(plan)).model
            decision, moment = decision._replace(better=False), None
            reason = _walk(run, plan, table, shuffle, lanes, over, after_a_call)
            moment = run.moment(plan)
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
        if run.recorder is not None:
            run.recorder.end(run)
    except KeyboardInterrupt:
        reason = "interrupted"
        if run.done and len(decision.epochs) == len(run.epochs):
            epoch = _epoch(run, run.moment(plan), table, None, NO_NEEDS, started)
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
    return run.moment(plan) if back or moment is None else moment, decision.epochs, reason


def train_once(run: Run, plan: Plan, table: Table, shuffle: Shuffle, lanes: Serial = SERIAL) -> tuple[History, str]:
    """As `train` of one pass without rules, scores and callbacks, so that a row costs little beside its own step.

    Raises
    ------
    Diverged
        The state is then of no use. The caller must see whether weights overflowed in the last step.
    """
    started, state = perf_counter(), run.state
    try:
        if run.recorder is not None:
            run.recorder.begin(run)
        for _ in (line_search if plan.line_search else one_pass)(run, plan, table, shuffle, lanes):
            pass
        epoch = _epoch(run, run.moment(plan), table, None, NO_NEEDS, started)
    except KeyboardInterrupt:
        if not run.done:
            return run.epochs, "interrupted"
        return run.epochs.plus(_epoch(run, run.moment(plan), table, None, NO_NEEDS, started)), "interrupted"
    if not isfinite(epoch.loss):
        raise Diverged(state.epoch)
    return run.epochs.plus(epoch), "max_iter"


def _walk(
    run: Run,
    plan: Plan,
    table: Table,
    shuffle: Shuffle,
    lanes: Serial,
    over: Callable[[], bool],
    after_a_call: Callable[[], None],
) -> str | None:
    """The rest of the pass; "max_seconds" where the time is over before its last row."""

    def late() -> bool:
        return run.start is not None and run.start != START and over()

    if run.start is not None and not late():
        for _ in (line_search if plan.line_search else one_pass)(run, plan, table, shuffle, lanes):
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
    if run.sums.shape[1] == 1:  # The same number sooner, for which a call of a single row waits.
        (loss,), (weight,) = run.sums.tolist()
        return float(loss / weight) if weight > 0 else 0.0
    return mean_loss(LossSums(run.sums), plan, run.state.b)


def _epoch(run: Run, moment: Moment, table: Table, score: Score | None, needs: Set[str], started: float) -> Epoch:
    """The row of history of the pass: of what costs a pass over the rows, only what the rules or the user ask for."""
    state, plan, objective_, norm, change, moved = moment.state, moment.plan, np.nan, np.nan, np.nan, np.nan
    if needs and not needs.isdisjoint(MEASURED | MOVED):
        W, b = moment.model
        known = {} if run.recorder is None else run.recorder.known(state, table)
        if "gradient_norm" in needs:
            objective_, norm = known["gradient_norm"] if "gradient_norm" in known else measure(table, plan, W, b)
        elif "objective" in needs:
            objective_ = known["objective"] if "objective" in known else objective(table, plan, W, b)
        if run.before is not None:
            moved = float(np.hypot(np.linalg.norm(W - run.before[0]), np.linalg.norm(b - run.before[1])))
            size = np.hypot(np.linalg.norm(W), np.linalg.norm(b))
            change = float(moved / size) if size > 0 else 0.0
    scored = np.nan if score is None else score(moment)
    t, factor = state.at["t"].item(), state.at["eta_factor"].item()
    eta, number = plan.eta(max(1.0, t - 1)) * factor, len(run.epochs) + 1
    return Epoch(number, progressive(run, plan), objective_, scored, eta, norm, change, moved, perf_counter() - started)


def overflowed(state: State) -> bool:
    """Whether a weight or an intercept is not finite."""
    return first_nonfinite(state.W.ravel()) >= 0 or first_nonfinite(state.b) >= 0


def can_cut(plan: Plan, factor: float) -> bool:
    """Whether on a plateau the schedule takes a smaller step and goes on: the adaptive one, down to 1e-6."""
    return not plan.line_search and plan.schedule.feedback and plan.eta(1.0) * factor > 1e-6
