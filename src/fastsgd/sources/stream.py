"""Rows of a source, shuffled in bounded memory: blocks in random order, a buffer of many, its rows permuted."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, cycle
from threading import Event
from typing import NamedTuple
from warnings import warn

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import _order
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.base import Rows
from fastsgd.sources.blocks import Checked, blocks, csr

# Of max_memory, for each of two buffers; the rest is for blocks on their way, and what reading them takes.
SHARE = 1 / 4
ROW_BYTES = 32  # of a row beside X and y: weight, class or target, its place in the order
LARGEST = {np.dtype(index): np.iinfo(index).max for index in (np.int32, np.int64)}  # numbers in an indptr


class Buffer(NamedTuple):
    """Rows in memory, with how many blocks of the epoch went before them, and with them; None where they are the last."""

    table: Table
    first: int
    after: int | None


@dataclass
class Stream:
    """What `Table` is to the engine, over the rows of a source. Each Table it gives is valid until the next.

    Attributes
    ----------
    source : Source
    n_features : int
        Blocks of CSR may be narrower.
    check : callable
        check(rows) -> Rows, of the Rows of a block; raises ValueError.
    make : callable
        make(X, y, weight) -> Table, of the rows of a buffer.
    n_rows : int or inf
        inf where it is not known.
    scaling : Scaling or None
    spaces : (Space, Space) or None
        Those of the last walk, for the next: memory that has been written is had for less than new.
    """

    source: object
    n_features: int
    check: object
    make: object
    n_rows: float = np.inf
    scaling: object = None
    mapped: Table | None = None  # all rows, where they lie in memory that is mapped
    spaces: tuple | None = None
    warned: bool = False
    empty = False

    @property
    def sparse(self):
        return self.source.sparse

    def describe(self):
        """What the rows and their order depend on, as `Source.describe`."""
        bounds = {"max_memory": self.source.max_memory, "buffer_rows": self.source.buffer_rows}
        return {**self.source.describe(), **bounds}

    def tables(self):
        """All rows, in order, as Tables in memory, one after another."""
        for buffer in self._buffers(None, 0):
            yield buffer.table

    def chunks(self, dtype, heads, shuffle, seed, epoch, start=START):
        """As `Table.chunks`. The order of the blocks has the key `seed`, that of a buffer's rows has its number too."""
        first, number, place = start
        order = None
        if shuffle and self.source.n_blocks is not None:
            order = spread(self.source.n_blocks, seed, epoch)
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
            yield from self._windows(order, first)
            return
        stop, spaces = Event(), self.spaces or (Space(self.source), Space(self.source))
        self.spaces = None  # so that a walk within this one has its own
        with closing(ahead(self._filled(order, first, spaces, stop), stop)) as filled:
            for buffer in filled:
                self._warn(max(space.oversize for space in spaces))
                yield buffer
        self.spaces = spaces

    def _filled(self, order, first, spaces, stop):
        """The buffers, in these spaces by turns. A block whose size is known is read into its space."""
        turns, before = cycle(spaces), first
        space, ends = next(turns), set(_ends(self.source).tolist())
        space.clear()
        sizes = [] if self.sparse or self.source.sizes is None else np.asarray(self.source.sizes)
        sizes = sizes if order is None or not len(sizes) else sizes[order]
        read = blocks(self.source, self.n_features, self.check, order, first, lambda n: space.room(n, self.n_features))
        for at in count(first):
            n = sizes[at] if at < len(sizes) else 0
            if space.n and n and (at in ends or not space.has_room(n)):
                yield self._buffer(space, before, at)
                space, before = next(turns), at
                space.clear()
            rows = next(read, None)
            if rows is None or stop.is_set():
                break
            n = rows.X.shape[0]
            if space.n and n and (at in ends or not space.fits(rows)):
                yield self._buffer(space, before, at)
                space, before = next(turns), at
                space.clear()
            if n:
                space.add(rows)
        if stop.is_set():
            return
        if space.n:
            yield self._buffer(space, before, None)
        elif first == 0:
            raise ValueError("the source has no rows; each of its passes must begin anew.")

    def _buffer(self, space, first, after):
        table = self.make(*space.rows(self.n_features))
        table.scaling = self.scaling
        return Buffer(table, first, after)

    def _windows(self, order, first):
        """Rows that lie in mapped memory: where they lie, and so without a copy or a thread."""
        if self.mapped is None:
            self.mapped = self.make(*in_place(self.source, self.n_features, self.check))
        if order is None:
            yield Buffer(replace(self.mapped, scaling=self.scaling), 0, None)
            return
        n, block = self.source.n_rows, self.source.block_rows
        for end in [*_ends(self.source).tolist(), len(order)]:
            if end > first:
                rows = _order.rows_of(order[first:end], block, n)
                after = end if end < len(order) else None
                yield Buffer(replace(self.mapped, rows=rows, scaling=self.scaling), first, after)
                first = end

    def _warn(self, oversize):
        if oversize and not self.warned:
            self.warned = True
            warn(
                f"a block of the source takes {oversize / 1e6:.3g} MB, and a buffer of max_memory={self.source.max_memory} "
                f"bytes is {SHARE * self.source.max_memory / 1e6:.3g} MB: it is read all the same, and rows are shuffled "
                "within such blocks alone. Give the source smaller blocks or a larger max_memory (`buffered`).",
                stacklevel=2,
            )


