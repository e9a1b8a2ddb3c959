"""Several classes together: softmax and Crammer-Singer, labels and probabilities of the classes."""

import pickle

import numpy as np
import pytest
import reference
from scipy.optimize import approx_fprime
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from support.cases import covering
from support.data import LAYOUTS, labels, rows
from support.kernels import ALPHA, DTYPES, agree, bind, lay_out, train
from support.kernels import rows as kernel_rows

from fastsgd import SGDClassifier, losses, optimizers, penalties

SOFT = dict(loss="log_loss", multi_class="multinomial")
HARD = dict(loss="hinge", multi_class="crammer_singer")
BOTH = pytest.mark.parametrize("how", [SOFT, HARD], ids=["multinomial", "crammer_singer"])
FEW = dict(max_iter=3, tol=None, random_state=0)
COUPLED = pytest.mark.parametrize("loss", [losses.Softmax(), losses.CrammerSinger()], ids=lambda loss: loss.name)


def data(classes=4, n=200):
    X, y, s = rows(n)
    return X, labels(y, classes), s


def distributions(X, classes, seed=0):
    rng = np.random.default_rng(seed)
    return softmax(X @ rng.standard_normal((X.shape[1], classes)) + rng.standard_normal(classes), axis=1)


def same(a, b):
    np.testing.assert_array_equal(a.coef_, b.coef_)
    np.testing.assert_array_equal(a.intercept_, b.intercept_)


# ---------------------------------------------------------------- the losses
@COUPLED
def test_slope_is_the_derivative_of_the_value(loss):
    rng = np.random.default_rng(0)
    P, Y = 3 * rng.standard_normal((20, 5)), np.eye(5)[rng.integers(0, 5, 20)]
    for p, y in zip(P, Y, strict=True):
        numerical = approx_fprime(p, lambda q, y=y: loss.value(q[None], y[None])[0], 1e-7)
        np.testing.assert_allclose(loss.slope(p[None], y[None])[0], numerical, atol=1e-5)
    assert loss.value(P, Y).shape == (20,) and loss.slope(P, Y).shape == (20, 5)
    np.testing.assert_allclose(loss.slope(P, Y).sum(axis=1), 0, atol=1e-12)


def test_softmax_is_that_of_scipy_far_out_too():
    rng = np.random.default_rng(1)
    for size in (1, 30, 1000, 1e6):
        P, Y = size * rng.standard_normal((50, 4)), rng.dirichlet(np.ones(4), 50)
        np.testing.assert_allclose(losses.Softmax().value(P, Y), -(Y * log_softmax(P, axis=1)).sum(axis=1), rtol=1e-12)
        np.testing.assert_allclose(losses.Softmax().slope(P, Y), softmax(P, axis=1) - Y, atol=1e-14)
    far = losses.Softmax().both([[1000.0, -1000.0, 0.0]], [[0.0, 1.0, 0.0]])
    assert far[0].tolist() == [[0, 2000, 0]]
    np.testing.assert_allclose(far[1], [[1, -1, 0]], atol=1e-300)


def test_crammer_singer_is_the_sum_of_the_hinges():
    rng = np.random.default_rng(2)
    P, code = 2 * rng.standard_normal((50, 4)), rng.integers(0, 4, 50)
    right = P[np.arange(50), code][:, None]
    hinges = np.maximum(0, P - right + 1) * (np.arange(4) != code[:, None])
    np.testing.assert_allclose(losses.CrammerSinger().value(P, np.eye(4)[code]), hinges.sum(axis=1), rtol=1e-13)


@COUPLED
def test_shapes_that_are_no_rows_of_margins(loss):
    for p, y in ((np.ones(3), np.ones(3)), (np.ones((2, 3)), np.ones((2, 4))), (np.ones((2, 0)), np.ones((2, 0)))):
        with pytest.raises(ValueError):
            loss.value(p, y)


