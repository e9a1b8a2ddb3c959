"""What displays draw is what models and schedules hold; keywords override single defaults; errors name the argument."""

import sys

import matplotlib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.drawn import (
    IRIS,
    TWO,
    closed,  # noqa: F401 (a fixture)
    plt,
    sgd,
)

from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    schedules,
)
from fastsgd.inspection import (
    CoefficientDisplay,
    LossDisplay,
    ScheduleDisplay,
    StepSizeDisplay,
    TraceDisplay,
    step_sizes,
)


@pytest.fixture(scope="module")
def model():
    return sgd().fit(*TWO, record=["objective", "gradient_norm"], record_every=50)


@pytest.fixture(scope="module")
def stopped_early():
    return sgd(early_stopping=True).fit(*TWO)


@pytest.fixture(scope="module")
def sizes():
    reg = SGDRegressor(learning_rate="constant", max_iter=4, tol=None, random_state=0)
    return step_sizes(reg, TWO[0], TWO[1].astype(float), etas=[1e-4, 1e-3, 1e-2, 10.0, 100.0])


# ---------------------------------------------------------------- StepSizeDisplay
def test_step_sizes_are_drawn_as_they_were_found(sizes):
    display = StepSizeDisplay.from_step_sizes(
        sizes, name="constant", suggestion_kw={"ms": 12}, region_kw={"alpha": 0.5}
    )
    (line,) = display.lines_
    np.testing.assert_array_equal(line.get_xdata(), sizes.etas)
    np.testing.assert_array_equal(line.get_ydata(), np.where(sizes.diverged, np.nan, sizes.final_objective))
    assert (display.ax_.get_xscale(), display.ax_.get_yscale(), line.get_label()) == ("log", "log", "constant")
    assert (
        display.suggestion_line_.get_xdata() == [sizes.suggestion_] and display.suggestion_line_.get_markersize() == 12
    )
    np.testing.assert_array_equal(display.diverged_.get_xdata(), sizes.etas[sizes.diverged])
    (region,) = display.ax_.patches
    assert region.get_alpha() == 0.5
    assert sizes.etas[~sizes.diverged].max() < region.get_x() < sizes.diverges_at_
    again = StepSizeDisplay.from_step_sizes(sizes, ax=display.ax_)
    assert again.ax_ is display.ax_ and again.lines_[0].get_color() != line.get_color()
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert {"constant", again.lines_[0].get_label(), "diverged", "before the first step"} <= set(texts)


def test_step_sizes_by_epoch(sizes):
    display = StepSizeDisplay(sizes).plot(kind="epochs", line_kw={"lw": 1}, suggestion_kw={"lw": 5})
    sound = np.flatnonzero(~sizes.diverged)
    assert len(display.lines_) == len(sound)
    for line, k in zip(display.lines_, sound, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), [sizes.start_objective, *sizes.objectives[k]])
    assert display.suggestion_line_.get_linewidth() == 5 and display.lines_[0].get_linewidth() == 1
    assert "(suggestion)" in display.suggestion_line_.get_label()


def test_step_sizes_of_an_estimator_are_those_of_step_sizes():
    est = sgd(learning_rate="constant", max_iter=2)
    display = StepSizeDisplay.from_estimator(est, *TWO, etas=5)
    np.testing.assert_array_equal(display.step_sizes.final_objective, step_sizes(est, *TWO, etas=5).final_objective)
    assert StepSizeDisplay.from_estimator(
        SGDOneClassSVM(learning_rate="constant", random_state=0), TWO[0], etas=3
    ).lines_


def test_step_sizes_that_all_diverge_are_shaded():
    reg = SGDRegressor(learning_rate="constant", max_iter=4, tol=None, random_state=0)
    display = StepSizeDisplay.from_estimator(reg, TWO[0], TWO[1].astype(float), etas=[1e2, 1e3])
    assert np.isnan(display.suggestion_) and display.suggestion_line_ is None and len(display.ax_.patches) == 1
    with pytest.raises(ValueError, match="kind='epochs': all step sizes diverged"):
        display.plot(kind="epochs")


