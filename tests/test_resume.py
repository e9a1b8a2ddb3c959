"""Going on from a checkpoint: of a fit that ended, after Ctrl-C, and not from another fit."""

import itertools
import signal
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from support.checkpoint import (
    CLASSES,
    EPOCHS,
    FEW,
    LABELS,
    TARGET,
    WEIGHT,
    X,
    fresh,
    outcome,
    refuse,
    small_calls,  # noqa: F401 (a fixture)
)

from fastsgd import (
    Checkpoint,
    LinearRegressor,
    SGDClassifier,
    SGDRegressor,
    optimizers,
    schedules,
    stopping,
)
from fastsgd._kernels import kernels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# ---------------------------------------------------------------- the end of a fit


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True}, {"tol": 0.1, "n_iter_no_change": 1}, {"average": True}]
)
def test_a_fit_that_ended_is_as_it_was_or_goes_on(params, tmp_path):
    est = SGDRegressor(**FEW | params)
    done = fresh(est).set_params(callbacks=Checkpoint(tmp_path / "run")).fit(X, TARGET)
    again = fresh(est).fit(X, TARGET, resume_from=tmp_path / "run")
    assert outcome(again) == outcome(done) == outcome(fresh(est).fit(X, TARGET))
    longer = fresh(est).set_params(max_iter=9)
    assert outcome(fresh(longer).fit(X, TARGET, resume_from=tmp_path / "run")) == outcome(longer.fit(X, TARGET))


def test_max_seconds_goes_on_from_the_seconds_used(tmp_path, monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr("fastsgd.engine.perf_counter", lambda: float(next(clock)))
    whole = outcome(SGDRegressor(**FEW).fit(X, TARGET))
    short = SGDRegressor(max_seconds=30, callbacks=[Checkpoint(tmp_path / "run")], **FEW).fit(X, TARGET)
    assert short.stop_reason_ == "max_seconds" and short.t_ < 1 + EPOCHS * len(X)
    same = SGDRegressor(max_seconds=30, **FEW).fit(X, TARGET, resume_from=tmp_path / "run")
    assert outcome(same) == outcome(short)
    longer = SGDRegressor(max_seconds=1e6, **FEW).fit(X, TARGET, resume_from=tmp_path / "run")
    assert outcome(longer) == whole and (np.diff(longer.history_["seconds"]) > 0).all()
    assert longer.history_["seconds"][-1] > 30


def test_a_callback_that_stopped_stops_again(tmp_path):
    seen = []

    def stop(progress):
        seen.append(progress.epoch)
        return progress.epoch == 2

    est = SGDRegressor(callbacks=[stop, Checkpoint(tmp_path / "run")], **FEW).fit(X, TARGET)
    assert est.stop_reason_ == "callback" and seen == [1, 2]
    assert outcome(fresh(est).fit(X, TARGET, resume_from=tmp_path / "run")) == outcome(est) and seen == [1, 2, 2]


def test_a_fit_that_diverged(tmp_path):
    est = SGDRegressor(**FEW | {"max_iter": 30, "tol": 1e-3}, learning_rate="constant", eta0=0.4)
    with pytest.warns(match="diverged"):
        whole = outcome(fresh(est).fit(X * 3, TARGET))
    with pytest.warns(match="diverged"):
        fresh(est).set_params(callbacks=[Checkpoint(tmp_path / "run", 0)]).fit(X * 3, TARGET)
    with pytest.warns(match="diverged"):
        assert outcome(fresh(est).fit(X * 3, TARGET, resume_from=tmp_path / "run")) == whole


# ---------------------------------------------------------------- Ctrl-C


@pytest.mark.parametrize("early", [False, True])
def test_ctrl_c_writes_a_checkpoint_on_the_way_out(early, tmp_path, monkeypatch, ctrl_c):
    est, sweep, count = SGDRegressor(early_stopping=early, **FEW), kernels.sweep, itertools.count()

    def struck(*args):
        fault = sweep(*args)
        if next(count) == 17:
            signal.raise_signal(signal.SIGINT)
        return fault

    whole = outcome(fresh(est).fit(X, TARGET))
    stopped = fresh(est).set_params(callbacks=[Checkpoint(tmp_path / "run")])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kernels, "sweep", struck)
        stopped.fit(X, TARGET)
    assert stopped.stop_reason_ == "interrupted" and stopped.predict(X).shape == TARGET.shape
    assert 1 < stopped.t_ < 1 + EPOCHS * len(X) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert outcome(fresh(est).fit(X, TARGET, resume_from=tmp_path / "run")) == whole


def test_a_second_ctrl_c_does_not_wait(tmp_path, monkeypatch, ctrl_c):
    est, sweep, count = SGDRegressor(**FEW), kernels.sweep, itertools.count()

    def struck(*args):
        fault = sweep(*args)
        if next(count) == 17:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return fault

    whole = outcome(fresh(est).fit(X, TARGET))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kernels, "sweep", struck)
        fresh(est).set_params(callbacks=[Checkpoint(tmp_path / "run", 1e9, 64)]).fit(X, TARGET)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert outcome(fresh(est).fit(X, TARGET, resume_from=tmp_path / "run")) == whole


@pytest.mark.parametrize("where", ["callback", "scorer"])
def test_an_interrupt_from_the_users_own_code(where, tmp_path):
    calls = itertools.count()

    def strike(*_):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return 0.0

    params = {"callbacks": strike} if where == "callback" else {"validation_scoring": strike, "early_stopping": True}
    est = SGDRegressor(**FEW, **params)
    next_calls = itertools.count(100)
    whole = outcome(fresh(est).set_params(**{k: quiet(v, next_calls) for k, v in params.items()}).fit(X, TARGET))
    stopped = fresh(est)
    stopped.callbacks = [*([strike] if where == "callback" else []), Checkpoint(tmp_path / "run")]
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(X, TARGET)
    assert outcome(fresh(est).fit(X, TARGET, resume_from=tmp_path / "run")) == whole


