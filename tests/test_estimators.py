"""The estimators: scikit-learn's conventions, what they accept, and that the models are right."""

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.metrics import make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels, rows
from support.estimators import ALL, EVERY, FEW, STEPS_ASIDE, same

from fastsgd import (
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    optimizers,
    schedules,
    sources,
)
from fastsgd.estimators.validation import check_targets, check_weight


def fit(cls, X, y, **params):
    """Fitted to the labels of y, to y, or to X alone."""
    y = labels(y) if cls is SGDClassifier and y is not None and y.dtype.kind == "f" else y
    return cls(**{**FEW, **params}).fit(X, y)


# ---------------------------------------------------------------- scikit-learn's checks


WEIGHTS = "rows of weight 2 are one step of twice the size, rows given twice are two steps (as in scikit-learn's own)"
CONFIGURED = [
    SGDClassifier(optimizer="adam", batch_size=32, max_iter=5),
    SGDClassifier(loss="log_loss", multi_class="multinomial", optimizer="adagrad", eta0=0.1, max_iter=5),
    SGDClassifier(multi_class="crammer_singer", optimizer="nesterov", init="normal", n_init=2, max_iter=5),
    SGDClassifier(stopping="gradient", max_iter=5),
    SGDClassifier(max_iter="auto"),
    SGDRegressor(optimizer="ftrl", eta0=1.0, max_iter=5),
    SGDRegressor(optimizer=optimizers.SGD(line_search=True), batch_size="full", max_iter=5),
    SGDOneClassSVM(optimizer="momentum", batch_size=8, stopping=["parameters", "objective"], max_iter=5),
]


def expected_to_fail(est):
    if isinstance(est.optimizer, optimizers.SGD):  # a line search takes one step whichever way
        return {}
    return {f"check_sample_weight_equivalence_on_{kind}_data": WEIGHTS for kind in ("dense", "sparse")}


@pytest.mark.filterwarnings("ignore:The fit diverged", "ignore:Maximum number of iteration")
@parametrize_with_checks([cls(max_iter=5) for cls in ALL] + CONFIGURED, expected_failed_checks=expected_to_fail)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.sklearn19
@EVERY
def test_constructor_defaults_are_scikit_learns(cls):
    from sklearn import linear_model

    theirs = getattr(linear_model, cls.__name__)().get_params()
    ours = cls().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    added = [p for name, p in inspect.signature(cls).parameters.items() if name not in theirs]
    assert all(p.kind is p.KEYWORD_ONLY for p in added)


@EVERY
def test_pickle_and_clone(cls):
    X, y, _ = rows()
    est = fit(cls, X, y, learning_rate=schedules.Cosine(), average=True)
    again = pickle.loads(pickle.dumps(est))
    same(est, again)
    np.testing.assert_array_equal(est.predict(X), again.predict(X))
    assert est.history_.tobytes() == again.history_.tobytes()
    same(clone(est).fit(X, labels(y) if cls is SGDClassifier else y), est)


def test_grid_search_over_objects():
    X, y, _ = rows()
    est = SGDRegressor(
        loss=losses.Quantile(0.5), learning_rate=schedules.Exponential(), max_iter=50, tol=None, random_state=0
    )
    grid = {"loss__quantile": [0.1, 0.9], "learning_rate__decay": [0.9, 0.95]}
    score = make_scorer(mean_pinball_loss, alpha=0.9, greater_is_better=False)
    search = GridSearchCV(est, grid, scoring=score, cv=3).fit(X, y)
    assert search.best_params_["loss__quantile"] == 0.9
    assert est.loss.quantile == 0.5, "the object that was given is not changed"
    search = GridSearchCV(est, {"loss": ["huber", losses.Huber(2.0), "squared_error"]}, cv=3).fit(X, y)
    assert len(search.cv_results_["params"]) == 3


@STEPS_ASIDE
def test_pipeline_and_cross_validation():
    X, y, _ = rows()
    pipe = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))
    assert cross_val_score(pipe, X, labels(y), cv=3).mean() > 0.85


@pytest.mark.parametrize(
    "low, high, dtype",
    [(-128, 127, "i1"), (-(2**62), 2**62, "i8"), (2**63, 2**63 + 1, "u8"), (0, 2**64 - 1, "u8"), (254, 255, "u1")],
)
def test_labels_at_the_ends_of_their_dtype(low, high, dtype):
    X, y, _ = rows()
    y = np.where(y > 0.5, np.array(high, dtype), np.array(low, dtype))
    clf = SGDClassifier(random_state=0).fit(X, y)
    assert clf.classes_.dtype == dtype and clf.classes_.tolist() == [low, high]
    assert clf.score(X, y) > 0.8


