"""A stream that breaks off: what is said, and what is left of the model and the threads."""

import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from support.streamed import (
    LABELS,
    LAYOUTS,
    MARGIN,
    SMALL,
    STEADY,
    WEIGHT,
    Blocks,
    X,
    no_thread_is_left,  # noqa: F401 (a fixture)
    numbered,
    same,
    stream_of,
)

from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDRegressor,
)
from fastsgd._kernels import kernels
from fastsgd.sources import Rows
from fastsgd.sources.blocks import sound


class Broken(Exception):
    pass


def stop_at(block, error):
    def trap(number):
        if number == block:
            raise error

    return trap


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("readers", [1, 3])
def test_errors_of_the_reader_come_out_with_their_words(in_order, readers):
    source = Blocks(X, MARGIN, in_order=in_order, trap=stop_at(40, Broken("the disk is gone"))).buffered(
        SMALL, None, readers
    )
    source.n_rows = 2000
    with pytest.raises(Broken, match="the disk is gone"):
        SGDRegressor(**STEADY).fit(source)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_an_error_on_the_way_leaves_the_model_of_the_rows_before_it(method):
    given = {"classes": ["no", "yes"]} if method == "partial_fit" else {}
    clf, upto, calls = SGDClassifier(**STEADY), SGDClassifier(**STEADY), 2 if method == "partial_fit" else 1
    for _ in range(calls):
        source = Blocks(X, LABELS, trap=stop_at(40, Broken("the disk is gone")))
        with pytest.raises(Broken):
            getattr(clf, method)(source, **given)
        assert clf.stop_reason_ == "error" and clf.score(X, LABELS) > 0.8
    seen = int(clf.t_ - 1) // calls
    assert 500 < seen <= 40 * 37
    for _ in range(calls):
        upto.partial_fit(X[:seen], LABELS[:seen], classes=["no", "yes"])
    same(clf, upto)


@pytest.mark.parametrize(("method", "at"), [("fit", "counting"), ("fit", "reading"), ("partial_fit", "reading")])
def test_an_error_before_the_first_row_leaves_the_estimator_as_it_was(method, at):
    three = np.arange(300) % 3
    clf, fitted = SGDClassifier(**STEADY), SGDClassifier(**STEADY).fit(X[:300, :4], three)
    source = Blocks(X, LABELS, trap=stop_at(0, Broken("the disk is gone")))
    if at == "counting":
        source.targets = lambda: 1 / 0
    before = pickle.dumps(fitted)
    for est in (clf, fitted):
        with pytest.raises((Broken, ZeroDivisionError, ValueError)):
            getattr(est, method)(source, **({"classes": ["no", "yes"]} if method == "partial_fit" else {}))
    assert not [name for name in vars(clf) if name.endswith("_") and not name.startswith("_")]
    assert pickle.dumps(fitted) == before and fitted.predict(X[:300, :4]).shape == (300,)
    with pytest.raises(NotFittedError):
        clf.predict(X)


@pytest.mark.parametrize("readers", [1, 3])
def test_an_early_close_ends_the_threads_and_the_reading(readers):
    source = numbered(4000, rows=10).buffered(SMALL, readers=readers)
    chunks = stream_of(source).chunks(np.dtype("f8"), 1, True, 0, 0)
    next(chunks)
    chunks.close()
    assert threading.active_count() == 1 or not [t for t in threading.enumerate() if t.name.startswith("fastsgd")]
    assert len(source.read_blocks) < 300


def test_ctrl_c_while_waiting_for_a_buffer_leaves_the_model_of_that_moment():
    def trap(block):
        if block == 30:
            raise KeyboardInterrupt

    reg = SGDRegressor(**STEADY)
    with pytest.raises(KeyboardInterrupt, match="holds the model"):
        reg.fit(Blocks(X, MARGIN, trap=trap))
    assert reg.stop_reason_ == "interrupted" and np.any(reg.coef_)


