"""An estimator is fitted to what was done, or as it was; never half of each."""

import functools


def or_unchanged(method):
    """Have a method that raises before anything was published leave the estimator as it was before the call."""

    @functools.wraps(method)
    def guarded(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            # coef_ may be changed where it is, and then _published is new
            if all(vars(self).get(name) is before.get(name) for name in ("_published", "coef_")):
                vars(self).clear()
                vars(self).update(before)
            raise

    return guarded
