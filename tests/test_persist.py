"""Model files: what is saved is what is loaded. Files that are not as they should be are in test_hostile.py."""

import dataclasses
import os
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from support.persist import LABELS, MODELS, SOLVED, SPARSE, TARGET, X, fitted, same

import fastsgd
from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    optimizers,
    persist,
    schedules,
    stopping,
)
from fastsgd.persist import files, tables, values
from fastsgd.state import State

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def go_on(est, data, y):
    """One more pass, in two parts."""
    for part in (slice(0, 17), slice(17, None)):
        est.partial_fit(data[part], None if y is None else y[part])
    return est


# ---------------------------------------------------------------- what is saved is loaded


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("data", [X, SPARSE.astype("f4")], ids=["dense", "csr"])
def test_goes_on_bit_for_bit(name, standardize, penalty, data, tmp_path):
    est = fitted(SGDClassifier(optimizer=name, penalty=penalty, average=5, standardize=standardize), data)
    est.partial_fit(data[:9], LABELS[:9])
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert same(est.coef_, again.coef_) and same(est.intercept_, again.intercept_)
    assert vars(again).keys() == vars(est).keys()
    assert all(same(x, vars(again)[key]) for key, x in vars(est).items() if key not in ("_checked", "_published"))
    assert same(go_on(est, data, LABELS)._state, go_on(again, data, LABELS)._state)
    assert same(est.coef_, again.coef_) and same(est.decision_function(data), again.decision_function(data))


def test_a_model_of_auto_whose_losses_are_too_large_for_numbers_is_saved(tmp_path):
    X, y = np.eye(40)[:, :3], np.geomspace(1, 1e160, 40)
    est = SGDRegressor("gamma", learning_rate="auto", max_iter=1, tol=None, random_state=0).fit(X, y)
    assert not np.isfinite(est._state.auto.heads).all()
    est.save(tmp_path / "m")
    np.testing.assert_array_equal(fastsgd.load(tmp_path / "m").predict(X), est.predict(X))


@pytest.mark.parametrize("data", [X, SPARSE.astype("f4")], ids=["dense", "csr"])
@pytest.mark.parametrize("y", [LABELS, LABELS > "k"], ids=["heads", "one"])
def test_auto_goes_on_bit_for_bit(data, y, tmp_path):
    est = fitted(SGDClassifier(learning_rate="auto"), data, y)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert vars(again).keys() == vars(est).keys() and same(again._state, est._state)
    assert same(again.auto_rule_, est.auto_rule_)
    assert same(go_on(est, data, y)._state, go_on(again, data, y)._state)


@pytest.mark.parametrize("model", MODELS, ids=[f"{i}{type(m[0]).__name__}" for i, m in enumerate(MODELS)])
def test_every_kind_of_model(model, tmp_path):
    est, data, y = model
    est = clone(est).set_params(max_iter=3).fit(data, y)
    est.save(tmp_path / "a")
    again = fastsgd.load(os.fspath(tmp_path / "a"))
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    for key, value in est.get_params().items():
        assert same(value, again.get_params()[key])
    assert same(go_on(est, data, y)._state, go_on(again, data, y)._state)
    assert same(est.predict(data), again.predict(data))


@pytest.mark.parametrize("model", SOLVED, ids=[f"{i}{type(m[0]).__name__}" for i, m in enumerate(SOLVED)])
def test_what_the_solvers_found(model, tmp_path):
    est, data, y = model
    est = clone(est).set_params(max_iter=20, random_state=0).fit(data, y)
    est.save(tmp_path / "a")
    again = fastsgd.load(tmp_path / "a")
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    del est._duals, est._fit_data  # a number for each row of X, and where these are
    assert vars(again).keys() == vars(est).keys()
    assert all(same(x, vars(again)[name]) for name, x in vars(est).items())
    assert same(again.predict(data), est.predict(data))


