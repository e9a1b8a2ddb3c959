"""What the features of a model are called."""

import numpy as np

from fastsgd.sources.base import Source
from fastsgd.sources.reading import as_in_fit, first_names


def names_of(est, places=None):
    """The names of the features at these places, or of all: those of fit, or as far as there are none x0, x1, ...

    Of a table whose words were hashed the columns of numbers, which come first, have names.
    """
    known = _known(est)
    places = range(est.n_features_in_) if places is None else places
    return [str(known[j]) if j < len(known) else f"x{j}" for j in map(int, places)]


def _known(est):
    """The names of the first features, or of all."""
    known = getattr(est, "feature_names_in_", None)
    return first_names(getattr(est, "reading_", {})) if known is None else known


def checked_names(est, given):
    """The names of all features that a user gives; ValueError where they are not as many."""
    names = np.asarray(given, dtype=object)
    if names.shape != (est.n_features_in_,):
        raise ValueError(
            f"feature_names must have a name for each of the {est.n_features_in_} features, found shape {names.shape}."
        )
    return names


def named_in(est, places, data=None, given=None):
    """(names, signs) of the features at these places: those given, or of hashed words those in the data, if these are a source.

    The sign is that with which the word of that name counts, by which its coefficient is to be multiplied.
    """
    if given is not None:
        return [str(given[j]) for j in places], np.ones(len(places))
    names, signs = names_of(est, places), np.ones(len(places))
    hashed = np.flatnonzero(places >= len(_known(est)))
    if len(hashed) and isinstance(data, Source):
        from fastsgd.sources.named import names_in

        found = names_in(as_in_fit(est, data), places[hashed])
        for i in hashed.tolist():
            names[i], signs[i] = found.called(int(places[i]), names[i])
    return names, signs
