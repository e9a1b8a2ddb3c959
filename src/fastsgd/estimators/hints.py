"""The types in the signatures of estimators."""

from collections.abc import Callable
from os import PathLike
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastsgd.sources import Source
from fastsgd.sources.hints import Shuffle as Shuffle

Data: TypeAlias = (
    ArrayLike | Source | Any
)  # Any: sparse matrices of SciPy and tables of pandas have no hints of their own
Labels: TypeAlias = ArrayLike | str | int | Any | None  # of segments: the labels, or which column holds them
Path: TypeAlias = str | PathLike[str]
RandomState: TypeAlias = int | np.random.RandomState | None
Method = TypeVar("Method", bound=Callable[..., Any])  # of decorators that leave a signature as it is
