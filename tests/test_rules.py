"""Columns by rule: patterns and kinds in place of names, products of many columns, and a model that keeps the names."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import PolynomialFeatures
from support.columnar import WAYS, made, whole

import fastsgd
from fastsgd import SGDClassifier
from fastsgd.cli import main
from fastsgd.sources import from_arrow, from_csv
from fastsgd.sources.rules import matching

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

N = 300
rng = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": rng.integers(18, 90, N).astype("f8"),
        "I1": rng.random(N),
        "I2": rng.random(N),
        "yes": rng.random(N) < 0.5,
        "C1": rng.choice(["a", "b"], N),
        "C2": rng.choice(["u", "v"], N),
        "day": pd.date_range("2024-01-01", periods=N),
        "user_id": np.arange(N) + 10**6,
    }
)
FRAME["y"] = (FRAME["I1"] > FRAME["I2"]).astype(int)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)


def columns(**options):
    return from_arrow(TABLE, target="y", **options).columns.features


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"columns": ["I*"]}, ["I1", "I2"]),
        ({"columns": ["?2", "age"]}, ["I2", "C2", "age"]),
        ({"columns": ["kind:number"]}, ["age", "I1", "I2", "user_id"]),
        ({"columns": ["kind:number"], "exclude": ["*_id"]}, ["age", "I1", "I2"]),
        ({"columns": ["kind:boolean", "kind:date", "C1"]}, ["yes", "day", "C1"]),
        ({"exclude": ["user_id", "kind:category", "[dy]*", "y"]}, None),
        ({"exclude": ["user_id", "kind:category", "d*", "y*"]}, ["age", "I1", "I2"]),
        ({"columns": ["kind:category"], "categorical_features": ["I*"]}, ["I1", "I2", "C1", "C2"]),
        ({"columns": ["*"], "exclude": ["kind:number"]}, ["yes", "C1", "C2", "day"]),
    ],
)
def test_columns_by_rule(options, found):
    if found is None:
        with pytest.raises(ValueError, match=r"exclude: '\[dy\]\*' fits no column"):
            columns(**options)
    else:
        assert columns(**options) == found


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"columns": ["Age*"]}, "columns: 'Age\\*' fits no column; there are .*Is it 'age'"),
        ({"exclude": ["ag"]}, "exclude: there is no column 'ag'; there are .*Is it 'age'"),
        (
            {"columns": ["kind:text"]},
            "'kind:text' means no column; the kinds of the columns are boolean, category, date, number",
        ),
        ({"columns": ["kind:words"]}, "'kind:words' must be one of kind:number, kind:category"),
        ({"columns": ["y*"], "target": ["yes", "y"]}, "columns: 'y\\*' fits no column"),
        ({"exclude": ["*"]}, "has no columns that are features"),
        ({"exclude": "age"}, "exclude must be a list of column names"),
        ({"categorical_features": ["Z*"]}, "categorical_features: 'Z\\*' fits no column"),
        ({"interactions": [("I*", "Z*")]}, "interactions: 'Z\\*' fits no column"),
        ({"interactions": [("I1*", "I1*")]}, "is the column 'I1' alone"),
        ({"polynomial": 3}, "polynomial must be None or 2"),
        ({"polynomial": 2, "bins": {"*": 3}, "exclude": ["yes"]}, "polynomial=2: 0 columns of numbers"),
        ({"polynomial": 2, "columns": ["C1"]}, "polynomial=2: 0 columns of numbers"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_with_an_offer(options, error):
    with pytest.raises(ValueError, match=error):
        from_arrow(TABLE, **{"target": "y", **options})


def test_a_column_that_is_called_so_is_meant_before_a_pattern():
    table = pa.table({"a*": [1.0], "ab": [2.0], "kind:number": [3.0], "y": [0]})
    assert from_arrow(table, target="y", columns=["a*"]).feature_names == ["a*"]
    assert from_arrow(table, target="y", columns=["a?"]).feature_names == ["a*", "ab"]
    assert from_arrow(table, target="y", exclude=["kind:number"]).feature_names == ["a*", "ab"]


def test_brackets_are_no_patterns():
    assert matching("columns", "x[0]*", ["x[0]1", "x01"], {}) == ["x[0]1"]


# ---------------------------------------------------------------- products
def test_a_pattern_makes_each_pair_of_different_columns_once():
    pairs = from_arrow(TABLE, target="y", interactions=[("I2", "I1"), ("?1", "?2"), ("age", "kind:category")]).reading
    expected = [("I2", "I1"), ("I1", "C2"), ("C1", "I2"), ("C1", "C2"), ("age", "C1"), ("age", "C2")]
    assert pairs["interactions"] == [list(pair) for pair in expected]
    many = pa.table({f"C{i}": ["a"] for i in range(40)} | {"list": [["a"]], "y": [0]})
    found = from_arrow(many, target="y", interactions=[("*", "*")]).reading["interactions"]
    assert [tuple(pair) for pair in found] == list(combinations([f"C{i}" for i in range(40)], 2))


def test_products_are_those_of_columns_by_name():
    by_rule = whole(
        from_arrow(TABLE, target="y", exclude=["day"], interactions=[("I*", "kind:category"), ("C*", "C*")])
    )[0]
    pairs = [("I1", "C1"), ("I1", "C2"), ("I2", "C1"), ("I2", "C2"), ("C1", "C2")]
    np.testing.assert_array_equal(by_rule, whole(from_arrow(TABLE, target="y", exclude=["day"], interactions=pairs))[0])


def test_too_many_products_are_refused():
    wide = pa.table({f"x{i}": [1.0] for i in range(150)})
    with pytest.raises(ValueError, match=r"interactions: .* are more than 10,000 pairs. Name fewer columns"):
        from_arrow(wide, interactions=[("*", "*")])
    with pytest.raises(
        ValueError, match="polynomial=2: 150 columns of numbers have 11,325 products, which must be from 1 to"
    ):
        from_arrow(wide, polynomial=2)
    assert from_arrow(wide.select(range(100)), polynomial=2).n_features == 100 + 5050


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("way", WAYS)
def test_polynomial_is_that_of_scikit_learn(way, dtype, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", columns=["kind:number", "yes"], polynomial=2, dtype=dtype)
    frame = FRAME[["age", "I1", "I2", "user_id", "yes"]].astype(dtype)
    by_hand = PolynomialFeatures(2, include_bias=False).fit(frame)
    words = [name.replace(" ", ":") for name in by_hand.get_feature_names_out()]
    assert source.feature_names == words
    np.testing.assert_allclose(whole(source)[0], by_hand.transform(frame), rtol=1e-6 if dtype == "f4" else 1e-15)


def test_products_are_not_made_twice_and_take_what_is_filled():
    table = pa.table({"a": [2.0, None], "b": [3.0, 5.0]})
    source = from_arrow(table, polynomial=2, interactions=[("b", "a")], fill_null=7.0, null_indicator=True)
    assert source.feature_names == ["a", "b", "a is null", "a^2", "b^2", "b:a"]
    np.testing.assert_array_equal(whole(source)[0], [[2, 3, 0, 4, 9, 6], [7, 5, 1, 49, 25, 35]])


# ---------------------------------------------------------------- a model keeps the names
@pytest.mark.parametrize("way", WAYS)
def test_a_model_follows_no_pattern_when_it_predicts(way, tmp_path):
    rules = {
        "columns": ["I*", "C?", "kind:date"],
        "exclude": ["user_*"],
        "interactions": [("C*", "C*"), ("I*", "kind:category")],
        "polynomial": 2,
        "dates": {"d*": "parts"},
    }
    est = SGDClassifier(learning_rate="auto", random_state=0).fit(from_arrow(TABLE, target="y", **rules))
    est.save(tmp_path / "m.safetensors")
    est = fastsgd.load(tmp_path / "m.safetensors")
    assert est.reading_["columns"] == ["I1", "I2", "C1", "C2", "day"] and "exclude" not in est.reading_
    expected = est.decision_function(from_arrow(TABLE))
    more = TABLE.append_column("I9", pa.array(rng.random(N))).append_column("C9", pa.array(["x"] * N))
    more = more.append_column("done", TABLE["day"])
    np.testing.assert_allclose(est.decision_function(made(way, more, tmp_path)), expected, rtol=1e-4)
    np.testing.assert_allclose(est.decision_function(made(way, TABLE, tmp_path, **rules)), expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"exclude": ["C*"]}, "exclude: 'C1' was a feature in training"),
        ({"columns": ["I*"]}, r"columns=\['I1', 'I2'\], in training it was"),
        ({"interactions": [("I*", "C*")]}, "interactions=.*in training it was"),
        ({"polynomial": 2}, "polynomial=2, in training it was None"),
    ],
)
def test_rules_that_contradict_the_training_are_refused(options, error):
    est = SGDClassifier(learning_rate="auto").fit(from_arrow(TABLE, target="y", columns=["I*", "C*"]))
    with pytest.raises(ValueError, match=error):
        est.predict(from_arrow(TABLE, **options))
    est.predict(from_arrow(TABLE, exclude=["day", "user_*"], columns=["I*", "C*"]))


@pytest.mark.parametrize(
    "rules",
    [
        {"columns": ["kind:boolean", "kind:number"]},
        {"exclude": ["kind:boolean"], "fill_null": {"kind:number": "mean"}},
        {"exclude": ["kind:number"], "interactions": [("kind:boolean", "C*")], "null_indicator": True},
    ],
)
def test_what_trains_a_model_reads_data_for_it(rules):
    rules = {"target": "y", **rules}
    est = SGDClassifier(learning_rate="auto").fit(from_arrow(TABLE, **rules), X_val=from_arrow(TABLE, **rules))
    expected = est.decision_function(from_arrow(TABLE))
    np.testing.assert_array_equal(est.decision_function(from_arrow(TABLE, **rules)), expected)
    est.partial_fit(from_arrow(TABLE, **rules))


# ---------------------------------------------------------------- CSV and the command
def test_rules_in_csv_are_of_what_the_columns_are(tmp_path):
    path = tmp_path / "t.csv"
    lines = "".join(f"{i % 2},{i},0{i % 7}234,{'?' if i == 5 else i},2024-01-{i % 28 + 1:02}\n" for i in range(200))
    path.write_text("y,n,zip,odd,day\n" + lines)
    source = from_csv(
        path, target="y", exclude=["odd", "kind:date"], categorical_features=["z*"], categorical="one-hot"
    )
    assert source.feature_names == ["n", *(f"zip=0{i}234" for i in range(7))]
    source.warn()  # Nothing is said of columns that are no features.
    assert from_csv(path, target="y", columns=["kind:date"], dates="days").feature_names == ["day.days"]


def test_the_command_takes_rules(tmp_path, capsys):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    data, model = str(tmp_path / "t.parquet"), str(tmp_path / "m.safetensors")
    train = ["train", data, "--target", "y", "--model", model, "-q", "--categorical", "one-hot"]
    rules = ["--columns", "I*", "--columns", "kind:category", "--interactions", "C*:C*"]
    assert main([*train, *rules, "--interactions", "I1:kind:category", "--polynomial", "2"]) == 0
    same = from_arrow(
        TABLE,
        target="y",
        columns=["I1", "I2", "C1", "C2"],
        categorical="one-hot",
        polynomial=2,
        interactions=[("C1", "C2"), ("I1", "C1"), ("I1", "C2")],
    )
    assert list(fastsgd.load(model).feature_names_in_) == same.feature_names
    assert main(["predict", data, "--model", model, "--output", str(tmp_path / "p.csv")]) == 0
    assert main([*train, "--exclude", "kind:category", "--exclude", "day"]) == 0
    assert list(fastsgd.load(model).feature_names_in_) == ["age", "I1", "I2", "yes", "user_id"]
    booleans = ["--columns", "kind:boolean", "--columns", "kind:date"]
    assert main([*train, *booleans, "--valid", data]) == 0
    assert main(["evaluate", data, "--model", model, *booleans]) == 0
    capsys.readouterr()
    assert main([*train, "--exclude", "user"]) == 1
    assert "--exclude: there is no column 'user'" in " ".join(capsys.readouterr().err.split())
