"""Blocks read by several threads: the same rows, errors and warnings as from one, in bounded memory, and as many as pay."""

import gzip
import multiprocessing
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from support.streamed import (
    LABELS,
    LAYOUTS,
    MARGIN,
    SMALL,
    STEADY,
    Blocks,
    X,
    no_thread_is_left,  # noqa: F401 (a fixture)
    same,
    stream_of,
)

from fastsgd import SGDClassifier, SGDRegressor, sources
from fastsgd.sources import Rows, readers
from fastsgd.sources.blocks import blocks
from fastsgd.sources.readers import Readers, in_order
from fastsgd.sources.reuse import BLOCKS, Reuse

NUMBERS = [1, 2, 4, "auto"]
N = 6000
FRAME = pd.DataFrame(
    {f"x{j}": column for j, column in enumerate(np.random.default_rng(0).normal(size=(3, N)).round(3))}
)
FRAME["word"] = np.random.default_rng(1).choice(["news", "mail", "shop", None], N)
FRAME["y"] = (FRAME["x0"] > 0).astype(int)


@pytest.fixture
def eager(monkeypatch):
    """Four cores, on which any block is worth a thread."""
    monkeypatch.setattr(readers, "cpu_count", lambda: 4)
    monkeypatch.setattr(readers, "MIN_BLOCK_SECONDS", 0.0)
    monkeypatch.setattr(readers, "WAITING_SHARE", -1.0)
    monkeypatch.setattr(readers, "IDLE_SHARE", -1.0)
    monkeypatch.setattr(readers, "KEPT_SHARE", np.inf)
    monkeypatch.setattr(Readers, "_held", lambda self: 4)


def written(kind, folder):
    """A source of FRAME in small blocks."""
    if kind.startswith("parquet"):
        FRAME.drop(columns=[] if kind == "parquet" else "word").to_parquet(folder / "rows.parquet", row_group_size=300)
        return sources.from_parquet(folder / "rows.parquet", target="y", n_hashed=50)
    if kind.startswith("csv"):
        path = folder / f"rows.{kind}"
        FRAME.to_csv(path, index=False)
        return sources.from_csv(path, target="y", block_bytes=10_000, n_hashed=50)
    if kind == "npy":
        for k in range(30):
            part = FRAME[200 * k : 200 * (k + 1)]
            np.save(folder / f"X-{k:02}.npy", part[["x0", "x1", "x2"]].to_numpy())
            np.save(folder / f"y-{k:02}.npy", part["y"].to_numpy())
        return sources.from_npy(folder / "X-*.npy", folder / "y-*.npy")
    lines = "".join(f"{y} 1:{a} 2:{b} 7:{c}\n" for a, b, c, _, y in FRAME.itertuples(index=False))
    path = folder / "rows.txt"
    path.write_bytes(lines.encode() if kind == "svmlight" else gzip.compress(lines.encode()))
    return sources.from_svmlight(path, block_bytes=5000)


KINDS = ["parquet", "parquet of numbers", "csv", "csv.gz", "npy", "svmlight", "svmlight, gzip"]


@pytest.mark.filterwarnings("ignore:the rows of this source", "ignore:with max_memory")
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_and_its_predictions_do_not_depend_on_the_readers(kind, tmp_path, eager):
    source = written(kind, tmp_path)
    clf = SGDClassifier("log_loss", max_iter=2, random_state=0, standardize=True, tol=None)
    fits, found = [], []
    for number in NUMBERS:
        bounded = source.buffered("120KB", readers=number)
        fits.append(clone(clf).fit(bounded, X_val=bounded))
        found.append((fits[-1].decision_function(bounded), fits[-1].score(bounded)))
    for fit, (margins, score) in zip(fits, found, strict=True):
        same(fit, fits[0])
        assert np.array_equal(margins, found[0][0]) and score == found[0][1] > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_threads_make_blocks_at_once_and_none_is_left(kind, tmp_path):
    source, both, n = written(kind, tmp_path).buffered(readers=3), threading.Barrier(2, timeout=60), iter(range(2))
    made = source.made

    def together(piece, *hands):
        if next(n, None) is not None:
            both.wait()
        return made(piece, *hands)

    source.made = together
    assert sum(len(rows.y) for rows in blocks(source)) == N
    assert both.broken is False and next(n, None) is None
    assert not [t for t in threading.enumerate() if t.name.startswith("fastsgd")]


