"""Every kernel gives what tests/reference.py gives, over the whole registry."""

import itertools
from functools import cache, partial

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from support.cases import covering
from support.kernels import ALPHA, DTYPES, ETA0, LAYOUTS, PASSES, agree, bind, lay_out, rows, targets, train

from fastsgd import engine, losses, penalties, schedules
from fastsgd._kernels import _cpu
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State


@cache
def expected(name, penalty, heads, average):
    loss, (X, s) = losses.get(name), rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    eta = bind("invscaling", loss)
    return reference.sgd(X, targets(loss, X, heads), loss, eta, l1=l1, l2=l2, average=average, s=s, passes=PASSES)


# A loss goes through a pointer, but for two that are inlined: these two and one other meet all the rest. Of the other
# losses, and of 64 bit indices, which are another type in the same code, any two settings meet.
PENALTIES, HEADS, AVERAGES = [None, "l2", "l1", "elasticnet"], [1, 5], [0, 1, 10]
EVERY_WAY = itertools.product(["dense", "csr32"], DTYPES, ["hinge", "log_loss", "huber"], PENALTIES, HEADS, AVERAGES)
EVERY_LOSS = covering(2, LAYOUTS, DTYPES, losses.LOSSES, PENALTIES, HEADS, AVERAGES)


@pytest.mark.parametrize("layout, dtype, name, penalty, heads, average", dict.fromkeys([*EVERY_WAY, *EVERY_LOSS]))
def test_kernel_equals_the_reference(layout, dtype, name, penalty, heads, average):
    loss, (X, s) = losses.get(name), rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    Y = targets(loss, X, heads)
    ours = train(lay_out(X, layout, dtype), loss, bind("invscaling", loss), l1=l1, l2=l2, average=average, y=Y, s=s)
    rtol = DTYPES[dtype]
    if layout != "dense" and penalty == "elasticnet":
        rtol = max(rtol, 1e-5)  # a weight that reaches 0 between two rows: right to second order in alpha * eta
    agree(ours, expected(name, penalty, heads, average), rtol)


WIDTHS = [6, 28, 45, 70, 300]


