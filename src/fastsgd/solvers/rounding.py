"""What rounding may do to a solution: which gaps count as none, and how far the model that is returned may be off."""

import numpy as np

from fastsgd import penalties

SAMPLE_ROWS = 2000  # The loss of zero weights is estimated from this many rows.
# A gap counts as none up to ROUNDING times the loss of zero weights or, for losses of y - p, up to the loss of residuals that
# are RESIDUAL_ROUNDING times y. MODEL_ROUNDING has the same shares for the model that is returned, by the bytes of its numbers:
# no warning is given of a smaller gap. Residuals of OFFSET_ROUNDING times the offset of y are added, as y is known no better.
ROUNDING, RESIDUAL_ROUNDING = 1e-13, 1e-10
MODEL_ROUNDING, OFFSET_ROUNDING = {8: 1e-10, 4: 1e-6}, 1e-12
# The objective of the rounded model is worked out if rounding may have moved it by more than CHECKED_SHARE of the gap that `tol`
# allows; the bound is rough, as the sizes of the columns are those of a sample. MARGIN_ROUNDING is the rounding of a margin over
# all steps, as a share of its summands.
CHECKED_SHARE, MARGIN_ROUNDING = 1e-2, 1e-14
MIN_TARGET = 1e-150  # The square of a smaller number has lost digits.


def check_sizes(problem, columns=slice(None)):
    """ValueError where numbers are too large or too small to go on; `columns`: which ones of X those of the problem are."""
    ends = np.array([problem.y.min(), problem.y.max()])
    with np.errstate(over="ignore", invalid="ignore"):  # The scale may overflow, too.
        usual = problem.loss.value(0.0, ends) * problem.n
        large = np.flatnonzero(~np.isfinite(problem.measures.scale))
    if not np.isfinite(usual).all():
        raise ValueError(f"y is too large: loss={problem.loss.name!r} overflows. Divide y by its size.")
    if problem.loss.residual and 0 < abs(ends).max() < MIN_TARGET:
        raise ValueError(f"y is too small: its squares underflow. Multiply y by {1 / abs(ends).max():.0e}.")
    if len(large):
        column = large[0] if isinstance(columns, slice) else columns[large[0]]
        raise ValueError(f"X is too large in column {column}: squares overflow. Divide that column by its size.")


@np.errstate(over="ignore", invalid="ignore")  # What overflows says nothing.
def moved_by_rounding(problem, step, w, b):
    """How far rounding to (w, b), and on the way there, may have moved the objective: a bound, but for the scale of the columns.

    A loss that is nowhere negative and whose slope's slope is at most L has slopes with a mean square of at most 2 L loss.
    """
    loss = problem.loss
    if loss.least_value < 0:
        return np.inf
    scale, exact = problem.scale, problem.outward(step.u, step.b)[0]
    away = abs(w - exact) @ scale + MARGIN_ROUNDING * (abs(w) @ (scale + abs(problem.centre)) + abs(b))
    slope, bend = (np.sqrt(2.0 * loss.curvature * step.objective), loss.curvature) if loss.smooth else (1.0, 0.0)
    penalty = abs(penalties.value(w, problem.l1, problem.l2) - problem.penalty(step.u))
    moved = slope * away + 0.5 * bend * away**2 + penalty
    return moved if moved >= 0 else np.inf


def negligible(problem, share, residual, offset):
    """The largest gap that counts as none: `share` of the loss of zero weights; for losses of y - p, the loss of residuals that
    are `residual` times the distance of y from its mean, and OFFSET_ROUNDING times its offset."""
    y = problem.y[:: problem.n // SAMPLE_ROWS + 1]
    if problem.loss.residual:
        mean = float(y.mean())
        away = residual * abs(y - mean) + OFFSET_ROUNDING * (offset + abs(mean))
        return float(problem.loss.value(away + problem.loss.dead_zone, 0.0).mean())
    return share * float(abs(problem.loss.value(0.0, y)).mean())
