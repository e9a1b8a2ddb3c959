"""learning_rate="auto": the kernels give what tests/support/reference_auto.py gives; and nothing needs tuning or scaling."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks
from support import reference_auto
from support.auto import AUTO, far, flat, problem, train, types
from support.cases import covering
from support.kernels import DTYPES, LAYOUTS, agree, lay_out, rows, targets

from fastsgd import LinearClassifier, SGDClassifier, SGDOneClassSVM, SGDRegressor, losses, penalties, schedules

PENALTIES = [None, "l2", "l1", "elasticnet"]
RNG = np.random.default_rng(0)
sides = pytest.mark.parametrize("layout", ["dense", "csr32"])


# ---------------------------------------------------------------- the kernels
def expected(layout, X, Y, loss, passes=2, **given):
    run = reference_auto.auto_dense if layout == "dense" else reference_auto.auto_csr
    return run(X, Y, loss, passes=passes, **given)[:4]


# The kernels know a loss by its curvature: bounded, measured or of the residual. One of each meets all the rest.
KINDS = ["squared_error", "log_loss", "quantile"]
EVERY_WAY = itertools.product(["dense", "csr32"], DTYPES, KINDS, PENALTIES, [1, 5], [True, False])
EVERY_LOSS = covering(2, LAYOUTS, DTYPES, losses.LOSSES, PENALTIES, [1, 5], [True, False])


@pytest.mark.parametrize("layout, dtype, name, penalty, heads, intercept", dict.fromkeys([*EVERY_WAY, *EVERY_LOSS]))
def test_kernel_equals_the_reference(layout, dtype, name, penalty, heads, intercept):
    loss, (X, s) = losses.get(name), rows(120)
    l1, l2 = penalties.weights(penalty, 0.03, 0.4)
    given = dict(l1=l1, l2=l2, intercept=intercept, s=s)
    Y = targets(loss, X, heads)
    ours = train(lay_out(X, layout, dtype), loss, y=Y, **given)
    agree(ours, expected(layout, X, Y, loss, **given), DTYPES[dtype])


@pytest.mark.parametrize(
    "layout, dtype, name, heads, penalty",
    covering(2, LAYOUTS, DTYPES, ["log_loss", "hinge", *KINDS[::2], "poisson"], [1, 5], ["l2", "elasticnet"]),
)
def test_after_one_pass_each_head_has_its_best_candidate(layout, dtype, name, heads, penalty):
    loss, (X, s) = losses.get(name), rows(120)
    l1, l2 = penalties.weights(penalty, 0.03, 0.4)
    given = dict(l1=l1, l2=l2, intercept=True, s=s, passes=1)
    Y = targets(loss, X, heads)
    agree(train(lay_out(X, layout, dtype), loss, y=Y, **given), expected(layout, X, Y, loss, **given), DTYPES[dtype])


@pytest.mark.parametrize("layout, name, heads", covering(2, LAYOUTS, ["log_loss", "quantile", "gamma"], [1, 3]))
def test_of_noise_the_constant_is_near(layout, name, heads):
    loss, (X, s) = losses.get(name), rows(600)
    Y = RNG.permutation(targets(loss, X, heads))
    given = dict(l1=0.0, l2=0.03, intercept=True, s=s, passes=1)
    agree(train(lay_out(X, layout), loss, y=Y, **given), expected(layout, X, Y, loss, **given), 1e-9)


@flat
@pytest.mark.parametrize("columns, heads", [(70, 1), (128, 1), (30, 3), (30, 9), (129, 1)])
def test_of_many_columns_and_heads_too(columns, heads):
    """Newton's steps of these are in longer blocks, and fewer rows count in their curvatures."""
    loss, (X, s) = losses.LogLoss(), rows(1300, columns)
    Y = targets(loss, X, heads)
    given = dict(l1=0.0, l2=1e-4, intercept=True, s=s, passes=1)
    agree(train(X, loss, y=Y, **given), expected("dense", X, Y, loss, **given), 1e-9)


