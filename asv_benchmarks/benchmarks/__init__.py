"""Benchmarks for asv: `cd asv_benchmarks; asv run`. FASTSGD_BENCH=full for the sizes of versus_sklearn.py."""
