"""A Stream is plain data: it goes through pickle, and gives the same rows in another process."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, sources
from fastsgd.estimators.streams import Surveyed

N, D = 500, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)).astype(np.float32)
NAMES = [f"x{j}" for j in range(D)]
CLASSES = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
WEIGHT = RNG.integers(1, 3, N).astype(float)


def batches():
    for part in np.array_split(np.arange(N), 9):
        yield X[part], CLASSES[part], WEIGHT[part]


def source_of(kind, folder, y):
    names = dict(target="y", weight="w") if kind != "npy" else {}
    frame = pd.DataFrame(X, columns=NAMES).assign(y=y, w=WEIGHT)
    if kind == "parquet":
        frame.to_parquet(folder / "rows.parquet", row_group_size=50)
        return sources.from_parquet(folder / "rows.parquet", **names)
    if kind == "csv":
        frame.to_csv(folder / "rows.csv", index=False)
        return sources.from_csv(folder / "rows.csv", **names)
    if kind == "npy":
        paths = [folder / f"{name}.npy" for name in "Xyw"]
        for path, a in zip(paths, (X, y, WEIGHT), strict=True):
            np.save(path, a)
        return sources.from_npy(*paths)
    return sources.from_batches(batches)


def stream_of(est, source):
    """The Stream that an estimator fitted to the source trains on, of buffers much smaller than the source."""
    surveyed = Surveyed(N, ())
    return est._rows_of(source.buffered("32KB"), surveyed, None, est._targets_of(surveyed))


def chunks(stream):
    """All that a kernel would see in two epochs."""
    found = []
    for epoch in range(2):
        for part, order, then in stream.chunks(np.dtype("f4"), 1, True, 7, epoch):
            target = [None if a is None else np.array(a) for a in part.target()]
            found.append([np.array(part.X), *(None if a is None else np.array(a) for a in order), *target, then])
    return found


def equal(a, b):
    assert len(a) == len(b) >= 2
    for one, other in zip(a, b, strict=True):
        for x, y in zip(one, other, strict=True):
            assert np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y


@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block of the source")
@pytest.mark.parametrize("kind", ["parquet", "csv", "npy", "batches"])
def test_a_stream_gives_the_same_chunks_after_pickle(kind, tmp_path):
    clf = SGDClassifier("log_loss", class_weight="balanced", random_state=0, max_iter=1, tol=None).fit(X, CLASSES)
    stream = stream_of(clf, source_of(kind, tmp_path, CLASSES))
    expected = chunks(stream)  # buffers and maps that were made do not go along
    other = pickle.loads(pickle.dumps(stream))
    assert other.spaces is None and other.mapped is None
    equal(chunks(other), expected)


@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block of the source")
@pytest.mark.parametrize(
    "est", [SGDRegressor(losses.Poisson(), eta0=1e-3), SGDOneClassSVM(), SGDClassifier(losses.Huber(0.5))], ids=str
)
def test_a_stream_of_every_estimator_pickles(est, tmp_path):
    y = (CLASSES == "a").astype(float)
    est.set_params(random_state=0, max_iter=1, tol=None).fit(X, y)
    stream = stream_of(est, source_of("parquet", tmp_path, y))
    equal(chunks(pickle.loads(pickle.dumps(stream))), chunks(stream))


def test_a_source_of_files_pickles_as_paths_and_is_read_elsewhere(tmp_path):
    found = [source_of(kind, tmp_path, CLASSES) for kind in ("npy", "parquet", "csv")]
    assert all(len(pickle.dumps(source)) < X.nbytes / 2 for source in found)
    code = "import pickle, sys; found = pickle.load(sys.stdin.buffer); "
    code += "print(*(sum(float(rows.X.sum()) for rows in source.blocks()) for source in found))"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(found), capture_output=True, check=True)
    assert [float(one) for one in done.stdout.split()] == pytest.approx([X.sum()] * 3, abs=1e-3)


def test_a_stream_knows_no_estimator(tmp_path):
    clf = SGDClassifier(random_state=0, max_iter=1, tol=None).fit(X, CLASSES)
    text = pickle.dumps(stream_of(clf, source_of("parquet", tmp_path, CLASSES)))
    assert b"SGDClassifier" not in text and b"estimators.targets" in text
