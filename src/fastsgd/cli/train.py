"""`fastsgd train`."""

import os
import shlex
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum

from fastsgd.cli.data import READING, Data, files_read, npy, open_source
from fastsgd.cli.errors import NotUnderstood
from fastsgd.cli.flags import HELD_OUT, MODEL, OUTPUT, TRAINING
from fastsgd.cli.inspect import open_filled
from fastsgd.cli.options import Json, estimator, flag, parameter_flags, with_flags

DIVERGED, UNFINISHED = ".diverged", ".error"  # Put behind the name of a model that is not to replace an old one.
ROWS = {  # flags that say more of the rows
    "valid": flag(
        list[str],
        "Files of held-out rows: the best epoch is kept.",
        HELD_OUT,
        metavar="FILE",
    ),
    "valid_fraction": flag(float, "Hold this share of the rows out, such as 0.1.", HELD_OUT, metavar="X"),
    "early_stopping": flag(
        bool,
        "Stop when held-out rows (a tenth by default) are scored no better: --max-iter 100, --tol 1e-3.",
        HELD_OUT,
        "--early-stopping",
    ),
    "valid_target": flag(str, "Of .npy files: the file of y of --valid.", HELD_OUT, metavar="FILE", rare=True),
    "segments": flag(
        str,
        "A column whose values have a model each.",
        MODEL,
        metavar="COLUMN",
    ),
}
KEPT = {  # flags that say what is kept
    "no_training_state": flag(
        bool,
        "Write --model for prediction alone: a third of the room, but it can't be trained further.",
        OUTPUT,
        "--no-training-state",
    ),
    "every_seconds": flag(float, "Time between checkpoints; 60 by default.", OUTPUT, metavar="X", rare=True),
    "resume": flag(bool, "Go on from --checkpoint, if it is there.", OUTPUT, "--resume"),
}
# Of --early-stopping. A score of 1 in 1,000 rows more or less is chance; an epoch of "auto" is most of what there is to learn.
EARLY = {"max_iter": 100, "tol": 1e-3}
DEFAULT_FRACTION = 0.1
Task = StrEnum("Task", ["classification", "regression"])


@with_flags("params", parameter_flags())
@with_flags("reading", READING)
@with_flags("rows", ROWS)
@with_flags("kept", KEPT)
def train(
    data: Data,
    task: flag(Task, "classification or regression; by default what the loss is for.", MODEL, metavar="NAME") = None,
    model: flag(str, "Where to write the model.", OUTPUT, metavar="FILE") = None,
    checkpoint: flag(str, "Where to write checkpoints of the training.", OUTPUT, metavar="FILE") = None,
    dask: flag(
        str,
        "Train on a cluster of Dask: the address of its scheduler, or local:4 for four processes here. Its workers must find "
        "the files.",
        TRAINING,
        metavar="ADDRESS",
        rare=True,
    ) = None,
    quiet: flag(bool, "No progress, no table.", OUTPUT, "--quiet", "-q") = False,
    as_json: Json = False,
    *,
    kept,
    rows,
    reading,
    params,
):
    """Train a model on files, in bounded memory: by default a logistic regression, with nothing to tune."""
    from fastsgd.cli.cluster import connected, of_cluster
    from fastsgd.cli.passes import set_passes
    from fastsgd.cli.show import Bar, scored_by_loss
    from fastsgd.cli.texts import suit

    fraction = _fraction(rows)
    est, said = estimator(params, task, EARLY if rows.get("early_stopping") else {}, dask is not None)
    est = est if dask is None else of_cluster(est)
    est._check_params()
    resume, keep = kept.get("resume", False), {"training_state": not kept.get("no_training_state", False)}
    _check_kept(est, model, **keep)
    _note(said)
    _check_files(model, checkpoint, data, reading, rows)
    in_order, of_classes = {"shuffle", "half_life"} & set(params), est._task == "classifier"
    source = open_filled(data, reading, quiet or as_json, of_order=not in_order, of_classes=of_classes)
    _note(suit(est, source, params))
    rows_of_fit, how = _held_out(est, source, reading, rows, fraction)
    set_passes(est, rows_of_fit, params, rows, dask is not None)
    bar = Bar(est.max_iter, rows_of_fit, quiet or as_json, scored_by_loss(est))
    est.set_params(callbacks=[bar, *_checkpoints(checkpoint, kept.get("every_seconds", 60.0), resume)])
    if resume:
        how["resume_from"] = checkpoint
    if "segments" in rows:
        how["segments"] = rows["segments"]
    try:
        with nullcontext() if dask is None else connected(est, dask), bar:
            est.fit(rows_of_fit, **how)
    except KeyboardInterrupt:
        _interrupted(est, model, checkpoint, keep)
        raise
    except (ValueError, OSError) as error:
        if getattr(est, "stop_reason_", None) == "error":  # The estimator is fitted to the rows before the error.
            _interrupted(est, model and model + UNFINISHED, None, keep)
        raise _with_advice(error, fraction) from None
    est.set_params(callbacks=None)
    _note_made(est, source, rows_of_fit.n_rows)
    diverged = est.stop_reason_ == "diverged"
    model = model and model + DIVERGED * diverged
    if model is not None:
        try:
            est.save(model, **keep)
        except OSError:
            _interrupted(est, None, checkpoint, keep)
            raise
    _report(est, rows_of_fit.n_rows, model, quiet, as_json, **keep)
    if diverged:
        raise ValueError("the training diverged: a warning above says how far, and what helps.")


