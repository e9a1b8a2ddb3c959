"""standardize=True over several calls, sources and estimators of scikit-learn."""

import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels, rows
from support.standardize import BOTH, EVERY, FEW, LAYOUT, close, data, make, scaled

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastsgd.sources import arrays

PENALTIES = pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
STILL = dict(FEW, max_iter=1, eta0=1e-200, standardize=True)  # steps too small to be seen


def bits(est):
    """All that prediction and further training depend on, but for the number of the pass."""
    parts = {**vars(est._state), "coef": est.coef_, "mean_": est.mean_, "scale_": est.scale_, "epoch": 0}
    return {name: part.tobytes() if isinstance(part, np.ndarray) else part for name, part in parts.items()}


# ---------------------------------------------------------------- going on


def feed(est, X, y, cuts):
    for lo, hi in pairwise(cuts):
        est.partial_fit(X[lo:hi], y[lo:hi])
    return est


@pytest.mark.parametrize("average", [False, True])
@PENALTIES
@LAYOUT
@EVERY
def test_fit_goes_on_with_the_same_statistics(cls, layout, penalty, average):
    X, y, _ = data(cls, layout, classes=3)
    given = dict(average=average, shuffle=False)
    three, two = (make(cls, penalty, **given, max_iter=passes).fit(X, y) for passes in (3, 2))
    in_parts = pickle.loads(pickle.dumps(two))
    assert bits(two.partial_fit(X, y)) == bits(three)
    assert bits(feed(in_parts, X, y, [0, 1, 60, 200])) == bits(three)
    mean = two.mean_.copy()
    two.partial_fit(X * 100, y)
    np.testing.assert_array_equal(two.mean_, mean)


@LAYOUT
@EVERY
def test_the_first_batch_with_a_weight_sets_the_statistics(cls, layout):
    X, y, s = data(cls, layout, classes=3)
    given = {"classes": [0, 1, 2]} if cls is SGDClassifier else {}
    est = make(cls).partial_fit(X[:50] * 1000, y[:50], sample_weight=np.zeros(50), **given)
    assert not hasattr(est, "mean_") and not est.coef_.any()
    est.partial_fit(X[50:100], y[50:100], sample_weight=s[50:100])
    np.testing.assert_allclose(est.scale_, scaled(X[50:100], s[50:100])[1].scale_, rtol=1e-9)
    once = make(cls).partial_fit(X[50:100], y[50:100], sample_weight=s[50:100], **given)
    np.testing.assert_array_equal(est.scale_, once.scale_)


@LAYOUT
@EVERY
def test_coefficients_given_are_in_the_units_of_x(cls, layout):
    X, y, _ = data(cls, layout, classes=3)
    rng = np.random.default_rng(0)
    shape = (3, 6) if cls is SGDClassifier else (6,)
    unit = scaled(X)[1].scale_
    coef, b = rng.standard_normal(shape) / unit, rng.standard_normal(shape[:-1] or 1)
    one_class = {"nu": 1e-200} if cls is SGDOneClassSVM else {"alpha": 0.0}
    est = cls(**STILL, **one_class).fit(X, y, coef, b)
    np.testing.assert_allclose(est.coef_, coef, rtol=1e-12)
    close(getattr(est, est._names[1]), b)
    put, intercept = rng.standard_normal(shape) / unit, rng.standard_normal(shape[:-1] or 1)
    est.coef_ = put
    setattr(est, est._names[1], intercept)
    mean = est.mean_.copy()
    est.partial_fit(X[:50], y[:50])
    np.testing.assert_allclose(est.coef_, put, rtol=1e-12)
    close(getattr(est, est._names[1]), intercept)
    np.testing.assert_array_equal(est.mean_, mean)


@PENALTIES
@LAYOUT
@BOTH
def test_warm_start_goes_on(cls, layout, penalty):
    X, y, _ = data(cls, layout)
    given = dict(shuffle=False, warm_start=True, penalty=penalty)
    if penalty in ("l1", "elasticnet"):  # what the last weights have received of it is not known
        given |= {"alpha": 0.0}
    est = make(cls, max_iter=1, **given)
    for _ in range(3):
        est.fit(X, y)
    whole = make(cls, max_iter=3, **given).fit(X, y)
    close(est.coef_ * est.scale_, whole.coef_ * whole.scale_)
    close(est.predict(X), whole.predict(X))


