"""Dates and times as features: the numbers that pandas gives, whatever the format, the unit and the zone they come in."""

from datetime import date, datetime, time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.columnar import WAYS, made, whole

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.cli import main
from fastsgd.sources import from_arrow, from_csv

pa = pytest.importorskip("pyarrow")
import pyarrow.parquet as pq  # noqa: E402

N = 400
rng = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "y": 0,
        "miles": rng.integers(0, 9, N).astype("f4"),
        "day": pd.to_datetime("2019-11-03") + pd.to_timedelta(rng.integers(0, 900, N), unit="D"),
        "when": pd.to_datetime("2019-11-03") + pd.to_timedelta(rng.integers(0, 10**8, N), unit="s"),
    }
)
FRAME["y"] = ((FRAME["day"].dt.month < 7) & (FRAME["when"].dt.hour < 18)).astype(int)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
TABLE = TABLE.set_column(2, "day", TABLE["day"].cast(pa.date32())).set_column(
    3, "when", TABLE["when"].cast("timestamp[us]")
)
OF_DATE = [
    "years_since_2000",
    "month_sin",
    "month_cos",
    "weekday_sin",
    "weekday_cos",
    "day_of_year_sin",
    "day_of_year_cos",
]
OF_TIME = [*OF_DATE, "hour_sin", "hour_cos"]


def cycle(values, period):
    return [np.sin(2 * np.pi * values / period), np.cos(2 * np.pi * values / period)]


def cyclic(dt, hours):
    """What pandas says."""
    parts = [dt.year - 2000, *cycle(dt.month, 12), *cycle(dt.day_of_week, 7), *cycle(dt.day_of_year, 365.25)]
    return np.column_stack([*parts, *(cycle(dt.hour, 24) if hours else [])])


def features(table, **options):
    source = from_arrow(table, dtype="f8", **options)
    return whole(source)[0]


# ---------------------------------------------------------------- what they become
@pytest.mark.parametrize("way", [*WAYS, "text"])
def test_dates_train_at_the_first_try_from_every_format(way, tmp_path):
    if way == "text":  # strings of a table, which `dates` says are dates
        table = TABLE.set_column(2, "day", TABLE["day"].cast("string")).set_column(
            3, "when", TABLE["when"].cast("string")
        )
        source = from_arrow(table, target="y", dates={"day": "cyclic", "when": "cyclic"})
        names = [f"{name}.{part}" for name in ("day", "when") for part in OF_TIME]
    else:
        source = made(way, TABLE, tmp_path, target="y")
        names = [*(f"day.{part}" for part in OF_DATE), *(f"when.{part}" for part in OF_TIME)]
        if way == "pandas":  # whose dates are objects
            assert source.columns_["day"].kind == "date"
    assert source.feature_names == ["miles", *names]
    if way != "reader":
        SGDClassifier(learning_rate="auto", max_iter=2, tol=None).fit(source)
        source = source if way != "stream" else made(way, TABLE, tmp_path, target="y")
    X = whole(source)[0]
    at = names.index("when.years_since_2000") + 1
    np.testing.assert_allclose(X[:, at:], cyclic(FRAME["when"].dt, True), atol=1e-6)
    np.testing.assert_allclose(X[:, 1 : 1 + len(OF_DATE)], cyclic(FRAME["day"].dt, False), atol=1e-6)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "+02:00"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_parts_are_those_of_pandas(unit, zone, data):
    years_1700_to_2200 = st.integers(-8_520_336_000, 7_289_654_399)
    seconds = data.draw(st.lists(years_1700_to_2200, min_size=1, max_size=20))
    when = pd.Series(np.array(seconds, "M8[s]").astype(f"M8[{unit}]"))
    if zone is not None:
        when = when.dt.tz_localize("UTC").dt.tz_convert(zone)
    table = pa.table({"when": pa.Array.from_pandas(when)})
    parts = ["year", "month", "day", "weekday", "day_of_year", "hour", "minute"]
    dt = when.dt
    expected = np.column_stack([dt.year, dt.month, dt.day, dt.day_of_week, dt.day_of_year, dt.hour, dt.minute])
    np.testing.assert_array_equal(features(table, dates=parts), expected)
    np.testing.assert_allclose(features(table), cyclic(dt, True), atol=1e-12)
    clock = dt.tz_localize(None) if zone is not None else when
    days = (clock - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)
    np.testing.assert_allclose(features(table, dates="days")[:, 0], days, rtol=1e-15, atol=1e-9)


