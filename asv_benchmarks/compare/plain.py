"""What optimizers, batches, coupled classes and losses of one's own cost, as Markdown: `python -m asv_benchmarks.compare plain`.

Each is measured against plain SGD row by row on the same data (multinomial against one-vs-rest, a Numba loss against the
built-in of the same formula) in the same process, on one thread, in turn. Seconds are medians of a whole `fit`, three
epochs, shuffled, hinge loss with L2 where nothing else is said. Data and sizes are in benchmarks/common.py.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import platform

from benchmarks.common import interleaved, size
from benchmarks.optimizers import CASES, prepare

KIND = {"narrow": "dense", "text": "CSR", "images": "dense, half zeros,"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default="", help="only cases that hold this")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    args = parser.parse_args()
    chosen = [case for case in CASES if args.cases in case]
    if not chosen:
        parser.error(f"no case holds {args.cases!r}; there are {', '.join(CASES)}")
    print(
        "| data | case | dtype | seconds | plain, seconds | ratio |",
        "| --- | --- | --- | ---: | ---: | ---: |",
        sep="\n",
    )
    for case in chosen:
        data, scale = CASES[case][0], 20 if args.small else 1
        n, d, _ = size(data, scale)
        for dtype in ("float64", "float32"):
            mine, plain = interleaved(args.repeats, *prepare(case, dtype, scale))
            cells = f"{KIND[data]} {n:,} x {d:,}", case, dtype, f"{mine:.3g}", f"{plain:.3g}", f"{mine / plain:.2f}"
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\nPython {platform.python_version()}; medians of {args.repeats}, one thread.")


if __name__ == "__main__":
    main()
