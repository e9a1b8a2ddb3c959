"""`fastsgd explain`."""

from itertools import islice
from typing import Annotated

import typer

from fastsgd.cli.data import OF_MODEL, Data, fitted
from fastsgd.cli.flags import OUTPUT
from fastsgd.cli.options import Json, flag, with_flags


@with_flags("reading", OF_MODEL)
def explain(
    model: Annotated[str, typer.Argument(help="A model file.", show_default=False)],
    data: Data,
    rows: flag(int, "How many rows, from the first on; 5 by default.", OUTPUT, metavar="N") = 5,
    top: flag(int, "How many features of each row, those of largest share; 10 by default.", OUTPUT, metavar="N") = 10,
    as_json: Json = False,
    *,
    reading,
):
    """Say why a model predicts what it does: for each of the first rows, what each feature adds to the margin, by name.

    A share is the value of a feature times its coefficient. Shares, the others and the intercept add up to the margin: above 0
    it speaks for the second of two classes; of more, the class of largest margin is predicted, and its shares are shown; of
    numbers it is the prediction, or the logarithm of that (poisson, gamma).
    """
    from fastsgd.cli.show import OUT, as_text
    from fastsgd.estimators.contributions import n_heads
    from fastsgd.estimators.explained import of_row
    from fastsgd.estimators.learnt_table import meaning
    from fastsgd.sources.named import one_by_one
    from fastsgd.sources.reading import as_in_fit

    for name, value in (("--rows", rows), ("--top", top)):
        if value < 1:
            raise ValueError(f"{name} must be a number from 1 on, got {value}.")
    est, source = fitted(model, data, reading)
    found = [of_row(est, row, names, top) for row, names in islice(one_by_one(as_in_fit(est, source)), rows)]
    if not found:
        raise ValueError(f"there are no rows in {', '.join(data)}.")
    about = f"{type(est).__name__}: {meaning(est, n_heads(est), 'share')}"
    if as_json:
        print(as_text({"model": model, "about": about, "rows": found}))
        return
    OUT.print(about, markup=False)
    for number, one in enumerate(found, 1):
        for place, margin in enumerate(one["margins"]):
            _table(est, number, one, margin, place)
        OUT.print()


def _table(est, number, row, margin, place):
    """A row, as far as one class, or the target of this place, is concerned."""
    from fastsgd.cli.show import number as digits
    from fastsgd.cli.show import table
    from fastsgd.estimators.learnt_table import short

    words = [f"row {number}: predicted {digits(row['prediction'])}"]
    if est._task == "regressor" and margin["label"] is not None:
        words = [f"row {number}, target {margin['label']}: predicted {digits(row['prediction'][place])}"]
    if "probability" in row:
        words.append(f"with probability {row['probability'][str(row['prediction'])]:.4g}")
    if "target" in row:
        words.append(f"in the data it is {digits(row['target'])}")
    columns = ["value", "center", "coef", "share"]
    if not any(one["center"] for one in margin["shares"]):
        columns.remove("center")
    lines = [[short(one["feature"]), *(f"{one[name]:.4g}" for name in columns)] for one in margin["shares"]]
    none = [""] * (len(columns) - 1)
    if margin["others"]["features"]:
        lines.append([f"({margin['others']['features']} others)", *none, f"{margin['others']['share']:.4g}"])
    lines += [["(intercept)", *none, f"{margin['intercept']:.4g}"], ["= margin", *none, f"{margin['margin']:.4g}"]]
    table(", ".join(words), ["feature", *columns], lines, left=(0,))