@pytest.mark.parametrize("dtype", [pa.date32(), pa.date64()])
@given(days=st.lists(st.integers(-98_615, 84_370), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_parts_of_days_are_those_of_pandas(dtype, days):
    dt = pd.Series(np.array(days, "M8[D]").astype("M8[s]")).dt
    table = pa.table({"day": pa.array(np.array(days, "M8[D]")).cast(dtype)})
    expected = np.column_stack([dt.year, dt.month, dt.day_of_week, dt.day_of_year])
    np.testing.assert_array_equal(features(table, dates="parts"), expected)
    np.testing.assert_array_equal(features(table, dates="days")[:, 0], days)
    np.testing.assert_array_equal(features(table, dates="days since 2020-01-01")[:, 0], np.array(days) - 18262)


def test_a_day_goes_round_and_the_year_with_it():
    table = pa.table({"when": [datetime(2023, 12, 31, 23, 59, 59), datetime(2024, 1, 1), datetime(2024, 7, 1, 12)]})
    X = features(table, columns=["when"], dates=["month_cycle", "day_of_year_cycle", "hour_cycle"])
    near, far = np.linalg.norm(X[0] - X[1]), np.linalg.norm(X[1] - X[2])
    assert near < 0.6 < 3 < far


def test_times_of_day_and_durations_are_numbers():
    clock = [time(0), time(6, 30), time(23, 59, 59)]
    lasted = pd.Series(pd.to_timedelta([1.5, -2.0, 86400.0], unit="s"))
    for dtype in (pa.time32("s"), pa.time64("ns")):
        table = pa.table({"clock": pa.array(clock, dtype), "lasted": pa.Array.from_pandas(lasted)})
        source = from_arrow(table, dtype="f8")
        assert source.feature_names == ["clock.hour_sin", "clock.hour_cos", "lasted"]
        np.testing.assert_allclose(whole(source)[0][:, 2], lasted.dt.total_seconds())
        np.testing.assert_array_equal(features(table, columns=["clock"], dates="parts")[:, 0], [0, 6, 23])
        expected = [0, 6.5 / 24, 86399 / 86400]
        np.testing.assert_allclose(features(table, columns=["clock"], dates="days")[:, 0], expected)


def test_each_column_has_parts_of_its_own():
    source = from_arrow(TABLE, target="y", dates={"when": ["year", "days since 2020-01-01"], "d*": "drop"})
    assert source.feature_names == ["miles", "when.year", "when.days_since_2020-01-01"]
    source = from_arrow(TABLE, target="y", dates={"when": "days"})  # of others what is usual
    assert source.feature_names == ["miles", *(f"day.{part}" for part in OF_DATE), "when.days"]
    assert from_arrow(TABLE, target="y", dates="drop").feature_names == ["miles"]


def test_a_survey_says_what_becomes_of_dates():
    survey = from_arrow(TABLE, target="y", dates={"day": ["year", "month_cycle"], "when": "days"}).columns_
    assert survey["day"].kind == "date" and survey["day"].becomes == "3 features: year, sine and cosine of month"
    assert survey["when"].becomes == "1 feature: days"


def test_dates_that_are_written_once_each_are_dates_where_it_is_said():
    table = TABLE.set_column(2, "day", TABLE["day"].dictionary_encode())  # as a categorical of pandas: a category
    assert from_arrow(table, target="y").columns.kinds["day"] == "category"
    X = whole(from_arrow(table, target="y", dates={"day": "parts"}, columns=["day"]))[0]
    np.testing.assert_array_equal(X[:, 0], FRAME["day"].dt.year)


def test_text_that_is_said_to_be_dates_is_none():
    when = [f"2024-{1 + i % 12:02}-{1 + i // 12:02}T10:00:00.{i:06}" for i in range(300)]
    table = pa.table({"when": when, "y": [0, 1] * 150})
    source = from_arrow(table, target="y", dates={"when": ["month", "day"]})
    assert source.feature_names == ["when.month", "when.day"] and not source.sparse


def test_dates_may_be_categories_still():
    source = from_arrow(TABLE, target="y", columns=["day"], categorical_features=["day"], categorical="one-hot")
    assert source.feature_names == [f"day={day}" for day in sorted(set(TABLE["day"].cast("string").to_pylist()))]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dates": "cycles"}, "dates must be one of 'cyclic', 'parts', 'days', 'drop', 'error'"),
        ({"dates": []}, "dates must be one of"),
        ({"dates": "days since 2020-02-30"}, "dates must be one of"),
        ({"dates": {"dya": "days"}}, "there is no column 'dya'; there are 'day', 'when'. Is it 'day'?"),
        ({"dates": {"miles": "days"}}, "dates: column 'miles' of the table is of type float, not one of dates"),
        ({"dates": {"day": ["hour"]}}, r"column 'day' is of type date32\[day\], which has none of hour"),
        (
            {"dates": "error"},
            r"exclude=\['day'\]\), or take it as numbers \(dates={'day': 'cyclic'}\) or as a category",
        ),
        ({"time_zone": "Europe/Bern"}, "time_zone='Europe/Bern': .*Name a zone of the IANA database"),
        ({"time_zone": 2}, "time_zone must be the name of a zone"),
        ({"interactions": [("day", "miles")]}, r"interactions: 'day' is of type date32\[day\], which has no products"),
        ({"target": "day"}, "target='day' is of type date32"),
    ],
)
def test_what_can_not_be_is_said(options, error):
    with pytest.raises(ValueError, match=error):
        from_arrow(TABLE, **{"target": "y", **options})


