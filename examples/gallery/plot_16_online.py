"""
Can it learn from rows as they come?
====================================

A stream is never complete. Each row is predicted first, then learnt from, and forgotten: the mean loss of those
predictions is an honest score, since no row was known when it was predicted.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((3000, 3))
truth = np.where(np.arange(3000)[:, None] < 1500, [1.0, -2.0, 0.5], [1.0, 2.0, 0.5])  # the world changes half way
y = (X * truth).sum(axis=1) + 0.3 * rng.standard_normal(3000)

# %%
# A constant step forgets, so that it follows a change; a step that falls does not.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for rate, words in ("constant", "constant step"), ("invscaling", "falling step"):
    model = SGDRegressor(learning_rate=rate, eta0=0.05, power_t=0.6, penalty=None)
    w, b, losses, path = np.zeros(3), 0.0, [], []
    for i in range(3000):
        losses.append((X[i] @ w + b - y[i]) ** 2 / 2)
        model.partial_fit(X[i : i + 1], y[i : i + 1])
        eta, error = 0.05 / ((i + 1) ** 0.6 if rate == "invscaling" else 1.0), X[i] @ w + b - y[i]  # the same in NumPy
        w, b = w - eta * error * X[i], b - eta * error
        path.append(model.coef_[1])
    np.testing.assert_allclose(model.coef_, w, rtol=1e-8)
    left.plot(np.convolve(losses, np.ones(100) / 100, "valid"), label=words)
    right.plot(path, label=words)
left.set(yscale="log", xlabel="rows", ylabel="loss of a row, before its step")
right.plot(truth[:, 1], ":", color="0.5", label="truth")
right.set(xlabel="rows", ylabel="second weight")
left.legend()
right.legend()
plt.show()
