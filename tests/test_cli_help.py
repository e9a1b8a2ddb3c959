"""The help of the command: it comes at once, fits on two screens, and says what each flag means."""

import inspect
import os
import re
import subprocess
import sys

import pytest
from support.cli import ROOT

from fastsgd import SGDClassifier, SGDRegressor, losses
from fastsgd.cli import main

pytest.importorskip("typer")
from fastsgd.cli.app import COMMANDS
from fastsgd.cli.options import parameters

SCREENS = 100  # lines of two screens
# Parameters that only mean something in Python, or that have a flag of another kind.
NOT_PARAMETERS = {"callbacks", "warm_start", "verbose", "early_stopping", "validation_fraction"}


@pytest.fixture
def said(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")

    def run(*command):
        assert main(list(command)) == 0
        return capsys.readouterr().out

    return run


def test_every_parameter_of_the_estimators_has_a_flag_of_its_kind():
    known = {}
    for cls in (SGDRegressor, SGDClassifier):
        known |= inspect.signature(cls).parameters
    assert parameters().keys() == known.keys() - NOT_PARAMETERS
    of_words = {"average"}  # a bool or a number
    for name, kind in parameters().items():
        assert (kind is bool) == (isinstance(known[name].default, bool) and name not in of_words), name


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_two_screens_at_most_and_names_every_flag(command, said):
    short, long = said(command, "-h"), said(command, "--help-all")
    assert short == said(command, "--help") and len(short.splitlines()) <= SCREENS
    flags = re.findall(r"^  (?:-\w, )?(--\S+)", long, re.M)
    assert flags and all(flag in short for flag in flags)
    for line in long.splitlines():
        assert len(line) <= 100 and not line.startswith("  also ")
    entries = re.split(r"\n(?=  -)", long)[1:]
    assert all(len(" ".join(entry.split()).partition(" ")[2]) > 10 for entry in entries)


def test_help_names_the_losses_and_the_headings(said):
    words = re.findall(r"[a-z_0-9]+", said("train", "-h"))
    assert set(losses.LOSSES) <= set(words)
    headings = re.findall(r"^\w.*$", said("train", "-h"), re.M)
    assert [one for one in headings if one in ("Data", "Model", "Training", "Output")] == [
        "Data",
        "Model",
        "Training",
        "Output",
    ]


def test_the_commands_are_listed_with_what_they_do(said):
    listed = said("-h")
    assert listed == said("--help") and all(re.search(rf"^  {name} +[A-Z]\w+", listed, re.M) for name in COMMANDS)


def test_version_and_help_load_nothing_heavy():
    heavy = "numpy", "scipy", "sklearn", "pandas", "pyarrow", "numba", "matplotlib", "dask"
    code = "import sys; from fastsgd.cli import main; from fastsgd.cli.app import COMMANDS; "
    code += "[main(args) for args in [['--version'], ['-h'], *([name, '-h'] for name in COMMANDS)]]; "
    code += f"print([name for name in {heavy} if name in sys.modules])"
    env = os.environ | {"PYTHONPATH": ROOT}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout.splitlines()[-1] == "[]" and done.stdout.startswith("fastsgd ")
