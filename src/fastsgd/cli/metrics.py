"""Scores of a model over the rows of a source, in one pass and bounded memory."""

from contextlib import closing

import numpy as np

from fastsgd.cli.ranks import EXACT_ROWS, Ranked, area, calibration, calibration_error
from fastsgd.sources.blocks import blocks as checked
from fastsgd.sources.reading import as_in_fit
from fastsgd.sums import Scores, total

MAX_CONFUSION = 100  # With more classes there is no table of them all, and no AUC of each.


def evaluation(est, source, threshold=None):
    """Scores by name, weighted by the weights of the source.

    Of classifiers: rows, accuracy, balanced accuracy, F1; with probabilities the log-loss and the calibration; the area under
    the ROC curve; of each class precision, recall, F1 and weight; and the confusion table. Of regressors: rows, r2, mean absolute
    error, root of the mean squared error, mean of the loss, and with a log link the deviance.

    Parameters
    ----------
    threshold : float or None
        With two classes the second one is predicted from this probability on; of a model without probabilities, from this
        decision on.
    """
    source = as_in_fit(est, source)
    if not hasattr(est, "classes_"):
        if threshold is not None:
            raise ValueError("--threshold is for two classes, and this is a model of numbers: leave it out.")
        return _regression(est, _rows(est, source))
    two = len(est.classes_) == 2
    if threshold is not None and not two:
        raise ValueError(f"--threshold is for two classes, and the model has {len(est.classes_)}: leave it out.")
    scores = Classification(est, threshold)
    for rows, weight in _rows(est, source):
        scores.add(rows, weight)
    return scores.finish()


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


