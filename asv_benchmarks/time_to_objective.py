"""Time to an objective, beside scikit-learn's solvers, as Markdown: `python asv_benchmarks/time_to_objective.py`.

Seconds until the objective is within 1% and 0.1% of the least one, and the same in products `X @ w`; one thread, everything
in one process. Ours: a fit from nothing with tol=1e-2 and 1e-3, certificate included, on the columns as they are; least of
the repeats. "reached" is when, within that fit, the model was first so good, the proof being left out. Peers: fits with
more and more iterations, and of those good enough the fastest; on standardised columns (whose problem is theirs: the
penalty is of the scaled coefficients), the time of standardising left out; CSR as it is.

Data of your own: --data module:function, which returns X and y, or --data file.npz with X and y in it (CSR: data, indices,
indptr, shape); "name=" before it is what it is called. --page docs/linear.md puts the table there.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import platform
import re
import warnings
from importlib import import_module
from pathlib import Path
from time import perf_counter

import numpy as np
import scipy.sparse as sp
import sklearn
from benchmarks.linear import SETS, Objective, Scaled, make, peers

SHARES = 1e-2, 1e-3


def seconds(fit):
    start = perf_counter()
    return fit(), perf_counter() - start


def product(X, repeats):
    w = np.ones(X.shape[1], X.dtype)
    return min(seconds(lambda: X @ w)[1] for _ in range(max(5, repeats)))


def ours(F, repeats):
    """[(seconds, seconds to reach it, stop reason)] for each share."""
    best = F.ours(1e-9, max_iter=3000).fit(F.X, F.y)
    least = F(best.coef_, best.intercept_)
    if best.history_["gap"][-1] > 1e-5 * least:  # the least seen, then
        least = min(least, F.ours(1e-7, max_iter=300).fit(F.X, F.y).history_["objective"][-1])
    found = []
    for share in SHARES:
        runs = [seconds(lambda: F.ours(share).fit(F.X, F.y)) for _ in range(repeats)]  # noqa: B023
        model, taken = min(runs, key=lambda run: run[1])
        h = model.history_
        good = np.flatnonzero(h["objective"] <= least * (1 + share))
        reached = h["seconds"][good[0]] + taken - h["seconds"][-1] if len(good) else np.inf
        assert model.stop_reason_ != "certified" or len(good), "certified, but it is not so good"
        found.append((taken, reached, model.stop_reason_))
    return found


def theirs(scaled, make_model, efforts, repeats, most):
    """Least seconds to each share of the least objective of their own problem."""
    F = scaled.F
    least = F(*_parameters(F.ours(1e-9, max_iter=3000).fit(F.X, F.y)))
    found = [np.inf, np.inf]
    for effort in efforts:
        runs = [seconds(lambda: scaled.fit(make_model(effort))) for _ in range(repeats)]  # noqa: B023
        model, taken = min(runs, key=lambda run: run[1])
        value = F(*_parameters(model))
        for i, share in enumerate(SHARES):
            if value <= least * (1 + share):
                found[i] = min(found[i], taken)
        if np.isfinite(found[1]) or taken > most:
            break
    return found


def _parameters(model):
    return model.coef_, model.intercept_


def load(data):
    """X, y and the loss of data of the user's."""
    if data.endswith(".npz"):
        z = np.load(data)
        X = z["X"] if "X" in z else sp.csr_matrix((z["data"], z["indices"], z["indptr"]), shape=tuple(z["shape"]))
        y = z["y"]
    else:
        module, function = data.split(":")
        X, y = getattr(import_module(module), function)()
    binary = len(np.unique(y[:1000])) <= 2
    return X, y.astype(float), "log_loss" if binary else "squared_error", "l2"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="only sets whose name holds this")
    parser.add_argument(
        "--data", action="append", default=[], help="module:function or file.npz, beside the built-in sets"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--most", type=float, default=10.0, help="seconds after which a peer is given no more iterations"
    )
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    parser.add_argument("--page", type=Path, help="a Markdown file whose table is to be replaced")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = []

    def say(line):
        print(line, flush=True)
        lines.append(line)

    sets = {name: lambda name=name: make(name, 20 if args.small else 1) for name in SETS if args.rows in name}
    if args.data and not args.rows and not args.page:
        sets = {}
    sets |= {data.split("=")[0]: lambda data=data: load(data.split("=")[-1]) for data in args.data}
    if not sets:
        parser.error(f"no set holds {args.rows!r}; there are {', '.join(SETS)}")
    head = "data", "solver", "1%, s", "0.1%, s", "1%, products", "0.1%, products", "stopped by"
    say(f"| {' | '.join(head)} |")
    say("| --- | --- | ---: | ---: | ---: | ---: | --- |")
    ratios = {share: [] for share in SHARES}
    for name, get in sets.items():
        X, y, loss, penalty = get()
        F, unit = Objective(X, y, loss, penalty), product(X, args.repeats)
        mine = ours(F, args.repeats)
        title = f"{name}: {X.shape[0]:,} x {X.shape[1]:,}"
        row(say, title, "**fastsgd**", [m[0] for m in mine], unit, ", ".join(m[2] for m in mine))
        row(say, "", "reached", [m[1] for m in mine], unit, "")
        scaled, best = Scaled(F), [np.inf, np.inf]
        for peer, (make_model, efforts) in peers(F).items():
            taken = theirs(scaled, make_model, efforts, args.repeats, args.most)
            best = [min(pair) for pair in zip(best, taken, strict=True)]
            row(say, "", peer, taken, unit, "")
        for share, m, b in zip(SHARES, mine, best, strict=True):
            if np.isfinite(b):
                ratios[share].append(b / m[0])
    means = [
        f"{np.exp(np.mean(np.log(r or [np.nan]))):.2f} to {share:.1%} (median {np.median(r or [np.nan]):.2f}, {len(r)} sets)"
        for share, r in ratios.items()
    ]
    say("")
    say(
        f"The fastest peer's time over ours, geometric mean over the sets on which a peer got there: {', '.join(means)}."
    )
    say(f"Python {platform.python_version()}, scikit-learn {sklearn.__version__}; least of {args.repeats}, one thread.")
    if args.page:
        new = "\n".join(lines)
        place = r"(<!-- table -->\n).*?(<!-- end -->)"
        text, found = re.subn(place, lambda at: f"{at[1]}{new}\n{at[2]}", args.page.read_text("utf-8"), flags=re.S)
        if found != 1:
            raise SystemExit(f"{args.page} must have one place for the table, found {found}.")
        args.page.write_text(text, "utf-8")


def row(say, title, solver, taken, unit, words):
    cells = [f"{t:.3g}" if np.isfinite(t) else "-" for t in taken]
    cells += [f"{t / unit:.0f}" if np.isfinite(t) else "-" for t in taken]
    say(f"| {title} | {solver} | {' | '.join(cells)} | {words} |")


if __name__ == "__main__":
    main()
