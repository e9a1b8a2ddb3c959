"""Rows of a source, shuffled in bounded memory: blocks in random order, a buffer of many, its rows permuted."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import cycle, islice
from threading import Event
from typing import NamedTuple
from warnings import warn

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import _check, _order
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.base import Rows

SHARE = (
    1 / 3
)  # of max_memory, for each of two buffers; the rest is for blocks on their way, and what reading them takes
ROW_BYTES = 32  # of a row beside X and y: weight, class or target, its place in the order


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
    """

    source: object
    n_features: int
    check: object
    make: object
    n_rows: float = np.inf
    scaling: object = None
    mapped: Table | None = None  # all rows, where they lie in memory that is mapped
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
        stop, spaces = Event(), (Space(self.source), Space(self.source))
        with closing(ahead(self._filled(order, first, spaces, stop), stop)) as filled:
            for buffer in filled:
                self._warn(max(space.oversize for space in spaces))
                yield buffer

    def _filled(self, order, first, spaces, stop):
        """The buffers, in these spaces by turns."""
        turns, before, at = cycle(spaces), first, first
        space = next(turns)
        for rows in blocks(self.source, self.n_features, self.check, order, first):
            if stop.is_set():
                return
            if rows.X.shape[0] and not space.fits(rows):
                yield self._buffer(space, before, at)
                space, before = next(turns), at
                space.clear()
            if rows.X.shape[0]:
                space.add(rows)
            at += 1
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
            self.mapped = self.make(*self.check(sound(self.source.mapped, self.source, self.n_features)))
        if order is None:
            yield Buffer(replace(self.mapped, scaling=self.scaling), 0, None)
            return
        n, block = self.source.n_rows, self.source.block_rows
        together = max(1, window_rows(self.source) // block)
        for lo in range(first, len(order), together):
            rows = _order.rows_of(order[lo : lo + together], block, n)
            after = lo + together if lo + together < len(order) else None
            yield Buffer(replace(self.mapped, rows=rows, scaling=self.scaling), lo, after)

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
    which is first is drawn anew for each pair (Owen 1995, Randomly permuted (t, m, s)-nets). So m blocks are about one of
    each m-th of the file, and of rows sorted by label they hold the same share of each; drawn independently, the share
    would be off by 1 / sqrt(m), and the last buffer of the epoch would pull the model its way.

    Returns
    -------
    int64 array
    """
    cells = 1 << max(0, n - 1).bit_length()  # of equal size, for no more than a block each
    rank = _order.permutation(cells, seed, epoch)
    order = np.arange(cells)[:, None]
    while len(order) > 1:
        first, second = order[0::2], order[1::2]
        pairs = np.stack([first, second], axis=-1)
        turned = rank[first] > rank[second]
        pairs[turned] = pairs[turned][:, ::-1]
        order = pairs.reshape(len(first), -1)
    block = np.full(cells, -1)
    block[np.arange(n) * cells // max(1, n)] = np.arange(n)
    order = block[order.ravel()]
    return order[order >= 0]


def window_rows(source):
    """Rows of dense X that a buffer holds."""
    bytes_a_row = source.n_features * source.dtype.itemsize + ROW_BYTES
    return int(min(max(1, SHARE * source.max_memory // bytes_a_row), source.buffer_rows or np.inf))


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
        self.most, self.most_rows = SHARE * source.max_memory, source.buffer_rows or np.inf
        self.values = self.columns = None
        self.oversize = 0
        self.clear()

    def clear(self):
        self.n = self.used = self.filled = 0
        self.parts, self.alone = [], None

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
        if size > self.most or X.shape[0] > self.most_rows:
            self.alone = X
            self.oversize = size if size > self.most else self.oversize
        elif sp.issparse(X):
            self._add_csr(X)
        else:
            if self.values is None:
                self.values = np.empty((int(self.most // (X[:1].nbytes + ROW_BYTES)), X.shape[1]), X.dtype)
            self.values[self.n - X.shape[0] : self.n] = X
        ends = X.indptr[1:] + np.int64(self.filled - X.nnz) if sp.issparse(X) and self.alone is None else None
        self.parts.append((ends, rows.y, rows.weight))

    def _add_csr(self, X):
        if self.values is None:
            room = int(self.most // (X.dtype.itemsize + X.indices.itemsize))
            self.values, self.columns = np.empty(room, X.dtype), np.empty(room, X.indices.dtype)
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
            X = _csr(self.n, n_features or int(columns.max(initial=-1)) + 1, self.values[: self.filled], columns, ends)
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


def _csr(n, n_features, data, indices, indptr):
    X = sp.csr_matrix((n, n_features), dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def whole(source, n_features=None):
    """All Rows of a source in order, where a buffer holds them; else None."""
    if source.n_rows is not None and source.n_features and not source.sparse and source.n_rows > window_rows(source):
        return None
    if source.mapped is not None:
        return source.mapped
    space = Space(source)
    with closing(blocks(source, n_features or source.n_features)) as read:
        for rows in read:
            if rows.X.shape[0]:
                if not space.fits(rows):
                    return None
                space.add(rows)
    if not space.n:
        raise ValueError("the source has no rows.")
    return None if space.oversize else space.rows(n_features or source.n_features)


# ---------------------------------------------------------------- blocks, checked
def blocks(source, n_features=None, check=None, order=None, first=0):
    """The Rows of the blocks of a source, each checked.

    Parameters
    ----------
    source : Source
    n_features : int or None
        Narrower CSR is widened; None takes any width.
    check : callable or None
        As that of a Stream.
    order : int array or None
        Of the numbers of all blocks; None as they stand.
    first : int
        So many of the order are left out.

    Raises
    ------
    ValueError
        It names the block.
    """

    def checked(number, rows):
        try:
            rows = sound(rows, source, n_features)
            return rows if check is None else check(rows)
        except ValueError as error:
            raise ValueError(f"Block {number} of the source: {error}") from error

    if source.n_blocks is None:
        for number, rows in enumerate(islice(source.blocks(), first, None), first):
            yield checked(number, rows)
    else:
        numbers = range(source.n_blocks) if order is None else order.tolist()
        yield from in_order(lambda number: checked(number, source.read(number)), numbers[first:], source.readers)


def sound(rows, source, n_features):
    """Rows as `Rows` promises them, after a look at every index and number; raises ValueError."""
    X, y, weight = Rows(*rows)
    if not (sp.issparse(X) and X.format == "csr" if source.sparse else isinstance(X, np.ndarray) and X.ndim == 2):
        kind, found = "a CSR matrix" if source.sparse else "an array", type(X).__name__
        raise ValueError(f"X must be {kind} of two dimensions, found {found} of shape {getattr(X, 'shape', '?')}.")
    if X.dtype != source.dtype:
        raise ValueError(f"X is of {X.dtype}, the source of {source.dtype}.")
    if n_features is not None and X.shape[1] != n_features and not (source.sparse and X.shape[1] < n_features):
        raise ValueError(f"X has {X.shape[1]} features, expected {n_features}.")
    X = _sound_csr(X, n_features or X.shape[1]) if source.sparse else np.require(np.asarray(X), requirements=["C", "A"])
    at = _check.first_nonfinite(X.data if source.sparse else X.reshape(-1))
    if at >= 0:
        row, column = (
            (np.searchsorted(X.indptr, at, "right") - 1, X.indices[at]) if source.sparse else divmod(at, X.shape[1])
        )
        what = "NaN" if np.isnan(X[row, column]) else "infinity"
        raise ValueError(
            f"X contains {what} (at row {row} of the block, column {column}). Remove such rows, or impute them."
        )
    for name, part in (("y", y), ("weight", weight)):
        if part is not None and (not isinstance(part, np.ndarray) or not part.ndim or len(part) != X.shape[0]):
            shape = getattr(part, "shape", type(part).__name__)
            raise ValueError(f"{name} must be an array of the {X.shape[0]} rows that X has, found {shape}.")
    return Rows(X, y, weight)


def _sound_csr(X, n_features):
    if X.indices.dtype != X.indptr.dtype or X.indices.dtype not in (np.int32, np.int64):
        raise ValueError(
            f"X must have int32 or int64 indices and indptr, found {X.indices.dtype} and {X.indptr.dtype}."
        )
    fault = _check.csr_fault(X.indptr, X.indices, n_features, len(X.data))
    if fault is None and len(X.indptr) != X.shape[0] + 1:
        fault = f"indptr has {len(X.indptr)} entries, {X.shape[0]} rows need {X.shape[0] + 1}"
    if fault is not None:
        raise ValueError(f"X is a malformed CSR matrix: {fault}.")
    X = _csr(X.shape[0], n_features, X.data, X.indices, X.indptr)
    if not X.has_canonical_format:  # a kernel takes each feature of a row once
        X = X.copy()
        X.sum_duplicates()
    return X


# ---------------------------------------------------------------- threads
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


def in_order(read, numbers, readers):
    """read(number) for each, in order; with more than one reader, so many at once."""
    if readers == 1:
        yield from map(read, numbers)
        return
    with ThreadPoolExecutor(readers, "fastsgd-reader") as pool:
        waiting = deque()
        try:
            for number in numbers:
                waiting.append(pool.submit(read, number))
                if len(waiting) == readers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def predict_batches(estimator, source, method="predict"):
    """Predictions block by block, in the order of the source, so that neither X nor they are ever in memory as a whole.

    Parameters
    ----------
    estimator : fitted estimator of fastsgd
    source : Source
        It needs no y.
    method : str, default="predict"
        Or "decision_function", "predict_proba", ...

    Yields
    ------
    ndarray
        What that method gives for the rows of a block.

    Raises
    ------
    ValueError
        Of other features than those of `fit`; rows that are not numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDClassifier, sources
    >>> X, y = np.array([[-1.0], [1.0], [2.0], [-2.0]]), np.array([0, 1, 1, 0])
    >>> source = sources.from_batches(lambda: ((X[i : i + 2], y[i : i + 2]) for i in (0, 2)))
    >>> clf = SGDClassifier(random_state=0).fit(source)
    >>> [p.tolist() for p in sources.predict_batches(clf, source)]
    [[0, 1], [1, 0]]
    """
    compare_names(estimator, source)
    with closing(blocks(source, estimator.n_features_in_)) as read:
        for rows in read:
            if rows.X.shape[0]:
                yield getattr(estimator, method)(rows)


def compare_names(estimator, source):
    """ValueError where the features of a source have other names than those of `fit`."""
    names, own = source.feature_names, getattr(estimator, "feature_names_in_", None)
    if names is not None and own is not None and list(names) != list(own):
        odd = next((pair for pair in zip(own, names, strict=False) if pair[0] != pair[1]), (len(own), len(names)))
        raise ValueError(f"the source has other features than those of fit: {odd[1]!r} in place of {odd[0]!r}.")
