"""When to stop: decisions at the end of an epoch."""

import numpy as np


class Plateau:
    """Stop when a value has not fallen by more than `tol` below the best for `patience` epochs in a row.

    Parameters
    ----------
    tol : float
    patience : int

    >>> rule = Plateau(tol=0.1, patience=2)
    >>> [rule.over(v) for v in (1.0, 0.5, 0.45, 0.44)]
    [False, False, False, True]
    """

    def __init__(self, tol, patience):
        self.tol, self.patience = tol, patience
        self.best, self.waited, self.improved = np.inf, 0, False

    def over(self, value):
        """Take the value of one more epoch (less is better); say whether to stop."""
        self.waited = self.waited + 1 if value > self.best - self.tol else 0
        self.improved = value < self.best
        self.best = min(self.best, value)
        return self.waited >= self.patience

    def again(self):
        """Count from zero, as when the step size was cut."""
        self.waited = 0
