"""Looking at a training run, trying step sizes, and checking gradients."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastsgd.inspection.gradients import GradientCheck, check_gradient
from fastsgd.inspection.steps import StepSizes, step_sizes
from fastsgd.inspection.trace import plot_history

if TYPE_CHECKING:
    from fastsgd.inspection.coefficient_display import CoefficientDisplay
    from fastsgd.inspection.loss_display import LossDisplay
    from fastsgd.inspection.noise_display import GradientNoiseDisplay
    from fastsgd.inspection.path_display import PathDisplay
    from fastsgd.inspection.planes import SurfacePath
    from fastsgd.inspection.schedule_display import ScheduleDisplay
    from fastsgd.inspection.step_size_display import StepSizeDisplay
    from fastsgd.inspection.surface_display import LossSurfaceDisplay
    from fastsgd.inspection.trace_display import TraceDisplay

__all__ = [
    "CoefficientDisplay",
    "GradientCheck",
    "GradientNoiseDisplay",
    "LossDisplay",
    "LossSurfaceDisplay",
    "PathDisplay",
    "ScheduleDisplay",
    "StepSizeDisplay",
    "StepSizes",
    "SurfacePath",
    "TraceDisplay",
    "check_gradient",
    "plot_history",
    "step_sizes",
]

# These are loaded when somebody asks for them: most programs draw nothing.
_ON_USE = {
    "CoefficientDisplay": "coefficient_display",
    "GradientNoiseDisplay": "noise_display",
    "LossDisplay": "loss_display",
    "LossSurfaceDisplay": "surface_display",
    "PathDisplay": "path_display",
    "ScheduleDisplay": "schedule_display",
    "StepSizeDisplay": "step_size_display",
    "SurfacePath": "planes",
    "TraceDisplay": "trace_display",
}


def __getattr__(name: str) -> Any:
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_ON_USE[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
