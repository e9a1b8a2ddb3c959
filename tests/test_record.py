"""What a training records on the way: record_ and path_."""

import copy
import pickle

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from support.cases import covering
from support.data import LAYOUTS
from support.sizes import sizes

import fastsgd
from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, record, schedules, sources

RNG = np.random.default_rng(0)
X, CLASSES = RNG.standard_normal((150, 4)), RNG.integers(0, 3, 150)
Y = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * RNG.standard_normal(150)
SIGNS = (Y > 0).astype(int)
ALL = "objective", "gradient_norm", "coef", "step_length"


def same_fits(a, b):
    """Whether two estimators were trained to the same bits; the second may have been asked for more in its history."""
    of = [(est.coef_, getattr(est, "intercept_", getattr(est, "offset_", None)), est.t_, est.n_iter_) for est in (a, b)]
    columns = [name for name in a.history_.dtype.names if name != "seconds"]
    same = a.stop_reason_ == b.stop_reason_ and all(np.array_equal(x, y) for x, y in zip(*of, strict=True))
    there = [np.isnan(a.history_[name]) | (a.history_[name] == b.history_[name]) for name in columns]
    return same and bool(np.all(there))


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


def halved(t):
    """A step size of the user's own."""
    return 0.01 / (1 + t / 100)


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
    "drawn": {"shuffle": "replace"},
    "own schedule": {"learning_rate": halved},
    "objective": {"tol": 1e-3, "n_iter_no_change": 1, "stopping": ["objective", "gradient"]},
    "restarts": {"n_init": 2, "init": "normal"},
    "early stopping": {"early_stopping": True, "tol": 1e-3},
}
TASKS = {
    "two classes": lambda: (SGDClassifier("log_loss"), SIGNS),
    "classes": lambda: (SGDClassifier("log_loss", class_weight={0: 2.0}), CLASSES),
    "regression": lambda: (SGDRegressor("huber"), Y),
    "softmax": lambda: (SGDClassifier("log_loss", multi_class="multinomial"), CLASSES),
    "one class": lambda: (SGDOneClassSVM(), None),
}


def allowed(kind, layout, task):
    """Whether these go together."""
    if task == "one class":
        lacks = "l1", "l1 average", "auto", "adagrad", "line search", "early stopping", "adaptive", "objective"
        return kind not in lacks
    return task != "softmax" or kind != "auto"


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("kind", "layout", "task"), covering(2, KINDS, LAYOUTS, TASKS, allowed=allowed))
def test_a_record_does_not_change_a_bit_of_the_training(kind, layout, task, set_sizes):
    set_sizes(call_rows=64, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    est, y = TASKS[task]()
    est.set_params(**{"max_iter": 3, "tol": None, "random_state": 0} | KINDS[kind])
    data = LAYOUTS[layout](X)
    plain = clone(est).fit(data, y)
    each = clone(est).fit(data, y, record="objective")
    some = clone(est).fit(data, y, record=ALL, record_every=11)
    assert same_fits(plain, each) and same_fits(plain, some)
    assert not hasattr(plain, "record_")
    steps = some.record_["steps"]
    assert np.isfinite(some.record_["objective"]).all() and steps[0] == 0 and (steps[1:-1] % 11 == 0).all()
    assert steps[-1] == each.record_["steps"][-1] == (each.t_ - 1 if kind not in BACK else steps[-1])
    path = some.path_
    moves = np.square(np.diff(path.coef, axis=0)).reshape(len(steps) - 1, -1).sum(axis=1)
    moves += np.square(np.diff(path.intercept, axis=0)).sum(axis=1)
    assert np.allclose(some.record_["step_length"][1:], np.sqrt(moves))


BACK = "restarts", "early stopping", "adaptive", "objective"  # They return the model of another moment than the last.


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
    monkeypatch.setattr(record, "PATH_BYTES", 40 * (5 * 8 + record.MODEL_BYTES))
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X, Y, record=("coef", "step_length"), record_every=1)
    every = SGDRegressor(max_iter=3, tol=None, random_state=0)
    monkeypatch.undo()
    every.fit(X, Y, record=("coef", "step_length"), record_every=1)
    assert len(reg.record_) == len(every.path_.steps) == 451 and 20 <= len(reg.path_.steps) <= 41
    assert reg.path_.steps[0] == 0 and reg.path_.steps[-1] == 450
    assert (np.diff(reg.path_.steps)[:-1] == 16).all()
    assert np.array_equal(reg.path_.coef, every.path_.coef[reg.path_.steps])
    assert np.array_equal(reg.record_["step_length"], every.record_["step_length"])
    monkeypatch.setattr(record, "PATH_BYTES", 40 * (5 * 8 + record.MODEL_BYTES))
    for _ in range(50):
        reg.partial_fit(X[:1], Y[:1], record="coef", record_every=1)
    assert (reg.path_.steps[0], reg.path_.steps[-1]) == (0, 500) and len(reg.path_.steps) <= 41


