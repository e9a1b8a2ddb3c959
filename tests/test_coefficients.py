"""`coef_` and `intercept_` are what training goes on from, whoever put them there; and never behind the state."""

import copy
import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from support.data import LAYOUTS, labels, rows
from support.strikes import in_step, intercept, struck

import fastsgd
from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor

CLASSES = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
EVERY = pytest.mark.parametrize("cls", CLASSES)
LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
ONCE = dict(max_iter=1, tol=None, shuffle=False, random_state=0, learning_rate="constant", eta0=0.01)
WITH_STATE = [
    {},
    {"average": True},
    {"penalty": "l1"},
    {"penalty": "elasticnet", "average": 50},
    {"penalty": "elasticnet", "l1_ratio": 0.5},
    {"standardize": True},
    {"standardize": True, "average": True, "penalty": "l1"},
    {"optimizer": "momentum"},
    {"optimizer": "nesterov", "batch_size": 7},
    {"optimizer": "adagrad", "average": True},
    {"optimizer": "rmsprop"},
    {"optimizer": "adamw"},
    {"optimizer": "ftrl", "eta0": 0.5},
    {"optimizer": "ftrl", "eta0": 0.5, "penalty": "l1", "standardize": True},
]
STATES = pytest.mark.parametrize("params", WITH_STATE, ids=str)


def make(cls, **params):
    if cls is SGDOneClassSVM:
        params = {name: value for name, value in params.items() if name not in ("penalty", "l1_ratio")}
    else:
        params = {"alpha": 1e-3, **params}
    return cls(**{**ONCE, **params})


def data(cls, layout="dense", classes=3):
    X, y, _ = rows()
    return LAYOUTS[layout](X), labels(y, classes) if cls is SGDClassifier else y


def feed(est, X, y):
    classes = {"classes": np.unique(y)} if isinstance(est, SGDClassifier) else {}
    return est.partial_fit(X, y, **classes)


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=rtol, atol=1e-12)
    np.testing.assert_allclose(getattr(a, intercept(a)), getattr(b, intercept(b)), rtol=rtol, atol=1e-12)
    assert a.t_ == b.t_


@LAYOUT
@EVERY
def test_a_new_estimator_starts_from_what_was_put_into_it(cls, layout):
    X, y = data(cls, layout)
    shape = (3, 6) if cls is SGDClassifier else (6,)
    coef = np.linspace(-1, 1, np.prod(shape)).reshape(shape)
    b = np.linspace(0.5, 1, 3 if cls is SGDClassifier else 1)
    init = {"offset_init" if cls is SGDOneClassSVM else "intercept_init": b}
    right = make(cls).fit(X, y, coef_init=coef, **init)
    for warm in (False, True):
        est = make(cls, warm_start=warm)
        est.coef_ = coef.copy()
        setattr(est, intercept(est), b.copy())
        same(est.fit(X, y) if warm else feed(est, X, y), right)
    alone = make(cls, warm_start=True)
    alone.coef_ = coef.copy()
    same(alone.fit(X, y), make(cls).fit(X, y, coef_init=coef))
    bad = make(cls)
    bad.coef_ = coef[..., :-1]
    with pytest.raises(ValueError, match=r"coef_init does not match dataset.*expected \((?:\d, 6|6,)\)"):
        feed(bad, X, y)


def test_coefficients_of_another_shape_are_told_the_shape_in_which_one_model_has_them():
    X, y = np.eye(4), np.arange(4)
    for cls in (SGDRegressor, SGDOneClassSVM, SGDClassifier):
        with pytest.raises(ValueError, match=r"coef_init .* its shape is \(2,\), expected \(4,\), as X has 4 features"):
            cls().fit(X, y % 2, coef_init=[1, 2])
        with pytest.raises(ValueError, match=r"its shape is \(1, 2\), expected \(1, 4\), as X has 4 features"):
            cls().fit(X, y % 2, coef_init=[[1, 2]])
    with pytest.raises(ValueError, match=r"its shape is \(2,\), expected \(3, 4\), as X has 4 features"):
        SGDClassifier().fit(X, y % 3, coef_init=[1, 2])
    with pytest.raises(ValueError, match=r"its shape is \(4,\), expected \(2, 4\)"):
        SGDRegressor().fit(X, np.column_stack([y, y]), coef_init=np.ones(4))


