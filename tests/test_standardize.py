"""standardize=True: the model of a StandardScaler and a fit on its output, in the units of X."""

import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.cases import covering
from support.data import LAYOUTS, labels, rows

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers
from fastsgd.estimators import held_out
from fastsgd.sources import arrays
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import moments

BOTH = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
EVERY = pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
LAYOUT = pytest.mark.parametrize("layout", LAYOUTS)
PENALTIES = pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
FEW = dict(max_iter=3, tol=None, random_state=0, learning_rate="constant", eta0=0.01)
STILL = dict(FEW, max_iter=1, eta0=1e-200, standardize=True)  # steps too small to be seen


def data(cls=SGDRegressor, layout="dense", classes=2, n=200):
    """Columns of means and scales of their own; whole numbers times powers of two, so that float32 holds them."""
    X, y, s = rows(n)
    X = (X + np.array([0, 1.5, -2, 3, 0, 1])) * 2.0 ** np.array([0, 9, -7, 3, -1, 12])
    return LAYOUTS[layout](X), labels(y, classes) if cls is SGDClassifier else y, s


def make(cls, penalty="l2", **params):
    given = {} if cls is SGDOneClassSVM else {"penalty": penalty, "alpha": 0.01}
    return cls(**{**given, **FEW, "standardize": True, **params})


def scaled(X, s=None, centre=True):
    """The output of StandardScaler, and the scaler."""
    scaler = StandardScaler(with_mean=centre and not sp.issparse(X)).fit(X, sample_weight=s)
    return scaler.transform(X), scaler


def close(a, b, rtol=1e-9):
    """Equal but for rounding, against the largest."""
    a, b = np.asarray(a), np.asarray(b)
    np.testing.assert_allclose(a, b, rtol=0, atol=rtol * max(1.0, abs(b).max()))


def bits(est):
    """All that prediction and further training depend on, but for the number of the pass."""
    parts = {**vars(est._state), "coef": est.coef_, "mean_": est.mean_, "scale_": est.scale_, "epoch": 0}
    return {name: part.tobytes() if isinstance(part, np.ndarray) else part for name, part in parts.items()}


# ---------------------------------------------------------------- the model of a scaler and a fit
@pytest.mark.parametrize(
    "cls, layout, penalty, shuffle, average, dtype",
    covering(
        3,
        [SGDClassifier, SGDRegressor],
        LAYOUTS,
        [None, "l2", "l1", "elasticnet"],
        [False, True],
        [False, True],
        ["f8", "f4"],
    ),
)
def test_equals_a_fit_on_scaled_rows(cls, layout, penalty, shuffle, average, dtype):
    rtol = {"f8": 1e-9, "f4": 1e-4}[dtype]
    X, y, s = data(cls, layout, classes=3)
    X = X.astype(dtype)
    Z, scaler = scaled(X, s)
    given = dict(penalty=penalty, shuffle=shuffle, average=average, intercept_decay=1.0)
    ours = make(cls, **given).fit(X, y, sample_weight=s)
    theirs = make(cls, **given, standardize=False).fit(Z, y, sample_weight=s)
    assert ours.coef_.dtype == dtype
    close(ours.coef_ * ours.scale_, theirs.coef_, rtol)
    score = "decision_function" if cls is SGDClassifier else "predict"
    close(getattr(ours, score)(X.astype("f8")), getattr(theirs, score)(Z), 10 * rtol)
    close(ours.mean_ / ours.scale_, scaler.mean_ / scaler.scale_, rtol)
    np.testing.assert_allclose(ours.scale_, scaler.scale_, rtol=rtol)


