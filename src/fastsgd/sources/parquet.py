"""Parquet files, a row group at a time. It imports pyarrow, and so is imported in functions alone."""

from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastsgd.sources.encode import named
from fastsgd.sources.features.options import SPELLINGS
from fastsgd.sources.features.prose import SAMPLE_ROWS
from fastsgd.sources.files import files_of
from fastsgd.sources.hive import constants, with_keys
from fastsgd.sources.tables import TabularSource, typed

ENDINGS = ".parquet", ".parq", ".pq"
# Arrow's pool keeps what it had, 30 MB and more. To let go of that takes a fifth of the time of reading a row group: it is done
# whenever so many bytes were decoded.
RELEASE_BYTES = 1 << 27
FOOTER_BYTES = 1 << 22  # The footers of files are kept up to this size; as objects they take several times as much.
BATCH_BYTES, BATCH_ROWS = 1 << 24, (1024, 65536)  # About this much is decoded at once, within these bounds of rows.
COLUMN_BYTES = 1 << 20  # Columns of this much together are decoded at once, where all rows of a row group are.
WHOLE_SIZES = 1.25  # `decoding` of such row groups: measured.


class Footers:
    """What is said of files at their ends, as it was read last."""

    def __init__(self):
        self.kept, self.size, self.lock = {}, 0, Lock()

    def of(self, file):
        """That of a file, which must be what it was."""
        key = file.unchanged(), file.size, file.modified
        with self.lock:
            found = self.kept.pop(key, None)
            if found is not None:
                self.kept[key] = found  # It is the last one to be let go of.
                return found
        found = pq.read_metadata(file.path)
        with self.lock:
            if self.kept.setdefault(key, found) is found:
                self.size += found.serialized_size
            while self.size > FOOTER_BYTES and len(self.kept) > 1:
                self.size -= self.kept.pop(next(iter(self.kept))).serialized_size
        return found


FOOTERS = Footers()


def source_of(paths, options):
    """The source of what `from_parquet` was given."""
    return ParquetSource(files_of(paths, ENDINGS), options)


