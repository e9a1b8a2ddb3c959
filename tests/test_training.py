"""fit: what it reports is of the model it returns; why it stopped; validation, callbacks, Ctrl-C."""

import numpy as np
import pytest
import reference
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from support.data import LAYOUTS, labels, rows
from support.training import (
    BOTH,
    EVERY,
    callbacks_of_sklearn,  # noqa: F401 (a fixture)
    split,
)

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses
from fastsgd._kernels import kernels
from fastsgd.state import State

# ---------------------------------------------------------------- history


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_objective_is_that_of_the_model_returned(classes, layout, penalty, average):
    """classes 1: a regression."""
    X, y, s = rows()
    params = dict(penalty=penalty, alpha=0.05, l1_ratio=0.3, average=average, tol=1e-3, random_state=0)
    weights = {}
    if classes == 1:
        est, Y = SGDRegressor(loss="huber", epsilon=0.3, **params), y[:, None]
    else:
        y = labels(y, classes)
        params["learning_rate"] = "constant"
        est = SGDClassifier(loss="squared_hinge", class_weight={0: 2.0}, **params)
        Y = np.where(y[:, None] == (np.arange(classes) if classes > 2 else [1]), 1.0, -1.0)
        first = np.arange(Y.shape[1]) == 0
        weights = {"s_pos": 1.0 + first, "s_neg": np.ones(classes)} if classes > 2 else {"s_pos": [1.0], "s_neg": [2.0]}
    est.fit(LAYOUTS[layout](X), y, sample_weight=s)
    share = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": 0.3}[penalty]
    factor = 0.0 if penalty is None else 0.05
    given = dict(l1=factor * share, l2=factor * (1 - share), s=s, **weights)
    coef = np.atleast_2d(est.coef_).T
    value = reference.objective(X, Y, losses.get(est.loss, 0.3), coef, est.intercept_, **given).mean()
    assert est.history_["objective"].min() == pytest.approx(value, rel=1e-12)


def test_objective_of_the_one_class_machine():
    X, _, s = rows()
    est = SGDOneClassSVM(nu=0.3, random_state=0, average=True).fit(X, sample_weight=s)
    given = dict(l2=0.3, nu=0.3, s=s)
    Y = np.ones((200, 1))
    value = reference.objective(X, Y, losses.Hinge(), est.coef_[:, None], 1 - est.offset_, **given)[0]
    assert est.history_["objective"].min() == pytest.approx(value, rel=1e-12)


@EVERY
def test_history_has_a_row_for_each_epoch(cls):
    X, y, *_ = split(cls)
    est = cls(max_iter=7, tol=None, learning_rate="constant", eta0=0.002, random_state=0).fit(X, y)
    h = est.history_
    assert est.n_iter_ == 7 and h["epoch"].tolist() == list(range(1, 8))
    assert (np.diff(h["seconds"]) > 0).all() and (h["eta"] == 0.002).all()
    assert (cls is SGDOneClassSVM or h["loss"][-1] < h["loss"][0]) and np.isnan(h["validation_score"]).all()
    assert h.dtype.names == tuple(
        ["epoch", "loss", "objective", "validation_score", "eta", "gradient_norm", "change", "step_length", "seconds"]
    )


def test_loss_in_the_history_is_of_rows_before_their_step():
    X, y, s = rows()
    est = SGDRegressor(max_iter=1, tol=None, shuffle=False, alpha=0.0).fit(X, y, sample_weight=s)
    eta = lambda t: 0.01 / t**0.25  # noqa: E731
    *_, sums = reference.sgd(X, y[:, None], losses.SquaredError(), eta, s=s)
    assert est.history_["loss"][0] == pytest.approx(sums[0, 0] / sums[1, 0], rel=1e-12)


# ---------------------------------------------------------------- stop_reason_


