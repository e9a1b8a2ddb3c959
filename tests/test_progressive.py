"""progressive_: how the loss of rows went by rows, each before it was learnt from."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from support.cases import covering
from support.data import LAYOUTS
from support.sizes import sizes

import fastsgd
from fastsgd import Checkpoint, SGDClassifier, SGDOneClassSVM, SGDRegressor, lanes, losses, optimizers, sources
from fastsgd.progressive import MAX_STRETCHES, Progressive

RNG = np.random.default_rng(0)
X = RNG.standard_normal((3000, 5))
Y = X @ [1.0, -2.0, 0.5, 0.0, 0.3] + 0.3 * RNG.standard_normal(3000)
SIGNS, CLASSES = (Y > 0).astype(int), np.digitize(Y, [-1.0, 1.0])
WEIGHT = RNG.integers(0, 4, 3000).astype(float)


def merged(est):
    """The mean loss of all stretches."""
    found = est.progressive_
    return (found["loss"] * found["weight"]).sum() / found["weight"].sum()


@pytest.mark.parametrize("weights", [None, WEIGHT])
def test_it_is_the_loss_of_each_row_before_its_own_step(weights):
    reg, loss, before = SGDRegressor(random_state=0), losses.SquaredError(), []
    s = np.ones(100) if weights is None else weights[:100]
    for i in range(100):
        before.append(loss.value(0.0 if i == 0 else reg.predict(X[i : i + 1])[0], Y[i]))
        reg.partial_fit(X[i : i + 1], Y[i : i + 1], sample_weight=None if weights is None else s[i : i + 1])
    found = reg.progressive_
    assert found["rows"].tolist() == list(range(1, 101)) and np.array_equal(found["weight"], s)
    assert np.allclose(found["loss"][s > 0], np.array(before)[s > 0], rtol=1e-9)
    assert np.isnan(found["loss"][s == 0]).all()  # of rows without weight there is none


def test_one_pass_in_order_says_what_calls_with_these_rows_say():
    with sizes(call_rows=500, block_rows=10, buffer_blocks=5, buffer_bytes=1):
        whole = SGDRegressor(max_iter=1, tol=None, shuffle=False, random_state=0).fit(X, Y)
    parts = SGDRegressor(shuffle=False, random_state=0)
    for lo in range(0, 3000, 500):
        parts.partial_fit(X[lo : lo + 500], Y[lo : lo + 500])
    assert parts.progressive_["rows"].tolist() == list(range(500, 3001, 500))
    assert np.array_equal(whole.progressive_["rows"], parts.progressive_["rows"])
    assert np.allclose(whole.progressive_["loss"], parts.progressive_["loss"], rtol=1e-12)
    assert merged(whole) == pytest.approx(whole.history_["loss"][0], rel=1e-12)


CASES = covering(
    2,
    ["binary", "classes", "multinomial", "regressor", "one_class"],
    ["auto", "optimal", "adaptive"],
    ["sgd", "adagrad", "adam", "ftrl", "batches", "full"],
    LAYOUTS,
    [True, False, "replace"],
    allowed=lambda kind, rate, optimizer, *_: (
        (rate != "auto" or (optimizer == "sgd" and kind not in ("one_class", "multinomial")))
        and (rate != "adaptive" or optimizer != "ftrl")
    ),
)


@pytest.mark.parametrize(("estimator", "rate", "optimizer", "layout", "shuffle"), CASES)
def test_it_is_of_the_first_pass_whatever_learns(estimator, rate, optimizer, layout, shuffle):
    how = {"random_state": 0, "tol": None, "max_iter": 3, "shuffle": shuffle, "learning_rate": rate}
    if optimizer in ("batches", "full"):
        how |= {"batch_size": 20 if optimizer == "batches" else "full"}
    elif optimizer != "sgd":
        how |= {"optimizer": optimizer}
    how |= {"eta0": 0.01} if rate == "adaptive" else {}
    est, y = {
        "binary": (SGDClassifier("log_loss"), SIGNS),
        "classes": (SGDClassifier("hinge"), CLASSES),
        "multinomial": (SGDClassifier("log_loss", multi_class="multinomial"), CLASSES),
        "regressor": (SGDRegressor("huber"), Y),
        "one_class": (SGDOneClassSVM(), None),
    }[estimator]
    with sizes(call_rows=400, block_rows=10, buffer_blocks=5, buffer_bytes=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.set_params(**how).fit(LAYOUTS[layout](X), *([] if y is None else [y]))
    found = est.progressive_
    assert len(found) >= 7 and found["rows"][-1] == 3000 and found["weight"].sum() == pytest.approx(3000)
    assert merged(est) == pytest.approx(est.history_["loss"][0], rel=1e-9)


def test_calls_after_a_fit_go_on_and_a_fit_begins_anew():
    est = SGDClassifier("log_loss", random_state=0, max_iter=2, tol=None).fit(X, SIGNS)
    first = est.progressive_
    est.partial_fit(X[:100], SIGNS[:100])
    assert est.progressive_["rows"].tolist() == [*first["rows"], 3100]
    assert est.progressive_["loss"][-1] == pytest.approx(est.history_["loss"][0])
    assert np.array_equal(est.fit(X, SIGNS).progressive_, first)


def test_there_are_never_more_stretches_than_a_few_hundred_and_none_is_far_longer():
    progressive, count = Progressive(), 20_000
    for i in range(count):
        progressive = progressive.plus(1, float(i), 1.0)
        assert progressive.n < MAX_STRETCHES
    found = progressive.array()
    lengths = np.diff(found["rows"], prepend=0)
    assert lengths[:-1].max() <= 2 * lengths[:-1].min() and found["rows"][-1] == count
    assert len(found) >= MAX_STRETCHES // 4
    assert np.allclose(found["loss"], found["rows"] - (lengths + 1) / 2)  # the means of whole numbers


def test_long_and_short_calls_together_are_as_long_as_they_can_be():
    progressive = Progressive()
    for rows in [100_000, *[10] * 1000]:
        progressive = progressive.plus(rows, 2.0 * rows, 1.0 * rows)
    found = progressive.array()
    assert found["rows"][0] == 100_000 and found["rows"][-1] == 110_000 and set(found["loss"]) == {2.0}
    assert 10 < len(found) <= MAX_STRETCHES


def test_copies_do_not_share_what_comes_later():
    one = SGDClassifier("log_loss", random_state=0).partial_fit(X[:10], SIGNS[:10], classes=[0, 1])
    before, two, three = one.progressive_, copy.copy(one), pickle.loads(pickle.dumps(one))
    one.partial_fit(X[10:20], SIGNS[10:20])
    two.partial_fit(X[20:50], SIGNS[20:50])
    assert one.progressive_["rows"].tolist() == [10, 20] and two.progressive_["rows"].tolist() == [10, 40]
    assert np.array_equal(three.progressive_, before)
    one.partial_fit(X[10:20], SIGNS[10:20])
    assert one.progressive_["rows"].tolist() == [10, 20, 30]


@pytest.mark.parametrize("trained", ["fit", "partial_fit"])
def test_a_file_holds_it_and_calls_go_on_from_there(tmp_path, trained):
    est = SGDClassifier("log_loss", random_state=0, max_iter=1, tol=None)
    est = est.fit(X, SIGNS) if trained == "fit" else est.partial_fit(X, SIGNS, classes=[0, 1])
    for i in range(0, 1000, 2):
        est.partial_fit(X[i : i + 2], SIGNS[i : i + 2])
    est.save(tmp_path / "m")
    loaded = fastsgd.load(tmp_path / "m")
    assert np.array_equal(loaded.progressive_, est.progressive_)
    for one in (est, loaded):
        one.partial_fit(X[:3], SIGNS[:3])
    assert np.array_equal(loaded.progressive_, est.progressive_)
    est.save(tmp_path / "p", training_state=False)
    with pytest.raises(AttributeError, match="without the state of the training"):
        fastsgd.load(tmp_path / "p").progressive_  # noqa: B018


class Stop(Exception):
    pass


@pytest.mark.parametrize("stop_after", [2, 9])
def test_a_training_that_goes_on_from_a_checkpoint_has_the_same(tmp_path, stop_after):
    class Stops:
        def __init__(self):
            self.calls = 0

        def between(self, progress):
            self.calls += 1
            if self.calls == stop_after:
                raise Stop

        def __call__(self, progress):
            return None

    path = tmp_path / "c"
    how = {"max_iter": 3, "tol": None, "random_state": 0}
    with sizes(call_rows=400, block_rows=10, buffer_blocks=5, buffer_bytes=1):
        whole = SGDRegressor(**how).fit(X, Y)
        keeps = Checkpoint(path, every_rows=1)
        with pytest.raises(Stop):
            SGDRegressor(**how, callbacks=[Stops(), keeps]).fit(X, Y)
        went_on = SGDRegressor(**how, callbacks=[keeps]).fit(X, Y, resume_from=path)
    assert np.array_equal(went_on.progressive_, whole.progressive_)
    assert np.array_equal(went_on.coef_, whole.coef_)


@pytest.mark.parametrize("how", [{}, {"n_jobs": 2}, {"n_jobs": 2, "parallel": "hogwild"}, {"n_init": 3}])
def test_threads_and_restarts_count_each_row_once(how):
    rows = np.repeat(X, 40, axis=0)
    y = np.repeat(SIGNS, 40)
    how = {"init": "normal"} | how if "n_init" in how else how
    est = SGDClassifier("log_loss", max_iter=1, tol=None, random_state=0, **how).fit(rows, y)
    assert est.progressive_["rows"][-1] == len(rows) and est.progressive_["weight"].sum() == len(rows)
    assert merged(est) == pytest.approx(est.history_["loss"][0], rel=1e-9)


@pytest.mark.parametrize("rate", ["auto", "optimal", "pa1"])
@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("shuffle", [True, False, "replace"])
@pytest.mark.parametrize("kind", ["binary", "classes", "l1", "average"])
def test_cutting_a_kernel_call_changes_no_bit(monkeypatch, rate, layout, shuffle, kind):
    how = {"l1": {"penalty": "elasticnet", "alpha": 1e-3}, "average": {"average": 100}}.get(kind, {})
    how = {} if rate != "optimal" else how
    y = CLASSES if kind == "classes" else SIGNS
    loss = "hinge" if rate == "pa1" else "log_loss"
    rows, found = LAYOUTS[layout](X), {}
    with sizes(block_rows=10, buffer_blocks=5, buffer_bytes=1):
        for work in (1.0, np.inf):
            for name in ("STRETCH_WORK", "SHUFFLED_WORK"):
                monkeypatch.setattr(lanes, name, work)
            est = SGDClassifier(loss, max_iter=2, tol=None, random_state=0, shuffle=shuffle, learning_rate=rate, **how)
            found[work] = est.fit(rows, y)
    cut, whole = found.values()
    assert len(cut.progressive_) > 10 and len(whole.progressive_) == 1
    assert np.array_equal(cut.coef_, whole.coef_) and np.array_equal(cut.intercept_, whole.intercept_)
    assert np.allclose(cut.history_["loss"], whole.history_["loss"], rtol=1e-14)
    assert merged(cut) == pytest.approx(merged(whole), rel=1e-12)


def test_a_record_does_not_change_it(monkeypatch):
    monkeypatch.setattr(lanes, "STRETCH_WORK", 1.0)
    with sizes(block_rows=10, buffer_blocks=5, buffer_bytes=1):
        est = SGDClassifier("log_loss", max_iter=2, tol=None, random_state=0, shuffle=False)
        alone = copy.copy(est).fit(X, SIGNS)
        recorded = copy.copy(est).fit(X, SIGNS, record="coef", record_every=70)
        assert np.array_equal(recorded.progressive_, alone.progressive_) and len(alone.progressive_) > 10
        assert np.array_equal(recorded.history_["loss"], alone.history_["loss"])
        assert np.array_equal(recorded.record_["steps"], [*range(0, 6000, 70), 6000])
        epochs = recorded.record_["epoch"]
        assert np.allclose(epochs, recorded.record_["steps"] / 3000)


def test_a_stream_says_it_too():
    batches = [(X[i : i + 300], SIGNS[i : i + 300]) for i in range(0, 3000, 300)]
    source = sources.from_batches(lambda: iter(batches)).buffered(buffer_rows=600)
    est = SGDClassifier("log_loss", max_iter=2, tol=None, shuffle=False, random_state=0).fit(source)
    found = est.progressive_
    assert len(found) >= 5 and found["rows"][-1] == 3000
    assert merged(est) == pytest.approx(est.history_["loss"][0], rel=1e-9)


def test_several_heads_are_a_mean_and_class_weights_are_weights():
    est = SGDClassifier("log_loss", class_weight={0: 1.0, 1: 2.0, 2: 5.0}, max_iter=1, tol=None, random_state=0)
    est.fit(X, CLASSES)
    rest = sum(np.where(k == CLASSES, w, 1.0).sum() for k, w in enumerate([1.0, 2.0, 5.0])) / 3
    assert est.progressive_["weight"].sum() == pytest.approx(rest)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_call_that_diverges_is_not_in_it():
    reg = SGDRegressor(random_state=0).partial_fit(X[:10], Y[:10])
    before = reg.progressive_
    with pytest.raises(ValueError, match="overflow"):
        reg.partial_fit(X[:10] * 1e200, Y[:10])
    assert np.array_equal(reg.progressive_, before)


def test_before_the_first_fit_there_is_none():
    assert not hasattr(SGDRegressor(), "progressive_")
    assert hasattr(SGDRegressor().fit(X, Y), "progressive_")


def test_calls_on_few_of_many_features_have_it_too():
    rows = sp.csr_matrix((np.ones(300), RNG.integers(0, 100_000, 300), np.arange(0, 301, 3)), shape=(100, 100_000))
    est = SGDClassifier("log_loss", random_state=0)
    for i in range(100):
        est.partial_fit(rows[i], SIGNS[i : i + 1], classes=[0, 1])
    assert est.progressive_["rows"].tolist() == list(range(1, 101))
    assert est.progressive_["loss"][0] == pytest.approx(np.log(2))


def test_an_optimizer_that_searches_along_the_line_has_one_stretch():
    reg = SGDRegressor(optimizer=optimizers.SGD(line_search=True), batch_size="full", max_iter=3, tol=None).fit(X, Y)
    assert reg.progressive_["rows"].tolist() == [3000]
    assert reg.progressive_["loss"][0] == pytest.approx(np.mean(Y**2) / 2)
