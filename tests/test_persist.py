"""Model files: what is saved is what is loaded. Files that are not as they should be are in test_hostile.py."""

import dataclasses
import os
import pickle
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from support import hostile

import fastsgd
from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    optimizers,
    schedules,
    stopping,
)
from fastsgd.auto import Auto
from fastsgd.persist import files, tables, values
from fastsgd.state import State

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
MODELS, SOLVED = list(hostile.models()), list(hostile.solved())
X, SPARSE, TARGET, LABELS = hostile.X, hostile.SPARSE, hostile.TARGET, hostile.LABELS


def fitted(est, data=X, y=LABELS):
    return est.set_params(max_iter=3, random_state=0).fit(data, y)


def go_on(est, data, y):
    """One more pass, in two parts."""
    for part in (slice(0, 17), slice(17, None)):
        est.partial_fit(data[part], None if y is None else y[part])
    return est


def same(a, b):
    """Whether two objects are of the same bits."""
    if isinstance(a, np.ndarray):
        return type(a) is type(b) and (a.dtype, a.shape) == (b.dtype, b.shape) and pickle.dumps(a) == pickle.dumps(b)
    if isinstance(a, np.random.RandomState):
        return pickle.dumps(a.get_state()) == pickle.dumps(b.get_state())
    if isinstance(a, State | Auto):
        return all(same(x, getattr(b, name)) for name, x in vars(a).items())
    if sp.issparse(a):
        return same(a.toarray(), b.toarray())
    return type(a) is type(b) and a == b


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
    del est._duals  # a number for each row of X
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


# ---------------------------------------------------------------- long lists
WORD = "größe \U0001f600 \ud800 "  # of one, two, three and four bytes, one of them half a pair
MANY = 20_000


@pytest.mark.parametrize("est", [SGDClassifier(), LinearRegressor()], ids=lambda est: type(est).__name__)
def test_names_beyond_the_limit_of_json(est, tmp_path):
    """More of them than values that the JSON may have, and three that are larger than all of it may be."""
    rows = sp.random(40, MANY, 0.01, format="csr", dtype="f4", random_state=0)
    est = fitted(clone(est), rows, LABELS if isinstance(est, SGDClassifier) else TARGET)
    names = [f"{WORD}{i}" for i in range(MANY - 3)]
    est.feature_names_in_ = np.array(names + [letter * files.MAX_HEADER for letter in "aé\0"], dtype=object)
    est.reading_ = {"columns": names, "kinds": dict.fromkeys(names, "number"), "categories": {"a": names, "b": []}}
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert again.reading_ == est.reading_ and again.feature_names_in_.tolist() == est.feature_names_in_.tolist()
    assert same(again.coef_, est.coef_)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize(
    "labels",
    [
        np.arange(MANY) * 2**40,
        np.arange(MANY) - 7.0,
        np.array(sorted(f"{i:030d}ß" for i in range(MANY))),
        np.array(sorted(f"{i:0900d}" for i in range(MANY)), dtype=object),
        np.arange(2**64 - MANY, 2**64, dtype=np.uint64),
    ],
    ids=lambda labels: f"{labels.dtype} {type(labels[0]).__name__}",
)
def test_labels_beyond_the_limit_of_json(labels, tmp_path):
    weight = None if labels.dtype in (object, np.uint64) else dict.fromkeys(labels.tolist(), 1.5)
    est = SGDClassifier(random_state=0, class_weight=weight)
    est.partial_fit(X[:2], labels[:2], classes=labels)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert again.classes_.dtype == est.classes_.dtype and again.classes_.tolist() == labels.tolist()
    assert again.class_weight == est.class_weight and same(again._class_weight, est._class_weight)


def test_a_file_without_long_lists_is_one_that_older_versions_read(tmp_path):
    for i, (est, data, y) in enumerate(MODELS):
        clone(est).set_params(max_iter=3).fit(data, y).save(tmp_path / str(i))
        head, arrays = hostile.split((tmp_path / str(i)).read_bytes())
        assert head["version"] == [1, 0] and not any(name.startswith("lists.") for name in arrays)


# ---------------------------------------------------------------- the file on disk
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    est, path = fitted(SGDClassifier()), tmp_path / "model"
    est.save(path)
    before = path.read_bytes()
    est.partial_fit(X, LABELS)

    def fail(*args):
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        monkeypatch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space"):
            est.save(path)
        assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]
        monkeypatch.undo()
    est.save(path)
    assert path.read_bytes() != before and os.listdir(tmp_path) == ["model"]
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*none' to write '.*model' in"):
        est.save(tmp_path / "none" / "model")
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        est.save(tmp_path)
    est.save(os.fsencode(path))
    assert os.listdir(tmp_path) == ["model"]
    with pytest.raises(FileNotFoundError):
        fastsgd.load(tmp_path / "none")


@pytest.mark.skipif(os.name != "posix", reason="links and modes as POSIX has them")
def test_links_and_modes(tmp_path):
    est, model = fitted(SGDClassifier()), tmp_path / "model"
    (tmp_path / "link").symlink_to(model)
    est.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and not model.is_symlink()
    (tmp_path / "plain").write_bytes(b"")
    assert stat.S_IMODE(model.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    for mode in (0o600, 0o640, 0o666, 0o755):
        model.chmod(mode)
        est.partial_fit(X, LABELS).save(tmp_path / "link")
        assert stat.S_IMODE(model.stat().st_mode) == mode and fastsgd.load(model).t_ == est.t_
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(OSError, match="symbolic links"):
        est.save(tmp_path / "round")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_the_owner_of_a_file_stays(tmp_path):
    est, model = fitted(SGDClassifier()), tmp_path / "model"
    est.save(model)
    os.chown(model, 12345, 54321)
    model.chmod(0o640)
    est.save(model)
    found = model.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o640)


