"""PathDisplay and GradientNoiseDisplay, without a screen: numbers by their formulas, and what is drawn."""

from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.drawn import (
    closed,  # noqa: F401 (a fixture)
    plt,
)

from fastsgd import (
    LinearClassifier,
    LinearClassifierCV,
    LinearRegressor,
    LinearRegressorCV,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    SGDRegressorCV,
    minimize,
    sources,
)
from fastsgd.inspection import GradientNoiseDisplay, PathDisplay
from fastsgd.inspection.style import COLOURS

N, D = 80, 4
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, D)) * [1.0, 3.0, 0.3, 1.0] + [0.0, 1.0, 0.0, 0.0]
Y = X @ [1.0, -2.0, 0.0, 0.5] + RNG.standard_normal(N)
LABELS, CLASSES = (Y > 0).astype(int), np.digitize(Y, [-3.0, 1.0])
WEIGHT = RNG.uniform(0.5, 2.0, N) * (np.arange(N) % 5 > 0)


# ---------------------------------------------------------------- the noise of gradients
ESTIMATORS = {
    "log_loss": (SGDClassifier("log_loss", alpha=0.1), LABELS),
    "hinge, l1": (SGDClassifier("hinge", penalty="l1", alpha=0.01), LABELS),
    "classes": (SGDClassifier("log_loss", class_weight={0: 2.0, 1: 1.0, 2: 0.5}), CLASSES),
    "multinomial": (SGDClassifier("log_loss", multi_class="multinomial"), CLASSES),
    "no intercept": (SGDRegressor("huber", fit_intercept=False), Y),
    "targets": (LinearRegressor(alpha=0.1), np.column_stack([Y, Y**2])),
    "certified": (LinearClassifier(alpha=0.1), LABELS),
}


def somewhere(est, X_, y):
    """A model of the shapes of the estimator's."""
    shapes = [np.shape(part) for part in est.gradient(X_, y, *zeros_of(est, y))]
    rng = np.random.default_rng(5)
    return tuple(0.2 * rng.standard_normal(shape) for shape in shapes)


def zeros_of(est, y):
    heads = y.shape[1] if y.ndim == 2 else len(set(y.tolist())) if isinstance(est, SGDClassifier) else 1
    heads = 1 if heads == 2 and y.ndim == 1 else heads
    return np.zeros((heads, D) if heads > 1 else D), 0.0


def flat(derivatives):
    return np.append(np.ravel(derivatives.coef), derivatives.intercept)


def gradients_of_rows(est, X_, y, model, s):
    """Those of single rows, by est.gradient with the weight on one row alone, times n s_i / sum s."""
    penalty = flat(est.gradient(X_, y, *model, s)) - loss_gradient(est, X_, y, model, s)
    rows = []
    for i in np.flatnonzero(s):
        alone = np.where(np.arange(N) == i, s, 0.0)
        rows.append(alone.sum() * (flat(est.gradient(X_, y, *model, alone)) - penalty))
    return np.array(rows) * len(rows) / s.sum()


def loss_gradient(est, X_, y, model, s):
    from sklearn.base import clone

    return flat(clone(est).set_params(penalty=None).gradient(X_, y, *model, s))


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "classes"])
def test_the_variance_is_that_of_the_gradients_of_rows(name, weighed, layout):
    (est, y), X_ = ESTIMATORS[name], X if layout == "dense" else sp.csr_matrix(X)
    s, model = WEIGHT if weighed else np.ones(N), somewhere(est, X, y)
    rows = gradients_of_rows(est, X, y, model, s)
    display = GradientNoiseDisplay.from_estimator(
        est, X_, y, point=model, sample_weight=s, batch_sizes=[1, 7, len(rows)], n_draws=5
    )
    assert display.n_rows == len(rows)
    assert display.row_variance == pytest.approx(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean(), rel=1e-9)
    assert display.gradient_norm == pytest.approx(np.linalg.norm(flat(est.gradient(X, y, *model, s))), rel=1e-9)
    assert display.variance[0] == pytest.approx(display.row_variance) and display.variance[-1] == 0.0
    np.testing.assert_allclose(display.sampled[-1], 0.0, atol=1e-20)


def test_weights_of_classes_count():
    est, y = ESTIMATORS["classes"]
    display = GradientNoiseDisplay.from_estimator(est, X, y, batch_sizes=[1])
    coefs = []
    for c, weight in est.class_weight.items():
        t, s = np.where(y == c, 1.0, 0.0), np.where(y == c, weight, 1.0)
        slope = (0.5 - t) * s / s.mean()
        A = np.column_stack([X, np.ones(N)])
        coefs.append(slope[:, None] * A / 3)
    rows = np.hstack(coefs)
    assert display.row_variance == pytest.approx(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean(), rel=1e-9)


