"""The blocks of a source, each looked at before anything else sees it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastsgd.sources import _check
from fastsgd.sources.base import Rows, Source, labelled_as
from fastsgd.sources.readers import Readers, in_order
from fastsgd.sources.reading import as_in_fit
from fastsgd.sources.sparse import INDEX, sound_csr


class Checked(Rows):
    """Rows that `sound` has looked at; those that a user makes are not."""


def blocks(source, n_features=None, check=None, order=None, first=0, room=None, readers=None):
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
    room : callable or None
        room(rows) -> array for X of a block of that many rows, or None where the block may lie anywhere. A single reader asks
        for it when the block is its next.
    readers : Readers or None
        None: new ones.

    Raises
    ------
    ValueError
        It names the block.
    """
    readers = Readers.of(source) if readers is None else readers
    made = source.maker(readers)

    def checked(number, rows):
        with naming(source, number):
            rows = sound(rows, source, n_features)
            return check(rows) if check is not None and rows.X.shape[0] else rows

    def into_room(number):
        return checked(number, source.read(number, out=room(source.sizes[number])))

    pieces = source.pieces()
    if source.n_blocks is not None:
        numbers = range(source.n_blocks) if order is None else order.tolist()
        here = None if room is None or source.sizes is None or source.sparse else into_room
        yield from in_order(lambda number: checked(number, made(number)), numbers[first:], readers, here=here)
    elif pieces is not None:
        numbered = islice(enumerate(pieces), first, None)
        yield from in_order(lambda piece: checked(piece[0], made(piece[1])), numbered, readers, apart=True)
    else:
        for number, rows in enumerate(islice(source.blocks(), first, None), first):
            yield checked(number, rows)


@contextmanager
def naming(source, number):
    """A ValueError from within says in which block it is, and in which file, where that is known."""
    try:
        yield
    except ValueError as error:
        name = source.name(number)
        raise ValueError(f"Block {number} of the source{name and f' ({name})'}: {error}") from error


def sound(rows, source, n_features):
    """Rows as `Rows` promises them, after a look at every index and number; raises ValueError."""
    X, y, weight = Rows(*rows)
    if not (sp.issparse(X) and X.format == "csr" if source.sparse else isinstance(X, np.ndarray) and X.ndim == 2):
        kind, found = "a CSR matrix" if source.sparse else "an array", type(X).__name__
        raise ValueError(f"X must be {kind} of two dimensions, found {found} of shape {getattr(X, 'shape', '?')}.")
    if X.dtype != source.dtype:
        raise ValueError(f"X is of {X.dtype}, the source of {source.dtype}.")
    if n_features is not None and X.shape[1] != n_features and not (source.sparse and X.shape[1] < n_features):
        more = (
            " Give n_features to all sources, where some rows have features that others lack." if source.sparse else ""
        )
        raise ValueError(f"X has {X.shape[1]} features, expected {n_features}.{more}")
    X = _sound_csr(X, n_features or X.shape[1]) if source.sparse else np.require(np.asarray(X), requirements=["C", "A"])
    at = _check.first_nonfinite(X.data[: X.nnz] if source.sparse else X.reshape(-1))
    if at >= 0:
        row, column = (
            (np.searchsorted(X.indptr, at, "right") - 1, X.indices[at]) if source.sparse else divmod(at, X.shape[1])
        )
        what = "NaN" if np.isnan(X[row, column]) else "infinity"
        what += ", or a number too large for float32" * (what == "infinity" and X.dtype == np.float32)
        name = f" {source.feature_names[column]!r}" if source.feature_names is not None else ""
        remedy = source.no_nan if what == "NaN" else Source.no_nan
        raise ValueError(f"X contains {what} (at row {row} of the block, column {column}{name}). {remedy}")
    for name, part in (("y", y), ("weight", weight)):
        if part is not None and (not isinstance(part, np.ndarray) or not part.ndim or len(part) != X.shape[0]):
            shape = getattr(part, "shape", type(part).__name__)
            raise ValueError(f"{name} must be an array of the {X.shape[0]} rows that X has, found {shape}.")
    return labelled_as(Checked(X, y, weight), rows) if isinstance(rows, Rows) else Checked(X, y, weight)


def sound_labels(y, weight):
    """ValueError where a target or a weight is not finite, or a weight negative: with the row, which no later look knows."""
    for name, part in (("y", y), ("weight", weight)):
        if not isinstance(part, np.ndarray) or part.dtype.kind != "f":
            continue
        bad = ~np.isfinite(part) | (part < 0 if name == "weight" else False)
        if bad.any():
            row = int(np.argmax(bad.reshape(len(bad), -1).any(axis=1)))
            what = np.ravel(part[row])[np.ravel(bad[row])][0]
            said = "NaN" if np.isnan(what) else "infinity" if np.isinf(what) else f"{what:g}, which is negative"
            raise ValueError(f"{name} contains {said} (at row {row} of the block).")


def _sound_csr(X, n_features):
    if X.indices.dtype != X.indptr.dtype or X.indices.dtype not in INDEX:
        raise ValueError(
            f"X must have int32 or int64 indices and indptr, found {X.indices.dtype} and {X.indptr.dtype}."
        )
    X = sound_csr(X)
    return csr(X.shape[0], n_features, np.require(X.data, requirements="CA"), X.indices, X.indptr)


def csr(n, n_features, data, indices, indptr):
    X = sp.csr_matrix((n, n_features), dtype=data.dtype)
    X.data, X.indices, X.indptr = data, indices, indptr
    return X


def predict_batches(estimator: Any, source: Source, method: str = "predict") -> Iterator[NDArray[Any]]:
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
    yield from over_blocks(estimator, source, getattr(estimator, method))


def over_blocks(estimator, source, function):
    """What a function gives for the rows of each block that has some, read as those of the fit were."""
    source = as_in_fit(estimator, source)
    with closing(blocks(source, estimator.n_features_in_)) as read:
        for rows in read:
            if rows.X.shape[0]:
                yield function(rows)
    source.warn_late()
