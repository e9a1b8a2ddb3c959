"""visiting_order: a loop in NumPy over the rows in that order takes the very steps of a fit; and drawing with replacement."""

import dask.array as da
import numpy as np
import pytest
import reference
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from support.cases import covering
from support.data import LAYOUTS, labels, rows
from support.streamed import SMALL, Blocks

from fastsgd import (
    LinearRegressor,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    load,
    losses,
    optimizers,
    penalties,
    sources,
)
from fastsgd import dask as on_dask
from fastsgd.dask.runners import LocalRunner
from fastsgd.sources import _order, visiting_order

STEADY = dict(
    learning_rate="constant", eta0=0.02, alpha=0.01, tol=None, max_iter=3, random_state=5, intercept_decay=1.0
)
ORDERS = [True, False, "replace"]


def orders(est, X, y=None, s=None, epochs=3):
    return [visiting_order(est, X, y, s, epoch=k) for k in range(1, epochs + 1)]


def close(est, W, b, atol=1e-12):
    np.testing.assert_allclose(np.atleast_2d(est.coef_).T, W, rtol=0, atol=atol)
    np.testing.assert_allclose(est.intercept_, b, rtol=0, atol=atol)


# ---------------------------------------------------------------- the steps of a fit, by hand


@pytest.mark.parametrize(
    "layout, shuffle, batch, name, kind",
    covering(
        2,
        LAYOUTS,
        ORDERS,
        [1, 7, 32],
        [name for name in optimizers.OPTIMIZERS if name != "ftrl"],
        ["regression", "targets", "two classes", "four classes"],
    ),
)
def test_the_reference_in_that_order_gives_the_coefficients_of_a_fit(layout, shuffle, batch, name, kind, set_sizes):
    set_sizes(call_rows=64, buffer_bytes=5000, buffer_blocks=4)
    X, y, s = rows(300)
    s[::5] = 0
    how = dict(optimizer=optimizers.get(name).set_params(lazy=False), batch_size=batch, shuffle=shuffle, **STEADY)
    if kind in ("regression", "targets"):
        target = y if kind == "regression" else np.c_[y, -2 * y]
        est, loss, Y = SGDRegressor(**how), losses.SquaredError(), target.reshape(300, -1)
    else:
        target = labels(y, 2 if kind == "two classes" else 4)
        est, loss = SGDClassifier("log_loss", **how), losses.LogLoss()
        Y = (target[:, None] == ([1] if kind == "two classes" else np.arange(4))).astype(float)
    given = LAYOUTS[layout](X)
    found = orders(est, given, target, s)
    assert all(s[order].all() for order in found)
    given_to = {"l2": 0.01, "s": s, "orders": found}
    W, b, *_ = reference.minibatch(X, Y, loss, lambda t: 0.02, optimizers.get(name), batch, **given_to)
    close(est.fit(given, target, sample_weight=s), W, b)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shuffle", ORDERS)
