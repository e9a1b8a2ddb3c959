"""A cluster of Dask, beside what else trains linear models there: `python -m asv_benchmarks.compare clusters`, as Markdown.

Two worker processes of one thread each, four partitions, all of it on this machine. Seconds until the log-loss of rows held
out is within 0.1% of that of the optimum (of the same penalty, alpha = 1e-6), by fits of more and more effort, of which the
fastest that gets there counts; and what becomes of that fit where a worker is killed (SIGKILL) in its middle. Peers, where they
are installed: dask-ml's LogisticRegression (lbfgs) and Incremental (over scikit-learn's SGDClassifier), and xgboost.dask's
linear booster.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import logging
import os
import signal
import threading
import time
import warnings

import dask.array as da
import numpy as np
from benchmarks.linear import easy
from distributed import Client, LocalCluster, wait
from sklearn.metrics import log_loss

import fastsgd
import fastsgd.dask

ALPHA, SHARE, PARTITIONS = 1e-6, 1e-3, 4
EFFORTS = 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120


def ours(client, X, y, n):
    def fit(effort):
        model = fastsgd.dask.LinearClassifier(alpha=ALPHA, tol=0.1**effort, random_state=0, client=client).fit(X, y)
        return model.coef_, model.intercept_

    return fit


def ours_sgd(client, X, y, n):
    def fit(effort):
        model = fastsgd.dask.SGDClassifier(
            "log_loss", alpha=ALPHA, learning_rate="auto", max_iter=effort, tol=None, random_state=0, client=client
        ).fit(X, y)
        return model.coef_, model.intercept_

    return fit


def dask_ml_lbfgs(client, X, y, n):
    from dask_ml.linear_model import LogisticRegression

    def fit(effort):
        model = LogisticRegression(C=1.0 / (ALPHA * n), solver="lbfgs", max_iter=effort, tol=1e-12).fit(X, y)
        return model.coef_, model.intercept_

    return fit


def dask_ml_incremental(client, X, y, n):
    from dask_ml.wrappers import Incremental
    from sklearn.linear_model import SGDClassifier

    def fit(effort):
        model = Incremental(SGDClassifier(loss="log_loss", alpha=ALPHA, eta0=0.01, learning_rate="invscaling"))
        for _ in range(effort):
            model.partial_fit(X, y, classes=[0, 1])
        return model.estimator_.coef_, model.estimator_.intercept_

    return fit


def xgboost_linear(client, X, y, n):
    import xgboost.dask

    how = {"booster": "gblinear", "objective": "binary:logistic", "lambda": ALPHA, "eta": 0.5, "nthread": 1}

    def fit(effort):
        matrix = xgboost.dask.DaskDMatrix(client, X, y)
        booster = xgboost.dask.train(client, how, matrix, num_boost_round=4 * effort)["booster"]
        bias, weights = booster.get_dump()[0].split("bias:")[1].split("weight:")
        return np.array(weights.split(), float), float(bias)

    return fit


PEERS = {
    "**fastsgd.dask.LinearClassifier**": ours,
    "**fastsgd.dask.SGDClassifier**, auto": ours_sgd,
    "dask-ml LogisticRegression, lbfgs": dask_ml_lbfgs,
    "dask-ml Incremental": dask_ml_incremental,
    "xgboost.dask gblinear": xgboost_linear,
}


class Killed:
    """What a fit does when a worker is killed a while after it has begun."""

    def __init__(self, cluster, after):
        self.pid = next(iter(cluster.workers.values())).pid
        self.timer = threading.Timer(after, self.kill)

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)

    def outcome(self, fit, expected, limit):
        found = {}

        def run():
            try:
                found["model"] = fit()
            except Exception as error:
                found["error"] = f"{type(error).__name__}: {str(error).strip()[:60]}"

        started, thread = time.perf_counter(), threading.Thread(target=run, daemon=True)
        self.timer.start()
        thread.start()
        thread.join(limit)
        taken = time.perf_counter() - started
        if thread.is_alive():
            return f"no end within {limit:.0f} s"
        if "error" in found:
            return found["error"].replace("|", "/").replace("\n", " ")
        same = all(np.array_equal(a, b) for a, b in zip(found["model"], expected, strict=True))
        return f"{'the same bits' if same else 'another model'}, {taken:.1f} s"


def fresh(data, y):
    """A cluster, a client, and the data on it, in partitions."""
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None)
    client = Client(cluster)
    rows = -(-len(y) // PARTITIONS)
    X, y = (da.from_array(a, chunks=(rows, *a.shape[1:])).persist() for a in (data, y))
    wait([X, y])
    return cluster, client, X, y


def measure(make, data, y, held, least, repeats, limit):
    """(seconds, what a dead worker does) of one peer."""
    cluster, client, X, dy = fresh(data, y)
    with cluster, client:
        fit = make(client, X, dy, len(y))
        for effort in EFFORTS:
            taken = []
            for _ in range(repeats):
                started = time.perf_counter()
                model = fit(effort)
                taken.append(time.perf_counter() - started)
            loss = held_out(model, *held)
            if loss <= least * (1 + SHARE):
                break
            if min(taken) > limit:
                return f"not within {limit:.0f} s: {loss / least - 1:.1%} above", ""
        else:
            return f"not reached: {loss / least - 1:.1%} above", ""
        seconds = float(np.median(taken))
        return f"{seconds:.2f}", Killed(cluster, 0.5 * seconds).outcome(lambda: fit(effort), model, 60 + limit)


def held_out(model, X, y):
    w, b = (np.asarray(part, np.float64).ravel() for part in model)
    margins = X @ w + (b[0] if len(b) else 0.0)
    return log_loss(y, 1.0 / (1.0 + np.exp(-np.clip(margins, -500, 500))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=45)
    parser.add_argument("--only", default="", help="only peers whose name holds this")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a peer is given no more effort")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    X, y = easy(args.rows, args.columns)
    y, cut = y.astype(int), int(0.8 * args.rows)
    held, data, labels = (X[cut:], y[cut:]), X[:cut], y[:cut]
    best = fastsgd.LinearClassifier(alpha=ALPHA, tol=1e-6, random_state=0).fit(data, labels)
    least = held_out((best.coef_, best.intercept_), *held)
    print(f"{cut:,} x {args.columns} rows in {PARTITIONS} partitions; two workers of one thread\n")
    print("| | seconds to 0.1% of the held-out log-loss | a worker dies in the middle |\n| --- | ---: | --- |")
    for name, make in PEERS.items():
        if args.only in name:
            try:
                seconds, killed = measure(make, data, labels, held, least, args.repeats, args.limit)
            except ImportError as error:
                seconds, killed = f"can't be imported: {error}", ""
            except NotImplementedError as error:
                seconds, killed = f"it says: {error}", ""
            print(f"| {name} | {seconds} | {killed} |", flush=True)


if __name__ == "__main__":
    main()