def test_the_formula_is_the_mean_over_all_batches():
    reg = LinearRegressor(alpha=0.2)
    few, y = X[:6], Y[:6]
    model = np.array([0.1, 0.2, -0.3, 0.0]), 0.5
    rows = (few @ model[0] + 0.5 - y)[:, None] * np.column_stack([few, np.ones(6)])
    display = GradientNoiseDisplay.from_estimator(reg, few, y, batch_sizes=[1, 2, 3, 5], point=model)
    for size, variance in zip(display.batch_sizes, display.variance, strict=True):
        batches = [rows[list(batch)].mean(axis=0) for batch in combinations(range(6), int(size))]
        assert variance == pytest.approx(((np.array(batches) - rows.mean(axis=0)) ** 2).sum(axis=1).mean())


def test_drawn_batches_agree_with_the_formula():
    clf = SGDClassifier("log_loss", alpha=0.1)
    display = GradientNoiseDisplay.from_estimator(clf, X, LABELS, batch_sizes=[2, 16], n_draws=2000)
    np.testing.assert_allclose(display.sampled.mean(axis=1), display.variance, rtol=0.1)
    again = GradientNoiseDisplay.from_estimator(clf, X, LABELS, batch_sizes=[2, 16], n_draws=2000)
    np.testing.assert_array_equal(display.sampled, again.sampled)


def test_the_critical_batch_is_where_noise_and_gradient_are_as_long():
    display = GradientNoiseDisplay.from_estimator(SGDClassifier("log_loss"), X, LABELS)
    B, n = display.critical_batch_size, N
    assert display.row_variance / B * (n - B) / (n - 1) == pytest.approx(display.gradient_norm**2)
    assert 0 < B < N


def test_the_noise_of_standardised_rows_is_in_their_units():
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    given = {"batch_sizes": [1, 4], "n_draws": 3}
    found = GradientNoiseDisplay.from_estimator(SGDRegressor(standardize=True), X, Y, **given)
    expected = GradientNoiseDisplay.from_estimator(SGDRegressor(), Z, Y, **given)
    assert found.row_variance == pytest.approx(expected.row_variance)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm)
    np.testing.assert_allclose(found.sampled, expected.sampled, rtol=1e-9)


def test_a_source_has_the_formula_and_no_draws():
    batches = [(X[lo : lo + 10], Y[lo : lo + 10]) for lo in range(0, N, 10)]
    source = sources.from_batches(lambda: iter(batches)).buffered(max_memory=4_000)
    found = GradientNoiseDisplay.from_estimator(SGDRegressor(), source)
    expected = GradientNoiseDisplay.from_estimator(SGDRegressor(), X, Y)
    np.testing.assert_allclose(found.variance, expected.variance)
    assert found.sampled is None and list(found.lines_) == ["exact", "gradient"]
    with pytest.raises(ValueError, match="n_draws must be 0 or None for a source"):
        GradientNoiseDisplay.from_estimator(SGDRegressor(), source, n_draws=3)


def test_noise_is_drawn_and_at_an_optimum_the_gradient_is_told_of():
    _, axes = plt.subplots(1, 2)
    look = {"line_kw": {"color": "red"}, "sampled_kw": {"marker": "x"}, "gradient_kw": {"linestyle": ":"}}
    display = GradientNoiseDisplay.from_estimator(SGDClassifier("log_loss"), X, LABELS, ax=axes[0], name="zero", **look)
    assert display.ax_ is axes[0] and axes[0].get_title() == "zero"
    assert display.line_.get_color() == "red" and display.line_.get_linewidth() == 1.8
    assert display.lines_["sampled"].get_marker() == "x" and display.lines_["gradient"].get_linestyle() == ":"
    np.testing.assert_allclose(display.line_.get_ydata(), np.sqrt(display.variance))
    best = LinearClassifier(alpha=0.1, tol=1e-13).fit(X, LABELS)
    display = GradientNoiseDisplay.from_estimator(best, X, LABELS, ax=axes[1])
    assert "gradient" not in display.lines_ and "far below" in axes[1].get_title()
    assert display.plot(ax=axes[0]) is display


def test_what_is_wrong_about_noise_is_named():
    draw, reg = GradientNoiseDisplay.from_estimator, SGDRegressor()
    for sizes in ([0], [81], [1.5], [], "all"):
        with pytest.raises(ValueError, match="batch_sizes must be whole numbers from 1 to 80"):
            draw(reg, X, Y, batch_sizes=sizes)
    for draws in (-1, 1.5, True):
        with pytest.raises(ValueError, match="n_draws must be a whole number"):
            draw(reg, X, Y, n_draws=draws)
    with pytest.raises(ValueError, match="there is no noise to draw"):
        draw(reg, X, Y, batch_sizes=[N])
    with pytest.raises(ValueError, match="estimator must be an SGDClassifier"):
        draw(object(), X, Y)
    with pytest.raises(ValueError, match="line_kw must be a dict"):
        draw(reg, X, Y, line_kw=3)


