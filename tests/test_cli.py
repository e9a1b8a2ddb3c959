"""The command `fastsgd`: what it prints and writes, and its exit codes."""

import json
import os
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

ROOT = str(Path(fastsgd.__file__).parents[1])
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


def test_a_row_far_on_the_wrong_side_counts_its_margin_in_the_log_loss(here, capsys):
    """And not the logarithm of a probability that float32 rounds to 0."""
    X = np.array([[50.0], [-50.0], [1.0], [-1.0]], np.float32)
    clf = SGDClassifier("log_loss", random_state=0).fit(X, [1, 0, 1, 0])
    clf.coef_, clf.intercept_ = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    clf.save("m")
    np.save("X.npy", X)
    np.save("y.npy", [1, 1, 1, 0])
    assert main(["evaluate", "X.npy", "--target", "y.npy", "--model", "m", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["log_loss"] == pytest.approx((50 + 2 * np.log1p(np.exp(-1))) / 4, rel=1e-6)


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


def test_predictions_have_the_name_that_was_given_and_labels_that_of_the_data(here, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert main(["predict", "test.parquet", "--model", "m", "--output", "found"]) == 0
    assert np.load("found").shape == (1000,) and not Path("found.npy").exists()
    FRAME[:0].to_parquet("none.parquet")
    assert main(["predict", "none.parquet", "--model", "m", "--output", "p.npy"]) == 1
    assert "error: the source has no rows" in capsys.readouterr().err and not Path("p.npy").exists()
    FRAME[:9].assign(late="perhaps").to_parquet("other.parquet")
    assert main(["evaluate", "other.parquet", "--model", "m", "--target", "late"]) == 1
    assert "the data has the label 'perhaps', which was not in training" in capsys.readouterr().err


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


def test_convert_and_train_csv_of_other_kinds(here, capsys):
    Path("a.tsv").write_text("y\ta,b\n" + "0\t1\n1\t2\n" * 50)
    assert main(["convert", "a.tsv", "--output", "a.parquet"]) == 0
    assert pd.read_parquet("a.parquet").columns.tolist() == ["y", "a,b"]
    Path("bare").mkdir()
    for name in "12":
        Path(f"bare/{name}.csv").write_text("no;1;007\nyes;2;008\n" * 50)
    how = ["--delimiter", ";", "--column-names", "y", "--column-names", "a", "--column-names", "zip"]
    how += ["--column-types", "zip:string"]
    assert main(["convert", "bare", "--output", "bare.arrow", *how]) == 0
    assert pd.read_feather("bare.arrow")["zip"].tolist() == ["007", "008"] * 100
    assert main(["train", "bare/*.csv", "--target", "y", "--model", "m", "--categorical", "one-hot", *how]) == 0
    assert fastsgd.load("m").feature_names_in_.tolist() == ["a", "zip=007", "zip=008"]
    capsys.readouterr()
    assert main(["predict", "bare/1.csv", "--model", "m"]) == 0  # the model knows how they are read
    assert capsys.readouterr().out.split() == ["no", "yes"] * 50


def test_convert_says_which_type_is_missing(here, capsys):
    Path("a.csv").write_text("y,a\n" + "1,200\n" * 10**6 + "0,2.5\n")
    assert main(["convert", "a.csv", "--output", "a.parquet"]) == 1
    assert "give that of this one in column_types" in capsys.readouterr().err
    assert main(["convert", "a.csv", "--output", "a.parquet", "--column-types", "a:float32"]) == 0
    assert pd.read_parquet("a.parquet")["a"].iloc[-1] == 2.5


def test_json_has_null_for_what_is_not_a_number(here, capsys):
    FRAME.assign(delay=1.0).to_parquet("constant.parquet")
    train = ["train", "train.parquet", "--columns", "a", "--target", "delay", "--loss", "squared_error"]
    assert main([*train, "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["history"][0]["objective"] is None
    assert main(["evaluate", "constant.parquet", "--target", "delay", "--model", "m", "--json"]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["r2"] is None


def test_a_validation_set_and_a_checkpoint_of_what_no_buffer_holds(here):
    valid = ["--valid", "test.parquet", "--max-memory", "20KB", "--max-iter", "3", "--model", "m"]
    assert main([*TRAIN, *valid, "--checkpoint", "ck"]) == 0
    coef = fastsgd.load("m").coef_
    assert main([*TRAIN, *valid, "--checkpoint", "ck", "--resume"]) == 0
    assert np.array_equal(fastsgd.load("m").coef_, coef)


def test_progress_knows_the_rows_that_were_counted(here):
    from fastsgd.cli.show import Bar

    source = sources.from_svmlight("all.svm", block_bytes=4000).buffered("60KB")
    bar, seen = Bar(3, source, False), []
    bar.bar.update = lambda task, **fields: seen.append(fields)
    SGDClassifier("log_loss", max_iter=3, tol=None, random_state=0, callbacks=[bar]).fit(source)
    assert seen[-1]["completed"] == seen[-1]["total"] == 3 * N and seen[-1]["epoch"] == 3
    assert [fields["completed"] for fields in seen] == sorted(fields["completed"] for fields in seen)


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
        (["train", "all.svm", "--model", "nowhere/m"], "--model: no file can be written to nowhere/m"),
        (["convert", "all.csv", "--output", "nowhere/a.parquet"], "--output: no file can be written"),
        (["predict", "test.parquet", "--model", "m", "--output", "nowhere/p.npy"], "--output: no file can be written"),
        (["predict", "test.parquet", "--model", "m", "--output", "."], "--output: no file can be written to ."),
        ([*TRAIN, "--checkpoint", "."], "--checkpoint: no file can be written to ."),
        (["convert", "all.csv", "--output", "a.parquet", "--dtype", "float64"], "csv files have no --dtype"),
        (["train", "all.csv", "--target", "late", "--column-types", "float"], "must be of the form name:type"),
        (["plot", "all.json"], "must be what `train --json` prints"),
        (["train", "all.csv", "--target", "delay", "--columns", "a"], "To predict a number: --task regression."),
        (["evaluate", "empty.csv", "--model", "m", "--target", "late"], "there are no rows in empty.csv"),
    ],
)
def test_errors_are_a_line(here, command, said, capsys):
    Path("all.json").write_text("{}")
    Path("empty.csv").write_text("a,b,late\n")
    SGDClassifier().fit(FRAME[["a", "b"]], FRAME["late"]).save("m")
    assert main(command) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and said in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("pyarrow", ["train", "train.parquet", "--target", "late"], "parquet"),
        ("pyarrow", ["convert", "all.csv", "--output", "a.parquet"], "parquet"),
        ("matplotlib", ["plot", "m"], "plot"),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(here, package, command, extra):
    code = f"import sys; sys.modules[{package!r}] = None; from fastsgd.cli import main; sys.exit(main({command!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": ROOT}, check=False
    )
    assert done.returncode == 1 and f'pip install "fastsgd[{extra}]"' in done.stderr and "Traceback" not in done.stderr


def test_python_m(here):
    run = [sys.executable, "-m", "fastsgd", "--version"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == f"fastsgd {fastsgd.__version__}\n" and done.returncode == 0


def test_what_is_not_understood_is_2(here, capsys):
    assert main(["train", "all.svm", "--alpah", "1"]) == 2
    assert main(["fly"]) == 2
    assert main(["convert", "all.csv", "--output", "a.parquet", "--columns", "a"]) == 2


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


def test_where_auto_has_learnt_nothing_it_says_so(here, capsys):
    """A warning on stderr; and what each class or target has become is in the summary, in JSON and in `info`."""
    np.save("noise.npy", np.random.default_rng(5).standard_normal((N, 2)))
    for y, rule in (("noise.npy", "constant"), ("y.npy", "average")):
        assert main(["train", "X.npy", "--target", y, "--task", "regression", "--model", "m"]) == 0
        printed = capsys.readouterr()
        assert f"what auto has learnt: {rule}" in printed.out
        assert ("The models of 2 of 2 classes or targets are a constant" in printed.err) == (rule == "constant")
        assert main(["info", "m"]) == 0
        assert rule in capsys.readouterr().out
        for command in (["info", "m", "--json"], ["train", "X.npy", "--target", y, "--task", "regression", "--json"]):
            assert main(command) == 0
            assert set(json.loads(capsys.readouterr().out)["auto_rule"]) == {rule}
    assert main(["train", "X.npy", "--target", "y.npy", "--task", "regression", "--eta0", "0.01"]) == 0
    assert "what auto has learnt" not in capsys.readouterr().out
