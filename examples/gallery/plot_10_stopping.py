"""
When has it converged?
======================

Courses stop by the norm of the gradient, by the change of the loss, or by that of the parameters. All three go to zero,
each in its own time: a threshold means something else in each of them, and for each step size.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer

from fastsgd import SGDClassifier
from fastsgd.stopping import GradientNorm, Objective, ParameterChange

X, y = load_breast_cancer(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
settings = {"loss": "log_loss", "alpha": 0.01, "learning_rate": "constant", "eta0": 0.5, "batch_size": "full"}

# %%
# Each rule by itself.
rules = {
    "gradient": GradientNorm(1e-3),
    "objective": Objective(1e-5, patience=1, absolute=True),
    "parameters": ParameterChange(1e-2, relative=False),
}
ended = {name: SGDClassifier(**settings, stopping=rule).fit(X, y).n_iter_ for name, rule in rules.items()}
print(ended)

# %%
# And what they look at, along one training that none of them ends.
model = SGDClassifier(**settings, max_iter=600, tol=None)
record = model.fit(X, y, record=["objective", "gradient_norm", "step_length"]).record_
curves = {
    "gradient": record["gradient_norm"][1:],
    "objective": abs(np.diff(record["objective"])),
    "parameters": record["step_length"][1:],
}
figure, ax = plt.subplots(layout="constrained")
for (name, curve), rule in zip(curves.items(), rules.values(), strict=True):
    (line,) = ax.loglog(range(1, 601), curve, label=f"{name}, {rule.tol:g}")
    ax.axhline(rule.tol, color=line.get_color(), linewidth=0.7, linestyle=":")
    first = np.flatnonzero(curve < rule.tol)[0] + 1  # by hand: the first step that is below
    assert first == ended[name]
    ax.plot(first, curve[first - 1], "o", color=line.get_color())
ax.set(xlabel="steps", ylabel="what the rule looks at", title="Dots: where each rule stops")
ax.legend()
plt.show()
