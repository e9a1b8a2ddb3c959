"""What users put into `callbacks` so that a fit writes checkpoints; `keeper.py` writes them."""

import os
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any


@dataclass
class Checkpoint:
    """Write what a fit has done so far to a file, again and again, so that it can go on from there.

    To be put in `callbacks` of SGDClassifier, SGDRegressor or SGDOneClassSVM. ``fit(X, y, resume_from=path)`` then goes on
    where the file was written, be it in the middle of an epoch, and ends with the same coefficients, bit for bit, as a fit
    that was never stopped. See docs/checkpoints.md.

    Parameters
    ----------
    path : str or path-like
        The one before is kept as path + ".previous". One fit at a time may have this path.
    every_seconds : float or None, default=60
        Written after so much time, and when the fit ends or is interrupted by Ctrl-C.
    every_rows : int or None, default=None
        Also after so many rows, counted over the epochs. What comes due waits for the end of a kernel call, of up to
        65,536 rows.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from fastsgd import Checkpoint, SGDRegressor
    >>> X = np.arange(6.0).reshape(-1, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "run")
    ...     reg = SGDRegressor(max_iter=5, tol=None, random_state=0, callbacks=[Checkpoint(path)])
    ...     short = reg.fit(X, X.ravel()).coef_
    ...     long = reg.set_params(max_iter=10).fit(X, X.ravel(), resume_from=path).coef_
    >>> bool(long == SGDRegressor(max_iter=10, tol=None, random_state=0).fit(X, X.ravel()).coef_)
    True
    """

    path: str | os.PathLike
    every_seconds: float | None = 60
    every_rows: int | None = None

    def __post_init__(self):
        if not isinstance(self.path, (str, os.PathLike)):
            raise ValueError(f"Checkpoint: path must be a str or path-like, got {self.path!r}.")
        seconds, rows = self.every_seconds, self.every_rows
        if not (seconds is None or (isinstance(seconds, Real) and seconds >= 0)):
            raise ValueError(f"Checkpoint: every_seconds must be a number >= 0 or None, got {seconds!r}.")
        if not (rows is None or (isinstance(rows, Integral) and rows >= 1)):
            raise ValueError(f"Checkpoint: every_rows must be an integer >= 1 or None, got {rows!r}.")
        if seconds is None and rows is None:
            raise ValueError("Checkpoint: every_seconds and every_rows must not both be None.")

    def same_path(self, other: Any) -> bool:
        """Whether a path is that of this checkpoint.

        Parameters
        ----------
        other : str or path-like

        Returns
        -------
        bool
        """
        return os.path.realpath(self.path) == os.path.realpath(other)
