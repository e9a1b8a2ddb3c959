"""The constant of learning_rate="auto", of which a part of the model may consist, is the best one of the rows so far."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from support.cases import covering
from support.same_models import assert_same_state

from fastsgd import SGDClassifier, SGDRegressor, auto_merge, engine, load, losses, parallel, schedules
from fastsgd.auto import BEND, FLAT, N_ATOMS
from fastsgd.lanes import Merged
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

AUTO = dict(learning_rate="auto", max_iter=1, tol=None, random_state=0, shuffle=False)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CLASSIFIERS = [
    name for name, cls in losses.LOSSES.items() if "classifier" in cls.task and cls.convex and name != "perceptron"
]
REGRESSORS = [name for name, cls in losses.LOSSES.items() if "regressor" in cls.task and cls.convex]
TARGETS = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "far off": lambda rng, n: 1e3 + 1e-2 * rng.standard_normal(n),
    "in millions": lambda rng, n: 1e6 * rng.standard_t(2.2, n),
    "skew": lambda rng, n: np.exp(1.5 * rng.standard_normal(n)),
    "counts": lambda rng, n: rng.poisson(3, n).astype(float),
}


def log_cosh():
    return losses.Custom(
        lambda p, y: abs(p - y) + math.log1p(math.exp(-2 * abs(p - y))) - math.log(2.0), lambda p, y: math.tanh(p - y)
    )


def own_hinge():
    return losses.Custom(lambda p, y: max(0.0, 1.0 - p * y), lambda p, y: -y if p * y < 1.0 else 0.0)


def noise(layout, n, dtype="f8"):
    X = np.random.default_rng(1).standard_normal((n, 3)).astype(dtype)
    return sp.csr_matrix(X) if layout == "csr" else X


def constants(est):
    return est._state.auto.heads[:, FLAT]


def best(loss, y, s):
    """The least mean loss that a constant has, by golden section."""
    low, high = min(y.min(), -30.0), max(y.max(), 30.0)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(200):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if mean_loss(loss, a, y, s) <= mean_loss(loss, b, y, s) else (a, high)
    return mean_loss(loss, (low + high) / 2, y, s)


def mean_loss(loss, constant, y, s):
    return np.average(loss.value(np.full(len(y), constant), y), weights=s)


@pytest.mark.parametrize(
    "layout, dtype, name, share, n",
    covering(2, ["dense", "csr"], ["f4", "f8"], [*CLASSIFIERS, own_hinge, log_cosh], [0.5, 0.2, 0.02], [60, 3000]),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_of_two_classes_it_is_that_of_their_weights(layout, dtype, name, share, n):
    rng, loss = np.random.default_rng(0), name() if callable(name) else losses.get(name)
    y, s = np.where(rng.random(n) < share, 1, -1), rng.uniform(0.5, 2, n)
    y[:2] = 1, -1
    est = SGDClassifier(loss, class_weight={-1: 0.7, 1: 1.0}, **AUTO).fit(noise(layout, n, dtype), y, sample_weight=s)
    s = s * np.where(y > 0, 1.0, 0.7)
    if loss.name == "log_loss":
        positive = s[y > 0].sum() / s.sum()
        assert constants(est) == pytest.approx(np.log(positive / (1 - positive)))
    elif loss.name == "hinge":
        assert constants(est) == np.sign(s @ y)
    else:
        assert mean_loss(loss, constants(est)[0], y, s) <= best(loss, y, s) * (1 + 2e-4)


@pytest.mark.parametrize(
    "layout, dtype, name, kind, n",
    covering(2, ["dense", "csr"], ["f4", "f8"], [*REGRESSORS, log_cosh], TARGETS, [10, 64, 500, 6000]),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_of_numbers_it_is_exact_for_few_and_near_for_many(layout, dtype, name, kind, n):
    loss = name() if callable(name) else losses.get(name)
    rng = np.random.default_rng(0)
    y, s = TARGETS[kind](rng, n), rng.uniform(0.5, 2, n)
    y = abs(y) + 0.1 if loss.lower == 0 else y
    est = SGDRegressor(loss, **AUTO).fit(noise(layout, n, dtype), y, sample_weight=s)
    least = best(loss, y, s)
    spread = mean_loss(loss, constants(est)[0], y, s) - least
    exact = loss.by_mean or n <= 64 or (kind == "counts" and n <= 4096)  # of more rows one in four counts
    assert spread <= (2e-4 if exact else 0.005) * abs(least)


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e9, 1e12])
def test_of_a_log_link_no_unit_is_too_large_or_small(layout, unit):
    y = unit * np.random.default_rng(0).gamma(2, 1, 100)
    for name in ("poisson", "gamma"):
        assert constants(SGDRegressor(name, **AUTO).fit(noise(layout, 100), y)) == pytest.approx(np.log(y.mean()))


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["quantile", "hinge", own_hinge])
def test_in_pieces_and_from_a_file_it_is_the_same(layout, name, tmp_path):
    loss = name() if callable(name) else name
    X, y = noise(layout, 400), np.random.default_rng(0).standard_normal(400)
    if name != "quantile":
        y = np.where(y > 0.3, 1, -1)
    make, given = (SGDRegressor, {}) if name == "quantile" else (SGDClassifier, {"classes": [-1, 1]})
    whole, pieces = (make(loss, **AUTO).partial_fit(X[:1], y[:1], **given) for _ in range(2))
    whole.partial_fit(X[1:], y[1:])
    for lo in range(1, 400, 57):
        pieces.partial_fit(X[lo : lo + 57], y[lo : lo + 57])
        if isinstance(loss, str):
            pieces.save(tmp_path / "model")
            pieces = load(tmp_path / "model")
    assert_same_state(whole._state, pieces._state)


def of_parts(loss, y, n_lanes, calls=1, layout="csr", s=None, intercept=True):
    """The numbers of the head after these targets, in so many calls, of each of which lanes learn parts."""
    schedule = schedules.get("auto").bind(eta0=1.0, alpha=0.01, power_t=0.3, loss=loss, pass_rows=len(y), passes=1)
    plan = Plan.of(loss, schedule, l2=1e-4, intercept_decay=float(intercept))
    state, X = State.zeros(3, 1, np.dtype("f8"), 0), noise(layout, len(y))
    for part in np.array_split(np.arange(len(y)), calls):
        table = Table(X[part], y=y[part, None], s=None if s is None else s[part])
        for _ in engine.one_pass(engine.Run(state), plan, table, False, Merged(n_lanes)):
            pass
    return state.auto.heads[0]


@pytest.mark.parametrize(
    "layout, name, kind, n, lanes, calls",
    covering(
        2,
        ["dense", "csr"],
        [*(name for name in REGRESSORS if not losses.LOSSES[name].by_mean), log_cosh],
        ["normal", "skew", "counts"],
        [50, 300, 6000],
        [2, 5],
        [1, 4],
    ),
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_of_rows_in_parts_it_is_that_of_all(layout, name, kind, n, lanes, calls):
    loss, rng = name() if callable(name) else losses.get(name), np.random.default_rng(0)
    y, s = TARGETS[kind](rng, n), rng.uniform(0.5, 2, n)
    y = abs(y) + 0.1 if loss.lower == 0 else y
    found = of_parts(loss, y, lanes, calls, layout, s)
    least = best(loss, y, s)
    exact = n <= 64 or (kind == "counts" and n <= 4096)
    assert mean_loss(loss, found[FLAT], y, s) - least <= (1e-9 if exact else 0.01) * abs(least)


@pytest.mark.parametrize("lanes, calls", [(2, 1), (2, 9), (7, 3)])
def test_parabolas_of_parts_add_up_to_that_of_all(lanes, calls):
    """Of targets that rise from part to part, of which no part has those of another one."""
    y = np.sort(np.random.default_rng(0).lognormal(0, 1.5, 3000))
    found = of_parts(losses.Huber(1e6), y, lanes, calls)
    assert found[FLAT] == pytest.approx(y.mean(), rel=1e-9)
    assert found[BEND] + found[N_ATOMS] == pytest.approx(3000)  # the curvature of each row is 1


def test_what_parts_have_in_common_counts_once():
    """Targets from before the parts, which each of these has then made a parabola of with its own."""
    rng = np.random.default_rng(0)
    y = np.append(rng.normal(50, 1, 60), rng.normal(0, 1, 400))
    found = of_parts(losses.Huber(1e6), y[:60], 1), of_parts(losses.Huber(1e6), y, 4, 460 // 60)
    assert found[0][FLAT] == pytest.approx(y[:60].mean()) and found[1][FLAT] == pytest.approx(y.mean(), rel=1e-9)


@pytest.mark.parametrize("name", ["hinge", own_hinge])
def test_of_classes_in_parts_it_is_that_of_all(name):
    loss = name() if callable(name) else losses.get(name)
    y = np.where(np.random.default_rng(0).random(900) < 0.3, 1.0, -1.0)
    for some in (y, np.sort(y)):
        assert of_parts(loss, some, 3, 2)[FLAT] == pytest.approx(-1, abs=1e-9)
    assert mean_loss(loss, of_parts(loss, np.ones(900), 3, 2)[FLAT], np.ones(900), None) < 1e-9


@pytest.mark.parametrize("name", ["quantile", "huber", "epsilon_insensitive"])
def test_threads_have_it_too(name, monkeypatch):
    for limit, value in (("MIN_ROUND_WORK", 1.0), ("MIN_PASS_WORK", 0.0), ("MERGE_WORK", 0.0), ("MIN_ROWS", 1)):
        monkeypatch.setattr(parallel, limit, value)
    merged, merge = [], auto_merge.merge
    monkeypatch.setattr(auto_merge, "merge", lambda *given: merged.append(1) or merge(*given))
    y = np.random.default_rng(0).lognormal(0, 1.5, 4000)
    found, loss = SGDRegressor(name, **AUTO, n_jobs=3).fit(noise("dense", 4000), y), losses.get(name)
    assert merged and mean_loss(loss, constants(found)[0], y, None) <= best(loss, y, None) * 1.002


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_where_rows_fade_it_is_that_of_the_last(layout):
    y = np.repeat([0.0, 100.0], 2000) + np.random.default_rng(0).standard_normal(4000)
    for name in ("squared_error", "quantile"):
        est = SGDRegressor(name, **AUTO, half_life=100).fit(noise(layout, 4000), y)
        assert constants(est) == pytest.approx(100, abs=0.5)
    labels = np.repeat([-1, 1], 2000)
    assert constants(SGDClassifier("hinge", **AUTO, half_life=100).fit(noise(layout, 4000), labels)) == 1


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_without_an_intercept_it_is_0(layout):
    for name in ("squared_error", "quantile"):
        est = SGDRegressor(name, **AUTO, fit_intercept=False).fit(noise(layout, 100), np.arange(100.0))
        assert constants(est) == 0


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["log_loss", "poisson", "squared_error", "quantile"])
def test_without_an_intercept_it_is_0_of_parts_too(layout, name):
    y = np.random.default_rng(0).integers(0, 2, 300).astype(float)
    assert of_parts(losses.get(name), y, 3, 2, layout, intercept=False)[FLAT] == 0


def test_targets_without_a_best_prediction_are_refused():
    X, y = noise("dense", 20), np.ones(20)
    y[7] = 2e13
    with pytest.raises(ValueError, match=r"loss='poisson' needs y between 0 and 1.07e\+13 .* found 2e\+13.* Divide y"):
        SGDRegressor("poisson", **AUTO).fit(X, y)
    SGDRegressor("gamma", **AUTO).fit(X, y)
    with pytest.raises(ValueError, match=r"loss='gamma' needs y .* found 1e-20"):
        SGDRegressor("gamma", **AUTO).fit(X, np.full(20, 1e-20))
