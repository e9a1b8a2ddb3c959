"""Columns of numbers cut into quantile bins, and null as a category of its own."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.linear_model import LogisticRegression
from support.columnar import WAYS, made, whole

import fastsgd
from fastsgd import LinearClassifier, SGDRegressor
from fastsgd.cli import main
from fastsgd.sources import from_arrow, from_parquet

pa = pytest.importorskip("pyarrow")

N = 1000
rng = np.random.default_rng(0)
AGE, LACKS = rng.integers(18, 90, N), rng.random(N) < 0.1
WORD = np.where(rng.random(N) < 0.2, None, rng.choice(["u", "v"], N))
X = rng.random(N)
Y = rng.random(N)
TABLE = pa.table({"age": pa.array(AGE, mask=LACKS), "word": pa.array(WORD, pa.string()), "x": X, "y": Y})
AGAIN = [way for way in WAYS if way != "reader"]


# ---------------------------------------------------------------- bins
@pytest.mark.parametrize("way", AGAIN)
def test_bins_are_those_of_pandas_and_null_is_one(way, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", columns=["age", "x"], bins={"age": 4})
    edges = np.quantile(AGE[~LACKS], [0.25, 0.5, 0.75])
    a, b, c = (f"{edge:g}" for edge in edges)
    bins = [f"age=(-inf, {a}]", f"age=({a}, {b}]", f"age=({b}, {c}]", f"age=({c}, inf)"]
    assert source.feature_names == ["x", *bins, "age is null"] and source.sparse
    cut = pd.cut(pd.Series(AGE).mask(LACKS), [-np.inf, *edges, np.inf], labels=False)
    expected = np.column_stack([X, *((cut == i) for i in range(4)), LACKS])
    np.testing.assert_allclose(whole(source)[0], expected, rtol=1e-6)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float), min_size=1, max_size=80),
    st.integers(1, 12),
)
def test_edges_are_quantiles_of_numpy_and_every_bin_has_a_row(values, n):
    source = from_arrow(pa.table({"x": values}), bins={"x": n}, dtype="f8")
    edges = source.reading["learnt"]["x"]["edges"]
    expected = np.quantile(values, np.arange(1, n) / n)
    assert set(edges) <= set(expected.tolist()) and edges == sorted(set(edges))
    rows = np.asarray(source.read(0).X.sum(axis=0)).ravel()
    assert rows[-1] == 0 and (rows[:-1] > 0).all() and rows.sum() == len(values)
    # No edge is lost between two values that an expected one tells apart.
    cut = pd.cut(values, [-np.inf, *sorted({*expected.tolist()}), np.inf], labels=False)
    found = source.read(0).X.toarray().argmax(axis=1)
    assert (np.unique(found, return_inverse=True)[1] == np.unique(cut, return_inverse=True)[1]).all()
    assert len(set(source.feature_names)) == len(source.feature_names)


@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
def test_a_column_of_bins_is_a_category_in_interactions(categorical):
    options = {"target": "y", "bins": {"age": 3}, "categorical": categorical}
    pairs = [("age", "x"), ("word", "age")]
    source = from_arrow(TABLE, interactions=pairs, **options)
    ends = from_arrow(TABLE, **options).reading["learnt"]["age"]["edges"]
    cut = np.searchsorted(ends, AGE)
    if categorical == "one-hot":
        names = [f"(-inf, {ends[0]:g}]", f"({ends[0]:g}, {ends[1]:g}]", f"({ends[1]:g}, inf)"]
        both = [f"word:age={word}:{name}" for word in "uv" for name in names]
        assert source.feature_names[-9:] == [*(f"age:x={name}" for name in names), *both]
        found = source.read(0).X.toarray()
        scaled = np.where(LACKS[:, None], 0, (cut[:, None] == np.arange(3)) * X[:, None])
        np.testing.assert_allclose(found[:, -9:-6], scaled, rtol=1e-6)
        crossed = [(word == WORD) & (cut == i) & ~LACKS for word in "uv" for i in range(3)]
        np.testing.assert_array_equal(found[:, -6:], np.column_stack(crossed))
    else:
        without = from_arrow(TABLE, **options)
        assert source.n_features == without.n_features + 3  # Those of age:x are of their own, of word:age hashed.
        assert abs(source.read(0).X).sum() > abs(without.read(0).X).sum()


def test_predictions_cut_as_the_training_did_in_any_format(tmp_path):
    table = TABLE.append_column("tenth", pa.array(np.round(rng.random(N), 1)))
    source = from_arrow(table, target="y", bins={"age": 5, "t*": 7})
    est = SGDRegressor(random_state=0).fit(source)
    est.save(tmp_path / "model")
    loaded = fastsgd.load(tmp_path / "model")
    expected = est.predict(source)
    for way in WAYS:
        parts = made(way, table, tmp_path, target="y")
        np.testing.assert_allclose(loaded.predict(parts), expected, rtol=1e-6)
    with pytest.raises(ValueError, match=r"bins=\{'age': 4\}, in training it was \{'age': 5, 'tenth': 7\}"):
        loaded.predict(from_arrow(table, target="y", bins={"age": 4}))
    plain = SGDRegressor(random_state=0).fit(from_arrow(table, target="y", columns=["x", "tenth"]))
    with pytest.raises(ValueError, match=r"bins=\{'x': 3\}, in training it was None"):
        plain.predict(from_arrow(table, target="y", bins={"x": 3}))


def test_one_row_at_a_time_is_read_as_tables_are():
    options = {"target": "y", "bins": {"age": 4}, "fill_null": "mean", "null_indicator": True}
    for categorical in ("hash", "one-hot"):
        source = from_arrow(TABLE, categorical=categorical, interactions=[("age", "word")], **options)
        encoder, rows = source.encoder(), source.read(0).X
        edges = source.reading["learnt"]["age"]["edges"]
        cells = TABLE.slice(0, 50).to_pylist()
        for row, expected in zip(cells, rows, strict=False):
            features, values = encoder(row)
            found = sp.csr_matrix((values, ([0] * len(values), features)), expected.shape)
            assert abs(found - expected).max() < 1e-6
        x, y = (
            from_arrow(pa.table({"age": edges, "word": ["u"] * 3, "x": [0.5] * 3})).like(source.reading).read(0).X[i]
            for i in (0, 2)
        )
        for expected, edge in ((x, edges[0]), (y, edges[2])):
            features, values = encoder({"age": edge, "word": "u", "x": 0.5})
            assert abs(sp.csr_matrix((values, ([0] * len(values), features)), expected.shape) - expected).max() == 0


def test_bins_learn_what_a_line_does_not():
    x = rng.uniform(-3, 3, 4000)
    table = pa.table({"x": x, "y": (np.abs(x) > 1.5).astype(int)})
    straight = LogisticRegression().fit(x[:, None], table["y"].to_numpy()).score(x[:, None], table["y"].to_numpy())
    est = LinearClassifier().fit(from_arrow(table, target="y", bins={"x": 20}))
    assert straight < 0.6 and est.score(from_arrow(table, target="y")) > 0.95


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bins": {"word": 3}}, "bins: there is no column 'word'; there are 'age', 'x'"),
        ({"bins": {"z*": 3}}, r"bins: 'z\*' fits no column; there are 'age', 'x'"),
        ({"bins": {"age": 0}}, "bins of 'age' must be an integer from 1 to"),
        ({"bins": 10}, "bins must be a dict of columns to numbers of bins"),
        (
            {"bins": {"age": 3}, "fill_null": {"age": 0}},
            "fill_null: 'age' is cut into bins, of which nulls have one",
        ),
    ],
)
def test_bins_that_mean_nothing_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        from_arrow(TABLE, target="y", **options)


def test_a_stream_that_is_read_once_has_no_quantiles_and_a_column_of_nulls_no_bins():
    with pytest.raises(ValueError, match=r"\['age'\] must be known before: leave out bins"):
        from_arrow(TABLE.to_reader(), target="y", bins={"age": 3})
    table = pa.table({"a": pa.nulls(3, pa.float64()), "b": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.0]})
    source = from_arrow(table, target="y", bins={"a": 3})
    assert source.feature_names == ["b", "a=(-inf, inf)", "a is null"]
    with pytest.warns(UserWarning, match="column 'a' has no number to be cut into bins"):
        SGDRegressor().fit(source)


# ---------------------------------------------------------------- null as a category
@pytest.mark.parametrize("way", AGAIN)
def test_null_is_a_feature_of_its_own_where_categories_are_and_it_was_in_training(way, tmp_path):
    options = {"columns": ["word", "x"], "categorical": "one-hot", "null_indicator": True}
    source = made(way, TABLE, tmp_path, target="y", **options)
    assert source.feature_names == ["x", "word=u", "word=v", "word is null"]
    found = whole(source)[0][:, 1:]
    np.testing.assert_array_equal(found, np.column_stack([word == WORD for word in ("u", "v", None)]))
    full = TABLE.filter(pa.compute.is_valid(TABLE["word"]))
    assert from_arrow(full, target="y", **options).feature_names == ["x", "word=u", "word=v"]
    est = SGDRegressor().fit(from_arrow(full, target="y", **options))
    assert est.predict(from_arrow(TABLE)).shape == (N,)


@pytest.mark.parametrize("way", [*WAYS, "dictionary"])
def test_null_is_a_hashed_token_of_its_own(way, tmp_path):
    table = TABLE.select(["word"])
    if way == "dictionary":
        table = pa.table({"word": table["word"].combine_chunks().dictionary_encode()})
    tokens = [[("word is null" if word is None else f"word={word}", 1)] for word in WORD]
    expected = FeatureHasher(2**10, input_type="pair", dtype="f4").transform(tokens)
    source = made("table" if way == "dictionary" else way, table, tmp_path, null_indicator=True, n_hashed=2**10)
    found = sp.vstack([rows.X for rows in source.blocks()])
    assert abs(found - expected).sum() == 0
    without = from_arrow(table, n_hashed=2**10).read(0).X
    assert without.nnz == sum(word is not None for word in WORD)


def test_categories_that_are_given_have_a_null_of_their_own_too():
    options = {"columns": ["word"], "categorical": "one-hot", "null_indicator": True}
    source = from_arrow(TABLE, categories={"word": ["v"]}, **options)
    assert source.feature_names == ["word=v", "word is null"]
    first = from_arrow(TABLE, **options)
    again = from_arrow(TABLE.slice(0, 5), categories=first.categories, learnt=first.reading["learnt"], **options)
    assert again.feature_names == first.feature_names


# ---------------------------------------------------------------- the command
def test_the_command_cuts_into_bins(tmp_path, capsys):
    made("parquet", TABLE, tmp_path)
    path, model = str(tmp_path / "t.parquet"), str(tmp_path / "m")
    train = ["train", path, "--target", "y", "--task", "regression", "--model", model, "--quiet"]
    assert main([*train, "--bins", "age:4", "--bins", "x*:3", "--null-indicator", "--categorical", "one-hot"]) == 0
    options = {"bins": {"age": 4, "x*": 3}, "null_indicator": True, "categorical": "one-hot"}
    reading = from_parquet(path, target="y", **options).reading
    kept = fastsgd.load(model).reading_
    assert {name: kept[name] for name in reading} == reading and reading["bins"] == {"age": 4, "x": 3}
    assert main([*train, "--bins", "age"]) == 1
    assert "--bins must be of the form name:number, such as age:10" in capsys.readouterr().err
    assert main([*train, "--bins", "age:many"]) == 1
    assert "must be an integer from 1" in capsys.readouterr().err