def test_ctrl_c_in_a_kernel_call_ends_the_threads(monkeypatch):
    sweep, calls = kernels.sweep, []

    def strikes(*args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return sweep(*args)

    monkeypatch.setattr(kernels, "sweep", strikes)
    reg = SGDRegressor(**STEADY)
    with pytest.raises(KeyboardInterrupt):
        reg.fit(Blocks(X, MARGIN))
    assert reg.stop_reason_ == "interrupted"
    assert not [t for t in threading.enumerate() if t.name.startswith("fastsgd")]


def test_max_seconds_and_callbacks_stop_a_stream():
    reg = SGDRegressor(**STEADY | {"max_iter": 1000}, max_seconds=1e-9).fit(Blocks(X, MARGIN))
    assert reg.stop_reason_ == "max_seconds" and reg.n_iter_ == 1
    epochs = []
    reg = SGDRegressor(**STEADY, callbacks=lambda at: epochs.append(at.estimator.coef_) or len(epochs) == 2).fit(
        Blocks(X, MARGIN)
    )
    assert reg.stop_reason_ == "callback" and len(epochs) == 2


def test_divergence_keeps_the_last_finite_model_and_names_columns():
    L = X.copy()
    L[:, 3] *= 1e200
    with pytest.raises(ValueError, match=r"overflow.*columns of largest scale are 3"):
        SGDRegressor(**STEADY, eta0=1.0).fit(Blocks(L, MARGIN))


def spoilt(block, change):
    source = Blocks(X, MARGIN)
    read = source.read

    def spoil(number):
        rows = read(number)
        return change(rows) if number == block else rows

    source.read = spoil
    return source


def with_value(value):
    def change(rows):
        L = rows.X.copy()
        L[3, 2] = value
        return rows._replace(X=L)

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (with_value(np.nan), r"X contains NaN \(at row 3 of the block, column 2\)"),
        (with_value(np.inf), r"X contains infinity \(at row 3"),
        (lambda rows: rows._replace(X=np.ascontiguousarray(rows.X[:, :4])), "X has 4 features, expected 10"),
        (lambda rows: rows._replace(X=sp.csr_matrix(rows.X)), "X must be a array|X must be an array"),
        (lambda rows: rows._replace(X=rows.X.astype(np.float32)), "X is of float32, the source of float64"),
        (lambda rows: rows._replace(X=rows.X[0]), r"two dimensions, found ndarray of shape \(10,\)"),
        (lambda rows: rows._replace(y=None), "target y is None"),
        (lambda rows: rows._replace(y=rows.y[:-1]), "y must be an array of the 37 rows that X has"),
        (lambda rows: rows._replace(y=np.full(37, np.nan)), "NaN"),
        (lambda rows: rows._replace(weight=np.ones(3)), "weight must be an array of the 37 rows"),
        (lambda rows: rows._replace(weight=-np.ones(37)), "[Nn]egative"),
    ],
)
def test_a_bad_block_is_named(change, words):
    with pytest.raises(ValueError, match=rf"Block 29 of the source: .*({words})"):
        SGDRegressor(**STEADY).fit(spoilt(29, change))


def malformed(**change):
    rows = sp.csr_matrix(np.eye(10))
    parts = {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr} | change
    for name, value in parts.items():
        setattr(rows, name, value)
    return rows


@pytest.mark.parametrize(
    "change, words",
    [
        ({"indices": np.full(10, 12, np.int32)}, r"indices must be in \[0, 10\)"),
        ({"indices": np.full(10, -1, np.int32)}, r"indices must be in \[0, 10\)"),
        ({"indptr": np.arange(11, dtype=np.int32)[::-1].copy()}, "indptr must start at 0"),
        ({"indptr": np.arange(8, dtype=np.int32)}, "indptr has 8 entries"),
        ({"indptr": np.arange(11, dtype=np.int64)}, "int32 or int64"),
        ({"data": np.ones(4)}, "indptr ends at 10"),
    ],
)
def test_malformed_csr_is_refused_before_a_kernel_sees_it(change, words):
    source = Blocks(LAYOUTS["csr"], MARGIN)
    read = source.read
    source.read = lambda k: Rows(malformed(**change), np.ones(10)) if k == 7 else read(k)
    with pytest.raises(ValueError, match=f"Block 7 of the source: X is a malformed.*{words}|Block 7 .*{words}"):
        SGDRegressor(**STEADY).fit(source)


