"""A loss of the user's own that is wrong: mistakes in words, and check_loss."""

import ctypes
import math
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pytest
from scipy import LowLevelCallable
from scipy.special import cython_special
from sklearn.base import clone
from support.custom import (
    BUILT_IN,
    PAIRS,
    compiled_by_numba,  # noqa: F401 (a fixture)
    fit,
    hinge,
    hinge_slope,
    huber,
    huber_slope,
    squared,
)
from support.data import rows

import fastsgd
from fastsgd import SGDRegressor, losses
from fastsgd.losses import Custom, check_loss

# ---------------------------------------------------------------- mistakes


def raising(p, y):
    raise KeyError("no such key")


@pytest.mark.parametrize(
    "args, words",
    [
        ((1.0, hinge_slope), r"value must be a function made by def or lambda, .*, got 1\.0\."),
        ((hinge, None), r"slope must be a function made by def or lambda, .*, got None\."),
        ((partial(huber, epsilon=1.0), hinge_slope), r"value must be a function made by def or lambda, .*partial"),
        ((math.hypot, hinge_slope), r"value must be a function made by def or lambda"),
        ((huber, hinge_slope), r"value must take \(p, y\) for params of length 0, found \(p, y, epsilon\)\."),
        ((huber, huber_slope, (1, 2)), r"value must take \(p, y, a, b\) for params of length 2, found"),
        ((hinge, lambda p: 0.0), r"slope must take \(p, y\) for params of length 0, found \(p\)\."),
        ((lambda p, y: "a", hinge_slope), r"value must return a number, but at p=.*, y=-1 it returned 'a'\."),
        ((hinge, lambda p, y: None), "slope must return a number, but at .* it returned None"),
        ((lambda p, y: 1j * p, hinge_slope), "value must return a number, .* returned .*j"),
        ((lambda p, y: np.maximum([p], y), hinge_slope), r"value must return a number, .* returned array"),
        ((raising, hinge_slope), r"value raised KeyError at p=.*, y=-1: 'no such key'\."),
        ((hinge, lambda p, y: undefined * p), r"slope raised NameError at .*: name 'undefined' is not defined"),  # noqa: F821
        ((lambda p, y: p / 0, hinge_slope), r"value raised ZeroDivisionError at .*: .*division by zero"),
        ((lambda p, y: math.nan, hinge_slope), "value is finite at none of the predictions and targets tried"),
        ((huber, huber_slope, 1.0), r"params must be a tuple of numbers, such as \(1\.0,\), got 1\.0\."),
        ((huber, huber_slope, "1"), "params must be a tuple of numbers"),
        ((huber, huber_slope, (1j,)), "params must be a tuple of numbers"),
        ((huber, huber_slope, (math.nan,)), "params must be a tuple of numbers"),
        ((huber, huber_slope, range(7)), "params must hold at most 6 numbers, got 7"),
    ],
)
def test_mistakes_are_said_when_the_loss_is_made(args, words):
    with pytest.raises(ValueError, match=words):
        Custom(*args)


def test_compiled_functions_of_another_signature(cfuncs):
    other = LowLevelCallable.from_cython(cython_special, "huber")
    with pytest.raises(ValueError, match=r"value must have the signature 'double \(double, double\)' or .* found"):
        Custom(other, other)
    with pytest.raises(ValueError, match=r"value must have the signature .* found 'float32 \(double\)'"):
        Custom(numba.cfunc("float32(float64)")(lambda p: p), hinge_slope)
    with pytest.raises(ValueError, match="value must take a third argument, a pointer to double"):
        Custom(*cfuncs["two"], (1.0,))
    with pytest.raises(ValueError, match="value: a LowLevelCallable with user_data"):
        Custom(LowLevelCallable(cfuncs["three"][0].ctypes, ctypes.c_void_p(0)), hinge_slope)


TABLE = {1.0: 2.0}


def looked_up(p, y):
    return TABLE.get(y, 2.0) * p


@pytest.mark.parametrize("heads", [1, 3])
def test_what_numba_cannot_compile_is_said_at_first_use(heads):
    with pytest.raises(
        ValueError, match=r"^value can't be compiled by Numba: .*TABLE.*; use only floats, math and"
    ) as e:
        fit(Custom(looked_up, lambda p, y: 2.0), heads=heads)
    assert "\n" not in str(e.value) and e.value.__suppress_context__
    own = Custom(lambda p, y: p if p < 1e5 else None, lambda p, y: 1.0)
    with pytest.raises(ValueError, match=r"^value can't be compiled by Numba to return a number: it returns"):
        own.value(1.0, 1.0)


