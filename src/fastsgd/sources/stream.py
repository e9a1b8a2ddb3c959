"""Rows of a source, shuffled in bounded memory: blocks in random order, a buffer of many, its rows permuted."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, cycle
from threading import Event
from time import perf_counter
from typing import NamedTuple

import numpy as np

from fastsgd.sources import _order
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.base import labelled_as
from fastsgd.sources.blocks import Checked, blocks
from fastsgd.sources.readers import Readers
from fastsgd.sources.space import BUFFER_SHARE, ENOUGH_BLOCKS, ENOUGH_BYTES, ROW_BYTES, Space
from fastsgd.sources.telling import tell

MIN_BUFFER_BLOCKS = 10  # A buffer should hold more blocks, or rows are shuffled badly: see docs/large-data.md.
# The last buffers of a pass share its last blocks evenly: none is more than a quarter smaller than those before.
LAST_BUFFERS = 4
# Rows are not read into memory any further where as many bytes a row as of those before would take so many times the buffer.
FAR_BEYOND = 1.1


class Buffer(NamedTuple):
    """Rows in memory.

    Attributes
    ----------
    table : Table
    first, after : int, int or None
        How many blocks of the epoch went before them, and with them; None where they are the last.
    room, size : int
        How many blocks there was room for, 0 where all that were left fit; and the bytes of those that are in it.
    """

    table: Table
    first: int
    after: int | None
    room: int = 0
    size: float = 0


@dataclass
class Stream:
    """What `Table` is to the engine, over the rows of a source. Each Table it gives is valid until the next.

    Attributes
    ----------
    source : Source
    n_features : int
        Blocks of CSR may be narrower.
    targets : object of two methods
        check(rows) -> Rows, of the Rows of a block, raises ValueError; table(X, y, weight) -> Table, of the Rows of a buffer.
    n_rows : int or inf
        inf where it is not known.
    scaling : Scaling or None
    spaces : (Space, Space) or None
        Those of the last walk, for the next: reusing written memory is cheaper than allocating it.
    readers : Readers or None
        What the last walk has learnt of how many pay.
    numbered : bool
        Whether rows have numbers, by which resamples are drawn: that of the block times 2^32, and the place in it.
    n_folds, fold_seed : int
        Folds, which are drawn by the numbers of the rows; 0 for none.
    segments : object or None
        codes(labels, n) -> the numbers of the segments of rows, int32, which take the place of folds.
    """

    source: object
    n_features: int
    targets: object
    n_rows: float = np.inf
    scaling: object = None
    mapped: Table | None = None  # These are all rows, where they lie in mapped memory.
    spaces: tuple | None = None
    readers: Readers | None = None
    tells: bool = False  # It warns of buffers that hold few blocks.
    told: frozenset = frozenset()  # It has warned of these.
    numbered: bool = False
    n_folds: int = 0
    fold_seed: int = 0
    segments: object = None
    empty = False

    @property
    def sparse(self):
        return self.source.sparse

    def __getstate__(self):
        """What a process elsewhere needs; memory for buffers is its own, and files it maps itself."""
        return vars(self) | {"mapped": None, "spaces": None, "readers": None}

    def describe(self):
        """What the rows and their order depend on, as `Source.describe`."""
        bounds = {"max_memory": self.source.max_memory, "buffer_rows": self.source.buffer_rows}
        if BUFFER_SHARE * self.source.max_memory > ENOUGH_BYTES:
            bounds["buffer_blocks"] = ENOUGH_BLOCKS  # An earlier version filled such a buffer with all that it held.
        if self.source.n_blocks is None:
            bounds["blocks"] = self.source.n_counted
        return {**self.source.describe(), **bounds}

    def tables(self):
        """All rows, in order, as Tables in memory, one after another."""
        for buffer in self._buffers(None, 0):
            yield buffer.table

    summed, each = Table.summed, Table.each

    def chunks(self, dtype, heads, shuffle, seed, epoch, start=START):
        """As `Table.chunks`. The order of the blocks has the key `seed`, that of a buffer's rows has its number too."""
        first, number, place = start
        order = None
        if shuffle and self.source.n_blocks is not None:
            order = spread_blocks(self.source.n_blocks, seed, epoch)
        with closing(self._buffers(order, first)) as buffers:
            for buffer in buffers:
                key = seed + ((number + 1) << 32)
                for part, rows, then in buffer.table.chunks(dtype, heads, shuffle, key, epoch, (0, 0, place)):
                    if then is not None:
                        then = buffer.first, number, then[2]
                    elif buffer.after is not None:
                        then = buffer.after, number + 1, 0
                    yield part, rows, then
                number, place = number + 1, 0

    def _buffers(self, order, first):
        if self.source.mapped is not None:
            for buffer in self._windows(order, first):
                self._warn_of_few(buffer)
                yield buffer
            return
        stop, spaces = Event(), self.spaces or (Space(self.source), Space(self.source))
        readers = self.readers or Readers.of(self.source, ahead=True)
        self.spaces = self.readers = None  # A walk within this one makes its own.
        with closing(
            prefetched(self._filled(order, first, spaces, stop, readers), stop, readers.record_waiting)
        ) as filled:
            for buffer in filled:
                self._warn(max(space.oversize for space in spaces))
                if order is not None:
                    self._warn_of_few(buffer)
                self.source.warn_late()
                yield buffer
        self.source.warn_late()
        self.spaces, self.readers = spaces, readers

    def _filled(self, order, first, spaces, stop, readers=None):
        """The buffers, in these spaces alternately. A block whose size is known is read into its space."""
        source, turns, before = self.source, cycle(spaces), first
        total, sizes = source.n_blocks or source.n_counted, None if source.sparse else source.sizes
        sizes = sizes if order is None or sizes is None else np.asarray(sizes)[order]
        rows_before = None if sizes is None else np.append(0, np.cumsum(sizes))
        end, room = _known_end(source, rows_before, before)
        space = next(turns)
        space.clear()
        read = blocks(
            source, self.n_features, self.targets.check, order, first, lambda n: space.room(n, self.n_features), readers
        )
        for at in count(first):
            if space.n and at == end:
                yield self._buffer(space, order, before, at, room)
                space, before, (end, room) = next(turns), at, _known_end(source, rows_before, at)
                space.clear()
            rows = None  # It is in the space, and not held while the next is read.
            rows = next(read, None)
            if rows is None or stop.is_set():
                break
            n = rows.X.shape[0]
            while space.n and n and not space.fits(rows):  # Blocks for which there is no room go to the next.
                end = before + blocks_in_buffer(at - before, None if total is None else total - before)
                end = max(end, space.parts[0][0] + 1)  # The first blocks may have no rows.
                yield self._buffer(space, order, before, end, at - before)
                full, space, before = space, next(turns), end
                end, room = _known_end(source, rows_before, before)
                rows = space.spare(rows)
                space.take_over(full, before, self.n_features)
            if n:
                space.add(rows, at)
        if stop.is_set():
            return
        if space.n:
            yield self._buffer(space, order, before, None)
        elif first == 0:
            raise ValueError("the source has no rows; each of its passes must begin anew.")

    def _buffer(self, space, order, first, after, room=0):
        rows = space.rows(self.n_features, after)
        table = self.targets.table(*rows[:3])
        table.scaling = self.scaling
        if self.segments is not None:
            table.fold = self.segments.codes(rows.segment, table.X.shape[0])
        if self.numbered or self.n_folds:
            table.number = space.numbers(order, after)
            table.fold = self._folds(table.number) if self.n_folds else table.fold
        return Buffer(table, first, after, room, space.used)

    def _folds(self, number):
        return _order.fold_numbers(number, self.n_folds, self.fold_seed) if self.n_folds else None

    def _windows(self, order, first):
        """Rows that lie in mapped memory: where they lie, and so without a copy or a thread."""
        source = self.source
        if self.mapped is None:
            rows = in_place(source, self.n_features, self.targets.check)
            self.mapped = self.targets.table(*rows[:3])
            if self.segments is not None:
                self.mapped.fold = self.segments.codes(rows.segment, source.n_rows)
        if self.n_folds and self.mapped.fold is None:
            self.mapped.fold = self._folds(np.arange(source.n_rows))
        if order is None:
            yield Buffer(replace(self.mapped, scaling=self.scaling), 0, None)
            return
        n, block = source.n_rows, source.block_rows
        rows_before, size = np.arange(len(order) + 1) * block, self.mapped.X[:1].nbytes
        while first < len(order):
            end, room = _known_end(source, rows_before, first)
            rows = _order.rows_of(order[first:end], block, n)
            table = replace(self.mapped, rows=rows, scaling=self.scaling)
            yield Buffer(table, first, end, room, len(rows) * size)
            first = end or len(order)

    def _warn_of_few(self, buffer):
        if not self.tells or "few" in self.told or not 0 < buffer.room < MIN_BUFFER_BLOCKS:
            return
        self.told |= {"few"}
        bounds = f"max_memory={self.source.max_memory} bytes"
        if self.source.buffer_rows is not None:
            bounds += f" and buffer_rows={self.source.buffer_rows}"
        wanted = MIN_BUFFER_BLOCKS * buffer.size / ((buffer.after - buffer.first) * BUFFER_SHARE)
        tell(
            f"with {bounds}, a buffer holds {buffer.room} of the source's blocks, and it takes {MIN_BUFFER_BLOCKS} or more "
            "to shuffle rows well: sorted by label or time they train badly, and the last buffer of an epoch counts for more. "
            f"Raise max_memory to about {wanted / 1e6:.3g} MB (`buffered`), or write the data in smaller blocks (row groups of "
            "Parquet, record batches of Arrow).",
        )

    def _warn(self, oversize):
        if oversize and "oversize" not in self.told:
            self.told |= {"oversize"}
            tell(
                f"a block of the source takes {oversize / 1e6:.3g} MB, and a buffer of max_memory={self.source.max_memory} "
                f"bytes is {BUFFER_SHARE * self.source.max_memory / 1e6:.3g} MB: it is read all the same, and rows are shuffled "
                "within such blocks alone. Give the source smaller blocks or a larger max_memory (`buffered`).",
            )


