"""learning_rate=function: any schedule of one's own, of every optimizer, layout and estimator, and its mistakes in words."""

import copy
import pickle

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support.cases import covering
from support.data import labels
from support.kernels import ALPHA, LAYOUTS, PASSES, agree, lay_out, rows, targets, train

import fastsgd
from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, inspection, losses, minimize, optimizers, penalties
from fastsgd.schedules import Custom

X, S = rows(200, 6)
Y = X @ np.arange(1.0, 7.0) + 1.0
LOSS = losses.Huber(0.7)
FEW = dict(max_iter=3, tol=None, random_state=0)
OPTIMIZERS = {
    "sgd": optimizers.SGD(),
    "momentum": optimizers.SGD(momentum=0.8),
    "nesterov": optimizers.SGD(momentum=0.8, nesterov=True),
    "adagrad": optimizers.AdaGrad(eps=0.1),
    "rmsprop": optimizers.RMSProp(rho=0.8, eps=0.1),
    "adam": optimizers.Adam(beta1=0.8, beta2=0.95, eps=0.01),
    "adamw": optimizers.AdamW(beta1=0.8, beta2=0.95, eps=0.01),
}


def waves(t):
    """No schedule of the package: up and down, and steps of no length among them."""
    return 0.05 * (1 + np.cos(t / 3)) * (t % 5 > 0)


def root(t):
    return 0.03 / t**0.5


class Called:
    """A function that knows at which steps it was called, and has no value after the last."""

    def __init__(self, most, eta=0.01):
        self.most, self.eta, self.at = most, eta, []

    def __call__(self, t):
        if t > self.most:
            raise IndexError("there is no such step")
        self.at.append(t)
        return self.eta


# ---------------------------------------------------------------- what it comes to
HOW = "layout, optimizer, size, penalty, heads, average"


@pytest.mark.parametrize(
    HOW, covering(2, LAYOUTS, OPTIMIZERS, [1, 7, np.inf], [None, "l2", "l1", "elasticnet"], [1, 5], [0, 3]), ids=str
)
def test_steps_of_any_function_equal_the_reference(layout, optimizer, size, penalty, heads, average):
    X, s = rows()
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    how, Y = dict(l1=l1, l2=l2, average=average, s=s), targets(LOSS, X, heads)
    own, plain = OPTIMIZERS[optimizer], optimizer == "sgd" and size == 1
    if plain:
        right = reference.sgd(X, Y, LOSS, waves, passes=PASSES, **how)
    else:
        own = own if own.closed(l1, l2, bool(average)) else clone(own).set_params(lazy=False)
        right = reference.minibatch(X, Y, LOSS, waves, own, size, passes=PASSES, **how)
    schedule = Custom(waves).bind()
    ours = train(lay_out(X, layout), LOSS, schedule, optimizer=own, batch_size=size, y=Y, **how)
    agree(ours, right, 1e-12)


