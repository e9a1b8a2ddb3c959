"""Scores of a model over the rows of a source, in one pass, by sums."""

from contextlib import closing

import numpy as np
from sklearn.metrics import roc_auc_score

from fastsgd.sources.blocks import blocks as checked
from fastsgd.sources.reading import as_in_fit
from fastsgd.sums import Scores, total


def evaluation(est, source):
    """Scores by name, weighted by the weights of the source.

    Of classifiers: rows, accuracy, with probabilities the log-loss, and with two classes the area under the ROC curve. Of
    regressors: rows, r2, mean absolute error, root of the mean squared error.
    """
    source = as_in_fit(est, source)
    score = _classification if hasattr(est, "classes_") else _regression
    return score(est, _rows(est, source))


def _rows(est, source):
    with closing(checked(source, est.n_features_in_)) as read:
        for number, rows in enumerate(read):
            if rows.y is None:
                raise ValueError("the data has no targets, which are needed to evaluate: give --target.")
            weight = np.ones(len(rows.y)) if rows.weight is None else rows.weight
            if weight.min(initial=0.0) < 0:
                raise ValueError(f"weight must not be negative, found {weight.min():g} in block {number}.")
            if len(weight):
                yield rows, weight
    source.warn_late()


def _classification(est, blocks):
    two, proba = len(est.classes_) == 2, hasattr(est, "predict_proba")
    margins, truths, weights = [], [], []

    def scored(rows, weight):
        place = np.searchsorted(est.classes_, rows.y).clip(max=len(est.classes_) - 1)
        if odd := [y for y, c in zip(rows.y, est.classes_[place], strict=True) if y != c][:1]:
            raise ValueError(
                f"the data has the label {np.asarray(odd[0]).item()!r}, which was not in training: {est.classes_.tolist()[:10]}."
            )
        z = est.decision_function(rows)
        values = {"accuracy": place == ((z > 0).astype(int) if two else z.argmax(axis=1))}
        if proba:
            log_p = est.predict_log_proba(rows)[np.arange(len(place)), place]
            # of modified_huber a probability may be 0
            values["log_loss"] = -np.where(np.isneginf(log_p), np.log(np.finfo(np.float64).tiny), log_p)
        if two:
            for kept, one in ((margins, z), (truths, place == 1), (weights, weight)):
                kept.append(one)
        return Scores.of(weight, **values)

    scores = total(scored(*block) for block in blocks)
    if scores is None:
        return {"rows": 0, "accuracy": np.nan} | ({"log_loss": np.nan} if proba else {})
    found = {"rows": scores.n_rows} | scores.finish()
    if two and 0 < np.concatenate(truths).sum() < scores.n_rows:
        weight = np.concatenate(weights)
        found["roc_auc"] = float(roc_auc_score(np.concatenate(truths), np.concatenate(margins), sample_weight=weight))
    return found


def _regression(est, blocks):
    scores = total(Scores.of_regression(rows.y, est.predict(rows), weight) for rows, weight in blocks)
    if scores is None:
        return {"rows": 0} | dict.fromkeys(("r2", "mean_absolute_error", "root_mean_squared_error"), np.nan)
    means = scores.finish()
    return {
        "rows": scores.n_rows,
        "r2": float(np.mean(scores.r2())),
        "mean_absolute_error": means["absolute"],
        "root_mean_squared_error": means["squared"] ** 0.5,
    }
