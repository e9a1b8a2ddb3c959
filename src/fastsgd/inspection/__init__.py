"""Looking at a training run, trying step sizes, and checking gradients."""

from fastsgd.inspection.gradients import GradientCheck, check_gradient
from fastsgd.inspection.noise_display import GradientNoiseDisplay
from fastsgd.inspection.path_display import PathDisplay
from fastsgd.inspection.planes import SurfacePath
from fastsgd.inspection.steps import StepSizes, step_sizes
from fastsgd.inspection.surface_display import LossSurfaceDisplay
from fastsgd.inspection.trace import plot_history

__all__ = [
    "GradientCheck",
    "GradientNoiseDisplay",
    "LossSurfaceDisplay",
    "PathDisplay",
    "StepSizes",
    "SurfacePath",
    "check_gradient",
    "plot_history",
    "step_sizes",
]
