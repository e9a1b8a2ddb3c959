from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels.plan import SCALARS as SCALARS
from fastsgd.losses import Loss

_Numbers: TypeAlias = NDArray[np.float64]
_Rows: TypeAlias = Any  # an array, or a CSR matrix of SciPy
_Order: TypeAlias = Any  # `fastsgd.sources.arrays.Order`

def one_pass(
    X: _Rows,
    w: _Numbers | None,
    b: float,
    z: _Numbers,
    kind: int = 0,
    a: _Numbers | None = None,
    G: _Numbers | None = None,
    loss: Loss | None = None,
    y: _Numbers | None = None,
    c: _Numbers | None = None,
) -> tuple[float, float]: ...
def gram(
    X: NDArray[Any], centre: _Numbers, inverse: _Numbers, root: _Numbers, H: _Numbers, factor: float, tile: int
) -> None: ...
def squares(X: _Rows, centre: _Numbers, inverse: _Numbers, root: _Numbers, H: _Numbers) -> None: ...
def coordinate_sweeps(
    H: _Numbers, l1: _Numbers, enough: _Numbers, slope: _Numbers, v: _Numbers, sweeps: int
) -> bool: ...
def ascend(
    X: _Rows,
    order: _Order,
    table: _Numbers,
    l1: bool,
    mean: _Numbers,
    a: _Numbers,
    y: _Numbers,
    c: _Numbers | None,
    loss: Loss,
    b: float,
    per_b: float,
) -> tuple[float, float, float]: ...
def softmax_pass(
    X: _Rows,
    W: _Numbers,
    b: _Numbers,
    code: NDArray[np.int32] | None,
    y: _Numbers | None,
    c: _Numbers | None,
    P: _Numbers | None,
    G: _Numbers,
    sums: _Numbers,
    B: _Numbers | None = None,
) -> tuple[float, float]: ...
def softmax_ascend(
    X: _Rows,
    order: _Order,
    W: _Numbers,
    b: _Numbers,
    c: _Numbers | None,
    P: _Numbers,
    inverse: float,
    per_b: float,
) -> tuple[float, float]: ...
