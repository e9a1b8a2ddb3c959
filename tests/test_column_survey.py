"""`source.columns_` and `fastsgd inspect`: what is in each column, and what training makes of it."""

import json

import numpy as np
import pytest

from fastsgd import load
from fastsgd.cli.app import run
from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.csv as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

N = 300
rng = np.random.default_rng(0)
TABLE = pa.table(
    {
        "id": np.arange(N) + 7000,
        "y": rng.integers(0, 2, N),
        "age": pa.array(rng.normal(40, 10, N), mask=np.arange(N) % 10 == 0),
        "price": rng.integers(0, 10**9, N),
        "city": rng.choice(["Bonn", "Trier", "Ulm"], N),
        "code": [f"u{i}" for i in range(N)],
        "open": rng.random(N) < 0.5,
        "unit": ["kg"] * N,
        "gone": pa.nulls(N, pa.float64()),
    }
)
KINDS = {
    "id": "id",
    "y": "number",
    "age": "number",
    "price": "number",
    "city": "category",
    "code": "id",
    "open": "boolean",
    "unit": "constant",
    "gone": "empty",
}


def made(way, folder, **options):
    if way == "table":
        return from_arrow(TABLE, **options)
    if way == "csv":
        pc.write_csv(TABLE, folder / "t.csv")
        return from_csv(folder / "t.csv", **options)
    pq.write_table(TABLE, folder / "t.parquet", row_group_size=64)
    return from_parquet(folder / "t.parquet", **options)


@pytest.mark.parametrize("way", ["table", "csv", "parquet"])
def test_each_column_has_its_kind_whatever_the_format(way, tmp_path):
    survey = made(way, tmp_path, target="y").columns_
    assert (survey.n_rows, survey.whole) == (N, True)
    assert {column.name: column.kind for column in survey} == KINDS
    assert survey["age"].nulls == pytest.approx(0.1) and survey["gone"].nulls == 1
    assert survey["city"].n_distinct == 3 and survey["city"].example in ("Bonn", "Trier", "Ulm")
    assert survey["y"].role == "target" and survey["age"].role == "feature"


def test_columns_that_are_not_used_are_left_out_and_said(tmp_path):
    survey = made("parquet", tmp_path, target="y", columns=["age", "city"]).columns_
    assert [column.name for column in survey if column.role == "left out"] == [
        name for name in KINDS if name not in ("y", "age", "city")
    ]
    assert "left out: id, price" in survey.summary()


def test_what_training_makes_of_a_column_is_said():
    survey = from_arrow(TABLE, target="y", categorical="one-hot", interactions=[("city", "price")]).columns_
    assert survey["city"].becomes == "3 features: city=Bonn, city=Trier, city=Ulm; 1 product with others"
    assert survey["price"].becomes == "a feature; 1 product with others"
    assert from_arrow(TABLE, target="y").columns_["city"].becomes == "hashed"


def test_what_should_be_thought_of_is_noted():
    notes = from_arrow(TABLE, target="y").columns_
    assert "fill_null" in notes["age"].note and "exclude" in notes["id"].note and "exclude" in notes["unit"].note
    assert not notes["city"].note and not notes["price"].note


def test_a_sample_is_of_rows_from_all_over_the_data(tmp_path):
    source = made("parquet", tmp_path, target="y")
    survey = source.survey_columns(rows=50)
    assert (survey.n_rows, survey.whole) == (50, False) and "a sample of 50 rows" in str(survey)
    spread = pa.table({"part": np.repeat(["a", "b", "c", "d", "e"], 64), "y": np.arange(320)})
    pq.write_table(spread, tmp_path / "sorted.parquet", row_group_size=64)
    assert from_parquet(tmp_path / "sorted.parquet", target="y").survey_columns(rows=50)["part"].n_distinct == 5
    assert source.survey_columns(rows=None).whole


def test_rows_that_can_be_read_once_are_not_looked_at():
    with pytest.raises(ValueError, match="read once"):
        from_arrow(TABLE.to_reader(), target="y").columns_  # noqa: B018


def test_a_notebook_shows_names_as_they_are():
    survey = from_arrow(pa.table({"<b>": ["<script>"] * 3, "y": [1, 2, 3]}), target="y").columns_
    assert "<script>" not in survey._repr_html_() and "&lt;script&gt;" in survey._repr_html_()


