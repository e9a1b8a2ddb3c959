from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

_Numbers: TypeAlias = NDArray[np.float64]

def dense_rows(X: NDArray[Any], rows: NDArray[np.int64], centre: _Numbers, inverse: _Numbers) -> NDArray[Any]: ...
def dense_rows_each(
    X: NDArray[Any], rows: NDArray[np.int64], ends: NDArray[np.int64], centre: _Numbers, inverse: _Numbers
) -> NDArray[Any]: ...
def csr_rows_each(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    rows: NDArray[np.int64],
    ends: NDArray[np.int64],
    inverse: _Numbers,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def csr_rows(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], rows: NDArray[np.int64], inverse: _Numbers
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]: ...
def dense_moments(
    X: NDArray[Any],
    rows: NDArray[np.int64] | None,
    first: int,
    n: int,
    s: _Numbers | None,
    block: int,
    shift: _Numbers,
    total: _Numbers,
    mean: _Numbers,
    squares: _Numbers,
) -> None: ...
def csr_sums(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    rows: NDArray[np.int64] | None,
    first: int,
    n: int,
    s: _Numbers | None,
    total: _Numbers,
    sums: _Numbers,
) -> None: ...
def csr_squares(
    data: NDArray[Any],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    rows: NDArray[np.int64] | None,
    first: int,
    n: int,
    s: _Numbers | None,
    mean: _Numbers,
    sums: _Numbers,
) -> None: ...
