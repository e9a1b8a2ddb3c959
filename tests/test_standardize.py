"""standardize=True: the model of a StandardScaler and a fit on its output, in the units of X."""

import numpy as np
import pytest
import reference
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support.cases import covering
from support.data import LAYOUTS, labels, rows
from support.standardize import BOTH, EVERY, LAYOUT, close, data, make, scaled

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers
from fastsgd.estimators import held_out
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import moments

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
    monkeypatch.setattr("fastsgd.sources.scaling.MIN_BLOCK_ROWS", 7)
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
