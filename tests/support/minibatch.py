"""Small fits with every optimizer."""

import numpy as np
import pytest

from fastsgd import SGDRegressor, optimizers

NAMES = pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
ONCE = dict(max_iter=1, tol=None, shuffle=False, learning_rate="constant", eta0=0.01, random_state=0)


def make(name, lazy=True, **params):
    optimizer = optimizers.get(name).set_params(lazy=lazy)
    return SGDRegressor(**{**ONCE, "optimizer": optimizer, "alpha": 0.01, **params})


def bits(est):
    """All that prediction and further training depend on."""
    state = est._state
    arrays = [est.coef_, est.intercept_, state.W, state.b, state.b_avg, state.A, state.m, state.v, state.mb, state.vb]
    arrays += [np.array([[est.t_, state.epoch, state.seed, *state.at[0]]])]
    return [None if a is None else np.asarray(a).tobytes() for a in arrays]
