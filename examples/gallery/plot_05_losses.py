"""
What does a loss ask for?
=========================

A loss says how wrong a margin is, and its slope how hard to push: the gradient of a weight is the slope times the input,
so that the loss is all in which a support vector machine, logistic regression and the perceptron differ.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import losses
from fastsgd.inspection import LossDisplay

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
LossDisplay.from_losses(["hinge", "log_loss", "perceptron", "squared_hinge"], ax=left)
LossDisplay.from_losses(["squared_error", "huber", "quantile", "tukey"], ax=right)
plt.show()

# %%
# By hand, with y = 1: the logistic loss is log(1 + exp(-z)), and by the chain rule its slope is p - y with p = 1 / (1 + exp(-z)).
z = np.linspace(-4, 4, 9)
value, slope = losses.LogLoss().both(z, np.ones(9))
np.testing.assert_allclose(value, np.log1p(np.exp(-z)), rtol=1e-12)
np.testing.assert_allclose(slope, 1 / (1 + np.exp(-z)) - 1, rtol=1e-12)

# %%
# The slope of the hinge is -1 or 0: rows that are on the right side by 1 or more do not push at all, and the model is made by
# the others, its support vectors. The logistic loss never stops to push, and the perceptron stops as soon as the sign is right.
