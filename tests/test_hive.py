"""Folders whose names hold columns, country=DE/part-0.parquet: the columns are those that pyarrow.dataset finds."""

import numpy as np
import pytest

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.sources import from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.dataset as ds  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

STEADY = {"learning_rate": "auto", "max_iter": 2, "tol": None, "shuffle": False}


@pytest.fixture
def clicks(tmp_path):
    """Sixty rows in folders by country and year."""
    rng = np.random.default_rng(0)
    country, year = rng.choice(["DE", "FR", "São Tomé"], 60), rng.choice([2024, 2025], 60)
    table = pa.table({"a": rng.standard_normal(60), "y": np.arange(60) % 2, "country": country, "year": year})
    folder = tmp_path / "run=7" / "clicks"
    ds.write_dataset(table, folder, format="parquet", partitioning=["country", "year"], partitioning_flavor="hive")
    return folder


def as_pyarrow_reads(folder, *columns):
    """Those columns of all files in the order of their names."""
    data = ds.dataset(sorted(map(str, folder.rglob("*.parquet"))), format="parquet", partitioning="hive")
    return data.to_table(columns=list(columns)).to_pydict()


@pytest.mark.parametrize("pattern", ["", "*/*/*.parquet", "country=*/"])
def test_keys_are_columns_as_pyarrow_makes_them(clicks, pattern):
    source = from_parquet(str(clicks / pattern), target="y", categorical="one-hot")
    expected = as_pyarrow_reads(clicks, "a", "country", "year", "y")
    assert source.feature_names == ["a", "year", "country=DE", "country=FR", "country=São Tomé"]
    X = np.concatenate([rows.X.toarray() for rows in source.blocks()])
    np.testing.assert_array_equal(X[:, 0], np.float32(expected["a"]))
    np.testing.assert_array_equal(X[:, 1], expected["year"])
    for j, name in enumerate(["DE", "FR", "São Tomé"], 2):
        np.testing.assert_array_equal(X[:, j], [country == name for country in expected["country"]])
    assert np.concatenate([y for y, _ in source.targets()]).tolist() == expected["y"]


@pytest.mark.parametrize(
    "values",
    [["1", "2"], ["01", "-2"], ["+5", "2"], ["1.5"], ["99999999999", "1"], ["1", "x"], ["a%20b", "S%C3%A3o", "a=b"]],
)
def test_types_of_keys(values, tmp_path):
    for number, value in enumerate([*values, "__HIVE_DEFAULT_PARTITION__"]):
        (tmp_path / f"k={value}").mkdir()
        pq.write_table(pa.table({"a": [float(number)]}), tmp_path / f"k={value}" / "part.parquet")
    expected = as_pyarrow_reads(tmp_path, "a", "k")["k"]
    if isinstance(expected[0] or expected[1], int):
        source = from_parquet(tmp_path, fill_null=-1.0)
        assert [rows.X[0, 1] for rows in source.blocks()] == [-1 if k is None else k for k in expected]
    else:
        source = from_parquet(tmp_path, categorical="one-hot")
        assert source.categories["k"] == sorted(k for k in expected if k is not None)
        for rows, k in zip(source.blocks(), expected, strict=True):
            assert rows.X.toarray()[0, 1:].tolist() == [k == name for name in source.categories["k"]]


def test_keys_as_targets_weights_and_categories(clicks):
    source = from_parquet(clicks, target="country", weight="year", columns=["a"])
    expected = as_pyarrow_reads(clicks, "a", "country", "year")
    y, weight = (np.concatenate(part) for part in zip(*source.targets(), strict=True))
    assert y.tolist() == expected["country"] and weight.tolist() == expected["year"]
    clf = SGDClassifier(**STEADY).fit(source.buffered(6000))
    assert clf.classes_.tolist() == ["DE", "FR", "São Tomé"] and clf.n_features_in_ == 1
    source = from_parquet(clicks, columns=["year"], categorical="one-hot", categorical_features=["year"])
    assert source.feature_names == ["year=2024", "year=2025"] and sum(rows.X.nnz for rows in source.blocks()) == 60


def test_the_keys_above_a_folder_are_columns_where_they_are_named(clicks, monkeypatch):
    one = clicks / "country=DE"
    assert from_parquet(one).feature_names is None or "country" not in from_parquet(one).reading["columns"]
    assert from_parquet(clicks, columns=["a", "run"]).read(0).X[0, 1] == 7
    train = from_parquet(clicks, target="y", categorical="one-hot")
    reg = SGDRegressor(**STEADY).fit(train)
    (file,) = one.glob("year=2024/*.parquet")
    for path in (one, file):  # as they were in training, by the names of the columns
        found = reg.predict(from_parquet(path, **reg.reading_))
        assert np.isin(found, reg.predict(train)).all()
    monkeypatch.chdir(one)
    assert from_parquet(".", categorical="one-hot", columns=["country"]).feature_names == ["country=DE"]
    with pytest.raises(ValueError, match="columns must be a list of column names, got 3"):
        from_parquet(clicks, columns=3)
    with pytest.raises(ValueError, match="there is no column 'city' in"):
        from_parquet(clicks, columns=["a", "city"])


def test_what_the_file_holds_itself_is_read_from_it(tmp_path):
    (tmp_path / "a=5").mkdir()
    pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "a=5" / "x.parquet")
    assert from_parquet(tmp_path).read(0).X.tolist() == [[1], [2]]


def test_a_checkpoint_of_other_keys_is_refused(clicks, tmp_path):
    def fit(**how):
        source = from_parquet(clicks, target="y").buffered(6000)
        return SGDRegressor(**STEADY, callbacks=fastsgd.Checkpoint(tmp_path / "c")).fit(source, **how)

    fit()
    fit(resume_from=tmp_path / "c")
    (clicks / "country=DE").rename(clicks / "country=DK")
    with pytest.raises(ValueError, match="DK"):
        fit(resume_from=tmp_path / "c")