WAYS = {
    "plain": {},
    "averaged": {"average": True},
    "l1": {"penalty": "elasticnet", "alpha": 0.01},
    "batches": {"batch_size": 16, "optimizer": "momentum"},
    "adagrad": {"optimizer": "adagrad"},
    "standardize": {"standardize": True},
    "early stopping": {"early_stopping": True},
    "restarts": {"n_init": 2, "init": "normal"},
    "noise": {"gradient_noise": 0.01},
    "threads": {"n_jobs": 2},
}
ESTIMATORS = {
    "classes": (SGDClassifier("log_loss"), labels(Y, 3)),
    "multinomial": (SGDClassifier("log_loss", multi_class="multinomial"), labels(Y, 3)),
    "two classes": (SGDClassifier("hinge"), labels(Y)),
    "targets": (SGDRegressor(), np.column_stack((Y, -Y))),
    "one class": (SGDOneClassSVM(), None),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("lay", [np.asarray, sp.csr_matrix])
def test_a_function_that_is_a_schedule_of_the_package_gives_its_bits(name, way, lay):
    est, y = ESTIMATORS[name]
    known = set(est.get_params())
    params = {key: value for key, value in (FEW | WAYS[way]).items() if key in known}
    of = (lay(X),) if y is None else (lay(X), y)
    named = clone(est).set_params(learning_rate="invscaling", power_t=0.5, eta0=0.03, **params).fit(*of)
    own = clone(est).set_params(learning_rate=root, **params).fit(*of)
    rtol = 1e-12 if way == "batches" and lay is not np.asarray else 0  # momentum on CSR looks one step ahead
    np.testing.assert_allclose(own.coef_, named.coef_, rtol=rtol, atol=rtol)
    assert own.history_["eta"].tolist() == named.history_["eta"].tolist()


def test_steps_count_on_in_partial_fit_and_in_large_data_are_not_recounted():
    whole = SGDRegressor(learning_rate=waves, shuffle=False, max_iter=1, tol=None).fit(X, Y)
    parts = SGDRegressor(learning_rate=waves, shuffle=False)
    for lo in range(0, 200, 8):
        parts.partial_fit(X[lo : lo + 8], Y[lo : lo + 8])
    np.testing.assert_array_equal(parts.coef_, whole.coef_)


@pytest.mark.parametrize("batch_size, most", [(1, 597), (7, 3 * 29)])
def test_it_is_called_for_the_steps_that_are_taken_and_no_other(batch_size, most):
    """A list of step sizes is a schedule; rows of weight zero take no step."""
    weights = np.ones(200)
    weights[5] = 0
    etas = Called(most)
    SGDRegressor(learning_rate=etas, batch_size=batch_size, **FEW).fit(X, Y, sample_weight=weights)
    assert set(etas.at) == set(range(1, most + 1))
    first_calls = list(dict.fromkeys(etas.at))
    assert first_calls == sorted(first_calls)


def test_hogwild_takes_it():
    X = np.random.default_rng(0).standard_normal((20000, 60))
    y = X[:, 0] + 0.1 * X[:, 1]
    params = dict(n_jobs=2, parallel="hogwild", penalty=None, max_iter=2, tol=None, random_state=0)
    own = SGDRegressor(learning_rate=lambda t: 0.03 / t**0.5, **params).fit(X, y)
    named = SGDRegressor(learning_rate="invscaling", eta0=0.03, power_t=0.5, **params).fit(X, y)
    np.testing.assert_allclose(own.coef_, named.coef_, atol=0.01)


def test_segments_and_searches_take_it():
    of = np.arange(200) % 3
    named = dict(learning_rate="invscaling", eta0=0.03, power_t=0.5)
    fits = [SGDRegressor(**how, **FEW).fit(X, Y, segments=of) for how in (named, {"learning_rate": root})]
    np.testing.assert_allclose(fits[1].segment_coefs_, fits[0].segment_coefs_, rtol=1e-12)
    named["eta0s"] = named.pop("eta0")
    cvs = [
        fastsgd.SGDRegressorCV(alphas=[0.1, 0.01], cv=3, **FEW, **how).fit(X, Y)
        for how in (named, {"learning_rate": root})
    ]
    np.testing.assert_allclose(cvs[1].scores_, cvs[0].scores_, rtol=1e-12)


def test_minimize_takes_it():
    found = minimize(
        lambda w: 0.5 * w @ w, [1.0], lambda w: w, optimizer="sgd", learning_rate=lambda t: 1 / (1 + t), steps=4
    )
    np.testing.assert_allclose(found.path[:, 0], [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], rtol=1e-12)


def test_a_cluster_takes_it():
    da = pytest.importorskip("dask.array")
    pytest.importorskip("distributed")
    from fastsgd import dask
    from fastsgd.dask.runners import LocalRunner

    parts = da.from_array(X, chunks=(50, -1)), da.from_array(Y, chunks=50)
    named = dict(learning_rate="invscaling", eta0=0.03, power_t=0.5)
    fits = [
        dask.SGDRegressor(client=LocalRunner(), **how, **FEW).fit(*parts) for how in (named, {"learning_rate": root})
    ]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)


# ---------------------------------------------------------------- as a parameter
def test_as_a_parameter_it_is_what_was_given():
    est = SGDRegressor(learning_rate=root, **FEW)
    assert clone(est).learning_rate is est.get_params()["learning_rate"] is root
    for again in (pickle.loads(pickle.dumps(est)), copy.deepcopy(est), clone(est)):
        np.testing.assert_array_equal(again.fit(X, Y).coef_, est.fit(X, Y).coef_)
    own = Custom(root)
    assert own == Custom(root) == pickle.loads(pickle.dumps(own)) and own != Custom(waves) and repr(root) in repr(own)
    assert hash(own) == hash(Custom(root)) and clone(own).get_params() == {"function": root}
    bound = own.bind(eta0=1.0)
    assert bound == pickle.loads(pickle.dumps(bound)) and bound(4) == own(4) == root(4)


def test_a_lambda_does_not_pickle_and_the_error_names_it():
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(SGDRegressor(learning_rate=lambda t: 0.1).fit(X, Y))


