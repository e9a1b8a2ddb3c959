"""`fastsgd info`."""

import os
import re
from typing import Annotated

import typer

from fastsgd.cli.data import OF_MODEL, open_source
from fastsgd.cli.flags import OUTPUT
from fastsgd.cli.options import Json, flag, with_flags

OF_COLUMNS = "columns", "kinds", "dtype", "n_features"  # They are said otherwise, or follow from the data.
NAMELESS = re.compile(r"x\d+")  # So is a feature called that has no name.
# What is said of the state of the training, of which those that are solved have none.
STATES = {True: "in the file", False: "not in the file: it predicts, and can't be trained further", None: None}
TOP = 20  # Features that are shown with --names and no --top.


@with_flags("reading", OF_MODEL)
def info(
    model: Annotated[str, typer.Argument(help="A model file.", show_default=False)],
    top: flag(int, "Show so many coefficients of each class, the weightiest first.", OUTPUT, metavar="N") = None,
    names: flag(
        list[str],
        "Files like those of the training, whose words name the features that they were hashed to; repeat it. Coefficients "
        "are then weighed by the standard deviations in them, 20 of each class unless --top says otherwise.",
        OUTPUT,
        metavar="DATA",
    ) = None,
    as_json: Json = False,
    *,
    reading,
):
    """What a model file holds: what it was made of and how, and what it has learnt."""
    import fastsgd
    from fastsgd.cli.show import OUT, as_text, columns_read, history, in_bytes, in_short, listed, number, table

    if top is not None and top < 1:
        raise ValueError(f"--top must be a number from 1 on, got {top}.")
    if reading and not names:
        raise ValueError(
            f"--{next(iter(reading)).replace('_', '-')} says how the files of --names are read: give --names."
        )
    est = fastsgd.load(model)
    found, coefficients = _facts(est, model), None
    if top is not None or names:
        data = open_source(names, reading, False, like=getattr(est, "reading_", None)) if names else None
        coefficients = est.coefficients(top or TOP, data=data)
    if as_json:
        found["history"] = history(est)
        if coefficients is not None:
            found["coefficients"] = _listed(coefficients)
        print(as_text(found))
        return
    found["auto_rule"], found["columns"] = in_short(found["auto_rule"]), listed(found["columns"])
    found["file"] = in_bytes(found.pop("file_bytes"))
    found["training_state"] = STATES[found["training_state"]]
    for name in ("reading", "parameters", "versions"):
        found[name] = ", ".join(f"{key} {value}" for key, value in found[name].items()) or None
    table(
        model, ["", ""], [(name.replace("_", " "), value) for name, value in found.items() if value is not None], (0, 1)
    )
    if last := history(est):
        OUT.print("last epoch: " + ", ".join(f"{k} {number(v)}" for k, v in last[-1].items() if v is not None))
    if coefficients is not None:
        _show(coefficients)
        if not names and any(NAMELESS.fullmatch(name) for name in coefficients["feature"]) and columns_read(est):
            OUT.print("note: words were hashed to features such as x7: --names with files of the training names them.")


def _facts(est, path):
    """What is known of a model, as JSON has it."""
    import numpy as np

    from fastsgd import persist
    from fastsgd.cli.show import auto_rule, columns_read, of_segments
    from fastsgd.persist.models import versions

    own = type(est)().get_params(deep=False)
    changed = {name: value for name, value in est.get_params(deep=False).items() if value != own[name]}
    coef = getattr(est, "coef_", np.empty(0))  # A search without refit has no model.
    coef = coef.toarray() if hasattr(coef, "toarray") else coef
    made, labels = getattr(est, "_made", {}), getattr(est, "_label_columns", {})
    return {
        "estimator": type(est).__name__,
        "target": labels.get("target"),
        "weight": labels.get("weight"),
        "classes": est.classes_.tolist() if hasattr(est, "classes_") else None,
        "columns": columns_read(est),
        "features": int(est.n_features_in_),
        **of_segments(est),
        "nonzero_coefficients": int(np.count_nonzero(coef)),
        "dtype": str(coef.dtype),
        "rows": made.get("rows"),
        "epochs": int(np.max(est.n_iter_)),
        "stop_reason": getattr(est, "stop_reason_", None),
        **_held_out(est),
        "chosen_alpha": getattr(est, "alpha_", None),
        "chosen_half_life": _half_life(est),
        "auto_rule": auto_rule(est),
        "reading": _reading(est),
        "parameters": {k: v if isinstance(v, int | float | str | bool | None) else repr(v) for k, v in changed.items()},
        "file_bytes": os.path.getsize(path),
        "training_state": persist.holds_training_state(est),
        "made": made.get("when"),
        "versions": versions(path),
    }


def _reading(est):
    """How the data of the training were read, where that was not the default."""
    from dataclasses import fields

    from fastsgd.sources.features.options import Options

    found, reading = {}, getattr(est, "reading_", {})
    for field in fields(Options):
        usual = list(field.default) if isinstance(field.default, tuple) else field.default  # as JSON has it
        value = reading.get(field.name, usual)
        if field.name not in OF_COLUMNS and not isinstance(value, dict) and value not in (usual, None, []):
            found[field.name] = True if field.name == "center" else value
    return found


def _half_life(est):
    """The half-life that half_life="auto" chose, "none" where no rows fade; None where it was given."""
    found = getattr(est, "half_life_", None)
    return "none" if found == float("inf") else found


def _held_out(est):
    """The score, or the loss, of the weights that are kept, on rows that were held out; None where there were none."""
    from fastsgd.cli.show import history, scored_by_loss

    what, best = ("loss", min) if scored_by_loss(est) else ("score", max)
    found = [row.get(f"validation_{what}") for row in history(est)]
    state = vars(est).get("_state")
    judged = vars(est).get("stop_reason_") == "judged" and state is not None and state.epoch <= len(found)
    if judged:  # A later pass may have a lower loss by chance, and is not kept.
        return {f"held_out_{what}": found[state.epoch - 1]}
    return {f"held_out_{what}": best((value for value in found if value is not None), default=None)}


def _listed(coefficients):
    """A CoefficientTable as JSON has it."""
    names = coefficients.rows.dtype.names
    return {
        "about": coefficients.about,
        "intercept": list(coefficients.intercept.values()),
        "rows": [dict(zip(names, row, strict=True)) for row in coefficients.rows.tolist()],
    }


def _show(coefficients):
    """A CoefficientTable on stdout."""
    from fastsgd.cli.show import table
    from fastsgd.estimators.learnt_table import short

    columns, lines = coefficients.cells()
    words = tuple(range(columns.index("feature") + 1))
    table(coefficients.about, columns, [[short(cell) for cell in line] for line in lines], words)
