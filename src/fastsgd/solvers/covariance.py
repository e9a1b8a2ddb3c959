"""How sure coefficients are: the covariance of an M-estimator at its optimum, from sums over the rows that add.

With psi_i = c_i (g_i x_i + l2 w), the share of a row in the gradient, and A the Hessian of the objective, the coefficients have
the covariance A^-1 B A^-1. By the model, B is the dispersion times the Hessian without the penalty; in the sandwich it is the sum
of psi psi' over the rows, or of the sums over clusters. All is worked out in the coordinates of `Problem`, each brought to a
curvature of 1, where neither the units of the columns nor their means cost digits.

References
----------
White (1980), A heteroskedasticity-consistent covariance matrix estimator. Huber (1967), The behavior of maximum likelihood
estimates under nonstandard conditions. Liang and Zeger (1986), Longitudinal data analysis using generalized linear models.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve, eigh, lapack

from fastsgd.blas import one_blas_thread
from fastsgd.solvers.choose import MAX_HESSIAN_COLUMNS
from fastsgd.solvers.heads import Heads
from fastsgd.solvers.hessian import BLOCK_BYTES, MIN_GRAM_ROWS, flat, gram
from fastsgd.solvers.row_blocks import MAX_BLOCKS, block_slices

# Directions of less than this share of the largest curvature, each column having 1, are not told apart by the data. From
# FULL_RANK on, a condition number says that there is none.
MIN_CURVATURE_SHARE, FULL_RANK = 1e-12, 1e-11
MIN_PART = 1e-5  # A coefficient has a part in such a direction from this share of it on.
NULL_CURVATURE = 1e-6  # Such directions get this, so that the matrix has an inverse, and are left out of the result.
BIAS_ROWS = 20_000  # The bias is worked out from this many rows.
CONSTANT_SHARE = 1e-7  # A value of a constant column may be off by this share of it.


class Kind(NamedTuple):
    """Which covariance.

    Attributes
    ----------
    robust : bool
        The sandwich, and not the inverse Hessian times the dispersion.
    corrected : bool
        Whether the sandwich has the factor of few rows: n / (n - p), of G clusters G / (G - 1) (n - 1) / (n - p).
    code : (n,) intp or None
        The cluster of each row, from 0.
    """

    robust: bool = False
    corrected: bool = True
    code: np.ndarray | None = None


@dataclass
class Covariance:
    """That of one head.

    Attributes
    ----------
    loading : (d + 1,)
        What the intercept, and each w_j, is times its coordinate; 0 where the column is constant.
    centre : (d,)
        What is subtracted of the columns.
    inner : (d + 1, d + 1)
        The covariance in these coordinates, intercept first.
    null : (d + 1, m)
        Directions that the data say nothing of, orthonormal.
    intercept : bool
    dispersion : float
        The variance of y around its mean, over that of its distribution with dispersion 1; nan where there is no model.
    n_rows : int
        Rows of a positive weight.
    parameters : float
        Effective number of them: the trace of A^-1 times the Hessian without the penalty; without a penalty the rank.
    n_clusters : int or None
    distance : float
        How far the coefficients are from the optimum at most, in standard errors: a step of Newton's method.
    bias : (d + 1,) or (d,)
        That of the coefficients to first order in 1 / n, the intercept first, in standard errors; of losses of a distribution.
        0 in the others, and where there is no standard error.
    support : (d,) or None
        The least number of rows in which a column varies: 1 over the largest share of a row in its curvature. Of the sandwich.
    separated : bool
        A line parts the classes, and without a penalty the coefficients have no optimum.
    """

    loading: np.ndarray
    centre: np.ndarray
    inner: np.ndarray
    null: np.ndarray
    intercept: bool
    dispersion: float
    n_rows: int
    parameters: float
    n_clusters: int | None
    distance: float = 0.0
    bias: np.ndarray | float = 0.0
    support: np.ndarray | None = None
    separated: bool = False

    def outward(self, V):
        """Rows of coordinates (intercept first) as rows of the user's intercept and coefficients."""
        V = V * self.loading
        V[:, 0] -= V[:, 1:] @ self.centre if self.intercept else 0.0
        return V

    @property
    def identified(self):
        """(d + 1,) whether the data say anything of each, the intercept first."""
        known = self.loading > 0
        if self.null.shape[1]:
            known &= abs(self.null).max(axis=1) <= MIN_PART
            row = np.append(self.loading[0], -self.loading[1:] * self.centre)
            known[0] &= self.intercept and abs(row @ self.null).max() <= MIN_PART * np.linalg.norm(row)
        return known

    @property
    @np.errstate(over="ignore", invalid="ignore")  # The unit of a column may be tiny.
    def matrix(self):
        """In the user's units, the intercept first where there is one; nan where the data say nothing."""
        C = self.outward(self.outward(self.inner).T)
        unknown = ~self.identified
        C[unknown], C[:, unknown] = np.nan, np.nan
        return C if self.intercept else C[1:, 1:]

    def inward(self, X):
        """Rows (an array) in these coordinates."""
        return np.column_stack([np.ones(len(X)), X - self.centre]) * self.loading

    def variances(self, X):
        """Those of the margins of rows (an array); nan where a margin depends on what the data say nothing of."""
        V = self.inward(X)
        variance = np.maximum(((V @ self.inner) * V).sum(axis=1), 0.0)
        constant = self.loading[1:] == 0
        off = abs(X[:, constant] - self.centre[constant]) > CONSTANT_SHARE * abs(self.centre[constant])
        size = np.linalg.norm(V, axis=1)
        off = off.any(axis=1) | (abs(V @ self.null) > MIN_PART * size[:, None]).any(axis=1)
        return np.where(off, np.nan, variance)


