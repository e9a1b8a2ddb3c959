"""Standard errors and intervals of LinearClassifier and LinearRegressor: statsmodels' numbers, coverage, and what is refused."""

import builtins
import copy
import gc
import pickle
import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support import statsmodels_peer as peer
from support.coverage import Case, covered, draw

import fastsgd
from fastsgd import LinearClassifier, LinearRegressor, losses, sources

CASES = peer.cases()
TIGHT = {"penalty": None, "tol": 1e-10, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 3))
MARGIN = X @ [1.0, -0.5, 0.0]
Y = MARGIN + RNG.standard_normal(400) * (1.0 + abs(X[:, 0]))
LABELS = (MARGIN + RNG.logistic(size=400) > 0.3).astype(int)
GROUPS = RNG.integers(0, 40, 400)


def fitted(loss, weighted=False, layout=np.asarray, **params):
    rows, targets, weight, _ = peer.data()
    make = LinearClassifier if loss == "log_loss" else LinearRegressor
    rows = layout(rows)
    est = make(loss, **TIGHT | params).fit(rows, targets[loss], weight if weighted else None)
    est.rows = rows  # It keeps them from being collected.
    return est


def how(kind):
    return {"clusters": peer.data()[3]} if kind == "clusters" else {"robust": kind if kind != "model" else False}


@pytest.mark.parametrize("case", CASES, ids=[peer.name_of(*case) for case in CASES])
def test_standard_errors_are_those_of_statsmodels(case):
    """But that statsmodels' HC1 has the factor n / (n - p) for least squares alone."""
    loss, weighted, kind = case
    coef, errors, ends = peer.stored()[peer.name_of(*case)]
    est = fitted(loss, weighted)
    factor = np.sqrt(peer.N / (peer.N - peer.D - 1.0)) if kind == "HC1" and loss != "squared_error" else 1.0
    np.testing.assert_allclose(np.append(est.intercept_, est.coef_), coef, rtol=1e-6)
    np.testing.assert_allclose(est.std_errors(**how(kind)), factor * errors, rtol=1e-6)
    if kind == "model":
        np.testing.assert_allclose(est.predict_interval(est.rows[:5]), ends, rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=[peer.name_of(*case) for case in CASES])
@pytest.mark.parametrize("layout", peer.LAYOUTS)
def test_layouts_and_dtypes_have_the_standard_errors_of_statsmodels(case, layout):
    assert peer.difference(*case, layout) <= 1e-4


@pytest.mark.parametrize("loss", peer.LOSSES)
@pytest.mark.parametrize("kind", peer.KINDS)
@pytest.mark.parametrize("layout", [sp.csr_matrix, np.float32], ids=["csr", "float32"])
def test_layouts_and_dtypes_agree(loss, kind, layout):
    rows = peer.data()[0] * (np.arange(peer.N * peer.D).reshape(-1, peer.D) % 3 == 0)  # mostly zeros
    y = peer.data()[1][loss]
    make = LinearClassifier if loss == "log_loss" else LinearRegressor
    found = []
    for one in (rows, layout(rows)):
        found.append(make(loss, **TIGHT | {"tol": 1e-6}).fit(one, y).std_errors(**how(kind), X=one, y=y))
    np.testing.assert_allclose(*found, rtol=1e-4)


def by_formula(est, X, y, c, clusters=None):
    """The sandwich of an L2 penalty with dense matrices, in the user's units: HC0 or of clusters, without factors."""
    loss, n = losses.get(est.loss), len(X)
    c = c * (n / c.sum())
    rows = np.column_stack([np.ones(n), X])
    z = est.intercept_ + X @ np.ravel(est.coef_)
    g = loss.slope(z, y)
    l2 = est.alpha * np.append(0.0, np.ones(X.shape[1]))
    A = (rows * (c * loss.second(g, np.asarray(y, float)))[:, None]).T @ rows / n + np.diag(l2)
    psi = c[:, None] * (g[:, None] * rows + l2 * np.append(0.0, np.ravel(est.coef_)))
    if clusters is not None:
        psi = np.array([psi[clusters == label].sum(axis=0) for label in np.unique(clusters)])
    A = np.linalg.inv(A)
    return A @ (psi.T @ psi / n**2) @ A


