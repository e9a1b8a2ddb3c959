"""Newer methods, most of which need no step size: each as its paper has it, in NumPy, for logistic regression with L2.

Each is a generator: it is given the problem and batches of row numbers, and yields the model after each step. Settings are
the defaults of the papers. None of them is in fastsgd; optimizers.py measures them beside what is.
"""

from itertools import islice

import numpy as np
from scipy import sparse


class Logistic:
    """F(w) = mean log(1 + exp(-s x.w)) + alpha / 2 |w|^2, on dense rows or CSR; s is 1 or -1.

    Rows get a last column of ones, whose weight is the intercept, which has no penalty.
    """

    def __init__(self, X, y, alpha):
        ones = np.ones((X.shape[0], 1), X.dtype)
        self.A = sparse.hstack([X, ones], format="csr") if sparse.issparse(X) else np.hstack([X, ones])
        self.sign, self.alpha = np.where(y, 1.0, -1.0), alpha
        self.n, self.width = self.A.shape
        self.penalty = np.append(np.full(self.width - 1, alpha), 0.0)

    def steps(self, size):
        """The batches of a pass."""
        return -(-self.n // size)

    def objective(self, w):
        """F, from blocks of rows: a product of float32 and float64 makes a copy."""
        margins = [self.A[at : at + 8192] @ w for at in range(0, self.n, 8192)]
        return np.logaddexp(0, -self.sign * np.concatenate(margins)).mean() + (self.penalty * w) @ w / 2

    def slopes(self, w, rows):
        """The rows, and the derivative of each one's loss by its margin."""
        part, sign = self.A[rows], self.sign[rows]
        return part, -sign / (1 + np.exp(np.minimum(sign * (part @ w), 700)))

    def gradient(self, w, rows):
        """The gradient of the mean loss of some rows, and of the penalty."""
        part, slopes = self.slopes(w, rows)
        return part.T @ slopes / len(rows) + self.penalty * w

    def roots(self, w, rows):
        """B of the Hessian B.T @ B of the mean loss of some rows, without the penalty."""
        part, slopes = self.slopes(w, rows)
        scale = np.sqrt(np.abs(slopes) * (1 - np.abs(slopes)) / len(rows))
        return sparse.diags_array(scale) @ part if sparse.issparse(part) else scale[:, None] * part


def in_batches(n, size, seed=0):
    """Row numbers, `size` at a time, in a new order in each pass, without end."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(n)
        yield from np.split(order, range(size, n, size))


def schedule_free_sgd(F, batches, rate, beta=0.9):
    """Schedule-free SGD (Defazio et al. 2024): gradients at y, between SGD's iterate z and its running mean x."""
    x = z = np.zeros(F.width)
    for t, rows in enumerate(batches, 1):
        y = (1 - beta) * z + beta * x
        z = z - rate * F.gradient(y, rows)
        x = x + (z - x) / t
        yield x


def schedule_free_adam(F, batches, rate, beta=0.9, beta2=0.999, eps=1e-8):
    """Schedule-free AdamW (the same paper), with the penalty in the gradient: its weights are those of the steps squared."""
    x = z = np.zeros(F.width)
    v, total = np.zeros(F.width), 0.0
    for t, rows in enumerate(batches, 1):
        g = F.gradient((1 - beta) * z + beta * x, rows)
        v = beta2 * v + (1 - beta2) * g**2
        step = rate * np.sqrt(1 - beta2**t)
        z = z - step * g / (np.sqrt(v) + eps)
        total += step**2
        x = x + step**2 / total * (z - x)
        yield x


def dog(F, batches, start=1e-6, decay=8):
    """DoG (Ivgi, Hinder and Carmon 2023): the distance from the start over the root of the sum of squared gradients.

    The model is the average of polynomial decay that the paper recommends.
    """
    w = mean = np.zeros(F.width)
    distance, total = start, 0.0
    for t, rows in enumerate(batches, 1):
        g = F.gradient(w, rows)
        total += g @ g
        w = w - distance / np.sqrt(total) * g
        distance = max(distance, np.linalg.norm(w))  # from zero, where w was at first
        mean = mean + (1 + decay) / (t + decay) * (w - mean)
        yield mean


def prodigy(F, batches, cosine=None, start=1e-6, beta=0.9, beta2=0.999, eps=1e-8):
    """Prodigy (Mishchenko and Defazio 2023): Adam whose step size is an estimate d of the distance to the solution.

    With `cosine` its steps fall to zero in so many steps, as the paper recommends.
    """
    w = m = v = s = np.zeros(F.width)
    d, r, beta3 = start, 0.0, np.sqrt(beta2)
    for t, rows in enumerate(batches):
        rate = 1.0 if cosine is None else (1 + np.cos(np.pi * t / cosine)) / 2
        g = F.gradient(w, rows)
        m = beta * m + (1 - beta) * d * g
        v = beta2 * v + (1 - beta2) * (d * g) ** 2
        r = beta3 * r - (1 - beta3) * rate * d**2 * (g @ w)  # the start is zero
        s = beta3 * s + (1 - beta3) * rate * d**2 * g
        w = w - rate * d * m / (np.sqrt(v) + d * eps)
        d = max(d, r / np.abs(s).sum())
        yield w


class Nystrom:
    """The inverse of U diag(values) U.T + rho, where U diag(values) U.T is Nystrom's approximation of B.T @ B."""

    def __init__(self, B, rank, rho, random):
        test, _ = np.linalg.qr(random.standard_normal((B.shape[1], min(rank, B.shape[1]))))
        sketch = B.T @ (B @ test)
        shift = np.sqrt(B.shape[1]) * np.spacing(np.linalg.norm(sketch, 2))
        values, vectors = np.linalg.eigh(test.T @ sketch)
        root = vectors / np.sqrt(np.maximum(values + shift, shift))  # of the inverse
        self.U, singular, _ = np.linalg.svd((sketch + shift * test) @ root, full_matrices=False)
        self.values, self.rho = np.maximum(singular**2 - shift, 0.0), rho

    def solve(self, g, power=1):
        """The inverse times g, or its root (power=0.5) times g."""
        inside = self.U.T @ g
        return self.U @ (inside * (self.values + self.rho) ** -power) + (g - self.U @ inside) * self.rho**-power

    def steepest(self, B, penalty, random, iterations=20):
        """The largest eigenvalue of the Hessian B.T @ B + penalty in these coordinates, by power iterations."""
        v, largest = random.standard_normal(B.shape[1]), 1.0
        for _ in range(iterations):
            u = self.solve(v / np.linalg.norm(v), 0.5)
            v = self.solve(B.T @ (B @ u) + penalty * u, 0.5)
            largest = np.linalg.norm(v)
        return largest


def sketched(F, w, random, rank, rho, sample):
    """Nystrom's approximation of the Hessian of some rows, and the largest eigenvalue that of others has by it."""
    rows, others = (random.choice(F.n, sample or int(np.sqrt(F.n)), replace=False) for _ in range(2))
    near = Nystrom(F.roots(w, rows), rank, rho, random)
    return near, near.steepest(F.roots(w, others), F.penalty, random)


def sketchy_sgd(F, batches, rank=10, rho=1e-3, sample=None, seed=0):
    """SketchySGD (Frangella, Rathore, Zhao and Udell 2022): SGD in the coordinates of a sketch of the Hessian.

    The sketch is made anew in each pass, of as many rows as the root of all of them, and the step is half of 1 / L by it.
    """
    w, random = np.zeros(F.width), np.random.default_rng(seed)
    for t, rows in enumerate(batches):
        if t % F.steps(len(rows)) == 0:
            near, steepest = sketched(F, w, random, rank, rho, sample)
        w = w - near.solve(F.gradient(w, rows)) / (2 * steepest)
        yield w


def sketchy_saga(F, batches, rank=10, rho=1e-3, sample=None, seed=0):
    """SketchySAGA (PROMISE, by the same authors, 2023): as SketchySGD, by the gradients of SAGA.

    SAGA keeps the last slope of each row's loss, and the mean gradient that follows from these. With rank=0 it is SAGA itself.
    """
    w = mean = np.zeros(F.width)
    kept, random = np.zeros(F.n), np.random.default_rng(seed)
    for t, rows in enumerate(batches):
        if t % F.steps(len(rows)) == 0:
            near, steepest = sketched(F, w, random, rank, rho, sample)
            step = max(1 / (2 * (F.alpha * F.n + steepest)), 1 / (3 * steepest))
        part, slopes = F.slopes(w, rows)
        change = part.T @ (slopes - kept[rows])
        g = mean + change / len(rows) + F.penalty * w
        mean, kept[rows] = mean + change / F.n, slopes
        w = w - step * near.solve(g)
        yield w


def along(method, F, size, passes, **settings):
    """{n: the model after n passes}, for each n of `passes`, in batches of `size` rows."""
    at = {F.steps(size) * n: n for n in passes}
    models = method(F, in_batches(F.n, size), **settings)
    return {at[t]: w for t, w in enumerate(islice(models, max(at)), 1) if t in at}
