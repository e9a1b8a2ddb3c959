"""A fit that is stopped and goes on from its checkpoint ends as one that never was, bit for bit."""

import itertools
import warnings
import zlib

import numpy as np
import pytest
import scipy.sparse as sp
from data import labels, rows
from hypothesis import given, settings
from hypothesis import strategies as st

import fastsgd
from fastsgd import Checkpoint, SGDClassifier, SGDOneClassSVM, SGDRegressor, optimizers, schedules, stopping
from fastsgd.persist import checkpoint
from fastsgd.sources import arrays

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, TARGET, WEIGHT = rows(150, 5)
X += 0.5 * np.arange(5)
LABELS, CLASSES = labels(TARGET), labels(TARGET, 3)
EPOCHS = 4


class Crash(Exception):
    """In place of a power cut."""


@pytest.fixture(autouse=True)
def small_calls(monkeypatch):
    """Kernel calls of 16 rows, or of 8 where they are converted."""
    for name, value in {
        "CALL_ROWS": 16,
        "BLOCK_ROWS": 4,
        "BUFFER_BLOCKS": 2,
        "BUFFER_BYTES": 1,
        "READ_BYTES": 1,
    }.items():
        monkeypatch.setattr(arrays, name, value)


def crash(est, data, y, path, at, resume=False, **fit):
    """Fit until kernel call number `at` from here, write a checkpoint, and crash; whether it came to that."""
    count, between = itertools.count(), checkpoint.Keeper.between

    def counted(keeper, run, ending):
        if not ending and next(count) == at:
            keeper.writers[0].write(lambda: keeper._content(run), 0)
            raise Crash
        between(keeper, run, ending)

    est = fresh(est).set_params(callbacks=[Checkpoint(path, 1e9)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint.Keeper, "between", counted)
        try:
            est.fit(data, y, resume_from=path if resume else None, **fit)
        except Crash:
            return True
    return False


def calls(est, data, y, path, **fit):
    """Kernel calls of the fit."""
    seen, between = [], checkpoint.Keeper.between
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint.Keeper, "between", lambda *args: seen.append(args[2]) or between(*args))
        fresh(est).set_params(callbacks=[Checkpoint(path, 1e9)]).fit(data, y, **fit)
    return seen.count(False)


def fresh(est):
    return type(est)(**est.get_params())


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


def same_as_unbroken(est, data, y, path, moments, **fit):
    """Crash at each of these moments, as shares of the kernel calls there are, go on each time, and compare in the end."""
    whole, count, gone = outcome(fresh(est).fit(data, y, **fit)), calls(est, data, y, path, **fit), 0
    for moment in sorted(moments):
        at = int(moment * count)
        assert crash(est, data, y, path, max(0, at - gone), resume=gone > 0, **fit) or at >= count - 1
        gone = at + 1
    assert outcome(fresh(est).fit(data, y, resume_from=path, **fit)) == whole


# ---------------------------------------------------------------- every optimizer, every layout
HOW = {
    "plain": {},
    "average": {"average": 20},
    "elasticnet": {"penalty": "elasticnet", "alpha": 1e-3, "l1_ratio": 0.4},
    "l1, averaged": {"penalty": "l1", "alpha": 1e-3, "average": True},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.01, "max_iter": 12},
    "batch of 7": {"batch_size": 7},
    "full batch": {"batch_size": "full"},
    "standardize": {"standardize": True},
    "objective": {"tol": 0.1, "n_iter_no_change": 1, "max_iter": 20},
}


def cases():
    for (how, params), optimizer, layout, dtype in itertools.product(
        HOW.items(), [*optimizers.OPTIMIZERS, "auto"], ("dense", "csr"), ("f8", "f4")
    ):
        if not (optimizer == "auto" and {"average", "batch_size"} & set(params)):
            yield pytest.param(optimizer, layout, dtype, params, id=f"{optimizer}-{layout}-{dtype}-{how}")


def classifier(optimizer, params):
    own = {"learning_rate": "auto"} if optimizer == "auto" else {"optimizer": optimizer}
    if optimizer not in ("sgd", "auto", "ftrl"):
        own["learning_rate"] = "constant"
    return SGDClassifier(
        **{"loss": "log_loss", "max_iter": EPOCHS, "tol": None, "random_state": 0, "eta0": 0.01, **own, **params}
    )


def laid_out(layout, dtype):
    data = (X * (X > 0)).astype(dtype)
    return sp.csr_matrix(data) if layout == "csr" else data


@pytest.mark.parametrize("optimizer, layout, dtype, params", list(cases()))
def test_goes_on_bit_for_bit(optimizer, layout, dtype, params, tmp_path):
    est = classifier(optimizer, params)
    at = zlib.crc32(f"{optimizer}{layout}{dtype}{params}".encode()) % 1000 / 1000
    for y in (LABELS, CLASSES):
        same_as_unbroken(est, laid_out(layout, dtype), y, tmp_path / "run", [at])
