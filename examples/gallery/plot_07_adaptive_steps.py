"""
Why do AdaGrad's steps vanish, and RMSProp's not?
=================================================

AdaGrad divides the step of each weight by the root of the sum of its squared gradients. The sum only grows, so that steps
only shrink, wherever the weight is. RMSProp has a mean that forgets in place of the sum, and Adam one for the gradients
as well.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastsgd import SGDClassifier

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
settings = {"loss": "log_loss", "alpha": 0.01, "learning_rate": "constant", "eta0": 0.1, "batch_size": 16}
batches = [np.random.default_rng(t).choice(len(y), 16, replace=False) for t in range(500)]

# %%
# A step for each batch. ``optimizer_state_`` has what an optimizer remembers, and the step size that each weight would have next.
steps = {}
for name in ("adagrad", "rmsprop"):
    model, steps[name] = SGDClassifier(optimizer=name, **settings), []
    for rows in batches:
        model.partial_fit(X[rows], y[rows], classes=[0, 1])
        steps[name].append(model.optimizer_state_["step"][0])

# %%
# AdaGrad in NumPy.
A, w, sums = np.c_[X, np.ones(len(y))], np.zeros(31), np.zeros(31)
for rows, step in zip(batches, steps["adagrad"], strict=True):
    g = (1 / (1 + np.exp(-(A[rows] @ w))) - y[rows]) @ A[rows] / 16 + 0.01 * np.append(w[:30], 0.0)
    sums += g**2
    w -= 0.1 / (np.sqrt(sums) + 1e-10) * g
    np.testing.assert_allclose(step, 0.1 / (np.sqrt(sums[:30]) + 1e-10), rtol=1e-8)

# %%
figure, ax = plt.subplots(layout="constrained")
for name, colour in ("adagrad", "#0072b2"), ("rmsprop", "#d55e00"):
    ax.loglog(range(1, 501), np.array(steps[name])[:, :6], color=colour, linewidth=1)
    ax.plot([], [], color=colour, label=name)
ax.loglog([10, 500], [0.1, 0.1 / 50**0.5], "--", color="0.5", label="falls like the root of 1/t")
ax.set(xlabel="steps", ylabel="step size of a weight", title="The step sizes of six weights")
ax.legend()
plt.show()
