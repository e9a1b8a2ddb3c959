"""L1 and many columns: the problem of a few columns at a time is that of all, and so is its certificate."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from support.data import LAYOUTS

from fastsgd import LinearRegressor, losses
from fastsgd.solvers import path, working
from fastsgd.solvers.heads import Heads, Task
from fastsgd.sources.arrays import Table

RNG = np.random.default_rng(0)
N, D = 60, 1100
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.3) * np.geomspace(0.1, 10.0, D)
X[:, 1] = X[:, 0]
MARGIN = X[:, :6] @ np.array([2.0, 0.0, -2.0, 1.0, 1.0, -1.0]) * 5.0 + 0.2 * RNG.standard_normal(N)
S = RNG.uniform(0.0, 2.0, N)
S[:3] = 0.0


def table_of(loss, X, s=S):
    two = losses.LOSSES[loss].task == ("classifier",)
    y = np.where(MARGIN > 0, 1.0, losses.get(loss).negative) if two else np.exp(0.1 * MARGIN) + 0.1
    return Table(X, y=y[:, None], s=s)


def solved(table, task, monkeypatch):
    """By the other methods."""
    with monkeypatch.context() as m:
        m.setattr(working, "MIN_COLUMNS", np.inf)
        return Heads(table, 1, replace(task, tol=1e-5, max_iter=20_000)).run().reports[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["squared_error", "log_loss", "squared_hinge", "poisson"])
@pytest.mark.parametrize("ratio", [1.0, 0.7])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_certificate_is_that_of_all_columns(loss, ratio, intercept, layout, monkeypatch):
    table = table_of(loss, LAYOUTS[layout](X))
    task = Task(losses.get(loss), 0.0, 0.0, intercept, 1e-4, 1000)
    constant = path.Constant.of(table, 1, task)
    numbers = [(a * ratio, a * (1 - ratio)) for a in constant.grid(5, ratio, 1e-2)]
    along = path.along(table, 1, task, numbers, constant.start())
    for i, (heads, (l1, l2)) in enumerate(zip(along, numbers, strict=True)):
        one, alone = replace(task, l1=l1, l2=l2), Heads(table, 1, replace(task, l1=l1, l2=l2)).run()
        for report in (heads.reports[0], alone.reports[0]):
            assert report.reason == "certified" and report.gap <= 1e-4 * report.best.objective
            assert len(report.passes) <= 12
        if i == 2:
            tight = solved(table, one, monkeypatch)
            for report in (heads.reports[0], alone.reports[0]):
                assert report.bound <= tight.best.objective * (1.0 + 1e-12)
                assert report.best.objective >= tight.bound * (1.0 - 1e-12)


@pytest.mark.parametrize("name, most", [("MAX_COLUMNS", 20), ("MAX_SHARE", 0.0), ("SECONDS", -np.inf)])
def test_where_more_columns_are_needed_another_method_goes_on(name, most, monkeypatch):
    """Too many columns for a Hessian, or too large a share of all; or no time is left for Newton's steps."""
    alpha = 0.1 * abs(X.T @ (MARGIN - MARGIN.mean())).max() / N
    right = LinearRegressor(penalty="l1", alpha=alpha, random_state=0).fit(X, MARGIN)
    monkeypatch.setattr(working, name, most)
    est = LinearRegressor(penalty="l1", alpha=alpha, random_state=0).fit(X, MARGIN)
    assert est.stop_reason_ == "certified" and np.count_nonzero(est.coef_) > 5
    assert est.history_["objective"][-1] == pytest.approx(right.history_["objective"][-1], rel=2e-4)
    assert est.n_iter_ > right.n_iter_ or name == "MAX_COLUMNS"


def test_columns_that_are_all_the_same_or_constant():
    A = np.ones((N, D))
    A[:, :3] = X[:, [0, 0, 0]]
    for layout in (np.asarray, sp.csr_matrix):
        est = LinearRegressor(penalty="l1", alpha=1e-3, random_state=0).fit(layout(A), MARGIN)
        assert est.stop_reason_ == "certified" and not np.ravel(est.coef_)[3:].any()


def test_no_column_is_needed_where_alpha_is_large():
    est = LinearRegressor(penalty="l1", alpha=1e6, random_state=0).fit(X, MARGIN)
    assert est.stop_reason_ in ("certified", "precision") and not est.coef_.any()
    assert est.intercept_ == pytest.approx(MARGIN.mean())
