"""Model files and checkpoints are of the size of what was learnt: a feature that no row had takes no room."""

import copy
import os
import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support import hostile
from support.persist import LABELS, SPARSE, TARGET, WIDE, X, fitted, same

import fastsgd
from fastsgd import (
    Checkpoint,
    LinearClassifier,
    LinearClassifierCV,
    LinearRegressor,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    optimizers,
)
from fastsgd.persist import untouched

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def saved(est, path):
    est.save(path)
    return fastsgd.load(path), os.path.getsize(path)


def taught(est, rows, y):
    """One more pass."""
    return est.partial_fit(rows, y) if isinstance(est, SGDRegressor | SGDClassifier) else est.partial_fit(rows)


# ---------------------------------------------------------------- models
@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
@pytest.mark.parametrize("data", [WIDE, WIDE.astype("f4"), WIDE.toarray()], ids=["csr", "csr32", "dense"])
def test_every_optimizer_goes_on_bit_for_bit(name, penalty, data, tmp_path):
    est = SGDClassifier(optimizer=name, penalty=penalty, average=5, standardize=name == "adam")
    est = fitted(est, data).partial_fit(data[:9], LABELS[:9])
    again, size = saved(est, tmp_path / "model")
    assert size < 60_000 < est._state.W.nbytes
    assert same(again._state, est._state) and same(again.coef_, est.coef_)
    assert same(taught(again, data, LABELS)._state, taught(est, data, LABELS)._state)


@pytest.mark.parametrize(
    "est, y",
    [
        (SGDClassifier("log_loss", learning_rate="auto"), LABELS),
        (SGDClassifier("log_loss", learning_rate="auto", penalty="l1"), LABELS == "ja"),
        (SGDRegressor(learning_rate="auto", n_bootstrap=2, n_splits=2), TARGET),
        (SGDClassifier("log_loss", multi_class="multinomial", optimizer="adagrad"), LABELS),
        (SGDRegressor(standardize=True), np.column_stack([TARGET, -TARGET])),
        (SGDOneClassSVM(average=True), None),
        (SGDRegressor(n_init=3, init="normal"), TARGET),
    ],
    ids=repr,
)
def test_every_kind_of_state_goes_on_bit_for_bit(est, y, tmp_path):
    est = fitted(clone(est), WIDE, y)
    again, size = saved(est, tmp_path / "model")
    drawn = est.n_init > 1  # No weight is then the same as others.
    assert size < 60_000 or drawn
    assert same(again._state, est._state) and same(again.coef_, est.coef_)
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    assert same(taught(again, WIDE, y)._state, taught(est, WIDE, y)._state)


def test_weights_of_features_without_rows_need_not_be_zero(tmp_path):
    """They may be -0.0, what was given to begin with, or a number that all have."""
    d = WIDE.shape[1]
    for start in (np.full(d, -0.0), np.full(d, 0.3), np.where(np.arange(d) % 2, 0.25, 0.5)):
        est = SGDRegressor(max_iter=2, tol=None, random_state=0).fit(WIDE, TARGET, coef_init=start)
        again, _ = saved(est, tmp_path / "model")
        assert same(again.coef_, est.coef_) and same(again._state, est._state)


def test_the_other_estimators(tmp_path):
    rows = sp.hstack([SPARSE, sp.csr_matrix((40, 4000))], format="csr")
    searched = SGDClassifierCV(alphas=[1e-4, 1e-2], cv=2, max_iter=3, random_state=0)
    for est, y in ((LinearClassifier(alpha=0.1), LABELS), (LinearRegressor(alpha=0.1), TARGET), (searched, LABELS)):
        again, size = saved(est.fit(rows, y), tmp_path / "model")
        assert size < 30_000 and same(again.coef_, est.coef_) and same(again.predict(rows), est.predict(rows))
    assert same(again.coefs_paths_, searched.coefs_paths_)


def test_segments_share_the_places_of_their_features(tmp_path):
    est = SGDRegressor(max_iter=2, random_state=0).fit(WIDE, TARGET, segments=np.arange(40) % 10)
    again, size = saved(est, tmp_path / "model")
    assert size < 40_000 < est.segment_coefs_.nbytes and same(again.segment_coefs_, est.segment_coefs_)


def test_sparse_coefficients_and_coefficients_of_users(tmp_path):
    est = fitted(SGDClassifier(), WIDE).sparsify()
    again, size = saved(est, tmp_path / "model")
    assert sp.issparse(again.coef_) and same(again.coef_, est.coef_) and size < 60_000
    est.coef_ = np.round(est.coef_.toarray())
    again, _ = saved(est, tmp_path / "model")
    assert same(again.coef_, est.coef_)


