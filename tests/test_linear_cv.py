"""LinearClassifierCV and LinearRegressorCV: each point of each path is the separate fit, and the choice is scikit-learn's."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LassoCV, LogisticRegressionCV
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer, mean_squared_error, r2_score
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, StratifiedKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels
from support.linear import CODE, S, X, Y

import fastsgd
from fastsgd import LinearClassifier, LinearClassifierCV, LinearRegressor, LinearRegressorCV, losses, penalties, sources
from fastsgd.solvers import kept, path
from fastsgd.solvers.heads import Heads, Task
from fastsgd.sources.arrays import Table

THREE = labels(Y, 3)
FOLDS = list(KFold(3).split(X))
FEW = {"alphas": 4, "cv": FOLDS, "random_state": 0}
EVERY = pytest.mark.parametrize("make, y", [(LinearClassifierCV, CODE), (LinearRegressorCV, Y)])


@pytest.mark.filterwarnings("ignore:The least populated class")  # A check has 5 rows and 3 folds.
@parametrize_with_checks([LinearClassifierCV(alphas=5, cv=2), LinearRegressorCV(alphas=5, cv=2)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- the paths

CASES = [
    ("log_loss", "l2", (0.0,)),
    ("log_loss", "l1", (1.0,)),
    ("hinge", "l2", (0.0,)),
    ("squared_hinge", "elasticnet", (0.0, 0.5, 1.0)),
    ("squared_error", "l2", (0.0,)),
    ("squared_error", "l1", (1.0,)),
    ("huber", "elasticnet", (0.2, 0.8)),
    ("quantile", "l2", (0.0,)),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss, penalty, ratios", CASES)
def test_each_point_is_the_separate_fit_to_within_its_certificate(loss, penalty, ratios, layout):
    classifies = losses.LOSSES[loss].task == ("classifier",)
    make, one, y = (
        (LinearClassifierCV, LinearClassifier, CODE) if classifies else (LinearRegressorCV, LinearRegressor, Y)
    )
    A = LAYOUTS[layout](X)
    est = make(loss, penalty=penalty, l1_ratios=ratios, **FEW).fit(A, y, S)
    assert est.dual_gaps_.max() <= est.tol and est.dual_gaps_.shape == (3, len(ratios), 4)
    signs = np.where(y, 1.0, losses.get(loss).negative) if classifies else y
    for f, (train, _) in enumerate(FOLDS):
        for i, ratio in enumerate(ratios):
            for j in (0, 3):
                alpha = est.cv_results_["param_alpha"][4 * i + j]
                tight = one(loss, penalty=penalty, alpha=alpha, l1_ratio=ratio, tol=1e-8, random_state=0)
                tight.fit(A[train], y[train], S[train])
                w, b = est.coefs_paths_[f, i, j, 0].astype(float), est.intercepts_paths_[f, i, j, 0]
                values = losses.get(loss).value(np.asarray(A[train] @ w + b, float), signs[train])
                F = np.average(values, weights=S[train]) + penalties.value(w, *penalties.weights(penalty, alpha, ratio))
                least = tight.history_["objective"][-1]
                assert F - least <= (est.dual_gaps_[f, i, j] + 1e-8) * F + 1e-9


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "squared_error", "poisson"])
@pytest.mark.parametrize("ratio", [0.0, 0.7, 1.0])
def test_what_is_kept_along_a_path_proves_no_more_than_there_is(loss, ratio, intercept):
    """Collinear columns of very different scale: the bound of every point is below the least objective that is known."""
    A = np.column_stack([X, X[:, 0] - X[:, 1], np.ones(300)]) * np.geomspace(1e-2, 1e2, 8)
    y = (CODE if losses.LOSSES[loss].task == ("classifier",) else np.exp(0.3 * Y)).astype(float)
    table, task = (
        Table(A, y=np.where(y > 0, y, losses.get(loss).negative)[:, None], s=S),
        Task(losses.get(loss), 0.0, 0.0, intercept, 1e-3, 1000),
    )
    constant = path.Constant.of(table, 1, task)
    numbers = [(a * ratio, a * (1 - ratio)) for a in constant.grid(6, ratio, 1e-3)]
    for heads, (l1, l2) in zip(path.along(table, 1, task, numbers, constant.start()), numbers, strict=True):
        report = heads.reports[0]
        tight = Heads(table, 1, replace(task, l1=l1, l2=l2, tol=1e-7)).run().reports[0]
        assert heads.reason == "certified" and report.gap <= 1e-3 * report.best.objective
        assert report.bound <= tight.best.objective + 1e-9 * abs(tight.best.objective)
        assert kept.applies(heads.problems[0]) == (ratio > 0 or loss == "squared_error")


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
def test_several_classes(multi_class):
    est = LinearClassifierCV(multi_class=multi_class, **FEW).fit(X, THREE)
    assert est.coefs_paths_.shape == (3, 1, 4, 3, X.shape[1]) and est.intercepts_paths_.shape == (3, 1, 4, 3)
    assert est.dual_gaps_.max() <= est.tol and est.score(X, THREE) > 0.8
    one = LinearClassifier(multi_class=multi_class, alpha=est.alphas_[2], tol=1e-8, random_state=0)
    one.fit(X[FOLDS[1][0]], THREE[FOLDS[1][0]])
    np.testing.assert_allclose(est.coefs_paths_[1, 0, 2], one.coef_, atol=0.02 * abs(one.coef_).max())
    tight = clone(est).set_params(tol=1e-7, scoring="accuracy").fit(X, THREE)
    ours = cross_val_score(one.set_params(tol=1e-7), X, THREE, cv=FOLDS)
    np.testing.assert_allclose(tight.scores_[:, 0, 2], ours)


def test_several_targets_have_one_alpha():
    both = np.column_stack([Y, 3.0 - 2.0 * Y])
    est = LinearRegressorCV(**FEW).fit(X, both)
    assert est.coefs_paths_.shape == (3, 1, 4, 2, X.shape[1]) and est.predict(X).shape == both.shape
    alone = [LinearRegressorCV(**FEW | {"alphas": est.alphas_}).fit(X, y).scores_ for y in both.T]
    np.testing.assert_allclose(est.scores_, np.mean(alone, axis=0), rtol=1e-3)


@EVERY
@pytest.mark.parametrize("ratio", [0.3, 1.0])
def test_the_largest_alpha_is_the_least_for_which_all_coefficients_are_zero(make, y, ratio):
    est = make(penalty="elasticnet", l1_ratios=[ratio], **FEW).fit(X, y, S)
    one = (LinearClassifier if make is LinearClassifierCV else LinearRegressor)(
        penalty="elasticnet", l1_ratio=ratio, tol=1e-10, random_state=0
    )
    assert not one.set_params(alpha=est.alphas_[0] * (1 + 1e-6)).fit(X, y, S).coef_.any()
    assert one.set_params(alpha=est.alphas_[0] * 0.99).fit(X, y, S).coef_.any()
    np.testing.assert_allclose(est.alphas_, est.alphas_[0] * 10.0 ** -np.arange(4.0), rtol=1e-12)


def test_the_largest_alpha_of_lasso_is_scikit_learns():
    theirs = LassoCV(alphas=5, cv=FOLDS).fit(X, Y)
    np.testing.assert_allclose(LinearRegressorCV(penalty="l1", alphas=5, cv=FOLDS).fit(X, Y).alphas_, theirs.alphas_)


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_hinge"])
@pytest.mark.parametrize("classes", [CODE, THREE])
def test_with_l2_no_model_of_the_largest_alpha_is_much_better_than_a_constant(loss, classes):
    est = LinearClassifierCV(loss, eps=1e-2, **FEW).fit(X, classes)
    one = LinearClassifier(loss, alpha=est.alphas_[0], tol=1e-8, random_state=0).fit(X, classes)
    constant = LinearClassifier(loss, alpha=1e12, tol=1e-8, random_state=0).fit(X, classes)
    for head in set(one.history_["head"]):
        least, most = (h[h["head"] == head]["objective"][-1] for h in (one.history_, constant.history_))
        assert 0.989 * most <= least <= most * (1 + 1e-7)
    assert est.alphas_[-1] == pytest.approx(1e-2 * est.alphas_[0])


def test_points_that_are_not_proven_are_counted_in_one_warning():
    with pytest.warns(ConvergenceWarning) as told:
        est = LinearClassifierCV("hinge", max_iter=2, refit=False, **FEW | {"tol": 1e-9}).fit(X, CODE)
    assert "Raise max_iter, which is 2" in str(told[0].message)
    bad = (est.dual_gaps_ > 1e-9).sum()
    assert 0 < bad <= 12 and len(told) == 1
    assert f"{bad} of the 12 points" in str(told[0].message) and f"{est.dual_gaps_.max():.3g}, at" in str(
        told[0].message
    )


@EVERY
@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_an_alpha_of_0_has_no_proof_and_is_said(make, y, penalty):
    with pytest.warns(ConvergenceWarning, match="3 of the 6 points.*at alpha=0.*Leave out the smallest alphas"):
        est = make(penalty=penalty, refit=False, **FEW | {"alphas": [0.0, 0.1]}).fit(X, y)
    assert est.alphas_.tolist() == [0.1, 0.0] and (est.dual_gaps_[..., 0] <= est.tol).all()


@EVERY
def test_the_bits_do_not_depend_on_threads(make, y):
    one, two = (make(penalty="elasticnet", l1_ratios=(0.1, 1.0), n_jobs=jobs, **FEW).fit(X, y) for jobs in (1, 3))
    for name in ("coefs_paths_", "intercepts_paths_", "scores_", "dual_gaps_", "coef_", "intercept_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


# ---------------------------------------------------------------- scores


def _mean_error(est, A, y):
    return -abs(est.predict(A) - y).mean()


@pytest.mark.parametrize("weights", [None, S])
@pytest.mark.parametrize(
    "make, y, scoring, by_hand",
    [
        (LinearClassifierCV, CODE, None, lambda z, y, s: -log_loss(y, 1 / (1 + np.exp(-z)), sample_weight=s)),
        (LinearClassifierCV, CODE, "neg_log_loss", lambda z, y, s: -log_loss(y, 1 / (1 + np.exp(-z)), sample_weight=s)),
        (LinearClassifierCV, CODE, "accuracy", lambda z, y, s: accuracy_score(y, z > 0, sample_weight=s)),
        (LinearClassifierCV, CODE, _mean_error, lambda z, y, s: -abs((z > 0) - y).mean()),
        (LinearRegressorCV, Y, None, lambda z, y, s: -0.5 * mean_squared_error(y, z, sample_weight=s)),
        (LinearRegressorCV, Y, "r2", lambda z, y, s: r2_score(y, z, sample_weight=s)),
        (LinearRegressorCV, Y, make_scorer(r2_score), lambda z, y, s: r2_score(y, z, sample_weight=s)),
        (LinearRegressorCV, Y, _mean_error, lambda z, y, s: -abs(z - y).mean()),
    ],
)
def test_scores_are_those_of_the_rows_held_out(make, y, scoring, by_hand, weights):
    est = make(scoring=scoring, **FEW).fit(X, y, weights)
    for f, (_, test) in enumerate(FOLDS):
        s = None if weights is None else weights[test]
        for j in range(4):
            z = X[test] @ est.coefs_paths_[f, 0, j, 0] + est.intercepts_paths_[f, 0, j, 0]
            np.testing.assert_allclose(est.scores_[f, 0, j], by_hand(z, y[test], s), rtol=1e-9)
    z = X @ np.ravel(est.coef_) + est.intercept_
    if scoring is None:
        np.testing.assert_allclose(
            est.score(X, y), accuracy_score(y, z > 0) if make is LinearClassifierCV else r2_score(y, z)
        )
    else:
        np.testing.assert_allclose(est.score(X, y, sample_weight=weights), by_hand(z, y, weights), rtol=1e-9)


@pytest.mark.sklearn19
def test_the_choice_is_that_of_scikit_learn():
    Cs = np.logspace(-3, 1, 5)
    alphas = 1.0 / (Cs * len(FOLDS[0][0]))
    theirs = LogisticRegressionCV(
        Cs=Cs, cv=FOLDS, l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False, tol=1e-8, max_iter=10**4
    ).fit(X, CODE)
    ours = LinearClassifierCV(alphas=alphas, cv=FOLDS, tol=1e-8, random_state=0).fit(X, CODE)
    assert pytest.approx(1.0 / (ours.alpha_ * len(FOLDS[0][0]))) == theirs.C_
    np.testing.assert_allclose(ours.scores_, theirs.scores_, rtol=1e-4)
    coefs = np.concatenate([ours.coefs_paths_, ours.intercepts_paths_[..., None]], axis=-1)
    assert coefs.shape == theirs.coefs_paths_.shape and ours.n_iter_.shape == theirs.n_iter_.shape
    np.testing.assert_allclose(coefs, theirs.coefs_paths_, atol=1e-3)


def test_the_rule_of_one_standard_error_by_hand():
    est = LinearRegressorCV(penalty="l1", alphas=30, cv=5, random_state=0, refit_rule="one_standard_error").fit(X, Y)
    mean, best = est.scores_.mean(axis=(0, 1)), est.scores_.mean(axis=(0, 1)).argmax()
    error = np.std(est.scores_[:, 0, best], ddof=1) / np.sqrt(5)
    good = est.alphas_[mean >= mean[best] - error]
    assert est.alpha_ == good.max() > est.alphas_[best]
    by_score = clone(est).set_params(refit_rule="best").fit(X, Y)
    assert by_score.alpha_ == est.alphas_[best] and abs(est.coef_).sum() < abs(by_score.coef_).sum()


def test_of_equal_scores_the_largest_alpha_is_chosen():
    est = LinearClassifierCV(scoring=lambda *_: 1.0, **FEW).fit(X, CODE)
    assert est.alpha_ == est.alphas_[0] == est.alphas_.max()
    with pytest.raises(ValueError, match="every mean score is NaN"):
        est.set_params(scoring=lambda *_: np.nan).fit(X, CODE)


def test_results_are_named_as_those_of_grid_search():
    est = LinearRegressorCV(penalty="elasticnet", l1_ratios=(0.5, 1.0), **FEW).fit(X, Y)
    found = est.cv_results_
    assert (
        est.alphas_.shape == (2, 4)
        and [len(found[name]) for name in ("params", "param_alpha", "param_l1_ratio")] == [8] * 3
    )
    best = found["params"][int(np.flatnonzero(found["rank_test_score"] == 1)[0])]
    assert best == {"alpha": est.alpha_, "l1_ratio": est.l1_ratio_}
    np.testing.assert_array_equal(found["split2_test_score"], est.scores_[2].ravel())
    np.testing.assert_allclose(found["mean_test_score"], est.scores_.mean(axis=0).ravel())


# ---------------------------------------------------------------- folds


@pytest.mark.parametrize(
    "cv, groups",
    [
        (None, False),
        (4, False),
        (KFold(3, shuffle=True, random_state=1), False),
        (StratifiedKFold(3), False),
        (GroupKFold(3), True),
        (LeaveOneGroupOut(), True),
        ([(np.arange(300) < 200, np.arange(300) >= 200)], False),
        ((fold for fold in FOLDS), False),
    ],
)
def test_splitters(cv, groups):
    group = np.arange(300) % 6
    given = {"groups": group} if groups else {}
    est = LinearClassifierCV(alphas=3, cv=cv, random_state=0).fit(X, CODE, **given)
    n_folds = {None: 5, 4: 4}.get(cv if cv is None or isinstance(cv, int) else "") or (
        cv.get_n_splits(X, CODE, group) if hasattr(cv, "split") else 1 if isinstance(cv, list) else 3
    )
    assert est.scores_.shape == (n_folds, 1, 3) and est.score(X, CODE) > 0.8


def test_leaving_one_row_out():
    few = slice(0, 12)
    est = LinearRegressorCV(alphas=3, cv=12, random_state=0).fit(X[few], Y[few])
    w, b = est.coefs_paths_[4, 0, 1, 0], est.intercepts_paths_[4, 0, 1, 0]
    assert est.scores_[4, 0, 1] == pytest.approx(-0.5 * (X[4] @ w + b - Y[4]) ** 2)


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_a_fold_may_lack_a_class(multi_class, scoring):
    order = np.argsort(THREE, kind="stable")
    A, y = X[order], THREE[order]
    folds = [(np.flatnonzero(y != 2), np.flatnonzero(y == 2)), *KFold(2, shuffle=True, random_state=0).split(A)]
    est = LinearClassifierCV(
        multi_class=multi_class, alphas=[1e-2, 1e-3], cv=folds, scoring=scoring, random_state=0
    ).fit(A, y)
    assert est.coefs_paths_.shape == (3, 1, 2, 3, X.shape[1]) and np.isfinite(est.scores_).all()
    assert (est.scores_[0] < est.scores_[1:].min()).all()
    margins = A @ est.coefs_paths_[0, 0, 1].T + est.intercepts_paths_[0, 0, 1]
    assert (margins.argmax(axis=1) != 2).all()


@pytest.mark.parametrize(
    "y, weight, cv, words",
    [
        (
            np.sort(CODE),
            None,
            [(np.arange(50), np.arange(50, 300))],
            "fold 0 of cv has only rows of class 0 to train on",
        ),
        (CODE, None, [(np.arange(50), [])], "0 held out"),
        (CODE, None, [(np.arange(50), [300])], "numbers of rows from 0 to 299"),
        (CODE, None, [], "gives no fold|no fold|at least"),
        (CODE, np.arange(300) >= 100, KFold(3), "held out in fold 0 of cv have a sample_weight of 0"),
        (CODE, np.arange(300) < 100, KFold(3), "to train on in fold 0 of cv have a sample_weight of 0"),
        (CODE, np.zeros(300), 3, "sample_weight must not be all zero"),
    ],
)
def test_folds_that_can_not_be_used_are_named(y, weight, cv, words):
    with pytest.raises(ValueError, match=words):
        LinearClassifierCV(alphas=3, cv=cv).fit(X, y, weight)


@pytest.mark.parametrize(
    "params, words",
    [
        ({"alphas": 0}, "alphas"),
        ({"alphas": [1.0, -1.0]}, "alphas must be at least one number >= 0"),
        ({"alphas": []}, "alphas must be"),
        ({"penalty": "elasticnet", "l1_ratios": [0.5, 1.5]}, "l1_ratios must be at least one number from 0 to 1"),
        ({"penalty": None}, "penalty"),
        ({"scoring": "acuracy"}, "Did you mean scoring='accuracy'"),
        ({"multi_class": "multinomial", "penalty": "l1"}, "penalty='l2' or None"),
        ({"refit_rule": "1se"}, "refit_rule"),
        ({"eps": 1.0}, "eps"),
    ],
)
def test_bad_parameters(params, words):
    with pytest.raises(ValueError, match=words):
        LinearClassifierCV(**params).fit(X, CODE)


# ---------------------------------------------------------------- conventions


@EVERY
def test_files_and_pickles(make, y, tmp_path):
    alphas = np.array([1e-1, 1e-2])
    est = make(alphas=alphas, cv=3, penalty="elasticnet", l1_ratios=(0.2, 0.9), random_state=0).fit(X.astype("f4"), y)
    est.save(tmp_path / "model.safetensors")
    for again in (fastsgd.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(est))):
        np.testing.assert_array_equal(again.predict(X), est.predict(X))
        for name in (
            "alphas_",
            "scores_",
            "coefs_paths_",
            "intercepts_paths_",
            "dual_gaps_",
            "n_iter_",
            "l1_ratios_",
            "history_",
        ):
            np.testing.assert_array_equal(getattr(again, name), getattr(est, name))
        assert (again.alpha_, again.l1_ratio_) == (est.alpha_, est.l1_ratio_) and again.coefs_paths_.dtype == np.float32
        np.testing.assert_array_equal(again.alphas, alphas)
        assert list(again.cv_results_["params"]) == est.cv_results_["params"]


@EVERY
def test_the_refit_is_certified_on_all_rows(make, y):
    est = make(**FEW).fit(X, y, S)
    assert est.stop_reason_ == "certified" and est.dual_gap_ <= est.tol
    one = LinearClassifier if make is LinearClassifierCV else LinearRegressor
    tight = one(alpha=est.alpha_, tol=1e-8, random_state=0).fit(X, y, S)
    np.testing.assert_allclose(est.coef_, tight.coef_, atol=0.05 * abs(tight.coef_).max())


def test_without_a_refit_there_is_no_model():
    est = LinearRegressorCV(refit=False, **FEW).fit(X, Y)
    assert est.alpha_ in est.alphas_ and not hasattr(est, "coef_")
    with pytest.raises(NotFittedError, match="refit=False"):
        est.predict(X)
    assert hasattr(est.set_params(refit=True).fit(X, Y), "coef_")
    assert not hasattr(est.set_params(refit=False).fit(X, Y), "coef_")


def test_soft_labels_and_class_weights():
    p = 1 / (1 + np.exp(-Y))
    est = LinearClassifierCV(**FEW).fit(X, p)
    z = X[FOLDS[0][1]] @ est.coefs_paths_[0, 0, 3, 0] + est.intercepts_paths_[0, 0, 3, 0]
    by_hand = (p[FOLDS[0][1]] * np.log1p(np.exp(-z)) + (1 - p[FOLDS[0][1]]) * np.log1p(np.exp(z))).mean()
    assert est.scores_[0, 0, 3] == pytest.approx(-by_hand)
    weighed = LinearClassifierCV(class_weight={0: 1.0, 1: 3.0}, **FEW).fit(X, CODE)
    z = X[FOLDS[0][1]] @ weighed.coefs_paths_[0, 0, 3, 0] + weighed.intercepts_paths_[0, 0, 3, 0]
    assert weighed.scores_[0, 0, 3] == pytest.approx(-log_loss(CODE[FOLDS[0][1]], 1 / (1 + np.exp(-z))))


def test_a_source_is_read_into_memory():
    batches = sources.from_batches(lambda: iter([(X[:150], Y[:150]), (X[150:], Y[150:])]))
    np.testing.assert_allclose(
        LinearRegressorCV(**FEW).fit(batches).scores_, LinearRegressorCV(**FEW).fit(X, Y).scores_
    )


def test_metadata_go_where_they_are_asked_for():
    seen = []

    def score(est, A, y, level=None):
        seen.append(level)
        return get_scorer("r2")(est, A, y)

    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(lambda y, p, level: seen.append(level) or r2_score(y, p)).set_score_request(level=True)
        est = LinearRegressorCV(alphas=2, cv=GroupKFold(3), scoring=scorer, refit=False)
        est.fit(X, Y, groups=np.arange(300) % 3, level=np.arange(300))
    assert est.scores_.shape == (3, 1, 2) and sorted(np.concatenate(seen[::2])) == list(range(300))
    with pytest.raises(TypeError, match="enable_metadata_routing"):
        LinearRegressorCV(**FEW).fit(X, Y, level=1)


def test_verbose_prints_a_line_a_path(capsys):
    LinearRegressorCV(verbose=1, **FEW).fit(sp.csr_matrix(X), Y)
    assert capsys.readouterr().out.count("4 alphas, ") == 3
