"""learning_rate="auto" with multi_class="multinomial": the classes are learnt together, and there is nothing to tune."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from support.auto import AUTO, flat, trained
from support.cases import covering
from support.kernels import DTYPES, LAYOUTS, agree, lay_out, rows
from support.reference_auto_softmax import softmax_csr, softmax_dense

from fastsgd import LinearClassifier, SGDClassifier, load, losses, penalties
from fastsgd.auto_softmax import NEXT
from fastsgd.sources.arrays import Table

TOGETHER = dict(loss="log_loss", multi_class="multinomial") | AUTO
sides = pytest.mark.parametrize("layout", ["dense", "csr32"])
PENALTIES = [None, "l2", "l1", "elasticnet"]


# ---------------------------------------------------------------- the kernels
def train(X, Y, *, s, **given):
    *found, state = trained(X, losses.Softmax(), Table(X, y=Y, s=s), Y.shape[1], **given)
    return *found, state.auto.best()[0][0]


def agrees(X, Y, layout, dtype, **given):
    run = softmax_dense if layout == "dense" else softmax_csr
    agree(train(lay_out(X, layout, dtype), Y, **given), run(X, Y, **given), max(1e-7, DTYPES[dtype]))


def distributions(X, K, seed=0):
    """Classes that depend on the columns, and some that are not sure."""
    rng = np.random.default_rng(seed)
    Z = X @ rng.standard_normal((X.shape[1], K)) + rng.gumbel(size=(len(X), K))
    Y = np.eye(K)[Z.argmax(axis=1)]
    Y[::10] = rng.dirichlet(np.ones(K), len(Y[::10]))
    return Y


@pytest.mark.parametrize(
    "layout, dtype, penalty, K, intercept, passes, half_life",
    covering(2, LAYOUTS, DTYPES, PENALTIES, [3, 5, 9], [True, False], [1, 2], [None, 6.0, 100.0]),
)
def test_kernel_equals_the_reference(layout, dtype, penalty, K, intercept, passes, half_life):
    """With the shortest half-life, units of the sums are renewed on the way."""
    X, s = rows(300)
    l1, l2 = penalties.weights(penalty, 0.01, 0.4)
    given = dict(l1=l1, l2=l2, intercept=intercept, s=s, passes=passes, half_life=half_life)
    agrees(X, distributions(X, K), layout, dtype, **given)


@pytest.mark.parametrize("half_life", [None, 30.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_columns_that_most_rows_have_are_centred_on_csr(dtype, half_life):
    """One that all rows have, one of most of them, one whose values are far apart, and one that is missing at first."""
    X, s = rows(300)
    rng = np.random.default_rng(1)
    X[:, 0] = 1900 + rng.integers(0, 99, 300)
    X[:, 1] = np.where(rng.random(300) < 0.8, 7, 0)
    X[:, 2] *= np.where(rng.random(300) < 0.03, 400, 1)
    X[:70, 3] = 0
    Y = distributions(np.column_stack([X[:, 0] - 1950, X[:, 1:]]) / 30, 4)
    given = dict(l1=0.0, l2=0.001, intercept=True, s=s, passes=1, half_life=half_life)
    agrees(X.astype("f4").astype("f8"), Y, "csr32", dtype, **given)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("passes", [1, 2])
def test_correlations_of_more_columns_do_not_count(passes, dtype):
    """Of 49 columns and three classes they do not, of 48 they do; and they change nothing of a second pass."""
    X, s = rows(200, 49)
    for d in (48, 49):
        given = dict(l1=0.0, l2=0.001, intercept=True, s=s, passes=passes)
        agrees(X[:, :d], distributions(X[:, :d], 3), "dense", dtype, **given)


def test_correlations_are_renewed_where_rows_fade():
    """And their sums are brought back to units of 1."""
    X, s = rows(500)
    X[:, 1] = (X[:, 0] + 0.1 * X[:, 1]).astype("f4")
    given = dict(l1=0.0, l2=0.001, intercept=True, s=s, passes=1, half_life=5.0)
    agrees(X, distributions(X, 3), "dense", "float64", **given)


@sides
def test_of_many_rows_some_are_counted(layout):
    """In the correlations of dense columns after 2048, and in the judgement after 4096."""
    X, _ = rows(5000, 5)
    X[:, 1] = (X[:, 0] + 0.1 * X[:, 1]).astype("f4")
    agrees(X, distributions(X, 3), layout, "float64", l1=0.0, l2=0.001, intercept=True, s=None, passes=1)


@sides
def test_of_noise_the_constant_is_near(layout):
    X, s = rows(600)
    Y = np.random.default_rng(0).permutation(distributions(X, 4))
    agrees(X, Y, layout, "float64", l1=0.0, l2=0.001, intercept=True, s=s, passes=1)


# ---------------------------------------------------------------- nothing to tune
def shuffled(load, times=1):
    X, y = load(return_X_y=True)
    i = np.random.default_rng(0).permutation(np.repeat(np.arange(len(y)), times))
    return X[i], y[i]


@pytest.mark.parametrize("load", [load_digits, load_wine, load_iris])
@sides
def test_one_pass_is_near_the_optimum(load, layout):
    """Of what the optimum has over the frequencies of the classes at least 0.93, and more than one against the rest."""
    X, y = shuffled(load, 20 if load is not load_digits else 2)
    X = X + 0.5 * X.std(axis=0) * np.random.default_rng(1).standard_normal(X.shape)
    X, X_new, y, y_new = train_test_split(X, y, random_state=0)
    X, X_new = lay_out(X, layout), lay_out(X_new, layout)
    constant = log_loss(y_new, np.tile(np.bincount(y) / len(y), (len(y_new), 1)))
    best = log_loss(y_new, LinearClassifier(multi_class="multinomial", max_iter=1000).fit(X, y).predict_proba(X_new))
    ours, ovr = (
        log_loss(y_new, SGDClassifier(**TOGETHER | dict(multi_class=how)).fit(X, y).predict_proba(X_new))
        for how in ("multinomial", "ovr")
    )
    assert (constant - ours) / (constant - best) > 0.93
    assert ours < ovr


def share(clf, X, y, X_new, y_new):
    """Of what the optimum gains over the frequencies of the classes, on new rows."""
    constant = log_loss(y_new, np.tile(np.bincount(y) / len(y), (len(y_new), 1)))
    best = log_loss(y_new, LinearClassifier(multi_class="multinomial", alpha=1e-5).fit(X, y).predict_proba(X_new))
    return (constant - log_loss(y_new, clf.fit(X, y).predict_proba(X_new))) / (constant - best)


def drawn(Z, rng):
    return (Z + rng.gumbel(size=Z.shape)).argmax(axis=1)


def test_columns_that_say_the_same_are_no_hindrance():
    """Steps along the rows come to 0.65 of the gain, where columns are strongly correlated."""
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((20, 20))
    own = rng.standard_normal((20_000, 20))
    y = drawn(0.5 * own @ rng.standard_normal((20, 6)), rng)
    X = own @ mixed
    assert share(SGDClassifier(**TOGETHER), X[:16_000], y[:16_000], X[16_000:], y[16_000:]) > 0.9


@sides
@pytest.mark.parametrize("at", [0.5, 0.8])
def test_effects_that_become_their_opposites_are_followed(layout, at):
    """In the middle of a pass, or late: the next rows are those after the turn."""
    rng, n, seen = np.random.default_rng(1), 23_000, 20_000
    X = rng.standard_normal((n, 12)) * (rng.random((n, 12)) < (1 if layout == "dense" else 0.3))
    Z, turn = X @ rng.standard_normal((12, 4)), int(at * seen)
    Z[turn:] *= -1
    y, X = drawn(Z, rng), lay_out(X, layout)
    p = SGDClassifier(**TOGETHER | dict(shuffle=False)).fit(X[:seen], y[:seen]).predict_proba(X[seen:])
    best = LinearClassifier(multi_class="multinomial").fit(X[turn:seen], y[turn:seen]).predict_proba(X[seen:])
    constant = log_loss(y[seen:], np.tile(np.bincount(y) / n, (n - seen, 1)))
    assert constant - log_loss(y[seen:], p) > 0.8 * (constant - log_loss(y[seen:], best))


@sides
def test_scales_of_columns_change_nothing(layout):
    X, y = shuffled(load_wine)
    by = 2.0 ** np.random.default_rng(0).integers(-30, 30, X.shape[1])
    one, other = (SGDClassifier(**TOGETHER | dict(penalty=None)).fit(lay_out(x, layout), y) for x in (X, X * by))
    np.testing.assert_array_equal(one.coef_, other.coef_ * by)
    np.testing.assert_array_equal(one.intercept_, other.intercept_)


@sides
@flat
def test_where_columns_are_of_no_use_the_model_is_the_frequencies(layout):
    rng = np.random.default_rng(0)
    X, y = rng.standard_cauchy((2000, 30)), rng.choice(5, 2000, p=[0.4, 0.3, 0.2, 0.05, 0.05])
    clf = SGDClassifier(**TOGETHER).fit(lay_out(X, layout), y)
    assert (clf.auto_rule_ == "constant").all()
    assert not clf.coef_.any()
    np.testing.assert_allclose(clf.predict_proba(lay_out(X[:1], layout))[0], np.bincount(y) / 2000, atol=1e-3)


@sides
def test_all_classes_have_one_rule(layout):
    """One class is noise to the columns; the share is judged by the loss of all."""
    X, y = shuffled(load_iris)
    y = np.where(np.random.default_rng(0).random(len(y)) < 0.5, 3, y)
    clf = SGDClassifier(**TOGETHER).fit(lay_out(X, layout), y)
    assert len(clf.auto_rule_) == 4 and len(set(clf.auto_rule_)) == 1


@sides
@pytest.mark.parametrize("weighted", [False, True])
def test_a_class_that_is_rare_or_comes_late(layout, weighted):
    X, y = shuffled(load_wine, 5)
    late = np.argsort(y == 2, kind="stable")
    X, y = X[late], y[late]
    weight = dict(class_weight="balanced") if weighted else {}
    clf = SGDClassifier(**TOGETHER | weight | dict(shuffle=False))
    clf.fit(lay_out(np.vstack([X[:600], X[-30:]]), layout), np.append(y[:600], y[-30:]))
    p = clf.predict_proba(lay_out(X, layout))
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    never = SGDClassifier(**TOGETHER).partial_fit(lay_out(X[:600], layout), y[:600], classes=[0, 1, 2, 7])
    p = never.predict_proba(lay_out(X, layout))
    assert (p[:, 3] < 0.2).all() and (p[:, 3] > 0).all()


@sides
@pytest.mark.parametrize("given", [dict(fit_intercept=False), dict(penalty="l1", alpha=1e-3), dict(standardize=True)])
def test_other_parameters(layout, given):
    X, y = shuffled(load_wine, 5)
    X = X - (0 if given.get("fit_intercept", True) else X.mean(axis=0))
    assert SGDClassifier(**TOGETHER | given).fit(lay_out(X, layout), y).score(lay_out(X, layout), y) > 0.9


# ---------------------------------------------------------------- going on
@sides
@pytest.mark.parametrize("dtype", DTYPES)
def test_partial_fit_goes_on_as_fit_does(layout, dtype):
    X, y = shuffled(load_digits)
    X = lay_out(X, layout, dtype)
    whole = SGDClassifier(**TOGETHER | dict(shuffle=False)).fit(X, y)
    parts = SGDClassifier(**TOGETHER | dict(shuffle=False))
    for lo, hi in [(0, 1), (1, 500), (500, 1797)]:
        parts.partial_fit(X[lo:hi], y[lo:hi], classes=np.arange(10))
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(whole.coef_, parts.coef_)
    np.testing.assert_array_equal(whole.intercept_, parts.intercept_)


@sides
@pytest.mark.parametrize("passes", [1, 2])
def test_files_go_on_where_training_ended(layout, passes, tmp_path):
    X, y = shuffled(load_digits)
    X = lay_out(X, layout)
    clf = SGDClassifier(**TOGETHER | dict(shuffle=False, max_iter=passes)).fit(X[:900], y[:900])
    clf.save(tmp_path / "model.safetensors")
    other = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(clf.auto_rule_, other.auto_rule_)
    for one in (clf, other):
        one.partial_fit(X[900:], y[900:])
    np.testing.assert_array_equal(clf.coef_, other.coef_)


@sides
def test_more_passes_come_to_the_optimum_of_the_objective(layout):
    X, y = shuffled(load_wine, 5)
    X = lay_out((X - X.mean(axis=0)) / X.std(axis=0), layout)
    given = dict(alpha=0.01)
    best = LinearClassifier(multi_class="multinomial", tol=1e-10, max_iter=5000, **given).fit(X, y)
    clf = SGDClassifier(**TOGETHER | given | dict(max_iter=50)).fit(X, y)
    assert clf.objective(X, y) - best.objective(X, y) < 1e-3
    assert set(clf.auto_rule_) <= {"average", "average of long steps"}


@sides
def test_zero_weights_are_rows_that_are_not_there(layout):
    X, y = shuffled(load_wine)
    s = np.where(np.arange(len(y)) % 3 == 0, 0.0, 1.0)
    X = lay_out(X, layout)
    given = TOGETHER | dict(shuffle=False)
    one = SGDClassifier(**given).fit(X, y, sample_weight=s)
    other = SGDClassifier(**given).fit(X[np.flatnonzero(s)], y[s > 0])
    np.testing.assert_allclose(one.coef_, other.coef_, rtol=1e-10)


@sides
def test_another_schedule_goes_on_from_the_model(layout):
    X, y = shuffled(load_iris)
    X = lay_out(X, layout)
    clf = SGDClassifier(**TOGETHER).partial_fit(X, y, classes=[0, 1, 2])
    before = clf.coef_.copy()
    clf.set_params(learning_rate="constant", eta0=1e-9).partial_fit(X, y)
    np.testing.assert_allclose(clf.coef_, before, rtol=1e-5, atol=1e-6)


def test_probabilities_as_targets():
    X, _ = rows(400)
    Y = distributions(X, 3)
    clf = SGDClassifier(**TOGETHER).fit(X, Y)
    assert clf.predict_proba(X).shape == (400, 3)


@pytest.mark.parametrize(
    "given, word",
    [
        (dict(multi_class="crammer_singer", loss="hinge"), "multinomial"),
        (dict(n_bootstrap=5), "multi_class='ovr'"),
        (dict(n_splits=5), "multi_class='ovr'"),
    ],
)
def test_what_does_not_go_with_it_is_said(given, word):
    with pytest.raises(ValueError, match=word):
        SGDClassifier(**TOGETHER | given).fit(np.eye(3), [0, 1, 2])


@flat
@pytest.mark.parametrize("at, to", [(1, "none"), (4, "none"), (2, "the first")])
def test_a_file_whose_centred_features_are_no_list_is_refused(at, to, tmp_path):
    """A list that names a feature that is in none, or that does not come to an end, would be one that grows for ever."""
    X, y = np.random.default_rng(0).standard_normal((100, 5)), np.arange(100) % 3
    clf = SGDClassifier(**TOGETHER).fit(lay_out(X, "csr32"), y)
    links, listed = clf._state.auto.columns[:, NEXT], clf._state.auto.in_each_row
    assert sorted(listed) == [0, 1, 2, 3, 4] and links[listed[-1]] == -1
    clf.save(tmp_path / "m")
    links[listed[at]] = 0.0 if to == "none" else listed[0] + 1
    with pytest.raises(ValueError, match="the state must have auto as its layout asks"):
        clf.save(tmp_path / "m")
