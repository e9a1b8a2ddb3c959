"""Model files and checkpoints that someone has tampered with: made, loaded, and what comes of it trained and asked for
predictions.

    python -m tests.support.hostile 200000 [seed]

goes through so many of both. Anything but a ValueError is a bug; a crash ends the program.
"""

import copy
import functools
import inspect
import json
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from contextlib import suppress

import numpy as np
import pandas as pd
import safetensors.numpy
import scipy.sparse as sp
from sklearn.base import clone

import fastsgd
from fastsgd import losses, optimizers, schedules, stopping
from fastsgd.persist.files import PLAIN_BYTES, array_checksum, checksum
from fastsgd.persist.keeper import Keeper, Saved

from .sizes import sizes

RNG = np.random.default_rng(0)
X = RNG.integers(-4, 5, (40, 3)) / 2.0
SPARSE = sp.csr_matrix(X * (RNG.random(X.shape) < 0.5))
WIDE = sp.hstack([SPARSE, sp.csr_matrix((40, 4000)), SPARSE[:, ::-1]], format="csr")  # most features no row has
TARGET = X @ [1.0, -2.0, 0.5] + 0.25
LABELS = np.array(["nein", "ja", "vielleicht"])[np.searchsorted([-1.0, 1.0], TARGET)]

VALUES = (
    *(
        None,
        True,
        False,
        -1,
        0,
        1,
        2,
        3,
        4,
        625,
        2**31,
        2**63,
        -(2**64),
        1.5,
        -0.0,
        1e-320,
        1e308,
        float("nan"),
        10**400,
    ),
    *("", "x", "é\x00\ud800", "losses.Custom", "optimizers.Optimizer", "posix.system", "W", "float64", "str", "object"),
    *({"list of strings": 1}, {"list of integers": 0}, {"list of pairs": [["a"], [1]]}, {"list of floats": -1}),
    *([], [[]], {}, {"tuple": []}, {"dict": [[1, 2]]}, {"dict": [[[], 2]]}, {"float": "nan"}, {"float": "inf"}),
    *({"code": "f"}, {"object": ["losses.Huber", {"epsilon": "x"}]}, {"object": ["optimizers.Adam", {}]}),
    *({"RandomState": [[0] * 624, 10**6, 0, 0.0]}, {"RandomState": [[0] * 624, 624, 1, 0.5]}, [0] * 700),
)
ODD_LISTS = {"a": [None, True, 2**40, 1.5, "x", float("inf")] * 20, "b": [[], ["y"]] * 40}
NUMBERS = 0.0, -1.0, 1e-300, 1e38, -1e300, np.inf, -np.inf, np.nan


def models():
    """Fitted estimators that have, together, all there is in a state."""
    clf, reg = fastsgd.SGDClassifier, fastsgd.SGDRegressor
    yield clf(penalty="elasticnet", average=True, class_weight={"ja": 2.0, "nein": 1.0}), SPARSE, LABELS
    yield clf(loss=losses.Huber(0.5), optimizer=optimizers.Adam(beta1=0.5), batch_size=8, standardize=True), X, LABELS
    yield clf("log_loss", multi_class="multinomial", random_state=np.random.RandomState(1)), X, LABELS
    yield clf("log_loss", optimizer="momentum"), SPARSE, LABELS == "ja"
    yield reg(penalty="l1", stopping=[stopping.Objective(0.1), "gradient"]), SPARSE.astype("f4"), TARGET
    yield reg(optimizer="ftrl", average=3), X, np.column_stack([TARGET, -TARGET])
    yield reg("poisson", learning_rate=schedules.Cosine(pass_rows=40), optimizer="adagrad"), X, np.exp(TARGET / 4)
    yield clf("log_loss", learning_rate="auto", penalty="elasticnet"), SPARSE.astype("f4"), LABELS
    yield reg(learning_rate="auto"), X, TARGET
    yield fastsgd.SGDOneClassSVM(standardize=True), X.astype("f4"), None
    yield reg(learning_rate="auto", n_bootstrap=2), X, np.column_stack([TARGET, -TARGET])
    yield clf("log_loss", learning_rate="auto", n_splits=2), SPARSE, LABELS


def named():
    """One whose lists are in arrays: names of features, labels, weights of the classes."""
    est = fastsgd.SGDClassifier(class_weight={"ja": 2.0, "nein": 1.0})
    return est, pd.DataFrame(X, columns=["größe", "", "x" * PLAIN_BYTES]), LABELS


