"""
What does momentum do at a small hill?
======================================

A ball that rolls keeps its speed: the velocity m <- mu m + g adds up gradients, and w <- w - eta m. Where plain descent
stays in front of a small hill, the ball rolls over it.
"""

import matplotlib.pyplot as plt
import numpy as np

from fastsgd import minimize


def hill(w):
    """A valley at 0, and a dip on its slope at 2, behind a small hill."""
    return 0.1 * w[0] ** 2 - 0.3 * np.exp(-4 * (w[0] - 2) ** 2)


def slope(w):
    return 0.2 * w + 2.4 * (w - 2) * np.exp(-4 * (w - 2) ** 2)


# %%
# Both start at 4, and take the same step size.
plain = minimize(hill, [4.0], slope, optimizer="sgd", eta0=0.05, steps=300)
rolling = minimize(hill, [4.0], slope, optimizer="momentum", eta0=0.05, steps=300)
w, m = 4.0, 0.0  # the same in NumPy
for step in range(1, 301):
    m = 0.9 * m + slope(w)
    w -= 0.05 * m
    np.testing.assert_allclose(rolling.path[step, 0], w, rtol=1e-8, atol=1e-10)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
w = np.linspace(-1.5, 4.2, 300)
left.plot(w, hill([w]), color="0.5")
for found, words in (plain, "plain"), (rolling, "momentum 0.9"):
    left.plot(found.path[::4, 0], [hill(at) for at in found.path[::4]], "o", markersize=4, alpha=0.6, label=words)
    right.plot(found.path[:, 0], label=words)
left.set(xlabel="w", ylabel="f(w)", title="The way")
right.set(xlabel="steps", ylabel="w", title="Where it is")
left.legend()
plt.show()
