"""The commands, and what becomes of errors."""

import functools
import os
import shlex
import sys
import warnings
from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated

import numpy as np
import typer

import fastsgd
from fastsgd import sources
from fastsgd.cli.cluster import connected, of_cluster
from fastsgd.cli.data import READING, TO_CONVERT, Data, open_source
from fastsgd.cli.metrics import evaluation
from fastsgd.cli.options import estimator, parameter_flags, with_flags
from fastsgd.cli.outputs import NotUnderstood, check_ending, check_places, write_predictions
from fastsgd.cli.show import (
    ERR,
    OUT,
    Bar,
    as_text,
    auto_rule,
    columns_read,
    history,
    in_short,
    listed,
    number,
    of_diagnosis,
    of_segments,
    table,
)
from fastsgd.cli.words import in_flags

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Linear and logistic models by stochastic gradient descent, on files of any size.",
)
INTERRUPTED = 130
DIVERGED, UNFINISHED = ".diverged", ".error"  # behind the name of a model that an old one is not to be replaced by
EXTRAS = {"pyarrow": "parquet", "matplotlib": "plot"}  # package to the extra that brings it
Model = Annotated[str, typer.Option(help="A model file, as `train --model` writes it.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and nothing else there.")]
ROWS = {  # flags that say more of the rows
    "valid": Annotated[
        list[str] | None,
        typer.Option(help="Files to validate on, after each epoch: the best weights are kept.", show_default=False),
    ],
    "valid_target": Annotated[
        str | None, typer.Option(help="Of .npy files: the file of y of --valid.", show_default=False)
    ],
    "segments": Annotated[
        str | None,
        typer.Option(
            help="A column whose values say of which segment each row is: train a model for each, and one of all rows. It is no "
            "feature then.",
            show_default=False,
        ),
    ],
}
Task = StrEnum("Task", ["classification", "regression"])
Method = StrEnum("Method", ["predict", "predict_proba", "decision_function"])


def run(args=None):
    """Run the command; its exit code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_: ERR.print(
            f"warning: {in_flags(str(message))}", style="yellow", markup=False
        )
        try:
            app(args, prog_name="fastsgd")
        except SystemExit as done:
            return done.code
    return 0


def command(function):
    """Make a command of a function: errors are a line on stderr."""

    @functools.wraps(function)
    def guarded(*args, **kwargs):
        try:
            function(*args, **kwargs)
            sys.stdout.flush()
        except KeyboardInterrupt:
            _give_up_stdout()
            ERR.print("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever read stdout has seen enough
            _give_up_stdout()
            raise typer.Exit(1) from None
        except NotUnderstood as error:
            ERR.print(f"error: {error}", style="red", markup=False)
            raise typer.Exit(2) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            how = f': pip install "fastsgd[{EXTRAS[package]}]"' if package in EXTRAS else ""
            ERR.print(f"error: {error}{how}", style="red", markup=False)
            raise typer.Exit(1) from None
        except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
            _give_up_stdout()
            ERR.print(f"error: {_in_words(error)}", style="red", markup=False)
            raise typer.Exit(1) from None

    return app.command()(guarded)


def _in_words(error):
    """What an error says; of the system's, which file it is about and why, without a number."""
    if isinstance(error, FileNotFoundError) and error.filename is not None:
        return f"there is no file or folder {error.filename}."
    if isinstance(error, OSError) and error.strerror:
        return f"{'' if error.filename is None else f'{error.filename}: '}{error.strerror}."
    return in_flags(str(error)) or type(error).__name__


