"""What users give in place of X and y, as pieces that Dask can compute: one for each partition, with its name."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import scipy.sparse as sp
from dask.base import is_dask_collection
from dask.delayed import Delayed

from fastsgd.sources.arrays import even_ranges
from fastsgd.sources.base import Rows, Source, checked_integer
from fastsgd.sources.blocks import Checked, blocks
from fastsgd.sources.reading import as_in_fit
from fastsgd.sums import joined

# A partition of a source has at most about PARTITION_BYTES; there are at least MIN_PARTITIONS, or as many as there are blocks.
PARTITION_BYTES, MIN_PARTITIONS = 1 << 27, 8


class Piece(NamedTuple):
    """The rows of a partition, with its number among all partitions."""

    number: int
    rows: Rows


@dataclass
class Pieces:
    """The partitions of some rows.

    Attributes
    ----------
    delayed : list of Delayed
        Each computes the Piece of a partition, as it lies.
    names : list of str
        Where each comes from.
    n_features : int or None
        None where it is not known before.
    columns : list or None
        The names of the features.
    reading, label_columns : dict
        As those of a source.
    dtype : dtype
        That of the numbers, as far as the collection says.
    """

    delayed: list[Any]
    names: list[str]
    n_features: int | None = None
    columns: list[str] | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    dtype: Any = np.float64
    label_columns: dict[str, Any] = field(default_factory=dict)

    def __len__(self):
        return len(self.delayed)


class Partitioned:
    """Sources, and in how many partitions each is read: see `partitioned`."""

    def __init__(self, sources, n):
        self.sources, self.n = sources, n


def partitioned(sources: Source | Sequence[Source], n: int | None = None) -> Partitioned:
    """Sources (`fastsgd.sources`) whose blocks are read on the workers, in place of X.

    Parameters
    ----------
    sources : Source, or list of Source
        Of the same features; what the first has learnt of its columns, such as means that stand for nulls, is used for all.
        One whose blocks can't be read in any order is one partition. Workers must find the files where the sources say.
    n : int or None, default=None
        Partitions, at most as many as there are blocks; of several sources, of each. None: of about 128 MB at most, and at least
        eight, whatever the cluster: so the model does not depend on it.

    Returns
    -------
    Partitioned

    Raises
    ------
    ValueError
        One of them is no source.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import sources
    >>> from fastsgd.dask import partitioned
    >>> X = partitioned(sources.from_batches(lambda: iter([(np.eye(2), [0, 1])])))
    >>> len(X.sources)
    1
    """
    found = list(sources) if isinstance(sources, (list, tuple)) else [sources]
    odd = next((one for one in found if not isinstance(one, Source)), None)
    if odd is not None or not found:
        raise ValueError(f"sources must be of fastsgd.sources, got {type(odd).__name__ if found else 'none'}.")
    return Partitioned(found, checked_integer("n", n, optional=True))


def pieces(X, y=None, weight=None, names=("X", "y", "sample_weight"), like=None):
    """The Pieces of what a user gives.

    Parameters
    ----------
    X, y, weight : collections, or a source as X
    names : (str, str, str)
        What to call these in errors.
    like : fitted estimator or None
        Sources are read as that of its `fit` was.

    Raises
    ------
    ValueError
        It is nothing that is spread over a cluster, or the parts do not go together; it says what to give.
    """
    if isinstance(X, (Source, Partitioned)):
        X = X if isinstance(X, Partitioned) else partitioned(X)
        if like is not None:
            X = Partitioned([as_in_fit(like, source) for source in X.sources], X.n)
        return _of_sources(X, y, weight, names, None if like is None else like.n_features_in_)
    if _is_frame(X):
        return _of_frame(X, y, weight, names)
    if isinstance(X, da.Array):
        return _of_array(X, y, weight, names)
    what = f"got {type(X).__module__.split('.')[0]}.{type(X).__name__}"
    if is_dask_collection(X):
        raise ValueError(f"{names[0]} must be a dask array or dataframe of two dimensions, or a source, {what}.")
    raise ValueError(
        f"{names[0]} must be a dask array or dataframe, or a source (fastsgd.sources), {what}: fastsgd's estimators take what is "
        "in memory, or cut it by dask.array.from_array(X, chunks=(rows, -1))."
    )


# ---------------------------------------------------------------- dask arrays
def _of_array(X, y, weight, names):
    if X.ndim != 2:
        raise ValueError(f"{names[0]} must have two dimensions, found a dask array of shape {X.shape}.")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{names[0]} must hold real numbers, found a dask array of {X.dtype}.")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})  # A row is in one block.
    known = not any(map(math.isnan, X.chunks[0]))
    also = [
        _column(part, X.chunks[0] if known else None, X.numblocks[0], *both) for part, both in _both(y, weight, names)
    ]
    ends = [0, *np.cumsum(X.chunks[0]).tolist()] if known else None
    found = [
        f"rows {ends[at]} to {ends[at + 1] - 1} of {names[0]}"
        if known and X.chunks[0][at]
        else f"block {at} of {names[0]}"
        for at in range(X.numblocks[0])
    ]
    width = None if math.isnan(X.shape[1]) else int(X.shape[1])
    return Pieces(_zipped(X.to_delayed().ravel(), *also), found, width, dtype=X.dtype)


def _both(y, weight, names):
    return (y, (names[1], names[0])), (weight, (names[2], names[0]))


def _column(part, chunks, n, name, of):
    """The blocks of y or weights beside those of X: a list of n Delayed, or None.

    chunks : the numbers of rows of the blocks of X, None where they are not known
    """
    if part is None:
        return None
    if _is_frame(part):
        blocks_ = part.to_delayed()
    elif isinstance(part, da.Array):
        if part.ndim > 2 or not part.ndim:
            raise ValueError(f"{name} must have one or two dimensions, found a dask array of shape {part.shape}.")
        if part.ndim == 2 and part.numblocks[1] > 1:
            part = part.rechunk({1: -1})
        part = _rechunked(part, chunks, name, of)
        blocks_ = part.to_delayed().ravel().tolist()
    elif is_dask_collection(part) or chunks is None:
        what = "dask arrays or dataframes" if chunks is None else "dask arrays, dataframes or arrays"
        raise ValueError(f"{name} must be of {what}, as {of} is, got {type(part).__name__}.")
    else:
        blocks_ = _cut(part, chunks, name, of)
    if len(blocks_) != n:
        raise ValueError(
            f"{name} has {len(blocks_)} partitions, and {of} has {n}: give both the same, by rechunk or repartition; for arrays "
            "whose chunk sizes are not known call compute_chunk_sizes() first."
        )
    return blocks_


def _rechunked(part, chunks, name, of):
    """A dask array of the row chunks of X, where both are known."""
    if chunks is None or any(map(math.isnan, part.chunks[0])):
        return part
    if sum(part.chunks[0]) != sum(chunks):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {of} has {sum(chunks)} rows, {name} has "
            f"{sum(part.chunks[0])}."
        )
    return part if part.chunks[0] == chunks else part.rechunk({0: chunks})


def _cut(part, chunks, name, of):
    """The blocks of y or weights that are in memory."""
    part = np.asarray(part)
    if part.ndim == 0 or len(part) != sum(chunks):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: {of} has {sum(chunks)} rows, {name} has the shape "
            f"{part.shape}."
        )
    ends = np.append(0, np.cumsum(chunks))
    return [dask.delayed(part[lo:hi], pure=False) for lo, hi in pairwise(ends.tolist())]


def _zipped(Xs, ys, weights):
    """A Delayed Piece of each partition."""
    none = [None] * len(Xs)
    made = dask.delayed(_piece, pure=True)
    return [made(number, *row) for number, row in enumerate(zip(Xs, ys or none, weights or none, strict=True))]


def _piece(number, X, y, weight):
    return Piece(number, Rows(X, y, weight))


# ---------------------------------------------------------------- dask dataframes
def _is_frame(X):
    """Whether it is a dask dataframe or series, without an import of those."""
    return (
        is_dask_collection(X) and not isinstance(X, Delayed) and hasattr(X, "npartitions") and hasattr(X, "divisions")
    )


def _of_frame(X, y, weight, names):
    if X.ndim == 1:
        raise ValueError(f"{names[0]} must have two dimensions, found a dask series: give X.to_frame().")
    odd = [f"{name!r} ({dtype})" for name, dtype in X.dtypes.items() if getattr(dtype, "kind", "V") not in "fiub"]
    if odd:
        raise ValueError(
            f"{names[0]} has columns that are not numbers: {', '.join(odd[:5])}. Encode them "
            "(dask.dataframe.get_dummies after categorize()), leave them out, or read the files by fastsgd.sources.from_parquet, "
            "which hashes words."
        )
    also = [_column(part, None, X.npartitions, *both) for part, both in _both(y, weight, names)]
    columns = list(X.columns)
    named = columns if all(isinstance(name, str) for name in columns) else None
    found = [f"of {names[0]}"] * X.npartitions
    return Pieces(_zipped(X.to_delayed(), *also), found, len(columns), named, dtype=dtype_of(X.dtypes))


def dtype_of(dtypes):
    """The type of the numbers of a frame with columns of these types."""
    floats = all(getattr(dtype, "itemsize", 8) == 4 and dtype.kind == "f" for dtype in dtypes)
    return np.dtype(np.float32 if floats else np.float64)


# ---------------------------------------------------------------- sources
def _of_sources(given, y, weight, names, width):
    """width : features of the model there is already, None of none; CSR with fewer is as wide."""
    for name, part in ((names[1], y), (names[2], weight)):
        if part is not None:
            raise ValueError(f"{names[0]} is a source, which has its own y and weights: {name} must be None.")
    first, delayed, named = given.sources[0], [], []
    if any(source.once for source in given.sources):
        raise ValueError(f"the source given as {names[0]} can be read once, and not on other machines.")
    sources = [_as_learnt(source, first) for source in given.sources]
    for source in sources:
        source.warn_late()
        if source.n_features is None:
            source.survey()
        if source.feature_names != first.feature_names or source.sparse != first.sparse or source.dtype != first.dtype:
            raise ValueError("the sources have other features, another dtype or layout than the first.")
    widths = [source.n_features for source in sources if source.n_features]
    wide = max(widths + [width] * bool(width and first.sparse), default=None)
    for source in sources:
        held = dask.delayed(_quiet(source), pure=False, traverse=False)
        for lo, hi in _ranges(source, given.n):
            delayed.append(dask.delayed(_read, pure=False)(len(delayed), held, lo, hi, wide))
            named.append(_range_name(source, lo, hi))
    return Pieces(delayed, named, wide, first.feature_names, first.reading, first.dtype, first.label_columns)


def _as_learnt(source, first):
    """A source, read with what the first one has learnt of its columns, such as the means that stand for nulls."""
    known = first.reading.get("learnt")
    same = known is None or source.reading.get("learnt") == known
    return source if same else source.like({**source.reading, "learnt": known})


def _quiet(source):
    """The source, read in one thread."""
    source = copy.copy(source)
    source.readers = 1
    return source


def _ranges(source, n):
    """(first block, one after the last) of each partition of a source; (0, None) for all in order."""
    if source.n_blocks is None:
        return [(0, None)]
    if n is None:
        values = source.n_values if source.n_values is not None else (source.n_rows or 0) * (source.n_features or 0)
        size = values * (source.dtype.itemsize + 4 * source.sparse)
        n = max(MIN_PARTITIONS, -(-size // PARTITION_BYTES))
    n = max(1, min(n, source.n_blocks))
    return even_ranges(source.n_blocks, n)


def _range_name(source, lo, hi):
    if hi is None:
        return "all blocks of a source"
    first, last = source.name(lo), source.name(hi - 1)
    if not first:
        return f"blocks {lo} to {hi - 1} of the source"
    return first if hi - lo == 1 else f"{first} to {last}"


def _read(number, source, lo, hi, n_features):
    """The Piece of those blocks, each checked."""
    order = None if hi is None else np.arange(lo, hi)
    parts = [
        _kept(rows, source) for rows in blocks(source, n_features if source.sparse else source.n_features, None, order)
    ]
    parts = [rows for rows in parts if rows.X.shape[0]]
    if not parts:
        empty = sp.csr_matrix((0, n_features), dtype=source.dtype)
        return Piece(number, Checked(empty if source.sparse else empty.toarray(), None, None))
    if len(parts) == 1:
        return Piece(number, parts[0])
    X = sp.vstack([rows.X for rows in parts], "csr") if source.sparse else np.concatenate([rows.X for rows in parts])
    return Piece(number, Checked(X, *(None if a[0] is None else joined(a) for a in list(zip(*parts, strict=True))[1:])))


def _kept(rows, source):
    """Rows that stay when the next block is read."""
    return Checked(*((a if a is None or i else a.copy()) for i, a in enumerate(rows))) if source.reuses else rows
