"""SGDClassifierCV and SGDRegressorCV as scikit-learn's estimators: files, sources, threads, time, Ctrl-C, what is printed."""

import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from support.data import LAYOUTS, labels, rows

import fastsgd
from fastsgd import SGDClassifier, SGDClassifierCV, SGDRegressor, SGDRegressorCV, several, sources
from fastsgd.sources import _order

X, Y, S = rows(150, 5)
CODE, THREE = labels(Y), labels(Y, 3)
FEW = {"alphas": [0.03, 0.003], "cv": 3, "random_state": 0, "max_iter": 4, "tol": None}
EVERY = pytest.mark.parametrize("make, y", [(SGDClassifierCV, CODE), (SGDRegressorCV, Y)])
NAMES = "scores_", "n_iter_", "stop_reasons_", "coefs_paths_", "intercepts_paths_", "alphas_", "l1_ratios_"


@EVERY
@pytest.mark.parametrize("eta0s", [None, [0.003, 0.01]])
def test_files_and_pickles(make, y, eta0s, tmp_path):
    est = make(penalty="elasticnet", l1_ratios=(0.2, 0.9), halving=3, eta0s=eta0s, learning_rate="constant", **FEW).fit(
        X.astype("f4"), y
    )
    est.save(tmp_path / "model.safetensors")
    files = fastsgd.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(est))
    for again in (*files, clone(est).fit(X.astype("f4"), y)):
        np.testing.assert_array_equal(again.predict(X), est.predict(X))
        np.testing.assert_array_equal(again.history_["loss"], est.history_["loss"])
        for name in NAMES:
            np.testing.assert_array_equal(getattr(again, name), getattr(est, name))
        assert (again.alpha_, again.l1_ratio_) == (est.alpha_, est.l1_ratio_) and again.coefs_paths_.dtype == np.float32
        assert list(again.cv_results_["params"]) == est.cv_results_["params"]
        assert again.eta0_ == est.eta0_ and again.eta0s_.tolist() == (eta0s or [0.01])


def test_a_file_with_reasons_that_there_are_not_is_refused(tmp_path):
    est = SGDRegressorCV(**FEW).fit(X, Y)
    est._reasons = est._reasons + np.uint8(50)
    with pytest.raises(ValueError, match="_reasons must hold numbers below"):
        est.save(tmp_path / "model.safetensors")


def test_without_a_refit_there_is_no_model():
    est = SGDRegressorCV(refit=False, **FEW).fit(X, Y)
    assert est.alpha_ in est.alphas_ and not hasattr(est, "coef_")
    with pytest.raises(NotFittedError, match="refit=False"):
        est.predict(X)
    assert hasattr(est.set_params(refit=True).fit(X, Y), "coef_")
    assert not hasattr(est.set_params(refit=False).fit(X, Y), "coef_")


# ---------------------------------------------------------------- sources


def batches(A, y, weights=None, size=20):
    """A source larger than its buffer, in blocks of that many rows."""

    def read():
        for lo in range(0, len(y), size):
            part = A[lo : lo + size], y[lo : lo + size]
            yield part if weights is None else (*part, weights[lo : lo + size])

    source = sources.from_batches(read, n_features=A.shape[1])
    return source.buffered(max_memory=20_000)


def stored(A, y, folder, weights=None):
    """Likewise, of blocks that are read in any order."""
    np.save(folder / "X.npy", A)
    np.save(folder / "y.npy", y)
    return sources.from_npy(folder / "X.npy", folder / "y.npy").buffered(max_memory=4_000)


