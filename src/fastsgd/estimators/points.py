"""The models of all candidates and folds once they are trained: their weights, which are kept once, and their scores."""

import numpy as np

from fastsgd.sources.scaling import Scaling
from fastsgd.state import padded

REASONS = "max_iter", "objective", "max_seconds", "dropped", "diverged"  # A file holds their places here.


class Points:
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
        """Score these models, but not those that have diverged or were dropped; `by` is (points, numbers) -> scores."""
        over = REASONS.index("diverged"), REASONS.index("dropped")
        numbers = np.array([n for n in sorted(numbers) if self.reasons[n] not in over], int)
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.asarray(by(self, numbers), float) if len(numbers) else np.zeros(0)
        self.scores[numbers] = np.where(np.isfinite(found), found, np.nan)

    @property
    def means(self):
        """The mean score of each candidate over the folds, NaN where one of them has none."""
        return self.scores.reshape(self.folds, self.candidates).mean(axis=0)

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