class ParquetSource(TabularSource):
    """The row groups of some files: see `from_parquet`."""

    decoded = 0  # bytes, since Arrow let go of its memory

    def __init__(self, files, options):
        self.files, self.places, self.sizes, schemas = files, [], [], []  # a place: file, row group
        for number, file in enumerate(files):
            with named(file.path):
                metadata = self._metadata(file)
                groups = [metadata.row_group(g).num_rows for g in range(metadata.num_row_groups)]
                schemas.append(metadata.schema.to_arrow_schema())
            self.places += [(number, g) for g, rows in enumerate(groups) if rows]
            self.sizes += [rows for rows in groups if rows]
        kinds = options.get("kinds")
        words = [name for name, kind in kinds.items() if kind in SPELLINGS] if isinstance(kinds, dict) else ()
        with named(files[0].path):
            schema = typed(schemas)
        schema, self.keys = with_keys(files, schema, _asked(options), words)
        self._columns(schema, files[0].path, options, self._first_rows)
        for file, own, keys in zip(files[1:], schemas[1:], self.keys[1:], strict=True):
            own = pa.schema([*own, *map(schema.field, keys)]) if keys else own
            self.columns.check(self.texts.retyped(own), file.path)
        self._finish(files[0].path, options)
        if self.sizes and self._whole(int(np.argmax(self.sizes))):
            self.decoding = WHOLE_SIZES
        elif self.sparse:
            self.divides = 2 * BATCH_BYTES

    def _whole(self, block):
        """Whether all rows of a row group are decoded at once."""
        number, group = self.places[block]
        names = [name for name in self.columns.needed if name not in self.keys[number]]
        size = sum(_sizes(self._metadata(self.files[number]), group, names))
        return _rows_at_once(self.sizes[block], size) == self.sizes[block]

    def again(self, options):
        return ParquetSource(self.files, options)

    def _metadata(self, file):
        return FOOTERS.of(file)

    def name(self, block):
        number, group = self.places[block]
        return f"{self.files[number].path}, row group {group}"

    def scan(self, names, block=None):
        for b in range(len(self.places)) if block is None else [block]:
            yield from self.scan_first(names, b)

    def scan_first(self, names, block, rows=None):
        with named(self.name(block)):
            for batch in self._batches(*self.places[block], names, rows):
                yield self.name(block), self.texts.read_typed(batch, self.name(block))

    def _first_rows(self, names):
        """The first rows of the columns whose values may be texts, being long; None if there are none."""
        names = [name for name in names if name not in self.keys[0]]
        if not self.places or not names:
            return None
        number, group = self.places[0]
        file = self.files[number]
        with named(self.name(0)), pq.ParquetFile(file.path, metadata=self._metadata(file), pre_buffer=False) as parquet:
            return next(parquet.iter_batches(SAMPLE_ROWS, row_groups=[group], columns=names, use_threads=False))

    def _batches(self, number, group, names, at_once=None):
        """Record batches of a row group; where there are keys, of what is stored and of these."""
        file, keys = self.files[number], self.keys[number]
        stored = [name for name in names if name not in keys]
        if not stored:
            rows = self._metadata(file).row_group(group).num_rows
            yield constants(keys, names, None, rows)
            return
        for batch in self._stored(file, group, stored, at_once):
            yield constants(keys, names, batch, len(batch)) if len(stored) < len(names) else batch

    def _stored(self, file, group, names, at_once):
        """Record batches of what a row group stores; of `at_once` rows, or of as many as is best for speed."""
        metadata = self._metadata(file)
        words, sizes = self._words(metadata, names), _sizes(metadata, group, names)
        n = metadata.row_group(group).num_rows
        rows = at_once or _rows_at_once(n, sum(sizes))
        with pq.ParquetFile(file.path, metadata=metadata, read_dictionary=words, pre_buffer=False) as parquet:
            if rows < n:
                yield from parquet.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)
            else:  # What decoding takes beside the values, several times as much, is then that of some columns.
                columns = {}
                for some in _some_at_once(names, sizes):
                    table = parquet.read_row_group(group, columns=some, use_threads=False)
                    columns |= zip(table.column_names, table.columns, strict=True)
                yield from pa.table(columns).to_batches()
        self.decoded += sum(sizes)  # of which threads may lose some
        if self.decoded > RELEASE_BYTES:
            self.decoded = 0
            pa.default_memory_pool().release_unused()

    def _words(self, metadata, names):
        """Paths of the columns of strings and of lists of them: as dictionaries they are read, and hashed, in a third of the
        time."""
        types = self.columns.schema
        found = [name for name in names if str(types.field(name).type) in ("string", "large_string")]
        found = [name for name in found if self.columns.kinds.get(name) != "words"]
        lists = tuple(f"{name}." for name in names if self.columns.kinds.get(name) == "tokens")
        leaves = map(metadata.schema.column, range(metadata.num_columns if lists else 0))
        return found + [
            leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path.startswith(lists)
        ]

    def describe(self):
        files = [
            file.describe() | {name: value.as_py() for name, value in keys.items()}
            for file, keys in zip(self.files, self.keys, strict=True)
        ]
        return {"format": "parquet", "files": files, **self.columns.describe()}


def _sizes(metadata, group, names):
    """The bytes that these columns of a row group take when they are decoded."""
    found, chunks = dict.fromkeys(names, 0), metadata.row_group(group)
    for leaf in range(chunks.num_columns):
        chunk = chunks.column(leaf)
        name = chunk.path_in_schema
        while name not in found and "." in name:  # A leaf of a list is called by the path to it.
            name = name.rpartition(".")[0]
        if name in found:
            found[name] += chunk.num_values * (8 if chunk.physical_type in ("INT64", "DOUBLE") else 4)
            found[name] += chunk.total_uncompressed_size if chunk.physical_type == "BYTE_ARRAY" else 0
    return list(found.values())


def _rows_at_once(n, size):
    """Rows of each batch of n that have this size: all of them, or as many in each. A batch has a dictionary of its own, in which
    all of that of the row group is looked up anew."""
    batches = max(round(size / BATCH_BYTES), -(-n // BATCH_ROWS[1]), 1)
    return max(-(-n // batches), min(n, BATCH_ROWS[0]))


def _some_at_once(names, sizes):
    """The names in order, in lists of COLUMN_BYTES of these sizes or a little more."""
    some, size = [], 0
    for name, own in zip(names, sizes, strict=True):
        some.append(name)
        size += own
        if size >= COLUMN_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _asked(options):
    """The columns that are named, for certain."""
    asked = [options.get(name) for name in ("columns", "target", "weight", "segment")]
    return [
        name for names in asked for name in ([names] if isinstance(names, str) or not np.iterable(names) else names)
    ]


def raw_batches(paths, given):
    """(schema, batches) of the first file, as it is."""
    file = files_of(paths, ENDINGS)[0]
    with named(file.path):
        parquet = pq.ParquetFile(file.path)
        return parquet.schema_arrow, parquet.iter_batches()
