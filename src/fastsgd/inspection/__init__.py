"""Looking at a training run, trying step sizes, and checking gradients."""

from fastsgd.inspection.coefficient_display import CoefficientDisplay
from fastsgd.inspection.gradients import GradientCheck, check_gradient
from fastsgd.inspection.loss_display import LossDisplay
from fastsgd.inspection.noise_display import GradientNoiseDisplay
from fastsgd.inspection.path_display import PathDisplay
from fastsgd.inspection.planes import SurfacePath
from fastsgd.inspection.schedule_display import ScheduleDisplay
from fastsgd.inspection.step_size_display import StepSizeDisplay
from fastsgd.inspection.steps import StepSizes, step_sizes
from fastsgd.inspection.surface_display import LossSurfaceDisplay
from fastsgd.inspection.trace import plot_history
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