def test_the_settings_of_numpy_are_those_of_the_caller():
    source = Blocks(X).buffered(readers=3)
    with np.errstate(divide="raise", over="ignore"):
        found = list(in_order(lambda _: Rows(np.zeros(1), np.geterr()), range(20), Readers.of(source)))
    assert all(rows.y["divide"] == "raise" and rows.y["over"] == "ignore" for rows in found)


# ---------------------------------------------------------------- how many
def asked(number, max_memory="256MB", ahead=False, sizes=None, divides=0, decoding=6.0):
    source = Blocks(X).buffered(max_memory, readers=number)
    source.sizes, source.divides, source.decoding = sizes, divides, decoding
    return Readers.of(source, ahead)


class Clock:
    """Blocks of a megabyte, each of which takes `making` seconds where there are n readers; then the user is away."""

    def __init__(self, monkeypatch, cores=8, **given):
        self.now = 0.0
        monkeypatch.setattr(readers, "cpu_count", lambda: cores)
        monkeypatch.setattr(readers, "perf_counter", lambda: self.now)
        self.readers = asked("auto", **given)

    def read(self, making, away=0.0, getting=0.0, size=10**6, blocks=100):
        ns = []
        for _ in range(blocks):
            n = self.readers.n
            self.now += max(getting, (getting + making(n)) / self.readers.at_once) + away
            self.readers.record_block(n, size, 100, making(n), getting, away)
            ns.append(self.readers.n)
        return ns


def test_more_readers_are_taken_while_they_gain_and_never_more_than_cores(monkeypatch):
    assert Clock(monkeypatch).read(lambda n: 0.02)[-1] == 8
    assert Clock(monkeypatch, cores=2).read(lambda n: 0.02)[-1] == 2
    assert set(Clock(monkeypatch, cores=1).read(lambda n: 0.02)) == {1}


@pytest.mark.parametrize(("making", "n"), [(lambda n: 0.02 * n, 1), (lambda n: 0.02 * max(1, n / 3), 3)])
def test_a_reader_that_gains_nothing_is_given_up_for_good(making, n, monkeypatch):
    """Where one thread at a time reads, or three at most."""
    found = Clock(monkeypatch).read(making)
    assert max(found) == n + 1 and set(found[60:]) == {n}


def test_quick_blocks_are_read_by_the_thread_that_asks(monkeypatch):
    assert set(Clock(monkeypatch).read(lambda n: 0.001)) == {1}


def test_where_the_user_of_the_rows_takes_far_longer_there_is_one_reader(monkeypatch):
    assert set(Clock(monkeypatch).read(lambda n: 0.005, away=0.1)) == {1}


def test_what_comes_in_order_needs_no_more_readers_than_make_blocks_as_fast_as_it_comes(monkeypatch):
    found = Clock(monkeypatch).read(lambda n: 0.02, getting=0.01)
    assert max(found) <= 4 and found[-1] == 3


def test_a_trainer_that_does_not_wait_leaves_one_reader(monkeypatch):
    clock = Clock(monkeypatch, ahead=True)
    assert clock.read(lambda n: 0.02)[-1] == 8  # for the first buffer all wait
    for _ in range(100):
        clock.readers.record_waiting(0.0, 1.0)
        clock.read(lambda n: 0.02, blocks=8)
        clock.now += 1.0  # the buffer is full
    assert clock.readers.n == 1
    for _ in range(3):
        clock.readers.record_waiting(0.5, 1.0)
        clock.read(lambda n: 0.02, blocks=8)
    assert clock.readers.n > 1


