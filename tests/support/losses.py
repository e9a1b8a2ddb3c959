"""Every loss, with its defaults and with other parameters, and targets that it takes."""

import numpy as np

from fastsgd import losses
from fastsgd.losses import LOSSES

OBJECTS = [cls() for cls in LOSSES.values()]
OBJECTS += [
    losses.Huber(1.5),
    losses.EpsilonInsensitive(0.0),
    losses.SquaredEpsilonInsensitive(2.0),
    losses.Quantile(0.9),
    losses.TukeyBiweight(2.0),
    losses.Cauchy(0.5),
    losses.Welsch(1.0),
]


def targets(loss):
    if loss.task == ("classifier",):
        return np.array([loss.negative, 1.0] + ([0.25, 0.5] if loss.name == "log_loss" else []))
    return np.array([0.5, 1.0, 7.25]) if loss.lower == 0 else np.array([-3.5, 0.0, 0.25, 7.0])
