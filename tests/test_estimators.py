"""The estimators: scikit-learn's conventions, what they accept, and that the models are right."""

import inspect
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor, Ridge
from sklearn.metrics import make_scorer, mean_pinball_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from support.data import LAYOUTS, labels, rows

from fastsgd import (
    LinearClassifier,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
    losses,
    optimizers,
    schedules,
    sources,
)
from fastsgd.estimators.validation import check_targets, check_weight

ALL = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
# Of a few rows and the default step size, which what is tested does not depend on.
STEPS_ASIDE = pytest.mark.filterwarnings("ignore:The fit (diverged|stopped):sklearn.exceptions.ConvergenceWarning")
EVERY = pytest.mark.parametrize("cls", ALL)
FEW = dict(max_iter=3, tol=None, random_state=0)


def fit(cls, X, y, **params):
    """Fitted to the labels of y, to y, or to X alone."""
    y = labels(y) if cls is SGDClassifier and y is not None and y.dtype.kind == "f" else y
    return cls(**{**FEW, **params}).fit(X, y)


def same(a, b):
    np.testing.assert_array_equal(a.coef_, b.coef_)
    for name in ("intercept_", "offset_"):
        if hasattr(a, name):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


# ---------------------------------------------------------------- scikit-learn's checks
WEIGHTS = "rows of weight 2 are one step of twice the size, rows given twice are two steps (as in scikit-learn's own)"


CONFIGURED = [
    SGDClassifier(optimizer="adam", batch_size=32, max_iter=5),
    SGDClassifier(loss="log_loss", multi_class="multinomial", optimizer="adagrad", eta0=0.1, max_iter=5),
    SGDClassifier(multi_class="crammer_singer", optimizer="nesterov", init="normal", n_init=2, max_iter=5),
    SGDClassifier(stopping="gradient", max_iter=5),
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


# ---------------------------------------------------------------- right models
def optimum(X, y, loss, l2, s=None):
    """Weights, then intercept, that minimise the objective."""
    s = np.ones(len(y)) if s is None else s

    def value(w):
        p = X @ w[:-1] + w[-1]
        g = s * loss.slope(p, y) / s.sum()
        f = (s * loss.value(p, y)).sum() / s.sum() + 0.5 * l2 * w[:-1] @ w[:-1]
        return f, np.r_[X.T @ g + l2 * w[:-1], g.sum()]

    return minimize(value, np.zeros(X.shape[1] + 1), jac=True, method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "squared_epsilon_insensitive", "poisson", "gamma"])
def test_regression_reaches_the_optimum(loss, layout):
    X, y, s = rows()
    y = {"poisson": np.floor(np.exp(y / 3)), "gamma": np.exp(y / 3)}.get(loss, y)
    est = SGDRegressor(
        loss=loss, alpha=0.1, max_iter=300, tol=None, random_state=0, average=40_000, intercept_decay=1.0
    )
    est.set_params(learning_rate="invscaling", eta0=0.05, power_t=0.4).fit(LAYOUTS[layout](X), y, sample_weight=s)
    right = optimum(X, y, losses.get(loss, 0.1), 0.1, s)
    np.testing.assert_allclose(np.r_[est.coef_, est.intercept_], right, atol=0.01)


@pytest.mark.parametrize("loss", ["log_loss", "squared_hinge", "modified_huber"])
def test_classification_reaches_the_optimum(loss):
    X, y, s = rows()
    y = labels(y)
    est = SGDClassifier(loss=loss, alpha=0.1, max_iter=300, tol=None, random_state=0, average=2000).fit(
        X, y, sample_weight=s
    )
    loss = losses.get(loss)
    right = optimum(X, np.where(y, 1.0, loss.negative), loss, 0.1, s)
    np.testing.assert_allclose(np.r_[est.coef_[0], est.intercept_], right, atol=0.01)


@pytest.mark.sklearn19
def test_same_models_as_scikit_learns_solvers():
    X, y, _ = rows()
    sgd = dict(alpha=0.1, max_iter=300, tol=None, random_state=0, average=2000)
    counts = np.floor(np.exp(y / 3))
    pairs = [
        (SGDRegressor(loss="poisson", eta0=0.05, **sgd), PoissonRegressor(alpha=0.1), counts),
        (SGDRegressor(loss="gamma", eta0=0.05, **sgd), GammaRegressor(alpha=0.1), counts + 1),
        (SGDRegressor(eta0=0.05, **sgd), Ridge(alpha=0.1 * len(y)), y),
        (SGDClassifier(loss="log_loss", **sgd), LogisticRegression(C=1 / (0.1 * len(y))), labels(y)),
    ]
    for ours, theirs, target in pairs:
        ours.fit(X, target), theirs.fit(X, target)
        np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=0.01)
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0.03, atol=0.03)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_covers_its_share(quantile):
    X, y, _ = rows(1000)
    est = SGDRegressor(
        loss=losses.Quantile(quantile), eta0=0.1, max_iter=60, tol=None, average=True, random_state=0
    ).fit(X, y)
    assert (y <= est.predict(X)).mean() == pytest.approx(quantile, abs=0.03)


