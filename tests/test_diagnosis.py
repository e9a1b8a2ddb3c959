"""`diagnose` says why a model does not learn, and its advice works."""

import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from support.diagnosis_runs import KINDS, Maker, fitted
from support.diagnosis_runs import runs as labelled_runs

from fastsgd import (
    LinearClassifier,
    LinearClassifierCV,
    LinearRegressor,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    SGDRegressorCV,
    diagnose,
)
from fastsgd.sources import from_batches

STEPS = dict(learning_rate="constant", random_state=0)


def rows(n=600, d=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X @ np.arange(1.0, d + 1) / d + 0.5 * rng.standard_normal(n)


def followed(est, finding, X, y):
    """The estimator trained with what the advice sets."""
    given = est.get_params()
    new = {name: finding.numbers[name] for name in ("eta0", "max_iter", "alpha") if name in finding.numbers}
    if "eta0" in new and given["learning_rate"] == "optimal":
        new["learning_rate"] = "invscaling"
    return fitted(type(est)(**given | new | {"tol": None}), X, y)


def test_of_generated_runs_main_verdicts_are_right():
    """A run of each kind; `python -m tests.support.diagnosis_runs` has three hundred."""
    found = [(run, diagnose(run.est, run.X, run.y, **run.more)) for _, run in labelled_runs(len(KINDS))]
    wrong = [(run.label, run.also, diagnosis.names) for run, diagnosis in found if not run.right(diagnosis)]
    assert len(wrong) <= 1, wrong


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "log_loss", "hinge"])
@pytest.mark.parametrize("fault", ["short", "early", "long", "noise"])
def test_a_model_refitted_with_the_advice_is_mended(fault, loss, layout):
    X, y = rows()
    X, classes = layout(X), loss in ("log_loss", "hinge")
    y = (y > 0).astype(int) if classes else y
    how = {
        "short": dict(eta0=1e-7, max_iter=60),
        "early": dict(eta0=1e-3, max_iter=1),
        "long": dict(eta0=50.0, max_iter=60),
        "noise": dict(eta0={"huber": 0.3, "log_loss": 0.5, "hinge": 0.2}.get(loss, 0.05), max_iter=60),
    }[fault]
    names = {
        "short": ["still_falling"],
        "early": ["still_falling"],
        "long": ["diverging", "oscillating"],
        "noise": ["noise_ball"],
    }
    cls = SGDClassifier if classes else SGDRegressor
    est = fitted(cls(loss, **STEPS, intercept_decay=1.0, tol=None, **how), X, y)
    found = diagnose(est, X, y)
    assert found.verdict in names[fault], str(found)
    numbers = found.findings[0].numbers
    better = followed(est, found.findings[0], X, y)
    before = numbers["objective"] - numbers["least"]
    after = better.objective(X, y) - numbers["least"]
    assert after < 0.5 * before or after < 0.02 * numbers["least"], str(found)


# ---------------------------------------------------------------- ends that mislead
@pytest.mark.parametrize("eta0", [3.0, 4.0])
def test_gradient_descent_that_explodes_is_diverging(eta0):
    X, y = rows()
    est = fitted(SGDRegressor(batch_size="full", eta0=eta0, **STEPS), X, y)
    found = diagnose(est, X, y)
    assert found.verdict == diagnose(est).verdict == "diverging"
    numbers = found["diverging"].numbers
    L = np.linalg.eigvalsh(est.hessian(X, y)).max()
    assert numbers["longest"] == pytest.approx(2 / L, rel=0.02) and numbers["eta0"] < 2 / L


def test_a_fit_that_stops_where_it_began_has_steps_too_short():
    X, y = rows()
    est = fitted(SGDRegressor(batch_size="full", eta0=1e-5, **STEPS), X, y)
    found = diagnose(est, X, y)
    assert est.stop_reason_ == "objective" and found.verdict == diagnose(est).verdict == "still_falling"
    assert found["still_falling"].numbers["reason"] == "steps too short"


