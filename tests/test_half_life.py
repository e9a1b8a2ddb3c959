"""half_life: rows fade, in learning_rate="auto" and in the average of the weights."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from support import reference_auto
from support.auto import AUTO, flat, train, types
from support.cases import covering
from support.kernels import DTYPES, LAYOUTS, agree, lay_out, rows, targets

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, load, losses, penalties, sources

ORDER = AUTO | {"shuffle": False}
AVERAGE = dict(learning_rate="constant", eta0=0.05, average=True, max_iter=1, tol=None, shuffle=False)
layouts = pytest.mark.parametrize("layout", ["dense", "csr32"])
ways = pytest.mark.parametrize("params", [ORDER, AVERAGE], ids=["auto", "average"])


# ---------------------------------------------------------------- the kernels
def expected(layout, X, Y, loss, **given):
    run = reference_auto.auto_dense if layout == "dense" else reference_auto.auto_csr
    return run(X, Y, loss, **given)[:4]


@pytest.mark.parametrize(
    "layout, dtype, name, penalty, heads, intercept, half_life, passes",
    covering(2, LAYOUTS, DTYPES, losses.LOSSES, [None, "l2", "l1"], [1, 5], [True, False], [2.5, 30.0], [1, 2]),
)
def test_kernel_equals_the_reference(layout, dtype, name, penalty, heads, intercept, half_life, passes):
    """With the shorter one, units of the sums are renewed twice in 220 rows."""
    loss, (X, s) = losses.get(name), rows(110 * (3 - passes))
    l1, l2 = penalties.weights(penalty, 0.03, 0.4)
    given = dict(l1=l1, l2=l2, intercept=intercept, s=s, passes=passes, half_life=half_life)
    Y = targets(loss, X, heads)
    agree(
        train(lay_out(X, layout, dtype), loss, y=Y, **given), expected(layout, X, Y, loss, **given), 10 * DTYPES[dtype]
    )


@pytest.mark.parametrize("layout, name, heads", covering(2, LAYOUTS, ["log_loss", "quantile", "gamma"], [1, 3]))
def test_of_noise_the_constant_is_near(layout, name, heads):
    loss, (X, s) = losses.get(name), rows(600)
    Y = targets(loss, X, heads)
    Y[300:] = Y[:-300]  # noise
    for half_life in (30.0, 1000.0):
        given = dict(l1=0.0, l2=0.03, intercept=True, s=s, passes=1, half_life=half_life)
        agree(train(lay_out(X, layout), loss, y=Y, **given), expected(layout, X, Y, loss, **given), 1e-8)


@pytest.mark.parametrize("passes", [1, 2])
def test_of_centred_columns_too(passes):
    loss, (X, s) = losses.get("squared_error"), rows(300)
    X[:, 2] = 30 + np.arange(300) / 20
    Y = targets(loss, X / 50, 2)
    given = dict(l1=0.0, l2=0.01, intercept=True, s=s, passes=passes, half_life=40.0)
    agree(train(lay_out(X, "csr32"), loss, y=Y, **given), expected("csr32", X, Y, loss, **given), 1e-8)


@pytest.mark.parametrize("half_life", [3.0, 50.0])
@pytest.mark.parametrize("targets", [1, 3])
@types
@layouts
def test_a_step_that_is_a_half_life_old_counts_half_in_the_average(layout, dtype, targets, half_life):
    X, _ = rows(400)
    Y = X @ np.random.default_rng(2).standard_normal((9, targets)) + 1.0
    X, y = lay_out(X, layout, dtype), Y if targets > 1 else Y[:, 0]
    params = AVERAGE | {"alpha": 0.1, "average": 30}
    averaged = SGDRegressor(**params, half_life=half_life).fit(X, y)
    path = SGDRegressor(**params | {"average": False}).fit(X, y, record="coef", record_every=1).path_
    age = 400.0 - np.arange(30, 401)
    for found, along in (averaged.coef_, path.coef), (averaged.intercept_, path.intercept):
        right = np.average(along[30:], axis=0, weights=2 ** (-age / half_life))
        np.testing.assert_allclose(
            found, right, rtol=1e-9 if dtype == "f8" else 1e-3, atol=1e-9 if dtype == "f8" else 1e-4
        )


# ---------------------------------------------------------------- what it is for
def turning(layout, task, n=6000, d=20):
    """Rows whose effects have been the opposite but for the last 1,000, and 2,000 more like these."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((n + 2000, d)) * (rng.random((n + 2000, d)) < 0.5)
    w = rng.standard_normal(d)
    z = X @ w * np.where(np.arange(n + 2000) < n - 1000, 1, -1) + 0.5 * rng.standard_normal(n + 2000)
    X, y = lay_out(X, layout), z if task == "regression" else (z > 0).astype(int)
    return (X[:n], y[:n]), (X[n:], y[n:])