@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@LAYOUT
@EVERY
def test_one_weight_edited_in_place(cls, layout, penalty):
    """As if training had begun from those coefficients; the step sizes are constant."""
    X, y = data(cls, layout)
    est = feed(make(cls, penalty=penalty), X, y)
    est.coef_[..., 2] = 0.5
    getattr(est, intercept(est))[...] += 0.25
    right = make(cls, penalty=penalty).fit(
        X,
        y,
        coef_init=est.coef_.copy(),
        **{"offset_init" if cls is SGDOneClassSVM else "intercept_init": getattr(est, intercept(est)).copy()},
    )
    feed(est, X, y)
    # how much L1 a weight has received is not in the coefficients
    np.testing.assert_allclose(est.coef_, right.coef_, atol=1e-9 if penalty in (None, "l2") else 0.3)
    assert est.t_ == 401.0


@STATES
@LAYOUT
@EVERY
def test_an_edit_of_a_weight_leaves_the_others_and_their_state(cls, layout, params):
    """The edited feature is in no row, so that nothing but the edit moves its weight."""
    X, y = rows()[0], data(cls)[1]
    X[:, 2] = 0
    X = LAYOUTS[layout](X)
    est, plain = (feed(make(cls, **params), X, y) for _ in range(2))
    edit = np.arange(6) == 2
    est.coef_[..., 2] = 0.75
    once = clone_of(est).partial_fit(X[:1], y[:1])
    np.testing.assert_allclose(once.coef_[..., 2], 0.75, rtol=0.05)
    for _ in range(2):
        feed(est, X, y), feed(plain, X, y)
        np.testing.assert_allclose(est.coef_[..., ~edit], plain.coef_[..., ~edit], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(getattr(est, intercept(est)), getattr(plain, intercept(est)), rtol=1e-6, atol=1e-9)
        assert est.t_ == plain.t_


def clone_of(est):
    return pickle.loads(pickle.dumps(est))


@STATES
@LAYOUT
@EVERY
def test_sparsify_and_equal_values_change_nothing_of_the_state(cls, layout, params):
    X, y = data(cls, layout)
    plain, sparse, dense, equal = (feed(make(cls, **params), X, y) for _ in range(4))
    sparse.sparsify()
    dense.sparsify().densify()
    equal.coef_ = equal.coef_.tolist()
    for est in (plain, sparse, dense, equal):
        feed(est, X, y)
    for est in (sparse, dense, equal):
        assert est.coef_.tobytes() == plain.coef_.tobytes() and est.t_ == plain.t_
        assert getattr(est, intercept(est)).tobytes() == getattr(plain, intercept(est)).tobytes()


@LAYOUT
@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
def test_sparsify_keeps_what_auto_has_learnt(cls, layout):
    X, y = data(cls, layout)
    plain, sparse = (feed(make(cls, learning_rate="auto"), X, y) for _ in range(2))
    feed(plain, X, y), feed(sparse.sparsify(), X, y)
    assert sparse.coef_.tobytes() == plain.coef_.tobytes()


# What sparse containers users ask scikit-learn for: before 1.9 it has no such option, and a matrix is what there is.
INTERFACES = {"default": ({}, sp.csr_matrix)}
if "sparse_interface" in sklearn.get_config():
    INTERFACES["spmatrix"] = {"sparse_interface": "spmatrix"}, sp.csr_matrix
    INTERFACES["sparray"] = {"sparse_interface": "sparray"}, sp.csr_array


@pytest.mark.parametrize("interface", INTERFACES)
@LAYOUT
@pytest.mark.parametrize("cls", [*CLASSES, LinearClassifier, LinearRegressor])
def test_sparsify_makes_the_container_that_scikit_learn_is_configured_for(cls, layout, interface, tmp_path):
    X, y = data(cls, layout)
    y = labels(y, 3) if cls is LinearClassifier else y
    config, container = INTERFACES[interface]
    est = (make(cls) if cls in CLASSES else cls()).fit(X, y)
    before, coef = est.predict(X), np.atleast_2d(est.coef_)
    with sklearn.config_context(**config):
        assert type(est.sparsify().coef_) is container
        assert type(est.sparsify().coef_) is container  # of what is sparse already
        assert est.coef_.format == "csr" and np.array_equal(est.coef_.toarray(), coef)
        np.testing.assert_allclose(est.predict(X), before, rtol=1e-12)
        est.save(tmp_path / "model")
        again = fastsgd.load(tmp_path / "model")
        assert type(again.coef_) is container
    for later in (est, again, clone_of(est)):  # where the option is what it was
        np.testing.assert_allclose(later.predict(X), before, rtol=1e-12)
        assert np.array_equal(np.atleast_2d(later.densify().coef_), coef)


@pytest.mark.parametrize("average", [False, True])
@EVERY
def test_an_edited_weight_and_intercept_are_their_own_average(cls, average):
    X, y = data(cls)
    est = feed(make(cls, average=average), X, y)
    before = est.coef_.copy()
    est.coef_[..., 0] = 9.0
    setattr(est, intercept(est), getattr(est, intercept(est)) + 5.0)
    wanted = getattr(est, intercept(est)).copy()
    est.partial_fit(X, y, sample_weight=np.zeros(len(y)))
    np.testing.assert_allclose(est.coef_[..., 0], 9.0, rtol=1e-12)
    np.testing.assert_allclose(est.coef_[..., 1:], before[..., 1:], rtol=1e-12)
    np.testing.assert_allclose(getattr(est, intercept(est)), wanted, rtol=1e-12)


@STATES
@LAYOUT
@EVERY
def test_an_edit_goes_through_files_and_pickles(cls, layout, params, tmp_path):
    X, y = data(cls, layout)
    est = feed(make(cls, **params), X, y)
    est.coef_[..., 2] = 0.5
    est.save(tmp_path / "m")
    for other in (clone_of(est), copy.deepcopy(est), copy.copy(est), fastsgd.load(tmp_path / "m")):
        assert other.coef_.tobytes() == est.coef_.tobytes()
        same(feed(other, X, y), feed(clone_of(est), X, y))
    assert (est.coef_[..., 2] == 0.5).all()


def test_a_copy_goes_its_own_way():
    X, y = data(SGDRegressor)
    est = feed(make(SGDRegressor), X, y)
    other, kept = copy.copy(est), est.coef_.copy()
    feed(other, X, y)
    assert (est.coef_ == kept).all() and est.t_ == 201.0
    same(feed(est, X, y), other)


def test_coefficients_that_are_not_finite_are_refused():
    X, y = data(SGDRegressor)
    est = feed(make(SGDRegressor), X, y)
    est.coef_[1] = np.nan
    with pytest.raises(ValueError, match="coef_ contains NaN"):
        feed(est, X, y)
    est.coef_ = np.ones(5)
    with pytest.raises(ValueError, match=r"coef_ does not match dataset: its shape is \(5,\)"):
        feed(est, X, y)


# ---------------------------------------------------------------- errors at any moment
@pytest.mark.parametrize(
    "params", [{"average": True, "penalty": "l1"}, {"standardize": True}, {"optimizer": "adam"}], ids=str
)
@EVERY
def test_an_exception_at_any_moment_of_partial_fit_leaves_all_in_step(cls, params):
    """As of a signal's handler: wherever it strikes, coef_, intercept_ and t_ are those of the state, and it can go on."""
    X, y = data(cls)
    start = feed(make(cls, **params), X[:50], y[:50])
    right = clone_of(start).partial_fit(X[50:60], y[50:60])
    ends, at = set(), 0
    while True:
        at += 3
        est = clone_of(start)
        if not struck(lambda est=est: est.partial_fit(X[50:60], y[50:60]), at):
            break
        assert in_step(est), at
        ends.add(est.t_)
        same(est, start if est.t_ == start.t_ else right)
        assert est.partial_fit(X[50:60], y[50:60]).t_ in (61.0, 71.0)
    assert ends == {51.0, 61.0}


def test_a_first_call_that_is_struck_leaves_nothing_or_all():
    X, y = data(SGDRegressor)
    for at in range(1, 2000, 7):
        est = make(SGDRegressor)
        if not struck(lambda est=est: est.partial_fit(X, y), at):
            break
        assert not hasattr(est, "coef_") or in_step(est)
        feed(est, X, y)
    else:
        pytest.fail("it never came to an end")


# ---------------------------------------------------------------- other threads, and callbacks
def test_a_model_saved_while_another_thread_trains_can_be_loaded(tmp_path):
    X, y = data(SGDRegressor)
    est, over = feed(make(SGDRegressor, average=True, penalty="l1"), X, y), threading.Event()

    def train():
        while not over.is_set():
            est.partial_fit(X, y)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        for number in range(20):
            est.save(tmp_path / "m")
            loaded = fastsgd.load(tmp_path / "m")
            assert in_step(loaded) and in_step(clone_of(est)), number
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("cls", [SGDRegressor, LinearRegressor])
def test_a_callback_can_not_fit_the_estimator_that_is_being_fitted(cls, method):
    X, y = data(SGDRegressor)
    if not hasattr(cls, method):
        method = "fit"
    est = cls(callbacks=lambda progress: getattr(est, method)(X, y) is None)
    with pytest.raises(RuntimeError, match=f"{method} was called on this .* while it is being fitted.*clone"):
        est.fit(X, y)
    copies = []
    est.set_params(
        callbacks=lambda progress: copies.append(clone(progress.estimator).set_params(callbacks=None).fit(X, y))
    )
    assert np.isfinite(est.fit(X, y).coef_).all() and copies


def test_the_estimator_that_a_callback_keeps_stays_as_it_was():
    X, y = data(SGDRegressor)
    kept = []
    SGDRegressor(random_state=0, max_iter=3, tol=None, callbacks=lambda progress: kept.append(progress.estimator)).fit(
        X, y
    )
    assert [est.t_ for est in kept] == [201.0, 401.0, 601.0] and all(map(in_step, kept))
    same(kept[0].partial_fit(X, y), kept[1])


def test_coefficients_of_sparse_matrices_can_be_put_in():
    X, y = data(SGDRegressor)
    est, other = (feed(make(SGDRegressor), X, y) for _ in range(2))
    est.coef_, other.coef_ = sp.csr_matrix(np.eye(1, 6)), np.eye(1, 6)[0]
    same(feed(est, X, y), feed(other, X, y))


@EVERY
@pytest.mark.parametrize("layout", ["as it lies", "transposed"])
def test_an_edit_is_seen_however_small_and_wherever_the_array_lies(cls, layout):
    X, y = data(cls)
    est, other = (feed(make(cls), X, y) for _ in range(2))
    if layout == "transposed":
        est.coef_ = np.asfortranarray(np.atleast_2d(est.coef_)).reshape(est.coef_.shape)
    same(feed(copy.deepcopy(est), X, y), feed(copy.deepcopy(other), X, y))
    assert est._as_published()
    est.coef_.flat[-1] = np.nextafter(est.coef_.flat[-1], 1)
    assert not est._as_published()
    feed(est, X, y)
    assert est._as_published() and not np.shares_memory(est.coef_, est._published.values(est)[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cls", [*CLASSES, LinearClassifier, LinearRegressor])
def test_nothing_is_set_on_the_estimator_before_the_end_of_a_fit(cls):
    X, y = data(cls if cls is not LinearClassifier else SGDClassifier)
    seen, est = [], cls(callbacks=lambda progress: seen.append(set(vars(est))), random_state=0)
    new = set(vars(est))
    est.fit(X, y)
    assert seen and all(now - new <= {"_checked", "_callback_fit_ctx", "_skl_callbacks_to_teardown"} for now in seen)
    before = dict(vars(est))
    with pytest.raises(ValueError, match="sample_weight must not be all zero"):
        est.fit(np.column_stack([X, X]), y[::-1], sample_weight=np.zeros(len(y)))
    assert all(vars(est)[name] is value for name, value in before.items() if name != "_checked")
    assert vars(est).keys() == before.keys() and len(est.predict(X)) == len(y)
