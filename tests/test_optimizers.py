"""Every optimizer and batch size gives what tests/reference.py gives; CSR gives what dense data give."""

import pickle
from functools import cache

import numpy as np
import pytest
import reference
from sklearn.base import clone
from support.cases import covering
from support.kernels import ALPHA, DTYPES, LAYOUTS, PASSES, agree, bind, lay_out, rows, targets, train

import fastsgd
from fastsgd import SGDRegressor, losses, optimizers, penalties, schedules, stopping

# Large eps and other numbers that are not the defaults, so that each of them matters.
OBJECTS = {
    "sgd": optimizers.SGD(),
    "momentum": optimizers.SGD(momentum=0.8),
    "nesterov": optimizers.SGD(momentum=0.8, nesterov=True),
    "adagrad": optimizers.AdaGrad(eps=0.1),
    "rmsprop": optimizers.RMSProp(rho=0.8, eps=0.1),
    "adam": optimizers.Adam(beta1=0.8, beta2=0.95, eps=0.01),
    "adamw": optimizers.AdamW(beta1=0.8, beta2=0.95, eps=0.01),
    "adam, biased": optimizers.Adam(beta1=0.8, beta2=0.95, eps=0.01, bias_correction=False),
    "adamw, biased": optimizers.AdamW(beta1=0.8, beta2=0.95, eps=0.01, bias_correction=False),
    "ftrl": optimizers.FTRL(beta=0.5, lambda1=0.05, lambda2=0.1),
}
SIZES = {"1": 1, "7": 7, "full": np.inf}
PENALTIES = [None, "l2", "l1", "elasticnet"]
LOSS = losses.Huber(0.7)


def schedule(name):
    """FTRL has its own step sizes; the others get one that changes."""
    return bind("constant" if name == "ftrl" else "invscaling", LOSS, eta0=0.2)


def eager(optimizer):
    return clone(optimizer).set_params(lazy=False)


@cache
def expected(name, size, penalty, heads, average, lazy):
    X, s = rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    more = dict(l1=l1, l2=l2, average=average, s=s, passes=PASSES, present=X != 0 if lazy else None)
    return reference.minibatch(X, targets(LOSS, X, heads), LOSS, schedule(name), OBJECTS[name], SIZES[size], **more)


def ours(layout, dtype, name, size, penalty, heads, average, optimizer):
    X, s = rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    given = dict(l1=l1, l2=l2, average=average, y=targets(LOSS, X, heads), s=s, optimizer=optimizer)
    return train(lay_out(X, layout, dtype), LOSS, schedule(name), batch_size=SIZES[size], **given)


# Plain SGD row by row has its own kernel and tests; and an average of FTRL's weights is of those last seen, see there.
CASES = [(name, size) for name in OBJECTS for size in SIZES if (name, size) != ("sgd", "1")]
HOW = "layout, dtype, case, penalty, heads, average"


@pytest.mark.parametrize(HOW, covering(3, LAYOUTS, DTYPES, CASES, PENALTIES, [1, 5], [0, 3]), ids=str)
def test_dense_updates_equal_the_reference(layout, dtype, case, penalty, heads, average):
    name, size = case
    result = ours(layout, dtype, name, size, penalty, heads, average, eager(OBJECTS[name]))
    agree(result, expected(name, size, penalty, heads, average, False), DTYPES[dtype])


def has_one_meaning(layout, dtype, case, penalty, heads, average):
    return not (case[0] == "ftrl" and penalty and average)


@pytest.mark.parametrize(
    HOW, covering(3, ["csr32", "csr64"], DTYPES, CASES, PENALTIES, [1, 5], [0, 3], allowed=has_one_meaning), ids=str
)
def test_lazy_updates_on_csr(layout, dtype, case, penalty, heads, average):
    """As dense where there is a closed form; else features that a batch does not have stay as they are."""
    name, size = case
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    absent_stay = not OBJECTS[name].closed(l1, l2, bool(average))
    result = ours(layout, dtype, name, size, penalty, heads, average, OBJECTS[name])
    agree(result, expected(name, size, penalty, heads, average, absent_stay), DTYPES[dtype])


@pytest.mark.parametrize("cls", [optimizers.Adam, optimizers.AdamW])
def test_adam_without_bias_correction_is_its_formula(cls, tmp_path):
    """In full batches, by hand; and it goes on where it was, from a pickle and from a file."""
    X, y = np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([1.0, -2.0])
    how = dict(batch_size="full", learning_rate="constant", eta0=0.1, alpha=0.05, fit_intercept=False, tol=None)
    est = SGDRegressor(optimizer=cls(0.8, 0.9, 0.01, bias_correction=False), max_iter=3, **how).fit(X, y)
    w, m, v, apart = np.zeros(2), np.zeros(2), np.zeros(2), cls is optimizers.AdamW
    ways = []
    for _ in range(4):
        g = X.T @ (X @ w - y) / 2 + (0 if apart else 0.05 * w)
        m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g**2
        w = (1 - 0.1 * 0.05 * apart) * w - 0.1 * m / (np.sqrt(v) + 0.01)
        ways.append(w)
    np.testing.assert_allclose(est.coef_, ways[2], rtol=1e-12)
    est.save(tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(est)), fastsgd.load(tmp_path / "model"), est):
        assert again.optimizer.bias_correction is False
        np.testing.assert_allclose(again.partial_fit(X, y).coef_, ways[3], rtol=1e-12)


def test_bias_correction_is_true_or_false_and_objects_of_older_versions_have_it():
    with pytest.raises(ValueError, match=r"Adam: bias_correction must be True or False, got 0\.5"):
        optimizers.Adam(bias_correction=0.5)
    assert optimizers.get("adam").bias_correction is True
    old = optimizers.Adam()
    del vars(old)["bias_correction"]
    assert pickle.loads(pickle.dumps(old)).numbers() == optimizers.Adam().numbers()


@pytest.mark.parametrize(
    "of, params",
    [
        (optimizers.Adam(), {"beta1": 0.5, "beta2": 5.0}),
        (schedules.Step(), {"factor": 0.5, "every": 0}),
        (stopping.Objective(), {"tol": 0.5, "patience": 0}),
    ],
    ids=repr,
)
def test_parameters_of_which_one_is_refused_change_nothing(of, params):
    before = of.get_params()
    with pytest.raises(ValueError, match=list(params)[1]):
        of.set_params(**params)
    assert of.get_params() == before
