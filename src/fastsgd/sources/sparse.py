"""SciPy's sparse matrices, looked at before anything relies on them."""

import copy
from itertools import chain
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import _check

INDEX = (np.int32, np.int64)
FLOATS = (np.float32, np.float64)


class CsrRows(NamedTuple):
    """Some rows of a CSR matrix, its arrays shared: what a kernel reads. The first row need not begin at 0."""

    data: np.ndarray
    indices: np.ndarray
    indptr: np.ndarray
    shape: tuple


def csr_arrays(X):
    return X.data, X.indices, X.indptr


def rows_between(X, start, stop):
    """The rows from start to stop of a CSR matrix, without a copy, for kernels."""
    return CsrRows(X.data, X.indices, X.indptr[start : stop + 1], (stop - start, X.shape[1]))


def sound_csr(X, name="X"):
    """A sparse matrix of any format as CSR with every index within bounds, and no feature twice in a row.

    SciPy's conversions trust what they are given, and read or write anywhere if it is wrong; so the structure is looked at
    first. The flags that SciPy keeps on a matrix may be out of date: they are neither believed nor changed. Those of the
    result are right. Its rows are in the order in which they are in X.

    Parameters
    ----------
    X : sparse matrix or array
        Not changed. The result shares its arrays if it is CSR with index arrays of one native type, int32 or int64, and no
        duplicates.
    name : str
        What to call X in errors.

    Returns
    -------
    CSR matrix or array
        Duplicates are summed in float32 if that is the dtype of X, else in float64.

    Raises
    ------
    ValueError
        X is malformed, holds no real numbers, or does not have two dimensions.
    """
    if X.ndim != 2:
        raise ValueError(f"{name} must have two dimensions, found a sparse array of shape {X.shape}.")
    try:
        if X.format in ("csr", "csc", "bsr"):
            out, distinct = _looked_at(X)
            if X.format != "csr":  # SciPy sums the duplicates of bsr
                out, distinct = _looked_at((out if X.format == "csc" else _floats(out)).tocsr())
        else:
            out, distinct = _looked_at(MAKERS.get(X.format, _coo)(X).tocsr())
    except (ValueError, TypeError, OverflowError, LookupError, AttributeError) as error:
        raise ValueError(
            f"{name} is a malformed {X.format.upper()} matrix: {str(error).rstrip('.')}. Build it anew from its parts."
        ) from error
    if out.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold real numbers, found dtype {out.dtype}.")
    if not distinct:
        out = out.copy() if out.dtype in FLOATS else _floats(out)
        out.sum_duplicates()
    return out


def _looked_at(X):
    """(X with its index arrays of one native type and flags that are right, whether no row has an index twice); X is of a
    format with indptr, and ValueError says what is wrong with it."""
    if not isinstance(X.data, np.ndarray) or X.data.ndim != (3 if X.format == "bsr" else 1):
        raise ValueError(f"data is no array, or has {np.ndim(X.data)} dimensions")
    parts = {part: np.asarray(getattr(X, part)) for part in ("indptr", "indices")}
    for part, a in parts.items():
        if a.ndim != 1 or a.dtype.kind not in "iu":
            raise ValueError(f"{part} must be a one-dimensional integer array, found {a.ndim}-d {a.dtype}")
    index = np.result_type(*parts.values())
    index = index if index in INDEX and index.isnative else np.dtype(np.int64)
    indptr, indices = (np.require(a, index, "CA") for a in parts.values())
    height, width = X.data.shape[1:] if X.format == "bsr" else (1, 1)
    if not height or not width or X.shape[0] % height or X.shape[1] % width:
        raise ValueError(f"data has blocks of {height} x {width}, which do not fill a matrix of shape {X.shape}")
    rows, columns = X.shape[0] // height, X.shape[1] // width
    if X.format == "csc":
        rows, columns = columns, rows
    fault, is_sorted, distinct = _check.csr_look(indptr, indices, columns, len(X.data))
    if fault is None and len(indptr) != rows + 1:
        fault = f"indptr has {len(indptr)} entries, a matrix of shape {X.shape} needs {rows + 1}"
    if fault is not None:
        raise ValueError(fault)
    out = copy.copy(X)
    out.data, out.indices, out.indptr = _native(X.data), indices, indptr
    out.has_sorted_indices, out.has_canonical_format = is_sorted, is_sorted and distinct
    return out, distinct


def _coo(X):
    """As a COO matrix that is sound, of numbers in which duplicates may be summed."""
    X = X if X.format == "coo" else X.tocoo()
    if not isinstance(X.data, np.ndarray) or X.data.ndim != 1:
        raise ValueError(f"data is no array, or has {np.ndim(X.data)} dimensions")
    for axis, (coords, size) in enumerate(zip(map(np.asarray, X.coords), X.shape, strict=True)):
        if coords.ndim != 1 or coords.dtype.kind not in "iu":
            raise ValueError(
                f"coordinates must be one-dimensional integer arrays, found {coords.ndim}-d {coords.dtype}"
            )
        if len(coords) != len(X.data):
            raise ValueError(f"there are {len(coords)} coordinates for the {len(X.data)} values in data")
        if len(coords) and not (coords.min() >= 0 and coords.max() < size):
            raise ValueError(f"coordinates of axis {axis} must be in [0, {size})")
    return _floats(sp.coo_matrix((_native(X.data), X.coords), shape=X.shape))


def _dia(X):
    offsets = np.asarray(X.offsets)
    inside = (offsets > -X.shape[0]) & (offsets < X.shape[1])
    return sp.dia_matrix((_native(X.data)[inside], offsets[inside]), shape=X.shape)


def _lil(X):
    lengths = [len(row) for row in X.rows]
    if len(lengths) != X.shape[0] or lengths != [len(row) for row in X.data]:
        raise ValueError(f"rows and data must have as many lists, of equal lengths, as there are rows ({X.shape[0]})")
    columns = np.fromiter(chain.from_iterable(X.rows), np.int64, sum(lengths))
    values = np.fromiter(chain.from_iterable(X.data), X.dtype, sum(lengths))
    return _floats(sp.coo_matrix((values, (np.repeat(np.arange(len(lengths)), lengths), columns)), shape=X.shape))


MAKERS = {"coo": _coo, "dia": _dia, "lil": _lil}


def _native(a):
    return a if a.dtype.isnative else a.astype(a.dtype.newbyteorder("="))


def _floats(X):
    """X in a dtype that holds the sums of its numbers."""
    with np.errstate(over="ignore"):
        return X if X.dtype in FLOATS or X.dtype.kind not in "fiub" else X.astype(np.float64)
