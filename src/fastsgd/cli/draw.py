"""Curves of trainings as an image."""

import json
import os

import numpy as np

import fastsgd
from fastsgd.cli.errors import NotUnderstood
from fastsgd.cli.outputs import check_places
from fastsgd.history import HISTORY
from fastsgd.persist import disk


def draw(paths, output, **how):
    """Write an image of the histories in these files, in the format that the ending of `output` says."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from fastsgd.inspection import plot_history

    check_places({"--output": output}, {"a history": paths})
    kind, known = os.path.splitext(output)[1].lower()[1:], sorted(FigureCanvasAgg.get_supported_filetypes())
    if kind not in known:
        raise NotUnderstood(f"--output: {output} must end in {', '.join('.' + name for name in known)}.")
    runs = {path: _history_of(path) for path in paths}
    axes = plot_history(runs if len(runs) > 1 else next(iter(runs.values())), **how)
    with disk.replacing(disk.place(output)) as file:
        axes[0].figure.savefig(file, dpi=150, format=kind)


def _history_of(path):
    """`history_` of a model file, or of the JSON that `train --json` prints."""
    if (what := disk.no_file(path)) is not None:
        raise ValueError(f"{path} is {what}: write what `train --json` prints to a file first.")
    with open(path, "rb") as file:
        start = file.read(1)
    if start != b"{":
        return fastsgd.load(path).history_
    with open(path, encoding="utf-8") as file:
        rows = json.load(file).get("history")
    names, later = HISTORY.names, {"step_length"}  # which older versions did not print
    known = isinstance(rows, list) and rows and all(type(row) is dict for row in rows)
    if not known or any(set(row) | later != set(names) for row in rows):
        raise ValueError(f"{path} must be what `train --json` prints, with a history of {', '.join(names)}.")
    return np.array([tuple(np.nan if row.get(name) is None else row[name] for name in names) for row in rows], HISTORY)
