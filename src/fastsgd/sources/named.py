"""The names of features that have none of their own: of hashed words, those that are found in rows."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
import scipy.sparse as sp

from fastsgd.sources.base import Rows, labelled_as
from fastsgd.sources.blocks import Checked, blocks, naming, sound

MAX_NAMES = 8  # A feature that many words share is called by this many of them.


class Names(dict):
    """Feature to its names, each with the sign with which it counts: {feature: {name: 1.0 or -1.0}}."""

    def add(self, found):
        """Those of a `Named`, as far as there is room."""
        for name, feature, value in zip(found.names, found.features.tolist(), found.values.tolist(), strict=True):
            of_feature = self.setdefault(feature, {})
            if len(of_feature) <= MAX_NAMES:
                of_feature.setdefault(name, -1.0 if value < 0 else 1.0)

    def full(self):
        """The features of which no more names are needed."""
        return [feature for feature, names in self.items() if len(names) > MAX_NAMES]

    def called(self, feature, otherwise):
        """(the name of a feature, the sign of its first name): several names are listed, those of the other sign with a minus.

        >>> Names({3: {"city=Oslo": 1.0, "city=Rome": -1.0}}).called(3, "x3")
        ('city=Oslo | -city=Rome', 1.0)
        """
        names = self.get(feature)
        if not names:
            return otherwise, 1.0
        sign = next(iter(names.values()))
        listed = [name if own == sign else f"-{name}" for name, own in islice(names.items(), MAX_NAMES)]
        return " | ".join([*listed, *["..."] * (len(names) > MAX_NAMES)]), sign


def names_in(source: Any, features: Any) -> Names:
    """The names of these features, from a pass over the rows of a table; of others none.

    No more than some names of each feature are kept.
    """
    found, columns = Names(), getattr(source, "columns", None)
    if columns is None or not len(features):
        return found
    from fastsgd.sources.features.part import Batch

    wanted = np.zeros(source.n_features, bool)
    wanted[features] = True
    parts = [part for part in columns.parts if part.names() is None]
    for where, batch in source.scan(columns.features):
        cells = Batch(where, batch)
        for part in parts:
            found.add(part.named(cells, wanted))
        wanted[found.full()] = False
    return found


def one_by_one(source: Any) -> Iterator[tuple[Rows, Names]]:
    """The rows of a source in their order, each as checked Rows by itself, with the names of those of its features that have
    none of their own."""
    if (columns := getattr(source, "columns", None)) is None:
        with closing(blocks(source, source.n_features)) as read:
            for rows in read:
                yield from ((_row(rows, i), Names()) for i in range(rows.X.shape[0]))
        return
    from fastsgd.sources.features.part import Batch
    from fastsgd.sources.rows import rows_of

    parts = [part for part in columns.parts if part.names() is None]
    for number, (where, batch) in enumerate(source.scan(columns.needed)):
        batch = columns.kept(batch)
        for i in range(len(batch)):
            one, found = batch.slice(i, 1), Names()
            with naming(source, number):
                rows = sound(rows_of(columns, [(where, one)]), source, source.n_features)
            if parts:
                wanted = np.zeros(source.n_features, bool)
                wanted[rows.X.indices] = True
                for part in parts:
                    found.add(part.named(Batch(where, one), wanted))
            yield rows, found


def _row(rows, i):
    """A row of checked Rows."""
    one = slice(i, i + 1)
    X, y, weight = (None if part is None else part[one] for part in rows)
    new = labelled_as(Checked(sp.csr_matrix(X) if sp.issparse(X) else X, y, weight), rows)
    if rows.segment is not None:
        new.segment = rows.segment[one]
    return new
