"""Looking at a training run, and trying step sizes."""

from fastsgd.inspection.steps import StepSizes, step_sizes
from fastsgd.inspection.trace import plot_history

__all__ = ["StepSizes", "plot_history", "step_sizes"]