def test_memory_bounds_the_readers(monkeypatch):
    """Half of max_memory is for the blocks that are being read, each of which takes some times its size."""
    for max_memory, most in (("10MB", 1), ("80MB", 1), ("90MB", 2), ("110MB", 4), ("1GB", 8)):
        assert max(Clock(monkeypatch, max_memory=max_memory).read(lambda n: 0.02)) == most
    clock = Clock(monkeypatch, max_memory="1GB")
    assert clock.read(lambda n: 0.02)[-1] == 8
    assert clock.read(lambda n: 0.02, size=10**8)[-1] == 1  # larger ones follow
    clock = Clock(monkeypatch, max_memory="110MB", sizes=[100, 100, 250])
    assert clock.read(lambda n: 0.02)[-1] == 1  # one that is larger is known of


@pytest.mark.parametrize(
    ("max_memory", "size", "n", "at_once", "hands"),
    [
        ("256MB", 2 * 10**7, 1, 1, 1),
        ("256MB", 4 * 10**8, 7, 1, 7),  # It takes far more than max_memory anyhow.
        ("600MB", 2 * 10**7, 4, 2, 2),
        ("800MB", 2 * 10**7, 6, 3, 2),
        ("10GB", 2 * 10**7, 8, 8, 1),
        ("256MB", 10**6, 8, 8, 1),
    ],
)
def test_threads_for_whose_blocks_there_is_no_memory_share_one(max_memory, size, n, at_once, hands, monkeypatch):
    clock = Clock(monkeypatch, max_memory=max_memory, divides=3 * 10**7)
    clock.read(lambda _: 0.08 / clock.readers.hands, size=size)
    found = clock.readers
    assert (found.n, found.at_once, found.hands) == (n, at_once, hands)


def test_blocks_that_are_decoded_a_few_columns_after_another_are_read_by_two_with_the_default_memory(tmp_path):
    n = 65536
    words = {f"w{j}": pa.array(np.random.default_rng(j).integers(0, 1000, n).astype(str)) for j in range(20)}
    pq.write_table(pa.table(words), tmp_path / "rows.parquet", row_group_size=n)
    source = sources.from_parquet(tmp_path)
    rows = source.read(0)
    found = Readers.of(source)
    found.most = 8
    found.record_block(1, *readers.size_of(rows), 0.05, 0.0, 0.0)
    assert found.largest > 10**7 and found._limit() >= 2 and found.hands == 1
    pq.write_table(pa.concat_tables([pa.table(words)] * 3), tmp_path / "rows.parquet", row_group_size=3 * n)
    larger = sources.from_parquet(tmp_path)
    assert larger.decoding > source.decoding and larger.divides


def test_a_reader_that_gained_nothing_while_others_had_the_processors_is_tried_again(monkeypatch):
    clock = Clock(monkeypatch, cores=2)
    assert clock.read(lambda n: 0.02 if n == 1 else 0.1, blocks=8)[2:] == [2, 2, 2, 2, 1, 1]
    assert clock.read(lambda n: 0.02)[-1] == 2


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_number_is_kept_whatever_is_measured(number, monkeypatch):
    found = asked(number, max_memory="1MB")
    for _ in range(50):
        found.record_block(found.n, 10**7, 100, 0.02, 0.0, 0.0)
    assert found.n == number


def test_no_more_blocks_are_under_way_than_there_are_readers():
    begun, most, lock = set(), [], threading.Lock()

    def make(piece):
        with lock:
            begun.add(piece)
            most.append(len(begun))
        return Rows(np.zeros(1000))

    for piece, _ in enumerate(in_order(make, range(200), Readers(3))):
        with lock:
            begun.discard(piece)
    assert len(most) == 200 and max(most) <= 4  # and the one that is being given out


