"""Models of candidates and folds, trained beside each other.

Which of them share a pack, when candidates are left out, and what is kept of the models: their weights, once, and their scores.
"""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from fastsgd import parallel, several
from fastsgd.estimators import choice
from fastsgd.estimators.stored import REASONS
from fastsgd.lanes import SERIAL
from fastsgd.packs import EveryRow, Pack, Seen
from fastsgd.plan import EVERY_ROW, Plan
from fastsgd.sources.scaling import Scaling
from fastsgd.state import State, padded
from fastsgd.threads import Threads, n_threads


@dataclass
class CandidateTraining:
    """What is to be trained.

    Attributes
    ----------
    members : list of estimator
        One for each candidate, which has learnt of the data.
    split : Split
    data : CVData
    """

    members: list[Any]
    split: Any
    data: Any

    def packs(self):
        """The packs of all models, which have the numbers fold * candidates + candidate.

        Where heads can have records of their own, they are in one pack. It takes one for each fold where folds overlap, so that
        no column says which a row belongs to, or where rows are read in units of the fold; and one for each model where heads
        can't.
        """
        plans = [member._plan(self.data.table, member.max_iter, False) for member in self.members]
        candidates, folds = range(len(plans)), range(self.split.n)
        if not plans[0].separable:
            return [self._pack([plans[c]], [f], [c], separate=False) for f in folds for c in candidates]
        if self.split.apart and not self.members[0].standardize:
            return [self._pack(plans, folds, candidates)]
        return [self._pack(plans, [f], candidates) for f in folds]

    def _pack(self, plans, folds, candidates, separate=True):
        numbers = np.add.outer(np.asarray(folds) * len(self.members), np.asarray(candidates)).ravel()
        if separate:
            left_out = np.repeat(folds, len(candidates)) if len(folds) > 1 else EVERY_ROW
            plan = Plan.of_models(plans * len(folds), self.data.K, numbers, left_out)
        else:
            plan = plans[0].having(model=numbers[0])
        state = State.zeros(self.data.d, len(numbers) * self.data.K, self.data.dtype, self.data.seed, separate)
        view = EveryRow() if len(folds) > 1 else self.split.views[folds[0]]
        if not self.members[0].standardize:
            return Pack(state, plan, view)
        seen = Seen(self.data.table, view, self.data.seed)
        self.members[0]._standardise(seen, state, plan)
        return Pack(state, plan, view, seen.scaling)

    def run(self, est, score, max_seconds):
        """All models, trained and scored; `score` is (models, numbers) -> scores.

        Raises
        ------
        KeyboardInterrupt
            On Ctrl-C.
        """
        data, packs, n = self.data, self.packs(), n_threads(est.n_jobs)
        models = CandidateModels(self.split.n, len(self.members), data.K, data.d, data.dtype)
        lanes = SERIAL
        if len(packs) == 1 and packs[0].plan.separate:  # Threads that merge lanes of one model would change its bits.
            lanes = parallel.lanes(n, "deterministic", packs[0].plan, data.table, packs[0].state)
        trained = several.train(
            packs,
            data.table,
            self.members[0]._rules(None),
            passes=est.max_iter,
            shuffle=est.shuffle,
            max_seconds=max_seconds,
            drop=HalvingCallback(models, score, est.halving, est.verbose) if est.halving or est.verbose else None,
            lanes=lanes,
            threads=Threads(n),
        )
        if any(one.reason == "interrupted" for one in trained.values()):
            raise KeyboardInterrupt
        new = [number for number in trained if not models.ended[number]]
        for number in new:
            models.end(number, trained.pop(number))  # Popping it keeps a single copy of its weights.
        models.score(score, new)
        return models


