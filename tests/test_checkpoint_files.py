"""Checkpoints on disks that fill up, fail or lose bits, and of processes that are killed: there is always one to go on from."""

import builtins
import errno
import functools
import itertools
import os
import random
import stat
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import hostile

import fastsgd
from fastsgd import Checkpoint, SGDRegressor, engine
from fastsgd.gathered import Gathered
from fastsgd.persist import data, disk, keeper, runs
from fastsgd.sources.arrays import Table

X, TARGET = hostile.X, hostile.TARGET
FEW = {"max_iter": 4, "tol": None, "random_state": 0}


def fit(path, every=0, **fit):
    """A fit that writes a checkpoint after each of its epochs."""
    return SGDRegressor(callbacks=[Checkpoint(path, every)], **FEW).fit(X, TARGET, **fit)


def resumed(path):
    return SGDRegressor(**FEW).fit(X, TARGET, resume_from=path).coef_.tobytes()


RIGHT = SGDRegressor(**FEW).fit(X, TARGET).coef_.tobytes()


# ---------------------------------------------------------------- what is there
def test_a_file_that_is_not_there(tmp_path, monkeypatch):
    path = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match=r"there is no such file. With Checkpoint of this path in callbacks"):
        resumed(path)
    with pytest.raises(FileNotFoundError):
        fit(tmp_path / "other", resume_from=path)
    monkeypatch.chdir(tmp_path)
    assert fit("run", resume_from=path).coef_.tobytes() == RIGHT
    assert sorted(os.listdir()) == ["run", "run.previous"]
    assert fit(path, resume_from="run").coef_.tobytes() == resumed("run") == resumed("run.previous") == RIGHT


def test_a_new_fit_replaces_the_old_file(tmp_path):
    SGDRegressor(alpha=1.0, callbacks=[Checkpoint(tmp_path / "run")], **FEW).fit(X, TARGET)
    fit(tmp_path / "run", 60)
    assert resumed(tmp_path / "run") == RIGHT
    with pytest.raises(ValueError, match=r"run.previous is .* of another fit, .*: alpha was 1\.0, is 0\.0001"):
        resumed(tmp_path / "run.previous")


def test_a_folder_stays_where_it_is(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match=r"path must be that of a file, and '.*runs' is none: it is a folder"):
        fit(tmp_path / "runs")
    (tmp_path / "run.previous").mkdir()
    with pytest.raises(ValueError, match=r"path must be that of a file, and '.*run.previous' is none: it is a folder"):
        fit(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == ["run.previous", "runs"]


@pytest.mark.parametrize("name", ["run", "run.previous"])
def test_a_file_that_is_no_checkpoint_is_not_replaced(name, tmp_path):
    path = tmp_path / "run"
    SGDRegressor(**FEW).fit(X, TARGET).save(tmp_path / name)
    before = (tmp_path / name).read_bytes()
    for other in (before, b"a,b\n1,2\n"):
        (tmp_path / name).write_bytes(other)
        with pytest.raises(
            ValueError, match=rf"{name}' is there and is no checkpoint\. Name another path, or remove it"
        ):
            fit(path)
        assert (tmp_path / name).read_bytes() == other and os.listdir(tmp_path) == [name]
    (tmp_path / name).write_bytes(b"")
    fit(path, 60)
    fit(path, 60)
    whole = path.read_bytes()
    path.write_bytes(b"damaged")  # and gone on from: the one before is taken
    with pytest.warns(UserWarning, match="The fit goes on from"):
        fit(path, resume_from=path)
    assert path.read_bytes()[8:100] == whole[8:100]  # before it stands how long the text is, in which seconds are


@pytest.mark.skipif(os.name != "posix", reason="pipes and modes as POSIX has them")
def test_a_pipe_is_neither_waited_for_nor_replaced(tmp_path):
    path = tmp_path / "run"
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"path must be that of a file, and '.*run' is none: it is a named pipe"):
        fit(path)
    with pytest.raises(ValueError, match=r"run is not a checkpoint of fastsgd, or is damaged: it is a named pipe"):
        resumed(path)
    path.rename(tmp_path / "run.previous")
    with pytest.raises(ValueError, match=r"run.previous is not a checkpoint of fastsgd, .* it is a named pipe"):
        resumed(path)
    assert os.listdir(tmp_path) == ["run.previous"] and not (tmp_path / "run.previous").is_file()


@pytest.mark.skipif(os.name != "posix", reason="pipes and modes as POSIX has them")
def test_a_checkpoint_keeps_the_mode_of_the_one_before(tmp_path):
    fit(tmp_path / "run", 60)
    (tmp_path / "run").chmod(0o600)
    fit(tmp_path / "run")
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("run", "run.previous")} == {0o600}


def test_every_rows_counts_over_the_epochs(tmp_path, monkeypatch):
    seen, write = [], keeper.Writer.write
    monkeypatch.setattr(keeper.Writer, "write", lambda self, *args: seen.append(args[1]) or write(self, *args))
    SGDRegressor(callbacks=[Checkpoint(tmp_path / "run", None, 70)], **FEW | {"max_iter": 9}).fit(X, TARGET)
    assert seen == [80, 160, 240, 320, 360]


