"""Threads: independent pieces of work on the cores of this machine, their results in the order of the pieces.

Kernels work without the GIL, so threads of Python are all it takes. There is one pool for the process, which a fork leaves
behind. Whoever asks works too, and takes whatever piece no other thread has begun: so pieces may have pieces of their own, and
several fits may share the pool, without one waiting for another.
"""

import os
from _thread import start_new_thread
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import ref

import numpy as np
from joblib import cpu_count, effective_n_jobs

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def n_threads(n_jobs: int | None) -> int:
    """How many threads `n_jobs` asks for, by joblib's convention: None is 1 but in `joblib.parallel_config`, -1 all cores.

    Raises
    ------
    ValueError
        n_jobs=0.
    """
    if n_jobs == 0:
        raise ValueError("n_jobs must not be 0: give a number of threads, -1 for all cores, or None for one.")
    if n_jobs is not None and n_jobs > 0:
        return n_jobs
    wanted = int(effective_n_jobs(None)) if n_jobs is None else 0
    if wanted == 1:  # To count cores takes half as long as a small fit.
        return 1
    cores: int = cpu_count()
    # A backend of joblib may know the cores of other machines, too.
    return max(1, cores + 1 + n_jobs) if n_jobs is not None else min(wanted, cores)


class Threads:
    """Up to n threads, of which the one that asks is the first.

    Parameters
    ----------
    n : int
        Threads at most. More than the machine has cores would only wait for one another, and fewer are used then: what is
        worked out does not depend on who does it.

    Examples
    --------
    >>> Threads(2).map(abs, [-1, 2, -3])
    [1, 2, 3]
    """

    def __init__(self, n: int = 1) -> None:
        self.n = n

    def __repr__(self) -> str:
        return f"Threads({self.n})"

    def map(
        self,
        function: Callable[[Piece], Result],
        pieces: Iterable[Piece],
        call_off: Callable[[], object] = lambda: None,
    ) -> list[Result]:
        """[function(piece) for piece in pieces], pieces at once; NumPy's error settings are those of this thread.

        Where a piece fails, no other is begun, and once those under way are done, the first error (by the order of the
        pieces) is raised. So it is with Ctrl-C. `call_off` is called before that wait: long pieces can be told to end early.
        """
        pieces = list(pieces)
        if self.n == 1 or len(pieces) < 2:
            return [function(piece) for piece in pieces]
        work = _Work(function, pieces, call_off)
        try:
            _pool.call(work, min(self.n, len(pieces)) - 1)
            work.take_part()
            work.settle()
        except BaseException:  # Ctrl-C, which may come at any moment.
            work.settle_at_last()
            raise
        return work.finish()

    def ahead(self, function: Callable[[Callable[[], bool]], Result]) -> "Ahead[Result]":
        """Have another thread begin on this, if one is free, while this one does something else; see `Ahead`."""
        return Ahead(function, self.n)


class Ahead(Generic[Result]):
    """Work that another thread may have begun. As a context, it is called off at the end.

    The function is given `wanted`, which says whether it was not; then it may return anything at once.
    """

    def __init__(self, function: Callable[[Callable[[], bool]], Result], n: int) -> None:
        self._wanted = True
        self._work = _Work(function, [lambda: self._wanted], self._call_off)
        if n > 1:
            _pool.call(self._work, 1)

    def __enter__(self) -> "Ahead[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self._work.settle_at_last()

    def _call_off(self) -> None:
        self._wanted = False

    def result(self) -> Result:
        """What the function returns; it is called here where no other thread has begun."""
        self._work.take_part()
        self._work.settle()
        return self._work.finish()[0]  # type: ignore[no-any-return]


ONE_THREAD = Threads()


class _Work:
    """Pieces that threads take one by one.

    Ctrl-C may come between any two steps of the first thread. So what it shares with the helpers is a lock and a queue written
    in C, which such a moment leaves whole; a `Condition`, and so a `Future` or an executor, might stay locked for ever.
    """

    def __init__(self, function: Callable[[Any], Any], pieces: list[Any], call_off: Callable[[], object]) -> None:
        self.function, self.pieces, self.call_off, self.settings = function, pieces, call_off, np.geterr()
        self.results: list[Any] = [None] * len(pieces)
        self.errors: dict[int, BaseException] = {}
        self.next, self.lock = 0, Lock()
        self.helping, self.left = 0, SimpleQueue[None]()  # Helpers at work; something is put for each that has left.

    def _take(self) -> int | None:
        with self.lock:
            if self.next == len(self.pieces):
                return None
            self.next += 1
            return self.next - 1

    def take_part(self) -> None:
        """Work on pieces until none is left."""
        with np.errstate(**self.settings):
            while (i := self._take()) is not None:
                try:
                    self.results[i] = self.function(self.pieces[i])
                except BaseException as error:  # Ctrl-C too, which the first thread alone gets.
                    self.errors[i] = error
                    self.stop()
                    self.call_off()

    def help(self) -> None:
        """As `take_part`, by another thread, which the first one waits for."""
        with self.lock:
            if self.next == len(self.pieces):
                return
            self.helping += 1
        try:
            self.take_part()
        finally:
            with self.lock:
                self.helping -= 1
            self.left.put(None)

    def stop(self) -> None:
        """Have no more pieces begun."""
        with self.lock:
            self.next = len(self.pieces)

    def settle(self) -> None:
        """Have no more pieces begun, and wait for those that helpers are at."""
        self.stop()
        while self.helping:
            self.left.get()

    def settle_at_last(self) -> None:
        """As `settle`, of what is not wanted any more; however often Ctrl-C comes meanwhile, which is raised then."""
        try:
            self.call_off()
            self.settle()
        except KeyboardInterrupt:
            self.settle_at_last()
            raise

    def finish(self) -> list[Any]:
        if self.errors:
            raise self.errors[min(self.errors)]
        return self.results


class _Pool:
    """Threads that wait for work, begun as they are needed, up to one less than there are cores; they end with the process."""

    def __init__(self) -> None:
        self.tasks, self.lock = SimpleQueue[ref[_Work]](), Lock()  # As in `_Work`, Ctrl-C leaves them whole.
        self.begun = self.calls = self.most = 0  # Threads, and calls that are waiting or answered at the moment.

    def call(self, work: _Work, n: int) -> None:
        """Up to n threads are asked to take part, which they do when they are free, if there is still work."""
        self.most = self.most or max(1, cpu_count() - 1)  # It reads files, so it is asked once.
        for _ in range(n):
            with self.lock:
                self.calls += 1
                if self.calls > self.begun < self.most:
                    try:
                        start_new_thread(self._answer, ())
                        self.begun += 1
                    except RuntimeError:  # The interpreter is ending, or the system gives no more threads.
                        self.calls -= 1
                        return
            self.tasks.put(ref(work))

    def _answer(self) -> None:
        while True:
            work = self.tasks.get()()
            try:
                if work is not None:
                    work.help()
            finally:
                work = None  # Nothing is kept of it.
                with self.lock:
                    self.calls -= 1


_pool = _Pool()


def _forget_pool() -> None:
    """In the child of a fork the pool has no threads, and its locks may be held for ever."""
    global _pool
    _pool = _Pool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