def _give_up_stdout():
    """Write out what is waiting; if that fails, have the interpreter not try again at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.callback(invoke_without_command=True)
def version(version: Annotated[bool, typer.Option("--version", help="The version, and no more.")] = False):
    if version:
        print(f"fastsgd {fastsgd.__version__}")
        raise typer.Exit


# ---------------------------------------------------------------- train
@command
@with_flags("params", parameter_flags())
@with_flags("reading", READING)
@with_flags("rows", ROWS)
def train(
    data: Data,
    task: Annotated[Task | None, typer.Option(help="By default what the loss is for.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="Where to write the model file.", show_default=False)] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Where to write checkpoints of the training.", show_default=False)
    ] = None,
    every_seconds: Annotated[float, typer.Option(help="Time between checkpoints.")] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from --checkpoint, if it is there.")] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Train on a cluster of Dask: the address of its scheduler, or local:4 for four processes here. Its workers "
            "must find the files.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
    as_json: Json = False,
    *,
    rows,
    reading,
    params,
):
    """Train a model on files, in bounded memory.

    Where --learning-rate is not given it is "auto", which has nothing to tune and needs no scaled columns, and one pass is
    made over the rows. What stands in its place where it does not go with another flag is said. A training that diverges
    is an error, and its model is written to another file, with .diverged behind the name.
    """
    est, said = estimator(params, task)
    est = est if dask is None else of_cluster(est)
    est._check_params()
    if said is not None:
        ERR.print(f"note: {said}", markup=False)
    written = {"--model": model, "--checkpoint": checkpoint}
    written |= {
        "what diverges of --model": model and model + DIVERGED,
        "what an error leaves of --model": model and model + UNFINISHED,
        "the one before of --checkpoint": checkpoint and os.path.realpath(checkpoint) + ".previous",
    }
    valid, valid_target = rows.get("valid", []), rows.get("valid_target")
    check_places(written, _read(data, reading) | {"--valid": valid, "--valid-target": _npy(valid_target)})
    source, how = open_source(data, reading), {}
    if valid:
        how["X_val"] = open_source(valid, _of_valid(reading, valid_target), like=source.reading)
    bar = Bar(est.max_iter, source, quiet or as_json)
    est.set_params(callbacks=[bar, *_checkpoints(checkpoint, every_seconds, resume)])
    if resume:
        how["resume_from"] = checkpoint
    if "segments" in rows:
        how["segments"] = rows["segments"]
    try:
        with nullcontext() if dask is None else connected(est, dask), bar:
            est.fit(source, **how)
    except KeyboardInterrupt:
        _interrupted(est, model, checkpoint)
        raise
    except (ValueError, OSError) as error:
        if getattr(est, "stop_reason_", None) == "error":  # on the way: it is fitted to the rows before
            _interrupted(est, model and model + UNFINISHED, None)
        if "Unknown label type" not in str(error):  # scikit-learn's words
            raise
        raise ValueError(f"{error} To predict a number: --task regression.") from None
    est.set_params(callbacks=None)
    diverged = est.stop_reason_ == "diverged"
    model = model and model + DIVERGED * diverged
    if model is not None:
        try:
            est.save(model)
        except OSError:
            _interrupted(est, None, checkpoint)
            raise
    _report(est, source, model, quiet, as_json)
    if diverged:
        raise ValueError("the training diverged: a warning above says how far, and what helps.")


def _checkpoints(path, every_seconds, resume):
    """The callbacks that write checkpoints: one, or none without a path."""
    if path is None:
        if resume:
            raise ValueError("--resume needs --checkpoint, the file to go on from.")
        return []
    if os.path.exists(path) and not resume:
        raise ValueError(f"{path} is there already: go on from it with --resume, or remove it.")
    return [fastsgd.Checkpoint(path, every_seconds=every_seconds)]


def _read(data, reading):
    """The files that are read, as `check_places` takes them: the data and, of .npy files, those of targets and weights."""
    return {"the data": data} | {f"--{name}": _npy(reading.get(name)) for name in ("target", "weight")}


def _npy(path):
    return [path] if path is not None and path.endswith(".npy") else []


def _of_valid(reading, target):
    """How the validation set is read: .npy files have their targets in another file, and no weights."""
    if not reading.get("target", "").endswith(".npy"):
        return reading
    if target is None:
        raise ValueError("--valid of .npy files needs --valid-target, the file of its targets.")
    return reading | {"target": target, "weight": None}


def _interrupted(est, model, checkpoint):
    """What there is after Ctrl-C, and how to go on."""
    if checkpoint is not None and os.path.exists(checkpoint):
        words = [word for word in sys.argv[1:] if word != "--resume"]
        ERR.print(f"{checkpoint} is written. To go on:\n  fastsgd {shlex.join([*words, '--resume'])}", markup=False)
    elif model is not None and hasattr(est, "coef_"):
        est.set_params(callbacks=None)
        est.save(model)
        ERR.print(f"{model} holds the model of this moment.", markup=False)


def _report(est, source, model, quiet, as_json):
    found = {
        "model": model,
        "estimator": type(est).__name__,
        "rows": source.n_rows,
        "features": est.n_features_in_,
        "epochs": est.n_iter_,
        "learning_rate": str(est.learning_rate),
        "stop_reason": est.stop_reason_,
        "auto_rule": auto_rule(est),
        "seconds": float(est.history_["seconds"].max(initial=0.0)),
        "history": history(est.history_),
    }
    if as_json:
        print(as_text(found))
    elif not quiet:
        columns = [name for name in est.history_.dtype.names if any(row[name] is not None for row in found["history"])]
        columns = columns or ["epoch"]
        rows = [[number(row[name]) for name in columns] for row in found["history"]]
        size = f"{found['rows']:,} rows, " if found["rows"] else ""
        table(f"{found['estimator']}: {size}{found['features']:,} features", columns, rows)
        kept = f"the model is in {model}" if model else "the model is not kept: no --model was given"
        OUT.print(f"stopped by: {est.stop_reason_}; {kept}", markup=False)
        if found["auto_rule"]:
            OUT.print(f"what auto has learnt: {in_short(found['auto_rule'])}", markup=False)


# ---------------------------------------------------------------- use
def _fitted(model, data, reading, labelled=False):
    """The model, and the source read as it was in training, but for what is given."""
    est = fastsgd.load(model)
    return est, open_source(data, reading, labelled, like=getattr(est, "reading_", None))


@command
@with_flags("reading", READING)
def predict(
    data: Data,
    model: Model,
    output: Annotated[
        str | None,
        typer.Option(
            help="A .npy, .csv or .parquet file; by default a line for each row on stdout.", show_default=False
        ),
    ] = None,
    method: Annotated[Method, typer.Option(help="What to predict.")] = "predict",
    *,
    reading,
):
    """Predict each row of files, in their order."""
    if output is not None:
        check_places({"--output": output}, _read(data, reading) | {"--model": [model]})
        check_ending(output)
    est, source = _fitted(model, data, reading)
    if not hasattr(est, method):
        raise ValueError(f"--method: a model with loss={est.loss!r} has no {method}.")
    if output is not None:
        write_predictions(output, est, source, method)
        return
    for part in sources.predict_batches(est, source, method):
        lines = part.reshape(len(part), -1).tolist()
        sys.stdout.write("".join("\t".join(map(str, line)) + "\n" for line in lines))


@command
@with_flags("reading", READING)
def evaluate(data: Data, model: Model, as_json: Json = False, *, reading):
    """Score a model on files that have targets."""
    est, source = _fitted(model, data, reading, labelled=True)
    found = evaluation(est, source)
    if not found["rows"]:
        raise ValueError(f"there are no rows in {', '.join(data)} to score the model on.")
    if as_json:
        print(as_text(found))
    else:
        table(
            f"{type(est).__name__} on {found['rows']:,} rows",
            ["score", "value"],
            [(k, number(v)) for k, v in found.items()],
        )


@command
@with_flags("reading", READING)
def diagnose(
    data: Data,
    model: Model,
    valid: Annotated[list[str] | None, typer.Option(help="Files of other rows.", show_default=False)] = None,
    as_json: Json = False,
    *,
    reading,
):
    """Say why a model does not learn, or that it has: by the files it was trained on."""
    est, source = _fitted(model, data, reading, labelled=True)
    found = fastsgd.diagnose(est, source, X_val=_fitted(model, valid, reading, labelled=True)[1] if valid else None)
    print(as_text(of_diagnosis(found)) if as_json else in_flags(str(found)))


@command
def info(model: Annotated[str, typer.Argument(help="A model file.", show_default=False)], as_json: Json = False):
    """What a model file holds."""
    est = fastsgd.load(model)
    changed = {k: v for k, v in est.get_params(deep=False).items() if v != type(est)().get_params(deep=False)[k]}
    coef = est.coef_.toarray() if hasattr(est.coef_, "toarray") else est.coef_
    found = {
        "estimator": type(est).__name__,
        "features": int(est.n_features_in_),
        "columns": columns_read(est),
        "classes": est.classes_.tolist() if hasattr(est, "classes_") else None,
        **of_segments(est),
        "nonzero_coefficients": int(np.count_nonzero(coef)),
        "dtype": str(coef.dtype),
        "epochs": int(est.n_iter_),
        "stop_reason": est.stop_reason_,
        "auto_rule": auto_rule(est),
        "parameters": {k: v if isinstance(v, int | float | str | bool | None) else repr(v) for k, v in changed.items()},
        "history": history(est.history_),
    }
    if as_json:
        print(as_text(found))
        return
    last = found.pop("history")
    found["auto_rule"], found["columns"] = in_short(found["auto_rule"]), listed(found["columns"])
    table(model, ["", ""], [(name.replace("_", " "), value) for name, value in found.items() if value is not None])
    if last:
        OUT.print("last epoch: " + ", ".join(f"{k} {number(v)}" for k, v in last[-1].items() if v is not None))


# ---------------------------------------------------------------- files
@command
@with_flags("reading", {name: READING[name] for name in TO_CONVERT})
def convert(
    data: Data,
    output: Annotated[str, typer.Option(help="A .parquet or .arrow file.", show_default=False)],
    *,
    reading,
):
    """Convert CSV or svmlight files, which are slow to read, to a Parquet or Arrow file, with all their columns."""
    from fastsgd.cli.convert import convert

    check_places({"--output": output}, _read(data, reading))
    rows = convert(data, output, reading)
    ERR.print(f"{output}: {rows:,} rows", markup=False)


@command
def plot(
    history: Annotated[
        list[str],
        typer.Argument(help="Model files, or files of what `train --json` prints: a curve each.", show_default=False),
    ],
    output: Annotated[str, typer.Option(help="An image, in the format that its ending says.")] = "history.png",
    x: Annotated[str, typer.Option(help='The horizontal axis: "epoch" or "seconds".')] = "epoch",
    y: Annotated[
        str | None,
        typer.Option(
            help="A column of the history; by default loss, objective and validation score.", show_default=False
        ),
    ] = None,
    log: Annotated[bool, typer.Option("--log", help="A logarithmic vertical axis.")] = False,
):
    """Draw how trainings went."""
    from fastsgd.cli.draw import draw

    draw(history, output, x=x, y=y, log=log)
    ERR.print(f"{output} is written", markup=False)
