"""A dask cluster as a runner: the only piece that knows `distributed`.

Each task is pure, and has the key (fit, round, partition): whichever worker does it, and however often, the result is the same.
So a worker that dies costs time alone: the scheduler gives its tasks to others, and what it held of the data is computed again.
Here is what the scheduler does not do by itself: say which partition failed, give up waiting for workers that do not come, and
have done elsewhere what a worker that hangs does not finish.
"""

import asyncio
import uuid
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from numbers import Real
from statistics import median
from time import perf_counter, time
from warnings import catch_warnings, filterwarnings

import numpy as np
from distributed import Client, get_client, get_worker, wait, worker_client
from distributed.scheduler import KilledWorker, heartbeat_interval

from fastsgd.dask.runners import Part, PartitionError, blame, call

TICK_SECONDS = 1.0  # After this long without a result it is looked at what the workers do.
# A round is overdue after MIN_OVERDUE_SECONDS without a result, or OVERDUE_ROUNDS times the median of the rounds before, or
# OVERDUE_LOADS times what loading took, whichever is longest. Silent workers are then restarted, and what hangs on others is done
# elsewhere, too; a round that is overdue more than MAX_RESCUES times is an error.
MIN_OVERDUE_SECONDS, OVERDUE_ROUNDS, OVERDUE_LOADS, MAX_RESCUES = 60.0, 10, 2, 3
SILENT_BEATS = 10  # A worker that has left out this many heartbeats is taken for one that hangs.
# Arguments of more bytes go to the cluster once, and workers get them from each other; what is made of the results of such a
# round is made on a worker, so that this comes back, and not a result of each partition.
MAX_TASK_BYTES = 1 << 18


class ClusterError(RuntimeError):
    """There is no worker, or no scheduler any more."""


class Cluster:
    """The runner of one fit, as a context: at its end all that it had on the cluster is released.

    Parameters
    ----------
    client : distributed.Client or None
        None is the default one: that of the task, in a task, or else the one made last.
    timeout : float or None
        Seconds to wait for a worker when there is none; None waits for ever.
    round_timeout : float or None
        Seconds without a result after which a round is overdue; None is by the rounds before, at least a minute.
    """

    def __init__(self, client=None, timeout=300.0, round_timeout=None):
        for name, value in (("timeout", timeout), ("round_timeout", round_timeout)):
            if value is not None and not (isinstance(value, Real) and value > 0):
                raise ValueError(f"{name} must be a number of seconds > 0, or None, got {value!r}.")
        self.client, self.timeout, self.round_timeout = checked_client(client), timeout, round_timeout
        self.name, self.rounds, self.seconds, self.loading = f"fastsgd-{uuid.uuid4().hex[:12]}", 0, [], 0.0
        self._kept = []  # These futures are released at the end of the fit, and not when Python gets round to it.

    def __enter__(self):
        self._stack = ExitStack()
        with suppress(ValueError):  # which says that this is no task
            get_worker()
            # The task gives its thread back, so that it does not wait for what it takes itself.
            self._stack.enter_context(worker_client())
        self._stack.enter_context(self.client.as_current())  # It is that which `wait` asks.
        return self

    def __exit__(self, *_):
        release(self._kept)
        self._kept.clear()
        self._stack.close()

    # ------------------------------------------------------------ what algorithms call
    def load(self, delayed, names):
        """Parts of the values of these dask Delayed: they are computed now, and stay on the workers until all is over."""
        started = perf_counter()
        with self._connected():
            futures = self.client.compute(list(delayed))
        parts = [Part(number, *both) for number, both in enumerate(zip(names, futures, strict=True))]
        self._kept += futures
        Round(self, parts, futures).wait()
        self.loading += perf_counter() - started
        return parts

    def keep(self, function, parts, *args):
        """The parts that the function makes of these, which stay on the workers."""
        started = perf_counter()
        one = self._submitted(function, parts, args)
        self._kept += one.futures
        futures = one.wait()
        self.loading += perf_counter() - started
        return [part._replace(value=future) for part, future in zip(parts, futures, strict=True)]

    def run(self, function, parts, *args, then=None):
        """[function(part, *args)] of all parts, in order; or then(that, *args), wherever it takes less time to make it."""
        started = perf_counter()
        one = self._submitted(function, parts, args)
        try:
            futures = one.wait()
            if then is not None and one.held is not None:
                found = self._combined(futures, then, one.held)
            else:
                found = one.results(futures)
                found = found if then is None else then(found, *args)
        finally:
            release(one.futures)
        self.seconds.append(perf_counter() - started)
        return found

    def _combined(self, futures, then, held):
        """then(results, *args), made by a worker."""
        last = self.client.submit(_combined, futures, then, held, key=f"{self.name}-{self.rounds}-all", pure=False)
        one = Round(self, [Part("all", "what is made of them", None)], [last])
        try:
            return one.results(one.wait())[0]
        finally:
            release(one.futures)

    def _submitted(self, function, parts, args):
        self.rounds += 1
        held, key = None, f"{self.name}-{self.rounds}"
        if bytes_of(args) > MAX_TASK_BYTES:
            with self._connected(), catch_warnings():  # A model of many features is what is to be sent.
                filterwarnings("ignore", "Sending large graph", UserWarning)
                held = self.client.submit(_held, args, key=f"{key}-arguments", pure=False)
        return Round(self, parts, None, partial(self._call, key, function, args, held), held)

    def _call(self, key, function, args, held, parts, **where):
        """Futures of function(part, *args)."""
        if not parts:
            return []
        keys = [f"{key}-{part.number}" + "-again" * bool(where) for part in parts]
        given = [part.value for part in parts], [function] * len(parts), [args if held is None else held] * len(parts)
        with self._connected():
            return self.client.map(call, *given, key=keys, pure=False, **where)

    @contextmanager
    def _connected(self):
        """What a client without a scheduler raises, in words."""
        try:
            yield
        except Exception as error:
            if self.client.status == "running":
                raise
            raise ClusterError(f"the connection to Dask's scheduler is lost: {error}") from error

    @property
    def overdue(self):
        """Seconds without a result after which a round is overdue."""
        if self.round_timeout is not None:
            return self.round_timeout
        rounds = OVERDUE_ROUNDS * median(self.seconds) if self.seconds else 0.0
        return max(MIN_OVERDUE_SECONDS, rounds, OVERDUE_LOADS * self.loading)