# ---------------------------------------------------------------- the kernels
@pytest.mark.parametrize(
    "loss, layout, dtype, batch, penalty, average",
    covering(
        3,
        [losses.Softmax(), losses.CrammerSinger()],
        ["dense", "csr32"],
        DTYPES,
        [1, 7, np.inf],
        [None, "l2", "l1", "elasticnet"],
        [0, 4],
    ),
    ids=str,
)
def test_kernels_equal_the_reference(loss, layout, dtype, batch, penalty, average):
    X, s = kernel_rows()
    Y = np.eye(5)[np.random.default_rng(3).integers(0, 5, len(X))]
    l1, l2 = penalties.weights(penalty, ALPHA, 0.4)
    wrapped, eta = _ByRow(loss), bind("invscaling", losses.LogLoss(), eta0=0.2)
    given = dict(l1=l1, l2=l2, average=average, s=s, passes=2)
    if batch == 1:
        right = reference.sgd(X, Y, wrapped, eta, **given)
    else:
        right = reference.minibatch(X, Y, wrapped, eta, optimizers.SGD(), batch, **given)
    optimizer = optimizers.SGD(lazy=not (l1 and average))  # what is averaged then has no closed form
    ours = train(lay_out(X, layout, dtype), loss, eta, y=Y, batch_size=batch, optimizer=optimizer, **given)
    *model, sums = ours
    *right, right_sums = right
    rtol = DTYPES[dtype] if penalty != "elasticnet" or layout == "dense" or batch > 1 else max(1e-5, DTYPES[dtype])
    agree(model, right, rtol)
    agree([sums[0].sum(), sums[1]], [right_sums[0].sum() / (5 if batch == 1 else 1), right_sums[1]], rtol)


class _ByRow:
    """A coupled loss as the reference calls it: with one row of shape (K,), or with a batch (n, K)."""

    def __init__(self, loss):
        self.loss = loss

    def value(self, p, y):
        return self.loss.value(p[None], y[None]) if p.ndim == 1 else self.loss.both(p, y)[0]

    def slope(self, p, y):
        return self.loss.slope(p[None], y[None])[0] if p.ndim == 1 else self.loss.slope(p, y)


