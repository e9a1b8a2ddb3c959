"""Of the specification of learning_rate="auto" on CSR: the columns that most rows have, which are centred."""

import numpy as np

WINDOWS, WINDOW, MOST, RENEWAL = (64, 1024), 16, 256, 16


class Centred:
    """Which columns are centred, and by what."""

    def __init__(self, d):
        self.weight, self.mean, self.used = np.zeros((3, d))
        self.columns, self.due, self.looked = np.zeros(0, int), 0, 0

    def joining(self, t, n, j, x, seen):
        """The columns of row t that are centred from it on, and their values: those that more than half of the rows had."""
        look = self.looked < sum(WINDOW for start in WINDOWS if t >= start)
        self.looked += look
        new = (seen[j] > 0.5 * n) & ~np.isin(j, self.columns) & look
        new &= np.cumsum(new) <= MOST - len(self.columns)
        if new.any():
            self.columns, self.due = np.r_[self.columns, j[new]], t
        return j[new], x[new]

    def centre(self, t, fade, j, x, s, most):
        """Row t with these columns centred, all of them, last; and by how much what they are centred by has moved.

        most : how far a value of each column is taken to be from there, at most
        """
        full = np.zeros(len(self.mean))
        full[j] = x
        c, other = self.columns, ~np.isin(j, self.columns)
        full[c] = self.used[c] + np.clip(full[c] - self.used[c], -most[c], most[c])
        self.mean[c] = np.where(self.weight[c] == 0, full[c], self.mean[c])
        moved = np.zeros(len(c))
        if t >= self.due:
            moved = self.mean[c] - self.used[c]
            since = WINDOWS[t >= WINDOWS[1]]
            self.used[c], self.due = self.mean[c], t + max(1, min(RENEWAL, (t - since) // 32))
        self.weight[c] = self.weight[c] * fade + s
        self.mean[c] += (full[c] - self.mean[c]) * (s / self.weight[c])
        return np.r_[j[other], c], np.r_[x[other], full[c] - self.used[c]], moved

    def curve(self, j, n, usual, h, longer):
        """Of the filter's P of each value, once rows come again: these columns take no shorter steps than dense ones."""
        R = 1 + len(self.columns)
        g = longer / R * (1 + 10 * R / n) / np.sqrt(1 + 0.1 * n / (10 * R + 1))
        return np.where(np.isin(j, self.columns)[:, None], np.minimum(usual, h / (g * n)), usual)