def test_numba_switched_off(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(ValueError, match="NUMBA_DISABLE_JIT is set"):
        Custom(lambda p, y: p * y, lambda p, y: y).value(1.0, 1.0)


def test_a_loss_without_functions():
    with pytest.raises(TypeError, match=r"Loss has no functions; make a loss of your own by losses\.Custom"):
        losses.Loss().value(0.0, 1.0)


# ---------------------------------------------------------------- check_loss


@pytest.mark.parametrize("loss", BUILT_IN, ids=repr)
def test_check_loss_of_the_built_in(loss):
    report = check_loss(loss)
    assert report.slope_ok and report.worst is None
    assert (report.convex, report.smooth) == (loss.convex, loss.smooth)


@pytest.mark.parametrize("name", PAIRS)
def test_check_loss_of_ones_own(name):
    ours, own = PAIRS[name]
    assert own.report == check_loss(own), "the functions of Python and those of C"
    assert own.report.slope_ok and (own.convex, own.smooth) == (ours.convex, ours.smooth)


@pytest.mark.parametrize(
    "value, slope, words",
    [
        (squared, lambda p, y: 1.001 * (p - y), r"at p=0, y=.* it is .* and should be"),
        (squared, lambda p, y: y - p, "it is -1 and should be 1"),
        (hinge, lambda p, y: -y if p * y < 1.1 else 0.0, r"at p=-?1\.05, y=.* and should be -?0"),
        (hinge, lambda p, y: 0.0, "it is 0 and should be 1"),
        (hinge, lambda p, y: 9.0 * y if p * y == 1 else (-y if p * y < 1 else 0.0), r"at p=-?1, y=-?1 it is -?9 and"),
        (lambda p, y: -math.log(p) if p > 0 else math.inf, lambda p, y: -1 / p, "value is not finite at p=0, y=-1"),
        (lambda p, y: abs(p - y), lambda p, y: (p - y) / abs(p - y), "slope is not finite at p=-1, y=-1"),
    ],
)
def test_a_wrong_slope_is_a_warning(value, slope, words):
    with pytest.warns(UserWarning, match=r"^losses\.Custom: .*" + words) as caught:
        loss = Custom(value, slope)
    assert len(caught) == 1 and caught[0].filename == __file__ and "\n" not in str(caught[0].message)
    assert not loss.report.slope_ok
    p, y, given, right = loss.report.worst
    assert given == slope(p, y) if math.isfinite(given) else math.isnan(right)
    pickle.loads(pickle.dumps(Custom(hinge, hinge_slope)))  # no second warning where it is unpickled, or cloned
    assert clone(loss).report is loss.report


@pytest.mark.parametrize("at_kink", [-1.0, -0.3, 0.0, 1.0])
def test_any_subgradient_is_right_at_a_kink(at_kink):
    assert Custom(
        lambda p, y: abs(p - y), lambda p, y: at_kink if p == y else math.copysign(1.0, p - y)
    ).report.slope_ok


def test_targets_outside_the_domain_are_left_out():
    """A deviance is defined for positive targets, and overflows far out."""
    own = Custom(
        lambda p, y: math.exp(p) - y * p + y * math.log(y) - y,
        lambda p, y: math.exp(p) - y,
    )
    assert own.report == (True, True, True, None, "slope is the derivative of value; convex, smooth")
    X, y, _ = rows()
    y = np.exp(y / 3)
    kwargs = dict(random_state=0, max_iter=5, tol=None)
    np.testing.assert_allclose(
        SGDRegressor(own, **kwargs).fit(X, y).coef_, SGDRegressor("poisson", **kwargs).fit(X, y).coef_, rtol=1e-9
    )


def test_numba_is_loaded_by_the_first_use():
    code = "import sys; from fastsgd.losses import Custom; "
    code += "loss = Custom(lambda p, y: (p - y) ** 2, lambda p, y: 2 * (p - y)); assert 'numba' not in sys.modules; "
    code += "loss.slope(1.0, 0.0); assert 'numba' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(fastsgd.__file__).parents[1])


def test_check_loss_of_any_object():
    class Cosine:
        def value(self, p, y):
            return 1.0 - math.cos(p - y)

        def slope(self, p, y):
            return math.sin(p - y)

    assert check_loss(Cosine())[:3] == (True, False, True)
