"""Of the specification of learning_rate="auto" on CSR: the columns that most rows have, which are centred."""

import numpy as np

WINDOWS, WINDOW, MOST, RENEWAL, CLIP = (64, 1024), 16, 256, 16, 100


class Centred:
    """Which columns are centred, and by what."""

    def __init__(self, d):
        self.weight, self.mean, self.used = np.zeros((3, d))
        self.columns, self.due, self.looked = np.zeros(0, int), 0, 0

    def joining(self, t, j, x, seen):
        """The columns of row t that are centred from it on, and their values: those that more than half of the rows had."""
        look = self.looked < sum(WINDOW for start in WINDOWS if t >= start)
        self.looked += look
        new = (seen[j] > 0.5 * t) & ~np.isin(j, self.columns) & look
        new &= np.cumsum(new) <= MOST - len(self.columns)
        if new.any():
            self.columns, self.due = np.r_[self.columns, j[new]], t
        return j[new], x[new]

    def centre(self, t, j, x, s, late, unit):
        """Row t with these columns centred, all of them, last; and by how much what they are centred by has moved.

        unit : 1 / root mean square of each column, of which a value is at most CLIP but for those that are not `late`
        """
        full = np.zeros(len(self.mean))
        full[j] = x
        c, other = self.columns, ~np.isin(j, self.columns)
        for k in c[late[c]]:
            most = CLIP / unit[k] if unit[k] > 0 else 0.0
            full[k] = self.used[k] + np.clip(full[k] - self.used[k], -most, most)
        self.weight[c] += s
        self.mean[c] += (full[c] - self.mean[c]) * (s / self.weight[c])
        moved = np.zeros(len(c))
        if t >= self.due:
            moved = self.mean[c] - self.used[c]
            since = WINDOWS[t >= WINDOWS[1]]
            self.used[c], self.due = self.mean[c], t + max(1, min(RENEWAL, (t - since) // 32))
        return np.r_[j[other], c], np.r_[x[other], full[c] - self.used[c]], moved

    def kappa(self, j, t, usual, h, curve, longer):
        """Of each value of row t: these columns take no shorter steps than those of dense rows."""
        out, R = np.full(len(j), usual), 1 + len(self.columns)
        if curve > 0:
            g = longer / R * (1 + 10 * R / t) / np.sqrt(1 + 0.1 * t / (10 * R + 1))
            out[np.isin(j, self.columns)] = min(usual, h / (g * t * curve))
        return out
