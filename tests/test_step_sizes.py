"""Step sizes beside each other: each is the fit of its own, and what is suggested is good and well below where fits diverge."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale
from support.data import labels, rows
from support.streamed import Blocks

from fastsgd import LinearClassifier, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.inspection import step_sizes
from fastsgd.optimizers import SGD, AdaGrad
from fastsgd.schedules import Cosine

X, TARGET, WEIGHT = rows(300, 6)
TWO, THREE = labels(TARGET), labels(TARGET, 3)
ETAS = [0.001, 0.004, 0.02, 0.05]
STEADY = {"learning_rate": "constant", "random_state": 3}


def fitted(est, eta0, *given, **how):
    """The fit of its own, and whether it diverged."""
    own = clone(est).set_params(eta0=eta0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            own.fit(*given, **how)
        except ValueError as error:
            assert "overflow" in str(error)
            return own, True
    return own, own.stop_reason_ == "diverged"


def assert_are_the_fits(found, est, *given, rtol=1e-6, **how):
    for k, eta in enumerate(found.etas):
        own, _ = fitted(est, eta, *given, **how)
        intercept = own.offset_ if isinstance(own, SGDOneClassSVM) else own.intercept_
        np.testing.assert_allclose(found.coefs[k], own.coef_, rtol=rtol, atol=rtol)
        np.testing.assert_allclose(found.intercepts[k], intercept, rtol=rtol, atol=rtol)
        assert (found.stop_reason[k], found.n_iter[k]) == (own.stop_reason_, own.n_iter_)
        n = own.n_iter_
        np.testing.assert_allclose(found.losses[k, :n], own.history_["loss"], rtol=rtol)
        assert np.isfinite(found.objectives[k, :n]).all() and np.isnan(found.objectives[k, n:]).all()
        known = np.isfinite(own.history_["objective"])
        np.testing.assert_allclose(found.objectives[k, :n][known], own.history_["objective"][known], rtol=rtol)


CASES = {
    "log_loss": (SGDClassifier("log_loss", **STEADY), TWO),
    "hinge, three classes": (SGDClassifier("hinge", alpha=0.01, **STEADY), THREE),
    "weights of three classes": (
        SGDClassifier("log_loss", class_weight="balanced", max_iter=3, tol=None, **STEADY),
        THREE,
    ),
    "elastic net, averaged": (SGDClassifier("hinge", penalty="elasticnet", average=True, max_iter=4, **STEADY), TWO),
    "squared error": (SGDRegressor(random_state=1), TARGET),
    "two targets": (SGDRegressor(random_state=1, max_iter=5, tol=None), np.column_stack([TARGET, -TARGET])),
    "standardized": (SGDRegressor("huber", standardize=True, **STEADY), TARGET),
    "one class": (SGDOneClassSVM(nu=0.1, **STEADY), None),
    "adaptive": (SGDRegressor(learning_rate="adaptive", max_iter=60, random_state=0), TARGET),
    "cosine": (SGDRegressor(learning_rate=Cosine(warmup=0.1), max_iter=5, random_state=0), TARGET),
    "passive-aggressive": (SGDClassifier("hinge", penalty=None, learning_rate="pa1", max_iter=3, random_state=0), TWO),
    "AdaGrad": (SGDClassifier("log_loss", optimizer=AdaGrad(), penalty="l1", max_iter=4, **STEADY), TWO),
    "early stopping": (SGDClassifier("log_loss", early_stopping=True, **STEADY), TWO),
    "early stopping by the loss": (
        SGDClassifier("log_loss", early_stopping=True, validation_scoring="loss", stopping="validation", **STEADY),
        THREE,
    ),
    "from random weights": (SGDRegressor(init="normal", max_iter=3, tol=None, random_state=0), TARGET),
    "no shuffle": (SGDRegressor(shuffle=False, max_iter=3, tol=None), TARGET),
    "Adam, which has a default eta0": (SGDClassifier("log_loss", optimizer="adam", max_iter=4, random_state=0), TWO),
    "batches": (SGDRegressor(batch_size=16, max_iter=4, **STEADY), TARGET),
    "gradient descent": (SGDRegressor(batch_size="full", max_iter=4, **STEADY), TARGET),
    "multinomial": (SGDClassifier("log_loss", multi_class="multinomial", max_iter=4, **STEADY), THREE),
    "until the gradient vanishes": (SGDRegressor(stopping="gradient", tol=0.1, max_iter=30, **STEADY), TARGET),
}


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("case", CASES)
def test_each_is_the_fit_of_its_own(case, layout):
    est, y = CASES[case]
    found = step_sizes(est, layout(X), y, etas=ETAS)
    assert found.etas.tolist() == ETAS
    assert_are_the_fits(found, est, layout(X), y)


@pytest.mark.parametrize("case", ["log_loss", "hinge, three classes", "squared error", "one class"])
def test_of_weighted_rows_of_float32(case):
    est, y = CASES[case]
    est, small = clone(est).set_params(max_iter=5, tol=None), X.astype(np.float32)
    found = step_sizes(est, small, y, ETAS, sample_weight=WEIGHT)
    assert found.coefs.dtype == np.float32
    assert_are_the_fits(found, est, small, y, sample_weight=WEIGHT, rtol=1e-4)


@pytest.mark.parametrize("case", ["hinge, three classes", "squared error", "one class", "standardized", "multinomial"])
@pytest.mark.parametrize("max_memory", [30_000, 10**7], ids=["in buffers", "in memory"])
@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block of the source")
def test_of_a_source(case, max_memory):
    est, y = CASES[case]

    def source():
        made = Blocks(X, y, WEIGHT)
        made.max_memory = max_memory
        return made

    assert_are_the_fits(step_sizes(est, source(), etas=ETAS), est, source())


@pytest.mark.parametrize("random_state", [0, np.random.RandomState(0)])
def test_the_estimator_is_not_changed(random_state):
    est = SGDClassifier(learning_rate="constant", eta0=0.5, random_state=random_state, warm_start=True).fit(X, TWO)
    before, state = pickle.dumps(est), pickle.dumps(random_state)
    found = [step_sizes(est, X, TWO, etas=3) for _ in range(2)]
    assert (pickle.dumps(est), pickle.dumps(random_state)) == (before, state)
    np.testing.assert_array_equal(found[0].coefs, found[1].coefs)
    assert found[0].eta0 == 0.5


@pytest.mark.parametrize("case", ["hinge, three classes", "early stopping", "Adam, which has a default eta0"])
def test_threads_give_the_same_bits(case):
    est, y = CASES[case]
    one, two = (step_sizes(clone(est).set_params(n_jobs=n), X, y, etas=ETAS) for n in (1, 2))
    np.testing.assert_array_equal(one.coefs, two.coefs)
    np.testing.assert_array_equal(one.objectives, two.objectives)


# ---------------------------------------------------------------- the sizes, and the suggestion
@pytest.mark.parametrize(
    "est", [SGDRegressor(max_iter=2, tol=None), SGDRegressor(optimizer="adam", max_iter=2, tol=None)]
)
def test_sizes_follow_from_the_rows(est):
    found, of_large = (step_sizes(est, c * X, TARGET, etas=12).etas for c in (1.0, 10.0))
    assert len(found) == 12 and (np.diff(np.log(found)) > 0).all()
    np.testing.assert_allclose(np.diff(np.log(found), 2), 0, atol=1e-9)
    power = 1 if est.optimizer == "adam" else 2
    np.testing.assert_allclose(of_large, found / 10**power, rtol=0.5)


def real_data():
    cancer, digits, diabetes = (
        load(return_X_y=True) for load in (datasets.load_breast_cancer, datasets.load_digits, datasets.load_diabetes)
    )
    y = scale(diabetes[1])
    for loss in ("log_loss", "hinge"):
        yield SGDClassifier(loss, random_state=0), scale(cancer[0]), cancer[1]
        yield SGDClassifier(loss, random_state=0), digits[0] / 16, digits[1]
        yield SGDClassifier(loss, random_state=0), sp.csr_matrix(digits[0] / 16), digits[1] % 2
    for loss in ("squared_error", "huber"):
        yield SGDRegressor(loss, random_state=0, standardize=True), diabetes[0], y


@pytest.mark.parametrize("schedule", [{"learning_rate": "constant"}, {"learning_rate": "invscaling", "average": True}])
def test_the_suggestion_is_near_the_best_of_real_data(schedule):
    for est, data, y in real_data():
        est.set_params(**schedule, max_iter=10)
        found = step_sizes(est, data, y)
        assert found.etas[0] < found.suggestion_ < found.etas[-1], found
        assert not found.suggestion_ > found.diverges_at_ / 1.7, found
        own, diverged = fitted(est, found.suggestion_, data, y)
        others = [fitted(est, eta, data, y) for eta in found.etas]
        best = min(one.history_["objective"].min() for one, fault in others if not fault and len(one.history_))
        assert not diverged and own.history_["objective"].min() <= 1.03 * best


def test_fits_that_diverge_are_those_that_say_so():
    est = SGDRegressor(**STEADY, max_iter=5)
    found = step_sizes(est, X, TARGET, etas=np.geomspace(1e-3, 1e9, 25))
    said = [fitted(est, eta, X, TARGET)[1] for eta in found.etas]
    assert found.diverged.tolist() == said and found.stop_reason[found.diverged].tolist() == ["diverged"] * sum(said)
    first = said.index(True)
    assert all(said[first:]) and found.diverges_at_ == found.etas[first]
    assert found.suggestion_ <= found.diverges_at_ / 3
    assert np.isfinite(found.coefs).all() and np.isinf(found.final_objective[-1])


def test_a_fit_that_ends_above_its_start_diverged_though_it_has_not_overflowed():
    est = SGDClassifier("log_loss", max_iter=3, tol=None, **STEADY)
    found = step_sizes(est, X, TWO, etas=[0.01, 0.1, 1e3, 1e4])
    assert found.diverged.tolist() == [False, False, True, True] and found.diverges_at_ == 1e3
    assert found.stop_reason.tolist()[2] == "max_iter" and found.final_objective[2] > 1.1 * found.start_objective
    assert found.start_objective == pytest.approx(np.log(2))


def test_where_none_or_all_diverge():
    none = step_sizes(SGDRegressor(max_iter=3, tol=None), X, TARGET, etas=[1e-3, 1e-2])
    assert np.isnan(none.diverges_at_) and none.suggestion_ == none.best_ == 1e-2
    assert "the largest does not diverge; try larger ones, too" in repr(none)
    every = step_sizes(SGDRegressor(max_iter=3, tol=None), X, TARGET, etas=[1e5, 1e6])
    assert every.diverges_at_ == 1e5 and np.isnan([every.suggestion_, every.best_]).all()
    assert "all diverged, try smaller ones" in repr(every)


def test_what_it_says():
    est = SGDRegressor(learning_rate="constant", max_iter=3, tol=None, random_state=0)
    found = pickle.loads(pickle.dumps(step_sizes(est, X, TARGET, etas=[1.0, 1e-3, 1e-2, 1e-2])))
    assert found.etas.tolist() == [0.001, 0.01, 1.0]
    assert repr(found) == (
        "StepSizes(3 values of eta0 from 0.001 to 1, SGDRegressor, learning_rate='constant': suggestion_=0.01 of objective "
        f"{found.final_objective[1]:.5g}, diverges_at_=1)"
    )


def test_memory_does_not_grow_with_sizes_times_rows():
    """Beside the weights there is what one fit needs."""
    n, est = 40_000, SGDRegressor(max_iter=1, tol=None, random_state=0)
    large = np.random.default_rng(0).standard_normal((n, 4))

    def peak(etas):
        tracemalloc.start()
        step_sizes(est, large, large[:, 0], etas)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(100) - peak(2) < 98 * n / 8, "less than a bit for each size and row"


# ---------------------------------------------------------------- ends, and refusals
def test_ctrl_c_is_raised_and_changes_nothing():
    calls = []

    def impatient(est, X, y):
        calls.append(est)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return 0.0

    est = SGDClassifier(early_stopping=True, validation_scoring=impatient, **STEADY)
    with pytest.raises(KeyboardInterrupt, match="step_sizes was interrupted"):
        step_sizes(est, X, TWO, etas=3)
    assert not hasattr(est, "coef_")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_time_is_of_all_fits_together(optimizer):
    est = SGDRegressor(optimizer=optimizer, max_iter=10**6, tol=None, max_seconds=0.02, random_state=0)
    found = step_sizes(est, X, TARGET, etas=3)
    assert set(found.stop_reason) <= {"max_seconds", "diverged"} and np.isfinite(found.suggestion_)


REFUSED = {
    "estimator must be an SGDClassifier, SGDRegressor or SGDOneClassSVM of fastsgd; found LinearClassifier": LinearClassifier(),
    "of a pipeline its last step, .* found Pipeline": make_pipeline(SGDClassifier()),
    "'optimal' has no eta0: its step sizes follow from alpha=0.0001 .*'invscaling'": SGDClassifier(),
    "'optimal' has no eta0: its step sizes follow from nu=0.5": SGDOneClassSVM(),
    "'auto' has no step size to choose": SGDRegressor(learning_rate="auto"),
    "searches for its step sizes": SGDRegressor(
        optimizer=SGD(line_search=True), batch_size="full", learning_rate="constant"
    ),
    "n_init=3 makes several fits": SGDRegressor(n_init=3, init="normal"),
    "set parallel='deterministic'": SGDRegressor(parallel="hogwild"),
    "estimator has callbacks": SGDRegressor(callbacks=print),
    "max_iter": SGDRegressor(max_iter=0),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_refused(words):
    with pytest.raises(ValueError, match=words):
        step_sizes(REFUSED[words], X, TWO, etas=3)


@pytest.mark.parametrize("schedule", ["invscaling", "constant"])
def test_the_advice_works(schedule):
    assert step_sizes(SGDClassifier().set_params(learning_rate=schedule, max_iter=5), X, TWO, etas=5).suggestion_ > 0


@pytest.mark.parametrize("etas", [1, 0, True, 2.5, "many", [], [0.1, -1.0], [0.1, np.nan], [[0.1, 0.2]], None])
def test_sizes_that_are_none(etas):
    with pytest.raises(ValueError, match="etas must be"):
        step_sizes(SGDRegressor(), X, TARGET, etas=etas)


def test_rows_of_which_no_sizes_follow():
    with pytest.raises(ValueError, match=r"etas=4: no step sizes follow from X.*standardize=True"):
        step_sizes(SGDRegressor(), X * 1e200, TARGET, etas=4)
    with pytest.raises(ValueError, match="inconsistent"):
        step_sizes(SGDRegressor(), X, TARGET[:2], etas=4)
