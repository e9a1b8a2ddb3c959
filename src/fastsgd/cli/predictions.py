"""Predictions as rows of a table, beside columns of the data, and the files and lines that they become."""

import csv
import io
import sys
from itertools import chain
from pathlib import Path

import numpy as np

from fastsgd.cli.data import Format
from fastsgd.cli.errors import NotUnderstood
from fastsgd.cli.tables import table_writer
from fastsgd.persist import disk
from fastsgd.sources import predict_batches
from fastsgd.sources.rules import offer

COLUMN = {"predict": "prediction", "predict_proba": "probability", "decision_function": "decision"}


class Predictions:
    """What a model gives for the rows of a source, block by block.

    Parameters
    ----------
    est : fitted estimator
    source : Source
    method : str
    ids : list of str
        Columns of the data that stand before the predictions, as they are there.
    threshold : float or None
        Of two classes: the second one is predicted from this probability (without probabilities, this decision) on.

    Attributes
    ----------
    some : bool
        Whether it is an error that there are no rows.
    """

    def __init__(self, est, source, method, ids=(), threshold=None):
        if not hasattr(est, method):
            raise ValueError(f"--method: a model with loss={est.loss!r} has no {method}.")
        if threshold is not None and (method != "predict" or len(getattr(est, "classes_", ())) != 2):
            raise ValueError("--threshold is for predictions of two classes: leave it out.")
        self.est, self.source, self.method, self.threshold = est, source, method, threshold
        self.ids, self.some = list(dict.fromkeys(ids)), False
        self._beside = _Beside(source, self.ids) if self.ids else None

    def __iter__(self):
        """(columns of the data or None, values (n,) or (n, k)) of each block."""
        labels, rows = getattr(self.est, "classes_", None), 0
        if labels is not None and labels.dtype == object:
            labels = labels.astype(str)
        for part in self._parts():
            rows += len(part)
            if self.threshold is not None:
                scores = part if part.ndim == 1 else part[:, 1]
                part = labels[(scores >= self.threshold).astype(int)]
            elif part.dtype == object:
                part = part.astype(labels.dtype)
            yield self._beside and self._beside.take(len(part)), part
        if self.some and not rows:
            raise ValueError("the source has no rows.")

    def _parts(self):
        method = self.method
        if self.threshold is not None:
            method = "predict_proba" if hasattr(self.est, "predict_proba") else "decision_function"
        return predict_batches(self.est, self.source, method)

    def names(self, width):
        """A name for each column: those of the data, and of what is predicted."""
        name, own = COLUMN[self.method], [COLUMN[self.method]]
        if width > 1:
            labels = self.est.classes_ if hasattr(self.est, "classes_") else range(width)
            own = [f"{name}_{label}" for label in labels]
        if twice := sorted(set(self.ids) & set(own)):
            raise ValueError(f"--id {twice[0]}: that is what the prediction is called. Rename the column of the data.")
        return [*self.ids, *own]

    def lines(self):
        """(names, rows as lists) of each block."""
        for beside, part in self:
            values = part.reshape(len(part), -1).tolist()
            names = self.names(len(values[0]))
            if beside is not None:
                columns = [column.to_pylist() for column in beside.columns]
                values = [[*row, *own] for row, own in zip(zip(*columns, strict=True), values, strict=True)]
            yield names, values


class _Beside:
    """Columns of a table that are not read for the model, row after row: a second reader beside that of the features."""

    def __init__(self, source, names):
        schema = getattr(getattr(source, "columns", None), "schema", None)
        if schema is None:
            raise ValueError(
                "--id names a column of a table: Parquet, Arrow and CSV files have some, these files have none."
            )
        for name in names:
            if name not in schema.names:
                raise ValueError(f"--id: there is no column {name!r}; it has {offer(name, schema.names)}")
        self.batches, self.waiting, self.rows = _batches(source, names), [], 0

    def take(self, n):
        """The next n rows, as a pyarrow Table."""
        import pyarrow as pa

        while self.rows < n:
            batch = next(self.batches)
            self.waiting.append(batch)
            self.rows += len(batch)
        whole = pa.Table.from_batches(self.waiting)
        self.waiting, self.rows = whole.slice(n).to_batches(), self.rows - n
        return whole.slice(0, n)


def _batches(source, names):
    """Record batches of those columns of all rows: of CSV files the text as it stands there."""
    import pyarrow as pa

    from fastsgd.sources.csv import CsvSource

    if isinstance(source, CsvSource):
        for file in source.text.files:
            with source.text.opened(file, dict.fromkeys(names, pa.string()), names) as reader:
                yield from reader
        return
    for _, batch in source.scan(names):
        columns = [batch.column(name) for name in names]  # A file has them in an order of its own.
        plain = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in columns]
        yield pa.RecordBatch.from_arrays(plain, names=names)


# ---------------------------------------------------------------- where they go
def check_ending(path, ids):
    """That the ending says what is to be written, and that this can be."""
    ending = _ending(path)
    if ending not in WRITERS:
        raise NotUnderstood(f"--output: {path} must end in {', '.join(WRITERS)}, which says what is written.")
    if ending == ".parquet":
        import pyarrow.parquet  # noqa: F401, it says that it is missing before the rows are read
    if ending == ".npy" and ids:
        raise NotUnderstood("--id: a .npy file has no columns of the data. Take .csv or .parquet, or leave --id out.")


def _ending(path):
    return Path(path).suffix.lower()


def write(path, found, header=None):
    """Predictions in a file, which is there when all of them are."""
    found.some = True
    with disk.replacing(disk.place(path)) as file:
        WRITERS[_ending(path)](file, found, header)


def to_stdout(found, header=None):
    """A line for each row; of several columns it is CSV with a header, unless `header` says otherwise."""
    first = True
    for names, rows in found.lines():
        if header is None:
            header = len(names) > 1
        if header or len(names) > 1:
            sys.stdout.write(_text([names, *rows] if header and first else rows))
        else:
            sys.stdout.write("".join(f"{row[0]}\n" for row in rows))
        first = False


def _text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _npy(file, found, header):
    """The header is as long for any number of rows, and written again when that is known."""

    def head(rows):
        shape = {"shape": (rows, *part.shape[1:]), "fortran_order": False, "descr": part.dtype.str}
        np.lib.format.write_array_header_1_0(file, shape)

    rows = 0
    for _, part in found:
        if not rows:
            head(0)
        file.write(np.ascontiguousarray(part))
        rows += len(part)
    file.seek(0)
    head(rows)


def _csv(file, found, header):
    first = header is not False
    for names, rows in found.lines():
        file.write(_text([names, *rows] if first else rows).encode())
        first = False


def _parquet(file, found, header):
    import pyarrow as pa

    def tables():
        for beside, part in found:
            columns = part.reshape(len(part), -1)
            arrays = [] if beside is None else list(beside.columns)
            yield pa.table([*arrays, *map(pa.array, columns.T)], names=found.names(columns.shape[1]))

    given = tables()
    first = next(given)
    with table_writer(file, first.schema, Format.parquet) as write_tables:
        write_tables(chain([first], given))


WRITERS = {".npy": _npy, ".csv": _csv, ".parquet": _parquet}
