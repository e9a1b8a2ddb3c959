"""The implicit step of each loss is the root of its equation, and the conjugate its Legendre transform."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.losses import OBJECTS, targets

from fastsgd import losses
from fastsgd.losses import LOSSES

CONVEX = [loss for loss in OBJECTS if loss.convex]
MARGINS = np.r_[-(10.0 ** np.arange(-3, 7)), 0.0, 10.0 ** np.arange(-3, 7), np.linspace(-9, 9, 37), 29.5, 31.0, -31.0]
SIZES = np.r_[0.0, 1e-300, 1e-12, np.logspace(-6, 6, 25), 1e12]
custom = losses.Custom(lambda p, y: np.log(np.cosh(p - y)), lambda p, y: np.tanh(p - y))
hinge = losses.Custom(lambda p, y: max(0.0, 1.0 - p * y), lambda p, y: -y if p * y <= 1.0 else 0.0)
convex = pytest.mark.parametrize("loss", [*CONVEX, custom, hinge], ids=[*map(repr, CONVEX), "custom", "custom hinge"])
conjugates = pytest.mark.parametrize("loss", CONVEX, ids=repr)


def some_targets(loss):
    if isinstance(loss, losses.Custom):
        return np.array([-1.0, 1.0])
    more = [1e-3, 1 - 1e-6] if loss.name == "log_loss" else [] if loss.task == ("classifier",) else [1e5]
    return np.r_[targets(loss), more, [0.0] if loss.name == "poisson" else []]


def brackets(loss, z, s, y, a, error):
    """Whether a root of the growing function a + slope(z + s a) lies within that error of a, z + s a being rounded."""
    low, high, ulp = a - error, a + error, 4e-16 * (abs(z) + abs(s * a))
    return (low + loss.slope(z + s * low - ulp, y) <= 0) & (high + loss.slope(z + s * high + ulp, y) >= 0)


@convex
def test_the_implicit_step_solves_its_equation(loss):
    z, s, y = np.meshgrid(MARGINS, SIZES, some_targets(loss))
    with np.errstate(all="raise", under="ignore"):
        a = loss.implicit(z, s, y)
    good = brackets(loss, z, s, y, a, np.maximum(1e-12 * abs(a), 2e-16 * np.maximum(1.0, abs(y))))
    assert good.all(), (z[~good][:5], s[~good][:5], y[~good][:5], a[~good][:5])


@convex
def test_without_a_step_it_is_minus_the_slope(loss):
    z, y = np.meshgrid(MARGINS, some_targets(loss))
    if loss.name == "quantile" or loss is hinge:
        z = z + 1e-9  # off the kink
    np.testing.assert_array_equal(loss.implicit(z, 0.0, y), -loss.slope(z, y))


@pytest.mark.parametrize("loss", [loss for loss in OBJECTS if not loss.convex], ids=repr)
def test_a_loss_that_is_not_convex_gets_one_of_its_roots(loss):
    z, s, y = np.meshgrid(np.linspace(-20, 20, 41), np.logspace(-3, 3, 13), targets(loss))
    a = loss.implicit(z, s, y)
    assert np.isfinite(a).all()
    np.testing.assert_allclose(a, -loss.slope(z + s * a, y), atol=1e-9)


@conjugates
@settings(deadline=None)
@given(data=st.data())
def test_fenchel_and_young(loss, data):
    """u z <= value(z) + conjugate(u), and equal where u is the slope at z."""
    z, other = (data.draw(st.floats(-30, 30)) for _ in range(2))
    y = data.draw(st.floats(0, 1) if loss.name == "log_loss" else st.sampled_from(list(some_targets(loss))))
    value, u, at = loss.value(z, y), loss.slope(z, y), loss.value(other, y)
    conjugate = loss.conjugate(u, y)
    size = 1.0 + abs(value) + abs(u * z) + abs(u * y)
    assert value + conjugate == pytest.approx(u * z, abs=1e-11 * size)
    assert at + conjugate >= u * other - 1e-11 * (size + abs(at) + abs(u * other))


@conjugates
def test_beyond_every_slope_the_conjugate_is_infinite(loss):
    for y in some_targets(loss):
        reach = loss.slope([-1e8, 1e8], y)
        beyond = np.array([reach[0] - 1e-3 * (1 + abs(reach[0])), reach[1] + 1e-3 * (1 + abs(reach[1]))])
        beyond = beyond[abs(reach) < 1e7] if loss.name not in ("poisson", "gamma") else beyond
        assert np.isinf(loss.conjugate(beyond, y)).all()


@conjugates
def test_the_conjugate_is_finite_at_an_implicit_step(loss):
    z, s, y = np.meshgrid(MARGINS, SIZES, targets(loss))
    assert np.isfinite(loss.conjugate(-loss.implicit(z, s, y), y)).all()


UNBOUNDED = {"poisson", "gamma"}  # slopes that grow without a bound on their own slope
JUMPING = {"hinge", "perceptron", "quantile", "epsilon_insensitive"}  # slopes that are not continuous


@pytest.mark.parametrize("name", sorted(set(LOSSES) - UNBOUNDED - JUMPING))
def test_curvature_bounds_the_slope_of_the_slope(name):
    loss = losses.get(name)
    z = np.linspace(-10, 10, 20001)
    for y in targets(loss):
        steepest = np.max(np.diff(loss.slope(z, y)) / np.diff(z))
        assert steepest == pytest.approx(loss.curvature, rel=1e-3)


def test_bad_arguments():
    with pytest.raises(ValueError, match="s must be >= 0, found -1"):
        losses.Hinge().implicit(0.0, -1.0, 1.0)
    with pytest.raises(ValueError, match="Cauchy has no conjugate"):
        losses.Cauchy().conjugate(0.0, 1.0)
