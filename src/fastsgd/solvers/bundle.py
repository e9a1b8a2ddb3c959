"""The best lower bound that several dual points give together."""

import warnings
from itertools import combinations

import numpy as np
from scipy.optimize import linprog, minimize

LEFT_SHARE = 1e-10  # A mean slope below this share of the mean size of the slopes is rounding.
MAX_POINTS = 8  # A bundle keeps this many points, and those that stay in any case.
OUT_OF_REACH = 1.0 - 1e-9  # L1 holds no column back whose v is nowhere above this share of it.


class Bundle:
    """Dual points, of which sums over all rows are known, and nothing else.

    For slopes a (n,), and v the mean of a x in the coordinates of the problem, the dual objective is ::

        D(a) = -mean loss*(a) - sum_j max(|v_j| - l1_j, 0)^2 / (2 l2_j),     where mean a = 0 if there is an intercept,
                                                                               and |v_j| <= l1_j where l2_j = 0

    A mean of several a with weights t >= 0, sum t = 1, has the mean of their v, and as loss* is convex, the mean of their loss*
    is at least its own. So the bound that follows for it needs no pass over the rows. Iterates whose mean slopes have
    other signs make up for one another, and so do their v. Among the points are slopes that are all 0.

    Parameters
    ----------
    l1, l2 : (d,)
    intercept : bool
    free : float
        Mean loss* of slopes that are all 0.

    Attributes
    ----------
    bound : float
        The best so far.
    """

    def __init__(self, l1, l2, intercept, free):
        self.l1, self.l2, self.intercept, self.bound = l1, l2, intercept, -np.inf
        self.hard = (l2 == 0) & (l1 < np.inf)
        self.inverse = np.divide(1.0, l2, out=np.zeros(len(l2)), where=l2 > 0)
        self.zero = bool(np.isfinite(free))
        self.points = [(free, np.zeros(len(l1)), 0.0, 0.0)] if self.zero else []
        self.weights = np.zeros(len(self.points))  # The weight of each point in the best mean.
        self.kept = len(self.points)
        self.Q = np.zeros((self.kept, self.kept))  # v.v / l2 of two points each, where L2 alone holds all columns
        self.smooth = not l1.any() and not self.hard.any()

    def keep(self, conjugate, v, left, size):
        """Take in a point that stays, if it is one: means of loss*(a), a x, a and |a|."""
        if np.isfinite(conjugate) and np.isfinite(v).all() and np.isfinite(left):
            self.points.append((float(conjugate), v, float(left) if self.intercept else 0.0, float(size)))
            self.kept = len(self.points)
            if self.smooth:
                scaled = v * self.inverse
                row = np.array([scaled @ other for _, other, *_ in self.points])
                self.Q = np.block([[self.Q, row[:-1, None]], [row[None, :]]])

    def add(self, conjugate, v, left, size, at=0.0):
        """Take in a point that may have to go; `at` is the intercept, counted from the centre of the columns.

        Returns the best bound so far.
        """
        kept = self.kept
        self.keep(conjugate, v, left, size)
        if self.kept == kept:
            return self.bound
        self.kept = kept
        self.bound = max(self.bound, self._best(abs(at)))
        if len(self.points) > self.kept + MAX_POINTS:
            idle = [i for i in range(self.kept, len(self.points) - 1) if not self.weights[i]]
            gone = idle[0] if idle else self.kept
            del self.points[gone]
            self.Q = np.delete(np.delete(self.Q, gone, 0), gone, 1) if self.smooth else self.Q
        return self.bound

    def _best(self, at):
        C, s = np.array([p[0] for p in self.points]), np.array([p[2] for p in self.points])
        V = None if self.smooth else np.array([p[1] for p in self.points])
        sizes = np.array([p[3] for p in self.points])
        s[abs(s) <= LEFT_SHARE * sizes] = 0.0
        if self.hard.any() and not self.l1[self.hard].all() and V[:, self.hard & (self.l1 == 0)].any():
            self.weights = np.zeros(len(C))
            return -np.inf  # Nothing holds these columns.
        t = self._line(C, V, s) if self.hard.any() else self._parabola(C, V, s)
        self.weights = t
        if t is None:
            self.weights = np.zeros(len(C))
            return -np.inf
        return self._value(t, C, at)

    def _value(self, t, C, at):
        """The bound of one mean, in which what rounding leaves is paid for."""
        v, conjugate = sum(weight * p[1] for weight, p in zip(t, self.points, strict=True) if weight), float(t @ C)
        over = np.maximum(abs(v) - self.l1, 0.0)
        if self.hard.any():
            size, most = abs(v[self.hard]), self.l1[self.hard]
            by = float(np.divide(most, size, out=np.ones(len(size)), where=size > most).min())
            if by < 1.0:
                if not self.zero:  # There is no point of slopes 0 to go to.
                    return -np.inf
                v, conjugate = by * v, by * conjugate + (1.0 - by) * C[0]
                over = np.maximum(abs(v) - self.l1, 0.0)
        left = float(t @ [p[2] for p in self.points])
        return -conjugate - 0.5 * float(over**2 @ self.inverse) - abs(left) * at

    def _pairs(self, s):
        """Means of one or two points with no mean slope: rows of weights."""
        found = [np.eye(len(s))[i] for i in np.flatnonzero(s == 0)]
        for i, j in combinations(range(len(s)), 2):
            if s[i] * s[j] < 0:
                t = np.zeros(len(s))
                t[i], t[j] = s[j] / (s[j] - s[i]), s[i] / (s[i] - s[j])
                found.append(t)
        return np.array(found)

    def _parabola(self, C, V, s):
        """Weights of the points: L2 holds all columns."""
        starts = self._pairs(s)
        if not len(starts):
            return None

        def paid(t):
            if self.smooth:
                q = self.Q @ t
                return float(C @ t + 0.5 * t @ q), C + q
            v = t @ V
            over = np.maximum(abs(v) - self.l1, 0.0)
            pull = over * self.inverse * np.sign(v)
            return float(C @ t + 0.5 * over @ (over * self.inverse)), C + V @ pull

        values = [paid(t)[0] for t in starts]
        start, value = starts[int(np.argmin(values))], min(values)
        if len(C) == 1:
            return start
        unit = max(abs(value), 1e-300)
        size = max(float(abs(s).max()), 1e-300)
        limits = [{"type": "eq", "fun": lambda t: t.sum() - 1.0, "jac": lambda t: np.ones(len(t))}]
        if s.any():
            limits.append({"type": "eq", "fun": lambda t: t @ s / size, "jac": lambda t: s / size})

        def scaled(t):
            F, slope = paid(t)
            return F / unit, slope / unit

        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = minimize(
                scaled, start, jac=True, method="SLSQP", bounds=[(0, 1)] * len(C), constraints=limits,
                options={"maxiter": 60, "ftol": 1e-12},
            ).x  # fmt: skip
        found = self._exact(found, s)
        return found if found is not None and paid(found)[0] < value else start

    @staticmethod
    def _exact(t, s):
        """Weights near t with sum 1 and no mean slope, or None."""
        if not np.isfinite(t).all():
            return None
        t = np.where(t > 1e-12, t, 0.0)
        pull = t * s
        up, down = pull[pull > 0].sum(), -pull[pull < 0].sum()
        if up != down:
            heavy = (s > 0) if up > down else (s < 0)
            t = np.where(heavy, t * (min(up, down) / max(up, down)), t)
        total = t.sum()
        return t / total if total > 0 else None

    def _line(self, C, V, s):
        """The same where L1 alone holds some columns: a linear programme, in which L2 has no part."""
        tight = self.hard & (abs(V).max(axis=0) > OUT_OF_REACH * self.l1)
        rows = V[:, tight].T
        limit = self.l1[tight]
        keep = np.argsort(abs(rows).max(axis=1, initial=0.0) / limit)[-2000:]
        rows, limit = rows[keep] / limit[keep, None], np.ones(len(keep))
        A = np.vstack([rows, -rows])
        equal = [np.ones(len(C))] + ([s / abs(s).max()] if s.any() else [])
        found = linprog(C, A, np.append(limit, limit), np.array(equal), [1.0, 0.0][: len(equal)], bounds=(0, 1))
        if found.x is None:
            return None
        return self._exact(found.x, s)
