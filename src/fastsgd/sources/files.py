"""Paths of files, and whether they are still what they were."""

import glob
import os
import re
import stat
import zlib
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

END_BYTES = 1 << 16
# A compressed file begins with these bytes.
CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bz2"}


class File:
    """A file as it was when the source was made.

    Attributes
    ----------
    path : str
    base : str
        The folder that was given, or that of the file or pattern, as far as it has no `*`.
    size, modified : int
        Bytes; nanoseconds since 1970.
    codec : str or None
        What it is compressed by, as its first bytes say.
    """

    def __init__(self, path, base):
        self.path, self.base = path, base
        if not stat.S_ISREG(os.stat(self.path).st_mode):  # a pipe says that it has no bytes
            raise ValueError(
                f"{self.path} is not a file on disk, which can be read more than once: write it to one first."
            )
        self.size, self.modified = self._now()

    @cached_property
    def codec(self):
        with open(self.path, "rb") as stream:
            start = stream.read(4)
        return next((codec for magic, codec in CODECS.items() if start.startswith(magic)), None)

    def _now(self):
        now = os.stat(self.path)
        return now.st_size, now.st_mtime_ns

    def unchanged(self):
        """The path.

        Raises
        ------
        ValueError
            The file has another size or time of change than it had.
        """
        if self._now() != (self.size, self.modified):
            raise ValueError(f"{self.path} has changed since the source was made. Make the source anew.")
        return self.path

    def describe(self):
        return described(self.path)


def described(path):
    """What tells a file from others, and not from a copy of it: name, size, and the CRC-32 of its first and last bytes."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        crc = zlib.crc32(file.read(END_BYTES))
        file.seek(max(0, size - END_BYTES))
        crc = zlib.crc32(file.read(END_BYTES), crc)
    return {"name": os.path.basename(path), "size": size, "crc32 of its ends": crc}


def from_row(where, row):
    """What to call the rows from that one on, in errors."""
    return f"{where}, from row {row}" if row else where


def files_of(paths, endings=("",)):
    """The files that are meant by a path, a folder, a pattern with * or ?, or a list of these.

    Parameters
    ----------
    paths : str, path or list of them
        A pattern means the files that match; where none does, the folders.
    endings : tuple of str, default=("",)
        Which files of a folder are taken, in it and in those below, but for names that start with "." or "_".

    Returns
    -------
    list of File
        Each folder and pattern in the order of the names.

    Raises
    ------
    ValueError
        Nothing matches.
    FileNotFoundError
    """
    found = []
    if not isinstance(paths, str | os.PathLike | list | tuple):
        raise ValueError(f"paths must be a path or a list of paths, found {type(paths).__name__}.")
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        if not isinstance(path, str | os.PathLike):
            raise ValueError(f"paths must be a path or a list of paths, found {type(path).__name__}.")
        name = os.fspath(path)
        base = name if os.path.isdir(name) else os.path.dirname(name)
        if not os.path.exists(name) and glob.has_magic(name):
            base = os.path.dirname(re.split(r"[*?[]", name)[0])
            matched = sorted(glob.glob(name, recursive=True))
            some = [match for match in matched if os.path.isfile(match)]
            some = some or [file for match in matched for file in _in_folder(match, endings)]
        else:
            some = _in_folder(name, endings)
        if not some:
            raise ValueError(f"paths: there are no files{' ' if endings[0] else ''}{' or '.join(endings)} in {name!r}.")
        found += [File(file, base) for file in some]
    if not found:
        raise ValueError("paths: the list is empty.")
    return found


def _in_folder(name, endings):
    """The files of those endings in a folder; of a file, itself."""
    if not os.path.isdir(name):
        return [name]
    some = [p for p in Path(name).rglob("*") if p.name.endswith(endings) and p.is_file()]
    return sorted(os.fspath(p) for p in some if not any(part[0] in "._" for part in p.relative_to(name).parts))


@contextmanager
def decompressed(file):
    """The function that reads this many decompressed bytes of a file, which has a path and a codec."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise ImportError(f"{file.path} is {file.codec}, which needs pyarrow: pip install pyarrow") from error

    def read(size):
        try:
            return stream.read(size)
        except (OSError, pa.ArrowException) as error:
            raise ValueError(f"{file.path}: its {file.codec} data are damaged or end too early ({error}).") from error

    with pa.input_stream(file.path, compression=file.codec) as stream:
        yield read
