"""A source in place of X: the same model as of arrays, in bounded memory, whatever happens on the way."""

import pickle
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score

from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    optimizers,
    sources,
)
from fastsgd.sources import Rows, Source, arrays, stream
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.blocks import sound
from fastsgd.sources.scaling import moments
from fastsgd.sources.stream import Space, Stream, spread, whole

SMALL = 40_000  # bytes: a fraction of the rows below
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2000, 10))
MARGIN = X[:, 0] - X[:, 1] + 0.5 * RNG.standard_normal(2000)
LABELS = np.where(MARGIN > 0.5, "yes", "no")
WEIGHT = RNG.integers(0, 3, 2000).astype(float)
LAYOUTS = {"dense": X, "float32": X.astype(np.float32), "csr": sp.csr_matrix(np.where(abs(X) > 0.8, X, 0.0))}
STEADY = {"shuffle": False, "tol": None, "max_iter": 3, "random_state": 0, "learning_rate": "constant"}


class Blocks(Source):
    """Rows of arrays in blocks; with in_order=True only one after another. `trap(block)` is called before each is read."""

    def __init__(self, X, y=None, weight=None, rows=37, in_order=False, trap=lambda block: None):
        self.parts, self.rows, self.trap = (X, y, weight), rows, trap
        self.sparse, self.dtype, self.n_features = sp.issparse(X), X.dtype, X.shape[1]
        self.count = -(-X.shape[0] // rows)
        self.n_rows, self.n_blocks = (None, None) if in_order else (X.shape[0], self.count)
        self.read_blocks = []
        self.max_memory = SMALL

    def read(self, block):
        self.trap(block)
        self.read_blocks.append(block)
        part = slice(block * self.rows, (block + 1) * self.rows)
        return Rows(*(None if a is None else a[part] for a in self.parts))

    def blocks(self):
        return map(self.read, range(self.count))

    def targets(self):
        for lo in range(0, self.count * self.rows, self.rows):
            yield tuple(None if a is None else a[lo : lo + self.rows] for a in self.parts[1:])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def same(a, b):
    assert np.array_equal(a.coef_, b.coef_) and np.array_equal(a.intercept_, b.intercept_)


# ---------------------------------------------------------------- the same as arrays
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {"loss": "log_loss"},
        {"penalty": "elasticnet", "average": True},
        {"optimizer": "adagrad", "batch_size": 5},
        {"optimizer": "adam", "batch_size": 7, "learning_rate": "invscaling"},
        {"learning_rate": "auto", "loss": "log_loss"},
        {"class_weight": "balanced"},
        {"class_weight": {"yes": 3.0}},
    ],
    ids=str,
)
def test_unshuffled_the_same_bits_as_of_arrays(layout, in_order, given):
    clf = SGDClassifier(**STEADY | given)
    source = Blocks(LAYOUTS[layout], LABELS, WEIGHT + 1, rows=35, in_order=in_order)
    streamed = clone(clf).fit(source)
    assert whole(source) is None and max(np.bincount(source.read_blocks)) >= 3
    same(streamed, clone(clf).fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT + 1))
    assert streamed.classes_.tolist() == ["no", "yes"] and streamed.n_iter_ == 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "ftrl", "rmsprop"])
def test_batches_run_on_from_one_buffer_into_the_next(layout, optimizer):
    """The sum over a batch that a border divides is taken in another order."""
    reg = SGDRegressor(**STEADY, optimizer=optimizer, batch_size=7)
    streamed = clone(reg).fit(Blocks(LAYOUTS[layout], MARGIN))
    expected = clone(reg).fit(LAYOUTS[layout], MARGIN)
    np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-5 if layout == "float32" else 1e-11)
    assert streamed.t_ == expected.t_


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_source_that_a_buffer_holds_is_read_once_and_trained_on_as_arrays(layout):
    source = Blocks(LAYOUTS[layout], LABELS, WEIGHT).buffered()
    clf = SGDClassifier(random_state=3, early_stopping=True, max_iter=4, tol=None)
    same(clone(clf).fit(source), clone(clf).fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT))
    assert source.read_blocks == list(range(source.n_blocks))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_order", [False, True])
def test_the_objective_and_the_stopping_rules_are_those_of_arrays(layout, in_order):
    reg = SGDRegressor(**STEADY | {"tol": 1e-3, "max_iter": 30}, stopping=["gradient", "objective"])
    streamed, expected = (
        clone(reg).fit(*given)
        for given in [(Blocks(LAYOUTS[layout], MARGIN, in_order=in_order),), (LAYOUTS[layout], MARGIN)]
    )
    assert (streamed.stop_reason_, streamed.n_iter_) == (expected.stop_reason_, expected.n_iter_)
    for column in ("loss", "objective", "gradient_norm"):
        np.testing.assert_allclose(streamed.history_[column], expected.history_[column], rtol=1e-5)