def test_one_class_minimises_its_objective():
    X = rows()[0][:, :3] + 1.0

    def value(w):
        return np.maximum(0, 1 - X @ w[:-1] - w[-1]).mean() + 0.25 * w[:-1] @ w[:-1] + 0.5 * w[-1]

    best = value(
        minimize(value, np.zeros(4), method="Powell", options={"xtol": 1e-8, "ftol": 1e-12, "maxiter": 10**5}).x
    )
    for seed in range(3):
        est = SGDOneClassSVM(nu=0.5, max_iter=500, tol=None, random_state=seed, average=True).fit(X)
        assert value(np.r_[est.coef_, 1 - est.offset_]) < best + 5e-3
        assert (est.predict(X) == 1).mean() == pytest.approx(0.5, abs=0.08)


@STEPS_ASIDE
def test_a_small_class_weight_moves_the_boundary_away_from_the_other_class():
    X, y, _ = rows()
    y = labels(y)
    shares = [
        (SGDClassifier(loss="log_loss", class_weight={1: w}, random_state=0).fit(X, y).predict(X) == 1).mean()
        for w in (0.01, 1.0, 100.0)
    ]
    assert shares[0] < 0.4 < shares[1] < 0.6 < shares[2]


def test_class_weight_is_a_sample_weight():
    X, y, s = rows()
    for classes in (2, 4):
        code = labels(y, classes)
        weight = np.linspace(0.5, 2, classes)
        if classes == 2:  # with more, a class weight concerns the head of its own class alone, as in scikit-learn
            by_row = SGDClassifier(**FEW).fit(X, code, sample_weight=s * weight[code])
            same(by_row, SGDClassifier(**FEW, class_weight=dict(enumerate(weight))).fit(X, code, sample_weight=s))
        balanced = len(code) / (classes * np.bincount(code))
        by_hand = SGDClassifier(**FEW, class_weight=dict(enumerate(balanced))).fit(X, code)
        same(by_hand, SGDClassifier(**FEW, class_weight="balanced").fit(X, code))


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_classes_are_separate_binary_fits(layout, penalty, average):
    X, y, s = rows()
    code, params = labels(y, 5), dict(loss="log_loss", alpha=0.01, penalty=penalty, average=average, **FEW)
    X = LAYOUTS[layout](X)
    many = SGDClassifier(**params).fit(X, code, sample_weight=s)
    for c in range(5):
        one = SGDClassifier(**params).fit(X, code == c, sample_weight=s)
        np.testing.assert_allclose(many.coef_[c], one.coef_[0], rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(many.intercept_[c], one.intercept_[0], rtol=1e-9)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "quantile"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_outputs_are_separate_fits(layout, loss, penalty):
    X, y, s = rows()
    Y = np.exp(np.c_[y, -y, y / 2] / 3)
    params = dict(loss=loss, alpha=0.01, penalty=penalty, **FEW)
    data = LAYOUTS[layout](X)
    many = SGDRegressor(**params).fit(data, Y, sample_weight=s)
    ones = [SGDRegressor(**params).fit(data, Y[:, k], sample_weight=s) for k in range(3)]
    np.testing.assert_allclose(many.coef_, [e.coef_ for e in ones], rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(many.predict(data), np.transpose([e.predict(data) for e in ones]), rtol=1e-9)
    assert many.coef_.shape == (3, 6) and ones[0].coef_.shape == (6,)


def test_soft_labels():
    X, _, s = rows(2000)
    p = 1 / (1 + np.exp(-(X @ [1, -1, 0.5, 0, 0, 0] + 0.5)))
    est = SGDClassifier(loss="log_loss", alpha=1e-3, random_state=0, average=10_000, max_iter=30, tol=None).fit(
        X, p, sample_weight=s
    )
    assert est.classes_.tolist() == [0.0, 1.0]
    np.testing.assert_allclose(est.predict_proba(X)[:, 1], p, atol=0.03)
    weighted = SGDClassifier(
        loss="log_loss", alpha=0.1, class_weight={1: 3.0}, average=10_000, max_iter=50, tol=None, random_state=0
    )
    q = 3 * p / (3 * p + 1 - p)  # what the class weight makes of the labels
    pull = s * (3 * p + 1 - p)  # a step is weight times slope: the penalty counts by the mean weight
    right = optimum(X, q, losses.LogLoss(), 0.1 / pull.mean(), pull)
    weighted.fit(X, p, sample_weight=s)
    np.testing.assert_allclose(np.r_[weighted.coef_[0], weighted.intercept_], right, atol=0.01)
    again = SGDClassifier(loss="log_loss").partial_fit(X, p, classes=[0.0, 1.0])
    assert again.predict_proba(X).shape == (2000, 2)


@STEPS_ASIDE
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber"])
@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_sum_to_one(loss, classes):
    X, y, _ = rows()
    est = SGDClassifier(loss=loss, random_state=0).fit(X, labels(y, classes))
    p = est.predict_proba(X)
    assert p.shape == (200, classes) and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(est.predict_log_proba(X), np.log(p), rtol=1e-12, atol=1e-15)
    for name in ("predict_proba", "predict_log_proba"):
        assert not hasattr(SGDClassifier(loss="hinge"), name)
        with pytest.raises(AttributeError, match=f"{name}.*loss='hinge'.*CalibratedClassifierCV"):
            getattr(SGDClassifier(loss="hinge"), name)
        assert getattr(SGDClassifier, name).__doc__  # of the class it is a function like any other


FAR = np.array([-1000.0, -100.0, -40.0, -17.0, -1.0, 0.0, 1.0, 17.0, 40.0, 100.0, 1000.0])


def with_margins(cls, loss, classes, dtype):
    """A classifier whose margins are those of its one column, each class one less than the class before it; and rows."""
    X, y, _ = rows()
    est = cls(loss).fit(X[:, :1].astype(dtype), labels(y, classes))
    est.coef_ = np.ones(est.coef_.shape, dtype)
    est.intercept_ = -np.arange(len(est.coef_)).astype(dtype)
    return est, FAR[:, None].astype(dtype)


@STEPS_ASIDE
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_probabilities_of_two_classes_keep_their_digits_far_from_the_border(cls, dtype):
    est, far = with_margins(cls, "log_loss", 2, dtype)
    logs = np.column_stack([-np.logaddexp(0, FAR), -np.logaddexp(0, -FAR)])
    p = est.predict_proba(far)
    assert p.dtype == np.float64
    np.testing.assert_allclose(est.predict_log_proba(far), logs, rtol=1e-13)
    np.testing.assert_allclose(p, np.exp(logs), rtol=1e-12)
    np.testing.assert_array_equal(est.predict_proba(sources.from_batches(lambda: iter([far[:4], far[4:]]))), p)
    np.testing.assert_array_equal(est.predict_proba(sp.csr_matrix(far)), p)


@STEPS_ASIDE
@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_probabilities_of_several_classes_do_not_become_uniform_far_from_all_of_them(cls, dtype):
    est, far = with_margins(cls, "log_loss", 3, dtype)
    each = -np.logaddexp(0, -(FAR[:, None] - np.arange(3)))
    logs = each - logsumexp(each, axis=1, keepdims=True)
    np.testing.assert_allclose(est.predict_log_proba(far), logs, rtol=1e-12)
    np.testing.assert_allclose(est.predict_proba(far), np.exp(logs), rtol=1e-12)
    assert est.predict_proba(far)[0].max() > 0.6


@STEPS_ASIDE
@pytest.mark.parametrize("cls", [SGDClassifier, LinearClassifier])
def test_modified_huber_gives_probabilities_of_0_and_1_and_uniform_ones_where_all_are_0(cls):
    est, far = with_margins(cls, "modified_huber", 2, "f4")
    np.testing.assert_array_equal(est.predict_proba(far)[:4], np.tile([1.0, 0.0], (4, 1)))
    assert est.predict_log_proba(far)[0].tolist() == [0.0, -np.inf]
    several, far = with_margins(cls, "modified_huber", 3, "f4")
    np.testing.assert_array_equal(several.predict_proba(far)[0], np.full(3, 1 / 3))


@EVERY
def test_a_scalar_sample_weight_is_that_of_each_row(cls):
    X, y, _ = rows()
    y = labels(y) if cls is SGDClassifier else y
    for two in (2, 2.0, np.array(2.0)):
        same(cls(**FEW).fit(X, y, sample_weight=two), cls(**FEW).fit(X, y, sample_weight=np.full(200, 2.0)))


def test_random_state():
    X, y, _ = rows()
    fits = [SGDRegressor(max_iter=2, tol=None, random_state=seed).fit(X, y).coef_ for seed in (0, 0, 1)]
    assert (fits[0] == fits[1]).all() and (fits[0] != fits[2]).any()
    shared = np.random.RandomState(0)
    fits = [SGDRegressor(max_iter=2, tol=None, random_state=shared).fit(X, y).coef_ for _ in range(2)]
    assert (fits[0] != fits[1]).any()
