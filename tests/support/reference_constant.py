"""Of the specification of learning_rate="auto": the best constant of the rows so far."""

import numpy as np

ATOMS = 64  # targets that are kept


class Constant:
    """That of one head: see _kernels/auto_constant.pxi.

    found : the one by which rows are judged
    mean, weight : of y
    kept : a weight for each target that was seen since the parabola, which is about `middle`, as bent as `bend` says
    """

    def __init__(self, loss):
        self.loss, self.found, self.mean, self.weight = loss, 0.0, 0.0, 0.0
        self.kept, self.middle, self.bend, self.due = {}, 0.0, 0.0, 0

    def fade(self, by):
        """Rows before a new one count less."""
        self.kept, self.bend = {y: s * by for y, s in self.kept.items()}, self.bend * by

    def judged(self, t, n, fade):
        """That before row t, where n rows are left with it."""
        if self.loss.by_mean:
            self.found = self.of_mean(n - 1) if n > 1 else self.found
        elif t >= self.due:
            self.found, self.due = self.of_kept(n), t + max(1, t // 16)
        return self.found

    def now(self, n):
        """That of n rows."""
        return self.of_mean(n) if self.loss.by_mean else self.of_kept(n)

    def learn(self, y, part):
        """A row that has this part of the weight of all rows."""
        self.mean += (y - self.mean) * part

    def see(self, y, s):
        """A row that judges, and counts s."""
        if self.loss.by_mean:
            return
        if y not in self.kept and len(self.kept) == ATOMS:
            self.gather()
        self.kept[y] = self.kept.get(y, 0.0) + s

    def gather(self):
        """Make a parabola of the losses of what is kept."""
        y, s = self.targets()
        c = self.of_kept(self.n)
        near = 0.5 * np.average(abs(y - c), weights=s)
        bend = s @ (self.loss.slope(c + near, y) - self.loss.slope(c - near, y)) / (2 * near)
        self.kept, self.middle, self.bend = {}, c, self.bend + max(0.0, bend)

    def targets(self):
        return np.array(list(self.kept.items())).reshape(-1, 2).T

    def of_mean(self, n):
        """Where the slope is 0 for such a mean; with half a row more of what no row is yet, where there would be none."""
        m, name = self.mean, self.loss.name
        if name in ("hinge", "perceptron"):
            return (name == "hinge") * np.sign(m)
        if name == "log_loss":
            m = 0.5 / n if m <= 0 else 1 - 0.5 / n if m >= 1 else m
            return np.log(m / (1 - m))
        if name in ("poisson", "gamma"):
            return np.log(m if m > 0 else 0.5 / n)
        return m

    def of_kept(self, n):
        """Where the slopes add up to 0, from the last one on, no further off than log(n) / 2 of what targets differ by."""
        self.n = n
        y, s = self.targets()
        if not len(y) and not self.bend:
            return self.found
        ends = np.append(np.append(y, 0.0), [self.middle] if self.bend > 0 else [])
        room, step = max(np.ptp(ends), 1.0) * 0.5 * np.log(1 + n), (np.ptp(ends) or 1.0) / ATOMS
        low, high, weight = ends.min() - room, ends.max() + room, s.sum() if len(y) else self.bend
        most = 1e-4 * (s @ abs(self.loss.value(self.found, y))) / weight  # that the loss may be above the least

        def slope(c):
            return (s @ self.loss.slope(c, y) + self.bend * (c - self.middle)) / weight

        c, g = self.found, slope(self.found)
        while True:
            at = max(low, c - step) if g > 0 else min(high, c + step)
            if abs(g) * np.ptp(ends) <= most or at == c:
                return c
            g_at = slope(at)
            if (g_at > 0) != (g > 0):
                break
            c, g, step = at, g_at, 2 * step
        for i in range(60):
            if abs(at - c) * abs(g_at) <= most:
                break
            new = at - g_at * (at - c) / (g_at - g)
            if i % 3 == 2 or not min(at, c) < new < max(at, c):
                new = (at + c) / 2
            g_new = slope(new)
            if (g_new > 0) != (g_at > 0):
                c, g = at, g_at
            else:  # g is halved where an end stays
                g = g / 2
            at, g_at = new, g_new
        return at
