"""svmlight text: what is read, what is refused and in which words, and how much of it is in memory."""

import re
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from support.svmlight import made, read, same, together

from fastsgd.sources import _svmlight, from_svmlight

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
BELOW = st.floats(-1e308, 1e308)  # 16 digits, which scikit-learn writes, could make the largest of FINITE infinite

# ---------------------------------------------------------------- what is read


@SLOW
@given(st.data(), st.sampled_from(["float32", "float64"]), st.booleans(), st.integers(1, 200), st.booleans())
def test_same_as_load_svmlight_file(tmp_path, data, dtype, zero_based, block_bytes, comment):
    n, d = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 6))
    values = st.floats(-(2.0**127), 2.0**127, width=32) if dtype == "float32" else BELOW
    X = np.array(data.draw(st.lists(st.lists(st.just(0.0) | values, min_size=d, max_size=d), min_size=n, max_size=n)))
    y = np.array(data.draw(st.lists(BELOW, min_size=n, max_size=n)))
    path, words = tmp_path / "rows", "of these rows" if comment else None
    dump_svmlight_file(sp.csr_matrix(X), y, str(path), zero_based=zero_based, query_id=np.arange(n), comment=words)
    theirs, labels = load_svmlight_file(str(path), n_features=d, dtype=dtype, zero_based=zero_based)
    source = from_svmlight(path, n_features=d, dtype=dtype, zero_based=zero_based, block_bytes=block_bytes)
    ours, targets = together(source)
    np.testing.assert_array_equal(targets, labels)
    same(ours, theirs)
    if X.any():
        theirs, _ = load_svmlight_file(str(path), dtype=dtype)
        same(together(from_svmlight(path, dtype=dtype, block_bytes=block_bytes))[0], theirs)


def number_text(digits, point, sign, exponent):
    return f"{sign}{digits[:point]}.{digits[point:]}{exponent}"


NUMBERS = FINITE.map(repr) | st.builds(
    number_text,
    st.text("0123456789", min_size=1, max_size=40),
    st.integers(0, 40),
    st.sampled_from(["", "-", "+"]),
    st.just("") | st.integers(-400, 400).map("e{}".format) | st.integers(-30, 30).map("E{:+d}".format),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_numbers_are_those_of_float(texts):
    finite = [text for text in texts if np.isfinite(float(text))]
    line = " ".join(["0", *(f"{k}:{text}" for k, text in enumerate(finite))])
    text = f"{line}\n".encode()
    _, (data, indices, _), *_, fault = _svmlight.parse(text, 0, 100, False, np.dtype("f8"), np.dtype("i4"))
    assert fault is None and indices.tolist() == list(range(len(finite)))
    assert data.tobytes() == np.array([float(text) for text in finite]).tobytes()


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",
        "1." + "0" * 30 + "1",
        "2.2250738585072011e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "1e-400",
        "0e99999999999999999999",
        "1e-99999999999999999999",
        "0." + "0" * 500 + "1e501",
        "1" + "0" * 500 + "e-500",
        "-0",
        "1e23",
        "8.5e22",
        "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207e210",
    ],
)
def test_numbers_that_are_hard_to_round(tmp_path, text):
    (X, y) = read(tmp_path, f"{text} 1:{text}", dtype=np.float64)
    assert X.data.tobytes() == y.tobytes() == np.array([float(text)]).tobytes()


def test_float32_is_the_double_rounded(tmp_path):
    X, _ = read(tmp_path, "1 1:0.1 2:3.4028235e38 3:16777217 4:1e-46")
    np.testing.assert_array_equal(X.data, np.array([0.1, 3.4028235e38, 16777216, 0], np.float32))


@pytest.mark.parametrize(
    "text",
    [
        "1 1:2 3:4\n-1 2:1\n",
        "1 1:2 3:4\n-1 2:1",
        "1 1:2 3:4\r\n-1 2:1\r\n",
        "1 1:2 3:4\r\n-1 2:1\r",
        "\ufeff1 1:2 3:4\n-1 2:1\n",
        "\n  \n# 9 9:9\n1\t1:2  3:4 \t\n\r\n-1 2:1# 7:7 \n\n",
        "+1 qid:3 1:2 3:4 # a # b\n-1.0 qid:4 2:1",
        "1 3:4 1:2\n-1 2:1",
        "1 001:2.0 3:.4e1\n-1e0 2:1.",
    ],
)
@pytest.mark.parametrize("block_bytes", [1, 5, 1000])
def test_what_is_passed_over(tmp_path, text, block_bytes):
    X, y = read(tmp_path, text, block_bytes=block_bytes)
    np.testing.assert_array_equal(X.toarray(), [[2, 0, 4], [0, 1, 0]])
    assert y.tolist() == [1, -1]


