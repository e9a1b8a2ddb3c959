"""Batches and optimizers in the estimators: calls, weights, interruptions and switches change nothing that they should not."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from support.cases import covering
from support.data import LAYOUTS, labels, rows
from support.kernels import bind, lay_out, train
from support.minibatch import NAMES, ONCE, bits, make

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, schedules


def wide(n=200, d=60):
    """Rows with two values or so, which few others have."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)) * (rng.random((n, d)) < 2 / d), rng.standard_normal(n)


def close(a, b, rtol=1e-9):
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=rtol, atol=rtol * abs(b.coef_).max())
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=rtol, atol=rtol)
    assert a.t_ == b.t_


# ---------------------------------------------------------------- where a batch ends


@pytest.mark.parametrize("layout", LAYOUTS)
@NAMES
def test_a_batch_of_more_rows_than_there_are_is_a_full_one(name, layout):
    X, y, s = rows()
    big, full = (make(name, batch_size=size, max_iter=3) for size in (201, "full"))
    assert bits(big.fit(LAYOUTS[layout](X), y, sample_weight=s)) == bits(
        full.fit(LAYOUTS[layout](X), y, sample_weight=s)
    )
    assert full.t_ == 4.0


WAYS = {"dense": ("dense", True), "csr": ("csr", True), "csr, not lazy": ("csr", False)}


@pytest.mark.parametrize(
    "name, way, size, penalty", covering(3, optimizers.OPTIMIZERS, WAYS, [7, 64, "full"], [None, "l2", "l1"])
)
def test_a_step_may_take_several_kernel_calls(name, way, size, penalty, set_sizes):
    layout, lazy = WAYS[way]
    X, y, s = rows()
    params = dict(batch_size=size, penalty=penalty, max_iter=2, average=5)
    whole = make(name, lazy, **params).fit(LAYOUTS[layout](X), y, sample_weight=s)
    set_sizes(call_rows=16)
    close(make(name, lazy, **params).fit(LAYOUTS[layout](X), y, sample_weight=s), whole)


@pytest.mark.parametrize(
    "name, layout, penalty, size",
    covering(3, optimizers.OPTIMIZERS, LAYOUTS, [None, "l2", "l1", "elasticnet"], [1, 10]),
)
def test_calls_in_parts_equal_one_epoch(name, layout, penalty, size):
    X, y, s = rows()
    X, parts = LAYOUTS[layout](X), make(name, penalty=penalty, batch_size=size)
    for lo, hi in pairwise([0, 10, 40, 130, 200]):
        parts.partial_fit(X[lo:hi], y[lo:hi], sample_weight=s[lo:hi])
    whole = make(name, penalty=penalty, batch_size=size).fit(X, y, sample_weight=s)
    to_second_order = (name, size, penalty, layout) == ("sgd", 1, "elasticnet", "csr")
    close(parts, whole, *([1e-5] if to_second_order else []))


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov"])
def test_a_step_whose_rows_come_in_calls_with_and_without_a_closed_form(name, set_sizes):
    """The closed form on CSR ends where eta * alpha nears 1; here eta falls below that within a batch, and climbs again."""
    set_sizes(call_rows=12)
    X, y = wide()
    for rate in (schedules.Step(factor=0.05, every=0.08), schedules.Cosine(warmup=0.9)):
        params = dict(alpha=2.0, eta0=0.45, learning_rate=rate, batch_size=7, max_iter=2)
        close(make(name, **params).fit(LAYOUTS["csr"](X), y), make(name, **params).fit(X, y))


