"""
Which valley does it end in?
============================

Where a function has several valleys, the start decides. So start several times, and keep the lowest end.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import minimize


def waves(w):
    return np.sin(3 * w[0]) + 0.1 * w[0] ** 2


def slope(w):
    return 3 * np.cos(3 * w) + 0.2 * w


# %%
# Twelve starts around 3. ``restarts`` has the way of each.
found = minimize(waves, [3.0], slope, optimizer="sgd", eta0=0.05, steps=100, restarts=12, spread=4.0, random_state=0)
for one in found.restarts:  # each of them in NumPy
    w = one.path[0, 0]
    for _ in range(100):
        w -= 0.05 * slope(w)
    np.testing.assert_allclose(one.path[-1, 0], w, rtol=1e-10)

# %%
figure, ax = plt.subplots(layout="constrained")
w = np.linspace(-8, 10, 500)
ax.plot(w, waves([w]), color="0.5")
for one in found.restarts:
    (line,) = ax.plot(one.path[:, 0], [waves(at) for at in one.path], linewidth=2)
    ax.plot(one.path[0, 0], waves(one.path[0]), "o", color=line.get_color(), markersize=5)
ax.plot(found.x[0], found.fun, "*", markersize=14, label="the lowest end")
ax.set(xlabel="w", ylabel="f(w)", title="Dots: the starts")
ax.legend()
plt.show()

# %%
# ``SGDRegressor(n_init=12, init="normal")`` does the same for losses that are not convex, such as "tukey", and keeps
# them in ``restarts_``.
