"""Arrow's tables, files and streams. It imports pyarrow, and so is imported in functions alone."""

import os
import zlib
from functools import lru_cache

import pyarrow as pa
import pyarrow.ipc as ipc

from fastsgd.sources.encode import named
from fastsgd.sources.features.prose import SAMPLE_ROWS
from fastsgd.sources.files import files_of, from_row
from fastsgd.sources.reading import FORMATS
from fastsgd.sources.tables import TabularSource, row_bytes, rows_at_once, typed

ENDINGS = ".arrow", ".feather", ".ipc"


def source_of(data, options):
    """The source of what `from_arrow` was given."""
    if isinstance(data, str | os.PathLike | list | tuple):
        return FileSource(files_of(data, ENDINGS), options)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if not hasattr(data, "__arrow_c_stream__"):
        raise ValueError(
            f"data must be a path, a pyarrow Table or RecordBatchReader, or have __arrow_c_stream__, got {type(data).__name__}."
        )
    # What can be made an array is in memory; what can't, such as a query, may be larger.
    return TableSource(pa.table(data), options) if hasattr(data, "__array__") else StreamSource(data, options)


class TableSource(TabularSource):
    """A table in memory, read in slices."""

    def __init__(self, table, options):
        self.table, self.where = table, "the table"
        rows = table.num_rows
        self._columns(table.schema, self.where, options, self._first_rows)
        self.step = rows_at_once(self.columns, table)
        self.sizes = [min(self.step, rows - lo) for lo in range(0, rows, self.step)]
        self._finish(self.where, options)

    def _first_rows(self, names):
        """The first rows of those columns."""
        return self.table.select(names).slice(0, SAMPLE_ROWS)

    def again(self, options):
        return TableSource(self.table, options)

    def name(self, block):
        return from_row(self.where, block * self.step)

    def scan(self, names, block=None):
        part = self.table.select(names)
        part = part if block is None else part.slice(block * self.step, self.step)
        for batch in part.to_batches(max_chunksize=self.step):
            where = self.where if block is None else self.name(block)
            yield where, self.texts.read_typed(batch, where)

    def describe(self):
        sums = 0
        for block in {0, len(self.sizes) - 1} if self.sizes else ():
            X, y, weight = self.read(block)
            parts = [X.data, X.indices, X.indptr] if self.sparse else [X]
            for part in (*parts, y, weight):
                if part is not None:
                    sums = zlib.crc32(repr(part.tolist()).encode() if part.dtype.hasobject else part.tobytes(), sums)
        return {"format": "table", "rows": self.n_rows, "checksum": sums, **self.columns.describe()}


class StreamSource(TabularSource):
    """Record batches that come one after another; a RecordBatchReader once only."""

    def __init__(self, stream, options, used=None):
        self.stream, self.where = stream, "the stream"
        self.used = [] if used is None else used  # one for all sources of the stream
        self.once = isinstance(stream, pa.RecordBatchReader)
        written = [name for name in FORMATS if options.get(name) and options.get("kinds") is None]
        if written and self.once:
            raise ValueError(
                f"{written[0]}: the record batch reader can be read once, and so its text can't be looked at before: cast those "
                "columns, or give a table or files."
            )
        self._columns(self._reader().schema, self.where, options, *([self._first_rows] if written else []))
        self._finish(self.where, options)

    def _first_rows(self, names):
        """The first rows of those columns; None where there are none."""
        with named(self.where):
            return next((batch.select(names).slice(0, SAMPLE_ROWS) for batch in self._reader() if len(batch)), None)

    def again(self, options):
        return StreamSource(self.stream, options, self.used)

    def _reader(self):
        return self.stream if self.once else pa.RecordBatchReader.from_stream(self.stream)

    def scan(self, names, block=None):
        if self.once and self.used:
            raise ValueError(
                "the record batch reader can be read once, and it has been. Make a new one, or give a table or files."
            )
        self.used.append(True)
        return self._scan(names)

    def _scan(self, names):
        with named(self.where):
            reader = self._reader()
            row = 0
            for batch in reader:
                step, batch = rows_at_once(self.columns, batch), batch.select(names)
                for lo in range(0, len(batch), step):
                    where = from_row(self.where, row + lo)
                    yield where, self.texts.read_typed(batch.slice(lo, step), where)
                row += len(batch)

    def describe(self):
        return {"format": "stream", **self.columns.describe()}


