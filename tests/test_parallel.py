"""What n_jobs promises: the same bits where heads are parted, the same result on every run where rows are; whoever trains."""

import multiprocessing
import threading

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed, parallel_config
from support.streamed import Blocks

from fastsgd import (
    Checkpoint,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    engine,
    losses,
    optimizers,
    parallel,
    schedules,
    several,
)
from fastsgd.estimators import base, products
from fastsgd.hogwild import Hogwild
from fastsgd.lanes import Gradients
from fastsgd.packs import Pack
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.split import Split, cuts
from fastsgd.state import State
from fastsgd.threads import Threads

N, D, K = 300, 23, 75
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.5)
CODE = RNG.integers(0, K, N).astype(np.int32)
Y = RNG.standard_normal((N, K))
BINARY = (X @ RNG.standard_normal(D) > 0).astype(int)
LAYOUTS = {"dense": np.ascontiguousarray, "csr": sp.csr_matrix}


@pytest.fixture
def always(monkeypatch):
    """Threads are used however small the data are."""
    for name, value in (("MIN_ROUND_WORK", 1.0), ("MIN_PASS_WORK", 0.0), ("MERGE_WORK", 0.0), ("MIN_ROWS", 1)):
        monkeypatch.setattr(parallel, name, value)


def bits(state, run):
    parts = [vars(state), vars(state.auto) if state.auto is not None else {}, {"sums": run.sums}]
    return {name: x.tobytes() for own in parts for name, x in own.items() if isinstance(x, np.ndarray)}


def pass_over(plan, table, lanes=engine.SERIAL, heads=K):
    state = State.zeros(D, heads, table.X.dtype, 3, plan.separate)
    for _ in range(2):
        run = engine.Run(state)
        for _ in engine.one_pass(run, plan, table, True, lanes):
            pass
    return bits(state, run)


def plan_of(loss, rate="invscaling", **more):
    eta = schedules.get(rate).bind(eta0=0.05, alpha=0.01, power_t=0.3, loss=loss, pass_rows=N, passes=2)
    return Plan.of(loss, eta, **more)


PLANS = {
    "l2": {"l2": 0.01},
    "elastic net, averaged": {"l1": 0.003, "l2": 0.01, "average": 5},
    "l1": {"l1": 0.003},
    "adagrad": {"optimizer": optimizers.AdaGrad(), "l1": 0.003, "l2": 0.01, "average": 5},
    "adam, batches": {"optimizer": optimizers.Adam(), "batch_size": 7},
    "momentum, large batches": {"optimizer": optimizers.get("momentum"), "batch_size": 290, "l2": 0.01},
}


# ---------------------------------------------------------------- heads on threads
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", PLANS)
def test_heads_on_threads_have_the_same_bits(name, layout, dtype):
    """Targets by class and by column, rows and classes that have weights."""
    rows, s = LAYOUTS[layout](X.astype(dtype)), np.where(np.arange(N) % 7, 1.5, 0.0)
    of_classes = Table(rows, code=CODE, s=s, s_pos=np.linspace(0.5, 2, K), s_neg=np.linspace(2, 0.5, K))
    for plan, table in (
        (plan_of(losses.LogLoss(), **PLANS[name]), of_classes),
        (plan_of(losses.Huber(0.1), **PLANS[name]), Table(rows, y=Y)),
    ):
        right = pass_over(plan, table)
        for n in (2, 3):
            assert pass_over(plan, table, Split(Threads(n))) == right


@pytest.mark.parametrize(
    "loss", [losses.LogLoss(), losses.SquaredError(), losses.Huber(0.1)], ids=lambda loss: loss.name
)
def test_heads_of_auto_on_csr_have_the_same_bits(loss):
    table, plan = Table(sp.csr_matrix(X), code=CODE), plan_of(loss, "auto", l2=0.01)
    assert pass_over(plan, table, Split(Threads(3))) == pass_over(plan, table)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", [None, optimizers.AdaGrad()], ids=["sgd", "adagrad"])
