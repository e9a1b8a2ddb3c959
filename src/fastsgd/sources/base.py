"""A source: rows that are read block by block, from wherever they are."""

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from fastsgd.sources.readers import Readers, in_order


class Rows(NamedTuple):
    """Rows that have been read.

    Attributes
    ----------
    X : C-ordered ndarray or CSR matrix of shape (n, n_features)
        float32 or float64, as `Source.dtype` says; CSR with int32 or int64 indices.
    y : (n,) or (n, n_targets) ndarray, or None
        Labels or targets, as they are in the data.
    weight : (n,) float64 ndarray, or None
    """

    X: np.ndarray | sp.csr_matrix
    y: np.ndarray | None = None
    weight: np.ndarray | None = None
    segment = None  # It is no field, so that Rows are (X, y, weight).


class LabelledRows(Rows):
    """Rows of which `segment` (n,) has the label of each one's segment, as it is in the data."""


def labelled_as(rows: Rows, other: Any) -> Rows:
    """These rows, with the labels that others have."""
    if other.segment is None:
        return rows
    new = rows if hasattr(rows, "__dict__") else LabelledRows(*rows)
    new.segment = other.segment
    return new


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Source:
    """Rows in place of X: ``est.fit(source)``.

    A new kind of source gives the attributes, and `read`, `pieces` and `made`, or `blocks`.

    Attributes
    ----------
    sparse : bool
        Whether rows are CSR.
    dtype : dtype
        float32 or float64, of the values.
    n_rows, n_features : int or None
        None where the format does not say; `survey` finds out. Blocks of CSR may be narrower.
    n_values : int or None
        Values in all rows of CSR, where that is known.
    feature_names : list of str, or None
    target_shape : tuple or None
        The shape of a row's y, where the format says so: () or (n_targets,).
    once : bool
        Whether rows can be read once only.
    n_blocks : int or None
        How many blocks can be read in any order; None where rows only come one after another.
    counted : list of int, or None
        Rows of each block, where a pass over y has told.
    n_counted : int or None
        How many blocks there are, of a source without n_blocks whose y, or X, has been read to its end.
    segmented : bool
        Whether the Rows of its blocks say of which segments they are.
    reuses : bool
        Whether X of a block may be overwritten when the next one is read; y and weight may not.
    sizes : list of int, or None
        Rows of each block, of a source whose `read(block, out)` puts X into the array `out` of that many rows, if it is dense.
    mapped : Rows or None
        All rows, of a source that has them in mapped memory: block i is then rows i * block_rows and following.
    reading : dict
        Keywords, of JSON values, with which other data of the same format become the same features.
    label_columns : dict
        What the columns of "target" and "weight" are called, of a table.
    decoding : float
        So many times the size of a block what it is made of takes, while it is made.
    divides : int
        Where several threads can make a block together, `made(piece, hands)`, the bytes that each beyond the first takes.
    max_memory, buffer_rows, readers
        See `buffered`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> from fastsgd.sources import Rows, Source
    >>> class Lines(Source):
    ...     dtype, n_rows, n_features, n_blocks = np.dtype(np.float64), 400, 1, 4
    ...     def read(self, block):
    ...         x = block + np.arange(100.0) / 100
    ...         return Rows(x[:, None], 2.0 * x)
    ...     def describe(self):
    ...         return {"lines": 4}
    >>> reg = SGDRegressor(learning_rate="auto", random_state=0).fit(Lines())
    >>> print(reg.coef_.round(2))
    [2.]
    """

    sparse = False
    dtype = np.dtype(np.float32)
    n_rows = n_features = n_values = n_blocks = feature_names = target_shape = None
    n_counted = counted = None
    once = reuses = segmented = False
    no_nan = "Remove such rows, or impute them."  # what an error about NaN says
    decoding, divides = 6.0, 0
    sizes = mapped = block_rows = None
    reading, label_columns, labels_read = {}, {}, None
    max_memory, buffer_rows, readers = 256 * 10**6, None, "auto"

    def __copy__(self):  # Else what a pickle leaves out would be left out here too.
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def buffered(
        self, max_memory: int | str = "256MB", buffer_rows: int | None = None, readers: int | str = "auto"
    ) -> Self:
        """The same source, with other bounds on what of it is in memory at once.

        Training draws the order of the blocks at random in each epoch, fills a buffer with many of them, and permutes its
        rows, while a thread reads the next buffer. The more of the data a buffer holds, the closer that is to a full
        shuffle: a tenth of it is enough where it holds ten blocks or more.

        Parameters
        ----------
        max_memory : int or str, default="256MB"
            Bytes, or a number with KB, MB, GB, KiB, MiB or GiB. A quarter is for the buffer in use, a quarter for the one that
            is being read, the rest for the block on its way to it and what reading it takes. `fit` reads a source that
            fits in one buffer once, and trains on arrays.
        buffer_rows : int or None, default=None
            Rows of a buffer at most, as far as max_memory allows.
        readers : int or "auto", default="auto"
            Threads that read blocks, decode them and hash their words; of files that can only be read from the start, one of
            them reads. "auto": as many as pay, which is measured on the way, within the cores of this process and half of
            max_memory. A number: so many, each of which takes several times the memory of a block. The result does not
            depend on it.

        Returns
        -------
        Source

        Raises
        ------
        ValueError
            One of them is not such a number, or not positive.
        """
        new = copy.copy(self)
        new.max_memory = _bytes(max_memory)
        for name, value, other in (("buffer_rows", buffer_rows, None), ("readers", readers, "auto")):
            if value != other and not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be an integer >= 1 or {other!r}, got {value!r}.")
        new.buffer_rows, new.readers = buffer_rows, readers
        return new

    def like(self, reading: Mapping[str, Any]) -> Self:
        """The same rows as the features that `reading` says: `Source.reading` of the data of a fit, `est.reading_`.

        Estimators ask for it. What was not given when the source was made is as in the reading.

        Parameters
        ----------
        reading : dict

        Returns
        -------
        Source

        Raises
        ------
        ValueError
            An argument that was given contradicts the reading, a column is not there, or is of another kind.
        """
        return self

    def with_segments(self, column: str) -> "Source":
        """The same rows; that column, which is then no feature, says of which segment each is. Estimators ask for it.

        Parameters
        ----------
        column : str

        Returns
        -------
        Source

        Raises
        ------
        ValueError
            It has no such column.
        """
        raise ValueError(
            f"segments={column!r} is the name of a column, and the columns of this source have none: those of from_parquet, "
            "from_arrow and from_csv have. Of rows in memory give the labels."
        )

    def warn(self) -> None:
        """Warn of what may be meant otherwise than it is read.

        An estimator asks for it where it learns how its data are read: in `fit`, and in the first call of `partial_fit`.
        """

    def warn_late(self) -> None:
        """Warn of what has been found since in the rows; asked for after each buffer of them."""

    def _bounded_as(self, other):
        """This source, with the bounds on memory of another."""
        self.max_memory, self.buffer_rows, self.readers = other.max_memory, other.buffer_rows, other.readers
        return self

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """(n_rows, n_features), as far as they are known."""
        return self.n_rows, self.n_features

    def read(self, block: int) -> Rows:
        """The rows of a block: at most some MB of them. Several threads may call it at once.

        Parameters
        ----------
        block : int
            From 0 to n_blocks - 1.

        Returns
        -------
        Rows
        """
        raise NotImplementedError

    def name(self, block: int) -> str:
        """What to call a block in errors, beside its number.

        Parameters
        ----------
        block : int
            From 0.

        Returns
        -------
        str
        """
        return ""

    def pieces(self) -> Iterable[Any] | None:
        """What `made` makes a block of, in order, read by one thread one after another.

        They are numbers, where `read` takes those. A source that gives whole `blocks` has none: these are made by one thread, as
        what a user's function yields must be.

        Returns
        -------
        iterable or None
        """
        return None if self.n_blocks is None else range(self.n_blocks)

    def made(self, piece: Any) -> Rows:
        """The rows of a piece. Several threads may call it at once.

        Parameters
        ----------
        piece : object
            One of `pieces`.

        Returns
        -------
        Rows
        """
        return self.read(piece)

    def blocks(self) -> Iterator[Rows]:
        """The rows of all blocks in order; each call begins anew.

        Returns
        -------
        iterator of Rows
        """
        readers = Readers.of(self)
        return self._to_the_end(in_order(self.maker(readers), self.pieces(), readers, apart=self.n_blocks is None))

    def maker(self, readers: Readers) -> Callable[[Any], Rows]:
        """`made`, by as many hands as these readers have for a block.

        Parameters
        ----------
        readers : Readers

        Returns
        -------
        callable
        """
        return (lambda piece: self.made(piece, readers.hands)) if self.divides else self.made

    def _to_the_end(self, blocks):
        yield from blocks
        self.warn_late()

    def targets(self) -> Iterator[tuple[NDArray[Any] | None, NDArray[Any] | None]]:
        """Targets and weights of all blocks in order; a source that can reads these alone.

        Returns
        -------
        iterator of (y, weight)
        """
        return ((rows.y, rows.weight) for rows in self.blocks())

    def survey(self) -> None:
        """Find n_rows and n_features where they are not known, in a pass over the blocks."""
        n = width = 0
        for number, rows in enumerate(self.blocks()):
            n, width = n + rows.X.shape[0], max(width, rows.X.shape[1])
            self.n_counted = number + 1
        self.n_rows, self.n_features = n, self.n_features or width

    def describe(self) -> dict[str, Any]:
        """What a checkpoint says of the data, to refuse others.

        What can differ is named as a user would: the files and their sizes, the columns, the options.

        Returns
        -------
        dict of str to JSON values
        """
        raise NotImplementedError


def checked_integer(name, value, most=2**31 - 1, optional=False):
    """The integer that an argument must be, from 1 to `most`, or None where it is optional; raises ValueError."""
    if optional and value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Integral) or not 1 <= value <= most:
        raise ValueError(f"{name} must be {'None or ' * optional}an integer from 1 to {most}, got {value!r}.")
    return int(value)


def checked_floats(dtype):
    """The dtype that features are to have; raises ValueError."""
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}.")
    return np.dtype(dtype)


def _bytes(size):
    """A number of bytes, of one or of words."""
    words = re.fullmatch(r"\s*([0-9.]+)\s*([KMG]?I?B?)\s*", size.upper()) if isinstance(size, str) else None
    if words and words[2] in UNITS and re.fullmatch(r"[0-9]+(\.[0-9]*)?", words[1]):
        size = float(words[1]) * UNITS[words[2]]
    if not (isinstance(size, Real) and not isinstance(size, bool) and 1 <= size < 2**62):
        raise ValueError(f"max_memory must be a number of bytes, or such a text as '256MB' or '2GiB', got {size!r}.")
    return int(size)
