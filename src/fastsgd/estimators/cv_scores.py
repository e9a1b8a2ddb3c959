"""Scores of trained models on the rows that their folds hold out."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastsgd.packs import EveryRow, Only, Pack, loss_sums
from fastsgd.plan import Plan
from fastsgd.state import State
from fastsgd.sums import LossSums


@dataclass(frozen=True)
class ByLoss:
    """Minus the mean loss, mean over the classes or targets that have a problem of their own.

    Attributes
    ----------
    table : Table or Stream
        All rows, or those of the validation set; without the weights of classes, which count in training alone.
    split : Split
    loss : Loss
        Of the heads.
    threads : Threads
    """

    table: Any
    split: Any
    loss: Any
    threads: Any

    def __call__(self, models, numbers):
        """The scores of the models of these numbers."""
        found, walks = {}, list(self._walks(numbers // models.candidates, numbers))
        for scores in self.threads.map(lambda walk: self._walk(models, *walk), walks):
            found |= scores
        return [found[n] for n in numbers.tolist()]

    def _walks(self, folds, numbers):
        """(table, the view of each fold, numbers of models) of each walk over rows."""
        if self.split.held is None:
            drawn = self.split.apart
            yield self.table, [Only(f) if drawn else EveryRow() for f in range(self.split.n)], numbers
            return
        for f in np.unique(folds):
            yield replace(self.table, rows=self.split.held[f]), [EveryRow()] * self.split.n, numbers[folds == f]

    def _walk(self, models, table, views, numbers):
        folds = numbers // models.candidates
        groups = np.split(numbers, np.flatnonzero(np.diff(folds)) + 1)
        if self.loss.coupled:
            groups = numbers[:, None]
        packs = [self._pack(models, group, views[group[0] // models.candidates]) for group in groups]
        found = {}
        for group, sums in zip(groups, loss_sums(packs, table, threads=self.threads), strict=True):
            if not sums[1].all():
                raise ValueError(f"no row that fold {group[0] // models.candidates} holds out has a weight.")
            losses = np.array(LossSums(sums).finish()).reshape(len(group), models.K)
            losses = losses.sum(axis=1) if self.loss.coupled else losses.mean(axis=1)
            found |= dict(zip(group.tolist(), (-losses).tolist(), strict=True))
        return found

    def _pack(self, models, numbers, view):
        """A pack of these models, that is not trained."""
        W, b = models.model(numbers)
        plan = Plan.of_loss(self.loss)
        if not self.loss.coupled:
            plan = Plan.of_models([plan] * len(numbers), models.K, numbers)
        return Pack(State(W, b, b), plan, view)


@dataclass(frozen=True)
class ByScorer:
    """What a scorer says.

    Attributes
    ----------
    est : estimator
        The draft, whose attributes are those of the models.
    of_fold : callable
        of_fold(fold) gives a function of the attributes of a model that is its score.
    """

    est: Any
    of_fold: Any

    def __call__(self, models, numbers):
        """The scores of the models of these numbers."""
        found, folds = [], numbers // models.candidates
        for f in np.unique(folds):
            scored = self.of_fold(f)  # It may hold a copy of the fold's rows.
            found += [scored(models.attributes(self.est, n)) for n in numbers[folds == f].tolist()]
        return found
