"""partial_fit goes on from the state: k calls are one epoch of fit over all their rows, bit for bit."""

import pickle
import warnings
from itertools import pairwise

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support.cases import covering
from support.data import LAYOUTS, labels, rows
from support.partial_fit import CUTS, feed, make

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, schedules

EVERY = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
PENALTIES = pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])


def data(cls, layout="dense", classes=3):
    X, y, s = rows()
    return LAYOUTS[layout](X), labels(y, classes) if cls is SGDClassifier else y, s


def bits(est):
    """All that prediction and further training depend on."""
    state = est._state
    arrays = [est.coef_, est._raw_intercept(), state.W, state.b, state.b_avg, state.A, state.Q, state.at]
    return [None if a is None else np.asarray(a).tobytes() for a in arrays]


@pytest.mark.parametrize(
    "cls, layout, penalty, average, dtype",
    covering(
        3,
        [SGDClassifier, SGDRegressor, SGDOneClassSVM],
        LAYOUTS,
        [None, "l2", "l1", "elasticnet"],
        [False, 1, 100],
        ["f8", "f4"],
    ),
)
def test_calls_in_parts_equal_one_epoch(cls, layout, penalty, average, dtype):
    X, y, s = data(cls, layout)
    X = X.astype(dtype)
    whole = make(cls, penalty, average=average).fit(X, y, sample_weight=s)
    parts = feed(make(cls, penalty, average=average), X, y, s)
    assert bits(whole) == bits(parts)
    assert whole.t_ == parts.t_ == 201.0
    np.testing.assert_array_equal(whole.predict(X), parts.predict(X))


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
def test_what_l1_owes_on_csr_is_carried_over_bit_for_bit(penalty, dtype):
    rng = np.random.default_rng(0)
    X = sp.random(400, 50, 0.05, "csr", dtype, random_state=0)  # of numbers that are not exact in either dtype
    y = rng.integers(2, size=400)
    whole = make(SGDClassifier, penalty).fit(X, y)
    assert bits(whole) == bits(feed(make(SGDClassifier, penalty), X, y, cuts=range(0, 401, 20)))
    assert 0 < np.count_nonzero(whole.coef_) < 50


@pytest.mark.parametrize("params", [{"alpha": 0.1}, {"loss": "huber"}, {"learning_rate": "constant", "eta0": 0.3}])
def test_parameters_that_change_between_calls_count_from_then_on(params):
    X, y, _ = data(SGDClassifier, classes=2)
    kept, fresh = (make(SGDClassifier).partial_fit(X, y, [0, 1]) for _ in range(2))
    kept.partial_fit(X, y).set_params(**params).partial_fit(X, y)
    fresh = pickle.loads(pickle.dumps(fresh.partial_fit(X, y))).set_params(**params)
    assert bits(kept) == bits(fresh.partial_fit(X, y))
    assert bits(kept) != bits(
        feed(make(SGDClassifier), *[np.concatenate([a] * 3) for a in (X, y)], cuts=range(0, 601, 200))
    )


@pytest.mark.parametrize("then", [None, {0: 5.0, 1: 0.1}])
def test_class_weight_that_changes_between_calls_counts_from_then_on(then):
    X, y, _ = rows()
    y = labels(y)
    how = dict(random_state=0, shuffle=False, learning_rate="constant")
    est = SGDClassifier(class_weight={0: 0.5, 1: 2.0}, **how).partial_fit(X, y, classes=[0, 1])
    like = SGDClassifier(**how).partial_fit(X, y, classes=[0, 1], sample_weight=np.array([0.5, 2.0])[y])
    est.set_params(class_weight=then).partial_fit(X, y)
    like.partial_fit(X, y, sample_weight=None if then is None else np.array([5.0, 0.1])[y])
    np.testing.assert_array_equal(est.coef_, like.coef_)


