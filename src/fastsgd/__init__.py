"""Linear and logistic models by stochastic gradient descent, on data of any size, at compiled speed."""

import importlib
from typing import TYPE_CHECKING, Any

from fastsgd._version import __version__ as __version__

if TYPE_CHECKING:
    from fastsgd import inspection, losses, optimizers, schedules, sources, stopping
    from fastsgd.any_function import minimize
    from fastsgd.diagnosis import diagnose
    from fastsgd.estimators import (
        LinearClassifier,
        LinearClassifierCV,
        LinearRegressor,
        LinearRegressorCV,
        SGDClassifier,
        SGDClassifierCV,
        SGDOneClassSVM,
        SGDRegressor,
        SGDRegressorCV,
    )
    from fastsgd.persist import Checkpoint, load

__all__ = [
    "Checkpoint",
    "LinearClassifier",
    "LinearClassifierCV",
    "LinearRegressor",
    "LinearRegressorCV",
    "SGDClassifier",
    "SGDClassifierCV",
    "SGDOneClassSVM",
    "SGDRegressor",
    "SGDRegressorCV",
    "diagnose",
    "inspection",
    "load",
    "losses",
    "minimize",
    "optimizers",
    "schedules",
    "sources",
    "stopping",
]
MODULE_OF = {"Checkpoint": "persist", "diagnose": "diagnosis", "load": "persist", "minimize": "any_function"}
MODULES = "diagnosis", "estimators", "inspection", "losses", "optimizers", "persist", "schedules", "sources", "stopping"


def __getattr__(name: str) -> Any:
    """A name of the package, which is loaded when it is asked for: so the command can say its version and help at once."""
    if name in MODULES:
        return importlib.import_module(f"fastsgd.{name}")
    if name not in __all__:
        raise AttributeError(f"module 'fastsgd' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"fastsgd.{MODULE_OF.get(name, 'estimators')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *MODULES})
