"""Memory for the rows of a buffer."""

import numpy as np
import scipy.sparse as sp

from fastsgd.sources.base import LabelledRows, Rows, labelled_as
from fastsgd.sources.blocks import csr
from fastsgd.sums import joined

# Each of two buffers may take this share of max_memory; the rest is for blocks on their way, and what reading them takes.
BUFFER_SHARE = 1 / 4
# A buffer takes no more blocks than these, where they are in random order and take ENOUGH_BYTES or more: of more blocks the rows
# are hardly shuffled better, but memory has to be had for them, and nothing is read while the last buffer is trained on.
ENOUGH_BLOCKS, ENOUGH_BYTES = 12, 64 * 10**6
ROW_BYTES = 32  # A row takes this beside X and y: its weight, its class or target, its place in the order.
# An indptr of this type holds no larger number.
MAX_INDPTR = {np.dtype(index): np.iinfo(index).max for index in (np.int32, np.int64)}


class Space:
    """Memory for the rows of one buffer, asked for once. What is not written takes none.

    Attributes
    ----------
    n : int
        Rows in it.
    oversize : int
        Bytes of a block that was larger, or 0.
    parts : list of (int, int, array or None, array or None, array or None, array or None)
        Of each block its number, its rows, where they end among the values of CSR, y, weight and segment.
    """

    def __init__(self, source, whole=False):
        """With `whole` it is for all rows of the source, however many blocks they are."""
        self.reuses = source.reuses
        self.enough = np.inf if whole or source.n_blocks is None else ENOUGH_BLOCKS
        self.most, self.most_rows = BUFFER_SHARE * source.max_memory, source.buffer_rows or np.inf
        self.dtype = source.dtype
        self.values = self.columns = None
        self.oversize = 0
        self.clear()

    def clear(self):
        self.n = self.used = self.filled = 0
        self.parts, self.alone = [], None

    def room(self, n, n_features):
        """The array for X of the n rows of dense values that come next, or None where they don't fit."""
        self._allot(n_features)
        return self.values[self.n : self.n + n] if n <= self.most_rows and self.n + n <= len(self.values) else None

    def fits(self, rows):
        """Whether there is room for these too, and use."""
        return not self.n or (
            self.alone is None
            and self.n + rows.X.shape[0] <= self.most_rows
            and self.used + _size(rows)
            <= (self.most if len(self.parts) < self.enough else min(self.most, ENOUGH_BYTES))
            and (not sp.issparse(rows.X) or self.filled + rows.X.nnz <= len(self.values))
        )

    def add(self, rows, number=0):
        X, size = rows.X, _size(rows)
        self.n, self.used = self.n + X.shape[0], self.used + size
        self.oversize = size if size > self.most else self.oversize
        self._allot(X.indices.dtype if sp.issparse(X) else X.shape[1])
        if (X.nnz if sp.issparse(X) else X.shape[0]) > len(self.values) or X.shape[0] > self.most_rows:
            # No block that was read into the room of a space, which will be overwritten, comes here.
            self.alone = X.copy() if self.reuses else X
        elif sp.issparse(X):
            self._add_csr(X)
        else:
            to = self.values[self.n - X.shape[0] : self.n]
            if not np.may_share_memory(X, to):  # It may have been read into its room.
                to[...] = X
        ends = X.indptr[1:] + np.int64(self.filled - X.nnz) if sp.issparse(X) and self.alone is None else None
        self.parts.append((number, X.shape[0], ends, rows.y, rows.weight, rows.segment))

    def spare(self, rows):
        """These Rows, not in memory of this space."""
        if sp.issparse(rows.X) or self.values is None or not np.may_share_memory(rows.X, self.values):
            return rows
        return labelled_as(rows._replace(X=rows.X.copy()), rows)

    def take_over(self, other, first, n_features):
        """Have the blocks of another space, from that number on, in place of what was here. The other is not changed."""
        self.clear()
        lo = start = 0
        for number, n, ends, y, weight, segment in other.parts:
            if number >= first:
                if ends is None:
                    X = other.values[lo : lo + n]
                else:
                    to, kind = slice(start, ends[-1]), (other if self.columns is None else self).columns.dtype
                    kind = kind if n_features - 1 <= MAX_INDPTR[kind] else other.columns.dtype
                    indptr = (np.append(start, ends) - start).astype(kind)
                    X = csr(n, n_features, other.values[to], other.columns[to].astype(kind, copy=False), indptr)
                self.add(_labelled(Rows(X, y, weight), segment), number)
            lo, start = lo + n, start if ends is None else ends[-1]

    def _allot(self, kind):
        """Have the memory: for rows of that many features or, if it is a dtype, for values with column numbers of it."""
        if self.values is not None:
            return
        if isinstance(kind, np.dtype):
            room = int(min(self.most // (self.dtype.itemsize + kind.itemsize), MAX_INDPTR[kind]))
            self.values, self.columns = np.empty(room, self.dtype), np.empty(room, kind)
        else:
            self.values = np.empty((int(self.most // (kind * self.dtype.itemsize + ROW_BYTES)), kind), self.dtype)

    def _add_csr(self, X):
        if X.indices.dtype.itemsize > self.columns.itemsize:
            raise ValueError(f"the column numbers of a block are {X.indices.dtype}, of those before int32.")
        to = slice(self.filled, self.filled + X.nnz)
        self.values[to], self.columns[to] = X.data[: X.nnz], X.indices[: X.nnz]
        self.filled += X.nnz

    def rows(self, n_features=None, after=None):
        """The Rows in it, of the blocks before number `after`: X of these very arrays; as wide as the widest block where
        n_features is None."""
        parts = [part for part in self.parts if after is None or part[0] < after]
        _, sizes, ends, ys, weights, segments = zip(*parts, strict=True)
        n = sum(sizes)
        if self.alone is not None:
            X = self.alone
        elif self.columns is None:
            X = self.values[:n]
        else:
            ends = np.concatenate([[0], *ends]).astype(self.columns.dtype)
            columns = self.columns[: ends[-1]]
            X = csr(n, n_features or int(columns.max(initial=-1)) + 1, self.values[: ends[-1]], columns, ends)
        y = None if ys[0] is None else joined(ys)
        segment = None if segments[0] is None else _joined_labels(segments)
        if any(weight is not None for weight in weights):
            filled = [np.ones(n) if weight is None else weight for n, weight in zip(sizes, weights, strict=True)]
            return _labelled(Rows(X, y, np.concatenate(filled)), segment)
        return _labelled(Rows(X, y), segment)

    def numbers(self, order=None, after=None):
        """A number for each row that `rows` gives, int64: that of its block times 2^32, and its place in that.

        order : the number of each block, which `add` was told the places of; None where these are the same
        """
        parts = [part[:2] for part in self.parts if after is None or part[0] < after]
        blocks = [(at if order is None else int(order[at]), n) for at, n in parts]
        return np.concatenate([(block << 32) + np.arange(n) for block, n in blocks])


def _labelled(rows, segment):
    if segment is None:
        return rows
    new = LabelledRows(*rows)
    new.segment = segment
    return new


def _joined_labels(parts):
    """Labels of several blocks, which are of different types where some have rows without."""
    same = len({part.dtype.kind for part in parts}) == 1
    return np.concatenate(parts if same else [part.astype(object) for part in parts])


def _size(rows):
    """Bytes of a block in a buffer; segments are left out, so that the order of the rows is the same without them."""
    X = rows.X.data.nbytes + rows.X.indices.nbytes if sp.issparse(rows.X) else rows.X.nbytes
    return X + rows.X.shape[0] * ROW_BYTES + sum(0 if part is None else part.nbytes for part in rows[1:3])