def wide():
    """Fitted estimators that are not stored whole."""
    clf, reg = fastsgd.SGDClassifier, fastsgd.SGDRegressor
    yield clf("log_loss", learning_rate="auto", penalty="elasticnet"), WIDE.astype("f4"), LABELS
    yield reg(penalty="l1", optimizer="adagrad", average=True, standardize=True), WIDE, TARGET


def solved():
    """Fitted estimators that have no state."""
    clf, reg = fastsgd.LinearClassifier, fastsgd.LinearRegressor
    yield clf(class_weight={"ja": 2.0, "nein": 1.0}), SPARSE, LABELS
    yield clf(multi_class="multinomial", alpha=0.1), X, LABELS
    yield clf("hinge", penalty="elasticnet", alpha=0.1), X.astype("f4"), LABELS == "ja"
    yield reg(penalty="l1", alpha=0.01), SPARSE, TARGET
    yield reg("huber", random_state=np.random.RandomState(1)), X, np.column_stack([TARGET, -TARGET])


def files():
    """Their model files, as bytes; the last two are for prediction alone."""
    out, without = [], []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (est, data, y) in enumerate((*models(), *solved(), named(), *wide())):
            est.set_params(max_iter=3)
            how = {}
            if hasattr(est, "partial_fit"):
                est.set_params(eta0=0.01)
                how = {"record": ("objective", "coef"), "record_every": 40} if number % 2 else how
            if est.random_state is None:
                est.set_params(random_state=0)
            path = os.path.join(folder, "model")
            est.fit(data, y, **how)
            if data.shape[1] == WIDE.shape[1]:
                est.reading_ = {"long": "x" * PLAIN_BYTES, "categories": ODD_LISTS}
            for state, files in ((True, out), (False, without)):
                est.save(path, training_state=state)
                with open(path, "rb") as file:
                    files.append(file.read())
    return out + without[:2]


@functools.cache
def runs():
    """Fits whose checkpoints have, together, all there is in one."""
    clf, reg = fastsgd.SGDClassifier, fastsgd.SGDRegressor
    return [
        (reg(optimizer="adam", batch_size=7, tol=1e-3), X, TARGET),
        (clf("log_loss", penalty="elasticnet", average=True, tol=1e-3, early_stopping=True), SPARSE, LABELS),
        (clf("log_loss", learning_rate="auto", random_state=np.random.RandomState(1)), SPARSE, LABELS),
        (reg(optimizer="momentum", batch_size="full", stopping="parameters"), X.astype("f4"), TARGET),
        (reg("huber", penalty="l1", stopping=["gradient", "objective"], standardize=True), SPARSE, TARGET),
        (fastsgd.SGDOneClassSVM(optimizer="ftrl", batch_size=3), X, None),
        (reg(learning_rate="auto", max_iter="auto", random_state=0), X, TARGET),
        (reg(optimizer="adam", batch_size=5, max_iter="auto", random_state=0), SPARSE, TARGET),
        (reg(learning_rate="auto", n_bootstrap=2, n_splits=2), X, TARGET),
        (reg(penalty="l1", average=True, tol=1e-3), WIDE, TARGET),
    ]


def small_calls():
    """A context in which kernel calls are of 8 rows."""
    return sizes(call_rows=8, block_rows=4, buffer_blocks=2, buffer_bytes=1)


def begun(est, path, **how):
    """One of `runs` with few epochs."""
    est = clone(est).set_params(max_iter=est.max_iter if est.max_iter == "auto" else 4, **how)
    return est.set_params(random_state=0) if est.random_state is None else est


