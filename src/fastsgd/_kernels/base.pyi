from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastsgd._kernels.plan import SCALARS as SCALARS
from fastsgd._kernels.plan import Compiled
from fastsgd.gathered import Gathered
from fastsgd.sources.arrays import Order, Target
from fastsgd.state import State

_Numbers: TypeAlias = NDArray[np.float64]
_Rows: TypeAlias = Any  # an array, or a CSR matrix of SciPy

CARRY_ROWS: int

def sweep(X: _Rows, order: Order, target: Target, state: State, plan: Compiled, sums: _Numbers) -> int: ...
def batches(
    X: _Rows,
    order: Order,
    target: Target,
    state: State,
    plan: Compiled,
    sums: _Numbers,
    gathered: Gathered | None,
    gather: bool = False,
    last: bool = False,
) -> int: ...
def many(X: _Rows, order: Order, target: Target, state: State, plan: Compiled, sums: _Numbers) -> int: ...
def auto(X: _Rows, order: Order, target: Target, state: State, plan: Compiled, sums: _Numbers) -> int: ...
def auto_softmax(X: _Rows, order: Order, target: Target, state: State, plan: Compiled, sums: _Numbers) -> int: ...
def total(
    X: _Rows, order: Order, target: Target, W: NDArray[Any], b: _Numbers, plan: Compiled, sums: _Numbers
) -> None: ...
def total_models(
    X: _Rows,
    order: Order,
    target: Target,
    W: NDArray[Any],
    b: _Numbers,
    plan: Compiled,
    sums: _Numbers,
    seed: int,
    held_out: bool,
) -> None: ...
def settle_weights(
    W: NDArray[Any], Q: NDArray[Any], at: NDArray[np.void], l1: float, l2: float, eta: float
) -> None: ...
def settle_models(W: NDArray[Any], Q: NDArray[Any], at: NDArray[np.void], plan: Compiled) -> None: ...
def sweep_each(
    X: _Rows,
    order: Order,
    target: Target,
    bank: Any,
    plan: Compiled,
    sums: _Numbers,
    which: NDArray[np.int64],
    ends: NDArray[np.int64],
    joined: NDArray[np.int8],
    fault: NDArray[np.int8],
) -> None: ...
def total_each(
    X: _Rows,
    order: Order,
    target: Target,
    W: NDArray[Any],
    b: _Numbers,
    plan: Compiled,
    sums: _Numbers,
    place: NDArray[np.int32],
) -> None: ...
def margins_each(X: _Rows, W: NDArray[Any], of: NDArray[np.int32], out: NDArray[Any]) -> None: ...
