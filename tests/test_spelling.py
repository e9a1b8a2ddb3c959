"""Categories are spelled as in the fit, wherever they come from: indexes, codes, nulls, quotes."""

import numpy as np
import pandas as pd
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from support.reading import STEADY, A, N, pa, written

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier
from fastsgd.sources import from_arrow, from_csv, from_parquet

# ---------------------------------------------------------------- spelling
VALUES = {
    "flag": pa.array(np.arange(N) % 3 == 0),
    "code": pa.array(np.arange(N) % 3),
    "half": pa.array(np.arange(N) % 3 / 2),
    "day": pa.array(np.datetime64("2024-02-28") + np.arange(N) % 3),
    "hour": pa.array(np.datetime64("2024-02-28T22", "us") + np.arange(N) % 3 * np.timedelta64(1, "h")),
    "zip": pa.array([f"{i % 3:03}" for i in range(N)]),
    "name": pa.array([["x", "y", "true"][i % 3] for i in range(N)]),
}
CATEGORIES = pa.table({**VALUES, "y": np.arange(N) % 3 == 0})
WRITERS = {
    "pandas": lambda table, path: table.to_pandas().to_csv(path, index=False),
    "pyarrow": pc.write_csv,
    "R": lambda table, path: table.to_pandas().replace({True: "TRUE", False: "FALSE"}).to_csv(path, index=False),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
@pytest.mark.parametrize("name", VALUES)
def test_categories_are_spelled_alike_in_csv_and_parquet(name, categorical, writer, tmp_path):
    table = CATEGORIES.select([name, "y"])
    WRITERS[writer](table, tmp_path / "t.csv")
    pq.write_table(table, tmp_path / "t.parquet")
    pq.write_table(table.set_column(0, name, table[name].dictionary_encode()), tmp_path / "d.parquet")
    sources = {
        file: (from_csv if file.endswith("csv") else from_parquet)(
            tmp_path / file, target="y", categorical=categorical, categorical_features=[name], n_hashed=1024
        )
        for file in ("t.csv", "t.parquet", "d.parquet")
    }
    for train in sources.values():
        est = LinearClassifier("log_loss").fit(train)
        for test in ("t.csv", "t.parquet", "d.parquet"):
            assert est.score(sources[test]) == 1
            read = from_csv if test.endswith("csv") else from_parquet
            assert est.score(read(tmp_path / test, target="y", **est.reading_)) == 1


def test_a_model_of_integers_reads_csv_with_leading_zeros(tmp_path):
    codes = np.arange(N) % 30
    pq.write_table(pa.table({"zip": codes, "y": codes < 5}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("zip,y\n" + "".join(f"{c:05},{c < 5}\n" for c in codes))
    how = {"target": "y", "categorical_features": ["zip"], "categorical": "one-hot"}
    est = LinearClassifier("log_loss").fit(from_parquet(tmp_path / "t.parquet", **how))
    assert est.score(from_csv(tmp_path / "t.csv", **how)) == 1
    est = LinearClassifier("log_loss").fit(from_csv(tmp_path / "t.csv", **how))
    assert est.feature_names_in_[:2].tolist() == ["zip=00000", "zip=00001"]
    with pytest.raises(ValueError, match="column 'zip' is of type int64, in training it was text"):
        est.score(from_parquet(tmp_path / "t.parquet", **how))


def test_integers_with_missing_values_are_the_same_categories():
    whole, gaps = pd.DataFrame({"k": [1, 2, 3]}), pd.DataFrame({"k": [1.0, None, 3.0]})
    one, other = (
        from_arrow(frame, categorical_features=["k"], categorical="one-hot", categories={"k": [1, 2, 3]})
        for frame in (whole, gaps)
    )
    assert one.feature_names == other.feature_names == ["k=1", "k=2", "k=3"]
    assert other.read(0).X.toarray().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("number", [0, -7, 2**62, 1.5, -0.25, 1e30, 1e-30])
def test_any_number_is_spelled_by_its_value(number, tmp_path):
    typed = pa.array([number])
    (tmp_path / "t.csv").write_text(f"k\n{number}\n")
    name = [from_arrow(pa.table({"k": typed}), categorical_features=["k"], categorical="one-hot").feature_names[0]]
    assert from_csv(tmp_path / "t.csv", categorical_features=["k"], categorical="one-hot").feature_names == name


# ---------------------------------------------------------------- index, codes, nulls, quotes


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(np.arange(N), name="user_id"),
        pd.Index(np.arange(N)[::-1]),
        None,
        pd.MultiIndex.from_product([range(N // 2), ["a", "b"]], names=["k", None]),
    ],
    ids=["named", "unnamed", "range", "multi"],
)
def test_the_index_of_pandas_is_no_feature(index, tmp_path):
    frame = pd.DataFrame({"x": A, "y": A > 0}, index=index)
    frame.to_parquet(tmp_path / "t.parquet")
    frame.reset_index(drop=True).to_feather(tmp_path / "t.feather")
    for source in (
        from_parquet(tmp_path / "t.parquet", target="y"),
        from_arrow(frame, target="y"),
        from_arrow(tmp_path / "t.feather", target="y"),
    ):
        assert source.feature_names == ["x"]
    if index is not None and index.name:
        assert from_parquet(tmp_path / "t.parquet", columns=["x", "user_id"]).feature_names == ["x", "user_id"]
        assert from_parquet(tmp_path / "t.parquet", columns=["x"], target="user_id").read(0).y.tolist() == list(
            range(N)
        )


def test_numbers_with_leading_zeros_are_warned_of(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("zip,n,y\n" + "12345,3,0\n01234,0,1\n" * 50)
    source = from_csv(path, target="y")
    assert source.feature_names == ["zip", "n"]
    leading = r"column 'zip' has numbers with leading zeros, such as '01234', .*categorical_features=\['zip'\] or column_types"
    for call, how in (
        (SGDClassifier(**STEADY).fit, {}),
        (SGDClassifier(**STEADY).partial_fit, {"classes": [0, 1]}),
        (LinearRegressor().fit, {}),
    ):
        with pytest.warns(UserWarning, match=leading) as caught:
            call(source, **how)
        assert [w.filename for w in caught] == [__file__]
    kept = from_csv(path, target="y", column_types={"zip": "string"})
    est = SGDClassifier(**STEADY).fit(kept, X_val=source)  # they are read as in training, and so without a warning
    assert est.score(source) == 1.0
    for how in ({"column_types": {"zip": "string"}}, {"categorical_features": ["zip"]}):
        assert from_csv(path, target="y", categorical="one-hot", **how).categories == {"zip": ["01234", "12345"]}
    assert from_csv(path, target="y", column_types={"zip": "int64"}).feature_names == ["zip", "n"]
    assert from_csv(path, target="y", columns=["n"]).feature_names == ["n"]


@pytest.mark.parametrize("cell", [" 01234", "01234 ", " -01 "])
def test_spaces_hide_no_leading_zeros(cell, tmp_path):
    (tmp_path / "t.csv").write_text(f"zip,n,y\n12345,3,0\n{cell},0,1\n")
    with pytest.warns(UserWarning, match="column 'zip' has numbers with leading zeros"):
        SGDClassifier(**STEADY).fit(from_csv(tmp_path / "t.csv", target="y"))


@pytest.mark.parametrize("dtype", ["string", "large_string", "dictionary"])
def test_a_word_that_may_stand_for_nothing_is_a_category_in_csv_as_in_parquet(dtype, tmp_path):
    country = ["NA", "DE", "null", "", "nan"]  # NA is Namibia
    dtype = pa.dictionary(pa.int32(), pa.string()) if dtype == "dictionary" else dtype
    text = "".join(f'"{word}",{number},{number}\n' for number, word in enumerate(country))
    (tmp_path / "t.csv").write_text("c,x,y\n" + text)
    table = pa.table({"c": [word or None for word in country], "x": range(5), "y": range(5)})
    pq.write_table(table, tmp_path / "t.parquet")
    csv = from_csv(tmp_path / "t.csv", target="y", categorical="one-hot", column_types={"c": dtype})
    parquet = from_parquet(tmp_path / "t.parquet", target="y", categorical="one-hot")
    assert csv.feature_names == parquet.feature_names == ["x", "c=DE", "c=NA", "c=nan", "c=null"]
    assert (next(csv.blocks()).X != next(parquet.blocks()).X).nnz == 0
    est = LinearRegressor(alpha=1e-9).fit(parquet)
    assert est.score(from_csv(tmp_path / "t.csv", target="y")) > 0.999


def test_a_word_for_nothing_stays_one_among_numbers_and_targets(tmp_path):
    (tmp_path / "t.csv").write_text("n,b,x,y\n7,true,1,no\nNA,NA,2,yes\n")
    source = from_csv(tmp_path / "t.csv", target="y", categorical="one-hot", categorical_features=["n", "b"])
    assert source.feature_names == ["x", "n=7", "b=true"]
    (tmp_path / "t.csv").write_text("x,y\nNA,no\n2,yes\n")
    with pytest.raises(ValueError, match=r"column 'x' of .*1 of 2 values are null"):
        next(from_csv(tmp_path / "t.csv", target="y").blocks())
    (tmp_path / "t.csv").write_text("x,y\n1,no\n2,NA\n")
    with pytest.raises(ValueError, match=r"target 'y' of .*1 of 2 values are null"):
        next(from_csv(tmp_path / "t.csv", target="y").blocks())


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_header_alone_says_nothing_of_types(end, tmp_path):
    (tmp_path / "1.csv").write_text(f"w,a,y{end}")
    (tmp_path / "2.csv").write_text("y,a,w\n1,2.5,x\n0,3,y\n")
    source = from_csv(tmp_path, target="y", categorical="one-hot")
    assert source.feature_names == ["a", "w=x", "w=y"] and sum(len(rows.y) for rows in source.blocks()) == 2
    assert LinearRegressor().fit(source).n_features_in_ == 3


@pytest.mark.parametrize("way", ["parquet", "arrow"])
@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
def test_a_column_that_is_all_null_in_one_file_has_the_type_of_another(way, categorical, tmp_path):
    words = {"w": ["x", "y"], "l": [["p"], ["q", "p"]], "a": [1.0, 2.0]}
    absent = {name: pa.nulls(2) for name in words}
    for number, columns in enumerate([absent, words, absent]):
        written(pa.table({**columns, "y": [0, 1]}), tmp_path, way, str(number))
    source = {"parquet": from_parquet, "arrow": from_arrow}[way](
        tmp_path, target="y", categorical=categorical, fill_null=0.0, n_hashed=64
    )
    X = np.concatenate([rows.X.toarray() for rows in source.blocks()])
    assert abs(X).sum(axis=1).tolist() == [0, 0, 3, 5, 0, 0]
    if categorical == "one-hot":
        assert source.feature_names == ["a", "w=x", "w=y", "l=p", "l=q"]


def test_newlines_in_quotes_may_lie_where_a_block_ends(tmp_path):
    text = "y,x,text\n" + "".join(f'{i % 2},{i},"line one\nline two\n{"w" * 50}"\n' for i in range(2000))
    (tmp_path / "t.csv").write_text(text)
    rows = list(from_csv(tmp_path / "t.csv", target="y", columns=["x"], block_bytes=4096).blocks())
    assert np.concatenate([part.X.ravel() for part in rows]).tolist() == list(range(2000))
    (tmp_path / "t.csv").write_text('y,x\n1,"2\n' + "1,2\n" * 3000)
    with pytest.raises(ValueError, match=r"t\.csv .*look for a quote that is never closed"):
        list(from_csv(tmp_path / "t.csv", target="y", block_bytes=4096).blocks())


def test_the_nearest_columns_are_named(tmp_path):
    table = pa.table({f"feature_{i}": [1.0] for i in range(300)} | {"Price": [1.0], "y": [0]})
    for options in (
        {"target": "price"},
        {"target": "y", "columns": ["Prise"]},
        {"weight": "pric"},
        {"categorical_features": ["PRICE"]},
    ):
        with pytest.raises(ValueError, match=r"has 302 columns\. Is it 'Price'\?"):
            from_arrow(table, **options)
    pc.write_csv(table, tmp_path / "1.csv")
    with pytest.raises(ValueError, match=r"column_types: there is no column 'prices' .*Is it 'Price'\?"):
        from_csv(tmp_path, column_types={"prices": "float64"})
    pc.write_csv(table.rename_columns([name.lower() for name in table.column_names]), tmp_path / "2.csv")
    with pytest.raises(ValueError, match=r"2\.csv has no column 'Price', it has 302 columns\. Is it 'price'\?"):
        from_csv(tmp_path)
    with pytest.raises(ValueError, match=r"it has 'feature_0', .*, 'feature_9' and 292 others"):
        from_arrow(table, target="zzz")
