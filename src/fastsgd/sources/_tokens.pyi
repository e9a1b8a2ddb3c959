from typing import Any

import numpy as np
from numpy.typing import NDArray

def hash_tokens(
    prefix: bytes, ends: NDArray[Any], text: NDArray[np.uint8], n_features: int
) -> tuple[NDArray[np.int32], NDArray[np.int8]]: ...
def hash_token(prefix: bytes, word: bytes, n_features: int) -> tuple[int, int]: ...
def csr_rows(
    dense: NDArray[Any], pieces: list[Any]
) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32], bool]: ...
