"""`fastsgd predict`: columns of the data beside the predictions, and what goes to stdout."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.cli import (
    FRAME,
    TRAIN,
    N,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd import sources
from fastsgd.cli import main

pa = pytest.importorskip("pyarrow")
IDS = FRAME.assign(
    id=[f"{i:05}" for i in range(N)], at=pd.Timestamp("2024-02-29"), some=[None, "x,y", 'a"b'] * (N // 3)
)


@pytest.fixture
def model(here):
    IDS.to_parquet("ids.parquet", row_group_size=700)
    IDS.to_csv("ids.csv", index=False)
    IDS.to_feather("ids.arrow", compression="uncompressed")
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    return fastsgd.load("m")


def printed(capsys, *command):
    capsys.readouterr()
    assert main(["predict", *command, "--model", "m"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("data", ["ids.csv", "ids.parquet", "ids.arrow"])
@pytest.mark.parametrize("output", ["p.csv", "p.parquet"])
def test_columns_of_the_data_stand_beside_the_predictions_row_by_row(model, data, output):
    flags = ["--id", "id", "--id", "delay", "--id", "word", "--method", "predict_proba", "--output", output]
    assert main(["predict", data, "--model", "m", *flags]) == 0
    read = {"p.csv": lambda path: pd.read_csv(path, dtype={"id": str}), "p.parquet": pd.read_parquet}[output]
    found = read(output)
    assert found.columns.tolist() == ["id", "delay", "word", "probability_no", "probability_yes"] and len(found) == N
    assert found["id"].tolist() == IDS["id"].tolist() and found["word"].tolist() == IDS["word"].tolist()
    np.testing.assert_allclose(found["delay"].astype(np.float32), IDS["delay"], rtol=1e-6)
    expected = model.predict_proba(sources.from_parquet("ids.parquet", columns=["a", "b", "word"]))
    np.testing.assert_allclose(found[["probability_no", "probability_yes"]], expected, rtol=1e-6)


def test_columns_of_any_kind_are_copied_as_they_are(model):
    copied = ["--id", "some", "--id", "at", "--id", "some"]
    assert main(["predict", "ids.parquet", "--model", "m", *copied, "--output", "p.parquet"]) == 0
    found = pd.read_parquet("p.parquet")
    assert found.columns.tolist() == ["some", "at", "prediction"]
    assert found["some"].fillna("none").tolist() == IDS["some"].fillna("none").tolist()
    assert (found["at"] == IDS["at"]).all()
    assert main(["predict", "ids.csv", "--model", "m", "--id", "some", "--output", "p.csv"]) == 0
    assert pd.read_csv("p.csv")["some"].fillna("none").tolist() == IDS["some"].fillna("none").tolist()


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["ids.csv", "--id", "idd"], 1, "--id: there is no column 'idd'; it has"),
        (["ids.csv", "--id", "id", "--output", "p.npy"], 2, "--id: a .npy file has no columns"),
        (["X.npy", "--id", "id"], 1, "--id names a column of a table"),
        (["ids.csv", "--threshold", "0.5", "--method", "predict_proba"], 1, "--threshold is for predictions of two"),
    ],
)
def test_what_can_not_be_is_said_by_its_flag(model, flags, code, said, capsys):
    if flags[0] == "X.npy":
        assert main(["train", "all.svm", "--model", "m", "-q"]) == 0
    assert main(["predict", *flags, "--model", "m"]) == code
    assert said in capsys.readouterr().err and not Path("p.npy").exists()


def test_a_column_called_as_the_prediction_is_refused(model, capsys):
    FRAME.assign(prediction=1).to_parquet("named.parquet")
    assert main(["predict", "named.parquet", "--model", "m", "--id", "prediction", "--output", "p.csv"]) == 1
    assert "--id prediction: that is what the prediction is called" in capsys.readouterr().err


def test_stdout_has_a_line_for_each_row_and_csv_with_a_header_of_several_columns(model, capsys):
    labels = printed(capsys, "ids.csv").splitlines()
    assert len(labels) == N and set(labels) == {"yes", "no"} == set(printed(capsys, "ids.csv", "--output", "-").split())
    assert printed(capsys, "ids.csv", "--header").splitlines() == ["prediction", *labels]
    both = pd.read_csv(io.StringIO(printed(capsys, "ids.csv", "--id", "id")), dtype=str)
    assert both.columns.tolist() == ["id", "prediction"] and both["prediction"].tolist() == labels
    bare = printed(capsys, "ids.csv", "--id", "id", "--no-header").splitlines()
    assert len(bare) == N and bare[0] == f"00000,{labels[0]}"
    proba = pd.read_csv(io.StringIO(printed(capsys, "ids.csv", "--method", "predict_proba")))
    assert proba.columns.tolist() == ["probability_no", "probability_yes"] and len(proba) == N
    assert main(["predict", "ids.csv", "--model", "m", "--no-header", "--output", "p.csv"]) == 0
    assert Path("p.csv").read_text().splitlines() == labels


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
def test_a_threshold_is_from_where_the_second_class_is_predicted(here, loss, capsys):
    assert main([*TRAIN, "--model", "m", "-q", "--loss", loss]) == 0
    est, data = fastsgd.load("m"), sources.from_parquet("test.parquet", columns=["a", "b", "word"])
    scores = est.predict_proba(data)[:, 1] if loss == "log_loss" else est.decision_function(data)
    found = printed(capsys, "test.parquet", "--threshold", "0.9").split()
    assert found == np.where(scores >= 0.9, "yes", "no").tolist() and 0 < found.count("yes") < len(found)


def test_predictions_of_words_of_any_length_are_one_array(here):
    data = pd.DataFrame({"x": np.repeat([0.0, 1.0], 300), "y": np.repeat(["a", "a longer word"], 300)})
    data.to_parquet("words.parquet", row_group_size=50)
    train = ["train", "words.parquet", "--target", "y", "--max-iter", "20", "--model", "m", "-q"]
    assert main(train) == 0
    assert main(["predict", "words.parquet", "--model", "m", "--output", "p.npy"]) == 0
    assert np.load("p.npy").tolist() == data["y"].tolist()


def test_memory_is_that_of_a_block_whatever_the_file(model):
    """Blocks are written as they come: what waits is the rest of one batch of each reader."""
    from fastsgd.cli.predictions import Predictions

    source = sources.from_parquet("ids.parquet", columns=["a", "b", "word"])
    found = Predictions(model, source, "predict", ["id"])
    for beside, part in found:
        assert len(beside) == len(part) <= 700 and found._beside.rows < 700
