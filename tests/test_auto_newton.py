"""Newton's steps of learning_rate="auto" on dense rows of few columns: what one pass comes to, in pieces and in parts too."""

import numpy as np
import pytest
from support.auto import far, flat
from support.kernels import bind, rows, targets

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor, auto_newton, engine, load, losses
from fastsgd.auto import LOST, NEWTON_COLUMNS, OWED, B
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

ONE = dict(learning_rate="auto", max_iter=1, tol=None, shuffle=False)


def correlated(n, d, seed=0):
    """Columns that have most of their variance in common, and say most by what they have not; of all scales, and far from 0."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 1)) + 0.2 * rng.standard_normal((n, d))
    w = rng.standard_normal(d)
    margin = 3 * X @ (w - w.mean())
    scale = 10.0 ** rng.uniform(-3, 3, d)
    return (X + 5.0) * scale, margin, rng


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_one_pass_over_correlated_columns_is_at_the_optimum(dtype):
    X, margin, rng = correlated(12_000, 20)
    y = (rng.random(12_000) < 1 / (1 + np.exp(-margin))).astype(int)
    X, A = X[:8000].astype(dtype), X[8000:].astype(dtype)

    def lost(model):
        z = model.decision_function(A)
        return np.mean(np.logaddexp(0, z) - y[8000:] * z)

    one = SGDClassifier("log_loss", alpha=1e-9, **ONE).fit(X, y[:8000])
    best = lost(LinearClassifier(alpha=1e-9).fit(X, y[:8000]))
    assert "Newton's steps" in one.auto_rule_[0]
    assert lost(one) - best < 0.03 * (np.log(2) - best)


def test_of_the_squared_error_too():
    X, margin, rng = correlated(6000, 30)
    y = 1e4 + margin + rng.standard_normal(6000)
    one = SGDRegressor(alpha=1e-9, **ONE).fit(X[:4000], y[:4000])
    best = LinearRegressor(alpha=1e-9).fit(X[:4000], y[:4000])
    assert 1 - one.score(X[4000:], y[4000:]) < 1.03 * (1 - best.score(X[4000:], y[4000:]))


@flat
@pytest.mark.parametrize("columns, there", [(NEWTON_COLUMNS, True), (NEWTON_COLUMNS + 1, False)])
def test_of_many_columns_there_are_none(columns, there):
    X = np.random.default_rng(0).standard_normal((300, columns))
    model = SGDRegressor(**ONE).fit(X, X[:, 0])
    assert (model._state.auto.curvatures is not None) == there


def test_parts_of_the_rows_are_put_together_by_their_curvatures():
    """Of the squared error the weights are nearly those that all rows would have led to, however unlike the parts are."""
    X, margin, rng = correlated(900, 6)
    X[300:600, :3] *= 5.0
    y = margin + 0.1 * rng.standard_normal(900)
    loss = losses.SquaredError()
    plan = Plan.of(loss, bind("auto", loss), l2=1e-9)
    start = learnt(State.zeros(6, 1, np.float64, 0), plan, X[:60], y[:60])
    start.fold(plan)  # A block of rows has not ended: each part would pay for it.
    whole = learnt(start.copy(), plan, X[60:], y[60:])
    parts = [learnt(start.copy(), plan, X[a:b], y[a:b]) for a, b in ((60, 300), (300, 600), (600, 900))]
    start.merge(parts, plan)
    alone = [abs(newton(part, plan, X) - margin).mean() for part in parts]
    together = abs(newton(start, plan, X) - margin).mean()
    assert together < abs(newton(whole, plan, X) - margin).mean() and together < 1.2 * min(alone) < 0.1 * max(alone)


def learnt(state, plan, X, y):
    for _ in engine.one_pass(engine.Run(state), plan, Table(X, y=y[:, None]), shuffle=False):
        pass
    return state


def newton(state, plan, X):
    """The margins of Newton's steps alone."""
    auto = auto_newton.finished(state.auto, plan)
    W, b = auto.model(state.W, state.A, state.b, state.b_avg, plan.l1, plan.l2, (np.array([1]), np.ones(1)))
    return X @ W[:, 0] + b[0]