def test_rows_without_values_and_files_without_rows(tmp_path):
    X, y = read(tmp_path, "1\n2 # 1:1\n3 qid:1\n")
    assert X.shape == (3, 0) and y.tolist() == [1, 2, 3]
    nothing = from_svmlight(made(tmp_path, ""))
    assert nothing.n_blocks == 0 and list(nothing.blocks()) == []
    assert sum(len(rows.y) for rows in from_svmlight(made(tmp_path, "\n# none\n"), n_features=3).blocks()) == 0


def test_a_row_in_any_order_is_sorted(tmp_path):
    order = np.random.default_rng(0).permutation(100_000) + 1
    X, _ = read(tmp_path, "1 " + " ".join(f"{k}:{k}" for k in order))
    np.testing.assert_array_equal(X.indices, np.arange(100_000))
    np.testing.assert_array_equal(X.data, np.arange(1, 100_001))


# ---------------------------------------------------------------- indices


def test_auto_counts_from_one_unless_an_index_0_is_anywhere(tmp_path):
    ones, zeros = made(tmp_path, "1 1:1 4:1\n", "a"), made(tmp_path, "1 2:1\n" * 9 + "1 0:1\n", "b")
    assert together(from_svmlight(ones))[0].indices.tolist() == [0, 3]
    source = from_svmlight([ones, zeros], block_bytes=20)
    assert source.read(0).X.indices.tolist() == [1, 4] and source.n_features == 5
    assert from_svmlight(ones, zero_based=True).read(0).X.shape == (1, 5)
    assert from_svmlight(ones, n_features=4).read(0).X.indices.tolist() == [0, 3]
    with pytest.raises(ValueError, match=r"a:1:7: found '4:1'; n_features=4, so that indices end at 3"):
        list(from_svmlight([ones, zeros], n_features=4).targets())


def test_auto_leaves_out_what_is_beyond_once_it_knows_the_base(tmp_path):
    source = from_svmlight(made(tmp_path, "1 4:1\n2 0:1\n"), n_features=4, on_error="skip")
    with pytest.warns(UserWarning, match="1 malformed lines were left out"):
        assert [y.tolist() for y, _ in source.targets()] == [[2]]
    assert source.n_rows == source.skipped == 1


def test_targets_find_out_the_size(tmp_path):
    source = from_svmlight(made(tmp_path, "1 1:1\n2 7:1\n3 2:1\n"), block_bytes=8)
    assert (source.n_rows, source.n_features, source.n_blocks) == (None, None, 3)
    assert np.concatenate([y for y, weight in source.targets() if weight is None]).tolist() == [1, 2, 3]
    assert (source.n_rows, source.n_features) == (3, 7)


def test_nothing_is_gone_over_twice_where_all_is_given(tmp_path, monkeypatch):
    source = from_svmlight(made(tmp_path, "1 1:1\n"), n_features=2, zero_based=False)
    monkeypatch.setattr(source, "_scan", None)
    assert source.read(0).X.shape == (1, 2) and len(list(source.blocks())) == 1


@pytest.mark.parametrize(
    "index, zero_based, kind",
    [(2**31 - 1, False, np.int32), (2**31 - 1, True, np.int64), (10**18 - 1, True, np.int64)],
)
def test_a_huge_index_takes_no_memory(tmp_path, index, zero_based, kind):
    tracemalloc.start()
    X = from_svmlight(made(tmp_path, f"1 {index}:1 1:2\n"), zero_based=zero_based).read(0).X
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert X.indices.dtype == X.indptr.dtype == kind and X.indices[1] == index - (not zero_based)
    assert X.shape[1] == index + zero_based and peak < 10e6


# ---------------------------------------------------------------- what is refused


BAD = [
    ("1 1:1\nx 1:1", 2, 1, "found 'x'; a label is expected first, one finite number."),
    ("1:1 2:2", 1, 1, "found '1:1'; a label is expected first"),
    ("  nan 1:1", 1, 3, "found 'nan'; a label is expected first"),
    ("1e400 1:1", 1, 1, "found '1e400'; it overflows float64, in which labels are."),
    ("1,2 1:1", 1, 1, "found '1,2'; one label is expected; rows with several are not supported."),
    ("1 qid:x 1:1", 1, 3, "found 'qid:x'; a whole number is expected after qid:."),
    ("1 1:1 qid:1", 1, 7, "found 'qid:1'; index:value is expected, or a comment"),
    ("1 2", 1, 3, "found '2'; index:value is expected"),
    ("1 -1:2", 1, 3, "found '-1:2'; index:value is expected"),
    ("1 1 :2", 1, 3, "found '1'; index:value is expected"),
    ("1 1:", 1, 5, "found nothing; a finite number is expected after the colon."),
    ("1 1:#x", 1, 5, "found nothing; a finite"),
    ("1 1:\r\n", 1, 5, "found nothing; a finite"),
    ("1 1: 2", 1, 5, "found nothing; a finite"),
    ("1 1:inf", 1, 5, "found 'inf'; a finite"),
    ("1 1:-NaN", 1, 5, "found '-NaN'; a finite"),
    ("1 1:0x10", 1, 5, "found '0x10'; a finite"),
    ("1 1:1_0", 1, 5, "found '1_0'; a finite"),
    ("1 1:1,5", 1, 5, "found '1,5'; a finite"),
    ("1 1:1\r2:1", 1, 5, r"found '1\r2:1'; a finite"),
    ("1 1:1\0", 1, 5, r"found '1\x00'; a finite"),
    (b"1 1:\xff", 1, 5, r"found '\\xff'; a finite"),
    ("\n\n1 2:1 1:1e400", 3, 9, "found '1e400'; it overflows float32; dtype=np.float64 holds more."),
    ("1 1:3.5e38", 1, 5, "found '3.5e38'; it overflows float32"),
    ("1 3:1 1:1 2:1 3:2 1:5 #3:2", 1, 15, "found '3:2'; this index is in the row already."),
    ("1 1:1 0001:2", 1, 7, "found '0001:2'; this index is in the row already."),
    ("1 1000000000000000000:1", 1, 3, "found '1000000000000000000:1'; an index has at most 18 digits."),
    (b"PAR1\x15\x04\x15", 1, 1, "a label is expected first"),
    ("1 1:" + "y" * 100, 1, 5, "found '" + "y" * 37 + "...'; a finite"),
]


