"""Softmax regression: dual coordinate ascent where L2 is strong, else L-BFGS of SciPy, in coordinates of one size."""

from dataclasses import replace

import numpy as np
from scipy import special
from scipy.optimize import minimize

from fastsgd import penalties
from fastsgd._kernels import solve
from fastsgd.solvers.dual import MAX_L2_CURVATURE, Anderson, RowCurvature
from fastsgd.solvers.lazily import cached_property
from fastsgd.solvers.newton import descend
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.report import Step
from fastsgd.solvers.row_blocks import RowBlocks
from fastsgd.solvers.softmax_problem import MAX_WEIGHTS, SoftmaxProblem
from fastsgd.sources.arrays import Table
from fastsgd.threads import ONE_THREAD

BLOCK_VALUES = 1 << 18  # This many of X or of the margins are worked on at once, and stay in the cache.
FALL_ITERATIONS = 5  # What is left of F is estimated as its fall over this many iterations.
BOUND_ITERATIONS = 5  # After this many iterations, a pass goes to a bound at the best intercepts.
LBFGS_HISTORY = 20  # L-BFGS remembers this many steps.
MAX_DUAL_EPOCHS = 50  # Dual ascent has this many before L-BFGS takes over.
# L-BFGS has this many before Newton's method, or this share of a Hessian's time.
MIN_LBFGS_PASSES, HESSIAN_SHARE = 12, 0.5
# The distributions of all rows are kept where they have at most this many numbers for a value of X.
MAX_DISTRIBUTION_SHARE = 4


class _Over(Exception):
    pass


class _Enough(Exception):
    pass


class Progress:
    """What L-BFGS calls after each iteration: it tells `report`, and ends the method by an exception.

    Parameters
    ----------
    F : Objective
    task : Task
    report : Report
    most : float
        How many iterations the method may take.
    """

    def __init__(self, F, task, report, most):
        self.F, self.task, self.report, self.most, self.seen = F, task, report, most, []

    def left(self, x=None, slope=None):
        """What is left of F, about: what the last iterations brought; at its end, what the slopes promise at most near x."""
        if self.task.l2:
            return np.inf
        fall = self.seen[-FALL_ITERATIONS] - self.seen[-1] if len(self.seen) >= FALL_ITERATIONS else np.inf
        return fall if x is None else min(fall, float(abs(slope) @ (1.0 + abs(x))))

    def __call__(self, intermediate_result):
        F, x, value = self.F, intermediate_result.x, float(intermediate_result.fun)
        self.seen.append(value)
        U, b = F.split(x.copy())
        if not np.array_equal(F.at, x):
            F(x)
        bound, aim = F.bound, self.task.tol * abs(value)
        if value - bound > aim and (F.ideal <= aim or len(self.seen) % BOUND_ITERATIONS == 0):
            F(F.join(U, b + F.step))  # Perhaps only the intercepts are off.
            bound = max(bound, F.bound)
        if self.report(Step(U, b, value, bound, self.left())):
            raise _Over
        if len(self.seen) >= self.most:
            raise _Enough


def softmax(heads, report):
    """Minimise from heads.V, heads.b until `report` says stop.

    References
    ----------
    Liu and Nocedal (1989), On the limited memory BFGS method for large scale optimization.
    """
    F, most = Objective(heads.table, heads.K, heads.task.l2, heads.task.intercept, heads.threads), np.inf
    heads.problems[0] = F
    if F.strong and ascend(F, heads, report):
        return
    newton = F.together(heads.task.loss)
    if newton is not None:
        most = max(MIN_LBFGS_PASSES, HESSIAN_SHARE * newton.hessian_seconds() / newton.pass_seconds())
    progress, start = Progress(F, heads.task, report, most), F.join(*F.frame.inward(heads.V, heads.b))
    never = {"maxcor": LBFGS_HISTORY, "maxiter": 10**6, "maxfun": 10**7, "ftol": 0.0, "gtol": 0.0}
    try:
        found = minimize(F, start, jac=True, method="L-BFGS-B", callback=progress, options=never)
        value, slope = F(found.x)
        end = Step(*F.split(found.x), value, F.bound, progress.left(found.x, slope), stuck=newton is None)
        if report(end):
            return
    except _Over:
        return
    except _Enough:
        end = report.best
    *_, over = descend(newton, end.u.ravel(), end.b, report, newton.hessian(end.u.ravel(), end.b))
    if not over:
        report(replace(report.best, stuck=True))