def _note(said):
    """Say on stderr what was set for the user; None is nothing."""
    from fastsgd.cli.show import ERR

    if said is not None:
        ERR.print(f"note: {said}", markup=False)


def _check_files(model, checkpoint, data, reading, rows):
    """That no file is written over one that is read."""
    from fastsgd.cli.outputs import check_places

    written = {"--model": model, "--checkpoint": checkpoint}
    written |= {
        "what diverges of --model": model and model + DIVERGED,
        "what an error leaves of --model": model and model + UNFINISHED,
        "the one before of --checkpoint": checkpoint and os.path.realpath(checkpoint) + ".previous",
    }
    held_out = {"--valid": rows.get("valid", []), "--valid-target": npy(rows.get("valid_target"))}
    check_places(written, files_read(data, reading) | held_out)


def _held_out(est, source, reading, rows, fraction):
    """(the rows to be trained on, keywords of `fit` with the rows that are held out, if there are any)."""
    from fastsgd.sources.shares import shares

    if "valid" in rows:
        known = source.columns.booleans if hasattr(source, "columns") else ()
        reading = _of_valid(reading, rows.get("valid_target"))
        return source, {"X_val": open_source(rows["valid"], reading, like=source.reading, booleans=known)}
    if fraction is None:
        return source, {}
    rows_of_fit, held_out = shares(source, fraction, est.random_state)
    return rows_of_fit, {"X_val": held_out}


def _with_advice(error, fraction):
    """An error of a training, with the flags that help."""
    said = str(error)
    if "Unknown label type" in said:  # scikit-learn's words
        return ValueError(f"{error} To predict a number: --task regression.")
    if fraction is not None and "labels that are not in classes" in said:
        return ValueError(
            f"a label is in held-out rows alone: {said.rpartition(': ')[2]} Have more rows of it, or none; or hold others out by "
            "another --random-state or --valid-fraction."
        )
    if fraction is not None and "the source has no rows" in said:
        return ValueError(
            f"--valid-fraction {fraction:g} of so few rows is none, or all: give more, or others as --valid."
        )
    return error


def _fraction(rows):
    """How much of the data is held out; None for nothing."""
    fraction = rows.get("valid_fraction", DEFAULT_FRACTION if rows.get("early_stopping") else None)
    if "valid" in rows:
        if "valid_fraction" in rows:
            raise NotUnderstood(
                "--valid-fraction holds rows of the data out, and --valid names others: give one of them."
            )
        return None
    if fraction is not None and not 0 < fraction < 1:
        raise NotUnderstood(f"--valid-fraction must be between 0 and 1, got {fraction:g}.")
    if fraction is not None and "segments" in rows:
        raise NotUnderstood(
            "--segments are judged by their objectives: leave --valid-fraction and --early-stopping out."
        )
    return fraction


def _note_made(est, source, rows):
    """Have the model say of how many rows it was made, and when."""
    when = datetime.now(UTC).isoformat(" ", "minutes").removesuffix("+00:00") + " UTC"
    there = source.columns.booleans if hasattr(source, "columns") else ()  # They are read as numbers.
    booleans = [name for name in est.reading_.get("columns", ()) if name in there]
    est._made = {"rows": rows, "when": when, "booleans": booleans}


def _check_kept(est, model, training_state):
    """That what is asked for can be kept, before hours are spent on it."""
    if training_state:
        return
    if model is None:
        raise NotUnderstood(
            "--no-training-state says how --model is written, and there is none: name a file by --model."
        )
    for name in ("n_bootstrap", "n_splits"):
        if getattr(est, name, 0):
            raise NotUnderstood(
                f"--no-training-state leaves out the models that --{name.replace('_', '-')} trains: leave out one of the two."
            )


def _checkpoints(path, every_seconds, resume):
    """The callbacks that write checkpoints: one, or none without a path."""
    if path is None:
        if resume:
            raise ValueError("--resume needs --checkpoint, the file to go on from.")
        return []
    if os.path.exists(path) and not resume:
        raise ValueError(f"{path} is there already: go on from it with --resume, or remove it.")
    from fastsgd import Checkpoint

    return [Checkpoint(path, every_seconds=every_seconds)]


