"""How a fit ended is said: steps that are too long or too short, with an eta0 that works; and nothing of one that went well."""

import ast
import re
import warnings

import numpy as np
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support.data import LAYOUTS, labels, rows

from fastsgd import LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, verdict
from fastsgd.estimators import told as told_in_words
from fastsgd.sources import from_batches
from fastsgd.stopping import ParameterChange

FULL = dict(batch_size="full", learning_rate="constant", random_state=0)


def told(est, X, y=None, **how):
    """The warnings of a fit, in words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        est.fit(X, y, **how)
    assert [str(w.message) for w in caught if w.category is not ConvergenceWarning] == []
    assert all(w.category is ConvergenceWarning and w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


def followed(est, words):
    """The estimator with the eta0 that the warning names."""
    new = clone(est)
    if "Take learning_rate='invscaling'" in words:
        new.set_params(learning_rate="invscaling")
    return new.set_params(eta0=float(re.search(r"(?:to|about|eta0=) ?([0-9][-+.e0-9]*[0-9]|[0-9])", words)[1]))


def objective_of_zeros(X, y):
    return losses.SquaredError().value(0.0, y).mean()


# ---------------------------------------------------------------- too long
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_advice_of_a_sample_of_standardised_rows_works(layout, monkeypatch):
    X, y, _ = rows()
    X, steps = LAYOUTS[layout](X), {"eta0": 2.0, "learning_rate": "constant", "batch_size": 4}
    est = SGDRegressor(standardize=True, random_state=0, **steps)
    monkeypatch.setattr(verdict, "TRIAL_VALUES", 200)  # As if there were that many more.
    (words,) = told(est, X, y)
    assert est.stop_reason_ == "diverged" and told(followed(est, words), X, y) == []


@pytest.mark.parametrize("tol", [1e-3, None])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("eta0", [3.0, 6.0])
def test_gradient_descent_that_explodes_says_so_and_its_advice_works(eta0, layout, tol):
    X, y, _ = rows()
    X = LAYOUTS[layout](X)
    est = SGDRegressor(eta0=eta0, tol=tol, max_iter=1000 if tol else 8, **FULL)
    (words,) = told(est, X, y)
    assert est.stop_reason_ == "diverged" and words.startswith("The fit diverged: its ")
    assert f"the {objective_of_zeros(X, y):.6g} of zero weights" in words or eta0 == 6.0
    assert all(way in words for way in ("learning_rate='auto'", "LinearRegressor", f"it is {eta0:g}"))
    again = followed(est, words)
    assert told(again, X, y) == [] and again.score(X, y) > (0.9 if tol else 0.5)


@pytest.mark.parametrize("size", [10, "full"])
@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "rmsprop"])
def test_the_advice_works_with_each_optimizer(name, size):
    X, y, _ = rows()
    est = SGDRegressor(optimizer=name, batch_size=size, learning_rate="constant", random_state=0)
    est.set_params(eta0=1e5 if name == "rmsprop" else 4.0)
    words = told(est, X, y)
    assert est.stop_reason_ == "diverged" or (name, size) == ("rmsprop", "full")
    again = followed(est, words[0]) if words else est
    assert told(again, X, y) == [] and again.score(X, y) > 0.5


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_hinge", "modified_huber", "squared_error"])
@pytest.mark.parametrize("classes", [2, 3])
def test_the_advice_works_for_classes_row_by_row(classes, loss):
    """Columns of size 1000, so that steps are too long."""
    X, y, _ = rows()
    X, y = 1000 * X, labels(y, classes)
    est = SGDClassifier(loss=loss, learning_rate="constant", eta0=1.0, random_state=0, average=classes == 3)
    (words,) = told(est, X, y)
    assert est.stop_reason_ == "diverged" and ("LinearClassifier" in words) == (loss != "squared_error")
    again = followed(est, words)
    assert "diverged" not in " ".join(told(again, X, y)) and again.score(X, y) > 0.5


def test_a_source_that_is_read_anew_is_judged_likewise():
    X, y, _ = rows(4000)

    def make():
        for lo in range(0, 4000, 100):
            yield X[lo : lo + 100], y[lo : lo + 100]

    source = from_batches(make, n_features=6)
    source.max_memory = 1 << 16
    est = SGDRegressor(eta0=3.0, shuffle=False, **FULL)
    (words,) = told(est, source)
    assert est.stop_reason_ == "diverged" and told(followed(est, words), source) == []


@pytest.mark.parametrize(
    "loss", ["squared_error", "huber", "epsilon_insensitive", "perceptron", "squared_hinge", "sigmoid"]
)
@pytest.mark.parametrize("params", [{}, {"average": True}, {"gradient_noise": 0.1}, {"intercept_decay": 0.5}])
def test_ways_without_a_step_size_take_the_loss_and_the_parameters_named(loss, params):
    X, y, _ = rows()
    est = SGDClassifier(loss, eta0=1e6, learning_rate="constant", random_state=0, max_iter=5, **params)
    ways = told_in_words.remedy(est, "scale X")
    assert ("LinearClassifier" in ways) == (loss == "squared_hinge")
    named = dict(re.findall(r"(\w+)=('\w+'|\w+)", ways.partition("'auto' (with")[2].partition(")")[0]))
    assert set(params) <= set(named)
    est.set_params(learning_rate="auto", **{name: ast.literal_eval(value) for name, value in named.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of few rows the model may be a constant
        est.set_params(tol=None, max_iter=1).fit(X, y > 0)


@pytest.mark.parametrize("penalty", ["l1", "l2", None])
@pytest.mark.parametrize("together", ["multinomial", "crammer_singer"])
def test_classes_together_are_sent_to_no_way_that_does_not_take_them(together, penalty):
    X, y, _ = rows()
    loss = "hinge" if together == "crammer_singer" else "log_loss"
    est = SGDClassifier(loss, penalty=penalty, multi_class=together, eta0=1e3, **FULL)
    words = " ".join(told(est, 100 * X, labels(y, 3)))
    assert est.stop_reason_ == "diverged" and "auto" not in words
    assert ("LinearClassifier" in words) == (together == "multinomial" and penalty != "l1")


def test_the_one_class_machine_names_no_way_that_it_does_not_have():
    X, _, _ = rows()
    est = SGDOneClassSVM(learning_rate="constant", eta0=1.0, random_state=0, batch_size="full", max_iter=30)
    (words,) = told(est, 1000 * X)
    assert est.stop_reason_ == "diverged" and "auto" not in words and "Linear" not in words
    assert "diverged" not in " ".join(told(followed(est, words), 1000 * X))


def test_momentum_that_was_better_before_returns_what_was_best():
    X, y, _ = rows()
    est = SGDRegressor(optimizer="momentum", eta0=0.7, n_iter_no_change=3, **FULL)
    told(est, X, y)
    values = est.history_["objective"]
    assert values[-1] > 2 * values.min()
    r = X @ est.coef_ + est.intercept_ - y
    assert (r**2).mean() / 2 + 0.5e-4 * est.coef_ @ est.coef_ == pytest.approx(values.min(), rel=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_steps_that_turn_the_weights_around_are_said_where_single_rows_clamp_them(layout):
    X, y, _ = rows()
    X = LAYOUTS[layout](X)
    est = SGDRegressor(alpha=30.0, eta0=0.1, learning_rate="constant", random_state=0, max_iter=10)
    words = [w for w in told(est, X, y) if "single" in w or "Step sizes" in w]
    assert len(words) == 1 and "alpha=30 that is 3" in words[0] and "eta0 (it is 0.1) below 0.0333" in words[0]
    assert not any("Step sizes" in w for w in told(clone(est).set_params(eta0=0.03), X, y))
    assert not any("Step sizes" in w for w in told(clone(est).set_params(batch_size=2), X, y)), "batches have no clamp"


# ---------------------------------------------------------------- too short
@pytest.mark.parametrize("size", [1, 10, "full"])
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_a_fit_that_stops_where_it_began_says_so_and_its_advice_works(name, size):
    X, y, _ = rows()
    est = SGDRegressor(optimizer=name, batch_size=size, learning_rate="constant", eta0=1e-8, random_state=0)
    (words,) = told(est, X, y)
    assert est.stop_reason_ == "objective" and "still fell at the pace of the first epoch" in words
    again = followed(est, words).set_params(max_iter=5000)
    assert told(again, X, y) == [] and again.score(X, y) > 0.5


def test_classes_and_the_default_schedule_too():
    X, y, _ = rows()
    est = SGDClassifier(loss="log_loss", eta0=1e-7, learning_rate="constant", random_state=0)
    (words,) = told(est, X, labels(y, 3))
    again = followed(est, words)
    assert told(again, X, labels(y, 3)) == [] and again.score(X, labels(y, 3)) > 0.7


@pytest.mark.parametrize("size", [1, 32, "full"])
@pytest.mark.parametrize(
    "how", [{"early_stopping": True}, {"stopping": ParameterChange(0.05)}, {"early_stopping": "given"}]
)
def test_a_rule_that_does_not_look_at_the_objective_says_so_too(size, how):
    """The score or the weights stand still, relatively, while the loss has hardly begun to fall."""
    X, y, _ = rows()
    given = {"X_val": X, "y_val": y} if how.get("early_stopping") == "given" else {}
    est = SGDRegressor(batch_size=size, learning_rate="constant", eta0=1e-8, random_state=0)
    est.set_params(**({} if given else how))
    (words,) = told(est, X, y, **given)
    assert est.stop_reason_ in ("validation", "parameters") and np.isnan(est.history_["objective"]).all()
    assert "stopped while its loss still fell at the pace of the first epoch" in words and est.stop_reason_ in words
    assert ("n_iter_no_change" in words) == (est.stop_reason_ == "validation")
    again = followed(est, words).set_params(max_iter=5000, stopping=None)
    assert told(again, X, y, **given) == [] and again.score(X, y) > 0.8


@pytest.mark.parametrize("scoring", [None, "loss"])
@pytest.mark.parametrize(
    "name", ["breast_cancer", "digits", "wine", "iris", "diabetes", "noise", "classes", "imbalanced"]
)
def test_ordinary_fits_by_a_validation_score_or_the_weights_say_nothing_of_it(name, scoring):
    makers = {"noise": {"flip_y": 1.0}, "classes": {"class_sep": 0.3}, "imbalanced": {"weights": [0.95]}}
    if name in makers:
        X, y = datasets.make_classification(800, 12, random_state=0, **makers[name])
    else:
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    kind = SGDRegressor if name == "diabetes" else SGDClassifier
    for how in ({"early_stopping": True, "validation_scoring": scoring}, {"stopping": "parameters"}):
        for est in (kind(**how), kind(average=True, **how), kind(optimizer="adam", **how)):
            words = " ".join(told(est.set_params(random_state=0, max_iter=60), X / abs(X).max(axis=0).clip(1e-9), y))
            assert "still fell" not in words and "far from y" not in words


# ---------------------------------------------------------------- far from y
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "loss, params",
    [
        ("huber", {}),
        ("epsilon_insensitive", {}),
        ("quantile", {"batch_size": 50}),
        ("squared_error", {"optimizer": "adam"}),
        ("tukey", {}),
        ("cauchy", {"early_stopping": True}),
    ],
)
def test_a_fit_that_never_gets_to_where_y_is_says_so_and_its_advice_works(loss, params, layout):
    X, z, _ = rows()
    y, A = z / z.std() + 2e4, LAYOUTS[layout](X)
    est = SGDRegressor(loss, random_state=0, max_iter=60, **params)
    (words,) = told(est, A, y)
    assert "far from y: its mean, 20000" in words and "Subtract the mean from y" in words and est.score(A, y) < 0
    centred = clone(est)
    assert not any("far from y" in said for said in told(centred, A, y - y.mean()))
    assert centred.score(A, y - y.mean()) > 0.5
    assert ("learning_rate='auto'" in words) == (loss not in ("tukey", "cauchy"))


@pytest.mark.parametrize("loss", ["huber", "epsilon_insensitive", "quantile", "squared_error"])
def test_the_ways_without_a_step_size_get_to_where_y_is(loss):
    X, z, _ = rows()
    y = z / z.std() + 2e4
    for est in (SGDRegressor(loss, learning_rate="auto", max_iter=1, tol=None, random_state=0), LinearRegressor(loss)):
        assert told(est, X, y) == [] and est.score(X, y) > 0.5


def test_an_eta0_that_gets_there_is_named_and_targets_that_are_not_far_are_not():
    X, z, _ = rows()
    z = z / z.std()
    est = SGDRegressor(learning_rate="constant", eta0=1e-6, random_state=0, max_iter=5)
    (words,) = told(est, X, z + 100)
    assert "raise eta0 (it is 1e-06) to about" in words
    again = followed(est, words).set_params(max_iter=1000)
    assert told(again, X, z + 100) == [] and again.score(X, z + 100) > 0.8
    both = SGDRegressor("huber", random_state=0, max_iter=60)
    assert "far from y: its mean, -" in told(both, X, np.column_stack([z, z - 2e4]))[0]
    (words,) = told(SGDRegressor(random_state=0), X, 1e-3 * z + 1)  # which tol makes end 15 standard deviations off
    assert "The fit stopped, far from y: its mean, 1" in words
    for y in (z, z + 1, z + 100, z + 4):
        assert not any("far from y" in said for said in told(SGDRegressor(random_state=0), X, y))


# ---------------------------------------------------------------- neither
def test_labels_without_a_pattern_are_no_divergence():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 10)), rng.integers(0, 2, 2000)
    for loss in ("hinge", "log_loss"):
        assert told(SGDClassifier(loss=loss, alpha=0.01, random_state=0), X, y) == []


def test_a_fit_that_goes_on_from_the_optimum_is_no_divergence():
    X, y, _ = rows()
    for size in (1, "full"):
        est = SGDRegressor(warm_start=True, batch_size=size, learning_rate="constant", eta0=0.05, random_state=0)
        for _ in range(3):
            assert told(est, X, y) == []
        assert est.stop_reason_ == "objective"


def test_a_fit_that_goes_on_from_a_good_model_and_explodes_is_one():
    X, y, _ = rows()
    good = SGDRegressor(eta0=0.1, **FULL).fit(X, y)
    est = SGDRegressor(eta0=4.0, max_iter=30, n_iter_no_change=4, tol=1e-6, **FULL)
    words = told(est, X, y, coef_init=1.01 * good.coef_, intercept_init=good.intercept_)
    assert est.stop_reason_ == "diverged" and "of the start" in words[0]