@pytest.mark.parametrize("heads", [1, 5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_weights_and_a_long_row(layout, heads):
    """Weights of a head may be zero; a row a thousand times as long as the others is taken in its stride."""
    loss, (X, s) = losses.LogLoss(), rows(200)
    X[150] *= 1000
    Y = targets(loss, X, heads)
    pos = RNG.uniform(0, 3, heads)
    given = dict(l1=0.0, l2=0.01, intercept=True, s=s, s_pos=pos, s_neg=np.where(np.arange(heads) == 0, 0.5, 0.0))
    ours = train(lay_out(X, layout), loss, y=Y, **given)
    agree(ours, expected(layout, X, Y, loss, **given), 1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_codes_are_one_against_the_rest(layout):
    loss, (X, s) = losses.LogLoss(), rows()
    code = np.append(RNG.integers(0, 6, 49), 5).astype(np.int32)
    given = dict(l1=0.01, l2=0.01, intercept=True, s=s)
    by_code = train(lay_out(X, layout), loss, code=code, negative=0.0, **given)
    by_target = train(lay_out(X, layout), loss, y=np.where(code[:, None] == np.arange(6), 1.0, 0.0), **given)
    for mine, right in zip(by_code, by_target, strict=True):
        np.testing.assert_array_equal(mine, right)


@pytest.mark.parametrize("shuffle", [False, True])
@sides
def test_heads_are_as_if_alone(layout, shuffle):
    X, s = rows(200)
    Y = targets(losses.SquaredError(), X, 3)
    X = lay_out(X, layout)
    together = SGDRegressor(**AUTO | {"shuffle": shuffle}).fit(X, Y, sample_weight=s)
    for k in range(3):
        alone = SGDRegressor(**AUTO | {"shuffle": shuffle}).fit(X, Y[:, k], sample_weight=s)
        np.testing.assert_allclose(together.coef_[k], alone.coef_, rtol=1e-9, atol=1e-12)


# ---------------------------------------------------------------- streams
@types
@sides
def test_calls_of_partial_fit_are_one_fit(layout, dtype):
    X, y = problem(layout, dtype, n=1500)
    s = np.random.default_rng(0).uniform(0.1, 5, len(y)) * (np.arange(len(y)) % 7 > 0)
    params = AUTO | {"loss": "log_loss", "shuffle": False, "class_weight": {0: 1.0, 1: 3.0}}
    whole, parts = SGDClassifier(**params).fit(X, y, sample_weight=s), SGDClassifier(**params)
    for lo in range(0, len(y), 111):
        some = slice(lo, lo + 111)
        parts.partial_fit(X[some], y[some], classes=[0, 1], sample_weight=s[some])
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)
    assert parts.t_ == whole.t_ and parts.auto_rule_ == whole.auto_rule_


@sides
def test_rows_of_weight_zero_and_the_scale_of_weights_change_nothing(layout):
    X, y = problem(layout)
    s = np.where(np.arange(len(y)) % 3, 0.7, 0.0)
    params = AUTO | {"shuffle": False}
    alone = SGDClassifier(**params).fit(X[s > 0], y[s > 0])
    weighted = SGDClassifier(**params).fit(X, y, sample_weight=s)
    np.testing.assert_allclose(weighted.coef_, alone.coef_, rtol=1e-9)


@sides
def test_more_passes_go_on_improving_the_objective(layout):
    for task, cls, loss in (("binary", SGDClassifier, "log_loss"), ("regression", SGDRegressor, "squared_error")):
        X, y = problem(layout, task=task)
        est = cls(loss=loss, **AUTO | {"max_iter": 40, "callbacks": lambda progress: False}).fit(X, y)
        F = est.history_["objective"]
        assert F[-1] <= F[0] and F[-1] <= F.min() * (1 + 1e-3) and np.isnan(est.history_["eta"]).all()


def bags(n=4000, d=3000, words=20):
    """Rows like text, whose rare columns matter: at alpha=1e-3 the optimum has too much L2."""
    rng = np.random.default_rng(3)
    j = (d * rng.random(n * words) ** 2).astype(int)
    X = sp.csr_matrix((np.ones(n * words), j, np.arange(0, n * words + 1, words)), (n, d))
    X.sum_duplicates()
    z = X @ rng.standard_normal(d)
    return X / words**0.5, (z > 0).astype(int)


@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
@types
def test_the_first_pass_may_have_less_l2_and_twenty_have_all_of_it(dtype, penalty):
    X, y = bags()
    X, held, y, other = train_test_split(X.astype(dtype), y, random_state=0)
    given = {"penalty": penalty, "alpha": 1e-3, "l1_ratio": 0.1}
    solved = LinearClassifier(**given, max_iter=500, tol=1e-6).fit(X, y)

    def objective(est):
        l1, l2 = penalties.weights(penalty, 1e-3, 0.1)
        w = est.coef_.astype(float)
        return log_loss(y, est.predict_proba(X)) + l1 * abs(w).sum() + 0.5 * l2 * (w**2).sum()

    one, twenty = (SGDClassifier("log_loss", **AUTO | given | {"max_iter": n}).fit(X, y) for n in (1, 20))
    assert objective(twenty) <= objective(solved) * 1.01
    assert (twenty.auto_rule_ == "average").all()
    if penalty == "l1":
        zeros = [np.mean(est.coef_ == 0) for est in (one, twenty, solved)]
        assert min(zeros) > 0.9 * max(zeros) > 0.5
    if penalty == "l2":
        assert log_loss(other, one.predict_proba(held)) < 0.98 * log_loss(other, solved.predict_proba(held))


def test_usual_stopping_rules():
    X, y = problem()
    assert SGDClassifier(learning_rate="auto", random_state=0).fit(X, y).stop_reason_ == "objective"
    early = SGDClassifier(learning_rate="auto", early_stopping=True, random_state=0).fit(X, y)
    assert early.stop_reason_ == "validation" and early.score(X, y) > 0.8


# ---------------------------------------------------------------- scales
@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error", "huber"])
@types
@sides
def test_a_column_times_a_power_of_two_changes_no_prediction(layout, dtype, loss):
    X, y = problem(layout, dtype)
    powers = np.ldexp(1.0, np.random.default_rng(1).integers(-30, 31, X.shape[1]))
    scaled = (X.multiply(powers).tocsr() if layout != "dense" else X * powers).astype(dtype)
    params = AUTO | {"loss": loss, "penalty": None}
    before, after = SGDClassifier(**params).fit(X, y), SGDClassifier(**params).fit(scaled, y)
    z = before.decision_function(X)
    if layout == "dense":
        np.testing.assert_allclose(
            after.decision_function(scaled), z, atol=(1e-3 if dtype == "f4" else 1e-9) * abs(z).max()
        )
    else:  # records have a unit of their own
        np.testing.assert_array_equal(after.coef_ * powers.astype(dtype), before.coef_)


@pytest.mark.parametrize("loss", ["squared_error", "epsilon_insensitive", "quantile", "huber"])
@sides
def test_the_scale_of_y_is_the_scale_of_the_predictions(layout, loss):
    X, y = problem(layout, task="regression", n=3000)
    for scale in (1e-6, 1e6):
        params = AUTO | {"loss": loss, "penalty": None, "epsilon": 1e-3 * scale}
        assert SGDRegressor(**params).fit(X, y * scale).score(X, y * scale) > 0.8


@pytest.mark.parametrize("loss", ["squared_error", "epsilon_insensitive", "quantile", "huber"])
@types
@sides
def test_a_shift_of_y_is_one_of_the_intercept(layout, dtype, loss):
    """However few rows there are to learn it from, and however far it is beside the spread of y."""
    X, y = problem(layout, dtype, task="regression", n=100)
    y = y / y.std()
    near, far = (SGDRegressor(loss=loss, **AUTO).fit(X, y + shift) for shift in (0.0, 1e6))
    np.testing.assert_allclose(far.predict(X) - 1e6, near.predict(X), atol=0.5 if dtype == "f4" else 1e-4)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-3, atol=1e-4 * abs(near.coef_).max())


HARD = {
    "a column times 1e6": lambda X: X[:, 0].__imul__(1e6),
    "a column times 1e-6": lambda X: X[:, 0].__imul__(1e-6),
    "from 1e-15 to 1e15": lambda X: X.__imul__(10.0 ** np.linspace(-15, 15, X.shape[1])),
    "a constant": lambda X: X[:, 1].fill(7.7),
    "a far mean": lambda X: X[:, 1].__iadd__(1.4e6 * X[:, 1].std()),
    "zeros": lambda X: X[:, 2].fill(0),
    "a rare 0/1": lambda X: X.__setitem__((slice(None), 3), np.arange(len(X)) % 200 == 57),
    "twins": lambda X: X.__setitem__((slice(None), slice(5, 8)), X[:, [4]]),
    "an outlier": lambda X: X[123].__imul__(1e5),
}


@far
@flat
@pytest.mark.parametrize("hard", HARD)
@types
@sides
def test_hard_columns(layout, dtype, hard):
    """One pass is better than the mean or the frequencies of the classes, for every loss."""
    X, z = problem("dense" if layout == "dense" else layout, task="regression", n=2000)
    X = X.copy() if layout == "dense" else X.toarray()
    HARD[hard](X)
    X = lay_out(X, layout, dtype)
    for penalty in (None, "l2"):
        reg = SGDRegressor(**AUTO, penalty=penalty).fit(X, z)
        clf = SGDClassifier(loss="log_loss", **AUTO, penalty=penalty).fit(X, z > 0)
        assert np.isfinite(reg.coef_).all() and np.isfinite(clf.coef_).all()
        if hard == "an outlier":  # its columns are of its size, and the other rows hardly seen
            continue
        # with L2 a column so small that its coefficient is ruinous is lost, as in the objective
        assert reg.score(X, z) > (0.0 if penalty else 0.5)
        p = clf.predict_proba(X)[:, 1]
        assert -np.mean(np.log(np.where(z > 0, p, 1 - p).clip(1e-15))) < 0.6


@flat
@pytest.mark.parametrize("scale", [1e-30, 1e-150, 1e30, 1e150])
@sides
def test_columns_of_any_scale_stay_finite(layout, scale):
    X, y = problem(layout)
    clf = SGDClassifier(loss="log_loss", **AUTO).fit(X * scale, y)
    assert np.isfinite(clf.coef_).all() and np.isfinite(clf.intercept_).all()


@flat
@sides
def test_one_row_two_rows_and_huge_targets(layout):
    X, y = problem(layout, task="regression")
    for n in (1, 2):
        reg = SGDRegressor(**AUTO).fit(X[:n], y[:n])
        assert np.isfinite(reg.predict(X)).all()
    assert SGDRegressor(**AUTO).fit(X, 1e100 * y).score(X, 1e100 * y) > 0.5
    assert SGDRegressor(loss="poisson", **AUTO).fit(X, np.exp(y / abs(y).max() * 3 + 8)).score(X, y) < 1


# ---------------------------------------------------------------- data as they are
@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_digits])
def test_good_scores_on_raw_columns(load):
    X, y = load(return_X_y=True)
    least = {load_breast_cancer: 0.93, load_wine: 0.95, load_digits: 0.92}[load]
    for data in (X, sp.csr_matrix(X)) if load is load_digits else (X,):
        clf = SGDClassifier(loss="log_loss", learning_rate="auto", random_state=0, tol=None, max_iter=20)
        assert cross_val_score(clf, data, y, cv=5).mean() > least