def test_a_gap_of_no_certificate(tmp_path):
    est = LinearClassifier().fit(X, LABELS)
    est.dual_gap_ = np.inf
    est.save(tmp_path / "model")
    assert fastsgd.load(tmp_path / "model").dual_gap_ == np.inf


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-1, 1, 2**40]),
        np.array([3, 7, 250], np.uint8),
        np.array([0.0, 1.0, 5.0], np.float32),
        np.array(["Ä", "no", "日本"]),
        np.array(["", "b", "ß"], dtype=object),
        np.array([False, True]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels(labels, tmp_path):
    y = labels[np.arange(len(X)) % len(labels)]
    weight = {label: 1.0 + i for i, label in enumerate(labels)}
    est = SGDClassifier(class_weight=weight, random_state=0).partial_fit(X, y, classes=labels)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert again.classes_.dtype == est.classes_.dtype and again.classes_.tolist() == est.classes_.tolist()
    assert again.class_weight == weight and same(go_on(est, X, y).coef_, go_on(again, X, y).coef_)
    assert (again.predict(X) == est.predict(X)).all()


def test_names_of_features_history_and_reason(tmp_path):
    frame = pd.DataFrame(X, columns=["größe", "b", "日"])
    est = fitted(SGDRegressor(stopping="gradient"), frame, TARGET)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert same(again.feature_names_in_, est.feature_names_in_) and same(again.history_, est.history_)
    assert (again.stop_reason_, again.n_iter_, again.t_) == (est.stop_reason_, est.n_iter_, est.t_)
    assert (again.predict(frame) == est.predict(frame)).all()
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame.rename(columns={"b": "c"}))


@pytest.mark.parametrize(
    "params",
    [
        {"loss": losses.Huber(0.5), "learning_rate": schedules.Step(every=np.inf, pass_rows=7)},
        {"stopping": (stopping.Objective(np.inf, 2), "gradient"), "validation_scoring": "accuracy"},
        {"alpha": np.float64(0.25), "max_iter": np.int64(7), "optimizer": optimizers.SGD(0.5, nesterov=True)},
        {"class_weight": {"ja": 2, np.str_("nein"): np.float32(0.5)}, "max_seconds": 1e300},
    ],
)
def test_parameters(params, tmp_path):
    est = fitted(SGDClassifier()).set_params(**params)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert again.get_params() == est.get_params()


def test_a_random_state_goes_on_where_it_was(tmp_path):
    rng = np.random.RandomState(3)
    rng.standard_normal()  # a second number is now in store
    est = SGDClassifier(random_state=rng, max_iter=2).fit(X, LABELS)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert again.random_state.standard_normal() == rng.standard_normal()
    assert same(again.fit(X, LABELS).coef_, est.fit(X, LABELS).coef_)


@pytest.mark.parametrize("how", ["sparse", "assigned"])
@pytest.mark.parametrize("est", [SGDClassifier(), SGDRegressor(), SGDOneClassSVM()], ids=lambda est: type(est).__name__)
def test_coefficients_that_the_user_has_changed(est, how, tmp_path):
    y = LABELS if isinstance(est, SGDClassifier) else TARGET
    est = fitted(clone(est), y=y)
    if how == "sparse":
        est.sparsify()
    else:
        est.coef_ = np.round(est.coef_)
    for rows in (X, SPARSE):
        assert est.predict(rows).shape == (len(X),)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert sp.issparse(again.coef_) == (how == "sparse") and same(again.coef_, est.coef_)
    assert same(est.predict(X), again.predict(X))
    assert same(go_on(est, X, y)._state, go_on(again, X, y)._state)


def test_an_estimator_that_diverged(tmp_path):
    est = SGDRegressor(learning_rate="constant", eta0=1e300, penalty=None)
    with pytest.raises(ValueError, match="flow"):
        est.fit(X, TARGET)
    est.save(tmp_path / "model")
    assert len(fastsgd.load(tmp_path / "model").history_) == 0


# ---------------------------------------------------------------- what is code


