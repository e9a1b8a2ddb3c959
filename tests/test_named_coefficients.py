"""Coefficients by name, in the units of the data, the weightiest first."""

import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import fastsgd
from fastsgd.sources import Source, from_batches

N, NAMES = 400, ["small", "large", "idle", "plain"]
RNG = np.random.default_rng(1)
SCALES = np.array([0.1, 10.0, 1.0, 1.0])
Z = RNG.standard_normal((N, 4))
X, SUM = Z * SCALES, Z @ [3.0, 1.0, 0.0, 0.3]
FRAME = pd.DataFrame(X, columns=NAMES)
BINARY, THREE = np.where(SUM > 0, "yes", "no"), np.array(["a", "b", "c"])[np.digitize(SUM, [-1, 1])]
AUTO = dict(learning_rate="auto", random_state=0, alpha=1e-8)
CV = dict(alphas=[1e-8, 1e-6], cv=2)
ESTIMATORS = {
    "classifier": (fastsgd.SGDClassifier(loss="log_loss", **AUTO), BINARY),
    "classifier of three": (fastsgd.SGDClassifier(loss="log_loss", **AUTO), THREE),
    "regressor": (fastsgd.SGDRegressor(**AUTO), SUM),
    "regressor of two": (fastsgd.SGDRegressor(**AUTO), np.column_stack([SUM, -SUM])),
    "standardised": (fastsgd.SGDRegressor(standardize=True, random_state=0), SUM),
    "one class": (fastsgd.SGDOneClassSVM(random_state=0, tol=None, max_iter=3), None),
    "solved": (fastsgd.LinearClassifier(alpha=1e-8), BINARY),
    "solved regressor": (fastsgd.LinearRegressor(alpha=1e-8), SUM),
    "CV": (
        fastsgd.SGDClassifierCV(loss="log_loss", random_state=0, standardize=True, max_iter=5, tol=None, **CV),
        BINARY,
    ),
    "solved by CV": (fastsgd.LinearRegressorCV(**CV), SUM),
}


class NoRows(Source):
    dtype, n_features, n_blocks = np.dtype(np.float64), 4, 0


def fit(est, X, y, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(est).fit(X, y, **more)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_coefficient_has_its_name_and_is_that_of_the_model(name):
    est = fit(ESTIMATORS[name][0], FRAME, ESTIMATORS[name][1])
    table = est.coefficients(top=None)
    coef = np.atleast_2d(est.coef_)
    labels = [None] if table.group is None else list(table.intercept)
    for k, label in enumerate(labels):
        rows = table.rows if label is None else table.rows[table[table.group] == label]
        found = dict(zip(rows["feature"], rows["coef"], strict=True))
        assert found == {name: value for name, value in zip(NAMES, coef[k], strict=True) if value}
    intercept = est.intercept_ if hasattr(est, "intercept_") else -est.offset_
    assert list(table.intercept.values()) == np.ravel(intercept).tolist()
    assert table.n_features == 4


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "one class"])
def test_with_data_features_are_in_the_order_of_what_a_deviation_of_them_does(name):
    est = fit(ESTIMATORS[name][0], FRAME, ESTIMATORS[name][1])
    rows = est.coefficients(data=FRAME).rows
    rows = rows if "class" not in rows.dtype.names else rows[rows["class"] == "c"]
    assert rows["feature"].tolist()[:2] == ["small", "large"]
    np.testing.assert_allclose(rows["scale"][:2], X.std(axis=0)[:2], rtol=1e-9)
    np.testing.assert_array_equal(rows["share"], rows["coef"] * rows["scale"])


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("name", ["classifier", "regressor", "standardised"])
def test_what_training_knows_of_the_scales_orders_them_too(name, layout):
    est, y = ESTIMATORS[name]
    table = fit(est, layout(X), y).coefficients()
    assert table["feature"].tolist()[:2] == ["x0", "x1"]
    np.testing.assert_allclose(table["scale"][:2], SCALES[:2], rtol=0.2)
    what = "standard deviation"  # on CSR, of columns that most rows have
    assert table.about.endswith(f"times the {what} in training")


def test_where_scales_are_not_known_the_size_of_the_coefficient_orders_and_the_table_says_so():
    table = fit(fastsgd.LinearRegressor(alpha=1e-8), FRAME, SUM).coefficients()
    assert table["feature"].tolist() == ["small", "plain", *table["feature"][2:]]
    assert np.isnan(table["scale"]).all() and np.isnan(table["share"]).all()
    assert "scales of the features are not known" in str(table) and "share" not in str(table)


def test_top_is_of_each_class_and_zeros_are_left_out():
    est = fit(fastsgd.SGDClassifier(loss="log_loss", **AUTO), FRAME, THREE)
    table = est.coefficients(top=2)
    assert table["class"].tolist() == ["a", "a", "b", "b", "c", "c"]
    assert len(est.coefficients(top=3)) == 9 and len(est.coefficients(top=None)) == 12
    est.coef_[:, 0] = 0.0
    assert "small" not in est.coefficients(top=None)["feature"]
    est.coef_[:] = 0.0
    assert len(est.coefficients()) == 0 and "(intercept)" in str(est.coefficients())


def test_equal_shares_come_in_the_order_of_the_features():
    est = fastsgd.SGDRegressor(max_iter=1, tol=None).fit(np.zeros((2, 6)), [0.0, 1.0])
    est.coef_[:] = [1.0, -1.0, 2.0, 1.0, -2.0, 1.0]
    assert est.coefficients(top=4)["feature"].tolist() == ["x2", "x4", "x0", "x1"]


