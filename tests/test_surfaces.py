"""The objective on lines and planes of models, with paths on them: values, places, and what is drawn; without a screen."""

import tracemalloc
from types import SimpleNamespace

import matplotlib
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
    LinearRegressor,
    LinearRegressorCV,
    SGDClassifier,
    SGDRegressor,
    losses,
    minimize,
    sources,
)
from fastsgd.inspection import LossSurfaceDisplay
from fastsgd.sources.arrays import Table

N, D = 60, 3
RNG = np.random.default_rng(2)
X = RNG.standard_normal((N, D)) * [1.0, 3.0, 0.3] + [0.0, 1.0, 0.0]
LABELS, CLASSES = RNG.integers(0, 2, N), RNG.integers(0, 3, N)
Y = X @ [1.0, -0.5, 2.0] + RNG.standard_normal(N)
TARGETS = RNG.standard_normal((N, 2))
WEIGHT = RNG.uniform(0.0, 2.0, N) * (np.arange(N) % 7 > 0)

ESTIMATORS = {
    "log_loss": (SGDClassifier("log_loss", alpha=0.1), LABELS),
    "hinge, l1": (SGDClassifier("hinge", penalty="l1", alpha=0.1), LABELS),
    "squared_hinge, elastic net": (SGDClassifier("squared_hinge", penalty="elasticnet", alpha=0.1), LABELS),
    "modified_huber, weights of classes": (SGDClassifier("modified_huber", class_weight="balanced"), CLASSES),
    "multinomial, l1": (SGDClassifier("log_loss", multi_class="multinomial", penalty="l1", alpha=0.1), CLASSES),
    "crammer_singer": (SGDClassifier("hinge", multi_class="crammer_singer"), CLASSES),
    "standardised": (SGDClassifier("log_loss", standardize=True, alpha=0.1, penalty="elasticnet"), CLASSES),
    "standardised regression": (SGDRegressor(standardize=True, alpha=0.1), Y),
    "no intercept, no penalty": (SGDRegressor("huber", fit_intercept=False, penalty=None), Y),
    "quantile": (SGDRegressor(losses.Quantile(0.3)), Y),
    "poisson": (SGDRegressor("poisson"), abs(Y)),
    "targets": (SGDRegressor(alpha=0.2), TARGETS),
    "certified": (LinearClassifier(alpha=0.1), CLASSES),
    "certified, targets": (LinearRegressor(alpha=0.1), TARGETS),
}


def fitted(name, layout="dense"):
    est, y = ESTIMATORS[name]
    if hasattr(est, "eta0"):
        est.set_params(max_iter=3, tol=None, random_state=0, learning_rate="constant", eta0=1e-3)
    X_ = X if layout == "dense" else sp.csr_matrix(X)
    return est.fit(X_, y), X_, y


def flat(est):
    return np.append(np.ravel(est.coef_), est.intercept_)


def values_one_by_one(est, X_, y, s, origin, directions, display):
    """est.objective at each point of the grid."""
    split = np.size(est.coef_)

    def at(coordinates):
        z = origin + np.asarray(coordinates) @ directions
        return est.objective(X_, y, z[:split].reshape(np.shape(est.coef_)), z[split:], s)

    if len(display.coordinates) == 1:
        return np.array([at([u]) for u in display.coordinates[0]])
    us, vs = display.coordinates
    return np.array([[at([u, v]) for u in us] for v in vs])


# ---------------------------------------------------------------- values
@pytest.mark.parametrize("weighed", [False, True])
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_grid_is_the_objective_at_each_point(name, layout, weighed):
    est, X_, y = fitted(name, layout)
    s = WEIGHT if weighed else None
    directions = RNG.standard_normal((2, flat(est).size))
    if not est.fit_intercept:
        directions[:, -1] = 0
    display = LossSurfaceDisplay.from_estimator(
        est, X_, y, directions=list(directions), span=[(-1, 1), (-0.5, 1)], n_points=(4, 3), sample_weight=s
    )
    assert display.values.shape == (3, 4)
    expected = values_one_by_one(est, X_, y, s, flat(est), directions, display)
    np.testing.assert_allclose(display.values, expected, rtol=1e-10)
    assert display.point[1] == pytest.approx(est.objective(X_, y, sample_weight=s), rel=1e-10)


