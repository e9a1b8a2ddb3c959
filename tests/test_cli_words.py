"""What the command says: in its own words, with advice that can be followed there."""

import re

import numpy as np
import pandas as pd
import pytest

import fastsgd
from fastsgd.cli import main
from fastsgd.cli.words import in_flags

pytest.importorskip("typer")
pytest.importorskip("pyarrow")

# Names of Python that nobody can use on the command line.
FOREIGN = re.compile(
    r"\b(SGD|Linear)[A-Z]\w+|StandardScaler|MinMaxScaler|sklearn\b|\bfastsgd\.\w+|partial_fit|X_val|sample_weight|callable|"
    r"\b[a-z_]+=|Errno|DType|instance of"
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    g = np.random.default_rng(0)
    frame = pd.DataFrame(g.standard_normal((400, 3)), columns=["a", "b", "c"])
    frame["b"] *= 1e4
    frame["y"], frame["t"], frame["k"] = (frame["a"] > 0).astype(int), 3 * frame["a"] + 1, np.arange(400) % 3
    frame["day"] = pd.date_range("2024-01-01", periods=400)
    frame["lasted"] = frame["day"] - frame["day"][0]
    frame.to_parquet("d.parquet")
    frame.drop(columns="lasted").to_csv("d.csv", index=False)
    return tmp_path


def said(capsys, *command):
    code = main(list(command))
    return code, " ".join(capsys.readouterr().err.split())


LONG = ["--learning-rate", "constant", "--eta0", "1"]
CLASSES = ["--target", "y", "--columns", "a", "--columns", "b"]
NUMBERS = ["--target", "t", "--columns", "a", "--columns", "b", "--task", "regression"]
THREE = ["--target", "k", "--columns", "a", "--columns", "b"]


@pytest.mark.parametrize(
    "flags",
    [
        [*CLASSES, *LONG, "--loss", "squared_error", "--task", "classification"],
        [*CLASSES, *LONG, "--loss", "squared_hinge"],
        [*NUMBERS, *LONG],
        [*NUMBERS, *LONG, "--max-iter", "5", "--tol", "1e-3"],
        [*NUMBERS, *LONG, "--batch-size", "full", "--max-iter", "50"],
        [*NUMBERS, *LONG, "--standardize", "--eta0", "3"],
        [*NUMBERS, "--learning-rate", "invscaling", "--loss", "poisson", "--target", "y", "--eta0", "3"],
        [*THREE, "--multi-class", "multinomial", "--optimizer", "sgd", "--eta0", "1e9"],
    ],
)
def test_advice_after_a_divergence_is_what_the_command_has(here, flags, capsys):
    code, words = said(capsys, "train", "d.parquet", *flags, "-q")
    assert code == 1 and re.search("diverged|overflow", words)
    assert not FOREIGN.search(words), FOREIGN.search(words)
    assert "--eta0" in words and ("--standardize" in words or "--standardize" in flags)
    if "--multi-class" not in flags:
        assert "--learning-rate auto" in words
    rate = re.search(r"--eta0 to (\S+) ", words)  # which is what does
    if rate:
        assert main(["train", "d.parquet", *flags, "-q", "--eta0", rate[1]]) == 0


@pytest.mark.parametrize("loss", ["huber", "epsilon_insensitive", "tukey"])
def test_advice_where_targets_are_far_away_is_what_the_command_has(here, loss, capsys):
    frame = pd.read_parquet("d.parquet").assign(t=lambda frame: frame["t"] + 1e5)
    frame.to_parquet("far.parquet")
    steps = ["--loss", loss, "--eta0", "0.01", "--max-iter", "10", "--tol", "1e-3", "--standardize"]
    code, words = said(capsys, "train", "far.parquet", *NUMBERS, *steps, "-q")
    assert code == 0 and "far from y: its mean, 10" in words and "Subtract the mean from y" in words
    assert not FOREIGN.search(words), FOREIGN.search(words)


@pytest.mark.parametrize(
    "flags",
    [
        *([name, "?"] for name in ("--loss", "--penalty", "--optimizer", "--learning-rate", "--stopping", "--init")),
        *(
            [name, "?"]
            for name in ("--batch-size", "--class-weight", "--random-state", "--average", "--alpha", "--eta0")
        ),
        ["--loss", "log"],
        ["--loss", "poisson", "--task", "classification"],
        ["--stopping", "['?']"],
        ["--stopping", "validation", "--tol", "1e-3"],
        ["--valid", "d.parquet", "--validation-scoring", "?"],
        ["--valid", "d.parquet", "--validation-scoring", "max_error", "--weight", "k"],
        ["--multi-class", "multinomial", "--task", "regression"],
        ["--weight", "day"],
        ["--target", "day"],
        ["--columns", "day", "--dates", "error"],
        ["--columns", "day", "--dates", "day:monthly"],
        ["--columns", "day", "--time-zone", "Mars"],
        ["--columns", "d?", "--exclude", "dya"],
        ["--columns", "kind:word"],
    ],
    ids=" ".join,
)
def test_errors_are_in_the_words_of_the_command(here, flags, capsys):
    code, words = said(capsys, "train", "d.parquet", *CLASSES, *flags)
    assert code == 1 and words.startswith("error: ")
    assert not FOREIGN.search(words), FOREIGN.search(words)


def test_a_name_that_is_not_known_is_answered_by_a_flag_that_works(here, capsys):
    code, words = said(capsys, "train", "d.parquet", *CLASSES, "--loss", "log")
    assert code == 1 and "Got 'log' instead. Did you mean --loss log_loss? It may be 'epsilon_" in words
    _, words = said(capsys, "train", "d.parquet", *NUMBERS, "--loss", "hinge")
    assert "Got 'hinge' instead. It is a loss for --task classification." in words
    _, words = said(capsys, "train", "d.parquet", *NUMBERS, "--loss", "absolute_error")
    assert "Did you mean --loss epsilon_insensitive with --epsilon 0?" in words
    assert main(["train", "d.parquet", *NUMBERS, "--loss", "epsilon_insensitive", "--epsilon", "0", "-q"]) == 0


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "npy", "svm", "tsv"])
def test_a_file_that_is_missing_is_named_in_words(here, ending, capsys):
    missing = f"nope.{ending}"
    fastsgd.SGDClassifier().fit(np.eye(2), [0, 1]).save("m")
    for command in (
        ["train", missing, *(["--target", "y.npy"] if ending != "svm" else [])],
        ["convert", missing, "--output", "x.parquet"] if ending in ("csv", "tsv", "svm") else ["plot", missing],
        ["predict", missing, "--model", "m"],
        ["predict", "d.csv", "--model", missing],
        ["info", missing],
    ):
        code, words = said(capsys, *command)
        assert code == 1 and words == f"error: there is no file or folder {missing}."
    assert said(capsys, "info", f"nope*.{ending}")[1] == f"error: there is no file or folder nope*.{ending}."


