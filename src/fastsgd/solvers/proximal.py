"""The least of a parabola in many numbers plus L1: what Newton's method has as a step."""

import numpy as np
from scipy.linalg import LinAlgError, solve

SWEEPS = 3  # Coordinate descent has so many sweeps before the nonzero numbers are solved for together.
MAX_ROUNDS = 200
ROUNDING = 1e-13  # A slope below this share of its summands is rounding.


def proximal(H, g, v, l1, share=ROUNDING):
    """v that minimises g.(v - v0) + (v - v0)' H (v - v0) / 2 + l1.|v|, v0 the v given.

    Coordinate descent finds the signs; with these, it is a linear system.

    Parameters
    ----------
    H : (k, k)
        Symmetric, positive semidefinite.
    g, v, l1 : (k,)
    share : float
        It ends where no slope is farther from where it is to be than this share of its summands.

    References
    ----------
    Friedman, Hastie and Tibshirani (2010), Regularization paths for generalized linear models via coordinate descent.
    """
    start, v, bend = v, v.copy(), np.einsum("ii->i", H).copy()
    bend += 1e-14 * max(float(bend.max(initial=0.0)), 1e-300)
    slope, scale = g.copy(), abs(g) + l1 + 1e-300
    for _ in range(MAX_ROUNDS):
        for _ in range(SWEEPS):
            _sweep(H, bend, slope, v, l1)
        found = _with_signs(H, bend, g, start, v, l1)
        if found is not None:
            v = found
            slope = g + H @ (v - start)
        rest = np.where(v != 0, abs(slope + l1 * np.sign(v)), np.maximum(abs(slope) - l1, 0.0))
        if (rest <= share * (scale + abs(H @ v))).all():
            break
    return v


def _sweep(H, bend, slope, v, l1):
    """Each number at its best in turn; slope is kept up."""
    for j in np.flatnonzero((v != 0) | (abs(slope) > l1)):
        aim = bend[j] * v[j] - slope[j]
        new = np.sign(aim) * max(abs(aim) - l1[j], 0.0) / bend[j]
        if new != v[j]:
            slope += (new - v[j]) * H[j]
            v[j] = new


def _with_signs(H, bend, g, start, v, l1):
    """The least among v of these signs, or the last on the way there; None where that has none."""
    at = np.flatnonzero((v != 0) | (l1 == 0))
    if not len(at):
        return None
    sign = np.sign(v[at])
    A = H[np.ix_(at, at)].copy()
    A[np.diag_indices(len(at))] = bend[at]
    b = (H[at] @ start) - g[at] - l1[at] * sign
    try:
        aim = solve(A, b, assume_a="pos", check_finite=False)
    except (LinAlgError, ValueError):
        return None
    step, share = aim - v[at], 1.0
    crossed = (aim * sign < 0) & (l1[at] > 0)
    if crossed.any():
        share = float((v[at][crossed] / -step[crossed]).min())
    new = v.copy()
    new[at] = v[at] + share * step
    if crossed.any():
        first = at[crossed][np.argmin(v[at][crossed] / -step[crossed])]
        new[first] = 0.0
    return new