@pytest.mark.parametrize("name", ["log_loss", "standardised", "crammer_singer", "targets", "certified"])
def test_coordinates_of_named_weights_are_these_weights(name):
    est, X_, y = fitted(name)
    heads = np.size(est.intercept_)
    head = heads - 1
    names = [(1, head), ("intercept", head)] if heads > 1 else [1, "intercept"]
    display = LossSurfaceDisplay.from_estimator(est, X_, y, directions=names, span=0.5, n_points=3)
    np.testing.assert_allclose(display.point[0], [np.atleast_2d(est.coef_)[head, 1], est.intercept_[head]])
    w, b = np.atleast_2d(est.coef_).copy(), est.intercept_.copy()
    w[head, 1], b[head] = display.coordinates[0][2], display.coordinates[1][0]
    value = est.objective(X_, y, w.reshape(np.shape(est.coef_)), b)
    assert display.values[0, 2] == pytest.approx(value, rel=1e-12)
    assert "weight of x1" in display.ax_.get_xlabel() and "intercept" in display.ax_.get_ylabel()


def test_a_curve_for_one_weight_by_name():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["age", "height", "$income$"])
    reg = LinearRegressor(alpha=0.1).fit(frame, Y)
    display = LossSurfaceDisplay.from_estimator(reg, frame, Y, directions="$income$", span=(-3, 3), n_points=5)
    w = reg.coef_.copy()
    for u, value in zip(display.coordinates[0], display.line_.get_ydata(), strict=True):
        w[2] = u
        assert value == pytest.approx(reg.objective(frame, Y, w), rel=1e-12)
    assert display.ax_.get_xlabel() == r"weight of \$income\$" and display.surface_ is None


def test_the_fitted_model_is_the_minimum_of_what_is_convex():
    reg = LinearRegressor(alpha=0.1, tol=1e-12).fit(X[:, :2], Y)
    display = LossSurfaceDisplay.from_estimator(reg, X[:, :2], Y, n_points=21)
    np.testing.assert_allclose(display.minimum[0], reg.coef_)
    assert set(display.marks_) == {"minimum", "fitted"}
    assert display.minimum[1] == pytest.approx(display.point[1], rel=1e-12)


def test_without_a_fit_the_plane_goes_through_zero_and_shows_the_bowl():
    Z = X[:, :2] * 1e-3
    display = LossSurfaceDisplay.from_estimator(SGDRegressor(alpha=0.0), Z, Y, n_points=41)
    assert display.point is None
    best = np.linalg.lstsq(Z, Y, rcond=None)[0]
    for axis, weight in zip(display.coordinates, best, strict=True):
        assert axis[0] < weight < axis[-1], "the usual span follows the scale of the columns"
    assert SGDRegressor(alpha=0.0).objective(Z, Y, [display.coordinates[0][3], display.coordinates[1][5]], 0.0) == (
        pytest.approx(display.values[5, 3], rel=1e-12)
    )


def test_one_feature_has_the_plane_of_weight_and_intercept():
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X[:, :1], Y)
    display = LossSurfaceDisplay.from_estimator(reg, X[:, :1], Y, n_points=3)
    assert display.labels == ("weight of x0", "intercept")
    alone = SGDRegressor(fit_intercept=False, max_iter=3, tol=None, random_state=0).fit(X[:, :1], Y)
    assert LossSurfaceDisplay.from_estimator(alone, X[:, :1], Y, n_points=3).labels == ("weight of x0",)


def test_eigenvectors_of_the_hessian_have_its_curvature():
    est, X_, y = fitted("log_loss")
    display = LossSurfaceDisplay.from_estimator(est, X_, y, directions="hessian", span=1e-3, n_points=3)
    f, h = display.values, 1e-3
    found = [(f[1, 0] - 2 * f[1, 1] + f[1, 2]) / h**2, (f[0, 1] - 2 * f[1, 1] + f[2, 1]) / h**2]
    np.testing.assert_allclose(found, np.linalg.eigvalsh(est.hessian(X_, y))[::-1][:2], rtol=1e-3)


def test_the_gradient_is_a_direction():
    est, X_, y = fitted("certified")
    there = np.zeros((3, D)), 0.0
    gradient = est.gradient(X_, y, *there)
    display = LossSurfaceDisplay.from_estimator(est, X_, y, directions=[gradient], span=1e-4, n_points=3, point=there)
    steep = (display.values[2] - display.values[0]) / 2e-4
    assert steep == pytest.approx((gradient.coef**2).sum() + (gradient.intercept**2).sum(), rel=1e-6)
    assert display.point is None, "the plane is not that of the fitted model"


