"""What is taken off the numbers of rows of CSR, so that columns which lie far from 0 are learnt from as well as others.

On CSR no rule moves a column to its mean as it goes, as on dense rows: from a year, all of whose values are near 2000, hardly
anything would be learnt. What is taken off changes the intercept of a model and none of its coefficients, so that a number near
the mean will do.
"""

from collections.abc import Iterable

import numpy as np

CENTER_ROWS = 10_000  # The means are of so many rows, from all over the data where these can be read in any order.
MIN_NONZERO_SHARE = 0.5  # Columns of which fewer values are not 0 stay as they are, and take no room for their zeros.
MIN_OFFSET = 0.1  # So do those whose mean is no more standard deviations than this from 0.


def centers_of(blocks: Iterable[np.ndarray], width: int) -> list[float]:
    """A round number near the mean of each column of some blocks of numbers, or 0."""
    found = [block.astype(np.float64) for block in blocks if len(block)]
    X = np.concatenate(found) if found else np.zeros((0, width))
    X = X[np.isfinite(X).all(axis=1)]
    if not len(X):
        return [0.0] * width
    mean, std = X.mean(axis=0), X.std(axis=0)
    far = (np.count_nonzero(X, axis=0) > MIN_NONZERO_SHARE * len(X)) & (abs(mean) > MIN_OFFSET * std)
    return [_rounded(m, s) if one else 0.0 for m, s, one in zip(mean.tolist(), std.tolist(), far, strict=True)]


def _rounded(mean: float, std: float) -> float:
    """The mean, to a tenth of the standard deviation; of a constant, itself."""
    if std <= abs(mean) * 1e-12:
        return mean
    return float(round(mean, 1 - int(np.floor(np.log10(std)))))
