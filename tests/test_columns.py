"""Tables as sources: every row of a file, as the obvious conversion by pandas or FeatureHasher gives it."""

import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import OneHotEncoder

import fastsgd
from fastsgd import SGDRegressor
from fastsgd.sources import _rows, _tokens, from_arrow, from_csv, from_parquet
from fastsgd.sources import rows as rows_module

pa = pytest.importorskip("pyarrow")
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

N = 1000
rng = np.random.default_rng(0)
CITIES = np.array(["Oslo", "São Paulo", "Łódź", "", "a=b:c", "New York"])
FRAME = pd.DataFrame(
    {
        "y": rng.integers(0, 2, N),
        "f4": rng.standard_normal(N).astype("f4"),
        "f8": rng.standard_normal(N),
        "i8": rng.integers(-100, 100, N).astype("i1"),
        "u4": rng.integers(0, 2**31, N).astype("u4"),
        "yes": rng.random(N) < 0.5,
        "s": rng.random(N),
    }
)
NUMBERS = ["f4", "f8", "i8", "u4", "yes"]
CITY = rng.choice(CITIES, N)
KIND = rng.choice(["x", "y", "z"], N)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
WORDS = TABLE.append_column("city", pa.array(CITY)).append_column("kind", pa.array(KIND).dictionary_encode())


def whole(source):
    """All rows of a source: X (dense), y, weight."""
    parts = list(source.blocks())
    dense = [rows.X.toarray() if sp.issparse(rows.X) else rows.X for rows in parts]
    X = np.concatenate(dense) if dense else None
    rest = [None if parts[0][i] is None else np.concatenate([rows[i] for rows in parts]) for i in (1, 2)]
    return X, *rest


def hashed(tokens, n=2**20, **options):
    return FeatureHasher(n, input_type="pair", dtype=np.float32, **options).transform(tokens).toarray()


def write_ipc(table, path, rows=300, **options):
    with ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(**options)) as file:
        file.write_table(table, max_chunksize=rows)
    return path


WAYS = ["parquet", "ipc", "lz4", "table", "polars", "pandas", "reader", "stream", "csv", "gzip"]


def made(way, table, folder, **options):
    """A source of the same table in each format."""
    if way == "parquet":
        pq.write_table(table, folder / "t.parquet", row_group_size=300)
        return from_parquet(folder / "t.parquet", **options)
    if way in ("ipc", "lz4"):
        path = write_ipc(table, folder / "t.arrow", compression="lz4" if way == "lz4" else None)
        return from_arrow(path, **options)
    if way in ("csv", "gzip"):
        frame = table.to_pandas()
        text = frame.astype({name: "f8" for name in frame if frame[name].dtype == "f4"}).to_csv(index=False).encode()
        path = folder / ("t.csv" if way == "csv" else "t.csv.gz")
        path.write_bytes(text if way == "csv" else gzip.compress(text))
        return from_csv(path, block_bytes=8192, **options)
    if way == "stream":
        return from_arrow(Query(table), **options)
    given = {"table": lambda: table, "polars": lambda: pl.from_arrow(table), "pandas": table.to_pandas}
    return from_arrow(table.to_reader(170) if way == "reader" else given[way](), **options)


