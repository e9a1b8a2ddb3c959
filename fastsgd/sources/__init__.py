"""Where rows come from."""

from fastsgd.sources.tabular import from_arrow, from_csv, from_parquet

__all__ = ["from_arrow", "from_csv", "from_parquet"]
