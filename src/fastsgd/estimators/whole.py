"""An estimator is fitted to what was done, or as it was; never half of each."""

import functools

from fastsgd.estimators.guard import one_at_a_time


def or_unchanged(method):
    """Have a method that raises before anything was published leave the estimator as it was before the call."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # of SGD a new state is published with all that follows from it, coef_ maybe where it was
            if all(vars(self).get(name) is before.get(name) for name in ("_state", "coef_")):
                vars(self).clear()
                vars(self).update(before)
            raise

    return one_at_a_time(guarded)
