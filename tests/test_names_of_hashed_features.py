"""Features that words were hashed to are called by the words, which a pass over rows finds."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction import FeatureHasher
from support.columnar import CITY, FRAME, KIND, TABLE, WORDS, made

import fastsgd
from fastsgd.sources import from_arrow
from fastsgd.sources.named import MAX_NAMES, names_in, one_by_one

pa = pytest.importorskip("pyarrow")
WAYS = "parquet", "ipc", "table", "stream", "csv"
AUTO = dict(loss="log_loss", learning_rate="auto", random_state=0)
TAGS = [["a", "b"], [], ["b"], ["c", "a", "a"]]
SMALL = pa.table(
    {
        "n": [1.0, 2.0, 3.0, 4.0],
        "city": ["Oslo", None, "Rome", "Oslo"],
        "kind": pa.array(["x", "y", "x", "z"]).dictionary_encode(),
        "tags": TAGS,
        "y": [0, 1, 1, 0],
    }
)
CROSSES = [("city", "kind"), ("n", "city"), ("n", "n")]


def token(word, n=2**20):
    """(feature, sign) of a token, as FeatureHasher has them."""
    hashed = FeatureHasher(n, input_type="string").transform([[word]])
    return int(hashed.indices[0]), float(hashed.data[0])


def signed(names):
    """{name: (feature, sign)}"""
    return {name: (feature, sign) for feature, of_one in names.items() for name, sign in of_one.items()}


def test_every_word_of_the_rows_names_the_feature_that_it_is_hashed_to():
    source = from_arrow(SMALL, target="y", interactions=CROSSES)
    found = signed(names_in(source, np.arange(2, source.n_features)))
    cells = {"city=Oslo", "city=Rome", "kind=x", "kind=y", "kind=z", "tags=a", "tags=b", "tags=c", "n:city=Oslo"}
    assert set(found) == cells | {"n:city=Rome", "city:kind=Oslo:x", "city:kind=Rome:x", "city:kind=Oslo:z"}
    for name, (feature, sign) in found.items():
        place, expected = token(name)
        assert (feature - 2, sign) == (place, expected)  # behind n and n:n


def test_only_the_features_that_are_asked_for_are_named():
    source = from_arrow(SMALL, target="y")
    wanted = [1 + token("city=Rome")[0], 1 + token("tags=c")[0]]
    assert set(signed(names_in(source, wanted))) == {"city=Rome", "tags=c"}
    assert names_in(source, []) == {}


@pytest.mark.parametrize("way", WAYS)
def test_the_table_of_coefficients_has_the_names_whatever_the_format(way, tmp_path):
    source = made(way, WORDS, tmp_path, target="y", columns=["f4", "city", "kind"])
    est = fastsgd.SGDClassifier(**AUTO).fit(source)
    names = {"f4", *(f"city={city}" for city in set(CITY)), *(f"kind={kind}" for kind in set(KIND))}
    names -= {"city="} if way == "csv" else set()  # There an empty cell is none.
    table = est.coefficients(top=None, data=made(way, WORDS, tmp_path, columns=["f4", "city", "kind"]))
    assert set(table["feature"]) == names
    for name, coef in zip(table["feature"], table["coef"], strict=True):
        if name != "f4":
            feature, sign = token(name)
            assert coef == est.coef_[0, 1 + feature] * sign
    without = est.coefficients(top=None)["feature"]
    assert "f4" in without and not names & (set(without) - {"f4"})


def test_without_signs_a_coefficient_is_that_of_the_feature():
    source = from_arrow(WORDS, target="y", columns=["city"], alternate_sign=False)
    est = fastsgd.SGDClassifier(**AUTO).fit(source)
    table = est.coefficients(top=None, data=source)
    for name, coef in zip(table["feature"], table["coef"], strict=True):
        assert coef == est.coef_[0, token(name)[0]]


def test_words_that_share_a_feature_are_all_named_and_those_of_the_other_sign_have_a_minus():
    words = pa.table({"w": [f"w{i}" for i in range(6)] * 30, "y": [0, 1, 0, 1, 1, 0] * 30})
    source = from_arrow(words, target="y", n_hashed=1)
    table = fastsgd.SGDClassifier(**AUTO).fit(source).coefficients(data=source)
    signs = np.array([token(f"w=w{i}", 1)[1] for i in range(6)])
    expected = " | ".join(f"{'-' * bool(sign != signs[0])}w=w{i}" for i, sign in enumerate(signs))
    assert table["feature"].tolist() == [expected] and len(set(signs)) == 2


def test_of_very_many_words_that_share_a_feature_some_are_named():
    words = pa.table({"w": [f"w{i}" for i in range(1000)], "y": [0, 1] * 500})
    source = from_arrow(words, target="y", n_hashed=2)
    names = names_in(source, [0, 1])
    assert [len(names[feature]) for feature in (0, 1)] == [MAX_NAMES + 1] * 2
    called, _ = names.called(0, "x0")
    assert called.count(" | ") == MAX_NAMES and called.endswith("...")


def test_products_and_lists_before_the_hashed_words_are_known_without_rows():
    table = SMALL.append_column("v", pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float64(), 2)))
    est = fastsgd.SGDClassifier(**AUTO).fit(from_arrow(table, target="y", interactions=[("n", "n")]))
    assert est.reading_["first_names"] == ["n", "v[0]", "v[1]", "n:n"]
    est.coef_[:] = 0.0
    est.coef_[0, :4] = [4.0, 3.0, 2.0, 1.0]
    est.coef_[0, 7] = 0.5
    assert set(est.coefficients()["feature"]) == {"n", "v[0]", "v[1]", "n:n", "x7"}


def test_a_model_of_an_older_version_knows_its_columns_of_numbers():
    est = fastsgd.SGDClassifier(**AUTO).fit(from_arrow(SMALL, target="y"))
    del est.reading_["first_names"]
    assert "n" in est.coefficients(top=None)["feature"]


@pytest.mark.parametrize("way", WAYS)
def test_rows_one_by_one_are_those_of_the_source_with_the_names_of_their_own_words(way, tmp_path):
    source = made(way, WORDS, tmp_path, target="y", weight="s", interactions=[("city", "kind")])
    whole = next(iter(source.blocks()))
    for i, (rows, names) in zip(range(5), one_by_one(source), strict=False):
        assert (whole.X[i] != rows.X).nnz == 0 and rows.y == whole.y[i] and rows.weight == whole.weight[i]
        assert set(signed(names)) == {f"city={CITY[i]}", f"kind={KIND[i]}", f"city:kind={CITY[i]}:{KIND[i]}"}


def test_rows_of_arrays_come_one_by_one_too():
    X = sp.csr_matrix(FRAME[["f4", "f8"]].to_numpy(np.float64))
    y = np.arange(len(FRAME))
    source = fastsgd.sources.from_batches(lambda: [(X, y)])
    found = [rows for (rows, names), _ in zip(one_by_one(source), range(4), strict=False) if not names]
    assert [rows.y[0] for rows in found] == [0, 1, 2, 3]
    np.testing.assert_array_equal(np.vstack([rows.X.toarray() for rows in found]), X[:4].toarray())


def test_data_that_can_be_read_once_are_refused_before_they_are_read():
    source = from_arrow(TABLE.append_column("city", pa.array(CITY)), target="y")
    est = fastsgd.SGDClassifier(**AUTO).fit(source)
    once = from_arrow(WORDS.drop_columns(["kind"]).to_reader())
    with pytest.raises(ValueError, match=r"data can be read once, and is read twice"):
        est.coefficients(data=once)
    assert not once.used


@pytest.mark.parametrize(
    "how", [{}, {"idf": True}, {"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 3)}], ids=str
)
def test_the_words_of_texts_name_their_features(how):
    rng = np.random.default_rng(0)
    good = rng.random(300) < 0.5
    body = [f"the {'finest' if yes else 'worst'} of {rng.integers(1000)} days" for yes in good]
    source = from_arrow(
        pa.table({"body": body, "n": rng.random(300), "y": good}), target="y", text_features=["body"], **how
    )
    est = fastsgd.SGDClassifier(**AUTO).fit(source)
    table = est.coefficients(top=6, data=source)
    assert all(name.startswith(("body=", "n")) for name in table["feature"])
    coef = dict(zip(table["feature"], table["coef"], strict=True))
    best, worst = ("body=ine", "body=rst") if how.get("analyzer") else ("body=finest", "body=worst")
    named = {name: value for name, value in coef.items() if best in name or worst in name}
    assert named and all((value > 0) == (best in name) for name, value in named.items())
    for (rows, names), text in zip(one_by_one(source), body[:3], strict=False):
        words = {name.removeprefix("body=").strip() for name in signed(names)}
        assert words and all(word in text for word in words)
        assert {feature for feature in names} == set(rows.X.indices[1:].tolist())
