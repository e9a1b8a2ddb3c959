"""LinearClassifier and LinearRegressor on a cluster: those of one machine, the same bits whoever dies, and what is not there."""

import pickle

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support import clusters
from support.chaos import Chaotic
from support.data import labels, rows

import fastsgd
from fastsgd import losses, sources
from fastsgd.dask import LinearClassifier, LinearRegressor, partitioned
from fastsgd.dask.runners import LocalRunner

X, Y, S = rows(300, 5)
TWO = np.where(labels(Y) == 1, "yes", "no")
FOUR = labels(Y, 4) * 10
ORDER = np.argsort(Y)  # Partitions are sorted by class.
CHUNKS = (1, 0, 99, 120, 80)


def spread(*arrays):
    """Each as a dask array, sorted by the target, in chunks of which one is empty and one is of a single row."""
    return [da.from_array(a[ORDER], chunks=(CHUNKS, *((size,) for size in a.shape[1:]))) for a in arrays]


@pytest.fixture
def here(monkeypatch):
    """Fits and scores run in this thread, whatever the client."""
    for cls in (LinearClassifier, LinearRegressor):
        monkeypatch.setattr(cls, "_runner", lambda self: LocalRunner())


def near(ours, theirs, rtol=1e-3):
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=rtol, atol=rtol * abs(theirs.coef_).max())


