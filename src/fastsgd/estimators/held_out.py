"""The validation set: given by the user, or split off."""

import copy

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state


def check(X_val, y_val, sample_weight_val):
    """Refuse targets and weights without rows, and weights of which none counts."""
    for name, given in {"y_val": y_val, "sample_weight_val": sample_weight_val}.items():
        if X_val is None and given is not None:
            raise ValueError(f"{name} is given without X_val: give both, or neither.")
    if sample_weight_val is not None and not np.any(sample_weight_val):
        raise ValueError("sample_weight_val must not be all zero: there is nothing to score.")


def shares(source, y, fraction, random_state):
    """(training rows, their Surveyed, validation set) of a source that is not in memory.

    Of each block this share is held out; classes need not be in the same proportion in both parts, as `split` has them.
    """
    from fastsgd.sources.shares import shares as parts_of  # Few fits need it.

    seed = int(check_random_state(random_state).randint(2**31))
    train, held = parts_of(source, fraction, seed)
    train.survey()
    y = copy.copy(y)
    y.n_rows = train.n_rows
    y.shape = (train.n_rows, *y.shape[1:])
    return train, y, (held, None, None)


def split(X, fraction, random_state, labels=None, weight=None):
    """Row numbers of (training, validation) of X, each sorted; stratified where there are labels.

    Raises
    ------
    ValueError
        A part is empty, or all weights of the validation part are zero.
    """
    n = X.shape[0]
    splitter = (ShuffleSplit if labels is None else StratifiedShuffleSplit)(
        1, test_size=fraction, random_state=random_state
    )
    try:
        train, val = next(splitter.split(np.zeros((n, 1)), labels))
    except ValueError as error:
        raise ValueError(
            f"early_stopping=True splits {fraction:.3g} of the {n} rows off, which can't be done: {error} Give the validation "
            "rows as X_val and y_val, or disable early_stopping."
        ) from error
    if weight is not None and not np.any(weight[val]):
        raise ValueError("The sample weights for validation set are all zero, consider using a different random state.")
    if not len(train) or not len(val):
        raise ValueError(
            f"Splitting {n} samples into a train set and a validation set with validation_fraction={fraction!r} led to an "
            f"empty set ({len(train)} and {len(val)} samples). Please either change validation_fraction, increase number of "
            "samples, or disable early_stopping."
        )
    return np.sort(train), np.sort(val)