def test_stop_reasons():
    X, y, X_val, y_val = split(SGDRegressor)
    assert SGDRegressor(tol=1e-3).fit(X, y).stop_reason_ == "objective"
    assert SGDRegressor(tol=None, max_iter=3).fit(X, y).stop_reason_ == "max_iter"
    assert SGDRegressor().fit(X, y, X_val=X_val, y_val=y_val).stop_reason_ == "validation"
    assert SGDRegressor(early_stopping=True).fit(X, y).stop_reason_ == "validation"
    est = SGDRegressor(tol=None, max_iter=10**9, max_seconds=0.05).fit(X, y)
    assert est.stop_reason_ == "max_seconds" and est.history_["seconds"][-1] < 1.0
    est = SGDRegressor(tol=None, callbacks=lambda progress: progress.epoch == 4).fit(X, y)
    assert est.stop_reason_ == "callback" and est.n_iter_ == 4
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration"):
        assert SGDRegressor(tol=1e-9, max_iter=2).fit(X, y).stop_reason_ == "max_iter"


def test_the_time_budget_is_kept_within_an_epoch(set_sizes):
    set_sizes(call_rows=64)
    X, y, _ = rows(3000)
    est = SGDRegressor(tol=None, max_iter=10, max_seconds=1e-9).fit(X, y)
    assert est.stop_reason_ == "max_seconds" and 1 < est.t_ < 3001 and len(est.history_) == 1
    assert np.isfinite(est.predict(X)).all()


def test_stops_when_the_objective_stalls_for_n_iter_no_change_epochs():
    X, y, *_ = split(SGDRegressor)
    for patience in (1, 3, 8):
        est = SGDRegressor(tol=1e-3, n_iter_no_change=patience, random_state=0).fit(X, y)
        values, best, waited = est.history_["objective"], np.inf, []
        for value in values:
            waited.append(0 if value < best - 1e-3 or not waited else waited[-1] + 1)
            best = min(best, value)
        assert waited[-1] == patience and max(waited[:-1]) < patience


def test_adaptive_cuts_the_step_by_5_until_it_is_tiny():
    X, y, *_ = split(SGDRegressor)
    est = SGDRegressor(learning_rate="adaptive", eta0=0.05, random_state=0).fit(X, y)
    eta = est.history_["eta"]
    ratio = eta[1:] / eta[:-1]
    assert np.all(np.isclose(ratio, 1) | np.isclose(ratio, 0.2))
    assert eta[0] == 0.05 and eta[-1] < 1e-5 and est.stop_reason_ == "objective"


@pytest.mark.parametrize("layout", LAYOUTS)
@BOTH
def test_divergence_is_an_error_that_leaves_a_finite_model(cls, layout):
    X, y, _ = rows()
    X[:, 2] *= 1e200
    y = labels(y) if cls is SGDClassifier else y
    est = cls(learning_rate="constant", eta0=1e150, loss="squared_error", average=True)
    with pytest.raises(
        ValueError, match=r"overflow occurred at epoch #1.*columns of largest scale are 2 .*last finite"
    ):
        est.fit(LAYOUTS[layout](X), y)
    assert est.stop_reason_ == "diverged" and len(est.history_) == 0
    assert np.isfinite(est.coef_).all() and np.isfinite(est.intercept_).all()


def test_divergence_in_a_later_epoch_keeps_the_epochs_before(monkeypatch):
    X, y, _ = rows()
    sweep, calls = kernels.sweep, []

    def fails_in_the_third(*args):
        calls.append(1)
        return sweep(*args) or len(calls) == 3

    monkeypatch.setattr(kernels, "sweep", fails_in_the_third)
    est = SGDRegressor(tol=None, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"diverged.*weights are those before.*eta0.*columns of largest scale"):
        est.fit(X, y)
    monkeypatch.undo()
    assert est.stop_reason_ == "diverged" and len(est.history_) == est.n_iter_ == 2
    two = SGDRegressor(tol=None, max_iter=2, random_state=0).fit(X, y)
    np.testing.assert_array_equal(est.coef_, two.coef_)
    np.testing.assert_array_equal(est.partial_fit(X, y).coef_, two.partial_fit(X, y).coef_)


