"""What all displays share: matplotlib on use, axes, keywords, colours, names and legends.

matplotlib is imported inside the functions, so that `import fastsgd` does not load it. Texts, ticks and grids take their colours
from matplotlib's rcParams; the colours of lines are chosen to be legible on white and on black.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The colour-blind can tell these apart, and each has a contrast of at least 3 to white and to black.
COLOURS = ("#0c7bc0", "#d55e00", "#009e73", "#8c3cff", "#cc79a7", "#a5553f")
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))  # The first six lines have the first, the next six the second, and so on.
MAX_TOLD_APART = len(COLOURS) * len(DASHES)
# More lines than can be told apart are coloured in their order, from the first of these to the last.
RAMP = ("#3f5fe0", "#8f45d0", "#c23a8c", "#d0503c", "#c97a10")
MAX_INSIDE, MAX_LISTED = 3, 12  # Entries of a legend inside the axes, and of one at all.
LETTERS = 36  # of a name in a legend or at a tick, if names then differ
WIDTH, HEIGHT, LETTER = 5.5, 3.6, 0.075  # inches; of a figure, and of a letter
LARGEST = 1e250  # that can be drawn
ARTISTS = {
    "line": "lines.Line2D",
    "text": "text.Text",
    "patch": "patches.Patch",
    "collection": "collections.Collection",
}


def pyplot(display: str) -> Any:
    """matplotlib.pyplot, or an error that says how to get it.

    Parameters
    ----------
    display : str
        What needs it: the name of a function or class.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise ImportError(f'{display} needs matplotlib: pip install "fastsgd[plot]"') from None
    return plt


def several_axes(ax: Any, display: str, panels: int, what: str) -> NDArray[Any]:
    """The given axes as an array, which must be that many; or, for None, those of a new figure, beside each other."""
    plt = pyplot(display)
    if ax is None:
        size = 1.0 + 4.5 * panels, HEIGHT
        return np.asarray(plt.subplots(1, panels, figsize=size, squeeze=False, layout="constrained")[1][0])
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if len(axes) != panels or not all(hasattr(panel, "plot") for panel in axes):
        raise ValueError(f"ax must be {panels} matplotlib Axes (for {what}), found {ax!r}.")
    return axes


def one_axes(ax: Any, display: str, what: str, *, size: tuple[float, float] = (WIDTH, HEIGHT), **subplot: Any) -> Any:
    """The given axes, or those of a new figure.

    Parameters
    ----------
    ax : None or matplotlib Axes
    display : str
        What needs them: the name of a class.
    what : str
        What is drawn, in words, for an error.
    size : (float, float)
        Width and height of a new figure, in inches.
    **subplot
        Of new axes, such as projection="3d".
    """
    if ax is not None:
        return several_axes(ax, display, 1, what)[0]
    return pyplot(display).subplots(figsize=size, layout="constrained", subplot_kw=subplot)[1]


def width(names: Sequence[str], inches: float = WIDTH) -> float:
    """Of a new figure, with room for a legend of these names beside the axes, where it is to be there."""
    if len(names) <= MAX_INSIDE:
        return inches
    return inches + LETTER * max(map(len, shortened(names))) - LETTER * 5


