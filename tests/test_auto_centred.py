"""learning_rate="auto" on CSR: columns that most rows have are centred, as columns of dense rows are."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from support import reference_auto
from support.auto import AUTO, flat, train, types
from support.cases import covering
from support.kernels import DTYPES, agree, lay_out, targets

from fastsgd import LinearRegressor, SGDClassifier, SGDRegressor, load, losses, penalties


def years(n=6000, seed=0, dtype="f8"):
    """A year, a price that a third of the rows lack, and a word of 300; a target for which each of them matters, and a class."""
    rng = np.random.default_rng(seed)
    year, price, word = 2000 + 8 * rng.standard_normal(n), 50 + 9 * rng.standard_normal(n), rng.integers(0, 300, n)
    has = rng.random(n) < 0.7
    words = sp.csr_matrix((np.ones(n), word, np.arange(n + 1)), (n, 300))
    X = sp.csr_matrix(sp.hstack([words, sp.csr_matrix(np.column_stack([year, price * has]))]), dtype=dtype)
    z = (year - 2000) / 8 + price * has / 20 + rng.standard_normal(300)[word]
    return X, z, (rng.random(n) < 1 / (1 + np.exp(-2 * z))).astype(int)


def centred(est):
    return est._state.auto.centre[0].tolist()


# ---------------------------------------------------------------- the kernels
def mostly_there(n, d=9, seed=0):
    """Rows of which some columns are there mostly, always, and always alike."""
    rng = np.random.default_rng(seed)
    X = np.where(rng.random((n, d)) < 0.3, rng.standard_normal((n, d)), 0)
    X[:, 2] = 30 + rng.standard_normal(n)
    X[:, 5] = np.where(rng.random(n) < 0.8, 5 * rng.standard_normal(n) - 100, 0)
    X[:, 7] = 1.5
    return X, rng.uniform(0.5, 2, n) * (np.arange(n) % 11 > 0)


@pytest.mark.parametrize(
    "layout, dtype, name, heads, penalty, passes",
    covering(2, ["csr32", "csr64"], DTYPES, losses.LOSSES, [1, 3], [None, "l2", "l1"], [1, 2]),
)
def test_kernel_equals_the_reference(layout, dtype, name, heads, penalty, passes):
    loss, (X, s) = losses.get(name), mostly_there(300)
    l1, l2 = penalties.weights(penalty, 0.03, 0.4)
    given = dict(l1=l1, l2=l2, intercept=True, s=s, passes=passes)
    Y = targets(loss, (X - X.mean(axis=0)) / 50, heads)
    ours = train(lay_out(X, layout, dtype), loss, y=Y, **given)
    agree(ours, reference_auto.auto_csr(X, Y, loss, **given)[:4], 10 * DTYPES[dtype])


def test_kernel_equals_the_reference_where_columns_come_late():
    loss, (X, s) = losses.get("log_loss"), mostly_there(1300)
    X[:200, [2, 5]] = 0
    Y = targets(loss, X, 1)
    given = dict(l1=0.0, l2=0.01, intercept=True, s=s, passes=1)
    agree(train(lay_out(X, "csr32"), loss, y=Y, **given), reference_auto.auto_csr(X, Y, loss, **given)[:4], 1e-9)


# ---------------------------------------------------------------- what is learnt
@types
def test_a_year_and_a_price_beside_words_are_learnt_in_one_pass(dtype):
    X, z, y = years(dtype=dtype)
    best = LinearRegressor(alpha=1e-4).fit(X[:5000].astype("f8"), z[:5000]).score(X[5000:].astype("f8"), z[5000:])
    reg = SGDRegressor(**AUTO).fit(X[:5000], z[:5000])
    assert best > 0.9 and reg.score(X[5000:], z[5000:]) > best - 0.02 and sorted(centred(reg)) == [300, 301]
    clf = SGDClassifier("log_loss", **AUTO).fit(X[:5000], y[:5000])
    assert clf.score(X[5000:], y[5000:]) > 0.83


def test_rows_of_dense_columns_are_learnt_as_well_in_csr():
    rng = np.random.default_rng(0)
    X = 10.0 ** rng.integers(0, 4, 8) + rng.standard_normal((3000, 8)) @ rng.standard_normal((8, 8))
    z = X @ rng.standard_normal(8) + 0.5 * rng.standard_normal(3000)
    dense, csr = (SGDRegressor(**AUTO).fit(some[:2000], z[:2000]) for some in (X, sp.csr_matrix(X)))
    assert csr.score(X[2000:], z[2000:]) > dense.score(X[2000:], z[2000:]) - 0.01 > 0.95


def test_columns_that_drift_leave_the_model_where_it_is():
    X, z, _ = years()
    order = np.argsort(X[:, 300].toarray().ravel())
    assert SGDRegressor(**AUTO | {"shuffle": False}).fit(X[order], z[order]).score(X, z) > 0.85


def test_a_column_that_comes_after_some_hundred_rows_is_centred_too():
    X, z, _ = years()
    late = X.tolil()
    late[:150, 300] = 0
    assert sorted(centred(SGDRegressor(**AUTO | {"shuffle": False}).fit(late.tocsr(), z))) == [300, 301]


def test_a_constant_column_has_no_coefficient():
    X, z, _ = years()
    X = sp.csr_matrix(sp.hstack([X, np.full((X.shape[0], 1), 0.1)]))
    reg = SGDRegressor(**AUTO).fit(X, z)
    assert reg.coef_[302] == 0 and reg.score(X, z) > 0.9


def test_more_passes_end_at_the_optimum():
    X, z, _ = years()
    best = LinearRegressor(alpha=1e-3).fit(X, z)
    assert SGDRegressor(**AUTO | {"max_iter": 30, "alpha": 1e-3}).fit(X, z).score(X, z) > best.score(X, z) - 2e-3


@types
def test_a_column_times_a_power_of_two_changes_no_prediction(dtype):
    X, z, _ = years(dtype=dtype)
    params = AUTO | {"penalty": None}
    before = SGDRegressor(**params).fit(X, z)
    for power in (-30, 20, -90 if dtype == "f4" else -600, 90 if dtype == "f4" else 600):
        scaled = X.copy()
        scaled.data[X.indices >= 300] *= np.ldexp(X.dtype.type(1), power)
        found = SGDRegressor(**params).fit(scaled, z)
        tiny = 2e-3 if dtype == "f4" else 1e-9
        np.testing.assert_allclose(found.predict(scaled), before.predict(X), atol=tiny * abs(z).max())


def test_text_has_no_such_columns_nor_has_a_model_without_an_intercept():
    X, z, _ = years()
    assert not centred(SGDRegressor(**AUTO).fit(X[:, :300], z)) and not centred(
        SGDRegressor(**AUTO, fit_intercept=False).fit(X, z)
    )


def test_of_more_columns_than_are_kept_some_are_centred():
    rng = np.random.default_rng(0)
    X = sp.csr_matrix(5 + rng.standard_normal((300, 400)))
    reg = SGDRegressor(**AUTO).fit(X, X @ rng.standard_normal(400))
    assert len(set(centred(reg))) == 256 and np.isfinite(reg.coef_).all()


def test_scales_are_standard_deviations():
    X, z, _ = years()
    scales = SGDRegressor(**AUTO).fit(X, z)._state.auto.scales
    np.testing.assert_allclose(scales[300:], X[:, 300:].toarray().std(axis=0), rtol=0.05)


# ---------------------------------------------------------------- what is kept
def same(one, other):
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.intercept_, other.intercept_)


def test_calls_of_partial_fit_and_files_between_are_one_fit(tmp_path):
    X, _, y = years(1500)
    params = AUTO | {"loss": "log_loss", "shuffle": False}
    whole, parts = SGDClassifier(**params).fit(X, y), SGDClassifier(**params)
    for i, lo in enumerate(range(0, len(y), 37)):
        parts.partial_fit(X[lo : lo + 37], y[lo : lo + 37], classes=[0, 1])
        if i % 3:
            parts = pickle.loads(pickle.dumps(parts))
        else:
            parts.save(tmp_path / "m.safetensors")
            parts = load(tmp_path / "m.safetensors")
    same(parts, whole)


def test_a_call_that_fails_leaves_a_wide_model_as_it_was():
    """Rows of few features are learnt from in place, and what they have changed is put back."""
    X, z, _ = years(1200)
    X = sp.csr_matrix(sp.hstack([X, sp.csr_matrix((1200, 5000))]))
    reg = SGDRegressor(**AUTO | {"shuffle": False}).partial_fit(X[:1000], z[:1000])
    for lo in range(1000, 1100):
        reg.partial_fit(X[lo : lo + 1], z[lo : lo + 1])
    before = pickle.loads(pickle.dumps(reg))
    bad = X[1100:1101].copy()
    bad.data[:] = 1e308
    with pytest.raises(ValueError):
        reg.partial_fit(bad, [1e308])
    for est in (reg, before):
        est.partial_fit(X[1100:], z[1100:])
    same(reg, before)


@flat
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_heads_on_threads_have_the_same_bits(n_jobs):
    X, z, _ = years(2500)
    Y = np.column_stack([z, -z, z**2, np.sin(z)])
    same(SGDRegressor(**AUTO, n_jobs=n_jobs).fit(X, Y), SGDRegressor(**AUTO).fit(X, Y))


@pytest.mark.parametrize("start", [0, 40, 70, 2000])
def test_states_that_learnt_apart_are_put_together(start):
    """Also where columns have joined in each part for itself, or in some only."""
    X, z, _ = years(9000)
    base = SGDRegressor(**AUTO | {"shuffle": False}).partial_fit(X[: max(start, 2)], z[: max(start, 2)])
    state = base._state
    parts = []
    for lo, hi in ((start, start + 30), (start + 30, 3500), (3500, 7000)):
        part = pickle.loads(pickle.dumps(base)).partial_fit(X[max(lo, 2) : hi], z[max(lo, 2) : hi])
        parts.append(part._state)
    plan = base._plan(SimpleNamespace(sparse=True, n_rows=1), 1, True)
    state.merge(parts, plan)
    W, b = state.model(plan)
    assert sorted(state.auto.centre[0]) == [300, 301]
    held = z[7000:]
    assert np.mean((X[7000:] @ W[:, 0] + b - held) ** 2) < 0.1 * held.var()