def lost(est, X, y):
    """The loss over that of what is known without X."""
    if hasattr(est, "classes_"):
        return log_loss(y, est.predict_proba(X)) / log_loss(y, np.full(len(y), y.mean()))
    return np.mean((y - est.predict(X)) ** 2) / y.var()


@pytest.mark.parametrize("task", ["binary", "regression"])
@flat  # Without, it may be.
@layouts
@ways
def test_what_has_changed_is_learnt_anew(params, layout, task):
    (X, y), new = turning(layout, task)
    make = SGDRegressor if task == "regression" else lambda **given: SGDClassifier("log_loss", **given)
    stays, fades = (lost(make(**params, half_life=h).fit(X, y), *new) for h in (None, 200))
    # Of few dense columns the weights of long steps, which are not averaged, follow by themselves.
    assert fades < 0.6 and fades < max(0.8 * stays, 0.1), (fades, stays)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile", "poisson"])
@types
@layouts
@ways
def test_a_half_life_of_no_end_is_none(params, layout, dtype, loss):
    X, s = rows(900)
    y = targets(losses.get(loss), X, 1)[:, 0]
    X, params = lay_out(X, layout, dtype), params | {"loss": loss, "eta0": 0.001}
    for penalty in ("l2", "l1"):
        none, some = (
            SGDRegressor(**params, penalty=penalty, half_life=h).fit(X, y, sample_weight=s) for h in (None, 1e9)
        )
        size = max(abs(none.coef_).max(), abs(none.intercept_[0]))
        tolerance = (1e-5 if dtype == "f8" else 3e-4) * size
        np.testing.assert_allclose(some.coef_, none.coef_, atol=tolerance)
        np.testing.assert_allclose(some.intercept_, none.intercept_, atol=tolerance)


@layouts
def test_scales_follow_the_rows(layout):
    """Values a thousand times as large: what is kept of a column is soon of these."""
    X, _ = rows(3000)
    X[1000:] *= 1000
    y = X[:, 0] / np.abs(X[:, 0]).max() + X[:, 1] / np.abs(X[:, 1]).max()
    reg = SGDRegressor(**ORDER, half_life=100).fit(lay_out(X, layout), y)
    centre = X[1000:].mean(axis=0) if layout == "dense" else 0.0
    right = np.sqrt(np.mean((X[1000:] - centre) ** 2, axis=0))
    np.testing.assert_allclose(reg._state.auto.scales, right, rtol=0.3)
    n = reg._state.auto.at["recent"][0]
    assert n == pytest.approx(1 / (1 - 2**-0.01), rel=1e-3)


