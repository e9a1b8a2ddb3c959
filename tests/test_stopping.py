"""stopping=: each rule ends the fit where its docstring says, by numbers worked out here; and what divergence does."""

import warnings
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import reference
from scipy.special import softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from support.data import LAYOUTS, labels
from support.stopping import data

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, penalties, stopping

FULL = dict(random_state=0, batch_size="full", learning_rate="constant", eta0=0.2, alpha=0.1)
RULES = {"objective": "objective", "gradient": "gradient_norm", "parameters": "change"}


def states(**params):
    """Coefficients and intercepts at the start and after each epoch, and the fitted estimator."""
    cls = params.pop("cls", SGDRegressor)
    seen = []
    X, y, s = params.pop("data")
    est = cls(**params, callbacks=lambda p: seen.append((p.estimator.coef_, p.estimator.intercept_)))
    est.fit(X, y, sample_weight=s)
    start = np.zeros_like(seen[0][0]), np.zeros_like(seen[0][1])
    return [start, *seen], est


# ---------------------------------------------------------------- the numbers that rules look at


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("kind", ["one", "weights", "targets", "classes", "multinomial"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradient_norm_is_that_of_the_objective(layout, kind, penalty, intercept):
    X, y, s = data()
    s = None if kind == "one" else s
    params = dict(penalty=penalty, alpha=0.05, l1_ratio=0.4, fit_intercept=intercept, max_iter=4, batch_size=10)
    params |= dict(learning_rate="constant", eta0=0.05, stopping="gradient", tol=0.0, average=kind == "weights")
    if kind in ("one", "weights", "targets"):
        Y = y[:, None] if kind != "targets" else np.c_[y, -2 * y, y + 1]
        est, loss, weight = SGDRegressor(loss="huber", epsilon=0.5, **params), losses.Huber(0.5), 1.0
        target = Y if kind == "targets" else y
    else:
        target = labels(y, 3)
        Y = np.eye(3)[target]
        how = dict(multi_class="multinomial") if kind == "multinomial" else dict(class_weight={0: 2.0})
        est = SGDClassifier(loss="log_loss", **how, **params)
        loss, weight = losses.LogLoss(), np.where((kind == "classes") & (Y > 0) & (np.arange(3) == 0), 2.0, 1.0)
    est.fit(LAYOUTS[layout](X), target, sample_weight=s)

    W, b = np.atleast_2d(est.coef_).T, est.intercept_
    P = X @ W + b
    slope = softmax(P, axis=1) - Y if kind == "multinomial" else weight * loss.slope(P, Y)
    s = np.ones(200) if s is None else s
    total = (s[:, None] * weight * np.ones_like(Y)).sum(axis=0)
    l1, l2 = penalties.weights(penalty, 0.05, 0.4)
    G, g = X.T @ (s[:, None] * slope) / total + l2 * W, (s @ slope) / total
    least = np.sign(G) * np.maximum(0, abs(G) - l1)  # a zero weight takes the subgradient of least size
    G = np.where(W == 0, least, G + l1 * np.sign(W))
    norm = np.sqrt((G**2).sum() + (g @ g if intercept else 0.0)) / (1 if kind == "multinomial" else Y.shape[1])
    assert est.history_["gradient_norm"][-1] == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_gradient_norm_with_every_optimizer(name, layout, set_sizes):
    set_sizes(call_rows=32)
    X, y, s = data()
    est = SGDRegressor(optimizer=name, batch_size=8, stopping="gradient", tol=1e9).fit(
        LAYOUTS[layout](X), y, sample_weight=s
    )
    r = s * (X @ est.coef_ + est.intercept_ - y) / s.sum()
    norm = np.linalg.norm(np.r_[X.T @ r + 1e-4 * est.coef_, r.sum()])
    assert est.history_["gradient_norm"].tolist() == [pytest.approx(norm, rel=1e-9)]


def test_gradient_norm_of_the_one_class_machine():
    X, _, s = data()
    est = SGDOneClassSVM(nu=0.3, stopping="gradient", tol=10.0, random_state=0).fit(X, sample_weight=s)
    slope = s * losses.Hinge().slope(X @ est.coef_ + 1 - est.offset_, np.ones(200)) / s.sum()
    G = np.r_[X.T @ slope + 0.3 * est.coef_, slope.sum() + 0.3]
    assert est.history_["gradient_norm"].tolist() == [pytest.approx(np.linalg.norm(G), rel=1e-9)]
    assert est.stop_reason_ == "gradient"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("targets", [1, 3])
def test_change_is_that_of_weights_and_intercepts(targets, average, layout):
    X, y, s = data()
    y = y if targets == 1 else np.c_[y, -y, y / 2]
    params = dict(stopping="parameters", tol=0.0, max_iter=4, average=average, random_state=0)
    seen, est = states(data=(LAYOUTS[layout](X), y, s), **params)
    flat = [np.r_[np.ravel(coef), intercept] for coef, intercept in seen]
    change = [np.linalg.norm(b - a) / np.linalg.norm(b) for a, b in pairwise(flat)]
    np.testing.assert_allclose(est.history_["change"], change, rtol=1e-9)
    assert change[0] == pytest.approx(1.0)


def test_what_no_rule_asks_for_is_not_worked_out():
    X, y, _ = data()
    for name, column in RULES.items():
        history = SGDRegressor(stopping=name, tol=10.0).fit(X, y).history_
        others = {"objective", "gradient_norm", "change"} - {column} - ({"objective"} if name == "gradient" else set())
        assert np.isfinite(history[column]).all() and all(np.isnan(history[other]).all() for other in others)


# ---------------------------------------------------------------- when they fire


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("cls", [stopping.GradientNorm, stopping.ParameterChange])
def test_a_small_number_for_patience_epochs_in_a_row(cls, patience):
    X, y, _ = data()
    est = SGDRegressor(**FULL, stopping=cls(tol=1e-3, patience=patience)).fit(X, y)
    small = est.history_[cls.needs] <= 1e-3
    assert est.stop_reason_ == cls.name and small[-patience:].all() and not small[:-patience].any()
    assert 5 < est.n_iter_ < 200


def test_the_count_starts_anew_when_it_is_interrupted():
    rule = stopping.GradientNorm(tol=1.0, patience=2).fresh()
    assert [rule.over(SimpleNamespace(gradient_norm=v)) for v in (1, 2, 0.5, 3, 0, 1)] == [False] * 5 + [True]


def test_objective_and_validation_take_patience_from_n_iter_no_change():
    X, y, _ = data(300)
    for patience in (2, 6):
        params = dict(learning_rate="constant", eta0=0.01, tol=1e-3, n_iter_no_change=patience, random_state=0)
        by_name = SGDRegressor(**params, stopping="objective").fit(X, y)
        by_object = SGDRegressor(**params, stopping=stopping.Objective(1e-3, patience)).fit(X, y)
        default = SGDRegressor(**params).fit(X, y)
        assert by_name.n_iter_ == by_object.n_iter_ == default.n_iter_
        assert by_name.stop_reason_ == default.stop_reason_ == "objective"
        held_out = dict(X_val=X[200:], y_val=y[200:])
        by_name, default = (
            SGDRegressor(**params, stopping=w).fit(X[:200], y[:200], **held_out) for w in ("validation", None)
        )
        assert by_name.n_iter_ == default.n_iter_ and by_name.stop_reason_ == "validation"
        np.testing.assert_array_equal(by_name.coef_, default.coef_)
        assert by_name.score(X[200:], y[200:]) == pytest.approx(by_name.history_["validation_score"].max(), rel=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_names_take_tol_and_without_one_their_own(name):
    X, y, _ = data()
    cls = stopping.STOPPING[name]
    for tol in (1e-2, 1e-4):
        named, given = (SGDRegressor(**FULL, tol=tol, stopping=s).fit(X, y) for s in (name, cls(tol)))
        assert named.n_iter_ == given.n_iter_ and named.stop_reason_ == name
    without, default = (
        SGDRegressor(**FULL, tol=None, stopping=name).fit(X, y),
        SGDRegressor(**FULL, stopping=cls()).fit(X, y),
    )
    assert without.n_iter_ == default.n_iter_ and without.stop_reason_ == name


def test_of_several_rules_the_first_that_is_over_ends_the_fit():
    X, y, _ = data(300)
    far, near = stopping.GradientNorm(1e-9), stopping.ParameterChange(0.05)
    for rules in ([far, near], (near, far), ["gradient", near]):
        est = SGDRegressor(**FULL, tol=1e-9, stopping=rules).fit(X, y)
        assert est.stop_reason_ == "parameters"
        assert np.isfinite(est.history_["gradient_norm"]).all() and np.isfinite(est.history_["change"]).all()
    both = SGDRegressor(**FULL, stopping=[stopping.GradientNorm(10.0), stopping.ParameterChange(10.0)]).fit(X, y)
    assert both.stop_reason_ == "gradient" and both.n_iter_ == 1
    rate = dict(learning_rate="constant", eta0=0.05, random_state=0)
    est = SGDRegressor(**rate, stopping=["validation", stopping.ParameterChange(1e-12)])
    est.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert est.stop_reason_ == "validation"
    assert est.score(X[200:], y[200:]) == pytest.approx(est.history_["validation_score"].max(), rel=1e-12)


def test_a_validation_set_is_scored_though_another_rule_stops():
    X, y, _ = data(300)
    est = SGDRegressor(**FULL, stopping="gradient", tol=1e-2).fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    alone = SGDRegressor(**FULL, stopping="gradient", tol=1e-2).fit(X[:200], y[:200])
    np.testing.assert_array_equal(est.coef_, alone.coef_)
    assert np.isfinite(est.history_["validation_score"]).all() and est.stop_reason_ == "gradient"


def test_adaptive_cuts_the_step_whichever_rule_is_over():
    X, y, _ = data()
    rate = dict(learning_rate="adaptive", eta0=0.05, random_state=0)
    for rules in (["objective", "parameters"], stopping.ParameterChange(0.25), ["parameters", "objective"]):
        est = SGDRegressor(**rate, stopping=rules, tol=1e-2, n_iter_no_change=2).fit(X, y)
        ratio = est.history_["eta"][1:] / est.history_["eta"][:-1]
        assert np.all(np.isclose(ratio, 1) | np.isclose(ratio, 0.2)) and est.history_["eta"][-1] < 1e-5
    rule = stopping.Objective(10.0, patience=3)  # holds in each epoch
    est = SGDRegressor(**rate, stopping=[rule, rule]).fit(X, y)
    assert est.n_iter_ == 1 + 3 * 8, "all rules start to count anew after a cut"
    searched = SGDRegressor(optimizer=optimizers.SGD(line_search=True), batch_size="full", learning_rate="adaptive")
    assert searched.fit(X, y).stop_reason_ == "objective"


def test_a_fit_that_was_not_over_is_told():
    X, y, _ = data()
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration"):
        est = SGDRegressor(**FULL, stopping="gradient", tol=1e-9, max_iter=3).fit(X, y)
    assert est.stop_reason_ == "max_iter" and est.n_iter_ == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SGDRegressor(**FULL, stopping=[], max_iter=3).fit(X, y)


@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("batch", ["full", 7])
@pytest.mark.parametrize(
    "rule",
    [
        stopping.Objective(),
        stopping.Objective(absolute=True),
        stopping.ParameterChange(),
        stopping.ParameterChange(relative=False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_fires_in_the_epoch_of_its_formula(layout, rule, batch, patience):
    X, y, s = data()
    how = dict(batch_size=batch, learning_rate="invscaling", power_t=0.5, eta0=0.3 if batch == "full" else 0.1)
    how |= dict(random_state=0, max_iter=80, data=(LAYOUTS[layout](X), y, s))
    seen, whole = states(**how, stopping=[])
    models, f = [np.r_[np.ravel(coef), np.ravel(b)] for coef, b in seen], whole.history_["objective"]
    sizes = {"objective": abs(f[7] - f[6]), "change": 0.01, "step_length": np.linalg.norm(models[8] - models[7])}
    rule = rule.copy().set_params(patience=patience, tol=sizes[rule.needs])
    k = reference.stops(rule, f, models)
    _, est = states(**how, stopping=rule)
    assert 2 < k < 80 and est.n_iter_ == k and est.stop_reason_ == rule.name
    kept = models[1 + np.argmin(est.history_["objective"])] if rule.keeps else models[k]
    np.testing.assert_array_equal(np.r_[est.coef_, est.intercept_], kept)


def test_the_length_of_the_move_is_in_the_history_when_it_is_asked_for():
    X, y, s = data()
    rule = stopping.ParameterChange(tol=0.0, relative=False)
    seen, est = states(data=(X, y, s), stopping=rule, max_iter=4, random_state=0)
    flat = [np.r_[np.ravel(coef), intercept] for coef, intercept in seen]
    np.testing.assert_allclose(est.history_["step_length"], [np.linalg.norm(b - a) for a, b in pairwise(flat)])
    both = [rule, stopping.ParameterChange(tol=0.0)]
    _, two = states(data=(X, y, s), stopping=both, max_iter=4, random_state=0)
    np.testing.assert_array_equal(two.history_["step_length"], est.history_["step_length"])
    np.testing.assert_allclose(
        two.history_["change"] * [np.linalg.norm(p) for p in flat[1:]], two.history_["step_length"]
    )


def test_scikit_learns_rule_is_the_default_and_textbooks_are_asked_for():
    default = stopping.Objective()
    assert (default.tol, default.patience, default.absolute, default.keeps) == (1e-3, 5, False, True)
    assert stopping.ParameterChange().relative and stopping.get("parameters")[0].needs == "change"
    rule = stopping.ParameterChange(relative=False)
    assert clone(rule, safe=False) == rule != stopping.ParameterChange()
    assert rule.set_params(relative=True).needs == "change" and rule.set_params(relative=False).needs == "step_length"
    falls = stopping.Objective(0.1, 1, absolute=True).fresh()
    values = (1.0, 2.0, 1.95, np.inf, np.inf, np.nan, 1.0)  # one that rises, too; infinity less infinity is no rest
    assert [falls.over(SimpleNamespace(objective=v)) for v in values] == [False, False, True] + [False] * 4


# ---------------------------------------------------------------- what is returned


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_the_best_objective_seen_is_what_is_returned(name, layout, average):
    X, y, _ = data()
    params = dict(optimizer=name, batch_size=10, average=average, random_state=0, n_iter_no_change=20)
    seen = []
    est = SGDRegressor(**params, callbacks=lambda p: seen.append((p.estimator.coef_, p.estimator.t_)))
    est.fit(LAYOUTS[layout](X), y)
    best = np.argmin(est.history_["objective"])
    assert est.n_iter_ == len(est.history_) == len(seen) and est.stop_reason_ == "objective"
    np.testing.assert_array_equal(est.coef_, seen[best][0])
    assert est.t_ == seen[best][1], "partial_fit goes on from there"


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
def test_it_is_so_however_the_fit_ends(cls):
    X, y, _ = data()
    y = labels(y, 3) if cls is SGDClassifier else y
    for more in (dict(max_iter=7), dict(callbacks=lambda p: p.epoch == 7), dict(learning_rate="adaptive")):
        params = dict(learning_rate="constant", eta0=0.3, tol=1e-9, random_state=1) | more
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            est = cls(**params).fit(X, y)
            best = np.argmin(est.history_["objective"]) + 1
            short = cls(**params | dict(max_iter=best)).fit(X, y)
        np.testing.assert_array_equal(est.coef_, short.coef_)


@pytest.mark.parametrize("stopping", [[], "gradient", "parameters"])
def test_where_no_rule_watches_the_objective_the_last_weights_are(stopping):
    X, y, _ = data()
    seen = []
    est = SGDRegressor(learning_rate="constant", eta0=0.2, stopping=stopping, tol=1e-9, max_iter=9, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.set_params(callbacks=lambda p: seen.append(p.estimator.coef_)).fit(X, y)
    assert np.argmin(est.history_["objective"]) < 8
    np.testing.assert_array_equal(est.coef_, seen[-1])


# ---------------------------------------------------------------- as objects


def test_rules_are_not_changed_by_a_fit():
    X, y, _ = data()
    rules = [stopping.Objective(1e-4, 3), stopping.ParameterChange(1e-3)]
    before = [dict(vars(rule)) for rule in rules]
    est = SGDRegressor(random_state=0, stopping=rules)
    first, second = est.fit(X, y).history_, est.fit(X, y).history_
    assert len(first) == len(second) and [vars(rule) for rule in rules] == before
    np.testing.assert_array_equal(clone(est).fit(X, y).history_["objective"], first["objective"])


def test_rules_in_a_grid_search():
    X, y, _ = data()
    est = SGDRegressor(**FULL, stopping=stopping.GradientNorm())
    search = GridSearchCV(est, {"stopping__tol": [1e-3, 10.0], "stopping__patience": [1, 2]}, cv=3).fit(X, y)
    assert search.best_params_["stopping__tol"] == 1e-3 and est.stopping.tol == 1e-4
    assert search.best_estimator_.stop_reason_ == "gradient"
    by_name = GridSearchCV(SGDRegressor(**FULL), {"stopping": list(RULES)}, cv=3).fit(X, y)
    assert len(by_name.cv_results_["params"]) == 3


def test_a_score_that_is_not_defined_is_no_improvement():
    X, y, _ = data()
    est = SGDRegressor(validation_scoring=lambda est, X, y: np.nan, n_iter_no_change=4).fit(X, y, X_val=X, y_val=y)
    assert est.stop_reason_ == "validation" and est.n_iter_ == 4 and np.isnan(est.history_["validation_score"]).all()
    scores = iter([0.5, np.nan, 0.7, np.nan, np.nan, np.nan])
    seen = []
    est.set_params(
        validation_scoring=lambda est, X, y: next(scores),
        n_iter_no_change=3,
        callbacks=lambda at: seen.append(at.estimator.coef_),
    )
    est.fit(X, y, X_val=X, y_val=y)
    assert est.n_iter_ == 6 and np.array_equal(est.coef_, seen[2])


def test_a_rule_of_ones_own():
    class Enough(stopping.Stopping):
        name, needs = "enough", "loss"

    X, y, _ = data()
    est = SGDRegressor(stopping=Enough(tol=0.3, patience=1), random_state=0).fit(X, y)
    assert est.stop_reason_ == "enough" and est.history_["loss"][-1] <= 0.3 < est.history_["loss"][-2]


@pytest.mark.parametrize(
    "make, word",
    [
        (lambda: stopping.GradientNorm(tol=-1.0), r"GradientNorm: tol must be a number >= 0, got -1.0"),
        (lambda: stopping.GradientNorm(tol="1"), "tol must be a number"),
        (lambda: stopping.Objective(tol=np.nan), "tol must be a number"),
        (lambda: stopping.ParameterChange(relative=1), "ParameterChange: relative must be True or False, got 1"),
        (lambda: stopping.Objective(absolute="yes"), "Objective: absolute must be True or False, got 'yes'"),
        (lambda: stopping.ParameterChange(patience=0), "patience must be an integer >= 1"),
        (lambda: stopping.Validation(patience=1.5), "patience must be an integer"),
        (lambda: stopping.Validation().set_params(patient=3), "Validation has no parameter 'patient'"),
        (lambda: SGDRegressor(stopping="x").fit([[1.0]], [1.0]), "'stopping' parameter"),
        (lambda: SGDRegressor(stopping=["gradient", "x"]).fit([[1.0]], [1.0]), "stopping must be of .*found 'x'"),
        (lambda: SGDRegressor(stopping=[1]).fit([[1.0]], [1.0]), "stopping must be of .*found 1"),
        (
            lambda: SGDRegressor(stopping="validation").fit([[1.0]], [1.0]),
            "needs early_stopping=True, or X_val and y_val",
        ),
        (
            lambda: SGDClassifier(stopping=stopping.Validation()).fit([[1.0], [2.0]], [0, 1]),
            "needs early_stopping=True",
        ),
        (lambda: SGDOneClassSVM(stopping=["gradient", "validation"]).fit([[1.0]]), "needs early_stopping|validation"),
    ],
)
def test_what_is_no_rule(make, word):
    with pytest.raises(ValueError, match=word):
        make()


@pytest.mark.parametrize("rate", ["invscaling", "adaptive"])
@pytest.mark.parametrize("more", [{}, {"stopping": "gradient"}, {"stopping": "parameters"}, {"early_stopping": True}])
def test_a_tolerance_of_zero_runs_out_of_epochs_without_a_warning(more, rate):
    X = np.random.default_rng(0).standard_normal((100, 3))
    reg = SGDRegressor(tol=0, max_iter=4, learning_rate=rate, random_state=0, **more).fit(X, X @ [1.0, 2.0, 3.0])
    assert (reg.n_iter_, reg.stop_reason_) == (4, "max_iter")
