"""Least squares in closed form: the normal equations, by Cholesky's factorisation.

With x a row and 1, theta the coefficients and the intercept, the least of mean (x.theta - y)^2 / 2 + l2 / 2 |w|^2 is where

    (mean x x' + l2 I) theta = mean x y,     no l2 at the intercept,

in centred and scaled columns, in which the matrix is as far from singular as it can be.
"""

import copy

import numpy as np

from fastsgd.solvers.hessian import Hessian
from fastsgd.solvers.newton import dual_of
from fastsgd.solvers.report import Step

MAX_COLUMNS = 20_000  # The matrix of more has above 3 GB, and its factor takes minutes.
REFINEMENTS = 2  # Rounding squares the condition of the columns; a step from the solution takes most of that back.
EXACT = 1e-30  # What a step may gain of the objective and not be worth a pass.


def equations(problem):
    """The matrix of a problem, factorised."""
    if problem.d > MAX_COLUMNS:
        raise ValueError(
            f"solver='normal' makes a matrix of all pairs of columns, and X has {problem.d}: at most {MAX_COLUMNS} will do. "
            "solver='auto' needs none."
        )
    return Hessian(problem, np.ones(problem.n))


def normal(problem, report, matrix=None):
    """Solve it, and report that once; `matrix`, of another problem with the same columns and weights, is taken."""
    p, matrix = problem, copy.copy(matrix) if matrix is not None else equations(problem)
    matrix.sample = p
    best = None
    u, b = np.zeros(p.d), 0.0
    for _ in range(2 + REFINEMENTS):
        loss, z, g, gradient = p.slopes(u, b)
        F, r = loss + p.penalty(u), -p.full(gradient, u)
        change = matrix.solve(r)
        decrement = max(0.0, float(r @ change))
        if best is not None and not best[2] > F:
            break  # Rounding allows no more.
        best = u, b, F, decrement, loss, z, g, gradient
        if decrement <= EXACT * F:
            break
        step, step_b = p.split(change)
        u, b = u + step, b + step_b
    u, b, F, decrement, *of_pass = best
    bound, moved = matrix.least(p, u, b, *of_pass)
    report(Step(u, b, F, bound, decrement, lambda: dual_of(of_pass[2], moved), stuck=True))


def multiplications(X, intercept, targets):
    """Those of the normal equations, n d^2 + d^3 / 3, and of a pass of gradient descent, 2 n d for each target.

    d counts the intercept, and of CSR the values of a row stand in place of d, but in d^3.
    """
    n, d = X.shape
    rows = np.diff(X.indptr) if hasattr(X, "indptr") else np.full(n, d)
    values, d = rows.astype(np.float64) + intercept, float(d + intercept)
    return {"normal": float(values @ values) + d**3 / 3.0, "pass": 2.0 * targets * float(values.sum())}
