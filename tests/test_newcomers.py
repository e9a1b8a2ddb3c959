"""The methods of examples/newcomers.py: each step is that of its paper's formula, on problems small enough to do by hand."""

import sys
from importlib import import_module
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from fastsgd import SGDClassifier

sys.path.append(str(Path(__file__).parents[1] / "examples"))
newcomers = import_module("newcomers")
METHODS = {
    "schedule-free SGD": (newcomers.schedule_free_sgd, {"rate": 0.5}),
    "schedule-free Adam": (newcomers.schedule_free_adam, {"rate": 0.02}),
    "DoG": (newcomers.dog, {}),
    "Prodigy": (newcomers.prodigy, {}),
    "SketchySGD": (newcomers.sketchy_sgd, {}),
    "SketchySAGA": (newcomers.sketchy_saga, {}),
}


def problem(n=60, columns=5, alpha=1e-2, kind=np.asarray):
    random = np.random.default_rng(0)
    X = random.standard_normal((n, columns)) * (random.random((n, columns)) < 0.7)
    y = X @ np.arange(columns) / columns + random.standard_normal(n) > 0.3
    return newcomers.Logistic(kind(X), y, alpha), X, y


def taken(method, F, steps, size=10, **settings):
    """The models after so many steps, and the rows of each."""
    batches = list(islice(newcomers.in_batches(F.n, size), steps))
    return list(method(F, iter(batches), **settings)), batches


def least(F, steps=50):
    """The model of least objective, by Newton's method."""
    w, every = np.zeros(F.width), np.arange(F.n)
    for _ in range(steps):
        B = F.roots(w, every)
        w = w - np.linalg.solve(B.T @ B + np.diag(F.penalty), F.gradient(w, every))
    return w


def test_the_objective_and_its_derivatives():
    F, X, y = problem()
    w, every = np.linspace(-1, 1, F.width), np.arange(F.n)
    by_hand = np.mean(np.log(1 + np.exp(-np.where(y, 1, -1) * (X @ w[:-1] + w[-1])))) + 0.5e-2 * np.sum(w[:-1] ** 2)
    assert F.objective(w) == pytest.approx(by_hand)
    moves = 1e-5 * np.eye(F.width)
    slope = [(F.objective(w + move) - F.objective(w - move)) / 2e-5 for move in moves]
    np.testing.assert_allclose(F.gradient(w, every), slope, rtol=1e-6)
    bend = [(F.gradient(w + move, every) - F.gradient(w - move, every)) / 2e-5 for move in moves]
    B = F.roots(w, every)
    np.testing.assert_allclose(B.T @ B + np.diag(F.penalty), bend, rtol=1e-6, atol=1e-10)


def test_each_pass_has_each_row_once():
    batches = list(islice(newcomers.in_batches(25, 10), 6))
    assert [len(rows) for rows in batches] == [10, 10, 5] * 2
    first, second = np.concatenate(batches[:3]), np.concatenate(batches[3:])
    assert sorted(first) == sorted(second) == list(range(25)) and list(first) != list(second)