def test_a_pattern_that_no_file_matches_is_named(here, capsys):
    _, words = said(capsys, "train", "nope*.csv", "--target", "y")
    assert words.startswith("error: there are no files .csv or ") and words.endswith(" in 'nope*.csv'.")


def test_dates_are_no_targets_or_weights_and_it_is_said_of_which_column(here, capsys):
    for data, kind in (("d.parquet", "timestamp"), ("d.csv", "date32")):
        _, words = said(capsys, "train", data, "--columns", "a", "--target", "day")
        assert f"{data}: --target day is of type {kind}" in words and "--categorical-features" not in words
        _, words = said(capsys, "train", data, "--columns", "a", "--target", "y", "--weight", "day")
        assert f"{data}: --weight day is of type {kind}" in words and "not a number" in words


def test_names_of_files_and_cells_stay_as_they_are():
    for text in ("'sample_weight' is a cell", "'/data/StandardScaler/X_val=1.csv' is a path"):
        assert in_flags(text) == text


def test_advice_to_stop_early_is_a_flag():
    assert in_flags("Stop earlier: early_stopping=True keeps the best epoch.") == (
        "Stop earlier: --early-stopping keeps the best epoch."
    )
    assert in_flags("Please change validation_fraction.") == "Please change --valid-fraction."


def test_advice_to_scale_columns_is_a_flag_alone():
    assert in_flags("Set standardize=True, or scale X with StandardScaler: the penalty is on them.") == (
        "Set --standardize: the penalty is on them."
    )
