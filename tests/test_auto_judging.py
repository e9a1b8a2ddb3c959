"""learning_rate="auto": which of many rows judge the candidates, and how often each counts."""

import numpy as np
import pytest
from support.auto import AUTO, flat
from support.kernels import lay_out

from fastsgd import SGDClassifier
from fastsgd.auto import JUDGED, LOST

LOOKED_AT = 200  # the last rows, one by one


def unsure(n, classes):
    """Columns that say a little of y: no row loses far more than usual, as such a row judges in any case."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3)) * (rng.random((n, 3)) < 0.4)
    return X, (0.5 * X[:, :classes] + rng.gumbel(size=(n, 3))[:, :classes]).argmax(axis=1)


def drawn(t, one_in):
    """Whether row t is one of those: by the first digits of a product, as in the kernels."""
    return t * 0x9E3779B97F4A7C15 % 2**64 < 2**64 // one_in


def losses(clf, X, y):
    """Of the row, by the first candidate and by the constant by which the last row was judged."""
    auto, state = clf._state.auto, clf._state
    W, b = auto.model(state.W, state.A, state.b, state.b_avg, 0.0, 0.0, (np.array([0]), np.array([1.0])))
    z = np.array([(X @ W[:, :1]).item() + b[0], auto.heads[0, JUDGED]])
    return np.logaddexp(0, z) - y * z


@pytest.mark.parametrize(
    "n, half_life, one_in",
    [(3000, None, 1), (6000, None, 4), (70_000, None, 16), (6000, 1000, 1), (70_000, 10_000, 4)],
)
@pytest.mark.parametrize("layout", ["dense", "csr32"])
def test_which_rows_judge_and_how_often_they_count(layout, n, half_life, one_in):
    """As many as the rows say that are left, where older ones fade."""
    X, y = unsure(n, 2)
    clf = SGDClassifier("log_loss", **AUTO | {"shuffle": False}, penalty=None, half_life=half_life)
    rows = lay_out(X, layout)
    clf.partial_fit(rows[:-LOOKED_AT], y[:-LOOKED_AT], classes=[0, 1])
    found, right = np.zeros((2, LOOKED_AT))
    for i, t in enumerate(range(n - LOOKED_AT, n)):
        before, candidate = clf._state.auto.heads[0, LOST].copy(), losses(clf, rows[t : t + 1], y[t])[0]
        clf.partial_fit(rows[t : t + 1], y[t : t + 1])
        auto = clf._state.auto
        unit = (auto.at["recent"] ** 2 * auto.at["grown"] ** 3)[0]
        found[i] = (auto.heads[0, LOST] - before)[0] / unit
        right[i] = one_in * drawn(t + 1, one_in) * (candidate - losses(clf, rows[t : t + 1], y[t])[1])
    assert one_in == 1 or 0 < np.count_nonzero(right) < LOOKED_AT
    np.testing.assert_array_equal(found != 0, right != 0)
    if layout == "csr32":
        np.testing.assert_allclose(found, right, rtol=1e-6)
    else:  # A dense average judges as it was a few rows before.
        assert found @ right / (right @ right) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("n, one_in", [(3000, 1), (6000, 8), (20_000, 8)])
@pytest.mark.parametrize("layout", ["dense", "csr32"])
@flat
def test_of_classes_learnt_together_one_in_eight(layout, n, one_in):
    X, y = unsure(n, 3)
    clf, rows = SGDClassifier("log_loss", multi_class="multinomial", **AUTO | {"shuffle": False}), lay_out(X, layout)
    clf.partial_fit(rows[:-LOOKED_AT], y[:-LOOKED_AT], classes=[0, 1, 2])
    for t in range(n - LOOKED_AT, n):
        before = clf._state.auto.heads[0, LOST].copy()
        clf.partial_fit(rows[t : t + 1], y[t : t + 1])
        assert (clf._state.auto.heads[0, LOST] != before).any() == drawn(t + 1, one_in)
