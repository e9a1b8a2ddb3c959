"""SGDClassifierCV and SGDRegressorCV: what scores the models, which candidate is chosen, and what becomes of the others."""

import re
import warnings

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, LeaveOneGroupOut, StratifiedKFold
from support.data import LAYOUTS, labels, rows

from fastsgd import LinearClassifierCV, LinearRegressorCV, SGDClassifier, SGDClassifierCV, SGDRegressorCV, sources

X, Y, S = rows(150, 5)
CODE, THREE = labels(Y), labels(Y, 3)
FOLDS = list(KFold(3).split(X))
FEW = {"alphas": [0.03, 0.003], "cv": FOLDS, "random_state": 0, "max_iter": 4, "tol": None}
WEIGHTLESS = sources.from_batches(lambda: iter([(X, CODE, 0 * S)]))


def _mean_error(est, A, y):
    return -abs(est.predict(A) - y).mean()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weights", [None, S], ids=["ones", "weights"])
@pytest.mark.parametrize(
    "make, y, scoring, by_hand",
    [
        (SGDClassifierCV, CODE, None, lambda z, y, s: -log_loss(y, 1 / (1 + np.exp(-z)), sample_weight=s)),
        (SGDClassifierCV, CODE, "accuracy", lambda z, y, s: accuracy_score(y, z > 0, sample_weight=s)),
        (SGDClassifierCV, CODE, _mean_error, lambda z, y, s: -abs((z > 0) - y).mean()),
        (SGDRegressorCV, Y, None, lambda z, y, s: -0.5 * mean_squared_error(y, z, sample_weight=s)),
        (SGDRegressorCV, Y, make_scorer(r2_score), lambda z, y, s: r2_score(y, z, sample_weight=s)),
    ],
)
def test_scores_are_those_of_the_rows_held_out(make, y, scoring, by_hand, weights, layout):
    more = {"loss": "log_loss", "class_weight": {0: 1.0, 1: 3.0}} if make is SGDClassifierCV else {}
    est = make(scoring=scoring, **FEW, **more).fit(LAYOUTS[layout](X), y, weights)
    for f, (_, test) in enumerate(FOLDS):
        s = None if weights is None else weights[test]
        for j in range(2):
            z = X[test] @ est.coefs_paths_[f, 0, j, 0] + est.intercepts_paths_[f, 0, j, 0]
            np.testing.assert_allclose(est.scores_[f, 0, j], by_hand(z, y[test], s), rtol=1e-9)
    assert est.alpha_ == est.alphas_[est.scores_.mean(axis=(0, 1)).argmax()]


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
def test_the_loss_of_several_classes(multi_class):
    given = FEW | {"cv": [(train, test[:20]) for train, test in FOLDS]}
    est = SGDClassifierCV("log_loss", multi_class=multi_class, class_weight="balanced", **given).fit(X, THREE, S)
    for f, (_, test) in enumerate(given["cv"]):
        z = X[test] @ est.coefs_paths_[f, 0, 1].T + est.intercepts_paths_[f, 0, 1]
        if multi_class == "multinomial":
            right = log_loss(THREE[test], np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), sample_weight=S[test])
        else:
            each = [log_loss(THREE[test] == k, 1 / (1 + np.exp(-z[:, k])), sample_weight=S[test]) for k in range(3)]
            right = np.mean(each)
        np.testing.assert_allclose(est.scores_[f, 0, 1], -right, rtol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("scoring", [None, "accuracy"])
@pytest.mark.parametrize("params", [{}, {"optimizer": "adam"}, {"standardize": True}], ids=str)
def test_a_validation_set_takes_the_place_of_folds(layout, scoring, params):
    A, few = LAYOUTS[layout](X), {name: x for name, x in FEW.items() if name != "cv"}
    est = SGDClassifierCV("log_loss", scoring=scoring, **few, **params)
    est.fit(A[:100], CODE[:100], S[:100], X_val=A[100:], y_val=CODE[100:], sample_weight_val=S[100:])
    assert est.scores_.shape == (1, 1, 2)
    for j, alpha in enumerate(est.alphas_):
        given = {"alpha": alpha, "max_iter": 4, "tol": None, "random_state": 0} | params
        one = SGDClassifier("log_loss", **given).fit(A[:100], CODE[:100], sample_weight=S[:100])
        np.testing.assert_allclose(est.coefs_paths_[0, 0, j], one.coef_, rtol=1e-7)
        right = one.score(A[100:], CODE[100:], S[100:])
        if scoring is None:
            right = -log_loss(CODE[100:], one.predict_proba(A[100:]), sample_weight=S[100:])
        np.testing.assert_allclose(est.scores_[0, 0, j], right, rtol=1e-7)
        if alpha == est.alpha_:
            np.testing.assert_array_equal(est.coef_, one.coef_)


def test_the_choice_is_that_of_grid_search():
    """On rows of a fold in their order, which are not there for theirs, and have weight 0 for ours."""
    given = {"max_iter": 5, "tol": None, "shuffle": False}
    alphas = np.geomspace(1e-3, 1.0, 6)
    theirs = GridSearchCV(SGDClassifier("log_loss", **given), {"alpha": alphas}, cv=FOLDS, scoring="neg_log_loss")
    theirs.fit(X, CODE)
    ours = SGDClassifierCV("log_loss", alphas=alphas, cv=FOLDS, **given).fit(X, CODE)
    assert ours.cv_results_["params"][int(ours.cv_results_["mean_test_score"].argmax())]["alpha"] == ours.alpha_
    for name in ("mean_test_score", "std_test_score", *(f"split{f}_test_score" for f in range(3))):
        np.testing.assert_allclose(ours.cv_results_[name][::-1], theirs.cv_results_[name], rtol=1e-6)
    assert theirs.best_params_["alpha"] == ours.alpha_
    np.testing.assert_allclose(theirs.best_estimator_.coef_, ours.coef_)


def test_the_rule_of_one_standard_error_by_hand():
    given = FEW | {"alphas": np.geomspace(1e-3, 1, 12), "refit_rule": "one_standard_error"}
    est = SGDRegressorCV(penalty="elasticnet", l1_ratios=[0.1, 0.9], eta0s=[0.003, 0.01], **given).fit(X, Y)
    mean = est.scores_.mean(axis=0)
    ratio, alpha, eta0 = np.unravel_index(mean.argmax(), mean.shape)
    error = np.std(est.scores_[:, ratio, alpha, eta0], ddof=1) / np.sqrt(3)
    good = est.alphas_[mean[ratio, :, eta0] >= mean[ratio, alpha, eta0] - error]
    assert (est.alpha_, est.l1_ratio_, est.eta0_) == (good.max(), est.l1_ratios_[ratio], est.eta0s_[eta0])
    assert est.alpha_ > est.alphas_[alpha]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "make, solved, y, params",
    [
        (SGDClassifierCV, LinearClassifierCV, CODE, {"loss": "hinge", "class_weight": {0: 1.0, 1: 3.0}}),
        (SGDClassifierCV, LinearClassifierCV, THREE, {"loss": "log_loss"}),
        (SGDClassifierCV, LinearClassifierCV, THREE, {"loss": "log_loss", "multi_class": "multinomial"}),
        (SGDClassifierCV, LinearClassifierCV, 1 / (1 + np.exp(-Y)), {"loss": "log_loss", "fit_intercept": False}),
        (SGDRegressorCV, LinearRegressorCV, Y, {"loss": "huber"}),
        (SGDRegressorCV, LinearRegressorCV, np.column_stack([Y, Y**2]), {"loss": "quantile"}),
        (SGDRegressorCV, LinearRegressorCV, np.exp(Y / 4), {"loss": "gamma"}),
    ],
)
def test_the_grid_is_that_of_the_solved_paths(make, solved, y, params, layout):
    for penalty, ratios in (("l2", [0.5]), ("elasticnet", [0.2, 1.0])):
        if penalty != "l2" and params.get("multi_class") == "multinomial":
            continue  # which is not solved
        given = {"penalty": penalty, "l1_ratios": ratios, "alphas": 3, "eps": 1e-2, "cv": 2, "refit": False}
        given |= params | {"random_state": 0}
        A = LAYOUTS[layout](X)
        ours = make(max_iter=1, tol=None, **given).fit(A, y, S)
        theirs = solved(tol=0.5, **given).fit(A, y, S)
        np.testing.assert_allclose(ours.alphas_, theirs.alphas_, rtol=1e-7)


