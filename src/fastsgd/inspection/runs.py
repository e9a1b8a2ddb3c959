"""What a training has kept of itself, as points to draw: `record_`, `history_` and `progressive_`, of every estimator."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from fastsgd.inspection import style
from fastsgd.inspection.models import model_of
from fastsgd.restarts import trace

X_COLUMNS = {"epochs": "epoch", "steps": "steps", "seconds": "seconds", "rows": "rows"}
Y_LABELS = {
    "objective": "objective",
    "loss": "mean loss before each step",
    "validation_score": "validation score",
    "gradient_norm": "norm of the gradient",
    "step_length": "length of the move of the weights",
    "change": "relative change of the weights",
    "eta": "step size",
    "gap": "objective above the least one, at most",
}
Trace = tuple[NDArray[Any], NDArray[Any]]


class Run(NamedTuple):
    """A training.

    Attributes
    ----------
    argument : str
        How a user knows it, for errors.
    tables : dict of str to structured array
        `record_` before `history_` before `progressive_`, as far as they are there.
    classes : array or None
    """

    argument: str
    tables: dict[str, NDArray[Any]]
    classes: Any

    def table(self, x: str, y: str) -> NDArray[Any] | None:
        """The first that has both columns, with a number in y."""
        for table in self.tables.values():
            columns = table.dtype.names or ()
            if X_COLUMNS[x] in columns and y in columns and np.isfinite(table[y]).any():
                return table
        return None

    def lines(self, x: str, y: str) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
        """(what it is of, x, y) of each line: one, or one for each class or target that was trained by itself."""
        table = self.table(x, y)
        if table is None:
            return
        heads = np.unique(table["head"]).tolist() if "head" in (table.dtype.names or ()) else []
        if len(heads) < 2:
            yield "", table[X_COLUMNS[x]], table[y]
            return
        for head in heads:
            rows = table[table["head"] == head]
            several = self.classes is not None and len(self.classes) == len(heads)
            yield (
                f"class {style.plain(str(self.classes[head]))}" if several else f"head {head}",
                rows[X_COLUMNS[x]],
                rows[y],
            )

    def validation(self, x: str) -> Trace | None:
        """The validation scores; by steps, where `record_` says how many an epoch had."""
        table = self.table("epochs" if x == "steps" else x, "validation_score")
        if table is None:
            return None
        if x != "steps":
            return table[X_COLUMNS[x]], table["validation_score"]
        record = self.tables["record_"]
        return np.interp(table["epoch"], record["epoch"], record["steps"]), table["validation_score"]


def points(
    given: Any, argument: str, x: str, y: str | None, minus: float | str | Mapping[Any, float], validation: bool
) -> dict[str, Any]:
    """The arguments of TraceDisplay, from estimators or histories."""
    for what, value, known in (("x", x, X_COLUMNS), ("y", y, Y_LABELS)):
        if not (isinstance(value, str) and value in known) and not (what == "y" and value is None):
            raise ValueError(f"{what} must be {'None or ' if what == 'y' else ''}one of {list(known)}, got {value!r}.")
    named = {"": given} if isinstance(given, OptimizeResult) else style.by_name(given, argument, "run")
    runs = {name: _run(run, f"{argument}[{name!r}]" if name else argument) for name, run in named.items()}
    y = y or next(
        (y for y in ("objective", "loss") if all(run.table(x, y) is not None for run in runs.values())), "objective"
    )
    found = {(name, part): (xs, ys) for name, run in runs.items() for part, xs, ys in run.lines(x, y)}
    if not found:
        raise ValueError(_nothing(next(iter(runs.values())), x, y))
    off = _off(found, runs, minus)
    traces = {
        ", ".join(filter(None, key)): (np.asarray(xs, np.float64), np.asarray(ys, np.float64) - off[key])
        for key, (xs, ys) in found.items()
    }
    scores = {name: run.validation(x) for name, run in runs.items()} if validation and y != "validation_score" else {}
    return {
        "traces": traces,
        "validation": {name: score for name, score in scores.items() if score is not None and name in traces},
        "x_label": x,
        "y_label": _y_label(y, minus),
    }


def _run(given: Any, argument: str) -> Run:
    model = model_of(given)
    if isinstance(given, OptimizeResult) and "objective" in given:
        tables = {"record_": trace(given.objective, given.gradient_norm)}  # Of `minimize`, whose steps are the rows.
    elif isinstance(given, np.ndarray):
        columns = given.dtype.names or ()
        tables = {"record_" if "steps" in columns else "progressive_" if "rows" in columns else "history_": given}
    else:
        tables = {
            name: getattr(model, name)
            for name in ("record_", "history_", "progressive_")
            if getattr(model, name, None) is not None
        }
    tables = {
        name: table for name, table in tables.items() if getattr(table, "dtype", None) is not None and table.dtype.names
    }
    if not tables:
        raise ValueError(
            f"{argument} must be a fitted estimator of fastsgd, or its history_ or record_; found {type(given).__name__} without "
            f"{'columns' if isinstance(given, np.ndarray) else 'history_: call fit first (of a CV class with refit=True)'}."
        )
    if not any(len(table) for table in tables.values()):
        raise ValueError(f"{argument} has no epochs: there is nothing to draw.")
    return Run(argument, tables, getattr(model, "classes_", None))


def _nothing(run: Run, x: str, y: str) -> str:
    """In words, why nothing can be drawn."""
    columns = {name: table.dtype.names or () for name, table in run.tables.items()}
    if x == "steps" and "record_" not in columns:
        return (
            f"x='steps' needs record_, and {run.argument} has none: fit it with record='objective', or take x='epochs' or "
            "x='seconds'."
        )
    if not any(y in names and X_COLUMNS[x] in names for names in columns.values()):
        there = "; ".join(f"{name} has {', '.join(names)}" for name, names in columns.items())
        others = [f"x={other!r}" for other in X_COLUMNS if run.table(other, y) is not None]
        advice = f" Take {' or '.join(others)}." if others else ""
        return f"y={y!r} is not there by {x} in {run.argument}: {there}.{advice}"
    return f"y={y!r} is NaN throughout in {run.argument}: nothing has asked for it in training. Try y='loss'."


def _off(
    found: Mapping[tuple[str, str], Trace], runs: Mapping[str, Run], minus: float | str | Mapping[Any, float]
) -> dict[tuple[str, str], float]:
    """What is taken off each line; the best of lines of one class, as each class is a problem of its own."""
    if isinstance(minus, str):
        if minus != "best":
            raise ValueError(f"minus must be a number, 'best' or a dict of numbers, got {minus!r}.")
        least: dict[str, float] = {}
        for (_, part), (_, ys) in found.items():
            least[part] = min(least.get(part, np.inf), float(np.min(ys, where=np.isfinite(ys), initial=np.inf)))
        return {key: least[key[1]] for key in found}
    if isinstance(minus, Mapping):
        by_name = {str(name): float(value) for name, value in minus.items()}
        missing = [name for name in runs if name not in by_name]
        if missing:
            raise ValueError(f"minus must have a number for each run, found none for {missing}.")
        return {key: by_name[key[0]] for key in found}
    if not isinstance(minus, Real):
        raise ValueError(f"minus must be a number, 'best' or a dict of numbers, got {minus!r}.")
    return dict.fromkeys(found, float(minus))


def _y_label(y: str, minus: float | str | Mapping[Any, float]) -> str:
    if isinstance(minus, str | Mapping):
        return f"{Y_LABELS[y]} above the best"
    return f"{Y_LABELS[y]} less {minus:.4g}" if minus else Y_LABELS[y]
