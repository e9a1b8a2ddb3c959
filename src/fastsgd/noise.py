"""How much the gradients of single rows differ from their mean: the noise of stochastic steps."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.objective import gradient, objective_count
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.sums import total


@dataclass(frozen=True)
class RowGradients:
    """What is known of the gradients of single rows at one model.

    A row's is n s_i / sum s times the gradient of its loss, so that their mean is the gradient of the mean loss.

    Attributes
    ----------
    n_rows : int
        Those of weight above 0, which alone are in batches.
    variance : float
        Mean of the squared distances from their mean.
    norm : float
        Of the gradient of the objective, with the penalty.
    """

    n_rows: int
    variance: float
    norm: float


@dataclass(frozen=True)
class _Sums:
    """Rows; weights (K,); s^2 slope^2 (|x|^2 + 1) by head; and s slope x and s slope, (n_features + 1, K)."""

    n: int
    weight: NDArray[Any]
    squares: NDArray[Any]
    slopes: NDArray[Any]

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(
            self.n + other.n,
            self.weight + other.weight,
            self.squares + other.squares,
            self.slopes + other.slopes,
        )


def _steps(
    part: Table, index: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any]
) -> tuple[Any, NDArray[Any], NDArray[Any]]:
    """(X, s, s slope) of those rows of a table that have a weight."""
    if part.s is not None:
        index = np.arange(part.X.shape[0])[index]
        index = index[part.s[index] != 0]
    K, X = len(b), part.X[index]
    y, s = part.of_heads(index, K)
    margins = np.asarray(X @ W[:, :K], np.float64) + b
    if plan.loss.coupled:
        return X, s, s * plan.loss.slope(margins, y)
    return X, s, s * plan.loss.both(margins.ravel(), y.ravel())[1].reshape(y.shape)


def row_gradients(table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> RowGradients:
    """The RowGradients of a Table or Stream, at true weights W (n_features, S) and intercepts b (K,)."""
    constant = float(plan.intercept_decay > 0)

    def of(part: Table, index: Any) -> _Sums:
        X, s, steps = _steps(part, index, plan, W, b)
        lengths = np.asarray((X.multiply(X) if part.sparse else X * X).sum(axis=1)).ravel() + constant
        slopes = np.vstack([np.asarray(X.T @ steps), constant * steps.sum(axis=0)])
        return _Sums(len(s), s.sum(axis=0), lengths @ steps**2, slopes)

    chunks = table.chunks(np.dtype(float), len(b), False, 0, 0)
    sums = total(of(part, order.index()) for part, order, _ in chunks)
    count, weight = objective_count(plan, b), np.where(sums.weight > 0, sums.weight, 1.0)
    mean = sums.slopes / weight
    # The rows' weights have the mean 1, as n s / sum s.
    variance = (sums.n * sums.squares / weight**2).sum() - (mean * mean).sum()
    _, G, g = gradient(table, plan, W, b)
    norm = float(np.sqrt((G * G).sum() + g @ g))
    return RowGradients(sums.n, max(0.0, float(variance)) / count**2, norm / count)


def sampled(
    table: Table,
    plan: Plan,
    W: NDArray[Any],
    b: NDArray[Any],
    batch_sizes: NDArray[Any],
    n_draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Squared distances of the gradients of drawn batches from that of all rows: (n_sizes, n_draws).

    The rows of a batch are drawn without replacement from a table in memory.
    """
    K, constant = len(b), float(plan.intercept_decay > 0)
    rows = np.arange(table.X.shape[0]) if table.rows is None else table.rows
    part, index = (table, rows) if table.readable(np.dtype(float)) else (table.read(rows, np.dtype(float)), slice(None))
    X, s, steps = _steps(part, index, plan, W, b)
    weight = s.sum(axis=0)
    steps *= len(s) / np.where(weight > 0, weight, 1.0) / objective_count(plan, b)
    of_all = np.vstack([np.asarray(X.T @ steps), constant * steps.sum(axis=0)]) / len(s)
    found = np.zeros((len(batch_sizes), n_draws))
    for i, size in enumerate(batch_sizes.tolist()):
        for j in range(n_draws):
            drawn = rng.choice(len(s), size, replace=False)
            of_rows = np.asarray(X[drawn].T @ steps[drawn]).reshape(-1, K)
            batch = np.vstack([of_rows, constant * steps[drawn].sum(axis=0)]) / size
            found[i, j] = ((batch - of_all) ** 2).sum()
    return found
