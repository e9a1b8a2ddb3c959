"""Rows in partitions, and fits of them in rounds, without an engine."""

import pickle
from dataclasses import replace

import numpy as np

from fastsgd import losses, penalties
from fastsgd.estimators.base_linear import readable
from fastsgd.solvers.heads import Task
from fastsgd.solvers.rounds import Rounds
from fastsgd.sources.arrays import Table


def table(X, y, loss, s=None, classes=0):
    """(Table, heads); of two classes y is 0 or 1, of more it holds their codes."""
    X, weight = readable(X), None if s is None else np.asarray(s, float)
    if not classes:
        return Table(X, y=np.ascontiguousarray(y.reshape(len(y), -1), float), s=weight)
    code = (y != 1 if classes == 2 else y).astype(np.int32)
    return Table(X, code=code, negative=losses.get(loss).negative, s=weight)


def cut(rows, places):
    """The rows at each of these places, as a partition."""
    parts = []
    for at in places:
        part = rows.with_rows(np.asarray(at, np.int64), readable(rows.X[at]))
        parts.append(replace(part, number=None))
    return parts


def serial(parts):
    """What runs a function on all partitions."""
    return lambda function, *args, then: then([function(part, *args) for part in parts], *args)


def shuffled(parts, seed):
    """The same, in an order of its own each time, some of it twice; all that is sent and got is pickled."""
    rng = np.random.default_rng(seed)

    def run(function, *args, then):
        results = {}
        for i in [*rng.permutation(len(parts)), *rng.integers(0, len(parts), 2)]:
            task = pickle.loads(pickle.dumps((function, parts[i], args)))
            results[int(i)] = pickle.loads(pickle.dumps(task[0](task[1], *task[2])))
        return then([results[i] for i in range(len(parts))], *args)

    return run


def fit(run, rows, model, K=1, tol=1e-4, max_iter=300, **more):
    """The Rounds of these parameters of an estimator."""
    l1, l2 = penalties.weights(model.get("penalty", "l2"), model.get("alpha", 1e-3), model.get("l1_ratio", 0.15))
    intercept, seed = model.get("fit_intercept", True), model.get("random_state", 0)
    task = Task(losses.get(model["loss"]), l1, l2, intercept, tol, max_iter, seed)
    return Rounds(run, rows.X.shape, rows.X.dtype, K, task, **more).run()
