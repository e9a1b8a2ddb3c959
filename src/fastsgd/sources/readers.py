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

from fastsgd.sources.reuse import BLOCKS

MIN_BLOCK_SECONDS = 4e-3  # A block that is made faster than this is not worth handing to another thread.
# One more reader is tried where whoever uses the rows waits for them more than WAITING_SHARE of the time, and it stays if a byte
# takes at most KEPT_SHARE of the time that it took before. A reader is given back where they wait less than IDLE_SHARE.
WAITING_SHARE, KEPT_SHARE, IDLE_SHARE = 0.1, 0.9, 0.02
# It is decided after this many blocks for each that is made at once; and where nobody has said how long rows were waited for,
# what is measured is kept for this many blocks a reader.
DECISION_BLOCKS, MEMORY_BLOCKS = 2, 8
# A reader that gained nothing is tried again, as other work may have had the processors then; after so many times no more.
MAX_TRIES = 3
# Making a block takes memory of its size, and `Source.decoding` times its size beside it, for what is decoded and what the
# allocators of a thread keep: MAX_DECODING_BYTES at most, as formats are decoded in pieces, and its size once more to join these.
# The process takes BASE_BYTES beside that, and a block that is given out has its size once more.
MAX_DECODING_BYTES, BASE_BYTES = 10**8, 30 * 10**6
# Threads may add this share to the memory that making blocks takes, where max_memory has no room for them.
OVER_SHARE = 1 / 5
END = object()  # There is no piece left.


def size_of(rows: Any) -> tuple[int, int]:
    """Bytes and rows of a block."""
    X = rows.X
    return (X.nbytes if hasattr(X, "nbytes") else X.data.nbytes + X.indices.nbytes + X.indptr.nbytes), X.shape[0]