def test_string_labels_and_feature_names():
    pd = pytest.importorskip("pandas")
    X, y, _ = rows()
    frame = pd.DataFrame(X, columns=list("abcdef"))
    words = np.array(["no", "yes"])[labels(y)]
    est = SGDClassifier(random_state=0).fit(frame, words)
    assert list(est.feature_names_in_) == list("abcdef") and set(est.predict(frame)) == {"no", "yes"}
    with pytest.raises(ValueError, match="feature names"):
        est.predict(frame[list("fedcba")])
    same(est, SGDClassifier(random_state=0).fit(X, words))


# ---------------------------------------------------------------- what they accept


def as_memmap(X, path):
    np.save(path / "X.npy", X)
    return np.load(path / "X.npy", mmap_mode="r")


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def as_polars(X):
    return pytest.importorskip("polars").DataFrame(X, schema=[f"x{j}" for j in range(X.shape[1])])


def as_pandas(X):
    return pytest.importorskip("pandas").DataFrame(X)


KINDS = {
    "fortran": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "big endian": lambda X: X.astype(">f8"),
    "float16": lambda X: X.astype("f2"),
    "longdouble": lambda X: X.astype("g"),
    "list": lambda X: X.tolist(),
    "pandas": as_pandas,
    "polars": as_polars,
    "read-only": read_only,
    "unaligned": lambda X: np.frombuffer(b"x" + X.tobytes(), "f8", offset=1).reshape(X.shape),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names", "ignore:X has feature names")
@EVERY
def test_kinds_of_x(cls, kind):
    X, y, _ = rows()
    plain = fit(cls, X, y)
    other = KINDS[kind](X)
    est = fit(cls, other, y)
    same(plain, est)
    np.testing.assert_allclose(plain.predict(X), est.predict(other), rtol=1e-12)


def test_targets_and_weights_that_are_not_aligned_are_copied():
    odd = np.frombuffer(b"x" + np.arange(4.0).tobytes(), "f8", offset=1)
    for found in (check_targets(odd, losses.Huber()), check_weight(odd, 4)):
        assert found.flags.aligned and np.array_equal(found, odd)


@pytest.mark.parametrize("dtype", ["i1", "i8", "u2", "?"])
@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_integers_and_booleans(cls, layout, dtype):
    X, y, _ = rows()
    X = abs(2 * X).astype(dtype)
    est, plain = fit(cls, LAYOUTS[layout](X), y), fit(cls, LAYOUTS[layout](X.astype("f8")), y)
    same(est, plain)
    np.testing.assert_array_equal(est.predict(X), plain.predict(X.astype("f8")))


@pytest.mark.parametrize(
    "kind", ["csc", "coo", "bsr", "lil", "dok", "csr_array", "int64", "mixed", "unsorted", "zeros"]
)
@EVERY
def test_kinds_of_sparse_x(cls, kind):
    X, y, _ = rows()
    plain = sp.csr_matrix(X)
    if kind in ("int64", "mixed", "unsorted", "zeros"):
        other = plain.copy()
        if kind != "unsorted":
            other.indptr = other.indptr.astype("i8")
        if kind == "int64":
            other.indices = other.indices.astype("i8")
        if kind == "unsorted":
            for lo, hi in zip(other.indptr, other.indptr[1:], strict=False):
                other.indices[lo:hi], other.data[lo:hi] = (
                    other.indices[lo:hi][::-1].copy(),
                    other.data[lo:hi][::-1].copy(),
                )
            other.has_sorted_indices = False
        if kind == "zeros":  # stored ones
            other = sp.csr_matrix(
                (np.append(plain.data, 0.0), np.append(plain.indices, 0), np.append(plain.indptr[:-1], plain.nnz + 1))
            )
    else:
        other = sp.csr_array(X) if kind == "csr_array" else plain.asformat(kind)
    ours, theirs = fit(cls, other, y), fit(cls, plain, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(ours.predict(other), theirs.predict(plain), rtol=1e-9)


@EVERY
def test_duplicate_entries_of_a_sparse_row_count_as_their_sum(cls):
    rng, (_, y, _) = np.random.default_rng(0), rows()
    values, columns = rng.standard_normal(1600), rng.integers(0, 5, 1600)
    X = sp.csr_matrix((values, columns, np.arange(0, 1601, 8)), shape=(200, 5))
    kept = X.data.copy(), X.indices.copy()
    whole = sp.csr_matrix(X.toarray())
    for penalty in [{}] if cls is SGDOneClassSVM else [{"penalty": p} for p in (None, "l2", "l1", "elasticnet")]:
        a, b = (fit(cls, A, y, alpha=0.01, **penalty) if penalty else fit(cls, A, y) for A in (X, whole))
        np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-9, atol=1e-12)
    assert (X.data == kept[0]).all() and (X.indices == kept[1]).all()


@EVERY
def test_memory_map(cls, tmp_path):
    X, y, _ = rows()
    same(fit(cls, as_memmap(X, tmp_path), y), fit(cls, X, y))
    A, parts = sp.csr_matrix(X), {}
    for name in ("data", "indices", "indptr"):
        np.save(tmp_path / f"{name}.npy", getattr(A, name))
        parts[name] = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
    mapped = sp.csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=A.shape)
    same(fit(cls, mapped, y), fit(cls, A, y))