def value(p, y):
    return 0.5 * (p - y) ** 2


def slope(p, y):
    return p - y


def watch(progress):
    return False


def test_code_is_not_stored_but_given_to_load(tmp_path):
    mine = losses.Custom(value, slope)
    est = fitted(SGDRegressor(loss=mine, callbacks=[watch]), y=TARGET)
    est.save(tmp_path / "model")
    assert b"slope" not in (tmp_path / "model").read_bytes()
    with pytest.raises(
        ValueError, match=r"callbacks of this SGDRegressor is code, 'watch', .*load\(path, callbacks=\.\.\.\)"
    ):
        fastsgd.load(tmp_path / "model", loss=mine)
    with pytest.raises(ValueError, match="alpha is in the file"):
        fastsgd.load(tmp_path / "model", loss=mine, callbacks=None, alpha=1.0)
    with pytest.raises(ValueError, match="'loss' parameter"):
        fastsgd.load(tmp_path / "model", loss=value, callbacks=None)
    again = fastsgd.load(tmp_path / "model", loss=mine, callbacks=[watch])
    assert again.get_params() == est.get_params() and same(go_on(est, X, TARGET).coef_, go_on(again, X, TARGET).coef_)


def test_a_model_trained_with_checkpoints_is_loaded_without(tmp_path):
    checkpoint = fastsgd.Checkpoint(tmp_path / "run")
    for callbacks in (checkpoint, [checkpoint]):
        est = SGDRegressor(random_state=0, callbacks=callbacks).fit(X, TARGET)
        est.save(tmp_path / "model")
        again = fastsgd.load(tmp_path / "model")
        assert again.callbacks is None and same(go_on(est, X, TARGET).coef_, go_on(again, X, TARGET).coef_)
    est.set_params(callbacks=[checkpoint, watch]).save(tmp_path / "model")
    with pytest.raises(ValueError, match="callbacks of this SGDRegressor is code, 'watch'"):
        fastsgd.load(tmp_path / "model")


def test_what_can_not_be_saved(tmp_path):
    class Mine(SGDClassifier):
        pass

    class Twice(optimizers.AdaGrad):
        pass

    path = tmp_path / "model"
    with pytest.raises(NotFittedError):
        SGDClassifier().save(path)
    with pytest.raises(ValueError, match=r"est must be one of SGDClassifier, .*, found Mine"):
        fitted(Mine()).save(path)
    with pytest.raises(
        ValueError, match=r"can't be saved to .*model: _state.optimizer is of the class .*Twice, which is code"
    ):
        fitted(SGDClassifier(optimizer=Twice())).save(path)
    for attribute, wrong in (("coef_", np.full((3, 3), np.nan)), ("coef_", np.ones((3, 4))), ("intercept_", [1.0] * 3)):
        est = fitted(SGDClassifier())
        setattr(est, attribute, wrong)
        with pytest.raises(ValueError, match=f"can't be saved to .*model: {attribute} must"):
            est.save(path)
    with pytest.raises(ValueError, match="nesterov must be a bool"):
        fitted(SGDClassifier()).set_params(optimizer=optimizers.SGD(0.5, nesterov=1)).save(path)
    est = fitted(SGDClassifier())
    est.stop_reason_ = "x" * (files.MAX_HEADER // 2)
    with pytest.raises(ValueError, match=r"parameters and single words take .* bytes, the limit is"):
        est.save(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "est, wrong",
    [
        (SGDClassifier(), {"alpha": 0}),
        (SGDClassifier(), {"alpha": -1.0}),
        (SGDClassifier(), {"loss": "squared"}),
        (SGDClassifier(), {"learning_rate": "auto", "optimizer": "adam"}),
        (SGDClassifier(), {"multi_class": "multinomial"}),
        (SGDClassifier(), {"learning_rate": "pa1", "loss": "log_loss"}),
        (SGDRegressor(), {"learning_rate": "optimal", "alpha": 0}),
        (SGDRegressor(), {"loss": losses.Custom(lambda p, y: 0.0, lambda p, y: 0.0), "learning_rate": "pa2"}),
        (SGDOneClassSVM(), {"nu": 2.0}),
        (LinearClassifier(), {"multi_class": "multinomial", "loss": "hinge"}),
        (LinearRegressor(), {"penalty": "l3"}),
    ],
)
def test_what_load_would_refuse_is_not_written_over_a_good_file(est, wrong, tmp_path):
    est, path = fitted(clone(est), y=LABELS if hasattr(est, "class_weight") else TARGET), tmp_path / "model"
    est.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"can't be saved to .*model: "):
        est.set_params(**wrong).save(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]
    fastsgd.load(path)


