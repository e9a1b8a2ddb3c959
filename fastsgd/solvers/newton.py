"""Newton's method for smooth losses with L2: few passes, each of a few products with X.

A sample of the rows gives the start and a Hessian; on all rows the Newton step is found by conjugate gradients with that
Hessian as preconditioner, or, where the rows are few beside the columns, by Cholesky of the Hessian itself.
"""

import numpy as np
from scipy.linalg import blas, cho_factor, cho_solve

from fastsgd._kernels import solve
from fastsgd.solvers.report import Step

ROWS_BYTES = 1 << 18  # rows of the Hessian that are weighted at once, to stay in the cache
COARSE, FINE, MOST = 8, 40, 1500  # rows of the first sample, and of the last, for each column
FEWEST = 1000
LOOSE = 1e-2  # far from the optimum, a step that is so near to Newton's is as good
SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
NEAR = 5e-3  # a decrement, as a share of F, beyond which the model's dual point is not worth a look
EASY, TRY = 8, 4  # products that a diagonal may take for a step; in which a Hessian's time is worth the trial,
WORTH = 1e-2  # and so many seconds more
FINAL = 2  # steps on the larger sample
EXACT = 8  # products with the Hessian that the exact one may cost
ROUNDING = 1e-9  # a decrement below it, as a share of F, may be rounding
PRODUCTS = 40  # conjugate gradients end here

# The curvature of a smooth loss from its slope g: without another exponential.
CURVATURE = {
    "log_loss": lambda g, y, par: (g + y) * (1.0 - g - y),
    "squared_error": lambda g, y, par: np.ones_like(g),
    "huber": lambda g, y, par: (abs(g) < par["epsilon"]) * 1.0,
    "squared_hinge": lambda g, y, par: (g != 0) * 2.0,
    "modified_huber": lambda g, y, par: ((g != 0) & (abs(g) < 4.0)) * 2.0,
    "squared_epsilon_insensitive": lambda g, y, par: (g != 0) * 2.0,
    "poisson": lambda g, y, par: g + y,
    "gamma": lambda g, y, par: 1.0 - g,
}


def applies(problem):
    """Whether the problem has what Newton's method needs."""
    return problem.l1 == 0 and problem.loss.name in CURVATURE


def curvature(problem, g):
    """Second derivative of each row's loss where its slope is g."""
    return CURVATURE[problem.loss.name](g, problem.y, problem.loss.get_params())


class Hessian:
    """Cholesky factor of mean h x x' + diag(l2), the intercept last; of a sample, with the diagonal seen to."""

    def __init__(self, problem, h, of_sample):
        H = gram(problem, problem.weighted(h))
        if of_sample:  # a column that the sample hardly has: its curvature is about that of the others
            diagonal = np.einsum("ii->i", H)
            usual = problem.mean(h)
            diagonal[: problem.d] = np.maximum(diagonal[: problem.d], 0.5 * usual)
        self.problem = problem
        diagonal = np.einsum("ii->i", H)
        diagonal[: problem.d] += problem.penalties[1]
        little = 1e-14 * max(float(diagonal.max(initial=0.0)), 1e-300)
        diagonal += little
        while True:
            try:
                self.factor = cho_factor(H, lower=False, check_finite=False)
                break
            except np.linalg.LinAlgError:
                little *= 100.0
                diagonal += little

    def solve(self, r):
        return cho_solve(self.factor, r, check_finite=False)


class Diagonal:
    """The diagonal of such a matrix: enough for columns that have little to do with one another, and free."""

    def __init__(self, problem, h):
        usual = problem.mean(h)
        usual = max(usual, 1e-300)
        self.diagonal = np.append(usual + problem.penalties[1], usual if problem.intercept else [])

    def solve(self, r):
        return r / self.diagonal


