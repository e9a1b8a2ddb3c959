"""Numbers in text, as people write them: read by the keywords that say how, else refused by one error whose keywords work."""

import re
import shlex

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsgd import LinearRegressor, SGDClassifier, load
from fastsgd.cli import main
from fastsgd.cli.words import in_flags
from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
from fastsgd.sources.numerals import Numerals  # noqa: E402

N = 60


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(mark=",", quote=True, path="d.csv", **columns):
    """A file of these columns, a column of numbers and a target."""
    n = max(map(len, columns.values()))
    table = {"y": [i % 2 for i in range(n)], "x": list(range(n)), **columns}
    lines = [mark.join(table)]
    for i in range(n):
        cells = [str(cells[i]) for cells in table.values()]
        lines.append(mark.join(f'"{cell}"' if quote and mark in cell else cell for cell in cells))
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def column(name="a", path="d.csv", **how):
    """A column as it is read, which must be one of numbers."""
    source = from_csv(path, **{"target": "y", "dtype": np.float64, **how})
    rows = list(source.blocks())
    assert source.feature_names is not None
    return np.concatenate([part.X[:, source.feature_names.index(name)] for part in rows]).tolist()


def keywords(error):
    """Those that an error says to set."""
    found = re.search(r" Set (.*?)(?: \(or [^)]*\))?\.(?: |$)", str(error))
    return eval(f"dict({found[1]})")


def refused(**how):
    with pytest.raises(ValueError, match=r"are written as|nearly one of|come first") as caught:
        list(from_csv("d.csv", **{"target": "y", **how}).blocks())
    return caught.value


VALUES = [1234.5, 12.25, 1234567.75, -3.5, 999.0, 0.5] * 10
WAYS = {
    "thousands": (lambda v: f"{v:,}", {"thousands": ","}),
    "decimal commas": (lambda v: f"{v}".replace(".", ","), {"decimal": ","}),
    "Germany": (lambda v: f"{v:,}".translate(str.maketrans(",.", ".,")), {"thousands": ".", "decimal": ","}),
    "France": (lambda v: f"{v:,}".replace(",", "\u202f").replace(".", ","), {"thousands": " ", "decimal": ","}),
    "Switzerland": (lambda v: f"{v:,}".replace(",", "'"), {"thousands": "'"}),
    "dollars": (lambda v: f"-${-v:,}" if v < 0 else f"${v:,}", {"thousands": ",", "currency": True}),
    "euros": (lambda v: f"{v} €".replace(".", ","), {"decimal": ",", "currency": True}),
    "codes of currencies": (lambda v: f"{v} USD", {"currency": True}),
    "accounts": (lambda v: f"({-v:,.2f})" if v < 0 else f"{v:,.2f}", {"thousands": ",", "currency": True}),
    "percent": (lambda v: f"{v * 100}%", {"percent": True}),
}


# ---------------------------------------------------------------- each way of writing numbers
@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("way", WAYS)
def test_numbers_are_refused_with_keywords_that_read_them(way, mark):
    spell, expected = WAYS[way]
    write(mark, a=[spell(value) for value in VALUES])
    error = refused()
    assert "'d.csv'" not in str(error) and "column 'a' is one of numbers that are written as" in str(error)
    found = keywords(error)
    assert found == expected
    assert column(**found) == VALUES
    assert from_csv("d.csv", target="y", categorical_features=["a"]).columns.kinds["a"] == "category"


@pytest.mark.parametrize("way", WAYS)
def test_a_model_reads_other_rows_as_those_of_its_training(way):
    spell, how = WAYS[way]
    write(a=[spell(value) for value in VALUES])
    est = LinearRegressor(tol=1e-6).fit(from_csv("d.csv", target="x", columns=["a"], **how))
    for name, value in how.items():
        assert est.reading_[name] == value
    write(a=[spell(value) for value in [2.5, -1234.5, 4.0]], path="new.csv")
    write(a=[2.5, -1234.5, 4.0], path="plain.csv")
    predicted = est.predict(from_csv("new.csv"))
    plain = {"decimal": "."} if "decimal" in how else {}
    np.testing.assert_allclose(est.predict(from_csv("plain.csv", **plain)), predicted, rtol=1e-6)
    write(a=[spell(2.5), "oops", spell(3.5)], path="new.csv")
    said = r"new\.csv: column 'a' is read as number, and has in row 3, .*, the invalid value 'oops'\. In training"
    with pytest.raises(ValueError, match=said):
        est.predict(from_csv("new.csv"))