def ascend(F, heads, report):
    """Dual coordinate ascent, a row at a time, from heads.V, heads.b; True when `report` said stop.

    L2 makes the coefficients' part strongly convex; the intercepts have a centre, as in `dual`.

    References
    ----------
    Yu, Huang and Lin (2011), Dual coordinate descent methods for logistic regression and maximum entropy models.
    """
    frame, K, l2 = F.frame, F.K, heads.task.l2
    n, d = frame.X.shape
    W, b, P, pulled = np.zeros((d, F.wide)), np.zeros(F.wide), F.targets(), np.zeros(K)
    if heads.V.any():  # It starts from the slopes there.
        P = special.softmax(frame.X @ heads.V + heads.b, axis=1)
        _, _, G, sums, _ = F.evaluate(W, b, P)
        W[:, :K], b[:K], pulled = G / -(l2 * n), heads.b, F.y - sums / n
    elif F.intercept:
        b[:K] = np.log(np.maximum(F.y, 1.0 / n))
    curvature, centre, anderson, rows = RowCurvature(), b[:K].copy(), Anderson(1.0), Table(frame.X)
    for epoch in range(MAX_DUAL_EPOCHS):
        kappa, gap, seen = 1.0 / (n * curvature.value), 0.0, 0.0
        per_b = 1.0 / kappa if F.intercept else 0.0
        b[:K] = centre + pulled * per_b
        for part, order, _ in rows.chunks(frame.X.dtype, 1, True, heads.task.seed, epoch):
            more, weight = solve.softmax_ascend(part.X, order, W, b, frame.c, P, 1.0 / l2, per_b)
            gap, seen = gap + more, seen + weight
        gap, now = max(gap / seen, 0.0) if seen > 0 else 0.0, b[:K].copy()
        pulled = (now - centre) * kappa if F.intercept else pulled
        moved = 0.5 * kappa * float(((now - centre) ** 2).sum())
        loss, entropy, G, sums, _ = F.evaluate(W, b, P)
        value = loss / n + 0.5 * l2 * float((W * W).sum())
        bound = F.least(F.inward(G.T, sums - F.y * n), sums / n, entropy / n)
        if report(Step(*frame.inward(W[:, :K], now), value, bound)):
            return True
        if curvature.changes(moved, gap):
            centre = now
            anderson.forget()
        else:
            centre = anderson(centre, now)
    heads.keep(report)
    return False