def test_a_model_worse_than_nothing_is_told_at_the_users_line():
    X, y, _ = rows()
    X[:, 1] *= 1e4
    with pytest.warns(
        ConvergenceWarning, match=r"diverged.*set standardize.*Lower eta0.*largest scale are 1 "
    ) as caught:
        est = SGDRegressor(max_iter=5, tol=None).fit(X, y)
    assert est.stop_reason_ == "diverged" and caught[0].filename == __file__


# ---------------------------------------------------------------- validation


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("classes", [2, 4])
@BOTH
def test_the_best_weights_are_returned(cls, classes, layout, average):
    X, y, X_val, y_val = split(cls, layout, classes)
    rate = dict(learning_rate="constant", eta0=0.05, n_iter_no_change=7, alpha=0.001, random_state=0)
    est = cls(average=average, **rate).fit(X, y, X_val=X_val, y_val=y_val)
    assert est.score(X_val, y_val) == pytest.approx(est.history_["validation_score"].max(), rel=1e-12)
    assert len(est.history_) == est.n_iter_ >= np.argmax(est.history_["validation_score"]) + 1


@pytest.mark.parametrize("scoring", [None, "loss"])
@BOTH
def test_the_best_weights_on_a_validation_set_are_returned_without_tol_too(cls, scoring):
    X, y, X_val, y_val = split(cls)
    seen = []
    params = dict(learning_rate="constant", eta0=0.2, alpha=0.001, random_state=2, validation_scoring=scoring)
    est = cls(tol=None, max_iter=12, callbacks=lambda p: seen.append(p.estimator.coef_), **params)
    est.fit(X, y, X_val=X_val, y_val=y_val)
    scores = est.history_["validation_score"]
    assert est.n_iter_ == 12 and est.stop_reason_ == "max_iter" and np.argmax(scores) < 11
    np.testing.assert_array_equal(est.coef_, seen[np.argmax(scores)])


@BOTH
def test_early_stopping_splits_off_rows_of_its_own(cls):
    from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

    X, y, *_ = split(cls)
    est = cls(early_stopping=True, validation_fraction=0.2, random_state=3, shuffle=False).fit(X, y)
    cut = StratifiedShuffleSplit if cls is SGDClassifier else ShuffleSplit
    train, val = (np.sort(part) for part in next(cut(1, test_size=0.2, random_state=3).split(X, y)))
    by_hand = cls(random_state=3, shuffle=False).fit(X[train], y[train], X_val=X[val], y_val=y[val])
    np.testing.assert_array_equal(est.coef_, by_hand.coef_)
    np.testing.assert_array_equal(est.history_["validation_score"], by_hand.history_["validation_score"])
    assert est.t_ == 1 + len(train) * (1 + np.argmax(est.history_["validation_score"]))


def test_early_stopping_on_log_loss_scores_accuracy():
    """scikit-learn 1.9 reports the share of true positives."""
    X, y, X_val, y_val = split(SGDClassifier)
    seen = []
    est = SGDClassifier(loss="log_loss", callbacks=lambda p: seen.append(p.estimator.predict(X_val)), random_state=0)
    est.fit(X, y, X_val=X_val, y_val=y_val)
    assert est.history_["validation_score"].tolist() == [accuracy_score(y_val, predicted) for predicted in seen]


@pytest.mark.parametrize("scoring", ["neg_log_loss", "loss", "roc_auc", lambda est, X, y: est.score(X, y) - 1.0])
def test_scoring_of_the_validation_set(scoring):
    X, y, X_val, y_val = split(SGDClassifier)
    est = SGDClassifier(loss="log_loss", validation_scoring=scoring, alpha=0.01, random_state=0)
    est.fit(X, y, X_val=X_val, y_val=y_val)
    best = est.history_["validation_score"].max()
    if scoring == "loss":
        assert best == pytest.approx(-log_loss(y_val, est.predict_proba(X_val)), rel=1e-9)
    else:
        scorer = scoring if callable(scoring) else get_scorer(scoring)
        assert best == pytest.approx(scorer(est, X_val, y_val), rel=1e-12)


