"""Intervals of SGDClassifier and SGDRegressor: the models beside a model, streams, files, and what is refused."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import t
from sklearn.base import clone
from support import reference_auto
from support.coverage import Case, draw
from support.same_models import assert_same_models, assert_same_state
from support.streamed import Blocks

import fastsgd
from fastsgd import Checkpoint, LinearRegressor, SGDClassifier, SGDOneClassSVM, SGDRegressor, auto
from fastsgd.sources._order import fold_numbers, resample_counts
from fastsgd.sources.arrays import Table

N, D = 3000, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) @ np.diag([1.0, 3.0, 0.5, 1.0]) + [0.0, 1.0, 0.0, -2.0]
MARGIN = X @ [1.0, -0.5, 2.0, 0.0]
Y = MARGIN + RNG.standard_normal(N)
LABELS = (MARGIN + RNG.logistic(size=N) > 0.3).astype(int)
WEIGHT = RNG.integers(0, 3, N).astype(float)
TWICE = {"learning_rate": "auto", "penalty": None, "random_state": 0, "max_iter": 2, "tol": None}
ONCE = TWICE | {"max_iter": 1}

SETTINGS = {
    "squared": (SGDRegressor, {}, Y),
    "huber": (SGDRegressor, {"loss": "huber"}, Y),
    "several targets": (SGDRegressor, {}, np.column_stack([Y, -Y + X[:, 0], X[:, 1]])),
    "logistic": (SGDClassifier, {"loss": "log_loss"}, LABELS),
    "several classes": (SGDClassifier, {"loss": "log_loss"}, np.digitize(Y, [-1.0, 1.0])),
    "l2": (SGDClassifier, {"loss": "log_loss", "penalty": "l2", "alpha": 1e-3}, LABELS),
    "without intercept": (SGDRegressor, {"fit_intercept": False}, Y),
}
# With three of them, standard errors are rough, and what is told of them too.
FEW_MODELS = pytest.mark.filterwarnings("ignore:the average has not settled")
LAYOUTS = {"dense": np.asarray, "float32": np.float32, "csr": sp.csr_matrix}


def flat(est):
    """Intercept, if there is one, and coefficients: (heads, n)."""
    b, coef = np.atleast_1d(est.intercept_), np.atleast_2d(est.coef_)
    return np.column_stack([b, coef]) if est.fit_intercept else coef


@pytest.fixture(autouse=True)
def averages_alone(monkeypatch):
    """With models beside a model only averages are candidates, and so they are then of the plain fits these are compared with."""
    zeros = auto.Auto.zeros.__func__
    monkeypatch.setattr(auto.Auto, "zeros", classmethod(lambda cls, *args: replace(zeros(cls, *args), averages=True)))
    for module in (auto, reference_auto):
        monkeypatch.setattr(module, "NEWTON_COLUMNS", 0)


# ---------------------------------------------------------------- what the models are
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SETTINGS)
def test_each_model_is_that_of_a_fit_with_its_rows_as_weights(name, layout):
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X)
    est = make(**TWICE | params, n_bootstrap=3, n_splits=3).fit(rows, y, sample_weight=WEIGHT)
    plain = make(**TWICE | params).fit(rows, y, sample_weight=WEIGHT)
    assert np.array_equal(est.coef_, plain.coef_) and np.array_equal(est.intercept_, plain.intercept_)
    numbers, seed, beside = np.arange(N), est._state.seed, est._state.beside
    drawn = [resample_counts(numbers, number, seed) for number in (1, 2, 3)]
    parts = [fold_numbers(numbers, 3, seed) == number for number in range(3)]
    alone = [make(**TWICE | params).fit(rows, y, sample_weight=WEIGHT * weight) for weight in [*drawn, *parts]]
    for state, other in zip(beside.states[1:], alone, strict=True):
        assert_same_state(state, other._state)
    assert (np.sum(parts, axis=0) == 1).all()


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["squared", "huber", "logistic"])
def test_one_model_has_steps_that_are_twice_as_long(name, layout):
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X[:300])
    est = make(**TWICE | params, shuffle=False, n_splits=2).fit(rows, y[:300])
    run = reference_auto.auto_csr if layout == "csr" else reference_auto.auto_dense
    W, b = run(X[:300], 1.0 * y[:300, None], est._loss(), passes=2, longer=2.0)[:2]
    coef, intercept = est._state.beside.longer.model(est._plan(Table(rows), 1, True))
    np.testing.assert_allclose(coef, W, rtol=1e-6)
    np.testing.assert_allclose(intercept, b, rtol=1e-6)
    assert not np.allclose(coef.T, est.coef_, rtol=1e-3)


def test_the_bootstrap_is_the_root_mean_square_of_the_differences():
    est = SGDRegressor(**TWICE, n_bootstrap=3, n_splits=3).fit(X, Y)
    numbers, seed = np.arange(N), est._state.seed

    def models(weights):
        return np.array([flat(SGDRegressor(**TWICE).fit(X, Y, sample_weight=1.0 * weight))[0] for weight in weights])

    table, coef = est.coef_table(0.9), flat(est)[0]
    se = np.sqrt(((models([resample_counts(numbers, r, seed) for r in (1, 2, 3)]) - coef) ** 2).mean(axis=0))
    np.testing.assert_allclose(est.std_errors(), se)
    np.testing.assert_allclose(table["coef"], coef)
    np.testing.assert_allclose(table["ci_upper"], coef + t(3).ppf(0.95) * se)
    np.testing.assert_allclose(table["p_value"], 2 * t(3).sf(abs(coef / se)))
    table = est.coef_table(method="split")
    parts = models([fold_numbers(numbers, 3, seed) == k for k in range(3)])
    np.testing.assert_allclose(table["se"], parts.std(axis=0, ddof=1) / np.sqrt(3))
    np.testing.assert_allclose(table["ci_lower"], coef - t(2).ppf(0.975) * table["se"])


def test_on_dense_rows_the_bias_of_the_steps_is_subtracted():
    """The logistic loss is curved more on one side, and steps of some length end outside of the optimum."""
    est = SGDClassifier("log_loss", **TWICE, n_bootstrap=20).fit(X, LABELS)
    table, exact = est.coef_table(), fastsgd.LinearClassifier(penalty=None, tol=1e-9).fit(X, LABELS)
    off = abs(table["coef"].to_numpy() - flat(exact)[0])
    assert off.max() < 0.5 * abs(flat(est) - flat(exact)).max()
    assert "less the bias of its steps" in table.attrs["estimate"]
    np.testing.assert_allclose(table["se"], exact.coef_table()["se"], rtol=0.5)
    np.testing.assert_allclose(table["ci_upper"] - table["coef"], t(19).ppf(0.975) * table["se"])


@pytest.mark.parametrize("name", ["squared", "logistic"])
def test_on_csr_the_table_is_of_coef_(name):
    make, params, y = SETTINGS[name]
    est = make(**TWICE | params, n_bootstrap=20).fit(sp.csr_matrix(X), y)
    np.testing.assert_allclose(est.coef_table()["coef"], flat(est)[0])


def test_standardised_rows_have_the_intervals_of_rows_in_standard_units():
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    est = SGDRegressor(**TWICE, n_bootstrap=5, standardize=True).fit(X, Y)
    np.testing.assert_allclose(
        est.std_errors()[1:], SGDRegressor(**TWICE, n_bootstrap=5).fit(Z, Y).std_errors()[1:] / X.std(axis=0), rtol=1e-6
    )


@FEW_MODELS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_threads_give_the_same_bits(layout):
    make, params, y = SETTINGS["several classes"]
    est, rows = make(**TWICE | params, n_bootstrap=4, n_splits=3), LAYOUTS[layout](X)
    assert_same_models(clone(est).fit(rows, y), clone(est).set_params(n_jobs=2).fit(rows, y))


@pytest.mark.parametrize("n_bootstrap, n_splits", [(4, 0), (0, 4), (4, 4)])
def test_they_follow_the_passes_of_the_model_and_go_back_to_its_best_one(n_bootstrap, n_splits):
    est = SGDClassifier("log_loss", learning_rate="auto", early_stopping=True, random_state=0, n_iter_no_change=2)
    est.fit(X, LABELS)
    beside = clone(est).set_params(n_bootstrap=n_bootstrap, n_splits=n_splits).fit(X, LABELS)
    assert np.array_equal(est.coef_, beside.coef_) and est.n_iter_ == beside.n_iter_
    best = int(np.argmax(est.history_["validation_score"])) + 1
    assert best < est.n_iter_ and {state.epoch for state in beside._state.beside.states} == {best}


def test_callbacks_are_given_the_intervals_of_the_moment():
    found = []
    est = SGDRegressor(**TWICE, n_bootstrap=5, callbacks=lambda progress: found.append(progress.estimator.std_errors()))
    est.fit(X, Y)
    np.testing.assert_array_equal(found[1], est.std_errors())
    np.testing.assert_array_equal(found[0], SGDRegressor(**ONCE, n_bootstrap=5).fit(X, Y).std_errors())


# ---------------------------------------------------------------- streams
@FEW_MODELS
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["squared", "several classes"])
def test_calls_of_partial_fit_are_one_call_of_all_rows(name, layout):
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X)
    est = make(**ONCE | params, n_bootstrap=3, n_splits=3, shuffle=False)
    first = {"classes": np.unique(y)} if make is SGDClassifier else {}
    whole = clone(est).partial_fit(rows, y, **first)
    for lo in range(0, N, 750):
        est.partial_fit(rows[lo : lo + 750], y[lo : lo + 750], **first)
    assert_same_models(est, whole)
    assert whole.coef_table().attrs["n_rows"] == N


def test_partial_fit_goes_on_after_fit():
    est = SGDRegressor(**TWICE, n_bootstrap=3, shuffle=False).fit(X[:1000], Y[:1000])
    est.partial_fit(X[1000:2000], Y[1000:2000])
    counts = resample_counts(np.arange(2000), 2, est._state.seed).astype(float)
    one = SGDRegressor(**TWICE, shuffle=False).fit(X[:1000], Y[:1000], sample_weight=counts[:1000])
    one.partial_fit(X[1000:2000], Y[1000:2000], sample_weight=counts[1000:])
    assert_same_state(est._state.beside.resampled[1], one._state)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.filterwarnings("ignore:with max_memory")
def test_a_source_larger_than_memory_has_numbers_for_its_rows(layout, partial):
    rows = LAYOUTS[layout](X)
    numbers = (np.arange(N) // 37 << 32) + np.arange(N) % 37
    est = SGDRegressor(**TWICE, n_bootstrap=3, n_splits=3)

    def train(est, weight=None):
        source = Blocks(rows, Y, np.ones(N) if weight is None else weight)
        return est.partial_fit(source) if partial else est.fit(source)

    assert np.array_equal(train(clone(est).set_params(n_bootstrap=0, n_splits=0)).coef_, train(est).coef_)
    weights = [resample_counts(numbers, r, est._state.seed) for r in (1, 2, 3)]
    weights += [fold_numbers(numbers, 3, est._state.seed) == k for k in range(3)]
    for state, weight in zip(est._state.beside.states[1:], weights, strict=True):
        assert_same_state(state, train(SGDRegressor(**TWICE), 1.0 * weight)._state)


def test_models_that_go_on_must_have_been_there():
    est = SGDRegressor(**ONCE, n_bootstrap=3).partial_fit(X, Y)
    with pytest.raises(ValueError, match=r"n_bootstrap=5 and n_splits=0, and the model was begun with 3 and 0"):
        est.set_params(n_bootstrap=5).partial_fit(X, Y)
    est.set_params(n_bootstrap=0).partial_fit(X, Y)
    with pytest.raises(ValueError, match="no models were trained beside this one"):
        est.coef_table()
    with pytest.raises(ValueError, match="know nothing of the rows before"):
        est.set_params(n_bootstrap=3).partial_fit(X, Y)


# ---------------------------------------------------------------- files
@FEW_MODELS
@pytest.mark.filterwarnings("ignore:The models of 1 of 3 classes")  # that which lies between the others
@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_keep_the_models_and_partial_fit_goes_on(tmp_path, layout):
    make, params, y = SETTINGS["several classes"]
    rows, est = LAYOUTS[layout](X), make(**ONCE | params, n_bootstrap=3, n_splits=2)
    est.partial_fit(rows[:1000], y[:1000], classes=np.unique(y))
    est.save(tmp_path / "model")
    others = [fastsgd.load(tmp_path / "model"), pickle.loads(pickle.dumps(est))]
    for one in [est, *others]:
        one.partial_fit(rows[1000:], y[1000:])
    for other in others:
        assert_same_models(est, other)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_keep_the_counts_of_rows_and_hold_them_against_the_columns(tmp_path, layout):
    est = SGDRegressor(**ONCE, n_bootstrap=3).partial_fit(LAYOUTS[layout](X), Y)
    est.save(tmp_path / "model")
    assert np.array_equal(fastsgd.load(tmp_path / "model")._state.beside.counts, est._state.beside.counts)
    beside = est._state.beside
    beside.learnt = beside.known = beside.start = np.zeros(3)
    with pytest.raises(
        ValueError, match="models beside it of its kind"
    ):  # by the rules that what is read must follow, too
        est.save(tmp_path / "model")


def test_a_fit_goes_on_from_a_checkpoint_with_its_models(tmp_path):
    est = SGDRegressor(**TWICE, n_bootstrap=3, n_splits=2)
    path = tmp_path / "run"
    halfway = clone(est).set_params(max_iter=1, callbacks=Checkpoint(path)).fit(X, Y)
    assert halfway._state.beside.rows == 0
    assert_same_models(clone(est).fit(X, Y, resume_from=path), est.fit(X, Y))
    with pytest.raises(ValueError, match="n_bootstrap was 3, is 0"):
        SGDRegressor(**TWICE, n_splits=2).fit(X, Y, resume_from=path)


# ---------------------------------------------------------------- predictions, tables
def test_intervals_of_predictions_are_of_the_models_predictions():
    est = SGDRegressor(**TWICE, n_bootstrap=20).fit(X, Y)
    rows = np.vstack([np.eye(D), np.zeros((1, D))])
    ends, table = est.predict_interval(rows), est.coef_table()
    assert ends.shape == (D + 1, 2)
    np.testing.assert_allclose(ends[-1], table.loc["intercept", ["ci_lower", "ci_upper"]])
    np.testing.assert_allclose(ends.mean(axis=1), est.predict(rows))
    exact = LinearRegressor(penalty=None).fit(X, Y)
    np.testing.assert_allclose(ends, exact.predict_interval(rows), atol=0.5 * np.ptp(ends, axis=1).max())
    np.testing.assert_array_equal(est.predict_interval(Blocks(rows, np.zeros(D + 1))), ends)


def test_intervals_of_probabilities_are_probabilities():
    est = SGDClassifier("log_loss", **TWICE, n_bootstrap=20).fit(X, LABELS)
    ends = est.predict_interval(X[:50])
    assert ((ends > 0) & (ends < 1)).all() and (ends[:, 0] < ends[:, 1]).all()
    with pytest.raises(ValueError, match="kind must be 'mean' or 'margin'"):
        est.predict_interval(X, kind="new")
    several = SGDClassifier("log_loss", **TWICE, n_bootstrap=3).fit(X, np.digitize(Y, [-1.0, 1.0]))
    with pytest.raises(ValueError, match="take kind='margin'"):
        several.predict_interval(X)
    assert several.predict_interval(X[:7], kind="margin").shape == (7, 3, 2)
    assert several.coef_table().index.names == ["class", "feature"]


def test_summary_says_what_the_intervals_are_of(capsys):
    est = SGDClassifier("log_loss", **TWICE | {"penalty": "l2"}, n_bootstrap=4, n_splits=4).fit(X, LABELS)
    est.summary()
    est.summary(0.9, "split")
    said = capsys.readouterr().out
    for words in (
        "bootstrap of 4 resamples; distribution: t with 3 degrees of freedom",
        "split into 4 parts; distribution: t with 3",
        "0.9 of the penalised coefficients, which minimise the mean loss + alpha / 2 |w|^2",
        "coef is coef_ less the bias of its steps, at most",
        "3000 rows",
    ):
        assert words in said


# ---------------------------------------------------------------- when not to trust them
def test_it_is_told_that_the_average_has_not_settled():
    Z = np.column_stack([X[:, 0], X[:, 0] + 0.01 * X[:, 1]])  # Columns that are nearly the same take many passes.
    with pytest.warns(UserWarning, match="the average has not settled: steps twice as long move .* LinearRegressor"):
        SGDRegressor(**ONCE, n_bootstrap=20).fit(Z, 100 * Z[:, 1] - 100 * Z[:, 0] + 0.1 * Y).coef_table()


def test_few_rows_of_each_part_are_told_with_what_will_do():
    est = SGDRegressor(**TWICE, n_bootstrap=4, n_splits=4).fit(X[:400], Y[:400])
    assert est.coef_table().attrs["n_rows"] == 400  # of which each resample has all
    with pytest.warns(
        UserWarning, match="100 rows in each part are few for 5 coefficients.*: have 30.* or set n_splits=2"
    ):
        est.coef_table(method="split")
    assert est.set_params(n_splits=2).fit(X[:400], Y[:400]).coef_table(method="split").attrs["df"] == 1


@FEW_MODELS
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_without_rows_of_weight_are_refused_with_the_number_that_will_do(layout, partial):
    """Their models would be of zeros, and so look alike."""
    rows, weight = LAYOUTS[layout](X), np.arange(N) < 400
    est = SGDRegressor(**ONCE, n_bootstrap=3, n_splits=300)
    (est.partial_fit if partial else est.fit)(rows, Y, sample_weight=1.0 * weight)
    empty = 300 - len(np.unique(fold_numbers(np.arange(400), 300, est._state.seed)))
    for ask in (est.coef_table, est.summary, est.std_errors, lambda method: est.predict_interval(rows, method=method)):
        with pytest.raises(
            ValueError, match=rf"^{empty} of the 300 parts .* of which 400 have weight.* set n_splits=2, "
        ):
            ask(method="split")
    assert est.coef_table(method="bootstrap").attrs["n_rows"] == 400


@FEW_MODELS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_of_which_a_part_knows_nothing_have_no_standard_errors(layout):
    """The coefficient of that part would be 0, and count as an estimate."""
    rare = np.zeros(N)
    rare[fold_numbers(np.arange(N), 3, SGDRegressor(**TWICE, n_splits=3).fit(X, Y)._state.seed) != 1] = 1.0
    est = SGDRegressor(**TWICE, n_bootstrap=3, n_splits=3).fit(LAYOUTS[layout](np.column_stack([X, rare])), Y)
    with pytest.warns(UserWarning, match=r"nothing of the coefficients of x4, .* so it is in one of the parts"):
        table = est.coef_table(method="split")
    assert np.isnan(table.loc["x4", "se"]) and np.isfinite(table.drop("x4")).all(axis=None)
    assert np.isfinite(est.coef_table(method="bootstrap")).all(axis=None)


def test_resamples_without_rows_are_refused():
    est = SGDRegressor(**TWICE, n_bootstrap=20).fit(X[:2], Y[:2])
    with pytest.raises(ValueError, match=r"of the 20 resamples .* of which 2 have weight.*: have 30 rows and more"):
        est.coef_table()


@pytest.mark.parametrize("method", ["bootstrap", "split"])
def test_few_rows_for_the_bias_are_those_of_the_whole_model(method):
    est = SGDClassifier("log_loss", **TWICE, n_bootstrap=4, n_splits=2).fit(X[:900], LABELS[:900])
    with pytest.warns(
        UserWarning, match="^900 rows are few for 5 coefficients that are freed of the bias.*: have 200 rows"
    ):
        est.coef_table(method=method)


@FEW_MODELS
@pytest.mark.parametrize("layout", LAYOUTS)
def test_rows_of_weight_0_are_none(layout):
    rows, weight = LAYOUTS[layout](X), (np.arange(N) % 6 == 0).astype(float)
    est = SGDRegressor(**TWICE, n_bootstrap=4).fit(rows, Y, sample_weight=weight)
    assert est.coef_table().attrs["n_rows"] == N / 6
    est.partial_fit(rows, Y, sample_weight=1.0 - weight)
    assert est.coef_table().attrs["n_rows"] == N
    few = SGDRegressor(**TWICE, n_bootstrap=4).fit(rows, Y, sample_weight=1.0 * (np.arange(N) % 30 == 0))
    with pytest.warns(UserWarning, match="100 rows are few for 5 coefficients"):
        few.coef_table()


def test_columns_of_which_nothing_is_known_are_told():
    Z = np.column_stack([X, np.full(N, 3.0)])
    with pytest.warns(UserWarning, match="say nothing of the coefficients of x4, whose columns are constant"):
        table = SGDRegressor(**TWICE, n_bootstrap=3).fit(Z, Y).coef_table()
    assert np.isnan(table.loc["x4", "se"]) and np.isfinite(table.drop("x4")).all(axis=None)


@FEW_MODELS
@pytest.mark.parametrize("how", ["passes", "early stopping", "partial_fit", "fit, then partial_fit"])
def test_features_that_few_rows_have_are_told(how):
    """Of each row it counts once that it has the feature, however many passes there were."""
    Z = X.copy()
    Z[5:, 3] = 0.0
    Z[1000:1005, 3] = 1.0 if how == "fit, then partial_fit" else 0.0
    Z[:, 2] = np.where(np.arange(N) % 100 < 2, Z[:, 2], 0.0)
    rows, many = sp.csr_matrix(Z), {"max_iter": 8}
    est = SGDRegressor(**TWICE | many, n_bootstrap=4)
    if how == "early stopping":
        est.set_params(early_stopping=True, tol=1e-3, n_iter_no_change=3)
    if how == "partial_fit":
        for lo in range(0, N, 1000):
            est.partial_fit(rows[lo : lo + 1000], Y[lo : lo + 1000])
    elif how == "fit, then partial_fit":
        est.fit(rows[:1000], Y[:1000]).partial_fit(rows[1003:], Y[1003:])
    else:
        est.fit(rows, Y)
    with pytest.warns(UserWarning, match="fewer than 10 rows have the features x3:"):
        est.coef_table()


@FEW_MODELS
@pytest.mark.parametrize("passes", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_standard_errors_are_the_spread_of_estimates_from_other_rows(loss, passes):
    """40 runs of 4 coefficients: how often intervals cover, `python -m tests.support.coverage --passes 1 5` says."""
    case, truth = Case(loss, "toeplitz", 3, 4000), np.array([0.0, 0.0, 0.5, 1.0])
    off, se, how = [], {"bootstrap": [], "split": []}, TWICE | {"max_iter": passes}
    for run in range(40):
        rows, y, _ = draw(case, np.random.default_rng([1, run]))
        make = SGDClassifier("log_loss") if loss == "log_loss" else SGDRegressor()
        est = make.set_params(**how, n_bootstrap=20, n_splits=10).fit(rows, y)
        for method, found in se.items():
            found.append(est.std_errors(method))
        off.append(est._spread(None).rows(est)[0][0] - truth)
    spread = np.sqrt(np.mean(np.square(off)))
    for found in se.values():
        assert 0.8 < np.sqrt(np.mean(np.square(found))) / spread < 1.25


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize("name", ["n_bootstrap", "n_splits"])
@pytest.mark.parametrize(
    "params, words",
    [
        ({}, "needs learning_rate='auto', got 'optimal'.*LinearClassifier"),
        ({"learning_rate": "auto", "penalty": "l1"}, "is not for penalty='l1', which chooses among the columns"),
        ({"learning_rate": "auto", "batch_size": 8}, "batch_size=1"),
    ],
)
def test_what_has_no_intervals_is_refused_before_it_is_trained(name, params, words):
    est = SGDClassifier(**params, **{name: 20})
    for train in (est.fit, lambda X, y: est.partial_fit(X, y, classes=[0, 1])):
        with pytest.raises(ValueError, match=words):
            train(X, LABELS)
    assert not hasattr(est, "coef_")


@pytest.mark.parametrize("value", [-1, 1, 2.5, "20"])
@pytest.mark.parametrize("name", ["n_bootstrap", "n_splits"])
def test_the_number_of_models_is_checked(name, value):
    with pytest.raises(ValueError, match=name):
        SGDRegressor(learning_rate="auto", **{name: value}).fit(X, Y)


def test_without_models_the_error_says_what_to_set():
    est = SGDRegressor(**ONCE, n_bootstrap=3).fit(X, Y)
    with pytest.raises(ValueError, match="learning_rate='auto' and n_splits=10"):
        est.coef_table(method="split")
    with pytest.raises(ValueError, match="method must be 'bootstrap', 'split' or None"):
        est.coef_table(method="hessian")
    with pytest.raises(ValueError, match="confidence_level"):
        est.coef_table(95)
    est.coef_ = est.coef_ + 1.0
    with pytest.raises(ValueError, match="is not what training has made it"):
        est.std_errors()


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("as_source", [False, True])
def test_models_that_have_seen_no_row_with_weight_ask_for_rows(as_source):
    data = (Blocks(X, Y, np.zeros(N)),) if as_source else (X, Y, np.zeros(N))
    est = SGDRegressor(**ONCE, n_bootstrap=3).partial_fit(*data)
    for ask in (est.coef_table, est.std_errors, lambda: est.predict_interval(X)):
        with pytest.raises(ValueError, match="have learnt nothing yet: train on rows of which some have weight"):
            ask()
    assert est.partial_fit(X, Y).coef_table().attrs["n_rows"] == N


def test_a_one_class_svm_has_none():
    assert not hasattr(SGDOneClassSVM(), "coef_table") and "n_bootstrap" not in SGDOneClassSVM().get_params()


def test_no_models_are_kept_unless_they_are_asked_for():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SGDRegressor(**ONCE).fit(X, Y)._state.beside is None
