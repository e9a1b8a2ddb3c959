"""Record batches made rows, as their Columns say. It imports pyarrow, and so is imported in functions alone."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import scipy.sparse as sp

from fastsgd.sources import encode
from fastsgd.sources._rows import fill
from fastsgd.sources._tokens import csr_rows, hash_tokens
from fastsgd.sources.base import LabelledRows, Rows
from fastsgd.sources.columns import DENSE
from fastsgd.sources.files import from_row
from fastsgd.sources.readers import Readers, in_order

FILL_BYTES = 1 << 22  # Columns are converted to their type for this many bytes of row-major values at once.


def rows_of(columns, batches, n=None, name=None, out=None, hands=1):
    """The Rows of (where, batch) in order; of n rows, where that is known, in the block of that name; X in `out`, if it
    is given and rows are dense. Batches are made CSR by so many threads, the first of which reads them."""
    if columns.sparse:
        pieces = _counted(batches, n)
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
    for where, batch in _counted(batches, n):
        m = len(batch)
        # What is too large for float32 becomes infinite, and the estimators refuse it.
        with encode.named(where), np.errstate(over="ignore", invalid="ignore"):
            labels.append(_labels_of_rows(columns, where, batch))
            if X is None and (n is None or m == n):
                made.append(_dense(columns, where, batch))
            else:
                X = np.empty((n, columns.n_dense), columns.dtype) if X is None else X
                _dense(columns, where, batch, X[done : done + m])
        done += m
    if X is None and made:
        X = made[0] if len(made) == 1 else np.concatenate(made)
    return X, labels, done


def _sparse(columns, where, batch):
    """((y, weight, segment), X) of a batch."""
    with encode.named(where), np.errstate(over="ignore", invalid="ignore"):
        return _labels_of_rows(columns, where, batch), _csr(columns, where, batch)


def _counted(batches, n):
    """The batches as `placed`, of n rows at most, where that is known."""
    done = 0
    for where, batch in placed(batches):
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


def _number(columns, where, batch, name, of=encode.numbers):
    try:
        return of(columns.of(batch, name), f"column {name!r} of {where}", columns.fill)
    except ValueError as error:
        if "null" not in str(error) or columns.fill is not None:
            raise
        raise ValueError(f"{error} Set fill_null=0.0 (or the column's mean), or leave those rows out.") from None


def _dense(columns, where, batch, out=None):
    """The features of numbers, (n, n_dense); into `out` if it is given, else without a copy where that is possible."""
    n, numbers, places, vectors = len(batch), [], [], []
    for kind, name, at, width in columns.parts:
        if kind == "vector":
            values = _number(columns, where, batch, name, encode.vectors)
            if out is None and width == columns.n_dense and values.dtype == columns.dtype:
                return values
            vectors.append((slice(at, at + width), values))
        elif kind in ("number", "product"):
            numbers.append(
                _product(columns, where, batch, name) if kind == "product" else _number(columns, where, batch, name)
            )
            places.append(at)
    out = np.empty((n, columns.n_dense), columns.dtype) if out is None else out
    step = max(64, FILL_BYTES // max(1, columns.n_dense * columns.dtype.itemsize))
    for lo in range(0, n, step):
        part = slice(lo, lo + step)
        fill(out[part], [np.require(values[part], columns.dtype, "CA") for values in numbers], places)
        for at, values in vectors:
            out[part, at] = values[part]
    return out


def _product(columns, where, batch, pair):
    a, b = (_number(columns, where, batch, name).astype(columns.dtype) for name in pair)
    return a * b


def _csr(columns, where, batch):
    dense = _dense(columns, where, batch)
    pieces = [_piece(columns, where, batch, *part) for part in columns.parts if part[0] not in DENSE]
    X = sp.csr_matrix((len(batch), columns.n_features), dtype=columns.dtype)
    X.data, X.indices, X.indptr = csr_rows(np.require(dense, requirements="CA"), pieces)
    X.sum_duplicates()
    return X


def _piece(columns, where, batch, kind, name, at, width):
    """(starts, columns, values) of a part, as `csr_rows` takes them."""
    if kind == "pairs":
        starts, index, values = encode.pairs(columns.of(batch, name), f"column {name!r} of {where}", width)
        return starts, index + np.int32(at), values
    if kind == "category":
        return None, *_coded(columns, columns.of(batch, name), name, name, at)
    if kind == "tokens":
        starts, inner = encode.lists(columns.of(batch, name))
        return starts, *_coded(columns, inner, name, name, at)
    title = ":".join(name)
    if kind == "scaled":
        word, number = sorted(name, key=lambda part: columns.kinds[part] != "category")
        column, sign = _coded(columns, columns.of(batch, word), word, title, at)
        return None, column, sign * _number(columns, where, batch, number).astype(columns.dtype)
    if columns.one_hot:
        (a, ones), (b, _) = (_coded(columns, columns.of(batch, part), part, part, 0) for part in name)
        column = a.astype(np.int64) * len(columns.categories[name[1]]) + b + at
        return None, np.where((a < 0) | (b < 0), -1, column), ones
    text = [encode.row_words(columns.of(batch, part), columns.spellings[part]).cast(pa.large_string()) for part in name]
    both = pc.binary_join_element_wise(*text, pa.scalar(":", pa.large_string()))
    return None, *_coded(columns, both, None, title, at)


def _coded(columns, array, name, title, at):
    """Column and value of each category of an array: -1 for nulls, and for what is not among the categories."""
    strings, codes = encode.words(array, columns.spellings.get(name))
    if columns.one_hot:
        known = columns.categories[name].cast(strings.type)
        column = pc.fill_null(pc.index_in(strings, value_set=known), -1).to_numpy()
        column = np.where(column < 0, np.int32(-1), column + np.int32(at))
        sign = np.ones(len(column), columns.dtype)
    else:
        column, sign = hash_tokens(f"{title}=".encode(), *encode.text_buffers(strings), columns.n_hashed)
        column += np.int32(columns.hashed_at)
        sign = (sign if columns.alternate_sign else np.ones_like(sign)).astype(columns.dtype)
        if strings.null_count:
            column[strings.is_null().to_numpy(zero_copy_only=False)] = -1
    if codes is None:
        return column, sign
    return np.append(column, np.int32(-1))[codes], np.append(sign, columns.dtype.type(0))[codes]
