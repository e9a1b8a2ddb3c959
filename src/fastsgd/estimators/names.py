"""What the features of a model are called."""

from fastsgd.sources.reading import names_of_numbers


def names_of(est, places=None):
    """The names of the features at these places, or of all: those of fit, or as far as there are none x0, x1, ...

    Of a table whose words were hashed the columns of numbers, which come first, have names.
    """
    known = getattr(est, "feature_names_in_", None)
    if known is None:
        known = names_of_numbers(getattr(est, "reading_", {}))
    places = range(est.n_features_in_) if places is None else places
    return [str(known[j]) if j < len(known) else f"x{j}" for j in map(int, places)]