def test_a_model_of_which_all_was_learnt_is_not_larger_than_before(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(50, 3000))
    est = SGDRegressor(optimizer="adam", max_iter=2, random_state=0).fit(rows, rows[:, 0])
    _, size = saved(est, tmp_path / "model")
    monkeypatch.setattr(untouched, "MIN_BYTES", np.inf)
    assert size == saved(est, tmp_path / "model")[1]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95, 1.0])
def test_a_file_is_never_larger_than_one_with_all_entries(share, tmp_path, monkeypatch):
    d = 5000
    start = np.where(np.random.default_rng(0).random(d) < share, np.arange(1.0, d + 1), 0.0)
    est = SGDRegressor(max_iter=0).fit(X[:, :1] * np.zeros(d), TARGET, coef_init=start)
    again, size = saved(est, tmp_path / "model")
    assert same(again._state, est._state)
    monkeypatch.setattr(untouched, "MIN_BYTES", np.inf)
    whole = saved(est, tmp_path / "model")[1]
    assert size <= whole and (size < 1.05 * share * whole + 8000 or share > 0.6)


def test_a_table_of_seven_columns_takes_less_than_a_megabyte(tmp_path):
    rng, n = np.random.default_rng(0), 3000
    frame = pd.DataFrame(
        {
            **{name: rng.normal(size=n) for name in ("age", "height", "weight", "income")},
            **{name: rng.choice([f"{name}{i}" for i in range(50)], n) for name in ("town", "job", "car")},
            "y": rng.normal(size=n),
        }
    )
    source = fastsgd.sources.from_arrow(frame, target="y")
    est = SGDRegressor(learning_rate="auto", random_state=0).fit(source)
    again, size = saved(est, tmp_path / "model")
    assert est.n_features_in_ == 2**20 + 4 and size < 30_000
    assert same(again._state, est._state) and same(again.predict(source), est.predict(source))


# ---------------------------------------------------------------- checkpoints
@pytest.mark.parametrize(
    "how", [{"learning_rate": "auto"}, {"optimizer": "adagrad", "batch_size": 7}, {"penalty": "l1"}]
)
def test_checkpoints_are_small_and_are_gone_on_from_bit_for_bit(how, tmp_path):
    est = SGDClassifier("log_loss", tol=None, random_state=0, **how)
    checkpoint = Checkpoint(tmp_path / "run", every_seconds=None, every_rows=8)
    with hostile.small_calls():
        clone(est).set_params(max_iter=2, callbacks=[checkpoint]).fit(WIDE, LABELS)
        assert os.path.getsize(tmp_path / "run") < 60_000
        resumed = clone(est).set_params(max_iter=4).fit(WIDE, LABELS, resume_from=tmp_path / "run")
        unbroken = clone(est).set_params(max_iter=4).fit(WIDE, LABELS)
    assert same(resumed._state, unbroken._state)


# ---------------------------------------------------------------- for prediction alone
KINDS = [
    (SGDClassifier("log_loss", learning_rate="auto", penalty="elasticnet"), SPARSE, LABELS),
    (SGDClassifier("log_loss", optimizer="adam", average=True), X, LABELS == "ja"),
    (SGDRegressor(standardize=True), X, np.column_stack([TARGET, -TARGET])),
    (SGDRegressor(learning_rate="auto", n_bootstrap=2), X, TARGET),
    (SGDRegressor(optimizer="ftrl", init="normal", n_init=2), X, TARGET),
    (SGDOneClassSVM(), X, None),
    (LinearClassifier(alpha=0.1), SPARSE, LABELS),
    (LinearRegressor(alpha=0.1), X, TARGET),
    (SGDClassifierCV("log_loss", alphas=[1e-4, 1e-2], cv=2), X, LABELS),
    (LinearClassifierCV("log_loss", alphas=3, cv=2), X, LABELS),
]
METHODS = "predict", "decision_function", "predict_proba", "score_samples"


def for_prediction(est, path):
    est.save(path, training_state=False)
    return fastsgd.load(path)


