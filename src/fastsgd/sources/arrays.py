"""Rows in memory, and the order in which blocks of them are handed to a kernel."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import _order
from fastsgd.sources.sparse import csr_arrays
from fastsgd.threads import ONE_THREAD, Threads

# Rows that lie together are fetched together: a block has at most this many bytes, and rows.
BLOCK_BYTES, BLOCK_ROWS = 1 << 14, 32
# The rows of a buffer are permuted together: it has at least this many bytes, or blocks.
BUFFER_BYTES, BUFFER_BLOCKS = 1 << 18, 32
# Where no kernel reads X as it lies, this much is converted at once, and stays in the cache until it is used.
READ_BYTES = 1 << 21
# A kernel call has at most this many rows, and products x * w (about 50 ms).
CALL_ROWS, CALL_WORK = 65536, 5e7

ROW_COLUMNS = "y", "code", "s", "fold", "number"  # The fields of a Table that have a value for each row.

# A place within an epoch: source blocks that went before this buffer, number of the buffer, and a place in it.
START = 0, 0, 0


class Order(NamedTuple):
    """Which rows of a table a kernel call visits, and in which order.

    Attributes
    ----------
    rows : int64 array, or None
        Rows in the order of their blocks; None for first, first + 1, ...
    visit : (n,) int32 array, or None
        The order of the visits, in places of `rows` counted from the start of each buffer; None as they stand.
    first, n : int
        How many rows are visited, and the first one where `rows` is None.
    buffer_rows : int
        Rows of a buffer.
    """

    rows: np.ndarray | None
    visit: np.ndarray | None
    first: int
    n: int
    buffer_rows: int

    def split(self, parts):
        """At most that many orders, which together visit the same rows: whole buffers, or if there is one, parts of it."""
        buffers = -(-self.n // self.buffer_rows)
        if self.visit is None:
            return [self.between(lo, hi) for lo, hi in even_ranges(self.n, parts)]
        if buffers == 1:
            return [self._replace(visit=self.visit[lo:hi], n=hi - lo) for lo, hi in even_ranges(self.n, parts)]
        return [
            self.between(lo * self.buffer_rows, min(hi * self.buffer_rows, self.n))
            for lo, hi in even_ranges(buffers, parts)
        ]

    def flat(self):
        """The same visits, one row after another as `rows` has them."""
        if self.visit is None:
            return self
        places = np.arange(self.n) // self.buffer_rows * self.buffer_rows + self.visit
        return Order(self.rows[places], None, 0, self.n, self.buffer_rows)

    def index(self):
        """The rows in the order of their visits, as an index of a table's arrays: a slice or an array."""
        flat = self.flat()
        return slice(flat.first, flat.first + flat.n) if flat.rows is None else flat.rows[: flat.n]

    def numbers(self):
        """Likewise, as an int64 array."""
        index = self.index()
        return np.arange(index.start, index.stop) if isinstance(index, slice) else index

    def between(self, lo, hi):
        """The visits from lo to hi, where lo is the start of a buffer or the order is flat."""
        rows = None if self.rows is None else self.rows[lo:]
        visit = None if self.visit is None else self.visit[lo:hi]
        return Order(rows, visit, self.first + lo, hi - lo, self.buffer_rows)


