"""A loss of the user's own does what the built-in one of the same formula does, and mistakes in it are said."""

import copy
import ctypes
import gc
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
from scipy import LowLevelCallable
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support.custom import (
    PAIRS,
    compiled_by_numba,  # noqa: F401 (a fixture)
    fit,
    hinge,
    hinge_slope,
    huber,
    huber_slope,
    quantile,
    quantile_slope,
    squared,
    squared_slope,
)
from support.data import LAYOUTS, rows

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, losses
from fastsgd.losses import LOSSES, Custom


def weighted(p, y, a, b, c, d, e, f):
    return a * b * c * d * e * f * (p - y) ** 2


def weighted_slope(p, y, a, b, c, d, e, f):
    return 2 * a * b * c * d * e * f * (p - y)


def same_fits(a, b, *args, rtol=1e-12, **kwargs):
    """The first two losses give one model; as regressors, unless the second is of a classifier."""
    cls = SGDRegressor if "regressor" in b.task else SGDClassifier
    same(fit(a, *args, cls=cls, **kwargs), fit(b, *args, cls=cls, **kwargs), rtol)


def same(a, b, rtol=1e-12):
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=rtol, atol=rtol)
    np.testing.assert_allclose(a.history_["loss"], b.history_["loss"], rtol=max(rtol, 1e-12))


# ---------------------------------------------------------------- the same as the built-in


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PAIRS)
def test_trains_as_the_built_in(name, layout, dtype, heads):
    ours, own = PAIRS[name]
    same_fits(own, ours, layout, dtype, heads, rtol=1e-12 if dtype == "f8" else 1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_value_slope_and_both_are_the_functions(name):
    ours, own = PAIRS[name]
    p, y = np.linspace(-9, 9, 101), np.resize([-1.0, 1.0], 101)
    theirs = (y + 1) / 2 if name == "log_loss" else y
    for mine, right in [(own.value(p, y), ours.value(p, theirs)), (own.slope(p, y), ours.slope(p, theirs))]:
        np.testing.assert_allclose(mine, right, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(own.both(p, y), (own.value(p, y), own.slope(p, y)))


def test_classification_by_a_loss_of_regression():
    same(fit(PAIRS["huber"][1], cls=SGDClassifier), fit(PAIRS["huber"][0], cls=SGDClassifier))


def test_six_params():
    loss = Custom(weighted, weighted_slope, (1, 2, 0.5, 4, 0.25, 3))
    assert loss.value(3.0, 1.0) == 12.0 and loss.slope(3.0, 1.0) == 12.0
    same(fit(loss), fit(Custom(weighted, weighted_slope, (3, 1, 1, 1, 1, 1))))


def test_division_by_zero_raises_nothing():
    loss = Custom(lambda p, y: (p - y) ** 2 / abs(y), lambda p, y: 2 * (p - y) / abs(y))
    assert loss.value(1.0, 0.0) == np.inf


def test_integers_and_jitted_functions():
    """What Numba takes to be an int becomes a float; a function of numba.njit is as good as a plain one."""
    loss = Custom(numba.njit(lambda p, y: abs(p - y)), lambda p, y: (p > y) - (p < y))
    np.testing.assert_array_equal(loss.slope([0.0, 1.0, 2.0], 1.0), [-1, 0, 1])
    same_fits(loss, Custom(lambda p, y: abs(p - y), lambda p, y: 0.0 if p == y else math.copysign(1.0, p - y)))


# ---------------------------------------------------------------- functions that are compiled already


@pytest.mark.parametrize("heads", [1, 3])
def test_cfuncs(cfuncs, heads):
    same_fits(Custom(*cfuncs["two"]), PAIRS["hinge"][0], heads=heads)
    same_fits(Custom(*cfuncs["three"], (0.7,)), PAIRS["huber"][0], heads=heads)
    same_fits(Custom(hinge, cfuncs["two"][1]), PAIRS["hinge"][0], heads=heads)


@pytest.mark.parametrize("heads", [1, 3])
def test_low_level_callables(cfuncs, heads):
    two, three = ([LowLevelCallable(f.ctypes) for f in cfuncs[name]] for name in ("two", "three"))
    same_fits(Custom(*two), PAIRS["hinge"][0], heads=heads)
    same_fits(Custom(*three, (0.7,)), PAIRS["huber"][0], heads=heads)
    void = [LowLevelCallable(f.ctypes, signature="double (double, double, void *)") for f in cfuncs["three"]]
    same_fits(Custom(*void, (0.7,)), PAIRS["huber"][0], heads=heads)


def test_a_callback_of_ctypes():
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double)
    own = Custom(LowLevelCallable(kind(squared)), LowLevelCallable(kind(squared_slope)))
    same_fits(own, losses.SquaredError(), heads=3)


def test_the_code_lives_as_long_as_the_loss():
    sig = numba.float64(numba.float64, numba.float64)
    by_cfunc = Custom(numba.cfunc(sig)(lambda p, y: 0.5 * (p - y) ** 2), numba.cfunc(sig)(lambda p, y: p - y))
    by_function = Custom(lambda p, y: 0.5 * (p - y) ** 2, lambda p, y: p - y)
    by_function.value(0.0, 1.0)
    fastsgd.custom._from_python.cache_clear()
    gc.collect()
    for loss in (by_cfunc, by_function):
        same(fit(loss), fit(losses.SquaredError()))


# ---------------------------------------------------------------- the object


def test_get_params_equality_and_hash():
    loss = Custom(huber, huber_slope, [0.7])
    assert loss.get_params() == {"value": huber, "slope": huber_slope, "params": (0.7,)}
    assert loss == PAIRS["huber"][1] and hash(loss) == hash(PAIRS["huber"][1])
    assert loss != Custom(huber, huber_slope, (0.8,)) and loss != Custom(hinge, hinge_slope)
    assert loss.name == "custom" and "custom" not in LOSSES
    loss.value(0.0, 9.0)
    loss.set_params(params=(2.0,))
    assert loss.value(0.0, 9.0) == losses.Huber(2.0).value(0.0, 9.0)
    with pytest.raises(ValueError, match=r"value must take \(p, y\) for params of length 0"):
        loss.set_params(params=())
    assert loss.get_params()["params"] == (2.0,), "a change that failed changed nothing"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, clone, lambda loss: pickle.loads(pickle.dumps(loss))])
