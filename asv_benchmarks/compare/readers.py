"""How fast svmlight text is read, as Markdown: `python -m asv_benchmarks.compare readers`.

The readers take the same file in turn, in one process, on one thread, from the page cache: a row has 100 values, and the
same 15,000 rows come ten times over. MB are those of the text, decompressed; seconds are medians, of processor time, since
nothing but it is needed. All readers are told the number of features, and that indices start at 1; "survey" finds both out.
fastsgd reads block by block and lets go of each, scikit-learn makes one matrix of all.

--train also trains a logistic model from the text, one pass, beside Vowpal Wabbit (`pip install vowpalwabbit`) on its own
text of the same rows, in seconds of the clock: both parse in a second thread. Our buffer is 64 MB, so that the file fills
several, as a large one would. --memory says, in place of all else, by how much reading a file of more than 500 MB raises
the peak of the process.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
from benchmarks.common import interleaved
from sklearn.datasets import load_svmlight_file

from fastsgd import SGDClassifier
from fastsgd.sources import from_svmlight

ROWS, VALUES, FEATURES, TIMES = 15_000, 100, 100_000, 10
DIGITS = {"6 digits": ".6g", "17 digits": ".17g"}
PEAK = """
import resource, sys
from fastsgd.sources import from_svmlight
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
next(from_svmlight(sys.argv[1], n_features=int(sys.argv[3]), zero_based=False).blocks())
before = peak()
source = from_svmlight(sys.argv[2])
n = sum(rows.X.shape[0] for rows in source.blocks())
assert n == source.n_rows
print(n, peak() - before)
"""


def lines(n, form):
    """n lines of bytes: label, and values of a normal distribution at ascending indices. The label can be learnt."""
    rng = np.random.default_rng(0)
    index = np.sort(rng.integers(0, FEATURES - VALUES, (n, VALUES)), axis=1) + np.arange(1, VALUES + 1)
    value = rng.standard_normal((n, VALUES))
    label = (value * np.cos(index)).sum(axis=1) > 0
    rows = zip(label.astype(int), index.tolist(), value.tolist(), strict=True)
    return [f"{y} {' '.join(f'{i}:{v:{form}}' for i, v in zip(*row, strict=True))}\n".encode() for y, *row in rows]


def write(path, text, times):
    """The text so many times over; its size in MB."""
    with open(path, "wb") as file:
        for _ in range(times):
            file.write(text)
    return len(text) * times / 1e6


def packed(path, codec):
    """A compressed copy of a file."""
    out = f"{path}.{codec}"
    with open(path, "rb") as source, opened(out, codec) as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return out


def opened(path, codec):
    if codec == "gzip":
        return gzip.open(path, "wb", compresslevel=6)
    import pyarrow as pa

    return pa.output_stream(path, compression=codec)


def read(path, **options):
    for _ in from_svmlight(path, **options).blocks():
        pass


def readers(path):
    """Name: what reads the file."""
    known = {"n_features": FEATURES, "zero_based": False}
    yield "scikit-learn", lambda: load_svmlight_file(path, dtype=np.float32, **known)
    yield "fastsgd", lambda: read(path, **known)
    yield "fastsgd, float64", lambda: read(path, dtype=np.float64, **known)
    yield "fastsgd, survey", lambda: from_svmlight(path).survey()
    for codec in ("gzip", "zstd") if find_spec("pyarrow") else ():
        small = packed(path, codec)
        yield f"fastsgd, {codec}", lambda small=small: read(small, **known)


def trainers(path, theirs):
    """Name: what trains a pass."""

    def ours():
        source = from_svmlight(path, n_features=FEATURES, zero_based=False).buffered("64MB")
        SGDClassifier("log_loss", optimizer="adagrad", random_state=0).partial_fit(source, classes=[0.0, 1.0])

    def vw():
        from vowpalwabbit import Workspace

        Workspace(f"-d {theirs} --loss_function logistic -b 17 --quiet").finish()

    yield "fastsgd", ours
    if find_spec("vowpalwabbit"):
        yield "Vowpal Wabbit", vw


def table(head, label, size, named, repeats, clock):
    """A row for each of those named; the first is the one that the others are compared with."""
    names, functions = zip(*named, strict=True)
    seconds = interleaved(repeats, *functions, clock=clock)
    for name, took in zip(names, seconds, strict=True):
        print(f"| {label}, {size:.0f} MB | {head}: {name} | {size / took:.0f} | {seconds[0] / took:.2f} |", flush=True)


def memory(folder, times):
    once, path = os.path.join(folder, "once"), os.path.join(folder, "rows")
    text = b"".join(lines(ROWS // 30, ".6g"))
    write(once, text, 1)
    size = write(path, text, times)
    print("| text | rows | peak, MB |", "| --- | ---: | ---: |", sep="\n")
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for codec in ("none", "gzip", "zstd") if find_spec("pyarrow") else ("none",):
        pair = [once, path] if codec == "none" else [packed(once, codec), packed(path, codec)]
        command = [sys.executable, "-P", "-c", PEAK, *pair, str(FEATURES)]
        n, peak = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.split()
        print(f"| {size:.0f} MB, compression: {codec} | {int(n):,} | {float(peak):.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a hundredth of the rows: a smoke test, not a measurement")
    parser.add_argument("--train", action="store_true", help="also train from the text")
    parser.add_argument("--memory", action="store_true", help="peak memory instead of speed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.memory:
            memory(folder, 7 if args.small else 750)
            return
        print("| text | reader | MB/s | to the first |", "| --- | --- | ---: | ---: |", sep="\n")
        for label, form in DIGITS.items():
            rows = lines(ROWS // (10 if args.small else 1), form)
            path, theirs = str(Path(folder) / "rows"), str(Path(folder) / "rows.vw")
            times = 1 if args.small else TIMES
            size = write(path, b"".join(rows), times)
            table("read", label, size, readers(path), args.repeats, process_time)
            if args.train:
                for_vw = (b"1" + row[1:] if row[:1] == b"1" else b"-1" + row[1:] for row in rows)
                write(theirs, b"".join(row.replace(b" ", b" | ", 1) for row in for_vw), times)
                table("train", label, size, trainers(path, theirs), args.repeats, perf_counter)
    peers = [name for name in ("scikit-learn", "pyarrow", "vowpalwabbit") if find_spec(name.replace("scikit-", "sk"))]
    words = ", ".join(f"{name} {version(name)}" for name in peers)
    print(f"\nPython {platform.python_version()}, {words}; medians of {args.repeats}, one thread.")


if __name__ == "__main__":
    main()
