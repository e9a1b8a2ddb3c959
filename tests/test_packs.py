"""Packs that see some of the rows: each is trained as a model of its own for which the other rows have weight 0."""

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from support.sizes import sizes

from fastsgd import engine, losses, optimizers, packs, schedules, several, sources
from fastsgd.estimators.targets import Numbers
from fastsgd.packs import Among, EveryRow, Only, Pack, Resampled, Seen, Without
from fastsgd.plan import Plan
from fastsgd.sources import _order
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import Scaling, moments
from fastsgd.sources.stream import Stream
from fastsgd.state import State
from fastsgd.stopping import Objective
from fastsgd.sums import LossSums
from fastsgd.threads import Threads

N, D, SEED = 230, 5, 6
RNG = np.random.default_rng(5)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.8) * [1, 2, 0.5, 1, 3]
Y = np.round(X @ RNG.standard_normal((D, 1)) + 0.5 * RNG.standard_normal((N, 1)), 3)
CODE = RNG.integers(0, 3, N).astype(np.int32)
FOLD = RNG.integers(0, 4, N).astype(np.int32)
WEIGHT = np.where(np.arange(N) % 9 == 0, 0.0, RNG.uniform(0.5, 2, N))
MASK = RNG.random(N) < 0.6
LOSS = losses.Huber(0.5)
VIEWS = {
    "every row": EveryRow(),
    "without": Without(2),
    "only": Only(1),
    "among": Among(MASK),
    "resampled": Resampled(3),
}


def plan_of(schedule="constant", loss=LOSS, model=0, **how):
    bound = schedules.get(schedule).bind(eta0=0.03, alpha=0.01, power_t=0.3, loss=loss, pass_rows=N, passes=20)
    return Plan.of(loss, bound, l2=0.01, model=model, **how)


KINDS = {
    "sgd": plan_of(),
    "l1, averaged": plan_of("optimal", l1=0.004, average=30),
    "auto": plan_of("auto"),
    "adam": plan_of(optimizer=optimizers.Adam(), batch_size=7),
    "ftrl": plan_of(optimizer=optimizers.FTRL()),
    "full batches": plan_of(optimizer=optimizers.SGD(momentum=0.9), batch_size=np.inf),
    "multinomial": plan_of(loss=losses.MULTICLASS["multinomial"]()),
}


def weights_of(view, s=None):
    """What a view makes of the weights of the rows, by its definition."""
    seen = {
        EveryRow: lambda: np.ones(N),
        Without: lambda: view.fold != FOLD,
        Only: lambda: view.fold == FOLD,
        Among: lambda: view.mask,
        Resampled: lambda: [reference.poisson_counts(SEED, row, view.number) for row in range(N)],
    }[type(view)]()
    return np.asarray(seen, float) * (1.0 if s is None else s)


def table_of(plan, layout="dense", s=None, **more):
    given = X if layout == "dense" else sp.csr_matrix(X)
    if plan.loss.coupled:
        return Table(given, code=CODE, negative=plan.loss.negative, s=s, **more)
    return Table(given, y=Y, s=s, **more)


def state_of(plan, dtype=np.float64):
    return State.zeros(D, 3 if plan.loss.coupled else 1, dtype, SEED)


