"""What rounds are made of: moments of partitions, bounds of means of dual points, and the least of a parabola plus L1."""

from functools import reduce
from operator import add

import numpy as np
import pytest
import scipy.sparse as sp
from support.rounds import cut, table

from fastsgd import LinearClassifier, losses
from fastsgd.solvers.bundle import Bundle
from fastsgd.solvers.partition import Wanted, columns
from fastsgd.solvers.proximal import proximal

RNG = np.random.default_rng(0)


# ---------------------------------------------------------------- columns
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("unit", [1.0, 1e300, 1e-300])
def test_moments_of_partitions_are_those_of_all_rows(layout, unit):
    X = RNG.standard_normal((60, 5)) * [1.0, 1e-170, 1e-3, 1e3, 0.0] + [0.0, 0.0, 1e5, -1e6, 3.0]
    s, y = RNG.integers(0, 3, 60).astype(float), RNG.standard_normal(60)
    parted = table(layout(X), y, "squared_error", s * unit)
    parts = cut(parted, [range(3), range(3, 3), range(3, 40), range(40, 60)])
    found = reduce(add, [columns(part, 1, losses.get("squared_error"), Wanted(0.5, 100.0, 0)) for part in parts])
    mean = s @ X / s.sum()
    sizes = [1.0, 1e-170, 1.0, 1.0, 1.0]  # Squares of the second column are 0.
    deviation = [
        np.sqrt(s @ ((x - m) / size) ** 2 / s.sum()) * size for x, m, size in zip(X.T, mean, sizes, strict=True)
    ]
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(
        found.root / np.sqrt(found.weight), deviation, rtol=1e-9, atol=1e-9 * abs(mean).max() * 1e-9
    )
    assert found.n == 60 and found.parts == 4
    assert found.weight * found.unit == pytest.approx(s.sum() * unit)
    assert (found.low, found.high) == (y.min(), y.max())
    assert all(sample.s.min() > 0 for sample in found.samples)


def test_a_sample_is_spread_over_all_partitions_and_has_no_row_twice():
    X = np.arange(1000.0)[:, None]
    parted = table(X, X[:, 0], "squared_error")
    parts = cut(parted, [range(10), range(10, 700), range(700, 1000)])
    found = [columns(part, 1, losses.get("squared_error"), Wanted(0.1, 100.0, 3)).samples[0] for part in parts]
    assert [sample.n_rows for sample in found] == [1, 69, 30]
    rows = np.concatenate([sample.X[:, 0] for sample in found])
    assert len(np.unique(rows)) == 100 and np.array_equal(rows, np.concatenate([sample.y[:, 0] for sample in found]))
    few = columns(parts[1], 1, losses.get("squared_error"), Wanted(0.1, 0.5, 3)).samples[0]
    assert few.n_rows == 35  # half a value a row


# ---------------------------------------------------------------- bounds
@pytest.mark.parametrize("l1, l2", [(0.0, 1e-2), (2e-2, 0.0), (1e-2, 1e-2)])
@pytest.mark.parametrize("intercept", [True, False])
def test_no_bound_is_above_the_least_objective(l1, l2, intercept):
    """Of any dual points, of which each by itself may prove nothing."""
    X = RNG.standard_normal((80, 4))
    y = np.where(X @ [1.0, -1.0, 0.5, 0.0] + 0.5 + RNG.standard_normal(80) > 0, 1.0, 0.0)
    loss, alpha = losses.get("log_loss"), l1 + l2
    penalty = {"penalty": "elasticnet", "alpha": alpha, "l1_ratio": l1 / alpha, "fit_intercept": intercept}
    best = LinearClassifier(**penalty, tol=1e-10).fit(X, y)
    z = X @ best.coef_[0] + best.intercept_
    least = loss.value(z, y).mean() + l1 * abs(best.coef_).sum() + 0.5 * l2 * (best.coef_**2).sum()
    bundle = Bundle(np.full(4, l1), np.full(4, l2), intercept, 0.0)
    bounds = []
    for near in (3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        w, b = (
            best.coef_[0] + near * RNG.standard_normal(4),
            best.intercept_[0] + intercept * near * RNG.standard_normal(),
        )
        g = loss.slope(X @ w + b, y)
        sums = loss.conjugate(g, y).mean(), X.T @ g / 80, g.mean(), abs(g).mean()
        if near == 3.0:
            for side in (np.maximum(g, 0.0), np.minimum(g, 0.0)):
                bundle.keep(loss.conjugate(side, y).mean(), X.T @ side / 80, side.mean(), abs(side).mean())
        bounds.append(bundle.add(*sums, abs(b)))
        assert bounds[-1] <= least + 1e-9
    assert bounds == sorted(bounds)
    assert bounds[-1] >= least * (1 - 1e-5)


def test_there_is_no_bound_where_nothing_holds_a_column():
    bundle = Bundle(np.array([0.1, 0.0]), np.array([0.0, 0.0]), False, 0.0)
    assert bundle.add(-0.5, np.array([0.05, 0.1]), 0.0, 0.5) == -np.inf
    bundle = Bundle(np.zeros(2), np.zeros(2), False, 0.0)
    assert bundle.add(np.inf, np.zeros(2), 0.0, 0.5) == -np.inf


# ---------------------------------------------------------------- steps with L1
@pytest.mark.parametrize("rank", [20, 7], ids=["definite", "singular"])
def test_the_least_of_a_parabola_plus_l1(rank):
    """No slope is left: minus l1 or l1 where a number is not 0, and within them where it is."""
    for scale in (1.0, 1e-8, 1e8):
        A = RNG.standard_normal((rank, 20))
        if rank < 20:
            A[:, 10] = A[:, 3]
        H, start = A.T @ A * scale, RNG.standard_normal(20) * (RNG.random(20) < 0.5)
        g, l1 = -H @ RNG.standard_normal(20), np.append(np.full(19, 2.0 * scale), 0.0)
        v = proximal(H, g, start, l1)
        slope = g + H @ (v - start)
        size = 1e-8 * abs(g).max()
        assert (abs(slope) <= l1 + size).all()
        assert (abs(slope + l1 * np.sign(v))[v != 0] <= size).all()
        assert (v == 0).any()
