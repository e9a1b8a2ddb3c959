"""
How should the step size fall?
==============================

With a constant step, stochastic descent ends in a ball of noise around the optimum, and the ball is smaller the smaller
the step. A schedule starts with long steps, which cover the distance, and ends with short ones, which settle.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastsgd import LinearClassifier, SGDClassifier
from fastsgd.inspection import ScheduleDisplay, TraceDisplay
from fastsgd.sources import visiting_order

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
settings = {"loss": "log_loss", "alpha": 0.01, "max_iter": 20, "tol": None, "random_state": 0}

# %%
# The last one is a function of the step number, 1, 2, and so on.
schedules = {
    "constant": {"learning_rate": "constant", "eta0": 0.05},
    "cosine": {"learning_rate": "cosine", "eta0": 0.05},
    "optimal": {"learning_rate": "optimal"},
    "of your own": {"learning_rate": lambda t: 0.05 / (1 + t / 200)},
}
models = {name: SGDClassifier(**settings, **more).fit(X, y, record="objective") for name, more in schedules.items()}

# %%
# How far each is above the least objective, which a solver knows.
best = LinearClassifier(alpha=0.01, tol=1e-9).fit(X, y).objective(X, y)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, model in models.items():
    ScheduleDisplay.from_estimator(model, ax=left, name=name)
left.set(yscale="log", ylim=(1e-5, 1))
TraceDisplay.from_estimator(models, minus=best, log_y=True, ax=right)
plt.show()

# %%
# The last one in NumPy, row by row in the same order.
model, w, b, t = models["of your own"], np.zeros(30), 0.0, 0
for epoch in range(1, 21):
    for i in visiting_order(model, X, y, epoch=epoch):
        t += 1
        eta, slope = 0.05 / (1 + t / 200), 1 / (1 + np.exp(-(X[i] @ w + b))) - y[i]
        w, b = (1 - eta * 0.01) * w - eta * slope * X[i], b - eta * slope
np.testing.assert_allclose(model.coef_[0], w, rtol=1e-8)
