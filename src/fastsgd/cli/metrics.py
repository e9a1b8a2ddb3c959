"""Scores of a model over the rows of a source, in one pass, by sums."""

import numpy as np
from sklearn.metrics import roc_auc_score

from fastsgd.sources.blocks import blocks as checked
from fastsgd.sources.reading import as_in_fit


def evaluation(est, source):
    """Scores by name, weighted by the weights of the source.

    Of classifiers: rows, accuracy, with probabilities the log-loss, and with two classes the area under the ROC curve. Of
    regressors: rows, r2, mean absolute error, root of the mean squared error.
    """
    source = as_in_fit(est, source)
    score = _classification if hasattr(est, "classes_") else _regression
    return score(est, _rows(est, source))


def _rows(est, source):
    for number, rows in enumerate(checked(source, est.n_features_in_)):
        if rows.y is None:
            raise ValueError("the data has no targets, which are needed to evaluate: give --target.")
        weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
        if weight.min(initial=0.0) < 0:
            raise ValueError(f"weight must not be negative, found {weight.min():g} in block {number}.")
        if len(weight):
            yield rows, weight


def _classification(est, blocks):
    n, total, right, lost, margins, truths, weights = 0, 0.0, 0.0, 0.0, [], [], []
    two, proba = len(est.classes_) == 2, hasattr(est, "predict_proba")
    for rows, weight in blocks:
        place = np.searchsorted(est.classes_, rows.y).clip(max=len(est.classes_) - 1)
        if odd := [y for y, c in zip(rows.y, est.classes_[place], strict=True) if y != c][:1]:
            raise ValueError(
                f"the data has the label {np.asarray(odd[0]).item()!r}, which was not in training: {est.classes_.tolist()[:10]}."
            )
        n, total = n + len(weight), total + weight.sum()
        z = est.decision_function(rows)
        found = (z > 0).astype(int) if two else z.argmax(axis=1)
        right += weight @ (found == place)
        if proba:
            log_p = est.predict_log_proba(rows)[np.arange(len(place)), place]
            # of modified_huber a probability may be 0
            lost -= weight @ np.where(np.isneginf(log_p), np.log(np.finfo(np.float64).tiny), log_p)
        if two:
            margins, truths, weights = [*margins, z], [*truths, place == 1], [*weights, weight]
    found = {"rows": n, "accuracy": _share(right, total)}
    if proba:
        found["log_loss"] = _share(lost, total)
    if two and 0 < np.concatenate(truths or [[]]).sum() < n:
        weight = np.concatenate(weights)
        found["roc_auc"] = float(roc_auc_score(np.concatenate(truths), np.concatenate(margins), sample_weight=weight))
    return found


def _regression(est, blocks):
    n, total, mean, spread, absolute, squared = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for rows, weight in blocks:
        y, found = (np.asarray(a, np.float64).reshape(len(weight), -1) for a in (rows.y, est.predict(rows)))
        n, more = n + len(weight), weight.sum()
        if more > 0:
            its = weight @ y / more
            spread = spread + weight @ (y - its) ** 2 + (its - mean) ** 2 * (total * more / (total + more))
            total, mean = total + more, mean + (its - mean) * (more / (total + more))
        absolute, squared = absolute + weight @ abs(y - found), squared + weight @ (y - found) ** 2
    r2 = np.mean(1.0 - squared / np.where(spread > 0, spread, np.nan))
    return {"rows": n, "r2": float(r2)} | {
        "mean_absolute_error": _share(np.mean(absolute), total),
        "root_mean_squared_error": _share(np.mean(squared), total) ** 0.5,
    }


def _share(a, b):
    return float(a / b) if b > 0 else float("nan")
