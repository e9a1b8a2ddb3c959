"""`fastsgd predict`."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from fastsgd.cli.data import OF_MODEL, Data, files_read, fitted
from fastsgd.cli.options import Model, with_flags

Method = StrEnum("Method", ["predict", "predict_proba", "decision_function"])


@with_flags("reading", OF_MODEL)
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
    from fastsgd.cli.outputs import check_ending, check_places, write_predictions
    from fastsgd.sources import predict_batches

    if output is not None:
        check_places({"--output": output}, files_read(data, reading) | {"--model": [model]})
        check_ending(output)
    est, source = fitted(model, data, reading)
    if not hasattr(est, method):
        raise ValueError(f"--method: a model with loss={est.loss!r} has no {method}.")
    if output is not None:
        write_predictions(output, est, source, method)
        return
    for part in predict_batches(est, source, method):
        lines = part.reshape(len(part), -1).tolist()
        sys.stdout.write("".join("\t".join(map(str, line)) + "\n" for line in lines))
