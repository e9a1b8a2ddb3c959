"""Several models in one pass: each is what a fit of its own would be, with its own penalty, schedule, rows and clock."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import reference
import scipy.sparse as sp

from fastsgd import _kernels, auto, engine, losses, optimizers, schedules
from fastsgd._kernels.plan import HEAD, SCALARS
from fastsgd.objective import objective
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State
from fastsgd.sums import LossSums

SCHEDULES = [
    "optimal",
    "invscaling",
    "constant",
    "adaptive",
    "pa1",
    "pa2",
    "exponential",
    "step",
    "cosine",
    "one_cycle",
]
RTOL = {"float64": 1e-9, "float32": 2e-4}
N, D, PASSES = 60, 7, 2


def rows(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, D)) * (rng.random((n, D)) < 0.6)
    Y = np.where(X @ rng.standard_normal((D, 2)) + 0.3 * rng.standard_normal((n, 2)) > 0, 1.0, -1.0)
    s = rng.uniform(0.5, 1.5, n)
    s[3] = 0
    return X.astype("f4").astype("f8"), Y, s, rng.integers(0, 3, n).astype(np.int32)


def grid(schedule, loss, penalties, average=0, optimizer=None):
    """Plans that differ in everything a record holds, and the same for the reference."""
    plans, heads = [], []
    for k, (l1, l2) in enumerate(penalties):
        bound = schedules.get(schedule).bind(
            eta0=0.05 / (k + 1), alpha=0.01 * (k + 1), power_t=0.4, loss=loss, pass_rows=N, passes=PASSES
        )
        head = {
            "l1": l1,
            "l2": l2,
            "intercept_decay": [1.0, 0.5, 0.0][k % 3],
            "average": average * (k % 2),
            "column": k % 2,
            "fold": k % 4 - 1,
            "resample": k // 2,
            "nu": 0.01 * k,
        }
        plans.append(Plan.of(loss, bound, optimizer=optimizer, **head))
        pa = {"pa": (bound.pa, 0.05 / (k + 1), True)} if bound.pa else {}
        heads.append({**head, **pa, "eta": bound})
    return Plan.stack(plans), heads


def train(X, plan, seed=5, passes=PASSES, **table):
    state = State.zeros(X.shape[1], len(plan.heads), X.dtype, seed, True)
    table, total = Table(X, **table), np.zeros((2, len(plan.heads)))
    for _ in range(passes):
        run = engine.Run(state)
        for _ in engine.one_pass(run, plan, table, False):
            pass
        total += run.sums
    W, b = state.model(plan)
    assert not W[:, len(b) :].any(), "the columns that pad the heads are zeros"
    return W[:, : len(b)], b, state.at["t"], total


def agree(ours, theirs, rtol):
    size = np.abs(theirs[0]).max() + np.abs(theirs[1]).max()
    for place, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(mine, right, rtol=rtol, atol=rtol * (size if place < 2 else np.abs(right).max()))


PENALTIES = {
    "none": [(0.0, 0.0)] * 5,
    "l2": [(0.0, 0.01 * k) for k in range(6)],
    "l1": [(0.002 * k, 0.0) for k in range(6)],
    "all": [(0.0, 0.0), (0.01, 0.0), (0.0, 0.05), (0.004, 0.02), (0.02, 0.3), (0.0, 0.3), (0.003, 0.001)],
}


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("average", [0, 1, 20])
@pytest.mark.parametrize("name", ["log_loss", "hinge", "squared_error"])
@pytest.mark.parametrize("dtype", RTOL)
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_each_model_is_that_of_a_fit_of_its_own(layout, dtype, name, average, penalty):
    X, Y, s, fold = rows()
    loss = losses.get(name)
    plan, heads = grid("invscaling", loss, PENALTIES[penalty], average)
    given = X.astype(dtype) if layout == "dense" else sp.csr_matrix(X.astype(dtype))
    ours = train(given, plan, y=Y, s=s, fold=fold)
    right = reference.models(X, Y, loss, heads, s=s, fold=fold, seed=5, passes=PASSES)
    agree(ours, right, max(RTOL[dtype], 1e-5 if layout == "csr" and penalty == "all" else 0))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_each_model_has_a_schedule_of_its_own(layout, schedule):
    X, Y, s, fold = rows()
    loss = losses.Hinge()
    plan, heads = grid(schedule, loss, PENALTIES["all"], 5)
    right = reference.models(X, Y, loss, heads, s=s, fold=fold, seed=5, passes=PASSES)
    ours = train(X if layout == "dense" else sp.csr_matrix(X), plan, y=Y, s=s, fold=fold)
    agree(ours, right, 1e-9 if layout == "dense" else 1e-5)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("average", [0, 20])
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("dtype", RTOL)
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_each_model_by_adagrad_is_that_of_a_fit_of_its_own(layout, dtype, lazy, average, penalty):
    X, Y, s, fold = rows()
    loss, optimizer = losses.LogLoss(), optimizers.AdaGrad(eps=0.1, lazy=lazy)
    plan, heads = grid("invscaling", loss, PENALTIES[penalty], average, optimizer)
    given = X.astype(dtype) if layout == "dense" else sp.csr_matrix(X.astype(dtype))
    ours = train(given, plan, y=Y, s=s, fold=fold)
    more = {"optimizer": optimizer, "present": X != 0 if layout == "csr" and lazy else None}
    right = reference.models(X, Y, loss, heads, s=s, fold=fold, seed=5, passes=PASSES, **more)
    agree(ours, right, RTOL[dtype])


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_a_model_by_adagrad_is_the_single_fit_and_the_weights_of_classes_count(layout):
    X, Y, s, _ = rows()
    loss, optimizer, alone = losses.Hinge(), optimizers.AdaGrad(), []
    bound = schedules.get("constant").bind(eta0=0.1, alpha=1, power_t=0.5, loss=loss, pass_rows=N, passes=2)
    plans = [Plan.of(loss, bound, optimizer=optimizer, l1=l1, l2=l2) for l1, l2 in PENALTIES["all"]]
    given = X if layout == "dense" else sp.csr_matrix(X)
    table = {"y": Y[:, :1].copy(), "s": s, "s_pos": np.array([2.0]), "s_neg": np.array([0.5])}
    for plan in plans:
        state = State.zeros(D, 1, np.float64, 5)
        for _ in range(PASSES):
            list(engine.one_pass(engine.Run(state), plan, Table(given, **table), False))
        alone.append(np.append(*state.model(plan)))
    W, b, _, _ = train(given, Plan.stack(plans), **table)
    np.testing.assert_allclose(np.vstack([W, b]).T, alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("name", ["log_loss", "hinge", "squared_error"])
@pytest.mark.parametrize("dtype", RTOL)
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_each_model_has_an_objective_of_its_own(layout, dtype, name, held_out):
    """On the rows that it is trained on, or on those of the fold that it leaves out."""
    X, Y, s, fold = rows()
    loss, rng = losses.get(name), np.random.default_rng(3)
    plan, heads = grid("constant", loss, PENALTIES["all"])
    K = len(heads)
    W, b = np.zeros((D, 8), dtype), rng.standard_normal(K)
    W[:, :K] = rng.standard_normal((D, K))
    pos, neg = np.array([2.0, 1.0]), np.array([0.5, 3.0])
    given = X.astype(dtype) if layout == "dense" else sp.csr_matrix(X.astype(dtype))
    table = Table(given, y=Y, s=s, s_pos=pos, s_neg=neg, fold=fold)
    found, right = objective(table, plan, W, b, seed=5, held_out=held_out), []
    for h, head in enumerate(heads):
        counts = [reference.poisson_counts(5, row, head["resample"]) if head["resample"] else 1 for row in range(N)]
        weight = s * (fold == head["fold"] if held_out else (fold != head["fold"]) * counts)
        column = [head["column"]]
        numbers = {name: head[name] for name in ("l1", "l2", "nu")}
        if weight.any():
            more = {"s": weight, "s_pos": pos[column], "s_neg": neg[column], **numbers}
            right.append(reference.objective(X, Y[:, column], loss, W[:, [h]].astype("f8"), b[[h]], **more).item())
        else:  # without rows the penalty is left
            w = W[:, h].astype("f8")
            right.append(head["l1"] * abs(w).sum() + head["l2"] / 2 * w @ w + head["nu"] * b[h])
    np.testing.assert_allclose(found, right, rtol=1e-12 if dtype == "float64" else 1e-5)


def test_an_objective_that_overflows_is_infinite_in_its_head_alone():
    X, Y, _, fold = rows()
    loss = losses.SquaredError()
    plan, heads = grid("constant", loss, PENALTIES["none"])
    W, b = np.ones((D, 8)), np.zeros(len(heads))
    W[:, len(heads) :] = 0
    b[1] = np.inf
    found = objective(Table(X, y=Y, fold=fold), plan, W, b)
    assert np.isinf(found[1]) and np.isfinite(np.delete(found, 1)).all()


def test_rows_held_out_are_of_heads_that_leave_out_folds():
    X, Y, _, _ = rows()
    bound = schedules.get("constant").bind(eta0=0.1, alpha=1, power_t=0.5, loss=losses.Hinge(), pass_rows=N, passes=1)
    with pytest.raises(ValueError, match="held_out=True needs heads with records of their own"):
        LossSums.of(
            Table(X, y=Y[:, :1].copy()), Plan.of(losses.Hinge(), bound), np.zeros((D, 1)), np.zeros(1), held_out=True
        )


@pytest.mark.parametrize("keep", [[4], [0], [6, 1], [0, 2, 3, 5, 1]], ids=str)
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_models_that_are_packed_go_on_as_they_would_have(layout, keep):
    """After a pass some are left out, maybe all but one, and the others learn on as if nothing had happened."""
    X, Y, s, fold = rows()
    loss = losses.get("log_loss")
    plan, _ = grid("invscaling", loss, PENALTIES["all"], 5)
    table = Table(X if layout == "dense" else sp.csr_matrix(X), y=Y, s=s, fold=fold)
    state = State.zeros(D, len(plan.heads), X.dtype, 5, True)
    whole = state.copy()
    for one, passes in ((state, 1), (whole, 2)):
        for _ in range(passes):
            for _ in engine.one_pass(engine.Run(one), plan, table, True):
                pass
    before = pickle.dumps(state)
    packed, fewer = state.pack(plan, keep), plan.pack(keep)
    assert pickle.dumps(state) == before
    for _ in engine.one_pass(engine.Run(packed), fewer, table, True):
        pass
    W, b = packed.model(fewer)
    right, c = whole.model(plan)
    rtol = 1e-9 if layout == "dense" else 1e-5
    np.testing.assert_allclose(W[:, : len(keep)], right[:, keep], rtol=rtol, atol=rtol)
    np.testing.assert_allclose(b, c[keep], rtol=rtol, atol=rtol)


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_models_go_on_under_other_penalties(layout):
    """What is owed under the old ones is settled first, as for a model of its own."""
    X, Y, s, _ = rows()
    loss = losses.get("log_loss")
    bound = schedules.get("constant").bind(eta0=0.05, alpha=1, power_t=0.5, loss=loss, pass_rows=N, passes=2)
    table = Table(X if layout == "dense" else sp.csr_matrix(X), y=Y[:, :1].copy(), s=s)
    first, then = [(0.01, 0.0), (0.004, 0.02), (0.0, 0.05)], [(0.0, 0.02), (0.01, 0.01), (0.003, 0.0)]

    def train(state, *penalties):
        for one in penalties:
            plans = [Plan.of(loss, bound, l1=l1, l2=l2) for l1, l2 in one]
            plan = Plan.stack(plans) if len(plans) > 1 else plans[0]
            list(engine.one_pass(engine.Run(state), plan, table, True))
        return state.model(plan)

    W, b = train(State.zeros(D, 3, X.dtype, 5, True), first, then)
    for h in range(3):
        w, c = train(State.zeros(D, 1, X.dtype, 5), [first[h]], [then[h]])
        np.testing.assert_allclose(W[:, h], w[:, 0], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(b[h], c[0], rtol=1e-8)


def test_heads_of_classes():
    """One against the rest for each of three alphas: nine heads of one column of codes."""
    X, _, s, _ = rows()
    code = np.random.default_rng(1).integers(0, 3, N).astype(np.int32)
    loss, plans, heads = losses.Hinge(), [], []
    for alpha in (1e-3, 1e-2, 1e-1):
        bound = schedules.get("optimal").bind(eta0=0.1, alpha=alpha, power_t=0.5, loss=loss, pass_rows=N, passes=2)
        for k in range(3):
            plans.append(Plan.of(loss, bound, l2=alpha, column=k))
            heads.append({"eta": bound, "l2": alpha, "column": k})
    pos, neg = np.array([1.0, 2.0, 0.5]), np.array([1.0, 0.7, 1.5])
    ours = train(X, Plan.stack(plans), code=code, s=s, s_pos=pos, s_neg=neg)
    Y = np.where(code[:, None] == np.arange(3), 1.0, -1.0)
    agree(ours, reference.models(X, Y, loss, heads, s=s, s_pos=pos, s_neg=neg, passes=2), 1e-9)


def test_heads_of_columns_that_are_not_there_are_refused():
    X, Y, _, _ = rows()
    loss, code = losses.Hinge(), np.zeros(N, np.int32)
    bound = schedules.get("constant").bind(eta0=0.1, alpha=1, power_t=0.5, loss=loss, pass_rows=N, passes=1)
    plan = Plan.stack([Plan.of(loss, bound, column=column) for column in (0, 2)])
    with pytest.raises(ValueError, match="head 1 is of column 2 of y, which has 2"):
        train(X, plan, y=Y)
    with pytest.raises(ValueError, match="head 1 is of class 2, weights are of 2 classes"):
        train(X, plan, code=code, s_pos=np.ones(2), s_neg=np.ones(2))
    with pytest.raises(ValueError, match="head 1 is of column -1"):
        train(X, Plan.stack([Plan.of(loss, bound), Plan.of(loss, bound, column=-1)]), y=Y)


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_a_strong_penalty_takes_the_scale_of_one_head_to_zero_and_no_other(layout):
    X, Y, s, _ = rows()
    loss = losses.LogLoss()
    bound = schedules.get("constant").bind(eta0=0.4, alpha=1.0, power_t=0.5, loss=loss, pass_rows=N, passes=2)
    penalties = [(0.0, 2.0), (0.0, 2.5), (0.0, 3.0), (0.1, 2.0), (0.0, 0.0), (0.01, 1e-3)]
    plan = Plan.stack([Plan.of(loss, bound, l1=l1, l2=l2, average=l1 == 0) for l1, l2 in penalties])
    heads = [{"eta": bound, "l1": l1, "l2": l2, "average": int(l1 == 0)} for l1, l2 in penalties]
    ours = train(X if layout == "dense" else sp.csr_matrix(X), plan, y=Y, s=s)
    agree(ours, reference.models(X, Y, loss, heads, s=s, passes=2), 1e-9 if layout == "dense" else 1e-4)


def test_a_head_that_overflows_leaves_the_others_alone():
    X, Y, s, _ = rows()
    loss = losses.SquaredError()
    bound = [
        schedules.get("constant").bind(eta0=eta0, alpha=1.0, power_t=0.5, loss=loss, pass_rows=N, passes=2)
        for eta0 in (0.01, 1e300, 0.02)
    ]
    W, _, t, sums = train(X, Plan.stack([Plan.of(loss, one) for one in bound]), y=Y, s=s)
    alone = train(X, Plan.stack([Plan.of(loss, bound[0]), Plan.of(loss, bound[2])]), y=Y, s=s)
    np.testing.assert_array_equal(W[:, [0, 2]], alone[0])
    assert np.isinf(sums[0, 1]) and np.isfinite(sums[0, [0, 2]]).all() and t[1] < t[0]


def test_losses_add_up_whichever_rows_no_model_sees():
    """A sum of logarithms is taken of products, which are to stay finite where each thousandth row is held out."""
    n = 2500
    X, Y, _, _ = rows(n=n)
    Y, fold, loss = (Y[:, :1] > 0).astype(float), (np.arange(n) % 5).astype(np.int32), losses.LogLoss()
    bound = schedules.get("constant").bind(eta0=1e-9, alpha=1, power_t=0.5, loss=loss, pass_rows=n, passes=1)
    plan = Plan.stack([Plan.of(loss, bound, fold=4), Plan.of(loss, bound, fold=4, l2=0.1)])
    sums = train(X, plan, passes=1, y=Y, fold=fold)[3]
    np.testing.assert_allclose(sums, [[0.8 * n * np.log(2)] * 2, [0.8 * n] * 2], rtol=1e-5)


def test_resamples_are_drawn_as_the_bootstrap_draws():
    counts = np.array([[reference.poisson_counts(3, row, k) for row in range(4000)] for k in (1, 2)])
    share = np.bincount(counts.ravel(), minlength=6)[:6] / counts.size
    np.testing.assert_allclose(share, np.exp(-1) / np.array([1, 1, 2, 6, 24, 120]), atol=0.015)
    assert abs(np.corrcoef(counts)[0, 1]) < 0.05


def test_rows_that_are_converted_or_chosen_keep_their_numbers():
    """A resample is of the rows of the data, wherever a kernel reads them from."""
    X, Y, _, fold = rows()
    loss = losses.LogLoss()
    bound = schedules.get("invscaling").bind(eta0=0.1, alpha=1, power_t=0.5, loss=loss, pass_rows=N, passes=2)
    plan = Plan.stack([Plan.of(loss, bound, resample=k, fold=k - 2) for k in (1, 2, 3)])
    direct = train(X, plan, y=Y, fold=fold)
    np.testing.assert_array_equal(train(np.asfortranarray(X), plan, y=Y, fold=fold)[0], direct[0])
    chosen = np.arange(10, 50)
    some = train(X, plan, y=Y, fold=fold, rows=chosen)
    s = np.zeros(N)
    s[chosen] = 1
    agree(some, train(X, plan, y=Y, s=s, fold=fold), 1e-12)


# ---------------------------------------------------------------- plans as values
def test_plans_pickle_compare_and_stack():
    loss = losses.Huber(0.3)
    one, other = (
        Plan.of(
            loss, schedules.get("optimal").bind(eta0=1, alpha=a, power_t=0.5, loss=loss, pass_rows=9, passes=1), l2=a
        )
        for a in (0.1, 0.2)
    )
    assert one == pickle.loads(pickle.dumps(one)) and hash(one) == hash(pickle.loads(pickle.dumps(one)))
    assert one != other and one.schedule(7.0) == pickle.loads(pickle.dumps(one)).schedule(7.0)
    both = Plan.stack([one, other])
    assert both == pickle.loads(pickle.dumps(both)) and both.separate and both.l2.tolist() == [0.1, 0.2]
    with pytest.raises(ValueError, match="one loss"):
        Plan.stack([one, Plan.of(losses.Hinge(), one.schedule)])
    step = schedules.get("constant").bind(eta0=1, alpha=1, power_t=0.5, loss=loss, pass_rows=9, passes=1)
    with pytest.raises(ValueError, match="one schedule"):
        Plan.stack([one, Plan.of(loss, step)])
    with pytest.raises(ValueError, match="single rows"):
        Plan.stack([Plan.of(loss, step, batch_size=2)] * 2)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_a_bound_schedule_pickles_to_what_it_was(name):
    bound = schedules.get(name).bind(eta0=0.3, alpha=0.01, power_t=0.5, loss=losses.Hinge(), pass_rows=50, passes=3)
    t = np.arange(1.0, 200.0)
    again = pickle.loads(pickle.dumps(bound))
    np.testing.assert_array_equal(again(t), bound(t))
    other = schedules.get(name).bind(eta0=0.2, alpha=0.02, power_t=0.5, loss=losses.Hinge(), pass_rows=50, passes=3)
    assert again == bound and (again != other or bound.auto)


def declared(file, struct):
    """The fields of a C struct, {name: (format, how many)}, as its declaration in a source of the kernels has them."""
    text = (Path(_kernels.__file__).parent / file).read_text("utf-8")
    body = re.search(rf"struct {struct}:\n((?:    .*\n)+)", text)[1]
    fields = {}
    for line in body.splitlines():
        kind, names = line.split("#")[0].split(maxsplit=1)
        kind, of_all = re.fullmatch(r"(\w+)(?:\[(\w+)\])?", kind).groups()
        for name in names.split(","):
            name, count = re.fullmatch(r"\s*(\w+)(?:\[(\w+)\])?\s*", name).groups()
            count = count or of_all or "1"
            if not count.isdigit():  # an enum of that file
                count = re.search(rf"\b{count} = (\d+)", text)[1]
            fields[name] = {"double": "f8", "int32_t": "i4"}[kind], int(count)
    return fields


@pytest.mark.parametrize(
    "dtype, file, struct",
    [(SCALARS, "plan.pxd", "Scalars"), (HEAD, "plan.pxd", "HeadRecord"), (auto.AT, "plan.pxd", "AutoScalars")],
    ids=["Scalars", "HeadRecord", "AutoScalars"],
)
def test_layouts_are_those_of_the_compiled_structs(dtype, file, struct):
    """Their fields are read and written by name, and go to files: no one is moved without a word."""
    fields = {name: (kind.base.str[1:], int(np.prod(kind.shape))) for name, (kind, _) in dtype.fields.items()}
    assert list(fields.items()) == list(declared(file, struct).items())
    sizes = [np.dtype(kind).itemsize * count for kind, count in fields.values()]
    assert [offset for _, offset in dtype.fields.values()] == [sum(sizes[:i]) for i in range(len(sizes))]
    assert dtype.itemsize == sum(sizes)


def test_the_heads_of_auto_are_read_where_the_kernel_writes_them():
    fields = declared("auto_head.pxi", "Head")
    ends = np.cumsum([count for _, count in fields.values()]).tolist()
    start = dict(zip(fields, [0, *ends[:-1]], strict=True))
    start["owed_by_second"] = start["owed"] + 1
    assert {name: start[name] for name in auto.HEAD} == auto.HEAD and ends[-1] == auto.HEAD_WIDTH
    assert (start["flat"], start["flat"] + 1) == (auto.MEAN_OF_Y, auto.FLAT)
    assert (start["usual"], start["leader"]) == (auto.USUAL, auto.LEADER)
    for part, name in (auto.B, "b"), (auto.LOST, "lost"), (auto.LOST_LESS, "lost_less"), (auto.SPREAD, "spread"):
        assert part == slice(start[name], start[name] + fields[name][1])
    assert all(kind == "f8" for kind, _ in fields.values())