@pytest.mark.parametrize("half_life", [None, 40.0])
def test_calls_and_files_are_one_fit(half_life, tmp_path):
    """Calls end within blocks of rows, as files are written."""
    X, margin, _ = correlated(700, 9)
    y = (margin > 0).astype(int)
    given = dict(learning_rate="auto", random_state=0, shuffle=False, half_life=half_life)
    whole = SGDClassifier("log_loss", **given, max_iter=1, tol=None).fit(X, y)
    parts = SGDClassifier("log_loss", **given)
    for lo, hi in ((0, 5), (5, 6), (6, 333), (333, 700)):
        parts.partial_fit(X[lo:hi], y[lo:hi], classes=[0, 1])
        assert np.isfinite(parts.coef_).all()
        parts.save(tmp_path / "model.safetensors")
        parts = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
def test_more_passes_come_nearer_to_the_objective(loss):
    X, margin, rng = correlated(1500, 8)
    make = SGDClassifier if loss == "log_loss" else SGDRegressor
    y = (
        (margin > 0).astype(int) ^ (rng.random(1500) < 0.2)
        if loss == "log_loss"
        else margin + rng.standard_normal(1500)
    )
    X = X / X.std(axis=0)
    gaps = [
        make(loss, learning_rate="auto", tol=None, max_iter=n, random_state=0).fit(X, y).objective(X, y)
        for n in (1, 2, 3)
    ]
    linear = (LinearClassifier if loss == "log_loss" else LinearRegressor)(loss, tol=1e-8).fit(X, y)
    gaps = np.array(gaps) - linear.objective(X, y)
    assert (gaps > -1e-9).all() and (np.diff(gaps) < 1e-9).all() and gaps[2] < 0.5 * gaps[0] + 1e-9, gaps


@far
@flat
@pytest.mark.parametrize("loss", ["log_loss", "poisson", "squared_error", "hinge", "huber"])
def test_a_row_far_from_all_others_does_not_end_a_fit(loss):
    X, s = rows(400)
    y = targets(losses.get(loss), X, 1)[:, 0]
    X[200] *= 1e30
    make = SGDClassifier if loss in ("log_loss", "hinge") else SGDRegressor
    model = make(loss, **ONE).fit(X.astype("f4"), y, sample_weight=s)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()


def test_a_value_far_from_all_others_is_not_multiplied_by_a_weight_that_was_learnt_without_it():
    X, margin, rng = correlated(4000, 5)
    y = (rng.random(4000) < 1 / (1 + np.exp(-margin))).astype(int)
    far = X.copy()
    far[2000, 0] *= 1e6
    without, beside = (SGDClassifier("log_loss", **ONE).fit(some, y)._state.auto.heads[0, LOST][1] for some in (X, far))
    assert beside < 0.5 * without < 0


def test_many_small_parts_do_not_each_pay_for_a_block_that_had_not_ended():
    X, margin, rng = correlated(10_920, 20)
    y, loss = margin + rng.standard_normal(len(margin)), losses.SquaredError()
    plan = Plan.of(loss, bind("auto", loss), l2=1e-9)
    state = learnt(State.zeros(20, 1, np.float64, 0), plan, X[:10_600], y[:10_600])
    before = np.sqrt(np.mean((newton(state, plan, X) - margin) ** 2))
    assert state.auto.heads[0, OWED] > 100
    state.fold(plan)
    state.merge([learnt(state.copy(), plan, X[i : i + 10], y[i : i + 10]) for i in range(10_600, 10_920, 10)], plan)
    assert np.sqrt(np.mean((newton(state, plan, X) - margin) ** 2)) < 1.2 * before


def test_another_schedule_goes_on_from_the_model_as_it_was():
    X, margin, rng = correlated(995, 4)
    y = margin + rng.standard_normal(995)
    model = SGDRegressor(**ONE, penalty=None).fit(X, y)
    coef = model.coef_.copy()
    model.set_params(learning_rate="constant", eta0=1000.0).partial_fit(X[:1], y[:1], sample_weight=[1e-30])
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-6)


