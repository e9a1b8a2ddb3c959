"""
What does a penalty do to the weights?
======================================

L2 takes a share of every weight in each step, and all of them shrink. L1 takes the same amount, whatever the weight, and
those that are needed least become exactly zero, one after the other.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

from fastsgd import LinearRegressorCV
from fastsgd.inspection import PathDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
X, y = (X - X.mean()) / X.std(ddof=0), (y - y.mean()) / y.std(ddof=0)
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for penalty, ax in ("l2", axes[0]), ("l1", axes[1]):
    model = LinearRegressorCV(penalty=penalty, alphas=np.logspace(-3, 1, 40), tol=1e-6).fit(X, y)
    PathDisplay.from_estimator(model, ax=ax, name=penalty.upper())
plt.show()

# %%
# By hand: ridge regression at the alpha that cross-validation chose, in closed form.
model = LinearRegressorCV(penalty="l2", alphas=np.logspace(-3, 1, 40), tol=1e-8).fit(X, y)
Z, alpha = X.to_numpy(), float(model.alpha_)
w = np.linalg.solve(Z.T @ Z / len(y) + alpha * np.eye(10), Z.T @ y.to_numpy() / len(y))
np.testing.assert_allclose(model.coef_, w, atol=1e-3)
