"""Fits that crash at some kernel call and go on."""

import numpy as np
import pytest

from fastsgd import (
    Checkpoint,
)
from fastsgd.persist import keeper

from .data import labels, rows

X, TARGET, WEIGHT = rows(150, 5)
X += 0.5 * np.arange(5)
LABELS, CLASSES = labels(TARGET), labels(TARGET, 3)
EPOCHS = 4


@pytest.fixture(autouse=True)
def small_calls(set_sizes):
    """Kernel calls of 16 rows, or of 8 where they are converted."""
    set_sizes(call_rows=16, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)


class Interrupt:
    """Ctrl-C after so many kernel calls."""

    def __init__(self, calls):
        self.calls = calls

    def between(self, at):
        self.calls -= 1
        if not self.calls:
            raise KeyboardInterrupt


def calls(est, data, y, path, **fit):
    """Kernel calls of the fit."""
    seen, between = [], keeper.Keeper.between
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper.Keeper, "between", lambda *args: seen.append(args[2]) or between(*args))
        fresh(est).set_params(callbacks=[Checkpoint(path, 1e9)]).fit(data, y, **fit)
    return seen.count(False)


def fresh(est):
    return type(est)(**est.get_params(deep=False))


def outcome(est):
    """All that a fit leaves, in bytes."""
    found = [getattr(est, name, None) for name in ("coef_", "intercept_", "offset_", "mean_", "scale_", "classes_")]
    found = [None if a is None else (a.dtype.str, a.shape, a.tobytes()) for a in found]
    history = [est.history_[name].tobytes() for name in est.history_.dtype.names if name != "seconds"]
    state = {
        name: a.tobytes() if isinstance(a, np.ndarray) else a for name, a in vars(est._state).items() if name != "auto"
    }
    auto = getattr(est._state, "auto", None)
    auto = None if auto is None else {n: a.tobytes() if isinstance(a, np.ndarray) else a for n, a in vars(auto).items()}
    return found, history, state, auto, est.t_, est.n_iter_, est.stop_reason_


FEW = {"max_iter": EPOCHS, "tol": None, "random_state": 0}


def refuse(path, match, est, *data, **fit):
    with pytest.raises(ValueError, match=match) as error:
        fresh(est).set_params(callbacks=None).fit(*data, **fit, resume_from=path)
    assert str(path) in str(error.value) and "another fit" in str(error.value)
