"""The rows of a source in two parts, drawn row by row: some that are held out, and the others."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastsgd.sources.base import LabelledRows, Rows, Source
from fastsgd.sources.blocks import sound

SAME = (  # What is as in the whole source.
    "sparse",
    "dtype",
    "n_features",
    "n_blocks",
    "feature_names",
    "target_shape",
    "segmented",
    "divides",
    "decoding",
    "reading",
    "label_columns",
)


def shares(source: Source, fraction: float, seed: int) -> tuple["Share", "Share"]:
    """(the others, those held out): the two parts of a source."""
    return Share(source, fraction, seed, False), Share(source, fraction, seed, True)


class Share(Source):
    """One of the two parts. Which rows are in it follows from their numbers in their blocks, and so is the same in each pass.

    Parameters
    ----------
    source : Source
        One that can be read more than once.
    fraction : float
        How much of each block is held out.
    seed : int
    held_out : bool
        Whether this is the part that is held out.
    """

    def __init__(self, source: Source, fraction: float, seed: int, held_out: bool) -> None:
        self.fraction, self.seed, self.held_out = fraction, seed, held_out
        if not source.n_features:
            source.survey()
        self.source = source
        for name in SAME:
            setattr(self, name, getattr(source, name))
        self._bounded_as(source)
        self.n_counted = source.n_counted
        sizes = source.sizes if source.sizes is not None else source.counted
        if sizes is not None and sum(sizes) == source.n_rows:
            self.n_rows = self._count(sizes)

    def _count(self, sizes: Iterable[int]) -> int:
        """The rows of this part, of blocks of these rows."""
        return int(sum(np.count_nonzero(self.drawn(number, n)) for number, n in enumerate(sizes)))

    def survey(self) -> None:
        """Find n_rows, in a pass over y and weights alone."""
        if self.n_rows is None:
            self.n_rows = self._count(_rows_of(*labels) for labels in self.source.targets())

    def drawn(self, block: int, n: int) -> NDArray[np.bool_]:
        """Which of the n rows of a block are in this part: of each block a share as exact as whole rows can be."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, block]))
        k = min(int(self.fraction * n + rng.random()), n)
        held = np.zeros(n, bool)
        held[np.argsort(rng.random(n))[:k]] = True
        return held if self.held_out else ~held

    def _taken(self, block: int, rows: Rows) -> Rows:
        """Those of the rows of a block that are in this part."""
        rows = sound(rows, self.source, None)  # before some are left out, so that an error has the number of the row
        mask = self.drawn(block, rows.X.shape[0])
        y, weight, segment = (None if part is None else part[mask] for part in (rows.y, rows.weight, rows.segment))
        if segment is None:
            return Rows(rows.X[mask], y, weight)
        found = LabelledRows(rows.X[mask], y, weight)
        found.segment = segment
        return found

    def read(self, block: int) -> Rows:
        return self._taken(block, self.source.read(block))

    def name(self, block: int) -> str:
        return self.source.name(block)

    def pieces(self) -> Iterable[Any] | None:
        pieces = self.source.pieces()
        return pieces if pieces is None or self.n_blocks is not None else enumerate(pieces)

    def made(self, piece: Any, *hands: int) -> Rows:
        number, piece = (piece, piece) if self.n_blocks is not None else piece
        return self._taken(number, self.source.made(piece, *hands))

    def blocks(self) -> Iterator[Rows]:
        if self.source.pieces() is not None:
            return super().blocks()
        return (self._taken(number, rows) for number, rows in enumerate(self.source.blocks()))

    def targets(self) -> Iterator[tuple[NDArray[Any] | None, NDArray[Any] | None]]:
        for number, labels in enumerate(self.source.targets()):
            mask = self.drawn(number, _rows_of(*labels))
            yield tuple(None if part is None else part[mask] for part in labels)

    def places(self) -> NDArray[np.int64]:
        """The numbers that the rows of this part have among those of the source."""
        found, start = [np.zeros(0, np.int64)], 0
        for number, (y, _) in enumerate(self.source.targets()):
            found.append(start + np.flatnonzero(self.drawn(number, len(y))))
            start += len(y)
        return np.concatenate(found)

    def like(self, reading: Mapping[str, Any]) -> Self:
        return self._with(self.source.like(reading))

    def with_segments(self, column: str) -> Self:
        return self._with(self.source.with_segments(column))

    def _with(self, source: Source) -> Self:
        if source is self.source:
            return self
        return type(self)(source, self.fraction, self.seed, self.held_out)._bounded_as(self)

    def warn(self) -> None:
        self.source.warn()

    def warn_late(self) -> None:
        self.source.warn_late()

    def describe(self) -> dict[str, Any]:
        share = {"fraction": self.fraction, "seed": self.seed, "held out": self.held_out}
        return {**self.source.describe(), "share": share}


def _rows_of(y: Any, weight: Any) -> int:
    """The rows of a block of these labels."""
    return max((len(part) for part in (y, weight) if part is not None), default=0)
