"""Benchmarks for asv: `cd asv_benchmarks; asv run`. FASTSGD_BENCH=full for the sizes of compare/sgd.py,
FASTSGD_BENCH=smoke to see that each runs.

Import this before NumPy: it sets one thread.
"""

import os

for name in ("OMP", "OPENBLAS", "MKL", "VECLIB", "BLIS"):
    os.environ[name + ("_MAXIMUM_THREADS" if name == "VECLIB" else "_NUM_THREADS")] = "1"
