"""Sums over parts of the rows: added in order they are the sum over all rows, and they pickle."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

from fastsgd import SGDClassifier
from fastsgd.objective import objective
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import moments_of
from fastsgd.state import State
from fastsgd.sums import Labels, LossSums, Moments, Scores, SlopeSums, total

RNG = np.random.default_rng(0)
N, D, K = 300, 7, 3
X = RNG.standard_normal((N, D)) + 5.0
CODE, WEIGHT = RNG.integers(0, K, N).astype(np.int32), RNG.integers(0, 3, N).astype(float)
LAYOUTS = {"dense": X, "float32": X.astype(np.float32), "csr": sp.csr_matrix(np.where(X > 5, X, 0.0))}
PARTS = [slice(0, 100), slice(100, 100), slice(100, 101), slice(101, N)]
W, B = RNG.standard_normal((D, K)) / 10, RNG.standard_normal(K)


def tables(layout, weight=WEIGHT):
    """(a table of all rows, tables of the parts)"""
    X, names = LAYOUTS[layout], dict(code=CODE, s=weight)
    return Table(X, **names), [Table(X[p], **{name: a[p] for name, a in names.items()}) for p in PARTS]


def plan_of(loss, together=False):
    est = SGDClassifier(loss, multi_class="multinomial" if together else "ovr", alpha=0.1)
    est.classes_ = np.arange(K)
    return est._plan(Table(X), 1, False)


def model(layout):
    """Weights of the layout's dtype, of as many columns as the kernels take."""
    dtype = LAYOUTS[layout].dtype
    state = State.zeros(D, K, dtype, 0)
    state.W[:, :K] = W
    return state.W, B


def through_pickle(parts):
    return [pickle.loads(pickle.dumps(part)) for part in parts]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss, together", [("hinge", False), ("log_loss", False), ("log_loss", True)])
def test_losses_and_slopes_of_parts_are_those_of_all_rows(layout, loss, together):
    whole, parts = tables(layout)
    plan, at = plan_of(loss, together), model(layout)
    exact = {"rtol": 1e-5 if layout == "float32" else 1e-12, "atol": 1e-6 if layout == "float32" else 1e-13}
    losses = total(through_pickle(LossSums.of(part, plan, *at) for part in parts))
    np.testing.assert_allclose(losses.finish(), LossSums.of(whole, plan, *at).finish(), **exact)
    slopes = total(through_pickle(SlopeSums.of(part, plan, *at) for part in parts))
    for found, expected in zip(slopes.finish(), SlopeSums.of(whole, plan, *at).finish(), strict=True):
        np.testing.assert_allclose(found, expected, **exact)
    np.testing.assert_allclose(slopes.losses.finish(), losses.finish(), **exact)


def test_a_part_in_which_a_margin_overflows_makes_the_whole_infinite():
    _, parts = tables("dense")
    plan, (W, b) = plan_of("log_loss"), model("dense")
    fine, broken = SlopeSums.of(parts[0], plan, W, b), SlopeSums.of(parts[3], plan, np.full_like(W, 1e308), b)
    for found in (fine + broken).finish():
        assert np.isposinf(np.asarray(found)[..., :K]).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_parts_are_those_of_all_rows(layout, weighted):
    whole, parts = tables(layout, WEIGHT if weighted else np.ones(N))
    dense, s = whole.X.toarray() if whole.sparse else whole.X.astype(float), whole.s
    mean = s @ dense / s.sum()
    expected = mean, np.sqrt(s @ (dense - mean) ** 2 / s.sum())
    dtype = whole.X.dtype
    found = total(through_pickle(moments_of(part, dtype) for part in parts))
    for sums in (found, moments_of(whole, dtype), total(Moments.of(dense[p], s[p]) for p in PARTS)):
        assert sums.weight == s.sum()
        np.testing.assert_allclose(sums.finish(), expected, rtol=1e-6 if layout == "float32" else 1e-12)


def test_labels_of_parts_are_those_of_all_rows():
    y = np.array(["no", "perhaps", "yes"])[CODE]
    found = total(through_pickle(Labels.of(y[p], WEIGHT[p], soft=False) for p in PARTS))
    assert found.n_rows == N and found.weighed and not found.soft
    for a, b in zip(found.finish(), np.unique(y, return_counts=True), strict=True):
        assert np.array_equal(a, b)
    none = total(Labels.of(y[p], np.zeros(len(y[p])), soft=False) for p in PARTS)
    assert not none.weighed


def test_labels_beside_probabilities_are_probabilities_of_0_and_1():
    soft = np.array([[0.25, 0.75], [0.5, 0.5]])
    parts = [Labels.of(np.array([0.0, 1.0, 1.0]), soft=False), Labels.of(soft, soft=True)]
    for given in (parts, parts[::-1]):
        classes, mass = total(given).finish()
        assert classes.tolist() == [0.0, 1.0] and mass.tolist() == [1.75, 3.25]
    with pytest.raises(ValueError, match="the label 2"):
        parts[1] + Labels.of(np.array([2.0]), soft=False)
    with pytest.raises(ValueError, match="probabilities of 2 classes in some blocks, and of 3"):
        parts[1] + Labels.of(np.full((1, 3), 1 / 3), soft=True)


def test_scores_of_parts_are_those_of_all_rows():
    y, guess = RNG.standard_normal((2, N, 2))
    found = total(through_pickle(Scores.of_regression(y[p], guess[p], WEIGHT[p]) for p in PARTS))
    assert found.n_rows == N and found.weight == WEIGHT.sum()
    assert found.finish()["absolute"] == pytest.approx(mean_absolute_error(y, guess, sample_weight=WEIGHT))
    assert found.r2() == pytest.approx(r2_score(y, guess, sample_weight=WEIGHT, multioutput="raw_values"))
    right = total(Scores.of(WEIGHT[p], right=CODE[p] == 1) for p in PARTS)
    assert right.finish()["right"] == pytest.approx(accuracy_score(CODE, np.ones(N), sample_weight=WEIGHT))


def test_nothing_is_said_of_rows_without_weight():
    nothing = np.zeros(3)
    assert np.isnan(Scores.of(nothing, right=np.ones(3)).finish()["right"])
    assert np.isnan(Scores.of_regression(np.ones(3), np.ones(3), nothing).r2()).all()
    assert total([]) is None and Moments.of(np.ones((3, 2)), nothing).weight == 0


def test_the_objective_is_the_mean_loss_of_the_parts_and_the_penalty():
    whole, parts = tables("dense")
    plan, (W, b) = plan_of("log_loss"), model("dense")
    losses = total(LossSums.of(part, plan, W, b) for part in parts).finish()
    assert objective(whole, plan, W, b) == pytest.approx((sum(losses) + 0.05 * (W * W).sum()) / K)
