"""The least of a parabola in many numbers plus L1: what Newton's method has as a step."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from fastsgd._kernels import solve

# It takes at most this many rounds of sweeps over the numbers, each followed by at most this many steps with fixed signs.
MAX_ROUNDS, MAX_STEPS = 100, 30
# The sweeps of a round may take about the time of a step with fixed signs, a third of the numbers, and these.
MORE_SWEEPS = 5
SWEEP_SHARE = 0.3  # Sweeps go on until a number changes its slope by less than this share of what is enough.
RIDGE = 1e-11  # This share of its diagonal is added to a matrix, so that there is a step where it is singular.
SECONDS = 5e-5, 7e-9, 7e-11  # A step, or the sweeps before it, in numbers of power 0, 2 and 3.
ROUNDING = 1e-12  # A slope below this share of its summands is rounding.


class Effort:
    """Seconds that steps may still take, by a model, so that what comes out is the same on every machine."""

    def __init__(self, left=np.inf):
        self.left = left

    def spend(self, k):
        """A step with k numbers."""
        self.left -= SECONDS[0] + SECONDS[1] * k**2 + SECONDS[2] * k**3


def proximal(H, g, start, l1, share=0.0, effort=None):
    """v that minimises g.(v - start) + (v - start)' H (v - start) / 2 + l1.|v|.

    Sweeps over the numbers find which are not 0 and their signs; with these it is a linear system, and numbers that change
    their sign on the way to its solution become 0.

    Parameters
    ----------
    H : (k, k)
        Symmetric, positive semidefinite.
    g, start, l1 : (k,)
    share : float
        It ends where no slope is farther from where it is to be than this share of l1, and rounding.
    effort : Effort or None
        It ends where nothing is left of it, too.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent.
    """
    effort = effort or Effort()
    v, bend = start.copy(), np.einsum("ii->i", H).copy()
    bend += RIDGE * max(float(bend.max(initial=0.0)), 1e-300)
    root = np.sqrt(bend)
    enough = share * l1 + ROUNDING * (abs(g) + l1 + root * (root @ abs(start)) + 1e-300)
    for _ in range(MAX_ROUNDS):
        slope = g + H @ (v - start)
        rest = np.where(v != 0, abs(slope + l1 * np.sign(v)), np.maximum(abs(slope) - l1, 0.0))
        if (rest <= enough).all() or effort.left <= 0:
            break
        at = np.flatnonzero((v != 0) | (abs(slope) > l1) | (l1 == 0))
        effort.spend(len(at))
        A, some, l1_at, r = H[np.ix_(at, at)], v[at], l1[at], slope[at]
        A[np.diag_indices(len(at))] = bend[at]
        if not solve.coordinate_sweeps(A, l1_at, SWEEP_SHARE * enough[at], r, some, len(at) // 3 + MORE_SWEEPS):
            _with_signs(A, r, some, l1_at, effort)
        v[at] = some
    return v


def _with_signs(A, slope, v, l1, effort):
    """Towards the least of all v whose signs are these; v and slope are changed."""
    for _ in range(MAX_STEPS):
        at = np.flatnonzero((v != 0) | (l1 == 0))
        if not len(at) or effort.left <= 0:
            return
        effort.spend(len(at))
        B, sign = A[np.ix_(at, at)], np.where(l1[at] > 0, np.sign(v[at]), 0.0)
        try:
            factor = cho_factor(B * (1.0 + RIDGE * np.eye(len(at))), overwrite_a=True, check_finite=False)
        except LinAlgError:
            return
        step = cho_solve(factor, -(slope[at] + l1[at] * sign), check_finite=False)
        new = v[at] + step
        crossed = new * sign < 0
        if crossed.any():
            shares = v[at][crossed] / -step[crossed]
            first = v[at] + shares.min() * step
            first[np.flatnonzero(crossed)[np.argmin(shares)]] = 0.0
            new[crossed] = 0.0
            if _rise(B, slope[at], new, l1[at], v[at]) > _rise(B, slope[at], first, l1[at], v[at]):
                new = first
        slope += A[:, at] @ (new - v[at])
        v[at] = new
        if not crossed.any():
            return


def _rise(B, slope, new, l1, v):
    """What the objective changes by."""
    moved = new - v
    return float(slope @ moved + 0.5 * moved @ (B @ moved) + l1 @ (abs(new) - abs(v)))