def test_a_path_of_shuffled_rows_is_that_of_the_training_itself(set_sizes):
    set_sizes(call_rows=8, block_rows=4, buffer_blocks=2, buffer_bytes=1)
    seen = []

    class Look:
        def between(self, progress):
            seen.append((progress.estimator.t_ - 1, progress.estimator.coef_.copy()))

    clf = SGDClassifier("log_loss", max_iter=3, tol=None, random_state=0, callbacks=Look())
    clf.fit(X, SIGNS, record="coef", record_every=1)
    path = dict(zip(clf.path_.steps.tolist(), clf.path_.coef, strict=True))
    assert len(seen) > 50 and len(path) == 451
    for t, coef in seen:
        assert np.array_equal(path[t], coef)


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_calls_of_partial_fit_record_as_one_fit(optimizer, batch_size):
    params = {"shuffle": False, "optimizer": optimizer, "batch_size": batch_size, "tol": None, "max_iter": 1}
    whole = SGDRegressor(**params).fit(X[:144], Y[:144], record=("coef", "step_length"), record_every=3)
    parts = SGDRegressor(**params)
    for lo in range(0, 144, 8):
        parts.partial_fit(X[lo : lo + 8], Y[lo : lo + 8], record=("coef", "step_length"), record_every=3)
    assert np.array_equal(parts.record_["steps"], whole.record_["steps"])
    assert np.allclose(parts.path_.coef, whole.path_.coef, rtol=0, atol=1e-13)
    assert np.allclose(parts.record_["step_length"], whole.record_["step_length"], rtol=0, atol=1e-13)
    assert np.allclose(np.diff(parts.record_["epoch"][:3]), 3 * batch_size / 8)
    assert len(parts.history_) == 1


def test_calls_without_a_record_between_leave_it_and_are_seen_in_the_steps():
    reg = SGDRegressor(random_state=0).partial_fit(X, Y, record=ALL)
    before = reg.record_
    reg.partial_fit(X, Y)
    assert reg.record_.tobytes() == before.tobytes()
    reg.partial_fit(X, Y, record=ALL)
    assert reg.record_["steps"].tolist() == reg.path_.steps.tolist() == [0, 150, 300, 450]
    assert np.linalg.norm(reg.path_.coef[2] - reg.path_.coef[1]) <= reg.record_["step_length"][2]
    reg.fit(X, Y)
    assert not hasattr(reg, "record_") and not hasattr(reg, "path_")


def test_rows_without_weight_are_no_steps():
    weight = np.tile([1.0, 0.0, 2.0], 50)
    reg = SGDRegressor(shuffle=False, max_iter=2, tol=None)
    reg.fit(X, Y, sample_weight=weight, record=("objective", "coef"), record_every=7)
    less = SGDRegressor(shuffle=False, max_iter=2, tol=None)
    less.fit(
        X[weight > 0], Y[weight > 0], sample_weight=weight[weight > 0], record=("objective", "coef"), record_every=7
    )
    assert reg.record_["steps"].tolist() == [*range(0, 200, 7), 200]
    assert np.array_equal(reg.path_.coef, less.path_.coef)
    assert np.allclose(reg.record_["objective"], less.record_["objective"])


