"""Softmax regression: L-BFGS of SciPy on the compiled loss and its slopes, in coordinates of one size."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from fastsgd import engine
from fastsgd._kernels.plan import Plan
from fastsgd.schedules import Constant
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Step

ROWS = 4096  # margins that are worked out at once
CHECK = 5  # iterations between two certificates
MEMORY = 20


class _Over(Exception):
    pass


def softmax(heads, report):
    """Minimise from heads.W, heads.b, and put the result there, until `report` says stop.

    References
    ----------
    Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    table, K, l2 = heads.table, heads.K, heads.l2
    still = Constant().bind(eta0=1.0, alpha=0.0, power_t=0.0, loss=heads.loss, pass_rows=None, passes=1)
    plan = Plan(heads.loss, still, l1=0.0, l2=l2, intercept_decay=float(heads.intercept))
    frame = Problem(table.X, np.zeros(table.n_rows), table.s, heads.loss, 0.0, l2, heads.intercept)
    d, l2 = frame.d, frame.penalties[1][:, None]
    dtype, width = table.X.dtype, K if K == 1 else -(-K // 4) * 4

    def value(x):
        U, b = x[: d * K].reshape(d, K), x[d * K :]
        W = np.zeros((d, width), dtype)
        W[:, :K] = U / frame.scale[:, None]
        loss, G, g = engine.slopes(table, plan, W, b - frame.centre @ (U / frame.scale[:, None]))
        G = (G[:, :K] - np.outer(frame.centre, g)) / frame.scale[:, None] + l2 * U
        F = float(loss.sum() + 0.5 * (l2 * U * U).sum())
        return F, np.append(G, g if heads.intercept else np.zeros(K))

    passes, last = 0, []

    def each(intermediate_result):
        nonlocal passes
        passes += 1
        x, F = intermediate_result.x, float(intermediate_result.fun)
        last.append(F)
        U, b = x[: d * K].reshape(d, K).copy(), x[d * K :].copy()
        fall = (last[-CHECK] - F) if len(last) >= CHECK else np.inf
        bound = -np.inf
        if passes % CHECK == 0 or fall <= 0.1 * heads.tol * F:
            bound = _least(frame, table, U, b, l2)
        heads.W[:], heads.b[:] = U / frame.scale[:, None], b - frame.centre @ (U / frame.scale[:, None])
        estimate = fall if fall > 0 and not heads.l2 else np.inf
        if report(Step(U, b, F, bound, estimate)):
            raise _Over

    U, b = heads.W * frame.scale[:, None], heads.b + frame.centre @ heads.W
    x = np.append(U, b)
    try:
        found = minimize(
            value,
            x,
            jac=True,
            method="L-BFGS-B",
            callback=each,
            options={"maxcor": MEMORY, "maxiter": 10**6, "maxfun": 10**7, "ftol": 0.0, "gtol": 0.0},
        )
    except _Over:
        return
    U, b = found.x[: d * K].reshape(d, K), found.x[d * K :]
    report(Step(U, b, float(found.fun), _least(frame, table, U, b, l2), stuck=True))
    heads.W[:], heads.b[:] = U / frame.scale[:, None], b - frame.centre @ (U / frame.scale[:, None])


def _least(frame, table, U, b, l2):
    """A lower bound: -mean sum_k q_k log q_k - |V|^2 / (2 l2), V = mean x (y - q)', q the softmax at the best intercept."""
    n, K = table.n_rows, len(b)
    y = table.y if table.y is not None else (table.code[:, None] == np.arange(K)) * 1.0
    c = np.ones(n) if frame.c is None else frame.c
    Z = np.empty((n, K))
    W, b = U / frame.scale[:, None], b - frame.centre @ (U / frame.scale[:, None])
    for lo in range(0, n, ROWS):
        Z[lo : lo + ROWS] = frame.X[lo : lo + ROWS].astype(np.float64) @ W + b
    shift, total = np.zeros(K), c @ y / n
    for _ in range(30 if frame.intercept else 0):  # Newton: the mean of q is that of y
        Q = _softmax(Z + shift)
        left = c @ Q / n - total
        if abs(left).max() <= 1e-14:
            break
        H = np.diag(c @ Q / n) - (Q * c[:, None]).T @ Q / n
        shift -= np.linalg.lstsq(H, left, rcond=1e-12)[0]
        if not np.isfinite(shift).all():
            return -np.inf
    Q = _softmax(Z + shift)
    if frame.intercept and abs(c @ Q / n - total).max() > 1e-10:
        return -np.inf
    R = c[:, None] * (y - Q)
    V = np.zeros((frame.d, K))
    for lo in range(0, n, ROWS):
        V += frame.X[lo : lo + ROWS].astype(np.float64).T @ R[lo : lo + ROWS]
    V = (V - np.outer(frame.centre, R.sum(axis=0) * frame.intercept)) / (frame.scale[:, None] * n)
    if not (l2 > 0).all():
        return -np.inf
    entropy = -(c @ np.where(Q > 0, Q * np.log(np.maximum(Q, 1e-300)), 0.0).sum(axis=1)) / n
    return float(entropy - (V * V / (2.0 * l2)).sum())


def _softmax(Z):
    return np.exp(Z - logsumexp(Z, axis=1, keepdims=True))
