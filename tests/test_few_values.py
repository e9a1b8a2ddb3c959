"""partial_fit on rows that have few of many features: costs what their values cost, and promises all that it promises else."""

import copy
import multiprocessing
import os
import pickle
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
from support.strikes import in_step, intercept, struck

import fastsgd
from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd._kernels import kernels
from fastsgd.engine import Moment
from fastsgd.estimators import in_place
from fastsgd.sources.arrays import Table

D = 2000
CLASSES = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
EVERY = pytest.mark.parametrize("cls", CLASSES)
HOW = [
    {},
    {"average": True},
    {"average": 30},
    {"penalty": "l1"},
    {"penalty": "elasticnet", "l1_ratio": 0.5},
    {"penalty": "elasticnet", "average": True},
    {"learning_rate": "pa1"},
    {"optimizer": "adam", "learning_rate": "constant"},
    {"optimizer": "adamw", "penalty": "elasticnet", "learning_rate": "constant"},
    {"optimizer": "rmsprop", "penalty": "l1", "learning_rate": "constant"},
    {"optimizer": "adagrad", "learning_rate": "constant"},
    {"optimizer": "adagrad", "penalty": None, "learning_rate": "constant"},
    {"optimizer": "adam", "learning_rate": "constant", "batch_size": 8},
    {"optimizer": "rmsprop", "penalty": "elasticnet", "learning_rate": "constant", "batch_size": 2},
    {"standardize": True},
    {"standardize": True, "average": True, "penalty": "elasticnet"},
    {"standardize": True, "optimizer": "rmsprop", "learning_rate": "constant"},
    {"standardize": True, "learning_rate": "auto"},
    {"learning_rate": "auto"},
    {"learning_rate": "auto", "penalty": "elasticnet"},
]
HOWS = pytest.mark.parametrize("how", HOW, ids=str)


def rows(n=60, values=5, dtype="f8", seed=0):
    rng = np.random.default_rng(seed)
    X = sp.random(n, D, values / D, "csr", dtype, random_state=seed, data_rvs=rng.standard_normal)
    return X, rng.integers(3, size=n)


def make(cls, **how):
    if cls is SGDOneClassSVM:
        how = {name: value for name, value in how.items() if name not in ("penalty", "l1_ratio")}
        if how.get("learning_rate") in ("auto", "pa1"):
            how["learning_rate"] = "invscaling"
    elif how.get("learning_rate") == "pa1" and cls is SGDRegressor:
        how["loss"] = "epsilon_insensitive"
    return cls(random_state=0, shuffle=False, **how)


def feed(est, X, y):
    given = {"classes": [0, 1, 2]} if isinstance(est, SGDClassifier) else {}
    return est.partial_fit(X, y, **given)


def begun(cls, **how):
    """One that trains its state where it is from the next call on."""
    est = feed(make(cls, **how), *rows(seed=1))
    return feed(est, *rows(5, seed=2))


def model(est):
    return est.coef_.tobytes(), getattr(est, intercept(est)).tobytes(), est.t_


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@HOWS
@EVERY
def test_the_numbers_are_those_of_training_on_a_copy(cls, how, dtype):
    X, y = rows(dtype=dtype)
    est, other = (feed(make(cls, **how), X, y) for _ in range(2))
    feed(other, X[:3], y[:3])
    feed(est, X[:3], y[:3])
    where = est._state
    for lo in range(3, 60, 3):
        other = pickle.loads(pickle.dumps(other))  # whose state is not its own alone
        feed(est, X[lo : lo + 3], y[lo : lo + 3])
        feed(other, X[lo : lo + 3], y[lo : lo + 3])
    assert est._state is where and other._state is not where
    assert model(est) == model(other) and est.history_["loss"] == other.history_["loss"]


@HOWS
def test_a_call_makes_nothing_of_the_size_of_the_model(how):
    d = 1 << 20
    X = sp.csr_matrix((np.ones(50), np.arange(50) * 1000, [0, 50]), shape=(1, d))
    est = make(SGDRegressor, **how)
    for _ in range(2):
        est.partial_fit(X, [1.0])
    tracemalloc.start()
    try:
        for _ in range(3):
            est.partial_fit(X, [1.0])
        assert tracemalloc.get_traced_memory()[1] < d / 8
    finally:
        tracemalloc.stop()
    assert est.coef_.shape == (d,)