class Round:
    """Tasks under way, one for each part; of a part that is overdue, maybe several.

    Parameters
    ----------
    cluster : Cluster
    parts : list of Part
    futures : list of Future, or None
        Of each part; None asks `submit` for them.
    submit : callable or None
        submit(parts, **where) -> futures; None where they can't be done again.
    held : Future or None
        That of the arguments.
    """

    def __init__(self, cluster, parts, futures=None, submit=None, held=None):
        self.cluster, self.client, self.parts, self.submit, self.held = cluster, cluster.client, parts, submit, held
        self.of = [[future] for future in (submit(parts) if futures is None else futures)]
        self.moved, self.alone, self.rescues, self.left = perf_counter(), None, 0, len(parts)

    @property
    def futures(self):
        """All of them, and that of the arguments."""
        return [future for futures in self.of for future in futures] + ([] if self.held is None else [self.held])

    def wait(self):
        """The first future of each part that is finished."""
        try:
            while True:
                several = any(len(futures) > 1 for futures in self.of)
                waited = [future for futures in self.of for future in futures if future.status == "pending"]
                with suppress(TimeoutError, CancelledError):
                    wait(waited, timeout=TICK_SECONDS, return_when="FIRST_COMPLETED" if several else "ALL_COMPLETED")
                done = [self._done(part, futures) for part, futures in zip(self.parts, self.of, strict=True)]
                if None not in done:
                    return done
                self._look(done.count(None))
        except BaseException:
            self.cancel()
            raise

    def results(self, futures):
        """The values of these futures."""
        loop, asked = self.client.loop.asyncio_loop, None
        try:
            while True:
                asked = asked or asyncio.run_coroutine_threadsafe(self.client.gather(futures, asynchronous=True), loop)
                try:
                    return asked.result(TICK_SECONDS)
                except TimeoutError:
                    if asked.done():  # It is that of a connection.
                        asked = None
                except (OSError, CancelledError, KilledWorker):
                    asked = None
                for part, future in zip(self.parts, futures, strict=True):
                    self._done(part, [future])
                self._look(self.left)
        except BaseException:
            if asked is not None:
                asked.cancel()
            self.cancel()
            raise

    def cancel(self):
        """Have nothing under way any more."""
        with suppress(Exception):  # The scheduler may be gone.
            self.client.cancel(self.futures, reason="fastsgd: the fit has ended")

    def _done(self, part, futures):
        """The first of the futures of a part that is finished, None where all are under way; raises where one failed."""
        for future in futures:
            if future.status == "finished":
                return future
        for future in futures:
            if future.status == "error":
                error = future.exception()
                if isinstance(error, KilledWorker):
                    raise PartitionError(
                        f"{part.first} took its workers with it, one after another: most likely it needs more memory than "
                        "they have. Give smaller partitions. If workers die of other causes, raise "
                        f"distributed.scheduler.allowed-failures. ({error})",
                        part.number,
                    ) from error
                raise blame(part, error) from error
            if future.status == "cancelled":
                if self.client.status != "running":
                    raise ClusterError("the connection to Dask's scheduler is lost, and what was under way with it.")
                raise PartitionError(
                    f"{part.first}: its data are lost. They were on a worker that is gone, and can't be computed again, as "
                    "after client.scatter; or somebody cancelled them. Give a collection that Dask can compute again.",
                    part.number,
                )
        return None

    # ------------------------------------------------------------ what hangs
    def _look(self, left):
        """After a second without an end: wait on, do elsewhere what hangs, or give up."""
        now, cluster = perf_counter(), self.cluster
        if left < self.left:
            self.left, self.moved = left, now
        try:
            workers = self.client.nthreads()
        except (OSError, CancelledError) as error:
            raise ClusterError(f"Dask's scheduler does not answer: {error}") from error
        if not workers:
            self.alone = self.alone or now
            if cluster.timeout is not None and now - self.alone > cluster.timeout:
                raise ClusterError(
                    f"there has been no worker for {cluster.timeout:g} seconds (timeout), and {self.left} partitions are left. "
                    "Start workers, or raise timeout."
                )
            self.moved = now
            return
        self.alone = None
        if now - self.moved <= cluster.overdue:
            return
        self.moved, self.rescues = now, self.rescues + 1
        self._rescue(workers)

    def _rescue(self, workers):
        """Have what hangs done elsewhere."""
        pending = {
            futures[-1].key: at
            for at, futures in enumerate(self.of)
            if all(future.status == "pending" for future in futures)
        }
        if self.rescues > MAX_RESCUES:
            part = self.parts[min(pending.values(), default=0)]
            raise PartitionError(
                f"{part.first} has had no result for {self.rescues} times {self.cluster.overdue:.3g} seconds "
                "(round_timeout), on any worker. Raise round_timeout if so long is right.",
                part.number,
            )
        # A worker that does not even say that it is there is restarted; the scheduler does that by itself, after minutes.
        seconds = min(self.cluster.overdue, MIN_OVERDUE_SECONDS) / 2
        silent = self.client.run_on_scheduler(_restart_silent, keys=list(pending), seconds=seconds)
        if silent or self.submit is None or self.rescues > 1:
            return
        for worker, keys in self.client.processing().items():
            mine, others = sorted(pending[key] for key in set(keys) & set(pending)), sorted(set(workers) - {worker})
            if mine and others:
                again = self.submit([self.parts[at] for at in mine], workers=others)
                for at, future in zip(mine, again, strict=True):
                    self.of[at].append(future)