def test_logistic_loss_above_that_of_zero_weights_is_diverging():
    X, y = rows()
    est = fitted(SGDClassifier("log_loss", eta0=1e3, max_iter=20, **STEPS), X, y > 0)
    assert est.objective(X, y > 0) > np.log(2) and diagnose(est, X, y > 0).verdict == "diverging"


def test_momentum_that_swings_is_too_long_and_not_converged():
    X, y = rows()
    est = fitted(SGDRegressor(optimizer="momentum", batch_size="full", eta0=0.7, n_iter_no_change=3, **STEPS), X, y)
    found = diagnose(est, X, y)
    assert est.stop_reason_ == "objective" and found.verdict == "oscillating"
    assert "momentum adds them up to 7:" in str(found) and found.findings[0].numbers["longest"] < 7


@pytest.mark.parametrize("kind", [dict(optimizer="adam", batch_size=10), dict(batch_size="full"), {}])
@pytest.mark.parametrize("loss", ["squared_error", "huber", "hinge"])
def test_the_eta0_that_is_named_where_steps_are_too_short_gets_most_of_the_way(loss, kind):
    X, y = rows()
    y = y > 0 if loss == "hinge" else y
    est = (SGDClassifier if loss == "hinge" else SGDRegressor)(loss, eta0=1e-6, max_iter=50, tol=None, **STEPS, **kind)
    found = diagnose(fitted(est, X, y), X, y)
    finding = found["still_falling"]
    better = followed(est, finding, X, y)
    assert found.verdict == "still_falling" and "max_iter" not in finding.numbers
    least = finding.numbers["least"]
    assert better.objective(X, y) - least < 0.25 * (est.objective(X, y) - least)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle", "exponential", "step"])
def test_schedules_that_count_in_passes_are_judged_by_their_usual_steps(schedule):
    X, y = rows()
    how = dict(learning_rate=schedule, tol=None, random_state=0)
    assert diagnose(fitted(SGDRegressor(eta0=0.01, max_iter=60, **how), X, y), X, y).verdict == "converged"
    long = diagnose(fitted(SGDRegressor(eta0=9.0, max_iter=20, batch_size="full", **how), X, y), X, y)
    assert long.verdict == "diverging"
    assert (
        followed(SGDRegressor(eta0=9.0, max_iter=20, batch_size="full", **how), long.findings[0], X, y).score(X, y)
        > 0.8
    )
    short = SGDRegressor(eta0=1e-6, max_iter=10, **how)
    found = diagnose(fitted(short, X, y), X, y)
    assert found.verdict == "still_falling"
    assert followed(short, found.findings[0], X, y).score(X, y) > 0.8


def test_steps_that_fall_too_fast_are_said_with_a_length_that_holds():
    X, y = rows()
    est = fitted(SGDRegressor(learning_rate="invscaling", power_t=0.9, eta0=0.1, max_iter=30, tol=None), X, y)
    found = diagnose(est, X, y)
    sets = {name: found.findings[0].numbers[name] for name in ("learning_rate", "eta0")}
    assert found.verdict == "still_falling" and "fall too fast" in found.findings[0].advice
    assert diagnose(fitted(type(est)(**est.get_params() | sets), X, y), X, y).verdict in ("converged", "noise_ball")


def test_a_model_that_a_noisy_step_has_thrown_up_is_of_a_noise_ball_and_not_stopped_too_early():
    X, y = rows(900, 30)
    y = 4 * y + 2 * np.random.default_rng(1).standard_normal(900)
    est = fitted(SGDRegressor(eta0=0.03, max_iter=40, tol=None, **STEPS), X, y)
    least = diagnose(est, X, y).findings[0].numbers["least"]
    est.coef_ += 5 * np.sqrt((est.objective(X, y) - least) / 30)
    assert diagnose(est, X, y).verdict in ("noise_ball", "oscillating")


