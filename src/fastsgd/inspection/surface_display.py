"""LossSurfaceDisplay: the objective on a line or plane of models, and paths of optimizers on it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.estimators.hints import Data, RandomState
from fastsgd.inspection import planes, style, surface_drawing, viewpoint
from fastsgd.inspection.planes import Plane, Space, SurfacePath
from fastsgd.random_states import generator

CURVE_POINTS, PLANE_POINTS = 201, 61  # along each coordinate


class LossSurfaceDisplay:
    """The objective along one direction, or on a plane, in the space of models; with the paths of optimizers on it.

    Make one by `from_estimator` or `from_function`; `plot` draws it again, elsewhere or otherwise.

    Parameters
    ----------
    coordinates : sequence of one or two ndarrays
        The values along each direction.
    values : ndarray of shape (n_points,) or (n_points of the second direction, n_points of the first)
        The function there.
    labels : sequence of str
        What the directions are called.
    paths : dict of str to SurfacePath, default=None
    point : (ndarray of shape (n_directions,), float), default=None
        Coordinates of the fitted model, and the function there.
    value_name : str, default="objective"
        What the function is called.
    name : str, default=None
        A title.

    Attributes
    ----------
    ax_, figure_ : matplotlib Axes and Figure
    surface_ : matplotlib contour set or surface, or None for a curve
    line_ : matplotlib Line2D, or None where it is no curve
    lines_ : list of matplotlib lines
        Those of the paths.
    colorbar_ : matplotlib Colorbar or None
    marks_ : dict of str to matplotlib artist
        "minimum" and "fitted", as far as they are drawn.

    See Also
    --------
    fastsgd.SGDClassifier.objective : the function at one point; `hessian` has its curvature.
    fastsgd.minimize : gives paths of optimizers on any function.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein (2018), Visualizing the loss landscape of neural nets.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.inspection import LossSurfaceDisplay
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 2))
    >>> reg = SGDRegressor(random_state=0).fit(X, X @ [1.0, 2.0])
    >>> display = LossSurfaceDisplay.from_estimator(reg, X, X @ [1.0, 2.0], span=[(-1, 3), (0, 4)], n_points=41)
    >>> display.values.shape, display.minimum[0].round(1)
    ((41, 41), array([1., 2.]))
    """

    def __init__(
        self,
        *,
        coordinates: Sequence[NDArray[Any]],
        values: NDArray[Any],
        labels: Sequence[str],
        paths: Mapping[str, SurfacePath] | None = None,
        point: tuple[NDArray[Any], float] | None = None,
        value_name: str = "objective",
        name: str | None = None,
    ) -> None:
        self.coordinates = coordinates
        self.values = values
        self.labels = labels
        self.paths = paths
        self.point = point
        self.value_name = value_name
        self.name = name

    @property
    def minimum(self) -> tuple[NDArray[np.float64], float]:
        """Coordinates of the least value of the grid, and that value."""
        if not np.isfinite(self.values).any():
            raise ValueError("no value of the grid is finite: take a smaller span.")
        place = np.unravel_index(
            np.nanargmin(np.where(np.isfinite(self.values), self.values, np.nan)), self.values.shape
        )
        at = [axis[k] for axis, k in zip(self.coordinates, place[::-1], strict=True)]
        return np.array(at, np.float64), float(self.values[place])

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Data,
        y: ArrayLike | None = None,
        *,
        directions: Any = None,
        span: Any = None,
        n_points: int | Sequence[int] | None = None,
        paths: Any = None,
        point: Any = None,
        sample_weight: ArrayLike | None = None,
        random_state: RandomState = 0,
        **plot_kw: Any,
    ) -> Self:
        """Work out `estimator.objective` on a line or plane, in one pass over the rows, and draw it.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor, LinearClassifier or LinearRegressor
            Fitted or not.
        X, y, sample_weight
            As in `estimator.objective`.
        directions : str, int, or sequence of one or two weights or vectors, default=None
            A weight is the name of a feature, its place, or "intercept"; of several classes, or targets, a pair such as
            ("age", "a"), without which it is that of the first. All others then stay what they are at the point.
            A vector has the shape of `coef_`, or the length of ``coef_.ravel()`` followed by ``intercept_.ravel()``, as the
            eigenvectors of `estimator.hessian` have; or is a pair of both, as `estimator.gradient` gives. "random": two
            random ones of length 1, at right angles. "path": the two in which the paths, less the point, are longest.
            "hessian": those of most curvature at the point. None: the weights (and intercept) of one feature, the weights
            of two; of more features "path" where there are paths, else "random".
        span : float, (low, high), or one such pair for each direction, default=None
            The values of a weight, or steps along a vector from the point; a single number goes to each side of the point. None:
            around the paths; without these from the standard deviation of y, or margins of classes, which takes another
            pass over the rows.
        n_points : int or two int, default=None
            Along each direction. None: 201 for a curve, 61 by 61 for a plane.
        paths : path, or dict of str to path, default=None
            A fitted estimator with `path_` (`fit(..., record="coef")`), such a `path_`, a pair (coefs, intercepts), or an
            array of points: of shape ``(n, *coef_.shape)``, or flat, intercepts last or left out. They are projected on the
            plane. Of one with more than 2,000 points that many are taken.
        point : coef or (coef, intercept), default=None
            The model through which the plane goes. None: the fitted one; zeros if the estimator is not fitted.
        random_state : int, Generator or RandomState, default=0
            Of random directions.
        **plot_kw
            As in `plot`: ax, name, kind, levels, ...

        Returns
        -------
        LossSurfaceDisplay

        Raises
        ------
        ValueError
            A bad argument or bad data.
        ImportError
            matplotlib is not installed.

        Notes
        -----
        The margins of a row at a point of the plane are m_0 + u m_1 + v m_2: three products for each row, whatever the number of
        points, whose losses are then worked out in blocks. All values agree with `estimator.objective` to rounding.
        "random" and "path" take weights as they are: where columns differ in scale, the weights of small columns are most of
        both. Scale the columns, or name two weights.
        """
        at = viewpoint.point(estimator, X, y, point, sample_weight)
        space, own = viewpoint.space(at), np.append(*at.own)
        runs = planes.paths_of(paths, space, own)

        def hessian() -> NDArray[np.float64]:
            there = {"coef": np.reshape(at.own[0], space.coef_shape), "intercept": at.own[1]}
            found: NDArray[np.float64] = estimator.hessian(X, y, **there, sample_weight=sample_weight)
            return found

        plane = planes.lay(directions, space, own, runs, generator(random_state), hessian)
        limits = planes.spans(span, plane.centre)
        projected = {name: plane.project(points) for name, points in runs.items()}
        if limits is None:
            limits = viewpoint.usual_spans(at, plane, projected)
        fitted = point is None and hasattr(estimator, "coef_")

        def function(points: NDArray[np.float64]) -> NDArray[np.float64]:
            found: NDArray[np.float64] = at.objectives(plane.origin, plane.directions, points)
            return found

        return cls._of(plane, function, limits, n_points, projected, fitted, "objective").plot(**plot_kw)

    @classmethod
    def from_function(
        cls,
        f: Callable[[NDArray[Any]], float],
        span: Any,
        *,
        point: ArrayLike | None = None,
        directions: Any = None,
        n_points: int | Sequence[int] | None = None,
        paths: Any = None,
        random_state: RandomState = 0,
        **plot_kw: Any,
    ) -> Self:
        """Draw a function of one number, of two, or of more along one or two directions.

        Parameters
        ----------
        f : callable
            f(w) -> float, as `fastsgd.minimize` takes it.
        span : (low, high), or a pair of such pairs
            The values of w. One pair for a function of one number, two for one of two; with `point` as in `from_estimator`.
        point : array-like, default=None
            A w through which the line or plane goes: for functions of more numbers. None: the numbers are those of the span.
        directions : as in `from_estimator`, default=None
            Places of numbers of w, or vectors; "path", or "random".
        n_points : int or two int, default=None
            As in `from_estimator`. f is called for each point.
        paths : path, or dict of str to path, default=None
            What `fastsgd.minimize` gives, or arrays of shape (n, \\*w.shape).
        random_state : int, Generator or RandomState, default=0
        **plot_kw
            As in `plot`.

        Returns
        -------
        LossSurfaceDisplay

        Raises
        ------
        ValueError
            A bad argument, or f gives no number.

        Examples
        --------
        >>> import matplotlib
        >>> matplotlib.use("Agg")
        >>> from fastsgd import minimize
        >>> from fastsgd.inspection import LossSurfaceDisplay
        >>> def rosenbrock(w):
        ...     return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
        >>> runs = {name: minimize(rosenbrock, [-1.0, 1.5], optimizer=name, eta0=1e-3) for name in ("sgd", "momentum")}
        >>> display = LossSurfaceDisplay.from_function(rosenbrock, [(-1.5, 1.5), (-0.5, 2)], paths=runs, n_points=41)
        >>> [line.get_label() for line in display.lines_]
        ['sgd', 'momentum']
        """
        if not callable(f):
            raise ValueError(f"f must be a function of w, found {type(f).__name__}.")
        if point is None:
            shape = np.shape(span)
            if shape not in ((2,), (1, 2), (2, 2)):
                raise ValueError(
                    f"span must be (low, high) for a function of one number, or two such pairs for one of two, found {span!r}; "
                    "functions of more need `point`."
                )
            m = 1 if len(shape) == 1 else shape[0]
            w, directions = np.zeros(viewpoint.shape_of(paths, m)), list(range(m)) if directions is None else directions
        else:
            w = np.asarray(point, np.float64)
        if not w.size or not np.isfinite(w).all():
            raise ValueError(f"point must hold finite numbers, at least one, found {point!r}.")
        space = Space(w.shape, 0, None, [None], False)
        runs = planes.paths_of(paths, space, w.ravel())
        plane = planes.lay(directions, space, w.ravel(), runs, generator(random_state))
        limits = planes.spans(span, plane.centre)
        if limits is None:
            raise ValueError("span must be given for a function: the values of w, low and high.")
        projected = {name: plane.project(points) for name, points in runs.items()}

        def function(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.array(
                [viewpoint.number(f((plane.origin + z @ plane.directions).reshape(w.shape))) for z in points]
            )

        return cls._of(plane, function, limits, n_points, projected, False, "f(w)").plot(**plot_kw)

    @classmethod
    def _of(
        cls,
        plane: Plane,
        function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        limits: NDArray[np.float64],
        n_points: Any,
        projected: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
        fitted: bool,
        value_name: str,
    ) -> Self:
        """The display of a function of coordinates (n, m), which is called once: for the grid, the paths and the point."""
        m = len(limits)
        counts = planes.sizes(n_points, m, CURVE_POINTS if m == 1 else PLANE_POINTS)
        axes = [np.linspace(low, high, n) for (low, high), n in zip(limits, counts, strict=True)]
        grid = np.stack(np.meshgrid(*axes), axis=-1)
        parts = [grid.reshape(-1, m), *(coordinates for coordinates, _ in projected.values()), plane.centre[None]]
        with np.errstate(all="ignore"):
            found = np.split(function(np.concatenate(parts)), np.cumsum([len(part) for part in parts])[:-1])
        on_paths = zip(projected.items(), found[1:], strict=False)
        return cls(
            coordinates=axes,
            values=found[0].reshape(grid.shape[:-1]),
            labels=plane.labels,
            paths={name: SurfacePath(where, heights, off) for (name, (where, off)), heights in on_paths},
            point=(plane.centre, float(found[-1][0])) if fitted else None,
            value_name=value_name,
        )

    def plot(
        self,
        ax: Any = None,
        *,
        name: str | None = None,
        kind: str | None = None,
        levels: int | ArrayLike = 14,
        log_levels: bool | None = None,
        marks: Sequence[str] = ("minimum", "fitted"),
        colorbar: bool | None = None,
        surface_kw: dict[str, Any] | None = None,
        path_kw: Any = None,
        mark_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; of projection "3d" for a surface. None makes a new figure.
        name : str, default=None
            A title.
        kind : {"curve", "contour", "surface"}, default=None
            None: a curve for one direction, contours for two.
        levels : int or array-like, default=14
            How many contours, or at which values: those between which colours change, on a surface too.
        log_levels : bool, default=None
            Whether the levels are closer to each other near the minimum, as logarithms of the distance from it. None: where
            the function rises far above its middle.
        marks : sequence of {"minimum", "fitted"}, default=("minimum", "fitted")
            What to mark: the least value of the grid, where it is not at the edge, and the fitted model.
        colorbar : bool, default=None
            None: with contours, as the height of a surface has an axis.
        surface_kw : dict, default=None
            For matplotlib's `contourf`, `plot_surface` or (curve) `plot`; overrides single defaults.
        path_kw : dict or list of dict, default=None
            For the lines of the paths, one for all or one for each.
        mark_kw : dict, default=None
            For the marks.

        Returns
        -------
        LossSurfaceDisplay
            Itself.

        Raises
        ------
        ValueError
            A bad argument, or no finite value.
        ImportError
            matplotlib is not installed.
        """
        kinds = ("curve",) if len(self.coordinates) == 1 else ("contour", "surface")
        kind = kinds[0] if kind is None else kind
        if kind not in kinds:
            raise ValueError(
                f"kind must be one of {list(kinds)} for {len(self.coordinates)} directions, found {kind!r}."
            )
        unknown = [mark for mark in ([marks] if isinstance(marks, str) else marks) if mark not in ("minimum", "fitted")]
        if isinstance(marks, str) or unknown:
            raise ValueError(f"marks must be a sequence of 'minimum' and 'fitted', found {marks!r}.")
        title = style.one_name(name) or self.name
        found = self.minimum
        points = {"minimum": found} if "minimum" in marks else {}
        if "fitted" in marks and self.point is not None:
            points["fitted"] = self.point
        drawing = surface_drawing.Drawing(self, kind, ax)
        self.ax_, self.figure_ = drawing.ax, drawing.ax.figure
        self.line_ = drawing.curve(surface_kw) if kind == "curve" else None
        self.surface_, self.colorbar_ = (None, None)
        if kind != "curve":
            edges = surface_drawing.edges(self.values, found[1], levels, log_levels)
            self.surface_, self.colorbar_ = drawing.surface(edges, surface_kw, colorbar)
        self.lines_ = drawing.paths(path_kw)
        self.marks_ = drawing.marks(points, mark_kw)
        drawing.finish(title, [*self.lines_, *self.marks_.values()])
        return self
