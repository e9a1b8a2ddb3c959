from typing import Any

from numpy.typing import NDArray

def fill(out: NDArray[Any], columns: list[Any], places: list[int]) -> None: ...
