"""
Solve it, or descend?
=====================

Least squares have a closed form, the normal equations. With n rows and d columns it costs about n d² + d³ / 3
multiplications, and a step of gradient descent 2 n d: with more and more columns, steps become cheap beside the solution.
"""

from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import LinearRegressor, SGDRegressor

rng = np.random.default_rng(0)
columns, seconds = [4, 16, 64, 256, 1024], {"normal equations": [], "20 passes of SGD": []}

# %%
# Both on the same rows, with the same penalty. (The very first fit loads what later ones need, and is not counted.)
LinearRegressor(solver="normal").fit(np.eye(3), np.ones(3))
for d in columns:
    X = rng.standard_normal((2000, d))
    y = X @ rng.standard_normal(d) + rng.standard_normal(2000)
    descent = SGDRegressor(alpha=1.0, learning_rate="invscaling", eta0=0.1 / d, max_iter=20, tol=None, random_state=0)
    for model, name in (LinearRegressor(solver="normal", alpha=1.0), "normal equations"), (descent, "20 passes of SGD"):
        start = perf_counter()
        model.fit(X, y)
        seconds[name].append(perf_counter() - start)
        if name == "normal equations":  # by hand
            C = X - X.mean(axis=0)
            w = np.linalg.solve(C.T @ C / 2000 + np.eye(d), C.T @ (y - y.mean()) / 2000)
            np.testing.assert_allclose(model.coef_, w, atol=1e-8)

# %%
figure, ax = plt.subplots(layout="constrained")
for name, times in seconds.items():
    ax.loglog(columns, times, marker="o", label=name)
ax.set(xlabel="columns", ylabel="seconds", title="2,000 rows")
ax.legend()
plt.show()
