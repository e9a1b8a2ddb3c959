"""learning_rate="auto" beyond its first passes, which are the solver's: it ends at the optimum, and says what was done."""

import os
import pickle
import signal

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from support.auto import problem

from fastsgd import Checkpoint, LinearClassifier, LinearRegressor, SGDClassifier, SGDRegressor, load
from fastsgd.stopping import Objective, ParameterChange

AUTO = dict(learning_rate="auto", random_state=0)
SOLVED = "certified", "estimated", "precision", "objective"
layouts = pytest.mark.parametrize("layout", ["dense", "csr32"])


def least(est, X, y, **weights):
    """The least objective, by the solver of the same problem."""
    kind = LinearClassifier if isinstance(est, SGDClassifier) else LinearRegressor
    names = (
        "loss",
        "penalty",
        "alpha",
        "l1_ratio",
        "fit_intercept",
        *(["class_weight"] if kind is LinearClassifier else []),
    )
    given = {name: getattr(est, name) for name in names}
    solved = kind(**given, tol=1e-7, max_iter=5000, random_state=0).fit(X, y, **weights)
    return np.mean(
        [solved.history_["objective"][solved.history_["head"] == h].min() for h in set(solved.history_["head"])]
    )


@layouts
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error", "huber", "quantile"])
def test_the_default_fit_ends_near_the_least_objective(loss, penalty, layout):
    task = "binary" if loss in ("log_loss", "hinge") else "regression"
    X, y = problem(layout, task=task)
    kind = SGDClassifier if task == "binary" else SGDRegressor
    y = y if task == "binary" else y / y.std()
    est = kind(loss, penalty=penalty, **AUTO).fit(X, y)
    best = least(est, X, y)
    assert est.stop_reason_ in SOLVED
    assert est.history_["objective"].min() <= best * (1.02 if est.stop_reason_ == "objective" else 1.001)
    assert est.history_["objective"][-1] == pytest.approx(est.history_["objective"].min(), rel=1e-12)
    np.testing.assert_allclose(est.objective(X, y), est.history_["objective"][-1], rtol=1e-9)


def test_the_history_has_a_record_of_each_pass_of_either():
    X, y = problem()
    est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    assert est.stop_reason_ == "certified" and 3 < est.n_iter_ == len(est.history_)
    assert est.history_["epoch"].tolist() == list(range(1, est.n_iter_ + 1))
    assert np.isfinite(est.history_["loss"][:3]).all() and np.isnan(est.history_["loss"][3:]).all()
    assert np.isfinite(est.history_["objective"]).all() and (np.diff(est.history_["seconds"]) >= 0).all()
    assert (np.diff(est.history_["objective"][3:]) <= 0).all()


@layouts
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_several_classes_are_each_within_tol(layout, n_jobs):
    X, z = problem(layout, task="regression")
    y = np.digitize(z, np.quantile(z, [0.2, 0.7]))
    est = SGDClassifier("log_loss", class_weight="balanced", n_jobs=n_jobs, **AUTO).fit(X, y)
    assert est.history_["objective"][-1] <= least(est, X, y) * (1 + 1e-3)
    np.testing.assert_allclose(est.objective(X, y), est.history_["objective"][-1], rtol=1e-9)
    same = SGDClassifier("log_loss", class_weight="balanced", **AUTO).fit(X, y)
    assert (same.coef_ == est.coef_).all() and same.n_iter_ == est.n_iter_ == len(est.history_)