@BOTH
def test_weights_of_the_validation_set_count(cls):
    X, y, X_val, y_val = split(cls)
    s = np.r_[np.ones(50), np.zeros(50)]
    given = dict(tol=None, max_iter=5, random_state=0)
    weighted = cls(**given).fit(X, y, X_val=X_val, y_val=y_val, sample_weight_val=s)
    half = cls(**given).fit(X, y, X_val=X_val[:50], y_val=y_val[:50])
    np.testing.assert_allclose(weighted.history_["validation_score"], half.history_["validation_score"])


def test_soft_labels_are_validated_by_their_loss():
    X = split(SGDClassifier)[0]
    p = 1 / (1 + np.exp(-X @ np.ones(6)))
    est = SGDClassifier(loss="log_loss", early_stopping=True, validation_scoring="loss", random_state=0).fit(X, p)
    assert (est.history_["validation_score"] < 0).all()
    with pytest.raises(ValueError, match="validation_scoring='loss'"):
        SGDClassifier(loss="log_loss", early_stopping=True).fit(X, p)


# ---------------------------------------------------------------- warm start


@BOTH
def test_warm_start_goes_on_from_the_coefficients(cls):
    X, y, *_ = split(cls)
    given = dict(max_iter=2, tol=None, shuffle=False, learning_rate="constant")
    warm = cls(warm_start=True, **given).fit(X, y).fit(X, y)
    cold = cls(**given).fit(X, y)
    again = cls(**given).fit(X, y, coef_init=cold.coef_, intercept_init=cold.intercept_)
    np.testing.assert_array_equal(warm.coef_, again.coef_)
    assert warm.t_ == cold.t_


# ---------------------------------------------------------------- words


def test_verbose_prints_a_line_an_epoch(capsys):
    X, y, *_ = split(SGDRegressor)
    SGDRegressor(verbose=1, max_iter=3, tol=None).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert (
        len(lines) == 4 and lines[0].startswith("epoch 1/3: loss ") and "stopped after 3 epochs (max_iter)" in lines[3]
    )
    SGDRegressor(max_iter=3, tol=None).fit(X, y)
    assert capsys.readouterr().out == ""


def test_a_fit_draws_from_a_seed_what_it_draws_from_a_generator_of_that_seed():
    X, y = np.random.default_rng(0).standard_normal((2, 40, 3))
    models = [SGDRegressor(random_state=s, max_iter=3, tol=None) for s in (5, np.int64(5), np.random.RandomState(5))]
    coefs = [model.fit(X, y[:, 0]).coef_ for model in (*models, models[0])]
    assert all((coef == coefs[0]).all() for coef in coefs)


@pytest.mark.parametrize("wrong", [{"max_iter": 5.0}, {"shuffle": 2}, {"alpha": "1"}, {"max_iter": 2**63}])
def test_a_value_of_another_type_is_refused_after_one_that_equals_it_was_taken(wrong):
    X, y = np.random.default_rng(0).standard_normal((2, 40, 3))
    SGDRegressor(max_iter=5, shuffle=True, alpha=1.0, tol=None).fit(X, y[:, 0])
    with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter of SGDRegressor must be"):
        SGDRegressor(**wrong).fit(X, y[:, 0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_model_of_the_end_of_an_epoch_is_made_once(monkeypatch):
    """Its objective, its validation score, callbacks and the attributes are all of one model."""
    X, y = np.random.default_rng(0).standard_normal((2, 300, 4))
    made, model = [], State.model

    def counted(self, plan):
        made.append(self.epoch)
        return model(self, plan)

    monkeypatch.setattr(State, "model", counted)
    est = SGDRegressor(
        max_iter=3,
        stopping=["objective", "parameters"],
        tol=0,
        callbacks=[lambda progress: progress.estimator.coef_ is None],
    )
    est.fit(X, y[:, 0], X_val=X, y_val=y[:, 0])
    assert est.n_iter_ == 3
    assert made == [0, 1, 2, 3], "of the start, with which the rule compares, and of each epoch"
