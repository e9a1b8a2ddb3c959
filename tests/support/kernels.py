"""The kernels on small rows, called as the engine calls them, for tests against reference.py."""

import numpy as np
import scipy.sparse as sp

from fastsgd import engine, schedules
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

ALPHA, ETA0, PASSES = 0.03, 0.05, 2
LAYOUTS = {"dense": None, "csr32": np.int32, "csr64": np.int64}
DTYPES = {"float64": 1e-10, "float32": 1e-4}


def rows(n=50, d=9, seed=0):
    """Half empty, with an empty row, exact in float32; and positive weights of rows, one of them zero."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.5)
    X[7], X[:, 4] = 0, 0
    s = rng.uniform(0.5, 1.5, n)
    s[5] = 0
    return X.astype("f4").astype("f8"), s


def targets(loss, X, heads, seed=1):
    """What the loss takes: signs, 0 and 1, counts, positive or any numbers."""
    rng = np.random.default_rng(seed)
    Z = X @ rng.standard_normal((X.shape[1], heads)) + 0.5 * rng.standard_normal((len(X), heads))
    if loss.task == ("classifier",):
        return np.where(Z > 0, 1.0, loss.negative)
    if loss.name == "poisson":
        return rng.poisson(np.exp(0.3 * Z)).astype(float)
    return np.exp(0.3 * Z) if loss.name == "gamma" else Z


def lay_out(X, layout, dtype="f8"):
    X = X.astype(dtype)
    if LAYOUTS[layout] is None:
        return X
    X = sp.csr_matrix(X)
    X.indices, X.indptr = X.indices.astype(LAYOUTS[layout]), X.indptr.astype(LAYOUTS[layout])
    return X


def bind(name, loss, eta0=ETA0, alpha=ALPHA, pass_rows=49):
    return schedules.get(name).bind(eta0=eta0, alpha=alpha, power_t=0.5, loss=loss, pass_rows=pass_rows, passes=PASSES)


def train(X, loss, schedule, *, passes=PASSES, shuffle=False, l1=0.0, l2=0.0, W=None, b=None, **table):
    """fastsgd's W, b, t and sums of all passes."""
    names = "average", "intercept_decay", "nu", "optimizer", "batch_size"
    plan = Plan.of(loss, schedule, l1=l1, l2=l2, **{name: table.pop(name) for name in names if name in table})
    table = Table(X, **table)
    heads = table.y.shape[1] if table.y is not None else int(table.code.max()) + 1
    state = State.zeros(X.shape[1], heads, X.dtype, 0)
    state.W[:, :heads], state.b[:] = (0 if W is None else W), (0 if b is None else b)
    total = np.zeros((2, heads))
    for _ in range(passes):
        run = engine.Run(state)
        for _ in engine.one_pass(run, plan, table, shuffle):
            pass
        total += run.sums
    W, b = state.model(plan)
    assert not W[:, heads:].any(), "the columns that pad the heads are zeros"
    return W[:, :heads], b, state.at["t"][0], total


def agree(ours, theirs, rtol):
    """To rtol of the largest number: of weights and intercepts together, and of each of the others."""
    size = max(np.abs(right).max() for right in theirs[:2])
    for place, (mine, right) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(mine, right, rtol=rtol, atol=rtol * (size if place < 2 else np.abs(right).max()))
