from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FAULTS: tuple[str, ...]

def newlines(text: NDArray[np.uint8]) -> int: ...
def fill(
    text: NDArray[np.uint8],
    base: int,
    limit: int,
    skip: bool,
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    y: NDArray[np.float64],
) -> tuple[int, int, int, int, int, int]: ...
def parse(
    text: NDArray[np.uint8], base: int, limit: int, skip: bool, dtype: DTypeLike, index_dtype: DTypeLike
) -> tuple[Any, ...]: ...
