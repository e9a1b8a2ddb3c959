"""max_iter="auto": as many passes as take something off the loss of rows that were not learnt from."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.metrics import log_loss
from support.checkpoint import Interrupt, outcome
from support.streamed import Blocks

import fastsgd
from fastsgd import (
    Checkpoint,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    decide,
    inspection,
    judge,
)
from fastsgd.judge import falls
from fastsgd.sources import from_batches
from fastsgd.sources._order import fold_numbers

N, D = 1200, 6
RNG = np.random.default_rng(3)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7) * [1, 2, 0.5, 1, 3, 1]
MARGIN = X @ RNG.standard_normal(D) + 0.3
Y = MARGIN + RNG.standard_normal(N)
LABELS = np.where(MARGIN + RNG.logistic(size=N) > 0, "yes", "no")
CLASSES = (X[:, [0, 1, 4]] @ [[1, -1, 0], [0, 1, -1], [-1, 0, 1]] + RNG.gumbel(size=(N, 3))).argmax(axis=1)
WEIGHT = RNG.integers(0, 3, N).astype(float)
AUTO = {"learning_rate": "auto", "max_iter": "auto", "random_state": 0}
LAYOUTS = {
    "dense": np.asarray,
    "float32": np.float32,
    "csr": sp.csr_matrix,
    "csr32": lambda X: sp.csr_matrix(np.float32(X)),
}
SETTINGS = {
    "squared": (SGDRegressor, {}, Y),
    "targets": (SGDRegressor, {"loss": "huber"}, np.column_stack([Y, X[:, 0] - Y])),
    "logistic": (SGDClassifier, {"loss": "log_loss", "class_weight": {"no": 2.0, "yes": 1.0}}, LABELS),
    "classes": (SGDClassifier, {"loss": "log_loss", "class_weight": "balanced"}, CLASSES),
    "resampled": (SGDRegressor, {"n_bootstrap": 2, "n_splits": 2, "penalty": None}, Y),
    "together": (
        SGDClassifier,
        {"loss": "log_loss", "multi_class": "multinomial", "learning_rate": "invscaling"},
        CLASSES,
    ),
    "together, auto": (SGDClassifier, {"loss": "log_loss", "multi_class": "multinomial"}, CLASSES),
    "scaled": (SGDClassifier, {"loss": "hinge", "learning_rate": "optimal", "standardize": True}, LABELS),
    "l1": (SGDRegressor, {"penalty": "l1", "alpha": 0.01, "learning_rate": "invscaling", "average": True}, Y),
    "batches": (SGDRegressor, {"optimizer": "adam", "batch_size": 7, "learning_rate": "constant"}, Y),
    "ftrl": (
        SGDClassifier,
        {"loss": "log_loss", "optimizer": "ftrl", "eta0": 0.1, "learning_rate": "constant"},
        LABELS,
    ),
    "drawn": (SGDRegressor, {"shuffle": "replace"}, Y),
}


def kept(est):
    """The number of the pass whose model it is."""
    return est._state.epoch


def assert_same(est, plain):
    assert np.array_equal(est.coef_, plain.coef_) and np.array_equal(est.intercept_, plain.intercept_)
    assert est.t_ == plain.t_


# ---------------------------------------------------------------- the model, and what it is judged by
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SETTINGS)
def test_the_model_is_that_of_a_fit_of_the_best_number_of_passes(name, layout):
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X)
    est = make(**AUTO | params).fit(rows, y, sample_weight=WEIGHT)
    best = kept(est)
    assert_same(est, make(**AUTO | params | {"max_iter": best, "tol": None}).fit(rows, y, sample_weight=WEIGHT))
    assert len(est.history_) == est.n_iter_ <= 10 and est.stop_reason_ in ("judged", "max_iter")
    assert est.stop_reason_ == "max_iter" or est.n_iter_ >= best


def sums_by_definition(est, y, out):
    """(sums of weight times loss, sums of weights) of each head on the rows of a mask, from the coefficients."""
    margins = X[out] @ np.atleast_2d(est.coef_).T + est.intercept_
    y, s, loss = y[out], np.tile(WEIGHT[out, None], margins.shape[1]), est._loss()
    if not hasattr(est, "classes_"):
        return (s * loss.value(margins, y.reshape(margins.shape))).sum(axis=0), s.sum(axis=0)
    if est.multi_class == "multinomial":
        own = log_softmax(margins, axis=1)[np.arange(len(y)), y]
        return np.array([-(s[:, 0] * own).sum()]), s[:, :1].sum(axis=0)
    heads = est.classes_ if margins.shape[1] > 1 else est.classes_[1:]
    signs = np.where(y[:, None] == heads, 1.0, loss.negative)
    factor = np.array([(est.class_weight or {}).get(label, 1.0) for label in est.classes_])
    s = s * np.where(signs > 0, factor if len(heads) > 1 else factor[1], 1.0 if len(heads) > 1 else factor[0])
    return (s * loss.value(margins, signs)).sum(axis=0), s.sum(axis=0)


@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"resampled", "scaled"}))
def test_the_score_is_the_loss_of_models_that_have_not_learnt_from_the_rows(name, layout):
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X)
    if params.get("class_weight") == "balanced":  # Its factors are of all rows.
        params = params | {"class_weight": dict(enumerate(N / (3 * np.bincount(y))))}
    est = make(**AUTO | params).fit(rows, y, sample_weight=WEIGHT)
    folds, sums = fold_numbers(np.arange(N), judge.FOLDS, est._state.seed), 0.0
    for fold in range(judge.FOLDS):
        out, each = folds == fold, []
        plain = make(**AUTO | params | {"max_iter": est.n_iter_, "tol": None})
        plain.set_params(callbacks=lambda at, out=out, each=each: each.append(sums_by_definition(at.estimator, y, out)))
        plain.fit(rows, y, sample_weight=WEIGHT * ~out)
        sums = sums + np.array(each)
    expected = -(sums[:, 0] / sums[:, 1]).mean(axis=1)
    np.testing.assert_allclose(est.history_["validation_score"], expected, rtol=1e-9)


def rare_levels():
    """Rows of which a second pass learns the noise by heart, and their targets."""
    rng = np.random.default_rng(0)
    level = rng.integers(0, 300, 1500)
    rows = sp.csr_matrix((np.ones(1500), (np.arange(1500), level)), shape=(1500, 300))
    return rows, 0.5 * rng.standard_normal(300)[level] + rng.standard_normal(1500)


def test_the_first_pass_may_be_the_best():
    how = AUTO | {"alpha": 1e-6}
    est = SGDRegressor(**how).fit(*rare_levels())
    assert kept(est) == 1 and est.n_iter_ == 3 and est.stop_reason_ == "judged"
    assert_same(est, SGDRegressor(**how | {"max_iter": 1, "tol": None}).fit(*rare_levels()))


def test_few_rows_that_are_hard_to_learn_get_ten_passes():
    est = SGDRegressor(**AUTO | {"learning_rate": "constant", "eta0": 1e-4}).fit(X, Y)
    assert est.n_iter_ == 10 and est.stop_reason_ == "max_iter" and kept(est) == 10


def test_a_fall_counts_when_it_is_more_than_may_be_chance():
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 4, 32).astype(float)
    before = np.array([weights * rng.random(32), weights]).T[:, :, None]
    fall = 0.1 + 0.2 * rng.standard_normal(32)
    now = before - np.array([weights * fall, 0 * weights]).T[:, :, None]
    mean = np.average(fall, weights=weights)
    error = judge.SURE * np.sqrt(32 / 31 * ((weights * (fall - mean)) ** 2).sum()) / weights.sum()
    for share in (0.9, 1.1):  # of the mean that is just enough
        moved = now.copy()
        moved[:, 0, 0] += weights * (mean - share * error)
        assert falls(before, moved) == (share > 1)
    assert not falls(before, before) and not falls(before, np.full_like(before, np.nan))


def test_the_lowest_loss_is_not_taken_where_it_may_be_so_by_chance(monkeypatch):
    """Each pass is better than the one before by less than may be chance, and the third by more than the first."""
    rng, weights = np.random.default_rng(0), np.ones(32)
    noise = rng.standard_normal(32)
    noise = (noise - noise.mean()) / noise.std()
    fall = judge.SURE / np.sqrt(31)  # of this size with that noise: what is just enough
    of = [[0.0, 0.0], [0.6 * fall, 1.0], [1.1 * fall, 1.0], [0.9 * fall, 0.3], [0.8 * fall, 0.3]]
    passes = [np.array([weights * (9 - mean + size * noise), weights]).T[:, :, None] for mean, size in of]
    monkeypatch.setattr(judge.Judge, "by_left_out", lambda self, *_: setattr(self, "sums", lambda _: passes.pop(0)))
    est = SGDRegressor(**AUTO).fit(X, Y)
    assert (kept(est), est.n_iter_) == (3, 5)


# ---------------------------------------------------------------- of more rows, and of a source
def test_of_more_rows_one_model_leaves_out_a_few(monkeypatch):
    monkeypatch.setattr(judge, "ALL_LEFT_OUT_ROWS", 1000)
    est = SGDRegressor(**AUTO, callbacks=lambda at: at.epoch == 2).fit(X, Y)
    out = fold_numbers(np.arange(N), 10, est._state.seed) == 0
    plain = SGDRegressor(**AUTO | {"max_iter": 2, "tol": None}).fit(X, Y, sample_weight=1.0 * ~out)
    score = -np.mean((plain.predict(X[out]) - Y[out]) ** 2) / 2
    assert est.history_["validation_score"][-1] == pytest.approx(score) and 0.05 < out.mean() < 0.15
    assert judge.folds_of(100_000, True, 8) == (10, 1) and judge.folds_of(900_000, False, 8) == (45, 1)
    assert [judge.folds_of(900, True, mb << 20).left_out for mb in (10, 25, 500)] == [4, 2, 1]


def test_from_a_million_rows_on_it_is_one_pass(monkeypatch):
    monkeypatch.setattr(decide, "MANY_ROWS", N)
    est = SGDRegressor(**AUTO).fit(X, Y)
    assert (est.n_iter_, est.stop_reason_) == (1, "max_iter") and np.isnan(est.history_["validation_score"]).all()
    assert_same(est, SGDRegressor(**AUTO | {"max_iter": 1, "tol": None}).fit(X, Y))
    held = SGDRegressor(**AUTO).fit(X, Y, X_val=X[:100], y_val=Y[:100])
    assert held.n_iter_ == 1 and held.history_["validation_score"][0] == pytest.approx(
        -np.mean((held.predict(X[:100]) - Y[:100]) ** 2) / 2
    )


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_a_source_is_read_as_often_as_passes_are_made_and_once_more(layout, in_order):
    data = LAYOUTS[layout](X)

    def source():
        found = Blocks(data, Y, WEIGHT, in_order=in_order)
        found.max_memory = 20_000
        return found

    rows, how = source(), {"shuffle": not in_order}
    est = SGDRegressor(**AUTO, **how).fit(rows)
    passes = len(rows.read_blocks) / rows.count
    plain = SGDRegressor(**AUTO | how | {"max_iter": kept(est), "tol": None}).fit(source())
    assert_same(est, plain)
    before = source()
    SGDRegressor(**AUTO | how | {"max_iter": est.n_iter_, "tol": None}).fit(before)
    assert passes == pytest.approx(len(before.read_blocks) / before.count + 1, abs=0.6)


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_rows_left_out_of_a_source_are_held_in_a_tenth_of_its_memory(layout, monkeypatch):
    found, whole = [], judge.rows_left_out
    monkeypatch.setattr(judge, "rows_left_out", lambda *args: found.append(whole(*args)) or found[-1])
    source = Blocks(LAYOUTS[layout](X), Y, WEIGHT)
    source.max_memory = 20_000
    est = SGDRegressor(**AUTO, callbacks=lambda at: at.epoch == 2).fit(source)
    ((rows,),) = found
    assert rows.n_rows > 1 and judge._bytes(rows) <= 2000
    places = np.flatnonzero(
        (X[:, None] == np.asarray(rows.X.todense() if rows.sparse else rows.X)).all(axis=2).any(axis=1)
    )
    numbers = (places // 37 << 32) + places % 37
    assert (fold_numbers(numbers, 10, est._state.seed) == 0).all() and len(places) >= rows.n_rows


def test_a_source_in_memory_is_as_its_arrays():
    assert_same(SGDRegressor(**AUTO).fit(from_batches(lambda: iter([(X, Y)]))), SGDRegressor(**AUTO).fit(X, Y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_few_rows_one_row_and_rows_without_weight():
    for n in (1, 2, 5):
        est = SGDRegressor(**AUTO).fit(X[:n], Y[:n])
        assert 1 <= est.n_iter_ <= 10 and np.isfinite(est.coef_).all()
    some = np.zeros(N)
    some[:3] = 1.0
    est = SGDRegressor(**AUTO).fit(X, Y, sample_weight=some)
    assert np.isfinite(est.history_["validation_score"]).all()


# ---------------------------------------------------------------- validation rows
@pytest.mark.parametrize(
    "how", [{}, {"validation_scoring": "loss"}, {"standardize": True, "learning_rate": "invscaling"}]
)
def test_validation_rows_are_the_judge_where_they_are_given(how):
    given = {"X_val": X[900:], "y_val": LABELS[900:], "sample_weight_val": WEIGHT[900:]}
    est = SGDClassifier("log_loss", **AUTO | how).fit(X[:900], LABELS[:900], **given)
    score = -log_loss(LABELS[900:], est.predict_proba(X[900:]), sample_weight=WEIGHT[900:])
    assert est.history_["validation_score"][kept(est) - 1] == pytest.approx(score, rel=1e-9)
    source = Blocks(X[900:], LABELS[900:], WEIGHT[900:])
    source.max_memory = 20_000
    streamed = SGDClassifier("log_loss", **AUTO | how).fit(X[:900], LABELS[:900], X_val=source)
    assert np.array_equal(streamed.coef_, est.coef_)
    np.testing.assert_allclose(streamed.history_["validation_score"], est.history_["validation_score"], rtol=1e-9)
    plain = SGDClassifier("log_loss", **AUTO | how | {"max_iter": kept(est), "tol": None})
    assert_same(est, plain.fit(X[:900], LABELS[:900]))


def test_a_scorer_that_is_named_judges():
    est = SGDClassifier("log_loss", **AUTO, validation_scoring="roc_auc")
    est.fit(X[:900], LABELS[:900], X_val=X[900:], y_val=LABELS[900:])
    assert 0.5 < est.history_["validation_score"].min() <= est.history_["validation_score"].max() <= 1
    falls_twice = np.diff(est.history_["validation_score"])[-2:]
    assert est.stop_reason_ == "max_iter" or (falls_twice <= 0).all()


def test_early_stopping_splits_the_judge_off():
    est = SGDRegressor(**AUTO, early_stopping=True).fit(X, Y)
    plain = SGDRegressor(**AUTO | {"max_iter": kept(est), "tol": None}, early_stopping=True).fit(X, Y)
    assert np.array_equal(est.coef_, plain.coef_) and est.stop_reason_ in ("judged", "max_iter")


# ---------------------------------------------------------------- how it ends, and goes on
def test_time_callbacks_and_threads():
    assert SGDRegressor(**AUTO, max_seconds=1e-9).fit(X, Y).stop_reason_ == "max_seconds"
    est = SGDRegressor(**AUTO, callbacks=lambda at: at.epoch == 2).fit(X, Y)
    assert (est.n_iter_, est.stop_reason_) == (2, "callback")
    assert outcome(SGDRegressor(**AUTO, n_jobs=2).fit(X, Y)) == outcome(SGDRegressor(**AUTO).fit(X, Y))


@pytest.mark.parametrize("calls", [1, 4, 9, 14])
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("name", ["squared", "classes", "resampled", "batches", "scaled", "l1"])
def test_a_checkpoint_goes_on_with_the_models_that_leave_rows_out(name, layout, calls, tmp_path, set_sizes):
    set_sizes(call_rows=200, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    (make, params, y), rows = SETTINGS[name], LAYOUTS[layout](X)
    path = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        make(**AUTO | params, callbacks=[Checkpoint(path), Interrupt(calls)]).fit(rows, y)
    whole = make(**AUTO | params).fit(rows, y)
    gone_on = make(**AUTO | params).fit(rows, y, resume_from=path)
    assert np.array_equal(whole.coef_, gone_on.coef_) and outcome(whole)[1] == outcome(gone_on)[1]


def test_a_fit_that_was_stopped_goes_on_from_its_last_checkpoint(tmp_path):
    path = tmp_path / "run"
    SGDRegressor(**AUTO, callbacks=[Checkpoint(path), lambda at: at.epoch == 2]).fit(X, Y)
    whole, gone_on = SGDRegressor(**AUTO).fit(X, Y), SGDRegressor(**AUTO).fit(X, Y, resume_from=path)
    assert_same(gone_on, whole)
    assert np.array_equal(gone_on.history_["validation_score"], whole.history_["validation_score"])
    with pytest.raises(ValueError, match="max_iter was 'auto', is 10"):
        SGDRegressor(**AUTO | {"max_iter": 10}).fit(X, Y, resume_from=path)


def test_ctrl_c_leaves_the_best_model_so_far():
    est = SGDRegressor(**AUTO | {"learning_rate": "constant", "eta0": 1e-4}, callbacks=Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, Y)
    assert est.stop_reason_ == "interrupted" and np.isfinite(est.coef_).all()


def test_a_model_is_saved_loaded_cloned_and_goes_on(tmp_path):
    est = SGDRegressor(**AUTO).fit(X, Y)
    plain = SGDRegressor(**AUTO | {"max_iter": kept(est), "tol": None}).fit(X, Y)
    est.save(tmp_path / "m")
    loaded = fastsgd.load(tmp_path / "m")
    assert loaded.max_iter == "auto" and clone(est).max_iter == "auto" and loaded.stop_reason_ == est.stop_reason_
    assert (tmp_path / "m").stat().st_size < 1.2 * 2 * len(plain.save(tmp_path / "p") or (tmp_path / "p").read_bytes())
    assert_same(loaded.partial_fit(X, Y), plain.partial_fit(X, Y))
    warm = SGDRegressor(**AUTO | {"learning_rate": "invscaling"}, warm_start=True).fit(X, Y).fit(X, Y)
    assert warm.n_iter_ <= 10


def test_a_model_that_diverges_ends_the_passes(monkeypatch):
    local, calls = judge.local, []

    def diverges(*args):
        calls.append(args)
        if len(calls) == 7:  # a model of the second pass
            raise judge.Diverged(2)
        return local(*args)

    monkeypatch.setattr(judge, "local", diverges)
    est = SGDRegressor(**AUTO).fit(X, Y)
    assert est.n_iter_ == 3 and np.isnan(est.history_["validation_score"]).tolist() == [False, True, True]
    monkeypatch.undo()
    assert_same(est, SGDRegressor(**AUTO | {"max_iter": 1, "tol": None}).fit(X, Y))


# ---------------------------------------------------------------- what it does not go with
@pytest.mark.parametrize(
    "params, words",
    [
        ({"learning_rate": "cosine"}, "laid out over the passes"),
        ({"learning_rate": "constant", "stopping": "gradient"}, "another rule"),
        ({"learning_rate": "constant", "n_init": 2, "init": "normal"}, "n_init=2"),
        ({"max_iter": "all"}, "max_iter"),
    ],
)
def test_what_it_does_not_go_with_is_said(params, words):
    with pytest.raises(ValueError, match=words):
        SGDRegressor(**AUTO | params).fit(X, Y)


def test_others_say_that_they_need_a_number():
    how = AUTO | {"learning_rate": "constant"}
    with pytest.raises(ValueError, match="segments"):
        SGDRegressor(**how).fit(X, Y, segments=CLASSES)
    with pytest.raises(ValueError, match="set max_iter=5"):
        inspection.step_sizes(SGDRegressor(**how), X, Y)
    for est in (SGDOneClassSVM(max_iter="auto"), SGDClassifierCV("log_loss", max_iter="auto")):
        with pytest.raises(ValueError, match="'max_iter' parameter"):
            est.fit(X, LABELS)


def test_a_diagnosis_says_that_further_passes_are_of_no_use(tmp_path):
    est = SGDRegressor(**AUTO | {"alpha": 1e-6}).fit(*rare_levels())
    assert "still_falling" not in [one.name for one in fastsgd.diagnose(est, *rare_levels()).findings]
    found = fastsgd.diagnose(est)
    assert found.verdict == "converged" and found.findings[0].numbers["best_epoch"] == kept(est) == 1
    est.save(tmp_path / "model", training_state=False)
    assert "the last of 3 passes" in str(fastsgd.diagnose(fastsgd.load(tmp_path / "model")))
    assert fastsgd.diagnose(SGDRegressor(**AUTO | {"learning_rate": "invscaling"}).fit(X, Y), X, Y).findings


def test_the_steps_of_such_a_fit_are_drawn():
    est = SGDRegressor(max_iter="auto", learning_rate="invscaling")
    display = inspection.ScheduleDisplay.from_estimator(est, n_samples=100)
    assert display is not None
