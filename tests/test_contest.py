"""alpha="auto": models that differ in alpha learn side by side in one pass, or leave rows out in several, and the rows choose."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support.checkpoint import Interrupt
from support.data import labels
from support.streamed import Blocks

import fastsgd
from fastsgd import Checkpoint, SGDClassifier, SGDClassifierCV, SGDRegressor, contest, inspection, several
from fastsgd.estimators import contested
from fastsgd.sources import from_batches

N, D = 1200, 30
RNG = np.random.default_rng(1)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.5)
MARGIN = X @ (0.5 * RNG.standard_normal(D)) + RNG.standard_normal(N)
LABELS, CLASSES = labels(MARGIN), labels(MARGIN, 3)
WEIGHT = RNG.integers(0, 3, N).astype(float)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ONE = {"max_iter": 1, "tol": None, "random_state": 0}
VALUES = contested.VALUES["alpha"]
LAYOUTS = {"dense": np.asarray, "csr32": lambda X: sp.csr_matrix(np.float32(X))}
SETTINGS = {
    "auto": (SGDClassifier, {"loss": "log_loss", "learning_rate": "auto"}, LABELS),
    "auto, classes": (SGDClassifier, {"loss": "log_loss", "learning_rate": "auto", "average": False}, CLASSES),
    "auto, together": (
        SGDClassifier,
        {"loss": "log_loss", "learning_rate": "auto", "multi_class": "multinomial"},
        CLASSES,
    ),
    "auto, number": (SGDRegressor, {"learning_rate": "auto"}, MARGIN),
    "targets": (SGDRegressor, {"learning_rate": "auto", "loss": "huber"}, np.column_stack([MARGIN, X[:, 0]])),
    "optimal": (SGDClassifier, {}, LABELS),
    "averaged": (SGDRegressor, {"penalty": "elasticnet", "average": True, "eta0": 0.001}, MARGIN),
    "scaled": (SGDClassifier, {"standardize": True}, LABELS),
    "adam": (SGDRegressor, {"optimizer": "adam", "learning_rate": "constant", "eta0": 0.01}, MARGIN),
    "ftrl": (SGDClassifier, {"loss": "log_loss", "optimizer": "ftrl", "learning_rate": "constant"}, CLASSES),
}


def made(name, layout="dense", **params):
    """(estimator with alpha="auto", X, y) of a setting."""
    make, given, y = SETTINGS[name]
    return make(**ONE | given | params, alpha="auto"), LAYOUTS[layout](X), y


def plain(est):
    """The same with the alpha that was chosen."""
    return clone(est).set_params(alpha=est.alpha_)


def assert_same(est, other):
    assert np.array_equal(est.coef_, other.coef_) and np.array_equal(est.intercept_, other.intercept_)
    assert est.t_ == other.t_


def in_calls(est, X, y, size=200, **kwargs):
    if hasattr(est, "loss_functions") and isinstance(est, SGDClassifier):
        kwargs["classes"] = np.unique(y)
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        est.partial_fit(X[part], y[part], **kwargs)
    return est


def overfitted(n=400, d=300):
    """Rows of which so many columns say nothing: a large alpha is better."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    return X, X[:, 0] + rng.logistic(size=n) > 0


# ---------------------------------------------------------------- one pass
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SETTINGS)
def test_in_one_pass_the_model_is_that_of_a_fit_with_the_alpha_chosen(name, layout, monkeypatch):
    monkeypatch.setattr(contest, "FIRST_ROWS", 300)
    est, rows, y = made(name, layout)
    est.fit(rows, y, sample_weight=WEIGHT)
    assert est.alpha_ in VALUES and est.stop_reason_ == "max_iter" and len(est.history_) == 1
    assert_same(est, plain(est).fit(rows, y, sample_weight=WEIGHT))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [name for name in SETTINGS if "classes" not in name and name != "scaled"])