@pytest.mark.parametrize(
    "params", [{"average": True}, {"penalty": "l1"}, {"optimizer": "adam"}, {"learning_rate": "auto"}]
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_in_a_mapped_file_goes_on(layout, params, tmp_path):
    """As joblib maps the large arrays of an estimator that it hands to a worker."""
    X, y, _ = rows()
    X, y = LAYOUTS[layout](X), labels(y, 3)
    est = SGDClassifier(random_state=0, **params).partial_fit(X, y, classes=[0, 1, 2])
    joblib.dump(est, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.coef_.flags.writeable
    np.testing.assert_array_equal(mapped.partial_fit(X, y).coef_, est.partial_fit(X, y).coef_)


def test_an_object_that_changes_where_it_is_counts_from_then_on():
    X, y, _ = data(SGDRegressor)
    loss = losses.Huber(epsilon=0.1)
    est = make(SGDRegressor, loss=loss, learning_rate=schedules.Constant(), eta0=0.01).partial_fit(X, y)
    other = pickle.loads(pickle.dumps(est)).set_params(loss__epsilon=5.0)
    loss.set_params(epsilon=5.0)
    assert bits(est.partial_fit(X, y)) == bits(other.partial_fit(X, y))


@pytest.mark.parametrize("rate", ["constant", "optimal", "invscaling", schedules.Exponential(0.5, pass_rows=50)])
@pytest.mark.parametrize("classes", [2, 5])
def test_in_parts_with_every_rate_and_two_or_more_classes(classes, rate):
    X, y, _ = data(SGDClassifier, classes=classes)
    given = dict(loss="log_loss", learning_rate=rate, class_weight=dict.fromkeys(range(classes), 1.5))
    assert bits(make(SGDClassifier, **given).fit(X, y)) == bits(feed(make(SGDClassifier, **given), X, y))


@pytest.mark.parametrize("average", [False, True])
@PENALTIES
@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_pickle_in_between_changes_nothing(cls, layout, penalty, average):
    X, y, _ = data(cls, layout)
    through = est = make(cls, penalty, average=average, shuffle=True)
    for _ in range(3):
        feed(est, X, y)
        through = (
            pickle.loads(pickle.dumps(feed(through, X, y))) if through is not est else pickle.loads(pickle.dumps(est))
        )
        assert bits(through) == bits(est)


@PENALTIES
@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_two_fits_of_partial_fit_after_fit(cls, layout, penalty):
    """fit for two epochs and one call are three epochs."""
    X, y, _ = data(cls, layout)
    for shuffle in (False, True):
        three = make(cls, penalty, max_iter=3, shuffle=shuffle, average=True).fit(X, y)
        two = make(cls, penalty, max_iter=2, shuffle=shuffle, average=True).fit(X, y)
        assert bits(two.partial_fit(X, y)) == bits(three)
        assert two.t_ == 601.0


@pytest.mark.parametrize("average", [False, True])
@PENALTIES
@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_rows_of_weight_zero_change_nothing(cls, layout, penalty, average):
    X, y, s = data(cls, layout)
    est = feed(make(cls, penalty, average=average), X, y, s)
    before = bits(est)
    est.partial_fit(X, y, sample_weight=np.zeros(200))
    assert bits(est) == before
    s[::3] = 0
    some = s > 0
    with_zeros = make(cls, penalty, average=average).fit(X, y, sample_weight=s)
    without = make(cls, penalty, average=average).fit(X[some], y[some], sample_weight=s[some])
    assert bits(with_zeros) == bits(without)


@EVERY
def test_a_first_call_of_weight_zero_gives_the_model_of_zeros(cls):
    X, y, _ = data(cls)
    est = make(cls)
    given = {"classes": [0, 1, 2]} if cls is SGDClassifier else {}
    est.partial_fit(X, y, sample_weight=np.zeros(200), **given)
    assert not est.coef_.any() and est.t_ == 1.0


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
def test_settings_of_fit_do_not_concern_it(cls):
    X, y, _ = data(cls)
    stopping = dict(
        early_stopping=True, tol=1.0, n_iter_no_change=1, max_seconds=1e-9, callbacks=lambda progress: 1 / 0
    )
    assert bits(feed(make(cls, **stopping), X, y)) == bits(feed(make(cls), X, y))


@pytest.mark.parametrize("average", [False, True])
@PENALTIES
@pytest.mark.parametrize("layout", LAYOUTS)
def test_coefficients_put_in_by_hand_are_where_it_goes_on_from(layout, penalty, average):
    X, y, _ = data(SGDRegressor, layout)
    est = make(SGDRegressor, penalty, learning_rate="constant").fit(X, y)
    est.coef_, est.intercept_ = np.ones(6), np.array([0.5])
    est.partial_fit(X, y)
    right = make(SGDRegressor, penalty, learning_rate="constant").fit(X, y, coef_init=np.ones(6), intercept_init=0.5)
    np.testing.assert_allclose(est.coef_, right.coef_, rtol=1e-10)
    np.testing.assert_allclose(est.intercept_, right.intercept_, rtol=1e-10)
    assert est.t_ == 401.0
    est.intercept_ = np.array([7.0])
    assert est.predict(X * 0)[0] == 7.0


@EVERY
def test_each_call_updates_the_same_array(cls):
    X, y, _ = data(cls)
    est = make(cls).fit(X, y)
    kept, values = est.coef_, est.coef_.copy()
    est.partial_fit(X, y)
    assert est.coef_ is kept
    assert (est.coef_ != values).any()


@EVERY
def test_a_call_that_fails_leaves_the_estimator_as_it_was(cls):
    X, y, _ = data(cls)
    est = feed(make(cls), X, y)
    before = bits(est)
    bad = X.copy()
    bad[3, 3] = np.nan
    for data_, target, weight in ((bad, y, None), (X, y[:-1], None), (X, y, -np.ones(200)), (X[:, :2], y, None)):
        if cls is SGDOneClassSVM and target is not y:
            continue
        with pytest.raises(ValueError):
            est.partial_fit(data_, target, sample_weight=weight)
        assert bits(est) == before
    if cls is SGDClassifier:
        with pytest.raises(ValueError, match="labels that are not in"):
            est.partial_fit(X, y + 1)
        assert bits(est) == before


@EVERY
def test_a_first_call_that_fails_can_be_made_again(cls):
    X, y, _ = data(cls)
    given = {"classes": [0, 1, 2]} if cls is SGDClassifier else {}
    est = make(cls)
    with pytest.raises(ValueError):
        est.partial_fit(X, y, sample_weight=-np.ones(200), **given)
    if cls is SGDClassifier:
        with pytest.raises(ValueError):
            est.partial_fit(X, y + 5, **given)
    est.partial_fit(X, y, **given)
    assert bits(est) == bits(make(cls).partial_fit(X, y, **given))


@EVERY
def test_dense_and_sparse_batches_may_alternate(cls):
    X, y, _ = data(cls)
    penalties = ("l2", "l1", "elasticnet") if cls is not SGDOneClassSVM else ("l2",)
    for penalty in penalties:
        est, dense = (make(cls, penalty, intercept_decay=1.0, learning_rate="constant") for _ in range(2))
        feed(dense, X, y)
        for lo, hi, layout in ((0, 50, "csr"), (50, 120, "dense"), (120, 160, "csr"), (160, 200, "dense")):
            given = {"classes": np.unique(y)} if cls is SGDClassifier else {}
            est.partial_fit(LAYOUTS[layout](X[lo:hi]), y[lo:hi], **given)
        np.testing.assert_allclose(est.coef_, dense.coef_, rtol=1e-9 if penalty != "elasticnet" else 1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_penalty_or_average_from_some_call_on(layout):
    X, y, _ = data(SGDRegressor, layout)
    est = feed(make(SGDRegressor, "l1"), X, y)
    settled = est.coef_.copy()
    est.set_params(penalty="elasticnet", l1_ratio=0.5).partial_fit(X[:1] * 0, y[:1])
    assert np.isfinite(est.coef_).all() and abs(est.coef_ - settled).max() < 1e-2
    est.set_params(penalty=None, average=True).partial_fit(X, y)
    assert np.isfinite(est.coef_).all()
    est.set_params(penalty="l1", alpha=10.0, average=False)
    for _ in range(5):
        est.partial_fit(X, y)
    assert not est.coef_.any()


@EVERY
@pytest.mark.parametrize("kind", [float, int])
def test_rows_in_lists_are_those_of_arrays(cls, kind):
    X, y, _ = data(cls)
    X, y = X.astype(kind), y.astype(int)
    given = {"classes": [0, 1, 2]} if cls is SGDClassifier else {}
    lists, arrays = make(cls), make(cls)
    for lo, hi in pairwise(CUTS):
        lists.partial_fit(X[lo:hi].tolist(), y[lo:hi].tolist(), **given)
        arrays.partial_fit(X[lo:hi], y[lo:hi], **given)
    assert bits(lists) == bits(arrays)
    with pytest.raises(ValueError, match="7 features"):
        lists.partial_fit([[1] * 7], [1])
    with pytest.raises(ValueError):
        lists.partial_fit([[1.0, 2.0], [1.0]], [1, 1])


# ---------------------------------------------------------------- what is said


def said_by(est, *batches, **how):
    """The warnings of calls of partial_fit, in words, of which each shows the line that called it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for X, y in batches:
            est.partial_fit(X, y, **how)
    assert all(w.filename == __file__ for w in caught)
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_where_auto_has_learnt_nothing_partial_fit_says_so_but_not_with_each_call(layout):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((4000, 5)), rng.standard_normal(4000)
    for size in (4000, 100, 7):
        est = SGDRegressor(learning_rate="auto", random_state=0)
        words = said_by(est, *((layout(X[lo : lo + size]), y[lo : lo + size]) for lo in range(0, 4000, size)))
        assert est.auto_rule_.tolist() == ["constant"] and 1 <= len(words) <= 2
        assert all(w.startswith("The model is a constant") and "max_iter" not in w for w in words)
    assert said_by(SGDRegressor(learning_rate="auto", random_state=0), (layout(X), X @ np.arange(5))) == []


def test_columns_that_auto_leaves_out_are_named_by_partial_fit_as_by_fit():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3))
    y, X[:, 1] = X[:, 0] + X[:, 2], X[:, 1] * 1e200
    (words,) = said_by(SGDRegressor(learning_rate="auto"), (X, y))
    assert words.startswith("learning_rate='auto' has left out columns [1] of X")


@pytest.mark.parametrize("kind", [SGDClassifier, SGDRegressor])
@pytest.mark.parametrize("rate", ["constant", schedules.Constant()], ids=["name", "object"])
def test_steps_that_the_clamp_cuts_are_said_by_the_first_call(kind, rate):
    X = np.random.default_rng(0).standard_normal((50, 3))
    y, how = (X[:, 0] > 0).astype(int), {"classes": [0, 1]} if kind is SGDClassifier else {}
    est = kind(learning_rate=rate, eta0=0.1, alpha=30.0)
    words = said_by(est, (X, y), (X, y), (X, y), **how)
    assert len(words) == 1 and words[0].startswith("Step sizes are up to 0.1") and "below 0.0333" in words[0]
    assert said_by(clone(est).set_params(eta0=0.03), (X, y), **how) == []
    assert said_by(clone(est).set_params(batch_size=2), (X, y), **how) == []
    assert said_by(kind(), (X, y), **how) == []


@pytest.mark.parametrize("dtype", [str, object, float])
def test_calls_with_a_row_of_each_of_many_classes_say_nothing(dtype):
    """As in scikit-learn; warnings are errors here."""
    labels = np.array([f"{k:02d}" for k in range(30)]).astype(dtype)
    X = np.random.default_rng(0).standard_normal((30, 4))
    est = SGDClassifier(random_state=0).partial_fit(X, labels, classes=labels)
    assert est.partial_fit(X[:25], labels[:25]).t_ == 56
