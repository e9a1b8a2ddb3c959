"""LinearClassifier and LinearRegressor as scikit-learn's estimators are, and on awkward data."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from support.data import labels
from support.linear import CODE, TIGHT, S, X, Y, close

from fastsgd import LinearClassifier, LinearRegressor, SGDClassifier
from fastsgd.estimators.base_linear import readable

# ---------------------------------------------------------------- conventions


def test_a_path_of_alphas_takes_fewer_passes_from_the_last_solution():
    A, y = sp.csr_matrix(X * (abs(X) > 1)), CODE
    passes = {}
    for warm in (False, True):
        est = LinearClassifier("hinge", random_state=0, tol=1e-3, warm_start=warm)
        passes[warm] = sum(est.set_params(alpha=a).fit(A, y).n_iter_ for a in 10.0 ** -np.linspace(1, 2.5, 10))
    assert passes[True] < 0.8 * passes[False]


def test_what_is_recorded():
    est = LinearClassifier("hinge", alpha=1e-2, random_state=0).fit(X, labels(Y, 3))
    h = est.history_
    assert set(h["head"]) == {0, 1, 2} and est.n_iter_ == h["epoch"].max()
    assert est.stop_reason_ == "certified" and 0 < est.dual_gap_ <= 1e-4
    for head in range(3):
        of = h[h["head"] == head]
        assert (np.diff(of["objective"]) <= 0).all() and (np.diff(of["gap"]) <= 0).all()
    assert est.dual_gap_ == max((h["gap"] / h["objective"])[h["head"] == k][-1] for k in range(3))


def test_max_iter_warns_and_says_so():
    with pytest.warns(ConvergenceWarning, match="max_iter=2"):
        est = LinearClassifier("hinge", max_iter=2, tol=1e-9).fit(X, CODE)
    assert est.stop_reason_ == "max_iter" and est.n_iter_ == 2


def test_callbacks_see_a_fitted_model_and_stop_it(capsys):
    seen = []

    def third(progress):
        seen.append((progress.epoch, len(progress.history), progress.estimator.score(X, CODE)))
        return progress.epoch == 3

    est = LinearClassifier("hinge", tol=1e-9, callbacks=third, verbose=1).fit(X, CODE)
    assert est.stop_reason_ == "callback" and [s[:2] for s in seen] == [(1, 1), (2, 2), (3, 3)]
    assert seen[-1][2] == est.score(X, CODE) and capsys.readouterr().out.count("objective") == 3


def test_ctrl_c_leaves_a_fitted_estimator():
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    est = LinearClassifier("hinge", tol=1e-9, callbacks=interrupt)
    with pytest.raises(KeyboardInterrupt, match="interrupted"):
        est.fit(X, CODE)
    assert est.stop_reason_ == "interrupted" and est.score(X, CODE) > 0.7


def test_the_same_seed_gives_the_same_model():
    est = LinearClassifier("hinge", alpha=1e-2, random_state=3)
    np.testing.assert_array_equal(est.fit(X, CODE).coef_, clone(est).fit(X, CODE).coef_)


def test_threads_give_the_same_model():
    A, y = load_digits(return_X_y=True)
    one, two = (LinearClassifier(alpha=1e-2, random_state=0, n_jobs=jobs).fit(A, y) for jobs in (1, 2))
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_soft_labels():
    p = 1 / (1 + np.exp(-Y))
    ours = LinearClassifier(alpha=1e-2, **TIGHT).fit(X, p)
    twice = LinearClassifier(alpha=1e-2, **TIGHT).fit(np.vstack([X, X]), np.repeat([1, 0], len(X)), np.append(p, 1 - p))
    close(ours, twice, 1e-5)


def test_data_are_not_copied_where_a_kernel_reads_them():
    for A in (X, X.astype("f4"), sp.csr_matrix(X * (X > 1)), sp.csr_array(X * (X > 1))):
        assert readable(A) is A
    assert type(readable(sp.csr_matrix(X))) is np.ndarray  # half full


@pytest.mark.parametrize(
    "params, y, words",
    [
        ({"loss": "sigmoid"}, CODE, "loss"),
        ({"multi_class": "multinomial", "loss": "hinge"}, CODE, "needs loss='log_loss'"),
        ({"multi_class": "multinomial", "penalty": "l1"}, CODE, "penalty='l2' or None"),
        ({"alpha": -1.0}, CODE, "alpha"),
        ({"callbacks": ["no"]}, CODE, "callables"),
        ({}, np.zeros(300), "number of classes"),
    ],
)
def test_bad_parameters(params, y, words):
    with pytest.raises(ValueError, match=words):
        LinearClassifier(**params).fit(X, y)


def test_all_weights_zero():
    with pytest.raises(ValueError, match="sample_weight must not be all zero"):
        LinearRegressor().fit(X, Y, np.zeros(300))


# ---------------------------------------------------------------- awkward data


def test_softmax_on_a_sparse_matrix_that_is_half_full():
    code, full = labels(Y, 3), sp.csr_matrix(X)
    sparse = LinearClassifier(multi_class="multinomial", random_state=0).fit(full, code)
    np.testing.assert_allclose(sparse.coef_, LinearClassifier(multi_class="multinomial").fit(X, code).coef_, rtol=1e-6)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge"])
def test_columns_that_the_penalty_rules_out_do_not_hold_back_the_intercept(loss):
    y = np.arange(300) % 3 == 0
    est = LinearClassifier(loss, random_state=0).fit(X * 1e-12, y)
    plain = LinearClassifier(loss, random_state=0).fit(np.zeros((300, 1)), y)
    np.testing.assert_allclose(est.intercept_, plain.intercept_, rtol=1e-3)
    assert est.stop_reason_ == "certified"


@pytest.mark.parametrize("loss", ["log_loss", "hinge"])
@pytest.mark.parametrize("size", [1e-300, 1e305, 1e308])
def test_weights_of_any_size(loss, size):
    params = dict(alpha=1e-2, tol=1e-8, random_state=0)
    plain, sized = (LinearClassifier(loss, **params).fit(X, CODE, s) for s in (S, S * size / S.max()))
    np.testing.assert_allclose(sized.coef_, plain.coef_, rtol=1e-3)


@pytest.mark.parametrize("weights", [{0: -1.0}, {0: np.nan}, {0: 0, 1: 0}])
@pytest.mark.parametrize("make", [LinearClassifier, SGDClassifier])
def test_class_weights_that_are_none(make, weights):
    with pytest.raises(ValueError, match="class_weight must be finite, >= 0 and not all 0, found"):
        make(class_weight=weights).fit(X, CODE)


def test_no_row_has_weight():
    with pytest.raises(ValueError, match="must not be all zero"):
        LinearClassifier(class_weight={0: 0.0, 1: 1.0}).fit(X, CODE, CODE == 0)


def test_numbers_that_overflow():
    with pytest.raises(ValueError, match="y is too large"):
        LinearRegressor().fit(X, Y * 1e200)
    with pytest.raises(ValueError, match="X is too large in column 2"):
        LinearClassifier().fit(X * [1, 1, 1e200, 1, 1, 1], CODE)


# ---------------------------------------------------------------- scikit-learn's callbacks


class Seen:
    """What scikit-learn's protocol tells, in order: (hook, task, fitted copy)."""

    def __init__(self, last=None):
        self.calls, self.last = [], last

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name, None))

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name, None))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("begin", context.task_name, fitted_estimator))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.calls.append(("end", context.task_name, fitted_estimator))
        return context.task_name == "epoch" and context.task_id == self.last


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback")


