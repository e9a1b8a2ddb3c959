"""What users rely on of all four searches by cross-validation: what scorers are given, scores without a number, no refit."""

import itertools

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold
from support.data import labels, rows

import fastsgd
from fastsgd import LinearClassifierCV, LinearRegressorCV, SGDClassifierCV, SGDRegressorCV

X, Y, S = rows(90, 3)
CODE = labels(Y)
FEW = {"alphas": [0.03, 0.003], "cv": 3, "random_state": 0}
SHORT = FEW | {"max_iter": 3, "tol": None}
SEARCHES = [
    (SGDClassifierCV, CODE, SHORT, "accuracy"),
    (SGDRegressorCV, Y, SHORT, "r2"),
    (LinearClassifierCV, CODE, FEW, "accuracy"),
    (LinearRegressorCV, Y, FEW, "r2"),
]
EVERY = pytest.mark.parametrize("make, y, few, name", SEARCHES)
OF_SGD = pytest.mark.parametrize("make, y, few, name", SEARCHES[:2])
TABLES = {
    "pandas": lambda A: pd.DataFrame(A, columns=["a", "b", "c"], index=np.arange(len(A)) * 2 + 7),
    "polars": lambda A: pl.DataFrame(A, schema=["a", "b", "c"]),
}
COLUMNS = {
    "pandas": lambda y: pd.Series(y, index=np.arange(len(y)) * 2 + 7),
    "polars": lambda y: pl.Series("y", y),
}


def own_score(est, X, y):
    """As a user writes it who wants the plain score."""
    return est.score(X, y)


# ---------------------------------------------------------------- scorers
@EVERY
def test_a_scorer_may_ask_the_estimator_for_its_score(make, y, few, name):
    by_name = make(scoring=name, **few).fit(X, y)
    for scoring in (own_score, check_scoring(make(), scoring=None)):
        est = make(scoring=scoring, **few).fit(X, y)
        np.testing.assert_array_equal(est.scores_, by_name.scores_)
        assert est.score(X, y) == by_name.score(X, y) and est.scoring is scoring


@EVERY
@pytest.mark.parametrize("table", TABLES)
def test_scorers_and_splitters_are_given_the_users_table(make, y, few, name, table):
    frame, column = TABLES[table](X), COLUMNS[table](y)

    def scoring(est, A, b):
        assert type(A) is type(frame) and type(b) is type(column) and list(A.columns) == ["a", "b", "c"]
        assert np.isin(np.asarray(A["a"]), X[:, 0]).all()
        return est.score(A, b)

    class ByColumn(KFold):
        def split(self, A, b=None, groups=None):
            assert A["a"].shape == b.shape
            return super().split(A, b, groups)

    few = few | {"cv": ByColumn(3)}
    np.testing.assert_array_equal(
        make(scoring=scoring, **few).fit(frame, column).scores_,
        make(scoring=name, **few | {"cv": KFold(3)}).fit(X, y).scores_,
    )


@OF_SGD
@pytest.mark.parametrize("table", TABLES)
def test_the_validation_rows_are_given_to_scorers_as_the_users_table(make, y, few, name, table):
    few = {key: value for key, value in few.items() if key != "cv"}
    frame, column = TABLES[table], COLUMNS[table]
    est = make(scoring=lambda est, A, b: est.score(A, b) + 0 * A["a"].sum(), **few)
    est.fit(frame(X[:60]), column(y[:60]), X_val=frame(X[60:]), y_val=column(y[60:]))
    plain = make(scoring=name, **few).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    np.testing.assert_array_equal(est.scores_, plain.scores_)


@EVERY
def test_what_is_no_table_is_scored_as_it_is_checked(make, y, few, name):
    seen = set()

    def scoring(est, A, b):
        seen.add((sp.issparse(A), type(b)))
        return est.score(A, b)

    make(scoring=scoring, **few).fit(X.tolist(), y.tolist())
    make(scoring=scoring, **few).fit(sp.csr_matrix(X), y)
    assert seen == {(False, np.ndarray), (True, np.ndarray)}