@pytest.mark.parametrize("way", WAYS)
def test_later_rows_are_read_in_the_same_way(way):
    spell, how = WAYS[way]
    values = [float(i) for i in range(900)] + [1234.5, -7.25] * 50
    cells = [f"{v:.0f}" for v in values[:900]] + [spell(v) for v in values[900:]]
    write(a=cells)
    scale = 100 if way == "percent" else 1
    assert column(block_bytes=2000, **how) == values
    assert scale and column("x", block_bytes=2000, **how) == list(range(1000))
    write(a=[*cells, "oops"])
    said = r"column 'a' is read as number, and has in row 1002, .* the invalid value 'oops'\. .*na_values=\['oops'\]"
    with pytest.raises(ValueError, match=said):
        column(block_bytes=2000, **how)


@pytest.mark.parametrize("way", WAYS)
def test_numbers_written_otherwise_in_later_rows_are_an_error_that_names_the_row_and_the_keyword(way):
    spell, how = WAYS[way]
    write(a=[*range(900), spell(1234.5)])
    with pytest.raises(
        ValueError, match=r"column 'a' .* row 902, counting the header, the invalid value .*\. Set "
    ) as caught:
        column(block_bytes=2000)
    found = re.search(r"Set (.*?); or, if", str(caught.value))[1]
    assert column(block_bytes=2000, **eval(f"dict({found})"))[-1] == 1234.5
    assert set(eval(f"dict({found})")) <= set(how)


# ---------------------------------------------------------------- tables of several
def test_one_error_names_all_columns_and_one_set_of_keywords_reads_them():
    n = 40
    write(
        price=[f"${1000 + i:,}" for i in range(n)],
        share=["-" if i % 4 == 0 else f"{i}%" for i in range(n)],
        age=["unknown" if i % 3 == 0 else i for i in range(n)],
        size=[["S", "M", "L", "38"][i % 4] for i in range(n)],
    )
    error = refused()
    for cell in (
        r"'price' .*'\$1,000' \(row 2\)",
        r"'share' .*'-' \(row 2\), '1%' \(row 3\)",
        r"'age' .*'unknown' \(row 2\)",
    ):
        assert re.search(cell, str(error))
    assert "'size'" not in str(error) and len(re.findall(r"\(row", str(error))) == 11
    found = keywords(error)
    words = {"na_values": ["-", "unknown"], "fill_null": "mean", "null_indicator": True}
    assert found == {"percent": True, "currency": True, "thousands": ",", **words}
    source = from_csv("d.csv", target="y", categorical="one-hot", **found)
    numbers = ["x", "price", "share", "age", "share is null", "age is null"]
    assert source.feature_names == [*numbers, "size=38", "size=L", "size=M", "size=S"]


def test_columns_that_contradict_each_other_are_told_one_by_one():
    write(";", a=["1,5", "2,5"] * 9, b=["1.5", "22.25"] * 9, c=["1,234", "2,345,678"] * 9)
    found = keywords(refused())
    assert found == {"thousands": {"c": ","}, "decimal": {"a": ","}}
    assert column("a", **found)[:2] == [1.5, 2.5] and column("b", **found)[:2] == [1.5, 22.25]
    assert column("c", **found)[:2] == [1234, 2345678]


def test_where_one_column_has_decimal_commas_points_of_others_may_be_thousands():
    write(";", a=["1,5", "2,5"] * 9, b=["1.500", "22.250"] * 9, c=["7", "8"] * 9)
    found = keywords(refused())
    assert found == {"thousands": ".", "decimal": ","}
    assert column("b", **found)[:2] == [1500, 22250] and column("c", **found)[:2] == [7, 8]


