"""The types in the signatures of sources."""

from collections.abc import Sequence
from os import PathLike
from typing import Literal, TypeAlias

Paths: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]
Shuffle: TypeAlias = bool | Literal["replace"]  # True: each row once, in a new order; "replace": drawn with replacement
