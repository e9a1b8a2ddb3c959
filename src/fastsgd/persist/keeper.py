"""Checkpoints: a training under way in a file, written between two kernel calls, from which it goes on bit for bit.

A file is of the kind of model files: arrays and one JSON text, no code, and a checksum. It holds `engine.Run`, as
`runs.py` says, and what the fit was: class, parameters, data, versions, and the random state that it began with.
"""

import os
import platform
import signal
import threading
from numbers import Integral
from time import perf_counter
from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from fastsgd import _version
from fastsgd.judge import Judged
from fastsgd.persist import disk, files
from fastsgd.persist.data import describe
from fastsgd.persist.fits import differences, in_words
from fastsgd.persist.rules import Parts
from fastsgd.persist.runs import RUN, check
from fastsgd.persist.values import Code, brief, expect, pack, pack_or_name, unpack
from fastsgd.sources.telling import tell
from fastsgd.stopping import STOPPING

FORMAT = "fastsgd checkpoint"
KEYS = {"class", "params", "data", "random", "run", "versions"}
PREVIOUS = ".previous"  # This stands behind the path of the checkpoint before.
START_BYTES = 200  # The format of a file is within its first bytes.


class Saved(NamedTuple):
    """A checkpoint that was read."""

    path: str
    head: dict
    run: object
    random_state: np.random.RandomState | None

    @classmethod
    def read(cls, path):
        with files.reading(path, "checkpoint", FORMAT, KEYS) as (head, arrays):
            for key in ("params", "data"):
                expect(head[key], dict, key)
            random_state = unpack(head["random"])
            if not (random_state is None or isinstance(random_state, np.random.RandomState)):
                raise ValueError(f"its random state must be one, found {brief(head['random'])}")
            parts = Parts(expect(head["run"], dict, "run"), arrays)
            run = RUN.take("run", parts)
            files.all_taken(parts, "a run")
        return cls(path, head, run, random_state)

    @classmethod
    def newest(cls, path):
        """The one at the path or, if it is damaged or not there, the one before; None if neither is there.

        Raises
        ------
        ValueError
            Both are damaged.
        """
        problems, found = [], False
        for candidate in (path, path + PREVIOUS):
            try:
                saved = cls.read(candidate)
            except files.Refused:
                raise
            except FileNotFoundError:
                problems.append(f"{candidate} is not there.")
            except (ValueError, OSError) as error:
                problems.append(str(error))
                found = True
            else:
                if problems:
                    where = f"of epoch {len(saved.run.epochs) + 1}, after {saved.run.done} of its rows"
                    tell(f"{problems[0]} The fit goes on from {candidate}, {where}.")
                return saved
        if found:
            raise ValueError(" ".join(problems))
        return None