def covariances(table, task, W, b, kind):
    """A Covariance for each column of W (d, K) with the intercepts b (K,): in two passes over the rows and their squares.

    Raises
    ------
    ValueError
        There are too many columns, or too few rows.
    """
    d, K = W.shape
    if d > MAX_HESSIAN_COLUMNS:
        raise ValueError(
            f"X has {d} columns, and standard errors need a Hessian of all pairs of them, which is made up to "
            f"{MAX_HESSIAN_COLUMNS}. Leave columns out, or fit on resampled rows (sklearn.utils.resample) and take the "
            "standard deviations of the coefficients."
        )
    heads, found = Heads(table, K, task), []
    with one_blas_thread():
        for h in range(K):
            problem = heads.problem(h)
            found.append(_covariance(problem, *problem.inward(W[:, h], b[h] - heads.offsets[h]), kind))
    return found


def _covariance(problem, u, b, kind):
    _, z, g, gradient = problem.slopes(u, b)
    if flat(problem, g):
        raise ValueError(
            f"too few rows have any curvature of loss={problem.loss.name!r}, whose epsilon is too small for it. Fit with a "
            "larger one, of the size of the residuals (losses.Huber(...))."
        )
    curvature = problem.loss.second if kind.robust else problem.loss.information
    h = np.maximum(curvature(g, problem.y), 0.0)
    H = _gram(problem, h)
    size = np.sqrt(np.diag(H))
    size[size == 0] = 1.0
    known = np.append(problem.intercept, problem.inverse > 0)
    H[~known], H[:, ~known] = 0.0, 0.0
    H /= size * size[:, None]
    null = _null(H, known)
    l2 = np.append(0.0, problem.penalties[1]) / size**2
    A = H + np.diag(np.where(known, l2, 1.0)) + NULL_CURVATURE * (null @ null.T)
    factor = cho_factor(A, lower=True, overwrite_a=True, check_finite=False)
    shrunk = cho_solve(factor, H, check_finite=False)
    n_rows = problem.n if problem.c is None else int(np.count_nonzero(problem.c))
    parameters = float(np.trace(shrunk))
    left, dispersion = n_rows - parameters, problem.loss.dispersion
    if left <= 1e-6 * n_rows:
        raise ValueError(f"{n_rows} rows are too few for {parameters:.4g} coefficients: nothing is left to learn from.")
    n_clusters = None
    if not kind.robust:
        if np.isnan(dispersion):
            dispersion = problem.mean(g, g) * (problem.total / left)
        B = shrunk.T * (dispersion / problem.total)
    else:
        dispersion = np.nan
        if kind.code is None:
            B, factor_of_few = _scores(problem, g, u), n_rows / left
        else:
            B, n_clusters = _cluster_scores(problem, g, u, kind.code)
            factor_of_few = n_clusters / (n_clusters - 1.0) * (n_rows - 1.0) / left
        B = cho_solve(factor, B / (size * size[:, None]), check_finite=False).T
        B *= factor_of_few if kind.corrected else 1.0
    C = cho_solve(factor, B, check_finite=False)
    for _ in range(2):  # on either side
        C = (C - null @ (null.T @ C)).T
    C[~known], C[:, ~known] = 0.0, 0.0
    loading = np.append(1.0, problem.inverse) / size * known
    found = Covariance(loading, problem.centre, C, null, problem.intercept, dispersion, n_rows, parameters, n_clusters)
    step = _first(problem, problem.full(gradient, u)) / size
    step = cho_solve(factor, step - null @ (null.T @ step), check_finite=False)
    found.distance = float(_in_errors(found, step).max(initial=0.0))
    found.bias = _in_errors(found, cho_solve(factor, _bias(found, problem, g), check_finite=False))
    found.separated = _separated(problem, z)
    if kind.robust:
        largest = _largest(problem, h)
        share = np.divide(largest, problem.n * size[1:] ** 2, out=np.zeros(problem.d), where=known[1:])
        found.support = np.divide(1.0, share, out=np.full(problem.d, np.inf), where=share > 0)
    return found