@pytest.mark.parametrize("mark, how", [(",", {"thousands": ","}), (";", {"decimal": ","})])
def test_three_digits_behind_commas_are_thousands_or_as_semicolons_tell(mark, how):
    write(mark, a=["1,234", "5,678"] * 9)
    error = refused()
    assert keywords(error) == how
    assert ("or decimal=',' if these are fractions" in str(error)) == (mark == ",")
    assert column(**how)[:2] == ([1234, 5678] if mark == "," else [1.234, 5.678])


def test_the_command_says_flags_that_can_be_pasted(capsys):
    write(
        price=[f"${1000 + i:,}" for i in range(20)],
        age=["don't know" if i % 3 == 0 else i for i in range(20)],
        share=[f"{i}%" for i in range(20)],
    )
    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q"]
    assert main(train) == 1
    said = " ".join(capsys.readouterr().err.split())
    flags = re.search(r" Set (--.*?)(?: \(or [^)]*\))?\. Columns", said)[1]
    assert main([*train, *shlex.split(flags)]) == 0
    assert "error" not in capsys.readouterr().err
    reading = load("m").reading_
    assert reading["kinds"] == {} and reading["na_values"] == ["don't know"]
    assert (reading["thousands"], reading["percent"], reading["currency"]) == (",", True, True)
    assert main(["predict", "d.csv", "--model", "m", "--output", "p.csv"]) == 0
    others = re.search(r"categories: (--.*?)\.$", said)[1]
    assert main([*train, *shlex.split(others)]) == 0
    assert load("m").reading_["kinds"] == {"price": "text", "age": "text", "share": "text"}
    convert = ["convert", "d.csv", "--output", "d.parquet"]
    assert main(convert) == 1
    assert main([*convert, *shlex.split(flags.partition(" --fill-null")[0])]) == 0
    import pyarrow.parquet as pq

    types = [str(field.type) for field in pq.read_schema("d.parquet")]
    assert types == ["int64", "int64", "double", "int64", "double"]
    assert pq.read_table("d.parquet")["age"].null_count == 7


def test_flags_speak_of_all_columns_or_of_one():
    write(";", a=["1,5"] * 9, b=["1,234"] * 9, c=["1.5"] * 9)
    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q"]
    assert main([*train, "--decimal", "a:,", "--thousands", "b:,"]) == 0
    assert load("m").reading_["decimal"] == {"a": ","} and load("m").reading_["kinds"] == {}
    assert main([*train, "--decimal", ",", "--decimal", "a:,"]) == 1
    assert in_flags("Set thousands={'a b': ','}, percent=True.") == "Set --thousands 'a b:,' --percent."


# ---------------------------------------------------------------- names that look like numbers
@pytest.mark.parametrize(
    "cells",
    [
        ["18-25", "26-35", "65+"],
        ["S", "M", "10", "12"],
        ["A", "B", "1", "2", "3"],
        ["1.2.3", "2.0.1", "10.4.11"],
        ["2019/20", "2020/21"],
        ["10.0.0.1", "192.168.1.1", "127.0.0.1"],
        ["555-1234", "+49 30 1234"],
        ["01234", "12345", "K1A 0B1"],
        ["12345678", "0a1b2c3d", "ffee0011", "c0ffee00"],
        ["yes", "no"],
        ["0x1A", "0xFF", "0x00"],
    ],
)
def test_names_with_digits_are_categories(cells):
    write(a=(cells * N)[:N])
    assert from_csv("d.csv", target="y", columns=["a"], categorical="one-hot").feature_names == sorted(
        f"a={cell}" for cell in cells
    )


@pytest.mark.parametrize(
    "cells",
    [
        [f"25{i}.{i % 7}" for i in range(50)] + ["V27", "V28", "E880", "V45.1"],  # diagnoses
        [*range(100), *["12a", "7b", "8c", "9d"] * 5],  # house numbers
        [*range(60), *[f"{i}-{i + 5}" for i in range(20)]],
    ],
)
def test_of_names_most_of_which_are_numbers_the_advice_takes_them_for_categories(cells):
    write(a=cells)
    found = keywords(refused())
    assert found == {"categorical_features": ["a"]}
    assert from_csv("d.csv", target="y", columns=["a"], **found).columns.kinds["a"] == "category"