def test_random_directions_are_of_length_one_at_right_angles_and_repeat():
    est, X_, y = fitted("multinomial, l1")
    one, again, other = (
        LossSurfaceDisplay.from_estimator(est, X_, y, span=1.0, n_points=3, random_state=r) for r in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.values, again.values)
    assert (one.values != other.values).any() and one.labels[0] == "random direction 1"


def test_float32_rows_and_sources_have_the_values_of_their_numbers():
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X, Y)
    given = {"directions": [0, 2], "span": 1.0, "n_points": 3}
    expected = LossSurfaceDisplay.from_estimator(reg, X, Y, **given).values
    X32 = X.astype(np.float32)
    np.testing.assert_allclose(
        LossSurfaceDisplay.from_estimator(reg, X32, Y, **given).values,
        LossSurfaceDisplay.from_estimator(reg, X32.astype(float), Y, **given).values,
        rtol=1e-12,
    )
    batches = [(X[lo : lo + 10], Y[lo : lo + 10]) for lo in range(0, N, 10)]
    source = sources.from_batches(lambda: iter(batches)).buffered(max_memory=4_000)
    found = LossSurfaceDisplay.from_estimator(reg, source, **given).values
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_the_grid_is_one_pass_over_the_rows(monkeypatch):
    est, X_, y = fitted("log_loss")
    passes, chunks = [], Table.chunks
    monkeypatch.setattr(Table, "chunks", lambda *given: passes.append(1) or chunks(*given))
    LossSurfaceDisplay.from_estimator(est, X_, y, span=1.0, paths=np.zeros((4, 1, D)))
    assert len(passes) == 1


def test_memory_does_not_grow_with_rows_times_points():
    Z = np.random.default_rng(0).standard_normal((20_000, 2))
    reg = LinearRegressor(alpha=0.1).fit(Z, Z[:, 0])
    tracemalloc.start()
    LossSurfaceDisplay.from_estimator(reg, Z, Z[:, 0], n_points=20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6, "20,000 rows at 400 points are 64 MB"


def test_overflow_leaves_gaps():
    display = LossSurfaceDisplay.from_estimator(SGDRegressor(), X, Y, directions=[0, 1], span=1e180, n_points=5)
    assert np.isinf(display.values).any() and np.isfinite(display.minimum[1])


# ---------------------------------------------------------------- paths
def descent(steps=30):
    """Least squares of X[:, :2] by gradient descent."""
    w, path = np.array([3.0, 2.0]), []
    for _ in range(steps):
        path.append(w)
        w = w - 0.05 * X[:, :2].T @ (X[:, :2] @ w - Y) / N
    return np.array(path)


def test_paths_are_where_their_weights_are():
    reg, path = LinearRegressor(alpha=0.0, fit_intercept=False).fit(X[:, :2], Y), descent()
    display = LossSurfaceDisplay.from_estimator(reg, X[:, :2], Y, paths={"descent": path, "back": path[::-1]})
    found = display.paths["descent"]
    np.testing.assert_allclose(found.coordinates, path, atol=1e-12)
    np.testing.assert_allclose(found.distance, 0.0, atol=1e-12)
    np.testing.assert_allclose(found.values, [reg.objective(X[:, :2], Y, w) for w in path], rtol=1e-12)
    assert [line.get_label() for line in display.lines_] == ["descent", "back"]
    np.testing.assert_allclose(np.transpose(display.lines_[0].get_data()), path, atol=1e-12)
    for axis, weights in zip(display.coordinates, path.T, strict=True):
        assert axis[0] < weights.min() and weights.max() < axis[-1], "the usual span has the paths in it"


def test_paths_off_the_plane_are_projected_and_say_how_far_off_they_are():
    est, X_, y = fitted("no intercept, no penalty")
    path = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, est.coef_[2] + 2.0]])
    display = LossSurfaceDisplay.from_estimator(est, X_, y, directions=[0, 1], paths=path, n_points=3)
    np.testing.assert_allclose(display.paths[""].coordinates, path[:, :2], atol=1e-12)
    np.testing.assert_allclose(display.paths[""].distance, [abs(3 - est.coef_[2]), 2.0])
    w = np.array([1.0, 2.0, est.coef_[2]])
    assert display.paths[""].values[0] == pytest.approx(est.objective(X_, y, w), rel=1e-12)