def spread(n, seed, epoch):
    """A random order of n blocks in which any few, one after another, come from all over the file.

    It takes one of the first half and one of the second by turns, within each half one of either half of that, and so on;
    which is first is drawn anew for each pair (Owen 1995, Randomly permuted (t, m, s)-nets). So m blocks, where m is a
    power of two, are one of each m-th of the file, and any others about that. Of rows sorted by label they hold about the
    same share of each; drawn independently, the share would be off by 1 / sqrt(m), and the last buffer of the epoch would
    pull the model its way.

    Returns
    -------
    int64 array
    """
    rank, order = _order.permutation(n, seed, epoch), np.arange(n)
    parts = 1 << max(0, n - 1).bit_length()  # of the file, of no more than a block each, and the order within each
    while parts > 1:
        starts = np.arange(parts + 1) * n // parts
        part = np.repeat(np.arange(parts), np.diff(starts))
        place = np.arange(n) - starts[part]
        other = starts[part ^ 1] + place  # the one of the other half that it takes turns with, if there is one
        paired = other < starts[(part ^ 1) + 1]
        second = paired & (rank[order] > rank[order[np.minimum(other, n - 1)]])
        merged = np.empty_like(order)
        merged[starts[part & ~1] + 2 * place + second] = order
        order, parts = merged, parts // 2
    return n - 1 - order if n and rank[0] % 2 else order  # of an odd n, the larger half would always come last


