from typing import Any

import numpy as np
from numpy.typing import NDArray

ANALYZERS: tuple[str, ...]

def count_words(
    ends: NDArray[Any], text: NDArray[np.uint8], **how: Any
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]: ...
def name_words(
    ends: NDArray[Any], text: NDArray[np.uint8], wanted: NDArray[np.uint8] | None = None, **how: Any
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]: ...
def weigh(
    starts: NDArray[np.int64],
    index: NDArray[np.int32],
    counts: NDArray[np.int32],
    weights: NDArray[Any],
    unit: bool,
    out: NDArray[Any],
) -> None: ...
def count_texts(index: NDArray[np.int32], totals: NDArray[np.int64]) -> None: ...
