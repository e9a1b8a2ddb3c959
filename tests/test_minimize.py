"""minimize: any function by the rules of the estimators, step by step as the papers have them."""

import numpy as np
import pytest

from fastsgd import minimize, optimizers, schedules

A, B = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])
START = np.array([1.0, 2.0])


def f(w):
    return 0.5 * w @ A @ w - B @ w


def slope(w):
    return A @ w - B


def rosenbrock(w):
    return (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2


def by_formula(step, steps, eta=0.05):
    """w after each step; step(memory, g, t) -> what is subtracted."""
    w, memory, path = START.copy(), {"m": np.zeros(2), "v": np.zeros(2)}, [START.copy()]
    for t in range(1, steps + 1):
        w = w - eta * step(memory, slope(w), t)
        path.append(w)
    return np.array(path)


def momentum(memory, g, t):
    memory["m"] = 0.9 * memory["m"] + g
    return memory["m"]


def nesterov(memory, g, t):
    return g + 0.9 * momentum(memory, g, t)


def adagrad(memory, g, t):
    memory["v"] = memory["v"] + g * g
    return g / (np.sqrt(memory["v"]) + 1e-10)


def rmsprop(memory, g, t):
    memory["v"] = 0.9 * memory["v"] + 0.1 * g * g
    return g / (np.sqrt(memory["v"]) + 1e-8)


def adam(memory, g, t):
    memory["m"], memory["v"] = 0.9 * memory["m"] + 0.1 * g, 0.999 * memory["v"] + 0.001 * g * g
    return memory["m"] / (1 - 0.9**t) / (np.sqrt(memory["v"] / (1 - 0.999**t)) + 1e-8)


RULES = {
    "sgd": lambda memory, g, t: g,
    "momentum": momentum,
    "nesterov": nesterov,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
}


@pytest.mark.parametrize("name", RULES)
def test_each_step_is_that_of_the_paper(name):
    found = minimize(f, START, slope, optimizer=name, eta0=0.05, steps=25)
    path = by_formula(RULES[name], 25)
    np.testing.assert_allclose(found.path, path, rtol=1e-10)
    np.testing.assert_allclose(found.objective, [f(w) for w in path], rtol=1e-10)
    np.testing.assert_allclose(found.gradient_norm, [np.linalg.norm(slope(w)) for w in path], rtol=1e-9, atol=1e-12)
    assert found.nit == 25 and found.success
    best = found.objective.argmin()
    np.testing.assert_array_equal(found.x, found.path[best])
    assert found.fun == found.objective[best]


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_without_a_gradient_differences_take_its_place(name):
    by_grad, by_numbers = (minimize(f, START, g, optimizer=name, steps=40) for g in (slope, None))
    np.testing.assert_allclose(by_numbers.path, by_grad.path, rtol=1e-7, atol=1e-8)


def test_a_schedule_makes_the_steps_smaller():
    found = minimize(f, START, slope, optimizer="sgd", learning_rate="invscaling", power_t=0.5, eta0=0.1, steps=3)
    w = START
    for t in (1, 2, 3):
        w = w - 0.1 / t**0.5 * slope(w)
    np.testing.assert_allclose(found.path[-1], w, rtol=1e-12)
    cosine = minimize(f, START, slope, optimizer="sgd", learning_rate=schedules.Cosine(), eta0=0.1, steps=50)
    moves = np.linalg.norm(np.diff(cosine.path, axis=0), axis=1)
    assert moves[-1] < 1e-3 * moves[0]


def test_the_valley_of_rosenbrock():
    found = minimize(rosenbrock, [-1.2, 1.0], optimizer="adam", eta0=0.05, steps=4000)
    np.testing.assert_allclose(found.x, [1.0, 1.0], atol=1e-3)
    assert np.abs(found.jac).max() < 0.1


def test_momentum_goes_over_a_hill_that_descent_stays_behind():
    def hilly(w):
        return w[0] ** 2 / 10 + np.cos(3 * w[0])

    kept, over = (minimize(hilly, [4.0], optimizer=name, eta0=0.1, steps=500) for name in ("sgd", "momentum"))
    assert kept.path[-1, 0] == pytest.approx(3.07, abs=0.01) and over.path[-1, 0] == pytest.approx(1.02, abs=0.01)
    assert over.fun < kept.fun - 0.8


def test_restarts_find_a_lower_end():
    def wells(w):
        return w[0] ** 4 - 4 * w[0] ** 2 + w[0]

    one = minimize(wells, [1.5], optimizer="sgd", eta0=0.01, steps=300)
    many = minimize(wells, [1.5], optimizer="sgd", eta0=0.01, steps=300, restarts=6, spread=2.0, random_state=3)
    assert len(many.restarts) == 6 and many.fun < one.fun - 1
    np.testing.assert_array_equal(many.restarts[0].path, one.path)
    assert many.fun == min(start.fun for start in many.restarts)
    for one, brief in zip(many.restarts, many.restarts_, strict=True):
        np.testing.assert_array_equal(brief.start, one.path[0])
        np.testing.assert_array_equal(brief.end, one.x)
        np.testing.assert_array_equal(brief.history["objective"], one.objective)
        assert brief.objective == one.fun and brief.reason == "max_iter"
    assert [one.objective for one in many.restarts_ if one.best] == [many.fun]
    again = minimize(wells, [1.5], optimizer="sgd", eta0=0.01, steps=300, restarts=6, spread=2.0, random_state=3)
    np.testing.assert_array_equal(again.path, many.path)


def test_noise_leaves_a_saddle():
    def saddle(w):
        return w[0] ** 2 - w[1] ** 2 + w[1] ** 4

    still = minimize(saddle, [1.0, 0.0], optimizer="sgd", eta0=0.05, steps=400)
    moved = minimize(saddle, [1.0, 0.0], optimizer="sgd", eta0=0.05, steps=400, noise=1e-3, random_state=1)
    assert still.fun == pytest.approx(0, abs=1e-6) and moved.fun < -0.2


def test_a_step_too_long_says_so():
    found = minimize(f, START, slope, optimizer="sgd", eta0=1e3, steps=500)
    assert not found.success and "lower eta0" in found.message
    assert np.isfinite(found.path).all() and found.fun == f(START)


def test_arrays_of_any_shape():
    found = minimize(
        lambda W: ((W - 1) ** 2).sum(), np.zeros((2, 3)), lambda W: 2 * (W - 1), optimizer="sgd", eta0=0.4, steps=60
    )
    assert found.x.shape == found.jac.shape == (2, 3) and found.path.shape == (61, 2, 3)
    np.testing.assert_allclose(found.x, 1.0)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"steps": 0}, "steps must be a whole number, at least 1"),
        ({"steps": 2.5}, "steps must be a whole number, at least 1, got 2.5"),
        ({"restarts": 0}, "restarts must be a whole number, at least 1"),
        ({"restarts": None}, "restarts must be a whole number, at least 1, got None"),
        ({"noise": "much"}, "noise must be at least 0, got 'much'"),
        ({"spread": np.inf}, "spread must be at least 0, got inf"),
        ({"eta0": "a"}, "eta0 must be a finite number above 0, got 'a'"),
        ({"eta0": lambda t: 0.1}, "eta0 .* got a function: give it as learning_rate"),
        ({"w0": [1j, 0.0]}, "w0 must hold real numbers"),
        ({"w0": ["a"]}, "w0 must hold real numbers"),
        ({"f": lambda w: 1j}, "f must give real numbers, found 1j"),
        ({"f": lambda w: None}, "f must give real numbers, found None"),
        ({"f": lambda w: "1"}, "f must give real numbers, found '1'"),
        ({"grad": lambda w: 1j * w}, "grad must give real numbers"),
        ({"noise": -1.0}, "noise must be at least 0"),
        ({"eta0": 0.0}, "eta0 must be a finite number above 0"),
        ({"learning_rate": "optimal"}, "learning_rate='optimal' follows from the rows"),
        ({"learning_rate": "auto"}, "learning_rate='auto' follows from the rows"),
        ({"optimizer": optimizers.SGD(line_search=True)}, "searches along the line"),
        ({"optimizer": "newton"}, "optimizer must be one of"),
        ({"random_state": "zero"}, "random_state must be a whole number of at least 0"),
        ({"random_state": -1}, "random_state must be a whole number of at least 0.*found -1"),
        ({"w0": [np.nan]}, "w0 must hold finite numbers"),
        ({"w0": []}, "w0 must hold finite numbers"),
        ({"f": lambda w: w}, "f must give one number"),
        ({"grad": lambda w: w[:1]}, "grad must give an array of shape"),
        ({"f": lambda w: np.nan}, "must be finite at the start"),
    ],
)
def test_what_is_wrong_is_named(how, words):
    with pytest.raises(ValueError, match=words):
        minimize(**{"f": f, "w0": START, **how})
