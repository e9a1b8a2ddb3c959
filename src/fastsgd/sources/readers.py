"""Blocks made by several threads at once, and given out in their order: by as many as pay, which is measured on the way.

What comes out does not depend on how many there are, nor does which error is raised: the first one in the order.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from math import inf
from time import perf_counter
from typing import Any

from joblib import cpu_count

LEAST_SECONDS = 4e-3  # A block that is made faster than this is not worth to be handed to another thread.
WAITS = 0.1  # One more reader is tried where whoever uses the rows waits for them more than this share of the time.
GAIN = 0.9  # It stays if a byte takes at most this share of the time that it took before.
# Bytes that reading a block takes, to those of its rows: what is decoded, and what the allocators of a thread keep.
TIMES_ITS_SIZE = 6
END = object()


def size_of(rows: Any) -> tuple[int, int]:
    """Bytes and rows of a block."""
    X = rows.X
    return (X.nbytes if hasattr(X, "nbytes") else X.data.nbytes + X.indices.nbytes + X.indptr.nbytes), X.shape[0]


class Readers:
    """How many threads make blocks, and what has been measured of it; kept from one walk over a source to the next.

    Parameters
    ----------
    source : Source
        With `readers` a number, there are so many, whatever they take. With "auto" there are as many as pay: one at first,
        and never more than cores, nor than half of `max_memory` holds.
    ahead : bool
        Whether who asks for the blocks does so ahead of whoever uses them, and says by `used` how long that one waits.

    Attributes
    ----------
    n : int
        How many there are now. One is the thread that asks, and there is no other.
    """

    def __init__(self, source: Any, ahead: bool = False) -> None:
        self.chosen, self.memory, self.ahead = source.readers == "auto", source.max_memory / 2, ahead
        self.n = 1 if self.chosen else source.readers
        self.most = cpu_count() if self.chosen else self.n
        self.units: dict[int, float] = {}  # Seconds that a byte took with so many.
        self.rows, self.largest = max(source.sizes or [0]), 0.0  # Of the largest block: its rows where known; bytes.
        self.waits, self.told = 1.0, False
        self._begin()

    def _begin(self) -> None:
        """Measure anew."""
        self.blocks, self.size, self.making, self.getting, self.away, self.since = 0, 0, 0.0, 0.0, 0.0, perf_counter()

    def used(self, waited: float, seconds: float) -> None:
        """Whoever uses the rows waited so long of so many seconds."""
        self.waits, self.told = waited / max(seconds, 1e-9), True

    def seen(self, n: int, size: int, rows: int, making: float, getting: float, away: float) -> None:
        """A block was made, begun when there were n readers: its bytes and rows; the seconds that it took one thread, those
        in which what it is made of was read one after another, and those in which nobody asked for a block."""
        first = not self.largest
        self.largest = max(self.largest, size * max(1.0, self.rows / rows if rows else 1.0))
        if first:  # It takes longer, as files are opened.
            self._begin()
        if first or not self.chosen or self.most == 1 or n != self.n:
            return
        self.blocks, self.size = self.blocks + 1, self.size + size
        self.making, self.getting, self.away = self.making + making, self.getting + getting, self.away + away
        if self.blocks >= 2 * n and self.size:
            self._decide()

    def _decide(self) -> None:
        n, seconds, most = self.n, perf_counter() - self.since, min(self.most, self.affordable())
        self.units[n] = max(self.getting, (self.getting + self.making) / n) / self.size
        waits = self.waits if self.ahead else 1 - self.away / max(seconds, 1e-9)
        if n > most:
            self.n = most
        elif n > 1 and self.units[n] > GAIN * self.units.get(n - 1, inf):
            self.n = self.most = n - 1
        elif n < most and waits > WAITS and self.making > LEAST_SECONDS * self.blocks:
            self.n = n + 1
        elif n > 1 and self.told and waits < WAITS / 5 and self.making < GAIN * (n - 1) * seconds:
            self.n = n - 1  # So many would have been done in time.
        elif not self.told and self.blocks < 8 * n:
            return
        self.told = False
        self._begin()

    def affordable(self) -> int:
        """How many the memory allows, at least one."""
        return max(1, int(self.memory // (TIMES_ITS_SIZE * max(1.0, self.largest))))


def in_order(
    make: Callable[[Any], Any],
    pieces: Iterable[Any],
    readers: Readers,
    size: Callable[[Any], tuple[int, int]] = size_of,
    here: Callable[[Any], Any] | None = None,
) -> Iterator[Any]:
    """make(piece) for each, in order, made by as many threads as there are readers; pieces come from the thread that asks.

    Parameters
    ----------
    size : callable
        Bytes and rows of what `make` gives.
    here : callable or None
        In place of `make`, where a single reader makes the next one.
    """
    walk, left = _Walk(make, here or make, iter(pieces), readers), perf_counter()
    try:
        while True:
            away = perf_counter() - left
            found = walk.next()
            if found is None:
                return
            made, n, making, getting = found
            readers.seen(n, *size(made), making, getting, away)
            found, left = None, perf_counter()
            yield made
            made = None  # It is not held while the next is made.
    finally:
        walk.close()


class _Walk:
    """What is under way."""

    def __init__(
        self, make: Callable[[Any], Any], here: Callable[[Any], Any], pieces: Iterator[Any], readers: Readers
    ) -> None:
        self.make, self.here, self.pieces, self.readers = make, here, pieces, readers
        self.waiting: deque[tuple[Future[Any], float]] = deque()
        self.pool: ThreadPoolExecutor | None = None

    def next(self) -> tuple[Any, int, float, float] | None:
        """(what was made, how many readers there were when it was begun, seconds of making it, of getting its piece)."""
        if self.readers.n == 1 and not self.waiting:
            piece, getting = self._get()
            return None if piece is END else (*self._timed(self.here, piece, 1), getting)
        self._top_up()
        if not self.waiting:
            return None
        job, getting = self.waiting.popleft()
        made = job.result()
        self._top_up()
        return *made, getting

    def _get(self) -> tuple[Any, float]:
        begun = perf_counter()
        return next(self.pieces, END), perf_counter() - begun

    @staticmethod
    def _timed(make: Callable[[Any], Any], piece: Any, n: int) -> tuple[Any, int, float]:
        begun = perf_counter()
        return make(piece), n, perf_counter() - begun

    def _top_up(self) -> None:
        """Have as many under way as there are readers; what fails before that has its place in the order, too."""
        while 1 < self.readers.n > len(self.waiting):
            try:
                piece, getting = self._get()
            except Exception as error:
                self.waiting.append((_failed(error), 0.0))
                self.pieces = iter(())
                return
            if piece is END:
                return
            self.waiting.append((self._begun(piece), getting))

    def _begun(self, piece: Any) -> Future[Any]:
        """What becomes of a piece, with the settings of this thread, such as NumPy's of errors."""
        n = self.readers.n
        try:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(self.readers.most, "fastsgd-reader")
            return self.pool.submit(copy_context().run, self._timed, self.make, piece, n)
        except RuntimeError:  # The interpreter is ending, or the system gives no more threads.
            done: Future[Any] = Future()
            try:
                done.set_result(self._timed(self.make, piece, n))
            except Exception as error:
                return _failed(error)
            return done

    def close(self) -> None:
        """No thread is left, nor what it was at."""
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=True)


def _failed(error: BaseException) -> Future[Any]:
    failed: Future[Any] = Future()
    failed.set_exception(error)
    return failed
