"""Losses: the slope is the derivative of the value; and the objects behave as scikit-learn's parameters do."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from support.losses import OBJECTS, targets

from fastsgd import losses

RNG = np.random.default_rng(0)
every = pytest.mark.parametrize("loss", OBJECTS, ids=repr)
TAILS = np.r_[-(10.0 ** np.arange(3, 9)), 10.0 ** np.arange(3, 9)]


def kinks(loss, y):
    """Where the slope, or its own slope, jumps."""
    epsilon = getattr(loss, "epsilon", getattr(loss, "c", 0.0))
    return {
        "hinge": [y],
        "perceptron": [0.0],
        "modified_huber": [y, -y],
        "squared_hinge": [y],
        "quantile": [y],
        "poisson": [30.0],
        "gamma": [-30.0],
    }.get(loss.name, [y - epsilon, y + epsilon])


def grid(loss, y):
    p = np.r_[RNG.uniform(-6, 6, 400), RNG.uniform(-40, 40, 100)]
    away = np.min([abs(p - k) for k in kinks(loss, y)], axis=0) > 1e-3
    return p[away]


@every
def test_slope_is_the_derivative_of_the_value(loss):
    for y in targets(loss):
        p = grid(loss, y)
        h = 1e-5
        with np.errstate(all="raise"):
            numeric = (loss.value(p + h, y) - loss.value(p - h, y)) / (2 * h)
        noise = 1e-5 * np.maximum(1.0, abs(loss.value(p, y)))
        assert np.all(abs(numeric - loss.slope(p, y)) <= noise + 1e-6 * abs(numeric))


@every
def test_value_is_never_negative_but_for_the_constants_of_deviances(loss):
    if loss.name not in ("poisson", "gamma"):
        assert all((loss.value(grid(loss, y), y) >= 0).all() for y in targets(loss))


# ---------------------------------------------------------------- what solvers ask for
def offering(name):
    return pytest.mark.parametrize("loss", [loss for loss in OBJECTS if loss.offers(name)], ids=repr)


@offering("second")
def test_the_second_derivative_follows_from_the_slope(loss):
    for y in targets(loss):
        p, h = grid(loss, y), 1e-5
        p = p[abs(p) < 10]  # beyond, deviances are too large for the differences
        numeric = (loss.slope(p + h, y) - loss.slope(p - h, y)) / (2 * h)
        found = np.broadcast_to(loss.second(loss.slope(p, y), np.full(len(p), y)), p.shape)
        assert np.all(abs(numeric - found) <= 1e-4 + 1e-6 * abs(numeric))


@offering("pieces")
def test_a_loss_is_the_sum_of_its_pieces(loss):
    for y in targets(loss):
        p, total = grid(loss, y), 0.0
        for t, bend, low, high in loss.pieces(np.full(1, y)):
            with np.errstate(divide="ignore", invalid="ignore"):
                best = np.where(bend > 0, (t - p) / bend, np.where(t > p, high, low))
            a = np.clip(best, low, high)
            total = total + a * (t - p) - bend * a**2 / 2
        np.testing.assert_allclose(total, loss.value(p, y), rtol=1e-9, atol=1e-9)


@offering("constant")
def test_the_constant_is_better_than_zero(loss):
    y = np.exp(RNG.standard_normal(200)) if "regressor" in loss.task else np.where(RNG.random(200) < 0.7, 1.0, -1.0)
    assert loss.value(loss.constant(y), y).mean() <= loss.value(0.0, y).mean()


@every
def test_no_value_is_below_the_least_and_no_slope_above_the_steepest(loss):
    for y in targets(loss):
        p = np.r_[grid(loss, y), TAILS]
        assert (loss.value(p, y) >= loss.least_value).all() and (abs(loss.slope(p, y)) <= loss.steepest).all()
        if loss.dead_zone:
            assert loss.value(y + 0.99 * loss.dead_zone, y) == 0.0 < loss.value(y + 1.01 * loss.dead_zone, y)


def test_a_loss_says_what_it_does_not_know():
    for name, args in (("second", (1.0, 1.0)), ("pieces", (np.ones(1),)), ("constant", (np.ones(1),))):
        loss = losses.Sigmoid()
        assert not loss.offers(name)
        with pytest.raises(NotImplementedError, match="Sigmoid"):
            getattr(loss, name)(*args)


@every
def test_both_tails_are_finite(loss):
    for y in targets(loss):
        with np.errstate(all="raise"):
            assert np.isfinite(loss.value(TAILS, y)).all() and np.isfinite(loss.slope(TAILS, y)).all()


@every
def test_value_is_continuous_at_the_kinks(loss):
    for y in targets(loss):
        for k in kinks(loss, y):
            below, at, above = loss.value(np.nextafter(k, [-np.inf, k, np.inf]), y)
            assert below == pytest.approx(at, rel=1e-12, abs=1e-12) and above == pytest.approx(at, rel=1e-12, abs=1e-12)


@every
def test_convex_is_said_of_those_that_are(loss):
    """No chord lies below the curve; of the others, some do for each target."""
    for y in targets(loss):
        (a, b), share = RNG.uniform(-45, 45, (2, 5000)), RNG.random(5000)
        chord = share * loss.value(a, y) + (1 - share) * loss.value(b, y)
        below = loss.value(share * a + (1 - share) * b, y)
        fine = below <= chord + 1e-9 * np.maximum(1.0, abs(loss.value(a, y)) + abs(loss.value(b, y)))
        assert np.all(fine) == loss.convex


@every
def test_smooth_is_said_of_those_that_are(loss):
    """Across the kinks, the slopes of the others jump at one at least."""
    jumps = []
    for y in targets(loss):
        for k in kinks(loss, y):
            below, above = loss.slope([k - 1e-7, k + 1e-7], y)
            jumps.append(abs(above - below) > 1e-3 * max(1.0, abs(below)))
    assert any(jumps) != loss.smooth


@every
def test_a_perfect_prediction_asks_for_no_step(loss):
    for y in targets(loss):
        if loss.name == "log_loss":
            p = np.log(y / (1 - y)) if 0 < y < 1 else (800.0 if y else -800.0)
        elif loss.name == "sigmoid":  # as above, the minimum is at infinity
            p = 40.0 * y
        elif loss.task == ("classifier",):
            p = 2.0 * y
        else:
            p = np.log(y) if loss.lower == 0 else y
        assert loss.slope(p, y) == pytest.approx(0.0, abs=1e-14)


def test_kinks_are_pinned():
    """At a kink the slope is that of the side where the loss is positive; where that is both sides, 0."""
    for y in (-1.0, 1.0):
        assert losses.Hinge().slope(y, y) == -y
        assert losses.Hinge().slope(np.nextafter(y, 2 * y), y) == 0
        assert losses.Perceptron().slope(0.0, y) == -y
        assert losses.SquaredHinge().slope(y, y) == losses.ModifiedHuber().slope(y, y) == 0
        assert losses.ModifiedHuber().slope(-y, y) == -4 * y
    assert losses.EpsilonInsensitive(0.5).slope([-0.5, 0.5], 0.0).tolist() == [0, 0]
    assert losses.EpsilonInsensitive(0.5).slope([-0.51, 0.51], 0.0).tolist() == [-1, 1]
    assert losses.SquaredEpsilonInsensitive(0.5).slope([-0.5, 0.5], 0.0).tolist() == [0, 0]
    assert losses.Huber(0.5).slope([-0.6, -0.5, 0.5, 0.6], 0.0).tolist() == [-0.5, -0.5, 0.5, 0.5]
    assert losses.TukeyBiweight(2.0).slope([-9.0, -2.0, 2.0, 9.0], 0.0).tolist() == [0, 0, 0, 0]
    assert losses.Quantile(0.9).slope([0.0, 1.0, 2.0], 1.0) == pytest.approx([-0.9, 0, 0.1])
    assert losses.Poisson().slope([30, 31, 1e8], 0.0).tolist() == [np.exp(30.0)] * 3
    assert losses.Gamma().slope([-30, -31, -1e8], 1.0).tolist() == [1 - np.exp(30.0)] * 3


def test_log_loss_keeps_its_digits_in_both_tails():
    loss, p = losses.LogLoss(), np.array([20.0, 40.0, 700.0])
    np.testing.assert_allclose(loss.value(p, 1.0), np.exp(-p), rtol=1e-8)
    np.testing.assert_allclose(loss.value(-p, 0.0), np.exp(-p), rtol=1e-8)
    np.testing.assert_allclose(loss.slope(p, 1.0), -np.exp(-p), rtol=1e-8)
    np.testing.assert_allclose(loss.slope(-p, 0.0), np.exp(-p), rtol=1e-8)


def test_sigmoid_keeps_its_digits_in_both_tails():
    loss, p = losses.Sigmoid(), np.array([20.0, 40.0, 700.0])
    for y in (-1.0, 1.0):
        np.testing.assert_allclose(loss.value(p * y, y), np.exp(-p), rtol=1e-8)
        np.testing.assert_allclose(loss.value(-p * y, y), 1.0, rtol=1e-8)
        np.testing.assert_allclose(loss.slope(p * y, y), -y * np.exp(-p), rtol=1e-8)
        np.testing.assert_allclose(loss.slope(-p * y, y), -y * np.exp(-p), rtol=1e-8)


def test_robust_losses_are_least_squares_near_zero_and_have_their_limits():
    r = np.array([-1e-3, 1e-3])
    for loss in (losses.TukeyBiweight(), losses.Cauchy(), losses.Welsch()):
        np.testing.assert_allclose(loss.value(r, 0.0), r**2 / 2, rtol=1e-6)
        np.testing.assert_allclose(loss.slope(r, 0.0), r, rtol=1e-6)
    assert losses.TukeyBiweight(3.0).value(1e9, 0.0) == 1.5
    assert losses.Welsch(3.0).value(1e9, 0.0) == 4.5
    assert losses.Cauchy(3.0).slope(1e9, 0.0) == pytest.approx(9e-9)


def test_same_as_scikit_learn_at_random_points():
    fast, common = pytest.importorskip("sklearn.linear_model._sgd_fast"), pytest.importorskip("sklearn._loss._loss")
    p, real, sign = RNG.normal(0, 3, 1000), RNG.normal(0, 3, 1000), RNG.choice([-1.0, 1.0], 1000)
    pairs = [
        (losses.Hinge(), fast.Hinge(1.0), sign),
        (losses.Perceptron(), fast.Hinge(0.0), sign),
        (losses.SquaredHinge(), fast.SquaredHinge(), sign),
        (losses.ModifiedHuber(), fast.ModifiedHuber(), sign),
        (losses.EpsilonInsensitive(0.3), fast.EpsilonInsensitive(0.3), real),
        (losses.SquaredEpsilonInsensitive(0.3), fast.SquaredEpsilonInsensitive(0.3), real),
    ]
    for ours, theirs, y in pairs:
        value = [theirs.py_loss(*point) for point in zip(p, y, strict=True)]
        slope = [theirs.py_dloss(*point) for point in zip(p, y, strict=True)]
        np.testing.assert_allclose(ours.value(p, y), value, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(ours.slope(p, y), slope, rtol=1e-12, atol=1e-14)
    pairs = [
        (losses.LogLoss(), common.CyHalfBinomialLoss(), (sign + 1) / 2, 1.0, 0.0),
        (losses.SquaredError(), common.CyHalfSquaredError(), real, 1.0, 0.0),
        (losses.Huber(0.7), common.CyHuberLoss(0.7), real, 1.0, 0.0),
        (losses.Poisson(), common.CyHalfPoissonLoss(), abs(real), 1.0, 0.0),
        (losses.Gamma(), common.CyHalfGammaLoss(), abs(real), 1.0, 0.0),
        (losses.Quantile(0.9), common.CyPinballLoss(0.9), real, 1.0, 0.0),
    ]
    for ours, theirs, y, *_ in pairs:
        value, slope = np.empty(1000), np.empty(1000)
        theirs.loss(y_true=y, raw_prediction=p, sample_weight=None, loss_out=value, n_threads=1)
        theirs.gradient(y_true=y, raw_prediction=p, sample_weight=None, gradient_out=slope, n_threads=1)
        np.testing.assert_allclose(ours.value(p, y), value, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(ours.slope(p, y), slope, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- the objects
@every
def test_pickle_clone_and_repr_give_the_same_loss(loss):
    copies = pickle.loads(pickle.dumps(loss)), clone(loss), clone(loss, safe=False), eval(repr(loss), vars(losses))
    for copy in copies:
        assert copy == loss and hash(copy) == hash(loss) and type(copy) is type(loss)
        np.testing.assert_array_equal(copy.value([0.3, 4.0], 1.0), loss.value([0.3, 4.0], 1.0))


def test_equality_is_of_class_and_parameters():
    assert losses.Huber(0.5) == losses.Huber(0.5) != losses.Huber(0.6)
    assert losses.Hinge() != losses.Perceptron() and losses.Hinge() != "hinge"
    assert len(set(OBJECTS)) == len(OBJECTS)


def test_set_params():
    loss = losses.Huber(0.1).set_params(epsilon=2.0)
    assert loss.epsilon == 2.0 and loss.value(2.0, 0.0) == 2.0
    with pytest.raises(ValueError, match="no parameter 'delta'"):
        loss.set_params(delta=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.Huber(-1),
        lambda: losses.Quantile(0),
        lambda: losses.Quantile(1),
        lambda: losses.Huber(np.nan),
        lambda: losses.Welsch(0),
    ],
)
def test_parameters_out_of_range(make):
    with pytest.raises(ValueError, match="must lie"):
        make()


def test_get():
    assert losses.get("huber", epsilon=0.5) == losses.Huber(0.5)
    assert losses.get("hinge", epsilon=0.5) == losses.Hinge()
    given = losses.Huber(3.0)
    assert losses.get(given, epsilon=0.5) is given
    with pytest.raises(ValueError, match="loss must be one of"):
        losses.get("hing")


def test_values_keep_shape_and_broadcast():
    loss = losses.SquaredError()
    assert loss.value(np.zeros((2, 3)), np.ones(3)).shape == (2, 3)
    assert np.ndim(loss.value(1.0, 2.0)) == 0
    np.testing.assert_array_equal(
        loss.value(np.arange(6.0).reshape(2, 3).T, 0), (np.arange(6.0).reshape(2, 3).T) ** 2 / 2
    )


def test_mean_of_a_log_link_never_overflows():
    for loss in (losses.Poisson(), losses.Gamma()):
        with np.errstate(all="raise"):
            assert np.isfinite(loss.mean(np.array([0.0, 1e4]))).all()
            assert np.isfinite(loss.mean(np.array([0, 1e4], "f4"))).all()
        np.testing.assert_allclose(loss.mean(np.array([0.0, 2.0])), [1, np.exp(2)])
    assert losses.Hinge().mean(3.0) == 3.0
