"""Each figure of the gallery twice: as it was drawn, and for readers with a dark background.

For the dark one the greys of the figure (text, axes, grid, black and white) change places, light for dark, and the colours
stay as they are. So an example draws once, and need not know of it.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.text import Text

DPI = 160  # twice that of the page: sharp on the screens of phones and laptops
GREY = 0.1  # channels of a grey differ by less
INK, GROUND = np.array([0.92, 0.93, 0.94]), np.array([20, 24, 30]) / 255  # of the dark theme, for black and for white

PICTURE = """
.. image:: /{path}
   :alt: {alt}
   :class: sphx-glr-single-img {theme}
   :width: {width}px
"""


def turned(colour):
    """The colour on a dark background: greys are turned round, all else stays."""
    red, green, blue, alpha = to_rgba(colour)
    if max(red, green, blue) - min(red, green, blue) >= GREY:
        return red, green, blue, alpha
    return *(INK + (GROUND - INK) * (red + green + blue) / 3), alpha


def darken(figure):
    """Turn the greys of all that is drawn in the figure."""
    # Figures and axes are left out: their patches are found as well.
    for artist in figure.findobj(lambda artist: not hasattr(artist, "patch")):
        for part in ("facecolor", "edgecolor", "color", "markerfacecolor", "markeredgecolor"):
            get, put = getattr(artist, f"get_{part}", None), getattr(artist, f"set_{part}", None)
            if get is None or put is None or (part == "color" and hasattr(artist, "get_facecolor")):
                continue
            colour = get()
            if isinstance(colour, str) and colour in ("none", "auto", "face"):
                continue
            several = getattr(colour, "ndim", 1) == 2
            put([turned(one) for one in colour] if several else turned(colour))
        if isinstance(artist, Text) and artist.get_bbox_patch() is not None:
            artist.get_bbox_patch().set_facecolor(turned(artist.get_bbox_patch().get_facecolor()))
    for axes in figure.axes:  # ticks that are made later
        for which in (axis for axis in (axes.xaxis, axes.yaxis, getattr(axes, "zaxis", None)) if axis is not None):
            which.set_tick_params(which="both", color=turned("black"), labelcolor=turned("black"))


def scraper(block, block_vars, gallery_conf):
    """What sphinx-gallery puts below a block of code: the figures that it has drawn, each for both themes."""
    written = []
    for number in plt.get_fignums():
        figure, path = plt.figure(number), Path(next(block_vars["image_path_iterator"]))
        title = next((axes.get_title() for axes in figure.axes if axes.get_title()), "") or path.stem
        width = round(figure.get_figwidth() * 100)
        dark = path.with_name(f"{path.stem}_dark.png")
        figure.savefig(path, dpi=DPI)
        darken(figure)
        figure.savefig(dark, dpi=DPI)
        for one, theme in [(path, "only-light"), (dark, "only-dark")]:
            name = one.relative_to(gallery_conf["src_dir"]).as_posix()
            written.append(PICTURE.format(path=name, theme=theme, alt=" ".join(title.split()), width=width))
    plt.close("all")
    return "".join(written)


def setup(app):
    return {"parallel_read_safe": True, "parallel_write_safe": True}