@layouts
def test_classes_that_are_learnt_together_are_within_tol_together(layout):
    X, z = problem(layout, task="regression")
    y = np.digitize(z, np.quantile(z, [0.2, 0.7]))
    est = SGDClassifier("log_loss", multi_class="multinomial", **AUTO).fit(X, y)
    best = LinearClassifier(multi_class="multinomial", tol=1e-6, max_iter=3000, random_state=0).fit(X, y)
    assert est.n_iter_ == len(est.history_) > 3
    assert est.history_["objective"][-1] <= best.history_["objective"].min() * (1 + 1e-3)
    np.testing.assert_allclose(est.objective(X, y), est.history_["objective"][-1], rtol=1e-9)
    solved = est.coef_.copy()
    est.partial_fit(X[:1], y[:1])
    size = np.sqrt(((X.toarray() if sp.issparse(X) else X - X.mean(axis=0)) ** 2).mean(axis=0))
    assert 0 < (abs(est.coef_ - solved) * size).sum() < 0.05 * (abs(solved) * size).sum()


def test_several_targets_and_weights_of_rows():
    X, y = problem(task="regression")
    Y = np.column_stack([y / y.std(), np.arange(len(y)) / len(y)])
    weight = np.arange(len(y)) % 3
    est = SGDRegressor(**AUTO).fit(X, Y, sample_weight=weight)
    assert est.history_["objective"][-1] <= least(est, X, Y, sample_weight=weight) * (1 + 1e-3)


@layouts
def test_float32_has_a_model_of_float32_near_the_least_objective(layout):
    X, y = problem(layout, "f4")
    est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    assert est.coef_.dtype == np.float32 and est.stop_reason_ == "certified"
    assert est.objective(X, y) <= least(est, X.astype("f8"), y) * (1 + 2e-3)


@layouts
def test_standardised_columns_have_the_penalty_of_their_units(layout):
    X, y = problem(layout)
    scaled = StandardScaler(with_mean=not sp.issparse(X)).fit_transform(X)
    est = SGDClassifier("log_loss", standardize=True, alpha=0.01, **AUTO).fit(X, y)
    same = SGDClassifier("log_loss", alpha=0.01, **AUTO).fit(scaled, y)
    best = least(same, scaled, y)
    assert est.stop_reason_ == same.stop_reason_ == "certified"
    assert max(est.history_["objective"][-1], same.history_["objective"][-1]) <= best * (1 + 1e-3)


@pytest.mark.parametrize(
    "given",
    [
        {"tol": None, "max_iter": 12},
        {"max_iter": 9, "tol": 0},
        {"max_iter": 3, "tol": 0},
        {"early_stopping": True},
        {"stopping": Objective(1e-3, 1, absolute=True)},
        {"stopping": ["objective", ParameterChange(1e-3)]},
        {"loss": "sigmoid"},
        {"n_bootstrap": 2},
    ],
    ids=repr,
)
@pytest.mark.filterwarnings("ignore:Maximum number:sklearn.exceptions.ConvergenceWarning")
def test_what_asks_for_passes_of_sgd_has_only_those(given):
    X, y = problem()
    est = SGDClassifier(**{"loss": "log_loss"} | AUTO | given).fit(X, y)
    assert np.isfinite(est.history_["loss"]).all() and est.stop_reason_ not in ("certified", "estimated", "precision")


@layouts
def test_the_first_passes_are_those_of_sgd(layout):
    X, y = problem(layout)
    est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    alone = SGDClassifier("log_loss", max_iter=3, tol=None, stopping=None, **AUTO).fit(X, y)
    assert (est.history_["loss"][:3] == alone.history_["loss"]).all()


@layouts
def test_partial_fit_goes_on_from_the_solution(layout):
    X, y = problem(layout)
    est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    solved = est.coef_.copy()
    copy = pickle.loads(pickle.dumps(est)).partial_fit(X[:1], y[:1])
    est.partial_fit(X[:1], y[:1])
    assert (est.coef_ == copy.coef_).all() and (est.coef_ != solved).any()
    assert est.t_ == 3 * len(y) + 2
    size = np.sqrt(((X.toarray() if sp.issparse(X) else X - X.mean(axis=0)) ** 2).mean(axis=0))
    assert abs((est.coef_ - solved) * size).sum() < 0.05 * abs(solved * size).sum()


