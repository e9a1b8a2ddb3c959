"""Fits in rounds over partitions: near the least objective as certified, the same bits wherever tasks run, and any partitions."""

import numpy as np
import pytest
import scipy.sparse as sp
from reference import objective
from support.certified import numbers, problem
from support.data import labels, rows
from support.rounds import cut, fit, serial, shuffled, table

from fastsgd import LinearClassifier, LinearRegressor, losses
from fastsgd.solvers.rounds import Rounds

SMOOTH = [seed for seed in range(132) if problem(seed)[3]["loss"].offers("second")]
X, Y, S = rows(400, 5)
TWO = labels(Y)


def value(rounds, X, y, s, model, h=0):
    """The objective by the reference."""
    X, y, l1, l2 = numbers(X, y, model)
    return objective(X, y[:, None], model["loss"], rounds.W[:, h : h + 1], rounds.b[h : h + 1], l1=l1, l2=l2, s=s)[0]


def exact(X, y, s, model):
    """A very accurate fit on one machine."""
    make = LinearClassifier if y.dtype.kind == "i" else LinearRegressor
    est = make(**model, tol=1e-9, max_iter=2000).fit(X.astype(float), y, s)
    est.W, est.b = est.coef_.reshape(1, -1).T.astype(float), est.intercept_.astype(float)
    return est


