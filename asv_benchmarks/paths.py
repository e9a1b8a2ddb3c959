"""Paths of alphas over folds beside scikit-learn's, celer's and adelie's, as Markdown: `python asv_benchmarks/paths.py`.

30 alphas and 5 folds, the same ones for all: the grid is ours. Ours ends where each point is proven to be within 1e-3 of the
least objective; the peers have the settings that they come with, and `gap` is how far the worst of their points is above the
least objective, as a share of it, found by fits with tol=1e-8 at every third alpha of the first fold; LassoCV's is that of
`lasso_path`, which it calls. Columns are standardised
beforehand, for all; CSR is as it is. Times are processor seconds of one thread, the least of --repeats, all solvers in turn;
refits are left out where that can be.

--data name=module:function, which returns X and y, or name=file.npz, adds data of your own: of two classes, or numbers.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import warnings
from importlib import import_module
from time import process_time

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import LassoCV, LogisticRegressionCV, lasso_path
from sklearn.model_selection import KFold

from fastsgd import LinearClassifier, LinearClassifierCV, LinearRegressor, LinearRegressorCV

try:
    from celer import celer_path
except ImportError:
    celer_path = None
try:
    import adelie
except ImportError:
    adelie = None

TOL, PROOF = 1e-3, 1e-8


def logistic_peers(X, y, alphas, folds, n):
    """name -> a fit, which returns coefficients and intercepts of the first fold (alphas, d + 1)."""

    def lbfgs():
        cv = LogisticRegressionCV(
            Cs=1.0 / (alphas * n),
            cv=folds,
            scoring="neg_log_loss",
            l1_ratios=(0,),
            use_legacy_attributes=False,
            max_iter=1000,
            refit=False,
        ).fit(X, y)
        return cv.coefs_paths_[0, 0, :, 0]

    return {"LogisticRegressionCV lbfgs": lbfgs}


def lasso_peers(X, y, alphas, folds, n):
    """The same, for squared error; LassoCV, which refits, tells only the errors."""
    found = {"LassoCV": lambda: LassoCV(alphas=alphas, cv=folds).fit(X, y) and None}
    if celer_path is not None:

        def celer():
            made = []
            for train, _ in folds:
                A, t = X[train], y[train] - y[train].mean()  # Dense columns have a mean near 0.
                A = A.tocsc() if sp.issparse(A) else np.asfortranarray(A)
                made.append(celer_path(A, t, "lasso", alphas=alphas)[1])
            return with_intercepts(X[folds[0][0]], y[folds[0][0]], made[0].T)

        found["celer_path"] = celer
    if adelie is not None and not sp.issparse(X):

        def ad():
            made = []
            for train, _ in folds:
                part = np.asfortranarray(X[train], np.float64)
                made.append(
                    adelie.grpnet(
                        adelie.matrix.dense(part),
                        adelie.glm.gaussian(y[train]),
                        lmda_path=alphas,
                        progress_bar=False,
                        early_exit=False,
                    )
                )
            return np.column_stack([made[0].betas.toarray(), made[0].intercepts])

        found["adelie grpnet"] = ad
    return found


def with_intercepts(X, y, W):
    """Coefficients (alphas, d) with the best intercept of each."""
    return np.column_stack([W, y.mean() - np.ravel(X.mean(axis=0)) @ W.T])


def untold(X, y, alphas, folds):
    """The points of the first fold of a solver that does not give them."""
    train = folds[0][0]
    A, t = X[train], y[train]
    if sp.issparse(A):
        made = lasso_path(
            A.tocsc(), t - t.mean(), alphas=alphas, X_offset=np.ravel(A.mean(axis=0)), X_scale=np.ones(A.shape[1])
        )
    else:
        made = lasso_path(np.asfortranarray(A - A.mean(axis=0)), t - t.mean(), alphas=alphas)
    return with_intercepts(A, t, made[1].T)


def worst(one, X, y, alphas, train, points):
    """The largest share by which a point's objective is above the least, over some alphas of the first fold."""
    A, t, most, logistic = X[train], y[train], 0.0, one.loss == "log_loss"
    for j in range(0, len(alphas), 3):
        least = one.set_params(alpha=alphas[j]).fit(A, t).history_["objective"][-1]
        w, z = points[j][:-1], A @ points[j][:-1] + points[j][-1]
        loss = np.logaddexp(0.0, z) - t * z if logistic else 0.5 * (z - t) ** 2
        F = np.mean(loss) + alphas[j] * (0.5 * float(w @ w) if one.penalty == "l2" else float(abs(w).sum()))
        most = max(most, F / least - 1.0)
    return most


