"""svmlight text, also called libsvm: a row is ``label index:value index:value ...``."""

import copy
import os
import re
import threading
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import DTypeLike

from fastsgd.sources import _svmlight
from fastsgd.sources.base import Rows, Source, checked_floats, checked_integer
from fastsgd.sources.files import decompressed, files_of
from fastsgd.sources.hints import Paths
from fastsgd.sources.readers import Readers, in_order
from fastsgd.sources.reading import contradiction
from fastsgd.sources.telling import tell

BOM = b"\xef\xbb\xbf"
LINE_BYTES = 1 << 28  # A longer line is no svmlight, and would be all in memory.
FIRST_READ_BYTES = 1 << 16  # Beyond a block, this much is read at first for the end of its last line.
MAX_FEATURES = 10**18  # An index has at most 18 digits.
SURVEYING = threading.Lock()

EXPECTED = {
    "no_label": "a label is expected first, one finite number",
    "labels": "one label is expected; rows with several are not supported",
    "no_qid": "a whole number is expected after qid:",
    "no_index": "index:value is expected, or a comment that begins with #",
    "long_index": "an index has at most 18 digits",
    "no_value": "a finite number is expected after the colon",
    "too_large": "it overflows {dtype}",
    "twice": "this index is in the row already",
    "zero": "indices are counted from 1 (zero_based=False)",
    "beyond": "n_features={n_features}, so that indices end at {last}",
}


class Piece(NamedTuple):
    """Whole lines of a file: number `key[1]` of file `key[0]`, with a newline at its end."""

    key: tuple
    path: str
    text: bytes | memoryview
    lines_before: Callable


