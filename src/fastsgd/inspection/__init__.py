"""Looking at a training run."""

from fastsgd.inspection.trace import plot_history

__all__ = ["plot_history"]
