"""What callbacks are given; and scikit-learn's callback protocol, where this scikit-learn has it."""

import numpy as np

from fastsgd import engine

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLER = 5  # stacklevel of a warning in `_warn`, so that it shows the user's line
except ImportError:  # before, plain callables are all there is

    class CallbackSupportMixin:
        """No callback protocol in this scikit-learn."""

    def with_callbacks(method):
        return method

    CALLER = 4


class Progress:
    """What a callable of `callbacks` is given at the end of each epoch.

    Attributes
    ----------
    epoch : int
        Epochs done.
    history : structured array
        As `history_`, so far.
    estimator : estimator
        A fitted copy, as `fit` would return it now; made when asked for.
    """

    def __init__(self, fitted, epochs, columns=engine.HISTORY):
        self.epoch, self._fitted, self._epochs, self._columns = len(epochs), fitted, epochs, columns

    @property
    def history(self):
        return np.array(self._epochs, self._columns)

    @property
    def estimator(self):
        return self._fitted()


def callables(given):
    """The parameter `callbacks` as a list."""
    given = [] if given is None else [given] if callable(given) else list(given)
    for f in given:
        if not callable(f):
            raise ValueError(
                f"callbacks must be callables f(progress), found {f!r}; scikit-learn's go to set_callbacks."
            )
    return given


def checkpoints(given):
    """(each `Checkpoint` in the parameter `callbacks`, the rest of it)."""
    given = [given] if _is_checkpoint(given) or callable(given) else given
    if given is None:
        return [], None
    return [one for one in given if _is_checkpoint(one)], [one for one in given if not _is_checkpoint(one)]


def _is_checkpoint(one):
    return hasattr(one, "every_seconds")