def test_models_of_a_grid_have_the_same_bits(optimizer, layout):
    """Some with L1, an average, folds and resamples, others without; they end one by one."""
    loss = losses.LogLoss()
    one = [
        plan_of(loss, l1=0.002 * (k % 3), l2=0.01 * (k % 4), average=k % 2, fold=k % 5, column=k, optimizer=optimizer)
        for k in range(K)
    ]
    table = Table(LAYOUTS[layout](X), y=np.sign(Y), fold=(np.arange(N) % 5).astype(np.int32))
    plan = Plan.stack(one)
    plan.heads.flags.writeable = True
    plan.heads["model"], plan.heads["resample"] = np.arange(K), np.arange(K) % 3
    plan = Plan(plan.loss, plan.schedule, plan.heads, plan.optimizer, separate=True)
    assert pass_over(plan, table, Split(Threads(2))) == pass_over(plan, table)
    rules = engine_rules()
    found = [
        several.train([Pack(State.zeros(D, K, X.dtype, 0, True), plan)], table, rules, passes=12, lanes=lanes)
        for lanes in (engine.SERIAL, Split(Threads(2)))
    ]
    ends = {len(model.epochs) for model in found[0].values()}
    assert len(ends) > 1
    for number, model in found[0].items():
        np.testing.assert_array_equal(model.state.W, found[1][number].state.W)
        assert len(model.epochs) == len(found[1][number].epochs)


def engine_rules():
    from fastsgd import stopping

    return stopping.get("objective", 1e-2, 1)


def test_where_heads_are_cut():
    plain, grid = plan_of(losses.Hinge(), l2=0.01), Plan.stack([plan_of(losses.Hinge(), l2=0.01)] * 100)
    assert cuts(plain, 527, "f4", True, 2) == [0, 264, 527]
    assert cuts(plain, 10, "f4", True, 2) is None
    assert cuts(grid, 100, "f4", True, 2) == [0, 48, 100]
    assert cuts(plan_of(losses.MULTICLASS["multinomial"](), l2=0.01), 527, "f4", True, 2) is None


# ---------------------------------------------------------------- rows on threads
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["momentum, large batches", "full batches"])
def test_large_batches_take_the_steps_of_one_thread(name, layout):
    """Up to rounding: the slopes are added in another order."""
    more = PLANS.get(name, {"batch_size": np.inf, "l2": 0.01, "average": 1})
    plan, s = plan_of(losses.LogLoss(), **more), np.where(np.arange(N) % 7, 1.5, 0.0)
    table, states = Table(LAYOUTS[layout](X), code=CODE % 2, s=s), []
    for lanes in (engine.SERIAL, Gradients(2), Gradients(3)):
        states.append(state := State.zeros(D, 3, X.dtype, 3))
        for _ in range(3):
            for _ in engine.one_pass(engine.Run(state), plan, table, True, lanes):
                pass
    for other in states[1:]:
        np.testing.assert_array_equal(other.at, states[0].at)
        np.testing.assert_allclose(other.model(plan)[0], states[0].model(plan)[0], rtol=1e-9, atol=1e-12)


ESTIMATORS = {
    "classifier": (SGDClassifier(loss="log_loss", max_iter=3, tol=None, random_state=0), BINARY),
    "regressor": (SGDRegressor(max_iter=3, tol=None, random_state=0), Y[:, 0]),
    "one class": (SGDOneClassSVM(max_iter=3, tol=None, random_state=0), None),
    "classes": (SGDClassifier(max_iter=3, tol=None, random_state=0), np.append(np.arange(K), CODE[K:])),
    "softmax": (SGDClassifier("log_loss", multi_class="multinomial", max_iter=3, tol=None, random_state=0), CODE % 4),
    "auto": (SGDClassifier("log_loss", learning_rate="auto", max_iter=3, tol=None, random_state=0), CODE % 3),
    "targets": (SGDRegressor(max_iter=3, tol=None, random_state=0, penalty="l1"), Y),
}


def fitted(name, layout="dense", **params):
    est, y = ESTIMATORS[name]
    est = type(est)(**est.get_params() | params)
    return est.fit(LAYOUTS[layout](X)) if y is None else est.fit(LAYOUTS[layout](X), y)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_run_gives_the_same_bits(name, layout, always):
    first = fitted(name, layout, n_jobs=2)
    for _ in range(20):
        again = fitted(name, layout, n_jobs=2)
        assert again.coef_.tobytes() == first.coef_.tobytes()
        assert again.history_["loss"].tobytes() == first.history_["loss"].tobytes()
    alone = fitted(name, layout)
    same = np.array_equal(alone.coef_, first.coef_)
    assert same == (name in ("classes", "targets") or (name == "auto" and layout == "csr"))


