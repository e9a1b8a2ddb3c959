"""A fit that is stopped and goes on from its checkpoint ends as one that never was, bit for bit."""

import itertools
import zlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.cases import covering
from support.checkpoint import (
    CLASSES,
    EPOCHS,
    FEW,
    LABELS,
    TARGET,
    WEIGHT,
    X,
    calls,
    fresh,
    outcome,
    refuse,
    small_calls,  # noqa: F401 (a fixture)
)

from fastsgd import (
    Checkpoint,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    optimizers,
    schedules,
    sources,
    stopping,
)
from fastsgd.persist import keeper

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Crash(Exception):
    """In place of a power cut."""


def crash(est, data, y, path, at, resume=False, **fit):
    """Fit until kernel call number `at` from here, write a checkpoint, and crash; whether it came to that."""
    count, between = itertools.count(), keeper.Keeper.between

    def counted(keeper, run, ending):
        if not ending and next(count) == at:
            keeper.writers[0].write(lambda: keeper._content(run), 0)
            raise Crash
        between(keeper, run, ending)

    est = fresh(est).set_params(callbacks=[Checkpoint(path, 1e9)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper.Keeper, "between", counted)
        try:
            est.fit(data, y, resume_from=path if resume else None, **fit)
        except Crash:
            return True
    return False


def same_as_unbroken(est, data, y, path, moments, **fit):
    """Crash at each of these moments, as shares of the kernel calls there are, go on each time, and compare in the end."""
    whole, count, gone = outcome(fresh(est).fit(data, y, **fit)), calls(est, data, y, path, **fit), 0
    for at in sorted({int(moment * count) for moment in moments}):
        assert crash(est, data, y, path, at - gone, resume=gone > 0, **fit)
        gone = at + 1
    assert outcome(fresh(est).fit(data, y, resume_from=path, **fit)) == whole


# ---------------------------------------------------------------- every optimizer, every layout


HOW = {
    "plain": {},
    "average": {"average": 20},
    "elasticnet": {"penalty": "elasticnet", "alpha": 1e-3, "l1_ratio": 0.4},
    "l1, averaged": {"penalty": "l1", "alpha": 1e-3, "average": True},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.01, "max_iter": 12},
    "batch of 7": {"batch_size": 7},
    "full batch": {"batch_size": "full"},
    "standardize": {"standardize": True},
    "objective": {"tol": 0.1, "n_iter_no_change": 1, "max_iter": 20},
}
FACTORS = [*optimizers.OPTIMIZERS, "auto"], ["dense", "csr"], ["f8", "f4"], HOW


def trains(optimizer, layout, dtype, how):
    return not (optimizer == "auto" and {"average", "batch_size"} & set(HOW[how]))


def classifier(optimizer, params):
    own = {"learning_rate": "auto"} if optimizer == "auto" else {"optimizer": optimizer}
    if optimizer not in ("sgd", "auto", "ftrl"):
        own["learning_rate"] = "constant"
    return SGDClassifier(
        **{"loss": "log_loss", "max_iter": EPOCHS, "tol": None, "random_state": 0, "eta0": 0.01, **own, **params}
    )


def laid_out(layout, dtype):
    data = (X * (X > 0)).astype(dtype)
    return sp.csr_matrix(data) if layout == "csr" else data


@pytest.mark.parametrize("optimizer, layout, dtype, how", covering(2, *FACTORS, allowed=trains))
def test_goes_on_bit_for_bit(optimizer, layout, dtype, how, tmp_path):
    est = classifier(optimizer, HOW[how])
    at = zlib.crc32(f"{optimizer}{layout}{dtype}{how}".encode()) % 1000 / 1000
    for y in (LABELS, CLASSES):
        same_as_unbroken(est, laid_out(layout, dtype), y, tmp_path / "run", [at])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(covering(4, *FACTORS, allowed=trains)),
    st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    st.booleans(),
)
@example(("sgd", "csr", "f4", "elasticnet"), [0.984375], True)  # a column of zeros beside the heads became -0.0
def test_goes_on_from_any_moment_and_again(tmp_path_factory, case, moments, three):
    optimizer, layout, dtype, how = case
    path = tmp_path_factory.mktemp("run") / "run"
    same_as_unbroken(
        classifier(optimizer, HOW[how]), laid_out(layout, dtype), CLASSES if three else LABELS, path, moments
    )


# ---------------------------------------------------------------- whatever else a fit has


def value(p, y):
    return 0.5 * (p - y) ** 2


def slope(p, y):
    return p - y