@pytest.mark.parametrize("batch_size", [1, 32, "full"])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adagrad", "adam", "ftrl"])
@LAYOUT
def test_with_every_optimizer(layout, optimizer, batch_size):
    X, y, s = data(SGDClassifier, layout, classes=3)
    Z, _ = scaled(X, s)
    given = dict(optimizer=optimizer, batch_size=batch_size, intercept_decay=1.0, penalty="elasticnet", loss="log_loss")
    for extra in (
        {"multi_class": "multinomial"},
        {"stopping": "gradient", "tol": 1e-9},
        {"init": "normal", "n_init": 3},
    ):
        ours = make(SGDClassifier, **given | extra)
        theirs = clone(ours).set_params(standardize=False)
        if "tol" in extra:
            with pytest.warns(ConvergenceWarning, match="Maximum number"):
                ours.fit(X, y, sample_weight=s)
            with pytest.warns(ConvergenceWarning, match="Maximum number"):
                theirs.fit(Z, y, sample_weight=s)
            np.testing.assert_allclose(ours.history_["gradient_norm"], theirs.history_["gradient_norm"], rtol=1e-6)
        else:
            ours.fit(X, y, sample_weight=s), theirs.fit(Z, y, sample_weight=s)
        close(ours.coef_ * ours.scale_, theirs.coef_)
        close(ours.decision_function(X), theirs.decision_function(Z), 1e-8)


def test_line_search():
    X, y, _ = data()
    given = dict(
        optimizer=optimizers.SGD(line_search=True), batch_size="full", learning_rate="constant", tol=None, max_iter=20
    )
    ours = SGDRegressor(**given, standardize=True).fit(X, y)
    theirs = SGDRegressor(**given).fit(scaled(X)[0], y)
    close(ours.coef_ * ours.scale_, theirs.coef_, 1e-8)


def test_equals_a_fit_on_scaled_rows_with_the_defaults():
    """Stopped by the objective, in the same epoch."""
    X, y, _ = data(SGDClassifier)
    ours = SGDClassifier(random_state=0, standardize=True).fit(X, y)
    theirs = SGDClassifier(random_state=0).fit(scaled(X)[0], y)
    assert ours.n_iter_ == theirs.n_iter_ and ours.stop_reason_ == "objective"
    close(ours.coef_ * ours.scale_, theirs.coef_)
    np.testing.assert_allclose(ours.history_["objective"], theirs.history_["objective"], rtol=1e-9)


@LAYOUT
def test_the_one_class_svm_is_not_centred(layout):
    X, _, s = data(layout=layout)
    Z, _ = scaled(X, s, centre=False)
    ours = make(SGDOneClassSVM, intercept_decay=1.0).fit(X, sample_weight=s)
    theirs = make(SGDOneClassSVM, intercept_decay=1.0, standardize=False).fit(Z, sample_weight=s)
    close(ours.coef_ * ours.scale_, theirs.coef_)
    close(ours.offset_, theirs.offset_)


@LAYOUT
@BOTH
def test_without_an_intercept_nothing_is_centred(cls, layout):
    X, y, _ = data(cls, layout)
    ours = make(cls, fit_intercept=False).fit(X, y)
    theirs = make(cls, fit_intercept=False, standardize=False).fit(scaled(X, centre=False)[0], y)
    close(ours.coef_ * ours.scale_, theirs.coef_)
    assert not ours.intercept_.any()


@LAYOUT
def test_the_objective_has_the_same_minimum_in_both_layouts(layout):
    X, y, s = data(layout=layout)
    est = make(SGDRegressor, "l2", alpha=0.1, max_iter=3000, average=200_000, eta0=2e-3).fit(X, y, sample_weight=s)
    Z = np.c_[scaled(data()[0], s)[0], np.ones(200)]
    right = np.linalg.solve(
        Z.T @ (s[:, None] * Z) / s.sum() + 0.1 * np.diag([1.0] * 6 + [0.0]), Z.T @ (s * y) / s.sum()
    )
    np.testing.assert_allclose(est.coef_ * est.scale_, right[:-1], atol=2e-3)
    np.testing.assert_allclose(est.predict(X), Z @ right, atol=1e-2)


@LAYOUT
def test_the_objective_in_history_is_that_of_the_standardised_problem(layout):
    X, y, s = data(SGDClassifier, layout)
    est = make(SGDClassifier, "elasticnet", loss="log_loss", callbacks=lambda progress: False)
    est.fit(X, y, sample_weight=s)
    W, b = est.coef_.T * est.scale_[:, None], est.intercept_ + est.coef_ @ est.mean_
    Z, Y = (data()[0] - est.mean_) / est.scale_, np.where(y, 1.0, losses.LogLoss().negative)[:, None]
    right = reference.objective(Z, Y, losses.LogLoss(), W, b, l1=0.0015, l2=0.0085, s=s)
    assert est.history_["objective"][-1] == pytest.approx(right.item(), rel=1e-9)


