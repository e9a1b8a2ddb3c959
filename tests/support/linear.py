"""Rows, and tight fits of the linear estimators."""

import numpy as np

from .data import labels, rows

TIGHT = {"tol": 1e-10, "max_iter": 5000, "random_state": 0}
X, Y, S = rows(300, 6)
CODE = labels(Y)


def close(ours, theirs, rtol=1e-4):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())