@pytest.mark.parametrize("average", [False, True])
@PENALTIES
@EVERY
def test_a_batch_of_another_layout_finds_the_same_model(cls, penalty, average):
    X, y, _ = data(cls, classes=3)
    est = make(cls, penalty, average=average).fit(X, y)
    for kind in ("csr", "dense", "csr"):
        coef, b = est.coef_.copy(), est._raw_intercept().copy()
        est.partial_fit(LAYOUTS[kind](X), y, sample_weight=np.zeros(200))
        close(est.coef_ * est.scale_, coef * est.scale_)
        close(est._raw_intercept(), b)
        est.set_params(random_state=0).partial_fit(LAYOUTS[kind](X), y)
        assert abs(est.coef_ - coef).max() > 0
    if cls is SGDRegressor and not average:  # the loss of each row before its step is that of the model
        for kind in ("dense", "csr", "csr", "dense"):
            loss = 0.5 * ((est.predict(X) - y) ** 2).mean()
            est.set_params(eta0=1e-200).partial_fit(LAYOUTS[kind](X), y)
            assert est.history_["loss"][0] == pytest.approx(loss, rel=1e-9) and loss < 0.3 * y.var()
            est.set_params(eta0=0.01).partial_fit(LAYOUTS[kind](X), y)


@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "ftrl"])
def test_a_batch_of_another_layout_with_an_optimizer(optimizer):
    """The loss taken before the one step is that of the model; the step does not make it jump."""
    X, y, _ = data()
    est = make(SGDRegressor, optimizer=optimizer, eta0=0.1, max_iter=20).fit(X, y)
    for kind in ("csr", "csr", "dense"):
        loss = 0.5 * ((est.predict(X) - y) ** 2).mean()
        est.set_params(batch_size="full", eta0=0.01).partial_fit(LAYOUTS[kind](X), y)
        assert est.history_["loss"][0] == pytest.approx(loss, rel=1e-9) and loss < 0.5 * y.var()
        assert 0.5 * ((est.predict(X) - y) ** 2).mean() < 1.3 * loss


def test_switching_it_between_calls_goes_on_from_the_coefficients():
    X, y, _ = data()
    est = SGDRegressor(**STILL, alpha=0.0).fit(X, y, coef_init=(coef := 1 / X.std(axis=0)), intercept_init=0.5)
    est.set_params(standardize=False).partial_fit(X, y)
    np.testing.assert_allclose(est.coef_, coef, rtol=1e-12)
    assert not hasattr(est, "mean_")
    est.set_params(standardize=True).partial_fit(X[:50], y[:50])
    np.testing.assert_allclose(est.coef_, coef, rtol=1e-12)
    np.testing.assert_allclose(est.mean_, X[:50].mean(axis=0))
    assert not hasattr(est.set_params(standardize=False).fit(X / 1e3, y), "scale_")


def test_a_fit_that_diverges_keeps_the_statistics_and_says_what_helps():
    X, y, _ = data()
    est = make(SGDRegressor, eta0=1e300)
    with pytest.raises(ValueError, match=r"#1. Lower eta0 .*; the columns of largest scale are . \(up to \d\.\d"):
        est.fit(X, y)
    assert np.isfinite(est.coef_).all() and est.mean_[3] == pytest.approx(X[:, 3].mean())
    est.set_params(eta0=0.01).partial_fit(X[:50], y[:50])
    assert est.mean_[3] == pytest.approx(X[:, 3].mean()) and np.isfinite(est.coef_).all()


def test_coefficients_that_overflow_in_standard_units_leave_a_model_of_zeros():
    X, y, _ = data()
    est = make(SGDRegressor)
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(ValueError, match="overflow occurred at epoch #1"):
        est.fit(X, y, coef_init=np.full(6, 1e308))
    assert not est.coef_.any() and est.mean_[3] == pytest.approx(X[:, 3].mean())


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", ["f8", "f4", "i1", "fortran", "csr", "int csr", "mixed csr"])
def test_what_is_read_at_once_changes_nothing(kind, shuffle, monkeypatch):
    X, y, s = rows(3000, 20)
    X = (2 * X).astype("i1")
    X = {
        "fortran": lambda: np.asfortranarray(X, "f8"),
        "csr": lambda: sp.csr_matrix(X.astype("f8")),
        "int csr": lambda: sp.csr_matrix(X),
        "mixed csr": lambda: sp.csr_matrix(X.astype("f8")),
    }.get(kind, lambda: X.astype(kind))()
    if kind == "mixed csr":
        X.indptr = X.indptr.astype("i8")
    models = []
    for size in (1, 1 << 18, 1 << 19, arrays.READ_BYTES):
        monkeypatch.setattr(arrays, "READ_BYTES", size)
        est = make(SGDRegressor, shuffle=shuffle).fit(X, y, sample_weight=s)
        models.append(est.coef_ * est.scale_)
        close(est.mean_, np.average(X.toarray() if sp.issparse(X) else X, axis=0, weights=s))
    for model in models[1:]:
        close(model, models[0], 1e-5 if kind == "f4" else 1e-12)