class Svmlight(Source):
    """See `from_svmlight`."""

    sparse = True

    def __init__(self, paths, n_features, zero_based, dtype, on_error, block_bytes):
        n_features = checked_integer("n_features", n_features, MAX_FEATURES, optional=True)
        if not (isinstance(zero_based, (bool, np.bool_)) or (isinstance(zero_based, str) and zero_based == "auto")):
            raise ValueError(f"zero_based must be True, False or 'auto', got {zero_based!r}.")
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
        self.dtype, self._block_bytes = checked_floats(dtype), checked_integer("block_bytes", block_bytes, LINE_BYTES)
        self._files = files_of(paths)
        self._given, self._zero_based, self._on_error = n_features, zero_based, on_error
        self._base = None if isinstance(zero_based, str) else int(not zero_based)
        self.n_features = self._given
        counts = [-(-file.size // self._block_bytes) for file in self._files]
        self._ends = np.cumsum(counts)
        self.n_blocks = None if any(file.codec for file in self._files) else int(self._ends[-1])
        self._n_pieces = self.n_blocks  # None until it is known
        self._left_out = {}  # of each piece that was read, the number of lines left out
        self._first = {}  # of each piece with such lines, where the first is and what is wrong with it
        self._warned = False

    @property
    def skipped(self):
        """Lines left out by ``on_error="skip"``, of all that was read so far; each counts once, however often it was read."""
        return sum(list(self._left_out.values()))

    @property
    def reading(self):
        self._know()
        return {"n_features": self.n_features, "zero_based": self._base == 0, "dtype": self.dtype.name}

    def like(self, reading):
        """Indices counted from where they were, and as many features."""
        if "zero_based" not in reading:
            return self
        base, n = int(not reading["zero_based"]), reading["n_features"]
        if not isinstance(self._zero_based, str) and self._base != base:
            raise contradiction("zero_based", not self._base, not base)
        if (self._given or 0) > n:
            raise contradiction("n_features", self._given, n)
        if self._base == base and self.n_features is not None and (self.n_features <= n or self._given is not None):
            return self
        new = copy.copy(self)
        vars(new).update(_zero_based=base == 0, _base=base, _given=n, n_features=n, n_rows=None, n_values=None)
        return new

    def survey(self):
        """Go over all lines to find `n_rows`, `n_features`, and whether indices are counted from 0, where that is not known."""
        while self._base is None or self.n_rows is None:
            for _ in self._scan():
                pass

    def read(self, block):
        self._know()
        if not 0 <= block < self.n_blocks:
            raise IndexError(f"block must be in [0, {self.n_blocks}), got {block}.")
        rows = self.made(block)
        self.warn_late()
        return rows

    def pieces(self):
        self._know()
        return self._pieces()

    def made(self, piece):
        self._know()
        return self._rows(self._text(piece))

    def targets(self):
        """y of all blocks in order. Afterwards `n_rows` and `n_features` are known."""
        if self._base is None and self._given is not None:
            self._know()  # which rows there are depends on it
        return ((y, None) for y in self._scan())

    def describe(self):
        return {
            "source": "from_svmlight",
            "files": [file.describe() for file in self._files],
            "n_features": self._given,
            "zero_based": self._zero_based,
            "dtype": str(self.dtype),
            "on_error": self._on_error,
            "block_bytes": self._block_bytes,
        }

    def _know(self):
        """What rows can't be made without."""
        if self._base is None or self.n_features is None:
            with SURVEYING:
                self.survey()

    def _scan(self):
        """y, block by block; then what was seen is kept."""
        rows, values, least, largest, unknown = 0, 0, -1, -1, self._base is None
        base = 0 if unknown else self._base
        limit = MAX_FEATURES if self._given is None else self._given + unknown

        def look(piece):
            y, (data, *_), low, high = self._parsed(self._text(piece), base, limit, np.int64)
            return y, len(data), low, high

        def size(seen):
            return seen[0].nbytes + seen[1] * (self.dtype.itemsize + 8), len(seen[0])

        for y, n, low, high in in_order(look, self._pieces(), Readers.of(self), size, apart=self.n_blocks is None):
            yield y
            rows, values, largest = rows + len(y), values + n, max(largest, high)
            least = low if least < 0 else min(least, low) if low >= 0 else least
        self.warn_late()
        if unknown:
            self._base = int(least != 0)
            if self._base == 0 and largest == self._given:
                return  # it took the last index for one counted from 1: `survey` goes over it again
        if self._given is None:
            self.n_features = max(0, largest + 1 - (unknown and self._base))
        self.n_rows, self.n_values = rows, values

    def _rows(self, piece):
        wide = max(self.n_features, len(piece.text)) > np.iinfo(np.int32).max
        y, (data, indices, indptr), *_ = self._parsed(
            piece, self._base, self.n_features, np.int64 if wide else np.int32
        )
        X = sp.csr_matrix((len(y), self.n_features), dtype=self.dtype)
        X.data, X.indices, X.indptr = data, indices, indptr
        X.has_canonical_format = True
        return Rows(X, y)

    def _parsed(self, piece, base, limit, index_dtype):
        """(y, CSR arrays, least index, largest)."""
        skip = self._on_error == "skip"
        *found, left_out, fault = _svmlight.parse(piece.text, base, limit, skip, self.dtype, np.dtype(index_dtype))
        self._left_out[piece.key] = left_out
        if fault is not None:
            line, words = self._fault(piece, *fault)
            if not skip:
                raise ValueError(f"{piece.path}:{piece.lines_before() + line}:{words}")
            self._first[piece.key] = piece.path, piece.lines_before, line, words
        return found

    def _fault(self, piece, name, line, start, byte, place):
        """The number of a line in its piece, from 1, and "column: what was found; what is expected"."""
        text = bytes(piece.text[start:])
        text = text[: text.index(b"\n")]
        if name == "twice":
            byte = [token.start() for token in re.finditer(rb"(?<![^ \t])[0-9]+:", text)][place]
        token = re.match(rb"[^ \t#]*", text[byte:].removesuffix(b"\r"))[0]
        shown = repr((token if len(token) <= 40 else token[:37] + b"...").decode("utf-8", "backslashreplace"))
        values = f"{self.dtype}; dtype=np.float64 holds more" if self.dtype == np.float32 else str(self.dtype)
        expected = EXPECTED[name].format(
            dtype="float64, in which labels are" if self._is_label(text, byte) else values,
            n_features=self._given,
            last=(self._given or 0) - (self._base == 0),
        )
        return line + 1, f"{byte + 1}: found {shown if token else 'nothing'}; {expected}."

    @staticmethod
    def _is_label(text, byte):
        return not text[:byte].strip(b" \t")

    def warn_late(self):
        """Say once how many lines were left out, when all have been read."""
        if self._warned or not self.skipped or len(self._left_out) != self._n_pieces:
            return
        self._warned = True
        path, lines_before, line, words = self._first[min(self._first)]
        tell(
            f"{self.skipped} malformed lines were left out (on_error='skip'). The first: "
            f"{path}:{lines_before() + line}:{words}"
        )

    def _pieces(self):
        """Numbers of blocks where these can be read in any order; else Pieces."""
        if self.n_blocks is not None:
            yield from range(self.n_blocks)
            return
        n = 0
        for number, file in enumerate(self._files):
            plain = (self._piece(number, k) for k in range(-(-file.size // self._block_bytes)))
            for piece in self._decompressed(number) if file.codec else plain:
                yield piece
                n += 1
        self._n_pieces = n

    def _text(self, piece):
        """The Piece that is meant by a number, or is one."""
        if isinstance(piece, Piece):
            return piece
        file = int(np.searchsorted(self._ends, piece, side="right"))
        return self._piece(file, piece - (int(self._ends[file - 1]) if file else 0))

    def _piece(self, number, k):
        """The lines of a plain file that start in [k, k + 1) times block_bytes."""
        file = self._files[number]
        lo, hi = k * self._block_bytes, min((k + 1) * self._block_bytes, file.size)
        origin = max(0, lo - 1)  # with the newline before the first line, if there is one
        with open(file.path, "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != file.size:
                raise ValueError(f"{file.path} has changed: it had {file.size} bytes, and has {size}.")
            stream.seek(origin)
            text = stream.read(hi - origin + FIRST_READ_BYTES)
            start = (len(BOM) if text.startswith(BOM) else 0) if k == 0 else text.find(b"\n", 0, hi - 1 - origin) + 1
            before = partial(_newlines, file.path, origin + start)
            if k and not start:
                return Piece((number, k), file.path, b"", before)
            parts, stop = [text], text.find(b"\n", hi - 1 - origin) + 1
            if not stop:
                above = partial(_newlines, file.path, origin + len(text))
                parts += _rest_of_line(stream, self._block_bytes, file.path, above)
                text = b"".join(parts)
                stop = len(text)
        return Piece((number, k), file.path, memoryview(text)[start:stop], before)

    def _decompressed(self, number):
        """Pieces of a compressed file, one after another."""
        file, lines, rest = self._files[number], 0, []
        with decompressed(file) as read:
            first = b""
            while len(first) < len(BOM) and (more := read(self._block_bytes)):
                first += more
            texts = chain([first.removeprefix(BOM)], iter(lambda: read(self._block_bytes), b""))
            for k, text in enumerate(chain(texts, [b"\n"])):  # the last line may lack it
                stop = text.rfind(b"\n") + 1
                if stop:
                    whole = b"".join([*rest, memoryview(text)[:stop]])
                    yield Piece((number, k), file.path, whole, lambda lines=lines: lines)
                    lines, rest = lines + _svmlight.newlines(whole), []
                rest.append(text[stop:])
                _check_length(sum(map(len, rest)), file.path, lambda lines=lines: lines)


def _newlines(path, end):
    """How many there are in the first bytes of a file."""
    n = 0
    with open(path, "rb") as stream:
        while end > 0 and (text := stream.read(min(end, 1 << 22))):
            n, end = n + _svmlight.newlines(text), end - len(text)
    return n


def _rest_of_line(stream, size, path, lines_before):
    """Texts up to the next newline; at the end of the file, it is made."""
    length = 0
    while text := stream.read(max(size, FIRST_READ_BYTES)):
        stop = text.find(b"\n") + 1
        yield text[: stop or len(text)]
        if stop:
            return
        length += len(text)
        _check_length(length, path, lines_before)
    yield b"\n"


def _check_length(length, path, lines_before):
    if length > LINE_BYTES:
        raise ValueError(
            f"{path}:{lines_before() + 1}:1: found a line of more than {LINE_BYTES} bytes; svmlight is expected, a row a line."
        )


def from_svmlight(
    paths: Paths,
    *,
    n_features: int | None = None,
    zero_based: bool | str = "auto",
    dtype: DTypeLike = np.float32,
    on_error: str = "raise",
    block_bytes: int = 1 << 22,
) -> Source:
    """A source of the rows in svmlight (libsvm) text.

    A line is ``label index:value index:value ... # comment``. Labels and values are decimal numbers, read as `float` reads
    them and then rounded to the dtype. Indices may come in any order. Blank lines, comments, a ``qid:N`` after the label, a
    byte order mark, and ``\\r\\n`` at the ends of lines are passed over. Files may be compressed by gzip, bzip2 or zstd,
    which their first bytes tell; that needs pyarrow.

    Plain files are read in blocks, in any order and by several threads. Compressed ones can only be read from the start, so
    that their rows are shuffled within a buffer alone.

    Parameters
    ----------
    paths : str, path-like, or list of these
        Files; folders, whose files are taken by name, without those that begin with a dot or an underscore; or patterns
        such as ``"day_*.txt"``.
    n_features : int or None, default=None
        None: as many as the largest index needs. An estimator's weights are as long, so that one index of 2147483647 asks
        for 8 to 16 GB there, though not here.
    zero_based : {"auto", True, False}, default="auto"
        Whether indices are counted from 0. "auto": if there is an index 0 anywhere. Unless both this and n_features are
        given, all lines are gone over once to find out, before the first block is read.
    dtype : float32 or float64, default=float32
        Of the values. Labels are float64.
    on_error : {"raise", "skip"}, default="raise"
        What to do with a line that is not as above: raise a ValueError, or leave it out. The attribute `skipped` is the
        number of lines that were left out, and a warning names it and the first of them when all were read.
    block_bytes : int, default=4194304
        Text of a block.

    Returns
    -------
    Source
        Its rows are CSR, with int32 indices, or int64 where n_features needs it. Beyond those of every source:
        `skipped`, and `survey()`, which goes over all lines so that n_rows and n_features are known.

    Raises
    ------
    ValueError
        From here: an argument is none of the above. From reading: a malformed line, "FILE:LINE:COLUMN: what was found; what
        is expected", where the column counts bytes from 1; a line of more than 256 MB; a file that changed in size since;
        damaged compression.
    FileNotFoundError
        A path names no file.

    Examples
    --------
    >>> import os, tempfile
    >>> from fastsgd.sources import from_svmlight
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "train.txt")
    ...     with open(path, "w") as file:
    ...         _ = file.write("1 1:0.5 3:2  # a comment\\n-1 qid:7 2:25e-2\\n")
    ...     rows = from_svmlight(path).read(0)
    >>> rows.X.toarray()
    array([[0.5 , 0.  , 2.  ],
           [0.  , 0.25, 0.  ]], dtype=float32)
    >>> rows.y
    array([ 1., -1.])
    """
    return Svmlight(paths, n_features, zero_based, dtype, on_error, block_bytes)
