"""The specification of learning_rate="auto" in plain NumPy, as reference.py is of all else."""

import numpy as np
from reference import soft

from support.reference_centred import Centred


class Curvature:
    """h of each head: the loss's bound, or, where it has a `span`, the mean of what is measured."""

    def __init__(self, loss, K):
        self.loss, self.h, self.total, self.weight, self.far = loss, np.full(K, loss.curvature), *np.zeros((3, K))

    def measure(self, z, y, s):
        """(slope(z + r) - slope(z - r)) / 2r; r is 1, or the mean distance of margins from their targets."""
        self.weight, self.far = self.weight + s, self.far + s * abs(z - y)
        mean = self.far / np.where(self.weight > 0, self.weight, 1)
        r = mean if np.isinf(self.loss.span) else np.ones(len(z))
        safe = np.where(r > 0, r, 1)
        slopes = self.loss.slope(z + safe, y) - self.loss.slope(z - safe, y)
        return np.where(r > 0, slopes / (2 * safe), 0)

    def learn(self, c, s):
        """Take into h what was measured."""
        if self.loss.span:
            self.total = self.total + s * c
            self.h = np.where(self.total > 0, self.total / np.where(self.weight > 0, self.weight, 1), self.h)


def auto_rows(Y, s, s_pos, s_neg, passes):
    """(row, its weight, the weights of the heads, and the latter scaled to a running mean of 1) of each step."""
    (n, K), t, total = Y.shape, 0, 0.0
    s, s_pos, s_neg = (np.ones(m) if a is None else a for a, m in ((s, n), (s_pos, K), (s_neg, K)))
    for i in list(range(n)) * passes:
        if s[i] > 0:
            t, weight = t + 1, s[i] * np.where(Y[i] > 0, s_pos, s_neg)
            total = total + weight
            yield t, i, s[i], weight, weight * t / np.where(total > 0, total, 1)


def falling(t, R, c0):
    """The step size of row t, R being the mean squared length of a row."""
    return c0 / R * (1 + 10 * R / t) / np.sqrt(1 + 0.1 * t / (10 * R + 1))


class Judgement:
    """Which share of which candidate of each head would have lost least before the steps, the rest being the best constant."""

    SHARES = np.array([1, 0.75, 0.5, 0.25, 0])

    def __init__(self, loss, K, intercept):
        self.loss, self.intercept = loss, intercept
        self.mean, self.flat, self.usual, self.weight = np.zeros((4, K))
        self.lost, self.spread = np.zeros((2, K, 2, 5))

    def judge(self, candidates, value, y, w, t, h):
        """Before the step of row t: margins (2, K), the loss of each head as it is, its target, weight and curvature."""
        drawn = (t * 0x9E3779B97F4A7C15 % 2**64) >> 62 == 0
        for k in range(len(y)):
            times = 1 if t <= 1024 or value[k] > 4 * self.usual[k] else 4 * drawn
            if times and self.intercept and self.loss.affine and t > 1:
                self.flat[k] += t / h[k] * self.loss.implicit(self.flat[k], t / h[k], self.mean[k])
            if times and w[k]:
                z = self.flat[k] + np.outer(candidates[:, k] - self.flat[k], self.SHARES)
                values = self.loss.value(z, y[k])
                more = times * w[k] * t**2 * (values - values[:, -1:])
                self.lost[k] += more
                self.spread[k] = np.hypot(self.spread[k], more)

    def learn(self, value, y, w, c, t, h):
        """After it: the usual loss, and the best constant."""
        self.weight = self.weight + w
        part = w / np.where(self.weight > 0, self.weight, 1)
        self.usual = self.usual + (value - self.usual) * part
        if self.intercept and self.loss.affine:
            self.mean = self.mean + (y - self.mean) * part
        elif self.intercept:
            if t == 1 and self.loss.residual:
                self.mean, self.flat = y.astype(float), y.astype(float)
            g = 2 * c / (t * h)
            self.mean = self.mean + g * self.loss.implicit(self.mean, g, y)
            self.flat = self.flat + (self.mean - self.flat) * (1 - ((t - 1) / t) ** 3)

    def best(self):
        """Candidate and share of each head: those of least loss, or the constant where the gain is not beyond its spread."""
        lost, spread, heads = self.lost.reshape(-1, 10), self.spread.reshape(-1, 10), np.arange(len(self.lost))
        best = lost.argmin(axis=1)
        return best // 5, np.where(lost[heads, best] + spread[heads, best] < 0, self.SHARES[best % 5], 0)


def begin(loss, judgement, b, b_avg, y, t):
    """Of a loss of y - z, intercept and average before each of the first three rows: y, y, and the median of the three."""
    if t < 3:
        return y.astype(float), y.astype(float) if t == 1 else b_avg
    b = np.median([8 * b_avg - 7 * b, b, y], axis=0)  # the average of the second row has 1/8 of the first y
    if not loss.affine:
        judgement.mean, judgement.flat = b.copy(), b.copy()
    return b, b.copy()


