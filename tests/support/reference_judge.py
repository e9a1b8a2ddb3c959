"""Of the specification of learning_rate="auto": which model is taken, as judged by rows before they are learnt from."""

import itertools

import numpy as np

from support.reference_constant import Constant

PARTS = np.array([1, 0.75, 0.5, 0.25])  # of the leader, the rest being the best constant
SURE = 1.5  # spreads by which the model has to be better than the constant


def combinations(m):
    """What is judged of m candidates: each of them, the mean of any two, and that of all."""
    pairs = list(itertools.combinations(range(m), 2))
    return [(i,) for i in range(m)] + pairs + [tuple(range(m))] * (m > 2)


class Judgement:
    """Which combination of the candidates of each head would have lost least before the steps, later rows counting more.

    lost : (K, combinations) what each has lost more than the best constant, times t^2; where rows fade by f, so that n of them
        are left, times n^2, and f^3 for each row since
    lost_less : (K, 4) the same of the leader at its time, in full and in part
    spread : (K, 4) the root of the sum of the squares of the latter
    """

    def __init__(self, loss, K, m, intercept):
        self.loss, self.intercept, self.combinations = loss, intercept, combinations(m)
        self.constants = [Constant(loss) for _ in range(K)]
        self.flat, self.usual, self.weight = np.zeros((3, K))
        self.leader, self.lost = np.zeros(K, int), np.zeros((K, len(self.combinations)))
        self.lost_less, self.spread = np.zeros((2, K, len(PARTS)))

    def combined(self, candidates, numbers):
        """Of candidates (m, ..., K) the combination of each head."""
        means = [candidates[list(self.combinations[n]), ..., k].mean(axis=0) for k, n in enumerate(numbers)]
        return np.stack(means, axis=-1)

    def judge(self, candidates, value, y, w, t, n, fade):
        """Before the step of row t: margins (m, K), the loss of each head as it is, its target and weight."""
        self.n = n
        for constant in self.constants:
            constant.fade(fade)
        self.lost, self.lost_less, self.spread = (x * fade**3 for x in (self.lost, self.lost_less, self.spread))
        one_in = 4 if n <= 65536 else 16
        drawn = t * 0x9E3779B97F4A7C15 % 2**64 < 2**64 // one_in
        for k in range(len(y)):
            times = 1 if n <= 4096 or value[k] > 4 * self.usual[k] else one_in * drawn
            if not times or not w[k]:
                continue
            if self.intercept:
                self.flat[k] = self.constants[k].judged(t, n, fade)
            flat, factor = self.flat[k], times * w[k] * n**2
            z = np.array([candidates[list(some), k].mean() for some in self.combinations])
            less = flat + PARTS * (z[self.leader[k]] - flat)
            constant = self.loss.value(flat, y[k])
            self.lost[k] += factor * (self.loss.value(z, y[k]) - constant)
            more = factor * (self.loss.value(less, y[k]) - constant)
            self.lost_less[k] += more
            self.spread[k] = np.hypot(self.spread[k], more)
            best = self.lost[k].argmin()
            if self.lost[k, best] < self.lost[k, self.leader[k]]:
                self.leader[k] = best
            if self.intercept:
                self.constants[k].see(y[k], times * w[k])

    def learn(self, value, y, w, fade):
        """After it: the usual loss, and the mean of y."""
        self.weight = self.weight * fade + w
        part = w / np.where(self.weight > 0, self.weight, 1)
        self.usual = self.usual + (value - self.usual) * part
        for k, constant in enumerate(self.constants):
            constant.learn(y[k], part[k])

    def best(self):
        """Combination and part of each head: those of least loss, or the constant where the gain may be chance."""
        heads, best = np.arange(len(self.lost)), self.lost.argmin(axis=1)
        lost = np.column_stack([self.lost[heads, best], self.lost_less[:, 1:]])
        part = lost.argmin(axis=1)
        return best, np.where(lost[heads, part] + SURE * self.spread[heads, part] < 0, PARTS[part], 0)

    def model(self, W, b):
        """Of the candidates' weights (m, d, K) and intercepts (m, K) those of the model."""
        best, part = self.best()
        flat = np.array([constant.now(self.n) if self.intercept else 0.0 for constant in self.constants])
        return part * self.combined(W, best), part * self.combined(b, best) + (1 - part) * flat
