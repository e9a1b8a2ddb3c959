"""Missing values of tables: what stands for them, the features that say so, and rows without a target."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from support.columnar import WAYS, made, whole

import fastsgd
from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor
from fastsgd.cli import main
from fastsgd.sources import from_arrow, from_csv, from_parquet, predict_batches

pa = pytest.importorskip("pyarrow")

N = 1000
rng = np.random.default_rng(0)
FRAME = pd.DataFrame({"a": rng.normal(5, 2, N), "b": rng.integers(0, 4, N), "full": rng.random(N), "y": rng.random(N)})
LACKS = {name: rng.random(N) < share for name, share in (("a", 0.2), ("b", 0.05))}
COLUMNS = {
    name: pa.array(values, mask=LACKS.get(name)) for name, values in ((name, FRAME[name].to_numpy()) for name in FRAME)
}
TABLE = pa.table(COLUMNS)
ARRAY = FRAME[["a", "b", "full"]].to_numpy(float)
ARRAY[LACKS["a"], 0] = ARRAY[LACKS["b"], 1] = np.nan
AGAIN = [way for way in WAYS if way != "reader"]


def imputed(strategy, **options):
    return SimpleImputer(strategy=strategy, **options).fit_transform(ARRAY)


# ---------------------------------------------------------------- what stands for them
@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent"])
@pytest.mark.parametrize("way", AGAIN)
def test_fills_and_indicators_are_those_of_simple_imputer(way, strategy, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", fill_null=strategy, null_indicator=True)
    assert source.feature_names == ["a", "b", "full", "a is null", "b is null"]
    np.testing.assert_allclose(whole(source)[0], imputed(strategy, add_indicator=True), rtol=1e-6)
    source = made(way, TABLE, tmp_path, target="y", fill_null=strategy, dtype="f8")
    np.testing.assert_allclose(whole(source)[0], imputed(strategy), rtol=1e-12 if way not in ("csv", "gzip") else 1e-9)


def test_fills_are_said_by_column_or_by_pattern():
    fills = {"b": "most_frequent", "a": 7, "f*": 1}
    X = from_arrow(TABLE, target="y", fill_null=fills).read(0).X
    expected = np.where(np.isnan(ARRAY), [7, FRAME["b"][~LACKS["b"]].mode()[0], np.nan], ARRAY)
    np.testing.assert_allclose(X, expected, rtol=1e-6)
    named = from_arrow(TABLE, target="y", fill_null={"?": "mean"}).reading["learnt"]
    assert named == from_arrow(TABLE, target="y", columns=["a", "b"], fill_null="mean").reading["learnt"]


def test_nan_is_filled_as_null_is_and_infinity_does_not_change_a_mean():
    table = pa.table({"a": [1.0, None, np.nan, 4.0, np.inf, -np.inf], "b": [True, True, None, False, None, None]})
    for word, a, b in (("mean", 2.5, 2 / 3), ("median", 2.5, 1.0), ("most_frequent", 1.0, 1.0)):
        source = from_arrow(table, fill_null=word, null_indicator=True, dtype="f8")
        expected = [[1, 1, 0, 0], [a, 1, 1, 0], [a, b, 1, 1], [4, 0, 0, 0], [np.inf, b, 0, 1], [-np.inf, b, 0, 1]]
        assert source.read(0).X.tolist() == expected
    table = pa.table({"a": [1e308, 1.5e308, None]})
    assert from_arrow(table, fill_null="mean", dtype="f8").read(0).X[2, 0] == pytest.approx(1.25e308)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.none() | st.floats(-1e9, 1e9) | st.integers(-3, 3).map(float), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_fills_of_any_numbers_are_those_of_numpy_however_they_are_cut(values, rows):
    table = pa.table({"x": pa.array(values, pa.float64())})
    table = pa.Table.from_batches(table.to_batches(max_chunksize=rows), table.schema)
    there = np.array([value for value in values if value is not None], float)
    numbers, counts = np.unique(there, return_counts=True)
    for word in ("mean", "median", "most_frequent"):
        fill = from_arrow(table, fill_null=word).reading["learnt"]["x"]["fill"]
        if not len(there):
            assert fill == 0.0
        elif word == "most_frequent":
            assert fill == numbers[counts.argmax()]
        else:
            assert fill == pytest.approx(getattr(np, word)(there), rel=1e-12, abs=1e-6 * np.finfo(float).eps * 1e9)


def test_beyond_a_million_values_a_median_is_that_of_a_random_sample_the_same_each_time(monkeypatch):
    monkeypatch.setattr("fastsgd.sources.features.columns.MAX_VALUES", 2000)
    x = np.sort(rng.random(40_000))
    fills = [from_arrow(pa.table({"x": x}), fill_null="median").reading["learnt"]["x"]["fill"] for _ in range(2)]
    assert fills[0] == fills[1] and abs(fills[0] - 0.5) < 0.05


def test_a_column_of_nulls_alone_is_filled_with_zero_and_whoever_trains_is_told():
    table = pa.table({"x": pa.nulls(4, pa.float64()), "z": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, 4.0]})
    source = from_arrow(table, target="y", fill_null="mean", null_indicator=True)
    with pytest.warns(UserWarning, match=r"column 'x' has no number: it is filled with 0\. Leave it out"):
        LinearRegressor().fit(source)
    assert source.read(0).X.tolist()[0] == [0, 1, 1]


def test_lists_of_fixed_size_are_filled_place_by_place():
    values = [[1.0, 2.0], None, [None, 5.0], [3.0, 5.0]]
    table = pa.table({"v": pa.array(values, pa.list_(pa.float32(), 2))})
    source = from_arrow(table, fill_null="mean", null_indicator=True)
    assert source.feature_names == ["v[0]", "v[1]", "v is null"]
    assert source.read(0).X.tolist() == [[1, 2, 0], [2, 4, 1], [2, 5, 1], [3, 5, 0]]
    assert from_arrow(table, fill_null="median").read(0).X.tolist() == [[1, 2], [2, 5], [2, 5], [3, 5]]


def test_products_and_rows_of_csr_have_the_fills():
    table = TABLE.append_column("word", pa.array(["u", None] * (N // 2)))
    options = {"target": "y", "fill_null": "mean", "null_indicator": True}
    dense = from_arrow(TABLE, interactions=[("a", "b")], **options)
    assert dense.feature_names == ["a", "b", "full", "a is null", "b is null", "a:b"]
    sparse = from_arrow(table, interactions=[("a", "b")], categorical="one-hot", **options)
    X = dense.read(0).X
    np.testing.assert_allclose(X[:, 5], X[:, 0] * X[:, 1], rtol=1e-6)
    np.testing.assert_array_equal(sparse.read(0).X[:, :6].toarray(), X)


@pytest.mark.parametrize(
    "est", [SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0), LinearClassifier()]
)
def test_held_out_loss_is_that_of_an_imputer_by_hand(est):
    X = rng.standard_normal((3000, 5)) * [1, 10, 0.1, 1, 1] + [0, 50, 0, 3, 0]
    y = (X @ [1, 0.1, 10, -1, 0.5] + rng.logistic(size=3000) > 2).astype(int)
    X[rng.random(X.shape) < np.where(y == 1, 0.3, 0.1)[:, None] * [1, 1, 1, 0, 0]] = (
        np.nan
    )  # That one lacks says something.
    table = pa.table({**{f"x{j}": pa.array(X[:, j], from_pandas=True) for j in range(5)}, "y": y})
    imputer = SimpleImputer(add_indicator=True).fit(X[:2000])
    by_hand = clone(est).fit(imputer.transform(X[:2000]), y[:2000]).predict_proba(imputer.transform(X[2000:]))
    est.fit(from_arrow(table.slice(0, 2000), target="y", fill_null="mean", null_indicator=True))
    assert log_loss(y[2000:], est.predict_proba(from_arrow(table.slice(2000)))) < 1.001 * log_loss(y[2000:], by_hand)


# ---------------------------------------------------------------- prediction
@pytest.mark.parametrize("way", ["parquet", "table", "csv"])
def test_a_null_at_prediction_is_filled_as_in_training_though_there_was_none(way, tmp_path):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", fill_null="mean", null_indicator=True))
    later = pa.table({"a": [1.0, None], "b": [None, 2.0], "full": [None, 0.5]})
    found = est.predict(made(way, later, tmp_path))
    a, b, full = np.nanmean(ARRAY, axis=0)
    expected = np.array([[1, b, full, 0, 1], [a, 2, 0.5, 1, 0]])
    np.testing.assert_allclose(found, expected @ est.coef_ + est.intercept_, rtol=1e-5)


def test_what_was_learnt_is_in_the_model_file_and_is_what_predictions_and_later_calls_obey(tmp_path):
    source = from_arrow(TABLE, target="y", fill_null="mean", null_indicator=True)
    est = SGDRegressor(learning_rate="auto", random_state=0).fit(source)
    est.save(tmp_path / "model")
    loaded = fastsgd.load(tmp_path / "model")
    assert loaded.reading_ == est.reading_ and loaded.reading_["learnt"]["a"]["nulls"] is True
    assert loaded.reading_["learnt"]["a"]["fill"] == np.nanmean(ARRAY[:, 0]).item()
    other = TABLE.slice(0, 100).set_column(2, "full", pa.array([None] + [0.5] * 99))
    first = est.predict(from_arrow(other))
    for use in (other, pa.table(other)):
        np.testing.assert_array_equal(loaded.predict(from_arrow(use, target="y", fill_null="mean")), first)
    np.testing.assert_array_equal(np.concatenate(list(predict_batches(loaded, from_arrow(other)))), first)
    np.testing.assert_array_equal(loaded.predict(from_arrow(other.to_reader())), first)
    loaded.partial_fit(from_arrow(other.to_reader(), target="y"))
    loaded.fit(source, X_val=from_arrow(other, target="y"))


@pytest.mark.parametrize(
    "learnt",
    [5, {"a": 5}, {"a": {"fill": "x"}}, {"a": {"fill": np.inf}}, {"a": {"fill": [1.0]}}, {"a": {"edges": [2.0, 1.0]}}],
)
def test_what_no_pass_learns_is_refused(learnt):
    with pytest.raises(ValueError, match="learnt"):
        from_arrow(TABLE, target="y", fill_null="mean", learnt=learnt)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fill_null": "median"}, "fill_null='median', in training it was 'mean'"),
        ({"null_indicator": True}, "null_indicator=True, in training it was False"),
    ],
)
def test_other_fills_or_indicators_than_in_training_are_refused(options, said):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", fill_null="mean"))
    with pytest.raises(ValueError, match=said):
        est.predict(from_arrow(TABLE, target="y", **options))


def test_a_model_trained_without_nulls_takes_a_fill_for_those_that_come_later():
    est = LinearRegressor().fit(from_arrow(TABLE.drop_null(), target="y"))
    with pytest.raises(ValueError, match=r"column 'a' of .*null.*Set fill_null='mean'"):
        est.predict(from_arrow(TABLE))
    expected = imputed("mean") @ est.coef_ + est.intercept_
    np.testing.assert_allclose(est.predict(from_arrow(TABLE, fill_null="mean")), expected, rtol=1e-4)


def test_a_stream_that_is_read_once_says_what_to_give():
    with pytest.raises(ValueError, match=r"give numbers \(fill_null=\{'a': 0.0, 'b': 0.0, 'full': 0.0\}\)"):
        from_arrow(TABLE.to_reader(), target="y", fill_null="mean")
    with pytest.raises(ValueError, match="leave out null_indicator"):
        from_arrow(TABLE.to_reader(), target="y", fill_null=0, null_indicator=True)
    est = SGDRegressor().fit(from_arrow(TABLE.to_reader(), target="y", fill_null={"a": 5.0, "b": 2}))
    assert est.reading_["fill_null"] == {"a": 5.0, "b": 2} and "learnt" not in est.reading_


# ---------------------------------------------------------------- errors
@pytest.mark.parametrize("way", WAYS)
def test_an_error_about_nulls_names_all_columns_that_have_some_and_what_to_do(way, tmp_path):
    said = r"column 'a' of .* values are null, the first at .*; so are some of 'b' \(.*%\)\. Set fill_null='mean' \(or "
    with pytest.raises(ValueError, match=said):
        SGDRegressor().fit(made(way, TABLE, tmp_path, target="y"))
    with pytest.raises(ValueError, match=r"Set fill_null=\{'b': 0, 'a': 'mean'\} \(or .*null_indicator=True"):
        SGDRegressor().fit(made(way, TABLE, tmp_path, target="y", fill_null={"b": 0}))


@pytest.mark.parametrize("est", [SGDRegressor(), LinearRegressor()])
def test_an_error_about_nan_says_what_to_do_as_one_about_nulls_does(est):
    table = pa.table({"a": [1.0, float("nan")], "y": [1.0, 2.0]})
    with pytest.raises(
        ValueError, match=r"X contains NaN \(at row 1 .* column 0 'a'\)\. Set fill_null='mean' \(or 'median'"
    ):
        est.fit(from_arrow(table, target="y"))
    table = pa.table({"a": [1.0, float("inf")], "y": [1.0, 2.0]})
    with pytest.raises(ValueError, match=r"X contains infinity.*\. Remove such rows"):
        est.fit(from_arrow(table, target="y", fill_null=0.0))


@pytest.mark.parametrize(
    ("fill", "said"),
    [
        ("mode", "fill_null must be None or a finite number, one of 'mean', 'median', 'most_frequent', or a dict"),
        ({"a": [1]}, "fill_null must be None or a finite number"),
        ({"aa": 1}, "fill_null: there is no column 'aa'; there are 'a', 'b', 'full'. Is it 'a'"),
        ({"w": "mean"}, "fill_null: 'w' is of categories or text, .* and no column of numbers"),
        (True, "fill_null must be"),
    ],
)
def test_a_fill_that_means_nothing_is_refused(fill, said):
    with pytest.raises(ValueError, match=said):
        from_arrow(TABLE.append_column("w", pa.array(["u"] * N)), target="y", fill_null=fill)


# ---------------------------------------------------------------- rows without a target
WITHOUT = np.arange(N) % 7 == 3
WITHOUT[300:620] = True  # A block of some formats has none.
TARGETS = {
    "float": pa.array(FRAME["y"].to_numpy(), mask=WITHOUT),
    "text": pa.array(np.where(FRAME["y"] > 0.5, "yes", "no"), mask=WITHOUT),
    "int": pa.array((FRAME["y"] > 0.5).to_numpy().astype(int), mask=WITHOUT),
}


@pytest.mark.parametrize("memory", [10**8, 20_000])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("way", AGAIN)
def test_rows_without_a_target_are_left_out_and_counted_once(way, kind, memory, tmp_path):
    table = TABLE.set_column(3, "y", TARGETS[kind])
    source = made(way, table, tmp_path, target="y", fill_null="mean", target_nulls="drop").buffered(memory)
    with pytest.warns(UserWarning, match="without a target were left out"):
        X, y, _ = whole(source)
    expected = np.where(np.isnan(ARRAY), np.nanmean(ARRAY[~WITHOUT], axis=0), ARRAY)[~WITHOUT]
    np.testing.assert_allclose(X, expected, rtol=1e-6)
    assert y.tolist() == table["y"].drop_null().to_pylist()
    source = made(way, table, tmp_path, target="y", fill_null="mean", target_nulls="drop").buffered(memory)
    est = (SGDRegressor if kind == "float" else SGDClassifier)(max_iter=2, tol=None, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.fit(source)
    told = [str(one.message) for one in caught if "without a target" in str(one.message)]
    assert len(told) == 1 and told[0].startswith(f"{WITHOUT.sum()} rows of ")
    assert source.n_left_out == WITHOUT.sum()
    assert source.n_rows in (None, N - WITHOUT.sum())


def test_nan_is_no_target_either_and_one_of_several_is_enough():
    y = np.where(WITHOUT, np.nan, FRAME["y"])
    table = TABLE.drop_null().append_column("z", pa.array(FRAME["y"][: len(TABLE.drop_null())]))
    table = table.set_column(3, "y", pa.array(y[: len(table)]))
    there = int((~np.isnan(y[: len(table)])).sum())
    for target in ("y", ["z", "y"]):
        source = from_arrow(table, target=target, target_nulls="drop")
        assert len(source.read(0).y) == source.n_rows == there
        with pytest.raises(ValueError, match=r"target 'y' of .* values are null, .* Set target_nulls='drop'"):
            LinearRegressor().fit(from_arrow(table, target=target))


def test_left_out_rows_are_not_in_the_model_and_weights_must_be_there():
    table = TABLE.set_column(3, "y", TARGETS["float"]).append_column("w", pa.array(np.arange(1.0, N + 1)))
    options = {"target": "y", "weight": "w", "fill_null": 0.0}
    with pytest.warns(UserWarning, match="without a target were left out"):
        est = LinearRegressor().fit(from_arrow(table, target_nulls="drop", **options))
    by_hand = LinearRegressor().fit(from_arrow(table.filter(pa.array(~WITHOUT)), **options))
    np.testing.assert_array_equal(est.coef_, by_hand.coef_)
    table = table.set_column(4, "w", pa.array(np.arange(1.0, N + 1), mask=np.arange(N) == 3))
    with pytest.warns(UserWarning, match="left out"):  # Row 3 is among them.
        LinearRegressor().fit(from_arrow(table, target_nulls="drop", **options))
    with pytest.raises(ValueError, match=r"weight 'w'.*null"):
        LinearRegressor().fit(from_arrow(TABLE.append_column("w", pa.array([None] * N, "f8")), **options))


def test_a_table_whose_rows_have_no_target_is_refused():
    table = TABLE.set_column(3, "y", pa.nulls(N, pa.float64()))
    with pytest.raises(ValueError, match="no rows"):
        SGDRegressor().fit(from_arrow(table, target="y", fill_null=0, target_nulls="drop"))
    with pytest.raises(ValueError, match="target_nulls must be 'error' or 'drop', got 'skip'"):
        from_arrow(table, target="y", target_nulls="skip")


# ---------------------------------------------------------------- the command
@pytest.mark.parametrize("way", ["csv", "parquet"])
def test_the_command_fills_indicates_and_leaves_out_as_python_does(way, tmp_path, capsys):
    table = TABLE.set_column(3, "y", TARGETS["int"])
    made(way, table, tmp_path)
    path, model = str(tmp_path / f"t.{way}"), str(tmp_path / "m")
    train = ["train", path, "--target", "y", "--model", model, "--quiet"]

    def said(code, *command):
        assert main([*command]) == code
        return capsys.readouterr().err

    assert "--target-nulls drop" in said(1, *train)
    err = said(1, *train, "--target-nulls", "drop", "--fill-null", "none")
    assert "Set --fill-null mean (or" in err and "with --null-indicator where" in err
    more = ["--target-nulls", "drop", "--fill-null", "a=median", "--fill-null", "mean", "--null-indicator"]
    assert f"{WITHOUT.sum()} rows of {path} without a target were left out" in said(0, *train, *more)
    read = from_csv if way == "csv" else from_parquet
    fills = {"a": "median", "*": "mean"}
    source = read(path, target="y", target_nulls="drop", fill_null=fills, null_indicator=True)
    reading = fastsgd.load(model).reading_
    assert {name: reading[name] for name in source.reading} == source.reading
    said(0, "predict", path, "--model", model, "--output", str(tmp_path / "p.npy"))
    assert len(np.load(tmp_path / "p.npy")) == N
    err = said(1, *train, "--target-nulls", "drop", "--fill-null", "b:0")
    assert "Set --fill-null b:0 --fill-null a:mean (or" in err
