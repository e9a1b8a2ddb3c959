"""`coef_` and the intercepts as users see them: made when they are asked for, and what users put there is noticed."""

import os
import threading
import weakref

import numpy as np

from fastsgd import engine
from fastsgd.estimators.for_prediction import missing
from fastsgd.sources._check import same_bytes

_locks = weakref.WeakSet()


def _free_locks():
    """A thread that held one is not there in a child process."""
    for lock in list(_locks):
        lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_locks)


class Published:
    """How the coefficients and intercepts of an estimator stand to its state.

    While an attribute is not in the estimator's `__dict__`, nobody can have edited it, and nothing need be compared. Once
    users ask, they get a copy of the model. A later call of partial_fit compares it with the model, and takes it out again;
    if users still hold the array, it then gets the new values.

    Attributes
    ----------
    lock : RLock
        Held while the state changes, while the model is made of it, and while attributes come and go.
    model : (coef, intercept) or None
        What follows from the state, None until somebody asks. Nobody writes to these arrays.
    plan : Plan or None
        By which the model follows from the state. Without a plan and a model it is not known what training has put there, as
        in files of old versions.
    given : dict
        Of an attribute that was taken out: what gives its array, or None once nobody holds it.
    ready : in_place.Ready or None
        Nobody but the estimator has its state, which can be trained where it is.
    """

    def __init__(self, lock=None, model=None, plan=None, given=(), ready=None):
        if lock is None:
            lock = threading.RLock()
            _locks.add(lock)
        self.lock, self.model, self.plan, self.given, self.ready = lock, model, plan, dict(given), ready

    @property
    def known(self):
        """Whether it can be told what training has put into the attributes."""
        return self.model is not None or self.plan is not None

    def values(self, est):
        """The model, or None where it is not known."""
        if self.model is None and self.plan is not None:
            try:
                found = est._publish(engine.Moment(est._state, self.plan))
            except engine.Diverged:
                raise ValueError(
                    "Floating-point under-/overflow: in the units of X the coefficients or intercepts are not finite. Scale X."
                ) from None
            self.model = tuple(found[name] for name in est._names)
        return self.model

    def give(self, est, *names):
        """Put these attributes into the estimator where they are not there, in the arrays that users hold."""
        own = vars(est)
        for name in names:
            if name not in own:
                value, there = self.values(est)[est._names.index(name)], self.given.get(name, _nothing)()
                if there is None or there.shape != value.shape or there.dtype != value.dtype:
                    there = value.copy()
                else:
                    there[...] = value
                own[name] = there
                self.given.pop(name, None)

    def remember(self, est):
        """Know again the arrays that are in the attributes, as long as users hold them."""
        own = vars(est)
        self.given.update({name: _holder(own[name]) for name in est._names if name in own})

    def take_out(self, est):
        """The attributes follow from the state again."""
        own = vars(est)
        for name in est._names:
            own.pop(name, None)

    def held(self):
        """The attributes that were taken out, and of which users hold the array."""
        return [name for name, get in self.given.items() if get() is not None]


def _nothing():
    return None


def _holder(array):
    """What gives this array as long as somebody else holds it or a view of it; None where new values can't go there."""
    if type(array) is not np.ndarray or not array.flags.writeable:
        return _nothing
    if isinstance(array.base, np.ndarray):  # views of it hold the base, and not it
        return lambda: array
    return weakref.ref(array)


class Attribute:
    """An attribute that is made of the state when it is asked for; from then on it is in the estimator's `__dict__`."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, est, cls=None):
        if est is None:
            return self
        published = vars(est).get("_published")
        if published is None or not published.known:
            raise missing(est, self.name)
        with published.lock:
            vars(est)["_published"].give(est, self.name)  # by now it may be that of another state
            return vars(est)[self.name]


class FromState:
    """An attribute that is read off the state each time; missing where the state does not have it."""

    def __init__(self, read):
        self.read = read

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, est, cls=None):
        if est is None:
            return self
        state = vars(est).get("_state")
        found = None if state is None else self.read(state)
        if found is None:
            raise missing(est, self.name)
        return found


def same(values, model):
    """Whether an attribute has the values of the model: bit for bit, if it is an array."""
    if not isinstance(values, np.ndarray):
        values = values.toarray() if hasattr(values, "toarray") else values
        try:
            return np.array_equal(np.ravel(values), model.ravel())
        except (ValueError, TypeError):
            return False
    if values.flags.c_contiguous:
        return values.nbytes == model.nbytes and same_bytes(values, model)
    return values.tobytes() == model.tobytes()
