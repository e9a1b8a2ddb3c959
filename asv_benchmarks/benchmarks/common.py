"""Synthetic data, and the way times are compared."""

import os
from functools import partial
from statistics import median
from time import perf_counter

import numpy as np
import scipy.sparse as sp

SIZES = {"smoke": 500, "small": 20, "full": 1}  # rows of DATA are divided by this
SCALE = SIZES[os.environ.get("FASTSGD_BENCH", "small")]
SMOKE = SIZES["smoke"] == SCALE
LOUD = 20  # columns of about the same frequency at the head of Zipf's law


def dense(n, d, classes=2):
    """Normal values; the class is that of the largest of some linear functions, with noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), np.float32)
    scores = X @ rng.standard_normal((d, classes), np.float32)
    return X, (scores + 0.5 * scores.std() * rng.standard_normal(scores.shape)).argmax(axis=1)


def text(n, d, classes=2, a_row=69):
    """CSR like tf-idf: about `a_row` values in a row, columns by Zipf's law, rows of length 1, classes of unequal size.

    Each class has its own order of the columns for a third of its words, so that it can be learnt, and 5% of the labels
    are random.
    """
    rng = np.random.default_rng(0)
    code = np.concatenate([np.arange(classes), (classes * rng.random(max(0, n - classes)) ** 2).astype(int)])[:n]
    rng.shuffle(code)
    length = np.maximum(1, rng.lognormal(np.log(a_row) - 0.08, 0.5, n).astype(int))
    row = np.repeat(np.arange(n), length)
    rank = (LOUD * (1 + d / LOUD) ** rng.random(len(row)) - LOUD).astype(int)
    own = rng.integers(d, size=classes)[code[row]] * (rng.random(len(row)) < 1 / 3)
    column = rng.permutation(d)[(rank + own) % d]
    X = sp.csr_matrix((np.ones(len(row), np.float32), (row, column)), (n, d))
    idf = 1 + np.log((1 + n) / (1 + np.bincount(X.indices, minlength=d)))
    X.data = ((1 + np.log(X.data)) * idf[X.indices]).astype(np.float32)
    X.data /= np.repeat(np.sqrt(np.add.reduceat(X.data**2, X.indptr[:-1])), np.diff(X.indptr))
    noisy = rng.random(n) < 0.05
    return X, np.where(noisy, rng.permutation(code), code)


def unsorted_text(n, d, classes=2):
    """As `text`, in float64, the values of a row in any order, as TfidfVectorizer leaves them."""
    X, y = text(n, d, classes)
    row = np.repeat(np.arange(n), np.diff(X.indptr))
    order = np.lexsort((np.random.default_rng(0).random(len(row)), row))
    return sp.csr_matrix((X.data[order].astype(float), X.indices[order], X.indptr), X.shape), y


def images(n, d, classes=10):
    """Values in [0, 1], half of them zeros; a pattern for each class, with noise."""
    rng = np.random.default_rng(0)
    code = rng.integers(classes, size=n)
    X = rng.standard_normal((n, d), np.float32)
    X += 0.2 * rng.standard_normal((classes, d), np.float32)[code]
    return np.clip(X / 3, 0, 1, out=X), code


# name: (maker, rows, columns, classes)
DATA = {
    "narrow": (dense, 500_000, 28, 2),
    "wide": (dense, 50_000, 1_000, 2),
    "text": (text, 200_000, 47_000, 2),
    "short": (partial(text, a_row=6), 2_000_000, 47_000, 2),
    "images": (images, 60_000, 784, 10),
    "many": (text, 36_000, 65_536, 527),
}


def size(name, scale=SCALE):
    """(rows, columns, classes); hundreds of classes are scaled as the rows are."""
    _, n, d, classes = DATA[name]
    return n // scale, d, max(classes // scale, 10) if classes > 10 else classes


def make(name, dtype="float32", scale=SCALE, classes=None):
    """X and integer labels."""
    n, d, default = size(name, scale)
    X, y = DATA[name][0](n, d, classes or default)
    return X.astype(dtype, copy=False), y


def limit(X, heads=1):
    """What an epoch can't beat: the sum of a dense X, the product of a CSR X with the weights."""
    if not sp.issparse(X):
        return X.sum
    W = np.ones((X.shape[1], heads) if heads > 1 else X.shape[1], X.dtype)
    return lambda: X @ W


def interleaved(repeats, *functions, clock=perf_counter):
    """The median seconds of each, called in turn, so that a slow spell of the machine meets them all."""
    seconds = [[] for _ in functions]
    for _ in range(1 if SMOKE else repeats):
        for function, mine in zip(functions, seconds, strict=True):
            start = clock()
            function()
            mine.append(clock() - start)
    return [median(mine) for mine in seconds]
