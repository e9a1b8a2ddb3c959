"""What statsmodels makes of small data, stored in statsmodels_peer.json.

`python -m tests.support.statsmodels_peer` prints how far ours are from it; with `--write` it is written anew, for which alone
statsmodels is needed. The data are eighths drawn by `random()`, the same with every NumPy.
"""

import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from fastsgd import LinearClassifier, LinearRegressor

STORE = Path(__file__).with_suffix(".json")
LOSSES = "log_loss", "squared_error", "poisson", "gamma"
KINDS = "model", "HC0", "HC1", "clusters"
LAYOUTS = {"float64": np.asarray, "float32": np.float32, "csr": sp.csr_matrix}
N, D = 240, 4


@cache
def data():
    """X, the targets of each loss, weights and clusters."""
    rng = np.random.default_rng(0)

    def eighths(*shape):  # -1, -7/8, ..., 1
        return np.floor(17 * rng.random(shape)) / 8 - 1

    X = eighths(N, D) * [1.0, 8.0, 0.125, 2.0] + [0.0, 16.0, 0.0, 1.0]
    margin = (X - [0.0, 16.0, 0.0, 1.0]) @ [0.5, 0.125, 4.0, 0.25]
    noise = eighths(N) + eighths(N)
    targets = {
        "log_loss": (margin + noise > 0.25).astype(int),
        "squared_error": margin + noise * (1.0 + abs(X[:, 0])),
        "poisson": np.floor(np.exp(0.5 * margin + 0.5 * noise) + rng.random(N)),
        "gamma": np.exp(0.5 * margin + 0.5 * noise),
    }
    weight = 1.0 + np.floor(4 * rng.random(N)) / 2
    return X, targets, weight, np.floor(30 * rng.random(N)).astype(int)


def fit(loss, weighted, kind):
    """(coefficients, standard errors, the ends of the intervals of the mean of five rows), the intercept first."""
    import statsmodels.api as sm

    X, targets, weight, clusters = data()
    X, y = sm.add_constant(X), targets[loss]
    how = {"HC0": {"cov_type": "HC0"}, "HC1": {"cov_type": "HC1"}, "model": {}}
    how["clusters"] = {"cov_type": "cluster", "cov_kwds": {"groups": clusters}}
    if loss == "squared_error":
        model = sm.WLS(y, X, weight) if weighted else sm.OLS(y, X)
        found = model.fit(**how[kind])
    else:
        families = {"log_loss": sm.families.Binomial(), "poisson": sm.families.Poisson()}
        family = families.get(loss) or sm.families.Gamma(sm.families.links.Log())
        model = sm.GLM(y, X, family, **({"var_weights": weight} if weighted else {}))
        found = model.fit(tol=1e-13, maxiter=1000, **how[kind])
    rows = found.get_prediction(X[:5]).summary_frame(alpha=0.05)
    return found.params, found.bse, rows[["mean_ci_lower", "mean_ci_upper"]].to_numpy()


def cases():
    return [(loss, weighted, kind) for loss in LOSSES for weighted in (False, True) for kind in KINDS]


def name_of(loss, weighted, kind):
    return f"{loss}-{'weighted' if weighted else 'plain'}-{kind}"


@cache
def stored():
    """For the name of each case what `fit` gave."""
    return {name: tuple(map(np.array, parts)) for name, parts in json.loads(STORE.read_text())["values"].items()}


def write():
    import statsmodels

    values = {name_of(*case): [part.tolist() for part in fit(*case)] for case in cases()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(parts)}" for name, parts in values.items())
    STORE.write_text(f'{{"statsmodels": "{statsmodels.__version__}", "values": {{\n{lines}\n}}}}\n')
    print(f"{len(values)} cases by statsmodels {statsmodels.__version__}")


def difference(loss, weighted, kind, layout):
    """The largest relative difference of a standard error; statsmodels has the factor of HC1 for OLS and WLS alone."""
    X, targets, weight, clusters = data()
    rows = {"X": LAYOUTS[layout](X), "y": targets[loss], "sample_weight": weight if weighted else None}
    make = LinearClassifier if loss == "log_loss" else LinearRegressor
    est = make(loss, penalty=None, tol=1e-7, random_state=0).fit(**rows)
    how = {"clusters": clusters} if kind == "clusters" else {"robust": kind if kind != "model" else False}
    factor = np.sqrt(N / (N - D - 1.0)) if kind == "HC1" and loss != "squared_error" else 1.0
    return float(abs(est.std_errors(**how, **rows) / (factor * stored()[name_of(loss, weighted, kind)][1]) - 1.0).max())


def compare():
    print("| loss | weights | standard errors |", " | ".join(LAYOUTS), "|")
    print("| --- | --- | --- |" + " ---: |" * len(LAYOUTS))
    for loss, weighted, kind in cases():
        cells = [f"{difference(loss, weighted, kind, layout):.0e}" for layout in LAYOUTS]
        print(f"| {loss} | {'yes' if weighted else 'no'} | {kind} |", " | ".join(cells), "|")


if __name__ == "__main__":
    write() if "--write" in sys.argv else compare()
