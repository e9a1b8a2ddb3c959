"""Tampers with Parquet, IPC, CSV and .npy files and reads them: `python -m tests.support.hostile_tables 10000 [seed]`.

Each must be read, also as the sound file was, or refused with a ValueError that names the file. The process must not crash.
"""

import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

from fastsgd.sources import from_arrow, from_csv, from_npy, from_parquet

N = 60


def tables():
    """Of numbers; and of all kinds of columns."""
    rng = np.random.default_rng(0)
    plain = pa.table(
        {"y": rng.integers(0, 2, N), "a": rng.standard_normal(N), "b": rng.standard_normal(N).astype("f4")}
    )
    words = [f"w{i % 7}" for i in range(N)]
    more = {
        "s": pa.array(words),
        "d": pa.array(words).dictionary_encode(),
        "l": pa.array([words[: i % 4] for i in range(N)]),
        "v": pa.FixedSizeListArray.from_arrays(pa.array(rng.standard_normal(2 * N)), 2),
        "p": pa.array([[{"i": j, "v": 1.0} for j in range(i % 3)] for i in range(N)]),
    }
    return plain, pa.table({**dict(zip(plain.column_names, plain.columns, strict=True)), **more})


def files(folder):
    """(path, what reads it) of each kind of file."""
    made = []
    for i, table in enumerate(tables()):
        for compression in ("none", "snappy"):
            path = folder / f"{i}{compression}.parquet"
            pq.write_table(table, path, row_group_size=25, compression=compression)
            made.append((path, from_parquet))
        for compression in (None, "lz4"):
            path = folder / f"{i}{compression}.arrow"
            with ipc.new_file(path, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as file:
                file.write_table(table, max_chunksize=25)
            made.append((path, from_arrow))
    pc.write_csv(tables()[0], folder / "0.csv")
    np.save(folder / "0.npy", np.random.default_rng(0).standard_normal((N, 3)))
    return [*made, (folder / "0.csv", from_csv), (folder / "0.npy", lambda path, **_: from_npy(path))]


def tampered(data, rng):
    """The bytes with some changed, cut off, or put in."""
    data = bytearray(data)
    way = rng.integers(4)
    if way == 0:
        return bytes(data[: rng.integers(len(data))])
    if way == 1:
        return rng.bytes(rng.integers(1, 200))
    near = (
        rng.integers(max(0, len(data) - 3000), len(data)) if rng.random() < 0.7 else rng.integers(len(data))
    )  # the footer
    for _ in range(rng.integers(1, 6)):
        at = min(len(data) - 1, int(near + rng.integers(-20, 20)))
        if way == 2:
            data[at] ^= 1 << rng.integers(8)
        else:
            data[at : at + 4] = int(rng.choice([0, 1, 127, 2**15, 2**31 - 1, 2**32 - 1])).to_bytes(4, "little")
    return bytes(data)


def read(path, reader, reading=None):
    """Read all, as it is or as a reading says; what came of it.

    Raises
    ------
    AssertionError
        It was refused in another way than by a ValueError that names the file.
    """
    try:
        source = reader(path, target="y", n_hashed=64)
        source = source if reading is None else source.like(reading)
        for rows in source.blocks():
            assert rows.X.shape[1] == source.n_features
            if source.sparse:
                assert rows.X.nnz == 0 or 0 <= rows.X.indices.min() <= rows.X.indices.max() < source.n_features
        list(source.targets())
    except ValueError as error:
        assert path.name in str(error), repr(error)
        return "refused"
    return "read"


def run(times, seed=0):
    """So many files; how many were read, and refused."""
    rng, seen = np.random.default_rng(seed), Counter()
    with tempfile.TemporaryDirectory() as folder:
        originals = [
            (path, reader, path.read_bytes(), reader(path, target="y", n_hashed=64).reading)
            for path, reader in files(Path(folder))
        ]
        for path, reader, _, reading in originals:
            assert read(path, reader, reading) == "read", path
        for number in range(times):
            path, reader, data, reading = originals[number % len(originals)]
            path = path.with_stem(f"{path.stem}-{number}")
            path.write_bytes(tampered(data, rng))
            seen[path.suffix[1:], read(path, reader)] += 1
            read(path, reader, reading)
            path.unlink()
    return seen


if __name__ == "__main__":
    warnings.filterwarnings("ignore", ".*has numbers with leading zeros")
    for (kind, outcome), count in sorted(run(*map(int, sys.argv[1:])).items()):
        print(f"{kind}: {count} {outcome}")