def window_rows(source):
    """Rows of dense X that a buffer holds."""
    bytes_a_row = source.n_features * source.dtype.itemsize + ROW_BYTES
    return int(min(max(1, SHARE * source.max_memory // bytes_a_row), source.buffer_rows or np.inf))


def _ends(source):
    """After how many blocks of an epoch its buffers end, at the latest: evenly, as a small one at the end would give its
    few blocks the last word. Without any where the size of blocks is not known before."""
    if source.sparse or source.n_blocks is None or source.n_rows is None:
        return np.empty(0, np.int64)
    blocks = max(1, int(window_rows(source) // max(1.0, source.n_rows / max(1, source.n_blocks))))
    buffers = -(-source.n_blocks // blocks)
    return np.arange(1, buffers) * source.n_blocks // buffers


class Space:
    """Memory for the rows of one buffer, asked for once. What is not written takes none.

    Attributes
    ----------
    n : int
        Rows in it.
    oversize : int
        Bytes of a block that was larger, or 0.
    """

    def __init__(self, source):
        self.most, self.most_rows, self.dtype = SHARE * source.max_memory, source.buffer_rows or np.inf, source.dtype
        self.values = self.columns = None
        self.oversize = 0
        self.clear()

    def clear(self):
        self.n = self.used = self.filled = 0
        self.parts, self.alone = [], None

    def has_room(self, n):
        """Whether n rows may be had in it beside those that there are."""
        return not self.n or (self.alone is None and self.n + n <= min(self.most_rows, len(self.values)))

    def room(self, n, n_features):
        """The array for X of the n rows of dense values that come next, or None where they don't fit."""
        self._allot(n_features)
        return self.values[self.n : self.n + n] if n <= self.most_rows and self.n + n <= len(self.values) else None

    def fits(self, rows):
        """Whether there is room for these too."""
        return not self.n or (
            self.alone is None
            and self.n + rows.X.shape[0] <= self.most_rows
            and self.used + _size(rows) <= self.most
            and (not sp.issparse(rows.X) or self.filled + rows.X.nnz <= len(self.values))
        )

    def add(self, rows):
        X, size = rows.X, _size(rows)
        self.n, self.used = self.n + X.shape[0], self.used + size
        self.oversize = size if size > self.most else self.oversize
        self._allot(X.indices.dtype if sp.issparse(X) else X.shape[1])
        if (X.nnz if sp.issparse(X) else X.shape[0]) > len(self.values) or X.shape[0] > self.most_rows:
            self.alone = X  # no block that was read into the room of a space, which will be overwritten, comes here
        elif sp.issparse(X):
            self._add_csr(X)
        else:
            to = self.values[self.n - X.shape[0] : self.n]
            if not np.may_share_memory(X, to):  # it may have been read into its room
                to[...] = X
        ends = X.indptr[1:] + np.int64(self.filled - X.nnz) if sp.issparse(X) and self.alone is None else None
        self.parts.append((ends, rows.y, rows.weight))

    def _allot(self, kind):
        """Have the memory: for rows of so many features or, if it is a dtype, for values with column numbers of it."""
        if self.values is not None:
            return
        if isinstance(kind, np.dtype):
            room = int(min(self.most // (self.dtype.itemsize + kind.itemsize), LARGEST[kind]))
            self.values, self.columns = np.empty(room, self.dtype), np.empty(room, kind)
        else:
            self.values = np.empty((int(self.most // (kind * self.dtype.itemsize + ROW_BYTES)), kind), self.dtype)

    def _add_csr(self, X):
        if X.indices.dtype.itemsize > self.columns.itemsize:
            raise ValueError(f"the column numbers of a block are {X.indices.dtype}, of those before int32.")
        to = slice(self.filled, self.filled + X.nnz)
        self.values[to], self.columns[to] = X.data[: X.nnz], X.indices[: X.nnz]
        self.filled += X.nnz

    def rows(self, n_features=None):
        """The Rows in it: X of these very arrays; as wide as the widest block where n_features is None."""
        ends, ys, weights = zip(*self.parts, strict=True)
        if self.alone is not None:
            X = self.alone
        elif self.columns is None:
            X = self.values[: self.n]
        else:
            ends = np.concatenate([[0], *ends]).astype(self.columns.dtype)
            columns = self.columns[: self.filled]
            X = csr(self.n, n_features or int(columns.max(initial=-1)) + 1, self.values[: self.filled], columns, ends)
        y = None if ys[0] is None else np.concatenate(ys)
        if any(weight is not None for weight in weights):
            sizes = [len(part) for part in (ys if y is not None else weights)]
            filled = [np.ones(n) if weight is None else weight for n, weight in zip(sizes, weights, strict=True)]
            return Rows(X, y, np.concatenate(filled))
        return Rows(X, y)


def _size(rows):
    """Bytes of a block in a buffer."""
    X = rows.X.data.nbytes + rows.X.indices.nbytes if sp.issparse(rows.X) else rows.X.nbytes
    return X + rows.X.shape[0] * ROW_BYTES + sum(0 if part is None else part.nbytes for part in rows[1:])


def in_place(source, n_features, check):
    """All Rows of a source that has them in mapped memory, looked at block by block, so that errors name the place."""
    for _ in blocks(source, n_features, check):
        pass
    return check(Checked(*(None if part is None else np.asarray(part) for part in source.mapped)))


def whole(source, n_features=None, check=lambda rows: rows):
    """All Rows of a source in order, where a buffer holds them; else None. `check` is as that of a Stream."""
    if source.n_rows is not None and source.n_features and not source.sparse and source.n_rows > window_rows(source):
        return None
    if source.n_values is not None and source.n_rows is not None:  # with 32-bit indices, at least
        size = source.n_values * (source.dtype.itemsize + 4) + source.n_rows * ROW_BYTES
        if size > SHARE * source.max_memory:
            return None
    if source.mapped is not None:
        return in_place(source, n_features, check)
    space = Space(source)
    with closing(blocks(source, n_features or source.n_features, check)) as read:
        for rows in read:
            if rows.X.shape[0]:
                if not space.fits(rows):
                    return None
                space.add(rows)
    if not space.n:
        raise ValueError("the source has no rows; each of its passes must begin anew.")
    return None if space.oversize else space.rows(n_features or source.n_features)


def ahead(items, stop):
    """What a generator yields, each made in a thread while the one before is in use.

    `stop` is set when no more are wanted, so that the generator can end early; this waits for it.
    """
    with ThreadPoolExecutor(1, "fastsgd-buffer") as pool:
        try:
            future = pool.submit(next, items, None)
            while (item := future.result()) is not None:
                future = pool.submit(next, items, None)
                yield item
        finally:
            stop.set()
            pool.submit(items.close)  # after what it is at
