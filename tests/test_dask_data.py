"""What becomes the partitions of a fit: dask arrays, dataframes and sources; what does not go together is named."""

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from support.chaos import Chaotic

from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.dask import partitioned
from fastsgd.dask.runners import LocalRunner
from fastsgd.dask.spread import load

N, D = 90, 4
RNG = np.random.default_rng(0)
X = np.where(RNG.random((N, D)) < 0.3, RNG.standard_normal((N, D)), 0.0)
Y = np.where(X.sum(axis=1) > 0, "up", "down")
S = RNG.integers(0, 3, N).astype(float)
NAMES = [f"x{j}" for j in range(D)]
CHUNKS = (30, 0, 20, 40)


def array(a, chunks=CHUNKS):
    """In blocks of so many rows, of which one is empty."""
    return da.from_array(a, chunks=(chunks, *((size,) for size in a.shape[1:])))


def blocks_of(blocks, width=D, dtype="f8", meta=None):
    """A dask array of such blocks, whatever they are; their lengths are not known."""
    made = [da.from_delayed(dask.delayed(block), (np.nan, width), dtype, meta=meta) for block in blocks]
    return da.concatenate(made, allow_unknown_chunksizes=True)


def frame(npartitions=3):
    return dd.from_pandas(pd.DataFrame(X, columns=NAMES).assign(y=Y, s=S), npartitions=npartitions, sort=False)


def parquet(folder):
    pd.DataFrame(X.astype("f4"), columns=NAMES).assign(y=Y, s=S).to_parquet(folder / "rows.parquet", row_group_size=7)
    return sources.from_parquet(folder / "rows.parquet", target="y", weight="s")


def cut(a):
    return np.split(a, np.cumsum(CHUNKS)[:-1])


WAYS = {
    "array": lambda _: (array(X), array(Y), array(S)),
    "y of other chunks": lambda _: (array(X), array(Y, (45, 45)), array(S, (10, 80))),
    "y in memory": lambda _: (array(X), Y, list(S)),
    "columns in chunks": lambda _: (
        da.from_array(X, chunks=(30, 3)),
        da.from_array(Y, chunks=30),
        da.from_array(S, chunks=30),
    ),
    "CSR": lambda _: (array(X).map_blocks(sp.csr_matrix), array(Y), array(S)),
    "CSR, in the meta too": lambda _: (
        blocks_of(map(sp.csr_matrix, cut(X)), meta=sp.csr_matrix((0, D))),
        array(Y),
        array(S),
    ),
    "lengths not known": lambda _: (blocks_of(cut(X)), frame_of_blocks(Y), frame_of_blocks(S)),
    "persisted": lambda _: (array(X).persist(scheduler="sync"), array(Y).persist(scheduler="sync"), array(S)),
    "frame": lambda _: (frame()[NAMES], frame()["y"], frame()["s"]),
    "frame and arrays": lambda _: (frame()[NAMES], frame()["y"], frame()["s"].to_dask_array()),
    "parquet": lambda folder: (parquet(folder), None, None),
    "parquet, in parts": lambda folder: (partitioned([parquet(folder)], 3), None, None),
}


def frame_of_blocks(a):
    return dd.from_delayed([dask.delayed(pd.Series(block)) for block in cut(a)], verify_meta=False)


def itself(table):
    return table


def rows_of(spread):
    tables = spread.run(itself)
    X = np.concatenate([t.X.toarray() if t.sparse else t.X for t in tables])
    return (
        X,
        np.concatenate([t.code for t in tables]),
        np.concatenate([np.ones(len(t.code)) if t.s is None else t.s for t in tables]),
    )


def learnt(given, est=None, runner=None):
    """(Loaded, Spread) of what is given, as a fit has them."""
    est = est or SGDClassifier()
    rows, seen = load(runner or LocalRunner(), given, est._targets())
    return rows, rows.table(est._learn(seen))


@pytest.mark.parametrize("way", WAYS)
def test_every_collection_becomes_the_same_rows_in_their_order(way, tmp_path):
    rows, spread = learnt(WAYS[way](tmp_path))
    assert rows.shape == (N, D) == (spread.n_rows, D) and rows.survey.n_rows == N
    assert spread.sparse == way.startswith("CSR") and rows.dtype == (np.float32 if "parquet" in way else np.float64)
    assert all(part.number >= 0 and part.name for part in spread.parts) and len(spread.parts) >= 3
    found = rows_of(spread)
    np.testing.assert_allclose(found[0], X, rtol=1e-7)
    np.testing.assert_array_equal(found[1], (Y != "up").astype(int))
    np.testing.assert_array_equal(found[2], S)


