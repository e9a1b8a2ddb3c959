"""What was given to `fit`, as long as somebody else keeps it."""

import weakref

from numpy import isscalar


class FitData:
    """Weak references to X, y and sample_weight of the last fit: they keep nothing alive, and are not saved.

    Parameters
    ----------
    *given
        X, y, sample_weight; nothing where there was no fit, or where the model was loaded.
    """

    def __init__(self, *given):
        self._refs = [_reference(one) for one in given]

    def get(self):
        """(X, y, sample_weight), or ValueError."""
        found = [ref() for ref in self._refs]
        if not found or any(one is _GONE for one in found):
            raise ValueError(
                "the rows of the fit are not kept with the model, and what was passed to fit is no longer there"
                f"{'' if self._refs else ', or the model was loaded or copied'}: pass X=, y= and sample_weight= as in fit."
            )
        return found


_GONE = object()


def _reference(given):
    """What gives it as long as it is there, and then _GONE."""
    if given is None or isscalar(given):
        return lambda: given
    try:
        ref = weakref.ref(given)
    except TypeError:  # such as a list
        return lambda: _GONE

    def get():
        found = ref()
        return _GONE if found is None else found

    return get
