"""early_stopping on sources that are larger than their buffer: rows of theirs are held out."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import dump_svmlight_file

from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.sources import Rows, visiting_order
from fastsgd.sources.shares import Share

pytest.importorskip("pyarrow")
pytestmark = [
    pytest.mark.filterwarnings("ignore:a block of the source takes"),
    pytest.mark.filterwarnings("ignore:with max_memory"),
    pytest.mark.filterwarnings("ignore:the rows of this source"),
]
N = 4000
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, 3)).astype(np.float32)
Y = (X[:, 0] + RNG.standard_normal(N) > 0).astype(int)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shares")
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=Y, w=np.arange(N) % 3 + 1.0, word=np.array(["u", "v"])[Y])
    frame.to_parquet(folder / "d.parquet", row_group_size=300)
    frame.to_csv(folder / "d.csv", index=False)
    frame.to_feather(folder / "d.arrow", chunksize=300)
    dump_svmlight_file(X, Y, str(folder / "d.svm"))
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", Y)
    return folder


def batches():
    return ((X[lo : lo + 300], Y[lo : lo + 300]) for lo in range(0, N, 300))


KINDS = {
    "parquet": lambda f: sources.from_parquet(f / "d.parquet", target="y", columns=["a", "b", "c"]),
    "sparse parquet": lambda f: sources.from_parquet(
        f / "d.parquet", target="y", columns=["a", "b", "c", "word"], n_hashed=64
    ),
    "csv": lambda f: sources.from_csv(f / "d.csv", target="y", columns=["a", "b", "c"], block_bytes=20_000),
    "arrow": lambda f: sources.from_arrow(f / "d.arrow", target="y", weight="w", columns=["a", "b", "c"]),
    "svmlight": lambda f: sources.from_svmlight(f / "d.svm", block_bytes=20_000),
    "batches": lambda f: sources.from_batches(batches),
}


def rows(source):
    found = [part for part in source.blocks() if part.X.shape[0]]
    X = [part.X.toarray() if sp.issparse(part.X) else part.X for part in found]
    return np.concatenate(X), np.concatenate([part.y for part in found])


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_is_in_one_part_and_the_same_one_in_each_pass(folder, kind):
    source = KINDS[kind](folder)
    train, held = (Share(source, 0.2, 7, held_out) for held_out in (False, True))
    train.survey(), held.survey()
    ours, theirs, all_rows = rows(train), rows(held), rows(source)
    assert abs(len(theirs[1]) / N - 0.2) < 0.01 and (train.n_rows, held.n_rows) == (len(ours[1]), len(theirs[1]))
    both = np.concatenate([ours[0], theirs[0]])
    assert np.array_equal(np.sort(both[:, 0]), np.sort(all_rows[0][:, 0]))
    again = rows(train)
    assert np.array_equal(again[0], ours[0]) and np.array_equal(again[1], ours[1])
    assert np.array_equal(np.concatenate([y for y, _ in train.targets()]), ours[1])
    places = held.places()
    assert np.array_equal(all_rows[0][places], theirs[0]) and np.array_equal(all_rows[1][places], theirs[1])


@pytest.mark.parametrize("kind", KINDS)
def test_training_stops_by_rows_that_are_held_out(folder, kind):
    source = KINDS[kind](folder).buffered("30KB")
    how = dict(max_iter=40, tol=1e-3, n_iter_no_change=2, random_state=0, early_stopping=True, validation_fraction=0.2)
    est = SGDClassifier("log_loss", learning_rate="auto", **how).fit(source)
    scores = est.history_["validation_score"]
    assert est.stop_reason_ == "validation" and 2 < est.n_iter_ < 40 and np.isfinite(scores).all()
    seed = int(np.random.RandomState(0).randint(2**31))
    held = Share(source, 0.2, seed, True)
    assert est.score(held) == pytest.approx(scores.max(), abs=1e-12)
    assert np.array_equal(SGDClassifier("log_loss", learning_rate="auto", **how).fit(source).coef_, est.coef_)
    assert not np.array_equal(
        SGDClassifier("log_loss", learning_rate="auto", **how | {"random_state": 1}).fit(source).coef_, est.coef_
    )


@pytest.mark.parametrize("readers", [1, 2])
def test_the_result_does_not_depend_on_the_readers(folder, readers):
    how = dict(learning_rate="auto", max_iter=3, tol=None, random_state=0, early_stopping=True)
    source = KINDS["sparse parquet"](folder)
    one = SGDRegressor(**how).fit(source.buffered("30KB"))
    assert np.array_equal(SGDRegressor(**how).fit(source.buffered("30KB", readers=readers)).coef_, one.coef_)


def test_rows_that_are_held_out_are_not_visited(folder):
    source = KINDS["parquet"](folder).buffered("30KB")
    est = SGDClassifier(early_stopping=True, random_state=0, max_iter=1, tol=None)
    visited = visiting_order(est, source)
    seed = int(np.random.RandomState(0).randint(2**31))
    held = Share(source, 0.1, seed, True).places()
    assert len(visited) + len(held) == N and sorted([*visited, *held]) == list(range(N))


def test_an_error_has_the_number_of_the_row_in_the_block(folder):
    broken = X[:300].copy()
    broken[250, 1] = np.nan
    parts = [(X[:300], Y[:300]), (broken, Y[:300])]
    share = Share(sources.from_batches(lambda: iter(parts)), 0.5, 0, False)
    with pytest.raises(ValueError, match="at row 250 of the block, column 1"):
        list(share.blocks())


def test_labels_of_segments_stay_with_their_rows(folder):
    source = KINDS["parquet"](folder).with_segments("word")
    part = Share(source, 0.5, 0, True).read(0)
    assert isinstance(part, Rows) and np.array_equal(part.segment == "v", part.y == 1)


def test_a_checkpoint_goes_on_with_the_same_rows(folder, tmp_path):
    from fastsgd import Checkpoint

    source = KINDS["parquet"](folder).buffered("30KB")
    how = dict(learning_rate="auto", tol=None, random_state=0, early_stopping=True)
    whole = SGDRegressor(max_iter=4, **how).fit(source)
    path = tmp_path / "ck"
    SGDRegressor(max_iter=2, callbacks=[Checkpoint(path, every_seconds=0)], **how).fit(source)
    est = SGDRegressor(max_iter=4, callbacks=[Checkpoint(path)], **how).fit(source, resume_from=path)
    assert np.array_equal(est.coef_, whole.coef_) and est.n_iter_ == 4