@settings(max_examples=25, deadline=None)
@given(
    k=st.integers(1, 400),
    batch=st.sampled_from([1, 2, 5, 64, "full"]),
    optimizer=st.sampled_from(sorted(optimizers.OPTIMIZERS)),
    average=st.sampled_from([0, 1, 50]),
    penalty=st.sampled_from(["l2", "l1", "elasticnet", None]),
    sparse=st.booleans(),
    call=st.integers(1, 200),
    seed=st.integers(0, 2**31 - 1),
    shuffle=st.sampled_from([True, False]),
)
def test_any_record_has_the_multiples_of_its_steps_and_changes_nothing(
    k, batch, optimizer, average, penalty, sparse, call, seed, shuffle
):
    rate = "invscaling" if optimizer != "ftrl" else "constant"
    given = {"batch_size": batch, "optimizer": optimizer, "average": average, "penalty": penalty, "learning_rate": rate}
    reg = SGDRegressor(**given, shuffle=shuffle, random_state=seed, max_iter=2, tol=None, eta0=1e-3)
    data = sp.csr_matrix(X) if sparse else X
    with sizes(call_rows=call, block_rows=4, buffer_blocks=2, buffer_bytes=1):
        plain = clone(reg).fit(data, Y)
        reg.fit(data, Y, record=ALL, record_every=k)
    assert same_fits(plain, reg)
    end = int(reg.t_) - 1
    assert reg.record_["steps"].tolist() == sorted({*range(0, end + 1, k), end})
    assert np.array_equal(reg.path_.coef[-1], reg.coef_)
    value = reg.objective(data, Y)
    assert reg.record_["objective"][-1] == pytest.approx(value, rel=1e-9)


def test_objectives_with_columns_standardised_are_those_of_the_coefficients():
    reg = SGDRegressor(max_iter=2, tol=None, alpha=0, standardize=True, random_state=0)
    reg.fit(X * [1, 10, 100, 1000] + 5, Y, record=("objective", "coef"), record_every=50)
    data = X * [1, 10, 100, 1000] + 5
    for i, value in enumerate(reg.record_["objective"]):
        assert value == pytest.approx(np.mean((data @ reg.path_.coef[i] + reg.path_.intercept[i] - Y) ** 2) / 2)


@pytest.mark.parametrize("strike", [1, 3, 9])
def test_an_interrupted_fit_keeps_its_record(strike, set_sizes):
    set_sizes(call_rows=30)

    class Strike:
        left = strike

        def between(self, progress):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    reg = SGDRegressor(max_iter=3, tol=None, random_state=0, callbacks=Strike())
    with pytest.raises(KeyboardInterrupt):
        reg.fit(X, Y, record=ALL, record_every=10)
    assert reg.stop_reason_ == "interrupted" and reg.record_["steps"][-1] == reg.path_.steps[-1]
    assert 0 <= reg.t_ - 1 - reg.record_["steps"][-1] <= 10


def test_a_fit_that_diverges_keeps_the_rows_on_its_way():
    reg = SGDRegressor(eta0=3.0, learning_rate="constant", max_iter=1, random_state=0)
    with pytest.raises(ValueError, match="overflow"):
        reg.fit(np.vstack([X, 1e200 * X]), np.r_[Y, Y], record=("objective", "coef", "step_length"), record_every=1)
    assert reg.record_["objective"][0] == pytest.approx(np.mean(Y**2) / 2)
    assert len(reg.record_) == len(reg.path_.steps) > 1 and not reg.coef_.any()


def test_a_fit_that_goes_on_records_from_there(tmp_path, set_sizes):
    set_sizes(call_rows=30)
    path = tmp_path / "c"

    class Strike:
        left = 4

        def between(self, progress):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    params = {"max_iter": 3, "tol": None, "random_state": 0}
    with pytest.raises(KeyboardInterrupt):
        SGDRegressor(**params, callbacks=[fastsgd.Checkpoint(path), Strike()]).fit(X, Y, record="objective")
    whole = SGDRegressor(**params).fit(X, Y, record="objective", record_every=50)
    rest = SGDRegressor(**params).fit(X, Y, record="objective", record_every=50, resume_from=path)
    assert np.array_equal(rest.coef_, whole.coef_) and rest.record_["steps"][0] > 0
    later = np.isin(whole.record_["steps"], rest.record_["steps"])
    for name in ("steps", "epoch", "objective"):
        assert np.array_equal(rest.record_[name][-later.sum() :], whole.record_[name][later])


def test_segments_and_models_beside_are_as_without_a_record():
    params = {"max_iter": 2, "tol": None, "random_state": 0}
    plain, told = (SGDRegressor(**params) for _ in range(2))
    plain.fit(X, Y, segments=CLASSES)
    told.fit(X, Y, segments=CLASSES, record=ALL, record_every=20)
    assert same_fits(plain, told) and np.array_equal(plain.segment_coefs_, told.segment_coefs_)
    assert told.record_["objective"][-1] == pytest.approx(told.objective(X, Y), rel=1e-12)
    plain, told = (SGDRegressor(**params, learning_rate="auto", n_bootstrap=3) for _ in range(2))
    assert same_fits(plain.fit(X, Y), told.fit(X, Y, record=ALL, record_every=20))
    assert np.array_equal(plain.std_errors(), told.std_errors())


