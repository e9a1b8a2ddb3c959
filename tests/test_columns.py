"""Columns as features: every row of a file, as the obvious conversion by pandas or FeatureHasher gives it."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.preprocessing import OneHotEncoder
from support.columnar import CITY, FRAME, KIND, NUMBERS, TABLE, WAYS, WORDS, N, hashed, made, rng, whole, write_ipc

from fastsgd import SGDRegressor
from fastsgd.sources import _rows, from_arrow, from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402


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