def test_the_plane_of_a_path_holds_it():
    rng = np.random.default_rng(0)
    Z, w = rng.standard_normal((50, 6)), rng.standard_normal((3, 6))
    reg = LinearRegressor(alpha=0.1).fit(Z, Z[:, 0])
    points = reg.coef_ + rng.standard_normal((8, 2)) @ w[:2]
    display = LossSurfaceDisplay.from_estimator(reg, Z, Z[:, 0], paths=points, n_points=3)
    assert "principal direction 1" in display.labels[0]
    np.testing.assert_allclose(display.paths[""].distance, 0.0, atol=1e-12)
    line = LossSurfaceDisplay.from_estimator(reg, Z, Z[:, 0], paths=reg.coef_ + np.outer([0, 1, 2], w[0]))
    assert len(line.labels) == 1, "a path along one line has a curve"


@pytest.mark.parametrize("name", ["log_loss", "certified", "targets"])
def test_paths_of_estimators_are_taken_as_they_are_recorded(name):
    est, X_, y = fitted(name)
    coefs = np.stack([0.0 * est.coef_, est.coef_])
    intercepts = np.stack([0.0 * est.intercept_, est.intercept_])
    path = SimpleNamespace(steps=np.arange(2), coef=coefs, intercept=intercepts)
    given = [path, (coefs, intercepts), np.hstack([coefs.reshape(2, -1), intercepts])]
    given.append(SimpleNamespace(fit=None, path_=path))
    for one in given:
        display = LossSurfaceDisplay.from_estimator(est, X_, y, directions="path", paths={"run": one}, n_points=3)
        np.testing.assert_allclose(display.paths["run"].distance, 0.0, atol=1e-12)
        assert display.paths["run"].values[1] == pytest.approx(est.objective(X_, y), rel=1e-12)
        zero = est.objective(X_, y, 0 * est.coef_, 0 * est.intercept_)
        assert display.paths["run"].values[0] == pytest.approx(zero, rel=1e-12)


@pytest.mark.parametrize("y", [LABELS, CLASSES], ids=["two classes", "three"])
def test_the_path_that_a_fit_records_is_drawn(y):
    clf = SGDClassifier("log_loss", max_iter=3, tol=None, random_state=0).fit(X, y, record=("coef", "objective"))
    display = LossSurfaceDisplay.from_estimator(clf, X, y, paths={"sgd": clf}, n_points=3)
    assert "principal direction 1" in display.labels[0], "three features: the plane of the path"
    found = display.paths["sgd"]
    assert len(found.values) == len(clf.record_) and found.distance[-1] == pytest.approx(0.0, abs=1e-12)
    assert found.values[-1] == pytest.approx(clf.record_["objective"][-1], rel=1e-9)


def test_long_paths_are_thinned_and_end_where_they_overflow():
    reg = LinearRegressor(alpha=0.1).fit(X[:, :2], Y)
    path = np.linspace([3.0, 3.0], reg.coef_, 50_000)
    path[-1] = np.inf
    display = LossSurfaceDisplay.from_estimator(reg, X[:, :2], Y, paths=path, n_points=3)
    assert len(display.paths[""].values) == 2000
    np.testing.assert_allclose(display.paths[""].coordinates[[0, -1]], path[[0, -2]])


def test_a_path_that_diverges_does_not_hide_the_bowl():
    reg = LinearRegressor(alpha=0.1).fit(X[:, :2], Y)
    display = LossSurfaceDisplay.from_estimator(
        reg, X[:, :2], Y, paths=reg.coef_ + np.outer(10.0 ** np.arange(20), [1, 1])
    )
    assert all(axis[-1] - axis[0] < 100 for axis in display.coordinates)


# ---------------------------------------------------------------- functions
def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def test_a_function_of_two_numbers_with_paths_of_minimize():
    runs = {name: minimize(rosenbrock, [-1.0, 1.0], optimizer=name, eta0=1e-3, steps=50) for name in ("sgd", "adam")}
    display = LossSurfaceDisplay.from_function(rosenbrock, [(-2, 2), (-1, 3)], n_points=(5, 9), paths=runs)
    us, vs = display.coordinates
    np.testing.assert_allclose(display.values, rosenbrock(np.meshgrid(us, vs)))
    np.testing.assert_allclose(display.paths["adam"].values, runs["adam"].objective, rtol=1e-9)
    alone = LossSurfaceDisplay.from_function(rosenbrock, [(-2, 2), (-1, 3)], n_points=5, paths=runs["sgd"])
    assert [line.get_label() for line in alone.lines_] == ["path"]
    assert display.ax_.get_xlabel() == "w0" and display.minimum == (pytest.approx([1.0, 1.0]), 0.0)


