"""What threads bring, as Markdown: `python -m asv_benchmarks.compare threads`.

LinearClassifier, log_loss, alpha = 1 / n, until the objective is within 0.1% of the least one: with one thread and with
several (certificate included, fits in turn, medians), and peers with as many threads, where they are installed
(liblinear-multicore, snapml; scikit-learn's lbfgs and newton-cholesky with as many threads of BLAS). Peers get standardised
columns, and more and more iterations; of those that come so far the fastest counts. BLAS of ours has one thread.

Data of your own: --data module:function, which returns X and y of two classes.
"""

import argparse
import time
import warnings
from importlib import import_module

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import numpy as np
from benchmarks.common import text
from benchmarks.linear import Objective, Scaled, easy
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

SHARE = 1e-3
EFFORTS = 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120


def dense(scale):
    return easy(1_000_000 // scale, 45)


def words(scale):
    X, y = text(200_000 // scale, 47_000 // scale, 2)
    return X, y.astype(float)


SETS = {"dense": dense, "text": words}


def seconds(fit):
    start = time.perf_counter()
    return fit(), time.perf_counter() - start


def ours(F, threads, repeats):
    """Median seconds with one thread and with several; the coefficients must be the same bits."""
    taken = {1: [], threads: []}
    for _ in range(repeats):
        models = []
        for n_jobs, times in taken.items():
            model, time_ = seconds(lambda: F.ours(SHARE, n_jobs=n_jobs).fit(F.X, F.y))  # noqa: B023
            times.append(time_)
            models.append(model)
        assert len({model.coef_.tobytes() for model in models}) == 1
    return [float(np.median(times)) for times in taken.values()], models[0].stop_reason_


def peers(F, threads):
    """name: make(effort), which fits and returns (coef, intercept)."""
    found, y = {}, F.y.astype(int)

    def scikit_learn(solver, effort):
        with threadpool_limits(threads, "blas"):
            model = LogisticRegression(C=1.0, solver=solver, tol=1e-14, max_iter=effort).fit(F.X, y)
        return model.coef_, model.intercept_

    found["scikit-learn lbfgs"] = lambda effort: scikit_learn("lbfgs", effort)
    if F.X.shape[1] < 2000:
        found["scikit-learn newton-cholesky"] = lambda effort: scikit_learn("newton-cholesky", effort)
    try:
        from liblinear.liblinearutil import train
    except ImportError:
        print("liblinear-multicore is not installed: pip install liblinear-multicore")
    else:

        def liblinear(effort):
            eps = 1.0 / effort**2
            model = train(2 * y - 1, F.X, f"-s 0 -c 1 -B 1 -R -m {threads} -e {eps} -q")
            w, b = model.get_decfun()
            return np.array(w), b

        found["liblinear-multicore"] = liblinear
    try:
        import snapml
    except ImportError:
        print("snapml is not installed: pip install snapml")
    else:

        def snap(effort):
            model = snapml.LogisticRegression(
                regularizer=1.0, fit_intercept=True, n_jobs=threads, tol=1e-12, max_iter=effort
            )
            model.fit(F.X, y)
            return model.coef_, model.intercept_

        found["snapml"] = snap
    return found


def fastest(fit, F, least, repeats, most):
    """The least seconds in which a peer came near the least objective; inf if it did not."""
    for effort in EFFORTS:
        runs = [seconds(lambda: fit(effort)) for _ in range(repeats)]  # noqa: B023
        taken = min(time_ for _, time_ in runs)
        if F(*runs[0][0]) <= least * (1 + SHARE):
            return taken
        if taken > most:
            break
    return np.inf


def load(place):
    module, function = place.split(":")
    X, y = getattr(import_module(module), function)()
    return X, (y == np.max(y)).astype(float)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--most", type=float, default=30.0, help="seconds after which a peer is given no more effort")
    parser.add_argument("--data", action="append", default=[], help="module:function, instead of the built-in sets")
    parser.add_argument("--small", action="store_true", help="a twentieth of the rows: a smoke test, not a measurement")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    sets = {name: lambda make=make: make(20 if args.small else 1) for name, make in SETS.items()}
    sets = {place: lambda place=place: load(place) for place in args.data} or sets
    print(f"| data | one thread, ms | {args.threads} threads, ms | ratio |\n| --- | ---: | ---: | ---: |")
    for name, get in sets.items():
        X, y = get()
        F = Objective(X, y, "log_loss", "l2")
        (one, several), reason = ours(F, args.threads, args.repeats)
        shape = f"{X.shape[0]:,} x {X.shape[1]:,}, {X.dtype}"
        print(
            f"| **{name}: {shape}, {reason}** | {one * 1e3:.0f} | {several * 1e3:.0f} | {one / several:.2f} |",
            flush=True,
        )
        scaled = Scaled(F).F
        best = scaled.ours(1e-7, max_iter=3000).fit(scaled.X, scaled.y)
        least = scaled(best.coef_, best.intercept_)
        for peer, fit in peers(scaled, args.threads).items():
            taken = fastest(fit, scaled, least, max(1, args.repeats // 3), args.most)
            print(f"| {peer} | | {taken * 1e3:.0f} | {taken / several:.1f} times ours |", flush=True)


if __name__ == "__main__":
    main()