@pytest.mark.parametrize(
    "layout, dtype, name, d, penalty",
    covering(3, ["dense", "csr32"], DTYPES, ["log_loss", "hinge", "huber"], WIDTHS, [None, "l2", "elasticnet"]),
)
def test_shuffled_rows_are_those_rows_in_that_order(layout, dtype, name, d, penalty, set_sizes):
    """Over several buffers and calls: short and long dense rows have kernels of their own."""
    set_sizes(block_rows=4, buffer_bytes=1, buffer_blocks=3, call_rows=36)
    loss, (X, s) = losses.get(name), rows(90, d)
    s[:30] = 1
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    Y, data, seen = targets(loss, X, 1), lay_out(X, layout, dtype), []
    for epoch in range(PASSES):
        for _, (listed, visit, _, m, buffer), _ in Table(data).chunks(data.dtype, 1, True, 0, epoch):
            seen.extend(listed[visit + np.arange(m) // buffer * buffer])
    assert sorted(seen) == sorted([*range(90)] * PASSES) and seen != [*range(90)] * PASSES
    eta = bind("invscaling" if penalty == "elasticnet" else "optimal", loss)
    right = reference.sgd(X[seen], Y[seen], loss, eta, l1=l1, l2=l2, s=s[seen], average=20)
    ours = train(data, loss, eta, l1=l1, l2=l2, y=Y, s=s, average=20, shuffle=True)
    agree(ours, right, 1e-3 if layout != "dense" and penalty == "elasticnet" else DTYPES[dtype])


def test_rows_whose_products_with_each_other_overflow():
    """Two float32 rows of 1e20 have a product of 1e40; their margins, at a step that fits them, are small."""
    loss, (X, s) = losses.LogLoss(), rows(60, 6)
    Y, huge = targets(loss, X, 1), (1e20 * X).astype("f4")
    run = partial(train, loss=loss, y=Y, s=s, shuffle=True, intercept_decay=0.0)
    W, *rest = run(huge, schedule=bind("constant", loss, eta0=ETA0 * 1e-40))
    agree([1e20 * W, *rest], run(X.astype("f4"), schedule=bind("constant", loss)), 1e-4)


@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize(
    "name, loss", [("pa1", "hinge"), ("pa2", "hinge"), ("pa1", "epsilon_insensitive"), ("pa2", "epsilon_insensitive")]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_passive_aggressive(layout, name, loss, heads, penalty):
    loss, (X, s) = losses.get(loss), rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    Y = targets(loss, X, heads)
    schedule = bind(name, loss)
    pa = schedule.pa, ETA0, loss.name == "hinge"
    right = reference.sgd(X, Y, loss, schedule, l1=l1, l2=l2, s=s, passes=PASSES, pa=pa)
    agree(
        train(lay_out(X, layout), loss, schedule, l1=l1, l2=l2, y=Y, s=s),
        right,
        1e-5 if penalty == "elasticnet" else 1e-10,
    )


@pytest.mark.parametrize("average", [0, 1])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_class(layout, average):
    loss, (X, s) = losses.Hinge(), rows()
    kwargs = dict(l2=0.3, nu=0.3, average=average, intercept_decay=0.01, s=s, b=np.ones(1))
    right = reference.sgd(X, np.ones((len(X), 1)), loss, bind("optimal", loss, alpha=0.3), passes=PASSES, **kwargs)
    ours = train(lay_out(X, layout), loss, bind("optimal", loss, alpha=0.3), y=np.ones((len(X), 1)), **kwargs)
    agree(ours, right, 1e-10)


@pytest.mark.parametrize("decay", [0.0, 0.01, 1.0])
@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_weights_and_start_and_intercept_decay(layout, heads, decay):
    loss, (X, s) = losses.LogLoss(), rows()
    Y, rng = targets(loss, X, heads), np.random.default_rng(3)
    kwargs = dict(s=s, s_pos=rng.uniform(0, 2, heads), s_neg=np.zeros(heads), l2=ALPHA, intercept_decay=decay)
    kwargs |= dict(W=rng.standard_normal((X.shape[1], heads)), b=rng.standard_normal(heads))
    right = reference.sgd(X, Y, loss, bind("constant", loss), passes=PASSES, **kwargs)
    agree(train(lay_out(X, layout), loss, bind("constant", loss), y=Y, **kwargs), right, 1e-10)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_are_one_against_the_rest(layout):
    loss, (X, s) = losses.Hinge(), rows()
    code = np.random.default_rng(2).integers(0, 20, len(X)).astype(np.int32)
    code[0] = 19
    Y = np.where(code[:, None] == np.arange(20), 1.0, -1.0)
    given = dict(s=s, l2=ALPHA, l1=0.001)
    by_code = train(lay_out(X, layout), loss, bind("optimal", loss), code=code, **given)
    by_target = train(lay_out(X, layout), loss, bind("optimal", loss), y=Y, **given)
    for mine, right in zip(by_code, by_target, strict=True):
        np.testing.assert_array_equal(mine, right)


@pytest.mark.parametrize("name", sorted(set(schedules.SCHEDULES) - {"auto"}))
@pytest.mark.parametrize("layout", ["dense", "csr32"])
def test_every_schedule(layout, name):
    loss = losses.EpsilonInsensitive() if name.startswith("pa") else losses.SquaredError()
    X, s = rows()
    Y, schedule = targets(loss, X, 1), bind(name, loss, alpha=0.5)
    pa = (schedule.pa, ETA0, False) if schedule.pa else None
    right = reference.sgd(X, Y, loss, schedule, l2=0.01, s=s, passes=PASSES, pa=pa)
    agree(train(lay_out(X, layout), loss, schedule, l2=0.01, y=Y, s=s), right, 1e-9)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("strength", [5.0, 15.0, 30.0], ids=["rescaled", "rescaled often", "beyond zero"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_penalty_so_strong_that_the_scale_runs_out(layout, dtype, strength, penalty):
    loss, (X, s) = losses.SquaredError(), rows()
    Y = targets(loss, X, 2)
    l1, l2 = penalties.weights(penalty, strength, 0.01)
    right = reference.sgd(X, Y, loss, bind("constant", loss), l1=l1, l2=l2, s=s, passes=PASSES)
    ours = train(lay_out(X, layout, dtype), loss, bind("constant", loss), l1=l1, l2=l2, y=Y, s=s)
    agree(ours, right, DTYPES[dtype] if penalty != "elasticnet" or layout == "dense" else 0.25)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_average_outlives_a_scale_that_runs_out(layout):
    loss, (X, s) = losses.SquaredError(), rows()
    Y = targets(loss, X, 2)
    right = reference.sgd(X, Y, loss, bind("constant", loss), l2=15.0, average=1, s=s, passes=PASSES)
    agree(train(lay_out(X, layout), loss, bind("constant", loss), l2=15.0, average=1, y=Y, s=s), right, 1e-9)


@pytest.mark.parametrize("penalty", [None, "l2", "l1"])
@pytest.mark.parametrize("average", [0, 10])
@pytest.mark.parametrize("heads", [1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_equals_csr(dtype, heads, average, penalty):
    """On wide rows too, where sums are taken in lanes."""
    loss, (X, s) = losses.LogLoss(), rows(80, 150)
    l1, l2 = penalties.weights(penalty, 0.005, 0.4)
    run = partial(
        train, loss=loss, schedule=bind("constant", loss), l1=l1, l2=l2, average=average, y=targets(loss, X, heads), s=s
    )
    dense = run(lay_out(X, "dense", dtype))
    for layout in ("csr32", "csr64"):
        agree(run(lay_out(X, layout, dtype)), dense, 10 * DTYPES[dtype])


def test_elastic_net_on_csr_differs_from_dense_to_second_order():
    loss, (X, _) = losses.SquaredError(), rows(400, 12)
    gaps = []
    for size in (0.02, 0.01, 0.005):
        run = partial(
            train, loss=loss, schedule=bind("constant", loss, eta0=size), l1=0.2, l2=0.05, y=targets(loss, X, 1)
        )
        (W, *_), (V, *_) = run(lay_out(X, "dense")), run(lay_out(X, "csr32"))
        assert (W == 0).any() and (W != 0).any()
        gaps.append(abs(W - V).max())
    assert gaps[0] < 1e-3 and gaps[2] <= gaps[0]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("how", ["fortran", "float16", "int8", "sliced", "int16 csr", "mixed csr"])
def test_what_no_kernel_reads_is_converted_block_by_block(how, shuffle, monkeypatch, set_sizes):
    set_sizes(call_rows=16)
    loss, rng = losses.Hinge(), np.random.default_rng(0)
    X = rng.integers(-3, 4, (70, 5)) * (rng.random((70, 5)) < 0.5)
    other = {
        "fortran": np.asfortranarray(X, dtype="f8"),
        "float16": X.astype("f2"),
        "int8": X.astype("i1"),
        "sliced": np.repeat(X, 2, axis=1).astype("f8")[:, ::2],
        "int16 csr": sp.csr_matrix(X.astype("i2")),
        "mixed csr": sp.csr_matrix(X.astype("f8")),
    }[how]
    if how == "mixed csr":
        other.indptr = other.indptr.astype(np.int64)
    plain = sp.csr_matrix(X.astype("f8")) if sp.issparse(other) else X.astype("f8")
    y = np.where(rng.random((70, 1)) < 0.5, 1.0, -1.0)
    plan = Plan.of(loss, bind("constant", loss), l1=0.0, l2=0.01)
    models = []
    for data in (plain, other):
        state = State.zeros(5, 1, np.float64, 3)
        monkeypatch.setattr(Table, "readable", lambda self, dtype: False)
        for _ in range(3):
            list(engine.one_pass(engine.Run(state), plan, Table(data, y=y), shuffle))
        models.append(state.model(plan))
        monkeypatch.undo()
    np.testing.assert_array_equal(models[0][0], models[1][0])


def test_a_subset_of_rows_is_those_rows_alone():
    loss, (X, s) = losses.LogLoss(), rows()
    Y, some = targets(loss, X, 1), np.arange(3, 50, 3)
    for layout in LAYOUTS:
        data = lay_out(X, layout)
        part = train(data, loss, bind("constant", loss), y=Y, s=s, rows=some)
        alone = train(data[some], loss, bind("constant", loss), y=Y[some], s=s[some])
        agree(part, alone, 1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_objective_is_that_of_the_reference(layout):
    loss, (X, s) = losses.LogLoss(), rows()
    Y, rng = targets(loss, X, 3), np.random.default_rng(0)
    W, b, pos = rng.standard_normal((9, 3)), rng.standard_normal(3), rng.uniform(0, 2, 3)
    plan = Plan.of(loss, bind("constant", loss), l1=0.1, l2=0.2, nu=0.3)
    given = dict(s=s, s_pos=pos, s_neg=np.ones(3))
    padded = np.pad(W, ((0, 0), (0, 1)))
    value = engine.objective(Table(lay_out(X, layout), y=Y, **given), plan, padded, b)
    right = reference.objective(X, Y, loss, W, b, l1=0.1, l2=0.2, nu=0.3, **given)
    assert value == pytest.approx(right.mean(), rel=1e-12)


@pytest.mark.skipif(not _cpu.has_v3(), reason="this processor has no AVX2")
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_builds_for_two_instruction_sets_agree(layout, dtype, penalty, monkeypatch):
    base = pytest.importorskip("fastsgd._kernels.base")
    v3 = pytest.importorskip("fastsgd._kernels.v3")
    loss, (X, s) = losses.LogLoss(), rows(80, 40)
    l1, l2 = penalties.weights(penalty, 0.005, 0.4)
    for heads in (1, 4):
        results = []
        for build in (base, v3):
            monkeypatch.setattr("fastsgd.lanes.kernels", build)
            monkeypatch.setattr("fastsgd.state.kernels", build)
            given = dict(l1=l1, l2=l2, average=10, y=targets(loss, X, heads), s=s)
            results.append(train(lay_out(X, layout, dtype), loss, bind("constant", loss), **given))
        agree(*results, DTYPES[dtype])


def test_a_margin_that_is_not_finite_leaves_the_state_as_it_was():
    loss, (X, _) = losses.SquaredError(), rows()
    plan = Plan.of(loss, bind("constant", loss, eta0=1e300), l1=0.0, l2=0.0)
    state = State.zeros(X.shape[1], 1, np.float64, 0)
    with pytest.raises(engine.Diverged):
        engine.train(engine.Run(state), plan, Table(X, y=targets(loss, X, 1)), passes=3)
    assert not state.W.any() and state.at["t"][0] == 1 and state.epoch == 0