def test_a_model_file_keeps_what_partial_fit_goes_on_from(tmp_path):
    X, y = problem("csr32")
    est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    est.save(tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert (loaded.coef_ == est.coef_).all() and loaded.stop_reason_ == est.stop_reason_
    assert (loaded.partial_fit(X, y).coef_ == est.partial_fit(X, y).coef_).all()


def test_callbacks_see_each_pass_and_stop():
    X, y = problem()
    seen = []

    def look(progress):
        seen.append((progress.epoch, progress.estimator.objective(X, y), progress.history["objective"][-1]))
        return progress.epoch == 4

    est = SGDClassifier("log_loss", callbacks=look, **AUTO).fit(X, y)
    assert est.stop_reason_ == "callback" and est.n_iter_ == 4
    assert [epoch for epoch, *_ in seen] == [1, 2, 3, 4]
    np.testing.assert_allclose(*zip(*(values for _, *values in seen), strict=True), rtol=1e-9)
    free = SGDClassifier("log_loss", **AUTO).fit(X, y)
    watched = SGDClassifier("log_loss", callbacks=lambda progress: None, **AUTO).fit(X, y)
    assert (watched.coef_ == free.coef_).all()


def test_max_iter_counts_the_passes_of_both():
    X, y = problem()
    with pytest.warns(ConvergenceWarning, match="Maximum number"):
        est = SGDClassifier("hinge", tol=1e-9, n_iter_no_change=100, max_iter=10, **AUTO).fit(X, y)
    assert est.stop_reason_ == "max_iter" and est.n_iter_ == 10
    assert est.history_["objective"][-1] <= est.history_["objective"][:3].min()


def test_ctrl_c_leaves_the_best_model_so_far():
    X, y = problem()

    def press(progress):
        if progress.epoch == 4:
            os.kill(os.getpid(), signal.SIGINT)

    est = SGDClassifier("log_loss", callbacks=press, **AUTO)
    with pytest.raises(KeyboardInterrupt, match="holds the model of that moment"):
        est.fit(X, y)
    assert est.stop_reason_ == "interrupted" and est.n_iter_ >= 4
    np.testing.assert_allclose(est.objective(X, y), est.history_["objective"][-1], rtol=1e-9)


def test_a_fit_that_is_resumed_ends_with_the_same_bits(tmp_path):
    X, y = problem()
    whole = SGDClassifier("log_loss", **AUTO).fit(X, y)
    path = tmp_path / "fit.run"

    def press(progress):
        if progress.epoch in (2, 4):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        SGDClassifier("log_loss", callbacks=[Checkpoint(path), press], **AUTO).fit(X, y)
    with pytest.raises(KeyboardInterrupt):
        SGDClassifier("log_loss", callbacks=[Checkpoint(path), press], **AUTO).fit(X, y, resume_from=path)
    est = SGDClassifier("log_loss", callbacks=[Checkpoint(path)], **AUTO).fit(X, y, resume_from=path)
    assert (est.coef_ == whole.coef_).all() and (est.history_["objective"] == whole.history_["objective"]).all()


def test_a_record_has_the_solution_as_its_last_row():
    X, y = problem()
    est = SGDClassifier("log_loss", **AUTO)
    est.fit(X, y, record=["objective", "coef"])
    free = SGDClassifier("log_loss", **AUTO).fit(X, y)
    assert (est.coef_ == free.coef_).all()
    assert est.record_["epoch"].tolist() == [0, 1, 2, 3, est.n_iter_]
    np.testing.assert_allclose(est.record_["objective"][-1], est.history_["objective"][-1], rtol=1e-9)
    assert (est.path_.coef[-1] == est.coef_).all()


def test_no_squares_no_solver():
    X, y = problem()
    X = X.copy()
    X[:, 0] *= 1e160
    with pytest.warns(ConvergenceWarning, match="left out columns"):
        est = SGDClassifier("log_loss", **AUTO).fit(X, y)
    assert est.stop_reason_ == "objective" and np.isfinite(est.history_["loss"]).all()
