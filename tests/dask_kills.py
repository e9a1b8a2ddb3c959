"""Fits on a cluster whose workers are killed: ``python tests/dask_kills.py [50] [seed]`` compares the bits of so many with those
of a fit in this process.

In turn a fit has workers killed by SIGKILL in one, two and four of its rounds, at a random moment of each, or all workers at
once. What is fitted is in turn each of ESTIMATORS. It prints a line a fit, and fails at the end if one of them had other bits.
"""

import sys
import threading
from time import perf_counter

import dask.array as da
import numpy as np
import scipy.sparse as sp
from support import clusters

from fastsgd import dask as on
from fastsgd.dask.runners import LocalRunner

ROUNDS, PARTITIONS, ROWS, COLUMNS, WORKERS = 8, 8, 40_000, 30, 2
ESTIMATORS = {
    "SGDClassifier, auto": (on.SGDClassifier, {"learning_rate": "auto", "max_iter": ROUNDS}, False),
    "SGDClassifier, auto, CSR": (on.SGDClassifier, {"learning_rate": "auto", "max_iter": ROUNDS}, True),
    "SGDClassifier, AdaGrad": (on.SGDClassifier, {"optimizer": "adagrad", "eta0": 0.1, "max_iter": ROUNDS}, False),
    "SGDRegressor, averaged": (
        on.SGDRegressor,
        {"learning_rate": "invscaling", "average": True, "max_iter": ROUNDS},
        True,
    ),
    "LinearClassifier": (on.LinearClassifier, {"alpha": 1e-6, "tol": 1e-8}, False),
}
WAYS = {"in 1 round": 1, "in 2 rounds": 2, "in 4 rounds": 4, "all at once": 1}


def data(sparse):
    """X and y as dask arrays, made on the workers."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.2 if sparse else 1.0)
    y = (X @ rng.standard_normal(COLUMNS) + rng.logistic(size=ROWS) > 0).astype(int)
    X = da.from_array(X, chunks=(ROWS // PARTITIONS, -1))
    return X.map_blocks(sp.csr_matrix) if sparse else X, da.from_array(y, chunks=ROWS // PARTITIONS)


def fitted(name, client, callback=None):
    cls, params, sparse = ESTIMATORS[name]
    params = {"random_state": 0, "callbacks": callback} | params
    if cls is not on.SGDRegressor:
        params["loss"] = "log_loss"
    if cls is not on.LinearClassifier:
        params["tol"] = None
    return cls(client=client, **params).fit(*data(sparse))


def bits(est):
    return est.coef_.tobytes(), est.intercept_.tobytes()


class Killer:
    """As a callback: after some rounds workers are killed, a random moment later."""

    def __init__(self, client, way, rng):
        self.client, self.all, self.rng, self.timers = client, way == "all at once", rng, []
        self.when = set(rng.choice(np.arange(1, 5), WAYS[way], replace=False).tolist())
        self.done = 0

    def __call__(self, progress):
        self.done += 1
        if self.done in self.when:
            which = range(WORKERS) if self.all else [int(self.rng.integers(WORKERS))]
            timer = threading.Timer(self.rng.random() * 0.2, clusters.strike, [self.client, which])
            timer.start()
            self.timers.append(timer)


def main(fits=50, seed=0):
    rng, wrong = np.random.default_rng(seed), 0
    right = {name: bits(fitted(name, LocalRunner())) for name in ESTIMATORS}
    with clusters.cluster(WORKERS) as (local, client):
        # A nanny whose worker dies while it starts gives up; others come in its place.
        local.adapt(minimum=WORKERS, maximum=WORKERS, interval="500ms")
        for number in range(fits):
            name, way = list(ESTIMATORS)[number % len(ESTIMATORS)], list(WAYS)[number // 2 % len(WAYS)]
            client.wait_for_workers(1)
            killer, started = Killer(client, way, rng), perf_counter()
            same = bits(fitted(name, client, killer)) == right[name]
            for timer in killer.timers:
                timer.join()
            wrong += not same
            print(
                f"{number + 1}: {name}, killed {way}: {'same bits' if same else 'OTHER BITS'}, {perf_counter() - started:.1f} s",
                flush=True,
            )
    print(f"{fits - wrong} of {fits} fits have the same bits")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
