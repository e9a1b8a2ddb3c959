"""One BLAS thread while anybody is solving: waking more takes longer than it saves, and they might add in another order.

How many BLAS has is a number of the process. So the first of those who are at it at once sets it, and the last puts back what
it was.
"""

import os
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import ThreadpoolController


class _Limit:
    """The limit of this process, and who needs it."""

    def __init__(self):
        self.users, self.limiter, self.lock = set(), None, Lock()

    def enter(self, user):
        with self.lock:
            self.users.add(user)
            if self.limiter is None:
                self.limiter = _blas().limit(limits=1, user_api="blas")

    def leave(self, user):
        with self.lock:
            self.users.discard(user)
            if not self.users and self.limiter is not None:
                self.limiter.restore_original_limits()
                self.limiter = None

    def forget(self):
        """In the child of a fork nobody is at it, and the lock may be held for ever."""
        self.users, self.lock = set(), Lock()


_limit = _Limit()


@contextmanager
def one_blas_thread():
    """As a context; also in several threads at once."""
    user = object()
    try:
        _limit.enter(user)
        yield
    finally:
        _limit.leave(user)


@cache
def _blas():
    return ThreadpoolController()  # It looks through all loaded libraries, which is done only once.


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_limit.forget)
