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
def test_a_word_that_makes_text_of_a_column_of_numbers_is_said_with_its_row(write, est, cell, row):
    write(**{f"a{row}": cell})
    quiet(est)
    said = (
        f"column 'a' is one of numbers but for a few cells: row {row + 2}, counting the header, has '{cell}'. So it is"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        est.fit(read())
    assert est.reading_["kinds"] == {"a": "text"} and caught[0].filename == __file__
    assert "set fill_null=0.0; if it should be text, column_types={'a': 'string'} says so" in str(caught[0].message)
    est.fit(read(column_types={"a": "string"}))  # without a warning, which would be an error
    write(**{f"a{row}": ""})
    est.fit(read(fill_null=0.0))
    assert est.reading_["kinds"] == {}
    write()
    est.fit(read())


def test_it_is_said_by_partial_fit_and_where_labels_become_text(write):
    write(a7="?")
    with pytest.warns(UserWarning, match="row 9, counting the header, has '\\?'"):
        est = SGDClassifier().partial_fit(read(), classes=[0, 1])
    est.partial_fit(read())  # once
    write(y7="?")
    with pytest.warns(UserWarning, match=r"column 'y' .* has '\?'\. So it is read as text\. .* mend that cell; if"):
        assert SGDClassifier(max_iter=1, tol=None).fit(read()).classes_.tolist() == ["0", "1", "?"]
    with open("d.csv") as file:
        bare = file.read().partition("\n")[2]
    with open("d.csv", "w") as file:
        file.write(bare)
    with pytest.warns(UserWarning, match="column 'y' .* row 8 has '\\?'"):
        SGDClassifier(max_iter=1, tol=None).fit(read(column_names=["a", "b", "zip", "y"]))


def test_where_text_is_refused_the_cell_that_makes_it_text_is_named(write):
    write(a7="?", b8="none of it")
    said = r"column 'a' is of type string.* column 'a' is one of numbers but for a few cells: row 9, .* has '\?'\. Mend that cell"
    with pytest.raises(ValueError, match=said):
        read(columns=["a", "zip"], categorical="error")
    with pytest.raises(
        ValueError, match=r"weight='b' is of type string.*row 10, counting the header, has 'none of it'"
    ):
        read(columns=["zip"], weight="b")


@pytest.mark.parametrize(
    "odd, columns",
    [
        ({f"a{i}": "word" for i in range(80)}, ["a"]),  # more than a tenth of the first block
        ({"a3": "NA", "a4": "", "a5": "nan", "a6": "NULL"}, ["a", "b"]),  # for nothing
        ({"zip3": "word"}, ["a", "b"]),  # it is not used
    ],
)
def test_what_is_no_stray_word_is_not_said(write, odd, columns):
    write(**odd)
    source = read(columns=columns, fill_null=0.0)
    SGDClassifier(max_iter=1, tol=None, random_state=0).fit(source)


def test_a_word_in_a_later_block_is_an_error_whose_advice_works(write):
    write(a1900="oops")
    est = quiet(SGDClassifier())
    where = r"column 'a' is read as number, and has in row 1902, counting the header, the invalid value 'oops'\. Mend that row"
    with pytest.raises(ValueError, match=where + ".*column_types={'a': 'string'}"):
        est.fit(read())
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
    from fastsgd.sources import cells

    opened, original = [], cells._read
    monkeypatch.setattr(cells, "_read", lambda *args: opened.append(args) or original(*args))
    SGDClassifier(max_iter=5, tol=None, learning_rate="constant", eta0=1e-12).fit(
        read(columns=["b", "zip"], block_bytes=2000)
    )
    assert len(opened) == 1 + cells.MAX_LOOKS  # the first is for the first block


# ---------------------------------------------------------------- the command
def test_the_command_says_so_and_its_flags_settle_it(write, capsys):
    def said(*command):
        assert main(list(command)) == 0
        return " ".join(capsys.readouterr().err.split())

    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q", "--block-bytes", str(BLOCK)]
    write(a5="oops")
    words = said(*train, "--columns", "a")
    assert "row 7, counting the header, has 'oops'" in words and "--column-types a:string says so" in words
    assert said(*train, "--columns", "a", "--column-types", "a:string") == ""
    assert "row 7, counting the header, has 'oops'" in said("convert", "d.csv", "--output", "d.parquet")
    assert "oops" not in said("convert", "d.csv", "--output", "d.parquet", "--column-types", "a:string")
    write(a5="")
    assert said(*train, "--columns", "a", "--fill-null", "0.0") == ""
    write(zip1900="01234")
    convert = ["convert", "d.csv", "--output", "d.parquet", "--block-bytes", str(BLOCK)]
    for command in ([*train, "--columns", "zip"], convert):
        assert "such as '01234', which is read as 1234. If they are codes, set" in said(*command)
        assert "zeros" not in said(*command, "--column-types", "zip:string")
