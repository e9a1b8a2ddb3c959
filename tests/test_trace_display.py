"""TraceDisplay draws what record_ and history_ hold, of estimators of every kind."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.drawn import (
    IRIS,
    TWO,
    closed,  # noqa: F401 (a fixture)
    sgd,
)

from fastsgd import LinearClassifier, LinearClassifierCV, SGDClassifier, SGDClassifierCV, minimize
from fastsgd.inspection import TraceDisplay


@pytest.fixture(scope="module")
def model():
    return sgd().fit(*TWO, record=["objective", "gradient_norm"], record_every=50)


@pytest.fixture(scope="module")
def stopped_early():
    return sgd(early_stopping=True).fit(*TWO)


@pytest.mark.parametrize(("x", "column"), [("epochs", "epoch"), ("steps", "steps"), ("seconds", "seconds")])
def test_a_trace_is_the_record(model, x, column):
    display = TraceDisplay.from_estimator(model, x=x, y="gradient_norm", log_y=True)
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_data(), [model.record_[column], model.record_["gradient_norm"]])
    assert (display.ax_.get_xlabel(), display.ax_.get_yscale()) == (x, "log")
    (again,) = TraceDisplay.from_history(model.record_, x=x, y="gradient_norm").lines_
    np.testing.assert_array_equal(again.get_data(), line.get_data())


def test_a_trace_without_a_record_is_the_history():
    est = sgd(tol=1e-3, max_iter=100).fit(*TWO)
    for given in (est, make_pipeline(StandardScaler(), sgd(tol=1e-3, max_iter=100)).fit(*TWO)):
        history = getattr(given, "history_", None) if given is est else given[-1].history_
        (line,) = TraceDisplay.from_estimator(given).lines_
        np.testing.assert_array_equal(line.get_data(), [history["epoch"], history["objective"]])
    (line,) = TraceDisplay.from_history(est.history_, y="eta", x="seconds").lines_
    np.testing.assert_array_equal(line.get_data(), [est.history_["seconds"], est.history_["eta"]])


def test_training_and_validation_are_in_one_panel_with_an_axis_each(stopped_early):
    display = TraceDisplay.from_estimator(stopped_early)
    history = stopped_early.history_
    (line,), (score,) = display.lines_, display.validation_lines_
    np.testing.assert_array_equal(line.get_data(), [history["epoch"], history["loss"]])  # No objective was worked out.
    np.testing.assert_array_equal(score.get_data(), [history["epoch"], history["validation_score"]])
    assert display.ax_.get_ylabel() == "mean loss before each step"
    assert display.validation_ax_.get_ylabel() == "validation score"
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == [
        "mean loss before each step",
        "validation score",
    ]
    assert line.get_color() != score.get_color()
    again = TraceDisplay.from_estimator(stopped_early, ax=display.ax_)
    assert again.validation_ax_ is display.validation_ax_
    assert not TraceDisplay.from_estimator(stopped_early, validation=False).validation_lines_


def test_validation_scores_stand_at_the_steps_of_their_epochs():
    est = sgd(early_stopping=True).fit(*TWO, record="objective", record_every=27)
    display = TraceDisplay.from_estimator(est, x="steps")
    steps = display.validation_lines_[0].get_xdata()
    np.testing.assert_allclose(steps, est.history_["epoch"] * (est.t_ - 1) / est.n_iter_, rtol=1e-9)


def test_several_runs_have_names_and_colours(model, stopped_early):
    display = TraceDisplay.from_estimator({"a": stopped_early, "b": model.history_}, y="loss")
    assert [line.get_label() for line in display.lines_] == ["a", "b"]
    assert len({line.get_color() for line in display.lines_}) == 2
    assert display.validation_lines_[0].get_color() == display.lines_[0].get_color()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["a", "b", "validation score (right)"]


def test_what_minimize_gives_has_a_trace():
    found = minimize(lambda w: (w**2).sum(), np.ones(2), steps=20)
    for given in (found, {"adam": found}):
        (line,) = TraceDisplay.from_history(given, x="steps", log_y=True).lines_
        np.testing.assert_array_equal(line.get_data(), [np.arange(21), found.objective])
    with pytest.raises(ValueError, match=r"y='objective' is not there by epochs in history: .* Take x='steps'"):
        TraceDisplay.from_history(found)


def test_each_class_of_linear_classifier_has_a_line():
    est = LinearClassifier().fit(*IRIS)
    display = TraceDisplay.from_estimator({"a": est}, y="gap", log_y=True)
    assert [line.get_label() for line in display.lines_] == ["a, class 0", "a, class 1", "a, class 2"]
    rows = est.history_[est.history_["head"] == 1]
    np.testing.assert_array_equal(display.lines_[1].get_data(), [rows["epoch"], rows["gap"]])
    assert len(TraceDisplay.from_history(est.history_).lines_) == 3


@pytest.mark.parametrize("kind", ["SGDClassifierCV", "LinearClassifierCV", "GridSearchCV"])
def test_a_search_has_the_trace_of_its_model(kind):
    est = {
        "SGDClassifierCV": SGDClassifierCV("log_loss", alphas=3, random_state=0),
        "LinearClassifierCV": LinearClassifierCV(alphas=3),
        "GridSearchCV": GridSearchCV(sgd(tol=1e-3, max_iter=100), {"alpha": [1e-3, 1e-2]}, cv=2),
    }[kind].fit(*TWO)
    history = getattr(est, "best_estimator_", est).history_
    (line,) = TraceDisplay.from_estimator(est).lines_
    np.testing.assert_array_equal(line.get_ydata(), history["objective"])


def test_what_is_taken_off_a_trace(model):
    best = model.record_["objective"].min()
    for minus in (best, "best", {"a": best}):
        display = TraceDisplay.from_estimator({"a": model}, minus=minus, log_y=True)
        np.testing.assert_array_equal(display.lines_[0].get_ydata(), model.record_["objective"] - best)
        assert display.figure_.canvas.draw() is None  # The point at 0 leaves a gap.
    assert display.ax_.get_ylabel() == "objective above the best"


def test_values_that_are_not_finite_or_too_large_leave_gaps(model):
    history = model.history_.copy()
    history["loss"] = [1e308, np.inf, np.nan, -1.0, 0.0, 1.0, 2.0, 1e300]
    for log_y in (False, True):
        display = TraceDisplay.from_history(history, y="loss", log_y=log_y)
        display.figure_.canvas.draw()
        assert np.isfinite(display.lines_[0].get_ydata()).sum() == 4


def test_one_epoch_is_a_point():
    display = TraceDisplay.from_estimator(sgd(max_iter=1).fit(*TWO), y="loss")
    display.figure_.canvas.draw()
    assert display.lines_[0].get_marker() == "o"
    low, high = display.ax_.get_xlim()
    assert [tick for tick in display.ax_.get_xticks() if low <= tick <= high] == [1.0]


def test_keywords_of_a_trace_override_single_defaults(model, stopped_early):
    usual = TraceDisplay.from_estimator(model).lines_[0]
    line = TraceDisplay.from_estimator(model, name="mine", line_kw={"lw": 3, "ls": ":"}).lines_[0]
    assert (line.get_linewidth(), line.get_linestyle(), line.get_label()) == (3, ":", "mine")
    assert line.get_color() == usual.get_color()
    each = TraceDisplay.from_estimator({"a": model, "b": model}, line_kw=[{"c": "red"}, {"c": "blue"}]).lines_
    assert [line.get_color() for line in each] == ["red", "blue"]
    score = TraceDisplay.from_estimator(stopped_early, validation_kw={"lw": 4}).validation_lines_[0]
    assert score.get_linewidth() == 4


def test_rows_of_a_stream_are_drawn_by_their_loss_before_they_were_learnt_from():
    X, y = TWO
    clf = SGDClassifier("log_loss", random_state=0)
    for i in range(0, 100, 10):
        clf.partial_fit(X[i : i + 10], y[i : i + 10], classes=[False, True])
    for display in (TraceDisplay.from_estimator(clf, x="rows"), TraceDisplay.from_history(clf.progressive_, x="rows")):
        (line,) = display.lines_
        assert np.array_equal(line.get_xdata(), clf.progressive_["rows"])
        assert np.array_equal(line.get_ydata(), clf.progressive_["loss"])
        assert display.ax_.get_xlabel() == "rows"
    with pytest.raises(ValueError, match="by rows"):
        TraceDisplay.from_estimator(LinearClassifier(alpha=0.01).fit(X, y), x="rows")
