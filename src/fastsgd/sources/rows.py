"""Record batches made rows, as their Columns say. It imports pyarrow, and so is imported in functions alone."""

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import encode
from fastsgd.sources._rows import fill
from fastsgd.sources._tokens import csr_rows, usable
from fastsgd.sources.base import LabelledRows, Rows
from fastsgd.sources.features.part import Batch
from fastsgd.sources.files import from_row
from fastsgd.sources.readers import Readers, in_order
from fastsgd.sources.reuse import BLOCKS

FILL_BYTES = 1 << 22  # Columns are converted to their type for this many bytes of row-major values at once.


def rows_of(columns, batches, n=None, name=None, out=None, hands=1):
    """The Rows of (where, batch) in order; of n rows, where that is known, in the block of that name; X in `out`, if it
    is given and rows are dense. Batches are made CSR by so many threads, the first of which reads them."""
    if columns.sparse:
        pieces = _counted(columns, batches, n)
        parts = in_order(lambda piece: _sparse(columns, *piece), pieces, Readers(hands), lambda _: (0, 0), apart=True)
        labels, made = zip(*found, strict=True) if (found := list(parts)) else ((), ())
        done = sum(X.shape[0] for X in made)
    else:
        X, labels, done = _rows_of_numbers(columns, batches, n, out)
    if not labels or (n is not None and done != n):
        raise ValueError(f"{name} has {done} rows, and announces {n}.")
    if columns.sparse:
        X = made[0] if len(made) == 1 else sp.vstack(made)
    *of_rows, segment = joined(labels)
    found = LabelledRows(X, *of_rows)
    found.segment = segment
    return found if segment is not None else Rows(X, *of_rows)


def _rows_of_numbers(columns, batches, n, out):
    """(X, labels of the batches, number of rows) of columns that are all stored."""
    made, labels, X, done = [], [], out, 0
    for where, batch in _counted(columns, batches, n):
        m = len(batch)
        # What is too large for float32 becomes infinite, and the estimators refuse it.
        with encode.named(where), columns.explaining(batch), np.errstate(over="ignore", invalid="ignore"):
            labels.append(_labels_of_rows(columns, where, batch))
            if X is None and (n is None or m == n):
                made.append(dense_of(columns, Batch(where, batch)))
            else:
                X = np.empty((n, columns.n_dense), columns.dtype) if X is None else X
                dense_of(columns, Batch(where, batch), X[done : done + m])
        done += m
    if X is None and made:
        X = made[0] if len(made) == 1 else np.concatenate(made)
    return X, labels, done


def _sparse(columns, where, batch):
    """((y, weight, segment), X) of a batch."""
    with encode.named(where), columns.explaining(batch), np.errstate(over="ignore", invalid="ignore"):
        return _labels_of_rows(columns, where, batch), _csr(columns, Batch(where, batch))


def _counted(columns, batches, n):
    """The batches as `placed`, but for rows that are left out, of n rows at most, where that is known."""
    done = 0
    for where, batch in placed(batches):
        batch = columns.kept(batch)
        done += len(batch)
        if n is not None and done > n:
            raise ValueError(f"{where} has more than the {n} rows that it announces.")
        yield where, batch


def placed(batches):
    """The (where, batch) of a block, each `where` with the row of the block at which it begins."""
    done = 0
    for where, batch in batches:
        yield from_row(where, done), batch
        done += len(batch)


def joined(labels):
    """(y, weight), or what else labels are, of several parts."""
    return (
        None if parts[0] is None else parts[0] if len(parts) == 1 else np.concatenate(parts)
        for parts in zip(*labels, strict=True)
    )


def _labels_of_rows(columns, where, batch):
    """(y, weight, segment) of a batch."""
    segment = None if columns.segment is None else encode.segments(columns.of(batch, columns.segment))
    return *labelled(columns, where, batch), segment


def labelled(columns, where, batch):
    """(y, weight) of a batch."""
    y = weight = None
    with encode.named(where):
        if columns.targets:
            y = [encode.labels(columns.of(batch, name), f"target {name!r} of {where}") for name in columns.targets]
            y = y[0] if isinstance(columns.target, str) else np.column_stack(y)
        if columns.weight is not None:
            weight = encode.numbers(columns.of(batch, columns.weight), f"weight {columns.weight!r} of {where}")
            weight = weight.astype(np.float64)
    return y, weight


def dense_of(columns, batch, out=None, empty=np.empty):
    """The features of numbers, (n, n_dense); into `out` if it is given, else without a copy where that is possible."""
    n, numbers, places, vectors = len(batch), [], [], []
    for part in columns.parts:
        if not part.dense:
            continue
        values = part.numbers(batch)
        if isinstance(values, list):
            numbers += values
            places += range(part.at, part.at + part.width)
        elif out is None and part.width == columns.n_dense and values.dtype == columns.dtype:
            return values
        else:
            vectors.append((slice(part.at, part.at + part.width), values))
    out = empty((n, columns.n_dense), columns.dtype) if out is None else out
    step = max(64, FILL_BYTES // max(1, columns.n_dense * columns.dtype.itemsize))
    for lo in range(0, n, step):
        rows = slice(lo, lo + step)
        fill(out[rows], [usable(values[rows], columns.dtype) for values in numbers], places)
        for at, values in vectors:
            out[rows, at] = values[rows]
    return out


def _csr(columns, batch):
    dense = dense_of(columns, batch, empty=BLOCKS.empty)
    if columns.centers is not None:
        dense = dense - np.array(columns.centers, columns.dtype)
    pieces = [part.tokens(batch) for part in columns.parts if not part.dense]
    X = sp.csr_matrix((len(batch), columns.n_features), dtype=columns.dtype)
    X.data, X.indices, X.indptr, canonical = csr_rows(usable(dense, columns.dtype), pieces, BLOCKS.empty)
    if canonical:
        X.has_canonical_format = True
    else:
        X.sum_duplicates()
    return X
