"""How LossSurfaceDisplay draws: curve, contours or surface, paths, and marks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.inspection import style

# Contours are grey, so that paths in any colour stand out, on light and on dark pages; on a surface colours show its shape.
GREYS, DARKEST, LIGHTEST = "Greys_r", 0.25, 0.92  # from and to which of them
SURFACE_COLOURS = "viridis"
STEEP = 8.0  # From this quotient of the largest and the median height on, levels are logarithmic.
LEAST_HEIGHT = 1e-3  # the first of these levels, of the largest height
SIZE, SURFACE_SIZE = (5.8, 4.4), (5.8, 5.2)  # inches
EDGE = 1.8  # how much wider the edge of a path is than its line, in points
FEW_POINTS = 60  # of a path whose points are marked
ZOOM = 0.95  # of a surface, whose labels then have room
TICKS = 8  # of a colour bar, at most
MARKS = {"minimum": ("*", "minimum of the grid"), "fitted": ("D", "fitted model")}


def edges(
    values: NDArray[np.float64], least: float, levels: int | ArrayLike, log_levels: bool | None
) -> NDArray[np.float64]:
    """The values between which colours change."""
    finite = values[np.isfinite(values)]
    if np.ndim(levels):
        found = np.unique(np.asarray(levels, np.float64))
        if len(found) < 2 or not np.isfinite(found).all():
            raise ValueError(f"levels must be at least two finite numbers, or how many of them, found {levels!r}.")
        return found
    if isinstance(levels, bool) or not isinstance(levels, int | np.integer) or levels < 2:
        raise ValueError(f"levels must be a whole number of at least 2, or an array of values, found {levels!r}.")
    heights, n = finite - least, int(levels)
    highest = float(heights.max())
    if not highest > 0:
        return least + np.linspace(-0.5, 0.5, n) * max(abs(least), 1.0)
    if log_levels is None:
        log_levels = highest > STEEP * float(np.median(heights))
    if log_levels:
        return np.append(least, least + highest * np.geomspace(LEAST_HEIGHT, 1.0, n - 1))
    return np.asarray(np.linspace(least, least + highest, n))


class Drawing:
    """A LossSurfaceDisplay on axes.

    Parameters
    ----------
    display : LossSurfaceDisplay
    kind : {"curve", "contour", "surface"}
    ax : matplotlib Axes or None
    """

    def __init__(self, display: Any, kind: str, ax: Any) -> None:
        self.display, self.solid = display, kind == "surface"
        new: dict[str, Any] = {"projection": "3d", "computed_zorder": False} if self.solid else {}
        self.ax = style.one_axes(ax, "LossSurfaceDisplay", kind, size=SURFACE_SIZE if self.solid else SIZE, **new)
        if self.solid != (getattr(self.ax, "name", "") == "3d"):
            raise ValueError(
                f"ax must {'' if self.solid else 'not '}be of projection '3d' for kind={kind!r}: "
                f"{'plt.subplots(subplot_kw={chr(123)}...{chr(125)})' if self.solid else 'make it without'}."
            )

    # ------------------------------------------------------------ the function
    def curve(self, given: dict[str, Any] | None) -> Any:
        """The function along one direction."""
        look = style.merged("surface_kw", given, color=style.ink(self.ax), linewidth=1.8, label="_curve", zorder=2)
        (line,) = self.ax.plot(self.display.coordinates[0], self._sound(), **look)
        return line

    def surface(
        self, edges: NDArray[np.float64], given: dict[str, Any] | None, colorbar: bool | None
    ) -> tuple[Any, Any]:
        """(contours or surface, colour bar)"""
        from matplotlib import colormaps
        from matplotlib.colors import BoundaryNorm, ListedColormap

        greys = ListedColormap(colormaps[GREYS](np.linspace(DARKEST, LIGHTEST, 256)))
        norm = BoundaryNorm(edges, 256)
        u, v = np.meshgrid(*self.display.coordinates)
        if self.solid:
            look = {
                "cmap": SURFACE_COLOURS,
                "norm": norm,
                "rcount": 100,
                "ccount": 100,
                "linewidth": 0,
                "antialiased": False,
            }
            look = style.merged("surface_kw", given, None, **look, zorder=1)
            found = self.ax.plot_surface(u, v, self._sound(), **look)
        else:
            shades = {} if "colors" in (given or {}) else {"cmap": greys, "norm": norm}
            look = style.merged("surface_kw", given, None, **shades, levels=edges, zorder=0)
            found = self.ax.contourf(u, v, self._sound(), **look)
        bar = None
        if colorbar or (colorbar is None and not self.solid):
            ticks = edges[np.unique(np.linspace(0, len(edges) - 1, min(len(edges), TICKS)).round().astype(int))]
            bar = self.ax.figure.colorbar(
                found,
                ax=self.ax,
                label=self.display.value_name,
                ticks=ticks,
                format="%.3g",
                pad=0.1 if self.solid else 0.02,
                shrink=0.7 if self.solid else 1.0,
            )
        return found, bar

    def _sound(self) -> Any:
        """The values, those that are not finite left out."""
        return np.ma.masked_invalid(self.display.values)

    # ------------------------------------------------------------ what is on it
    def paths(self, given: Any) -> list[Any]:
        """A line for each path."""
        paths = dict(self.display.paths or {})
        looks = style.looks(len(paths))
        defaults = []
        for look, (name, path) in zip(looks, paths.items(), strict=True):
            points = {"marker": "o", "markersize": 3.6} if len(path.values) <= FEW_POINTS else {}
            label = style.plain(name) or "path"
            defaults.append({**look, "linewidth": 1.8, "zorder": 4, "label": label, **points})
        kws = style.merged_each("path_kw", given, defaults)
        return [self._line(path, kw) for path, kw in zip(paths.values(), kws, strict=True)]

    def _line(self, path: Any, look: dict[str, Any]) -> Any:
        where, heights = path.coordinates.T, path.values
        if self.solid:
            inside = self._inside(path.coordinates)
            where, heights = np.where(inside, where, np.nan), np.where(inside, heights, np.nan)
        curve = len(where) == 1
        at = [*where, heights] if curve or self.solid else [*where]
        if not curve:  # A white edge makes it stand out from any colour.
            edge = {name: value for name, value in look.items() if not name.startswith("marker")}
            edge |= {"color": "white", "linestyle": "-", "linewidth": edge["linewidth"] + EDGE, "label": "_edge"}
            self.ax.plot(*at, **edge)
        (line,) = self.ax.plot(*at, **look)
        start = {"linestyle": "none", "marker": "o", "markersize": 7.0, "markerfacecolor": "white", "label": "_start"}
        self.ax.plot(*(x[:1] for x in at), **(look | start))
        return line

    def _inside(self, coordinates: NDArray[np.float64]) -> Any:
        """Which points are over the grid: matplotlib does not cut off lines in three dimensions."""
        low, high = (np.array([axis[k] for axis in self.display.coordinates]) for k in (0, -1))
        return ((coordinates >= low) & (coordinates <= high)).all(axis=1)

    def marks(
        self, points: Mapping[str, tuple[NDArray[np.float64], float]], given: dict[str, Any] | None
    ) -> dict[str, Any]:
        """A mark for each point that is over the grid; of the minimum where it is within it."""
        found = {}
        for what, (where, height) in points.items():
            if not self._inside(np.asarray(where)[None]).all() or not np.isfinite(height):
                continue
            if what == "minimum" and any(
                x in axis[[0, -1]] for x, axis in zip(where, self.display.coordinates, strict=True)
            ):
                continue  # The function falls further beyond the grid.
            marker, label = MARKS[what]
            look = style.merged(
                "mark_kw", given, linestyle="none", marker=marker, markersize=12.0 if what == "minimum" else 7.0,
                color="#ffd92f" if what == "minimum" else "white", markeredgecolor="black", zorder=5, label=label,
            )  # fmt: skip
            heights = (height,) if self.solid or len(where) == 1 else ()
            (found[what],) = self.ax.plot(*([x] for x in where), *([h] for h in heights), **look)
        return found

    def finish(self, title: str | None, lines: list[Any]) -> None:
        """Labels, limits, title and legend."""
        display = self.display
        labels = [style.plain(label, 28 if self.solid else 48) for label in display.labels]
        if self.solid:
            self.ax.set(xlabel=labels[0], ylabel=labels[1], zlabel=display.value_name)
            finite = display.values[np.isfinite(display.values)]
            self.ax.set_zlim(finite.min(), finite.max())
            self.ax.set_box_aspect(None, zoom=ZOOM)
            for axis in (self.ax.xaxis, self.ax.yaxis, self.ax.zaxis):
                axis.set_pane_color((0.5, 0.5, 0.5, 0.08))
                axis.get_major_locator().set_params(nbins=5)
        else:
            style.dress(self.ax, labels[0], labels[1] if len(labels) == 2 else display.value_name)
            self.ax.xaxis.get_major_locator().set_params(nbins=6)  # Numbers such as -0.0015 need room.
            self.ax.set_xlim(*display.coordinates[0][[0, -1]])
            if len(labels) == 2:
                self.ax.grid(False)
                self.ax.set_ylim(*display.coordinates[1][[0, -1]])
        if title is not None:
            self.ax.set_title(style.plain(title, 60))
        below: dict[str, Any] = (
            {"loc": "upper center", "bbox_to_anchor": (0.5, -0.04), "ncols": 2} if self.solid else {}
        )
        style.legend(self.ax, lines, **below)