@pytest.mark.parametrize("text, line, column, words", BAD)
def test_a_malformed_line_is_named(tmp_path, text, line, column, words):
    path = made(tmp_path, text)
    for source in (from_svmlight(path), from_svmlight(path, block_bytes=2)):
        with pytest.raises(ValueError) as error:
            source.read(0)
        assert str(error.value).startswith(f"{path}:{line}:{column}: ") and words in str(error.value)


def test_indices_beyond_those_said(tmp_path):
    path = made(tmp_path, "1 3:1\n1 0:1")
    with pytest.raises(ValueError, match=r":2:3: found '0:1'; indices are counted from 1 \(zero_based=False\)\."):
        from_svmlight(path, zero_based=False).survey()
    with pytest.raises(ValueError, match=r":1:3: found '3:1'; n_features=3, so that indices end at 2\."):
        from_svmlight(path, zero_based=True, n_features=3).read(0)
    with pytest.raises(ValueError, match=r":1:3: found '3:1'; n_features=2, so that indices end at 2\."):
        from_svmlight(path, zero_based=False, n_features=2).read(0)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_are_counted_from_the_start_of_the_file_in_every_block(tmp_path, ending):
    lines = [f"{k} 1:{k}" for k in range(50)]
    lines[37] = "37 1:37 2:oh"
    path = made(tmp_path, ending.join(lines))
    source = from_svmlight(path, n_features=2, zero_based=False, block_bytes=64)
    with pytest.raises(ValueError, match=re.escape(f"{path}:38:11: found 'oh'; ")):
        [source.read(k) for k in reversed(range(source.n_blocks))]


def test_skip_leaves_lines_out_counts_them_and_says_so_once(tmp_path):
    text = "".join(f"{k} 1:{'?' if k % 10 == 3 else k}\n" for k in range(100))
    source = from_svmlight(made(tmp_path, text), on_error="skip", block_bytes=100)
    with pytest.warns(UserWarning) as said:
        source.survey()
    assert [str(w.message) for w in said] == [
        f"10 malformed lines were left out (on_error='skip'). The first: {tmp_path / 'rows.txt'}:4:5: found '?'; "
        "a finite number is expected after the colon."
    ]
    for _ in range(2):
        _, y = together(source)
        assert y.tolist() == [k for k in range(100) if k % 10 != 3]
    assert source.skipped == 10 and source.n_rows == 90
    blind = from_svmlight(made(tmp_path, text), n_features=1, zero_based=False, on_error="skip", block_bytes=100)
    with pytest.warns(UserWarning, match="10 malformed"):
        [blind.read(k) for k in reversed(range(blind.n_blocks))]


def test_skip_leaves_no_trace_of_a_line(tmp_path):
    text = "1 1:1 9:1 x\n2 2:2 2:3\n3 0:1 1:inf\n4 1:4\n"
    with pytest.warns(UserWarning, match="3 malformed"):
        X, y = read(tmp_path, text, on_error="skip")
    assert X.shape == (1, 1) and X.toarray().tolist() == [[4]] and y.tolist() == [4]


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n_features": 0}, "n_features must be None or an integer from 1"),
        ({"n_features": 2.0}, "n_features must be None or an integer from 1"),
        ({"zero_based": "no"}, "zero_based must be True, False or 'auto', got 'no'"),
        ({"zero_based": 1}, "zero_based must be True, False or 'auto', got 1"),
        ({"dtype": "int32"}, "dtype must be float32 or float64, got 'int32'"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip', got 'ignore'"),
        ({"block_bytes": 0}, "block_bytes must be an integer from 1"),
    ],
)
def test_options(tmp_path, options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        from_svmlight(made(tmp_path, "1"), **options)
