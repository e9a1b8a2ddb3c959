"""Schedules: each is its formula, and the objects behave as scikit-learn's parameters do."""

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone

from fastsgd import losses, schedules
from fastsgd.plan import Plan
from fastsgd.schedules import SCHEDULES

ETA0, ALPHA, POWER, ROWS, PASSES = 0.3, 0.01, 0.4, 50, 8
T = np.arange(1.0, ROWS * PASSES + 100)
STEPS = ROWS * PASSES
OBJECTS = [
    cls() for cls in SCHEDULES.values()
]  # "auto" has no step size that is the same for all weights: test_auto.py
OBJECTS += [
    schedules.Exponential(0.5, 7),
    schedules.Step(0.5, 2),
    schedules.Cosine(0.2, 0.01, 3),
    schedules.OneCycle(0.5, 10),
]
every = pytest.mark.parametrize("schedule", OBJECTS, ids=repr)


def bind(schedule, *, loss=None, power_t=POWER, pass_rows=ROWS, alpha=ALPHA):
    loss = losses.Hinge() if loss is None else loss
    return schedule.bind(eta0=ETA0, alpha=alpha, power_t=power_t, loss=loss, pass_rows=pass_rows, passes=PASSES)


def half_cosine(a, b, u):
    return b + (a - b) * (1 + np.cos(np.pi * np.clip(u, 0, 1))) / 2


def optimal(slope):
    typw = np.sqrt(1 / np.sqrt(ALPHA))
    return 1 / (ALPHA * (1 / (ALPHA * typw / max(1.0, slope)) + T - 1))


FORMULAS = [
    (schedules.Constant(), ETA0 + 0 * T),
    (schedules.Adaptive(), ETA0 + 0 * T),
    (schedules.PA1(), ETA0 + 0 * T),
    (schedules.PA2(), ETA0 + 0 * T),
    (schedules.Optimal(), optimal(-1.0)),
    (schedules.InvScaling(), ETA0 / T**POWER),
    (schedules.Exponential(0.8), ETA0 * 0.8 ** ((T - 1) / ROWS)),
    (schedules.Exponential(0.8, pass_rows=20), ETA0 * 0.8 ** ((T - 1) / 20)),
    (schedules.Step(0.2, 3), ETA0 * 0.2 ** np.floor((T - 1) / (3 * ROWS))),
    (
        schedules.Cosine(0.1, 0.02),
        np.where(
            T <= 0.1 * STEPS, ETA0 * T / (0.1 * STEPS), half_cosine(ETA0, 0.02, (T - 1 - 0.1 * STEPS) / (0.9 * STEPS))
        ),
    ),
    (schedules.Cosine(0.0, passes=4), half_cosine(ETA0, 0.0, (T - 1) / (4 * ROWS))),
    (
        schedules.OneCycle(0.25, 20, 100),
        np.where(
            T - 1 < 0.25 * STEPS,
            half_cosine(ETA0 / 20, ETA0, (T - 1) / (0.25 * STEPS)),
            half_cosine(ETA0, ETA0 / 2000, (T - 1 - 0.25 * STEPS) / (0.75 * STEPS)),
        ),
    ),
]


@pytest.mark.parametrize("schedule, formula", FORMULAS, ids=[repr(s) for s, _ in FORMULAS])
def test_formula(schedule, formula):
    np.testing.assert_allclose(bind(schedule)(T), formula, rtol=1e-12, atol=1e-15)


def test_every_schedule_has_a_formula_here():
    assert {s.name for s, _ in FORMULAS} == set(SCHEDULES) - {"auto"}
    assert np.isnan(bind(schedules.Auto())(T)).all()


@pytest.mark.parametrize("power_t", [0.0, 0.25, 0.5, 1.0, -0.5])
def test_inverse_scaling_for_any_power(power_t):
    np.testing.assert_allclose(bind(schedules.InvScaling(), power_t=power_t)(T), ETA0 / T**power_t, rtol=1e-12)


@pytest.mark.parametrize("loss", losses.LOSSES)
def test_optimal_starts_by_the_slope_of_the_loss(loss):
    loss = losses.get(loss)
    slope = float(loss.slope(-np.sqrt(1 / np.sqrt(ALPHA)), 1.0))
    np.testing.assert_allclose(bind(schedules.Optimal(), loss=loss)(T), optimal(slope), rtol=1e-12)


@every
def test_step_sizes_are_finite_and_not_negative_far_past_the_end(schedule):
    eta = bind(schedule)(np.array([1.0, 2.0, 1e3, 1e9, 1e15]))
    assert schedule.auto or (np.isfinite(eta).all() and (eta >= 0).all())