@pytest.mark.parametrize("loss", ["perceptron", "sigmoid", "modified_huber"])
def test_a_number_of_alphas_for_every_loss(loss):
    est = SGDClassifierCV(loss, max_iter=2, tol=None, random_state=0).fit(X, CODE)
    assert len(est.alphas_) == 20 and (np.diff(est.alphas_) < 0).all() and 1e-3 < est.alphas_[0] < 1e3


def test_the_grid_of_standardised_rows_does_not_depend_on_their_units():
    given = {"standardize": True, "max_iter": 2, "tol": None, "random_state": 0}
    grids = [SGDRegressorCV(**given).fit(A, Y).alphas_ for A in (X, X * [1e3, 1.0, 1e-3, 5.0, 1.0] + 7.0)]
    np.testing.assert_allclose(*grids, rtol=1e-6)


# ---------------------------------------------------------------- candidates that fall behind, or diverge


def test_halving_leaves_out_the_candidates_that_are_behind():
    given = {"alphas": np.geomspace(1e-4, 10, 9), "cv": FOLDS, "random_state": 0, "max_iter": 12, "tol": None}
    full = SGDClassifierCV("log_loss", **given).fit(X, CODE)
    est = SGDClassifierCV("log_loss", halving=3, **given).fit(X, CODE)
    dropped = est.cv_results_["dropped_at"]
    assert sorted(dropped) == [0] + [1] * 6 + [3] * 2
    assert (est.n_iter_ == np.where(dropped, dropped, 12)).all()
    assert ((est.stop_reasons_ == "dropped") == (dropped > 0)).all() and dropped[est.alphas_ == est.alpha_] == 0
    for epochs in (1, 3):  # The scores are those of the models so far, and those who went on had better ones.
        so_far = SGDClassifierCV("log_loss", **given | {"max_iter": epochs}).fit(X, CODE)
        np.testing.assert_allclose(est.scores_[:, 0, dropped == epochs], so_far.scores_[:, 0, dropped == epochs])
        np.testing.assert_allclose(
            est.coefs_paths_[:, 0, dropped == epochs], so_far.coefs_paths_[:, 0, dropped == epochs]
        )
        mean = so_far.scores_.mean(axis=(0, 1))
        later = (dropped == 0) | (dropped > epochs)
        assert mean[later].min() > mean[dropped == epochs].max()
    np.testing.assert_allclose(est.scores_[:, 0, dropped == 0], full.scores_[:, 0, dropped == 0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("params", [{}, {"optimizer": "adam"}, {"scoring": "accuracy"}, {"standardize": True}], ids=str)
def test_candidates_that_have_ended_are_compared_too(params):
    est = SGDClassifierCV("log_loss", halving=2, max_iter=30, n_iter_no_change=1, cv=FOLDS, random_state=0, **params)
    est.fit(X, CODE)
    dropped = est.cv_results_["dropped_at"]
    assert (dropped == 1).sum() == 10 and not dropped[est.alphas_ == est.alpha_].any()
    best = np.where(dropped, -np.inf, est.cv_results_["mean_test_score"]).argmax()
    assert est.cv_results_["params"][best]["alpha"] == est.alpha_


def test_one_that_was_left_out_is_never_chosen():
    """Though its score of then is the best: it would not be what it was, trained on all rows to the end."""

    def worse(est, A, y):
        seen.append(est)
        return -float(len(seen))

    seen = []
    est = SGDClassifierCV(scoring=worse, halving=2, **FEW).fit(X, CODE)
    best = est.scores_.mean(axis=(0, 1)).argmax()
    assert est.cv_results_["dropped_at"][best] == 1 and est.alpha_ != est.alphas_[best]
    assert est.cv_results_["dropped_at"][list(est.alphas_).index(est.alpha_)] == 0


def test_halving_by_scores_that_are_all_nan_leaves_out_none():
    def later(est, A, y):
        seen.append(est)
        return np.nan if len(seen) <= 6 else -abs(est.predict(A) - y).mean()

    seen = []
    est = SGDClassifierCV(scoring=later, halving=2, **FEW | {"max_iter": 3, "alphas": [0.03, 0.003]}).fit(X, CODE)
    assert sorted(est.cv_results_["dropped_at"]) == [0, 2]


def test_candidates_that_diverge_are_not_chosen_and_named():
    given = FEW | {"alphas": [0.01, 0.001], "max_iter": 8}
    with pytest.warns(
        ConvergenceWarning, match=r"6 of the 12 models diverged, of 2 candidates.*Lower eta0s to .* \(here 1e.200,"
    ):
        est = SGDRegressorCV(eta0s=[0.001, 1e200], **given).fit(X, Y)
    assert np.isnan(est.scores_[..., 1]).all() and est.eta0_ == 0.001
    assert (est.stop_reasons_[..., 1] == "diverged").all()
    with pytest.raises(ValueError, match=r"every candidate diverged.*StandardScaler\. Lower eta0s to"):
        SGDRegressorCV(eta0s=1e200, **given).fit(X, Y)
    with pytest.raises(ValueError, match="every mean score is NaN"):
        SGDRegressorCV(scoring=lambda *_: np.nan, **given).fit(X, Y)


FAR = 100 * X + 100
DIVERGING = {
    "usual": (SGDRegressorCV, Y, {}),
    "average": (SGDRegressorCV, Y, {"average": True}),
    "momentum": (SGDRegressorCV, Y, {"optimizer": "momentum"}),
    "batches": (SGDRegressorCV, Y, {"batch_size": 8}),
    "l1": (SGDRegressorCV, Y, {"penalty": "elasticnet", "eta0s": [1.0, 10.0]}),
    "standardised": (SGDRegressorCV, Y, {"standardize": True, "eta0s": 1e3}),
    "two targets": (SGDRegressorCV, np.column_stack([Y, -Y]), {"learning_rate": "constant"}),
    "optimal": (SGDClassifierCV, CODE, {"loss": "squared_error", "alphas": [1e-5, 1e-9]}),
}


@pytest.mark.parametrize("case", DIVERGING)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_way_out_where_all_diverge_works(case, layout):
    """Without the default's step size, which columns around 100 have diverge, as in a fit of its own."""
    make, y, params = DIVERGING[case]
    est, A = make(**{"alphas": 3, "max_iter": 20, "random_state": 0, "cv": 3} | params), LAYOUTS[layout](FAR)
    with pytest.raises(ValueError, match="every candidate diverged") as error:
        est.fit(A, y)
    said = str(error.value)
    if "Lower" in said:
        assert f"(here {np.min(est._etas()):g}" in said
    eta0 = re.search(r"eta0s(?: to |=)(\S+?),? \(", said)[1]
    rate = "invscaling" if "learning_rate='invscaling' and" in said else est.learning_rate
    ways = [{"eta0s": float(eta0), "learning_rate": rate}]
    auto = re.search(r"learning_rate='auto' \(with (.*?)\)", said)[1].replace(" and ", ", ")
    ways.append({"learning_rate": "auto", "eta0s": None} | eval(f"dict({auto})"))
    if "If columns differ" in said and case not in ("l1", "optimal"):  # Whose steps are too long for any columns.
        ways.append({"standardize": True})
    for way in ways:
        assert np.isfinite(clone(est).set_params(**way).fit(A, y).scores_).any(axis=(1, 2)).all()
    if "LinearRegressorCV" in said:
        LinearRegressorCV(alphas=2, cv=2).fit(A, y)


OF_NO_USE = {
    "columns of several scales": (SGDRegressorCV, X * np.geomspace(1e8, 1e-8, X.shape[1]), Y, {}),
    "two targets": (SGDRegressorCV, X * 1e8, np.column_stack([Y, -Y]), {"alphas": [1e-3]}),
    "huber": (SGDRegressorCV, X * 1e8, Y, {"loss": "huber"}),
    "alphas": (SGDClassifierCV, X, CODE, {"alphas": [1e300, 1e-300]}),
    "classes": (SGDClassifierCV, X, THREE, {"alphas": [1e-300]}),
}


@pytest.mark.parametrize("case", OF_NO_USE)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("validation", [False, True])
def test_a_choice_that_is_far_worse_than_zero_weights_is_told_of(case, layout, validation):
    make, A, y, params = OF_NO_USE[case]
    est = make(**{"alphas": 3, "max_iter": 3, "tol": None, "random_state": 0} | params)
    A = LAYOUTS[layout](A)
    held = {"X_val": A, "y_val": y} if validation else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.fit(A, y, **held)
    told = [str(one.message) for one in caught if "was chosen, and is of no use" in str(one.message)]
    assert len(told) == 1 and told[0].startswith(f"alpha={est.alpha_:.3g} was chosen") and "or take" in told[0]
    solved = LinearClassifierCV if make is SGDClassifierCV else LinearRegressorCV
    assert solved.__name__ in told[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.set_params(learning_rate="auto", alphas=3).fit(A, y, **held)
    assert not any("is of no use" in str(one.message) for one in caught)


def test_by_a_scorer_a_choice_is_not_compared_with_zero_weights():
    make, A, y, params = OF_NO_USE["classes"]
    est = make(scoring="accuracy", **{"max_iter": 3, "tol": None, "random_state": 0} | params)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.fit(A, y)
    assert not any("is of no use" in str(one.message) for one in caught)


def test_the_model_of_all_rows_is_told_of_by_the_names_of_the_search():
    with pytest.warns(ConvergenceWarning, match=r"Lower alphas, or eta0s \(here 0.5\) below"):
        SGDRegressorCV(**FEW | {"alphas": [3.0], "eta0s": 0.5, "max_iter": 2}).fit(X / 9, Y)


def test_models_that_were_not_done_are_counted():
    with pytest.warns(ConvergenceWarning, match="6 of the 6 models reached max_iter=2 before"):
        SGDRegressorCV(refit=False, **FEW | {"max_iter": 2, "tol": 1e-9}).fit(X, Y)


# ---------------------------------------------------------------- folds and metadata


@pytest.mark.parametrize(
    "cv, groups, n",
    [(None, False, 5), (4, False, 4), (GroupKFold(3), True, 3), (LeaveOneGroupOut(), True, 6)],
)
def test_splitters(cv, groups, n):
    group = np.arange(150) % 6
    est = SGDClassifierCV(alphas=3, cv=cv, max_iter=3, tol=None, random_state=0)
    est.fit(X, CODE, **({"groups": group} if groups else {}))
    assert est.scores_.shape == (n, 1, 3) and est.score(X, CODE) > 0.7
    splitter = cv if groups else StratifiedKFold(n)
    folds = splitter.split(X, CODE, group if groups else None)
    for f, (_, test) in enumerate(folds):
        z = X[test] @ est.coefs_paths_[f, 0, 1, 0] + est.intercepts_paths_[f, 0, 1, 0]
        loss = np.maximum(0.0, 1.0 - np.where(CODE[test], 1, -1) * z).mean()
        np.testing.assert_allclose(est.scores_[f, 0, 1], -loss)


def test_rows_that_no_fold_holds_out_are_trained_on_in_all():
    folds = [(np.setdiff1d(np.arange(150), held), held) for held in (np.arange(20), np.arange(30, 60))]
    est = SGDRegressorCV(**FEW | {"cv": folds}).fit(X, Y)
    by_masks = SGDRegressorCV(**FEW | {"cv": [*folds, folds[0]]}).fit(X, Y)
    np.testing.assert_allclose(est.coefs_paths_, by_masks.coefs_paths_[:2])


def test_metadata_go_where_they_are_asked_for():
    seen = []
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(lambda y, p, level: seen.append(level) or r2_score(y, p)).set_score_request(level=True)
        est = SGDRegressorCV(scoring=scorer, refit=False, **FEW | {"cv": GroupKFold(3)})
        est.fit(X, Y, groups=np.arange(150) % 3, level=np.arange(150))
    assert sorted(np.concatenate(seen[::2])) == list(range(150))
    with pytest.raises(TypeError, match="enable_metadata_routing"):
        SGDRegressorCV(**FEW).fit(X, Y, level=1)
    assert get_scorer("r2")(clone(est).set_params(refit=True, scoring="r2", cv=3).fit(X, Y), X, Y) > 0


@pytest.mark.parametrize(
    "make, given, words",
    [
        ({"cv": [(np.array([0, 1, 1, 2]), np.array([3]))]}, {}, "fold 0 of cv has row 1 2 times"),
        ({"cv": [(np.arange(50), np.arange(50, 150))]}, {"y": np.sort(CODE)}, "fold 0 of cv has only rows of class 0"),
        ({}, {"sample_weight": np.arange(150) >= 50}, "held out in fold 0 of cv have a sample_weight of 0"),
        ({}, {"sample_weight": np.where(CODE & (np.arange(150) >= 50), 0, 1)}, "fold 0 of cv has only rows of class 0"),
        (
            {"cv": None},
            {"X_val": X, "y_val": CODE, "sample_weight_val": 0 * S},
            "sample_weight_val must not be all zero",
        ),
        ({"cv": None}, {"X_val": WEIGHTLESS}, "sample_weight_val must not be all zero"),
        ({}, {"sample_weight": np.zeros(150)}, "sample_weight must not be all zero"),
        ({}, {"X_val": X, "y_val": CODE}, "X_val takes the place of cv="),
        ({"cv": None}, {"X_val": X, "y_val": CODE, "groups": CODE}, "X_val takes the place of groups"),
        ({"cv": None}, {"y_val": CODE}, "y_val is given without X_val"),
        ({"alphas": [0.1, 0.0]}, {}, "alphas must be > 0 since learning_rate is 'optimal'"),
        ({"alphas": []}, {}, "alphas must be at least one number"),
        ({"eta0s": [0.1, -1.0]}, {}, "eta0s must be at least one number > 0"),
        ({"eta0s": [0.1, 0.0]}, {}, "eta0s must be > 0"),
        ({"l1_ratios": [2.0], "penalty": "elasticnet"}, {}, "l1_ratios must be at least one number from 0 to 1"),
        ({"halving": 1}, {}, "halving"),
        ({"eta0s": [0.1, 0.2]}, {}, "learning_rate='optimal' has no step size to choose"),
        ({"eta0s": [0.1, 0.2], "learning_rate": "auto"}, {}, "learning_rate='auto' has no step size to choose"),
        ({"multi_class": "multinomial"}, {}, "multi_class='multinomial' needs loss='log_loss'"),
        ({"learning_rate": "auto", "average": True}, {}, "learning_rate='auto' needs average=False"),
        ({"loss": "log_loss", "scoring": "accuracy"}, {"y": np.full(150, 0.3)}, "scoring must be None"),
        ({"scoring": lambda *_: "good"}, {}, "scoring must give a number, it gave 'good'"),
        ({"n_jobs": 0}, {}, "n_jobs must not be 0"),
    ],
)
def test_what_can_not_be_done_is_said(make, given, words):
    with pytest.raises((ValueError, TypeError), match=words):
        SGDClassifierCV(**FEW | make).fit(**{"X": X, "y": CODE} | given)
