"""Optimizers, batches, coupled classes and a loss of one's own, as ratios to plain SGD (or to the built-in)."""

from fastsgd import SGDClassifier, losses

from .common import interleaved, make

EPOCHS = 3
# name: (data, what is measured, what it is measured against); parameters of SGDClassifier beside the usual
CASES = {
    "adagrad": ("text", {"optimizer": "adagrad"}, {}),
    "ftrl": ("text", {"optimizer": "ftrl"}, {}),
    "adam, lazy": ("text", {"optimizer": "adam"}, {}),
    "rmsprop, lazy": ("text", {"optimizer": "rmsprop"}, {}),
    "momentum": ("text", {"optimizer": "momentum"}, {}),
    "batch_size=256, CSR": ("text", {"batch_size": 256}, {}),
    "batch_size=32": ("narrow", {"batch_size": 32}, {}),
    "batch_size=256": ("narrow", {"batch_size": 256}, {}),
    "adam, batch_size=256": ("narrow", {"optimizer": "adam", "batch_size": 256}, {}),
    "10 classes, multinomial": ("images", {"loss": "log_loss", "multi_class": "multinomial"}, {"loss": "log_loss"}),
    "10 classes, batch_size=32": ("images", {"loss": "log_loss", "batch_size": 32}, {"loss": "log_loss"}),
    "10 classes, batch_size=128": ("images", {"loss": "log_loss", "batch_size": 128}, {"loss": "log_loss"}),
    "10 classes, batch_size=1024": ("images", {"loss": "log_loss", "batch_size": 1024}, {"loss": "log_loss"}),
    "losses.Custom": ("narrow", {"loss": "custom hinge"}, {}),
}


def hinge_value(p, y):
    """As losses.Hinge."""
    return 1.0 - p * y if p * y <= 1.0 else 0.0


def hinge_slope(p, y):
    """As losses.Hinge."""
    return -y if p * y <= 1.0 else 0.0


def classifier(params):
    """Without a stopping rule, with a loss of one's own where it is named."""
    usual = {"max_iter": EPOCHS, "tol": None, "random_state": 0}
    if params.get("loss") == "custom hinge":
        params = {**params, "loss": losses.Custom(hinge_value, hinge_slope)}
    return SGDClassifier(**usual, **params)


def prepare(case, dtype, *scale):
    """Two functions: a whole fit of what is measured, and of what it is measured against."""
    data, mine, other = CASES[case]
    X, y = make(data, dtype, *scale)
    pair = classifier(mine), classifier(other)
    pair[0].fit(X[:100], y[:100])  # a loss of one's own is compiled when it is first needed
    return [lambda est=est: est.fit(X, y) for est in pair]


class Ratio:
    """Below 1 it is faster than what it is measured against."""

    params = [list(CASES), ["float32", "float64"]]
    param_names = ["case", "dtype"]
    unit = "ratio"

    def setup(self, case, dtype):
        self.pair = prepare(case, dtype)

    def track_ratio(self, *_):
        mine, other = interleaved(5, *self.pair)
        return mine / other
