"""
How does noise help at a saddle?
================================

At a saddle the gradient is zero, but it is no valley: the function falls to two sides. Exactly on the ridge the gradient
never points there, and descent walks into the saddle and stays. The smallest noise is enough to leave it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import minimize
from fastsgd.inspection import LossSurfaceDisplay


def saddle(w):
    return w[0] ** 2 - w[1] ** 2 + w[1] ** 4 / 4


def slope(w):
    return [2 * w[0], -2 * w[1] + w[1] ** 3]


# %%
# Both start on the ridge. The variance of the noise falls as 1 / (1 + t)^0.55.
settings = {"optimizer": "sgd", "eta0": 0.05, "steps": 300}
still = minimize(saddle, [1.5, 0.0], slope, **settings)
shaken = minimize(saddle, [1.5, 0.0], slope, noise=0.01, random_state=0, **settings)
np.testing.assert_allclose(still.path[:, 0], 1.5 * 0.9 ** np.arange(301), rtol=1e-10)  # by hand: w <- w - 0.05 * 2 w
assert not still.path[:, 1].any() and shaken.fun < -0.99

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
paths = {"without noise": still.path, "with noise": shaken.path}
LossSurfaceDisplay.from_function(saddle, span=[(-2, 2), (-2.2, 2.2)], paths=paths, ax=left)
right.plot(still.objective, label="without noise")
right.plot(shaken.objective, label="with noise")
right.set(xlabel="steps", ylabel="f(w)")
right.legend()
plt.show()