# ---------------------------------------------------------------- ScheduleDisplay
def test_schedules_are_drawn_as_a_fit_binds_them():
    some = [name for name in schedules.SCHEDULES if name != "auto"]
    display = ScheduleDisplay.from_schedules(some, eta0=0.1, alpha=1e-3, n_samples=100, max_iter=5, batch_size=10)
    for name, line in zip(some, display.lines_, strict=True):
        bound = schedules.get(name).bind(
            eta0=0.1, alpha=1e-3, power_t=0.5, loss=losses.Hinge(), pass_rows=100, passes=5, batch_size=10
        )
        steps, etas = line.get_data()
        np.testing.assert_array_equal(steps, np.arange(1, 51))
        np.testing.assert_array_equal(etas, bound(steps))
    assert display.lines_[some.index("adaptive")].get_label() == "adaptive (before the first plateau)"


def test_a_function_and_a_bound_schedule_are_schedules_too():
    bound = schedules.Constant().bind(eta0=3.0, alpha=1.0, power_t=1.0, loss=None, pass_rows=10, passes=2)
    display = ScheduleDisplay.from_schedules({"1/t": lambda t: 1 / t, "bound": bound}, n_samples=5, max_iter=2)
    np.testing.assert_array_equal(display.lines_[0].get_ydata(), 1 / np.arange(1, 11))
    np.testing.assert_array_equal(display.lines_[1].get_ydata(), np.full(10, 3.0))


def test_a_function_of_the_step_is_the_schedule_of_its_estimator():
    def falling(t):
        return 0.1 / (10 + t)

    display = ScheduleDisplay.from_estimator(sgd(learning_rate=falling, max_iter=3).fit(*TWO))
    steps, etas = display.curves["falling"]
    np.testing.assert_allclose(etas, 0.1 / (10 + steps), rtol=1e-12)
    np.testing.assert_allclose(display.points["falling"][1], 0.1 / (10 + 150 * np.arange(1, 4)), rtol=1e-12)


@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("learning_rate", ["optimal", "invscaling", "cosine", "one_cycle", "step", "exponential"])
def test_the_history_lies_on_the_schedule_of_its_estimator(learning_rate, batch_size):
    est = sgd(learning_rate=learning_rate, eta0=0.01, batch_size=batch_size).fit(*TWO)
    display = ScheduleDisplay.from_estimator(est)
    (steps, etas), (ends, of_history) = (next(iter(some.values())) for some in (display.curves, display.points))
    assert steps[-1] == est.t_ - 1 == ends[-1]
    np.testing.assert_allclose(np.interp(ends, steps, etas), of_history, rtol=1e-3)
    np.testing.assert_array_equal(display.points_[0].get_ydata(), est.history_["eta"])


def test_adaptive_steps_are_those_of_the_history():
    est = sgd(learning_rate="adaptive", eta0=0.5, tol=1e-2, max_iter=200).fit(*TWO)
    display = ScheduleDisplay.from_estimator({"adaptive": est})
    assert len(set(display.lines_[0].get_ydata())) == len(set(est.history_["eta"])) > 2


def test_an_estimator_that_is_not_fitted_has_the_schedule_of_n_samples_rows():
    display = ScheduleDisplay.from_estimator(sgd(learning_rate="constant", eta0=0.3, max_iter=4), n_samples=25)
    steps, etas = display.lines_[0].get_data()
    assert steps[-1] == 100 and set(etas) == {0.3} and not display.points_


# ---------------------------------------------------------------- LossDisplay
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_a_loss_is_drawn_with_its_slope(name):
    display = LossDisplay.from_losses(name)
    loss, x = losses.get(name), display.x
    kind = "residual" if "regressor" in loss.task else "margin"
    kind = "raw prediction" if name in ("poisson", "gamma") else kind
    assert display.ax_.get_xlabel().startswith(kind)
    y = 0.0 if kind == "residual" else 1.0
    np.testing.assert_array_equal(display.lines_[0].get_data(), [x, loss.value(x, y)])
    np.testing.assert_array_equal(display.slope_lines_[0].get_ydata(), loss.slope(x, y))