@pytest.mark.parametrize(
    "odd", ["-", "N/A ", "unknown", "?", ".", "*", "n.a.", "#REF!", "#DIV/0!", "—", "Missing", "ü"]
)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.8])
def test_a_word_for_nothing_is_named_however_often_it_is_there(odd, share):
    write(a=[odd if (i * 7) % 100 < share * 100 else i for i in range(200)])
    how = {"fill_null": "mean", "null_indicator": True}
    if odd != "N/A ":  # which stands for nothing anyway
        how = keywords(refused())
        assert how == {"na_values": [odd], "fill_null": "mean", "null_indicator": True}
    X = column(**how)
    assert X[-1] == 199 or share * 100 > (199 * 7) % 100
    assert np.isfinite(X).all() and len(set(X)) > 30


def test_words_for_nothing_are_nulls_among_words_and_numbers_and_by_column():
    write(a=["-", "1", "2", "-999"], b=["-", "v", "w", "v"])
    source = from_csv("d.csv", target="y", na_values=["-", "-999"], fill_null=0.0, categorical="one-hot")
    assert source.feature_names == ["x", "a", "b=v", "b=w"]
    assert next(source.blocks()).X.toarray()[:, 1].tolist() == [0, 1, 2, 0]
    source = from_csv("d.csv", target="y", na_values={"a": ["-", "-999"]}, fill_null=0.0, categorical="one-hot")
    assert source.feature_names == ["x", "a", "b=-", "b=v", "b=w"]


def test_true_and_false_in_any_case_with_blanks_are_booleans():
    write(a=["true", " False", "TRUE ", "fAlse"], b=["ja", "nein", "Ja", "nein"])
    source = from_csv("d.csv", target="y", categorical="one-hot")
    assert source.feature_names == ["x", "a", "b=Ja", "b=ja", "b=nein"]
    assert next(source.blocks()).X.toarray()[:, 1].tolist() == [1, 0, 1, 0]


# ---------------------------------------------------------------- targets and weights
def test_a_target_is_read_as_the_features_are():
    write(t=[f"{1000 + i:,}" for i in range(N)])
    error = refused(target="t")
    assert keywords(error) == {"thousands": ","}
    assert "A target of words is one by column_types={'t': 'string'}" in str(error)
    assert next(from_csv("d.csv", target="t", thousands=",").blocks()).y.tolist() == [1000 + i for i in range(N)]
    est = SGDClassifier(max_iter=1, tol=None).fit(
        from_csv("d.csv", target="t", column_types={"t": "string"}, columns=["x"])
    )
    assert est.classes_[0] == "1,000"
    write(w=[f"{i}%" for i in range(N)])
    assert keywords(refused(weight="w")) == {"percent": True}
    assert next(from_csv("d.csv", target="y", weight="w", percent=True).blocks()).weight[3] == 0.03


# ---------------------------------------------------------------- mistakes
@pytest.mark.parametrize(
    "how, said",
    [
        ({"thousands": "x"}, "thousands must be one of ',', '.', ' '"),
        ({"decimal": ";"}, "decimal must be one of '.', ','"),
        ({"thousands": ",", "decimal": ","}, "thousands and decimal are both ','"),
        ({"na_values": "x"}, "na_values must be a list of words"),
        ({"na_values": [1]}, "na_values must be a list of words"),
        ({"percent": "yes"}, "percent must be True or False"),
        ({"currency": "$"}, "currency must be True or False"),
        ({"date_format": "%Q"}, "date_format: '%Q' has '%Q'"),
        ({"date_format": 7}, "date_format must be a format of strptime"),
    ],
)
def test_keywords_that_make_no_sense_are_refused(how, said):
    write(a=["1"])
    with pytest.raises(ValueError, match=said):
        from_csv("d.csv", target="y", **how)


