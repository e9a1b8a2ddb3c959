"""The objective at many models that lie on a line or a plane, in one pass over the rows.

The margins of a row at such models are sums of few numbers: those at the origin, and its products with the directions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.objective import objective_count
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Order, Table
from fastsgd.sums import total

BLOCK = 1 << 16  # margins whose losses are worked out together
Model = tuple[NDArray[Any], NDArray[Any]]  # weights (n_features, K or more) and intercepts (K,)


@dataclass(frozen=True)
class _Losses:
    """Sums of s loss (n_points, K), and of s (K,)."""

    loss: NDArray[Any]
    weight: NDArray[Any]

    def __add__(self, other: "_Losses") -> "_Losses":
        return _Losses(self.loss + other.loss, self.weight + other.weight)


@np.errstate(over="ignore", invalid="ignore")
def objectives(
    table: Any, plan: Plan, origin: Model, directions: Sequence[Model], points: NDArray[Any]
) -> NDArray[np.float64]:
    """The objective, as `objective.objective` gives it, at origin + points @ directions: (n_points,).

    Parameters
    ----------
    table : Table or Stream
    plan : Plan
        One without heads of their own.
    origin : (W, b)
    directions : sequence of m (W, b)
    points : (n_points, m) float64
    """
    K = len(origin[1])
    flat = [np.append(W[:, :K].T, b) for W, b in (origin, *directions)]  # each head's weights, one head after another
    sums = _loss_sums(table, plan, (origin, *directions), points)
    losses = (sums.loss / np.where(sums.weight > 0, sums.weight, 1.0)).sum(axis=1)
    size = flat[0].size - K
    penalty = _penalties(np.array([z[:size] for z in flat]), plan, points)
    if plan.nu:
        penalty += plan.nu * (flat[0][size:].sum() + points @ [z[size:].sum() for z in flat[1:]])
    return np.asarray((losses + penalty) / objective_count(plan, origin[1]))


def _loss_sums(table: Any, plan: Plan, models: Sequence[Model], points: NDArray[Any]) -> _Losses:
    K = len(models[0][1])
    weights = np.concatenate([W[:, :K] for W, _ in models], axis=1)
    moves = [bool(plan.loss.coupled) or any(W[:, k].any() or b[k] for W, b in models[1:]) for k in range(K)]
    moving, still = np.flatnonzero(moves), np.flatnonzero(~np.array(moves))
    nowhere = np.zeros((1, points.shape[1]))

    def of(part: Table, order: Order) -> _Losses:
        index = order.index()
        margins = np.asarray(part.X[index] @ weights, np.float64).reshape(-1, len(models), K)
        margins += np.array([b for _, b in models])
        y, s = part.of_heads(index, K)
        sums = np.zeros((len(points), K))
        # The losses of heads that stay are the same at all points.
        for heads, at in ((moving, points), (still, nowhere)):
            if len(heads):
                sums[:, heads] = _block_sums(plan, margins[:, :, heads], y[:, heads], s[:, heads], at)
        return _Losses(sums, s.sum(axis=0))

    parts = (of(part, order) for part, order, _ in table.chunks(np.dtype(float), K, False, 0, 0))
    found = total(parts)
    return _Losses(np.zeros((len(points), K)), np.zeros(K)) if found is None else found


def _block_sums(plan: Plan, margins: NDArray[Any], y: NDArray[Any], s: NDArray[Any], points: NDArray[Any]) -> Any:
    """Sums of s loss over rows with margins (n, 1 + m, K), at each point: (n_points, K)."""
    n, _, K = margins.shape
    sums, rows = np.zeros((len(points), K)), max(1, min(n, BLOCK // (8 * K)))
    step = max(1, BLOCK // (rows * K))
    for lo in range(0, n, rows):
        some, targets, weights = margins[lo : lo + rows], y[lo : lo + rows], s[lo : lo + rows]
        for first in range(0, len(points), step):
            at = points[first : first + step]
            p = np.tensordot(at, some[:, 1:], axes=(1, 1)) + some[:, 0]
            targets_of_all = np.broadcast_to(targets, p.shape)
            shape = (-1, K) if plan.loss.coupled else (-1,)
            values = plan.loss.both(p.reshape(shape), targets_of_all.reshape(shape))[0].reshape(p.shape)
            sums[first : first + step] += np.einsum("gnk,nk->gk", values, weights)
    return sums


def _penalties(weights: NDArray[Any], plan: Plan, points: NDArray[Any]) -> NDArray[np.float64]:
    """l1 |w|_1 + l2 / 2 |w|_2^2 at each point, of weights (1 + m, size)."""
    found = np.zeros(len(points))
    if not (plan.l1 or plan.l2):
        return found
    varies = weights[1:].any(axis=0)

    def of(w: NDArray[Any]) -> Any:
        return plan.l1 * abs(w).sum(axis=-1) + plan.l2 / 2.0 * (w * w).sum(axis=-1)

    some, step = weights[:, varies], max(1, BLOCK // max(1, int(varies.sum())))
    for first in range(0, len(points), step):
        found[first : first + step] = of(some[0] + points[first : first + step] @ some[1:])
    return found + of(weights[0, ~varies])


# ---------------------------------------------------------------- how far to look
@dataclass(frozen=True)
class _Squares:
    """By head: weight of the rows, and sums of s times squares, of y - b and of products with directions."""

    values: NDArray[Any]

    def __add__(self, other: "_Squares") -> "_Squares":
        return _Squares(self.values + other.values)


def spreads(table: Any, b: NDArray[Any], directions: Sequence[Model]) -> tuple[float, NDArray[Any]]:
    """(root mean square of y - b, and of the products of rows with each direction), of the head of most."""
    K = len(directions[0][1])
    weights = np.concatenate([W[:, :K] for W, _ in directions], axis=1)
    shift = np.concatenate([b for _, b in directions])

    def each() -> Iterator[_Squares]:
        for part, order, _ in table.chunks(np.dtype(float), K, False, 0, 0):
            index = order.index()
            products = np.asarray(part.X[index] @ weights, np.float64) + shift
            y, s = part.of_heads(index, K)
            squares = (s[:, None] * products.reshape(len(y), -1, K) ** 2).sum(axis=0)
            yield _Squares(np.array([s.sum(axis=0), (s * (y - b) ** 2).sum(axis=0), *squares]))

    weight, *squares = total(each()).values
    found = np.sqrt((np.array(squares) / np.where(weight > 0, weight, 1.0)).max(axis=1))
    return float(found[0]), found[1:]
