"""Rows from wherever they are, in place of X."""

from fastsgd.sources.svmlight import from_svmlight

__all__ = ["from_svmlight"]
