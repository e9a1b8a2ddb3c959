"""`fastsgd explain` and `fastsgd info`: what a model has learnt, by name, and how it was made."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file
from support.cli import (
    FRAME,
    TRAIN,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd import SGDRegressor
from fastsgd.cli import main

pytest.importorskip("typer")
REGRESSION = ["--task", "regression", "--model", "m", "-q"]


def found(capsys, *command):
    """The JSON that a command prints."""
    assert main([*command, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def said(capsys, *command):
    """The words that a command prints, without the frames of tables."""
    assert main(list(command)) == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


# ---------------------------------------------------------------- explain
@pytest.mark.parametrize("file", ["test.parquet", "all.csv"])
def test_the_shares_of_a_row_are_named_and_add_up_to_its_margin(file, here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    est, rows = fastsgd.load("m"), FRAME if file == "all.csv" else FRAME[2000:]
    explained = found(capsys, "explain", "m", file, "--rows", "7")["rows"]
    assert len(explained) == 7
    source = fastsgd.sources.from_arrow(rows)
    margins = est.decision_function(source)
    for i, one in enumerate(explained):
        (margin,) = one["margins"]
        assert margin["margin"] == pytest.approx(margins[i], rel=1e-6)
        total = sum(share["share"] for share in margin["shares"]) + margin["others"]["share"] + margin["intercept"]
        assert total == pytest.approx(margin["margin"], rel=1e-9)
        named = {share["feature"]: share for share in margin["shares"]}
        assert set(named) == {"a", "b", f"word={rows['word'].iloc[i]}"}
        assert named["a"]["value"] == pytest.approx(rows["a"].iloc[i], rel=1e-6)
        assert named[f"word={rows['word'].iloc[i]}"]["value"] == 1.0  # whatever the sign of its hash
        assert one["prediction"] == ("yes" if margins[i] > 0 else "no") and sum(
            one["probability"].values()
        ) == pytest.approx(1.0)
        for share in margin["shares"]:
            assert share["share"] == pytest.approx(share["value"] * share["coef"])
        sizes = [abs(share["share"]) for share in margin["shares"]]
        assert sizes == sorted(sizes, reverse=True)


def test_of_many_features_the_rest_is_summed_up(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    (one,) = found(capsys, "explain", "m", "test.parquet", "--rows", "1", "--top", "1")["rows"]
    (margin,) = one["margins"]
    assert len(margin["shares"]) == 1 and margin["others"]["features"] == 2
    total = margin["shares"][0]["share"] + margin["others"]["share"] + margin["intercept"]
    assert total == pytest.approx(margin["margin"], rel=1e-9)
    assert "(2 others)" in said(capsys, "explain", "m", "test.parquet", "--rows", "1", "--top", "1")


def test_the_table_of_a_row_says_what_is_predicted_and_what_a_share_speaks_for(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    words = said(capsys, "explain", "m", "test.parquet", "--rows", "2", "--target", "late")
    assert "a positive share speaks for 'yes', a negative one for 'no'" in words
    assert "row 1: predicted" in words and "row 2: predicted" in words and "with probability" in words
    assert f"in the data it is {FRAME['late'].iloc[2000]}" in words and "= margin" in words and "(intercept)" in words


def test_of_several_classes_the_shares_are_of_the_one_that_is_predicted(here, capsys):
    frame = FRAME.assign(kind=np.array(["low", "mid", "high"])[np.digitize(FRAME["delay"], [-1, 1])])
    frame.to_parquet("three.parquet")
    columns = ["--columns", "a", "--columns", "b"]
    assert main(["train", "three.parquet", "--target", "kind", *columns, "--model", "m", "-q"]) == 0
    est, X = fastsgd.load("m"), frame[["a", "b"]]
    margins = est.decision_function(X)
    for i, one in enumerate(found(capsys, "explain", "m", "three.parquet", "--rows", "9")["rows"]):
        (margin,) = one["margins"]
        assert margin["label"] == one["prediction"] == est.classes_[margins[i].argmax()]
        assert margin["margin"] == pytest.approx(margins[i].max(), rel=1e-6)


def test_of_numbers_the_shares_are_of_the_prediction_or_of_its_logarithm(here, capsys):
    FRAME.assign(count=np.exp(FRAME["delay"] / 4)).to_parquet("counts.parquet")
    columns = ["--columns", "a", "--columns", "b"]
    for target, loss, link in (("delay", "squared_error", float), ("count", "poisson", np.exp)):
        assert main(["train", "counts.parquet", "--target", target, "--loss", loss, *columns, *REGRESSION]) == 0
        shown = found(capsys, "explain", "m", "counts.parquet", "--target", target)
        assert ("logarithm" in shown["about"]) == (loss == "poisson")
        for i, one in enumerate(shown["rows"]):
            assert one["prediction"] == pytest.approx(link(one["margins"][0]["margin"]), rel=1e-5)
            assert one["target"] == pytest.approx(
                FRAME["delay"][i] if target == "delay" else np.exp(FRAME["delay"][i] / 4)
            )


def test_rows_of_arrays_and_of_several_targets_are_explained_by_the_number_of_the_feature(here, capsys):
    X, Y = np.load("X.npy"), np.column_stack([np.load("y.npy"), -np.load("y.npy")])
    SGDRegressor(learning_rate="auto", random_state=0).fit(X, Y).save("m")
    rows = found(capsys, "explain", "m", "X.npy", "--rows", "3")["rows"]
    assert [margin["label"] for margin in rows[0]["margins"]] == [0, 1] and len(rows) == 3
    for one in rows:
        for margin, prediction in zip(one["margins"], one["prediction"], strict=True):
            assert margin["margin"] == pytest.approx(prediction, rel=1e-6)
            assert {share["feature"] for share in margin["shares"]} <= {"x0", "x1", "x2", "x3"}
    assert "row 1, target 1: predicted" in said(capsys, "explain", "m", "X.npy")


def test_svmlight_files_are_explained_too(here, capsys):
    dump_svmlight_file(FRAME[["a", "b"]].to_numpy(), FRAME["late"] == "yes", "few.svm")
    assert main(["train", "few.svm", "--model", "m", "-q"]) == 0
    (one,) = found(capsys, "explain", "m", "few.svm", "--rows", "1")["rows"]
    assert {share["feature"] for share in one["margins"][0]["shares"]} == {"x0", "x1"}


def test_segments_are_explained_by_their_own_models(here, capsys):
    data = ["train.parquet", "--target", "delay", "--columns", "a", "--columns", "b", "--segments", "word"]
    assert main(["train", *data, *REGRESSION]) == 0
    est, rows = fastsgd.load("m"), found(capsys, "explain", "m", "test.parquet")["rows"]
    expected = est.predict(FRAME[2000:2005][["a", "b"]], segments=FRAME["word"][2000:2005])
    np.testing.assert_allclose([one["margins"][0]["margin"] for one in rows], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--rows", "0"], "--rows must be a number from 1 on, got 0"),
        (["--top", "-1"], "--top must be a number from 1 on, got -1"),
    ],
)
def test_numbers_of_rows_and_features_must_be_some(flags, words, here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert main(["explain", "m", "test.parquet", *flags]) == 1
    assert words in capsys.readouterr().err


def test_there_must_be_rows_to_explain(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    FRAME[:0].to_parquet("none.parquet")
    assert main(["explain", "m", "none.parquet"]) == 1
    assert "there are no rows in none.parquet" in capsys.readouterr().err


# ---------------------------------------------------------------- info
def test_info_shows_the_weightiest_coefficients_and_names_hashed_ones_by_files(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert "coefficients" not in found(capsys, "info", "m")
    shown = found(capsys, "info", "m", "--top", "2")["coefficients"]
    assert [row["feature"] for row in shown["rows"]] == ["b", "a"] and "standard deviation in training" in shown[
        "about"
    ]
    named = found(capsys, "info", "m", "--names", "test.parquet")["coefficients"]
    assert {row["feature"] for row in named["rows"]} == {"a", "b", "word=x", "word=y", "word=z"}
    assert named["intercept"] == [float(fastsgd.load("m").intercept_[0])]
    table = fastsgd.load("m").coefficients(data=fastsgd.sources.from_parquet("test.parquet"))
    assert [row["coef"] for row in named["rows"]] == table["coef"].tolist()
    words = said(capsys, "info", "m", "--top", "3")
    assert "(intercept)" in words and "note: words were hashed to features such as x7: --names" in words
    assert "note:" not in said(capsys, "info", "m", "--top", "3", "--names", "test.parquet")


def test_info_says_how_the_model_was_made(here, capsys):
    assert main([*TRAIN, "--valid", "test.parquet", "--model", "m", "--max-iter", "3", "-q"]) == 0
    known = found(capsys, "info", "m")
    assert (
        known["rows"] == 2000
        and known["target"] == "late"
        and known["parameters"]["max_iter"] == 3
        and known["epochs"] == 3
    )
    assert known["versions"]["fastsgd"] == fastsgd.__version__
    assert pd.Timestamp(known["made"].removesuffix(" UTC"), tz="UTC") <= pd.Timestamp.now("UTC")
    history = [row["validation_score"] for row in known["history"]]
    assert known["held_out_score"] == max(history) > 0.9
    words = said(capsys, "info", "m")
    assert "rows 2000" in words and "held out score" in words and "versions fastsgd" in words


def test_info_knows_models_that_were_made_in_python(here, capsys):
    X, y = FRAME[["a", "b"]], FRAME["delay"]
    fastsgd.LinearRegressorCV(alphas=2, cv=2).fit(X, y).save("cv")
    fastsgd.LinearRegressorCV(alphas=2, cv=2, refit=False).fit(X, y).save("chosen")
    fastsgd.SGDOneClassSVM(max_iter=2, tol=None).fit(X).save("one")
    for name in ("cv", "one"):
        shown = found(capsys, "info", name, "--top", "1")
        assert shown["features"] == 2 and shown["rows"] is None and len(shown["coefficients"]["rows"]) == 1
    assert found(capsys, "info", "chosen")["nonzero_coefficients"] == 0


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--top", "0"], "--top must be a number from 1 on, got 0"),
        (["--columns", "a"], "--columns says how the files of --names are read: give --names"),
        (["--names", "nowhere.parquet"], "there is no file or folder nowhere.parquet"),
        (["--names", "few.parquet"], "there is no column 'b'"),
    ],
)
def test_what_info_can_not_show_is_said_with_the_flag(flags, words, here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    FRAME[["a"]].to_parquet("few.parquet")
    assert main(["info", "m", *flags]) == 1
    assert words in capsys.readouterr().err


def test_info_says_how_columns_were_read(here, capsys):
    hours = pd.to_timedelta(FRAME.index, "h")
    odd = FRAME.assign(
        when=pd.Timestamp("2024-02-29 10:00") + hours, b=FRAME["b"].where(FRAME.index % 7 > 0), flag=FRAME["a"] > 0
    )
    odd.to_parquet("odd.parquet")
    columns = ["--columns", "flag", "--columns", "when", "--columns", "b", "--columns", "word", "--n-hashed", "64"]
    how = ["--fill-null", "0.5", "--interactions", "b:word"]
    assert main(["train", "odd.parquet", "--target", "late", *columns, *how, "--model", "m", "-q"]) == 0
    known = found(capsys, "info", "m")
    assert known["columns"] == {"flag": "boolean", "when": "date", "b": "number", "word": "category"}
    assert known["reading"] == {"n_hashed": 64, "interactions": [["b", "word"]], "fill_null": 0.5, "center": True}
    assert "n_hashed 64" in said(capsys, "info", "m")
    names = {
        row["feature"]
        for row in found(capsys, "info", "m", "--top", "99", "--names", "odd.parquet")["coefficients"]["rows"]
    }
    assert {"b", "word=x", "b:word=z"} <= names and any(name.startswith("when.") for name in names)


def test_what_a_model_was_made_of_is_not_said_of_one_that_is_fitted_anew(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    est = fastsgd.load("m")
    est.partial_fit(fastsgd.sources.from_parquet("test.parquet", target="late")).save("m")
    assert found(capsys, "info", "m")["rows"] == 2000
    est.fit(FRAME[["a", "b"]], FRAME["late"]).save("m")
    known = found(capsys, "info", "m")
    assert known["rows"] is None and known["made"] is None and known["target"] is None
