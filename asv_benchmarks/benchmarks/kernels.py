"""One epoch, by layout, dtype, width, loss, penalty and heads."""

from functools import partial

import numpy as np
from sklearn.linear_model import SGDClassifier as Theirs

from fastsgd import SGDClassifier as Ours

from .common import SCALE, dense, interleaved, limit, make, unsorted_text

DATA, DTYPES, HEADS = ["narrow", "wide", "text"], ["float32", "float64"], [1, 10]


class _Pass:
    """An epoch here is a `partial_fit` of all rows, shuffled, that goes on from the last one."""

    param_names = ["data", "dtype", "loss", "penalty", "heads"]

    def setup(self, data, dtype, loss, penalty, heads):
        self.X, self.y = make(data, dtype, classes=heads if heads > 1 else 2)
        self.ours, self.theirs = (cls(loss, penalty=penalty, random_state=0) for cls in (Ours, Theirs))
        self.ours.partial_fit(self.X, self.y, np.unique(self.y))

    def epoch(self):
        self.ours.partial_fit(self.X, self.y)


class Epoch(_Pass):
    params = [[*DATA, "short"], DTYPES, ["hinge", "log_loss"], ["l2", "elasticnet"], HEADS]

    def time_epoch(self, *_):
        self.epoch()


class Ratio(_Pass):
    """Our time over another's, in the same process: below 1 we are faster."""

    params = [DATA, DTYPES, ["log_loss"], ["l2", "l1"], HEADS]
    unit = "ratio"

    def _over(self, other):
        ours, other = interleaved(9, self.epoch, other)
        return ours / other

    def track_ratio_to_sklearn(self, *_):
        self.theirs.partial_fit(self.X, self.y, np.unique(self.y))
        return self._over(lambda: self.theirs.partial_fit(self.X, self.y))

    def track_ratio_to_limit(self, *_):
        return self._over(limit(self.X, self.ours.coef_.shape[0]))


class Defaults:
    """A whole fit with default parameters, tol included: its time, and over that of scikit-learn in the same process."""

    params = [["text", "text, 20 classes", "dense", "tiny"], ["hinge", "log_loss"]]
    param_names = ["data", "loss"]

    def setup(self, data, loss):
        makers = {"text": (unsorted_text, 12_000, 8_000, 2), "text, 20 classes": (unsorted_text, 12_000, 8_000, 20)}
        makers |= {"dense": (dense, 200_000, 28, 2), "tiny": (dense, 200 * SCALE, 10, 2)}
        maker, n, d, classes = makers[data]
        self.X, self.y = maker(n // SCALE, d, classes)
        self.X = self.X.astype("float64")
        self.ours, self.theirs = (cls(loss, random_state=0) for cls in (Ours, Theirs))

    def time_fit(self, *_):
        self.ours.fit(self.X, self.y)

    def track_ratio_to_sklearn(self, *_):
        ours, theirs = interleaved(9, *(partial(est.fit, self.X, self.y) for est in (self.ours, self.theirs)))
        return ours / theirs

    track_ratio_to_sklearn.unit = "ratio"