class TestThreads:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40_000, 30)).astype("f4")
    Y, CLASSES = X @ rng.standard_normal(30).astype("f4"), rng.integers(0, 60, 40_000)
    KINDS = {
        "lanes": (SGDRegressor(), Y, 10_000, [0, 40_000]),
        "slopes": (SGDRegressor(batch_size=40_000), Y, 1, [0, 1]),
        "heads": (SGDClassifier("hinge", learning_rate="constant"), CLASSES, 15_000, [0, 15_000, 30_000, 40_000]),
    }

    @pytest.mark.parametrize("kind", KINDS)
    def test_threads_train_the_same_with_a_record(self, kind):
        est, y, k, steps = self.KINDS[kind]
        params = {"n_jobs": 2, "max_iter": 1, "tol": None, "random_state": 0}
        plain = clone(est).set_params(**params).fit(self.X, y)
        told = clone(est).set_params(**params).fit(self.X, y, record=("objective", "coef"), record_every=k)
        assert same_fits(plain, told) and told.record_["steps"].tolist() == steps
        assert np.array_equal(told.path_.coef[-1], told.coef_)

    def test_lanes_without_locks_are_recorded_where_they_meet(self):
        reg = SGDRegressor(n_jobs=2, parallel="hogwild", max_iter=2, tol=None, random_state=0)
        reg.fit(self.X, self.Y, record=("objective", "coef"), record_every=100)
        assert reg.record_["steps"].tolist() == [0, 40_000, 80_000]
        assert np.array_equal(reg.path_.coef[-1], reg.coef_)


class TestSources:
    def batches(self):
        return iter([(X[:60], Y[:60]), (X[60:100], Y[60:100]), (X[100:], Y[100:])])

    @pytest.mark.filterwarnings("ignore:the rows of this source come in an order")
    def test_a_source_is_read_anew_for_each_objective(self):
        source = sources.from_batches(self.batches).buffered(max_memory=40_000, buffer_rows=60)
        plain, told = (SGDRegressor(max_iter=2, tol=None, random_state=0) for _ in range(2))
        plain.fit(source)
        told.fit(source, record=ALL, record_every=40)
        assert same_fits(plain, told) and told.record_["steps"].tolist() == [0, 40, 80, 120, 160, 200, 240, 280, 300]
        assert told.record_["objective"][-1] == pytest.approx(told.objective(X, Y), rel=1e-9)
        parts = SGDRegressor(random_state=0).partial_fit(source, record="objective", record_every=100)
        assert parts.record_["steps"].tolist() == [0, 100]

    @pytest.mark.filterwarnings("ignore:the rows of this source come in an order")
    @pytest.mark.filterwarnings("ignore:Maximum number of iteration")
    @pytest.mark.parametrize("what", ["objective", ["objective", "gradient_norm"]])
    def test_what_a_stopping_rule_asks_for_too_is_worked_out_once(self, what):
        given = {"stopping": "objective" if what == "objective" else "gradient", "tol": 1e-9, "max_iter": 3}

        def reads(**how):
            begun = []
            source = sources.from_batches(lambda: begun.append(1) or self.batches())
            source = source.buffered(max_memory=40_000, buffer_rows=60)
            SGDRegressor(**given, random_state=0).fit(source, **how)
            return len(begun)

        assert reads(record=what) == reads() + 1  # for the start

    def test_a_source_that_can_be_read_once_has_coefficients_recorded_alone(self):
        pa = pytest.importorskip("pyarrow")
        table = pa.table({f"x{i}": X[:, i] for i in range(4)} | {"y": Y})

        def once():
            reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(50))
            return sources.from_arrow(reader, target="y").buffered(max_memory=40_000, buffer_rows=50)

        with pytest.raises(ValueError, match=r"'objective', which takes a pass .* can be read once only"):
            SGDRegressor().partial_fit(once(), record="objective")
        reg = SGDRegressor().partial_fit(once(), record=("coef", "step_length"), record_every=100)
        assert reg.record_["steps"].tolist() == [0, 100] and np.isnan(reg.record_["objective"]).all()
        assert reg.record_["epoch"][0] == 0 and np.isnan(reg.record_["epoch"][1])


