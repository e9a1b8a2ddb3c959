"""What the command writes, and what it leaves where it is interrupted."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.cli import (
    FRAME,
    ROOT,
    TRAIN,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.cli import main

pa = pytest.importorskip("pyarrow")

# ---------------------------------------------------------------- what is written
METHODS = {
    "predict": ["prediction"],
    "predict_proba": ["probability_no", "probability_yes"],
    "decision_function": ["decision"],
}


def predicted(method, path):
    """What a model predicts of all.csv by itself, after the command has written that to `path`."""
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert main(["predict", "all.csv", "--model", "m", "--method", method, "--output", path]) == 0
    return getattr(fastsgd.load("m"), method)(sources.from_csv("all.csv", columns=["a", "b", "word"]))


@pytest.mark.parametrize("method", METHODS)
def test_predictions_in_a_file_of_numpy_are_those_of_the_method(here, method):
    found = predicted(method, "p.npy")
    assert np.array_equal(np.load("p.npy"), found)


@pytest.mark.parametrize("path, read", [("p.csv", pd.read_csv), ("p.parquet", pd.read_parquet), ("p.CSV", pd.read_csv)])
@pytest.mark.parametrize("method", METHODS)
def test_predictions_are_a_table_where_the_ending_says_so(here, method, path, read):
    found = predicted(method, path)
    table = read(path)
    assert table.columns.tolist() == METHODS[method] and (table.to_numpy() == found.reshape(len(found), -1)).all()


def test_predictions_of_several_targets_in_blocks_of_any_size(here):
    X = FRAME[["a", "b"]].to_numpy()
    SGDRegressor().fit(X, np.column_stack([FRAME["delay"], -FRAME["delay"]])).save("m")
    pa.parquet.write_table(pa.table({"0": X[:, 0], "1": X[:, 1]}), "X.parquet", row_group_size=7)
    for ending in ("csv", "parquet"):
        assert main(["predict", "X.parquet", "--model", "m", "--output", f"p.{ending}"]) == 0
    expected = fastsgd.load("m").predict(X)
    assert pd.read_parquet("p.parquet").columns.tolist() == ["prediction_0", "prediction_1"]
    for read in (pd.read_parquet("p.parquet"), pd.read_csv("p.csv")):
        np.testing.assert_allclose(read.to_numpy(), expected)
    assert pa.parquet.ParquetFile("p.parquet").num_row_groups == 1


def test_an_ending_that_says_nothing_is_refused_before_the_rows_are_read(here, capsys):
    SGDClassifier().fit(FRAME[["a", "b"]], FRAME["late"]).save("m")
    for name in ("p", "p.txt", "p.npz", "p.parquet.gz"):
        assert main(["predict", "nowhere.csv", "--model", "m", "--output", name]) == 2
        assert f"--output: {name} must end in .npy, .csv, .parquet" in capsys.readouterr().err
    assert main(["plot", "m", "--output", "h"]) == 2
    assert "--output: h must end in " in capsys.readouterr().err


OVER = {
    "train.parquet": [
        [*TRAIN, "--model", "{}"],
        [*TRAIN, "--checkpoint", "{}", "--resume"],
        ["train", "*.parquet", *TRAIN[2:], "--model", "{}"],
        ["train", ".", "--format", "parquet", *TRAIN[2:], "--model", "{}"],
        ["predict", "train.parquet", "--model", "m", "--output", "{}"],
    ],
    "test.parquet": [[*TRAIN, "--valid", "test.parquet", "--model", "{}"]],
    "y.npy": [
        ["train", "X.npy", "--target", "y.npy", "--task", "regression", "--model", "{}"],
        ["train", "X.npy", "--target", "X.npy", "--valid", "X.npy", "--valid-target", "y.npy", "--model", "{}"],
        ["train", "X.npy", "--target", "X.npy", "--weight", "y.npy", "--model", "{}"],
    ],
    "m.npy": [["predict", "test.parquet", "--model", "m.npy", "--output", "{}"]],
    "all.csv": [["convert", "all.csv", "--output", "{}"], ["predict", "all.csv", "--model", "m", "--output", "{}"]],
    "m.png": [["plot", "m.png", "--output", "{}"], ["plot", "m", "m.png", "--output", "{}"]],
}


@pytest.mark.parametrize("path, command", [(path, command) for path, commands in OVER.items() for command in commands])
def test_what_is_read_is_never_written_over(here, path, command, capsys):
    est = SGDClassifier().fit(FRAME[["a", "b"]], FRAME["late"])
    for model in ("m", "m.npy", "m.png"):
        est.save(model)
    suffix = Path(path).suffix
    Path(f"symbolic{suffix}").symlink_to(path)
    Path(f"hard{suffix}").hardlink_to(path)
    before = Path(path).read_bytes()
    names = path, f"../{here.name}/./{path}", str(here / path), f"symbolic{suffix}", f"hard{suffix}"
    for to in names:
        assert main([word.format(to) for word in command]) == 2
        said = capsys.readouterr().err
        assert f"{to} is read here (" in said and "would be lost. Name another file." in said and "--" in said
        assert Path(path).read_bytes() == before


def test_two_outputs_are_two_files(here, capsys):
    for model, checkpoint in (("m", "./m"), ("m", "m"), ("ck.previous", "ck")):
        assert main([*TRAIN, "--model", model, "--checkpoint", checkpoint]) == 2
        assert "is the file of --" in capsys.readouterr().err
    assert not Path("m").exists()


@pytest.mark.parametrize("name", ["p.npy", "p.csv", "p.parquet", "all.arrow", "h.png"])
def test_a_full_disk_leaves_the_old_file_and_no_half_one(here, name, capsys):
    resource = pytest.importorskip("resource")
    assert main([*TRAIN, "--model", "m", "-q"]) == main(["plot", "m", "--output", "other.png"]) == 0
    Path(name).write_text("old")
    before = sorted(os.listdir())
    command = ["predict", "all.csv", "--model", "m", "--method", "predict_proba", "--output", name]
    if not name.startswith("p."):
        command = ["convert", "all.csv", "--output", name] if name == "all.arrow" else ["plot", "m", "--output", name]
    capsys.readouterr()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert main(command) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.strerror(errno.EFBIG) in capsys.readouterr().err
    assert Path(name).read_text() == "old" and sorted(os.listdir()) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has such a device")
def test_stdout_that_is_full_is_an_error(here):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    env = os.environ | {"PYTHONPATH": ROOT}
    with open("/dev/full", "w") as full:
        run = [sys.executable, "-m", "fastsgd", "predict", "test.parquet", "--model", "m"]
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, env=env, check=False)
    assert done.returncode == 1 and done.stderr == "error: No space left on device.\n"


# ---------------------------------------------------------------- Ctrl-C


def test_ctrl_c_in_predict_leaves_the_old_file(here, monkeypatch, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    Path("p.csv").write_text("old")
    before, predict = sorted(os.listdir()), SGDClassifier.predict
    calls = []

    def interrupted(self, X):
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return predict(self, X)

    monkeypatch.setattr(SGDClassifier, "predict", interrupted)
    assert main(["predict", "train.parquet", "--model", "m", "--output", "p.csv"]) == 130
    assert Path("p.csv").read_text() == "old" and sorted(os.listdir()) == before
    capsys.readouterr()
    calls.clear()
    assert main(["predict", "train.parquet", "--model", "m"]) == 130
    assert len(capsys.readouterr().out.split()) == 500  # of two row groups


def interrupt_after(monkeypatch, calls):
    done = []

    def between(self, at):
        done.append(at.rows)
        if len(done) == calls:
            raise KeyboardInterrupt

    monkeypatch.setattr("fastsgd.cli.show.Bar.between", between)


def test_ctrl_c_says_how_to_resume(here, monkeypatch, capsys, set_sizes):
    set_sizes(call_rows=256)
    command = [*TRAIN, "--model", "m", "--max-iter", "4", "--max-memory", "40KB"]
    assert main([*command, "--checkpoint", "whole"]) == 0
    unbroken = fastsgd.load("m").coef_
    Path("m").unlink()
    with monkeypatch.context() as patched:
        interrupt_after(patched, 7)
        patched.setattr(sys, "argv", ["fastsgd", *command, "--checkpoint", "ck"])
        assert main([*command, "--checkpoint", "ck"]) == 130
    said = capsys.readouterr().err
    assert "fastsgd train train.parquet" in said and "--resume" in said and not Path("m").exists()
    assert main([*command, "--checkpoint", "ck"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*command, "--checkpoint", "ck", "--resume"]) == 0
    assert np.array_equal(fastsgd.load("m").coef_, unbroken)


def test_ctrl_c_without_a_checkpoint_keeps_the_model(here, monkeypatch, capsys, set_sizes):
    set_sizes(call_rows=256)
    interrupt_after(monkeypatch, 2)
    assert main([*TRAIN, "--model", "m", "--max-iter", "4", "--max-memory", "40KB"]) == 130
    assert "m holds the model of this moment" in capsys.readouterr().err
    assert fastsgd.load("m").stop_reason_ == "interrupted"


def test_an_error_on_the_way_keeps_the_rows_before_it_beside_the_old_model(here, capsys):
    command = ["train", "bad.parquet", *TRAIN[2:], "--max-memory", "40KB", "--no-shuffle", "--model", "m"]
    FRAME[:2000].to_parquet("bad.parquet", row_group_size=250)
    assert main(command) == 0
    before, good = Path("m").read_bytes(), fastsgd.load("m")
    FRAME[:2000].assign(a=np.where(np.arange(2000) < 1999, FRAME["a"][:2000], np.inf)).to_parquet(
        "bad.parquet", row_group_size=250
    )
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "m.error holds the model of this moment." in said and "bad.parquet" in said.rpartition("error: ")[2]
    assert Path("m").read_bytes() == before
    kept = fastsgd.load("m.error")
    assert kept.stop_reason_ == "error" and 0 < kept.t_ < good.t_


def test_a_model_that_can_not_be_written_is_in_the_checkpoint(here, monkeypatch, capsys):
    def fail(self, path, **how):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    command = [*TRAIN, "--model", "m", "--checkpoint", "ck"]
    with monkeypatch.context() as patch:
        patch.setattr(SGDClassifier, "save", fail)
        patch.setattr(sys, "argv", ["fastsgd", *command])
        assert main(command) == 1
    said = capsys.readouterr().err
    assert os.strerror(errno.ENOSPC) in said and "ck is written. To go on:" in said and "--resume" in said
    assert main([*command, "--resume"]) == 0 and fastsgd.load("m").n_iter_ == 10


# ---------------------------------------------------------------- models for prediction alone
def facts(capsys, model):
    capsys.readouterr()
    assert main(["info", model, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_model_for_prediction_alone_is_smaller_and_predicts_the_same(here, capsys):
    for model, more in (("whole", []), ("alone", ["--no-training-state"])):
        assert main([*TRAIN, "--model", model, *more]) == 0
        size = facts(capsys, model)
        assert (size["file_bytes"], size["training_state"]) == (os.path.getsize(model), not more)
        assert main([*TRAIN, "--model", model, *more, "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["model_bytes"], said["training_state"]) == (os.path.getsize(model), not more)
        assert main(["predict", "all.csv", "--model", model, "--output", f"{model}.npy"]) == 0
    assert os.path.getsize("alone") < os.path.getsize("whole") < 10_000  # of 2**20 slots that words are hashed to
    assert Path("alone.npy").read_bytes() == Path("whole.npy").read_bytes()
    assert main(["info", "alone"]) == 0
    out = capsys.readouterr().out
    assert "not in the file" in out and "KB" in out
    assert main([*TRAIN, "--model", "alone", "--no-training-state"]) == 0
    assert "KB, for prediction alone)" in capsys.readouterr().out


def test_what_can_not_be_kept_is_said_before_the_training(here, capsys):
    assert main([*TRAIN, "--no-training-state"]) == 2
    assert "--no-training-state says how --model is written, and there is none" in capsys.readouterr().err
    assert main([*TRAIN, "--no-training-state", "--model", "m", "--n-bootstrap", "3"]) == 2
    assert "--no-training-state leaves out the models that --n-bootstrap trains" in capsys.readouterr().err
    assert not os.path.exists("m")


@pytest.mark.parametrize("ending, mark", [("txt", "|"), ("txt", ";"), ("TAB", "\t"), ("psv", "|"), ("dat", ",")])
def test_a_table_is_read_whatever_ending_its_text_has(tmp_path, monkeypatch, ending, mark):
    monkeypatch.chdir(tmp_path)
    FRAME.to_csv("all.csv", index=False)
    FRAME.to_csv(f"all.{ending}", index=False, sep=mark)
    train = ["--target", "late", "--model", "m", "-q"]
    assert main(["train", "all.csv", *train]) == 0
    wanted = fastsgd.load("m")
    assert main(["train", f"all.{ending}", *train]) == 0
    assert fastsgd.load("m").coef_.tolist() == wanted.coef_.tolist()


def test_svmlight_text_is_read_as_such_where_its_ending_says_no_more_than_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("# a comment\n1 1:0.5 3:2\n0 2:1 3:-1\n" * 20)
    assert main(["train", "a.txt", "--model", "m", "-q"]) == 0
    assert fastsgd.load("m").coef_.shape == (1, 3)
