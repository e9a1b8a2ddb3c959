"""A model for each segment: each equals the fit on its own rows, the model of all rows is what it was, and rows find theirs."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.model_selection import cross_validate
from support.cases import covering
from support.sizes import sizes

import fastsgd
from fastsgd import SGDClassifier, SGDRegressor, losses, schedules, segments, stopping
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table
from fastsgd.state import State

N, D, G = 900, 6, 5
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.8)
PLACE = RNG.integers(0, G, N)
NAMES = np.array(["north", "east", "south", "west", "mid"])[PLACE]
WAYS = RNG.standard_normal((D, G))
TARGET = (X @ WAYS)[np.arange(N), PLACE] + 0.3 * RNG.standard_normal(N)
WEIGHT = np.where(np.arange(N) % 7 == 0, 0.0, RNG.uniform(0.5, 2, N))
LAYOUTS = {
    "dense": np.asarray,
    "csr": sp.csr_matrix,
    "float32": lambda X: X.astype(np.float32),
    "columns first": np.asfortranarray,
}
Y = {"two": (TARGET > 0).astype(int), "three": np.digitize(TARGET, [-1, 1]), "numbers": TARGET}


def quiet(est, *args, **kwargs):
    """The fit, whose warnings are of no interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(*args, **kwargs)


def agree(est, X, y, labels=NAMES, weight=None, rtol=1e-9):
    """Fit with segments, and hold every model against the fit of its own."""
    found = quiet(clone(est), X, y, sample_weight=weight, segments=labels)
    of_all = quiet(clone(est), X, y, sample_weight=weight)
    np.testing.assert_array_equal(found.coef_, of_all.coef_)
    np.testing.assert_array_equal(found.intercept_, of_all.intercept_)
    np.testing.assert_array_equal(found.segments_, np.unique(labels))
    for i, label in enumerate(found.segments_):
        own = (labels == label) * (1.0 if weight is None else weight)
        alone = quiet(clone(est), X, y, sample_weight=own)
        np.testing.assert_allclose(found.segment_coefs_[i], np.atleast_2d(alone.coef_), rtol=rtol, atol=rtol)
        np.testing.assert_allclose(found.segment_intercepts_[i], alone.intercept_, rtol=rtol, atol=rtol)
        assert found.segment_n_iter_[i] == alone.n_iter_
        assert found.segment_counts_[i] == np.sum(labels == label)
    return found


SETTINGS = {
    "as they are": {},
    "log_loss": {"loss": "log_loss"},
    "l1": {"penalty": "l1", "alpha": 1e-3},
    "elasticnet, averaged": {"penalty": "elasticnet", "average": True},
    "averaged from a step": {"average": 40, "learning_rate": "constant"},
    "adaptive": {"learning_rate": "adaptive", "eta0": 0.1},
    "passes": {"learning_rate": "cosine", "tol": None, "max_iter": 4},
    "pa": {"learning_rate": "pa1"},
    "auto": {"learning_rate": "auto", "tol": None, "max_iter": 2},
    "adam": {"optimizer": "adam"},
    "adagrad": {"optimizer": "adagrad", "penalty": "l1"},
    "ftrl": {"optimizer": "ftrl"},
    "batches": {"optimizer": "momentum", "batch_size": 16},
    "full batches": {"optimizer": "nesterov", "batch_size": "full", "max_iter": 6, "tol": None},
    "standardised": {"standardize": True},
    "standardised, averaged": {"standardize": True, "average": True, "loss": "log_loss"},
    "standardised, adam": {"standardize": True, "optimizer": "adam"},
    "noise": {"gradient_noise": 0.01, "tol": None, "max_iter": 3},
    "in order": {"shuffle": False, "loss": "log_loss"},
    "drawn start": {"init": "normal"},
    "patient": {"stopping": stopping.Objective(1e-2, 2)},
    "absolute": {"stopping": stopping.Objective(1e-2, 2, absolute=True)},
    "balanced": {"class_weight": "balanced"},
    "together": {"loss": "log_loss", "multi_class": "multinomial"},
    "no intercept": {"fit_intercept": False},
}


