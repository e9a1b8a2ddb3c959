"""When to stop: decisions at the end of an epoch, from what was measured of it.

A rule says by `needs` what has to be measured, and by `over` whether to stop. To add one, write its class here.
"""

import copy
import sys
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from fastsgd.params import HasParams

__all__ = [
    "GradientNorm",
    "Objective",
    "ParameterChange",
    "Stopping",
    "Validation",
    "get",
]

FOREVER = sys.maxsize  # A rule of this patience ends nothing, but has the best weights returned.


class Stopping(HasParams):
    """Base of every rule.

    Class attributes: `name`, which goes to `stop_reason_`; `needs`, the column of `history_` it looks at; `keeps`, whether
    the weights of its best epoch are returned.

    Parameters
    ----------
    tol : float >= 0
    patience : int >= 1
        Epochs in a row in which it must hold.
    """

    name: str | None = None
    needs: str = ""
    params = ("tol", "patience")
    keeps = False
    tol: float
    patience: int
    # These change during a fit: the least value so far, the epochs in a row in which the rule has held, and whether the last one
    # was the best.
    best: float
    waited: int
    improved: bool

    def __init__(self, tol: float, patience: int) -> None:
        if not (isinstance(tol, Real) and tol >= 0):
            raise ValueError(f"{type(self).__name__}: tol must be a number >= 0, got {tol!r}.")
        if not (isinstance(patience, Integral) and patience >= 1):
            raise ValueError(f"{type(self).__name__}: patience must be an integer >= 1, got {patience!r}.")
        self.tol, self.patience = tol, patience

    @property
    def ends(self) -> bool:
        """Whether it ever ends a training."""
        return self.patience < FOREVER

    def copy(self) -> Self:
        """An independent copy."""
        return copy.copy(self)

    def fresh(self) -> Self:
        """A copy at the start of a fit."""
        new = self.copy()
        new.best, new.waited, new.improved = np.inf, 0, False
        return new

    def over(self, epoch: Any) -> bool:
        """Take what was measured of one more epoch; say whether to stop."""
        self.waited = self.waited + 1 if self.holds(getattr(epoch, self.needs)) else 0
        return self.waited >= self.patience

    def holds(self, value: float) -> bool:
        """Whether the condition is met in this epoch."""
        return value <= self.tol

    def again(self) -> None:
        """Count from zero, as when the step size was cut."""
        self.waited = 0


class Objective(Stopping):
    """The objective has not fallen by more than `tol` below its least value for `patience` epochs in a row.

    The weights of its least value are returned.

    >>> from types import SimpleNamespace
    >>> rule = Objective(tol=0.1, patience=2).fresh()
    >>> [rule.over(SimpleNamespace(objective=v)) for v in (1.0, 0.5, 0.45, 0.44)]
    [False, False, False, True]
    """

    name, needs, keeps = "objective", "objective", True

    def __init__(self, tol: float = 1e-3, patience: int = 5) -> None:
        super().__init__(tol, patience)

    def holds(self, value: float) -> bool:
        stays, self.improved = not value <= self.best - self.tol, value < self.best  # NaN is no improvement.
        self.best = min(self.best, value)
        return stays


class Validation(Objective):
    """The validation score has not risen by more than `tol` above its best for `patience` epochs in a row.

    The weights of the best score are returned. Needs a validation set.
    """

    name, needs = "validation", "validation_score"

    def holds(self, value: float) -> bool:
        return super().holds(-value)


class GradientNorm(Stopping):
    """The gradient of the objective over all rows, with the intercepts, has a 2-norm of at most `tol`.

    Where a weight is zero under an L1 penalty, its subgradient of least size counts. Costs a pass over the rows an epoch.
    """

    name, needs = "gradient", "gradient_norm"

    def __init__(self, tol: float = 1e-4, patience: int = 1) -> None:
        super().__init__(tol, patience)


class ParameterChange(Stopping):
    """Weights and intercepts have moved by at most `tol` times their 2-norm since the last epoch."""

    name, needs = "parameters", "change"

    def __init__(self, tol: float = 1e-4, patience: int = 1) -> None:
        super().__init__(tol, patience)


STOPPING: dict[str, type[Stopping]] = {cls.name: cls for cls in (Objective, Validation, GradientNorm, ParameterChange)}


def get(
    stopping: str | Stopping | Sequence[str | Stopping], tol: float | None = None, patience: int | None = None
) -> list[Stopping]:
    """Fresh rules of what the user gives: a name, an object, or a list of them.

    A name takes `tol`, and "objective" and "validation" also `patience`, where these are not None.

    >>> get(["gradient", Objective(0.1)], tol=0.5, patience=3)
    [GradientNorm(tol=0.5, patience=1), Objective(tol=0.1, patience=5)]
    """
    rules = []
    for one in stopping if isinstance(stopping, (list, tuple)) else [stopping]:
        if isinstance(one, Stopping):
            rules.append(one.fresh())
        elif isinstance(one, str) and one in STOPPING:
            cls = STOPPING[one]
            given: dict[str, Any] = {} if tol is None else {"tol": tol}
            if patience is not None and issubclass(cls, Objective):
                given["patience"] = patience
            rules.append(cls(**given).fresh())
        else:
            raise ValueError(f"stopping must be of {list(STOPPING)} or objects of fastsgd.stopping, found {one!r}.")
    return rules
