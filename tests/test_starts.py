"""Where a training starts: init=, and max_iter=0, which gives the model of the start."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import fastsgd
from fastsgd import SGDClassifier, SGDClassifierCV, SGDOneClassSVM, SGDRegressor

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((60, 4)), np.arange(60) % 3
Y = X @ [1.0, -2.0, 0.5, 0.0]
CASES = {
    "two classes": (SGDClassifier("log_loss"), CLASSES > 0),
    "three classes": (SGDClassifier(), CLASSES),
    "targets": (SGDRegressor(), np.c_[Y, -Y]),
    "one target": (SGDRegressor(), Y),
    "one class": (SGDOneClassSVM(), None),
}


def started(est, y, init, X=X, **params):
    return clone(est).set_params(init=init, max_iter=0, random_state=0, **params).fit(X, y)


@pytest.mark.parametrize("layout", [np.array, sp.csr_matrix])
@pytest.mark.parametrize("case", CASES)
def test_no_epochs_give_the_model_of_the_start_without_a_warning(case, layout):
    est, y = CASES[case]
    est = started(est, y, 0.5, layout(X))
    assert (est.n_iter_, est.t_, est.stop_reason_, len(est.history_)) == (0, 1.0, "max_iter", 0)
    assert 0.2 < np.std(est.coef_) < 1.0
    assert len(est.predict(layout(X))) == 60


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_an_array_is_where_the_training_starts(case, standardize):
    est, y = CASES[case]
    coef = RNG.standard_normal(started(est, y, None).coef_.shape)
    found = started(est, y, coef, standardize=standardize)
    assert np.allclose(found.coef_, coef, rtol=1e-12)
    given = {"max_iter": 3, "tol": None, "random_state": 0, "standardize": standardize}
    by_init = clone(est).set_params(init=coef, **given).fit(X, y)
    by_fit = clone(est).set_params(**given).fit(X, y, coef_init=coef)
    assert np.array_equal(by_init.coef_, by_fit.coef_)
    given_both = clone(est).set_params(init=coef, **given).fit(X, y, coef_init=np.zeros_like(coef))
    assert np.array_equal(given_both.coef_, clone(est).set_params(**given).fit(X, y).coef_)


def test_a_number_is_the_standard_deviation_of_what_normal_draws():
    unit, half = (started(SGDRegressor(), Y, init).coef_ for init in ("normal", 0.25))
    assert np.allclose(half, unit / 2)
    assert not started(SGDRegressor(), Y, 0).coef_.any() and not started(SGDRegressor(), Y, None).coef_.any()


def test_a_random_start_is_scored_and_recorded():
    est = SGDRegressor(init=1.0, max_iter=0, random_state=0).fit(X, Y, record="objective")
    assert est.record_["steps"].tolist() == [0]
    assert est.record_["objective"][0] == pytest.approx(est.objective(X, Y), rel=1e-12)
    assert est.score(X, Y) == pytest.approx(1 - np.sum((Y - est.predict(X)) ** 2) / np.sum((Y - Y.mean()) ** 2))


def test_the_first_partial_fit_starts_from_init():
    coef = [1.0, 2.0, 3.0, 4.0]
    est = SGDRegressor(init=coef, shuffle=False).partial_fit(X[:30], Y[:30], record="coef")
    assert est.path_.coef[0].tolist() == coef
    given = SGDRegressor(shuffle=False, tol=None, max_iter=1).fit(X[:30], Y[:30], coef_init=coef)
    assert np.array_equal(est.coef_, given.coef_)


@pytest.mark.parametrize("init", [0.3, np.ones(4), np.ones((1, 4)), [1.0, 2.0, 3.0, 4.0], None, "normal"])
def test_a_start_is_in_clones_and_model_files(init, tmp_path):
    est = SGDRegressor(init=init, max_iter=0, random_state=0).fit(X, Y)
    est.save(tmp_path / "m.safetensors")
    back = fastsgd.load(tmp_path / "m.safetensors")
    assert np.array_equal(back.coef_, est.coef_) and np.array_equal(clone(back).fit(X, Y).coef_, est.coef_)
    assert type(back.init) is type(init) and np.shape(back.init) == np.shape(init)


@pytest.mark.parametrize(
    ("est", "words"),
    [
        (SGDRegressor(init=-0.1), "'init' parameter of SGDRegressor must be .*array-like"),
        (SGDRegressor(init=np.ones(3)), r"init does not match dataset: its shape is \(3,\), expected \(4,\)"),
        (SGDRegressor(init=[np.nan] * 4), "init contains NaN"),
        (SGDRegressor(init=np.ones(4), n_init=2), "no array as init"),
        (SGDRegressor(init=np.ones(4), learning_rate="auto"), "needs init='zeros'"),
        (SGDRegressor(init=0.1, learning_rate="auto"), "needs init='zeros'"),
        (SGDRegressor(max_iter=-1), r"max_iter.* must be an int in the range \[0, inf\)"),
        (SGDClassifierCV(max_iter=0), r"max_iter.* must be an int in the range \[1, inf\)"),
    ],
)
def test_starts_that_can_not_be_are_refused(est, words):
    with pytest.raises(ValueError, match=words):
        est.fit(X, Y if isinstance(est, SGDRegressor) else CLASSES)


@pytest.mark.parametrize("rate", ["cosine", "one_cycle", "exponential", "step", "adaptive", "auto"])
@pytest.mark.parametrize("more", [{}, {"early_stopping": True}, {"n_bootstrap": 2}])
def test_no_epochs_go_with_every_schedule(rate, more):
    more = more if rate == "auto" or "n_bootstrap" not in more else {"n_init": 2, "init": 0.0}
    est = SGDClassifier("log_loss", learning_rate=rate, max_iter=0, random_state=0, **more).fit(X, CLASSES)
    assert not est.coef_.any() and est.n_iter_ == 0


def test_no_epochs_of_segments_are_refused():
    with pytest.raises(ValueError, match="segments can't be trained with max_iter=0"):
        SGDRegressor(init=np.ones(4), max_iter=0).fit(X, Y, segments=CLASSES)