@pytest.mark.parametrize(
    ("settings", "y", "layout", "weighed"), covering(2, SETTINGS, ["two", "three"], LAYOUTS, [False, True])
)
def test_a_segment_of_a_classifier_has_the_model_that_its_rows_alone_give(settings, y, layout, weighed):
    est = SGDClassifier(random_state=0, **SETTINGS[settings])
    rtol = 1e-9 if layout != "float32" else 1e-4
    with sizes(call_rows=200, buffer_bytes=1):
        agree(est, LAYOUTS[layout](X), Y[y], weight=WEIGHT if weighed else None, rtol=rtol)


OF_NUMBERS = {name: how for name, how in SETTINGS.items() if not {"loss", "class_weight"} & set(how) and name != "pa"}
LOSSES = "squared_error", "huber", "quantile", "epsilon_insensitive", "cauchy"


@pytest.mark.parametrize(
    ("settings", "loss", "several", "layout"), covering(2, OF_NUMBERS, LOSSES, [False, True], ["dense", "csr"])
)
def test_a_segment_of_a_regressor_has_the_model_that_its_rows_alone_give(settings, loss, several, layout):
    y = np.column_stack([TARGET, X[:, 0]]) if several else TARGET
    est = SGDRegressor(loss, random_state=0, **OF_NUMBERS[settings])
    agree(est, LAYOUTS[layout](X), y)


@pytest.mark.parametrize("d", [40, 300])
@pytest.mark.parametrize("shuffle", [False, True])
def test_wide_rows_too(d, shuffle):
    wide = RNG.standard_normal((400, d))
    agree(SGDClassifier("log_loss", shuffle=shuffle, random_state=0), wide, Y["two"][:400], NAMES[:400])


def test_threads_change_nothing():
    many = RNG.standard_normal((20000, 5))
    y, labels = (many[:, 0] > 0).astype(int), RNG.integers(0, 40, 20000)
    one, two = (
        quiet(SGDClassifier(max_iter=3, tol=None, random_state=0, n_jobs=n), many, y, segments=labels) for n in (1, 2)
    )
    np.testing.assert_array_equal(one.segment_coefs_, two.segment_coefs_)
    np.testing.assert_array_equal(one.predict(many, segments=labels), two.predict(many, segments=labels))


# ---------------------------------------------------------------- predictions
def by_hand(est, rows, labels):
    """The margins of the models of the labels."""
    coef, b = np.atleast_2d(est.coef_), est.intercept_
    out = np.empty((len(rows), len(b)))
    for i, (x, label) in enumerate(zip(rows, labels, strict=True)):
        at = np.flatnonzero(est.segments_ == label)
        own = (est.segment_coefs_[at[0]], est.segment_intercepts_[at[0]]) if len(at) else (coef, b)
        out[i] = own[0] @ x + own[1]
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("y", ["two", "three"])
def test_a_row_is_predicted_by_the_model_of_its_segment_and_an_unseen_one_by_that_of_all(y, layout):
    est = quiet(SGDClassifier("log_loss", random_state=0), LAYOUTS[layout](X), Y[y], segments=NAMES)
    labels = np.where(np.arange(N) % 10 == 0, "elsewhere", NAMES).astype(object)
    labels[5] = None
    right = by_hand(est, X, labels)
    margins = est.decision_function(LAYOUTS[layout](X), segments=labels)
    np.testing.assert_allclose(margins.reshape(N, -1), right, rtol=1e-4, atol=1e-4)
    guess = est.predict(LAYOUTS[layout](X), segments=labels)
    np.testing.assert_array_equal(
        guess, est.classes_[right.argmax(axis=1) if y == "three" else (right[:, 0] > 0).astype(int)]
    )
    proba = est.predict_proba(LAYOUTS[layout](X), segments=labels)
    np.testing.assert_array_equal(est.classes_[proba.argmax(axis=1)], guess)
    np.testing.assert_allclose(np.exp(est.predict_log_proba(LAYOUTS[layout](X), segments=labels)), proba)
    assert est.score(LAYOUTS[layout](X), Y[y], segments=labels) == np.mean(guess == Y[y])
    np.testing.assert_array_equal(est.predict(LAYOUTS[layout](X)), est.predict(LAYOUTS[layout](X), segments=["x"] * N))