@np.errstate(over="ignore", invalid="ignore")
def _in_errors(found, step):
    """How far a step takes each coefficient, in standard errors; 0 where there are none."""
    steps, deviations = abs(found.outward(step[None])[0]), np.sqrt(np.maximum(np.diag(found.matrix), 0.0))
    steps = steps if found.intercept else steps[1:]
    return np.divide(steps, deviations, out=np.zeros(len(steps)), where=deviations > 0)


def _bias(found, problem, g):
    """A times the bias of the coefficients, from some rows.

    References
    ----------
    Cordeiro and McCullagh (1991), Bias correction in generalized linear models.
    """
    loss, total = problem.loss, np.zeros(problem.d + 1)
    if loss.dispersion is None or loss.quadratic:
        return total
    sample = problem.sample(BIAS_ROWS, 0) if problem.n > BIAS_ROWS else problem
    g, y = g[sample.at], sample.y
    bend = 1.0 - 2.0 * (g + y) if loss.log_odds else 1.0  # Of the link: the mean's second derivative over its first.
    a = sample.weighted(loss.information(g, y) * bend)
    tile = max(64, BLOCK_BYTES // (8 * (problem.d + 1)))
    for lo in range(0, sample.n, tile):
        X = sample.X[lo : lo + tile]
        V = found.inward(X.toarray() if sample.sparse else X)
        total -= 0.5 * ((V @ found.inner) * V).sum(axis=1) * a[lo : lo + tile] @ V
    return total / sample.n


def _largest(problem, h):
    """The largest c h (x - centre)^2 of a row, for each column."""
    a, tile = np.sqrt(problem.weighted(h)), max(64, BLOCK_BYTES // (8 * problem.d))
    centre, inverse = problem.centre, problem.inverse

    def of_block(X, rows):
        a_, out = a[rows], np.zeros(problem.d)
        if problem.sparse:  # Zeros are near the centre.
            values = (X.data - centre[X.indices]) * inverse[X.indices] * np.repeat(a_, np.diff(X.indptr))
            np.maximum.at(out, X.indices, abs(values))
            return out
        for lo in range(0, len(a_), tile):
            part = abs(X[lo : lo + tile] - centre) * a_[lo : lo + tile, None]
            np.maximum(out, part.max(axis=0) * inverse, out=out)
        return out

    return np.max(problem.blocks.map(of_block), axis=0) ** 2


def _separated(problem, z):
    """Whether a line parts the classes, and there is no penalty."""
    if not problem.loss.log_odds or problem.l2 > 0:
        return False
    here = slice(None) if problem.c is None else problem.c > 0
    y = problem.y[here]
    return bool(np.all((y == (z[here] > 0)) & (y * (1 - y) == 0)))


def _first(problem, r):
    """A vector (u, b) as (b, u), b being 0 where there is no intercept."""
    return np.append(r[-1], r[:-1]) if problem.intercept else np.append(0.0, r)


def _gram(problem, h):
    """The mean of c h x x', all of it; the intercept first, in zeros where there is none."""
    G = np.triu(gram(problem, problem.weighted(h)))
    G += np.triu(G, 1).T
    full = np.zeros((problem.d + 1, problem.d + 1))
    full[1:, 1:] = G[: problem.d, : problem.d]
    if problem.intercept:
        full[0, 0], full[0, 1:], full[1:, 0] = G[-1, -1], G[-1, :-1], G[-1, :-1]
    return full


def _null(H, known):
    """Orthonormal directions without curvature among the known coordinates: (k, m)."""
    at = np.flatnonzero(known)
    if not len(at):
        return np.zeros((len(H), 0))
    part = H[np.ix_(at, at)]
    factor, failed = lapack.dpotrf(part, lower=1)
    if not failed and lapack.dpocon(factor, abs(part).sum(axis=0).max(), uplo="L")[0] > FULL_RANK:
        return np.zeros((len(H), 0))
    values, vectors = eigh(part, check_finite=False)
    none = values < MIN_CURVATURE_SHARE * max(values[-1], 1e-300)
    null = np.zeros((len(H), np.count_nonzero(none)))
    null[at] = vectors[:, none]
    return null


# ---------------------------------------------------------------- sums of scores
def _pulls(problem, u):
    """The share of the penalty in the gradient, the intercept first."""
    return np.append(0.0, problem.penalties[1] * u)


def _scores(problem, g, u):
    """The sum of psi psi' over the rows, over n^2."""
    n, c = problem.n, 1.0 if problem.c is None else problem.c
    B = _gram(problem, c * g * g)
    pull = _pulls(problem, u)
    if pull.any():
        mean, mean_b, _ = problem.pull(c * c * g)
        cross = np.outer(np.append(mean_b, mean), pull)
        B += cross + cross.T + np.mean(np.square(c)) * np.outer(pull, pull)
    return B / n


def _cluster_scores(problem, g, u, code):
    """The sum of s s', s the sums of psi over a cluster, over n^2; and the number of clusters."""
    if problem.c is not None:  # Clusters of no weight are none.
        code = np.where(problem.c > 0, code, -1)
    order = np.argsort(code, kind="stable")
    order = order[np.searchsorted(code[order], 0) :]
    sorted_code = np.unique(code[order], return_inverse=True)[1]
    n_clusters, k = int(sorted_code[-1]) + 1, problem.d + 1
    if n_clusters < 2:
        raise ValueError("clusters holds a single label, and standard errors need several clusters.")
    pull, a = _pulls(problem, u), problem.weighted(g)
    tile = max(64, BLOCK_BYTES // (8 * k))

    def of_clusters(some):
        first, end = np.searchsorted(sorted_code, [some.start, some.stop])
        sums = np.zeros((some.stop - some.start, k))
        for lo in range(first, end, tile):
            at = order[lo : min(lo + tile, end)]
            X = problem.X[at].toarray() if problem.sparse else problem.X[at]
            scores = np.empty((len(at), k))
            scores[:, 0] = a[at] if problem.intercept else 0.0
            scores[:, 1:] = (X - problem.centre) * problem.inverse * a[at, None]
            scores += pull if problem.c is None else pull * problem.c[at, None]
            of, starts = np.unique(sorted_code[lo : lo + len(at)], return_index=True)
            sums[of - some.start] += np.add.reduceat(scores, starts, axis=0)
        return sums.T @ sums

    parts = problem.threads.map(
        of_clusters, block_slices(n_clusters, min(MAX_BLOCKS, n_clusters // (MIN_GRAM_ROWS * k)))
    )
    return sum(parts[1:], parts[0]) / problem.n**2, n_clusters


def margin_variances(found, X, rows):
    """`Covariance.variances` of a slice of the rows of X, an array or CSR."""
    return found.variances(X[rows].toarray() if sp.issparse(X) else np.asarray(X[rows], np.float64))
