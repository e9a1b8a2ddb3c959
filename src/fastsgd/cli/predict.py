"""`fastsgd predict`."""

from enum import StrEnum

from fastsgd.cli.data import OF_MODEL, Data, files_read, fitted
from fastsgd.cli.evaluate import Threshold
from fastsgd.cli.flags import OUTPUT
from fastsgd.cli.options import Model, flag, with_flags

STDOUT = "-"
Method = StrEnum("Method", ["predict", "predict_proba", "decision_function"])
Output = flag(
    str,
    "A .csv, .parquet or .npy file. By default, and as -, stdout: a line for each row; of several columns CSV with a header.",
    OUTPUT,
    metavar="FILE",
)
Ids = flag(list[str], "A column of the data to stand before the predictions.", OUTPUT, "--id", metavar="COLUMN")


@with_flags("reading", OF_MODEL)
def predict(
    data: Data,
    model: Model,
    output: Output = None,
    method: flag(Method, "predict (default), predict_proba or decision_function.", OUTPUT, metavar="NAME") = "predict",
    ids: Ids = None,
    threshold: Threshold = None,
    header: flag(bool, "Whether CSV and stdout begin with the names of the columns.", OUTPUT) = None,
    *,
    reading,
):
    """Predict each row of files, in their order. They need no target."""
    from fastsgd.cli.outputs import check_places
    from fastsgd.cli.predictions import Predictions, check_ending, to_stdout, write

    output, ids = None if output == STDOUT else output, ids or []
    if output is not None:
        check_places({"--output": output}, files_read(data, reading) | {"--model": [model]})
        check_ending(output, ids)
    found = Predictions(*fitted(model, data, reading), method, ids, threshold)
    if output is None:
        to_stdout(found, header)
    else:
        write(output, found, header)
