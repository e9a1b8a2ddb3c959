"""`est.predictor()`: a row at a time is what `predict` makes of a table, without one."""

import datetime
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, load
from fastsgd.sources import from_arrow

pa = pytest.importorskip("pyarrow")

N = 200
rng = np.random.default_rng(0)
NUMBER, COUNT = rng.normal(size=N), rng.integers(0, 50, N)
CITY = rng.choice(["Bonn", "Köln", "Trier", ""], N)
TABLE = pa.table(
    {
        "y": np.where(NUMBER + (CITY == "Bonn") > 0.3, "yes", "no"),
        "three": np.array(["a", "b", "c"])[(NUMBER > -0.4) * 1 + (NUMBER > 0.4)],
        "amount": np.exp(NUMBER),
        "x": NUMBER,
        "count": COUNT,
        "open": rng.random(N) < 0.5,
        "city": pa.array(CITY, mask=rng.random(N) < 0.1),
        "zip": rng.integers(100, 120, N),
        "words": [[f"w{i}" for i in rng.integers(0, 9, rng.integers(0, 4))] for _ in range(N)],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=3 * N)), 3),
        "day": pa.array([datetime.date(2024, 1, 1) + datetime.timedelta(int(i)) for i in rng.integers(0, 30, N)]),
    }
)
FEATURES = ["x", "count", "open", "city", "zip", "words", "vector", "day"]
OPTIONS = {
    "target": "y",
    "columns": FEATURES,
    "categorical_features": ["zip", "day"],
    "interactions": [("x", "count"), ("city", "x"), ("city", "zip")],
    "n_hashed": 2**12,
}
ROWS = TABLE.to_pylist()


@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_rows_of_every_kind_of_column_are_predicted_as_by_a_table(categorical, dtype):
    source = from_arrow(TABLE, **OPTIONS, categorical=categorical, dtype=dtype)
    clf = SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0).fit(source)
    predictor = clf.predictor()
    margins = [predictor.decision_function(row) for row in ROWS]
    np.testing.assert_allclose(margins, clf.decision_function(source), rtol=1e-4, atol=1e-4 if dtype == "f4" else 1e-9)
    assert [predictor(row) for row in ROWS] == clf.predict(source).tolist()
    np.testing.assert_allclose([predictor.predict_proba(row) for row in ROWS], clf.predict_proba(source), atol=1e-4)


@pytest.mark.filterwarnings("ignore:The models of 1 of 2")  # x and city say little of the count
@pytest.mark.parametrize(
    "model, target",
    [
        (LinearClassifier(), "three"),
        (
            SGDClassifier(
                loss="log_loss",
                multi_class="multinomial",
                eta0=0.01,
                learning_rate="constant",
                standardize=True,
                random_state=0,
            ),
            "three",
        ),
        (SGDClassifier(loss="modified_huber", learning_rate="constant", eta0=0.01, random_state=0), "three"),
        (SGDClassifier(loss="modified_huber", random_state=0), "y"),
        (LinearClassifier(), "y"),
        (LinearRegressor(), "amount"),
        (SGDRegressor(random_state=0), "amount"),
        (SGDRegressor(loss="poisson", learning_rate="auto", random_state=0), "amount"),
        (SGDRegressor(learning_rate="auto", max_iter=1, tol=None, random_state=0), ["amount", "count"]),
    ],
    ids=str,
)
def test_every_model_predicts_a_row_as_it_predicts_a_table(model, target):
    source = from_arrow(TABLE, target=target, columns=["x", "city"], n_hashed=64, dtype="f8")
    est = model.fit(source)
    predictor, expected = est.predictor(), est.predict(source)
    found = [predictor(row) for row in ROWS]
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    else:
        assert found == expected.tolist()
    if hasattr(est, "predict_proba"):
        np.testing.assert_allclose(
            [predictor.predict_proba(row) for row in ROWS], est.predict_proba(source), atol=1e-12
        )


def test_models_of_arrays_take_sequences_and_dicts():
    X = rng.normal(size=(60, 4))
    clf = LinearClassifier().fit(X, X[:, 0] + X[:, 2] > 0)
    predictor = clf.predictor()
    assert [predictor(row) for row in X] == [predictor(row.tolist()) for row in X] == clf.predict(X).tolist()
    only = predictor.decision_function({2: 1.5})
    assert only == pytest.approx(clf.decision_function([[0, 0, 1.5, 0]])[0])
    with pytest.raises(ValueError, match="4 numbers"):
        predictor([1.0, 2.0])
    with pytest.raises(ValueError, match="nan in column 1"):
        predictor([1.0, np.nan, 0.0, 0.0])
    outliers = SGDOneClassSVM(random_state=0, learning_rate="constant", eta0=0.01).fit(X)
    assert [outliers.predictor()(row) for row in X] == outliers.predict(X).tolist()


def test_names_of_a_frame_are_those_of_a_dict():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "b"])
    reg = SGDRegressor(random_state=0).fit(X, X["a"])
    predictor = reg.predictor()
    assert predictor(X.iloc[0]) == pytest.approx(reg.predict(X.iloc[:1])[0])
    with pytest.raises(ValueError, match="'c' is none"):
        predictor({"a": 1.0, "c": 2.0})


def trained(**options):
    source = from_arrow(TABLE, **OPTIONS | options)
    return SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0).fit(source)


