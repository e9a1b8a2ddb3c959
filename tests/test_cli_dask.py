"""``fastsgd train --dask``: the same model as on one machine, on processes of this one, and errors that name the flag."""

import subprocess
import sys

import numpy as np
import pytest
from support.cli import (
    ROOT,
    TRAIN,
    folder_of_files,  # noqa: F401 (a fixture)
)

import fastsgd
from fastsgd.cli import main


def test_training_on_processes_is_that_of_partitions(here):
    """It is asked of the command itself, of which Dask starts copies."""
    more = [
        "--dask",
        "local:2",
        "--model",
        "m",
        "--max-iter",
        "3",
        "--n-hashed",
        "64",
        "--json",
        "--valid",
        "test.parquet",
    ]
    code = f"import sys; sys.path.insert(0, {ROOT!r}); from fastsgd.cli import main\nif __name__ == '__main__': sys.exit(main())"
    (here / "command.py").write_text(code)
    done = subprocess.run([sys.executable, "command.py", *TRAIN, *more], capture_output=True, text=True, cwd=here)
    assert done.returncode == 0, done.stderr
    found = fastsgd.load("m")
    assert type(found) is fastsgd.SGDClassifier and found.n_iter_ == 3 and '"estimator": "SGDClassifier"' in done.stdout
    alone = ["--multi-class", "ovr", "--quiet"]  # as a cluster learns them
    assert main([*TRAIN, "--model", "one", "--max-iter", "3", "--n-hashed", "64", *alone]) == 0
    one = fastsgd.load("one")
    source = fastsgd.sources.from_parquet("test.parquet", target="late", columns=["a", "b", "word"], n_hashed=64)
    assert found.score(source) > one.score(source) - 0.04  # each partition learns from a part of so few rows
    assert np.isfinite(found.history_["validation_score"]).all()


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--dask", "local:0"], "--dask: of local processes it must say how many, such as local:4, got 'local:0'"),
        (["--dask", "local"], "--dask: of local processes it must say how many"),
        (["--dask", "LOCAL:2"], "--dask: of local processes it must say how many"),
        (["--dask", "nonsense"], "--dask: no scheduler of Dask answers at 'nonsense' (missing port number"),
        (["--dask", "localhost"], "--dask: no scheduler of Dask answers at 'localhost' (missing port number"),
        (["--dask", ""], "Give its address, such as tcp://host:8786, or local:4 for so many processes"),
        (["--dask", "local:2", "--batch-size", "full"], "--batch-size full is not for a cluster"),
        (
            ["--dask", "local:2", "--validation-scoring", "roc_auc"],
            "--validation-scoring roc_auc needs all predictions",
        ),
    ],
)
def test_errors_name_the_flag(here, flags, said, capsys):
    assert main([*TRAIN, *flags]) == 1
    assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("address", ["localhost", "tls://127.0.0.1:1"])
def test_a_command_without_a_cluster_ends(here, address):
    """Dask's client that was not started waits for ever when Python ends, if nobody has closed it."""
    command = [sys.executable, "-m", "fastsgd", *TRAIN, "--dask", address]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, timeout=60)
    assert done.returncode == 1
    assert f"--dask: no scheduler of Dask answers at '{address}'" in done.stderr.replace("\n", " ")


def test_what_no_partition_survives_names_the_flag(here, monkeypatch, capsys):
    from fastsgd.cli import app
    from fastsgd.dask import ClusterError

    def fails(self, *args, **kwargs):
        raise ClusterError("there has been no worker for 300 seconds")

    class Connected:
        def __init__(self, *args, **kwargs):
            pass

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    monkeypatch.setattr("distributed.Client", Connected)
    monkeypatch.setattr("fastsgd.dask.SGDClassifier.fit", fails)
    assert app.run([*TRAIN, "--dask", "tcp://host:8786"]) == 1
    assert "--dask tcp://host:8786: there has been no worker" in capsys.readouterr().err.replace("\n", " ")
