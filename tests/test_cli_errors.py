"""What the command says of mistakes, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cli import (
    FRAME,
    ROOT,
    TRAIN,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd import SGDClassifier
from fastsgd.cli import main

# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    "command, said",
    [
        (["train", "all.foo", "--target", "y"], "give --format"),
        (["train", "nowhere.csv", "--target", "y"], "nowhere.csv.\n"),
        (
            ["train", "all.csv", "--target", "late", "--log1p", "a", "b"],
            "For a flag of several values, give it before each: --log1p a --log1p b.",
        ),
        (["train", "all.csv"], "--target must name the column"),
        (["train", "all.csv", "--target", "zz"], "there is no column 'zz'"),
        (
            ["train", "all.csv", "--target", "late", "--n-features", "3", "--on-error", "skip"],
            "csv files have no --on-error",
        ),
        (["train", "all.svm", "--alpha", "-1"], "alpha"),
        (["train", "all.svm", "--resume"], "--resume needs --checkpoint"),
        (
            ["train", "all.svm", "--loss", "quantile", "--class-weight", "balanced"],
            "--class-weight does not go with --task regression",
        ),
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
    assert main(["train", "all.svm", "--max-iter", "2", "--tol", "1e-9", "--model", "m"]) == 0
    assert "warning: Maximum number of iteration reached" in capsys.readouterr().err
