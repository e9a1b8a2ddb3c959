"""Fits drawn at random, held against tests/reference.py in float64, however the rows come and wherever training is cut.

    python tests/fuzz_fits.py 600 [seed]

runs for so many seconds and prints the trials by kind. A trial draws an estimator, data, a layout, a dtype and a way to
train (`fit`, `partial_fit` in parts, a source, a file in between, a checkpoint, an edit of `coef_`), and fails where the
coefficients differ from the reference by more than rounding can. What rounding can is measured: the reference is run again
on data that are changed by some units in the last place. A failure prints its number: `replay(number)` makes it again.
Also drawn: malformed CSR, which must be refused, and the solvers, whose objective must be within `dual_gap_` of the least.
"""

import itertools
import pickle
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import reference
import scipy.sparse as sp
from support.sizes import sizes
from support.visited import visited

import fastsgd
from fastsgd import (
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDRegressor,
    losses,
    optimizers,
    schedules,
    sources,
)
from fastsgd.estimators.validation import drawn_seed
from fastsgd.sources.arrays import Table

CLASSIFICATION = ["hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "sigmoid", "squared_error"]
REGRESSION = [
    "squared_error",
    "huber",
    "epsilon_insensitive",
    "squared_epsilon_insensitive",
    "quantile",
    "cauchy",
    "poisson",
]
WAYS = ["fit", "fit", "batches", "npy", "parts", "saved parts", "pickled parts", "checkpoint", "edited"]
PERTURBATIONS = 4  # runs of the reference on data that are changed in the last place


class Trial:
    """One draw: data, the parameters of an estimator, and the way in which it is trained."""

    def __init__(self, number):
        self.number, self.rng = number, np.random.default_rng(number)
        pick = self.pick
        self.way = pick(WAYS)
        self.classifier = pick([True, False])
        self.n, self.d = int(self.rng.integers(2, 60)), int(self.rng.integers(1, 14))
        self.dtype = pick(["f8", "f8", "f4"])
        self.optimizer = pick(["sgd", "sgd", "sgd", *optimizers.OPTIMIZERS])
        self.batch_size = pick([1, 1, 1, 3, 16, "full"])
        self.passes = 1 if "parts" in self.way or self.way == "edited" else int(self.rng.integers(1, 4))
        self.penalty = pick([None, "l2", "l1", "elasticnet"])
        self.alpha = 10 ** self.rng.uniform(-6, 0.3 if self.batch_size != 1 else -0.7)
        self.l1_ratio = float(self.rng.uniform(0.05, 0.95))
        self.eta0 = 10 ** self.rng.uniform(-3, 0.1)
        self.average = pick([False, False, True, 5])
        self.decay = pick([1.0, 0.3])
        self.fit_intercept = pick([True, True, False])
        self.layout = pick(LAYOUTS)
        self.lazy = pick([True, False])
        if self.optimizer == "ftrl" or self.way == "edited":
            self.learning_rate = "constant"
        else:
            self.learning_rate = pick(["constant", "invscaling", "invscaling"])
        if self.way == "edited":
            self.optimizer, self.average, self.penalty = "sgd", False, pick([None, "l2"])
        self.loss = losses.get(pick(CLASSIFICATION if self.classifier else REGRESSION))
        self.draw_data()
        one_step = self.batch_size == 1 or self.passes == 1  # A pass ends with a step of what is left of a batch.
        self.shuffle = self.way in ("fit", "checkpoint") and one_step and pick([True, False])
        self.sizes = pick(  # Of which the order does not follow from the number of values in a row.
            [
                dict(buffer_bytes=1, buffer_blocks=64),
                dict(buffer_bytes=1, buffer_blocks=4, block_rows=1, call_work=pick([120, 200])),
            ]
        )

    def __str__(self):
        names = "way dtype layout n d heads optimizer lazy batch_size passes penalty alpha l1_ratio eta0 average learning_rate"
        found = {name: getattr(self, name) for name in names.split()} | {"loss": self.loss.name}
        return ", ".join(
            f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}" for name, value in found.items()
        )

    def pick(self, choices):
        return choices[int(self.rng.integers(len(choices)))]

    def draw_data(self):
        rng, n, d = self.rng, self.n, self.d
        X = rng.standard_normal((n, d)) * (rng.random((n, d)) < rng.uniform(0.1, 1.0))
        X = np.round(X * 64) / 64  # exact in every dtype, and so are halves of it
        if self.layout in ("bool", "uint8", "int8"):
            X = {"bool": X > 0, "uint8": abs(X * 50), "int8": X * 20}[self.layout].astype(self.layout).astype("f8")
        self.X, self.heads = X, 1
        Z = X @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n)
        self.weight = None if rng.random() < 0.4 else rng.uniform(0.2, 1.5, n) * (rng.random(n) < 0.9)
        if self.weight is not None and not self.weight.any():
            self.weight[0] = 1.0
        if self.classifier:
            classes = int(rng.integers(2, 1 + min(4, n)))
            self.code = np.empty(n, np.int64)
            self.code[np.argsort(Z, kind="stable")] = np.arange(n) * classes // n
            self.classes = np.array(self.pick([list("abcd"), [3, 7, 8, 20], [-1.0, 0.0, 2.0, 9.0]])[:classes])
            self.y = self.classes[self.code]
            self.heads = 1 if classes == 2 else classes
            positive = self.code[:, None] == np.arange(1, 2 if classes == 2 else classes)
            if classes > 2:
                positive = self.code[:, None] == np.arange(classes)
            self.Y = np.where(positive, 1.0, self.loss.negative)
        else:
            self.y = rng.poisson(np.exp(np.clip(0.3 * Z, -3, 3))).astype(float) if self.loss.name == "poisson" else Z
            if rng.random() < 0.3:
                self.y, self.heads = np.column_stack([self.y, self.y[::-1]]), 2
            self.Y = self.y.reshape(n, -1)

    # ------------------------------------------------------------ the estimator
    def estimator(self):
        optimizer = optimizers.get(self.optimizer).set_params(lazy=self.lazy)
        given = dict(loss=self.loss, penalty=self.penalty, alpha=self.alpha, l1_ratio=self.l1_ratio, eta0=self.eta0)
        given |= dict(
            optimizer=optimizer, batch_size=self.batch_size, average=self.average, shuffle=self.shuffle, tol=None
        )
        given |= dict(learning_rate=self.learning_rate, power_t=0.4, intercept_decay=self.decay, max_iter=self.passes)
        kind = SGDClassifier if self.classifier else SGDRegressor
        return kind(fit_intercept=self.fit_intercept, random_state=0, **given)

    def part(self, lo, hi):
        weight = None if self.weight is None else self.weight[lo:hi]
        return lay_out(self.X[lo:hi], self.layout, self.dtype, self.rng), self.y[lo:hi], weight

    def cuts(self):
        """Where calls of partial_fit begin and end: steps of batches must not be cut."""
        cuts = sorted({0, self.n, *self.rng.integers(0, self.n + 1, 3).tolist()})
        if self.batch_size == 1:
            return cuts
        if self.batch_size == "full":
            return [0, self.n]
        steps = np.cumsum(np.ones(self.n) if self.weight is None else self.weight > 0)
        return [cut for cut in cuts if cut in (0, self.n) or steps[cut - 1] % self.batch_size == 0]

    def train(self, folder):
        """The estimator, trained in the way of this trial, and the edits made: (row, W, b) or None."""
        with sizes(**self.sizes):
            return self.trained(folder)

    def trained(self, folder):
        est, edit = self.estimator(), None
        if self.way == "fit":
            X, y, weight = self.part(0, self.n)
            est.fit(X, y, sample_weight=weight)
        elif self.way == "batches":
            whole = [self.part(lo, hi) for lo, hi in pairs(self.cuts())]
            est.fit(sources.from_batches(lambda: iter(whole)))
        elif self.way == "npy":
            weight = None if self.weight is None else folder / "w.npy"
            np.save(folder / "X.npy", self.X.astype(self.dtype))
            np.save(folder / "y.npy", self.y)
            if weight is not None:
                np.save(weight, self.weight)
            est.fit(sources.from_npy(folder / "X.npy", folder / "y.npy", weight))
        elif self.way == "checkpoint":
            X, y, weight = self.part(0, self.n)
            path = folder / f"run{self.number}"
            first = int(self.rng.integers(1, self.passes + 1))
            est.set_params(callbacks=[fastsgd.Checkpoint(path)], max_iter=first).fit(X, y, sample_weight=weight)
            est.set_params(max_iter=self.passes).fit(X, y, sample_weight=weight, resume_from=path)
        else:
            edit = self.train_in_parts(est, folder)
            est = self.last
        return est, edit

    def train_in_parts(self, est, folder):
        classes, edit = dict(classes=self.classes) if self.classifier else {}, None
        for lo, hi in pairs(self.cuts()):
            if lo == hi:
                continue
            X, y, weight = self.part(lo, hi)
            est.partial_fit(X, y, sample_weight=weight, **classes)
            if self.rng.random() < 0.5:
                assert np.isfinite(est.coef_).all()  # to look at it must change nothing
            if self.way == "saved parts":
                est.save(folder / "model")
                est = fastsgd.load(folder / "model")
            elif self.way == "pickled parts":
                est = pickle.loads(pickle.dumps(est))
            elif self.way == "edited" and edit is None:
                coef, j = np.atleast_2d(est.coef_), int(self.rng.integers(self.d))
                if self.rng.random() < 0.5:
                    coef[0, j] = 0.5
                    est.intercept_[0] = -0.25 if self.fit_intercept else 0.0
                else:
                    new, b = est.coef_.copy(), np.array(est.intercept_)
                    np.atleast_2d(new)[0, j], b[0] = 0.5, -0.25 if self.fit_intercept else 0.0
                    est.coef_, est.intercept_ = new, b
                edit = hi, np.atleast_2d(est.coef_).T.astype("f8"), np.array(est.intercept_, "f8"), est.t_
        self.last = est
        return edit

    # ------------------------------------------------------------ what it must be
    def expected(self, edit, change=0.0, seed=0):
        """W, b and t of the reference, on data and weights of rows changed by that share of each value."""
        rng = np.random.default_rng(seed)
        X = self.X * (1 + change * rng.standard_normal(self.X.shape))
        weight = np.ones(self.n) if self.weight is None else self.weight
        weight = weight * (1 + change * rng.standard_normal(self.n))
        l1, l2 = fastsgd.penalties.weights(self.penalty, self.alpha, self.l1_ratio)
        eta = schedules.get(self.learning_rate).bind(
            eta0=self.eta0, alpha=self.alpha, power_t=0.4, loss=self.loss, pass_rows=self.n, passes=self.passes
        )
        decay = self.decay if self.fit_intercept else 0.0
        Y, passes = self.Y, self.passes
        if self.shuffle:  # The passes one after another, as the rows come in each.
            order = np.concatenate([self.order(epoch) for epoch in range(passes)])
            X, Y, weight, passes = X[order], Y[order], weight[order], 1
        how = dict(l1=l1, l2=l2, average=int(self.average), intercept_decay=decay, s=weight, passes=passes)
        optimizer = optimizers.get(self.optimizer)
        if optimizer.plain and self.batch_size == 1:
            if edit is not None:
                row, W, b, t = edit
                how["s"] = weight[row:]
                rest = reference.sgd(X[row:], self.Y[row:], self.loss, lambda k: eta(t - 1 + k), W=W, b=b, **how)
                return rest[0], rest[1], rest[2] + t - 1
            return reference.sgd(X, Y, self.loss, eta, **how)[:3]
        size = np.inf if self.batch_size == "full" else self.batch_size
        lazy = self.sparse and self.lazy and not optimizer.closed(l1, l2, self.average)
        present = X != 0 if lazy else None
        return reference.minibatch(X, Y, self.loss, eta, optimizer, size, present=present, **how)[:3]

    def order(self, epoch):
        """The rows of an epoch in their order, which depends neither on the heads nor on how long a kernel call is."""
        numbers = np.zeros((self.n, self.d))
        numbers[:, 0] = np.arange(self.n)
        with sizes(**self.sizes):
            return visited(Table(numbers), drawn_seed(0), epoch)

    @property
    def sparse(self):
        return self.way != "npy" and self.layout not in DENSE

    def comparable(self):
        """Whether the reference has this case: not batches from edited weights, nor exact elastic net on CSR."""
        plain_rows = self.optimizer == "sgd" and self.batch_size == 1
        return plain_rows or self.way != "edited"

    def run(self, folder):
        with np.errstate(all="ignore"):
            try:
                est, edit = self.train(folder)
            except ValueError as error:
                if "under-/overflow" in str(error) or "classes has to be greater" in str(error):
                    return "overflow"
                raise
            if not self.comparable() or (self.optimizer == "sgd" and self.way == "edited" and edit is None):
                return f"{self.way}, only run"
            right = self.expected(edit)
            if not (np.isfinite(right[0]).all() and abs(right[0]).max() < 1e6 and est.stop_reason_ != "diverged"):
                return "diverged"
            unit = {"f8": 1e-14, "f4": 3e-7}[self.dtype]
            spread = max(distance(self.expected(edit, unit, seed), right) for seed in range(PERTURBATIONS))
        elastic = self.penalty == "elasticnet" and self.sparse and self.optimizer == "sgd" and self.batch_size == 1
        floor = {"f8": 1e-9, "f4": 2e-5}[self.dtype]
        floor = (
            1e-6 if self.optimizer in ("adagrad", "rmsprop", "adam", "adamw") else floor
        )  # of slopes near 0 they divide by eps
        if elastic:  # on CSR, what a weight had received when it became 0 is known to some digits: in float32 to three
            floor = {"f8": 5e-4, "f4": 2e-3}[self.dtype] + (self.eta0 * self.alpha) ** 2
        ours = np.atleast_2d(est.coef_).T.astype("f8"), np.array(est.intercept_, "f8"), est.t_
        off = distance(ours, right)
        assert off <= floor + 100 * spread, f"off by {off:.3g}, rounding could {spread:.3g}"
        assert est.t_ == right[2], f"t_ is {est.t_}, not {right[2]}"
        self.predict(est)
        return self.way

    def predict(self, est):
        X, _, _ = self.part(0, self.n)
        z = self.X @ np.atleast_2d(est.coef_).T.astype("f8") + est.intercept_
        size = 1.0 + abs(self.X) @ abs(np.atleast_2d(est.coef_).T.astype("f8"))
        if self.classifier:
            found = est.decision_function(X).reshape(self.n, -1)
            if self.loss.name == "log_loss":
                p = est.predict_proba(X)
                assert abs(p.sum(axis=1) - 1).max() < 1e-5 and np.isfinite(est.predict_log_proba(X)).all()
        else:
            found = est.predict(X).reshape(self.n, -1)
            z = self.loss.mean(z)
            size = size * np.maximum(1, abs(z))
        assert (abs(found - z) <= {"f8": 1e-12, "f4": 1e-5}[self.dtype] * size).all(), "predictions are not X w + b"