def test_a_model_file_does_not_hold_it_and_load_asks_for_it(tmp_path):
    est = SGDRegressor(learning_rate=root, **FEW).fit(X, Y)
    est.save(tmp_path / "model")
    with pytest.raises(
        ValueError, match=r"learning_rate of this SGDRegressor is code, 'root', .*load\(path, learning_rate="
    ):
        fastsgd.load(tmp_path / "model")
    again = fastsgd.load(tmp_path / "model", learning_rate=root)
    np.testing.assert_array_equal(again.partial_fit(X, Y).coef_, est.partial_fit(X, Y).coef_)


def test_a_fit_goes_on_from_a_checkpoint_with_the_same_function_only(tmp_path):
    def fitted(function, max_iter=4, callbacks=None, **more):
        how = dict(max_iter=max_iter, tol=None, random_state=0, callbacks=callbacks)
        return SGDRegressor(learning_rate=function, **how).fit(X, Y, **more)

    path = tmp_path / "run"
    fitted(root, 2, fastsgd.Checkpoint(path))
    np.testing.assert_array_equal(fitted(root, resume_from=path).coef_, fitted(root).coef_)
    with pytest.raises(ValueError, match="learning_rate was root, is waves"):
        fitted(waves, resume_from=path)


# ---------------------------------------------------------------- mistakes
MISTAKES = [
    (lambda t: -0.1 if t == 250 else 0.01, "finite step size of at least 0, but at step t=250 it gave -0.1"),
    (lambda t: np.nan if t == 3 else 0.01, "at step t=3 it gave nan"),
    (lambda t: np.inf, "at step t=1 it gave inf"),
    (lambda t: "0.1", "at step t=1 it gave '0.1'"),
    (lambda t: None, "at step t=1 it gave None"),
    (lambda t: 1j, "at step t=1 it gave 1j"),
    (lambda t: [0.1, 0.2], r"at step t=1 it gave \[0.1, 0.2\]"),
    (lambda t: 0.01 / (t - 7), "at step t=1 it gave -0.00"),
    (lambda t: 0.01 / (7 - t), "raised ZeroDivisionError at step t=7: float division by zero"),
    (lambda t: [0.01][t - 1], "raised IndexError at step t=2"),
    (lambda: 0.1, "raised TypeError at step t=1: .*argument"),
]


@pytest.mark.parametrize("function, message", MISTAKES, ids=[message for _, message in MISTAKES])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_mistake_is_told_with_its_step(function, message, optimizer):
    with pytest.raises(ValueError, match=f"learning_rate .*{message}"):
        SGDRegressor(learning_rate=function, optimizer=optimizer, **FEW).fit(X, Y)


def test_after_a_mistake_the_model_is_that_of_the_steps_before_and_partial_fit_leaves_it():
    est = SGDRegressor(learning_rate=Called(450), **FEW)
    with pytest.raises(ValueError, match="IndexError at step t=451: there is no such step"):
        est.fit(X, Y)
    assert est.stop_reason_ == "error" and est.t_ == 401
    before = est.coef_.copy()
    with pytest.raises(ValueError, match="at step t=451"):
        est.partial_fit(X, Y)
    np.testing.assert_array_equal(est.coef_, before)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"learning_rate": fastsgd.schedules.Cosine}, r"an object and not a class: give Cosine\(\)"),
        ({"learning_rate": float}, "a function of the step number t"),
        ({"learning_rate": 0.1}, "The 'learning_rate' parameter of SGDRegressor must be .*a callable.* Got 0.1"),
        ({"optimizer": "ftrl"}, "optimizer='ftrl' has step sizes of its own.* got <function root"),
        ({"optimizer": optimizers.SGD(line_search=True), "batch_size": "full"}, "a learning_rate that is no function"),
    ],
    ids=str,
)
def test_what_does_not_go_with_it_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        SGDRegressor(**{"learning_rate": root, "penalty": None} | wrong).fit(X, Y)


def test_what_varies_eta0_refuses_it():
    with pytest.raises(
        ValueError, match=r"eta0 has no part in them\. For a schedule that has eta0 give .*'invscaling'"
    ):
        inspection.step_sizes(SGDRegressor(learning_rate=root), X, Y)
    with pytest.raises(ValueError, match="give no eta0s, or a schedule that has one"):
        fastsgd.SGDRegressorCV(learning_rate=root, eta0s=[0.1, 0.2]).fit(X, Y)


def test_steps_that_are_too_long_are_told_without_eta0():
    with pytest.warns(
        ConvergenceWarning, match="Take learning_rate='invscaling' .*what the function given as learning_rate"
    ):
        SGDRegressor(learning_rate=lambda t: 3.0, max_iter=5, random_state=0).fit(X[:, :3], Y)
    with pytest.warns(UserWarning, match="or the steps of learning_rate below 2"):
        SGDClassifier(learning_rate=lambda t: 3.0, alpha=0.5).partial_fit(X, labels(Y), classes=[0, 1])
