"""Fits with checkpoints that are killed (kill -9) at random moments and go on, until they are done: are the bits those of
the fit that was left alone?

    python -m tests.support.kill 200 [seed]

kills so often, over several optimizers, early stopping, dense and CSR, and prints what it did.
"""

import itertools
import os
import random
import signal
import sys
import tempfile
import time
import warnings

import numpy as np
import scipy.sparse as sp

from fastsgd import Checkpoint, SGDClassifier

from .sizes import sizes

ROWS, COLUMNS, EVERY_SECONDS = 60_000, 40, 0.02
FITS = {
    "sgd": {"penalty": "elasticnet", "average": True},
    "adam": {"optimizer": "adam", "batch_size": 7, "learning_rate": "constant", "eta0": 1e-3},
    "auto": {"learning_rate": "auto"},
    "judged": {"learning_rate": "auto", "max_iter": "auto"},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 40},
}
LAYOUTS = "dense", "csr"


def data(layout, n=ROWS):
    """X and labels."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, COLUMNS))
    y = (X[:, :5].sum(axis=1) + rng.standard_normal(n) > 0).astype(int)
    return (X if layout == "dense" else sp.csr_matrix(X * (rng.random(X.shape) < 0.3))), y


def fit(params, X, y, path=None, epochs=25):
    """Coefficients, intercepts and history without its seconds, as bytes; with checkpoints at the path if there is one."""
    est = SGDClassifier(**{"loss": "log_loss", "max_iter": epochs, "tol": None, "random_state": 0, **params})
    if path is not None:
        est.set_params(callbacks=[Checkpoint(path, EVERY_SECONDS)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est.fit(X, y, resume_from=path)
    columns = [est.history_[name] for name in est.history_.dtype.names if name != "seconds"]
    return b"".join(a.tobytes() for a in (est.coef_, est.intercept_, *columns))


def child(params, X, y, path, result, **how):
    """A process of its own that fits, and leaves what comes of it in the file `result`; its number."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with open(result + ".tmp", "wb") as file:
                file.write(fit(params, X, y, path, **how))
            os.replace(result + ".tmp", result)
            status = 0
        finally:
            os._exit(status)
    return pid


def killed(params, X, y, seconds, kills, rnd, **how):
    """Kill fits at random moments within so many seconds of each start, and resume them, at least so often.

    Returns
    -------
    dict of str to int
        kills; writing, of them while a file was written; fits, that came to their end; wrong, of them of other bits.
    """
    right = fit(params, X, y, **how)
    count = dict.fromkeys(("kills", "writing", "fits", "wrong"), 0)
    while count["kills"] < kills:
        with tempfile.TemporaryDirectory() as folder:
            path, result = os.path.join(folder, "run"), os.path.join(folder, "result")
            while not os.path.exists(result):
                pid = child(params, X, y, path, result, **how)
                time.sleep(rnd.uniform(0, seconds))
                os.kill(pid, signal.SIGKILL)
                _, status = os.waitpid(pid, 0)
                if os.WIFSIGNALED(status):
                    count["kills"] += 1
                    count["writing"] += any(name.startswith(".run.") for name in os.listdir(folder))
                elif status:
                    raise RuntimeError("a fit failed: see above")
            with open(result, "rb") as file:
                count["wrong"] += file.read() != right
            count["fits"] += 1
    return count


def main(kills, seed=0):
    """Kill so often; whether bits were wrong."""
    rnd, total = random.Random(seed), dict.fromkeys(("kills", "writing", "fits", "wrong"), 0)
    for name, layout in itertools.product(FITS, LAYOUTS):
        X, y = data(layout)
        with sizes(call_rows=2048):  # many moments
            start = time.perf_counter()
            fit(FITS[name], X, y)
            alone = time.perf_counter() - start
            count = killed(FITS[name], X, y, alone / 2, -(-kills // (len(FITS) * len(LAYOUTS))), rnd)
        total = {what: total[what] + count[what] for what in total}
        print(f"{name}, {layout}: {alone:.1f} s left alone, {count}", flush=True)
    print(f"in all {total}")
    return total["wrong"] > 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
