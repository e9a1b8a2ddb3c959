"""The specification of learning_rate="auto" in plain NumPy, as reference.py is of all else."""

import numpy as np
from reference import soft

from support.reference_centred import Centred
from support.reference_judge import Judgement
from support.reference_newton import Newton


class Curvature:
    """h of each head: the loss's bound, or, where it has a `span`, the mean of what is measured."""

    def __init__(self, loss, K):
        self.loss, self.h, self.total, self.weight, self.far = loss, np.full(K, loss.curvature), *np.zeros((3, K))

    def count(self, z, y, s, fade):
        """A row's weights and distances of margins from targets, but for what is rounding; those before fade."""
        far = abs(z - y)
        self.weight, self.total = self.weight * fade + s, self.total * fade
        self.far = self.far * fade + s * far * (far > 1e-14 * abs(y))

    def measured(self, z, y):
        """(slope(z + r) - slope(z - r)) / 2r; r is 1, or the mean distance of margins from their targets."""
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


def auto_rows(Y, s, s_pos, s_neg, passes, half_life):
    """Of each step: its number, by what the rows before fade, what is left of the rows, the row, its weight, the weights of the
    heads, and the latter scaled to a running mean of 1.

    The first three rows, which set the intercept, do not fade among themselves.
    """
    (rows, K), t, n, total = Y.shape, 0, 0.0, 0.0
    s, s_pos, s_neg = (np.ones(m) if a is None else a for a, m in ((s, rows), (s_pos, K), (s_neg, K)))
    for i in list(range(rows)) * passes:
        if s[i] > 0:
            t, weight = t + 1, s[i] * np.where(Y[i] > 0, s_pos, s_neg)
            fade = 1.0 if half_life is None or t <= 3 else 2 ** (-1 / half_life)
            n, total = n * fade + 1, total * fade + weight
            yield t, fade, n, i, s[i], weight, weight * n / np.where(total > 0, total, 1)


def falling(t, R, c0):
    """The step size of row t, R being the mean squared length of a row."""
    return c0 / R * (1 + 10 * R / t) / np.sqrt(1 + 0.1 * t / (10 * R + 1))


def newer(part):
    """By what an average moves to a weight, `part` being this row's of all rows: later ones count more, by t^2.

    Where rows fade by f, so that n of them are left, by n^2 f^3 for each row since.
    """
    return 1 - (1 - part) ** 3


def begin(judgement, b, b_avg, y, t):
    """Of a loss of y - z, intercept and average before each of the first three rows: y, y, and the median of the three."""
    if t == 1:
        for constant, first in zip(judgement.constants, y, strict=True):
            constant.found = float(first)
    if t < 3:
        return y.astype(float), y.astype(float) if t == 1 else b_avg
    b = np.median([8 * b_avg - 7 * b, b, y], axis=0)  # the average of the second row has 1/8 of the first y
    return b, b.copy()


def of_residuals(squared, mean, n):
    """Squared slopes in units of their mean over n rows, this one included; and that mean."""
    mean = mean + (squared - mean) / n
    return np.where(mean > 0, squared / np.where(mean > 0, mean, 1), 0), mean


ETA2 = 4.0  # of the long steps of dense rows
NEWTON_COLUMNS, NEWTON_WEIGHTS = 128, 256  # at most; otherwise that rule is Newton's
AGAIN = np.array(
    [0, 1, 0, 3, 0, 3, 3]
)  # of each combination that in later passes: of the first rule there is its average


