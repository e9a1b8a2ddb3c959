"""What workers do with a partition: look at it, count it, make a Table of it. All are pure, and know no estimator."""

import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from dask.sizeof import sizeof
from sklearn.base import BaseEstimator

from fastsgd.dask.pieces import Piece, dtype_of
from fastsgd.estimators.validation import check_lengths, check_weight, check_X
from fastsgd.persist.data import describe
from fastsgd.sources.arrays import Table
from fastsgd.sources.blocks import Checked
from fastsgd.sources.reading import difference
from fastsgd.state import State
from fastsgd.sums import Labels


@dataclass
class Partition(Table):
    """The Table of a partition, with its number among all partitions."""

    partition: int = 0


@sizeof.register(State)
def _bytes_of_state(state):
    """As `_bytes`."""
    parts = [vars(state), {} if state.auto is None else vars(state.auto)]
    return sum(x.nbytes for part in parts for x in part.values() if isinstance(x, np.ndarray))


@sizeof.register(Table)
@sizeof.register(Piece)
def _bytes(rows):
    """So that workers know what they hold, and spill or pause in time."""
    parts = vars(rows).values() if isinstance(rows, Table) else rows.rows
    arrays = [(x.data, x.indices, x.indptr) if sp.issparse(x) else (x,) for x in parts]
    return sum(a.nbytes for of_part in arrays for a in of_part if isinstance(a, np.ndarray))


class _Reader(BaseEstimator):
    """Whom scikit-learn's checks of X tell what they learn."""

    def fit(self, X, y=None):
        return self


def checked(given, targets, columns, width, names):
    """The Piece of what a partition is: every number looked at. Where it has no rows, X alone.

    Parameters
    ----------
    given : Piece
    targets : Targets
        They look at y; nothing need be known of the classes.
    columns : list of str or None
        The names that features must have, in whichever order.
    width : int or None
        How many there must be.
    names : (str, str, str)
        What to call X, y and the weights in errors.
    """
    X, y, weight = given.rows
    if hasattr(X, "columns") and hasattr(X, "iloc"):
        X = of_frame(X, columns)
    elif not (isinstance(X, np.ndarray) or sp.issparse(X)):
        raise ValueError(
            f"{names[0]} must be of NumPy arrays, SciPy's CSR matrices or pandas frames, found {_kind(X)}."
        )
    if width is not None and X.ndim == 2 and X.shape[1] != width:
        raise ValueError(
            f"{names[0]} has {X.shape[1]} features, expected {width}, as the partitions before or the collection says."
        )
    if not X.shape[0]:
        return Piece(given.number, Checked(X, None, None))
    X = check_X(_Reader(), X, reset=True, name=names[0])
    if targets.needs_y:
        y = targets.checked(None if y is None else _flat(y), names[1])
        check_lengths(X, y, names)
    weight = check_weight(None if weight is None else _flat(weight), X.shape[0], names[2])
    return Piece(given.number, Checked(X, y, weight))


def of_frame(X, columns):
    """The values of a pandas frame, in the order of the columns."""
    found = list(X.columns)
    if columns is not None and found != columns:
        if sorted(map(str, found)) != sorted(columns):
            raise ValueError(f"the columns are not those of the collection: {difference(found, columns)}.")
        X = X[columns]
    odd = [f"{name!r} ({dtype})" for name, dtype in X.dtypes.items() if getattr(dtype, "kind", "V") not in "fiub"]
    if odd:
        raise ValueError(f"the columns {', '.join(odd[:5])} are not numbers.")
    return np.ascontiguousarray(X.to_numpy(dtype_of(X.dtypes), na_value=np.nan))


def _kind(X):
    return f"{type(X).__module__.split('.')[0]}.{type(X).__name__}"


def _flat(y):
    """y as an array, of one dimension if it is of one column."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


@dataclass(frozen=True)
class Survey:
    """What is counted of partitions, as sums that add.

    Attributes
    ----------
    rows : tuple of int
        Of each partition.
    kinds : frozenset of (bool, str, int)
        (whether CSR, dtype, features) of those that have rows.
    shapes : frozenset of tuple
        Of a row's y.
    values : int
        Numbers stored in all rows.
    labels : Labels
    """

    rows: tuple
    kinds: frozenset
    shapes: frozenset
    values: int
    labels: Labels

    @classmethod
    def of(cls, piece: Piece, targets: Any) -> "Survey":
        """That of one partition."""
        X, y, weight = piece.rows
        if not X.shape[0]:
            return cls((0,), frozenset(), frozenset(), 0, Labels())
        sparse = sp.issparse(X)
        dtype = "float32" if X.dtype == np.float32 else "float64"
        found, shape = Labels.of(np.empty(X.shape[0]), weight), ()
        if targets.needs_y:
            found, shape = targets._labels(y, weight, None), y.shape[1:]
        kinds = frozenset([(sparse, dtype, X.shape[1])])
        return cls((X.shape[0],), kinds, frozenset([shape]), int(X.nnz if sparse else X.size), found)

    def __add__(self, other: "Survey") -> "Survey":
        return Survey(
            self.rows + other.rows,
            self.kinds | other.kinds,
            self.shapes | other.shapes,
            self.values + other.values,
            self.labels + other.labels,
        )

    @cached_property
    def n_rows(self):
        return sum(self.rows)

    @property
    def sparse(self):
        """Whether rows are CSR; all are of one layout."""
        return any(sparse for sparse, _, _ in self.kinds)

    @property
    def dtype(self):
        """The one that holds the numbers of all."""
        return np.dtype(max(dtype for _, dtype, _ in self.kinds))

    @property
    def width(self):
        return max(width for _, _, width in self.kinds)


def table_of(piece, targets, dtype, dense):
    """The Partition of a Piece, as kernels read it: of that dtype, and an array where `dense`."""
    rows, X = piece.rows, piece.rows.X
    if sp.issparse(X):
        X = _csr(X, dtype) if not dense else np.ascontiguousarray(X.toarray(), dtype)
    else:
        X = np.require(X, dtype, ["C", "A"])
    made = vars(replace(targets.table(rows.X, rows.y, rows.weight), X=X)).copy()
    made.pop("sparse")
    return Partition(**made, partition=piece.number)


def _csr(X, dtype):
    """A CSR matrix of that dtype whose rows are in order, and of one index type; itself where it is one."""
    if not X.has_sorted_indices:
        X = X.sorted_indices()
    index = (
        X.indices.dtype if X.indices.dtype == X.indptr.dtype and X.indices.dtype in (np.int32, np.int64) else np.int64
    )
    parts = [np.require(a, t, ["C", "A"]) for a, t in ((X.data, dtype), (X.indices, index), (X.indptr, index))]
    out = sp.csr_matrix(X.shape, dtype=dtype)
    out.data, out.indices, out.indptr = parts
    return out


def described(table):
    """What a checkpoint says of a partition, as a checksum."""
    return f"{zlib.crc32(repr(sorted(describe(table).items())).encode()):08x}"
