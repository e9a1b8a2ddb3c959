"""Callbacks, those of scikit-learn, and Ctrl-C during a fit."""

import _thread
import signal
import threading
import warnings

import numpy as np
import pytest
from support.data import LAYOUTS, rows
from support.training import (
    BOTH,
    EVERY,
    callbacks_of_sklearn,  # noqa: F401 (a fixture)
    split,
)

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor

# ---------------------------------------------------------------- callables


@EVERY
def test_a_callback_sees_the_model_of_its_epoch(cls):
    X, y, *_ = split(cls)
    seen = []

    def look(progress):
        est = progress.estimator
        seen.append((progress.epoch, len(progress.history), est.coef_, est.predict(X[:2]).shape))

    est = cls(max_iter=4, tol=None, callbacks=[look], random_state=0).fit(X, y)
    assert [s[:2] for s in seen] == [(1, 1), (2, 2), (3, 3), (4, 4)] and seen[0][3] == (2,)
    for epochs, _, coef, _ in seen:
        np.testing.assert_array_equal(coef, cls(max_iter=epochs, tol=None, random_state=0).fit(X, y).coef_)
    assert np.isfinite(est.history_["objective"]).all(), "worked out for the callback"


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier, LinearRegressor])
@pytest.mark.parametrize("answer", [1, 2.5, "stop", [0], np.int64(1), np.array([True, True]), False, np.False_, None])
def test_what_a_callback_returns_is_ignored_unless_it_is_true(cls, answer):
    X, y, *_ = split(cls if cls is not LinearClassifier else SGDClassifier)
    given = {} if "Linear" in cls.__name__ else dict(tol=None, max_iter=3)
    est = cls(callbacks=lambda progress: answer, random_state=0, **given).fit(X, y)
    assert est.stop_reason_ != "callback"
    np.testing.assert_array_equal(est.coef_, cls(random_state=0, **given).fit(X, y).coef_)
    for true in (True, np.True_):
        assert cls(callbacks=lambda progress, true=true: true, **given).fit(X, y).stop_reason_ == "callback"


def test_the_history_that_a_callback_sees_is_no_copy_and_stays_as_it_is():
    X, y, *_ = split(SGDRegressor)
    seen = []
    est = SGDRegressor(callbacks=lambda p: seen.append(p.history), tol=None, max_iter=100, random_state=0).fit(X, y)
    assert [len(history) for history in seen] == list(range(1, 101))
    for history in (seen[0], seen[20], seen[99]):
        assert not history.flags.writeable and history.tobytes() == est.history_[: len(history)].tobytes()
    assert np.shares_memory(seen[98], seen[99]) and est.history_.flags.writeable


def test_an_error_in_a_callback_reaches_the_user():
    X, y, *_ = split(SGDRegressor)
    with pytest.raises(ZeroDivisionError):
        SGDRegressor(callbacks=lambda progress: 1 / 0).fit(X, y)


# ---------------------------------------------------------------- Ctrl-C


def strike(progress):
    if progress.epoch == 3:
        raise KeyboardInterrupt


def signal_strike(progress):
    if progress.epoch == 3:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("how", [strike, signal_strike])
@EVERY
def test_ctrl_c_leaves_a_fitted_estimator(cls, how, ctrl_c):
    X, y, *_ = split(cls)
    est = cls(callbacks=how, tol=None, max_iter=100, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, y)
    assert est.stop_reason_ == "interrupted" and est.n_iter_ == len(est.history_) == 3
    np.testing.assert_array_equal(est.coef_, cls(tol=None, max_iter=3, random_state=0).fit(X, y).coef_)
    est.partial_fit(X, y)
    assert est.t_ == 1 + 4 * len(X)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ctrl_c_at_any_moment(layout, ctrl_c):
    X, y, _ = rows(2000)
    X = LAYOUTS[layout](X)
    for wait in (0.02, 0.05, 0.08):
        timer = threading.Timer(wait, _thread.interrupt_main)
        start = lambda progress, timer=timer: timer.start() if progress.epoch == 1 else None  # noqa: E731
        est = SGDRegressor(tol=None, max_iter=10**9, average=True, penalty="l1", callbacks=start, max_seconds=60)
        with pytest.raises(KeyboardInterrupt):
            est.fit(X, y)
        timer.join()
        assert est.stop_reason_ == "interrupted" and est.n_iter_ >= 1
        assert np.isfinite(est.predict(X)).all() and np.isfinite(est.partial_fit(X, y).coef_).all()