@lru_cache(maxsize=32)
def _mapping(path, size, modified):
    """The file mapped to memory; the other arguments tell it from what it was before."""
    if size == 0:
        raise ValueError(f"{path} is empty.")
    return pa.memory_map(path)


def _opened(file, names=None):
    """A reader of its own, since one is not for several threads; of those columns."""
    mapped = _mapping(file.unchanged(), file.size, file.modified)
    if names is None:
        return ipc.open_file(mapped)
    fields = ipc.open_file(mapped).schema.names
    return ipc.open_file(
        mapped, options=ipc.IpcReadOptions(included_fields=[fields.index(n) for n in names], use_threads=False)
    )


def _schema(file):
    try:
        return _opened(file).schema
    except pa.ArrowInvalid as error:
        with open(file.path, "rb") as start:
            if start.read(4) != b"\xff\xff\xff\xff":  # with which a message of a stream begins
                raise
        how = "it is a stream: give pyarrow.ipc.open_stream(path), or write it as a file (pyarrow.ipc.new_file)"
        raise pa.ArrowInvalid(f"{error}; {how}") from error


@lru_cache(maxsize=16)
def _view(file, names, batch):
    """A batch whose values lie in the file as they are; made once for its slices."""
    return _opened(file, names).get_batch(batch)


class FileSource(TabularSource):
    """IPC files, mapped to memory: in slices of their batches, or, if these are compressed, batch by batch."""

    def __init__(self, files, options):
        self.files, schemas = files, []
        for file in files:
            with named(file.path):
                schemas.append(_schema(file))
        with named(files[0].path):
            schema = typed(schemas)
        self._columns(schema, files[0].path, options, self._first_rows)
        step = rows_at_once(self.columns, self._first_rows(self.columns.options.text_features))
        self.places, self.sizes = [], []  # of each block: file, batch, rows of that, whether the values lie in the file
        for number, (file, schema) in enumerate(zip(files, schemas, strict=True)):
            if number:
                self.columns.check(self.texts.retyped(schema), file.path)
            with named(file.path):
                rows = _batch_rows(file, schema)
                plain = bool(rows) and _lies_in_file(_opened(file, self.columns.needed).get_batch(0))
            for b, n in enumerate(rows):
                size = min(step, n) if plain else n
                for lo in range(0, n, max(1, size)):
                    self.places.append((number, b, slice(lo, min(lo + size, n)), plain))
                    self.sizes.append(min(size, n - lo))
        self._finish(self.files[0].path, options)

    def _first_rows(self, names):
        """The first rows of those columns, of the first file with rows; none if there are none."""
        for file in self.files if names else ():
            with named(file.path):
                reader = _opened(file, names)
                for b in range(reader.num_record_batches):
                    if len(batch := reader.get_batch(b)):
                        return batch.select(names).slice(0, SAMPLE_ROWS)
        return pa.table({name: [] for name in names})

    def again(self, options):
        return FileSource(self.files, options)

    def name(self, block):
        number, batch, rows, _ = self.places[block]
        return from_row(f"{self.files[number].path}, batch {batch}", rows.start)

    def scan(self, names, block=None):
        for b in range(len(self.places)) if block is None else [block]:
            number, batch, rows, plain = self.places[b]
            file = self.files[number]
            with named(self.name(b)):
                file.unchanged()
                whole = _view(file, tuple(names), batch) if plain else _opened(file, names).get_batch(batch)
                part = whole[rows]
                part.validate(full=True)
            yield self.name(b), self.texts.read_typed(part, self.name(b))

    def describe(self):
        return {"format": "arrow", "files": [file.describe() for file in self.files], **self.columns.describe()}


def _batch_rows(file, schema):
    """The rows of each batch. To say so, Arrow has to read a column: one that has few bytes."""
    narrow = min(schema.names, key=lambda name: row_bytes(schema.field(name).type))
    reader = _opened(file, [narrow])
    return [reader.get_batch(b).num_rows for b in range(reader.num_record_batches)]


def _lies_in_file(batch):
    buffers = [buffer for array in batch.columns for buffer in array.buffers() if buffer is not None]
    return all(buffer.parent is not None for buffer in buffers)


def raw_batches(paths, given):
    """(schema, batches) of the first file, as it is."""
    file = files_of(paths, ENDINGS)[0]
    with named(file.path):
        reader = _opened(file)
        return _schema(file), map(reader.get_batch, range(reader.num_record_batches))