# ---------------------------------------------------------------- the numbers themselves
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(max_examples=200, deadline=None)
@given(
    value=NUMBERS, thousands=st.sampled_from([None, ",", ".", " ", "'", "_"]), digits=st.integers(0, 12), data=st.data()
)
def test_a_number_written_in_any_way_is_the_float_of_its_digits(value, thousands, digits, data):
    decimal = "," if thousands == "." else data.draw(st.sampled_from([".", ","])) if thousands in (" ", "'") else "."
    plain = f"{value:.{digits}f}"
    text = f"{value:,.{digits}f}" if thousands else plain
    text = text.replace(",", "\0").replace(".", decimal).replace("\0", thousands or "")
    way = Numerals(thousands, decimal, percent=True, currency=True)
    spelled = [
        text,
        f" {text} ",
        f"{text} %",
        f"$ {text}",
        f"{text} EUR",
        f"({text})" if value >= 0 and not plain.startswith("-") else text,
        text.replace("-", "\u2212"),
    ]
    expected = [plain, plain, f"{plain}e-2", plain, plain, f"-{plain}" if spelled[5] != text else plain, plain]
    assert way.read(pa.array(spelled)).to_pylist() == [float(one) for one in expected]


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.sampled_from("0123456789+-.,eE %$€()'_ \u00a0xinfa"), max_size=12))
def test_what_is_read_as_a_number_plainly_is_what_float_takes(text):
    (found,) = Numerals().read(pa.array([text])).to_pylist()
    try:
        number = float(text)
    except ValueError:
        number = None
    if found is not None:
        assert found == number or (np.isnan(found) and np.isnan(number))
    else:  # float also takes 1_000 and nan
        assert number is None or "_" in text or np.isnan(number)


# ---------------------------------------------------------------- text of Parquet and Arrow
def stored(way, path="d", **columns):
    """A source of text columns of that format, made by a function that takes keywords."""
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    n = max(map(len, columns.values()))
    table = pa.table({"y": [i % 2 for i in range(n)], "x": [float(i) for i in range(n)], **columns})
    if way == "dictionary":
        table = table.set_column(2, "a", table["a"].dictionary_encode())
    if way == "parquet":
        pq.write_table(table, path + ".parquet", row_group_size=40)
        return lambda **how: from_parquet(path + ".parquet", **how)
    if way == "arrow":
        feather.write_feather(table, path + ".arrow")
        return lambda **how: from_arrow(path + ".arrow", **how)
    return lambda **how: from_arrow(table, **how)


@pytest.mark.parametrize("source", ["parquet", "arrow", "table", "dictionary"])
@pytest.mark.parametrize("way", WAYS)
def test_text_of_typed_tables_is_refused_with_keywords_that_read_it(way, source):
    spell, how = WAYS[way]
    make = stored(source, a=[spell(value) for value in VALUES])
    est = LinearRegressor(tol=1e-6)
    with pytest.raises(ValueError, match="column 'a' is one of numbers that are written as") as caught:
        est.fit(make(target="x"))
    found = keywords(caught.value)
    assert found == how
    rows = list(make(target="y", dtype=np.float64, **how).blocks())
    assert np.concatenate([part.X for part in rows])[:, 1].tolist() == VALUES
    est.fit(make(target="x", **how))
    new = stored(source, "new", a=[spell(2.5), spell(-1234.5)])
    plain = stored(source, "plain", a=[2.5, -1234.5])
    if source != "dictionary":
        np.testing.assert_allclose(est.predict(new()), est.predict(plain()), rtol=1e-6)
    odd = stored(source, "odd", a=[spell(2.5), "oops"])
    with pytest.raises(
        ValueError, match=r"column 'a' .*row 1 of .*'oops'\. In training it was a number: mend that row"
    ):
        est.predict(odd())
    assert make(target="y", categorical_features=["a"]).columns.kinds["a"] == "category"