def test_the_contest_goes_on_from_call_to_call(name, layout, monkeypatch):
    monkeypatch.setattr(contest, "FIRST_ROWS", 500)
    est, rows, y = made(name, layout)
    in_calls(est, rows, y)
    assert len(est._state.contest.running) == 1  # One has left it after 500 rows, and one after 1000.
    assert_same(est, in_calls(plain(est), rows, y))


def test_it_is_judged_by_rows_before_they_are_learnt_from_late_ones_counting_more(monkeypatch):
    monkeypatch.setattr(contest, "JUDGEMENTS", 1e6)  # after each row
    est, _, y = made("optimal")
    others, lost = [clone(est).set_params(alpha=alpha) for alpha in VALUES], np.zeros(len(VALUES))
    for i in range(300):
        row, label = X[i : i + 1], y[i : i + 1]
        for k, one in enumerate(others):
            margin = one.decision_function(row)[0] if i else 0.0
            lost[k] += (i + 0.5) ** 2 * max(0.0, 1 - margin * (1 if label[0] == est.classes_[1] else -1)) if i else 0.25
            one.partial_fit(row, label, classes=np.unique(y))
        est.partial_fit(row, label, classes=np.unique(y))
    np.testing.assert_allclose(est._state.contest.lost, lost, rtol=1e-9)
    assert est.alpha_ == VALUES[lost.argmin()]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_learning_rate_auto_is_judged_as_it_judges_itself(layout):
    est, rows, y = made("auto", layout)
    est.fit(rows, y)
    lost = [clone(est).set_params(alpha=alpha).fit(rows, y)._state.auto.lost for alpha in VALUES]
    assert min(lost) < 0 and est.alpha_ == VALUES[int(np.argmin(lost))]


@pytest.mark.parametrize("what", ["noise", "a constant", "a signal"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["auto", "auto, classes", "auto, together", "auto, number", "optimal", "averaged"])
def test_it_is_the_same_in_whatever_calls_rows_come(name, layout, what, monkeypatch):
    """Also where the models are constants, which have all lost the same."""
    monkeypatch.setattr(contest, "FIRST_ROWS", 300)
    est, rows, y = made(name, layout, shuffle=False)
    if what != "a signal":
        rows = LAYOUTS[layout](np.random.default_rng(5).standard_normal((N, D)) * (what == "noise"))
    whole = clone(est).fit(rows, y)
    for size in (1200, 500, 97, 13):
        parts = in_calls(clone(est), rows, y, size)
        assert parts.alpha_ == whole.alpha_, size
        assert_same(parts, whole)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["auto", "optimal"])
