"""An estimator is trained by one call at a time in each thread."""

import functools
import threading
from typing import cast

from fastsgd.estimators.hints import Method


class _Training(threading.local):
    """`ids`: the estimators of which a call is under way in this thread."""

    def __init__(self):
        self.ids = set()


_training = _Training()


def one_at_a_time(method: Method) -> Method:
    """Refuse a call that comes out of another call on the very estimator: the two would overwrite each other."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        ids, own = _training.ids, id(self)
        if own in ids:
            raise RuntimeError(
                f"{method.__name__} was called on this {type(self).__name__} while it is being fitted, by a callback or a "
                "scorer: call it on a copy, such as progress.estimator or sklearn.base.clone(estimator)."
            )
        try:
            ids.add(own)
            out = method(self, *args, **kwargs)
            ids.discard(own)  # here too, as an exception of a signal's handler may come before the one below
            return out
        finally:
            ids.discard(own)

    return cast(Method, guarded)
