"""A model knows how its data were read: other data are read the same way, or refused with the first difference named."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file

import fastsgd
from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.sources import from_arrow, from_csv, from_npy, from_parquet, from_svmlight, predict_batches

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pc  # noqa: E402
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

N = 400
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal(N), 50 + 10 * RNG.standard_normal(N)
TABLE = pa.table({"a": A, "b": B, "w": RNG.choice(["x", "y"], N), "y": 3 * A, "c": A > 0})
OTHER = TABLE.select(["b", "c", "y", "w", "a"])  # the same columns in another order
STEADY = {"learning_rate": "auto", "max_iter": 3, "tol": None, "random_state": 0}
USED = ["a", "b", "w"]


def written(table, folder, way, name="t"):
    """A table in a format, and what reads it."""
    path = folder / f"{name}.{way}"
    if way == "csv":
        table.to_pandas().to_csv(path, index=False)
    elif way == "parquet":
        pq.write_table(table, path, row_group_size=150)
    elif way == "arrow":
        with ipc.new_file(path, table.schema) as file:
            file.write_table(table, max_chunksize=150)
    else:
        return lambda **how: from_arrow(table.to_reader() if way == "reader" else table, **how)
    read = {"csv": from_csv, "parquet": from_parquet, "arrow": from_arrow}[way]
    return lambda **how: read(path, **how)


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
