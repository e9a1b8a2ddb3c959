"""A fit that diverges ends, says so, and holds what the user can go on from."""

import re
import warnings

import numpy as np
import pytest
import reference
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import ConvergenceWarning
from support.data import LAYOUTS
from support.stopping import data

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, optimizers, schedules, stopping

# ---------------------------------------------------------------- divergence


def dollars(n=300):
    """Two columns of ordinary numbers and one of amounts of money."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, 3)) * [1.0, 900.0, 1.0]
    return X, X @ [1.0, 0.002, -1.0] + rng.standard_normal(n)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_fit_that_runs_away_is_ended_at_its_last_good_weights(layout):
    X, y = dollars()
    with pytest.warns(ConvergenceWarning, match=r"The fit diverged.*Lower eta0.*largest scale are 1 \(up to") as caught:
        est = SGDRegressor(random_state=0).fit(LAYOUTS[layout](X), y)
    assert (
        len(caught) == 1 and caught[0].filename == __file__ and "learning_rate='invscaling'" in str(caught[0].message)
    )
    assert est.stop_reason_ == "diverged" and est.n_iter_ <= 4 and np.isfinite(est.coef_).all()
    assert len(est.history_) == est.n_iter_ and est.history_["loss"][-1] > 1e6


@pytest.mark.parametrize("rule", ["objective", stopping.ParameterChange(1e-9)])
def test_the_weights_kept_are_those_of_the_best_or_last_good_epoch(rule):
    X, y, _ = data()
    rising = schedules.Cosine(warmup=0.9, passes=100)  # until no step is small enough
    est = SGDRegressor(learning_rate=rising, eta0=2.0, tol=1e-30, n_iter_no_change=50, random_state=0, stopping=rule)
    with pytest.warns(ConvergenceWarning, match=r"diverged.*The weights are those before it did"):
        est.fit(X, y)
    if rule == "objective":
        last = np.argmin(est.history_["objective"]) + 1
    else:
        last = np.flatnonzero(est.history_["loss"] < 1e6 * (1 + np.mean(y**2) / 2))[-1] + 1
    assert last < len(est.history_)
    short = SGDRegressor(learning_rate=rising, eta0=2.0, tol=None, max_iter=last, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # they may be bad already
        short.fit(X, y)
    np.testing.assert_array_equal(est.coef_, short.coef_)


def test_columns_are_named_as_in_the_data_frame():
    pd = pytest.importorskip("pandas")
    X, y = dollars()
    with pytest.warns(ConvergenceWarning, match=r"largest scale are income \(up to"):
        SGDRegressor().fit(pd.DataFrame(X, columns=["age", "income", "height"]), y)


def test_overflow_in_the_first_epoch_is_an_error_as_in_scikit_learn():
    X, y = dollars()
    est = SGDRegressor(learning_rate="constant", eta0=1.0)
    with pytest.raises(ValueError, match=r"overflow occurred at epoch #1.*the columns of largest scale are 1 "):
        est.fit(X * 1e200, y)
    assert est.stop_reason_ == "diverged" and np.isfinite(est.coef_).all()


def test_without_tol_nothing_ends_it_before_max_iter():
    X, y = dollars()
    with pytest.warns(ConvergenceWarning, match="It holds the last weights"):
        est = SGDRegressor(tol=None, max_iter=12, random_state=0).fit(X, y)
    assert est.n_iter_ == 12 and est.stop_reason_ == "diverged"


def test_a_loss_that_comes_back_is_no_divergence():
    """The first steps are large, for rows of such a weight, and then fall as 1 / t: scikit-learn gets there too."""
    X, y = make_blobs(centers=2, random_state=0, cluster_std=20)
    for seed in range(5):
        est = SGDClassifier(loss="log_loss", class_weight={0: 1000, 1: 1e-4}, n_iter_no_change=20, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            est.fit(X, y)
        assert est.stop_reason_ != "diverged" and est.history_["objective"].max() > 1e6
        assert (est.predict(X) == 0).all() and est.history_["objective"][-1] < 1000


@pytest.mark.parametrize(
    ("est", "advice"),
    [
        (SGDRegressor(), r"Lower eta0( to [0-9.e-]+)? \(it is 0.01"),
        (SGDRegressor(learning_rate="optimal"), r"Take learning_rate='invscaling'.* follow from alpha=0.0001 alone"),
        (SGDRegressor(learning_rate="optimal", optimizer=optimizers.SGD(momentum=0.9), eta0=5.0), "Lower eta0"),
        (SGDOneClassSVM(nu=0.25), r"Take learning_rate='invscaling'.* follow from nu=0.25 alone"),
        (SGDRegressor(learning_rate="auto"), "Divide y, or columns of large values in X, by their size"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_the_advice_is_for_the_schedule_at_hand(est, advice):
    X, y = dollars()
    y = y * (1e200 if est.learning_rate == "auto" else 1.0)
    for size in (1.0,) if est.learning_rate == "auto" else (1e7, 1e200):  # a warning, and an error
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", ConvergenceWarning)
            try:
                clone(est).fit(X * size, y)
            except ValueError as error:
                told.append(error)
        words = str(getattr(told[-1], "message", told[-1]))
        assert re.search(advice, words) and ("(it is 0.01" in words or "(it is 5" in words) == advice.startswith(
            "Lower"
        )
        assert ("standardize=True" in words) == (est.learning_rate != "auto")


def test_large_targets_are_no_divergence():
    X, y, _ = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        est = SGDRegressor(random_state=0, tol=1e10).fit(X, 1e8 * y)
    assert est.stop_reason_ == "objective" and est.score(X, 1e8 * y) > 0.8
    assert reference.objective(X, 1e8 * y[:, None], losses.SquaredError(), est.coef_[:, None], est.intercept_)[0] > 1e6