# ---------------------------------------------------------------- right models
@pytest.mark.sklearn19
@pytest.mark.parametrize(
    "params",
    [
        dict(optimizer="adam", batch_size="full", learning_rate="cosine", eta0=0.3, max_iter=1000),
        dict(optimizer=optimizers.SGD(line_search=True), batch_size="full", max_iter=300),
        dict(average=4000, max_iter=600, eta0=0.03, learning_rate="constant", batch_size=10),
    ],
    ids=["adam", "line search", "averaged"],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_softmax_reaches_the_model_of_logistic_regression(layout, params):
    X, y, s = data(3)
    s /= s.mean()
    ours = SGDClassifier(**SOFT, alpha=0.05, tol=None, random_state=0, **params)
    ours.fit(LAYOUTS[layout](X), y, sample_weight=s)
    right = LogisticRegression(C=1 / (0.05 * len(y)), tol=1e-10, max_iter=1000).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(ours.coef_, right.coef_, atol=3e-3)
    np.testing.assert_allclose(ours.intercept_ - ours.intercept_.mean(), right.intercept_, atol=3e-3)
    np.testing.assert_allclose(ours.predict_proba(X), right.predict_proba(X), atol=1e-3)


def test_crammer_singer_separates_what_can_be():
    rng = np.random.default_rng(0)
    X = np.repeat(4 * np.eye(5), 20, axis=0) + rng.uniform(-1, 1, (100, 5))
    y = np.repeat(list("abcde"), 20)
    est = SGDClassifier(**HARD, alpha=1e-4, random_state=0).fit(X, y)
    assert est.score(X, y) == 1.0 and est.decision_function(X).shape == (100, 5)
    assert not hasattr(est, "predict_proba") and not hasattr(est, "predict_log_proba")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_probabilities_are_the_softmax_of_the_margins(layout):
    X, y, _ = data()
    est = SGDClassifier(**SOFT, **FEW).fit(LAYOUTS[layout](X), y)
    P = est.predict_proba(LAYOUTS[layout](X))
    np.testing.assert_allclose(P, softmax(X @ est.coef_.T + est.intercept_, axis=1), rtol=1e-12)
    np.testing.assert_allclose(P.sum(axis=1), 1)
    np.testing.assert_array_equal(est.classes_[P.argmax(axis=1)], est.predict(X))
    far = est.predict_log_proba(1000 * X)
    assert np.isfinite(far).all() and far.min() < -1000
    np.testing.assert_allclose(est.predict_log_proba(X), log_softmax(est.decision_function(X), axis=1), rtol=1e-12)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("layout", LAYOUTS)
@BOTH
def test_objective_is_one_for_all_classes(how, layout, penalty, average):
    X, y, s = data()
    est = SGDClassifier(**how, penalty=penalty, alpha=0.02, l1_ratio=0.3, average=average, batch_size=3, random_state=0)
    est.fit(LAYOUTS[layout](X), y, sample_weight=s)
    P, W = X @ est.coef_.T + est.intercept_, est.coef_
    loss = losses.MULTICLASS[how["multi_class"]]()
    l1, l2 = penalties.weights(penalty, 0.02, 0.3)
    value = s @ loss.value(P, np.eye(4)[y]) / s.sum() + l1 * abs(W).sum() + l2 / 2 * (W**2).sum()
    assert est.history_["objective"].min() == pytest.approx(value, rel=1e-10)
    assert est.stop_reason_ == "objective"


def test_validation_loss_is_the_cross_entropy():
    X, y, s = data()
    est = SGDClassifier(**SOFT, **FEW, validation_scoring="loss")
    est.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:], sample_weight_val=s[150:])
    q = est.predict_proba(X[150:])[np.arange(50), y[150:]]
    assert est.history_["validation_score"].max() == pytest.approx(s[150:] @ np.log(q) / s[150:].sum(), rel=1e-10)
    assert SGDClassifier(**SOFT, early_stopping=True, random_state=0).fit(X, y).stop_reason_ == "validation"


# ---------------------------------------------------------------- two classes, weights, words
@pytest.mark.parametrize("batch", [1, 8])
@BOTH
def test_with_two_classes_it_is_the_loss_of_one_head(how, batch):
    X, y, s = data(2)
    together = SGDClassifier(**how, **FEW, batch_size=batch, class_weight={0: 2.0}).fit(X, y, sample_weight=s)
    apart = SGDClassifier(loss=how["loss"], **FEW, batch_size=batch, class_weight={0: 2.0}).fit(X, y, sample_weight=s)
    same(together, apart)
    assert together.coef_.shape == (1, 6)


@pytest.mark.parametrize("batch", [1, 8])
@BOTH
def test_class_weight_is_a_sample_weight(how, batch):
    X, y, s = data()
    weight, params = np.array([0.5, 1.0, 2.0, 3.0]), dict(batch_size=batch, **how, **FEW)
    by_row = SGDClassifier(**params).fit(X, y, sample_weight=s * weight[y])
    same(SGDClassifier(**params, class_weight=dict(enumerate(weight))).fit(X, y, sample_weight=s), by_row)
    y = np.minimum(y, 2)
    balanced = len(y) / (3 * np.bincount(y))
    same(
        SGDClassifier(**params, class_weight="balanced").fit(X, y),
        SGDClassifier(**params).fit(X, y, sample_weight=balanced[y]),
    )