def in_parts(n, seed, by=None):
    """Places of some partitions: in an order of their own, or by the targets; one of a single row, and an empty one."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(n) if by is None else np.argsort(by, kind="stable")
    return [order[:1], order[:0], *np.array_split(order[1:], rng.integers(1, 6))]


@pytest.mark.filterwarnings("ignore:max_iter", "ignore:Rounding")
@pytest.mark.parametrize("seed", SMOOTH)
def test_the_certificate_holds(seed, monkeypatch):
    """By whatever method, F - min F is at most the gap that is reported, and that is at most tol."""
    X, y, s, model = problem(seed)
    way = (
        ("newton", "sample", "products", "diagonal")[seed % 4]
        if model["penalty"] == "l2"
        else ("newton", "diagonal")[seed % 2]
    )
    monkeypatch.setattr(Rounds, "_way", lambda *_: way)
    tol = [1e-1, 1e-2, 1e-3][seed % 3]
    parted = table(X, y, model["loss"], s, classes=2 if y.dtype.kind == "i" else 0)
    parts = cut(parted, in_parts(len(y), seed, y if seed % 4 else None))
    found = fit(serial(parts), parted, model, tol=tol, max_iter=100)
    F, best = value(found, X, y, s, model), value(exact(X, y, s, model), X, y, s, model)
    rounding = 1e-6 if X.dtype == np.float32 else 1e-10
    assert F - best <= (found.gap + rounding) * abs(F)
    assert found.reason == "certified" or way in ("products", "diagonal")  # which may take long
    assert found.reason != "certified" or found.gap <= tol


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_the_same_bits_whatever_the_order_in_which_tasks_end(loss, layout):
    parted = table(layout(X), TWO, loss, S, classes=2)
    parts, model = cut(parted, np.array_split(np.arange(len(X)), 5)), {"loss": loss, "alpha": 1e-2}
    one = fit(serial(parts), parted, model)
    for seed in range(3):
        other = fit(shuffled(parts, seed), parted, model)
        assert np.array_equal(one.W, other.W) and np.array_equal(one.b, other.b)
        assert [r[:4] for r in one.history] == [r[:4] for r in other.history]


def test_partitions_hold_the_same_rows_however_they_are_cut():
    """All of one class, of one row, with no rows at all: what is found is the same within tol."""
    parted, model = table(X, TWO, "log_loss", S, classes=2), {"loss": "log_loss", "alpha": 1e-3}
    n, by_class = len(X), np.argsort(TWO, kind="stable")
    places = [
        [np.arange(n)],
        [by_class[:0], *np.array_split(by_class, 7), by_class[:0]],
        [np.flatnonzero(TWO == 0), np.flatnonzero(TWO == 1)],
        [[i] for i in range(n)],
    ]
    values = []
    for at in places:
        found = fit(serial(cut(parted, at)), parted, model, tol=1e-7)
        assert found.reason == "certified" and found.rounds <= 8
        values.append(found.reports[0].best.objective)
    assert max(values) - min(values) <= 1e-7 * min(values)


def test_classes_are_solved_in_the_same_rounds():
    code = np.digitize(Y, np.quantile(Y, [0.3, 0.6, 0.8]))
    parted = table(X, code, "log_loss", S, classes=4)
    parted.s_pos, parted.s_neg = np.array([1.0, 2.0, 0.5, 1.0]), np.array([1.0, 1.0, 3.0, 1.0])
    parts, calls = cut(parted, np.array_split(np.argsort(code), 4)), []

    def run(function, *args, then):
        calls.append(function.__name__)
        return then([function(part, *args) for part in parts], *args)

    found = fit(run, parted, {"loss": "log_loss"}, K=4, tol=1e-6)
    assert found.reason == "certified" and len(calls) == found.rounds <= 8
    for k in range(4):
        c = S * np.where(code == k, parted.s_pos[k], parted.s_neg[k])
        one = LinearClassifier(alpha=1e-3, tol=1e-8).fit(X, code == k, c)
        np.testing.assert_allclose(found.W[:, k], one.coef_[0], rtol=2e-2, atol=1e-3)


def test_weights_count_as_rows():
    """Weights of 0, 1, 2 and rows left out or repeated are the same model; so are weights of any common size."""
    weight = np.random.default_rng(0).integers(0, 3, len(X))
    many = np.repeat(np.arange(len(X)), weight)
    model = {"loss": "squared_error", "alpha": 1e-2}
    repeated = table(X[many], Y[many], "squared_error")
    one = fit(serial(cut(repeated, np.array_split(np.arange(len(many)), 3))), repeated, model, tol=1e-10)
    for unit in (1.0, 1e300, 1e-300):
        parted = table(X, Y, "squared_error", weight * unit)
        other = fit(serial(cut(parted, np.array_split(np.arange(len(X)), 3))), parted, model, tol=1e-10)
        np.testing.assert_allclose(one.W, other.W, rtol=1e-6, atol=1e-9)


def test_columns_far_from_zero_and_of_any_size():
    """Offsets and units of the columns, and of y, change neither the rounds nor the objective."""
    units = np.array([1.0, 1e-160, 1e6, 1e-3, 1e9])
    far = X * np.array([1.0, 1.0, 1.0, 1.0, 1e-6]) + np.array([1e7, 0.0, -1e5, 0.0, 1e3])
    plain, moved = table(X, Y, "squared_error"), table(far, Y + 1e6, "squared_error")
    model = {"loss": "squared_error", "penalty": None, "alpha": 0.0}
    at = np.array_split(np.argsort(Y), 4)
    one, other = (fit(serial(cut(parted, at)), parted, model) for parted in (plain, moved))
    assert one.reason == other.reason == "estimated"
    assert other.reports[0].best.objective == pytest.approx(one.reports[0].best.objective, rel=1e-8)
    small = table(X * units, Y, "squared_error")
    third = fit(serial(cut(small, at)), small, model)
    assert third.reports[0].best.objective == pytest.approx(one.reports[0].best.objective, rel=1e-8)


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_a_column_that_does_not_vary_has_no_weight(layout):
    """Also where each partition has its own value of one that varies."""
    constant = np.column_stack([X, np.full(len(X), 7.0), np.zeros(len(X)), np.repeat([0.0, 1.0], len(X) // 2)])
    parted = table(layout(constant), TWO, "log_loss", classes=2)
    found = fit(serial(cut(parted, np.array_split(np.arange(len(X)), 4))), parted, {"loss": "log_loss"}, tol=1e-6)
    assert found.W[5, 0] == found.W[6, 0] == 0.0 and found.W[7, 0] != 0.0
    assert found.reason == "certified"


def test_float32_and_rows_that_zeros_fill():
    for dense in (X * (np.random.default_rng(0).random(X.shape) < 0.1), X):
        models = []
        for layout in (np.asarray, sp.csr_matrix):
            parted = table(layout(dense.astype(np.float32)), TWO, "log_loss", S, classes=2)
            parts = cut(parted, np.array_split(np.arange(len(X)), 3))
            models.append(fit(serial(parts), parted, {"loss": "log_loss", "alpha": 1e-2}, tol=1e-6))
            assert models[-1].W.dtype == np.float64 and models[-1].reason == "certified"
            assert np.array_equal(models[-1].W, models[-1].W.astype(np.float32))
        np.testing.assert_allclose(models[0].W, models[1].W, rtol=1e-2, atol=1e-3)


# ---------------------------------------------------------------- ends
def test_the_end_that_comes_first():
    parted, model = table(X, TWO, "log_loss", S, classes=2), {"loss": "log_loss", "alpha": 1e-5}
    parts = cut(parted, np.array_split(np.argsort(TWO), 4))
    assert fit(serial(parts), parted, model, tol=0.0, max_iter=1).reason == "max_iter"
    assert fit(serial(parts), parted, model, each=lambda heads, report: True).reason == "callback"
    none = fit(serial(parts), parted, {"loss": "log_loss", "penalty": None})
    assert none.reason == "estimated" and none.gap == 1.0 and none.rounds <= 8
    tight = fit(serial(parts), parted, model, tol=0.0)
    assert tight.reason == "precision" and tight.gap < 1e-8


def test_ctrl_c_leaves_the_best_model_so_far():
    parted, model = table(X, TWO, "log_loss", S, classes=2), {"loss": "log_loss", "alpha": 1e-5}
    parts = cut(parted, np.array_split(np.argsort(TWO), 4))
    whole = fit(serial(parts), parted, model, tol=0.0)
    for after in range(4):
        calls = []

        def run(function, *args, then, calls=calls, after=after):
            if len(calls) == after:
                raise KeyboardInterrupt
            calls.append(function)
            return then([function(part, *args) for part in parts], *args)

        found = fit(run, parted, model, tol=0.0)
        assert found.reason == "interrupted" and found.W.shape == (5, 1)
        if after > 1:
            assert found.history == [] or found.history[-1][2] == whole.history[after - 2][2]
            assert np.isfinite(found.gap) and found.W.any()


def test_it_goes_on_from_a_model():
    parted, model = table(X, TWO, "log_loss", S, classes=2), {"loss": "log_loss", "alpha": 1e-3}
    parts = cut(parted, np.array_split(np.argsort(TWO), 4))
    one = fit(serial(parts), parted, model, tol=1e-6)
    again = fit(serial(parts), parted, model, tol=1e-6, start=(one.W, one.b, None))
    assert again.reason == "certified" and again.rounds == 2


@pytest.mark.parametrize(
    "s, X, y, words",
    [
        (np.zeros(400), X, Y, "sample_weight"),
        (None, X * 1e200, Y, "X is too large in column"),
        (None, X, Y * 1e200, "y is too large"),
    ],
)
def test_what_has_no_model_is_an_error_in_words(s, X, y, words):
    parted = table(X, y, "squared_error", s)
    with pytest.raises(ValueError, match=words):
        fit(serial(cut(parted, np.array_split(np.arange(len(X)), 3))), parted, {"loss": "squared_error"})


@pytest.mark.parametrize(
    "loss", [losses.Huber(0.05), losses.SquaredEpsilonInsensitive(0.1), losses.Poisson(), losses.Gamma()]
)
def test_losses_of_numbers(loss):
    y = np.exp(np.clip(Y, -3, 3)) if loss.name in ("poisson", "gamma") else Y * 50 + 1e4
    model = {"loss": loss, "alpha": 1e-3, "penalty": "l2", "l1_ratio": None}
    parted = table(X, y, loss, S)
    found = fit(serial(cut(parted, np.array_split(np.argsort(y), 4))), parted, model, tol=1e-3)
    best = value(exact(X, y, S, model), X, y, S, model)
    assert found.reason == "certified" and found.rounds <= 12
    assert value(found, X, y, S, model) - best <= 1e-3 * abs(best)
