"""The rows that candidates are trained on, the folds, and what scores the models."""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np

from fastsgd.estimators import choice, held_out, streams
from fastsgd.estimators.cv_scores import ByLoss, ByScorer
from fastsgd.packs import Among, EveryRow, Without
from fastsgd.sources.base import Source
from fastsgd.threads import Threads, n_threads


class CVData:
    """What is given to train on, checked.

    Parameters
    ----------
    est : estimator
        A draft, which has learnt of the data.
    checked : (X, y, s)
        As `_check_data` gives them.
    shown : (X, y)
        As `choice.shown` gives them.
    targets : Targets
    seed : int
        Of the order of the rows, and of folds that are drawn.

    Attributes
    ----------
    table : Table or Stream
    dtype : dtype
        Of the weights.
    K, d : int
        Heads of a model, and features.
    """

    def __init__(self, est, checked, shown, targets, seed):
        self.est, (self.X, self.y, self.s), self.shown = est, checked, tuple(shown)
        self.targets, self.seed = targets, seed
        X, y, s = checked
        self.table, self.K, self.d = est._rows_of(X, y, s, targets), targets.heads, X.shape[1]
        self.dtype = np.dtype(np.float32 if X.dtype.newbyteorder("=") == np.float32 else np.float64)

    def split(self, validation, for_split, scorer, for_score):
        """(the Split, what scores its models).

        Parameters
        ----------
        validation : (X_val, y_val, sample_weight_val)
            In place of folds; or three times None.
        for_split, for_score : dict
            The metadata that the splitter and the scorer are given.
        scorer : scorer or None
            None is the loss.
        """
        targets = self.targets
        if getattr(targets, "weight", None) is not None:
            targets = replace(targets, weight=None)
        if scorer is not None and getattr(targets, "soft", False):
            raise ValueError("with probabilities as y, scoring must be None: there are no classes to compare.")
        held_out.check(*validation)
        scoring = choice.Scoring(scorer, for_score, *self.shown, self.est)
        if validation[0] is not None:
            return self._by_validation(validation, for_split, targets, scoring)
        if isinstance(self.X, Source):
            return self._drawn(for_split, targets, scorer)
        split = Split.of_rows(self.est, self.shown, self.y, self.s, self.targets, for_split)
        self.table.fold = split.column
        if scorer is not None:
            return split, ByScorer(self.est, lambda f: scoring.of_rows(split.held[f]))
        return split, self._by_loss(self._scored(targets), split)

    def _by_loss(self, table, split):
        return ByLoss(table, split, self.est._heads_loss(), Threads(n_threads(self.est.n_jobs)))

    def _scored(self, targets):
        """The rows to score, without the weights of classes."""
        return self.table if targets is self.targets else self.est._rows_of(self.X, self.y, self.s, targets)

    def _by_validation(self, validation, for_split, targets, scoring):
        est = self.est
        if est.cv is not None or for_split:
            raise ValueError(
                f"X_val takes the place of {'groups' if est.cv is None else f'cv={est.cv!r}'}: give one of the two, and leave "
                "cv=None."
            )
        X, y, s = est._check_data(*validation, names=("X_val", "y_val"))
        shown = tuple(map(choice.shown, validation, (X, y)))
        held_out.check(X, y, s)  # The weights of a source are known only now.
        targets.compare(self.y, y)
        split = Split.validation()
        if scoring.scorer is None:
            return split, self._by_loss(est._rows_of(X, y, s, targets.named("y_val")), split)
        if isinstance(X, Source):  # `predict` takes it by blocks.
            y, s = streams.all_targets(X)
            shown = X, y
            if s is not None:
                scoring.params = scoring.params | {"sample_weight": s}
        return split, ByScorer(est, lambda _: scoring.by_scorer(*shown, scoring.params))

    def _drawn(self, for_split, targets, scorer):
        """Folds of a source that is larger than memory."""
        cv, why = self.est.cv, "the source is larger than its buffer, and is read block by block"
        if not (cv is None or (isinstance(cv, Integral) and cv >= 2)) or for_split:
            found = "groups" if for_split else f"cv={cv!r}"
            raise ValueError(
                f"{found} needs the rows in memory: {why}. Give cv as a number of folds, which are drawn, or the rows that "
                "score as X_val; or raise max_memory (`buffered`)."
            )
        if scorer is not None:
            raise ValueError(
                f"scoring={self.est.scoring!r} needs the rows of a fold in memory: {why}. Leave scoring=None, which is the "
                "loss, or give the rows that score as X_val; or raise max_memory (`buffered`)."
            )
        split = Split.drawn(5 if cv is None else cv)
        scored = self._scored(targets)
        for stream in (self.table, scored):
            stream.n_folds, stream.fold_seed = split.n, self.seed
        return split, self._by_loss(scored, split)

    def without_folds(self):
        """The rows, for a model that sees all of them."""
        if isinstance(self.X, Source):
            self.table.n_folds = 0
        else:
            self.table.fold = None
        return self.table


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
    def of_rows(cls, est, shown, y, s, targets, given):
        """What the splitter `cv` of an estimator makes of rows in memory, `shown` to it; `given` is what else it is given."""
        folds, n = choice.folds(est, *shown, given), len(y)
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
