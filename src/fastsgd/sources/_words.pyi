from typing import Any

import numpy as np
from numpy.typing import NDArray

def count_words(
    ends: NDArray[Any],
    text: NDArray[np.uint8],
    analyzer: str = "word",
    ngram_range: tuple[int, int] = (1, 1),
    lowercase: bool = True,
    n_features: int = ...,
    alternate_sign: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]: ...
def weigh(
    starts: NDArray[np.int64],
    index: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[Any],
    unit: bool,
    out: NDArray[Any],
) -> None: ...
def count_texts(index: NDArray[np.int32], totals: NDArray[np.int64]) -> None: ...
