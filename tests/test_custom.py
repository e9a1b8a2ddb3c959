"""A loss of the user's own does what the built-in one of the same formula does, and mistakes in it are said."""

import copy
import ctypes
import gc
import math
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pytest
from fastsgd.losses import LOSSES, Custom, check_loss
from scipy import LowLevelCallable
from scipy.special import cython_special
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support.data import LAYOUTS, labels, rows

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, losses


def hinge(p, y):
    return max(0.0, 1.0 - y * p)


def hinge_slope(p, y):
    return -y if y * p <= 1.0 else 0.0


def logistic(p, y):
    z = y * p
    return math.log1p(math.exp(-z)) if z > 0 else math.log1p(math.exp(z)) - z


def logistic_slope(p, y):
    z = y * p
    return -y * math.exp(-z) / (1.0 + math.exp(-z)) if z > 0 else -y / (1.0 + math.exp(z))


def squared(p, y):
    return 0.5 * (p - y) ** 2


def squared_slope(p, y):
    return p - y


def huber(p, y, epsilon):
    r = abs(p - y)
    return 0.5 * r * r if r <= epsilon else epsilon * (r - 0.5 * epsilon)


def huber_slope(p, y, epsilon):
    return min(max(p - y, -epsilon), epsilon)


def quantile(p, y, q):
    return q * (y - p) if y > p else (q - 1.0) * (y - p)


def quantile_slope(p, y, q):
    return 0.0 if p == y else (-q if y > p else 1.0 - q)


def welsch(p, y, c):
    return 0.5 * c * c * (1.0 - np.exp(-(((p - y) / c) ** 2)))


def welsch_slope(p, y, c):
    return (p - y) * np.exp(-(((p - y) / c) ** 2))


def weighted(p, y, a, b, c, d, e, f):
    return a * b * c * d * e * f * (p - y) ** 2


def weighted_slope(p, y, a, b, c, d, e, f):
    return 2 * a * b * c * d * e * f * (p - y)


TWO = "float64(float64, float64)"
THREE = "float64(float64, float64, CPointer(float64))"


@pytest.fixture(scope="module")
def cfuncs():
    def huber_at(p, y, par):
        return huber_in_c(p, y, par[0])

    def huber_slope_at(p, y, par):
        return min(max(p - y, -par[0]), par[0])

    huber_in_c = numba.njit(huber)
    pairs = {"two": (TWO, hinge, hinge_slope), "three": (THREE, huber_at, huber_slope_at)}
    return {name: [numba.cfunc(sig)(f) for f in both] for name, (sig, *both) in pairs.items()}


PAIRS = {
    "hinge": (losses.Hinge(), Custom(hinge, hinge_slope)),
    "log_loss": (losses.LogLoss(), Custom(logistic, logistic_slope)),
    "squared_error": (losses.SquaredError(), Custom(squared, squared_slope)),
    "huber": (losses.Huber(0.7), Custom(huber, huber_slope, (0.7,))),
    "quantile": (losses.Quantile(0.8), Custom(quantile, quantile_slope, [0.8])),
    "welsch": (losses.Welsch(2.0), Custom(welsch, welsch_slope, np.array([2]))),
}


def fit(loss, layout="dense", dtype="f8", heads=1, cls=SGDRegressor, **kwargs):
    X, y, s = rows()
    X, kwargs = LAYOUTS[layout](X.astype(dtype)), {"max_iter": 3, "tol": None, "random_state": 0, **kwargs}
    kwargs = {"learning_rate": "constant", "eta0": 0.01, **kwargs}  # "optimal" starts with steps that amplify rounding
    Y = y if heads == 1 else np.c_[y, -y, y + 1]
    if cls is SGDClassifier:
        Y = labels(y, 2 if heads == 1 else heads)
    return cls(loss, **kwargs).fit(X, Y, sample_weight=s)


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
BUILT_IN = [cls() for cls in LOSSES.values()] + [losses.Huber(2.0), losses.Quantile(0.9), losses.Cauchy(30.0)]


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
