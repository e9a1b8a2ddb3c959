"""Batches that a user's callable makes."""

import zlib
from collections.abc import Callable, Iterable
from inspect import isgenerator
from itertools import count
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastsgd.sources.base import Rows, Source
from fastsgd.sources.reading import difference
from fastsgd.sources.sparse import sound_csr

AFRESH = (
    "each of its passes must begin anew: give a function that opens the data when it is called, such as one with `yield`, "
    "and no iterator that was made before"
)


class Batches(Source):
    """See `from_batches`."""

    reuses = True

    def __init__(self, make, n_features=None):
        if not callable(make):
            raise ValueError(
                f"make must be a callable that returns a fresh iterator of (X, y) or (X, y, weight), got {make!r}: "
                "each epoch reads them anew."
            )
        self._make, self._last, self._rows_of_a_pass = make, None, None
        batches = self._begin()
        first = next(batches, None)
        if first is None:
            raise ValueError("make() gives no batches.")
        X = _parts(first)[0]
        names = getattr(X, "columns", None)
        self.feature_names = None if names is None else [str(name) for name in names]
        rows = self._rows(0, first)
        self._first, X = _mark(rows), rows.X
        self.sparse, self.dtype = sp.issparse(X), X.dtype
        self.n_features = X.shape[1] if n_features is None else int(n_features)
        if isgenerator(batches):
            batches.close()

    def __getstate__(self):  # Generators can't be pickled.
        return vars(self) | {"_last": None}

    def _begin(self):
        """A new iterator of batches."""
        batches = self._make()
        if not hasattr(batches, "__iter__"):
            raise ValueError(
                f"make() must return an iterator of (X, y) or (X, y, weight), got {type(batches).__name__}."
            )
        found = iter(batches)
        if found is batches and found is self._last:
            raise ValueError(
                f"make() returned the same {type(found).__name__} twice, so that the source has no rows; {AFRESH}."
            )
        self._last = found if found is batches else None
        return found

    def blocks(self):
        """The Rows of all batches; ValueError where they are others than in the pass before, which an iterator that goes
        on where it was left would give."""
        n, begun_anew = 0, True
        for number, batch in zip(count(), self._begin()):
            rows = self._rows(number, batch)
            if number == 0:
                begun_anew = _mark(rows) == self._first
            n += rows.X.shape[0]
            yield rows
        before = "some" if self._rows_of_a_pass is None else self._rows_of_a_pass
        if n == 0 or self._rows_of_a_pass not in (None, n):
            raise ValueError(f"make() gave {n} rows at this call, and {before} at the one before: {AFRESH}.")
        if self._rows_of_a_pass is None and not begun_anew and next(self._begin(), None) is None:
            raise ValueError(
                f"make() gave {n} rows at this call, which began with others than the first, and none at the next: {AFRESH}."
            )
        self._rows_of_a_pass = n

    def _rows(self, number, batch):
        names = getattr(_parts(batch)[0], "columns", None)
        if names is not None and (names := [str(name) for name in names]) != self.feature_names:
            raise ValueError(
                f"batch {number} has other columns than the first: {difference(names, self.feature_names or [])}."
            )
        try:
            return _rows(batch)
        except (ValueError, TypeError) as error:
            raise ValueError(f"batch {number}: {error}") from error

    def describe(self):
        return {
            "source": "from_batches",
            "n_features": self.n_features,
            "dtype": str(self.dtype),
            "sparse": self.sparse,
        }


def _mark(rows):
    """What tells a batch from the next: its shape, and a checksum of its first rows."""
    some = rows.X[:64]
    some = some.toarray() if sp.issparse(some) else some
    return rows.X.shape, zlib.crc32(np.ascontiguousarray(some).reshape(-1).view(np.uint8))


def _parts(batch):
    """(X, y, weight), as far as they are there. A list that begins with a matrix is one of these too, as torch's loaders
    make them; any other list is X."""
    listed = isinstance(batch, list) and len(batch) > 0 and getattr(batch[0], "ndim", 0) == 2
    return tuple(batch) if listed or isinstance(batch, tuple) else (batch,)


def _rows(batch):
    """A batch as Rows: float32 stays as it is, all else becomes float64. Its y and weight are copies."""
    parts = _parts(batch)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"a batch must be (X, y) or (X, y, weight), got {len(parts)} parts.")
    X, y, weight = (*parts, None, None)[:3]
    X = sound_csr(X) if sp.issparse(X) else np.asarray(X)
    dtype = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
    if X.ndim != 2:
        raise ValueError(f"X of a batch must have two dimensions, got shape {X.shape}.")
    X = X.astype(dtype, copy=False) if sp.issparse(X) else np.ascontiguousarray(X, dtype)
    y = None if y is None else np.array(y)
    return Rows(X, y, None if weight is None else np.array(weight, np.float64))


def from_batches(make: Callable[[], Iterable[Any]], n_features: int | None = None) -> Source:
    """A source of the batches that a callable makes: whatever can be read in Python.

    Parameters
    ----------
    make : callable
        ``make()`` returns an iterator of X, (X, y) or (X, y, weight), and a fresh one at each call. Each epoch reads it to
        its end once, in a thread, one batch at a time; so do measuring the objective and counting the classes. A batch may
        be made in the arrays of the one before. All X are arrays (or DataFrames), or all are sparse matrices, and have the
        dtype of the first, float32, or else float64. The names of DataFrames are compared with those of a fit; arrays have
        none: their columns must be in the order of the fit, and a model that knows names warns.
    n_features : int or None, default=None
        None: those of the first batch, for which make() is called once. Sparse batches may have fewer.

    Returns
    -------
    Source
        Its rows come in their order and are shuffled within a buffer alone (`Source.buffered`). Where the buffer does not
        hold them all, rows sorted by label train badly, and `fit` warns.

    Raises
    ------
    ValueError
        `make` is not callable, or gives nothing. When rows are read: `make` returns the same iterator again, or gives
        another number of rows than before.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor, sources
    >>> def halves():
    ...     for part in (np.arange(50.0), np.arange(50.0, 100.0)):
    ...         yield part[:, None] / 100, 2 * part / 100
    >>> reg = SGDRegressor(random_state=0, tol=None, max_iter=50, eta0=0.5).fit(sources.from_batches(halves))
    >>> reg.coef_.round(1)
    array([2.])
    """
    return Batches(make, n_features)
