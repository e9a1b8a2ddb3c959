"""Sums over rows that add: `of` a part of the rows, `+`, and `finish`, which says what the sum is of all of them.

Nothing is divided before `finish`, so that a part may be a block, a buffer, or what a thread or another process has read.
Parts are added in the order in which they are given (`total`): the same parts give the same bits, wherever each was summed.
All are plain values, which pickle.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from itertools import islice
from operator import add
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels import kernels
from fastsgd.gathered import Gathered
from fastsgd.plan import Plan
from fastsgd.state import State
from fastsgd.threads import ONE_THREAD


def total(parts: Iterable[Any]) -> Any:
    """The sum of parts, added in their order; None of none."""
    parts = iter(parts)
    return reduce(add, parts, next(parts, None))


def added(parts: Iterable[Any], *_: Any) -> Any:
    """As `total`; what was asked for may follow, of which it takes no notice: what is done with the results of tasks."""
    return total(parts)


def _of_calls(table: Any, function: Callable[[Any], Any], dtype: Any, heads: int, each: int = 1) -> Iterator[Any]:
    """function(call) of the rows of each kernel call, in their order.

    Where the table has threads, some calls at a time; up to `each` for each thread, where they hold no copies of rows.
    """
    calls, threads = table.chunks(dtype, heads, False, 0, 0), getattr(table, "threads", ONE_THREAD)
    if threads.n == 1:
        yield from map(function, calls)
        return
    at_once = threads.n * (each if table.readable(dtype) else 1)
    while some := list(islice(calls, at_once)):
        yield from threads.map(function, some)


def losses_of_call(plan: Plan, W: NDArray[Any], b: NDArray[Any], seed: int, held_out: bool, call: Any) -> NDArray[Any]:
    """The `values` of LossSums of the rows of a kernel call."""
    values, (part, order, _) = np.zeros((2, len(b))), call
    given = part.X, order, part.target(), W, b, plan.compiled, values
    if not plan.separate:
        kernels.total(*given)
    else:
        kernels.total_models(*given, seed, held_out)
    return values


@dataclass(frozen=True)
class LossSums:
    """Losses and weights of rows.

    Attributes
    ----------
    values : (2, K) float64
        Sum of s loss and sum of s, of each head.
    """

    values: NDArray[Any]

    @classmethod
    def of(
        cls, table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any], *, seed: int = 0, held_out: bool = False
    ) -> Self:
        """Those of a table at the true weights W (n_features, S) and intercepts b (K).

        Heads with records of their own have rows of their own: those that they are trained on, the resamples being drawn by
        `seed`, that of the state; or with `held_out` those of the fold that they leave out, each row once.
        """
        if held_out and not plan.separate:
            raise ValueError("held_out=True needs heads with records of their own, each of which may leave out a fold.")
        if table.scaling is not None:  # The rows are read as they are, and the model goes to their units.
            table, (W, b) = replace(table, scaling=None), table.scaling.outward(W, b)

        of_call = partial(losses_of_call, plan, W, b, seed, held_out)
        found = total(_of_calls(table, of_call, W.dtype, len(b), 16))
        return cls(np.zeros((2, len(b))) if found is None else found)

    def __add__(self, other: "LossSums") -> "LossSums":
        return LossSums(self.values + other.values)

    def finish(self) -> list[float]:
        """The mean loss of each head, 0 where its rows have no weight: a list of floats."""
        losses, weights = self.values.tolist()
        return [loss / weight if weight > 0 else 0.0 for loss, weight in zip(losses, weights, strict=True)]


@dataclass(frozen=True)
class SlopeSums:
    """Losses, weights, and slopes in the weights and intercepts, without the penalty.

    Attributes
    ----------
    losses : LossSums
    W : (n_features, S) float64
    b : (K,) float64
    """

    losses: LossSums
    W: NDArray[Any]
    b: NDArray[Any]

    @classmethod
    def of(cls, table: Any, plan: Plan, W: NDArray[Any], b: NDArray[Any]) -> Self:
        """Those of a table at the true weights W (n_features, S) and intercepts b (K); inf where a margin is not finite."""
        K = len(b)
        W = np.ascontiguousarray(W)

        def of_call(call: Any) -> tuple[int, NDArray[Any], Gathered]:
            still = State(
                W, b, np.zeros(K), mb=np.zeros(K), vb=np.zeros(K)
            )  # each its own, as kernels write to the clock
            values, gathered, (part, order, _) = np.zeros((2, K)), Gathered(W, K), call
            given = part.X, order, part.target(), still, plan.compiled, values, gathered
            return kernels.batches(*given, True), values, gathered

        values, slopes, of_b = np.zeros((2, K)), np.zeros(W.shape), np.zeros(K)
        for fault, of_losses, gathered in _of_calls(table, of_call, W.dtype, K):
            if fault:
                losses = LossSums(np.array([np.full(K, np.inf), np.ones(K)]))
                return cls(losses, np.full(W.shape, np.inf), np.full(K, np.inf))
            values += of_losses
            slopes += gathered.G  # This sum is in float64, whatever the dtype.
            of_b += gathered.gb
        return cls(LossSums(values), slopes, of_b)

    def __add__(self, other: "SlopeSums") -> "SlopeSums":
        return SlopeSums(self.losses + other.losses, self.W + other.W, self.b + other.b)

    def finish(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(mean loss of each head, its slopes in W, in b)"""
        K, weight = len(self.b), self.losses.values[1]
        weight = np.where(weight > 0, weight, 1.0)
        W = self.W.copy()
        W[:, :K] /= weight
        return np.array(self.losses.finish()), W, self.b / weight