def test_a_sequence_has_the_columns_in_their_order():
    predictor = trained().predictor()
    assert predictor.names == FEATURES
    row = ROWS[0]
    assert predictor.decision_function([row[name] for name in FEATURES]) == predictor.decision_function(row)
    with pytest.raises(ValueError, match="8 cells"):
        predictor((1.0, 2.0))


@pytest.mark.parametrize(
    "changed, said",
    [
        ({"x": None}, "column 'x' has no value"),
        ({"x": float("nan")}, "column 'x' has no value"),
        ({"x": float("inf")}, "column 'x' is inf"),
        ({"x": "many"}, "'many'"),
        ({"x": object()}, "column 'x' can't be"),
        ({"city": 7}, "column 'city' is 7, of type int64; in training it was text"),
        ({"vector": [1.0, 2.0]}, "column 'vector'"),
    ],
)
def test_what_was_not_so_in_training_is_refused_by_name(changed, said):
    with pytest.raises(ValueError, match=said):
        trained().predictor()(ROWS[0] | changed)


def test_a_column_that_is_missing_is_named():
    row = dict(ROWS[0])
    del row["zip"]
    with pytest.raises(ValueError, match="no column 'zip'"):
        trained().predictor()(row)


def test_cells_may_be_of_another_type_of_the_same_value():
    predictor, row = trained().predictor(), ROWS[0]
    expected = predictor.decision_function(row)
    for changed in (
        {"x": np.float64(row["x"])},
        {"x": str(row["x"])},
        {"count": float(row["count"])},
        {"count": np.int32(row["count"])},
        {"open": int(row["open"])},
        {"zip": float(row["zip"])},
        {"zip": str(row["zip"])},
        {"day": str(row["day"])},
        {"vector": tuple(row["vector"])},
    ):
        assert predictor.decision_function(row | changed) == pytest.approx(expected, rel=1e-6)


def test_threads_pickles_and_model_files_predict_the_same(tmp_path):
    clf = trained()
    predictor = clf.predictor()
    expected = [predictor.decision_function(row) for row in ROWS]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predictor.decision_function, ROWS)) == expected
    clf.save(tmp_path / "m")
    for other in (pickle.loads(pickle.dumps(predictor)), load(tmp_path / "m").predictor()):
        assert [other.decision_function(row) for row in ROWS] == expected


def test_training_on_does_not_change_a_predictor():
    clf = trained()
    predictor = clf.predictor()
    before = predictor.decision_function(ROWS[0])
    clf.partial_fit(from_arrow(TABLE.slice(0, 50), **OPTIONS))
    assert predictor.decision_function(ROWS[0]) == before != clf.predictor().decision_function(ROWS[0])


def test_a_source_encodes_rows_as_it_reads_them():
    source = from_arrow(TABLE, **OPTIONS, dtype="f8")
    encode, X = source.encoder(), source.read(0).X
    for i in range(0, N, 7):
        features, values = encode(ROWS[i])
        made = np.zeros(source.n_features)
        np.add.at(made, features, values)
        np.testing.assert_allclose(made, X[i].toarray().ravel(), rtol=1e-12)


def test_nulls_are_filled_as_in_training():
    source = from_arrow(
        TABLE.set_column(3, "x", pa.array(NUMBER, mask=rng.random(N) < 0.2)),
        target="y",
        columns=["x", "count", "city"],
        fill_null="mean",
        null_indicator=True,
        dtype="f8",
    )
    clf = SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0).fit(source)
    predictor = clf.predictor()
    rows = [{"x": None, "count": 3, "city": None}, {"x": 1.0, "count": float("nan"), "city": "Bonn"}]
    expected = clf.decision_function(from_arrow(pa.Table.from_pylist(rows)))
    np.testing.assert_allclose([predictor.decision_function(row) for row in rows], expected, rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"bins": {"x": 2}}, {"interactions": [("x", "count")]}])
@pytest.mark.parametrize("cell", [10**400, datetime.date(2024, 1, 1), datetime.time(1), np.datetime64("2024-01-01")])
def test_a_cell_that_is_no_number_is_refused_by_the_name_of_its_column(options, cell):
    encoder = from_arrow(TABLE, target="y", columns=["x", "count"], **options).encoder()
    with pytest.raises(ValueError, match="column 'x'"):
        encoder({"x": cell, "count": 1})


@pytest.mark.parametrize("missing", [None, pd.NaT, pd.NA, np.datetime64("NaT", "us"), np.float32("nan"), float("nan")])
def test_what_pandas_has_for_nothing_is_nothing_in_a_row(missing):
    days = [None, *(datetime.datetime(2024, 1, 1) + datetime.timedelta(days=i) for i in range(39))]
    cells = {"x": [None, *map(float, range(39))], "day": days, "city": [None, *["Bonn", "Ulm", "Jena"] * 13]}
    table = pa.table({"y": [0, 1] * 20, **cells})
    rows = from_arrow(table, target="y", fill_null="mean", null_indicator=True, categorical="one-hot")
    predict = LinearClassifier(tol=0.1).fit(rows).predictor()
    for name in cells:
        row = {"x": 2.0, "day": days[3], "city": "Ulm"}
        assert predict.decision_function(row | {name: missing}) == predict.decision_function(row | {name: None})
