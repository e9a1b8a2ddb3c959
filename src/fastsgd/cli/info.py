"""`fastsgd info`."""

from typing import Annotated

import typer

from fastsgd.cli.options import Json


def info(model: Annotated[str, typer.Argument(help="A model file.", show_default=False)], as_json: Json = False):
    """What a model file holds."""
    import numpy as np

    import fastsgd
    from fastsgd.cli.show import (
        OUT,
        as_text,
        auto_rule,
        columns_read,
        history,
        in_short,
        listed,
        number,
        of_segments,
        table,
    )

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