def test_diabetes():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    reg = SGDRegressor(learning_rate="auto", random_state=0, tol=None, max_iter=20)
    assert cross_val_score(reg, X, y, cv=5).mean() > 0.47


def test_grid_search_over_what_is_left():
    X, y = problem()
    grid = GridSearchCV(SGDClassifier(**AUTO), {"alpha": [1e-4, 1e-2], "learning_rate": ["auto", schedules.Auto()]})
    assert grid.fit(X, y).best_score_ > 0.7


def test_the_rule_is_named():
    """Candidates and means of them, of CSR and of dense rows; and what there is from the second pass on."""
    X, y = problem("csr32")
    single = {"csr": ["filter", "long steps", "short steps", "average"]}
    single["dense"] = ["average of long steps", "Newton's steps", "long steps"]
    later = {"csr": ["average"], "dense": ["average", "Newton's steps", "mean of average and Newton's steps"]}
    for rows_of, some in (("csr", X), ("dense", X.toarray())):
        names = single[rows_of]
        means = [f"mean of {one} and {other}" for one, other in itertools.combinations(names, 2)]
        known = [*names, *means, "mean of all"]
        assert SGDClassifier(**AUTO).fit(some, y).auto_rule_[0].split(", times ")[0] in known
        assert SGDClassifier(**AUTO | {"max_iter": 2}).fit(some, y).auto_rule_[0] in later[rows_of]
    assert not hasattr(SGDClassifier(learning_rate="invscaling").fit(X, y), "auto_rule_")


