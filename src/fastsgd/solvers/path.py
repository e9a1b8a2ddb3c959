"""A path: the heads of a table solved at one penalty after another, each from the solution before, each with its certificate.

The grid of penalties follows from the slopes of the best constant, from which the path starts.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from fastsgd.solvers.heads import Heads, Path, check_some
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.squares import mean_loss
from fastsgd.solvers.targets import head_targets
from fastsgd.threads import ONE_THREAD

# With L2 alone the largest alpha is that at which no objective is lower than the best constant's by more than this share.
CONSTANT_SHARE = 1e-2
RATIO_WITH_L1, RATIO_OF_L2 = 1e-3, 1e-6  # The least alpha over the largest, where the user does not say.
MAX_LOG_ODDS = 40.0  # No constant is farther from 0 where y are labels: its loss could not be told from 0.
MAX_HALVINGS = 200


@dataclass(frozen=True)
class Constant:
    """The best model without coefficients.

    Attributes
    ----------
    b : (K,)
    loss : (number of objectives,)
        The mean loss of each head, or of all together.
    V : (d, K)
        Mean of a x, a the negative slopes, in the user's units: the direction in which the coefficients leave zero.
    """

    b: np.ndarray
    loss: np.ndarray
    V: np.ndarray

    @classmethod
    def of(cls, table, K, task, threads=ONE_THREAD):
        """That of a table."""
        made = [_coupled(table, K, task, threads)] if task.loss.coupled else _one_by_one(table, K, task, threads)
        b, loss, V = zip(*made, strict=True)
        return cls(np.hstack(b), np.array(loss), np.column_stack(V))

    def largest(self, l1_ratio):
        """With L1 the least alpha at which all coefficients are 0; with L2 alone see CONSTANT_SHARE.

        For F(w) >= F(0) - V.w + alpha / 2 |w|^2 >= F(0) - |V|^2 / (2 alpha), as the loss is convex.
        """
        if l1_ratio > 0:
            largest = float(abs(self.V).max(initial=0.0)) / l1_ratio
        else:
            squares = (self.V**2).sum(axis=0)
            squares = squares.sum(keepdims=True) if len(self.loss) < len(squares) else squares
            size = np.where(self.loss == 0, 1.0, abs(self.loss))
            largest = float((squares / (2.0 * CONSTANT_SHARE * size)).max())
        return largest if 0 < largest < np.inf else 1.0

    def grid(self, n, l1_ratio, share=None):
        """n alphas from the largest down to `share` of it, evenly on a logarithmic scale."""
        if share is None:
            share = RATIO_WITH_L1 if l1_ratio > 0 else RATIO_OF_L2
        return self.largest(l1_ratio) * np.geomspace(1.0, share, n)

    def start(self):
        """What `Heads` start from."""
        return np.zeros(self.V.shape), self.b, None


def _one_by_one(table, K, task, threads):
    for h in range(K):
        y, weight = head_targets(table, h, threads)
        check_some(weight)
        p = Problem(table.X, y, weight, task.loss, 0.0, 0.0, task.intercept, threads=threads)
        b = _best_constant(p) if task.intercept else 0.0
        values, slopes = p.both(np.full(p.n, b))
        a = p._balanced(-slopes) if task.intercept else -slopes
        yield b, p.mean(values), p.pull(p.weighted(a))[0] * p.scale


def _best_constant(p):
    """b of the least mean loss, by bisection of its slope."""
    if p.loss.quadratic:
        return p.mean(p.y)
    y, weight, ends = p.y, np.ones(p.n) if p.c is None else p.c, np.array([p.y.min(), p.y.max()])
    if ((y == ends[0]) | (y == ends[1])).all():
        y, weight = ends, np.array([weight[y == ends[0]].sum(), weight[y != ends[0]].sum()])
    low, high = -MAX_LOG_ODDS, MAX_LOG_ODDS
    if p.loss.residual:
        low, high = ends
    elif p.loss.offers("mean"):  # Its link is the logarithm.
        low, high = np.log(np.maximum(ends, 1e-300))
    for _ in range(MAX_HALVINGS):
        b = 0.5 * (low + high)
        if not low < b < high:
            break
        if weight @ p.loss.slope(np.full(len(y), b), y) > 0:
            high = b
        else:
            low = b
    return float(0.5 * (low + high))


def _coupled(table, K, task, threads):
    check_some(table.s)
    p = Problem(table.X, np.zeros(table.n_rows), table.s, None, 0.0, 0.0, task.intercept, threads=threads)
    of = [table.y[:, k] if table.code is None else (table.code == k).astype(float) for k in range(K)]
    q = np.array([p.mean(y) for y in of]) if task.intercept else np.full(K, 1.0 / K)
    b = np.log(np.maximum(q, np.exp(-MAX_LOG_ODDS))) if task.intercept else np.zeros(K)
    log_q = log_softmax(b)
    loss = -sum(p.mean(y) * log_q[k] for k, y in enumerate(of))
    return b, loss, np.column_stack([p.pull(p.weighted(y - q[k]))[0] * p.scale for k, y in enumerate(of)])


def along(table, K, task, penalties, start):
    """Solved `Heads` at each of the penalties (l1, l2), each from the solution before; the first from `start`."""
    path = Path()
    for l1, l2 in penalties:
        heads = Heads(table, K, replace(task, l1=l1, l2=l2), start=start, path=path).run()
        if heads.stopped == "interrupted":
            raise KeyboardInterrupt
        yield heads
        start = heads.W, heads.b, heads.duals


class HeldOut:
    """The mean loss of rows that a model was not trained on.

    Parameters
    ----------
    table : Table
    K : int
    loss : Loss
        Of the heads.
    """

    def __init__(self, table, K, loss):
        self.table, self.coupled, self.losses = table, loss.coupled, []
        if not loss.coupled:
            self.losses = [mean_loss(table.X, *head_targets(table, h), loss) for h in range(K)]

    def loss(self, W, b):
        """Mean over the heads, or of all together, at (d, K) and (K,)."""
        if not self.coupled:
            return float(np.mean([loss(W[:, h], b[h]) for h, loss in enumerate(self.losses)]))
        table, log_q = self.table, log_softmax(self.table.X @ W + b, axis=1)
        of_y = log_q[np.arange(table.n_rows), table.code] if table.code is not None else (table.y * log_q).sum(axis=1)
        return -float(np.average(of_y, weights=table.s))
