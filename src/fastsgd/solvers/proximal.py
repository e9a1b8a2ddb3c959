"""The least of a parabola in many numbers plus L1: what Newton's method has as a step."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

# It takes at most this many sweeps over all numbers, each followed by at most this many steps with fixed signs.
MAX_SWEEPS, MAX_STEPS = 100, 30
RIDGE = 1e-11  # This share of its diagonal is added to a matrix, so that there is a step where it is singular.
ROUNDING = 1e-12  # A slope below this share of its summands is rounding.


def proximal(H, g, start, l1, share=ROUNDING):
    """v that minimises g.(v - start) + (v - start)' H (v - start) / 2 + l1.|v|.

    Sweeps over the numbers find which are not 0 and their signs; with these it is a linear system, and numbers that change
    their sign on the way to its solution become 0.

    Parameters
    ----------
    H : (k, k)
        Symmetric, positive semidefinite.
    g, start, l1 : (k,)
    share : float
        It ends where no slope is farther from where it is to be than this share of its summands.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent.
    """
    v, bend = start.copy(), np.einsum("ii->i", H).copy()
    bend += RIDGE * max(float(bend.max(initial=0.0)), 1e-300)
    size = abs(g) + l1 + abs(H) @ abs(start) + 1e-300
    for _ in range(MAX_SWEEPS):
        slope = g + H @ (v - start)
        rest = np.where(v != 0, abs(slope + l1 * np.sign(v)), np.maximum(abs(slope) - l1, 0.0))
        if (rest <= share * size).all():
            break
        _sweep(H, bend, slope, v, l1)
        _with_signs(H, bend, slope, v, l1)
    return v


def _sweep(H, bend, slope, v, l1):
    """Each number at its best in turn; v and slope are changed."""
    for j in np.flatnonzero((v != 0) | (abs(slope) > l1)):
        aim = bend[j] * v[j] - slope[j]
        new = np.sign(aim) * max(abs(aim) - l1[j], 0.0) / bend[j]
        if new != v[j]:
            slope += (new - v[j]) * H[j]
            v[j] = new


def _with_signs(H, bend, slope, v, l1):
    """Towards the least of all v whose signs are these; v and slope are changed."""
    for _ in range(MAX_STEPS):
        at = np.flatnonzero((v != 0) | (l1 == 0))
        if not len(at):
            return
        A, sign = H[np.ix_(at, at)], np.where(l1[at] > 0, np.sign(v[at]), 0.0)
        A[np.diag_indices(len(at))] = bend[at] * (1.0 + RIDGE)
        pull = -(slope[at] + l1[at] * sign)
        try:
            step = cho_solve(cho_factor(A, check_finite=False), pull, check_finite=False)
        except LinAlgError:
            return
        new = v[at] + step
        crossed = new * sign < 0
        if crossed.any():
            shares = v[at][crossed] / -step[crossed]
            first = v[at] + shares.min() * step
            first[np.flatnonzero(crossed)[np.argmin(shares)]] = 0.0
            new[crossed] = 0.0
            if _rise(H, at, slope, new, l1, v) > _rise(H, at, slope, first, l1, v):
                new = first
        slope += H[:, at] @ (new - v[at])
        v[at] = new
        if not crossed.any():
            return


def _rise(H, at, slope, new, l1, v):
    """What the objective changes by."""
    moved = new - v[at]
    return float(slope[at] @ moved + 0.5 * moved @ (H[np.ix_(at, at)] @ moved) + l1[at] @ (abs(new) - abs(v[at])))
