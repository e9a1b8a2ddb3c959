"""What callbacks are given; and scikit-learn's callback protocol, where this scikit-learn has it."""

from typing import cast

import numpy as np

from fastsgd.estimators.hints import Method
from fastsgd.persist.checkpoint import Checkpoint

try:  # scikit-learn 1.9
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as prepared
except ImportError:  # before, plain callables are all there is

    class CallbackSupportMixin:
        """No callback protocol in this scikit-learn."""

    def prepared(method):
        return method


def with_callbacks(method: Method) -> Method:
    """scikit-learn's decorator of `fit`, where it has one."""
    return cast(Method, prepared(method))


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
        As `history_`, so far; read-only, without a copy.
    estimator : estimator
        A fitted copy, as `fit` would return it now; made when asked for.
    """

    def __init__(self, fitted, epoch, history, rows=0, loss=np.nan):
        self.epoch, self._fitted, self._history, self.rows, self.loss = epoch, fitted, history, rows, loss

    @property
    def history(self):
        return self._history()

    @property
    def estimator(self):
        return self._fitted()


def announced(est, epochs, X, y, metadata, attributes):
    """Tell scikit-learn's callbacks of a fit that begins; None where there are none.

    Parameters
    ----------
    est : estimator
    epochs : int or None
        At the most; None where that is not known.
    X, y, metadata
        What they are given, as they ask for it.
    attributes : callable
        Gives the fitted attributes of the moment, from which a fitted copy is made for them.

    Returns
    -------
    (callable, callable) or None
        epoch(attributes) -> stop, for the end of each epoch; and end().
    """
    if not getattr(est, "_skl_callbacks", None) and not hasattr(est, "_parent_callback_ctx"):
        return None
    what = {"estimator": est, "X": X, "y": y, "metadata": metadata, "reconstruction_attributes": attributes}
    root = est._init_callback_context(max_subtasks=epochs).call_on_fit_task_begin(**what)

    def epoch(attributes):
        then = what | {"reconstruction_attributes": attributes}
        return root.subcontext(task_name="epoch").call_on_fit_task_begin(**then).call_on_fit_task_end(**then)

    return epoch, lambda: root.call_on_fit_task_end(**what)


def listed(given, between=True):
    """The parameter `callbacks` as a list, checked; without `between`, callables are all it may hold."""

    def is_one(one):
        ours = isinstance(one, Checkpoint) or hasattr(one, "between")
        a_class = isinstance(one, type) and (ours or issubclass(one, Checkpoint))
        return (between or not ours) and (callable(one) or ours) and not a_class

    given = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    for one in given:
        if not is_one(one):
            more = "" if between else ", and not checkpoints, which only the SGD estimators write"
            raise ValueError(
                f"callbacks must be callables f(progress){more}, found {one!r}; scikit-learn's go to set_callbacks."
            )
    return given


def callables(given):
    """Those that are called at the end of each epoch."""
    return [one for one in listed(given) if callable(one) and not isinstance(one, Checkpoint)]


def watchers(given):
    """The methods that are called after each kernel call."""
    return [one.between for one in listed(given) if hasattr(one, "between") and not isinstance(one, Checkpoint)]


def stops(answer):
    """Whether what a callback returned ends the fit: True does, and nothing else. Many functions return a number to nobody."""
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def checkpoints(given):
    """Each `Checkpoint` among them."""
    return [one for one in listed(given) if isinstance(one, Checkpoint)]
