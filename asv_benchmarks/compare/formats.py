"""What it costs to read a table from each format, as Markdown: `python -m asv_benchmarks.compare formats`.

The same random float32 numbers in each format, in a temporary folder, and so in the page cache. One pass over all rows
of a source, and one of training on them (plain SGD, `partial_fit`, max_memory 256 MB, a second thread reads), beside
pyarrow alone delivering the same rows and NumPy turning its columns into a row-major array; for .npy, beside training
on the array in memory. In turn in the same process, the kernel on one thread. MB/s are of float32 values, not of the file;
medians. The rows fill several buffers, as a large file's do: of 400 MB the memory for the first two, had anew by
each fit, would be a fifth of the time.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import platform
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
from benchmarks.common import interleaved

from fastsgd import SGDClassifier
from fastsgd.sources import from_arrow, from_csv, from_npy, from_parquet

ROWS = 65536  # of a row group or batch


def rows_of(part):
    """Columns of a table or batch as rows, the usual way."""
    return np.stack([column.to_numpy() for column in part.columns], axis=1)


def parquet(path):
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            rows_of(file.read_row_group(group, use_threads=False))


def arrow(path, of=rows_of):
    with pa.memory_map(str(path)) as mapped, ipc.open_file(mapped) as file:
        for number in range(file.num_record_batches):
            of(file.get_batch(number))


def fixed(batch):
    """The rows of a fixed-size list, copied as a kernel that shuffles would."""
    column = batch.column(0)
    return column.flatten().to_numpy().reshape(len(column), -1).copy()


def csv(path, width):
    types = {f"x{j}": pa.float32() for j in range(width)}
    convert, read = pc.ConvertOptions(column_types=types), pc.ReadOptions(use_threads=False, block_size=1 << 22)
    with pc.open_csv(path, read_options=read, convert_options=convert) as file:
        for batch in file:
            rows_of(batch)


def through(source, copy=False):
    for rows in source.blocks():
        if copy:
            rows.X.copy()


def trained(X, y=None):
    SGDClassifier("log_loss", learning_rate="constant", random_state=0).partial_fit(X, y, classes=[0, 1])


def write(X, folder):
    """The files; returns name -> (path, its source, what it is beside, whether reading must copy)."""
    y = (X[:, 0] > 0).astype(np.int8)
    table = pa.table({f"x{j}": np.ascontiguousarray(X[:, j]) for j in range(X.shape[1])} | {"y": y})
    cases = {}
    for name, options in {
        "Parquet, plain": {"use_dictionary": False, "compression": "none"},
        "Parquet, default": {},
        "Parquet, zstd, no dictionary": {"use_dictionary": False, "compression": "zstd"},
    }.items():
        path = folder / f"{len(cases)}.parquet"
        pq.write_table(table, path, row_group_size=ROWS, **options)
        cases[name] = path, from_parquet(path, target="y"), partial(parquet, path), False
    lists = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), X.shape[1]), "y": y})
    for name, data in {"IPC": table, "IPC, fixed-size list": lists}.items():
        path = folder / f"{len(cases)}.arrow"
        with ipc.new_file(path, data.schema) as file:
            file.write_table(data, max_chunksize=ROWS)
        whole = data is lists
        cases[name] = path, from_arrow(path, target="y"), partial(arrow, path, fixed if whole else rows_of), whole
    path = folder / "x.csv"
    pc.write_csv(table, path)
    cases["CSV"] = path, from_csv(path, target="y"), partial(csv, path, X.shape[1]), False
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", y)
    cases[".npy, beside the array"] = (
        folder / "x.npy",
        from_npy(folder / "x.npy", folder / "y.npy"),
        partial(trained, X, y),
        True,
    )
    return cases


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6_000_000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--formats", default="", help="only those whose name holds this, as in 'Parquet'")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a hundredth of the rows: a smoke test, not a measurement")
    args = parser.parse_args()
    n = args.rows // 100 if args.small else args.rows
    X = np.random.default_rng(0).standard_normal((n, args.columns), dtype=np.float32)
    print(
        f"{n:,} x {args.columns} float32, {X.nbytes / 1e6:.0f} MB\n",
        "| format | file, MB | pyarrow alone, MB/s | reading, MB/s | training, MB/s | reading / alone | training / alone |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        sep="\n",
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, source, alone, copies) in write(X, Path(folder)).items():
            if args.formats not in name:
                continue
            runs = alone, partial(through, source, copies), partial(trained, source)
            alone, read, train = (X.nbytes / 1e6 / seconds for seconds in interleaved(args.repeats, *runs))
            cells = f"{path.stat().st_size / 1e6:.0f}", *(f"{speed:,.0f}" for speed in (alone, read, train))
            print(f"| {name} | {' | '.join(cells)} | {read / alone:.2f} | {train / alone:.2f} |", flush=True)
    print(f"\nPython {platform.python_version()}, pyarrow {pa.__version__}; medians of {args.repeats}, one thread.")


if __name__ == "__main__":
    main()
