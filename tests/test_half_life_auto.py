"""half_life="auto": models whose rows fade sooner or later learn side by side, and rows not yet learnt from choose."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support.checkpoint import Interrupt
from support.streamed import Blocks

import fastsgd
from fastsgd import Checkpoint, SGDClassifier, SGDOneClassSVM, SGDRegressor, contest, lanes
from fastsgd.estimators import contested

ONE = {"learning_rate": "auto", "max_iter": 1, "tol": None, "shuffle": False, "random_state": 0}
VALUES = (0.0, 4000.0, 800.0, 160.0)
LAYOUTS = {"dense": np.asarray, "csr32": lambda X: sp.csr_matrix(np.float32(X))}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
layouts = pytest.mark.parametrize("layout", LAYOUTS)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Half-lives and judgements for few rows."""
    monkeypatch.setitem(contested.VALUES, "half_life", VALUES)
    monkeypatch.setitem(contested.JUDGEMENT_HALF_LIFE, "half_life", VALUES[1])
    monkeypatch.setattr(contest, "FIRST_ROWS", 400)


def rows(n=1200, turn=None, classes=2, seed=0):
    """(X, y, y as numbers), whose effects are others from row `turn` on."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 12)) * (rng.random((n, 12)) < 0.6)
    effects = 0.7 * rng.standard_normal((2, 12, classes))
    Z = X @ effects[0]
    if turn is not None:
        Z[turn:] = X[turn:] @ effects[1]
    return X, (Z + rng.gumbel(size=Z.shape)).argmax(axis=1), Z[:, 0] + rng.standard_normal(n)


SETTINGS = {
    "two classes": (SGDClassifier, {"loss": "log_loss"}),
    "one against the rest": (SGDClassifier, {"loss": "hinge"}),
    "together": (SGDClassifier, {"loss": "log_loss", "multi_class": "multinomial"}),
    "number": (SGDRegressor, {}),
    "average": (SGDRegressor, {"learning_rate": "constant", "eta0": 0.02, "average": True}),
    "average, l1": (
        SGDClassifier,
        {"learning_rate": "constant", "average": True, "penalty": "elasticnet", "alpha": 0.01},
    ),
    "scaled": (SGDRegressor, {"loss": "huber", "standardize": True, "penalty": None}),
}


def made(name="two classes", layout="dense", turn=None, n=1200, **params):
    """(estimator, X, y) of a setting."""
    make, given = SETTINGS[name]
    X, y, number = rows(n, turn, 3 if name in ("one against the rest", "together") else 2)
    return make(**ONE | given | params, half_life="auto"), LAYOUTS[layout](X), number if make is SGDRegressor else y


def plain(est):
    """The same with the half-life that was chosen."""
    return clone(est).set_params(half_life=None if est.half_life_ == np.inf else est.half_life_)


def assert_same(est, other):
    assert np.array_equal(est.coef_, other.coef_) and np.array_equal(est.intercept_, other.intercept_)
    assert est.t_ == other.t_


def in_calls(est, X, y, size=200, weight=None):
    kwargs = {"classes": np.unique(y)} if isinstance(est, SGDClassifier) else {}
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        est.partial_fit(X[part], y[part], sample_weight=None if weight is None else weight[part], **kwargs)
    return est


# ---------------------------------------------------------------- what is chosen
@layouts
@pytest.mark.parametrize("name", SETTINGS)
def test_the_model_is_that_of_a_fit_with_the_half_life_chosen(name, layout):
    for turn in (None, 900):
        est, X, y = made(name, layout, turn)
        weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
        est.fit(X, y, sample_weight=weight)
        assert est.half_life_ in (np.inf, *VALUES[1:]) and est._state.contest.others == []
        assert_same(est, plain(est).fit(X, y, sample_weight=weight))


@layouts
@pytest.mark.parametrize("name", ["two classes", "together", "number", "average"])
def test_rows_that_change_are_forgotten_and_others_are_not(name, layout):
    est, X, y = made(name, layout, turn=3000, n=6000)
    in_calls(est, X[:3000], y[:3000])
    scores = est._state.contest.scores
    assert scores[0] < scores[3] or name == "average"  # An average of all steps has those from zero in it.
    in_calls(est, X[3000:], y[3000:])
    assert est.half_life_ in (160, 800)


@pytest.mark.parametrize("name, layout", [("average", "dense"), ("number", "csr32")])
def test_no_model_is_left_out_so_that_the_one_needed_late_is_there(name, layout):
    """A model of few rows is worst by far for long, and best as soon as the effects change."""
    est, X, y = made(name, layout, turn=20_000, n=21_000)
    in_calls(est, X[:20_000], y[:20_000], 5000)
    scores = est._state.contest.scores
    assert scores[3] == scores.max() and len(est._state.contest.others) == 3
    in_calls(est, X[20_000:], y[20_000:], 500)
    assert est.half_life_ in (160, 800)


def test_fit_has_the_models_of_all_rows_and_of_late_ones_alone():
    est, X, y = made("number", "csr32", turn=None, n=3000)
    assert est.fit(X, y).half_life_ >= 4000
    est, X, y = made("average", turn=2000, n=3000)
    assert est.fit(X, y).half_life_ in (160, 800)


@layouts
@pytest.mark.parametrize("name", ["number", "average", "together", "two classes"])
def test_models_are_judged_by_rows_before_they_learn_from_them_which_fade_too(name, layout, monkeypatch):
    monkeypatch.setattr(contest, "JUDGEMENTS", 1e6)  # after each row
    monkeypatch.setattr(contest, "FIRST_ROWS", 10_000)
    est, X, y = made(name, layout)
    others, lost, half_life = [plain_of(est, h) for h in VALUES], np.zeros(4), VALUES[1]
    in_calls(est, X[:3], y[:3], 3)
    for one in others:
        in_calls(one, X[:3], y[:3], 3)
    lost = est._state.contest.lost.copy()
    for i in range(3, 300):
        n = half_life / np.log(2) * (1 - 2 ** (-(i + 0.5) / half_life))
        for k, one in enumerate(others):
            if name in ("number", "average"):
                value = (one.predict(X[i : i + 1])[0] - y[i]) ** 2 / 2
            else:
                value = -np.log(one.predict_proba(X[i : i + 1])[0, y[i]])
            lost[k] = lost[k] * 2 ** (-3 / half_life) + n**2 * 2 ** (-1.5 / half_life) * value
            one.partial_fit(X[i : i + 1], y[i : i + 1])
        est.partial_fit(X[i : i + 1], y[i : i + 1])
    np.testing.assert_allclose(est._state.contest.lost, lost, rtol=1e-4 if layout == "csr32" else 1e-9)
    assert est.half_life_ == (np.inf, *VALUES[1:])[lost.argmin()]


def plain_of(est, half_life):
    return clone(est).set_params(half_life=half_life or None)


@layouts
def test_of_many_rows_some_judge(layout, monkeypatch):
    est, X, y = made(layout=layout, n=3000)
    at, model = [], contest._model
    monkeypatch.setattr(contest, "_model", lambda state, *given: at.append(state.t - 1) or model(state, *given))
    est.fit(X, y)
    at = np.array(at).reshape(-1, 4)[:, 0]
    assert np.array_equal(at[at >= 800], [800, 1200, 1600, 2000, 2400, 2800])
    assert np.array_equal(at[at < 800][-7:], [250, 300, 350, 400, 500, 600, 700])


@pytest.mark.parametrize("name", ["two classes", "together", "average", "average, l1"])
def test_on_csr_what_is_judged_is_the_model_of_the_features_that_rows_have(name):
    """Also with columns that are centred, and with millions of features that no row has."""
    est, X, y = made(name, turn=800)
    X = np.c_[X, 3 + X[:, :1], np.zeros((len(y), 50))][:, np.random.default_rng(0).permutation(63)]
    in_calls(est, sp.csr_matrix(X[:1100]), y[:1100])
    state, plan = est._state, est._published.plan
    centred = np.zeros(0, int) if state.auto is None else np.union1d(state.auto.in_each_row, 7)
    assert name.startswith("average") or len(centred) > 1
    (W, b), features = state.model(plan), np.tile(np.flatnonzero(X[7]), 2)
    some, own = state.of_features(features, centred).model(plan)
    np.testing.assert_allclose(some[: len(features)], W[features], rtol=1e-12)
    np.testing.assert_allclose(own, b, rtol=1e-12)


@layouts
@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "scaled"])
def test_it_is_the_same_in_whatever_calls_rows_come(name, layout):
    """Also with rows without weight, of which a call may consist."""
    est, X, y = made(name, layout, turn=700, n=1150)
    weight = np.random.default_rng(1).integers(0, 3, len(y)).astype(float)
    whole = clone(est).fit(X, y, sample_weight=weight)
    for size in (1150, 600, 70, 7, 1):
        parts = in_calls(clone(est), X, y, size, weight)
        assert parts.half_life_ == whole.half_life_, size
        assert_same(parts, whole)
        assert parts._state.contest.scores.tolist() == whole._state.contest.scores.tolist(), size


@layouts
@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block")
def test_of_a_stream_it_is_the_same(layout):
    est, X, y = made("number", layout, turn=800)
    whole, stream, calls = clone(est).fit(X, y), clone(est).fit(Blocks(X, y, in_order=True)), clone(est)
    for lo in range(0, len(y), 330):
        calls.partial_fit(Blocks(X[lo : lo + 330], y[lo : lo + 330], in_order=True))
    for one in (stream, calls):
        assert_same(one, whole)
        assert one._state.contest.scores.tolist() == whole._state.contest.scores.tolist()


def test_in_one_fit_hardly_any_model_of_all_features_is_worked_out(monkeypatch, set_sizes):
    """Kernel calls are cut where models are judged: of millions of features a model takes as long as many rows."""
    est, X, y = made("number", "csr32", n=2850)
    set_sizes(block_rows=4, buffer_blocks=2, buffer_bytes=1)
    monkeypatch.setattr(lanes, "STRETCH_WORK", 1e3)
    of_all, model = [], contest._model
    monkeypatch.setattr(contest, "_model", lambda *given: of_all.append(given[2] is None) or model(*given))
    assert len(est.fit(X, y).progressive_) > 10
    assert sum(of_all) == 4 < len(of_all) and all(of_all[-4:])  # The last rows judge up to 2900, which does not come.


def test_another_layout_begins_with_models_in_its_units():
    """Where columns are not centred any more, the rest of the rows is judged by the models before it."""
    est, X, y = made("average", standardize=True)
    X += 3
    in_calls(est, X[:430], y[:430], 430)
    leader, before = est._state.contest.leader, est._state.contest.now.copy()
    expected = ((est.predict(X[430:450]) - y[430:450]) ** 2).sum() / 2
    est.partial_fit(sp.csr_matrix(X[430:450]), y[430:450])
    assert (est._state.contest.now - before)[leader, 0, 0] == pytest.approx(expected, rel=1e-9)


@layouts
def test_threads_do_not_change_it(layout):
    est, X, y = made(layout=layout, turn=900)
    assert_same(est.fit(X, y), clone(est).set_params(n_jobs=2).fit(X, y))


def test_no_rows_no_weight_and_one_row():
    est, X, y = made("number")
    first = clone(est).partial_fit(X, y, sample_weight=np.zeros(len(y)))
    assert first.half_life_ == np.inf and not first.coef_.any()
    assert clone(est).fit(X[:1], y[:1]).half_life_ == np.inf
    assert clone(est).set_params(max_iter=0).fit(X, y).half_life_ == np.inf


# ---------------------------------------------------------------- calls
@pytest.mark.parametrize("max_iter", [1, 1000])
def test_calls_after_a_fit_go_on_with_all_half_lives(max_iter):
    """max_iter is of `fit` alone."""
    est, X, y = made("number", turn=2000, n=3000)
    est.fit(X[:2000], y[:2000]).set_params(max_iter=max_iter, shuffle=True)
    assert est.half_life_ >= 800
    before = est.coef_.copy()
    in_calls(est, X[2000:], y[2000:], 100)
    assert est.half_life_ in (160, 800) and len(est._state.contest.others) == 3
    assert np.abs(est.coef_ - before).max() > 0.5


def test_a_number_ends_the_contest_and_auto_begins_one():
    est, X, y = made()
    in_calls(est, X[:400], y[:400])
    chosen, before = est.half_life_, in_calls(plain(est), X[:400], y[:400])
    est.set_params(half_life=50).partial_fit(X, y)
    assert est._state.contest is None and not hasattr(est, "half_life_") and chosen in (np.inf, *VALUES[1:])
    assert_same(est, before.set_params(half_life=50).partial_fit(X, y))
    est.set_params(half_life="auto").partial_fit(X, y)
    assert len(est._state.contest.others) == 3
    est.set_params(half_life=None, alpha="auto").partial_fit(X, y)
    assert est.alpha_ and not hasattr(est, "half_life_")


def test_other_coefficients_are_those_of_all_models():
    est, X, y = made("average")
    in_calls(est, X[:400], y[:400])
    est.coef_ = np.full(12, 2.0)
    est.partial_fit(X[:1], y[:1])
    assert len(est._state.contest.others) == 3
    assert np.abs(est.coef_ - 2).max() < 1


# ---------------------------------------------------------------- sources, files
@pytest.mark.filterwarnings("ignore:with max_memory", "ignore:a block")
@layouts
def test_sources(layout):
    est, X, y = made("number", layout, turn=800)
    est.fit(Blocks(X, y, in_order=True))
    assert est.half_life_ in (160, 800)
    assert_same(est, plain(est).fit(Blocks(X, y, in_order=True)))


@layouts
@pytest.mark.parametrize("name", SETTINGS)
def test_a_model_goes_on_from_a_file_as_if_it_had_never_stopped(name, layout, tmp_path):
    est, X, y = made(name, layout, turn=700)
    whole = in_calls(clone(est), X, y)
    in_calls(est, X[:430], y[:430])
    est.save(tmp_path / "m")
    for one in (fastsgd.load(tmp_path / "m"), pickle.loads(pickle.dumps(est))):
        assert one.half_life == "auto" and one.half_life_ == est.half_life_ and len(one._state.contest.others) == 3
        assert one._state.contest.judged_W.any()  # They judge rows up to 500.
        for start in range(430, len(y), 200):
            one.partial_fit(X[start : start + 200], y[start : start + 200])
        assert_same(one, whole)
        assert one._state.contest.scores.tolist() == whole._state.contest.scores.tolist()


@pytest.mark.parametrize("turn", [None, 900])
def test_a_file_for_prediction_alone_says_the_half_life(turn, tmp_path):
    est, X, y = made(turn=turn)
    est.fit(X, y).save(tmp_path / "m", training_state=False)
    loaded = fastsgd.load(tmp_path / "m")
    assert loaded.half_life_ == est.half_life_ and np.array_equal(loaded.predict(X), est.predict(X))
    assert not hasattr(clone(est), "half_life_") and not hasattr(plain(est).fit(X, y), "half_life_")


@layouts
@pytest.mark.parametrize("calls", [1, 3])
def test_a_checkpoint_goes_on_with_the_contest(layout, calls, tmp_path, set_sizes):
    set_sizes(call_rows=230, block_rows=4, buffer_blocks=2, buffer_bytes=1, read_bytes=1)
    est, X, y = made(layout=layout, turn=900)
    whole, path = clone(est).fit(X, y), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        clone(est).set_params(callbacks=[Checkpoint(path), Interrupt(calls)]).fit(X, y)
    gone_on = clone(est).fit(X, y, resume_from=path)
    assert_same(gone_on, whole)
    assert gone_on.half_life_ == whole.half_life_


# ---------------------------------------------------------------- what it does not go with
@pytest.mark.parametrize(
    "params, words",
    [
        ({"alpha": "auto"}, "alpha='auto' and half_life='auto' do not go together.*give alpha a number, or half_life"),
        ({"learning_rate": "constant"}, "half_life='auto' needs learning_rate='auto' or average=True, got 'constant'"),
        ({"max_iter": 2}, "half_life='auto' is chosen by rows before they are learnt from.*max_iter=2: set max_iter=1"),
        ({"max_iter": "auto"}, "half_life='auto' needs a number of passes as max_iter"),
        ({"shuffle": True}, "half_life='auto' counts rows in the order"),
        ({"n_bootstrap": 5}, "half_life='auto' does not go with n_bootstrap.*give half_life a number, or None"),
        ({"half_life": "long"}, "'half_life' parameter"),
    ],
)
def test_what_it_does_not_go_with_is_said(params, words):
    X, y, _ = rows(60)
    est = SGDClassifier(**{"loss": "log_loss", "half_life": "auto"} | ONE | params)
    with pytest.raises(ValueError, match=words):
        est.fit(X, y)


def test_others_say_that_they_need_a_number():
    est, X, y = made()
    with pytest.raises(ValueError, match=r"segments are models of one training.*give half_life a number, or None"):
        est.fit(X, y, segments=y)
    with pytest.raises(ValueError, match=r"record is of one training.*give half_life a number"):
        est.fit(X, y, record="objective")


def test_one_class_too():
    X, _, _ = rows(3000)
    X[2000:] += 5
    est = SGDOneClassSVM(half_life="auto", **ONE | {"learning_rate": "constant", "average": True, "eta0": 0.05})
    assert est.fit(X).half_life_ in (np.inf, *VALUES[1:])


@pytest.mark.parametrize("turn", [None, 900])
def test_it_is_in_a_diagnosis(turn):
    est, X, y = made(turn=turn)
    found = fastsgd.diagnose(est.fit(X, y), X, y)
    assert found.findings and (est.half_life_ < np.inf or "older rows fade" not in str(found))
