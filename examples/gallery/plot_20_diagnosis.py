"""
Why does it not learn?
======================

A training that goes wrong looks the same from the outside: the score is poor. ``diagnose`` looks at what was recorded, at
the curvature of the objective and at the columns, and says in words what is wrong and which eta0 would do.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor, diagnose
from fastsgd.inspection import TraceDisplay

rng = np.random.default_rng(0)
X = rng.standard_normal((500, 4)) * [1.0, 1.0, 0.3, 0.3]
y = X @ [1.0, -2.0, 3.0, -4.0] + 0.1 * rng.standard_normal(500)
settings = {"learning_rate": "constant", "max_iter": 25, "tol": None, "random_state": 0}

# %%
# Three trainings, of which one is right.
models = {
    f"eta0 = {eta}": SGDRegressor(eta0=eta, **settings).fit(X, y, record="objective") for eta in (1e-5, 0.01, 0.3)
}
TraceDisplay.from_estimator(models, log_y=True)
plt.show()

# %%
# What is said of each.
for name, model in models.items():
    print(f"{name}: {diagnose(model, X, y).verdict}")
print(diagnose(models["eta0 = 1e-05"], X, y))

# %%
# By hand: the least objective, with which each is compared, and the curvature that the advice follows from.
A = np.c_[X, np.ones(500)]
w = np.linalg.solve(A.T @ A / 500 + 1e-4 * np.diag([1, 1, 1, 1, 0]), A.T @ y / 500)
least = np.mean((A @ w - y) ** 2) / 2 + 1e-4 / 2 * np.sum(w[:4] ** 2)
np.testing.assert_allclose(diagnose(model, X, y).findings[0].numbers["least"], least, rtol=1e-4)
print("1 / L =", 1 / np.linalg.eigvalsh(A.T @ A / 500)[-1])