def spread_blocks(n, seed, epoch):
    """A random order of n blocks in which any few, one after another, come from all over the file.

    It takes one of the first half and one of the second alternately, within each half one of either half of that, and so on;
    which is first is drawn anew for each pair (Owen 1995, Randomly permuted (t, m, s)-nets). So m blocks, where m is a
    power of two, are one of each m-th of the file, and any others about that. Of rows sorted by label they hold about the
    same share of each; drawn independently, the share would be off by 1 / sqrt(m), and the last buffer of the epoch would
    pull the model its way.

    Returns
    -------
    int64 array
    """
    rank, order = _order.permutation(n, seed, epoch), np.arange(n)
    parts = 1 << max(0, n - 1).bit_length()  # The file is cut into these parts, of at most a block each.
    while parts > 1:
        starts = np.arange(parts + 1) * n // parts
        part = np.repeat(np.arange(parts), np.diff(starts))
        place = np.arange(n) - starts[part]
        other = starts[part ^ 1] + place  # It takes turns with this one of the other half, if there is one.
        paired = other < starts[(part ^ 1) + 1]
        second = paired & (rank[order] > rank[order[np.minimum(other, n - 1)]])
        merged = np.empty_like(order)
        merged[starts[part & ~1] + 2 * place + second] = order
        order, parts = merged, parts // 2
    return n - 1 - order if n and rank[0] % 2 else order  # With an odd n, the larger half would always come last.


