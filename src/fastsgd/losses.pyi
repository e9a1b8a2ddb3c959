from collections.abc import Callable
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import LowLevelCallable

from fastsgd.loss_check import LossReport as LossReport
from fastsgd.loss_check import check_loss as check_loss

__all__ = [
    "Cauchy",
    "Coupled",
    "CrammerSinger",
    "Custom",
    "EpsilonInsensitive",
    "Gamma",
    "Hinge",
    "Huber",
    "LogLoss",
    "Loss",
    "LossReport",
    "ModifiedHuber",
    "Perceptron",
    "Poisson",
    "Quantile",
    "Sigmoid",
    "Softmax",
    "SquaredEpsilonInsensitive",
    "SquaredError",
    "SquaredHinge",
    "TukeyBiweight",
    "Welsch",
    "check_loss",
    "get",
]

_Numbers: TypeAlias = NDArray[np.float64]

class Loss:
    name: ClassVar[str | None]
    task: ClassVar[tuple[str, ...]]
    params: ClassVar[tuple[str, ...]]
    negative: ClassVar[float]
    lower: ClassVar[float]
    strict: ClassVar[bool]
    greatest: ClassVar[tuple[float, float]]
    convex: bool
    smooth: bool
    curvature: ClassVar[float]
    span: ClassVar[float]
    residual: ClassVar[bool]
    coupled: ClassVar[bool]
    log_odds: ClassVar[bool]
    probabilities: ClassVar[bool]
    solved: ClassVar[tuple[str, ...]]
    solved_with_l1: ClassVar[bool]
    dispersion: ClassVar[float | None]
    passive_aggressive: ClassVar[tuple[str, ...]]
    def value(self, p: ArrayLike, y: ArrayLike) -> _Numbers: ...
    def slope(self, p: ArrayLike, y: ArrayLike) -> _Numbers: ...
    def implicit(self, z: ArrayLike, s: ArrayLike, y: ArrayLike) -> _Numbers: ...
    def conjugate(self, u: ArrayLike, y: ArrayLike) -> _Numbers: ...
    def both(self, p: ArrayLike, y: ArrayLike) -> tuple[_Numbers, _Numbers]: ...
    least_value: ClassVar[float]
    steepest: ClassVar[float]
    quadratic: ClassVar[bool]
    scarce: ClassVar[bool]
    dead_zone: float
    @property
    def usual_curvature(self) -> float: ...
    def mean(self, p: ArrayLike) -> ArrayLike: ...
    def offers(self, name: str) -> bool: ...
    @property
    def by_mean(self) -> bool: ...
    def constant_of_mean(self, mean: ArrayLike, n: ArrayLike) -> _Numbers: ...
    def second(self, slope: _Numbers, y: _Numbers) -> _Numbers: ...
    def information(self, slope: _Numbers, y: _Numbers) -> _Numbers: ...
    def pieces(self, y: _Numbers) -> list[tuple[_Numbers, float, _Numbers | float, _Numbers | float]]: ...
    def constant(self, y: _Numbers) -> float: ...
    def get_params(self, deep: bool = True) -> dict[str, Any]: ...
    def set_params(self, **params: Any) -> Self: ...

class Hinge(Loss): ...
class Perceptron(Loss): ...
class LogLoss(Loss): ...
class ModifiedHuber(Loss): ...
class SquaredHinge(Loss): ...
class SquaredError(Loss): ...

class Huber(Loss):
    epsilon: float
    def __init__(self, epsilon: float = 0.1) -> None: ...

class EpsilonInsensitive(Loss):
    epsilon: float
    def __init__(self, epsilon: float = 0.1) -> None: ...

class SquaredEpsilonInsensitive(Loss):
    epsilon: float
    def __init__(self, epsilon: float = 0.1) -> None: ...

class Quantile(Loss):
    quantile: float
    def __init__(self, quantile: float = 0.5) -> None: ...

class Poisson(Loss): ...
class Gamma(Loss): ...

class TukeyBiweight(Loss):
    c: float
    def __init__(self, c: float = 4.685) -> None: ...

class Cauchy(Loss):
    c: float
    def __init__(self, c: float = 2.385) -> None: ...

class Welsch(Loss):
    c: float
    def __init__(self, c: float = 2.985) -> None: ...

class Sigmoid(Loss): ...

class Coupled(Loss):
    binary: ClassVar[str | None]

class Softmax(Coupled): ...
class CrammerSinger(Coupled): ...

class Custom(Loss):
    report: LossReport
    def __init__(
        self,
        value: Callable[..., float] | LowLevelCallable,
        slope: Callable[..., float] | LowLevelCallable,
        params: tuple[float, ...] = (),
    ) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    def __sklearn_clone__(self) -> Self: ...

LOSSES: dict[str, type[Loss]]
MULTICLASS: dict[str, type[Coupled]]

def get(loss: str | Loss, epsilon: float | None = None) -> Loss: ...
