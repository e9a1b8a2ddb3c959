"""Batches that a user's callable makes."""

from itertools import count

import numpy as np
import scipy.sparse as sp

from fastsgd.sources.base import Rows, Source
from fastsgd.sources.reading import difference
from fastsgd.sources.sparse import sound_csr


class Batches(Source):
    """See `from_batches`."""

    def __init__(self, make, n_features=None):
        if not callable(make):
            raise ValueError(
                f"make must be a callable that returns a fresh iterator of (X, y) or (X, y, weight), got {make!r}: "
                "each epoch reads them anew."
            )
        self._make = make
        batches = make()
        if not hasattr(batches, "__iter__"):
            raise ValueError(
                f"make() must return an iterator of (X, y) or (X, y, weight), got {type(batches).__name__}."
            )
        first = next(iter(batches), None)
        if first is None:
            raise ValueError("make() gives no batches.")
        X = _parts(first)[0]
        names = getattr(X, "columns", None)
        self.feature_names = None if names is None else [str(name) for name in names]
        X = self._rows(0, first).X
        self.sparse, self.dtype = sp.issparse(X), X.dtype
        self.n_features = X.shape[1] if n_features is None else int(n_features)

    def blocks(self):
        return map(self._rows, count(), self._make())

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


def _parts(batch):
    """(X, y, weight), as far as they are there. A list that begins with a matrix is one of these too, as torch's loaders
    make them; any other list is X."""
    listed = isinstance(batch, list) and len(batch) > 0 and getattr(batch[0], "ndim", 0) == 2
    return tuple(batch) if listed or isinstance(batch, tuple) else (batch,)


def _rows(batch):
    """A batch as Rows: float32 stays as it is, all else becomes float64."""
    parts = _parts(batch)
    if not 1 <= len(parts) <= 3:
        raise ValueError(f"a batch must be (X, y) or (X, y, weight), got {len(parts)} parts.")
    X, y, weight = (*parts, None, None)[:3]
    X = sound_csr(X) if sp.issparse(X) else np.asarray(X)
    dtype = X.dtype if X.dtype == np.float32 else np.dtype(np.float64)
    if X.ndim != 2:
        raise ValueError(f"X of a batch must have two dimensions, got shape {X.shape}.")
    X = X.astype(dtype, copy=False) if sp.issparse(X) else np.ascontiguousarray(X, dtype)
    y = None if y is None else np.asarray(y)
    return Rows(X, y, None if weight is None else np.asarray(weight, np.float64))


def from_batches(make, n_features=None):
    """A source of the batches that a callable makes: whatever can be read in Python.

        Parameters
        ----------
        make : callable
            ``make()`` returns an iterator of X, (X, y) or (X, y, weight), and a fresh one at each call. Each epoch reads it to
            its end once, in a thread, one batch at a time; so do measuring the objective and counting the classes. All X are
            arrays (or DataFrames), or all are sparse matrices, and have the dtype of the first, float32, or else float64.
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
            `make` is not callable, or gives nothing.

        Examples
        --------
        >>> from itertools import count

    import numpy as np
        >>> from fastsgd import SGDRegressor, sources
        >>> def halves():
        ...     for part in (np.arange(50.0), np.arange(50.0, 100.0)):
        ...         yield part[:, None] / 100, 2 * part / 100
        >>> reg = SGDRegressor(random_state=0, tol=None, max_iter=50, eta0=0.5).fit(sources.from_batches(halves))
        >>> reg.coef_.round(1)
        array([2.])
    """
    return Batches(make, n_features)
