"""Columns of free text: their words are features, as scikit-learn's vectorizers make them, wherever the text is from."""

import json
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer
from support.columnar import WAYS, made

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

rng = np.random.default_rng(0)
N, BITS = 600, 2**14
LEXICON = np.array(
    [
        "the",
        "of",
        "and",
        "a",
        "sea",
        "ship",
        "sails",
        "north",
        "storm",
        "été",
        "naïve",
        "Straße",
        "МИР",
        "日本",
        "x",
        "y2",
        "3",
    ]
)
BODY = [" ".join(rng.choice(LEXICON, rng.integers(6, 30))) for _ in range(N)]
BODY[7], BODY[9] = "", None
Y = np.array(["storm" in (text or "") for text in BODY]).astype(int)
TABLE = pa.table({"y": Y, "body": BODY, "x": rng.standard_normal(N)})
FILLED = [text or "" for text in BODY]
NAMED = {"target": "y", "text_features": ["body"], "n_hashed": BITS}
CONSTANT = "--learning-rate", "constant", "--eta0", "0.1"
READ_ANEW = [way for way in WAYS if way != "reader"]


def vectorized(texts=FILLED, **how):
    return HashingVectorizer(n_features=BITS, **how).transform(texts)


def features(source):
    X = sp.vstack([rows.X for rows in source.blocks()]).tocsr()
    assert X.has_canonical_format and not (X.data == 0).any()
    return X


def assert_close(X, expected):
    difference = X - sp.csr_matrix(expected)
    assert X.shape == expected.shape and abs(difference).max() < 1e-6