@pytest.mark.parametrize("layout", LAYOUTS)
@EVERY
def test_nothing_given_is_changed(cls, layout):
    X, y, s = rows()
    y = labels(y) if cls is SGDClassifier else y
    given = LAYOUTS[layout](X)
    parts = [given] if layout == "dense" else [given.data, given.indices, given.indptr]
    arrays = [*parts, y, s]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    start = {"coef_init": np.ones(6), ("offset_init" if cls is SGDOneClassSVM else "intercept_init"): np.ones(1)}
    cls(max_iter=3, tol=None).fit(given, y, sample_weight=s, **start)
    est = cls()
    est.partial_fit(given, y, **({"classes": [0, 1]} if cls is SGDClassifier else {}), sample_weight=s)
    est.predict(given)
    for a, b in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (start["coef_init"] == 1).all()


@EVERY
def test_float32_is_kept(cls):
    X, y, _ = rows()
    est, wide = fit(cls, X.astype("f4"), y), fit(cls, X, y)
    assert est.coef_.dtype == np.float32
    swapped = fit(cls, X.astype("f4").astype(">f4"), y)
    assert swapped.coef_.dtype == np.float32
    np.testing.assert_array_equal(swapped.coef_, est.coef_)
    np.testing.assert_allclose(est.coef_, wide.coef_, rtol=1e-3, atol=1e-3 * abs(wide.coef_).max())


@pytest.mark.parametrize("more", [{}, {"learning_rate": "auto"}, {"standardize": True}], ids=str)
def test_an_offset_of_y_is_not_lost_in_float32(more):
    """intercept_ is float64, as in scikit-learn: the objective in history_ is that of the model, and so is the score."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3)).astype(np.float32)
    y = 1e7 + X @ [1.0, 2.0, 0.5] + 0.1 * rng.standard_normal(2000)
    est = SGDRegressor(random_state=0, **more).fit(X, y)
    table = sources.from_batches(lambda: [(X[:1000], y[:1000]), (X[1000:], y[1000:])])
    assert est.intercept_.dtype == np.float64 and est.coef_.dtype == np.float32
    assert est.score(X, y) > 0.99 and est.score(table) == pytest.approx(est.score(X, y), abs=1e-6)


def test_a_long_fit_with_l1_in_float32_keeps_its_digits():
    """All the L1 that 200,000 steps have brought is a thousand times a weight: it must not be what weights are rounded to."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2_000, 10))
    y = X @ np.linspace(-2, 2, 10)
    est = SGDRegressor(
        penalty="l1", alpha=0.5, max_iter=100, tol=None, shuffle=False, learning_rate="constant", eta0=0.01
    )
    right = est.fit(X, y).coef_
    np.testing.assert_allclose(est.fit(X.astype(np.float32), y).coef_, right, rtol=0, atol=3e-5 * abs(right).max())


@pytest.mark.sklearn19
@EVERY
def test_sparsify(cls):
    X, y, _ = rows()
    est = fit(cls, X, y)
    before = est.predict(X)
    np.testing.assert_allclose(est.sparsify().predict(X), before, rtol=1e-12)
    np.testing.assert_allclose(est.densify().predict(X), before, rtol=1e-12)
