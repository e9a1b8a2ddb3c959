"""from_npy and from_batches give what the arrays give."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
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
    same,
    stream_of,
    visited,
)

from fastsgd import (
    SGDClassifier,
    SGDRegressor,
    sources,
)


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


@pytest.mark.filterwarnings("ignore:with max_memory")
def test_a_mapped_file_is_shuffled_in_windows_where_it_lies(tmp_path, set_sizes):
    set_sizes(call_rows=64)
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
