"""The compiled kernels: one build for each instruction set, chosen once, here.

FASTSGD_ISA=base or v3 in the environment overrides the choice.
"""

import os
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from fastsgd._kernels import _cpu

__all__ = ["isa", "kernels", "solve"]


def _choose() -> tuple[str, ModuleType]:
    wanted = os.environ.get("FASTSGD_ISA") or ("v3" if _cpu.has_v3() else "base")
    if wanted not in ("base", "v3"):
        raise ImportError(f"FASTSGD_ISA must be base or v3, found {wanted!r}.")
    try:
        return wanted, import_module(f"fastsgd._kernels.{wanted}")
    except ModuleNotFoundError:  # no such build for this platform or compiler
        return "base", import_module("fastsgd._kernels.base")


isa, kernels = _choose()
solve = import_module(f"fastsgd._kernels.solve_{isa}")
if TYPE_CHECKING:  # all builds have the same functions
    from fastsgd._kernels import base as kernels
    from fastsgd._kernels import solve_base as solve