# ---------------------------------------------------------------- the tables are complete


def test_every_field_and_every_estimator_has_a_rule():
    assert set(tables.STATE.table) == {field.name for field in dataclasses.fields(State)}
    public = {one for one in (getattr(fastsgd, name) for name in fastsgd.__all__) if isinstance(one, type)}
    assert set(persist.CLASSES.values()) == {cls for cls in public if issubclass(cls, BaseEstimator)}


def test_every_object_has_a_name():
    named = set(values.OBJECTS.values())
    for module, base in (
        (optimizers, optimizers.Optimizer),
        (schedules, schedules.Schedule),
        (stopping, stopping.Stopping),
    ):
        classes = {cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, base)}
        assert {cls for cls in classes if cls.name} - {schedules.Custom} <= named
    assert set(losses.LOSSES.values()) <= named and not {losses.Custom, schedules.Custom} & named


# ---------------------------------------------------------------- pickle, joblib, skops


@pytest.mark.parametrize("model", MODELS, ids=[f"{i}{type(m[0]).__name__}" for i, m in enumerate(MODELS)])
@pytest.mark.parametrize("by", ["pickle", "joblib", "skops"])
def test_the_ways_of_scikit_learn(model, by, tmp_path):
    est, data, y = model
    est = clone(est).set_params(max_iter=3, random_state=0).fit(data, y)
    if by == "pickle":
        again = pickle.loads(pickle.dumps(est))
    elif by == "joblib":
        joblib.dump(est, tmp_path / "model")
        again = joblib.load(tmp_path / "model")
    else:
        skops = pytest.importorskip("skops.io")
        data_of = skops.dumps(est)
        asked = skops.get_untrusted_types(data=data_of)
        assert all(name.startswith("fastsgd.") for name in asked)
        again = skops.loads(data_of, trusted=asked)
    assert again.get_params() == est.get_params() and same(again.predict(data), est.predict(data))
    assert same(go_on(est, data, y)._state, go_on(again, data, y)._state)


@pytest.mark.parametrize("name", sorted(schedules.SCHEDULES))
def test_schedules_and_losses_survive_skops(name):
    skops = pytest.importorskip("skops.io")
    for thing in (schedules.SCHEDULES[name](), *(cls() for cls in losses.LOSSES.values())):
        data = skops.dumps(thing)
        again = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
        assert again == thing
    numbers = {"eta0": 0.1, "alpha": 0.1, "power_t": 0.5, "loss": losses.Hinge(), "pass_rows": 10, "passes": 3}
    rate = schedules.SCHEDULES[name]
    data = skops.dumps(rate())
    again = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    np.testing.assert_equal(again.bind(**numbers)(7.0), rate().bind(**numbers)(7.0))  # of auto it is NaN


def test_an_object_without_its_function_is_an_error():
    """Not a crash: the base class, and what is made without __init__."""
    for rate in (schedules.Schedule(), schedules.Cosine.__new__(schedules.Cosine)):
        with pytest.raises(TypeError, match="has no function"):
            rate(1.0)
    with pytest.raises(TypeError, match="has no function"):
        SGDClassifier(learning_rate=schedules.Schedule()).fit(X, LABELS)
