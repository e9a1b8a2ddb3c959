"""The validation set: given by the user, or split off."""

import numpy as np
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit


def split(n, fraction, random_state, labels=None, weight=None):
    """Row numbers of (training, validation), each sorted; stratified where there are labels.

    Raises
    ------
    ValueError
        A part is empty, or all weights of the validation part are zero.
    """
    splitter = (ShuffleSplit if labels is None else StratifiedShuffleSplit)(
        1, test_size=fraction, random_state=random_state
    )
    train, val = next(splitter.split(np.zeros((n, 1)), labels))
    if weight is not None and not np.any(weight[val]):
        raise ValueError("The sample weights for validation set are all zero, consider using a different random state.")
    if not len(train) or not len(val):
        raise ValueError(
            f"Splitting {n} samples into a train set and a validation set with validation_fraction={fraction!r} led to an "
            f"empty set ({len(train)} and {len(val)} samples). Please either change validation_fraction, increase number of "
            "samples, or disable early_stopping."
        )
    return np.sort(train), np.sort(val)
