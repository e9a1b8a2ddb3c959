"""Optimizers and batches over several calls: partial_fit, warm starts, other optimizers, Ctrl-C."""

import pickle

import numpy as np
import pytest
from support.cases import covering
from support.data import LAYOUTS, rows
from support.minibatch import NAMES, ONCE, bits, make

from fastsgd import SGDRegressor, optimizers
from fastsgd._kernels import kernels

# ---------------------------------------------------------------- going on


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("layout", LAYOUTS)
@NAMES
def test_pickle_in_between_changes_nothing(name, layout, dtype):
    X, y, _ = rows()
    X = LAYOUTS[layout](X.astype(dtype))
    est = make(name, batch_size=8, shuffle=True, average=20).partial_fit(X, y)
    through = pickle.loads(pickle.dumps(est))
    for _ in range(3):
        through = pickle.loads(pickle.dumps(through.partial_fit(X, y)))
        assert bits(through) == bits(est.partial_fit(X, y))
    assert bits(make(name, batch_size=8, shuffle=True, average=20, max_iter=4).fit(X, y)) == bits(est)


@pytest.mark.parametrize(
    "before, after, layout",
    covering(2, [*optimizers.OPTIMIZERS, "rows", "line search"], [*optimizers.OPTIMIZERS, "rows"], LAYOUTS),
)
def test_another_optimizer_goes_on_from_the_coefficients(before, after, layout):
    """With a tiny step the coefficients stay; and what follows is what follows them in a new estimator."""
    X, y, _ = rows()
    X = LAYOUTS[layout](X)

    def params(name):
        if name == "line search":
            return dict(optimizer=optimizers.SGD(line_search=True), batch_size="full", penalty="l2")
        size = 1 if name == "rows" else 20
        return dict(optimizer="sgd" if name == "rows" else name, batch_size=size, penalty="l1")

    est = SGDRegressor(**ONCE, alpha=0.01, **params(before)).partial_fit(X, y)
    coef, intercept = est.coef_.copy(), est.intercept_.copy()
    if (before, after) != ("ftrl", "ftrl"):  # whose weights are worked out anew from eta0
        tiny = pickle.loads(pickle.dumps(est)).set_params(**params(after), eta0=1e-12)
        np.testing.assert_allclose(tiny.partial_fit(X, y).coef_, coef, atol=1e-8)
    new = SGDRegressor(**{**ONCE, **params(after)}, alpha=0.01, intercept_decay=1.0)
    slots_go_on = before == after or {before, after} == {"momentum", "nesterov"}
    if after != "ftrl" and not slots_go_on:  # FTRL's penalty counts the steps before
        new.fit(X, y, coef_init=coef, intercept_init=intercept)
        est.set_params(**params(after), intercept_decay=1.0).partial_fit(X, y)
        np.testing.assert_allclose(est.coef_, new.coef_, rtol=1e-8)


@NAMES
def test_coefficients_put_in_by_hand_are_where_it_goes_on_from(name):
    X, y, _ = rows()
    est = make(name, batch_size=20, n_init=3, penalty=None).partial_fit(X, y)
    est.coef_, est.intercept_ = np.ones(6), np.array([0.5])
    est.partial_fit(X, y)
    right = make(name, batch_size=20, penalty=None).fit(X, y, coef_init=np.ones(6), intercept_init=0.5)
    np.testing.assert_allclose(est.coef_, right.coef_, rtol=1e-9)
    assert est.t_ == 21.0


def test_a_parameter_that_changes_between_calls_is_checked():
    X, y, _ = rows()
    for params, word in (
        (dict(batch_size="all"), "batch_size"),
        (dict(optimizer="adamm"), "optimizer"),
        (dict(learning_rate="pa1", optimizer="adam"), "pa1"),
    ):
        est = SGDRegressor(loss="epsilon_insensitive").partial_fit(X, y)
        with pytest.raises(ValueError, match=word):
            est.set_params(**params).partial_fit(X, y)


@pytest.mark.parametrize("layout", LAYOUTS)
@NAMES
def test_ctrl_c_leaves_a_fitted_estimator(name, layout, set_sizes):
    set_sizes(call_rows=64)
    X, y, _ = rows()
    X = LAYOUTS[layout](X)

    def strike(progress):
        if progress.epoch == 3:
            raise KeyboardInterrupt

    est = make(name, batch_size=8, max_iter=10, callbacks=strike)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, y)
    assert est.stop_reason_ == "interrupted" and est.n_iter_ == 3
    assert bits(est) == bits(make(name, batch_size=8, max_iter=3).fit(X, y))
    assert est.partial_fit(X, y).t_ == 101.0


def test_ctrl_c_within_an_epoch_keeps_the_steps_taken(monkeypatch, set_sizes):
    X, y, _ = rows()
    set_sizes(call_rows=64)
    batches, calls = kernels.batches, []

    def strikes(*args):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return batches(*args)

    monkeypatch.setattr(kernels, "batches", strikes)
    est = make("adam", batch_size=10)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, y)
    assert est.t_ == 13.0 and len(est.history_) == 1
    monkeypatch.undo()
    np.testing.assert_array_equal(est.coef_, make("adam", batch_size=10).fit(X[:120], y[:120]).coef_)
