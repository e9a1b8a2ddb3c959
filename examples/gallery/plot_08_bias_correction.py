"""
What is Adam's bias correction for?
===================================

Adam's two means start from zero. After the first step they are 0.1 g and 0.001 g², a tenth and a thousandth of what they
should be; their quotient makes the first steps about three times too long. Dividing by 1 - beta^t takes that off.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from fastsgd import SGDRegressor
from fastsgd.optimizers import Adam

X, y = load_diabetes(return_X_y=True)
X, y = X / X.std(axis=0), (y - y.mean()) / y.std()
settings = {"learning_rate": "constant", "eta0": 0.1, "batch_size": "full", "penalty": None, "fit_intercept": False}
settings |= {"max_iter": 60, "tol": None}

# %%
# The objective and the length of each step, with the correction and without.
runs = {}
for corrected in (True, False):
    model = SGDRegressor(optimizer=Adam(bias_correction=corrected), **settings)
    runs[corrected] = model.fit(X, y, record=["objective", "step_length"]).record_

# %%
# The same in NumPy.
for corrected in (True, False):
    w, m, v = np.zeros(10), 0.0, 0.0
    for t in range(1, 61):
        g = (X @ w - y) @ X / len(y)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        a, b = (1 - 0.9**t, 1 - 0.999**t) if corrected else (1.0, 1.0)
        w = w - 0.1 * (m / a) / (np.sqrt(v / b) + 1e-8)
        np.testing.assert_allclose(runs[corrected]["objective"][t], np.mean((X @ w - y) ** 2) / 2, rtol=1e-10)

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for corrected, words in (True, "with the correction"), (False, "without"):
    axes[0].plot(runs[corrected]["steps"], runs[corrected]["objective"], label=words)
    axes[1].plot(runs[corrected]["steps"][1:], runs[corrected]["step_length"][1:], label=words)
axes[0].set(xlabel="steps", ylabel="objective", yscale="log")
axes[1].set(xlabel="steps", ylabel="length of the step", yscale="log")
axes[0].legend()
plt.show()
