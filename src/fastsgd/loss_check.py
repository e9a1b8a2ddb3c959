"""Is a loss's slope the derivative of its value? Is it convex, is it smooth? Told by trying it out at many points."""

from collections import namedtuple
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Predictions that are tried, beside the targets and 0, 1 and -1; of the large ones their negatives too. Up to the size
# FINITE_UP_TO a loss must be finite, beyond it may overflow.
SMALL_PREDICTIONS = np.round(np.arange(-23, 24) * 0.35, 2)
LARGE_PREDICTIONS = np.array([12.0, 20.0, 28.0, 60.0, 150.0, 400.0, 1000.0])
FINITE_UP_TO = 30.0
TARGETS = -1.0, 1.0, -3.5, 0.25, 7.0
STEP = 1e-5  # The value is differenced over this, times max(1, |p|).

_Report = namedtuple("_Report", "slope_ok convex smooth worst message")


class LossReport(_Report):
    """What `check_loss` found.

    Attributes
    ----------
    slope_ok : bool
        The slope is the derivative of the value, and both are finite, wherever they were tried.
    convex : bool
        No chord was seen below the curve.
    smooth : bool
        The slope was not seen to jump.
    worst : tuple or None
        (p, y, the slope there, what it should be) where the slope is most wrong.
    message : str
        The same in words.
    """

    __slots__ = ()

    @property
    def finite_nowhere(self) -> bool:
        """Whether the value was finite at none of the points tried."""
        return not self.slope_ok and self.worst is None


def check_loss(loss: Any) -> LossReport:
    """Compare a loss's slope with the differences of its value, and look whether it is convex and smooth.

    The derivative at p is taken to lie between ``(f(p) - f(p - h)) / h`` and ``(f(p + h) - f(p)) / h``. This holds at
    kinks too: there every number between the one-sided derivatives is a (sub)gradient.

    Parameters
    ----------
    loss : Loss, or any object with value(p, y) and slope(p, y)
        Tried at targets -1, 1 and some others; those for which no value is finite are taken to be outside its domain.
        The attributes `task`, `lower`, `strict` and `negative` of a Loss limit them too.

    Returns
    -------
    LossReport

    Examples
    --------
    >>> from fastsgd import losses
    >>> losses.check_loss(losses.Hinge()).message
    'slope is the derivative of value; convex, not smooth'
    >>> losses.check_loss(losses.Welsch()).convex
    False
    """
    tried = [found for y in _targets(loss) if (found := _at(loss, y)) is not None]
    if not tried:
        return LossReport(False, False, False, None, "value is finite at none of the predictions and targets tried")
    convex, smooth = all(one.convex for one in tried), all(one.smooth for one in tried)
    off, worst, message = max((one.off for one in tried), key=lambda off: off[0])
    if off == 0.0:
        kind = f"{'convex' if convex else 'not convex'}, {'smooth' if smooth else 'not smooth'}"
        return LossReport(True, convex, smooth, None, f"slope is the derivative of value; {kind}")
    return LossReport(False, convex, smooth, worst, message)


_Tried = namedtuple("_Tried", "convex smooth off")


def _targets(loss: Any) -> Iterable[float]:
    if getattr(loss, "task", None) == ("classifier",):
        return loss.negative, 1.0
    low, strict = getattr(loss, "lower", -np.inf), getattr(loss, "strict", False)
    return [y for y in TARGETS if (y > low if strict else y >= low)]


def _at(loss: Any, y: float) -> _Tried | None:
    """What is found at one target, or None where no value is finite."""

    def evaluate(f: Callable[[float, float], float], points: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(all="ignore"):
            return np.array([f(float(x), y) for x in points], np.float64)

    p = np.unique(np.r_[SMALL_PREDICTIONS, LARGE_PREDICTIONS, -LARGE_PREDICTIONS, 0.0, -1.0, 1.0, y, y - 1.0, y + 1.0])
    value = evaluate(loss.value, p)
    if not np.isfinite(value).any():
        return None
    slope = evaluate(loss.slope, p)
    for name, f in (("value", value), ("slope", slope)):
        bad = p[~np.isfinite(f) & (abs(p) < FINITE_UP_TO)]
        if len(bad):
            at = float(bad[abs(bad).argmin()])
            worst = at, y, float(slope[p == at][0]), np.nan
            return _Tried(False, False, (np.inf, worst, f"{name} is not finite at p={at:g}, y={y:g}"))
    ok = np.isfinite(value) & np.isfinite(slope)
    p, value, slope = p[ok], value[ok], slope[ok]
    h = STEP * np.maximum(1.0, abs(p))
    sides = (value - evaluate(loss.value, p - h)) / h, (evaluate(loss.value, p + h) - value) / h
    return _Tried(_convex(p, value), _smooth(loss, y, p, slope), _off(y, p, h, value, slope, sides))


def _off(
    y: float,
    p: NDArray[Any],
    h: NDArray[Any],
    value: NDArray[Any],
    slope: NDArray[Any],
    sides: tuple[NDArray[Any], NDArray[Any]],
) -> tuple[float, tuple[float, ...] | None, str]:
    """(how wrong the slope is where it is most wrong, 0 for nowhere; that point; words)."""
    low, high = np.minimum(*sides), np.maximum(*sides)
    around = np.maximum(abs(slope), np.maximum(np.r_[0.0, abs(slope[:-1])], np.r_[abs(slope[1:]), 0.0]))
    rounding = 16 * np.finfo(float).eps * np.maximum(1.0, np.maximum(abs(value), abs(p) * max(1.0, abs(y)))) / h
    outside = np.maximum(slope - high, low - slope)
    size = np.maximum(abs(slope), np.maximum(abs(low), abs(high)))
    wrong = np.isfinite(outside) & (outside > 1e-6 * np.maximum(size, around) + rounding)
    if not wrong.any():
        return 0.0, None, ""
    # among points that are wrong by a like share, the one nearest to zero is the easiest to look into
    off = np.where(wrong, np.round(outside / np.where(wrong, size, 1.0), 1) + 1.0 / (10.0 + abs(p)), 0.0)
    i = int(off.argmax())
    right = float(high[i] if slope[i] > high[i] else low[i])
    worst = float(p[i]), y, float(slope[i]), right
    words = f"slope is not the derivative of value: at p={p[i]:g}, y={y:g} it is {slope[i]:g} and should be {right:.4g}"
    return float(off[i]), worst, words


def _convex(p: NDArray[Any], value: NDArray[Any]) -> bool:
    """Whether every point lies on or below the chord of its neighbours."""
    share = (p[1:-1] - p[:-2]) / (p[2:] - p[:-2])
    chord = (1.0 - share) * value[:-2] + share * value[2:]
    size = abs(value[:-2]) + abs(value[1:-1]) + abs(value[2:])
    return bool(np.all(value[1:-1] <= chord + 1e-10 * size + 1e-15 * abs(p[1:-1])))


def _smooth(loss: Any, y: float, p: NDArray[Any], slope: NDArray[Any]) -> bool:
    """Whether the change of the slope between two points becomes small when they come near each other."""
    for a, b, at_a, at_b in zip(p[:-1], p[1:], slope[:-1], slope[1:], strict=True):
        small = 1e-3 * max(abs(at_a), abs(at_b))
        while max(abs(a), abs(b)) < FINITE_UP_TO and abs(at_b - at_a) > small:
            if b - a < 1e-8:
                return False
            middle = float(a + b) / 2
            at = float(loss.slope(middle, y))
            if abs(at - at_a) > abs(at_b - at):
                b, at_b = middle, at
            else:
                a, at_a = middle, at
    return True