def pairs(cuts):
    return itertools.pairwise(cuts)


def distance(a, b):
    """The largest difference of weights and intercepts, as a share of the largest of them (or of 1e-3)."""
    size = max(abs(b[0]).max(), abs(b[1]).max(), 1e-3)
    with np.errstate(all="ignore"):
        off = max(abs(a[0] - b[0]).max(), abs(a[1] - b[1]).max()) / size
    return off if np.isfinite(off) else np.inf


# ---------------------------------------------------------------- layouts
DENSE = ("C", "F", "strided", "list")
LAYOUTS = [
    *DENSE,
    "csr",
    "csr",
    "csr64",
    "csr_array",
    "unsorted",
    "unsorted",
    "twice",
    "coo",
    "csc",
    "lil",
    "stale",
    "bool",
]
LAYOUTS += ["uint8", "int8"]


def lay_out(X, layout, dtype, rng):
    """X in that layout, with the same values."""
    if layout in ("bool", "uint8", "int8"):
        return sp.csr_matrix(X.astype(layout))
    X = X.astype(dtype)
    if layout in DENSE:
        return {
            "C": lambda: X,
            "F": lambda: np.asfortranarray(X),
            "strided": lambda: np.repeat(X, 2, axis=0)[::2],
            "list": lambda: X.tolist() if dtype == "f8" else X,
        }[layout]()
    S = sp.csr_matrix(X)
    if layout == "csr64":
        S.indices, S.indptr = S.indices.astype("i8"), S.indptr.astype("i8")
    elif layout in ("unsorted", "twice", "stale"):
        S = shuffled(S, rng, twice=layout != "unsorted")
        if layout == "stale":
            S.has_sorted_indices = S.has_canonical_format = True
    elif layout in ("csr_array", "coo", "csc", "lil"):
        S = {"csr_array": sp.csr_array, "coo": sp.coo_matrix, "csc": sp.csc_matrix, "lil": sp.lil_matrix}[layout](S)
    return S