def test_full_gradient_descent_is_that_of_arrays():
    for optimizer in ("sgd", optimizers.SGD(line_search=True)):
        reg = SGDRegressor(**STEADY, optimizer=optimizer, batch_size="full")
        a, b = clone(reg).fit(Blocks(X, MARGIN)), clone(reg).fit(X, MARGIN)
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_a_stream_are_those_of_arrays(layout, weighted):
    L, s = LAYOUTS[layout] * 3.0, WEIGHT if weighted else None
    L = L + 1000 if layout == "dense" else L
    stream = Stream(Blocks(L, None, s), 10, lambda rows: rows, lambda X, y, s: Table(X, s=s), 2000)
    for found, expected in zip(moments(stream, L.dtype), moments(Table(L, s=s), L.dtype), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_moments_read_a_source_once():
    source = Blocks(LAYOUTS["csr"], None)
    moments(Stream(source, 10, lambda rows: rows, lambda X, y, s: Table(X), 2000), np.dtype("f8"))
    assert source.read_blocks == list(range(source.n_blocks))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_standardize(layout):
    clf = SGDClassifier("log_loss", **STEADY, standardize=True, class_weight="balanced")
    streamed, expected = clone(clf).fit(Blocks(LAYOUTS[layout], LABELS, WEIGHT)), clone(clf)
    expected.fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT)
    np.testing.assert_allclose(streamed.scale_, expected.scale_, rtol=1e-12)
    np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-4 if layout == "float32" else 1e-9)


@pytest.mark.parametrize("multi_class, loss", [("ovr", "hinge"), ("multinomial", "log_loss")])
def test_several_classes(multi_class, loss):
    y = np.digitize(MARGIN, [-1.0, 0.0, 1.0])
    clf = SGDClassifier(loss, **STEADY, multi_class=multi_class, class_weight="balanced")
    streamed = clone(clf).fit(Blocks(X, y))
    same(streamed, clone(clf).fit(X, y))
    assert streamed.classes_.dtype == y.dtype


@pytest.mark.parametrize("sorted_", [False, True])
def test_soft_labels(sorted_):
    """Even where a part of the blocks holds 0 and 1 alone."""
    soft = np.clip(MARGIN + 0.5, 0, 1)
    order = np.argsort(soft) if sorted_ else slice(None)
    for class_weight in (None, "balanced"):
        clf = SGDClassifier("log_loss", **STEADY, class_weight=class_weight)
        streamed, expected = clone(clf).fit(Blocks(X[order], soft[order])), clone(clf).fit(X[order], soft[order])
        np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-9)


def test_several_targets_and_poisson():
    Y = np.column_stack([MARGIN, -MARGIN])
    reg = SGDRegressor(**STEADY)
    streamed = clone(reg).fit(Blocks(X, Y))
    same(streamed, clone(reg).fit(X, Y))
    assert streamed.predict(Blocks(X)).shape == Y.shape
    with pytest.raises(ValueError, match=r"Block 0 of the source: .*poisson.* needs y >= 0"):
        SGDRegressor("poisson", **STEADY).fit(Blocks(X, MARGIN))


def test_one_class():
    svm = SGDOneClassSVM(shuffle=False, tol=None, max_iter=3, random_state=0)
    for in_order in (False, True):
        streamed, expected = clone(svm).fit(Blocks(X, None, WEIGHT, in_order=in_order)), clone(svm)
        expected.fit(X, sample_weight=WEIGHT)
        assert np.array_equal(streamed.coef_, expected.coef_)
        assert np.array_equal(streamed.predict(Blocks(X)), expected.predict(X))


@pytest.mark.parametrize("in_order", [False, True])
def test_csr_of_a_width_that_nobody_knows(in_order):
    """Blocks are as wide as their last feature; the width is that of the widest."""
    L = sp.random(2000, 300, 0.05, "csr", random_state=0)
    narrow = Blocks(L, LABELS, in_order=in_order)
    narrow.n_features, read = None, narrow.read

    def as_wide_as_its_last_feature(block):
        rows = read(block)
        return rows._replace(X=rows.X[:, : rows.X.indices.max() + 1])

    narrow.read = as_wide_as_its_last_feature
    width = L.indices.max() + 1
    clf = SGDClassifier(**STEADY)
    for source in (narrow, narrow.buffered()):
        source.n_features = None
        source.read = as_wide_as_its_last_feature
        same(clone(clf).fit(source), clone(clf).fit(L[:, :width], LABELS))


