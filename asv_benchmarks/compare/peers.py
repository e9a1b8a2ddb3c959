"""The solvers that fastsgd is compared with: for each, which problems it is for, and how it fits them with a given effort.

A peer is a function of a problem. It imports its library, prepares the data, which is not timed, and gives a function of the
effort (iterations, passes) that fits from nothing and gives (coef, intercept), which is timed. It raises `Unsuited` for a
problem that it has no loss, penalty or layout for.
"""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .problems import Problem

EFFORTS = 1, 2, 3, 4, 6, 8, 11, 15, 20, 30, 40, 60, 80, 120, 200, 300, 500, 1000, 2000, 5000
MAX_DENSE_COLUMNS = 5_000  # of what makes a matrix of columns x columns, or rows dense
Fit = Callable[[int], tuple[np.ndarray, float]]


class Unsuited(Exception):
    """The peer does not solve such a problem."""


def need(suited: bool) -> None:
    if not suited:
        raise Unsuited


def coefficients(model) -> tuple[np.ndarray, float]:
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])


def of_sklearn(make: Callable[[int], object], problem: Problem) -> Fit:
    y = problem.y.astype(int) if problem.classifier else problem.y
    return lambda effort: coefficients(make(effort).fit(problem.X, y))


# ---------------------------------------------------------------- scikit-learn
def sklearn_logistic(solver: str) -> Callable[[Problem], Fit]:
    def peer(problem):
        from sklearn.linear_model import LogisticRegression

        need(problem.loss == "log_loss")
        need(not problem.l1_ratio or solver == "saga" or (solver == "liblinear" and problem.l1_ratio == 1))
        need(solver != "newton-cholesky" or problem.X.shape[1] <= MAX_DENSE_COLUMNS)
        C = 1 / (problem.alpha * len(problem.y))
        more = {"tol": 1e-14, "random_state": 0, "l1_ratio": problem.l1_ratio}
        return of_sklearn(lambda k: LogisticRegression(C=C, solver=solver, max_iter=k, **more), problem)

    return peer


def sklearn_sgd(problem):
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    kind = SGDClassifier if problem.classifier else SGDRegressor
    settings = {"penalty": "elasticnet", "alpha": problem.alpha, "l1_ratio": problem.l1_ratio, "random_state": 0}
    return of_sklearn(lambda k: kind(problem.loss, tol=None, max_iter=k, **settings), problem)


def sklearn_linear_svc(problem):
    from sklearn.svm import LinearSVC

    need(problem.loss == "hinge")
    C = 1 / (problem.alpha * len(problem.y))
    return of_sklearn(lambda k: LinearSVC(loss="hinge", C=C, tol=1e-12, max_iter=k, random_state=0), problem)


def sklearn_ridge(solver: str) -> Callable[[Problem], Fit]:
    def peer(problem):
        from sklearn.linear_model import Ridge

        need(problem.loss == "squared_error" and not problem.l1_ratio)
        need(solver != "cholesky" or problem.X.shape[1] <= MAX_DENSE_COLUMNS)
        alpha = problem.alpha * len(problem.y)
        return of_sklearn(lambda k: Ridge(alpha, solver=solver, tol=1e-14, max_iter=k, random_state=0), problem)

    return peer


def sklearn_lasso(problem):
    from sklearn.linear_model import ElasticNet

    need(problem.loss == "squared_error" and problem.l1_ratio > 0)
    settings = {"alpha": problem.alpha, "l1_ratio": problem.l1_ratio}
    return of_sklearn(lambda k: ElasticNet(tol=1e-14, max_iter=k, **settings), problem)


# ---------------------------------------------------------------- solvers of their own
def liblinear(problem):
    from liblinear.liblinearutil import parameter, train
    from liblinear.liblinearutil import problem as rows

    need(problem.classifier and problem.l1_ratio in (0, 1))
    kind = 6 if problem.l1_ratio else {"log_loss": 0, "hinge": 3}[problem.loss]
    data = rows(np.where(problem.y > 0, 1, -1), sp.csr_matrix(problem.X, dtype=np.float64), bias=1)
    C, d = 1 / (problem.alpha * len(problem.y)), problem.X.shape[1]

    def fit(k):
        model = train(data, parameter(f"-s {kind} -c {C} -B 1 -m 1 -e {10.0 ** -min(k / 4, 12)} -q"))
        coef, bias = model.get_decfun()  # of the first label that it met
        sign = 1.0 if model.get_labels()[0] > 0 else -1.0
        return sign * np.asarray(coef[:d]), sign * float(bias)

    return fit


