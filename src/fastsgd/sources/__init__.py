"""Rows from wherever they are, in place of X: ``est.fit(sources.from_npy("X.npy", "y.npy"))``."""

from fastsgd.sources.base import Rows, Source
from fastsgd.sources.batches import from_batches
from fastsgd.sources.blocks import predict_batches
from fastsgd.sources.npy import from_npy
from fastsgd.sources.svmlight import from_svmlight
from fastsgd.sources.tabular import from_arrow, from_csv, from_parquet
from fastsgd.sources.visiting import visiting_order

__all__ = [
    "Rows",
    "Source",
    "from_arrow",
    "from_batches",
    "from_csv",
    "from_npy",
    "from_parquet",
    "from_svmlight",
    "predict_batches",
    "visiting_order",
]