def even_ranges(n, parts):
    """(first, one after the last) of at most that many ranges of n things, of about the same size; none is empty."""
    ends = [n * part // parts for part in range(parts + 1)]
    return [(lo, hi) for lo, hi in pairwise(ends) if lo < hi]


ONE_ROW = Order(None, None, 0, 1, 1)


class Target(NamedTuple):
    """The targets and weights of a table's rows, as the kernels take them: see `Table`."""

    y: np.ndarray | None
    code: np.ndarray | None
    negative: float
    s: np.ndarray | None
    s_pos: np.ndarray | None
    s_neg: np.ndarray | None
    fold: np.ndarray | None = None
    number: np.ndarray | None = None


@dataclass
class Table:
    """X with its targets and weights.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n, n_features)
        Any numeric dtype and layout; what a kernel can't read as it is gets converted block by block.
    y : (n, K) float64, or None
        A target for each head.
    code : (n,) int32, or None
        Instead of y, one-vs-rest: the class of each row.
    negative : float
        With code, the target of the other classes; that of the class is 1.
    s : (n,) float64, or None for ones
        Weights of the rows; rows of weight 0 are left out.
    s_pos, s_neg : (K,) float64, or None
        Factors of the weight, for targets above 0 and the others.
    fold : (n,) int32, or None
        The fold of each row, for heads that leave one out.
    number : (n,) int64, or None
        The number of each row in the data, by which resamples are drawn; None for 0, 1, ...
    rows : int64 array, or None
        The rows to use; None for all.
    scaling : Scaling, or None
        Standardise the rows when they are read: see scaling.py.
    threads : Threads
        Who works out sums over the rows, which are of the same bits whoever does.
    """

    X: object
    y: np.ndarray | None = None
    code: np.ndarray | None = None
    negative: float = -1.0
    s: np.ndarray | None = None
    s_pos: np.ndarray | None = None
    s_neg: np.ndarray | None = None
    fold: np.ndarray | None = None
    number: np.ndarray | None = None
    rows: np.ndarray | None = None
    scaling: object = None
    threads: Threads = ONE_THREAD

    def __post_init__(self):
        self.sparse = sp.issparse(self.X)

    @property
    def n_rows(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    @property
    def row_values(self):
        """Values in a row, on average."""
        return self.X.nnz / max(1, self.X.shape[0]) if self.sparse else self.X.shape[1]

    @property
    def empty(self):
        """Whether there is nothing to learn from: all weights are zero."""
        return self.s is not None and not self.s.any()

    def readable(self, dtype):
        """Whether a kernel reads X where it lies."""
        if self.scaling is not None:
            return False
        if not self.sparse:
            return self.X.dtype == dtype and self.X.flags.c_contiguous and self.X.flags.aligned
        parts = csr_arrays(self.X)
        index = self.X.indices.dtype
        return (
            all(part.flags.c_contiguous and part.flags.aligned for part in parts)
            and self.X.data.dtype == dtype
            and index == self.X.indptr.dtype
            and index in (np.int32, np.int64)
        )

    def read(self, rows, dtype):
        """Those rows (int64 array) as a table that a kernel can read."""
        if self.scaling is not None:
            return self.scaling.read(replace(self, scaling=None), rows, dtype)
        X = self.X[rows]
        if self.sparse:
            index = np.result_type(X.indices.dtype, X.indptr.dtype)
            index = index if index in (np.int32, np.int64) else np.int64
            X = _csr(X, dtype, index)
        else:
            X = np.ascontiguousarray(X, dtype=dtype)
        return self.with_rows(rows, X)

    def without_features(self, rows):
        """Those rows as a table of no features, on which a model of zero weights costs no more than its losses."""
        return replace(self, rows=None, scaling=None).with_rows(rows, np.zeros((len(rows), 0)))

    def with_rows(self, rows, X):
        """Those rows as a table; X is what was made of theirs."""
        taken = {name: getattr(self, name) for name in ROW_COLUMNS}
        taken = {name: None if a is None else np.ascontiguousarray(a[rows]) for name, a in taken.items()}
        if self.number is None:
            taken["number"] = np.ascontiguousarray(rows, np.int64)
        return replace(self, X=X, rows=None, **taken)

    def target(self):
        """What the kernels call targets."""
        return Target(self.y, self.code, self.negative, self.s, self.s_pos, self.s_neg, self.fold, self.number)

    def tables(self):
        """All rows, in order, as Tables in memory: here one."""
        yield self

    def of_heads(self, index, K):
        """(targets, weights) of rows for each of K heads, (n, K) float64; the index is a slice or an array of rows."""
        code, y = self.code, self.y
        y = y[index] if code is None else np.where(code[index, None] == np.arange(K), 1.0, self.negative)
        s = np.ones(y.shape) if self.s is None else np.repeat(self.s[index, None], K, axis=1)
        return y, s if self.s_pos is None else s * np.where(y > 0, self.s_pos, self.s_neg)

    def summed(self, of, *args):
        """The sum that of(table, *args) is of all rows: here of this table."""
        return of(self, *args)

    def each(self, function, *args):
        """function(table, *args) of Tables in memory that together are all rows."""
        return [function(one, *args) for one in self.tables()]

    def chunks(self, dtype, heads, shuffle, seed, epoch, start=START):
        """The rows of one epoch, a kernel call at a time.

        Parameters
        ----------
        dtype : dtype
            That of the weights.
        heads : int
            A call visits fewer rows the more there are. The order is the same.
        shuffle : bool or "replace"
            True visits each row once; "replace" draws as many rows as there are with replacement.
        seed, epoch : int
            The order is a pure function of these.
        start : (int, int, int)
            Where to begin: START, or a `then` of an earlier walk with all else the same. What went before is not read.

        Yields
        ------
        part : Table
            The one to read from.
        order : Order
        then : (int, int, int) or None
            Where the next one begins; None after the last.

        Raises
        ------
        ValueError
            No walk goes on from `start`.
        """
        if self.X.shape[0] == 1 and start == START and self.rows is None and self.readable(dtype):
            yield self, ONE_ROW, None  # without what a single row, as of `partial_fit`, would wait for
            return
        known = self.__dict__.setdefault("_sizes", {})  # the same in each epoch
        key = dtype, heads, self.scaling is None
        if key not in known:
            known[key] = *sizes(self, dtype, heads), self.readable(dtype)
        block, buffer, stretch, held, call, direct = known[key]
        held = stretch if direct else held
        n, place, call = self.n_rows, start[2], min(call, held)
        draws, shuffle = isinstance(shuffle, str), shuffle and n > 1 and not isinstance(shuffle, str)
        unit = call if call >= buffer else buffer  # A call of less than a buffer ends with it.
        if start[:2] != START[:2] or not 0 <= place < max(n, 1) or place % stretch % held % unit % call:
            raise ValueError(f"start={start} is no place where a kernel call on {n} rows begins.")
        if shuffle:
            blocks = _order.strata(-(-n // block), buffer // block, seed, epoch)
        for number, lo in enumerate(range(place // stretch * stretch, n, stretch), place // stretch):
            rows = visit = None
            m = min(stretch, n - lo)
            if draws:
                rows = _order.with_replacement(n, lo, m, seed, epoch)
            elif shuffle:
                rows = _order.rows_of(blocks[lo // block : (lo + stretch) // block], block, n)
                visit = _order.visits(len(rows), buffer, number * (stretch // buffer), seed, epoch)
                m = len(rows)  # the short block, if there is one, may lie anywhere
            elif self.rows is not None or not direct:
                rows = np.arange(lo, lo + m)
            if rows is not None and self.rows is not None:
                rows = self.rows[rows]
            for a in range((place - lo) // held * held, m, held):
                part, some = self, rows
                if not direct:
                    part = self.read(rows[a : a + held], dtype)
                    some = np.arange(part.n_rows)
                end = max(a, place - lo)
                while end < min(a + held, m):
                    c, end = end, min(end + call, end // unit * unit + unit, a + held, m)
                    place = lo + end if end < m else lo + stretch
                    then = (0, 0, place) if place < n else None
                    if visit is not None:
                        order = Order(some[(c - a) // buffer * buffer :], visit[c:end], 0, end - c, buffer)
                    else:
                        order = Order(
                            None if some is None else some[c - a :],
                            None,
                            0 if some is not None else lo + c,
                            end - c,
                            buffer,
                        )
                    yield part, order, then


def stacked(tables):
    """The rows of several Tables in memory, of the same heads, as one."""
    some = [table for table in tables if table.X.shape[0]] or tables[:1]
    X = [table.X for table in some]
    X = sp.csr_matrix(sp.vstack(X, format="csr")) if some[0].sparse else np.concatenate(X)
    columns = {name: [getattr(table, name) for table in some] for name in ROW_COLUMNS}
    columns = {name: None if a[0] is None else np.concatenate(a) for name, a in columns.items()}
    return replace(some[0], X=X, rows=None, **columns)


def _csr(X, dtype, index):
    out = sp.csr_matrix(X.shape, dtype=dtype)
    out.data, out.indices, out.indptr = X.data.astype(dtype), X.indices.astype(index), X.indptr.astype(index)
    return out


def sizes(table, dtype, heads):
    """How many rows are visited together, in this table.

    The order of the rows follows from the first three, which depend on the data alone: so each head is trained as it would
    be by itself, and whether or not a kernel reads X where it lies.

    Returns
    -------
    block : int
        Rows that lie together. A wide row is a block by itself.
    buffer : int
        Rows that are permuted together: of many blocks, from all over the data, else data sorted by class train badly.
    stretch : int
        Rows of whole buffers whose order is drawn at once.
    held : int
        Rows of whole buffers that are converted at once, where no kernel reads X as it lies.
    call : int
        Rows of a kernel call: a stretch, or with many heads less.
    """
    values = max(1.0, table.row_values)
    row_bytes = values * (dtype.itemsize + (8 if table.sparse else 0))
    block = int(min(max(BLOCK_BYTES // row_bytes, 1), BLOCK_ROWS))
    most = max(1, int(min(CALL_ROWS, CALL_WORK // values)))
    blocks = max(BUFFER_BLOCKS, int(BUFFER_BYTES // (row_bytes * block)))
    buffer = block * buffer_blocks(-(-table.n_rows // block), max(1, min(blocks, most // block)))
    stretch = max(buffer, most // buffer * buffer)
    held = max(buffer, int(READ_BYTES // row_bytes) // buffer * buffer)
    call = max(1, int(CALL_WORK // (values * heads)))
    return block, buffer, stretch, min(held, stretch), call // buffer * buffer if call >= buffer else call


def buffer_blocks(n, most):
    """How many of n blocks a buffer takes, at most `most`: the largest number with which the last one is at least half full."""
    return next((m for m in range(most, most // 2, -1) if n <= m or n % m == 0 or 2 * (n % m) >= m), most)
