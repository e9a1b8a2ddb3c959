"""optimizer="ftrl" is FTRL-Proximal as ftrl_peer.py spells it out, zeros included."""

from functools import cache
from itertools import product

import numpy as np
import pytest
from support import ftrl_peer, torch_peer
from support.data import LAYOUTS

import fastsgd
from fastsgd import optimizers, penalties

EPOCHS, ALPHA, L1_RATIO, BATCHES = 3, 0.03, 0.4, [1, 7]
CONSTANT = {"growing alone": (0.0, 0.0), "and constant": (0.5, 2.0)}


@cache
def data():
    """The rows of torch_peer, and beside them a feature that seven rows have and one that none has."""
    X, y = torch_peer.data()
    rare = np.zeros((len(X), 2))
    rare[3::15, 0] = 0.25
    return np.hstack([X, rare]), y


@cache
def expected(loss, penalty, constant, batch, beta=1.0, eta0=0.1):
    X, y = data()
    l1, l2 = penalties.weights(penalty, ALPHA, L1_RATIO)
    lambda1, lambda2 = CONSTANT[constant]
    given = dict(l1=l1, l2=l2, lambda1=lambda1, lambda2=lambda2, batch=batch, epochs=EPOCHS)
    return [np.array(part) for part in ftrl_peer.train(X, y[loss], loss, eta0=eta0, beta=beta, **given)]


def fit(layout, loss, penalty, optimizer, batch, eta0=0.1):
    X, y = data()
    kwargs = dict(loss=loss, penalty=penalty, alpha=ALPHA, l1_ratio=L1_RATIO, optimizer=optimizer)
    kwargs |= dict(batch_size=batch, learning_rate="constant", eta0=eta0, intercept_decay=1.0)
    kwargs |= dict(shuffle=False, max_iter=EPOCHS, tol=None)
    if loss == "multinomial":
        kwargs |= dict(loss="log_loss", multi_class="multinomial")
    make = fastsgd.SGDRegressor if loss == "squared_error" else fastsgd.SGDClassifier
    return make(**kwargs).fit(LAYOUTS[layout](X), y[loss])


def agree(model, right):
    for mine, its in zip((np.atleast_2d(model.coef_), model.intercept_), right, strict=True):
        np.testing.assert_allclose(mine, its, rtol=0, atol=1e-9 * np.abs(its).max())
        np.testing.assert_array_equal(mine == 0, its == 0)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("constant", CONSTANT)
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ftrl_peer.SLOPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_coefficients_equal(layout, loss, penalty, constant, batch):
    lambda1, lambda2 = CONSTANT[constant]
    optimizer = optimizers.FTRL(beta=1.0, lambda1=lambda1, lambda2=lambda2)
    agree(fit(layout, loss, penalty, optimizer, batch), expected(loss, penalty, constant, batch))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_by_name(layout):
    agree(fit(layout, "log_loss", "l1", "ftrl", 1), expected("log_loss", "l1", "growing alone", 1))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_beta_and_step_size(layout):
    right = expected("log_loss", "elasticnet", "and constant", 7, beta=0.3, eta0=0.5)
    optimizer = optimizers.FTRL(beta=0.3, lambda1=0.5, lambda2=2.0)
    agree(fit(layout, "log_loss", "elasticnet", optimizer, 7, eta0=0.5), right)


@pytest.mark.parametrize("loss", ftrl_peer.SLOPES)
def test_the_peer_has_zeros_and_others(loss):
    for penalty, constant, batch in product(["l1", "elasticnet"], CONSTANT, BATCHES):
        W = expected(loss, penalty, constant, batch)[0]
        assert (W[:, :-1] == 0).any() and (W != 0).any() and not W[:, -1].any()


@pytest.mark.parametrize("batch", torch_peer.BATCHES)
@pytest.mark.parametrize("loss", ftrl_peer.SLOPES)
def test_the_peer_without_penalties_and_beta_is_adagrad(loss, batch):
    X, y = torch_peer.data()
    case = torch_peer.Case("adagrad", loss, batch, 0.0)
    size = len(X) if batch == "full" else batch
    ours = ftrl_peer.train(X, y[loss], loss, eta0=case.step, beta=0.0, batch=size, epochs=torch_peer.EPOCHS)
    for mine, right in zip(ours, torch_peer.stored()[1][case.name], strict=True):
        np.testing.assert_allclose(mine, right, rtol=0, atol=1e-7 * np.abs(right).max())  # Adagrad has an eps
