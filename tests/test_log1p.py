"""Columns of numbers whose logarithm is the feature, and that `inspect` says which should be."""

import numpy as np
import pytest
from support.columnar import WAYS, made, whole

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.cli import main
from fastsgd.sources import from_arrow

pa = pytest.importorskip("pyarrow")

N = 2000
rng = np.random.default_rng(0)
SIZE, COUNT, X = np.exp(1.5 * rng.standard_normal(N)), rng.geometric(0.01, N), rng.standard_normal(N)
TABLE = pa.table(
    {
        "size": SIZE,
        "count": pa.array(COUNT, mask=rng.random(N) < 0.1),
        "x": X,
        "city": rng.choice(["Bonn", "Trier"], N),
        "y": np.log(SIZE) + X + 0.1 * rng.standard_normal(N),
    }
)
OPTIONS = {"target": "y", "fill_null": "mean", "log1p": ["size", "count"]}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "reader"])
def test_the_logarithm_is_the_feature(way, tmp_path):
    source = made(way, TABLE, tmp_path, columns=["size", "x"], target="y", log1p=["size"])
    assert source.feature_names == ["log1p(size)", "x"]
    np.testing.assert_allclose(whole(source)[0], np.column_stack([np.log1p(SIZE), X]), rtol=1e-5)


def test_numbers_below_0_have_that_of_their_size():
    found = from_arrow(pa.table({"a": [-3.0, 0.0, 3.0]}), log1p=["a"]).read(0).X
    np.testing.assert_allclose(found[:, 0], [-np.log(4), 0, np.log(4)], rtol=1e-6)


def test_what_stands_for_nulls():
    """The mean of the logarithms; or a number of the column itself."""
    missing = TABLE["count"].is_null().to_numpy()
    logs = np.log1p(COUNT[~missing])
    for fill, value in (("mean", logs.mean()), ("median", np.median(logs)), (9.0, np.log(10))):
        found = from_arrow(TABLE, **OPTIONS | {"fill_null": fill, "columns": ["count"], "log1p": ["count"]}).read(0).X
        np.testing.assert_allclose(found[missing, 0], value, rtol=1e-6)
    with pytest.raises(ValueError, match=r"'count'.* null"):
        from_arrow(TABLE, **OPTIONS | {"fill_null": None}).read(0)


@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
def test_rows_one_at_a_time_files_and_other_data_have_the_same(categorical, tmp_path):
    pairs = [("size", "x"), ("city", "count")]
    source = from_arrow(TABLE, **OPTIONS, categorical=categorical, interactions=pairs, null_indicator=True)
    reg = SGDRegressor(learning_rate="auto", random_state=0).fit(source)
    assert reg.score(source) > 0.85
    reg.save(tmp_path / "m.safetensors")
    again = fastsgd.load(tmp_path / "m.safetensors")
    assert again.reading_["log1p"] == ["size", "count"]
    predictor, expected = again.predictor(), reg.predict(source)
    np.testing.assert_allclose([predictor(row) for row in TABLE.to_pylist()], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(again.predict(from_arrow(TABLE)), expected)
    np.testing.assert_array_equal(again.predict(from_arrow(TABLE, log1p=["count", "siz*"])), expected)
    with pytest.raises(ValueError, match=r"log1p=\['size'\], in training it was"):
        again.predict(from_arrow(TABLE, log1p=["size"]))
    with pytest.raises(ValueError, match="log1p"):
        SGDRegressor(learning_rate="auto").fit(from_arrow(TABLE, **OPTIONS | {"log1p": ()})).predict(
            from_arrow(TABLE, log1p=["size"])
        )


@pytest.mark.parametrize(
    "given, said",
    [
        ({"log1p": ["city"]}, "log1p: 'city' is no feature of numbers"),
        ({"log1p": ["siz"]}, "log1p: 'siz' is no feature of numbers.* 'size'"),
        ({"log1p": ["size"], "bins": {"size": 3}}, "log1p: 'size' is cut into bins"),
        ({"log1p": "size"}, "log1p must be a list of column names"),
    ],
)
def test_columns_that_have_no_logarithm_are_named(given, said):
    with pytest.raises(ValueError, match=said):
        from_arrow(TABLE, target="y", fill_null=0, **given)


# ---------------------------------------------------------------- what inspect says
def tails(n=20_000):
    r = np.random.default_rng(1)
    heavy = {
        "price": np.exp(r.standard_normal(n)),
        "visits": r.zipf(2.0, n),
        "bytes": np.exp(2 * r.standard_normal(n)) * 1e6,
    }
    usual = {
        "normal": r.standard_normal(n),
        "uniform": r.random(n),
        "waiting": r.exponential(1, n),
        "rare": (r.random(n) < 0.01).astype(int),
        "outcome": r.standard_cauchy(n),
        "few": r.poisson(0.1, n),
    }
    return heavy, usual, r


def test_columns_of_heavy_tail_are_named_and_others_not():
    heavy, usual, _ = tails()
    table = pa.table({**heavy, **usual})
    noted = [c.name for c in from_arrow(table).columns_ if "log1p=" in c.note]
    assert noted == list(heavy)
    assert not any(c.note for c in from_arrow(table, log1p=list(heavy)).columns_)


def test_the_advice_helps_where_the_effect_is_one_of_proportions():
    heavy, usual, r = tails()
    z = sum((np.log(x) - np.log(x).mean()) / np.log(x).std() for x in heavy.values())
    y = (r.random(len(z)) < 1 / (1 + np.exp(-z))).astype(int)
    table = pa.table({**heavy, "normal": usual["normal"], "y": y})
    fit, held = table[:15_000], table[15_000:]
    advised = [c.name for c in from_arrow(fit, target="y").columns_ if "log1p=" in c.note]
    scores = []
    for columns in ([], advised):
        source = from_arrow(fit, target="y", log1p=columns)
        clf = SGDClassifier("log_loss", learning_rate="auto", max_iter=1, tol=None, random_state=0).fit(source)
        scores.append(clf.score(from_arrow(held, target="y", log1p=columns)))
    assert advised == list(heavy) and scores[1] > scores[0] + 0.02


def test_inspect_and_train_say_it_in_flags(tmp_path, capsys):
    import pyarrow.parquet as pq

    path = tmp_path / "t.parquet"
    pq.write_table(TABLE, path)
    how = ["--target", "y", "--task", "regression", "--model", str(tmp_path / "m.safetensors")]
    for command in (["inspect", str(path)], ["train", str(path), *how]):
        assert main(command) == 0
        assert "--log1p size" in " ".join("".join(capsys.readouterr()).split())
    assert main(["train", str(path), *how, "--log1p", "size"]) == 0
    assert main(["inspect", str(path), "--log1p", "size"]) == 0
    assert "log1p(size)" in capsys.readouterr().out