# ---------------------------------------------------------------- which features
@pytest.mark.parametrize("how", [{}, {"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (2, 3)}])
@pytest.mark.parametrize("way", WAYS)
def test_texts_are_hashed_as_scikit_learn_does_in_every_format(way, how, tmp_path):
    """After the numbers, in rows of length 1; a null, and a text without words, is a row of zeros."""
    source = made(way, TABLE, tmp_path, **NAMED, **how)
    X = features(source)
    assert X.dtype == np.float32 and source.n_features == 1 + BITS
    assert_close(X[:, 1:], vectorized(**how))
    norms = np.sqrt(X[:, 1:].multiply(X[:, 1:]).sum(axis=1))
    assert np.flatnonzero(norms < 0.5).tolist() == [7, 9]


def test_texts_of_float64_are_exact():
    X = features(from_arrow(TABLE, **NAMED, dtype="f8", columns=["body"]))
    np.testing.assert_allclose(X.data, vectorized().data[vectorized().data != 0], rtol=1e-14)


def test_texts_may_be_repeated_or_of_any_type_of_strings(tmp_path):
    texts = pa.array(FILLED[:20] * 30)
    kinds = texts.dictionary_encode(), texts.cast(pa.large_string()), texts.cast(pa.string_view())
    for array in kinds:
        X = features(from_arrow(pa.table({"y": Y, "body": array}), **NAMED))
        assert_close(X, vectorized(FILLED[:20] * 30))
    pq.write_table(pa.table({"y": Y, "body": kinds[0]}), tmp_path / "t.parquet")
    assert_close(features(from_parquet(tmp_path / "t.parquet", **NAMED)), vectorized(FILLED[:20] * 30))


@pytest.mark.parametrize("categorical", ["hash", "one-hot"])
def test_texts_are_beside_categories(categorical):
    table = TABLE.append_column("city", pa.array(rng.choice(["Oslo", "Rome"], N)))
    X = features(from_arrow(table, **NAMED, categorical=categorical))
    cities = features(from_arrow(table, target="y", n_hashed=BITS, categorical=categorical, columns=["x", "city"]))
    beside = cities.shape[1] if categorical == "one-hot" else 1
    expected = sp.hstack([cities[:, :beside], vectorized()]).tocsr()
    if categorical == "hash":  # they share the features
        expected += sp.hstack([sp.csr_matrix((N, 1)), cities[:, 1:]])
    assert_close(X, expected)


def test_the_words_of_each_column_of_text_have_features_of_their_own():
    """Of the first those of HashingVectorizer, of others such features in a circle; each text has length 1."""
    titles = [" ".join(rng.choice(LEXICON, 5)) for _ in range(N)]
    table = pa.table({"y": Y, "body": BODY, "title": titles})
    X = features(from_arrow(table, **NAMED | {"text_features": ["title", "body"]}))
    other = (X - vectorized()).tocsr()
    other.data[abs(other.data) < 1e-6] = 0
    other.eliminate_zeros()
    expected = vectorized(titles).toarray()
    shifts = [s for s in range(BITS) if abs(other[0] - sp.csr_matrix(np.roll(expected[:1], s))).max() < 1e-6]
    assert len(shifts) == 1 and shifts[0] > 0
    assert_close(other, np.roll(expected, shifts[0], axis=1))


def test_rare_words_count_more_with_idf():
    """As TfidfTransformer has it, of all rows of the source, whose numbers of texts are learnt in one pass."""
    source = from_arrow(TABLE, **NAMED, idf=True, alternate_sign=False)
    counts = vectorized(norm=None, alternate_sign=False)
    transformer = TfidfTransformer().fit(counts)
    assert_close(features(source)[:, 1:], transformer.transform(counts))
    other = pa.table({"y": [0, 1], "body": ["storm in the harbour", "unheard of"], "x": [0.0, 1.0]})
    texts = HashingVectorizer(n_features=BITS, norm=None, alternate_sign=False).transform(other["body"].to_pylist())
    assert_close(features(from_arrow(other).like(source.reading))[:, 1:], transformer.transform(texts))


# ---------------------------------------------------------------- what is recognised
@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("reader", "stream")])
def test_a_column_of_texts_is_recognised_and_said(way, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", n_hashed=BITS)
    assert source.reading["text_features"] == ["body"] and source.reading["kinds"] == {"body": "words"}
    assert source.columns_["body"].kind == "text" and "words" in source.columns_["body"].becomes
    with pytest.warns(UserWarning, match=r"column 'body' has other words .* text_features=\['body'\] says so"):
        SGDClassifier("log_loss").fit(source)
    assert_close(features(source)[:, 1:], vectorized())


@pytest.mark.parametrize("way", ["reader", "stream"])
def test_a_stream_is_not_read_to_see_whether_there_is_text(way, tmp_path):
    source = made(way, TABLE, tmp_path, target="y", n_hashed=BITS)
    assert source.reading["kinds"] == {"body": "text"}


def distinct(form):
    return [form.format(i, 7 * i % 997) for i in range(N)]


@pytest.mark.parametrize(
    "column",
    [
        distinct("user{}"),
        distinct("{:08x}-c0ffee-{}-beef-cafe"),
        distinct("https://example.org/a-page/of-{}/words/{}"),
        distinct("2024-01-01 10:00:00.{:06d}"),
        distinct("{} {} 5 6 7 8 9 10"),
        distinct("someone.{}@mail.example.org"),
        rng.choice(["not at all like that", "more or less so, I think", "very much so indeed"], N),
        [None] * N,
        [None] * (N - 3) + ["one text of some words", "and a second one here", "the third and the last"],
    ],
)
def test_names_numbers_and_repeated_phrases_are_categories(column):
    table = pa.table({"y": Y, "c": pa.array(column, pa.string())})
    assert from_arrow(table, target="y").reading["kinds"] == {"c": "text"}


@pytest.mark.parametrize(
    "text", ["船は北へ向かって嵐の中を{}進んだ", "The weather of day {} was fair", "Корабль номер {} ушёл на север"]
)
def test_texts_of_any_alphabet_are_recognised(text):
    table = pa.table({"y": Y, "c": distinct(text)})
    assert from_arrow(table, target="y").reading["text_features"] == ["c"]


@pytest.mark.parametrize(
    "said", [{"text_features": []}, {"categorical_features": ["body"]}, {"interactions": [("body", "x")]}]
)
def test_what_is_said_otherwise_is_no_text(said):
    source = from_arrow(TABLE, target="y", **said)
    assert source.reading["kinds"] == {"body": "text"} and "text_features" not in source.reading


def test_rare_words_can_not_be_learnt_of_rows_that_come_once(tmp_path):
    with pytest.raises(ValueError, match=r"body.* must be known before: .*idf=False"):
        made("reader", TABLE, tmp_path, **NAMED, idf=True)


def test_no_warning_of_what_is_named():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SGDClassifier("log_loss").fit(from_arrow(TABLE, **NAMED))


# ---------------------------------------------------------------- models
@pytest.mark.parametrize("idf", [False, True])
@pytest.mark.parametrize("way", READ_ANEW)
def test_a_model_of_texts_predicts_from_a_file_as_it_was_trained(way, idf, tmp_path):
    how = NAMED | {"idf": idf, "ngram_range": (1, 2), "columns": ["body"]}
    est = SGDClassifier("log_loss", random_state=0).fit(from_arrow(TABLE, **how))
    path = tmp_path / "model"
    est.save(path)
    est = fastsgd.load(path)
    again = made(way, TABLE, tmp_path, target="y")
    expected = HashingVectorizer(n_features=BITS, norm=None, ngram_range=(1, 2)).transform(FILLED)
    expected = TfidfTransformer(use_idf=idf).fit_transform(expected)
    np.testing.assert_allclose(est.decision_function(again), est.decision_function(expected), atol=1e-5)
    assert est.score(again) > 0.85


def test_a_single_document_or_none_is_predicted(tmp_path):
    est = SGDClassifier("log_loss", random_state=0).fit(from_arrow(TABLE, **NAMED, columns=["body"]))
    own = est.decision_function(vectorized(["the storm"]))
    for path, text, expected in (
        ("a.csv", "body\nthe storm\n", own),
        ("b.csv", "body\n12\n", None),
        ("c.csv", 'body,k\n"",1\n', None),
    ):
        (tmp_path / path).write_text(text)
        scores = est.decision_function(from_csv(tmp_path / path))
        words = vectorized([text.split("\n")[1].strip('",1')] if expected is None and "12" not in text else ["12"])
        np.testing.assert_allclose(scores, est.decision_function(words) if expected is None else expected, atol=1e-5)
    for array in (pa.array([None], pa.string()), pa.nulls(1)):
        scores = est.decision_function(from_arrow(pa.table({"body": array})))
        np.testing.assert_allclose(scores, est.intercept_, atol=1e-6)


def test_a_column_of_texts_must_stay_one():
    est = SGDRegressor(max_iter=1, tol=None).fit(from_arrow(TABLE, **NAMED))
    other = TABLE.set_column(1, "body", pa.array(np.arange(N)))
    with pytest.raises(ValueError, match=r"column 'body' is of type int64, in training it was free text"):
        est.predict(from_arrow(other, target="y"))
    for said in ({"ngram_range": (1, 2)}, {"analyzer": "char"}, {"n_hashed": 2**10}, {"idf": True}):
        with pytest.raises(ValueError, match=f"{next(iter(said))}=.* in training it was"):
            est.predict(from_arrow(TABLE, target="y", text_features=["body"], **said))
    with pytest.raises(ValueError, match="text_features"):
        est.predict(from_arrow(TABLE.set_column(2, "x", pa.array(FILLED)), target="y", text_features=["body", "x"]))
    words = SGDRegressor(max_iter=1, tol=None).fit(from_arrow(TABLE, target="y", text_features=[]))
    with pytest.raises(ValueError, match="text_features: 'body' was no text in training"):
        words.predict(from_arrow(TABLE, target="y", text_features=["body"]))
    assert words.predict(from_arrow(TABLE, target="y")).shape == (N,)  # which reads it as a category again


@pytest.mark.parametrize(
    "known",
    [
        {"texts": 3},
        {"texts": 3, "features": [1, 2], "texts_with": [1]},
        {"texts": 3, "features": [BITS], "texts_with": [1]},
        {"texts": 3, "features": [-1], "texts_with": [1]},
        {"texts": 3, "features": [1], "texts_with": [4]},
        {"texts": 3.5, "features": [1.0], "texts_with": ["1"]},
        {"texts": True, "features": "1", "texts_with": {}},
    ],
)
def test_what_a_file_says_was_learnt_of_texts_is_checked(known):
    reading = from_arrow(TABLE, **NAMED, idf=True).reading
    with pytest.raises(ValueError, match="learnt: what it says of 'body'"):
        from_arrow(TABLE).like(reading | {"learnt": {"body": known}})


def test_a_source_of_texts_pickles():
    source = from_arrow(TABLE, **NAMED, idf=True)
    assert_close(features(pickle.loads(pickle.dumps(source))), features(source))


def test_the_coefficients_of_words_are_named():
    source = from_arrow(TABLE, **NAMED, columns=["body"])
    est = SGDClassifier("log_loss", random_state=0).fit(source)
    names = [row.name if hasattr(row, "name") else row[0] for row in est.coefficients(top=3, data=source)]
    assert "body=storm" in names


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"text_features": ["nobody"]}, "text_features: 'nobody' is not among the features"),
        ({"text_features": ["x"]}, "text_features: column 'x' .* is of type double, not of text"),
        ({"text_features": "body"}, "text_features must be a list of column names"),
        ({"ngram_range": (2, 1)}, r"ngram_range must be two whole numbers"),
        ({"ngram_range": 2}, r"ngram_range must be two whole numbers"),
        ({"analyzer": "letters"}, "analyzer must be one of word, char, char_wb"),
        ({"idf": "yes"}, "idf must be True or False"),
        ({"text_features": [], "idf": True}, r"idf=True is of texts, and none of the columns .*text_features="),
        ({"text_features": ["body"], "interactions": [("body", "x")]}, "interactions"),
    ],
)
def test_mistakes_are_said(said, words):
    with pytest.raises(ValueError, match=words):
        from_arrow(TABLE, target="y", **said)