@pytest.mark.parametrize("est, rows, y", KINDS, ids=lambda one: repr(one) if hasattr(one, "fit") else "")
def test_a_model_for_prediction_predicts_bit_for_bit(est, rows, y, tmp_path):
    est = clone(est).set_params(max_iter=3, random_state=0).fit(rows, y)
    again = for_prediction(est, tmp_path / "model")
    assert all(same(getattr(again, name), getattr(est, name)) for name in ("intercept_", "coef_") if hasattr(est, name))
    for name in METHODS:
        assert hasattr(again, name) == hasattr(est, name)
        assert not hasattr(est, name) or same(getattr(again, name)(rows), getattr(est, name)(rows))
    if y is not None:
        assert again.score(rows, y) == est.score(rows, y)
        if hasattr(est, "objective"):
            assert again.objective(rows, y) == est.objective(rows, y)
    for name in (
        "history_",
        "stop_reason_",
        "n_iter_",
        "t_",
        "auto_rule_",
        "mean_",
        "scale_",
        "classes_",
        "alpha_",
        "scores_",
        "cost_",
    ):
        assert same(getattr(again, name, None), getattr(est, name, None))
    copies = pickle.loads(pickle.dumps(again)), copy.copy(for_prediction(again, tmp_path / "again"))
    for other in copies:
        assert vars(other).keys() == vars(again).keys() - {"_checked"}
        assert same(other.predict(rows), est.predict(rows))
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()
    whole = os.path.getsize(tmp_path / "model")
    est.save(tmp_path / "model")
    assert whole <= os.path.getsize(tmp_path / "model")


@pytest.mark.parametrize("est, rows, y", KINDS, ids=lambda one: repr(one) if hasattr(one, "fit") else "")
def test_a_model_for_prediction_is_fitted_anew_as_any_other(est, rows, y, tmp_path):
    est = clone(est).set_params(max_iter=3, random_state=0).fit(rows, y)
    again = for_prediction(est, tmp_path / "model")
    if est.warm_start is False and hasattr(est, "partial_fit") and est.n_init == 1 and est.learning_rate != "auto":
        est.set_params(warm_start=True), again.set_params(warm_start=True)
    assert same(again.fit(rows, y).coef_, est.fit(rows, y).coef_)
    again.save(tmp_path / "model")
    if hasattr(est, "partial_fit"):
        assert same(fastsgd.load(tmp_path / "model")._state, est._state)
        assert same(taught(again, rows, y)._state, taught(est, rows, y)._state)


def test_what_a_model_for_prediction_can_not_do_says_why(tmp_path):
    est = SGDRegressor(learning_rate="auto", n_bootstrap=2, standardize=True, random_state=0, max_iter=2)
    est.fit(X, TARGET, record="coef")
    again, why = for_prediction(est, tmp_path / "model"), "file without the state of the training.* or fit anew"
    for call in (
        lambda: again.partial_fit(X, TARGET),
        lambda: again.coef_table(),
        lambda: again.predict_interval(X),
    ):
        with pytest.raises(ValueError, match=f"this SGDRegressor has no .*: it comes from a {why}"):
            call()
    for name in ("optimizer_state_", "record_", "path_", "restarts_", "_state"):
        assert not hasattr(again, name)
        with pytest.raises(AttributeError, match=why):
            getattr(again, name)
    with pytest.raises(
        ValueError, match=r"can't be saved to .*without the state of its training: give training_state=False"
    ):
        again.save(tmp_path / "model")
    with pytest.raises(ValueError, match="training_state must be True or False, found 0"):
        est.save(tmp_path / "model", training_state=0)
    found = for_prediction(SGDClassifierCV(alphas=[1e-4, 1e-2], cv=2, max_iter=3).fit(X, LABELS), tmp_path / "model")
    for name in ("coefs_paths_", "intercepts_paths_"):
        with pytest.raises(AttributeError, match=why):
            getattr(found, name)
    assert not hasattr(SGDRegressor(), "_state") and not hasattr(SGDRegressor().fit(X, TARGET), "restarts_")


def test_a_model_for_prediction_has_its_segments(tmp_path):
    est = SGDRegressor(max_iter=2, random_state=0).fit(X, TARGET, segments=np.arange(40) % 4)
    again = for_prediction(est, tmp_path / "model")
    assert same(again.segment_coefs_, est.segment_coefs_) and same(again.segments_, est.segments_)
    where = {"segments": np.arange(40) % 5}
    assert same(again.predict(X, **where), est.predict(X, **where))


def test_a_model_for_prediction_takes_a_third_of_the_room(tmp_path):
    rows = sp.random(200, 20_000, 0.05, "csr", np.float32, random_state=0)
    est = SGDClassifier("log_loss", learning_rate="auto", random_state=0).fit(rows, np.arange(200) % 2)
    whole = saved(est, tmp_path / "model")[1]
    assert os.path.getsize(tmp_path / "model") == whole
    for_prediction(est, tmp_path / "model")
    assert os.path.getsize(tmp_path / "model") < whole / 3
