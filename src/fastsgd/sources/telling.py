"""Warnings that show the line of the user's code, from wherever in the package they come."""

import sys
import warnings

# These packages are between the line of the user and what is found.
OURS = "fastsgd", "sklearn", "contextlib", "concurrent"


def tell(words, category=UserWarning):
    """Warn, at the line that called into the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    warnings.warn(words, category, stacklevel=level)
