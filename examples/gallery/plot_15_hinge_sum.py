"""
What do several classes push for?
=================================

The multi-class support vector machine wants the score of the true class to be ahead of every other by 1, and sums what is
missing. A class that is too near is pushed down, and the true one up, once for each of them.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from fastsgd import SGDClassifier

X, y = load_iris(return_X_y=True)
X = (X[:, 2:] - X[:, 2:].mean(axis=0)) / X[:, 2:].std(axis=0)
settings = {
    "multi_class": "crammer_singer",
    "learning_rate": "constant",
    "eta0": 0.2,
    "batch_size": "full",
    "tol": None,
}
model = SGDClassifier("hinge", alpha=0.01, max_iter=300, **settings).fit(X, y)

# %%
# The same in NumPy.
W, b, truth = np.zeros((3, 2)), np.zeros(3), np.eye(3)[y]
for _ in range(300):
    scores = X @ W.T + b
    near = (scores - scores[np.arange(150), y][:, None] + 1 > 0) & (truth == 0)
    slope = near - truth * near.sum(axis=1, keepdims=True)
    W, b = W - 0.2 * (slope.T @ X / 150 + 0.01 * W), b - 0.2 * slope.mean(axis=0)
np.testing.assert_allclose(model.coef_, W, rtol=1e-8)

# %%
# The regions, and the rows that still push: those that are ahead by less than 1.
grid = np.stack(np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-2, 2, 200)), axis=-1)
scores = model.decision_function(X)
ahead = scores[np.arange(150), y] - np.where(truth == 1, -np.inf, scores).max(axis=1)
figure, ax = plt.subplots(layout="constrained")
regions = model.predict(grid.reshape(-1, 2)).reshape(200, 200)
ax.contourf(grid[..., 0], grid[..., 1], regions, levels=[-0.5, 0.5, 1.5, 2.5], cmap="viridis", alpha=0.35)
ax.scatter(*X.T, c=y, cmap="viridis", s=18, edgecolor="0.3")
ax.scatter(*X[ahead < 1].T, s=60, facecolor="none", edgecolor="#d55e00", label="ahead by less than 1")
ax.set(xlabel="length of the petal", ylabel="width of the petal", title="Three classes, the sum of hinges")
ax.legend()
plt.show()
