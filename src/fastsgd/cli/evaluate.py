"""`fastsgd evaluate`."""

from fastsgd.cli.data import OF_MODEL, Data, fitted
from fastsgd.cli.options import Json, Model, with_flags


@with_flags("reading", OF_MODEL)
def evaluate(data: Data, model: Model, as_json: Json = False, *, reading):
    """Score a model on files that have targets."""
    from fastsgd.cli.metrics import evaluation
    from fastsgd.cli.show import as_text, number, table

    est, source = fitted(model, data, reading, labelled=True)
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
