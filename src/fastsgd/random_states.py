"""`random_state`, as scikit-learn's users give it, for what draws by NumPy's generators."""

from typing import Any

import numpy as np


def generator(random_state: Any) -> np.random.Generator:
    """The generator of a random_state: a whole number of at least 0, None, a Generator (itself) or a RandomState.

    Raises
    ------
    ValueError
        It is none of these.

    Examples
    --------
    >>> bool(generator(0).random() == generator(0).random())
    True
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    seed = random_state.randint(2**31) if isinstance(random_state, np.random.RandomState) else random_state
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(
            f"random_state must be a whole number of at least 0, a Generator, a RandomState or None, found {random_state!r}."
        ) from None
