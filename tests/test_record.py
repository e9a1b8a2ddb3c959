"""What a training records on the way: record_ and path_."""

import copy
import pickle

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from sklearn.base import clone

import fastsgd
from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, record, schedules

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((150, 4)), RNG.integers(0, 3, 150)
Y = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * RNG.standard_normal(150)
SIGNS = (Y > 0).astype(int)
ALL = "objective", "gradient_norm", "coef", "step_length"


def same_fits(a, b):
    """Whether two estimators were trained to the same bits."""
    of = [(est.coef_, getattr(est, "intercept_", getattr(est, "offset_", None)), est.t_, est.n_iter_) for est in (a, b)]
    columns = [name for name in a.history_.dtype.names if name != "seconds"]
    same = a.stop_reason_ == b.stop_reason_ and all(np.array_equal(x, y) for x, y in zip(*of, strict=True))
    return same and all(np.array_equal(a.history_[name], b.history_[name], equal_nan=True) for name in columns)


def test_rows_begin_with_the_start_and_end_with_the_model():
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X, Y, record=ALL)
    assert reg.record_["steps"].tolist() == [0, 150, 300, 450]
    assert reg.record_["epoch"].tolist() == [0, 1, 2, 3]
    assert (np.diff(reg.record_["seconds"]) > 0).all()
    assert np.array_equal(reg.path_.coef[-1], reg.coef_) and np.array_equal(reg.path_.intercept[-1], reg.intercept_)
    assert not reg.path_.coef[0].any()
    assert reg.record_["objective"][-1] == pytest.approx(reg.objective(X, Y), rel=1e-12)
    assert reg.record_["objective"][0] == pytest.approx(np.mean(Y**2) / 2, rel=1e-12)


def same_rows(est, W, b, i, objective):
    """That row i of the record and of the path are of these weights."""
    assert np.allclose(est.path_.coef[i], np.squeeze(W.T), rtol=0, atol=1e-10)
    assert np.allclose(est.path_.intercept[i], b, rtol=0, atol=1e-10)
    assert est.record_["objective"][i] == pytest.approx(objective, abs=1e-10)


@pytest.mark.parametrize("average", [False, True, 100])
@pytest.mark.parametrize("k", [1, 7, 40])
def test_steps_of_single_rows_are_those_of_the_formula(k, average):
    reg = SGDRegressor("huber", alpha=0.01, max_iter=2, tol=None, shuffle=False, average=average)
    reg.fit(X, Y, record=ALL, record_every=k)
    loss, steps = losses.Huber(0.1), sorted({*range(0, 301, k), 300})
    eta = schedules.InvScaling().bind(eta0=0.01, alpha=0.01, power_t=0.25, loss=loss, pass_rows=150, passes=2)
    assert reg.record_["steps"].tolist() == reg.path_.steps.tolist() == steps
    for i, t in enumerate(steps):
        rows = np.arange(t) % 150
        W, b, _, _ = reference.sgd(X[rows], Y[rows, None], loss, eta, l2=0.01, average=int(average))
        value = np.mean(loss.value(X @ W[:, 0] + b, Y)) + 0.01 * np.sum(W**2) / 2
        same_rows(reg, W, b, i, value)