@pytest.mark.parametrize("shuffle", [False, True])
@LAYOUT
def test_scaling_by_one_gives_the_rows_as_they_are(layout, shuffle):
    """Rows that are read in blocks are visited in the order of rows that are read where they lie."""
    X = 2.0 * np.random.default_rng(0).integers(0, 2, (20_002, 30)) - 1
    X[::2] = -X[1::2]  # so that each column has mean 0 and standard deviation 1, exactly
    y = np.random.default_rng(1).standard_normal(20_002)
    given = dict(shuffle=shuffle, intercept_decay=1.0)
    fits = [make(SGDRegressor, **given, standardize=on).fit(LAYOUTS[layout](X), y) for on in (True, False)]
    assert (fits[0].mean_ == 0).all() and (fits[0].scale_ == 1).all()
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize("kind", ["dense", "fortran", "int8", "csr"])
def test_x_is_never_copied_as_a_whole(kind):
    rng = np.random.default_rng(0)
    if kind == "csr":
        X = sp.random(50_000, 500, 0.1, "csr", random_state=rng)
        size = X.data.nbytes + X.indices.nbytes
    else:
        X = rng.integers(-9, 9, (50_000, 80)).astype("i1" if kind == "int8" else "f8")
        X = np.asfortranarray(X) if kind == "fortran" else X
        size = 8 * X.size
    y, est = rng.integers(0, 2, 50_000), SGDClassifier(max_iter=2, random_state=0, standardize=True, tol=None)
    tracemalloc.start()
    try:
        est.fit(X, y)
        assert tracemalloc.get_traced_memory()[1] < 0.4 * size
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------- conventions


@EVERY
def test_pickle_and_clone(cls):
    X, y, _ = data(cls)
    est = make(cls).fit(X, y)
    again = pickle.loads(pickle.dumps(est))
    np.testing.assert_array_equal(est.predict(X), again.predict(X))
    assert bits(est.partial_fit(X, y)) == bits(again.partial_fit(X, y))
    assert clone(est).standardize and not hasattr(clone(est), "mean_")
    est.mean_[:] = np.nan  # a copy of what the state has
    assert np.isfinite(est.partial_fit(X, y).coef_).all() and np.isfinite(est.mean_).all()


def test_callbacks_see_the_model_in_the_units_of_x():
    X, y, _ = data()
    seen = []
    est = make(SGDRegressor, callbacks=lambda progress: seen.append(progress.estimator)).fit(X, y)
    np.testing.assert_array_equal(seen[-1].coef_, est.coef_)
    np.testing.assert_array_equal(seen[0].scale_, est.scale_)


def test_several_targets():
    X, y, _ = data()
    Y = np.c_[y, -y, y / 2, y**2, 1 + y]
    many = make(SGDRegressor).fit(X, Y)
    for k in range(5):
        close(many.coef_[k] * many.scale_, make(SGDRegressor).fit(X, Y[:, k]).coef_ * many.scale_)
    close(many.predict(X)[:, 0], make(SGDRegressor).fit(X, y).predict(X))


WEIGHTS = "rows of weight 2 are one step of twice the size, rows given twice are two steps (as in scikit-learn's own)"


def expected_to_fail(est):
    return {f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS for kind in ("dense", "sparse")}


@pytest.mark.filterwarnings("ignore:The fit diverged", "ignore:Maximum number of iteration")
@parametrize_with_checks(
    [cls(max_iter=5, standardize=True) for cls in (SGDClassifier, SGDRegressor, SGDOneClassSVM)],
    expected_failed_checks=expected_to_fail,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
def test_columns_whose_deviations_float32_can_not_hold_are_named(cls, layout):
    """They were taken for constants, and nothing was learnt from them."""
    X, y, _ = rows()
    X[:, 2] = 1.0 - np.arange(len(X)) % 3
    small = X.copy()
    small[:, 2] *= 1e-39
    y = labels(y, 2) if cls is SGDClassifier else y
    with pytest.raises(ValueError, match=r"columns \[2\] of X are so small that float32 has no digits"):
        make(cls).fit(LAYOUTS[layout](small.astype(np.float32)), y)
    held = make(cls).fit(LAYOUTS[layout](X * np.where(np.arange(6) == 2, 1e-30, 1.0)), y)
    np.testing.assert_allclose(
        held.coef_ * np.where(np.arange(6) == 2, 1e-30, 1.0), make(cls).fit(LAYOUTS[layout](X), y).coef_
    )
    X[:, 2] = 1e-39  # a constant, of which nothing can be learnt
    make(cls).fit(LAYOUTS[layout](X.astype(np.float32)), y)
