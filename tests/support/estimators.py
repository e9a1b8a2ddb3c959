"""Fits of few epochs, for the tests of estimators."""

import numpy as np
import pytest

from fastsgd import (
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
)

ALL = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
# Of a few rows and the default step size, which what is tested does not depend on.
STEPS_ASIDE = pytest.mark.filterwarnings("ignore:The fit (diverged|stopped):sklearn.exceptions.ConvergenceWarning")
EVERY = pytest.mark.parametrize("cls", ALL)
FEW = dict(max_iter=3, tol=None, random_state=0)


def same(a, b):
    np.testing.assert_array_equal(a.coef_, b.coef_)
    for name in ("intercept_", "offset_"):
        if hasattr(a, name):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
