"""Plausible mistakes with arrays and tables: each is a ValueError that names the argument and says what to do."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from fastsgd import (
    Checkpoint,
    LinearClassifier,
    LinearRegressor,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    sources,
)

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


@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier, SGDRegressor, LinearRegressor])  # those with a score
def test_targets_or_weights_beside_those_of_a_source(cls):
    source = sources.from_batches(lambda: iter([(X, Y)]))
    est = cls(random_state=0).fit(source)
    assert est.score(source) == pytest.approx(est.score(X, Y))
    for how, words in (({"y": Y}, "y must be None"), ({"sample_weight": np.ones(60)}, "its own weights")):
        with pytest.raises(ValueError, match=f"X is a source, which has .*{words}"):
            est.score(source, **how)


# ---------------------------------------------------------------- parameters
@pytest.mark.parametrize(
    "cls, params, near",
    [
        (SGDClassifier, {"loss": "log"}, "loss='log_loss'"),
        (LinearClassifier, {"loss": "log"}, "loss='log_loss'"),
        (SGDClassifier, {"loss": "squared_loss"}, "loss='squared_error'"),
        (SGDRegressor, {"loss": "squared_loss"}, "loss='squared_error'"),
        (LinearRegressor, {"loss": "squared_loss"}, "loss='squared_error'"),
        (SGDClassifier, {"loss": "hing"}, "loss='hinge'"),
        (SGDRegressor, {"penalty": "elastic_net"}, "penalty='elasticnet'"),
        (LinearClassifier, {"penalty": "L1"}, "penalty='l1'"),
        (SGDOneClassSVM, {"learning_rate": "adaptve"}, "learning_rate='adaptive'"),
        (SGDClassifier, {"optimizer": "Adam"}, "optimizer='adam'"),
        (SGDClassifier, {"penalty": "none"}, "penalty=None"),
        (LinearRegressor, {"penalty": "none"}, "penalty=None"),
        (SGDRegressor, {"loss": "absolute_error"}, "loss='epsilon_insensitive' with epsilon=0"),
        (SGDClassifier, {"loss": "mae"}, "loss='epsilon_insensitive' with epsilon=0"),
        (LinearRegressor, {"loss": "absolute_error"}, "loss='quantile', which is half of it"),
    ],
)
def test_a_misspelt_or_old_name_is_answered_by_what_may_be_meant(cls, params, near):
    ((name, value),) = params.items()
    said = (
        rf"The '{name}' parameter of {cls.__name__} must be .* Got '{value}' instead\. Did you mean {near}\? It may be"
    )
    with pytest.raises(ValueError, match=said):
        cls(**params).fit(X, Y)
    calls = []
    source = sources.from_batches(lambda: calls.append(None) or iter([(X, Y)]))
    with pytest.raises(ValueError, match=said):
        cls(**params).fit(source)
    assert len(calls) == 1  # of from_batches itself: nothing is read before


@pytest.mark.parametrize(
    "cls, loss, of",
    [
        (SGDRegressor, "hinge", "SGDClassifier"),
        (SGDClassifier, "poisson", "SGDRegressor"),
        (LinearRegressor, "tukey", "SGDRegressor"),
        (LinearClassifier, "squared_error", "SGDClassifier"),
    ],
)
def test_a_loss_of_another_estimator_is_said_to_be_that(cls, loss, of):
    with pytest.raises(ValueError, match=rf"Got '{loss}' instead\. It is a loss of {of}\. It may be '"):
        cls(loss).fit(X, Y)


@every
def test_names_that_a_parameter_may_have_are_in_order_and_no_list_of_classes(cls):
    for name in {
        "loss",
        "penalty",
        "learning_rate",
        "optimizer",
        "class_weight",
        "stopping",
    } & cls().get_params().keys():
        with pytest.raises(ValueError) as error:
            cls(**{name: "?"}).fit(X, Y)
        known = re.findall(r"'(\w+)'", str(error.value).partition("It may be ")[2])
        assert known and known == sorted(known) and "instance" not in str(error.value)


def test_the_absolute_error_is_what_is_said_in_its_place():
    r = np.linspace(-3, 3, 13)
    np.testing.assert_array_equal(losses.EpsilonInsensitive(0.0).value(r, np.zeros(13)), abs(r))
    np.testing.assert_array_equal(losses.Quantile(0.5).value(r, np.zeros(13)), abs(r) / 2)


LARGE = 10**400


@every
@pytest.mark.parametrize("value", [LARGE, -LARGE, 10**5000], ids=["large", "small", "beyond text"])
def test_numbers_that_no_float_holds(cls, value):
    for name in ("alpha", "eta0", "tol", "max_iter", "nu", "batch_size", "power_t"):
        if name in cls().get_params():
            with pytest.raises(
                ValueError, match=rf"The '{name}' parameter of {cls.__name__} must be within 64 bits\. Got a"
            ):
                cls(**{name: value}).fit(X, Y)
    with pytest.raises(ValueError, match="random_state"):
        cls(random_state=value).fit(X, Y)
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 1 .row 0 holds a number too large"):
        cls().fit(np.array([[1, value], [2, 3]], object), [0, 1])
    with pytest.raises(ValueError, match="sample_weight must hold numbers that fit in float64"):
        cls().fit(X[:2], [0, 1], sample_weight=[abs(value), 1])


@regressors
def test_targets_that_no_float_holds(cls):
    with pytest.raises(ValueError, match="y must hold numbers that fit in float64"):
        cls().fit(X[:2], [LARGE, 1])


@every
def test_columns_of_objects_are_named(cls):
    words = np.array([[1, 2.5], [3, "x"]] * 30, dtype=object)
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 1 \(row 1 holds 'x'\)"):
        cls().fit(words, Y)
    table = pd.DataFrame({"a": [1, 2.0] * 30, "b": ["x", 3] * 30}, dtype=object)
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 'b' \(object\)\."):
        cls().fit(table, Y)


# ---------------------------------------------------------------- dates
DAYS = pd.date_range("2024-01-01", periods=60)


@every
@pytest.mark.parametrize("odd", [DAYS, DAYS - DAYS[0], DAYS.tz_localize("UTC")], ids=["dates", "times", "zone"])
def test_columns_of_dates_are_named_without_words_of_numpy(cls, odd):
    for table in (pd.DataFrame({"a": X[:, 0], "day": odd}), pd.DataFrame({"day": odd})):
        with pytest.raises(
            ValueError, match=r"X has columns that are not numbers: 'day' .*make numbers of dates"
        ) as said:
            cls().fit(table, Y)
        assert "DType" not in str(said.value)
    weights = [np.asarray(odd), odd.to_series()] if odd.dtype.kind == "M" else [odd.to_series()]
    for weight in weights:
        with pytest.raises(ValueError, match=r"sample_weight holds dates or times|sample_weight must hold numbers"):
            cls().fit(X, Y, sample_weight=weight)


@regressors
def test_dates_in_a_list_are_no_targets(cls):
    with pytest.raises(ValueError, match=r"y must hold numbers, and one of its entries is of type datetime\.date"):
        cls().fit(X, list(DAYS.date))


# ---------------------------------------------------------------- labels and targets
@classifiers
@pytest.mark.parametrize("labels", [[2**53, 2**53 + 1], [2**53, 2**53 + 1, 5], [2**63, 2**63 + 1, 2**64 - 1]])
def test_labels_above_what_float64_holds_are_told_apart(cls, labels):
    est = cls(random_state=0)
    if cls is SGDClassifier:
        est.set_params(learning_rate="constant", eta0=1e-3, max_iter=3, tol=None)
    y = np.array(labels * (60 // len(labels)), np.uint64)
    for data in ((X, y), (sources.from_batches(lambda: iter([(X[:30], y[:30]), (X[30:], y[30:])])),)):
        assert est.fit(*data).classes_.tolist() == sorted(labels)
    if max(labels) < 2**63:
        signed = y.astype(np.int64)
        mixed = sources.from_batches(lambda: iter([(X[:30], y[:30]), (X[30:], signed[30:])]))
        assert est.fit(mixed).classes_.tolist() == sorted(labels)
        clf = SGDClassifier(random_state=0).partial_fit(X, y, classes=signed)
        np.testing.assert_array_equal(clf.coef_, clone(clf).partial_fit(X, signed, classes=signed).coef_)


@regressors
def test_a_column_of_targets_is_raveled_with_a_warning(cls):
    z = X @ [1.0, 2.0, 3.0]
    flat = cls(random_state=0).fit(X, z)
    calls = {"fit": lambda: cls(random_state=0).fit(X, z[:, None])}
    if cls is SGDRegressor:
        calls["X_val"] = lambda: cls(random_state=0).fit(X, z, X_val=X, y_val=z[:, None])
        calls["partial_fit"] = lambda: clone(flat).partial_fit(X, z).partial_fit(X, z[:, None])
    for name, call in calls.items():
        with pytest.warns(DataConversionWarning, match="A column-vector y.* was passed when a 1d array was expected"):
            est = call()
        assert est.coef_.shape == (3,) and est.predict(X).shape == (60,)
        if name == "fit":
            np.testing.assert_array_equal(est.coef_, flat.coef_)
    source = sources.from_batches(lambda: iter([(X[:30], z[:30, None]), (X[30:], z[30:, None])]))
    assert cls(random_state=0).fit(source).coef_.shape == (3,)
    if cls is SGDRegressor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the rows of this source|a block of the source")
            assert cls(random_state=0).fit(source.buffered(1000)).predict(source).shape == (60,)


@pytest.mark.parametrize("est", [SGDClassifier(), LinearClassifier(), SGDOneClassSVM()])
def test_pandas_columns_of_categories_and_periods_are_named(est):
    X = pd.DataFrame({"a": [1.0, 2.0], "c": pd.Categorical(["x", "y"]), "d": pd.period_range("2020", periods=2)})
    with pytest.raises(ValueError, match=r"X has columns that are not numbers: 'c' \(category\), 'd' \(period"):
        est.fit(X, [0, 1])
