"""Files, and commands on them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file

import fastsgd

pytest.importorskip("typer")
ROOT = str(Path(fastsgd.__file__).parents[1])
RNG = np.random.default_rng(0)
N = 3000
FRAME = pd.DataFrame(RNG.standard_normal((N, 4)).astype(np.float32), columns=["a", "b", "c", "d"])
FRAME["word"] = np.array(["x", "y", "z"])[np.arange(N) % 3]
MARGIN = FRAME["a"] - 2 * FRAME["b"] + (FRAME["word"] == "z")
FRAME["late"] = np.where(MARGIN + 0.1 * RNG.standard_normal(N) > 0, "yes", "no")
FRAME["delay"] = MARGIN


@pytest.fixture(name="here")
def folder_of_files(tmp_path, monkeypatch):
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
