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

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> class GoodEnough(Stopping):
    ...     name, needs = "good_enough", "objective"
    >>> rule = GoodEnough(tol=0.1, patience=1).fresh()
    >>> [rule.over(SimpleNamespace(objective=v)) for v in (0.5, 0.2, 0.09)]
    [False, False, True]
    """

    name: str | None = None
    needs: str = ""
    params: tuple[str, ...] = ("tol", "patience")
    keeps = False
    tol: float
    patience: int
    # These change during a fit: the value that the next one is compared with (most often the least so far), the epochs in a
    # row in which the rule has held, and whether the last one was the best.
    best: float
    waited: int
    improved: bool

    def __init__(self, tol: float, patience: int) -> None:
        if not (isinstance(tol, Real) and tol >= 0):
            raise ValueError(f"{type(self).__name__}: tol must be a number >= 0, got {tol!r}.")
        if not (isinstance(patience, Integral) and patience >= 1):
            raise ValueError(f"{type(self).__name__}: patience must be an integer >= 1, got {patience!r}.")
        self.tol, self.patience = tol, patience

    def _flag(self, name: str, value: bool) -> None:
        """Keep a parameter that must be True or False."""
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(f"{type(self).__name__}: {name} must be True or False, got {value!r}.")
        setattr(self, name, bool(value))

    @property
    def ends(self) -> bool:
        """Whether it ever ends a training."""
        return self.patience < FOREVER

    def copy(self) -> Self:
        """An independent copy.

        Returns
        -------
        Stopping
        """
        return copy.copy(self)

    def fresh(self) -> Self:
        """A copy at the start of a fit.

        Returns
        -------
        Stopping
        """
        new = self.copy()
        new.best, new.waited, new.improved = np.inf, 0, False
        return new

    def over(self, epoch: Any) -> bool:
        """Take what was measured of one more epoch; say whether to stop.

        Parameters
        ----------
        epoch : object
            It has an attribute of the name that the rule `needs`.

        Returns
        -------
        bool
        """
        self.waited = self.waited + 1 if self.holds(getattr(epoch, self.needs)) else 0
        return self.waited >= self.patience

    def holds(self, value: float) -> bool:
        """Whether the condition is met in this epoch.

        Parameters
        ----------
        value : float
            What the rule `needs`, of this epoch.

        Returns
        -------
        bool
        """
        return value <= self.tol

    def again(self) -> None:
        """Count from zero, as when the step size was cut."""
        self.waited = 0


class Objective(Stopping):
    """The objective has stopped falling.

    With ``f_k`` the objective at the end of epoch k, on all rows and with the penalty, it must hold `patience` times in a row
    that

    - ``f_k > min(f_1, ..., f_{k-1}) - tol`` (the default): epoch k has not improved on the best by `tol`. The weights of the
      least objective are returned. With patience=5 this is scikit-learn's rule for SGD [1]_.
    - ``|f_k - f_{k-1}| <= tol``, from the second epoch on (absolute=True): the rule of textbooks, with patience=1. The weights
      of the last epoch are returned.

    Parameters
    ----------
    tol : float >= 0, default=1e-3
    patience : int >= 1, default=5
        Epochs in a row in which it must hold.
    absolute : bool, default=False
        Compare with the epoch before, whether the objective rose or fell, and not with the best.

    References
    ----------
    .. [1] Pedregosa et al. (2011), Scikit-learn: machine learning in Python, JMLR 12.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rule = Objective(tol=0.1, patience=2).fresh()
    >>> [rule.over(SimpleNamespace(objective=v)) for v in (1.0, 0.5, 0.45, 0.44)]
    [False, False, False, True]
    >>> rule = Objective(tol=0.1, patience=1, absolute=True).fresh()
    >>> [rule.over(SimpleNamespace(objective=v)) for v in (1.0, 0.5, 0.7, 0.65)]
    [False, False, False, True]
    """

    name, needs, keeps = "objective", "objective", True
    params: tuple[str, ...] = ("tol", "patience", "absolute")
    absolute: bool

    def __init__(self, tol: float = 1e-3, patience: int = 5, absolute: bool = False) -> None:
        super().__init__(tol, patience)
        self._flag("absolute", absolute)
        self.keeps = not absolute

    def holds(self, value: float) -> bool:
        if self.absolute:
            stays, self.best = abs(value - self.best) <= self.tol, value
            return stays
        stays, self.improved = not value <= self.best - self.tol, value < self.best  # NaN is no improvement.
        self.best = min(self.best, value)
        return stays


class Validation(Objective):
    """The validation score has not risen by more than `tol` above its best for `patience` epochs in a row.

    In the scores ``v_k`` at the ends of the epochs: ``v_k < max(v_1, ..., v_{k-1}) + tol``, `patience` times in a row (Prechelt
    1998 [1]_). The weights of the best score are returned. Needs a validation set.

    Parameters
    ----------
    tol : float >= 0, default=1e-3
    patience : int >= 1, default=5
        Epochs in a row in which it must hold.

    References
    ----------
    .. [1] Prechelt (1998), Early stopping: but when?

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rule = Validation(tol=0.01, patience=2).fresh()
    >>> [rule.over(SimpleNamespace(validation_score=v)) for v in (0.7, 0.8, 0.805, 0.79)]
    [False, False, False, True]
    """

    name, needs = "validation", "validation_score"
    params = ("tol", "patience")

    def __init__(self, tol: float = 1e-3, patience: int = 5) -> None:
        super().__init__(tol, patience)

    def holds(self, value: float) -> bool:
        return super().holds(-value)


class GradientNorm(Stopping):
    """The gradient of the objective over all rows, with the intercepts, has a 2-norm of at most `tol`.

    ``|grad F(w, b)|_2 <= tol`` at the end of an epoch, where F is the objective with its penalty: the first-order condition of a
    minimum (Nocedal and Wright 2006 [1]_). Where a weight is zero under an L1 penalty, its subgradient of least size counts.
    Costs a pass over the rows an epoch.

    Parameters
    ----------
    tol : float >= 0, default=1e-4
    patience : int >= 1, default=1
        Epochs in a row in which it must hold.

    References
    ----------
    .. [1] Nocedal and Wright (2006), Numerical optimization, section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> how = {"penalty": None, "batch_size": "full", "learning_rate": "constant", "eta0": 0.5}
    >>> est = SGDRegressor(stopping=GradientNorm(tol=1e-6), **how).fit(X, X @ [1.0, -2.0])
    >>> est.stop_reason_, bool(est.history_["gradient_norm"][-1] <= 1e-6)
    ('gradient', True)
    """

    name, needs = "gradient", "gradient_norm"

    def __init__(self, tol: float = 1e-4, patience: int = 1) -> None:
        super().__init__(tol, patience)


class ParameterChange(Stopping):
    """Weights and intercepts have moved by little since the last epoch.

    With ``p_k`` the weights and intercepts at the end of epoch k, and ``p_0`` the start, in 2-norms:

    - ``|p_k - p_{k-1}| <= tol |p_k|`` (the default), `change` in `history_`;
    - ``|p_k - p_{k-1}| <= tol`` (relative=False), `step_length` in `history_`: the rule of textbooks [1]_.

    With standardize=True it is about the weights of the standardised columns.

    Parameters
    ----------
    tol : float >= 0, default=1e-4
    patience : int >= 1, default=1
        Epochs in a row in which it must hold.
    relative : bool, default=True
        Whether `tol` is a share of the norm of weights and intercepts.

    References
    ----------
    .. [1] Bertsekas (2016), Nonlinear programming, section 1.2.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsgd import SGDRegressor
    >>> X = np.random.default_rng(0).standard_normal((200, 2))
    >>> how = {"penalty": None, "batch_size": "full", "learning_rate": "constant", "eta0": 0.5}
    >>> est = SGDRegressor(stopping=ParameterChange(tol=1e-6, relative=False), **how).fit(X, X @ [100.0, -200.0])
    >>> est.stop_reason_, (est.history_["step_length"][-2:] <= 1e-6).tolist()
    ('parameters', [False, True])
    """

    name, needs = "parameters", "change"
    params = ("tol", "patience", "relative")
    relative: bool

    def __init__(self, tol: float = 1e-4, patience: int = 1, relative: bool = True) -> None:
        super().__init__(tol, patience)
        self._flag("relative", relative)
        self.needs = "change" if relative else "step_length"


STOPPING: dict[str, type[Stopping]] = {cls.name: cls for cls in (Objective, Validation, GradientNorm, ParameterChange)}


def get(
    stopping: str | Stopping | Sequence[str | Stopping], tol: float | None = None, patience: int | None = None
) -> list[Stopping]:
    """Fresh rules of what the user gives: a name, an object, or a list of them.

    Parameters
    ----------
    stopping : str, Stopping, or list of them
    tol : float or None, default=None
        Goes to the rules that are given by name; None leaves them theirs.
    patience : int or None, default=None
        Goes to "objective" and "validation" that are given by name; None leaves them theirs.

    Returns
    -------
    list of Stopping

    Raises
    ------
    ValueError
        One of them is no rule.

    Examples
    --------
    >>> get(["gradient", Objective(0.1)], tol=0.5, patience=3)
    [GradientNorm(tol=0.5, patience=1), Objective(tol=0.1, patience=5, absolute=False)]
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
