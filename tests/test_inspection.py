"""Plots of history_, without a screen; what is drawn is what history_ holds."""

import sys

import numpy as np
import pytest
from support.drawn import (
    closed,  # noqa: F401 (a fixture)
    plt,
)

from fastsgd import SGDClassifier, SGDRegressor
from fastsgd.inspection import plot_history


@pytest.fixture(scope="module")
def data():
    X = np.random.default_rng(0).standard_normal((300, 4))
    return X, X @ [1.0, -2.0, 0.5, 0.0]


@pytest.fixture(scope="module")
def regressor(data):
    return SGDRegressor(random_state=0).fit(*data)


@pytest.fixture(scope="module")
def stopped_early(data):
    X, y = data
    return SGDClassifier(loss="log_loss", early_stopping=True, random_state=0).fit(X, y > 0)


def drawn(panel):
    return {line.get_label(): line.get_data() for line in panel.lines}


@pytest.mark.parametrize("x", ["epoch", "seconds"])
def test_lines_are_the_history(regressor, x):
    (panel,) = plot_history(regressor, x=x)
    lines = drawn(panel)
    assert list(lines) == ["loss", "objective"]
    for what, (xs, ys) in lines.items():
        np.testing.assert_array_equal(xs, regressor.history_[x])
        np.testing.assert_array_equal(ys, regressor.history_[what])
    assert panel.get_xlabel() == x


def test_validation_score_has_a_panel(stopped_early):
    axes = plot_history(stopped_early)
    assert len(axes) == 2
    ((xs, ys),) = drawn(axes[1]).values()
    np.testing.assert_array_equal(xs, stopped_early.history_["epoch"])
    np.testing.assert_array_equal(ys, stopped_early.history_["validation_score"])


def test_what_is_nan_throughout_is_left_out(stopped_early):
    history = stopped_early.history_.copy()
    history["objective"] = np.nan
    assert list(drawn(plot_history(history)[0])) == ["loss"]


def test_several_runs(regressor, stopped_early):
    axes = plot_history({"a": regressor, "b": stopped_early.history_})
    assert {"a: loss", "a: objective", "b: loss"} <= set(drawn(axes[0]))
    assert list(drawn(axes[1])) == ["b"]
    colours = {line.get_label()[0]: line.get_color() for line in axes[0].lines}
    assert colours["a"] != colours["b"]


def test_given_axes_are_used(regressor, stopped_early):
    _, ax = plt.subplots()
    assert plot_history(regressor, ax=ax)[0] is ax
    _, pair = plt.subplots(2)
    assert list(plot_history(stopped_early, ax=pair)) == list(pair)


def test_one_column(data):
    X, y = data
    reg = SGDRegressor(stopping=["gradient", "parameters"], max_iter=50, random_state=0).fit(X, y)
    for column in ("objective", "gradient_norm", "change", "eta"):
        (panel,) = plot_history(reg, y=column, log=True)
        ((xs, ys),) = drawn(panel).values()
        np.testing.assert_array_equal(xs, reg.history_["epoch"])
        np.testing.assert_array_equal(ys, reg.history_[column])
        assert panel.get_yscale() == "log"


def test_what_is_taken_off(regressor):
    best = regressor.history_["objective"].min()
    expected = regressor.history_["objective"] - best
    for minus in (best, {"a": best, "b": 0.0}):
        (panel,) = plot_history({"a": regressor, "b": regressor}, x="seconds", y="objective", minus=minus)
        lines = drawn(panel)
        np.testing.assert_array_equal(lines["a"], [regressor.history_["seconds"], expected])
        assert list(lines) == ["a", "b"] and panel.get_yscale() == "linear"
        assert panel.get_ylabel() == "objective above the best"
    np.testing.assert_array_equal(lines["b"][1], regressor.history_["objective"])


def test_a_column_has_one_panel_and_leaves_out_nan(regressor, stopped_early):
    (panel,) = plot_history({"a": regressor, "b": stopped_early}, y="validation_score")
    assert list(drawn(panel)) == ["b"]


def test_many_runs_are_told_apart(regressor):
    (panel,) = plot_history({f"run {i}": regressor for i in range(12)}, y="objective")
    assert len({(line.get_color(), line.get_linestyle()) for line in panel.lines}) == 12


def test_logarithmic_loss_and_objective(stopped_early):
    axes = plot_history(stopped_early, log=True)
    assert [panel.get_yscale() for panel in axes] == ["log", "linear"]


def test_bad_input_is_named(regressor, stopped_early):
    _, ax = plt.subplots()
    for match, args, kwargs in [
        ("estimators_or_history .*call fit first", [SGDRegressor()], {}),
        (r"estimators_or_history\['a'\]", [{"a": 3}], {}),
        ("estimators_or_history .*columns.*objective", [np.zeros(3, [("epoch", int), ("loss", float)])], {}),
        ("estimators_or_history is an empty dict", [{}], {}),
        ("estimators_or_history has no epochs", [regressor.history_[:0]], {}),
        ("x must be one of", [regressor], {"x": "hours"}),
        ("x must be one of", [regressor], {"x": ["epoch"]}),
        ("y must be None or one of", [regressor], {"y": "seconds"}),
        ("y must be None or one of", [regressor], {"y": ["objective"]}),
        ("y='change' is NaN", [regressor], {"y": "change"}),
        ("minus needs y", [regressor], {"minus": 1.0}),
        ("minus must have a number for each run", [{"a": regressor}], {"y": "objective", "minus": {"b": 1.0}}),
        ("ax must be 1 .*for eta", [regressor], {"y": "eta", "ax": plt.subplots(2)[1]}),
        ("ax must be 2", [stopped_early], {"ax": ax}),
        ("ax must be 1", [regressor], {"ax": "here"}),
    ]:
        with pytest.raises(ValueError, match=match):
            plot_history(*args, **kwargs)


def test_without_matplotlib(regressor, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'pip install "fastsgd\[plot\]"'):
        plot_history(regressor)