def shuffled(S, rng, twice):
    """The same matrix with the values of each row in another order; and, if asked for, in two halves."""
    data, indices, indptr = [], [], [0]
    for i in range(S.shape[0]):
        at = np.arange(S.indptr[i], S.indptr[i + 1])
        values, places = S.data[at], S.indices[at]
        if twice and len(at):
            values, places = np.r_[values / 2, values / 2], np.r_[places, places]
        order = rng.permutation(len(places))
        data.append(values[order])
        indices.append(places[order])
        indptr.append(indptr[-1] + len(places))
    new = sp.csr_matrix(S.shape, dtype=S.dtype)
    new.data, new.indices = np.concatenate(data).astype(S.dtype), np.concatenate(indices).astype("i4")
    new.indptr = np.array(indptr, "i4")
    return new


# ---------------------------------------------------------------- malformed structure
def malformed(number, folder):
    """A broken matrix is a ValueError or an IndexError in every method, and never a crash."""
    rng = np.random.default_rng(number)
    n, d = int(rng.integers(2, 20)), int(rng.integers(2, 10))
    S = sp.random(n, d, 0.5, "csr", random_state=int(rng.integers(2**31)))
    y = np.arange(n) % 2
    kind = [SGDClassifier, SGDRegressor, LinearClassifier, LinearRegressor][int(rng.integers(4))]
    fitted = kind(random_state=0).fit(S, y)
    B = S.copy()
    if not B.nnz:
        return "malformed"
    fault = int(rng.integers(5))
    if fault == 0:
        B.indices[int(rng.integers(B.nnz))] = int(rng.choice([-1, d, 2**30, -(2**31)]))
    elif fault == 1:
        B.indptr[int(rng.integers(n + 1))] = int(rng.choice([-1, B.nnz + 1, 2**30]))
    elif fault == 2:
        B.indices = B.indices[:-1]
    elif fault == 3:
        B.indptr = B.indptr[:-1]
    else:
        B.indptr[1:-1] = B.indptr[1:-1][::-1]
        if (np.diff(B.indptr) >= 0).all():
            return "malformed"
    B.has_sorted_indices = B.has_canonical_format = bool(rng.integers(2))
    calls = [lambda: kind(random_state=0).fit(B, y), lambda: fitted.predict(B), lambda: fitted.score(B, y)]
    calls.append(lambda: fitted.predict(sources.Rows(B, y)))
    if hasattr(fitted, "partial_fit"):
        calls += [lambda: fitted.partial_fit(B, y), lambda: fitted.partial_fit(sources.Rows(B, y), y)]
    before = np.array(fitted.coef_)
    for place, call in enumerate(calls):
        try:
            call()
        except (ValueError, IndexError, TypeError):
            continue
        raise AssertionError(f"call {place} of {kind.__name__} took fault {fault}")
    assert (before == fitted.coef_).all(), "a refused matrix changed the model"
    return "malformed"