def test_a_regressor_predicts_by_segment_too():
    est = quiet(SGDRegressor(random_state=0), X, TARGET, segments=NAMES)
    np.testing.assert_allclose(est.predict(X, segments=NAMES), by_hand(est, X, NAMES)[:, 0])
    assert est.score(X, TARGET, segments=NAMES) > est.score(X, TARGET) + 0.3


FRAME = pd.DataFrame(X, columns=[f"x{i}" for i in range(D)]).assign(place=NAMES)


def test_a_column_of_a_table_is_left_out_of_the_features_and_known_again():
    est = quiet(SGDClassifier(random_state=0), FRAME, Y["two"], segments="place")
    right = quiet(SGDClassifier(random_state=0), FRAME.drop(columns="place"), Y["two"], segments=NAMES)
    assert est.n_features_in_ == D
    assert list(est.feature_names_in_) == [f"x{i}" for i in range(D)]
    np.testing.assert_array_equal(est.segment_coefs_, right.segment_coefs_)
    mixed = FRAME[["x1", "place", *[f"x{i}" for i in range(D) if i != 1]]]
    with pytest.raises(ValueError, match="feature names"):
        est.predict(mixed)
    guess = right.predict(FRAME.drop(columns="place"), segments=NAMES)
    np.testing.assert_array_equal(est.predict(FRAME), guess)
    np.testing.assert_array_equal(est.predict(FRAME.drop(columns="place"), segments=NAMES), guess)
    np.testing.assert_array_equal(
        est.predict(FRAME, segments=np.full(N, "south")),
        right.predict(FRAME.drop(columns="place"), segments=np.full(N, "south")),
    )
    with pytest.raises(ValueError, match="segments='place'"):
        est.predict(FRAME.drop(columns="place"))


@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_an_index_names_a_column_of_an_array(layout):
    both = LAYOUTS[layout](np.column_stack([X[:, :2], PLACE, X[:, 2:]]))
    est = quiet(SGDClassifier(random_state=0), both, Y["two"], segments=2)
    right = quiet(SGDClassifier(random_state=0), LAYOUTS[layout](X), Y["two"], segments=PLACE)
    np.testing.assert_array_equal(est.segment_coefs_, right.segment_coefs_)
    np.testing.assert_array_equal(est.predict(both), right.predict(LAYOUTS[layout](X), segments=PLACE))