def release(futures):
    """Let go of them: the cluster forgets what nobody else has asked for."""
    for future in futures:
        future.release()


def bytes_of(value):
    """Bytes of the arrays in a value, be it of tuples, or of objects that have them."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, (tuple, list)):
        return sum(map(bytes_of, value))
    return sum(map(bytes_of, vars(value).values())) if hasattr(value, "__dict__") and not callable(value) else 0


def _held(args):
    """Arguments as a task, so that they are computed again where they are lost."""
    return args


def _combined(found, then, args):
    return then(found, *args)


async def _restart_silent(keys, seconds, dask_scheduler=None):
    """On the scheduler: restart the workers on which these tasks wait, and of which it has not heard for so long."""
    waiting, seen, workers = [dask_scheduler.tasks[key] for key in keys if key in dask_scheduler.tasks], set(), set()
    while waiting:
        task = waiting.pop()
        if task not in seen:
            seen.add(task)
            workers.update([task.processing_on] if task.processing_on else task.who_has or ())
            waiting.extend(task.dependencies)
    seconds = max(seconds, SILENT_BEATS * heartbeat_interval(len(dask_scheduler.workers)))
    silent = [worker.address for worker in workers if time() - worker.last_seen > seconds]
    if silent:
        how = {"wait_for_workers": False, "on_error": "return", "stimulus_id": f"fastsgd-silent-{time()}"}
        await dask_scheduler.restart_workers(silent, **how)
    return silent


def checked_client(client):
    """The client to use; ValueError where there is none that can be used."""
    if client is None:
        try:
            client = get_client()
        except ValueError:
            raise ValueError(
                "there is no Dask client: make one, client = distributed.Client(address) or Client() for processes on this "
                "machine, or give one as client."
            ) from None
    if not isinstance(client, Client):
        raise ValueError(f"client must be a distributed.Client or None, got {type(client).__name__}.")
    if client.asynchronous:
        raise ValueError(
            "client is asynchronous, and a fit waits for its rounds: make a Client without asynchronous=True, or call fit in a "
            "thread (asyncio.to_thread) with such a client."
        )
    if client.status != "running":
        raise ValueError(f"client is {client.status}, and not running: make a new one.")
    return client