CASES = {
    "hinge": (SGDClassifierCV, SGDClassifier, CODE, {}),
    "three": (SGDClassifierCV, SGDClassifier, THREE, {"loss": "log_loss", "class_weight": "balanced"}),
    "multinomial": (SGDClassifierCV, SGDClassifier, THREE, {"loss": "log_loss", "multi_class": "multinomial"}),
    "adam": (SGDRegressorCV, SGDRegressor, Y, {"optimizer": "adam"}),
    "auto": (SGDRegressorCV, SGDRegressor, Y, {"learning_rate": "auto"}),
    "standardised": (SGDRegressorCV, SGDRegressor, Y, {"standardize": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_source_larger_than_memory_draws_its_folds(case, tmp_path):
    make, one, y, params = CASES[case]
    A = np.tile(X, (4, 1))
    y = np.tile(y, 4)
    given = {"random_state": 0, "max_iter": 2, "tol": None} | params
    est = make(alphas=[0.03, 0.003], cv=3, **given).fit(stored(A, y, tmp_path))
    assert est.scores_.shape == (3, 1, 2) and np.isfinite(est.scores_).all()
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    fold = _order.fold_numbers(np.arange(len(y)), 3, int(seed))
    assert np.bincount(fold, minlength=3).min() > len(y) / 4
    alone = one(alpha=est.alpha_, **given).fit(stored(A, y, tmp_path))
    np.testing.assert_array_equal(est.coef_, alone.coef_)
    with_weights = make(alphas=[0.03, 0.003], **given)
    with pytest.raises(ValueError, match=r"scoring=.* needs the rows of a fold in memory"):
        with_weights.set_params(scoring="r2" if make is SGDRegressorCV else "neg_log_loss").fit(stored(A, y, tmp_path))


def test_the_folds_of_a_source_are_left_out_and_score():
    """Of rows in order, in blocks; each model is the fit of the source with weight 0 on its fold."""
    A, y = np.tile(X, (4, 1)), np.tile(CODE, 4)
    given = {"loss": "log_loss", "random_state": 0, "max_iter": 2, "tol": None, "shuffle": False}
    est = SGDClassifierCV(alphas=[0.03, 0.003], cv=3, **given).fit(batches(A, y))
    seed = np.random.RandomState(0).randint(np.iinfo(np.int32).max)
    block, place = np.divmod(np.arange(len(y)), 20)
    fold = _order.fold_numbers((block << 32) + place, 3, int(seed))
    for f in range(3):
        for j, alpha in enumerate(est.alphas_):
            one = SGDClassifier(alpha=alpha, **given).fit(batches(A, y, 1.0 * (fold != f)))
            np.testing.assert_allclose(est.coefs_paths_[f, 0, j], one.coef_, rtol=1e-9)
            z = np.where(y == 1, 1, -1) * one.decision_function(A)
            np.testing.assert_allclose(est.scores_[f, 0, j], -np.log1p(np.exp(-z))[fold == f].mean(), rtol=1e-9)


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_the_validation_set_may_be_a_source(scoring, tmp_path):
    A, y = np.tile(X, (4, 1)), np.tile(CODE, 4)
    given = {name: x for name, x in FEW.items() if name != "cv"} | {"scoring": scoring}
    source = SGDClassifierCV(**given).fit(X, CODE, X_val=stored(A, y, tmp_path))
    arrays = SGDClassifierCV(**given).fit(X, CODE, X_val=A, y_val=y)
    np.testing.assert_allclose(source.scores_, arrays.scores_)


def test_what_a_source_can_not_do_is_said():
    A, y = np.tile(X, (4, 1)), np.tile(CODE, 4)
    for params, given in (({"cv": [(np.arange(9), np.arange(9, 20))]}, {}), ({"cv": 3}, {"groups": y})):
        with pytest.raises(ValueError, match=r"needs the rows in memory: .*X_val"):
            SGDClassifierCV(shuffle=False, **FEW | params).fit(batches(A, y), **given)


def test_a_number_of_alphas_of_a_source():
    A, y = np.tile(X, (4, 1)), np.tile(Y, 4)
    given = {"loss": "huber", "max_iter": 1, "tol": None, "random_state": 0, "shuffle": False, "cv": 3}
    source, arrays = (SGDRegressorCV(**given).fit(*data).alphas_ for data in ((batches(A, y),), (A, y)))
    np.testing.assert_allclose(source, arrays, rtol=0.1)


def test_a_source_that_a_buffer_holds_is_as_arrays():
    source = sources.from_batches(lambda: iter([(X[:100], Y[:100], S[:100]), (X[100:], Y[100:], S[100:])]))
    np.testing.assert_array_equal(SGDRegressorCV(**FEW).fit(source).scores_, SGDRegressorCV(**FEW).fit(X, Y, S).scores_)


# ---------------------------------------------------------------- threads, time, Ctrl-C, words


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("params", [{}, {"learning_rate": "auto"}, {"optimizer": "adam", "batch_size": 4}], ids=str)
def test_threads_change_no_bit(layout, params):
    A = LAYOUTS[layout](np.tile(X, (3, 1)))
    given = {"alphas": 10, "max_iter": 2, "tol": None, "random_state": 0} | params
    one, two = (SGDClassifierCV("log_loss", n_jobs=n, **given).fit(A, np.tile(THREE, 3)) for n in (1, 2))
    for name in ("scores_", "coefs_paths_", "coef_", "alphas_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_the_time_may_be_over():
    est = SGDRegressorCV(max_seconds=1e-6, **FEW | {"max_iter": 10**6}).fit(X, Y)
    assert (est.stop_reasons_ == "max_seconds").all() and np.isfinite(est.scores_).all()
    assert est.stop_reason_ == "max_seconds" and hasattr(est, "coef_")


@pytest.mark.parametrize("where", ["search", "second pass", "scores", "refit"])
@pytest.mark.parametrize("fitted", [False, True])
def test_ctrl_c_leaves_the_estimator_as_it_was(where, fitted, monkeypatch):
    def impatient(*_, **__):
        raise KeyboardInterrupt

    est = SGDRegressorCV(**FEW)
    if fitted:
        est.fit(X, Y)
    before = {name: x for name, x in vars(est).items()}
    if where == "search":
        monkeypatch.setattr(several, "one_pass", impatient)
    elif where == "second pass":
        passes = iter([several.one_pass, impatient])
        monkeypatch.setattr(several, "one_pass", lambda *given: next(passes)(*given))
    elif where == "refit":
        monkeypatch.setattr(SGDRegressor, "_train", impatient)
    else:
        est.scoring = before["scoring"] = impatient
    with pytest.raises(KeyboardInterrupt, match="is what it was before"):
        est.fit(2 * X, -Y)
    assert vars(est).keys() == before.keys() and all(vars(est)[name] is x for name, x in before.items())


def test_a_fit_that_fails_changes_nothing():
    est = SGDRegressorCV(**FEW).fit(X, Y)
    before = vars(est).copy()
    with pytest.raises(ValueError, match="scoring must give a number"):
        est.set_params(scoring=lambda *_: None).fit(2 * X, Y)
    est.scoring = None
    assert vars(est).keys() == before.keys() and all(vars(est)[name] is x for name, x in before.items())


def test_verbose_prints_a_line_an_epoch(capsys):
    SGDRegressorCV(verbose=1, halving=2, **FEW).fit(sp.csr_matrix(X), Y)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("epoch 1: 6 models of 2 candidates under way; 1 candidates fell behind")
    assert said[1].startswith("epoch 2: 3 models of 1 candidates under way") and len(said) == 4
    assert said[-1].startswith("6 models took 15 epochs; chose alpha=")


def test_nothing_beside_weights_grows_with_models_and_rows():
    """Four times the models of the same rows take no more memory beside what their weights take."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20_000, 4))
    y, peaks = A[:, 0] + rng.standard_normal(20_000), []
    for n in (20, 80):
        est = SGDRegressorCV(alphas=np.geomspace(1e-4, 1e-1, n), max_iter=2, tol=None, random_state=0)
        tracemalloc.start()
        est.fit(A, y)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 300 * 20_000 * 8 / 20  # A number for each model and row would take twenty times that.


@pytest.mark.parametrize("average", [False, True])
def test_weights_are_kept_a_few_times_however_many_models_end_apart(average):
    """Models of one pack that end in different epochs keep no copies of each other."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 1_000))
    y = A[:, 0] + rng.standard_normal(20)
    est = SGDRegressorCV(eta0s=np.geomspace(3e-6, 1e-3, 8), alphas=[0.1, 0.01, 1e-3], average=average, random_state=0)
    est.set_params(max_iter=30, tol=1e-3, refit=False)
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning, match="reached max_iter=30"):
        est.fit(A, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(np.unique(est.n_iter_)) > 4
    assert peak < (14 if average else 10) * est.coefs_paths_.nbytes


@pytest.mark.parametrize("params", [{"learning_rate": "auto"}, {"multi_class": "multinomial"}, {"alphas": 8}], ids=str)
def test_threads_change_no_bit_of_a_single_pack_of_many_rows(params):
    """Though threads would share out the rows of a fit of its own of such a model, and change its bits."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20_000, 60))
    code = np.digitize(A[:, 0] + rng.standard_normal(20_000), [-0.5, 0.5])
    given = {"alphas": [1e-3], "max_iter": 1, "tol": None, "random_state": 0, "refit": False} | params
    one, two = (
        SGDClassifierCV("log_loss", n_jobs=n, **given).fit(A, code, X_val=A[:99], y_val=code[:99]) for n in (1, 2)
    )
    np.testing.assert_array_equal(one.coefs_paths_, two.coefs_paths_)
    np.testing.assert_array_equal(one.scores_, two.scores_)