# ---------------------------------------------------------------- damage
def both(path):
    """The newest checkpoint and the one before, as bytes."""
    fit(path)
    return path.read_bytes(), Path(f"{path}.previous").read_bytes()


def test_a_damaged_file_is_noticed_and_the_one_before_taken(tmp_path):
    path = tmp_path / "run"
    newest, _ = both(path)
    for at in range(0, len(newest), max(1, len(newest) // 150)):
        for blob in (newest[:at], newest[:at] + bytes([newest[at] ^ 4]) + newest[at + 1 :]):
            path.write_bytes(blob)
            with pytest.warns(
                UserWarning, match=r"run is not a checkpoint .* goes on from .*run.previous, of epoch 3, after 40"
            ):
                assert resumed(path) == RIGHT
    path.unlink()
    with pytest.warns(UserWarning, match="run is not there. The fit goes on from"):
        assert resumed(path) == RIGHT


def test_two_damaged_files_are_an_error(tmp_path):
    path = tmp_path / "run"
    newest, before = both(path)
    path.write_bytes(newest[:-1])
    Path(f"{path}.previous").write_bytes(before[:50])
    with pytest.raises(ValueError, match=r"run is not a checkpoint .*damaged.*run.previous is not a checkpoint"):
        fit(path, resume_from=path)
    path.unlink()
    with pytest.raises(ValueError, match=r"run is not there\. .*run.previous is not a checkpoint"):
        resumed(path)
    path.write_bytes(hostile.join(hostile.split(newest)[0] | {"version": [4, 0]}, hostile.split(newest)[1]))
    with pytest.raises(ValueError, match="upgrade fastsgd"):
        resumed(path)


# ---------------------------------------------------------------- a disk that fails
class Failing:
    """Stands before what files.py asks of the system, and fails at call number `at`, or from there on."""

    def __init__(self, monkeypatch, at, code, lasting):
        self.count, self.at, self.code, self.lasting = itertools.count(), at, code, lasting
        for name in ("fsync", "replace"):
            monkeypatch.setattr(disk.os, name, self.failing(getattr(os, name)))
        monkeypatch.setattr(disk, "open", self.open, raising=False)

    def failing(self, function):
        def call(*args):
            now = next(self.count)
            if now == self.at or (self.lasting and now > self.at):
                raise OSError(self.code, os.strerror(self.code))
            return function(*args)

        return call

    def open(self, name, mode, **how):
        if mode == "rb":
            return builtins.open(name, mode, **how)
        file = self.failing(functools.partial(builtins.open, **how))(name, mode)
        return Written(file, self.failing(file.write))


class Written:
    """A file whose writes are another function."""

    def __init__(self, file, write):
        self.file, self.write = file, write
        self.flush, self.fileno, self.close = file.flush, file.fileno, file.close


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_any_call_may_fail(code, lasting, tmp_path, monkeypatch):
    """Each call in turn, or all from it on; the fit goes on, says so once, and there is a checkpoint to go on from."""
    with monkeypatch.context() as patch:
        counted = Failing(patch, -1, code, False)
        both(tmp_path / "whole")
        calls = next(counted.count)
    assert calls > 50
    for at in range(calls):
        folder = tmp_path / str(at)
        folder.mkdir()
        path = folder / "run"
        SGDRegressor(callbacks=[Checkpoint(path)], **FEW).fit(X[::-1], TARGET)
        with (
            monkeypatch.context() as patch,
            pytest.warns(RuntimeWarning, match="run was not written: .*fit goes on") as said,
        ):
            Failing(patch, at, code, lasting)
            assert fit(path).coef_.tobytes() == RIGHT
        assert len(said) == 1 and os.strerror(code) in str(said[0].message)
        assert said[0].filename == __file__  # the line that called fit
        assert set(os.listdir(folder)) <= {"run", "run.previous"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            saved = keeper.Saved.newest(str(path))
        if not lasting:
            assert saved.path == str(path) and resumed(path) == RIGHT


@pytest.mark.skipif(os.name != "posix", reason="a limit as POSIX has it")
def test_a_disk_that_is_full(tmp_path):
    """By the system itself: no file may be larger than half a checkpoint."""
    path = tmp_path / "run"
    fit(path, 60)
    before = path.read_bytes()
    code = f"""
import resource, sys, warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
from fastsgd import Checkpoint, SGDRegressor
from support import hostile
resource.setrlimit(resource.RLIMIT_FSIZE, [{len(before) // 2}] * 2)
est = SGDRegressor(callbacks=[Checkpoint({str(path)!r}, 0)], **{FEW!r})
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    assert est.fit(hostile.X, hostile.TARGET).coef_.tobytes() == {RIGHT!r}
print([str(w.message) for w in said])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(fastsgd.__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("was not written") == 1 and os.strerror(errno.EFBIG) in done.stdout
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["run"]


def test_what_a_kill_has_left_is_cleared_away(tmp_path):
    (tmp_path / ".run.fastsgd-0").write_bytes(b"half a file")
    (tmp_path / "run.tmp").write_bytes(b"of the user")
    fit(tmp_path / "run")
    assert sorted(os.listdir(tmp_path)) == ["run", "run.previous", "run.tmp"]


@pytest.mark.skipif(os.name != "posix", reason="fork and kill as POSIX has them")
def test_killed_at_random_moments():
    """A few; `python -m tests.support.kill 200` does more."""
    code = f"""
import random, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from support import kill
from support.sizes import sizes
with sizes(call_rows=512):
    for name in ("adam", "early stopping"):
        X, y = kill.data("csr", 10_000)
        print(kill.killed(kill.FITS[name], X, y, 0.1, 4, random.Random(0), epochs=20)["wrong"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(fastsgd.__file__).parents[1]
    )
    assert done.stdout.split() == ["0", "0"], done.stderr


# ---------------------------------------------------------------- hostile files
FILES = hostile.checkpoints()


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("hostile") / "run"


def test_an_unchanged_checkpoint_is_taken(somewhere):
    for i, (_, blob) in enumerate(FILES):
        somewhere.write_bytes(hostile.join(*hostile.split(blob)))
        assert hostile.gone_on(somewhere, i) == "used"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(FILES) - 1), st.integers(0, 2**64))
def test_tampered_checkpoints(somewhere, which, seed):
    somewhere.write_bytes(hostile.tampered(FILES[which][1], random.Random(seed)))
    hostile.gone_on(somewhere, which)


@pytest.mark.parametrize(
    "key, to, match",
    [
        ("run.start", None, "must be of type bool"),
        ("run.start.2", 7, "is no place where a kernel call"),
        ("run.start.1", 2**40, "must be in"),
        ("run.done", -1, "must be in"),
        ("run.state.epoch", 0, "a pass that has begun"),
        ("run.rules", [], "a counter for each stopping rule"),
        ("run.rules", [["x", 1]], "pairs of a number and a count"),
        ("run.gathered", False, "what is gathered of a step"),
        ("run.gathered.rows", 2**50, "fewer rows in a step than a batch"),
        ("run.good", False, "a last good state"),
        ("run.state.optimizer", None, "its state does not have the optimizer"),
        ("run.extra", 1, "beside what a run consists of"),
    ],
)
def test_a_changed_run(key, to, match, somewhere):
    head, arrays = hostile.split(FILES[0][1])
    head["run"][key] = to
    if to is False:
        for values in (head["run"], arrays):
            for name in [name for name in values if name.startswith(f"{key}.")]:
                del values[name]
    somewhere.write_bytes(hostile.join(head, arrays))
    with pytest.raises(ValueError, match=match):
        hostile.resume(somewhere, 0)


@pytest.mark.parametrize("wrong", [[0, 0], [-1], [3], [0, 1, 2, 0]])
def test_features_met_are_features(wrong, somewhere):
    head, arrays = hostile.split(FILES[0][1])
    arrays["run.gathered.met"] = np.array(wrong)
    somewhere.write_bytes(hostile.join(head, arrays))
    with pytest.raises(ValueError, match="of the 3 features, each once"):
        hostile.resume(somewhere, 0)


# ---------------------------------------------------------------- what is compared, what is kept
def test_every_field_of_a_run_has_a_rule():
    others = {"noted", "whole", "parts", "recorder", "plans"}  # The plans of a contest follow from the parameters.
    assert set(runs.RUN.table) == {field.name for field in fields(engine.Run)} - others
    assert set(vars(Gathered(np.zeros((3, 1)), 1))) == set(runs.Step.table) | {"count", "is_met"}


@pytest.mark.parametrize("whole", [2**28, 2000])
def test_checksums_are_of_the_numbers_and_not_of_how_they_lie(whole, monkeypatch):
    monkeypatch.setattr(data, "WHOLE_BYTES", whole)
    monkeypatch.setattr(data, "PIECES", 4)
    A = np.random.default_rng(0).integers(-3, 4, (300, 4)) / 2.0
    right = data.describe(Table(A, y=A[:, :1].copy()))
    for same in (np.asfortranarray(A), np.repeat(A, 2, axis=0)[::2], np.repeat(A, 2, axis=1)[:, ::2]):
        assert data.describe(Table(same, y=A[:, :1].copy())) == right
    csr = sp.csr_matrix(A)
    sparse = data.describe(Table(csr, y=A[:, :1].copy()))
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    assert data.describe(Table(csr, y=A[:, :1].copy())) == sparse != right
    found = set()
    for row in range(300):
        other = A.copy()
        other[row, 2] += 0.25
        found.add(data.describe(Table(other, y=A[:, :1].copy()))["the checksum of X"] != right["the checksum of X"])
        other = A[:, :1].copy()
        other[row] += 1
        assert data.describe(Table(A, y=other)) != right
    assert found == ({True} if whole > 2000 else {True, False})