def test_columns_of_wild_scales_train_well():
    X, y, _ = rows(1000)
    X = X * 10.0 ** np.arange(-6, 6, 2) + 10.0 ** np.arange(6)
    with pytest.warns(ConvergenceWarning, match="diverged.*set standardize=True"):
        assert SGDRegressor(max_iter=20, tol=None, random_state=0).fit(X, y).score(X, y) < -1e6
    assert SGDRegressor(random_state=0, standardize=True).fit(X, y).score(X, y) > 0.8
    code = labels(y)
    with pytest.warns(ConvergenceWarning, match="diverged.*set standardize=True"):
        without = SGDClassifier(loss="log_loss", random_state=0, max_iter=20, tol=None).fit(X, code).score(X, code)
    with_it = SGDClassifier(loss="log_loss", random_state=0, standardize=True).fit(X, code).score(X, code)
    assert without < 0.75 < 0.85 < with_it


@LAYOUT
@EVERY
def test_the_unit_of_a_column_does_not_matter(cls, layout):
    X, y, s = data(cls, layout)
    plain = make(cls).fit(X, y, sample_weight=s)
    for factor, rtol in ((2.0**40, 0), (2.0**-40, 0), (1e6, 1e-9)):
        by = np.array([1, factor, 1, 1, 1, 1.0])
        other = make(cls).fit(LAYOUTS[layout](data(cls)[0] * by), y, sample_weight=s)
        np.testing.assert_allclose((other.coef_ * by), plain.coef_, rtol=rtol)
        np.testing.assert_allclose(other._raw_intercept(), plain._raw_intercept(), rtol=rtol)


