"""A model knows how its data were read: other data are read the same way, or refused with the first difference named."""

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file
from support.reading import RNG, STEADY, A, B, N, pa, written

import fastsgd
from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.sources import from_arrow, from_csv, from_npy, from_svmlight, predict_batches

TABLE = pa.table({"a": A, "b": B, "w": RNG.choice(["x", "y"], N), "y": 3 * A, "c": A > 0})
OTHER = TABLE.select(["b", "c", "y", "w", "a"])  # the same columns in another order
USED = ["a", "b", "w"]
WAYS = ["table", "reader", "arrow", "parquet", "csv"]

# ---------------------------------------------------------------- brought to it


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("est", [LinearRegressor(), SGDRegressor(**STEADY)], ids=lambda est: type(est).__name__)
def test_columns_in_another_order_are_read_in_that_of_training(est, way, tmp_path):
    est.fit(from_arrow(TABLE, target="y", columns=USED))
    source = written(OTHER, tmp_path, way)
    expected = est.predict(from_arrow(TABLE, columns=USED))
    np.testing.assert_allclose(est.predict(source(target="y")), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(list(predict_batches(est, source()))), expected, rtol=1e-5, atol=1e-5)
    assert est.score(source(target="y")) == pytest.approx(est.score(from_arrow(TABLE, target="y", columns=USED)))


@pytest.mark.parametrize("est", [LinearClassifier("log_loss"), SGDClassifier("log_loss", **STEADY)])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_every_method_of_a_classifier_reads_as_fit_did(est, method):
    est.fit(from_arrow(TABLE, target="c", columns=USED))
    expected = getattr(est, method)(from_arrow(TABLE, columns=USED))
    np.testing.assert_array_equal(getattr(est, method)(from_arrow(OTHER)), expected)


def test_training_goes_on_as_it_began():
    one, other = from_arrow(TABLE, target="y", columns=USED), from_arrow(OTHER, target="y")
    for est in (SGDRegressor(**STEADY), SGDOneClassSVM(max_iter=3, tol=None, random_state=0)):
        a, b = (type(est)(**est.get_params()).fit(one).partial_fit(source) for source in (one, other))
        np.testing.assert_array_equal(a.coef_, b.coef_)
    for est in (
        SGDRegressor(warm_start=True, tol=None, max_iter=2, random_state=0, eta0=1e-6),
        LinearRegressor(warm_start=True),
    ):
        a, b = (type(est)(**est.get_params()).fit(one).fit(source) for source in (one, other))
        np.testing.assert_array_equal(a.coef_, b.coef_)
        assert b.reading_["columns"] == USED
    assert SGDRegressor(**STEADY).fit(one).fit(other).reading_["columns"] == ["b", "c", "w", "a"]  # training anew


@pytest.mark.parametrize("max_memory", ["256MB", "60KB"])
@pytest.mark.parametrize("scoring", [None, "loss", "r2"])
def test_validation_rows_are_read_as_those_of_training(scoring, max_memory, tmp_path):
    train, other = written(TABLE, tmp_path, "parquet"), written(OTHER, tmp_path, "parquet", "other")
    train = train(target="y", columns=USED)
    scores = [
        SGDRegressor(**STEADY, validation_scoring=scoring)
        .fit(train, X_val=source.buffered(max_memory))
        .history_["validation_score"]
        for source in (train, other(target="y"))
    ]
    np.testing.assert_array_equal(*scores)


def test_a_model_file_holds_how_its_data_were_read(tmp_path):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED, interactions=[("a", "w")], n_hashed=64))
    est.save(tmp_path / "m")
    again = fastsgd.load(tmp_path / "m")
    assert again.reading_ == est.reading_ and again.reading_["kinds"] == {"w": "text"}
    assert again.score(from_arrow(OTHER, target="y")) > 0.99


def test_one_hot_categories_are_those_of_training():
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED, categorical="one-hot"))
    some = OTHER.filter(pa.compute.equal(OTHER["w"], "y"))
    assert est.score(from_arrow(some, target="y", categorical="one-hot")) > 0.99
    with pytest.raises(ValueError, match="categories: those of 'w' have 'z', which was none in training"):
        est.score(from_arrow(some, target="y", categories={"w": ["y", "z"]}))


