"""optimizer_state_: what the optimizer keeps beside each weight, and how long its last step was, held against the formulas."""

import copy
import pickle

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from support.data import labels

import fastsgd
from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers

RNG = np.random.default_rng(3)
X = RNG.standard_normal((60, 4)) * [1.0, 0.1, 3.0, 1.0]
Y = X @ [1.0, -2.0, 0.5, 0.0] + 0.3
ETA0, ALPHA = 0.05, 0.02
HOW = dict(shuffle=False, tol=None, eta0=ETA0, alpha=ALPHA, intercept_decay=1.0, max_iter=2)
OBJECTS = {
    "sgd": optimizers.SGD(lazy=False),
    "momentum": optimizers.SGD(momentum=0.8),
    "nesterov": optimizers.SGD(momentum=0.8, nesterov=True),
    "adagrad": optimizers.AdaGrad(lazy=False),
    "rmsprop": optimizers.RMSProp(rho=0.8, eps=0.1, lazy=False),
    "adam": optimizers.Adam(beta1=0.8, beta2=0.95, lazy=False),
    "adam, biased": optimizers.Adam(beta1=0.8, beta2=0.95, lazy=False, bias_correction=False),
    "adamw": optimizers.AdamW(beta1=0.8, beta2=0.95, lazy=False),
    "ftrl": optimizers.FTRL(beta=0.5),
}
every = pytest.mark.parametrize("name", OBJECTS)


def by_formula(optimizer, size, X=X, Y=Y, passes=2, power=0.25):
    """The weights and the intercept as the formula has them, with their slots; and eta of the last step."""
    numbers, t, eta = optimizer.get_params(), 0, ETA0
    w, b = (reference.Weights(np.zeros(n), optimizer.name, numbers) for n in (X.shape[1], 1))
    for _ in range(passes):
        for lo in range(0, len(X), size):
            batch, t = slice(lo, lo + size), t + 1
            eta = ETA0 if optimizer.name == "ftrl" else ETA0 / t**power
            slope = losses.SquaredError().slope(X[batch] @ w.w + b.w, Y[batch]) / len(X[batch])
            w.step(X[batch].T @ slope, eta, t, 0.0, ALPHA)
            b.step(slope.sum(keepdims=True), eta, t, 0.0, 0.0)
    return w, b, t, eta


def step(optimizer, v, t, eta):
    """By what g, m or m^ is multiplied."""
    name, n = optimizer.name, optimizer.get_params()
    if name == "ftrl":
        return eta / (n["beta"] + np.sqrt(v))
    if name in ("adam", "adamw"):
        v = v / (1 - n["beta2"] ** t) if n["bias_correction"] else v
    return np.full(v.shape, eta) if name == "sgd" else eta / (np.sqrt(v) + n["eps"])


@every
@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("lay", [np.asarray, sp.csr_matrix])
def test_slots_and_steps_are_those_of_the_formula(name, size, lay):
    optimizer = OBJECTS[name]
    w, b, t, eta = by_formula(optimizer, size)
    est = SGDRegressor(optimizer=optimizer, batch_size=size, **HOW).fit(lay(X), Y)
    np.testing.assert_allclose(est.coef_, w.w, rtol=1e-10)
    found = est.optimizer_state_
    right = {"t": t, "step": step(optimizer, w.v, t, eta), "step_intercept": step(optimizer, b.v, t, eta)}
    for slot, letter in (("m", "m"), ("v", "v")) if name != "ftrl" else (("m", "z"), ("v", "n")):
        if slot in optimizer.slots:
            right |= {letter: getattr(w, slot), f"{letter}_intercept": getattr(b, slot)}
    assert set(found) == set(right)
    for key, value in right.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-10, err_msg=key)
        assert found[key].shape == (() if key == "t" else (1,) if "intercept" in key else est.coef_.shape)
        assert not found[key].flags.writeable


def test_the_steps_of_adagrad_vanish_and_those_of_rmsprop_do_not():
    seen = {"adagrad": [], "rmsprop": []}
    for optimizer, steps in seen.items():
        how = dict(optimizer=optimizer, learning_rate="constant", eta0=0.1, max_iter=30, tol=None, batch_size=20)
        watch = [lambda progress, steps=steps: steps.append(progress.estimator.optimizer_state_["step"])]
        SGDRegressor(callbacks=watch, random_state=0, **how).fit(X, Y)
    steps = np.array(seen["adagrad"])
    assert steps.shape == (30, 4) and (np.diff(steps, axis=0) <= 0).all() and (steps[-1] < 0.9 * steps[0]).all()
    assert (seen["rmsprop"][-1] > seen["rmsprop"][0]).all()