def test_classes_and_their_numbers_are_those_of_all_partitions():
    est = SGDClassifier(class_weight="balanced")
    order = np.argsort(Y, kind="stable")  # Most partitions have rows of one class.
    rows, _ = learnt((array(X[order]), array(Y[order]), None), est)
    right = SGDClassifier(class_weight="balanced", max_iter=1, tol=None).fit(X, Y)
    np.testing.assert_array_equal(est.classes_, right.classes_)
    np.testing.assert_allclose(est._class_weight, right._class_weight)
    assert rows.survey.rows == CHUNKS


def test_probabilities_in_some_partitions_and_zeros_and_ones_in_others_are_one_target():
    y = np.round(np.linspace(0, 1, N), 1)
    est = SGDClassifier("log_loss")
    order = np.argsort(y % 1 == 0, kind="stable")
    _, spread = learnt((array(X[order]), array(y[order]), None), est)
    assert all(table.y is not None for table in spread.run(itself))
    np.testing.assert_array_equal(np.concatenate(spread.run(lambda table: table.y[:, 0])), y[order])


def test_numbers_of_several_types_become_those_that_hold_all():
    blocks = [X[:30].astype("f4"), X[30:60].astype("i8"), X[60:]]
    rows, spread = learnt((blocks_of(blocks), da.from_array(Y, chunks=30), None))
    assert rows.dtype == np.float64 and {table.X.dtype for table in spread.run(itself)} == {np.dtype("f8")}


def test_columns_in_another_order_are_brought_into_that_of_the_collection():
    whole = pd.DataFrame(X, columns=NAMES)
    parts = [dask.delayed(whole[:50]), dask.delayed(whole[50:][NAMES[::-1]])]
    odd = dd.from_delayed(parts, meta=whole[:0], verify_meta=False)
    _, spread = learnt((odd, labels(), None))
    np.testing.assert_array_equal(rows_of(spread)[0], X)


BAD = {
    "a number is NaN": (
        lambda: (array(np.where(np.arange(N)[:, None] == 55, np.nan, X)), array(Y)),
        r"[Pp]artition 3 \(rows 50 to 89 of X\): Input X contains NaN",
    ),
    "another width": (
        lambda: (blocks_of([X[:30], X[30:60], X[60:, :3]]), da.from_array(Y, chunks=30)),
        r"[Pp]artition 2 \(block 2 of X\): X has 3 features, expected 4",
    ),
    "another layout": (
        lambda: (blocks_of([X[:30], sp.csr_matrix(X[30:60]), X[60:]]), da.from_array(Y, chunks=30)),
        "different layouts.*partition 1",
    ),
    "a column is missing": (
        lambda: (drifted(NAMES[:3]), labels()),
        r"[Pp]artition 1 \(of X\): the columns are not those",
    ),
    "a column is another": (
        lambda: (drifted(["other", *NAMES[1:]]), labels()),
        r"[Pp]artition 1 .*'other' in place of 'x0'",
    ),
    "words": (lambda: (frame(), frame()["y"]), r"X has columns that are not numbers: 'y'.*from_parquet"),
    "fewer rows of y": (lambda: (array(X), array(Y[:80], (30, 0, 20, 30))), "X has 90 rows, y has 80"),
    "fewer rows of y in a partition": (
        lambda: (blocks_of(cut(X)), frame_of_blocks(Y[:88])),
        r"[Pp]artition 3.*X has 40 rows, y has 38",
    ),
    "fewer partitions of y": (lambda: (frame()[NAMES], frame(2)["y"]), "y has 2 partitions, and X has 3.*repartition"),
    "no y": (lambda: (array(X), None), "requires y to be passed"),
    "a negative weight": (
        lambda: (array(X), array(Y), array(S - 1)),
        r"[Pp]artition \d.*Negative values in data passed to `sample_weight`",
    ),
    "no weight": (lambda: (array(X), array(Y), array(0 * S)), "sample_weight must not be all zero"),
    "no rows": (lambda: (array(X[:0], (0, 0)), array(Y[:0], (0, 0))), "X has no rows, in none of its 2 partitions"),
    "one dimension": (lambda: (array(X[:, 0]), array(Y)), "X must have two dimensions"),
    "in memory": (lambda: (X, Y), r"X must be a dask array or dataframe, or a source.*got numpy.ndarray.*from_array"),
    "a bag": (lambda: (dask.delayed(X), Y), "X must be a dask array or dataframe of two dimensions"),
    "words as numbers": (lambda: (array(Y[:, None]), array(Y)), "X must hold real numbers"),
    "words and numbers as labels": (
        lambda: (
            drifted(NAMES),
            dd.from_delayed([dask.delayed(pd.Series(y)) for y in (Y[:50], S[50:])], verify_meta=False),
        ),
        r"[Pp]artition 1 \(of X\): y holds numbers in some blocks, and words in others",
    ),
}


