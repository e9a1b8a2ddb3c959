"""The command `fastsgd`: what it prints and writes, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.cli import main
from fastsgd.cli.options import OTHERWISE, literal, parameters
from fastsgd.sources import arrays

pytest.importorskip("typer")
pa = pytest.importorskip("pyarrow")

RNG = np.random.default_rng(0)
N = 3000
FRAME = pd.DataFrame(RNG.standard_normal((N, 4)).astype(np.float32), columns=["a", "b", "c", "d"])
FRAME["word"] = np.array(["x", "y", "z"])[np.arange(N) % 3]
MARGIN = FRAME["a"] - 2 * FRAME["b"] + (FRAME["word"] == "z")
FRAME["late"] = np.where(MARGIN + 0.1 * RNG.standard_normal(N) > 0, "yes", "no")
FRAME["delay"] = MARGIN


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with data, which is the current one."""
    monkeypatch.chdir(tmp_path)
    FRAME[:2000].to_parquet("train.parquet", row_group_size=250)
    FRAME[2000:].to_parquet("test.parquet")
    FRAME.to_csv("all.csv", index=False)
    dump_svmlight_file(FRAME[["a", "b", "c", "d"]].to_numpy(), FRAME["late"] == "yes", "all.svm")
    np.save("X.npy", FRAME[["a", "b", "c", "d"]].to_numpy())
    np.save("y.npy", FRAME["delay"].to_numpy())
    return tmp_path


TRAIN = ["train", "train.parquet", "--target", "late", "--columns", "a", "--columns", "b", "--columns", "word"]