def test_saturated_losses_are_flat():
    X, y = rows()
    est = fitted(SGDRegressor("tukey", eta0=0.1, **STEPS), X, y + 500)
    assert diagnose(est, X, y + 500).verdict == "flat"


def test_targets_that_all_lie_within_epsilon_are_flat():
    X, y = rows()
    est = fitted(SGDRegressor("epsilon_insensitive", epsilon=50.0, random_state=0), X, y)
    found = diagnose(est, X, y)
    assert found.verdict == "flat" and "epsilon" in found.findings[0].advice


def test_the_perceptron_whose_least_loss_is_that_of_zero_weights_is_judged_by_its_margins():
    X, y = rows()
    est = fitted(SGDClassifier("perceptron", random_state=0), X, X @ np.ones(6) > 0)
    assert diagnose(est, X, X @ np.ones(6) > 0).verdict == "converged"
    noisy = fitted(SGDClassifier("perceptron", max_iter=20, tol=None, **STEPS), X, y > 0)
    assert diagnose(noisy, X, y > 0).verdict in ("noise_ball", "oscillating")


# ---------------------------------------------------------------- columns and classes
def test_columns_are_named_as_in_the_frame():
    pd = pytest.importorskip("pandas")
    X, y = rows()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["one"], frame["twice"], frame["metres"] = (
        1.0,
        2 * frame["b"],
        1e4 * np.random.default_rng(1).standard_normal(len(X)),
    )
    frame["after"] = y + 0.01 * frame["c"]
    found = diagnose(LinearRegressor().fit(frame, y), frame, y)
    assert found.verdict == "leaking_columns" and found["leaking_columns"].numbers["columns"] == ["after"]
    assert found["constant_columns"].numbers["columns"] == ["one"] and "'one'" in str(found)
    assert found["duplicate_columns"].numbers["columns"] == [["b", "twice"]]
    assert found["badly_scaled"].numbers["largest"] == "metres"


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("penalty", ["l2", None])
@pytest.mark.parametrize("kind", ["auto", "standardized", "solver"])
@pytest.mark.parametrize("classes", [True, False])
def test_scales_are_not_the_verdict_where_training_does_not_depend_on_them(classes, kind, penalty, layout):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(126, 30, 2000), rng.random((2000, 3)) < 0.3])
    y = (X[:, 0] - 126) / 30 + X[:, 1] - X[:, 2] + rng.logistic(size=2000)
    y, X = (y > 0 if classes else y), layout(X)
    if kind == "solver":
        est = (LinearClassifier if classes else LinearRegressor)(penalty=penalty)
    else:
        how = dict(standardize=True, learning_rate="constant", eta0=1e-3, max_iter=200, tol=1e-6)
        how = dict(learning_rate="auto") if kind == "auto" else how
        loss = "log_loss" if classes else "squared_error"
        est = (SGDClassifier if classes else SGDRegressor)(loss, penalty=penalty, random_state=0, **how)
    found = diagnose(fitted(est, X, y), X, y)
    assert found.verdict == "converged"
    assert "learning_rate='auto'" not in str(found)
    assert ("badly_scaled" in found) == (penalty is not None and kind != "standardized")


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "hinge"])
@pytest.mark.parametrize("fault", ["size", "offset"])
def test_steps_that_suit_the_largest_column_alone_are_blamed_on_scales(fault, loss, layout):
    X, y = rows(800)
    X = X + 100.0 if fault == "offset" else X * [1e3, 1, 1, 1, 1, 1]
    if fault == "offset" and layout is not np.asarray:
        layout = np.float32  # on CSR offsets stay as they are
    y, X = (y if loss == "squared_error" else y > 0), layout(X)
    size = (X.multiply(X) if sp.issparse(X) else X * X).sum(axis=1).mean()
    kind = SGDRegressor if loss == "squared_error" else SGDClassifier
    est = fitted(kind(loss, eta0=0.2 / size, max_iter=20, tol=None, **STEPS), X, y)
    found = diagnose(est, X, y)
    assert found.verdict == "badly_scaled" and "standardize=True" in found.findings[0].advice
    sets = {name: found.findings[0].numbers[name] for name in ("eta0", "standardize")}
    better = fitted(type(est)(**est.get_params() | sets), X, y)
    far = est.objective(X, y), better.objective(X, y)
    least = diagnose(better, X, y).findings[0].numbers["least"]
    assert far[1] - least < 0.2 * (far[0] - least)


