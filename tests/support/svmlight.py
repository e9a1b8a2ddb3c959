"""Texts in svmlight format, and what they hold."""

import numpy as np
import scipy.sparse as sp

from fastsgd.sources import from_svmlight


def made(folder, text, name="rows.txt"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def together(source):
    """(X, y) of all blocks."""
    blocks = list(source.blocks())
    return sp.vstack([rows.X for rows in blocks], "csr"), np.concatenate([rows.y for rows in blocks])


def same(X, other):
    assert X.shape == other.shape and X.dtype == other.dtype
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(X, name), getattr(other, name))


def read(folder, text, **options):
    return together(from_svmlight(made(folder, text), **options))
