"""The order of a stream: what a buffer holds, and where the blocks are read to."""

import threading

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from support.streamed import (
    LABELS,
    LAYOUTS,
    RNG,
    SMALL,
    STEADY,
    WEIGHT,
    Blocks,
    X,
    no_thread_is_left,  # noqa: F401 (a fixture)
    numbered,
    same,
    stream_of,
    visited,
)

from fastsgd import (
    SGDClassifier,
    sources,
)
from fastsgd.sources import Rows, space, stream
from fastsgd.sources.space import MAX_INDPTR, Space
from fastsgd.sources.stream import in_memory, spread_blocks


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
def test_each_epoch_visits_each_row_once_and_goes_on_from_any_place(in_order, shuffle, set_sizes):
    set_sizes(call_rows=64)
    source = numbered(2000, in_order=in_order)
    order, places = visited(source, 1, 2, shuffle=shuffle)
    assert np.array_equal(np.sort(order), np.arange(2000)) and places[-1] == (None, 2000)
    assert len({place for place, _ in places}) == len(places) > 10
    assert all(np.array_equal(order, np.arange(2000)) for _ in "x" if not shuffle)
    for then, done in places[:-1]:
        source.read_blocks.clear()
        assert np.array_equal(visited(source, 1, 2, then, shuffle)[0], order[done:])
        assert in_order or len(source.read_blocks) == source.n_blocks - then[0]


@pytest.mark.filterwarnings("ignore:with max_memory")
@pytest.mark.parametrize("readers", [2, 5])
def test_the_order_does_not_depend_on_the_readers(readers):
    order = visited(numbered(2000), 5, 1)[0]
    assert np.array_equal(order, visited(numbered(2000).buffered(SMALL, readers=readers), 5, 1)[0])
    clf = SGDClassifier(random_state=1, max_iter=3, tol=None)
    same(clone(clf).fit(Blocks(X, LABELS)), clone(clf).fit(Blocks(X, LABELS).buffered(SMALL, readers=readers)))


@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("layout", ["dense", "csr"])
def test_much_memory_does_not_make_buffers_of_more_blocks_than_shuffle_rows_well(layout, sized, set_sizes, monkeypatch):
    """But where blocks come in the order of the file, a buffer takes all it can."""
    for module in (space, stream):
        monkeypatch.setattr(module, "ENOUGH_BYTES", 20_000)
    set_sizes(call_rows=64)
    source = Blocks(LAYOUTS[layout]).buffered("1GB")
    if sized and layout == "dense":
        source.sizes = [37] * 54 + [2]
        source.read = lambda block, out=None, read=source.read: read(block)
    buffers = list(stream_of(source)._buffers(np.arange(55), 0))
    assert [buffer.room for buffer in buffers] == [12] * 4 + [0] and buffers[-1].after is None
    assert [buffer.after for buffer in buffers[:-1]] == [12, 22, 33, 44]
    source.n_blocks, source.sizes = None, None
    assert len(list(stream_of(source)._buffers(None, 0))) == 1


def test_rows_that_do_not_fit_into_memory_by_far_are_not_read_until_it_is_full(monkeypatch):
    """And those that do are read to the end, however many blocks they are."""
    monkeypatch.setattr(space, "ENOUGH_BYTES", 20_000)
    for layout in ("dense", "csr"):
        source = Blocks(LAYOUTS[layout]).buffered(SMALL)
        assert in_memory(source) is None and len(source.read_blocks) < 3
        source = source.buffered("1MB")
        assert in_memory(source).X.shape == (2000, 10)


