"""The order of rows: a pure function of the seed, and a fair one."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sizes import sizes
from support.visited import visited

from fastsgd import SGDClassifier
from fastsgd.sources import _order, arrays
from fastsgd.sources.arrays import Table

KNOWN = [  # Random123's known answers
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@pytest.mark.parametrize("counter, key, answer", KNOWN)
def test_philox_gives_the_known_answers(counter, key, answer):
    words = [[int(word, 16) for word in text.split()] for text in (counter, key, answer)]
    assert _order.philox_words(*words[:2]) == words[2]


def numbered(n, d, layout):
    X = np.zeros((n, d))
    X[:, 0] = np.arange(n)
    return {"dense": X, "fortran": np.asfortranarray(X), "csr": sp.csr_matrix(X)}[layout]


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 3000),
    d=st.sampled_from([1, 3, 70, 900]),
    layout=st.sampled_from(["dense", "fortran", "csr"]),
    seed=st.integers(0, 2**31 - 1),
    epoch=st.integers(0, 2**33),
    call_rows=st.sampled_from([1, 7, 100, 1000, 65536]),
)
def test_each_epoch_visits_each_row_once(n, d, layout, seed, epoch, call_rows):
    n = n if d < 900 else n // 10 + 1
    with sizes(call_rows=call_rows):
        order = visited(Table(numbered(n, d, layout)), seed, epoch)
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        np.testing.assert_array_equal(order, visited(Table(numbered(n, d, layout)), seed, epoch))
        np.testing.assert_array_equal(visited(Table(numbered(n, d, layout)), shuffle=False), np.arange(n))


@settings(max_examples=50, deadline=None)
@given(n=st.integers(2, 2000), data=st.data())
def test_a_subset_is_visited_once_and_nothing_else_is(n, data):
    some = np.flatnonzero(np.random.default_rng(data.draw(st.integers(0, 100))).random(n) < 0.5)
    if len(some):
        order = visited(Table(numbered(n, 2, "dense"), rows=some.astype(np.int64)))
        np.testing.assert_array_equal(np.sort(order), some)


@pytest.mark.parametrize("layout", ["dense", "fortran", "csr"])
@pytest.mark.parametrize("shuffle", [True, False, "replace"])
@pytest.mark.parametrize("subset", [True, False])
def test_a_walk_goes_on_from_any_place(layout, shuffle, subset, set_sizes):
    set_sizes(call_rows=500, read_bytes=5000)
    table = Table(numbered(3000, 3, layout), rows=np.arange(0, 3000, 2) if subset else None)
    whole, done = visited(table, 1, 2, shuffle), 0
    for _, (_, _, _, m, _), then in table.chunks(np.dtype("f8"), 1, shuffle, 1, 2):
        done += m
        if then is None:
            break
        np.testing.assert_array_equal(visited(table, 1, 2, shuffle, then), whole[done:])
    assert done == len(whole)


@pytest.mark.parametrize("layout", ["dense", "fortran", "csr"])
@pytest.mark.parametrize("shuffle", [True, False, "replace"])
@pytest.mark.parametrize("buffer_bytes", [1 << 18, 5000], ids=["one buffer", "many"])
def test_the_order_does_not_depend_on_the_number_of_heads(layout, shuffle, buffer_bytes, set_sizes):
    """Each of many models is what it would be if it were trained alone; only the calls are shorter."""
    set_sizes(call_work=15_000, read_bytes=20_000, buffer_bytes=buffer_bytes, buffer_blocks=4)
    table = Table(numbered(1200, 3, layout))
    alone, calls = visited(table, 1, 2, shuffle), []
    for heads in (7, 100, 3000, 20_000):
        np.testing.assert_array_equal(visited(table, 1, 2, shuffle, heads=heads), alone)
        calls.append([order.n for _, order, _ in table.chunks(np.dtype("f8"), heads, shuffle, 1, 2)])
        done = 0
        for _, order, then in table.chunks(np.dtype("f8"), heads, shuffle, 1, 2):
            done += order.n
            if then is not None and done % 7 == 0 and done % 11 < 2 and len(calls[-1]) < 500:
                np.testing.assert_array_equal(visited(table, 1, 2, shuffle, then, heads), alone[done:])
    assert max(calls[-1]) == 1 and max(calls[1]) <= max(calls[0])


def test_each_class_is_learnt_from_all_rows_however_many_there_are(set_sizes):
    """The kernel calls of many classes are shorter, and begin within what was drawn at once: each class is as by itself."""
    set_sizes(call_work=30_000, buffer_bytes=5000, buffer_blocks=4)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((3000, 5)), rng.integers(0, 30, 3000)
    X[:, 0] += y / 10
    how = {"learning_rate": "constant", "eta0": 0.01, "max_iter": 2, "tol": None, "random_state": 1}
    together = SGDClassifier(**how).fit(X, y)
    for label in (0, 7, 29):
        alone = SGDClassifier(**how).fit(X, y == label)
        np.testing.assert_allclose(together.coef_[label], alone.coef_[0], rtol=1e-9, atol=1e-12)


def test_seeds_and_epochs_have_orders_of_their_own():
    table = Table(numbered(500, 3, "dense"))
    orders = {tuple(visited(table, seed, epoch)) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    orders = {tuple(visited(table, seed, epoch)) for seed in (0, 1 << 32, 1 << 63) for epoch in (0, 1 << 32)}
    assert len(orders) == 6


def test_permutations_are_uniform():
    """Each of the 24 orders of 4 rows as often as the others; each place of 40 as likely for each row."""
    counts = np.zeros((4, 4, 4, 4))
    for epoch in range(4800):
        counts[tuple(_order.permutation(4, 1, epoch))] += 1
    counts = counts[counts > 0]
    assert len(counts) == 24 and ((counts - 200) ** 2 / 200).sum() < 60  # chi2 of 23 degrees: beyond 60 once in 30,000
    places = np.zeros((40, 40))
    for epoch in range(4000):
        places[np.arange(40), _order.visits(40, 40, 0, 7, epoch)] += 1
    assert ((places - 100) ** 2 / 100).sum() < 1521 + 5 * np.sqrt(2 * 1521)


def test_the_order_of_an_epoch_mixes_rows_from_afar():
    """Data sorted by class trains well: any 1,000 rows in a row come from all over the data."""
    order = visited(Table(numbered(100_000, 28, "dense")))
    for lo in range(0, 100_000, 10_000):
        assert abs(order[lo : lo + 1000].mean() - 50_000) < 20_000
        assert order[lo : lo + 1000].std() > 15_000


@settings(max_examples=200, deadline=None)
@given(n=st.integers(1, 2000), m=st.integers(1, 100), seed=st.integers(0, 2**31 - 1))
def test_each_buffer_takes_its_blocks_from_all_over_the_data(n, m, seed):
    order = _order.strata(n, m, seed, 0)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    for first in range(0, n - m + 1, m):
        np.testing.assert_array_equal(((order[first : first + m] + 1) * m - 1) // n, np.arange(m))
    size = arrays.buffer_blocks(n, m)
    assert size <= m and (size == m or n % size == 0 or 2 * (n % size) >= size)


def test_strata_are_drawn_from_without_preference():
    """Of 5 rounds, each block of a stratum is in each as often as in another."""
    counts = np.zeros((40, 5))
    for epoch in range(2000):
        counts[_order.strata(40, 8, 3, epoch), np.arange(40) // 8] += 1
    assert ((counts - 400) ** 2 / 400).sum() < 160 + 5 * np.sqrt(2 * 160)


def test_rows_sorted_by_class_train_as_well_as_under_a_full_permutation():
    """Over many seeds, as the last of five epochs' iterates differ by some hundredths from seed to seed."""
    rng = np.random.default_rng(0)
    y = np.sort(rng.integers(0, 10, 15_000))
    X = rng.standard_normal((10, 16))[y] + 1.5 * rng.standard_normal((15_000, 16))
    shares = {}
    for sort in (True, False):
        for seed in range(10):
            order = slice(None) if sort else np.random.default_rng(seed).permutation(len(y))
            est = SGDClassifier("log_loss", max_iter=2, tol=None, random_state=seed).fit(X[order], y[order])
            shares.setdefault(sort, []).append(est.score(X, y))
    noise = np.std(shares[False]) / np.sqrt(10)
    assert np.mean(shares[True]) > np.mean(shares[False]) - 4 * noise


def test_each_buffer_of_each_epoch_has_an_order_of_its_own(set_sizes):
    set_sizes(call_rows=64)
    seen = set()
    for epoch in range(3):
        for _, (_, visit, _, m, buffer), _ in Table(numbered(320, 3, "dense")).chunks(
            np.dtype("f8"), 1, True, 0, epoch
        ):
            parts = [tuple(visit[lo : lo + buffer]) for lo in range(0, m, buffer)]
            assert all(sorted(part) == list(range(len(part))) for part in parts)
            assert not seen & set(parts) and len(set(parts)) == len(parts)
            seen |= set(parts)
    assert len(seen) >= 15
