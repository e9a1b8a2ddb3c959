"""
Batch, mini-batch or stochastic?
================================

A step can follow the gradient of all rows (batch), of some (mini-batch) or of a single one (stochastic). A step of few rows
is noisy but cheap: it looks at few rows. So count three ways: the steps, how often each row was looked at (epochs), and seconds.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import SGDRegressor
from fastsgd.inspection import TraceDisplay
from fastsgd.sources import visiting_order

rng = np.random.default_rng(0)
X = rng.standard_normal((4000, 20))
y = X @ rng.standard_normal(20) + 0.5 * rng.standard_normal(4000)
settings = {
    "learning_rate": "constant",
    "penalty": None,
    "fit_intercept": False,
    "max_iter": 5,
    "tol": None,
    "random_state": 0,
}
runs = {"batch": ("full", 0.5, 1), "mini-batch": (40, 0.1, 5), "stochastic": (1, 0.005, 200)}

# %%
# The noisier the gradient, the shorter the step must be. The objective is recorded every so many steps. (The first fit of all
# also loads what later ones need, so that the seconds are of a second round.)
models = {}
for name, (size, eta, every) in [*runs.items(), *runs.items()]:
    model = SGDRegressor(batch_size=size, eta0=eta, **settings)
    models[name] = model.fit(X, y, record="objective", record_every=every)

# %%
# The same in NumPy, with the rows in the same order.
for name, (size, eta, _) in runs.items():
    w, size = np.zeros(20), 4000 if size == "full" else size
    for epoch in range(1, 6):
        for rows in np.split(visiting_order(models[name], X, y, epoch=epoch), range(size, 4000, size)):
            w -= eta * (X[rows] @ w - y[rows]) @ X[rows] / len(rows)
    np.testing.assert_allclose(models[name].coef_, w, rtol=1e-8)

# %%
# By steps batch wins: its steps are the best ones. By epochs it loses: for one of its steps the others have taken a hundred, or
# four thousand. Seconds are what you wait for.
figure, axes = plt.subplots(1, 3, sharey=True, figsize=(12, 4), layout="constrained")
for x, ax in zip(("steps", "epochs", "seconds"), axes, strict=True):
    TraceDisplay.from_estimator(models, x=x, log_y=True, ax=ax)
axes[0].set(xscale="symlog", xlim=(0, 25_000))
axes[2].set_xlim(0, 2 * models["batch"].record_["seconds"][-1])
plt.show()