@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_pack_is_trained_as_if_the_rows_that_it_does_not_see_had_no_weight(kind, view, layout, weighed):
    plan, view, s, rules = KINDS[kind], VIEWS[view], WEIGHT if weighed else None, [Objective(tol=1e-3, patience=2)]
    table = table_of(plan, layout, s, fold=FOLD)
    with sizes(call_rows=64, buffer_bytes=1, block_bytes=1):
        found = several.train([Pack(state_of(plan), plan, view)], table, rules, passes=12)[0]
        alone = table_of(plan, layout, weights_of(view, s))
        run = engine.Run(state_of(plan), [rule.fresh() for rule in rules])
        moment, epochs, reason = engine.train(run, plan, alone, passes=12)
    assert (found.reason, len(found.epochs)) == (reason, len(epochs))
    for name in ("loss", "objective"):
        mine, own = ([getattr(epoch, name) for epoch in some] for some in (found.epochs, epochs))
        np.testing.assert_allclose(mine, own, rtol=1e-9, err_msg=name)
    for mine, own in zip(found.state.model(plan), moment.model, strict=True):
        np.testing.assert_allclose(mine, own, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_packs_of_many_kinds_go_side_by_side(n):
    """They end by themselves, and threads change nothing."""
    kinds = [kind for kind in KINDS if kind != "multinomial"]
    cases = [(kind, view) for kind in kinds for view in VIEWS.values()]
    plans = [Plan.of(**_settings(KINDS[kind]), model=number) for number, (kind, _) in enumerate(cases)]
    together = [Pack(state_of(plan), plan, view) for plan, (_, view) in zip(plans, cases, strict=True)]
    table, rules = Table(X, y=Y, fold=FOLD), [Objective(tol=1e-3, patience=2)]
    found = several.train(together, table, rules, passes=12, threads=Threads(n))
    assert sorted(found) == list(range(len(cases)))
    for number, (plan, (_, view)) in enumerate(zip(plans, cases, strict=True)):
        alone = several.train([Pack(state_of(plan), plan, view)], table, rules, passes=12)[number]
        assert alone.reason == found[number].reason
        for mine, own in zip(found[number].state.model(plan), alone.state.model(plan), strict=True):
            np.testing.assert_array_equal(mine, own)


def _settings(plan):
    names = "loss", "schedule", "optimizer", "batch_size"
    heads = {name: plan.heads[name][0] for name in ("l1", "l2", "average")}
    return {name: getattr(plan, name) for name in names} | heads


def test_losses_of_held_out_rows_are_those_of_the_rows_a_view_sees():
    plan = KINDS["sgd"]
    trained = Pack(state_of(plan), plan, Without(1))
    several.train([trained], Table(X, y=Y, fold=FOLD), [], passes=2)
    there = [Pack(trained.state, plan, Only(1)), Pack(trained.state, plan, Among(FOLD == 1))]
    sums = packs.loss_sums(there, Table(X, y=Y, fold=FOLD))
    right = LossSums.of(Table(X[FOLD == 1], y=Y[FOLD == 1]), plan, *trained.state.model(plan)).values
    for found in sums:
        np.testing.assert_allclose(found, right)


@pytest.mark.parametrize("view", VIEWS)
def test_standardised_rows_have_the_moments_of_those_that_are_seen(view):
    plan, view, table = KINDS["sgd"], VIEWS[view], Table(X, y=Y, fold=FOLD)
    mean, std = moments(Seen(table, view, SEED), np.dtype(float))
    right = moments(Table(X, y=Y, s=weights_of(view)), np.dtype(float))
    np.testing.assert_allclose([mean, std], right)
    state, scaling = state_of(plan), Scaling(mean, 1.0 / std)
    found = several.train([Pack(state, plan, view, scaling)], table, [Objective()], passes=3)[0]
    alone = Table(X, y=Y, s=weights_of(view), scaling=scaling)
    moment, epochs, _ = engine.train(engine.Run(state_of(plan), [Objective().fresh()]), plan, alone, passes=3)
    np.testing.assert_allclose(found.state.W, moment.state.W, rtol=1e-9)
    np.testing.assert_allclose(found.epochs.view()["objective"], epochs.view()["objective"], rtol=1e-9)


def test_a_model_that_diverges_beside_others_does_so_alone():
    good = KINDS["adam"]
    bad = Plan.of(
        losses.SquaredError(),
        schedules.get("constant").bind(eta0=1e5, alpha=0, power_t=0, loss=losses.SquaredError(), pass_rows=N, passes=9),
        batch_size=2,
        model=1,
    )
    found = several.train([Pack(state_of(good), good), Pack(state_of(bad), bad)], Table(X, y=Y), [], passes=9)
    assert found[1].reason == "diverged" and not found[1].state.W.any(), "as it was at the start"
    alone = several.train([Pack(state_of(good), good)], Table(X, y=Y), [], passes=9)
    np.testing.assert_array_equal(found[0].state.W, alone[0].state.W)


def test_models_that_are_dropped_are_as_they_were_then():
    plans = [plan_of(model=k, optimizer=optimizers.Adam()) for k in range(3)]

    def drop(epochs, left, done):
        assert sorted({*left, *done}) == [0, 1, 2]
        return [2] if epochs == 1 else [1] if epochs == 3 else []

    found = several.train([Pack(state_of(p), p) for p in plans], Table(X, y=Y), [], passes=5, drop=drop)
    assert [(found[k].reason, len(found[k].epochs)) for k in range(3)] == [
        ("max_iter", 5),
        ("dropped", 3),
        ("dropped", 1),
    ]
    for k, passes in enumerate((5, 3, 1)):
        alone = several.train([Pack(state_of(plans[k]), plans[k])], Table(X, y=Y), [], passes=passes)
        np.testing.assert_array_equal(found[k].state.W, alone[k].state.W)


def test_a_search_along_a_line_is_refused():
    search = plan_of(optimizer=optimizers.SGD(line_search=True), batch_size=np.inf)
    with pytest.raises(ValueError, match="line"):
        Pack(state_of(search), search)


# ---------------------------------------------------------------- numbers of rows
def test_counts_are_those_of_the_specification():
    numbers = np.array([0, 1, 77, 2**32 + 5, 2**40, 3], np.int64)
    found = _order.resample_counts(numbers, 4, 2**35 + 1)
    assert found.tolist() == [reference.poisson_counts(2**35 + 1, number, 4) for number in numbers.tolist()]
    many = _order.resample_counts(np.arange(20000), 1, 0)
    assert abs(many.mean() - 1) < 0.03 and abs(many.var() - 1) < 0.05
    assert len(_order.resample_counts(np.arange(0), 1, 0)) == 0


def test_folds_are_drawn_by_the_number_of_the_row():
    folds = _order.fold_numbers(np.arange(20000), 5, 3)
    assert set(folds.tolist()) == set(range(5)) and (abs(np.bincount(folds) / 4000 - 1) < 0.06).all()
    some = np.array([5, 19, 3], np.int64)
    np.testing.assert_array_equal(_order.fold_numbers(some, 5, 3), folds[some])
    assert (_order.fold_numbers(np.arange(20000), 5, 4) != folds).any()


@pytest.mark.parametrize("mapped", [False, True])
def test_rows_of_a_stream_keep_their_numbers_in_every_pass(mapped, tmp_path):
    if mapped:
        np.save(tmp_path / "x.npy", np.tile(X, (9, 1)))
        np.save(tmp_path / "y.npy", np.tile(Y[:, 0], 9))
        source = sources.from_npy(tmp_path / "x.npy", tmp_path / "y.npy")
    else:
        source = sources.from_batches(lambda: ((X, Y[:, 0] + 10.0 * k) for k in range(9)))
    source = source.buffered(max_memory=100_000)
    stream = Stream(source, D, Numbers(LOSS, ()), 9 * N, numbered=True, n_folds=3, fold_seed=8)
    seen = []
    for shuffle in (False, True):
        found = {}
        for part, order, _ in stream.chunks(np.dtype(float), 1, shuffle, 0, shuffle):
            rows = order.numbers()
            numbers = rows if part.number is None else part.number[rows]
            for number, fold, y in zip(
                numbers.tolist(), part.fold[rows].tolist(), part.y[rows, 0].tolist(), strict=True
            ):
                found[number] = fold, y
        assert len(found) == 9 * N
        seen.append(found)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("view", [EveryRow(), Without(1), Only(2), Resampled(2)], ids=str)
def test_models_on_a_stream_are_those_of_the_same_rows_in_memory(view):
    """In the order of the file, in which a stream and a table walk alike."""
    plan = KINDS["auto"]
    batches = [(X[i : i + 23], Y[i : i + 23, 0]) for i in range(0, N, 23)]
    source = sources.from_batches(lambda: iter(batches)).buffered(max_memory=8_000)
    stream = Stream(source, D, Numbers(LOSS, ()), N, numbered=True, n_folds=3, fold_seed=8)
    number = np.array([((i // 23) << 32) + i % 23 for i in range(N)])
    table = Table(X, y=Y, number=number, fold=_order.fold_numbers(number, 3, 8))
    found, right = (
        several.train([Pack(state_of(plan), plan, view)], rows, [Objective()], passes=2, shuffle=False)[0]
        for rows in (stream, table)
    )
    np.testing.assert_array_equal(found.state.model(plan)[0], right.state.model(plan)[0])