def test_the_table_says_for_which_class_a_positive_coefficient_speaks():
    words = fit(fastsgd.LinearClassifier(), FRAME, BINARY).coefficients().about
    assert "a positive coefficient speaks for 'yes', a negative one for 'no'" in words
    assert "for its class" in fit(fastsgd.LinearClassifier(), FRAME, THREE).coefficients().about
    assert "for rows inside" in fit(ESTIMATORS["one class"][0], FRAME, None).coefficients().about
    poisson = fit(fastsgd.LinearRegressor(loss="poisson"), FRAME, np.exp(SUM / 10))
    assert "of the logarithm of the mean" in poisson.coefficients().about


def test_a_segment_has_its_own_table():
    labels = np.array(["north", "south"])[np.arange(N) % 2]
    est = fit(fastsgd.SGDRegressor(standardize=True, max_iter=3, tol=None), FRAME, SUM, segments=labels)
    table = est.coefficients(top=None, segment="south")
    found = dict(zip(table["feature"], table["coef"], strict=True))
    assert found == dict(zip(NAMES, est.segment_coefs_[1, 0], strict=True))
    assert table.intercept[None] == est.segment_intercepts_[1, 0] and "of the segment 'south'" in table.about
    with pytest.raises(ValueError, match=r"segment='west' was not in fit"):
        est.coefficients(segment="west")
    with pytest.raises(ValueError, match="fitted without segments"):
        fit(fastsgd.SGDRegressor(**AUTO), FRAME, SUM).coefficients(segment="north")


@pytest.mark.parametrize("sparse", [False, True])
def test_a_source_gives_the_scales_of_all_its_blocks(sparse):
    est = fit(fastsgd.SGDRegressor(**AUTO), X, SUM)
    rows = sp.csr_matrix(X) if sparse else X
    weight = np.where(np.arange(N) < 100, 0.0, 1.0)
    source = from_batches(
        lambda: ((rows[lo : lo + 90], SUM[lo : lo + 90], weight[lo : lo + 90]) for lo in range(0, N, 90))
    )
    table = est.coefficients(top=None, data=source)
    places = [int(name[1:]) for name in table["feature"]]
    np.testing.assert_allclose(table["scale"], X[100:].std(axis=0)[places], rtol=1e-9)


def test_a_table_is_shown_in_a_terminal_in_a_notebook_and_as_a_frame(monkeypatch):
    rows = FRAME.rename(columns={"small": "<b>small & \n slow"})
    est = fit(fastsgd.LinearClassifier(alpha=1e-8), rows, THREE)
    table = est.coefficients(top=1, data=rows)
    text = str(table)
    assert "<b>small & slow" in text and repr(table) == text
    assert [line.split()[:2] for line in text.splitlines()[1:3]] == [["class", "feature"], ["a", "<b>small"]]
    assert "&lt;b&gt;small &amp;" in table._repr_html_() and "<b>small" not in table._repr_html_()
    frame = table.to_frame()
    assert frame.columns.tolist() == ["class", "feature", "coef", "scale", "share"] and len(frame) == 3
    assert frame.attrs["intercept"] == table.intercept
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert str(est.coefficients(top=1)).startswith("LinearClassifier, 4 features")


@pytest.mark.parametrize("top", [0, -1, 1.5, True, "all"])
def test_top_must_be_a_number_of_features(top):
    with pytest.raises(ValueError, match=r"top must be None, for all features, or an integer >= 1"):
        fit(fastsgd.LinearRegressor(), X, SUM).coefficients(top=top)


def test_data_must_be_rows_as_those_of_fit():
    est = fit(fastsgd.LinearRegressor(), X, SUM)
    with pytest.raises(ValueError, match=r"data: .*3 features"):
        est.coefficients(data=X[:, :3])
    with pytest.raises(ValueError, match="data has no rows"):
        est.coefficients(data=NoRows())


def test_scales_of_columns_far_from_0_and_of_later_rows_that_are_unlike_the_first():
    """The deviations are not lost to rounding, whatever the first block says of the means."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([1e8 + rng.standard_normal(300), np.arange(300.0), rng.random(300) < 0.1])
    est = fit(fastsgd.SGDRegressor(**AUTO), Z[:300, :3], SUM[:300])
    for given in (rows, sp.csr_matrix(rows)):
        source = from_batches(lambda given=given: (given[lo : lo + 100] for lo in range(0, 300, 100)))
        table = est.coefficients(top=None, data=source)
        places = [int(name[1:]) for name in table["feature"]]
        np.testing.assert_allclose(table["scale"], rows.std(axis=0)[places], rtol=1e-6)


def test_names_of_a_step_before_can_be_given():
    est = fit(fastsgd.LinearRegressor(alpha=1e-8), X, SUM)
    assert est.coefficients(feature_names=NAMES, data=X)["feature"].tolist()[:2] == ["small", "large"]
    labels = np.array(["north", "south"])[np.arange(N) % 2]
    sgd = fit(fastsgd.SGDRegressor(standardize=True, max_iter=3, tol=None), X, SUM, segments=labels)
    for segment in (None, "south"):
        assert set(sgd.coefficients(None, feature_names=NAMES, segment=segment)["feature"]) == set(NAMES)
    with pytest.raises(
        ValueError, match=r"feature_names must have a name for each of the 4 features, found shape \(3,\)"
    ):
        est.coefficients(feature_names=NAMES[:3])


def test_targets_of_a_table_are_called_by_their_columns():
    pa = pytest.importorskip("pyarrow")
    table = pa.table({**{name: X[:, j] for j, name in enumerate(NAMES)}, "up": SUM, "down": -SUM})
    source = fastsgd.sources.from_arrow(table, target=["up", "down"])
    found = fit(fastsgd.SGDRegressor(**AUTO), source, None).coefficients(top=1)
    assert found["target"].tolist() == ["up", "down"] == list(found.intercept)