@pytest.mark.parametrize("layout", [np.array, sp.csr_matrix])
@pytest.mark.parametrize("optimizer", [optimizers.Adam(lazy=False), optimizers.SGD(momentum=0.9), optimizers.AdaGrad()])
@pytest.mark.parametrize("k", [1, 3])
def test_steps_of_batches_are_those_of_the_formula(k, optimizer, layout):
    reg = SGDRegressor(optimizer=optimizer, batch_size=40, eta0=0.1, learning_rate="constant", alpha=0.01, penalty=None)
    reg.set_params(max_iter=2, tol=None, shuffle=False, intercept_decay=1.0)
    reg.fit(layout(X), Y, record=ALL, record_every=k)
    steps, loss = sorted({*range(0, 9, k), 8}), losses.SquaredError()
    assert reg.record_["steps"].tolist() == reg.path_.steps.tolist() == steps
    assert np.allclose(reg.record_["epoch"], [t // 4 + (t % 4) * 40 / 150 for t in steps])
    for i, t in enumerate(steps):
        ends = [0, 40, 80, 120, 150, 190, 230, 270, 300]
        rows = np.arange(ends[t]) % 150
        W, b = weights_after(t, rows, loss, optimizer)
        same_rows(reg, W, b, i, np.mean(loss.value(X @ W[:, 0] + b, Y)))


def weights_after(t, rows, loss, optimizer):
    """Those after t steps of batches of 40 of 150 rows, the fourth of which has 30."""
    W, b = (reference.Weights(np.zeros((n, 1)), optimizer.name, optimizer.get_params()) for n in (4, 1))
    for step in range(1, t + 1):
        lo = (step - 1) // 4 * 150 + (step - 1) % 4 * 40
        batch = rows[lo : min(lo + 40, (step - 1) // 4 * 150 + 150)]
        slope = loss.slope(X[batch] @ W.w + b.w[0], Y[batch, None]) / len(batch)
        W.step(X[batch].T @ slope, 0.1, step, 0.0, 0.0)
        b.step(slope.sum(axis=0, keepdims=True), 0.1, step, 0.0, 0.0)
    return W.w, b.w[0]


KINDS = {
    "plain": {},
    "l1": {"penalty": "elasticnet", "alpha": 0.01},
    "average": {"average": True},
    "l1 average": {"average": 20, "penalty": "l1"},
    "auto": {"learning_rate": "auto"},
    "adaptive": {"learning_rate": "adaptive", "eta0": 0.1, "tol": 1e-3, "n_iter_no_change": 1},
    "momentum": {"optimizer": "momentum", "eta0": 1e-3},
    "momentum average": {"optimizer": "momentum", "eta0": 1e-3, "average": True, "batch_size": 7},
    "nesterov": {"optimizer": "nesterov", "batch_size": 16, "eta0": 0.01},
    "adagrad": {"optimizer": "adagrad", "penalty": "l1", "eta0": 0.1},
    "rmsprop": {"optimizer": "rmsprop", "eta0": 0.01, "batch_size": 10},
    "adam": {"optimizer": "adam", "eta0": 0.01},
    "adamw": {"optimizer": "adamw", "eta0": 0.01, "batch_size": 64},
    "ftrl": {"optimizer": "ftrl", "eta0": 0.1, "average": True},
    "batches": {"batch_size": 32, "eta0": 0.1},
    "full": {"batch_size": "full", "eta0": 0.5, "learning_rate": "constant"},
    "line search": {"batch_size": "full", "optimizer": optimizers.SGD(line_search=True)},
    "noise": {"gradient_noise": 0.01, "batch_size": 5},
    "standardize": {"standardize": True},
    "no shuffle": {"shuffle": False, "batch_size": 9},
    "restarts": {"n_init": 2, "init": "normal"},
    "early stopping": {"early_stopping": True, "tol": 1e-3},
}
TASKS = {
    "two classes": lambda: (SGDClassifier("log_loss"), SIGNS),
    "classes": lambda: (SGDClassifier("log_loss", class_weight={0: 2.0}), CLASSES),
    "regression": lambda: (SGDRegressor("huber"), Y),
    "one class": lambda: (SGDOneClassSVM(), None),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("layout", [np.array, sp.csr_matrix])
@pytest.mark.parametrize("kind", KINDS)
def test_a_record_does_not_change_a_bit_of_the_training(kind, layout, task, set_sizes):
    set_sizes(call_rows=64, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    est, y = TASKS[task]()
    if task == "one class" and kind in NOT_OF_ONE_CLASS:
        est, y = SGDRegressor(), Y  # For the kinds that it does not have.
    known = est.get_params()
    given = {"max_iter": 3, "tol": None, "random_state": 0} | KINDS[kind]
    est.set_params(**{name: value for name, value in given.items() if name in known})
    plain = clone(est).fit(layout(X), y)
    each = clone(est).fit(layout(X), y, record="objective")
    some = clone(est).fit(layout(X), y, record=ALL, record_every=11)
    assert same_fits(plain, each) and same_fits(plain, some)
    assert not hasattr(plain, "record_")
    steps = some.record_["steps"]
    assert np.isfinite(some.record_["objective"]).all() and steps[0] == 0 and (steps[1:-1] % 11 == 0).all()
    assert steps[-1] == each.record_["steps"][-1] == (each.t_ - 1 if kind not in BACK else steps[-1])
    path = some.path_
    moves = np.square(np.diff(path.coef, axis=0)).reshape(len(steps) - 1, -1).sum(axis=1)
    moves += np.square(np.diff(path.intercept, axis=0)).sum(axis=1)
    assert np.allclose(some.record_["step_length"][1:], np.sqrt(moves))


NOT_OF_ONE_CLASS = "l1", "l1 average", "auto", "adagrad", "line search", "early stopping"
BACK = "restarts", "early stopping", "adaptive"  # They return the model of another moment than the last.


@pytest.mark.parametrize("what", ["objective", ALL, "step_length"])
@pytest.mark.parametrize("task", TASKS)
def test_a_record_goes_on_from_pickles_and_model_files(task, what, tmp_path):
    est, y = TASKS[task]()
    est.set_params(max_iter=2, tol=None, random_state=0).fit(X, y, record=what, record_every=40)
    est.save(tmp_path / "m")
    copies = pickle.loads(pickle.dumps(est)), fastsgd.load(tmp_path / "m"), copy.copy(est)
    before = est.record_
    est.partial_fit(X, y, record=what)
    for one in copies:
        assert one.record_.tobytes() == before.tobytes() and not one.record_.flags.writeable
        one.partial_fit(X, y, record=what)
        for name in ("steps", "epoch", "objective", "gradient_norm", "step_length"):
            assert np.array_equal(one.record_[name], est.record_[name], equal_nan=True)
        assert hasattr(one, "path_") == hasattr(est, "path_") == (what is ALL)
        assert what is not ALL or all(map(np.array_equal, one.path_, est.path_))


def test_a_path_takes_bounded_memory_and_has_both_ends(monkeypatch):
    monkeypatch.setattr(record, "PATH_BYTES", 40 * 5 * 8)
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X, Y, record=("coef", "step_length"), record_every=1)
    every = SGDRegressor(max_iter=3, tol=None, random_state=0)
    monkeypatch.undo()
    every.fit(X, Y, record=("coef", "step_length"), record_every=1)
    assert len(reg.record_) == len(every.path_.steps) == 451 and 20 <= len(reg.path_.steps) <= 41
    assert reg.path_.steps[0] == 0 and reg.path_.steps[-1] == 450
    assert (np.diff(reg.path_.steps)[:-1] == 16).all()
    assert np.array_equal(reg.path_.coef, every.path_.coef[reg.path_.steps])
    assert np.array_equal(reg.record_["step_length"], every.record_["step_length"])
    monkeypatch.setattr(record, "PATH_BYTES", 40 * 5 * 8)
    for _ in range(50):
        reg.partial_fit(X[:1], Y[:1], record="coef", record_every=1)
    assert (reg.path_.steps[0], reg.path_.steps[-1]) == (0, 500) and len(reg.path_.steps) <= 41
