"""An estimator is fitted to what was done, or as it was; never half of each."""

import functools
import threading


class _Fitting(threading.local):
    """`ids`: the estimators of which a call is under way in this thread."""

    def __init__(self):
        self.ids = set()


_fitting = _Fitting()


def or_unchanged(method):
    """Have a method that raises before anything was published leave the estimator as it was before the call.

    A callback that calls it on the very estimator is refused: the two calls would overwrite each other.
    """

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        ids = _fitting.ids
        if id(self) in ids:
            raise RuntimeError(
                f"{method.__name__} was called on this {type(self).__name__} while it is being fitted, by a callback or a "
                "scorer: call it on a copy, such as progress.estimator or sklearn.base.clone(estimator)."
            )
        before = vars(self).copy()
        try:
            ids.add(id(self))
            out = method(self, *args, **kwargs)
            ids.discard(id(self))  # here too, as an exception of a signal's handler may come before the one below
            return out
        except BaseException:
            # of SGD a new state is published with all that follows from it, coef_ maybe where it was
            if all(vars(self).get(name) is before.get(name) for name in ("_state", "coef_")):
                vars(self).clear()
                vars(self).update(before)
            raise
        finally:
            ids.discard(id(self))

    return guarded
