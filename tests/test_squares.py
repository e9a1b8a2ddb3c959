"""Paths of squared error from sums of products: no better than they are, and passes again where sums lose their digits."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from fastsgd import LinearRegressorCV, losses
from fastsgd.solvers import path
from fastsgd.solvers.heads import Heads, Task
from fastsgd.solvers.problem import Problem
from fastsgd.solvers.squares import mean_loss
from fastsgd.sources.arrays import Table

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 6)) * np.geomspace(1e-2, 1e2, 6) + np.array([0.0, 1.0, 0.0, -500.0, 0.0, 3.0])
W = np.array([100.0, 1.0, 0.0, 0.1, 0.01, 0.0])
S = RNG.uniform(0.0, 2.0, 400)
SQUARED = losses.get("squared_error")


@pytest.mark.parametrize("layout", [np.asarray, np.float32, sp.csr_matrix], ids=["float64", "float32", "csr"])
@pytest.mark.parametrize("noise", [1.0, 1e-5, 0.0])
@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.0])
def test_points_are_proven_of_the_rows_however_close_the_fit(noise, ratio, layout):
    A = layout(X)
    y = np.asarray(A @ W, float) + noise * RNG.standard_normal(400) + 1e4
    table, task = Table(A, y=y[:, None], s=S), Task(SQUARED, 0.0, 0.0, True, 1e-5, 1000)
    constant = path.Constant.of(table, 1, task)
    numbers = [(a * ratio, a * (1 - ratio)) for a in constant.grid(6, ratio, 1e-8)]
    for heads, (l1, l2) in zip(path.along(table, 1, task, numbers, constant.start()), numbers, strict=True):
        report, problem = heads.reports[0], heads.problems[0]
        tight = Heads(table, 1, replace(task, l1=l1, l2=l2, tol=1e-9)).run().reports[0]
        value = problem.value(*problem.outward(report.best.u, report.best.b))
        assert heads.reason == "certified" or noise < 1.0  # In the others the loss is rounding, next to that of y.
        assert value <= report.best.objective * (1.0 + 1e-9) + 1e-12
        assert report.bound <= tight.best.objective * (1.0 + 1e-9) + 1e-12


@pytest.mark.parametrize("layout", [np.asarray, np.float32, sp.csr_matrix], ids=["float64", "float32", "csr"])
@pytest.mark.parametrize("noise", [1.0, 1e-6])
def test_the_loss_of_rows_held_out_is_that_of_a_pass(noise, layout):
    A = layout(X)
    y = np.asarray(A @ W, float) + noise * RNG.standard_normal(400) - 1e3
    found, p = mean_loss(A, y, S, SQUARED), Problem(A, y, S, SQUARED, 0.0, 0.0, False)
    for w, b in ((W, -1e3), (0.0 * W, 5.0), (2.0 * W, 0.0)):
        assert found(w, b) == pytest.approx(p.value(w, b), rel=1e-7)


def test_a_column_that_is_constant_in_the_rows_held_out_counts():
    A = np.column_stack([X, np.repeat([0.0, 7.0], 200)])
    est = LinearRegressorCV(alphas=[1e-6], cv=[(np.arange(150, 400), np.arange(100))], refit=False, random_state=0)
    y = A @ np.append(W, 3.0) + RNG.standard_normal(400)
    est.fit(A, y)
    error = A[:100] @ est.coefs_paths_[0, 0, 0, 0] + est.intercepts_paths_[0, 0, 0, 0] - y[:100]
    assert est.scores_[0, 0, 0] == pytest.approx(-0.5 * np.mean(error**2), rel=1e-9)
