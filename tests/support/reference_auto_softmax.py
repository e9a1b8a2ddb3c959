"""The specification of learning_rate="auto" of classes learnt together, in plain NumPy, as reference_auto.py of all else."""

import numpy as np
from reference import soft
from scipy.special import log_softmax, softmax

from .reference_auto import auto_rows, falling, newer
from .reference_judge import SURE, combinations

H = 0.5  # the bound of the curvature
KAPPA, KAPPA_AGAIN, KAPPA_CENTRED, CLIP = 0.6, 0.15, 0.015, 100
ETA, START = 0.4, 0.04
KAPPA_DENSE, GAMMA_DENSE = 0.3, 16


def joint_steps(z, s, y):
    """a = y - q, q = softmax(z + s a) of each of the models, z being (m, K) and s a number for each model and class.

    Newton's method in log q for log q + s q = z + s y - L, L so that the sum of q is 1, twice or more, until all q
    change by less than 0.03 together: what is left is about the square, and exp is its series.
    """
    v, log_q = z + s * y, log_softmax(z, axis=1)
    q = np.exp(log_q)
    for step in range(30):
        per = q / (1 + s * q)
        L = (q.sum(axis=1) - 1 + (per * (v - log_q - s * q)).sum(axis=1)) / per.sum(axis=1)
        change = np.minimum((v - log_q - s * q - L[:, None]) / (1 + s * q), 1)
        log_q = log_q + change
        if step > 0 and (q * abs(change)).sum() < 0.03:
            change = np.maximum(change, -1)
            q = q * (1 + change + change**2 / 2)
            break
        q = np.exp(log_q)
    return y - q / q.sum(axis=1, keepdims=True)


def drawn(t):
    """Whether row t is one of those, one in eight, that judge and are counted once there are many."""
    return t * 0x9E3779B97F4A7C15 % 2**64 < 2**61


class Rates:
    """Of each class 1 / the root of its curvature so far, over the mean of all classes."""

    def __init__(self, K):
        self.curvature = np.zeros(K)

    def learn(self, slope, y, c, n, fade):
        """A row of these slopes; its curvature, the mean squared slope, and the rates."""
        q = slope + y
        curve = np.maximum(slope**2, q * (1 - q))
        self.curvature = self.curvature * fade + c * curve
        mean = self.curvature.mean()
        even = 20 * mean / n
        rates = np.sqrt((mean + even) / (self.curvature + even)) if mean > 0 else np.ones(len(y))
        return curve.mean(), (slope**2).mean(), rates