def test_steps_that_are_too_long_at_any_scale_are_not_blamed_on_it():
    X, y = rows()
    X = X * [300.0, 1, 1, 1, 1, 1]
    est = fitted(SGDRegressor(eta0=10.0, max_iter=20, tol=None, **STEPS), X, y)
    assert diagnose(est, X, y).names[:2] == ("diverging", "badly_scaled")


def test_columns_that_do_no_harm_come_after_what_training_came_to():
    X, y = rows()
    X = np.column_stack([X, np.ones(len(X)), 2 * X[:, 0]])
    found = diagnose(LinearRegressor().fit(X, y), X, y)
    assert found.names == ("converged", "constant_columns", "duplicate_columns")
    short = fitted(SGDRegressor(eta0=1e-6, max_iter=5, tol=None, **STEPS), X, y)
    assert diagnose(short, X, y).names == ("still_falling", "constant_columns", "duplicate_columns")


@pytest.mark.parametrize("loss", ["sigmoid", "tukey", "cauchy"])
def test_losses_that_are_not_convex_are_tried_with_products_of_columns_too(loss):
    X, y = rows()
    y = X[:, 0] * X[:, 1]
    kind = SGDClassifier if loss == "sigmoid" else SGDRegressor
    y = y > 0 if loss == "sigmoid" else y
    est = fitted(kind(loss, eta0=0.01, max_iter=30, **STEPS), X, y)
    assert diagnose(est, X, y).verdict == "underfitting"


def test_scales_are_named_rather_than_the_steps_that_fail_because_of_them():
    X, y = rows()
    X = X * np.logspace(0, 4, 6)
    est = fitted(SGDRegressor(random_state=0), X, y)
    found = diagnose(est, X, y)
    assert found.verdict == "badly_scaled" and "standardize=True" in found.findings[0].advice
    assert diagnose(fitted(SGDRegressor(random_state=0, standardize=True), X, y), X, y).verdict == "converged"


def test_columns_without_values_are_usual_on_csr():
    X, y = rows()
    X[:, 2] = 0
    assert diagnose(LinearRegressor().fit(sp.csr_matrix(X), y), sp.csr_matrix(X), y).verdict == "converged"
    assert "constant_columns" in diagnose(LinearRegressor().fit(X, y), X, y)


@pytest.mark.parametrize("leaks", [False, True])
def test_of_hashed_features_only_those_with_values_are_tried_as_leaks(leaks, monkeypatch):
    """Of a million columns a tenth would take minutes."""
    from fastsgd.diagnosis import columns

    tried, auc = [], columns._auc
    monkeypatch.setattr(columns, "_auc", lambda column, y: tried.append(1) or auc(column, y))
    X, y = rows()
    y = y > 0
    X = sp.csc_matrix(np.column_stack([X, y if leaks else y & (X[:, 0] > 0)]))
    X.resize(len(y), 100_000)
    X = X[:, np.random.default_rng(0).permutation(X.shape[1])].tocsr()
    est = fitted(SGDClassifier("log_loss", learning_rate="auto", random_state=0, max_iter=1, tol=None), X, y)
    found = diagnose(est, X, y)
    assert ("leaking_columns" in found) == leaks and 0 < len(tried) <= columns.LEAK_CANDIDATES


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_a_few_rows_far_off_make_no_leak(layout):
    """They have all of the variance of column and y; claims in one of twenty rows are no such thing."""
    X, y = rows()
    X[:3, 2] = y[:3] = 1e6, -2e6, 1e5
    assert "leaking_columns" not in diagnose(LinearRegressor().fit(layout(X), y), layout(X), y)
    X, y = rows()
    y[np.arange(600) % 20 > 0] = 0.0
    X[:, 2] = y + 0.01 * X[:, 0]
    assert "leaking_columns" in diagnose(LinearRegressor().fit(layout(X), y), layout(X), y)


