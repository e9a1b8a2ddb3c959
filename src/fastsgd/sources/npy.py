"""Memory-mapped .npy files."""

import numpy as np

from fastsgd.sources.base import Rows, Source
from fastsgd.sources.files import described, files_of, from_row
from fastsgd.sources.hints import Paths

BLOCK_BYTES = 1 << 22  # X is read this much at a time, so that a disk reads at its full rate.


class Npy(Source):
    """See `from_npy`."""

    def __init__(self, X, y=None, weight=None):
        self._paths = {"X": _listed(X), "y": _listed(y), "weight": _listed(weight)}
        for name in ("y", "weight"):
            if self._paths[name] and len(self._paths[name]) != len(self._paths["X"]):
                raise ValueError(
                    f"{name}_path names {len(self._paths[name])} files, X_path {len(self._paths['X'])}: one for each."
                )
        self._map()

    def _map(self):
        """Map the files, and see what is in them."""
        self._X = [_mapped(path, "X_path", (2,)) for path in self._paths["X"]]
        self._y = [_mapped(path, "y_path", (1, 2)) for path in self._paths["y"]] or [None] * len(self._X)
        self._weight = [_mapped(path, "weight_path", (1,)) for path in self._paths["weight"]] or [None] * len(self._X)
        self._check()
        self.dtype = np.dtype(np.float32 if all(X.dtype == np.float32 for X in self._X) else np.float64)
        self.n_rows, self.n_features = sum(map(len, self._X)), self._X[0].shape[1]
        self.block_rows = max(1, BLOCK_BYTES // max(1, self.n_features * self.dtype.itemsize))
        self._blocks = [(k, lo) for k, X in enumerate(self._X) for lo in range(0, len(X), self.block_rows)]
        self.n_blocks = len(self._blocks)
        X = self._X[0]
        if len(self._X) == 1 and X.dtype == self.dtype and X.flags.c_contiguous and X.flags.aligned:
            self.mapped = Rows(X, self._y[0], self._weight[0])

    def __getstate__(self):  # The paths go along, and not what is in the files.
        return {name: value for name, value in vars(self).items() if name not in ("_X", "_y", "_weight", "mapped")}

    def __setstate__(self, state):
        vars(self).update(state)
        self._map()

    def _check(self):
        for k, X in enumerate(self._X):
            path = self._paths["X"][k]
            if X.dtype.kind not in "fiub":
                raise ValueError(f"{path} must hold real numbers, found dtype {X.dtype}.")
            if X.shape[1] != self._X[0].shape[1]:
                raise ValueError(f"{path} has {X.shape[1]} columns, {self._paths['X'][0]} has {self._X[0].shape[1]}.")
            for name, part in (("y", self._y[k]), ("weight", self._weight[k])):
                if part is not None and len(part) != len(X):
                    raise ValueError(f"{self._paths[name][k]} has {len(part)} rows, {path} has {len(X)}.")

    def read(self, block):
        k, lo = self._blocks[block]
        X = self._X[k][lo : lo + self.block_rows]
        return Rows(np.ascontiguousarray(X, self.dtype), *self._labels(block))

    def name(self, block):
        k, lo = self._blocks[block]
        return from_row(", ".join(paths[k] for paths in self._paths.values() if paths), lo)

    def targets(self):
        return map(self._labels, range(self.n_blocks))

    def _labels(self, block):
        k, lo = self._blocks[block]
        part = slice(lo, lo + self.block_rows)
        return tuple(None if a is None else np.asarray(a[part]) for a in (self._y[k], self._weight[k]))

    def describe(self):
        files = {name: [described(path) for path in paths] for name, paths in self._paths.items()}
        return {"source": "from_npy", "files": files, "rows": self.n_rows, "features": self.n_features}


def _listed(paths):
    return [] if paths is None else [file.path for file in files_of(paths, (".npy",))]


def _mapped(path, name, dimensions):
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # A damaged header may raise errors of Python's parser, mmap or zipfile.
        raise ValueError(f"{name}: {path} is not a .npy file that can be mapped ({error}).") from error
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{name}: {path} is an archive of arrays (.npz), not a .npy file.")
    if found.ndim not in dimensions:
        raise ValueError(
            f"{name}: {path} has the shape {found.shape}, {' or '.join(map(str, dimensions))} dimensions are needed."
        )
    return found


def from_npy(X_path: Paths, y_path: Paths | None = None, weight_path: Paths | None = None) -> Source:
    """A source of .npy files, which are mapped into memory and read from there, without a copy where X is one file.

    Parameters
    ----------
    X_path : path or list of paths
        Files with an array of shape (n, n_features); or folders or patterns such as ``"X-*.npy"``, of which the files are taken
        in the order of their names. C-ordered float32 or float64 is read as it lies; all else is converted to float64 block
        by block.
    y_path : path or list of paths, default=None
        As many, in the same order, of shape (n,) or (n, n_targets).
    weight_path : path or list of paths, default=None
        One for each, of shape (n,).

    Returns
    -------
    Source

    Raises
    ------
    ValueError
        Not such files; other numbers of rows or columns.
    OSError
        A file can't be opened.

    Notes
    -----
    The files must not be cut while they are in use: to read from a mapped page that is gone ends the process.
    Pages of the files that are in memory belong to the system, which takes them back when memory is short; tools that
    measure a process may count them. Where X is one file, a number a row (the class, or the target) is in memory beside it.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from fastsgd import SGDClassifier, sources
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "X.npy", np.array([[-1.0], [1.0], [2.0], [-2.0]]))
    >>> np.save(folder / "y.npy", np.array(["no", "yes", "yes", "no"]))
    >>> source = sources.from_npy(folder / "X.npy", folder / "y.npy")
    >>> SGDClassifier(random_state=0).fit(source).predict(source).tolist()
    ['no', 'yes', 'yes', 'no']
    """
    return Npy(X_path, y_path, weight_path)
