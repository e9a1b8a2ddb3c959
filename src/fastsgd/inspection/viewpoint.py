"""From where an objective or a function is looked at: the point, the names of its numbers, and how far around it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.inspection.planes import Plane, Space

MARGINS, LOG_MARGINS = 4.0, 1.5  # How far margins of classes, or logarithms of means, are moved from the centre.
PATH_ROOM, LEAST_ROOM, MOST_ROOM = 0.25, 0.1, 5.0  # of the paths' extent; of the usual span, below and above


def point(estimator: Any, X: Any, y: Any, given: Any, sample_weight: Any) -> Any:
    """The point of an estimator's objective at a model, coef or (coef, intercept); None: the fitted one, or zeros."""
    if not hasattr(estimator, "_point"):
        why = "; give its last step, and rows as that sees them" if hasattr(estimator, "steps") else ""
        if hasattr(estimator, "alpha_"):
            why = f"; give one with alpha={estimator.alpha_:.3g}, which this one has chosen"
        raise ValueError(
            "estimator must be an SGDClassifier, SGDRegressor, LinearClassifier or LinearRegressor, found "
            f"{type(estimator).__name__}{why}."
        )
    coef, intercept = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    return estimator._point(X, y, coef, intercept, sample_weight, or_zero=True)


def space(at: Any) -> Space:
    """The Space of the models of an estimator."""
    est, (K, d) = at.est, at.own[0].shape
    features = [str(name) for name in getattr(est, "feature_names_in_", [f"x{j}" for j in range(d)])]
    heads = [None] if K == 1 else getattr(est, "classes_", np.arange(K)).tolist()
    flat = K == 1 and getattr(est, "_y_ndim", 2) == 1
    return Space((d,) if flat else (K, d), K, features, heads, bool(est.fit_intercept))


def usual_spans(at: Any, plane: Plane, projected: Mapping[str, Any]) -> NDArray[np.float64]:
    """(low, high) of each coordinate: around the paths, or as far as margins of classes or targets vary."""
    of_y, of_products = at.spreads(plane.directions)
    loss = at.plan.loss
    reach = MARGINS if hasattr(at.est, "classes_") else LOG_MARGINS if loss.offers("mean") else of_y
    half = np.where(of_products > 0, (reach or 1.0) / np.where(of_products > 0, of_products, 1.0), 1.0)
    half = np.maximum(half, 1e-8 * abs(plane.centre))
    if not projected:
        low, high = plane.centre - half, plane.centre + half
        return np.asarray(np.stack([low, high], axis=1), np.float64)
    there = np.concatenate([plane.centre[None], *(coordinates for coordinates, _ in projected.values())])
    there = np.clip(there, plane.centre - MOST_ROOM * half, plane.centre + MOST_ROOM * half)
    low, high = there.min(axis=0), there.max(axis=0)
    room = np.maximum(PATH_ROOM * (high - low), LEAST_ROOM * half)
    return np.asarray(np.stack([low - room, high + room], axis=1), np.float64)


def shape_of(paths: Any, m: int) -> tuple[int, ...]:
    """The shape of w, of m numbers, of whose paths one is given."""
    one = next(iter(paths.values()), None) if isinstance(paths, Mapping) and not hasattr(paths, "path") else paths
    shape = np.shape(getattr(one, "path", one))[1:] if one is not None else (m,)
    return shape if np.prod(shape, dtype=int) == m else (m,)


def number(value: Any) -> float:
    """What a user's function gives."""
    found = np.asarray(value, np.float64)
    if found.size != 1:
        raise ValueError(f"f must give one number, it gave an array of shape {found.shape}.")
    return float(found.item())
