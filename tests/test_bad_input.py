"""Bad input is a ValueError that says what is wrong, before any kernel sees it; and X stays as it was."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import get_scorer, make_scorer, max_error

from fastsgd import SGDClassifier, SGDOneClassSVM, SGDRegressor

N, D = 12, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D)) * (RNG.random((N, D)) < 0.7)
Y = np.arange(N) % 2
METHODS = ("fit", "partial_fit", "predict", "decision_function")
ESTIMATORS = {"classifier": SGDClassifier, "regressor": SGDRegressor, "one class": SGDOneClassSVM}


def call(est, method, data):
    """est.method on data, fitted before where it has to be."""
    if method in ("fit", "partial_fit"):
        given = {"classes": [0, 1]} if isinstance(est, SGDClassifier) and method == "partial_fit" else {}
        return getattr(est, method)(data, Y, **given)
    return getattr(est.fit(X, Y), method)(data)


def cases():
    return [
        (name, method)
        for name, cls in ESTIMATORS.items()
        for method in METHODS
        if hasattr(cls, method)
    ]  # fmt: skip


def make(name):
    return ESTIMATORS[name](max_iter=2, tol=None)


# ---------------------------------------------------------------- numbers
# SciPy has no matrices of float16. One fit meets every form and value; the other methods one form of each kind.
FORMS = [(layout, dtype) for layout in ("c", "fortran", "sliced") for dtype in ("f8", "f4", "f2")]
FORMS += [(layout, dtype) for layout in ("csr", "csc") for dtype in ("f8", "f4")]
NONFINITE = [("classifier", "fit", *form, value) for form in FORMS for value in (np.nan, np.inf, -np.inf)]
NONFINITE += [
    (*case, *form)
    for case in cases()[1:]
    for form in (("c", "f8", np.nan), ("fortran", "f2", np.inf), ("csr", "f4", -np.inf), ("csc", "f8", np.nan))
]


@pytest.mark.parametrize("name, method, layout, dtype, value", NONFINITE)
def test_nonfinite_values_of_x(name, method, layout, dtype, value):
    data = X.astype(dtype)
    data[5, 2] = value
    data = {
        "c": lambda: data,
        "fortran": lambda: np.asfortranarray(data),
        "sliced": lambda: np.repeat(data, 2, axis=0)[::2],
        "csr": lambda: sp.csr_matrix(data),
        "csc": lambda: sp.csc_matrix(data),
    }[layout]()
    what = "NaN" if np.isnan(value) else "infinity"
    with pytest.raises(ValueError, match=f"Input X contains {what}.*row 5, column 2"):
        call(make(name), method, data)


@pytest.mark.filterwarnings("ignore:The fit diverged")  # labels without a pattern, and the default step size
def test_large_finite_values_whose_sum_overflows_are_no_fault():
    data = np.full((N, D), 1e308)
    assert np.isfinite(SGDClassifier().fit(X, Y).decision_function(data * 1e-10)).all()
    with pytest.raises(ValueError, match="overflow"):
        SGDRegressor(learning_rate="constant", eta0=1.0).fit(data, Y)


@pytest.mark.parametrize("value", [np.nan, np.inf, [np.inf, -np.inf]])
@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_nonfinite_y(cls, method, value):
    y = Y.astype(float)
    y[3:5] = value
    given = {"classes": [0, 1]} if cls is SGDClassifier and method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"y contains NaN|y contains infinity"):
        getattr(cls(), method)(X, y, **given)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize(
    "weight, word",
    [
        (np.r_[np.nan, np.ones(N - 1)], "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(N - 1)], "sample_weight contains infinity"),
        (np.r_[np.inf, -np.inf, np.ones(N - 2)], "sample_weight contains infinity"),
        (np.r_[-1e-9, np.ones(N - 1)], "Negative values in data passed to `sample_weight`"),
        (np.ones(N - 1), "sample_weight.shape"),
        (np.ones((N, 1)), "Sample weights must be 1D"),
        (-1.0, "Negative values"),
        (["a"] * N, "could not convert"),
        (sp.csr_matrix(np.ones((N, 1))), "sample_weight must be a dense array"),
    ],
)
def test_weights(name, method, weight, word):
    est = make(name)
    given = {"classes": [0, 1]} if name == "classifier" and method == "partial_fit" else {}
    with pytest.raises(ValueError, match=word):
        getattr(est, method)(X, Y, sample_weight=weight, **given)


@pytest.mark.parametrize("cls", ESTIMATORS.values())
def test_weights_that_are_all_zero_leave_nothing_to_fit(cls):
    with pytest.raises(ValueError, match="sample_weight must not be all zero"):
        cls().fit(X, Y, sample_weight=np.zeros(N))


# ---------------------------------------------------------------- shapes and types
@pytest.mark.parametrize("name, method", cases())
@pytest.mark.parametrize(
    "data, word",
    [
        (X[0], "2D array"),
        (X[:, :, None], "dim 3|2D|dimensions"),
        (X[:0], "0 sample"),
        (X[:, :0], "0 feature"),
        (X + 1j, "[Cc]omplex|real numbers"),
        (np.full((N, D), "a"), "convert|numeric"),
        (np.full((N, D), "2020-01-01", "M8[D]"), "real numbers|M8|datetime"),
    ],
)
def test_x_of_a_wrong_kind(name, method, data, word):
    with pytest.raises(ValueError, match=word):
        call(make(name), method, data)


@pytest.mark.parametrize("name, method", [c for c in cases() if c[1] != "fit"])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_another_number_of_features(name, method, layout):
    est = make(name).fit(X, Y)
    args = (layout(np.ones((N, D + 1))), Y) if method == "partial_fit" else (layout(np.ones((N, D + 1))),)
    with pytest.raises(ValueError, match=f"{D + 1} features"):
        getattr(est, method)(*args)


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_x_and_y_of_different_lengths(cls, layout):
    with pytest.raises(ValueError, match="inconsistent numbers of samples: X has 12 rows, y has 11"):
        cls().fit(layout(X), Y[:-1])
    with pytest.raises(ValueError, match="y_val has 11"):
        cls().fit(X, Y, X_val=layout(X), y_val=Y[:-1])


@pytest.mark.parametrize("cls", [SGDClassifier, SGDRegressor])
def test_y_missing_or_of_too_many_dimensions(cls):
    with pytest.raises(ValueError, match="requires y to be passed"):
        cls().fit(X, None)
    with pytest.raises(ValueError, match=r"dim|1d|3"):
        cls().fit(X, np.zeros((N, 2, 2)))
    with pytest.raises(ValueError, match="y_val"):
        cls().fit(X, Y, X_val=X)
    for y in (sp.csr_matrix(Y[:, None]), 1.0, np.array(1.0), "a"):
        with pytest.raises(ValueError, match="y must be a dense array with an entry for each row"):
            cls().fit(X, y)


def test_validation_data_is_checked_as_training_data_is():
    bad = X.copy()
    bad[0, 0] = np.nan
    for cls in (SGDClassifier, SGDRegressor):
        with pytest.raises(ValueError, match="Input X_val contains NaN"):
            cls().fit(X, Y, X_val=bad, y_val=Y)
        with pytest.raises(ValueError, match="features"):
            cls().fit(X, Y, X_val=X[:, :2], y_val=Y)
        with pytest.raises(ValueError, match="`sample_weight_val`"):
            cls().fit(X, Y, X_val=X, y_val=Y, sample_weight_val=-np.ones(N))
        with pytest.raises(ValueError, match="sample_weight_val must not be all zero"):
            cls().fit(X, Y, X_val=X, y_val=Y, sample_weight_val=np.zeros(N))
        for name in ("y_val", "sample_weight_val"):
            with pytest.raises(ValueError, match=f"{name} is given without X_val"):
                cls().fit(X, Y, **{name: Y})
    with pytest.raises(ValueError, match=r"y_val contains labels that are not in classes=\[0, 1\]: \[2\]"):
        SGDClassifier().fit(X, Y, X_val=X, y_val=Y + 1)


@pytest.mark.parametrize("y, y_val", [(Y, np.c_[Y, Y]), (np.c_[Y, Y], Y), (np.c_[Y, Y], np.c_[Y, Y, Y])])
def test_as_many_targets_are_validated_as_are_trained(y, y_val):
    with pytest.raises(ValueError, match="y_val must have as many targets as y"):
        SGDRegressor(validation_scoring="loss").fit(X, y, X_val=X, y_val=y_val)


def strange(progress):
    raise AssertionError("an epoch was done")


def test_a_scorer_of_probabilities_is_told_before_the_first_epoch():
    with pytest.raises(ValueError, match=r"validation_scoring='neg_log_loss' needs predict_proba.*loss='hinge'"):
        SGDClassifier(validation_scoring="neg_log_loss", callbacks=strange).fit(X, Y, X_val=X, y_val=Y)
    for name, loss in (("roc_auc", "hinge"), ("neg_log_loss", "log_loss"), ("neg_brier_score", "modified_huber")):
        est = SGDClassifier(loss=loss, validation_scoring=name, max_iter=2, tol=None).fit(X, Y, X_val=X, y_val=Y)
        assert est.history_["validation_score"].max() == pytest.approx(get_scorer(name)(est, X, Y))


def test_a_scorer_that_takes_no_weights_is_told_from_one_that_does():
    given = {"X_val": X, "y_val": Y, "sample_weight_val": np.ones(N)}
    with pytest.raises(ValueError, match=r"validation_scoring=<function.* takes none: .*the parameter sample_weight"):
        SGDClassifier(validation_scoring=lambda est, X, y: est.score(X, y)).fit(X, Y, **given)
    for scorer in ("neg_max_error", make_scorer(max_error, greater_is_better=False)):
        for how in ({"early_stopping": True}, {}):
            est = SGDRegressor(validation_scoring=scorer, callbacks=strange, **how)
            weights = {"sample_weight": np.ones(N)} if how else given
            with pytest.raises(
                ValueError, match=r"the validation rows have weights, and validation_scoring=.* takes none"
            ):
                est.fit(X, Y, **weights)
            assert not hasattr(est, "coef_")
    plain = SGDRegressor(validation_scoring="neg_max_error", max_iter=2, tol=None).fit(X, Y, X_val=X, y_val=Y)
    assert plain.history_["validation_score"].max() == pytest.approx(-abs(plain.predict(X) - Y).max())
    for scorer in (lambda est, X, y, sample_weight=None: est.score(X, y), lambda est, X, y, **how: est.score(X, y)):
        est = SGDClassifier(validation_scoring=scorer, max_iter=2, tol=None).fit(X, Y, **given)
        assert est.history_["validation_score"].max() == est.score(X, Y)


@pytest.mark.filterwarnings("ignore:The fit diverged")  # labels without a pattern, and the default step size
def test_classes():
    with pytest.raises(ValueError, match="number of classes has to be greater than one; got 1"):
        SGDClassifier().fit(X, np.zeros(N))
    est = SGDClassifier(random_state=0).fit(X, Y)
    before = est.predict(X)
    with pytest.raises(ValueError, match="greater than one"):
        est.fit(X, np.zeros(N))
    np.testing.assert_array_equal(est.predict(X), before)
    with pytest.raises(ValueError, match="classes must be passed"):
        SGDClassifier().partial_fit(X, Y)
    with pytest.raises(ValueError, match="greater than one"):
        SGDClassifier().partial_fit(X, Y, classes=[1])
    for classes in (3, [[0, 1]], [0, np.nan]):
        with pytest.raises(ValueError, match=r"1d array|classes contains NaN"):
            SGDClassifier().partial_fit(X, Y, classes=classes)
        with pytest.raises(ValueError, match=r"1d array|classes contains NaN"):
            SGDClassifier().partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y, classes=classes)
    with pytest.raises(ValueError, match=r"not in classes=.*2"):
        SGDClassifier().partial_fit(X, Y + 1, classes=[0, 1])
    with pytest.raises(ValueError, match="not the same as on last call"):
        SGDClassifier().partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y, classes=[0, 2])
    with pytest.raises(ValueError, match=r"[Uu]nknown label type"):
        SGDClassifier(loss="hinge").fit(X, RNG.random(N))


@pytest.mark.parametrize(
    "loss, y, word",
    [("poisson", -1.0, "needs y >= 0"), ("gamma", 0.0, "needs y > 0"), ("gamma", -2.0, "needs y > 0")],
)
def test_targets_that_a_loss_does_not_take(loss, y, word):
    with pytest.raises(ValueError, match=word):
        SGDRegressor(loss=loss).fit(X, np.r_[y, np.ones(N - 1)])


@pytest.mark.parametrize(
    "cls, params, word",
    [
        (SGDClassifier, {"loss": "hing"}, "loss"),
        (SGDClassifier, {"loss": "poisson"}, "loss"),
        (SGDRegressor, {"loss": "hinge"}, "loss"),
        (SGDRegressor, {"alpha": -1}, "alpha"),
        (SGDRegressor, {"eta0": 0}, "eta0"),
        (SGDRegressor, {"learning_rate": "optimal", "alpha": 0}, "alpha must be > 0"),
        (SGDRegressor, {"penalty": "elasticnet", "l1_ratio": None}, "l1_ratio must be set"),
        (SGDClassifier, {"learning_rate": "pa1", "loss": "log_loss"}, "only works with loss 'hinge'"),
        (SGDOneClassSVM, {"learning_rate": "pa1"}, "SGDOneClassSVM has no learning_rate='pa1'"),
        (SGDClassifier, {"class_weight": {0: -1.0}}, "class_weight must be finite, >= 0 and not all 0"),
        (SGDClassifier, {"class_weight": {1: np.nan}}, "class_weight must be finite, >= 0 and not all 0"),
        (SGDClassifier, {"callbacks": 1}, "callbacks must be callables"),
        (SGDOneClassSVM, {"nu": 0}, "nu"),
        (SGDClassifier, {"callbacks": [1]}, "callbacks must be callables"),
        (SGDClassifier, {"max_seconds": 0}, "max_seconds"),
        (
            SGDClassifier,
            {"validation_scoring": "no such", "early_stopping": True},
            "validation_scoring must be .*no such",
        ),
        (SGDClassifier, {"intercept_decay": -1}, "intercept_decay"),
    ],
)
def test_parameters(cls, params, word):
    with pytest.raises(ValueError, match=word):
        cls(**params).fit(X, Y)


@pytest.mark.parametrize("cls", ESTIMATORS.values())
def test_starting_coefficients_of_a_wrong_shape(cls):
    with pytest.raises(ValueError, match="coef_init does not match"):
        cls().fit(X, Y, coef_init=np.zeros(D + 1))
    name = "offset_init" if cls is SGDOneClassSVM else "intercept_init"
    with pytest.raises(ValueError, match=f"{name} does not match"):
        cls().fit(X, Y, **{name: np.zeros(2)})
    for given in ({"coef_init": np.full(D, np.nan)}, {name: [np.inf]}):
        with pytest.raises(ValueError, match=f"Provided {next(iter(given))} contains NaN or infinity"):
            cls().fit(X, Y, **given)
    for given in ({"coef_init": ["w"] * D}, {"coef_init": [10**400] * D}, {name: ["w"]}, {name: [10**400]}):
        with pytest.raises(ValueError, match=f"Provided {next(iter(given))} must hold numbers that fit in float"):
            cls().fit(X, Y, **given)


def test_a_whole_number_that_no_float_holds_is_said_to_be_too_large():
    with pytest.raises(ValueError, match=r"X must .* column 0 \(row 0 holds a number too large for float64\)"):
        SGDRegressor().fit([[10**400, 1], [0, 1]], [0.0, 1.0])


def test_class_weights_that_are_no_numbers():
    for wrong in (object(), np.random.RandomState(0)):
        with pytest.raises(ValueError, match="class_weight must have numbers"):
            SGDClassifier(class_weight={0: wrong, 1: 1.0}).fit([[0.0], [1.0]], [0, 1])