# ---------------------------------------------------------------- memory
def test_memory_is_reused_when_no_view_of_it_is_left_and_not_before():
    memory = Reuse()
    with memory.kept():
        first = memory.empty((1000, 300), np.float32)
        place, view = first.ctypes.data, first[7:, 3].reshape(-1)
        view[:] = 5
        del first
        other = memory.empty(290_000, np.int32)
        assert other.ctypes.data != place and (view == 5).all() and not memory.free
        del view
        again = memory.empty((145_000,), np.float64)
        assert again.ctypes.data == place and again.flags.aligned and again.flags.writeable
        del again, other
        assert len(memory.free) == 2
        assert memory.empty(10, np.int8).base is None  # The C library keeps little memory by itself.
        with memory.kept():
            pass
        assert len(memory.free) == 2
        large = memory.empty(10**6, np.float64)
        assert len(memory.free) == 1 and large.shape == (10**6,)  # It was too small, and is let go of.
    assert not memory.free
    large[:] = 1
    del large
    assert not memory.free and not memory.given


def test_rows_that_are_kept_do_not_change_when_others_are_read(tmp_path):
    n = 40_000
    words = {f"w{j}": np.random.default_rng(j).integers(0, 1000, 4 * n).astype(str) for j in range(8)}
    pq.write_table(pa.table(words), tmp_path / "rows.parquet", row_group_size=n)
    source = sources.from_parquet(tmp_path).buffered(readers=2)
    kept = [rows.X for rows in source.blocks()]
    assert all((X != source.read(block).X).nnz == 0 for block, X in enumerate(kept))
    assert not BLOCKS.walks and not BLOCKS.free


# ---------------------------------------------------------------- what goes wrong
class Broken(Exception):
    pass


@pytest.mark.parametrize("number", [2, 4])
def test_the_first_error_in_the_order_is_raised_though_a_later_one_comes_before(number):
    later = threading.Event()

    def make(piece):
        if piece > 5:
            later.set()
        if piece == 5 and threading.current_thread() is not threading.main_thread():
            later.wait(60)
        if piece >= 5:
            raise Broken(f"block {piece}")
        return Rows(np.full(1, piece))

    given = []
    with pytest.raises(Broken, match="block 5"):
        for rows in in_order(make, range(100), Readers(number)):
            given.append(int(rows.X[0]))
    assert given == list(range(5))


@pytest.mark.parametrize("number", NUMBERS)
def test_what_comes_before_an_error_in_the_text_is_given_out_and_the_place_is_named(number, tmp_path, eager):
    path = tmp_path / "rows.csv"
    text = FRAME.to_csv(index=False).splitlines()
    text[5001] = "1,2,oh,news,1"
    path.write_text("\n".join(text))
    source, n = sources.from_csv(path, target="y", block_bytes=10_000).buffered(readers=number), 0
    with pytest.raises(ValueError, match=r"rows.csv: column 'x2' is read as number, and has in row 5002.*'oh'"):
        for rows in blocks(source):
            n += len(rows.y)
    assert 4000 < n < 5001
    lines = [f"{k} 1:{k}" for k in range(N)]
    lines[4999], lines[5999] = "1 1:oh", "1 1:no"
    (tmp_path / "rows.txt").write_bytes(gzip.compress("\n".join(lines).encode()))
    source = sources.from_svmlight(tmp_path / "rows.txt", n_features=2, zero_based=False, block_bytes=2000)
    for walk in (lambda: list(blocks(source.buffered(readers=number))), source.buffered(readers=number).survey):
        with pytest.raises(ValueError, match=r"rows.txt:5000:5: found 'oh'"):
            walk()


@pytest.mark.parametrize("number", [1, 3])
def test_ctrl_c_in_a_walk_ends_the_threads(number):
    source = Blocks(X, MARGIN).buffered(SMALL, readers=number)
    reg = SGDRegressor(**STEADY).fit(source)
    with pytest.raises(KeyboardInterrupt):
        for k, _ in enumerate(sources.predict_batches(reg, source)):
            if k == 4:
                raise KeyboardInterrupt
    assert not [t for t in threading.enumerate() if t.name.startswith("fastsgd")]