def test_a_class_of_a_single_row_makes_no_leak():
    X, y = rows()
    X[7, 2] = 1e6
    for labels in (np.arange(600) == 7, np.where(np.arange(600) == 7, 2, y > 0)):
        assert "leaking_columns" not in diagnose(LinearClassifier().fit(X, labels), X, labels)


@pytest.mark.parametrize("place", [0, 300])
def test_clipping_outliers_mends_the_model(place):
    X, y = rows(5000)
    X[place, 5] = 1e6
    est = SGDRegressor(learning_rate="auto", max_iter=1, tol=None, random_state=0)
    before = fitted(est, X, y)
    found = diagnose(before, X, y)["outliers"]
    assert (
        found.numbers["columns"] == [5] and "1 of the 5,000 values of column 5, such as 1e+06, has 99%" in found.words
    )
    right = X[1000:], y[1000:]
    score = before.score(*right)
    X[:, 5] = np.clip(X[:, 5], *np.quantile(X[:, 5], [0.001, 0.999]))
    after = fitted(est, X, y)
    assert "outliers" not in diagnose(after, X, y) and score < 0.8 < 0.85 < after.score(*right)


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_rare_columns_have_no_outliers(layout):
    X, y = rows()
    X[:, 2:4] = 0.0
    X[:8, 2], X[:30, 3] = np.arange(1.0, 9.0), 1.0
    assert "outliers" not in diagnose(LinearRegressor().fit(layout(X), y), layout(X), y)


def test_a_single_column_that_gives_y_is_no_leak():
    x = np.linspace(-1, 1, 200)[:, None]
    y = 3 * x[:, 0] + 1
    assert diagnose(LinearRegressor(alpha=0.0).fit(x, y), x, y).verdict == "converged"


def test_rare_classes_are_said_with_the_balanced_accuracy():
    X, y = rows(3000)
    y = np.where(y + 3 * np.random.default_rng(1).standard_normal(3000) > 6, "ill", "well")
    found = diagnose(LinearClassifier().fit(X, y), X, y)
    numbers = found["rare_classes"].numbers
    assert found.verdict == "rare_classes" and numbers["share"] == (y == "ill").mean() and "'ill'" in str(found)
    assert numbers["accuracy"] > 0.95 and numbers["balanced_accuracy"] < 0.6


def test_separable_classes_without_a_penalty_have_no_best_model():
    X = rows()[0]
    y = X[:, 0] + X[:, 1] > 0
    found = diagnose(fitted(LinearClassifier(penalty=None), X, y), X, y)
    assert found.verdict == "separable"


