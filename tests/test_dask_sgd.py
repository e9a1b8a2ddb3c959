"""SGDClassifier and SGDRegressor on partitions: what a round is, and that all else is as in the estimators of one machine."""

import pickle

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from support.chaos import Chaotic

import fastsgd
from fastsgd import Checkpoint, SGDClassifier, SGDRegressor, optimizers
from fastsgd import dask as on
from fastsgd.dask.runners import LocalRunner

N, D = 600, 5
RNG = np.random.default_rng(0)
X = np.where(RNG.random((N, D)) < 0.6, RNG.standard_normal((N, D)) * [1, 1, 3, 0.3, 1], 0.0)
MARGIN = X @ [1.0, -1.0, 0.3, 3.0, 0.0]
Y = np.where(MARGIN + RNG.logistic(size=N) > 0, "up", "down")
THREE = np.digitize(MARGIN + RNG.logistic(size=N), [-1, 1])
S = RNG.integers(0, 3, N).astype(float)
ONCE = dict(loss="log_loss", random_state=3, tol=None)
WAYS = {
    "auto": dict(learning_rate="auto"),
    "auto, elastic net": dict(learning_rate="auto", penalty="elasticnet", alpha=0.01),
    "plain": dict(learning_rate="invscaling"),
    "plain, l1, averaged": dict(learning_rate="invscaling", penalty="l1", alpha=0.003, average=True),
    "standardize": dict(learning_rate="invscaling", standardize=True),
    "adagrad": dict(optimizer="adagrad", eta0=0.3),
    "ftrl": dict(optimizer="ftrl", eta0=0.3),
    "momentum in batches": dict(optimizer="momentum", batch_size=8, learning_rate="invscaling", average=10),
    "adam": dict(optimizer="adam", learning_rate="constant"),
    "noise": dict(learning_rate="invscaling", gradient_noise=0.01),
}


def spread(a, rows=150, csr=False):
    out = da.from_array(a, chunks=(rows, -1)[: a.ndim])
    return out.map_blocks(sp.csr_matrix) if csr else out


def fitted(runner=None, X=X, y=Y, rows=150, csr=False, cls=on.SGDClassifier, weight=None, **params):
    est = cls(client=runner or LocalRunner(), **ONCE | params)
    weight = None if weight is None else spread(weight, rows)
    return est.fit(spread(X, rows, csr), spread(y, rows), sample_weight=weight)


def loss_of(est, X=X, y=Y):
    p = est.to_local().predict_proba(X) if hasattr(est, "to_local") else est.predict_proba(X)
    return -np.log(p[np.arange(len(y)), np.searchsorted(est.classes_, y)]).mean()