def merged(name: str, given: Mapping[str, Any] | None, artist: str | None = "line", **defaults: Any) -> dict[str, Any]:
    """Keywords for matplotlib: the defaults, each overridden by what the user gave for it, under whichever alias.

    Parameters
    ----------
    name : str
        The argument, for errors.
    given : None or dict
    artist : {"line", "text", "patch", "collection"} or None
        Whose aliases ("lw" of "linewidth") are known. None knows none.
    **defaults
        Under their full names.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"{name} must be a dict of keywords for matplotlib, or None, found {given!r}.")
    if not given or artist is None:
        return {**defaults, **(given or {})}
    from importlib import import_module

    from matplotlib import cbook

    module, kind = ARTISTS[artist].split(".")
    drawn = getattr(import_module(f"matplotlib.{module}"), kind)
    try:
        full = cbook.normalize_kwargs(dict(given), drawn)
    except TypeError as error:
        raise ValueError(f"{name}: {error}.") from None
    unknown = [key for key in full if not hasattr(drawn, f"set_{key}")]
    if unknown and artist in ("line", "text"):
        raise ValueError(f"{name} has {unknown}, which matplotlib's {kind} does not take.")
    return {**defaults, **full}


def merged_each(
    name: str, given: Any, defaults: Sequence[dict[str, Any]], artist: str = "line"
) -> list[dict[str, Any]]:
    """`merged` for each of several lines: what the user gave is a dict for all of them, or a list with one for each."""
    if isinstance(given, list | tuple):
        if len(given) != len(defaults):
            raise ValueError(f"{name} must be one dict, or a list of {len(defaults)} of them, found {len(given)}.")
        return [merged(f"{name}[{k}]", kw, artist, **defaults[k]) for k, kw in enumerate(given)]
    return [merged(name, given, artist, **kw) for kw in defaults]


def looks(n: int, ax: Any = None, *, dashes: bool = True) -> list[dict[str, Any]]:
    """Colour and dashes of n lines; of more than can be told apart the colour says their order.

    Parameters
    ----------
    n : int
    ax : matplotlib Axes, default=None
        Colours of lines that are there already are not taken, as long as there are others.
    dashes : bool, default=True
        Whether dashes may tell lines apart; where they mean something else, colours alone do.
    """
    if n > (MAX_TOLD_APART if dashes else len(COLOURS)):
        return [{"color": colour, "linestyle": "-"} for colour in ramp(n)]
    taken = set() if ax is None else {line.get_color() for line in labelled(ax)}
    free = [colour for colour in COLOURS if colour not in taken]
    colours = free if len(free) >= n else COLOURS
    return [{"color": colour, "linestyle": dash} for dash in DASHES for colour in colours][:n]


def labelled(ax: Any) -> list[Any]:
    """The lines of these axes that a legend is to list, one for each label."""
    lines = [line for line in ax.get_lines() if not line.get_label().startswith("_child")]
    return list({line.get_label(): line for line in reversed(lines)}.values())[::-1]


def ramp(n: int) -> list[tuple[float, ...]]:
    """n colours from blue to orange, legible on white and on black."""
    anchors = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in RAMP])
    at = np.linspace(0.0, len(RAMP) - 1.0, n)
    return [tuple(float(np.interp(x, np.arange(len(RAMP)), channel)) for channel in anchors.T) for x in at]


def markers(n_points: int, n_lines: int = 1) -> dict[str, Any]:
    """Points where a line has few: a line of one point would not be seen without."""
    return {"marker": "o" if n_points < (30 if n_lines <= len(COLOURS) else 2) else None, "markersize": 3.5}


def ink(ax: Any) -> Any:
    """The colour of the texts of these axes, for marks and notes on them."""
    return ax.xaxis.label.get_color()


def dress(ax: Any, x: str, y: str, *, grid: str = "both") -> None:
    """Labels, a light grid in the colour of rcParams, behind the lines, and no box."""
    ax.set(xlabel=x, ylabel=y)
    ax.grid(axis=grid, alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def whole_numbers(ax: Any) -> None:
    """Ticks of the horizontal axis at whole numbers alone, be it one."""
    ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def drawable(values: Any) -> NDArray[np.float64]:
    """Values with gaps where they are not finite, or so large that the arithmetic of axes would overflow."""
    found = np.asarray(values, np.float64)
    return np.where(abs(found) < LARGEST, found, np.nan)


def logarithmic(ax: Any, axis: str, argument: str, values: Iterable[Any]) -> None:
    """Make an axis logarithmic. Values of 0 or less leave gaps; without any above 0 this is an error.

    Parameters
    ----------
    ax : matplotlib Axes
    axis : {"x", "y"}
    argument : str
        What asked for it, for the error, such as "log_y=True".
    values : iterable of array-like
        All that is drawn along the axis.
    """
    if not any(np.any(np.asarray(some) > 0) for some in values):
        raise ValueError(f"{argument}: nothing along the {axis} axis is above 0, so that it can't be logarithmic.")
    from fastsgd.inspection.log_ticks import PlainNumbers

    getattr(ax, f"set_{axis}scale")("log", nonpositive="mask")
    along = getattr(ax, f"{axis}axis")
    along.set_major_formatter(PlainNumbers())
    along.set_minor_formatter(PlainNumbers(labelOnlyBase=False, minor_thresholds=(1.5, 0.4)))


def legend(
    ax: Any,
    lines: Sequence[Any],
    *,
    title: str | None = None,
    keep: Sequence[Any] = (),
    below: bool = False,
    right: float = 0.0,
    **given: Any,
) -> Any:
    """A legend of these lines; None where none has a label.

    Parameters
    ----------
    ax : matplotlib Axes
        Where their figure has a layout engine, which makes room, the legend is beside them, unless it is short.
    lines : list of matplotlib artists
        Of more than MAX_LISTED some are listed, the first and the last among them.
    title : str, default=None
    keep : list of matplotlib artists
        Those of `lines` to list in any case.
    below : bool, default=False
        Whether it is below the axes rather than inside or beside them, where there is room to be made.
    right : float, default=0.0
        Inches that an axis at the right takes.
    **given
        Keywords of matplotlib's legend, which say where it is.
    """
    if not lines:
        return None
    n, lines = len(lines), list(lines)
    listed = lines
    if n > MAX_LISTED:
        places = {*np.linspace(0, n - 1, MAX_LISTED).round().astype(int).tolist(), *(lines.index(one) for one in keep)}
        listed = [lines[k] for k in sorted(places)]
        title = f"{title + ', ' if title else ''}{len(listed)} of {n}"
    names = [_legible(name) for name in shortened([line.get_label() for line in listed])]
    how: dict[str, Any] = {"fontsize": "small", "title_fontsize": "small", "labelcolor": ink(ax), "title": title}
    if pyplot("legend").rcParams["legend.facecolor"] == "inherit":
        how["facecolor"] = ax.get_facecolor()
    if given or ax.figure.get_layout_engine() is None or (n <= MAX_INSIDE and not below):
        drawn = ax.legend(listed, names, **({"loc": "best", "framealpha": 0.9} | how | given))
    else:
        from matplotlib.transforms import ScaledTranslation

        place, loc, inches = (
            ((0.5, 0.0), "upper center", (0.0, -0.42)) if below else ((1.0, 1.0), "upper left", (right + 0.08, 0.0))
        )
        how["ncols"] = (2 if max(map(len, names)) > LETTERS // 2 or n == 4 else 3) if below else 1
        moved = ax.transAxes + ScaledTranslation(*inches, ax.get_figure().dpi_scale_trans)
        how |= {"loc": loc, "bbox_to_anchor": place, "bbox_transform": moved, "frameon": False, "borderaxespad": 0.0}
        drawn = ax.legend(listed, names, **how)
    drawn.get_title().set_color(ink(ax))
    return drawn


def by_name(given: Any, argument: str, kind: str) -> dict[str, Any]:
    """{name: thing} of what the user gave, a thing or a dict of them; the name of a single one is ''.

    Parameters
    ----------
    given : object or dict of str to object
    argument : str
        For errors.
    kind : str
        What the things are, in words.
    """
    if not isinstance(given, Mapping):
        return {"": given}
    if not given:
        raise ValueError(f"{argument} is an empty dict: there is nothing to draw.")
    names = [str(name) for name in given]
    bad = [name for name in names if not name.strip()]
    if bad or len(set(names)) < len(names):
        why = f"{bad[0]!r} is not legible" if bad else "two of them read the same"
        raise ValueError(f"{argument} must have a different name, which can be read, for each {kind}: {why}.")
    return dict(zip(names, given.values(), strict=True))


def each_by_name(given: Any, argument: str, kind: str, label: Callable[[Any], str]) -> dict[str, Any]:
    """{name: thing} of a thing, a list of them, or a dict; without a dict `label` says what each is called."""
    if isinstance(given, Mapping):
        return by_name(given, argument, kind)
    each = given if isinstance(given, list | tuple) else [given]
    if not each:
        raise ValueError(f"{argument} is empty: there is nothing to draw.")
    found: dict[str, Any] = {}
    for one in each:
        if (text := label(one)) in found:
            raise ValueError(f"{argument} has two that read {text!r}: give a dict, whose keys name them.")
        found[text] = one
    return found


def labels(names: Sequence[str], name: Any, kind: str) -> list[str]:
    """What lines are called: the names, or of a single one the `name` that the user gives to `plot`."""
    if one_name(name) is None:
        return list(names)
    if len(names) > 1:
        raise ValueError(
            f"name is for a single {kind}, found {name!r} for {len(names)}: give a dict, whose keys name them."
        )
    return [str(name)] * len(names)


def largest(top: Any) -> int | None:
    """How many of the largest are drawn, or None for all."""
    if top is not None and (isinstance(top, bool) or not isinstance(top, int | np.integer) or top < 1):
        raise ValueError(f"top must be a whole number of at least 1, or None, found {top!r}.")
    return None if top is None else int(top)


def one_name(name: Any) -> str | None:
    """A name that a display is given, or None."""
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise ValueError(f"name must be a str that can be read, or None, found {name!r}.")
    return name


def column_names(names: Any, n: int, argument: str = "feature_names") -> list[str]:
    """Those given, which must be n; for None "x0", "x1" and so on."""
    if names is None:
        return [f"x{j}" for j in range(n)]
    found = [str(name) for name in names]
    if isinstance(names, str) or len(found) != n:
        raise ValueError(f"{argument} must have a name for each of the {n} columns, found {names!r:.80}.")
    return found


def shortened(names: Sequence[str], letters: int = LETTERS) -> list[str]:
    """Names on one line each, without their middle where they are long, if they still differ; mathematics stays whole."""
    whole = [" ".join(name.split()) for name in names]
    while True:
        short = [name if "$" in name else _short(name, letters) for name in whole]
        if len(set(short)) == len(set(whole)):
            return short
        letters += 8


def plain(name: str, letters: int = LETTERS) -> str:
    """A name of data on one line, in which a dollar is a dollar and no mathematics."""
    return plain_names([name], letters)[0]


def plain_names(names: Sequence[str], letters: int = LETTERS) -> list[str]:
    """`plain` for several, which still differ."""
    dollar = "\N{REPLACEMENT CHARACTER}"
    return [name.replace(dollar, r"\$") for name in shortened([name.replace("$", dollar) for name in names], letters)]


def _legible(name: str) -> str:
    """The name, in which dollars are dollars if what is between them is no mathematics."""
    if name.count("$") > 1:
        from matplotlib.mathtext import MathTextParser

        try:
            MathTextParser("path").parse(name)
        except ValueError:
            return name.replace(r"\$", "$").replace("$", r"\$")
    return name


def _short(name: str, letters: int) -> str:
    if len(name) <= letters:
        return name
    half = (letters - 1) // 2
    return f"{name[: letters - 1 - half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"