@pytest.mark.parametrize("penalty, average", [("l1", True), ("l1", False), ("l2", True), ("elasticnet", False)])
def test_so_it_is_with_l1_averages_and_a_schedule(layout, shuffle, penalty, average):
    X, y, s = rows()
    how = dict(STEADY, learning_rate="invscaling", penalty=penalty, l1_ratio=0.5, average=average, shuffle=shuffle)
    est, given = SGDRegressor("huber", **how), LAYOUTS[layout](X)
    l1, l2 = penalties.weights(penalty, 0.01, 0.5)
    how = {"l1": l1, "l2": l2, "average": int(average), "s": s, "orders": orders(est, given, y, s)}
    W, b, *_ = reference.sgd(X, y[:, None], losses.Huber(0.1), lambda t: 0.02 / t**0.25, **how)
    # On CSR elastic net adds up its L1 in another order.
    close(est.fit(given, y, sample_weight=s), W, b, 1e-5 if penalty == "elasticnet" and layout == "csr" else 1e-12)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_the_rows_of_a_validation_set_are_not_visited(shuffle):
    X, y, _ = rows(300)
    y = labels(y, 3)
    est = SGDClassifier(**STEADY, shuffle=shuffle, early_stopping=True, validation_fraction=0.25)
    found = orders(est, X, y)
    train, _ = train_test_split(np.arange(300), test_size=0.25, stratify=y, random_state=5)
    assert all(set(order) <= set(train) for order in found) and {len(order) for order in found} == {225}
    Y = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    W, b, *_ = reference.sgd(X, Y, losses.Hinge(), lambda t: 0.02, l2=0.01, orders=found)
    close(est.fit(X, y), W, b)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_of_the_one_class_machine_and_of_standardised_rows(shuffle):
    X, y, _ = rows()
    how = dict(learning_rate="constant", eta0=0.02, tol=None, max_iter=2, random_state=5, shuffle=shuffle)
    est = SGDOneClassSVM(0.3, **how)
    found = orders(est, X, epochs=2)
    given = {"l2": 0.3, "nu": 0.3, "b": np.ones(1), "orders": found}
    W, b, *_ = reference.sgd(X, np.ones((200, 1)), losses.Hinge(), lambda t: 0.02, **given)
    est.fit(X)
    np.testing.assert_allclose(np.r_[est.coef_, 1 - est.offset_], np.r_[W[:, 0], b], rtol=0, atol=1e-12)
    est = SGDRegressor(penalty=None, standardize=True, **how)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    given = {"orders": orders(est, X, y, epochs=2)}
    W, b, *_ = reference.sgd(Z, y[:, None], losses.SquaredError(), lambda t: 0.02, **given)
    np.testing.assert_allclose(est.fit(X, y).predict(X), (Z @ W + b)[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_of_rows_of_float32_and_of_a_layout_no_kernel_reads(shuffle):
    """The order follows from the dtype of the weights: float32 rows lie closer together."""
    X, y, _ = rows(3000)
    for laid in (X.astype("f4"), np.asfortranarray(X), X[::-1][::-1], np.repeat(X, 2, axis=0)[::2]):
        est = SGDRegressor(**STEADY, shuffle=shuffle)
        found = orders(est, laid, y)
        W, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=found)
        est.fit(laid, y)
        np.testing.assert_allclose(est.coef_, W[:, 0], rtol=1e-4 if laid.dtype == "f4" else 1e-12)


@pytest.mark.filterwarnings("ignore:the rows of this source come in an order", "ignore:with max_memory=40000 bytes")
@pytest.mark.parametrize("shuffle", ORDERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_order", [False, True])
def test_of_a_source_in_small_buffers(layout, shuffle, in_order):
    X, y, s = rows(2000, 10)
    s[::3] = 0
    source = Blocks(LAYOUTS[layout](X), y, s, rows=41, in_order=in_order).buffered(SMALL)
    est = SGDRegressor(**STEADY, shuffle=shuffle)
    found = orders(est, source)
    assert all(s[order].all() for order in found) and all(len(order) < 2000 for order in found)
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, s=s, orders=found)
    close(est.fit(source), W, b)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_of_files_that_are_mapped(shuffle, tmp_path):
    X, y, _ = rows(2000, 10)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    source = sources.from_npy(tmp_path / "X.npy", tmp_path / "y.npy").buffered(SMALL)
    est = SGDRegressor(**STEADY, shuffle=shuffle)
    found = orders(est, source)
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=found)
    close(est.fit(source), W, b)


@pytest.mark.parametrize("shuffle", ORDERS)
def test_the_number_of_a_call_of_partial_fit_is_that_of_the_epoch(shuffle):
    X, y, _ = rows(300)
    est = SGDRegressor(**STEADY, shuffle=shuffle)
    parts = [slice(0, 100), slice(100, 300), slice(0, 300)]
    found = [part.start + visiting_order(est, X[part], y[part], epoch=k) for k, part in enumerate(parts, 1)]
    for part in parts:
        est.partial_fit(X[part], y[part])
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=found)
    close(est, W, b)