@pytest.mark.parametrize("clusters", [None, GROUPS], ids=["rows", "clusters"])
@pytest.mark.parametrize(
    "est, y",
    [
        (LinearRegressor(losses.Huber(1.0)), Y),
        (LinearRegressor("squared_epsilon_insensitive"), Y),
        (LinearRegressor(), Y),
        (LinearClassifier("squared_hinge"), LABELS),
        (LinearClassifier("modified_huber"), LABELS),
        (LinearClassifier(), LABELS),
    ],
    ids=lambda one: getattr(getattr(one, "loss", None), "name", getattr(one, "loss", "")),
)
def test_the_sandwich_of_a_penalised_fit_is_that_of_the_formula(est, y, clusters):
    weight = RNG.uniform(0.5, 2.0, 400)
    est = clone(est).set_params(alpha=0.05, tol=1e-12).fit(X, y, weight)
    targets = np.where(y > 0, 1.0, losses.get(est.loss).negative) if est._task == "classifier" else y
    found = est.covariance_matrix("HC0", clusters, X=X, y=y, sample_weight=weight)
    np.testing.assert_allclose(found, by_formula(est, X, targets, weight, clusters), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_the_same_bits_for_any_number_of_threads(n_jobs):
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((40_000, 30)).astype(np.float32)
    y = (rows[:, 0] + rng.logistic(size=len(rows)) > 0).astype(int)
    est, groups = LinearClassifier(random_state=0).fit(rows, y), rng.integers(0, 9000, len(rows))
    more = clone(est).set_params(n_jobs=n_jobs).fit(rows, y)
    for given in ({}, {"robust": True}, {"clusters": groups}):
        assert np.array_equal(est.covariance_matrix(**given), more.covariance_matrix(**given))


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("design", ["identity", "toeplitz", "equicorrelated"])
def test_intervals_cover_the_truth(loss, design):
    """A few runs of what tests/support/coverage.py does in full."""
    found, warned = covered(Case(loss, design, 5, 2000), 40)
    assert 0.91 <= found.mean() <= 0.99 and found.mean(axis=1).min() >= 0.8 and not warned


def test_a_bias_of_few_rows_is_told():
    """With the coverage that follows from it, which 500 runs have found, too: 89.8% on average, 81.0% at least."""
    X, y, _ = draw(Case("log_loss", "equicorrelated", 100, 10_000), np.random.default_rng(0))
    est = LinearClassifier(penalty=None, tol=1e-6).fit(X, y)
    with pytest.warns(UserWarning, match="are biased by up to .* standard errors") as told:
        est.coef_table()
    mean, least = map(
        float, re.search(r"cover about ([\d.]+)% on average, and ([\d.]+)%", str(told[0].message)).groups()
    )
    assert 87 <= mean <= 92 and 69 <= least <= 86


@pytest.mark.parametrize("design", ["identity", "toeplitz"])
def test_a_bias_that_costs_little_coverage_is_no_warning(design):
    """500 runs have found 93.4% and 93.1% on average, 90.8% and 89.2% at least."""
    X, y, _ = draw(Case("log_loss", design, 100, 10_000), np.random.default_rng(0))
    est = LinearClassifier(penalty=None, tol=1e-6).fit(X, y)
    assert np.isfinite(est.coef_table()["se"]).all()


def test_the_rows_of_the_fit_are_found_as_long_as_the_user_has_them():
    rows, y, weight = X.copy(), Y.copy(), np.ones(400)
    est = LinearRegressor().fit(rows, y, weight)
    table = est.coef_table()
    again = pickle.loads(pickle.dumps(est))
    assert "_fit_data" not in vars(again)
    assert again.coef_table(X=rows, y=y).equals(table)
    for other in (again, copy.deepcopy(est), LinearRegressor().fit(rows.tolist(), y)):
        with pytest.raises(ValueError, match=r"the rows of the fit are not kept with the model.*pass X=, y="):
            other.coef_table()
    del rows
    gc.collect()
    with pytest.raises(ValueError, match="no longer there: pass X=, y="):
        est.std_errors()


def test_a_model_from_a_file_takes_the_rows(tmp_path):
    est = LinearClassifier().fit(X, LABELS)
    est.save(tmp_path / "model")
    loaded = fastsgd.load(tmp_path / "model")
    with pytest.raises(ValueError, match="loaded or copied: pass X=, y="):
        loaded.predict_interval(X)
    assert np.array_equal(loaded.covariance_matrix(X=X, y=LABELS), est.covariance_matrix())
    assert np.array_equal(loaded.predict_interval(X[:9], rows=(X, LABELS)), est.predict_interval(X[:9]))


def test_a_source_that_fits_in_memory_has_them_too():
    source = sources.from_batches(lambda: iter([(X[:250], Y[:250]), (X[250:], Y[250:])]), n_features=3)
    est = LinearRegressor(**TIGHT).fit(source)
    np.testing.assert_allclose(est.std_errors(), LinearRegressor(**TIGHT).fit(X, Y).std_errors(), rtol=1e-9)
    np.testing.assert_allclose(est.predict_interval(source), est.predict_interval(X), rtol=1e-9, atol=1e-9)


def test_rows_of_another_shape_are_refused():
    est = LinearRegressor().fit(X, Y)
    with pytest.raises(ValueError, match="X has 2 features, but LinearRegressor is expecting 3"):
        est.coef_table(X=X[:, :2], y=Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        est.coef_table(X=X[:9], y=Y)
    with pytest.raises(ValueError, match="y has 2 targets, and the model 1"):
        est.coef_table(X=X, y=np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="requires y"):
        est.coef_table(X=X)


def test_other_rows_than_those_of_the_fit_are_told():
    est = LinearRegressor().fit(X, Y)
    with pytest.warns(
        UserWarning, match=r"standard errors away from the optimum .* or these are not the rows of the fit"
    ):
        est.coef_table(X=X, y=Y + X[:, 0])


def test_rows_of_no_weight_are_none():
    weight = np.r_[np.ones(300), np.zeros(100)]
    for given in ({}, {"robust": True}, {"clusters": GROUPS}):
        est = LinearRegressor(**TIGHT).fit(X, Y, weight)
        few = LinearRegressor(**TIGHT).fit(X[:300], Y[:300])
        short = {name: one[:300] if name == "clusters" else one for name, one in given.items()}
        expected = few.std_errors(X=X[:300], y=Y[:300], **short)
        np.testing.assert_allclose(est.std_errors(**given), expected, rtol=1e-6)


# ---------------------------------------------------------------- what is not to be trusted
@pytest.mark.parametrize("layout", [np.asarray, np.float32, sp.csr_matrix], ids=["float64", "float32", "csr"])
@pytest.mark.parametrize("penalty", [None, "l2"])
@pytest.mark.parametrize(
    "more, unknown",
    [
        (X[:, :1] + X[:, 1:2], [1, 2, 4]),
        (X[:, 2:], [3, 4]),
        (np.full((400, 1), 3.0), [4]),
        (np.zeros((400, 1)), [4]),
        (np.eye(3)[RNG.integers(0, 3, 400)], [0, 4, 5, 6]),
    ],
    ids=["sum", "twice", "constant", "zero", "one-hot"],
)
def test_what_the_rows_do_not_identify_has_no_standard_error(more, unknown, penalty, layout):
    rows = layout(np.column_stack([X, more]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of float32
        est = LinearRegressor(penalty=penalty, tol=1e-5, alpha=1e-5).fit(rows, Y)
    names = ", ".join(f"x{j - 1}" for j in unknown if j)
    with pytest.warns(UserWarning, match=re.escape(f"do not identify the coefficients of {names}, which are constant")):
        errors = est.std_errors()
    assert np.flatnonzero(np.isnan(errors)).tolist() == unknown
    known = [j for j in range(1, 4) if j not in unknown]
    fewer = np.column_stack([X, more[:, 1:]])  # without what is too much
    expected = LinearRegressor(**TIGHT).fit(fewer, Y).std_errors()
    np.testing.assert_allclose(errors[known], expected[known], rtol=5e-3)
    with pytest.warns(UserWarning, match="do not identify"):
        ends = est.predict_interval(rows[:5])
    assert np.isfinite(ends).all()  # These rows are as those of the fit were.
    odd = np.column_stack([X, more])[:5] + np.eye(rows.shape[1])[-1]
    with pytest.warns(UserWarning, match="do not identify"):
        assert np.isnan(est.predict_interval(odd)).all()


def test_an_end_before_the_optimum_is_told():
    rows = X * [1, 1e-3, 1e3]
    with pytest.warns(UserWarning, match="max_iter"):
        est = LinearClassifier(max_iter=1, tol=1e-12).fit(rows, LABELS)
    with pytest.warns(UserWarning, match=r"standard errors away from the optimum \(stop_reason_ is 'max_iter'"):
        est.coef_table()


def test_separated_classes_are_told():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = X[:, 0] > 0
        est = LinearClassifier(penalty=None, max_iter=50).fit(X, y)
    with pytest.warns(UserWarning, match="the classes are separated"):
        est.coef_table()


def test_few_rows_and_clusters_and_class_weights_are_told():
    est = LinearRegressor().fit(X[:25], Y[:25])
    with pytest.warns(UserWarning, match="25 rows are few for 4 coefficients"):
        est.std_errors("HC1", X=X[:25], y=Y[:25])
    est = LinearRegressor().fit(X, Y)
    with pytest.warns(UserWarning, match="with 5 clusters the intervals are too short"):
        est.coef_table(clusters=np.arange(400) % 5)
    est = LinearClassifier(class_weight="balanced").fit(X, LABELS)
    with pytest.warns(UserWarning, match="class_weight .* pass robust=True"):
        est.coef_table()
    assert np.isfinite(est.std_errors(robust=True)).all()


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_columns_of_a_few_rows_are_told_by_the_sandwich(layout):
    rows = layout(np.column_stack([X * (GROUPS[:, None] > 20), np.arange(400) < 3, np.arange(400) % 9 == 0]))
    est = LinearRegressor(**TIGHT).fit(rows, Y)
    assert np.isfinite(est.std_errors()).all()
    with pytest.warns(UserWarning, match="so few rows tell of the coefficients of x3 that their robust"):
        est.std_errors(robust=True)


@pytest.mark.parametrize(
    "est, given, words",
    [
        (LinearClassifier("hinge"), {}, "loss='hinge' has no curvature.*Take loss='log_loss'"),
        (LinearRegressor("quantile"), {"robust": True}, "loss='quantile' has no curvature.*resample"),
        (LinearRegressor("epsilon_insensitive"), {}, "has no curvature"),
        (LinearRegressor("huber"), {}, "no distribution of y.*pass robust=True"),
        (LinearRegressor(penalty="l1"), {}, "penalty='l1' chooses among the columns"),
        (LinearRegressor(penalty="elasticnet"), {}, "chooses among the columns"),
        (LinearRegressor(losses.Huber(1e-9)), {"robust": True}, "too few rows have any curvature"),
        (LinearRegressor(), {"robust": "HC3"}, "robust must be False, True, 'HC0' or 'HC1', got 'HC3'"),
        (LinearRegressor(), {"confidence_level": 95}, "confidence_level must be between 0 and 1.*got 95"),
        (LinearRegressor(), {"clusters": [1, 2]}, "clusters must have one label for each of the 400 rows"),
        (LinearRegressor(), {"clusters": np.full(400, 7)}, "a single label"),
        (LinearRegressor(), {"clusters": np.r_[np.nan, GROUPS[1:]]}, "missing labels"),
        (LinearRegressor(), {"clusters": [None, *GROUPS[1:]]}, "missing labels"),
        (LinearRegressor(), {"robust": 2}, "robust must be False, True"),
    ],
)
def test_what_has_no_standard_errors_is_refused_in_words(est, given, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        est = clone(est).fit(X, LABELS if est._task == "classifier" else Y)
    with pytest.raises(ValueError, match=words):
        est.coef_table(**given)


def test_softmax_and_too_many_columns_are_refused():
    est = LinearClassifier(multi_class="multinomial").fit(X, LABELS + (X[:, 2] > 1))
    with pytest.raises(ValueError, match=r"multi_class='multinomial'.*take multi_class='ovr'"):
        est.coef_table(X=X, y=LABELS)
    wide = sp.random(50, 5001, 0.01, format="csr", random_state=0)
    est = LinearRegressor().fit(wide, np.arange(50.0))
    with pytest.raises(ValueError, match=r"X has 5001 columns.*made up to 5000"):
        est.coef_table(X=wide, y=np.arange(50.0))


def test_as_many_coefficients_as_rows_are_refused():
    est = LinearRegressor(penalty=None).fit(X[:4], Y[:4])
    with pytest.raises(ValueError, match="4 rows are too few for 4 coefficients"):
        est.coef_table(X=X[:4], y=Y[:4])


# ---------------------------------------------------------------- tables
def test_the_table_of_several_classes_and_targets():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    labels = np.array(["u", "v", "w"])[LABELS + (X[:, 2] > 1)]
    est = LinearClassifier(**TIGHT).fit(frame, labels)
    table = est.coef_table()
    assert table.index.names == ["class", "feature"] and table.loc["v"].index.tolist() == ["intercept", "a", "b", "c"]
    one = LinearClassifier(**TIGHT).fit(X, labels == "v").coef_table(X=X, y=labels == "v")
    np.testing.assert_allclose(table.loc["v"], one, rtol=1e-4, atol=1e-9)
    assert est.covariance_matrix().shape == (3, 4, 4) and est.std_errors().shape == (3, 4)
    assert est.predict_interval(frame[:5], kind="margin").shape == (5, 3, 2)
    with pytest.raises(ValueError, match="take kind='margin'"):
        est.predict_interval(frame)
    Y2 = np.column_stack([Y, MARGIN + Y**2])
    both = LinearRegressor(**TIGHT).fit(X, Y2)
    assert both.coef_table().index.names == ["target", "feature"] and both.predict_interval(X).shape == (400, 2, 2)
    second = np.ascontiguousarray(Y2[:, 1])
    np.testing.assert_allclose(both.std_errors()[1], LinearRegressor(**TIGHT).fit(X, second).std_errors(), rtol=1e-6)


def test_without_an_intercept_there_is_no_line_of_it():
    pytest.importorskip("pandas")
    est = LinearRegressor(fit_intercept=False, **TIGHT).fit(X, Y)
    table = est.coef_table(0.9)
    assert table.index.tolist() == ["x0", "x1", "x2"]
    residual = Y - X @ est.coef_
    expected = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * (residual @ residual) / 397)
    np.testing.assert_allclose(table["se"], expected, rtol=1e-9)


def test_without_pandas_there_is_a_structured_array(monkeypatch):
    three = LABELS + (X[:, 2] > 1)
    est = LinearClassifier(tol=1e-6).fit(X, three)
    table = est.coef_table()
    found = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    array = est.coef_table()
    assert array.dtype.names == ("class", "feature", "coef", "se", "z_value", "p_value", "ci_lower", "ci_upper")
    assert array["class"].tolist() == [0] * 4 + [1] * 4 + [2] * 4 and array["feature"][4] == "intercept"
    assert np.array_equal(array["se"], table["se"])


def test_the_summary_says_what_the_intervals_are_of(capsys):
    est = LinearClassifier(alpha=0.01).fit(X, LABELS)
    est.summary(0.9, clusters=GROUPS)
    text = capsys.readouterr().out
    assert "loss log_loss, 400 rows" in text and "certified" in text and "robust to clusters (40)" in text
    assert "0.9 of the penalised coefficients" in text and "alpha=0.01" in text and "t with 39 degrees" in text
    assert [line.split()[0] for line in text.splitlines()[-4:]] == ["intercept", "x0", "x1", "x2"]


def test_intervals_of_new_observations_hold_that_share_of_them():
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((6000, 4)) + 1e5
    y = rows @ np.ones(4) + rng.standard_normal(6000) * 2.0
    est = LinearRegressor(**TIGHT).fit(rows[:3000], y[:3000])
    ends = est.predict_interval(rows[3000:], 0.9, kind="new", rows=(rows[:3000], y[:3000]))
    assert 0.88 < np.mean((ends[:, 0] < y[3000:]) & (y[3000:] < ends[:, 1])) < 0.92
    for given, words in ({"robust": True}, "leave out robust"), ({"kind": "old"}, "kind must be"):
        with pytest.raises(ValueError, match=words):
            est.predict_interval(rows, **{"kind": "new"} | given)
    with pytest.raises(ValueError, match="kind='new' is for loss='squared_error'"):
        LinearClassifier().fit(X, LABELS).predict_interval(X, kind="new")


def test_soft_labels_with_weights_are_counts():
    """Shares of m draws, with weight m, as statsmodels' binomial family takes them."""
    successes = RNG.binomial(5, 0.3 + 0.4 * (X[:, 0] > 0))
    shares = LinearClassifier(**TIGHT).fit(X, successes / 5, np.full(400, 5.0))
    ones = LinearClassifier(**TIGHT)
    rows = np.repeat(X, 5, axis=0)
    labels = (np.arange(5) < successes[:, None]).ravel().astype(int)
    expected = ones.fit(rows, labels).std_errors(X=rows, y=labels)
    got = shares.std_errors(X=X, y=successes / 5, sample_weight=np.full(400, 5.0))
    np.testing.assert_allclose(got, expected, rtol=1e-6)
