"""Several models trained and judged in one pass: each ends as a training of its own on its own rows does."""

from itertools import count

import numpy as np
import pytest
import scipy.sparse as sp

from fastsgd import engine, losses, schedules, several
from fastsgd.lanes import SERIAL, Serial
from fastsgd.packs import Pack
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State
from fastsgd.stopping import Objective, Validation
from fastsgd.sums import LossSums

N, D = 150, 6
RNG = np.random.default_rng(2)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7)
Y = 1.0 * (X @ RNG.standard_normal((D, 1)) + 0.8 * RNG.standard_normal((N, 1)) > 0)
CODE = np.digitize(X @ RNG.standard_normal(D) + 0.5 * RNG.standard_normal(N), [-0.7, 0.7]).astype(np.int32)
FOLD = (np.arange(N) % 3).astype(np.int32)
WEIGHT = np.where(np.arange(N) % 7 == 0, 0.0, RNG.uniform(0.5, 2, N))
VALIDATION = Table(RNG.standard_normal((40, D)), y=1.0 * (RNG.standard_normal((40, 1)) > 0))
LOSS = losses.LogLoss()


def bound(schedule="constant", eta0=0.05, loss=LOSS):
    return schedules.get(schedule).bind(eta0=eta0, alpha=0.01, power_t=0.3, loss=loss, pass_rows=N, passes=30)


def plans_of(schedule="constant", loss=LOSS, etas=(0.01, 0.3, 0.05, 0.5), **head):
    """Models with penalties, averages, folds and steps of their own."""
    return [
        Plan.of(
            loss,
            bound(schedule, eta, loss),
            l1=0.003 * (k % 2),
            l2=0.01 * k,
            average=20.0 * (k == 2),
            fold=k % 3 - 1,
            model=k + 10,
            **head,
        )
        for k, eta in enumerate(etas)
    ]


def score(of):
    """The loss on rows held out, of each head of a pack, or of a moment of a training; more is better."""
    W, b = (of.moment if isinstance(of, Pack) else of).model
    return -np.array(LossSums.of(VALIDATION, of.plan, W, b).finish())


def together(plans, table, rules, seed=4, **how):
    plan = Plan.stack(plans)
    state = State.zeros(D, len(plan.heads), np.float64, seed, True)
    return several.train([Pack(state, plan)], table, rules, **{"passes": 30, **how})


def alone(plan, table, rules, seed=4, heads=1, score=None, **how):
    """(moment, epochs, reason) of the training of one model, on the rows that its fold leaves."""
    fold = plan.heads["fold"][0]
    if fold >= 0:
        s = np.ones(N) if table.s is None else table.s
        table = Table(table.X, y=table.y, s=s * (table.fold != fold))
    state = State.zeros(D, heads, np.float64, seed)
    run = engine.Run(state, [rule.fresh() for rule in rules])
    given = None if score is None else lambda moment: float(np.mean(score(moment)))
    return engine.train(run, plan, table, score=given, **{"passes": 30, **how})