@pytest.mark.parametrize("name", METHODS)
def test_dense_rows_and_csr(name):
    method, settings = METHODS[name]
    dense, csr = (
        newcomers.along(method, problem(kind=kind)[0], 10, (1, 4), **settings)
        for kind in (np.asarray, sparse.csr_array)
    )
    for passes in (1, 4):
        np.testing.assert_allclose(dense[passes], csr[passes], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_it_comes_near_the_optimum(name):
    method, settings = METHODS[name]
    F, *_ = problem()
    best, zero = F.objective(least(F)), F.objective(np.zeros(F.width))
    found = F.objective(newcomers.along(method, F, 10, [60], **settings)[60])
    assert found - best < 0.15 * (zero - best)


@pytest.mark.parametrize("beta", [0.0, 0.9, 1.0])
def test_schedule_free_sgd(beta):
    """z is SGD with gradients at y, and the model the mean of all z; with beta=0 y is z, with beta=1 it is the mean."""
    F, *_ = problem()
    models, batches = taken(newcomers.schedule_free_sgd, F, 8, rate=0.5, beta=beta)
    z = [np.zeros(F.width)]
    x = z[0]
    for rows, model in zip(batches, models, strict=True):
        z.append(z[-1] - 0.5 * F.gradient(z[-1] + beta * (x - z[-1]), rows))
        x = np.mean(z[1:], axis=0)
        np.testing.assert_allclose(model, x, rtol=1e-9)


def test_schedule_free_sgd_without_beta_is_averaged_sgd():
    F, X, y = problem()
    every = [np.arange(F.n)] * 12
    *_, model = newcomers.schedule_free_sgd(F, iter(every), 0.5, beta=0.0)
    ours = SGDClassifier(
        "log_loss",
        alpha=1e-2,
        learning_rate="constant",
        eta0=0.5,
        average=True,
        batch_size="full",
        max_iter=12,
        tol=None,
    ).fit(X, y)
    np.testing.assert_allclose(model, np.append(ours.coef_, ours.intercept_), rtol=1e-6)


def test_schedule_free_adam():
    """Adam's v, no m, the correction of v in the step; and the mean has the squares of the steps as its weights."""
    F, *_ = problem()
    models, batches = taken(newcomers.schedule_free_adam, F, 8, rate=0.02, beta=0.8, beta2=0.9)
    z, v, points, steps = np.zeros(F.width), 0.0, [], []
    x = z
    for t, (rows, model) in enumerate(zip(batches, models, strict=True), 1):
        g = F.gradient(0.2 * z + 0.8 * x, rows)
        v = 0.9 * v + 0.1 * g**2
        steps.append(0.02 * (1 - 0.9**t) ** 0.5)
        z = z - steps[-1] * g / (v**0.5 + 1e-8)
        points.append(z)
        x = np.average(points, axis=0, weights=np.square(steps))
        np.testing.assert_allclose(model, x, rtol=1e-9)


def test_dog():
    """Its step is the greatest distance from the start so far over the root of the sum of squared gradients."""
    F, *_ = problem()
    models, batches = taken(newcomers.dog, F, 12, start=0.01)
    points, squares = [np.zeros(F.width)], []
    for rows in batches:
        g = F.gradient(points[-1], rows)
        squares.append(np.sum(g**2))
        distance = max(0.01, *(np.linalg.norm(w - points[0]) for w in points))
        points.append(points[-1] - distance / np.sqrt(np.sum(squares)) * g)
    np.testing.assert_allclose(models[0], -0.01 * F.gradient(points[0], batches[0]) / np.sqrt(squares[0]))
    weights = np.array([9 / (t + 8) * np.prod([(i - 1) / (i + 8) for i in range(t + 1, 13)]) for t in range(1, 13)])
    assert weights.sum() == pytest.approx(1) and (np.diff(weights) > 0).all()
    np.testing.assert_allclose(models[-1], weights @ points[1:], rtol=1e-9)


def test_prodigy():
    """Adam of gradients times d; d is the largest r / |s|_1 so far, of sums from the start, and each step has the d before it."""
    F, *_ = problem()
    models, batches = taken(newcomers.prodigy, F, 8, start=1e-4, beta=0.8, beta2=0.81)  # the root of beta2 is 0.9
    points, d, m, v, r, s = [np.zeros(F.width)], [1e-4], 0.0, 0.0, 0.0, 0.0
    for rows, model in zip(batches, models, strict=True):
        g = F.gradient(points[-1], rows)
        m = 0.8 * m + 0.2 * d[-1] * g
        v = 0.81 * v + 0.19 * d[-1] ** 2 * g**2
        r = 0.9 * r + 0.1 * d[-1] ** 2 * np.dot(g, points[0] - points[-1])
        s = 0.9 * s + 0.1 * d[-1] ** 2 * g
        points.append(points[-1] - d[-1] * m / (v**0.5 + d[-1] * 1e-8))
        d.append(max(d[-1], r / np.linalg.norm(s, 1)))
        np.testing.assert_allclose(model, points[-1], rtol=1e-9)
    assert d[-1] > 2 * d[0]  # the estimate had a part in it


def test_the_cosine_of_prodigy():
    """The last of its steps is hardly one, the first is whole."""
    F, *_ = problem()
    plain, _ = taken(newcomers.prodigy, F, 50, start=0.01)
    falling, _ = taken(newcomers.prodigy, F, 50, start=0.01, cosine=50)
    np.testing.assert_array_equal(plain[0], falling[0])
    assert np.linalg.norm(falling[-1] - falling[-2]) < 0.02 * np.linalg.norm(plain[-1] - plain[-2])


def test_a_sketch_of_full_rank_is_the_hessian():
    F, *_ = problem()
    w, random = np.linspace(-1, 1, F.width), np.random.default_rng(1)
    B = F.roots(w, np.arange(F.n))
    H, near = B.T @ B, newcomers.Nystrom(B, F.width, 1e-3, random)
    np.testing.assert_allclose(near.solve(w), np.linalg.solve(H + 1e-3 * np.eye(F.width), w), rtol=1e-6)
    np.testing.assert_allclose(near.solve(near.solve(w, 0.5), 0.5), near.solve(w), rtol=1e-6)
    largest = np.linalg.eigvals(np.linalg.solve(H + 1e-3 * np.eye(F.width), H + np.diag(F.penalty))).real.max()
    assert near.steepest(B, F.penalty, random, 500) == pytest.approx(largest, rel=1e-6)


def test_a_sketch_of_low_rank():
    """It has the largest eigenvalues nearly, and exactly those of a matrix of that rank; all else is divided by rho."""
    random = np.random.default_rng(2)
    B = random.standard_normal((3, 40))
    near = newcomers.Nystrom(B, 5, 0.1, random)
    np.testing.assert_allclose(near.values[:3], np.linalg.eigvalsh(B @ B.T)[::-1], rtol=1e-6)
    np.testing.assert_allclose(near.solve(B[0]), np.linalg.solve(B.T @ B + 0.1 * np.eye(40), B[0]), rtol=1e-6)
    other = random.standard_normal(40)
    other -= np.linalg.pinv(B) @ (B @ other)
    np.testing.assert_allclose(near.solve(other), other / 0.1, rtol=1e-6)


def test_sketchy_sgd_is_newtons_method():
    """With all rows, full rank and rho=alpha it takes half of Newton's step, which is all that its step size leaves."""
    F, *_ = problem()
    F.penalty[:] = F.alpha  # of the intercept too, as rho is
    every = np.arange(F.n)
    models = list(newcomers.sketchy_sgd(F, iter([every] * 3), rank=F.width, rho=F.alpha, sample=F.n))
    w = np.zeros(F.width)
    for model in models:
        B = F.roots(w, every)
        w = w - np.linalg.solve(B.T @ B + F.alpha * np.eye(F.width), F.gradient(w, every)) / 2
        np.testing.assert_allclose(model, w, rtol=1e-5)


def test_sketchy_sgd_keeps_a_sketch_for_a_pass():
    """A pass of two batches: the second step has the matrix and the step size of the first."""
    F, *_ = problem(n=20)
    F.penalty[:] = F.alpha
    models, batches = taken(newcomers.sketchy_sgd, F, 2, rank=F.width, rho=F.alpha, sample=F.n)
    B = F.roots(np.zeros(F.width), np.arange(F.n))
    direction = np.linalg.solve(B.T @ B + F.alpha * np.eye(F.width), F.gradient(models[0], batches[1]))
    np.testing.assert_allclose(models[1], models[0] - direction / 2, rtol=1e-5)


def test_sketchy_saga():
    """Its gradient is that of a table with a gradient of each row, which begins at zero."""
    F, *_ = problem()
    F.penalty[:] = F.alpha
    models, batches = taken(newcomers.sketchy_saga, F, 6, rank=F.width, rho=F.alpha, sample=F.n)
    B, table, w = F.roots(np.zeros(F.width), np.arange(F.n)), np.zeros((F.n, F.width)), np.zeros(F.width)
    H = B.T @ B + F.alpha * np.eye(F.width)
    step = max(1 / (2 * (F.alpha * F.n + 1)), 1 / 3)  # L is 1 in the coordinates of the whole Hessian
    for rows, model in zip(batches, models, strict=True):
        part, slopes = F.slopes(w, rows)
        new = part * slopes[:, None]
        g = (new - table[rows]).mean(axis=0) + table.mean(axis=0) + F.alpha * w
        table[rows] = new
        w = w - step * np.linalg.solve(H, g)
        np.testing.assert_allclose(model, w, rtol=1e-5)


@pytest.mark.parametrize("rank", [0, 3])
def test_sketchy_saga_comes_to_the_optimum(rank):
    """With steps that do not fall, which SketchySGD does not; with rank=0 it is SAGA."""
    F, *_ = problem()
    best = F.objective(least(F))
    gaps = [
        F.objective(newcomers.along(method, F, 10, [200], rank=rank)[200]) - best
        for method in (newcomers.sketchy_saga, newcomers.sketchy_sgd)
    ]
    assert gaps[0] < 1e-9 < 1e-5 < gaps[1]
