"""Rows from wherever they are, in place of X: ``est.fit(sources.from_npy("X.npy", "y.npy"))``."""

from fastsgd.sources.base import Rows, Source
from fastsgd.sources.batches import from_batches
from fastsgd.sources.npy import from_npy
from fastsgd.sources.stream import predict_batches

__all__ = ["Rows", "Source", "from_batches", "from_npy", "predict_batches"]