def glum(problem):
    from glum import GeneralizedLinearRegressor

    need(problem.loss in ("log_loss", "squared_error") and problem.X.shape[1] <= MAX_DENSE_COLUMNS)
    family = "binomial" if problem.loss == "log_loss" else "normal"
    settings = {"family": family, "alpha": problem.alpha, "l1_ratio": problem.l1_ratio, "gradient_tol": 1e-14}
    return lambda k: coefficients(GeneralizedLinearRegressor(max_iter=k, **settings).fit(problem.X, problem.y))


def skglm(problem):
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic, Quadratic
    from skglm.penalties import L1_plus_L2
    from skglm.solvers import AndersonCD

    need(problem.loss in ("log_loss", "squared_error") and problem.l1_ratio > 0)
    y = np.where(problem.y > 0, 1.0, -1.0) if problem.classifier else problem.y
    X = (
        sp.csc_matrix(problem.X, dtype=np.float64)
        if sp.issparse(problem.X)
        else np.asfortranarray(problem.X, np.float64)
    )

    def fit(k, X=X, y=y):
        datafit = Logistic() if problem.classifier else Quadratic()
        solver = AndersonCD(max_iter=k, tol=1e-14, fit_intercept=True)
        model = GeneralizedLinearEstimator(datafit, L1_plus_L2(problem.alpha, problem.l1_ratio), solver)
        return coefficients(model.fit(X, y))

    fit(1, X[:500], y[:500])  # Numba compiles, which is not timed
    return fit


def celer(problem):
    from celer import ElasticNet

    need(problem.loss == "squared_error" and problem.l1_ratio > 0)
    X = sp.csc_matrix(problem.X) if sp.issparse(problem.X) else np.asfortranarray(problem.X)
    settings = {"alpha": problem.alpha, "l1_ratio": problem.l1_ratio, "tol": 1e-14}
    return lambda k: coefficients(ElasticNet(max_iter=k, **settings).fit(X, problem.y))


def sketchy_saga(problem):
    from .sketchy_saga import fit

    need(problem.loss in ("log_loss", "squared_error") and not problem.l1_ratio)
    return lambda k: fit(problem, k)