@dataclass(frozen=True)
class Moments:
    """Weight, means and squares of the deviations from these, of each column of some rows.

    Attributes
    ----------
    weight : float
        Of all rows.
    mean : (n_columns,) float64
    squares : (n_columns,) float64
        Sum of s (x - mean)^2.
    """

    weight: float
    mean: NDArray[Any]
    squares: NDArray[Any]

    @classmethod
    def of(cls, values: NDArray[Any], weight: NDArray[Any]) -> Self:
        """Those of float64 values (n, n_columns), of rows of these weights (n,)."""
        all_weight = float(weight.sum())
        mean = weight @ values / all_weight if all_weight > 0 else np.zeros(values.shape[1])
        return cls(all_weight, mean, weight @ (values - mean) ** 2)

    def __add__(self, other: "Moments") -> "Moments":
        """Chan, Golub and LeVeque (1983), eq. 2.1."""
        if not (self.weight and other.weight):
            return self if self.weight else other
        weight = self.weight + other.weight
        off, share = other.mean - self.mean, other.weight / weight
        squares = self.squares + other.squares + off * off * (self.weight * share)
        return Moments(weight, self.mean + off * share, squares)

    def finish(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """(mean, standard deviation) of each column; the weight must not be 0."""
        return self.mean, np.sqrt(np.maximum(0.0, self.squares / self.weight))


@dataclass(frozen=True)
class Labels:
    """Rows, and how many of them have each label, or how much probability each class has.

    Attributes
    ----------
    n_rows : int
    weighed : bool
        Whether a row has a weight.
    labels, counts : arrays, or None
        The sorted labels, and in how many rows each is.
    mass : (n_classes,) float64, or None
        The probabilities of each class, added up; labels of other parts are then 0 and 1.
    """

    n_rows: int = 0
    weighed: bool = False
    labels: NDArray[Any] | None = None
    counts: NDArray[Any] | None = None
    mass: NDArray[Any] | None = None

    @classmethod
    def of(cls, y: NDArray[Any], weight: NDArray[Any] | None = None, soft: bool | None = None) -> Self:
        """Those of y (n,) or, if `soft`, of probabilities (n, n_classes); with soft=None the rows alone are counted."""
        rows = len(y), len(y) > 0 and (weight is None or bool(weight.any()))
        if soft is None or not len(y):
            return cls(*rows)
        if soft:
            return cls(*rows, mass=y.sum(axis=0))
        labels, counts = np.unique(y, return_counts=True)
        return cls(*rows, labels, counts.astype(np.float64))

    @property
    def soft(self) -> bool:
        """Whether some rows have probabilities."""
        return self.mass is not None

    def __add__(self, other: "Labels") -> "Labels":
        both = Labels(
            self.n_rows + other.n_rows,
            self.weighed or other.weighed,
            *_counted(self, other),
            _mass(self.mass, other.mass),
        )
        if both.mass is not None and both.labels is not None:
            odd = [label for label in both.labels.tolist() if label not in (0, 1) or len(both.mass) > 2]
            if odd:
                raise ValueError(
                    f"y holds probabilities of the classes in some blocks, and the label {odd[0]!r} in others."
                )
        return both

    def finish(self) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
        """(classes, counts), counts being of rows or of probability"""
        if self.mass is None:
            return self.labels, self.counts
        mass = self.mass.copy()
        if self.labels is not None:
            mass[self.labels.astype(int)] += self.counts
        return np.arange(len(mass), dtype=float), mass


def _counted(a: Labels, b: Labels) -> tuple[NDArray[Any] | None, NDArray[Any] | None]:
    """(labels, counts) of both."""
    if a.labels is None or b.labels is None:
        one = b if a.labels is None else a
        return one.labels, one.counts
    if (a.labels.dtype.kind in "OSU") != (b.labels.dtype.kind in "OSU"):
        raise ValueError(f"y holds numbers in some blocks, and words in others, such as {b.labels[0]!r}.")
    labels, place = np.unique(joined([a.labels, b.labels]), return_inverse=True)
    return labels, np.bincount(place, np.concatenate([a.counts, b.counts]))


def _mass(a: NDArray[Any] | None, b: NDArray[Any] | None) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if len(a) != len(b):
        raise ValueError(f"y holds probabilities of {len(a)} classes in some blocks, and of {len(b)} in others.")
    return a + b


def joined(ys: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The targets of several parts. Whole numbers are not rounded where some parts are signed and others are not."""
    whole = [y for y in ys if y.dtype.kind in "iu" and len(y)]
    if len({y.dtype.kind for y in whole}) == 2 and all(y.dtype.kind in "iu" for y in ys):
        low, high = min(int(y.min()) for y in whole), max(int(y.max()) for y in whole)
        if low < 0 and high >= 2**63:
            raise ValueError(f"y holds both {low} and {high}, which no type of whole numbers does: make them words.")
        ys = [y.astype(np.int64 if high < 2**63 else np.uint64) for y in ys]
    return np.concatenate(ys)


@dataclass(frozen=True)
class Scores:
    """What scores are made of: of each quantity its sum over the rows, and the moments of the targets.

    Attributes
    ----------
    n_rows : int
    weight : float
        Of all rows.
    sums : dict of str to (n_targets,) float64
        Sum of s x, by the name of x.
    targets : Moments or None
    """

    n_rows: int = 0
    weight: float = 0.0
    sums: dict[str, NDArray[Any]] = field(default_factory=dict)
    targets: Any = None

    @classmethod
    def of(cls, weight: NDArray[Any], **values: NDArray[Any]) -> Self:
        """Those of values (n,) or (n, n_targets) of rows of these weights (n,)."""
        sums = {name: np.atleast_1d(weight @ x) for name, x in values.items()}
        return cls(len(weight), float(weight.sum()), sums)

    @classmethod
    def of_regression(cls, y: NDArray[Any], predicted: NDArray[Any], weight: NDArray[Any]) -> Self:
        """The absolute and the squared errors, as "absolute" and "squared", and the targets."""
        y, predicted = (np.asarray(a if a.ndim == 2 else a[:, None], np.float64) for a in (y, predicted))
        errors = cls.of(weight, absolute=abs(y - predicted), squared=(y - predicted) ** 2)
        return replace(errors, targets=Moments.of(y, weight))

    def __add__(self, other: "Scores") -> "Scores":
        n_rows, weight = self.n_rows + other.n_rows, self.weight + other.weight
        sums = {name: x + other.sums[name] for name, x in self.sums.items()}
        return Scores(n_rows, weight, sums, None if self.targets is None else self.targets + other.targets)

    def finish(self) -> dict[str, float]:
        """The mean of each quantity, mean over the targets; NaN without a weight."""
        return {name: float(np.mean(x) / self.weight) if self.weight > 0 else np.nan for name, x in self.sums.items()}

    def r2(self) -> NDArray[Any]:
        """The coefficient of determination of each target, NaN where it is constant: (n_targets,)."""
        error, variation = self.sums["squared"], self.targets.squares
        return 1.0 - error / np.where(variation > 0, variation, np.nan)
