"""The specification of learning_rate="auto" of classes learnt together, in plain NumPy, as reference_auto.py of all else."""

import numpy as np
from reference import soft
from scipy.special import log_softmax, softmax

from .reference_auto import auto_rows, falling

H = 0.5  # the bound of the curvature
KAPPA, KAPPA_CENTRED, CLIP = 0.15, 0.015, 100


def joint_step(z, s, y):
    """a = y - q, q = softmax(z + s a): Newton's method in log q for log q + s q = z + s y - L, L so that the sum of q is 1.

    Until no q changes by more than 0.02: what is left is about the square.
    """
    v, log_q = z + s * y, log_softmax(z)
    for _ in range(30):
        q = np.exp(log_q)
        L = (q.sum() - 1 + q / (1 + s * q) @ (v - log_q - s * q)) / (q / (1 + s * q)).sum()
        change = np.minimum((v - log_q - s * q - L) / (1 + s * q), 1)
        log_q = log_q + change
        if (q * abs(change)).max() < 0.02:
            break
    return y - softmax(log_q)


class Judgement:
    """Which share of which of two candidates would have lost least before the steps, and how far margins are to reach."""

    SHARES = np.array([1, 0.75, 0.5, 0.25, 0])

    def __init__(self, K, intercept):
        self.K, self.intercept, self.counts = K, intercept, np.zeros(K)
        self.lost, self.spread = np.zeros((2, 2, 5))
        self.usual = self.weight = self.flat_lost = 0.0
        self.reach = 1.5

    def flat(self, n):
        """The best constant of the rows before the n-th."""
        if not self.intercept or n == 1:
            return np.zeros(self.K)
        total = self.counts.sum()
        return np.log((self.counts + total / (n - 1) / self.K) / (total + total / (n - 1)))

    def judge(self, candidates, value, y, w, t, n):
        """Before the step of row t: margins (2, K) of the candidates, the loss of the model as it is."""
        drawn = 8 if n > 16384 else 4
        drawn = drawn if t * 0x9E3779B97F4A7C15 % 2**64 < 2**64 / drawn else 0
        times = 1 if n <= 4096 or value > 4 * self.usual else drawn
        if times:
            flat, w = self.flat(n), times * w * n**2
            base = -log_softmax(flat) @ y
            self.flat_lost += w * base
            for c, z in enumerate(candidates):
                more = w * np.array([-log_softmax(flat + share * (z - flat)) @ y - base for share in self.SHARES])
                more[-1] = 0
                self.lost[c] += more
                self.spread[c] = np.hypot(self.spread[c], more)
            gain = -self.lost.min()
            odds = gain / (self.flat_lost - gain)
            self.reach = 1.5 * (np.clip(4 * odds, 0.25, 8) / 1.5) ** (n / (n + 1000))

    def fade(self, f):
        """Before a row: those so far fade."""
        self.weight, self.counts = self.weight * f, self.counts * f
        self.lost, self.spread, self.flat_lost = (x * f**3 for x in (self.lost, self.spread, self.flat_lost))

    def learn(self, value, y, w):
        """After it."""
        self.weight, self.counts = self.weight + w, self.counts + w * y
        self.usual += (value - self.usual) * w / self.weight

    def best(self):
        """Candidate and share."""
        at = self.lost.argmin()
        known = self.lost.flat[at] + self.spread.flat[at] < 0
        return at // 5, self.SHARES[at % 5] if known else 0.0


