"""Rows in blocks, for the tests of streams."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from fastsgd.sources import Rows, Source
from fastsgd.sources.arrays import START, Table
from fastsgd.sources.stream import Stream

SMALL = 40_000  # bytes: a fraction of the rows below
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2000, 10))
MARGIN = X[:, 0] - X[:, 1] + 0.5 * RNG.standard_normal(2000)
LABELS = np.where(MARGIN > 0.5, "yes", "no")
WEIGHT = RNG.integers(0, 3, 2000).astype(float)
LAYOUTS = {"dense": X, "float32": X.astype(np.float32), "csr": sp.csr_matrix(np.where(abs(X) > 0.8, X, 0.0))}
STEADY = {"shuffle": False, "tol": None, "max_iter": 3, "random_state": 0, "learning_rate": "constant"}


class Blocks(Source):
    """Rows of arrays in blocks; with in_order=True only one after another. `trap(block)` is called before each is read."""

    def __init__(self, X, y=None, weight=None, rows=37, in_order=False, trap=lambda block: None):
        self.parts, self.rows, self.trap = (X, y, weight), rows, trap
        self.sparse, self.dtype, self.n_features = sp.issparse(X), X.dtype, X.shape[1]
        self.count = -(-X.shape[0] // rows)
        self.n_rows, self.n_blocks = (None, None) if in_order else (X.shape[0], self.count)
        self.read_blocks = []
        self.max_memory = SMALL

    def read(self, block):
        self.trap(block)
        self.read_blocks.append(block)
        part = slice(block * self.rows, (block + 1) * self.rows)
        return Rows(*(None if a is None else a[part] for a in self.parts))

    def blocks(self):
        return map(self.read, range(self.count))

    def targets(self):
        for lo in range(0, self.count * self.rows, self.rows):
            yield tuple(None if a is None else a[lo : lo + self.rows] for a in self.parts[1:])


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def same(a, b):
    assert np.array_equal(a.coef_, b.coef_) and np.array_equal(a.intercept_, b.intercept_)


def numbered(n, rows=37, **given):
    return Blocks(np.arange(n, dtype=float)[:, None] + [[0.0] * 9 + [0.5]], rows=rows, **given)


class Unlabelled:
    """What a Stream asks of Targets, of rows whose y nobody looks at."""

    def check(self, rows):
        return rows

    def table(self, X, y, s):
        return Table(X, s=s)


def stream_of(source):
    return Stream(source, source.n_features, Unlabelled(), source.n_rows or np.inf)


def visited(source, seed=0, epoch=0, start=START, shuffle=True):
    """(row numbers in the order in which a kernel meets them, where each call goes on)"""
    found, places = [np.empty(0)], []
    for part, (rows, visit, first, m, buffer), then in stream_of(source).chunks(
        np.dtype("f8"), 1, shuffle, seed, epoch, start
    ):
        rows = np.arange(first, first + m) if rows is None else rows
        found.append(part.X[rows if visit is None else rows[visit + np.arange(m) // buffer * buffer], 0])
        places.append((then, sum(map(len, found))))
    return np.concatenate(found), places
