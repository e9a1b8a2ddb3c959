"""Dates in text, as people write them: read where the cells say the format, else refused by an error whose keyword works."""

import datetime as dt
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastsgd import LinearRegressor, load
from fastsgd.cli import main
from fastsgd.sources import from_csv

pa = pytest.importorskip("pyarrow")
from fastsgd.sources.date_text import DateFormat, formats_of  # noqa: E402

DAYS = [
    dt.datetime(2020, 12, 31, 17, 30),
    dt.datetime(2021, 2, 3, 0, 5),
    dt.datetime(1999, 7, 14, 12, 0),
    dt.datetime(2024, 2, 29, 23, 59),
]
DATE, CLOCK = ["year", "month", "day"], ["year", "month", "day", "hour", "minute"]
WAYS = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%Y/%m/%d",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%b %d, %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%a, %d %b %Y",
    "%a %b %d %H:%M:%S %Y",
    "%d/%b/%Y:%H:%M:%S +0000",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%S.000Z",
    "%Y-%m-%d %H:%M:%S +0000",
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(cells, path="d.csv", mark=";"):
    lines = [f"y{mark}x{mark}d"] + [f"{i % 2}{mark}{i}{mark}{cell}" for i, cell in enumerate(cells)]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def features(path="d.csv", **how):
    source = from_csv(path, **{"target": "y", "dates": DATE, "dtype": np.float64, **how})
    return dict(zip(source.feature_names, np.concatenate([rows.X for rows in source.blocks()]).T.tolist(), strict=True))


@pytest.mark.parametrize("way", WAYS)
def test_dates_are_read_as_they_are_written(way):
    write([day.strftime(way) for day in DAYS] * 4)
    parts = CLOCK if any(part in way for part in ("%H", "%I")) else DATE
    found = features(dates=parts)
    for part in parts:
        assert found[f"d.{part}"] == [getattr(day, part) for day in DAYS] * 4


@pytest.mark.parametrize("way", WAYS)
def test_a_model_reads_dates_of_other_rows_as_those_of_its_training(way):
    write([day.strftime(way) for day in DAYS] * 10)
    est = LinearRegressor(tol=1e-6).fit(from_csv("d.csv", target="x"))
    new = [dt.datetime(2020, 3, 4, 5, 6), dt.datetime(2021, 5, 6, 7, 8)]  # either number may be the month
    write([day.strftime(way) for day in new], "new.csv")
    clock = any(part in way for part in ("%H", "%I"))
    write([day.strftime("%Y-%m-%d %H:%M:%S" if clock else "%Y-%m-%d") for day in new], "iso.csv")
    expected = est.predict(from_csv("iso.csv", date_format="%Y-%m-%d %H:%M:%S" if clock else "%Y-%m-%d"))
    np.testing.assert_allclose(est.predict(from_csv("new.csv")), expected, rtol=1e-4)
    write([new[0].strftime(way), "soon"], "new.csv")
    with pytest.raises(ValueError, match=r"column 'd' .*'soon'"):
        est.predict(from_csv("new.csv"))


@pytest.mark.parametrize("mark", ["/", "-"])
def test_where_day_and_month_may_be_either_both_formats_are_offered_and_work(mark):
    cells = [f"0{1 + i % 9}{mark}0{1 + i % 7}{mark}2020" for i in range(30)]
    write(cells)
    with pytest.raises(ValueError, match="column 'd' is one of dates whose day or month may come first") as caught:
        features()
    day_first, month_first = (f"%d{mark}%m{mark}%Y", f"%m{mark}%d{mark}%Y")
    assert f"Set date_format={ {'d': day_first}!r} (or date_format={ {'d': month_first}!r})." in str(caught.value)
    for way, places in ((day_first, ("d.day", "d.month")), (month_first, ("d.month", "d.day"))):
        for said in ({"d": way}, way):
            found = features(date_format=said)
            assert found[places[0]][:3] == [1, 2, 3] and found[places[1]][6:9] == [7, 1, 2]
    source = from_csv("d.csv", target="y", categorical_features=["d"])
    assert source.columns.kinds["d"] == "category"


def test_a_word_among_dates_is_named_with_keywords_that_work():
    cells = ["31/12/2020", "unknown", "01/02/2020", "-"] * 5
    write(cells)
    with pytest.raises(
        ValueError, match=r"column 'd' is nearly one of dates, and has 'unknown' \(row 3\), '-' \(row 5\)"
    ) as caught:
        features()
    said = re.search(r"Set (.*?)\. ", str(caught.value))[1]
    found = features(**eval(f"dict({said})"))
    assert found["d.year"][:2] == [2020, 2020] and found["d.month"][2] == 2
    write(["31/12/2020"] * 900 + ["soon"])
    error = r"column 'd' is read as date, and has in row 902, counting the header, the invalid value 'soon'.*na_values=\['soon'\]"
    with pytest.raises(ValueError, match=error):
        features(block_bytes=2000)
    assert len(features(block_bytes=2000, na_values=["soon"], fill_null="mean")["d.year"]) == 901