def quiet(given, calls):
    """The same, but a function does nothing."""
    return given if not callable(given) else renamed(lambda *_: 0.0, given)


def renamed(f, like):
    f.__qualname__ = like.__qualname__
    return f


# ---------------------------------------------------------------- another fit


def test_what_differs_is_named(tmp_path):
    path, est = tmp_path / "run", SGDClassifier(**FEW, callbacks=[Checkpoint(tmp_path / "run")])
    est.fit(X, LABELS)
    refused = partial(refuse, path)
    refused(r"alpha was 0\.0001, is 0\.001\.", fresh(est).set_params(alpha=1e-3), X, LABELS)
    refused(r"loss was 'hinge', is 'log_loss'; optimizer was 'sgd', is Adam\(", with_adam(est), X, LABELS)
    refused(r"the number of rows of X was 150, is 149\.", est, X[1:], LABELS[1:])
    refused("the number of columns of X was 5, is 4", est, X[:, :4], LABELS)
    refused("the dtype of X was float64, is float32", est, X.astype("f4"), LABELS)
    refused("the layout of X was dense, is CSR", est, sp.csr_matrix(X), LABELS)
    refused("the checksum of y was [0-9a-f]{8}, is [0-9a-f]{8}", est, X, 1 - LABELS)
    refused(r"the classes was \[0, 1\] .*, is \[0, 1, 2\]", est, X, CLASSES)
    refused("the checksum of sample_weight was None, is", est, X, LABELS, sample_weight=WEIGHT)
    other = X.copy()
    other[77, 3] += 1
    refused(r"the checksum of X was [0-9a-f]{8}, is [0-9a-f]{8}\.", est, other, LABELS)
    refused("the number of rows of X_val was None, is 150", est, X, LABELS, X_val=X, y_val=LABELS)
    refused("max_iter was 4, is 3", fresh(est).set_params(max_iter=3), X, LABELS)
    refused("random_state was 0, is None", fresh(est).set_params(random_state=None), X, LABELS)
    refused("the class was SGDClassifier, is SGDRegressor", SGDRegressor("huber", **FEW), X, LABELS * 1.0)
    free = {"verbose": 0, "n_jobs": 3, "max_seconds": 1e9, "callbacks": None, "max_iter": 40}
    fresh(est).set_params(**free).fit(np.asfortranarray(X), LABELS, resume_from=path)


def with_adam(est):
    return fresh(est).set_params(loss="log_loss", optimizer=optimizers.Adam(), learning_rate="optimal")


def test_another_version_is_refused(tmp_path, monkeypatch):
    SGDRegressor(**FEW, callbacks=[Checkpoint(tmp_path / "run")]).fit(X, TARGET)
    monkeypatch.setattr("fastsgd._version.__version__", "99.0")
    refuse(tmp_path / "run", r"the version of fastsgd was .*, is 99\.0", SGDRegressor(**FEW), X, TARGET)


def test_rows_of_another_validation_split_are_refused(tmp_path, monkeypatch):
    est = SGDRegressor(early_stopping=True, **FEW, callbacks=[Checkpoint(tmp_path / "run")])
    est.fit(X, TARGET)
    order = np.random.default_rng(0).permutation(150)
    split = np.sort(order[:135]), np.sort(order[135:])
    monkeypatch.setattr("fastsgd.estimators.held_out.split", lambda *_: split)
    refuse(tmp_path / "run", "the checksum of the rows that are trained on", est, X, TARGET)


def test_max_iter_is_part_of_step_sizes_laid_out_over_it(tmp_path):
    for rate, grows in (("cosine", False), (schedules.Cosine(passes=4), True), ("exponential", True)):
        est = SGDRegressor(learning_rate=rate, **FEW)
        fresh(est).set_params(callbacks=[Checkpoint(tmp_path / "run")]).fit(X, TARGET)
        longer = fresh(est).set_params(max_iter=6)
        if grows:
            assert outcome(longer.fit(X, TARGET, resume_from=tmp_path / "run")) == outcome(fresh(longer).fit(X, TARGET))
        else:
            refuse(tmp_path / "run", "max_iter was 4, is 6", longer, X, TARGET)


def test_what_can_not_be_kept(tmp_path):
    class Mine(stopping.Objective):
        pass

    class Twice(optimizers.AdaGrad):
        pass

    given = {"callbacks": [Checkpoint(tmp_path / "run")], **FEW}
    for params, match in (
        ({"n_init": 2}, "n_init=2 are several"),
        ({"stopping": Mine()}, "which is code, can't be kept in a checkpoint"),
        ({"optimizer": Twice(), "learning_rate": "constant"}, "is of the class .*Twice, which is code"),
        ({"random_state": np.random.RandomState(np.random.PCG64(0))}, "MT19937"),
        ({"callbacks": [Checkpoint(tmp_path / "none" / "run")]}, "there is no folder"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=match):
            SGDRegressor(**given | params).fit(X, TARGET)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="callbacks must be callables"):
        LinearRegressor(callbacks=[Checkpoint(tmp_path / "run")]).fit(X, TARGET)
    for arguments in ((3,), ("run", -1), ("run", "1"), ("run", 1, 0), ("run", None, None)):
        with pytest.raises(ValueError, match="Checkpoint: "):
            Checkpoint(*arguments)
