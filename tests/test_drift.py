"""What is to be learnt changes along the rows: how users are told, how often by mistake, and whether the advice works."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
from sklearn.metrics import log_loss
from support.sizes import sizes

from fastsgd import LinearClassifier, SGDClassifier, SGDRegressor, diagnose, drift, sources
from fastsgd.cli import main
from fastsgd.diagnosis.along import changing
from fastsgd.diagnosis.case import Case
from fastsgd.progressive import Progressive

DAY = np.timedelta64(1, "D")


def changing_rows(n=12_000, seed=0, turn=2.0):
    """Rows in the order of time whose best model turns, and classes of them."""
    rng = np.random.default_rng(seed)
    X, angle = rng.standard_normal((n, 4)), turn * np.linspace(0, 1, n)
    margins = 2 * (X[:, 0] * np.cos(angle) + X[:, 1] * np.sin(angle))
    return X, (margins > rng.logistic(size=n)).astype(int)


def faded_rows(n):
    """Rows in the order of time that say less of their classes after a while, and these."""
    X, _ = changing_rows(n)
    margins = 2 * X[:, 0] * np.where(np.arange(n) < 0.7 * n, 1, 0.2)
    return X, (margins > np.random.default_rng(1).logistic(size=n)).astype(int)


def of_losses(losses):
    """A `progressive_` of such losses."""
    found = Progressive()
    for loss in losses:
        found = found.plus(100, 100.0 * loss, 100.0)
    return found.array()


# ------------------------------------------------------------ the loss along the way
def test_a_loss_that_rises_is_told_from_chance():
    rng = np.random.default_rng(0)
    falls = 1 / np.arange(1, 101) + 0.5
    alarms = sum(drift.rise(of_losses(falls + 0.1 * rng.standard_normal(100))) is not None for _ in range(300))
    assert alarms <= 2
    for n in (16, 30, 100):
        noise = 0.02 * rng.standard_normal(n)
        found = drift.rise(of_losses(0.5 + noise + np.where(np.arange(n) < n // 2, 0.0, 0.2)))
        assert found.before == pytest.approx(0.5, abs=0.03) and found.after == pytest.approx(0.7, abs=0.03)
        assert 100 * (n // 2) <= found.rows <= 100 * (n * 3 // 4 + 1)
    assert drift.rise(of_losses(np.linspace(0, 1, 15))) is None  # too few stretches to tell


@pytest.mark.filterwarnings("error")
def test_rows_without_weight_are_no_part_of_it():
    found = Progressive()
    for i in range(40):
        found = found.plus(100, 0.0, 0.0).plus(100, 100.0 * (1 + (i >= 20)), 100.0)
    assert drift.rise(found.array()).after == pytest.approx(2.0)
    assert drift.ends(found.array()) == pytest.approx((1.0, 800, 2.0, 800))
    assert drift.rise(Progressive().array()) is None and drift.ends(Progressive().array()) is None


@pytest.mark.parametrize("n", [4, 5, 9, 10, 11, 100, 255])
def test_the_first_and_the_last_tenth_are_so_long_at_least(n):
    found = of_losses(range(n))
    first, first_rows, last, last_rows = drift.ends(found)
    assert 10 * n <= first_rows < 10 * n + 200 and 10 * n <= last_rows < 10 * n + 200
    assert first == pytest.approx((first_rows / 100 - 1) / 2) and last == pytest.approx(
        n - 1 - (last_rows / 100 - 1) / 2
    )


def test_a_model_of_calls_in_the_order_of_time_says_that_it_falls_behind():
    X, y = faded_rows(20_000)
    kept, mixed = (SGDClassifier("log_loss", learning_rate="auto", random_state=0) for _ in range(2))
    places = np.random.default_rng(1).permutation(len(y))
    for lo in range(0, len(y), 100):
        kept.partial_fit(X[lo : lo + 100], y[lo : lo + 100], classes=[0, 1])
        some = places[lo : lo + 100]
        mixed.partial_fit(X[some], y[some], classes=[0, 1])
    found = diagnose(kept)
    assert "changing" in found and found["changing"].numbers["after"] > 1.1 * found["changing"].numbers["before"]
    assert "changing" not in diagnose(mixed)


# ------------------------------------------------------------ by the rows
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("kind", [SGDClassifier, LinearClassifier])
def test_diagnose_says_that_rows_change_and_the_advice_works(kind, layout):
    X, y = changing_rows()
    past, later = slice(0, 11_000), slice(11_000, None)
    how = {"learning_rate": "auto", "max_iter": 1, "tol": None, "random_state": 0} if kind is SGDClassifier else {}
    est = kind("log_loss", **how).fit(layout(X[past]), y[past])
    found = diagnose(est, layout(X[past]), y[past])
    assert found["changing"].numbers["gain"] > 0.1 and found.verdict != "changing"
    if kind is SGDClassifier:
        assert "shuffle=False" in found["changing"].advice
        then = kind("log_loss", shuffle=False, **how).fit(layout(X[past]), y[past])
        new, old = (log_loss(y[later], one.predict_proba(layout(X[later]))[:, 1]) for one in (then, est))
        assert new < old
        assert "shuffle=False" not in diagnose(then, layout(X[past]), y[past])["changing"].advice


def test_rows_in_a_random_order_do_not_change():
    X, y = changing_rows(4000)
    est, alarms = SGDClassifier("log_loss", learning_rate="auto", random_state=0).fit(X, y), 0
    for seed in range(40):
        some = np.random.default_rng(seed).permutation(len(y))
        alarms += changing(Case(est, X[some], y[some])) is not None
    assert alarms <= 1  # of 1000 about one


@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile"])
def test_targets_that_are_numbers_change_too(loss):
    rng = np.random.default_rng(0)
    X, when = rng.standard_normal((6000, 3)), np.linspace(0, 2, 6000)
    Y = np.column_stack([X[:, 0] * when, X[:, 1] * (2 - when)]) + 0.3 * rng.standard_normal((6000, 2))
    for y in (Y[:, 0], Y):
        reg = SGDRegressor(loss, learning_rate="auto", max_iter=1, tol=None, random_state=0).fit(X, y)
        assert changing(Case(reg, X, y)).numbers["gain"] > 0.05


# ------------------------------------------------------------ columns of time
def table(order=None, **columns):
    """200 days, some rows each, in an order."""
    n = 2000
    when = np.datetime64("2024-01-01") + (np.arange(n) // 10) * DAY
    given = {"when": when, "x": np.random.default_rng(0).standard_normal(n), "y": np.arange(n) % 2} | columns
    order = np.arange(n) if order is None else order
    return pa.table({name: pa.array(values[order]) for name, values in given.items() if values is not None})


def notes(table, **how):
    return [note for note in sources.from_arrow(table, target="y", **how).columns_.notes() if "rows" in note]


def test_rows_in_the_order_of_a_date_are_seen():
    rng = np.random.default_rng(0)
    jitter = np.argsort(np.arange(2000) + rng.uniform(0, 60, 2000))  # late by up to a few days
    for order in (None, jitter):
        (note,) = notes(table(order))
        assert note.startswith("the rows are in the order of when: ") and "shuffle=False" in note
    (note,) = notes(table(np.arange(2000)[::-1]))
    assert note.startswith("the latest rows come first, by when: ")
    assert not notes(table(rng.permutation(2000)))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("epoch", True),
        ("event_time", True),
        ("eventTime", True),
        ("YEAR", True),
        ("price", False),
        ("sometimes", False),
    ],
)
def test_numbers_are_times_where_their_name_says_so(name, seen):
    found = notes(table(when=None, **{name: np.arange(2000) // 3 + 0.5}))
    assert len(found) == seen and all(name in note for note in found)


def test_one_line_is_said_of_all_columns_of_time_and_none_of_the_target_or_of_few_rows():
    when = np.datetime64("2024-01-01") + np.arange(2000) * DAY
    (note,) = notes(table(booked=when))
    assert "order of when, booked:" in note
    (note,) = notes(table(), exclude=["when"])  # It is no feature, and orders the rows all the same.
    assert "order of when:" in note
    few = table().slice(0, 15)
    assert not notes(few)
    survey = sources.from_arrow(table(when=None, year=np.arange(2000) // 100), target="year").columns_
    assert survey["year"].order == "rises" and not [note for note in survey.notes() if "order" in note]
    assert not notes(table(when=np.full(2000, np.datetime64("2024-01-01"))))


def test_nulls_have_no_place_in_the_order():
    when = np.datetime64("2024-01-01") + np.arange(2000) * DAY
    when[::3] = np.datetime64("NaT")
    assert len(notes(table(when=when), fill_null="mean")) == 1


# ------------------------------------------------------------ the command
@pytest.fixture
def log(tmp_path):
    X, y = faded_rows(40_000)
    when = np.datetime64("2024-01-01", "s") + np.arange(len(y))
    path = tmp_path / "log.parquet"
    columns = {f"x{i}": X[:, i] for i in range(4)}
    pq.write_table(pa.table(columns | {"when": when, "y": y}), path, row_group_size=2000)
    return [str(path), "--target", "y"]


@pytest.fixture
def printed(capsys):
    def of(*words):
        assert main(list(words)) == 0
        return " ".join(capsys.readouterr().out.split())

    return of


def test_train_suggests_the_order_of_time_unless_it_is_given(log, printed):
    said = printed("train", *log)
    assert "note: the rows are in the order of when" in said and "--no-shuffle" in said
    for flag in ("--shuffle", "--no-shuffle"):
        assert "order of when" not in printed("train", *log, flag)
    assert "--no-shuffle" in printed("inspect", *log)
    found = json.loads(printed("inspect", *log, "--json"))
    assert {c["name"]: c["order"] for c in found["columns"]}["when"] == "rises"


def test_train_says_how_the_loss_went_before_rows_were_learnt_from(log, printed):
    how = *log, "--exclude", "when", "--max-iter", "1"
    with sizes(call_rows=500, block_rows=10, buffer_blocks=5, buffer_bytes=1):
        words, mixed = printed("train", *how, "--no-shuffle"), printed("train", *how)
        found = json.loads(printed("train", *how, "--no-shuffle", "--json"))["progressive"]
    assert "loss before learning: " in words and "note: the mean loss of rows" in words
    assert "loss before learning: " in mixed and "note: the mean loss of rows" not in mixed
    assert (
        found["last"] > found["first"]
        and found["first_rows"] >= 4000 <= found["last_rows"]
        and found["rise"]["after"] > found["rise"]["before"]
    )
