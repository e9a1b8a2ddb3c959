"""
Is the step too small, right, or too large?
===========================================

Gradient descent on the squared error takes steps of length eta along minus the gradient. How fast it learns is a matter of
eta and of the curvature L, the largest eigenvalue of the Hessian: below 1/L it creeps, near 1/L it runs, and beyond 2/L each
step lands higher than the one before.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((200, 2)) * [1.0, 0.5]
y = X @ [2.0, -3.0] + 0.3 * rng.standard_normal(200)
PLAIN = {"penalty": None, "fit_intercept": False}  # the mean loss alone, of two weights

# %%
# The loss is (prediction - y)²/2, so the Hessian is XᵀX/n. Its largest eigenvalue says which steps are possible.
L = np.linalg.eigvalsh(X.T @ X / len(X))[-1]
print(f"L = {L:.2f}: steps up to 2/L = {2 / L:.2f} go down")

# %%
# Three trainings of twenty steps, each along the gradient of all rows, and the mean loss after each step.
figure, axes = plt.subplots()
for share, words in [(0.05, "too small"), (1.0, "right"), (2.1, "too large")]:
    model = SGDRegressor(learning_rate="constant", eta0=share / L, batch_size="full", **PLAIN)
    losses = [np.mean(y**2) / 2]
    w = np.zeros(2)  # the same in NumPy
    for _ in range(20):
        model.partial_fit(X, y)
        losses.append(np.mean((model.predict(X) - y) ** 2) / 2)
        w -= share / L * X.T @ (X @ w - y) / len(X)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-10)
    axes.plot(losses, marker="o", markersize=3, label=f"eta = {share:g} / L, {words}")
axes.set(yscale="log", xlabel="steps", ylabel="mean loss", title="Three step sizes")
axes.legend()
plt.show()