def test_rows_without_weight_do_not_count(name, layout, monkeypatch):
    """A call of such rows trains nothing, and so nobody leaves the contest sooner in one fit."""
    monkeypatch.setattr(contest, "FIRST_ROWS", 300)
    est, rows, y = made(name, layout, shuffle=False)
    weight = np.where(np.arange(N) // 100 % 3 == 0, WEIGHT, 0.0)
    some = weight > 0
    whole = clone(est).partial_fit(rows, y, classes=np.unique(y), sample_weight=weight)
    assert whole._state.contest.rows == some.sum() and len(whole._state.contest.running) == 3
    for size in (97, 7):
        parts = clone(est)
        for lo in range(0, N, size):
            part = slice(lo, lo + size)
            parts.partial_fit(rows[part], y[part], classes=np.unique(y), sample_weight=weight[part])
        assert_same(parts, whole)
        assert parts._state.contest.scores.tolist() == whole._state.contest.scores.tolist()
    assert_same(whole, clone(est).fit(rows[some], y[some], sample_weight=weight[some]))


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_models_are_judged_after_the_same_rows(size):
    one, ends = contest.Contest.of("alpha", VALUES, 2), []
    for n in range(size, 60_000, size):
        while one.next_judgement <= n:
            ends.append(one.next_judgement)
            one.rows, one.rows_now = one.next_judgement, 0
        one.rows, one.rows_now = n, n - ends[-1] if ends else n
    assert {10_000, 20_000, 40_000} < set(ends) and ends[0] == 40 and np.diff(ends).max() == 2500
    assert np.array_equal(ends, np.unique(ends))


def test_models_leave_the_contest_as_rows_double(monkeypatch):
    monkeypatch.setattr(contest, "FIRST_ROWS", 100)
    est, rows, y = made("auto")
    running = [len(in_calls(est, rows[i : i + 50], y[i : i + 50])._state.contest.running) for i in range(0, 500, 50)]
    assert running == [3, 2, 2, 1, 1, 1, 1, 0, 0, 0]
    assert est._state.contest.others == []


@pytest.mark.parametrize("diverging", [(1e-4,), (1e-6, 1e-5, 1e-3)])
def test_a_model_that_diverges_is_out_of_the_contest(diverging, monkeypatch):
    local = contest.local

    def diverges(state, plan, *args):
        local(state, plan, *args)
        if plan.l2 in diverging:
            state.W[:] = np.nan
            raise contest.Diverged(1)

    est, rows, y = made("optimal")
    with monkeypatch.context() as patch:
        patch.setattr(contest, "local", diverges)
        est.partial_fit(rows[:100], y[:100], classes=np.unique(y))
    left = set(VALUES) - set(diverging)
    assert est.alpha_ in left and len(est._state.contest.others) == len(left) - 1
    assert_same(est, plain(est).partial_fit(rows[:100], y[:100], classes=np.unique(y)))


def test_if_all_diverge_the_fit_does(monkeypatch):
    def diverges(state, *args):
        raise contest.Diverged(1)

    monkeypatch.setattr(contest, "local", diverges)
    est, rows, y = made("optimal")
    with pytest.raises(ValueError, match="overflow"):
        est.fit(rows, y)
    assert est.alpha_ == 1e-4 and not est.coef_.any()


def test_threads_do_not_change_it():
    for name in ("auto", "adam"):
        est, rows, y = made(name, "csr32")
        assert_same(est.fit(rows, y), clone(est).set_params(n_jobs=2).fit(rows, y))


def test_rows_without_weight_and_one_row():
    est, rows, y = made("auto, number")
    est.fit(rows, y, sample_weight=(np.arange(N) == 3).astype(float))
    assert est.alpha_ in VALUES
    assert clone(est).fit(rows[:1], y[:1]).alpha_ in VALUES
    first = clone(est).partial_fit(rows, y, sample_weight=np.zeros(N))
    assert first.alpha_ == 1e-4 and not first.coef_.any()
    assert clone(est).set_params(max_iter=0).fit(rows, y).alpha_ == 1e-4


# ---------------------------------------------------------------- several passes
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", SETTINGS)
def test_in_several_passes_the_model_is_that_of_a_fit_with_the_alpha_chosen(name, layout):
    est, rows, y = made(name, layout, max_iter=4)
    est.fit(rows, y, sample_weight=WEIGHT)
    assert est.alpha_ in VALUES and est._state.contest.others == []
    assert_same(est, plain(est).fit(rows, y, sample_weight=WEIGHT))


@pytest.mark.parametrize("params", [{"max_iter": 5}, {"max_iter": "auto", "tol": 1e-3}, {"max_iter": 50, "tol": 1e-3}])
def test_columns_that_say_nothing_want_a_large_alpha(params):
    X, y = overfitted()
    est = SGDClassifier("log_loss", learning_rate="auto", alpha="auto", **ONE | params).fit(X, y)
    few = SGDClassifier("log_loss", learning_rate="auto", alpha="auto", **ONE | params).fit(X[:, :1], y)
    assert est.alpha_ == 1e-3 and few.coef_[0, 0] > 0.7


@pytest.mark.parametrize("learning_rate", ["auto", "optimal"])
def test_where_models_are_large_one_value_comes_after_another(learning_rate, monkeypatch):
    """So that there are fewer states at once; as none is dropped on the way, others than these may be chosen."""
    X, y = overfitted()
    est = SGDClassifier("log_loss", learning_rate=learning_rate, alpha="auto", **ONE | {"max_iter": 5})
    together, at_once, train = clone(est).fit(X, y), [], several.train

    def counted(packs, *args, **kwargs):
        at_once.append(len(packs))
        return train(packs, *args, **kwargs)

    monkeypatch.setattr(several, "train", counted)
    monkeypatch.setattr(contested, "MODELS_BYTES", 0)
    est.fit(X, y)
    assert max(at_once) == 4 and len(at_once) == 4 + (learning_rate == "auto")
    assert est.alpha_ == together.alpha_
    assert_same(est, together)


def test_rows_that_were_left_out_choose():
    X, y = overfitted()
    est = SGDRegressor(learning_rate="constant", eta0=1e-3, alpha="auto", **ONE | {"max_iter": 2}).fit(X, y)
    lost = np.zeros(len(VALUES))
    for part in range(4):
        left_out = fold_numbers_of(est, len(y)) == part
        for k, alpha in enumerate(VALUES):
            one = plain(est).set_params(alpha=alpha).fit(X, y, sample_weight=~left_out)
            lost[k] += np.mean((one.predict(X[left_out]) - y[left_out]) ** 2)
    assert est.alpha_ == VALUES[lost.argmin()]


def fold_numbers_of(est, n):
    from fastsgd.sources._order import fold_numbers

    return fold_numbers(np.arange(n), 4, est._state.seed)


def test_a_budget_of_time_is_of_both():
    X, y = overfitted()
    est = SGDRegressor(learning_rate="auto", alpha="auto", max_seconds=1e-9, **ONE | {"max_iter": 5}).fit(X, y)
    assert est.stop_reason_ == "max_seconds" and est.alpha_ in VALUES


# ---------------------------------------------------------------- sources
@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block")
@pytest.mark.parametrize("layout", ["dense", "csr"])
@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("params", [{}, {"max_iter": 3}, {"max_iter": "auto", "tol": 1e-3}])
def test_sources(layout, params, in_order):
    est, _, y = made("auto, number", **params, shuffle=not in_order)
    rows = np.asarray(X) if layout == "dense" else sp.csr_matrix(X)
    est.fit(Blocks(rows, y, WEIGHT, in_order=in_order))
    assert_same(est, plain(est).fit(Blocks(rows, y, WEIGHT, in_order=in_order)))
    in_memory = clone(est).fit(from_batches(lambda: iter([(X, y)])))
    assert_same(in_memory, clone(est).fit(X, y))


# ---------------------------------------------------------------- files, copies
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["auto, classes", "auto, number", "optimal", "adam", "scaled"])
def test_a_model_goes_on_from_a_file_as_if_it_had_never_stopped(name, layout, tmp_path, monkeypatch):
    monkeypatch.setattr(contest, "FIRST_ROWS", 300)
    est, rows, y = made(name, layout)
    whole = in_calls(clone(est), rows, y)
    in_calls(est, rows[:400], y[:400])
    est.save(tmp_path / "m")
    for one in (fastsgd.load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        assert one.alpha == "auto" and one.alpha_ == est.alpha_ and len(one._state.contest.others) == 2
        for start in range(400, N, 200):
            one.partial_fit(rows[start : start + 200], y[start : start + 200])
        assert_same(one, whole)
        assert one._state.contest.lost.tolist() == whole._state.contest.lost.tolist()


def test_a_file_for_prediction_alone_says_the_alpha(tmp_path):
    est, rows, y = made("auto")
    est.fit(rows, y).save(tmp_path / "m", training_state=False)
    loaded = fastsgd.load(tmp_path / "m")
    assert loaded.alpha_ == est.alpha_ and np.array_equal(loaded.predict(rows), est.predict(rows))
    assert not hasattr(SGDClassifier(alpha=0.1).fit(rows, y), "alpha_") and not hasattr(clone(est), "alpha_")


@pytest.mark.parametrize("change", [{"leader": 7}, {"running": [0, 0, 3]}, {"running": [2, 3, 9]}])
def test_a_file_whose_contest_is_of_no_models_is_refused(change, tmp_path):
    est, rows, y = made("auto")
    in_calls(est, rows[:200], y[:200])
    for name, value in change.items():
        setattr(est._state.contest, name, np.array(value) if isinstance(value, list) else value)
    with pytest.raises(ValueError, match="a contest must have"):
        est.save(tmp_path / "m")


@pytest.mark.parametrize("calls", [1, 3])
@pytest.mark.parametrize("params", [{}, {"max_iter": 3}])
@pytest.mark.parametrize("name", ["auto", "averaged", "adam", "scaled"])
def test_a_checkpoint_goes_on_with_the_contest(name, params, calls, tmp_path, set_sizes, monkeypatch):
    monkeypatch.setattr(contest, "FIRST_ROWS", 250)
    set_sizes(call_rows=200, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    est, rows, y = made(name, "csr32", **params)
    whole, path = clone(est).fit(rows, y), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        clone(est).set_params(callbacks=[Checkpoint(path), Interrupt(calls)]).fit(rows, y)
    gone_on = clone(est).fit(rows, y, resume_from=path)
    assert_same(gone_on, whole)
    assert gone_on.alpha_ == whole.alpha_ and gone_on.history_["loss"].tolist() == whole.history_["loss"].tolist()


# ---------------------------------------------------------------- Ctrl-C
def test_ctrl_c_leaves_the_model_that_leads(set_sizes):
    set_sizes(call_rows=200, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    est, rows, y = made("auto", callbacks=Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        est.fit(rows, y)
    assert est.stop_reason_ == "interrupted" and est.alpha_ in VALUES and est.coef_.any() and est.t_ == 601
    others = est._state.contest.others
    assert len(others) == 3 and all(one.t == 601 for one in others)
    assert est.set_params(callbacks=None).partial_fit(rows, y).t_ == 601 + N


@pytest.mark.parametrize("strike", [0, 2])
@pytest.mark.parametrize("name", ["auto", "adam"])
def test_ctrl_c_within_a_round_leaves_models_of_the_same_rows(name, strike, monkeypatch):
    calls, local = [], contest.local

    def struck(*args):
        calls.append(args)
        if len(calls) == strike + 1:
            raise KeyboardInterrupt
        local(*args)

    monkeypatch.setattr(contest, "local", struck)
    est, rows, y = made(name)
    with pytest.raises(KeyboardInterrupt):
        est.fit(rows[:200], y[:200])
    if strike:
        assert est.t_ == 201 and [one.t for one in est._state.contest.others] == [201] * 3
    else:
        assert not hasattr(est, "coef_") or est.t_ == 1


@pytest.mark.parametrize("after, large", [(1, False), (2, False), (1, True), (2, True), (6, True)])
def test_ctrl_c_while_models_choose_leaves_the_best_of_them(after, large, monkeypatch):
    if large:  # One value comes after another.
        monkeypatch.setattr(contested, "MODELS_BYTES", 0)
    passes, train = [], several.one_pass

    def struck(*args):
        passes.append(args)
        if len(passes) == after + 1:
            raise KeyboardInterrupt
        yield from train(*args)

    monkeypatch.setattr(several, "one_pass", struck)
    est, rows, y = made("auto", max_iter=5)
    with pytest.raises(KeyboardInterrupt):
        est.fit(rows, y)
    assert est.stop_reason_ == "interrupted" and est.alpha_ in VALUES and est.coef_.any() and len(est.history_) == 0
    est.partial_fit(rows, y)


@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block")
def test_an_error_of_a_source_leaves_the_model_of_the_rows_before():
    def trap(block):
        if block == 30:
            raise OSError("no disk")

    est, rows, y = made("auto, number", max_iter=5, shuffle=False)
    with pytest.raises(OSError, match="no disk"):
        est.fit(Blocks(rows, y, trap=trap))
    assert est.stop_reason_ == "error" and est.coef_.any() and 1 < est.t_ < N
    with pytest.raises(OSError, match="no disk"):
        clone(est).fit(Blocks(rows, y, trap=lambda block: trap(30)))


# ---------------------------------------------------------------- users change their mind
def test_a_number_ends_the_contest_and_auto_begins_one():
    est, rows, y = made("optimal")
    in_calls(est, rows[:400], y[:400])
    before = plain(est)
    in_calls(before, rows[:400], y[:400])
    est.set_params(alpha=1e-3).partial_fit(rows, y)
    assert est._state.contest is None and not hasattr(est, "alpha_")
    assert_same(est, before.set_params(alpha=1e-3).partial_fit(rows, y))
    est.set_params(alpha="auto").partial_fit(rows, y)
    assert est.alpha_ in VALUES and len(est._state.contest.others) == 3


def test_a_contest_begins_and_ends_where_single_rows_are_trained_in_place():
    """Calls of single rows with few of many features train the state where it is."""
    wide = sp.csr_matrix((np.ones(300), (np.arange(300), 7 * np.arange(300) % 999)), (300, 1000))
    est = SGDClassifier("log_loss", learning_rate="auto")
    for alpha, others in ((1e-4, None), ("auto", 3), (1e-4, None)):
        est.set_params(alpha=alpha)
        for i in range(100):
            est.partial_fit(wide[i], [i % 2], classes=[0, 1])
        assert (est._state.contest and len(est._state.contest.others)) == others
        assert hasattr(est, "alpha_") == (others == 3)


def test_coefficients_that_a_user_gives_end_it():
    est, rows, y = made("optimal")
    in_calls(est, rows[:400], y[:400])
    alpha, est.coef_ = est.alpha_, np.ones((1, D))
    est.partial_fit(rows[:1], y[:1])
    assert est.alpha_ == alpha and not est._state.contest.others and np.abs(est.coef_ - 1).max() < 0.9


def test_a_warm_start_begins_all_models(recwarn):
    est, rows, y = made("optimal", warm_start=True)
    est.fit(rows, y)
    again = clone(est).set_params(alpha=est.fit(rows, y).alpha_)
    assert again.alpha == est.alpha_ and np.isfinite(est.coef_).all()


# ---------------------------------------------------------------- what it does not go with
@pytest.mark.parametrize(
    "params, words",
    [
        ({"penalty": None}, "penalty=None"),
        ({"batch_size": 8, "learning_rate": "constant"}, "batch_size=8"),
        ({"learning_rate": "constant", "n_init": 2, "init": "normal"}, "n_init=2"),
        ({"n_bootstrap": 5}, "n_bootstrap"),
        ({"learning_rate": "constant", "parallel": "hogwild"}, "hogwild"),
    ],
)
def test_what_it_does_not_go_with_is_said(params, words):
    with pytest.raises(ValueError, match=f"alpha='auto' does not go with .*{words}.*give alpha a number"):
        SGDRegressor(alpha="auto", **{"learning_rate": "auto"} | params).fit(X, MARGIN)


def test_others_say_that_they_need_a_number():
    est = SGDClassifier("log_loss", learning_rate="auto", alpha="auto", **ONE)
    with pytest.raises(ValueError, match=r"segments are models of one training.*give alpha a number"):
        est.fit(X, LABELS, segments=CLASSES)
    with pytest.raises(ValueError, match=r"record is of one training.*give alpha a number"):
        est.fit(X, LABELS, record="objective")
    with pytest.raises(ValueError, match=r"record is of one training.*give alpha a number"):
        est.partial_fit(X, LABELS, classes=np.unique(LABELS), record="objective")
    with pytest.raises(ValueError, match="'alpha' parameter"):
        SGDRegressor(alpha="best").fit(X, MARGIN)
    with pytest.raises(ValueError, match=r"alpha='auto' would choose.*give alpha a number"):
        inspection.step_sizes(SGDRegressor(alpha="auto"), X, MARGIN)
    assert "alpha" not in SGDClassifierCV().get_params()


@pytest.mark.parametrize("params", [{}, {"max_iter": 5}])
def test_it_is_in_a_diagnosis(params):
    est, rows, y = made("auto", **params)
    assert fastsgd.diagnose(est.fit(rows, y), rows, y).findings