def _of_valid(reading, target):
    """How the validation set is read: .npy files have their targets in another file, and no weights."""
    if not reading.get("target", "").endswith(".npy"):
        return reading
    if target is None:
        raise ValueError("--valid of .npy files needs --valid-target, the file of its targets.")
    return reading | {"target": target, "weight": None}


def _interrupted(est, model, checkpoint, keep):
    """What there is after Ctrl-C, and how to go on."""
    from fastsgd.cli.show import ERR

    if checkpoint is not None and os.path.exists(checkpoint):
        words = [word for word in sys.argv[1:] if word != "--resume"]
        ERR.print(f"{checkpoint} is written. To go on:\n  fastsgd {shlex.join([*words, '--resume'])}", markup=False)
    elif model is not None and hasattr(est, "coef_"):
        est.set_params(callbacks=None)
        est.save(model, **keep)
        ERR.print(f"{model} holds the model of this moment.", markup=False)


def _why(est):
    """What ended the training, in words where the name alone says little."""
    from fastsgd.decide import MAX_PASSES

    scores = est.history_["validation_score"]
    known = scores == scores  # It is NaN once a model that leaves rows out has diverged.
    if est.max_iter != "auto" or len(est.history_) < 2 or not known.any():
        return est.stop_reason_
    why = {
        "judged": "in two epochs the loss of rows that were not learnt from fell no more than by chance",
        "max_iter": f"{MAX_PASSES} epochs at most",
    }
    more = f" ({why[est.stop_reason_]})" if est.stop_reason_ in why else ""
    return f"{est.stop_reason_}{more}; it is the model after epoch {est._state.epoch}"


def _progressive(est):
    """How the loss of rows went before they were learnt from: of about the first and the last tenth, and the largest rise."""
    from fastsgd.drift import ends, rise

    found = ends(est.progressive_)
    if found is None:
        return None
    rises = None if est.shuffle else rise(est.progressive_)
    return found._asdict() | {"rise": None if rises is None else rises._asdict()}


def _say_progressive(est, found):
    """The same in words."""
    from fastsgd.cli.show import OUT, number
    from fastsgd.cli.words import in_flags
    from fastsgd.drift import Rise, forgetting, said

    if found is None:
        return
    first, last = (f"{number(found[end])} of the {end} {found[end + '_rows']:,} rows" for end in ("first", "last"))
    OUT.print(f"loss before learning: {first} of the first epoch, {last}", markup=False)
    if found["rise"] is not None:
        words = f"{said(Rise(**found['rise']), est)} {forgetting(est)}"
        OUT.print(f"note: {in_flags(words)}", markup=False)


def _report(est, rows, model, quiet, as_json, training_state):
    from fastsgd.cli.show import OUT, as_text, auto_rule, history, in_bytes, in_short, number, table

    found = {
        "model": model,
        "model_bytes": os.path.getsize(model) if model else None,
        "training_state": training_state if model else None,
        "estimator": type(est).__name__,
        "rows": rows,
        "features": est.n_features_in_,
        "epochs": est.n_iter_,
        "learning_rate": str(est.learning_rate),
        "alpha": est._alpha,
        "half_life": est._half_life,
        "stop_reason": est.stop_reason_,
        "auto_rule": auto_rule(est),
        "seconds": float(est.history_["seconds"].max(initial=0.0)),
        "history": history(est),
        "progressive": _progressive(est),
    }
    if as_json:
        print(as_text(found))
    elif not quiet:
        epochs = found["history"]
        columns = [name for name in next(iter(epochs), ()) if any(row[name] is not None for row in epochs)] or ["epoch"]
        lines = [[number(row[name]) for name in columns] for row in epochs]
        size = f"{found['rows']:,} rows, " if found["rows"] else ""
        table(f"{found['estimator']}: {size}{found['features']:,} features", columns, lines)
        kept = "the model is not kept: no --model was given"
        if model:
            alone = "" if training_state else ", for prediction alone"
            kept = f"the model is in {model} ({in_bytes(found['model_bytes'])}{alone})"
        OUT.print(f"stopped by: {_why(est)}; {kept}", markup=False)
        _say_progressive(est, found["progressive"])
        if found["auto_rule"]:
            OUT.print(f"what auto has learnt: {in_short(found['auto_rule'])}", markup=False)
        fades = found["half_life"]
        for name, value in (("alpha", f"{found['alpha']:g}"), ("half_life", f"{fades:,.0f} rows" if fades else "none")):
            if getattr(est, name) == "auto":
                OUT.print(f"{name.replace('_', '-')}: {value}, chosen by rows not learnt from", markup=False)