def test_the_whole_way(here, capsys):
    assert main([*TRAIN, "--valid", "test.parquet", "--model", "m", "--max-iter", "3"]) == 0
    assert "stopped by: max_iter; the model is in m" in capsys.readouterr().out
    assert main(["evaluate", "test.parquet", "--target", "late", "--model", "m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 1000 and found["accuracy"] > 0.95 and found["roc_auc"] > 0.99
    assert main(["predict", "test.parquet", "--model", "m"]) == 0
    lines = capsys.readouterr().out.split()
    assert set(lines) == {"yes", "no"} and np.mean(np.array(lines) == FRAME["late"][2000:]) == found["accuracy"]
    assert main(["predict", "test.parquet", "--model", "m", "--method", "predict_proba", "--output", "p.npy"]) == 0
    assert np.load("p.npy").shape == (1000, 2)
    assert main(["info", "m", "--json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert known["classes"] == ["no", "yes"] and known["parameters"]["learning_rate"] == "auto"
    assert main(["plot", "m", "--output", "h.png"]) == 0
    assert Path("h.png").read_bytes().startswith(b"\x89PNG")


def test_it_is_what_the_estimator_does(here):
    main([*TRAIN, "--loss", "hinge", "--alpha", "1e-3", "--learning-rate", "optimal", "--tol", "none", "--model", "m"])
    est = SGDClassifier("hinge", alpha=1e-3, max_iter=1, tol=None, random_state=0)
    est.fit(sources.from_parquet("train.parquet", target="late", columns=["a", "b", "word"]))
    again = fastsgd.load("m")
    assert np.array_equal(again.coef_, est.coef_) and again.get_params() == est.get_params()


def test_categories_are_those_of_training(here, capsys):
    assert main([*TRAIN, "--categorical", "one-hot", "--valid", "all.csv", "--model", "m"]) == 0
    assert fastsgd.load("m").feature_names_in_.tolist() == ["a", "b", "word=x", "word=y", "word=z"]
    FRAME[FRAME["word"] != "y"].to_csv("some.csv", index=False)
    assert main(["evaluate", "some.csv", "--target", "late", "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] > 0.9


def test_numbers(here, capsys):
    assert main(["train", "X.npy", "--target", "y.npy", "--loss", "squared_error", "--model", "m", "--quiet"]) == 0
    assert isinstance(fastsgd.load("m"), SGDRegressor)
    assert main(["evaluate", "X.npy", "--target", "y.npy", "--model", "m", "--json"]) == 0
    found, y = json.loads(capsys.readouterr().out), np.load("y.npy")
    off = fastsgd.load("m").predict(np.load("X.npy")) - y
    np.testing.assert_allclose(found["r2"], 1 - np.mean(off**2) / np.var(y))
    np.testing.assert_allclose(found["root_mean_squared_error"], np.sqrt(np.mean(off**2)))
    np.testing.assert_allclose(found["mean_absolute_error"], np.mean(abs(off)))


@pytest.mark.parametrize("to", ["parquet", "arrow"])
@pytest.mark.parametrize("data", ["all.csv", "all.svm"])
def test_convert(here, data, to):
    assert main(["convert", data, "--output", f"all.{to}"]) == 0
    read = {"parquet": sources.from_parquet, "arrow": sources.from_arrow}[to]
    target = "late" if data == "all.csv" else "target"
    new = read(f"all.{to}", target=target)
    old = sources.from_csv(data, target=target) if data == "all.csv" else sources.from_svmlight(data)
    for ours, theirs in zip(new.blocks(), old.blocks(), strict=True):
        assert (ours.X != theirs.X).nnz == 0 and (ours.y == theirs.y).all()
    assert [p.name for p in here.glob("*.tmp")] == []


# ---------------------------------------------------------------- Ctrl-C
def interrupt_after(monkeypatch, calls):
    done = []

    def between(self, at):
        done.append(at.rows)
        if len(done) == calls:
            raise KeyboardInterrupt

    monkeypatch.setattr("fastsgd.cli.show.Bar.between", between)
    monkeypatch.setattr(arrays, "CALL_ROWS", 256)


def test_ctrl_c_says_how_to_resume(here, monkeypatch, capsys):
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


def test_ctrl_c_without_a_checkpoint_keeps_the_model(here, monkeypatch, capsys):
    interrupt_after(monkeypatch, 2)
    assert main([*TRAIN, "--model", "m", "--max-iter", "4", "--max-memory", "40KB"]) == 130
    assert "m holds the model of this moment" in capsys.readouterr().err
    assert fastsgd.load("m").stop_reason_ == "interrupted"


# ---------------------------------------------------------------- errors
@pytest.mark.parametrize(
    "command, said",
    [
        (["train", "all.foo", "--target", "y"], "give --format"),
        (["train", "nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["train", "all.csv"], "--target must name the column"),
        (["train", "all.csv", "--target", "zz"], "there is no column 'zz'"),
        (
            ["train", "all.csv", "--target", "late", "--n-features", "3", "--on-error", "skip"],
            "csv files have no --on-error",
        ),
        (["train", "all.svm", "--alpha", "-1"], "alpha"),
        (["train", "all.svm", "--resume"], "--resume needs --checkpoint"),
        (["train", "all.svm", "--loss", "quantile", "--class-weight", "balanced"], "leave --class-weight out"),
        (["train", "X.npy", "--target", "y.npy", "--valid", "X.npy"], "--valid-target"),
        (["info", "all.csv"], "all.csv is not a model file"),
        (["convert", "X.npy", "--output", "x.parquet"], "convert takes CSV and svmlight files"),
        (["plot", "all.json"], "must be what `train --json` prints"),
    ],
)
def test_errors_are_a_line(here, command, said, capsys):
    Path("all.json").write_text("{}")
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and "Traceback" not in err


def test_what_is_not_understood_is_2(here, capsys):
    assert main(["train", "all.svm", "--alpah", "1"]) == 2
    assert main(["fly"]) == 2


def test_warnings_are_a_line(here, capsys):
    assert main(["train", "all.svm", "--max-iter", "2", "--tol", "0", "--model", "m"]) == 0
    assert "warning: Maximum number of iteration reached" in capsys.readouterr().err


# ---------------------------------------------------------------- flags
def test_every_parameter_has_a_flag_with_words():
    known = set(SGDClassifier().get_params()) | set(SGDRegressor().get_params())
    assert parameters().keys() == known - OTHERWISE
    assert all(len(text) > 3 for _, text in parameters().values())


def test_help_names_them(capsys):
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--learning-rate" in said and "--max-memory" in said


@pytest.mark.parametrize("text, value", [("1e-5", 1e-5), ("None", None), ("full", "full"), ("{1: 2}", {1: 2})])
def test_literal(text, value):
    assert literal(text) == value


def test_a_pipe_that_is_closed(here):
    main([*TRAIN, "--model", "m", "--quiet"])
    code = "import sys; from fastsgd.cli import main; sys.exit(main(['predict', *['all.csv'] * 40, '--model', 'm']))"
    command = f'{sys.executable} -c "{code}" | head -1'
    env = {"PYTHONPATH": str(Path(fastsgd.__file__).parents[1]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=env)
    assert done.stdout.strip() in ("yes", "no") and done.stderr == ""
