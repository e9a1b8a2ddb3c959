"""A table in every format, for the tests of columns and of tables."""

import gzip

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction import FeatureHasher

from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
import pyarrow.ipc as ipc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

N = 1000
rng = np.random.default_rng(0)
CITIES = np.array(["Oslo", "São Paulo", "Łódź", "", "a=b:c", "New York"])
FRAME = pd.DataFrame(
    {
        "y": rng.integers(0, 2, N),
        "f4": rng.standard_normal(N).astype("f4"),
        "f8": rng.standard_normal(N),
        "i8": rng.integers(-100, 100, N).astype("i1"),
        "u4": rng.integers(0, 2**31, N).astype("u4"),
        "yes": rng.random(N) < 0.5,
        "s": rng.random(N),
    }
)
NUMBERS = ["f4", "f8", "i8", "u4", "yes"]
CITY = rng.choice(CITIES, N)
KIND = rng.choice(["x", "y", "z"], N)
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
WORDS = TABLE.append_column("city", pa.array(CITY)).append_column("kind", pa.array(KIND).dictionary_encode())


def whole(source):
    """All rows of a source: X (dense), y, weight."""
    parts = list(source.blocks())
    dense = [rows.X.toarray() if sp.issparse(rows.X) else rows.X for rows in parts]
    X = np.concatenate(dense) if dense else None
    rest = [None if parts[0][i] is None else np.concatenate([rows[i] for rows in parts]) for i in (1, 2)]
    return X, *rest


def hashed(tokens, n=2**20, **options):
    return FeatureHasher(n, input_type="pair", dtype=np.float32, **options).transform(tokens).toarray()


def write_ipc(table, path, rows=300, **options):
    with ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(**options)) as file:
        file.write_table(table, max_chunksize=rows)
    return path


WAYS = ["parquet", "ipc", "lz4", "table", "polars", "pandas", "reader", "stream", "csv", "gzip"]


def made(way, table, folder, **options):
    """A source of the same table in each format."""
    if way == "parquet":
        pq.write_table(table, folder / "t.parquet", row_group_size=300)
        return from_parquet(folder / "t.parquet", **options)
    if way in ("ipc", "lz4"):
        path = write_ipc(table, folder / "t.arrow", compression="lz4" if way == "lz4" else None)
        return from_arrow(path, **options)
    if way in ("csv", "gzip"):
        frame = table.to_pandas()
        text = frame.astype({name: "f8" for name in frame if frame[name].dtype == "f4"}).to_csv(index=False).encode()
        path = folder / ("t.csv" if way == "csv" else "t.csv.gz")
        path.write_bytes(text if way == "csv" else gzip.compress(text))
        return from_csv(path, block_bytes=8192, **options)
    if way == "stream":
        return from_arrow(Query(table), **options)
    given = {"table": lambda: table, "polars": lambda: pl.from_arrow(table), "pandas": table.to_pandas}
    return from_arrow(table.to_reader(170) if way == "reader" else given[way](), **options)


class Query:
    """What gives a new stream each time, and is no array: as a query of duckdb."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)
