"""What is wrong in one of many files is said with the file, the row, and the column."""

import gzip
import re
import warnings

import numpy as np
import pytest
from sklearn.base import clone

from fastsgd import LinearRegressor, SGDClassifier, SGDRegressor
from fastsgd.sources import from_arrow, from_batches, from_csv, from_npy, from_parquet, from_svmlight

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pc  # noqa: E402
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402


def write_arrow(table, path):
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    "est", [SGDRegressor(), SGDClassifier(), LinearRegressor()], ids=lambda est: type(est).__name__
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "kind, part",
    [(kind, part) for kind in ("npy", "parquet", "arrow", "csv") for part in ("X", "y", "weight")]
    + [("svmlight", "X"), ("svmlight", "y")],  # which has no weights
)
def test_what_is_not_finite_is_found_by_its_file_and_row(kind, part, value, est, tmp_path):
    rng = np.random.default_rng(0)
    for k in range(3):
        data = {"X": rng.standard_normal((40, 3)), "y": np.arange(40) % 2.0, "weight": np.ones(40)}
        if k == 1:
            data[part][(7, 2) if part == "X" else 7] = value
        table = pa.table({"y": data["y"], "weight": data["weight"], **dict(zip("abc", data["X"].T, strict=True))})
        path = tmp_path / f"{k}.{kind}"
        if kind == "npy":
            for name, array in data.items():
                np.save(tmp_path / f"{name}{k}.npy", array)
        elif kind == "svmlight":
            rows = zip(data["y"], data["X"], strict=True)
            path.write_text("".join(f"{y} 1:{a} 2:{b} 3:{c}\n" for y, (a, b, c) in rows))
        else:
            {"parquet": pq.write_table, "arrow": write_arrow, "csv": pc.write_csv}[kind](table, path)
    name = f"{part}1.npy" if kind == "npy" else f"1.{kind}"
    where = r":8:" if kind == "svmlight" else r".*(\bat (row )?7\b|row 9,)"
    column = {"svmlight": "nan|inf", "npy": "column 2"}.get(kind, "'c'") if part == "X" else ""
    for memory in (3000, "256MB"):  # in several buffers, and in one
        if memory == 3000 and isinstance(est, LinearRegressor):
            continue
        if kind == "npy":
            source = from_npy(*(str(tmp_path / f"{name}?.npy") for name in ("X", "y", "weight")))
        elif kind == "svmlight":
            source = from_svmlight(tmp_path)
        else:
            make = {"parquet": from_parquet, "arrow": from_arrow, "csv": from_csv}[kind]
            source = make(tmp_path, target="y", weight="weight")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of rows that come in order only
            with pytest.raises(ValueError, match=re.escape(name) + where) as caught:
                clone(est).set_params(max_iter=2).fit(source.buffered(memory))
        assert re.search(column, str(caught.value))


def test_the_row_of_a_later_block_is_counted_from_where_that_begins(tmp_path):
    lines = ["a,b,y"] + ["1,2,0", "3,4,1"] * 500
    lines[800] = "inf,2,0"
    (tmp_path / "x.csv").write_text("\n".join(lines))
    source = from_csv(tmp_path, target="y", block_bytes=1000)
    with pytest.raises(
        ValueError, match=r"x.csv, from row \d+\): X contains infinity.*\(at row \d+ of the block"
    ) as caught:
        SGDRegressor().fit(source)
    assert sum(map(int, re.findall(r"row (\d+)", str(caught.value)))) == 799
    lines[800] = "1,,0"
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(
        ValueError, match=r"column 'b' of .*x.csv, from row \d+: 1 of .* null, the first at \d+"
    ) as caught:
        SGDRegressor().fit(from_csv(tmp_path, target="y", block_bytes=1000))
    assert sum(map(int, re.findall(r"(?:row|first at) (\d+)", str(caught.value)))) == 799


def test_an_empty_csv_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x.csv is empty, without even a header"):
        from_csv(tmp_path / "x.csv", target="y")


@pytest.mark.parametrize("text", [b"a;b;y\n1;2;0\n", "a,b,y\n1,2,0\n".encode("utf-16")])
def test_other_delimiters_and_utf_16_are_found(text, tmp_path):
    (tmp_path / "x.csv").write_bytes(text)
    assert from_csv(tmp_path / "x.csv", target="y").feature_names == ["a", "b"]


def test_a_csv_file_that_lacks_a_column_of_the_first(tmp_path):
    """It is said before anything is read, not after the hours that the files before it take."""
    (tmp_path / "1.csv").write_text("a,b,y\n1,2,0\n")
    (tmp_path / "2.csv").write_text('\ufeff\n"y","b",a\n1,2,0\n', encoding="utf-8")
    with gzip.open(tmp_path / "3.csv.gz", "wt") as file:
        file.write("a,y\n1,1\n")
    assert from_csv(tmp_path, target="y", columns=["a"]).n_features == 1
    with pytest.raises(ValueError, match=r"3.csv.gz has no column 'b', it has .* All files must"):
        from_csv(tmp_path, target="y")


def test_a_batch_with_other_columns_than_the_first():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "word": ["x", "y"]})
    for names, words in ((["b", "a"], "batch 1 has other columns than the first: 'b' in place of 'a'"),):
        source = from_batches(lambda names=names: iter([(table[["a", "b"]], [0, 1]), (table[names], [0, 1])]))
        with pytest.raises(ValueError, match=words):
            SGDClassifier().fit(source)
    with pytest.raises(ValueError, match=r"batch 0: could not convert string to float: 'x'"):
        from_batches(lambda: iter([(table, [0, 1])]))
    once = iter([(table[["a", "b"]], [0, 1])])
    with pytest.raises(ValueError, match="the source has no rows; each of its passes must begin anew"):
        SGDClassifier().fit(from_batches(lambda: once))