def test_with_standardize():
    X, y = problem("dense", task="regression")
    fit, held, target, other = train_test_split(X, y, random_state=0)
    reg = SGDRegressor(**AUTO, standardize=True).fit(fit, target)
    assert reg.score(held, other) > 0.8


def expected_to_fail(estimator):
    why = "a row of weight 2 is a longer step, not two steps"
    if isinstance(estimator, SGDRegressor):
        return {}  # Newton's method ends at the optimum, to the last digit.
    return {f"check_sample_weight_equivalence_on_{kind}_data": why for kind in ("dense", "sparse")}


@flat
@parametrize_with_checks(
    [SGDClassifier(learning_rate="auto"), SGDRegressor(learning_rate="auto")], expected_failed_checks=expected_to_fail
)
@pytest.mark.filterwarnings(
    "ignore:The model:sklearn.exceptions.ConvergenceWarning"
)  # some checks have nothing to learn
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- what it refuses
@pytest.mark.parametrize(
    "params, message",
    [
        ({"optimizer": "adam"}, "optimizer='sgd'"),
        ({"batch_size": 8}, "batch_size=1"),
        ({"average": True}, "average=False"),
        ({"gradient_noise": 0.1}, "gradient_noise=0"),
        ({"n_init": 3}, "init='zeros' and n_init=1"),
        ({"intercept_decay": 0.5}, "intercept_decay='auto'"),
        ({"multi_class": "crammer_singer", "loss": "hinge"}, "multi_class='ovr' or multi_class='multinomial'"),
    ],
)
def test_what_has_no_part_in_it_is_refused(params, message):
    X, y = problem()
    with pytest.raises(ValueError, match=f"learning_rate='auto' needs {message}"):
        SGDClassifier(learning_rate="auto", **params).fit(X, y)


