from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

INT32: np.dtype[np.int32]
INT64: np.dtype[np.int64]
SPARE: float

def hash_tokens(
    prefix: bytes, ends: NDArray[Any], text: NDArray[np.uint8], n_features: int
) -> tuple[NDArray[np.int32], NDArray[np.int8]]: ...
def hash_token(prefix: bytes, word: bytes, n_features: int) -> tuple[int, int]: ...
def usable(a: Any, dtype: np.dtype[Any]) -> NDArray[Any]: ...
def csr_rows(
    dense: NDArray[Any], pieces: list[Any], empty: Callable[..., NDArray[Any]] = ...
) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32], bool]: ...
