"""`fastsgd evaluate`."""

from fastsgd.cli.data import OF_MODEL, Data, fitted
from fastsgd.cli.flags import MODEL
from fastsgd.cli.options import Json, Model, flag, with_flags

Threshold = flag(
    float,
    "Of two classes: predict the second one from this probability on (of a loss without probabilities: from this decision on).",
    MODEL,
    metavar="X",
)
MAX_SHOWN = 20  # Of more classes the tables are in the JSON alone.


@with_flags("reading", OF_MODEL)
def evaluate(data: Data, model: Model, threshold: Threshold = None, as_json: Json = False, *, reading):
    """Score a model on files that have targets: by default in the column that it was trained on."""
    from fastsgd.cli.metrics import evaluation
    from fastsgd.cli.show import as_text

    est, source = fitted(model, data, reading, labelled=True)
    found = evaluation(est, source, threshold)
    if not found["rows"]:
        raise ValueError(f"there are no rows in {', '.join(data)} to score the model on.")
    if as_json:
        print(as_text(found))
    else:
        _tables(type(est).__name__, found)


def _tables(name, found):
    from fastsgd.cli.show import number, table

    classes, confusion, groups = found.pop("classes", []), found.pop("confusion", None), found.pop("calibration", [])
    scores = [(key, number(value)) for key, value in found.items() if key != "rows"]
    table(f"{name} on {found['rows']:,} rows", ["score", "value"], scores)
    if 0 < len(classes) <= MAX_SHOWN:
        columns = list(classes[0])
        table("classes", columns, [[number(one[key]) for key in columns] for one in classes])
    if confusion is not None and len(confusion) <= MAX_SHOWN:
        labels = [str(one["class"]) for one in classes]
        rows = [[label, *map(number, row)] for label, row in zip(labels, confusion, strict=True)]
        table("confusion: a row for each class of the data, a column for each prediction", ["", *labels], rows)
    if groups:
        of = str(classes[1]["class"]) if len(classes) == 2 else "the class that is predicted"
        columns = list(groups[0])
        table(f"calibration: probability of {of}", columns, [[number(one[key]) for key in columns] for one in groups])
