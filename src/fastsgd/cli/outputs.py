"""What the command writes: whole files, and never over one that it reads."""

import csv
import io
import os
from contextlib import suppress
from itertools import chain
from pathlib import Path

import numpy as np

from fastsgd.cli.data import Format
from fastsgd.cli.errors import NotUnderstood
from fastsgd.cli.tables import table_writer
from fastsgd.persist import disk
from fastsgd.sources import predict_batches
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


# ---------------------------------------------------------------- predictions
COLUMN = {"predict": "prediction", "predict_proba": "probability", "decision_function": "decision"}


def check_ending(path):
    """That the ending says what is to be written, and that this can be."""
    if _ending(path) not in WRITERS:
        raise NotUnderstood(f"--output: {path} must end in {', '.join(WRITERS)}, which says what is written.")
    if _ending(path) == ".parquet":
        import pyarrow.parquet  # noqa: F401, it says that it is missing before the rows are read


def _ending(path):
    return Path(path).suffix.lower()


def write_predictions(path, est, source, method):
    """Predictions in a file, which is there when all of them are."""
    with disk.replacing(disk.place(path)) as file:
        WRITERS[_ending(path)](file, _parts(est, source, method), lambda width: _names(est, method, width))


def _parts(est, source, method):
    """Predictions block by block, at least one."""
    rows = 0
    for part in predict_batches(est, source, method):
        rows += len(part)
        yield part.astype(str) if part.dtype == object else part
    if not rows:
        raise ValueError("the source has no rows.")


def _names(est, method, width):
    """A name for each column of what a method gives."""
    name = COLUMN[method]
    if width == 1:
        return [name]
    labels = est.classes_ if hasattr(est, "classes_") else range(width)
    return [f"{name}_{label}" for label in labels]


def _npy(file, parts, names):
    found = np.concatenate(list(parts))  # np.save calls a full disk "3000 requested and 72 written"
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(found))
    file.write(found)


def _csv(file, parts, names):
    header = None
    for part in parts:
        lines = part.reshape(len(part), -1).tolist()
        header, before = names(len(lines[0])), header
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines if before else [header, *lines])
        file.write(text.getvalue().encode())


def _parquet(file, parts, names):
    import pyarrow as pa

    def tables():
        for part in parts:
            columns = part.reshape(len(part), -1)
            yield pa.table([pa.array(column) for column in columns.T], names=names(columns.shape[1]))

    given = tables()
    first = next(given)
    with table_writer(file, first.schema, Format.parquet) as write:
        write(chain([first], given))


WRITERS = {".npy": _npy, ".csv": _csv, ".parquet": _parquet}