class HalvingCallback:
    """What is done at the end of each epoch: candidates that fall behind are left out, and the user is told.

    Parameters
    ----------
    models : CandidateModels
    score : callable
        (models, numbers) -> scores.
    halving : int or None
        Of the candidates not yet left out, one in so many goes on, after 1 epoch, after `halving`, after its square, ...
    verbose : bool
    """

    def __init__(self, models, score, halving, verbose):
        self.models, self.by, self.halving, self.verbose = models, score, halving, verbose
        self.left_out, self.rung, self.began = set(), 1, perf_counter()

    def __call__(self, epochs, packs, done):
        """The numbers of the models to end after so many epochs, of those under way; `done` are those that have ended."""
        behind = set()
        if self.halving is not None and epochs == self.rung:
            self.rung *= self.halving
            behind = self._behind(packs, done)
        if self.verbose:
            candidates = {number % self.models.candidates for number in packs}
            said = f"; {len(behind)} candidates fell behind" if behind else ""
            print(
                f"epoch {epochs}: {len(packs)} models of {len(candidates)} candidates under way{said}, "
                f"{perf_counter() - self.began:.2f} s"
            )
        return [n for n in packs if n % self.models.candidates in behind]

    def _behind(self, packs, done):
        """The candidates that are not to go on, by their mean scores so far; those that have ended are compared, too."""
        models, new = self.models, [n for n in done if not self.models.ended[n]]
        for number in new:
            models.end(number, done[number])
        for number, pack in packs.items():
            W, b = pack.moment.model
            heads = pack.heads(number) if pack.plan.separate else np.arange(models.K)
            models.put(number, pack.state, (W[:, heads], b[heads]))
        models.score(self.by, [*new, *packs])
        means = models.means
        means[list(self.left_out)] = np.nan
        if np.isnan(means).all():  # No candidate is better than another by these scores.
            return set()
        kept = max(1, -(-np.count_nonzero(~np.isnan(means)) // self.halving))
        best = np.argsort(-means, kind="stable")[:kept].tolist()
        behind = {n % models.candidates for n in packs} - set(best)
        self.left_out |= behind
        return behind


class CandidateModels:
    """A model for each fold and candidate, by its number: fold * candidates + candidate.

    Parameters
    ----------
    folds, candidates, K, d : int
        K heads each, of d features.
    dtype : dtype
        Of the weights.

    Attributes
    ----------
    W : (d, S)
        The weights of the K heads of a model lie in columns number * K and so on.
    b : (folds * candidates * K,) float64
    scores : (folds * candidates,) float64
        NaN where there is none.
    passes : (folds * candidates,) int64
    reasons : (folds * candidates,) uint8
        Why each has ended, as a place in REASONS.
    ended : (folds * candidates,) bool
    """

    def __init__(self, folds, candidates, K, d, dtype):
        n = folds * candidates
        self.folds, self.candidates, self.K = folds, candidates, K
        self.W, self.b = np.zeros((d, padded(n * K, True)), dtype), np.zeros(n * K)
        self.scores, self.passes, self.reasons = np.full(n, np.nan), np.zeros(n, np.int64), np.zeros(n, np.uint8)
        self.ended = np.zeros(n, bool)

    def put(self, number, state, model):
        """Keep the model (weights, intercepts) of a state, in the units of the rows."""
        W, b = model if state.std is None else Scaling.of(state).outward(*model)
        heads = self.heads([number])
        self.W[:, heads], self.b[heads] = W[:, : self.K], b

    def end(self, number, trained):
        """Keep the model of a `Trained`."""
        self.put(number, trained.state, trained.state.model(trained.plan))
        self.passes[number], self.reasons[number] = max(1, len(trained.epochs)), REASONS.index(trained.reason)
        self.ended[number] = True

    def score(self, by, numbers):
        """Score these models, but not those that have diverged or were dropped; `by` is (models, numbers) -> scores."""
        over = REASONS.index("diverged"), REASONS.index("dropped")
        numbers = np.array([n for n in sorted(numbers) if self.reasons[n] not in over], int)
        with np.errstate(over="ignore", invalid="ignore"):
            self.scores[numbers] = np.asarray(by(self, numbers), float) if len(numbers) else np.zeros(0)

    def zeros(self):
        """Zero weights, as the models of a single candidate."""
        return CandidateModels(self.folds, 1, self.K, len(self.W), self.W.dtype)

    @property
    def means(self):
        """The mean score of each candidate over the folds, NaN where one of them has none."""
        return choice.means(self.scores.reshape(self.folds, self.candidates))

    def heads(self, numbers):
        """The columns of these models."""
        return (np.asarray(numbers)[:, None] * self.K + np.arange(self.K)).ravel()

    def model(self, numbers):
        """(W, b) of these models alone, as kernels take them."""
        heads = self.heads(numbers)
        W = np.zeros((len(self.W), padded(len(heads), True)), self.W.dtype)
        W[:, : len(heads)] = self.W[:, heads]
        return W, self.b[heads]

    def attributes(self, est, number):
        """The attributes of the model, as `est` names them."""
        W, b = self.model([number])
        return est._attributes(np.ascontiguousarray(W[:, : self.K].T), b)

    def paths(self, shape):
        """(coefs_paths_, intercepts_paths_), without a copy; shape is that of the candidates."""
        n, first = len(self.b), (self.folds, *shape, self.K)
        return self.W[:, :n].T.reshape(*first, len(self.W)), self.b.reshape(first)