def test_copies(again):
    loss = PAIRS["huber"][1]
    other = again(loss)
    assert other is not loss and other == loss and other.report == loss.report
    same(fit(other), fit(loss))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, clone])
def test_copies_of_compiled_functions(again, cfuncs):
    for own in (Custom(*cfuncs["two"]), Custom(*[LowLevelCallable(f.ctypes) for f in cfuncs["two"]])):
        assert again(own) == own
        assert clone(SGDClassifier(own)).loss == own
        np.testing.assert_array_equal(again(own).slope([0.0, 2.0], 1.0), [-1.0, 0.0])


def test_pickle_compiles_again_in_another_process(cfuncs):
    models = [fit(PAIRS["huber"][1]), fit(Custom(*cfuncs["three"], (0.7,)))]
    path = [str(Path(__file__).parent), str(Path(fastsgd.__file__).parents[1])]
    code = f"import pickle, sys; sys.path[:0] = {path}; models = pickle.load(sys.stdin.buffer); "
    code += "pickle.dump([(est.coef_, est.loss.slope([-9.0, 0.2, 9.0], 0.0)) for est in models], sys.stdout.buffer)"
    run = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(run, input=pickle.dumps(models), capture_output=True, check=True)
    for (coef, slope), est in zip(pickle.loads(done.stdout), models, strict=True):
        np.testing.assert_array_equal(coef, est.coef_)
        np.testing.assert_array_equal(slope, [-0.7, 0.2, 0.7])


def test_what_does_not_pickle_says_so(cfuncs):
    with pytest.raises(TypeError, match=r"a loss of a scipy\.LowLevelCallable can't be pickled"):
        pickle.dumps(Custom(*[LowLevelCallable(f.ctypes) for f in cfuncs["two"]]))


def test_grid_search_over_params():
    X, y, _ = rows()
    est = SGDRegressor(Custom(quantile, quantile_slope, (0.5,)), max_iter=20, tol=None, random_state=0, eta0=0.05)
    search = GridSearchCV(est, {"loss__params": [(0.1,), (0.5,)]}, cv=2).fit(X, y)
    assert search.best_params_ == {"loss__params": (0.5,)}
    assert est.loss.get_params()["params"] == (0.5,), "the object that was given is not changed"
    by_name = SGDRegressor(losses.Quantile(0.5), max_iter=20, tol=None, random_state=0, eta0=0.05).fit(X, y)
    same(search.best_estimator_, by_name)


def test_threads():
    """One loss that nobody compiled yet, fitted by many threads at once."""
    own = Custom(lambda p, y: math.cosh(p - y) ** 0.5, lambda p, y: math.sinh(p - y) / math.cosh(p - y) ** 0.5 / 2)
    with ThreadPoolExecutor(8) as pool:
        fits = list(pool.map(lambda seed: fit(own, random_state=seed), [0, 1] * 8))
    for seed, est in zip([0, 1] * 8, fits, strict=True):
        same(est, fit(own, random_state=seed), 0)