class Correlations:
    """Of d dense columns, rows counting by their curvature; in the first pass, and where columns are few."""

    def __init__(self, d, K):
        self.few, self.sums, self.inverse, self.due = d <= min(64, 16 * K), np.zeros((d, d)), np.eye(d), 1

    def times(self, xh, t, n, curve, prior):
        """The row times (curve + prior) (curve R + prior I)^-1; R is that of the rows when it was last looked at."""
        if t >= self.due:
            size = np.sqrt(np.outer(self.sums.diagonal(), self.sums.diagonal()))
            R = np.where(size > 0, self.sums / np.where(size > 0, size, 1), 0)
            np.fill_diagonal(R, 1)
            self.inverse = np.linalg.inv(curve * R + prior * np.eye(len(R))) * (curve + prior)
            self.due = t + max(8, n // 2)
        return self.inverse @ xh

    def learn(self, xh, t, weight):
        """Of all rows at first, and then of one in eight."""
        if t <= 2048 or drawn(t):
            self.sums += weight * np.outer(xh, xh)


class Judgement:
    """Which combination of three candidates would have lost least, which share of it, and how far margins are to reach."""

    SHARES = np.array([1, 0.85, 0.65, 0.4])  # of the leader, the rest being the best constant
    COMBINATIONS = combinations(3)

    def __init__(self, K, intercept):
        self.K, self.intercept, self.counts = K, intercept, np.zeros(K)
        self.lost, self.less, self.spread, self.leader = np.zeros(7), np.zeros(3), np.zeros(4), 0
        self.usual = self.weight = self.flat_lost = 0.0
        self.reach = 1.5

    def flat(self, n):
        """The best constant of the rows before the n-th."""
        if not self.intercept or n == 1:
            return np.zeros(self.K)
        total = self.counts.sum()
        return np.log((self.counts + total / (n - 1) / self.K) / (total + total / (n - 1)))

    def judge(self, candidates, value, y, w, t, n):
        """Before the step of row t: margins (3, K) of the candidates, the loss of the model as it is."""
        times = 1 if n <= 4096 or value > 4 * self.usual else 8 * drawn(t)
        if times:
            flat, w, candidates = self.flat(n), times * w * n**2, np.array(candidates)
            base = -log_softmax(flat) @ y
            self.flat_lost += w * base
            z = np.array([candidates[list(chosen)].mean(axis=0) for chosen in self.COMBINATIONS])
            more = w * (-log_softmax(z, axis=1) @ y - base)
            parts = flat + self.SHARES[1:, None] * (z[self.leader] - flat)
            less = w * (-log_softmax(parts, axis=1) @ y - base)
            self.spread = np.hypot(self.spread, [*less, more[self.leader]])
            self.lost, self.less = self.lost + more, self.less + less
            if self.lost.min() < self.lost[self.leader]:
                self.leader = self.lost.argmin()
            gain = -min(self.lost[self.leader], self.less.min())
            odds = max(gain, 0) / (self.flat_lost - gain)
            self.reach = 1.5 * (np.clip(4 * odds, 0.25, 8) / 1.5) ** (n / (n + 1000))

    def fade(self, f):
        """Before a row: those so far fade."""
        self.weight, self.counts = self.weight * f, self.counts * f
        self.lost, self.less, self.spread, self.flat_lost = (
            x * f**3 for x in (self.lost, self.less, self.spread, self.flat_lost)
        )

    def learn(self, value, y, w):
        """After it."""
        self.weight, self.counts = self.weight + w, self.counts + w * y
        self.usual += (value - self.usual) * w / self.weight

    def better(self):
        """Of the first two candidates that which has lost less."""
        return int(self.lost[1] < self.lost[0])

    def best(self):
        """The candidates whose mean is the model, and its share."""
        at = self.lost.argmin()
        lost = np.array([self.lost[at], *self.less])
        part = lost.argmin()
        sure = lost[part] + SURE * self.spread[part - 1] < 0
        return at, list(self.COMBINATIONS[at]), self.SHARES[part] if sure else 0.0


def softmax_dense(X, Y, *, l1=0.0, l2=0.0, intercept=True, s=None, passes=1, half_life=None):
    """Two rules; W, b, the number of the next step, sums, and which combination of candidates is taken."""
    d, K = X.shape[1], Y.shape[1]
    m, Q, r, weight, rho, last, due, n = np.zeros(d), np.zeros(d), np.zeros(d), 0.0, 0.0, 0, 1, 0
    U, A, b, b_avg, owed = *np.zeros((2, 2, d, K)), *np.zeros((2, 2, K)), np.zeros(2)
    sums, judgement, rates, slopes, bH = np.zeros((2, K)), Judgement(K, intercept), Rates(K), 0.0, 0.0
    correlations = Correlations(d, K)
    rows = len(X) if s is None else (s > 0).sum()

    def scales():
        v = np.where(Q > 0, Q / weight + l2 / H, 0)
        return np.where(v > 1e-300, 1 / np.sqrt(np.where(v > 1e-300, v, 1)), 0)

    def settled(e):
        u = soft(U[e], np.outer(r, np.full(K, owed[e])) * l1) / (1 + owed[e] * r[:, None] ** 2 * l2)
        return u, A[e] + (u - A[e]) * (1 - (last / n) ** 3)

    for t, fade, n, i, si, _, (c, *_) in auto_rows(Y, s, None, None, passes, half_life):
        x, y, first = X[i], Y[i], t <= rows
        weight, rho, last, slopes, bH = weight * fade + si, rho * fade, last * fade, slopes * fade, bH * fade
        judgement.fade(fade)
        correlations.sums *= fade
        delta = x - m
        if intercept:
            m = m + delta * (si / weight)
        rest = x - m
        Q = Q * fade + si * delta * rest
        if t <= 64:
            r = scales()
        norm = (rest * r) @ (rest * r)
        if t > 64 and 1 + norm > 10 * rho / n:
            r = scales()
            norm = (rest * r) @ (rest * r)
        xh = rest * r
        rho += 1 + norm
        best, z = judgement.better(), xh @ U + b
        value = -log_softmax(z[best]) * y
        sums += si * value, np.full(K, si)
        if first:
            judgement.judge([*(xh @ A + b_avg), z[1]], value.sum(), y, si, t, n)
            judgement.learn(value.sum(), y, si)
        part, R, reach = si / weight if intercept else 0.0, rho / n, judgement.reach
        slope = softmax(z, axis=1) - y
        prior, paired = H * d / GAMMA_DENSE / reach, first and correlations.few
        along = [correlations.times(xh, t, n, KAPPA_DENSE * bH, prior) if paired else xh, xh]
        curve, squared, rate = rates.learn(slope.mean(axis=0) if first else slope[best], y, c, n, fade)
        curve = c * np.clip(curve, 0.04 * H, H)
        slopes, bH = slopes + c * squared * first, bH + curve
        if paired:
            correlations.learn(xh, t, curve)
        g = np.zeros(2)
        g[0] = 1 / (KAPPA_DENSE * bH + prior) if paired else falling(n, R, min(reach, 1.0) / 3) / H
        g[1] = 5 * np.clip(reach, 1, 6) / (1 + slopes) ** 0.75 if first else falling(n, R, 5 * max(reach, 1.5) / 3) / H
        rules = [0, 1] if first else [best]
        sizes = np.array([c * g[e] * (xh @ along[e] + intercept) for e in rules])
        for e, a in zip(rules, rate * joint_steps(z[rules], sizes[:, None] * rate, y), strict=True):
            U[e] += np.outer(along[e], c * g[e] * a)
            moved = (z[e] - b[e]) * part / (1 - part) if part < 1 else 0.0
            b[e] += intercept * (c * g[e] * a + moved)
            b_avg[e] += intercept * moved
            b_avg[e] += (b[e] - b_avg[e]) * (1 - (1 - 1 / n) ** 3)
            owed[e] += g[e]
        if t >= due:
            for e in range(2):
                U[e], A[e] = settled(e)
            owed, last, due, r = np.zeros(2), n, t + max(1, min(16, t // 32)), scales()
    at, chosen, share = judgement.best() if passes == 1 else (best, [best], 1.0)
    (_, first), (u, second) = settled(0), settled(1)
    W, b = np.array([first, second, u])[chosen].mean(axis=0) * r[:, None], np.array([*b_avg, b[1]])[chosen].mean(axis=0)
    flat = judgement.flat(n + 1) if passes == 1 else np.zeros(K)
    return share * W, share * (b - m @ W) + (1 - share) * flat, t + 1, sums, at


class Features:
    """Of each column 1 / the root mean square of its values, and the rows that have it; and which are centred."""

    def __init__(self, d, K):
        self.unit, self.seen, self.mean, self.slopes, self.centred = *np.zeros((4, d)), np.zeros(d, bool)

    def values(self, x, t, n, one, model, intercept):
        """Columns that count in row t, and their values less means; the models W (m, d, K), b (m, K) stay what they say."""
        W, b = model
        there = x != 0
        if intercept:
            if t == 1:
                self.centred = there.copy()
            elif t < 64:
                gone = self.centred & ~there
                b -= self.mean[gone] @ W[:, gone]
                self.unit[gone] = self.seen[gone] = self.mean[gone] = self.slopes[gone] = 0
                self.centred &= there
            elif t & (t - 1) == 0:
                new = ~self.centred & (self.seen >= n / 2)
                self.unit[new] = self.seen[new] = self.slopes[new] = 0
                self.centred |= new
            j = self.centred
            self.moved = (x[j] - self.mean[j]) * (one / (self.seen[j] + one))
            self.mean[j] += self.moved
        j = np.flatnonzero(there | self.centred)
        return j, x[j] - self.mean[j]

    def count(self, j, x, one, W):
        """The values as they count: see auto_csr in reference_auto.py."""
        self.seen[j] += one
        for i, k in enumerate(j):
            size, less = abs(x[i]) * self.unit[k], 1.0
            if x[i] == 0 and self.unit[k] == 0:
                continue
            if self.unit[k] == 0:
                self.unit[k] = np.sqrt(self.seen[k] / one) / abs(x[i])
                continue
            jump = size > 4 and self.seen[k] <= 16
            if jump:
                less = np.sqrt(2 / (1 + size**2))
                self.unit[k] *= less
                size = abs(x[i]) * self.unit[k]
            size = size if jump else min(size, CLIP)
            x[i] = np.sign(x[i]) * size / self.unit[k]
            grown = 1 / np.sqrt(1 + (size**2 - 1) * one / self.seen[k])
            self.unit[k] *= grown
            less = grown if size > 4 and not jump else less
            W[:, k] *= less
        return x


def softmax_csr(X, Y, *, l1=0.0, l2=0.0, intercept=True, s=None, passes=1, half_life=None):
    """Two rules of reference_auto.auto_csr with one precision a feature, and the average of the better."""
    (d, K), (FILTER, LONG, AVERAGE) = (X.shape[1], Y.shape[1]), range(3)
    W, b, features, judgement, rates = (
        np.zeros((3, d, K)),
        np.zeros((3, K)),
        Features(d, K),
        Judgement(K, intercept),
        Rates(K),
    )
    bH, bG, square, values, weight, n, rows = *np.zeros(5), 0, len(X) if s is None else (s > 0).sum()
    sums = np.zeros((2, K))

    def of_average(first):
        """The average of a weight that is 0 is 0, with L1."""
        W[AVERAGE] *= W[judgement.better() if first else FILTER] != 0 if l1 > 0 else 1

    for t, fade, n, i, si, _, (one, *_) in auto_rows(Y, s, None, None, passes, half_life):
        y, first = Y[i], t <= rows
        weight, values = weight * fade + si, values * fade + (X[i] != 0).sum()
        bH, bG, features.seen, features.slopes = bH * fade, bG * fade, features.seen * fade, features.slopes * fade
        judgement.fade(fade)
        if t == rows + 1:
            of_average(True)
            chosen = judgement.best()[1]
            W[[FILTER, AVERAGE]], b[[FILTER, AVERAGE]] = W[chosen].mean(axis=0), b[chosen].mean(axis=0)
        curve, usual = (bH / (n - 1), square) if t > 1 else (H, H)
        j, x = features.values(X[i], t, n, one, (W, b), intercept)
        x = features.count(j, x, one, W)
        if intercept:  # The means have moved, and the models, of weights that may have shrunk, stay what they say.
            b += features.moved @ W[:, features.centred]
        j, x = j[x != 0], x[x != 0]
        unit, seen, reach, rules = (
            features.unit[j],
            features.seen[j],
            judgement.reach,
            [FILTER, LONG] if first else [FILTER],
        )
        kappa = KAPPA if first else KAPPA_AGAIN
        P = np.zeros((2, len(j)))
        P[FILTER] = np.where(features.centred[j], KAPPA_CENTRED, kappa) * curve * seen + H * values / n / reach
        P[LONG] = np.sqrt(START + usual + features.slopes[j]) / ETA
        P /= unit**2
        b_size = intercept / np.array([kappa * bH + H / reach, np.sqrt(START + usual + bG) / ETA])
        z = x @ W[:, j] + b
        averaged = judgement.better() if first else FILTER
        value = -log_softmax(z[averaged]) * y
        sums += si * value, np.full(K, si)
        if first:
            judgement.judge(z, value.sum(), y, si, t, n)
            judgement.learn(value.sum(), y, si)
            averaged = judgement.better()
        slope = softmax(z[rules], axis=1).mean(axis=0) - y
        curve, squared, rate = rates.learn(slope, y, one, n, fade)
        share, owed = one / seen, one if first else n / seen
        sizes = np.array([one * (x**2 @ (1 / P[rule]) + b_size[rule]) for rule in rules])
        for rule, a in zip(rules, one * rate * joint_steps(z[rules], sizes[:, None] * rate, y), strict=True):
            off = np.minimum(n / seen, 0.1 * n + 1) * l1 / P[rule]
            W[rule, j] = soft(W[rule, j] + np.outer(x / P[rule], a), np.outer(off, np.ones(K)))
            W[rule, j] /= (1 + owed * l2 / P[rule])[:, None]
            b[rule] += a * b_size[rule]
        bH += one * np.clip(curve, 0.04 * H, H)
        square, bG = square + (squared - square) / n, bG + one * squared
        features.slopes[j] += one * squared * first
        W[AVERAGE, j] += (W[averaged, j] - W[AVERAGE, j]) * newer(share)[:, None]
        b[AVERAGE] += (b[averaged] - b[AVERAGE]) * newer(1 / n)
    of_average(passes == 1)
    at, chosen, share = judgement.best() if passes == 1 else (0, [AVERAGE], 1.0)
    W, b = W[chosen].mean(axis=0), b[chosen].mean(axis=0)
    flat = judgement.flat(n + 1) if passes == 1 else np.zeros(K)
    return share * W, share * (b - features.mean @ W) + (1 - share) * flat, t + 1, sums, at
