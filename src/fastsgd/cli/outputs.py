"""What the command writes: whole files, and never over one that it reads."""

import os
from contextlib import suppress
from itertools import chain

from fastsgd.cli.errors import NotUnderstood
from fastsgd.persist import disk
from fastsgd.sources.files import files_of


def check_places(written, read):
    """Whether each file can be written, is another one than those that are read, and another than the rest.

    Parameters
    ----------
    written : dict of str to (str or None)
        Flag to path.
    read : dict of str to list of str
        Flag or word to paths, folders and patterns.

    Raises
    ------
    ValueError
        No file can be written there.
    NotUnderstood
        It would take the place of one that is read, through whatever name or link, or of another one that is written.
    """
    found = {}
    for flag, path in written.items():
        if path is None:
            continue
        try:
            disk.place(path)
        except OSError as error:
            raise ValueError(f"{flag}: no file can be written to {path}: {error}") from None
        other, _ = found.setdefault(_identity(path), (flag, path))
        if other != flag:
            raise NotUnderstood(f"{flag}: {path} is the file of {other} too. Name another one.")
    if not any(os.path.exists(path) for _, path in found.values()):
        return
    for what, paths in read.items():
        for path in chain.from_iterable(map(_files, paths)):
            if _identity(path) in found:
                flag, itself = found[_identity(path)]
                raise NotUnderstood(f"{flag}: {itself} is read here ({what}), and would be lost. Name another file.")


def _files(path):
    """The files that a path, folder or pattern means; none where there are none, which is said when they are opened."""
    with suppress(ValueError, OSError):
        return [file.path for file in files_of(path)]
    return []


def _identity(path):
    """The same for two names of one file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino
