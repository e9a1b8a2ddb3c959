"""Data and parameters for the tests of learning_rate="auto"."""

import numpy as np
import pytest

from fastsgd import engine
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

from .kernels import bind, lay_out

AUTO = dict(learning_rate="auto", max_iter=1, tol=None, random_state=0)
flat = pytest.mark.filterwarnings("ignore:The models? .* a constant:sklearn.exceptions.ConvergenceWarning")
far = pytest.mark.filterwarnings("ignore:Of .* columns, 90% of the variance:sklearn.exceptions.ConvergenceWarning")
types = pytest.mark.parametrize("dtype", ["f4", "f8"])


def problem(layout="dense", dtype="f8", n=600, d=12, task="binary"):
    rng = np.random.default_rng(7)
    X = rng.standard_normal((n, d)) * np.exp(rng.normal(0, 2, d))
    X = X + 3 * X.std(axis=0) if layout == "dense" else X * (rng.random((n, d)) < 0.4)
    z = X @ (rng.standard_normal(d) / X.std(axis=0)) + 0.5 * rng.standard_normal(n)
    y = z - z.mean() if task == "regression" else (z > z.mean()).astype(int)
    return lay_out(X, layout, dtype), y


def trained(X, loss, table, heads, *, l1, l2, intercept, passes, half_life=None):
    """W, b, t and sums of all passes over the rows, and the state."""
    plan = Plan.of(loss, bind("auto", loss), l1=l1, l2=l2, intercept_decay=float(intercept), half_life=half_life or 0)
    state, total = State.zeros(X.shape[1], heads, X.dtype, 0), np.zeros((2, heads))
    for done in range(passes):
        run = engine.Run(state, epochs=[None] * done)
        for _ in engine.one_pass(run, plan, table, shuffle=False):
            pass
        total += run.sums
    W, b = state.model(plan)
    assert not W[:, heads:].any(), "the columns that pad the heads are zeros"
    return W[:, :heads], b, state.at["t"][0], total, state


def train(X, loss, *, l1, l2, intercept, passes=2, half_life=None, **table):
    """W, b, t, and sums of all passes."""
    table = Table(X, **table)
    heads = table.y.shape[1] if table.y is not None else int(table.code.max()) + 1
    how = dict(l1=l1, l2=l2, intercept=intercept, passes=passes, half_life=half_life)
    return trained(X, loss, table, heads, **how)[:4]