def bits(est):
    return [a.tobytes() for a in (est.coef_, est.intercept_, np.asarray(est.t_), est.history_["loss"])]


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("way", WAYS)
def test_tasks_done_twice_lost_and_in_any_order_give_the_same_bits(way, csr):
    right = fitted(max_iter=2, csr=csr, **WAYS[way])
    assert bits(fitted(Chaotic(1), max_iter=2, csr=csr, **WAYS[way])) == bits(right)
    assert right.n_iter_ == 2 and right.coef_.any() and np.isfinite(right.coef_).all()


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("target", ["two classes", "three classes"])
@pytest.mark.parametrize("way", WAYS)
def test_one_partition_is_the_fit_of_one_machine(way, target, csr):
    """But for rounding; what L1 is owed at the end of a round is settled, so that the average is of other steps after that."""
    y = Y if target == "two classes" else THREE
    how = dict(ONCE, max_iter=1 if "averaged" in way else 3, shuffle=False, **WAYS[way])
    if way == "noise":  # It is drawn by the partition.
        how["gradient_noise"] = 0.0
    one = SGDClassifier(**how).fit(sp.csr_matrix(X) if csr else X, y, sample_weight=S)
    mine = fitted(y=y, rows=N, csr=csr, weight=S, **how)
    exact = dict(rtol=1e-6, atol=1e-8) if way == "auto, elastic net" else dict(rtol=1e-8, atol=1e-10)
    if way == "auto, elastic net" and not csr:
        exact = dict(
            rtol=0.02, atol=1e-3
        )  # The penalty is also paid at the end of each round, and not every 16 rows alone.
    np.testing.assert_allclose(mine.coef_, one.coef_, **exact)
    np.testing.assert_allclose(mine.intercept_, one.intercept_, **exact)
    np.testing.assert_allclose(mine.history_["loss"], one.history_["loss"], rtol=1e-6)
    assert mine.t_ == one.t_ and mine.n_iter_ == one.n_iter_ and mine.stop_reason_ == one.stop_reason_
    np.testing.assert_array_equal(mine.classes_, one.classes_)


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
def test_what_auto_counts_is_that_of_all_rows(csr):
    """Moments of the columns, sums of squares and numbers of rows, whatever partitions they are in."""
    how = dict(
        learning_rate="auto", max_iter=1, fit_intercept=not csr
    )  # with one, CSR columns that most rows have begin anew
    mine = fitted(csr=csr, rows=70, **how)._state.auto
    one = SGDClassifier(**ONCE | how, shuffle=False).fit(sp.csr_matrix(X) if csr else X, Y)
    one = one._state.auto
    for name in ("t", "weight", "values"):
        np.testing.assert_allclose(mine.at[name], one.at[name])
    np.testing.assert_allclose(mine.heads[:, 2], one.heads[:, 2])
    if csr:
        np.testing.assert_allclose(mine.scales, one.scales, rtol=0.25)  # Few values far from the others differ.
        np.testing.assert_allclose(mine.visits, one.visits, rtol=1e-12)
    else:
        np.testing.assert_allclose(mine.columns[:2], one.columns[:2], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mine.columns[0], X.mean(axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(mine.columns[1], N * X.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("way", ["auto", "adagrad"])
def test_a_feature_that_one_partition_has_keeps_the_weight_of_that_partition(way, csr):
    rows = X.copy()
    rows[:300, 0] = rows[300:, 1] = 0
    how = dict(WAYS[way], max_iter=1, csr=csr, shuffle=False, penalty=None, fit_intercept=False)
    mine = fitted(X=rows, rows=300, **how)
    halves = [fitted(X=rows[half], y=Y[half], rows=300, **how) for half in (slice(300, 600), slice(0, 300))]
    for j, half in enumerate(halves):
        # Newton's steps put parts together in all columns at once, of which the others differ.
        np.testing.assert_allclose(averaged(mine)[j], averaged(half)[j], rtol=1e-9 if csr or way != "auto" else 0.05)


def averaged(est):
    """Its weights in units of X, without what rows not yet learnt from say of them."""
    state = est._state
    if state.auto is None:
        return state.W[:, 0]
    state.auto.again = True
    return state.model(est._published.plan)[0][:, 0]


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("y", [Y, THREE], ids=["two classes", "three classes"])
def test_rounds_of_auto_end_where_those_of_one_machine_do(y, csr):
    least = objective(fastsgd.LinearClassifier("log_loss", alpha=0.01, tol=1e-8).fit(X, y), y)
    for size in (150, 40):
        found = objective(fitted(y=y, rows=size, csr=csr, learning_rate="auto", max_iter=30, alpha=0.01), y)
        assert found - least < 2e-3


def objective(est, y, alpha=0.01):
    """Mean over the classes."""
    margins = (X @ np.atleast_2d(est.coef_).T + est.intercept_).T
    classes = est.classes_[1:] if len(est.classes_) == 2 else est.classes_
    losses = [np.logaddexp(0, np.where(y == label, -z, z)).mean() for z, label in zip(margins, classes, strict=True)]
    return np.mean(losses) + alpha / 2 * (est.coef_**2).sum() / len(classes)


def test_one_round_of_auto_on_partitions_is_nearly_as_good_as_a_pass_of_one_machine():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((8000, 10)) * np.exp(rng.standard_normal(10))
    y = (X @ (rng.standard_normal(10) / abs(X).mean(axis=0)) / 2 + rng.logistic(size=8000) > 0).astype(int)
    one = SGDClassifier(**ONCE, learning_rate="auto", max_iter=1).fit(X, y)
    mine = fitted(X=X, y=y, rows=1000, learning_rate="auto", max_iter=1)
    assert loss_of(mine, X, y) < loss_of(one, X, y) + 0.01


def test_partitions_without_rows_without_weight_or_of_one_class_change_nothing_else():
    weight = np.ones(N)
    weight[150:300] = 0
    order = np.concatenate([np.argsort(Y[:150]), np.arange(150, N)])
    chunks = ((75, 75, 0, 150, 300), (D,))
    est = on.SGDClassifier(client=Chaotic(2), learning_rate="auto", max_iter=20, **ONCE)
    est.fit(da.from_array(X[order], chunks=chunks), spread(Y[order]), sample_weight=spread(weight))
    right = SGDClassifier(**ONCE, learning_rate="auto", max_iter=20).fit(X, Y, sample_weight=weight)
    assert est._state.auto.at["t"] == 20 * (N - 150)
    assert abs(loss_of(est) - loss_of(right)) < 0.01


@pytest.mark.parametrize("csr", [False, True], ids=["dense", "csr"])
def test_the_objective_of_each_round_is_that_of_all_rows(csr):
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration"):
        mine = fitted(learning_rate="invscaling", csr=csr, max_iter=4, tol=1e-9, alpha=0.01, weight=S)
    penalty = 0.005 * (mine.coef_**2).sum()
    p = mine.to_local().predict_proba(X)[np.arange(N), np.searchsorted(mine.classes_, Y)]
    objective = -np.average(np.log(p), weights=S) + penalty
    assert mine.history_["objective"].min() == pytest.approx(objective, rel=1e-9)
    assert len(mine.history_) == mine.n_iter_ == 4 and mine.stop_reason_ == "max_iter"


def test_a_rule_stops_rounds_as_it_stops_epochs():
    mine = fitted(learning_rate="auto", max_iter=1000, tol=1e-3)
    assert mine.stop_reason_ == "objective" and mine.n_iter_ < 30


def test_a_line_search_is_gradient_descent_on_all_rows():
    how = dict(ONCE, optimizer=optimizers.SGD(line_search=True), batch_size="full", eta0=1.0, max_iter=5)
    one, mine = SGDClassifier(**how).fit(X, Y), fitted(**how)
    np.testing.assert_allclose(mine.coef_, one.coef_, rtol=1e-9)


def test_standard_units_are_those_of_all_rows():
    mine = fitted(**WAYS["standardize"], max_iter=2, weight=S)
    right = SGDClassifier(**ONCE, **WAYS["standardize"], max_iter=1).fit(X, Y, sample_weight=S)
    np.testing.assert_allclose(mine.mean_, right.mean_, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mine.scale_, right.scale_, rtol=1e-9)


@pytest.mark.parametrize("scoring", [None, "loss"])
def test_a_validation_collection_stops_the_rounds_and_the_best_are_returned(scoring):
    est = on.SGDClassifier(
        client=Chaotic(5), learning_rate="auto", max_iter=50, validation_scoring=scoring, **ONCE | {"tol": 0}
    )
    est.fit(
        spread(X[:450]),
        spread(Y[:450]),
        X_val=spread(X[450:], 70),
        y_val=spread(Y[450:], 50),
        sample_weight_val=S[450:],
    )
    local, scores = est.to_local(), est.history_["validation_score"]
    if scoring is None:
        now = local.score(X[450:], Y[450:], sample_weight=S[450:])
    else:
        p = local.predict_proba(X[450:])[np.arange(150), np.searchsorted(est.classes_, Y[450:])]
        now = np.average(np.log(p), weights=S[450:])
    assert est.stop_reason_ == "validation" and now == pytest.approx(scores.max(), rel=1e-9)


def test_a_regressor_of_several_targets_and_its_scores():
    y = np.stack([MARGIN, -2 * MARGIN + 1], axis=1)
    est = on.SGDRegressor(client=Chaotic(4), learning_rate="auto", max_iter=3, tol=None, random_state=0)
    est.fit(spread(X), spread(y), X_val=spread(X), y_val=spread(y))
    local = est.to_local()
    assert type(local) is SGDRegressor and local.coef_.shape == (2, D)
    assert est.score(spread(X), spread(y)) == pytest.approx(local.score(X, y), rel=1e-9)
    assert est.score(X, y) == local.score(X, y) > 0.99
    assert est.history_["validation_score"].max() == pytest.approx(local.score(X, y), rel=1e-9)


# ---------------------------------------------------------------- predictions
METHODS = "predict", "decision_function", "predict_proba", "predict_log_proba"


@pytest.mark.parametrize("y", [Y, THREE], ids=["two classes", "three classes"])
@pytest.mark.parametrize("method", METHODS)
def test_predictions_are_lazy_and_of_the_blocks_of_x(method, y):
    est = fitted(y=y, learning_rate="auto", max_iter=2)
    right = getattr(est.to_local(), method)(X)
    chunks = (100, 0, 500)
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    for given in (
        da.from_array(X, chunks=(chunks, (3, 2))),
        da.from_array(X, chunks=(chunks, (D,))).map_blocks(sp.csr_matrix),
        frame,
        frame.to_dask_array(),
    ):
        found = getattr(est, method)(given)
        assert isinstance(found, da.Array) and found.dtype == right.dtype and found.ndim == right.ndim
        assert type(found._meta) is np.ndarray and found._meta.dtype == right.dtype
        if given is not frame and not np.isnan(given.shape[0]):
            assert found.chunks[0] == chunks and found.shape == right.shape
        values = found.compute(scheduler="sync")
        assert values.dtype == right.dtype
        np.testing.assert_allclose(
            values, right, rtol=1e-12
        ) if right.dtype.kind == "f" else np.testing.assert_array_equal(values, right)
    np.testing.assert_array_equal(getattr(est, method)(X), right)  # arrays give arrays


def test_probabilities_that_a_loss_does_not_have_are_missing_as_ever():
    assert not hasattr(on.SGDClassifier(loss="hinge"), "predict_proba")
    with pytest.raises(AttributeError, match="CalibratedClassifierCV"):
        _ = on.SGDClassifier(loss="hinge").predict_proba


def test_rows_of_another_width_or_of_other_names_are_refused():
    est = fitted(learning_rate="auto", max_iter=1)
    with pytest.raises(ValueError, match="X has 3 features, but SGDClassifier is expecting 5 features"):
        est.predict(spread(X[:, :3]))
    with pytest.raises(ValueError, match="X has 3 features, but 5 are expected"):
        est.partial_fit(spread(X[:, :3]), spread(Y))
    names = [f"x{j}" for j in range(D)]
    frame = dd.from_pandas(pd.DataFrame(X, columns=names), npartitions=2)
    named = on.SGDClassifier(client=LocalRunner(), learning_rate="auto", max_iter=1, **ONCE).fit(
        frame, dd.from_pandas(pd.Series(Y), npartitions=2)
    )
    assert list(named.feature_names_in_) == names
    with pytest.raises(ValueError, match="other names than those of fit"):
        named.partial_fit(frame.rename(columns={"x0": "z"}), dd.from_pandas(pd.Series(Y), npartitions=2))


# ---------------------------------------------------------------- as an estimator
def test_parameters_are_those_of_one_machine_and_of_the_cluster():
    mine, own = on.SGDClassifier().get_params(), SGDClassifier().get_params()
    assert {name: mine[name] for name in own} == own
    assert mine.keys() - own.keys() == {"client", "timeout", "round_timeout"}
    assert on.SGDRegressor().get_params().keys() - SGDRegressor().get_params().keys() == {
        "client",
        "timeout",
        "round_timeout",
    }
    with pytest.raises(TypeError, match="unexpected keyword argument 'etta0'"):
        on.SGDClassifier(etta0=1)


def test_pickles_clones_and_files_know_no_client(tmp_path):
    runner = LocalRunner()
    est = fitted(runner, learning_rate="auto", max_iter=1)
    copy = clone(est)
    assert copy.client is runner and not hasattr(copy, "coef_")
    back = pickle.loads(pickle.dumps(est))
    assert back.client is None and bits(back) == bits(est)
    est.save(tmp_path / "model.safetensors")
    est.save(tmp_path / "alone", training_state=False)
    assert (fastsgd.load(tmp_path / "alone").coef_ == est.coef_).all()
    read = fastsgd.load(tmp_path / "model.safetensors")
    assert type(read) is SGDClassifier is type(est.to_local())
    for one in (read, est.to_local(), back):
        np.testing.assert_array_equal(one.predict_proba(X), est.predict_proba(X))
    assert "client" not in est.to_local().get_params()


def test_what_is_made_local_goes_on_by_itself():
    est = fitted(learning_rate="auto", max_iter=1)
    local, before = est.to_local(), bits(est)
    local.partial_fit(X, Y)
    assert local.t_ == 2 * N + 1 and bits(est) == before


def test_partial_fit_makes_one_round_of_each_call():
    whole = fitted(learning_rate="auto", max_iter=1)
    est = on.SGDClassifier(client=Chaotic(6), learning_rate="auto", **ONCE)
    est.partial_fit(spread(X), spread(Y), classes=["down", "up"])
    np.testing.assert_array_equal(est.coef_, whole.coef_)
    est.partial_fit(spread(X), spread(Y))
    assert est.t_ == 2 * N + 1 and est.n_iter_ == 1 and not np.array_equal(est.coef_, whole.coef_)


@pytest.mark.parametrize("way", ["auto", "plain, l1, averaged", "momentum in batches", "ftrl"])
def test_a_fit_that_ended_in_a_round_goes_on_bit_for_bit(way, tmp_path):
    how = dict(WAYS[way], max_iter=5, csr=way != "ftrl")
    right = fitted(**how)

    def stops(progress):
        return progress.epoch == 2

    path = tmp_path / "run.ckpt"
    half = on.SGDClassifier(
        client=LocalRunner(), callbacks=[Checkpoint(path, every_rows=1), stops], **ONCE | {"max_iter": 5} | WAYS[way]
    )
    half.fit(spread(X, csr=how["csr"]), spread(Y))
    assert half.n_iter_ == 2 and half.stop_reason_ == "callback"
    rest = on.SGDClassifier(client=Chaotic(7), **ONCE | {"max_iter": 5} | WAYS[way])
    rest.fit(spread(X, csr=how["csr"]), spread(Y), resume_from=path)
    assert bits(rest) == bits(right)
    with pytest.raises(ValueError, match=r"checkpoint of another fit.*partition"):
        rest.fit(spread(X, 200, csr=how["csr"]), spread(Y), resume_from=path)


def test_callbacks_see_each_round():
    seen = []
    est = fitted(
        learning_rate="auto",
        max_iter=3,
        callbacks=lambda progress: seen.append((progress.epoch, progress.estimator.coef_.copy())),
    )
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    np.testing.assert_array_equal(seen[-1][1], est.coef_)


REFUSED = {
    "early_stopping": (dict(early_stopping=True), "X_val and y_val"),
    "n_jobs": (dict(n_jobs=2), "a task has one thread"),
    "n_bootstrap": (dict(n_bootstrap=20, learning_rate="auto"), "on one machine alone"),
    "n_splits": (dict(n_splits=10, learning_rate="auto"), "on one machine alone"),
    "half_life": (dict(half_life=100, learning_rate="auto"), "no order in which rows could fade"),
    "parallel": (dict(parallel="hogwild", learning_rate="invscaling"), "the threads of one machine"),
    "batch_size": (dict(batch_size="full"), "line_search=True"),
    "validation_scoring": (dict(validation_scoring="roc_auc"), "must be None or 'loss'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_cluster_can_not_do_is_refused_with_advice(name):
    params, words = REFUSED[name]
    with pytest.raises(ValueError, match=f"{name}=.*{words}"):
        fitted(**params)


def test_rows_in_memory_and_a_client_that_is_not_there_are_refused():
    with pytest.raises(ValueError, match="X must be a dask array or dataframe"):
        on.SGDClassifier(client=LocalRunner()).fit(X, Y)
    with pytest.raises(ValueError, match="there is no Dask client"):
        on.SGDClassifier().fit(spread(X), spread(Y))
    with pytest.raises(ValueError, match="y_val or sample_weight_val is given without X_val"):
        on.SGDClassifier(client=LocalRunner()).fit(spread(X), spread(Y), y_val=spread(Y))


def test_a_fit_that_diverges_says_which_columns_are_to_blame():
    with pytest.raises(ValueError, match=r"overflow.*the columns of largest scale are 2"):
        fitted(X=X * [1, 1, 1e200, 1, 1], learning_rate="constant", eta0=1e200, loss="squared_error", max_iter=2)
