"""Cells of CSV files that may be meant otherwise than they are read: it is said, and the advice works."""

import re
import warnings

import numpy as np
import pytest

from fastsgd import LinearClassifier, SGDClassifier, SGDRegressor, sources
from fastsgd.cli import main

pytest.importorskip("pyarrow")

N = 2000
BLOCK = 8000  # bytes: a block of 300 rows, about
EVERY = pytest.mark.parametrize(
    "est", [SGDClassifier(), SGDRegressor(), LinearClassifier()], ids=lambda e: type(e).__name__
)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file of two columns of numbers, a zip code, and labels, with other cells in some places."""
    monkeypatch.chdir(tmp_path)
    g = np.random.default_rng(0)
    a, zips = g.standard_normal(N).round(3), g.integers(10_000, 99_999, N)

    def write(**odd):
        rows = [[f"{a[i]}", f"{i % 7}", f"{zips[i]}", f"{int(a[i] > 0)}"] for i in range(N)]
        for place, cell in odd.items():
            column, row = re.fullmatch(r"([a-z]+)(\d+)", place).groups()
            rows[int(row)][["a", "b", "zip", "y"].index(column)] = cell
        with open("d.csv", "w") as file:
            file.write("a,b,zip,y\n" + "".join(",".join(row) + "\n" for row in rows))

    return write


def read(**how):
    return sources.from_csv(
        "d.csv", **{"target": "y", "columns": ["a", "b"], "n_hashed": 64, "block_bytes": BLOCK, **how}
    )


def quiet(est):
    return est.set_params(max_iter=1, tol=None, random_state=0) if hasattr(est, "eta0") else est.set_params(tol=0.1)


# ---------------------------------------------------------------- a word among numbers
@EVERY
@pytest.mark.parametrize("cell, row", [("oops", 5), ("1.234.5", 250), ("12 km", 0)])
def test_a_word_that_makes_text_of_a_column_of_numbers_is_refused_with_its_row_and_advice_that_works(
    write, est, cell, row
):
    write(**{f"a{row}": cell})
    quiet(est)
    said = (
        rf"d\.csv: column 'a' is nearly one of numbers, and has '{cell}' \(row {row + 2}\), counting the header\. Set "
    )
    with pytest.raises(ValueError, match=said + rf"na_values=\['{cell}'\], fill_null='mean', null_indicator=True\."):
        est.fit(read())
    assert est.fit(read(na_values=[cell], fill_null="mean", null_indicator=True)).reading_["kinds"] == {}
    assert est.fit(read(categorical_features=["a"])).reading_["kinds"] == {"a": "text"}
    assert est.fit(read(column_types={"a": "string"})).reading_["kinds"] == {"a": "text"}
    write(**{f"a{row}": ""})
    assert est.fit(read(fill_null=0.0)).reading_["kinds"] == {}
    write()
    est.fit(read())


def test_it_is_refused_by_partial_fit_and_where_labels_become_text(write):
    write(a7="?")
    with pytest.raises(ValueError, match=r"has '\?' \(row 9\), counting the header"):
        SGDClassifier().partial_fit(read(), classes=[0, 1])
    write(y7="?")
    said = r"column 'y' .* has '\?' .*Set na_values=\['\?'\], target_nulls='drop'\. .* column_types={'y': 'string'}"
    est = SGDClassifier(max_iter=1, tol=None)
    with pytest.raises(ValueError, match=said):
        est.fit(read())
    assert est.fit(read(column_types={"y": "string"})).classes_.tolist() == ["0", "1", "?"]
    with pytest.warns(UserWarning, match="1 rows .* without a target were left out"):
        assert est.fit(read(na_values=["?"], target_nulls="drop")).classes_.tolist() == [0, 1]
    with open("d.csv") as file:
        bare = file.read().partition("\n")[2]
    with open("d.csv", "w") as file:
        file.write(bare)
    with pytest.raises(ValueError, match=r"column 'y' .* has '\?' \(row 8\)\. Set"):
        est.fit(read(column_names=["a", "b", "zip", "y"]))


def test_where_text_is_refused_the_cell_that_makes_it_text_is_named(write):
    write(a7="?", b8="none of it")
    with pytest.raises(ValueError, match=r"column 'a' is nearly one of numbers, and has '\?' \(row 9\)"):
        read(columns=["a", "zip"], categorical="error")
    with pytest.raises(ValueError, match=r"column 'b' is nearly one of numbers, and has 'none of it' \(row 10\)"):
        read(columns=["zip"], weight="b")


@pytest.mark.parametrize(
    "odd, columns",
    [
        ({f"a{i}": "word" if i % 9 else "0.5" for i in range(N)}, ["a"]),  # most are words
        ({"a3": "NA", "a4": "", "a5": "nan", "a6": "NULL"}, ["a", "b"]),  # for nothing
        ({"a3": " NA", "a4": "  ", "a5": "nan ", "a6": " 1.5"}, ["a", "b"]),  # with blanks
        ({"zip3": "word"}, ["a", "b"]),  # it is not used
    ],
)
def test_what_is_no_stray_word_is_not_refused(write, odd, columns):
    write(**odd)
    source = read(columns=columns, fill_null=0.0)
    est = SGDClassifier(max_iter=1, tol=None, random_state=0).fit(source)
    assert est.reading_["kinds"] == ({"a": "text"} if "word" in odd.get("a3", "") else {})


def test_a_word_in_a_later_block_is_an_error_whose_advice_works(write):
    write(a1900="oops")
    est = quiet(SGDClassifier())
    where = r"column 'a' is read as number, and has in row 1902, counting the header, the invalid value 'oops'\. Mend that row"
    said = r".* or set na_values=\['oops'\], fill_null='mean'; .*column_types={'a': 'string'}"
    with pytest.raises(ValueError, match=where + said):
        est.fit(read())
    assert est.fit(read(na_values=["oops"], fill_null="mean")).reading_["kinds"] == {}
    assert est.fit(read(column_types={"a": "string"})).reading_["kinds"] == {"a": "text"}
    write(b1900="2.5", y1900="0.5")
    with pytest.raises(ValueError, match=r"row 1902.* invalid value '0.5'.*set column_types={'y': 'float64'}"):
        SGDRegressor().fit(read())
    SGDRegressor(max_iter=1, tol=None).fit(read(column_types={"y": "float64"}))
    write(b1900="x")
    with pytest.raises(ValueError, match=r"invalid value 'x'\. Mend that row, or leave it out\.$"):
        SGDClassifier().fit(read(columns=["a"], weight="b"))


@pytest.mark.parametrize("row", [5, 1900])
@EVERY
def test_a_word_at_prediction_is_to_be_mended_whatever_is_given(write, est, row):
    write()
    quiet(est).fit(read())
    write(**{f"a{row}": "oops"})
    for how in ({}, {"column_types": {"a": "string"}}, {"fill_null": 0.0}, {"column_types": {"a": "float64"}}):
        with pytest.raises(ValueError, match="'oops'") as error:
            est.score(read(**how))
        assert re.search("[Mm]end that row, or leave it out", str(error.value)) and "column_types" not in str(
            error.value
        )
    source = read()
    with pytest.raises(ValueError, match="mend that row"):
        est.predict(source)
    write()
    assert est.score(read()) > 0.4


# ---------------------------------------------------------------- codes
@pytest.mark.parametrize(
    "est, memory",
    [(SGDClassifier(), "1GB"), (SGDClassifier(), "20KB"), (SGDRegressor(), "20KB"), (LinearClassifier(), "1GB")],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_leading_zeros_that_come_after_the_first_block_are_said(write, est, memory):
    write(zip1900="01234")
    quiet(est)
    how = {"columns": ["b", "zip"]}
    said = "column 'zip' has numbers with leading zeros, such as '01234', which is read as 1234. If they are codes, set"

    def fit(**more):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            est.fit(read(**how, **more).buffered(memory))
        return [w for w in caught if "leading zeros" in str(w.message)]

    (warned,) = fit()
    assert str(warned.message).startswith(f"d.csv: {said}") and warned.filename == __file__
    for settled in ({"column_types": {"zip": "string"}}, {"column_types": {"zip": "int64"}}):
        assert not fit(**settled)
    (warned,) = fit(categorical_features=["zip"])
    assert "If they are codes, set column_types={'zip': 'string'}" in str(warned.message)
    write()
    assert not fit()


def test_numbers_that_become_shorter_are_no_codes_and_cost_few_looks(write, monkeypatch):
    write(**{f"zip{i}": str(9999 - i) for i in range(1000, N)})
    from fastsgd.sources import codes

    opened, original = [], codes._read
    monkeypatch.setattr(codes, "_read", lambda *args: opened.append(args) or original(*args))
    SGDClassifier(max_iter=5, tol=None, learning_rate="constant", eta0=1e-12).fit(
        read(columns=["b", "zip"], block_bytes=2000)
    )
    assert len(opened) == codes.MAX_LOOKS


# ---------------------------------------------------------------- the command
def test_the_command_says_so_and_its_flags_settle_it(write, capsys):
    def said(*command):
        assert main(list(command)) == 0
        return " ".join(capsys.readouterr().err.split())

    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q", "--block-bytes", str(BLOCK)]
    write(a5="oops")
    assert main([*train, "--columns", "a"]) == 1
    words = " ".join(capsys.readouterr().err.split())
    assert "has 'oops' (row 7), counting the header. Set --na-values oops --fill-null mean --null-indicator." in words
    assert said(*train, "--columns", "a", "--na-values", "oops", "--fill-null", "mean", "--null-indicator") == ""
    assert said(*train, "--columns", "a", "--categorical-features", "a") == ""
    assert main(["convert", "d.csv", "--output", "d.parquet"]) == 1
    assert "has 'oops' (row 7), counting the header. Set --na-values oops." in " ".join(capsys.readouterr().err.split())
    assert "oops" not in said("convert", "d.csv", "--output", "d.parquet", "--column-types", "a:string")
    assert "oops" not in said("convert", "d.csv", "--output", "d.parquet", "--na-values", "oops")
    write(a5="")
    assert said(*train, "--columns", "a", "--fill-null", "0.0") == ""
    write(zip1900="01234")
    convert = ["convert", "d.csv", "--output", "d.parquet", "--block-bytes", str(BLOCK)]
    for command in ([*train, "--columns", "zip"], convert):
        assert "such as '01234', which is read as 1234. If they are codes, set" in said(*command)
        assert "zeros" not in said(*command, "--column-types", "zip:string")