# ---------------------------------------------------------------- solvers
def solved(number, folder):
    """No weights near the solution have an objective that is less by more than the share `dual_gap_` of it."""
    rng = np.random.default_rng(number)
    trial = Trial(number)
    classifier = trial.classifier and trial.heads == 1
    if not classifier:
        trial.y = trial.X @ rng.standard_normal(trial.d) + rng.standard_normal(trial.n) + 10 ** rng.uniform(-2, 7)
        trial.Y = trial.y[:, None]
    elif len(np.unique(trial.y)) < 2:
        return "solver, one class"
    names = ["hinge", "log_loss", "squared_hinge", "modified_huber"]
    names = names if classifier else ["squared_error", "huber", "epsilon_insensitive", "quantile"]
    loss = losses.get(trial.pick(names))
    kind = LinearClassifier if classifier else LinearRegressor
    est = kind(loss, penalty=trial.penalty, alpha=trial.alpha, l1_ratio=trial.l1_ratio, random_state=0)
    with np.errstate(all="ignore"):
        est.fit(lay_out(trial.X, trial.layout, trial.dtype, rng), trial.y, sample_weight=trial.weight)
    if est.stop_reason_ != "certified":
        return f"solver, {est.stop_reason_}"
    Y = np.where(trial.Y > 0, 1.0, loss.negative) if classifier else trial.Y
    l1, l2 = fastsgd.penalties.weights(trial.penalty, trial.alpha, trial.l1_ratio)

    def objective(w, b):
        return float(reference.objective(trial.X, Y, loss, w[:, None], np.array([b]), l1=l1, l2=l2, s=trial.weight)[0])

    w, b = np.ravel(est.coef_).astype("f8"), float(np.ravel(est.intercept_)[0])
    value = objective(w, b)
    gap = float(np.max(est.dual_gap_)) * abs(value)
    gap += 1e-12 * abs(value) + 1e-15 * abs(Y).max()  # the rounding of residuals
    for _ in range(30):
        size = 10 ** rng.uniform(-6, 0)
        other = objective(w + size * rng.standard_normal(len(w)), b + size * rng.standard_normal())
        assert other >= value - gap, f"{value} is certified to {gap}, {other} is less"
    return "solver, certified"


KINDS = [lambda number, folder: Trial(number).run(folder)] * 8 + [malformed, solved]


def replay(number, folder=None):
    """Trial `number` again; raises what it raised."""
    with tempfile.TemporaryDirectory() as made:
        return KINDS[number % len(KINDS)](number, Path(folder or made))


def main(seconds, first):
    warnings.simplefilter("ignore")
    seen, failures, number, end = Counter(), 0, first, time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end:
            try:
                seen[replay(number, folder)] += 1
            except Exception as error:
                failures += 1
                print(f"trial {number}: {type(error).__name__}: {str(error)[:300]}; {Trial(number)}", flush=True)
            number += 1
    print(f"{number - first} trials, {failures} failures: {dict(seen)}")
    return failures


if __name__ == "__main__":
    raise SystemExit(bool(main(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