# ---------------------------------------------------------------- the statistics
@pytest.mark.parametrize("kind", ["dense", "fortran", "csr", "weighted", "weighted csr"])
def test_moments_are_exact_far_from_zero(kind, monkeypatch, set_sizes):
    """A mean of 1e8 standard deviations, blocks of all lengths; against extended precision."""
    monkeypatch.setattr("fastsgd.sources.scaling.BLOCK_BYTES", 0)
    monkeypatch.setattr("fastsgd.sources.scaling.BLOCK_ROWS", 7)
    set_sizes(call_rows=100)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1003, 3)) + np.array([1e8, 0, -1e4])
    X[0] = 0  # and the first row is far from all others
    X[:, 1] *= rng.random(1003) < 0.1
    s = rng.uniform(0, 2, 1003) if "weighted" in kind else np.ones(1003)
    exact, weight = X.astype("g"), s.astype("g")[:, None]
    mean = (weight * exact).sum(axis=0) / weight.sum()
    std = np.sqrt((weight * (exact - mean) ** 2).sum(axis=0) / weight.sum())
    X = sp.csr_matrix(X) if "csr" in kind else np.asfortranarray(X) if kind == "fortran" else X
    found = moments(Table(X, s=s if "weighted" in kind else None), np.dtype("f8"))
    np.testing.assert_allclose(found[0], mean.astype("f8"), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(found[1], std.astype("f8"), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("value", [0.0, 0.1, 3e7, 1e-30])
@LAYOUT
def test_a_constant_column_has_scale_1(layout, value, dtype):
    X, y, s = data()
    X[:, 2] = value
    X = X.astype(dtype)
    mean, std = moments(Table(LAYOUTS[layout](X), s=s), X.dtype)
    assert std[2] == 1.0 and mean[2] == pytest.approx(X[0, 2], rel=1e-15)
    assert (std[[0, 1, 3, 4, 5]] != 1.0).all()
    if layout == "dense":
        assert make(SGDRegressor, alpha=0.0).fit(X, y, sample_weight=s).coef_[2] == 0.0


@LAYOUT
def test_a_long_constant_column_is_constant(layout):
    """The sum of many rounded numbers is not that many times the number."""
    mean, std = moments(Table(LAYOUTS[layout](np.full((300_000, 1), 0.1))), np.dtype("f8"))
    assert std[0] == 1.0 and mean[0] == pytest.approx(0.1, rel=1e-15)


def test_a_column_that_varies_by_rounding_is_constant():
    X, y, _ = data()
    X[:, 0] = np.where(y > 0, 0.1, np.nextafter(0.1, 1))
    est = make(SGDRegressor).fit(X, y)
    assert est.scale_[0] == 1.0 and abs(est.coef_[0]) < 1e-12


@LAYOUT
def test_one_row(layout):
    est = make(SGDRegressor).fit(LAYOUTS[layout](np.array([[3.0, 0.0]])), [2.0])
    assert (est.scale_ == 1).all() and est.mean_.tolist() == [3.0, 0.0] and np.isfinite(est.coef_).all()


def test_a_standard_deviation_that_overflows_is_told():
    X, y, _ = data()
    X[:, 4] *= 1e300
    with pytest.raises(ValueError, match=r"standardize=True, but .* columns \[4\] of X overflows"):
        make(SGDRegressor).fit(X, y)


@LAYOUT
@EVERY
def test_rows_of_weight_zero_do_not_count(cls, layout):
    X, y, s = data(cls, layout, classes=3)
    s[::3] = 0
    some = s > 0
    with_zeros = make(cls).fit(X, y, sample_weight=s)
    without = make(cls).fit(X[some], y[some], sample_weight=s[some])
    np.testing.assert_array_equal(with_zeros.mean_, without.mean_)
    np.testing.assert_array_equal(with_zeros.scale_, without.scale_)
    in_order = [
        make(cls, shuffle=False).fit(X[r], y[r], sample_weight=s[r]).coef_ for r in (slice(None), np.flatnonzero(some))
    ]
    np.testing.assert_array_equal(*in_order)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("classes", [2, 4])
def test_class_weights_count(classes, layout):
    X, y, s = data(SGDClassifier, layout, classes)
    weight = np.linspace(0.5, 3, classes)
    est = make(SGDClassifier, class_weight=dict(enumerate(weight))).fit(X, y, sample_weight=s)
    _, scaler = scaled(X, s * weight[y])
    np.testing.assert_allclose(est.mean_, scaler.mean_, rtol=1e-9)
    np.testing.assert_allclose(est.scale_, scaler.scale_, rtol=1e-9)
    only = make(SGDClassifier, class_weight={0: 0.0}).fit(X, y)
    np.testing.assert_allclose(only.mean_, scaled(X[y > 0])[1].mean_, rtol=1e-9)


@LAYOUT
@BOTH
def test_validation_rows_do_not_count(cls, layout):
    X, y, s = data(cls, "dense")
    train, val = held_out.split(X, 0.1, 0, y if cls is SGDClassifier else None, s)
    other = X.copy()
    other[val] *= 100
    fits = [make(cls, early_stopping=True).fit(LAYOUTS[layout](A), y, sample_weight=s) for A in (X, other)]
    np.testing.assert_allclose(fits[0].mean_, np.average(X[train], axis=0, weights=s[train]), rtol=1e-12)
    for name in ("mean_", "scale_"):
        np.testing.assert_array_equal(getattr(fits[0], name), getattr(fits[1], name))
    s[train[::4]] = 0
    some = make(cls, early_stopping=True).fit(LAYOUTS[layout](X), y, sample_weight=s)
    np.testing.assert_allclose(some.mean_, np.average(X[train], axis=0, weights=s[train]), rtol=1e-12)
    s[train[::4]] = 1
    fits[0].fit(LAYOUTS[layout](X), y, sample_weight=s)
    given = make(cls).fit(LAYOUTS[layout](X[train]), y[train], sample_weight=s[train], X_val=X[val], y_val=y[val])
    np.testing.assert_array_equal(given.mean_, fits[0].mean_)


@pytest.mark.parametrize("val_layout", LAYOUTS)
@LAYOUT
def test_the_validation_loss_is_that_of_the_model_returned(layout, val_layout):
    X, y, _ = data(SGDRegressor, layout)
    X_val = LAYOUTS[val_layout](data()[0][:50])
    est = make(SGDRegressor, validation_scoring="loss", max_iter=2)
    est.fit(X[50:], y[50:], X_val=X_val, y_val=y[:50])
    right = 0.5 * ((est.predict(X_val) - y[:50]) ** 2).mean()
    assert -est.history_["validation_score"][-1] == pytest.approx(right, rel=1e-9)


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
