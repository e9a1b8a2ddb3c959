"""Parquet files, a row group at a time. It imports pyarrow, and so is imported in functions alone."""

import os
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fastsgd.sources._footer import row_groups
from fastsgd.sources.columns import Columns
from fastsgd.sources.encode import named
from fastsgd.sources.files import files_of
from fastsgd.sources.tables import TabularSource, row_bytes

RELEASE = (
    8  # row groups: Arrow's pool keeps what it had, 30 MB and more; to let go of it each time costs a fifth of reading
)
MAGIC = b"PAR1"
NO_GROUP, ONE_GROUP = b"\x0c", b"\x1c"  # heads of lists of that many structs
BATCH_BYTES, BATCH_ROWS = 1 << 24, (1024, 65536)  # decoded at once: so much, but no fewer or more rows than these


class Footer(NamedTuple):
    """Where in a file the parts of its footer are, so that the objects of one row group alone are in memory.

    Attributes
    ----------
    begin, listed, end : int
        The first byte, that of the list of row groups, and the first after the footer.
    starts : int64 array
        Of each row group, and the end of the last.
    rows : int64 array
    """

    begin: int
    listed: int
    end: int
    starts: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, path):
        with open(path, "rb") as file:
            end = file.seek(0, os.SEEK_END) - 8
            file.seek(max(0, end))
            tail = file.read(8)
            begin = end - int.from_bytes(tail[:4], "little")
            if tail[4:] != MAGIC or begin < len(MAGIC):
                pq.read_metadata(path)  # which says what is wrong
                raise ValueError(f"{path} is not a Parquet file that can be read.")
            file.seek(begin)
            text = file.read(end - begin)
        try:
            listed, starts, rows = row_groups(text)
        except ValueError as error:
            raise ValueError(f"{path} can't be read: its footer is malformed, {error}.") from None
        return cls(begin, begin + listed, end, begin + starts, rows)

    def metadata(self, path, group=None):
        """As pyarrow reads it of a file that has this row group, or none."""
        spans = [(self.begin, self.listed), (self.starts[-1], self.end)]
        if group is not None:
            spans.insert(1, (self.starts[group], self.starts[group + 1]))
        with open(path, "rb") as file:
            parts = [file.read(hi - file.seek(lo)) for lo, hi in spans]
        parts.insert(1, NO_GROUP if group is None else ONE_GROUP)
        text = b"".join(parts)
        return pq.read_metadata(pa.BufferReader(MAGIC + text + len(text).to_bytes(4, "little") + MAGIC))


class ParquetSource(TabularSource):
    """The row groups of some files: see `from_parquet`."""

    def __init__(self, paths, options):
        self.files = files_of(paths, (".parquet", ".parq", ".pq"))
        self.places, self.sizes, self.footers, schema = [], [], [], None  # of each block: file, row group
        for number, file in enumerate(self.files):
            with named(file.path):
                footer = Footer.of(file.unchanged())
                own = footer.metadata(file.path).schema.to_arrow_schema()
            groups = footer.rows.tolist()
            self.footers.append(footer)
            self.places += [(number, g) for g, rows in enumerate(groups) if rows]
            self.sizes += [rows for rows in groups if rows]
            if schema is None:
                schema = own
                self.columns = Columns(schema, file.path, **options)
            else:
                self.columns.check(own, file.path)
        self._settle(self.files[0].path)

    def name(self, block):
        number, group = self.places[block]
        return f"{self.files[number].path}, row group {group}"

    def scan(self, names, block=None):
        for b in range(len(self.places)) if block is None else [block]:
            number, group = self.places[b]
            with named(self.name(b)):
                yield from ((self.name(b), batch) for batch in self._batches(number, group, names))

    def _batches(self, number, group, names):
        width = sum(row_bytes(self.columns.schema.field(name).type) for name in names)
        rows = int(np.clip(BATCH_BYTES // max(1, width), *BATCH_ROWS))
        path = self.files[number].unchanged()
        metadata = self.footers[number].metadata(path, group)
        words = self._words(metadata, names)
        with pq.ParquetFile(path, metadata=metadata, read_dictionary=words, pre_buffer=False) as parquet:
            yield from parquet.iter_batches(rows, row_groups=[0], columns=names, use_threads=False)
        if group % RELEASE == 0:
            pa.default_memory_pool().release_unused()

    def _words(self, metadata, names):
        """Paths of the columns of strings and of lists of them: as dictionaries they are read, and hashed, in a third of the
        time."""
        found = [name for name in names if self.columns.types[name] in ("string", "large_string")]
        lists = tuple(f"{name}." for name in names if self.columns.kinds[name] == "tokens")
        leaves = map(metadata.schema.column, range(metadata.num_columns if lists else 0))
        return found + [
            leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY" and leaf.path.startswith(lists)
        ]

    def describe(self):
        return {"format": "parquet", "files": [file.describe() for file in self.files], **self.columns.describe()}