def test_a_pattern_names_texts_and_texts_are_a_kind():
    assert from_arrow(TABLE, target="y", text_features=["b*"]).reading["text_features"] == ["body"]
    assert from_arrow(TABLE, target="y", exclude=["kind:text"]).reading["columns"] == ["x"]
    assert from_arrow(TABLE, target="y", columns=["kind:text"]).reading["text_features"] == ["body"]


# ---------------------------------------------------------------- the command
def test_the_command_trains_on_texts_and_predicts(tmp_path, monkeypatch, capsys):
    pytest.importorskip("typer")
    from fastsgd.cli import main

    monkeypatch.chdir(tmp_path)
    TABLE.to_pandas().to_csv("t.csv", index=False)
    flags = ["--text-features", "body", "--ngram-range", "1,2", "--idf", "--n-hashed", str(BITS)]
    assert main(["train", "t.csv", "--target", "y", "--columns", "body", "--model", "m", "-q", *flags]) == 0
    est = fastsgd.load("m")
    assert (est.reading_["ngram_range"], est.reading_["idf"]) == ([1, 2], True)
    capsys.readouterr()
    assert main(["evaluate", "t.csv", "--model", "m", "--target", "y", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 0.85
    assert main(["train", "t.csv", "--target", "y", "--text-features", "none", "--model", "m2", "-q"]) == 0
    assert fastsgd.load("m2").reading_["kinds"] == {"body": "text"}


def test_texts_are_as_good_as_those_of_tfidf_vectorizer():
    """Of documents of topics, whose words overlap."""
    topics = rng.dirichlet(np.full(400, 0.2), 4)
    labels = rng.integers(0, 4, 1500)
    texts = [" ".join(f"word{w}" for w in rng.choice(400, 12, p=topics[t])) for t in labels]
    table = pa.table({"y": labels, "text": texts})
    source = from_arrow(table[:1000], target="y", text_features=["text"], idf=True)
    est = SGDClassifier("log_loss", learning_rate="auto", max_iter=3, tol=None, random_state=0).fit(source)
    tfidf = TfidfVectorizer()
    peer = SGDClassifier("log_loss", random_state=0).fit(tfidf.fit_transform(texts[:1000]), labels[:1000])
    ours = est.score(from_arrow(table[1000:], target="y"))
    assert ours > peer.score(tfidf.transform(texts[1000:]), labels[1000:]) - 0.03


def test_the_command_takes_what_suits_texts_and_says_so(tmp_path, monkeypatch, capsys):
    pytest.importorskip("typer")
    from fastsgd.cli import main

    monkeypatch.chdir(tmp_path)
    TABLE.to_pandas().to_csv("t.csv", index=False)
    train = ["train", "t.csv", "--target", "y", "--text-features", "body", "--model", "m", "-q"]
    assert main([*train, "--columns", "body"]) == 0
    assert "texts are trained with --alpha 1e-05 --learning-rate optimal" in capsys.readouterr().err
    est = fastsgd.load("m")
    assert (est.alpha, est.max_iter, est.learning_rate, est.reading_["idf"]) == (1e-5, "auto", "optimal", True)
    assert est.n_features_in_ == 2**18
    again = from_csv("t.csv", idf="auto", n_hashed="auto", text_features=["body"])  # says nothing else than the model
    assert est.predict(again).shape == (N,)
    assert main([*train, "--columns", "body", "--max-iter", "2", "--alpha", "0.001", "--no-idf", *CONSTANT]) == 0
    est = fastsgd.load("m")
    assert (est.alpha, est.max_iter, est.learning_rate, est.reading_["idf"]) == (1e-3, 2, "constant", False)
    assert main(train) == 0  # numbers beside the texts need "auto"
    est = fastsgd.load("m")
    assert (est.learning_rate, est.n_features_in_) == ("auto", 1 + 2**20)
    capsys.readouterr()
    assert main(["train", "t.csv", "--target", "y", "--columns", "x", "--model", "m", "-q"]) == 0
    assert "texts" not in capsys.readouterr().err and "text_features" not in fastsgd.load("m").reading_
