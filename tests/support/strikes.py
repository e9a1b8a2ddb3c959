"""Exceptions at any moment of a call, as of a signal's handler; and whether an estimator is then in step with its state."""

import sys

import numpy as np

from fastsgd import SGDOneClassSVM
from fastsgd.engine import Moment
from fastsgd.estimators import published


def intercept(est):
    return "offset_" if isinstance(est, SGDOneClassSVM) else "intercept_"


class Strike(Exception):
    pass


def struck(call, at):
    """Whether an exception, raised before the at-th line of the package that the call runs, came out of it."""
    left = at

    def trace(frame, event, arg):
        nonlocal left
        if "fastsgd" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise Strike
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    except Strike:
        return True
    finally:
        sys.settrace(before)
        for lock in list(published._locks):
            while lock._is_owned():  # a trace can strike between a `with` block and its end, which no signal can
                lock.release()
    return False


def in_step(est):
    """Whether attributes and state are of the same moment."""
    plan = est._plan(type("T", (), {"sparse": False, "n_rows": 1}), 1, True)
    right = est._publish(Moment(est._state, plan))
    return est.t_ == est._state.t and all(
        np.allclose(getattr(est, name), right[name], rtol=1e-12, atol=0) for name in ("coef_", intercept(est))
    )
