"""SGDClassifierCV and SGDRegressorCV: each model is the separate fit, and the choice is scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels, rows

from fastsgd import SGDClassifier, SGDClassifierCV, SGDRegressor, SGDRegressorCV, losses

X, Y, S = rows(150, 5)
CODE, THREE = labels(Y), labels(Y, 3)
TWO = np.column_stack([Y, Y**2 / 4])
FOLDS = list(KFold(3).split(X))
FEW = {"alphas": [0.03, 0.003], "cv": FOLDS, "random_state": 0, "max_iter": 4, "tol": None}
EVERY = pytest.mark.parametrize("make, y", [(SGDClassifierCV, CODE), (SGDRegressorCV, Y)])
CLASSIFIER, REGRESSOR = (SGDClassifierCV, SGDClassifier), (SGDRegressorCV, SGDRegressor)


WEIGHTS = "rows of weight 2 are one step of twice the size, and of one fold; rows given twice are two steps"


def expected_to_fail(est):
    return {f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS for kind in ("dense", "sparse")}


@pytest.mark.filterwarnings("ignore:The least populated class")  # A check has 5 rows and 3 folds.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    # Some checks have columns of 100, on which steps of the usual size diverge, and that is an error here.
    [SGDClassifierCV(alphas=4, cv=2, max_iter=20), SGDRegressorCV(alphas=4, eta0s=[1e-5, 0.01], cv=2, max_iter=20)],
    expected_failed_checks=expected_to_fail,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- the models


def separate(pair, y, A, alpha, ratio=0.15, eta0=0.01, weight=S, **params):
    """The fit of one candidate."""
    est = pair[1](alpha=alpha, l1_ratio=ratio, eta0=eta0, **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return est.fit(A, y, sample_weight=weight)


def assert_each_is_the_separate_fit(pair, y, A, folds=FOLDS, rtol=1e-9, **params):
    """Of all candidates and folds, in what is learnt and in how many epochs; and that of all rows, bit for bit."""
    given = {"alphas": [0.03, 0.003], "random_state": 0, "max_iter": 4, "tol": None, "penalty": "l2"} | params
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est = pair[0](cv=folds, **given).fit(A, y, S)
    given = {name: x for name, x in given.items() if name not in ("alphas", "eta0s", "l1_ratios", "halving")}
    at = [(i, j) for i in range(len(est.l1_ratios_)) for j in range(len(est.alphas_))]
    for f, (train, _) in enumerate(folds):
        seen = np.zeros(len(y))
        seen[train] = S[train]
        for i, j in at:
            one = separate(pair, y, A, est.alphas_[j], est.l1_ratios_[i], weight=seen, **given)
            scale = abs(one.coef_).max() + abs(one.intercept_).max()
            coef, b = est.coefs_paths_[f, i, j], est.intercepts_paths_[f, i, j]
            np.testing.assert_allclose(coef, np.atleast_2d(one.coef_), rtol=rtol, atol=rtol * scale)
            np.testing.assert_allclose(b, one.intercept_, rtol=rtol, atol=rtol * scale)
            assert (est.n_iter_[f, i, j], est.stop_reasons_[f, i, j]) == (one.n_iter_, one.stop_reason_)
    one = separate(pair, y, A, est.alpha_, est.l1_ratio_, **given)
    for name in ("coef_", "intercept_"):
        np.testing.assert_array_equal(getattr(est, name), getattr(one, name))
    for name in set(one.history_.dtype.names) - {"seconds"}:
        np.testing.assert_array_equal(est.history_[name], one.history_[name])
    return est


HEADS = {
    "hinge": (CLASSIFIER, CODE, {"loss": "hinge"}),
    "three classes": (CLASSIFIER, THREE, {"loss": "log_loss", "class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "perceptron": (CLASSIFIER, CODE, {"loss": "perceptron", "class_weight": "balanced"}),
    "modified_huber": (CLASSIFIER, CODE, {"loss": "modified_huber", "fit_intercept": False}),
    "soft labels": (CLASSIFIER, 1 / (1 + np.exp(-Y)), {"loss": "log_loss"}),
    "squared_error": (REGRESSOR, Y, {}),
    "two targets": (REGRESSOR, TWO, {"loss": "huber", "learning_rate": "constant"}),
    "poisson": (REGRESSOR, np.exp(Y / 4), {"loss": "poisson"}),
    "pa1": (CLASSIFIER, CODE, {"learning_rate": "pa1"}),
    "adagrad": (CLASSIFIER, CODE, {"loss": "log_loss", "optimizer": "adagrad"}),
    "no shuffle": (REGRESSOR, Y, {"shuffle": False, "loss": "quantile"}),
    "adaptive": (REGRESSOR, Y, {"learning_rate": "adaptive", "tol": 1e-2, "n_iter_no_change": 1, "max_iter": 12}),
    "cosine": (CLASSIFIER, CODE, {"loss": "squared_hinge", "learning_rate": "cosine"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("penalty, average", [("l2", False), ("l1", True), ("elasticnet", 40)])
def test_each_model_is_the_separate_fit(case, penalty, average, layout):
    pair, y, params = HEADS[case]
    ratios = {"l1_ratios": (0.2, 0.7)} if penalty == "elasticnet" else {}
    given = {"penalty": penalty, "average": average} | ratios | params
    rtol = 1e-9 if penalty == "l2" or layout == "dense" else 1e-5
    assert_each_is_the_separate_fit(pair, y, LAYOUTS[layout](X), rtol=rtol, **given)


@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_with_stopping_and_in_float32(make, y, layout):
    pair = CLASSIFIER if make is SGDClassifierCV else REGRESSOR
    A = LAYOUTS[layout](X.astype(np.float32))
    est = assert_each_is_the_separate_fit(pair, y, A, rtol=2e-4, tol=1e-3, max_iter=60, n_iter_no_change=2)
    assert est.coefs_paths_.dtype == np.float32 and len(np.unique(est.n_iter_)) > 1


BESIDE = {
    "auto": (CLASSIFIER, CODE, {"loss": "log_loss", "learning_rate": "auto", "max_iter": 2}),
    "multinomial": (CLASSIFIER, THREE, {"loss": "log_loss", "multi_class": "multinomial", "class_weight": "balanced"}),
    "crammer_singer": (CLASSIFIER, THREE, {"multi_class": "crammer_singer"}),
    "adam": (REGRESSOR, Y, {"optimizer": "adam"}),
    "batches": (CLASSIFIER, THREE, {"loss": "log_loss", "batch_size": 8}),
    "standardised": (REGRESSOR, TWO, {"standardize": True}),
    "standardised momentum": (CLASSIFIER, CODE, {"standardize": True, "optimizer": "momentum"}),
    "ftrl": (CLASSIFIER, CODE, {"loss": "log_loss", "optimizer": "ftrl", "eta0s": None}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", BESIDE)
def test_models_that_can_not_share_a_pack_are_the_separate_fits(case, layout):
    pair, y, params = BESIDE[case]
    assert_each_is_the_separate_fit(pair, y, LAYOUTS[layout](X), rtol=1e-7, **params)


OVERLAPPING = {
    "shuffle split": ShuffleSplit(3, test_size=0.3, random_state=0),
    "repeated": RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
    "time series": TimeSeriesSplit(3),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cv", OVERLAPPING)
@pytest.mark.parametrize("params", [{"loss": "log_loss"}, {"loss": "log_loss", "batch_size": 4, "optimizer": "adam"}])
def test_folds_may_overlap(cv, layout, params):
    folds = list(OVERLAPPING[cv].split(X, CODE))
    est = assert_each_is_the_separate_fit(CLASSIFIER, CODE, LAYOUTS[layout](X), folds, rtol=1e-7, **params)
    assert len(est.scores_) == len(folds)


def test_a_custom_loss():
    loss = losses.Custom(lambda p, y: (p - y) ** 2, lambda p, y: 2.0 * (p - y))
    custom, own = (
        SGDRegressorCV(one, alphas=3, cv=FOLDS, max_iter=3, tol=None, random_state=0).fit(X, y)
        for one, y in ((loss, Y), ("squared_error", Y))
    )
    np.testing.assert_allclose(custom.alphas_, 2 * own.alphas_, rtol=1e-6)
    assert custom.scores_.shape == (3, 1, 3)


@pytest.mark.parametrize("params", [{}, {"optimizer": "adam"}, {"penalty": "elasticnet", "l1_ratios": [0.3, 0.6]}])
def test_step_sizes_are_chosen_too(params):
    given = {"alphas": [0.1, 0.01], "cv": FOLDS, "max_iter": 3, "tol": None, "random_state": 0} | params
    est = SGDRegressorCV(eta0s=[0.05, 0.001, 0.01], **given).fit(X, Y)
    ratios = len(est.l1_ratios_)
    assert est.scores_.shape == est.n_iter_.shape == (3, ratios, 2, 3) and est.eta0_ in est.eta0s_
    assert est.coefs_paths_.shape == (3, ratios, 2, 3, 1, 5) and est.intercepts_paths_.shape == (3, ratios, 2, 3, 1)
    at = np.unravel_index(est.scores_.mean(axis=0).argmax(), (ratios, 2, 3))
    mean = est.scores_.mean(axis=0)
    assert (
        mean[at]
        == mean[
            list(est.l1_ratios_).index(est.l1_ratio_),
            list(est.alphas_).index(est.alpha_),
            list(est.eta0s_).index(est.eta0_),
        ]
    )
    best = est.cv_results_["params"][est.cv_results_["mean_test_score"].argmax()]
    assert best == {"alpha": est.alpha_, "l1_ratio": est.l1_ratio_, "eta0": est.eta0_}
    for j, eta0 in enumerate([0.001, 0.01, 0.05]):
        one = SGDRegressorCV(eta0s=eta0, **given).fit(X, Y)
        np.testing.assert_allclose(one.scores_, est.scores_[..., j])
        assert (one.eta0_, *one.eta0s_) == (eta0, eta0) and "eta0" not in one.cv_results_["params"][0]