def agree(found, right, rtol):
    moment, epochs, reason = right
    assert (found.reason, len(found.epochs)) == (reason, len(epochs))
    for name in ("epoch", "loss", "objective", "validation_score", "eta"):
        mine, own = (np.array([getattr(e, name) for e in part], float) for part in (found.epochs, epochs))
        np.testing.assert_allclose(mine, own, rtol=rtol, err_msg=name)
    (W, b), (V, c) = found.state.model(found.plan), moment.model
    np.testing.assert_allclose(W[:, : len(b)], V[:, : len(b)], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(b, c, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(found.state.at["eta_factor"], moment.state.at["eta_factor"][0])


RULES = {
    "objective": [Objective(tol=1e-3, patience=2)],
    "validation": [Validation(tol=1e-3, patience=3)],
    "both": [Objective(tol=1e-2, patience=4), Validation(tol=1e-3, patience=3)],
    "none": [],
}


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("schedule", ["constant", "invscaling", "adaptive"])
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("weighed", [False, True])
def test_each_model_ends_as_a_training_of_its_own(layout, schedule, rules, weighed):
    rules = RULES[rules]
    scored = score if any(rule.needs == "validation_score" for rule in rules) else None
    given = X if layout == "dense" else sp.csr_matrix(X)
    table = Table(given, y=Y, s=WEIGHT if weighed else None, fold=FOLD)
    plans = plans_of(schedule)
    found = together(plans, table, rules, score=scored, passes=25)
    assert sorted(found) == [10, 11, 12, 13]
    for k, plan in enumerate(plans):
        agree(found[k + 10], alone(plan, table, rules, score=scored, passes=25), 1e-7 if layout == "dense" else 1e-4)


@pytest.mark.parametrize("schedule", ["constant", "adaptive"])
def test_models_of_one_against_the_rest(schedule):
    rules, table = [Objective(tol=3e-3, patience=2)], Table(X, code=CODE, negative=0.0)
    per_model = [Plan.of(LOSS, bound(schedule, eta), l2=l2) for eta, l2 in ((0.02, 0.01), (0.4, 0.1), (0.1, 0.0))]
    heads = [
        Plan.of(LOSS, plan.schedule, l2=plan.l2, column=k, model=model)
        for k in range(3)  # the heads of a model need not lie together
        for model, plan in enumerate(per_model)
    ]
    found = together(heads, table, rules)
    assert len({len(one.epochs) for one in found.values()}) > 1
    for model, plan in enumerate(per_model):
        agree(found[model], alone(plan, table, rules, heads=3), 1e-7)


def test_a_model_that_diverges_does_so_alone():
    loss, rules, table = losses.SquaredError(), [Objective(tol=1e-4, patience=2)], Table(X, y=Y, fold=FOLD)
    plans = plans_of(loss=loss, etas=(0.01, 50.0, 0.003, 1e200))
    found = together(plans, table, rules)
    for k in (0, 2):
        agree(found[k + 10], alone(plans[k], table, rules), 1e-7)
    assert [found[k].reason for k in (11, 13)] == ["diverged"] * 2
    assert not found[13].state.W.any() and not found[13].state.b.any(), "as it was at the start"


def test_a_model_that_diverges_later_is_that_of_its_last_good_epoch():
    loss, table = losses.SquaredError(), Table(X[:20], y=Y[:20])
    plans = [Plan.of(loss, bound(eta0=eta, loss=loss), model=k) for k, eta in enumerate((0.01, 0.4))]
    found = together(plans, table, [Objective(tol=0.0, patience=10_000)], passes=200)
    agree(found[0], alone(plans[0], table, [Objective(tol=0.0, patience=10_000)], passes=200), 1e-7)
    last, epochs = found[1], found[1].epochs
    assert last.reason == alone(plans[1], table, [Objective(tol=0.0, patience=10_000)], passes=200)[2] == "diverged"
    W, b = last.state.model(last.plan)
    loss_there = LossSums.of(table, last.plan, W, b).finish()[0]
    assert len(epochs) > 1 and loss_there == pytest.approx(min(epoch.objective for epoch in epochs))


def test_objectives_of_resamples_are_of_the_rows_that_these_drew():
    table, seed = Table(X, y=Y), 7
    plans = [Plan.of(LOSS, bound(), resample=k + 1, model=k) for k in range(3)]
    found = together(plans, table, [Objective()], seed=seed, passes=1)
    for one in found.values():
        right = np.array(LossSums.of(table, one.plan, *one.state.model(one.plan), seed=seed).finish())
        np.testing.assert_allclose(one.epochs[0].objective, right, rtol=1e-12)


def clock(monkeypatch, step=1.0):
    """A clock that goes on by a second each time that it is looked at."""
    ticks = count()
    monkeypatch.setattr(several, "perf_counter", lambda: step * next(ticks))


def test_the_time_is_over_also_where_a_pass_is_a_single_call(monkeypatch):
    clock(monkeypatch)
    found = together(plans_of(), Table(X, y=Y, fold=FOLD), [], passes=10_000, max_seconds=60)
    assert {one.reason for one in found.values()} == {"max_seconds"}
    assert all(0 < len(one.epochs) < 60 for one in found.values())


class Interrupts(Serial):
    """A lane at which the user presses Ctrl-C, after so many rounds."""

    def __init__(self, rounds):
        self.left = rounds

    def round(self, *given):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        SERIAL.round(*given)


@pytest.mark.parametrize("rounds", [0, 2])
def test_the_user_gets_the_models_as_they_are(rounds):
    table = Table(X, y=Y, fold=FOLD)
    found = together(plans_of(), table, [], lanes=Interrupts(rounds))
    assert {one.reason for one in found.values()} == {"interrupted"}
    right = together(plans_of(), table, [], passes=rounds) if rounds else None
    for number, one in found.items():
        assert len(one.epochs) == rounds
        if rounds:
            np.testing.assert_array_equal(one.state.W, right[number].state.W)
        else:
            assert not one.state.W.any()


def test_ctrl_c_while_models_are_scored_loses_none():
    def impatient(pack):
        if pack.state.epoch == 3:
            raise KeyboardInterrupt
        return score(pack)

    table, rules = Table(X, y=Y, fold=FOLD), [Validation(tol=0.0, patience=100)]
    found = together(plans_of(), table, rules, score=impatient)
    right = together(plans_of(), table, rules, score=score, passes=2)
    for number, one in found.items():
        assert (one.reason, len(one.epochs)) == ("interrupted", 3)
        np.testing.assert_array_equal(one.state.W, right[number].state.W)  # the best that was scored


@pytest.mark.parametrize("rules", [[], [Objective(tol=0.0, patience=2)]], ids=["none", "objective"])
def test_rows_without_weight_teach_nothing(rules):
    table = Table(X, y=Y, fold=FOLD, s=np.zeros(N))
    plans = plans_of("adaptive")
    found = together(plans, table, rules, passes=6)
    for k, plan in enumerate(plans):
        agree(found[k + 10], alone(plan, table, rules, passes=6), 1e-12)
        assert not found[k + 10].state.W.any()


def test_models_under_way_are_packed_without_copies_of_the_others():
    plan = Plan.stack(plans_of())
    state = State.zeros(D, 4, np.float64, 4, True)
    one = state.pack(plan, [2])
    assert one.W.shape == (D, 4) and len(one.at) == 1
    for name in ("W", "b", "b_avg", "at"):
        assert not np.shares_memory(getattr(one, name), getattr(state, name))


def test_rules_that_look_at_something_else_are_refused():
    with pytest.raises(ValueError, match="judged by their objective or a validation score"):
        together(plans_of(), Table(X, y=Y, fold=FOLD), [Validation()])


@pytest.mark.parametrize("at", range(4))
def test_ctrl_c_while_models_end_loses_none(at, monkeypatch):
    """Two end in the second epoch, the others in the sixth; the user presses as one of them ends."""
    calls, end = count(), several._Model.end

    def impatient(model, *given):
        if next(calls) == at:
            raise KeyboardInterrupt
        return end(model, *given)

    def drop(epochs, packs, done):
        return sorted(packs)[:2] if epochs == 2 else []

    monkeypatch.setattr(several._Model, "end", impatient)
    found = together(plans_of(), Table(X, y=Y, fold=FOLD), [], passes=6, drop=drop)
    assert sorted(found) == [10, 11, 12, 13]
    assert [one.reason for one in found.values()].count("interrupted") == 4 - at


def test_ctrl_c_once_all_have_ended_is_not_lost(monkeypatch):
    def impatient(models):
        raise KeyboardInterrupt

    monkeypatch.setattr(several, "_left", impatient)
    with pytest.raises(KeyboardInterrupt):
        together(plans_of(), Table(X, y=Y, fold=FOLD), [], passes=1)