class Query:
    """What gives a new stream each time, and is no array: as a query of duckdb."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


# ---------------------------------------------------------------- numbers
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_dense_rows(way, dtype, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", weight="s", dtype=dtype)
    assert (source.sparse, source.dtype, source.n_features) == (False, np.dtype(dtype), 5)
    assert source.feature_names == NUMBERS
    assert source.n_rows == (None if source.n_blocks is None else N)
    X, y, weight = whole(source)
    assert X.dtype == dtype and X.flags.c_contiguous
    np.testing.assert_array_equal(X, FRAME[NUMBERS].astype(dtype).to_numpy())
    np.testing.assert_array_equal(y, FRAME["y"])
    np.testing.assert_array_equal(weight, FRAME["s"])
    assert weight.dtype == np.float64 and y.dtype.kind == "i"


@pytest.mark.parametrize("way", [way for way in WAYS if way != "reader"])
def test_targets_alone_and_again(way, tmp_path):
    source = made(way, WORDS, tmp_path, target="kind", weight="s", columns=["f4"])
    for _ in range(2):
        y, weight = (np.concatenate(part) for part in zip(*source.targets(), strict=True))
        np.testing.assert_array_equal(weight, FRAME["s"])
        assert y.tolist() == KIND.tolist()


@pytest.mark.parametrize("way", ["parquet", "ipc", "lz4", "table"])
def test_blocks_are_read_in_any_order_by_threads(way, tmp_path):
    source = made(way, WORDS, tmp_path, target="y")
    assert source.n_blocks == (1 if way == "table" else 4)
    order = list(range(source.n_blocks)) * 5
    rng.shuffle(order)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(source.read, order))
    expected = list(source.blocks())
    for block, rows in zip(order, found, strict=True):
        assert (rows.X != expected[block].X).nnz == 0
        np.testing.assert_array_equal(rows.y, expected[block].y)


def test_several_targets(tmp_path):
    source = from_arrow(TABLE, target=["f8", "i8"], columns=["f4"])
    np.testing.assert_array_equal(source.read(0).y, FRAME[["f8", "i8"]].to_numpy())


def test_columns_are_taken_in_the_order_given():
    source = from_arrow(TABLE, columns=["i8", "f4"])
    np.testing.assert_array_equal(source.read(0).X, FRAME[["i8", "f4"]].to_numpy("f4"))
    assert source.read(0).y is None and source.read(0).weight is None
    assert list(source.targets()) == [(None, None)]


def test_big_tables_come_in_blocks():
    table = pa.table({f"c{i}": np.arange(70_000, dtype="f4") + i for i in range(40)})
    source = from_arrow(table)
    assert source.n_blocks == 3 and source.n_rows == 70_000
    assert all(rows.X.nbytes <= 1 << 22 for rows in source.blocks())
    np.testing.assert_array_equal(whole(source)[0], np.arange(70_000)[:, None] + np.arange(40.0))


def test_wide_rows(tmp_path):
    X = rng.standard_normal((50, 3000)).astype("f4")
    pq.write_table(pa.table({f"c{i}": X[:, i] for i in range(3000)}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(whole(from_parquet(tmp_path))[0], X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", ["table", "parquet", "ipc"])
def test_rows_are_read_into_an_array(way, dtype, tmp_path):
    lists = pa.FixedSizeListArray.from_arrays(pa.array(rng.standard_normal(3 * N)), 3)
    table = TABLE.append_column("l", lists)
    source = made(way, table, tmp_path, target="y", interactions=[("f8", "i8"), ("f4", "s")], dtype=dtype)
    for block in range(source.n_blocks):
        out = np.full((source.sizes[block] + 1, source.n_features), 7, dtype)
        rows, expected = source.read(block, out=out[:-1]), source.read(block)
        assert np.shares_memory(rows.X, out) and (out[-1] == 7).all()
        assert np.array_equal(rows.X, expected.X) and np.array_equal(rows.y, expected.y)


@given(st.integers(0, 300), st.lists(st.booleans(), max_size=12), st.sampled_from([np.float32, np.float64]))
def test_columns_fill_rows(n, taken, dtype):
    places = np.flatnonzero(taken).tolist()
    columns = [np.arange(n, dtype=dtype) + 1000 * j for j in places]
    out = np.full((n, len(taken)), -1, dtype)
    expected = out.copy()
    for j, column in zip(places, columns, strict=True):
        expected[:, j] = column
    _rows.fill(out, columns, places)
    assert np.array_equal(out, expected)


@pytest.mark.parametrize(
    "columns, places",
    [
        ([np.ones(4)], [0]),
        ([np.ones(6)], [0]),
        ([np.ones(5)], [3]),
        ([np.ones(5)], [-1]),
        ([np.ones(5)] * 2, [1, 1]),
        ([np.ones(5)] * 2, [2, 1]),
        ([np.ones(5)] * 2, [0]),
        ([np.ones(5, np.float32)], [0]),
        ([np.ones(10)[::2]], [0]),
        ([np.ones((5, 1))], [0]),
    ],
    ids=str,
)
def test_columns_that_do_not_fit_are_refused(columns, places):
    out = np.zeros((5, 3))
    with pytest.raises(ValueError):
        _rows.fill(out, columns, places)
    assert not out.any()


def test_row_groups_larger_than_what_is_decoded_at_once(tmp_path):
    values = np.arange(70_000)
    table = pa.table({"a": values, "w": [f"w{i % 7}" for i in values]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=70_000)
    assert whole(from_parquet(tmp_path, columns=["a"]))[0].ravel().tolist() == values.tolist()
    X, *_ = whole(from_parquet(tmp_path, categorical="one-hot"))
    assert (X[:, 1:].argmax(axis=1) == values % 7).all() and (X[:, 0] == values).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_fixed_size_lists_are_columns_without_a_copy(dtype, tmp_path):
    X = rng.standard_normal((500, 8)).astype(dtype)
    column = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 8)
    table = pa.table({"x": column, "y": np.arange(500)})
    source = from_arrow(write_ipc(table, tmp_path / "x.arrow"), target="y", dtype=dtype)
    rows = source.read(1)
    np.testing.assert_array_equal(rows.X, X[300:])
    assert not rows.X.flags.owndata and not rows.X.flags.writeable
    assert source.feature_names[7] == "x[7]"
    pq.write_table(table.slice(3), tmp_path / "x.parquet")
    np.testing.assert_array_equal(whole(from_parquet(tmp_path / "x.parquet", target="y", dtype=dtype))[0], X[3:])
    table = table.slice(7).append_column("z", pa.array(np.arange(493.0)))
    np.testing.assert_array_equal(whole(from_arrow(table, columns=["z", "x"], dtype=dtype))[0][:, 1:], X[7:])


# ---------------------------------------------------------------- categories
@pytest.mark.parametrize("alternate_sign", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_hashing_is_that_of_feature_hasher(way, alternate_sign, tmp_path):
    options = {"columns": ["i8", "city", "kind"], "n_hashed": 50, "alternate_sign": alternate_sign}
    source = made(way, WORDS, tmp_path, **options)
    assert source.sparse and source.n_features == 51 and source.feature_names is None
    csv = way in ("csv", "gzip")  # an empty field is a null
    tokens = [[(f"city={c}", 1)] * (not csv or c != "") + [(f"kind={k}", 1)] for c, k in zip(CITY, KIND, strict=True)]
    X = whole(source)[0]
    np.testing.assert_array_equal(X[:, 1:], hashed(tokens, 50, alternate_sign=alternate_sign))
    np.testing.assert_array_equal(X[:, 0], FRAME["i8"])


def test_csr_is_canonical_and_stores_no_zeros():
    rows = from_arrow(WORDS, n_hashed=3).read(0)
    assert rows.X.has_canonical_format and rows.X.indices.dtype == rows.X.indptr.dtype == np.int32
    assert sp.csr_matrix((rows.X.data, rows.X.indices, rows.X.indptr), rows.X.shape).has_canonical_format
    assert (rows.X[:, :6].data != 0).all()


@pytest.mark.parametrize("way", ["parquet", "lz4", "polars", "csv"])
def test_one_hot_is_that_of_one_hot_encoder(way, tmp_path):
    source = made(way, WORDS, tmp_path, columns=["city", "f4", "kind"], categorical="one-hot")
    cities = sorted(set(CITY) - ({""} if way == "csv" else set()), key=str.encode)
    assert source.categories == {"city": cities, "kind": ["x", "y", "z"]}
    expected = OneHotEncoder(categories=list(source.categories.values()), handle_unknown="ignore", dtype=np.float32)
    X = whole(source)[0]
    np.testing.assert_array_equal(X[:, 1:], expected.fit_transform(np.column_stack([CITY, KIND])).toarray())
    np.testing.assert_array_equal(X[:, 0], FRAME["f4"])
    assert source.feature_names == ["f4", *(f"city={c}" for c in cities), "kind=x", "kind=y", "kind=z"]


def test_products_of_many_categories_are_refused_before_they_are_named():
    words = [str(i) for i in range(50_000)]
    with pytest.raises(ValueError, match="the table: 2500100000 features are more than"):
        from_arrow(pa.table({"a": words, "b": words}), categorical="one-hot", interactions=[("a", "b")])


def test_categories_of_training_are_those_of_validation():
    train = from_arrow(pa.table({"c": ["b", "a", None]}), categorical="one-hot")
    other = from_arrow(pa.table({"c": ["z", "b", "c"]}), categorical="one-hot", categories=train.categories)
    assert other.feature_names == train.feature_names == ["c=a", "c=b"]
    assert other.read(0).X.toarray().tolist() == [[0, 0], [0, 1], [0, 0]]
    assert train.read(0).X.toarray().tolist() == [[0, 1], [1, 0], [0, 0]]


def test_integers_and_booleans_are_categories_if_asked(tmp_path):
    table = pa.table({"i": [7, -1, None, 7], "b": [True, False, True, None]})
    for source in (
        from_arrow(table, categorical_features=["i", "b"]),
        made("csv", table.set_column(0, "i", table["i"].cast("string")), tmp_path, categorical_features=["i", "b"]),
    ):
        X = whole(source)[0]
        assert X.shape == (4, 2**20)
        tokens = [["i=7", "b=true"], ["i=-1", "b=false"], ["b=true"], ["i=7"]]
        if source.n_blocks is None:  # pandas writes booleans with a capital
            tokens = [[t.replace("true", "True").replace("false", "False") for t in row] for row in tokens]
        np.testing.assert_array_equal(X, hashed([[(t, 1) for t in row] for row in tokens]))


def test_lists_are_counted_tokens(tmp_path):
    words = [["a", "b", "a"], [], None, ["c", None], ["b"] * 100]
    for dtype, name in (
        (pa.list_(pa.string()), str),
        (pa.large_list(pa.int64()), lambda w: None if w is None else ord(w)),
    ):
        column = pa.array(
            [None if row is None else [None if w is None else name(w) for w in row] for row in words], dtype
        )
        pq.write_table(pa.table({"w": column}), tmp_path / "w.parquet")
        tokens = [[(f"w={name(w)}", 1) for w in row or [] if w is not None] for row in words]
        for source in (from_parquet(tmp_path), from_arrow(pa.table({"w": column}))):
            np.testing.assert_array_equal(whole(source)[0], hashed(tokens))
    source = from_arrow(pa.table({"w": column}).slice(1), categorical="one-hot")
    assert source.feature_names == ["w=97", "w=98", "w=99"][1:]


# ---------------------------------------------------------------- sparse rows
@pytest.mark.parametrize("as_map", [False, True])
def test_lists_of_index_and_value_are_sparse_rows(as_map, tmp_path):
    X = sp.random(200, 30, 0.2, "csr", dtype=np.float32, random_state=0)
    X = sp.hstack([X[:, :29], np.ones((200, 1), "f4")], "csr")
    rows = [list(zip(r.indices.tolist(), r.data.tolist(), strict=True)) for r in map(X.getrow, range(200))]
    if as_map:
        column = pa.array(rows, pa.map_(pa.int32(), pa.float32()))
    else:
        column = pa.array([[{"index": i, "value": v} for i, v in row] for row in rows])
    table = pa.table({"x": column, "late": np.arange(200.0)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=70)
    for source in (from_parquet(tmp_path / "x.parquet"), from_arrow(table.slice(5))):
        assert source.n_features == 31
        np.testing.assert_array_equal(whole(source)[0][:, 1:], X.toarray()[-len(whole(source)[0]) :])
    assert from_arrow(table, n_features=100).read(0).X.shape == (200, 101)
    table = table.cast(pa.schema([table.schema.field(0).with_metadata({"n_features": "40"}), table.schema.field(1)]))
    assert from_arrow(table.to_reader()).n_features == 41
    with pytest.raises(ValueError, match=r"indices must be in \[0, 10\), found \d+. Give n_features"):
        from_arrow(table, n_features=10).read(0)


# ---------------------------------------------------------------- interactions
def test_interactions():
    table = pa.table(
        {
            "a": [2.0, 0.0, 3.0],
            "b": [5, 7, 0],
            "c": ["x", "y", None],
            "d": pa.array(["u", None, "v"]).dictionary_encode(),
        }
    )
    pairs = [("a", "b"), ("a", "c"), ("d", "a"), ("c", "d")]
    X = whole(from_arrow(table, interactions=pairs))[0]
    np.testing.assert_array_equal(X[:, :3], [[2, 5, 10], [0, 7, 0], [3, 0, 0]])
    tokens = [
        [("c=x", 1), ("d=u", 1), ("a:c=x", 2.0), ("d:a=u", 2.0), ("c:d=x:u", 1)],
        [("c=y", 1)],
        [("d=v", 1), ("d:a=v", 3.0)],
    ]
    np.testing.assert_array_equal(X[:, 3:], hashed(tokens))
    source = from_arrow(table, interactions=pairs, categorical="one-hot")
    names = ["a", "b", "a:b", "c=x", "c=y", "d=u", "d=v", "a:c=x", "a:c=y", "d:a=u", "d:a=v"]
    assert source.feature_names == [*names, "c:d=x:u", "c:d=x:v", "c:d=y:u", "c:d=y:v"]
    X = dict(zip(source.feature_names, source.read(0).X.toarray().T.tolist(), strict=True))
    assert X["a:c=x"] == [2, 0, 0] and X["d:a=v"] == [0, 0, 3] and X["c:d=x:u"] == [1, 0, 0]
    assert sum(map(sum, X.values())) == 5 + 12 + 10 + 2 + 2 + 2 + 5 + 1


# ---------------------------------------------------------------- any table
CELLS = {
    "number": (pa.float32(), st.floats(-100, 100, width=32)),
    "integer": (pa.int16(), st.integers(-(2**15), 2**15 - 1)),
    "boolean": (pa.bool_(), st.booleans()),
    "word": (pa.string(), st.none() | st.text(max_size=5)),
    "view": (pa.string_view(), st.none() | st.text(max_size=20)),
    "encoded": (pa.large_string(), st.none() | st.sampled_from(["p", "q", "é"])),
    "words": (pa.list_(pa.string()), st.none() | st.lists(st.none() | st.text(max_size=3), max_size=4)),
}


@settings(max_examples=60, deadline=None)
@given(
    st.data(),
    st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4),
    st.integers(1, 20),
    st.integers(0, 5),
    st.sampled_from([1, 7, 2**20]),
)
def test_any_columns(data, kinds, n, skip, n_hashed):
    cells = {
        f"{kind}{i}": (CELLS[kind][0], data.draw(st.lists(CELLS[kind][1], min_size=n, max_size=n)))
        for i, kind in enumerate(kinds)
    }
    skip = min(skip, n - 1)
    arrays = {name: pa.array(values, dtype) for name, (dtype, values) in cells.items()}
    arrays = {name: array.dictionary_encode() if "encoded" in name else array for name, array in arrays.items()}
    table = pa.table(arrays).slice(skip)
    numeric = [name for name in cells if name.rstrip("0123456789") in ("number", "integer", "boolean")]
    expected = np.array([cells[name][1] for name in numeric], "f4").reshape(len(numeric), n).T[skip:]
    tokens = []
    for i in range(skip, n):
        row = []
        for name, (_, values) in cells.items():
            if name not in numeric:
                some = values[i] if isinstance(values[i], list) else [values[i]]
                row += [(f"{name}={word}", 1) for word in some if word is not None]
        tokens.append(row)
    source = from_arrow(table, n_hashed=n_hashed)
    X = source.read(0).X
    if source.sparse:
        expected = sp.hstack(
            [sp.csr_matrix(expected), FeatureHasher(n_hashed, input_type="pair", dtype="f4").transform(tokens)]
        )
        assert abs(X - expected).sum() == 0 and X.shape == expected.shape
    else:
        np.testing.assert_array_equal(X, expected)


# ---------------------------------------------------------------- nulls
def test_nulls_in_numbers_are_an_error_that_says_where(tmp_path):
    table = pa.table(
        {"a": [1.0, 2.0, None, 4.0], "b": [1, None, 3, 4], "t": [True, None, False, True], "y": [0, 1, 0, None]}
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    source = from_parquet(tmp_path / "a.parquet", columns=["a"])
    source.read(0)
    with pytest.raises(
        ValueError, match=r"column 'a' of .*a.parquet, row group 1: 1 of 2 values are null, the first at 0.*fill_null"
    ):
        source.read(1)
    X = whole(from_parquet(tmp_path / "a.parquet", columns=["a", "b", "t"], fill_null=0.5))[0]
    assert X.tolist() == [[1, 1, 1], [2, 0.5, 0.5], [0.5, 3, 0], [4, 4, 1]]
    for argument in ("target", "weight"):
        with pytest.raises(ValueError, match=f"{argument} 'y' of .*row group 1: 1 of 2 values are null"):
            whole(from_parquet(tmp_path / "a.parquet", columns=["a"], fill_null=0, **{argument: "y"}))


def test_nan_is_filled_as_nulls_are_or_named(tmp_path):
    pq.write_table(pa.table({"a": [1.0, np.nan], "b": [None, 2.0], "y": [1.0, 2.0]}), tmp_path / "a.parquet")
    source = from_parquet(tmp_path, target="y", fill_null=3)
    assert whole(source)[0].tolist() == [[1, 3], [3, 2]]
    source = from_parquet(tmp_path, target="y", columns=["a"])
    with pytest.raises(ValueError, match=r"a\.parquet, row group 0\): X contains NaN \(at row 1 .*, column 0 'a'\)"):
        SGDRegressor().fit(source)
    table = pa.table({"a": [1.0, 1e300], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"\(the table\): X contains infinity, or a number too large for float32"):
        SGDRegressor().fit(from_arrow(table, target="y"))


def test_nulls_in_fixed_size_lists():
    for values in ([[1.0, 2.0], None, [3.0, 4.0]], [[1.0, 2.0], [None, 5.0], [3.0, 4.0]]):
        table = pa.table({"x": pa.array(values, pa.list_(pa.float32(), 2))})
        with pytest.raises(ValueError, match="null"):
            from_arrow(table).read(0)
        X = from_arrow(table, fill_null=-1).read(0).X
        assert X.tolist() == [[1, 2], [-1, -1 if values[1] is None else 5], [3, 4]]


def test_a_column_of_nulls_in_one_file(tmp_path):
    pq.write_table(pa.table({"a": [1.0], "c": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": pa.nulls(1), "c": pa.nulls(1)}), tmp_path / "2.parquet")
    source = from_parquet(tmp_path, fill_null=0.0, categorical="one-hot")
    assert whole(source)[0].tolist() == [[1, 1], [0, 0]]


# ---------------------------------------------------------------- labels
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["no", "yes", "no"]), ["no", "yes", "no"]),
        (pa.array(["no", "yes", "no"], pa.large_string()).dictionary_encode(), ["no", "yes", "no"]),
        (pa.array([3, 1, 3]).dictionary_encode(), [3, 1, 3]),
        (pa.array([True, False, True]), [True, False, True]),
        (pa.array(["a", "b" * 5000, "c"]), ["a", "b" * 5000, "c"]),
    ],
)
def test_labels(values, expected):
    y = from_arrow(pa.table({"a": [1, 2, 3], "y": values}), target="y").read(0).y
    assert y.tolist() == expected and np.unique(y).tolist() == sorted(set(expected))


# ---------------------------------------------------------------- files
def test_files_folders_and_patterns(tmp_path):
    for number, name in enumerate(["b/2.parquet", "a/1.parquet", "_tmp/0.parquet", ".hidden.parquet", "a/notes.txt"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"a": [number]}), tmp_path / name)
    assert whole(from_parquet(tmp_path))[0].tolist() == [[1], [0]]
    assert whole(from_parquet(str(tmp_path / "*" / "2.parquet")))[0].tolist() == [[0]]
    assert whole(from_parquet(str(tmp_path / "**" / "[12].parquet")))[0].tolist() == [[1], [0]]
    assert whole(from_parquet([tmp_path / "b/2.parquet", str(tmp_path / "a")]))[0].tolist() == [[0], [1]]
    (tmp_path / "a" / "notes.txt").unlink()
    assert whole(from_parquet(str(tmp_path / "[ab]") + "/"))[0].tolist() == [[1], [0]]
    assert whole(from_parquet(str(tmp_path / "[ab]*")))[0].tolist() == [[1], [0]]
    with pytest.raises(FileNotFoundError):
        from_parquet(tmp_path / "none.parquet")
    for paths in (tmp_path / "*.csv", []):
        with pytest.raises(ValueError, match="paths"):
            from_parquet(paths)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.parquet")
        with pytest.raises(ValueError, match=r"pipe\.parquet is not a file on disk"):
            from_parquet(tmp_path / "pipe.parquet")
    for paths in ([3], 3, None, {"a"}):
        with pytest.raises(ValueError, match="paths must be"):
            from_parquet(paths)


def test_files_that_differ(tmp_path):
    pq.write_table(
        pa.table({"a": [1], "c": ["x"], "v": pa.array([[1.0, 2]], pa.list_(pa.float32(), 2))}), tmp_path / "1.parquet"
    )
    pq.write_table(pa.table({"a": [1.5], "v": pa.array([[1.0]], pa.list_(pa.float32(), 1))}), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2.parquet must have one column 'c'"):
        from_parquet(tmp_path)
    assert whole(from_parquet(tmp_path, columns=["a"]))[0].tolist() == [[1], [1.5]]  # numbers are numbers
    with pytest.raises(ValueError, match=r"2.parquet: column 'v' is of type fixed_size_list.*in the first file"):
        from_parquet(tmp_path, columns=["v"])
    pq.write_table(pa.table({"a": ["1"]}), tmp_path / "2.parquet")
    with pytest.raises(ValueError, match=r"2.parquet: column 'a' is of type string, in the first file it is int64"):
        from_parquet(tmp_path, columns=["a"])


@pytest.mark.parametrize("way", ["parquet", "ipc", "csv"])
def test_a_file_that_changes_is_refused(way, tmp_path):
    source = made(way, TABLE, tmp_path)
    made(way, TABLE.slice(500), tmp_path)
    with pytest.raises(ValueError, match="has changed since the source was made"):
        whole(source)


def test_empty_row_groups_and_files(tmp_path):
    pq.write_table(TABLE.slice(0, 0), tmp_path / "1.parquet")
    pq.write_table(TABLE, tmp_path / "2.parquet")
    assert from_parquet(tmp_path).n_blocks == 1 and from_parquet(tmp_path / "1.parquet").n_rows == 0
    assert from_arrow(TABLE.slice(0, 0)).n_blocks == 0


@pytest.mark.parametrize("way", WAYS)
def test_describe_is_json_and_tells_others_apart(way, tmp_path):
    options = {"target": "y", "columns": ["f4", "city"]}
    one = made(way, WORDS, tmp_path, **options)
    said = json.dumps(one.describe())
    assert said == json.dumps(one.describe())
    assert said != json.dumps(made(way, WORDS, tmp_path, **options, n_hashed=8).describe())
    if way not in ("reader", "stream"):
        assert said != json.dumps(made(way, WORDS.slice(1), tmp_path, **options).describe())


# ---------------------------------------------------------------- streams
def test_a_reader_is_read_once():
    source = from_arrow(TABLE.to_reader(), columns=["f4"])
    assert source.n_blocks is None and source.n_rows is None
    assert len(whole(source)[0]) == N
    with pytest.raises(ValueError, match=r"can be read once, and it has been\. Make a new one"):
        source.blocks()
    with pytest.raises(ValueError, match="categories or n_features"):
        from_arrow(WORDS.to_reader(), categorical="one-hot")


def test_what_can_be_read_once_is_for_one_pass():
    def reader():
        return from_arrow(TABLE.to_reader(max_chunksize=100), target="f8", columns=["f4", "s"]).buffered(40_000)

    reg = SGDRegressor(random_state=0).partial_fit(reader())
    assert reg.t_ == N + 1 and reg.predict(reader()).shape == (N,)
    with pytest.raises(ValueError, match=r"given as X can be read once, and is larger than its buffer .*partial_fit"):
        reg.fit(reader())
    assert reg.fit(reader().buffered("1MB")).n_features_in_ == 2


def test_a_stream_in_a_file_is_named(tmp_path):
    with ipc.new_stream(tmp_path / "a.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE)
    with pytest.raises(ValueError, match=r"a\.arrow can't be read: .*it is a stream: give pyarrow\.ipc\.open_stream"):
        from_arrow(tmp_path / "a.arrow")


def test_duckdb(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    query = duckdb.sql("select range % 2 as y, range / 2.0 as a, 'w' || (range % 3) as w from range(10000)")
    source = from_arrow(query, target="y", n_hashed=16)
    for _ in range(2):
        X, y, _ = whole(source)
        assert (X[:, 0] == np.arange(10000) / 2).all() and (y == np.arange(10000) % 2).all()
        assert (abs(X[:, 1:]).sum(axis=1) == 1).all()


# ---------------------------------------------------------------- CSV
def test_csv_options(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1;x;007\n2;y;010\n")
    source = from_csv(path, delimiter=";", column_names=["y", "c", "zip"], column_types={"zip": "string"}, target="y")
    X, y, _ = whole(source)
    np.testing.assert_array_equal(X, hashed([[("c=x", 1), ("zip=007", 1)], [("c=y", 1), ("zip=010", 1)]]))
    assert y.tolist() == [1, 2]


@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_tabs_in_tsv_files(name, tmp_path):
    text = b"a\tb,c\n1\t2\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    source = from_csv(tmp_path)
    assert whole(source)[0].tolist() == [[1, 2]] and source.feature_names == ["a", "b,c"]
    with pytest.raises(ValueError, match="Is delimiter that of the file"):
        from_csv(tmp_path, delimiter=",")


def test_csv_integers_may_become_fractions(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,2\n" * 1000 + "1.5,\n")
    X, *_ = whole(from_csv(path, block_bytes=1000, fill_null=0))
    assert X[-1].tolist() == [1.5, 0] and len(X) == 1001


def test_several_csv_files_in_other_orders(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b,a\n4,3\n")
    assert whole(from_csv(tmp_path))[0].tolist() == [[1, 2], [3, 4]]
    (tmp_path / "2.csv").write_text("b,c\n4,3\n")
    with pytest.raises(ValueError, match=r"2.csv can't be read: .*'a'"):
        whole(from_csv(tmp_path))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a,b\n1,2\n3\n", "Expected 2 columns.*Is delimiter that of the file"),
        (
            "a,b\n" + "1,2\n" * 5000 + "x,2\n",
            "invalid value 'x'.*block_bytes=4096; give that of this one in column_types",
        ),
        ("", "Empty"),
        ("a,a\n1,2\n", "several columns 'a'"),
        ("a,b\n1,2\n" + "1" * 9000 + ",2\n", "A row must fit in block_bytes=4096"),
        ("a,b\n1,\xff\xfe\n", "column 'b' has text that is not UTF-8"),
    ],
)
def test_csv_that_is_broken(text, error, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=error) as caught:
        whole(from_csv(path, block_bytes=4096))
    assert "a.csv" in str(caught.value)


# ---------------------------------------------------------------- damaged files
def test_files_tampered_with_are_read_or_refused_by_name():
    """In a process of its own: a crash would end it."""
    script = Path(__file__).with_name("hostile_tables.py")
    root = Path(fastsgd.__file__).parents[1]
    command = [sys.executable, "-W", "error", script, "500"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}
    )
    assert done.returncode == 0, done.stderr
    for kind in ("arrow", "csv", "npy", "parquet"):
        assert f"{kind}: " in done.stdout and "refused" in done.stdout


@pytest.mark.parametrize("where", [from_parquet, from_arrow, from_csv])
def test_files_of_no_bytes_or_other_bytes(where, tmp_path):
    for data in (b"", b"\0" * 100, b"PAR1PAR1", b"ARROW1\0\0ARROW1"):
        path = tmp_path / "bad.bin"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"bad\.bin"):
            whole(where(path, target="y"))


# ---------------------------------------------------------------- kernels
def test_arrow_arrays_need_not_be_aligned(monkeypatch):
    def table(lead):
        def moved(numbers):
            raw = np.empty(lead + numbers.nbytes, np.uint8)[lead:]
            raw[:] = numbers.view(np.uint8)
            return pa.py_buffer(raw)

        vectors = pa.FixedSizeListArray.from_buffers(
            pa.list_(pa.float32(), 2),
            2,
            [None],
            children=[pa.Array.from_buffers(pa.float32(), 4, [None, moved(np.arange(4, dtype="f4"))])],
        )
        words = [None, moved(np.array([0, 1, 3], "i4")), pa.py_buffer(b"abb")]
        target = [None, moved(np.array([0.5, 1.5]))]
        return pa.table(
            {
                "v": vectors,
                "s": pa.Array.from_buffers(pa.string(), 2, words),
                "y": pa.Array.from_buffers(pa.float64(), 2, target),
            }
        )

    given = []

    def noting(call):
        def noted(*args):
            given.extend(arg for arg in args if isinstance(arg, np.ndarray))
            return call(*args)

        return noted

    for name in ("hash_tokens", "csr_rows"):
        monkeypatch.setattr(rows_module, name, noting(getattr(rows_module, name)))
    plain, odd = (from_arrow(table(lead), target="y", n_hashed=8).read(0) for lead in (0, 1))
    assert len(given) == 6 and all(a.flags.aligned for a in given)
    assert (plain.X != odd.X).nnz == 0 and np.array_equal(plain.y, odd.y)


def test_kernels_check_what_they_are_given():
    text = np.zeros(10, np.uint8)
    for ends in ([0, 11], [-1, 5], [0, 6, 3, 10], [0, 5, -(2**31)]):  # the last difference overflows
        with pytest.raises(ValueError, match="offsets of strings"):
            _tokens.hash_tokens(b"a=", np.array(ends, np.int32), text, 8)
    dense, one = np.zeros((2, 1)), np.ones(3)
    for starts in ([0, 1, 4], [1, 2, 3], [0, 3], [0, 4, 3]):
        with pytest.raises(ValueError, match="starts of a piece"):
            _tokens.csr_rows(dense, [(np.array(starts), np.zeros(3, np.int32), one)])
    with pytest.raises(ValueError, match="must have 2 tokens"):
        _tokens.csr_rows(dense, [(None, np.zeros(3, np.int32), one)])
    with pytest.raises(ValueError, match="3 tokens and 2 values"):
        _tokens.csr_rows(dense, [(np.array([0, 1, 3]), np.zeros(3, np.int32), one[:2])])


@given(st.lists(st.text(max_size=20), max_size=10), st.text(max_size=9), st.integers(1, 2**31 - 1))
def test_hash_of_any_text(texts, prefix, n):
    data = [t.encode() for t in texts]
    ends = np.cumsum([0, *map(len, data)])
    column, sign = _tokens.hash_tokens(prefix.encode(), ends, np.frombuffer(b"".join(data), np.uint8), n)
    X = (
        FeatureHasher(n, input_type="string").transform([[prefix + t] for t in texts])
        if texts
        else sp.csr_matrix((0, n))
    )
    assert column.tolist() == X.indices.tolist() and sign.tolist() == X.data.tolist()


# ---------------------------------------------------------------- arguments
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dtype": "i4"}, "dtype must be float32 or float64"),
        ({"categorical": "label"}, "categorical must be one of hash, one-hot, error"),
        ({"categorical": "error"}, "column 'city' is of type string. Leave it out"),
        ({"n_hashed": 0}, "n_hashed must be an integer from 1"),
        ({"n_hashed": 2**31 - 1}, "features are more than"),
        ({"fill_null": np.nan}, "fill_null must be None or a finite number"),
        ({"target": "z"}, "target: there is no column 'z' in the table; it has 'y', 'f4'"),
        ({"columns": "f4"}, "columns must be a list of column names"),
        ({"columns": ["f4", "z"]}, "columns: there is no column 'z'"),
        ({"columns": []}, "no columns that are features"),
        ({"columns": ["y"], "target": "y"}, "can't be features and target"),
        ({"weight": "city"}, "weight='city' is of type string"),
        ({"weight": ["s"]}, r"weight must be the name of a column, got \['s'\]"),
        ({"target": 0}, "target must be a list of column names, got 0"),
        ({"interactions": ["f4:f8"]}, "interactions must be a list of column names, got 'f4:f8'"),
        ({"categorical_features": ["z"]}, "categorical_features: there is no column"),
        ({"categorical_features": ["f4"]}, "column 'f4' is of type float"),
        ({"categories": {"f4": ["a"]}}, "categories are given for"),
        ({"interactions": [("f4",)]}, "interactions must be pairs"),
        ({"interactions": [("f4", "z")]}, "interactions must be pairs"),
        ({"n_features": -1}, "n_features must be an integer from 1"),
    ],
)
def test_arguments(options, error):
    table = WORDS.append_column("m", pa.array([[{"i": 1, "v": 2}]] * N)) if "n_features" in options else WORDS
    with pytest.raises(ValueError, match=error):
        from_arrow(table, **options)


@pytest.mark.parametrize(
    "dtype", [pa.binary(), pa.timestamp("us"), pa.struct([("a", pa.int8())]), pa.list_(pa.float32())]
)
def test_types_that_are_no_features(dtype):
    with pytest.raises(ValueError, match=r"column 'a' is of type .*Leave it out"):
        from_arrow(pa.table({"a": pa.nulls(1, dtype), "b": [1]}))
    with pytest.raises(ValueError, match="data must be a path"):
        from_arrow(3)
    with pytest.raises(
        TypeError, match=r"from_arrow\(\) got an unexpected keyword argument 'targets'; it takes target"
    ):
        from_arrow(TABLE, targets="y")
    with pytest.raises(ValueError, match="nor a list of fixed size of numbers"):
        from_arrow(pa.table({"a": [[1.0], [1.0, 2.0]]}))
