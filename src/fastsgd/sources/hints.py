"""The types in the signatures of sources."""

from collections.abc import Sequence
from os import PathLike
from typing import TypeAlias

Paths: TypeAlias = str | PathLike[str] | Sequence[str | PathLike[str]]
