"""Peak memory of training on files larger than memory, as Markdown: `python asv_benchmarks/larger_than_memory.py`.

Writes Parquet and svmlight files of the sizes asked for to a temporary folder, trains on each in a process of its own
with `max_memory`, and prints the most memory that the process had (its resident set), beside that of one that only
imports what is needed. It should be below max_memory plus 200 MB, and not grow with the file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TRAIN = """
import json, resource, sys, time
kind, path, max_memory, columns = sys.argv[1:]
import numpy, pyarrow, pyarrow.parquet, safetensors
from fastsgd import SGDClassifier, sources
if path != "nothing":
    source = sources.from_parquet(path, target="y") if kind == "parquet" else sources.from_svmlight(path)
    start = time.perf_counter()
    est = SGDClassifier("log_loss", learning_rate="auto", max_iter=2, tol=None, random_state=0)
    est.fit(source.buffered(max_memory=max_memory))
    seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"peak": peak, "seconds": 0 if path == "nothing" else seconds}))
"""
GROUP = 65536


def parquet(path, size, columns):
    """A file of float32 columns, of about that size."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, names = np.random.default_rng(0), [f"x{i}" for i in range(columns)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("y", pa.int8())])
    with pq.ParquetWriter(path, schema, use_dictionary=False, compression="none") as writer:
        while path.stat().st_size < size:
            X = rng.standard_normal((GROUP, columns), np.float32)
            y = (X[:, 0] > 0).astype(np.int8)
            writer.write_table(pa.table([*X.T, y], schema=schema), row_group_size=GROUP)


def svmlight(path, size, columns):
    """Text of that size: a piece with as many values in a row as there are columns above, again and again."""
    import numpy as np

    rng, lines = np.random.default_rng(0), []
    for _ in range(20_000):
        index = np.sort(rng.choice(100_000, columns, replace=False)) + 1
        value = rng.random(columns)
        lines.append(f"{int(value[0] > 0.5)} " + " ".join(f"{j}:{v:.6g}" for j, v in zip(index, value, strict=True)))
    piece = ("\n".join(lines) + "\n").encode()
    with open(path, "wb") as file:
        while file.tell() < size:
            file.write(piece)


def measured(kind, path, max_memory, columns):
    command = [sys.executable, "-P", "-c", TRAIN, kind, str(path), max_memory, str(columns)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 4.0], help="sizes of the files")
    parser.add_argument("--max-memory", default="256MB")
    parser.add_argument("--columns", type=int, default=50, help="values in a row")
    args = parser.parse_args()
    bare = measured("parquet", "nothing", args.max_memory, args.columns)["peak"]
    print(
        "| data | size, GB | seconds, two epochs | peak, MB | beyond the imports, MB |\n| --- | ---: | ---: | ---: | ---: |"
    )
    print(f"| imports alone | | | {bare / 1e6:.0f} | |")
    for kind, write in (("parquet", parquet), ("svmlight", svmlight)):
        for size in args.gigabytes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, f"data.{kind}")
                path.touch()
                write(path, size * 1e9, args.columns)
                found = measured(kind, path, args.max_memory, args.columns)
                print(
                    f"| {kind} | {path.stat().st_size / 1e9:.2f} | {found['seconds']:.1f} | {found['peak'] / 1e6:.0f} "
                    f"| {(found['peak'] - bare) / 1e6:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