def window_rows(source, size=None):
    """Rows of dense X that a buffer holds, or so many bytes."""
    size = BUFFER_SHARE * source.max_memory if size is None else size
    bytes_a_row = source.n_features * source.dtype.itemsize + ROW_BYTES
    return int(min(max(1, size // bytes_a_row), source.buffer_rows or np.inf))


def blocks_in_buffer(most, left):
    """How many blocks a buffer takes that has room for `most`, where `left` remain of the pass; None if that is unknown.

    The last ones get about equally many, as a small one at the end would give its few blocks the last word. It follows
    from where the buffer begins, so that a fit that goes on from there fills the same ones.
    """
    return most if left is None or left <= most or left > LAST_BUFFERS * most else left // -(-left // most)


def _known_end(source, rows_before, first):
    """(after which block a buffer ends that begins at this one, for how many it has room), of dense blocks of known size;
    (None, 0) where all that are left fit, or where it is not known before they are read."""
    if rows_before is None or first >= len(rows_before) - 1:
        return None, 0
    left = len(rows_before) - 1 - first
    room = _held(rows_before, first, window_rows(source))
    if source.mapped is None:
        room = min(room, max(ENOUGH_BLOCKS, _held(rows_before, first, window_rows(source, ENOUGH_BYTES))))
    room = max(1, room)
    return (None, 0) if rows_before[first + room] == rows_before[-1] else (first + blocks_in_buffer(room, left), room)


def _held(rows_before, first, rows):
    """How many blocks from this one on have so many rows at most."""
    return int(np.searchsorted(rows_before, rows_before[first] + rows, side="right")) - 1 - first


def in_place(source, n_features, check):
    """All Rows of a source that has them in mapped memory, looked at block by block, so that errors name the place."""
    for _ in blocks(source, n_features, check):
        pass
    rows = Checked(*(None if part is None else np.asarray(part) for part in source.mapped))
    return check(labelled_as(rows, source.mapped))


def in_memory(source, n_features=None, check=lambda rows: rows):
    """All Rows of a source in order, where a buffer holds them; else None. `check` is as that of a Stream."""
    if source.n_rows is not None and source.n_features and not source.sparse and source.n_rows > window_rows(source):
        return None
    if source.n_values is not None and source.n_rows is not None:  # It takes at least this, with 32-bit indices.
        size = source.n_values * (source.dtype.itemsize + 4) + source.n_rows * ROW_BYTES
        if size > BUFFER_SHARE * source.max_memory:
            return None
    if source.mapped is not None:
        return in_place(source, n_features, check)
    space = Space(source, whole=True)
    with closing(blocks(source, n_features or source.n_features, check)) as read:
        for rows in read:
            if rows.X.shape[0]:
                if not space.fits(rows):
                    return None
                space.add(rows)
                if source.n_rows is not None and space.used * source.n_rows > FAR_BEYOND * space.n * space.most:
                    return None
    if not space.n:
        raise ValueError("the source has no rows; each of its passes must begin anew.")
    return None if space.oversize else space.rows(n_features or source.n_features)


def prefetched(items, stop, used):
    """What a generator yields, each made in a thread while the one before is in use.

    `stop` is set when no more are wanted, so that the generator can end early; this waits for it. `used` is told how long
    each item was waited for, of how many seconds since the one before.
    """
    with ThreadPoolExecutor(1, "fastsgd-buffer") as pool:
        try:
            last, future = perf_counter(), pool.submit(next, items, None)
            while True:
                asked, item, now = perf_counter(), future.result(), perf_counter()
                if item is None:
                    break
                used(now - asked, now - last)
                last, future = now, pool.submit(next, items, None)
                yield item
        finally:
            stop.set()
            pool.submit(items.close)  # It is closed after what it is at.
