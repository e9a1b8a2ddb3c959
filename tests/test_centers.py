"""center=True: numbers beside words are learnt from wherever they lie, and models say the same of other data."""

import numpy as np
import pytest

from fastsgd import SGDClassifier, decide, load
from fastsgd.cli.app import run
from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

rng = np.random.default_rng(0)
N = 4000
X, CITY, RARE = rng.normal(size=N), rng.integers(0, 9, N), np.where(rng.random(N) < 0.1, rng.normal(size=N), 0.0)
Y = (rng.random(N) < 1 / (1 + np.exp(-2 * X - (CITY % 3 - 1)))).astype(int)
CITIES = [f"c{i}" for i in CITY]


def table(offset):
    return pa.table({"y": Y, "year": offset + 5 * X, "rare": RARE, "city": CITIES})


def trained(offset, **options):
    clf = SGDClassifier("log_loss", learning_rate="auto", max_iter=1, tol=None, random_state=0)
    return clf.fit(from_arrow(table(offset), target="y", n_hashed=2**10, dtype="f8", **options))


def test_a_column_far_from_zero_is_learnt_from_as_well_as_one_near_it():
    expected = trained(0.0).score(from_arrow(table(0.0), target="y"))
    assert trained(2000.0, center=True).score(from_arrow(table(2000.0), target="y")) == pytest.approx(
        expected, abs=0.005
    )
    alone = trained(2000.0).score(from_arrow(table(2000.0), target="y"))
    assert alone == pytest.approx(expected, abs=0.005)  # "auto" takes the mean off by itself


def test_what_is_taken_off_is_a_round_number_near_the_mean_and_changes_no_coefficient():
    source = from_arrow(table(2000.0), target="y", center=True, n_hashed=2**10, dtype="f8")
    center, none = source.reading["center"]
    assert abs(center - 2000) < 1 and center == round(center, 1) and none == 0
    plain = from_arrow(table(2000.0), target="y", n_hashed=2**10, dtype="f8")
    np.testing.assert_allclose(source.read(0).X[:, 0].toarray(), plain.read(0).X[:, 0].toarray() - center)
    assert (source.read(0).X[:, 1:] != plain.read(0).X[:, 1:]).nnz == 0
    moved, near = trained(2000.0, center=True), trained(2000.0 - center, center=False)
    np.testing.assert_allclose(moved.coef_, near.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("way", ["csv", "parquet", "table"])
def test_a_model_takes_the_same_off_other_data(way, tmp_path):
    clf = trained(2000.0, center=True)
    clf.save(tmp_path / "m")
    other = table(2000.0).slice(0, 40)
    expected = clf.decision_function(from_arrow(other))
    source = other
    if way == "csv":
        pc.write_csv(other, tmp_path / "t.csv")
        source = from_csv(tmp_path / "t.csv")
    elif way == "parquet":
        pq.write_table(other, tmp_path / "t.parquet")
        source = from_parquet(tmp_path / "t.parquet")
    source = from_arrow(source) if way == "table" else source
    np.testing.assert_allclose(load(tmp_path / "m").decision_function(source), expected, rtol=1e-5)
    predictor = load(tmp_path / "m").predictor()
    np.testing.assert_allclose([predictor.decision_function(row) for row in other.to_pylist()], expected, rtol=1e-9)


def test_dense_rows_stay_as_they_are():
    source = from_arrow(table(2000.0).drop_columns("city"), target="y", center=True)
    assert "center" not in source.reading
    np.testing.assert_array_equal(source.read(0).X[:, 0], (2000 + 5 * X).astype("f4"))


def test_nulls_that_are_filled_have_a_center_too():
    holes = table(2000.0).set_column(1, "year", pa.array(2000 + 5 * X, mask=rng.random(N) < 0.3))
    source = from_arrow(holes, target="y", center=True, fill_null="mean", null_indicator=True)
    assert abs(source.reading["center"][0] - 2000) < 1
    with pytest.raises(ValueError, match="null"):
        trained(0.0).fit(from_arrow(holes, target="y", center=True))


@pytest.mark.parametrize("center", ["yes", 1, [np.nan], ["a"]])
def test_what_is_no_center_is_refused(center):
    with pytest.raises(ValueError, match="center must be"):
        from_arrow(table(0.0), target="y", center=center)


def test_rows_that_can_be_read_once_have_no_center():
    with pytest.raises(ValueError, match="leave out center"):
        from_arrow(table(0.0).to_reader(), target="y", center=True)


def test_train_centers_numbers_beside_words(tmp_path):
    pc.write_csv(table(2000.0), tmp_path / "t.csv")
    pq.write_table(table(2000.0), tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert run(["train", str(tmp_path / name), "--target", "y", "--model", str(tmp_path / "m"), "-q"]) == 0
        model = load(tmp_path / "m")
        assert model.max_iter == "auto" and 1 <= model.n_iter_ <= 10
        assert abs(model.reading_["center"][0] - 2000) < 1
    assert (
        run(
            [
                "train",
                str(tmp_path / "t.csv"),
                "--target",
                "y",
                "--no-center",
                "--max-iter",
                "2",
                "--model",
                str(tmp_path / "m"),
                "-q",
            ]
        )
        == 0
    )
    assert load(tmp_path / "m").n_iter_ == 2 and "center" not in load(tmp_path / "m").reading_


def test_train_makes_one_pass_over_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(decide, "MANY_ROWS", N)
    pc.write_csv(table(0.0), tmp_path / "t.csv")
    assert run(["train", str(tmp_path / "t.csv"), "--target", "y", "--model", str(tmp_path / "m"), "-q"]) == 0
    model = load(tmp_path / "m")
    assert (model.max_iter, model.n_iter_) == ("auto", 1)


@pytest.mark.parametrize("columns", [["year", "rare"], ["city"]])
def test_what_was_said_in_training_can_be_said_again_where_there_was_nothing_to_center(columns):
    data = table(2000.0)
    clf = SGDClassifier("log_loss", learning_rate="auto", max_iter=1, tol=None, random_state=0)
    clf.fit(from_arrow(data.select([*columns, "y"]), target="y", center=True))
    expected = clf.decision_function(from_arrow(data.select(columns)))
    np.testing.assert_array_equal(clf.decision_function(from_arrow(data, center=True)), expected)