@pytest.mark.parametrize("how", [how for how in HOW if how.get("learning_rate") != "auto"], ids=str)
@EVERY
def test_what_users_put_into_the_attributes_is_where_it_goes_on_from(cls, how):
    """Assigned, edited in place, or through a view that was taken calls ago."""
    X, y = rows(2, seed=5)
    assigned, edited, viewed = (begun(cls, **how) for _ in range(3))
    row = viewed.coef_.reshape(-1, D)[0, 100:200]
    offset = getattr(viewed, intercept(viewed))[:1]
    for est in (assigned, edited, viewed):
        for _ in range(3):
            feed(est, X, y)
    new = assigned.coef_.copy().reshape(-1, D)
    new[0, 100:103] = 7.0
    assigned.coef_ = new.reshape(assigned.coef_.shape)
    setattr(
        assigned, intercept(assigned), getattr(assigned, intercept(assigned)) + np.eye(1, len(assigned._state.b))[0]
    )
    edited.coef_.reshape(-1, D)[0, 100:103] = 7.0
    getattr(edited, intercept(edited))[0] += 1
    row[:3] = 7.0
    offset += 1
    for est in (assigned, edited, viewed):
        feed(est, X, y), feed(est, X, y)
    assert abs(assigned.coef_.reshape(-1, D)[0, 100:103] - 7.0).max() < 0.5
    assert model(assigned) == model(edited) == model(viewed)


@pytest.mark.parametrize("then", [{"penalty": "l1"}, {"optimizer": "adam"}, {"average": True}], ids=str)
@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
def test_rows_of_weight_zero_make_nothing_ready_for_what_was_changed_meanwhile(cls, then):
    est = begun(cls, learning_rate="constant").set_params(**then)
    X, y = rows(1, seed=3)
    given = {"classes": [0, 1, 2]} if cls is SGDClassifier else {}
    est.partial_fit(X, y, sample_weight=[0.0], **given)
    assert est._published.ready is None
    feed(est, X, y)
    assert est._published.ready is not None


def test_rows_of_weight_zero_do_not_hide_that_auto_wants_one_layout():
    est, X = SGDRegressor(learning_rate="auto", random_state=0), rows(1, seed=3)[0]
    est.partial_fit(np.ones((2, D)), [1.0, 2.0]).partial_fit(X, [1.0], sample_weight=[0.0])
    with pytest.raises(ValueError, match="needs them all in one layout"):
        est.partial_fit(X, [1.0])


def test_an_edit_of_what_auto_has_learnt_is_refused():
    est = begun(SGDRegressor, learning_rate="auto")
    est.coef_[3] += 1
    with pytest.raises(ValueError, match="can't go on from coefficients that it did not find itself"):
        feed(est, *rows(2))


@EVERY
def test_who_holds_the_coefficients_sees_them_move_and_who_does_not_pays_nothing(cls):
    est, other, (X, y) = begun(cls), begun(cls), rows(2, seed=5)
    kept = est.coef_
    feed(est, X, y), feed(other, X, y)
    assert est.coef_ is kept and kept.tobytes() == other.coef_.tobytes()
    gone = weakref.ref(kept)
    del kept
    feed(est, X, y)
    assert gone() is None and model(est) == model(feed(other, X, y))


@EVERY
@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda est: pickle.loads(pickle.dumps(est))], ids=["copy", "deepcopy", "pickle"]
)
def test_a_copy_and_the_original_go_their_own_ways(cls, way):
    est, (X, y) = begun(cls), rows(2, seed=5)
    other, before = way(est), model(est)
    for _ in range(3):
        feed(est, X, y)
    assert model(other) == before != model(est)
    for _ in range(3):
        feed(other, X, y)
    assert model(other) == model(est)