# ---------------------------------------------------------------- long steps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["one", "several", "multinomial", "crammer_singer"])
@pytest.mark.parametrize("size", [7, "full"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_step_is_along_the_gradient_however_large_eta_times_alpha_is(layout, size, kind, dtype):
    """eta0 alpha is 1.8: the weights are multiplied by -0.8, as the formula has it."""
    X, y, _ = rows(42)
    params = dict(eta0=0.9, alpha=2.0, batch_size=size, shuffle=False, random_state=0)
    params |= dict(learning_rate="constant", fit_intercept=False)
    Y = np.eye(3)[labels(y, 3)]
    if kind in ("one", "several"):
        Y = y[:, None] if kind == "one" else np.c_[y, -y, 2 * y]
        est, slope = SGDRegressor(**params), lambda P, Y: P - Y
        target = y if kind == "one" else Y
    else:
        target = labels(y, 3)
        est = SGDClassifier(multi_class=kind, loss="log_loss" if kind == "multinomial" else "hinge", **params)

        def slope(P, Y):
            if kind == "multinomial":
                return softmax(P, axis=1) - Y
            wrong = (1 - Y) * (P - (P * Y).sum(axis=1, keepdims=True) + 1 > 0)
            return wrong - Y * wrong.sum(axis=1, keepdims=True)

    W, n = np.zeros((6, Y.shape[1])), 42 if size == "full" else size
    more = {} if kind in ("one", "several") else dict(classes=range(3))
    for _ in range(2):
        est.partial_fit(LAYOUTS[layout](X.astype(dtype)), target, **more)
        for lo in range(0, 42, n):
            x = X[lo : lo + n]
            W = W - 0.9 * (x.T @ slope(x @ W, Y[lo : lo + n]) / n + 2.0 * W)
    np.testing.assert_allclose(np.atleast_2d(est.coef_).T, W, rtol=1e-9 if dtype is np.float64 else 1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_descent_below_two_over_l_reaches_the_optimum(layout):
    X, y, _ = rows()
    alpha = 2.0
    H = X.T @ X / len(X) + alpha * np.eye(6)
    eta0 = 1.9 / np.linalg.eigvalsh(H)[-1]
    est = SGDRegressor(alpha=alpha, eta0=eta0, batch_size="full", learning_rate="constant", fit_intercept=False)
    est.set_params(tol=1e-12, max_iter=5000).fit(LAYOUTS[layout](X), y)
    assert eta0 * alpha > 0.3 and est.stop_reason_ == "objective"
    np.testing.assert_allclose(est.coef_, np.linalg.solve(H, X.T @ y / len(y)), atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [10, "full"])
def test_large_slopes_are_not_clipped(size, layout):
    X, y, _ = rows(20)
    est = SGDRegressor(eta0=1.0, penalty=None, fit_intercept=False, learning_rate="constant", shuffle=False)
    est.set_params(batch_size=size, max_iter=2, tol=None).partial_fit(LAYOUTS[layout](X), 1e14 * y)
    w, n = np.zeros(6), 20 if size == "full" else size
    for lo in range(0, 20, n):
        w = w - X[lo : lo + n].T @ (X[lo : lo + n] @ w - 1e14 * y[lo : lo + n]) / n
    np.testing.assert_allclose(est.coef_, w, rtol=1e-9)


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize("size", [1, 7, "full"])
@pytest.mark.parametrize("layout", LAYOUTS)
@NAMES
def test_rows_of_weight_zero_are_not_counted_in_a_batch(name, layout, size):
    X, y, s = rows()
    s[::3] = 0
    with_zeros = make(name, batch_size=size, average=True).fit(LAYOUTS[layout](X), y, sample_weight=s)
    without = make(name, batch_size=size, average=True).fit(LAYOUTS[layout](X[s > 0]), y[s > 0], sample_weight=s[s > 0])
    close(with_zeros, without)
    assert with_zeros.t_ == 1 + {1: 133, 7: 19, "full": 1}[size]


@pytest.mark.parametrize("size", [1, 7, "full"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [*optimizers.OPTIMIZERS, "line search"])
def test_weights_that_are_all_zero_change_nothing(name, layout, size):
    X, y, s = rows()
    if name == "line search":
        est = SGDRegressor(optimizer=optimizers.SGD(line_search=True), batch_size="full")
    else:
        est = make(name, batch_size=size, average=True, shuffle=True)
    est.partial_fit(LAYOUTS[layout](X), y, sample_weight=s)
    before = bits(est)
    assert bits(est.partial_fit(LAYOUTS[layout](X), y, sample_weight=np.zeros(200))) == before
    assert bits(pickle.loads(pickle.dumps(est)).partial_fit(LAYOUTS[layout](X), y)) == bits(
        est.partial_fit(LAYOUTS[layout](X), y)
    )


def test_a_step_is_along_the_mean_over_the_rows_of_weight_times_slope():
    X, y, s = rows()
    est = make("sgd", batch_size="full", eta0=0.1, penalty=None).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(est.coef_, 0.1 * X.T @ (s * y) / 200, rtol=1e-12)
    np.testing.assert_allclose(est.intercept_, 0.1 * (s * y).mean(), rtol=1e-12)
    twice = make("sgd", batch_size="full", eta0=0.1, penalty=None).fit(X, y, sample_weight=2 * s)
    np.testing.assert_allclose(twice.coef_, 2 * est.coef_, rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
def test_gradient_descent_on_least_squares(layout, momentum, nesterov):
    X, y, _ = rows()
    optimizer = optimizers.SGD(momentum=momentum, nesterov=nesterov)
    est = SGDRegressor(optimizer=optimizer, batch_size="full", alpha=0.1, max_iter=50, tol=None, power_t=0.3)
    est.set_params(eta0=0.2, shuffle=True).fit(LAYOUTS[layout](X), y)
    w, b, m, mb = np.zeros(6), 0.0, np.zeros(6), 0.0
    for t in range(1, 51):
        r, eta = X @ w + b - y, 0.2 / t**0.3
        g, gb = X.T @ r / 200 + 0.1 * w, r.mean()
        m, mb = momentum * m + g, momentum * mb + gb
        w, b = (
            (w - eta * (g + momentum * m), b - eta * (gb + momentum * mb)) if nesterov else (w - eta * m, b - eta * mb)
        )
    np.testing.assert_allclose(np.r_[est.coef_, est.intercept_], np.r_[w, b], rtol=1e-9)


# ---------------------------------------------------------------- the optimizers


def test_adam_and_its_kin_start_with_a_step_of_eta_whenever_they_start():
    X, y, _ = rows()
    for name in ("adam", "adamw"):
        est = SGDRegressor(**ONCE, alpha=0.0).partial_fit(X, y)
        coef = est.coef_.copy()
        est.set_params(optimizer=name, batch_size="full", penalty=None).partial_fit(X, y)
        np.testing.assert_allclose(abs(est.coef_ - coef), 0.01, rtol=1e-5)


@pytest.mark.parametrize("dtype, rtol", [("f8", 1e-9), ("f4", 1e-4)])
@pytest.mark.parametrize("layout", ["dense", "csr32"])
@pytest.mark.parametrize("name, size", [("sgd", 1), ("sgd", 2), ("momentum", 1), ("momentum", 2), ("nesterov", 2)])
def test_an_average_over_many_steps_keeps_its_precision(name, size, layout, dtype, rtol):
    """On the way an old gradient's share in the weights falls by many orders of magnitude."""
    X, y = wide(800, 9)
    X, optimizer = X.astype("f4").astype("f8"), optimizers.get(name)
    given = dict(l2=1.0, average=1, passes=2)
    eta, loss = bind("constant", None, eta0=0.05 if optimizer.plain else 0.002), losses.SquaredError()
    if size == 1 and optimizer.plain:
        right = reference.sgd(X, y[:, None], loss, eta, **given)[0]
    else:
        right = reference.minibatch(X, y[:, None], loss, eta, optimizer, size, **given)[0]
    W = train(lay_out(X, layout, dtype), loss, eta, y=y[:, None], batch_size=size, optimizer=optimizer, **given)[0]
    np.testing.assert_allclose(W, right, atol=rtol * abs(right).max())


def test_a_step_on_csr_costs_what_its_rows_have():
    """But for what the cache makes of it."""
    from time import perf_counter

    rng, seconds = np.random.default_rng(0), {}
    y = rng.standard_normal(20_000)
    for d in (10_000, 300_000):
        ix = rng.integers(0, d, 20_000 * 5)
        X = LAYOUTS["csr"]((np.ones(len(ix)), ix, np.arange(0, len(ix) + 1, 5)), shape=(20_000, d))
        for name in optimizers.OPTIMIZERS:
            start = perf_counter()
            make(name, batch_size=2, alpha=1e-4).fit(X, y)
            seconds[name, d] = perf_counter() - start
    slow = {name: seconds[name, 300_000] / seconds[name, 10_000] for name in optimizers.OPTIMIZERS}
    assert max(slow.values()) < 25, slow  # folding all weights at each step: 400


@st.composite
def problems(draw):
    n, d, heads = draw(st.integers(1, 12)), draw(st.integers(1, 6)), draw(st.sampled_from([1, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < draw(st.sampled_from([0.2, 0.6, 1.0])))
    s = rng.uniform(0, 2, n) * (rng.random(n) < 0.8)
    return X, rng.standard_normal((n, heads)), s


@settings(max_examples=150, deadline=None)
@given(
    problem=problems(),
    momentum=st.one_of(st.just(0.0), st.floats(0, 0.99)),
    nesterov=st.booleans(),
    l1=st.sampled_from([0.0, 0.0, 0.01, 0.5]),
    l2=st.one_of(st.just(0.0), st.floats(1e-6, 30.0)),
    eta0=st.floats(1e-4, 0.5),
    rate=st.sampled_from(["constant", "invscaling", "cosine", "step", "one_cycle"]),
    size=st.sampled_from([1, 2, 5, np.inf]),
    average=st.sampled_from([0, 1, 4]),
)
def test_csr_is_dense_wherever_a_closed_form_is_promised(
    problem, momentum, nesterov, l1, l2, eta0, rate, size, average
):
    X, Y, s = problem
    makers = [
        optimizers.SGD(momentum, bool(momentum) and nesterov),
        optimizers.AdaGrad(),
        optimizers.FTRL(lambda1=0.1, lambda2=0.2),
    ]
    for optimizer in makers:
        if not optimizer.closed(l1, l2, average) or (optimizer.plain and size == 1 and l1 and l2):
            continue
        eta = bind("constant" if optimizer.name == "ftrl" else rate, None, eta0=eta0, pass_rows=len(X))
        params = dict(l1=l1, l2=l2, y=Y, s=s, batch_size=size, average=average, optimizer=optimizer, passes=3)
        with np.errstate(all="ignore"):
            dense, csr = (train(lay_out(X, layout), losses.Huber(1.0), eta, **params) for layout in ("dense", "csr32"))
        for a, b in zip(dense, csr, strict=True):
            if np.isfinite(a).all():
                np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-8 * max(1e-3, np.abs(a).max()))


@pytest.mark.parametrize("cls", [SGDClassifier, SGDOneClassSVM])
@NAMES
def test_the_other_estimators_have_them_too(cls, name):
    X, y, s = rows()
    params = dict(optimizer=name, batch_size=16, max_iter=20, tol=None, random_state=0)
    dense, csr = (
        cls(**params)
        .set_params(optimizer=optimizers.get(name).set_params(lazy=False))
        .fit(lay(X), labels(y), sample_weight=s)
        for lay in LAYOUTS.values()
    )
    np.testing.assert_allclose(dense.coef_, csr.coef_, rtol=1e-7, atol=1e-9)
    if cls is SGDClassifier:
        assert cls(**params).fit(X, labels(y)).score(X, labels(y)) > 0.85


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_large_batch_in_float32_keeps_the_digits_of_its_sum(layout):
    """A constant column, whose sum over 300,000 rows outgrows what float32 tells apart."""
    X = np.ones((300_000, 2), np.float32)
    X[::3, 1] = 0.3
    y = np.where(np.arange(len(X)) % 7, 0.9, -0.2)
    params = dict(batch_size="full", learning_rate="constant", eta0=0.5, penalty=None, max_iter=3, tol=None)
    fits = [SGDRegressor(**params, fit_intercept=False).fit(layout(X.astype(dtype)), y) for dtype in ("f4", "f8")]
    assert fits[0].coef_.dtype == np.float32
    np.testing.assert_allclose(fits[0].coef_, fits[1].coef_, rtol=1e-5)
