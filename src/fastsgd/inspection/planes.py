"""Lines and planes in the space of models: which there are to look at, and where paths lie on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastsgd.inspection.style import by_name

MAX_PATH_POINTS = 2000  # A longer path is thinned to as many.
INDEPENDENT = 1e-10  # The least share of a direction that the other one must not have.


class SurfacePath(NamedTuple):
    """A path on a line or plane.

    Attributes
    ----------
    coordinates : ndarray of shape (n_points, n_directions)
        The point of the plane that is nearest to each point of the path.
    values : ndarray of shape (n_points,)
        The function at that point of the plane.
    distance : ndarray of shape (n_points,)
        How far the path is from the plane: 0 where it stays on it, and the values are then those of the path itself.
    """

    coordinates: NDArray[np.float64]
    values: NDArray[np.float64]
    distance: NDArray[np.float64]


@dataclass(frozen=True)
class Space:
    """The numbers of a model, flat: coef_.ravel() followed by intercept_.ravel(), or w.ravel() of a function of w.

    Attributes
    ----------
    coef_shape : tuple
    intercepts : int
        How many there are at the end; 0 for a function.
    features : list of str or None
        Their names; None where numbers have only places.
    heads : list
        The classes, or numbers of the targets, whose models there are; of one, [None].
    has_intercept : bool
        Whether the intercepts are numbers that are trained.
    """

    coef_shape: tuple[int, ...]
    intercepts: int
    features: list[str] | None
    heads: list[Any]
    has_intercept: bool

    @property
    def size(self) -> int:
        """The numbers of a model."""
        return int(np.prod(self.coef_shape)) + self.intercepts

    @property
    def width(self) -> int:
        """The coefficients of one class or target."""
        return (self.size - self.intercepts) // len(self.heads)

    def is_name(self, one: Any) -> bool:
        """Whether it names a weight and is no vector."""
        pair = isinstance(one, tuple) and len(one) == 2 and (len(self.heads) > 1 or isinstance(one[0], str))
        return isinstance(one[0] if pair else one, str | Integral)

    def weight(self, which: Any) -> tuple[int, str]:
        """(place, label) of a weight that is named by its feature, its place, or "intercept"; or by such a name and a class."""
        head, d, of_head = 0, self.width, ""
        if isinstance(which, tuple):
            if which[1] not in self.heads:
                raise ValueError(f"directions: {which!r} must name one of {self.heads}, or no class.")
            which, head = which[0], self.heads.index(which[1])
        if len(self.heads) > 1:
            of_head = f" ({self.heads[head]})"
        if isinstance(which, Integral) and not isinstance(which, bool):
            if not -d <= int(which) < d:
                raise ValueError(f"directions: there is no weight {which}, there are {d}.")
            j = int(which) % d
        elif self.features is not None and which in self.features:
            j = self.features.index(which)
        elif which == "intercept" and self.intercepts:
            if not self.has_intercept:
                raise ValueError(
                    'directions has "intercept", which is not trained: the estimator has fit_intercept=False.'
                )
            return self.size - self.intercepts + head, f"intercept{of_head}"
        else:
            some = ", ".join(map(repr, (self.features or [])[:5]))
            known = f" such as {some}" if some else ""
            raise ValueError(
                f"directions: there is no weight {which!r}. Name a feature{known} or 'intercept', or give its place, from 0 to "
                f"{d - 1}."
            )
        label = f"w{j}" if self.features is None else f"weight of {self.features[j]}"
        return head * d + j, label + of_head

    def flat(self, given: Any, argument: str, fill: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, size) of what a path may be; intercepts that are not given are those of `fill`."""
        if hasattr(given, "fit") and not hasattr(given, "path_"):
            raise ValueError(
                f"{argument} is a {type(given).__name__} without path_: fit it with record='coef', or give an array of its "
                "coefficients."
            )
        given = getattr(given, "path_", given)
        if hasattr(given, "coef") and hasattr(given, "intercept"):
            given = given.coef, given.intercept
        given = getattr(given, "path", given)
        parts = given if self.intercepts and isinstance(given, tuple) and len(given) == 2 else (given,)
        try:
            arrays = [np.asarray(part, np.float64) for part in parts]
        except (TypeError, ValueError):
            raise ValueError(f"{argument} must be an array of points, found {type(given).__name__}.") from None
        arrays = [a.reshape(len(a), -1) if a.ndim else a.reshape(0, 0) for a in arrays]
        n, width = len(arrays[0]), self.size - self.intercepts
        if not n or any(len(a) != n for a in arrays):
            raise ValueError(f"{argument} has no points, or not as many intercepts as coefficients.")
        z = np.concatenate(arrays, axis=1)
        if z.shape[1] == width and self.intercepts:
            z = np.hstack([z, np.broadcast_to(fill[width:], (n, self.intercepts))])
        if z.shape[1] != self.size:
            with_intercept = f", followed by {self.intercepts} intercepts or none" if self.intercepts else ""
            several = "; several paths go into a dict" if argument == "paths" else ""
            raise ValueError(
                f"{argument} must have points of shape {self.coef_shape}{with_intercept}, found {z.shape[1]} numbers in "
                f"each{several}."
            )
        z = z[np.isfinite(z).all(axis=1)]  # A run that diverged ends where numbers overflow.
        if not len(z):
            raise ValueError(f"{argument} has no points of finite numbers.")
        z = z[np.unique(np.linspace(0, len(z) - 1, min(len(z), MAX_PATH_POINTS)).round().astype(int))]
        return np.asarray(z, np.float64)


