"""Model files on the disk: long lists, what takes the place of an old file, and who reads it."""

import os
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support import hostile
from support.persist import LABELS, MODELS, TARGET, X, fitted, same

import fastsgd
from fastsgd import (
    LinearRegressor,
    SGDClassifier,
    SGDRegressor,
)
from fastsgd.persist import files

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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


def test_long_lists_of_several_kinds_of_values(tmp_path):
    """Categories with a null among them, edges of bins, columns of which some have no value; and limits of integers."""
    values = [None, "", "größe", True, False, 0, -(2**63) + 1, 2**63 - 1, 0.1, -0.0, float("inf"), -float("inf")]
    nested = [[], ["x"], [1, "y", None], [[2.5], []]]
    est = fitted(SGDClassifier())
    est.reading_ = {
        "categories": {"a": [None, *(f"user {i}" for i in range(MANY))], "b": values * 1000},
        "bins": {f"column {i}": [0.0, 0.5, float(i)] for i in range(MANY)},
        "nested": nested * 1000,
        "short": values,
    }
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert repr(again.reading_) == repr(est.reading_)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


@pytest.mark.parametrize(
    "how", [{"n_init": 120, "init": "normal"}, {"learning_rate": "auto", "n_bootstrap": 60}], ids=str
)
def test_many_models_beside_a_model_or_before_it_can_be_read_again(how, tmp_path):
    est = fitted(SGDRegressor(**how), y=TARGET)
    est.save(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model")
    assert same(again._state, est._state)
    assert [one.best for one in getattr(again, "restarts_", [])] == [one.best for one in getattr(est, "restarts_", [])]


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


def test_without_safetensors_training_and_saving_work_and_loading_says_what_is_missing(tmp_path, monkeypatch):
    est, path = fitted(fastsgd.SGDClassifier(random_state=0), X, LABELS), tmp_path / "model.safetensors"
    monkeypatch.setitem(sys.modules, "safetensors", None)
    est.save(path)
    with pytest.raises(ImportError, match="needs the package safetensors: pip install safetensors"):
        fastsgd.load(path)
