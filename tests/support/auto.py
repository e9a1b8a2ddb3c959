"""Data and parameters for the tests of learning_rate="auto"."""

import numpy as np
import pytest

from .kernels import lay_out

AUTO = dict(learning_rate="auto", max_iter=1, tol=None, random_state=0)
flat = pytest.mark.filterwarnings("ignore:The models? .* a constant:sklearn.exceptions.ConvergenceWarning")
types = pytest.mark.parametrize("dtype", ["f4", "f8"])


def problem(layout="dense", dtype="f8", n=600, d=12, task="binary"):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((n, d)) * np.exp(rng.normal(0, 2, d))
    X = X + 3 * X.std(axis=0) if layout == "dense" else X * (rng.random((n, d)) < 0.4)
    z = X @ (rng.standard_normal(d) / X.std(axis=0)) + 0.5 * rng.standard_normal(n)
    y = z - z.mean() if task == "regression" else (z > z.mean()).astype(int)
    return lay_out(X, layout, dtype), y