# ---------------------------------------------------------------- scikit-learn's callbacks


class Recorder:
    """All hooks, in order."""

    def __init__(self):
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name, None))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("begin", context.task_name, fitted_estimator))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("end", context.task_name, fitted_estimator))


@EVERY
def test_scikit_learns_callbacks_see_every_epoch(cls, callback):
    X, y, *_ = split(cls)
    recorder = Recorder()
    est = cls(max_iter=3, tol=None, random_state=0).set_callbacks(recorder).fit(X, y)
    epoch = ["begin", "end"]
    assert [name for name, *_ in recorder.calls] == ["setup", "begin", *epoch, *epoch, *epoch, "end", "teardown"]
    assert [task for _, task, _ in recorder.calls[2:8]] == ["epoch"] * 6
    fitted = recorder.calls[7][2]
    np.testing.assert_array_equal(fitted.coef_, est.coef_)
    np.testing.assert_array_equal(fitted.predict(X), est.predict(X))


def test_scikit_learns_callbacks_may_stop_the_fit(callback):
    class Stop(Recorder):
        def on_fit_task_end(self, estimator, context, **kwargs):
            return context.task_name == "epoch" and context.task_id == 1

    X, y, *_ = split(SGDRegressor)
    est = SGDRegressor(tol=None).set_callbacks(Stop()).fit(X, y)
    assert est.stop_reason_ == "callback" and est.n_iter_ == 2


def test_teardown_is_called_after_a_failure(callback):
    X, y, *_ = split(SGDRegressor)
    for how in (strike, lambda progress: 1 / 0):
        recorder = Recorder()
        with pytest.raises((KeyboardInterrupt, ZeroDivisionError)):
            SGDRegressor(callbacks=how, tol=None).set_callbacks(recorder).fit(X, y)
        assert recorder.calls[-1][0] == "teardown"


@BOTH
def test_scoring_monitor(cls, callback):
    X, y, *_ = split(cls)
    monitor = callback.ScoringMonitor(scoring="accuracy" if cls is SGDClassifier else "r2")
    est = cls(max_iter=4, tol=None, random_state=0).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs()
    data = (log[0] if isinstance(log, list) else log).data
    scores = [row["accuracy" if cls is SGDClassifier else "r2"] for row in data if row["task_name"] == "epoch"]
    assert len(scores) == 4 and scores[-1] == pytest.approx(est.score(X, y))


def test_progress_bar(callback, capsys):
    pytest.importorskip("rich")
    X, y, *_ = split(SGDClassifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rich's own
        SGDClassifier(max_iter=4, tol=None).set_callbacks(callback.ProgressBar()).fit(X, y)
    assert "SGDClassifier" in capsys.readouterr().out


def test_callbacks_in_a_grid_search(callback):
    from sklearn.model_selection import GridSearchCV

    X, y, *_ = split(SGDRegressor)
    plain = GridSearchCV(SGDRegressor(max_iter=3, tol=None, random_state=0), {"alpha": [1e-3, 1.0]}, cv=3).fit(X, y)
    assert plain.best_params_["alpha"] == 1e-3


def test_an_estimator_with_callbacks_can_be_pickled(callback):
    import pickle

    X, y, *_ = split(SGDRegressor)
    est = SGDRegressor(max_iter=3, tol=None).set_callbacks(callback.ScoringMonitor(scoring="r2")).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(est)).coef_, est.coef_)