def test_dates_without_marks_are_read_where_their_format_is_given():
    write(["20201231", "20210203"] * 5)
    assert features()["d"][:2] == [20201231, 20210203]
    for said in ("%Y%m%d", {"d": "%Y%m%d"}):
        found = features(date_format=said)
        assert found["d.day"][:2] == [31, 3] and found["x"] == list(range(10))
    est = LinearRegressor(tol=1e-3).fit(from_csv("d.csv", target="x", date_format="%Y%m%d"))
    assert est.reading_["date_format"] == "%Y%m%d"
    write(["20201231", "20210203"] * 3, "new.csv")
    assert est.predict(from_csv("new.csv")).shape == (6,)


def test_times_that_may_lack_are_midnight_and_seconds_may_have_fractions():
    write(["31/12/2020 17:30:05", "31/12/2020", "30/12/2020 10:00:00.250"] * 4)
    assert features(dates=CLOCK)["d.hour"][:3] == [17, 0, 10]


def test_zones_are_brought_to_one():
    write(["2024-02-29T10:00:00+01:00", "2024-07-01T10:00:00 +0200", "2024-02-29 09:00:00Z"] * 4)
    assert features(dates=CLOCK)["d.hour"][:3] == [9, 8, 9]
    write(["29.02.2024 10:00 +0100", "01.07.2024 10:00 +0200"] * 4)
    assert features(time_zone="Europe/Berlin", dates=CLOCK)["d.hour"][:2] == [10, 10]


@pytest.mark.parametrize(
    "cells", [["10.4.11", "1.2.3"], ["2009/10", "2010/11"], ["555-12-3456", "555-11-1234"], ["3/4", "1/2"]]
)
def test_what_only_looks_like_dates_is_a_category(cells):
    write(cells * 10)
    assert from_csv("d.csv", target="y").columns.kinds["d"] == "category"


def test_the_command_takes_the_format_that_it_names(capsys):
    write([f"0{1 + i % 9}/0{1 + i % 7}/2020" for i in range(30)])
    train = ["train", "d.csv", "--target", "y", "--model", "m", "-q"]
    assert main(train) == 1
    flags = re.search(r"Set (--.*?) \(or (--.*?)\)\.", " ".join(capsys.readouterr().err.split()))
    for one in flags.groups():
        assert main([*train, *one.split()]) == 0
        assert load("m").reading_["date_format"] == {"d": one.partition("d:")[2]}
        assert main(["predict", "d.csv", "--model", "m", "--output", "p.csv"]) == 0
    assert main([*train, "--date-format", "%d/%m/%Y"]) == 0


@settings(max_examples=150, deadline=None)
@given(
    days=st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2037, 12, 31)), min_size=1, max_size=30),
    way=st.sampled_from(
        ["%d/%m/%Y %H:%M:%S", "%m-%d-%Y %I:%M:%S %p", "%B %d, %Y %H:%M:%S", "%y%m%d%H%M%S", "%A %d. %b %Y, %H:%M:%S.%f"]
    ),
)
def test_dates_are_what_strptime_makes_of_them(days, way):
    text = [day.strftime(way) for day in days]
    assert DateFormat(way).read(pa.array(text)).to_pylist() == [dt.datetime.strptime(cell, way) for cell in text]


@settings(max_examples=150, deadline=None)
@given(
    days=st.lists(st.dates(dt.date(1970, 1, 1), dt.date(2037, 12, 31)), min_size=2, max_size=30),
    way=st.sampled_from(WAYS[:4]),
)
def test_a_format_that_is_found_reads_all_cells_and_is_never_the_wrong_one(days, way):
    text = pa.array([day.strftime(way) for day in days])
    share, found = formats_of(pa.array(sorted(set(text.to_pylist()))))
    assert share == 1 and way in [one.format for one in found]
    if len(found) == 1:
        assert found[0].read(text).to_pylist() == days


def test_days_that_are_none_are_none():
    cells = [
        "30/02/2020",
        "29/02/2021",
        "31/04/2020",
        "00/01/2020",
        "01/13/2020",
        "1/1/20",
        "01/01/2020x",
        "29/02/2020",
    ]
    assert DateFormat("%d/%m/%Y").read(pa.array(cells)).to_pylist() == [None] * 7 + [dt.date(2020, 2, 29)]
    clock = DateFormat("%d/%m/%Y %I:%M %p")
    assert clock.read(pa.array(["1/1/2020 13:00 PM", "1/1/2020 0:10 AM", "1/1/2020 11:60 PM"])).null_count == 3
