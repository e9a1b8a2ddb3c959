"""
Why scale the columns?
======================

A column in large units makes the objective steep along its weight, and one in small units makes it flat. One step size
must do for both: safe for the steep direction, it hardly moves along the flat one. Standardised columns make the valley
round.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor
from fastsgd.inspection import LossSurfaceDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((300, 2)) * [1.0, 0.1]
y = X @ [1.0, -8.0] + 0.1 * rng.standard_normal(300)
Z = (X - X.mean(axis=0)) / X.std(axis=0)
settings = {"learning_rate": "constant", "batch_size": "full", "penalty": None, "max_iter": 40, "tol": None}

# %%
# The same number of steps on both, each of the length 1 / L that its own curvature L allows.
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for data, words, ax in (X, "as they are", axes[0]), (Z, "standardised", axes[1]):
    A = np.c_[data, np.ones(300)]
    eigenvalues = np.linalg.eigvalsh(A.T @ A / 300)
    model = SGDRegressor(eta0=1 / eigenvalues[-1], **settings).fit(data, y, record="coef")
    w = np.zeros(3)  # the same in NumPy
    for _ in range(40):
        w -= (A @ w - y) @ A / 300 / eigenvalues[-1]
    np.testing.assert_allclose(model.coef_, w[:2], rtol=1e-8)
    best = np.linalg.lstsq(A, y, rcond=None)[0][:2]
    span = [(b - 1.3 * abs(b), b + 1.3 * abs(b)) for b in best]
    LossSurfaceDisplay.from_estimator(model, data, y, span=span, paths={"descent": model.path_}, ax=ax)
    ax.set_title(f"Columns {words}: condition number {eigenvalues[-1] / eigenvalues[0]:.0f}")
plt.show()

# %%
# ``standardize=True`` trains on standardised columns without a copy of them, and gives the coefficients in the units of X.
scaled = SGDRegressor(eta0=1.0, standardize=True, **settings).fit(X, y)
print(scaled.coef_, "of", [1.0, -8.0])