def test_the_table_of_coefficients_has_those_of_the_model():
    X, margin, rng = correlated(2000, 4)
    y = margin + rng.standard_normal(2000)
    model = SGDRegressor(learning_rate="auto", max_iter=1, tol=None, random_state=0, n_splits=10).fit(X, y)
    table = model.coef_table()
    if table.attrs["estimate"] == "coef_":
        np.testing.assert_allclose(table["coef"].to_numpy()[-4:], model.coef_)


@flat
def test_of_many_heads_there_are_none():
    """Their matrices would take most of the time of a pass."""
    X = np.random.default_rng(0).standard_normal((50, 64))
    for heads, none in ((4, False), (5, True)):
        assert (SGDRegressor(**ONE).fit(X, X[:, :heads])._state.auto.curvatures is None) == none


@pytest.mark.parametrize("loss", ["hinge", "huber", "quantile", "log_loss"])
def test_where_nothing_is_curved_a_step_is_no_longer_than_elsewhere(loss):
    """Of a hinge all margins of the first block are 0, whose neighbours at 1 and -1 are kinks: the intercept jumped by 100."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 64))
    margin = 1.5 * X @ rng.standard_normal(64) / 8 + rng.logistic(scale=0.5, size=2000)
    make, y = (SGDClassifier, margin > 0) if loss in ("hinge", "log_loss") else (SGDRegressor, margin)
    model = make(loss, **ONE).fit(X, y)
    assert abs(model._state.auto.heads[0, B.start + 1]) < 3


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("columns", [5, 40, 150])
def test_effects_that_turn_round_are_followed(loss, columns):
    """What averages all of its past, or comes to the optimum of all rows, does not follow: the weights of long steps do."""
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((14_000, columns)), 2 * rng.standard_normal(columns) / np.sqrt(columns)
    margin = X @ w * np.where(np.arange(14_000) < 8000, -1, 1)
    noise = rng.logistic(size=14_000)
    make, y = (SGDClassifier, margin + noise > 0) if loss == "log_loss" else (SGDRegressor, margin + noise)
    model = make(loss, **ONE).fit(X[:12_000], y[:12_000])
    z = model.decision_function(X[12_000:]) if loss == "log_loss" else model.predict(X[12_000:])
    assert np.mean((z - margin[12_000:]) ** 2) < 0.2 * margin.var()
    two = make(loss, **ONE | {"max_iter": 2}).fit(X, y)  # Of all rows there are averages, or Newton's steps.
    assert two.auto_rule_[0] in ("average", "Newton's steps", "mean of average and Newton's steps")
    sure = make(loss, n_bootstrap=2, **ONE).fit(X[:2000], y[:2000])  # How sure a model is say averages.
    assert "long steps" not in sure.auto_rule_[0].replace("average of long steps", "")


@pytest.mark.parametrize("columns", [20, 200])
@pytest.mark.parametrize("row", [0, 1])
def test_rows_that_set_the_intercept_do_not_judge_what_knows_them(columns, row):
    """The weights of long steps would seem to have foreseen a far target, as before the third row the intercept is y itself."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, columns)), rng.standard_normal(2000)
    y[row] = 1e6
    model = SGDRegressor(**ONE).fit(X, y)
    assert np.mean(model.predict(rng.standard_normal((2000, columns))) ** 2) < 0.3, model.auto_rule_


def test_in_later_passes_the_model_stays_what_it_is_made_of_however_many_half_lives_pass():
    """What says so were once sums that fade, until they were 0."""
    X, margin, rng = correlated(1000, 6)
    y, params = margin + rng.standard_normal(1000), dict(learning_rate="auto", tol=None, shuffle=False, half_life=25.0)
    rules = [SGDRegressor("huber", **params, max_iter=n).fit(X, y).auto_rule_[0] for n in (2, 14)]
    assert rules[0] == rules[1] != "average"
