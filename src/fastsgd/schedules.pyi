from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsgd.losses import Loss

__all__ = [
    "PA1",
    "PA2",
    "Adaptive",
    "Auto",
    "Constant",
    "Cosine",
    "Custom",
    "Exponential",
    "InvScaling",
    "OneCycle",
    "Optimal",
    "Schedule",
    "Step",
    "get",
]

class Schedule:
    name: ClassVar[str | None]
    params: ClassVar[tuple[str, ...]]
    pa: ClassVar[int]
    feedback: ClassVar[bool]
    auto: ClassVar[bool]
    needs: ClassVar[tuple[str, ...]]
    has_eta0: ClassVar[bool]
    tabled: ClassVar[bool]
    @property
    def numbers(self) -> NDArray[np.float64]: ...
    def differs_in_numbers(self, other: Schedule) -> bool: ...
    def bind(
        self,
        *,
        eta0: float | None = None,
        alpha: float | None = None,
        power_t: float | None = None,
        loss: Loss | None = None,
        pass_rows: int | None = None,
        passes: int | None = None,
        batch_size: float = 1,
    ) -> Self: ...
    def __call__(self, t: ArrayLike) -> NDArray[np.float64]: ...
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Self: ...

class Constant(Schedule): ...
class Optimal(Schedule): ...
class InvScaling(Schedule): ...
class Adaptive(Schedule): ...
class PA1(Schedule): ...
class PA2(Schedule): ...
class Auto(Schedule): ...

class Exponential(Schedule):
    decay: float
    pass_rows: int | None
    def __init__(self, decay: float = 0.9, pass_rows: int | None = None) -> None: ...

class Step(Schedule):
    factor: float
    every: float
    pass_rows: int | None
    def __init__(self, factor: float = 0.1, every: float = 10, pass_rows: int | None = None) -> None: ...

class Cosine(Schedule):
    warmup: float
    eta_min: float
    passes: int | None
    pass_rows: int | None
    def __init__(
        self, warmup: float = 0.05, eta_min: float = 0.0, passes: int | None = None, pass_rows: int | None = None
    ) -> None: ...

class OneCycle(Schedule):
    rise: float
    div: float
    final_div: float
    passes: int | None
    pass_rows: int | None
    def __init__(
        self,
        rise: float = 0.3,
        div: float = 25.0,
        final_div: float = 1e4,
        passes: int | None = None,
        pass_rows: int | None = None,
    ) -> None: ...

class Custom(Schedule):
    function: Callable[[int], float]
    def __init__(self, function: Callable[[int], float]) -> None: ...
    def sizes(self, first: float, n: int, stride: int = 1) -> NDArray[np.float64]: ...

SCHEDULES: dict[str, type[Schedule]]

def get(schedule: str | Schedule | Callable[[int], float]) -> Schedule: ...