def test_losses_of_both_kinds_are_drawn_against_the_margin():
    display = LossDisplay.from_losses(["hinge", "squared_error"], low=-1, high=2, slopes=False, line_kw={"lw": 3})
    assert display.ax_.get_xlabel() == "margin y f(x)" and display.ax_.get_xlim() == (-1, 2)
    assert [line.get_linewidth() for line in display.lines_] == [3, 3] and not display.slope_lines_


def test_the_loss_of_an_estimator_has_its_epsilon():
    display = LossDisplay.from_estimator({"a": SGDRegressor("huber", epsilon=2.0), "b": LinearRegressor()})
    np.testing.assert_array_equal(display.values["a"], losses.Huber(2.0).value(display.x, 0.0))
    assert list(display.values) == ["a", "b"]
    assert list(LossDisplay.from_estimator(SGDRegressor("huber", epsilon=2.0)).values) == ["huber(epsilon=2)"]


# ---------------------------------------------------------------- CoefficientDisplay
def test_the_largest_coefficients_are_drawn_by_name():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(TWO[0], columns=["a", "b$ and c$", "d", "e"])
    est = LinearClassifier(alpha=0.01).fit(X, TWO[1])
    display = CoefficientDisplay.from_estimator(est, top=3)
    order = np.argsort(-abs(est.coef_[0]))[:3]
    np.testing.assert_array_equal(display.shown_, order)
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), est.coef_[0, order])
    labels = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert labels == [list(X.columns)[j].replace("$", r"\$") for j in order]
    table = est.coef_table()
    ends = [segment[:, 0] for segment in display.interval_lines_[0].get_segments()]
    np.testing.assert_array_equal(ends, table[["ci_lower", "ci_upper"]].iloc[1 + order])
    assert display.ax_.get_xlabel() == "coefficient (above 0: for class True), with 95% intervals"
    assert display.ax_.yaxis.get_inverted()


def test_coefficients_of_several_classes_and_models():
    est = LinearClassifier(alpha=0.1).fit(*IRIS)
    display = CoefficientDisplay.from_estimator(est, classes=[2, 0], intervals=False)
    assert [line.get_label() for line in display.lines_] == ["class 2", "class 0"]
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), est.coef_[2, display.shown_])
    both = {"a": est, "b": LinearClassifier(alpha=1.0).fit(*IRIS)}
    display = CoefficientDisplay.from_estimator(both, intervals=False)
    assert [line.get_label() for line in display.lines_] == [f"{name}: {c}" for name in "ab" for c in range(3)]
    targets = LinearRegressor().fit(IRIS[0][:, :2], IRIS[0][:, 2:])
    labels = [line.get_label() for line in CoefficientDisplay.from_estimator(targets).lines_]
    assert labels == ["target 0", "target 1"]


def test_coefficients_of_sparse_models_pipelines_and_one_class():
    sparse = sgd().fit(*TWO).sparsify()
    np.testing.assert_array_equal(CoefficientDisplay.from_estimator(sparse).coef, sparse.coef_.toarray())
    names = StandardScaler().fit(TWO[0]).get_feature_names_out()
    pipe = make_pipeline(StandardScaler(), sgd()).fit(*TWO)
    assert CoefficientDisplay.from_estimator(pipe).feature_names == list(names)
    assert CoefficientDisplay.from_estimator(SGDOneClassSVM(random_state=0).fit(TWO[0])).coef.shape == (1, 4)


