"""The curvature of an objective as steps see it, and how long they may be by it."""

from typing import Any

import numpy as np

from fastsgd import curvature, objective
from fastsgd.diagnosis.case import Case

POWER_STEPS, PROBES = 30, 20  # Products with the Hessian: for its largest eigenvalue, and for its trace.


def largest(case: Case, share: float) -> float:
    """The curvature that limits steps: of each head's objective, at zero weights or at the best model, where it is larger.

    Of steps along all rows it is the largest eigenvalue of the Hessian, of those along single rows its trace: the mean over the
    rows of curvature times squared length. `share`, 1 / (rows of a step), is that of the trace; without the penalty's it falls
    in proportion. Where the loss has a kink, its curvature is taken as one over the objective of zero weights.
    """
    loss = case.plan.loss
    if loss.convex and loss.smooth and (loss.coupled or loss.offers("second")):
        return max(_of_hessian(case, *at, share) for at in (case.zeros(), case.best[1:]))
    bend = loss.curvature if loss.smooth or case.start <= 0 else 1.0 / case.start
    return bend * _of_rows(case, share) + float(case.plan.l2)


def _of_hessian(case: Case, W: Any, b: Any, share: float) -> float:
    K, rng = len(b), np.random.default_rng(0)
    count = objective.objective_count(case.plan, b)

    def times(V: Any, v: Any) -> tuple[Any, Any]:
        G, g = curvature.hessian_product(case.table, case.plan, W[:, :K], b, V, v)
        return G * count, g * count

    V, v, found = rng.standard_normal((len(W), K)), rng.standard_normal(K), 0.0
    v *= case.plan.intercept_decay > 0
    for _ in range(POWER_STEPS if share < 1 else 0):
        V, v = times(V, v)
        found = float(np.sqrt((V * V).sum() + v @ v))
        V, v = V / (found or 1.0), v / (found or 1.0)
    trace = 0.0
    for _ in range(PROBES if share else 0):
        V, v = rng.choice([-1.0, 1.0], (len(W), K)), rng.choice([-1.0, 1.0], K)
        G, g = times(V, v)
        trace += float((V * G).sum() + v @ g) / PROBES
    return (1 - share) * found + share * trace / (1 if case.plan.loss.coupled else K)


def _of_rows(case: Case, share: float) -> float:
    """The same of a loss of curvature 1, without a penalty."""
    X, constant = case.table.X, float(case.plan.intercept_decay > 0)
    squares = X.multiply(X) if case.table.sparse else X * X
    trace = float(squares.sum() / X.shape[0]) + constant
    v, last, found = np.random.default_rng(0).standard_normal(X.shape[1]), constant, 0.0
    for _ in range(POWER_STEPS):
        along = X @ v + last
        v, last = X.T @ along / X.shape[0], constant * float(along.mean())
        found = float(np.sqrt(v @ v + last * last))
        v, last = v / (found or 1.0), last / (found or 1.0)
    return (1 - share) * found + share * trace
