"""fastsgd beside its peers, a module a question: `python -m asv_benchmarks.compare`."""