@pytest.mark.parametrize(
    "given",
    [
        PLACE,
        PLACE.astype(np.uint8),
        PLACE * 1.0,
        PLACE.tolist(),
        PLACE[:, None],
        pd.Series(PLACE),
        pd.Series(PLACE, dtype="Int64"),
        pd.Series(PLACE).astype("category"),
        PLACE.astype(object),
        PLACE * 10**12,
    ],
    ids=lambda given: f"{type(given).__name__} {getattr(given, 'dtype', '')}",
)
def test_labels_are_whatever_holds_whole_numbers(given):
    est = quiet(SGDClassifier(random_state=0, max_iter=2, tol=None), X, Y["two"], segments=given)
    right = quiet(SGDClassifier(random_state=0, max_iter=2, tol=None), X, Y["two"], segments=NAMES)
    order = [np.flatnonzero(right.segments_ == NAMES[i == PLACE][0])[0] for i in range(G)]
    np.testing.assert_array_equal(est.segment_coefs_, right.segment_coefs_[order])
    np.testing.assert_array_equal(est.predict(X, segments=given), right.predict(X, segments=NAMES))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_rows_of_a_missing_label_count_in_the_model_of_all_rows_alone(missing):
    labels = NAMES.astype(object)
    labels[::3] = missing
    est = quiet(SGDClassifier(random_state=0), X, Y["two"], segments=labels)
    one = quiet(SGDClassifier(random_state=0), X, Y["two"], sample_weight=(NAMES == "east") & (np.arange(N) % 3 > 0))
    np.testing.assert_array_equal(est.coef_, quiet(SGDClassifier(random_state=0), X, Y["two"]).coef_)
    np.testing.assert_allclose(est.segment_coefs_[est.segments_ == "east"][0], one.coef_)
    np.testing.assert_array_equal(est.predict(X, segments=labels)[::3], est.predict(X)[::3])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (NAMES[:-1], "label for each row"),
        (PLACE + 0.5, "found"),
        (np.array([1, "a"] * (N // 2), dtype=object), "one kind"),
        (np.full(N, np.nan), "no label"),
        (np.full(N, np.datetime64("2024-01-01")), "make them words"),
        (np.tile(NAMES[:, None], 2), "one dimension"),
        ("place", "has none"),
        (D, "index of a column"),
        (sp.csr_matrix(PLACE[:, None]), "dense"),
    ],
)
def test_labels_that_are_none_are_refused_in_words(given, words):
    with pytest.raises(ValueError, match=words):
        SGDClassifier().fit(X, Y["two"], segments=given)


def test_labels_of_another_kind_than_in_fit_are_refused():
    est = quiet(SGDClassifier(random_state=0), X, Y["two"], segments=NAMES)
    with pytest.raises(ValueError, match="whole numbers"):
        est.predict(X, segments=PLACE)
    with pytest.raises(ValueError, match="without"):
        quiet(SGDClassifier(), X, Y["two"]).predict(X, segments=NAMES)


# ---------------------------------------------------------------- odd segments
def test_segments_of_one_row_or_one_class_or_no_weight_have_models():
    labels, y, s = NAMES.astype("U12"), Y["three"].copy(), np.ones(N)
    labels[0], labels[1:4], labels[4:9] = "one", "pure", "weightless"
    y[1:4], s[4:9] = 0, 0.0
    est = quiet(SGDClassifier(random_state=0), X, y, sample_weight=s, segments=labels)
    found = dict(zip(est.segments_.tolist(), est.segment_stop_reasons_.tolist(), strict=True))
    assert found["weightless"] == "no_weight"
    assert {found["one"], found["pure"]} <= {"objective", "max_iter"}
    alone = quiet(SGDClassifier(random_state=0), X, y, sample_weight=1.0 * (labels == "pure"))
    np.testing.assert_allclose(est.segment_coefs_[est.segments_ == "pure"][0], alone.coef_)
    np.testing.assert_array_equal(est.segment_coefs_[est.segments_ == "weightless"][0], est.coef_)
    assert np.isfinite(est.segment_coefs_).all()


def test_a_segment_that_diverges_does_so_alone():
    rows, fold = X.copy(), PLACE.astype(np.int32)
    rows[fold == 2] *= 1e160
    loss = losses.SquaredError()
    bound = schedules.get("constant").bind(eta0=0.01, alpha=0.01, power_t=0.5, loss=loss, pass_rows=N, passes=9)
    plan = Plan.of(loss, bound, l2=0.01)

    def ended(rows, rules):
        training = segments.Segments(State.zeros(D, 1, np.dtype(float), 0), plan, rules, passes=9, sparse=False)
        training.grow(G)
        training.go_on(Table(rows, y=TARGET[:, None].copy(), fold=fold), lambda: False)
        return training.ended()

    for rules in ([], [stopping.Objective().fresh()]):
        found, right = ended(rows, rules), ended(X, rules)
        assert found.reasons[2] == "diverged"
        assert found.sound.tolist() == [True, True, False, True, True]
        np.testing.assert_array_equal(found.W[found.sound], right.W[found.sound])
        np.testing.assert_array_equal(found.reasons[found.sound], right.reasons[found.sound])


def test_a_budget_ends_all_segments():
    est = SGDClassifier(random_state=0, max_seconds=1e-9)
    found = quiet(est, X, Y["two"], segments=NAMES)
    assert set(found.segment_stop_reasons_) == {"max_seconds"}


@pytest.mark.parametrize("n", [3, 300])
def test_ctrl_c_leaves_all_models_of_the_moment(n, monkeypatch):
    seen = iter(range(10**6))
    before = segments.Segments._round

    def strike(self, part, order):
        if next(seen) == n:
            raise KeyboardInterrupt
        before(self, part, order)

    monkeypatch.setattr(segments.Segments, "_round", strike)
    est = SGDClassifier(random_state=0, max_iter=1000, tol=0.0, n_iter_no_change=500)
    with sizes(call_rows=100, buffer_bytes=1), pytest.raises(KeyboardInterrupt):
        est.fit(X, Y["two"], segments=NAMES)
    assert est.stop_reason_ == "interrupted"
    assert set(est.segment_stop_reasons_) == {"interrupted"}
    assert np.isfinite(est.predict(X, segments=NAMES)).all()


# ---------------------------------------------------------------- what goes with it
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"n_init": 2}, "n_init"),
        ({"early_stopping": True}, "early_stopping"),
        ({"warm_start": True}, "warm_start"),
        ({"stopping": "gradient"}, "stopping"),
        ({"stopping": ["objective", "parameters"]}, "stopping"),
        (
            {"optimizer": fastsgd.optimizers.SGD(line_search=True), "batch_size": "full", "loss": "log_loss"},
            "line search",
        ),
        ({"callbacks": fastsgd.Checkpoint("nowhere", every_seconds=1)}, "Checkpoint"),
    ],
)
def test_what_segments_do_not_go_with_is_refused_by_name(how, words):
    with pytest.raises(ValueError, match=words):
        SGDClassifier(**how).fit(X, Y["two"], segments=NAMES)


