"""The coefficients are torch.optim's: those stored in torch_peer.json, and where torch is installed a fresh run."""

import numpy as np
import pytest
import scipy.sparse as sp
from support import torch_peer

import fastsgd
from fastsgd import optimizers

CASES = torch_peer.cases()
OBJECTS = {
    "sgd": (optimizers.SGD, {"momentum": 0.0}),
    "momentum": (optimizers.SGD, {"momentum": 0.9, "nesterov": False}),
    "nesterov": (optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    "adagrad": (optimizers.AdaGrad, {"eps": 1e-10}),
    "rmsprop": (optimizers.RMSProp, {"rho": 0.9, "eps": 1e-8}),
    "adam": (optimizers.Adam, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
    "adamw": (optimizers.AdamW, {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
}


def has_closed_form(case):
    """Whether the coordinates that a row lacks can be caught up exactly, so that lazy is not another method."""
    return case.optimizer in ("sgd", "momentum", "nesterov") or (case.optimizer == "adagrad" and not case.l2)


def fit(case, optimizer, layout=np.asarray):
    X, y = torch_peer.data()
    kwargs = dict(loss=case.loss, penalty="l2" if case.l2 else None, alpha=case.l2, optimizer=optimizer)
    kwargs |= dict(batch_size=case.batch, learning_rate="constant", eta0=case.step, intercept_decay=1.0)
    kwargs |= dict(shuffle=False, max_iter=torch_peer.EPOCHS, tol=None)
    if case.loss == "multinomial":
        kwargs |= dict(loss="log_loss", multi_class="multinomial")
    make = fastsgd.SGDRegressor if case.loss == "squared_error" else fastsgd.SGDClassifier
    return make(**kwargs).fit(layout(X), y[case.loss])


def agree(model, case, rtol=1e-9):
    ours = np.atleast_2d(model.coef_), model.intercept_
    for mine, right in zip(ours, torch_peer.stored()[1][case.name], strict=True):
        np.testing.assert_allclose(mine, right, rtol=0, atol=rtol * np.abs(right).max())


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@named(CASES)
def test_dense_by_name(case):
    agree(fit(case, case.optimizer), case)


@named(CASES)
def test_csr_that_is_not_lazy(case):
    make, settings = OBJECTS[case.optimizer]
    agree(fit(case, make(**settings, lazy=False), sp.csr_matrix), case)


@named([case for case in CASES if has_closed_form(case)])
def test_lazy_csr_where_nothing_is_lost(case):
    make, settings = OBJECTS[case.optimizer]
    agree(fit(case, make(**settings, lazy=True), sp.csr_matrix), case)


def test_every_case_is_stored_and_no_two_are_alike():
    version, values = torch_peer.stored()
    assert version and list(values) == [case.name for case in CASES]
    with_l2 = [case for case in CASES if case.l2]  # without, AdamW is Adam
    for i, one in enumerate(with_l2):
        for other in with_l2[:i]:
            if one.loss == other.loss:
                gap = np.abs(values[one.name][0] - values[other.name][0]).max()
                assert gap > 1e-5 * np.abs(values[one.name][0]).max(), (one.name, other.name)


def test_a_fresh_run_of_torch_gives_what_is_stored():
    pytest.importorskip("torch")
    for case in CASES:
        for fresh, right in zip(torch_peer.train(case), torch_peer.stored()[1][case.name], strict=True):
            np.testing.assert_allclose(fresh, right, rtol=0, atol=1e-12 * np.abs(right).max(), err_msg=case.name)