def checkpoints():
    """(estimator, checkpoint in the midst of its second epoch as bytes) of each of `runs`."""

    class Crash(Exception):
        pass

    out = []
    with tempfile.TemporaryDirectory() as folder, small_calls(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, (est, data, y) in enumerate(runs()):
            path = os.path.join(folder, str(number))

            def after(keeper, run, ending, rows=[0]):  # noqa: B006, counts the calls of each fit
                if len(run.epochs) == 1 and 0 < run.done < 40:
                    keeper.writers[0].write(lambda: keeper._content(run), 0)
                    raise Crash

            between, Keeper.between = Keeper.between, after
            try:
                begun(est, path, callbacks=[fastsgd.Checkpoint(path)]).fit(data, y)
            except Crash:
                pass
            finally:
                Keeper.between = between
            with open(path, "rb") as file:
                out.append((est, file.read()))
    return out


def resume(path, which):
    """Go on with run number `which` from that file."""
    est, data, y = runs()[which]
    with small_calls():
        return begun(est, path).fit(data, y, resume_from=path)


def gone_on(path, which):
    """What became of a checkpoint: "refused" or "used". Other exceptions than ValueError pass."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            Saved.read(path)  # most are refused here, and need no fit
            est = resume(path, which)
        except ValueError:
            return "refused, or used until it diverged"
        est.predict(runs()[which][1].astype(est.coef_.dtype))
        return "used"


def split(blob):
    """The JSON document and the arrays of a file."""
    length = int.from_bytes(blob[:8], "little")
    text = json.loads(blob[8 : 8 + length])["__metadata__"]["fastsgd"]
    arrays = safetensors.numpy.load(blob)
    del arrays["crc32"]
    return json.loads(text), arrays


def join(head, arrays):
    """A file of these, with a right checksum."""
    text = head if isinstance(head, str) else json.dumps(head)
    arrays = {name: np.ascontiguousarray(a) for name, a in arrays.items()}
    sums = {name: array_checksum(name, a) for name, a in arrays.items()}
    arrays = arrays | {"crc32": np.array([checksum(text, sums)], np.uint32)}
    return safetensors.numpy.save(arrays, {"fastsgd": text})


def places(value, path=()):
    """All places in a JSON document."""
    if path:
        yield path
    if isinstance(value, (dict, list)):
        keys = value if isinstance(value, dict) else range(min(len(value), 8))
        for key in keys:
            yield from places(value[key], (*path, key))


def edit_head(head, rnd):
    path = rnd.choice(list(places(head)))
    within = head
    for key in path[:-1]:
        within = within[key]
    what = rnd.randrange(4)
    if what == 0 and isinstance(within, dict):
        del within[path[-1]]
    elif what == 1 and isinstance(within, dict):
        within[rnd.choice(["x", "_state.W", "coef_", "mean_", "loss", "code"])] = copy.deepcopy(rnd.choice(VALUES))
    elif what == 2:
        other = head
        for key in rnd.choice(list(places(head))):
            other = other[key]
        within[path[-1]] = copy.deepcopy(other)
    else:
        within[path[-1]] = copy.deepcopy(rnd.choice(VALUES))


def edit_arrays(arrays, rnd):
    name = rnd.choice(sorted(arrays))
    a = arrays[name].copy()
    what = rnd.randrange(7)
    if what == 0:
        del arrays[name]
        return
    if what == 1:
        a = a.astype(rnd.choice(["f4", "f8", "i8", "u4", "?", "f2"]))
    elif what == 2:
        a = a.reshape(rnd.choice([a.shape[::-1], (-1,), (1, *a.shape), (a.size, 1)]))
    elif what == 3:
        a = np.zeros([rnd.choice([0, 1, 2, 3, 4, 5, 8]) for _ in range(rnd.choice([0, 1, 2, a.ndim]))], a.dtype)
    elif what == 4 and a.size and a.dtype.kind == "f":
        a.flat[rnd.randrange(a.size)] = rnd.choice(NUMBERS)
    elif what == 4 and a.size and a.dtype.kind in "iu":
        a.flat[rnd.randrange(a.size)] = np.int64(rnd.choice([0, 1, 5, 4002, 4003, 2**31, 2**32 - 1])).astype(a.dtype)
    elif what == 5:
        a = a * rnd.choice([0.0, -1.0, 1e30, 1e200])
    else:
        name = rnd.choice(
            ["_state.A", "_state.Q", "_state.last", "_state.m", "_state.v", "_state.std", "_class_weight", "x"]
        )
    arrays[name] = a


def tampered(blob, rnd):
    """The file with something changed: bytes, the header of safetensors, or, with a right checksum, its content."""
    how = rnd.randrange(6)
    if how == 0:
        blob = bytearray(blob)
        for _ in range(rnd.choice([1, 1, 2, 8])):
            blob[rnd.randrange(len(blob))] ^= 1 << rnd.randrange(8)
        return bytes(blob)
    if how == 1:
        at = rnd.randrange(len(blob))
        return rnd.choice([blob[:at], blob[:at] + blob[at + 1 :], blob[:at] + b"\0" + blob[at:], blob + blob[:at]])
    if how == 2:
        length = int.from_bytes(blob[:8], "little")
        header = json.loads(blob[8 : 8 + length])
        name = rnd.choice(sorted(header))
        if name == "__metadata__":
            header[name] = rnd.choice(
                [{}, {"fastsgd": "[" * 5000}, {"fastsgd": "{}"}, {"fastsgd": 1}, None, {"a": "b"}]
            )
        else:
            entry = rnd.choice(["shape", "dtype", "data_offsets"])
            choice = {
                "shape": [[2**40], [2**62, 4], [-1], [0], [1, 3], [3, 1], []],
                "dtype": ["F64", "F32", "U8", "I64", "F8_E4M3", "BF16", "x"],
                "data_offsets": [[0, 8], [0, 2**62], [8, 0], [-8, 0], [2**63, 2**63 + 8]],
            }
            header[name][entry] = rnd.choice(choice[entry])
        text = json.dumps(header).encode()
        size = rnd.choice([len(text), len(text), 2**63, 2**64 - 8, len(text) + 1])
        return size.to_bytes(8, "little") + text + blob[8 + length :]
    head, arrays = split(blob)
    for _ in range(rnd.choice([1, 1, 2, 3])):
        if rnd.random() < 0.6 or not arrays:
            edit_head(head, rnd)
        else:
            with np.errstate(all="ignore"):
                edit_arrays(arrays, rnd)
    return join(head, arrays)


def outcome(path):
    """What became of a file: "refused", or "used", as far as it could be. Other exceptions than ValueError pass."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            est = fastsgd.load(path)
        except ValueError as error:
            if str(path) not in str(error):
                raise AssertionError("the message does not name the file") from error
            return "refused"
        data, d = X, est.n_features_in_
        if d != X.shape[1]:
            data = np.resize(X, (40, d))
        data = data.astype(est.coef_.dtype)  # scikit-learn's product of two sparse matrices asks for one dtype
        for rows in (data, sp.csr_matrix(data)):
            est.predict(rows)
            if hasattr(est, "predict_proba"):
                est.predict_proba(rows)
        if not hasattr(est, "_state"):  # of solvers, or for prediction alone
            return "used"
        if est._state.beside is not None:
            with suppress(ValueError):
                est.coef_table()
        y, how = TARGET, {}
        if hasattr(est, "record_"):
            how = {"record": ("objective", "coef", "step_length")}
        if hasattr(est, "path_"):
            assert len(est.path_.coef) == len(est.path_.intercept) == len(est.path_.steps)
        if hasattr(est, "classes_"):
            y = np.resize(est.classes_, len(data))
        elif getattr(est, "_y_ndim", 1) == 2:
            y = np.resize(TARGET, (40, len(est._state.b)))
        est.verbose = 0
        auto = est._state.auto  # which goes on in the layout it began with
        for rows in [data] * (auto is None or not auto.sparse) + [sp.csr_matrix(data)] * (auto is None or auto.sparse):
            try:
                est.partial_fit(rows, abs(y) if y.dtype.kind == "f" and not hasattr(est, "classes_") else y, **how)
            except ValueError:
                return "used, until it diverged or a parameter was wrong"
        est.predict(data)
        return "used"


def main(n, seed=0):
    """Go through n files; the number of bugs."""
    rnd, counts, bugs = random.Random(seed), Counter(), Counter()
    inspect.signature = functools.cache(inspect.signature)  # scikit-learn asks for the same ones again and again
    start = time.perf_counter()
    whole = [(blob, outcome, ()) for blob in files()]
    whole += [(blob, gone_on, (which,)) for which, (_, blob) in enumerate(checkpoints())]
    with tempfile.TemporaryDirectory() as folder:
        for i in range(n):
            path = os.path.join(folder, str(i))  # to write over a file that is there waits for the disk
            blob, use, which = rnd.choice(whole)
            blob = tampered(blob, rnd)
            with open(path, "wb") as file:
                file.write(blob)
            try:
                counts[use(path, *which)] += 1
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                bug = f"{type(error).__name__}: {str(error)[:150]} ({os.path.basename(where.filename)}:{where.lineno})"
                bugs[bug] += 1
                if bugs[bug] == 1:
                    traceback.print_exc()
            os.remove(path)
            if i % 10000 == 9999:
                print(i + 1, dict(counts), dict(bugs), flush=True)
    print(n, dict(counts), dict(bugs), f"{n / (time.perf_counter() - start):.0f} a second")
    return sum(bugs.values())


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