def test_a_fitted_estimator_knows_the_order_of_its_own_training():
    X, y, _ = rows()
    est = SGDRegressor(**STEADY).set_params(random_state=None)
    with pytest.raises(
        ValueError, match="random_state=None does not tell the order: set random_state to a whole number"
    ):
        visiting_order(est, X, y)
    est.fit(X, y)
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=orders(est, X, y))
    close(est, W, b)
    best = SGDRegressor(**STEADY, init="normal", n_init=4).fit(X, y)
    first = orders(clone(best), X, y)
    assert len(np.unique([*first, *orders(best, X, y)], axis=0)) == 6, "another start than the first was the best"


def test_a_generator_is_not_used_up():
    X, y, _ = rows()
    est = SGDRegressor(**STEADY, early_stopping=True).set_params(random_state=np.random.RandomState(3))
    found = orders(est, X, y)
    np.testing.assert_array_equal(found, orders(est, X, y))
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=found)
    close(est.fit(X, y), W, b)
    with pytest.raises(ValueError, match="does not tell which rows were split off"):
        visiting_order(est, X, y)


@pytest.mark.parametrize(
    "est, epoch, word",
    [
        (LinearRegressor(), 1, "visit rows one after another, got fastsgd.*LinearRegressor"),
        (SGDClassifierCV(), 1, "got fastsgd.*SGDClassifierCV"),
        (on_dask.SGDRegressor(), 1, "got fastsgd.dask.*SGDRegressor"),
        ("est", 1, "got builtins.str"),
        (SGDRegressor, 1, r"got its class: give SGDRegressor\(\)"),
        (SGDRegressor(random_state=0), 0, "epoch must be a whole number from 1 on, got 0"),
        (SGDRegressor(random_state=0), 1.5, "got 1.5"),
        (SGDRegressor(random_state=0, shuffle="replaced"), 1, "Did you mean shuffle='replace'"),
    ],
)
def test_what_has_no_order(est, epoch, word):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=word):
        visiting_order(est, X, y, epoch=epoch)


# ---------------------------------------------------------------- with replacement


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 2**32 - 1),
    first=st.integers(0, 300),
    count=st.integers(0, 300),
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 2**40),
)
def test_draws_are_those_of_the_formula_whichever_are_asked_for(n, first, count, seed, epoch):
    found = _order.with_replacement(n, first, count, seed, epoch)
    np.testing.assert_array_equal(found, reference.drawn(n, first + count, seed, epoch)[first:])


def test_each_row_is_as_likely_as_another_and_draws_are_independent():
    n = 50
    draws = np.array([_order.with_replacement(n, 0, 4000, 1, epoch) for epoch in range(10)])
    counts = np.bincount(draws.ravel(), minlength=n)
    assert ((counts - 800) ** 2 / 800).sum() < 49 + 5 * np.sqrt(2 * 49)
    pairs = np.bincount(draws[:, 1:].ravel() * n + draws[:, :-1].ravel(), minlength=n * n)
    assert ((pairs - pairs.mean()) ** 2 / pairs.mean()).sum() < 2499 + 5 * np.sqrt(2 * 2499)
    between = np.bincount(draws[1:].ravel() * n + draws[:-1].ravel(), minlength=n * n)
    assert ((between - between.mean()) ** 2 / between.mean()).sum() < 2499 + 5 * np.sqrt(2 * 2499)
    seen = [len(np.unique(_order.with_replacement(10_000, 0, 10_000, 2, epoch))) for epoch in range(30)]
    assert abs(np.mean(seen) / 10_000 - (1 - np.exp(-1))) < 0.003
    with pytest.raises(ValueError, match="2\\*\\*32 - 1 rows"):
        _order.with_replacement(2**32, 0, 1, 0, 0)


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_an_epoch_of_a_fit_is_as_many_draws_as_rows_from_all_of_them(layout, set_sizes):
    set_sizes(call_rows=64, buffer_bytes=5000, buffer_blocks=4)
    X, y, _ = rows(1000)
    est = SGDRegressor(**STEADY, shuffle="replace")
    found = visiting_order(est, LAYOUTS[layout](X), y)
    assert len(found) == 1000 and abs(len(np.unique(found)) - 632) < 60
    assert abs(found[:500].mean() - 499.5) < 60 and abs(found[500:].mean() - 499.5) < 60
    assert est.fit(LAYOUTS[layout](X), y).t_ == 3001