def gram(problem, h):
    """Mean of h x x' over the rows (upper triangle), with the intercept as a last column of ones."""
    n, d, k = problem.n, problem.d, problem.d + problem.intercept
    root, inverse = np.sqrt(h), 1.0 / problem.scale
    if by_values(problem):
        H = np.zeros((k, k))
        squares = solve.squares_csr if problem.sparse else solve.squares_dense
        squares(*problem.arrays, problem.centre, inverse, root, H)
        H /= n
        return H
    H, rows = np.zeros((k, k), order="F"), max(64, ROWS_BYTES // (8 * k))
    part = np.ones((rows, k))
    for lo in range(0, n, rows):
        m = min(rows, n - lo)
        B = part[:m]
        np.subtract(problem.X[lo : lo + m], problem.centre, out=B[:, :d])
        B[:, :d] *= inverse
        B[:, d:] = 1.0
        B *= root[lo : lo + m, None]
        H = blas.dsyrk(1.0 / n, B.T, beta=1.0, c=H, overwrite_c=1)
    return H


def seconds(problem):
    """What a certificate by Newton's method takes, about."""
    rows = max(FEWEST, FINE * problem.d)
    if gram_seconds(problem, min(rows, problem.n)) > TRY * pass_seconds(problem) + WORTH:
        return 25 * pass_seconds(problem)  # if it is easy; if not, little was lost
    if 3 * rows > problem.n:
        return 8 * (gram_seconds(problem, problem.n) + problem.d**3 / 4e10)
    return 30 * pass_seconds(problem) + 6 * gram_seconds(problem, rows) + 12 * problem.d**3 / 4e10


def by_values(problem):
    """Whether a Hessian is summed over the pairs of nonzero values, and not by BLAS."""
    return problem.sparse or 10.0 * problem.measures.filled**2 < 1.0


def gram_seconds(problem, rows):
    """What `gram` takes for so many rows, about."""
    d = problem.d + 1
    values = problem.measures.filled * d
    return rows * (0.7e-9 * values**2 + d * 0.5e-9 if by_values(problem) else d**2 / 18e9 + d * 1.5e-9)


def pass_seconds(problem):
    """What a product with the Hessian takes, about."""
    return (
        problem.n
        * problem.d
        * (problem.measures.filled if problem.sparse else 1.0)
        * (1.2e-9 if problem.sparse else 0.4e-9)
    )


def newton(problem, u, b, tol, report, cold=True, seed=0):
    """Minimise from (u, b), coordinates of the problem, until `report` says stop.

    Returns
    -------
    None, or (u, b, a)
        Where it got stuck and another method should go on.

    References
    ----------
    Nocedal and Wright (2006), Numerical optimization, algorithm 7.1. Byrd, Chin, Neveitt and Nocedal (2011), On the use of
    stochastic Hessian information in optimization methods for machine learning.
    """
    whole = gram_seconds(problem, problem.n)
    affordable = 2.0 * pass_seconds(problem) / whole * problem.n
    fine = int(max(FEWEST, FINE * problem.d, min(0.3 * problem.n, MOST * problem.d, affordable)))
    quadratic = problem.loss.name == "squared_error"  # one step from anywhere
    if gram_seconds(problem, min(fine, problem.n)) > TRY * pass_seconds(problem) + WORTH:
        left = _newton(problem, u, b, tol, report, "diagonal")
        if left is None:
            return None
        u, b, cold = *left[:2], False
    if 3 * fine > problem.n:
        return _newton(problem, u, b, tol, report, None)
    coarse = max(FEWEST // 2, COARSE * problem.d)
    for rows, most in ((coarse, 8), (max(coarse, fine // 6), 3)) if cold and not quadratic else ():
        u, b, _ = _rough(problem.sample(rows, seed), u, b, most)
        seed += 1
    exact, hessian = whole < EXACT * pass_seconds(problem), None
    if (cold and not quadratic) or not exact:
        u, b, hessian = _rough(problem.sample(fine, seed), u, b, FINAL if cold and not quadratic else 0, not exact)
    return _newton(problem, u, b, tol, report, None if exact else hessian)


def _rough(sample, u, b, most, last=False):
    """At most so many steps on a sample, until the error is far below that of having seen but a sample; and its Hessian, with
    `last` that of the last iterate."""
    loss, z, g, gradient = sample.slopes(u, b)
    hessian = Hessian(sample, curvature(sample, g), True)
    for k in range(most):
        r = -_full(sample, u, gradient)
        p = hessian.solve(r)
        decrement = float(r @ p)
        t = sample.margins(*_split(sample, p))
        size, F, z, g = _search(sample, u, p, z, t, loss + sample.penalty(u), decrement)
        u, b = u + size * p[: sample.d], b + (size * p[-1] if sample.intercept else 0.0)
        # a whole step leaves a small part of the decrement; d / n is, about, the share of F by which a sample misleads
        enough = decrement <= 10.0 * abs(F) * sample.d / sample.n or size == 0 or k == most - 1
        if last or not enough:
            hessian = Hessian(sample, curvature(sample, g), True)
        if enough:
            break
        loss = F - sample.penalty(u)
        gradient = sample.pull(sample.weighted(g))[:2]
    return u, b, hessian


def _newton(problem, u, b, tol, report, hessian):
    """Newton on all rows; `hessian` is that of a sample, None for the exact one of each iterate, or "diagonal".

    Returns
    -------
    None, or (u, b, a)
        Where it got stuck, or where the diagonal was not near enough.
    """
    d, quadratic = problem.d, problem.loss.name == "squared_error"
    loss, z, g, gradient = problem.slopes(u, b)
    F, exact, diagonal = loss + problem.penalty(u), hessian is None, hessian == "diagonal"
    while True:
        h = curvature(problem, g)
        if exact:
            hessian = Hessian(problem, h, False)
        elif diagonal:
            hessian = Diagonal(problem, problem.weighted(h))
        r = -_full(problem, u, gradient)
        p, t, decrement, products = _direction(problem, r, problem.weighted(h), hessian, tol * abs(F))
        a = -(g + h * t)  # minus the slopes of the quadratic model: X'a is l2 (u + p)
        size, F, z, g = _search(problem, u, p, z, t, F, decrement)
        u, b = u + size * p[:d], b + (size * p[-1] if problem.intercept else 0.0)
        bound = -np.inf
        if quadratic or decrement <= min(20.0 * tol, NEAR) * abs(F) or size == 0:
            bound, _ = problem.least(a if size == 1 else -g)
        if size == 0 and decrement > ROUNDING * abs(F):
            return u, b, -g
        # the error left after a whole step is a small part of the decrement; after none it is rounding
        estimate = 0.1 * decrement if size == 1 else decrement
        if report(Step(u, b, F, bound, estimate, a=-g, stuck=size == 0)):
            return None
        if diagonal and products > EASY:
            return u, b, -g
        gradient = problem.pull(problem.weighted(g))[:2]


@np.errstate(over="ignore", invalid="ignore")  # a curvature of next to nothing: seen to below
def _direction(problem, r, h, hessian, aim):
    """Solve H p = r; returns p, its margins, r.p, and the number of products.

    The dual point of p misses by the residual, which costs sum r_j^2 / (2 l2_j): conjugate gradients end when that is
    far below `aim`, or hopeless; or when r.p is near enough while it is far above.
    """
    l2, d = problem.penalties[1], problem.d
    p, t, left, conjugate, before = np.zeros_like(r), np.zeros(problem.n), r, None, None
    first = 0.0
    for k in range(PRODUCTS):
        s = hessian.solve(left)
        power = float(left @ s)
        first = power if k == 0 else first
        if not 1e-24 * first < power < np.inf:
            break
        conjugate = s if before is None else s + (power / before) * conjugate
        before = power
        t_c, product = problem.curved(*_split(problem, conjugate), h)
        q = _full(problem, conjugate[:d], product)
        bend = float(conjugate @ q)
        if not bend > 0:
            break
        size = power / bend
        if not np.isfinite(size * q).all() or not np.isfinite(size * t_c).all():
            break
        p, t, left = p + size * conjugate, t + size * t_c, left - size * q
        if power <= LOOSE * first and first > 20.0 * aim and problem.loss.name != "squared_error":
            break
        missed = np.divide(left[:d] ** 2, 2.0 * l2, out=np.full(d, np.inf), where=l2 > 0).sum() if d else 0.0
        if missed <= 0.1 * aim or (missed == np.inf and power <= 1e-6 * first):
            break
    return p, t, float(r @ p), k


@np.errstate(over="ignore", invalid="ignore")  # too far: not less, and so not taken
def _search(problem, u, p, z, t, F, decrement):
    """Backtracking along p on margins z + size t: (size, F there, margins, slopes)."""
    size = 1.0
    while size > 1e-10:
        there = z + size * t
        value, g = problem.loss.both(there, problem.y)
        new = problem.mean(value) + problem.penalty(u + size * p[: problem.d])
        if new <= F - SUFFICIENT * size * decrement:
            return size, new, there, g
        size *= 0.5
    return 0.0, F, z, problem.loss.both(z, problem.y)[1]


def _full(problem, u, gradient):
    """A gradient of the mean loss, or a product with its Hessian, with the L2 part: one vector, the intercept last."""
    G, g = gradient
    G = G + problem.penalties[1] * u
    return np.append(G, g) if problem.intercept else G


def _split(problem, p):
    return (p[:-1], float(p[-1])) if problem.intercept else (p, 0.0)