def test_bounds_on_memory_are_kept():
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED))
    source = from_arrow(OTHER).buffered("1MB", readers=2).like(est.reading_)
    assert (source.max_memory, source.readers) == (10**6, 2) and source.like(est.reading_) is source


@pytest.mark.parametrize("max_memory", ["256MB", "60KB"])
def test_svmlight_indices_are_counted_from_where_they_were_in_training(max_memory, tmp_path):
    X, y = RNG.standard_normal((N, 5)), np.arange(N) % 2
    X[:, 0] = y
    dump_svmlight_file(X, y, str(tmp_path / "train.svm"), zero_based=True)
    X[:, 0] = 0
    dump_svmlight_file(
        X, y, str(tmp_path / "test.svm"), zero_based=True
    )  # begins at 1, and looks as if counted from there
    train, test = (
        from_svmlight(tmp_path / f"{name}.svm", block_bytes=1000).buffered(max_memory) for name in ("train", "test")
    )
    clf = SGDClassifier("log_loss", **STEADY).fit(train)
    assert clf.reading_["zero_based"] is True
    clf.save(tmp_path / "m")
    for est in (clf, fastsgd.load(tmp_path / "m")):
        np.testing.assert_allclose(est.decision_function(test), est.decision_function(X), rtol=1e-4, atol=1e-4)
        assert est.score(test) == np.mean(est.predict(X) == y)
    assert test.survey() is None and test.reading["zero_based"] is False  # by itself
    assert clf.partial_fit(test).t_ == 4 * N + 1
    with pytest.raises(ValueError, match="zero_based=False, in training it was True"):
        clf.predict(from_svmlight(tmp_path / "test.svm", zero_based=False))
    with pytest.raises(ValueError, match="n_features=9, in training it was 5"):
        clf.predict(from_svmlight(tmp_path / "test.svm", n_features=9))
    assert clf.predict(from_svmlight(tmp_path / "test.svm", n_features=5, zero_based=True)).shape == (N,)


def test_arrays_have_no_columns_to_compare(tmp_path):
    table = TABLE.select(["a", "b", "y"])
    est = LinearRegressor().fit(from_arrow(table, target="y"))
    np.save(tmp_path / "X.npy", np.column_stack([A, B]).astype("f4"))
    with pytest.warns(
        UserWarning, match="X does not have valid feature names.*of this source must be in their order, a, b"
    ):
        found = est.predict(from_npy(tmp_path / "X.npy"))
    np.testing.assert_array_equal(found, est.predict(from_arrow(table)))


# ---------------------------------------------------------------- or refused


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"columns": ["a", "w"]},
            r"columns=\['a', 'w'\], in training it was \['a', 'b', 'w'\] \('b' is missing\): leave",
        ),
        ({"columns": ["a", "b", "w", "c"]}, r"columns=\['a', 'b', 'w', 'c'\], in training .* \('c' is new\)"),
        ({"n_hashed": 64}, "n_hashed=64, in training it was 1048576"),
        ({"alternate_sign": False}, "alternate_sign=False, in training it was True"),
        (
            {"interactions": [("a", "b")]},
            r"interactions=\[\('a', 'b'\)\], in training it was \[\] \(\('a', 'b'\) is new\)",
        ),
        ({"categorical": "one-hot"}, "categorical='one-hot', in training it was 'hash'"),
        ({"categorical_features": ["b"]}, r"categorical_features=\['b'\], in training"),
        ({"fill_null": 1.0}, r"fill_null=1.0, in training it was 0.0"),
        ({"kinds": {"a": "text"}}, "column 'a' is of type double, in training it was text"),
    ],
)
def test_an_argument_that_contradicts_training_is_refused(options, said):
    est = SGDRegressor(**STEADY).fit(from_arrow(TABLE, target="y", columns=USED, fill_null=0.0))
    for use in (est.score, est.predict, est.partial_fit, lambda source: list(predict_batches(est, source))):
        with pytest.raises(ValueError, match=said):
            use(from_arrow(OTHER, target="y", **options))
    with pytest.raises(ValueError, match=said):
        est.fit(
            from_arrow(TABLE, target="y", columns=USED, fill_null=0.0), X_val=from_arrow(OTHER, target="y", **options)
        )