def drifted(names):
    whole = pd.DataFrame(X, columns=NAMES)
    other = pd.DataFrame(X[50:, : len(names)], columns=names)
    return dd.from_delayed([dask.delayed(whole[:50]), dask.delayed(other)], meta=whole[:0], verify_meta=False)


def labels():
    return dd.from_delayed([dask.delayed(pd.Series(Y[:50])), dask.delayed(pd.Series(Y[50:]))], verify_meta=False)


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_go_together_is_named(what):
    make, words = BAD[what]
    with pytest.raises(ValueError, match=words):
        learnt(make() + (None,) * (3 - len(make())))


def test_a_source_of_its_own_targets_takes_no_others(tmp_path):
    with pytest.raises(ValueError, match="has its own y and weights: y must be None"):
        learnt((parquet(tmp_path), array(Y), None))
    with pytest.raises(ValueError, match="n must be None or an integer"):
        partitioned(parquet(tmp_path), 0)
    with pytest.raises(ValueError, match=r"sources must be of fastsgd\.sources, got str"):
        partitioned("rows.parquet")


def test_partitions_of_a_source_do_not_depend_on_the_cluster_and_are_named_by_their_files(tmp_path):
    rows, spread = learnt((parquet(tmp_path), None, None))
    assert len(spread.parts) == 8 and rows.survey.rows == (7, 14, 7, 14, 14, 7, 14, 13)
    assert "rows.parquet, row group 0" in str(spread.parts[0]) and "row group 12" in str(spread.parts[-1])


def test_several_sources_and_such_without_random_access_are_partitions(tmp_path):
    lines = "\n".join(
        f"{int(y == 'up')} " + " ".join(f"{j + 1}:{v!r}" for j, v in enumerate(x.tolist()) if v)
        for x, y in zip(X, Y, strict=True)
    )
    (tmp_path / "a.svm").write_text(lines)
    one = sources.from_svmlight(tmp_path / "a.svm", n_features=D)
    rows, spread = learnt((partitioned([one, one]), None, None))
    assert rows.shape == (2 * N, D) and spread.sparse and len(spread.parts) == 2
    np.testing.assert_allclose(rows_of(spread)[0], np.concatenate([X, X]), rtol=1e-6)


def test_sources_are_read_with_what_the_first_has_learnt_and_rows_without_a_target_are_left_out(tmp_path):
    found, lacks = [], RNG.random((2, N)) < 0.3
    for number, half in enumerate(lacks):
        table = pd.DataFrame(X, columns=NAMES).assign(y=np.where(np.arange(N) % 5, X[:, 1], np.nan))
        table["x0"] = np.where(half, np.nan, X[:, 0] + number)
        table.to_parquet(tmp_path / f"{number}.parquet", row_group_size=7)
        found.append(
            sources.from_parquet(
                tmp_path / f"{number}.parquet", target="y", target_nulls="drop", fill_null="mean", null_indicator=True
            )
        )
    with pytest.warns(UserWarning, match="18 rows of .* without a target were left out"):
        rows, spread = learnt((partitioned(found), None, None), SGDRegressor())
    kept = np.arange(N) % 5 > 0
    mean = X[kept & ~lacks[0], 0].mean()
    first = [np.where(half, mean, X[:, 0] + number)[kept] for number, half in enumerate(lacks)]
    found = np.concatenate(spread.run(lambda table: table.X[:, 0]))
    np.testing.assert_allclose(found, np.concatenate(first), rtol=1e-5, atol=1e-6)
    assert rows.shape == (2 * kept.sum(), D + 1)


def test_regression_targets_of_several_columns():
    y = np.stack([X[:, 0], X[:, 1]], axis=1)
    est = SGDRegressor()
    _, spread = learnt((array(X), array(y), None), est)
    assert est._y_ndim == 2
    np.testing.assert_array_equal(np.concatenate(spread.run(lambda table: table.y)), y)


def test_what_is_done_twice_or_in_another_order_is_the_same():
    for way in ("array", "CSR", "frame"):
        found = [rows_of(learnt(WAYS[way](None), runner=runner)[1]) for runner in (LocalRunner(), Chaotic(3))]
        for a, b in zip(*found, strict=True):
            np.testing.assert_array_equal(a, b)
