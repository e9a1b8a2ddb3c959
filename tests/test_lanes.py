"""Rounds done in several lanes: the same bits whoever does them, and what the mean of their states is."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sizes import sizes

from fastsgd import engine, losses, optimizers, schedules
from fastsgd.lanes import Merged
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.state import State

N, D = 600, 6
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7)
Y = np.where(X @ RNG.standard_normal((D, 3)) + 0.3 * RNG.standard_normal((N, 3)) > 0, 1.0, -1.0)
ETA = schedules.get("invscaling").bind(eta0=0.1, alpha=0.01, power_t=0.3, loss=losses.LogLoss(), pass_rows=N, passes=2)
LOSS = losses.LogLoss()
SEPARATE = [Plan.of(LOSS, ETA, l1=0.01 * k, l2=0.01, average=3.0 * k, column=k) for k in range(3)]
PLANS = {
    "l2": Plan.of(LOSS, ETA, l2=0.01),
    "elastic net, averaged": Plan.of(LOSS, ETA, l1=0.003, l2=0.01, average=5),
    "models": Plan.stack(SEPARATE),
}
for name in optimizers.OPTIMIZERS:
    PLANS[name] = Plan.of(LOSS, ETA, l1=0.002, l2=0.01, optimizer=optimizers.get(name), batch_size=7, average=20)


def train(plan, lanes, X=X, shuffle=True, passes=2, dtype="f8"):
    """A state after a few rounds, and the sums of the last pass."""
    state = State.zeros(D, 3, np.dtype(dtype), 5)
    for _ in range(passes):
        run = engine.Run(state)
        with sizes(call_rows=220, buffer_bytes=1, buffer_blocks=3):
            for _ in engine.one_pass(run, plan, Table(X, y=Y), shuffle, lanes):
                pass
    return state, run.sums


def bits(state, sums, plan):
    arrays = [
        state.W,
        state.b,
        state.b_avg,
        state.A,
        state.m,
        state.v,
        state.mb,
        state.vb,
        state.at,
        sums,
        *state.model(plan),
    ]
    return [None if a is None else a.tobytes() for a in arrays]


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", PLANS)
def test_threads_processes_and_one_after_the_other_give_the_same_bits(name, layout, processes):
    plan, rows = PLANS[name], X if layout == "dense" else sp.csr_matrix(X)
    alone = train(plan, Merged(2, map), rows)
    with ThreadPoolExecutor(2) as threads:
        for pool in (threads, processes):
            together = train(plan, Merged(2, pool.map), rows)
            assert bits(*together, plan) == bits(*alone, plan)


@pytest.mark.parametrize("name", PLANS)
def test_every_row_is_learnt_from_once(name):
    plan = PLANS[name]
    state, sums = train(plan, Merged(3))
    np.testing.assert_array_equal(sums[1], N)
    if plan.plain:
        np.testing.assert_array_equal(state.at["t"], 2 * N + 1)
    W, b = state.model(plan)
    assert np.isfinite(W).all() and np.isfinite(b).all() and W.any()


def test_one_lane_is_no_lane():
    """Up to rounding, where nothing is settled between the rounds, and FTRL has one rate."""
    eta = schedules.get("constant").bind(eta0=0.1, alpha=0.01, power_t=0.3, loss=LOSS, pass_rows=N, passes=2)
    for optimizer in (None, optimizers.Adam(), optimizers.FTRL(), optimizers.get("momentum")):
        plan = Plan.of(LOSS, eta, l2=0.01, average=3, optimizer=optimizer)
        one, serial = train(plan, Merged(1))[0], train(plan, engine.SERIAL)[0]
        for mine, right in zip(one.model(plan), serial.model(plan), strict=True):
            np.testing.assert_allclose(mine, right, rtol=1e-9, atol=1e-12)


def test_the_state_is_the_mean_of_those_of_the_lanes():
    with sizes(call_rows=10 * N):
        state = State.zeros(D, 3, np.dtype("f8"), 5)
        run, plan = engine.Run(state), Plan.of(LOSS, ETA, l2=0.01, average=1)
        for _ in engine.one_pass(run, plan, Table(X, y=Y), False, Merged(2)):
            pass
    halves = [
        reference.sgd(X[half], Y[half], LOSS, ETA, l2=0.01, average=1) for half in (slice(N // 2), slice(N // 2, N))
    ]
    W, b = state.model(plan)
    np.testing.assert_allclose(W[:, :3], np.mean([half[0] for half in halves], axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(b, np.mean([half[1] for half in halves], axis=0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["l2", "models", "adagrad", "momentum"])
def test_rows_of_which_a_model_sees_none_leave_it_as_it_is(name):
    """Be it that they weigh nothing, or are all of the fold that it leaves out."""
    plan = PLANS[name]
    if plan.separate:
        plan = Plan.stack(
            [Plan.of(LOSS, ETA, l1=0.01 * k, l2=0.01, average=3.0 * k, column=k, fold=1) for k in range(3)]
        )
    state = train(plan, Merged(2))[0]
    before, t = state.model(plan), state.at["t"].copy()
    table = Table(X, y=Y, s=np.append(np.zeros(N - 1), 1.0))
    if plan.separate:
        table = Table(X, y=Y, fold=np.ones(N, np.int32))
    with sizes(call_rows=220, buffer_bytes=1, buffer_blocks=3):
        rounds = engine.one_pass(engine.Run(state), plan, table, False, Merged(2))
        for _ in range(2):  # The last row comes in the third.
            next(rounds)
    np.testing.assert_array_equal(state.at["t"], t)
    for mine, right in zip(state.model(plan), before, strict=True):
        np.testing.assert_allclose(mine, right, rtol=1e-12)


def test_adagrad_trusts_each_lane_by_what_it_has_seen_of_the_feature():
    """A feature that only the rows of one lane have keeps the weight of that lane."""
    plan = Plan.of(LOSS, ETA, optimizer=optimizers.AdaGrad())
    rows = X.copy()
    rows[: N // 2, 0] = rows[N // 2 :, 1] = 0
    with sizes(call_rows=10 * N):
        state = State.zeros(D, 3, np.dtype("f8"), 5)
        for _ in engine.one_pass(engine.Run(state), plan, Table(rows, y=Y), False, Merged(2)):
            pass
        first, second = State.zeros(D, 3, np.dtype("f8"), 5), State.zeros(D, 3, np.dtype("f8"), 5)
        for one, half in ((first, slice(N // 2)), (second, slice(N // 2, N))):
            for _ in engine.one_pass(engine.Run(one), plan, Table(rows[half], y=Y[half]), False):
                pass
    np.testing.assert_allclose(state.W[0], second.W[0], rtol=1e-12)
    np.testing.assert_allclose(state.W[1], first.W[1], rtol=1e-12)
    np.testing.assert_allclose(state.v, first.v + second.v, rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 500), buffer=st.integers(1, 200), parts=st.integers(1, 9), shuffled=st.booleans())
def test_parts_of_an_order_visit_its_rows(n, buffer, parts, shuffled):
    rng = np.random.default_rng(n)
    visit = np.concatenate([rng.permutation(min(buffer, n - lo)) for lo in range(0, n, buffer)]).astype(np.int32)
    whole = Order(rng.permutation(1000)[:n], visit, 0, n, buffer) if shuffled else Order(None, None, 17, n, n)

    def visited(order):
        if order.visit is None:
            return np.arange(order.first, order.first + order.n)
        return order.rows[order.visit + np.arange(order.n) // order.buffer_rows * order.buffer_rows]

    cut = whole.split(parts)
    assert 1 <= len(cut) <= parts and all(order.n > 0 for order in cut)
    np.testing.assert_array_equal(np.concatenate([visited(order) for order in cut]), visited(whole))
