"""`-` in place of a file: data on stdin."""

import gzip
import io
import os
import subprocess
import sys
import tempfile
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
from fastsgd.cli import main

pa = pytest.importorskip("pyarrow")


def streamed():
    table, made = pa.Table.from_pandas(FRAME), io.BytesIO()
    with pa.ipc.new_stream(made, table.schema) as stream:
        stream.write_table(table, 500)
    return made.getvalue()


FORMS = {
    "csv": lambda: Path("all.csv").read_bytes(),
    "csv.gz": lambda: gzip.compress(Path("all.csv").read_bytes()),
    "parquet": lambda: Path("all.parquet").read_bytes(),
    "arrow stream": streamed,
    "arrow file": lambda: Path("all.arrow").read_bytes(),
}


@pytest.fixture
def pipe(here, monkeypatch, tmp_path_factory):
    """Run the command with these bytes on stdin; temporary files are to be gone."""
    FRAME.to_parquet("all.parquet")
    FRAME.to_feather("all.arrow")
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))

    def run(data, *command):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = main(list(command))
        assert os.listdir(temporary) == []
        return code

    return run


@pytest.mark.parametrize("form", FORMS)
def test_a_model_is_trained_used_and_scored_on_what_is_piped(pipe, form, capsys):
    data = FORMS[form]()
    assert main(["train", "all.parquet", *TRAIN[2:], "--max-iter", "2", "--model", "file", "-q"]) == 0
    assert pipe(data, "train", "-", *TRAIN[2:], "--max-iter", "2", "--model", "m", "-q") == 0
    one, other = fastsgd.load("m").coef_, fastsgd.load("file").coef_
    assert one.shape == other.shape and fastsgd.load("m").n_iter_ == 2
    capsys.readouterr()
    assert pipe(data, "predict", "-", "--model", "m") == 0
    labels = capsys.readouterr().out.split()
    assert len(labels) == len(FRAME) and np.mean(np.array(labels) == FRAME["late"]) > 0.9
    assert pipe(data, "evaluate", "-", "--model", "m") == 0 and "accuracy" in capsys.readouterr().out


def test_svmlight_and_npy_are_known_by_how_they_begin(pipe, capsys):
    svm = Path("all.svm").read_bytes()
    assert pipe(svm, "train", "-", "--model", "m", "-q") == 0 and fastsgd.load("m").reading_["zero_based"] is True
    assert pipe(svm, "evaluate", "-", "--model", "m", "--json") == 0
    assert pipe(gzip.compress(svm), "predict", "-", "--model", "m") == 0
    made = io.BytesIO()
    np.save(made, np.load("X.npy"))
    assert pipe(made.getvalue(), "predict", "-", "--model", "m", "--format", "npy") == 0


def test_ids_of_what_is_piped_stand_beside_the_predictions(pipe, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    capsys.readouterr()
    assert pipe(FORMS["csv"](), "predict", "-", "--model", "m", "--id", "word", "--method", "predict_proba") == 0
    found = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert found["word"].tolist() == FRAME["word"].tolist() and found.columns[1] == "probability_no"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "- means stdin, and nothing came on it"),
        (b"x,y\n1,2\n", "there is no column 'a' in stdin.csv"),
        (b"PAR1 and no more", "stdin.parquet"),
    ],
)
def test_what_is_wrong_with_stdin_is_said_of_it(pipe, data, said, capsys):
    assert main([*TRAIN, "--model", "m", "-q"]) == 0
    assert pipe(data, "predict", "-", "--model", "m") == 1
    err = capsys.readouterr().err
    assert said in err and "fastsgd-" not in err


def test_a_terminal_is_no_data(here, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["train", "-", "--target", "y"]) == 1
    assert "- means stdin, which is a terminal here" in capsys.readouterr().err


def test_pipes_of_the_shell(here):
    env = os.environ | {"PYTHONPATH": ROOT}
    run = f"{sys.executable} -m fastsgd"
    columns = " ".join(TRAIN[2:])
    script = (
        f"cat all.csv | {run} train - {columns} --model m -q && {run} predict - --model m < all.csv > predictions.csv"
    )
    done = subprocess.run(script, shell=True, capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(Path("predictions.csv").read_text().splitlines()) == len(FRAME)