@pytest.mark.parametrize("source", ["parquet", "table"])
def test_words_for_nothing_among_stored_numbers_are_named_but_codes_are_codes(source):
    make = stored(source, a=["-" if i % 9 == 0 else str(i) for i in range(N)], b=["007", "1"] * (N // 2))
    with pytest.raises(ValueError, match=r"column 'a' is nearly one of numbers, and has '-' \(row 0\)\. Set") as caught:
        LinearRegressor().fit(make(target="x"))
    found = keywords(caught.value)
    assert found == {"na_values": ["-"], "fill_null": "mean", "null_indicator": True}
    assert make(target="x", categorical="one-hot", **found).feature_names == ["y", "a", "a is null", "b=007", "b=1"]
    make = stored(source, a=[str(i) for i in range(N)], b=["other" if i % 9 == 0 else str(i) for i in range(N)])
    kinds = LinearRegressor(tol=0.1).fit(make(target="x")).reading_["kinds"]
    assert kinds == {"a": "text", "b": "text"}


@pytest.mark.parametrize("source", ["parquet", "table"])
def test_stored_dates_in_words_are_read(source):
    make = stored(source, a=["31/12/2020", "01/02/2021"] * 30)
    assert make(target="x", dates=["year", "month"]).feature_names == ["y", "a.year", "a.month"]
    make = stored(source, a=["03/04/2020", "01/02/2021"] * 30)
    with pytest.raises(ValueError, match="day or month may come first"):
        LinearRegressor().fit(make(target="x"))
    how = {"date_format": {"a": "%m/%d/%Y"}, "dates": ["month"]}
    assert next(make(target="x", **how).blocks()).X[:2, 1].tolist() == [3, 1]


def test_a_stream_is_looked_at_where_it_can_be_read_again():
    table = pa.table({"y": [0, 1] * 30, "a": [f"{1000 + i:,}" for i in range(60)]})

    class Stream:  # as a query is
        def __arrow_c_stream__(self, requested=None):
            return table.__arrow_c_stream__(requested)

    assert next(from_arrow(Stream(), target="y", thousands=",").blocks()).X[:2].tolist() == [[1000], [1001]]
    with pytest.raises(ValueError, match="thousands: the record batch reader can be read once"):
        from_arrow(table.to_reader(), target="y", thousands=",")
    assert from_arrow(table.to_reader(), target="y").columns.kinds["a"] == "category"


@pytest.mark.parametrize("source", ["parquet", "arrow", "table"])
@pytest.mark.parametrize("missing", [None, "N/A"])
def test_stored_text_of_fractions_is_told_with_keywords_that_read_it(source, missing):
    values = [i / 8 for i in range(N - 1)] + [0.5]
    texts = [missing if missing and i == 5 else str(value) for i, value in enumerate(values)]
    make, fill = stored(source, a=texts), {"fill_null": "mean"} if missing else {}
    with pytest.warns(
        UserWarning, match=r"column 'a' is text, and has numbers with fractions.*decimal={'a': '\.'} reads"
    ):
        LinearRegressor(tol=0.1).fit(make(target="x"))
    est = LinearRegressor(tol=0.1).fit(make(target="x", decimal={"a": "."}, **fill))
    assert est.reading_["kinds"] == {}
    assert np.isfinite(est.predict(stored(source, "new", a=["2.5", "3.25"])())).all()
    as_names = LinearRegressor(tol=0.1).fit(make(target="x", categorical_features=["a"]))
    assert as_names.reading_["kinds"] == {"a": "text"}
    few = stored(source, a=[("36.5", "37.5", "38")[i % 3] for i in range(N)])
    assert LinearRegressor(tol=0.1).fit(few(target="x")).reading_["kinds"] == {"a": "text"}


def test_the_flags_advised_for_a_word_train_the_model_that_empty_cells_do(capsys):
    train = ["train", "d.csv", "--target", "y", "--model", "m", "--quiet"]
    cells = [i % 7 for i in range(200)]
    write(a=["" if i % 5 == 0 else value for i, value in enumerate(cells)])
    assert main(train) == 0
    wanted = load("m")
    write(a=["unknown" if i % 5 == 0 else value for i, value in enumerate(cells)])
    assert main(train) == 1
    flags = re.search(r" Set (.*?)\. ", " ".join(capsys.readouterr().err.split()))
    assert main([*train, *shlex.split(flags[1])]) == 0
    assert load("m").coef_.tolist() == wanted.coef_.tolist()
    assert "a is null" in load("m").feature_names_in_