@pytest.mark.skipif(os.name != "posix", reason="modes as POSIX has them")
def test_another_group_is_given_no_more_than_everyone(tmp_path, monkeypatch):
    est, model = fitted(SGDClassifier()), tmp_path / "model"
    est.save(model)
    model.chmod(0o664)
    theirs = os.stat_result([*model.stat()[:5], model.stat().st_gid + 1, *model.stat()[6:]])
    monkeypatch.setattr(os, "fchown", lambda *_: (_ for _ in ()).throw(PermissionError()))
    own = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: theirs if str(path) == str(model) else own(path, **how))
    est.save(model)
    monkeypatch.undo()
    assert stat.S_IMODE(model.stat().st_mode) == 0o644


@pytest.mark.skipif(os.name != "posix", reason="pipes, devices and sockets as POSIX has them")
def test_what_is_no_file_is_neither_written_nor_waited_for(tmp_path):
    est = fitted(SGDClassifier())
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(tmp_path, os.O_RDONLY)  # the path of a socket is short
        bound.bind(f"/proc/self/fd/{here}/socket" if os.path.isdir("/proc/self/fd") else str(tmp_path / "socket"))
        os.close(here)
        for name, what in (("pipe", "named pipe"), ("link", "named pipe"), ("null", "device"), ("socket", "socket")):
            with pytest.raises(OSError, match=f"{name}' is a {what}, and a file can't take its place: name a file"):
                est.save(tmp_path / name)
            with pytest.raises(ValueError, match=f"{name} is not a model file .*: it is a {what}"):
                fastsgd.load(tmp_path / name)
    with pytest.raises(ValueError, match=r"is not a model file .*: it is a folder"):
        fastsgd.load(tmp_path)
    with pytest.raises(IsADirectoryError, match="is a folder: name a file in it"):
        est.save(f"{tmp_path}/none/")
    assert sorted(os.listdir(tmp_path)) == ["link", "null", "pipe", "socket"]


def test_a_write_protected_file_stays(tmp_path, monkeypatch):
    est, model = fitted(SGDClassifier()), tmp_path / "model"
    est.save(model)
    for protected in (model, tmp_path):
        with monkeypatch.context() as patch:  # root may write all files
            patch.setattr(os, "access", lambda path, mode, protected=protected: str(path) != str(protected))
            with pytest.raises(PermissionError, match=f"{protected.name}' is write-protected"):
                est.save(model)
    est.save(model)


@pytest.mark.skipif(os.name != "posix", reason="locks and kills as POSIX has them")
def test_what_a_kill_leaves_is_cleared_away_and_what_another_process_writes_is_not(tmp_path):
    path = str(tmp_path / ("ü" * 120))
    code = f"""
import sys
from fastsgd.persist import disk
with disk.replacing({path!r}) as file:
    file.write(b"half a file")
    file.flush()
    print("begun", flush=True)
    sys.stdin.read()
"""
    est = fitted(SGDClassifier())
    command, pipes = [sys.executable, "-c", code], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=Path(fastsgd.__file__).parents[1], **pipes) as other:
        assert other.stdout.readline() == b"begun\n"
        est.save(path)
        hidden = set(os.listdir(tmp_path)) - {os.path.basename(path)}
        assert len(hidden) == 1 and (tmp_path / hidden.pop()).read_bytes() == b"half a file"
        other.kill()
    est.save(path)
    assert os.listdir(tmp_path) == [os.path.basename(path)] and fastsgd.load(path).t_ == est.t_


def test_threads_that_save_to_one_path_leave_one_whole_file(tmp_path):
    one, other = fitted(SGDClassifier()), fitted(SGDClassifier())
    other.partial_fit(X, LABELS)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: (one, other)[i % 2].save(tmp_path / "model"), range(40)))
    assert os.listdir(tmp_path) == ["model"] and fastsgd.load(tmp_path / "model").t_ in (one.t_, other.t_)


def test_what_is_no_path_is_named():
    est = SGDClassifier()
    for argument, call in (
        ("path", lambda: est.fit(X, LABELS).save(None)),
        ("path", lambda: fastsgd.load(3)),
        ("resume_from", lambda: est.fit(X, LABELS, resume_from=True)),
    ):
        with pytest.raises(TypeError, match=f"^{argument} must be a str or path-like, got"):
            call()


# ---------------------------------------------------------------- the tables are complete
def test_every_field_and_every_estimator_has_a_rule():
    assert set(tables.STATE.table) == {field.name for field in dataclasses.fields(State)}
    public = {vars(fastsgd)[name] for name in fastsgd.__all__ if isinstance(vars(fastsgd)[name], type)}
    assert set(tables.CLASSES.values()) == {cls for cls in public if issubclass(cls, BaseEstimator)}


def test_every_object_has_a_name():
    named = set(values.OBJECTS.values())
    for module, base in (
        (optimizers, optimizers.Optimizer),
        (schedules, schedules.Schedule),
        (stopping, stopping.Stopping),
    ):
        classes = {cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, base)}
        assert {cls for cls in classes if cls.name} <= named
    assert set(losses.LOSSES.values()) <= named and losses.Custom not in named


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
