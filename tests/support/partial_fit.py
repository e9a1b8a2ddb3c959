"""Fits in parts, for the tests of partial_fit."""

from itertools import pairwise

import numpy as np

from fastsgd import SGDClassifier, SGDOneClassSVM

ONCE = dict(max_iter=1, tol=None, shuffle=False, random_state=0)
CUTS = [0, 1, 40, 41, 130, 200]


def make(cls, penalty="l2", **params):
    given = {} if cls is SGDOneClassSVM else {"penalty": penalty, "alpha": 0.01}
    return cls(**given, **{**ONCE, **params})


def feed(est, X, y, s=None, cuts=CUTS):
    for lo, hi in pairwise(cuts):
        given = {"classes": np.unique(y)} if isinstance(est, SGDClassifier) else {}
        est.partial_fit(X[lo:hi], y[lo:hi], sample_weight=None if s is None else s[lo:hi], **given)
    return est
