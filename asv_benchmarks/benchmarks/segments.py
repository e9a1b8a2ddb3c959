"""A model for each of many segments, and one of all rows, as a ratio to that of all rows alone."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastsgd import SGDClassifier

from .common import interleaved, make


class Ratio:
    """Of five epochs; the limit is 4 for 200 segments."""

    params = [["narrow", "wide", "text"], ["float32", "float64"], [200, 2000]]
    param_names = ["data", "dtype", "segments"]
    unit = "ratio"

    def setup(self, data, dtype, segments):
        X, y = make(data, dtype)
        code = np.random.default_rng(0).integers(0, segments, X.shape[0])
        est = SGDClassifier(max_iter=5, tol=None, random_state=0)
        self.pair = [lambda: est.fit(X, y, segments=code), lambda: est.fit(X, y)]

    def track_ratio(self, *_):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # Default steps are too long for small segments.
            both, alone = interleaved(3, *self.pair)
        return both / alone