@pytest.mark.parametrize("params", [{}, {"n_jobs": 3}, {"multi_class": "multinomial"}], ids=str)
def test_scikit_learns_callbacks_see_every_pass(params, callback):
    seen, y = Seen(), labels(Y, 3)
    est = LinearClassifier(random_state=0, **params).set_callbacks(seen).fit(X, y)
    hooks = [name for name, *_ in seen.calls]
    assert hooks == ["setup", "begin", *["begin", "end"] * len(est.history_), "end", "teardown"]
    np.testing.assert_array_equal(seen.calls[-2][2].predict_proba(X), est.predict_proba(X))
    plain = LinearClassifier(random_state=0, **params).fit(X, y)
    np.testing.assert_array_equal(plain.coef_, est.coef_)


def test_scikit_learns_callbacks_may_stop_the_fit_and_are_torn_down(callback):
    est = LinearRegressor("huber", tol=1e-12).set_callbacks(Seen(last=1)).fit(X, Y)
    assert est.stop_reason_ == "callback" and est.n_iter_ == 2
    for error in (KeyboardInterrupt, ZeroDivisionError):

        def fails(progress, error=error):
            raise error

        seen = Seen()
        with pytest.raises(error):
            LinearRegressor(callbacks=fails).set_callbacks(seen).fit(X, Y)
        assert seen.calls[-1][0] == "teardown"
    assert LinearRegressor().set_callbacks(Seen()).set_callbacks().fit(X, Y).stop_reason_ == "certified"


@pytest.mark.parametrize("weight", [None, np.linspace(0.0, 1.0, len(Y))], ids=["", "weights"])
def test_scoring_monitor_and_progress_bar(weight, callback, capsys):
    pytest.importorskip("rich")
    monitor = callback.ScoringMonitor(scoring="r2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rich's own
        est = LinearRegressor().set_callbacks(monitor, callback.ProgressBar()).fit(X, Y, weight)
    log = monitor.get_logs()
    scores = [row["r2"] for row in (log[0] if isinstance(log, list) else log).data if row["task_name"] == "epoch"]
    assert len(scores) == len(est.history_) and scores[-1] == pytest.approx(est.score(X, Y, weight))
    assert "LinearRegressor" in capsys.readouterr().out


def test_a_warning_is_of_the_users_line():
    with pytest.warns(ConvergenceWarning, match="max_iter=1") as caught:
        LinearRegressor("huber", max_iter=1, tol=1e-12).fit(X, Y)
    assert caught[0].filename == __file__


def test_a_fit_that_fails_leaves_the_estimator_as_it_was():
    est = LinearClassifier(random_state=0).fit(X, labels(Y, 3))
    before = est.predict(X)
    for how in ({"X": X[:, :2], "y": CODE, "sample_weight": np.zeros(len(X))}, {"X": X * 1e200, "y": CODE}):
        with pytest.raises(ValueError, match=r"all zero|too large"):
            est.fit(**how)
        np.testing.assert_array_equal(est.predict(X), before)
