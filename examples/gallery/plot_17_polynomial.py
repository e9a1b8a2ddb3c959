"""
How does a linear model draw a curve?
=====================================

It is linear in its columns, and these may be powers of a column. With many of them it can draw any curve, also one
through the noise; the penalty holds it back.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from fastsgd import SGDRegressor

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(-1, 1, 40))
y = np.sin(4 * x) + 0.3 * rng.standard_normal(40)
powers = PolynomialFeatures(9, include_bias=False)
P = powers.fit_transform(x[:, None])
scaler = StandardScaler().fit(P)
P = scaler.transform(P)

# %%
# Ridge by gradient descent, with a weak, a fair and a strong penalty; and its closed form to check.
grid = np.linspace(-1, 1, 200)
G = scaler.transform(powers.transform(grid[:, None]))
eta = 1 / np.linalg.eigvalsh(P.T @ P / 40)[-1]
figure, ax = plt.subplots(layout="constrained")
ax.plot(x, y, "o", color="0.5", markersize=4)
for alpha in (0.01, 0.1, 1.0):
    settings = {"learning_rate": "constant", "eta0": eta, "batch_size": "full", "max_iter": 8_000, "tol": None}
    model = SGDRegressor(alpha=alpha, **settings).fit(P, y)
    w = np.linalg.solve(P.T @ P / 40 + alpha * np.eye(9), P.T @ (y - y.mean()) / 40)
    np.testing.assert_allclose(model.coef_, w, atol=1e-4)
    ax.plot(grid, model.predict(G), label=f"alpha = {alpha:g}")
ax.set(xlabel="x", ylabel="y", title="Polynomials of degree 9")
ax.legend()
plt.show()