@pytest.mark.parametrize("start", [2.0, [2.0]])
def test_a_function_of_one_number(start):
    found = minimize(lambda w: np.sum(w**2), start, eta0=0.1, optimizer="sgd", steps=10)
    display = LossSurfaceDisplay.from_function(lambda w: np.sum(w**2), (-3, 3), paths=found)
    np.testing.assert_allclose(display.line_.get_ydata(), display.coordinates[0] ** 2, atol=1e-12)
    np.testing.assert_allclose(display.lines_[0].get_ydata(), found.objective, rtol=1e-12)


def test_a_function_of_many_numbers_along_some():
    def f(w):
        return float(np.sum(np.arange(6).reshape(2, 3) * w**2))

    point = np.ones((2, 3))
    display = LossSurfaceDisplay.from_function(f, (0, 2), point=point, directions=[1, 5], n_points=3)
    assert display.values[0, 2] == f(np.array([[1, 2, 1], [1, 1, 0]])) and display.labels == ("w1", "w5")
    along = LossSurfaceDisplay.from_function(f, 1.0, point=point, directions=[point], n_points=3)
    np.testing.assert_allclose(along.values, [0.0, f(point), 4 * f(point)])


# ---------------------------------------------------------------- drawing
@pytest.fixture(scope="module")
def bowl():
    reg = LinearRegressor(alpha=0.0, fit_intercept=False).fit(X[:, :2], Y)
    display = LossSurfaceDisplay.from_estimator(
        reg, X[:, :2], Y, paths={"a": descent(), "b": descent()[:5]}, n_points=9
    )
    plt.close("all")
    return display


def test_it_is_drawn_again_elsewhere(bowl):
    _, axes = plt.subplots(1, 2)
    assert bowl.plot(axes[1], name="least squares") is bowl
    assert bowl.ax_ is axes[1] and bowl.figure_ is axes[1].figure and axes[1].get_title() == "least squares"
    ax = plt.figure().add_subplot(projection="3d")
    bowl.plot(ax, kind="surface")
    assert bowl.ax_ is ax and bowl.colorbar_ is None and len(bowl.lines_) == 2
    assert bowl.plot(kind="surface").ax_.name == "3d"
    np.testing.assert_allclose(bowl.lines_[0].get_data_3d()[2][-1], bowl.paths["a"].values[-1])


def test_keywords_override_single_defaults(bowl):
    bowl.plot(
        path_kw=[{"color": "red"}, {"lw": 5}],
        surface_kw={"cmap": "plasma"},
        mark_kw={"markersize": 20},
        marks=["fitted"],
    )
    assert bowl.lines_[0].get_color() == "red" and bowl.lines_[0].get_linewidth() == 1.8
    assert bowl.lines_[1].get_linewidth() == 5 and bowl.surface_.get_cmap().name == "plasma"
    assert list(bowl.marks_) == ["fitted"] and bowl.marks_["fitted"].get_markersize() == 20
    bowl.plot(surface_kw={"colors": ["#ff0000", "#00ff00"], "levels": [0.0, 1.0, 100.0]})
    assert matplotlib.colors.same_color(bowl.surface_.get_facecolor()[0], "#ff0000")
    bowl.plot(colorbar=False, marks=())
    assert bowl.colorbar_ is None and bowl.marks_ == {}
    curve = LossSurfaceDisplay.from_function(np.sum, (0, 1), surface_kw={"color": "green"}, n_points=3)
    assert curve.line_.get_color() == "green" and curve.line_.get_linewidth() == 1.8


def test_levels_are_closer_near_the_minimum_where_the_function_is_steep(bowl):
    plain = np.diff(bowl.plot(levels=8, log_levels=False).surface_.levels)
    assert len(plain) == 7 and np.ptp(plain) < 1e-9
    closer = np.diff(bowl.plot(levels=8, log_levels=True).surface_.levels)
    assert (np.diff(closer) > 0).all()
    valley = LossSurfaceDisplay.from_function(rosenbrock, [(-2, 2), (-1, 3)], n_points=9)
    assert np.diff(valley.surface_.levels)[0] < np.diff(valley.surface_.levels)[-1] / 100
    np.testing.assert_array_equal(bowl.plot(levels=[0.5, 1.0, 9.0]).surface_.levels, [0.5, 1.0, 9.0])