def test_each_start_has_a_record_and_that_of_the_model_is_kept():
    clf = SGDClassifier("sigmoid", n_init=4, init=3.0, max_iter=2, tol=None, random_state=0)
    clf.fit(X, SIGNS, record=("objective", "coef"))
    assert clf.record_["steps"].tolist() == [0, 150, 300]
    assert np.array_equal(clf.path_.coef[-1], clf.coef_)
    assert clf.record_["objective"][-1] == pytest.approx(clf.objective(X, SIGNS), rel=1e-12)


def test_a_cluster_records_its_rounds():
    pytest.importorskip("dask")
    import dask.array as da

    import fastsgd.dask
    from fastsgd.dask.runners import LocalRunner

    data = da.from_array(X, chunks=(50, 4)), da.from_array(Y, chunks=50)
    plain, told = (fastsgd.dask.SGDRegressor(max_iter=2, tol=None, random_state=0, client=LocalRunner()) for _ in "ab")
    assert same_fits(plain.fit(*data), told.fit(*data, record=ALL))
    assert told.record_["steps"].tolist() == [0, 150, 300]
    assert told.record_["objective"][-1] == pytest.approx(told.to_local().objective(X, Y), rel=1e-12)
    assert told.partial_fit(*data, record="objective").record_["steps"].tolist() == [0, 150, 300, 450]
    for method in (told.fit, told.partial_fit):
        with pytest.raises(ValueError, match="record_every=10 is not for a cluster"):
            method(*data, record="objective", record_every=10)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"record": "objectiv"}, "got 'objectiv'. Did you mean 'objective'"),
        ({"record": ["coef", "x"]}, "record must be None, or one or several of 'objective'"),
        ({"record": []}, r"got \[\]"),
        ({"record": 3}, "got 3"),
        ({"record_every": 10}, "give record='objective'"),
        ({"record": "coef", "record_every": 0}, "record_every must be 'epoch' or a number of steps"),
        ({"record": "coef", "record_every": 2.5}, "record_every must be 'epoch' or a number of steps"),
        ({"record": "coef", "record_every": True}, "record_every must be 'epoch' or a number of steps"),
        ({"record_every": "step"}, "record_every must be 'epoch' or a number of steps"),
    ],
)
def test_what_can_not_be_recorded_is_refused(how, words):
    for est, y in (task() for task in TASKS.values()):
        for method in (est.fit, est.partial_fit):
            with pytest.raises(ValueError, match=words):
                method(X, y, **how)
        assert not hasattr(est, "coef_")


def test_a_search_says_where_to_record():
    with pytest.raises(TypeError, match="SGDClassifierCV records no steps: fit SGDClassifier"):
        fastsgd.SGDClassifierCV().fit(X, SIGNS, record="objective")
    grid = GridSearchCV(SGDClassifier(max_iter=2, tol=None), {"alpha": [1e-3, 1e-4]}, cv=2)
    assert len(grid.fit(X, SIGNS, record="objective").best_estimator_.record_) == 3


def test_without_a_tolerance_the_history_has_what_was_recorded_at_the_ends_of_epochs():
    reg = SGDRegressor(max_iter=3, tol=None, random_state=0)
    for every, seen in (
        ("epoch", [True] * 3),
        (75, [True] * 3),
        (300, [False, True, True]),
        (70, [False, False, True]),
    ):
        reg.fit(X, Y, record=("objective", "gradient_norm"), record_every=every)
        rows = reg.record_[np.isin(reg.record_["epoch"], [1, 2, 3])]
        assert np.isfinite(reg.history_["objective"]).tolist() == seen
        assert np.array_equal(reg.history_["objective"][seen], rows["objective"])
        assert np.array_equal(reg.history_["gradient_norm"][seen], rows["gradient_norm"])
    reg.partial_fit(X, Y, record="objective")
    assert reg.history_["objective"].tolist() == [reg.record_["objective"][-1]]
    assert np.isnan(reg.fit(X, Y).history_["objective"]).all()


def test_rows_drawn_with_replacement_are_recorded(set_sizes):
    set_sizes(call_rows=64, block_rows=4, buffer_blocks=2, buffer_bytes=1)
    plain, told = (SGDRegressor(shuffle="replace", max_iter=2, tol=None, random_state=0) for _ in range(2))
    assert same_fits(plain.fit(X, Y), told.fit(X, Y, record=ALL, record_every=25))
    assert told.record_["steps"].tolist() == list(range(0, 301, 25))
