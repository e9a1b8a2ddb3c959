"""A penalty is two numbers, l1 and l2: alpha * (l1_ratio * |w|_1 + (1 - l1_ratio) / 2 * |w|_2^2)."""

from typing import Any

from numpy.typing import NDArray

from fastsgd._kernels.plan import penalty as summed

PENALTIES = ("l2", "l1", "elasticnet", None)


def weights(penalty: str | None, alpha: float, l1_ratio: float | None) -> tuple[float, float]:
    """(l1, l2), the factors of |w|_1 and of |w|_2^2 / 2.

    Parameters
    ----------
    penalty : {"l2", "l1", "elasticnet", None}
    alpha : float
        Strength of the whole penalty.
    l1_ratio : float in [0, 1] or None
        Share of the L1 part; read by "elasticnet" alone.

    Returns
    -------
    (float, float)

    Raises
    ------
    ValueError
        "elasticnet" without an l1_ratio.

    >>> weights("elasticnet", 0.5, 0.25)
    (0.125, 0.375)
    """
    if penalty == "elasticnet" and l1_ratio is None:
        raise ValueError("l1_ratio must be set when penalty is 'elasticnet'")
    share = {None: 0.0, "l2": 0.0, "l1": 1.0}.get(penalty, l1_ratio or 0.0)
    return (0.0, 0.0) if penalty is None else (alpha * share, alpha * (1.0 - share))


def value(coef: NDArray[Any], l1: float, l2: float) -> float:
    """l1 * |w|_1 + l2 / 2 * |w|_2^2 of all the weights, summed in float64; a part of strength 0 is 0, whatever they are."""
    return float(summed(coef.ravel(), l1, l2))