def test_inspect_prints_the_table_and_json(tmp_path, capsys):
    made("csv", tmp_path, target="y")
    assert run(["inspect", str(tmp_path / "t.csv"), "--target", "y"]) == 0
    said = capsys.readouterr().out
    assert (
        "300 rows, 9 columns, 1,048,5" in said
        and "id (target)" not in said
        and "filled with the mean" in " ".join(said.split())
    )
    assert run(["inspect", str(tmp_path / "t.csv"), "--target", "y", "--rows", "20", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 20 and not found["all_rows"] and found["error"] is None
    assert [column["name"] for column in found["columns"]] == list(KINDS)


@pytest.mark.parametrize("way", ["csv", "parquet"])
def test_inspect_shows_data_that_training_refuses(way, tmp_path, capsys):
    made(way, tmp_path, target="y")
    assert run(["inspect", str(tmp_path / f"t.{way}"), "--target", "late"]) == 1
    said = capsys.readouterr()
    assert "300 rows, 9 columns" in said.out and "sample" not in said.out and "city" in said.out
    assert "there is no column 'late'" in said.err


def test_train_says_what_it_read(tmp_path, capsys):
    made("csv", tmp_path, target="y")
    flags = ["train", str(tmp_path / "t.csv"), "--target", "y", "--fill-null", "0"]
    assert run(flags) == 0
    assert "target y (2 values); 8 columns: 2 ids, 2 numbers, 1 category" in capsys.readouterr().out
    assert run([*flags, "--quiet"]) == 0
    assert not capsys.readouterr().out


def test_train_fills_nulls_it_sees_and_says_so(tmp_path, capsys):
    made("csv", tmp_path, target="y")
    flags = ["train", str(tmp_path / "t.csv"), "--target", "y", "--exclude", "gone", "--model", str(tmp_path / "m")]
    assert run(flags) == 0
    said = capsys.readouterr()
    assert "nulls of age (0.1 of the rows) are filled with the mean" in said.out
    model = load(tmp_path / "m")
    assert model.reading_["fill_null"] == "mean" and model.reading_["null_indicator"]
    assert model.reading_["learnt"]["age"]["fill"] == pytest.approx(np.nanmean(TABLE["age"].to_numpy()), rel=1e-5)
    assert run(["predict", str(tmp_path / "t.csv"), "--model", str(tmp_path / "m")]) == 0
    assert run([*flags, "--fill-null", "none"]) == 1
    assert "age" in capsys.readouterr().err


def test_text_is_text_also_where_training_refuses_another_column(tmp_path, capsys):
    notes = [f"the flat number {i} is near the river and has {i % 7} rooms" for i in range(N)]
    table = pa.table({"y": TABLE["y"], "price": [f"{1000 + i:,}" for i in range(N)], "note": notes})
    pc.write_csv(table, tmp_path / "t.csv")
    assert run(["inspect", str(tmp_path / "t.csv"), "--target", "y", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kinds = {column["name"]: (column["kind"], column["note"]) for column in found["columns"]}
    assert kinds["note"] == ("text", "") and "--thousands" in found["error"]


def test_cells_of_several_words_are_no_names_of_rows():
    words = [f"w{i % 17} w{i} w{i % 5} w{i % 3}" for i in range(N)]
    survey = from_arrow(pa.table({"words": words, "code": TABLE["code"], "y": TABLE["y"]}), target="y").columns_
    assert [survey[name].kind for name in ("words", "code")] == ["id", "id"]
    assert "text_features=['words'] makes features of the words" in survey["words"].note
    assert "exclude=['code']" in survey["code"].note


def test_numbers_far_from_the_others_are_told_also_where_some_are_below_0():
    x = np.random.default_rng(0).standard_normal((N, 2))
    x[70, 1] = -1e6
    survey = from_arrow(pa.table({"usual": x[:, 0], "far": x[:, 1], "y": TABLE["y"]}), target="y").columns_
    assert survey["usual"].note == ""
    assert survey["far"].note.startswith("1 of its values, such as -1e+06, has 99% of its variance")


def test_inspect_fills_nulls_as_train_does(tmp_path, capsys):
    pc.write_csv(TABLE.drop_columns(["gone"]), tmp_path / "t.csv")
    assert run(["inspect", str(tmp_path / "t.csv"), "--target", "y"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "note: nulls of age (0.1 of the rows) are filled with the mean, and features say where" in out
    assert "are an error" not in out and "nulls are" in out
    assert run(["inspect", str(tmp_path / "t.csv"), "--target", "y", "--fill-null", "none"]) == 0
    assert "age: nulls are an error: --fill-null mean fills them" in " ".join(capsys.readouterr().out.split())
