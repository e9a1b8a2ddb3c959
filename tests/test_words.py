"""Words of texts are hashed and counted as scikit-learn's HashingVectorizer does."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from fastsgd.sources import encode
from fastsgd.sources._words import count_texts, count_words, name_words, weigh

ANALYZERS = "word", "char", "char_wb"
RANGES = (1, 1), (1, 2), (2, 2), (2, 4), (3, 7)
TEXTS = [
    "",
    " ",
    "a",
    "The cat, the CAT\n\n sat \t on  THE mat.",
    "\n one\n",
    "_a b_ __ 1 12 a1 a-b don't",
    "Ünïcode ÉTÉ été e\u0301te\u0301 Straße STRASSE ﬁne",
    "ΣΊΣΥΦΟΣ ΑΣ Σ ασ ΑΣ. ΑΣΑ",  # noqa: RUF001
    "İstanbul ILIK ılık İİ",  # noqa: RUF001
    "日本語 テキスト 한국어 हिन्दी ภาษาไทย العربية עברית",
    "Привет, МИР! Їжак",
    "𝒳𝒴 𐐀𐐁𐐂 😀😀 a😀b ٣٤ ½¾",  # noqa: RUF001
    "\u2003a\u2003\u2003bc\u00a0\u3000d ",
    "nul\x00byte \x1c\x1d ab\x85cd",
    "long" * 5000,
    "word Wort слово " * 3000,
]


def matrix(
    texts, analyzer="word", ngram_range=(1, 1), lowercase=True, n=2**18, signed=True, unit=True, kind=None, shift=0
):
    """CSR of what the kernel makes of texts, or of (offsets, bytes)."""
    ends, text = texts if isinstance(texts, tuple) else encode.text_buffers(pa.array(texts, kind or pa.string()))
    starts, index, counts = count_words(
        ends,
        text,
        analyzer=analyzer,
        ngram_range=ngram_range,
        lowercase=lowercase,
        n_features=n,
        alternate_sign=signed,
        shift=shift,
    )
    out = np.empty(len(index))
    weigh(starts, index, counts, np.empty(0), unit, out)
    X = sp.csr_matrix((out, index, starts), (len(ends) - 1, n))
    assert X.has_canonical_format  # the features of each row rise
    return X


def theirs(texts, analyzer="word", ngram_range=(1, 1), lowercase=True, n=2**18, signed=True, unit=True):
    how = {"analyzer": analyzer, "ngram_range": ngram_range, "lowercase": lowercase, "n_features": n}
    return HashingVectorizer(**how, alternate_sign=signed, norm="l2" if unit else None).transform(texts)


def assert_equal(ours, theirs):
    np.testing.assert_array_equal(ours.indptr, theirs.indptr)
    np.testing.assert_array_equal(ours.indices, theirs.indices)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-14)


@pytest.mark.parametrize("ngram_range", RANGES)
@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_texts_of_all_alphabets_are_hashed_as_scikit_learn_does(analyzer, ngram_range):
    for lowercase in (True, False):
        how = {"analyzer": analyzer, "ngram_range": ngram_range, "lowercase": lowercase}
        assert_equal(matrix(TEXTS, **how), theirs(TEXTS, **how))
        for more in ({"unit": False, "n": 5}, {"signed": False, "n": 1000}, {"unit": False, "signed": False, "n": 1}):
            assert_equal(matrix(TEXTS, **how, **more), theirs(TEXTS, **how, **more))


def test_every_character_has_the_case_and_the_kind_that_python_knows():
    """In blocks of characters, each with letters around it; of the ideographs of the last planes a part."""
    known = [*range(0xD800), *range(0xE000, 0x20000), *range(0x20000, 0x110000, 61)]
    texts = ["".join(f"a{chr(c)}b {chr(c)} " for c in known[lo : lo + 256]) for lo in range(0, len(known), 256)]
    for analyzer in ("word", "char_wb"):
        how = {"analyzer": analyzer, "unit": False}
        assert_equal(matrix(texts, **how), theirs(texts, **how))


piece = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="aA bB_1\n\t ΣσÉé\u0307İ,", max_size=20),
    st.sampled_from(["the", "The ", " ΑΣ ", "naïve ", "\u2028", "x" * 70]),
)
texts = st.lists(st.builds("".join, st.lists(piece, max_size=8)), min_size=1, max_size=6)
sizes = st.tuples(st.integers(1, 5), st.integers(0, 3)).map(lambda pair: (pair[0], pair[0] + pair[1]))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(texts, st.sampled_from(ANALYZERS), sizes, st.booleans(), st.sampled_from([1, 7, 64, 2**18, 2**31 - 1]))
@example(["  ", "a  "], "char", (1, 1), True, 64)
@example(["ab"], "char_wb", (4, 5), True, 64)
def test_any_text_is_hashed_as_scikit_learn_does(texts, analyzer, ngram_range, lowercase, n):
    how = {"analyzer": analyzer, "ngram_range": ngram_range, "lowercase": lowercase, "n": n, "unit": False}
    assert_equal(matrix(texts, **how), theirs(texts, **how))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=30), min_size=1, max_size=4), st.sampled_from(ANALYZERS))
@example([b"\xe2\x82", b"\xac ab"], "word")
@example([b"ab\xc0\xafcd \xed\xa0\x80 \xf4\x90\x80\x80\xff"], "char")
def test_bytes_that_are_no_utf8_are_read_as_replaced(texts, analyzer):
    """And no text reads what is of the next one."""
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    ours = matrix((ends, np.frombuffer(b"".join(texts), np.uint8)), analyzer, (1, 2))
    assert_equal(ours, theirs([text.decode("utf-8", "replace") for text in texts], analyzer, (1, 2)))


def test_offsets_may_be_of_either_size_and_of_a_part_of_an_array():
    expected = theirs(TEXTS[3:7])
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(TEXTS, kind)[3:7]
        assert_equal(matrix(encode.text_buffers(array)), expected)


@pytest.mark.parametrize("n, shift", [(64, 5), (1000, 999), (1000, 1007), (1, 3)])
def test_features_may_be_shifted(n, shift):
    order = (np.arange(n) - shift) % n
    shifted = theirs(TEXTS, n=n).toarray()[:, order]
    np.testing.assert_allclose(matrix(TEXTS, n=n, shift=shift).toarray(), shifted, rtol=1e-14)


@pytest.mark.parametrize("how", [{"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (2, 3)}])
def test_the_names_of_features_are_the_n_grams_that_are_hashed_to_them(how):
    n = 1000
    ends, text = encode.text_buffers(pa.array(TEXTS))
    analyze = HashingVectorizer(**how).build_analyzer()
    every = [gram for one in TEXTS for gram in analyze(one)]
    hashed = HashingVectorizer(analyzer=lambda gram: [gram], n_features=n, norm=None).transform(every).indices
    wanted = np.arange(n) % 3 == 0
    for chosen in (None, wanted):
        found, names = name_words(ends, text, None if chosen is None else chosen.view(np.uint8), **how, n_features=n)
        names = [bytes(names[lo:hi]).decode() for lo, hi in pairwise(found)]
        kept = np.ones(n, bool) if chosen is None else chosen
        assert sorted(names) == sorted(gram for gram, j in zip(every, hashed, strict=True) if kept[j])
    with pytest.raises(ValueError, match="wanted"):
        name_words(ends, text, np.ones(3, np.uint8), n_features=n)


@pytest.mark.parametrize("ends", [[0, 3, 2], [0, 9], [-1, 2], []])
def test_offsets_that_leave_the_bytes_are_refused(ends):
    with pytest.raises(ValueError, match="offsets"):
        count_words(np.array(ends, np.int32), np.zeros(4, np.uint8))


@pytest.mark.parametrize(
    "how", [{"ngram_range": (0, 1)}, {"ngram_range": (3, 2)}, {"n_features": 0}, {"n_features": 2**31}]
)
def test_sizes_that_make_no_sense_are_refused(how):
    with pytest.raises(ValueError, match="ngram_range"):
        count_words(np.zeros(1, np.int32), np.zeros(0, np.uint8), **how)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_weighed_and_made_of_length_one(dtype):
    """As TfidfTransformer does with what HashingVectorizer counts, where counts may cancel."""
    n = 50
    ends, text = encode.text_buffers(pa.array(TEXTS))
    starts, index, counts = count_words(ends, text, n_features=n)
    totals = np.zeros(n, np.int64)
    count_texts(index, totals)
    weights = np.log((1 + len(TEXTS)) / (1 + totals)) + 1
    out = np.empty(len(index), dtype)
    weigh(starts, index, counts, weights.astype(dtype), True, out)
    expected = TfidfTransformer().fit_transform(theirs(TEXTS, n=n, unit=False))
    ours = sp.csr_matrix((out, index, starts), expected.shape)
    np.testing.assert_array_equal(ours.indices, expected.indices)
    np.testing.assert_allclose(ours.data, expected.data, rtol=1e-13 if dtype is np.float64 else 1e-6)
    assert out.dtype == dtype


def test_rows_and_weights_must_agree():
    starts, index, counts = np.array([0, 1]), np.zeros(1, np.int32), np.ones(1, np.int32)
    starts = starts.astype(np.int64)
    with pytest.raises(ValueError, match="starts must go"):
        weigh(starts, index, counts[:0], np.empty(0), True, np.empty(1))
    with pytest.raises(ValueError, match="weight for each"):
        weigh(starts, index + 5, counts, np.ones(3), True, np.empty(1))
    with pytest.raises(ValueError, match="must not decrease"):
        weigh(np.array([0, 9, 1], np.int64), index, counts, np.ones(3), True, np.empty(1))
    with pytest.raises(ValueError, match="total for each"):
        count_texts(index - 1, np.zeros(3, np.int64))