def test_cosine_and_one_cycle_stay_at_their_end():
    assert bind(schedules.Cosine(eta_min=0.01))(1e6) == pytest.approx(0.01)
    assert bind(schedules.OneCycle())(1e6) == pytest.approx(ETA0 / 25 / 1e4)


@pytest.mark.parametrize("name", ["exponential", "step", "cosine", "one_cycle"])
def test_what_counts_in_passes_needs_their_length(name):
    with pytest.raises(ValueError, match=r"pass_rows=\.\.\."):
        bind(SCHEDULES[name](), pass_rows=None)
    assert bind(SCHEDULES[name](pass_rows=ROWS), pass_rows=None)(3.0) == bind(SCHEDULES[name]())(3.0)


# ---------------------------------------------------------------- the objects
@every
def test_pickle_clone_and_repr_give_the_same_schedule(schedule):
    for copy in (pickle.loads(pickle.dumps(schedule)), clone(schedule), eval(repr(schedule), vars(schedules))):
        assert copy == schedule and hash(copy) == hash(schedule)
        np.testing.assert_array_equal(bind(copy)(T), bind(schedule)(T))


@every
def test_bind_leaves_the_object_alone(schedule):
    before = schedule.get_params()
    bound = bind(schedule)
    assert schedule.get_params() == before and bound is not schedule
    other = schedule.bind(eta0=9.0, alpha=1.0, power_t=1.0, loss=losses.Hinge(), pass_rows=3, passes=2)
    np.testing.assert_array_equal(bind(schedule)(T), bound(T))
    assert other == schedule


def test_equality_is_of_class_and_parameters():
    assert schedules.Step(0.5) == schedules.Step(0.5) != schedules.Step(0.6)
    assert schedules.Constant() != schedules.Adaptive() and schedules.Constant() != "constant"


def test_set_params():
    assert schedules.Step().set_params(factor=0.5, every=4) == schedules.Step(0.5, 4)
    with pytest.raises(ValueError, match="no parameter 'gamma'"):
        schedules.Step().set_params(gamma=0.5)


@pytest.mark.parametrize(
    "cls, params",
    [
        (schedules.Exponential, {"decay": 0}),
        (schedules.Exponential, {"decay": 1.1}),
        (schedules.Exponential, {"pass_rows": 0}),
        (schedules.Step, {"factor": 2}),
        (schedules.Step, {"every": 0}),
        (schedules.Cosine, {"warmup": 1}),
        (schedules.Cosine, {"eta_min": -1}),
        (schedules.Cosine, {"passes": 0}),
        (schedules.OneCycle, {"rise": 0}),
        (schedules.OneCycle, {"div": 0.5}),
        (schedules.OneCycle, {"final_div": np.nan}),
        (schedules.OneCycle, {"passes": -1}),
    ],
)
def test_parameters_out_of_range(cls, params):
    with pytest.raises(ValueError, match=f"{cls.__name__}: {next(iter(params))}"):
        cls(**params)


def test_get():
    assert schedules.get("cosine") == schedules.Cosine()
    with pytest.raises(ValueError, match="learning_rate must be one of"):
        schedules.get("cosinus")


@every
def test_one_that_does_not_know_a_fit_has_no_step_size(schedule):
    needs = ", ".join(f"{name}=..." for name in schedule.needs)
    with pytest.raises(ValueError, match=re.escape(f"does not know the numbers of a fit: call bind({needs}), which")):
        schedule(1.0)
    with pytest.raises(ValueError, match="does not know the numbers of a fit"):
        Plan.of(losses.Hinge(), schedule, l1=0.0, l2=0.0)
    again = bind(pickle.loads(pickle.dumps(bind(schedule))))
    assert np.isnan(again(1.0)) if schedule.auto else again(1.0) > 0


@every
def test_bind_takes_what_the_schedule_needs_and_misses_it(schedule):
    """What the error of an unbound one says to do, done."""
    given = {
        "eta0": ETA0,
        "alpha": ALPHA,
        "power_t": POWER,
        "loss": losses.Hinge(),
        "pass_rows": ROWS,
        "passes": PASSES,
    }
    needed = {name: given[name] for name in schedule.needs}
    np.testing.assert_array_equal(schedule.bind(**needed)(T), bind(schedule)(T))
    for name in needed:
        if getattr(schedule, name, None) is None:
            with pytest.raises(ValueError, match=rf"needs .*{name}|{name}=\.\.\."):
                schedule.bind(**{key: value for key, value in needed.items() if key != name})