def test_scale_makes_coefficients_comparable():
    est = LinearClassifier(alpha=0.1).fit(*TWO)
    plain, scaled = (CoefficientDisplay.from_estimator(est, scale=scale) for scale in (None, [-1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(scaled.coef, plain.coef * [-1.0, 2.0, 3.0, 4.0])
    assert (scaled.intervals[..., 0] <= scaled.coef).all() and (scaled.coef <= scaled.intervals[..., 1]).all()
    np.testing.assert_array_equal(scaled.intervals[0, 0], -plain.intervals[0, 0, ::-1])


def test_a_table_of_another_level_gives_the_intervals():
    est = LinearClassifier(alpha=0.1).fit(*TWO)
    table = est.coef_table(0.5)
    display = CoefficientDisplay.from_estimator(est, intervals=table, interval_kw={"lw": 4})
    np.testing.assert_array_equal(display.intervals[0], table[["ci_lower", "ci_upper"]].iloc[1:])
    assert display.interval_lines_[0].get_linewidth() == 4 and "50% intervals" in display.ax_.get_xlabel()
    assert CoefficientDisplay.from_estimator(est, intervals=False).intervals is None


# ---------------------------------------------------------------- all of them
def drawn(model, sizes, **kwargs):
    yield TraceDisplay.from_estimator(model, **kwargs)
    yield StepSizeDisplay.from_step_sizes(sizes, **kwargs)
    yield ScheduleDisplay.from_estimator(model, **kwargs)
    yield LossDisplay.from_estimator(model, **kwargs)
    yield CoefficientDisplay.from_estimator(model, **kwargs)


def test_displays_use_given_axes_and_names_and_return_themselves(model, sizes):
    _, ax = plt.subplots()
    for display in drawn(model, sizes, ax=ax, name="mine"):
        assert display.ax_ is ax and display.figure_ is ax.figure
        assert display.lines_[0].get_label() == "mine"
        assert "mine" in [text.get_text() for text in ax.get_legend().get_texts()]
        assert display.plot() is display and display.ax_ is not ax
        ax.clear()


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_displays_fit_into_subfigures(model, sizes, layout):
    figure = plt.figure(layout=layout, figsize=(12, 12))
    for ax in figure.subfigures(1, 2)[0].subplots(5, 1):
        for display in drawn(model, sizes, ax=ax):
            assert display.figure_ is ax.figure
            ax.clear()
    figure.canvas.draw()


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_texts_of_displays_follow_the_style(model, sizes, style):
    with plt.style.context(style):
        expected = matplotlib.colors.to_rgb(plt.rcParams["text.color"])
        for display in drawn(model, sizes, name="mine"):
            ax, legend = display.ax_, display.ax_.get_legend()
            display.figure_.canvas.draw()
            texts = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_yticklabels(), *legend.get_texts()]
            assert {matplotlib.colors.to_rgb(text.get_color()) for text in texts} == {expected}


def test_axes_of_another_style_keep_their_colours(stopped_early):
    with plt.style.context("dark_background"):
        _, ax = plt.subplots()
    display = TraceDisplay.from_estimator(stopped_early, ax=ax)
    display.figure_.canvas.draw()
    twin, legend = display.validation_ax_, ax.get_legend()
    texts = [twin.yaxis.label, *twin.get_yticklabels(), *legend.get_texts()]
    assert {matplotlib.colors.to_hex(text.get_color()) for text in texts} == {"#ffffff"}
    assert matplotlib.colors.to_hex(legend.get_frame().get_facecolor()) == "#000000"


def test_nothing_is_cut_off(model, sizes):
    runs = {f"a run with a name that is too long to read {k}": model for k in range(60)}
    displays = [*drawn(model, sizes, name="mine"), TraceDisplay.from_estimator(runs, x="steps")]
    displays.append(
        CoefficientDisplay.from_estimator(LinearClassifier(alpha=0.1).fit(*IRIS), feature_names=list("abcd" * 30)[::30])
    )
    for display in displays:
        display.figure_.canvas.draw()
        whole, drawn_box = (
            display.figure_.bbox,
            display.figure_.get_tightbbox().transformed(display.figure_.dpi_scale_trans),
        )
        assert drawn_box.x0 >= whole.x0 - 1 and drawn_box.x1 <= whole.x1 + 1
        assert drawn_box.y0 >= whole.y0 - 1 and drawn_box.y1 <= whole.y1 + 1


def test_mistakes_are_named(model, stopped_early, sizes):
    est, trace, sched, loss, coef = (
        LinearClassifier(alpha=0.1).fit(*TWO),
        TraceDisplay.from_estimator,
        ScheduleDisplay.from_schedules,
        LossDisplay.from_losses,
        CoefficientDisplay.from_estimator,
    )
    for match, call in [
        ("estimator must be .*call fit first", lambda: trace(SGDClassifier())),
        (r"estimator\['a'\] must be", lambda: trace({"a": 3})),
        ("estimator is an empty dict", lambda: trace({})),
        ("history must be .*without columns", lambda: TraceDisplay.from_history(np.zeros(3))),
        ("history has no epochs", lambda: TraceDisplay.from_history(model.history_[:0])),
        ("x must be one of", lambda: trace(model, x="hours")),
        ("y must be None or one of", lambda: trace(model, y="accuracy")),
        ("x='steps' needs record_.*record='objective'", lambda: TraceDisplay.from_history(model.history_, x="steps")),
        ("y='gap' is not there by epochs", lambda: trace(model, y="gap")),
        ("y='change' is NaN throughout", lambda: trace(model, y="change")),
        ("minus must be a number", lambda: trace(model, minus="worst")),
        ("minus must have a number for each run", lambda: trace({"a": model}, minus={"b": 1.0})),
        ("name is for a single run", lambda: trace({"a": model, "b": model}, name="c")),
        ("name must be a str", lambda: trace(model, name=3)),
        ("log_y=True: nothing", lambda: trace(model, minus=1e9, log_y=True)),
        ("validation_kw is given", lambda: trace(model, validation_kw={"lw": 1})),
        ("line_kw has .*'nonsense'", lambda: trace(model, line_kw={"nonsense": 1})),
        ("ax must be 1", lambda: trace(model, ax="here")),
        ("step_sizes must be what", lambda: StepSizeDisplay.from_step_sizes(3)),
        ("kind must be one of", lambda: StepSizeDisplay.from_step_sizes(sizes, kind="loss")),
        ("region_kw is of kind='final'", lambda: StepSizeDisplay.from_step_sizes(sizes, kind="epochs", region_kw={})),
        ("schedules: learning_rate must be one of", lambda: sched("fast")),
        ("schedules: 'auto' gives each weight", lambda: sched("auto")),
        ("schedules is empty", lambda: sched([])),
        ("schedules has two that read 'step'", lambda: sched(["step", "step"])),
        ("t=1", lambda: sched(lambda t: "a")),
        ("n_samples must be at least 1", lambda: sched("step", n_samples=0)),
        ("estimator is not fitted: give n_samples", lambda: ScheduleDisplay.from_estimator(SGDClassifier())),
        ("estimator must be one of fastsgd with step sizes", lambda: ScheduleDisplay.from_estimator(est)),
        ("losses: loss must be one of", lambda: loss("loss")),
        ("losses: Softmax.* margins of all classes", lambda: loss("multinomial")),
        ("against must be None or one of", lambda: loss("hinge", against="y")),
        ("against='residual': 'hinge'", lambda: loss("hinge", against="residual")),
        ("against='margin': 'gamma'", lambda: loss("gamma", against="margin")),
        ("target must be above 0 for 'gamma'", lambda: loss("gamma", target=0.0)),
        ("low must be less than high", lambda: loss("hinge", low=2, high=1)),
        ("n_samples must be at least 1, got 0", lambda: ScheduleDisplay.from_estimator(SGDClassifier(), n_samples=0)),
        ("slope_kw is given with slopes=False", lambda: loss("hinge", slopes=False, slope_kw={})),
        ("estimator must be an estimator of fastsgd that has", lambda: LossDisplay.from_estimator(StandardScaler())),
        ("estimator must be a fitted linear model.*call fit first", lambda: coef(SGDClassifier())),
        ("top must be a whole number of at least 1", lambda: coef(model, top=0)),
        ("feature_names must have a name for each of the 4", lambda: coef(model, feature_names=["a"])),
        ("classes must be among", lambda: coef(model, classes=[3])),
        ("scale must be 4 finite numbers", lambda: coef(model, scale=[1.0])),
        ("intervals=True", lambda: coef(model, intervals=True)),
        ("intervals must be None, a bool, or what coef_table", lambda: coef(est, intervals=3)),
        ("interval_kw is given", lambda: coef(est, intervals=False, interval_kw={"lw": 1})),
    ]:
        with pytest.raises(ValueError, match=match):
            call()


def test_without_matplotlib_displays_name_the_extra(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r'TraceDisplay needs matplotlib: pip install "fastsgd\[plot\]"'):
        TraceDisplay.from_estimator(model)