def softmax_dense(X, Y, *, l1=0.0, l2=0.0, intercept=True, s=None, passes=1, half_life=None):
    """Two models with steps of two lengths; W, b, the number of the next step, sums, and which is taken."""
    d, K = X.shape[1], Y.shape[1]
    m, Q, r, weight, rho, last, due, n = np.zeros(d), np.zeros(d), np.zeros(d), 0.0, 0.0, 0, 1, 0
    U, A, b, b_avg, owed = *np.zeros((2, 2, d, K)), *np.zeros((2, 2, K)), np.zeros(2)
    sums, judgement, rows = np.zeros((2, K)), Judgement(K, intercept), len(X) if s is None else (s > 0).sum()

    def scales():
        v = np.where(Q > 0, Q / weight + l2 / H, 0)
        return np.where(v > 1e-300, 1 / np.sqrt(np.where(v > 1e-300, v, 1)), 0)

    def settled(e):
        u = soft(U[e], np.outer(r, np.full(K, owed[e])) * l1) / (1 + owed[e] * r[:, None] ** 2 * l2)
        return u, A[e] + (u - A[e]) * (1 - (last / n) ** 3)

    for t, fade, n, i, si, _, (c, *_) in auto_rows(Y, s, None, None, passes, half_life):
        x, y, first = X[i], Y[i], t <= rows
        weight, rho, last = weight * fade + si, rho * fade, last * fade
        judgement.fade(fade)
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
        best, z = judgement.best()[0], xh @ U + b
        value = -log_softmax(z[best]) * y
        sums += si * value, np.full(K, si)
        if first:
            judgement.judge(xh @ A + b_avg, value.sum(), y, si, t, n)
            judgement.learn(value.sum(), y, si)
        part, R = si / weight if intercept else 0.0, rho / n
        for e, length in enumerate((min(judgement.reach, 1.0), 5 * max(judgement.reach, 1.5))):
            if first or e == best:
                g = falling(n, R, length / 3) / H
                a = joint_step(z[e], c * g * (norm + intercept), y)
                U[e] += np.outer(xh, c * g * a)
                moved = (z[e] - b[e]) * part / (1 - part) if part < 1 else 0.0
                b[e] += intercept * (c * g * a + moved)
                b_avg[e] += intercept * moved
                b_avg[e] += (b[e] - b_avg[e]) * (1 - (1 - 1 / n) ** 3)
                owed[e] += g
        if t >= due:
            for e in range(2):
                U[e], A[e] = settled(e)
            owed, last, due, r = np.zeros(2), n, t + max(1, min(16, t // 32)), scales()
    best, share = judgement.best() if passes == 1 else (judgement.best()[0], 1.0)
    W = settled(best)[1] * r[:, None]
    flat = judgement.flat(n + 1) if passes == 1 else np.zeros(K)
    return share * W, share * (b_avg[best] - m @ W) + (1 - share) * flat, t + 1, sums, best


class Features:
    """Of each column 1 / the root mean square of its values, and the rows that have it; and which are centred."""

    def __init__(self, d, K):
        self.unit, self.seen, self.mean, self.centred = np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(d, bool)

    def values(self, x, t, n, one, model, intercept):
        """Columns that count in row t, and their values less means; W, A, b and b_avg of the model stay what they say."""
        W, A, b, b_avg = model
        there = x != 0
        if intercept:
            if t == 1:
                self.centred = there.copy()
            elif t < 64:
                gone = self.centred & ~there
                b -= self.mean[gone] @ W[gone]
                b_avg -= self.mean[gone] @ A[gone]
                self.unit[gone] = self.seen[gone] = self.mean[gone] = 0
                self.centred &= there
            elif t & (t - 1) == 0:
                new = ~self.centred & (self.seen >= n / 2)
                self.unit[new] = self.seen[new] = 0
                self.centred |= new
            j = self.centred
            by = (x[j] - self.mean[j]) * (one / (self.seen[j] + one))
            self.mean[j] += by
            b += by @ W[j]
            b_avg += by @ A[j]
        j = np.flatnonzero(there | self.centred)
        return j, x[j] - self.mean[j]

    def count(self, j, x, one, W, A):
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
            W[k], A[k] = W[k] * less, A[k] * less
        return x


def softmax_csr(X, Y, *, l1=0.0, l2=0.0, intercept=True, s=None, passes=1, half_life=None):
    """The filter of reference_auto.auto_csr with one variance a feature; frequent features are centred."""
    d, K = X.shape[1], Y.shape[1]
    W, A, b, b_avg = np.zeros((d, K)), np.zeros((d, K)), np.zeros(K), np.zeros(K)
    features, judgement, sums = Features(d, K), Judgement(K, intercept), np.zeros((2, K))
    bH, values, weight, n, rows = 0.0, 0, 0.0, 0, len(X) if s is None else (s > 0).sum()

    def rest(j, mean_curve):
        """By what the penalty that was not paid yet shrinks the averages."""
        P = mean_curve * features.seen[j] + H * values / n / judgement.reach
        owed = features.seen[j] * l2 * features.unit[j] ** 2
        return ((P + owed * features.seen[j] / n) / (P + owed))[:, None]

    for t, fade, n, i, si, _, (one, *_) in auto_rows(Y, s, None, None, passes, half_life):
        y, weight, values = Y[i], weight * fade + si, values * fade + (X[i] != 0).sum()
        bH, features.seen = bH * fade, features.seen * fade
        judgement.fade(fade)
        curve = bH / (n - 1) if t > 1 else H
        j, x = features.values(X[i], t, n, one, (W, A, b, b_avg), intercept)
        x = features.count(j, x, one, W, A)
        j, x = j[x != 0], x[x != 0]
        unit, seen, reach = features.unit[j], features.seen[j], judgement.reach
        kappa = np.where(features.centred[j], KAPPA_CENTRED, KAPPA)
        P = (kappa * curve * seen + H * values / n / reach) / unit**2
        b_size = intercept / (KAPPA * bH + H / reach)
        z = x @ W[j] + b
        value = -log_softmax(z) * y
        sums += si * value, np.full(K, si)
        a = one * joint_step(z, one * (x**2 @ (1 / P) + b_size), y)
        q = softmax(z)
        if t <= rows:
            judgement.judge([x @ A[j] + b_avg, x @ (rest(j, curve) * A[j]) + b_avg], value.sum(), y, si, t, n)
            judgement.learn(value.sum(), y, si)
        bH += one * np.clip(np.maximum(q * (1 - q), (q - y) ** 2).mean(), 0.04 * H, H)
        share, off = one / seen, np.minimum(n / seen, 0.1 * n + 1) * l1 / P
        owed = one if t <= rows else n / seen
        W[j] = soft(W[j] + np.outer(x / P, a), np.outer(off, np.ones(K))) / (1 + owed * l2 / P)[:, None]
        A[j] += (W[j] - A[j]) * (1 - (1 - share) ** 3)[:, None]
        b += a * b_size
        b_avg += (b - b_avg) * (1 - (1 - 1 / n) ** 3)
    candidate, share = judgement.best() if passes == 1 else (0, 1.0)
    j = np.flatnonzero(features.seen)
    if candidate:
        A[j] *= rest(j, bH / n)
    if l1 > 0:
        A = A * (W != 0)
    flat = judgement.flat(n + 1) if passes == 1 else np.zeros(K)
    return share * A, share * (b_avg - features.mean @ A) + (1 - share) * flat, t + 1, sums, candidate