def auto_dense(X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1, longer=1.0):
    """The implicit step in standardised coordinates, averaged; `longer` is a factor of its length.

    Returns W, b, the number of the next step, sums.
    """
    d, K = X.shape[1], Y.shape[1]
    m, Q, r, weight = np.zeros(d), np.zeros(d), np.zeros(d), 0.0
    U, A, b, b_avg, owed = np.zeros((d, K)), np.zeros((d, K)), np.zeros(K), np.zeros(K), np.zeros(K)
    curvature, rho, last, due, t, sums = Curvature(loss, K), 0.0, 0, 1, 0, np.zeros((2, K))
    judgement = Judgement(loss, K, intercept)

    def scales():
        v = np.where(Q > 0, Q / weight + l2 / curvature.h.mean(), 0)
        return np.where(v > 1e-300, 1 / np.sqrt(np.where(v > 1e-300, v, 1)), 0)

    def settled(U, A):
        """What is owed of the penalty taken off, and the average up to now."""
        U = soft(U, np.outer(r, owed) * l1) / (1 + np.outer(r**2, owed) * l2)
        return U, A + (U - A) * (1 - (last / t) ** 3)

    for t, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes):
        x, y = X[i], Y[i]
        weight += si
        delta = x - m
        if intercept:
            m = m + delta * (si / weight)
        rest = x - m
        Q = Q + si * delta * rest
        if t <= 64:
            r = scales()
        norm = (rest * r) @ (rest * r)
        if t > 64 and 1 + norm > 10 * rho / t:  # a row far longer than those before: it counts before it moves
            r = scales()
            norm = (rest * r) @ (rest * r)
        xh = rest * r
        rho += 1 + norm
        if t <= 3 and loss.residual and intercept:
            b, b_avg = begin(loss, judgement, b, b_avg, y, t)
        z = xh @ U + b
        value = loss.value(z, y)
        sums += wi * value, wi
        if passes == 1:
            judgement.judge(np.tile(xh @ A + b_avg, (2, 1)), value, y, wi, t, curvature.h)
            judgement.learn(value, y, wi, c, t, curvature.h)
        part = si / weight if intercept else 0.0
        moved = (z - b) * part / (1 - part) if part < 1 else np.zeros(K)
        if np.isinf(loss.span):
            curvature.learn(curvature.measure(z, y, wi), wi)
        g = falling(t, rho / t, 0.5 * longer) / curvature.h
        a = loss.implicit(z, c * g * (norm + intercept), y)
        if loss.span == 1:
            curvature.learn(curvature.measure(z + c * g * (norm + intercept) * a, y, wi), wi)
        U, b, owed = U + np.outer(xh, c * g * a), b + intercept * c * g * a + moved, owed + g
        b_avg = b_avg + moved  # the means have moved, and the model may not
        b_avg = b_avg + (b - b_avg) * (1 - ((t - 1) / t) ** 3)
        if t >= due:
            U, A = settled(U, A)
            owed, last, due, r = np.zeros(K), t, t + max(1, min(16, t // 32)), scales()
    share = judgement.best()[1] if passes == 1 else np.ones(K)
    W = share * settled(U, A)[1] * r[:, None]
    return W, share * b_avg + (1 - share) * judgement.flat - m @ W, t + 1, sums


KAPPA, GAMMA, CLIP = 0.15, 1.5, 100


def near(loss, z, s, y):
    """The implicit step; of the logistic loss, to first order: from z, or from 0 where the step leads past it."""
    if loss.name != "log_loss":
        return loss.implicit(z, s, y)
    slope = loss.slope(z, y)
    p = slope + y
    return np.where(z * (z + s * (y - 0.5)) > 0, -slope / (1 + s * p * (1 - p)), (y - 0.5 - z / 4) / (1 + s / 4))


def auto_csr(X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1, longer=1.0):
    """The implicit step of a filter with a diagonal covariance, averaged; in the first pass L2 is paid per visit.

    The values of X that are not 0 are those present. Returns W, b, the number of the next step, sums, and the candidate of
    each head: 1 only after one pass, if the judgement is so.
    """
    (n, d), K = X.shape, Y.shape[1]
    W, A, b, b_avg = np.zeros((d, K)), np.zeros((d, K)), np.zeros(K), np.zeros(K)
    unit, seen, bH = np.zeros(d), np.zeros(d), np.zeros(K)  # unit: 1 / the root mean square of a feature's values
    curvature, values, weight, judgement = Curvature(loss, K), 0, 0.0, Judgement(loss, K, intercept)
    t, sums, rows = 0, np.zeros((2, K)), n if s is None else (s > 0).sum()
    centred = Centred(d)

    def rest(j, k, h, mean_curve):
        """By what the penalty that was not paid yet shrinks the averages."""
        H = mean_curve * seen[j] + h * (values / t) / GAMMA
        return (H + seen[j] * l2 * unit[j] ** 2) / (H + t * l2 * unit[j] ** 2)

    for t, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes):
        j = np.flatnonzero(X[i])
        x, y = X[i, j], Y[i]
        if t <= 3 and loss.residual and intercept:
            b, b_avg = begin(loss, judgement, b, b_avg, y, t)
        if intercept:
            new, at = centred.joining(t, j, x, seen)
            b, b_avg = b + at @ W[new], b_avg + at @ A[new]
            W[new], A[new], unit[new], seen[new] = 0, 0, 0, 0
            j, x, moved = centred.centre(t, j, x, si, seen + si * t / (weight + si) > 16, unit)
            b, b_avg = b + moved @ W[centred.columns], b_avg + moved @ A[centred.columns]
            j, x = j[(x != 0) | (unit[j] > 0)], x[(x != 0) | (unit[j] > 0)]
        weight, values = weight + si, values + len(j)
        one = si * t / weight
        unit[j] = np.where(unit[j] == 0, 1 / np.where(x == 0, 1, abs(x)), unit[j])
        size = abs(x) * unit[j]
        # early on a value that is not like those before is taken as it is; later as one of at most CLIP root mean squares
        jump = (size > 4) & (seen[j] + one <= 16)
        less = np.where(jump, np.sqrt(2 / (1 + size**2)), 1)
        unit[j] *= less
        size = np.where(jump, abs(x) * unit[j], np.minimum(size, CLIP))
        x = np.sign(x) * size / unit[j]
        seen[j] += one
        grown = 1 / np.sqrt(1 + (size**2 - 1) * one / seen[j])
        unit[j] *= grown
        less = (less * np.where((size > 4) & ~jump, grown, 1))[
            :, None
        ]  # the weight is as large in these units as it was
        W[j], A[j] = W[j] * less, A[j] * less
        z = x @ W[j] + b
        value = loss.value(z, y)
        if passes == 1:
            rests = [rest(j, k, curvature.h[k], bH[k] / (t - 1) if t > 1 else curvature.h[k]) for k in range(K)]
            candidates = np.array([x @ A[j], x @ (A[j] * np.array(rests).T.reshape(A[j].shape))]) + b_avg
            judgement.judge(candidates, value, y, wi, t, curvature.h)
            judgement.learn(value, y, wi, c, t, curvature.h)
        for k in range(K):
            h, mean_curve = curvature.h[k], bH[k] / (t - 1) if t > 1 else curvature.h[k]
            sums[:, k] += wi[k] * value[k], wi[k]
            if loss.span != 1:
                curve = curvature_of_head(curvature, z[k], y[k], wi[k], k)
            kappa = centred.kappa(j, t, KAPPA / longer, h, mean_curve, 0.5 * longer)
            P = (kappa * mean_curve * seen[j] + h * (values / t) / GAMMA) / unit[j] ** 2
            b_size = intercept / (KAPPA / longer * bH[k] + h / GAMMA)
            size = x**2 @ (1 / P) + b_size
            a = c[k] * near(loss, z[k], c[k] * size, y[k])
            if loss.span == 1:
                curve = curvature_of_head(curvature, z[k] + a * size, y[k], wi[k], k)
            off = np.minimum(t / seen[j], 0.1 * t + 1) * l1 / P
            owed = one if t <= rows else t / seen[j]
            W[j, k] = soft(W[j, k] + a * x / P, off) / (1 + owed * l2 / P)
            A[j, k] += (W[j, k] - A[j, k]) * (1 - (1 - one / seen[j]) ** 3)
            bH[k] += c[k] * curve
            b[k] += a * b_size
            b_avg[k] += (b[k] - b_avg[k]) * (1 - ((t - 1) / t) ** 3)
    rule, share = judgement.best() if passes == 1 else (np.zeros(K, int), np.ones(K))
    j = np.flatnonzero(seen)
    for k in np.flatnonzero(rule):
        A[j, k] *= rest(j, k, curvature.h[k], bH[k] / t)
    if l1 > 0:
        A = A * (W != 0)
    W = share * A
    return W, share * b_avg + (1 - share) * judgement.flat - centred.used @ W, t + 1, sums, rule


def curvature_of_head(curvature, z, y, s, k):
    """What one head measures at its margin, or the slope squared up to h; not below a share of h."""
    one = Curvature(curvature.loss, 1)
    one.h, one.total, one.weight, one.far = (
        getattr(curvature, name)[k : k + 1] for name in ("h", "total", "weight", "far")
    )
    c = one.measure(np.array([z]), np.array([y]), np.array([s]))
    one.learn(c, np.array([s]))
    for name in ("h", "total", "weight", "far"):
        getattr(curvature, name)[k] = getattr(one, name)[0]
    fisher = min(one.h[0], one.loss.slope(z, y) ** 2) if one.loss.span == 0 else 0.0
    if np.isinf(one.loss.span) and one.total[0] == 0:
        return 0.0  # of what is not known yet h says nothing
    return max(c[0], fisher, 0.04 * one.h[0])