# ---------------------------------------------------------------- zones
def test_times_are_brought_to_a_zone():
    utc = pa.array([datetime(2024, 3, 31, 0, 59), datetime(2024, 3, 31, 1, 0), datetime(2024, 10, 27, 1, 0)])
    table = pa.table({"when": utc.cast(pa.timestamp("us", "UTC")), "plain": utc})
    hours = features(table, dates=["hour"], time_zone="Europe/Berlin")
    np.testing.assert_array_equal(hours, [[1, 0], [3, 1], [2, 1]])  # Those without a zone stay as they are.
    np.testing.assert_array_equal(features(table, dates=["hour"])[:, 0], [0, 1, 1])


@pytest.mark.parametrize("trained", [None, "Asia/Tokyo"])
def test_the_same_instant_is_the_same_in_another_unit_and_zone(trained):
    berlin = TABLE["when"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", "Europe/Berlin"))
    table = TABLE.set_column(3, "when", berlin)
    est = SGDClassifier(random_state=0, learning_rate="auto").fit(from_arrow(table, target="y", time_zone=trained))
    expected = est.decision_function(from_arrow(table))
    for dtype in (pa.timestamp("ns", "UTC"), pa.timestamp("s", "America/New_York"), pa.timestamp("ms", "+05:30")):
        other = table.set_column(3, "when", berlin.cast(dtype))
        np.testing.assert_allclose(est.decision_function(from_arrow(other)), expected, rtol=1e-5)
    if trained is None:
        with pytest.raises(ValueError, match="time_zone='UTC', in training it was"):
            est.predict(from_arrow(table, time_zone="UTC"))


# ---------------------------------------------------------------- a model knows how they were read
@pytest.mark.parametrize("dates", ["cyclic", "parts", {"when": "days", "*": ["year", "hour_cycle"]}])
def test_a_model_reads_dates_the_same_from_every_format(dates, tmp_path):
    est = SGDRegressor(random_state=0, learning_rate="auto").fit(from_arrow(TABLE, target="y", dates=dates))
    est.save(tmp_path / "m.safetensors")
    est = fastsgd.load(tmp_path / "m.safetensors")
    # Years and days are numbers far from 0, of four bytes, and so are their products with the coefficients.
    near = dict(rtol=1e-5, atol=1e-4)
    expected = est.predict(from_arrow(TABLE))
    for way in WAYS:
        np.testing.assert_allclose(est.predict(made(way, TABLE, tmp_path)), expected, **near)
    text = TABLE.set_column(2, "day", TABLE["day"].cast("string")).set_column(3, "when", TABLE["when"].cast("string"))
    np.testing.assert_allclose(est.predict(from_arrow(text)), expected, **near)
    np.testing.assert_allclose(est.predict(from_arrow(TABLE, target="y", dates=dates)), expected, **near)
    midnight = TABLE.set_column(2, "day", TABLE["day"].cast("timestamp[ms]"))
    np.testing.assert_allclose(est.predict(from_arrow(midnight)), expected, **near)
    with pytest.raises(ValueError, match="dates='days', in training it was"):
        est.predict(from_arrow(TABLE, dates="days"))
    with pytest.raises(ValueError, match="column 'when' is of type float, in training it was a date or a time"):
        est.predict(from_arrow(TABLE.set_column(3, "when", TABLE["miles"])))
    odd = text.set_column(3, "when", pa.array(["2024-02-30"] * N))
    with pytest.raises(ValueError, match="found '2024-02-30' in row 0, and the column is one of dates"):
        est.predict(from_arrow(odd))


def test_times_in_csv_may_have_fractions_of_seconds_later(tmp_path):
    rows = "".join(f"{i % 2},2024-01-01 00:00:{i % 60:02}\n" for i in range(3000))
    (tmp_path / "t.csv").write_text(f"y,when\n{rows}1,2024-01-01 00:00:01.25\n")
    X = whole(from_csv(tmp_path / "t.csv", target="y", block_bytes=8192, dates="days", dtype="f8"))[0]
    assert X[-1, 0] == pytest.approx(19723 + 1.25 / 86400, abs=1e-10)


@given(
    cells=st.lists(
        st.one_of(
            st.dates(date(1700, 1, 1), date(2200, 1, 1)), st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
        ),
        min_size=2,
        max_size=2,
    )
)
@settings(max_examples=50, deadline=None)
def test_a_row_alone_has_the_features_of_a_table(cells):
    parts = [
        "year",
        "days since 2020-01-01",
        "month",
        "day",
        "minute",
        "hour_cycle",
        "day_of_year_cycle",
        "weekday_cycle",
    ]
    table = pa.table({"a": pa.array(cells[:1]), "b": pa.array(cells[1:]), "x": [2.0], "z": [0.5]})
    source = from_arrow(table, dates=parts, polynomial=2, dtype="f8")
    expected, encoder = source.read(0).X[0], source.encoder()
    texts = [str(cell) for cell in cells]
    for a, b in (cells, [pd.Timestamp(cell) for cell in cells], texts):
        features, values = encoder({"a": a, "b": b, "x": 2.0, "z": 0.5})
        found = np.zeros(encoder.n_features)
        found[features] = values
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_row_with_zones_and_nulls_has_the_features_of_a_table():
    berlin = TABLE["when"].cast(pa.timestamp("us", "UTC"))
    table = GAPS.set_column(3, "when", berlin)
    source = from_arrow(table, target="y", time_zone="Europe/Berlin", fill_null="mean", null_indicator=True, dtype="f8")
    encoder, X = source.encoder(), whole(source)[0]
    for row, expected in zip(table.slice(0, 20).to_pylist(), X, strict=False):
        features, values = encoder(row)
        found = np.zeros(encoder.n_features)
        found[features] = values
        np.testing.assert_allclose(found, expected, atol=1e-9)
    with pytest.raises(ValueError, match=r"column 'when' is 5: .*one of dates"):
        encoder({"miles": 1.0, "day": None, "when": 5})


# ---------------------------------------------------------------- nulls
GAPS = TABLE.set_column(2, "day", pa.array([None if i % 5 == 0 else d for i, d in enumerate(TABLE["day"].to_pylist())]))


def test_nulls_among_dates_are_said():
    with pytest.raises(
        ValueError, match=r"column 'day' of .*: 80 of 400 .* null, the first at 0. Set fill_null='mean'"
    ):
        features(GAPS, target="y")


@pytest.mark.parametrize("fill", ["mean", 0.0, {"day": "mean"}, {"d*": "mean"}, {"kind:date": "mean"}])
def test_missing_dates_have_the_means_of_the_others_and_an_indicator(fill):
    source = from_arrow(GAPS, target="y", columns=["day"], fill_null=fill, null_indicator=True, dtype="f8")
    X, there = whole(source)[0], np.arange(N) % 5 > 0
    assert source.feature_names == [*(f"day.{part}" for part in OF_DATE), "day is null"]
    expected = cyclic(FRAME["day"].dt, False)
    np.testing.assert_allclose(X[there, :-1], expected[there], atol=1e-12)
    np.testing.assert_allclose(X[~there, :-1], np.tile(expected[there].mean(axis=0), (80, 1)), atol=1e-9)
    np.testing.assert_array_equal(X[:, -1], ~there)


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_date_is_filled_as_in_training_from_every_format(way, tmp_path):
    given = {"fill_null": "median", "null_indicator": True}
    est = SGDRegressor(random_state=0, learning_rate="auto").fit(from_arrow(GAPS, target="y", **given))
    expected = est.predict(from_arrow(GAPS))
    np.testing.assert_allclose(est.predict(made(way, GAPS, tmp_path)), expected, rtol=1e-5)
    none = GAPS.set_column(2, "day", pa.nulls(N, pa.date32()))
    assert np.isfinite(est.predict(from_arrow(none))).all()
    assert np.isfinite(est.predict(from_arrow(none.set_column(2, "day", pa.nulls(N))))).all()


# ---------------------------------------------------------------- the command
def test_the_command_takes_dates(tmp_path, capsys):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    model = str(tmp_path / "m.safetensors")
    train = ["train", str(tmp_path / "t.parquet"), "--target", "y", "--model", model]
    assert main([*train, "--dates", "when:days", "--dates", "year,month_cycle", "--time-zone", "Europe/Berlin"]) == 0
    expected = ["miles", "day.year", "day.month_sin", "day.month_cos", "when.days"]
    assert list(fastsgd.load(model).feature_names_in_) == expected
    capsys.readouterr()
    assert main([*train, "--dates", "error"]) == 1
    assert "--dates day:cyclic" in " ".join(capsys.readouterr().err.split())
    assert main([*train, "--dates", "day:drop", "--dates", "when:drop"]) == 0
    assert list(fastsgd.load(model).feature_names_in_) == ["miles"]