# ---------------------------------------------------------------- paths of coefficients
def drawn(display):
    return {line.get_label(): line.get_ydata() for line in display.lines_}


def test_the_path_of_a_search_is_the_mean_over_its_folds():
    cv = LinearRegressorCV(penalty="l1", alphas=12).fit(X, Y)
    display = PathDisplay.from_estimator(cv)
    coefs = cv.coefs_paths_[:, 0, :, 0]
    assert sorted(display.names) == ["x0", "x1", "x2", "x3"] and display.names[0] == "x1", "the largest first"
    for name, values in drawn(display).items():
        np.testing.assert_allclose(values, coefs[:, :, int(name[1])].mean(axis=0))
    np.testing.assert_allclose(display.spread[:, 0], coefs[:, :, 1].std(axis=0))
    np.testing.assert_array_equal(display.lines_[0].get_xdata(), cv.alphas_)
    assert display.ax_.get_xscale() == "log" and display.chosen == cv.alpha_ and len(display.fill_between_) == 4


@pytest.mark.parametrize(
    "cv, y",
    [
        (LinearClassifierCV(alphas=5), CLASSES),
        (LinearClassifierCV(alphas=4, penalty="elasticnet", l1_ratios=[0.2, 0.7]), LABELS),
        (SGDClassifierCV("log_loss", alphas=3, max_iter=2, tol=None, random_state=0), CLASSES),
        (SGDRegressorCV(alphas=3, eta0s=[0.001, 0.01], max_iter=2, tol=None, random_state=0), Y),
        (LinearRegressorCV(alphas=3), np.column_stack([Y, -Y])),
    ],
    ids=["classes", "l1_ratios", "SGD", "eta0s", "targets"],
)
def test_the_path_of_any_search(cv, y):
    cv.fit(X, y)
    display = PathDisplay.from_estimator(cv, top=None)
    coefs = cv.coefs_paths_[:, int(np.flatnonzero(cv.l1_ratios_ == cv.l1_ratio_)[0])]
    if coefs.ndim == 5:
        coefs = coefs[:, :, int(np.flatnonzero(cv.eta0s_ == cv.eta0_)[0])]
    K = coefs.shape[2]
    assert display.coefs.shape == (len(cv.alphas_) if cv.alphas_.ndim == 1 else cv.alphas_.shape[1], K * D)
    target = K - 1
    one = PathDisplay.from_estimator(cv, target=target) if K > 1 else display
    for name, values in drawn(one).items():
        np.testing.assert_allclose(values, coefs[:, :, target, int(name[1])].mean(axis=0))
    if K > 1:
        assert f"x1 ({target})" in drawn(display)


@pytest.mark.parametrize("alphas, ratio", [(4, 0.2), ([0.1, 1.0], 0.7)])
def test_an_l1_ratio_can_be_named(alphas, ratio):
    cv = LinearRegressorCV(alphas=alphas, penalty="elasticnet", l1_ratios=[0.2, 0.7]).fit(X, Y)
    place = [0.2, 0.7].index(ratio)
    display = PathDisplay.from_estimator(cv, l1_ratio=ratio)
    np.testing.assert_allclose(drawn(display)["x1"], cv.coefs_paths_[:, place, :, 0, 1].mean(axis=0))
    np.testing.assert_array_equal(display.x, np.atleast_2d(cv.alphas_)[place if cv.alphas_.ndim == 2 else 0])
    with pytest.raises(ValueError, match=r"l1_ratio must be one of \[0.2, 0.7\]"):
        PathDisplay.from_estimator(cv, l1_ratio=0.5)


@pytest.mark.parametrize("est, y", [(SGDRegressor(), Y), (SGDClassifier(), CLASSES), (SGDOneClassSVM(), None)])
def test_the_path_of_a_training(est, y):
    est.set_params(random_state=0, max_iter=2, tol=None, learning_rate="constant", eta0=1e-3)
    est.fit(X, y, record="coef", record_every=16)
    display = PathDisplay.from_estimator(est, top=3)
    assert display.x_name == "epochs" and display.x[-1] == 2.0 and len(display.lines_) == 3 and display.chosen is None
    coefs = est.path_.coef.reshape(len(est.path_.steps), -1)
    largest = np.argsort(-abs(coefs).max(axis=0), kind="stable")[:3]
    np.testing.assert_allclose(display.coefs, coefs[:, largest])
    assert display.ax_.get_legend().get_title().get_text() == f"largest 3 of {coefs.shape[1]}"
    assert PathDisplay.from_estimator(est, x="steps").x[-1] == 2 * N and display.fill_between_ == []