def test_csr_that_is_not_aligned_is_copied():
    whole = LAYOUTS["csr"]
    odd = sp.csr_matrix(whole.shape)
    odd.data, odd.indices, odd.indptr = (
        np.frombuffer(b"x" + part.tobytes(), part.dtype, offset=1) for part in (whole.data, whole.indices, whole.indptr)
    )
    found = sound(Rows(odd), Blocks(whole), None).X
    assert all(part.flags.aligned for part in (found.data, found.indices, found.indptr))
    assert (found != whole).nnz == 0


def test_csr_with_doubles_is_summed():
    double = sp.csr_matrix((np.ones(4), [0, 0, 1, 1], [0, 2, 4]), shape=(2, 2))
    source = Blocks(double, np.array([1.0, 2.0]), rows=1)
    for bounds in (source, source.buffered()):
        same(SGDRegressor(**STEADY).fit(bounds), SGDRegressor(**STEADY).fit(double, [1.0, 2.0]))


@pytest.mark.parametrize("est", [SGDClassifier(), SGDRegressor(), LinearClassifier(), LinearRegressor()], ids=str)
@pytest.mark.parametrize("memory", [SMALL, "256MB"])
def test_what_a_source_has_is_not_given_again(est, memory):
    y = LABELS if "Classifier" in str(est) else MARGIN
    source = Blocks(X, y).buffered(memory)
    with pytest.raises(ValueError, match=r"X is a source.*y must be None"):
        est.fit(source, y)
    with pytest.raises(ValueError, match=r"X is a source.*weights"):
        est.fit(source, sample_weight=WEIGHT)
    with pytest.raises(ValueError, match=r"no y|needs them in memory"):
        est.fit(Blocks(X).buffered(memory))


def test_solvers_of_many_passes_take_what_a_buffer_holds():
    source = Blocks(X, LABELS)
    with pytest.raises(ValueError, match=r"LinearClassifier goes over the rows many times.*max_memory"):
        LinearClassifier().fit(source)
    same(LinearClassifier(random_state=0).fit(source.buffered()), LinearClassifier(random_state=0).fit(X, LABELS))
    assert LinearClassifier().fit(X, LABELS).score(source) > 0.8


def test_labels_that_do_not_go_together():
    mixed = np.concatenate([np.zeros(1000, object), np.full(1000, "one", object)])
    source = Blocks(X, mixed)
    source.targets = lambda: (
        (part.astype(int) if k == 0 else part.astype(str), None) for k, part in enumerate((mixed[:1000], mixed[1000:]))
    )
    with pytest.raises(ValueError, match="numbers in some blocks, and words in others"):
        SGDClassifier(**STEADY).fit(source)
    with pytest.raises(ValueError, match="greater than one; got 1 class"):
        SGDClassifier(**STEADY).fit(Blocks(X, np.zeros(2000, int)))
    soft = np.where(np.arange(2000) < 999, 0.5, 3.0)
    with pytest.raises(ValueError, match="probabilities"):
        SGDClassifier("log_loss", **STEADY).fit(Blocks(X, soft))
    with pytest.raises(ValueError, match="probabilities"):
        SGDClassifier("log_loss", **STEADY).fit(Blocks(X, np.roll(soft, 1001 // 37 * 37)))
    with pytest.raises(ValueError, match="all zero"):
        SGDClassifier(**STEADY).fit(Blocks(X, LABELS, np.zeros(2000)))


@pytest.mark.parametrize(
    "given, words",
    [
        ({"max_memory": "much"}, "max_memory"),
        ({"max_memory": 0}, "max_memory"),
        ({"max_memory": "1 TB"}, "max_memory"),
        ({"buffer_rows": 0}, "buffer_rows"),
        ({"buffer_rows": 1.5}, "buffer_rows"),
        ({"readers": 0}, "readers"),
        ({"readers": None}, "readers"),
        ({"readers": "all"}, "readers"),
    ],
)
def test_bounds_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        Blocks(X).buffered(**given)


def test_sizes_in_words():
    for text, size in (("256MB", 256 * 10**6), ("1.5 GiB", 3 * 2**29), ("10kb", 10**4), (12345, 12345), ("7", 7)):
        assert Blocks(X).buffered(text).max_memory == size
