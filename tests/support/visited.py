"""The rows that a kernel meets, in its order."""

import numpy as np

from fastsgd.sources.arrays import START


def visited(table, seed=0, epoch=0, shuffle=True, start=START, heads=1):
    """Row numbers in the order in which a kernel meets them; the first value of each row is its number."""
    rows = []
    for part, (listed, visit, first, m, buffer), _ in table.chunks(
        np.dtype(np.float64), heads, shuffle, seed, epoch, start
    ):
        listed = np.arange(first, first + m) if listed is None else listed
        place = np.arange(m) if visit is None else visit + np.arange(m) // buffer * buffer
        first_column = part.X[:, [0]].toarray() if part.sparse else part.X
        rows.append(np.asarray(first_column)[listed[place], 0])
    return np.concatenate(rows).astype(int)