# ---------------------------------------------------------------- libraries of gradient descent
def torch_lbfgs(problem):
    import torch

    need(problem.loss in ("log_loss", "squared_error") and not problem.l1_ratio)
    X, y, w, b = torch_tensors(torch, problem)

    def fit(k):
        with torch.no_grad():
            w.zero_(), b.zero_()
        optimizer = torch.optim.LBFGS(
            [w, b], max_iter=k, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def closure():
            optimizer.zero_grad()
            F = torch_objective(torch, problem, X, y, w, b)
            F.backward()
            return F

        optimizer.step(closure)
        return w.detach().double().numpy().ravel(), float(b.detach()[0])

    return fit


def torch_adam(problem):
    import torch

    need(not sp.issparse(problem.X) and problem.loss in ("log_loss", "squared_error") and not problem.l1_ratio)
    X, y, w, b = torch_tensors(torch, problem)

    def fit(k, batch=256):
        torch.manual_seed(0)
        with torch.no_grad():
            w.zero_(), b.zero_()
        optimizer = torch.optim.Adam([w, b], lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, k * -(-len(y) // batch))
        for _ in range(k):
            for rows in torch.randperm(len(y)).split(batch):
                optimizer.zero_grad()
                torch_objective(torch, problem, X[rows], y[rows], w, b).backward()
                optimizer.step(), schedule.step()
        return w.detach().double().numpy().ravel(), float(b.detach()[0])

    return fit


def torch_tensors(torch, problem):
    torch.set_num_threads(1)
    X = problem.X
    if sp.issparse(X):
        X = torch.sparse_csr_tensor(*map(torch.from_numpy, (X.indptr, X.indices, X.data)), size=X.shape)
    else:
        X = torch.from_numpy(np.ascontiguousarray(X))
    y = torch.from_numpy(problem.y).to(X.dtype)
    w = torch.zeros((X.shape[1], 1), dtype=X.dtype, requires_grad=True)
    return X, y, w, torch.zeros(1, dtype=X.dtype, requires_grad=True)


def torch_objective(torch, problem, X, y, w, b):
    z = (X @ w)[:, 0] + b
    logistic = torch.nn.functional.binary_cross_entropy_with_logits
    loss = logistic(z, y) if problem.loss == "log_loss" else ((z - y) ** 2).mean() / 2
    return loss + problem.alpha / 2 * (w * w).sum()


def vowpal_wabbit(problem):
    from vowpalwabbit import Workspace

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name, "rows.txt")
    loss = {"log_loss": "logistic", "hinge": "hinge", "squared_error": "squared"}[problem.loss]
    y = np.where(problem.y > 0, 1, -1) if problem.classifier else problem.y
    with path.open("w") as out:
        out.writelines(f"{target} | {row}\n" for target, row in zip(y, text_rows(problem.X), strict=True))
    d, scale = problem.X.shape[1], 1.0 if problem.classifier else 2.0  # its squared error has no factor of 1/2
    l1, l2 = problem.alpha * problem.l1_ratio * scale, problem.alpha * (1 - problem.l1_ratio) * scale
    flags = f"-d {path} -c -k -b 18 --loss_function {loss} --l1 {l1} --l2 {l2} --quiet --holdout_off"

    def fit(k, keep=folder):
        model = Workspace(f"{flags} --passes {k}")
        coef = np.array([model.get_weight(j) for j in range(d)])
        intercept = model.get_weight(11650396 & (2**18 - 1))  # where it keeps the constant
        model.finish()
        return coef, intercept

    return fit


def text_rows(X) -> Iterator[str]:
    """Each row as `column:value` words."""
    X = sp.csr_matrix(X)
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        pairs = zip(X.indices[start:stop].tolist(), X.data[start:stop].tolist(), strict=True)
        yield " ".join(f"{j}:{value:.9g}" for j, value in pairs)


def river(problem):
    import pandas as pd
    from river import linear_model

    need(not sp.issparse(problem.X) and problem.loss in ("log_loss", "squared_error") and not problem.l1_ratio)
    kind = linear_model.LogisticRegression if problem.classifier else linear_model.LinearRegression
    X, y = pd.DataFrame(problem.X).rename(columns=str), pd.Series(problem.y > 0 if problem.classifier else problem.y)

    def fit(k, batch=256):
        model = kind(l2=problem.alpha)
        for _ in range(k):
            for start in range(0, len(y), batch):
                model.learn_many(X.iloc[start : start + batch], y.iloc[start : start + batch])
        return np.array([model.weights.get(column, 0.0) for column in X]), model.intercept

    return fit


PEERS: dict[str, Callable[[Problem], Fit]] = {
    "scikit-learn lbfgs": sklearn_logistic("lbfgs"),
    "scikit-learn newton-cholesky": sklearn_logistic("newton-cholesky"),
    "scikit-learn saga": sklearn_logistic("saga"),
    "scikit-learn liblinear": sklearn_logistic("liblinear"),
    "scikit-learn LinearSVC": sklearn_linear_svc,
    "scikit-learn Ridge, cholesky": sklearn_ridge("cholesky"),
    "scikit-learn Ridge, lsqr": sklearn_ridge("lsqr"),
    "scikit-learn ElasticNet": sklearn_lasso,
    "scikit-learn SGD": sklearn_sgd,
    "liblinear-multicore": liblinear,
    "glum": glum,
    "skglm": skglm,
    "celer": celer,
    "SketchySAGA": sketchy_saga,
    "torch L-BFGS": torch_lbfgs,
    "torch Adam": torch_adam,
    "Vowpal Wabbit": vowpal_wabbit,
    "river": river,
}


def prepared(name: str, problem: Problem) -> Fit:
    """The fit of the peer. A first small one has been done, so that nothing is loaded or compiled while it is timed."""
    warnings.simplefilter("ignore")
    fit = PEERS[name](problem)
    fit(EFFORTS[0])
    return fit
