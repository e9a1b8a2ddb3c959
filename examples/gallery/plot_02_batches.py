"""
Batch, mini-batch or stochastic?
================================

A step can follow the gradient of all rows (batch), of some (mini-batch) or of a single one (stochastic). A step of few rows
is noisy but cheap: it looks at few rows. So count both: the steps, and how often each row was looked at (epochs).
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((400, 3))
y = X @ [2.0, -3.0, 1.0] + 0.5 * rng.standard_normal(400)
PLAIN = {"penalty": None, "fit_intercept": False}  # the mean loss alone, of three weights
RUNS = (400, 0.5, "batch"), (40, 0.3, "mini-batch"), (1, 0.02, "stochastic")


# %%
# One training: every call of ``partial_fit`` is a step along the mean gradient of one batch, and NumPy takes the same step.
def train(batch_size, eta, epochs=5):
    """The mean loss of all rows after each step."""
    model = SGDRegressor(learning_rate="constant", eta0=eta, batch_size=batch_size, **PLAIN)
    losses, w = [np.mean(y**2) / 2], np.zeros(3)
    for _ in range(epochs):
        for rows in np.split(rng.permutation(400), 400 // batch_size):
            model.partial_fit(X[rows], y[rows])
            w -= eta * X[rows].T @ (X[rows] @ w - y[rows]) / batch_size
            losses.append(np.mean((model.predict(X) - y) ** 2) / 2)
    np.testing.assert_allclose(model.coef_, w, rtol=1e-10)
    return np.array(losses)


# %%
# The noisier the gradient, the shorter the step must be. On the left batch wins: its steps are the best ones. On the right it
# loses: for one of them the others have taken ten, or four hundred.
figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(8, 4), layout="constrained")
for batch_size, eta, words in RUNS:
    losses = train(batch_size, eta)
    steps = np.arange(len(losses))
    left.plot(steps, losses, label=words)
    right.plot(steps * batch_size / 400, losses, label=words)
left.set(xscale="symlog", yscale="log", xlabel="steps", ylabel="mean loss", title="By steps")
right.set(xlabel="epochs", title="By epochs")
right.legend()
plt.show()
