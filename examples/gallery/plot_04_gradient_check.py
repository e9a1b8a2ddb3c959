"""
Is my gradient right?
=====================

A gradient worked out by the chain rule is checked with numbers: move one weight by h either way, and divide the change of
the objective by 2h. With a large h the curve bends away from its tangent, with a tiny one the two values differ only in
their last digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastsgd import SGDClassifier
from fastsgd.inspection import check_gradient

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
w = np.random.default_rng(0).standard_normal(X.shape[1])
model = SGDClassifier(loss="log_loss", alpha=0.01)

# %%
# For the logistic loss the chain rule leaves the error times the input: (p - y) x, and alpha w of the penalty.
analytic = model.gradient(X, y, coef=w, intercept=0.0).coef[0]
p = 1 / (1 + np.exp(-(X @ w)))
np.testing.assert_allclose(analytic, (p - y) @ X / len(y) + 0.01 * w, rtol=1e-10)

# %%
# The largest difference to the numeric gradient, for many h. Central differences are off by h² times the third derivative, and
# by the rounding of the objective, about 1e-16, over h: the best h is near the cube root of 1e-16.
steps = np.logspace(-12, -1, 34)
errors = []
for h in steps:
    at = [model.objective(X, y, coef=w + s * h * np.eye(30)[0], intercept=0.0) for s in (1, -1)]
    errors.append(abs((at[0] - at[1]) / (2 * h) - analytic[0]))
figure, ax = plt.subplots(layout="constrained")
ax.loglog(steps, errors, marker="o", markersize=3, label="numeric less analytic")
ax.loglog(steps, steps**2 / 100, "--", linewidth=1, label="grows like h²")
ax.loglog(steps, 1e-17 / steps, ":", linewidth=1, label="grows like 1/h")
ax.set(xlabel="h", ylabel="error of one derivative", ylim=(1e-14, 1e-1), title="Numeric against analytic")
ax.legend()
plt.show()

# %%
# ``check_gradient`` does it for all weights with a good h, and says what both cost.
print(check_gradient(model, X, y, coef=w, intercept=0.0))
