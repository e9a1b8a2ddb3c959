"""One prediction as the shares of the features, by name."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from fastsgd.estimators.learnt_table import groups_of, shown
from fastsgd.estimators.names import names_of
from fastsgd.sources.named import Names


def of_row(est: Any, rows: Any, names: Names, top: int | None) -> dict[str, Any]:
    """What a model predicts of a row, and how that comes about, as JSON has it.

    Parameters
    ----------
    est : fitted estimator
    rows : Checked
        A single row.
    names : Names
        Those of its features that have none of their own.
    top : int or None
        How many features are named, those of largest share; the others are summed up.

    Returns
    -------
    dict
        "prediction"; "probability" by class, where there are any; "target", where it is known; and in "margins" for the class
        that is predicted, or for each target: its label, the margin, the shares, what the others add, and the intercept.
        The last three add up to the margin. A share is coef times what the value is beyond "center".
    """
    found: dict[str, Any] = {"prediction": shown(est.predict(rows))[0]}
    if hasattr(est, "predict_proba"):
        found["probability"] = dict(zip(map(str, shown(est.classes_)), shown(est.predict_proba(rows)[0]), strict=True))
    if rows.y is not None:
        found["target"] = shown(rows.y)[0]
    shares = est.contributions(rows)
    shares = shares if isinstance(shares, list) else [shares] if shares.ndim == 2 else list(shares.transpose(1, 0, 2))
    group, labels = groups_of(est, len(shares))
    heads = [labels.index(found["prediction"])] if group == "class" else range(len(shares))
    found["margins"] = [_of_head(est, rows, names, top, labels[h], shares[h]) for h in heads]
    return found


def center_of(est: Any, feature: int) -> float:
    """What is taken off the values of a feature: see `center` of `from_parquet`."""
    centers = getattr(est, "reading_", {}).get("center") or []
    return centers[feature] if feature < len(centers) else 0.0


def _of_head(est, rows, names, top, label, shares):
    """The shares of one class or target."""
    if sp.issparse(shares):
        index, values, products = rows.X.indices, rows.X.data, shares.data[:-1]
    else:
        index, values, products = np.arange(rows.X.shape[1]), rows.X[0], shares[0, :-1]
    intercept = float(shares.data[-1] if sp.issparse(shares) else shares[0, -1])
    largest = np.argsort(-abs(products), kind="stable")
    largest = largest[products[largest] != 0][:top]
    listed = []
    for place, name in zip(largest.tolist(), names_of(est, index[largest]), strict=True):
        name, sign = names.called(int(index[place]), name)
        value, share, center = sign * float(values[place]), float(products[place]), center_of(est, int(index[place]))
        listed.append(
            {"feature": name, "value": value + center, "center": center, "coef": share / value, "share": share}
        )
    others = np.delete(products, largest)
    return {
        "label": label,
        "margin": float(products.sum() + intercept),
        "shares": listed,
        "others": {"features": int(np.count_nonzero(others)), "share": float(others.sum())},
        "intercept": intercept,
    }
