"""Plausible mistakes with arrays and tables: each is a ValueError that names the argument and says what to do."""

from pathlib import Path

import numpy as np
import pytest

from fastsgd import Checkpoint, LinearClassifier, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, sources

pd = pytest.importorskip("pandas")

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 3))
Y = (X[:, 0] > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abc"))

classifiers = pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
regressors = pytest.mark.parametrize("cls", [SGDRegressor, LinearRegressor])
every = pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier, SGDRegressor, LinearRegressor, SGDOneClassSVM])


@classifiers
@pytest.mark.parametrize("odd", [None, np.nan, 1, pd.NA], ids=str)
def test_labels_of_several_kinds(cls, odd):
    with pytest.raises(ValueError, match=r"y is an array of Python objects.*found .*str: make them of one kind"):
        cls().fit(X, np.array(["a", odd] * 30, dtype=object))


@classifiers
def test_labels_that_are_words_in_any_guise(cls):
    words = pd.Series(Y).map({0: "no", 1: "yes"})
    for y in (words, words.to_numpy(object), words.astype("category"), words.astype("string"), list(words)):
        assert cls(random_state=0).fit(X, y).classes_.tolist() == ["no", "yes"]


@regressors
def test_targets_that_are_no_numbers(cls):
    with pytest.raises(ValueError, match="y must hold numbers: could not convert string to float: 'a'"):
        cls().fit(X, ["a"] * 60)
    with pytest.raises(ValueError, match=r"y holds dates or times \(datetime64"):
        cls().fit(X, np.datetime64("2026-01-01") + Y)


@every
def test_weights_that_are_no_numbers(cls):
    with pytest.raises(ValueError, match=r"sample_weight must hold numbers: .*'a'"):
        cls().fit(X, Y, sample_weight=["a"] * 60)


@every
def test_columns_of_a_table_that_are_no_numbers(cls):
    for odd in ("x", pd.Timestamp("2026-01-01")):
        with pytest.raises(ValueError, match=r"X has columns that are not numbers: 'd' \(.*\)\. Encode them"):
            cls().fit(FRAME.assign(d=odd), Y)
    est = cls(random_state=0).fit(FRAME, Y)
    with pytest.raises(ValueError, match="X has columns that are not numbers: 'b'"):
        est.predict(FRAME.assign(b="x"))


@every
def test_a_path_or_a_masked_array_as_X(cls):
    for path in ("data.csv", Path("data.csv")):
        with pytest.raises(ValueError, match=r"X is a path, 'data.csv': give a source of it"):
            cls().fit(path)
    masked = np.ma.masked_array(X, mask=X > 1)
    with pytest.raises(ValueError, match=f"X is a masked array, of which {(X > 1).sum()} values are masked"):
        cls().fit(masked, Y)
    cls(random_state=0).fit(np.ma.masked_array(X, mask=False), Y)


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
def test_what_is_wrong_with_the_validation_set_is_said_of_it(cls):
    with pytest.raises(ValueError, match=r"X_val: Found array with 0 sample\(s\)"):
        cls().fit(X, Y, X_val=X[:0], y_val=Y[:0])
    with pytest.raises(ValueError, match="X_val: The feature names should match"):
        cls().fit(FRAME, Y, X_val=FRAME[["b", "a", "c"]], y_val=Y)
    with pytest.raises(ValueError, match="validation_scoring must give a number, it gave None"):
        cls(validation_scoring=lambda est, X, y: None).fit(X, Y, X_val=X, y_val=Y)


def test_early_stopping_with_too_few_rows():
    with pytest.raises(ValueError, match=r"early_stopping=True splits .*of the 1 rows off.*Give .* X_val"):
        SGDRegressor(early_stopping=True).fit(X[:1], Y[:1])
    with pytest.raises(
        ValueError, match=r"early_stopping=True splits .*least populated classes in y.*disable early_stopping"
    ):
        SGDClassifier(early_stopping=True).fit(X, np.r_[2, Y[1:]])


def test_checkpoints_where_there_are_none():
    with pytest.raises(ValueError, match=r"callbacks must be .*found <class '.*Checkpoint'>"):
        SGDClassifier(callbacks=Checkpoint).fit(X, Y)
    with pytest.raises(ValueError, match="not checkpoints, which only the SGD estimators write"):
        LinearClassifier(callbacks=Checkpoint("x")).fit(X, Y)


def test_warm_start_with_another_number_of_columns():
    with pytest.raises(ValueError, match=r"coef_init does not match .*\(1, 3\), expected \(1, 2\).*warm_start=True"):
        SGDClassifier(warm_start=True).fit(X, Y).fit(X[:, :2], Y)


@every
def test_targets_or_weights_beside_those_of_a_source(cls):
    if cls is SGDOneClassSVM:
        return  # has no score
    source = sources.from_batches(lambda: iter([(X, Y)]))
    est = cls(random_state=0).fit(source)
    assert est.score(source) == pytest.approx(est.score(X, Y))
    for how, words in (({"y": Y}, "y must be None"), ({"sample_weight": np.ones(60)}, "its own weights")):
        with pytest.raises(ValueError, match=f"X is a source, which has .*{words}"):
            est.score(source, **how)
