"""Of the specification of learning_rate="auto" on dense rows of few columns: Newton's steps, in blocks of rows."""

import numpy as np


class Newton:
    """Weights u of standardised columns and an intercept, which move at the end of each block of rows.

    H : (K, d + 1, d + 1) sum of h (x - o, 1) (x - o, 1)' over the rows, each times n and its weight; `counted` is that of these
    G : (d + 1, K) sums of -s slope (xh, 1), over the rows of the block
    """

    def __init__(self, loss, d, K, intercept, longer):
        self.loss, self.intercept, self.longer, self.block = loss, intercept, longer, 8
        self.rarer = 1 if d * K <= 64 else 2  # is all that takes d^2
        self.H, self.G, self.weight, self.counted = np.zeros((K, d + 1, d + 1)), np.zeros((d + 1, K)), *np.zeros((2, K))
        self.u, self.b, self.r, self.o = np.zeros((d, K)), np.zeros(K), np.zeros(d), None

    def rescale(self, r):
        """The model stays what it is where the scales 1 / sqrt(v) of columns change, but where they fall by half at once."""
        by = np.divide(self.r, r, out=np.ones_like(r), where=(r > 0.5 * self.r) & (self.r > 0))[:, None]
        self.u, self.G[:-1], self.r = self.u * by, self.G[:-1] / by, r

    def count(self, x, xh, m, y, w, unusual, t, n, fade, curvature):
        """A row: its columns, in units of X and standardised, their means m, targets, weights, and where it is unusual."""
        self.o = m if t == 1 else self.o
        z = self.z = xh @ self.u + self.b
        slope = self.loss.slope(z, y)
        h = self._curvature(z, y, slope, curvature)
        often = (1 if n <= 1024 else 16) * self.rarer
        drawn = t * 0x9E3779B97F4A7C15 % 2**64 < 2**64 // often
        times = np.where(unusual | (t <= 2 * len(x)), 1, often * drawn)
        delta = np.append(x - self.o, 1)
        self.counted = self.counted * fade**2 + n * w
        self.H = self.H * fade**2 + (times * n * w * h)[:, None, None] * np.outer(delta, delta)
        self.G -= np.outer(np.append(xh, 1), w * slope)
        self.weight = self.weight + w

    def _curvature(self, z, y, slope, curvature):
        if self.loss.name == "log_loss":
            return 0.9 * abs(slope) * (1 - abs(slope)) + 0.1 * slope**2
        if self.loss.residual and self.loss.span == 0:
            return curvature.h
        return np.maximum(0, curvature.measured(z, y))

    def _reach(self, curvature):
        if self.loss.residual and self.loss.span == 0:
            return np.full(len(self.b), np.inf)
        mean = curvature.far / np.where(curvature.weight > 0, curvature.weight, 1)
        return np.ones(len(self.b)) if self.loss.span <= 1 else 2 * mean

    def step(self, m, t, n, l1, l2, curvature, now=False):
        """At the end of a block, or now, m being the means of the columns; the next one is longer."""
        d, K = self.u.shape
        if t < self.block and not now:
            return
        self.block = t + max(8, d * d // 128, int(n + 0.5) // (16 // self.rarer))
        T = np.eye(d + 1)  # (x - o, 1) = T (x - m, 1)
        T[:-1, -1] = m - self.o
        self.H, self.o, R = np.linalg.inv(T) @ self.H @ np.linalg.inv(T).T, m, np.diag(np.append(self.r, 1))
        there, u, r = np.append(self.r > 0, self.intercept), self.u, self.r[:, None]
        self.G[:-1] -= self.weight * r * (l2 * r * u + l1 * np.sign(u))
        for k in np.flatnonzero(self.weight > 0):
            held, per = 8 * curvature.h[k] * curvature.weight[k] / n, curvature.weight[k] / self.counted[k]
            least = np.append(held + l2 * curvature.weight[k] * self.r**2, 0.01 * held / 8)
            M, step = R @ self.H[k] @ R * per + np.diag(least), np.zeros(d + 1)
            step[there] = np.linalg.solve(M[np.ix_(there, there)], self.G[there, k])
            gain, total = step @ self.G[:, k], self.H[k, -1, -1] * per
            if 0 < gain < np.inf:
                size = min(step @ step, gain / total if total > 0 else np.inf)
                step *= self.longer * min(1, self._reach(curvature)[k] / np.sqrt(size))
                self.u[:, k], self.b[k] = u[:, k] + step[:-1], self.b[k] + step[-1]
        self.G[:], self.weight = 0, np.zeros(K)
