"""Tables that are read as a fit read its own."""

import numpy as np
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from fastsgd.sources import from_arrow, from_csv, from_parquet

pa = pytest.importorskip("pyarrow")
N = 400
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal(N), 50 + 10 * RNG.standard_normal(N)
STEADY = {"learning_rate": "auto", "max_iter": 3, "tol": None, "random_state": 0}


def written(table, folder, way, name="t"):
    """A table in a format, and what reads it."""
    path = folder / f"{name}.{way}"
    if way == "csv":
        table.to_pandas().to_csv(path, index=False)
    elif way == "parquet":
        pq.write_table(table, path, row_group_size=150)
    elif way == "arrow":
        with ipc.new_file(path, table.schema) as file:
            file.write_table(table, max_chunksize=150)
    else:
        return lambda **how: from_arrow(table.to_reader() if way == "reader" else table, **how)
    read = {"csv": from_csv, "parquet": from_parquet, "arrow": from_arrow}[way]
    return lambda **how: read(path, **how)