class Readers:
    """How many threads make blocks, and what has been measured of it; kept from one walk over a source to the next.

    Parameters
    ----------
    number : int or "auto"
        This many, whatever memory they take; or as many as pay: one at first, and never more than the process has cores.
    max_memory : float
        Bytes, half of which are for blocks that are being made.
    rows : int
        Rows of the largest block, 0 where that is not known.
    decoding : float
        So many times its size a block takes while it is made, beside that.
    divides : int
        Bytes that one more thread at work on the same block takes; 0 where a block is made by one thread.
    ahead : bool
        Whether blocks are asked for ahead of whoever uses them; `record_waiting` then says how long that one waits.

    Attributes
    ----------
    n : int
        How many threads there are now. One is the thread that asks, and there is no other.
    """

    def __init__(
        self,
        number: int | str = "auto",
        max_memory: float = inf,
        rows: int = 0,
        decoding: float = 0.0,
        divides: int = 0,
        ahead: bool = False,
    ) -> None:
        self.chosen, self.memory, self.ahead = number == "auto", max_memory / 2, ahead
        self.n = 1 if isinstance(number, str) else number
        self.most = cpu_count() if self.chosen else self.n
        self.tries = 0  # How often a reader gained nothing.
        self.byte_seconds: dict[int, float] = {}  # Seconds that a byte took, by the number of readers.
        self.rows, self.decoding, self.divides = rows, decoding, divides
        self.largest = 0.0  # Bytes of the largest block.
        self.waits, self.waits_known = 1.0, False
        self._begin()

    @classmethod
    def of(cls, source: Any, ahead: bool = False) -> "Readers":
        """Those of a source."""
        return cls(source.readers, source.max_memory, max(source.sizes or [0]), source.decoding, source.divides, ahead)

    @property
    def at_once(self) -> int:
        """How many blocks are made at once."""
        return min(self.n, self._held()) if self.chosen else self.n

    @property
    def hands(self) -> int:
        """How many threads make one block."""
        return self.n // self.at_once if self.divides else 1

    def _taken(self) -> float:
        """Bytes that it takes to make a block."""
        decoding = self.decoding * self.largest
        return self.largest + min(decoding, MAX_DECODING_BYTES + self.largest)

    def _held(self) -> int:
        """How many blocks the memory holds, at least one."""
        room = (1 + OVER_SHARE) * (self.memory - BASE_BYTES - self.largest)
        return max(1, int(min(room / max(1.0, self._taken()), self.most)))

    def _limit(self) -> int:
        """How many threads the memory allows."""
        if not self.divides:
            return self._held()
        spare = max(self.memory - BASE_BYTES - self.largest - self._taken(), OVER_SHARE * self._taken())
        return max(self._held(), 1 + int(spare // self.divides))

    def _begin(self) -> None:
        """Measure anew."""
        self.blocks, self.size, self.making, self.getting, self.away, self.since = 0, 0, 0.0, 0.0, 0.0, perf_counter()

    def record_waiting(self, waited: float, seconds: float) -> None:
        """Take note that whoever uses the rows waited this long of that many seconds."""
        self.waits, self.waits_known = waited / max(seconds, 1e-9), True

    def record_block(self, n: int, size: int, rows: int, making: float, getting: float, away: float) -> None:
        """Take note of a block that was made, and decide anew how many readers there are once enough of them were.

        Parameters
        ----------
        n : int
            Readers when the block was begun.
        size, rows : int
            Its bytes and rows.
        making : float
            Seconds that one thread took to make it.
        getting : float
            Seconds in which the piece that it is made of was read, which threads do one after another.
        away : float
            Seconds before, in which nobody asked for a block.
        """
        first = not self.largest
        self.largest = max(self.largest, size * max(1.0, self.rows / rows if rows else 1.0))
        if first:  # It takes longer, as files are opened.
            self._begin()
        if first or not self.chosen or self.most == 1 or n != self.n:
            return
        self.blocks, self.size = self.blocks + 1, self.size + size
        self.making, self.getting, self.away = self.making + making, self.getting + getting, self.away + away
        if self.blocks >= DECISION_BLOCKS * self.at_once and self.size:
            self._decide()

    def _decide(self) -> None:
        n, seconds, most = self.n, perf_counter() - self.since, min(self.most, self._limit())
        self.byte_seconds[n] = max(self.getting, (self.getting + self.making) / self.at_once) / self.size
        waits = self.waits if self.ahead else 1 - self.away / max(seconds, 1e-9)
        held = self._held()  # Beyond that, one more for each block, as they are given out in order.
        more, less = (n + 1, n - 1) if n < held else (n + held, n - held if n > held else n - 1)
        if n > most:
            self.n = most
        elif n > 1 and self.byte_seconds[n] > KEPT_SHARE * self.byte_seconds.get(less, inf):
            self.n, self.tries = less, self.tries + 1
            self.most = less if self.tries == MAX_TRIES else self.most
        elif more <= most and waits > WAITING_SHARE and self.making > MIN_BLOCK_SECONDS * self.blocks:
            self.n = more
        elif (
            n > 1 and self.waits_known and waits < IDLE_SHARE and self.making * self.hands < KEPT_SHARE * less * seconds
        ):
            self.n = less  # So many would have been done in time.
        elif not self.waits_known and self.blocks < MEMORY_BLOCKS * n:
            return
        self.waits_known = False
        self._begin()


def in_order(
    make: Callable[[Any], Any],
    pieces: Iterable[Any],
    readers: Readers,
    size: Callable[[Any], tuple[int, int]] = size_of,
    here: Callable[[Any], Any] | None = None,
    apart: bool = False,
) -> Iterator[Any]:
    """make(piece) for each, in order, made by as many threads as there are readers, of which the one that asks is the first.

    Parameters
    ----------
    size : callable
        Bytes and rows of what `make` gives.
    here : callable or None
        In place of `make`, where the thread that asks makes the next one.
    apart : bool
        Whether to get a piece is work, too, which the thread that asks does while others make blocks.
    """
    walk, left = _Walk(make, here or make, iter(pieces), readers, apart), perf_counter()
    try:
        with BLOCKS.kept():
            while True:
                away = perf_counter() - left
                found = walk.next()
                if found is None:
                    return
                made, n, making, getting = found
                readers.record_block(n, *size(made), making, getting, away)
                found, left = None, perf_counter()
                yield made
                made = None  # It is not held while the next is made.
    finally:
        walk.close()


class _Walk:
    """A walk over the pieces: the blocks that are under way, and those that wait for their turn."""

    def __init__(
        self,
        make: Callable[[Any], Any],
        here: Callable[[Any], Any],
        pieces: Iterator[Any],
        readers: Readers,
        apart: bool,
    ) -> None:
        self.make, self.here, self.pieces, self.readers, self.apart = make, here, pieces, readers, apart
        self.waiting: deque[tuple[Future[Any], float]] = deque()
        self.pool: ThreadPoolExecutor | None = None

    def next(self) -> tuple[Any, int, float, float] | None:
        """(what was made, how many readers there were when it was begun, seconds of making it, of getting its piece)."""
        n = self.readers.at_once
        if not self.waiting and (n == 1 or not self.apart):
            piece, getting = self._get()
            if piece is END:
                return None
            self._top_up(n)
            return *self._timed(self.here, piece, self.readers.n), getting
        self._top_up(n)
        if not self.waiting:
            return None
        if len(self.waiting) < n and not self.apart and not self.waiting[0][0].done():
            self._add(self._here)  # It would only wait.
        job, getting = self.waiting.popleft()
        made = job.result()
        self._top_up(n)
        return *made, getting

    def _get(self) -> tuple[Any, float]:
        begun = perf_counter()
        return next(self.pieces, END), perf_counter() - begun

    @staticmethod
    def _timed(make: Callable[[Any], Any], piece: Any, n: int) -> tuple[Any, int, float]:
        begun = perf_counter()
        return make(piece), n, perf_counter() - begun

    def _top_up(self, n: int) -> None:
        """Have the others at work, and no more than n blocks under way or waiting."""
        others = n - (not self.apart)
        while n > 1 and len(self.waiting) < n and sum(not job.done() for job, _ in self.waiting) < others:
            if not self._add(self._elsewhere):
                return

    def _add(self, begun: Callable[[Any], "Future[Any]"]) -> bool:
        """Begin the next one, if there is one; what fails before that has its place in the order, too."""
        try:
            piece, getting = self._get()
        except Exception as error:
            self.waiting.append((_failed(error), 0.0))
            self.pieces = iter(())
            return False
        if piece is not END:
            self.waiting.append((begun(piece), getting))
        return piece is not END

    def _elsewhere(self, piece: Any) -> "Future[Any]":
        """A piece given to another thread, with the settings of this one, such as NumPy's of errors."""
        try:
            if self.pool is None:
                self.pool = ThreadPoolExecutor(max(1, self.readers.most - 1), "fastsgd-reader")
            return self.pool.submit(copy_context().run, self._timed, self.make, piece, self.readers.n)
        except RuntimeError:  # The interpreter is ending, or the system gives no more threads.
            return self._here(piece)

    def _here(self, piece: Any) -> "Future[Any]":
        """A piece made at once."""
        done: Future[Any] = Future()
        try:
            done.set_result(self._timed(self.make, piece, self.readers.n))
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
