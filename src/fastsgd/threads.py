"""Threads: independent pieces of work on the cores of this machine, their results in the order of the pieces.

Kernels work without the GIL, so threads of Python are all it takes. There is one pool for the process, which a fork leaves
behind. Whoever asks works too, and takes whatever piece no other thread has begun: so pieces may have pieces of their own, and
several fits may share the pool, without one waiting for another.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from threading import Lock
from typing import Any, Generic, TypeVar

import numpy as np
from joblib import cpu_count, effective_n_jobs
from threadpoolctl import ThreadpoolController

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


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which BLAS has one thread: it then adds in one order, and wakes no others for products too small for them."""
    return _controller().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _controller() -> Any:
    """It looks through all loaded libraries, which takes long enough to be done only once."""
    return ThreadpoolController()


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

    def map(self, function: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
        """[function(piece) for piece in pieces], pieces at once; NumPy's error settings are those of this thread.

        Where a piece fails, no other is begun, and once those under way are done, the first error (by the order of the
        pieces) is raised. So it is with Ctrl-C.
        """
        pieces = list(pieces)
        if self.n == 1 or len(pieces) < 2:
            return [function(piece) for piece in pieces]
        work = _Work(function, pieces)
        helpers = _helpers(work, min(self.n, len(pieces)) - 1)
        try:
            work.take_part()
        finally:
            work.stop()
            _leave(helpers)
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
        self._work = _Work(function, [lambda: self._wanted])
        self._helpers = _helpers(self._work, 1) if n > 1 else []

    def __enter__(self) -> "Ahead[Result]":
        return self

    def __exit__(self, *_: object) -> None:
        self._wanted = False
        self._work.stop()
        _leave(self._helpers)

    def result(self) -> Result:
        """What the function returns; it is called here where no other thread has begun."""
        self._work.take_part()
        _leave(self._helpers)
        return self._work.finish()[0]  # type: ignore[no-any-return]


SERIAL = Threads()


class _Work:
    """Pieces that threads take one by one."""

    def __init__(self, function: Callable[[Any], Any], pieces: list[Any]) -> None:
        self.function, self.pieces, self.settings = function, pieces, np.geterr()
        self.results: list[Any] = [None] * len(pieces)
        self.errors: dict[int, BaseException] = {}
        self.next, self.lock = 0, Lock()

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

    def stop(self) -> None:
        """Have no more pieces begun."""
        with self.lock:
            self.next = len(self.pieces)

    def finish(self) -> list[Any]:
        if self.errors:
            raise self.errors[min(self.errors)]
        return self.results


_pool: ThreadPoolExecutor | None = None
_lock = Lock()


def _helpers(work: _Work, n: int) -> list[Future[None]]:
    """Up to n threads of the pool are asked to take part."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max(1, cpu_count() - 1), "fastsgd")
        try:
            return [_pool.submit(work.take_part) for _ in range(n)]
        except RuntimeError:  # The interpreter is ending and gives no more threads: this one is enough.
            return []


def _leave(helpers: list[Future[None]]) -> None:
    """Wait for the pieces that they are at; who has not begun is called off."""
    for helper in helpers:
        if not helper.cancel():
            helper.exception()


def _forget_pool() -> None:
    """In the child of a fork the pool has no threads, and its locks may be held for ever."""
    global _pool, _lock
    _pool, _lock = None, Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
