"""Second derivatives of the objective at true weights: their products with directions, and for few columns all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from fastsgd.objective import objective_count
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.sums import total


@dataclass(frozen=True)
class _Sums:
    """Sums over rows of what `_Rows` says, and of the weights of each head, (K,)."""

    W: NDArray[Any]
    b: NDArray[Any]
    weight: NDArray[Any]

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.W + other.W, self.b + other.b, self.weight + other.weight)


class _Rows:
    """Rows of a kernel call, with what follows from the margins of all heads.

    Attributes
    ----------
    X : (n, n_features)
    s : (n, K) float64
        Weights.
    p : (n, K) float64 or None
        The probabilities of the classes, where heads are coupled by them.
    second : (n, K) float64 or None
        Else the second derivatives of the loss of a row in the margin of each head.
    """

    def __init__(self, part: Table, order: Order, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> None:
        rows, loss, K = order.index(), plan.loss, len(b)
        self.X: Any = part.X[rows]
        margins = np.asarray(self.X @ W[:, :K], np.float64) + b
        y, self.s = part.of_heads(rows, K)
        self.p = softmax(margins, axis=1) if loss.coupled else None
        self.second = None if loss.coupled else loss.second(loss.slope(margins, y), y)

    def bent(self, along: NDArray[Any]) -> NDArray[Any]:
        """s times the second derivatives in the margins times changes of these, (n, K)."""
        if self.p is None:
            return self.s * self.second * along
        return self.s * self.p * (along - (self.p * along).sum(axis=1, keepdims=True))

    def between(self, k: int, m: int) -> NDArray[Any]:
        """s times the second derivatives in the margins of two heads, (n,)."""
        if self.p is None:
            return self.s[:, k] * self.second[:, k]
        return self.s[:, k] * self.p[:, k] * ((k == m) - self.p[:, m])


def _each(table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> Iterator[_Rows]:
    for part, order, _ in table.chunks(W.dtype, len(b), False, 0, 0):
        yield _Rows(part, order, plan, W, b)


def _means(sums: _Sums, plan: Plan, K: int) -> tuple[NDArray[Any], NDArray[Any]]:
    weight = np.where(sums.weight > 0, sums.weight, 1.0) * objective_count(plan, sums.weight)
    return sums.W / weight, sums.b / weight


def hessian_product(
    table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any], V: NDArray[Any], v: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The second derivative of the objective along (V, v), in W and in b; without that of an L1 penalty, which is 0 where it is.

    Parameters
    ----------
    table : Table or Stream
    plan : Plan
        Whose loss has second derivatives.
    W, V : (n_features, K) float64
    b, v : (K,) float64
    """

    def of(rows: _Rows) -> _Sums:
        along = np.asarray(rows.X @ V, np.float64) + v
        bent = rows.bent(along)
        return _Sums(np.asarray(rows.X.T @ bent), bent.sum(axis=0), rows.s.sum(axis=0))

    of_W, of_b = _means(total(map(of, _each(table, plan, W, b))), plan, len(b))
    return of_W + plan.l2 / objective_count(plan, b) * V, of_b * (plan.intercept_decay > 0)


def hessian(table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """All second derivatives of the objective: (K, p, K, p), where p counts the features of a head and then its intercept."""
    K, d = len(b), len(W)

    def of(rows: _Rows) -> _Sums:
        X = np.column_stack([rows.X.toarray() if hasattr(rows.X, "toarray") else rows.X, np.ones(rows.X.shape[0])])
        H = np.zeros((K, d + 1, K, d + 1))
        for k in range(K):
            for m in range(K) if plan.loss.coupled else (k,):
                H[k, :, m] = X.T @ (rows.between(k, m)[:, None] * X)
        return _Sums(H, np.zeros(K), rows.s.sum(axis=0))

    sums = total(map(of, _each(table, plan, W, b)))
    weight = np.where(sums.weight > 0, sums.weight, 1.0) * objective_count(plan, b)
    H = sums.W / weight[:, None, None, None]
    for k in range(K):
        H[k, np.arange(d), k, np.arange(d)] += plan.l2 / objective_count(plan, b)
    return H  # type: ignore[no-any-return]