# ---------------------------------------------------------------- the model
@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "modified_huber"])
@pytest.mark.parametrize("y", [TWO, FOUR], ids=["two", "four"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_classifier_is_that_of_one_machine(here, loss, y, class_weight):
    given = {"loss": loss, "alpha": 1e-3, "class_weight": class_weight, "tol": 1e-8, "random_state": 0}
    ours = LinearClassifier(**given).fit(*spread(X, y, S))
    theirs = fastsgd.LinearClassifier(**given).fit(X, y, S)
    near(ours, theirs)
    assert ours.stop_reason_ == "certified" and ours.dual_gap_ <= 1e-8
    assert np.array_equal(ours.classes_, theirs.classes_) and ours.n_features_in_ == 5
    assert ours.n_iter_ == ours.history_["epoch"].max() <= 12


@pytest.mark.parametrize("loss", ["squared_error", losses.Huber(0.2), losses.SquaredEpsilonInsensitive(0.1), "poisson"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_regressor_is_that_of_one_machine(here, loss, penalty):
    y = np.exp(np.clip(Y, -2, 2)) if loss == "poisson" else Y
    given = {"loss": loss, "alpha": 1e-2, "penalty": penalty, "tol": 1e-7, "random_state": 0}
    ours = LinearRegressor(**given).fit(*spread(X, y, S))
    near(ours, fastsgd.LinearRegressor(**given).fit(X, y, S), 2e-3)
    assert ours.stop_reason_ == "certified"


def test_targets_of_several_columns_and_probabilities(here):
    y = np.column_stack([Y, -2.0 * Y + X[:, 0]])
    ours = LinearRegressor(tol=1e-9).fit(*spread(X, y))
    near(ours, fastsgd.LinearRegressor(tol=1e-9).fit(X, y))
    soft = 1.0 / (1.0 + np.exp(-Y))
    near(LinearClassifier(tol=1e-9).fit(*spread(X, soft)), fastsgd.LinearClassifier(tol=1e-9).fit(X, soft))


def test_any_collection_is_the_same_model(here, tmp_path):
    """Arrays of CSR blocks, dataframes, and sources read on the workers."""
    few = X * (abs(X) > 1.5)
    one = fastsgd.LinearClassifier(tol=1e-8).fit(few, TWO)
    near(LinearClassifier(tol=1e-8).fit(*spread(few, TWO)), one)
    Xd, yd = spread(few, TWO)
    near(LinearClassifier(tol=1e-8).fit(Xd.map_blocks(sp.csr_matrix), yd), one)
    frame = pd.DataFrame(few, columns=list("abcde")).assign(y=TWO)
    cut = dd.from_pandas(frame, npartitions=3)
    found = LinearClassifier(tol=1e-8).fit(cut[list("abcde")], cut["y"])
    near(found, one)
    assert found.feature_names_in_.tolist() == list("abcde")
    frame.to_parquet(tmp_path / "all.parquet", row_group_size=50)
    source = sources.from_parquet(tmp_path / "all.parquet", target="y")
    near(LinearClassifier(tol=1e-8).fit(partitioned(source, 4)), one)


def test_float32_stays_and_warm_start_goes_on(here):
    Xd, yd = spread(X.astype(np.float32), TWO)
    clf = LinearClassifier(warm_start=True, random_state=0, tol=1e-5).fit(Xd, yd)
    assert clf.coef_.dtype == np.float32 and clf.stop_reason_ == "certified"
    assert clf.fit(Xd, yd).n_iter_ == 2


# ---------------------------------------------------------------- what is fitted
def test_predictions_are_lazy_and_those_of_one_machine(here):
    Xd, yd, sd = spread(X, FOUR, S)
    clf = LinearClassifier(random_state=0).fit(Xd, yd, sd)
    local = clf.to_local()
    assert type(local) is fastsgd.LinearClassifier
    for name in ("decision_function", "predict", "predict_proba", "predict_log_proba"):
        lazy = getattr(clf, name)(Xd)
        assert isinstance(lazy, da.Array) and lazy.chunks[0] == CHUNKS
        right = getattr(local, name)(X[ORDER])
        np.testing.assert_allclose(*(a if a.dtype.kind == "f" else a.astype(float) for a in (lazy.compute(), right)))
        assert lazy.dtype == right.dtype
        np.testing.assert_array_equal(getattr(clf, name)(X[ORDER]), right)
    assert clf.score(Xd, yd, sd) == pytest.approx(local.score(X, FOUR, S))
    reg = LinearRegressor().fit(*spread(X, Y))
    assert reg.score(*spread(X, Y, S)) == pytest.approx(reg.to_local().score(X, Y, S))
    np.testing.assert_allclose(reg.predict(spread(X)[0]).compute(), reg.predict(X[ORDER]))
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=2)
    np.testing.assert_allclose(clf.predict(frame).compute().astype(float), local.predict(X).astype(float))
    with pytest.raises(ValueError, match="X has 3 features"):
        clf.predict(Xd[:, :3])
    with pytest.raises(AttributeError, match="predict_proba"):
        LinearClassifier("squared_hinge").fit(Xd, yd).predict_proba(Xd)


def test_models_go_without_the_cluster(here, tmp_path):
    clf = LinearClassifier(random_state=0, client=object()).fit(*spread(X, TWO))
    assert clone(clf).client is clf.client
    again = pickle.loads(pickle.dumps(clf))
    assert again.client is None and np.array_equal(again.coef_, clf.coef_)
    clf.save(tmp_path / "model.safetensors")
    loaded = fastsgd.load(tmp_path / "model.safetensors")
    assert type(loaded) is fastsgd.LinearClassifier and np.array_equal(loaded.coef_, clf.coef_)


def test_callbacks_and_lines_are_of_rounds(here, capsys):
    seen = []
    clf = LinearClassifier(
        tol=1e-12, verbose=1, callbacks=lambda progress: seen.append(progress.estimator.coef_) or len(seen) == 2
    )
    clf.fit(*spread(X, TWO))
    assert clf.stop_reason_ == "callback" and len(seen) == 2
    assert capsys.readouterr().out.splitlines()[0].startswith("round 2: objective ")
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds"):
        LinearClassifier(tol=1e-12, max_iter=1).fit(*spread(X, TWO))


# ---------------------------------------------------------------- what is not there
@pytest.mark.parametrize(
    "est, words",
    [
        (LinearClassifier("hinge"), "'squared_hinge'.*SGDClassifier"),
        (LinearRegressor("quantile"), "'huber'.*SGDRegressor"),
        (LinearRegressor(losses.EpsilonInsensitive(0.1)), "'squared_epsilon_insensitive'"),
        (LinearClassifier(multi_class="multinomial"), "multi_class.*'ovr'"),
        (LinearClassifier(n_jobs=2), "n_jobs must be None"),
        (LinearClassifier(timeout=-1.0), "timeout must be"),
        (LinearClassifier(client="tcp://here"), "client must be"),
    ],
)
def test_what_is_not_there_is_said(est, words):
    with pytest.raises(ValueError, match=words):
        est.fit(*spread(X, TWO if isinstance(est, LinearClassifier) else Y))


def test_rows_in_memory_and_bad_ones_are_said(here):
    with pytest.raises(ValueError, match=r"X must be a dask array.*in memory"):
        LinearClassifier().fit(X, TWO)
    bad = X.copy()
    bad[ORDER[150], 2] = np.nan
    with pytest.raises(ValueError, match=r"(?s)Partition 3 .*NaN"):
        LinearClassifier().fit(*spread(bad, TWO))
    clf = LinearClassifier(random_state=0).fit(*spread(X, TWO))
    coef = clf.coef_.copy()
    with pytest.raises(ValueError, match=r"one class|greater than one"):
        clf.fit(*spread(X, np.zeros(len(X))))
    assert np.array_equal(clf.coef_, coef)


# ---------------------------------------------------------------- on a cluster
@pytest.fixture(scope="module")
def client():
    with clusters.cluster(2) as (_, one):
        yield one


def test_the_same_bits_whoever_dies(client, monkeypatch):
    """In this thread, in any order, on two workers, and with one of them killed on the way."""
    Xd, yd, sd = spread(X, FOUR, S)
    model = {"alpha": 1e-4, "tol": 1e-9, "random_state": 0, "client": client}
    killed = []

    def kill(progress):
        if progress.epoch == 5 and not killed:
            killed.append(5)
            clusters.strike(client, [0])

    fits = [LinearClassifier(**model).fit(Xd, yd, sd), LinearClassifier(**model, callbacks=kill).fit(Xd, yd, sd)]
    assert killed == [5]
    for runner in (LocalRunner, lambda: Chaotic(0)):
        monkeypatch.setattr(LinearClassifier, "_runner", lambda self, runner=runner: runner())
        fits.append(LinearClassifier(**model).fit(Xd, yd, sd))
    for other in fits[1:]:
        assert np.array_equal(other.coef_, fits[0].coef_) and np.array_equal(other.intercept_, fits[0].intercept_)
        assert other.dual_gap_ == fits[0].dual_gap_ and other.n_iter_ == fits[0].n_iter_


def test_nothing_is_left_on_the_cluster(client):
    Xd, yd = spread(X, TWO)
    clf = LinearClassifier(client=client).fit(Xd, yd)
    assert clf.client_ is client and clf.score(Xd, yd) > 0.9
    assert clf.predict(Xd).compute().shape == (300,)
    del Xd, yd
    assert client.run_on_scheduler(clusters.left_over) == []


# ---------------------------------------------------------------- standard errors
@pytest.mark.parametrize("make, y", [("LinearClassifier", TWO), ("LinearRegressor", Y)])
def test_standard_errors_are_those_of_one_machine_of_rows_in_memory(here, make, y, capsys):
    given = {"penalty": None, "tol": 1e-8, "random_state": 0}
    ours = globals()[make](**given).fit(*spread(X, y, S))
    theirs, rows = getattr(fastsgd, make)(**given).fit(X, y, S), {"X": X, "y": y, "sample_weight": S}
    groups = np.arange(len(X)) // 3
    for how in ({}, {"robust": True}, {"clusters": groups}):
        np.testing.assert_allclose(
            ours.covariance_matrix(**how, **rows), theirs.covariance_matrix(**how, **rows), rtol=1e-3
        )
        np.testing.assert_allclose(ours.std_errors(**how, **rows), theirs.std_errors(**how, **rows), rtol=1e-3)
    assert ours.coef_table(**rows).index.tolist() == theirs.coef_table(**rows).index.tolist()
    ends = theirs.predict_interval(X[:4], rows=(X, y, S))
    np.testing.assert_allclose(ours.predict_interval(X[:4], rows=(X, y, S)), ends, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(ours.to_local().predict_interval(X[:4], rows=(X, y, S)), ends, rtol=1e-3, atol=1e-6)
    ours.summary(**rows)
    assert make in capsys.readouterr().out


def test_standard_errors_of_collections_are_refused_in_words(here):
    """They would come into memory."""
    Xd, yd = spread(X, Y)
    reg = LinearRegressor(random_state=0).fit(Xd, yd)
    words = "of rows in memory: pass the rows of the fit"
    for ask in (
        reg.coef_table,
        reg.summary,
        lambda: reg.std_errors(X=Xd, y=yd),
        lambda: reg.covariance_matrix(X=X, y=yd),
        lambda: reg.predict_interval(X),
        lambda: reg.predict_interval(X, rows=(Xd, yd)),
    ):
        with pytest.raises(ValueError, match=words):
            ask()
    with pytest.raises(ValueError, match="predict_interval takes rows in memory"):
        reg.predict_interval(Xd, rows=(X, Y))


def test_shares_and_coefficients_are_those_of_one_machine_and_collections_are_refused_in_words(here):
    Xd, yd = spread(X, Y)
    reg = LinearRegressor(random_state=0).fit(Xd, yd)
    np.testing.assert_array_equal(reg.contributions(X), reg.to_local().contributions(X))
    table, there = reg.coefficients(data=X), reg.to_local().coefficients(data=X)
    np.testing.assert_array_equal(table.rows, there.rows)
    with pytest.raises(ValueError, match="contributions takes rows in memory"):
        reg.contributions(Xd)
    with pytest.raises(ValueError, match="data must be rows in memory"):
        reg.coefficients(data=Xd)
