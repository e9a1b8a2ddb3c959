"""What sources of record batches have in common. It imports pyarrow, and so is imported in functions alone."""

import numpy as np
import pyarrow as pa

from fastsgd.sources import encode
from fastsgd.sources.base import Source
from fastsgd.sources.column_survey import SURVEY_ROWS, survey
from fastsgd.sources.features.centers import CENTER_ROWS, centers_of
from fastsgd.sources.features.columns import Columns
from fastsgd.sources.features.missing import FILLING, Missing
from fastsgd.sources.features.options import OPTIONS, OWN
from fastsgd.sources.features.part import Batch
from fastsgd.sources.readers import Readers, in_order
from fastsgd.sources.reading import merged
from fastsgd.sources.rows import dense_of, joined, labelled, placed, rows_of
from fastsgd.sources.telling import tell
from fastsgd.sources.typed_texts import TypedTexts

MAX_SAMPLE_BLOCKS = 8  # A sample of rows is of this many blocks.
BLOCK_BYTES = 1 << 22  # Rows of this size are read at once where the format leaves the choice.


class TabularSource(Source):
    """A source of record batches. A new one sets `columns`, `sizes` (rows of each block) if blocks can be read in any
    order, gives `scan`, and ends its constructor, of what is read and the options, with `_finish`."""

    odd = None  # the error about columns of words that are meant as numbers
    read_as = None  # the reading to which it was brought
    no_nan = f"Set fill_null='mean' {FILLING}"
    _surveyed = None

    def _columns(self, schema, where, options, first_rows=lambda names: None):
        """Set `columns` and `texts`: those of this schema, and how text is read that says numbers or dates."""
        self.texts = TypedTexts(schema, options, first_rows)
        self.columns = Columns(self.texts.retyped(schema), where, first_rows, **options)
        self.odd = self.texts.error_of_features(self.columns, where, first_rows)

    def again(self, options):
        """A source of the same data with other options."""
        raise NotImplementedError

    def with_segments(self, column):
        if self.columns.segment == column:
            return self
        options = self.options | {"segment": column}
        if options.get("columns") is not None:
            options["columns"] = [name for name in options["columns"] if name != column]
        return self.again(options)._bounded_as(self)

    def like(self, reading):
        if "columns" not in reading:  # it was no table
            return self
        if self.read_as == reading or (all(self.reading.get(k) == reading.get(k) for k in OPTIONS)):
            return self
        options = merged(reading, self.options, self.columns.booleans)
        options = {name: value for name, value in options.items() if name in (*OPTIONS, "segment")}
        options.setdefault("kinds", OWN)
        try:
            new = self.again(options)._bounded_as(self)
        except ValueError as error:
            raise ValueError(f"the source can't be read as the data of fit were. {error}") from error
        new.read_as = reading
        return new

    @property
    def columns_(self):
        """What is in each column, of SURVEY_ROWS rows: a ColumnSurvey. It is looked at once."""
        if self._surveyed is None:
            self._surveyed = self.survey_columns()
        return self._surveyed

    def survey_columns(self, rows=SURVEY_ROWS):
        """What is in each column, and what training makes of it.

        Parameters
        ----------
        rows : int or None, default=100000
            How many rows to look at, of blocks all over the data where these can be read in any order, else the first ones.
            None looks at all.

        Returns
        -------
        ColumnSurvey

        Raises
        ------
        ValueError
            The rows can be read once only.
        """
        if self.once:
            raise ValueError("the rows can be read once only, so that they can't be looked at before.")
        found = survey(self.columns.schema, self._sample(rows), self.columns)
        ended = self.n_blocks is None and (rows is None or found.n_rows < rows)
        return found.of_all() if ended or found.n_rows == self.n_rows else found

    def encoder(self):
        """What a row becomes, one at a time: a function of a dict of columns, or of a sequence of cells, to (features, values).

        Returns
        -------
        Encoder
        """
        from fastsgd.sources.features.encoder import Encoder

        return Encoder(self.columns)

    def _sample(self, rows, names=None):
        """Record batches of so many rows, or of all, with these columns, or all."""
        names = self.columns.schema.names if names is None else names
        blocks = [None]
        if self.n_blocks is not None:
            taken = self.n_blocks if rows is None else min(self.n_blocks, MAX_SAMPLE_BLOCKS)
            blocks = np.linspace(0, self.n_blocks - 1, taken).astype(int).tolist()
        for left, block in zip(range(len(blocks), 0, -1), blocks, strict=True):
            share = None if rows is None else -(-rows // left)
            for _, batch in self.scan(names, block) if share is None else self.scan_first(names, block, share):
                batch = batch if share is None else batch.slice(0, share)
                yield batch
                if rows is not None:
                    share, rows = share - len(batch), rows - len(batch)
                    if share <= 0:
                        break

    def scan_first(self, names, block, rows):
        """As `scan`, where the first so many rows will do."""
        return self.scan(names, block)

    def _in_turn(self, parts):
        """These (where, batch) of all rows, which come in order only; what each is called is kept for `name`."""

        number = -1
        for number, part in enumerate(parts):
            self._places[number] = part[0]
            yield part
        self._n_pieces = number + 1

    def name(self, block):
        return self._places.get(block, "")

    def _all_batches(self, names):
        """The (where, batch) of all rows, read by as many threads as pay."""
        if self.sizes is None:
            yield from self.scan(names)
            return

        def size(found):
            return sum(batch.nbytes for _, batch in found), sum(len(batch) for _, batch in found)

        def of(block):
            return list(self.scan(names, block))

        for found in in_order(of, range(len(self.sizes)), Readers.of(self), size):
            yield from found

    def _finish(self, where, options):
        self.options = options
        self._places = {}  # of the blocks of a source without `sizes`
        self._left_out, self._n_pieces, self._told = {}, None, False
        if self.columns.learnable:
            if self.once:
                raise ValueError(
                    f"{where} can be read once only, so that {self.columns.learnable} must be known before: "
                    f"{self.columns.in_place_of_learning()}."
                )
            names = dict.fromkeys([*self.columns.learnable, *self.columns.must_have])
            self.columns.learn(self._all_batches(list(names)))
        self.columns.assign_places(where)
        if self.sizes is not None:
            if self.columns.must_have:
                self.sizes = self._sizes_kept()
            self.n_blocks, self.n_rows = len(self.sizes), int(sum(self.sizes))
        if self.columns.options.center is True and self.columns.sparse and self.columns.n_dense:
            self.columns.centers = self._centers(where)
        for name in ("sparse", "dtype", "n_features", "feature_names"):
            setattr(self, name, getattr(self.columns, name))
        if self.columns.targets:
            self.target_shape = () if isinstance(self.columns.target, str) else (len(self.columns.targets),)
        self.reading, self.segmented = self.columns.reading(), self.columns.segment is not None
        self.reading |= self.texts.reading()
        called = {"target": self.columns.target, "weight": self.columns.weight}
        self.label_columns = {
            name: one if isinstance(one, str) else list(one) for name, one in called.items() if one is not None
        }
        self.categories = self.columns.categories

    def _centers(self, where):
        """What is to be taken off each number, from a sample of the rows."""
        if self.once:
            raise ValueError(
                f"{where} can be read once only, so that its means are not known before: leave out center."
            )
        numbers = [name for part in self.columns.parts if part.dense for name in (c.name for c in part.columns)]
        names = list(dict.fromkeys([*numbers, *self.columns.must_have]))
        batches = (self.columns.kept(batch) for batch in self._sample(CENTER_ROWS, names))
        try:
            return centers_of((dense_of(self.columns, Batch(where, batch)) for batch in batches), self.columns.n_dense)
        except Missing:  # These rows can't be trained on, which is said then, of all columns.
            return None

    def check_sense(self):
        """Raise ValueError where columns are read as words that are meant as numbers or dates."""
        if self.odd is not None:
            raise self.odd

    def warn(self):
        self.check_sense()
        for column in self.columns.columns.values():
            if column.remark:
                tell(column.remark)

    def _sizes_kept(self):
        """The rows of each block that have a target."""
        names = self.columns.must_have

        def of(block):
            return sum(len(self.columns.kept(batch)) for _, batch in self.scan(names, block))

        kept = list(in_order(of, range(len(self.sizes)), Readers(), lambda n: (0, n)))
        self._left_out, self._n_pieces = dict(enumerate(np.subtract(self.sizes, kept).tolist())), len(kept)
        return kept

    @property
    def n_left_out(self):
        """How many rows without a target were left out; None while that is not known."""
        return sum(self._left_out.values()) if len(self._left_out) == self._n_pieces else None

    def _keep(self, part):
        """A (where, batch) but for the rows that are left out, which are counted."""
        where, batch = part
        kept = self.columns.kept(batch)
        self._left_out[where] = len(batch) - len(kept)
        return where, kept

    def warn_late(self):
        if self.columns.must_have and not self._told and (n := self.n_left_out):
            self._told = True
            tell(f"{n} rows of {self.columns.where} without a target were left out.")

    def read(self, block, out=None, hands=1):
        batches = self.scan(self.columns.needed, block)
        return rows_of(self.columns, batches, self.sizes[block], self.name(block), out, hands)

    def pieces(self):
        return super().pieces() if self.n_blocks is not None else self._in_turn(self.scan(self.columns.needed))

    def made(self, piece, hands=1):
        return (
            self.read(piece, hands=hands) if self.n_blocks is not None else rows_of(self.columns, [self._keep(piece)])
        )

    def targets(self):
        labels = self.columns.labels
        if self.n_blocks is None:
            return (
                labelled(self.columns, *self._keep(part))
                for part in self._in_turn(self.scan(labels or self.columns.needed[:1]))
            )
        if not labels:
            return ((None, None) for _ in range(self.n_blocks))

        def of(block):
            found = placed(self.scan(labels, block))
            return tuple(joined([labelled(self.columns, where, self.columns.kept(batch)) for where, batch in found]))

        return in_order(of, range(self.n_blocks), Readers.of(self), size_of_labels)


def size_of_labels(labels):
    """Bytes and rows of y and weight."""
    found = [part for part in labels if part is not None]
    return sum(part.nbytes for part in found), len(found[0])


def rows_at_once(columns, rows, most=65536):
    """Rows of those that are needed in BLOCK_BYTES; `rows` are some, which say how long texts are."""
    size = sum(row_bytes(columns.schema.field(name).type) for name in columns.needed)
    for name in columns.options.text_features:
        size += columns.columns[name].row_bytes(rows.column(name).nbytes / max(1, len(rows)))
    return int(min(max(BLOCK_BYTES // max(1, size), 1), most))


def row_bytes(dtype):
    """About how many bytes a value of that type has as features."""
    return 4 * dtype.list_size if pa.types.is_fixed_size_list(dtype) else 4 if encode.kind_of(dtype) == "number" else 16


def typed(schemas):
    """The first of some schemas; columns that are nulls alone there are of the type that they have in the first other."""
    fields = []
    for field in schemas[0]:
        if pa.types.is_null(field.type):
            named = (schema.field(field.name) for schema in schemas[1:] if schema.names.count(field.name) == 1)
            field = next((other for other in named if not pa.types.is_null(other.type)), field)
        fields.append(field)
    return pa.schema(fields, schemas[0].metadata)