def test_rows_held_out_tell_overfitting():
    X, y = rows(160, 60)
    y += 8 * np.random.default_rng(1).standard_normal(160)
    reg = LinearRegressor(alpha=1e-6).fit(X[:70], y[:70])
    assert diagnose(reg, X[:70], y[:70], X_val=X[70:], y_val=y[70:]).verdict == "overfitting"
    assert diagnose(reg, X[:70], y[:70]).verdict == "overfitting", "by folds"
    X, y = rows()
    found = diagnose(LinearRegressor().fit(X[:400], y[:400]), X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    assert found.verdict == "converged" and not found.not_seen


def test_effects_that_turn_round_midway_come_before_that_one_model_of_all_rows_explains_nothing():
    X, _ = rows(8000)
    y = (X @ np.arange(1.0, 7.0) * np.where(np.arange(8000) < 4000, 1, -1) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = SGDClassifier("log_loss", learning_rate="auto", max_iter=1, tol=None, random_state=0).fit(X, y)
    names = diagnose(est, X, y).names
    assert names.index("changing") < names.index("underfitting")
    assert "half_life" in diagnose(est, X, y).findings[names.index("changing")].advice
    found = diagnose(est.set_params(half_life=500, shuffle=False).fit(X, y), X, y)
    assert found.names == ("changing", "underfitting", "converged")
    assert "of the latest rows" in found.findings[found.names.index("converged")].words


def test_underfitting_names_the_penalty_or_the_missing_bends():
    X, y = rows()
    strong = diagnose(LinearRegressor(alpha=30.0).fit(X, y), X, y)
    assert strong.verdict == "underfitting" and strong.findings[0].numbers["alpha"] == pytest.approx(0.3)
    product = X[:, 0] * X[:, 1]
    bent = diagnose(LinearRegressor().fit(X, product), X, product)
    assert bent.verdict == "underfitting" and "PolynomialFeatures" in bent.findings[0].advice


# ---------------------------------------------------------------- what `fit` says by itself
def told(est, *args, **how):
    """The warnings of a fit, in words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.fit(*args, **how)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("classes", ["two", "three", "together"])
def test_classes_that_a_solver_separates_without_a_penalty_are_said(classes, layout):
    X = rows()[0]
    y = np.digitize(X[:, 0], [0.0] if classes == "two" else [-0.5, 0.5])
    est = LinearClassifier(penalty=None, multi_class="multinomial" if classes == "together" else "ovr", random_state=0)
    (words,) = told(est, layout(X), y)
    assert "classes can be separated" in words and "penalty='l2'" in words
    weight = np.random.default_rng(1).uniform(0.1, 3.0, len(y))
    assert len(told(est.set_params(class_weight="balanced"), layout(X), y, sample_weight=weight)) == 1
    assert told(est.set_params(class_weight=None, penalty="l2", alpha=1e-4), layout(X), y) == []
    overlapping = np.where(np.random.default_rng(0).random(len(y)) < 0.2, 1, y)
    assert told(est.set_params(penalty=None), layout(X), overlapping) == []


def test_alphas_that_follow_from_columns_in_large_units_ask_for_a_scaler():
    X, y = rows()
    X[:, 2] *= 1e5
    search = SGDClassifierCV("log_loss", alphas=4, cv=2, max_iter=30, random_state=0, tol=None)
    words = " ".join(told(search, X, y > 0))
    assert "Set standardize=True or scale X, as alphas follow from its largest columns" in words
    assert "Step sizes" not in " ".join(told(search.set_params(standardize=True), X, y > 0))
    given = " ".join(told(search.set_params(standardize=False, alphas=[1e7, 1e6]), X, y > 0))
    assert "Lower alphas" in given


@pytest.mark.parametrize("how", [{}, {"learning_rate": "constant", "eta0": 5.0}, {"standardize": True}])
def test_segments_whose_last_steps_are_too_long_are_said_and_the_advice_works(how):
    X, y = rows(3000)
    shop = np.random.default_rng(1).integers(0, 15, 3000)
    est = SGDClassifier(random_state=0, **how)
    (words,) = [w for w in told(est, X, y > 0, segments=shop) if "last steps of" in w]
    name = "eta0" if how.get("eta0") else "alpha"
    est.set_params(**{name: float(re.search(rf"{name} \(it is [^)]*\) to about ([-+.e0-9]*[0-9])", words)[1])})
    for better in (est, SGDClassifier("log_loss", learning_rate="auto", random_state=0)):
        assert not any("last steps of" in w for w in told(better, X, y > 0, segments=shop))


@pytest.mark.parametrize("given", [{"max_iter": 2, "tol": None}, {"tol": 0.5}], ids=str)
def test_auto_that_stopped_early_is_sent_on_to_the_end(given):
    rng = np.random.default_rng(0)
    X = sp.random(500, 2000, 0.01, format="csr", rng=rng)
    y = (X @ rng.standard_normal(2000) > 0).astype(int)
    est = fitted(SGDClassifier("log_loss", learning_rate="auto", alpha=1e-5, random_state=0, **given), X, y)
    finding = diagnose(est, X, y)["still_falling"]
    advised = {name: value for name, value in finding.numbers.items() if name in ("max_iter", "tol")}
    assert all(f"{name}={value:g}" in finding.advice.replace("1e-3", "0.001") for name, value in advised.items())
    better = fitted(est.set_params(**advised), X, y)
    assert better.objective(X, y) < 1.01 * finding.numbers["least"] < 0.95 * finding.numbers["objective"]


# ---------------------------------------------------------------- estimators
def test_every_estimator_is_taken_with_rows_and_without():
    X, y = rows(300)
    classes, three = y > 0, np.digitize(y, [-0.5, 0.5])
    every = [
        (SGDClassifier("log_loss", random_state=0, learning_rate="auto"), three),
        (
            SGDClassifier("log_loss", multi_class="multinomial", random_state=0, eta0=0.01, learning_rate="invscaling"),
            three,
        ),
        (SGDRegressor(random_state=0), y),
        (SGDRegressor(random_state=0), np.column_stack([y, -y])),
        (SGDOneClassSVM(random_state=0), None),
        (LinearClassifier(), three),
        (LinearClassifier(multi_class="multinomial"), three),
        (LinearRegressor("poisson"), abs(y)),
        (SGDClassifierCV("log_loss", alphas=3, cv=2, random_state=0), classes),
        (SGDRegressorCV(alphas=3, cv=2, random_state=0), y),
        (LinearClassifierCV(alphas=3, cv=2), classes),
    ]
    for est, target in every:
        fitted(est, X, target)
        for found in (diagnose(est, X, target), diagnose(est)):
            assert found.verdict in found.names and found.findings[0].words in str(found), est
            assert found._repr_html_().startswith("<div>") and type(est).__name__ in str(found)


def test_after_partial_fit_and_by_sample_weight():
    X, y = rows()
    est = SGDRegressor(eta0=0.002, **STEPS).partial_fit(X, y)
    for _ in range(60):
        est.partial_fit(X, y)
    assert diagnose(est, X, y).verdict == "converged"
    weight = np.where(np.arange(600) < 300, 1.0, 0.0)
    y[300:] = 1e3
    half = fitted(SGDRegressor(eta0=0.002, max_iter=100, tol=None, **STEPS), X, y, sample_weight=weight)
    assert diagnose(half, X, y, sample_weight=weight).verdict == "converged"
    assert diagnose(half, X, y).verdict != "converged"


def test_a_source_is_judged_by_its_first_rows():
    X, y = rows()

    def make():
        for lo in range(0, 600, 100):
            yield X[lo : lo + 100], y[lo : lo + 100]

    source = from_batches(make, n_features=6)
    est = fitted(SGDRegressor(eta0=1e-6, max_iter=5, shuffle=False, **STEPS), source, None)
    assert diagnose(est, source).verdict == "still_falling"


def test_many_rows_are_judged_by_some_of_them(monkeypatch):
    from fastsgd.diagnosis import case

    monkeypatch.setattr(case, "SAMPLE_VALUES", 600)
    monkeypatch.setattr(case, "MAX_SAMPLE_VALUES", 900)
    X, y = rows()
    found = diagnose(LinearRegressor().fit(X, y), X, y)
    assert "judged by 120 of 600 rows" in str(found) and found.verdict == "converged"


def test_the_estimator_and_the_rows_are_left_as_they_are():
    X, y = rows()
    est = fitted(SGDRegressor(random_state=0, max_iter=3), X, y)
    before = est.coef_.copy(), X.copy(), y.copy(), est.get_params(), est.t_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        diagnose(est, X, y)
    assert (est.coef_ == before[0]).all() and (before[1] == X).all() and (before[2] == y).all()
    assert est.get_params() == before[3] and est.t_ == before[4]


def test_without_rows_the_history_speaks_and_says_what_it_can_not_see():
    X, y = rows()
    for how, verdict in (
        (dict(eta0=1e-6, max_iter=30), "still_falling"),
        (dict(eta0=0.01, max_iter=100), "converged"),
        (dict(max_iter=1), "still_falling"),
        (dict(eta0=10.0), "diverging"),
    ):
        found = diagnose(fitted(SGDRegressor(**STEPS, **how), X, y))
        assert found.verdict == verdict and "not given" in found.not_seen, how


def test_a_record_says_where_it_began():
    X, y = rows()
    est = fitted(SGDRegressor(eta0=1e-3, max_iter=1, tol=None, **STEPS), X, y, record="objective", record_every=60)
    found = diagnose(est)
    assert found.verdict == "still_falling" and found.findings[0].numbers["first"] == pytest.approx((y**2).mean() / 2)


def test_a_loss_above_that_of_zero_weights_needs_no_rows():
    X, y = rows()
    est = fitted(SGDClassifier("log_loss", eta0=300.0, max_iter=20, tol=None, **STEPS), X, y > 0)
    assert diagnose(est).verdict == "diverging" and "that of zero weights 0.693147" in str(diagnose(est))


def test_what_can_not_be_diagnosed_is_refused():
    X, y = rows()
    with pytest.raises(ValueError, match="found Maker"):
        diagnose(Maker(0, True), X, y)
    with pytest.raises(ValueError, match="need X"):
        diagnose(LinearRegressor().fit(X, y), y=y)


@pytest.mark.parametrize("sparse", [False, True])
def test_scales_are_no_main_verdict_on_a_training_that_comes_as_far_at_any_scale(sparse):
    X, y = rows()
    X = X * np.logspace(0, 4, 6)
    X = sp.csr_array(X) if sparse else X
    for est in (
        SGDRegressor(learning_rate="auto", random_state=0),
        LinearRegressor(alpha=1e-4),
        LinearRegressor(alpha=0),
    ):
        found = diagnose(est.fit(X, y), X, y)
        assert found.verdict == "converged"
        assert ("badly_scaled" in found) == bool(est.alpha)
        if est.alpha:
            advice = found["badly_scaled"].advice
            assert "penalty" in advice and "auto" not in advice
            assert ("standardize=True" in advice) == isinstance(est, SGDRegressor)
    stopped = SGDRegressor(learning_rate="auto", max_iter=0, random_state=0).fit(X, y)
    found = diagnose(stopped, X, y)
    assert found.verdict == "still_falling" and "after 0 epochs" in str(found)


@pytest.mark.parametrize("size", [1e-200, 1.0, 1e150])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_any_sizes_and_few_rows_are_judged_without_warnings(size, n):
    X, y = rows()
    X, y = X[:n] * size, y[:n]
    found = diagnose(SGDRegressor(max_iter=0).fit(X, y), X, y)
    assert found.findings and "nan" not in str(found)
    assert n > 1 or "constant_columns" in found


@pytest.mark.parametrize("passes", [{"max_iter": 1, "tol": None}, {"max_iter": "auto"}])
def test_a_row_far_from_the_others_comes_first_where_auto_learns_nothing_of_these(passes):
    X, y = rows(3000)
    X[1000] = 1e9
    found = diagnose(fitted(SGDRegressor(learning_rate="auto", random_state=0, **passes), X, y), X, y)
    assert found.verdict == "outliers" and "duplicate_columns" not in found
    training = found["converged" if passes["max_iter"] == "auto" else "still_falling"]
    assert f"the least one {training.numbers['least']:.6g}" in training.words
