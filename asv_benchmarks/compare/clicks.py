"""Training on click logs while they are read, beside Vowpal Wabbit, as Markdown: `python -m asv_benchmarks.compare clicks`.

Rows of 13 numbers, six of them with nulls, and 26 words of 10 to 1,000,000 kinds, in Parquet in row groups of 65,536;
Vowpal Wabbit (`pip install vowpalwabbit`) reads the same rows as its text. One pass of learning_rate="auto" over 2^22
features by each, with as many threads as either takes by itself, in turn in one process: seconds of the clock, and of all
processors. The other lines are the same rows with 4 GB of max_memory, the same rows in up to a thousand files, and predictions.

With --files the rows are those of Parquet files of yours, which have a column "click" of 0 and 1; the others are numbers
and words.
"""

import argparse
import platform
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fastsgd import SGDClassifier
from fastsgd.sources import from_parquet, predict_batches

ROWS, BITS, TARGET = 65536, 22, "click"


def table(n, seed=0):
    """n rows of a click log; the label can be learnt."""
    rng = np.random.default_rng(seed)
    columns, margin = {}, np.full(n, -3.0)
    for j in range(13):
        x = np.exp(rng.normal(2, 1.5, n)).round().astype(np.float32)
        margin += 0.1 * np.log1p(x) * (-1) ** j
        columns[f"I{j + 1}"] = pa.array(x, mask=rng.random(n) < 0.2 * (j % 2))
    for j, kinds in enumerate(np.logspace(1, 6, 26).astype(int)):
        kind = np.minimum(rng.zipf(1.3, n), kinds).astype(np.uint64)
        margin += np.sin(kind * 7.0 + j) / 3
        words = np.char.mod("%08x", (kind * np.uint64(2654435761) + np.uint64(j)) & np.uint64(2**32 - 1))
        columns[f"C{j + 1}"] = pa.array(words, mask=rng.random(n) < 0.1 * (j % 9 == 0))
    return pa.table({TARGET: (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(np.int8), **columns})


def as_text(files, path):
    """The same rows as Vowpal Wabbit's text; returns how many."""
    n = 0
    with open(path, "wb") as out:
        for batch in (batch for file in files for batch in pq.ParquetFile(file).iter_batches(ROWS)):
            parts = [pc.binary_join_element_wise(pc.if_else(pc.equal(batch[TARGET], 1), "1", "-1"), "|", " ")]
            for name in (name for name in batch.schema.names if name != TARGET):
                word = pa.types.is_string(batch[name].type)
                sign, column = "=" if word else ":", batch[name].cast(pa.string())
                parts.append(pc.fill_null(pc.binary_join_element_wise(name, column, sign), ""))
            out.write("\n".join([*pc.binary_join_element_wise(*parts, " ").to_pylist(), ""]).encode())
            n += len(batch)
    return n


def fitted(files, max_memory="256MB"):
    source = from_parquet(files, target=TARGET, n_hashed=2**BITS, fill_null=0.0).buffered(max_memory)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a buffer of 256 MB holds few of these row groups
        return SGDClassifier("log_loss", learning_rate="auto", max_iter=1, tol=None, random_state=0).fit(source)


def predicted(model, files):
    for _ in predict_batches(model, from_parquet(files), "predict_proba"):
        pass


def cases(files, small_files, text):
    """Name: (what is run, with what of Vowpal Wabbit's it is compared)."""
    yield "fastsgd", lambda: fitted(files), "train"
    yield "fastsgd, 4 GB of max_memory", lambda: fitted(files, "4GB"), "train"
    yield "fastsgd, many files", lambda: fitted(small_files), "train"
    model = fitted(files[:1])
    yield "fastsgd, predictions", lambda: predicted(model, files), "predict"
    if find_spec("vowpalwabbit"):
        from vowpalwabbit import Workspace

        learnt = f"{text}.model"
        flags = f"-d {text} --quiet"
        yield (
            "Vowpal Wabbit",
            lambda: Workspace(f"{flags} -b {BITS} --loss_function logistic -f {learnt}").finish(),
            "train",
        )
        yield (
            "Vowpal Wabbit, predictions",
            lambda: Workspace(f"{flags} -t -i {learnt} -p {text}.out").finish(),
            "predict",
        )


def measured(runs, repeats):
    """(seconds, seconds of processors) of each run, medians of repeats in turn."""
    found = [[] for _ in runs]
    for _ in range(repeats):
        for run, times in zip(runs, found, strict=True):
            clock, processors = perf_counter(), process_time()
            run()
            times.append((perf_counter() - clock, process_time() - processors))
    return np.median(found, axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--files", nargs="+", type=Path, help="Parquet files in place of drawn rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a few rows: a smoke test, not a measurement")
    args = parser.parse_args()
    n = 4000 if args.small else args.rows
    with tempfile.TemporaryDirectory() as folder:
        files, pieces = args.files, Path(folder, "pieces")
        if not files:
            files = [Path(folder, f"{number:03}.parquet") for number in range(8)]
            for number, file in enumerate(files):
                pq.write_table(table(n // 8, number), file, row_group_size=ROWS)
        text = str(Path(folder, "rows.txt"))
        n = as_text(files, text)
        pieces.mkdir()
        step = max(1000, n // 1000)
        for number, file in enumerate(files):
            whole = pq.read_table(file)
            for lo in range(0, len(whole), step):
                pq.write_table(whole.slice(lo, step), pieces / f"{number:03}-{lo:09}.parquet")
        names, runs, kinds = zip(*cases(files, pieces, text), strict=True)
        found = measured(runs, 1 if args.small else args.repeats)
        theirs = {kind: i for i, (name, kind) in enumerate(zip(names, kinds, strict=True)) if name[0] == "V"}
        print(
            f"{n:,} rows, {len(files)} files; many are {len(list(pieces.iterdir()))}\n",
            "| | seconds | of processors | rows a second | to Vowpal Wabbit |",
            "| --- | ---: | ---: | ---: | ---: |",
            sep="\n",
        )
        for name, kind, (clock, processors) in zip(names, kinds, found, strict=True):
            ratio = f"{found[theirs[kind]][0] / clock:.2f}" if kind in theirs else "-"
            print(f"| {name} | {clock:.2f} | {processors:.2f} | {n / clock:,.0f} | {ratio} |")
    print(f"\nPython {platform.python_version()}, pyarrow {pa.__version__}; medians of {args.repeats}.")


if __name__ == "__main__":
    main()
