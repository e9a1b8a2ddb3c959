"""The features of what is predicted, scored or trained on further are those of fit, as they are for estimators of one machine."""

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import dump_svmlight_file
from sklearn.exceptions import NotFittedError

from fastsgd import dask as on
from fastsgd import sources
from fastsgd.dask.runners import LocalRunner

N, D = 600, 5
RNG = np.random.default_rng(0)
X = np.where(RNG.random((N, D)) < 0.6, RNG.standard_normal((N, D)) * [1, 1, 3, 0.3, 1], 0.0)
Y = np.where(X @ [1.0, -1.0, 0.3, 3.0, 0.0] > 0, "up", "down")
ONCE = dict(loss="log_loss", random_state=3, tol=None)
METHODS = "predict", "decision_function", "predict_proba", "predict_log_proba"


def spread(a):
    return da.from_array(a, chunks=(150, -1)[: a.ndim])


def test_names_are_compared_once_where_predictions_are_asked_for():
    """As scikit-learn does it of rows in memory; a warning would be an error here."""
    table, y = pd.DataFrame(X, columns=[f"x{j}" for j in range(D)]), pd.Series(Y)
    frame, labels = dd.from_pandas(table, npartitions=2), dd.from_pandas(y, npartitions=2)
    est = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=1, **ONCE).fit(frame, labels)
    local = est.to_local()
    np.testing.assert_array_equal(est.predict(frame).compute(scheduler="sync"), local.predict(table))
    assert est.score(frame, labels) == local.score(table, y)
    for asked in (est.predict, est.decision_function, lambda X: est.score(X, labels)):
        with pytest.raises(ValueError, match="must be in the same order"):
            asked(frame[list(frame.columns[::-1])])
    with pytest.warns(UserWarning, match="X does not have valid feature names") as told:
        lazy = est.predict(spread(X))
        lazy.compute(scheduler="sync")
    assert len(told) == 1
    bare = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=1, **ONCE).fit(spread(X), spread(Y))
    with pytest.warns(UserWarning, match="X has feature names") as told:
        bare.predict(frame).compute(scheduler="sync")
    assert len(told) == 1


def test_frames_of_one_type_of_numbers_and_series_are_told_apart():
    flags = dd.get_dummies(dd.from_pandas(pd.DataFrame({"c": pd.Categorical(Y)}), npartitions=2))
    labels = dd.from_pandas(pd.Series(Y), npartitions=2)
    est = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=1, **ONCE).fit(flags, labels)
    assert est.predict(flags).dtype == est.classes_.dtype and est.score(flags, labels) == 1.0
    with pytest.raises(ValueError, match=r"X must have two dimensions, found a dask series: give X.to_frame\(\)"):
        est.predict(flags["c_up"])


@pytest.mark.parametrize("of", [sources.from_parquet, sources.from_csv])
def test_sources_are_read_as_that_of_fit_was(of, tmp_path):
    """Their columns may be in another order, and they need not say again how words are hashed."""
    table = pd.DataFrame(X, columns=list("abcde")).assign(word=np.where(Y == "up", "u", "v"), y=(Y == "up") * 1)
    path = tmp_path / "rows"
    table.to_parquet(path, row_group_size=100) if of is sources.from_parquet else table.to_csv(path, index=False)
    given = of(path, target="y", columns=["a", "b", "word"], n_hashed=16)
    other = of(path, target="y", columns=["word", "b", "a"])
    est = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=2, **ONCE).fit(given, X_val=given)
    local = est.to_local()
    again = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=2, **ONCE).fit(given, X_val=other)
    np.testing.assert_array_equal(again.history_["validation_score"], est.history_["validation_score"])
    assert est.score(on.partitioned(other)) == local.score(other) > 0.9
    for method in METHODS:
        lazy = getattr(est, method)(on.partitioned(other))
        found = lazy.compute(scheduler="sync")
        np.testing.assert_array_equal(found, getattr(local, method)(other))
        assert lazy.dtype == found.dtype == getattr(local, method)(other).dtype
    with pytest.raises(ValueError, match="n_hashed=32, in training it was 16"):
        est.score(on.partitioned(of(path, target="y", n_hashed=32)))
    np.testing.assert_array_equal(again.partial_fit(other).coef_, est.partial_fit(given).coef_)


def test_sparse_rows_that_lack_the_last_features_are_as_wide_as_those_of_fit(tmp_path):
    with open(tmp_path / "all", "wb") as whole, open(tmp_path / "narrow", "wb") as narrow:
        dump_svmlight_file(X, (Y == "up") * 1, whole)
        dump_svmlight_file(X[:100, :3], (Y == "up")[:100] * 1, narrow)
    wide, less = (lambda name=name: sources.from_svmlight(tmp_path / name) for name in ("all", "narrow"))
    est = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=2, **ONCE).fit(wide(), X_val=less())
    local = est.to_local()
    assert est.score(on.partitioned(less())) == local.score(less()) == est.history_["validation_score"][-1]
    found = est.decision_function(on.partitioned(less())).compute(scheduler="sync")
    np.testing.assert_array_equal(found, local.decision_function(less()))
    assert est.partial_fit(less()).n_features_in_ == D
    both = on.partitioned([less(), wide()])
    assert on.LinearClassifier(client=LocalRunner()).fit(both).n_features_in_ == D


@pytest.mark.parametrize("cls", [on.SGDRegressor, on.LinearRegressor, on.SGDClassifier, on.LinearClassifier])
def test_a_score_counts_rows_by_weight_and_names_what_is_no_number(cls):
    y = (Y == "up") * 1.0
    est = cls(client=LocalRunner()).fit(spread(X), spread(y))
    weight = np.where(np.arange(N) < 150, 0.0, 2.0)
    assert est.score(spread(X), spread(y), spread(weight)) == pytest.approx(est.to_local().score(X[150:], y[150:]))
    with pytest.raises(ValueError, match=r"Partition 1 .*y contains NaN \(at row 10"):
        est.score(spread(X), spread(np.where(np.arange(N) == 160, np.nan, y)))
    with pytest.raises(ValueError, match=r"Partition 1 .*weight contains -2, which is negative"):
        est.score(spread(X), spread(y), spread(-weight))
    for rows, weight in ((X, np.zeros(N)), (X[:0], None)):
        with pytest.raises(ValueError, match="there is nothing to score"):
            est.score(spread(rows), spread(y[: len(rows)]), None if weight is None else spread(weight))


def test_what_is_not_fitted_is_so_elsewhere_too(tmp_path):
    for cls in (on.SGDClassifier, on.LinearClassifier):
        est = cls(alpha=0.01, client=LocalRunner())
        assert est.to_local().alpha == 0.01
        with pytest.raises(NotFittedError):
            est.save(tmp_path / "m")