# ---------------------------------------------------------------- calls, files, threads
@pytest.mark.parametrize("heads", [1, 3])
@types
@layouts
@ways
def test_calls_and_files_change_nothing(params, layout, dtype, heads, tmp_path):
    """Units of the sums are renewed on the way."""
    X, s = rows(600)
    Y = X @ np.random.default_rng(2).standard_normal((9, heads))
    X, y, params = lay_out(X, layout, dtype), Y[:, 0] if heads == 1 else Y, params | {"half_life": 12}
    whole, parts = SGDRegressor(**params).fit(X, y, sample_weight=s), SGDRegressor(**params)
    for lo, hi in ((0, 250), (250, 251), (251, 600)):
        parts.partial_fit(X[lo:hi], y[lo:hi], sample_weight=s[lo:hi])
        parts.save(tmp_path / "model")
        parts = pickle.loads(pickle.dumps(load(tmp_path / "model")))
    assert (
        clone(parts).half_life == parts.half_life == 12 and abs(whole.coef_).min() < 1e-9 < 0.1 < abs(whole.coef_).max()
    )
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)


@layouts
@ways
def test_a_stream_is_as_the_rows_in_memory(params, layout):
    X, s = rows(500)
    y = X @ np.arange(9.0)
    X, params = lay_out(X, layout), params | {"half_life": 12}
    parts = [slice(lo, lo + 70) for lo in range(0, 500, 70)]
    source = sources.from_batches(lambda: ((X[at], y[at], s[at]) for at in parts))
    whole, streamed = SGDRegressor(**params).fit(X, y, sample_weight=s), SGDRegressor(**params).fit(source)
    np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-12, atol=1e-12)


def test_a_model_that_has_learnt_nothing_says_of_how_few_rows():
    X, _ = rows(400)
    y = np.random.default_rng(0).integers(0, 2, 400)
    with pytest.warns(
        ConvergenceWarning, match=r"With half_life=4 what was learnt is of what is left of the rows, 6: it may"
    ):
        SGDClassifier("log_loss", **ORDER, half_life=4).fit(X, y)
    with pytest.warns(
        ConvergenceWarning,
        match="what is to be learnt changes, of which `diagnose` tells: set shuffle=False and half_life",
    ):
        SGDClassifier("log_loss", **AUTO).fit(X, y)


@flat
@ways
def test_calls_on_few_of_many_features_are_as_one_fit(params):
    """A state of this kind is changed where it is, and taken back after an error, but not where units are renewed."""
    rng = np.random.default_rng(0)
    X = sp.random(300, 5000, 0.001, format="csr", random_state=0) + sp.csr_matrix(np.eye(300, 5000, 3) * 0.5)
    y, in_place = rng.standard_normal(300), []
    whole, parts = (SGDRegressor(**params, half_life=2) for _ in range(2))
    whole.fit(X, y)
    for i in range(0, 300, 3):
        parts.partial_fit(X[i : i + 3], y[i : i + 3])
        in_place.append(parts._published.ready is not None)
        before = parts.coef_.copy()
        with pytest.raises(ValueError, match="overflow"):
            parts.partial_fit(X[i : i + 1] * 1e200, [1e300])
        np.testing.assert_array_equal(parts.coef_, before)
    assert 80 <= sum(in_place) < 100
    np.testing.assert_array_equal(parts.coef_, whole.coef_)


@pytest.mark.parametrize("heads", [1, 5])
@layouts
@ways
def test_threads_change_nothing(params, layout, heads):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30000, 50)) * (rng.random((30000, 50)) < 0.5)
    Y = X @ rng.standard_normal((50, heads))
    X, y = lay_out(X, layout), Y[:, 0] if heads == 1 else Y
    one, two = (SGDRegressor(**params | {"eta0": 1e-3}, half_life=5000, n_jobs=n).fit(X, y) for n in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)


@flat  # Whether y is in the middle class is no linear matter.
@ways
def test_of_classes_each_is_against_the_rest(params):
    (X, y), _ = turning("dense", "regression")
    y = np.digitize(y, [-1, 1])
    clf = SGDClassifier("log_loss", **params, half_life=500).fit(X, y)
    for k in range(3):
        alone = SGDClassifier("log_loss", **params, half_life=500).fit(X, y == k)
        np.testing.assert_allclose(clf.coef_[k], alone.coef_[0], rtol=1e-9, atol=1e-12)


