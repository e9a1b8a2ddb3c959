"""What a model for each segment costs, as Markdown: `python asv_benchmarks/segments.py`.

Rows of 20 columns are fitted alone and with segments, in turns, by CPU time (medians); with five epochs, and as they are, where
each segment takes as many epochs as it needs. Memory is the most that NumPy and Python had beside the data (tracemalloc), of five
epochs.
"""

import argparse
import time
import tracemalloc
import warnings

import numpy as np

from fastsgd import SGDClassifier

FIVE = {"max_iter": 5, "tol": None}


def data(n, n_segments, dtype, rng):
    X, code = rng.standard_normal((n, 20)), rng.integers(0, n_segments, n)
    W = rng.standard_normal(20) + 0.5 * rng.standard_normal((n_segments, 20))
    y = (np.einsum("ij,ij->i", X, W[code]) + rng.standard_normal(n) > 0).astype(np.int8)
    return X.astype(dtype), y, code


def seconds(repeats, *fits):
    """The median CPU time of each, taken in turns; and what the last calls gave."""
    times, found = [[] for _ in fits], [None] * len(fits)
    for _ in range(repeats):
        for i, fit in enumerate(fits):
            started = time.process_time()
            found[i] = fit()
            times[i].append(time.process_time() - started)
    return [float(np.median(one)) for one in times], found


def peak(fit):
    tracemalloc.start()
    fit()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--segments", type=int, nargs="+", default=[200, 2000, 20000])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| segments | dtype | settings | alone, s | with segments, s | ratio | epochs, alone and mean | MB more |")
    print("|---:|---|---|---:|---:|---:|---:|---:|")
    for n_segments in given.segments:
        for dtype in (np.float64, np.float32):
            X, y, code = data(given.rows, n_segments, dtype, np.random.default_rng(0))
            for name, how in (("five epochs", FIVE), ("as they are", {})):
                est = SGDClassifier(random_state=0, **how)
                fits = (
                    lambda est=est, X=X, y=y: est.fit(X, y),
                    lambda est=est, X=X, y=y, c=code: est.fit(X, y, segments=c),
                )
                (alone, both), _ = seconds(given.repeats, *fits)
                memory = f"{peak(fits[1]) - peak(fits[0]):.1f}" if how else ""
                epochs = f"{fits[0]().n_iter_}, {fits[1]().segment_n_iter_.mean():.1f}"
                print(
                    f"| {n_segments} | {np.dtype(dtype)} | {name} | {alone:.3f} | {both:.3f} | {both / alone:.2f} | {epochs} | "
                    f"{memory} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