def test_a_walk_within_a_walk():
    source = Blocks(X, MARGIN).buffered(SMALL, readers=2)
    stream = stream_of(source)
    n = [sum(table.n_rows for table in stream.tables()) for _ in blocks(source)]
    assert set(n) == {2000} and len(n) == source.n_blocks


def test_where_the_system_gives_no_threads_the_thread_that_asks_reads(monkeypatch):
    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(readers.ThreadPoolExecutor, "submit", refuse)
    parts = [rows.X for rows in blocks(Blocks(X).buffered(readers=3))]
    assert np.array_equal(np.concatenate(parts), X)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_is_forked_in_the_middle_of_a_walk_reads_with_threads_of_its_own():
    source = Blocks(X, MARGIN).buffered(readers=2)
    walk = blocks(source)
    next(walk)
    child = multiprocessing.get_context("fork").Process(target=read_all, args=(source,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert sum(len(rows.y) for rows in walk) == 2000 - 37


def read_all(source):
    assert sum(len(rows.y) for rows in blocks(source)) == 2000


# ---------------------------------------------------------------- sources that are not for several threads
@pytest.mark.filterwarnings("ignore:the rows of this source")
@pytest.mark.parametrize("number", NUMBERS)
def test_a_function_of_the_user_is_run_by_one_thread_though_it_reuses_its_arrays(number, eager):
    threads, held = set(), np.empty((50, 10))

    def make():
        for lo in range(0, 2000, 50):
            threads.add(threading.current_thread())
            held[:] = X[lo : lo + 50]
            yield held, LABELS[lo : lo + 50]

    source = sources.from_batches(make).buffered(SMALL, readers=number)
    threads.clear()
    clf = SGDClassifier(**STEADY)
    same(clone(clf).partial_fit(source, classes=["no", "yes"]), clf.partial_fit(X, LABELS, ["no", "yes"]))
    assert len(threads) == 1


@pytest.mark.parametrize("number", NUMBERS)
def test_blocks_of_a_source_of_the_user_are_read_by_one_thread(number, eager):
    source, threads = Blocks(X, LABELS, in_order=True, trap=lambda _: threads.add(threading.current_thread())), set()
    assert sum(len(rows.y) for rows in blocks(source.buffered(readers=number))) == 2000
    assert threads == {threading.current_thread()}


# ---------------------------------------------------------------- warnings
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("pack", [False, True])
def test_lines_left_out_are_told_once_at_the_users_line(number, pack, tmp_path, eager):
    lines = [f"{k % 2} 1:{k / N}{' oh' if k % 1000 == 7 else ''}" for k in range(N)]
    text = "\n".join(lines).encode()
    (tmp_path / "rows.txt").write_bytes(gzip.compress(text) if pack else text)
    source = sources.from_svmlight(
        tmp_path / "rows.txt", n_features=1, zero_based=False, on_error="skip", block_bytes=2000
    ).buffered(SMALL, readers=number)
    clf = SGDClassifier(random_state=0, max_iter=2, tol=None)
    with pytest.warns(UserWarning) as caught:
        clf.partial_fit(source, classes=[0, 1]).partial_fit(source)
        clf.predict(source)
    told = [w for w in caught if "malformed lines were left out" in str(w.message)]
    assert [str(w.message).split()[0] for w in told] == ["6"] and told[0].filename == __file__
    assert "rows.txt:8:" in str(told[0].message) and source.skipped == 6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_block_that_has_changed_is_not_one_that_was_given_out(layout, number, eager):
    """What was given out stays as it is while others are read."""
    source = Blocks(LAYOUTS[layout], MARGIN, rows=100).buffered(readers=number)
    held = [rows.X for rows in blocks(source)]
    sums = [np.asarray(part.sum(axis=1)).ravel() for part in held]
    assert np.array_equal(np.concatenate(sums), np.asarray(LAYOUTS[layout].sum(axis=1)).ravel())
