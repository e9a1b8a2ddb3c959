"""`fastsgd diagnose`."""

from typing import Annotated

import typer

from fastsgd.cli.data import OF_MODEL, Data, fitted
from fastsgd.cli.options import Json, Model, with_flags


@with_flags("reading", OF_MODEL)
def diagnose(
    data: Data,
    model: Model,
    valid: Annotated[list[str] | None, typer.Option(help="Files of other rows.", show_default=False)] = None,
    as_json: Json = False,
    *,
    reading,
):
    """Say why a model does not learn, or that it has: by the files it was trained on."""
    import fastsgd
    from fastsgd.cli.show import as_text, of_diagnosis
    from fastsgd.cli.words import in_flags

    est, source = fitted(model, data, reading, labelled=True)
    found = fastsgd.diagnose(est, source, X_val=fitted(model, valid, reading, labelled=True)[1] if valid else None)
    print(as_text(of_diagnosis(found)) if as_json else in_flags(str(found)))