def test_the_path_of_the_last_step_of_a_pipeline_has_the_names_of_its_columns():
    pd, names = pytest.importorskip("pandas"), np.array(["a", "b", "c", "d"])
    pipe = make_pipeline(StandardScaler(), SGDRegressor(random_state=0, max_iter=2, tol=None))
    pipe.fit(pd.DataFrame(X, columns=names), Y, sgdregressor__record="coef")
    display, plain = PathDisplay.from_estimator(pipe), PathDisplay.from_estimator(pipe[-1])
    np.testing.assert_array_equal(display.coefs, plain.coefs)
    assert list(display.names) == [str(names[int(name[1:])]) for name in plain.names]
    searched = make_pipeline(StandardScaler(), LinearRegressorCV(alphas=5)).fit(X, Y)
    assert PathDisplay.from_estimator(searched).x_name == "alpha"


def test_the_path_of_anything_else():
    found = minimize(lambda w: (w**2).sum(), np.ones((2, 2)), steps=20)
    display = PathDisplay.from_path(found)
    np.testing.assert_allclose(drawn(display)["w3"], found.path[:, 1, 1])
    given = PathDisplay.from_path(np.eye(3), x=[0.1, 1.0, 10.0], feature_names=["a", "b", "c"], x_name="alpha", top=2)
    assert given.ax_.get_xscale() == "log" and list(drawn(given)) == ["a", "b"]
    reg = SGDRegressor(max_iter=1, tol=None, random_state=0).fit(X, Y, record="coef", record_every=20)
    np.testing.assert_array_equal(PathDisplay.from_path(reg.path_).x, [0, 20, 40, 60, 80])


def test_a_path_is_drawn_again_with_other_keywords():
    cv = LinearRegressorCV(alphas=4).fit(X, Y)
    display = PathDisplay.from_estimator(cv, top=2, feature_names=["a", "$b$", "c", "d"])
    assert r"\$b\$" in drawn(display)
    _, ax = plt.subplots()
    look = {"line_kw": {"lw": 3}, "fill_between_kw": {"alpha": 0.5}, "chosen_kw": {"color": "red"}}
    assert display.plot(ax, name="ridge", **look) is display and display.ax_ is ax and ax.get_title() == "ridge"
    assert {line.get_linewidth() for line in display.lines_} == {3} and display.lines_[0].get_color() == COLOURS[0]
    assert display.fill_between_[0].get_alpha() == 0.5 and display.chosen_line_.get_color() == "red"


def test_overflow_leaves_gaps():
    path = np.array([[1.0, 2.0], [np.inf, 3.0], [np.nan, 4.0]])
    display = PathDisplay.from_path(path)
    assert display.names == ["w1", "w0"] and np.isnan(display.coefs[1:, 1]).all()


def test_what_is_wrong_about_paths_is_named():
    cv, reg = LinearClassifierCV(alphas=3).fit(X, CLASSES), SGDRegressor(random_state=0).fit(X, Y, record="coef")
    draw = PathDisplay.from_estimator
    with pytest.raises(ValueError, match="SGDRegressor with neither coefs_paths_ nor path_"):
        draw(SGDRegressor())
    with pytest.raises(
        ValueError, match=r"LinearRegressor with neither.* one of SGDClassifier, SGDRegressor .* with record='coef'"
    ):
        draw(LinearRegressor().fit(X, Y))
    with pytest.raises(ValueError, match="LinearClassifierCV with neither"):
        draw(LinearClassifierCV())
    with pytest.raises(ValueError, match=r"x must be one of \['alpha'\]"):
        draw(cv, x="steps")
    with pytest.raises(ValueError, match=r"target must be one of \[0, 1, 2\]"):
        draw(cv, target=7)
    with pytest.raises(ValueError, match=r"l1_ratio=0\.5 is for a search"):
        draw(reg, l1_ratio=0.5)
    for top in (0, True, 1.5):
        with pytest.raises(ValueError, match="top must be a whole number"):
            draw(reg, top=top)
    with pytest.raises(ValueError, match="feature_names must have a name for each of the 4"):
        draw(reg, feature_names=["a"])
    with pytest.raises(ValueError, match="x must have a number for each of 3 points"):
        PathDisplay.from_path(np.eye(3), x=[1.0])
    for path in ([], "path", [[1.0], [1.0, 2.0]]):
        with pytest.raises(ValueError, match="path "):
            PathDisplay.from_path(path)
