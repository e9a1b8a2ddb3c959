"""How a model that was found elsewhere becomes the one from which learning_rate="auto" goes on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsgd.auto import HEAD
from fastsgd.auto_softmax import MEAN
from fastsgd.state import State


def put(state: State, W: NDArray[Any], b: NDArray[Any]) -> None:
    """After the first pass, have weights (n_features, K) and intercepts (K,) in units of X take the place of the model's.

    Each becomes its own average, and owes no penalty. What is known of columns and curvatures stays, so that the rows to come
    move the weights as far as they would have moved the model's.
    """
    auto, K = state.auto, len(b)
    state.begin_again()
    if auto.records is not None:  # CSR, each class by itself
        columns, by = auto.centre
        auto.go_on_from(W, b + by @ W[columns])
        return
    if auto.sparse:  # classes together, in units of X
        mean, unit = auto.columns[:, MEAN], 1.0
    else:
        mean, _, r = auto.columns
        unit = np.divide(1.0, r, out=np.zeros(len(r)), where=r > 0)[:, None]
        auto.heads[:, HEAD["owed"]], auto.at["last"] = 0.0, auto.at["recent"]
        auto.second = auto.curvatures = auto.origin = None  # Newton's steps, if there were any: the first rule goes on.
    for weights, intercepts in (("W", "b"), ("A", "b_avg"), ("m", "mb"), ("v", "vb")):
        if (
            getattr(state, weights) is not None
        ):  # Of classes together m and v are the weights and the average of the second rule.
            getattr(state, weights)[:, :K] = W * unit
            getattr(state, intercepts)[:] = b + mean @ W
