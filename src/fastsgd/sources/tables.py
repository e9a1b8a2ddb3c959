"""What sources of record batches have in common. It imports pyarrow, and so is imported in functions alone."""

from itertools import count

import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.base import Source
from fastsgd.sources.rows import joined, labelled, placed, rows_of

BLOCK_BYTES = 1 << 22  # rows that are read at once where the format leaves the choice


class TabularSource(Source):
    """A source of record batches. A new one sets `columns`, `sizes` (rows of each block) if blocks can be read in any
    order, gives `scan`, and ends its constructor with `_settle`."""

    def scan(self, names, block=None):
        """(where, record batch) of those columns, of one block or of all in order."""
        raise NotImplementedError

    def _in_turn(self, names):
        """As `scan` of all rows, which come in order only; what each part is called is kept for `name`."""

        def kept(number, part):
            self._places[number] = part[0]
            return part

        return map(kept, count(), self.scan(names))

    def name(self, block):
        return self._places.get(block, "")

    def _settle(self, where):
        self._places = {}  # of the blocks of a source without `sizes`
        if self.columns.learnable:
            if self.once:
                raise ValueError(
                    f"{where} can be read once only, so that {self.columns.learnable} must be known before: give categories "
                    "or n_features, or set categorical='hash'."
                )
            self.columns.learn(self.scan(self.columns.learnable))
        self.columns.settle(where)
        for name in ("sparse", "dtype", "n_features", "feature_names"):
            setattr(self, name, getattr(self.columns, name))
        if self.columns.targets:
            self.target_shape = () if isinstance(self.columns.target, str) else (len(self.columns.targets),)
        self.reading = self.columns.reading()
        self.categories = {name: found.to_pylist() for name, found in self.columns.categories.items()}
        if self.sizes is not None:
            self.n_blocks, self.n_rows = len(self.sizes), int(sum(self.sizes))

    def read(self, block, out=None):
        return rows_of(self.columns, self.scan(self.columns.needed, block), self.sizes[block], self.name(block), out)

    def blocks(self):
        if self.n_blocks is not None:
            return super().blocks()
        return (rows_of(self.columns, [part]) for part in self._in_turn(self.columns.needed))

    def targets(self):
        labels = self.columns.labels
        if self.n_blocks is None:
            return (labelled(self.columns, *part) for part in self._in_turn(labels or self.columns.needed[:1]))
        if not labels:
            return ((None, None) for _ in range(self.n_blocks))
        return (
            tuple(joined([labelled(self.columns, *part) for part in placed(self.scan(labels, block))]))
            for block in range(self.n_blocks)
        )


def rows_at_once(schema, names, most=65536):
    """Rows of those columns in BLOCK_BYTES."""
    size = sum(row_bytes(schema.field(name).type) for name in names)
    return int(min(max(BLOCK_BYTES // max(1, size), 1), most))


def row_bytes(dtype):
    """About how many bytes a value of that type has as features."""
    return 4 * dtype.list_size if pa.types.is_fixed_size_list(dtype) else 4 if encode.kind_of(dtype) == "number" else 16