@BOTH
def test_two_rows_count_as_one_of_weight_two(how):
    """A batch of all rows, scaled to the mean weight of 1."""
    X, y, _ = data()
    s = 1.0 + np.arange(len(y)) % 3
    params = dict(**how, max_iter=5, tol=None, batch_size="full", learning_rate="constant", eta0=0.5)
    weighted = SGDClassifier(**params).fit(X, y, sample_weight=s / s.mean())
    repeated = SGDClassifier(**params).fit(np.repeat(X, s.astype(int), axis=0), np.repeat(y, s.astype(int)))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-10, atol=1e-14)


@BOTH
def test_it_goes_where_estimators_go(how):
    X, y, _ = data()
    words = np.array(list("dcba"))[y]
    est = SGDClassifier(**how, **FEW).fit(X, words)
    assert list(est.classes_) == list("abcd") and set(est.predict(X)) <= set("abcd")
    again = pickle.loads(pickle.dumps(est))
    same(again.partial_fit(X, words), est.partial_fit(X, words))
    same(clone(est).fit(X, words), SGDClassifier(**how, **FEW).fit(X, words))
    grid = {"multi_class": ["ovr", how["multi_class"]], "alpha": [1e-4, 1.0]}
    assert GridSearchCV(est, grid, cv=3).fit(X, words).best_params_["alpha"] == 1e-4


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch", [1, 10])
@BOTH
def test_calls_in_parts_equal_one_epoch(how, batch, layout):
    X, y, _ = data()
    X, params = LAYOUTS[layout](X), dict(**how, max_iter=1, tol=None, shuffle=False, batch_size=batch)
    parts = SGDClassifier(**params)
    for lo, hi in ((0, 50), (50, 180), (180, 200)):
        parts.partial_fit(X[lo:hi], y[lo:hi], classes=range(4))
    np.testing.assert_allclose(parts.coef_, SGDClassifier(**params).fit(X, y).coef_, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("loss", ["hinge", "squared_error", losses.Hinge()])
def test_the_loss_that_it_needs(loss):
    X, y, _ = data()
    with pytest.raises(ValueError, match="multi_class='multinomial' needs loss='log_loss', got loss="):
        SGDClassifier(loss=loss, multi_class="multinomial").fit(X, y)
    with pytest.raises(ValueError, match="multi_class='crammer_singer' needs loss='hinge', got loss='log_loss'"):
        SGDClassifier(loss="log_loss", multi_class="crammer_singer").fit(X, y)
    with pytest.raises(ValueError, match="'multi_class' parameter"):
        SGDClassifier(multi_class="softmax").fit(X, y)
    with pytest.raises(ValueError, match=r"learning_rate='pa1' takes its step from one row.*multi_class='ovr'"):
        SGDClassifier(**HARD, learning_rate="pa1").fit(X, y)
    same(
        SGDClassifier(loss=losses.LogLoss(), multi_class="multinomial", **FEW).fit(X, y),
        SGDClassifier(**SOFT, **FEW).fit(X, y),
    )


def test_a_fit_does_not_depend_on_the_classes_of_the_last():
    X, y, _ = data(3)
    p = distributions(X, 2)[:, 1]
    again = SGDClassifier(**SOFT, **FEW).fit(X, y).fit(X, p)
    same(again, SGDClassifier(**SOFT, **FEW).fit(X, p))
    same(again.fit(X, y), SGDClassifier(**SOFT, **FEW).fit(X, y))


# ---------------------------------------------------------------- probabilities of the classes as y
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_certain_probabilities_are_labels(layout, classes, batch):
    X, y, s = data(classes)
    X, hot = LAYOUTS[layout](X), np.eye(classes)[y]
    for weight in (None, "balanced", {0: 2.0, 1: 0.5 if classes == 2 else 0.0}):
        params = dict(**SOFT, **FEW, batch_size=batch, class_weight=weight)
        hard, soft = (SGDClassifier(**params).fit(X, target, sample_weight=s) for target in (y, hot))
        np.testing.assert_allclose(soft.coef_, hard.coef_, rtol=1e-9)
        if weight is None:
            same(soft, hard)
    assert soft.classes_.tolist() == list(range(classes))
    parts = [SGDClassifier(**SOFT, **FEW).partial_fit(X, t, classes=np.arange(float(classes))) for t in (y, hot)]
    same(*parts)


def test_the_softmax_that_made_the_probabilities_is_found():
    X, *_ = rows(1000)
    P = distributions(X, 3)
    est = SGDClassifier(**SOFT, penalty=None, tol=None, optimizer="adam", batch_size="full", eta0=0.1)
    est.set_params(learning_rate="cosine", max_iter=400).fit(X, P)
    np.testing.assert_allclose(est.predict_proba(X), P, atol=1e-4)
    early = SGDClassifier(**SOFT, early_stopping=True, validation_scoring="loss", random_state=0).fit(X, P)
    assert early.stop_reason_ == "validation" and abs(early.predict_proba(X) - P).max() < 0.1


def test_probabilities_in_single_and_half_precision():
    X, *_ = rows()
    P = distributions(X, 100)
    est = SGDClassifier(**SOFT, **FEW, learning_rate="constant")
    right = est.fit(X, P).coef_
    for dtype, gap in (("f4", 1e-6), ("f2", 1e-3)):
        np.testing.assert_allclose(est.fit(X, P.astype(dtype)).coef_, right, atol=gap * abs(right).max())


def test_balanced_weights_of_probabilities():
    """No row need be surely of a class."""
    X, *_ = rows()
    P = np.full((200, 3), [0.5, 0.3, 0.2])
    even = SGDClassifier(**SOFT, class_weight="balanced", tol=None, max_iter=50, batch_size="full", penalty=None)
    even.set_params(learning_rate="constant", eta0=0.5).fit(X * 0, P)
    np.testing.assert_allclose(even.predict_proba(X), 1 / 3, atol=1e-6)


@pytest.mark.parametrize(
    "change, word",
    [
        (lambda P: P - [0.1, -0.1, 0, 0] * (np.arange(200) == 7)[:, None] * 10, r"y holds probabilities.*row 7 is"),
        (lambda P: P * 1.1, r"add up to 1 in each row; row 0 is"),
        (lambda P: np.where(np.arange(200)[:, None] == 3, np.nan, P), "y contains NaN"),
        (lambda P: P[:-1], "inconsistent numbers of samples"),
        (lambda P: P[:, :, None], "dim"),
    ],
)
def test_what_is_no_distribution(change, word):
    X, *_ = rows()
    with pytest.raises(ValueError, match=word):
        SGDClassifier(**SOFT).fit(X, change(distributions(X, 4)))


def test_probabilities_of_another_number_of_classes():
    X, y, _ = data(3)
    P, est = distributions(X, 3), SGDClassifier(**SOFT, **FEW, validation_scoring="loss")
    with pytest.raises(ValueError, match="y_val has probabilities of 4 classes, there are 3"):
        est.fit(X, P, X_val=X, y_val=distributions(X, 4))
    for target, y_val in ((y, P), (P, y)):
        with pytest.raises(ValueError, match=r"y and y_val must both hold labels.*y_val \(200"):
            est.fit(X, target, X_val=X, y_val=y_val)
    with pytest.raises(ValueError, match="y_val holds probabilities"):
        est.fit(X, P, X_val=X, y_val=2 * P)
    with pytest.raises(ValueError, match="y has probabilities of 4 classes, there are 3"):
        est.fit(X, P).partial_fit(X, distributions(X, 4))
    with pytest.raises(ValueError, match="y_val must hold probabilities of class 1"):
        est.fit(X, P[:, 1], X_val=X, y_val=2 * y)
    with pytest.raises(ValueError, match="1d array"):
        SGDClassifier(loss="log_loss").fit(X, P)
    with pytest.raises(ValueError, match="validation_scoring='loss'"):
        SGDClassifier(**SOFT, early_stopping=True).fit(X, P)