@pytest.mark.parametrize("moment", [0.1, 0.6, 0.97])
@pytest.mark.parametrize(
    "est, fit",
    [
        (SGDRegressor(**FEW), {}),
        (SGDRegressor(**FEW), {"sample_weight": WEIGHT}),
        (SGDRegressor(optimizer=optimizers.SGD(line_search=True), batch_size="full", **FEW), {}),
        (SGDRegressor(gradient_noise=0.1, **FEW), {}),
        (SGDRegressor(init="normal", standardize=True, **FEW), {}),
        (SGDRegressor(losses.Custom(value, slope), **FEW), {}),
        (
            SGDRegressor(shuffle=False, batch_size=23, **FEW),
            {"sample_weight": np.where(np.arange(150) < 40, 0, WEIGHT)},
        ),
        (SGDRegressor(shuffle="replace", **FEW), {"sample_weight": WEIGHT}),
        (SGDRegressor(shuffle="replace", batch_size=23, **FEW), {}),
        (SGDRegressor(**FEW | {"random_state": None}, early_stopping=True), {}),
        (SGDRegressor(optimizer="adam", learning_rate="adaptive", tol=0.1, n_iter_no_change=1, random_state=0), {}),
        (SGDRegressor(stopping=["parameters", "gradient"], tol=0.02, max_iter=30, random_state=0), {}),
        (SGDRegressor(stopping=stopping.ParameterChange(0.05, 2), max_iter=30, random_state=0), {}),
        (SGDRegressor(stopping=stopping.ParameterChange(0.05, 2, relative=False), max_iter=30, random_state=0), {}),
        (SGDRegressor(stopping=stopping.Objective(0.05, 2, absolute=True), max_iter=30, random_state=0), {}),
        (SGDRegressor(early_stopping=True, stopping=["objective", "validation"], max_iter=30, random_state=0), {}),
        (SGDRegressor(early_stopping=True, validation_scoring="loss", **FEW), {"sample_weight": WEIGHT}),
        (SGDRegressor(**FEW), {"X_val": X[::3], "y_val": TARGET[::3], "sample_weight_val": WEIGHT[::3]}),
        (SGDRegressor(**FEW), {"coef_init": np.ones(5), "intercept_init": 1.0}),
        (SGDRegressor(learning_rate="auto", half_life=4, shuffle=False, **FEW), {"sample_weight": WEIGHT}),
        (SGDRegressor(average=True, half_life=4, shuffle=False, **FEW), {"sample_weight": WEIGHT}),
        (SGDRegressor(power_t=0.25, eta0=0.3, **FEW | {"tol": 1e-3, "max_iter": 12}), {}),
    ],
)
def test_regressors(est, fit, moment, tmp_path):
    if est.random_state is None:
        np.random.seed(1)
        whole = outcome(fresh(est).fit(X, TARGET, **fit))
        np.random.seed(1)
        assert crash(est, X, TARGET, tmp_path / "run", 9, **fit)
        np.random.seed(2)
        assert outcome(fresh(est).fit(X, TARGET, resume_from=tmp_path / "run", **fit)) == whole
    else:
        same_as_unbroken(est, X, TARGET, tmp_path / "run", [moment], **fit)


@pytest.mark.parametrize("moment", [0.2, 0.7])
@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_every_schedule(name, moment, tmp_path):
    loss = "epsilon_insensitive" if name.startswith("pa") else "squared_error"
    est = SGDRegressor(loss, learning_rate=name, **FEW)
    same_as_unbroken(est, X, TARGET, tmp_path / "run", [moment])
    if not schedules.get(name).auto:
        same_as_unbroken(est, X, np.column_stack([TARGET, -TARGET]), tmp_path / "run", [moment])


@pytest.mark.parametrize("params", [{}, {"standardize": True}, {"optimizer": "adam", "batch_size": 9, "average": True}])
def test_one_class(params, tmp_path):
    est = SGDOneClassSVM(nu=0.2, learning_rate="constant", max_iter=EPOCHS, tol=None, random_state=0, **params)
    same_as_unbroken(est, X, None, tmp_path / "run", [0.3, 0.8])