SHAPES = {
    "classes": (SGDClassifier(), labels(Y, 3), (3, 4), (3,)),
    "many classes": (SGDClassifier(), labels(Y, 6), (6, 4), (6,)),
    "two classes": (SGDClassifier(), labels(Y), (1, 4), (1,)),
    "together": (SGDClassifier("log_loss", multi_class="multinomial"), labels(Y, 3), (3, 4), (3,)),
    "targets": (SGDRegressor(), np.column_stack((Y, -Y)), (2, 4), (2,)),
    "one class": (SGDOneClassSVM(), None, (4,), (1,)),
}


@pytest.mark.parametrize("case", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_each_weight_has_its_own_in_the_shape_of_coef(case, dtype):
    est, y, shape, heads = SHAPES[case]
    est = copy.copy(est).set_params(optimizer="adam", max_iter=2, tol=None, random_state=0)
    est.fit(X.astype(dtype), y) if y is not None else est.fit(X.astype(dtype))
    found = est.optimizer_state_
    assert est.coef_.shape == shape
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        "t": ((), np.float64),
        **{name: (shape, dtype) for name in ("m", "v", "step")},
        **{f"{name}_intercept": (heads, np.float64) for name in ("m", "v", "step")},
    }
    assert not {name for name in SGDRegressor(fit_intercept=False).fit(X, Y).optimizer_state_ if "intercept" in name}


def test_it_goes_on_with_partial_fit_and_begins_anew_with_another_optimizer():
    est = SGDRegressor(optimizer="adagrad", **HOW).partial_fit(X, Y)
    first = est.optimizer_state_
    second = est.partial_fit(X, Y).optimizer_state_
    assert (second["v"] > first["v"]).all() and (first["t"], second["t"]) == (60, 120)
    est.set_params(optimizer="momentum").partial_fit(X[:10], Y[:10])
    assert set(est.optimizer_state_) == {"t", "m", "step", "m_intercept", "step_intercept"}
    assert est.optimizer_state_["t"] == 10 and est.t_ == 131


@every
def test_pickles_and_files_have_it(name, tmp_path):
    est = SGDRegressor(optimizer=OBJECTS[name], **HOW).fit(X, Y)
    est.save(tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(est)), copy.deepcopy(est), fastsgd.load(tmp_path / "model")):
        np.testing.assert_equal(again.optimizer_state_, est.optimizer_state_)


def test_standardised_columns_have_theirs_in_their_own_units():
    mean, std = X.mean(axis=0), X.std(axis=0)
    found = SGDRegressor(optimizer="adagrad", standardize=True, **HOW).fit(X, Y).optimizer_state_
    right = SGDRegressor(optimizer="adagrad", **HOW).fit((X - mean) / std, Y).optimizer_state_
    for name in right:
        np.testing.assert_allclose(found[name], right[name], rtol=1e-9)


def test_steps_that_follow_from_the_row_are_not_there():
    for rate in ("auto", "pa1", "pa2"):
        est = SGDRegressor("epsilon_insensitive", learning_rate=rate, max_iter=1, tol=None).fit(X, Y)
        assert set(est.optimizer_state_) == {"t"} and est.optimizer_state_["t"] == 60


def test_before_the_first_step_there_is_none():
    for est in (SGDRegressor(), SGDRegressor(max_iter=0, init="normal").fit(X, Y)):
        assert not hasattr(est, "optimizer_state_")
        with pytest.raises(
            AttributeError, match="'SGDRegressor' object has no attribute 'optimizer_state_': it is there after"
        ):
            _ = est.optimizer_state_


def test_a_search_along_the_line_has_the_step_it_found():
    how = dict(optimizer=optimizers.SGD(line_search=True), batch_size="full", penalty=None, max_iter=5, tol=None)
    est = SGDRegressor(**how).fit(X, Y)
    np.testing.assert_allclose(est.optimizer_state_["step"], np.full(4, est.history_["eta"][-1]))
