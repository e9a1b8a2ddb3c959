"""
What does gradient descent walk on?
===================================

The objective is a number for each choice of the weights: a curve over one weight, a surface over two. Descent steps
against the slope where it stands, at a right angle to the contour lines. In a round valley that is the way to the bottom;
in a long one it is mostly the way to the other side.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor
from fastsgd.inspection import LossSurfaceDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 2)) * [1.0, 0.35]  # the second column varies less: its direction is flat
y = X @ [2.0, -3.0] + 0.3 * rng.standard_normal(200)

# %%
# Two descents from the same start, one of which has momentum. ``record="coef"`` keeps the weights after each step.
settings = {
    "learning_rate": "constant",
    "eta0": 0.3,
    "batch_size": "full",
    "max_iter": 40,
    "tol": None,
    "penalty": None,
}
plain = SGDRegressor(**settings).fit(X, y, coef_init=[-1.0, 2.0], record="coef")
momentum = SGDRegressor(optimizer="momentum", **settings).fit(X, y, coef_init=[-1.0, 2.0], record="coef")

# %%
# The curve is the objective over the first weight, the contours are that over both; all others stay where the fit left them. The
# whole grid is worked out in one pass over the rows.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
LossSurfaceDisplay.from_estimator(plain, X, y, directions=[0], span=(-2, 6), ax=left)
paths = {"plain": plain.path_, "momentum": momentum.path_}
surface = LossSurfaceDisplay.from_estimator(plain, X, y, span=[(-2, 5), (-6, 4)], paths=paths, ax=right)
plt.show()

# %%
# By hand: the objective at a corner of the grid, and the first step.
w = np.array([surface.coordinates[0][0], surface.coordinates[1][0]])
np.testing.assert_allclose(surface.values[0, 0], np.mean((X @ w + plain.intercept_ - y) ** 2) / 2, rtol=1e-10)
start = np.array([-1.0, 2.0])
np.testing.assert_allclose(plain.path_.coef[1], start - 0.3 * (X @ start - y) @ X / 200, rtol=1e-10)
