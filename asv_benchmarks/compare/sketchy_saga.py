"""SketchySAGA, from the paper: SAGA whose steps are preconditioned by a sketch of the second derivatives of a few rows.

Frangella, Rathore, Zhao and Udell (2024), PROMISE: preconditioned stochastic optimization methods by incorporating scalable
curvature estimates, JMLR 25(346), with its defaults: the Nystrom preconditioner of rank 10, rho = 1e-3, batches of 256 rows, the
second derivatives of sqrt(n) rows, for the logistic loss anew in each pass.
"""

import numpy as np
import scipy.sparse as sp

RANK, BATCH, RHO, POWER_STEPS = 10, 256, 1e-3, 10


class Nystrom:
    """(U diag(S) U' + rho I), and its inverse, of the second derivatives of some rows: A' diag(h) A / m."""

    def __init__(self, A, h, rng):
        root = np.sqrt(h / len(h))
        self.A = sp.diags(root) @ A if sp.issparse(A) else root[:, None] * A
        test = np.linalg.qr(rng.standard_normal((A.shape[1], min(RANK, A.shape[1]))))[0]
        sketch = self.product(test)
        shift = np.sqrt(A.shape[1]) * np.spacing(np.linalg.norm(sketch))
        sketch = sketch + shift * test
        core = np.linalg.eigh((test.T @ sketch + sketch.T @ test) / 2)
        B = sketch @ (core[1] / np.sqrt(np.maximum(core[0], shift)))
        self.U, singular, _ = np.linalg.svd(B, full_matrices=False)
        self.S = np.maximum(singular**2 - shift, 0.0)

    def product(self, v):
        return self.A.T @ (self.A @ v)

    def solve(self, g, power=1.0):
        """(U S U' + rho I)^-power g."""
        inside = (self.S + RHO) ** -power - RHO**-power
        return RHO**-power * g + self.U @ (inside * (self.U.T @ g))

    def smoothness(self, other, rng):
        """The largest eigenvalue of P^-1/2 H P^-1/2, H of other rows, by power iteration."""
        v = rng.standard_normal(len(self.U))
        for _ in range(POWER_STEPS):
            v = v / np.linalg.norm(v)
            v, before = self.solve(other.product(self.solve(v, 0.5)) + RHO * self.solve(v, 0.5), 0.5), v
        return float(v @ before)


def fit(problem, passes, seed=0):
    """(coef, intercept) after so many passes; the intercept is a column of ones, without a penalty."""
    rng, n = np.random.default_rng(seed), len(problem.y)
    ones = np.ones((n, 1), problem.X.dtype)
    A = sp.hstack([problem.X, ones], format="csr") if sp.issparse(problem.X) else np.hstack([problem.X, ones])
    logistic = problem.loss == "log_loss"
    w, table, mean_gradient = np.zeros(A.shape[1]), np.zeros(n), np.zeros(A.shape[1])
    alpha = np.append(np.full(A.shape[1] - 1, problem.alpha), 0.0)

    def slopes(rows):
        z = A[rows] @ w
        return (1 / (1 + np.exp(-z)) if logistic else z) - problem.y[rows]

    def curvature():
        rows = rng.choice(n, max(1, int(np.sqrt(n))), replace=False)
        p = 1 / (1 + np.exp(-(A[rows] @ w)))
        return Nystrom(A[rows], p * (1 - p) if logistic else np.ones(len(rows)), rng)

    for done in range(passes):
        if not done or logistic:
            sketch = curvature()
            L = sketch.smoothness(curvature(), rng)
            eta = max(1 / (2 * (problem.alpha * n + L)), 1 / (3 * L))
        for rows in np.array_split(rng.permutation(n), max(1, n // BATCH)):
            new = slopes(rows)
            change = A[rows].T @ (new - table[rows])
            direction = mean_gradient + change / len(rows) + alpha * w
            mean_gradient += change / n
            table[rows] = new
            w -= eta * sketch.solve(direction)
    return w[:-1], w[-1]