@pytest.mark.parametrize(
    "params",
    [
        {"multi_class": "multinomial", "loss": "log_loss"},
        {"multi_class": "crammer_singer", "optimizer": "adagrad", "class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 1.0, 2: 0.5}, "batch_size": 10, "standardize": True},
        {"early_stopping": True, "random_state": np.random.RandomState(3)},
    ],
)
def test_classes(params, tmp_path):
    names = np.array([0, 1, 2] if "class_weight" in params else ["a", "b", "c"])
    for data in (X, X.astype("f4"), sp.csr_matrix(X)):
        est, path = SGDClassifier(**FEW | params), tmp_path / "run"
        if isinstance(est.random_state, int):
            same_as_unbroken(est, data, names[CLASSES], path, [0.4, 0.5])
        else:  # a new process makes it anew, or goes on with it: the checkpoint has what counts
            whole = outcome(est.set_params(random_state=np.random.RandomState(3)).fit(data, CLASSES))
            assert crash(est.set_params(random_state=np.random.RandomState(3)), data, CLASSES, path, 20)
            assert outcome(fresh(est).fit(data, CLASSES, resume_from=path)) == whole


def test_a_batch_in_float32_that_keeps_its_digits(tmp_path, monkeypatch):
    monkeypatch.setattr("fastsgd.gathered.CARRY_ROWS", 10)
    same_as_unbroken(SGDRegressor(batch_size=60, **FEW), X.astype("f4"), TARGET, tmp_path / "run", [0.1, 0.3, 0.5])


def test_warm_start_goes_on_without_the_coefficients_it_began_with(tmp_path):
    before = SGDRegressor(warm_start=True, **FEW).fit(X, TARGET)
    coef = before.coef_.copy()
    whole = outcome(before.fit(X, TARGET))
    again = SGDRegressor(warm_start=True, **FEW)
    again.coef_, again.intercept_ = coef, SGDRegressor(**FEW).fit(X, TARGET).intercept_
    assert crash_here(again.set_params(callbacks=[Checkpoint(tmp_path / "run")]), 11)
    again = SGDRegressor(warm_start=True, **FEW).fit(X, TARGET, resume_from=tmp_path / "run")
    assert outcome(again) == whole


def crash_here(est, at):
    """Crash this very estimator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("test_checkpoint.fresh", lambda est: est)
        return crash(est, X, TARGET, est.callbacks[0].path, at)


# ---------------------------------------------------------------- sources


class Halves(sources.Source):
    """Blocks of CSR of 11 rows, in any order."""

    sparse, dtype, n_rows, n_features, n_blocks = True, np.dtype("f8"), 150, 5, 14
    X = sp.csr_matrix(X * (X > 0))

    def read(self, block):
        part = slice(11 * block, 11 * block + 11)
        return sources.Rows(self.X[part], TARGET[part])

    def describe(self):
        return {"the kind": "halves"}


def a_source(kind, folder):
    """One that is several times as large as its buffers."""
    if kind == "blocks":
        return Halves().buffered(4000)
    if kind == "in order":
        return sources.from_batches(lambda: ((X[a : a + 7], TARGET[a : a + 7]) for a in range(0, 150, 7))).buffered(
            6000
        )
    for name, a in (("X", X), ("y", TARGET)):
        np.save(folder / f"{name}.npy", a)
    return sources.from_npy(folder / "X.npy", folder / "y.npy").buffered(6000)


@pytest.mark.parametrize("kind", ["blocks", "in order", "mapped"])
@pytest.mark.parametrize("params", [{}, {"standardize": True, "average": True}, {"optimizer": "adam", "batch_size": 9}])
@pytest.mark.filterwarnings("ignore:.*(source|buffer).*:UserWarning")
def test_sources(params, kind, tmp_path, monkeypatch):
    monkeypatch.setattr("fastsgd.sources.npy.BLOCK_BYTES", 400)
    est, source, path = SGDRegressor(eta0=0.001, **FEW, **params), a_source(kind, tmp_path), tmp_path / "run"
    for moments in ([0.05], [0.3, 0.62, 0.95]):
        same_as_unbroken(est, source, None, path, moments)
    assert calls(est, source, None, path) > 4 * EPOCHS
    refuse(path, "max_memory of X was", est, source.buffered(8000))
    if kind == "mapped":
        np.save(tmp_path / "X.npy", X[1:])
        np.save(tmp_path / "y.npy", TARGET[1:])
        source = sources.from_npy(tmp_path / "X.npy", tmp_path / "y.npy").buffered(6000)
        refuse(path, r"rows of X was 150, is 149", est, source)
    if kind == "blocks":
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ValueError, match="Halves needs a method describe"):
            patch.delattr(Halves, "describe")
            crash(est, source, None, path, 1)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.filterwarnings("ignore:.*(source|buffer).*:UserWarning")
def test_a_source_and_a_validation_set(streamed, tmp_path):
    est, source = SGDRegressor(eta0=0.01, random_state=0, max_iter=6), a_source("blocks", tmp_path)
    val = a_source("in order", tmp_path) if streamed else sources.from_batches(lambda: [(X, TARGET)])
    same_as_unbroken(est, source, None, tmp_path / "run", [0.1, 0.4, 0.8], X_val=val)
    refuse(tmp_path / "run", "of X_val was", est, source, X_val=sources.from_batches(lambda: [(X[1:], TARGET[1:])]))