# ---------------------------------------------------------------- shuffled
def numbered(n, rows=37, **given):
    return Blocks(np.arange(n, dtype=float)[:, None] + [[0.0] * 9 + [0.5]], rows=rows, **given)


def stream_of(source):
    return Stream(source, source.n_features, lambda rows: rows, lambda X, y, s: Table(X), source.n_rows or np.inf)


def visited(source, seed=0, epoch=0, start=START, shuffle=True):
    """(row numbers in the order in which a kernel meets them, where each call goes on)"""
    found, places = [np.empty(0)], []
    for part, (rows, visit, first, m, buffer), then in stream_of(source).chunks(
        np.dtype("f8"), 1, shuffle, seed, epoch, start
    ):
        rows = np.arange(first, first + m) if rows is None else rows
        found.append(part.X[rows if visit is None else rows[visit + np.arange(m) // buffer * buffer], 0])
        places.append((then, sum(map(len, found))))
    return np.concatenate(found), places


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_epoch_visits_each_row_once_and_goes_on_from_any_place(in_order, shuffle, monkeypatch):
    monkeypatch.setattr(arrays, "CALL_ROWS", 64)
    source = numbered(2000, in_order=in_order)
    order, places = visited(source, 1, 2, shuffle=shuffle)
    assert np.array_equal(np.sort(order), np.arange(2000)) and places[-1] == (None, 2000)
    assert len({place for place, _ in places}) == len(places) > 10
    assert all(np.array_equal(order, np.arange(2000)) for _ in "x" if not shuffle)
    for then, done in places[:-1]:
        source.read_blocks.clear()
        assert np.array_equal(visited(source, 1, 2, then, shuffle)[0], order[done:])
        assert in_order or len(source.read_blocks) == source.n_blocks - then[0]


@pytest.mark.parametrize("readers", [2, 5])
def test_the_order_does_not_depend_on_the_readers(readers):
    order = visited(numbered(2000), 5, 1)[0]
    assert np.array_equal(order, visited(numbered(2000).buffered(SMALL, readers=readers), 5, 1)[0])
    clf = SGDClassifier(random_state=1, max_iter=3, tol=None)
    same(clone(clf).fit(Blocks(X, LABELS)), clone(clf).fit(Blocks(X, LABELS).buffered(SMALL, readers=readers)))


def test_each_seed_and_epoch_has_an_order_of_its_own():
    orders = {tuple(visited(numbered(2000), seed, epoch)[0]) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_a_buffer_holds_rows_from_everywhere_and_permutes_them_over_its_blocks():
    order = visited(numbered(100_000, rows=250).buffered(2_700_000))[0]
    for lo in range(0, 100_000, 7000):
        some = order[lo : lo + 1000]
        assert abs(some.mean() - 50_000) < 20_000 and some.std() > 15_000
        assert len(set(some // 250)) > 20  # blocks


@pytest.mark.parametrize("n", [1, 2, 3, 10, 64, 100, 1000])
def test_the_blocks_of_any_buffer_come_from_all_over_the_file(n):
    orders = np.array([spread(n, 7, epoch) for epoch in range(400)])
    assert (np.sort(orders) == np.arange(n)).all()
    if n >= 10:
        assert len({tuple(order) for order in orders}) >= min(400, 35 * n)
        for end in (0, -1):
            assert np.bincount(orders[:, end], minlength=n).max() < 12 * max(1, 400 / n)
    if n >= 64:  # of two halves the same number, of four about that: independently, sd would be 2 and 1.7
        windows = orders[:, : n // 16 * 16].reshape(400, -1, 16)
        assert np.std((windows < n / 2).sum(axis=2)) == 0
        assert np.std((windows < n / 4).sum(axis=2)) < 0.5


@pytest.mark.parametrize("n", [10, 37, 100, 770])
@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_any_ten_blocks_hold_their_share_of_the_file(n, share):
    tens = np.array([spread(n, 7, epoch)[: n // 10 * 10].reshape(-1, 10) for epoch in range(100)])
    assert np.std((tens < share * n).mean(axis=-1)) < 0.08  # independently: 0.16, 0.14, 0.09


class Filling(Blocks):
    """Blocks of uneven sizes, which go to where they are wanted."""

    def __init__(self, *parts, sizes, **options):
        super().__init__(*parts, **options)
        self.sizes, self.ends, self.n_blocks = sizes, np.cumsum(sizes), len(sizes)
        self.filled = 0

    def read(self, block, out=None):
        self.trap(block)
        part = slice(self.ends[block] - self.sizes[block], self.ends[block])
        rows = Rows(*(None if a is None else a[part] for a in self.parts))
        if out is None:
            return rows
        self.filled += 1
        out[...] = rows.X
        return rows._replace(X=out)

    def targets(self):
        for end, n in zip(self.ends, self.sizes, strict=True):
            yield tuple(None if a is None else a[end - n : end] for a in self.parts[1:])


UNEVEN = [0, 300, 1, 0, 150, 149, 600, 50, 0, 250, 500, 0, 0]


@pytest.mark.parametrize("buffer_rows", [None, 1, 150, 160, 400])
@pytest.mark.parametrize("shuffle", [False, True])
def test_blocks_that_are_read_into_the_buffer_are_those_that_are_copied_there(shuffle, buffer_rows):
    read = {}
    for name, readers in {"into": 1, "copied": 3}.items():
        source = Filling(X, LABELS, WEIGHT, sizes=UNEVEN).buffered(10 * SMALL, buffer_rows, readers)
        read[name] = visited(source, shuffle=shuffle)
        assert (source.filled > 6) == (name == "into" and buffer_rows != 1)
    assert np.array_equal(read["into"][0], read["copied"][0]) and read["into"][1] == read["copied"][1]
    assert sorted(read["into"][0]) == sorted(X[:, 0]) and read["into"][1][-1] == (None, 2000)


def test_a_buffer_does_not_change_while_the_next_is_read():
    """Nor where a block that is too large by its labels was read behind the rows of another buffer."""
    sizes = [*([10] * 10 + [600]) * 2, *[10] * 10, 500]
    source = Filling(X, np.array(["x" * 20] * 2000), sizes=sizes).buffered(10 * SMALL)
    buffers = stream_of(source)._filled(None, 0, (Space(source), Space(source)), threading.Event())
    held = np.empty((0, 10))
    seen, found = held, []
    for buffer in buffers:
        assert np.array_equal(held, seen)
        held = buffer.table.X
        seen = held.copy()
        found.append(seen)
    assert len(found) > 3 and np.array_equal(np.concatenate(found), X)


def test_column_numbers_may_be_narrower_in_later_blocks():
    def block(n, index):
        rows = sp.csr_matrix(np.ones((n, 100)))
        rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
        return Rows(rows, np.ones(n))

    source = sources.from_batches(lambda: [block(1, np.int64), *(block(75, np.int32) for _ in range(3))])
    tables = stream_of(source.buffered(10 * SMALL)).tables()
    assert [table.n_rows for table in tables] == [1, 75, 75, 75]


def test_a_buffer_has_no_more_values_than_its_indptr_can_count(monkeypatch):
    L = LAYOUTS["csr"]
    monkeypatch.setitem(stream.LARGEST, L.indices.dtype, 500)
    tables = [table.X.copy() for table in stream_of(Blocks(L).buffered("1MB")).tables()]
    assert len(tables) > 2 and max(X.nnz for X in tables) <= 500
    assert (sp.vstack(tables) != L).nnz == 0


def test_a_walk_within_a_walk_has_buffers_of_its_own_and_the_next_has_those_of_the_last():
    stream = stream_of(numbered(2000).buffered(SMALL))
    outer = stream.tables()
    held = next(outer).X
    seen = held.copy()
    assert sum(table.n_rows for table in stream.tables()) == 2000
    assert np.array_equal(held, seen)
    assert sum(table.n_rows for table in outer) == 2000 - len(seen)
    last = {id(space) for space in stream.spaces}
    assert sum(table.n_rows for table in stream.tables()) == 2000
    assert {id(space) for space in stream.spaces} == last


def test_rows_that_come_in_order_are_shuffled_within_the_buffer_and_fit_says_so():
    order, _ = visited(numbered(2000, in_order=True))
    assert not np.array_equal(order, np.arange(2000)) and abs(order - np.arange(2000)).max() < 400
    with pytest.warns(UserWarning, match=r"order of its own.*only within a buffer") as caught:
        SGDClassifier(max_iter=3, tol=None).fit(Blocks(X, LABELS, in_order=True))
    assert len(caught) == 1 and caught[0].filename == __file__


def test_buffer_rows():
    sizes = [table.n_rows for table in stream_of(numbered(2000, rows=50).buffered(buffer_rows=170)).tables()]
    assert sum(sizes) == 2000 and set(sizes) == {100, 150}  # no small one at the end, which would have the last word


def test_a_block_larger_than_the_buffer_is_read_and_its_size_is_said():
    source = Blocks(X, LABELS, rows=1500)
    with pytest.warns(UserWarning, match=r"a block of the source takes 0\.1.* MB") as caught:
        fitted = SGDClassifier(**STEADY).fit(source)
    assert len(caught) == 1
    same(fitted, SGDClassifier(**STEADY).fit(X, LABELS))


def test_no_more_than_max_memory_is_held(monkeypatch):
    """Two buffers, and the blocks that are on their way."""
    held = []
    for readers in (1, 3):
        for L in (X, LAYOUTS["csr"]):
            for table in stream_of(Blocks(L, rows=20).buffered(SMALL, readers=readers)).tables():
                data = (table.X.data, table.X.indices, table.X.indptr) if table.sparse else (table.X,)
                held.append(sum(a.nbytes for a in data))
    assert 0.15 * SMALL < max(held) <= SMALL / 4


# ---------------------------------------------------------------- partial_fit
def test_partial_fit_needs_no_counting_pass_and_goes_on_as_one_fit_does():
    source = Blocks(X, LABELS)
    clf = SGDClassifier("log_loss", **STEADY)
    source.targets = None  # would be called
    parts = clone(clf)
    for _ in range(3):
        source.targets = lambda: iter([(LABELS[:3], None)])
        parts.partial_fit(source, classes=["no", "yes"])
    same(parts, clone(clf).fit(X, LABELS))
    mixed = clone(clf).partial_fit(X, LABELS, ["no", "yes"]).partial_fit(source).partial_fit(X, LABELS)
    same(mixed, parts)


def test_partial_fit_of_unknown_length_and_of_unknown_labels():
    parts = SGDRegressor(**STEADY).partial_fit(Blocks(X, MARGIN, in_order=True)).partial_fit(Blocks(X, MARGIN))
    same(parts, SGDRegressor(**STEADY | {"max_iter": 2}).fit(X, MARGIN))
    with pytest.raises(ValueError, match=r"labels that are not in classes.*yes"):
        SGDClassifier(**STEADY).partial_fit(Blocks(X, LABELS), classes=["no", "perhaps"])
    with pytest.raises(ValueError, match=r"Block 0 of the source: y has rows of shape \(3,\), expected \(\)"):
        parts.partial_fit(Blocks(X, np.ones((2000, 3))))


# ---------------------------------------------------------------- prediction
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("small", [True, False])
def test_predictions_and_scores_are_those_of_arrays(layout, small):
    L = LAYOUTS[layout]
    source = Blocks(L, LABELS, WEIGHT)
    clf = SGDClassifier("log_loss", **STEADY).fit(L, LABELS)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(getattr(clf, method)(source), getattr(clf, method)(L), atol=1e-5)
    assert np.array_equal(clf.predict(source), clf.predict(L))
    assert clf.score(source) == pytest.approx(accuracy_score(LABELS, clf.predict(L), sample_weight=WEIGHT), rel=1e-12)
    reg = SGDRegressor(random_state=0).fit(L, MARGIN)
    np.testing.assert_allclose(reg.predict(source), reg.predict(L), atol=1e-5)
    expected = r2_score(MARGIN, reg.predict(L), sample_weight=WEIGHT)
    assert reg.score(Blocks(L, MARGIN, WEIGHT)) == pytest.approx(expected, rel=1e-6)


def test_scores_of_targets_that_are_constant():
    reg = SGDRegressor().fit(X, np.column_stack([MARGIN, MARGIN]))
    Y = np.column_stack([MARGIN, np.ones(2000)])
    assert reg.score(Blocks(X, Y)) == pytest.approx(r2_score(Y, reg.predict(X)))


def test_predict_batches_gives_one_array_a_block():
    clf = SGDClassifier(random_state=0).fit(X, LABELS)
    parts = list(sources.predict_batches(clf, Blocks(X), "decision_function"))
    assert [len(part) for part in parts] == [37] * 54 + [2]
    np.testing.assert_allclose(np.concatenate(parts), clf.decision_function(X))


def test_other_features_than_those_of_fit():
    source = Blocks(X, LABELS)
    source.feature_names = [f"f{j}" for j in range(10)]
    for bounds in (source, source.buffered()):
        clf = SGDClassifier(**STEADY).fit(bounds)
        assert clf.n_features_in_ == 10 and list(clf.feature_names_in_) == source.feature_names
        assert clf.predict(bounds).shape == (2000,)
        with pytest.raises(ValueError, match="Block 0 of the source: X has 9 features, expected 10"):
            clf.predict(Blocks(np.ascontiguousarray(X[:, :9])))
        other = Blocks(X)
        other.feature_names = ["g0", *source.feature_names[1:]]
        with pytest.raises(ValueError, match=r"'g0' in place of 'f0'"):
            clf.predict(other)
        assert SGDClassifier(**STEADY).fit(X, LABELS).predict(other).shape == (2000,)
    assert not hasattr(clf.fit(X, LABELS), "feature_names_in_")


# ---------------------------------------------------------------- validation
@pytest.mark.parametrize("scoring", [None, "loss", "accuracy"])
@pytest.mark.parametrize("trained_on", ["arrays", "source"])
def test_a_source_as_validation_set(scoring, trained_on):
    clf = SGDClassifier(
        "log_loss", **STEADY | {"tol": 1e-3, "max_iter": 20}, validation_scoring=scoring, n_iter_no_change=2
    )
    expected = clone(clf).fit(X[:1500], LABELS[:1500], X_val=X[1500:], y_val=LABELS[1500:])
    held = Blocks(X[1500:], LABELS[1500:]).buffered(20_000)
    given = (X[:1500], LABELS[:1500]) if trained_on == "arrays" else (Blocks(X[:1500], LABELS[:1500]),)
    found = clone(clf).fit(*given, X_val=held)
    same(found, expected)
    np.testing.assert_allclose(found.history_["validation_score"], expected.history_["validation_score"], rtol=1e-12)
    assert found.stop_reason_ == expected.stop_reason_


def test_names_of_a_validation_set_are_those_of_the_source():
    source, held = Blocks(X, LABELS), Blocks(X, LABELS)
    source.feature_names = held.feature_names = [f"f{j}" for j in range(10)]
    for memory in (SMALL, 10**6):
        clf = SGDClassifier(random_state=0).fit(source.buffered(memory), X_val=held.buffered(memory))
        assert clf.stop_reason_ == "validation" and type(clf.score(held)) is float
    held.feature_names = ["other", *held.feature_names[1:]]
    with pytest.raises(ValueError, match=r"'other' in place of 'f0'"):
        clf.fit(source, X_val=held)


def test_weighted_validation_by_a_scorer_and_arrays_as_validation_set():
    reg = SGDRegressor(**STEADY | {"tol": 1e-3, "max_iter": 50}, validation_scoring="neg_mean_absolute_error")
    expected = clone(reg).fit(X, MARGIN, X_val=X, y_val=MARGIN, sample_weight_val=WEIGHT)
    for given in ({"X_val": Blocks(X, MARGIN, WEIGHT)}, {"X_val": X, "y_val": MARGIN, "sample_weight_val": WEIGHT}):
        found = clone(reg).fit(Blocks(X, MARGIN), **given)
        np.testing.assert_allclose(found.history_["validation_score"], expected.history_["validation_score"], rtol=1e-9)


def test_early_stopping_has_nothing_to_split_off():
    with pytest.raises(ValueError, match=r"early_stopping=True.*X_val"):
        SGDClassifier(early_stopping=True).fit(Blocks(X, LABELS))


# ---------------------------------------------------------------- what goes wrong
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
    sweep, calls = Table.sweep, []

    def strikes(self, *args):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return sweep(self, *args)

    monkeypatch.setattr(Table, "sweep", strikes)
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
    ],
)
def test_bounds_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        Blocks(X).buffered(**given)


def test_sizes_in_words():
    for text, size in (("256MB", 256 * 10**6), ("1.5 GiB", 3 * 2**29), ("10kb", 10**4), (12345, 12345), ("7", 7)):
        assert Blocks(X).buffered(text).max_memory == size


# ---------------------------------------------------------------- from_npy
@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("fastsgd.sources.npy.BLOCK_BYTES", 4000)


def stored(folder, **given):
    paths = {}
    for name, a in given.items():
        paths[name] = folder / f"{name}.npy"
        np.save(paths[name], a)
    return paths


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("memory", [SMALL, "256MB"])
def test_from_npy_is_the_same_as_the_arrays(tmp_path, dtype, order, memory):
    L = np.array(np.round(X * 10), dtype, order=order)
    source = sources.from_npy(*stored(tmp_path, X=L, y=LABELS, w=WEIGHT).values()).buffered(memory)
    assert (source.n_rows, source.n_features) == X.shape
    native = np.ascontiguousarray(L, np.float32 if dtype == np.float32 else np.float64)
    clf = SGDClassifier(**STEADY)
    same(clone(clf).fit(source), clone(clf).fit(native, LABELS, sample_weight=WEIGHT))
    assert (
        clone(clf).fit(source).predict(source) == clone(clf).fit(native, LABELS, sample_weight=WEIGHT).predict(native)
    ).all()


def test_from_npy_of_several_files(tmp_path):
    Xs, ys = ([tmp_path / f"{name}{k}.npy" for k in range(3)] for name in "Xy")
    for k, part in enumerate((slice(0, 700), slice(700, 701), slice(701, 2000))):
        np.save(Xs[k], X[part])
        np.save(ys[k], MARGIN[part])
    for memory in (SMALL, "256MB"):
        source = sources.from_npy(Xs, ys).buffered(memory)
        assert source.mapped is None and source.n_rows == 2000
        same(SGDRegressor(**STEADY).fit(source), SGDRegressor(**STEADY).fit(X, MARGIN))
    assert source.describe()["rows"] == 2000 and source.describe()["files"]["X"][1]["name"] == "X1.npy"
    source = sources.from_npy(tmp_path / "X*.npy", str(tmp_path / "y?.npy"))
    assert source.n_rows == 2000 and source.describe()["files"]["y"][2]["name"] == "y2.npy"
    with pytest.raises(ValueError, match="one for each"):
        sources.from_npy(Xs, ys[:2])
    with pytest.raises(ValueError, match="there are no files"):
        sources.from_npy(tmp_path / "Z*.npy")


def test_a_mapped_file_is_shuffled_in_windows_where_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CALL_ROWS", 64)
    L = np.arange(2000.0)[:, None] + [[0.0] * 9 + [0.5]]
    source = sources.from_npy(*stored(tmp_path, X=L).values()).buffered(SMALL)
    assert source.block_rows == 50 and np.shares_memory(source.mapped.X, next(stream_of(source).tables()).X)
    order, places = visited(source, 3, 1)
    assert np.array_equal(np.sort(order), np.arange(2000)) and not np.array_equal(order, visited(source, 3, 2)[0])
    windows = [place for place, _ in places if place is None or place[2] == 0]
    assert len(windows) > 5
    for then, done in places[:-1]:
        assert np.array_equal(visited(source, 3, 1, then)[0], order[done:])
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0, standardize=True)
    source = sources.from_npy(*stored(tmp_path, X=X, y=MARGIN).values()).buffered(SMALL)
    assert reg.fit(source).score(source) == pytest.approx(clone(reg).fit(X, MARGIN).score(X, MARGIN), abs=0.02)


def test_files_that_are_no_npy(tmp_path):
    paths = stored(tmp_path, X=X, y=MARGIN, short=MARGIN[:-1], words=LABELS, objects=np.array([{}] * 3))
    (tmp_path / "text.npy").write_text("1,2\n")
    (tmp_path / "empty.npy").write_text("")
    np.savez(tmp_path / "many.npz", X=X)
    whole = (tmp_path / "X.npy").read_bytes()
    (tmp_path / "header.npy").write_bytes(whole.replace(b"}", b"{"))
    (tmp_path / "shape.npy").write_bytes(whole.replace(b"(2000, 10)", b"(2000, -9)"))
    for bad, words in [(bad, f"{bad}.npy") for bad in ("text", "empty", "objects", "header", "shape")]:
        with pytest.raises(ValueError, match=words):
            sources.from_npy(tmp_path / f"{bad}.npy")
    with pytest.raises(ValueError, match="archive"):
        sources.from_npy(tmp_path / "many.npz")
    with pytest.raises(ValueError, match="has 1999 rows"):
        sources.from_npy(paths["X"], paths["short"])
    with pytest.raises(ValueError, match="2 dimensions"):
        sources.from_npy(paths["y"])
    with pytest.raises(ValueError, match=r"shape|real numbers"):
        sources.from_npy(paths["words"])
    with pytest.raises(FileNotFoundError):
        sources.from_npy(tmp_path / "none.npy")
    L = X.copy()
    L[1500, 4] = np.nan
    for memory in (SMALL, "256MB"):
        with pytest.raises(ValueError, match=r"X.npy, .*, from row 1500\): X contains NaN \(at row 0 of .*, column 4"):
            SGDRegressor(**STEADY).fit(sources.from_npy(*stored(tmp_path, X=L, y=MARGIN).values()).buffered(memory))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("memory", [SMALL, "256MB"])
def test_rows_without_features(method, memory):
    source = Blocks(np.empty((2000, 0)), MARGIN).buffered(memory)
    with pytest.raises(ValueError, match=r"0 feature"):
        getattr(SGDRegressor(), method)(source)


# ---------------------------------------------------------------- from_batches
def batches(*parts, size=60):
    return lambda: (tuple(a[lo : lo + size] for a in parts) for lo in range(0, 2000, size))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", [SMALL, "256MB"])
def test_from_batches_is_the_same_as_the_arrays(layout, memory):
    L = LAYOUTS[layout]
    source = sources.from_batches(batches(L, LABELS, WEIGHT)).buffered(memory)
    same(SGDClassifier(**STEADY).fit(source), SGDClassifier(**STEADY).fit(L, LABELS, sample_weight=WEIGHT))
    unlabelled = sources.from_batches(lambda: (L[lo : lo + 90] for lo in range(0, 2000, 90)))
    clf = SGDClassifier(**STEADY).fit(L, LABELS)
    assert np.array_equal(clf.predict(unlabelled), clf.predict(L))


def test_from_batches_takes_lists_integers_and_other_sparse_matrices():
    rows = np.round(X).astype(int)
    reg = SGDRegressor(**STEADY).fit(rows.astype(float), MARGIN)
    same(
        SGDRegressor(**STEADY).fit(
            sources.from_batches(lambda: ((r.tolist(), m.tolist()) for r, m in [(rows, MARGIN)]))
        ),
        reg,
    )
    sparse = SGDRegressor(**STEADY).fit(sp.csr_matrix(rows.astype(float)), MARGIN)
    same(SGDRegressor(**STEADY).fit(sources.from_batches(lambda: iter([(sp.coo_matrix(rows), MARGIN)]))), sparse)


def test_from_batches_of_data_frames_knows_the_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(10)])
    source = sources.from_batches(lambda: ((frame[lo : lo + 500], MARGIN[lo : lo + 500]) for lo in range(0, 2000, 500)))
    assert list(SGDRegressor(**STEADY).fit(source).feature_names_in_) == list(frame.columns)


def test_from_batches_takes_lists_of_the_parts_as_the_loaders_of_torch_make_them():
    expected = SGDRegressor(**STEADY).fit(X, MARGIN, sample_weight=WEIGHT)
    same(SGDRegressor(**STEADY).fit(sources.from_batches(lambda: iter([[X, MARGIN, WEIGHT]]))), expected)
    reg = SGDRegressor(**STEADY).fit(sources.from_batches(lambda: [(X.tolist(), MARGIN)]))
    assert reg.predict(sources.from_batches(lambda: [X.tolist()])).shape == (2000,)


def test_from_batches_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"make\(\) must return an iterator of .*, got NoneType"):
        sources.from_batches(lambda: None)
    with pytest.raises(ValueError, match="make must be a callable that returns a fresh iterator"):
        sources.from_batches(iter([(X, MARGIN)]))
    with pytest.raises(ValueError, match="no batches"):
        sources.from_batches(lambda: iter([]))
    with pytest.raises(ValueError, match="4 parts"):
        sources.from_batches(lambda: iter([(X, MARGIN, WEIGHT, X)]))
    with pytest.raises(ValueError, match="two dimensions"):
        sources.from_batches(lambda: iter([MARGIN]))
    once = iter([(X[:1000], MARGIN[:1000]), (X[1000:], MARGIN[1000:])])
    with pytest.raises(ValueError, match=r"begin anew|no rows"):
        SGDRegressor(**STEADY).fit(sources.from_batches(lambda: once).buffered(SMALL))
    changing = sources.from_batches(lambda: iter([(X, MARGIN), (X.astype(np.float32), MARGIN)]))
    with pytest.raises(ValueError, match="Block 1 of the source: X is of float32"):
        SGDRegressor(**STEADY).fit(changing)


# ---------------------------------------------------------------- sorted data
def test_data_sorted_by_label_trains_as_well_as_under_a_full_shuffle():
    """Blocks and a buffer of a tenth; in file order it does not."""
    rng = np.random.default_rng(1)
    L = rng.standard_normal((20_000, 20))
    y = (L @ rng.standard_normal(20) + rng.standard_normal(20_000) > 0).astype(int)
    L, y = L[np.argsort(y, kind="stable")], np.sort(y)
    clf = SGDClassifier(
        "log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=0, learning_rate="constant", eta0=0.003
    )

    def loss(*given, **how):
        p = clone(clf).set_params(**how).fit(*given).predict_proba(L)
        return -np.log(p[np.arange(len(y)), y]).mean()

    full = loss(L, y)
    tenth = Blocks(L, y, rows=200).buffered(buffer_rows=2000, max_memory="2MB")
    assert loss(tenth) < 1.02 * full
    assert loss(tenth, shuffle=False) > 1.2 * full