@layouts
def test_of_classes_that_are_learnt_together(layout):
    """As half of the classes' numbers change, the model of all rows says little of those to come."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((8000, 12)) * (rng.random((8000, 12)) < 0.7)
    Z = X @ rng.standard_normal((12, 4))
    Z[5000:] = Z[5000:, [1, 0, 3, 2]]
    y, X = (Z + rng.gumbel(size=Z.shape)).argmax(axis=1), lay_out(X, layout)
    clf = SGDClassifier("log_loss", multi_class="multinomial", **ORDER)
    stays, fades, long = (
        log_loss(y[6000:], clone(clf).set_params(half_life=h).fit(X[:6000], y[:6000]).predict_proba(X[6000:]))
        for h in (None, 200, 1e9)
    )
    assert fades < stays and long == pytest.approx(stays, rel=1e-3)


@ways
def test_models_of_segments_fade_by_their_own_rows(params):
    (X, y), _ = turning("dense", "regression")
    labels = np.arange(len(y)) % 3
    reg = SGDRegressor(**params, half_life=200).fit(X, y, segments=labels)
    for k in range(3):
        alone = SGDRegressor(**params, half_life=200).fit(X, y, sample_weight=(labels == k).astype(float))
        np.testing.assert_allclose(reg.segment_coefs_[k][0], alone.coef_, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("then", [None, 40.0])
def test_another_half_life_holds_for_the_rows_to_come(then):
    X, _ = rows(300)
    y = X @ np.arange(9.0)
    params = AVERAGE | {"alpha": 0.1}
    reg = SGDRegressor(**params, half_life=5).partial_fit(X[:200], y[:200]).set_params(half_life=then)
    reg.partial_fit(X[200:], y[200:])
    along = SGDRegressor(**params | {"average": False}).fit(X, y, record="coef", record_every=1).path_.coef[1:]
    first = 2 ** (np.arange(-199, 1) / 5) * (0.5 ** (100 / then) if then else 1.0)
    second = 2 ** (np.arange(-99, 1) / then) if then else np.ones(100)
    np.testing.assert_allclose(reg.coef_, np.average(along, axis=0, weights=np.r_[first, second]), rtol=1e-9)


def test_after_that_another_optimizer_goes_on_from_the_average():
    X, _ = rows(200)
    y = X @ np.arange(9.0)
    reg = SGDRegressor(**AVERAGE, half_life=5).partial_fit(X, y)
    before = reg.coef_.copy()
    reg.set_params(half_life=None, optimizer="adagrad", eta0=1e-12).partial_fit(X, y)
    path = SGDRegressor(**AVERAGE | {"average": False}).fit(X, y)
    n = 1 / (1 - 0.5**0.2)  # steps that are left
    np.testing.assert_allclose(reg.coef_, (n * before + 200 * path.coef_) / (n + 200), rtol=1e-6)


def test_one_class_too():
    X, _ = rows(400)
    shifted = np.r_[X, X + 5]
    params = {name: AVERAGE[name] for name in AVERAGE}
    stays, fades = (SGDOneClassSVM(**params, half_life=h, random_state=0).fit(shifted) for h in (None, 50))
    assert fades.score_samples(X[:50] + 5).mean() > stays.score_samples(X[:50] + 5).mean()
    none, some = (SGDOneClassSVM(**params, half_life=h).fit(X).coef_ for h in (None, 1e9))
    np.testing.assert_allclose(some, none, rtol=1e-5)


# ---------------------------------------------------------------- mistakes
MISTAKES = [
    (
        {"half_life": 0},
        r"'half_life' parameter of SGDClassifier must be a float in the range \[1.0, inf\), 'auto' or None",
    ),
    ({"half_life": -3.0}, "'half_life' parameter"),
    ({"half_life": np.inf}, "'half_life' parameter"),
    ({"half_life": np.nan}, "'half_life' parameter"),
    ({"half_life": "long"}, "'half_life' parameter"),
    ({"learning_rate": "optimal"}, r"half_life=9 needs learning_rate='auto' or average=True, got 'optimal' and False"),
    ({**AVERAGE, "optimizer": "adagrad"}, "half_life=9 needs optimizer='sgd', got 'adagrad'"),
    ({**AVERAGE, "batch_size": 5}, "half_life=9 needs batch_size=1, got 5"),
    ({**AVERAGE, "gradient_noise": 0.1}, "half_life=9 needs gradient_noise=0, got 0.1"),
    ({**AVERAGE, "n_init": 3, "init": "normal"}, "half_life=9 needs n_init=1, got 3"),
    ({"max_iter": "auto"}, "half_life=9 needs a number of passes as max_iter, got 'auto'"),
    ({"n_bootstrap": 5}, "half_life=9 needs n_bootstrap=0 and n_splits=0"),
    (
        {"shuffle": True},
        "half_life=9 counts rows in the order in which they are learnt, and shuffle=True .* set shuffle=False",
    ),
    ({"max_iter": 5, "tol": 1e-3}, r"in what is to end the passes \(objective\) all rows count alike: set max_iter=1"),
    ({"max_iter": 5, "stopping": "gradient", "tol": 1e-3}, r"\(gradient\) all rows count alike"),
]


@pytest.mark.parametrize("params, words", MISTAKES, ids=[str(i) for i in range(len(MISTAKES))])
def test_what_does_not_go_with_it_is_refused(params, words):
    X, y = rows(60)[0], np.arange(60) % 2
    with pytest.raises(ValueError, match=words):
        SGDClassifier(**{"loss": "log_loss", "half_life": 9} | ORDER | params).fit(X, y)


def test_rows_of_a_call_may_be_shuffled_and_other_rows_may_end_passes():
    (X, y), (X_val, y_val) = turning("dense", "binary")
    params = AUTO | {"loss": "log_loss", "half_life": 200.0}
    clf = SGDClassifier(**params)
    for lo in range(0, len(y), 1000):
        clf.partial_fit(X[lo : lo + 1000], y[lo : lo + 1000], classes=[0, 1])
    assert lost(clf, X_val, y_val) < 0.6
    held = SGDClassifier(**params | {"max_iter": 20, "tol": 1e-3, "shuffle": False}).fit(X, y, X_val=X_val, y_val=y_val)
    assert held.stop_reason_ == "validation"


def test_one_pass_is_not_said_to_be_too_few(recwarn):
    """An error advises max_iter=1, after which no warning asks for more."""
    (X, y), _ = turning("dense", "binary")
    clf = SGDClassifier(**AUTO | {"loss": "log_loss", "half_life": 200.0, "shuffle": False, "max_iter": 1, "tol": 1e-3})
    clf.fit(X, y)
    assert clf.n_iter_ == 1 and not recwarn.list
    with pytest.warns(ConvergenceWarning, match="Consider increasing max_iter"):
        clf.set_params(half_life=None, tol=1e-3).fit(X, y)


@pytest.mark.parametrize("half_life", [None, 200.0])
def test_calls_may_go_on_with_a_stream_of_sparse_rows(half_life):
    (X, y), _ = turning("csr32", "binary")
    streamed, whole = (SGDClassifier("log_loss", **ORDER, half_life=half_life) for _ in range(2))
    for lo in (0, 3000):
        some = slice(lo, lo + 3000)
        blocks = [(X[some], y[some])]
        streamed.partial_fit(sources.from_batches(lambda blocks=blocks: iter(blocks)), classes=[0, 1])
        whole.partial_fit(X[some], y[some], classes=[0, 1])
    np.testing.assert_allclose(streamed.coef_, whole.coef_, rtol=1e-9, atol=1e-9)
