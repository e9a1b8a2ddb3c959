"""Tables as sources: which files, which streams, CSV, and what is refused."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from support.columnar import TABLE, WAYS, WORDS, N, hashed, made, whole

import fastsgd
from fastsgd import SGDRegressor
from fastsgd.sources import _tokens, from_arrow, from_csv, from_parquet
from fastsgd.sources import rows as rows_module

pa = pytest.importorskip("pyarrow")
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from fastsgd.sources import parquet  # noqa: E402
from fastsgd.sources.features import category  # noqa: E402
from fastsgd.sources.features.columns import REGISTRY  # noqa: E402
from fastsgd.sources.features.options import KNOWN_KINDS, SPELLINGS  # noqa: E402


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
    with pytest.raises(ValueError, match="Is delimiter=',' that of the file"):
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
    with pytest.raises(ValueError, match=r"2.csv has no column 'a', it has 'b', 'c'\."):
        whole(from_csv(tmp_path))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a,b\n1,2\n3\n", "Expected 2 columns.*Is delimiter=',' that of the file"),
        (
            "a,b\n" + "1,2\n" * 5000 + "x,2\n",
            "invalid value 'x'.*Mend that row, or leave it out; or.*column_types={'a': 'string'}",
        ),
        ("", "Empty"),
        ("a,b\n1,2\n" + "1" * 9000 + ",2\n", "A row must fit in block_bytes=4096"),
        ("a,b\n1,\xff\xfe\n", "not UTF-8, in row 2, counting the header, the byte 0xff: set encoding='cp1252'"),
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
    command = [sys.executable, "-W", "error", "-m", "support.hostile_tables", "500"]
    env = {**os.environ, "PYTHONPATH": str(Path(fastsgd.__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, env=env)
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

    for module, name in ((category, "hash_tokens"), (rows_module, "csr_rows")):
        monkeypatch.setattr(module, name, noting(getattr(module, name)))
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
        ({"categorical_features": ["m"]}, "categorical_features: there is no column 'm'"),
        ({"categories": {"f4": ["a"]}}, "categories are given for"),
        ({"interactions": [("f4",)]}, "interactions must be pairs"),
        ({"interactions": [("f4", "z")]}, "interactions must be pairs"),
        ({"n_features": -1}, "n_features must be None or an integer from 1"),
    ],
)
def test_arguments(options, error):
    table = WORDS.append_column("m", pa.array([[{"i": 1, "v": 2}]] * N)) if "n_features" in options else WORDS
    with pytest.raises(ValueError, match=error):
        from_arrow(table, **options)


@pytest.mark.parametrize(
    "dtype", [pa.binary(), pa.month_day_nano_interval(), pa.struct([("a", pa.int8())]), pa.list_(pa.float32())]
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


# ---------------------------------------------------------------- many files
def test_footers_are_read_once_and_kept_within_bounds(tmp_path, monkeypatch):
    table = pa.table({"x": np.arange(10.0), "y": np.arange(10) % 2})
    for i in range(20):
        pq.write_table(table, tmp_path / f"{i:02}.parquet")
    read, kept = [], parquet.Footers()

    def noted(path, of=pq.read_metadata):
        read.append(path)
        return of(path)

    monkeypatch.setattr(parquet, "FOOTERS", kept)
    monkeypatch.setattr(parquet.pq, "read_metadata", noted)
    source = from_parquet(tmp_path, target="y")
    assert sum(len(rows.y) for rows in source.blocks()) == 200 and len(read) == 20
    few = parquet.Footers()
    monkeypatch.setattr(parquet, "FOOTER_BYTES", kept.size // 4)
    monkeypatch.setattr(parquet, "FOOTERS", few)
    assert sum(len(rows.y) for rows in from_parquet(tmp_path / "*", target="y").blocks()) == 200
    assert few.size <= parquet.FOOTER_BYTES and 1 < len(few.kept) < 6


def test_models_know_every_kind_of_column():
    """Bins and logarithms are of numbers, and categories are known by their spelling."""
    assert {*REGISTRY} - {"bins", "category", "log1p"} | {*SPELLINGS} == {*KNOWN_KINDS}
    assert all(column.kind == kind for kind, (column, _) in REGISTRY.items())
