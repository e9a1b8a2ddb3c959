"""What the order of the rows does to a model of data sorted by label, as Markdown: `python asv_benchmarks/shuffling.py`.

Held-out log-loss (the mean over some seeds, the least of a grid of eta0 for each order) after the first and the last epoch,
beside that of a full shuffle, with the standard error of the difference: at a constant step a model never comes to rest.
The rows that are trained on lie sorted by label, in a hundred blocks; a buffer holds a tenth of them. The data are made
here: logistic labels of normal columns, and of sparse rows whose columns are as frequent as words are.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from fastsgd import SGDClassifier
from fastsgd.sources import Rows, Source

ETA0 = 0.001, 0.003, 0.01, 0.03, 0.1, 0.3


class InBlocks(Source):
    """Rows of arrays, in blocks; with in_order only one after another."""

    def __init__(self, X, y, block_rows, in_order=False):
        self.X, self.y, self.block_rows = X, y, block_rows
        self.sparse, self.dtype, (self.n_rows, self.n_features) = sp.issparse(X), X.dtype, X.shape
        self.count = -(-self.n_rows // block_rows)
        self.n_blocks = None if in_order else self.count

    def read(self, block):
        part = slice(block * self.block_rows, (block + 1) * self.block_rows)
        return Rows(self.X[part], self.y[part])

    def blocks(self):
        return map(self.read, range(self.count))


def orders(X, y, blocks, share):
    """(name, arguments of fit, parameters) of each order."""
    n = len(y)
    rows = -(-n // blocks)
    buffer = {"max_memory": "16GB", "buffer_rows": max(rows, int(share * n))}
    return [
        ("full shuffle, in memory", (X, y), {}),
        (f"blocks + buffer of {share:.0%}", (InBlocks(X, y, rows).buffered(**buffer),), {}),
        ("blocks, each shuffled in itself", (InBlocks(X, y, rows).buffered("16GB", rows),), {}),
        (f"file order, buffers of {share:.0%}", (InBlocks(X, y, rows, in_order=True).buffered(**buffer),), {}),
        ("file order", (InBlocks(X, y, rows).buffered(**buffer),), {"shuffle": False}),
    ]


def made(kind, n, rng):
    """(X, y): n rows."""
    if kind == "dense":
        X = rng.standard_normal((n, 50))
    else:
        filled, d = 30, 10_000
        columns = np.minimum(d - 1, rng.zipf(1.3, n * filled) - 1)
        X = sp.csr_matrix((np.ones(n * filled), (np.repeat(np.arange(n), filled), columns)), shape=(n, d))
        X.data = np.log1p(X.data)
    margin = X @ (rng.standard_normal(X.shape[1]) * (0.4 if kind == "dense" else 0.7))
    return X, (rng.random(n) < 1 / (1 + np.exp(np.median(margin) - margin))).astype(int)


def losses(given, parameters, held, epochs, optimizer, seeds):
    """(eta0, held-out log-losses after the first epoch, after the last), of the best eta0; one for each seed."""
    X, y = held
    found = []
    for eta0, seed in product(ETA0, range(seeds)):
        seen = []

        def look(progress, seen=seen):
            margin = progress.estimator.decision_function(X)
            seen.append(float(np.logaddexp(0.0, np.where(y == 1, -margin, margin)).mean()))

        SGDClassifier(
            "log_loss",
            alpha=1e-6,
            optimizer=optimizer,
            learning_rate="constant",
            eta0=eta0,
            tol=None,
            max_iter=epochs,
            random_state=seed,
            callbacks=look,
            **parameters,
        ).fit(*given)
        found.append((seen[0], seen[-1]))
    found = np.reshape(found, (len(ETA0), seeds, 2))
    best = found[..., 1].mean(axis=1).argmin()
    return ETA0[best], *found[best].T


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a .npz of X (or data, indices, indptr, shape) and y, of two classes")
    parser.add_argument("--rows", type=int, default=100_000, help="of the data made here")
    parser.add_argument("--blocks", type=int, default=100)
    parser.add_argument("--buffer", type=float, default=0.1, help="share of the rows")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--optimizers", default="sgd,adagrad")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    if args.data:
        file = np.load(args.data, allow_pickle=False)
        X = (
            file["X"]
            if "X" in file
            else sp.csr_matrix(tuple(file[p] for p in ("data", "indices", "indptr")), file["shape"])
        )
        sets = {Path(args.data).name: (X, (file["y"] == np.unique(file["y"])[-1]).astype(int))}
    else:
        sets = {kind: made(kind, args.rows * 5 // 4, rng) for kind in ("dense", "sparse")}
    print(
        f"| data | optimizer | order | eta0 | epoch 1 | epoch {args.epochs} | beside full shuffle |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
        sep="\n",
    )
    warnings.simplefilter("ignore")  # that the order is the source's own is what is measured
    for name, (X, y) in sets.items():
        mixed = rng.permutation(len(y))
        n = len(y) * 4 // 5
        train = np.sort(mixed[:n])
        train = train[np.argsort(y[train], kind="stable")]
        held = X[mixed[n:]], y[mixed[n:]]
        for optimizer in args.optimizers.split(","):
            full = None
            for order, given, parameters in orders(X[train], y[train], args.blocks, args.buffer):
                eta0, first, last = losses(given, parameters, held, args.epochs, optimizer, args.seeds)
                full = last if full is None else full
                beside = last.mean() / full.mean() - 1
                error = np.sqrt((last.var() + full.var()) / args.seeds) / full.mean()
                means = f"{first.mean():.4f}", f"{last.mean():.4f}"
                cells = name, optimizer, order, f"{eta0:g}", *means, f"{beside:+.1%} ± {error:.1%}"
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
