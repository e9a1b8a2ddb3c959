"""Softmax regression: L-BFGS of SciPy, in coordinates of one size."""

import numpy as np
from scipy.optimize import minimize

from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Step

VALUES = 1 << 18  # of X or of the margins that are worked on at once, to stay in the cache
FALL = 5  # iterations, over which the fall of F is what is left of it, about: for the estimate
CHECK = 5  # iterations between two bounds at the best intercepts, a pass each
MEMORY = 20


class _Over(Exception):
    pass


def softmax(heads, report):
    """Minimise from heads.W, heads.b, and put the result there, until `report` says stop.

    References
    ----------
    Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    F = Objective(heads.table, heads.K, heads.l2, heads.intercept)
    frame, seen = F.frame, []

    def each(intermediate_result):
        x, value = intermediate_result.x, float(intermediate_result.fun)
        seen.append(value)
        U, b = F.split(x.copy())
        heads.W[:], heads.b[:] = F.outward(U, b)
        fall = seen[-FALL] - value if len(seen) >= FALL else np.inf
        if not np.array_equal(F.at, x):
            F(x)
        bound, aim = F.bound, heads.tol * abs(value)
        if value - bound > aim and (F.ideal <= aim or len(seen) % CHECK == 0):  # perhaps the intercepts alone lack
            F(np.append(U, b + F.step))
            bound = max(bound, F.bound)
        if report(Step(U, b, value, bound, fall if fall > 0 and not heads.l2 else np.inf)):
            raise _Over

    start = np.append(heads.W * frame.scale[:, None], heads.b + frame.centre @ heads.W)
    never = {"maxcor": MEMORY, "maxiter": 10**6, "maxfun": 10**7, "ftol": 0.0, "gtol": 0.0}
    try:
        found = minimize(F, start, jac=True, method="L-BFGS-B", callback=each, options=never)
    except _Over:
        return
    value, _ = F(found.x)
    U, b = F.split(found.x)
    report(Step(U, b, value, F.bound, stuck=True))
    heads.W[:], heads.b[:] = F.outward(U, b)


class Objective:
    """F and its gradient at x = (U, b), and a lower bound of min F from the same pass.

    With q the softmax of each row, p a distribution for all, and 0 <= t <= 1 so that the mean of (1 - t) q + t p is that of
    y, the dual objective there is at least ::

        (1 - t) mean H(q) + t H(p) - |V|^2 / (2 l2),    V = mean x (y - (1 - t) q - t p)',   H(q) = -sum_k q_k log q_k

    as the entropy H is concave.

    Attributes
    ----------
    at : (d K + K,)
        The last x.
    bound : float
        That of it.
    ideal : float
        About the gap there with the best intercepts.
    step : (K,)
        To those, by Newton's method.
    """

    def __init__(self, table, K, l2, intercept):
        self.table, self.K, self.intercept = table, K, intercept
        self.frame = Problem(table.X, np.zeros(table.n_rows), table.s, None, 0.0, l2, intercept)
        self.l2 = self.frame.penalties[1]
        n, d = table.X.shape
        self.rows = max(64, VALUES // (K + (0 if table.sparse else d)))
        self.at, self.bound = None, -np.inf
        self.xy, self.x, self.y = np.zeros((K, d)), np.zeros((1, d)), np.zeros(K)
        for X, y, c in self.parts():
            y = y * c
            self.xy, self.x, self.y = self.xy + y @ X, self.x + c @ X, self.y + y.sum(axis=1)
        self.xy, self.x, self.y = self.inward(self.xy, self.y), self.inward(self.x, np.full(1, n)), self.y / n

    def parts(self):
        """Rows of X in float64, their targets (K, rows), and their weights (1, rows)."""
        table, c = self.table, self.frame.c
        for lo in range(0, table.n_rows, self.rows):
            here = slice(lo, min(lo + self.rows, table.n_rows))
            X = table.X[here].astype(np.float64, copy=False)
            y = (table.code[here] == np.arange(self.K)[:, None]) * 1.0 if table.y is None else table.y[here].T
            yield X, y, np.ones((1, X.shape[0])) if c is None else c[None, here]

    def inward(self, G, g):
        """Means of c x, of x in the coordinates of the problem: sums of it and of c, one for each row of G."""
        return (G - np.outer(g, self.frame.centre)) / (self.frame.scale * self.frame.n)

    def split(self, x):
        d = self.frame.d
        return x[: d * self.K].reshape(d, self.K), x[d * self.K :]

    def outward(self, U, b):
        """(W, b) in the user's units."""
        W = U / self.frame.scale[:, None]
        return W, b - self.frame.centre @ W

    def __call__(self, x):
        frame, n = self.frame, self.frame.n
        U, b = self.split(x)
        W, shift = self.outward(U, b)
        loss, entropy, G, q, B = 0.0, 0.0, np.zeros((self.K, frame.d)), np.zeros(self.K), np.zeros((self.K, self.K))
        for X, y, c in self.parts():
            Z = np.ascontiguousarray((X @ W).T) if self.table.sparse else W.T @ X.T
            Z += shift[:, None]
            Z -= Z.max(axis=0)
            Q = np.exp(Z)
            total = Q.sum(axis=0)
            Q /= total
            B += (c * Q) @ Q.T
            Q *= c
            log = c @ np.log(total)
            loss += float((log - np.vdot(y * c, Z)).sum())
            entropy += float((log - np.vdot(Q, Z)).sum())
            q += Q.sum(axis=1)
            Q -= y * c
            G += (X.T @ Q.T).T if self.table.sparse else Q @ X
        slope = q / n - self.y
        G = self.inward(G, slope * n)
        self.at, self.bound = x.copy(), self.least(G, q / n, entropy / n)
        r = G.T + self.l2[:, None] * U
        quadratic = np.divide(r**2, 2.0 * self.l2[:, None], out=np.full(r.shape, np.inf), where=self.l2[:, None] > 0)
        self.ideal, self.step = float(quadratic.sum()), np.zeros(self.K)
        if self.intercept and np.isfinite(B).all():
            self.step = -np.linalg.lstsq(np.diag(q / n) - B / n, slope, rcond=1e-10)[0]
        value = loss / n + 0.5 * float((self.l2[:, None] * U * U).sum())
        return value, np.append(r, slope if self.intercept else np.zeros(self.K))

    def least(self, G, q, entropy):
        """From mean x (q - y)', mean q and mean H(q)."""
        if not (self.l2 > 0).all() or not np.isfinite(entropy):
            return -np.inf
        V, p, over = -G, self.y, np.maximum(q - self.y, 0.0)
        if self.intercept and over.any():
            t = float((over / q).max())
            p = np.maximum(self.y - (1.0 - t) * q, 0.0) / t
            V = self.xy - (1.0 - t) * (self.xy + G) - t * p[:, None] * self.x
            entropy = (1.0 - t) * entropy - t * float((p * np.log(np.maximum(p, 1e-300))).sum())
        return entropy - float((V * V / (2.0 * self.l2)).sum())