def auto_dense(
    X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1, longer=1.0, half_life=None
):
    """Implicit steps of two rules in standardised coordinates, averaged; `longer` is a factor of their length.

    With a half-life all sums and means over the rows are of what is left of these, n in place of t.
    Returns W, b, the number of the next step, sums. From the second pass on there is the first rule alone, or Newton's too.
    """
    d, K = X.shape[1], Y.shape[1]
    there = d <= NEWTON_COLUMNS and d * K <= NEWTON_WEIGHTS and loss.convex and loss.span != 1
    newton = Newton(loss, d, K, intercept, longer) if there else None
    m, Q, r, weight = np.zeros(d), np.zeros(d), np.zeros(d), 0.0
    U, A, b, b_avg, owed = *np.zeros((2, 2, d, K)), *np.zeros((2, 2, K)), np.zeros((2, K))
    curvature, rho, last, due, n, sums = Curvature(loss, K), 0.0, 0, 1, 0, np.zeros((2, K))
    square, slopes, rows = np.zeros(K), np.zeros(K), len(X) if s is None else (s > 0).sum()
    judgement = Judgement(loss, K, 3, intercept)

    def scales():
        v = np.where(Q > 0, Q / weight + l2 / curvature.h.mean(), 0)
        return np.where(v > 1e-300, 1 / np.sqrt(np.where(v > 1e-300, v, 1)), 0)

    def renewed(r):
        if newton:
            newton.rescale(r)
        return r

    def settled(U, A):
        """What is owed of the penalty taken off, and the average up to now."""
        owing = r[:, None] * owed[:, None]
        U = soft(U, owing * l1) / (1 + owing * r[:, None] * l2)
        return U, A + (U - A) * newer(1 - last / n)

    for t, fade, n, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes, half_life):
        x, y, first = X[i], Y[i], t <= rows
        weight, rho, last, slopes = weight * fade + si, rho * fade, last * fade, slopes * fade
        delta = x - m
        if intercept:
            m = m + delta * (si / weight)
        rest = x - m
        Q = Q * fade + si * delta * rest
        if t <= 64:
            r = renewed(scales())
        norm = (rest * r) @ (rest * r)
        if t > 64 and 1 + norm > 10 * rho / n:  # a row far longer than those before: it counts before it moves
            r = renewed(scales())
            norm = (rest * r) @ (rest * r)
        xh = rest * r
        rho += 1 + norm
        if t <= 3 and loss.residual and intercept:
            b[:], b_avg[:] = begin(judgement, b[0], b_avg[0], y, t)
            if newton:
                newton.b = b[1]
        z = xh @ U + b
        value, slope = loss.value(z[0], y), loss.slope(z[1], y)
        sums += wi * value, wi
        curvature.count(z[0], y, wi, fade)
        if first:
            averaged = xh @ A + b_avg
            second = averaged[1], z[1]
            if newton:
                second = xh @ newton.u + newton.b, z[0]
            if t <= 3:  # the intercept of the first three rows knows y
                second = (averaged[0] if newton else averaged[1],) * 2
            judgement.judge(np.array([averaged[0], *second]), value, y, wi, t, n, fade)
            judgement.learn(value, y, wi, fade)
        if np.isinf(loss.span):
            curvature.learn(curvature.measured(z[0], y), wi)
        g, size = np.zeros((2, K)), norm + intercept
        g[0] = falling(n, rho / n, 0.5 * longer) / curvature.h
        if first:  # of few columns these are the steps of the first rule, and the second's are Newton's
            squared = (loss.slope(z[0], y) if newton else slope) ** 2
            relative, square = of_residuals(squared, square, n)
            slopes = slopes + c * (relative if loss.residual else squared)
            g[0 if newton else 1] = longer * ETA2 / (curvature.h if loss.residual else 1) / (1 + slopes) ** 0.75
        if loss.span == 1:
            ahead = z[0] + c * g[0] * size * near(loss, z[0], c * g[0] * size, y)
            curvature.learn(curvature.measured(ahead, y), wi)
        if newton:
            unusual = (value > 4 * judgement.usual) | (1 + norm > 4 * rho / n)
            newton.count(x, xh, m, y, wi, unusual, t, n, fade, curvature)
        a = c * g * near(loss, z, c * g * size, y)
        part = si / weight if intercept else 0.0
        moved = (
            (z - b) * part / (1 - part) if part < 1 else np.zeros((2, K))
        )  # the means have moved, and the model may not
        U, b, b_avg, owed = U + a[:, None] * xh[:, None], b + intercept * a + moved, b_avg + moved, owed + g
        b_avg += (b - b_avg) * newer(1 / n)
        if newton:
            newton.b = newton.b + (newton.z - newton.b) * part / (1 - part) if part < 1 else newton.b
            newton.step(m, t, n, l1, l2, curvature)
        if t >= due:
            U, A = settled(U, A)
            owed, last, due, r = np.zeros((2, K)), n, t + max(1, min(16, t // 32)), renewed(scales())
        if t == rows and newton and passes > 1:
            best = AGAIN[judgement.best()[0]]
            newton = newton if best.any() else None
    U, A = (weights * r[:, None] for weights in settled(U, A))
    if newton:
        newton.step(m, t, n, l1, l2, curvature, now=True)
        A, b_avg = np.array([A[0], newton.u * r[:, None], U[0]]), np.array([b_avg[0], newton.b, b[0]])
    else:
        A, b_avg = np.array([*A, U[1]]), np.array([*b_avg, b[1]])
    if newton and passes > 1:
        W, b = judgement.combined(A, best), judgement.combined(b_avg, best)
        return W, b - m @ W, t + 1, sums
    W, b = judgement.model(A, b_avg) if passes == 1 else (A[0], b_avg[0])
    return W, b - m @ W, t + 1, sums


KAPPA, GAMMA, CLIP, FAR, EARLY = 0.15, 0.8, 300, 4, 16
ETA, START = (0.4, 0.2), (0.04, 1.0)  # of the long and the short steps
FILTER, LONG, SHORT, AVERAGE = range(4)


def near(loss, z, s, y):
    """The implicit step; of the logistic loss, to first order: from z, or from 0 where the step leads past it."""
    if loss.name != "log_loss":
        return loss.implicit(z, s, y)
    slope = loss.slope(z, y)
    p = slope + y
    return np.where(z * (z + s * (y - 0.5)) > 0, -slope / (1 + s * p * (1 - p)), (y - 0.5 - z / 4) / (1 + s / 4))


def as_it_counts(x, S, n, one):
    """A value that is not like those before, of the squares S of n rows: it, the squares, and by what the weights shrink."""
    if not x**2 * n > FAR**2 * S:
        return x, S, 1.0
    if n + one <= EARLY:  # it is taken as it is, and those before as if they had been larger
        both = (S + x**2 * n) / 2
        return x, both, np.sqrt(S / both)
    rms = np.sqrt(S / n)
    size = min(abs(x), CLIP * rms)
    return np.sign(x) * size, S, 1 / np.sqrt(1 + ((size / rms) ** 2 - 1) * one / (n + one))


def auto_csr(
    X, Y, loss, *, l1=0.0, l2=0.0, intercept=True, s=None, s_pos=None, s_neg=None, passes=1, longer=1.0, half_life=None
):
    """Three rules with a precision P of each weight, and the average of the better of two: see _kernels/auto_csr.pxi.

    The values of X that are not 0 are those present. From the second pass on the filter goes on from the model of the first.
    With a half-life all sums and means over the rows are of what is left of these, n in place of t.
    Returns W, b, the number of the next step, sums.
    """
    d, K = X.shape[1], Y.shape[1]
    W, b = np.zeros((4, d, K)), np.zeros((4, K))
    S, seen, G = np.zeros(d), np.zeros(d), np.zeros((d, K))  # of each feature's rows: squares, number, squared slopes
    bH, bG, square = np.zeros((3, K))  # curvatures, squared slopes; the mean squared slope
    curvature, values, weight, judgement = Curvature(loss, K), 0, 0.0, Judgement(loss, K, 4, intercept)
    t, sums, rows, centred = 0, np.zeros((2, K)), len(X) if s is None else (s > 0).sum(), Centred(d)

    def averaged(first):
        """Which rule is averaged of each head: of two that which has lost less so far."""
        lost = judgement.lost
        return np.where(first & ~(lost[:, FILTER] < lost[:, LONG]), LONG, FILTER), np.arange(K)

    def of_average(W, first):
        """The average of a weight that is 0 is 0, with L1."""
        rule, heads = averaged(first)
        W[AVERAGE] *= (W[rule, :, heads].T != 0) if l1 > 0 else 1
        return W

    for t, fade, n, i, si, wi, c in auto_rows(Y, s, s_pos, s_neg, passes, half_life):
        first = t <= rows
        S, seen, G, bH, bG, values = S * fade, seen * fade, G * fade, bH * fade, bG * fade, values * fade
        rules = 3 if first else 1
        if t == rows + 1:
            best = judgement.best()[0]
            W[:], b[:] = judgement.combined(of_average(W, True), best), judgement.combined(b, best)
        rule, heads = averaged(first)
        j, y, weight = np.flatnonzero(X[i]), Y[i], weight * fade + si
        x, one = X[i, j], si * n / weight
        if intercept:
            new, at = centred.joining(t, n, j, x, seen)
            b += at @ W[:, new]
            W[:, new], G[new], S[new], seen[new] = 0, 0, 0, 0
            late = (seen + one > EARLY) & (S > 0)
            most = np.where(late, CLIP * np.sqrt(S / np.maximum(seen, 1e-300)), np.inf)
            j, x, moved = centred.centre(t, fade, j, x, si, most)
            b += moved @ W[:, centred.columns]
            j, x = j[(x != 0) | (S[j] > 0)], x[(x != 0) | (S[j] > 0)]
        values += len(j)
        if t <= 3 and loss.residual and intercept:
            b[:AVERAGE], b[AVERAGE] = begin(judgement, b[LONG], b[AVERAGE], y, t)
        for k, col in enumerate(j):
            x[k], S[col], less = as_it_counts(x[k], S[col], seen[col], one)
            W[:, col] *= less
        seen[j], S[j] = seen[j] + one, S[j] + one * x**2
        x, mean, visits = x[:, None], (S[j] / seen[j])[:, None], seen[j][:, None]

        # the precision of each weight, with the penalty of the row, and those of the intercepts
        h, kappa = curvature.h, (1 if first else KAPPA) / longer
        curve = kappa * (bH / (n - 1) if t > 1 else h)
        P, P_b = np.zeros((rules, len(j), K)), np.zeros((rules, K))
        P[FILTER] = (curve if first else centred.curve(j, n, curve, h, 0.5 * longer)) * S[j][:, None] + h * (
            values / n
        ) / GAMMA * mean
        P_b[FILTER] = kappa * bH + h / GAMMA
        unit, usual = (h, 1) if loss.residual else (1, square if t > 1 else h)
        for of, eta, start in ((LONG, ETA[0], START[0]), (SHORT, ETA[1], START[1]))[: rules - 1]:
            P[of] = mean * unit / (longer * eta) * np.sqrt(start + usual + G[j])
            P_b[of] = unit / (longer * eta) * np.sqrt(start + usual + bG)
        owed = one * l2 if first else n / visits * l2
        P = P + owed

        # margins, losses, and what is learnt from them of the loss
        z = (x * W[:, j]).sum(axis=1) + b
        leading = judgement.combined(z, judgement.leader) if first else z[FILTER]
        value, middle, slope = loss.value(leading, y), z[:rules].mean(axis=0), loss.slope(z[:rules], y).mean(axis=0)
        sums += wi * value, wi
        curvature.count(middle, y, wi, fade)
        if first:
            judgement.judge(z, value, y, wi, t, n, fade)
            judgement.learn(value, y, wi, fade)
        size = (x**2 / P).sum(axis=1) + intercept / P_b
        if loss.span != 1:
            curve = (slope + y) * (1 - slope - y) if loss.name == "log_loss" else curvature.measured(middle, y)
            curvature.learn(curve, wi)
        a = c * near(loss, z[:rules], c * size, y)
        if loss.span == 1:
            curve = curvature.measured(middle + a[FILTER] * size[FILTER], y)
            curvature.learn(curve, wi)
        if loss.span == 0:
            curve = np.maximum(curve, np.minimum(curvature.h, slope**2))
        known = np.isfinite(loss.span) | (curvature.total > 0)  # of what is not known yet h says nothing
        bH = bH + np.where(known, c * np.maximum(curve, 0.04 * curvature.h), 0)
        relative, square = of_residuals(slope**2, square, n)
        squared = c * (relative if loss.residual else slope**2)
        G[j], bG = G[j] + squared, bG + squared

        # the steps
        off = np.minimum(n / visits, 0.1 * n + 1) * l1 / P
        W[:rules, j] = soft(W[:rules, j] + (a[:, None] * x - owed * W[:rules, j]) / P, off)
        W[AVERAGE, j] += (W[rule, :, heads].T[j] - W[AVERAGE, j]) * newer(one / visits)
        b[:rules] += a * intercept / P_b
        b[AVERAGE] += (b[rule, heads] - b[AVERAGE]) * newer(1 / n)
    W = of_average(W, first)
    W, b = judgement.model(W, b) if passes == 1 else (W[AVERAGE], b[AVERAGE])
    return W, b - centred.used @ W, t + 1, sums