def test_each_buffer_of_a_source_draws_from_its_own_rows():
    """So many draws as it has rows."""
    source = Blocks(np.ones((2000, 10)), np.zeros(2000), rows=20).buffered(SMALL, buffer_rows=200)
    est = SGDRegressor(random_state=0)
    whole, drawn = visiting_order(est, source), visiting_order(clone(est).set_params(shuffle="replace"), source)
    assert len(drawn) == 2000 and 1100 < len(np.unique(drawn)) < 1400
    sizes = [len(part) for part in np.split(drawn, 20) if set(part) <= set(whole[: 20 * len(part)])]
    assert sizes, "there are several buffers"
    ends = [end for end in range(100, 2001, 20) if set(drawn[:end]) <= set(whole[:end])]
    assert len(ends) >= 10 and not set(drawn[:110]) <= set(whole[:110])


def test_it_is_stored_with_a_model(tmp_path):
    X, y, _ = rows()
    est = SGDRegressor(**STEADY, shuffle="replace").fit(X, y)
    est.save(tmp_path / "model")
    read = load(tmp_path / "model")
    assert read.shuffle == "replace"
    np.testing.assert_array_equal(read.partial_fit(X, y).coef_, est.partial_fit(X, y).coef_)


@pytest.mark.parametrize("jobs", [1, 2])
def test_threads_share_the_draws(jobs):
    X, y, _ = rows(2000)
    est = SGDRegressor(**STEADY, shuffle="replace", n_jobs=jobs)
    np.testing.assert_array_equal(est.fit(X, y).coef_, clone(est).fit(X, y).coef_)
    assert est.score(X, y) > 0.7


def test_with_the_steps_of_auto_and_folds_and_resamples():
    X, y, _ = rows(1000)
    for params in (
        dict(learning_rate="auto"),
        dict(learning_rate="auto", n_bootstrap=4),
        dict(learning_rate="auto", n_splits=3),
    ):
        for laid in (X, sp.csr_matrix(X)):
            est = SGDRegressor(shuffle="replace", max_iter=3, tol=None, random_state=0, **params).fit(laid, y)
            assert est.score(laid, y) > 0.8
    search = SGDClassifierCV(shuffle="replace", alphas=[1e-4, 1e-2], max_iter=3, tol=None, cv=3, random_state=0)
    assert search.fit(X, labels(y)).score(X, labels(y)) > 0.8


def test_on_a_cluster_each_partition_draws_from_its_own_rows():
    X, y, _ = rows(600)
    est = on_dask.SGDRegressor(client=LocalRunner(), **STEADY, shuffle="replace").set_params(max_iter=1)
    est.fit(da.from_array(X, chunks=(600, -1)), da.from_array(y, chunks=600))
    order = _order.with_replacement(600, 0, 600, est._state.seed + (1 << 32), 0)
    W, b, *_ = reference.sgd(X, y[:, None], losses.SquaredError(), lambda t: 0.02, l2=0.01, orders=[order])
    close(est, W, b)
    est = on_dask.SGDRegressor(client=LocalRunner(), shuffle="replace", tol=None, max_iter=4, random_state=0)
    assert est.fit(da.from_array(X, chunks=(150, -1)), da.from_array(y, chunks=150)).score(X, y) > 0.8


@pytest.mark.parametrize(
    "params, fit, word",
    [
        ({}, {"segments": np.arange(200) % 3}, "segments can't be trained with shuffle='replace'.*set shuffle=True"),
        (
            {"optimizer": optimizers.SGD(line_search=True), "batch_size": "full"},
            {},
            "searches along the line, and needs all rows, with shuffle=True or False",
        ),
    ],
)
def test_what_needs_each_row_once(params, fit, word):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=word):
        SGDRegressor(shuffle="replace", **params).fit(X, y, **fit)
