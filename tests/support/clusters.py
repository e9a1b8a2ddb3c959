"""Clusters of processes on this machine, for tests that stop them."""

import asyncio
import logging
import os
import signal
import time
from contextlib import contextmanager, suppress

import dask
import numpy as np
from distributed import Client, LocalCluster

from fastsgd.dask.cluster import Cluster

CONFIG = {
    "distributed.scheduler.allowed-failures": 10,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.low-level-log-length": 10,
}


@contextmanager
def cluster(n_workers=2, **options):
    """(LocalCluster of processes of one thread, Client), without a dashboard."""
    how = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with (
        dask.config.set(CONFIG),
        LocalCluster(**how | options, silence_logs=logging.CRITICAL) as local,
        Client(local) as client,
    ):
        yield local, client


def strike(client, which, number=signal.SIGKILL):
    """Send a signal to the processes of these workers, by place among those that are there; a nanny starts others."""
    pids = sorted(client.run(os.getpid, on_error="ignore").values())
    for pid in {pids[at % len(pids)] for at in which} if pids else ():
        with suppress(ProcessLookupError):
            os.kill(pid, number)


async def left_over(dask_scheduler=None):
    """On the scheduler: its tasks, once there are none, or after ten seconds."""
    deadline = time.monotonic() + 10
    while dask_scheduler.tasks and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    return [str(key) for key in dask_scheduler.tasks]


# ---------------------------------------------------------------- what workers do in tests
def ready():
    """Whoever does this has imported all that is here."""
    return True


def weighed(part, w):
    """A sum in which every number counts."""
    return float(part @ np.arange(len(part))) * w, w.sum()


def all_of(found, w):
    """What is made of such results, in their order."""
    return [x for x, _ in found], w


def raising(part, number):
    if part[0] == number:
        raise LookupError("no such thing")
    return part[0]


def refusing(part):
    raise ValueError(f"a number is odd, {part[0]}")


def poisonous(part):
    """The worker does not survive it."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(part, path):
    """The first worker that has this does not survive it; `path` is a folder that says whether there was one."""
    try:
        (path / "killed").touch(exist_ok=False)
    except FileExistsError:
        return part[0]
    os.kill(os.getpid(), signal.SIGKILL)


def stopped_once(part, path):
    """The first worker that has this stops, and says nothing any more."""
    try:
        (path / "stopped").touch(exist_ok=False)
    except FileExistsError:
        return part[0]
    os.kill(os.getpid(), signal.SIGSTOP)


def stuck_once(part, path):
    """The first that has this waits until somebody else has done it, as a file system that does not answer."""
    try:
        (path / "stuck").touch(exist_ok=False)
    except FileExistsError:
        (path / "done").touch()
        return part[0]
    deadline = time.monotonic() + 20
    while not (path / "done").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return part[0]


def whole_fit(n):
    """A fit from within a task: its results, and how many tasks there were at once."""
    with Cluster() as runner:
        return runner.run(weighed, loaded(runner, n), np.ones(2))


def loaded(runner, n=4):
    """Parts of a runner: partition i is of five numbers from 10 i on."""
    delayed = [dask.delayed(np.arange)(10 * i, 10 * i + 5) for i in range(n)]
    return runner.load(delayed, [f"file {i}" for i in range(n)])