@EVERY
def test_a_file_of_it_and_a_warm_start_begin_with_its_model(cls, tmp_path):
    est, (X, y) = begun(cls), rows(2, seed=5)
    est.save(tmp_path / "m")
    again = fastsgd.load(tmp_path / "m")
    assert model(again) == model(est) and model(feed(again, X, y)) == model(feed(est, X, y))
    X, y = rows()
    init = {"coef_init": est.coef_.copy(), f"{intercept(est)}init": getattr(est, intercept(est)).copy()}
    right = make(cls, max_iter=1, tol=None).fit(X, y, **init)
    for other in (est, again):
        assert model(other.set_params(warm_start=True, max_iter=1, tol=None).fit(X, y)) == model(right)


def test_attributes_are_missing_until_there_is_a_model():
    for cls in CLASSES:
        est = make(cls)
        for name in ("coef_", "intercept_", "offset_", "t_", "mean_", "scale_", "auto_rule_"):
            with pytest.raises(AttributeError, match=f"'{cls.__name__}' object has no attribute '{name}'"):
                getattr(est, name)
        begun(cls)
        assert not hasattr(begun(cls), "mean_") and not hasattr(begun(cls), "auto_rule_")


# ---------------------------------------------------------------- what goes wrong
@HOWS
@EVERY
def test_a_row_that_overflows_the_weights_leaves_the_last_finite_model(cls, how):
    est = begun(cls, **how)
    for _ in range(2):
        feed(est, *rows(2, seed=5))
    before = model(est)
    bad = sp.csr_matrix((np.full(3, 1e300), [1, 2, 1500], [0, 3]), shape=(1, D))
    bad = sp.vstack([rows(2, seed=6)[0], bad, bad], "csr")
    try:
        feed(est, bad, [0, 1, 2, 0])
    except ValueError as error:
        assert "under-/overflow occurred" in str(error) and est.stop_reason_ == "diverged"
        for now, then in zip(model(est)[:2], before[:2], strict=True):
            np.testing.assert_allclose(np.frombuffer(now), np.frombuffer(then), rtol=1e-12)
    assert np.isfinite(est.coef_).all() and in_step(est)
    feed(est, *rows(2, seed=7))


@pytest.mark.parametrize("fault", ["overflow", "kernel"])
@pytest.mark.parametrize("average", [False, True])
def test_what_fails_does_not_change_the_order_of_the_rows_to_come(average, fault, monkeypatch):
    est, other = (begun(SGDRegressor, average=average).set_params(shuffle=True) for _ in range(2))
    t, (X, y) = est.t_, rows(80, seed=6)
    if fault == "overflow":
        with pytest.raises(ValueError, match="under-/overflow"):
            feed(est, sp.csr_matrix((np.full(4, 1e300), [1, 2, 1, 2], [0, 2, 4]), shape=(2, D)), [1.0, 1.0])
    else:
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "sweep", None)
            with pytest.raises(TypeError):
                feed(est, X, y)
    assert est.t_ == t and in_step(est)
    assert model(feed(est, X, y)) == model(feed(other, X, y))


@pytest.mark.parametrize("average", [False, True])
def test_a_way_back_over_a_change_of_scale(average):
    X, y = rows(2, seed=5)
    est = begun(SGDRegressor, average=average, alpha=0.5, learning_rate="constant", eta0=0.5)
    before = [x.copy() for x in est._publish(Moment(est._state, est._published.plan)).values()]
    undo = in_place.Undo(est._state, Table(X))
    scale = est._state.at["scale"][0]
    for _ in range(100):
        feed(est, X, y)
        if est._state.at["scale"][0] > scale:
            break
        scale = est._state.at["scale"][0]
    else:
        pytest.fail("the scale was never folded into the weights")
    undo.back()
    after = list(est._publish(Moment(est._state, est._published.plan)).values())
    touched = np.unique(X.indices)
    np.testing.assert_allclose(after[0][touched], before[0][touched], rtol=1e-9)
    np.testing.assert_allclose(after[1], before[1])