def test_what_does_not_matter_may_be_given():
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=["a", "b"]))
    score = est.score(from_arrow(TABLE, target="y", columns=["a", "b"]))
    for options in (
        {"n_hashed": 64},
        {"categorical": "one-hot"},
        {"fill_null": 0.0},
        {"columns": ["b", "a"]},
        {"categorical": "error"},
    ):
        table = OTHER.drop(["w"]) if options.get("categorical") == "error" else OTHER
        assert est.score(from_arrow(table, target="y", **options)) == pytest.approx(score)


@pytest.mark.parametrize("way", WAYS)
def test_a_column_that_is_not_there_is_named(way, tmp_path):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED))
    with pytest.raises(
        ValueError,
        match=r"as the data of fit were\. there is no column 'w' in .*; it has 'b', 'c', 'y', 'a'.*trained with 'w'",
    ):
        est.score(written(OTHER.drop(["w"]), tmp_path, way)(target="y"))


@pytest.mark.parametrize("way", ["csv", "table", "parquet"])
@pytest.mark.parametrize("row", [3, 399])
def test_a_word_in_a_column_of_numbers_is_named_with_its_row(way, row, tmp_path):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED))
    cells = [str(value) for value in A]
    cells[row] = "n.n."
    source = written(OTHER.set_column(4, "a", pa.array(cells)), tmp_path, way)(target="y")
    with pytest.raises(ValueError, match=r"column 'a' .*n\.n\..*[Ii]n training") as caught:
        est.score(source)
    rows = {"csv": f"row {row + 2}, counting the header", "table": f"row {row}", "parquet": f"row {row % 150}"}
    assert rows[way] in str(caught.value)


@pytest.mark.parametrize("file", [1, 2])
def test_a_word_in_a_column_of_numbers_in_training_is_named_with_its_row(file, tmp_path):
    for number in (1, 2):
        rows = ["1,2"] * 3000
        if number == file:
            rows[2500] = "1,oops"
        (tmp_path / f"{number}.csv").write_text("y,a\n" + "\n".join(rows) + "\n")
    said = rf"{file}\.csv: column 'a' is read as number, and has in row 2502, counting the header, the invalid value 'oops'"
    with pytest.raises(ValueError, match=said):
        LinearRegressor().fit(from_csv(tmp_path, target="y", block_bytes=4096))


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array(np.arange(N)), "column 'w' is of type int64, in training it was text"),
        (pa.array([[1.0, 2.0]] * N, pa.list_(pa.float32(), 2)), "column 'w' is of type .*, in training it was text"),
    ],
)
def test_a_column_of_another_kind_is_refused(column, said):
    est = LinearRegressor().fit(from_arrow(TABLE, target="y", columns=USED))
    with pytest.raises(ValueError, match=said):
        est.score(from_arrow(OTHER.set_column(3, "w", column), target="y"))


def test_models_of_before_kinds_were_kept_are_still_read(tmp_path):
    flag = np.arange(N) % 2 == 0
    table = pa.table({"flag": flag, "y": flag.astype(float)})
    source = written(table, tmp_path, "csv")
    est = LinearRegressor().fit(source(target="y", categorical_features=["flag"], categorical="one-hot"))
    del est.reading_["kinds"]
    est.reading_["categories"] = {"flag": ["False", "True"]}  # as the file has them
    est.feature_names_in_ = np.array(["flag=False", "flag=True"], dtype=object)
    assert est.score(source(target="y")) > 0.99
    assert est.score(source(target="y", **est.reading_)) > 0.99
    with pytest.raises(ValueError, match="there is no column 'flag'"):
        est.score(from_arrow(table.rename_columns(["flags", "y"]), target="y"))
