"""
How large should a batch be?
============================

The gradient of a batch is that of all rows and noise, whose variance is that of a row over the number of rows. While the
gradient is longer than the noise, more rows are wasted; when it is shorter, steps go mostly astray.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastsgd import SGDClassifier
from fastsgd.inspection import GradientNoiseDisplay

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)

# %%
# At the start, and after 30 epochs: the noise is there to stay, the gradient is not.
figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
for epochs, ax in (0, axes[0]), (30, axes[1]):
    settings = {
        "alpha": 0.01,
        "learning_rate": "constant",
        "eta0": 0.05,
        "max_iter": epochs,
        "tol": None,
        "random_state": 0,
    }
    model = SGDClassifier("log_loss", **settings).fit(X, y)
    display = GradientNoiseDisplay.from_estimator(model, X, y, ax=ax, name=f"after {epochs} epochs")
plt.show()

# %%
# By hand: the gradient of each row, and the length of their mean.
p = 1 / (1 + np.exp(-(X @ model.coef_[0] + model.intercept_)))
each = (p - y)[:, None] * np.c_[X, np.ones(len(y))] + 0.01 * np.append(model.coef_[0], 0.0)
np.testing.assert_allclose(display.gradient_norm, np.linalg.norm(each.mean(axis=0)), rtol=1e-8)