def test_validation_sets_and_partial_fit_are_refused():
    with pytest.raises(ValueError, match="X_val"):
        SGDClassifier().fit(X, Y["two"], X_val=X, y_val=Y["two"], segments=NAMES)
    est = quiet(SGDClassifier(), X, Y["two"], segments=NAMES)
    with pytest.raises(ValueError, match="segments"):
        est.partial_fit(X, Y["two"])


def test_a_fit_without_segments_forgets_them():
    est = quiet(SGDClassifier(random_state=0), X, Y["two"], segments=NAMES)
    assert not [name for name in vars(quiet(est, X, Y["two"])) if name.startswith("segment")]


@pytest.mark.parametrize("how", ["file", "pickle"])
@pytest.mark.parametrize(
    "labels", [NAMES, PLACE, PLACE > 2, np.full(N, "one")], ids=["words", "numbers", "bools", "one"]
)
def test_a_model_with_segments_survives_in_a_file(labels, how, tmp_path):
    est = quiet(SGDClassifier(random_state=0), FRAME.assign(place=labels), Y["three"], segments="place")
    if how == "file":
        est.save(tmp_path / "m.safetensors")
        back = fastsgd.load(tmp_path / "m.safetensors")
    else:
        back = pickle.loads(pickle.dumps(est))
    for name in ("segments_", "segment_coefs_", "segment_counts_", "segment_stop_reasons_", "segment_n_iter_"):
        np.testing.assert_array_equal(getattr(back, name), getattr(est, name))
    np.testing.assert_array_equal(back.predict(FRAME.assign(place=labels)), est.predict(FRAME.assign(place=labels)))
    quiet(est, X, Y["three"]).save(tmp_path / "m.safetensors")
    assert not hasattr(fastsgd.load(tmp_path / "m.safetensors"), "segments_")


def test_segments_are_routed_as_metadata():
    with config_context(enable_metadata_routing=True):
        est = SGDRegressor(random_state=0).set_fit_request(segments=True).set_score_request(segments=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = cross_validate(est, X, TARGET, params={"segments": NAMES}, cv=3)
            plain = cross_validate(SGDRegressor(random_state=0), X, TARGET, cv=3)
    assert found["test_score"].mean() > plain["test_score"].mean() + 0.3