def test_it_starts_from_zero_and_stays_in_one_layout():
    X, y = problem()
    with pytest.raises(ValueError, match="starts from zero"):
        SGDClassifier(learning_rate="auto").fit(X, y, coef_init=np.ones((1, 12)))
    with pytest.raises(ValueError, match="SGDOneClassSVM can't take learning_rate='auto'"):
        SGDOneClassSVM(learning_rate="auto").fit(X)
    clf = SGDClassifier(learning_rate="auto").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="in one layout"):
        clf.partial_fit(sp.csr_matrix(X), y)
    plain = SGDClassifier().partial_fit(X, y, classes=[0, 1]).set_params(learning_rate="auto")
    with pytest.raises(ValueError, match="can't go on from another schedule"):
        plain.partial_fit(X, y)


def test_another_schedule_goes_on_from_its_model():
    X, y = problem()
    clf = SGDClassifier(**AUTO).fit(X, y)
    coef = clf.coef_.copy()
    clf.set_params(learning_rate="constant", eta0=1e-12).partial_fit(X, y)
    np.testing.assert_allclose(clf.coef_, coef, rtol=1e-3, atol=1e-6 * abs(coef).max())
    assert not hasattr(clf, "auto_rule_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_the_largest_alpha_gives_finite_predictions(layout):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, 4))
    reg = SGDRegressor(learning_rate="auto", alpha=np.finfo(float).max, max_iter=1, tol=None).fit(layout(X), X[:, 0])
    assert np.isfinite(reg.predict(X)).all() and abs(reg.coef_).max() <= 1
