"""Estimators of every kind, to be saved and loaded."""

import pickle

import numpy as np
import scipy.sparse as sp

from fastsgd.auto import Auto
from fastsgd.beside import Beside
from fastsgd.state import State

from . import hostile

MODELS, SOLVED = list(hostile.models()), list(hostile.solved())
X, SPARSE, TARGET, LABELS, WIDE = hostile.X, hostile.SPARSE, hostile.TARGET, hostile.LABELS, hostile.WIDE


def fitted(est, data=X, y=LABELS):
    return est.set_params(max_iter=3, random_state=0).fit(data, y)


def same(a, b):
    """Whether two objects are of the same bits."""
    if isinstance(a, np.ndarray):
        return type(a) is type(b) and (a.dtype, a.shape) == (b.dtype, b.shape) and pickle.dumps(a) == pickle.dumps(b)
    if isinstance(a, np.random.RandomState):
        return pickle.dumps(a.get_state()) == pickle.dumps(b.get_state())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, State | Auto | Beside):
        return all(same(x, getattr(b, name)) for name, x in vars(a).items())
    if sp.issparse(a):
        return same(a.toarray(), b.toarray())
    return type(a) is type(b) and a == b