class Classification:
    """The sums from which scores of a classifier are made."""

    def __init__(self, est, threshold):
        self.est, self.threshold, self.n = est, threshold, len(est.classes_)
        self.two, self.proba = self.n == 2, hasattr(est, "predict_proba")
        self.rows, self.weight, self.log_loss = 0, 0.0, 0.0
        self.hits, self.truth, self.given = np.zeros((3, self.n))  # of each class
        self.confusion = np.zeros((self.n, self.n)) if self.n <= MAX_CONFUSION else None
        curves = 1 if self.two else self.n if self.n <= MAX_CONFUSION else 0
        self.curves = [Ranked(max(EXACT_ROWS // curves, 1 << 13)) for _ in range(curves)]
        self.sure = Ranked()

    def add(self, rows, weight):
        """The rows of a block."""
        place, z = self._places(rows.y), self.est.decision_function(rows)
        p = None
        if self.proba:
            log_p = self.est.predict_log_proba(rows)
            p, of_truth = np.exp(log_p), log_p[np.arange(len(place)), place]
            # of modified_huber a probability may be 0
            self.log_loss -= weight @ np.where(np.isneginf(of_truth), np.log(np.finfo(np.float64).tiny), of_truth)
        chosen = self._chosen(z, p)
        self.rows, self.weight = self.rows + len(place), self.weight + weight.sum()
        self.truth += np.bincount(place, weight, self.n)
        self.given += np.bincount(chosen, weight, self.n)
        self.hits += np.bincount(place, weight * (place == chosen), self.n)
        if self.confusion is not None:
            both = np.bincount(place * self.n + chosen, weight, self.n**2)
            self.confusion += both.reshape(self.n, self.n)
        self._rank(place, chosen, weight, z, p)

    def _places(self, y):
        classes = self.est.classes_
        place = np.searchsorted(classes, y).clip(max=self.n - 1)
        if odd := [one for one, c in zip(y, classes[place], strict=True) if one != c][:1]:
            raise ValueError(
                f"the data has the label {np.asarray(odd[0]).item()!r}, which was not in training: {classes.tolist()[:10]}."
            )
        return place

    def _chosen(self, z, p):
        """The number of the class that is predicted."""
        if not self.two:
            return z.argmax(axis=1)
        if self.threshold is None:
            return (z > 0).astype(int)
        return ((z if p is None else p[:, 1]) >= self.threshold).astype(int)

    def _rank(self, place, chosen, weight, z, p):
        if self.two:
            of_second = weight * (place == 1)
            self.curves[0].add(z, of_second, weight - of_second)
            if p is not None:
                self.sure.add(p[:, 1], weight, of_second, weight * p[:, 1])
            return
        for number, curve in enumerate(self.curves):  # as scikit-learn's "ovr", by probabilities where there are some
            own = weight * (place == number)
            curve.add((z if p is None else p)[:, number], own, weight - own)
        if p is not None:
            of_chosen = p[np.arange(len(place)), chosen]
            self.sure.add(of_chosen, weight, weight * (place == chosen), weight * of_chosen)

    def finish(self):
        """All scores by name."""
        if not self.rows:
            return {"rows": 0}
        with np.errstate(divide="ignore", invalid="ignore"):
            recall, precision = self.hits / self.truth, np.where(self.given > 0, self.hits / self.given, 0.0)
            f1 = 2 * self.hits / (self.truth + self.given)
        there, seen = self.truth > 0, self.truth + self.given > 0
        found = {
            "rows": self.rows,
            "accuracy": float(self.hits.sum() / self.weight) if self.weight > 0 else np.nan,
            "balanced_accuracy": float(recall[there].mean()) if there.any() else np.nan,
            "f1_macro": float(f1[seen].mean()) if seen.any() else np.nan,
        }
        if self.proba:
            found["log_loss"] = float(self.log_loss / self.weight) if self.weight > 0 else np.nan
        areas = [one for one in (area(*curve.finish()) for curve in self.curves if curve.rows) if one is not None]
        if areas:
            found["roc_auc"] = float(np.mean(areas))
        if self.threshold is not None:
            found["threshold"] = self.threshold
        if self.proba:
            found["calibration"] = calibration(*self.sure.finish())
            found["calibration_error"] = calibration_error(found["calibration"])
        labels = self.est.classes_.tolist()
        columns = zip(labels, precision.tolist(), recall.tolist(), f1.tolist(), self.truth.tolist(), strict=True)
        names = "class", "precision", "recall", "f1", "weight"
        found["classes"] = [dict(zip(names, row, strict=True)) for row in columns]
        found["confusion"] = None if self.confusion is None else self.confusion.tolist()
        return found


# ---------------------------------------------------------------- numbers
class Poisson:
    """The deviance of counts."""

    least = 0.0

    @staticmethod
    def of(y, mean):
        return 2 * (_y_log(y, y / mean) - y + mean)

    @staticmethod
    def of_target(y):
        return _y_log(y, y)

    @staticmethod
    def of_mean(mean, of_target):
        """That of the mean of the targets, whose `of_target` has this mean."""
        return 2 * (of_target - np.mean(_y_log(mean, mean)))


class Gamma:
    """The deviance of positive numbers."""

    least = np.nextafter(0.0, 1.0)

    @staticmethod
    def of(y, mean):
        return 2 * (np.log(mean / y) + y / mean - 1)

    @staticmethod
    def of_target(y):
        return np.log(y)

    @staticmethod
    def of_mean(mean, of_target):
        return 2 * (np.mean(np.log(mean)) - of_target)


DEVIANCES = {"poisson": Poisson, "gamma": Gamma}


def _y_log(y, ratio):
    return y * np.log(np.where(y > 0, ratio, 1.0))


def _regression(est, blocks):
    loss = est._loss() if hasattr(est, "_loss") else None
    scores = total(_of_numbers(est, loss, rows, weight) for rows, weight in blocks)
    if scores is None:
        return {"rows": 0}
    means = scores.finish()
    found = {
        "rows": scores.n_rows,
        "r2": float(np.mean(scores.r2())),
        "mean_absolute_error": means["absolute"],
        "root_mean_squared_error": means["squared"] ** 0.5,
    }
    found |= {name: means[name] for name in ("loss", "deviance") if name in means}
    if "deviance" in means:
        null = DEVIANCES[loss.name].of_mean(scores.targets.mean, means["of_target"])
        found["deviance_explained"] = float(1 - means["deviance"] / null) if null > 0 else np.nan
    return found


def _of_numbers(est, loss, rows, weight):
    predicted = est.predict(rows)
    found = Scores.of_regression(rows.y, predicted, weight)
    if loss is None:
        return found
    y, mean = (np.asarray(a if a.ndim == 2 else a[:, None], np.float64) for a in (rows.y, predicted))
    deviance = DEVIANCES.get(loss.name)
    if deviance is None:
        found.sums.update(Scores.of(weight, loss=loss.value(mean, y)).sums)
        return found
    if (y < deviance.least).any():
        raise ValueError(f"loss={loss.name!r} needs targets of at least {deviance.least:g}, found {y.min():g}.")
    mean = np.maximum(mean, np.finfo(np.float64).tiny)
    values = {"deviance": deviance.of(y, mean), "of_target": deviance.of_target(y), "loss": loss.value(np.log(mean), y)}
    found.sums.update(Scores.of(weight, **values).sums)
    return found
