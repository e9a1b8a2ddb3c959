"""Memory of blocks that nobody holds any more, for the next ones: new memory is cleared by the system, page by page, which takes
longer than to write the rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np
from numpy.typing import NDArray

MIN_BYTES = 1 << 20  # What is smaller the C library keeps by itself.
SPARE = 1 / 8  # So much larger than asked for memory may be, as the next block is seldom of the same size.


class Reuse:
    """Memory that is kept while somebody walks over a source.

    Attributes
    ----------
    free : dict of int to array
        By their ids: what may be given out. Entries come and go one at a time, so that threads need no lock; it would be
        asked for in the midst of anything that lets go of the last view of an array.
    """

    def __init__(self) -> None:
        self.walks, self.lock = 0, Lock()
        self.free: dict[int, NDArray[Any]] = {}
        self.given: dict[int, Any] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within this, memory is kept; with the end of the last one all of it is let go of."""
        with self.lock:
            self.walks += 1
        try:
            yield
        finally:
            with self.lock:
                self.walks -= 1
            if not self.walks:
                self.free.clear()

    def empty(self, shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """As np.empty. The memory is free for others when the array and all its views are gone."""
        dtype = np.dtype(dtype)
        size = int(np.prod(shape)) * dtype.itemsize
        if size < MIN_BYTES or not self.walks:
            return np.empty(shape, dtype)
        memory = self._taken(size)
        if memory is None:
            memory = np.empty(int((1 + SPARE) * size), np.uint8)
        # An array of a memoryview is what its views refer to, and not the memory: it ends with the last of them.
        given, key = np.frombuffer(memoryview(memory), dtype, int(np.prod(shape))), id(memory)
        self.given[key] = memory, ref(given, lambda _: self._given_back(key))
        return given.reshape(shape)

    def _taken(self, size: int) -> NDArray[Any] | None:
        """Free memory of that size, or a little more; None if there is none, and then the smallest is let go of."""
        sizes = sorted((memory.nbytes, key) for key, memory in list(self.free.items()))
        for found, key in sizes:
            if size <= found <= 2 * size and (memory := self.free.pop(key, None)) is not None:
                return memory
        if sizes:
            self.free.pop(sizes[0][1], None)
        return None

    def _given_back(self, key: int) -> None:
        memory, _ = self.given.pop(key)
        if self.walks:
            self.free[key] = memory


BLOCKS = Reuse()
