"""Wherever a fit says "certified", the objective is within tol of the least one: 200 random problems."""

import numpy as np
import pytest
from reference import dual_objective, objective
from support.certified import numbers, problem

from fastsgd import LinearClassifier, LinearRegressor

pytestmark = pytest.mark.filterwarnings("ignore:max_iter")


def value(est, X, y, s, model):
    X, y, l1, l2 = numbers(X, y, model)
    W, b = est.coef_.reshape(1, -1).T.astype(float), est.intercept_.astype(float)
    return objective(X, y[:, None], model["loss"], W, b, l1=l1, l2=l2, s=s)[0]


def least(est, X, y, s, model):
    """A lower bound of the least objective from the fit's dual point, in plain NumPy."""
    X, y, l1, l2 = numbers(X, y, model)
    return dual_objective(X, y, model["loss"], est._duals[0], l1=l1, l2=l2, s=s, intercept=model["fit_intercept"])


@pytest.mark.parametrize("seed", range(200))
def test_certified_is_true(seed):
    X, y, s, model = problem(seed)
    make = LinearClassifier if y.dtype.kind == "i" else LinearRegressor
    tol = [1e-1, 1e-2, 1e-4][seed % 3]
    est = make(**model, tol=tol, max_iter=300, warm_start=True).fit(X, y, s)
    exact = make(**model, tol=1e-10, max_iter=2000, warm_start=True).fit(X.astype(float), y, s)
    best, found = value(exact, X, y, s, model), value(est, X, y, s, model)
    rounding = 1e-6 if X.dtype == np.float32 else 1e-12
    if est.stop_reason_ == "certified":
        assert est.dual_gap_ <= tol
        assert found - best <= (tol + rounding) * abs(found)
        assert found - best <= (est.dual_gap_ + rounding) * abs(found)
        assert found - least(est, X, y, s, model) <= (est.dual_gap_ + max(rounding, 1e-8)) * abs(found)
    if exact.stop_reason_ == "certified":  # by the reference's own arithmetic too
        assert best - least(exact, X, y, s, model) <= 1e-8 * abs(best)