class Keeper:
    """Writes the checkpoints of one fit, and finds what it goes on from.

    As a context, it has Ctrl-C take effect between two kernel calls, where the run is whole.

    Parameters
    ----------
    checkpoints : list of Checkpoint
    resume_from : str, path-like or None
    random_state : int, RandomState or None
        The parameter of the estimator.

    Attributes
    ----------
    random_state : int, RandomState or None
        For all that is drawn in this fit.
    struck : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self, checkpoints, resume_from, random_state):
        self.struck = False
        resume_from = None if resume_from is None else files.path_of("resume_from", resume_from)
        self.saved = None if resume_from is None else Saved.newest(os.path.realpath(resume_from))
        if resume_from is not None and self.saved is None and not any(c.same_path(resume_from) for c in checkpoints):
            raise FileNotFoundError(
                f"resume_from={resume_from!r}: there is no such file. With Checkpoint of this path in callbacks, the "
                "fit starts from the beginning where there is none yet."
            )
        if self.saved is None:
            fixed = isinstance(random_state, Integral)
            self.random_state = random_state
            self.random = None if fixed else pack_generator(check_random_state(random_state))
        else:
            self.random = self.saved.head["random"]
            self.random_state = random_state if self.random is None else self.saved.random_state
        self.writers = [Writer(checkpoint) for checkpoint in checkpoints]
        for checkpoint, writer in zip(checkpoints, self.writers, strict=True):
            goes_on = resume_from is not None and checkpoint.same_path(resume_from)
            if not goes_on:  # The one that it goes on from may be damaged, and then is replaced.
                writer.check_old()

    def begin(self, fit, run, plan, table, held_out):
        """The run to go on with: this new one, or else that of the file, with the same State object.

        held_out is None or (X_val, y_val, sample_weight_val, table of them).

        Raises
        ------
        ValueError
            The file is of another fit, or no checkpoint can be written of this one.
        """
        data = describe(table)
        if held_out is not None and getattr(table, "rows", None) is None:  # It was given, and not split off.
            data |= describe(held_out[3], "X_val", "y_val", "sample_weight_val")
        data["the names of the features"], data["the classes"] = in_words(fit.feature_names), in_words(fit.classes)
        if fit.lanes > 1:
            data["the number of lanes, by n_jobs,"] = fit.lanes
        self.head = {
            "format": FORMAT,
            "class": fit.name,
            "params": {name: pack_or_name(value) for name, value in fit.params.items()},
            "data": data,
            "random": self.random,
            "versions": {"fastsgd": _version.__version__, "python": platform.python_version(), "numpy": np.__version__},
        }
        if self.saved is not None:
            run = self._resumed(fit, run, plan, table)
        for rule in run.rules:
            if type(rule) not in (*STOPPING.values(), Judged):
                raise ValueError(f"stopping by {rule!r}, which is code, can't be kept in a checkpoint.")
        if self.writers:
            run.state.optimizer, before = plan.optimizer, run.state.optimizer  # It will have this one.
            self._parts(run)
            run.state.optimizer = before
        for writer in self.writers:
            writer.start(0)
        self.rows, self.at = 0, (len(run.epochs), run.done)
        return run

    def _resumed(self, fit, fresh, plan, table):
        saved, run = self.saved, self.saved.run
        found = differences(saved.head, self.head, fit.grows)
        if found:
            raise ValueError(f"{saved.path} is a checkpoint of another fit, which can't go on: {'; '.join(found)}.")
        try:
            check(run, plan, table, fresh)
        except ValueError as error:
            raise ValueError(f"{saved.path} is no checkpoint of such a fit: {error}.") from error
        for rule, (best, waited) in zip(fresh.rules, run.rules, strict=True):
            rule.best, rule.waited = best, waited
        run.rules = fresh.rules
        if fresh.judge is not None:
            fresh.judge.go_on_from(run.judge)
            run.judge = fresh.judge
        run.plans = fresh.plans
        fresh.state.restore(run.state)
        run.state = fresh.state
        return run

    def _parts(self, run):
        parts = Parts({}, {})
        try:
            RUN.put("run", run, parts)
        except ValueError as error:
            raise ValueError(f"This fit can't be kept in a checkpoint: {error}.") from error
        return parts

    def _count(self, run):
        """Rows trained on since this process began; the number of rows of a source need not be known."""
        epoch, done = self.at
        self.at = len(run.epochs), run.done
        self.rows += run.done - (done if epoch == len(run.epochs) else 0)
        return self.rows

    # ------------------------------------------------------------ in the training
    def between(self, run, ending):
        """What `engine.train` calls after each kernel call and at the end."""
        if self.struck and not ending:
            raise KeyboardInterrupt
        rows = self._count(run)
        for writer in self.writers:
            if writer.due(rows, ending):
                writer.write(lambda: self._content(run), rows)
        if self.struck:
            raise KeyboardInterrupt

    def _content(self, run):
        parts = self._parts(run)
        return self.head | {"run": parts.values}, parts.arrays

    def __enter__(self):
        self.before = None
        here = threading.current_thread() is threading.main_thread()  # Ctrl-C comes to the main thread alone.
        if here and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._strike)
        return self

    def __exit__(self, *_):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)

    def _strike(self, number, frame):
        """The first Ctrl-C waits for the end of the kernel call, the second doesn't."""
        if self.struck:
            signal.default_int_handler(number, frame)
        self.struck = True


class Writer:
    """Writes one Checkpoint when it is due. What fails is warned of, once for each cause, and the fit goes on."""

    def __init__(self, checkpoint):
        self.every_seconds, self.every_rows = checkpoint.every_seconds, checkpoint.every_rows
        path = os.fsdecode(checkpoint.path)
        for one in (path, os.path.realpath(path) + PREVIOUS):  # A folder would be moved to .previous.
            if (what := disk.no_file(one)) is not None:
                raise ValueError(f"Checkpoint: path must be that of a file, and {one!r} is none: it is {what}.")
        self.path, self.warned, self.last_rows = disk.place(path, "Checkpoint: "), set(), None

    def check_old(self):
        """A ValueError if a file is there that is no checkpoint: two checkpoints later it would be lost."""
        for path in (self.path, self.path + PREVIOUS):
            if os.path.exists(path) and os.path.getsize(path):
                with open(path, "rb") as file:
                    if FORMAT.encode() not in file.read(START_BYTES):
                        raise ValueError(
                            f"Checkpoint: {path!r} is there and is no checkpoint. Name another path, or remove it."
                        )

    def start(self, rows):
        self.seconds, self.rows = perf_counter(), rows

    def due(self, rows, ending):
        if ending:
            return rows != self.last_rows
        after_time = self.every_seconds is not None and perf_counter() - self.seconds >= self.every_seconds
        return after_time or (self.every_rows is not None and rows - self.rows >= self.every_rows)

    def write(self, content, rows):
        try:
            files.write(self.path, *content(), self.path + PREVIOUS)
            self.last_rows = rows
        except (OSError, ValueError) as error:
            cause = getattr(error, "errno", None) or str(error)
            if cause not in self.warned:
                self.warned.add(cause)
                tell(
                    f"The checkpoint {self.path} was not written: {error} The fit goes on, and the file is as it was.",
                    RuntimeWarning,
                )
        self.start(rows)


def pack_generator(random_state):
    """A RandomState as JSON has it."""
    try:
        return pack(random_state)
    except Code:
        raise ValueError(
            "random_state must be of NumPy's MT19937 to be kept in a checkpoint; or give an int."
        ) from None