# ---------------------------------------------------------------- scores that are not finite
def in_turn(*scores):
    """A scorer that gives these, again and again: the candidates of a fold are scored one after another."""
    left = itertools.cycle(scores)
    return lambda *_: next(left)


@EVERY
@pytest.mark.parametrize("rule", ["best", "one_standard_error"])
def test_minus_infinity_is_a_score_and_nan_is_none(make, y, few, name, rule):
    every = make(scoring=lambda *_: -np.inf, refit_rule=rule, **few).fit(X, y)
    assert every.alpha_ == 0.03 and (every.scores_ == -np.inf).all()
    assert every.cv_results_["mean_test_score"].tolist() == [-np.inf] * 2
    assert every.cv_results_["rank_test_score"].tolist() == [1, 1]
    mixed = make(scoring=in_turn(np.nan, -np.inf), refit_rule=rule, **few).fit(X, y)
    assert mixed.alpha_ == 0.003 and mixed.cv_results_["rank_test_score"].tolist() == [2, 1]
    finite = make(scoring=in_turn(-np.inf, -5.0), refit_rule=rule, **few).fit(X, y)
    assert finite.alpha_ == 0.003 and finite.cv_results_["rank_test_score"].tolist() == [2, 1]
    with pytest.raises(ValueError, match="every mean score is NaN"):
        make(scoring=lambda *_: np.nan, **few).fit(X, y)


@OF_SGD
def test_halving_keeps_a_score_of_minus_infinity_before_nan(make, y, few, name):
    of_first_epoch, of_others = [np.nan, -np.inf] * 3, [-np.inf] * 6  # In two of them one candidate is left.
    est = make(scoring=in_turn(*of_first_epoch, *of_others), halving=2, **few).fit(X, y)
    assert est.alpha_ == 0.003 and (est.stop_reasons_[:, 0, 0] == "dropped").all()


# ---------------------------------------------------------------- no model of all rows, and none at all
@EVERY
def test_a_search_without_a_refit_is_saved(make, y, few, name, tmp_path):
    est = make(refit=False, **few).fit(X, y)
    est.save(tmp_path / "search.safetensors")
    again = fastsgd.load(tmp_path / "search.safetensors")
    assert again.alpha_ == est.alpha_ and not again.refit and not hasattr(again, "coef_")
    for what in ("scores_", "coefs_paths_", "intercepts_paths_", "n_iter_", "alphas_"):
        np.testing.assert_array_equal(getattr(again, what), getattr(est, what))
    for use in (lambda est: est.predict(X), lambda est: est.to_onnx(), lambda est: est.sparsify()):
        with pytest.raises(NotFittedError, match=r"with refit=False no model was fitted by them.*Set refit=True"):
            use(again)


@EVERY
def test_a_file_that_lacks_part_of_the_model_is_refused(make, y, few, name, tmp_path):
    est = make(**few).fit(X, y)
    del est.intercept_
    with pytest.raises(ValueError, match="intercept_ is missing"):
        est.save(tmp_path / "model.safetensors")


@EVERY
def test_what_is_not_fitted_is_said_by_the_public_name(make, y, few, name):
    for what in ("scores_", "cv_results_", "alphas_", "alpha_", "coefs_paths_", "n_iter_", "coef_"):
        with pytest.raises(NotFittedError, match=rf"has no {what}: it is not fitted yet. Call 'fit' first"):
            getattr(make(), what)
        assert not hasattr(make(), what)
    with pytest.raises(AttributeError, match="no attribute 'score_s'"):
        _ = make().score_s


@EVERY
@pytest.mark.parametrize("given", [True, [True]])
def test_a_truth_value_is_no_number_of_alphas(make, y, few, name, given):
    with pytest.raises(ValueError, match="alphas must be at least one number >= 0"):
        make(alphas=given).fit(X, y)
