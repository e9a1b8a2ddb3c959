"""A source in place of X: the same model as of arrays, in bounded memory, whatever happens on the way."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from support.streamed import (
    LABELS,
    LAYOUTS,
    MARGIN,
    SMALL,
    STEADY,
    WEIGHT,
    Blocks,
    X,
    no_thread_is_left,  # noqa: F401 (a fixture)
    same,
    stream_of,
)

from fastsgd import (
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    optimizers,
    sources,
)
from fastsgd.sources.arrays import Table
from fastsgd.sources.scaling import moments
from fastsgd.sources.stream import in_memory


# ---------------------------------------------------------------- the same as arrays
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {"loss": "log_loss"},
        {"penalty": "elasticnet", "average": True},
        {"optimizer": "adagrad", "batch_size": 5},
        {"optimizer": "adam", "batch_size": 7, "learning_rate": "invscaling"},
        {"learning_rate": "auto", "loss": "log_loss"},
        {"class_weight": "balanced"},
        {"class_weight": {"yes": 3.0}},
    ],
    ids=str,
)
def test_unshuffled_the_same_bits_as_of_arrays(layout, in_order, given):
    clf = SGDClassifier(**STEADY | given)
    source = Blocks(LAYOUTS[layout], LABELS, WEIGHT + 1, rows=35, in_order=in_order)
    streamed = clone(clf).fit(source)
    assert in_memory(source) is None and max(np.bincount(source.read_blocks)) >= 3
    same(streamed, clone(clf).fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT + 1))
    assert streamed.classes_.tolist() == ["no", "yes"] and streamed.n_iter_ == 3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "ftrl", "rmsprop"])
def test_batches_run_on_from_one_buffer_into_the_next(layout, optimizer):
    """The sum over a batch that a border divides is taken in another order."""
    reg = SGDRegressor(**STEADY, optimizer=optimizer, batch_size=7)
    streamed = clone(reg).fit(Blocks(LAYOUTS[layout], MARGIN))
    expected = clone(reg).fit(LAYOUTS[layout], MARGIN)
    np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-5 if layout == "float32" else 1e-11)
    assert streamed.t_ == expected.t_


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_source_that_a_buffer_holds_is_read_once_and_trained_on_as_arrays(layout):
    source = Blocks(LAYOUTS[layout], LABELS, WEIGHT).buffered()
    clf = SGDClassifier(random_state=3, early_stopping=True, max_iter=4, tol=None)
    same(clone(clf).fit(source), clone(clf).fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT))
    assert sorted(source.read_blocks) == list(range(source.n_blocks))  # Two readers may finish in another order.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("in_order", [False, True])
def test_the_objective_and_the_stopping_rules_are_those_of_arrays(layout, in_order):
    reg = SGDRegressor(**STEADY | {"tol": 1e-3, "max_iter": 30}, stopping=["gradient", "objective"])
    streamed, expected = (
        clone(reg).fit(*given)
        for given in [(Blocks(LAYOUTS[layout], MARGIN, in_order=in_order),), (LAYOUTS[layout], MARGIN)]
    )
    assert (streamed.stop_reason_, streamed.n_iter_) == (expected.stop_reason_, expected.n_iter_)
    for column in ("loss", "objective", "gradient_norm"):
        np.testing.assert_allclose(streamed.history_[column], expected.history_[column], rtol=1e-5)


def test_full_gradient_descent_is_that_of_arrays():
    for optimizer in ("sgd", optimizers.SGD(line_search=True)):
        reg = SGDRegressor(**STEADY, optimizer=optimizer, batch_size="full")
        a, b = clone(reg).fit(Blocks(X, MARGIN)), clone(reg).fit(X, MARGIN)
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_a_stream_are_those_of_arrays(layout, weighted):
    L, s = LAYOUTS[layout] * 3.0, WEIGHT if weighted else None
    L = L + 1000 if layout == "dense" else L
    stream = stream_of(Blocks(L, None, s))
    for found, expected in zip(moments(stream, L.dtype), moments(Table(L, s=s), L.dtype), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_moments_read_a_source_once():
    source = Blocks(LAYOUTS["csr"], None)
    moments(stream_of(source), np.dtype("f8"))
    assert source.read_blocks == list(range(source.n_blocks))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_standardize(layout):
    clf = SGDClassifier("log_loss", **STEADY, standardize=True, class_weight="balanced")
    streamed, expected = clone(clf).fit(Blocks(LAYOUTS[layout], LABELS, WEIGHT)), clone(clf)
    expected.fit(LAYOUTS[layout], LABELS, sample_weight=WEIGHT)
    np.testing.assert_allclose(streamed.scale_, expected.scale_, rtol=1e-12)
    np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-4 if layout == "float32" else 1e-9)


@pytest.mark.parametrize("multi_class, loss", [("ovr", "hinge"), ("multinomial", "log_loss")])
def test_several_classes(multi_class, loss):
    y = np.digitize(MARGIN, [-1.0, 0.0, 1.0])
    clf = SGDClassifier(loss, **STEADY, multi_class=multi_class, class_weight="balanced")
    streamed = clone(clf).fit(Blocks(X, y))
    same(streamed, clone(clf).fit(X, y))
    assert streamed.classes_.dtype == y.dtype


@pytest.mark.parametrize("sorted_", [False, True])
def test_soft_labels(sorted_):
    """Even where a part of the blocks holds 0 and 1 alone."""
    soft = np.clip(MARGIN + 0.5, 0, 1)
    order = np.argsort(soft) if sorted_ else slice(None)
    for class_weight in (None, "balanced"):
        clf = SGDClassifier("log_loss", **STEADY, class_weight=class_weight)
        streamed, expected = clone(clf).fit(Blocks(X[order], soft[order])), clone(clf).fit(X[order], soft[order])
        np.testing.assert_allclose(streamed.coef_, expected.coef_, rtol=1e-9)


def test_several_targets_and_poisson():
    Y = np.column_stack([MARGIN, -MARGIN])
    reg = SGDRegressor(**STEADY)
    streamed = clone(reg).fit(Blocks(X, Y))
    same(streamed, clone(reg).fit(X, Y))
    assert streamed.predict(Blocks(X)).shape == Y.shape
    with pytest.raises(ValueError, match=r"Block 0 of the source: .*poisson.* needs y >= 0"):
        SGDRegressor("poisson", **STEADY).fit(Blocks(X, MARGIN))


def test_one_class():
    svm = SGDOneClassSVM(shuffle=False, tol=None, max_iter=3, random_state=0)
    for in_order in (False, True):
        streamed, expected = clone(svm).fit(Blocks(X, None, WEIGHT, in_order=in_order)), clone(svm)
        expected.fit(X, sample_weight=WEIGHT)
        assert np.array_equal(streamed.coef_, expected.coef_)
        assert np.array_equal(streamed.predict(Blocks(X)), expected.predict(X))


@pytest.mark.parametrize("in_order", [False, True])
def test_csr_of_a_width_that_nobody_knows(in_order):
    """Blocks are as wide as their last feature; the width is that of the widest."""
    L = sp.random(2000, 300, 0.05, "csr", random_state=0)
    narrow = Blocks(L, LABELS, in_order=in_order)
    narrow.n_features, read = None, narrow.read

    def as_wide_as_its_last_feature(block):
        rows = read(block)
        return rows._replace(X=rows.X[:, : rows.X.indices.max() + 1])

    narrow.read = as_wide_as_its_last_feature
    width = L.indices.max() + 1
    clf = SGDClassifier(**STEADY)
    for source in (narrow, narrow.buffered()):
        source.n_features = None
        source.read = as_wide_as_its_last_feature
        same(clone(clf).fit(source), clone(clf).fit(L[:, :width], LABELS))


# ---------------------------------------------------------------- partial_fit
def test_partial_fit_needs_no_counting_pass_and_goes_on_as_one_fit_does():
    source = Blocks(X, LABELS)
    clf = SGDClassifier("log_loss", **STEADY)
    source.targets = None  # would be called
    parts = clone(clf)
    for _ in range(3):
        source.targets = lambda: iter([(LABELS[:3], None)])
        parts.partial_fit(source, classes=["no", "yes"])
    same(parts, clone(clf).fit(X, LABELS))
    mixed = clone(clf).partial_fit(X, LABELS, ["no", "yes"]).partial_fit(source).partial_fit(X, LABELS)
    same(mixed, parts)


def test_partial_fit_of_unknown_length_and_of_unknown_labels():
    parts = SGDRegressor(**STEADY).partial_fit(Blocks(X, MARGIN, in_order=True)).partial_fit(Blocks(X, MARGIN))
    same(parts, SGDRegressor(**STEADY | {"max_iter": 2}).fit(X, MARGIN))
    with pytest.raises(ValueError, match=r"labels that are not in classes.*yes"):
        SGDClassifier(**STEADY).partial_fit(Blocks(X, LABELS), classes=["no", "perhaps"])
    with pytest.raises(ValueError, match=r"Block 0 of the source: y has rows of shape \(3,\), expected \(\)"):
        parts.partial_fit(Blocks(X, np.ones((2000, 3))))


# ---------------------------------------------------------------- prediction
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("small", [True, False])
def test_predictions_and_scores_are_those_of_arrays(layout, small):
    L = LAYOUTS[layout]
    source = Blocks(L, LABELS, WEIGHT)
    clf = SGDClassifier("log_loss", **STEADY).fit(L, LABELS)
    for method in ("decision_function", "predict_proba", "predict_log_proba"):
        np.testing.assert_allclose(getattr(clf, method)(source), getattr(clf, method)(L), atol=1e-5)
    assert np.array_equal(clf.predict(source), clf.predict(L))
    assert clf.score(source) == pytest.approx(accuracy_score(LABELS, clf.predict(L), sample_weight=WEIGHT), rel=1e-12)
    reg = SGDRegressor(random_state=0).fit(L, MARGIN)
    np.testing.assert_allclose(reg.predict(source), reg.predict(L), atol=1e-5)
    expected = r2_score(MARGIN, reg.predict(L), sample_weight=WEIGHT)
    assert reg.score(Blocks(L, MARGIN, WEIGHT)) == pytest.approx(expected, rel=1e-6)


def test_scores_of_targets_that_are_constant():
    reg = SGDRegressor().fit(X, np.column_stack([MARGIN, MARGIN]))
    Y = np.column_stack([MARGIN, np.ones(2000)])
    assert reg.score(Blocks(X, Y)) == pytest.approx(r2_score(Y, reg.predict(X)))


def test_predict_batches_gives_one_array_a_block():
    clf = SGDClassifier(random_state=0).fit(X, LABELS)
    parts = list(sources.predict_batches(clf, Blocks(X), "decision_function"))
    assert [len(part) for part in parts] == [37] * 54 + [2]
    np.testing.assert_allclose(np.concatenate(parts), clf.decision_function(X))


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_other_features_than_those_of_fit():
    source = Blocks(X, LABELS)
    source.feature_names = [f"f{j}" for j in range(10)]
    for bounds in (source, source.buffered()):
        clf = SGDClassifier(**STEADY).fit(bounds)
        assert clf.n_features_in_ == 10 and list(clf.feature_names_in_) == source.feature_names
        assert clf.predict(bounds).shape == (2000,)
        with pytest.raises(ValueError, match="Block 0 of the source: X has 9 features, expected 10"):
            clf.predict(Blocks(np.ascontiguousarray(X[:, :9])))
        other = Blocks(X)
        other.feature_names = ["g0", *source.feature_names[1:]]
        with pytest.raises(ValueError, match=r"'g0' in place of 'f0'"):
            clf.predict(other)
        assert SGDClassifier(**STEADY).fit(X, LABELS).predict(other).shape == (2000,)
    assert not hasattr(clf.fit(X, LABELS), "feature_names_in_")


# ---------------------------------------------------------------- validation
@pytest.mark.parametrize("scoring", [None, "loss", "accuracy"])
@pytest.mark.parametrize("trained_on", ["arrays", "source"])
def test_a_source_as_validation_set(scoring, trained_on):
    clf = SGDClassifier(
        "log_loss", **STEADY | {"tol": 1e-3, "max_iter": 20}, validation_scoring=scoring, n_iter_no_change=2
    )
    expected = clone(clf).fit(X[:1500], LABELS[:1500], X_val=X[1500:], y_val=LABELS[1500:])
    held = Blocks(X[1500:], LABELS[1500:]).buffered(20_000)
    given = (X[:1500], LABELS[:1500]) if trained_on == "arrays" else (Blocks(X[:1500], LABELS[:1500]),)
    found = clone(clf).fit(*given, X_val=held)
    same(found, expected)
    np.testing.assert_allclose(found.history_["validation_score"], expected.history_["validation_score"], rtol=1e-12)
    assert found.stop_reason_ == expected.stop_reason_


@pytest.mark.filterwarnings("ignore:with max_memory")
def test_names_of_a_validation_set_are_those_of_the_source():
    source, held = Blocks(X, LABELS), Blocks(X, LABELS)
    source.feature_names = held.feature_names = [f"f{j}" for j in range(10)]
    for memory in (SMALL, 10**6):
        clf = SGDClassifier(random_state=0).fit(source.buffered(memory), X_val=held.buffered(memory))
        assert clf.stop_reason_ == "validation" and type(clf.score(held)) is float
    held.feature_names = ["other", *held.feature_names[1:]]
    with pytest.raises(ValueError, match=r"'other' in place of 'f0'"):
        clf.fit(source, X_val=held)


def test_weighted_validation_by_a_scorer_and_arrays_as_validation_set():
    reg = SGDRegressor(**STEADY | {"tol": 1e-3, "max_iter": 50}, validation_scoring="neg_mean_absolute_error")
    expected = clone(reg).fit(X, MARGIN, X_val=X, y_val=MARGIN, sample_weight_val=WEIGHT)
    for given in ({"X_val": Blocks(X, MARGIN, WEIGHT)}, {"X_val": X, "y_val": MARGIN, "sample_weight_val": WEIGHT}):
        found = clone(reg).fit(Blocks(X, MARGIN), **given)
        np.testing.assert_allclose(found.history_["validation_score"], expected.history_["validation_score"], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:with max_memory")
def test_early_stopping_holds_rows_of_the_source_out():
    est = SGDClassifier(early_stopping=True, random_state=0).fit(Blocks(X, LABELS))
    assert est.stop_reason_ == "validation" and np.isfinite(est.history_["validation_score"]).all()


# ---------------------------------------------------------------- sorted data
def test_data_sorted_by_label_trains_as_well_as_under_a_full_shuffle():
    """Blocks and a buffer of a tenth; in file order it does not."""
    rng = np.random.default_rng(1)
    L = rng.standard_normal((20_000, 20))
    y = (L @ rng.standard_normal(20) + rng.standard_normal(20_000) > 0).astype(int)
    L, y = L[np.argsort(y, kind="stable")], np.sort(y)
    clf = SGDClassifier(
        "log_loss", alpha=1e-5, max_iter=5, tol=None, random_state=0, learning_rate="constant", eta0=0.003
    )

    def loss(*given, **how):
        p = clone(clf).set_params(**how).fit(*given).predict_proba(L)
        return -np.log(p[np.arange(len(y)), y]).mean()

    full = loss(L, y)
    tenth = Blocks(L, y, rows=200).buffered(buffer_rows=2000, max_memory="2MB")
    assert loss(tenth) < 1.02 * full
    assert loss(tenth, shuffle=False) > 1.2 * full