@pytest.mark.parametrize("held", [False, True])
@EVERY
def test_an_exception_at_any_moment_leaves_all_in_step(cls, held):
    X, y = rows(3, seed=5)
    ends, at = set(), 0
    start = pickle.dumps(begun(cls, average=True, penalty="l1"))

    def alone():
        """Of a state of its own."""
        return feed(pickle.loads(start), X, y)

    before, right = model(alone()), model(feed(alone(), X, y))
    while True:
        at += 2
        est = alone()
        kept = est.coef_ if held else None
        if not struck(lambda est=est: feed(est, X, y), at):
            break
        assert in_step(est), at
        ends.add(est.t_)
        assert model(est) in (before, right), at
        assert kept is None or est.coef_ is kept
        feed(est, X, y)
    assert len(ends) == 2


# ---------------------------------------------------------------- threads and processes
def test_a_prediction_while_another_thread_trains_is_of_one_model():
    """The row trained on moves two weights by the same amount, so that their difference stays."""
    X = sp.csr_matrix((np.ones(2), [3, 1900], [0, 2]), shape=(1, D))
    ask = sp.csr_matrix((np.array([1.0, -1.0]), [3, 1900], [0, 2]), shape=(1, D))
    est = SGDRegressor(random_state=0, fit_intercept=False, learning_rate="constant", eta0=1e-3)
    est.partial_fit(X, [5.0]).partial_fit(X, [5.0])
    over, faults = threading.Event(), []

    def train():
        while not over.is_set():
            est.partial_fit(X, [5.0])

    thread = threading.Thread(target=train)
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(300):
            faults += [x for x in est.predict(ask) if x != 0.0]
            faults += [] if pickle.loads(pickle.dumps(est)).predict(ask)[0] == 0.0 else ["pickle"]
    finally:
        over.set()
        thread.join()
        sys.setswitchinterval(switch)
    assert not faults and est.predict(X)[0] > 0.1


def test_two_threads_that_train_it_lose_no_row():
    X, y = rows(1, seed=5)
    est = begun(SGDRegressor)
    t = est.t_

    def train():
        for _ in range(200):
            est.partial_fit(X, y)

    threads = [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert est.t_ == t + 400 and in_step(est)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_process_can_use_it_whatever_another_thread_did():
    X, y = rows(1, seed=5)
    est, taken, over = begun(SGDRegressor), threading.Event(), threading.Event()

    def hold():
        with est._published.lock:
            taken.set()
            over.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait(60)
    try:
        child = multiprocessing.get_context("fork").Process(target=lambda: est.partial_fit(X, y).predict(X))
        child.start()
        child.join(60)
        assert child.exitcode == 0
    finally:
        over.set()
        thread.join()
        child.kill()


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_classes_that_learning_rate_auto_learns_together(dtype, penalty, monkeypatch):
    """Two features are centred, so that they change with each row, and more could be whenever rows have doubled."""
    X, y = rows(150, dtype=dtype)
    X = sp.hstack([sp.random(150, 2, 0.7, "csr", dtype, random_state=3), X[:, 2:]], "csr")
    together = dict(loss="log_loss", multi_class="multinomial", learning_rate="auto", penalty=penalty)
    est, other = (feed(make(SGDClassifier, **together), X[:2], y[:2]) for _ in range(2))
    in_place_calls = 0
    for at in range(2, 150):
        if at % 2 == 0 and est._published.ready is not None:
            before, t = pickle.dumps(est._state), est.t_
            with monkeypatch.context() as patch:
                patch.setattr(in_place.Undo, "finite", lambda self: False)
                with pytest.raises(ValueError, match="under-/overflow"):
                    feed(est, X[149 - at], y[:1])
            assert est.t_ == t and pickle.dumps(est._state) == before
        where = est._state
        other = pickle.loads(pickle.dumps(other))  # whose state is not its own alone
        feed(est, X[at], y[at : at + 1])
        feed(other, X[at], y[at : at + 1])
        in_place_calls += est._state is where
        assert model(est) == model(other)
    assert in_place_calls > 60 and sorted(est._state.auto.in_each_row) == [0, 1]