@dataclass(frozen=True)
class Plane:
    """A line or plane: origin + coordinates @ directions.

    Attributes
    ----------
    origin : (size,)
    directions : (m, size), m 1 or 2
    labels : tuple of m str
    centre : (m,)
        The coordinates of the point that it was laid through.
    """

    origin: NDArray[np.float64]
    directions: NDArray[np.float64]
    labels: tuple[str, ...]
    centre: NDArray[np.float64]

    def project(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(coordinates, distance) of points (n, size)."""
        off = points - self.origin
        coordinates = np.asarray(np.linalg.lstsq(self.directions.T, off.T, rcond=None)[0].T, np.float64)
        return coordinates, np.linalg.norm(off - coordinates @ self.directions, axis=1)


def paths_of(given: Any, space: Space, fill: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """{name: points} of a path, or a dict of them."""
    if given is None:
        return {}
    single = hasattr(given, "path") or not isinstance(given, Mapping)  # OptimizeResult is a dict with a path.
    runs = {"": given} if single else by_name(given, "paths", "path")
    return {name: space.flat(run, f"paths[{name!r}]" if name else "paths", fill) for name, run in runs.items()}


def lay(
    directions: Any,
    space: Space,
    point: NDArray[np.float64],
    paths: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
    hessian: Callable[[], NDArray[np.float64]] | None = None,
) -> Plane:
    """The Plane through a point that the user asks for, as `LossSurfaceDisplay.from_estimator` says."""
    if directions is None:
        directions = _usual(space, paths)
    if isinstance(directions, str) and directions in ("random", "path", "hessian"):
        return _through(point, *_found(directions, space, point, paths, rng, hessian))
    if isinstance(directions, str | Integral):
        directions = [directions]
    if not isinstance(directions, Sequence | np.ndarray) or len(directions) not in (1, 2):
        raise ValueError(
            f"directions must be one or two weights or vectors, 'random', 'path' or 'hessian', found {directions!r:.80}."
        )
    named = [space.is_name(one) for one in directions]
    if all(named):
        places, labels = zip(*(space.weight(one) for one in directions), strict=True)
        if len(set(places)) < len(places):
            raise ValueError(f"directions must be two different weights, found {list(directions)!r}.")
        origin = point.copy()
        origin[list(places)] = 0.0  # so that coordinates are the weights themselves
        return Plane(origin, _units(places, space.size), labels, point[list(places)])
    vectors: list[NDArray[np.float64]] = []
    called: list[str] = []
    for k, one in enumerate(directions):
        if named[k]:
            place, label = space.weight(one)
            vectors.append(_units([place], space.size)[0])
        else:
            label = f"direction {k + 1}"
            vectors.append(space.flat([_vector(one)], f"directions[{k}]", np.zeros(space.size))[0])
        called.append(label)
    return _through(point, np.array(vectors), called)


def _vector(given: Any) -> Any:
    """The numbers of a direction; of a pair such as `gradient` gives, those of the coefficients and then of the intercepts."""
    if isinstance(given, tuple) and len(given) == 2 and hasattr(given, "coef"):
        return np.append(np.ravel(given[0]), given[1])
    return np.ravel(given)


def _units(places: Sequence[int], size: int) -> NDArray[np.float64]:
    units = np.zeros((len(places), size))
    units[np.arange(len(places)), list(places)] = 1.0
    return units


def _through(point: NDArray[np.float64], vectors: NDArray[np.float64], labels: Sequence[str]) -> Plane:
    """The plane whose coordinates are 0 at the point."""
    length = np.linalg.norm(vectors, axis=1)
    if not length.all():
        raise ValueError(f"directions[{int(length.argmin())}] is 0: it leads nowhere.")
    if len(vectors) == 2 and np.linalg.svd(vectors / length[:, None], compute_uv=False)[-1] < INDEPENDENT:
        raise ValueError("directions must be two that differ, found two along one line.")
    return Plane(point, vectors, tuple(labels), np.zeros(len(vectors)))


def _usual(space: Space, paths: Mapping[str, NDArray[np.float64]]) -> Any:
    """The weights where there are few, else the plane of the paths, or any."""
    d = space.width
    if d == 1:
        return [0, "intercept"] if space.has_intercept else [0]
    if d == 2:
        return [0, 1]
    return "path" if any(len(points) > 1 for points in paths.values()) else "random"


def _found(
    which: str,
    space: Space,
    point: NDArray[np.float64],
    paths: Mapping[str, NDArray[np.float64]],
    rng: np.random.Generator,
    hessian: Callable[[], NDArray[np.float64]] | None,
) -> tuple[NDArray[np.float64], list[str]]:
    """Up to two directions of length 1 and at right angles, and what to call them."""
    free = space.size if space.has_intercept or not space.intercepts else space.size - space.intercepts
    if which == "random":
        found = np.linalg.qr(rng.standard_normal((free, min(2, free))))[0].T
        labels = [f"random direction {k + 1}" for k in range(len(found))]
    elif which == "path":
        if not paths:
            raise ValueError("directions='path' is the plane of most of the paths: give paths, too.")
        off = (np.concatenate(list(paths.values())) - point)[:, :free]
        _, lengths, found = np.linalg.svd(off, full_matrices=False)
        share, n = lengths**2 / max(float((lengths**2).sum()), np.finfo(float).tiny), 2
        n = int((lengths[:2] > INDEPENDENT * max(lengths[0], np.finfo(float).tiny)).sum())
        if not n:
            raise ValueError("directions='path' needs a path that moves, found one that stays where it is.")
        found = found[:n]
        labels = [f"principal direction {k + 1} ({_percent(share[k])})" for k in range(n)]
    else:
        if hessian is None:
            raise ValueError("directions='hessian' is for estimators: a function has no Hessian that is known here.")
        try:
            values, vectors = np.linalg.eigh(hessian())
        except ValueError as error:
            raise ValueError(f"directions='hessian': {error}") from None
        found = vectors[:, ::-1][:, :2].T
        labels = [f"eigenvector of curvature {value:.3g}" for value in values[::-1][:2]]
    return np.pad(found, ((0, 0), (0, space.size - found.shape[1]))), labels


def _percent(share: float) -> str:
    return f"{share:.0%}" if 0.01 <= share <= 0.99 else "<1%" if share < 0.01 else ">99%"


def spans(given: Any, centre: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """(low, high) of each coordinate, (m, 2), of what the user gives; None for None."""
    if given is None:
        return None
    try:
        values = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        values = np.empty((0, 0))
    m = len(centre)
    if values.shape == ():
        values = centre[:, None] + float(values) * np.array([-1.0, 1.0])
    elif values.shape == (2,):
        values = np.tile(values, (m, 1))
    if values.shape != (m, 2) or not np.isfinite(values).all() or not (values[:, 0] < values[:, 1]).all():
        raise ValueError(
            f"span must be a number above 0 (on each side), (low, high), or such a pair for each of {m} directions, low < high; "
            f"found {given!r}."
        )
    return values


def sizes(n_points: Any, m: int, usual: int) -> list[int]:
    """How many points along each of m coordinates."""
    given = usual if n_points is None else n_points
    counts = [given] * m if isinstance(given, Integral) else list(np.ravel(given))
    if len(counts) != m or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 2 for n in counts):
        raise ValueError(f"n_points must be a whole number of at least 2, or {m} of them, found {n_points!r}.")
    return [int(n) for n in counts]