class Objective:
    """F and its gradient at x = (U / unit, b), and a lower bound of min F from the same pass.

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

    def __init__(self, table, K, l2, intercept, threads=ONE_THREAD):
        self.table, self.K, self.intercept = table, K, intercept
        self.frame = Problem(table.X, np.zeros(table.n_rows), table.s, None, 0.0, l2, intercept, threads=threads)
        self.l2 = self.frame.penalties[1]
        # In this unit of U the curvature is of one size, however strong L2 is.
        self.unit = 0.5 / np.sqrt(0.25 + self.l2)
        n, d = table.X.shape
        self.rows = max(64, BLOCK_VALUES // (K + (0 if table.sparse else d)))
        self.at, self.bound = None, -np.inf
        self.xy, self.x, self.y = np.zeros((K, d)), np.zeros((1, d)), np.zeros(K)
        for X, y, c in self.parts():
            y = y * c
            self.xy, self.x, self.y = self.xy + y @ X, self.x + c @ X, self.y + y.sum(axis=1)
        self.xy, self.x, self.y = self.inward(self.xy, self.y), self.inward(self.x, np.full(1, n)), self.y / n
        self.wide = -(-K // 4) * 4

    def parts(self, of=slice(None)):
        """Of these rows, some at a time: rows of X in float64, their targets (K, rows), and their weights (1, rows)."""
        table, c = self.table, self.frame.c
        start, stop, _ = of.indices(table.n_rows)
        for lo in range(start, stop, self.rows):
            here = slice(lo, min(lo + self.rows, stop))
            X = table.X[here].astype(np.float64, copy=False)
            y = (table.code[here] == np.arange(self.K)[:, None]) * 1.0 if table.y is None else table.y[here].T
            yield X, y, np.ones((1, X.shape[0])) if c is None else c[None, here]

    @property
    def strong(self):
        """Whether L2 is, for a row of the usual length; and the distributions of all rows don't take too much room."""
        frame, l2 = self.frame, self.frame.l2
        if not self.table.sparse or l2 == 0 or frame.n * self.K > MAX_DISTRIBUTION_SHARE * frame.X.nnz:
            return False
        return 0.25 * float(frame.measures.variance.sum()) <= MAX_L2_CURVATURE * l2 * frame.n

    def together(self, loss):
        """The problem for Newton's method, or None."""
        room = self.frame.n * self.K <= MAX_DISTRIBUTION_SHARE * (
            self.frame.X.nnz if self.table.sparse else self.frame.X.size
        )
        if self.frame.d * self.K > MAX_WEIGHTS or not room or not (self.l2 > 0).all():
            return None
        return SoftmaxProblem(self.frame, self.targets(), loss)

    def targets(self):
        """Those of all rows, (n, K)."""
        if self.table.y is not None:
            return self.table.y.copy()
        return (self.table.code[:, None] == np.arange(self.K)) * 1.0

    @cached_property
    def blocks(self):
        """Of the rows: the sums of a block take K numbers a column, and a pass K times as long as over one margin."""
        return RowBlocks(self.frame.X, self.frame.threads)

    def evaluate(self, W, b, P=None, products=False):
        """On CSR, one pass at W (d, wide): sums of (loss, entropy, x (p - y)', p, q q'), p = P or q."""
        K, given = self.K, (self.table.code, self.table.y, self.frame.c, P)

        def of_block(X, rows):
            G, sums, B = np.zeros(W.shape), np.zeros(K), np.zeros((K, K)) if products else None
            code, y, c, p = (None if a is None else a[rows] for a in given)
            return *solve.softmax_pass(X, W, b, code, y, c, p, G, sums, B), G, sums, B

        loss, entropy, G, sums, B = self.blocks.sum(of_block)
        return loss, entropy, G[:, :K], sums, B

    def inward(self, G, g):
        """Means of c x, of x in the coordinates of the problem: sums of it and of c, one for each row of G."""
        return (G - np.outer(g, self.frame.centre)) * self.frame.inverse / self.frame.n

    def split(self, x):
        """(U, b) of x."""
        d = self.frame.d
        return x[: d * self.K].reshape(d, self.K) * self.unit[:, None], x[d * self.K :]

    def join(self, U, b):
        """x of (U, b)."""
        return np.append(U / self.unit[:, None], b)

    def rounded(self, U, b):
        """(W, b) as the user gets them."""
        return self.frame.rounded(U.reshape(-1, self.K), b)

    def outward(self, U, b):
        """(W, b) in the user's units."""
        return self.frame.outward(U.reshape(-1, self.K), b)

    def value(self, W, b):
        """F of the user's W and b."""
        loss = (self._sparse if self.table.sparse else self._dense)(W, b)[0]
        return loss / self.frame.n + penalties.value(W, 0.0, self.frame.l2)

    @np.errstate(over="ignore", invalid="ignore")  # A point may be too far.
    def __call__(self, x):
        n = self.frame.n
        U, b = self.split(x)
        W, shift = self.outward(U, b)
        loss, entropy, G, q, B = self._sparse(W, shift) if self.table.sparse else self._dense(W, shift)
        slope = q / n - self.y
        G = self.inward(G, slope * n)
        self.at, self.bound = x.copy(), self.least(G, q / n, entropy / n)
        r = G.T + self.l2[:, None] * U
        quadratic = np.divide(0.5 * r**2, self.l2[:, None], out=np.full(r.shape, np.inf), where=self.l2[:, None] > 0)
        self.ideal, self.step = float(quadratic.sum()), np.zeros(self.K)
        if self.intercept and np.isfinite(B).all():
            self.step = -np.linalg.lstsq(np.diag(q / n) - B / n, slope, rcond=1e-10)[0]
        value = loss / n + 0.5 * float((self.l2[:, None] * U * U).sum())
        return value, np.append(r * self.unit[:, None], slope if self.intercept else np.zeros(self.K))

    def _sparse(self, W, shift):
        """Sums over all rows at W (d, K): loss, entropy, (q - y) x', q, q q'."""
        at = np.zeros((self.frame.d, self.wide)), np.zeros(self.wide)
        at[0][:, : self.K], at[1][: self.K] = W, shift
        loss, entropy, G, q, B = self.evaluate(*at, products=True)
        return loss, entropy, G.T, q, B

    def _dense(self, W, shift):
        """The same."""
        return self.blocks.sum(lambda _, rows: self._of_rows(rows, W, shift))

    def _of_rows(self, rows, W, shift):
        K = self.K
        loss, entropy, G, q, B = 0.0, 0.0, np.zeros((K, self.frame.d)), np.zeros(K), np.zeros((K, K))
        for X, y, c in self.parts(rows):
            Z = W.T @ X.T
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
            G += Q @ X
        return loss, entropy, G, q, B

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
        return entropy - float((0.5 * V * V / self.l2).sum())
