"""Which rows the models of each fold are trained on, and which score them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastsgd.estimators import choice
from fastsgd.packs import Among, EveryRow, Without


@dataclass(frozen=True)
class Split:
    """The folds.

    Attributes
    ----------
    views : list of View
        What the models of each fold are trained on.
    held : list of arrays, or None
        The numbers of the rows that score those of each fold; None where they are drawn, or are a table of their own.
    column : (n_rows,) int32, or None
        What `Table.fold` is to be, where it is not drawn.
    apart : bool
        Whether each fold is trained on all rows but those that it holds out, and `Table.fold` says which these are: then heads
        of one pack can leave them out.
    """

    views: list[Any]
    held: list[Any] | None = None
    column: Any = None
    apart: bool = False

    @property
    def n(self):
        """The number of folds."""
        return len(self.views)

    @classmethod
    def of_rows(cls, est, X, y, s, targets, given):
        """What the splitter `cv` of an estimator makes of rows in memory; `given` is what it is given beside these."""
        folds, n = choice.folds(est, X, y, given), X.shape[0]
        for f, (train, test) in enumerate(folds):
            _check_once(f, train, n)
            choice.check_fold(f, train, test, y, s, targets)
        held = [test for _, test in folds]
        column = _column(folds, n)
        if column is not None:
            return cls([Without(f) for f in range(len(folds))], held, column, True)
        masks = [np.zeros(n, bool) for _ in folds]
        for mask, (train, _) in zip(masks, folds, strict=True):
            mask[train] = True
        return cls([Among(mask) for mask in masks], held)

    @classmethod
    def drawn(cls, n):
        """So many folds of a stream, which draws them."""
        return cls([Without(f) for f in range(n)], apart=True)

    @classmethod
    def validation(cls):
        """All rows are trained on, and a table of their own scores the models."""
        return cls([EveryRow()])


def _column(folds, n):
    """The fold of each row, where each is trained on all rows but those that it holds out, and no two hold out the same."""
    column = np.full(n, len(folds), np.int32)
    for f, (train, test) in enumerate(folds):
        if (column[test] < len(folds)).any():
            return None
        column[test] = f
        if len(train) != np.count_nonzero(column != f) or (column[train] == f).any():
            return None
    return column


def _check_once(f, train, n):
    count = np.bincount(train, minlength=n)
    if count.max() > 1:
        row = int(count.argmax())
        raise ValueError(
            f"fold {f} of cv has row {row} {count[row]} times to train on: give each row once, and sample_weight in fit."
        )