@pytest.mark.parametrize(
    "params",
    [
        {"learning_rate": "adaptive", "eta0": 0.5, "tol": 1e-2, "max_iter": 30},
        {"early_stopping": True, "tol": 1e-3, "max_iter": 20, "average": 10, "penalty": "elasticnet"},
        {"loss": "log_loss", "learning_rate": "auto", "max_iter": 4, "stopping": "parameters"},
        {"n_init": 2, "init": "normal", "optimizer": "adam", "eta0": 0.01, "batch_size": 16},
    ],
    ids=str,
)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_happens_between_passes_is_the_same_for_heads_on_threads(layout, params, always):
    if layout == "dense" and params.get("learning_rate") == "auto":  # It is not trained by heads.
        params = params | {"learning_rate": "constant"}
    name = "targets" if "early_stopping" in params else "classes"
    one, two = (fitted(name, layout, **{"tol": None} | params, n_jobs=n) for n in (None, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(one.intercept_, two.intercept_)
    assert one.n_iter_ == two.n_iter_ and one.stop_reason_ == two.stop_reason_


def test_a_hundred_fits_are_identical(always):
    assert len({fitted("classifier", n_jobs=2).coef_.tobytes() for _ in range(100)}) == 1


def test_lanes_are_those_asked_for_and_not_those_there(always, monkeypatch):
    right = fitted("classifier", n_jobs=3).coef_
    monkeypatch.setattr(Threads, "map", lambda self, function, pieces: [function(piece) for piece in pieces])
    np.testing.assert_array_equal(fitted("classifier", n_jobs=3).coef_, right)


def test_small_data_are_trained_as_by_one_thread():
    for name in ESTIMATORS:
        np.testing.assert_array_equal(fitted(name, n_jobs=2).coef_, fitted(name).coef_)


@pytest.mark.parametrize("n_jobs", [0, 1.5, "two"])
def test_n_jobs_must_be_a_number_of_threads(n_jobs):
    with pytest.raises(ValueError, match="n_jobs"):
        fitted("classifier", n_jobs=n_jobs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["classifier", "classes"])
def test_rows_of_a_source_are_trained_on_in_lanes_too(name, layout, always):
    est, y = ESTIMATORS[name]
    found = []
    for n_jobs in (None, 2, 2):
        model = type(est)(**est.get_params() | {"n_jobs": n_jobs})
        found.append(model.fit(Blocks(LAYOUTS[layout](X), y, rows=3)).coef_)
    np.testing.assert_array_equal(found[1], found[2])
    assert np.array_equal(found[0], found[1]) == (name == "classes")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_restarts_and_standardised_rows_are_trained_in_lanes(optimizer, always):
    params = {"standardize": True, "n_init": 2, "init": "normal", "optimizer": optimizer, "n_jobs": 2}
    first, again = (fitted("classifier", **params).coef_ for _ in range(2))
    np.testing.assert_array_equal(first, again)


# ---------------------------------------------------------------- one set of weights for all
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_hogwild_comes_as_far_as_one_thread(loss, layout, always):
    rows, y = np.tile(X, (20, 1)), np.tile(BINARY, 20)
    found = []
    for n_jobs in (None, 2, 3):
        est = SGDClassifier(loss, alpha=1e-3, max_iter=20, tol=None, random_state=0, n_jobs=n_jobs, parallel="hogwild")
        est.set_params(callbacks=lambda progress: None).fit(LAYOUTS[layout](rows), y)
        assert est.t_ == 20 * len(y) + 1
        found.append(est.history_["objective"][-1])
    np.testing.assert_allclose(found[1:], found[0], rtol=0.05)


def test_hogwild_in_turn_counts_as_one_thread(monkeypatch):
    """Lanes that take turns end with the clock, the scale and nearly the weights of one lane, also where the scale gets small."""
    monkeypatch.setattr(Threads, "map", lambda self, function, pieces: [function(piece) for piece in pieces])
    plan, table, states = plan_of(losses.LogLoss(), l2=0.05), Table(X, code=CODE % 2), []
    for lanes in (engine.SERIAL, Hogwild(2)):
        states.append(state := State.zeros(D, 2, X.dtype, 0))
        for _ in range(10):
            for _ in engine.one_pass(engine.Run(state), plan, table, True, lanes):
                pass
    one, two = states
    assert two.t == one.t
    model = one.model(plan)[0]
    assert np.linalg.norm(two.model(plan)[0] - model) < 0.1 * np.linalg.norm(model)


@pytest.mark.parametrize("begun", [0, 1, 2])
def test_ctrl_c_in_a_round_of_hogwild_leaves_weights_and_scale_in_step(begun, monkeypatch):
    plan, table = plan_of(losses.LogLoss(), l2=0.05), Table(X, code=CODE % 2)
    monkeypatch.setattr(Threads, "map", lambda self, function, pieces: [function(piece) for piece in pieces])
    right, struck = (engine.Run(State.zeros(D, 2, X.dtype, 0)) for _ in range(2))
    for _ in engine.one_pass(right, plan, table, True, Hogwild(2)):
        pass

    def interrupted(self, function, pieces):
        for piece in pieces[:begun]:
            function(piece)
        raise KeyboardInterrupt

    monkeypatch.setattr(Threads, "map", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for _ in engine.one_pass(struck, plan, table, True, Hogwild(2)):
            pass
    assert bits(struck.state, struck) == bits(right.state, right)


def test_hogwild_of_a_strong_penalty_is_done_by_one_thread():
    plan, table = plan_of(losses.LogLoss(), l2=10.0), Table(X, code=CODE % 2)
    assert pass_over(plan, table, Hogwild(2), 2) == pass_over(plan, table, heads=2)


@pytest.mark.parametrize(
    "params",
    [
        {"penalty": "l1"},
        {"average": True},
        {"optimizer": "adam"},
        {"batch_size": 8},
        {"learning_rate": "auto"},
        {"learning_rate": "pa1"},
        {"gradient_noise": 0.1},
    ],
    ids=str,
)
def test_what_hogwild_does_not_take_is_named(params):
    with pytest.raises(
        ValueError, match=f"parallel='hogwild' .* got .*{next(iter(params))}|{next(iter(params))}=.*got"
    ):
        SGDClassifier(parallel="hogwild", **params).fit(X, BINARY)


# ---------------------------------------------------------------- sums and predictions
@pytest.mark.parametrize("layout", LAYOUTS)
def test_objectives_have_the_same_bits(layout):
    from support.sizes import sizes

    from fastsgd.objective import measure, objective

    plan, rng = plan_of(losses.LogLoss(), l2=0.01), np.random.default_rng(1)
    W, b = rng.standard_normal((D, 4)).astype("f4"), rng.standard_normal(3)
    found = []
    with sizes(call_rows=40, buffer_bytes=1, buffer_blocks=2):
        for n in (1, 2, 3):
            table = Table(LAYOUTS[layout](X.astype("f4")), code=CODE % 3, threads=Threads(n))
            found.append((objective(table, plan, W, b), *measure(table, plan, W, b)))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_predictions_have_the_same_bits(layout, dtype, monkeypatch):
    monkeypatch.setattr(products, "BLOCK_ROWS", 64)
    monkeypatch.setattr(products, "MIN_WORK", 0)
    rows = LAYOUTS[layout](X.astype(dtype))
    for est, y, names in (
        (SGDClassifier("log_loss", max_iter=3, tol=None), BINARY, ("decision_function", "predict", "predict_proba")),
        (SGDClassifier("log_loss", max_iter=3, tol=None), CODE % 5, ("decision_function", "predict_log_proba")),
        (SGDRegressor(max_iter=3, tol=None), Y[:, :3], ("predict",)),
        (SGDOneClassSVM(max_iter=3, tol=None), None, ("decision_function", "score_samples")),
    ):
        est = est.fit(rows) if y is None else est.fit(rows, y)
        for name in names:
            right = getattr(est.set_params(n_jobs=None), name)(rows)
            for n_jobs in (2, 3):
                np.testing.assert_array_equal(getattr(est.set_params(n_jobs=n_jobs), name)(rows), right, strict=True)
        expected = rows @ np.atleast_2d(est.coef_).T
        np.testing.assert_allclose(products.product(rows, np.atleast_2d(est.coef_), 2), expected, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- from elsewhere
def test_fits_in_threads_of_python_and_under_joblib(always):
    right, found = fitted("classes", n_jobs=2).coef_, [None] * 4

    def fit(i):
        found[i] = fitted("classes", n_jobs=2).coef_

    threads = [threading.Thread(target=fit, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += Parallel(n_jobs=2, backend="threading")(delayed(_coef_of_classes)() for _ in range(3))
    with parallel_config(backend="threading", n_jobs=2):
        found.append(fitted("classes").coef_)
    for coef in found:
        np.testing.assert_array_equal(coef, right)


def _coef_of_classes():
    return fitted("classes", n_jobs=2).coef_


def test_in_processes_of_joblib():
    est, y = ESTIMATORS["classes"]
    right = est.fit(X, y).coef_
    for coef in Parallel(n_jobs=2, backend="loky")(delayed(_elsewhere)(X, y) for _ in range(3)):
        np.testing.assert_array_equal(coef, right)


def _elsewhere(X, y):
    from fastsgd import parallel

    parallel.MIN_ROUND_WORK, parallel.MIN_PASS_WORK, parallel.MIN_ROWS = 1.0, 0.0, 1
    return SGDClassifier(max_iter=3, tol=None, random_state=0, n_jobs=2).fit(X, y).coef_


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork(always):
    right = fitted("classifier", n_jobs=2).coef_
    child = multiprocessing.get_context("fork").Process(target=_in_a_child, args=(right,))
    child.start()
    child.join(60)
    assert child.exitcode == 0


def _in_a_child(right):
    np.testing.assert_array_equal(fitted("classifier", n_jobs=2).coef_, right)


# ---------------------------------------------------------------- beginning, stopping, going on
@pytest.mark.parametrize("name", ["classifier", "classes"])
def test_partial_fit_is_a_pass_of_fit(name, always):
    est, y = ESTIMATORS[name]
    one = type(est)(**est.get_params() | {"max_iter": 1, "n_jobs": 2, "shuffle": False})
    parts = type(est)(**one.get_params())
    np.testing.assert_array_equal(parts.partial_fit(X, y, classes=np.unique(y)).coef_, one.fit(X, y).coef_, strict=True)


@pytest.mark.parametrize("name", ["classifier", "classes"])
def test_the_state_in_a_pass_is_whole(name, always, tmp_path, monkeypatch):
    """What callbacks see and checkpoints keep between kernel calls; and going on from it gives the bits of an unbroken fit."""
    from support.sizes import sizes

    with sizes(call_rows=40, buffer_bytes=1, buffer_blocks=2):
        right = fitted(name, n_jobs=2)
        serial = fitted(name)
        path = tmp_path / "fit"
        calls = []
        train = engine.train

        def stops(run, *args, between, **kwargs):
            def impatient(run, ending):
                between(run, ending)
                calls.append(run.state.W.copy())
                if len(calls) == 5:
                    raise KeyboardInterrupt

            return train(run, *args, between=impatient, **kwargs)

        monkeypatch.setattr(base.engine, "train", stops)
        with pytest.raises(KeyboardInterrupt):
            fitted(name, n_jobs=2, callbacks=Checkpoint(path, every_rows=1, every_seconds=None))
        monkeypatch.setattr(base.engine, "train", train)
        assert len({W.tobytes() for W in calls}) == 5
        est, y = ESTIMATORS[name]
        on = type(est)(**est.get_params() | {"n_jobs": 2}).fit(X, y, resume_from=path)
        np.testing.assert_array_equal(on.coef_, right.coef_)
        other = type(est)(**est.get_params())
        if name == "classes":  # The heads are the same whoever trains them.
            np.testing.assert_array_equal(other.fit(X, y, resume_from=path).coef_, serial.coef_)
        else:
            with pytest.raises(ValueError, match="the number of lanes, by n_jobs, was 2"):
                other.fit(X, y, resume_from=path)


def test_a_model_that_diverges_says_so(always):
    for name, params in (("targets", {"eta0": 1e200}), ("regressor", {"eta0": 1e200})):
        with pytest.raises(ValueError, match="overflow"):
            fitted(name, n_jobs=2, learning_rate="constant", **params)


def test_ctrl_c_in_a_round_leaves_all_heads_at_the_same_row(monkeypatch):
    from support.sizes import sizes

    table, plan = Table(X, code=CODE), plan_of(losses.Hinge(), l2=0.01)

    class Interrupted(Threads):
        left = 4

        def map(self, function, pieces):
            pieces = list(pieces)
            self.left -= 1
            if not self.left:
                function(pieces[0])
                raise KeyboardInterrupt
            return super().map(function, pieces)

    with sizes(call_rows=40, buffer_bytes=1, buffer_blocks=2):
        run = engine.Run(State.zeros(D, K, X.dtype, 3))
        with pytest.raises(KeyboardInterrupt):
            for _ in engine.one_pass(run, plan, table, True, Split(Interrupted(2))):
                pass
        right = engine.Run(State.zeros(D, K, X.dtype, 3))
        rounds = engine.one_pass(right, plan, table, True)
        for _ in range(3):
            next(rounds)
    assert bits(run.state, run) == bits(right.state, right)