def test_a_minimum_at_the_edge_is_not_marked():
    slope = LossSurfaceDisplay.from_function(lambda w: w[0] + w[1], [(0, 1), (0, 1)], n_points=5)
    assert slope.marks_ == {}
    flat = LossSurfaceDisplay.from_function(lambda w: 1.0, [(0, 1), (0, 1)], n_points=5)
    assert flat.minimum[1] == 1.0


def test_what_is_wrong_is_named(bowl):
    reg, Z = LinearRegressor(alpha=0.1).fit(X, Y), X
    draw = LossSurfaceDisplay.from_estimator

    def says(words, **given):
        with pytest.raises(ValueError, match=words):
            draw(reg, Z, Y, **given)

    says("there is no weight 'age'. Name a feature such as 'x0'", directions="age")
    says("there is no weight 7, there are 3", directions=[7])
    says("two different weights", directions=[0, 0])
    says("two that differ", directions=[np.ones(3), -2 * np.ones(3)])
    says(r"directions\[1\] is 0", directions=[np.ones(3), np.zeros(3)])
    says("one or two weights or vectors", directions=[0, 1, 2])
    says(r"directions\[0\] must have points of shape \(3,\)", directions=[np.ones(2)])
    says("needs a path|give paths", directions="path")
    says("needs a path that moves", directions="path", paths=np.append(reg.coef_, reg.intercept_)[None])
    says("span must be", span=(2, 1))
    says("span must be", span="wide")
    says("n_points", n_points=1)
    says("n_points", n_points=(3, 3, 3))
    says(r"paths must have points of shape \(3,\)", paths=np.zeros((4, 2)))
    says(r"paths\['a'\] is a SGDRegressor without path_: fit it with record='coef'", paths={"a": SGDRegressor()})
    says(r"\('x1', 'b'\) must name one of \[None\]", directions=[("x1", "b")])
    says(r"coef must have the shape \(3,\)", point=np.zeros(2))
    says("random_state must be", random_state="a")
    says("several paths go into a dict", paths=[np.zeros((3, 3)), np.ones((3, 3))])
    says("kind must be one of", kind="curve")
    says("levels", levels=1)
    says("marks", marks="minimum")
    says("path_kw", path_kw=[{}, {}], paths=np.zeros((2, 3)))
    says("ax must be of projection '3d'", kind="surface", ax=plt.subplots()[1])
    with pytest.raises(ValueError, match="directions='hessian': loss='hinge' has no second derivative"):
        draw(SGDClassifier(), X, LABELS, directions="hessian")
    with pytest.raises(ValueError, match="fit_intercept=False"):
        draw(SGDRegressor(fit_intercept=False), X, Y, directions="intercept")
    with pytest.raises(ValueError, match=r"must name one of \[0, 1, 2\]"):
        draw(SGDClassifier(), X, CLASSES, directions=[("x0", "d")])
    with pytest.raises(ValueError, match="found Pipeline; give its last step"):
        draw(make_pipeline(StandardScaler(), SGDRegressor()), X, Y)
    with pytest.raises(ValueError, match="found LinearRegressorCV; give one with alpha="):
        draw(LinearRegressorCV(alphas=2).fit(X, Y), X, Y)
    with pytest.raises(ValueError, match="functions of more need `point`"):
        LossSurfaceDisplay.from_function(np.sum, [(0, 1)] * 3)
    with pytest.raises(ValueError, match="f must give one number"):
        LossSurfaceDisplay.from_function(lambda w: w, [(0, 1)] * 2)
    with pytest.raises(ValueError, match="no value of the grid is finite"):
        LossSurfaceDisplay.from_function(lambda w: np.nan, (0, 1))


@pytest.mark.parametrize("look", ["default", "dark_background"])
@pytest.mark.parametrize("kind", ["contour", "surface"])
def test_texts_have_the_colour_of_the_page(bowl, look, kind):
    with plt.style.context(look):
        bowl.plot(kind=kind).figure_.canvas.draw()
        colour = matplotlib.rcParams["text.color"]
        texts = [*bowl.ax_.get_legend().get_texts(), bowl.ax_.xaxis.label]
        assert all(matplotlib.colors.same_color(text.get_color(), colour) for text in texts)
