"""One pass of learning_rate="auto" as a ratio to one of plain SGD with the same loss, and what the models beside a model cost."""

from fastsgd import SGDClassifier

from .common import SMOKE, dense, interleaved, make


class Ratio:
    """Below 1 it is faster than plain SGD; the limits are 4 for dense data and 3 for CSR."""

    params = [["narrow", "wide", "text", "short"], ["float32", "float64"], ["hinge", "log_loss"]]
    param_names = ["data", "dtype", "loss"]
    unit = "ratio"

    def setup(self, data, dtype, loss):
        X, y = make(data, dtype)
        usual = {"loss": loss, "max_iter": 1, "tol": None, "random_state": 0}
        pair = SGDClassifier(learning_rate="auto", **usual), SGDClassifier(**usual)
        self.pair = [lambda est=est: est.fit(X, y) for est in pair]

    def track_ratio(self, *_):
        auto, plain = interleaved(5, *self.pair)
        return auto / plain


class NewtonToPlain:
    """As `Ratio`, of dense rows of up to 128 columns; of several classes one against the rest.

    Newton's equations are solved where all classes have 256 weights or fewer. Steps of several heads at once cost plain SGD
    little more than those of one.
    """

    params = [[10, 30, 64, 128], [1_000, 10_000, 100_000], [2, 3, 10]]
    param_names = ["columns", "rows", "classes"]
    unit = "ratio"

    def setup(self, columns, rows, classes):
        X, y = dense(200 if SMOKE else rows, columns, classes)
        usual = {"loss": "log_loss", "max_iter": 1, "tol": None, "random_state": 0}
        pair = SGDClassifier(learning_rate="auto", **usual), SGDClassifier(**usual)
        self.pair = [lambda est=est: est.fit(X, y) for est in pair]

    def track_ratio(self, *_):
        auto, plain = interleaved(5, *self.pair)
        return auto / plain


class Together:
    """As `Ratio`, of five classes learnt together over plain SGD of five together."""

    params = [["narrow", "wide", "text", "short"], ["float32", "float64"]]
    param_names = ["data", "dtype"]
    unit = "ratio"

    def setup(self, data, dtype):
        X, y = make(data, dtype, classes=5)
        usual = {"loss": "log_loss", "multi_class": "multinomial", "max_iter": 1, "tol": None, "random_state": 0}
        pair = SGDClassifier(learning_rate="auto", **usual), SGDClassifier(**usual)
        self.pair = [lambda est=est: est.fit(X, y) for est in pair]

    def track_ratio(self, *_):
        auto, plain = interleaved(5, *self.pair)
        return auto / plain


class Beside:
    """Time with 20 resampled models, or with 10 of disjoint rows, over that of the model alone: about 20, and about 3.

    One model more has longer steps.
    """

    params = [["narrow", "wide", "text"], [("n_bootstrap", 20), ("n_splits", 10)]]
    param_names = ["data", "models"]
    unit = "ratio"

    def setup(self, data, models):
        X, y = make(data, "float32")
        usual = {"loss": "log_loss", "learning_rate": "auto", "max_iter": 2, "tol": None, "random_state": 0}
        pair = SGDClassifier(**usual, **dict([models])), SGDClassifier(**usual)
        self.pair = [lambda est=est: est.fit(X, y) for est in pair]

    def track_ratio(self, *_):
        several, one = interleaved(3, *self.pair)
        return several / one
