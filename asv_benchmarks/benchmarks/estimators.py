"""Around the kernels: what a call costs, and what memory a fit takes."""

import tracemalloc

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier as Theirs
from sklearn.preprocessing import StandardScaler

from fastsgd import SGDClassifier

from .common import interleaved, make


class PartialFitOneRow:
    """A row costs what its values cost, however many features there are."""

    params = [["100 numbers", "100 numbers in lists", "50 of 100 on CSR", "50 of 2^20 on CSR"]]
    param_names = ["row"]

    def setup(self, row):
        rng = np.random.default_rng(0)
        X, self.y = rng.standard_normal((1, 100)), np.zeros(1, int)
        if "CSR" in row:
            d = 100 if "of 100" in row else 1 << 20
            X = sp.csr_matrix((X[0, :50], np.sort(rng.choice(d, 50, replace=False)), [0, 50]), shape=(1, d))
        self.X = X.tolist() if "lists" in row else X
        self.clf = SGDClassifier(random_state=0).partial_fit(X, self.y, [0, 1])

    def time_partial_fit(self, *_):
        self.clf.partial_fit(self.X, self.y)

    def track_ratio_to_scikit_learn(self, row):
        """Its time over ours."""
        theirs = Theirs(random_state=0).partial_fit(self.X, self.y, [0, 1])
        rows = range(100)
        other, ours = interleaved(
            5, *(lambda est=est: [est.partial_fit(self.X, self.y) for _ in rows] for est in (theirs, self.clf))
        )
        return other / ours

    track_ratio_to_scikit_learn.unit = "ratio"


class Memory:
    """`peakmem_fit` counts the data and their making too; `track_memory_raised_by_fit` what a fit allocates."""

    params = [["narrow", "wide", "text", "images", "many"], ["float32", "float64"]]
    param_names = ["data", "dtype"]

    def setup(self, data, dtype):
        self.X, self.y = make(data, dtype)
        self.clf = SGDClassifier(max_iter=2, tol=None, random_state=0)

    def peakmem_fit(self, *_):
        self.clf.fit(self.X, self.y)

    def track_memory_raised_by_fit(self, *_):
        tracemalloc.start()
        try:
            self.clf.fit(self.X, self.y)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    track_memory_raised_by_fit.unit = "bytes"


class Standardize:
    """Five epochs with standardize=True over the time of another way, in the same process: below 1 it is faster."""

    params = [["narrow", "text"], ["float32", "float64"]]
    param_names = ["data", "dtype"]
    unit = "ratio"

    def setup(self, data, dtype):
        self.X, self.y = make(data, dtype)
        self.centre = data != "text"

    def fit(self, X, standardize=False):
        SGDClassifier(max_iter=5, tol=None, random_state=0, standardize=standardize).fit(X, self.y)

    def _over(self, other):
        ours, other = interleaved(5, lambda: self.fit(self.X, standardize=True), other)
        return ours / other

    def track_ratio_to_scaler(self, *_):
        return self._over(lambda: self.fit(StandardScaler(with_mean=self.centre).fit_transform(self.X)))

    def track_ratio_to_plain(self, *_):
        return self._over(lambda: self.fit(self.X))
