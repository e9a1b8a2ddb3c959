"""What callbacks are given; and scikit-learn's callback protocol, where this scikit-learn has it."""

import numpy as np

from fastsgd import engine

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLER = 6  # stacklevel of a warning in `_warn`, so that it shows the user's line
except ImportError:  # before, plain callables are all there is

    class CallbackSupportMixin:
        """No callback protocol in this scikit-learn."""

    def with_callbacks(method):
        return method

    CALLER = 5


class Progress:
    """What a callable of `callbacks` is given at the end of each epoch, and its method `between`, if it has one, between them.

    Attributes
    ----------
    epoch : int
        Epochs done.
    rows : int
        Rows done of the epoch that is under way.
    loss : float
        Their mean loss, each before its own step; NaN at the end of an epoch.
    history : structured array
        As `history_`, so far.
    estimator : estimator
        A fitted copy, as `fit` would return it now; made when asked for.
    """

    def __init__(self, fitted, epochs, columns=engine.HISTORY, rows=0, loss=np.nan):
        self.epoch, self._fitted, self._epochs, self._columns = len(epochs), fitted, epochs, columns
        self.rows, self.loss = rows, loss

    @property
    def history(self):
        return np.array(self._epochs, self._columns)

    @property
    def estimator(self):
        return self._fitted()


def listed(given, between=True):
    """The parameter `callbacks` as a list, checked; without `between`, callables are all it may hold."""

    def is_one(one):
        return callable(one) or (between and (_is_checkpoint(one) or hasattr(one, "between")))

    given = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    for one in given:
        if not is_one(one):
            others = "; scikit-learn's go to set_callbacks" if between else ""
            raise ValueError(f"callbacks must be callables f(progress), found {one!r}{others}.")
    return given


def callables(given):
    """Those that are called at the end of each epoch."""
    return [one for one in listed(given) if callable(one) and not _is_checkpoint(one)]


def watchers(given):
    """The methods that are called after each kernel call."""
    return [one.between for one in listed(given) if hasattr(one, "between") and not _is_checkpoint(one)]


def checkpoints(given):
    """Each `Checkpoint` among them."""
    return [one for one in listed(given) if _is_checkpoint(one)]


def _is_checkpoint(one):
    return hasattr(one, "every_seconds")