def test_each_seed_and_epoch_has_an_order_of_its_own():
    orders = {tuple(visited(numbered(2000), seed, epoch)[0]) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_a_buffer_holds_rows_from_everywhere_and_permutes_them_over_its_blocks():
    order = visited(numbered(100_000, rows=250).buffered(2_700_000))[0]
    for lo in range(0, 100_000, 7000):
        some = order[lo : lo + 1000]
        assert abs(some.mean() - 50_000) < 20_000 and some.std() > 15_000
        assert len(set(some // 250)) > 20  # blocks


@pytest.mark.parametrize("n", [1, 2, 3, 10, 64, 100, 1000])
def test_the_blocks_of_any_buffer_come_from_all_over_the_file(n):
    orders = np.array([spread_blocks(n, 7, epoch) for epoch in range(400)])
    assert (np.sort(orders) == np.arange(n)).all()
    if n >= 10:
        assert len({tuple(order) for order in orders}) >= min(400, 35 * n)
        for end in (0, -1):
            assert np.bincount(orders[:, end], minlength=n).max() < 12 * max(1, 400 / n)
    if n >= 64:  # of two halves the same number, of four about that: independently, sd would be 2 and 1.7
        windows = orders[:, : n // 16 * 16].reshape(400, -1, 16)
        assert np.std((windows < n / 2).sum(axis=2)) == 0
        assert np.std((windows < n / 4).sum(axis=2)) < 0.5


@pytest.mark.parametrize("n", [10, 37, 100, 770])
@pytest.mark.parametrize("share", [0.5, 0.3, 0.1])
def test_any_ten_blocks_hold_their_share_of_the_file(n, share):
    tens = np.array([spread_blocks(n, 7, epoch)[: n // 10 * 10].reshape(-1, 10) for epoch in range(100)])
    assert np.std((tens < share * n).mean(axis=-1)) < 0.08  # independently: 0.16, 0.14, 0.09


class Filling(Blocks):
    """Blocks of uneven sizes, which go to where they are wanted."""

    def __init__(self, *parts, sizes, **options):
        super().__init__(*parts, **options)
        self.sizes, self.ends, self.n_blocks = sizes, np.cumsum(sizes), len(sizes)
        self.filled = 0

    def read(self, block, out=None):
        self.trap(block)
        part = slice(self.ends[block] - self.sizes[block], self.ends[block])
        rows = Rows(*(None if a is None else a[part] for a in self.parts))
        if out is None:
            return rows
        self.filled += 1
        out[...] = rows.X
        return rows._replace(X=out)

    def targets(self):
        for end, n in zip(self.ends, self.sizes, strict=True):
            yield tuple(None if a is None else a[end - n : end] for a in self.parts[1:])


UNEVEN = [0, 300, 1, 0, 150, 149, 600, 50, 0, 250, 500, 0, 0]


@pytest.mark.parametrize("buffer_rows", [None, 1, 150, 160, 400])
@pytest.mark.parametrize("shuffle", [False, True])
def test_blocks_that_are_read_into_the_buffer_are_those_that_are_copied_there(shuffle, buffer_rows):
    read = {}
    for name, readers in {"into": 1, "copied": 3}.items():
        source = Filling(X, LABELS, WEIGHT, sizes=UNEVEN).buffered(10 * SMALL, buffer_rows, readers)
        read[name] = visited(source, shuffle=shuffle)
        assert (source.filled > 6) == (name == "into" and buffer_rows != 1)
    assert np.array_equal(read["into"][0], read["copied"][0]) and read["into"][1] == read["copied"][1]
    assert sorted(read["into"][0]) == sorted(X[:, 0]) and read["into"][1][-1] == (None, 2000)


def test_a_buffer_does_not_change_while_the_next_is_read():
    """Nor where a block that is too large by its labels was read behind the rows of another buffer."""
    sizes = [*([10] * 10 + [600]) * 2, *[10] * 10, 500]
    source = Filling(X, np.array(["x" * 20] * 2000), sizes=sizes).buffered(10 * SMALL)
    buffers = stream_of(source)._filled(None, 0, (Space(source), Space(source)), threading.Event())
    held = np.empty((0, 10))
    seen, found = held, []
    for buffer in buffers:
        assert np.array_equal(held, seen)
        held = buffer.table.X
        seen = held.copy()
        found.append(seen)
    assert len(found) > 3 and np.array_equal(np.concatenate(found), X)


def test_column_numbers_may_be_narrower_in_later_blocks():
    def block(n, index):
        rows = sp.csr_matrix(np.ones((n, 100)))
        rows.indices, rows.indptr = rows.indices.astype(index), rows.indptr.astype(index)
        return Rows(rows, np.ones(n))

    source = sources.from_batches(lambda: [block(1, np.int64), *(block(75, np.int32) for _ in range(3))])
    tables = stream_of(source.buffered(10 * SMALL)).tables()
    assert [table.n_rows for table in tables] == [1, 75, 75, 75]


def test_a_buffer_has_no_more_values_than_its_indptr_can_count(monkeypatch):
    L = LAYOUTS["csr"]
    monkeypatch.setitem(MAX_INDPTR, L.indices.dtype, 500)
    tables = [table.X.copy() for table in stream_of(Blocks(L).buffered("1MB")).tables()]
    assert len(tables) > 2 and max(X.nnz for X in tables) <= 500
    assert (sp.vstack(tables) != L).nnz == 0


def test_a_walk_within_a_walk_has_buffers_of_its_own_and_the_next_has_those_of_the_last():
    stream = stream_of(numbered(2000).buffered(SMALL))
    outer = stream.tables()
    held = next(outer).X
    seen = held.copy()
    assert sum(table.n_rows for table in stream.tables()) == 2000
    assert np.array_equal(held, seen)
    assert sum(table.n_rows for table in outer) == 2000 - len(seen)
    last = {id(space) for space in stream.spaces}
    assert sum(table.n_rows for table in stream.tables()) == 2000
    assert {id(space) for space in stream.spaces} == last


def test_rows_that_come_in_order_are_shuffled_within_the_buffer_and_fit_says_so():
    order, _ = visited(numbered(2000, in_order=True))
    assert not np.array_equal(order, np.arange(2000)) and abs(order - np.arange(2000)).max() < 400
    with pytest.warns(UserWarning, match=r"order of its own.*only within a buffer") as caught:
        SGDClassifier(max_iter=3, tol=None).fit(Blocks(X, LABELS, in_order=True))
    assert len(caught) == 1 and caught[0].filename == __file__


def test_buffer_rows():
    sizes = [table.n_rows for table in stream_of(numbered(2000, rows=50).buffered(buffer_rows=170)).tables()]
    assert sum(sizes) == 2000 and set(sizes) == {100, 150}  # no small one at the end, which would have the last word


def held(source, seed=0, shuffle=True):
    """Blocks in each buffer of a pass."""
    order = spread_blocks(source.n_blocks, seed, 0) if shuffle and source.n_blocks is not None else None
    ends = [buffer.after for buffer in stream_of(source)._buffers(order, 0)]
    return np.diff([0, *ends[:-1], source.n_blocks or source.n_counted])


@pytest.mark.parametrize("kind", ["csr", "dense", "sizes", "in order", "mapped"])
@pytest.mark.parametrize("n_blocks", [13, 21, 22, 41, 45, 90, 101])
def test_no_buffer_of_a_pass_is_nearly_empty(kind, n_blocks, tmp_path):
    """Nor the last one, which would have the last word."""
    n, rows = 20 * n_blocks, RNG.permutation([19, 20, 21] * n_blocks)[:n_blocks].tolist()
    dense = RNG.standard_normal((n, 5))
    values = sp.random(n, 200, 0.05, format="csr", random_state=0)
    source = {
        "csr": lambda: Blocks(values, rows=20),
        "dense": lambda: Blocks(dense, rows=20),
        "sizes": lambda: Filling(np.ones((sum(rows), 5)), None, None, sizes=rows),
        "in order": lambda: Blocks(values, rows=20, in_order=True),
        "mapped": lambda: mapped(tmp_path, dense),
    }[kind]().buffered(20 * 4 * (152 if kind in ("csr", "in order") else 72) * 10.5)
    if kind == "in order":
        source.survey()
    for seed in range(5):
        sizes = held(source, seed)
        assert sizes.sum() == n_blocks
        if n_blocks > 20:
            assert sizes.max() >= 7 and sizes.min() >= 0.6 * sizes.max(), sizes
        else:
            assert sizes.min() >= 6


def mapped(tmp_path, dense):
    np.save(tmp_path / "X.npy", dense)
    source = sources.from_npy(tmp_path / "X.npy")
    source.block_rows = 20
    source._blocks = [(0, lo) for lo in range(0, len(dense), 20)]
    source.n_blocks = len(source._blocks)
    return source


def test_buffers_of_few_blocks_are_said_once_a_fit():
    clf = SGDClassifier(max_iter=3, tol=None, random_state=0)
    words = r"max_memory=40000 bytes, a buffer holds 2 of the source's blocks.*10 or more.*Raise max_memory to about 0\.\d+ MB"
    for fit in (clf.fit, lambda source: clone(clf).partial_fit(source, classes=np.unique(LABELS))):
        with pytest.warns(UserWarning, match=words) as caught:
            fit(Blocks(X, LABELS))
        assert len(caught) == 1 and caught[0].filename == __file__
    clf.fit(Blocks(X, LABELS, rows=5))  # holds more
    clone(clf).set_params(shuffle=False).fit(Blocks(X, LABELS))
    clf.fit(Blocks(X, LABELS).buffered("1MB"))  # holds them all


def test_a_block_larger_than_the_buffer_is_read_and_its_size_is_said():
    source = Blocks(X, LABELS, rows=1500)
    with pytest.warns(UserWarning, match=r"a block of the source takes 0\.1.* MB") as caught:
        fitted = SGDClassifier(**STEADY).fit(source)
    assert len(caught) == 1 and caught[0].filename == __file__
    same(fitted, SGDClassifier(**STEADY).fit(X, LABELS))


def test_a_large_block_and_a_buffer_of_few_blocks_are_both_said():
    """Dense blocks of known size, the last of them larger than a buffer."""

    class Uneven(Blocks):
        ends = [0, 100, 200, 300, 400, 500, 600, 700, 800, 1900, 2000]

        def read(self, block):
            part = slice(self.ends[block], self.ends[block + 1])
            return Rows(*(a if a is None else a[part] for a in self.parts))

    with pytest.warns(UserWarning) as caught:
        SGDClassifier(**STEADY).set_params(shuffle=True).fit(Uneven(X, LABELS, rows=200))
    assert sorted(str(w.message).split()[0] for w in caught) == ["a", "with"]


def test_no_more_than_max_memory_is_held(monkeypatch):
    """Two buffers, and the blocks that are on their way."""
    held = []
    for readers in (1, 3):
        for L in (X, LAYOUTS["csr"]):
            for table in stream_of(Blocks(L, rows=20).buffered(SMALL, readers=readers)).tables():
                data = (table.X.data, table.X.indices, table.X.indptr) if table.sparse else (table.X,)
                held.append(sum(a.nbytes for a in data))
    assert 0.15 * SMALL < max(held) <= SMALL / 4
