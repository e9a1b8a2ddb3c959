"""Columns of lists of (index, value): rows of CSR in a cell."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fastsgd.sources import encode
from fastsgd.sources.features.options import Options
from fastsgd.sources.features.part import Batch, Column, Part, Tokens


class PairsColumn(Column):
    """A list of (index, value), or a map of one to the other, in each cell.

    Attributes
    ----------
    n_features : int or None
        As the user, or the schema, says it; None before it is learnt.
    """

    kind, instead = "pairs", "give categories or n_features, or set categorical='hash'"

    def __init__(self, field: pa.Field, options: Options) -> None:
        super().__init__(field, options)
        self.n_features = encode.width_of(field) if options.n_features is None else options.n_features
        self.learns, self._largest = self.n_features is None, 0

    def see(self, array: pa.Array) -> None:
        self._largest = max(self._largest, pc.max(encode.lists(array)[1].field(0)).as_py() or 0)

    def finish(self) -> None:
        super().finish()
        self.n_features = 1 + self._largest

    def read(self, array: pa.Array, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(starts, indices, values) of what is in all cells."""
        return encode.pairs(array, where, self.n_features)


class Pairs(Part):
    """A feature for each index."""

    dense, order = False, 1

    @property
    def width(self) -> int:
        return self.columns[0].n_features

    def names(self) -> None:
        return None

    def tokens(self, batch: Batch) -> Tokens:
        starts, index, values = batch.read(self.columns[0])
        return Tokens(starts, index + np.int32(self.at), values)