def compare(name, X, y, penalty, repeats, eps):
    """Print the rows of a data set."""
    binary = len(np.unique(y[:1000])) <= 2
    if not sp.issparse(X):
        spread = X.std(axis=0)
        X = np.ascontiguousarray((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
    folds = list(KFold(5, shuffle=True, random_state=0).split(X))
    make = LinearClassifierCV if binary else LinearRegressorCV
    model = make(penalty=penalty, alphas=30, eps=eps, cv=folds, tol=TOL, random_state=0, refit=False)
    model.set_params(alphas=model.fit(X, y).alphas_)
    alphas, n, points = model.alphas_, len(folds[0][0]), {}
    peers = {} if binary and penalty == "l1" else (logistic_peers if binary else lasso_peers)(X, y, alphas, folds, n)
    fits = {"fastsgd": lambda: model.fit(X, y) and None} | peers
    seconds = {solver: np.inf for solver in fits}
    for _ in range(repeats):
        for solver, fit in fits.items():
            start = process_time()
            points[solver] = fit()
            seconds[solver] = min(seconds[solver], process_time() - start)
    gap = {"fastsgd": f"{model.dual_gaps_.max():.1e}, proven"}
    if peers:
        one = (LinearClassifier if binary else LinearRegressor)(
            penalty=penalty, tol=PROOF, random_state=0, warm_start=True
        )
        for solver in peers:
            at = points[solver] if points[solver] is not None else untold(X, y, alphas, folds)
            gap[solver] = f"{worst(one, X, y, alphas, folds[0][0], at):.1e}"
    for solver, taken in seconds.items():
        what = f"{name}: {X.shape[0]:,} x {X.shape[1]:,}, {'logistic' if binary else 'squared error'}, {penalty}"
        print(
            f"| {what} | {solver} | {taken:.2f} | {taken / seconds['fastsgd']:.2f} | {gap.get(solver, '')} |",
            flush=True,
        )


def load(data):
    """X and y of the user's."""
    if data.endswith(".npz"):
        z = np.load(data)
        X = z["X"] if "X" in z else sp.csr_matrix((z["data"], z["indices"], z["indptr"]), shape=tuple(z["shape"]))
        return X, z["y"].astype(float)
    module, function = data.split(":")
    X, y = getattr(import_module(module), function)()
    return X, y.astype(float)


def made_up(n, d, binary):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) @ np.linalg.qr(rng.standard_normal((d, d)))[0] * np.geomspace(1.0, 0.1, d)
    margin = X[:, : d // 3].sum(axis=1) + rng.standard_normal(n)
    return X, (margin > 0).astype(float) if binary else margin


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", default=[], help="name=module:function or name=file.npz")
    parser.add_argument("--penalties", default="l2,l1")
    parser.add_argument("--eps", type=float, help="the least alpha over the largest")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="few rows: a smoke test, not a measurement")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    n = 2_000 if args.small else 100_000
    sets = {"made up": lambda: made_up(n, 30, True), "made up, numbers": lambda: made_up(n, 30, False)}
    sets = {d.split("=")[0]: lambda d=d: load(d.split("=")[1]) for d in args.data} or sets
    print("| data | solver | processor seconds | over ours | worst gap |\n| --- | --- | ---: | ---: | ---: |")
    for name, get in sets.items():
        X, y = get()
        for penalty in args.penalties.split(","):
            if len(np.unique(y[:1000])) <= 2 or penalty == "l1":
                compare(name, X, y, penalty, args.repeats, args.eps)


if __name__ == "__main__":
    main()
