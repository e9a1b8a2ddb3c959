"""What a checkpoint says of the data, so that it goes on with no others."""

import zlib

import numpy as np

# Of an X up to WHOLE_BYTES all counts; of a larger one, PIECES pieces which have as much together.
WHOLE_BYTES, PIECES = 1 << 28, 256


def describe(table, X="X", y="y", weight="sample_weight"):
    """Sizes, kinds and checksums of a table, by what they are of: a dict of str to JSON values."""
    if hasattr(table, "describe"):  # of rows that are not in memory
        return _describe_stream(table, X)
    n, d = table.X.shape
    found = {
        f"the number of rows of {X}": n,
        f"the number of columns of {X}": d,
        f"the dtype of {X}": table.X.dtype.name,
        f"the layout of {X}": "CSR" if table.sparse else "dense",
    }
    if table.sparse:
        found[f"the number of values of {X}"] = int(table.X.nnz)
    sums = {
        X: _checksum(table.X, WHOLE_BYTES),
        y: _checksum(table.code if table.y is None else table.y),
        weight: _checksum(table.s),
        "the rows that are trained on": _checksum(table.rows),
    }
    return found | {f"the checksum of {name}": value for name, value in sums.items()}


def _describe_stream(stream, X):
    """What its source says of itself, and the bounds of its buffers, from which the order of the rows follows."""
    try:
        return {f"{what} of {X}": value for what, value in stream.describe().items()}
    except NotImplementedError:
        kind = type(stream.source).__name__
        raise ValueError(f"{kind} needs a method describe: a checkpoint could not tell its data from others.") from None


def _checksum(a, whole=np.inf):
    """CRC-32 of the numbers of an array or CSR matrix, whatever its strides, in hexadecimal; None for None."""
    if a is None:
        return None
    found, csr = 0, hasattr(a, "indptr")
    for lo, hi in _pieces(a, whole):
        for part in _rows_of(a, lo, hi) if csr else (a[lo:hi],):
            found = zlib.crc32(np.ascontiguousarray(part).reshape(-1).view(np.uint8), found)
    return f"{found:08x}"


def _rows_of(a, lo, hi):
    ends = np.asarray(a.indptr[lo : hi + 1], np.int64)
    inside = slice(ends[0], ends[-1])
    return ends, np.asarray(a.indices[inside], np.int64), a.data[inside]


def _pieces(a, whole):
    """Bounds of runs of rows: all of them, or evenly spaced ones of so many bytes together."""
    n = a.shape[0]
    size = a.data.nbytes * 2 if hasattr(a, "indptr") else a.nbytes
    rows = max(1, int(n * (WHOLE_BYTES / PIECES) / max(1, size)))
    starts = range(0, n, rows) if size <= whole else np.linspace(0, n - rows, PIECES).astype(int).tolist()
    return [(lo, min(n, lo + rows)) for lo in starts]
