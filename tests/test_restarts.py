"""init, n_init, gradient_noise, and the losses that need them; and the line search."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import kstest
from sklearn.linear_model import LogisticRegression, Ridge
from support.data import LAYOUTS, labels, rows

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, engine, load, losses, optimizers, restarts
from fastsgd.persist.restarted import Restarts

FEW = dict(max_iter=3, tol=None, random_state=0)
SEARCH = dict(optimizer=optimizers.SGD(line_search=True), batch_size="full")


# ---------------------------------------------------------------- starts
def starting_weights(est, X, y, **fit):
    """Of each start: its steps are too small to be seen."""
    seen = []
    est.set_params(max_iter=1, tol=None, learning_rate="constant", eta0=1e-12)
    est.set_params(callbacks=lambda p: seen.append(p.estimator.coef_)).fit(X, y, **fit)
    return np.array(seen)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_normal_weights_have_the_spread_of_the_docstring(layout):
    rng = np.random.default_rng(0)
    X, y = LAYOUTS[layout](rng.random((30, 400)) * (rng.random((30, 400)) < 0.1)), np.arange(30) % 5
    W = starting_weights(SGDClassifier(init="normal", n_init=4, random_state=0), X, y)
    assert W.shape == (4, 5, 400)
    assert kstest(W.ravel() * np.sqrt(400), "norm").pvalue > 0.01
    between = np.corrcoef(W.reshape(4, -1)) - np.eye(4)
    assert abs(between).max() < 0.1, "each start has weights of its own"
    again = starting_weights(SGDClassifier(init="normal", n_init=4, random_state=0), X, y)
    np.testing.assert_array_equal(W, again)
    assert (starting_weights(SGDClassifier(init="normal", random_state=1), X, y)[0] != W[0]).any()
    assert not starting_weights(SGDClassifier(n_init=2, random_state=0), X, y).round(9).any()


def test_the_start_of_least_objective_is_kept():
    """Each is a fit as any other: from its weights, in its order."""
    X, y, s = rows()
    y, seen = labels(y), []
    params = dict(loss="sigmoid", init="normal", alpha=1e-3, batch_size=5, learning_rate="constant", eta0=0.5)
    est = SGDClassifier(**params, **FEW, n_init=6, callbacks=lambda p: seen.append(p.history["objective"][-1]))
    est.fit(X, y, sample_weight=s)
    ends = np.array(seen).reshape(6, 3)[:, -1]
    assert len(np.unique(ends)) == 6 and ends.argmin() != 0
    assert est.history_["objective"].tolist()[-1] == ends.min() and len(est.history_) == est.n_iter_ == 3
    P = (X @ est.coef_.T + est.intercept_).ravel()
    objective = s @ losses.Sigmoid().value(P, np.where(y, 1.0, -1.0)) / s.sum() + 5e-4 * (est.coef_**2).sum()
    assert objective == pytest.approx(ends.min(), rel=1e-12)
    first = SGDClassifier(**params, **FEW).fit(X, y, sample_weight=s)
    assert first.history_["loss"][-1] == pytest.approx(
        SGDClassifier(**params, **FEW, n_init=1).fit(X, y, sample_weight=s).history_["loss"][-1]
    )
    again = pickle.loads(pickle.dumps(est.set_params(callbacks=None))).fit(X, y, sample_weight=s)
    np.testing.assert_array_equal(again.coef_, est.coef_)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_start_is_the_first_of_several(layout):
    X, y, _ = rows()
    for init in ("zeros", "normal"):
        first = []
        SGDRegressor(init=init, n_init=3, **FEW, callbacks=lambda p, first=first: first.append(p.estimator.coef_)).fit(
            LAYOUTS[layout](X), y
        )
        np.testing.assert_array_equal(SGDRegressor(init=init, **FEW).fit(LAYOUTS[layout](X), y).coef_, first[2])


def test_rules_count_anew_for_each_start():
    X, y, _ = rows()
    epochs = []
    est = SGDRegressor(init="normal", n_init=4, random_state=0, callbacks=lambda p: epochs.append(p.epoch)).fit(X, y)
    assert epochs.count(1) == 4 and est.stop_reason_ == "objective" and est.n_iter_ > 5


def test_the_time_budget_is_that_of_all_starts(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("fastsgd.engine.perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr("fastsgd.estimators.restarting.perf_counter", lambda: float(next(clock)))
    X, y, _ = rows()
    est = SGDRegressor(n_init=50, max_iter=3, tol=None, max_seconds=60, random_state=0).fit(X, y)
    assert est.stop_reason_ == "max_seconds" and next(clock) < 120


def test_a_callback_or_ctrl_c_ends_all_starts():
    X, y, _ = rows()
    calls = []

    def stop(progress):
        calls.append(1)
        return len(calls) == 5

    def strike(progress):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt

    assert SGDRegressor(n_init=10, **FEW, callbacks=stop).fit(X, y).stop_reason_ == "callback" and len(calls) == 5
    calls.clear()
    est = SGDRegressor(n_init=10, **FEW, callbacks=strike)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, y)
    assert est.stop_reason_ == "interrupted" and np.isfinite(est.predict(X)).all()


def have_diverge(monkeypatch, bad, train=engine.train):
    """Have the trainings of these numbers, from 1, diverge."""
    calls = []

    def trained(*args, **kwargs):
        calls.append(1)
        if len(calls) in bad:
            raise engine.Diverged(1)
        return train(*args, **kwargs)

    monkeypatch.setattr(engine, "train", trained)


def test_a_start_that_overflows_is_passed_over(monkeypatch):
    X, y, _ = rows()

    def fit(*bad):
        have_diverge(monkeypatch, bad)
        return SGDRegressor(init="normal", n_init=3, batch_size="full", eta0=1e-4, **FEW).fit(X, y)

    kept = [fit(*bad).coef_ for bad in ((), (1,), (2,), (3,), (1, 2), (1, 3), (2, 3))]
    assert len(np.unique(kept, axis=0)) == 3
    with pytest.raises(ValueError, match="overflow occurred at epoch #1"):
        fit(1, 2, 3)


def test_several_starts_take_no_coefficients():
    X, y, _ = rows()
    with pytest.raises(ValueError, match="n_init=2 starts from coefficients of its own: give no coef_init"):
        SGDRegressor(n_init=2, **FEW).fit(X, y, coef_init=np.ones(6))
    warm = SGDRegressor(n_init=2, warm_start=True, **FEW).fit(X, y)
    with pytest.raises(ValueError, match="no warm_start"):
        warm.fit(X, y)
    assert warm.partial_fit(X, y).t_ == 801.0


# ---------------------------------------------------------------- restarts_
KINDS = {
    "regression": (SGDRegressor, lambda y: y),
    "targets": (SGDRegressor, lambda y: np.c_[y, -y]),
    "two classes": (SGDClassifier, labels),
    "four classes": (SGDClassifier, lambda y: labels(y, 4)),
    "one class": (SGDOneClassSVM, lambda y: None),
}


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_restart_says_where_it_began_and_what_it_came_to(kind, layout, standardize, tmp_path):
    X, y, _ = rows()
    cls, made = KINDS[kind]
    X, y = LAYOUTS[layout](X), made(y)
    seen = []
    est = cls(init="normal", n_init=4, average=5, standardize=standardize, **FEW)
    est.set_params(callbacks=lambda p: seen.append((p.estimator.coef_, p.history["objective"][-1]))).fit(X, y)
    assert [len(one.history) for one in est.restarts_] == [3] * 4
    for one, (coef, objective) in zip(est.restarts_, seen[2::3], strict=True):
        np.testing.assert_array_equal(one.end, coef)
        assert one.start.shape == one.end.shape == est.coef_.shape and (one.start != one.end).any()
        assert one.start_intercept.shape == one.end_intercept.shape and one.reason == "max_iter"
        assert one.objective == pytest.approx(objective, rel=1e-12) == one.history["objective"][-1]
    (best,) = (one for one in est.restarts_ if one.best)
    assert best.objective == min(one.objective for one in est.restarts_)
    np.testing.assert_array_equal(best.end, est.coef_)
    assert best.history.tobytes() == est.history_.tobytes()
    again = cls(init=est.restarts_[2].start, standardize=standardize, **FEW)
    if not standardize and kind != "one class":
        scored = again.set_params(max_iter=0).fit(X, y, intercept_init=est.restarts_[2].start_intercept)
        np.testing.assert_array_equal(scored.coef_, est.restarts_[2].start)
    est.set_params(callbacks=None).save(tmp_path / "model")
    for other in (load(tmp_path / "model"), pickle.loads(pickle.dumps(est)), copy.deepcopy(est)):
        for mine, read in zip(est.restarts_, other.restarts_, strict=True):
            assert read.history.tobytes() == mine.history.tobytes()
            for name in ("start", "end", "start_intercept", "end_intercept"):
                np.testing.assert_array_equal(getattr(read, name), getattr(mine, name))
            assert (read.objective, read.reason, read.best) == (mine.objective, mine.reason, mine.best)
    assert not hasattr(est.set_params(n_init=1).fit(X, y), "restarts_"), "one training is no restart"


def test_models_of_restarts_that_would_fill_memory_are_left_out(monkeypatch, tmp_path):
    X, y, _ = rows()
    monkeypatch.setattr(restarts, "MODELS_BYTES", 2 * 3 * 6 * 8 - 1)
    est = SGDRegressor(init="normal", n_init=3, **FEW).fit(X, y)
    assert all(one.start is one.end is one.start_intercept is one.end_intercept is None for one in est.restarts_)
    assert sum(one.best for one in est.restarts_) == 1 and all(len(one.history) == 3 for one in est.restarts_)
    est.save(tmp_path / "model")
    assert load(tmp_path / "model").restarts_[1].objective == est.restarts_[1].objective
    monkeypatch.setattr(restarts, "MODELS_BYTES", 2 * 3 * 6 * 8)
    assert SGDRegressor(init="normal", n_init=3, **FEW).fit(X, y).restarts_[0].end.shape == (6,)


def test_a_restart_that_diverges_is_among_them(monkeypatch):
    X, y, _ = rows()
    est = SGDRegressor(init="normal", n_init=3, batch_size="full", eta0=1e-4, **FEW)
    for bad in ((1, 3), (1, 2, 3)):
        have_diverge(monkeypatch, bad)
        if len(bad) == 3:
            with pytest.raises(ValueError, match="overflow"):
                est.fit(X, y)
        else:
            est.fit(X, y)
        assert [one.reason == "diverged" for one in est.restarts_] == [i in bad for i in (1, 2, 3)]
        assert [one.best for one in est.restarts_] == [False, len(bad) == 2, False]
        for one in est.restarts_:
            diverged = one.reason == "diverged"
            assert np.isnan(one.end).all() == diverged == (one.objective == np.inf) and np.isfinite(one.start).all()
            assert len(one.history) == (0 if diverged else 3)


def test_a_fit_that_is_stopped_says_which_restarts_there_were(tmp_path):
    X, y, _ = rows()
    calls = []
    est = SGDRegressor(n_init=9, **FEW, callbacks=lambda p: calls.append(1) or len(calls) == 5).fit(X, y)
    assert [one.reason for one in est.restarts_] == ["max_iter", "callback"]
    assert [len(one.history) for one in est.restarts_] == [3, 2]


@pytest.mark.parametrize(
    "bad", [{"restarts_": 3}, {"restarts_": [[1.0, 2, True]]}, {"restarts_": [[None, "x", True]] * 3}]
)
def test_a_file_with_other_restarts_is_refused(bad, tmp_path, monkeypatch):
    X, y, _ = rows()
    est, put = SGDRegressor(n_init=2, **FEW).fit(X, y), Restarts.put

    def wrong(rule, name, value, parts):
        put(rule, name, value, parts)
        parts.values.update(bad)

    monkeypatch.setattr(Restarts, "put", wrong)
    with pytest.raises(ValueError, match="restarts_"):
        est.save(tmp_path / "model")


# ---------------------------------------------------------------- losses that are not convex
@pytest.mark.parametrize("loss", ["tukey", "cauchy", "welsch"])
def test_regression_that_outliers_do_not_move(loss):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 4))
    right = np.array([1.0, -2.0, 0.5, 1.5])
    y = X @ right + 1.0 + 0.3 * rng.standard_normal(500)
    wrong = rng.random(500) < 0.3
    y[wrong] = 20.0 + 20 * X[wrong, 0]
    params = dict(alpha=1e-4, max_iter=100, tol=None, average=2000, random_state=0)
    start = SGDRegressor(loss="huber", **params).fit(X, y)
    robust = SGDRegressor(loss=loss, **params).fit(X, y, coef_init=start.coef_, intercept_init=start.intercept_)
    gap = abs(np.r_[robust.coef_, robust.intercept_] - np.r_[right, 1.0]).max()
    squared = SGDRegressor(**params).fit(X, y)
    assert gap < (0.1 if loss != "cauchy" else 0.4) and abs(squared.coef_ - right).max() > 3
    from_zero = SGDRegressor(loss=loss, init="normal", n_init=5, **params).fit(X, y)
    assert abs(from_zero.coef_ - right).max() < (0.1 if loss != "cauchy" else 0.4)


def test_classification_that_wrong_labels_far_away_do_not_move():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((600, 2))
    y = (X[:, 0] > 0).astype(int)
    X[:60] += [-30.0, 30.0]
    y[:60] = 1
    clean = X[60:], y[60:]
    params = dict(alpha=1e-3, max_iter=100, tol=None, random_state=0, learning_rate="constant", eta0=0.05)
    robust = SGDClassifier(loss="sigmoid", init="normal", n_init=5, **params).fit(X, y)
    assert robust.score(*clean) > 0.95
    assert LogisticRegression().fit(X, y).score(*clean) < 0.9


# ---------------------------------------------------------------- gradient noise
NOISY = dict(gradient_noise=0.5, learning_rate="constant", eta0=0.1, penalty=None, random_state=0, tol=None)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_noise_is_normal_of_the_variance_of_the_docstring(layout):
    """No row has a feature: the weights are noise alone."""
    X, y = LAYOUTS[layout](np.zeros((40, 3000))), np.zeros(40)
    steps, before = [], np.zeros(3000)
    est = SGDRegressor(**NOISY, batch_size="full", max_iter=1)
    for t in range(1, 5):
        est.partial_fit(X, y)
        noise = (before - est.coef_) / 0.1
        assert kstest(noise / np.sqrt(0.5 / (1 + t) ** 0.55), "norm").pvalue > 0.01
        steps.append(noise)
        before = est.coef_.copy()
    assert abs(np.corrcoef(steps) - np.eye(4)).max() < 0.06 and not est.intercept_.any()
    lag = [np.corrcoef(noise[:-1], noise[1:])[0, 1] for noise in steps]
    assert np.abs(lag).max() < 0.06


@pytest.mark.parametrize("size", [1, 7, "full"])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_noise_does_not_depend_on_the_layout_and_follows_the_seed(classes, size):
    X, y, s = rows()
    y = labels(y, classes)
    params = {**NOISY, "penalty": "l2", "alpha": 0.1, "batch_size": size, "max_iter": 2, "intercept_decay": 1.0}
    dense, csr, again = (
        SGDClassifier(loss="log_loss", **params, stopping=[]).fit(lay(X), y, sample_weight=s)
        for lay in (np.asarray, sp.csr_matrix, np.asarray)
    )
    np.testing.assert_allclose(csr.coef_, dense.coef_, rtol=1e-10, atol=1e-13)
    np.testing.assert_array_equal(again.coef_, dense.coef_)
    other = SGDClassifier(loss="log_loss", **{**params, "random_state": 1, "shuffle": False}).fit(X, y)
    assert (other.coef_ != SGDClassifier(loss="log_loss", **{**params, "shuffle": False}).fit(X, y).coef_).all()
    seen = []
    SGDClassifier(loss="log_loss", **params, callbacks=lambda p: seen.append(p.history["objective"][-1])).fit(X, y)
    quiet = SGDClassifier(loss="log_loss", **params).fit(X, y)
    P = quiet.decision_function(X).reshape(200, -1)
    Y = (y[:, None] == (np.arange(classes) if classes > 2 else [1])).astype(float)
    objective = losses.LogLoss().value(P, Y).mean(axis=0) + 0.05 * (quiet.coef_**2).sum(axis=1)
    assert seen[-1] == pytest.approx(objective.mean(), rel=1e-10), "columns that pad the classes have none"


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_noise_with_every_optimizer(name):
    X, y, _ = rows()
    params = dict(optimizer=name, batch_size=10, **FEW)
    noisy, quiet = (SGDRegressor(gradient_noise=v, **params).fit(X, y) for v in (0.01, 0.0))
    assert np.isfinite(noisy.coef_).all() and (noisy.coef_ != quiet.coef_).any()
    csr = SGDRegressor(gradient_noise=0.01, **params).fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(
        csr.set_params(intercept_decay=1.0).fit(sp.csr_matrix(X), y).coef_, noisy.coef_, rtol=1e-7
    )


# ---------------------------------------------------------------- line search
@pytest.mark.parametrize("eta0", [1e-6, 0.01, 1e6])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_line_search_falls_to_the_ridge_solution_from_any_first_step(layout, dtype, eta0):
    X, y, s = rows()
    est = SGDRegressor(**SEARCH, alpha=0.05, eta0=eta0, stopping=["gradient", "objective"], tol=1e-7)
    est.fit(LAYOUTS[layout](X.astype(dtype)), y, sample_weight=s)
    right = Ridge(alpha=0.05 * s.sum()).fit(X, y, sample_weight=s)
    gap = 1e-5 if dtype == "f8" else 1e-3
    np.testing.assert_allclose(np.r_[est.coef_, est.intercept_], np.r_[right.coef_, right.intercept_], atol=gap)
    assert (np.diff(est.history_["objective"]) <= 1e-12).all() and est.n_iter_ < 100
    assert est.coef_.dtype == dtype


def test_line_search_with_the_settings_as_they_come():
    X, y, _ = rows()
    for rate in (dict(), dict(learning_rate="constant"), dict(eta0=1e-6), dict(eta0=1e6)):
        reg = SGDRegressor(**SEARCH, **rate).fit(X, y)
        assert reg.score(X, y) == pytest.approx(Ridge(alpha=0.02).fit(X, y).score(X, y), abs=1e-3)
        clf = SGDClassifier(**SEARCH, loss="log_loss", **rate).fit(X, labels(y))
        assert clf.score(X, labels(y)) > 0.9


@pytest.mark.sklearn19
def test_line_search_on_coupled_classes_and_several_targets():
    X, y, _ = rows()
    code = labels(y, 4)
    est = SGDClassifier(**SEARCH, loss="log_loss", multi_class="multinomial", alpha=0.05, tol=1e-9).fit(X, code)
    right = LogisticRegression(C=1 / (0.05 * 200), tol=1e-8).fit(X, code)
    np.testing.assert_allclose(est.coef_, right.coef_, atol=1e-3)
    assert (np.diff(est.history_["objective"]) <= 1e-12).all()
    Y = np.c_[y, 1 - y]
    both = SGDRegressor(**SEARCH, alpha=0.05, tol=1e-10).fit(X, Y)
    np.testing.assert_allclose(both.coef_, Ridge(alpha=10.0).fit(X, Y).coef_, atol=1e-3)


def test_line_search_goes_on_in_partial_fit():
    X, y, _ = rows()
    est, parts = SGDRegressor(**SEARCH, max_iter=10, tol=None).fit(X, y), SGDRegressor(**SEARCH)
    for _ in range(10):
        parts.partial_fit(X, y)
    np.testing.assert_array_equal(parts.coef_, est.coef_)
    assert est.t_ == parts.t_ == 11.0


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "huber"])
def test_line_search_where_there_is_nothing_to_gain(loss):
    """The slopes are exactly zero, or too small to be told from rounding: it neither loops nor breaks."""
    X, y, _ = rows()
    for target in (np.zeros(200), np.ones(200)):
        est = SGDRegressor(**SEARCH, loss=loss, penalty=None, max_iter=1200, tol=None).fit(X, target)
        assert np.isfinite(est.coef_).all() and np.isfinite(est.history_["eta"]).all()
    est = SGDRegressor(**SEARCH, loss=loss, penalty=None, max_iter=1500, tol=None).fit(X[:, :1] * 0, 0 * y)
    assert not est.coef_.any()
    with pytest.raises(ValueError, match="overflow"):
        SGDRegressor(**SEARCH).fit(X * 1e200, y * 1e200)


@pytest.mark.parametrize(
    "cls, params, word",
    [
        (SGDRegressor, dict(loss="epsilon_insensitive"), "needs a smooth loss"),
        (SGDClassifier, dict(loss="hinge"), "needs a smooth loss"),
        (SGDClassifier, dict(multi_class="crammer_singer"), "needs a smooth loss"),
        (SGDOneClassSVM, dict(), "needs a smooth loss"),
        (SGDRegressor, dict(penalty="l1"), "needs no L1 penalty"),
        (SGDRegressor, dict(penalty="elasticnet"), "needs no L1 penalty"),
        (SGDRegressor, dict(batch_size=100), "needs batch_size='full'"),
        (SGDRegressor, dict(average=True), "needs average=False"),
        (SGDRegressor, dict(gradient_noise=0.1), "needs gradient_noise=0"),
        (SGDRegressor, dict(batch_size=1, average=10), "needs batch_size='full', average=False"),
    ],
)
def test_what_a_line_search_needs(cls, params, word):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=f"optimizer=SGD.*searches along the line, and {word}"):
        cls(**{**SEARCH, **params}).fit(X, labels(y))


# ---------------------------------------------------------------- parameters
@pytest.mark.parametrize(
    "params, word",
    [
        (dict(batch_size=0), "'batch_size' parameter"),
        (dict(batch_size=2.5), "'batch_size' parameter"),
        (dict(batch_size="all"), "'batch_size' parameter"),
        (dict(optimizer="adamm"), "'optimizer' parameter"),
        (dict(optimizer=optimizers.Adam), "'optimizer' parameter"),
        (dict(init="ones"), "'init' parameter"),
        (dict(n_init=0), "'n_init' parameter"),
        (dict(n_init=1.5), "'n_init' parameter"),
        (dict(gradient_noise=-1), "'gradient_noise' parameter"),
        (dict(gradient_noise=np.nan), "'gradient_noise' parameter"),
        (dict(gradient_noise=np.inf), "'gradient_noise' parameter"),
        (dict(learning_rate="pa1", optimizer="adam"), "learning_rate='pa1' takes its step from one row"),
        (dict(learning_rate="pa2", batch_size=2), "learning_rate='pa2' takes its step from one row"),
        (dict(learning_rate="pa1", gradient_noise=0.1), "learning_rate='pa1' takes its step from one row"),
        (dict(learning_rate="pa1", optimizer="momentum"), "learning_rate='pa1' takes its step from one row"),
        (dict(optimizer="ftrl", learning_rate="cosine"), "optimizer='ftrl' has step sizes of its own.*got 'cosine'"),
        (dict(optimizer="ftrl", learning_rate="adaptive"), "optimizer='ftrl' has step sizes of its own"),
    ],
)
def test_parameters(params, word):
    X, y, _ = rows()
    with pytest.raises(ValueError, match=word):
        SGDRegressor(loss="epsilon_insensitive", **params).fit(X, y)


@pytest.mark.parametrize("bad", [1, -0.1, 1.5, "0.9", None, np.nan])
@pytest.mark.parametrize("name", ["beta1", "beta2", "rho", "momentum", "eps"])
def test_parameters_of_optimizers(name, bad):
    cls = {"rho": optimizers.RMSProp, "momentum": optimizers.SGD}.get(name, optimizers.Adam)
    with pytest.raises(ValueError, match=f"{cls.__name__}: {name} must lie .*got {bad!r}"):
        cls(**{name: bad})
    with pytest.raises(ValueError, match=f"{cls.__name__}: {name} must lie"):
        SGDRegressor(optimizer=cls()).set_params(**{f"optimizer__{name}": bad})


def test_parameters_of_optimizers_by_name():
    with pytest.raises(ValueError, match=r"Adam has no parameter 'beta3'; it has \['beta1'"):
        optimizers.Adam().set_params(beta3=1)
    for bad in (dict(nesterov=True), dict(momentum=0.9, line_search=True)):
        with pytest.raises(ValueError, match=r"SGD: (nesterov|line_search)=True needs momentum"):
            optimizers.SGD(**bad)
    for bad in (dict(beta=0), dict(lambda1=-1), dict(lambda2=-0.1)):
        with pytest.raises(ValueError, match=f"FTRL: {next(iter(bad))} must lie"):
            optimizers.FTRL(**bad)
